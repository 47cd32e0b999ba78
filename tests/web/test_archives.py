"""整体迁出 as an officer walks it: packed by the worker, watched, stopped, fetched; and read-only from a day on."""

import errno
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlmodel import select

import competencies
from lms_plugin import db, leaving, outbox
from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, Refused
from lms_plugin.flow import archive_export, archive_making, archives, invitations, register, sign_in
from lms_plugin.leaving import ArchiveState, TenantArchive
from lms_plugin.people import RoleKind, Tenant
from lms_plugin.web.edge import CHANGES_WHEN_READ_ONLY, OPEN_CHANGES
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import World, world_in
from tests.serving import settings_of

NEW = "https://new.example/courses"


@pytest.fixture
def worker(own_district_url: str, tmp_path: Path, now: datetime) -> Iterator[Worker]:
    """A worker whose clock can be put: `worker.clock = …`."""
    made = Worker(settings_of(tmp_path, own_district_url), lambda: now)
    yield made
    made.close()


def asked(worker: Worker, now: datetime) -> str:
    with db.transaction(worker.sessions) as session:
        return archives.ask(session, world_in(session, now).actor(cast.OFFICER), now).uuid


def row_of(worker: Worker, uuid: str) -> TenantArchive:
    with worker.sessions() as session:
        return session.exec(select(TenantArchive).where(TenantArchive.uuid == uuid)).one()


def test_the_worker_packs_in_runs_and_a_killed_one_goes_on(worker: Worker, now: datetime) -> None:
    """Three files and a clock that makes each step too long: a run packs one and asks for the next."""
    with db.transaction(worker.sessions) as session:
        world = world_in(session, now)
        for number in range(3):
            _file(world, worker, number, now)
    uuid = asked(worker, now)
    assert asked(worker, now) == uuid  # a second click
    ticks = iter(range(100_000))
    worker.clock = lambda: now + timedelta(seconds=40) * next(ticks)
    with worker.sessions() as session:
        [job] = outbox.due(session, now)
    worker.run_job(job)
    row = row_of(worker, uuid)
    assert (row.state, row.files, row.all_files) == (ArchiveState.PACKING, 1, 3)
    path = archive_making.file_of(worker.settings.archive_dir, uuid)
    path.write_bytes(path.read_bytes()[:-50])  # and then the machine lost power
    worker.run_due()
    row = row_of(worker, uuid)
    assert (row.state, row.files, row.missing) == (ArchiveState.READY, 3, 0)
    assert (row.size_bytes, len(row.manifest_hash)) == (path.stat().st_size, 64)
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        assert len([name for name in packed.namelist() if name.startswith("files/")]) == 3
    assert archive_making.clear_old(worker.sessions, worker.settings.archive_dir, now) == 0
    assert archive_making.clear_old(worker.sessions, worker.settings.archive_dir, now + timedelta(days=3000)) == 1
    assert not path.exists()
    assert row_of(worker, uuid).state is ArchiveState.GONE


def test_files_that_are_gone_hold_no_packing_up(worker: Worker, now: datetime) -> None:
    """Each run looks for them anew: a run that ended at one would be followed by one that ends there too."""
    with db.transaction(worker.sessions) as session:
        world = world_in(session, now)
        for number in range(3):
            _file(world, worker, number, now)
    for number in range(2):
        worker.storage.delete(f"{number:032x}")
    uuid = asked(worker, now)
    ticks = iter(range(1000))
    worker.clock = lambda: now + timedelta(seconds=40) * next(ticks)
    worker.run_due()
    row = row_of(worker, uuid)
    assert (row.state, row.files, row.missing) == (ArchiveState.READY, 3, 2)


def _file(world: World, worker: Worker, number: int, now: datetime) -> None:
    key, data = f"{number:032x}", b"%PDF" + bytes([number]) * 1000
    worker.storage.create(key)
    worker.storage.write_part(key, 0, io.BytesIO(data), len(data))
    world.session.add(
        competencies.StoredFile(
            tenant_id=pk(world.tenant),
            person_id=pk(world.person(cast.CHEN)),
            state=competencies.FileState.READY,
            filename=f"{number}.pdf",
            storage_key=key,
            size_bytes=len(data),
            sha256=worker.storage.commit(key),
            extension="pdf",
            started_at=now,
        )
    )


def test_who_cancels_gets_no_file_and_the_disk_is_free_again(
    worker: Worker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = asked(worker, now)
    path = archive_making.file_of(worker.settings.archive_dir, uuid)
    with db.transaction(worker.sessions) as session:
        archives.cancel(session, world_in(session, now).actor(cast.OFFICER), uuid, now)
        archives.cancel(session, world_in(session, now).actor(cast.OFFICER), uuid, now)
    path.parent.mkdir(parents=True)
    for name in (path.name, path.name + ".tail", path.name + ".lock"):  # what was there by then
        path.with_name(name).write_bytes(b"x")
    worker.run_due()
    assert row_of(worker, uuid).state is ArchiveState.CANCELLED
    assert list(path.parent.iterdir()) == []
    again = asked(worker, now)
    monkeypatch.setattr(archive_making, "SPARE", 1 << 60)
    worker.run_due()
    row = row_of(worker, again)
    assert (row.state, row.problem) == (ArchiveState.FAILED, "archive.no_room")


def test_a_second_worker_waits(worker: Worker, now: datetime) -> None:
    uuid = asked(worker, now)
    path = archive_making.file_of(worker.settings.archive_dir, uuid)
    path.parent.mkdir(parents=True)
    with archive_export.alone(path):
        worker.run_due()
        assert row_of(worker, uuid).state is ArchiveState.PACKING
    worker.clock = lambda: now + timedelta(hours=1)
    worker.run_due()
    assert row_of(worker, uuid).state is ArchiveState.READY


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_keeps_failing_says_so_and_can_be_begun_anew(
    worker: Worker, now: datetime, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    class Killed(BaseException):
        """Nothing of the worker's own runs any more."""

    def breaks(*_given: object) -> None:
        raise Killed if is_killed else ValueError("a row that no page knows")

    uuid = asked(worker, now)
    with monkeypatch.context() as patched:
        patched.setattr(archive_export.archive_pages, "write", breaks)
        for minute in range(0, 100, 10):
            worker.clock = lambda at=now + timedelta(minutes=minute): at
            with suppress(Killed):
                worker.run_due()
            if minute < 30:
                assert row_of(worker, uuid).state is ArchiveState.PACKING
    row = row_of(worker, uuid)
    assert (row.state, row.problem) == (ArchiveState.FAILED, "archive.broken")
    assert list(worker.settings.archive_dir.iterdir()) == []
    again = asked(worker, now)
    worker.run_due()
    assert row_of(worker, again).state is ArchiveState.READY


def test_a_folder_that_nobody_may_write_to_is_said_at_once(
    worker: Worker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_given: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    uuid = asked(worker, now)
    monkeypatch.setattr(archive_export, "alone", refuses)
    worker.run_due()
    row = row_of(worker, uuid)
    assert (row.state, row.problem) == (ArchiveState.FAILED, "archive.not_writable")


def test_only_who_answers_for_the_whole_district_has_it(world: World, now: datetime) -> None:
    session = world.session
    for who in (cast.IT, cast.AUDITOR, cast.LEAD, cast.TRAINER, cast.CHEN):
        with pytest.raises(Forbidden):
            archives.ask(session, world.actor(who), now)
    part = Actor(
        pk(world.tenant),
        pk(world.person(cast.OFFICER)),
        (RoleScope(RoleKind.OFFICER, unit_path=world.schools["希望小学"].path),),
    )
    for act in (
        lambda: archives.page(session, part, now),
        lambda: archives.ask(session, part, now),
        lambda: archives.move_on(session, part, NEW, date(2030, 1, 1), now),
        lambda: archives.stay(session, part),
    ):
        with pytest.raises(Forbidden):
            act()


def test_asked_for_watched_and_fetched_on_pages(browse: Any, tool: Flask, world: World, now: datetime) -> None:
    officer = browse(cast.OFFICER)
    assert 'href="/archive"' in officer.get("/curate").text
    assert 'href="/archive"' not in browse(cast.AUDITOR).get("/curate").text
    assert browse(cast.IT).get("/archive").status_code == 403
    assert officer.post("/archive").status_code == 303
    page = officer.get("/archive").text
    assert "马上开始打包" in page
    assert 'hx-trigger="every 4s"' in page
    row = leaving.newest(world.session, pk(world.tenant))
    assert officer.get(f"/archive/{row.uuid}/file").status_code == 409
    assert officer.post(f"/archive/{row.uuid}/cancel").status_code == 303
    assert "没有做完就停了" in officer.get("/archive").text
    officer.post("/archive")
    row = leaving.newest(world.session, pk(world.tenant))
    folder = tool.extensions["nengli"].settings.archive_dir
    folder.mkdir(parents=True)
    archive_making.file_of(folder, row.uuid).write_bytes(b"PK whatever")
    row.state, row.ended_at, row.manifest_hash = ArchiveState.READY, now, "ab" * 32
    world.session.add(row)
    world.session.commit()
    assert "ab" * 32 in officer.get("/archive").text
    given = officer.get(f"/archive/{row.uuid}/file")
    assert (given.status_code, given.data) == (200, b"PK whatever")
    assert "no-store" in given.headers["Cache-Control"]
    given.close()
    world.session.refresh(row)
    assert row.fetched_by_id == pk(world.person(cast.OFFICER))
    assert "下载过" in officer.get("/archive").text


def test_from_its_day_on_a_district_is_read_only(browse: Any, world: World, now: datetime) -> None:
    officer, teacher = browse(cast.OFFICER), browse(cast.CHEN)
    today = competencies.local_day(now, world.tenant.timezone)
    wrong = officer.post("/archive/forward", {"url": "http://new.example", "day": str(today - timedelta(days=1))})
    assert wrong.status_code == 422
    assert "https://" in wrong.text
    day = today + timedelta(days=1)
    assert officer.post("/archive/forward", {"url": NEW, "day": str(day)}).status_code == 303
    home = teacher.get("/help").text
    assert NEW in home  # told before the day
    assert "零点起" in home
    assert officer.post("/archive/forward", {"url": NEW, "day": str(today)}).status_code == 303
    assert "请到新的网址继续" in teacher.get("/help").text
    for language, words in (("zh-Hans", "只能看"), ("en", "nothing can be changed")):
        assert teacher.post("/me/locale", {"locale": language, "next": "/points"}).status_code == 303
        refused = teacher.post(f"/programmes/{world.programme.uuid}/points", {"point": "A3"})
        assert refused.status_code == 409
        assert words in refused.text
        assert f'href="{NEW}"' in refused.text
    answer = teacher.post("/uploads", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["error"]) == (409, "tenant.read_only")
    assert officer.get("/archive").status_code == 200
    assert officer.post("/archive").status_code == 303  # it is packed on that day
    assert officer.post("/archive/forward", {"what": "stay"}).status_code == 303
    assert teacher.post(f"/programmes/{world.programme.uuid}/points", {"point": "A3"}).status_code != 409


def test_every_changing_request_is_refused_then(browse: Any, tool: Flask, world: World, now: datetime) -> None:
    """By the application's own list of routes: what is let through is named."""
    world.tenant.forward_url, world.tenant.frozen_on = NEW, competencies.local_day(now, world.tenant.timezone)
    world.session.add(world.tenant)
    officer = browse(cast.OFFICER)
    let_through = CHANGES_WHEN_READ_ONLY | OPEN_CHANGES
    seen = 0
    for rule in tool.url_map.iter_rules():
        methods = (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        if not methods or rule.endpoint in let_through:
            continue
        address = re.sub(r"<(?:int:)?[a-z_]+>", "1", rule.rule)
        for method in methods:
            answer = officer.client.open(
                address, method=method, headers={"X-Nengli-Csrf": officer.csrf, "Accept": "application/json"}
            )
            assert answer.status_code == 409, (rule.endpoint, answer.status_code)
            assert answer.json["error"] == "tenant.read_only"
            seen += 1
    assert seen > 80


def test_what_time_brings_stops_too(world: World, now: datetime) -> None:
    """No release and no allotment after the day; the neighbour's go on. No phone signs anybody in."""
    session, key = world.session, pk(world.programme)
    other = Tenant(name="远县", created_at=now)
    session.add(other)
    session.flush()
    today = competencies.local_day(now, world.tenant.timezone)
    archives.set_forward(session, pk(world.tenant), NEW, today + timedelta(days=1), now)
    assert leaving.still_open(session, competencies.Programme, [key], now) == [key]
    tomorrow = competencies.start_of_day(today + timedelta(days=1), world.tenant.timezone)
    assert leaving.still_open(session, competencies.Programme, [key], tomorrow) == []
    assert leaving.still_open(session, competencies.Programme, [key], tomorrow - timedelta(seconds=1)) == [key]
    training = competencies.Training(tenant_id=pk(world.tenant), uuid="0" * 32)
    with pytest.raises(Conflict):
        sign_in.on_phone(session, training, "1234", "10.0.0.1", "k" * 32, tomorrow)
    leaving.must_be_open_at(session, pk(other), tomorrow)
    archives.clear_forward(session, pk(world.tenant))
    assert leaving.still_open(session, competencies.Programme, [key], tomorrow) == [key]


def test_no_platform_is_registered_then(world: World, now: datetime) -> None:
    """What is connected here after the packing would be missing at the new place."""
    session, key = world.session, pk(world.tenant)
    code = invitations.make_invitation(session, key, RoleKind.IT, world.county, None, now)[1]
    assert register.tenant_of(session, code, now) == key
    archives.set_forward(session, key, NEW, competencies.local_day(now, world.tenant.timezone), now)
    with pytest.raises(Refused) as refused:
        register.tenant_of(session, code, now)
    assert refused.value.code == "register.read_only"


def test_a_wrong_address_is_put_right_when_the_day_has_come(world: World, now: datetime) -> None:
    session, key = world.session, pk(world.tenant)
    today, later = competencies.local_day(now, world.tenant.timezone), now + timedelta(days=3)
    archives.set_forward(session, key, "https://wrong.example", today, now)
    archives.set_forward(session, key, NEW, today, later)
    assert (world.tenant.forward_url, world.tenant.frozen_on) == (NEW, today)
    with pytest.raises(Invalid):
        archives.set_forward(session, key, NEW, today + timedelta(days=1), later)


@pytest.mark.parametrize(
    "url", ["", "new.example", "http://new.example", "https://", "javascript:alert(1)", "https://a@b.c", "https://[x"]
)
def test_the_new_address_is_one(world: World, now: datetime, url: str) -> None:
    with pytest.raises(Invalid):
        archives.set_forward(world.session, pk(world.tenant), url, date(2030, 1, 1), now)
