"""收下 as whoever runs the server sees it: begun by command, worked on by the worker, watched on a page by its code."""

import hashlib
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, func, select

import competencies
import lti
from lms_plugin import db, leaving, migrate, outbox, parcel
from lms_plugin.db import pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import archive_export, intake_making, intakes
from lms_plugin.leaving import ArchiveIntake, IntakeState
from lms_plugin.people import Person, Tenant
from lms_plugin.storage import Storage
from lms_plugin.worker import TRIES, Worker
from tests import people as cast
from tests.factories import World, world_in
from tests.serving import application, give_tool_key, settings_of

KEYS = [f"{number:032x}" for number in range(3)]


@pytest.fixture(scope="module")
def packed(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the district of the tests, with three files."""
    folder = tmp_path_factory.mktemp("packed")
    bind = db.engine(module_district_url)
    factory, storage = db.session_factory(bind), Storage(folder / "bytes")
    with db.transaction(factory) as session:
        world = world_in(session, datetime(2026, 11, 2, 1, 0).astimezone())
        for number, key in enumerate(KEYS):
            _file(world, storage, key, b"%PDF" + bytes([number]) * 1000)
        tenant_id = pk(world.tenant)
    archive_export.export(factory, tenant_id, storage, folder / "district.zip")
    bind.dispose()
    return folder / "district.zip"


def _file(world: World, storage: Storage, key: str, data: bytes) -> None:
    storage.create(key)
    storage.write_part(key, 0, io.BytesIO(data), len(data))
    world.session.add(
        competencies.StoredFile(
            tenant_id=pk(world.tenant),
            person_id=pk(world.person(cast.CHEN)),
            state=competencies.FileState.READY,
            filename="教案.pdf",
            storage_key=key,
            size_bytes=len(data),
            sha256=storage.commit(key),
            extension="pdf",
            started_at=world.now,
        )
    )


@pytest.fixture
def file(packed: Path, tmp_path: Path) -> Path:
    """A copy of the archive that a test may spoil."""
    return shutil.copy(packed, tmp_path / "arrived.zip")


@pytest.fixture
def worker(own_database_url: str, tmp_path: Path, now: datetime) -> Iterator[Worker]:
    """The worker of a new installation. Its clock can be put: `worker.clock = …`."""
    made = Worker(settings_of(tmp_path / "new", own_database_url), lambda: now)
    with db.transaction(made.sessions) as session:
        give_tool_key(session, now)
    yield made
    made.close()


def begun(worker: Worker, file: Path, now: datetime) -> str:
    with db.transaction(worker.sessions) as session:
        return intakes.begin(session, file, "", now, with_faults=False)[1]


def row_of(worker: Worker) -> ArchiveIntake:
    with worker.sessions() as session:
        return session.exec(select(ArchiveIntake)).one()


def brought(worker: Worker) -> list[str]:
    """The files that are here."""
    return [key for key in KEYS if worker.storage.committed(key)]


def has_no_district(worker: Worker) -> bool:
    with worker.sessions() as session:
        return session.exec(select(func.count()).select_from(Tenant)).one() == 0


def later(worker: Worker, now: datetime, minutes: int) -> None:
    """The lease of a killed worker is over, and every pause."""
    worker.clock = lambda: now + timedelta(minutes=minutes)


def test_a_run_pauses_and_the_next_reads_nothing_twice(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that makes each step too long: a run looks at one member, or brings one file, and asks for the next."""
    read: list[str] = []
    digest = parcel._digest
    monkeypatch.setattr(parcel, "_digest", lambda source, info: (read.append(info.filename), digest(source, info))[1])
    begun(worker, file, now)
    ticks = iter(range(1_000_000))
    worker.clock = lambda: now + timedelta(seconds=40) * next(ticks)
    states: list[tuple[IntakeState, int]] = []
    for _ in range(1000):
        with worker.sessions() as session:
            due = outbox.due(session, worker.clock())
        if not due:
            break
        worker.run_job(due[0])
        states.append((row_of(worker).state, row_of(worker).files))
    assert [one for one in states if one[0] is not IntakeState.CHECKING] == [
        (IntakeState.FILES, 1),
        (IntakeState.FILES, 2),
        (IntakeState.FILES, 3),
        (IntakeState.DONE, 3),
    ]
    assert len(read) == len(set(read)) > 50
    row = row_of(worker)
    assert row.rows == row.all_rows > 100
    with worker.sessions() as session:
        assert session.exec(select(Person.name).where(Person.name == cast.CHEN.name)).one()
        assert session.exec(select(lti.ToolKey)).first() is not None


class Killed(BaseException):
    """The machine lost power: nothing of the worker's own runs any more."""


@pytest.mark.parametrize("step", ["checking", "files", "records"])
def test_a_killed_worker_goes_on_where_it_was(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = intake_making._Run.watch

    def dies(run: Any, coming: Any) -> None:
        whole(run, coming)
        if coming.step == step and (coming.files == 2 or step != "files") and (coming.rows > 50 or step != "records"):
            raise Killed

    begun(worker, file, now)
    monkeypatch.setattr(intake_making, "TELL", timedelta(0))
    monkeypatch.setattr(intake_making._Run, "watch", dies)
    with pytest.raises(Killed):
        worker.run_due()
    monkeypatch.setattr(intake_making._Run, "watch", whole)
    assert has_no_district(worker)
    assert brought(worker) == {"checking": [], "files": KEYS[:2], "records": KEYS}[step]
    assert worker.run_due() == 0  # somebody may still be at it
    kept = {key: worker.storage.path(key).stat().st_ino for key in brought(worker)}
    later(worker, now, 6)
    worker.run_due()
    assert row_of(worker).state is IntakeState.DONE
    assert {key: worker.storage.path(key).stat().st_ino for key in kept} == kept


def test_stopped_it_leaves_nothing_and_goes_on_when_asked(worker: Worker, file: Path, now: datetime) -> None:
    code = begun(worker, file, now)
    ticks = iter(range(1_000_000))
    worker.clock = lambda: now + timedelta(seconds=40) * next(ticks)
    while not brought(worker):
        with worker.sessions() as session:
            worker.run_job(outbox.due(session, worker.clock())[0])
    with db.transaction(worker.sessions) as session:
        intakes.stop(session, code, now)
        intakes.stop(session, code, now)
    worker.run_due()
    assert row_of(worker).state is IntakeState.CANCELLED
    assert brought(worker) == []
    assert has_no_district(worker)
    with db.transaction(worker.sessions) as session:
        intakes.go_on(session, code, now)
    worker.run_due()
    assert row_of(worker).state is IntakeState.DONE
    with db.transaction(worker.sessions) as session:
        intakes.stop(session, code, now)
    assert row_of(worker).state is IntakeState.DONE


def test_it_fails_with_a_reason_and_nothing_stays(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone, was changed, has no room; then the whole one takes its place."""
    whole = file.read_bytes()
    code = begun(worker, file, now)

    def fails_by(problem: str) -> None:
        with db.transaction(worker.sessions) as session:
            intakes.go_on(session, code, now)
        worker.run_due()
        row = row_of(worker)
        assert (row.state, row.problem) == (IntakeState.FAILED, problem)
        assert has_no_district(worker)
        assert brought(worker) == []

    file.unlink()
    fails_by("parcel.not_there")
    file.write_bytes(whole[:-2000])
    fails_by("parcel.unreadable")
    file.write_bytes(whole.replace(b"%PDF\x02", b"%PDF\x03"))
    fails_by("parcel.changed")
    file.write_bytes(whole)
    with monkeypatch.context() as patched:
        patched.setattr(intake_making, "SPARE", 1 << 60)
        fails_by("intake.no_room")
    with db.transaction(worker.sessions) as session:
        intakes.go_on(session, code, now)
    worker.run_due()
    assert row_of(worker).state is IntakeState.DONE


def test_what_is_refused_half_way_leaves_no_files(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product is upgraded between two runs: the archive is of another version by then."""
    begun(worker, file, now)
    ticks = iter(range(1_000_000))
    worker.clock = lambda: now + timedelta(seconds=40) * next(ticks)
    while not brought(worker):
        with worker.sessions() as session:
            worker.run_job(outbox.due(session, worker.clock())[0])
    monkeypatch.setattr(migrate, "heads", lambda: ["9999"])
    worker.run_due()
    assert (row_of(worker).state, row_of(worker).problem) == (IntakeState.FAILED, "archive.other_schema")
    assert brought(worker) == []


def test_what_keeps_breaking_is_given_up(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(worker, file, now)
    with monkeypatch.context() as patched:
        patched.setattr(intake_making._Run, "ending", lambda _run, _secret: 1 / 0)
        for minute in range(0, 90, 10):
            later(worker, now, minute)
            worker.run_due()
            assert row_of(worker).state is not IntakeState.WAITING
    row = row_of(worker)
    assert (row.state, row.problem) == (IntakeState.FAILED, "intake.broken")
    with worker.sessions() as session:
        assert session.exec(select(outbox.Job.state)).one() is outbox.JobState.DONE
    assert TRIES < 9


def test_what_broke_goes_on_with_the_files_that_came(
    worker: Worker, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = begun(worker, file, now)
    with monkeypatch.context() as patched:
        patched.setattr(intake_making._Run, "ending", lambda _run, _secret: lambda _session, _taken: 1 / 0)
        for minute in range(0, 90, 10):
            later(worker, now, minute)
            worker.run_due()
    came = row_of(worker).files
    assert (row_of(worker).problem, came, len(brought(worker))) == (leaving.BROKEN, len(KEYS), len(KEYS))
    with db.transaction(worker.sessions) as session:
        intakes.go_on(session, code, worker.clock())
    assert row_of(worker).files == came  # the page goes on from there, and no byte of them is read again
    stored: list[str] = []
    monkeypatch.setattr(worker.storage, "commit", lambda key: stored.append(key))
    worker.run_due()
    assert (row_of(worker).state, stored) == (IntakeState.DONE, [])


def test_the_same_command_again_goes_on_with_a_new_address(worker: Worker, file: Path, now: datetime) -> None:
    first = begun(worker, file, now)
    second = begun(worker, file, now)
    assert row_of(worker).path == str(file)
    with worker.sessions() as session:
        with pytest.raises(NotFound):
            intakes.page(session, first, now)
        assert intakes.page(session, second, now).is_open
    worker.run_due()
    with worker.sessions() as session, pytest.raises(Refused) as refused:
        intakes.begin(session, file, "", now, with_faults=False)
    assert refused.value.code == "archive.already_there"
    with worker.sessions() as session, pytest.raises(NotFound):
        intakes.page(session, second, now + timedelta(days=31))


def test_what_is_seen_at_once_is_refused_at_once(worker: Worker, file: Path, now: datetime, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK")
    for path, expected, code in (
        (tmp_path / "nothing.zip", "", "parcel.not_there"),
        (tmp_path / "no.zip", "", "parcel.unreadable"),
        (file, "00", "archive.other_hash"),
    ):
        with worker.sessions() as session, pytest.raises(Refused) as refused:
            intakes.begin(session, path, expected, now, with_faults=False)
        assert refused.value.code == code


@contextmanager
def visited(worker: Worker, now: datetime) -> Iterator[Any]:
    """A browser at the new installation, in which nobody is signed in."""
    with application(worker.settings, clock=lambda: now, sessions=worker.sessions) as app:
        yield app.test_client()


def test_the_page_shows_stops_and_goes_on(worker: Worker, file: Path, now: datetime) -> None:
    code = begun(worker, file, now)
    with visited(worker, now) as client:
        assert client.get("/arriving/other").status_code == 404
        page = client.get(f"/arriving/{code}")
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
        assert "nengli worker" in page.text  # nobody works on it
        assert 'hx-trigger="every 4s"' in page.text
        with db.transaction(worker.sessions) as session:
            outbox.beat(session, now)
        assert "nengli worker" not in client.get(f"/arriving/{code}").text
        elsewhere = client.post(f"/arriving/{code}/stop", headers={"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403
        assert client.post("/arriving/other/stop").status_code == 404
        assert client.post(f"/arriving/{code}/stop").status_code == 303
        assert row_of(worker).state is IntakeState.CANCELLED
        assert "停下了" in client.get(f"/arriving/{code}").text
        assert client.post(f"/arriving/{code}/again").status_code == 303
        worker.run_due()
        done = client.get(f"/arriving/{code}").text
        assert "收下了" in done
        assert row_of(worker).manifest_hash in done
        assert "nengli officer invite --tenant" in done


def test_somebody_who_takes_in_another_one_is_waited_for(worker: Worker, file: Path, now: datetime) -> None:
    begun(worker, file, now)
    worker.storage.root.mkdir(parents=True, exist_ok=True)
    with archive_export.alone(worker.storage.root / "arriving"):
        for minute in range(0, 300, 40):
            later(worker, now, minute)
            worker.run_due()
    assert row_of(worker).state in leaving.BEING_TAKEN_IN
    later(worker, now, 400)
    worker.run_due()
    assert row_of(worker).state is IntakeState.DONE
    assert hashlib.sha256(worker.storage.path(KEYS[0]).read_bytes()).hexdigest()
    with worker.sessions() as session:
        assert session.exec(select(competencies.StoredFile.id).order_by(col(competencies.StoredFile.id))).all()
