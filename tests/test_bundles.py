"""成批下载: the worker prints a unit's certificates into one ZIP, part by part, and stops when it is told to."""

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import select

import competencies
from lms_plugin import db, media, outbox
from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, Forbidden, Refused
from lms_plugin.flow import bundle_making, certificate_bundles, certificates, paper_kinds, workloads
from lms_plugin.people import RoleKind
from lms_plugin.worker import Worker
from tests import people as cast
from tests.certified import PAPER, certificate_for
from tests.factories import World, world_in
from tests.flow.test_reversal import imported, take_back
from tests.serving import settings_of
from tests.web.test_workloads import worked

HOSTILE = "../..\\<王>\n秀兰"
Bundle = competencies.bundles.CertificateBundle
State = competencies.bundles.BundleState


class Clock:
    """Each look at it is so much later."""

    def __init__(self, now: datetime, step: timedelta) -> None:
        self.now, self.step = now, step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


@pytest.fixture
def worker_of(own_district_url: str, tmp_path: Path) -> Iterator[Callable[[Callable[[], datetime]], Worker]]:
    made: list[Worker] = []

    def start(clock: Callable[[], datetime]) -> Worker:
        made.append(Worker(settings_of(tmp_path, own_district_url), clock))
        return made[-1]

    yield start
    for worker in made:
        worker.close()


def asked(world: World, unit: str = "", by: cast.Cast = cast.OFFICER) -> competencies.bundles.CertificateBundle:
    """An officer asks for the county's, or a school's."""
    place = (world.schools[unit] if unit else world.county).uuid
    return certificate_bundles.ask(world.session, world.actor(by), world.programme.uuid, place, world.now)


def read(worker: Worker, uuid: str) -> tuple[competencies.bundles.CertificateBundle, zipfile.ZipFile]:
    with worker.sessions() as session:
        row = session.exec(select(Bundle).where(Bundle.uuid == uuid)).one()
    return row, zipfile.ZipFile(worker.storage.path(row.storage_key))


@pytest.mark.paper
def test_a_county_gets_one_file_with_a_folder_for_each_school(
    worker_of: Callable[[Callable[[], datetime]], Worker], now: datetime, tmp_path: Path
) -> None:
    worker = worker_of(lambda: now)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        world.person(cast.WANG).name = HOSTILE
        entry = imported(world)
        names = {who: certificate_for(world, who) for who in (cast.CHEN, cast.WANG, cast.LI, cast.SUN)}
        certificates.revoke(session, world.actor(cast.OFFICER), names[cast.LI].uuid, "印错", now)
        take_back(world, "hours", entry.uuid)
        bundle = asked(world)
        assert asked(world).uuid == bundle.uuid
        assert bundle.total == 3
        session.commit()
    worker.run_due()
    row, archive = read(worker, bundle.uuid)
    assert (row.state, row.done, row.left_out) == (State.READY, 3, 1)
    assert (row.size_bytes, row.sha256) == _measured(worker, row.storage_key)
    listed = archive.namelist()
    assert listed[-1] == "目录.xlsx"
    assert listed[:-1] == ["希望小学/_王_ 秀兰_2026000002.pdf", "平安小学/孙立新_2026000004.pdf"]
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(archive.read("平安小学/孙立新_2026000004.pdf"))
    told = media.document_text(paper, "application/pdf", 20_000)
    assert competencies.certificates.code_as_printed(names[cast.SUN].code) in told
    rows = media.first_sheet(archive.read("目录.xlsx"), 50, 20).rows
    assert [row[1] for row in rows[1:]] == [HOSTILE, "孙立新"]
    assert all("陈晓芳" not in str(row) for row in rows)
    book = CalamineWorkbook.from_filelike(BytesIO(archive.read("目录.xlsx")))
    assert book.get_sheet_by_name("台账封存").to_python()[1][2] == names[cast.SUN].seal_hash
    assert sum(1 for _ in worker.storage.root.glob("??/??/*")) == 1  # the pages are gone
    assert worker.clear_away(now + timedelta(days=8)) == 0
    assert not list(worker.storage.root.glob("??/??/*"))
    with worker.sessions() as session, pytest.raises(Conflict, match=r"bundle\.not_ready"):
        certificate_bundles.ready(session, world_in(session, now).actor(cast.OFFICER), bundle.uuid)


def _measured(worker: Worker, key: str) -> tuple[int, str]:
    content = worker.storage.path(key).read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()


@pytest.mark.paper
def test_it_goes_on_where_it_stopped_and_stops_when_told(
    worker_of: Callable[[Callable[[], datetime]], Worker], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_making, "AT_ONCE", 1)
    worker = worker_of(Clock(now, timedelta(seconds=25)))  # a run is over after its first certificate

    def bundle_of(uuid: str) -> competencies.bundles.CertificateBundle:
        with worker.sessions() as session:
            return session.exec(select(Bundle).where(Bundle.uuid == uuid)).one()

    def step() -> None:
        with worker.sessions() as session:
            due = outbox.due(session, worker.clock() + timedelta(hours=1))
        for job in due:
            worker.run_job(job)

    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        for who in (cast.CHEN, cast.WANG, cast.LI):
            certificate_for(world, who)
        first = asked(world, cast.CHEN.school)
        session.commit()
    step()
    seen = bundle_of(first.uuid)
    assert (seen.state, seen.done) == (State.MAKING, 1)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        certificate_bundles.cancel(session, world.actor(cast.OFFICER), first.uuid, now)
        certificate_bundles.cancel(session, world.actor(cast.OFFICER), first.uuid, now)
        session.commit()
    step()
    assert (bundle_of(first.uuid).state, bundle_of(first.uuid).storage_key) == (State.CANCELLED, "")
    assert not list(worker.storage.root.glob("??/??/*"))
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        second = asked(world, cast.CHEN.school)
        session.commit()
    for _ in range(6):
        step()
    row, archive = read(worker, second.uuid)
    assert (row.state, row.done, len(archive.namelist())) == (State.READY, 3, 4)


def test_a_system_that_cannot_print_says_so_and_the_job_ends(
    worker_of: Callable[[Callable[[], datetime]], Worker],
    now: datetime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = tmp_path / "fonts.conf"
    empty.write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(empty))
    worker = worker_of(lambda: now)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        certificate_for(world, cast.CHEN)
        bundle = asked(world)
        session.commit()
    worker.run_due()
    with worker.sessions() as session:
        row = get(session, Bundle, pk(bundle))
        assert row.state is State.FAILED
        assert row.problem.startswith("paper.")
        job = session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.BUNDLE)).one()
        assert job.state is outbox.JobState.DONE


def test_officers_of_the_place_alone_have_it(world: World) -> None:
    with pytest.raises(Refused, match=r"bundle\.nothing"):
        asked(world)
    certificate_for(world, cast.CHEN)
    for who in (cast.LEAD, cast.AUDITOR, cast.CHEN, cast.TRAINER):
        with pytest.raises(Forbidden):
            asked(world, by=who)
    made, elsewhere = asked(world), world.schools[cast.SUN.school]
    part = RoleScope(RoleKind.OFFICER, unit_path=elsewhere.path)
    actor = Actor(pk(world.tenant), pk(world.person(cast.OFFICER)), (part,))
    for act in (certificate_bundles.ready, lambda s, a, u: certificate_bundles.cancel(s, a, u, world.now)):
        with pytest.raises(Forbidden):
            act(world.session, actor, made.uuid)
    with pytest.raises(Forbidden):  # statements of work are read by who looks after the whole round
        certificate_bundles.ask(
            world.session, actor, world.programme.uuid, elsewhere.uuid, world.now, paper_kinds.STATEMENTS
        )
    with pytest.raises(Refused, match=r"bundle\.nothing"):  # nobody of that school holds one
        asked(world, cast.SUN.school)


def test_the_page_says_how_far_it_is(browse, world: World) -> None:
    certificate_for(world, cast.CHEN)
    world.session.commit()
    officer, home = browse(cast.OFFICER), f"/certificates/{world.programme.uuid}"
    school = f"{home}/{world.schools[cast.CHEN.school].uuid}"
    there = f"{school}/bundle"
    assert f'href="{there}"' in officer.get(school).text
    assert f'href="{home}/{world.county.uuid}/bundle"' in officer.get(home).text
    assert f'href="{there}"' not in browse(cast.LEAD).get(school).text
    assert officer.post(there).location.endswith("/bundle")
    page = officer.get(there).text
    assert "马上开始打包" in page
    assert 'http-equiv="refresh"' in page
    bundle = world.session.exec(select(Bundle)).one()
    assert officer.get(f"/bundles/{bundle.uuid}/file").status_code == 409
    assert browse(cast.LEAD).post(f"/bundles/{bundle.uuid}/cancel").status_code == 403
    assert officer.post(f"/bundles/{bundle.uuid}/cancel").status_code == 303
    assert "上一次没有做完就停了" in officer.get(there).text


@pytest.mark.paper
def test_statements_of_work_go_into_a_file_of_their_own(
    worker_of: Callable[[Callable[[], datetime]], Worker], now: datetime
) -> None:
    worker = worker_of(lambda: now)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        certificate_for(world, cast.CHEN)
        worked(world)
        officer, programme = world.actor(cast.OFFICER), world.programme.uuid
        workloads.issue(session, officer, programme, PAPER, now)
        of_certificates = asked(world)
        made = certificate_bundles.ask(session, officer, programme, world.county.uuid, now, paper_kinds.STATEMENTS)
        assert (made.total, of_certificates.total) == (4, 1)
        session.commit()
    worker.run_due()
    row, archive = read(worker, made.uuid)
    assert (row.state, row.done, row.left_out) == (State.READY, 4, 0)
    rows = media.first_sheet(archive.read("目录.xlsx"), 50, 20).rows
    heads, *lines = rows
    (of_lead,) = [dict(zip(heads, one, strict=False)) for one in lines if one[1] == "冯校"]
    assert (of_lead["评审作品"], of_lead["抽查作品"], of_lead["主持培训"]) == ("0", "0", "1")
    assert any(name.startswith("希望小学/冯校_G2026") for name in archive.namelist())
    assert len(archive.namelist()) == 5  # with the list of all
