"""Every component in a real browser: readable, reachable, at home in narrow boxes, and its script does what it says."""

import base64
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, expect

from tests.web.kit_host import BEARER, Host, digest, serving

pytestmark = pytest.mark.browser

AXE = (Path(__file__).resolve().parents[1] / "vendor/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
GONE = "<!doctype html><title>x</title><body><main><h1>没有这一页</h1></main></body>"
LOOKS = ["?", "?lang=en", "?size=larger", "?theme=dark"]


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host()) as found:
        yield found


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport={"width": 1000, "height": 640}, locale="zh-CN")
    yield found
    found.close()


@pytest.fixture
def tab(context: BrowserContext) -> Page:
    """An empty tab that fails the test where the policy is broken or a script stumbles."""
    found = context.new_page()
    found.set_default_timeout(8000)
    found.on("pageerror", lambda error: pytest.fail(f"script: {error}"))
    found.on("console", lambda line: pytest.fail(line.text) if "Content Security" in line.text else None)
    return found


@pytest.fixture
def page(tab: Page, host: Host) -> Page:
    """The kit in that tab."""
    tab.goto(f"{host.url}/kit")
    return tab


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/kit", "/kit/plain"])
@pytest.mark.parametrize("width", [320, 720, 1000])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    tab: Page, host: Host, width: int, path: str, look: str
) -> None:
    tab.set_viewport_size({"width": width, "height": 600})
    tab.goto(host.url + path + look)
    for summary in tab.locator("main details:not([open]) > summary").all():
        summary.click() if summary.is_visible() else None
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What stays at the window's edge covers whatever the page happens to be scrolled to: a person scrolls on.
    tab.evaluate("scrollTo(0, 0)")
    found = tab.evaluate(
        AXE + f";axe.run(document, {{runOnly: {RULES}, resultTypes: ['violations']}}).then(r => r.violations)"
    )
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_one_filled_button(page: Page) -> None:
    assert page.locator(".btn.primary").count() == 1
    assert page.locator("h1").count() == 1


def test_targets_are_big_enough_for_fingers(browser: Browser, host: Host) -> None:
    phone = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.goto(f"{host.url}/kit")
    small = page.evaluate(
        """[...document.querySelectorAll(
            '.btn, .topbar a, .topbar button, .topbar summary, .menu a, .menu summary, .lv, select, .pickrow')]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML)"""
    )
    assert small == []
    phone.close()


def test_everything_works_without_script(browser: Browser, host: Host) -> None:
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{host.url}/kit")
    page.locator("#slot-2 input[type=file]").set_input_files(
        {"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"film"}
    )
    page.locator("#slot-2 [data-nojs]").click()
    page.goto(f"{host.url}/kit")
    page.get_by_label("A6 技术支持的课堂讲授").check()
    page.get_by_role("button", name="确定选择").click()
    (name, said, files), (choice, chosen, _) = host.forms
    assert (name, files, said["csrf_token"], said["fingerprint"]) == ("file", {"file": b"film"}, "csrf-1", "person-1")
    assert (choice, chosen["csrf_token"]) == ("choose", "csrf-1")
    plain.close()


# --- drafts ---


def test_a_draft_is_saved_by_itself(page: Page, host: Host) -> None:
    page.locator("#c-m2-reason").fill("重点一带而过")
    expect(page.locator("[data-saved]")).to_have_text("已保存 09:41", timeout=10_000)
    assert host.drafts[-1]["r2"] == "重点一带而过"
    page.locator("#c-m2-reason").fill("重点一带而过，例子没讲")
    expect(page.locator("[name=version]")).to_have_value("3")
    assert page.evaluate("Object.keys(localStorage)") == []


def test_while_one_types_on_it_is_saved_all_the_same(page: Page, host: Host) -> None:
    """A key every tenth of a second leaves no pause in which a draft would be saved; the third second does."""
    box = page.locator("#c-m2-reason")
    for _ in range(50):
        box.press_sequentially("字", delay=100)
        if host.drafts:
            break
    assert host.drafts


def test_a_cut_line_and_a_killed_page_lose_nothing(page: Page, host: Host) -> None:
    host.answer_with = 503
    page.locator("#c-m2-reason").fill("断网时写的")
    expect(page.locator("[data-saved]")).to_contain_text("内容还在本机")
    page.goto("about:blank")
    host.answer_with = 200
    page.goto(f"{host.url}/kit")
    expect(page.locator("#c-m2-reason")).to_have_value("断网时写的")
    expect(page.locator("[data-saved]")).to_have_text("已保存 09:41")
    assert host.drafts[-1]["r2"] == "断网时写的"


def test_two_tabs_show_both_versions(page: Page, host: Host) -> None:
    host.version = 7
    page.locator("#c-m2-reason").fill("乙")
    expect(page.locator("[data-conflict]")).to_contain_text("两处都改了")
    assert host.drafts == []
    assert page.evaluate("document.activeElement.hasAttribute('data-conflict')")


def test_an_expired_session_keeps_the_text_here(page: Page, host: Host) -> None:
    host.answer_with = 401
    page.locator("#c-m2-reason").fill("写了很久")
    expect(page.locator("[data-saved]")).to_contain_text("登录已过期")
    host.answer_with = 200
    page.reload()
    expect(page.locator("#c-m2-reason")).to_have_value("写了很久")


def test_a_submitted_form_leaves_no_copy(page: Page, host: Host) -> None:
    page.locator("#c-m2-reason").fill("好了")
    page.locator("#c-m3 input").nth(1).check()
    page.get_by_role("button", name="提交评审").click()
    page.wait_for_url("**/kit/plain")  # the name under which the copy was sent has gone from the address
    assert host.forms[-1][1]["r2"] == "好了"
    assert page.evaluate("Object.keys(localStorage)") == []


def test_a_form_that_was_refused_leaves_its_copy(page: Page, host: Host) -> None:
    host.answer_with = 401
    page.locator("#c-m2-reason").fill("写了很久")
    page.locator("#c-m3 input").nth(1).check()
    page.get_by_role("button", name="提交评审").click()
    expect(page.locator("h1")).to_have_text("没有收")
    host.answer_with = 200
    page.goto(f"{host.url}/kit/plain")  # whatever page comes next, nobody has taken the form
    page.goto(f"{host.url}/kit")
    expect(page.locator("#c-m2-reason")).to_have_value("写了很久")
    expect(page.locator("[data-saved]")).to_have_text("已保存 09:41")


# --- uploads ---

FILM = os.urandom(9 * 1024 * 1024)


def choose_film(page: Page, tmp_path: Path) -> None:
    film = tmp_path / "课堂.mp4"
    if not film.exists():
        film.write_bytes(FILM)
    page.locator("#slot-2 [data-file]").set_input_files(film)


def test_a_film_travels_in_parts_and_survives_lost_ones(page: Page, host: Host, tmp_path: Path) -> None:
    host.cuts = 1
    choose_film(page, tmp_path)
    expect(page.locator("#slot-2")).to_have_text("已收到", timeout=20_000)
    (upload,) = host.uploads.values()
    assert digest(bytes(upload["bytes"])) == digest(FILM)
    meta = dict(pair.split(" ") for pair in upload["meta"].split(","))
    assert base64.b64decode(meta["filename"]).decode() == "课堂.mp4"
    assert base64.b64decode(meta["slot"]) == b"2"
    assert (upload["csrf"], upload["person"]) == ("csrf-1", "person-1")
    assert max(size for _, size in host.patches) == 4 * 1024 * 1024
    assert len(host.patches) == 4  # three parts, the first one twice


def test_after_a_killed_page_only_the_missing_parts_travel(page: Page, host: Host, tmp_path: Path) -> None:
    sent = 0

    def second_is_cut(route: Route) -> None:
        nonlocal sent
        sent += route.request.method == "PATCH"
        route.abort() if sent > 1 else route.continue_()

    page.route("**/uploads/*", second_is_cut)
    choose_film(page, tmp_path)
    expect(page.locator("#slot-2 [data-up-words]")).to_contain_text("从第 2 段接着传", timeout=15_000)
    page.reload()
    expect(page.locator("#slot-2 [data-up-words]")).to_contain_text("请再选一次同一个文件")
    page.unroute("**/uploads/*")
    host.patches.clear()
    choose_film(page, tmp_path)
    expect(page.locator("#slot-2")).to_have_text("已收到", timeout=20_000)
    assert [offset for offset, _ in host.patches] == [4 * 1024 * 1024, 8 * 1024 * 1024]
    (upload,) = host.uploads.values()
    assert digest(bytes(upload["bytes"])) == digest(FILM)


def test_a_cancelled_upload_is_forgotten(page: Page, host: Host, tmp_path: Path) -> None:
    host.cuts = 99
    choose_film(page, tmp_path)
    page.locator("#slot-2 [data-up-cancel]").click()
    expect(page.locator("#slot-2 [data-up]")).to_be_hidden()
    expect(page.locator("#slot-2 [data-up-cancel]")).to_be_hidden()
    assert page.evaluate("Object.keys(localStorage)") == []


# --- marking, choosing ---


def test_marking_by_keys(page: Page, host: Host) -> None:
    page.locator("#pane-marks h2").click()
    page.keyboard.press("j")
    page.keyboard.press("3")
    expect(page.locator("#c-m1 input").nth(2)).to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(page.locator("#c-m3-reason")).to_be_focused()
    page.keyboard.type("k3")
    expect(page.locator("#c-m3-reason")).to_have_value("k3")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    page.keyboard.press("2")
    expect(page.locator("#c-m2 input").nth(1)).to_be_checked()
    assert page.evaluate("document.querySelector('#c-m3-reason').required")
    assert not page.evaluate("document.querySelector('#c-m2-reason').required")


def test_keys_can_be_switched_off(page: Page) -> None:
    page.locator("[data-keys] summary").click()
    page.locator("[data-keys-on]").uncheck()
    page.keyboard.press("j")
    page.keyboard.press("3")
    expect(page.locator("#c-m1 input").nth(1)).to_be_checked()


def test_accept_fills_what_all_agree_on(page: Page) -> None:
    page.locator("#pane-marks h2").click()
    page.keyboard.press("a")
    expect(page.locator("#c-m3 input").nth(2)).to_be_checked()


def test_a_reason_is_asked_only_below_pass(page: Page) -> None:
    expect(page.locator("#c-m1-reason")).to_be_hidden()
    page.locator("#c-m1 input").first.check()
    expect(page.locator("#c-m1-reason")).to_be_visible()


def test_tabs_on_narrow_boxes_keep_their_place(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    expect(page.locator("#pane-marks")).to_be_hidden()
    page.get_by_role("tab", name="怎样评").click()
    expect(page.locator("#pane-hand")).to_be_hidden()
    page.set_viewport_size({"width": 1000, "height": 640})
    expect(page.locator("#pane-hand")).to_be_visible()


def test_the_sentence_follows_the_choice(page: Page) -> None:
    said = page.locator("[data-choose-words]")
    expect(said).to_have_text("已选 1 个：A3 · 还要 2 个")
    page.get_by_label("A6 技术支持的课堂讲授").check()
    expect(said).to_have_text("已选 2 个：A3 A6 · 还要 1 个")


def test_a_field_to_copy_selects_itself(page: Page) -> None:
    page.locator("#late").click()
    assert "河湾中学" in page.evaluate("getSelection().toString()")


# --- a tab without cookie ---


def enter(page: Page, host: Host) -> None:
    """On in this tab."""
    page.goto(f"{host.url}/lti/launch")
    page.get_by_role("button", name="就在这里继续").click()
    expect(page.locator(".who")).to_have_text("王老师")


def test_a_tab_without_cookie_lives_by_its_bearer(page: Page, host: Host) -> None:
    page.goto(f"{host.url}/lti/launch")
    assert BEARER not in page.content()
    page.get_by_role("button", name="就在这里继续").click()
    expect(page.locator(".who")).to_have_text("王老师")
    assert page.url == f"{host.url}/"
    page.locator(".menu a").first.click()
    page.wait_for_url(f"{host.url}/inside")
    page.locator("#c-m2-reason").fill("没有 cookie")
    expect(page.locator("[data-saved]")).to_have_text("已保存 09:41")
    page.reload()
    expect(page.locator(".who")).to_have_text("王老师")
    page.go_back()
    expect(page.locator(".who")).to_have_text("王老师")
    asked = [who for what, who in host.seen if what in {"GET /inside", "POST /kit/save"}]
    assert asked.count(None) == 1  # the bare reload alone
    assert set(asked) == {None, BEARER}


def test_a_tab_without_cookie_drops_its_copy_too(page: Page, host: Host) -> None:
    enter(page, host)
    host.answer_with = 401
    page.locator("#c-m2-reason").fill("好了")
    page.locator("#c-m3 input").nth(1).check()
    page.get_by_role("button", name="提交评审").click()
    expect(page.locator("h1")).to_have_text("没有收")
    kept = "Object.keys(localStorage).filter(key => key.startsWith('nengli:draft:')).length"
    assert page.evaluate(kept) == 1
    host.answer_with = 200
    page.goto(f"{host.url}/inside")
    expect(page.locator("#c-m2-reason")).to_have_value("好了")
    page.locator("#c-m3 input").nth(1).check()
    page.get_by_role("button", name="提交评审").click()
    page.wait_for_url("**/kit/plain")
    assert host.forms[-1][1]["r2"] == "好了"
    assert page.evaluate(kept) == 0


def test_a_click_counts_from_the_moment_the_page_stands(page: Page, host: Host) -> None:
    """Not even the first twenty milliseconds of a page has links that lead out of such a tab."""
    enter(page, host)
    host.seen.clear()
    at_once = "Promise.resolve().then(() => document.querySelector('.menu a').click())"
    page.evaluate(f"document.addEventListener('htmx:afterSwap', () => {at_once}, {{once: true}})")
    with page.expect_request_finished(lambda request: host.seen.count(("GET /inside", BEARER)) == 2):
        page.locator(".menu a").first.click()
    expect(page.locator(".who")).to_have_text("王老师")
    assert {who for what, who in host.seen if not what.startswith("GET /static")} == {BEARER}


def test_a_double_click_and_another_one(page: Page, host: Host) -> None:
    """What is clicked last comes, although the line was slow and the first was clicked twice."""
    enter(page, host)
    late: list[Route] = []
    page.route("**/inside", lambda route: late.append(route))
    with page.expect_request("**/inside"):
        page.locator(".menu a").first.dblclick()
    expect(page.locator("html > progress")).to_be_visible()  # what a browser else shows: it is on its way
    page.locator(".menu a").nth(1).click()
    page.wait_for_url(f"{host.url}/kit/two")
    expect(page.locator("html > progress")).to_have_count(0)
    for one in late:
        with suppress(Error):  # its page gave it up already
            one.continue_()
    page.wait_for_timeout(1000)
    assert page.url == f"{host.url}/kit/two"
    assert len(late) == 1


@pytest.mark.parametrize("first", ["a click", "Back"])
def test_of_a_click_and_back_the_later_counts(page: Page, host: Host, first: str) -> None:
    """On a slow line what was asked for first comes last; nobody wants it any more."""
    enter(page, host)
    page.locator(".menu a").first.click()
    page.wait_for_url(f"{host.url}/inside")
    slow = "**/kit/two" if first == "a click" else f"{host.url}/"
    late: list[Route] = []
    page.route(slow, lambda route: late.append(route))
    steps = [lambda: page.locator(".menu a").nth(1).click(), lambda: page.evaluate("history.back()")]
    with page.expect_request(slow):
        steps[first == "Back"]()
    steps[first == "a click"]()
    address, links = ("/", "/inside") if first == "a click" else ("/kit/two", "/kit")
    shown = page.locator(f".menu li:first-child a[href='{links}']")
    page.wait_for_url(host.url + address)
    expect(shown).to_be_visible()
    with suppress(Error):  # its page gave it up already
        late[0].continue_()
    page.wait_for_timeout(1000)
    assert (page.url, shown.count()) == (host.url + address, 1)


def test_back_onto_a_page_that_is_gone_shows_why(page: Page, host: Host) -> None:
    enter(page, host)
    page.locator(".menu a").first.click()
    page.wait_for_url(f"{host.url}/inside")
    page.route(f"{host.url}/", lambda route: route.fulfill(status=404, content_type="text/html", body=GONE))
    page.evaluate("history.back()")
    expect(page.locator("h1")).to_have_text("没有这一页")


def test_a_click_on_a_cut_line_is_told(page: Page, host: Host) -> None:
    """A tab with cookies gets its browser's own page then; here nothing at all would be seen."""
    enter(page, host)
    page.route("**/inside", lambda route: route.abort())
    page.locator(".menu a").first.click()
    said = page.locator("main").get_by_role("alert").filter(has_text="没有连上")
    expect(said).to_have_count(1)
    page.locator(".menu a").first.click()
    expect(said).to_have_count(1)
    page.unroute("**/inside")
    page.locator(".menu a").first.click()
    page.wait_for_url(f"{host.url}/inside")
    expect(said).to_have_count(0)


def test_a_place_within_the_page_is_reloaded_too(page: Page, host: Host) -> None:
    """Also where the frame may store nothing and the bearer lives in the entries of the history."""
    page.add_init_script("Object.defineProperty(window, 'sessionStorage', {get() { throw new Error('closed'); }})")
    enter(page, host)
    page.evaluate("location.hash = 'pane-marks'")
    page.reload()
    expect(page.locator(".who")).to_have_text("王老师")


def test_the_question_is_answered_before_the_bearer_counts(page: Page, host: Host) -> None:
    page.goto(f"{host.url}/lti/launch")
    page.goto(f"{host.url}/inside")
    expect(page.locator("h1")).to_have_text("需要重新进入")
    assert {who for _, who in host.seen} == {None}


def test_the_host_is_told_the_height(page: Page, host: Host) -> None:
    page.goto(f"{host.url}/frame")
    told = page.evaluate("window.told")
    assert told["height"] > 500
