"""Roles are given and taken by an officer, never by oneself; a launch does not give back what was taken."""

import pytest
from sqlmodel import select

from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import roles
from lms_plugin.people import Role, RoleKind
from tests import people as cast
from tests.factories import World


def test_an_officer_gives_and_takes_a_role(world: World) -> None:
    officer, wang = world.actor(cast.OFFICER), world.person(cast.WANG)
    school = world.schools["希望小学"]
    roles.grant_role(world.session, officer, wang.uuid, RoleKind.SCHOOL_LEAD, school.uuid, world.now)
    assert world.actor(cast.WANG).has(RoleKind.SCHOOL_LEAD)
    line = roles.roles_of(world.session, officer, wang.uuid).roles[0]
    assert (line.kind, line.reach) == (RoleKind.SCHOOL_LEAD, "希望小学")
    roles.revoke_role(world.session, officer, wang.uuid, line.key, world.now)
    assert not world.actor(cast.WANG).has(RoleKind.SCHOOL_LEAD)
    with pytest.raises(Conflict, match=r"role\.ended"):
        roles.revoke_role(world.session, officer, wang.uuid, line.key, world.now)


def test_nobody_raises_themselves(world: World) -> None:
    officer, me = world.actor(cast.OFFICER), world.person(cast.OFFICER)
    with pytest.raises(Refused, match=r"role\.self"):
        roles.grant_role(world.session, officer, me.uuid, RoleKind.TRAINER, world.county.uuid, world.now)
    own = world.session.exec(select(Role).where(Role.person_id == me.id)).one()
    with pytest.raises(Refused, match=r"role\.self"):
        roles.revoke_role(world.session, officer, me.uuid, own.id or 0, world.now)


@pytest.mark.parametrize("who", [cast.CHEN, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT])
def test_only_officers_give_roles(world: World, who: cast.Cast) -> None:
    with pytest.raises(Forbidden):
        roles.grant_role(
            world.session,
            world.actor(who),
            world.person(cast.WANG).uuid,
            RoleKind.TRAINER,
            world.county.uuid,
            world.now,
        )


def test_another_district_gives_nothing_here(world: World) -> None:
    with pytest.raises(NotFound):
        roles.roles_of(world.session, world.actor(cast.NEIGHBOUR), world.person(cast.WANG).uuid)


def test_what_does_not_fit_is_said(world: World) -> None:
    officer, wang = world.actor(cast.OFFICER), world.person(cast.WANG)
    with pytest.raises(Invalid):
        roles.grant_role(world.session, officer, wang.uuid, RoleKind.SCHOOL_LEAD, world.county.uuid, world.now)
    wang.confirmed_at = None
    world.session.add(wang)
    with pytest.raises(Refused, match=r"role\.unconfirmed"):
        roles.grant_role(world.session, officer, wang.uuid, RoleKind.TRAINER, world.county.uuid, world.now)


def test_a_role_of_somebody_else_is_not_found(world: World) -> None:
    officer = world.actor(cast.OFFICER)
    trainers = world.session.exec(select(Role).where(Role.person_id == world.person(cast.TRAINER).id)).one()
    with pytest.raises(NotFound):
        roles.revoke_role(world.session, officer, world.person(cast.WANG).uuid, trainers.id or 0, world.now)


def test_the_page(browse, world: World) -> None:
    officer, address = browse(cast.OFFICER), f"/people/{world.person(cast.WANG).uuid}/roles"
    given = officer.post(address, {"kind": "trainer", "unit": world.county.uuid})
    assert given.status_code == 303
    page = officer.get(address).text
    assert "评审员" in page
    assert "结束这个角色" in page
    assert officer.post(address, {"kind": "emperor", "unit": world.county.uuid}).status_code == 422
    assert browse(cast.CHEN).get(address).status_code == 403
    assert browse(cast.NEIGHBOUR).get(address).status_code == 404
