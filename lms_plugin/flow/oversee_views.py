"""What the pages of 进度 show: values without rows of the database in them."""

from dataclasses import dataclass
from datetime import date

from competencies import Category, CycleTotal, Level, Result, Rules
from lms_plugin.flow.oversee_figures import FINISHED, Tally
from lms_plugin.people import Stage, UnitKind


@dataclass(frozen=True)
class Frame:
    """The programme a page is about. `year`: the present one, where the programme takes people in by years (分批)."""

    uuid: str
    title: str
    closes_on: date
    is_closed: bool
    rules: Rules
    year: int | None


@dataclass(frozen=True)
class UnitRef:
    """A unit and its address."""

    uuid: str
    name: str


@dataclass(frozen=True)
class UnitLine:
    """One row of the table: a unit below the one that is shown (or its own direct people, `is_self`)."""

    uuid: str
    name: str
    kind: UnitKind
    tally: Tally
    is_self: bool = False


@dataclass(frozen=True)
class OffRoster:
    """People who take part but stand on no list, and those on it who do not count (yet)."""

    people: int
    unconfirmed: int  # of them: whose school nobody has confirmed
    outside: int  # of them: whose school lies outside the programme's unit
    others: int  # on the list, of categories that the programme is not for
    later: int  # on the list, and their turn comes in a later year (分批)
    unplaced: int  # on the list, and no year has been given to them


@dataclass(frozen=True)
class UnitPage:
    """进度 of one unit."""

    frame: Frame
    programmes: tuple[tuple[str, str, str], ...]  # (programme uuid, title, uuid of the unit to open there)
    unit: UnitRef
    is_school: bool
    crumbs: tuple[UnitRef, ...]
    tally: Tally
    lines: tuple[UnitLine, ...]
    off_roster: OffRoster
    categories: tuple[tuple[Category, Tally, int | None], ...]  # 类别, figures, target; () where not kept apart
    asks_plans: bool  # whether the schools of the programme are asked for a plan
    undeclared: int  # schools here that have declared no environment, where the rule looks at it
    trainings: int | None  # held this term for the school that is shown, its own and those above it


@dataclass(frozen=True)
class Lack:
    """What a person still lacks: numbers of points, hundredths of 学时. All zero and logged in: nothing."""

    logged_in: bool
    to_choose: int
    to_submit: int
    returned: int
    failed: int
    waiting: int
    breaks_rule: bool  # enough points passed, but not of enough dimensions, or without the compulsory ones
    practice_hundredths: int
    online_hundredths: int


@dataclass(frozen=True)
class PersonLine:
    """One person of a list or sheet. `result` None: 免训, so none is asked for. `person_uuid`: "" of who never came."""

    entry_uuid: str
    person_uuid: str
    name: str
    staff_number: str
    school: str
    stage: Stage | None
    subject: str
    on_roster: bool
    is_confirmed: bool
    is_exempt: bool
    exempt_reason: str
    logged_in: bool
    chosen: int
    submitted: int
    passed: int
    excellent: int
    practice_hundredths: int
    online_hundredths: int
    credit_points_hundredths: int  # 学分 that hours of all kinds make; 0 where the rules do not count so
    result: Result | None
    lack: Lack
    points: tuple[tuple[str, Level], ...] = ()
    category: Category | None = None  # 类别, where figures are kept apart by it
    cycle: CycleTotal | None = None  # over all programmes, in the sheet alone
    path: str = ""  # of the unit they belong to

    @property
    def has_passed(self) -> bool:
        """合格 or 优秀."""
        return self.result in FINISHED


@dataclass(frozen=True)
class PeoplePage:
    """The people behind a number."""

    frame: Frame
    unit: UnitRef
    crumbs: tuple[UnitRef, ...]
    state: str
    people: tuple[PersonLine, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Unfinished:
    """Who has not passed yet, school by school. `left_out`: how many more than one list may hold."""

    frame: Frame
    unit: UnitRef
    crumbs: tuple[UnitRef, ...]
    schools: tuple[tuple[str, tuple[PersonLine, ...]], ...]
    total: int
    left_out: int
