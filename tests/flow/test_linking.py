"""往课程里放链接: what a trainer is offered to put into a course."""

import base64
import json

import pytest

import competencies
from lms_plugin.flow import linking
from tests import people as cast
from tests.factories import World, link_request
from tests.moving import SECRET


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


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_host_is_told_that_nothing_came(world: World, is_empty: bool) -> None:
    """Where there was nothing to choose it is an error, with a line for the host's log."""
    row = link_request(world, cast.TRAINER)
    if is_empty:
        world.course.programme_id, world.programme.state = None, competencies.ProgrammeState.CLOSED
        world.session.add_all([world.course, world.programme])
        world.session.flush()
    answer = linking.choose(
        world.session,
        world.actor(cast.TRAINER),
        row.uuid,
        [],
        world.now,
        launch_url="https://tool.example.org/lti/launch",
        icon_url="",
        secret_key=SECRET,
        language="zh",
        words_of_none=("没有放入", "没有可放的"),
    )
    said = json.loads(base64.urlsafe_b64decode(answer.token.split(".")[1] + "=="))
    told = {name.rpartition("/")[2]: value for name, value in said.items() if name.endswith(("msg", "log"))}
    assert told == ({"errormsg": "没有可放的", "errorlog": "no programme"} if is_empty else {"msg": "没有放入"})


def test_points_of_one_category_alone_are_offered(world: World) -> None:
    own = [{"category": "principal", "only": ["A1", "B9"]}]
    world.set_rules(choice={"only": ["A1", "B1", "C1"]}, categories=own)
    assert offered(world) == {"A1", "B1", "B9", "C1"}
