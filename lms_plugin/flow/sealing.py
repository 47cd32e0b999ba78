"""封存: the worker's minute puts the ledger's new entries under a seal, district by district."""

from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from lms_plugin.people import Tenant


def seal_due(session: Session, tenant_id: int, now: datetime) -> int:
    """One seal over what waits in a district; gives how many entries, 0 where another worker was there before.

    The district's row is held, so that two workers seal one after the other. Who adds an entry or a person meanwhile
    is not held up: they refer to the district's key, which stays.
    """
    session.exec(select(Tenant.id).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True)).one()
    return competencies.seal(session, tenant_id, now)
