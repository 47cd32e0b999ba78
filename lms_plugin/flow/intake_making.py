"""收下, by the worker: an archive is looked through and its files are brought in, a part in each run of the job; then
all records at once.

A run goes on for a minute and asks for the next one, so scores do not wait. A worker that is killed goes on where it
last told the page; while all records are written, which is one transaction, it begins that anew.
"""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import lti
from lms_plugin import leaving, outbox
from lms_plugin.db import transaction
from lms_plugin.errors import Refused, Unavailable
from lms_plugin.flow import archive_import
from lms_plugin.flow.archive_import import CHECKED, Come, Coming, Taken
from lms_plugin.leaving import ArchiveIntake, IntakeState
from lms_plugin.storage import Storage

RUN = timedelta(minutes=1)
TELL = timedelta(seconds=2)
SPARE = 1 << 30
"""Bytes of the disk that arriving leaves to everybody else."""

_STATES = {"checking": IntakeState.CHECKING, "files": IntakeState.FILES, "records": IntakeState.RECORDS}


class _Over(Exception):
    """It was stopped, or is ended otherwise."""


class _Pause(Exception):
    """The next run of the job goes on."""


def make(
    sessions: "sessionmaker[Session]",
    storage: Storage,
    secret_key: str,
    ids: dict[str, int],
    clock: Callable[[], datetime],
) -> None:
    """One run of the job. Run twice it does no harm: the second one is told that somebody takes it in."""
    run = _Run(sessions, storage, ids["intake_id"], clock)
    try:
        path, come, options = run.begin()
        archive_import.take_in(sessions, storage, path, run.watch, come=come, ending=run.ending(secret_key), **options)
    except _Pause:
        with transaction(sessions) as session:
            run.row(session)
            outbox.put(session, None, outbox.INTAKE, str(ids["intake_id"]), ids, clock())
    except _Over:
        run.take_back()
    except Refused as refused:
        run.fail(refused.code, refused.params)
        run.take_back()
    except Unavailable as error:
        if error.code != "storage.full":
            raise
        run.fail("intake.no_room")
        run.take_back()


def give_up(sessions: "sessionmaker[Session]", storage: Storage, ids: dict[str, int], now: datetime) -> bool:
    """It broke, or its worker was killed, time after time: the page says so. False where somebody is at it."""
    if archive_import.is_busy(storage):
        return False
    with transaction(sessions) as session:
        row = session.get(ArchiveIntake, ids["intake_id"], with_for_update=True, populate_existing=True)
        if row is not None and row.state in leaving.BEING_TAKEN_IN:
            row.state, row.problem, row.problem_params = IntakeState.FAILED, leaving.BROKEN, {}
            row.ended_at = now
            session.add(row)
    return True


class _Run:
    """One run: where it goes on, what it tells the page, and what stops it."""

    def __init__(
        self, sessions: "sessionmaker[Session]", storage: Storage, intake_id: int, clock: Callable[[], datetime]
    ) -> None:
        self._sessions, self._storage, self._id, self._clock = sessions, storage, intake_id, clock
        self._until = clock() + RUN
        self._tells_at = clock()
        self._step, self._is_sqlite, self._is_first = "", False, True

    def row(self, session: Session) -> ArchiveIntake:
        """The row, locked. Raises _Over where it is not to be gone on with."""
        row = session.get(ArchiveIntake, self._id, with_for_update=True, populate_existing=True)
        if row is None or row.state not in leaving.BEING_TAKEN_IN:
            raise _Over
        return row

    def begin(self) -> tuple[Path, Come, dict[str, Any]]:
        """Where the file lies, how far the same file was looked through, and what else the operator said."""
        with transaction(self._sessions) as session:
            self._is_sqlite = session.get_bind().dialect.name == "sqlite"
            row = self.row(session)
            path, mark = Path(row.path), _mark(Path(row.path))
            if mark != row.file_mark:
                row.file_mark, row.checked_to, row.files = mark, "", 0
            if row.state is IntakeState.WAITING:
                row.state = IntakeState.CHECKING
            session.add(row)
            come, self._is_first = Come(row.checked_to, row.files), not row.files
            return path, come, {"expected": row.manifest_hash, "with_faults": row.with_faults}

    def watch(self, coming: Coming) -> None:
        """Tells the page now and then; stops where it was cancelled, and pauses when the run is long enough."""
        now = self._clock()
        is_next = coming.step != self._step
        if is_next:
            self._step = coming.step
            if self._step == "files":
                self._must_fit(coming)
        is_silent = self._is_sqlite and self._step == "records"  # nobody else writes meanwhile, we ourselves neither
        if is_next or (now >= self._tells_at and not is_silent):
            self._tells_at = now + TELL
            self._tell(coming)
        if coming.may_pause and now >= self._until:
            self._tell(coming)
            raise _Pause

    def _must_fit(self, coming: Coming) -> None:
        if self._is_first and shutil.disk_usage(self._storage.root).free < coming.all_bytes + SPARE:
            raise Refused("intake.no_room")

    def _tell(self, coming: Coming) -> None:
        with transaction(self._sessions) as session:
            row = self.row(session)
            _note(row, coming)
            session.add(row)

    def ending(self, secret_key: str) -> Callable[[Session, Taken], None]:
        """What is written together with the records: it is done, and the installation has a key to sign with."""

        def write(session: Session, taken: Taken) -> None:
            row = self.row(session)
            _note(row, taken.progress)
            row.state, row.ended_at, row.faults = IntakeState.DONE, self._clock(), taken.faults
            session.add(row)
            lti.ensure_tool_key(session, secret_key, self._clock())

        return write

    def fail(self, code: str, params: dict[str, Any] | None = None) -> None:
        """It cannot be taken in; the page says why. Nothing of it is here."""
        with transaction(self._sessions) as session:
            row = self.row(session)
            row.state, row.problem, row.ended_at = IntakeState.FAILED, code, self._clock()
            row.problem_params = {name: str(value)[:200] for name, value in (params or {}).items()}
            session.add(row)

    def take_back(self) -> None:
        """Files that came of an archive that is not taken in after all. What cannot be found out any more, because its
        file is gone, `clearing` takes away in its time."""
        with self._sessions() as session:
            row = session.get(ArchiveIntake, self._id)
            had_files = row is not None and row.checked_to == CHECKED and row.state not in leaving.BEING_TAKEN_IN
            path = Path(row.path) if row is not None else Path()
        if had_files:
            try:
                archive_import.take_back(self._sessions, self._storage, path)
            except Refused:
                return


def _mark(path: Path) -> str:
    """What changes when somebody puts another file in its place. Raises Refused `parcel.not_there`."""
    try:
        found = path.stat()
    except OSError as error:
        raise Refused("parcel.not_there") from error
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"


def _note(row: ArchiveIntake, coming: Coming) -> None:
    if coming.step in _STATES:
        row.state = _STATES[coming.step]
    row.checked_to, row.rows, row.all_rows = coming.checked_to, coming.rows, coming.all_rows
    row.files, row.all_files = max(row.files, coming.files), coming.all_files
    row.bytes, row.all_bytes = coming.bytes, coming.all_bytes
