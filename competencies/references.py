"""参照框架 and 对应: frameworks that points are mapped to, the links, and what became of a district's standards.

Nothing is judged by a reference framework and no programme runs on it. Its versions never change. A link stands beside
the frameworks, never in them: a framework's content hash says nothing of what its points are mapped to.
"""

import enum
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, Session, col, func, select

from competencies import pack as packs
from competencies import reference_packs
from competencies.exchange.reference_case import item_identifier
from competencies.reference_schema import Reference, outline
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Owned, Versioned, choice, owned

__all__ = [
    "KINDS",
    "CrosswalkLink",
    "FrameworkEvent",
    "LinkState",
    "Proposal",
    "Reference",
    "ReferenceVersion",
    "item_identifier",
    "newest",
    "note",
    "outline",
    "proposals_for",
    "reference_packs",
    "take_in",
]

KINDS = ("isRelatedTo", "exactMatchOf", "isPartOf", "isPeerOf")
"""Association types of CASE 1.0 that say something of a point and an item of another framework."""


class ReferenceVersion(Owned, table=True):
    """One immutable edition of a reference framework in one district. `content` is the whole file, `content_hash` its
    SHA-256; `short`: how a line names it ("JY/T 0646")."""

    __tablename__ = "reference_version"
    __table_args__ = (UniqueConstraint("tenant_id", "code", "number"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(max_length=100)
    number: int
    title: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    short: str = Field(max_length=60)
    publisher: str = Field(default="", max_length=500)
    licence: str = Field(default="", max_length=500)
    items: int
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    content_hash: str = Field(max_length=64)
    taken_in_by_id: int | None = Field(default=None, foreign_key="person.id")
    taken_in_at: datetime


guard(ReferenceVersion, refusing("reference_version"))


class LinkState(enum.Enum):
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    DROPPED = "dropped"


class CrosswalkLink(Owned, Versioned, table=True):
    """A point of a framework (over all its versions: the same code is the same point) and an item of a reference
    framework. `kind`: one of KINDS; `words`: the item's text when the link was made; `source`: who says so; DROPPED
    links stay, so that the same proposal does not come back."""

    __tablename__ = "crosswalk_link"
    __table_args__ = (
        UniqueConstraint("framework_id", "point_code", "reference_code", "item_code", name="uq_crosswalk_link_ends"),
        UniqueConstraint("tenant_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    framework_id: int = Field(foreign_key="competency_framework.id")
    point_code: str = Field(max_length=32)
    reference_code: str = Field(max_length=100)
    item_code: str = Field(max_length=100)
    item_identifier: str = Field(max_length=36)
    words: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    kind: str = Field(max_length=32)
    state: LinkState = Field(default=LinkState.PROPOSED, sa_type=choice(LinkState))
    source: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    decided_by_id: int | None = Field(default=None, foreign_key="person.id")
    decided_at: datetime


class FrameworkEvent(Owned, table=True):
    """What became of a district's standards: a draft thrown away, a reference framework taken in, links added,
    confirmed, dropped. `code`: of the framework; rows are only ever added."""

    __tablename__ = "framework_event"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(max_length=100)
    kind: str = Field(max_length=32)
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    by_id: int | None = Field(default=None, foreign_key="person.id")
    at: datetime


guard(FrameworkEvent, refusing("framework_event"))


def note(
    session: Session, tenant_id: int, code: str, kind: str, by_id: int | None, now: datetime, **details: Any
) -> None:
    """Writes down what became of a standard."""
    session.add(FrameworkEvent(tenant_id=tenant_id, code=code, kind=kind, by_id=by_id, at=now, details=details))


def take_in(session: Session, tenant_id: int, loaded: Reference, by_id: int | None, now: datetime) -> ReferenceVersion:
    """A reference framework as an immutable version; the same content again gives the row that is there."""
    data = json.loads(packs.canonical(loaded))
    head, content_hash = data["framework"], packs.content_hash(loaded)
    same = session.exec(
        owned(ReferenceVersion, tenant_id)
        .where(ReferenceVersion.code == head["id"], ReferenceVersion.content_hash == content_hash)
        .order_by(col(ReferenceVersion.id))
    ).first()
    if same is not None:
        return same
    last = session.exec(
        select(func.max(col(ReferenceVersion.number))).where(
            ReferenceVersion.tenant_id == tenant_id, ReferenceVersion.code == head["id"]
        )
    ).one()
    made = ReferenceVersion(
        tenant_id=tenant_id,
        code=head["id"],
        number=(last or 0) + 1,
        title=packs.words(head, "title"),
        short=head["short"],
        publisher=head.get("publisher") or "",
        licence=head.get("licence") or "",
        items=len(data["items"]),
        content=data,
        content_hash=content_hash,
        taken_in_by_id=by_id,
        taken_in_at=now,
    )
    session.add(made)
    note(session, tenant_id, made.code, "taken_in", by_id, now, number=made.number)
    session.flush()
    return made


def newest(session: Session, tenant_id: int, codes: Collection[str] = ()) -> dict[str, ReferenceVersion]:
    """By code, the newest version of each reference framework (or of these)."""
    query = owned(ReferenceVersion, tenant_id).order_by(col(ReferenceVersion.number), col(ReferenceVersion.id))
    if codes:
        query = query.where(col(ReferenceVersion.code).in_(codes))
    return {row.code: row for row in session.exec(query)}


class Proposal(NamedTuple):
    """A link that ships: nobody here has looked at it yet."""

    point: str
    reference: str
    item: str
    kind: str
    source: Mapping[str, str]


def proposals_for(points: Sequence[Mapping[str, Any]], base: Iterable[Mapping[str, Any]]) -> list[Proposal]:
    """The shipped links that fit these points: of a framework with another A1 than the shipped pack's (`base`: its
    points) nothing is said about A1. The same point has the same code and the same Chinese name."""
    shipped = reference_packs.crosswalk()
    names = {point["code"]: point["name_zh"] for point in base}
    same = {point["code"] for point in points if names.get(point["code"]) == point["name_zh"]}
    source = {"zh": shipped["source_zh"], "en": shipped["source_en"]}
    return [
        Proposal(point, reference, item, shipped["kind"], source)
        for point, reference, item in shipped["links"]
        if point in same
    ]
