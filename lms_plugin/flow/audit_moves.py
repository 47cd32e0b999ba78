"""The package in which hours of an entry came here or left, for its proof. Reads only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
from lms_plugin.errors import Refused
from lms_plugin.flow import transfer_package
from lms_plugin.flow.audit_entries import Written
from lms_plugin.people import Person

domain = competencies.transfers
WORDS: Mapping[str, tuple[str, ...]] = {
    competencies.ledger.CAME: ("accepted", "part"),
    domain.LEFT: ("released",),
    domain.BACK: ("withdrawn", "returned", "arrived_part"),
}
"""Reasons of entries that rest on a package → what was said of it (`TransferEvent`) when they were made."""


@dataclass(frozen=True)
class MoveProof:
    """A package of 转入 or 转出. `place`: the other side; `content_hash`: of its manifest, as it was kept when it came
    or left; `holds`: the package that is kept still has that hash, its signature fits, and the hours of the entry stand
    in it. `what`, `by`, `at`, `reason`: the word that the entry follows (`TransferEvent`); `by` "" = the other side."""

    place: str
    package: str
    content_hash: str
    holds: bool
    what: str
    by: str
    at: datetime
    reason: str


def move(session: Session, tenant_id: int, entry: Written, rows: Sequence[int]) -> MoveProof | None:
    """The package that the entry rests on; None where no word was given at its moment that it could follow. Two
    queries at most."""
    if entry.reason == competencies.ledger.CAME:
        return _came(
            session, tenant_id, entry, rows, lambda line: domain.key_of(entry.reason, line.id) == entry.import_key
        )
    row, event = domain.Transfer, domain.TransferEvent
    found = _words(
        session, row, col(event.transfer_id), col(domain.TransferPackage.transfer_id), tenant_id, entry, rows
    )
    for transfer, said, by, content in found:
        lines = [domain.as_line(kept) for kept in transfer.lines]
        if any(domain.key_of(entry.reason, line.id) == entry.import_key for line in lines):
            is_in = any(domain.key_of(entry.reason, one.id) == entry.import_key for one in _lines(content, transfer))
            return _proof(transfer.to_name, transfer.uuid, transfer.manifest_hash, is_in, said, by)
    if entry.reason == domain.BACK:  # with somebody who came back (`transfer_hours.home_of`)
        return _came(session, tenant_id, entry, rows, partial(_brings, entry))
    return None


def _brings(entry: Written, line: competencies.transfers.Line) -> bool:
    """Whether hours that left came home by this line: of their kind and day, and at least as many."""
    return (line.kind.value, line.on) == (entry.kind, entry.earned_on) and line.hundredths >= (entry.hundredths or 0)


def _came(
    session: Session,
    tenant_id: int,
    entry: Written,
    rows: Sequence[int],
    fits: Callable[[competencies.transfers.Line], bool],
) -> MoveProof | None:
    row, event = domain.Arrival, domain.TransferEvent
    found = _words(session, row, col(event.arrival_id), col(domain.TransferPackage.arrival_id), tenant_id, entry, rows)
    for arrival, said, by, content in found:
        is_in = any(fits(one) for one in _lines(content, arrival))
        proof = _proof(arrival.from_name, arrival.package or "", arrival.manifest_hash, is_in, said, by)
        if is_in or len(found) == 1:
            return proof
    return None


def _words(
    session: Session, row: Any, of_event: Any, of_package: Any, tenant_id: int, entry: Written, rows: Sequence[int]
) -> Sequence[Any]:
    """Transfers (or arrivals) of these rows about which something was said in the moment of the entry, with what."""
    statement: Any = (
        columns(row, domain.TransferEvent, col(Person.name), col(domain.TransferPackage.content))
        .join(domain.TransferEvent, of_event == col(row.id))
        .join(domain.TransferPackage, of_package == col(row.id), isouter=True)
        .join(Person, col(Person.id) == col(domain.TransferEvent.by_id), isouter=True)
        .where(
            col(row.tenant_id) == tenant_id,
            col(row.person_id).in_(rows),
            col(domain.TransferEvent.at) == entry.entered_at,
            col(domain.TransferEvent.what).in_(
                WORDS[competencies.ledger.CAME if row is domain.Arrival else entry.reason]
            ),
        )
        .order_by(col(row.id), col(domain.TransferEvent.id))
    )
    found: Sequence[Any] = session.exec(statement).all()
    return found


def _lines(content: bytes | None, row: Any) -> Sequence[competencies.transfers.Line]:
    """The lines of hours that the package names; none where it is gone, or is not the one that was noted."""
    if content is None:
        return []
    try:
        package = transfer_package.read(content, competencies.LATEST)
    except Refused:
        return []
    return package.lines if package.manifest_hash == row.manifest_hash else []


def _proof(place: str, package: str, content_hash: str, is_in: bool, said: Any, by: str | None) -> MoveProof:
    return MoveProof(place, package, content_hash, is_in, said.what, by or "", said.at, said.reason)


def came_from(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What a version that stands for a point earned elsewhere says of that place; {} for one that was handed in."""
    facts = manifest.get("from")
    return {str(key): str(value) for key, value in facts.items()} if isinstance(facts, Mapping) else {}
