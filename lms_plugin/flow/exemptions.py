"""免训: who need not take part in a programme, for a reason on paper."""

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, select

from competencies import Programme, ProgrammeState
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound
from lms_plugin.people import Exemption, OrgUnit, RosterEntry

LONGEST_REASON = 500


def exempt(
    session: Session, actor: Actor, entry_uuid: str, programme_uuid: str, reason: str, now: datetime
) -> Exemption:
    """Takes a teacher out of 应参训 of one programme. Again: the reason is replaced.

    Nobody exempts themselves. Raises Invalid for a reason that is missing or too long, Conflict for a teacher who is no
    longer on the roster.
    """
    entry = _entry(session, actor, entry_uuid)
    require(actor, Permission.TEACHER_EXEMPT, replace(_scope(session, entry), owner_id=entry.person_id))
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    if not _scope(session, entry).unit_paths[0].startswith(get(session, OrgUnit, programme.org_unit_id).path):
        raise NotFound  # a programme of other schools
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "exemption.reason_missing"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    if entry.removed_at is not None:
        raise Conflict("roster.removed")
    row = _known(session, programme, entry) or Exemption(
        programme_id=pk(programme),
        roster_entry_id=pk(entry),
        reason=reason,
        granted_by_id=actor.person_id,
        granted_at=now,
    )
    if row.reason != reason:
        row.reason, row.granted_by_id, row.granted_at = reason, actor.person_id, now
    session.add(row)
    session.flush()
    return row


def end_exemption(session: Session, actor: Actor, entry_uuid: str, programme_uuid: str) -> None:
    """The teacher counts as 应参训 again; where there is no exemption nothing changes."""
    entry = _entry(session, actor, entry_uuid)
    require(actor, Permission.TEACHER_EXEMPT, replace(_scope(session, entry), owner_id=entry.person_id))
    row = _known(session, find(session, Programme, actor.tenant_id, programme_uuid), entry)
    if row is not None:
        session.delete(row)
        session.flush()


def exemptions_of(
    session: Session, actor: Actor, entry_uuid: str
) -> tuple[RosterEntry, OrgUnit, list[tuple[Programme, str]]]:
    """A row of the roster with its school, and each programme that is not over with the reason of 免训 ("" = none)."""
    entry = _entry(session, actor, entry_uuid)
    require(actor, Permission.TEACHER_EXEMPT, _scope(session, entry))
    unit = get(session, OrgUnit, entry.org_unit_id)
    reasons = dict(
        session.exec(
            select(Exemption.programme_id, Exemption.reason).where(Exemption.roster_entry_id == pk(entry))
        ).all()
    )
    programmes = session.exec(
        select(Programme, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Programme.org_unit_id))
        .where(
            Programme.tenant_id == actor.tenant_id,
            Programme.state != ProgrammeState.CLOSED,
            col(Programme.archived_at).is_(None),
        )
        .order_by(col(Programme.created_at).desc())
    ).all()
    return entry, unit, [(row, reasons.get(pk(row), "")) for row, path in programmes if unit.path.startswith(path)]


def _entry(session: Session, actor: Actor, uuid: str) -> RosterEntry:
    return find(session, RosterEntry, actor.tenant_id, uuid)


def _scope(session: Session, entry: RosterEntry) -> Scope:
    return Scope(entry.tenant_id, unit_paths=(get(session, OrgUnit, entry.org_unit_id).path,))


def _known(session: Session, programme: Programme, entry: RosterEntry) -> Exemption | None:
    return session.exec(
        select(Exemption).where(Exemption.programme_id == pk(programme), Exemption.roster_entry_id == pk(entry))
    ).one_or_none()
