"""A teacher who moves county in the middle of a programme: her points and hours go along, on three people's word."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lms_plugin import db
from tests import people as cast
from tests.factories import world_in
from tests.flow.test_transfers import earned_here
from tests.serving import tool_on_loopback
from tests.web.test_certificate_journey import launch

pytestmark = pytest.mark.browser

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
MOVED = cast.Cast("chen_there", "陈晓芳", "邻县小学", "LX777")


def test_a_teacher_moves_county_mid_programme(own_district_url: str, tmp_path: Path, browser: Browser) -> None:
    with tool_on_loopback(own_district_url, tmp_path, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, NOW)
        there = earned_here(world)
        world.persons[MOVED.key] = there.person
        session.commit()
        pages: dict[str, Page] = {}
        for who in (cast.CHEN, MOVED, cast.OFFICER, cast.NEIGHBOUR):
            context = browser.new_context(locale="zh-CN", viewport={"width": 360, "height": 740})
            context.set_default_timeout(15_000)
            launch(world, context, tool.url, who)
            pages[who.key] = context.new_page()
        new, old = pages[MOVED.key], pages[cast.CHEN.key]
        new.goto(f"{tool.url}/record/{there.programme.uuid}")
        new.get_by_role("link", name="转出和转入").click()
        new.get_by_role("button", name="要一个接收码").click()
        code = new.locator("main strong.code").inner_text()
        old.goto(f"{tool.url}/record/{world.programme.uuid}")
        old.get_by_role("link", name="转出和转入").click()
        old.get_by_label("新区县给您的接收码").fill(code.lower())
        old.get_by_role("button", name="申请转出").click()
        expect(old.get_by_role("heading", level=1)).to_contain_text("转到邻县")
        here = pages[cast.OFFICER.key]
        here.goto(f"{tool.url}/people")
        here.get_by_role("link", name="转出和转入").click()
        here.get_by_role("link", name="看第一份").click()
        expect(here.locator("main")).to_contain_text("25 学时")
        here.get_by_role("button", name="放行", exact=True).click()
        expect(here.get_by_role("heading", level=1)).to_contain_text("已放行")
        office = pages[cast.NEIGHBOUR.key]
        office.goto(f"{tool.url}/transfers")
        office.get_by_role("link", name="看第一份").click()
        expect(office.get_by_label("A3 ", exact=False).first).to_have_value("A3")
        office.get_by_role("link", name="看档案里的材料和评定").click()
        expect(office.get_by_role("heading", level=1)).to_contain_text("带来 3 份出了结果的材料")
        marks, text = (office.locator(f"[aria-labelledby=w-1] {at} details") for at in (">", "li"))
        marks.click()
        expect(marks.get_by_role("row").nth(1)).to_contain_text("合格")
        text.first.click()
        expect(text.first).to_contain_text("目标明确")
        office.go_back()
        office.get_by_role("button", name="接收", exact=True).click()
        expect(office.get_by_role("heading", level=1)).to_contain_text("已接收")
        new.goto(f"{tool.url}/record/{there.programme.uuid}")
        expect(new.get_by_role("heading", level=1)).to_contain_text("合格")
        expect(new.locator("main")).to_contain_text("转入：平安县")
        old.goto(f"{tool.url}/record/{world.programme.uuid}")
        expect(old.locator("main")).to_contain_text("转出到邻县")
        expect(old.locator("main")).to_contain_text("实践应用学时：0 / 25")
