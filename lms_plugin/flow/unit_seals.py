"""用印: who was given the unit's seal puts its picture on certificates and statements of work that were made out and
still hold. Every use and every picture is a row that stays; nothing that is not made out yet ever carries a seal.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, or_, true, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

import competencies
from competencies import Certificate, Programme, UnitSeal
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, can, require, require_proof, somewhere
from lms_plugin.db import by_id, find, pk
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import certificates, cycle_certificates, paper_kinds
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
    """Papers of one kind (`paper_kinds.KINDS`) of a programme or a cycle (`lot`) that carry no seal."""

    kind: str
    lot: str
    title: str
    count: int


@dataclass(frozen=True)
class Use:
    """One use of the seal."""

    kind: str
    number: str
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
    """What one act did: papers that carry the seal now, and those left out (changed since, or one's own)."""

    made: int
    left: int


def units(session: Session, actor: Actor) -> list[UnitLine]:
    """The units within reach that run programmes or in whose name a certificate of a cycle is, by name. Two queries."""
    require(actor, Permission.SEAL_USE, somewhere(actor))
    running = select(Programme.org_unit_id).where(Programme.tenant_id == actor.tenant_id)
    naming = select(Certificate.issuer_unit_id).where(
        Certificate.tenant_id == actor.tenant_id, col(Certificate.issuer_unit_id).is_not(None)
    )
    rows = session.exec(
        select(OrgUnit)
        .where(OrgUnit.tenant_id == actor.tenant_id, or_(col(OrgUnit.id).in_(running), col(OrgUnit.id).in_(naming)))
        .order_by(col(OrgUnit.name), col(OrgUnit.id))
    )
    return [UnitLine(unit.uuid, unit.name) for unit in rows if can(actor, Permission.SEAL_USE, _scope(unit))]


def page(session: Session, actor: Actor, unit_uuid: str) -> SealPage:
    """One unit's seal: seven queries at most."""
    unit = _unit(session, actor, unit_uuid)
    seal = competencies.certificates.seal_of(session, pk(unit))
    timezone = session.exec(select(Tenant.timezone).where(Tenant.id == actor.tenant_id)).one()
    uses, total = _uses(session, unit, timezone)
    put_by = by_id(session, Person, [seal.put_by_id]) if seal is not None else {}
    return SealPage(
        unit_uuid=unit.uuid,
        unit=unit.name,
        has_seal=seal is not None,
        put_by=next((person.name for person in put_by.values()), ""),
        put_at=seal.put_at if seal is not None else None,
        waiting=_waiting(session, unit),
        uses=uses,
        total=total,
    )


def _waiting(session: Session, unit: OrgUnit) -> tuple[Waiting, ...]:
    """Programmes with papers that carry no seal, the newest first, then cycles. Two queries."""
    parts = []
    for kind in paper_kinds.KINDS.values():
        if kind is paper_kinds.CYCLES:
            continue
        of_kind: Any = columns(
            literal(kind.name).label("kind"),
            col(Programme.id).label("key"),
            col(Programme.uuid),
            col(Programme.title),
            func.count().label("papers"),
        ).join(kind.tables.paper, col(kind.tables.paper.programme_id) == col(Programme.id))
        parts.append(
            kind.tables.joined(of_kind)
            .where(
                col(Programme.tenant_id) == unit.tenant_id,
                col(Programme.org_unit_id) == pk(unit),
                kind.tables.is_bare(),
            )
            .group_by(col(Programme.id), col(Programme.uuid), col(Programme.title))
        )
    every = union_all(*parts).subquery()
    rows = session.connection().execute(columns(every).order_by(every.c.key.desc(), every.c.kind))
    of_programmes = [Waiting(row.kind, row.uuid, row.title, int(row.papers)) for row in rows]
    return (*of_programmes, *_waiting_of_cycles(session, unit))


def _waiting_of_cycles(session: Session, unit: OrgUnit) -> list[Waiting]:
    """One query."""
    kind, paper = paper_kinds.CYCLES, Certificate
    counted: Any = columns(col(paper.first_year), col(paper.last_year), func.count()).select_from(paper)
    rows = session.connection().execute(
        kind.tables.joined(counted)
        .where(
            col(paper.tenant_id) == unit.tenant_id,
            col(paper.issuer_unit_id) == pk(unit),
            kind.is_one,
            kind.tables.is_bare(),
        )
        .group_by(col(paper.first_year), col(paper.last_year))
        .order_by(col(paper.first_year).desc(), col(paper.last_year))
    )
    cycles = [(cycle_certificates.Years(first, last), int(count)) for first, last, count in rows]
    return [Waiting(kind.name, years.text, cycle_certificates.title_of(years), count) for years, count in cycles]


def _uses(session: Session, unit: OrgUnit, timezone: str) -> tuple[tuple[Use, ...], int]:
    """The last uses of a unit's seals, the newest first, and how many there were. Two queries."""
    of_unit = select(UnitSeal.id).where(UnitSeal.org_unit_id == pk(unit))
    parts = []
    for kind in paper_kinds.KINDS.values():
        paper, use = kind.tables.paper, kind.tables.use
        of_kind: Any = columns(
            literal(kind.name).label("kind"),
            *(col(paper.id).label("key"), col(paper.number).label("number"), col(paper.issued_at).label("issued_at")),
            *(col(paper.name).label("name"), col(Person.name).label("by"), col(use.used_at).label("at")),
        )
        parts.append(
            of_kind.join(use, kind.tables.used() == col(paper.id))
            .join(Person, col(Person.id) == col(use.used_by_id))
            .where(col(use.unit_seal_id).in_(of_unit), kind.is_one)
        )
    every = union_all(*parts).subquery()
    newest = columns(every).order_by(every.c.at.desc(), every.c.kind, every.c.key.desc()).limit(SHOWN)
    rows = session.connection().execute(newest).all()
    total = session.connection().execute(columns(func.count()).select_from(every)).scalar_one()
    return tuple(
        Use(row.kind, paper_kinds.KINDS[row.kind].number_of(row, timezone), row.name, row.by, row.at) for row in rows
    ), int(total)


def picture(session: Session, actor: Actor, unit_uuid: str) -> bytes:
    """The seal's picture, for whoever may use it alone. Raises NotFound where there is none."""
    seal = competencies.certificates.seal_of(session, pk(_unit(session, actor, unit_uuid)))
    if seal is None:
        raise NotFound
    return seal.image


def put(session: Session, actor: Actor, unit_uuid: str, data: bytes, now: datetime) -> None:
    """Another picture counts from now on; the same one again changes nothing. What carries the old one keeps it.

    Raises Invalid at "file" where the file is no picture that can be used, Refused `proof.needed`.
    """
    unit = _unit(session, actor, unit_uuid)
    require_proof(actor)
    try:
        image = media.stamp_png(data)
    except Refused as refused:
        raise Invalid({"file": refused.code}) from refused
    _add(session, actor, unit, image, now)


def withdraw(session: Session, actor: Actor, unit_uuid: str, now: datetime) -> None:
    """The unit has no seal any more; what carries it keeps it. Raises Refused `proof.needed`."""
    unit = _unit(session, actor, unit_uuid)
    require_proof(actor)
    _add(session, actor, unit, b"", now)


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


def stamp(session: Session, actor: Actor, unit_uuid: str, lot_key: str, kind_name: str, now: datetime) -> Stamped:
    """Puts the seal on papers of one kind, of a programme or a cycle, that were made out in the unit's name, hold and
    carry none, at most `MOST_AT_ONCE`; one's own are left to somebody else. A second click finds nothing left. Raises
    Refused `seal.none`, `proof.needed`, NotFound for no kind."""
    unit = _unit(session, actor, unit_uuid)
    require_proof(actor)
    kind = paper_kinds.KINDS.get(kind_name)
    if kind is None:
        raise NotFound
    lot = paper_kinds.lot_of(session, actor.tenant_id, kind, lot_key)
    if lot.programme is not None and lot.programme.org_unit_id != pk(unit):
        raise NotFound
    certificates.take_turn(session, actor.tenant_id)
    seal = competencies.certificates.seal_of(session, pk(unit))
    if seal is None:
        raise Refused("seal.none")
    paper = kind.tables.paper
    waiting = session.exec(
        kind.tables.joined(select(paper))
        .where(lot.has(paper), _in_name_of(unit, lot), kind.tables.is_bare())
        .order_by(col(paper.id))
        .limit(MOST_AT_ONCE)
    ).all()
    holding = kind.holding(session, lot, waiting)
    ready = [one for one in waiting if pk(one) in holding and not actor.is_author(one.person_id)]
    session.add_all(
        kind.tables.use(**{kind.tables.key: pk(one)}, unit_seal_id=pk(seal), used_by_id=actor.person_id, used_at=now)
        for one in ready
    )
    session.flush()
    return Stamped(len(ready), len(waiting) - len(ready))


def _in_name_of(unit: OrgUnit, lot: paper_kinds.Lot) -> ColumnElement[bool]:
    """Of a programme all its papers are in the name of the unit that runs it."""
    return true() if lot.programme is not None else col(Certificate.issuer_unit_id) == pk(unit)


def _unit(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    require(actor, Permission.SEAL_USE, _scope(unit))
    return unit


def _scope(unit: OrgUnit) -> Scope:
    return Scope(unit.tenant_id, unit_paths=(unit.path,))
