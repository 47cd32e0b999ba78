"""Whom the foot of a page names."""

from datetime import timedelta

from lms_plugin.flow.helpers import helpers_of
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World


def asked(world: World, who: cast.Cast) -> tuple[RoleKind, tuple[str, ...]] | None:
    return helpers_of(world.session, world.actor(who), world.now.date())


def test_a_teacher_is_sent_to_their_own_school_lead_else_to_the_officer(world: World) -> None:
    assert asked(world, cast.CHEN) == (RoleKind.SCHOOL_LEAD, ("冯校",))
    assert asked(world, cast.ZHAO) == (RoleKind.OFFICER, ("褚员",))  # 平安小学 has no lead
    assert asked(world, cast.TRAINER) == (RoleKind.OFFICER, ("褚员",))


def test_nobody_is_sent_to_themselves(world: World) -> None:
    assert asked(world, cast.LEAD) == (RoleKind.OFFICER, ("褚员",))
    assert asked(world, cast.OFFICER) is None


def test_nobody_of_another_district_and_nobody_who_left_is_named(world: World) -> None:
    assert asked(world, cast.NEIGHBOUR) is None
    actor = world.actor(cast.CHEN)
    before = world.now.date() - timedelta(days=400)  # not yet at this school
    assert helpers_of(world.session, actor, before) == (RoleKind.OFFICER, ("褚员",))
