"""用印: who was given the unit's seal puts its picture on certificates that were made out and still hold. Every use and
every picture is a row that stays; nothing that is not made out yet ever carries a seal.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

import competencies
from competencies import Certificate, CertificateEnd, Programme, SealUse, Standing, UnitSeal
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import by_id, find, pk
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import certificate_views, certificates
from lms_plugin.people import OrgUnit, Person, Tenant

MOST_AT_ONCE = 500
SHOWN = 50  # uses on the page
MOST_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class UnitLine:
    """A unit that makes out certificates."""

    uuid: str
    name: str


@dataclass(frozen=True)
class Waiting:
    """Certificates of a programme that carry no seal."""

    programme_uuid: str
    title: str
    count: int


@dataclass(frozen=True)
class Use:
    """One use of the seal."""

    number: str
    certificate_uuid: str
    name: str
    by: str
    at: datetime


@dataclass(frozen=True)
class SealPage:
    """A unit's seal: whether there is a picture, what waits for it, its last uses (the newest first)."""

    unit_uuid: str
    unit: str
    has_seal: bool
    put_by: str
    put_at: datetime | None
    waiting: tuple[Waiting, ...]
    uses: tuple[Use, ...]
    total: int


@dataclass(frozen=True)
class Stamped:
    """What one act did: certificates that carry the seal now, and those left out (changed since, or one's own)."""

    made: int
    left: int


def units(session: Session, actor: Actor) -> list[UnitLine]:
    """The units within reach that run programmes, by name. Two queries."""
    require(actor, Permission.SEAL_USE, somewhere(actor))
    running = select(Programme.org_unit_id).where(Programme.tenant_id == actor.tenant_id)
    rows = session.exec(
        select(OrgUnit)
        .where(OrgUnit.tenant_id == actor.tenant_id, col(OrgUnit.id).in_(running))
        .order_by(col(OrgUnit.name), col(OrgUnit.id))
    )
    return [UnitLine(unit.uuid, unit.name) for unit in rows if can(actor, Permission.SEAL_USE, _scope(unit))]


def page(session: Session, actor: Actor, unit_uuid: str) -> SealPage:
    """One unit's seal: eight queries at most."""
    unit = _unit(session, actor, unit_uuid)
    seal = competencies.certificates.seal_of(session, pk(unit))
    timezone = session.exec(select(Tenant.timezone).where(Tenant.id == actor.tenant_id)).one()
    waiting = session.exec(
        select(Programme.uuid, Programme.title, func.count())
        .join(Certificate, col(Certificate.programme_id) == col(Programme.id))
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .join(SealUse, col(SealUse.certificate_id) == col(Certificate.id), isouter=True)
        .where(
            Programme.tenant_id == actor.tenant_id,
            Programme.org_unit_id == pk(unit),
            col(CertificateEnd.certificate_id).is_(None),
            col(SealUse.certificate_id).is_(None),
        )
        .group_by(col(Programme.id), col(Programme.uuid), col(Programme.title))
        .order_by(col(Programme.id).desc())
    ).all()
    of_unit = select(UnitSeal.id).where(UnitSeal.org_unit_id == pk(unit))
    uses = session.exec(
        select(Certificate, Person.name, SealUse.used_at)
        .join(SealUse, col(SealUse.certificate_id) == col(Certificate.id))
        .join(Person, col(Person.id) == col(SealUse.used_by_id))
        .where(col(SealUse.unit_seal_id).in_(of_unit))
        .order_by(col(SealUse.used_at).desc(), col(Certificate.id).desc())
        .limit(SHOWN)
    ).all()
    total = session.exec(select(func.count()).select_from(SealUse).where(col(SealUse.unit_seal_id).in_(of_unit))).one()
    put_by = by_id(session, Person, [seal.put_by_id]) if seal is not None else {}
    return SealPage(
        unit_uuid=unit.uuid,
        unit=unit.name,
        has_seal=seal is not None,
        put_by=next((person.name for person in put_by.values()), ""),
        put_at=seal.put_at if seal is not None else None,
        waiting=tuple(Waiting(uuid, title, int(count)) for uuid, title, count in waiting),
        uses=tuple(Use(certificate_views.number_of(one, timezone), one.uuid, one.name, by, at) for one, by, at in uses),
        total=int(total),
    )


def picture(session: Session, actor: Actor, unit_uuid: str) -> bytes:
    """The seal's picture, for whoever may use it alone. Raises NotFound where there is none."""
    seal = competencies.certificates.seal_of(session, pk(_unit(session, actor, unit_uuid)))
    if seal is None:
        raise NotFound
    return seal.image


def put(session: Session, actor: Actor, unit_uuid: str, data: bytes, now: datetime) -> None:
    """Another picture counts from now on; the same one again changes nothing. What carries the old one keeps it.

    Raises Invalid at "file" where the file is no picture that can be used.
    """
    unit = _unit(session, actor, unit_uuid)
    try:
        image = media.stamp_png(data)
    except Refused as refused:
        raise Invalid({"file": refused.code}) from refused
    _add(session, actor, unit, image, now)


def withdraw(session: Session, actor: Actor, unit_uuid: str, now: datetime) -> None:
    """The unit has no seal any more; what carries it keeps it."""
    _add(session, actor, _unit(session, actor, unit_uuid), b"", now)


def _add(session: Session, actor: Actor, unit: OrgUnit, image: bytes, now: datetime) -> None:
    before = competencies.certificates.seal_of(session, pk(unit))
    if (before.image if before is not None else b"") == image:
        return
    session.add(
        UnitSeal(
            tenant_id=actor.tenant_id,
            org_unit_id=pk(unit),
            image=image,
            sha256=hashlib.sha256(image).hexdigest(),
            put_by_id=actor.person_id,
            put_at=now,
        )
    )
    session.flush()


def stamp(session: Session, actor: Actor, unit_uuid: str, programme_uuid: str, now: datetime) -> Stamped:
    """Puts the seal on a programme's certificates that hold and carry none, at most `MOST_AT_ONCE`; one's own are left
    to somebody else. A second click finds nothing left. Raises Refused `seal.none`."""
    unit = _unit(session, actor, unit_uuid)
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    if programme.org_unit_id != pk(unit):
        raise NotFound
    certificates.take_turn(session, actor.tenant_id)
    seal = competencies.certificates.seal_of(session, pk(unit))
    if seal is None:
        raise Refused("seal.none")
    waiting = session.exec(
        select(Certificate, Person)
        .join(Person, col(Person.id) == col(Certificate.person_id))
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .join(SealUse, col(SealUse.certificate_id) == col(Certificate.id), isouter=True)
        .where(
            Certificate.programme_id == pk(programme),
            col(CertificateEnd.certificate_id).is_(None),
            col(SealUse.certificate_id).is_(None),
        )
        .order_by(col(Certificate.id))
        .limit(MOST_AT_ONCE)
    ).all()
    ready, left = _that_hold(session, actor, programme, [(one, person) for one, person in waiting])
    session.add_all(
        SealUse(certificate_id=pk(one), unit_seal_id=pk(seal), used_by_id=actor.person_id, used_at=now) for one in ready
    )
    session.flush()
    return Stamped(len(ready), left)


def _that_hold(
    session: Session, actor: Actor, programme: Programme, waiting: list[tuple[Certificate, Person]]
) -> tuple[list[Certificate], int]:
    """Those that the ledger bears out, and how many were left out: three queries."""
    today = by_id(session, Person, [person.merged_into_id or pk(person) for _one, person in waiting])
    held = certificates.holders(session, programme, [(person, None) for person in today.values()])
    entries = {pk(one.person): one.entries for one in held}
    ready, left = list[Certificate](), 0
    for one, person in waiting:
        key = person.merged_into_id or pk(person)
        if actor.is_author(key) or competencies.certificates.standing(one, False, entries[key]) is not Standing.VALID:
            left += 1
        else:
            ready.append(one)
    return ready, left


def _unit(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    require(actor, Permission.SEAL_USE, _scope(unit))
    return unit


def _scope(unit: OrgUnit) -> Scope:
    return Scope(unit.tenant_id, unit_paths=(unit.path,))
