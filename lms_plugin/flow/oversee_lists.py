"""The people behind the figures of 进度: pages of 50, the list of who is not finished, and everybody for the sheet."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Integer, Select, and_, bindparam, case, func, literal, null, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col
from sqlmodel import select as select_rows

import competencies
from competencies import (
    Award,
    Category,
    CompetencyPoint,
    CreditEntry,
    CycleTotal,
    Decision,
    Head,
    Level,
    Selection,
    Submission,
    credit_points,
    cycle_rule,
    head,
    local_day,
    span_of,
    sums_in,
    total_of,
)
from lms_plugin.access import Actor
from lms_plugin.db import get, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import layouts
from lms_plugin.flow.oversee import Place, crumbs, groups_of, place_of, rows_of, units_around
from lms_plugin.flow.oversee_figures import FINISHED, Group, Sources, Standing, Tally
from lms_plugin.flow.oversee_views import Frame, Lack, PeoplePage, PersonLine, Unfinished, UnitRef
from lms_plugin.people import Exemption, OrgUnit, Person, RosterEntry, Tenant, UnitKind

PAGE = 50
LONGEST_LIST = 2000
"""More people than this are no list to paste into a message: the sheet holds them all."""

STATES = (
    "due",
    "logged_in",
    "chosen",
    "submitted",
    "passed",
    "excellent",
    "unfinished",
    "not_logged_in",
    "not_chosen",
    "not_submitted",
    "exempt",
    "off_roster",
)


BY_ENTRY = frozenset({"due", "exempt"})  # told from the roster alone
BY_STANDING = frozenset({"passed", "excellent", "unfinished"})
# By the column that is joined on: only then PostgreSQL knows that it is nearly everybody. By another one it expects a
# single row and works out everybody's facts anew for each (minutes for a county of ten thousand).
_NOT_EXEMPT = col(Exemption.roster_entry_id).is_(None)


def _standings(groups: Sequence[Group], place: Place, state: str) -> frozenset[Standing]:
    """The standings, of those that occur, that count as 合格 (or as 优秀)."""
    wanted = FINISHED[1:] if state == "excellent" else FINISHED
    return frozenset(
        standing
        for standing in {group.standing for group in groups}
        if standing.result(place.frame.rules, place.frame.is_closed) in wanted
    )


@lru_cache(maxsize=512)  # as in oversee_figures: dear to put together, and made of nothing but its arguments
def _listed(sources: Sources, within: str, state: str, standings: frozenset[Standing]) -> Select[Any]:
    """The people behind one number in their order: `most` after the first `skip`, each row with how many there are."""
    everybody = func.count().over()
    if state == "off_roster":
        strangers = sources.of_nobodys_category
        statement = strangers.off_roster(within, *_off_columns(strangers), everybody).order_by(
            col(OrgUnit.name), col(Person.staff_number), col(Person.id)
        )
    else:
        rows = sources.on_roster(within, *_roster_columns(sources, _record_of(sources)), everybody)
        statement = _ordered(_in_state(rows, state, sources, standings))
    return _paged(statement)


@lru_cache(maxsize=512)
def _entries(sources: Sources, within: str, state: str, _standings: frozenset[Standing]) -> Select[Any]:
    """As `_listed`, for numbers that look at nothing but the roster: (id of the row, whose it is, how many). What is
    known of the people of one page is then looked up for them alone (`_of_entries`)."""
    rows = sources.entries(within, col(RosterEntry.id), sources.of_row.root, func.count().over())
    return _paged(_ordered(rows.where(~_NOT_EXEMPT if state == "exempt" else _NOT_EXEMPT)))


@lru_cache(maxsize=512)
def _of_entries(sources: Sources, within: str) -> Select[Any]:
    """The lines of the roster's rows in the place `entries`; whose they are stands in the place `roots`."""
    rows = sources.on_roster(within, *_roster_columns(sources, _record_of(sources)))
    return _ordered(rows.where(col(RosterEntry.id).in_(bindparam("entries", expanding=True))))


def _paged(statement: Select[Any]) -> Select[Any]:
    return statement.offset(bindparam("skip", type_=Integer)).limit(bindparam("most", type_=Integer))


def _in_state(statement: Select[Any], state: str, sources: Sources, standings: frozenset[Standing]) -> Select[Any]:
    statement = statement.where(_NOT_EXEMPT)
    flags = {"logged_in": sources.is_in, "chosen": sources.has_chosen, "submitted": sources.has_submitted}
    if state in flags:
        return statement.where(flags[state] == 1)
    if state.startswith("not_"):
        return statement.where(flags[state.removeprefix("not_")] == 0)
    finished = sources.standing_is(sorted(standings, key=repr))
    return statement.where(~finished if state == "unfinished" else finished)


def _record_of(sources: Sources) -> Any:
    """The uuid under which the record of a roster row's person is found; "" for who never came."""
    today = aliased(Person)
    uuid = select(col(today.uuid)).where(col(today.id) == sources.of_row.root).scalar_subquery()
    return case((sources.enrolled.c.root_id.is_not(None), uuid), else_="")


def _roster_columns(sources: Sources, record: Any) -> tuple[Any, ...]:
    return (
        col(RosterEntry.uuid),
        col(RosterEntry.name),
        col(RosterEntry.staff_number),
        col(OrgUnit.name),
        col(RosterEntry.stage),
        col(RosterEntry.subject),
        col(RosterEntry.id),
        col(Exemption.id),
        col(Exemption.reason),
        sources.of_row.root,
        record,
        col(OrgUnit.path),
        *sources.details(),
    )


def _off_columns(sources: Sources) -> tuple[Any, ...]:
    return (
        col(Person.uuid),
        col(Person.name),
        col(Person.staff_number),
        col(OrgUnit.name),
        col(Person.stage),
        col(Person.subject),
        col(Person.confirmed_at),
        null(),
        null(),
        col(Person.id),
        col(Person.uuid),
        col(OrgUnit.path),
        *sources.details(),
    )


def _line(
    row: Any,
    place: Place,
    *,
    on_roster: bool,
    points: Sequence[tuple[str, Level]] = (),
    cycle: CycleTotal | None = None,
) -> PersonLine:
    uuid, name, number, school, stage, subject, sure, exempt, reason, _root, person, path, *details = row
    category = details.pop(11)
    is_in, chosen, handed, back, failed, passed, excellent, *counts, practice, online, every = (int(v) for v in details)
    counted, counted_excellent, meets_rule, hours_ok = counts
    own = Category(category) if category else None
    rules = place.frame.rules.for_category(own)
    required, need = rules.choice.required_points, rules.hours
    result = Standing(counted, counted_excellent, bool(meets_rule), bool(hours_ok)).result(rules, place.frame.is_closed)
    return PersonLine(
        entry_uuid=uuid if on_roster else "",
        person_uuid=person or "",
        name=name,
        staff_number=number,
        school=school or "",
        stage=stage,
        subject=subject,
        on_roster=on_roster,
        is_confirmed=sure is not None,
        is_exempt=exempt is not None,
        exempt_reason=reason or "",
        logged_in=bool(is_in),
        chosen=chosen,
        submitted=handed,
        passed=passed,
        excellent=excellent,
        practice_hundredths=practice,
        online_hundredths=online,
        credit_points_hundredths=credit_points(every, place.frame.rules.hours.per_credit_point_hundredths),
        result=None if exempt is not None else result,
        lack=Lack(
            logged_in=bool(is_in),
            to_choose=max(0, required - chosen),
            to_submit=max(0, min(chosen, required) - handed - back),
            returned=back,
            failed=failed,
            waiting=max(0, handed - passed - failed),
            breaks_rule=passed >= required and not meets_rule,
            practice_hundredths=max(0, need.practice_need_hundredths - practice),
            online_hundredths=max(0, need.online_need_hundredths - online),
        ),
        points=tuple(points),
        category=own,
        cycle=cycle,
        path=path or "",
    )


def people_page(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, state: str, page: int, now: datetime
) -> PeoplePage:
    """The people behind one number, by school and 工号, 50 a page. Raises NotFound for an unknown state."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    if state not in STATES:
        raise NotFound
    standings = frozenset[Standing]()
    if state in BY_STANDING:
        standings = _standings(groups_of(session, place), place, state)
    by_entry = state in BY_ENTRY
    listing = _entries if by_entry else _listed
    statement = listing(place.sources(), place.unit.path, state, standings)
    rows = _part(session, statement, page)
    if not rows and page > 1:  # there are fewer: the last ones
        page = -(-sum(int(row[-1]) for row in _part(session, statement, 1)[:1]) // PAGE)
        rows = _part(session, statement, page)
    total = int(rows[0][-1]) if rows else 0
    lines = [row[:-1] for row in rows]
    if lines and by_entry:
        some = {"entries": [row[0] for row in rows], "roots": [row[1] for row in rows if row[1] is not None]}
        lines = rows_of(session, _of_entries(place.sources(some=True), place.unit.path), some)
    return PeoplePage(
        frame=place.frame,
        unit=UnitRef(place.unit.uuid, place.unit.name),
        crumbs=crumbs(place, units_around(session, place.unit, children=False), actor),
        state=state,
        people=tuple(_line(line, place, on_roster=state != "off_roster") for line in lines),
        total=total,
        page=max(page, 1),
        pages=max(1, -(-total // PAGE)),
    )


def _part(session: Session, statement: Select[Any], page: int) -> list[Any]:
    """The rows of one page; the first page for what is none."""
    return rows_of(session, statement, {"skip": max(page - 1, 0) * PAGE, "most": PAGE})


def _ordered(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(col(OrgUnit.path), col(RosterEntry.staff_number), col(RosterEntry.id))


def unfinished(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> Unfinished:
    """未完成名单: who should take part and has not passed, school by school (at most LONGEST_LIST people)."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    groups = groups_of(session, place)
    statement = _listed(place.sources(), place.unit.path, "unfinished", _standings(groups, place, "unfinished"))
    total = sum(group.tally(place.frame.rules, place.frame.is_closed).unfinished for group in groups)
    schools: dict[str, list[PersonLine]] = defaultdict(list)
    for row in rows_of(session, statement, {"skip": 0, "most": LONGEST_LIST}):
        line = _line(row[:-1], place, on_roster=True)
        schools[line.school].append(line)
    shown = sum(len(lines) for lines in schools.values())
    return Unfinished(
        frame=place.frame,
        unit=UnitRef(place.unit.uuid, place.unit.name),
        crumbs=crumbs(place, units_around(session, place.unit, children=False), actor),
        schools=tuple((name, tuple(lines)) for name, lines in schools.items()),
        total=total,
        left_out=total - shown,
    )


@dataclass(frozen=True)
class Export:
    """What the sheet holds: the figures of each unit that has people of its own, then every person."""

    frame: Frame
    unit: UnitRef
    units: tuple[tuple[str, Tally], ...]
    people: Iterator[PersonLine]
    off_roster: Iterator[PersonLine]
    seal: Head | None  # of the district's ledger
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    above: Mapping[int, tuple[UnitKind, str]]  # the district's units that are no schools, by what stands in paths
    layouts: Mapping[str, competencies.layouts.Layout | None]  # of the sheet's two listings, by code


def export(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> Export:
    """Everything the page says of a unit, person by person, read row by row so that a city fits as well as a school.
    Who stops reading half-way closes what they were given."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    sources = place.sources()
    tallies, points, sums = _tallies(session, place), _points_of(session, place, sources), _Sums(session, place, now)
    sums.read(sources)
    strangers = sources.of_nobodys_category

    def people(statement: Select[Any], *, on_roster: bool) -> Iterator[PersonLine]:
        with cast("Any", session.exec(cast("Any", statement.execution_options(yield_per=500)))) as rows:
            for row in rows:
                yield _line(row, place, on_roster=on_roster, points=points.get(row[9], ()), cycle=sums.of(row[9]))

    everybody = _ordered(sources.on_roster(place.unit.path, *_roster_columns(sources, literal(""))))
    off_roster = strangers.off_roster(place.unit.path, *_off_columns(strangers)).order_by(
        col(OrgUnit.name), col(Person.staff_number), col(Person.id)
    )
    return _export(session, place, tallies, people(everybody, on_roster=True), people(off_roster, on_roster=False))


def beginning(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, listing: str, most: int, now: datetime
) -> Export:
    """What `export` begins with, for a look at a layout: of the listing "people" the first so many, of "units" the
    figures and nobody. Facts are looked up for these people alone, however large the unit is."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    if listing == "units":
        return _export(session, place, _tallies(session, place), iter(()), iter(()))
    sources, path = place.sources(some=True), place.unit.path
    entries = place.sources().entries(path, col(RosterEntry.id), place.sources().of_row.root)
    rows = rows_of(session, _ordered(entries).limit(most))
    some = {"entries": [row[0] for row in rows], "roots": [row[1] for row in rows if row[1] is not None]}
    lines = rows_of(session, _of_entries(sources, path), some) if rows else []
    points, sums = _points_of(session, place, sources, some), _Sums(session, place, now)
    sums.read(sources, some)
    people = [_line(row, place, on_roster=True, points=points.get(row[9], ()), cycle=sums.of(row[9])) for row in lines]
    return _export(session, place, {}, iter(people), iter(()))


def _tallies(session: Session, place: Place) -> dict[str, Tally]:
    """The figures of each unit that has people of its own, by its path."""
    found: dict[str, Tally] = defaultdict(Tally)
    for group in groups_of(session, place):
        found[group.path] += group.tally(place.frame.rules, place.frame.is_closed)
    return found


def _export(
    session: Session,
    place: Place,
    tallies: Mapping[str, Tally],
    people: Iterator[PersonLine],
    off_roster: Iterator[PersonLine],
) -> Export:
    tenant_id = place.programme.tenant_id
    above = session.exec(
        select_rows(OrgUnit).where(OrgUnit.tenant_id == tenant_id, OrgUnit.kind != UnitKind.SCHOOL)
    ).all()
    names = dict(
        session.exec(
            select_rows(OrgUnit.path, OrgUnit.name).where(
                OrgUnit.tenant_id == tenant_id, col(OrgUnit.path).startswith(place.unit.path)
            )
        ).all()
        if tallies
        else ()
    )
    return Export(
        frame=place.frame,
        unit=UnitRef(place.unit.uuid, place.unit.name),
        units=tuple((names[path], tally) for path, tally in sorted(tallies.items())),
        people=people,
        off_roster=off_roster,
        seal=head(session, tenant_id),
        level_words=competencies.frameworks.words_of_levels(session, place.programme.framework_version_id),
        above={pk(one): (one.kind, one.name) for one in above},
        layouts=layouts.holding(session, place.programme, ("people", "units")),
    )


class _Sums:
    """Each human being's hours of all kinds, and of practice, in the cycle of today."""

    def __init__(self, session: Session, place: Place, now: datetime) -> None:
        self.session, self.tenant = session, get(session, Tenant, place.programme.tenant_id)
        self.rule, self.today = cycle_rule(self.tenant.cycle), local_day(now, self.tenant.timezone)
        self.found: dict[int, tuple[int, int]] = {}

    def read(self, sources: Sources, some: Mapping[str, Any] | None = None) -> None:
        """Of those in the sources (`some`: its people): one query."""
        who = sources.who
        statement = sums_in(span_of(self.rule, self.today, self.tenant.timezone), who.c.root_id, pk(self.tenant))
        rows = rows_of(self.session, statement.join(who, who.c.person_id == col(CreditEntry.person_id)), some)
        self.found = {root: (int(total), int(practice)) for root, total, practice in rows}

    def of(self, root: int | None) -> CycleTotal:
        """The totals of one, held against the rule."""
        return total_of(self.rule, self.today.year, *self.found.get(root or 0, (0, 0)))


def _points_of(
    session: Session, place: Place, sources: Sources, some: Mapping[str, Any] | None = None
) -> dict[int, list[tuple[str, Level]]]:
    """Each person's released points with the levels that hold, in the framework's order; `some` as in `_Sums`.

    Points that failed and were given back for others are left out.
    """
    who = sources.who
    rows = rows_of(
        session,
        select(
            who.c.root_id,
            col(CompetencyPoint.code),
            col(CompetencyPoint.position),
            col(Decision.point_level),
            col(Award.revoked_at),
        )
        .join(Submission, col(Submission.person_id) == who.c.person_id)
        .join(Decision, col(Decision.submission_id) == col(Submission.id))
        .join(Award, competencies.revisions.AWARD_OF_DECISION, isouter=True)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(
            Selection,
            and_(
                col(Selection.programme_id) == col(Submission.programme_id),
                col(Selection.person_id) == col(Submission.person_id),
                col(Selection.point_id) == col(Submission.point_id),
                col(Selection.dropped_at).is_(None),
            ),
        )
        .where(col(Submission.programme_id) == pk(place.programme), col(Decision.released_at).is_not(None)),
        some,
    )
    best: dict[int, dict[tuple[int, str], Level]] = defaultdict(dict)
    for root, code, position, level, revoked_at in rows:
        key, holds = (position, code), Level.FAIL if revoked_at is not None else Level(level or 0)
        best[root][key] = max(holds, best[root].get(key, Level.FAIL))
    return {root: [(code, level) for (_, code), level in sorted(found.items())] for root, found in best.items()}
