"""What officers should see to: a course that waits for its programme, a roster row that two people claim."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.errors import NotFound
from lms_plugin.people import Notice


@dataclass(frozen=True)
class NoticeLine:
    """One open notice. `kind`: "course.waiting" (key = the course's uuid) or "person.twice_on_roster" (a person's)."""

    kind: str
    key: str
    params: dict[str, str]
    raised_at: datetime


def open_notices(session: Session, actor: Actor) -> list[NoticeLine]:
    """The district's open notices, the oldest first; none for who could not see to them. One query."""
    if not can(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id)):
        return []
    rows = session.exec(
        select(Notice)
        .where(Notice.tenant_id == actor.tenant_id, col(Notice.done_at).is_(None))
        .order_by(col(Notice.raised_at), col(Notice.id))
        .limit(20)
    ).all()
    return [NoticeLine(row.kind, row.key, row.params, row.raised_at) for row in rows]


def settle_notice(session: Session, actor: Actor, kind: str, key: str, now: datetime) -> None:
    """ "知道了": the notice is done with. Raises NotFound where no such notice is open in the district."""
    require(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id))
    row = session.exec(
        select(Notice).where(
            Notice.tenant_id == actor.tenant_id, Notice.kind == kind, Notice.key == key, col(Notice.done_at).is_(None)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    row.done_at = now
    session.add(row)
    session.flush()
