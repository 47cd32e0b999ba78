"""The tables of 转出 and 转入: what became of one person's move from one district's records to another's."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Model, Owned, choice


class TransferState(enum.Enum):
    ASKED = "asked"  # the teacher asks; an officer has not said anything yet
    DECLINED = "declined"  # an officer does not let it go, with a reason
    WITHDRAWN = "withdrawn"  # taken back before it arrived; what was out is counted here again
    RELEASED = "released"  # signed and on its way: the hours count here no more
    HANDED = "handed"  # it left as a file, and the other side has the code to take it in: no way back from here
    ARRIVED = "arrived"  # taken in there, in whole or in part
    RETURNED = "returned"  # the other side refused it: the hours count here again


OUT = (TransferState.RELEASED, TransferState.HANDED, TransferState.ARRIVED)
"""States in which hours are out of here."""


class Transfer(Owned, table=True):
    """转出: a person's record leaves this district. `uuid` names the package, wherever it goes.

    `to_code`: of the `Arrival` it is meant for, the only one that can take it in; `is_local`: that one is on this
    installation. `lines`: the hours that left, one a line: {"id", "row" (person), "programme", "kind", "hundredths",
    "on", "of_points", "back"}; "back" true = counted here again. `points`: the points that left: {"point"
    ("framework:code"), "level", "back"}; "back" true = not held there. `release_code`: 放行码 of a file.
    """

    __tablename__ = "transfer"
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id", index=True)  # the school when it was asked
    state: TransferState = Field(default=TransferState.ASKED, sa_type=choice(TransferState))
    to_code: str = Field(max_length=12, index=True)
    to_name: str = Field(max_length=200)
    is_local: bool
    lines: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    points: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    release_code: str = Field(default="", max_length=12)
    manifest_hash: str = Field(default="", max_length=64)
    asked_at: datetime
    changed_at: datetime


class ArrivalState(enum.Enum):
    OPEN = "open"  # the person has a code; nothing has come yet
    WAITING = "waiting"  # a package is here; an officer has not said anything yet
    ACCEPTED = "accepted"  # in whole or in part
    REFUSED = "refused"
    CLOSED = "closed"  # the person needs the code no more, or what was on its way was taken back


class Arrival(Owned, table=True):
    """转入: a person's record from elsewhere. Its code (接收码) is what the other side addresses the package to.

    `package`: the uuid of the package; one is taken in once, whichever district of this installation it came to.
    `taken`: what was accepted: {"blocks": [...], "points": {"framework:point": code here}}.
    """

    __tablename__ = "arrival"
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id", index=True)  # the school when it came
    code: str = Field(max_length=12, unique=True)
    state: ArrivalState = Field(default=ArrivalState.OPEN, sa_type=choice(ArrivalState))
    package: str | None = Field(default=None, max_length=32, unique=True)
    from_name: str = Field(default="", max_length=200)
    is_local: bool = Field(default=False)
    manifest_hash: str = Field(default="", max_length=64)
    programme_id: int | None = Field(default=None, foreign_key="programme.id")
    taken: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    opened_at: datetime
    changed_at: datetime


class TransferPackage(Model, table=True):
    """The bytes of a signed package, as they left or as they came: of one transfer or one arrival."""

    __tablename__ = "transfer_package"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    transfer_id: int | None = Field(default=None, foreign_key="transfer.id", unique=True)
    arrival_id: int | None = Field(default=None, foreign_key="arrival.id", unique=True)
    content: bytes = Field(sa_type=LargeBinary)


class TransferFile(Owned, table=True):
    """A file that came with an arrival: of a work that its package names, by the hash that the package says."""

    __tablename__ = "transfer_file"
    __table_args__ = (UniqueConstraint("arrival_id", "sha256"),)
    id: int | None = Field(default=None, primary_key=True)
    arrival_id: int = Field(foreign_key="arrival.id")
    sha256: str = Field(max_length=64)
    stored_file_id: int = Field(foreign_key="stored_file.id", index=True)
    came_at: datetime


class TransferEvent(Model, table=True):
    """What somebody did about a transfer or an arrival. Append-only. `by_id` empty = the other side did it."""

    __tablename__ = "transfer_event"
    __table_args__ = (Index("ix_transfer_event_of", "transfer_id", "arrival_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    transfer_id: int | None = Field(default=None, foreign_key="transfer.id")
    arrival_id: int | None = Field(default=None, foreign_key="arrival.id")
    what: str = Field(max_length=16)
    reason: str = Field(default="", max_length=300)
    by_id: int | None = Field(default=None, foreign_key="person.id")
    at: datetime


class TransferKey(Model, table=True):
    """The key by which a district signs what leaves it. The private half is encrypted; the public one is published."""

    __tablename__ = "transfer_key"
    tenant_id: int = Field(foreign_key="tenant.id", primary_key=True, sa_column_kwargs={"autoincrement": False})
    private_encrypted: str = Field(sa_type=Text)
    public_jwk: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    made_at: datetime
