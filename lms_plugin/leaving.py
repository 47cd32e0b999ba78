"""A district on its way: archives that were packed of it, the day from which nothing is changed here, and archives
that are taken in where it goes on."""

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, Session, col, select

import competencies
from lms_plugin.db import Model, Owned, choice, get, pk
from lms_plugin.errors import Conflict
from lms_plugin.people import Tenant


class ArchiveState(enum.Enum):
    WAITING = "waiting"
    PACKING = "packing"
    READY = "ready"
    CANCELLED = "cancelled"
    FAILED = "failed"  # with a code in `problem`
    GONE = "gone"  # its file was deleted


OPEN = (ArchiveState.WAITING, ArchiveState.PACKING)


class TenantArchive(Owned, table=True):
    """全县数据包: one file with everything of the district, packed by the worker part by part. Its file is named by its
    uuid. `missing`: files whose bytes were not there. `fetched_by_id`, `fetched_at`: who had it last."""

    __tablename__ = "tenant_archive"
    id: int | None = Field(default=None, primary_key=True)
    state: ArchiveState = Field(default=ArchiveState.WAITING, sa_type=choice(ArchiveState))
    rows: int = 0
    files: int = 0
    all_files: int = 0
    bytes: int = Field(default=0, sa_type=BigInteger)
    all_bytes: int = Field(default=0, sa_type=BigInteger)
    size_bytes: int = Field(default=0, sa_type=BigInteger)
    missing: int = 0
    manifest_hash: str = Field(default="", max_length=64)
    problem: str = Field(default="", max_length=64)
    asked_by_id: int = Field(foreign_key="person.id")
    asked_at: datetime
    ended_at: datetime | None = None
    fetched_by_id: int | None = Field(default=None, foreign_key="person.id")
    fetched_at: datetime | None = None


def newest(session: Session, tenant_id: int) -> TenantArchive | None:
    """The archive that was last asked for. One query."""
    return session.exec(
        select(TenantArchive)
        .where(TenantArchive.tenant_id == tenant_id)
        .order_by(col(TenantArchive.id).desc())
        .limit(1)
    ).first()


# --- a district that arrives ---


class IntakeState(enum.Enum):
    WAITING = "waiting"
    CHECKING = "checking"  # every byte and every record is looked at; nothing is written yet
    FILES = "files"
    RECORDS = "records"  # all in one transaction, which is also the end
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"  # with a code in `problem`


BEING_TAKEN_IN = (IntakeState.WAITING, IntakeState.CHECKING, IntakeState.FILES, IntakeState.RECORDS)
BROKEN = "intake.broken"
"""The `problem` of one that a fault ended, time after time: what came of it stays, and going on takes it up again."""


class ArchiveIntake(Model, table=True):
    """收下: an archive that the worker takes in. Of no district: there is none yet, so nobody has a role in it. Whoever
    has the code that the operator's command printed (`code_hash`: its SHA-256) sees how far it is.

    `path`: where the file lies on the server. `file_mark`: size and time of change of the file that was looked through
    up to the member `checked_to` (`CHECKED` = to the end, records too); `files`: how many have their bytes here.
    """

    __tablename__ = "archive_intake"
    id: int | None = Field(default=None, primary_key=True)
    code_hash: str = Field(max_length=64, unique=True)
    path: str = Field(max_length=1000)
    manifest_hash: str = Field(max_length=64, index=True)
    name: str = Field(max_length=200)
    with_faults: bool = False
    state: IntakeState = Field(default=IntakeState.WAITING, sa_type=choice(IntakeState))
    file_mark: str = Field(default="", max_length=100)
    checked_to: str = Field(default="", max_length=200)
    rows: int = 0
    all_rows: int = 0
    files: int = 0
    all_files: int = 0
    bytes: int = Field(default=0, sa_type=BigInteger)
    all_bytes: int = Field(default=0, sa_type=BigInteger)
    faults: int = 0
    problem: str = Field(default="", max_length=64)
    problem_params: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    asked_at: datetime
    ended_at: datetime | None = None


# --- read-only, with an address where it goes on ---


def is_read_only(tenant: Tenant, now: datetime) -> bool:
    """Whether the district's day has come, in its own time zone: from then on nobody changes anything here."""
    return tenant.frozen_on is not None and competencies.local_day(now, tenant.timezone) >= tenant.frozen_on


def must_be_open(tenant: Tenant, now: datetime) -> None:
    """Raises Conflict `tenant.read_only` with the address where it goes on."""
    if is_read_only(tenant, now):
        raise Conflict("tenant.read_only", day=str(tenant.frozen_on), url=tenant.forward_url)


def must_be_open_at(session: Session, tenant_id: int, now: datetime) -> None:
    """The same where only the district's id is at hand."""
    must_be_open(get(session, Tenant, tenant_id), now)


def still_open(session: Session, kind: type[Owned], ids: Sequence[int], now: datetime) -> list[int]:
    """Those of these rows whose district is not read-only: what time brings, it brings only there."""
    leaving = session.exec(select(Tenant).where(col(Tenant.frozen_on).is_not(None)).order_by(col(Tenant.id))).all()
    closed = [pk(one) for one in leaving if is_read_only(one, now)]
    if not closed or not ids:
        return list(ids)
    identifier: Any = kind.id  # type: ignore[attr-defined]
    kept = set(session.exec(select(identifier).where(identifier.in_(ids), col(kind.tenant_id).not_in(closed))))
    return [key for key in ids if key in kept]
