"""Until when a point may be given back, and what the school does afterwards."""

from datetime import timedelta

import pytest

import competencies
from competencies import SubmissionState
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import award, cases, choice, review, submit
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement

HOUR = timedelta(hours=1)


def handed_in(world: World) -> competencies.Submission:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    cases.open_case(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    return work


def decide(world: World, work: competencies.Submission) -> None:
    marks = judgement(all_marks(world, work))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)


def give_back(world: World) -> None:
    submit.choose_points(world.session, world.actor(cast.CHEN), world.programme.uuid, ["A5"], world.now, ["A3"])


def take_out(
    world: World, work: competencies.Submission, reason: str = "换到任教学科", who: cast.Cast = cast.LEAD
) -> None:
    person = world.person(cast.CHEN).uuid
    choice.take_out(world.session, world.actor(who), world.programme.uuid, person, work.uuid, reason, world.now)


def test_until_it_is_decided_where_the_programme_says_so(world: World) -> None:
    work = handed_in(world)
    with pytest.raises(Refused, match=r"choice\.opened"):
        give_back(world)
    world.set_rules(choice={"change_until": "decided"})
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    give_back(world)
    assert work.state is SubmissionState.DRAFT
    again = hand_in(world, cast.CHEN, "A7", world.now - 2 * HOUR)
    decide(world, again)
    with pytest.raises(Refused, match=r"choice\.decided"):
        give_back(world)


def test_afterwards_the_school_takes_it_out_with_a_reason(world: World) -> None:
    work = handed_in(world)
    decide(world, work)
    for who in (cast.CHEN, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            take_out(world, work, who=who)
    with pytest.raises(NotFound):
        take_out(world, work, who=cast.NEIGHBOUR)
    with pytest.raises(Invalid):
        take_out(world, work, " ")
    other = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    with pytest.raises(NotFound):  # a work of somebody else under this person's address
        take_out(world, other)
    take_out(world, work)
    assert work.state is SubmissionState.DRAFT
    assert award.decided(world.session, world.programme) == []
    person = world.person(cast.CHEN).uuid
    page = choice.choice_page(world.session, world.actor(cast.LEAD), world.programme.uuid, person, world.now)
    assert ([line.code for line in page.lines], [one.reason for one in page.taken_out]) == ([], ["换到任教学科"])
    with pytest.raises(Conflict):  # a second click
        take_out(world, work)
    submit.choose_points(world.session, world.actor(cast.CHEN), world.programme.uuid, ["A5"], world.now)


def test_what_the_school_leaves_alone(world: World) -> None:
    person, officer = world.person(cast.CHEN).uuid, world.actor(cast.OFFICER)
    earn(world, cast.CHEN, "A5")
    mine = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    world.set_rules(chain={"publicity": True})
    page = choice.choice_page(world.session, officer, world.programme.uuid, person, world.now)
    assert {line.code: line.stays for line in page.lines} == {"A5": "passed", "A3": "free"}
    with pytest.raises(Refused, match=r"choice\.teacher_can"):
        take_out(world, mine)
    mine.state, mine.batch_id = SubmissionState.DECIDED, 1
    world.session.add(mine)
    world.session.flush()
    with pytest.raises(Refused, match=r"decision\.in_batch"):
        take_out(world, mine)
