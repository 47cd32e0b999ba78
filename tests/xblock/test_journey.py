"""The whole way in Chromium with third-party cookies blocked: an author adds the block, a teacher hands in, a trainer
passes it, and grade and hours stand on the LMS's side. And what the page says while the tool is down."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import stock
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from lms_plugin.db import get, transaction
from lms_plugin.flow import proofs
from lms_plugin.people import Person
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import actor_of
from tests.journey import acts
from tests.lti.conformance.browsers import ARGUMENTS, WAITS
from tests.lti.test_stock_consumer import states
from tests.ports import free_port
from tests.web.test_every_page import AXE, RULES
from tests.xblock.pictures import picture
from tests.xblock.site import Site, site_of

pytestmark = [pytest.mark.browser, pytest.mark.stock]
WORD = "春眠不觉晓-2026"
QUICK = {"withdraw_minutes": 0, "self_marks": False}
LAPTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The LMS at 127.0.0.1, the tool at localhost: to the browser they are two sites."""
    if stock.python_of(stock.GENERATIONS[0]) is None:
        pytest.skip(f"lti-consumer-xblock {stock.GENERATIONS[0]} is not installed: python tools/stock.py")
    folder = tmp_path_factory.mktemp("journey")
    with site_of(stock.GENERATIONS[0], folder, "127.0.0.1") as made:
        made.register("first")
        made.is_the_same("admin", cast.OFFICER)
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
    picture(window, "picker")
    window.get_by_role("button", name="放进课程").click()
    expect(page.locator("[data-chosen]")).not_to_have_text("还没有选", timeout=WAITS)
    picture(page, "editor", 260)
    page.get_by_role("link", name="保存").click()
    page.wait_for_function("document.querySelector('.nengli-studio').dataset.saved === '1'")
    kept = site.kept("first", "lin")
    assert kept["weight"] == 20
    assert kept["target"]["nengli_programme"] == site.tool.world.programme.uuid
    page.goto(f"{site.root}/author/first")
    page.get_by_text("登记这个站点").click()
    expect(page.get_by_text("Keyset URL")).to_be_visible()
    readable(page)
    picture(page, "author", 540)
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


@contextmanager
def working(site: Site) -> Iterator[None]:
    """The tool's worker runs meanwhile: it looks at files, and sends scores."""
    over = threading.Event()

    def work() -> None:
        worker = Worker(site.tool.settings)
        try:
            while not over.is_set():
                if not worker.run_due():
                    over.wait(0.2)
        finally:
            worker.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def teacher_hands_in(where: FrameLocator) -> None:
    """Chooses a point, writes into its form, uploads, ticks, hands in."""
    acts.choose(where, ("A3",))
    acts.open_point(where, "A3")
    acts.write(where, "主题说明", "目标：学生能说出把难点讲清楚的三种办法。过程：先看动画，再分组试一试，最后说一说。")
    acts.open_point(where, "A3")
    acts.upload(where, "演示文稿", "slides.pptx")
    acts.open_point(where, "A3")
    acts.strike_own_name(where)
    acts.open_point(where, "A3")
    acts.tick_everything(where)
    acts.hand_in(where, "A3")


def trainer_passes(where: FrameLocator, code: str) -> None:
    """Nobody has proved this trainer: their first decision asks for the code they were handed, and for a word."""
    acts.go(where.get_by_role("link", name="去确认是我本人"), where.get_by_label("确认码"))
    where.get_by_label("确认码").fill(code)
    where.get_by_role("button", name="用确认码确认").click()
    where.get_by_label("新的签字口令").fill(WORD)
    where.get_by_label("再输一次").fill(WORD)
    where.get_by_role("button", name="定下来").click()
    expect(where.get_by_role("link", name="去确认是我本人")).to_have_count(0, timeout=WAITS)
    acts.go(where.get_by_role("link", name="待评材料").first, where.get_by_role("link", name="打开第一份"))
    form = where.locator("form#case")
    acts.go(where.get_by_role("link", name="打开第一份"), form)
    acts.mark_form(form, 1)
    where.get_by_role("button", name=re.compile("^定下来")).click()
    expect(form).to_have_count(0, timeout=WAITS)


def officer_releases(page: Page, site: Site) -> None:
    """The page of results asks who it is first, and is there as soon as the word is typed."""
    where = inside(page)
    expect(where.get_by_role("heading", level=1)).to_be_visible(timeout=WAITS)
    frame = next(one for one in page.frames if one.url.startswith(site.tool.url))
    frame.goto(f"{site.tool.url}/release/{site.tool.world.programme.uuid}")
    acts.go(where.locator("main").get_by_role("link", name="去确认是我本人"), where.get_by_label("签字口令"))
    where.get_by_label("签字口令").fill(WORD)
    where.get_by_role("button", name="是我本人").click()
    where.get_by_role("button", name=re.compile("^发布这")).click(timeout=WAITS)
    expect(where.locator("main")).to_contain_text("已发布 1 份", timeout=WAITS)  # the page counts 已发布 all along


def handed_a_code(site: Site, account: str) -> str:
    """What the district's officer tells that trainer on the telephone."""
    with transaction(site.tool.sessions) as session:
        person = get(session, Person, site.member("first", account).person_id)
        officer = actor_of(session, site.tool.world.person(cast.OFFICER))
        return proofs.give_code(session, officer, person.uuid, datetime.now(UTC))


def test_from_the_course_page_to_the_gradebook_by_clicks(strict: Browser, site: Site) -> None:
    """A teacher hands in, a trainer passes it, an officer releases it, each in the frame of the course page and without
    the tool's plain cookies. The teacher's card says the next step as the tool's page says it, then points and hours;
    grade and hours stand on the LMS's side."""
    site.runs()
    world = site.tool.world
    world.set_rules(choice={"required_points": 1, "min_dimensions": 1}, review=QUICK)
    proofs.choose_word(world.session, actor_of(world.session, world.person(cast.OFFICER)), WORD, WORD, world.now)
    world.session.commit()
    page = tab_of(strict, site, "lin")
    page.goto(f"{site.root}/unit/first")
    card = page.locator(".nengli-card")
    expect(card).to_contain_text("学时由本工具登记，不进入平台成绩。")
    expect(card.locator("[data-line=points]")).to_contain_text("还没有")
    expect(inside(page).locator("section.next .sentence")).to_be_visible(timeout=WAITS)
    said = " ".join(inside(page).locator("section.next .sentence").inner_text().split())[:200]
    expect(card.locator("[data-next]")).to_have_text(said)
    assert site.kept("first", "lin")["state"]["next_step"] == said
    assert is_fitting(page), "the frame has the height that the tool's page says, and stays so"
    with working(site):
        teacher_hands_in(inside(page))
        # It may have been that step: the card no longer asks for it.
        expect(card.locator("[data-next]")).to_have_text("打开下面的任务。")
        trainer = tab_of(strict, site, "team")
        trainer.goto(f"{site.root}/unit/first")
        expect(trainer.locator(".nengli-card")).to_contain_text("您是课程团队")
        inside(trainer).get_by_label("姓名").fill("杨培")
        inside(trainer).get_by_label("学校").select_option(label="平安小学")
        inside(trainer).get_by_label("学段").select_option(label="小学")
        inside(trainer).get_by_label("学科").fill("数学")
        inside(trainer).get_by_label("工号").fill("T900")
        inside(trainer).get_by_role("button", name="保存", exact=True).click()
        trainer_passes(inside(trainer), handed_a_code(site, "team"))
        trainer.context.close()
        officer = tab_of(strict, site, "admin")
        officer.goto(f"{site.root}/unit/first")
        officer_releases(officer, site)
        officer.context.close()
        until = time.monotonic() + WAITS / 1000
        while states(site, "first") != {"points": "delivered", "hours": "delivered"}:
            assert time.monotonic() < until, states(site, "first")
            page.wait_for_timeout(200)
    # A card asks the LMS at most every five seconds, however often one comes back to the page.
    page.evaluate("setInterval(() => window.dispatchEvent(new Event('focus')), 250)")
    expect(card.locator("[data-line=points]")).to_contain_text("1 / 1", timeout=WAITS)
    expect(card.locator("[data-line=hours] .nengli-number")).not_to_have_text("还没有")
    (grade,) = site.events("first", "lin", "grade")
    assert (grade["value"], grade["max_value"]) == (20, 20)
    (told,) = site.events("first", "lin", "nengli.credit_hours.recorded")
    assert told["hours"] > 0
    inside(page).get_by_role("link", name="我的能力点").first.click()
    expect(card.locator("[data-next]")).not_to_have_text("打开下面的任务。", timeout=WAITS)
    assert card.locator("[data-next]").inner_text() != said
    readable(page)
    picture(page, "unit")
    page.set_viewport_size(PHONE)
    readable(page)
    picture(page, "unit-phone")
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
    expect(page.locator("[data-line=points]")).to_contain_text("1 / 1")
    page.get_by_role("button", name="再试一次").click()
    expect(page.locator("[data-down]")).to_be_visible(timeout=WAITS)
    picture(page, "down")
    page.context.close()


def test_the_stock_component_shows_the_tool_in_its_own_frame(strict: Browser, site: Site) -> None:
    """Its page as the published consumer draws it. By that door the teacher is new, and reads of the other."""
    site.register("whole")
    page = tab_of(strict, site, "lin")
    page.goto(f"{site.root}/component/whole")
    main = page.frame_locator("iframe").locator("main")
    expect(main.get_by_label("姓名")).to_be_visible(timeout=WAITS)
    expect(main).to_contain_text("您用同一个平台账号从另一个入口来过")
    picture(page, "stock")
    page.context.close()


def elsewhere(page: Page, site: Site, dead: str) -> str:
    """The course page, as if the tool were at an address where nobody answers."""
    text = page.request.get(f"{site.root}/unit/first").text()
    return re.sub(r'data-tool="[^"]*"', f'data-tool="{dead}"', text).replace(
        'src="' + site.root + "/handler", f'src="{dead}'
    )
