"""Does the ledger still say what it said when it was sealed? Everything is computed again from the rows that stand.

Memory stays flat: seals are read a few at a time, and of each entry one bit is kept (that a seal has it).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row
from sqlmodel import Session, func, select

from competencies.models import CreditEntry, LedgerSeal, LedgerUnsealed
from competencies.seals import FORMS, MOST_IN_A_SEAL, Head, hash_of, named_in, raw
from lms_plugin.db import table

_SEALS_AT_ONCE = 20
_ENTRIES_AT_ONCE = 5000
_PAGE = 65_536  # ids
_HASHED = (
    *("tenant_id", "number", "form", "first_entry_id", "last_entry_id", "entry_count", "entries", "previous_hash"),
    "sealed_at",
)

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
    was written anew. The session's transaction should see one state of the database throughout, and give what no
    driver can read as text (`db.as_it_stands`).
    """
    highest = session.execute(select(func.max(_entries.c.id))).scalar_one() or 0
    look = _Look(session, tenant_id, tell, highest)
    for row, is_next in _followed(_all_seals(session, tenant_id), tell):
        look.proof.seals += 1
        if is_next:
            look.proof.head = row.hash
            _look_at(look, row, noted)
    _look_for_others(look)
    return look.proof


@dataclass(slots=True)
class EntryProof:
    """What the seals say of one entry. `seal`: the one that has it, None where none has; `waits`: it is to be sealed
    within the minute. `is_whole`: it is what was sealed. `seals`: how many, from the first to its own, were computed
    again; `faults`: what of those does not hold."""

    is_there: bool = False
    waits: bool = False
    seal: Head | None = None
    is_whole: bool = False
    seals: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """The entry is what it was when it was sealed, and so is everything before."""
        return self.is_whole and not self.faults


def prove_entry(session: Session, tenant_id: int, entry_id: int) -> EntryProof:
    """Computes the chain again from its first seal to the one that has this entry, and the entry's own hash. Two
    queries; memory stays flat, time goes with the seals before it."""
    found = EntryProof()
    columns = raw(CreditEntry, *{name: None for form in FORMS.values() for name in form})
    row = session.execute(
        select(*[*columns, _waiting.c.entry_id.label("waits")])
        .outerjoin(_waiting, _waiting.c.entry_id == _entries.c.id)
        .where(_entries.c.id == entry_id)
    ).one_or_none()
    if row is None:
        return found
    found.is_there, found.waits = True, row.waits is not None
    seals = session.execute(
        select(*raw(LedgerSeal, *_HASHED, "hash"))
        .where(_seals.c.tenant_id == tenant_id)
        .order_by(_seals.c.number)
        .execution_options(yield_per=_SEALS_AT_ONCE)
    )
    for seal, is_next in _followed(seals, found.faults.append):
        if not is_next:
            continue
        found.seals += 1
        values = seal._asdict()
        if hash_of({name: values[name] for name in _HASHED}) != seal.hash:
            found.faults.append(Fault("ledger.seal_changed", str(seal.number)))
        named = dict(named_in(seal.entries)) if _may_have(seal, entry_id) else {}
        if entry_id in named:
            stands = {name: getattr(row, name) for name in FORMS.get(seal.form, FORMS[max(FORMS)])}
            found.is_whole = hash_of(stands) == named[entry_id]
            found.seal = Head(seal.number, seal.hash, seal.sealed_at)
            break
    seals.close()
    return found


def _may_have(seal: Row[Any], entry_id: int) -> bool:
    """Whether it is worth looking into a seal; into one whose bounds are no numbers, always."""
    bounds = (seal.first_entry_id, seal.last_entry_id)
    return not all(isinstance(bound, int) for bound in bounds) or bounds[0] <= entry_id <= bounds[1]


def _followed(rows: Iterable[Row[Any]], tell: Callable[[Fault], None]) -> Iterator[tuple[Row[Any], bool]]:
    """Seals in the order of their numbers, each with whether it is a next one; what does not follow is told."""
    expected, previous = 1, ""
    for row in rows:
        if not isinstance(row.number, int) or row.number < expected:
            tell(Fault("ledger.seal_changed", str(row.number)))
            yield row, False
            continue
        if row.number > expected:
            last = row.number - 1
            tell(Fault("ledger.seal_missing", str(expected) if expected == last else f"{expected}–{last}"))
        elif row.previous_hash != previous:
            tell(Fault("ledger.seal_unchained", str(row.number)))
        expected, previous = row.number + 1, row.hash
        yield row, True


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
    named = named_in(seal.entries)
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
