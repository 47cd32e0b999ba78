"""The tables of 学时证明 and of the seals that are put on them. Rows are only added (`certificates`)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Model, Owned


class CertificateTerms(Model, table=True):
    """How a programme's 学时证明 are given: the newest row counts. Append-only. `paper`: the 文号 that they rest on,
    "" = it is asked for each time."""

    __tablename__ = "certificate_terms"
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    paper: str = Field(max_length=100)
    is_self_service: bool  # teachers may make out their own
    set_by_id: int = Field(foreign_key="person.id")
    set_at: datetime


class Paper(Owned):
    """Mixin of official papers on what a person did, as they were printed. `number`: within the district
    and the kind, from 1; `code`: what the verification page is asked for, twelve characters (`certificates.new_code`).
    The words are those of that day."""

    number: int
    code: str = Field(max_length=12, unique=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    name: str = Field(max_length=100)
    staff_number: str = Field(max_length=64)
    school: str = Field(max_length=200)
    title: str = Field(max_length=200)  # of the programme, or the years of a cycle
    issuer: str = Field(max_length=200)  # the unit in whose name it is made out
    paper: str = Field(max_length=100)  # 文号: the document that it rests on; of a cycle each part has its own
    issued_by_id: int = Field(foreign_key="person.id")
    issued_at: datetime


class PaperEnd(Model):
    """Mixin: a paper counts no more: taken back by somebody with a reason, or followed by a new one."""

    reason: str = Field(default="", max_length=300)
    ended_by_id: int = Field(foreign_key="person.id")
    ended_at: datetime


class PaperSeal(Model):
    """Mixin: 用印: somebody put a unit's seal on a paper."""

    unit_seal_id: int = Field(foreign_key="unit_seal.id", index=True)
    used_by_id: int = Field(foreign_key="person.id")
    used_at: datetime


class Certificate(Paper, table=True):
    """学时证明: what the ledger said of a person on one day, in a programme or in a cycle of years. Append-only.

    Of a cycle `first_year` and `last_year` are its years, `issuer_unit_id` is the unit in whose name it is made out,
    and `parts` has what each programme brought: "title", "paper" (文号), "hours" (as below), and "per" (as
    `per_credit_point_hundredths`). Of a programme these four are None.

    `entries`: ids of the ledger's entries it sums up; all of them lie under the seals up to `seal_number`. `hours`:
    hundredths by kind, of kinds of which there are any. `per_credit_point_hundredths`: how much of a 学时 made one 学分
    by the rules of that day; None = they did not count so.
    """

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_certificate_person", "programme_id", "person_id"),
        Index("ix_certificate_cycle", "tenant_id", "first_year", "last_year"),
        CheckConstraint(
            "(programme_id IS NULL) = "
            "(first_year IS NOT NULL AND last_year IS NOT NULL AND issuer_unit_id IS NOT NULL AND parts IS NOT NULL)",
            name="one_kind",
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int | None = Field(default=None, foreign_key="programme.id")
    first_year: int | None = None
    last_year: int | None = None
    issuer_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    parts: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    hours: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    entries: list[int] = Field(sa_column=Column(JSON, nullable=False))
    per_credit_point_hundredths: int | None = None
    seal_number: int
    seal_hash: str = Field(max_length=64)


class CertificateEnd(PaperEnd, table=True):
    """A 学时证明 counts no more. Append-only."""

    __tablename__ = "certificate_end"
    certificate_id: int = Field(
        foreign_key="certificate.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    followed_by_id: int | None = Field(default=None, foreign_key="certificate.id")


class UnitSeal(Owned, table=True):
    """单位印章: the picture of a unit's seal; the newest row of a unit counts. `image`: a PNG of ours, b"" = none any
    more. Append-only."""

    __tablename__ = "unit_seal"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    org_unit_id: int = Field(foreign_key="org_unit.id", index=True)
    image: bytes = Field(sa_type=LargeBinary)
    sha256: str = Field(max_length=64)
    put_by_id: int = Field(foreign_key="person.id")
    put_at: datetime


class SealUse(PaperSeal, table=True):
    """A unit's seal was put on a 学时证明. Append-only."""

    __tablename__ = "seal_use"
    certificate_id: int = Field(
        foreign_key="certificate.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
