"""One account of a host, two doors, two rows here: whether it is one person, an officer says (ADR 0049).

It is told to the person, who would else miss their work, and to officers, who merge the rows or leave them apart.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import enter
from lms_plugin.people import Identity, Notice, Person

TWO_DOORS = "person.two_doors"


@dataclass(frozen=True)
class Twin:
    """The row that the same account of the host has by another door. `is_asked`: officers have been told and have not
    seen to it yet."""

    uuid: str
    is_asked: bool


def twin_of(session: Session, actor: Actor) -> Twin | None:
    """The actor's twin, the oldest where there are several. One query."""
    require(actor, Permission.PERSON_INTRODUCE, own(actor))
    return _twin(session, actor.person_id)


def _twin(session: Session, person_id: int) -> Twin | None:
    mine, theirs, me, other = aliased(Identity), aliased(Identity), aliased(Person), aliased(Person)
    told = and_(
        col(Notice.tenant_id) == col(mine.tenant_id),
        col(Notice.kind) == TWO_DOORS,
        col(Notice.key).in_([col(me.uuid), col(other.uuid)]),
        col(Notice.done_at).is_(None),
    )
    found = session.execute(
        columns(col(other.uuid), col(Notice.id))
        .select_from(mine)
        .join(me, col(me.id) == col(mine.person_id))
        .join(
            theirs,
            and_(
                col(theirs.tenant_id) == col(mine.tenant_id),
                col(theirs.issuer) == col(mine.issuer),
                col(theirs.subject) == col(mine.subject),
                col(theirs.door) != col(mine.door),
                col(theirs.person_id) != col(mine.person_id),
            ),
        )
        .join(other, col(other.id) == col(theirs.person_id))
        .outerjoin(Notice, told)
        .where(col(mine.person_id) == person_id)
        .order_by(col(other.id), col(Notice.id))
        .limit(1)
    ).first()
    return Twin(found[0], found[1] is not None) if found is not None else None


def ask_merge(session: Session, actor: Actor, now: datetime) -> None:
    """The person asks that officers look at both rows; again changes nothing. Raises NotFound without a twin."""
    require(actor, Permission.PERSON_INTRODUCE, own(actor))
    if not tell(session, get(session, Person, actor.person_id), now):
        raise NotFound


def tell(session: Session, person: Person, now: datetime) -> bool:
    """Tells officers of a row's twin, once; whether it has one."""
    twin = _twin(session, pk(person))
    if twin is not None and not twin.is_asked:
        facts = {"name": person.name, "staff_number": person.staff_number, "other": twin.uuid}
        enter.raise_notice(session, person.tenant_id, TWO_DOORS, person.uuid, facts, now)
    return twin is not None
