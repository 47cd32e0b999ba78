"""The official chain in a browser: school lead → 考核小组 → county → back and again → 公示 → 认定. And who may not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import select

import competencies
from lms_plugin import db
from lms_plugin.flow import batches, cases, sessions
from tests import people as cast
from tests.factories import Browser as Client
from tests.factories import World, world_in
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.serving import Served, tool_on_loopback
from tests.web.test_curate import form as programme_form

HOUR = timedelta(hours=1)


def window_of(browser: Browser, tool: Served, world: World, who: cast.Cast, now: datetime) -> Page:
    """That person's browser, on a phone for teachers."""
    opened = sessions.open_session(
        world.session, world.person(who), world.course, 999 * HOUR, now, locale="zh-Hans", return_url=""
    )
    world.session.commit()
    size = {"width": 360, "height": 740} if who in cast.TEACHERS else {"width": 1000, "height": 640}
    context = browser.new_context(locale="zh-CN", viewport=size)  # type: ignore[arg-type]
    url = tool.url.replace("http:", "https:")
    context.add_cookies(
        [{"name": "__Host-nengli", "value": opened.token, "url": url, "secure": True, "httpOnly": True}]
    )
    return context.new_page()


@pytest.mark.browser
def test_from_the_school_to_the_award(own_district_url: str, tmp_path: Path, browser: Browser, now: datetime) -> None:
    clock = [now]
    with tool_on_loopback(own_district_url, tmp_path, lambda: clock[0]) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, now)
        world.set_rules(chain={"panel": True, "check": True, "publicity": True})
        works = [hand_in(world, who, "A3", now - 2 * HOUR) for who in (cast.CHEN, cast.WANG)]
        lead, officer, chen = (
            window_of(browser, tool, world, who, now) for who in (cast.LEAD, cast.OFFICER, cast.CHEN)
        )

        def decide(level: int) -> None:
            session.rollback()
            db.writes(session)
            for work in works:
                session.refresh(work)
                if work.state is competencies.SubmissionState.SUBMITTED:
                    version = work.current_version_id or 0
                    standing = competencies.decision_of(session, [version]).get(version)
                    base = standing.version if standing is not None else 0
                    marks = judgement(all_marks(world, work, level))
                    cases.decide(session, world.actor(cast.LI), work.uuid, marks, base, 1, clock[0])
            session.commit()

        # The lead names the group; it decides (by its desk, tests/web/test_cases.py).
        lead.goto(f"{tool.url}/chain")
        lead.get_by_role("link", name="定考核小组").click()
        lead.get_by_label("第 1 位").select_option(label="李建国 XW003")
        lead.get_by_role("button", name="保存").click()
        expect(lead.locator(".notice.stop")).to_contain_text("2 到 5 人")
        lead.get_by_label("第 2 位").select_option(label="王秀兰 XW002")
        lead.get_by_role("button", name="保存").click()
        expect(lead.locator(".notice.good")).to_be_visible()
        decide(2)
        # The lead closes; the county finds one that does not hold, and the batch comes back with the reason.
        lead.goto(f"{tool.url}/chain")
        lead.get_by_role("button", name="结批").click()
        expect(lead.get_by_role("heading", level=1)).to_contain_text("县级抽查中")
        officer.goto(f"{tool.url}/chain")
        officer.get_by_role("link", name="打开 希望小学").click()
        first = officer.locator("#drawn + ul > li").first
        first.locator("summary").click()
        first.get_by_role("button", name="没通过").click()
        expect(officer.locator(".error")).to_be_visible()
        officer.get_by_label("哪里不对").first.fill("课堂片段里没有学生。")
        officer.get_by_role("button", name="没通过").first.click()
        expect(officer.locator(".state.stop")).to_be_visible()
        officer.get_by_role("button", name="抽查通过").last.click()
        officer.get_by_role("button", name="结束抽查，退回学校").click()
        expect(officer.get_by_role("heading", level=1)).to_contain_text("退回学校")
        lead.goto(f"{tool.url}/chain")
        expect(lead.locator("main")).to_contain_text("课堂片段里没有学生。")
        decide(1)
        lead.reload()
        lead.get_by_role("button", name="结批").click()
        officer.goto(f"{tool.url}/chain")
        officer.get_by_role("link", name="打开 希望小学").click()
        for _ in range(officer.get_by_role("button", name="抽查通过").count()):
            officer.get_by_role("button", name="抽查通过").first.click()
            expect(officer.locator("#drawn")).to_be_visible()
        officer.get_by_role("button", name="结束抽查").click()
        # 公示: the teacher reads it, nothing counts yet; after it the officer releases.
        chen.goto(f"{tool.url}/programmes/{world.programme.uuid}")
        chen.get_by_role("link", name="公示中").click()
        expect(chen.locator("main")).to_contain_text("11月9日")
        expect(chen.locator("tbody")).to_contain_text("陈晓芳")
        assert session.exec(select(competencies.Award)).all() == []
        clock[0] = now + timedelta(days=8)
        officer.reload()
        officer.get_by_role("button", name="现在认定").click()
        expect(officer.locator(".notice.good")).to_contain_text("2")
        chen.goto(f"{tool.url}/programmes/{world.programme.uuid}")
        expect(chen.locator("ul.lines .state.good")).to_contain_text("合格")


def test_a_notice_for_everybody_is_the_only_page_that_strangers_see(
    world: World, browse: Callable[[cast.Cast | None], Client]
) -> None:
    world.set_rules(chain={"publicity": True, "mask_names": True})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    marks = judgement(all_marks(world, work))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    unit = world.schools["希望小学"].uuid
    batch = batches.close(world.session, world.actor(cast.LEAD), world.programme, unit, {}, "a" * 32, world.now)
    stranger, url = browse(None), f"/publicity/{batch.uuid}"
    assert stranger.get(url).status_code == 401
    world.set_rules(chain={"publicity": True, "mask_names": True, "shown_to": "public"})
    world.session.commit()
    page = stranger.get(url)
    assert page.status_code == 200
    assert "陈*芳" in page.text
    assert "陈晓芳" not in page.text
    assert "提出异议" not in page.text
    assert "向负责考核的区县（平安县）反映" in page.text
    assert stranger.client.post(url, data={"work": work.uuid, "text": "不对"}).status_code == 401
    assert browse(cast.OFFICER).get(f"/release/{world.programme.uuid}").status_code == 303


def test_the_stages_are_typed_and_said_in_words(browse: Callable[[cast.Cast | None], Client], world: World) -> None:
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}"
    typed = {"compulsory": "", "panel": "1", "check": "1", "publicity": "1", "check_percent": "20"}
    for text, said in (
        ("国庆", "看不懂的日期"),
        ("2026-10-07~2026-10-01", "看不懂的日期"),
        ("2026-02-30", "看不懂的日期"),
        ("2026-01-01~2026-09-30 2026-10-01~2026-12-31", "最多写"),
    ):
        refused = officer.post(
            f"{url}/edit", programme_form(world, version=world.programme.version, days_off=text, **typed)
        )
        assert (refused.status_code, said in refused.text) == (422, True), text
    days = {"days_off": "2026-10-01~2026-10-07，2027-01-01", "workdays": "2026-10-10"}
    saved = officer.post(f"{url}/edit", programme_form(world, version=world.programme.version, **typed, **days))
    assert saved.status_code == 303, saved.text
    world.session.expire_all()
    rules = competencies.rules_of(world.session, world.programme)
    assert (len(rules.chain.days_off), rules.chain.check_percent, rules.chain.panel) == (8, 20, True)
    page = officer.get(url).text
    for words in ("考核小组", "合格的 20%", "公示 5 个工作日", "8 天放假、1 天上班", "公示结束后自动认定"):
        assert words in page
    assert "2026-10-01~2026-10-07 2027-01-01" in officer.get(f"{url}/edit").text
