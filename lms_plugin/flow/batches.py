"""学校批次: a school closes it, the county looks at what is drawn, it is shown in public and released.

Who may do what with one batch at a time waits for the programme's turn (`booking.take_turn`), so that two clicks, or a
click and the worker, follow one another.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import BatchState, BatchWork, Decision, Objection, Programme, SchoolBatch, Submission
from competencies import SubmissionState as State
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import award, booking
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import OrgUnit, RoleKind, Tenant

LONGEST_LEFT_OUT = 500
LONGEST_FINDING = 2000
_Version = competencies.SubmissionVersion


def of_unit(programme: Programme, unit: OrgUnit) -> ColumnElement[bool]:
    """Works, with their current version, that a unit's batch is made of: handed in there, and not over. Who belongs to
    no school is with the programme's own unit."""
    there: Any = col(_Version.org_unit_id) == pk(unit)
    if pk(unit) == programme.org_unit_id:
        there = or_(there, col(_Version.org_unit_id).is_(None))
    return and_(
        col(Submission.programme_id) == pk(programme),
        col(Submission.state).in_([State.SUBMITTED, State.LATE, State.RETURNED, State.DECIDED]),
        col(_Version.declined_at).is_(None),
        there,
    )


def close(
    session: Session,
    actor: Actor,
    programme: Programme,
    unit_uuid: str,
    left_out: Mapping[str, str],
    seed: str,
    now: datetime,
) -> SchoolBatch:
    """结批: the school says that its works are decided. What is not decided needs a reason in `left_out` (by uuid) and
    waits for a later round. The county's draw is made in this act, by `seed`.

    Raises Invalid naming the works that lack a reason, Refused `batch.nothing_decided`, `batch.under_check` while the
    county looks at an earlier round, `batch.not_asked` where the programme has no such stages,
    `batch.excellent_too_many`.
    """
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.BATCH_CLOSE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    if not programme.goes_by_batch:
        raise Refused("batch.not_asked")
    booking.take_turn(session, programme)
    earlier = session.exec(
        select(SchoolBatch).where(SchoolBatch.programme_id == pk(programme), SchoolBatch.org_unit_id == pk(unit))
    ).all()
    if any(one.state is BatchState.CHECKING for one in earlier):
        raise Refused("batch.under_check")
    rows = session.exec(
        select(Submission, Decision)
        .join(_Version, col(_Version.id) == col(Submission.current_version_id))
        .join(Decision, col(Decision.submission_version_id) == col(_Version.id), isouter=True)
        .where(of_unit(programme, unit), col(Submission.batch_id).is_(None))
        .order_by(col(Submission.id))
    ).all()
    decided = [(work, row) for work, row in rows if work.state is State.DECIDED and row is not None]
    waiting = [work for work, _row in rows if work.state is not State.DECIDED]
    reasons = _reasons(waiting, left_out)
    if not decided:
        raise Refused("batch.nothing_decided")
    chain = competencies.rules_of(session, programme).chain
    _require_within_cap(session, chain, earlier, [row.point_level or 0 for _work, row in decided], now)
    batch = SchoolBatch(
        tenant_id=actor.tenant_id,
        programme_id=pk(programme),
        org_unit_id=pk(unit),
        round=max((one.round for one in earlier), default=0) + 1,
        state=BatchState.CHECKING,
        seed=seed,
        percent=chain.check_percent if chain.check else 0,
        all_excellent=chain.check_excellent,
        closed_at=now,
        closed_by_id=actor.person_id,
    )
    session.add(batch)
    session.flush()
    drawn = _fill(session, batch, decided)
    for work in waiting:
        session.add(BatchWork(batch_id=pk(batch), submission_id=pk(work), left_out=reasons[work.uuid]))
    if not drawn:
        _go_on(session, batch, chain, now)
    session.flush()
    return batch


def _require_within_cap(
    session: Session, chain: competencies.Chain, earlier: Sequence[SchoolBatch], levels: Sequence[int], now: datetime
) -> None:
    """Of the passed works of a school no more than the rules say may be 优秀, rounded up: over all its rounds in the
    programme that were closed in the same 学时周期."""
    if not chain.excellent_cap_percent or not levels:
        return
    tenant = get(session, Tenant, earlier[0].tenant_id) if earlier else None
    if tenant is not None:
        rule = competencies.cycle_rule(tenant.cycle)
        this = rule.cycle_of(competencies.local_day(now, tenant.timezone).year)
        earlier = [
            one for one in earlier if rule.cycle_of(competencies.local_day(one.closed_at, tenant.timezone).year) == this
        ]
    before = competencies.batches.levels_in(session, earlier) if earlier else []
    most = competencies.batches.excellent_left(chain.excellent_cap_percent, levels, before)
    excellent = sum(level == competencies.Level.EXCELLENT for level in levels)
    if excellent > most:
        numbers = {
            "excellent": excellent,
            "most": most,
            "passed": sum(level >= competencies.Level.PASS for level in (*levels, *before)),
            "before": sum(level == competencies.Level.EXCELLENT for level in before),
            "left": excellent - most,
        }
        raise Refused("batch.excellent_too_many", percent=chain.excellent_cap_percent, **numbers)


def _reasons(waiting: Sequence[Submission], left_out: Mapping[str, str]) -> dict[str, str]:
    given = {work.uuid: " ".join(left_out.get(work.uuid, "").split()) for work in waiting}
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {
        uuid: "batch.reason_missing" for uuid, reason in given.items() if not reason
    }
    for uuid, reason in given.items():
        if len(reason) > LONGEST_LEFT_OUT:
            wrong[uuid] = ("form.too_long", {"longest": LONGEST_LEFT_OUT})
    if wrong:
        raise Invalid(wrong)
    return given


def _fill(session: Session, batch: SchoolBatch, decided: Sequence[tuple[Submission, Decision]]) -> Collection[str]:
    """Puts the decided works into the batch and draws; gives the names of the drawn ones."""
    must = competencies.batches.must_be_checked(session, [pk(work) for work, _row in decided]) if batch.percent else {}
    rows = []
    for work, decision in decided:
        work.batch_id = pk(batch)
        entry = BatchWork(
            batch_id=pk(batch),
            submission_id=pk(work),
            decision_id=pk(decision),
            level=decision.point_level or 0,
            must=must.get(pk(work), ""),
        )
        rows.append((entry, work))
    drawn = competencies.batches.draw_of(batch, rows)
    for entry, work in rows:
        entry.drawn = drawn.get(work.uuid, "")
        session.add_all([work, entry])
    return drawn


def _go_on(session: Session, batch: SchoolBatch, chain: competencies.Chain, now: datetime) -> None:
    """After the check: 公示 for its working days, or ready to be released at once where none is asked for."""
    batch.checked_at = batch.checked_at or now
    batch.state = BatchState.READY
    if chain.publicity:
        timezone = get(session, Tenant, batch.tenant_id).timezone
        begun_on = competencies.local_day(now, timezone)
        chain = competencies.holidays.joined(chain, competencies.holidays.holding(session, batch.tenant_id))
        batch.state, batch.shown_at = BatchState.SHOWN, now
        batch.ends_on = competencies.batches.last_day_of_notice(chain, begun_on)
        batch.ends_at = competencies.end_of_day(batch.ends_on, timezone)
    session.add(batch)


def batch_of(session: Session, actor: Actor, uuid: str) -> tuple[SchoolBatch, Programme, OrgUnit]:
    """A batch with its programme and school. Raises Forbidden for who has nothing to do with it."""
    batch = find(session, SchoolBatch, actor.tenant_id, uuid)
    programme, unit = get(session, Programme, batch.programme_id), get(session, OrgUnit, batch.org_unit_id)
    require(actor, Permission.CHAIN_READ, school_scope(unit))
    return batch, programme, unit


def school_scope(unit: OrgUnit) -> Scope:
    """The scope of what a school does on the chain."""
    return Scope(unit.tenant_id, unit_paths=(unit.path,), panel_path=unit.path)


def county_scope(session: Session, programme: Programme, owner_id: int | None = None) -> Scope:
    """The scope of what the county does: a role of a part of it does not reach."""
    path = get(session, OrgUnit, programme.org_unit_id).path
    return Scope(programme.tenant_id, owner_id=owner_id, unit_paths=(path,))


def hands_on(
    session: Session, actor: Actor, unit: OrgUnit, works: Collection[tuple[BatchWork, Submission]]
) -> set[int]:
    """The works (ids) that this person must not check: decided or reviewed by them, their own, and all of a school
    whose panel or lead they are. One query."""
    ids = [work.submission_id for work, _submission in works]
    kinds = (RoleKind.PANEL, RoleKind.SCHOOL_LEAD)
    if any(role.kind in kinds and role.unit_path == unit.path for role in actor.roles):
        return set(ids)
    decided = select(Decision.id).where(
        col(Decision.submission_id) == col(Submission.id),
        col(Decision.decided_by_id).in_(actor.person_ids),
        col(Decision.by_policy_id).is_(None),  # who set the rule has not seen the work
    )
    reviewed = select(rubrics.Review.id).where(
        col(rubrics.Review.submission_id) == col(Submission.id),
        col(rubrics.Review.reviewer_id).in_(actor.person_ids),
    )
    found = session.exec(
        select(Submission.id).where(
            col(Submission.id).in_(ids),
            or_(decided.exists(), reviewed.exists(), col(Submission.person_id).in_(actor.person_ids)),
        )
    )
    return {key for key in found if key is not None}


def check(
    session: Session, actor: Actor, uuid: str, submission_uuid: str, *, is_upheld: bool, reason: str, now: datetime
) -> None:
    """县级抽查 of one drawn work: the school's decision holds, or it does not, with why. May be said anew until the
    check is ended (`end_check`).

    Raises NotFound for a work that was not drawn, Refused `batch.own_hand` for who decided or reviewed it, Invalid
    `reason` where it does not hold and nobody says why, Conflict where the check is over.
    """
    batch, programme, unit = batch_of(session, actor, uuid)
    require(actor, Permission.BATCH_CHECK, county_scope(session, programme))
    _turn(session, batch, programme, BatchState.CHECKING)
    row = next((row for row in competencies.works_of(session, batch) if row[1].uuid == submission_uuid), None)
    if row is None or not row[0].drawn:
        raise NotFound
    if hands_on(session, actor, unit, [row]):
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


def end_check(session: Session, actor: Actor, uuid: str, now: datetime) -> SchoolBatch:
    """Everything drawn was looked at: the batch goes on, or, where one decision did not hold, back to the school.

    What did not hold is then to be decided anew; the other decisions stand and may be changed. Raises Refused
    `batch.not_looked_at` while one is open.
    """
    batch, programme, _unit = batch_of(session, actor, uuid)
    require(actor, Permission.BATCH_CHECK, county_scope(session, programme))
    _turn(session, batch, programme, BatchState.CHECKING)
    works = competencies.works_of(session, batch)
    drawn = [work for work, _submission in works if work.drawn]
    left = sum(work.is_upheld is None for work in drawn)
    if left:
        raise Refused("batch.not_looked_at", left=left)
    batch.checked_at, batch.checked_by_id = now, actor.person_id
    if all(work.is_upheld for work in drawn):
        _go_on(session, batch, competencies.rules_of(session, programme).chain, now)
    else:
        batch.state = BatchState.RETURNED
        for work, submission in works:
            if submission.batch_id != pk(batch):
                continue
            submission.batch_id = None
            session.add(submission)
            if work.is_upheld is False:
                competencies.reopen(session, submission, now)
    session.add(batch)
    session.flush()
    return batch


def _turn(session: Session, batch: SchoolBatch, programme: Programme, state: BatchState) -> None:
    """Waits for the programme's turn; raises Conflict where the batch is not in that state (any more)."""
    booking.take_turn(session, programme)
    session.refresh(batch)
    if batch.state is not state:
        raise Conflict("page.changed_meanwhile")


def due(session: Session, now: datetime) -> list[int]:
    """For the worker: batches of all districts whose time has come."""
    shown = and_(col(SchoolBatch.state) == BatchState.SHOWN, col(SchoolBatch.ends_at) <= now)
    found = session.exec(
        select(SchoolBatch.id)
        .join(Programme, col(Programme.id) == col(SchoolBatch.programme_id))
        .where(col(Programme.goes_by_batch).is_(True), or_(shown, col(SchoolBatch.state) == BatchState.READY))
        .order_by(col(SchoolBatch.id))
    )
    return [key for key in found if key is not None]


def release_due(session: Session, batch_id: int, now: datetime) -> int:
    """For the worker: releases what waits in one batch, at most `award.MOST_AT_ONCE`; gives how many."""
    batch = get(session, SchoolBatch, batch_id)
    programme = get(session, Programme, batch.programme_id)
    booking.take_turn(session, programme)
    session.refresh(batch)
    return _release(session, batch, programme, now).decisions if _is_due(batch, now) else 0


def release(session: Session, actor: Actor, uuid: str, now: datetime) -> award.Released:
    """The same by hand, once 公示 is over. Works of the actor's own are left to the worker or somebody else.

    Raises Refused `batch.still_shown` before, Conflict where there is nothing (any more) to release.
    """
    batch, programme, _unit = batch_of(session, actor, uuid)
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    booking.take_turn(session, programme)
    session.refresh(batch)
    if batch.state is BatchState.SHOWN and not _is_due(batch, now):
        raise Refused("batch.still_shown")
    if not _is_due(batch, now):
        raise Conflict("page.changed_meanwhile")
    return _release(session, batch, programme, now, without=actor.person_ids)


def _is_due(batch: SchoolBatch, now: datetime) -> bool:
    is_over = batch.state is BatchState.SHOWN and batch.ends_at is not None and batch.ends_at <= now
    return is_over or batch.state is BatchState.READY


def _release(
    session: Session, batch: SchoolBatch, programme: Programme, now: datetime, without: Collection[int] = ()
) -> award.Released:
    """Releases the works of the batch to which no objection is open: the others wait for its answer."""
    open_objections = select(Objection.submission_id).where(
        Objection.batch_id == pk(batch), col(Objection.is_upheld).is_(None)
    )
    held = award.decided(session, programme, col(Submission.batch_id) == pk(batch))
    objected = set(session.exec(open_objections))
    ready = [row for row in held if pk(row[0]) not in objected and row[0].person_id not in without]
    done = award.release_rows(session, programme, ready[: award.MOST_AT_ONCE], now)
    if len(held) == done.decisions:
        batch.state, batch.released_at = BatchState.RELEASED, now
        session.add(batch)
        session.flush()
    return done


def reopen(session: Session, batch: SchoolBatch, programme: Programme, submission: Submission, now: datetime) -> None:
    """An objection was upheld: this one work is decided anew and comes in a later round; the others go on."""
    booking.take_turn(session, programme)
    if submission.batch_id == pk(batch):
        competencies.reopen(session, submission, now)
        session.flush()
