"""The outbox: no job is lost, one runner at a time, the last truth always leaves."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, select

from lms_plugin import db, outbox
from lms_plugin.db import pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Tenant
from tests.conftest import build_schema
from tests.fuzzing import times

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
KEYS = ("1:1", "1:2", "2:1")


class Outbox(RuleBasedStateMachine):
    """A model of what was asked for beside the real table. `truth` counts askings; a run reads it when it starts."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = db.engine("sqlite://")
        db.Model.metadata.create_all(self.engine)
        self.session = Session(self.engine, expire_on_commit=False)
        self.now = START
        self.truth = dict.fromkeys(KEYS, 0)
        self.left = dict.fromkeys(KEYS, 0)  # the newest truth that a finished run carried
        self.given_up = dict.fromkeys(KEYS, 0)  # the truth up to which a job failed for good, which is shown
        self.runs: list[tuple[Job, str, int]] = []

    @initialize()
    def tenant(self) -> None:
        row = Tenant(name="t", created_at=START)
        self.session.add(row)
        self.session.commit()
        self.tenant_id = pk(row)

    @rule(key=st.sampled_from(KEYS))
    def ask(self, key: str) -> None:
        self.truth[key] += 1
        outbox.put(self.session, self.tenant_id, "score", key, {"course_id": 1}, self.now)
        self.session.commit()

    @rule(keys=st.sets(st.sampled_from(KEYS)))
    def ask_many(self, keys: set[str]) -> None:
        for key in keys:
            self.truth[key] += 1
        self.session.expire_all()
        outbox.put_many(self.session, self.tenant_id, "score", {key: {"course_id": 1} for key in keys}, self.now)
        self.session.commit()
        self.session.expire_all()

    @rule(seconds=st.sampled_from([1, 30, 299, 301, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        due = outbox.due(self.session, self.now)
        if not due:
            return
        chosen = data.draw(st.sampled_from(due))
        job = outbox.claim(self.session, chosen, self.now)
        assert job is not None
        assert outbox.claim(self.session, chosen, self.now) is None  # nobody else gets it
        noted = Job.model_validate(job.model_dump())
        self.session.commit()
        self.session.expunge_all()
        self.runs.append((noted, noted.key, self.truth[noted.key]))

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), error=st.sampled_from([None, None, "later", "never"]))
    def settle(self, data: st.DataObject, error: str | None) -> None:
        """A run ends; it may be one whose lease was over long ago."""
        run = data.draw(st.sampled_from(self.runs))
        self.runs.remove(run)
        job, key, seen = run
        trouble = None if error is None else Unavailable("ags.x", permanent=error == "never", words="words")
        row = self.session.get(Job, job.id)
        assert row is not None
        is_current = row.state is JobState.RUNNING and row.lease_until_at == job.lease_until_at
        state = outbox.settle(self.session, job, trouble, self.now)
        self.session.commit()
        if error is None:
            self.left[key] = max(self.left[key], seen)
        elif state is JobState.FAILED and is_current:
            self.given_up[key] = max(self.given_up[key], seen)
        self.session.expunge_all()

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        self.runs.remove(data.draw(st.sampled_from(self.runs)))

    @invariant()
    def one_open_job_of_a_key(self) -> None:
        rows = self.session.exec(select(Job.key).where(Job.state.in_([JobState.READY, JobState.RUNNING]))).all()
        assert len(rows) == len(set(rows))
        self.session.rollback()

    @invariant()
    def one_live_runner_of_a_key(self) -> None:
        live = [job.id for job, _key, _seen in self.runs if job.lease_until_at and job.lease_until_at >= self.now]
        assert len(live) == len(set(live))

    @invariant()
    def nothing_is_lost(self) -> None:
        """The newest truth has left, was given up visibly, or a job stands that will carry it."""
        for key, newest in self.truth.items():
            if max(self.left[key], self.given_up[key]) >= newest:
                continue
            row = self.session.exec(select(Job).where(Job.key == key).order_by(Job.id.desc())).first()
            assert row is not None
            assert row.state in {JobState.READY, JobState.RUNNING}
            if row.state is JobState.RUNNING:
                assert row.lease_until_at is not None  # the job returns when its worker is dead
                carried = [seen for job, _key, seen in self.runs if job.id == row.id]
                assert row.asked_again or max(carried, default=newest) >= newest or row.lease_until_at < self.now
        self.session.rollback()

    def teardown(self) -> None:
        self.session.close()
        self.engine.dispose()


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=times(40), stateful_step_count=25, deadline=None)


# --- in a real database ---


@pytest.fixture
def place(own_database_url: str) -> Any:
    """An engine of this test's own database, its sessions and a tenant."""
    made = db.engine(own_database_url)
    factory = db.session_factory(made)
    with transaction(factory) as session:
        row = Tenant(name="t", created_at=START)
        session.add(row)
        session.flush()
        tenant_id = pk(row)
    yield made, factory, tenant_id
    made.dispose()


Place = tuple[Engine, "sessionmaker[Session]", int]


def test_of_many_workers_one_gets_the_job(place: Place) -> None:
    _engine, factory, tenant_id = place
    with transaction(factory) as session:
        job_id = pk(outbox.put(session, tenant_id, "score", "k", {}, START))
    got, barrier = [], threading.Barrier(6)

    def work() -> None:
        barrier.wait()
        with transaction(factory) as session:
            got.append(outbox.claim(session, job_id, START))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len([job for job in got if job is not None]) == 1


def test_many_are_asked_for_at_once(place: Place) -> None:
    """One that waits is brought forward, one that runs will run again, one that is done begins anew."""
    _engine, factory, tenant_id = place
    later = START + timedelta(hours=1)
    wanted = {f"1:{person}": {"course_id": 1, "person_id": person} for person in range(outbox.AT_ONCE + 2)}
    with transaction(factory) as session:
        outbox.put_many(session, tenant_id, "score", wanted, START)
    with transaction(factory) as session:
        jobs = {job.key: job for job in session.exec(select(Job)).all()}
        assert {key: job.ids for key, job in jobs.items()} == wanted
        jobs["1:0"].run_at, jobs["1:0"].attempts = later + timedelta(days=1), 9
        session.add(jobs["1:0"])
        running = outbox.claim(session, pk(jobs["1:1"]), START)
        done = outbox.claim(session, pk(jobs["1:2"]), START)
        assert running is not None
        assert done is not None
        outbox.settle(session, done, None, START)
    with transaction(factory) as session:
        outbox.put_many(session, tenant_id, "score", {key: wanted[key] for key in ("1:0", "1:1", "1:2")}, later)
        outbox.put_many(session, tenant_id, "score", {}, later)
    with factory() as session:
        found = session.exec(select(Job).where(Job.key.in_(["1:0", "1:1", "1:2"]))).all()
    told = sorted((job.key, job.state.value, job.run_at, job.attempts, job.asked_again) for job in found)
    assert told == [
        ("1:0", "ready", later, 0, False),
        ("1:1", "running", START, 1, True),
        ("1:2", "done", START, 0, False),
        ("1:2", "ready", later, 0, False),
    ]


@pytest.mark.parametrize("many", [False, True])
def test_asking_from_many_sides_at_once_is_one_job(place: Place, many: bool) -> None:
    _engine, factory, tenant_id = place
    barrier, broken = threading.Barrier(5), []

    def ask() -> None:
        barrier.wait()
        try:
            with transaction(factory) as session:
                if many:
                    outbox.put_many(session, tenant_id, "score", {"k": {}}, START)
                else:
                    outbox.put(session, tenant_id, "score", "k", {}, START)
        except Exception as error:
            broken.append(error)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    with factory() as session:
        assert len(session.exec(select(Job)).all()) == 1


def test_asked_again_while_running_runs_again(place: Place) -> None:
    _engine, factory, tenant_id = place
    with transaction(factory) as session:
        job_id = pk(outbox.put(session, tenant_id, "score", "k", {}, START))
    with transaction(factory) as session:
        job = outbox.claim(session, job_id, START)
    with transaction(factory) as session:
        assert pk(outbox.put(session, tenant_id, "score", "k", {}, START)) == job_id
    assert job is not None
    with transaction(factory) as session:
        assert outbox.settle(session, job, None, START) is JobState.READY
        assert outbox.due(session, START) == [job_id]


def test_an_outcome_that_comes_too_late_changes_nothing(place: Place) -> None:
    """Its worker was thought dead: another one has the job, even with the same number of attempts."""
    _engine, factory, tenant_id = place
    with transaction(factory) as session:
        job_id = pk(outbox.put(session, tenant_id, "score", "k", {}, START))
    with transaction(factory) as session:
        slow = outbox.claim(session, job_id, START)
    later = START + outbox.LEASE + timedelta(seconds=1)
    with transaction(factory) as session:
        second = outbox.claim(session, job_id, later)
        assert second is not None
        outbox.settle(session, second, Unavailable("ags.x"), later)
        outbox.put(session, tenant_id, "score", "k", {}, later)  # "send again" begins to count anew
    with transaction(factory) as session:
        third = outbox.claim(session, job_id, later)
    assert slow is not None
    assert third is not None
    assert slow.attempts == third.attempts == 1
    with transaction(factory) as session:
        outbox.settle(session, slow, None, later)
    with factory() as session:
        row = session.get(Job, job_id)
        assert row is not None
        assert row.state is JobState.RUNNING


def test_a_job_that_always_fails_ends_and_says_why(place: Place) -> None:
    _engine, factory, tenant_id = place
    now = START
    with transaction(factory) as session:
        job_id = pk(outbox.put(session, tenant_id, "score", "k", {}, now))
    pauses = []
    while True:
        with transaction(factory) as session:
            job = outbox.claim(session, job_id, now)
        assert job is not None
        with transaction(factory) as session:
            state = outbox.settle(session, job, Unavailable("ags.x", words="the host's words"), now)
            row = session.get(Job, job_id)
            assert row is not None
            if state is JobState.FAILED:
                assert row.last_error == "ags.x the host's words"
                break
            pauses.append((row.run_at - now).total_seconds())
            now = row.run_at
    assert len(pauses) == outbox.MAX_ATTEMPTS - 1
    hourly = pauses[10:]
    assert 0.8 * 3600 <= min(hourly) < 0.95 * 3600  # jitter: hundreds that failed together do not come back together
    assert max(hourly) > 1.05 * 3600
    assert 4 <= pauses[0] <= 6
    assert max(pauses) <= 3600 * 1.2
    assert sum(pauses) > 5 * 86400


@pytest.mark.parametrize(("asked", "least", "most"), [(None, 4, 6), (120, 120, 120), (10**9, 86400, 86400)])
def test_the_host_may_ask_for_time(place: Place, asked: int | None, least: int, most: int) -> None:
    _engine, factory, tenant_id = place
    with transaction(factory) as session:
        job = outbox.claim(session, pk(outbox.put(session, tenant_id, "score", "k", {}, START)), START)
        assert job is not None
        outbox.settle(session, job, Unavailable("ags.x", retry_after=asked), START)
        assert least <= (job.run_at - START).total_seconds() <= most


def test_a_refusal_for_good_ends_at_once_unless_asked_again(place: Place) -> None:
    _engine, factory, tenant_id = place
    final = Unavailable("ags.x", permanent=True)
    with transaction(factory) as session:
        job_id = pk(outbox.put(session, tenant_id, "score", "k", {}, START))
    with transaction(factory) as session:
        job = outbox.claim(session, job_id, START)
    with transaction(factory) as session:
        outbox.put(session, tenant_id, "score", "k", {}, START)
    assert job is not None
    with transaction(factory) as session:
        assert outbox.settle(session, job, final, START) is JobState.READY
    with transaction(factory) as session:
        again = outbox.claim(session, job_id, START + timedelta(minutes=1))
    assert again is not None
    with transaction(factory) as session:
        assert outbox.settle(session, again, final, START) is JobState.FAILED
    with transaction(factory) as session:
        assert pk(outbox.put(session, tenant_id, "score", "k", {}, START)) != job_id  # a new job may be asked for


def test_the_schema_of_this_file_is_the_products(tmp_path: Any) -> None:
    """The state machine makes its tables from the models; the index on open jobs is there in a migrated one too."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    build_schema(url)
    made = db.engine(url)
    with made.connect() as connection:
        found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'uq_job_open'").scalar_one()
    made.dispose()
    assert "UNIQUE" in found
    assert "WHERE" in found
