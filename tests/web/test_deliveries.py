"""成绩回传 as people see it: the course's page, its buttons and its sheet, and the notice on everybody's first page."""

from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import select

import competencies
import lti
from lms_plugin.db import pk
from lms_plugin.flow import digest
from lms_plugin.outbox import Job
from lms_plugin.people import Notice
from lms_plugin.web.deliveries import told
from tests import people as cast
from tests.factories import World
from tests.gradebooks import column, score
from tests.ledgers import add_entry


@pytest.fixture
def stuck(world: World) -> str:
    """The page of a course where two are stuck and one has arrived."""
    item = column(world)
    score(world, item, world.person(cast.CHEN), lti.DeliveryState.FAILED, "ags.token_refused")
    score(world, item, world.person(cast.WANG), lti.DeliveryState.NOT_A_LEARNER, "ags.refused")
    score(world, item, world.person(cast.LI), lti.DeliveryState.DELIVERED)
    return f"/courses/{world.course.uuid}/scores"


def test_what_happened_and_what_to_do(browse, world: World, stuck: str) -> None:
    for who in (cast.TRAINER, cast.OFFICER, cast.IT):
        page = browse(who).get(stuck).text
        assert "2 人的成绩没送到成绩册" in page
        assert "平台不认本工具的登记" in page
        assert "请在平台的课程里把此人加为“学生”" in page
        assert "HTTP 400 no" in page
        assert (cast.CHEN.name in page, cast.LI.name in page) == (True, False)
    assert cast.LI.name in browse(cast.IT).get(stuck + "?standing=arrived").text
    assert "/record/" in browse(cast.TRAINER).get(stuck).text
    assert "/record/" not in browse(cast.IT).get(stuck).text
    for who, status in ((cast.CHEN, 403), (cast.LEAD, 403), (cast.NEIGHBOUR, 404), (None, 401)):
        assert browse(who).get(stuck).status_code == status
    listing = browse(cast.OFFICER).get("/scores").text
    assert "1 门课里有 2 人的成绩没送到" in listing
    assert stuck in listing


def test_send_again(browse, world: World, stuck: str) -> None:
    trainer = browse(cast.TRAINER)
    for who, status in ((cast.CHEN, 403), (cast.NEIGHBOUR, 404)):
        assert browse(who).post(stuck + "/send").status_code == status
    li = world.person(cast.LI).uuid
    assert trainer.post(f"{stuck}/send/{li}", {"standing": "arrived"}).headers["Location"].endswith("standing=arrived")
    assert len(world.session.exec(select(Job)).all()) == 1
    answer = trainer.post(stuck + "/send")
    assert (answer.status_code, answer.headers["Location"]) == (303, stuck)
    assert len(world.session.exec(select(Job)).all()) == 3
    world.session.expire_all()
    page = trainer.get(stuck).text
    assert "3 人的成绩在路上" in page
    assert "没送到的全部再发一次" not in page


def test_the_sheet_says_it_all(browse, world: World, stuck: str) -> None:
    add_entry(world)
    competencies.seal(world.session, pk(world.tenant), world.now)
    head = competencies.head(world.session, pk(world.tenant))
    world.session.commit()
    answer = browse(cast.OFFICER).get(stuck + "/sheet")
    assert answer.status_code == 200
    book = CalamineWorkbook.from_filelike(BytesIO(answer.data))
    rows = book.get_sheet_by_index(0).to_python()
    assert book.get_sheet_by_name("台账封存").to_python()[1] == [1.0, "2026-11-02 09:00", head and head.hash]
    answer.close()
    named = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert len(named) == len(cast.TEACHERS)
    assert named[cast.CHEN.name]["平台的回答"] == "HTTP 400 no"
    assert named[cast.CHEN.name]["能力点"] == 1
    assert named[cast.LI.name]["状态"] in ("已送到", "")
    assert browse(cast.CHEN).get(stuck + "/sheet").status_code == 403


def test_the_digest_stands_on_the_first_page_of_who_can_do_something(browse, world: World, stuck: str) -> None:
    places = {
        cast.OFFICER: f"/progress/{world.programme.uuid}/{world.county.uuid}",
        cast.IT: "/platforms",
        cast.TRAINER: "/cases",
    }
    for who, place in places.items():
        assert "人的成绩没送到" not in browse(who).get(place).text
    world.session.add(
        Notice(
            tenant_id=world.course.tenant_id,
            kind=digest.STUCK,
            key=world.course.uuid,
            params={"course": world.course.title, "people": 2},
            raised_at=world.now,
        )
    )
    world.session.flush()
    for who, place in places.items():
        page = browse(who).get(place).text
        assert f"{world.course.title}：2 人的成绩没送到" in page
        assert stuck in page
    assert "人的成绩没送到" not in browse(cast.LEAD).get(places[cast.OFFICER]).text


def test_a_person_reads_of_their_own_score(browse, world: World, stuck: str) -> None:
    record = f"/record/{world.programme.uuid}"
    own = browse(cast.CHEN).get(record).text
    assert "请把这句话告诉培训老师" in own
    staff = browse(cast.OFFICER).get(f"{record}/{world.person(cast.CHEN).uuid}").text
    assert "请技术管理员在“平台”里打开这个平台" in staff
    assert "ags." not in own + staff


@pytest.mark.parametrize("own", [True, False])
def test_every_state_has_words(browse, own: bool) -> None:
    """One sentence for what happened and one for what to do, wherever it has not arrived."""
    client = browse(cast.CHEN).client
    codes = [
        "",
        "ags.token_refused",
        "ags.scope_refused",
        "ags.gone",
        "ags.refused",
        "ags.locked",
        "net.timeout",
        "job.broken",
    ]
    with client.application.test_request_context("/"):
        for state in (*(one.value for one in lti.DeliveryState), "queued", "lost", "none"):
            for trouble in codes:
                words = told(state, trouble, own=own)
                assert words.word
                assert (words.happened == "") == (words.todo == "") == (state == "delivered")
                assert "." not in words.happened + words.todo
