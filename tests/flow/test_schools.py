"""Schools: what they declare, what they are called, and whose they are."""

from datetime import timedelta

import pytest
from sqlmodel import select

from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import schools, submit, units
from lms_plugin.people import OrgUnit, RoleKind, UnitKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.earned import earn


def declared(world: World) -> dict[str, str]:
    rows = world.session.exec(select(OrgUnit).where(OrgUnit.kind == UnitKind.SCHOOL))
    return {row.name: row.environment for row in rows}


def test_a_second_run_declares(world: World) -> None:
    again = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "希望小学", world.county, "blended")
    assert (again.id, again.environment) == (world.schools["希望小学"].id, "blended")
    units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "希望小学", world.county)
    assert again.environment == "blended"  # what is not said changes nothing
    for kind, name, environment in ((UnitKind.SCHOOL, "希望小学", "nonsense"), (UnitKind.COUNTY, "平安县", "smart")):
        parent = world.county if kind is UnitKind.SCHOOL else None
        with pytest.raises(Invalid):
            units.add_unit(world.session, pk(world.tenant), kind, name, parent, environment)


def test_an_officer_changes_a_school(world: World) -> None:
    officer, school = world.actor(cast.OFFICER), world.schools["希望小学"]
    schools.change(world.session, officer, school.uuid, " 希望小学（东） ", "smart", world.now)
    assert (school.name, school.environment) == ("希望小学（东）", "smart")
    schools.change(world.session, officer, school.uuid, school.name, "", world.now)
    assert school.environment == ""
    for name, environment, field in (
        ("", "", "name"),
        ("平安小学", "", "name"),
        ("平 安小学", "", "name"),
        ("x" * 201, "", "name"),
        ("a\u202eb", "", "name"),
        ("希望小学", "gold", "environment"),
    ):
        with pytest.raises(Invalid) as caught:
            schools.change(world.session, officer, school.uuid, name, environment, world.now)
        assert list(caught.value.fields) == [field]
    for who in (cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.CHEN, cast.IT):
        with pytest.raises(Forbidden):
            schools.change(world.session, world.actor(who), school.uuid, "别的名字", "", world.now)
    with pytest.raises(NotFound):
        schools.change(world.session, world.actor(cast.NEIGHBOUR), school.uuid, "别的名字", "", world.now)


def test_no_unit_stands_below_a_school_or_beside_its_like(world: World) -> None:
    for name, parent in (("分校", world.schools["希望小学"]), ("希望 小学", world.county), (" ", world.county)):
        with pytest.raises(Refused):
            units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, name, parent)


def test_one_environment_for_all(world: World) -> None:
    officer = world.actor(cast.OFFICER)
    world.schools["希望小学"].environment = "smart"
    assert schools.page(world.session, officer, "", 1).undeclared == 1
    assert schools.declare_all(world.session, officer, "blended", world.now, also_declared=False) == 1
    assert declared(world) == {"希望小学": "smart", "平安小学": "blended", "邻县小学": ""}
    assert schools.declare_all(world.session, officer, "blended", world.now, also_declared=True) == 1
    assert declared(world) == {"希望小学": "blended", "平安小学": "blended", "邻县小学": ""}
    with pytest.raises(Invalid):
        schools.declare_all(world.session, officer, "", world.now, also_declared=True)
    with pytest.raises(Forbidden):
        schools.declare_all(world.session, world.actor(cast.LEAD), "smart", world.now, also_declared=True)


def test_no_environment_is_declared_in_which_nobody_could_choose(world: World) -> None:
    """Only the own environment, four dimensions: the seven points of smart schools have three."""
    officer, school = world.actor(cast.OFFICER), world.schools["希望小学"]
    world.set_rules(choice={"environment_rule": "exact", "min_dimensions": 4, "required_points": 4})
    with pytest.raises(Invalid) as caught:
        schools.change(world.session, officer, school.uuid, school.name, "smart", world.now)
    assert caught.value.fields == {"environment": ("unit.programme_unmet", {"programmes": world.programme.title})}
    world.session.refresh(school)
    with pytest.raises(Invalid):
        schools.declare_all(world.session, officer, "smart", world.now, also_declared=True)
    assert declared(world) == {"希望小学": "", "平安小学": "", "邻县小学": ""}
    schools.change(world.session, officer, school.uuid, school.name, "multimedia", world.now)
    closes = world.programme.closes_on
    schools.change(world.session, officer, school.uuid, school.name, "smart", world.now + 99 * timedelta(days=1))
    assert world.programme.closes_on == closes  # over by then: it holds up nobody
    assert school.environment == "smart"


def test_an_officer_of_a_part_sees_their_schools(world: World) -> None:
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.schools["希望小学"], world.now)
    officer = world.actor(cast.LEAD)
    view = schools.page(world.session, officer, "", 1)
    assert ([line.name for line in view.lines], view.schools, view.undeclared) == (["希望小学"], 1, 1)
    schools.declare_all(world.session, officer, "smart", world.now, also_declared=True)
    assert declared(world) == {"希望小学": "smart", "平安小学": "", "邻县小学": ""}
    with pytest.raises(Forbidden):
        schools.change(world.session, officer, world.schools["平安小学"].uuid, "平安一小", "", world.now)
    assert schools.page(world.session, world.actor(cast.OFFICER), "平安", 1).total == 1


def test_what_is_declared_later_takes_nothing_that_was_opened(world: World) -> None:
    """C1 was chosen while nothing was declared: before anybody opened it, it must go; a decided one stays."""
    chen = world.actor(cast.CHEN)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A3", "C1"], world.now)
    world.schools["希望小学"].environment = "multimedia"
    world.session.flush()
    with pytest.raises(Invalid) as caught:
        submit.choose_points(world.session, chen, world.programme.uuid, ["A3", "C1", "B1"], world.now)
    assert caught.value.fields == {"point": ("choice.outside_environment", {"points": "B1、C1"})}
    submit.choose_points(world.session, chen, world.programme.uuid, ["A3"], world.now)
    earn(world, cast.WANG, "C1")
    submit.choose_points(world.session, world.actor(cast.WANG), world.programme.uuid, ["C1", "A3"], world.now)


def test_the_pages(browse, world: World) -> None:
    officer, school = browse(cast.OFFICER), world.schools["希望小学"]
    assert "有 2 所还没有申报教学环境" in officer.get("/schools").text
    progress = f"/progress/{world.programme.uuid}"
    assert "2 所学校还没有申报教学环境" in officer.get(f"{progress}/{world.county.uuid}").text
    assert "学校还没有申报教学环境" in browse(cast.LEAD).get(f"{progress}/{school.uuid}").text
    assert "现在有 2 所学校没有申报环境" in officer.get(f"/curate/programmes/{world.programme.uuid}").text
    choosing = f"/programmes/{world.programme.uuid}/points"
    assert "贵校还没有申报教学环境" in browse(cast.CHEN).get(choosing).text
    assert officer.post(f"/schools/{school.uuid}", {"name": "希望小学", "environment": "blended"}).status_code == 303
    page = browse(cast.CHEN).get(choosing).text
    assert "贵校还没有申报教学环境" not in page
    assert "贵校申报的环境：混合学习环境" in page
    assert "不适合贵校申报的环境" in page
    assert officer.post("/schools", {"environment": "smart", "all": "1"}).status_code == 303
    assert "所学校都申报了教学环境" in officer.get("/schools").text
    assert "没有申报环境" not in officer.get(f"/curate/programmes/{world.programme.uuid}").text
    assert officer.post("/schools", {"environment": "x"}).status_code == 422
    assert officer.post(f"/schools/{school.uuid}", {"name": "", "environment": "smart"}).status_code == 422
    assert browse(cast.LEAD).get("/schools").status_code == 403
    world.set_rules(choice={"environment_rule": "free"})
    school.environment = ""
    assert "申报" not in browse(cast.CHEN).get(choosing).text
