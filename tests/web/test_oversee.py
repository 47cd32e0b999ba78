"""进度 in the browser: who may see it, what it says, what it costs, and the sheet that comes out of it."""

import io
from datetime import timedelta
from urllib.parse import unquote

import pytest
from python_calamine import CalamineWorkbook

import competencies
from lms_plugin.db import pk
from tests import ledgers
from tests import people as cast
from tests.factories import programme_of
from tests.queries import count_queries
from tests.rosters import add_entry, put_on_roster

MOST_QUERIES = 12


@pytest.fixture
def county(world):
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    world.session.commit()
    return f"/progress/{world.programme.uuid}/{world.county.uuid}"


def sheet(answer):
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


@pytest.mark.parametrize("rest", ["", "/people?state=due", "/unfinished", "/sheet"])
def test_who_is_let_in(browse, county, world, rest):
    assert browse(None).get(county + rest).status_code == 401
    assert browse(cast.NEIGHBOUR).get(county + rest).status_code == 404
    for who in (cast.CHEN, cast.TRAINER, cast.IT, cast.LEAD):
        assert browse(who).get(county + rest).status_code == 403, who
    for who in (cast.OFFICER, cast.AUDITOR):
        with browse(who).get(county + rest) as answer:
            assert answer.status_code == 200
    own = f"/progress/{world.programme.uuid}/{world.schools['希望小学'].uuid}{rest}"
    with browse(cast.LEAD).get(own) as answer:
        assert answer.status_code == 200
    other = f"/progress/{world.programme.uuid}/{world.schools['平安小学'].uuid}{rest}"
    assert browse(cast.LEAD).get(other).status_code == 403


def test_the_menu_leads_to_the_newest_programme(browse, county, world):
    answer = browse(cast.OFFICER).get("/progress")
    assert (answer.status_code, answer.headers["Location"]) == (303, county)
    answer = browse(cast.LEAD).get("/progress")
    assert answer.headers["Location"].endswith(world.schools["希望小学"].uuid)
    assert browse(cast.CHEN).get("/progress").status_code == 403


def test_the_page_says_it_in_one_sentence(browse, county):
    page = browse(cast.OFFICER).get(county).text
    assert "平安县 6 人应参训，0 人合格，合格率 0.0%，离 90% 还差 6 人" in page
    assert "从课程进入过本项目" in page
    assert "/people?state=logged_in" in page


def test_the_late_list_is_text_by_school(browse, county):
    page = browse(cast.OFFICER).get(county + "/unfinished").text
    assert "<textarea" in page
    assert "希望小学（3 人）\n陈晓芳（XW001）：还没有选能力点" in page


def test_an_unknown_state_is_no_page(browse, county):
    assert browse(cast.OFFICER).get(county + "/people?state=tenant_id").status_code == 404


def test_every_state_has_its_people(browse, county):
    for state in ("due", "logged_in", "chosen", "passed", "unfinished", "not_logged_in", "exempt", "off_roster"):
        assert browse(cast.OFFICER).get(f"{county}/people?state={state}&page=9").status_code == 200


def test_the_sheet_holds_text_and_numbers_and_no_formula(browse, county, world):
    add_entry(world, world.schools["平安小学"], "=1+1", '=HYPERLINK("http://evil.example")')
    world.session.commit()
    with browse(cast.OFFICER).get(county + "/sheet") as answer:
        assert answer.status_code == 200
        disposition = answer.headers["Content-Disposition"]
        assert "filename*=UTF-8''" in disposition
        assert "进度_平安县_2026-11-02.xlsx" in unquote(disposition)
        book = sheet(answer)
        assert b"<f>" not in answer.data
    assert list(book) == ["汇总", "名单", "不在名单上", "台账封存"]
    assert len(book["台账封存"]) == 1  # nothing was sealed yet
    assert book["汇总"][-1][:3] == ["合计", 7.0, 0.0]
    head, *rows = book["名单"]
    assert head[:6] == ["姓名", "学校", "工号", "学段", "学科", "结果"]
    assert len(rows) == 7
    hostile = next(row for row in rows if row[0].startswith("="))
    assert hostile[2] == "=1+1"
    assert {row[5] for row in rows} == {"未完成"}


def test_a_page_asks_the_database_as_often_for_hundreds(browse, county, world, connection):
    officer, counts = browse(cast.OFFICER), {}
    for turn in range(2):
        for rest in ("", "/people?state=due", "/people?state=unfinished", "/unfinished"):
            with count_queries(connection) as asked:
                assert officer.get(county + rest).status_code == 200
            counts.setdefault(rest, []).append(len(asked))
        if turn == 0:
            for number in range(120):
                add_entry(world, world.schools["希望小学"], f"N{number:04}", f"教师{number}")
            world.session.commit()
    assert all(few == many <= MOST_QUERIES for few, many in counts.values()), counts


def test_the_sheet_says_up_to_where_the_ledger_was_sealed(browse, county, world):
    ledgers.add_entry(world)
    competencies.seal(world.session, pk(world.tenant), world.now)
    world.session.commit()
    newest = competencies.head(world.session, pk(world.tenant))
    with browse(cast.OFFICER).get(county + "/sheet") as answer:
        assert sheet(answer)["台账封存"] == [
            ["学时台账封存到第几次", "封存时间", "校验值（SHA-256）"],
            [1.0, "2026-11-02 09:00", newest.hash],
        ]


def test_help_is_open_to_all(browse):
    for who in (None, cast.CHEN):
        assert "参训教师" in browse(who).get("/help").text


def test_an_officer_lands_in_the_programme_of_the_course_they_came_from(browse, world):
    """A round opened this morning, with no course yet, takes nobody's place."""
    later = world.now + timedelta(hours=1)
    made = programme_of(world.session, world.tenant, world.county, world.framework, "新一期", later)
    world.session.commit()
    officer = browse(cast.OFFICER)
    assert officer.get("/progress").location.split("/")[-2] == world.programme.uuid
    world.course.programme_id = pk(made)
    world.session.add(world.course)
    world.session.commit()
    assert officer.get("/progress").location.split("/")[-2] == made.uuid
