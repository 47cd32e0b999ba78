"""转入: a teacher gets a code, what comes to it is looked at by an officer, and taken in in whole, in part, or refused.

A package is addressed to one code, a code takes one package, and the installation takes a package once: so hours count
once, wherever they go.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from competencies import CompetencyFramework, CompetencyPoint, FrameworkVersion, Programme
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import booking, certificates, humans, transfer_hours, transfer_package, transfer_reach
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.flow.transfer_hours import (
    Home,
    bring_home,
    count_again,
    home_of,
    reason_as_kept,
    send_scores,
    take_turns,
)
from lms_plugin.flow.transfer_notices import come_to, tell
from lms_plugin.flow.transfer_package import Held, Package
from lms_plugin.leaving import must_be_open_at
from lms_plugin.people import Enrolment, Person, Tenant

domain = competencies.transfers
Arrival, State = domain.Arrival, domain.ArrivalState
UNDER_WAY = (State.OPEN, State.WAITING)
SHOWN = (State.WAITING, State.ACCEPTED)
"""States in which what came may be looked at."""


@dataclass(frozen=True)
class Choice:
    """What an officer takes in: into which programme, which hours (`Line.block`), and as which point here each point
    that came is held (`Held.key` → code; left out = not held). `code`: 放行码, of a package that came as a file."""

    programme: str
    blocks: frozenset[str]
    points: Mapping[str, str]
    reason: str = ""
    code: str = ""


def open_code(session: Session, actor: Actor, now: datetime) -> competencies.transfers.Arrival:
    """The person's 接收码; the one they have, where there is one. Raises Refused `transfer.nameless` for whoever has
    not said who they are: what comes is compared with the name."""
    require(actor, Permission.TRANSFER_ASK, own(actor))
    person = session.exec(select(Person).where(Person.id == actor.person_id).with_for_update(key_share=True)).one()
    if not person.name:
        raise Refused("transfer.nameless")
    row = _own_under_way(session, actor)
    if row is None:
        row = Arrival(
            tenant_id=actor.tenant_id, person_id=pk(person), code=domain.new_code(), opened_at=now, changed_at=now
        )
        session.add(row)
        session.flush()
        domain.note(session, row, "opened", actor.person_id, now)
    return row


def close_code(session: Session, actor: Actor, now: datetime) -> None:
    """The person needs the code no more. Nothing happens where something has come to it by now."""
    require(actor, Permission.TRANSFER_ASK, own(actor))
    row = _own_under_way(session, actor)
    if row is not None:
        session.refresh(row, with_for_update=True)
        if row.state is State.OPEN:
            come_to(session, row, State.CLOSED, "closed", actor.person_id, now)


def _own_under_way(session: Session, actor: Actor) -> competencies.transfers.Arrival | None:
    return session.exec(
        select(Arrival)
        .where(
            Arrival.tenant_id == actor.tenant_id,
            col(Arrival.person_id).in_(actor.person_ids),
            col(Arrival.state).in_(UNDER_WAY),
        )
        .order_by(col(Arrival.id).desc())
    ).first()


def deliver(
    session: Session, transfer: competencies.transfers.Transfer, sender: Tenant, data: bytes, now: datetime
) -> None:
    """A package of this installation is there at once. Raises Conflict `transfer.code_given_back` where the code it is
    meant for was used or given back meanwhile, `tenant.read_only` where that district has gone elsewhere."""
    row = domain.arrival_of_code(session, transfer.to_code)
    if row is not None:
        session.refresh(row, with_for_update=True)
    if row is None or row.state is not State.OPEN:
        raise Conflict("transfer.code_given_back")
    must_be_open_at(session, row.tenant_id, now)
    _received(session, row, transfer.uuid, sender.name, transfer.manifest_hash, data, now, is_local=True)
    ids = {"arrival_id": pk(row), "transfer_id": pk(transfer)}
    outbox.put(session, row.tenant_id, outbox.TRANSFER_FILES, str(pk(row)), ids, now)


def receive_file(session: Session, actor: Actor, data: bytes, now: datetime) -> competencies.transfers.Arrival:
    """The teacher sends the file that they were given elsewhere. Raises Refused with what is wrong with it: what
    `transfer_package.received` says; `transfer.no_code`, `transfer.for_another` (another code),
    `transfer.another_name`, `transfer.comes_by_itself` (said to be from this installation), `transfer.taken_in` (it
    came before)."""
    require(actor, Permission.TRANSFER_ASK, own(actor))
    row = _own_under_way(session, actor)
    if row is not None:
        session.refresh(row, with_for_update=True)
    if row is None or row.state is not State.OPEN:
        raise Refused("transfer.no_code")
    tenant = get(session, Tenant, actor.tenant_id)
    package = transfer_package.received(data, competencies.local_day(now, tenant.timezone))
    if session.exec(select(Tenant.id).where(Tenant.uuid == package.from_id)).first() is not None:
        raise Refused("transfer.comes_by_itself")
    if not package.release:
        raise Refused("transfer.unreadable")
    if package.to_code != row.code:
        raise Refused("transfer.for_another")
    if plain_name(package.name) != plain_name(get(session, Person, row.person_id).name):
        raise Refused("transfer.another_name")
    if domain.arrival_of_package(session, package.uuid) is not None:
        raise Refused("transfer.taken_in")
    _received(session, row, package.uuid, package.from_name, package.manifest_hash, data, now, is_local=False)
    return row


def _received(
    session: Session,
    row: competencies.transfers.Arrival,
    package: str,
    from_name: str,
    manifest_hash: str,
    data: bytes,
    now: datetime,
    *,
    is_local: bool,
) -> None:
    unit = certificates.unit_of(session, humans.today_of(session, get(session, Person, row.person_id)))
    row.package, row.from_name, row.manifest_hash, row.is_local = package, from_name, manifest_hash, is_local
    row.org_unit_id = pk(unit) if unit is not None else None
    session.add_all([row, domain.TransferPackage(tenant_id=row.tenant_id, arrival_id=pk(row), content=data)])
    come_to(session, row, State.WAITING, "received", None, now)
    tell(session, row.tenant_id, unit, now)


def call_back(session: Session, package: str, now: datetime) -> None:
    """The sender took a package of this installation back, before anybody here said anything. Raises Conflict
    `transfer.arrived_already`."""
    row = domain.arrival_of_package(session, package)
    if row is None:
        return
    session.refresh(row, with_for_update=True)
    if row.state is not State.WAITING:
        raise Conflict("transfer.arrived_already")
    domain.drop_files(session, row)
    come_to(session, row, State.CLOSED, "called_back", None, now)


def content_of(session: Session, row: competencies.transfers.Arrival) -> bytes:
    """The bytes of the package that has come. One query."""
    return session.exec(
        select(domain.TransferPackage.content).where(domain.TransferPackage.arrival_id == pk(row))
    ).one()


def package_of(session: Session, row: competencies.transfers.Arrival, now: datetime) -> Package:
    """What has come, read anew: whatever lies in the database is believed no more than a file."""
    kept = content_of(session, row)
    tenant = get(session, Tenant, row.tenant_id)
    package = transfer_package.read(kept, competencies.local_day(now, tenant.timezone))
    if (package.uuid, package.manifest_hash, package.to_code) != (row.package, row.manifest_hash, row.code):
        raise Refused("transfer.unreadable")
    return package


def accept(session: Session, actor: Actor, uuid: str, choice: Choice, now: datetime) -> None:
    """Takes it in, in whole or in part. Hours that are not taken in count on the other side again, where that one is
    on this installation. Twice is harmless.

    Raises Invalid at `programme`, `points`, `reason` (a part wants one), `code` and `nothing`; Conflict
    `transfer.changed`, Refused `transfer.person_unconfirmed`, `transfer.another_name`.
    """
    row, transfer = _to_decide(session, actor, uuid, now)
    if row.state is State.ACCEPTED:
        return
    if row.state is not State.WAITING:
        raise Conflict("transfer.changed")
    person = humans.today_of(session, get(session, Person, row.person_id))
    if person.confirmed_at is None:
        raise Refused("transfer.person_unconfirmed")
    package = package_of(session, row, now)
    if plain_name(package.name) != plain_name(person.name):
        raise Refused("transfer.another_name")
    if not row.is_local:
        _require_code(package, choice.code)
    elif not is_of_sender(session, package):
        raise Refused("signing.wrong")
    rows = humans.rows_of(person)
    programme = _programme(session, actor, rows, choice.programme)
    offered = {line.block for line in package.lines}
    blocks = offered & choice.blocks
    left_out = {line.programme for line in package.lines if line.of_points and line.block not in blocks}
    home = home_of(
        session,
        actor.tenant_id,
        rows,
        [line for line in package.lines if line.block in blocks],
        {one.key: (one.programme, one.level) for one in package.points if one.programme not in left_out},
        [key for key, code in choice.points.items() if code],
    )
    homes = transfer_hours.programmes_of(session, actor.tenant_id, home)
    take_turns(session, programme, transfer, offered - blocks, homes)
    points = _mapped(session, programme, rows, package, choice.points)
    if any(held.programme in left_out for held, _point in points):  # the rule of this place would bring them anew
        raise Invalid({"points": "transfer.points_without_hours"})
    recognised = home.points | {held.key for held, _point in points}
    if not blocks and not points:
        raise Invalid({"nothing": "transfer.nothing_chosen"})
    is_part = blocks != offered or len(recognised) != len(package.points)
    reason = reason_as_kept(choice.reason) if is_part or choice.reason.strip() else ""
    unit = certificates.unit_of(session, person)
    school = pk(unit) if unit is not None else None
    bring_home(session, home, homes, recognised, package.from_name, actor.person_id, school, now)
    _take_in(session, actor, row, package, programme, rows, school, home, points, now)
    row.programme_id = pk(programme)
    taken = {held.key: held.code for held in package.points if held.key in home.points}
    taken |= {held.key: point.code for held, point in points}
    row.taken = {"blocks": sorted(blocks), "points": taken}
    come_to(session, row, State.ACCEPTED, "part" if is_part else "accepted", actor.person_id, now, reason)
    send_scores(session, {pk(one): one for one in (programme, *homes)}.values(), person, now)
    if transfer is not None:
        count_again(session, transfer, None, now, blocks=offered - blocks)
        stay = recognised | _left_without(package, blocks, points)
        transfer.points = [{**one, "back": one["point"] not in stay} for one in transfer.points]
        what = "arrived_part" if is_part else "arrived"
        come_to(session, transfer, domain.TransferState.ARRIVED, what, None, now, reason)


def _left_without(
    package: Package, blocks: Collection[str], points: Collection[tuple[Held, CompetencyPoint]]
) -> set[str]:
    """The points whose hours were taken in without any of them: they follow their hours and do not leave the sender
    again, or the rule of whoever holds them next would bring the same hours once more."""
    with_hours = {line.programme for line in package.lines if line.of_points and line.block in blocks}
    with_hours -= {held.programme for held, _point in points}
    return {held.key for held in package.points if held.programme in with_hours}


def is_of_sender(session: Session, package: Package) -> bool:
    """Whether the key of a package is that of the district of this installation which sent it. One query."""
    key = session.exec(
        select(domain.TransferKey.public_jwk)
        .join(domain.Transfer, col(domain.Transfer.tenant_id) == col(domain.TransferKey.tenant_id))
        .where(domain.Transfer.uuid == package.uuid)
    ).one_or_none()
    return key is not None and dict(key) == dict(package.key)


def _take_in(
    session: Session,
    actor: Actor,
    row: competencies.transfers.Arrival,
    package: Package,
    programme: Programme,
    rows: tuple[int, ...],
    school: int | None,
    home: Home,
    points: list[tuple[Held, CompetencyPoint]],
    now: datetime,
) -> None:
    awards: dict[str, competencies.Award] = {}  # by the programme there that brought the point, and hours for it
    for held, point in points:
        facts = {
            "place": package.from_name,
            "package": package.uuid,
            "manifest_sha256": package.manifest_hash,
            "programme": held.title,
            "standard": held.standard,
            "point": held.code,
            "awarded_at": held.awarded_at.isoformat(),
        }
        awards[held.programme] = domain.hold_point(
            session, programme, rows, point, held.level, facts, f"{package.from_name}：{held.title}"[:300],
            actor.person_id, school, now,
        )  # fmt: skip
    brought = {**_standing(session, programme, rows, package, home), **awards}
    for block in sorted({line.block for line in home.rest}):
        some = [line for line in home.rest if line.block == block]
        there = some[0].programme
        source = f"{package.from_name} · {package.titles[there]}"[:300]
        award_id = pk(brought[there]) if there in brought else None
        domain.take_in(session, programme, rows[0], some, award_id, source, actor.person_id, school, now)
    if awards:  # the points may be worth more here than came with them
        books, last = booking.Books(session, programme, rows[:1], now=now), max(awards.values(), key=pk)
        basis = competencies.Basis(programme.policy_id or 0, pk(last), actor.person_id, school)
        said = books.category(rows[0])
        due = booking.lines(programme, last.person_id, books.due(rows[0]), basis, now, reason="award", source=said)
        books.note(session, programme, now)
        competencies.ledger.credit_all(session, due)


def _standing(
    session: Session, programme: Programme, rows: tuple[int, ...], package: Package, home: Home
) -> dict[str, competencies.Award]:
    """By programme there an award that stands here, of a point that comes home: for what it brought there besides the
    hours that had left. One query, where there is any."""
    if not any(line.of_points for line in home.rest) or not home.points:
        return {}
    found = session.exec(
        select(CompetencyFramework.code, CompetencyPoint.code, competencies.Award)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(competencies.Award.point_id))
        .join(FrameworkVersion, col(FrameworkVersion.id) == col(CompetencyPoint.framework_version_id))
        .join(CompetencyFramework, col(CompetencyFramework.id) == col(FrameworkVersion.framework_id))
        .where(
            competencies.Award.programme_id == pk(programme),
            col(competencies.Award.person_id).in_(rows),
            col(competencies.Award.revoked_at).is_(None),
        )
        .order_by(col(competencies.Award.id))
    ).all()
    here = {f"{standard}:{code}": award for standard, code, award in found}
    return {one.programme: here[one.key] for one in package.points if one.key in home.points and one.key in here}


def refuse(session: Session, actor: Actor, uuid: str, reason: str, code: str, now: datetime) -> str:
    """Takes nothing of it in. On this installation its hours count on the other side again at once; of a file the
    answer is the 退回码 that does the same there, where the officer was told its 放行码 (`code`), else "": then
    `return_code` gives it later.

    Raises Invalid at `reason`, and at `code` for a wrong one; Conflict `transfer.changed`.
    """
    row, transfer = _to_decide(session, actor, uuid, now)
    reason = reason_as_kept(reason)
    if row.state is not State.WAITING:
        raise Conflict("transfer.changed")
    said = _answer(session, row, code, now) if not row.is_local and code.strip() else ""
    domain.drop_files(session, row)
    come_to(session, row, State.REFUSED, "refused", actor.person_id, now, reason)
    if transfer is not None:
        count_again(session, transfer, None, now)
        come_to(session, transfer, domain.TransferState.RETURNED, "returned", None, now, reason)
    return said


def return_code(session: Session, actor: Actor, uuid: str, code: str, now: datetime) -> str:
    """The 退回码 of a file that was refused before its 放行码 was told: without it the hours would count nowhere.
    Raises Invalid at `code`, Conflict `transfer.changed`."""
    row, _transfer = _to_decide(session, actor, uuid, now)
    if row.is_local or row.state is not State.REFUSED:
        raise Conflict("transfer.changed")
    return _answer(session, row, code, now)


def _answer(session: Session, row: competencies.transfers.Arrival, code: str, now: datetime) -> str:
    package = package_of(session, row, now)
    said = domain.return_code(_require_code(package, code), package.uuid)
    row.taken = {"return_code": said}
    session.add(row)
    session.flush()
    return said


def _require_code(package: Package, typed: str) -> str:
    code = domain.code_as_kept(typed)
    if not code:
        raise Invalid({"code": "transfer.release_code_missing"})
    if not hmac.compare_digest(domain.sealed_code(code, package.uuid), package.release):
        raise Invalid({"code": "transfer.release_code_wrong"})
    return code


def _programme(session: Session, actor: Actor, rows: tuple[int, ...], uuid: str) -> Programme:
    """The programme that the officer picked: one in which the person takes part."""
    found = {one.uuid: one for one in programmes_of(session, actor, rows)}
    if uuid not in found:
        raise Invalid({"programme": "transfer.programme_missing"})
    return found[uuid]


def programmes_of(session: Session, actor: Actor, rows: tuple[int, ...]) -> list[Programme]:
    """The open programmes in which these rows of a person take part, the newest first. One query."""
    return list(
        session.exec(
            select(Programme)
            .where(
                Programme.tenant_id == actor.tenant_id,
                Programme.state == competencies.ProgrammeState.OPEN,
                col(Programme.archived_at).is_(None),
                col(Programme.id).in_(select(Enrolment.programme_id).where(col(Enrolment.person_id).in_(rows))),
            )
            .order_by(col(Programme.opens_on).desc(), col(Programme.id).desc())
        )
    )


def free_points(session: Session, programme: Programme, rows: tuple[int, ...]) -> tuple[list[CompetencyPoint], str]:
    """The points of a programme that somebody could still hold (offered there, nothing handed in), and the code of
    their standard. Three queries."""
    without = set(competencies.rules_of(session, programme).choice.not_offered)
    busy = domain.busy_points(session, programme, rows)
    found = session.exec(
        select(CompetencyPoint, CompetencyFramework.code)
        .join(FrameworkVersion, col(FrameworkVersion.id) == col(CompetencyPoint.framework_version_id))
        .join(CompetencyFramework, col(CompetencyFramework.id) == col(FrameworkVersion.framework_id))
        .where(CompetencyPoint.framework_version_id == programme.framework_version_id)
        .order_by(col(CompetencyPoint.position), col(CompetencyPoint.id))
    ).all()
    free = [point for point, _code in found if point.code not in without and pk(point) not in busy]
    return free, found[0][1] if found else ""


def _mapped(
    session: Session, programme: Programme, rows: tuple[int, ...], package: Package, wanted: Mapping[str, str]
) -> list[tuple[Held, CompetencyPoint]]:
    """Each point that came with the one here that it is held as. Raises Invalid at `points`."""
    free = {point.code: point for point in free_points(session, programme, rows)[0]}
    picked = [(held, wanted[held.key]) for held in package.points if wanted.get(held.key)]
    codes = [code for _held, code in picked]
    if any(code not in free for code in codes):
        raise Invalid({"points": "transfer.point_taken"})
    if len(set(codes)) != len(codes):
        raise Invalid({"points": "transfer.point_twice"})
    return [(held, free[code]) for held, code in picked]


def _to_decide(
    session: Session, actor: Actor, uuid: str, now: datetime
) -> tuple[competencies.transfers.Arrival, competencies.transfers.Transfer | None]:
    """The arrival, and what it came from where that is on this installation; both held, the sender's row first, as
    when the sender takes it back."""
    row = find(session, Arrival, actor.tenant_id, uuid)
    require(actor, Permission.TRANSFER_TAKE, transfer_reach.scope_of(session, row))
    if row.package is None:
        raise NotFound
    transfer = domain.transfer_of_package(session, row.package, hold=True) if row.is_local else None
    if transfer is not None:
        must_be_open_at(session, transfer.tenant_id, now)  # its ledger has a word in it
    session.refresh(row, with_for_update=True)
    return row, transfer
