"""打包: the worker packs the archive that an officer asked for, a part in each run of its job.

A run goes on for a minute and asks for the next one, so scores do not wait. A worker that is killed leaves what the
last checkpoint kept; the next run goes on there (`archive_export`).
"""

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

from lms_plugin import leaving, outbox, parcel
from lms_plugin.db import pk, transaction
from lms_plugin.flow import archive_export
from lms_plugin.flow.archives import KEPT
from lms_plugin.leaving import ArchiveState, TenantArchive
from lms_plugin.storage import Storage

RUN = timedelta(minutes=1)
TELL = timedelta(seconds=2)
SPARE = 1 << 30
"""Bytes of the disk that packing leaves to everybody else."""


class _Over(Exception):
    """It was cancelled, or is ended otherwise."""


class _Pause(Exception):
    """The next run of the job goes on."""


def file_of(folder: Path, uuid: str) -> Path:
    """Where an archive's file lies."""
    return folder / f"{uuid}.zip"


def make(
    sessions: "sessionmaker[Session]",
    storage: Storage,
    folder: Path,
    ids: dict[str, int],
    clock: Callable[[], datetime],
) -> None:
    """One run of the job. Run twice it does no harm: the second one is told that somebody packs."""
    run = _Run(sessions, ids["archive_id"], clock)
    try:
        with transaction(sessions) as session:
            row = run.row(session)
            row.state = ArchiveState.PACKING
            session.add(row)
            tenant_id, uuid = row.tenant_id, row.uuid
        path = file_of(folder, uuid)
        with sessions() as session:
            _count, size = archive_export.to_pack(session, tenant_id)
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() and shutil.disk_usage(folder).free < size + SPARE:
            run.fail("archive.no_room")
            return
        packed = archive_export.export(sessions, tenant_id, storage, path, run.watch)
        run.ready(packed, path.stat().st_size)
    except _Pause:
        with transaction(sessions) as session:
            row = run.row(session)
            outbox.put(session, row.tenant_id, outbox.ARCHIVE, str(pk(row)), ids, clock())
    except _Over:
        clear_old(sessions, folder, clock())
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            run.fail("archive.not_writable")
            return
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        run.fail("archive.no_room")
        clear_old(sessions, folder, clock())


def give_up(sessions: "sessionmaker[Session]", folder: Path, ids: dict[str, int], now: datetime) -> bool:
    """It broke, or its worker was killed, time after time: the page says so, and what there is of it goes. False where
    somebody is at it."""
    with transaction(sessions) as session:
        row = session.get(TenantArchive, ids["archive_id"], with_for_update=True, populate_existing=True)
        if row is not None and row.state in leaving.OPEN:
            if archive_export.is_busy(file_of(folder, row.uuid)):
                return False
            row.state, row.problem, row.ended_at = ArchiveState.FAILED, "archive.broken", now
            session.add(row)
    with suppress(OSError):  # perhaps the very reason
        clear_old(sessions, folder, now)
    return True


class _Run:
    """One run: what it tells the page, and what stops it."""

    def __init__(self, sessions: "sessionmaker[Session]", archive_id: int, clock: Callable[[], datetime]) -> None:
        self._sessions, self._id, self._clock = sessions, archive_id, clock
        self._until = clock() + RUN
        self._tells_at = clock()

    def row(self, session: Session) -> TenantArchive:
        """The archive's row, locked. Raises _Over where it is not to be gone on with."""
        row = session.get(TenantArchive, self._id, with_for_update=True, populate_existing=True)
        if row is None or row.state not in leaving.OPEN:
            raise _Over
        return row

    def watch(self, progress: archive_export.Progress) -> None:
        """Tells the page now and then; stops where it was cancelled, and pauses when the run is long enough."""
        now = self._clock()
        if now >= self._tells_at:
            self._tells_at = now + TELL
            with transaction(self._sessions) as session:
                self._tell(session, progress)
        if progress.may_pause and now >= self._until:
            raise _Pause

    def _tell(self, session: Session, progress: archive_export.Progress) -> TenantArchive:
        row = self.row(session)
        row.rows = max(row.rows, progress.rows)  # the tables are not read again by a later run
        row.files, row.all_files = progress.files, progress.all_files
        row.bytes, row.all_bytes = progress.bytes, progress.all_bytes
        session.add(row)
        return row

    def ready(self, packed: archive_export.Packed, size: int) -> None:
        """The file can be fetched."""
        with transaction(self._sessions) as session:
            row = self._tell(session, packed.progress)
            row.state, row.ended_at = ArchiveState.READY, self._clock()
            row.manifest_hash, row.missing, row.size_bytes = packed.hash, packed.missing, size

    def fail(self, code: str) -> None:
        """It cannot be packed; the page says why."""
        with transaction(self._sessions) as session:
            row = self.row(session)
            row.state, row.problem, row.ended_at = ArchiveState.FAILED, code, self._clock()
            session.add(row)


def clear_old(sessions: "sessionmaker[Session]", folder: Path, now: datetime) -> int:
    """Deletes files that were packed `KEPT` ago, and those that nobody wants any more; gives how many."""
    with transaction(sessions) as session:
        for row in session.exec(
            select(TenantArchive)
            .where(TenantArchive.state == ArchiveState.READY, col(TenantArchive.ended_at) <= now - KEPT)
            .order_by(col(TenantArchive.id))
        ):
            row.state = ArchiveState.GONE
            session.add(row)
        session.flush()
        ended = [ArchiveState.GONE, ArchiveState.CANCELLED, ArchiveState.FAILED]
        gone = session.exec(
            select(TenantArchive.uuid).where(col(TenantArchive.state).in_(ended)).order_by(col(TenantArchive.id))
        ).all()
    count = 0
    for uuid in gone:
        path = file_of(folder, uuid)
        if path.with_name(path.name + ".lock").exists():
            parcel.give_up(path)
            path.with_name(path.name + ".lock").unlink(missing_ok=True)
            count += 1
    return count
