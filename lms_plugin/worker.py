"""The worker: huey wakes, the outbox row decides. Claim (tx) → handler (its own short steps) → settle (tx)."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from huey import Huey, PostgresHuey, SqliteHuey, crontab
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, delete

import competencies
import lti
import rubrics
from lms_plugin import leaving, outbox
from lms_plugin.config import Settings
from lms_plugin.db import engine, session_factory, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow import (
    appeal_panel,
    archive_making,
    award,
    batches,
    booking,
    bundle_making,
    clear_passes,
    clearing,
    digest,
    doubts,
    held_hours,
    host_list,
    host_notices,
    intake_making,
    messages_mail,
    report,
    retry,
    review,
    sealing,
    training_hours,
    transfer_files,
)
from lms_plugin.net import Http
from lms_plugin.people import Ticket, WebSession
from lms_plugin.storage import Storage

log = logging.getLogger("nengli.worker")

Handler = Callable[[report.Post, dict[str, int], datetime], None]
HANDLERS: dict[str, Handler] = {
    report.SCORE_JOB: report.send_scores,
    report.COLUMNS_JOB: report.make_columns,
    outbox.MEMBERS: host_list.read,
    outbox.NOTICES: host_notices.subscribe,
    outbox.DIGEST: digest.gather,
}
Parts = Callable[[sessionmaker[Session], dict[str, int], Callable[[], datetime]], None]
BY_PARTS: dict[str, Parts] = {
    outbox.RULES: booking.apply_rules,
    outbox.TRAINING: training_hours.book_rest,
    outbox.RELEASE: award.release_rest,
    outbox.CLEAR: clear_passes.pass_clear,
}
"""Long ones, with many transactions in a run: each looks at the clock for itself."""
CLEARING = timedelta(hours=1)
TRIES = 5
"""So often a part of an archive is tried, within some minutes, before its page says that it failed."""
SEALS_AT_ONCE = 100
"""What a district's ledger is sealed by in one minute: 100 000 entries. Only a first upgrade has more."""


def utc_now() -> datetime:
    """The moment, aware, UTC."""
    return datetime.now(UTC)


class Worker:
    """Runs due jobs. `clock` may be given by tests; everything else comes from the settings."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = engine(settings.database_url)
        self.sessions = session_factory(self.engine)
        self.post = report.Post(
            self.sessions,
            Http(
                allow_loopback=settings.allow_loopback,
                networks=settings.networks,
                pace=lti.Pace(self.sessions, settings.host_rate),
            ),
            settings.secret_key.get_secret_value(),
            settings.launch_url,
        )
        self.storage = Storage(settings.storage_dir)
        self.cleared_at: datetime | None = None
        self.looked_at: datetime | None = None
        self.handlers: dict[str, Handler] = {
            **HANDLERS,
            **{kind: self._by_parts(parts) for kind, parts in BY_PARTS.items()},
            outbox.BUNDLE: self.make_bundle,
            outbox.TRANSFER_FILES: self.bring_files,
            outbox.ARCHIVE: self.pack,
            outbox.INTAKE: self.take_in,
            outbox.MAIL: self.send_letter,
            outbox.MAIL_CODE: self.send_code,
        }
        self.channel = messages_mail.channel_of(settings)
        self.house = messages_mail.House(
            settings.secret_key.get_secret_value(),
            settings.public_url,
            settings.product_name,
            settings.product_name_en,
            messages_mail.Daytime(settings.letters_from, settings.letters_until),
        )
        self.ends: dict[str, Callable[[dict[str, int], datetime], bool]] = {
            outbox.ARCHIVE: self.end_packing,
            outbox.INTAKE: self.end_intake,
        }

    def close(self) -> None:
        """Gives the database's connections back."""
        self.engine.dispose()

    def run_job(self, job_id: int) -> timedelta | None:
        """One run of one job, if nobody else has it. Gives how long until it wants to run again, None when it ended."""
        now = self.clock()
        with transaction(self.sessions) as session:
            job = outbox.claim(session, job_id, now)
            if job is None:
                return None
            kind, ids = job.kind, dict(job.ids)
            is_hopeless = job.attempts > TRIES and not job.last_error.startswith("archive.busy")
        trouble: Unavailable | None = None
        try:
            # Asked before the run, because a worker that was killed has told nobody why.
            if not (is_hopeless and kind in self.ends and self.ends[kind](ids, now)):
                self.handlers[kind](self.post, ids, now)
        except Unavailable as error:
            trouble = error
            log.info("job %s %s: %s %s", job_id, kind, error.code, error.words)
        except Exception:
            log.exception("job %s %s broke", job_id, kind)
            trouble = Unavailable("job.broken")
        later = self.clock()
        with transaction(self.sessions) as session:
            state = outbox.settle(session, job, trouble, later)
            if state is outbox.JobState.FAILED and kind == report.SCORE_JOB:
                report.give_up(session, ids, later)
            if state is not outbox.JobState.READY and kind == report.SCORE_JOB:
                digest.look_again(session, ids["course_id"], later)
            row = session.get(outbox.Job, job_id)
            again = row.run_at - later if row is not None and state is outbox.JobState.READY else None
        return max(again, timedelta(0)) if again is not None else None

    def make_bundle(self, _post: report.Post, ids: dict[str, int], _now: datetime) -> None:
        """A part of a ZIP of certificates."""
        bundle_making.make(self.sessions, self.storage, self.settings.public_url, ids, self.clock)

    def bring_files(self, _post: report.Post, ids: dict[str, int], now: datetime) -> None:
        """The files of a record that has arrived from another district."""
        transfer_files.bring(self.sessions, self.storage, ids, now)

    def _by_parts(self, parts: Parts) -> Handler:
        return lambda _post, ids, _now: parts(self.sessions, ids, self.clock)

    def pack(self, _post: report.Post, ids: dict[str, int], _now: datetime) -> None:
        """A part of the archive of a district."""
        archive_making.make(self.sessions, self.storage, self.settings.archive_dir, ids, self.clock)

    def end_packing(self, ids: dict[str, int], now: datetime) -> bool:
        """An archive that cannot be packed is given up."""
        return archive_making.give_up(self.sessions, self.settings.archive_dir, ids, now)

    def take_in(self, _post: report.Post, ids: dict[str, int], _now: datetime) -> None:
        """A part of a district's arrival."""
        secret_key = self.settings.secret_key.get_secret_value()
        intake_making.make(self.sessions, self.storage, secret_key, ids, self.clock)

    def end_intake(self, ids: dict[str, int], now: datetime) -> bool:
        """An archive that cannot be taken in is given up."""
        return intake_making.give_up(self.sessions, self.storage, ids, now)

    def send_letter(self, _post: report.Post, ids: dict[str, int], now: datetime) -> None:
        """The letter of a day to one address."""
        messages_mail.send_letter(self.sessions, self.channel, self.house, ids, now)

    def send_code(self, _post: report.Post, ids: dict[str, int], now: datetime) -> None:
        """The code by which an address is confirmed."""
        messages_mail.send_code(self.sessions, self.channel, self.house, ids, now)

    def run_due(self, limit: int = 50) -> int:
        """Runs all jobs that are due now, one after the other; gives the number. Stops where none is left."""
        ran = 0
        while True:
            with self.sessions() as session:
                due = outbox.due(session, self.clock(), limit)
            if not due:
                return ran
            for job_id in due:
                self.run_job(job_id)
                ran += 1

    def tick(self) -> None:
        """What time brings: reviews to allot, decisions to release, entries of the ledger to seal, lists to read,
        scores to send once more, the digest, old rows to forget.

        Each for itself: what breaks is logged and holds up nothing else, least of all the sign that the worker lives.
        """
        now = self.clock()
        with self._alone("beat") as session:
            outbox.beat(session, now)
        self._sweep(review.to_allot, review.allocate_due, now)
        self._sweep(doubts.to_weigh, doubts.weigh_due, now)
        self._sweep(clear_passes.to_ask, clear_passes.ask_due, now)
        self._sweep(award.to_release, award.release_due, now)
        self._sweep(held_hours.to_end, held_hours.end_due, now)
        self.release_batches(now)
        self.look_for_panels(now)
        self.seal(now)
        with self._alone("ask_due") as session:
            host_list.ask_due(session, now)
        with self._alone("ask_notices") as session:
            host_notices.ask_due(session, now)
        with self._alone("ask_again") as session:
            retry.ask_again(session, now)
        with self._alone("ask_digests") as session:
            digest.ask_digests(session, now)
        if self.channel is not None:
            with self._alone("ask_letters") as session:
                messages_mail.ask_letters(session, now, self.house.daytime)
        with self._alone("rotate_when_due") as session:
            every = timedelta(days=self.settings.key_days)
            lti.rotate_when_due(session, self.settings.secret_key.get_secret_value(), now, every)
        with self._alone("forget_old") as session:
            self._forget_old(session, now)
        if self.cleared_at is None or now - self.cleared_at >= CLEARING:
            self.cleared_at = now
            with self._alone("forget_names") as session:
                host_list.forget_names(session, now)
            try:
                self.clear_away(now)
            except Exception:
                log.exception("clear_away broke")

    def release_batches(self, now: datetime) -> None:
        """Releases the school batches whose 公示 is over: one transaction for each."""
        due: list[int] = []
        with self._alone("due batches") as session:
            due = leaving.still_open(session, competencies.batches.SchoolBatch, batches.due(session, now), now)
        for batch_id in due:
            with self._alone(f"release of batch {batch_id}") as session:
                batches.release_due(session, batch_id, now)

    def look_for_panels(self, now: datetime) -> None:
        """Asks once an hour whom the panels of appeals lack: one transaction for each appeal."""
        if self.looked_at is not None and now - self.looked_at < CLEARING:
            return
        self.looked_at = now
        due: list[int] = []
        with self._alone("appeals") as session:
            due = leaving.still_open(session, rubrics.appeals.Appeal, appeal_panel.due(session, now), now)
        for appeal_id in due:
            with self._alone(f"panel of appeal {appeal_id}") as session:
                appeal_panel.look_again(session, appeal_id, now)

    def seal(self, now: datetime) -> None:
        """Puts every district's new entries of the ledger under a seal: one transaction for each seal."""
        waiting: list[int] = []
        with self._alone("to_seal") as session:
            waiting = competencies.to_seal(session)
        for tenant_id in waiting:
            for _ in range(SEALS_AT_ONCE):
                sealed = 0
                with self._alone(f"seal of district {tenant_id}") as session:
                    sealed = sealing.seal_due(session, tenant_id, now)
                if sealed < competencies.MOST_IN_A_SEAL:
                    break

    def _forget_old(self, session: Session, now: datetime) -> None:
        """Rows that nobody will ask for again: logins, the launch log, tickets, sessions."""
        lti.sweep(session, now, timedelta(days=self.settings.log_days))
        session.execute(delete(Ticket).where(col(Ticket.expires_at) < now - timedelta(days=1)))
        session.execute(delete(WebSession).where(col(WebSession.expires_at) < now - timedelta(days=30)))

    def clear_away(self, now: datetime) -> int:
        """Deletes the bytes that nothing has needed for `keep_removed_days`; gives how many files. See `clearing`.

        Each hour also looks through a sixteenth of the disk for bytes that belong to no file.
        """
        grace = timedelta(days=self.settings.keep_removed_days)
        with transaction(self.sessions) as session:
            clearing.mark_unused(session, now)
        with transaction(self.sessions) as session:
            gone = clearing.let_go(session, now, grace)
        bundle_making.clear_old(self.sessions, self.storage, now)
        archive_making.clear_old(self.sessions, self.settings.archive_dir, now)
        digit = f"{int(now.timestamp() // 3600) % 16:x}"
        old = [key for key, changed_at in self.storage.keys(digit) if changed_at <= now - grace]
        with self.sessions() as session:
            lost = clearing.unknown(session, old)
        for key in (*gone, *lost):
            self.storage.delete(key)
        with transaction(self.sessions) as session:
            clearing.forget(session, gone)
        return len(gone) + len(lost)

    def _sweep(
        self, find: Callable[[Session], list[int]], act: Callable[[Session, int, datetime], object], now: datetime
    ) -> None:
        """One transaction for each programme: what breaks in one district holds up no other."""
        found: list[int] = []
        with self._alone(find.__name__) as session:
            found = leaving.still_open(session, competencies.Programme, find(session), now)
        for programme_id in found:
            with self._alone(f"{act.__name__} of programme {programme_id}") as session:
                act(session, programme_id, now)

    @contextmanager
    def _alone(self, what: str) -> Iterator[Session]:
        """A transaction that may break without harm to what comes after it."""
        try:
            with transaction(self.sessions) as session:
                yield session
        except Exception:
            log.exception("%s broke", what)


def queue_of(settings: Settings) -> Huey:
    """The wake-up queue: in PostgreSQL beside the data, or in a SQLite file of its own."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "postgresql":
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return PostgresHuey("nengli", dsn=dsn, results=False)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return SqliteHuey("nengli", filename=str(settings.data_dir / "queue.sqlite3"), results=False)


def tasks_of(queue: Huey, worker_of: Callable[[], Worker]) -> Any:
    """Registers the two tasks; gives `wake`, which the web calls after a commit."""

    @queue.task(name="wake")
    def wake() -> None:
        """Runs what is due; what wants to run again soon wakes us again then."""
        worker = worker_of()
        with worker.sessions() as session:
            due = outbox.due(session, worker.clock())
        soonest: timedelta | None = None
        for job_id in due:
            again = worker.run_job(job_id)
            if again is not None:
                soonest = again if soonest is None else min(soonest, again)
        if soonest is None and due:
            soonest = timedelta(0)  # a job may have asked for another, e.g. a score for its column
        if soonest is not None and soonest < timedelta(minutes=1):
            wake.schedule(delay=max(soonest.total_seconds(), 0.2))

    @queue.periodic_task(crontab(minute="*"), name="sweep")
    def sweep() -> None:
        """Every minute: what was missed, and what time brings."""
        worker_of().tick()
        wake()

    return wake


def waker(settings: Settings) -> Callable[[], None]:
    """For the web: puts a wake-up into the queue. A queue that is down costs a minute, never a job."""
    queue = queue_of(settings)
    wake = tasks_of(queue, _never)

    def call() -> None:
        try:
            wake()
        except Exception:
            log.exception("the worker could not be woken; its sweep will find the job")

    return call


def _never() -> Worker:
    raise RuntimeError("tasks run in the worker process only")


def run(settings: Settings, threads: int = 2) -> None:
    """Runs until it is told to stop (SIGINT, SIGTERM finish the job under way)."""
    queue = queue_of(settings)
    worker = Worker(settings)
    wake = tasks_of(queue, lambda: worker)
    worker.tick()
    wake()  # by the queue: a job of an hour must not keep the clock from ticking
    queue.create_consumer(workers=threads, worker_type="thread", max_delay=1.0).run()
