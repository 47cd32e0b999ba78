"""合并 in the browser: find both, see what will happen, confirm; a mistake beside its field; undo."""

from sqlmodel import select

import lti
from lms_plugin.db import get, pk
from lms_plugin.flow import doors
from lms_plugin.people import Identity, IdentityMove, Notice
from tests import people as cast
from tests.factories import course_of
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


def test_who_came_by_another_door_is_told_and_asks_and_the_officer_gets_both_rows(browse, world):
    """Nothing of it where the host has one door, nor for anybody else."""
    chen, wang = (world.person(who) for who in (cast.CHEN, cast.WANG))
    account = world.session.exec(select(Identity).where(Identity.person_id == pk(chen))).one()
    known = {"tenant_id": pk(world.tenant), "issuer": account.issuer, "subject": account.subject, "door": "block"}
    world.session.add(Identity(**known, person_id=pk(wang), first_seen_at=world.now))
    world.session.flush()
    pages = f"/programmes/{world.programme.uuid}", "/people/introduce"
    home, told = f"/progress/{world.programme.uuid}/{world.county.uuid}", "从另一个入口来过"
    assert not any(told in browse(cast.CHEN).get(page).text for page in pages)
    platform = world.session.exec(select(lti.Platform)).one()
    platform.product = "openedx"
    world.session.flush()
    for page in pages:
        assert told in browse(cast.CHEN).get(page).text
        assert "请管理员合并" in browse(cast.WANG).get(page).text
        assert told not in browse(cast.LI).get(page).text
        assert wang.name not in browse(cast.CHEN).get(page).text, "a forged launch learns no name"
    assert browse(cast.LI).post("/people/merge/ask").status_code == 404
    for _double_click in range(2):
        assert browse(cast.CHEN).post("/people/merge/ask").status_code == 303
    assert [row.key for row in world.session.exec(select(Notice).where(Notice.kind == doors.TWO_DOORS))] == [chen.uuid]
    for page in pages:
        assert "已请区县管理员核对" in browse(cast.WANG).get(page).text
        assert "请管理员合并" not in browse(cast.WANG).get(page).text
    platform.product = "moodle"  # the officer comes from where they are proved
    world.session.flush()
    address = f"{URL}?first={wang.uuid}&second={chen.uuid}"
    listed = browse(cast.OFFICER).get(home).text
    assert "一个平台账号有两份档案：陈晓芳（工号 XW001）" in listed
    assert address.replace("&", "&amp;") in listed
    assert "用同一个账号编号称呼这两条" in browse(cast.OFFICER).get(address).text
    assert (
        "用同一个账号编号称呼这两条"
        not in browse(cast.OFFICER).get(address.replace(chen.uuid, world.person(cast.LI).uuid)).text
    )
    form = {"kind": doors.TWO_DOORS, "key": chen.uuid}
    for who, status in ((cast.CHEN, 403), (cast.NEIGHBOUR, 404), (cast.OFFICER, 303), (cast.OFFICER, 404)):
        assert browse(who).post("/notices/done", form).status_code == status
    assert "一个平台账号有两份档案" not in browse(cast.OFFICER).get(home).text


def test_the_page_of_a_registration_says_which_door_it_is(browse, world):
    course = course_of(world.session, world.tenant, "course-v1:edx", world.now, "https://edx.example")
    platform = get(world.session, lti.Platform, get(world.session, lti.Deployment, course.deployment_id).platform_id)
    address = f"/platforms/{platform.uuid}"
    assert "自成一组" not in browse(cast.IT).get(address).text
    platform.product = "openedx"
    world.session.flush()
    assert "这个站点的这类登记合起来算一组账号" in browse(cast.IT).get(address).text
    platform.door = "block"
    world.session.flush()
    assert "从它进来的账号自成一组" in browse(cast.IT).get(address).text
