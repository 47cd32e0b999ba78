"""确认选点: the school lead's word before the first decision."""

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import competencies
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import cases, choice_confirming, clear_passes, merges, submit, submit_views, waiting_school
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant, programme_of
from tests.flow.handed_in import all_marks, hand_in, judgement, version_of
from tests.fuzzing import times
from tests.queries import count_queries

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


def told(world: World, who: cast.Cast) -> int:
    """What the lead's page says of choices that wait."""
    found = waiting_school.school_matters(world.session, world.actor(who), world.now)
    return sum(one.number for one in found if one.kind == "choices")


ACTS = st.one_of(
    st.tuples(
        st.sampled_from([cast.CHEN, cast.WANG, cast.LI]),
        st.lists(st.sampled_from(["A3", "A5", "B1"]), min_size=1, unique=True),
    ),
    st.tuples(st.sampled_from(["confirm", "send_back"]), st.integers(0, 3)),
)


@settings(max_examples=times(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, max_size=8), merged_after=st.none() | st.integers(0, 8))
def test_the_lead_is_told_of_as_many_choices_as_the_page_lets_them_confirm(
    world: World, acts: list[tuple[cast.Cast | str, list[str] | int]], merged_after: int | None
) -> None:
    is_merged = False
    with world.session.begin_nested() as savepoint:
        grant(world.session, world.person(cast.CHEN), RoleKind.SCHOOL_LEAD, world.schools["希望小学"], world.now)
        for number, (who, what) in enumerate(acts):
            if number == merged_after:
                one, other = (world.person(who).uuid for who in (cast.WANG, cast.CHEN))
                merges.merge_persons(world.session, world.actor(cast.OFFICER), one, other, "同一个人", world.now)
                is_merged = True
            if isinstance(what, list):
                assert isinstance(who, cast.Cast)
                choose(world, *what, who=cast.CHEN if is_merged and who is cast.WANG else who)
            elif lines := page(world).waiting:
                line = lines[what % len(lines)]
                confirm(world, line) if who == "confirm" else send_back(world, line, "请换一个")
            for reader in (cast.LEAD, cast.CHEN):  # whose own choice somebody else confirms
                assert told(world, reader) == len(page(world, reader).waiting)
        savepoint.rollback()


def test_programmes_that_ask_for_a_confirmation_ask_the_database_no_more_often(world: World) -> None:
    choose(world, "A3")
    actor = world.actor(cast.LEAD)

    def count_matters() -> int:
        with count_queries(world.session.connection()) as asked:
            waiting_school.school_matters(world.session, actor, world.now)
        return len(asked)

    assert count_matters() == 2
    for number in range(3):
        another = programme_of(world.session, world.tenant, world.county, world.framework, f"项目 {number}", world.now)
        competencies.set_rules(
            world.session, another, competencies.Rules.model_validate({"choice": {"school_confirms": True}}),
            None, world.now,
        )  # fmt: skip
    world.session.flush()
    assert count_matters() == 2
