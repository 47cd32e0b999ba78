"""Does the ledger still say what it said when it was sealed? Everything is computed again from the rows that stand.

Memory stays flat: seals are read a few at a time, and of each entry one bit is kept (that a seal has it).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row
from sqlmodel import Session, func, select

from competencies.models import CreditEntry, LedgerSeal, LedgerUnsealed
from competencies.seals import FORMS, MOST_IN_A_SEAL, hash_of, raw
from lms_plugin.db import table

_SEALS_AT_ONCE = 20
_ENTRIES_AT_ONCE = 5000
_PAGE = 65_536  # ids
_HASHED = (
    *("tenant_id", "number", "form", "first_entry_id", "last_entry_id", "entry_count", "entries", "previous_hash"),
    "sealed_at",
)
_SEALED = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

_seals, _entries, _waiting = table(LedgerSeal), table(CreditEntry), table(LedgerUnsealed)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the ledger past the product. `code`: its sentence, `ledger.…`; what does not apply is
    empty. `entry`: the id of a row of `credit_entry`."""

    code: str
    seals: str = ""
    entry: str = ""


@dataclass(slots=True)
class Proof:
    """What was looked through in a district, and how much of it holds. `head`: the hash of its newest seal, "" before
    the first. `noted_in`: the seal that has the hash which was asked for, 0 where none has."""

    seals: int = 0
    seals_hold: int = 0
    entries_hold: int = 0
    waiting: int = 0
    head: str = ""
    noted_in: int = 0


@dataclass(slots=True)
class _Look:
    """One look through a district's ledger."""

    session: Session
    tenant_id: int
    tell: Callable[[Fault], None]
    highest: int  # id of any entry that stands
    sealed: dict[int, bytearray] = field(default_factory=dict)  # a bit for each id, by page: ids may be far apart
    proof: Proof = field(default_factory=Proof)

    def has(self, entry: int) -> bool:
        """Whether a seal has named the entry."""
        page = self.sealed.get(entry // _PAGE)
        return page is not None and bool(page[entry % _PAGE // 8] >> entry % 8 & 1)

    def mark(self, entry: int) -> None:
        """A seal names the entry."""
        self.sealed.setdefault(entry // _PAGE, bytearray(_PAGE // 8))[entry % _PAGE // 8] |= 1 << entry % 8


def prove(session: Session, tenant_id: int, tell: Callable[[Fault], None], noted: str = "") -> Proof:
    """Computes a district's seals again and tells each fault as it is found. Nothing is written.

    `noted`: a hash (or its beginning) that somebody kept of an earlier head; only that can show that the whole chain
    was written anew. The session's transaction should see one state of the database throughout.
    """
    highest = session.execute(select(func.max(_entries.c.id))).scalar_one() or 0
    look = _Look(session, tenant_id, tell, highest)
    expected, previous = 1, ""
    for row in _all_seals(session, tenant_id):
        look.proof.seals += 1
        if not isinstance(row.number, int) or row.number < expected:
            tell(Fault("ledger.seal_changed", str(row.number)))
            continue
        if row.number > expected:
            last = row.number - 1
            tell(Fault("ledger.seal_missing", str(expected) if expected == last else f"{expected}–{last}"))
        elif row.previous_hash != previous:
            tell(Fault("ledger.seal_unchained", str(row.number)))
        expected, previous = row.number + 1, row.hash
        _look_at(look, row, noted)
    look.proof.head = previous
    _look_for_others(look)
    return look.proof


def astray(session: Session, tell: Callable[[Fault], None]) -> None:
    """Tells the entries, of whatever district, that were deleted while they waited for their seal."""
    gone = (
        select(_waiting.c.entry_id)
        .outerjoin(_entries, _entries.c.id == _waiting.c.entry_id)
        .where(_entries.c.id.is_(None))
        .order_by(_waiting.c.entry_id)
    )
    for (entry_id,) in session.execute(gone):
        tell(Fault("ledger.entry_missing", entry=str(entry_id)))


def _all_seals(session: Session, tenant_id: int) -> Iterator[Row[Any]]:
    after: Any = None
    while True:
        statement = select(*raw(LedgerSeal, *_HASHED, "hash")).where(_seals.c.tenant_id == tenant_id)
        if after is not None:
            statement = statement.where(_seals.c.number > after)
        rows = session.execute(statement.order_by(_seals.c.number).limit(_SEALS_AT_ONCE)).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].number


def _look_at(look: _Look, seal: Row[Any], noted: str) -> None:
    """One seal: its own hash, then each entry that it names."""
    number = str(seal.number)
    values = seal._asdict()
    stands = values.pop("hash")
    if hash_of(values) != stands:
        look.tell(Fault("ledger.seal_changed", number))
    else:
        look.proof.seals_hold += 1
        if noted and str(stands).startswith(noted):
            look.proof.noted_in = seal.number
    named = [(int(entry), hashed) for entry, hashed in _SEALED.findall(str(seal.entries))]
    columns = FORMS.get(seal.form, FORMS[max(FORMS)])
    there: dict[int, Row[Any]] = {}
    for start in range(0, len(named), MOST_IN_A_SEAL):  # more only where somebody wrote them in
        ids = [entry for entry, _ in named[start : start + MOST_IN_A_SEAL] if entry <= look.highest]
        rows = look.session.execute(select(*raw(CreditEntry, *columns)).where(_entries.c.id.in_(ids)))
        there |= {row.id: row for row in rows}
    for entry, hashed in named:
        row = there.get(entry)
        if row is None:
            look.tell(Fault("ledger.entry_missing", number, str(entry)))
            continue
        if look.has(entry):
            look.tell(Fault("ledger.entry_twice", number, str(entry)))
        elif hash_of(row._asdict()) != hashed:
            look.tell(Fault("ledger.entry_changed", number, str(entry)))
        else:
            look.proof.entries_hold += 1
        look.mark(entry)


def _look_for_others(look: _Look) -> None:
    """The district's entries that no seal names: they wait for one, or came past the product."""
    after = None
    while True:
        statement = (
            select(_entries.c.id, _waiting.c.entry_id)
            .outerjoin(_waiting, _waiting.c.entry_id == _entries.c.id)
            .where(_entries.c.tenant_id == look.tenant_id)
        )
        if after is not None:
            statement = statement.where(_entries.c.id > after)
        rows = look.session.execute(statement.order_by(_entries.c.id).limit(_ENTRIES_AT_ONCE)).all()
        if not rows:
            return
        for entry, waits in rows:
            is_sealed = look.has(entry)
            if waits is not None and is_sealed:
                look.tell(Fault("ledger.entry_waits_again", entry=str(entry)))
            elif waits is not None:
                look.proof.waiting += 1
            elif not is_sealed:
                look.tell(Fault("ledger.entry_inserted", entry=str(entry)))
        after = rows[-1].id
