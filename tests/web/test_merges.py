"""合并 in the browser: find both, see what will happen, confirm; a mistake beside its field; undo."""

from sqlmodel import select

from lms_plugin.people import IdentityMove
from tests import people as cast
from tests.rosters import put_on_roster

URL = "/people/merge"


def pair(world):
    return world.person(cast.CHEN).uuid, world.person(cast.WANG).uuid


def test_both_are_found_one_after_the_other(browse, world):
    officer, (chen, wang) = browse(cast.OFFICER), pair(world)
    page = officer.get(f"{URL}?q=陈晓芳").text
    assert f"first={chen}" in page
    page = officer.get(f"{URL}?first={chen}&q=王秀兰").text
    assert f"second={wang}" in page.replace("&amp;", "&")
    assert chen not in officer.get(f"{URL}?first={chen}&q=陈晓芳").text.partition("<table")[2]


def test_the_page_says_what_will_happen_and_proposes_the_roster_s_row(browse, world):
    put_on_roster(world, cast.WANG)
    chen, wang = pair(world)
    page = browse(cast.OFFICER).get(f"{URL}?first={chen}&second={wang}").text
    assert f'value="{wang}" checked' in page
    assert f'value="{chen}" checked' not in page
    for words in ("保留 陈晓芳 XW001", "保留 王秀兰 XW002", "两边的角色都有效", "只算一次"):
        assert words in page, words


def test_merging_and_undoing(browse, world):
    officer, (chen, wang) = browse(cast.OFFICER), pair(world)
    sent = {"first": chen, "second": wang, "keep": chen, "reason": "换了平台"}
    answer = officer.post(URL, sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, URL)
    page = officer.get(URL).text
    assert "王秀兰 XW002 并入 陈晓芳 XW001" in page
    assert "换了平台" in page
    again = officer.post(URL, sent)  # a double click
    assert (again.status_code, "已经合并过了" in again.text) == (422, True)
    assert officer.post(URL, {"undo": wang}).status_code == 303
    assert "并入" not in officer.get(URL).text
    twice = officer.post(URL, {"undo": wang})
    assert (twice.status_code, "已经撤销过了" in twice.text) == (422, True)


def test_what_is_missing_is_said_beside_its_field(browse, world):
    officer, (chen, wang) = browse(cast.OFFICER), pair(world)
    for sent, words in (
        ({}, "请选两条不同的记录"),
        ({"first": chen, "second": chen, "keep": chen}, "请选两条不同的记录"),
        ({"first": chen, "second": wang}, "请选保留哪一条"),
        ({"first": chen, "second": wang, "keep": world.person(cast.LI).uuid}, "请选保留哪一条"),
    ):
        answer = officer.post(URL, {"reason": "同一个人", **sent})
        assert (answer.status_code, words in answer.text) == (422, True), sent
    for reason, words in ((" ", "这一栏要填"), ("x" * 201, "200"), ("换\u202e号", "看不见的字符")):
        answer = officer.post(URL, {"first": chen, "second": wang, "keep": wang, "reason": reason})
        assert (answer.status_code, words in answer.text) == (422, True), reason
        assert f'value="{wang}" checked' in answer.text
    assert not world.session.exec(select(IdentityMove)).all()


def test_the_own_row_is_somebody_else_s_to_merge(browse, world):
    officer, (chen, _wang) = browse(cast.OFFICER), pair(world)
    me = world.person(cast.OFFICER).uuid
    page = officer.get(f"{URL}?first={chen}&second={me}").text
    assert "其中一条是您自己" in page
    assert "确认合并" not in page
    for keep in (me, chen):
        answer = officer.post(URL, {"first": chen, "second": me, "keep": keep, "reason": "x"})
        assert (answer.status_code, "不能合并自己的记录" in answer.text) == (422, True)
    assert not world.session.exec(select(IdentityMove)).all()


def test_only_officers_come_here(browse, world):
    chen, wang = pair(world)
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT):
        for sent in ({}, {"first": chen, "second": wang, "keep": chen, "reason": "x"}, {"undo": wang}):
            assert browse(who).post(URL, sent).status_code == 403, who
