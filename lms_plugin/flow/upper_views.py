"""What the pages of 市级抽查 and 省级抽查 show. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
from competencies import Award, CompetencyPoint, Programme, SchoolBatch, Submission
from lms_plugin.access import Actor, Permission, can, require, somewhere
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import batches, upper_checks
from lms_plugin.people import OrgUnit, Person

domain = competencies.upper_checks
Text = Mapping[str, str]


@dataclass(frozen=True)
class CheckLine:
    """One draw. `drawn`, `unseen`, `overturned`: works that were drawn, are not looked at yet, did not hold."""

    uuid: str
    round: int
    drawn_at: datetime
    is_over: bool


@dataclass(frozen=True)
class TierPart:
    """A city or province with its draws, the newest first. `waiting`: works passed since the last one."""

    tier: str
    unit: str
    name: str
    percent: int
    waiting: int
    checks: tuple[CheckLine, ...]
    may_draw: bool

    @property
    def is_under_way(self) -> bool:
        """Whether a draw is being looked at: the next one comes after it."""
        return any(not one.is_over for one in self.checks)


@dataclass(frozen=True)
class UpperPage:
    """Both tiers of a programme."""

    programme: str
    title: str
    parts: tuple[TierPart, ...]


@dataclass(frozen=True)
class DrawnLine:
    """A drawn work. `becomes`: what comes of one that did not hold: "anew" (it is decided anew), "take_back" (it was
    released, and the county has to take it back), "taken_back"; "" of others."""

    uuid: str
    person: str
    author: str
    school: str
    code: str
    point: Text
    level_words: Mapping[str, Text] | None
    level: int
    is_upheld: bool | None
    found_reason: str
    found_by: str
    may_check: bool
    becomes: str


@dataclass(frozen=True)
class CheckPage:
    """One draw with what was found. `is_as_drawn`: worked out again, it is the same; `hidden`: drawn works of schools
    beyond the reader's reach."""

    uuid: str
    programme: str
    title: str
    tier: str
    unit: str
    round: int
    percent: int
    population: int
    seed: str
    drawn_at: datetime
    drawn_by: str
    ended_at: datetime | None
    is_as_drawn: bool
    lines: tuple[DrawnLine, ...]
    hidden: int
    may_check: bool

    @property
    def unseen(self) -> int:
        """How many nobody has looked at."""
        return sum(one.is_upheld is None for one in self.lines)

    @property
    def overturned(self) -> int:
        """How many did not hold."""
        return sum(one.is_upheld is False for one in self.lines)


def page(session: Session, actor: Actor, programme_uuid: str) -> UpperPage:
    """The draws of a programme, by tier and unit. Eight queries for one city and one province. Raises NotFound where
    the rules ask for no such check and there never was one."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.CHAIN_READ, somewhere(actor))
    chain = competencies.rules_of(session, programme).chain
    every = domain.checks_of(session, programme)
    parts = []
    for tier in domain.Tier:
        percent = domain.percent_of(chain, tier) if chain.goes_by_batch else 0
        if not percent and not any(one.tier is tier for one in every):
            continue
        for unit in upper_checks.units_of(session, programme, tier):
            own = [one for one in every if (one.tier, one.org_unit_id) == (tier, pk(unit))]
            may_draw = bool(percent) and can(actor, Permission.UPPER_CHECK, upper_checks.scope_of(unit))
            parts.append(
                TierPart(
                    tier.value,
                    unit.uuid,
                    unit.name,
                    percent,
                    len(upper_checks.waiting(session, programme, unit, own)) if percent else 0,
                    tuple(CheckLine(one.uuid, one.round, one.drawn_at, one.ended_at is not None) for one in own[::-1]),
                    may_draw,
                )
            )
    if not parts:
        raise NotFound
    if not any(part.may_draw for part in parts):
        require(actor, Permission.CHAIN_READ, batches.county_scope(session, programme))
    return UpperPage(programme.uuid, programme.title, tuple(parts))


def check_page(session: Session, actor: Actor, uuid: str) -> CheckPage:
    """One draw: ten queries at most. A county sees the works of its own schools. Raises Forbidden where that is none
    of them."""
    require(actor, Permission.CHAIN_READ, somewhere(actor))
    check = find(session, domain.UpperCheck, actor.tenant_id, uuid)
    programme, unit = get(session, Programme, check.programme_id), get(session, OrgUnit, check.org_unit_id)
    checks = can(actor, Permission.UPPER_CHECK, upper_checks.scope_of(unit))
    works = domain.works_of(session, check)
    told = _told(session, check)
    names = by_id(session, Person, [check.drawn_by_id, *(work.found_by_id or 0 for work, _row in works)])
    may_check = checks and check.ended_at is None
    forbidden = upper_checks.hands_on(session, actor, works) if may_check else set()
    lines = []
    for work, row in works:
        one = told[pk(row)]
        school = one.school
        if not checks and not can(actor, Permission.CHAIN_READ, batches.school_scope(school)):
            continue
        lines.append(
            DrawnLine(
                uuid=row.uuid,
                person=one.person.uuid,
                author=one.person.name,
                school=school.name,
                code=one.point.code,
                point=one.point.name,
                level_words=one.point.level_words,
                level=work.level,
                is_upheld=work.is_upheld,
                found_reason=work.found_reason,
                found_by=names[work.found_by_id].name if work.found_by_id is not None else "",
                may_check=may_check and pk(row) not in forbidden,
                becomes=_becomes(
                    row, is_bad=work.is_upheld is False, is_over=check.ended_at is not None, held=one.held
                ),
            )
        )
    if not lines and not checks:
        raise Forbidden(permission=Permission.CHAIN_READ.value)
    chosen = domain.chosen(check.works, check.percent, check.seed)
    return CheckPage(
        uuid=check.uuid,
        programme=programme.uuid,
        title=programme.title,
        tier=check.tier.value,
        unit=unit.name,
        round=check.round,
        percent=check.percent,
        population=len(check.works),
        seed=check.seed,
        drawn_at=check.drawn_at,
        drawn_by=names[check.drawn_by_id].name,
        ended_at=check.ended_at,
        is_as_drawn=chosen == [row.uuid for _work, row in works],
        lines=tuple(lines),
        hidden=len(works) - len(lines),
        may_check=may_check,
    )


def _becomes(work: Submission, *, is_bad: bool, is_over: bool, held: bool) -> str:
    if not is_bad or not is_over:
        return ""
    if work.state is not competencies.SubmissionState.RELEASED:
        return "anew"
    return "take_back" if held else "taken_back"


@dataclass(frozen=True)
class _Told:
    person: Person
    school: OrgUnit
    point: CompetencyPoint
    held: bool  # an award of it stands


def _told(session: Session, check: "domain.UpperCheck") -> dict[int, _Told]:
    """Author, school and point of what was drawn, by id of the work: one query."""
    drawn = domain.UpperWork
    stands = exists().where(col(Award.decision_id) == col(drawn.decision_id), col(Award.revoked_at).is_(None))
    statement: Any = (
        columns(col(Submission.id), Person, OrgUnit, CompetencyPoint, stands)
        .select_from(drawn)
        .join(Submission, col(Submission.id) == col(drawn.submission_id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(SchoolBatch, col(SchoolBatch.id) == col(drawn.batch_id))
        .join(OrgUnit, col(OrgUnit.id) == col(SchoolBatch.org_unit_id))
        .where(col(drawn.check_id) == pk(check))
    )
    return {row[0]: _Told(*row[1:]) for row in session.execute(statement)}
