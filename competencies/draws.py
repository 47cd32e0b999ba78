"""抽查: entries of a district's ledger are drawn at random, so that anybody can draw the same ones again.

What is drawn from: the sealed entries of the scope in the order of their ids, numbered from 1. The i-th draw takes the
number `SHA-256("seed:i") mod population + 1`, passing over what was taken already; so the seed, the scope and the seal
that was the newest (nothing later counts) say all there is to say, and pencil and paper can check it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, UniqueConstraint, exists
from sqlmodel import Field, Session, col, func, select

from competencies.models import CreditEntry, LedgerSeal, LedgerUnsealed
from competencies.seals import named_in
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, Owned

MOST_DRAWN = 200
LONGEST_SEED = 64


class LedgerDraw(Owned, table=True):
    """抽查: who drew which entries of the ledger, when, from what and by which seed. Append-only.

    `since_at`, `until_at`: entries made in this time alone (the second moment is the first one left out).
    `unit_ids`: the unit and those below it on that day, None = the whole district. `entry_ids` in the order of the
    draw. `seal_number`, `seal_hash`: the newest seal of that moment.
    """

    __tablename__ = "ledger_draw"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    drawn_by_id: int = Field(foreign_key="person.id")
    drawn_at: datetime
    programme_id: int | None = Field(default=None, foreign_key="programme.id")
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    unit_ids: list[int] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    since_at: datetime | None = None
    until_at: datetime | None = None
    seed: str = Field(max_length=LONGEST_SEED)
    wanted: int
    population: int
    entry_ids: list[int] = Field(sa_column=Column(JSON, nullable=False))
    seal_number: int
    seal_hash: str = Field(max_length=64)


class DrawEvent(Model, table=True):
    """What an auditor did with a drawn entry: "opened" its proof, found it "in_order", had a "question". Append-only:
    the newest finding counts, those before it stay."""

    __tablename__ = "ledger_draw_event"
    id: int | None = Field(default=None, primary_key=True)
    draw_id: int = Field(foreign_key="ledger_draw.id", index=True)
    position: int  # of the entry in the draw, from 1
    kind: str = Field(max_length=16)
    remark: str = Field(default="", max_length=1000)
    person_id: int = Field(foreign_key="person.id")
    at: datetime


guard(LedgerDraw, refusing("ledger_draw"))
guard(DrawEvent, refusing("ledger_draw_event"))

OPENED, IN_ORDER, QUESTION = "opened", "in_order", "question"
FINDINGS = (IN_ORDER, QUESTION)


@dataclass(frozen=True, slots=True)
class DrawScope:
    """What is drawn from, as `LedgerDraw` keeps it."""

    tenant_id: int
    seal_number: int
    programme_id: int | None = None
    unit_ids: Sequence[int] | None = None
    since_at: datetime | None = None
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many entries there were to draw from, and the ids of those drawn, in the order of the draw."""

    population: int
    entry_ids: tuple[int, ...]


def places(seed: str, population: int, wanted: int) -> list[int]:
    """The numbers (1 … population) that are drawn, in the order of the draw: all of them where not more are there than
    wanted. A longer draw by the same seed begins with the shorter one."""
    found: dict[int, None] = {}
    for turn in count(1):
        if len(found) >= min(wanted, population):
            break
        digest = hashlib.sha256(f"{seed}:{turn}".encode()).digest()
        found.setdefault(int.from_bytes(digest, "big") % population + 1)
    return list(found)


def draw_entries(session: Session, scope: DrawScope, seed: str, wanted: int) -> Drawn:
    """Draws, today or again: the same scope and seed give the same entries for ever. At most four queries.

    No seal may be made meanwhile: the caller holds the district's row, as who seals does.
    """
    conditions = _population(session, scope)
    population = session.exec(select(func.count()).select_from(CreditEntry).where(*conditions)).one()
    chosen = places(seed, population, wanted)
    numbered = (
        select(col(CreditEntry.id).label("id"), func.row_number().over(order_by=col(CreditEntry.id)).label("place"))
        .where(*conditions)
        .subquery()
    )
    rows = session.execute(select(numbered.c.place, numbered.c.id).where(numbered.c.place.in_(chosen)))
    by_place = {row.place: row.id for row in rows}
    return Drawn(population, tuple(by_place[place] for place in chosen))


def _population(session: Session, scope: DrawScope) -> list[ColumnElement[bool]]:
    """What was sealed when that seal was the newest: entries commit in another order than their ids were drawn."""
    own = col(LedgerSeal.tenant_id) == scope.tenant_id
    last = session.exec(
        select(func.max(col(LedgerSeal.last_entry_id))).where(own, col(LedgerSeal.number) <= scope.seal_number)
    ).one()
    later = session.exec(
        select(LedgerSeal.entries).where(
            own, col(LedgerSeal.number) > scope.seal_number, col(LedgerSeal.first_entry_id) <= (last or 0)
        )
    ).all()
    since_sealed = {entry_id for entries in later for entry_id, _hash in named_in(entries) if entry_id <= (last or 0)}
    waits = exists().where(col(LedgerUnsealed.entry_id) == col(CreditEntry.id))
    found: list[Any] = [col(CreditEntry.tenant_id) == scope.tenant_id, col(CreditEntry.id) <= (last or 0), ~waits]
    if since_sealed:
        found.append(col(CreditEntry.id).not_in(since_sealed))
    if scope.programme_id is not None:
        found.append(col(CreditEntry.programme_id) == scope.programme_id)
    if scope.unit_ids is not None:
        found.append(col(CreditEntry.org_unit_id).in_(scope.unit_ids))
    if scope.since_at is not None:
        found.append(col(CreditEntry.entered_at) >= scope.since_at)
    if scope.until_at is not None:
        found.append(col(CreditEntry.entered_at) < scope.until_at)
    return found
