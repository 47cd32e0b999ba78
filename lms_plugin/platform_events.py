"""经过 of a registration: who connected a platform, changed it, approved a deployment or withdrew it, and when."""

import enum
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Field, Session, col, select

from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, choice
from lms_plugin.people import Person


class PlatformAct(enum.Enum):
    ADDED = "added"  # typed on a page, or by the operator's command
    REGISTERED = "registered"  # by the platform itself, with a code (Dynamic Registration)
    RENEWED = "renewed"  # the same, of one that was there
    CHANGED = "changed"  # addresses or name
    DISABLED = "disabled"
    ENABLED = "enabled"
    APPROVED = "approved"  # a deployment
    WITHDRAWN = "withdrawn"  # likewise
    LOOK_ON = "look_on"  # whom the host does not name may look
    LOOK_OFF = "look_off"
    NOTICES_ON = "notices_on"
    NOTICES_OFF = "notices_off"


class PlatformEvent(Model, table=True):
    """One act about a registration. `detail`: which deployment; `by_id` empty = the operator's command, or a platform
    that registers itself. Append-only."""

    __tablename__ = "platform_event"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    platform_id: int = Field(foreign_key="lti_platform.id", index=True)
    act: PlatformAct = Field(sa_type=choice(PlatformAct))
    detail: str = Field(default="", max_length=255)
    by_id: int | None = Field(default=None, foreign_key="person.id")
    at: datetime


guard(PlatformEvent, refusing("platform_event"))


def note(
    session: Session, of: tuple[int, int], act: PlatformAct, by_id: int | None, now: datetime, detail: str = ""
) -> None:
    """Writes down an act. `of`: tenant and registration."""
    tenant_id, platform_id = of
    session.add(
        PlatformEvent(tenant_id=tenant_id, platform_id=platform_id, act=act, detail=detail, by_id=by_id, at=now)
    )
    session.flush()


def of_platform(
    session: Session, tenant_id: int, platform_id: int, most: int = 50
) -> Sequence[tuple[PlatformEvent, str]]:
    """What was done about a registration, the newest first, each with the name of who did it ("" = nobody here)."""
    rows = session.exec(
        select(PlatformEvent, Person.name)
        .join(Person, col(Person.id) == col(PlatformEvent.by_id), isouter=True)
        .where(PlatformEvent.tenant_id == tenant_id, PlatformEvent.platform_id == platform_id)
        .order_by(col(PlatformEvent.id).desc())
        .limit(most)
    )
    return [(row, name or "") for row, name in rows]
