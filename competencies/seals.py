"""Seals over the ledger (封存): each district's entries go, batch by batch, into a chain of hashes.

An entry is hashed as the JSON object of all its columns (`FORMS`), a seal as the JSON object of all its columns but
`hash`; the hash of the seal before is one of them. JSON here: UTF-8, keys sorted, no blanks, instants as
`2026-11-02T01:00:00.000000Z`, days as `2026-11-02`, what is not there as null. Whoever has the rows can compute it all
again; whoever noted a seal's hash can tell that nothing before it was changed since.

Transactions commit in another order than their entries' ids were drawn. So no seal goes by ids: the database notes each
entry as unsealed in the transaction that adds it, and a seal takes what is noted when it is made.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Label, bindparam, delete, insert, type_coerce
from sqlalchemy.types import NullType
from sqlmodel import Session, col, func, select

from competencies.models import CreditEntry, LedgerSeal, LedgerUnsealed
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, table

MOST_IN_A_SEAL = 1000
"""Entries of one seal; what more waits goes into the next."""

FORM = 1
FORMS: dict[int, tuple[str, ...]] = {
    1: (
        "id", "uuid", "tenant_id", "programme_id", "person_id", "kind", "credit_hundredths", "reason", "policy_id",
        "award_id", "reverses_id", "decided_by_id", "org_unit_id", "source", "earned_on", "import_key", "entered_at",
    ),
}  # fmt: skip
"""The columns of an entry that its hash covers, by the seal's `form`. A form that was used is never changed: another
column of `credit_entry` makes another form."""

_INSTANTS = frozenset({"entered_at", "sealed_at"})
_NAMED = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

UNSEALED_TRIGGERS: dict[str, list[str]] = {
    "sqlite": [
        "CREATE TRIGGER credit_entry_unsealed AFTER INSERT ON credit_entry "
        "BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION credit_entry_unsealed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id); RETURN NULL; END $$",
        "CREATE TRIGGER credit_entry_unsealed AFTER INSERT ON credit_entry "
        "FOR EACH ROW EXECUTE FUNCTION credit_entry_unsealed()",
    ],
}
"""SQL by dialect: every entry is noted in the transaction that adds it."""

guard(LedgerSeal, refusing("ledger_seal"))
guard(LedgerUnsealed, UNSEALED_TRIGGERS)


@dataclass(frozen=True, slots=True)
class Head:
    """A district's newest seal: who keeps its hash can tell later whether anything before it was changed."""

    number: int
    hash: str
    sealed_at: datetime

    def told(self) -> dict[str, Any]:
        """As files that leave say it."""
        return {"number": self.number, "sha256": self.hash, "sealed_at": self.sealed_at.isoformat()}


# --- the canonical form ---


def raw(kind: type[Model], *names: str) -> list[Label[Any]]:
    """Columns as the driver gives them: what somebody wrote past the product may be of no type of ours."""
    columns = table(kind).c
    return [type_coerce(columns[name], NullType()).label(name) for name in names]


def canonical(values: Mapping[str, Any]) -> str:
    """A row's columns as the one text that is hashed, the same from both databases."""
    plain = {name: _plain(name, value) for name, value in values.items()}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr)


def _plain(name: str, value: Any) -> Any:
    if name in _INSTANTS and isinstance(value, str):  # SQLite keeps instants as text
        try:
            read = datetime.fromisoformat(value)
            value = read if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            return value
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return f"{aware:%Y-%m-%dT%H:%M:%S.%f}Z"
    return value.isoformat() if isinstance(value, date) else value


def hash_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits."""
    # What is no text (half a surrogate pair, put in past the product) must not break who looks for it.
    return hashlib.sha256(canonical(values).encode("utf-8", "backslashreplace")).hexdigest()


def named_in(entries: Any) -> list[tuple[int, str]]:
    """The entries that a seal names: (id, SHA-256), in their order; what is no such pair is passed over."""
    return [(int(entry), hashed) for entry, hashed in _NAMED.findall(str(entries))]


# --- sealing ---


def _of_entry(column: Any) -> Any:
    """A column of the entry that waits, looked up row by row: the few that wait lead to their entries.

    A join leaves the way to PostgreSQL's statistics, which after a busy hour tell it to read the whole ledger.
    """
    return (
        select(column).where(col(CreditEntry.id) == LedgerUnsealed.entry_id).correlate(LedgerUnsealed).scalar_subquery()
    )


def to_seal(session: Session) -> list[int]:
    """Ids of the tenants in which entries wait for a seal."""
    found = session.execute(select(_of_entry(col(CreditEntry.tenant_id))).select_from(LedgerUnsealed).distinct())
    return sorted(tenant_id for (tenant_id,) in found if tenant_id is not None)


def seal(session: Session, tenant_id: int, now: datetime) -> int:
    """Seals what waits in a district, at most `MOST_IN_A_SEAL` entries; gives how many. Five statements.

    Of two at a time the second must wait for the first: the caller holds the district's row.
    """
    waiting = session.exec(
        select(LedgerUnsealed.entry_id)
        .where(_of_entry(col(CreditEntry.tenant_id)) == tenant_id)
        .order_by(col(LedgerUnsealed.entry_id))
        .limit(MOST_IN_A_SEAL)
    ).all()
    if not waiting:
        return 0
    rows = session.execute(
        select(*raw(CreditEntry, *FORMS[FORM])).where(col(CreditEntry.id).in_(waiting)).order_by(col(CreditEntry.id))
    ).all()
    before = head(session, tenant_id)
    made: dict[str, Any] = {
        "tenant_id": tenant_id,
        "number": before.number + 1 if before else 1,
        "form": FORM,
        "first_entry_id": rows[0].id,
        "last_entry_id": rows[-1].id,
        "entry_count": len(rows),
        "entries": ",".join(f"{row.id}:{hash_of(row._asdict())}" for row in rows),
        "previous_hash": before.hash if before else "",
        "sealed_at": now,
    }
    session.execute(insert(table(LedgerSeal)).values(**made, hash=hash_of(made)))
    session.execute(delete(table(LedgerUnsealed)).where(col(LedgerUnsealed.entry_id).in_(waiting)))
    return len(rows)


_HEAD = (  # put together once
    select(col(LedgerSeal.number), col(LedgerSeal.hash), col(LedgerSeal.sealed_at))
    .where(col(LedgerSeal.tenant_id) == bindparam("tenant"))
    .order_by(col(LedgerSeal.number).desc())
    .limit(1)
)


def head(session: Session, tenant_id: int) -> Head | None:
    """The district's newest seal, None where nothing was sealed yet. One query."""
    row = session.execute(_HEAD, {"tenant": tenant_id}).first()
    return Head(*row) if row is not None else None


def unsealed_since(session: Session, moment: datetime) -> int:
    """How many entries, of all districts, were added before that moment and wait for a seal. One query."""
    return session.exec(
        select(func.count()).select_from(LedgerUnsealed).where(_of_entry(col(CreditEntry.entered_at)) < moment)
    ).one()


def is_sealed(session: Session, entries: Iterable[int]) -> None:
    """Entries that came in together with the seals that name them wait for no other."""
    session.execute(delete(table(LedgerUnsealed)).where(col(LedgerUnsealed.entry_id).in_(list(entries))))
