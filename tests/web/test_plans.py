"""整校推进方案 in the browser: the county asks, a school fills in and hands in, the county returns and accepts."""

import io
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlmodel import select

import competencies
from competencies.plans import PAPERS, PlanEvent, PlanPaper, PlanState, SchoolPlan
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.flow import clearing, merges, plan_views, plans, sessions
from lms_plugin.people import OrgUnit, RoleKind
from tests import people as cast
from tests.factories import grant, world_in
from tests.queries import count_queries
from tests.serving import tool_on_loopback

FILES = Path(__file__).resolve().parent.parent / "files"
TEAM = {"name.1": "冯校", "duty.1": "leader", "name.2": "李主任", "duty.2": "teaching", "name.4": "王", "duty.4": "ict"}


@pytest.fixture
def county(world):
    return f"/progress/{world.programme.uuid}/{world.county.uuid}/plans"


@pytest.fixture
def plan(browse, world, county):
    """The county has asked; the address of a school's plan."""
    answer = browse(cast.OFFICER).post(county, data={"papers": "\n".join(PAPERS[:2]), "due_on": "2026-11-30"})
    assert answer.status_code == 303
    return f"/progress/{world.programme.uuid}/{world.schools['希望小学'].uuid}/plan"


def upload(browser, plan, number, *names):
    given = [(io.BytesIO((FILES / name).read_bytes()), name) for name in names]
    data = {"file": given, "paper": PAPERS[number - 1]}
    return browser.post(f"{plan}/papers", data=data, content_type="multipart/form-data")


def filled(browser, plan):
    """A plan with everything in it."""
    for number, name in ((1, "lesson.docx"), (2, "reflection.pdf")):
        assert upload(browser, plan, number, name).status_code == 303
    saved = browser.post(plan, data={**TEAM, "environment": "smart", "version": ""})
    assert saved.status_code == 303, saved.text
    return plan


def kept(world):
    world.session.expire_all()
    return world.session.exec(select(SchoolPlan)).one()


def test_a_plan_from_the_first_paper_to_the_countys_word(browse, world, plan):
    lead, officer = browse(cast.LEAD), browse(cast.OFFICER)
    page = lead.get(plan).text
    assert "方案还差 5 处" in page
    assert "没有“校本研修方案”" in page
    assert "11月30日" in page
    assert lead.post(f"{plan}/submit").status_code == 422  # not complete: nothing is handed in
    filled(lead, plan)
    assert "都齐了，可以交给区县" in lead.get(plan).text
    for _click in range(2):
        answer = lead.post(f"{plan}/submit")
    assert answer.status_code == 409  # a double click hands in once
    assert kept(world).state is PlanState.SUBMITTED
    assert "冯校" in officer.get(plan).text
    back = officer.post(f"{plan}/return", data={"reason": " 研修方案没有\n时间表 "})
    assert back.status_code == 303
    page = lead.get(plan).text
    assert "区县退回，要改的是：研修方案没有" in page
    first = world.session.exec(select(PlanPaper).order_by(PlanPaper.id)).all()[0]
    assert lead.post(f"{plan}/files/{first.uuid}/remove").status_code == 303
    assert "没有“学校信息化教育教学发展规划”" in lead.get(plan).text
    assert upload(lead, plan, 1, "plain.docx").status_code == 303
    assert lead.post(f"{plan}/submit").status_code == 303
    assert officer.post(f"{plan}/accept").status_code == 303
    assert kept(world).state is PlanState.ACCEPTED
    assert world.schools["希望小学"].environment == "smart"
    events = world.session.exec(select(PlanEvent).order_by(PlanEvent.id)).all()
    assert [event.kind.value for event in events] == ["submitted", "returned", "submitted", "accepted"]
    assert [paper["name"] for paper in events[0].manifest["papers"]] == ["lesson.docx", "reflection.pdf"]
    assert len(events[0].manifest["papers"][0]["sha256"]) == 64
    assert lead.post(plan, data={**TEAM, "environment": "blended", "version": "9"}).status_code == 409
    assert officer.post(f"{plan}/return", data={"reason": "再补一份"}).status_code == 303  # also after it was accepted


def test_who_may_do_what(browse, world, county, plan):
    filled(browse(cast.LEAD), plan)
    assert browse(cast.LEAD).post(f"{plan}/submit").status_code == 303
    other = plan.replace(world.schools["希望小学"].uuid, world.schools["平安小学"].uuid)
    for address in (county, plan):
        assert browse(None).get(address).status_code == 401
        assert browse(cast.NEIGHBOUR).get(address).status_code == 404
        for who in (cast.CHEN, cast.TRAINER, cast.IT):
            assert browse(who).get(address).status_code == 403
        assert browse(cast.AUDITOR).get(address).status_code == 200
    assert browse(cast.LEAD).get(other).status_code == 403  # another school's
    assert browse(cast.LEAD).get(county).status_code == 403
    for who in (cast.LEAD, cast.AUDITOR, cast.CHEN):
        assert browse(who).post(f"{plan}/accept").status_code == 403
        assert browse(who).post(f"{plan}/return", data={"reason": "x"}).status_code == 403
        assert browse(who).post(county, data={"papers": "x"}).status_code == 403
    for step in ("submit", "withdraw"):
        assert browse(cast.AUDITOR).post(f"{plan}/{step}").status_code == 403
    assert upload(browse(cast.AUDITOR), plan, 1, "lesson.docx").status_code == 403
    file = world.session.exec(select(competencies.StoredFile)).all()[0]
    for who, status in ((cast.OFFICER, 200), (cast.AUDITOR, 200), (cast.CHEN, 403), (cast.NEIGHBOUR, 404)):
        with browse(who).get(f"/evidence/{file.uuid}/file?download=1") as answer:
            assert answer.status_code == status, who


def test_nobody_accepts_what_they_handed_in(browse, world, plan):
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.county, world.now)
    lead = browse(cast.LEAD)
    filled(lead, plan)
    assert lead.post(f"{plan}/submit").status_code == 303
    assert "审核通过" not in lead.get(plan).text
    assert lead.post(f"{plan}/accept").status_code == 403
    assert browse(cast.OFFICER).post(f"{plan}/accept").status_code == 303


def test_what_is_wrong_is_said_and_what_was_typed_stays(browse, world, county, plan):
    lead, officer = browse(cast.LEAD), browse(cast.OFFICER)
    wrong = lead.post(plan, data={**TEAM, "duty.2": "leader", "environment": "smart", "version": ""})
    assert wrong.status_code == 422
    assert "管理团队只有一位组长" in wrong.text
    assert "李主任" in wrong.text
    assert lead.post(plan, data={**TEAM, "environment": "gold", "version": ""}).status_code == 422
    assert world.session.exec(select(SchoolPlan)).all() == []
    assert lead.post(plan, data={**TEAM, "environment": "smart", "version": ""}).status_code == 303
    late = officer.post(plan, data={"name.1": "别人", "duty.1": "leader", "environment": "", "version": ""})
    assert late.status_code == 409  # over an older page: both are shown
    assert "李主任（教学主任）" in late.text
    assert "别人" in late.text
    for names, told in (
        (("bomb.docx",), "bomb.docx："),
        (("lesson.mp4", "lesson.docx"), "lesson.mp4："),
        ((), "请先选"),
    ):
        answer = upload(lead, plan, 1, *names)
        assert (answer.status_code, told in answer.text) == (422, True), (names, answer.text)
    assert [row.paper for row in world.session.exec(select(PlanPaper))] == [PAPERS[0]]  # the good one of the two
    assert upload(lead, plan, 3, "lesson.docx").status_code == 409  # nobody asks for it
    assert officer.post(f"{plan}/return", data={"reason": "x"}).status_code == 409  # not handed in
    for papers, due_on in (("", ""), ("长" * 61, ""), ("文件", "2026-13-01"), ("文件", "1800-01-01")):
        assert officer.post(county, data={"papers": papers, "due_on": due_on}).status_code == 422


def test_another_list_of_papers_hides_nothing_and_sends_nothing_astray(browse, world, county, plan):
    lead, officer = browse(cast.LEAD), browse(cast.OFFICER)
    filled(lead, plan)
    assert lead.post(f"{plan}/submit").status_code == 303
    officer.post(county, data={"papers": "\n".join(("新的一份", PAPERS[1]))})
    page = officer.get(plan).text
    assert "lesson.docx" in page
    assert "不再要求" in page
    assert page.count("/evidence/") == 4  # each file to be read and to be downloaded
    officer.post(f"{plan}/return", data={"reason": "换一份"})
    assert upload(lead, plan, 1, "plain.docx").status_code == 409  # a page from before
    paper = world.session.exec(select(PlanPaper).order_by(PlanPaper.id)).all()[0]
    world.session.commit()
    assert lead.post(f"{plan}/files/{paper.uuid}/remove").status_code == 303
    assert "不再要求" not in lead.get(plan).text


def test_the_points_of_one_human_being_stand_together(browse, world, plan):
    for who, code in ((cast.WANG, "A3"), (cast.CHEN, "A5")):
        world.session.add(
            competencies.Selection(
                programme_id=pk(world.programme),
                person_id=pk(world.person(who)),
                point_id=pk(world.point(code)),
                chosen_at=world.now,
            )
        )
    world.session.flush()
    officer, chen, wang = world.actor(cast.OFFICER), world.person(cast.CHEN), world.person(cast.WANG)
    merges.merge_persons(world.session, officer, wang.uuid, chen.uuid, "", world.now)
    place = plans.held(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.schools["希望小学"].uuid, world.now
    ).place
    assert plan_views.chosen_points(world.session, world.actor(cast.OFFICER), place) == [("陈晓芳", ("A3", "A5"))]


def test_a_long_list_of_teachers_leads_on(browse, world, plan, monkeypatch):
    monkeypatch.setattr(plan_views, "MOST_TEACHERS", 1)
    for who in (cast.WANG, cast.CHEN):
        choice = {"programme_id": pk(world.programme), "point_id": pk(world.point("A3")), "chosen_at": world.now}
        world.session.add(competencies.Selection(person_id=pk(world.person(who)), **choice))
    world.session.commit()
    page = browse(cast.LEAD).get(plan).text
    assert "2 位老师选了能力点" in page
    assert re.search(r'href="([^"]+people\?state=due)">还有 1 位', page)


def test_the_same_file_twice_is_one(browse, world, plan):
    for _click in range(2):
        assert upload(browse(cast.LEAD), plan, 1, "lesson.docx").status_code == 303
    assert len(world.session.exec(select(PlanPaper)).all()) == 1


def test_the_bytes_of_papers_stay_as_long_as_the_plan_holds_them(browse, world, plan):
    lead = browse(cast.LEAD)
    upload(lead, plan, 1, "lesson.docx")
    clearing.mark_unused(world.session, world.now)
    assert clearing.let_go(world.session, world.now + timedelta(days=90), timedelta(days=30)) == []
    paper = world.session.exec(select(PlanPaper)).one()
    world.session.commit()
    for _ in range(2):  # never handed in: it goes, and a second click finds it gone
        assert lead.post(f"{plan}/files/{paper.uuid}/remove").status_code == 303
    clearing.mark_unused(world.session, world.now)
    assert len(clearing.let_go(world.session, world.now + timedelta(days=90), timedelta(days=30))) == 1


def test_a_plan_after_the_last_day_is_marked_and_after_the_end_refused(browse, world, county, plan):
    lead, officer = browse(cast.LEAD), browse(cast.OFFICER)
    filled(lead, plan)
    officer.post(county, data={"papers": "\n".join(PAPERS[:2]), "due_on": str(date(2026, 1, 1))})
    assert "过了最后一天" in lead.get(plan).text
    assert lead.post(f"{plan}/submit").status_code == 303
    assert "晚交" in officer.get(plan).text
    assert lead.post(f"{plan}/withdraw").status_code == 303
    assert lead.post(f"{plan}/submit").status_code == 303
    officer.post(county, data={"papers": "\n".join(PAPERS[:2]), "ends": "1"})
    assert "撤回来改" not in lead.get(plan).text
    assert lead.post(f"{plan}/withdraw").status_code == 409  # it could not be handed in again
    assert officer.post(f"{plan}/return", data={"reason": "改一处"}).status_code == 303
    assert lead.post(f"{plan}/submit").status_code == 303  # what was sent back may be put right
    officer.post(county, data={"papers": "\n".join(PAPERS[:2])})
    lead.post(f"{plan}/withdraw")
    officer.post(county, data={"papers": "\n".join(PAPERS[:2]), "ends": "1"})
    assert "区县不再收方案" in lead.get(plan).text
    assert lead.post(f"{plan}/submit").status_code == 409


def test_an_environment_that_nobody_could_meet_is_not_accepted(browse, world, plan):
    """Only the own environment, four dimensions: the seven points of smart schools have three."""
    lead, officer = browse(cast.LEAD), browse(cast.OFFICER)
    filled(lead, plan)
    assert lead.post(f"{plan}/submit").status_code == 303
    world.set_rules(choice={"environment_rule": "exact", "min_dimensions": 4, "required_points": 4})
    world.session.commit()
    answer = officer.post(f"{plan}/accept")
    assert (answer.status_code, world.programme.title in answer.text) == (422, True)
    assert kept(world).state is PlanState.SUBMITTED
    assert world.session.exec(select(OrgUnit).where(OrgUnit.name == "希望小学")).one().environment != "smart"


def test_the_county_sees_where_each_school_stands(browse, world, county, plan, tool):
    officer = browse(cast.OFFICER)
    lead = browse(cast.LEAD)
    assert "2 所学校，0 所方案已通过，0 所等您审核" in officer.get(county).text
    filled(lead, plan)
    lead.post(f"{plan}/submit")
    page = officer.get(county).text
    assert "1 所等您审核" in page
    assert page.index("希望小学") < page.index("平安小学")
    assert "平安小学" not in officer.get(f"{county}?state=submitted").text.split("</thead>")[1]
    assert "希望小学" not in officer.get(f"{county}?state=none").text.split("</thead>")[1]
    school = f"/progress/{world.programme.uuid}/{world.schools['希望小学'].uuid}"
    assert f"{school}/plan" in lead.get(school).text  # the lead's own page leads there
    with count_queries(world.session.get_bind()) as found:
        officer.get(plan)
    assert len(found) <= 12


@pytest.mark.browser
def test_what_was_typed_stays_while_files_arrive(tmp_path, module_district_url, browser):
    """The lead types the team, sends a paper (the page comes anew), and goes on where they were."""
    now = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
    with tool_on_loopback(module_district_url, tmp_path, lambda: now) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, now)
        plans.ask(session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, PAPERS[:1], None, now)
        opened = sessions.open_session(
            session, world.person(cast.LEAD), world.course, timedelta(hours=8), now, locale="zh-Hans"
        )
        address = f"{tool.url}/progress/{world.programme.uuid}/{world.schools['希望小学'].uuid}"
        session.commit()
        context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
        cookie = {"name": "__Host-nengli", "value": opened.token, "secure": True, "httpOnly": True}
        context.add_cookies([{**cookie, "url": tool.url.replace("http:", "https:")}])
        page = context.new_page()
        page.goto(address)
        page.get_by_role("link", name="整校推进方案").click()
        for number, (name, duty) in enumerate((("冯校", "leader"), ("李主任", "teaching"), ("王老师", "ict")), start=1):
            page.locator(f"[name='name.{number}']").fill(name)
            page.locator(f"[name='duty.{number}']").select_option(duty)
        page.locator("#paper-1 input[type=file]").set_input_files(FILES / "lesson.docx")
        expect(page.locator("#paper-1 .fn")).to_have_text("lesson.docx")
        expect(page.locator("[name='name.2']")).to_have_value("李主任")
        page.get_by_label("智慧学习环境").check()
        page.get_by_role("button", name="保存团队和环境").click()
        expect(page.locator("h1")).to_contain_text("都齐了")
        page.get_by_role("button", name="交给区县").click()
        expect(page.locator("h1")).to_contain_text("等审核")
        context.close()
