"""The files of what was handed in, on their way with a package: as many as fit, the newest works first; of the others
the hashes alone travel.

The signed package names every piece by its SHA-256, so files beside it need no word of their own: a file that it does
not name, or with other bytes, is not kept. To another installation they go in a parcel around the package; within one
the worker copies them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import competencies
from competencies import FileState, StoredFile
from lms_plugin import parcel
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import owned, pk, transaction
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import arrivals, transfer_package, transfer_works
from lms_plugin.flow.transfer_works import Piece
from lms_plugin.storage import Storage, new_key

domain = competencies.transfers
FORMAT, VERSION = "nengli-transfer-files", 1
PACKAGE = "package.zip"
MOST_FILE_BYTES = 48 * 1024 * 1024
"""Of all files together: with its package a parcel stays below what a form may send."""
MOST_BYTES = MOST_FILE_BYTES + transfer_package.MOST_BYTES
BINARY = "application/octet-stream"

Source = tuple[Piece, str]
"""A piece, and where the storage has bytes that are said to be its own."""


@dataclass(frozen=True)
class Kept:
    """Bytes that lie in the storage, under a key of their own."""

    piece: Piece
    key: str
    size: int


def sources(session: Session, tenant_id: int, package: bytes) -> list[Source]:
    """The files that a district has of what a package of its own names, the newest works first. One query."""
    works = transfer_works.works_in(package, {})
    named = {one.sha256: one for work in reversed(works) for one in work.pieces if one.kind == "file"}
    there = {
        file.sha256: file.storage_key
        for file in session.exec(
            owned(StoredFile, tenant_id)
            .where(col(StoredFile.sha256).in_(named), StoredFile.state == FileState.READY)
            .order_by(col(StoredFile.id))
        )
    }
    return [(one, there[key]) for key, one in named.items() if key in there]


def that_fit(found: Iterable[Source], storage: Storage) -> Iterator[tuple[Piece, Path]]:
    """Those whose bytes are there and have room beside the others."""
    room = MOST_FILE_BYTES
    for piece, key in found:
        try:
            path = storage.path(key)
        except NotFound:
            continue
        if (size := path.stat().st_size) <= room:
            room -= size
            yield piece, path


def pack(target: Path, package: bytes, found: Iterable[Source], storage: Storage) -> None:
    """The parcel that the teacher takes along: the signed package, and the files that fit."""
    packing = parcel.Packing(target)
    with packing.member(PACKAGE) as member:
        member.write(package)
    for piece, path in that_fit(found, storage):
        packing.file(path, piece.sha256, "")
    packing.checkpoint()
    packing.finish({"format": FORMAT, "version": VERSION})


def unwrap(path: Path) -> bytes:
    """The signed package in what came: alone, or in a parcel with files, every byte of which is what its list says.
    Raises Refused `parcel.…`, `transfer.too_large`."""
    with parcel.Opened(path) as opened:
        if opened.manifest.get("format") != FORMAT:
            return _at_most(path.open("rb"), transfer_package.MOST_BYTES)
        opened.must_be(FORMAT, (VERSION,))
        if opened.bytes_inside > MOST_BYTES + parcel.CHUNK:
            raise Refused("transfer.too_large", most=MOST_BYTES // 1024 // 1024)
        opened.verify()
        if PACKAGE not in opened:
            raise Refused("parcel.changed", name=PACKAGE)
        with opened.stream(PACKAGE) as stream:
            return _at_most(stream, transfer_package.MOST_BYTES)


def _at_most(stream: IO[bytes], most: int) -> bytes:
    with stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise Refused("transfer.too_large", most=most // 1024 // 1024)
    return data


def receive(session: Session, actor: Actor, storage: Storage, path: Path, now: datetime) -> None:
    """The teacher sends the file that they were given elsewhere: the package alone, or its parcel with files. Raises
    Refused as `unwrap` and `arrivals.receive_file`."""
    require(actor, Permission.TRANSFER_ASK, own(actor))
    row = arrivals.receive_file(session, actor, unwrap(path), now)
    _keep_sent(session, storage, row, path, now)


def _keep_sent(
    session: Session, storage: Storage, row: competencies.transfers.Arrival, path: Path, now: datetime
) -> None:
    """Keeps the files of a parcel (`unwrap` has gone through it) that the package of this arrival names."""
    package = arrivals.content_of(session, row)
    with parcel.Opened(path) as opened:
        if opened.manifest.get("format") != FORMAT:
            return
        named = {one.sha256: one for work in transfer_works.works_in(package, {}) for one in work.pieces}
        members = {key: parcel.file_name(key, "") for key, one in named.items() if one.kind == "file"}
        _note(
            session,
            row,
            [
                kept
                for key, member in members.items()
                if member in opened and (kept := _stored(storage, named[key], partial(opened.stream, member)))
            ],
            now,
        )


def _bytes_at(path: Path) -> IO[bytes]:
    return path.open("rb")


def _stored(storage: Storage, piece: Piece, opened: Callable[[], AbstractContextManager[IO[bytes]]]) -> Kept | None:
    """Copies bytes under a key of their own; None where they are not those of the piece."""
    key = new_key()
    storage.create(key)
    with opened() as stream:
        size = storage.write_part(key, 0, stream, MOST_FILE_BYTES)
    if storage.commit(key) == piece.sha256:
        return Kept(piece, key, size)
    storage.delete(key)
    return None


def _note(session: Session, row: competencies.transfers.Arrival, files: Collection[Kept], now: datetime) -> None:
    """The rows of files that lie in the storage. They are never shown in a page, nor put into a work: nobody here has
    looked into them, so they have no type."""
    for one in files:
        stored = StoredFile(
            tenant_id=row.tenant_id,
            person_id=row.person_id,
            state=FileState.READY,
            filename=one.piece.name,
            storage_key=one.key,
            size_bytes=one.size,
            received_bytes=one.size,
            sha256=one.piece.sha256,
            mime=BINARY,
            started_at=now,
            completed_at=now,
        )
        session.add(stored)
        session.flush()
        session.add(
            domain.TransferFile(
                tenant_id=row.tenant_id,
                arrival_id=pk(row),
                sha256=one.piece.sha256,
                stored_file_id=pk(stored),
                came_at=now,
            )
        )
    session.flush()


# --- within one installation ---


def bring(sessions: "sessionmaker[Session]", storage: Storage, ids: dict[str, int], now: datetime) -> None:
    """The job: what fits is copied into the district where the package arrived, unless it was refused or called back
    meanwhile. Run twice it copies nothing the second time."""
    with sessions() as session:
        row = session.get_one(domain.Arrival, ids["arrival_id"])
        sender = session.get_one(domain.Transfer, ids["transfer_id"])
        if row.state not in arrivals.SHOWN or _known(session, row):
            return
        found = sources(session, sender.tenant_id, arrivals.content_of(session, row))
    made = [
        kept for piece, path in that_fit(found, storage) if (kept := _stored(storage, piece, partial(_bytes_at, path)))
    ]
    with transaction(sessions) as session:
        row = session.exec(select(domain.Arrival).where(domain.Arrival.id == ids["arrival_id"]).with_for_update()).one()
        is_kept = bool(arrivals.content_of(session, row))  # else its person was erased meanwhile
        if row.state in arrivals.SHOWN and is_kept and not _known(session, row):
            _note(session, row, made, now)
            made = []
    for kept in made:
        storage.delete(kept.key)


def _known(session: Session, row: competencies.transfers.Arrival) -> bool:
    known = select(domain.TransferFile.id).where(domain.TransferFile.arrival_id == pk(row))
    return session.exec(known).first() is not None
