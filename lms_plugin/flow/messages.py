"""消息: telling people what needs an act of theirs, in the act that brings it about; and what one person was told.

Acts tell; imports and restored archives do not: they bring rows of acts that others were told of elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, new_uuid, pk, table
from lms_plugin.errors import NotFound
from lms_plugin.flow.message_words import KINDS, REVIEWS_DUE
from lms_plugin.inbox import Message
from lms_plugin.people import Tenant

REMIND = timedelta(days=2)
AT_ONCE = 200
A_PAGE = 50


class Told(NamedTuple):
    """Who is told (a row of a person), about which thing (its uuid), and what the words need."""

    person_id: int
    key: str
    params: dict[str, str]


def tell(session: Session, tenant_id: int, kind: str, told: Iterable[Told], now: datetime) -> None:
    """Tells people in the act's own transaction; who was told of the same thing before has it as unread again. A
    statement for each `AT_ONCE` of them, in one order, so that two acts wait for one another instead of dead-locking.
    """
    wanted = {(one.person_id, one.key): one for one in told}
    rows = table(Message)
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    ordered = [wanted[place] for place in sorted(wanted)]
    for start in range(0, len(ordered), AT_ONCE):
        statement = insert(rows).values(
            [
                {
                    "uuid": new_uuid(),
                    "tenant_id": tenant_id,
                    "person_id": one.person_id,
                    "kind": kind,
                    "key": one.key,
                    "params": one.params,
                    "raised_at": now,
                }
                for one in ordered[start : start + AT_ONCE]
            ]
        )
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["person_id", "kind", "key"],
                set_={
                    "params": statement.excluded.params,
                    "raised_at": statement.excluded.raised_at,
                    "read_at": None,
                    "mailed_at": None,
                },
            )
        )


def over(session: Session, kind: str, told: Iterable[tuple[int, str]], now: datetime) -> None:
    """Nothing waits for these people (row, key) any more: what they had not read counts as read, and no letter says it.
    A statement for each."""
    for person_id, key in sorted(told):
        session.execute(
            update(Message)
            .where(
                col(Message.person_id) == person_id,
                col(Message.kind) == kind,
                col(Message.key) == key,
                col(Message.read_at).is_(None),
            )
            .values(read_at=now)
        )


def over_for_all(session: Session, tenant_id: int, kind: str, key: str, now: datetime) -> None:
    """Somebody did it: it waits for none of those who were told. One statement."""
    session.execute(
        update(Message)
        .where(
            col(Message.tenant_id) == tenant_id,
            col(Message.kind) == kind,
            col(Message.key) == key,
            col(Message.read_at).is_(None),
        )
        .values(read_at=now)
    )


def tell_author(session: Session, work: competencies.Submission, kind: str, code: str, now: datetime) -> None:
    """Tells the author of one work on the point of that code."""
    tell(session, work.tenant_id, kind, [Told(work.person_id, work.uuid, {"code": code})], now)


@dataclass(frozen=True)
class Line:
    """One message as the list shows it. `params`: for its words."""

    uuid: str
    kind: str
    params: dict[str, Any]
    raised_at: datetime
    is_read: bool


@dataclass(frozen=True)
class Inbox:
    """A person's messages, the unread ones first, 50 a page."""

    unread: int
    total: int
    lines: tuple[Line, ...]


def inbox(session: Session, actor: Actor, number: int) -> Inbox:
    """What this person was told: two queries."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    mine = col(Message.person_id).in_(actor.person_ids)
    total, unread = session.execute(
        select(func.count(), func.count().filter(col(Message.read_at).is_(None))).select_from(Message).where(mine)
    ).one()
    rows = session.exec(
        select(Message)
        .where(mine)
        .order_by(col(Message.read_at).is_not(None), col(Message.raised_at).desc(), col(Message.id).desc())
        .offset((number - 1) * A_PAGE)
        .limit(A_PAGE)
    )
    lines = tuple(Line(one.uuid, one.kind, one.params, one.raised_at, one.read_at is not None) for one in rows)
    return Inbox(unread, total, lines)


def open_message(session: Session, actor: Actor, uuid: str, now: datetime) -> str:
    """The message is read; gives the page where its act is. Raises NotFound, Forbidden."""
    row = find(session, Message, actor.tenant_id, uuid)
    if not actor.is_author(row.person_id):
        raise NotFound  # that somebody else was told something is nobody's business
    require(actor, Permission.MESSAGES_READ, own(actor))
    row.read_at = row.read_at or now
    session.add(row)
    session.flush()
    words = KINDS.get(row.kind)
    return words.path.format(key=row.key) if words is not None else "/messages"


def set_read(session: Session, actor: Actor, uuid: str, now: datetime, *, is_read: bool) -> None:
    """标为已读, 标为未读. Raises NotFound."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    row = find(session, Message, actor.tenant_id, uuid)
    if not actor.is_author(row.person_id):
        raise NotFound
    row.read_at = (row.read_at or now) if is_read else None
    session.add(row)
    session.flush()


def read_all(session: Session, actor: Actor, shown_at: datetime, now: datetime) -> None:
    """全部标为已读: what had come when the page was shown."""
    require(actor, Permission.MESSAGES_READ, own(actor))
    session.execute(
        update(Message)
        .where(
            col(Message.person_id).in_(actor.person_ids),
            col(Message.read_at).is_(None),
            col(Message.raised_at) <= min(shown_at, now),
        )
        .values(read_at=now)
    )


def unread_of(person_ids: Any) -> Any:
    """How many unread messages these rows of a person have, as a column of another query."""
    return (
        select(func.count(col(Message.id)))
        .where(col(Message.person_id).in_(person_ids), col(Message.read_at).is_(None))
        .scalar_subquery()
    )


def remind(session: Session, tenant: Tenant, now: datetime) -> None:
    """Once a day: who has unfinished reviews that end within `REMIND` is told so.
    Two statements."""
    review, programme = rubrics.Review, competencies.Programme
    rows = session.exec(
        select(review.reviewer_id, programme.uuid, programme.title)
        .join(programme, col(programme.id) == col(review.programme_id))
        .join(competencies.Submission, col(competencies.Submission.id) == col(review.submission_id))
        .where(
            review.tenant_id == pk(tenant),
            col(review.state).in_(rubrics.UNFINISHED),
            col(review.due_at) > now,
            col(review.due_at) <= now + REMIND,
            competencies.Submission.state == competencies.SubmissionState.SUBMITTED,
        )
        .distinct()
    ).all()
    told = [Told(person, uuid, {"title": title}) for person, uuid, title in rows]
    tell(session, pk(tenant), REVIEWS_DUE, told, now)
