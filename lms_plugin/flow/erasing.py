"""清除: takes out what is personal of one human being, at their word. What they earned stays, under a code.

Gone: name, number, subject, accounts, course memberships, the row of the roster, works with their files and texts, what
they wrote in requests and objections, sessions. Stays, and names nobody: points, hours and seals, decisions and
reviews (theirs and of them), the list of what was handed in with its hashes, without
names of files and addresses. Stays as it is: papers that were given out
(certificates, statements of work) and packages that went to another county; these are held by others too.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, tuple_, update
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from competencies import Evidence, StoredFile, Submission, SubmissionState, SubmissionVersion
from lms_plugin import outbox
from lms_plugin.db import new_uuid, pk
from lms_plugin.erasures import Erasure
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import humans
from lms_plugin.inbox import MailAddress, Message
from lms_plugin.people import (
    CourseMember,
    Exemption,
    Extension,
    Identity,
    LinkRequest,
    ListedMember,
    Notice,
    Person,
    Role,
    RosterEntry,
    WebSession,
)
from lms_plugin.signing_words import SigningWord

_LONG_AGO = datetime(
    2000, 1, 1, tzinfo=UTC
)  # nothing holds these files: the worker deletes their bytes within the hour
_OPEN = (SubmissionState.SUBMITTED, SubmissionState.LATE, SubmissionState.DECIDED)
_NOBODY: dict[str, Any] = {
    "name": "",
    "staff_number": "",
    "stage": None,
    "subject": "",
    "introduced_at": None,
    "confirmed_at": None,
    "confirmed_by_id": None,
    "confirmed_how": "",
}


def receipt_of(session: Session, person: Person) -> Erasure | None:
    """When and why this human being's data were taken out; None = they were not."""
    return session.exec(select(Erasure).where(Erasure.person_id == pk(person))).one_or_none()


def erase(session: Session, person: Person, reason: str, now: datetime) -> Erasure:
    """Takes everything out in one transaction, for the operator on an officer's word. `person`: the row of today.

    Raises Conflict `erase.done`; Refused `erase.holds_role`, `erase.open_work`, `erase.open_review`,
    `erase.open_question` (these are ended first, by who is in charge of them), and `erase.names` for a reason that
    names the person.
    """
    person = humans.held(session, pk(person))
    rows = humans.rows_of(person)
    if receipt_of(session, person) is not None:
        raise Conflict("erase.done")
    _must_be_free(session, rows)
    known = {value for row in session.exec(select(Person).where(col(Person.id).in_(rows))) for value in _words(row)}
    if not reason.strip() or any(word in reason for word in known):
        raise Refused("erase.names")
    removed = {
        **_accounts(session, rows, now),
        **_roster(session, person.tenant_id, rows, known, now),
        **_works(session, rows, now),
        **_words_of_theirs(session, rows, person.tenant_id, known),
    }
    session.execute(update(Person).where(col(Person.id).in_(rows)).values(**_NOBODY, version=col(Person.version) + 1))
    session.expire_all()
    row = Erasure(
        tenant_id=person.tenant_id,
        person_id=rows[0],
        reason=reason.strip()[:300],
        removed={kind: count for kind, count in removed.items() if count},
        erased_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _words(person: Person) -> list[str]:
    return [word for word in (person.name, person.staff_number) if word]


def _must_be_free(session: Session, rows: Collection[int]) -> None:
    """Nothing of theirs waits for somebody, and nobody rests on a role of theirs."""
    role = select(Role.id).where(
        col(Role.person_id).in_(rows), col(Role.revoked_at).is_(None), col(Role.is_provisional).is_(False)
    )
    if session.exec(role).first() is not None:
        raise Refused("erase.holds_role")
    work = select(Submission.id).where(
        col(Submission.person_id).in_(rows),
        or_(col(Submission.state).in_(_OPEN), col(Submission.batch_id).is_not(None)),
    )
    if session.exec(work).first() is not None:
        raise Refused("erase.open_work")
    review = select(rubrics.Review.id).where(
        col(rubrics.Review.reviewer_id).in_(rows), col(rubrics.Review.state).in_(rubrics.UNFINISHED)
    )
    rule = rubrics.appeals
    asked_to = select(rule.AppealReview.id).where(
        col(rule.AppealReview.reviewer_id).in_(rows), col(rule.AppealReview.state).in_(rule.AT_WORK)
    )
    if session.exec(review).first() is not None or session.exec(asked_to).first() is not None:
        raise Refused("erase.open_review")
    asked, raised, going, coming = (
        competencies.HoursRequest,
        competencies.Objection,
        competencies.transfer_models.Transfer,
        competencies.transfer_models.Arrival,
    )
    state = competencies.transfer_models
    for question in (
        select(asked.id).where(col(asked.person_id).in_(rows), col(asked.answer).is_(None)),
        select(raised.id).where(col(raised.raised_by_id).in_(rows), col(raised.is_upheld).is_(None)),
        select(going.id).where(
            col(going.person_id).in_(rows),
            col(going.state).in_((state.TransferState.ASKED, state.TransferState.RELEASED, state.TransferState.HANDED)),
        ),
        select(coming.id).where(
            col(coming.person_id).in_(rows),
            col(coming.state).in_((state.ArrivalState.OPEN, state.ArrivalState.WAITING)),
        ),
        select(rule.Appeal.id).where(
            col(rule.Appeal.person_id).in_(rows), col(rule.Appeal.state) == rule.AppealState.OPEN
        ),
    ):
        if session.exec(question).first() is not None:
            raise Refused("erase.open_question")


def _gone(session: Session, kind: Any, *where: ColumnElement[bool]) -> int:
    return int(getattr(session.execute(delete(kind).where(*where)), "rowcount", 0))


def _blank(session: Session, kind: Any, where: ColumnElement[bool], **values: Any) -> int:
    return int(getattr(session.execute(update(kind).where(where).values(**values)), "rowcount", 0))


def _accounts(session: Session, rows: Collection[int], now: datetime) -> dict[str, int]:
    """Under which names hosts know them, what lies at hosts' addresses for them, and where they are signed in."""
    members = session.exec(select(CourseMember).where(col(CourseMember.person_id).in_(rows))).all()
    listed = [(member.course_id, member.subject) for member in members]
    keys = [f"{member.course_id}:{member.person_id}" for member in members]
    identities = session.exec(select(Identity).where(col(Identity.person_id).in_(rows))).all()
    for identity in identities:  # the log of merges points to these rows
        identity.subject = f"gone-{new_uuid()}"
        session.add(identity)
    session.flush()
    of_theirs = col(WebSession.person_id).in_(rows)
    return {
        "accounts": len(identities),
        "host_lists": _gone(
            session, ListedMember, tuple_(col(ListedMember.course_id), col(ListedMember.subject)).in_(listed)
        )
        if listed
        else 0,
        "scores": _gone(session, lti.ScoreDelivery, col(lti.ScoreDelivery.person_id).in_(rows)),
        "courses": _gone(session, CourseMember, col(CourseMember.person_id).in_(rows)),
        "jobs": _gone(
            session,
            outbox.Job,
            and_(
                col(outbox.Job.kind) == outbox.SCORE,
                col(outbox.Job.key).in_(keys),
                col(outbox.Job.state) != outbox.JobState.RUNNING,
            ),
        ),
        "links": _gone(session, LinkRequest, col(LinkRequest.person_id).in_(rows)),
        "roles": _blank(
            session, Role, and_(col(Role.person_id).in_(rows), col(Role.revoked_at).is_(None)), revoked_at=now
        ),
        "sessions": _blank(
            session,
            WebSession,
            of_theirs,
            ended_at=func.coalesce(col(WebSession.ended_at), now),
            return_url="",
            wants="",
        ),
    }


def _roster(
    session: Session, tenant_id: int, rows: Collection[int], known: Collection[str], now: datetime
) -> dict[str, int]:
    """The row of the roster, what was granted to it, and lines of old platforms' lists under their number."""
    entries = session.exec(select(RosterEntry).where(col(RosterEntry.person_id).in_(rows))).all()
    known_here = {*known, *(entry.staff_number for entry in entries)}
    for entry in entries:
        entry.name, entry.staff_number, entry.subject, entry.stage = "", f"gone-{entry.uuid}", "", None
        entry.removed_at = entry.removed_at or now
        session.add(entry)
    session.flush()
    ids = [pk(entry) for entry in entries]
    _blank(session, Exemption, col(Exemption.roster_entry_id).in_(ids), reason="")
    _blank(session, Extension, col(Extension.roster_entry_id).in_(ids), reason="")
    old = competencies.history.OldRecord
    of_theirs = and_(col(old.tenant_id) == tenant_id, col(old.staff_number).in_(known_here))
    return {"roster": len(ids), "old_records": _blank(session, old, of_theirs, name="", staff_number="")}


def _works(session: Session, rows: Collection[int], now: datetime) -> dict[str, int]:
    """What they made: files, typed texts, links, in drafts and in what was handed in. A work of theirs that is an
    example is one no more."""
    own = columns(col(Submission.id)).where(col(Submission.person_id).in_(rows))
    files = competencies.plans.PlanPaper, competencies.training_files.TrainingFile  # of their school, not theirs
    of_school = [columns(col(kind.stored_file_id)) for kind in files]
    moves = competencies.transfers
    came = columns(col(moves.Arrival.id)).where(col(moves.Arrival.person_id).in_(rows))
    left = columns(col(moves.Transfer.id)).where(col(moves.Transfer.person_id).in_(rows))
    _gone(session, moves.TransferFile, col(moves.TransferFile.arrival_id).in_(came))
    for version in session.exec(select(SubmissionVersion).where(col(SubmissionVersion.submission_id).in_(own))):
        version.manifest = competencies.manifests.without_names(version.manifest)
        session.add(version)
    session.flush()
    packages = or_(col(moves.TransferPackage.arrival_id).in_(came), col(moves.TransferPackage.transfer_id).in_(left))
    _blank(session, competencies.Decision, col(competencies.Decision.submission_id).in_(own), retake_reason="")
    _blank(session, rubrics.GoldItem, col(rubrics.GoldItem.submission_id).in_(own), consent="", agreed={}, ended_at=now)
    return {
        "works": _gone(session, Evidence, col(Evidence.submission_id).in_(own)),
        "packages": _blank(session, moves.TransferPackage, packages, content=b""),
        "files": _blank(
            session,
            StoredFile,
            and_(col(StoredFile.person_id).in_(rows), *(col(StoredFile.id).not_in(others) for others in of_school)),
            filename="",
            findings=[],
            unused_since_at=_LONG_AGO,
        ),
    }


def _words_of_theirs(session: Session, rows: Collection[int], tenant_id: int, known: Collection[str]) -> dict[str, int]:
    """What they wrote to others, and notices that name them."""
    asked, raised, phrase = competencies.HoursRequest, competencies.Objection, rubrics.Phrase
    code = competencies.PersonalCode
    apart, flag = rubrics.ReviewConflict, rubrics.ReviewFlag
    own = columns(col(Submission.id)).where(col(Submission.person_id).in_(rows))
    told = session.exec(select(Notice).where(col(Notice.tenant_id) == tenant_id)).all()
    naming = [one.id for one in told if set(known) & {str(value) for value in one.params.values()}]
    return {
        "requests": _blank(session, asked, col(asked.person_id).in_(rows), text="", reply=""),
        "objections": _blank(session, raised, col(raised.raised_by_id).in_(rows), text="", said_by=""),
        "conflicts": _blank(session, apart, or_(col(apart.one_id).in_(rows), col(apart.other_id).in_(rows)), note=""),
        "appeals": _blank(
            session,
            rubrics.appeals.AppealPoint,
            col(rubrics.appeals.AppealPoint.appeal_id).in_(
                select(rubrics.appeals.Appeal.id).where(col(rubrics.appeals.Appeal.person_id).in_(rows))
            ),
            reason="",
        ),
        "flags": _blank(
            session, flag, or_(col(flag.by_id).in_(rows), col(flag.submission_id).in_(own)), words="", answer=""
        ),
        "messages": _gone(session, Message, col(Message.person_id).in_(rows)),
        "mail": _gone(session, MailAddress, col(MailAddress.person_id).in_(rows)),
        "phrases": _gone(session, phrase, col(phrase.person_id).in_(rows)),
        "codes": _gone(session, code, col(code.person_id).in_(rows)),
        "signing_words": _gone(session, SigningWord, col(SigningWord.person_id).in_(rows)),
        "notices": _gone(session, Notice, col(Notice.id).in_(naming)),
    }
