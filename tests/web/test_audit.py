"""抽查台账 as an auditor walks it: refusals at their fields, one entry after the other, the report that is printed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from sqlmodel import select

import competencies
from lms_plugin.db import pk
from lms_plugin.flow import erasing
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.ledgers import add_entry
from tests.web.pages_world import served
from tests.web.test_every_page import Windows


@pytest.fixture
def sealed(world: World) -> World:
    """Two entries under one seal: hours earned by points, and some that no award stands behind."""
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    add_entry(world, who=cast.WANG)
    competencies.seal(world.session, pk(world.tenant), world.now)
    world.session.commit()
    return world


def test_before_the_first_seal_there_is_nothing_to_draw(browse, world: World) -> None:
    page = browse(cast.AUDITOR).get("/audit").text
    assert "还没有封存过的记录" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]


def test_the_first_page_is_the_auditors_own(browse, sealed: World) -> None:
    auditor = browse(cast.AUDITOR)
    assert auditor.get("/").headers["Location"] == "/audit"
    page = auditor.get("/audit").text
    assert '<a href="/audit" aria-current="page">抽查</a>' in page
    for who, status in ((cast.OFFICER, 403), (cast.CHEN, 403), (None, 401)):
        assert browse(who).get("/audit").status_code == status


def test_what_does_not_fit_is_said_and_kept(browse, sealed: World) -> None:
    form = {"key": "k", "wanted": "0", "since": "2026-11-32", "until": "", "seed": "公开的种子"}
    auditor = browse(cast.AUDITOR)
    refused = auditor.post("/audit/draws", form)
    assert refused.status_code == 422
    assert "请填日期" in refused.text
    assert 'value="公开的种子"' in refused.text
    refused = auditor.post("/audit/draws", {**form, "since": ""})
    assert refused.text.count('class="error"') == 1
    assert sealed.session.exec(select(competencies.LedgerDraw)).all() == []


def test_one_entry_after_the_other_until_the_report_says_all(browse, sealed: World) -> None:
    auditor = browse(cast.AUDITOR)
    drawn = auditor.post("/audit/draws", {"key": "k", "wanted": "5", "seed": "s"}).headers["Location"]
    assert "抽了 2 条，还有 2 条没查" in auditor.get(drawn).text
    pages = [auditor.get(f"{drawn}/{place}").text for place in (1, 2)]
    earned = next(page for page in pages if "陈晓芳" in page)
    for words in ("和前后两次接得上", "规则第 1 版", "能力点认定", "存在提交的版本里", "没有冲销过"):
        assert words in earned, words
    assert auditor.get(f"{drawn}/3").status_code == 404
    refused = auditor.post(f"{drawn}/1", {"finding": "question", "remark": ""})
    assert (refused.status_code, "请写明是什么疑问" in refused.text) == (422, True)
    said = auditor.post(f"{drawn}/1", {"finding": "question", "remark": "谁评的？"})
    assert said.headers["Location"] == f"{drawn}/2"
    assert auditor.post(f"{drawn}/2", {"finding": "in_order"}).headers["Location"] == drawn
    report = auditor.get(f"{drawn}?again=1").text
    for words in (
        "1 条没有问题，1 条有疑问",
        "谁评的？",
        "抽到的每一条都一样",
        "1 次封存从头逐次重算，都对得上",
        "审计员签字",
        "<code>s</code>",
    ):
        assert words in report, words


def test_what_was_taken_out_at_somebody_s_word_is_said_with_the_word(browse, sealed: World) -> None:
    """Nobody is sent to look for a backup of files that a rule deleted."""
    auditor = browse(cast.AUDITOR)
    drawn = auditor.post("/audit/draws", {"key": "k", "wanted": "5", "seed": "s"}).headers["Location"]
    earned = next(url for url in (f"{drawn}/1", f"{drawn}/2") if "陈晓芳" in auditor.get(url).text)
    erasing.erase(sealed.session, sealed.person(cast.CHEN), "本人书面要求", sealed.now)
    for file in sealed.session.exec(select(competencies.StoredFile)):
        file.state = competencies.FileState.GONE
    sealed.session.commit()
    page = auditor.get(earned).text
    assert "和前后两次接得上" in page  # the chain is whole
    assert "按本人的要求清除了个人信息（本人书面要求）" in page
    assert "成绩回传的记录已按本人的要求清除" in page
    assert "陈晓芳" not in page
    assert "请技术管理员查备份" not in page
    assert "文件不在了" not in page


@pytest.mark.browser
def test_an_auditor_draws_reads_a_proof_and_prints_the_report(
    browser: Chromium, own_district_url: str, tmp_path: Path
) -> None:
    with served(own_district_url, tmp_path) as pages:
        context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
        Windows(browser, pages).sign_in(context, "auditor", "zh-Hans")
        window = context.new_page()
        window.goto(f"{pages.url}/")
        expect(window.locator("h1")).to_have_text("从学时台账里随机抽查")
        window.get_by_label("抽几条").fill("2")
        window.get_by_label("随机种子").fill("当众摇出的 7 号")
        window.get_by_role("button", name="抽", exact=True).click()
        window.get_by_role("link", name="查下一条").click()
        for finding in ("没有问题", "有疑问"):
            expect(window.locator(".notice.good")).to_contain_text("和前后两次接得上")
            window.get_by_label(finding).check()
            window.get_by_label("说明").fill("看过原件")
            window.get_by_role("button", name="记下结论").click()
        expect(window.locator("h1")).to_contain_text("抽的 2 条都查过了")
        window.get_by_role("link", name="按种子重抽一遍核对").click()
        expect(window.locator(".notice.good").first).to_contain_text("都一样")
        window.emulate_media(media="print")
        expect(window.locator(".printed")).to_be_visible()
        expect(window.get_by_role("link", name="按种子重抽一遍核对")).to_be_hidden()
        context.close()
