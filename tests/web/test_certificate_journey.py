"""A certificate's way in a browser: issued, printed, checked by a stranger, and what a reversal makes of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from lms_plugin import db
from lms_plugin.flow import sessions
from tests import people as cast
from tests.certified import PAPER, sealed
from tests.factories import World, world_in
from tests.flow.test_reversal import imported
from tests.serving import tool_on_loopback

pytestmark = [pytest.mark.browser, pytest.mark.paper]

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def launch(world: World, context: BrowserContext, url: str, who: cast.Cast) -> None:
    """A session of that person in the browser."""
    opened = sessions.open_session(
        world.session, world.person(who), world.course, timedelta(hours=8), NOW, locale="zh-Hans"
    )
    world.session.commit()
    address = url.replace("http:", "https:")
    cookie = {"name": "__Host-nengli", "value": opened.token, "url": address, "secure": True, "httpOnly": True}
    context.add_cookies([cookie])


def test_from_the_officers_page_to_a_strangers_phone(own_district_url: str, tmp_path: Path, browser: Browser) -> None:
    with tool_on_loopback(own_district_url, tmp_path, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, NOW)
        imported(world)
        sealed(world)
        session.commit()
        office, phone = browser.new_context(locale="zh-CN"), browser.new_context(locale="zh-CN")
        for context in (office, phone):
            context.set_default_timeout(15_000)
        launch(world, office, tool.url, cast.OFFICER)
        page, stranger = office.new_page(), phone.new_page()
        page.goto(f"{tool.url}/progress/{world.programme.uuid}/{world.county.uuid}")
        page.get_by_role("link", name="学时证明").click()
        page.get_by_role("link", name=cast.CHEN.school).click()
        page.get_by_label("依据文号").fill(PAPER)
        page.get_by_role("button", name="发给 1 人").click()
        expect(page.get_by_role("status")).to_contain_text("发了 1 份")
        page.get_by_role("link", name="看证明").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="下载 PDF").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
        code = page.locator("main b").inner_text()
        stranger.goto(f"{tool.url}/v")
        stranger.get_by_label("核验码").fill(code.lower())
        stranger.get_by_role("button", name="核验").click()
        expect(stranger.get_by_role("heading", level=1)).to_have_text("这份学时证明有效")
        expect(stranger.locator("main")).to_contain_text("陈*芳")
        page.get_by_role("link", name="陈晓芳 的研修档案").click()
        page.get_by_role("link", name="冲销…").click()
        page.get_by_label("为什么冲销").fill("录错了人")
        page.get_by_role("button", name="冲销").click()
        expect(page.get_by_text("有学时被冲销")).to_be_visible()
        stranger.reload()
        expect(stranger.get_by_role("heading", level=1)).to_have_text("这份学时证明发出以后有变动")
        page.get_by_role("region", name="学时证明").get_by_role("link").first.click()
        page.get_by_role("link", name="作废").click()
        page.get_by_label("为什么作废").fill("录错了人")
        page.get_by_role("button", name="作废").click()
        stranger.reload()
        expect(stranger.get_by_role("heading", level=1)).to_have_text("这份学时证明已经作废")
        expect(stranger.locator("main")).not_to_contain_text("录错了人")
        stranger.get_by_role("link", name="再查一份").click()
        forged = code[:-1] + ("0" if code[-1] != "0" else "1")
        stranger.get_by_label("核验码").fill(forged)
        stranger.get_by_role("button", name="核验").click()
        expect(stranger.get_by_role("heading", level=1)).to_have_text("查不到这个核验码")
        expect(stranger.locator("main")).not_to_contain_text("陈")
        office.close()
        phone.close()
