"""导出表样 on its pages: previewed, saved, followed by the exports, given on as a file, taken out again."""

import io
import json
import re

import pytest
from python_calamine import CalamineWorkbook

from tests import people as cast
from tests.rosters import put_on_roster

FORM = {
    "columns": '序号\n单位名称 = 学校\n姓名\n县 = 县（区）\n项目类型 = "2.0"\n总学时 = 学时合计',
    "above": "[单位]教师研修学时登记表",
    "sheet": "报送表",
    "day": "iso",
    "hours": "short",
}


@pytest.fixture
def county(world):
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    world.session.commit()
    return f"/progress/{world.programme.uuid}/{world.county.uuid}/sheet"


def sheet(browser, url):
    with browser.get(url) as answer:
        assert answer.status_code == 200
        book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def save(officer, url, form):
    shown = officer.post(url, form)
    assert shown.status_code == 200, shown.text
    seen = re.search(r'name="seen" value="(\w+)"', shown.text)[1]
    return officer.post(url, {**form, "seen": seen})


def test_what_was_previewed_is_saved_and_exported_until_it_is_taken_out(browse, world, county):
    officer = browse(cast.OFFICER)
    usual = sheet(officer, county)
    assert "学校" in officer.get("/exports/people").text
    shown = officer.post("/exports/people", FORM)
    assert "照这样导出，对吗" in shown.text
    for words in ("平安县教师研修学时登记表", "希望小学", "单位名称", "2.0"):
        assert words in shown.text, words
    assert sheet(officer, county) == usual  # nothing was saved yet
    seen = re.search(r'name="seen" value="(\w+)"', shown.text)[1]
    other = officer.post("/exports/people", {**FORM, "sheet": "另一张", "seen": seen})
    assert "照这样导出，对吗" in other.text  # changed since: it is shown again first
    assert save(officer, "/exports/people", FORM).status_code == 303
    found = sheet(officer, county)
    assert list(found) == ["汇总", "报送表", "不在名单上", "台账封存"]
    assert found["汇总"] == usual["汇总"]
    title, heads, *rows = found["报送表"]
    assert title[0] == "平安县教师研修学时登记表"
    assert heads == ["序号", "单位名称", "姓名", "县", "项目类型", "总学时"]
    assert [row[2] for row in rows] == [row[0] for row in usual["名单"][1:]]
    assert rows[0] == [1.0, usual["名单"][1][1], usual["名单"][1][0], "平安县", "2.0", 0.0]
    page = officer.get("/exports/people").text
    assert 'name="sheet" type="text" value="报送表"' in page
    assert officer.post("/exports/people/clear").status_code == 303
    assert sheet(officer, county) == usual


def test_a_programme_has_its_own_before_the_districts(browse, world, county):
    officer, own = browse(cast.OFFICER), f"/exports/people?programme={world.programme.uuid}"
    assert save(officer, "/exports/people", FORM).status_code == 303
    assert "区县的" in officer.get(f"/exports?programme={world.programme.uuid}").text
    assert save(officer, own, {**FORM, "sheet": "项目的表"}).status_code == 303
    assert "项目的表" in sheet(officer, county)
    assert "报送表" in officer.get("/exports/people").text
    assert officer.post(own.replace("/people", "/people/clear")).status_code == 303
    assert "报送表" in sheet(officer, county)


def test_the_scores_of_a_course_follow_their_layout(browse, world):
    officer, url = browse(cast.OFFICER), f"/courses/{world.course.uuid}/scores/sheet"
    usual = sheet(officer, url)["成绩回传"]
    form = {**FORM, "columns": "工号\n学时的状态\n能力点\n项目名称", "sheet": "", "above": ""}
    assert save(officer, "/exports/scores", form).status_code == 303
    found = sheet(officer, url)["成绩回传"]
    assert found[0] == ["工号", "学时的状态", "能力点", "项目名称"]
    assert [row[:3] for row in found[1:]] == [[row[2], row[8], row[3]] for row in usual[1:]]
    assert {row[3] for row in found[1:]} <= {world.programme.title}


def test_faults_are_named_by_line_and_nothing_is_kept(browse, world, county):
    officer = browse(cast.OFFICER)
    usual = sheet(officer, county)
    answer = officer.post("/exports/people", {**FORM, "columns": "姓名\n身份证号\n= 学校"})
    assert answer.status_code == 422
    assert "第 2 行：没有“身份证号”这一项" in answer.text
    assert "第 3 行：表头要有字" in answer.text
    assert officer.post("/exports/people", {}).status_code == 422
    file = {"exports": [{"listing": "people", "columns": [{"head": "甲", "field": "nothing"}]}]}
    for data, words in ((b"x", "这不是表样文件"), (json.dumps(file).encode(), "“名单”第 1 列：没有“nothing”这一项")):
        sent = {"file": (io.BytesIO(data), "a.json")}
        answer = officer.post("/exports/file", sent, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert words in answer.text
    assert officer.post("/exports/file", {}).status_code == 422
    assert sheet(officer, county) == usual
    assert officer.get("/exports/salaries").status_code == 404
    assert officer.post("/exports/salaries/clear").status_code == 404


def test_a_file_of_layouts_says_the_same_elsewhere(browse, world, county):
    officer = browse(cast.OFFICER)
    assert save(officer, "/exports/people", FORM).status_code == 303
    form = {**FORM, "columns": "县区 = 单位\n应参训", "sheet": "县表"}
    assert save(officer, "/exports/units", form).status_code == 303
    first, file = sheet(officer, county), officer.get("/exports/file").data
    for listing in ("people", "units"):
        officer.post(f"/exports/{listing}/clear")
    assert sheet(officer, county) != first
    sent = {"file": (io.BytesIO(file), "表样.json")}
    answer = officer.post("/exports/file", sent, content_type="multipart/form-data")
    assert answer.headers["Location"].endswith("saved=2")
    assert (sheet(officer, county), officer.get("/exports/file").data) == (first, file)


def test_only_who_sets_programmes_up_says_how_exports_look(browse, world, county):
    own = f"?programme={world.programme.uuid}"
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.IT, cast.AUDITOR):
        for url in ("/exports", "/exports/people", "/exports/file", f"/exports{own}"):
            assert browse(who).get(url).status_code == 403, (who, url)
        assert browse(who).post("/exports/people/clear").status_code == 403
    assert browse(None).get("/exports").status_code == 401
    neighbour = browse(cast.NEIGHBOUR)
    assert neighbour.get(f"/exports{own}").status_code == 404
    assert neighbour.post(f"/exports/people/clear{own}").status_code == 404
    assert save(browse(cast.OFFICER), "/exports/people", FORM).status_code == 303
    assert "报送表" not in neighbour.get("/exports/people").text
