"""研修档案 as officers see it: names lead there, 冲销 says what it does, days are the district's."""

import re
from datetime import UTC, date, datetime
from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.flow import award, people, roster_ties, training_hours, transfers
from lms_plugin.people import OrgMembership, RoleKind
from tests import people as cast
from tests.factories import grant
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.flow.test_award import decided
from tests.flow.test_courses import other_programme
from tests.flow.test_trainings import planned, signed_by_code
from tests.gradebooks import column, score
from tests.moving import released, there_of
from tests.rosters import add_entry, put_on_roster
from tests.web.test_roster import send

LATE = datetime(2026, 11, 2, 17, 30, tzinfo=UTC)  # 3 November, 01:30 in Shanghai


def record(world, who=cast.CHEN):
    return f"/record/{world.programme.uuid}/{world.person(who).uuid}"


def imported(browse, world):
    """Hours as an officer imports them; gives the entry's uuid."""
    if not world.session.exec(select(people.RosterEntry)).all():
        put_on_roster(world, cast.CHEN)
        world.session.commit()
    row = (cast.CHEN.staff_number, cast.CHEN.name, 12, "省平台", "")
    officer = browse(cast.OFFICER)
    url = f"/hours/{world.programme.uuid}"
    checked = send(officer, [("工号", "姓名", "学时", "来源", "日期"), row], url).headers["Location"]
    assert "在那个人的研修档案里逐条冲销" in officer.get(checked).text
    assert officer.post(checked).status_code == 303
    world.session.expire_all()
    return world.session.exec(
        select(competencies.CreditEntry)
        .where(competencies.CreditEntry.reason == "import")
        .order_by(col(competencies.CreditEntry.id).desc())
    ).all()[0]


def test_the_printed_record_says_up_to_where_the_ledger_was_sealed(browse, world):
    officer = browse(cast.OFFICER)
    imported(browse, world)
    assert "校验值" not in officer.get(record(world)).text  # nothing was sealed yet
    competencies.seal(world.session, pk(world.tenant), world.now)
    world.session.commit()
    newest = competencies.head(world.session, pk(world.tenant))
    assert newest is not None
    told = f'<p class="hint printed">学时台账封存到第 1 次（2026-11-02 09:00），校验值 {newest.hash}</p>'
    assert told in officer.get(record(world)).text
    assert "校验值" not in officer.get(record(world, cast.WANG)).text  # whose ledger is empty


def scores_asked_for(world):
    world.session.expire_all()
    jobs = world.session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.SCORE)).all()
    return {job.ids["person_id"] for job in jobs}


def test_an_import_sends_scores(browse, world):
    assert scores_asked_for(world) == set()
    imported(browse, world)
    assert scores_asked_for(world) == {pk(world.person(cast.CHEN))}


def test_an_officer_reverses_an_import(browse, world):
    entry, officer = imported(browse, world), browse(cast.OFFICER)
    url = f"{record(world)}/hours/{entry.uuid}/reverse"
    assert url in officer.get(record(world)).text
    page = officer.get(url).text
    for words in ("网络研修学时从 12 减为 0", "省平台", "也不会再记", "不能撤销", "成绩自动重新回传"):
        assert words in page
    refused = officer.post(url, {"reason": " "})
    assert refused.status_code == 422
    assert "请写为什么冲销" in refused.text
    long = "理由" * 200
    refused = officer.post(url, {"reason": long})
    assert (refused.status_code, long in refused.text) == (422, True)  # what was typed is kept
    for _click in range(2):  # a double click
        assert officer.post(url, {"reason": "录错了人"}).status_code == 303
    page = officer.get(record(world)).text
    assert "冲销：录错了人" in page
    assert "网络研修学时：0 / 25" in page
    assert url not in page
    assert "已经冲销过了" in officer.get(url).text
    world.session.expire_all()
    assert len(world.session.exec(select(competencies.CreditEntry)).all()) == 2


def test_a_whole_sheet_is_reversed(browse, world):
    imported(browse, world)
    officer = browse(cast.OFFICER)
    url = re.findall(r'href="(/hours/\w+/sheets/\d+)"', officer.get(f"/hours/{world.programme.uuid}").text)[0]
    page = officer.get(url).text
    assert "冲销这一次导入的 1 人 12 学时" in page
    assert "省平台" in page
    assert "请写为什么冲销" in officer.post(url, {"reason": ""}).text
    for told in ("冲销了 1 条", "这一批已经冲销过了"):  # and a double click
        done = officer.post(url, {"reason": "发错了文件"})
        assert told in officer.get(done.headers["Location"]).text
    assert "冲销：发错了文件" in officer.get(record(world)).text


def test_an_officer_reverses_an_award(browse, world):
    earn(world, cast.CHEN, "A3", "A5", "A6")
    world.session.commit()
    held = world.session.exec(select(competencies.Award).order_by(col(competencies.Award.id))).all()[0]
    officer, url = browse(cast.OFFICER), f"{record(world)}/awards/{held.uuid}/reverse"
    assert url in officer.get(record(world)).text
    page = officer.get(url).text
    assert "实践应用学时从 25 减为 0" in page
    assert "不再持有" in page
    assert officer.post(url, {"reason": "材料不实"}).status_code == 303
    assert "冲销：材料不实" in officer.get(record(world)).text


def test_only_officers_see_the_button(browse, world):
    entry = imported(browse, world)
    url = f"{record(world)}/hours/{entry.uuid}/reverse"
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.TRAINER):
        browser = browse(who)
        page = browser.get(record(world))
        assert page.status_code == 200, who
        assert "/reverse" not in page.text
        assert browser.get(url).status_code == 403
        assert browser.post(url, {"reason": "x"}).status_code == 403


def test_names_lead_to_the_record(browse, world):
    for who in (cast.CHEN, cast.WANG):
        put_on_roster(world, who)
    world.session.commit()
    work = hand_in(world, cast.CHEN, "A3", world.now)
    world.session.commit()
    unit, school = world.county.uuid, world.schools["希望小学"].uuid
    for who, place in ((cast.OFFICER, unit), (cast.LEAD, school)):
        browser = browse(who)
        for page in (
            f"/progress/{world.programme.uuid}/{place}/people?state=due",
            f"/progress/{world.programme.uuid}/{place}/people?state=unfinished",
            f"/progress/{world.programme.uuid}/{place}/unfinished",
            "/people",
        ):
            assert f'href="{record(world)}"' in browser.get(page).text, (who, page)
        assert browser.get(record(world)).status_code == 200
    trainer = browse(cast.TRAINER)
    for page in ("/cases", f"/cases/{work.uuid}"):
        assert f'href="{record(world)}"' in trainer.get(page).text
    assert trainer.get(record(world)).status_code == 200


def test_who_never_came_has_no_record_to_open(browse, world):
    entry = add_entry(world, world.schools["希望小学"], "N1", "没来过")
    world.session.commit()
    page = browse(cast.OFFICER).get(f"/progress/{world.programme.uuid}/{world.county.uuid}/people?state=due").text
    assert "没来过" in page
    assert f"/roster/entry/{entry.uuid}" in page
    assert "/record/" not in page


def test_days_are_those_of_the_district(browse, world, clock):
    clock[0] = world.now = LATE
    earn(world, cast.CHEN, "A3", "A5", "A6")
    world.session.commit()
    page = browse(cast.OFFICER).get(record(world)).text
    assert "2026年11月3日" in page.partition("学时台账")[2]
    assert "11月2日" not in page.partition("学时台账")[2].partition("成绩回传")[0]


def test_a_membership_begins_on_the_district_s_day(world):
    person = world.person(cast.CHEN)
    roster_ties.move_to_school(world.session, person, world.schools["平安小学"], LATE)
    rows = world.session.exec(
        select(OrgMembership).where(OrgMembership.person_id == pk(person)).order_by(col(OrgMembership.id))
    ).all()
    assert [(row.starts_on, row.ends_on) for row in rows][1:] == [(date(2026, 11, 3), None)]
    assert rows[0].ends_on == date(2026, 11, 3)
    assert people.school_of(world.session, pk(person), LATE) == world.schools["平安小学"]


def test_a_release_says_how_many_remain(browse, world, monkeypatch):
    monkeypatch.setattr(award, "MOST_AT_ONCE", 1)
    for who in (cast.CHEN, cast.WANG):
        decided(world, who, "A3")
    world.session.commit()
    officer, url = browse(cast.OFFICER), f"/release/{world.programme.uuid}"
    page = officer.get(url).text
    for words in ("2 份定好的材料等着发布", "发布这 1 份", "发布后还有 1 份"):
        assert words in page
    assert page.count('name="case"') == 1
    assert officer.post(f"{url}/all", {"shown_at": "0001-01-01T00:00+14:00"}).status_code == 303
    assert officer.post(f"{url}/stop").status_code == 303
    (shown_at,) = re.findall(r'name="shown_at" value="([^"]+)"', page)
    assert officer.post(f"{url}/all", {"shown_at": shown_at}).status_code == 303
    for words in ("正在发布", "<b>0</b> / 2"):
        assert words in officer.get(url).text
    assert officer.post(f"{url}/stop").status_code == 303
    assert "2 份定好的材料等着发布" in officer.get(url).text


@pytest.mark.parametrize(("days", "says"), [("0", "由管理员或管理员邀请的评审员发布"), ("3", "3 天后自动发布")])
def test_who_releases_is_said_as_it_is(browse, world, days, says):
    world.set_rules(release={"after_days": int(days)})
    world.session.commit()
    assert says in browse(cast.OFFICER).get(f"/curate/programmes/{world.programme.uuid}").text


def test_a_course_that_moved_on_keeps_the_old_number_and_the_pages_say_so(browse, world):
    earn(world, cast.CHEN, "A3")
    score(world, column(world), world.person(cast.CHEN), lti.DeliveryState.DELIVERED)
    award_uuid = world.session.exec(select(competencies.Award.uuid)).one()
    reverse, officer = f"{record(world)}/awards/{award_uuid}/reverse", browse(cast.OFFICER)
    assert "成绩自动重新回传到课程" in officer.get(reverse).text
    world.course.programme_id = pk(other_programme(world))
    world.session.commit()
    page = officer.get(reverse).text
    assert "这门课已换项目，成绩册停在原来的数，不会跟着改" in page
    assert "成绩自动重新回传" not in page
    page = browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text
    assert "这门课已换项目，成绩册停在原来的数" in page
    assert "从做这个项目的课程进入以后" in page
    assert "再发一次" not in page


def test_the_record_says_what_a_cycle_still_asks_for_and_why_a_line_does_not_count(browse, world):
    credit = imported(browse, world)
    page = browse(cast.CHEN).get(record(world)).text
    assert "2026–2030 年" in page
    assert "共 12 学时，其中实践应用 0 学时" in page
    assert "还差 38 学时，其中实践至少 25 学时" in page
    officer = browse(cast.OFFICER)
    officer.post(f"{record(world)}/hours/{credit.uuid}/reverse", {"reason": "同一门课记了两次"})
    page = browse(cast.CHEN).get(record(world)).text
    assert "这一条没有计入：后来冲销了（同一门课记了两次）" in page
    assert "还差 50 学时，其中实践至少 25 学时" in page


def test_the_district_says_its_cycle(browse, world):
    officer = browse(cast.OFFICER)
    assert "每 5 年至少 50 学时，其中实践应用至少 50%" in officer.get("/hours-cycle").text
    form = {"years": "3", "first_year": "2025", "need": "25.5", "practice_percent": "40"}
    for wrong in ({"years": "0"}, {"years": "x"}, {"first_year": "1"}, {"need": "-1"}, {"practice_percent": "101"}):
        assert officer.post("/hours-cycle", {**form, **wrong}).status_code == 422, wrong
    assert officer.post("/hours-cycle", form).status_code == 303
    page = browse(cast.CHEN).get(record(world)).text
    assert "2025–2027 年" in page
    assert "还差 25.5 学时，其中实践至少 10.2 学时" in page
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.TRAINER):
        assert browse(who).get("/hours-cycle").status_code == 403


def test_the_sheet_says_what_each_person_lacks_in_the_cycle(browse, world):
    imported(browse, world)
    answer = browse(cast.OFFICER).get(f"/progress/{world.programme.uuid}/{world.county.uuid}/sheet")
    data = answer.data
    answer.close()
    head, *lines = CalamineWorkbook.from_filelike(BytesIO(data)).get_sheet_by_name("名单").to_python()
    of_chen = next(dict(zip(head, line, strict=True)) for line in lines if line[0] == cast.CHEN.name)
    assert of_chen["学时周期"] == "2026–2030"
    assert (of_chen["周期内学时（全部项目）"], of_chen["其中实践应用"]) == (12, 0)
    assert of_chen["周期还差"] == "还差 38 学时，其中实践至少 25 学时"


def test_a_teacher_asks_about_a_line_and_reads_the_answer(browse, world):
    credit = imported(browse, world)
    teacher, officer = browse(cast.CHEN), browse(cast.OFFICER)
    asked = f"/record/{world.programme.uuid}/asks"
    assert asked in teacher.get(f"/record/{world.programme.uuid}").text
    assert asked not in officer.get(record(world)).text
    assert "网络研修 12 · 导入：省平台" in teacher.get(asked).text
    refused = teacher.post(asked, {"entry": credit.uuid, "text": " "})
    assert (refused.status_code, 'class="error"' in refused.text) == (422, True)
    assert teacher.post(asked, {"entry": credit.uuid, "text": "应该是 <b>16</b> 学时"}).status_code == 303
    assert (
        "希望小学：1 条学时更正申请在等答复"
        in officer.get(f"/progress/{world.programme.uuid}/{world.county.uuid}").text
    )
    one = re.search(r"/hours-asked/[0-9a-f]{32}", officer.get("/hours-asked").text)[0]
    assert "应该是 &lt;b&gt;16&lt;/b&gt; 学时" in officer.get(one).text
    refused = officer.post(one, {"answer": "booked", "reply": "补了"})
    assert (refused.status_code, "没有新记的学时" in refused.text) == (422, True)
    assert officer.post(one, {"answer": "explained", "reply": "证书上是 12 学时。"}).status_code == 303
    assert "刚才已经答复了" in officer.post(one, {"answer": "explained", "reply": "x"}).text
    page = teacher.get(asked).text
    assert "答复：证书上是 12 学时。" in page
    for number in range(5):
        assert teacher.post(asked, {"text": f"第 {number} 条"}).status_code == 303
    refused = teacher.post(asked, {"text": "第六条"})
    assert (refused.status_code, "已有 5 条申请在等答复" in refused.text) == (422, True)


# --- why was this not counted ---


def own_page(browse, world):
    world.session.commit()
    return browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text


def test_points_whose_hours_left_say_where_they_count(browse, world):
    earn(world, cast.CHEN, "A3", "A5", "B1")
    uuid = released(there_of(world))
    assert own_page(browse, world).count("学时已转到邻县，在那里计") == 3
    transfers.withdraw(world.session, world.actor(cast.OFFICER), uuid, "还没走", world.now)
    page = own_page(browse, world)
    assert "学时已转到" not in page
    assert page.count("已计入") == 3


def test_hours_that_a_lowered_rule_would_not_give_are_still_said_to_count(browse, world):
    earn(world, cast.CHEN, "A3", "A5", "B1")
    world.set_rules(choice={"required_points": 5})
    page = own_page(browse, world)
    assert page.count("已计入") == 3
    assert "都通过才一次记入" not in page


def test_hours_of_an_older_cycle_and_of_other_kinds_say_what_they_count_for(browse, world):
    basis = competencies.Basis(world.programme.policy_id or 0)
    chen = pk(world.person(cast.CHEN))
    for kind, on in ((competencies.CreditKind.ONLINE, date(2024, 5, 1)), (competencies.CreditKind.OFFLINE, None)):
        competencies.credit(
            world.session, pk(world.tenant), pk(world.programme), chen, kind, 600, basis, world.now, "import", "省平台",
            earned_on=on,
        )  # fmt: skip
    page = own_page(browse, world)
    assert page.count("算在 2021–2025 年的周期里，不算在现在的周期里") == 1
    assert "集中培训和校本研修的学时只算进周期的总数" in page


def test_the_category_by_whose_rules_it_goes_is_said(browse, world):
    put_on_roster(world, cast.CHEN).category = competencies.Category.PRINCIPAL
    world.set_rules(categories=[{"category": "principal", "required_points": 1}])
    earn(world, cast.CHEN, "A3")
    page = own_page(browse, world)
    assert "按“校长”的规则算" in page
    assert "能力点认定，规则第 2 版（按校长的规则）" in page


def test_a_training_says_why_it_brought_nothing(browse, world):
    """Whoever closed it was there too: somebody else has to book that."""
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    assert "结束后记" in own_page(browse, world)
    grant(world.session, world.person(cast.CHEN), RoleKind.SCHOOL_LEAD, world.schools["希望小学"], world.now)
    training_hours.close(world.session, world.actor(cast.CHEN), made.uuid, made.ends_at)
    assert "没有记上，请主持人“补记学时”" in own_page(browse, world)


def test_the_whole_record_is_one_click_away_for_who_may_read_it(browse, world):
    earn(world, cast.CHEN, "A3", "A5", "B1")
    world.session.commit()
    assert 'href="/record/whole"' in browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text
    whole = f"/record/whole/{world.person(cast.CHEN).uuid}"
    officer = browse(cast.OFFICER)
    assert f'href="{whole}"' in officer.get(record(world)).text
    page = officer.get(whole).text
    assert "参加过 1 个项目，通过 3 个能力点" in page
    assert f'href="{record(world)}"' in page
    grant(world.session, world.person(cast.LI), RoleKind.TRAINER, None, world.now).course_id = pk(world.course)
    world.session.commit()
    trainer = browse(cast.LI)
    shown = trainer.get(record(world)).text
    assert whole not in shown
    assert "/history?" not in shown  # nor a search that would be refused
    assert trainer.get(whole).status_code == 403
