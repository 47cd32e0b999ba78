"""A launch as Chromium makes it: the tool on another site, in a frame, third-party cookies blocked."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask, make_response, redirect, render_template_string, request
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.wrappers import Response

from lms_plugin.practice import PracticeConfig, create_practice
from tests.hosts import loopback

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

BY_SCRIPT = "<!doctype html><title>hop</title><script>location.replace({{ url | tojson }})</script>"
ARRIVED = """<!doctype html><html lang="en"><title>tool</title><h1>{{ outcome }}</h1>
<p id="cookies">{{ cookies }}</p><a href="{{ back }}">back</a>"""


@dataclass
class Site:
    """The two servers of one test."""

    lms: str
    tool: str
    hop: str = "redirect"


def stand_in_tool(site: Site) -> Flask:
    """Two pages: login sends the browser back, by redirect or by script; launch says what came."""
    tool = Flask("stand_in_tool")

    @tool.get("/lti/login")
    def login() -> Response | str:
        wanted = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "redirect_uri": site.tool + "/lti/launch",
            "state": "s",
            "nonce": "n",
            **{name: request.args[name] for name in ("client_id", "login_hint", "lti_message_hint")},
        }
        url = f"{site.lms}/auth?{urlencode(wanted)}"
        answer = make_response(redirect(url) if site.hop == "redirect" else render_template_string(BY_SCRIPT, url=url))
        answer.set_cookie("plain_third_party", "1", secure=True, samesite="None")
        return answer

    @tool.post("/lti/launch")
    def launch() -> str:
        outcome = "launched" if "id_token" in request.form else request.form["error"]
        back = site.lms + "/return/1"
        return render_template_string(ARRIVED, outcome=outcome, cookies=list(request.cookies), back=back)

    return tool


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Practice LMS and stand-in tool, each on its own site and a free port."""
    with ExitStack() as stack:
        found = Site("", "")
        tool_port = stack.enter_context(loopback.served(stand_in_tool(found)))
        found.tool = f"http://tool.localhost:{tool_port}"
        door = Flask("door")  # takes the port first, so that the LMS can know its own address
        lms_port = stack.enter_context(loopback.served(door))
        found.lms = f"http://lms.localhost:{lms_port}"
        lms = create_practice(
            PracticeConfig(
                found.lms, f"http://127.0.0.1:{lms_port}", found.tool, f"http://127.0.0.1:{tool_port}", tmp_path
            )
        )
        door.wsgi_app = lms.wsgi_app
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            # Without the last, Playwright sometimes goes on with the page that a frame held before it changed the site.
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--headless=new",
                "--test-third-party-cookie-phaseout",
                "--disable-site-isolation-trials",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1000, "height": 900})
    yield context.new_page()
    context.close()


def sign_in(page: Page, site: Site, name: str) -> None:
    page.goto(site.lms)
    page.get_by_role("button", name=name).click()
    page.wait_for_url("**/course/1")


@pytest.mark.parametrize("hop", ["redirect", "script"])
def test_launch_in_the_frame_with_third_party_cookies_blocked(page: Page, site: Site, hop: str) -> None:
    site.hop = hop
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    sign_in(page, site, "王秀兰")
    frame = page.frame_locator("iframe[name=activity]")
    frame.get_by_role("heading", name="launched").wait_for()
    assert "plain_third_party" not in frame.locator("#cookies").inner_text()  # the blocking is real
    cookie = next(c for c in page.context.cookies() if c["name"] == "practice_lms")
    assert cookie["secure"]
    assert cookie["sameSite"] == "None"
    assert not blocked
    frame.get_by_role("link", name="back").click()
    frame.get_by_role("link", name="返回课程").click()
    page.frame_locator("iframe[name=activity]").get_by_role("heading", name="launched").wait_for()
    assert page.url == site.lms + "/course/1"


def test_launch_in_a_new_window_and_full_page(page: Page, site: Site) -> None:
    sign_in(page, site, "郑文华")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="在新窗口打开").click()
    opened.value.get_by_role("heading", name="launched").wait_for()
    page.get_by_role("link", name="整页打开").click()
    page.get_by_role("heading", name="launched").wait_for()
    assert page.url == site.tool + "/lti/launch"


def test_signed_out_launch_asks_to_sign_in(page: Page, site: Site) -> None:
    sign_in(page, site, "王秀兰")
    page.get_by_role("button", name="退出").click()
    page.goto(site.lms + "/launch/1/101?target=frame")
    page.get_by_role("heading", name="以谁的身份登录").wait_for()


@pytest.mark.parametrize("width", [320, 360, 1000])
def test_nothing_scrolls_sideways(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(site.lms)
    for path in ("", "/course/1", "/gradebook/1", "/return/1", "/auth"):
        if path == "/course/1":
            sign_in(page, site, "何静")
        page.goto(site.lms + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
