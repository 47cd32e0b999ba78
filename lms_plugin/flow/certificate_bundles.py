"""成批下载: an officer asks for the papers of a unit in one ZIP, sees how far it is, cancels it, has it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

import competencies
from competencies import Programme
from lms_plugin import media, outbox
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import certificates, cycle_certificates, paper_kinds
from lms_plugin.flow.paper_kinds import CERTIFICATES, STATEMENTS, Lot, PaperKind
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import OrgMembership, OrgUnit, Person
from lms_plugin.storage import new_key

domain = competencies.bundles
KEPT = timedelta(days=7)


@dataclass(frozen=True)
class BundlePage:
    """The page of a unit's bundle. `total`: how many papers of that kind there are to print now; `state` "" = none was
    ever asked for."""

    kind: str
    lot: str  # as addresses name it: the programme, or the years of the cycle
    title: str
    unit_uuid: str
    unit: str
    is_whole: bool  # the unit that runs the programme: all its schools
    total: int
    bundle: domain.CertificateBundle | None
    asked_by: str
    gone_at: datetime | None

    @property
    def state(self) -> str:
        """How the bundle that was last asked for stands."""
        return self.bundle.state.value if self.bundle is not None else ""


def page(session: Session, actor: Actor, lot_key: str, unit_uuid: str, kind: PaperKind = CERTIFICATES) -> BundlePage:
    """Five queries at most. Raises NotFound, Forbidden."""
    lot, unit = _place(session, actor, lot_key, unit_uuid, kind)
    bundle = domain.newest(session, lot.has(domain.CertificateBundle), pk(unit), kind.name)
    by = by_id(session, Person, [bundle.asked_by_id]) if bundle is not None else {}
    return BundlePage(
        kind=kind.name,
        lot=lot.key,
        title=lot.title,
        unit_uuid=unit.uuid,
        unit=unit.name,
        is_whole=lot.programme is not None and lot.programme.org_unit_id == pk(unit),
        total=_count(session, kind, lot, unit),
        bundle=bundle,
        asked_by=next((person.name for person in by.values()), ""),
        gone_at=bundle.ended_at + KEPT if bundle is not None and bundle.ended_at is not None else None,
    )


def _place(session: Session, actor: Actor, lot_key: str, unit_uuid: str, kind: PaperKind) -> tuple[Lot, OrgUnit]:
    lot = paper_kinds.lot_of(session, actor.tenant_id, kind, lot_key)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.CERTIFICATE_BUNDLE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    _may_read(session, actor, lot, kind)
    return lot, unit


def _may_read(session: Session, actor: Actor, lot: Lot, kind: PaperKind) -> None:
    """工作量证明 are read by who looks after the whole round: what somebody did for others is of no one unit."""
    if kind is STATEMENTS and lot.programme is not None:
        require(actor, Permission.CERTIFICATE_READ, programme_scope(session, lot.programme))


def ask(
    session: Session,
    actor: Actor,
    lot_key: str,
    unit_uuid: str,
    now: datetime,
    kind: PaperKind = CERTIFICATES,
) -> domain.CertificateBundle:
    """Asks the worker for the file; the one that is being made already where there is one. What was made of
    this unit before goes. Raises Refused `bundle.nothing`."""
    lot, unit = _place(session, actor, lot_key, unit_uuid, kind)
    certificates.take_turn(session, actor.tenant_id)
    before = domain.newest(session, lot.has(domain.CertificateBundle), pk(unit), kind.name)
    if before is not None and before.state in domain.OPEN:
        return before
    total = _count(session, kind, lot, unit)
    if not total:
        raise Refused("bundle.nothing")
    if before is not None and before.state is domain.BundleState.READY:
        before.state = domain.BundleState.GONE
        session.add(before)
    made = domain.CertificateBundle(
        tenant_id=actor.tenant_id,
        **lot.columns(),
        org_unit_id=pk(unit),
        kind=kind.name,
        total=total,
        storage_key=new_key(),
        asked_by_id=actor.person_id,
        asked_at=now,
    )
    session.add(made)
    session.flush()
    outbox.put(session, actor.tenant_id, outbox.BUNDLE, str(pk(made)), {"bundle_id": pk(made)}, now)
    return made


def cancel(session: Session, actor: Actor, bundle_uuid: str, now: datetime) -> tuple[str, str, str]:
    """No more of it is made; what was printed goes with the job's next step. Gives its kind, its lot as addresses
    name it, and the uuid of the unit. Twice is harmless; one that is ready stays so."""
    bundle, lot, unit = _held(session, actor, bundle_uuid)
    session.refresh(bundle, with_for_update=True)
    if bundle.state in domain.OPEN:
        bundle.state, bundle.ended_at = domain.BundleState.CANCELLED, now
        session.add(bundle)
        session.flush()
    return bundle.kind, lot.key, unit.uuid


def _held(session: Session, actor: Actor, bundle_uuid: str) -> tuple[domain.CertificateBundle, Lot, OrgUnit]:
    bundle = find(session, domain.CertificateBundle, actor.tenant_id, bundle_uuid)
    unit = get(session, OrgUnit, bundle.org_unit_id)
    require(actor, Permission.CERTIFICATE_BUNDLE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    lot = of_bundle(session, bundle)
    _may_read(session, actor, lot, paper_kinds.KINDS[bundle.kind])
    return bundle, lot, unit


def of_bundle(session: Session, bundle: domain.CertificateBundle) -> Lot:
    """The papers of which it is."""
    if bundle.programme_id is not None:
        return Lot(bundle.tenant_id, get(session, Programme, bundle.programme_id), None)
    return Lot(bundle.tenant_id, None, cycle_certificates.Years(bundle.first_year or 0, bundle.last_year or 0))


def ready(session: Session, actor: Actor, bundle_uuid: str) -> tuple[str, str]:
    """Key of the storage and name of a file that is ready. Raises Conflict `bundle.not_ready` for another one."""
    bundle, lot, unit = _held(session, actor, bundle_uuid)
    if bundle.state is not domain.BundleState.READY:
        raise Conflict("bundle.not_ready")
    word = paper_kinds.KINDS[bundle.kind].word
    return bundle.storage_key, media.clean_filename(f"{word}_{unit.name}_{lot.title}.zip")


# --- which papers ---


def current(kind: PaperKind, lot: Lot, unit: OrgUnit) -> Any:
    """Papers of a programme or a cycle that were not ended, of people who belong to that unit or below it now; all
    statements of work for the unit that runs it: who works for others may belong to no school."""
    paper = kind.tables.paper
    earner = aliased(Person)
    today = func.coalesce(col(earner.merged_into_id), col(earner.id))
    here = (
        exists()
        .where(
            col(OrgMembership.person_id) == today,
            col(OrgMembership.ends_on).is_(None),
            col(OrgUnit.id) == col(OrgMembership.org_unit_id),
            col(OrgUnit.path).startswith(unit.path, autoescape=True),
        )
        .correlate(earner)
    )
    is_anybody = kind is STATEMENTS and lot.programme is not None and lot.programme.org_unit_id == pk(unit)
    return (
        select(paper)
        .join(earner, col(earner.id) == col(paper.person_id))
        .join(kind.tables.end, kind.tables.ended() == col(paper.id), isouter=True)
        .where(lot.has(paper), kind.tables.ended().is_(None), true() if is_anybody else here)
    )


def _count(session: Session, kind: PaperKind, lot: Lot, unit: OrgUnit) -> int:
    ids = current(kind, lot, unit).with_only_columns(col(kind.tables.paper.id)).subquery()
    return int(session.exec(select(func.count()).select_from(ids)).one())
