"""The whole way in Chromium with third-party cookies blocked: an author adds the block, a teacher hands in, a trainer
passes it, and grade and hours stand on the LMS's side. And what the page says while the tool is down."""

import re
from collections.abc import Iterator

import pytest
import stock
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from tests import people as cast
from tests.lti.conformance.browsers import ARGUMENTS, WAITS
from tests.lti.test_stock_consumer import states
from tests.ports import free_port
from tests.web.test_every_page import AXE, RULES
from tests.xblock.site import Site, site_of

pytestmark = [pytest.mark.browser, pytest.mark.stock]
LAPTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The LMS at 127.0.0.1, the tool at localhost: to the browser they are two sites."""
    if stock.python_of(stock.GENERATIONS[0]) is None:
        pytest.skip(f"lti-consumer-xblock {stock.GENERATIONS[0]} is not installed: python tools/stock.py")
    folder = tmp_path_factory.mktemp("journey")
    with site_of(stock.GENERATIONS[0], folder, "127.0.0.1") as made:
        made.register("first")
        yield made


@pytest.fixture(scope="module")
def strict(chromium: str) -> Iterator[Browser]:
    """Debian's Chromium, which blocks third-party cookies."""
    with sync_playwright() as engine:
        made = engine.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield made
        made.close()


def tab_of(strict: Browser, site: Site, account: str, viewport: dict[str, int] = LAPTOP) -> Page:
    """A browser of its own in which that account is signed in at the LMS; a script that stumbles fails the test."""
    context = strict.new_context(viewport=viewport, locale="zh-CN")
    context.set_default_timeout(WAITS)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"script: {error}"))
    page.goto(f"{site.root}/site")
    assert page.evaluate("who => fetch('/sign-in/' + who).then(answer => answer.status)", account) == 204
    return page


def inside(page: Page) -> FrameLocator:
    """The tool in the block's frame."""
    return page.frame_locator("iframe.nengli-frame")


def readable(page: Page) -> None:
    """Axe finds nothing, and nothing hangs over the edge."""
    page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run('.nengli', { runOnly: rules, iframes: false }).then(r => r.violations.map(v => v.id))", RULES
    )
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def is_fitting(page: Page) -> bool:
    """Whether the frame neither scrolls nor grows on and on: the tool's page fills what it gets."""
    page.wait_for_timeout(1000)
    heights = []
    for _ in range(2):
        heights.append(page.locator("iframe.nengli-frame").evaluate("frame => frame.clientHeight"))
        page.wait_for_timeout(500)
    return heights[0] == heights[1] and 320 <= heights[0] <= 1500


def test_an_author_adds_the_block(strict: Browser, site: Site) -> None:
    """Edit, choose in the tool's own window, save. The form shows what was chosen without a reload."""
    page = tab_of(strict, site, "admin")
    page.goto(f"{site.root}/author/first")
    expect(page.locator(".nengli")).to_contain_text("还没有选")
    readable(page)
    page.goto(f"{site.root}/editor/first")
    readable(page)
    page.get_by_label("标题").fill("校本应用考核")
    page.get_by_label("成绩册里的分值").fill("20")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="到能力里选").click()
    window = opened.value
    choice = window.locator("input[name=item][value$='/programme']").first
    expect(choice).to_be_visible()
    choice.check()
    window.get_by_role("button", name="放进课程").click()
    expect(page.locator("[data-chosen]")).not_to_have_text("还没有选", timeout=WAITS)
    page.get_by_role("link", name="保存").click()
    page.wait_for_function("document.querySelector('.nengli-studio').dataset.saved === '1'")
    kept = site.kept("first", "lin")
    assert kept["weight"] == 20
    assert kept["target"]["nengli_programme"] == site.tool.world.programme.uuid
    page.context.close()


def test_third_party_cookies_are_blocked(strict: Browser, site: Site) -> None:
    """Else the journey would prove nothing."""
    page = tab_of(strict, site, "lin")
    page.goto(f"{site.root}/unit/first")
    expect(inside(page).locator("h1").first).to_be_visible(timeout=WAITS)
    frame = next(one for one in page.frames if one.url.startswith(site.tool.url))
    frame.evaluate("document.cookie = 'plain=1; SameSite=None; Secure; Path=/'")
    frame.evaluate("document.cookie = 'chips=1; SameSite=None; Secure; Path=/; Partitioned'")
    assert frame.evaluate("document.cookie") == "chips=1"
    page.context.close()


def test_a_teacher_hands_in_and_reads_the_result_beside_the_frame(strict: Browser, site: Site) -> None:
    """The card says the next step as the tool's page says it, then points and hours once they are decided; all of it
    without the tool's cookies and without a reload of the course page."""
    site.runs()
    page = tab_of(strict, site, "lin")
    page.goto(f"{site.root}/unit/first")
    card = page.locator(".nengli-card")
    expect(card).to_contain_text("学时由本工具登记，不进入平台成绩。")
    expect(card.locator("[data-line=points]")).to_contain_text("还没有")
    expect(inside(page).locator("section.next .sentence")).to_be_visible(timeout=WAITS)
    said = inside(page).locator("section.next .sentence").inner_text()
    expect(card.locator("[data-next]")).to_have_text(" ".join(said.split())[:200])
    assert site.kept("first", "lin")["state"]["next_step"] == " ".join(said.split())[:200]
    assert is_fitting(page), "the frame has the height that the tool's page says, and stays so"
    site.earned(cast.CHEN, "A1", "A3")
    site.work_until(lambda: states(site, "first") == {"points": "delivered", "hours": "delivered"})
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(card.locator("[data-line=points]")).to_contain_text("2 / 3", timeout=WAITS)
    expect(card.locator("[data-line=hours] .nengli-number")).not_to_have_text("还没有")
    (grade,) = site.events("first", "lin", "grade")
    assert grade["value"] == pytest.approx(2 / 3 * 20)
    readable(page)
    page.set_viewport_size(PHONE)
    readable(page)
    page.context.close()


def test_a_tool_that_is_down_is_said_and_nothing_waits(strict: Browser, site: Site) -> None:
    """The course page stands within 3 seconds, the card with what was last heard, and a button to try again."""
    page = tab_of(strict, site, "lin")
    dead = f"http://localhost:{free_port()}"
    page.route(
        re.compile("/unit/first$"),
        lambda route: route.fulfill(body=elsewhere(page, site, dead), content_type="text/html"),
    )
    page.goto(f"{site.root}/unit/first", wait_until="commit")
    expect(page.locator(".nengli-card")).to_be_visible(timeout=3000)
    expect(page.locator("[data-down]")).to_contain_text("“能力”现在没有回应", timeout=WAITS)
    expect(page.locator("[data-line=points]")).to_contain_text("2 / 3")
    page.get_by_role("button", name="再试一次").click()
    expect(page.locator("[data-down]")).to_be_visible(timeout=WAITS)
    page.context.close()


def elsewhere(page: Page, site: Site, dead: str) -> str:
    """The course page, as if the tool were at an address where nobody answers."""
    text = page.request.get(f"{site.root}/unit/first").text()
    return re.sub(r'data-tool="[^"]*"', f'data-tool="{dead}"', text).replace(
        'src="' + site.root + "/handler", f'src="{dead}'
    )
