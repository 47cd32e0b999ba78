"""Rows P in browsers: each way in, and what people do with tabs, on a host page of two frames that speaks platform
storage. Firefox has a file of its own: test_firefox.py."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page, Playwright, expect, sync_playwright

from tests.lti.conformance.bench import CLAIM, INSTRUCTOR
from tests.lti.conformance.browsers import ARGUMENTS, WAITS, Scene, activity, stock_chromium
from tests.lti.conformance.conftest import NOW

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def well(scene: Scene) -> None:
    """The clock where it was, cookies as they are."""
    scene.bench.clock[0] = NOW
    scene.bench.strips.clear()
    scene.host.returned.clear()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def strict(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Chromium that blocks third-party cookies, as `test_P03_P07_no_cookie_and_no_storage` shows."""
    made = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    yield made
    made.close()


@pytest.fixture
def page(strict: Browser) -> Iterator[Page]:
    """A tab of a browser that has been nowhere yet."""
    context = strict.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
    context.set_default_timeout(WAITS)
    yield context.new_page()
    context.close()


def is_home(page: Page) -> None:
    """The officer's first page stands in the frame."""
    where = page.frame_locator("[name=activity]")
    expect(where.locator("nav.menu")).to_contain_text("名单", timeout=WAITS)
    expect(where.locator(".who")).to_have_text("褚员")


def is_asked(page: Page) -> None:
    """The question stands in the frame."""
    where = page.frame_locator("[name=activity]")
    expect(where.get_by_role("heading", level=1)).to_contain_text("褚员", timeout=WAITS)
    expect(where.get_by_role("button", name="是我，在新窗口打开")).to_be_visible()


def say_yes(page: Page) -> None:
    """ "It is me, go on here"."""
    page.frame_locator("[name=activity]").get_by_role("button", name="是我，就在这里继续").click()


def heard(page: Page, frame: str = "") -> list[str]:
    """The subjects of what reached the host's page, or its frame of that name."""
    place = page.frame(name=frame) if frame else page.main_frame
    assert place is not None
    return [one["subject"] for one in place.evaluate("heard")]


def is_borne(page: Page) -> bool:
    """Whether the tab lives by its bearer instead of a cookie."""
    return bool(activity(page).evaluate("nengli.borne"))


def works(page: Page) -> None:
    """What an officer does in the frame: a page, a reload, a sheet to download, a page in a tab of its own, Back."""
    where = page.frame_locator("[name=activity]")
    here = where.locator("nav.menu [aria-current]")
    is_home(page)
    where.locator("nav.menu").get_by_role("link", name="名单").click()
    expect(here).to_have_text("名单")
    with page.expect_event("framenavigated", lambda frame: frame.name == "activity"):  # else the old page is clicked
        activity(page).evaluate("location.reload()")
    expect(here).to_have_text("名单", timeout=WAITS)
    with page.context.expect_page() as opened:
        where.locator("nav.menu").get_by_role("link", name="进度").click(modifiers=["Control"])
    expect(opened.value.locator(".who")).to_have_text("褚员", timeout=WAITS)
    opened.value.reload()
    expect(opened.value.locator("nav.menu [aria-current]")).to_have_text("进度")
    opened.value.close()
    where.locator("nav.menu").get_by_role("link", name="进度").click()
    expect(here).to_have_text("进度")
    sheets: list[Download] = []
    page.on("download", lambda one: sheets.append(one))
    page.context.on("page", lambda tab: tab.on("download", lambda one: sheets.append(one)))
    where.get_by_role("link", name="导出 Excel").click()
    for _ in range(100):
        if sheets:
            break
        page.wait_for_timeout(100)
    assert sheets[0].suggested_filename.endswith(".xlsx")
    assert len(page.context.pages) == 1  # no empty tab stays behind
    page.evaluate("history.back()")
    expect(here).to_have_text("名单", timeout=WAITS)


def test_P07_third_party_cookies_blocked(scene: Scene, page: Page) -> None:
    """Chromium with third-party cookies blocked: the Partitioned cookie carries everything."""
    works(scene.open(page))
    assert not is_borne(page)


def test_P07_stock_chrome(scene: Scene, playwright: Playwright, chromium: str, tmp_path: Path) -> None:
    """Chromium as Google ships it: third-party cookies pass, also where they are not Partitioned."""
    scene.bench.strips.append("Partitioned")
    with stock_chromium(playwright, chromium, tmp_path / "profile") as context:
        page = scene.open(context.pages[0])
        works(page)
        assert not is_borne(page)


@pytest.mark.parametrize("target", ["_parent", "keeper"])
def test_P01_P02_P07_no_cookie_at_all_and_storage(scene: Scene, page: Page, target: str) -> None:
    """A browser without Partitioned cookies (Safari before 26.2) on a host with storage: in without a question."""
    scene.bench.strips.append("Partitioned")
    scene.open(page, target=target)
    works(page)
    assert is_borne(page)
    asked = heard(page, "" if target == "_parent" else target)
    assert [one for one in asked if one.endswith(("put_data", "get_data"))] == ["lti.put_data", "lti.get_data"]


def test_P03_P07_no_cookie_and_no_storage(scene: Scene, page: Page) -> None:
    """The same browser on Moodle or Open edX: one question, then on in this tab."""
    scene.bench.strips.append("Partitioned")
    scene.open(page)
    is_asked(page)
    say_yes(page)
    works(page)
    assert is_borne(page)


@pytest.mark.parametrize("how", ["silent", "refusing", "bare", "elsewhere"])
def test_P01_P03_P06_storage_that_does_not_serve(scene: Scene, page: Page, how: str) -> None:
    """No answer, an error, no such message, a frame of another origin (which hears nothing): on to the question."""
    scene.bench.strips.append("Partitioned")
    query = {"keeper": "other"} if how == "elsewhere" else {"mood": how}
    scene.open(page, target="keeper", **query)
    is_asked(page)
    asked = heard(page, "keeper")
    assert ("lti.put_data" in asked) == (how in {"silent", "refusing"})
    assert asked == [] or how != "elsewhere"


def test_P02_answers_of_others_do_not_count(scene: Scene, page: Page) -> None:
    """Another message id, another subject, another origin come first: the right answer is waited for."""
    scene.bench.strips.append("Partitioned")
    is_home(scene.open(page, target="_parent", mood="noisy"))


def test_P02_a_wrong_proof_is_a_refusal(scene: Scene, page: Page) -> None:
    """The storage gives what belongs to another login."""
    scene.bench.strips.append("Partitioned")
    scene.open(page, target="keeper", mood="lying")
    expect(page.frame_locator("[name=activity]").locator(".ref").first).to_be_visible(timeout=WAITS)
    assert scene.bench.last_log().outcome == "launch.browser_other"


def test_P06_no_stranger_frames_the_pages(scene: Scene, page: Page) -> None:
    """The host's page under a name that is not registered: the browser shows nothing of ours in it."""
    scene.bench.strips.append("Partitioned")
    page.goto(scene.host.course(sub="officer", target="_parent").replace("//lms.", "//other."))
    page.wait_for_function("frames.activity.length === 0 && document.readyState === 'complete'")
    page.wait_for_timeout(1500)
    assert heard(page) == []
    assert not page.frame_locator("[name=activity]").locator("h1").is_visible()


def test_P08_what_the_host_listens_to(scene: Scene, page: Page) -> None:
    """Its height is told; a new page asks for the top; a host that can close the tool gets a button for it."""
    scene.open(page, mood="well")
    is_home(page)
    where = page.frame_locator("[name=activity]")
    where.get_by_role("button", name="关闭").click()
    page.wait_for_function("heard.some((one) => one.subject === 'lti.close')")
    assert {"lti.frameResize", "lti.scrollToTop", "lti.close"} <= set(heard(page))
    scene.open(page, mood="bare")
    is_home(page)
    assert where.get_by_role("button", name="关闭").count() == 0
    assert "lti.scrollToTop" not in heard(page)


@pytest.mark.parametrize("target", ["", "_parent"])
def test_P07_deep_linking_without_cookies(scene: Scene, page: Page, target: str) -> None:
    """What was picked in a tab without cookies reaches the host."""
    scene.bench.strips.append("Partitioned")
    picks = {
        CLAIM + "message_type": "LtiDeepLinkingRequest",
        CLAIM + "roles": [INSTRUCTOR],
        CLAIM + "resource_link": None,
        "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings": {
            "deep_link_return_url": scene.host.url + "/return?course=9",
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe"],
        },
    }
    scene.open(page, target=target, more=json.dumps(picks))
    where = page.frame_locator("[name=activity]")
    if not target:
        expect(where.get_by_role("heading", level=1)).to_contain_text("褚员", timeout=WAITS)
        # The host waits here for the choice; a window of its own could not give it back.
        assert not where.get_by_role("button", name="是我，在新窗口打开").is_visible()
        say_yes(page)
    where.get_by_role("button", name="放进课程").first.click(timeout=WAITS)
    expect(where.get_by_role("heading", level=1)).to_have_text("课程", timeout=WAITS)
    assert list(scene.host.returned[0]) == ["JWT"]


# --- what people do with tabs ---


@pytest.mark.parametrize("target", ["", "_parent"], ids=["cookie", "storage"])
def test_P07_a_double_click(scene: Scene, page: Page, target: str) -> None:
    """The button that brings the launch, clicked twice: one place, once."""
    if target:
        scene.bench.strips.append("Partitioned")
    scene.open(page, target=target, wait="1")
    page.frame_locator("[name=activity]").get_by_role("button", name="进入").dblclick()
    is_home(page)


def test_P07_the_new_window_twice_and_back(scene: Scene, page: Page) -> None:
    """Its button clicked twice: one window. Back in it stays in; so does one opened later and confirmed last."""
    scene.bench.strips.append("Partitioned")
    scene.open(page)
    is_asked(page)
    frame = page.frame("activity")
    assert frame is not None
    frame.wait_for_load_state(
        "load"
    )  # the button may be clicked before the script is there that takes one click of two
    button = frame.get_by_role("button", name="是我，在新窗口打开")
    with page.context.expect_page() as opened:
        button.dblclick()
    window = opened.value
    expect(window.get_by_role("button", name="确认进入")).to_be_visible(timeout=WAITS)
    assert page.context.pages == [page, window]
    page.wait_for_timeout(3100)
    with page.context.expect_page() as opened:
        button.click()
    other = opened.value
    for one in (window, other):
        one.get_by_role("button", name="确认进入").dblclick()
        expect(one.locator(".who")).to_have_text("褚员", timeout=WAITS)
        scene.bench.clock[0] += timedelta(minutes=1)
    window.go_back()
    expect(window.locator(".who")).to_have_text("褚员", timeout=WAITS)


@pytest.mark.parametrize("target", ["", "_parent"], ids=["cookie", "storage"])
def test_P07_ten_tabs(scene: Scene, page: Page, target: str) -> None:
    """Ten tabs opened at once: each comes in."""
    if target:
        scene.bench.strips.append("Partitioned")
    pages = [page, *(page.context.new_page() for _ in range(9))]
    for one in pages:
        one.evaluate("(url) => { location.href = url; }", scene.host.course(sub="officer", target="_parent"))
    for one in pages:
        is_home(one)


@pytest.mark.parametrize("target", ["", "_parent"], ids=["cookie", "storage"])
def test_P07_refresh_and_back(scene: Scene, page: Page, target: str) -> None:
    """Back goes to the page before, a reload of the frame stays there, a refresh of the course opens it again."""
    if target:
        scene.bench.strips.append("Partitioned")
    is_home(scene.open(page, target=target))
    where = page.frame_locator("[name=activity]")
    home = where.locator("nav.menu [aria-current]").inner_text()
    where.locator("nav.menu").get_by_role("link", name="名单").click()
    expect(where.locator("nav.menu [aria-current]")).to_have_text("名单")
    scene.bench.clock[0] += timedelta(minutes=5)
    page.evaluate("history.back()")
    expect(where.locator("nav.menu [aria-current]")).to_have_text(home, timeout=WAITS)
    before = len(scene.bench.asked)
    activity(page).evaluate("location.reload()")
    while len(scene.bench.asked) == before:
        page.wait_for_timeout(50)
    expect(where.locator("nav.menu [aria-current]")).to_have_text(home, timeout=WAITS)
    page.reload()
    is_home(page)


def test_P07_back_onto_a_launch_that_is_over(scene: Scene, page: Page) -> None:
    """Back to the host's button and pressed again, minutes later: a page that says to open it from the course, and the
    session is as it was."""
    scene.open(page, wait="1")
    where = page.frame_locator("[name=activity]")
    where.get_by_role("button", name="进入").click()
    is_home(page)
    scene.bench.clock[0] += timedelta(minutes=5)
    page.evaluate("history.back()")
    where.get_by_role("button", name="进入").click()
    expect(where.get_by_role("heading", level=1)).to_contain_text("已经打开过", timeout=WAITS)
    activity(page).goto(scene.bench.url + "/")
    is_home(page)


def test_P07_back_over_a_cut_line(scene: Scene, page: Page) -> None:
    """The line is cut and Back pressed in a tab without cookies: that is said, what stood there stays, and one click
    brings the page before once the line is there again."""
    scene.bench.strips.append("Partitioned")
    is_home(scene.open(page, target="_parent"))
    where = page.frame_locator("[name=activity]")
    here = where.locator("nav.menu [aria-current]")
    home = here.inner_text()
    where.locator("nav.menu").get_by_role("link", name="名单").click()
    expect(here).to_have_text("名单")
    page.context.set_offline(True)
    page.evaluate("history.back()")
    told = where.locator("[data-cut-said]")
    expect(told).to_contain_text("没有连上", timeout=WAITS)
    expect(here).to_have_text("名单")
    page.context.set_offline(False)
    told.get_by_role("link", name="再试一次").click()
    expect(here).to_have_text(home, timeout=WAITS)
    expect(told).to_have_count(0)
    assert is_borne(page)
    page.evaluate("history.forward()")
    expect(here).to_have_text("名单", timeout=WAITS)  # trying again was no step of its own


@pytest.mark.parametrize("cookie", [True, False], ids=["cookie", "bearer"])
def test_P07_a_new_tab_when_the_session_is_over(scene: Scene, page: Page, cookie: bool) -> None:
    """No ticket is given any more: the new tab stands at the page that was wanted and says what to do."""
    if not cookie:
        scene.bench.strips.append("Partitioned")
    scene.open(page, target="" if cookie else "_parent")
    is_home(page)
    scene.bench.clock[0] += timedelta(hours=20)
    with page.context.expect_page() as opened:
        menu = page.frame_locator("[name=activity]").locator("nav.menu")
        menu.get_by_role("link", name="名单").click(modifiers=["Control"])
    # A tab that a page opens asks before Playwright has given it the context's language.
    said = re.compile("请回到课程页面|Go back to the course")
    expect(opened.value.locator("h1")).to_contain_text(said, timeout=WAITS)
    assert opened.value.url == scene.bench.url + "/people"


@pytest.mark.parametrize("target", ["", "_parent"], ids=["cookie", "storage"])
def test_P07_a_login_that_waited_too_long(scene: Scene, page: Page, target: str) -> None:
    """Ten minutes at the host's sign-in: the page says so, and a refresh of the course is all it takes."""
    if target:
        scene.bench.strips.append("Partitioned")
    scene.open(page, target=target, wait="1")
    where = page.frame_locator("[name=activity]")
    button = where.get_by_role("button", name="进入")
    expect(button).to_be_visible(timeout=WAITS)
    scene.bench.clock[0] += timedelta(minutes=11)
    button.click()
    expect(where.locator(".ref").first).to_be_visible(timeout=WAITS)
    assert scene.bench.last_log().outcome == "launch.state_expired"
    page.reload()
    button.click()
    is_home(page)
