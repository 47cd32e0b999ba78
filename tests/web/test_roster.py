"""名单, 免训 and 网络研修学时 in the browser: checked first, then taken in, and the same again changes nothing."""

import io
from datetime import date

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import select

import competencies
from lms_plugin.db import pk
from lms_plugin.people import Exemption, OrgUnit, RosterEntry
from tests import people as cast
from tests.rosters import HEAD, add_entry, put_on_roster, roster_rows, workbook


def send(browser, rows, url="/roster"):
    data = rows if isinstance(rows, bytes) else workbook(rows)
    return browser.post(url, data={"file": (io.BytesIO(data), "名单.xlsx")}, content_type="multipart/form-data")


def entries(world):
    world.session.expire_all()
    return world.session.exec(select(RosterEntry).where(RosterEntry.tenant_id == pk(world.tenant))).all()


@pytest.mark.parametrize("url", ["/roster", "/roster/template", "/roster/checked/" + "0" * 32])
def test_the_roster_is_the_officers(browse, url):
    assert browse(None).get(url).status_code == 401
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT):
        assert browse(who).get(url).status_code in {403, 404}, who


def test_a_roster_is_checked_then_taken_in_and_again_changes_nothing(browse, world):
    officer = browse(cast.OFFICER)
    answer = send(officer, roster_rows(cast.TEACHERS))
    assert answer.status_code == 303
    checked = answer.headers["Location"]
    page = officer.get(checked).text
    assert "新增 6 人" in page
    assert entries(world) == []
    for _click in range(2):  # a double click
        answer = officer.post(checked)
        assert answer.status_code == 303
    rows = entries(world)
    assert {row.staff_number for row in rows} == {who.staff_number for who in cast.TEACHERS}
    assert {row.person_id for row in rows} == {pk(world.person(who)) for who in cast.TEACHERS}
    assert "新增 0 人，更新 0 人，没有变化 6 人" in officer.get(answer.headers["Location"]).text
    assert "不用导入" in officer.get(send(officer, roster_rows(cast.TEACHERS)).headers["Location"]).text


def test_nobody_else_uses_the_file(browse, world):
    checked = send(browse(cast.OFFICER), roster_rows(cast.TEACHERS)).headers["Location"]
    for who in (cast.NEIGHBOUR, cast.CHEN):
        assert browse(who).get(checked).status_code == 404
        assert browse(who).post(checked).status_code == 404
    assert entries(world) == []


def test_faults_are_named_by_row_and_column_and_nothing_is_written(browse, world):
    officer = browse(cast.OFFICER)
    rows = [HEAD, ("甲", "希望小学", "1", "小小学", "语文"), ("", "希望小学", "1", "小学", "语文")]
    checked = send(officer, rows).headers["Location"]
    page = officer.get(checked).text
    assert "第 2 行 D 列" in page
    assert "第 3 行 A 列" in page
    assert "小小学" in page
    assert officer.post(checked).status_code == 409
    assert entries(world) == []


def test_unknown_schools_are_made_only_on_the_officers_word(browse, world):
    officer = browse(cast.OFFICER)
    checked = send(officer, [HEAD, ("甲某", "希望小学校", "N1", "小学", "语文")]).headers["Location"]
    assert "是不是“希望小学”" in officer.get(checked).text
    assert officer.post(checked).status_code == 422
    said = {"new_schools": "1", "under": world.county.uuid, "environment": "blended"}
    wrong = officer.post(checked, {**said, "environment": "made up"})
    assert (wrong.status_code, "以后再填" in wrong.text) == (422, True)
    assert officer.post(checked, said).status_code == 303
    made = world.session.exec(
        select(OrgUnit).where(OrgUnit.tenant_id == pk(world.tenant), OrgUnit.name == "希望小学校")
    ).one()
    assert (made.parent_id, made.environment) == (pk(world.county), "blended")
    assert [row.org_unit_id for row in entries(world)] == [pk(made)]


def test_another_name_under_the_same_number_is_asked_about(browse, world):
    put_on_roster(world, cast.CHEN)
    world.session.commit()
    officer = browse(cast.OFFICER)
    checked = send(officer, [HEAD, ("陈小芳", "希望小学", "XW001", "小学", "语文")]).headers["Location"]
    page = officer.get(checked).text
    assert "陈晓芳" in page
    assert "陈小芳" in page
    assert officer.post(checked).status_code == 422
    assert officer.post(checked, {"renames": "1"}).status_code == 303
    (row,) = entries(world)
    assert (row.name, row.person_id) == ("陈小芳", pk(world.person(cast.CHEN)))  # a slip put right


def test_a_number_that_somebody_else_has_now_is_said_to_be_so(browse, world):
    put_on_roster(world, cast.CHEN)
    world.session.commit()
    officer = browse(cast.OFFICER)
    checked = send(officer, [HEAD, ("钱新来", "希望小学", "xw 001", "小学", "语文")]).headers["Location"]
    assert 'name="other" value="XW001"' in officer.get(checked).text
    again = officer.post(checked, {"other": "XW001"})
    assert (again.status_code, 'value="XW001" checked' in again.text) == (422, True)  # and the tick stays
    assert officer.post(checked, {"renames": "1", "other": "XW001"}).status_code == 303
    (row,) = entries(world)
    assert (row.name, row.person_id) == ("钱新来", None)
    world.session.refresh(world.person(cast.CHEN))
    assert world.person(cast.CHEN).confirmed_at is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 字节"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "不是表格文件"),
        (b"PK\x03\x04 broken", "打不开"),
        (workbook([("随便", "什么")]), "没有找到表头"),
        (workbook([HEAD]), "没有内容"),
        (workbook([HEAD[:4], ("甲", "希望小学", "1", "小学")]), "学科"),
    ],
)
def test_a_useless_file_gets_a_clear_sentence(browse, data, says):
    answer = send(browse(cast.OFFICER), data)
    assert answer.status_code == 422
    assert says in answer.text


def test_no_file_is_no_fault_of_the_server(browse):
    answer = browse(cast.OFFICER).post("/roster", content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "还没有选文件" in answer.text


def test_the_template_can_be_sent_back_filled(browse):
    with browse(cast.OFFICER).get("/roster/template") as answer:
        book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    assert book.get_sheet_by_index(0).to_python() == [[*HEAD, "类别"]]


def test_exemption_and_removal_of_one_teacher(browse, world):
    entry = put_on_roster(world, cast.CHEN)
    world.session.commit()
    officer, url = browse(cast.OFFICER), f"/roster/entry/{entry.uuid}"
    assert browse(cast.NEIGHBOUR).get(url).status_code == 404
    assert browse(cast.LEAD).get(url).status_code == 403
    assert officer.get(url).status_code == 200
    wrong = officer.post(f"{url}/exemption", {"programme": world.programme.uuid, "reason": " "})
    assert wrong.status_code == 422
    assert "理由" in wrong.text
    assert officer.post(f"{url}/exemption", {"programme": world.programme.uuid, "reason": "产假"}).status_code == 303
    assert "免训：产假" in officer.get(url).text
    assert officer.post(f"{url}/exemption", {"programme": world.programme.uuid, "end": "1"}).status_code == 303
    world.session.expire_all()
    assert world.session.exec(select(Exemption)).all() == []
    assert officer.post(f"{url}/removed", {"removed": "1"}).status_code == 303
    assert "放回名单" in officer.get(url).text
    assert officer.post(f"{url}/removed", {"removed": "0"}).status_code == 303


HOURS_HEAD = ("工号", "姓名", "学时", "来源", "日期")


def online(world):
    world.session.expire_all()
    return world.session.exec(
        select(competencies.CreditEntry).where(competencies.CreditEntry.kind == competencies.CreditKind.ONLINE)
    ).all()


def test_online_hours_are_checked_then_in_the_ledger_once(browse, world):
    put_on_roster(world, cast.CHEN)
    put_on_roster(world, cast.WANG)
    add_entry(world, world.schools["希望小学"], "N1", "没来过")
    world.session.commit()
    officer, url = browse(cast.OFFICER), f"/hours/{world.programme.uuid}"
    rows = [
        HOURS_HEAD,
        ("XW001", "陈晓芳", 12.5, "国培计划", date(2026, 10, 1)),
        ("XW002", "王•秀 兰", "２５ 学时", "国培计划", "2026年10月1日"),
        ("N1", "没来过", 25, "国培计划", ""),
    ]
    checked = send(officer, rows, url).headers["Location"]
    page = officer.get(checked).text
    assert "要记 2 条，共 37.5 学时" in page
    assert "还没登录过的 1 人" in page
    assert online(world) == []
    for _click in range(2):
        assert officer.post(checked).status_code == 303
    assert sorted(entry.credit_hundredths for entry in online(world)) == [1250, 2500]
    assert "2 条以前已经记过" in officer.get(send(officer, rows, url).headers["Location"]).text
    assert "国培计划" in officer.get(url).text
    mistaken = next(entry for entry in online(world) if entry.credit_hundredths == 2500)
    competencies.reverse(world.session, mistaken, pk(world.person(cast.OFFICER)), "冲错了人", world.now)
    world.session.commit()
    again = officer.get(send(officer, rows, url).headers["Location"]).text
    assert "1 条以前已经记过" in again
    assert "1 条以前记过，后来冲销了，不会再记" in again
    assert browse(cast.NEIGHBOUR).get(url).status_code == 404
    assert browse(cast.LEAD).get(url).status_code == 403
    assert browse(cast.NEIGHBOUR).get(checked).status_code == 404


def test_faults_of_hours_are_named(browse, world):
    put_on_roster(world, cast.CHEN)
    world.session.commit()
    officer, url = browse(cast.OFFICER), f"/hours/{world.programme.uuid}"
    rows = [
        HOURS_HEAD,
        ("XW001", "陈晓芳", -1, "国培", ""),
        ("XW001", "陈晓芳", 1.234, "国培", ""),
        ("XW001", "别人", 5, "国培", ""),
        ("ZZ", "陈晓芳", 5, "国培", ""),
        ("XW001", "陈晓芳", 5, "国培", "2030-01-01"),
        ("XW001", "陈晓芳", 5, "国培", ""),
        ("XW001", "陈晓芳", 5, "国培", ""),
        ("XW001", "陈晓芳", "1e999999", "国培", ""),
        ("XW001", "陈晓芳", "1_0", "国培", ""),
        ("XW001", "陈晓芳", 6, "国" * 301, ""),
    ]
    checked = send(officer, rows, url).headers["Location"]
    page = officer.get(checked).text
    cells = ((2, "C"), (3, "C"), (4, "B"), (5, "A"), (6, "E"), (9, "C"), (10, "C"), (11, "D"))
    for place in (*(f"第 {row} 行 {column} 列" for row, column in cells), "第 8 行"):
        assert place in page
    assert officer.post(checked).status_code == 409
    assert online(world) == []
