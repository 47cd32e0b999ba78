"""Does the ledger still say what it said when it was sealed? Everything is computed again from the rows that stand.

Memory stays flat: seals are read a few at a time, and of each entry one bit is kept (that a seal has it).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row
from sqlalchemy import select as columns
from sqlmodel import Session, func, select

from competencies.certificate_models import Certificate
from competencies.draws import LedgerDraw
from competencies.models import CreditEntry, LedgerSeal, LedgerUnsealed
from competencies.seals import FORMS, MOST_IN_A_SEAL, Head, hash_of, named_in, raw
from lms_plugin.append_only import missing_guards
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


def prove(
    session: Session,
    tenant_id: int,
    tell: Callable[[Fault], None],
    noted: str = "",
    told: Collection[tuple[int, str]] = (),
) -> Proof:
    """Computes a district's seals again and tells each fault as it is found. Nothing is written.

    `noted`: a hash (or its beginning) that somebody kept of an earlier head; `told`: (number, hash) of heads that stand
    elsewhere (those told to officers). Only these, and the heads that draws and certificates note, can show that the
    whole chain was written anew. The session's transaction should see one state of the database throughout, and give
    what no driver can read as text (`db.as_it_stands`).
    """
    highest = session.execute(select(func.max(_entries.c.id))).scalar_one() or 0
    heads = _heads_noted(session, tenant_id) | set(told)
    look = _Look(session, tenant_id, tell, highest)
    for row, is_next in _followed(_all_seals(session, tenant_id), tell):
        look.proof.seals += 1
        heads.discard((row.number, row.hash))
        if is_next:
            look.proof.head = row.hash
            _look_at(look, row, noted)
    for number, _hash in sorted(heads, key=str):
        tell(Fault("ledger.noted_gone", str(number)))
    _look_for_others(look)
    return look.proof


def _heads_noted(session: Session, tenant_id: int) -> set[tuple[Any, Any]]:
    """(number, hash) of the seals that were the newest when entries were drawn, or a certificate was made out. These
    rows outlive a chain that somebody cut off or wrote anew. Two queries."""
    found: set[tuple[Any, Any]] = set()
    for kind in (LedgerDraw, Certificate):
        rows = session.execute(
            select(*raw(kind, "seal_number", "seal_hash")).where(table(kind).c.tenant_id == tenant_id).distinct()
        )
        found.update((number, hashed) for number, hashed in rows if hashed)
    return found


@dataclass(slots=True)
class EntryProof:
    """What the seals say of one entry. `values`: its columns as the driver gives them (`db.as_it_stands`), empty where
    it is not there. `seal`: the one that has it, None where none has; `waits`: it is to be sealed within the minute.
    `is_whole`: it is what was sealed. `faults`: what of its seal, of the seals on either side and of the noted head
    does not hold."""

    values: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    seal: Head | None = None
    is_whole: bool = False
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_there(self) -> bool:
        """It stands in the ledger of the district."""
        return bool(self.values)

    @property
    def holds(self) -> bool:
        """The entry is what it was when it was sealed, and its seal stands in its place."""
        return self.is_whole and not self.faults


def prove_entry(session: Session, tenant_id: int, entry_id: int, noted: tuple[int, str] | None = None) -> EntryProof:
    """Computes the entry's own hash and its seal's again, and looks whether that seal follows from the one before, the
    next one from it, and whether the seal of the number and hash `noted` still stands. Two queries, a third where no
    seal has it within its bounds; how long the chain is does not matter. All of the chain: `prove_chain`."""
    found = EntryProof()
    names = dict.fromkeys(name for form in FORMS.values() for name in form)
    row = session.execute(
        columns(*raw(CreditEntry, *names), _waiting.c.entry_id.label("waits"))
        .outerjoin(_waiting, _waiting.c.entry_id == _entries.c.id)
        .where(_entries.c.id == entry_id, _entries.c.tenant_id == tenant_id)
    ).one_or_none()
    if row is None:
        return found
    found.values = {name: getattr(row, name) for name in names}
    found.waits = row.waits is not None
    seal = _seal_of(session, tenant_id, entry_id, noted[0] if noted is not None else 0, anywhere=not found.waits)
    if seal is None:
        return found
    values = seal._asdict()
    if hash_of({name: values[name] for name in _HASHED}) != seal.hash:
        found.faults.append(Fault("ledger.seal_changed", str(seal.number)))
    stands = {name: found.values[name] for name in FORMS.get(seal.form, FORMS[max(FORMS)])}
    found.is_whole = hash_of(stands) == dict(named_in(seal.entries))[entry_id]
    found.seal = Head(seal.number, seal.hash, seal.sealed_at)
    found.faults += _beside(seal)
    if noted is not None and seal.noted != noted[1]:
        found.faults.append(Fault("ledger.noted_gone", str(noted[0])))
    return found


def _seal_of(session: Session, tenant_id: int, entry_id: int, noted: int, *, anywhere: bool) -> Row[Any] | None:
    """The first seal that names the entry, by its bounds; `anywhere`: where none does (somebody changed those), by
    what it names, which reads all of them. With the hashes on either side of it, the newest number, and the hash of
    the seal number `noted`."""
    before, after, aside = (_seals.alias(name) for name in ("before", "after", "aside"))
    newest = select(func.max(aside.c.number)).where(aside.c.tenant_id == tenant_id).scalar_subquery()
    own = (
        columns(
            *raw(LedgerSeal, *_HASHED, "hash"),
            before.c.hash.label("before"),
            after.c.previous_hash.label("after"),
            newest.label("newest"),
            select(aside.c.hash)
            .where(aside.c.tenant_id == tenant_id, aside.c.number == noted)
            .scalar_subquery()
            .label("noted"),
        )
        .outerjoin(before, (before.c.tenant_id == tenant_id) & (before.c.number == _seals.c.number - 1))
        .outerjoin(after, (after.c.tenant_id == tenant_id) & (after.c.number == _seals.c.number + 1))
        .where(_seals.c.tenant_id == tenant_id)
        .order_by(_seals.c.number)
    )
    within = own.where(_seals.c.first_entry_id <= entry_id, _seals.c.last_entry_id >= entry_id)
    naming = own.where(_seals.c.entries.contains(f"{entry_id}:", autoescape=True))
    for statement in (within, naming) if anywhere else (within,):
        with closing(session.execute(statement.execution_options(yield_per=1))) as rows:
            for row in rows:
                if isinstance(row.number, int) and entry_id in dict(named_in(row.entries)):
                    return row
    return None


def _beside(seal: Row[Any]) -> Iterator[Fault]:
    """What does not fit between a seal and the ones on either side of it."""
    if seal.before is None and seal.number > 1:
        yield Fault("ledger.seal_missing", str(seal.number - 1))
    elif seal.previous_hash != (seal.before or ""):
        yield Fault("ledger.seal_unchained", str(seal.number))
    if seal.after is None and seal.newest > seal.number:
        yield Fault("ledger.seal_missing", str(seal.number + 1))
    elif seal.after not in {None, seal.hash}:
        yield Fault("ledger.seal_unchained", str(seal.number + 1))


def prove_chain(session: Session, tenant_id: int, noted: tuple[int, str]) -> tuple[int, list[Fault]]:
    """Computes every seal of a district again, whether each follows from the one before, and whether the seal of that
    number and hash stands: how many there are, and what does not hold. The entries themselves are left to `prove`.
    Memory stays flat, time goes with the number of seals."""
    faults: list[Fault] = []
    count, is_noted = 0, False
    for seal, is_next in _followed(_all_seals(session, tenant_id), faults.append):
        count += 1
        is_noted = is_noted or (seal.number, seal.hash) == noted
        values = seal._asdict()
        if is_next and hash_of({name: values[name] for name in _HASHED}) != seal.hash:
            faults.append(Fault("ledger.seal_changed", str(seal.number)))
    if not is_noted:
        faults.append(Fault("ledger.noted_gone", str(noted[0])))
    return count, faults


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
    """Tells what no look at one district finds: entries that were deleted while they waited for their seal, entries and
    seals of no district, and triggers that are gone."""
    gone = (
        select(_waiting.c.entry_id)
        .outerjoin(_entries, _entries.c.id == _waiting.c.entry_id)
        .where(_entries.c.id.is_(None))
        .order_by(_waiting.c.entry_id)
    )
    for (entry_id,) in session.execute(gone):
        tell(Fault("ledger.entry_missing", entry=str(entry_id)))
    tenants = table(LedgerSeal).metadata.tables["tenant"]
    for owned, key in ((_entries, "entry"), (_seals, "seals")):
        column = owned.c.id if key == "entry" else owned.c.number
        nobodys = (
            select(column)
            .outerjoin(tenants, tenants.c.id == owned.c.tenant_id)
            .where(tenants.c.id.is_(None))
            .order_by(column)
        )
        for (found,) in session.execute(nobodys):
            tell(Fault("ledger.of_nobody", **{key: str(found)}))
    for name in missing_guards(session):
        tell(Fault("ledger.guard_missing", entry=name))


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
