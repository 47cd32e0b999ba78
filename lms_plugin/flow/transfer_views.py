"""What the pages of 转出 and 转入 show. Reads only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
from competencies import CompetencyPoint, Programme
from lms_plugin import signing
from lms_plugin.access import Actor, Permission, own, require, somewhere
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import arrivals, humans, people, transfer_files, transfer_package, transfer_reach, transfers
from lms_plugin.flow.transfer_hours import home_of
from lms_plugin.flow.transfer_package import Held
from lms_plugin.people import OrgUnit, Person, RoleKind, Tenant

domain = competencies.transfers
PAGE = 50


@dataclass(frozen=True)
class Block:
    """Hours of one kind of one programme. `is_here`: they count here (left and came back, or were taken in)."""

    key: str
    programme: str
    kind: str
    hundredths: int
    is_here: bool = False


@dataclass(frozen=True)
class Happened:
    """A line of the log. `by`: "" where the other side did it."""

    what: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Left:
    """One transfer as its person sees it."""

    uuid: str
    state: str
    to_name: str
    to_code: str
    is_local: bool
    asked_at: datetime
    blocks: tuple[Block, ...]
    happened: tuple[Happened, ...]

    @property
    def has_file(self) -> bool:
        """Whether there is a file to carry to the other place."""
        return not self.is_local and self.state in {"released", "handed"}


@dataclass(frozen=True)
class Came:
    """One arrival as its person sees it."""

    uuid: str
    state: str
    code: str
    from_name: str
    happened: tuple[Happened, ...]


@dataclass(frozen=True)
class Mine:
    """A teacher's page. `blocks`, `points`: what would leave now; `obstacle`: why they cannot ask, "" = they can."""

    left: tuple[Left, ...]
    came: tuple[Came, ...]
    blocks: tuple[Block, ...]
    points: tuple[Held, ...]
    open_works: int
    obstacle: str

    @property
    def code(self) -> Came | None:
        """The arrival under way."""
        return next((one for one in self.came if one.state in {"open", "waiting"}), None)

    @property
    def asked(self) -> Left | None:
        """The transfer under way."""
        return next((one for one in self.left if one.state in {"asked", "released"}), None)


@dataclass(frozen=True)
class Row:
    """A line of an officer's list. `place`: where to, or from where."""

    uuid: str
    name: str
    school: str
    place: str
    state: str
    at: datetime


@dataclass(frozen=True)
class Listed:
    """A page of a list. `total`: lines of all pages; `waiting`: how many of them wait for the officer."""

    rows: tuple[Row, ...]
    total: int
    waiting: int


@dataclass(frozen=True)
class Home:
    """An officer's lists: what waits for them first."""

    leaving: Listed
    arriving: Listed


@dataclass(frozen=True)
class LeavingPage:
    """One transfer before the officer. `code`: 放行码, once it was handed over."""

    row: Left
    name: str
    staff_number: str
    school: str
    blocks: tuple[Block, ...]
    points: tuple[Held, ...]
    open_works: int
    code: str
    manifest_hash: str
    roster_entry: str  # of who has gone and still stands on the roster, "" otherwise


@dataclass(frozen=True)
class PointChoice:
    """A point that came. `same`: the code here of the very same point of the same standard, "" = somebody decides;
    `is_home`: it was earned in that programme, left, and comes back as it was."""

    held: Held
    same: str
    is_home: bool


@dataclass(frozen=True)
class ArrivingPage:
    """One arrival before the officer. `fault`: a code, where what lies here cannot be read any more. `signed`: "here"
    (by the key of a district of this installation), "fits" (by a key that only the package itself shows), "wrong"."""

    row: Came
    name: str
    staff_number: str
    school: str
    is_confirmed: bool
    fault: str
    package: transfer_package.Package | None
    signed: str
    thumbprint: str
    is_local: bool
    blocks: tuple[Block, ...]
    points: tuple[PointChoice, ...]
    free: tuple[CompetencyPoint, ...]
    programmes: tuple[Programme, ...]
    programme: str
    standard: str
    home_hundredths: int  # of the hours that came, those that left here once: they count again where they did
    taken: dict[str, Any]
    may_act: bool


def mine(session: Session, actor: Actor) -> Mine:
    """One's own transfers and arrivals, the newest first, and what would leave now. Ten queries at most."""
    require(actor, Permission.TRANSFER_ASK, own(actor))
    person = get(session, Person, actor.person_id)
    rows = session.exec(
        select(domain.Transfer)
        .where(domain.Transfer.tenant_id == actor.tenant_id, col(domain.Transfer.person_id).in_(actor.person_ids))
        .order_by(col(domain.Transfer.id).desc())
        .limit(10)
    ).all()
    here = session.exec(
        select(domain.Arrival)
        .where(domain.Arrival.tenant_id == actor.tenant_id, col(domain.Arrival.person_id).in_(actor.person_ids))
        .order_by(col(domain.Arrival.id).desc())
        .limit(10)
    ).all()
    log = _log(session, actor.tenant_id, [*rows, *here])
    tenant = get(session, Tenant, actor.tenant_id)
    what = transfer_package.leaving(session, tenant, actor.person_ids)
    obstacle = "transfer.unconfirmed" if person.confirmed_at is None or not person.name else ""
    return Mine(
        tuple(_left(row, what.titles, log) for row in rows),
        tuple(_came(row, log) for row in here),
        _blocks(what.lines, what.titles),
        what.points,
        what.open_works,
        obstacle or ("transfer.nothing" if what.is_empty else ""),
    )


def home(session: Session, actor: Actor, page_in: int = 1, page_out: int = 1) -> Home:
    """Transfers and arrivals of people within the officer's reach, what waits first, a page of each. Four queries."""
    require(actor, Permission.TRANSFER_RELEASE, somewhere(actor))
    arrival, transfer = domain.Arrival, domain.Transfer
    waiting = col(arrival.state) == domain.ArrivalState.WAITING
    asked = col(transfer.state) == domain.TransferState.ASKED
    return Home(
        leaving=_listed(session, actor, transfer, asked, col(transfer.to_name), page_out),
        arriving=_listed(
            session, actor, arrival, waiting, col(arrival.from_name), page_in, col(arrival.package).is_not(None)
        ),
    )


def _listed(
    session: Session, actor: Actor, kind: Any, waits: ColumnElement[bool], place: Any, page: int, *wanted: Any
) -> Listed:
    within = transfer_reach.within(people.reach(actor, RoleKind.OFFICER), kind)
    where = (kind.tenant_id == actor.tenant_id, within, *wanted)
    counts: Any = columns(func.count(), func.sum(case((waits, 1), else_=0))).select_from(kind).where(*where)
    total, waiting = session.connection().execute(counts).one()
    rows: Any = (
        columns(kind, col(Person.name), col(OrgUnit.name), place)
        .join(Person, col(Person.id) == kind.person_id)
        .join(OrgUnit, col(OrgUnit.id) == kind.org_unit_id, isouter=True)
        .where(*where)
        .order_by(waits.desc(), kind.id.desc())
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    )
    return Listed(
        tuple(
            Row(row.uuid, name, school or "", where_to, row.state.value, row.changed_at)
            for row, name, school, where_to in session.exec(rows)
        ),
        int(total),
        int(waiting or 0),
    )


def leaving_page(session: Session, actor: Actor, uuid: str, secret_key: str) -> LeavingPage:
    """One transfer: what would leave, or what left. Ten queries. Raises NotFound, Forbidden."""
    row, person, school, _has_left = transfer_reach.with_person(session, actor, domain.Transfer, uuid)
    require(actor, Permission.TRANSFER_RELEASE, transfer_reach.scope_of(session, row))
    log = _log(session, actor.tenant_id, [row])
    points: tuple[Held, ...] = ()
    open_works = 0
    if row.state is domain.TransferState.ASKED:
        tenant = get(session, Tenant, actor.tenant_id)
        what = transfer_package.leaving(session, tenant, humans.rows_of(person))
        points, open_works = what.points, what.open_works
        left = _left(row, what.titles, log)
        blocks = _blocks(what.lines, what.titles)
    else:
        left = _left(row, _titles(session, row), log)
        blocks = left.blocks
    shown = row.state is domain.TransferState.HANDED and not row.is_local
    is_there = row.state in {domain.TransferState.HANDED, domain.TransferState.ARRIVED}
    has_gone = is_there and any(not kept["back"] for kept in row.lines)
    return LeavingPage(
        row=left,
        name=person.name,
        staff_number=person.staff_number,
        school=school,
        blocks=blocks,
        points=points,
        open_works=open_works,
        code=domain.code_as_printed(transfers.release_code(row, secret_key)) if shown else "",
        manifest_hash=row.manifest_hash,
        roster_entry=transfer_reach.on_roster(session, person) if has_gone else "",
    )


def _titles(session: Session, row: competencies.transfers.Transfer) -> dict[str, str]:
    uuids = {kept["programme"] for kept in row.lines}
    rows = session.exec(
        select(Programme.uuid, Programme.title).where(
            Programme.tenant_id == row.tenant_id, col(Programme.uuid).in_(uuids)
        )
    )
    return dict(rows.all())


def arriving_page(session: Session, actor: Actor, uuid: str, programme: str, now: datetime) -> ArrivingPage:
    """One arrival: who, from where, whether the signature fits, what would be taken into that programme ("" = the
    newest). Raises NotFound, Forbidden."""
    row, person, school, has_left = transfer_reach.with_person(session, actor, domain.Arrival, uuid)
    require(actor, Permission.TRANSFER_TAKE, transfer_reach.scope_of(session, row))
    if row.package is None:
        raise NotFound
    rows = humans.rows_of(person)
    fault, package = "", None
    try:
        package = arrivals.package_of(session, row, now)
    except Refused as refused:
        fault = refused.code
    found = arrivals.programmes_of(session, actor, rows)
    picked = next((one for one in found if one.uuid == programme), found[0] if found else None)
    free, standard = arrivals.free_points(session, picked, rows) if picked is not None else ([], "")
    codes = {point.code for point in free}
    held = package.points if package is not None else ()
    same = {one.key for one in held if one.standard == standard and one.code in codes}
    came = {one.key: (one.programme, one.level) for one in held}
    lines = package.lines if package is not None and has_left else ()
    home = home_of(session, actor.tenant_id, rows, lines, came, same) if lines else None
    log = _log(session, actor.tenant_id, [row])
    taken = set(row.taken.get("blocks", ()))
    return ArrivingPage(
        row=_came(row, log),
        name=person.name,
        staff_number=person.staff_number,
        school=school,
        is_confirmed=person.confirmed_at is not None,
        fault=fault,
        package=package,
        signed="wrong" if package is None else "fits" if not row.is_local else _of_here(session, package),
        thumbprint=signing.thumbprint(package.key) if package is not None else "",
        is_local=row.is_local,
        blocks=_blocks(package.lines, dict(package.titles), taken) if package is not None else (),
        points=tuple(
            PointChoice(one, one.code if one.key in same else "", home is not None and one.key in home.points - same)
            for one in held
        ),
        free=tuple(free),
        programmes=tuple(found),
        programme=picked.uuid if picked is not None else "",
        standard=standard,
        home_hundredths=home.hundredths if home is not None else 0,
        taken=row.taken,
        may_act=row.state is domain.ArrivalState.WAITING,
    )


def _of_here(session: Session, package: transfer_package.Package) -> str:
    return "here" if arrivals.is_of_sender(session, package) else "wrong"


def file_of(session: Session, actor: Actor, uuid: str) -> tuple[bytes, list[transfer_files.Source]]:
    """The signed package that the person, or their officer, carries to the other place, and the files that may go with
    it. Raises NotFound where there is none (yet, or any more)."""
    row = find(session, domain.Transfer, actor.tenant_id, uuid)
    if actor.is_author(row.person_id):
        require(actor, Permission.TRANSFER_ASK, own(actor))
    else:
        require(actor, Permission.TRANSFER_RELEASE, transfer_reach.scope_of(session, row))
    if row.is_local or row.state not in {domain.TransferState.RELEASED, domain.TransferState.HANDED}:
        raise NotFound
    data = session.exec(
        select(domain.TransferPackage.content).where(domain.TransferPackage.transfer_id == pk(row))
    ).one()
    return data, transfer_files.sources(session, actor.tenant_id, data)


def public_keys(session: Session) -> list[dict[str, str]]:
    """The keys by which the districts of this installation sign, for anybody. One query."""
    rows = session.exec(select(domain.TransferKey).order_by(col(domain.TransferKey.tenant_id))).all()
    return [
        {**row.public_jwk, "kid": signing.thumbprint(row.public_jwk), "use": "sig", "alg": signing.ALGORITHM}
        for row in rows
    ]


def _blocks(
    lines: Iterable[competencies.transfers.Line], titles: dict[str, str], here: Iterable[str] = ()
) -> tuple[Block, ...]:
    sums: dict[str, Block] = {}
    for line in lines:
        before = sums[line.block].hundredths if line.block in sums else 0
        sums[line.block] = Block(
            line.block,
            titles.get(line.programme, ""),
            line.kind.value,
            before + line.hundredths,
            line.block in here,
        )
    return tuple(sums.values())


def _left(row: competencies.transfers.Transfer, titles: dict[str, str], log: dict[Any, list[Happened]]) -> Left:
    here = {domain.as_line(kept).block for kept in row.lines if kept["back"]}
    return Left(
        uuid=row.uuid,
        state=row.state.value,
        to_name=row.to_name,
        to_code=domain.code_as_printed(row.to_code),
        is_local=row.is_local,
        asked_at=row.asked_at,
        blocks=_blocks([domain.as_line(kept) for kept in row.lines], titles, here),
        happened=tuple(log.get(("left", pk(row)), ())),
    )


def _came(row: competencies.transfers.Arrival, log: dict[Any, list[Happened]]) -> Came:
    return Came(
        row.uuid,
        row.state.value,
        domain.code_as_printed(row.code),
        row.from_name,
        tuple(log.get(("came", pk(row)), ())),
    )


def _log(session: Session, tenant_id: int, rows: Sequence[Any]) -> dict[Any, list[Happened]]:
    """What was done about these transfers and arrivals, the oldest first. One query."""
    left = [pk(row) for row in rows if isinstance(row, domain.Transfer)]
    came = [pk(row) for row in rows if isinstance(row, domain.Arrival)]
    event = domain.TransferEvent
    found: dict[Any, list[Happened]] = {}
    if not rows:
        return found
    for one, name in session.exec(
        select(event, Person.name)
        .join(Person, col(Person.id) == col(event.by_id), isouter=True)
        .where(event.tenant_id == tenant_id, or_(col(event.transfer_id).in_(left), col(event.arrival_id).in_(came)))
        .order_by(col(event.id))
    ):
        key = ("left", one.transfer_id) if one.transfer_id is not None else ("came", one.arrival_id)
        found.setdefault(key, []).append(Happened(one.what, name or "", one.reason, one.at))
    return found
