"""Under which account somebody is known here whom a host names: by tenant, issuer, door and subject."""

from datetime import datetime

from sqlmodel import Session, select

import lti
from lms_plugin.db import pk
from lms_plugin.people import Identity, Person


def named(session: Session, launch: "lti.Launch", subject: str) -> Identity | None:
    """The account of the person whom the host calls so, of the door by which this launch came. Another door of the same
    host is no proof that it is they, so its accounts are others (ADR 0049)."""
    return session.exec(
        select(Identity).where(
            Identity.tenant_id == launch.tenant_id,
            Identity.issuer == launch.issuer,
            Identity.door == launch.door,
            Identity.subject == subject,
        )
    ).one_or_none()


def keep(session: Session, launch: "lti.Launch", person: Person, now: datetime) -> Identity:
    """A first launch: from now on this account is that person's."""
    row = Identity(
        tenant_id=launch.tenant_id,
        issuer=launch.issuer,
        door=launch.door,
        subject=launch.subject,
        person_id=pk(person),
        first_seen_at=now,
    )
    session.add(row)
    session.flush()
    return row
