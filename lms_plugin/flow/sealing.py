"""封存: the worker's minute puts the ledger's new entries under a seal, district by district; and what shows later that
they still are."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import type_coerce
from sqlalchemy.types import NullType
from sqlmodel import Session, col, select

import competencies
from lms_plugin.db import table
from lms_plugin.flow.notices import HEAD
from lms_plugin.people import Notice, Tenant


def seal_due(session: Session, tenant_id: int, now: datetime) -> int:
    """One seal over what waits in a district; gives how many entries, 0 where another worker was there before.

    The district's row is held, so that two workers seal one after the other. Who adds an entry or a person meanwhile
    is not held up: they refer to the district's key, which stays.
    """
    session.exec(select(Tenant.id).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True)).one()
    return competencies.seal(session, tenant_id, now)


def prove(
    session: Session, tenant_id: int, tell: Callable[[competencies.Fault], None], noted: str = ""
) -> competencies.Proof:
    """`competencies.prove`, with the heads of which officers were told in the morning: they outlive a chain that
    somebody cut off. One query more."""
    return competencies.prove(session, tenant_id, tell, noted, _told_to_officers(session, tenant_id))


def _told_to_officers(session: Session, tenant_id: int) -> set[tuple[int, str]]:
    """(number, hash); a notice that somebody made unreadable tells nothing. As the driver has them, since one of these
    must not end the look at all others."""
    notice, found = table(Notice).c, set[tuple[int, str]]()
    kept = select(type_coerce(notice.params, NullType())).where(notice.tenant_id == tenant_id, notice.kind == HEAD)
    for params in session.execute(kept).scalars():
        try:
            said: Any = json.loads(params) if isinstance(params, str) else params
            found.add((said["number"], str(said["hash"])))
        except (ValueError, TypeError, KeyError):
            continue
    return found
