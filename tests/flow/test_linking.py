"""往课程里放链接: what a trainer is offered to put into a course."""

from lms_plugin.flow import linking
from tests import people as cast
from tests.factories import World, link_request


def offered(world: World) -> set[str]:
    row = link_request(world, cast.TRAINER)
    (offer,) = linking.picker(world.session, world.actor(cast.TRAINER), row.uuid, world.now).offers
    return {code for _dimension, points in offer.points for code, _key, _question in points}


def test_points_that_nobody_may_choose_are_not_offered(world: World) -> None:
    assert len(offered(world)) == 30
    world.set_rules(choice={"not_offered": ["A7"]})
    assert len(offered(world)) == 29
    world.set_rules(choice={"only": ["A1", "A3", "B1", "C1"], "not_offered": ["A3"]})
    assert offered(world) == {"A1", "B1", "C1"}


def test_points_of_one_category_alone_are_offered(world: World) -> None:
    own = [{"category": "principal", "only": ["A1", "B9"]}]
    world.set_rules(choice={"only": ["A1", "B1", "C1"]}, categories=own)
    assert offered(world) == {"A1", "B1", "B9", "C1"}
