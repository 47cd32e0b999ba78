"""确认选点: the school lead's word before the first decision."""

from datetime import timedelta

import pytest

import competencies
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import cases, choice_confirming, clear_passes, submit, submit_views, waiting_school
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, hand_in, judgement, version_of

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def asked(world: World) -> None:
    world.set_rules(choice={"school_confirms": True, "change_until": "decided"})


def page(world: World, who: cast.Cast = cast.LEAD) -> choice_confirming.Page:
    unit = world.schools["希望小学"].uuid
    return choice_confirming.page(world.session, world.actor(who), world.programme.uuid, unit)


def confirm(world: World, *lines: choice_confirming.Line, who: cast.Cast = cast.LEAD) -> int:
    unit, seen = world.schools["希望小学"].uuid, {one.person: one.seen for one in lines}
    return choice_confirming.confirm(world.session, world.actor(who), world.programme.uuid, unit, seen, world.now)


def send_back(world: World, line: choice_confirming.Line, reason: str, who: cast.Cast = cast.LEAD) -> None:
    unit = world.schools["希望小学"].uuid
    choice_confirming.send_back(
        world.session, world.actor(who), world.programme.uuid, unit, line.person, line.seen, reason, world.now
    )


def decide(world: World, work: competencies.Submission) -> None:
    marks = judgement(all_marks(world, work))
    number = version_of(world, work).number
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, number, world.now)


def word(world: World, who: cast.Cast = cast.CHEN) -> tuple[str, str]:
    return submit_views.home(world.session, world.actor(who), world.programme.uuid, world.now).confirming


def choose(world: World, *codes: str, who: cast.Cast = cast.CHEN) -> None:
    submit.choose_points(world.session, world.actor(who), world.programme.uuid, codes, world.now)


def test_nobody_decides_before_the_school_has_confirmed(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    elsewhere = hand_in(world, cast.ZHAO, "A3", world.now - 2 * HOUR)
    assert word(world) == ("waiting", "")
    for one in (work, elsewhere):
        with pytest.raises(Refused, match="choice_unconfirmed"):
            decide(world, one)
    assert clear_passes.hindered(world.session, world.programme, {pk(work): set()}) == {pk(work)}
    tasks = waiting_school.school_matters(world.session, world.actor(cast.LEAD), world.now)
    assert [(one.kind, one.number) for one in tasks if one.kind == "choices"] == [("choices", 1)]
    assert confirm(world, *page(world).waiting) == 1
    assert confirm(world, *page(world).lines) == 0  # a second click
    assert word(world) == ("confirmed", "")
    decide(world, work)
    with pytest.raises(Refused, match="choice_unconfirmed"):  # another school's
        decide(world, elsewhere)
    world.set_rules()
    decide(world, elsewhere)


def test_another_point_is_confirmed_anew_and_one_less_is_not(world: World) -> None:
    choose(world, "A3", "A5")
    assert confirm(world, *page(world).waiting) == 1
    choose(world, "A3")
    assert word(world) == ("confirmed", "")
    choose(world, "A3", "B1")
    assert word(world)[0] == "waiting"
    (line,) = page(world).waiting
    choose(world, "A3", "B2")
    with pytest.raises(Conflict):  # it is not what the page showed
        confirm(world, line)
    with pytest.raises(Conflict):
        send_back(world, line, "请换一个")
    assert confirm(world, *page(world).waiting) == 1


def test_what_is_sent_back_says_why_until_it_is_chosen_anew(world: World) -> None:
    choose(world, "A3", "A5")
    (line,) = page(world).waiting
    for reason in ("  ", "x" * 301):
        with pytest.raises(Invalid):
            send_back(world, line, reason)
    send_back(world, line, "两个都在一个维度")
    assert word(world) == ("returned", "两个都在一个维度")
    (line,) = page(world).lines
    assert (line.state, line.reason, line.said_by) == ("returned", "两个都在一个维度", cast.LEAD.name)
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    with pytest.raises(Refused, match="choice_unconfirmed"):
        decide(world, work)
    choose(world, "A3", "B1")
    assert word(world) == ("waiting", "")
    confirm(world, *page(world).waiting)
    decide(world, work)
    with pytest.raises(Refused, match="is_decided"):
        send_back(world, page(world).lines[0], "太晚了")


def test_who_may_and_who_may_not(world: World) -> None:
    choose(world, "A3")
    (line,) = page(world).waiting
    for who in (cast.CHEN, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            page(world, who)
        with pytest.raises(Forbidden):
            confirm(world, line, who=who)
    with pytest.raises(NotFound):
        page(world, cast.NEIGHBOUR)
    there = world.schools["平安小学"].uuid
    with pytest.raises(Forbidden):  # the lead of another school
        choice_confirming.page(world.session, world.actor(cast.LEAD), world.programme.uuid, there)
    assert confirm(world, line, who=cast.OFFICER) == 1
    world.set_rules()
    with pytest.raises(Refused, match="no_confirming"):
        confirm(world, *page(world).lines)
    assert word(world) == ("", "")
