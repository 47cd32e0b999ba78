"""What is kept of one person: each kind with its number, and all of it as a file (right of access).

For oneself, and for officers of the person's school; a host's administrator gets here by a Data Privacy launch. What
others wrote about the person stands in their record; here only what is theirs, and nothing that names somebody else.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, func, literal, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from lms_plugin.access import Actor, Permission, can
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import accounts, erasing, humans
from lms_plugin.flow.scopes import person_scope
from lms_plugin.inbox import MailAddress, Message
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Identity,
    ListedMember,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
    WebSession,
)

MOST_NAMED = 3  # officers whom to ask
OF = "data/"  # in what a session wants, before the uuid of the person whose data a host asks for
_Programme, _Point = competencies.Programme, competencies.CompetencyPoint
_Work = competencies.workloads.WorkStatement
_Confirmed = competencies.choice_changes.choice_confirmations.ChoiceConfirmation
_Appeal, _Asked, _Member = rubrics.Appeal, rubrics.AppealPoint, rubrics.AppealReview


@dataclass(frozen=True)
class PersonData:
    """One person and the number of rows of each kind, in the order of `KINDS`. `officers`: whom to ask.
    `erased_at`: since when what is personal is gone."""

    uuid: str
    name: str
    staff_number: str
    school: str
    stage: str
    subject: str
    is_own: bool
    kinds: Mapping[str, int]
    officers: tuple[str, ...]
    erased_at: datetime | None


def _of_points(kind: Any, *more: Any) -> "Select[*tuple[Any, ...]]":
    """Rows that lie on a point of a programme."""
    return (
        columns(col(_Programme.title).label("programme"), col(_Point.code).label("point"), *more)
        .select_from(kind)
        .join(_Programme, col(_Programme.id) == kind.programme_id)
        .join(_Point, col(_Point.id) == kind.point_id)
    )


def kinds_of(ids: "tuple[int, ...]", now: datetime) -> "dict[str, Select[*tuple[Any, ...]]]":
    """Each kind of what is kept of the person with these rows, by its name in the file: a query of what is theirs."""
    credit, given, delivery = competencies.CreditEntry, competencies.Certificate, lti.ScoreDelivery
    raised, gone, here = (
        competencies.Objection,
        competencies.transfer_models.Transfer,
        competencies.transfer_models.Arrival,
    )
    asked, training, came = competencies.HoursRequest, competencies.Training, competencies.Attendance
    return {
        "accounts": columns(
            col(Identity.issuer), col(Identity.door), col(Identity.subject), col(Identity.first_seen_at)
        ).where(col(Identity.person_id).in_(ids)),
        "schools": columns(col(OrgUnit.name), col(OrgMembership.starts_on), col(OrgMembership.ends_on))
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(ids)),
        "roster": columns(
            *(col(RosterEntry.name), col(RosterEntry.staff_number), col(RosterEntry.stage), col(RosterEntry.subject))
        ).where(col(RosterEntry.person_id).in_(ids)),
        "roles": columns(col(Role.kind), col(Role.granted_at), col(Role.revoked_at)).where(
            col(Role.person_id).in_(ids)
        ),
        "courses": columns(
            col(Course.title),
            col(CourseMember.subject),
            *(col(CourseMember.is_learner), col(CourseMember.is_instructor), col(CourseMember.launched_at)),
        )
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(col(CourseMember.person_id).in_(ids)),
        "host_lists": columns(col(Course.title), col(ListedMember.name), col(ListedMember.roles))
        .join(Course, col(Course.id) == col(ListedMember.course_id))
        .join(
            CourseMember,
            and_(col(CourseMember.course_id) == col(Course.id), col(CourseMember.subject) == col(ListedMember.subject)),
        )
        .where(col(CourseMember.person_id).in_(ids)),
        "programmes": columns(col(_Programme.title), col(Enrolment.started_at))
        .join(_Programme, col(_Programme.id) == col(Enrolment.programme_id))
        .where(col(Enrolment.person_id).in_(ids)),
        "choices": _of_points(
            competencies.Selection, col(competencies.Selection.chosen_at), col(competencies.Selection.dropped_at)
        ).where(col(competencies.Selection.person_id).in_(ids)),
        "works": _of_points(
            competencies.Submission, col(competencies.Submission.created_at), col(competencies.Submission.changed_at)
        ).where(col(competencies.Submission.person_id).in_(ids)),
        "choices_confirmed": columns(
            *(col(_Programme.title), col(_Confirmed.is_confirmed), col(_Confirmed.reason), col(_Confirmed.said_at))
        )
        .join(_Programme, col(_Programme.id) == col(_Confirmed.programme_id))
        .where(col(_Confirmed.person_id).in_(ids)),
        "files": columns(
            col(competencies.StoredFile.filename),
            col(competencies.StoredFile.size_bytes),
            *(col(competencies.StoredFile.sha256), col(competencies.StoredFile.completed_at)),
        ).where(col(competencies.StoredFile.person_id).in_(ids)),
        "reviews": columns(
            col(_Programme.title), col(rubrics.Review.allotted_at), col(rubrics.Review.submitted_at)
        )  # of whose work is not theirs to know
        .join(_Programme, col(_Programme.id) == col(rubrics.Review.programme_id))
        .where(col(rubrics.Review.reviewer_id).in_(ids)),
        "awards": _of_points(
            competencies.Award, col(competencies.Award.level), col(competencies.Award.awarded_at)
        ).where(col(competencies.Award.person_id).in_(ids)),
        "ledger": columns(
            col(_Programme.title),
            *(col(credit.kind), col(credit.credit_hundredths), col(credit.reason), col(credit.source)),
            *(col(credit.earned_on), col(credit.entered_at)),
        )
        .join(_Programme, col(_Programme.id) == col(credit.programme_id))
        .where(col(credit.person_id).in_(ids)),
        "certificates": columns(
            *(col(given.number), col(given.code), col(given.name), col(given.school)),
            *(col(given.title), col(given.hours), col(given.issued_at)),
        ).where(col(given.person_id).in_(ids)),
        "work_statements": columns(
            *(col(_Work.number), col(_Work.code), col(_Work.name), col(_Work.school)),
            *(col(_Work.title), col(_Work.work), col(_Work.issued_at)),
        ).where(col(_Work.person_id).in_(ids)),
        "requests": columns(col(asked.text), col(asked.asked_at), col(asked.answer), col(asked.reply)).where(
            col(asked.person_id).in_(ids)
        ),
        "objections": columns(col(raised.text), col(raised.raised_at), col(raised.answer)).where(
            col(raised.raised_by_id).in_(ids)
        ),
        "appeals": columns(
            *(col(_Programme.title), col(_Appeal.raised_at), col(_Appeal.settled_at)),
            *(col(_Asked.reason), col(_Asked.before), col(_Asked.after), col(_Asked.answer)),
        )
        .select_from(_Appeal)
        .join(_Programme, col(_Programme.id) == col(_Appeal.programme_id))
        .join(_Asked, col(_Asked.appeal_id) == col(_Appeal.id))
        .where(col(_Appeal.person_id).in_(ids)),
        "appeal_reviews": columns(col(_Member.asked_at), col(_Member.submitted_at)).where(
            col(_Member.reviewer_id).in_(ids)
        ),  # of whose work is not theirs to know
        "messages": columns(col(Message.kind), col(Message.params), col(Message.raised_at), col(Message.read_at)).where(
            col(Message.person_id).in_(ids)
        ),
        "mail": columns(col(MailAddress.address), col(MailAddress.confirmed_at), col(MailAddress.ended_at)).where(
            col(MailAddress.person_id).in_(ids)
        ),
        "phrases": columns(col(rubrics.Phrase.text), col(rubrics.Phrase.created_at)).where(
            col(rubrics.Phrase.person_id).in_(ids)
        ),
        "transfers": columns(*(col(gone.to_name), col(gone.state), col(gone.asked_at), col(gone.changed_at))).where(
            col(gone.person_id).in_(ids)
        ),
        "arrivals": columns(*(col(here.from_name), col(here.state), col(here.opened_at), col(here.changed_at))).where(
            col(here.person_id).in_(ids)
        ),
        "trainings": columns(col(training.title), col(came.way), col(came.minutes), col(came.signed_at))
        .join(training, col(training.id) == col(came.training_id))
        .where(col(came.person_id).in_(ids)),
        "scores": columns(
            col(delivery.given_hundredths), col(delivery.maximum_hundredths), col(delivery.updated_at)
        ).where(col(delivery.person_id).in_(ids)),
        "sessions": columns(col(WebSession.created_at), col(WebSession.expires_at)).where(
            col(WebSession.person_id).in_(ids), col(WebSession.expires_at) > now
        ),
    }


def wanted(session: Session, launch: "lti.Launch") -> str:
    """What a Data Privacy launch asks for, as its session keeps it: the person whom the host names."""
    account = accounts.named(session, launch, launch.for_user)
    return OF + (get(session, Person, account.person_id).uuid if account is not None else "")


def asked_for(actor: Actor, wants: str) -> str:
    """The uuid of the person whose data such a session asks for. Raises NotFound for somebody who never came, and
    Forbidden for who could not look anyway: who may not look learns nothing."""
    uuid = wants.removeprefix(OF)
    if not uuid:
        raise NotFound("person.never_came") if actor.has(RoleKind.OFFICER) else Forbidden("data.not_officer")
    return uuid


def _person(session: Session, actor: Actor, uuid: str | None) -> Person:
    """The person (None: the actor). Raises NotFound, Forbidden."""
    if uuid is None:
        return get(session, Person, actor.person_id)
    person = humans.today_of(session, find(session, Person, actor.tenant_id, uuid))
    if not can(actor, Permission.PERSON_DATA, person_scope(session, person.tenant_id, pk(person))):
        raise Forbidden("data.not_officer")
    return person


def data_of(session: Session, actor: Actor, uuid: str | None, now: datetime) -> PersonData:
    """What is kept of somebody (None: of the actor), counted. Raises NotFound, Forbidden."""
    person = _person(session, actor, uuid)
    every = kinds_of(humans.rows_of(person), now)
    counted = [
        columns(literal(name).label("kind"), columns(func.count()).select_from(rows.subquery()).scalar_subquery())
        for name, rows in every.items()
    ]
    told: Sequence[Any] = session.connection().execute(union_all(*counted)).all()
    found: dict[str, int] = dict(told)
    school = session.exec(
        select(OrgUnit.name)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .where(OrgMembership.person_id == pk(person), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
    ).first()
    receipt = erasing.receipt_of(session, person)
    return PersonData(
        person.uuid,
        person.name,
        person.staff_number,
        school or "",
        person.stage.value if person.stage is not None else "",
        person.subject,
        actor.is_author(pk(person)),
        {name: found[name] for name in every},
        _officers(session, actor.tenant_id),
        receipt.erased_at if receipt is not None else None,
    )


def _officers(session: Session, tenant_id: int) -> tuple[str, ...]:
    """Officers of the whole district, by name."""
    names = session.exec(
        select(Person.name)
        .join(Role, col(Role.person_id) == col(Person.id))
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(
            Role.tenant_id == tenant_id,
            Role.kind == RoleKind.OFFICER,
            col(Role.revoked_at).is_(None),
            col(OrgUnit.parent_id).is_(None),
            Person.name != "",
        )
        .order_by(col(Role.id))
    ).all()
    return tuple(dict.fromkeys(names))[:MOST_NAMED]


def file_of(session: Session, actor: Actor, uuid: str | None, now: datetime) -> dict[str, Any]:
    """All of it, fit for JSON. Raises NotFound, Forbidden."""
    person = _person(session, actor, uuid)
    ids = humans.rows_of(person)
    own = {name: _plain(getattr(person, name)) for name in ("name", "staff_number", "stage", "subject", "locale")}
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, query in kinds_of(ids, now).items():
        found = [{key: _plain(value) for key, value in row.items()} for row in session.execute(query).mappings()]
        rows[name] = sorted(found, key=str)
    head = competencies.head(session, person.tenant_id)  # up to where the ledger was sealed when the file was made
    return {"made_at": now.isoformat(), "person": own, **rows, "ledger_head": head.told() if head is not None else None}


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    return value.isoformat() if isinstance(value, datetime | date) else value
