"""A web session for the double click tests."""

from datetime import datetime, timedelta

from sqlmodel import Session

import lti
from lms_plugin.db import pk
from lms_plugin.people import Person, WebSession


def open_session(session: Session, launch: lti.Launch, now: datetime) -> int:
    """The id of a new web session of a new person."""
    person = Person(tenant_id=launch.tenant_id, name="王秀兰", created_at=now)
    session.add(person)
    session.flush()
    made = WebSession(
        token_hash="t",
        bearer_hash="b",
        csrf="c",
        tenant_id=launch.tenant_id,
        person_id=pk(person),
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    session.add(made)
    session.flush()
    return pk(made)
