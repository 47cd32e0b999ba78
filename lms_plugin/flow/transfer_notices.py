"""Officers are told on their first page that a transfer waits for them, until none of that school does."""

from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from lms_plugin.db import get
from lms_plugin.flow import enter, message_reach, message_words, messages
from lms_plugin.people import Notice, OrgUnit

domain = competencies.transfers

WAITING = "transfer.waiting"
TOLD = frozenset({"released", "declined", "withdrawn", "returned", "accepted", "part", "refused"})
"""What somebody else did, of which the person is told."""


def tell(session: Session, tenant_id: int, unit: OrgUnit | None, now: datetime) -> None:
    """Something of a person of that school (None: of no school) waits. Told once."""
    facts = {"school": unit.name if unit is not None else ""}
    enter.raise_notice(session, tenant_id, WAITING, unit.uuid if unit is not None else "", facts, now)
    officers = message_reach.officers_above(session, tenant_id, [unit.path] if unit is not None else [])
    told = [messages.Told(person, unit.uuid if unit is not None else "", {}) for person in officers]
    messages.tell(session, tenant_id, message_words.TRANSFER_WAITS, told, now)


def settle(session: Session, tenant_id: int, unit_id: int | None, now: datetime) -> None:
    """The notice goes once nothing of people of that school waits any more. Three queries at most."""
    waits = session.exec(
        select(domain.Transfer.id).where(
            domain.Transfer.tenant_id == tenant_id,
            domain.Transfer.state == domain.TransferState.ASKED,
            col(domain.Transfer.org_unit_id).is_not_distinct_from(unit_id),
        )
    ).first()
    waits = (
        waits
        or session.exec(
            select(domain.Arrival.id).where(
                domain.Arrival.tenant_id == tenant_id,
                domain.Arrival.state == domain.ArrivalState.WAITING,
                col(domain.Arrival.org_unit_id).is_not_distinct_from(unit_id),
            )
        ).first()
    )
    if waits is not None:
        return
    key = get(session, OrgUnit, unit_id).uuid if unit_id is not None else ""
    messages.over_for_all(session, tenant_id, message_words.TRANSFER_WAITS, key, now)
    for notice in session.exec(
        select(Notice).where(
            Notice.tenant_id == tenant_id, Notice.kind == WAITING, Notice.key == key, col(Notice.done_at).is_(None)
        )
    ):
        notice.done_at = now
        session.add(notice)
    session.flush()


def come_to(
    session: Session,
    row: competencies.transfers.Transfer | competencies.transfers.Arrival,
    state: competencies.transfers.TransferState | competencies.transfers.ArrivalState,
    what: str,
    by_id: int | None,
    now: datetime,
    reason: str = "",
) -> None:
    """A transfer or an arrival comes to another state, by what somebody did (`what`, into the log): officers are told
    no longer, unless something of that school still waits."""
    row.state, row.changed_at = state, now
    session.add(row)
    session.flush()
    domain.note(session, row, what, by_id, now, reason)
    settle(session, row.tenant_id, row.org_unit_id, now)
    if what in TOLD and by_id != row.person_id:
        told = messages.Told(row.person_id, row.uuid, {})
        messages.tell(session, row.tenant_id, message_words.TRANSFER_WENT_ON, [told], now)
