"""再给一次机会: an officer opens one more preparation of a failed point than the rules of the programme give."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from competencies import Award, CompetencyPoint, Decision, Programme, Submission
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import humans
from lms_plugin.flow.scopes import person_scope
from lms_plugin.people import Person, Tenant

LONGEST_REASON = 300


@dataclass(frozen=True)
class Retake:
    """A failed point of somebody. `used_up`: the rules give no more preparation, and nobody has opened one; `most`: how
    many they give."""

    programme: str
    title: str
    person: str
    name: str
    code: str
    point: Mapping[str, str]
    most: int | None
    used_up: bool


def view(session: Session, actor: Actor, submission_uuid: str, now: datetime) -> Retake:
    """What the page shows before it is opened. Raises NotFound, Forbidden, Conflict `submit.not_failed` where the point
    is not failed (any more), Refused `submit.programme_over`."""
    work, decision = _failed(session, actor, submission_uuid, now)
    programme = get(session, Programme, work.programme_id)
    person = humans.today_of(session, get(session, Person, work.person_id))
    point = get(session, CompetencyPoint, work.point_id)
    rules = competencies.rules_of(session, programme)
    return Retake(
        programme.uuid,
        programme.title,
        person.uuid,
        person.name,
        point.code,
        point.name,
        rules.result.retakes,
        not competencies.has_retake(rules, decision, _earlier(session, work, decision), None),
    )


def open_one(session: Session, actor: Actor, submission_uuid: str, reason: str, now: datetime) -> None:
    """The person may prepare this point once more. Twice is harmless. Raises Invalid at `reason`, and as `view`."""
    _work, decision = _failed(session, actor, submission_uuid, now)
    kept = " ".join(reason.split())
    if not kept:
        raise Invalid({"reason": "retake.reason_missing"})
    if len(kept) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not kept.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    session.refresh(decision, with_for_update=True)
    if decision.retake_opened_at is None:
        decision.retake_opened_at, decision.retake_opened_by_id, decision.retake_reason = now, actor.person_id, kept
        session.add(decision)
        session.flush()


def _failed(session: Session, actor: Actor, uuid: str, now: datetime) -> tuple[Submission, Decision]:
    work = find(session, Submission, actor.tenant_id, uuid)
    require(actor, Permission.RETAKE_OPEN, person_scope(session, work.tenant_id, work.person_id, work.programme_id))
    programme = get(session, Programme, work.programme_id)
    competencies.require_open(programme, get(session, Tenant, work.tenant_id).timezone, now)
    failed = session.exec(
        select(Decision).where(
            Decision.submission_version_id == work.current_version_id,
            col(Decision.released_at).is_not(None),
            # Passed, or taken back: that one may always be prepared again.
            ~select(Award.id).where(col(Award.decision_id) == col(Decision.id)).exists(),
        )
    ).one_or_none()
    if work.state is not competencies.SubmissionState.RELEASED or failed is None:
        raise Conflict("submit.not_failed")
    if not competencies.is_chosen(session, work):
        raise Refused("submit.point_not_chosen")
    return work, failed


def _earlier(session: Session, work: Submission, decision: Decision) -> list[Decision]:
    return list(
        session.exec(select(Decision).where(Decision.submission_id == pk(work), col(Decision.id) != pk(decision)))
    )
