"""延期: a school or one teacher may hand in later than the others, on an officer's word and for a reason."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, func, or_, select

import competencies
from competencies import Programme, Submission, SubmissionState, SubmissionVersion
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import late_work
from lms_plugin.flow.curate import programme_unit_scope
from lms_plugin.flow.humans import rows_by_row, today_first
from lms_plugin.people import Extension, OrgMembership, OrgUnit, Person, RosterEntry, Tenant, staff_number_as_kept

LONGEST_REASON = 300


@dataclass(frozen=True)
class Extended:
    """Until when somebody may hand in, and why."""

    until_on: date
    reason: str


# The school that somebody belongs to now, by the row of today or else by an absorbed one.
_SCHOOL = aliased(OrgUnit)
_OWN_SCHOOL = (
    select(_SCHOOL.path)
    .join(OrgMembership, col(OrgMembership.org_unit_id) == col(_SCHOOL.id))
    .where(col(OrgMembership.person_id).in_(bindparam("people", expanding=True)), col(OrgMembership.ends_on).is_(None))
    .order_by(today_first(OrgMembership.person_id), col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
    .limit(1)
    .scalar_subquery()
)
_OWN: Any = (
    columns(col(Extension.until_on), col(Extension.reason))
    .join(RosterEntry, col(RosterEntry.id) == col(Extension.roster_entry_id), isouter=True)
    .join(OrgUnit, col(OrgUnit.id) == col(Extension.org_unit_id), isouter=True)
    .where(
        col(Extension.programme_id) == bindparam("programme"),
        col(Extension.ended_at).is_(None),
        or_(
            and_(
                col(RosterEntry.person_id).in_(bindparam("people", expanding=True)),
                col(RosterEntry.removed_at).is_(None),
            ),
            _OWN_SCHOOL.startswith(col(OrgUnit.path)),
        ),
    )
    .order_by(col(Extension.until_on).desc(), col(Extension.id))
    .limit(1)
)


def own_extension(session: Session, actor: Actor, programme: Programme) -> Extended | None:
    """How much longer the actor has in this programme, by their own extension or their school's, the longer one; None
    where they have not. One query, and none where nobody has any."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    if programme.extended_until_on is None:
        return None
    places = {"programme": pk(programme), "people": list(actor.person_ids), "today": actor.person_id}
    row = session.exec(_OWN, params=places).first()
    if row is None or row[0] <= programme.submit_by_on:
        return None
    return Extended(min(row[0], programme.closes_on), row[1])


@dataclass(frozen=True)
class ExtensionForm:
    """What an officer says of an extension: a unit's uuid, or a teacher's 工号 of the roster."""

    unit: str
    staff_number: str
    until_on: date
    reason: str


@dataclass(frozen=True)
class ExtensionLine:
    """One extension: `to` is a unit, or a teacher with their school."""

    uuid: str
    to: str
    school: str
    until_on: date
    reason: str
    by: str
    at: datetime
    ended_by: str
    ended_at: datetime | None


@dataclass(frozen=True)
class ExtensionsPage:
    """The extensions of a round, those that hold first, and the units that may get one."""

    uuid: str
    title: str
    submit_by_on: date
    closes_on: date
    lines: tuple[ExtensionLine, ...]
    units: tuple[tuple[str, str, int], ...]  # uuid, name, depth below the programme's unit
    may_grant: bool


def page(session: Session, actor: Actor, programme_uuid: str, now: datetime, most: int = 500) -> ExtensionsPage:
    """For the page of extensions: five queries."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    scope = programme_unit_scope(session, programme)
    require(actor, Permission.PROGRAMME_EDIT, scope)
    path = scope.unit_paths[0]
    by, ender, school = aliased(Person), aliased(Person), aliased(OrgUnit)
    statement: Any = (
        columns(Extension, RosterEntry, OrgUnit, col(school.name), col(by.name), col(ender.name))
        .join(RosterEntry, col(RosterEntry.id) == col(Extension.roster_entry_id), isouter=True)
        .join(school, col(school.id) == col(RosterEntry.org_unit_id), isouter=True)
        .join(OrgUnit, col(OrgUnit.id) == col(Extension.org_unit_id), isouter=True)
        .join(by, col(by.id) == col(Extension.granted_by_id))
        .join(ender, col(ender.id) == col(Extension.ended_by_id), isouter=True)
        .where(col(Extension.programme_id) == pk(programme))
        .order_by(col(Extension.ended_at).is_not(None), col(Extension.id).desc())
        .limit(most)
    )
    units = session.exec(
        owned(OrgUnit, actor.tenant_id)
        .where(col(OrgUnit.path).startswith(path, autoescape=True))
        .order_by(col(OrgUnit.path))
    ).all()
    timezone = get(session, Tenant, programme.tenant_id).timezone
    return ExtensionsPage(
        uuid=programme.uuid,
        title=programme.title,
        submit_by_on=programme.submit_by_on,
        closes_on=programme.closes_on,
        lines=tuple(
            ExtensionLine(
                uuid=row.uuid,
                to=unit.name if unit is not None else _teacher(entry),
                school=in_school or "",
                until_on=row.until_on,
                reason=row.reason,
                by=granted_by or "",
                at=row.granted_at,
                ended_by=ended_by or "",
                ended_at=row.ended_at,
            )
            for row, entry, unit, in_school, granted_by, ended_by in session.exec(statement).all()
        ),
        units=tuple((unit.uuid, unit.name, unit.path.count("/") - path.count("/")) for unit in units),
        may_grant=programme.archived_at is None and not competencies.is_closed(programme, timezone, now),
    )


def _teacher(entry: RosterEntry) -> str:
    return f"{entry.name} {entry.staff_number}"


def grant(session: Session, actor: Actor, programme_uuid: str, form: ExtensionForm, now: datetime) -> Extension:
    """延期: this school or this teacher may hand in until that day. What they have handed in late since, and nobody
    declined, counts as in time. The same again changes nothing.

    Raises Invalid naming the field, Refused `extension.programme_over`.
    """
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    scope = programme_unit_scope(session, programme)
    require(actor, Permission.PROGRAMME_EDIT, scope)
    session.refresh(programme, with_for_update=True)
    timezone = get(session, Tenant, programme.tenant_id).timezone
    if programme.archived_at is not None or competencies.is_closed(programme, timezone, now):
        raise Refused("extension.programme_over")
    unit, entry = _whose(session, actor, scope, form)
    reason = " ".join(form.reason.split())
    _check(programme, form.until_on, reason, competencies.local_day(now, timezone))
    known = session.exec(
        select(Extension).where(
            Extension.programme_id == pk(programme),
            col(Extension.org_unit_id) == (pk(unit) if unit is not None else None),
            col(Extension.roster_entry_id) == (pk(entry) if entry is not None else None),
            Extension.until_on == form.until_on,
            col(Extension.ended_at).is_(None),
        )
    ).first()
    if known is not None:
        return known
    made = Extension(
        tenant_id=actor.tenant_id,
        programme_id=pk(programme),
        org_unit_id=pk(unit) if unit is not None else None,
        roster_entry_id=pk(entry) if entry is not None else None,
        until_on=form.until_on,
        reason=reason,
        granted_by_id=actor.person_id,
        granted_at=now,
    )
    session.add(made)
    programme.extended_until_on = max(form.until_on, programme.extended_until_on or form.until_on)
    session.add(programme)
    details = _whose_details(made)
    competencies.note_event(session, programme, "extended", actor.person_id, now, reason, details)
    _let_late_in(session, actor, programme, unit, entry, now)
    return made


def _whose_details(row: Extension) -> dict[str, Any]:
    """What 经过 keeps of an extension: ids, no names."""
    return {"unit_id": row.org_unit_id, "entry_id": row.roster_entry_id, "until": row.until_on.isoformat()}


def _whose(
    session: Session, actor: Actor, scope: Scope, form: ExtensionForm
) -> tuple[OrgUnit | None, RosterEntry | None]:
    path, number = scope.unit_paths[0], staff_number_as_kept(form.staff_number)
    if bool(form.unit) == bool(number):
        raise Invalid({"unit": "extension.one_of_two"})
    if form.unit:
        try:
            unit = find(session, OrgUnit, actor.tenant_id, form.unit)
        except NotFound as error:
            raise Invalid({"unit": "form.choose"}) from error
        if not unit.path.startswith(path):
            raise Invalid({"unit": "form.choose"})
        return unit, None
    found = session.exec(
        select(RosterEntry, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(
            RosterEntry.tenant_id == actor.tenant_id,
            RosterEntry.staff_number == number,
            col(RosterEntry.removed_at).is_(None),
        )
    ).first()
    if found is None or not found[1].startswith(path):
        raise Invalid({"staff_number": "extension.not_on_roster"})
    if found[0].person_id in actor.person_ids:
        raise Invalid({"staff_number": "extension.own"})
    return None, found[0]


def _check(programme: Programme, until_on: date, reason: str, today: date) -> None:
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if until_on <= programme.submit_by_on:
        wrong["until_on"] = "extension.not_later"
    elif until_on < today:
        wrong["until_on"] = "extension.in_the_past"
    elif until_on > programme.closes_on:
        wrong["until_on"] = "extension.after_the_end"
    if not reason:
        wrong["reason"] = "form.required"
    elif len(reason) > LONGEST_REASON:
        wrong["reason"] = ("form.too_long", {"longest": LONGEST_REASON})
    elif not reason.isprintable():
        wrong["reason"] = "form.unprintable"
    if wrong:
        raise Invalid(wrong)


def _let_late_in(
    session: Session, actor: Actor, programme: Programme, unit: OrgUnit | None, entry: RosterEntry | None, now: datetime
) -> None:
    """What those of the extension handed in after the usual last day and nobody has declined: in time after all."""
    statement = (
        select(Submission, SubmissionVersion)
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Submission.current_version_id))
        .where(
            Submission.programme_id == pk(programme),
            Submission.state == SubmissionState.LATE,
            col(SubmissionVersion.declined_at).is_(None),
        )
        .order_by(col(Submission.id))
    )
    if unit is not None:
        statement = statement.join(OrgUnit, col(OrgUnit.id) == col(SubmissionVersion.org_unit_id)).where(
            col(OrgUnit.path).startswith(unit.path, autoescape=True)
        )
    elif entry is not None and entry.person_id is not None:
        rows = rows_by_row(session, [entry.person_id])[entry.person_id]
        statement = statement.where(col(Submission.person_id).in_(rows))
    else:
        return  # nobody has come under that number yet
    late_work.let_in(session, actor, session.exec(statement).all(), now)


def end(session: Session, actor: Actor, programme_uuid: str, uuid: str, now: datetime) -> None:
    """Takes an extension back: from now on the usual days hold; what was handed in by it stays in time. Again changes
    nothing."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    session.refresh(programme, with_for_update=True)
    row = find(session, Extension, actor.tenant_id, uuid)
    if row.programme_id != pk(programme):
        raise NotFound
    if row.ended_at is not None:
        return
    row.ended_at, row.ended_by_id = now, actor.person_id
    session.add(row)
    session.flush()
    programme.extended_until_on = session.exec(
        select(func.max(Extension.until_on)).where(
            Extension.programme_id == pk(programme), col(Extension.ended_at).is_(None)
        )
    ).one()
    session.add(programme)
    details = _whose_details(row)
    competencies.note_event(session, programme, "extension_ended", actor.person_id, now, details=details)
