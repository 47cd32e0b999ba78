"""转出: a teacher asks, an officer of the county lets the record go, signed; from then on its hours count here no more.

Until it has arrived it can be taken back. All of it is logged, and the ledger only ever gets more entries.
"""

import hmac
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import signing
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import arrivals, booking, certificates, held_hours, humans, transfer_package, transfer_reach
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.flow.transfer_hours import count_again, reason_as_kept, send_scores
from lms_plugin.flow.transfer_notices import come_to, tell
from lms_plugin.people import Person, Tenant

domain = competencies.transfers
Transfer, State = domain.Transfer, domain.TransferState
UNDER_WAY = (State.ASKED, State.RELEASED)


def ask(session: Session, actor: Actor, code: str, to_name: str, now: datetime) -> competencies.transfers.Transfer:
    """The teacher wants their record to go to whoever holds that 接收码. A second click gives the first request.

    Raises Invalid at `code` or `to_name`; Refused `transfer.unconfirmed`, `transfer.under_way`, `transfer.nothing`.
    """
    require(actor, Permission.TRANSFER_ASK, own(actor))
    person = session.exec(select(Person).where(Person.id == actor.person_id).with_for_update(key_share=True)).one()
    if person.confirmed_at is None or not person.name:
        raise Refused("transfer.unconfirmed")
    kept = domain.code_as_kept(code)
    if not kept:
        raise Invalid({"code": "transfer.code_unreadable"})
    under_way = session.exec(
        select(Transfer).where(
            Transfer.tenant_id == actor.tenant_id,
            col(Transfer.person_id).in_(actor.person_ids),
            col(Transfer.state).in_(UNDER_WAY),
        )
    ).first()
    if under_way is not None:
        if under_way.to_code == kept:
            return under_way
        raise Refused("transfer.under_way")
    arrival = domain.arrival_of_code(session, kept)
    name = _where_to(session, person, arrival, to_name)
    tenant = get(session, Tenant, actor.tenant_id)
    if transfer_package.leaving(session, tenant, actor.person_ids).is_empty:
        raise Refused("transfer.nothing")
    unit = certificates.unit_of(session, person)
    row = Transfer(
        tenant_id=actor.tenant_id,
        person_id=pk(person),
        org_unit_id=pk(unit) if unit is not None else None,
        to_code=kept,
        to_name=name,
        is_local=arrival is not None,
        asked_at=now,
        changed_at=now,
    )
    session.add(row)
    session.flush()
    domain.note(session, row, "asked", actor.person_id, now)
    tell(session, actor.tenant_id, unit, now)
    return row


def _where_to(session: Session, person: Person, arrival: competencies.transfers.Arrival | None, typed: str) -> str:
    """The name of the place that is meant. Raises Invalid."""
    if arrival is None:
        name = " ".join(typed.split())
        if not name:
            raise Invalid({"to_name": "transfer.place_missing"})
        if len(name) > 100:
            raise Invalid({"to_name": ("form.too_long", {"longest": 100})})
        if not name.isprintable():
            raise Invalid({"to_name": "form.unprintable"})
        return name
    if arrival.tenant_id == person.tenant_id:
        raise Invalid({"code": "transfer.same_district"})
    other = get(session, Person, arrival.person_id)
    if plain_name(other.name) != plain_name(person.name):
        raise Invalid({"code": "transfer.code_of_another"})
    if arrival.state is not domain.ArrivalState.OPEN:
        raise Invalid({"code": "transfer.code_used"})
    return get(session, Tenant, arrival.tenant_id).name


def take_back_request(session: Session, actor: Actor, uuid: str, now: datetime) -> None:
    """The teacher does not want it any more. Twice is harmless. Raises Conflict `transfer.gone_already` where it was
    let go meanwhile: then an officer takes it back."""
    row = find(session, Transfer, actor.tenant_id, uuid)
    if not actor.is_author(row.person_id):
        raise NotFound
    require(actor, Permission.TRANSFER_ASK, own(actor))
    row = _held(session, row)
    if row.state in {State.WITHDRAWN, State.DECLINED}:
        return
    if row.state is not State.ASKED:
        raise Conflict("transfer.gone_already")
    come_to(session, row, State.WITHDRAWN, "withdrawn", actor.person_id, now)


def decline(session: Session, actor: Actor, uuid: str, reason: str, now: datetime) -> None:
    """An officer does not let it go. Raises Invalid without a reason, Conflict `transfer.changed`."""
    row = _for_officer(session, actor, uuid)
    reason = reason_as_kept(reason)
    if row.state is not State.ASKED:
        raise Conflict("transfer.changed")
    come_to(session, row, State.DECLINED, "declined", actor.person_id, now, reason)


def release(session: Session, actor: Actor, uuid: str, secret_key: str, now: datetime) -> None:
    """The officer lets it go: what stands now is signed, its hours leave the ledger by entries of their own, and where
    the other side is on this installation, it is there at once. Twice is harmless.

    Raises Conflict `transfer.changed`, Refused `transfer.nothing`, `transfer.too_large`; Invalid at `code` where the
    other side's code was given back meanwhile.
    """
    row = _for_officer(session, actor, uuid)
    if row.state is State.RELEASED:
        return
    if row.state is not State.ASKED:
        raise Conflict("transfer.changed")
    person = humans.today_of(session, get(session, Person, row.person_id))
    rows, tenant = humans.rows_of(person), get(session, Tenant, actor.tenant_id)
    pem = _key(session, actor.tenant_id, secret_key, now)
    what = transfer_package.leaving(session, tenant, rows)
    for key in sorted({*what.programmes, *competencies.held_hours.programmes_of(session, rows)}):
        booking.take_turn(session, get(session, competencies.Programme, key))
    held_hours.end_for(session, rows, now)  # who leaves waits for nothing here
    what = transfer_package.leaving(session, tenant, rows)  # again, now that nobody adds to it
    if what.is_empty:
        raise Refused("transfer.nothing")
    row.release_code = "" if row.is_local else domain.new_code()
    sealed = "" if row.is_local else domain.sealed_code(row.release_code, row.uuid)
    data, row.manifest_hash = transfer_package.make(session, tenant, person, rows, row, what, sealed, pem, now)
    programmes = {one.uuid: one for one in what.programmes.values()}
    domain.book_lines(session, programmes, what.lines, domain.LEFT, row.to_name, actor.person_id, row.org_unit_id, now)
    row.lines = [domain.stored(line) for line in what.lines]
    row.points = [{"point": one.key, "level": int(one.level), "back": False} for one in what.points]
    session.add(domain.TransferPackage(tenant_id=row.tenant_id, transfer_id=pk(row), content=data))
    come_to(session, row, State.RELEASED, "released", actor.person_id, now)
    send_scores(session, what.programmes.values(), person, now)
    if row.is_local:
        arrivals.deliver(session, row, tenant, data, now)


def withdraw(session: Session, actor: Actor, uuid: str, reason: str, now: datetime) -> None:
    """The officer takes it back before it was taken in: its hours count here again. Raises Invalid without a reason,
    Conflict `transfer.arrived_already`, `transfer.handed_already`."""
    row = _for_officer(session, actor, uuid)
    reason = reason_as_kept(reason)
    if row.state is State.WITHDRAWN:
        return
    if row.state is not State.RELEASED:
        raise Conflict("transfer.handed_already" if row.state is State.HANDED else "transfer.arrived_already")
    if row.is_local:
        arrivals.call_back(session, row.uuid, now)
    count_again(session, row, actor.person_id, now)
    come_to(session, row, State.WITHDRAWN, "withdrawn", actor.person_id, now, reason)


def hand_over(session: Session, actor: Actor, uuid: str, now: datetime) -> None:
    """The other office is about to take the file in: from now on its code is shown to the officer (`release_code`), and
    nothing is taken back here any more. Twice is harmless."""
    row = _for_officer(session, actor, uuid)
    if row.state is State.HANDED and not row.is_local:
        return
    if row.state is not State.RELEASED or row.is_local:
        raise Conflict("transfer.changed")
    come_to(session, row, State.HANDED, "handed", actor.person_id, now)


def refused_there(session: Session, actor: Actor, uuid: str, code: str, secret_key: str, now: datetime) -> None:
    """The other office refused the file and said its 退回码: the hours count here again. Raises Invalid at `code`."""
    row = _for_officer(session, actor, uuid)
    if row.state is State.RETURNED:
        return
    if row.state is not State.HANDED:
        raise Conflict("transfer.changed")
    expected = domain.return_code(release_code(row, secret_key), row.uuid)
    if not hmac.compare_digest(domain.code_as_kept(code), expected):
        raise Invalid({"code": "transfer.return_code_wrong"})
    count_again(session, row, actor.person_id, now)
    come_to(session, row, State.RETURNED, "returned", actor.person_id, now)


def release_code(row: competencies.transfers.Transfer, secret_key: str) -> str:
    """放行码 of a file: without it nobody can take the file in, and only the sending district can tell it, also from
    an installation that it has moved to. It was not kept of the first files: theirs follow from this installation's
    secret."""
    drawn = hmac.digest(secret_key.encode(), f"nengli transfer {row.uuid}".encode(), "sha256")
    return row.release_code or domain.as_code(drawn)


def _held(session: Session, row: competencies.transfers.Transfer) -> competencies.transfers.Transfer:
    """The row as it is now, for the rest of the transaction: two acts on it take turns."""
    session.refresh(row, with_for_update=True)
    return row


def _for_officer(session: Session, actor: Actor, uuid: str) -> competencies.transfers.Transfer:
    row = find(session, Transfer, actor.tenant_id, uuid)
    require(actor, Permission.TRANSFER_RELEASE, transfer_reach.scope_of(session, row))
    return _held(session, row)


def _key(session: Session, tenant_id: int, secret_key: str, now: datetime) -> str:
    """The district's private key as PEM, made with its first package."""
    kept = session.get(domain.TransferKey, tenant_id)
    if kept is None:  # two first packages at once make one key
        certificates.take_turn(session, tenant_id)
        kept = session.get(domain.TransferKey, tenant_id)
    if kept is None:
        pem, public = signing.new_key()
        kept = domain.TransferKey(
            tenant_id=tenant_id, private_encrypted=lti.encrypt(pem, secret_key), public_jwk=public, made_at=now
        )
        session.add(kept)
        session.flush()
    return lti.decrypt(kept.private_encrypted, secret_key)
