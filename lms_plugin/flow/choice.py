"""换能力点 by the school: a point that its teacher cannot give back any more is taken out of the choice, with why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Award, CompetencyPoint, Programme, Selection, Submission
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import humans
from lms_plugin.flow.scopes import person_scope
from lms_plugin.people import Enrolment, Person, Tenant

TAKEN_OUT = (competencies.Tie.OPENED, competencies.Tie.DECIDED)


@dataclass(frozen=True)
class ChosenLine:
    """A chosen point. `stays`: why it cannot be taken out here ("free": its teacher can; "passed"; "in_batch"), "" = it
    can."""

    work: str
    code: str
    name: Mapping[str, str]
    stays: str


@dataclass(frozen=True)
class TakenOut:
    """One that was taken out before."""

    code: str
    name: Mapping[str, str]
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class ChoicePage:
    """A teacher's choice as the school sees it."""

    programme: str
    title: str
    person: str
    name: str
    lines: tuple[ChosenLine, ...]
    taken_out: tuple[TakenOut, ...]


def choice_page(session: Session, actor: Actor, programme_uuid: str, person_uuid: str, now: datetime) -> ChoicePage:
    """The chosen points of somebody who takes part: which of them can be taken out, and which were. Eight queries."""
    programme, person = _whose(session, actor, programme_uuid, person_uuid)
    require(actor, Permission.CHOICE_CHANGE, person_scope(session, actor.tenant_id, pk(person), pk(programme)))
    rows = _chosen(session, programme, person)
    stays = _stays(session, programme, person, rows, now)
    changes = competencies.choice_changes.changes_of(session, programme, humans.rows_of(person))
    names = by_id(session, Person, [change.changed_by_id for change, _point in changes])
    return ChoicePage(
        programme.uuid,
        programme.title,
        person.uuid,
        person.name,
        tuple(ChosenLine(work.uuid, point.code, point.name, stays[pk(work)]) for _one, work, point in rows),
        tuple(
            TakenOut(point.code, point.name, names[change.changed_by_id].name, change.reason, change.changed_at)
            for change, point in changes
        ),
    )


def take_out(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    person_uuid: str,
    work_uuid: str,
    reason: str,
    now: datetime,
) -> None:
    """Takes a point out of a teacher's choice: what was handed in is withdrawn, a decision that was not released counts
    no more, and the teacher chooses another one.

    Raises Invalid `reason` without one, Refused where its teacher can do it (`choice.teacher_can`), where it passed
    (`choice.passed`: an award is taken back by a reversal), where a batch holds it, and once the programme is over;
    Conflict where it is not chosen (any more). Never one's own.
    """
    programme, person = _whose(session, actor, programme_uuid, person_uuid)
    require(actor, Permission.CHOICE_CHANGE, person_scope(session, actor.tenant_id, pk(person), pk(programme)))
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "choice.reason_missing"})
    longest = competencies.choice_changes.LONGEST_REASON
    if len(reason) > longest:
        raise Invalid({"reason": ("form.too_long", {"longest": longest})})
    competencies.require_open(programme, get(session, Tenant, programme.tenant_id).timezone, now)
    work = find(session, Submission, actor.tenant_id, work_uuid)
    if work.person_id not in humans.rows_of(person) or work.programme_id != pk(programme):
        raise NotFound
    session.refresh(work, with_for_update=True)
    rows = [row for row in _chosen(session, programme, person) if pk(row[1]) == pk(work)]
    if not rows:
        raise Conflict("page.changed_meanwhile")
    stays = _stays(session, programme, person, rows, now)[pk(work)]
    if stays == "in_batch":
        raise Refused("decision.in_batch")
    if stays:
        raise Refused("choice.passed" if stays == "passed" else "choice.teacher_can")
    version = competencies.choice_changes.take_out(session, work, rows[0][0], reason, actor.person_id, now)
    if version is not None:
        rubrics.void_reviews(session, pk(version), now)
    session.flush()


def _whose(session: Session, actor: Actor, programme_uuid: str, person_uuid: str) -> tuple[Programme, Person]:
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    enrolled = session.exec(
        select(Enrolment.id)
        .where(Enrolment.programme_id == pk(programme), col(Enrolment.person_id).in_(humans.rows_of(person)))
        .limit(1)
    ).first()
    if enrolled is None:
        raise NotFound("submit.not_enrolled")
    return programme, person


def _chosen(
    session: Session, programme: Programme, person: Person
) -> list[tuple[Selection, Submission, CompetencyPoint]]:
    rows = session.exec(
        select(Selection, Submission, CompetencyPoint)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Selection.point_id))
        .join(
            Submission,
            (col(Submission.programme_id) == col(Selection.programme_id))
            & (col(Submission.person_id) == col(Selection.person_id))
            & (col(Submission.point_id) == col(Selection.point_id)),
        )
        .where(
            Selection.programme_id == pk(programme),
            col(Selection.person_id).in_(humans.rows_of(person)),
            col(Selection.dropped_at).is_(None),
        )
        .order_by(col(CompetencyPoint.position), col(Submission.id))
    )
    return [(one, work, point) for one, work, point in rows]


def _stays(
    session: Session,
    programme: Programme,
    person: Person,
    rows: list[tuple[Selection, Submission, CompetencyPoint]],
    now: datetime,
) -> dict[int, str]:
    """Why each of these works stays in the choice, by id; "" of one that can be taken out. Three queries."""
    rules = competencies.rules_of(session, programme)
    ties = competencies.ties(session, programme, humans.rows_of(person), rules, now)
    passed = set(
        session.exec(
            select(Award.point_id).where(
                Award.programme_id == pk(programme),
                col(Award.person_id).in_(humans.rows_of(person)),
                Award.level >= competencies.Level.PASS,
                col(Award.revoked_at).is_(None),
            )
        )
    )
    found = {}
    for _one, work, point in rows:
        if pk(point) in passed:
            found[pk(work)] = "passed"
        elif programme.goes_by_batch and competencies.is_held(work):
            found[pk(work)] = "in_batch"
        else:
            found[pk(work)] = "" if ties.get(pk(point)) in TAKEN_OUT else "free"
    return found
