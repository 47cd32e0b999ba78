"""What leaves the process: Job rows written in the business transaction. The row decides, huey only wakes the handler.

A job carries ids, not values: its handler reads the current truth, so running twice does no harm.
"""

import enum
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Index, and_, case, or_, text, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Model, choice, pk
from lms_plugin.errors import Unavailable

LEASE = timedelta(minutes=5)
AT_ONCE = 500  # jobs in one statement: far below what either database takes
MAX_ATTEMPTS = 150  # after the first hour one an hour: a host may be down for a long holiday weekend
SCORE = "score"  # one person's scores into one course's gradebook
COLUMNS = "columns"  # the columns of one course's gradebook
MEMBERS = "members"  # the list of one course
BUNDLE = "certificate_bundle"  # the certificates of a unit in one ZIP, a part of them
NOTICES = "notices"  # which platform notices the host of one deployment sends us
ARCHIVE = "archive"  # everything of a district in one file, a part of it
INTAKE = "intake"  # a district that arrives in one file, a part of it
DIGEST = "digest"  # one district's stuck scores of one day
TRANSFER_FILES = "transfer_files"  # the files of what one person handed in elsewhere
RULES = "rules"  # everybody's hours in one programme after its rules have changed
TRAINING = "training"  # hours of a closed training: those that one transaction does not take
CLEAR = "pass_clear"  # works of one programme that reviewers find clearly 合格
MAIL, MAIL_CODE = "mail", "mail_code"  # a letter of the day, a code to a new address
RELEASE = "release"  # decided works of one programme: all that somebody released, however many


class JobState(enum.Enum):
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Model, table=True):
    """Something to do outside the transaction. (kind, key) is unique among open jobs: asking twice asks once.

    `asked_again` says that it was asked for while running: it then runs once more, so the last truth always leaves.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index(
            "uq_job_open",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("state IN ('ready', 'running')"),
            postgresql_where=text("state IN ('ready', 'running')"),
        ),
        Index("ix_job_due", "state", "run_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int | None = Field(default=None, foreign_key="tenant.id", index=True)  # None: the installation's own
    kind: str = Field(max_length=32)
    key: str = Field(max_length=200)
    ids: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: JobState = Field(default=JobState.READY, sa_type=choice(JobState))
    attempts: int = Field(default=0)
    asked_again: bool = Field(default=False)
    run_at: datetime
    lease_until_at: datetime | None = None
    last_error: str = Field(default="", max_length=500)
    created_at: datetime
    settled_at: datetime | None = None


class WorkerBeat(Model, table=True):
    """When the worker last swept: one row, written every minute."""

    __tablename__ = "worker_beat"
    id: int = Field(default=1, primary_key=True)
    at: datetime


def beat(session: Session, now: datetime) -> None:
    """The worker is alive."""
    session.merge(WorkerBeat(at=now))


def last_beat(session: Session) -> datetime | None:
    """When the worker last swept; None = never."""
    row = session.get(WorkerBeat, 1)
    return row.at if row is not None else None


def put(session: Session, tenant_id: int | None, kind: str, key: str, ids: Mapping[str, int], now: datetime) -> Job:
    """Asks for a job in the current transaction; an open job of the same kind and key is brought forward instead."""
    job = _open_job(session, kind, key)
    if job is None:
        made = Job(tenant_id=tenant_id, kind=kind, key=key, ids=dict(ids), run_at=now, created_at=now)
        try:
            with session.begin_nested():
                session.add(made)
        except IntegrityError:  # somebody else asked in the same moment: theirs is ours
            job = _open_job(session, kind, key)
            if job is None:
                raise
        else:
            return made
    if job.state is JobState.RUNNING:
        job.asked_again = True
    else:
        job.run_at, job.attempts = now, 0
    session.add(job)
    session.flush()
    return job


def put_many(
    session: Session, tenant_id: int, kind: str, wanted: Mapping[str, Mapping[str, int]], now: datetime
) -> None:
    """As `put` for many jobs of one kind (key → ids) at once: a statement for each `AT_ONCE` of them.

    Keys go in one order, so that two who ask for the same jobs wait for one another instead of dead-locking.
    """
    table = Job.__table__  # type: ignore[attr-defined]
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    keys = sorted(wanted)
    for start in range(0, len(keys), AT_ONCE):
        statement = insert(table).values(
            [
                {
                    "tenant_id": tenant_id,
                    "kind": kind,
                    "key": key,
                    "ids": dict(wanted[key]),
                    "state": JobState.READY,
                    "attempts": 0,
                    "asked_again": False,
                    "run_at": now,
                    "last_error": "",
                    "created_at": now,
                }
                for key in keys[start : start + AT_ONCE]
            ]
        )
        running = table.c.state == JobState.RUNNING
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["kind", "key"],
                index_where=text("state IN ('ready', 'running')"),
                set_={
                    "asked_again": case((running, true()), else_=table.c.asked_again),
                    "run_at": case((running, table.c.run_at), else_=statement.excluded.run_at),
                    "attempts": case((running, table.c.attempts), else_=0),
                },
            )
        )


def _open_job(session: Session, kind: str, key: str) -> Job | None:
    """The open job of that kind and key, locked until this transaction ends and read afresh."""
    return session.exec(
        select(Job)
        .where(Job.kind == kind, Job.key == key, col(Job.state).in_([JobState.READY, JobState.RUNNING]))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def open_jobs(session: Session, kind: str, prefix: str) -> Sequence[Job]:
    """The jobs of that kind, whose key begins so, that are still to be done or under way. One query."""
    return session.exec(select(Job).where(_is_open(kind, prefix)).order_by(col(Job.id))).all()


def is_asked(kind: str, prefix: str) -> ColumnElement[bool]:
    """Whether there is one, as a column of another query."""
    return select(Job.id).where(_is_open(kind, prefix)).exists()


def _is_open(kind: str, prefix: str) -> ColumnElement[bool]:
    return and_(
        col(Job.kind) == kind,
        col(Job.key).startswith(prefix, autoescape=True),
        col(Job.state).in_([JobState.READY, JobState.RUNNING]),
    )


def take_back(session: Session, kind: str, key: str, now: datetime) -> None:
    """Nobody wants it any more: one that waits is not begun, and one under way looks for itself in `open_jobs`. Twice
    is harmless."""
    job = _open_job(session, kind, key)
    if job is not None:
        job.state, job.settled_at, job.lease_until_at = JobState.DONE, now, None
        session.add(job)
        session.flush()


def due(session: Session, now: datetime, limit: int = 50) -> list[int]:
    """Ids of jobs that may run now, oldest first: ready ones, and running ones whose worker died (lease over)."""
    rows = session.exec(
        select(Job.id)
        .where(
            or_(
                (col(Job.state) == JobState.READY) & (col(Job.run_at) <= now),
                (col(Job.state) == JobState.RUNNING) & (col(Job.lease_until_at) < now),
            )
        )
        .order_by(col(Job.run_at), col(Job.id))
        .limit(limit)
    )
    return [key for key in rows if key is not None]


def claim(session: Session, job_id: int, now: datetime) -> Job | None:
    """Takes the job for this worker by compare-and-set; None when somebody else has it or it is not due."""
    changed = session.connection().execute(
        update(Job)
        .where(
            col(Job.id) == job_id,
            or_(
                (col(Job.state) == JobState.READY) & (col(Job.run_at) <= now),
                (col(Job.state) == JobState.RUNNING) & (col(Job.lease_until_at) < now),
            ),
        )
        .values(state=JobState.RUNNING, lease_until_at=now + LEASE, attempts=col(Job.attempts) + 1, asked_again=False)
    )
    if changed.rowcount != 1:
        return None
    session.expire_all()
    return session.get(Job, job_id)


def settle(session: Session, job: Job, error: Unavailable | None, now: datetime) -> JobState:
    """Ends one run: done, again later (back-off with jitter, or the host's Retry-After), or failed for good."""
    lease = job.lease_until_at
    # Locked: who asks again in this moment is either seen here or finds the job ended and makes a new one.
    row = session.get(Job, pk(job), with_for_update=True, populate_existing=True)
    if row is None or row.state is not JobState.RUNNING or row.lease_until_at != lease:
        return JobState.DONE  # another worker took over after our lease ended; its outcome counts
    row.lease_until_at = None
    if row.asked_again:
        row.attempts = 0
    if error is None:
        row.last_error, row.attempts = "", 0
        if row.asked_again:
            row.state, row.run_at = JobState.READY, now
        else:
            row.state, row.settled_at = JobState.DONE, now
    else:
        row.last_error = f"{error.code} {error.answer}".strip()[:500]
        if (error.permanent or row.attempts >= MAX_ATTEMPTS) and not row.asked_again:
            row.state, row.settled_at = JobState.FAILED, now
        else:
            row.state, row.run_at = JobState.READY, now + _pause(row.attempts, error.retry_after)
    row.asked_again = False
    session.add(row)
    session.flush()
    return row.state


def _pause(attempts: int, retry_after: int | None) -> timedelta:
    """5 s, 10 s, 20 s … at most one hour, ± 20 %; never shorter than the host asked for (at most a day)."""
    seconds = min(3600.0, 5.0 * 2 ** max(0, attempts - 1)) * (0.8 + 0.4 * secrets.randbelow(1001) / 1000)
    return timedelta(seconds=max(seconds, min(retry_after or 0, 86400)))
