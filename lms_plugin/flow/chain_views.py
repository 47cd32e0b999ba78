"""Where schools stand on the official chain, and who has to act: the county's page, the school's, one batch's."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

import competencies
from competencies import BatchState, BatchWork, CompetencyPoint, Objection, Programme, SchoolBatch, Submission
from competencies import SubmissionState as State
from lms_plugin.access import Actor, Permission, can, require
from lms_plugin.db import by_id, find, get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import batches
from lms_plugin.people import OrgUnit, Person, Role, RoleKind, UnitKind

Text = Mapping[str, str]
ACTS = ("answer", "check", "panel", "decide", "close", "shown", "ready", "done", "none")
"""What a school's chain waits for, the most urgent first: the county answers an objection, checks; the school names its
考核小组, decides, closes; 公示 runs; the release is about to come; all is released; nothing was handed in yet."""


COUNTY = (RoleKind.OFFICER, RoleKind.AUDITOR, RoleKind.TRAINER)  # who may look beyond one school


@dataclass(frozen=True)
class SchoolLine:
    """One school on the chain. `undecided`, `decided`: works outside batches. `act`: one of `ACTS`."""

    unit: str
    name: str
    panel: int
    undecided: int
    decided: int
    released: int
    round: int
    state: str
    ends_on: date | None
    batch: str
    objections: int
    act: str


@dataclass(frozen=True)
class CountyPage:
    """All schools of a programme, those for whom somebody has to act first. `acts`: how many wait for what;
    `holidays`: the years whose days off the district has written."""

    programme: str
    title: str
    chain: competencies.Chain
    lines: tuple[SchoolLine, ...]
    acts: Mapping[str, int]
    holidays: frozenset[int]


def county_page(session: Session, actor: Actor, programme_uuid: str) -> CountyPage:
    """The county's page: eight queries, whatever the number of schools. Raises NotFound where no stage is on."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.CHAIN_READ, batches.county_scope(session, programme))
    chain = _chain(session, programme)
    above = get(session, OrgUnit, programme.org_unit_id)
    units = {
        pk(row): row
        for row in session.exec(
            owned(OrgUnit, actor.tenant_id).where(
                col(OrgUnit.path).startswith(above.path, autoescape=True), col(OrgUnit.kind) == UnitKind.SCHOOL
            )
        )
    }
    facts = _facts(session, programme)
    for key, row in by_id(session, OrgUnit, [key for key in facts.units if key not in units]).items():
        units[key] = row
    lines = [facts.line(row, programme) for row in units.values()]
    lines.sort(key=lambda line: (ACTS.index(line.act), line.name))
    acts: dict[str, int] = defaultdict(int)
    for line in lines:
        acts[line.act] += 1
    holidays = frozenset(competencies.holidays.holding(session, actor.tenant_id))
    return CountyPage(programme.uuid, programme.title, chain, tuple(lines), dict(acts), holidays)


def _chain(session: Session, programme: Programme) -> competencies.Chain:
    if not (programme.goes_by_batch or programme.panel_decides):
        raise NotFound
    return competencies.rules_of(session, programme).chain


@dataclass(frozen=True)
class Facts:
    """What the lines of schools are made of, by id of the unit."""

    works: Mapping[int, Mapping[str, int]]
    latest: Mapping[int, SchoolBatch]
    checking: frozenset[int]
    objections: Mapping[int, int]
    panels: Mapping[int, int]

    @property
    def units(self) -> set[int]:
        """Units with works or batches."""
        return set(self.works) | set(self.latest)

    def line(self, unit: OrgUnit, programme: Programme) -> SchoolLine:
        """How one school stands."""
        key, works = pk(unit), self.works.get(pk(unit), {})
        batch, panel = self.latest.get(key), self.panels.get(key, 0)
        state = batch.state.value if batch is not None else ""
        undecided, decided = works.get("undecided", 0), works.get("decided", 0)
        act = "none"
        if self.objections.get(key):
            act = "answer"
        elif key in self.checking:
            act = "check"
        elif programme.panel_decides and panel < 2 and unit.kind is UnitKind.SCHOOL and undecided:
            act = "panel"
        elif undecided:
            act = "decide"
        elif decided and programme.goes_by_batch:
            act = "close"
        elif state in {"shown", "ready"}:
            act = state
        elif works.get("released") or state == "released":
            act = "done"
        return SchoolLine(
            unit=unit.uuid,
            name=unit.name,
            panel=panel,
            undecided=undecided,
            decided=decided,
            released=works.get("released", 0),
            round=batch.round if batch is not None else 0,
            state=state,
            ends_on=batch.ends_on if batch is not None else None,
            batch=batch.uuid if batch is not None else "",
            objections=self.objections.get(key, 0),
            act=act,
        )


def _facts(session: Session, programme: Programme) -> Facts:
    """Of all schools: four queries."""
    version = competencies.SubmissionVersion
    of: Any = func.coalesce(col(version.org_unit_id), programme.org_unit_id)
    works: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    statement: Any = (
        columns(of, col(Submission.state), col(Submission.batch_id).is_(None), func.count())
        .join(version, col(version.id) == col(Submission.current_version_id))
        .where(
            col(Submission.programme_id) == pk(programme),
            col(Submission.state) != State.DRAFT,
            col(version.declined_at).is_(None),
        )
        .group_by(of, col(Submission.state), col(Submission.batch_id).is_(None))
    )
    for key, state, is_free, number in session.exec(statement):
        if state is State.RELEASED:
            works[key]["released"] += number
        elif state is not State.DECIDED:
            works[key]["undecided"] += number
        elif is_free:
            works[key]["decided"] += number
    rows = session.exec(
        select(SchoolBatch).where(SchoolBatch.programme_id == pk(programme)).order_by(col(SchoolBatch.round))
    ).all()
    objections = _open_objections(session, programme)
    panels = session.exec(
        select(Role.org_unit_id, func.count())
        .where(Role.tenant_id == programme.tenant_id, Role.kind == RoleKind.PANEL, col(Role.revoked_at).is_(None))
        .group_by(col(Role.org_unit_id))
    ).all()
    return Facts(
        works,
        {row.org_unit_id: row for row in rows},
        frozenset(row.org_unit_id for row in rows if row.state is BatchState.CHECKING),
        objections,
        {key: number for key, number in panels if key is not None},
    )


def _open_objections(session: Session, programme: Programme) -> dict[int, int]:
    """How many objections wait for an answer, by id of the school: one query."""
    rows = session.exec(
        select(SchoolBatch.org_unit_id, func.count())
        .join(Objection, col(Objection.batch_id) == col(SchoolBatch.id))
        .where(SchoolBatch.programme_id == pk(programme), col(Objection.is_upheld).is_(None))
        .group_by(col(SchoolBatch.org_unit_id))
    )
    return dict(rows.all())


@dataclass(frozen=True)
class Waiting:
    """A work that keeps the school from closing, or is left out. `why`: what the county or an objection found."""

    uuid: str
    author: str
    code: str
    point: Text
    state: str
    why: str
    opens: bool  # whether the actor may open the case


@dataclass(frozen=True)
class RoundLine:
    """One batch of the school, the latest first."""

    batch: str
    round: int
    state: str
    closed_at: datetime
    ends_on: date | None
    is_shown: bool


@dataclass(frozen=True)
class SchoolPage:
    """A school on the chain of a programme: what waits, what is decided, its rounds."""

    programme: str
    title: str
    unit: str
    line: SchoolLine
    chain: competencies.Chain
    waiting: tuple[Waiting, ...]
    levels: Mapping[int, int]
    level_words: Mapping[str, Text] | None  # the framework's own words for its levels
    rounds: tuple[RoundLine, ...]
    panel: tuple[str, ...]
    may_name: bool
    may_close: bool
    sees_county: bool


def school_page(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str) -> SchoolPage:
    """The school's own page: nine queries at most. Raises NotFound where no stage is on."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.CHAIN_READ, batches.school_scope(unit))
    chain = _chain(session, programme)
    version = competencies.SubmissionVersion
    statement: Any = (
        columns(Submission, col(Person.name), CompetencyPoint, competencies.Decision)
        .join(version, col(version.id) == col(Submission.current_version_id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(competencies.Decision, col(competencies.Decision.submission_version_id) == col(version.id), isouter=True)
        .where(batches.of_unit(programme, unit), col(Submission.batch_id).is_(None))
        .order_by(col(Person.name), col(CompetencyPoint.position), col(Submission.id))
    )
    rows = list(session.exec(statement).all())
    undecided = [row for row in rows if row[0].state is not State.DECIDED]
    levels: dict[int, int] = defaultdict(int)
    for work, _name, _point, decision in rows:
        if work.state is State.DECIDED and decision is not None:
            levels[decision.point_level or 0] += 1
    decides = actor.has(RoleKind.PANEL, RoleKind.TRAINER, RoleKind.OFFICER)
    rounds = session.exec(
        select(SchoolBatch)
        .where(SchoolBatch.programme_id == pk(programme), SchoolBatch.org_unit_id == pk(unit))
        .order_by(col(SchoolBatch.round).desc())
    ).all()
    why = _why(session, [pk(row[0]) for row in undecided]) if rounds else {}
    members = session.exec(
        select(Person.name)
        .join(Role, col(Role.person_id) == col(Person.id))
        .where(Role.kind == RoleKind.PANEL, Role.org_unit_id == pk(unit), col(Role.revoked_at).is_(None))
        .order_by(col(Role.id))
    ).all()
    return SchoolPage(
        programme=programme.uuid,
        title=programme.title,
        unit=unit.uuid,
        line=Facts(
            {pk(unit): {"undecided": len(undecided), "decided": sum(levels.values())}},
            {pk(unit): rounds[0]} if rounds else {},
            frozenset(row.org_unit_id for row in rounds if row.state is BatchState.CHECKING),
            _open_objections(session, programme) if rounds else {},
            {pk(unit): len(members)},
        ).line(unit, programme),
        chain=chain,
        waiting=tuple(
            Waiting(
                work.uuid,
                name,
                point.code,
                point.name,
                work.state.value,
                why.get(pk(work), ""),
                decides and not actor.is_author(work.person_id),
            )
            for work, name, point, _decision in undecided
        ),
        levels={level: levels[level] for level in sorted(levels, reverse=True)},
        level_words=rows[0][2].level_words if rows else None,
        rounds=tuple(
            RoundLine(row.uuid, row.round, row.state.value, row.closed_at, row.ends_on, row.shown_at is not None)
            for row in rounds
        ),
        panel=tuple(members),
        may_name=unit.kind is UnitKind.SCHOOL and can(actor, Permission.PANEL_NAME, batches.school_scope(unit)),
        sees_county=actor.has(*COUNTY),
        may_close=chain.goes_by_batch and can(actor, Permission.BATCH_CLOSE, batches.school_scope(unit)),
    )


def _why(session: Session, submission_ids: list[int]) -> dict[int, str]:
    """Why these works are decided anew: the county's latest finding, or the answer to the objection. Two queries."""
    found = dict(
        session.exec(
            select(BatchWork.submission_id, BatchWork.found_reason)
            .where(col(BatchWork.submission_id).in_(submission_ids), col(BatchWork.is_upheld).is_(False))
            .order_by(col(BatchWork.id))
        ).all()
    )
    answers = session.exec(
        select(Objection.submission_id, Objection.answer)
        .where(col(Objection.submission_id).in_(submission_ids), col(Objection.is_upheld).is_(True))
        .order_by(col(Objection.id))
    ).all()
    return found | dict(answers)
