"""以前的记录 in the browser: checked first, kept once, found again, taken back; one's own by number and name."""

import io
from datetime import UTC, date, datetime

import pytest
from sqlmodel import select

from competencies.history import OldRecord
from lms_plugin.db import pk
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import grant
from tests.rosters import workbook

HEAD = ("工号", "姓名", "学校", "项目", "能力点", "结果", "学时", "日期", "来源")
CHEN = ("ｘｗ001", "陈晓芳", "希望小学", "能力提升 2.0", "A1 合格", "合格", 50, date(2022, 10, 31), "省考核平台")
OTHER = ("PA001", "赵明霞", "平安小学", "能力提升 2.0", "", "优秀", "", "", "省考核平台")


def send(browser, *rows, raw=None):
    data = raw if raw is not None else workbook([HEAD, *rows])
    given = {"file": (io.BytesIO(data), "旧平台.xlsx")}
    return browser.post("/history", data=given, content_type="multipart/form-data")


def bring_in(browser, *rows):
    return browser.post(send(browser, *rows).headers["Location"])


def kept(world):
    world.session.expire_all()
    rows = world.session.exec(select(OldRecord).where(OldRecord.tenant_id == pk(world.tenant)).order_by(OldRecord.id))
    return rows.all()


def table(page):
    return page.partition("<tbody")[2].partition("</tbody>")[0]


def test_a_file_is_checked_kept_once_and_found_again(browse, world):
    officer = browse(cast.OFFICER)
    checked = send(officer, CHEN, OTHER, CHEN).headers["Location"]
    assert "要新增 2 条" in officer.get(checked).text
    assert kept(world) == []
    for _click in range(2):
        assert officer.post(checked).status_code == 303
    rows = kept(world)
    assert [(row.staff_number, row.hours_hundredths, row.earned_on) for row in rows] == [
        ("XW001", 5000, date(2022, 10, 31)),
        ("PA001", None, None),
    ]
    assert [row.org_unit_id for row in rows] == [pk(world.schools[name]) for name in ("希望小学", "平安小学")]
    for query in ("xw001", "陈晓", "希望"):
        found = table(officer.get("/history", query_string={"q": query}).text)
        assert "省考核平台" in found
        assert "赵明霞" not in found
    assert "都已经有了" in officer.get(send(officer, CHEN, OTHER).headers["Location"]).text


def test_a_wrong_file_is_taken_back_and_may_come_again(browse, world):
    officer = browse(cast.OFFICER)
    bring_in(officer, CHEN)
    batch = kept(world)[0].batch
    for _click in range(2):
        assert officer.post(f"/history/files/{batch}/remove").status_code == 303
    assert "陈晓芳" not in officer.get("/history").text
    bring_in(officer, CHEN)
    assert "陈晓芳" in table(officer.get("/history").text)
    assert len(kept(world)) == 1


def test_who_finds_what(browse, world):
    bring_in(browse(cast.OFFICER), CHEN, OTHER)
    batch = kept(world)[0].batch
    assert browse(None).get("/history").status_code == 401
    for who in (cast.CHEN, cast.TRAINER, cast.IT):
        assert browse(who).get("/history").status_code == 403
    assert "陈晓芳" not in browse(cast.NEIGHBOUR).get("/history").text
    assert "赵明霞" in browse(cast.AUDITOR).get("/history").text
    lead = browse(cast.LEAD).get("/history").text
    assert "陈晓芳" in lead  # the own school's
    assert "赵明霞" not in lead
    for who, status in ((cast.LEAD, 403), (cast.AUDITOR, 403), (cast.NEIGHBOUR, 404)):
        assert browse(who).post(f"/history/files/{batch}/remove").status_code == status
        assert send(browse(who), CHEN).status_code == (303 if who is cast.NEIGHBOUR else 403)


def test_an_officer_of_a_part_brings_in_and_takes_back_their_own(browse, world):
    bring_in(browse(cast.OFFICER), OTHER)
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.schools["希望小学"], world.now)
    lead = browse(cast.LEAD)
    bring_in(lead, CHEN, ("PA009", "外校人", "没有的学校", "旧项目", "", "", "", "", "旧平台"))
    assert {row.org_unit_id for row in kept(world)[1:]} == {pk(world.schools["希望小学"])}
    assert lead.post(f"/history/files/{kept(world)[0].batch}/remove").status_code == 404


def test_ones_own_by_number_and_name_once_confirmed(browse, world):
    other_name = (*CHEN[:1], "陈小芬", *CHEN[2:])
    bring_in(browse(cast.OFFICER), CHEN, other_name)
    chen = world.person(cast.CHEN)
    chen.confirmed_at = None
    world.session.commit()
    assert "学校核对过" in browse(cast.CHEN).get("/me/history").text
    world.person(cast.CHEN).confirmed_at = datetime(2026, 11, 1, tzinfo=UTC)
    world.session.commit()
    page = browse(cast.CHEN).get("/me/history").text
    assert "省考核平台" in page
    assert "陈小芬" not in page
    assert (
        "没有找到" in browse(cast.WANG).get("/me/history").text
        or "学校核对过" in browse(cast.WANG).get("/me/history").text
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("", *CHEN[1:]), "第 2 行 A 列"),
        ((*CHEN[:6], "很多", *CHEN[7:]), "第 2 行 G 列"),
        ((*CHEN[:7], "1889-01-01", CHEN[8]), "第 2 行 H 列"),
        ((*CHEN[:7], "2099-01-01", CHEN[8]), "第 2 行 H 列"),
        ((*CHEN[:3], "长" * 301, *CHEN[4:]), "第 2 行 D 列"),
    ],
)
def test_faults_are_named_and_nothing_is_kept(browse, world, row, told):
    officer = browse(cast.OFFICER)
    checked = send(officer, row, OTHER).headers["Location"]
    assert told in officer.get(checked).text
    assert officer.post(checked).status_code == 409
    assert kept(world) == []


def test_a_list_in_gbk_is_read(browse, world):
    text = "工号,姓名,项目,来源\nXW001,陈晓芳,旧项目,旧平台\n"
    checked = send(browse(cast.OFFICER), raw=text.encode("gbk")).headers["Location"]
    assert browse(cast.OFFICER).post(checked).status_code == 303
    assert kept(world)[0].name == "陈晓芳"
