"""市级抽查、省级抽查: a city or a province draws from what counties have passed, by a seed, and says of each drawn work
whether the decision holds. 公示 and release go on meanwhile: what does not hold is decided anew, or where it was
released already, taken back by the county (冲销).
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import BatchWork, Decision, Programme, SchoolBatch, Submission
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import booking
from lms_plugin.people import OrgUnit, RoleKind, UnitKind

domain = competencies.upper_checks
LONGEST_FINDING = 2000
KIND_OF = {domain.Tier.CITY: UnitKind.CITY, domain.Tier.PROVINCE: UnitKind.PROVINCE}


def units_of(session: Session, programme: Programme, tier: domain.Tier) -> list[OrgUnit]:
    """The cities (or provinces) that look at a programme: those above its unit, and those below it. Where the district
    has none of that kind, its root stands for it: whoever comes from above gets a role there. One query."""
    own = get(session, OrgUnit, programme.org_unit_id)
    every = session.exec(
        owned(OrgUnit, programme.tenant_id)
        .where(or_(col(OrgUnit.kind) == KIND_OF[tier], col(OrgUnit.parent_id).is_(None)))
        .order_by(col(OrgUnit.path))
    ).all()
    of_kind = [
        one
        for one in every
        if one.kind is KIND_OF[tier] and (own.path.startswith(one.path) or one.path.startswith(own.path))
    ]
    return of_kind or [one for one in every if one.parent_id is None]


def scope_of(unit: OrgUnit, owner_id: int | None = None) -> Scope:
    """The scope of what a city or province does: a role of a county below does not reach."""
    return Scope(unit.tenant_id, owner_id=owner_id, unit_paths=(unit.path,))


def waiting(
    session: Session, programme: Programme, unit: OrgUnit, before: Collection[domain.UpperCheck]
) -> list[Submission]:
    """Works below a unit that the county passed and no draw of the tier has drawn from yet. Two queries. `before`: its
    earlier draws."""
    return [work for _row, work in _candidates(session, programme, unit, before)]


def _candidates(
    session: Session, programme: Programme, unit: OrgUnit, before: Collection[domain.UpperCheck]
) -> list[tuple[BatchWork, Submission]]:
    below = session.exec(
        select(OrgUnit.id).where(
            OrgUnit.tenant_id == unit.tenant_id, col(OrgUnit.path).startswith(unit.path, autoescape=True)
        )
    ).all()
    seen = {name for one in before for name in one.works}
    found = domain.passed_in(session, programme, [key for key in below if key is not None])
    return [(row, work) for row, work in found if work.uuid not in seen]


def draw(
    session: Session, actor: Actor, programme_uuid: str, tier_name: str, unit_uuid: str, seed: str, now: datetime
) -> domain.UpperCheck:
    """抽签: from all that counties have passed since the last draw. Kept with its seed and the names drawn from.

    Raises NotFound where the programme's rules ask for no such check, or the unit is none that draws; Refused
    `upper.under_way` while the last draw is looked at, `upper.nothing_new`.
    """
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.UPPER_CHECK, scope_of(unit))
    chain = competencies.rules_of(session, programme).chain
    tier = next((one for one in domain.Tier if one.value == tier_name and domain.percent_of(chain, one)), None)
    if (
        tier is None
        or not chain.goes_by_batch
        or pk(unit) not in {pk(one) for one in units_of(session, programme, tier)}
    ):
        raise NotFound
    booking.take_turn(session, programme)
    before = [one for one in domain.checks_of(session, programme) if (one.tier, one.org_unit_id) == (tier, pk(unit))]
    if any(one.ended_at is None for one in before):
        raise Refused("upper.under_way")
    rows = {work.uuid: (row, work) for row, work in _candidates(session, programme, unit, before)}
    if not rows:
        raise Refused("upper.nothing_new")
    check = domain.UpperCheck(
        tenant_id=actor.tenant_id,
        programme_id=pk(programme),
        org_unit_id=pk(unit),
        tier=tier,
        round=len(before) + 1,
        percent=domain.percent_of(chain, tier),
        seed=seed,
        works=sorted(rows),
        drawn_at=now,
        drawn_by_id=actor.person_id,
    )
    session.add(check)
    session.flush()
    for place, name in enumerate(domain.chosen(check.works, check.percent, seed), start=1):
        row, work = rows[name]
        session.add(
            domain.UpperWork(
                check_id=pk(check),
                submission_id=pk(work),
                batch_id=row.batch_id,
                decision_id=row.decision_id or 0,
                level=row.level or 0,
                place=place,
            )
        )
    session.flush()
    return check


def hands_on(session: Session, actor: Actor, works: Sequence[tuple[domain.UpperWork, Submission]]) -> set[int]:
    """The works (ids) that this person must not look at: decided, reviewed or checked for the county by them, their
    own, and all of a school whose panel or lead they are. Two queries."""
    ids = [work.submission_id for work, _submission in works]
    schools = session.exec(
        select(SchoolBatch.id, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(SchoolBatch.org_unit_id))
        .where(col(SchoolBatch.id).in_([work.batch_id for work, _submission in works]))
    )
    path_of = dict(schools.all())
    kinds = (RoleKind.PANEL, RoleKind.SCHOOL_LEAD)
    mine = {role.unit_path for role in actor.roles if role.kind in kinds and role.unit_path}
    theirs = {work.submission_id for work, _submission in works if path_of.get(work.batch_id) in mine}
    decided = select(Decision.id).where(
        col(Decision.submission_id) == col(Submission.id),
        col(Decision.decided_by_id).in_(actor.person_ids),
        col(Decision.by_policy_id).is_(None),
    )
    reviewed = select(rubrics.Review.id).where(
        col(rubrics.Review.submission_id) == col(Submission.id),
        col(rubrics.Review.reviewer_id).in_(actor.person_ids),
    )
    checked = select(BatchWork.id).where(
        col(BatchWork.submission_id) == col(Submission.id), col(BatchWork.found_by_id).in_(actor.person_ids)
    )
    touched = or_(
        decided.exists(), reviewed.exists(), checked.exists(), col(Submission.person_id).in_(actor.person_ids)
    )
    found = session.exec(select(Submission.id).where(col(Submission.id).in_(ids), touched))
    return theirs | {key for key in found if key is not None}


def check(
    session: Session, actor: Actor, uuid: str, submission_uuid: str, *, is_upheld: bool, reason: str, now: datetime
) -> None:
    """One drawn work: its decision holds, or it does not, with why. May be said anew until the check is ended.

    Raises NotFound for a work that was not drawn, Refused `batch.own_hand` for who had a hand in it, Invalid `reason`
    where it does not hold and nobody says why, Conflict where the check is over.
    """
    found, _programme = _open(session, actor, uuid)
    row = next((row for row in domain.works_of(session, found) if row[1].uuid == submission_uuid), None)
    if row is None:
        raise NotFound
    if hands_on(session, actor, [row]):
        raise Refused("batch.own_hand")
    reason = reason.strip()
    if not is_upheld and not reason:
        raise Invalid({"reason": "batch.finding_missing"})
    if len(reason) > LONGEST_FINDING:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_FINDING})})
    work = row[0]
    work.is_upheld, work.found_reason = is_upheld, reason
    work.found_by_id, work.found_at = actor.person_id, now
    session.add(work)
    session.flush()


def end(session: Session, actor: Actor, uuid: str, now: datetime) -> int:
    """Everything drawn was looked at. What does not hold and was not released yet goes back to its school, to be
    decided anew; gives how many. Raises Refused `batch.not_looked_at` while one is open."""
    found, _programme = _open(session, actor, uuid)
    works = domain.works_of(session, found)
    left = sum(work.is_upheld is None for work, _submission in works)
    if left:
        raise Refused("batch.not_looked_at", left=left)
    back = 0
    for work, submission in works:
        session.refresh(submission, with_for_update=True)
        if work.is_upheld is False and submission.batch_id == work.batch_id and competencies.is_held(submission):
            competencies.reopen(session, submission, now)
            back += 1
    found.ended_at, found.ended_by_id = now, actor.person_id
    session.add(found)
    session.flush()
    return back


def _open(session: Session, actor: Actor, uuid: str) -> tuple[domain.UpperCheck, Programme]:
    """A check that is under way, in the programme's turn. Raises Forbidden, Conflict."""
    found = find(session, domain.UpperCheck, actor.tenant_id, uuid)
    require(actor, Permission.UPPER_CHECK, scope_of(get(session, OrgUnit, found.org_unit_id)))
    programme = get(session, Programme, found.programme_id)
    booking.take_turn(session, programme)
    session.refresh(found)
    if found.ended_at is not None:
        raise Conflict("page.changed_meanwhile")
    return found, programme
