"""学时证明包, 工作量证明包: a unit's papers in one ZIP, which the worker makes part by part."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Index
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Owned, choice


class BundleState(enum.Enum):
    WAITING = "waiting"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"  # with a code in `problem`
    CANCELLED = "cancelled"
    GONE = "gone"  # its bytes were deleted


class CertificateBundle(Owned, table=True):
    """学时证明包: the papers of one kind ("certificates", "statements", "cycles") of a unit and of what lies below it
    in one ZIP, made by the worker part by part.

    `programme_id`: of which they are; None for 学时证明 of a cycle, whose years then stand in `first_year` and
    `last_year`. `total`: how many there were to print when it was asked for; `done`: how many of them have been looked
    at; `left_out`: of these, such as hold no more or could not be printed; `last_id`: the paper that was last.
    `storage_key`: where its pages lie while it is made, then the ZIP; "" = nowhere.
    """

    __tablename__ = "certificate_bundle"
    __table_args__ = (Index("ix_certificate_bundle_of", "programme_id", "org_unit_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int | None = Field(default=None, foreign_key="programme.id")
    first_year: int | None = None
    last_year: int | None = None
    org_unit_id: int = Field(foreign_key="org_unit.id")
    kind: str = Field(default="certificates", max_length=16)
    state: BundleState = Field(default=BundleState.WAITING, sa_type=choice(BundleState))
    total: int
    done: int = 0
    left_out: int = 0
    last_id: int = 0
    storage_key: str = Field(max_length=32)
    size_bytes: int = Field(default=0, sa_type=BigInteger)
    sha256: str = Field(default="", max_length=64)
    problem: str = Field(default="", max_length=64)
    asked_by_id: int = Field(foreign_key="person.id")
    asked_at: datetime
    ended_at: datetime | None = None


OPEN = (BundleState.WAITING, BundleState.MAKING)


def newest(session: Session, of: ColumnElement[bool], org_unit_id: int, kind: str) -> CertificateBundle | None:
    """The one that was last asked for of a unit's papers of a kind; `of`: those of one programme, or of one cycle. One
    query."""
    return session.exec(
        select(CertificateBundle)
        .where(of, CertificateBundle.org_unit_id == org_unit_id, CertificateBundle.kind == kind)
        .order_by(col(CertificateBundle.id).desc())
        .limit(1)
    ).first()
