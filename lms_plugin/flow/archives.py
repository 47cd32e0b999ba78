"""整体迁出: whoever answers for the whole district has it packed, fetches the file, and says where it goes on.

The archive holds all evidence, so IT does not decide: 区县管理员 of the whole district do.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from sqlmodel import Session

import competencies
from lms_plugin import leaving, media, outbox
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.leaving import ArchiveState, TenantArchive
from lms_plugin.people import Person, Tenant

KEPT = timedelta(days=7)


@dataclass(frozen=True)
class ArchivePage:
    """The page of a district that leaves. `state` "" = it was never packed."""

    tenant: Tenant
    archive: TenantArchive | None
    asked_by: str
    fetched_by: str
    gone_at: datetime | None
    is_read_only: bool

    @property
    def state(self) -> str:
        """How the archive that was last asked for stands."""
        return self.archive.state.value if self.archive is not None else ""


def page(session: Session, actor: Actor, now: datetime) -> ArchivePage:
    """Four queries at most. Raises Forbidden."""
    require(actor, Permission.TENANT_LEAVE, Scope(actor.tenant_id))
    tenant = get(session, Tenant, actor.tenant_id)
    archive = leaving.newest(session, actor.tenant_id)
    return ArchivePage(
        tenant=tenant,
        archive=archive,
        asked_by=_name(session, archive.asked_by_id if archive is not None else None),
        fetched_by=_name(session, archive.fetched_by_id if archive is not None else None),
        gone_at=archive.ended_at + KEPT if archive is not None and archive.ended_at is not None else None,
        is_read_only=leaving.is_read_only(tenant, now),
    )


def _name(session: Session, person_id: int | None) -> str:
    return get(session, Person, person_id).name if person_id is not None else ""


def ask(session: Session, actor: Actor, now: datetime) -> TenantArchive:
    """Asks the worker for the archive; the one that is being packed where there is one. One from before goes."""
    require(actor, Permission.TENANT_LEAVE, Scope(actor.tenant_id))
    session.get(Tenant, actor.tenant_id, with_for_update=True)  # of two clicks the second waits
    before = leaving.newest(session, actor.tenant_id)
    if before is not None and before.state in leaving.OPEN:
        return before
    if before is not None and before.state is ArchiveState.READY:
        before.state = ArchiveState.GONE
        session.add(before)
    made = TenantArchive(tenant_id=actor.tenant_id, asked_by_id=actor.person_id, asked_at=now)
    session.add(made)
    session.flush()
    outbox.put(session, actor.tenant_id, outbox.ARCHIVE, str(pk(made)), {"archive_id": pk(made)}, now)
    return made


def cancel(session: Session, actor: Actor, archive_uuid: str, now: datetime) -> None:
    """Nothing more of it is packed; the worker takes away what there is. Twice is harmless, a ready one stays."""
    archive = _found(session, actor, archive_uuid)
    session.refresh(archive, with_for_update=True)
    if archive.state in leaving.OPEN:
        archive.state, archive.ended_at = ArchiveState.CANCELLED, now
        session.add(archive)
        session.flush()


def fetch(session: Session, actor: Actor, archive_uuid: str, now: datetime) -> str:
    """The name of a file that is ready, for the download; who had it is noted. Raises Conflict `archive.not_ready`."""
    archive = _found(session, actor, archive_uuid)
    if archive.state is not ArchiveState.READY:
        raise Conflict("archive.not_ready")
    archive.fetched_by_id, archive.fetched_at = actor.person_id, now
    session.add(archive)
    tenant = get(session, Tenant, actor.tenant_id)
    return media.clean_filename(f"{tenant.name}_全县数据包_{competencies.local_day(now, tenant.timezone)}.zip")


def _found(session: Session, actor: Actor, archive_uuid: str) -> TenantArchive:
    archive = find(session, TenantArchive, actor.tenant_id, archive_uuid)
    require(actor, Permission.TENANT_LEAVE, Scope(archive.tenant_id))
    return archive


def move_on(session: Session, actor: Actor, url: str, day: date | None, now: datetime) -> None:
    """From that day on nothing can be changed here, and every page leads to that address. Raises Invalid."""
    require(actor, Permission.TENANT_LEAVE, Scope(actor.tenant_id))
    set_forward(session, actor.tenant_id, url, day, now)


def stay(session: Session, actor: Actor) -> None:
    """The district goes on here after all."""
    require(actor, Permission.TENANT_LEAVE, Scope(actor.tenant_id))
    clear_forward(session, actor.tenant_id)


def set_forward(session: Session, tenant_id: int, url: str, day: date | None, now: datetime) -> None:
    """The same by command; a day that has come may stay, when the address is put right. Raises Invalid at "url" and
    "day"."""
    tenant = get(session, Tenant, tenant_id)
    errors: dict[str, str] = {}
    if not _is_address(url):
        errors["url"] = "tenant.forward_url"
    if day is None or (day != tenant.frozen_on and day < competencies.local_day(now, tenant.timezone)):
        errors["day"] = "tenant.frozen_on"
    if errors:
        raise Invalid(dict(errors))
    tenant.forward_url, tenant.frozen_on = url, day
    session.add(tenant)


def clear_forward(session: Session, tenant_id: int) -> None:
    """The same by command."""
    tenant = get(session, Tenant, tenant_id)
    tenant.forward_url, tenant.frozen_on = "", None
    session.add(tenant)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and has_host
        and "@" not in parts.netloc
        and url.isprintable()
        and (" " not in url and len(url) <= 500)
    )
