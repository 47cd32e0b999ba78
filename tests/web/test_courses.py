"""Pages of courses: what a host wrote is shown and never executed, the button asks once, crosses carry their cure."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.flow import host_list
from lms_plugin.people import CourseMember, HostList
from tests import people as cast
from tests.factories import Browser, World, course_of
from tests.gradebooks import column, score

Browse = Callable[[cast.Cast | None], Browser]


def listed(world: World, *names: str) -> None:
    world.course.memberships_url = "https://lms.example/m"
    world.session.add(world.course)
    people = [lti.Member(f"n{at}", name, "", "", frozenset({"Learner"})) for at, name in enumerate(names)]
    host_list.keep(world.session, pk(world.course), lti.Roster(people, ""), world.now, is_whole=True)
    world.session.commit()


def jobs(world: World) -> list[Any]:
    wanted = select(outbox.Job).where(outbox.Job.kind == outbox.MEMBERS).order_by(col(outbox.Job.id))
    return list(world.session.exec(wanted).all())


def test_the_button_asks_once(world: World, browse: Browse) -> None:
    listed(world, "甲")
    page = f"/courses/{world.course.uuid}"
    trainer = browse(cast.TRAINER)
    answer = trainer.post(f"{page}/list")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}/check?asked=1")
    assert "已经去读名单了" in trainer.get(answer.headers["Location"]).text
    answer = browse(cast.OFFICER).post(f"{page}/list", {"next": "people"})
    assert answer.headers["Location"] == f"{page}/people"
    assert len(jobs(world)) == 1
    assert browse(cast.CHEN).post(f"{page}/list").status_code == 403


def test_what_a_host_writes_is_text(world: World, browse: Browse) -> None:
    listed(world, "<script>x</script>", "=1+1", "")
    text = browse(cast.OFFICER).get(f"/courses/{world.course.uuid}/people").text
    assert "&lt;script&gt;x" in text
    assert "<script>x" not in text
    assert "平台不给姓名（" in text


def test_who_is_gone_has_no_name_and_after_the_end_nobody_has(world: World, browse: Browse) -> None:
    listed(world, "甲某某", "乙某某")
    listed(world, "甲某某")
    trainer, page = browse(cast.TRAINER), f"/courses/{world.course.uuid}/people"
    text = trainer.get(page).text
    assert "甲某某" in text
    assert "乙某某" not in text
    assert text.count("姓名不再保留（") == 1
    assert "只给这门课的评审员和管理员看" in text
    world.programme.state = competencies.ProgrammeState.CLOSED
    world.session.add(world.programme)
    host_list.forget_names(world.session, world.now)
    world.session.commit()
    text = trainer.get(page).text
    assert "甲某某" not in text
    assert text.count("姓名不再保留（") == 2
    assert "项目已经结束，不再自动读" in text


@pytest.mark.parametrize(
    ("product", "words"),
    [("moodle", "IMS LTI作业和成绩服务"), ("openedx", "Programmatic"), ("", "Assignment and Grade Services")],
)
def test_crosses_carry_the_cure_of_that_product(world: World, browse: Browse, product: str, words: str) -> None:
    world.course.ags_scopes = []
    platform = world.session.exec(select(lti.Platform)).one()
    platform.product = product
    world.session.add_all([world.course, platform])
    world.session.commit()
    text = browse(cast.IT).get(f"/courses/{world.course.uuid}/check").text
    assert "平台不收成绩" in text
    assert words in text
    assert ("参训教师" in text and "角色重命名" in text) is (product == "moodle")


def test_where_nobody_has_come_nothing_is_said_of_the_host(world: World, browse: Browse) -> None:
    made = course_of(world.session, world.tenant, "course-2", world.now)
    world.session.commit()
    text = browse(cast.IT).get(f"/courses/{made.uuid}/check").text
    assert "还没有人从这门课打开过" in text
    assert "平台收不收成绩还不知道" in text
    assert "平台给不给课程名单还不知道" in text
    assert "最近有人打开" not in text


def test_scores_that_were_given_up_are_not_said_to_be_tried_again(world: World, browse: Browse) -> None:
    item = column(world)
    score(world, item, world.person(cast.CHEN), lti.DeliveryState.FAILED, "ags.refused")
    world.session.commit()
    address = f"/courses/{world.course.uuid}/check"
    text = browse(cast.IT).get(address).text
    assert "1 人的成绩没送到，不会自动再试" in text
    assert "会自动再试。" not in text
    row = world.session.exec(select(lti.ScoreDelivery)).one()
    row.state = lti.DeliveryState.RETRYING
    world.session.add(row)
    world.session.commit()
    text = browse(cast.IT).get(address).text
    assert "还有 1 人的在路上，会自动再试。" in text


def test_why_the_list_is_old(world: World, browse: Browse) -> None:
    listed(world, "甲")
    row = world.session.exec(select(HostList)).one()
    row.error, row.words = "ags.pages", "HTTP 200"
    world.session.add(row)
    world.session.commit()
    for page in ("check", "people"):
        text = browse(cast.TRAINER).get(f"/courses/{world.course.uuid}/{page}").text
        assert "课程平台的分页没有尽头" in text
    assert "甲" in text
    row.error = "ags.refused"
    world.session.add(row)
    world.session.commit()
    text = browse(cast.TRAINER).get(f"/courses/{world.course.uuid}/check").text
    assert "请平台的管理员为本工具打开“名单服务”" in text


def test_a_person_is_told_on_home_and_record(world: World, browse: Browse) -> None:
    chen = world.person(cast.CHEN)
    row = world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(chen))).one()
    row.is_learner, row.is_instructor = False, True
    world.session.add(row)
    world.session.commit()
    browser = browse(cast.CHEN)
    home, record = f"/programmes/{world.programme.uuid}", f"/record/{world.programme.uuid}"
    told = "您最近一次是以“教师”身份从“信息技术应用能力提升”进来的"
    assert told not in browser.get(home).text  # nothing chosen: nothing to lose
    browser.post(f"/programmes/{world.programme.uuid}/points", {"point": ["A3", "A5", "B1"]})
    assert told in browser.get(home).text
    assert told in browser.get(record).text
    for_staff = browse(cast.OFFICER).get(f"{record}/{chen.uuid}").text
    assert told not in for_staff
    assert "此人最近一次是以“教师”身份" in for_staff
