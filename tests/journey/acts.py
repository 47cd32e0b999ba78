"""What people do on the pages, in their own words: the verbs of the journeys."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Error, FrameLocator, Locator, Page, expect

FILES = Path(__file__).parent.parent / "files"

Where = Page | FrameLocator


def introduce(where: Where, school: str, stage: str, subject: str, number: str, name: str = "") -> None:
    """Fills the first-launch page."""
    if name:
        where.get_by_label("姓名").fill(name)
    where.get_by_label("学校").select_option(label=school)
    where.get_by_label("学段").select_option(label=stage)
    where.get_by_label("学科").fill(subject)
    where.get_by_label("工号").fill(number)
    where.get_by_role("button", name="保存", exact=True).click()
    expect(where.get_by_role("heading", level=1)).to_contain_text("能力点")


def choose(where: Where, codes: tuple[str, ...]) -> None:
    """Chooses competency points."""
    boxes = where.locator("input[name=point]")
    go(where.get_by_role("link", name="选能力点", exact=True).first, boxes.first)
    for code in codes:
        box = where.locator(f"input[name=point][value={code}]")
        with suppress(Error):  # the click was dropped, see `go`
            box.check()
        box.check()
    where.get_by_role("button", name="确定选择").last.click()
    expect(where.locator("main")).to_contain_text(f"我的 {len(codes)} 个能力点")


def go(link: Locator, shown: Locator) -> None:
    """Follows a link to the page that shows something. On a busy machine Chromium drops a click that comes before a
    page's first picture (of pages without any script too, about one in ten made around that moment): a person clicks
    again."""
    link.click()
    for _ in range(3):
        with suppress(AssertionError):
            expect(shown).to_be_visible(timeout=15_000)  # two products on two cores
            return
        if link.is_visible():
            link.click()
    expect(shown).to_be_visible()


def open_point(where: Where, code: str) -> None:
    """From 我的能力点 to one point."""
    link = where.locator("ul.lines a.title", has_text=re.compile(rf"^{code}\b"))
    go(where.get_by_role("link", name="我的能力点").first, link)
    go(link, where.locator("section.slot").first)
    expect(where.get_by_role("heading", level=1)).to_contain_text(code)


def slot(where: Where, title: str) -> Locator:
    """The place of one requirement."""
    return where.locator("section.slot").filter(has=where.locator("h3", has_text=title))


def upload(where: Where, title: str, file: str, size: int = 1) -> None:
    """Uploads a file in parts and waits until it stands in its place."""
    slot(where, title).locator("input[type=file]").set_input_files(FILES / file)
    expect(slot(where, title).locator("ul.files li")).to_have_count(size, timeout=30_000)
    expect(slot(where, title).locator("ul.files li").last).to_contain_text("已检查", timeout=30_000)


def write(where: Where, title: str, text: str) -> None:
    """Writes into the form made from the criteria instead of uploading; the draft saves itself."""
    go(slot(where, title).get_by_role("link", name="直接写"), where.locator("main textarea").first)
    expect(where.get_by_role("heading", level=1)).to_contain_text("直接写")
    for box in where.locator("main textarea").all():
        box.fill(text)
    expect(where.locator("[data-saved]").first).to_contain_text("已保存", timeout=10_000)
    where.get_by_role("button", name="保存并返回").click()
    expect(slot(where, title)).to_contain_text("直接写的文字")


def mark_oneself(where: Where, level: int) -> None:
    """自评: the same level everywhere."""
    form = where.locator("form#self")
    for criterion in form.locator("fieldset.criterion").all():
        radios = criterion.locator("input[type=radio]")
        values = [radios.nth(n).get_attribute("value") or "" for n in range(radios.count())]
        wanted = str(level) if str(level) in values else values[-1]
        criterion.locator("label.lv").nth(values.index(wanted)).click()
    expect(form.locator("[data-saved]")).to_contain_text("已保存", timeout=10_000)


def tick_everything(where: Where) -> None:
    """The ticks before handing in."""
    form = where.locator("form#ticks")
    boxes = form.locator("input[type=checkbox]")
    for n in range(boxes.count()):
        boxes.nth(n).check()
    if boxes.count():
        expect(form.locator("[data-saved]")).to_contain_text("已保存", timeout=10_000)


def hand_in(where: Where, code: str) -> None:
    """Opens the point afresh (so that all checks are looked at again) and submits it."""
    open_point(where, code)
    where.get_by_role("button", name="提交", exact=True).first.click()
    expect(where.get_by_role("heading", level=1)).to_contain_text("已提交")


def review_all(where: Where, level_of: Mapping[int, int] | int) -> int:
    """Reviews everything that is owed, the same level everywhere (with a reason below pass). Gives how many."""
    done = 0
    while True:
        where.get_by_role("link", name="互评任务").first.click()
        expect(where.get_by_role("heading", level=1)).to_contain_text(re.compile("要评|评完"))
        start = where.get_by_role("link", name=re.compile("^去评"))
        if start.count() == 0:
            return done
        start.first.click()
        level = level_of if isinstance(level_of, int) else level_of.get(done, 1)
        review_one(where, level)
        done += 1


def review_one(where: Where, level: int) -> None:
    """Marks the open review and submits it."""
    expect(where.get_by_role("heading", level=1)).to_contain_text("作业")
    expect(where.locator("form[data-marks] fieldset.criterion").first).to_be_attached()
    tab = where.get_by_role("tab", name="评价")
    if isinstance(where, Page) and (where.viewport_size or {"width": 1280})["width"] < 680:
        expect(tab).to_be_visible()  # the page's script makes the tabs
        tab.click()
    mark_form(where.locator("form[data-marks]"), level)
    where.get_by_role("button", name=re.compile("^提交评审")).click()
    expect(where.get_by_role("heading", level=1)).to_contain_text("这份已经评完")


def mark_form(form: Locator, level: int) -> None:
    """Gives every criterion a level, and a reason where the form asks for one."""
    for criterion in form.locator("fieldset.criterion").all():
        radios = criterion.locator("input[type=radio]")
        values = [radios.nth(n).get_attribute("value") or "" for n in range(radios.count())]
        wanted = str(level) if str(level) in values else values[0 if level == 0 else -1]
        criterion.locator("label.lv").nth(values.index(wanted)).click()
        if wanted == "0":
            criterion.locator("textarea").fill("看不出这一条，请补充具体环节。")
        elif wanted == "2" and criterion.locator("textarea").is_visible():
            criterion.locator("textarea").fill("设计里写清了每一步，学生都参与。")


def strike_own_name(where: Where) -> int:
    """ "遮去" wherever the tool found the author's own name; gives how often."""
    done = 0
    while True:
        button = where.get_by_role("button", name=re.compile("^遮去"))
        if button.count() == 0:
            return done
        before = button.count()
        button.first.click()
        expect(button).to_have_count(before - 1)
        done += 1
