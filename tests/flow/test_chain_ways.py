"""Each stage of the official chain on or off: works come to the same award by every way, and by no shorter one."""

import itertools
from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
from competencies import BatchState
from competencies.sampling import Candidate, draw
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, Refused
from lms_plugin.flow import award, batches, chain_views, panel, waiting, waiting_school
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.flow.test_chain import HOUR, XIWANG, check_all, close, decide, name_panel

WAYS = [
    dict(zip(("panel", "check", "publicity"), on, strict=True)) for on in itertools.product((False, True), repeat=3)
]


def counted(world: World) -> int:
    return len(world.session.exec(select(competencies.Award)).all())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "+".join(key for key, on in way.items() if on) or "none")
def test_every_set_of_stages_ends_in_the_same_award(world: World, way: dict[str, bool]) -> None:
    world.set_rules(chain=way)
    name_panel(world, cast.WANG, cast.LI)
    passed, failed = (hand_in(world, cast.CHEN, code, world.now - 2 * HOUR) for code in ("A3", "A5"))
    decides, looks_on = (cast.WANG, cast.TRAINER) if way["panel"] else (cast.TRAINER, cast.WANG)
    for work, level in ((passed, 1), (failed, 0)):
        with pytest.raises(Forbidden):
            decide(world, work, level, looks_on)
        decide(world, work, level, decides)
    officer, moment = world.actor(cast.OFFICER), world.now
    if not (way["check"] or way["publicity"]):
        with pytest.raises(Refused, match=r"batch\.not_asked"):
            close(world)
        assert award.release(world.session, officer, world.programme, None, moment).decisions == 2
    else:
        with pytest.raises(Refused, match=r"chain\.releases_batches"):
            award.release(world.session, officer, world.programme, None, moment)
        batch = close(world)
        if way["check"]:
            assert (batch.state, counted(world)) == (BatchState.CHECKING, 0)
            check_all(world, batch)
        if way["publicity"]:
            assert (batch.state, counted(world)) == (BatchState.SHOWN, 0)
            assert batch.ends_at is not None
            moment = batch.ends_at
        assert batches.due(world.session, moment) == [pk(batch)]
        assert batches.release_due(world.session, pk(batch), moment) == 2
        assert batch.state is BatchState.RELEASED
    assert counted(world) == 1  # what failed is a result, and no award
    if any(way.values()):
        page = chain_views.county_page(world.session, officer, world.programme.uuid)
        assert {line.name: line.act for line in page.lines}[XIWANG] == "done"
    assert [
        one for one in waiting_school.school_matters(world.session, world.actor(cast.LEAD), moment) if one.is_task
    ] == []
    assert waiting.county_matters(world.session, officer) == ()


@pytest.mark.parametrize("off", ["check", "publicity"])
def test_what_was_begun_goes_on_when_its_stage_is_switched_off(world: World, off: str) -> None:
    """A batch under check is looked at to its end, one in 公示 stays there until its last day."""
    stages = {"check": off == "check", "publicity": True}
    world.set_rules(chain=stages)
    decide(world, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR))
    batch = close(world)
    world.set_rules(chain={"check": off != "check", "publicity": off != "publicity"})
    if off == "check":
        check_all(world, batch)
    assert batch.state is BatchState.SHOWN
    assert batch.ends_at is not None
    assert batches.due(world.session, batch.ends_at - timedelta(seconds=1)) == []
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 1


def test_with_all_stages_switched_off_nothing_waits_for_anybody(world: World) -> None:
    """The work is released by hand like any other, and nobody is sent to a batch that goes nowhere."""
    world.set_rules(chain={"check": True})
    decide(world, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR))
    batch = close(world)
    officer = world.actor(cast.OFFICER)
    assert [one.batch for one in waiting.county_matters(world.session, officer)] == [batch.uuid]
    world.set_rules()
    assert waiting.county_matters(world.session, officer) == ()
    assert waiting_school.school_matters(world.session, world.actor(cast.LEAD), world.now) == ()
    assert waiting_school.chain_places(world.session, officer, world.now) == ()
    assert award.release(world.session, officer, world.programme, None, world.now).decisions == 1


def test_a_seed_draws_the_same_on_every_machine_and_database() -> None:
    """Worked out once by hand (`printf 'seed:work-0' | sha256sum`): whoever reads the protocol gets these names."""
    works = [Candidate(f"work-{number}", 1) for number in range(10)]
    assert sorted(draw(works, 20, "seed", all_excellent=True)) == ["work-1", "work-4"]


def test_a_school_with_too_few_people_is_helped_by_the_county(world: World) -> None:
    """One confirmed person of its own and one of another school, who is in the group of that school too."""
    world.set_rules(chain={"panel": True})
    name_panel(world, cast.WANG, cast.LI)
    other, lead, officer = world.schools["平安小学"], world.actor(cast.LEAD), world.actor(cast.OFFICER)
    own = [world.person(cast.ZHAO).uuid]

    def named(actor: Actor, people: list[str], numbers: str = "") -> list[str]:
        panel.name_panel(world.session, actor, other.uuid, people, world.now, numbers)
        return [one.name for one in panel.panel_page(world.session, officer, other.uuid).members]

    for actor, people, numbers in (
        (officer, own, ""),  # one is no group
        (officer, own, "NOBODY"),
        (officer, own, cast.NEIGHBOUR.staff_number),  # of another district
        (officer, own, "XW002 LX001"),  # one of them stands there already
    ):
        with pytest.raises(Invalid):
            named(actor, people, numbers)
    with pytest.raises(Forbidden):
        panel.name_panel(world.session, lead, world.schools[XIWANG].uuid, [], world.now, "LX001 LX002")
    assert named(officer, own, " xw002，") == ["赵明霞", "王秀兰"]
    assert named(officer, [*own, world.person(cast.WANG).uuid]) == ["赵明霞", "王秀兰"]  # who is in it may stay
    here, there = (hand_in(world, who, "A3", world.now - 2 * HOUR) for who in (cast.CHEN, cast.ZHAO))
    decide(world, there, who=cast.WANG)
    decide(world, here, who=cast.WANG)
    mine = hand_in(world, cast.WANG, "A5", world.now - 2 * HOUR)
    for who, work in ((cast.LI, there), (cast.WANG, mine)):  # not of that school's group; one's own
        with pytest.raises(Forbidden):
            decide(world, work, who=who)
