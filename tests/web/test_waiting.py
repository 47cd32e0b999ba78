"""What waits stands where its reader comes first: the school lead's page, the reviewer's desk, a teacher's home."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from competencies import ProgrammeState
from lms_plugin import db
from lms_plugin.flow import asks, merges
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import Browser, World, grant, programme_of, world_in
from tests.flow.handed_in import hand_in
from tests.flow.test_chain import ALL, HOUR, XIWANG, close, decide, name_panel
from tests.serving import tool_on_loopback
from tests.web.test_chain import window_of

Browse = Callable[[cast.Cast | None], Browser]


def test_a_lead_reads_what_waits_and_is_led_there(browse: Browse, world: World) -> None:
    world.set_rules(chain={**ALL, "panel": True})
    school, work = world.schools[XIWANG].uuid, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    page, lead = f"/progress/{world.programme.uuid}/{school}", browse(cast.LEAD)
    told = lead.get(page).text
    assert "还没有定考核小组，1 份材料等着" in told
    assert f'href="/panel/{school}"' in told
    name_panel(world, cast.WANG, cast.LI)
    assert "1 份材料等考核小组认定" in lead.get(page).text
    wangs = browse(cast.WANG)
    home = f"/programmes/{world.programme.uuid}"
    assert "1 份同事的材料等您认定" in wangs.get(home).text
    assert "考核小组" not in browse(cast.CHEN).get(home).text
    decide(world, work, who=cast.WANG)
    assert "等您认定" not in wangs.get(home).text
    assert "1 份材料都定好了，可以结批" in lead.get(page).text
    assert "等您处理" not in browse(cast.AUDITOR).get(page).text
    batch = close(world)
    county = f"/progress/{world.programme.uuid}/{world.county.uuid}"
    for reader, where in ((browse(cast.OFFICER), county), (browse(cast.OTHER_TRAINER), "/cases")):
        told = reader.get(where).text
        assert "1 所学校的材料等县里看" in told
        assert f'href="/batches/{batch.uuid}"' in told
    assert "县级抽查：" not in wangs.get("/cases").text


def test_a_lead_who_teaches_is_told_at_home(browse: Browse, world: World) -> None:
    world.set_rules(chain={"panel": True})
    grant(world.session, world.person(cast.CHEN), RoleKind.SCHOOL_LEAD, world.schools[XIWANG], world.now)
    assert "学校有 1 件事等您处理" in browse(cast.CHEN).get(f"/programmes/{world.programme.uuid}").text


def test_a_teacher_is_told_of_an_answer_until_they_read_it(browse: Browse, world: World) -> None:
    programme, said = world.programme.uuid, "您的学时更正申请有答复了"
    row = asks.ask(world.session, world.actor(cast.CHEN), programme, "", "少记 6 学时", world.now)
    chen, pages = browse(cast.CHEN), (f"/programmes/{programme}", f"/record/{programme}")
    assert [said in chen.get(page).text for page in pages] == [False, False]
    assert chen.post("/me/answers").status_code == 404
    asks.answer(world.session, world.actor(cast.OFFICER), row.uuid, "explained", "查过了", world.now)
    assert [said in chen.get(page).text for page in pages] == [True, True]
    officers = browse(cast.OFFICER).get(f"/record/{programme}/{world.person(cast.CHEN).uuid}")
    assert said not in officers.text
    read = chen.post("/me/answers")
    assert read.headers["Location"] == f"/record/{programme}/asks"
    assert "查过了" in chen.get(read.headers["Location"]).text
    assert [said in chen.get(page).text for page in pages] == [False, False]


def test_an_answer_is_not_lost_by_a_merge(world: World) -> None:
    row = asks.ask(world.session, world.actor(cast.CHEN), world.programme.uuid, "", "少记 6 学时", world.now)
    asks.answer(world.session, world.actor(cast.OFFICER), row.uuid, "explained", "查过了", world.now)
    one, other = world.person(cast.CHEN), world.person(cast.ZHAO)
    merges.merge_persons(world.session, world.actor(cast.OFFICER), one.uuid, other.uuid, "同一个人", world.now)
    assert other.answered_at == world.now


def test_the_chain_can_be_looked_at_programme_by_programme(browse: Browse, world: World) -> None:
    officer = browse(cast.OFFICER)
    assert "没有走考核流程的项目" in officer.get("/chain/programmes").text
    world.set_rules(chain=ALL)
    decide(world, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR))
    close(world)
    page = officer.get("/chain/programmes").text
    assert f'href="/chain/{world.programme.uuid}"' in page
    assert "有事等您处理" in page
    assert officer.get("/chain").headers["Location"] == f"/chain/{world.programme.uuid}"
    assert "/chain/programmes" in officer.get(f"/chain/{world.programme.uuid}").text
    assert browse(cast.CHEN).get("/chain/programmes").status_code == 403


def test_the_county_is_told_that_holidays_are_missing(browse: Browse, world: World) -> None:
    url, said = f"/chain/{world.programme.uuid}", "2026 年放假和调休的日子还没有写"
    world.set_rules(chain={"publicity": True})
    assert said in browse(cast.OFFICER).get(url).text
    assert 'href="/holidays"' in browse(cast.OFFICER).get(url).text
    auditor = browse(cast.AUDITOR).get(url).text
    assert "/holidays" not in auditor
    assert "/edit" not in auditor
    for quiet in ({"publicity": True, "days_off": ["2026-10-01"]}, {"check": True}):
        world.set_rules(chain=quiet)
        assert said not in browse(cast.OFFICER).get(url).text


def test_an_officer_asks_people_of_other_schools_in_by_number(browse: Browse, world: World) -> None:
    url = f"/panel/{world.schools['平安小学'].uuid}"
    officer, own = browse(cast.OFFICER), world.person(cast.ZHAO).uuid
    assert "从外校请的人" in officer.get(url).text
    assert "从外校请的人" not in browse(cast.LEAD).get(f"/panel/{world.schools[XIWANG].uuid}").text
    wrong = officer.post(url, {"member": own, "asked_in": "XW999"})
    assert (wrong.status_code, "没有找到工号是 XW999 的人" in wrong.text) == (422, True)
    assert 'value="XW999"' in wrong.text
    assert officer.post(url, {"member": own, "asked_in": "XW002"}).status_code == 303
    assert "王秀兰 XW002" in officer.get(url).text


@pytest.mark.browser
def test_a_reviewer_of_the_county_and_a_lead_find_what_waits(
    own_district_url: str, tmp_path: Path, browser: Chromium, now: datetime
) -> None:
    """From the desk to the batch and back: the lead reads on the first page how it ended."""
    with tool_on_loopback(own_district_url, tmp_path, lambda: now) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, now)
        world.set_rules(chain=ALL)
        for who in (cast.CHEN, cast.WANG):
            decide(world, hand_in(world, who, "A3", now - 2 * HOUR), 2)
        lead, sampler = (window_of(browser, tool, world, who, now) for who in (cast.LEAD, cast.OTHER_TRAINER))
        lead.goto(f"{tool.url}/progress")
        lead.locator("section[aria-labelledby=tasks]").get_by_role("link", name="去结批").click()
        lead.get_by_role("button", name="结批").click()
        expect(lead.get_by_role("heading", level=1)).to_contain_text("县级抽查中")
        sampler.goto(f"{tool.url}/cases")
        sampler.get_by_role("link", name="看希望小学的").click()
        for left in (1, 0):
            sampler.get_by_role("button", name="抽查通过").first.click()
            expect(sampler.get_by_role("button", name="抽查通过")).to_have_count(left)
        sampler.get_by_role("button", name="结束抽查").click()
        expect(sampler.get_by_role("heading", level=1)).to_contain_text("公示中")
        sampler.goto(f"{tool.url}/cases")
        expect(sampler.locator("main")).not_to_contain_text("县级抽查")
        lead.goto(f"{tool.url}/progress")
        expect(lead.locator("#tasks")).to_have_count(0)
        lead.get_by_role("link", name="看公示").click()
        expect(lead.locator("tbody")).to_contain_text("陈晓芳")


def test_what_the_county_still_prepares_is_nothing_to_a_school(browse: Browse, world: World) -> None:
    coming = programme_of(world.session, world.tenant, world.county, world.framework, "下一期考核", world.now)
    coming.state = ProgrammeState.DRAFT
    world.session.flush()
    page = f"/progress/{world.programme.uuid}/{world.schools[XIWANG].uuid}"
    assert [("下一期考核" in browse(who).get(page).text) for who in (cast.OFFICER, cast.LEAD)] == [True, False]
    coming.state = ProgrammeState.OPEN
    world.session.flush()
    assert "下一期考核" in browse(cast.LEAD).get(page).text
