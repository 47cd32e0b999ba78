"""Roles are given by an officer: a one-time code, accepted by whoever is signed in. No launch gives them."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import get, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow.blindness import end_reviews
from lms_plugin.people import Invitation, OrgUnit, Role, RoleKind, UnitKind

INVITATION_LIFE = timedelta(days=14)
_TYPED_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without letters and digits that are mistaken for each other


def invite(
    session: Session,
    actor: Actor,
    kind: RoleKind,
    unit: OrgUnit | None,
    now: datetime,
) -> tuple[Invitation, str]:
    """An officer invites: a one-time code that gives a role within a unit. The code is shown once."""
    paths = (unit.path,) if unit is not None else ()
    require(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=paths))
    return make_invitation(session, actor.tenant_id, kind, unit, actor.person_id, now)


def make_invitation(
    session: Session, tenant_id: int, kind: RoleKind, unit: OrgUnit | None, by_id: int | None, now: datetime
) -> tuple[Invitation, str]:
    """The operator's way to invite (`nengli officer invite`): nobody is signed in at a console."""
    if kind is RoleKind.TEACHER:
        raise Refused("invitation.teacher")
    if kind is RoleKind.PANEL:
        raise Refused("panel.by_school")
    if kind is RoleKind.SCHOOL_LEAD and (unit is None or unit.kind is not UnitKind.SCHOOL):
        raise Invalid({"unit": "invitation.school_missing"})
    code = "-".join("".join(secrets.choice(_TYPED_ALPHABET) for _ in range(5)) for _ in range(4))
    row = Invitation(
        tenant_id=tenant_id,
        token_hash=_code_hash(code),
        kind=kind,
        org_unit_id=pk(unit) if unit is not None else None,
        created_by_id=by_id,
        created_at=now,
        expires_at=now + INVITATION_LIFE,
    )
    session.add(row)
    session.flush()
    return row, code


def _code_hash(code: str) -> str:
    typed = "".join(ch for ch in code.upper() if ch.isalnum())
    return sha256(typed.encode()).hexdigest()


def invitation_of(session: Session, code: str, now: datetime) -> Invitation:
    """A code that can still be used. Raises Refused `invitation.unusable` (used, over or unknown: one answer)."""
    row = session.exec(
        select(Invitation).where(Invitation.token_hash == _code_hash(code)).with_for_update()
    ).one_or_none()
    if row is None or row.used_at is not None or row.expires_at <= now:
        raise Refused("invitation.unusable")
    return row


def accept_invitation(session: Session, actor: Actor, code: str, now: datetime) -> Role:
    """The signed-in person takes the role. An invitation of another district is `invitation.unusable` here.

    Raises Refused `role.self` for one that the person made: nobody raises themselves.
    """
    require(actor, Permission.INVITATION_ACCEPT, own(actor))
    row = invitation_of(session, code, now)
    if row.tenant_id != actor.tenant_id:
        raise Refused("invitation.unusable")
    if row.created_by_id is not None and actor.is_author(row.created_by_id):
        raise Refused("role.self")
    row.used_at, row.used_by_id = now, actor.person_id
    session.add(row)
    session.flush()
    return grant(session, actor.tenant_id, actor.person_id, row.kind, row.org_unit_id, row.created_by_id, now)


def grant(
    session: Session,
    tenant_id: int,
    person_id: int,
    kind: RoleKind,
    org_unit_id: int | None,
    by_id: int | None,
    now: datetime,
) -> Role:
    """A confirmed role; where it reaches the whole district, provisional ones of the same kind are no longer needed and
    end (a narrower one takes nobody's course away), and so do blind reviews of works that the role opens.
    """
    held = session.exec(
        select(Role)
        .where(Role.person_id == person_id, Role.kind == kind, col(Role.revoked_at).is_(None))
        .order_by(col(Role.id))
    ).all()
    for role in held:
        if not role.is_provisional and role.org_unit_id == org_unit_id:
            return role
    if reaches_district(session, org_unit_id):
        for role in held:
            if role.is_provisional:
                role.revoked_at = now
                session.add(role)
    role = Role(
        tenant_id=tenant_id,
        person_id=person_id,
        kind=kind,
        org_unit_id=org_unit_id,
        granted_by_id=by_id,
        granted_at=now,
    )
    session.add(role)
    session.flush()
    end_reviews(session, [person_id], now)
    return role


def reaches_district(session: Session, org_unit_id: int | None) -> bool:
    """Whether a role of this unit reaches the whole district: that of no unit, or of the root of its tree."""
    return org_unit_id is None or get(session, OrgUnit, org_unit_id).parent_id is None


def units_within(session: Session, actor: Actor) -> list[OrgUnit]:
    """The units that an officer's roles reach, in tree order."""
    paths = tuple(role.unit_path for role in actor.roles if role.kind is RoleKind.OFFICER and role.unit_path)
    require(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=paths))
    rows = session.exec(select(OrgUnit).where(OrgUnit.tenant_id == actor.tenant_id).order_by(col(OrgUnit.path))).all()
    return [
        unit for unit in rows if can(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    ]
