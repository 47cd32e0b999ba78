"""Packing a district's archive: all tables in one snapshot, then the bytes of its files, then the manifest.

The tables are read in one transaction that sees one moment; a packing that is cut off there begins anew. Bytes never
change, so they go on where they were. Memory stays flat: rows and bytes pass through in pieces.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, func

import competencies
from competencies import FileState, StoredFile
from lms_plugin import parcel
from lms_plugin.db import as_of_one_moment, get, owned
from lms_plugin.errors import NotFound, Unavailable
from lms_plugin.flow import archive_pages, archive_tables
from lms_plugin.people import Tenant
from lms_plugin.storage import Storage

FORMAT, VERSION = "nengli-archive", 1
FACTS, FILES = "facts.json", archive_tables.member(StoredFile.__table__)  # type: ignore[attr-defined]
KEEP_EVERY = 256 << 20
"""Bytes of files between two checkpoints: what a cut costs at most."""

WITH_BYTES = frozenset({FileState.READY.value, FileState.REFUSED.value})
"""States of a file that has arrived."""


@dataclass
class Progress:
    """How far packing or taking in has come. `may_pause`: a packing that is stopped here loses nothing."""

    rows: int = 0
    files: int = 0
    all_files: int = 0
    bytes: int = 0
    all_bytes: int = 0
    may_pause: bool = False


Watch = Callable[[Progress], None]
"""Is told often, and may raise to stop: what is done by then is kept."""


@dataclass(frozen=True)
class Packed:
    """A finished archive. `missing`: files whose bytes are not there, or are no longer what was handed in."""

    hash: str
    progress: Progress
    missing: int


@dataclass
class _Export:
    packing: parcel.Packing
    storage: Storage
    watch: Watch
    progress: Progress = field(default_factory=Progress)

    def rows(self, session: Session, tenant_id: int) -> None:
        """Every table, the pages to read and what the manifest will say, as of one moment."""
        from lms_plugin import migrate  # noqa: PLC0415 - brings Alembic, which no page needs

        tenant = get(session, Tenant, tenant_id)
        counts: dict[str, list[int]] = {}
        for table in archive_tables.tables():
            count = highest = 0
            found = archive_tables.rows(session, table, tenant_id)
            with self.packing.member(archive_tables.member(table)) as target, closing(found):
                for row in found:
                    target.write(parcel.line(row))
                    count, highest = count + 1, row.get("id", highest)
                    self.progress.rows += 1
                    if self.progress.rows % 1000 == 0:
                        self.watch(self.progress)
            counts[table.name] = [count, highest]
        head = competencies.head(session, tenant_id)
        facts = {
            "format": FORMAT,
            "version": VERSION,
            "schema": migrate.heads()[0],
            "tenant": {"id": tenant_id, "uuid": tenant.uuid, "name": tenant.name},
            "rows": {name: count for name, (count, _highest) in counts.items()},
            "highest_ids": {name: highest for name, (_count, highest) in counts.items() if highest},
            "ledger": {"seals": head.number, "hash": head.hash} if head is not None else {"seals": 0, "hash": ""},
        }
        archive_pages.write(session, tenant, facts, self.packing, lambda: self.watch(self.progress))
        self.packing.text(FACTS, parcel.line(facts).decode())

    def bytes(self, path: Path) -> None:
        """The bytes of every file."""
        with parcel.Reading(path) as kept:
            for row in _arrived(kept):
                is_new = _member(row) not in self.packing
                is_in = self._put_in(row)
                if is_in:
                    self.progress.bytes += row["size_bytes"]
                self.progress.files += 1
                self.progress.may_pause = is_new and is_in  # each run packs something, however short it is
                self.watch(self.progress)
                self.progress.may_pause = False
                if self.packing.unkept >= KEEP_EVERY:
                    self.packing.checkpoint()

    def missing(self, path: Path) -> int:
        """The page that names the files whose bytes are not there; gives how many."""
        with parcel.Reading(path) as kept:
            count = sum(_member(row) not in self.packing for row in _arrived(kept))
            if archive_pages.MISSING not in self.packing:  # a packing that was cut off after it has it
                lacks = (row for row in _arrived(kept) if _member(row) not in self.packing)
                archive_pages.write_missing(self.packing, count, lacks)
        return count

    def _put_in(self, row: dict[str, Any]) -> bool:
        try:
            path = self.storage.path(row["storage_key"])
        except NotFound:
            return False
        return self.packing.file(path, row["sha256"], row["extension"], lambda: self.watch(self.progress))


def export(
    factory: "sessionmaker[Session]", tenant_id: int, storage: Storage, path: Path, watch: Watch = lambda _: None
) -> Packed:
    """Packs a district's archive at that path, or goes on with it. What `watch` raises stops it, to be gone on with.

    Raises Unavailable `archive.busy` while somebody else packs there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        packing = _begun(factory, tenant_id, path)
        work, is_all_in = _Export(packing, storage, watch), False
        try:
            if FACTS not in packing:
                with as_of_one_moment(factory) as session:
                    work.rows(session, tenant_id)
                packing.checkpoint()
            with factory() as session:
                work.progress.all_files, work.progress.all_bytes = to_pack(session, tenant_id)
            work.bytes(path)
            packing.checkpoint()
            missing = work.missing(path)
            packing.checkpoint()
            is_all_in = True  # what follows is written anew where it is cut off
            with parcel.Reading(path) as kept:
                facts = next(kept.rows(FACTS))
            work.progress.rows = sum(facts["rows"].values())
            hashed = packing.finish({**facts, "files": {"count": work.progress.files, "missing": missing}})
        except BaseException:
            if FACTS in packing and not is_all_in:
                packing.checkpoint()
            packing.close()
            raise
    return Packed(hashed, work.progress, missing)


def _arrived(kept: parcel.Reading) -> Iterator[dict[str, Any]]:
    """The rows of files that have bytes."""
    return (row for row in kept.rows(FILES) if row["state"] in WITH_BYTES and row["sha256"])


def _member(row: dict[str, Any]) -> str:
    return parcel.file_name(row["sha256"], row["extension"])


def _begun(factory: "sessionmaker[Session]", tenant_id: int, path: Path) -> parcel.Packing:
    """The packing at that path, to be gone on with; anew where what was cut off there is another district's, or of
    another version of the product."""
    packing = parcel.Packing(path)
    if FACTS in packing:
        from lms_plugin import migrate  # noqa: PLC0415 - brings Alembic, which no page needs

        with factory() as session:
            district = get(session, Tenant, tenant_id).uuid
        with parcel.Reading(path) as kept:
            facts = next(kept.rows(FACTS))
        if (facts["tenant"]["uuid"], facts["schema"]) != (district, migrate.heads()[0]):
            packing.close()
            parcel.give_up(path)
            packing = parcel.Packing(path)
    return packing


def to_pack(session: Session, tenant_id: int) -> tuple[int, int]:
    """How many files will be packed, and their bytes: for the progress."""
    wanted = owned(StoredFile, tenant_id).where(
        col(StoredFile.state).in_([FileState.READY, FileState.REFUSED]), StoredFile.sha256 != ""
    )
    some = wanted.with_only_columns(func.count(), func.coalesce(func.sum(col(StoredFile.size_bytes)), 0))
    count, size = session.execute(some).one()
    return int(count), int(size)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time works on a parcel; the lock of one that was killed is gone with it."""
    with path.with_name(path.name + ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable("archive.busy") from error
        yield


def is_busy(path: Path) -> bool:
    """Whether some process works on the parcel at this moment."""
    if not path.parent.is_dir():
        return False
    try:
        with alone(path):
            return False
    except OSError:
        return False  # nobody can write there
    except Unavailable:
        return True
