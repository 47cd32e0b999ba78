"""A curator's afternoon in a browser: the next version begun, one point changed and one dropped, compared, published,
and the district's round taken over to it."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.flow import sessions, submit
from tests import people as cast
from tests.factories import world_in
from tests.serving import tool_on_loopback

pytestmark = pytest.mark.browser


def test_from_the_first_change_to_the_round_on_the_new_version(
    browser: Browser, own_district_url: str, tmp_path: Path, now
) -> None:
    with tool_on_loopback(own_district_url, tmp_path, lambda: now) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, now)
        word = {"by": pk(world.person(cast.OFFICER)), "at": now.isoformat()}
        world.framework.confirmed_points = {one["code"]: word for one in world.framework.content["points"]}
        submit.choose_points(session, world.actor(cast.WANG), world.programme.uuid, ["A3", "A9", "B1"], now)
        opened = sessions.open_session(
            session, world.person(cast.OFFICER), world.course, timedelta(hours=8), now, locale="zh-Hans"
        )
        session.commit()
        context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
        context.set_default_timeout(10_000)
        address = tool.url.replace("http:", "https:")
        context.add_cookies([{"name": "__Host-nengli", "value": opened.token, "url": address, "secure": True}])
        page = context.new_page()
        page.goto(f"{tool.url}/curate")
        page.get_by_role("link", name="改一份标准").click()
        page.get_by_role("button", name="开始改").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("现在和第 1 版完全一样，改了才能发布")

        page.get_by_role("link", name="改 A1").first.click()
        page.get_by_label("给教师的问题", exact=True).fill("")
        page.get_by_role("button", name="保存").first.click()
        expect(page.locator("#f-question_zh-error")).to_be_visible()
        page.get_by_label("给教师的问题", exact=True).fill("学生学到哪一步了")
        page.get_by_role("button", name="保存").first.click()
        expect(page.get_by_text("学生学到哪一步了")).to_be_visible()
        page.get_by_role("link", name="A9 学生信息道德培养").click()
        page.get_by_role("link", name="改 A9").click()
        page.get_by_text("去掉这个能力点").click()
        page.get_by_role("button", name="去掉 A9").click()

        page.get_by_role("link", name="和前一版比，改了什么").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("去掉 1 个，改动 1 个")
        page.go_back()
        page.get_by_role("button", name="确认 A1").click()
        page.get_by_role("button", name="发布这一版").click()

        page.goto(f"{tool.url}/curate/programmes/{world.programme.uuid}/move")
        page.get_by_role("link", name="去写明").click()
        page.get_by_label("A9 学生信息道德培养").select_option("新版没有了，要另选")
        page.get_by_role("button", name="保存").click()
        page.goto(f"{tool.url}/curate/programmes/{world.programme.uuid}/move")
        expect(page.locator(".figure").first).to_contain_text("2")
        page.get_by_role("button", name="就这样换").click()
        page.locator("summary").last.click()
        expect(page.get_by_text("2 个选点跟着走，0 个留在原来那一版，1 人要另选")).to_be_visible()
        context.close()
