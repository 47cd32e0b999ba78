"""A browser that keeps no cookie of ours in a host's frame: on in this tab by bearer, or in a window by ticket."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Route, expect

from tests.journey import acts
from tests.journey.conftest import Stage, frame

pytestmark = pytest.mark.browser


APPLICATION = "tests.journey.cookieless:app()"


def test_on_in_this_tab(stage: Stage) -> None:
    page = stage.person("li-jianguo")
    where = frame(page)
    expect(where.get_by_role("heading", level=1)).to_contain_text("李建国")
    where.get_by_role("button", name=re.compile("就在这里继续")).click()
    acts.introduce(where, "希望小学", "小学", "数学", "HX002")
    acts.choose(where, ("A1", "A3", "A6"))
    acts.open_point(where, "A6")
    acts.upload(where, "教学设计", "plain.docx")
    where.get_by_role("link", name=re.compile("^看一看")).click()
    expect(where.get_by_role("heading", level=1)).to_have_text("plain.docx")
    expect(where.locator(".who")).to_contain_text("李建国")  # the whole page, not its inside alone
    acts.open_point(where, "A6")
    acts.write(where, "教学反思", "成功之处是学生能自己说出规律；不足是时间偏紧。")
    cookies = page.context.cookies(stage.tool)
    assert [one["name"] for one in cookies if one["name"].startswith("__Host-nengli")] == []


def test_the_last_click_counts(stage: Stage) -> None:
    """On a slow line the answer to an earlier click comes after that to a later one: it is not shown any more."""
    page = stage.person("li-jianguo")
    where = frame(page)
    where.get_by_role("button", name=re.compile("就在这里继续")).click()
    expect(where.locator("main")).to_contain_text("我的 3 个能力点")
    late: list[Route] = []
    page.route("**/record*", lambda route: late.append(route))
    where.get_by_role("link", name="研修档案").first.click()
    where.get_by_role("link", name="互评任务").first.click()
    expect(where.get_by_role("heading", level=1)).to_contain_text("没有要评的作业")
    assert late
    with suppress(Error):  # its page gave it up already
        late[0].continue_()
    page.wait_for_timeout(1000)
    expect(where.get_by_role("heading", level=1)).to_contain_text("没有要评的作业")


def test_on_in_a_window_of_its_own(stage: Stage) -> None:
    page = stage.person("sun-lixin")
    where = frame(page)
    with page.context.expect_page() as opened:
        where.get_by_role("button", name=re.compile("在新窗口打开")).click()
    window = opened.value
    expect(window.get_by_role("heading", level=1)).to_contain_text("孙立新")
    window.get_by_role("button", name="确认进入").click()
    acts.introduce(window, "平安中学", "初中", "数学", "PZ002")
    window.reload()
    expect(window.get_by_role("heading", level=1)).to_contain_text("能力点")
