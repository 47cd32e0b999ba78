"""The menu: what a person's roles let them do, a teacher's pages for whoever takes part, and nothing cut off."""

import re

from lms_plugin.db import pk
from lms_plugin.flow import enter, invitations
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant

TEACHERS_PAGES = ["我的能力点", "互评任务", "研修档案"]


def menu(page: str) -> list[str]:
    """The words of the menu, in order, whatever is folded away."""
    found = re.search(r'<nav class="menu".*?</nav>', page, re.DOTALL)
    return re.findall(r"<a [^>]*>([^<]+)</a>", found[0]) if found else []


def folded(page: str) -> list[str]:
    found = re.search(r"<details[^>]*><summary>更多</summary>(.*?)</details>", page, re.DOTALL)
    return re.findall(r"<a [^>]*>([^<]+)</a>", found[1]) if found else []


def enrol(world: World, who: cast.Cast) -> None:
    enter.enrol(world.session, pk(world.programme), pk(world.person(who)), world.now)


def test_whoever_takes_part_has_a_teachers_pages(browse, world: World) -> None:
    for who in (cast.OFFICER, cast.AUDITOR, cast.IT):
        assert not set(TEACHERS_PAGES) & set(menu(browse(who).get("/help").text))
        enrol(world, who)
        assert set(TEACHERS_PAGES) <= set(menu(browse(who).get("/help").text))


def test_a_merged_row_that_took_part_counts(browse, world: World) -> None:
    officer, chen = world.person(cast.OFFICER), world.person(cast.CHEN)
    chen.merged_into_id, officer.absorbed_ids = pk(officer), [pk(chen)]
    world.session.add_all([officer, chen])
    assert set(TEACHERS_PAGES) <= set(menu(browse(cast.OFFICER).get("/help").text))


def test_more_than_five_entries_are_folded_not_cut(browse, world: World) -> None:
    grant(world.session, world.person(cast.OFFICER), RoleKind.TRAINER, world.county, world.now)
    enrol(world, cast.OFFICER)
    page = browse(cast.OFFICER).get("/help").text
    assert menu(page) == ["进度", "名单", "项目", "待评材料", *TEACHERS_PAGES, "培训", "课程", "平台"]
    assert folded(page) == [*TEACHERS_PAGES, "培训", "课程", "平台"]
    assert "<details><summary>更多" in page
    assert "<details open><summary>更多" in browse(cast.OFFICER).get("/reviews").text  # where one is, one sees
    grant(world.session, world.person(cast.LEAD), RoleKind.TRAINER, world.county, world.now)
    page = browse(cast.LEAD).get("/help").text
    assert menu(page) == ["进度", "名单", "待评材料", *TEACHERS_PAGES, "培训", "课程"]
    assert folded(page) == [*TEACHERS_PAGES[1:], "培训", "课程"]
    assert folded(browse(cast.TRAINER).get("/help").text) == []


def test_everybody_finds_where_a_code_is_typed(browse) -> None:
    for who in (cast.CHEN, cast.TRAINER, cast.OFFICER):
        assert '<a href="/me/invitation">我有邀请码</a>' in browse(who).get("/help").text
    assert "/me/invitation" not in browse(None).get("/help").text


def test_who_takes_a_role_is_told_so_and_where_it_begins(browse, world: World) -> None:
    school = world.schools["希望小学"]
    for kind, where in ((RoleKind.SCHOOL_LEAD, "/people?waiting=1"), (RoleKind.OFFICER, "/progress")):
        officer = world.actor(cast.OFFICER)
        unit = school if kind is RoleKind.SCHOOL_LEAD else world.county
        _row, code = invitations.invite(world.session, officer, kind, unit, world.now)
        world.session.commit()
        chen = browse(cast.CHEN)
        assert chen.get(f"/me/roles/{kind.value}").status_code == 404
        answer = chen.post("/me/invitation", {"code": code})
        assert (answer.status_code, answer.location) == (303, f"/me/roles/{kind.value}")
        page = chen.get(answer.location).text
        assert "您现在是" in page
        assert f'href="{where}"' in page
    assert browse(cast.WANG).get("/me/roles/officer").status_code == 404
    assert browse(cast.WANG).get("/me/roles/nobody").status_code == 404
