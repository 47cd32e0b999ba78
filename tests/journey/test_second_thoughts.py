"""Work that is looked at again, in a browser: a reviewer reads what changed since a work came back, tells a trainer of
a trouble and marks by the keyboard; an author asks for a review of the result, and a fresh panel gives another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import select

import competencies
import rubrics
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.flow import cases, review, sessions
from tests import people as cast
from tests.factories import World, world_in
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, cast_of, hand_in, judgement
from tests.serving import tool_on_loopback

pytestmark = pytest.mark.browser

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
LATER = timedelta(hours=3)
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
Enter = Callable[..., Page]


class Clock:
    """What the tool takes for now."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scene(browser: Browser, own_district_url: str, tmp_path: Path, clock: Clock) -> Iterator[tuple[World, Enter]]:
    """The district, and a window of whoever is named at a page of the tool."""
    with (
        tool_on_loopback(own_district_url, tmp_path, clock) as tool,
        tool.sessions() as session,
        ExitStack() as windows,
    ):
        db.writes(session)
        world = world_in(session, NOW)

        def enter(who: cast.Cast, path: str, size: dict[str, int] = DESKTOP) -> Page:
            entrance = sessions.open_session(
                session, world.person(who), world.course, timedelta(hours=8), clock.now, locale="zh-Hans"
            )
            session.commit()
            context = browser.new_context(locale="zh-CN", viewport=size)
            windows.callback(context.close)
            cookie = {"name": "__Host-nengli", "value": entrance.token, "url": tool.url.replace("http:", "https:")}
            context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])
            page = context.new_page()
            page.goto(tool.url + path)
            return page

        yield world, enter


def says(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text(words)


def test_a_reviewer_of_what_came_back(scene: tuple[World, Enter], clock: Clock) -> None:
    world, enter = scene
    world.set_rules(review={"returned_to": "peers", "pool": "district", "reviews_per_work": 1})
    work = hand_in(world, cast.CHEN, "A3", NOW - LATER, "目标明确，重点突出。")
    for who in (cast.WANG, cast.LI, cast.ZHAO):
        hand_in(world, who, "A3", NOW - LATER)
    marks = judgement(all_marks(world, work, 1, {"slides.focus": 0}), "请改一处。")
    cases.return_work(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, NOW)
    hand_in(world, cast.CHEN, "A3", NOW, "目标明确，重点很突出。")
    clock.now = world.now = NOW + LATER
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    one = world.session.exec(select(rubrics.Review).where(rubrics.Review.submission_id == pk(work))).one()
    world.session.commit()
    reviewer = cast_of(world, one.reviewer_id)

    page = enter(reviewer, "/reviews")
    page.locator(f"a[href$='/reviews/{one.uuid}']").first.click()
    changes = page.locator("details.changes")
    expect(changes).to_contain_text("和第 1 次提交比")
    expect(changes).to_contain_text("请改一处。")
    expect(page.locator("main")).not_to_contain_text(cast.CHEN.name)

    page.get_by_role("link", name="请评审员看看").click()
    page.get_by_label("疑似抄袭").check()
    page.get_by_label("在哪里、怎么回事").fill("第二段和教参一样。")
    page.get_by_role("button", name="告诉评审员").click()
    says(page, "已经告诉评审员")

    page.get_by_role("link", name="接着评这一份").click()
    expect(page.locator("[data-keys] p:not([hidden]) [data-keys-on]")).to_have_count(1)
    boxes = page.locator("[data-criterion]")
    for _ in range(boxes.count()):
        page.keyboard.press("2")
        page.keyboard.press("j")
    expect(page.locator("[data-criterion] input:checked")).to_have_count(boxes.count())
    page.get_by_role("button", name="提交评审").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("还没有交")
    page.goto(page.url.partition("/reviews")[0] + f"/reviews/{one.uuid}")
    says(page, "这份已经评完")

    desk = enter(cast.TRAINER, "/cases/flags")
    says(desk, "1 处请您看看")
    desk.get_by_role("link", name="看第一处").click()
    desk.get_by_label("看过了，怎么处理").fill("核对过，是自己写的。")
    desk.get_by_role("button", name="记下，看下一处").click()
    says(desk, "没有等您看的")
    page.goto(page.url.partition("/reviews")[0] + f"/reviews/{one.uuid}/flag")
    expect(page.locator("main")).to_contain_text("核对过，是自己写的。")


def test_an_appellant_and_a_fresh_panel(scene: tuple[World, Enter], clock: Clock) -> None:
    world, enter = scene
    world.set_rules(review={"pool": "district"}, appeals={"days": 10, "answer_days": 15})
    earn(world, cast.CHEN, "A3", level=1)
    for who in cast.TEACHERS:
        if who is not cast.CHEN:
            hand_in(world, who, "B2", NOW - LATER)
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id == pk(world.point("A3")),
        )
    ).one()
    page = enter(cast.CHEN, f"/submissions/{work.uuid}/result", PHONE)
    says(page, "合格")
    page.get_by_role("link", name="不同意，申请复核").click()
    asked = page.get_by_label("为什么不同意")
    for number in range(asked.count()):
        asked.nth(number).fill("第 2 页写了三种办法，请再看。")
    page.get_by_role("button", name="交上去，请求复核").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("复核")
    waiting = page.url

    world.session.expire_all()
    members = world.session.exec(select(rubrics.AppealReview)).all()
    assert len(members) == 2
    for member in members:
        everybody = (*cast.TEACHERS, cast.TRAINER, cast.OTHER_TRAINER)
        who = next(one for one in everybody if pk(world.person(one)) == member.reviewer_id)
        panel = enter(who, "/reviews")
        panel.locator(f"a[href$='{member.uuid}']").first.click()
        says(panel, "请重新评这几条指标")
        seen = panel.locator("main")
        expect(seen).to_contain_text("第 2 页写了三种办法")
        expect(seen).not_to_contain_text(cast.CHEN.name)
        for box in panel.locator("[data-criterion]").all():
            box.locator("label.lv").last.click()
            if (why := box.locator("[data-reason]")).is_visible():
                why.fill("三种办法都写了，有例子。")
        panel.get_by_role("button", name="交复核").click()
        says(panel, "复核已经交上去")
    page.goto(waiting)
    expect(page.locator("main")).to_contain_text("优秀")
    page.goto(waiting.partition("/appeals")[0] + f"/submissions/{work.uuid}/result")
    says(page, "优秀")
    world.session.expire_all()
    levels = world.session.exec(select(competencies.Award.level, competencies.Award.is_replaced)).all()
    assert sorted(levels) == [(1, True), (2, False)]
