"""The works in a package: what was handed in elsewhere, how it was judged, and where its files are.

A package from elsewhere may say anything here: lines of another shape are left out, and nothing is computed from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session, col, select

import competencies
from competencies import Level, StoredFile
from lms_plugin import media
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import arrivals, transfer_marks, transfer_package, transfer_reach
from lms_plugin.people import Person, Tenant

domain = competencies.transfers
MOST_WORKS, MOST_PIECES = 500, 2000


@dataclass(frozen=True)
class Piece:
    """A piece of what was handed in. `text`: what was typed, or the address of a link; `file`: uuid by which its bytes
    are here, "" = the hash alone came."""

    kind: str
    name: str
    sha256: str
    bytes: int
    text: str = ""
    file: str = ""


@dataclass(frozen=True)
class Work:
    """One version with its result."""

    title: str
    point: str
    name: Mapping[str, str]
    number: int
    submitted_at: str
    school: str
    level: int | None
    reason: str
    pieces: tuple[Piece, ...]
    judged: transfer_marks.Judged | None = None


@dataclass(frozen=True)
class WorksPage:
    """The works of an arrival, for its officer and for the teacher. `with_files`: of so many files the bytes came."""

    uuid: str
    name: str
    from_name: str
    works: tuple[Work, ...]
    files: int
    with_files: int
    is_own: bool


_Text = transfer_marks.Bare
_HASH = r"^[0-9a-f]{64}$"


class _Loose(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Piece(_Loose):
    kind: str = Field(pattern="^(file|text|link)$")
    sha256: str = Field(pattern=_HASH)
    name: _Text = Field(default="", max_length=200)
    size_bytes: int = Field(default=0, ge=0, le=2**45)
    url: _Text = Field(default="", max_length=2000)


class _Item(_Loose):
    pieces: list[_Piece] = Field(default_factory=list, max_length=MOST_PIECES)


class _HandedIn(_Loose):
    items: list[_Item] = Field(max_length=200)


class _Decision(_Loose):
    point_level: int | None = Field(default=None, ge=0, le=2)
    reason: _Text = Field(default="", max_length=4000)


class _Work(_Loose):
    programme: str = Field(max_length=32)
    point: _Text = Field(max_length=32)
    name: dict[_Text, _Text] = Field(max_length=20)
    version: int = Field(ge=0, le=10_000)
    submitted_at: _Text = Field(max_length=40)
    school: _Text = Field(default="", max_length=200)
    handed_in: _HandedIn
    texts: dict[str, _Text] = Field(default_factory=dict, max_length=MOST_PIECES)
    decision: _Decision


def works_in(data: bytes, titles: Mapping[str, str], timezone: str = "UTC") -> tuple[Work, ...]:
    """The works that a package names (`transfer_package.read` has gone through it), the newest last. `timezone`: whose
    days are told."""
    works = []
    for line in transfer_package.record_of(data):
        try:
            said = _Work.model_validate(line)
        except (ValidationError, ValueError):
            continue  # a programme's line, or of a shape that we do not know
        pieces = [piece for item in said.handed_in.items for piece in item.pieces]
        works.append(
            Work(
                title=titles.get(said.programme, ""),
                point=said.point,
                name=said.name,
                number=said.version,
                submitted_at=transfer_marks.day_of(said.submitted_at, timezone),
                school=said.school,
                level=Level(said.decision.point_level) if said.decision.point_level is not None else None,
                reason=said.decision.reason,
                pieces=tuple(
                    Piece(
                        piece.kind,
                        media.clean_filename(piece.name) if piece.kind == "file" else "",
                        piece.sha256,
                        piece.size_bytes,
                        piece.url if piece.kind == "link" else said.texts.get(piece.sha256, ""),
                    )
                    for piece in pieces[:MOST_PIECES]
                ),
                judged=transfer_marks.judged_in(line, timezone),
            )
        )
    return tuple(works[-MOST_WORKS:])


def page(session: Session, actor: Actor, uuid: str, now: datetime) -> WorksPage:
    """The works of an arrival: ten queries at most. Raises NotFound, Forbidden."""
    row = _readable(session, actor, uuid)
    try:
        package = arrivals.package_of(session, row, now)
        works = works_in(
            arrivals.content_of(session, row), package.titles, get(session, Tenant, row.tenant_id).timezone
        )
    except Refused:
        raise NotFound from None  # what cannot be read any more is said on the page of the arrival
    files = session.exec(select(domain.TransferFile).where(domain.TransferFile.arrival_id == pk(row)))
    here = {file.sha256: file.uuid for file in files}
    shown = tuple(
        replace(work, pieces=tuple(replace(one, file=here.get(one.sha256, "")) for one in work.pieces))
        for work in works
    )
    named = {one.sha256 for work in shown for one in work.pieces if one.kind == "file"}
    return WorksPage(
        uuid=row.uuid,
        name=get(session, Person, row.person_id).name,
        from_name=row.from_name,
        works=shown,
        files=len(named),
        with_files=len(named & here.keys()),
        is_own=actor.is_author(row.person_id),
    )


def came_to(
    session: Session, programme: competencies.Programme, person_ids: Sequence[int]
) -> dict[str, tuple[str, str]]:
    """Points of a programme that these rows of a person hold from elsewhere: code here → uuid of the arrival, and from
    where it came. One query."""
    rows = session.exec(
        select(domain.Arrival)
        .where(
            col(domain.Arrival.person_id).in_(person_ids),
            domain.Arrival.programme_id == pk(programme),
            domain.Arrival.state == domain.ArrivalState.ACCEPTED,
        )
        .order_by(col(domain.Arrival.id))
    )
    return {code: (row.uuid, row.from_name) for row in rows for code in row.taken.get("points", {}).values()}


def file_of(session: Session, actor: Actor, uuid: str, file_uuid: str) -> tuple[str, str]:
    """Key of the storage and name of a file that came. Raises NotFound, Forbidden."""
    row = _readable(session, actor, uuid)
    file = find(session, domain.TransferFile, actor.tenant_id, file_uuid)
    if file.arrival_id != pk(row):
        raise NotFound
    stored = get(session, StoredFile, file.stored_file_id)
    return stored.storage_key, stored.filename


def _readable(session: Session, actor: Actor, uuid: str) -> competencies.transfers.Arrival:
    row = find(session, domain.Arrival, actor.tenant_id, uuid)
    is_own = actor.is_author(row.person_id)
    scope = own(actor) if is_own else transfer_reach.scope_of(session, row)
    require(actor, Permission.TRANSFER_ASK if is_own else Permission.TRANSFER_TAKE, scope)
    if row.package is None or row.state not in arrivals.SHOWN:
        raise NotFound
    return row
