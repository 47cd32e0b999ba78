"""What bad input, a cut line or an expired session cost in a real browser: nothing that was typed or chosen."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from lms_plugin import db
from lms_plugin.flow import review, sessions, submit
from tests import people as cast
from tests.factories import World, world_in
from tests.flow.handed_in import cast_of, hand_in, reviews_of
from tests.serving import tool_on_loopback
from tests.web.test_submit import work_of

pytestmark = pytest.mark.browser

FILES = Path(__file__).resolve().parent.parent / "files"
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAVED = 6000  # ms: autosave waits a moment and this machine may be busy


@dataclass
class Desk:
    """A district on loopback: works by name, and a way to sign in as often as one likes."""

    world: World
    url: str
    works: dict[str, str]

    def launch(self, context: BrowserContext, who: cast.Cast) -> None:
        """A new launch: a new session in that browser."""
        opened = sessions.open_session(
            self.world.session, self.world.person(who), self.world.course, 8 * HOUR, NOW, locale="zh-Hans"
        )
        self.world.session.commit()
        address = self.url.replace("http:", "https:")
        cookie = {"name": "__Host-nengli", "value": opened.token, "url": address, "secure": True, "httpOnly": True}
        context.add_cookies([cookie])


@pytest.fixture(scope="module")
def desk(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with tool_on_loopback(module_district_url, folder, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        made = Desk(world_in(session, NOW), tool.url, {})
        _populate(made)
        yield made


def _populate(desk: Desk) -> None:
    world, works = desk.world, desk.works
    chen = world.actor(cast.CHEN)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A5", "A6", "B1"], NOW)
    works |= {code: work_of(world, code).uuid for code in ("A5", "A6", "B1")}
    works["case"] = hand_in(world, cast.LI, "A3", NOW - 2 * HOUR).uuid
    hand_in(world, cast.WANG, "A3", NOW - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, NOW)
    world.session.commit()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport={"width": 1000, "height": 800}, locale="zh-CN")
    found.set_default_timeout(10_000)
    yield found
    found.close()


def copies(page: Page) -> list[str]:
    """The names of what this device keeps for the person."""
    found: list[str] = page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('nengli:draft:'))")
    return found


def place(page: Page, work: str, key: str) -> Locator:
    return page.locator(f"#slot-{work}-{key}")


# --- an expired session ---


@pytest.mark.parametrize("presses", [True, False])
def test_typed_text_comes_back_after_a_new_launch(desk: Desk, context: BrowserContext, presses: bool) -> None:
    desk.launch(context, cast.CHEN)
    page = context.new_page()
    address = f"{desk.url}/submissions/{desk.works['A6']}/{'reflection' if presses else 'design'}/text"
    page.goto(address)
    field = page.locator("main textarea").first
    field.fill("第一句。")
    expect(page.locator("[data-saved]")).to_contain_text("已保存", timeout=SAVED)
    context.clear_cookies()
    field.fill("第一句。第二句是过期以后写的。")
    expect(page.locator("[data-saved]")).to_contain_text("登录已过期", timeout=SAVED)
    field.press_sequentially("第三句也是。")  # nothing is saved any more, and still every word is kept
    whole = "第一句。第二句是过期以后写的。第三句也是。"
    if presses:
        page.get_by_role("button", name="保存并返回").click()
        expect(page.locator("main")).to_contain_text("您刚才填写的内容没有丢")
        expect(page.locator("main textarea").first).to_have_value(whole)
    desk.launch(context, cast.CHEN)
    page.goto(f"{desk.url}/points")  # where a launch leads; it must not clear away what was not taken
    page.goto(address)
    expect(page.locator("main textarea").first).to_have_value(whole)
    expect(page.locator("[data-saved]")).to_contain_text("已保存", timeout=SAVED)
    page.get_by_role("button", name="保存并返回").click()
    page.wait_for_url("**/submissions/*")
    assert "kept" not in page.url
    page.goto(address)
    expect(page.locator("main textarea").first).to_have_value(whole)
    assert copies(page) == []


def test_the_trainers_marks_and_reasons_come_back_after_a_new_launch(desk: Desk, context: BrowserContext) -> None:
    desk.launch(context, cast.TRAINER)
    page = context.new_page()
    address = f"{desk.url}/cases/{desk.works['case']}"
    page.goto(address)
    first = page.locator("fieldset.criterion").first
    first.locator("label.lv").first.click()
    first.locator("textarea").fill("没有写出处，请补上。")
    page.get_by_label("总的评语").fill("写了很久的总评")
    expect(page.locator("[data-saved]")).to_contain_text("存在这台设备上")
    context.clear_cookies()
    page.get_by_role("button", name="退回修改").click()
    expect(page.locator("main")).to_contain_text("您刚才填写的内容没有丢")
    desk.launch(context, cast.TRAINER)
    page.goto(f"{desk.url}/cases")
    page.goto(address)
    expect(page.get_by_label("总的评语")).to_have_value("写了很久的总评")
    expect(first.locator("textarea")).to_have_value("没有写出处，请补上。")
    expect(first.locator("input").first).to_be_checked()
    expect(page.locator("[data-saved]")).to_contain_text("已找回")
    page.get_by_role("button", name="退回修改").click()
    page.wait_for_url(lambda url: url != address)
    assert copies(page) == []


# --- two windows ---


def test_two_windows_with_own_marks_show_both(desk: Desk, context: BrowserContext) -> None:
    desk.launch(context, cast.CHEN)
    one, two = context.new_page(), context.new_page()
    for window in (one, two):
        window.goto(f"{desk.url}/submissions/{desk.works['B1']}")
    level = "form#self fieldset.criterion >> nth=0 >> label.lv"
    one.locator(level).nth(2).click()
    expect(one.locator("form#self [data-saved]")).to_contain_text("已保存", timeout=SAVED)
    two.locator(level).nth(0).click()
    conflict = two.locator("form#self [data-conflict]")
    expect(conflict).to_contain_text("另一个窗口改过自评", timeout=SAVED)
    expect(conflict).to_contain_text("优秀")
    expect(conflict).to_contain_text("未达到")
    conflict.get_by_role("button", name="用这个窗口的").click()
    two.wait_for_url("**#checks")
    one.reload()
    expect(one.locator("form#self fieldset.criterion >> nth=0 >> input").first).to_be_checked()
    # and the other way: what the other window saved stays, and does not come up again
    two.locator(level).nth(2).click()
    expect(two.locator("form#self [data-saved]")).to_contain_text("已保存", timeout=SAVED)
    one.locator(level).nth(1).click()
    one.locator("form#self [data-conflict] a").click()
    expect(one.locator("form#self fieldset.criterion >> nth=0 >> input").nth(2)).to_be_checked()
    expect(one.locator("form#self [data-conflict]")).to_be_empty()
    assert copies(one) == []


# --- too long ---


def test_a_reason_too_long_is_said_beside_it_and_kept(desk: Desk, context: BrowserContext) -> None:
    world = desk.world
    row = reviews_of(world, work_of(world, "A3", cast.WANG))[0]
    who = cast_of(world, row.reviewer_id)
    world.session.commit()
    desk.launch(context, who)
    page = context.new_page()
    page.goto(f"{desk.url}/reviews/{row.uuid}")
    first = page.locator("fieldset.criterion").first
    first.locator("label.lv").first.click()
    first.locator("textarea").fill("长" * 4001)
    expect(first.locator(".error")).to_contain_text("共 4001 字，最多 4000 字", timeout=SAVED)
    page.reload()
    expect(first.locator("textarea")).to_have_value("长" * 4001)
    first.locator("textarea").fill("短")
    expect(page.locator("[data-saved]").first).to_contain_text("已保存", timeout=SAVED)
    expect(first.locator(".error")).to_have_count(0)


# --- files ---


def test_one_bad_file_is_named_and_the_good_ones_arrive(desk: Desk, context: BrowserContext, tmp_path: Path) -> None:
    empty, large = tmp_path / "空.docx", tmp_path / "大.docx"
    empty.write_bytes(b"")
    with large.open("wb") as stream:
        stream.truncate(51 * 1024 * 1024)
    desk.launch(context, cast.CHEN)
    page, work = context.new_page(), desk.works["A5"]
    page.goto(f"{desk.url}/submissions/{work}")
    slot = place(page, work, "reflection")
    slot.locator("[data-file]").set_input_files([empty, FILES / "cut.pdf", FILES / "plain.docx", large])
    expect(slot.locator(".files")).to_contain_text("plain.docx", timeout=15_000)
    for words in ("空.docx", "文件是空的", "大.docx", "最大 50 MB"):
        expect(slot.locator("[data-up-words]")).to_contain_text(words)
    expect(slot).to_contain_text("已损坏")
    page.reload()
    expect(slot.locator("[data-up]")).to_be_hidden()
    expect(slot.locator(".files")).to_contain_text("plain.docx")


def opened_without(desk: Desk, context: BrowserContext, script: str) -> tuple[Page, list[Route]]:
    """The page of a point, and its script held up on the line."""
    desk.launch(context, cast.CHEN)
    page = context.new_page()
    held: list[Route] = []
    page.route(f"**/js/{script}", lambda route: held.append(route))
    page.goto(f"{desk.url}/submissions/{desk.works['A6']}", wait_until="commit")
    return page, held


def test_a_file_chosen_before_the_script_came_goes_all_the_same(desk: Desk, context: BrowserContext) -> None:
    """On a slow line the page stands long before its scripts do."""
    page, held = opened_without(desk, context, "upload.js")
    slot = place(page, desk.works["A6"], "design")
    slot.locator("[data-file]").set_input_files(FILES / "plain.docx")
    assert held
    held[0].continue_()
    expect(slot.locator(".files")).to_contain_text("plain.docx", timeout=15_000)


def test_what_is_ticked_before_the_script_came_is_saved(desk: Desk, context: BrowserContext) -> None:
    page, held = opened_without(desk, context, "autosave.js")
    page.locator("form#self fieldset.criterion >> nth=0 >> label.lv").nth(2).click()
    assert held
    held[0].continue_()
    expect(page.locator("form#self [data-saved]")).to_contain_text("已保存", timeout=SAVED)
    page.unroute("**/js/autosave.js")
    page.reload()
    expect(page.locator("form#self fieldset.criterion >> nth=0 >> input").nth(2)).to_be_checked()


def test_a_file_chosen_while_another_arrives_is_sent(desk: Desk, context: BrowserContext) -> None:
    """The chooser stands open while the page would show what came: its field stays until it is closed."""
    desk.launch(context, cast.CHEN)
    page, work = context.new_page(), desk.works["B1"]
    page.goto(f"{desk.url}/submissions/{work}")
    first, second = page.locator("section[data-upload]").nth(0), page.locator("section[data-upload]").nth(1)
    parts: list[Route] = []
    page.route("**/uploads/*", lambda route: parts.append(route), times=1)
    with page.expect_request("**/uploads/*"):
        first.locator("[data-file]").set_input_files(FILES / "plain.docx")
    with page.expect_file_chooser() as opened:
        second.locator("[data-file]").evaluate("field => field.click()")
    parts[0].continue_()
    expect(first.locator("[data-up-words]")).to_contain_text("传好了", timeout=15_000)
    page.wait_for_timeout(1500)
    opened.value.set_files(FILES / "lesson.docx")
    expect(first.locator(".files")).to_contain_text("plain.docx", timeout=15_000)
    expect(second.locator(".files")).to_contain_text("lesson.docx", timeout=15_000)


def test_a_click_while_a_file_arrives_counts(desk: Desk, context: BrowserContext) -> None:
    """The page that was clicked for comes, however slowly, although a file has come meanwhile."""
    desk.launch(context, cast.CHEN)
    page, work = context.new_page(), desk.works["A5"]
    page.goto(f"{desk.url}/submissions/{work}")
    parts: list[Route] = []
    pages: list[Route] = []
    page.route("**/uploads/*", lambda route: parts.append(route))
    page.route("**/help", lambda route: pages.append(route))
    slot = place(page, work, "design")
    with page.expect_request("**/uploads/*"):
        slot.locator("[data-file]").set_input_files(FILES / "plain.docx")
    with page.expect_request("**/help"):
        page.locator("footer").get_by_role("link", name="帮助").evaluate("link => link.click()")
    with page.expect_response("**/uploads/*"):
        parts[0].continue_()
    page.wait_for_timeout(1000)
    pages[0].continue_()
    page.wait_for_url("**/help")
    page.wait_for_timeout(500)
    assert page.url.endswith("/help")


def test_one_bad_file_alone_says_why(desk: Desk, context: BrowserContext, tmp_path: Path) -> None:
    empty = tmp_path / "空.docx"
    empty.write_bytes(b"")
    desk.launch(context, cast.CHEN)
    page, work = context.new_page(), desk.works["A5"]
    page.goto(f"{desk.url}/submissions/{work}")
    slot = place(page, work, "design")
    slot.locator("[data-file]").set_input_files(empty)
    expect(slot.locator("[data-up-words]")).to_contain_text("文件是空的")


@pytest.mark.parametrize("scripted", [True, False])
def test_photos_stay_although_one_is_bad(desk: Desk, browser: Browser, scripted: bool) -> None:
    context = browser.new_context(locale="zh-CN", java_script_enabled=scripted)
    context.set_default_timeout(15_000)
    desk.launch(context, cast.CHEN)
    page, work = context.new_page(), desk.works["A5"]
    key = "design" if scripted else "reflection"
    page.goto(f"{desk.url}/submissions/{work}/{key}/photos")
    page.locator("[data-file]").set_input_files([FILES / "photo.jpg", FILES / "drawing.svg", FILES / "photo.heic"])
    if not scripted:
        page.get_by_role("button", name="上传").click()
    expect(page.locator("#join input[type=number]")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("不能作为佐证材料")
    page.locator("#join input[type=number]").first.fill("3")
    page.get_by_role("button", name="合成一个 PDF").click()
    page.wait_for_url(f"**/submissions/{work}#*")
    expect(place(page, work, key).locator(".files")).to_contain_text("手写稿.pdf")
    expect(place(page, work, key).locator(".files")).not_to_contain_text("photo.heic")
    context.close()


# --- what is still missing ---


def test_the_first_missing_place_is_shown_whichever_tab_is_open(desk: Desk, browser: Browser) -> None:
    """On a phone materials and marks are two tabs."""
    owed = reviews_of(desk.world, work_of(desk.world, "A3", cast.WANG))[0]
    who = cast_of(desk.world, owed.reviewer_id)
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
    desk.launch(context, who)
    page = context.new_page()
    page.goto(f"{desk.url}/reviews/{owed.uuid}")
    page.get_by_role("button", name="提交评审").click()
    first = page.locator("fieldset.bad").first
    expect(first).to_be_visible()
    page.get_by_role("tab", name="看材料").click()
    expect(first).to_be_hidden()
    page.get_by_role("link", name="看第一处").click()
    expect(first).to_be_in_viewport()
    context.close()


# --- Back ---


def test_back_leads_past_forms_that_are_done_with(desk: Desk, browser: Browser) -> None:
    """On a phone, where the tool is the whole page: neither the introduction nor the choice stands there again."""
    world = desk.world
    zhou = world.person(cast.ZHOU)
    zhou.introduced_at = None
    world.session.add(zhou)
    world.session.commit()
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN", has_touch=True)
    desk.launch(context, cast.ZHOU)
    page = context.new_page()
    page.goto(f"{desk.url}/help")
    page.goto(f"{desk.url}/")
    expect(page.locator("h1")).to_contain_text("先认识一下")
    page.get_by_label("学科").fill("数学")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("h1")).to_contain_text("选 3 个")
    page.goto(f"{desk.url}/programmes/{world.programme.uuid}/points")
    page.get_by_role("link", name="A3 + A5 + A6").click()
    ready = page.get_by_role("button", name="确定选择")
    expect(page.locator("[data-choose-words]")).to_contain_text("可以确定了")
    expect(ready).to_be_in_viewport()
    ready.click()
    expect(page.locator("main")).to_contain_text("我的 3 个能力点")
    for _ in range(7):
        page.go_back()
        expect(page.locator("main")).to_be_visible()
        assert page.get_by_role("button", name="保存").count() == 0, page.url
        assert "/people/introduce" not in page.url
        if page.url.endswith("/help"):
            break
    assert page.url.endswith("/help")
    context.close()
