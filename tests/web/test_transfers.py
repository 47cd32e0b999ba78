"""转出 and 转入 on pages: what was recognised looks like any other point, and what is wrong is said at its field."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlmodel import select

import competencies
from lms_plugin.db import pk
from lms_plugin.flow import arrivals
from lms_plugin.people import RoleKind
from lms_plugin.storage import Storage
from tests import people as cast
from tests.factories import Browser, World, grant
from tests.flow.test_transfer_works import LESSON, earned_with_files, packed
from tests.flow.test_transfers import earned_here
from tests.moving import There, accepted, arrival_of, released
from tests.rosters import put_on_roster


@pytest.fixture
def there(world: World) -> There:
    found = earned_here(world)
    world.persons["chen_there"] = found.person
    return found


MOVED = cast.Cast("chen_there", "陈晓芳", "邻县小学", "LX777")


def test_recognised_points_look_like_any_other(tool: Flask, world: World, there: There) -> None:
    released(there)
    accepted(there)
    grant(world.session, world.person(cast.NEIGHBOUR), RoleKind.TRAINER, None, world.now)
    world.session.commit()
    work = world.session.exec(
        select(competencies.Submission.uuid).where(competencies.Submission.person_id == pk(there.person))
    ).first()
    programme = there.programme.uuid
    teacher: Any = world.sign_in(tool.test_client(), MOVED)
    for address in (
        f"/programmes/{programme}",
        f"/programmes/{programme}/points",
        f"/submissions/{work}",
        f"/record/{programme}",
        "/transfer",
    ):
        answer = teacher.get(address)
        assert answer.status_code == 200, address
    record = teacher.get(f"/record/{programme}").text
    assert "转入：平安县" in record
    works = f"/transfers/arriving/{arrival_of(there).uuid}/works"
    assert record.count(f'href="{works}"') == 3  # the way to how each point was judged there
    assert teacher.get(works).status_code == 200
    officer = world.sign_in(tool.test_client(), cast.NEIGHBOUR)
    for address in (f"/cases/{work}", f"/record/{programme}/{there.person.uuid}", "/transfers"):
        assert officer.get(address).status_code == 200, address


def test_who_has_gone_is_still_to_be_taken_from_the_roster(tool: Flask, world: World, there: There) -> None:
    entry = put_on_roster(world, cast.CHEN).uuid
    uuid = released(there)
    world.session.commit()
    officer: Any = world.sign_in(tool.test_client(), cast.OFFICER)
    page, link = f"/transfers/leaving/{uuid}", f'href="/roster/entry/{entry}"'
    assert link not in officer.get(page).text  # it can still be taken back
    accepted(there)
    world.session.commit()
    assert link in officer.get(page).text
    assert officer.post(f"/roster/entry/{entry}/removed", {"removed": "1"}).status_code == 303
    assert link not in officer.get(page).text


def test_hours_that_came_are_reversed_on_the_record(tool: Flask, world: World, there: There) -> None:
    released(there)
    accepted(there)
    world.session.commit()
    officer: Any = world.sign_in(tool.test_client(), cast.NEIGHBOUR)
    record = f"/record/{there.programme.uuid}/{there.person.uuid}"
    links = re.findall(rf'href="({record}/hours/\w+/reverse)"', officer.get(record).text)
    assert len(links) == 2
    page = officer.get(links[1]).text  # the online hours were booked first
    for words in ("冲销转入的 25 学时", "实践应用学时从 25 减为 0（转入：平安县", "以后哪里都不计", "仍然认定"):
        assert words in page
    assert officer.post(links[1], {"reason": "材料不实"}).status_code == 303
    page = officer.get(record).text
    assert "冲销：材料不实" in page
    assert page.count("学时冲销了，不计") == 3
    assert "网络研修学时：12 / 25" in page


def test_a_wrong_file_is_said_at_its_field(tool: Flask, world: World, there: There) -> None:
    arrivals.open_code(world.session, there.teacher, world.now)
    world.session.commit()
    teacher = world.sign_in(tool.test_client(), MOVED)
    for sent in ({}, {"file": (BytesIO(b"PK?"), "x.zip")}):
        answer = teacher.post("/transfer/received", sent, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert 'id="f-file-error"' in answer.text
    assert arrival_of(there).state.value == "open"


def test_an_officer_who_leaves_something_out_keeps_what_was_ticked(tool: Flask, world: World, there: There) -> None:
    released(there)
    world.session.commit()
    officer: Browser = world.sign_in(tool.test_client(), cast.NEIGHBOUR)
    address = f"/transfers/arriving/{arrival_of(there).uuid}"
    assert officer.get(address).text.count(" checked") >= 2
    answer = officer.post(address, {"act": "accept", "programme": there.programme.uuid, "block": "x"})
    assert answer.status_code == 422
    assert " checked" not in answer.text.partition('id="accept"')[2].partition("</form>")[0]
    assert there.hours() == {}


def test_a_file_that_was_refused_still_gives_its_return_code(tool: Flask, world: World, there: There) -> None:
    released(there)
    row = arrival_of(there)
    row.is_local, row.state = False, competencies.transfers.ArrivalState.REFUSED
    world.session.add(row)
    world.session.commit()
    officer: Browser = world.sign_in(tool.test_client(), cast.NEIGHBOUR)
    address = f"/transfers/arriving/{row.uuid}"
    assert 'value="return_code"' in officer.get(address).text
    answer = officer.post(address, {"act": "return_code", "code": "12"})
    assert answer.status_code == 422
    assert 'id="f-return-code-error"' in answer.text


def test_files_that_came_are_only_ever_saved(tool: Flask, world: World, tmp_path: Path) -> None:
    storage = Storage(tmp_path / "sent")
    storage.root.mkdir()
    there = earned_with_files(world, storage)
    world.persons["chen_there"] = there.person
    parcel = packed(there, storage, tmp_path / "sent.zip").read_bytes()
    world.session.commit()
    teacher = world.sign_in(tool.test_client(), MOVED)
    form = {"file": (BytesIO(parcel), "sent.zip")}
    assert teacher.post("/transfer/received", form, content_type="multipart/form-data").status_code == 303
    works = f"/transfers/arriving/{arrival_of(there).uuid}/works"
    assert works in teacher.get("/transfer").text
    page = world.sign_in(tool.test_client(), cast.NEIGHBOUR).get(works).text
    assert "2 个文件，带来了 2 个" in page
    assert "评审员评定" in page
    assert "逐条看评定" in page
    assert "没有带来标准的名称" not in page
    files = re.findall(r'href="(/transfers/arriving/[^"]+/files/[0-9a-f]{32})"', page)
    for who, status in ((MOVED, 200), (cast.NEIGHBOUR, 200), (cast.OFFICER, 404)):
        answer = world.sign_in(tool.test_client(), who).get(files[0])
        assert answer.status_code == status
        if status == 200:
            assert answer.data == LESSON
            assert answer.mimetype == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        answer.close()
