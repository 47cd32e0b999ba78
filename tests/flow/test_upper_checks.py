"""市级、省级抽查: drawn from what counties passed, once; what does not hold is decided anew or taken back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import competencies
from competencies import SubmissionState
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import batches, cases, reversal, upper_checks, upper_views
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, actor_of, add_person, grant
from tests.flow.handed_in import all_marks, hand_in, judgement

SEED = "ab" * 16
CITY = {"check": True, "publicity": True, "check_percent": 100, "city_percent": 100}
INSPECTOR = cast.Cast("inspector", "市巡视员", "", "SJ001")
domain = competencies.upper_checks


def decided(world: World, who: cast.Cast, code: str, level: int = 1) -> competencies.Submission:
    work = hand_in(world, who, code, world.now - timedelta(hours=2))
    marks = judgement(all_marks(world, work, level))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    return work


def passed(world: World, school: str = "希望小学") -> competencies.SchoolBatch:
    """The school closes, the county finds everything in order."""
    officer = world.actor(cast.OFFICER)
    batch = batches.close(world.session, officer, world.programme, world.schools[school].uuid, {}, SEED, world.now)
    for work, submission in competencies.works_of(world.session, batch):
        if work.drawn:
            batches.check(world.session, officer, batch.uuid, submission.uuid, is_upheld=True, reason="", now=world.now)
    if batch.state is competencies.BatchState.CHECKING:
        batches.end_check(world.session, officer, batch.uuid, world.now)
    return batch


@pytest.fixture
def inspector(world: World) -> Actor:
    """From the city: a trainer of the whole county here."""
    person = add_person(world.session, world.tenant, world.county, INSPECTOR, world.now)
    grant(world.session, person, RoleKind.TRAINER, world.county, world.now)
    world.persons["inspector"] = person
    return actor_of(world.session, person)


def draw(world: World, actor: Actor, tier: str = "city") -> domain.UpperCheck:
    return upper_checks.draw(world.session, actor, world.programme.uuid, tier, world.county.uuid, SEED, world.now)


def say(world: World, actor: Actor, check: domain.UpperCheck, work: competencies.Submission, *, good: bool) -> None:
    why = "" if good else "教学设计是网上下载的。"
    upper_checks.check(world.session, actor, check.uuid, work.uuid, is_upheld=good, reason=why, now=world.now)


def test_what_the_county_passed_is_drawn_from_once(world: World, inspector: Actor) -> None:
    world.set_rules(chain=CITY)
    with pytest.raises(Refused, match="nothing_new"):
        draw(world, inspector)
    first, failed = decided(world, cast.CHEN, "A3"), decided(world, cast.WANG, "A3", 0)
    passed(world)
    check = draw(world, inspector)
    assert check.works == [first.uuid]
    assert failed.uuid not in check.works  # nobody looks at what did not pass
    with pytest.raises(Refused, match="under_way"):
        draw(world, inspector)
    with pytest.raises(Refused, match="not_looked_at"):
        upper_checks.end(world.session, inspector, check.uuid, world.now)
    say(world, inspector, check, first, good=True)
    assert upper_checks.end(world.session, inspector, check.uuid, world.now) == 0
    with pytest.raises(Conflict):
        upper_checks.end(world.session, inspector, check.uuid, world.now)
    with pytest.raises(Refused, match="nothing_new"):
        draw(world, inspector)
    later = decided(world, cast.ZHAO, "A3")
    passed(world, "平安小学")
    again = draw(world, inspector)
    assert (again.round, again.works) == (2, [later.uuid])
    page = upper_views.check_page(world.session, inspector, again.uuid)
    assert (page.is_as_drawn, page.population, page.unseen) == (True, 1, 1)


def test_what_does_not_hold_before_release_is_decided_anew_and_checked_again(world: World, inspector: Actor) -> None:
    world.set_rules(chain={**CITY, "check_percent": 1, "check_excellent": False})
    bad, good = decided(world, cast.CHEN, "A3"), decided(world, cast.WANG, "A3")
    batch = passed(world)
    check = draw(world, inspector)
    with pytest.raises(Invalid):
        upper_checks.check(world.session, inspector, check.uuid, bad.uuid, is_upheld=False, reason=" ", now=world.now)
    say(world, inspector, check, bad, good=False)
    say(world, inspector, check, good, good=True)
    assert bad.state is SubmissionState.DECIDED  # until the check is ended
    assert upper_checks.end(world.session, inspector, check.uuid, world.now) == 1
    assert (bad.state, bad.batch_id) == (SubmissionState.SUBMITTED, None)
    assert (good.state, good.batch_id) == (SubmissionState.DECIDED, pk(batch))
    assert competencies.batches.must_be_checked(world.session, [pk(bad), pk(good)]) == {pk(bad): "again"}
    lines = upper_views.check_page(world.session, world.actor(cast.LEAD), check.uuid).lines  # the school reads why
    assert [(one.author, one.becomes) for one in lines if one.becomes] == [("陈晓芳", "anew")]


def test_what_was_released_is_for_the_county_to_take_back(world: World, inspector: Actor) -> None:
    world.set_rules(chain={"publicity": True, "province_percent": 1})
    bad = decided(world, cast.CHEN, "A3")
    batch = passed(world)
    assert batch.ends_at is not None
    world.now = batch.ends_at
    batches.release(world.session, world.actor(cast.OFFICER), batch.uuid, world.now)
    check = draw(world, inspector, "province")
    say(world, inspector, check, bad, good=False)
    assert upper_checks.end(world.session, inspector, check.uuid, world.now) == 0
    assert bad.state is SubmissionState.RELEASED

    def becomes() -> str:
        return upper_views.check_page(world.session, world.actor(cast.OFFICER), check.uuid).lines[0].becomes

    assert becomes() == "take_back"
    one = world.session.exec(select(competencies.Award)).one()
    person = world.person(cast.CHEN).uuid
    officer = world.actor(cast.OFFICER)
    reversal.reverse(
        world.session, officer, world.programme.uuid, person, "award", one.uuid, "省级抽查没通过", world.now
    )
    assert becomes() == "taken_back"


def test_who_had_a_hand_in_it_does_not_look(world: World, inspector: Actor) -> None:
    world.set_rules(chain=CITY)
    work = decided(world, cast.CHEN, "A3")
    passed(world)
    check = draw(world, inspector)
    for who in (cast.TRAINER, cast.OFFICER):  # decided it; checked it for the county
        with pytest.raises(Refused, match="own_hand"):
            say(world, world.actor(who), check, work, good=True)
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            say(world, world.actor(who), check, work, good=True)
        with pytest.raises(Forbidden):
            draw(world, world.actor(who))
    with pytest.raises(NotFound):
        say(world, world.actor(cast.NEIGHBOUR), check, work, good=True)
    with pytest.raises(Forbidden):
        upper_views.check_page(world.session, world.actor(cast.CHEN), check.uuid)
    with pytest.raises(NotFound):  # not in the rules
        draw(world, inspector, "province")
    with pytest.raises(NotFound):
        draw(world, inspector, "planet")
    assert upper_views.page(world.session, world.actor(cast.AUDITOR), world.programme.uuid).parts[0].may_draw is False


@given(
    names=st.lists(st.text("0123456789abcdef", min_size=4, max_size=8), min_size=1, max_size=40, unique=True),
    percent=st.integers(1, 100),
)
def test_a_draw_is_the_share_rounded_up_and_never_depends_on_the_order(names: list[str], percent: int) -> None:
    found = domain.chosen(names, percent, SEED)
    assert len(found) == -(-len(names) * percent // 100) >= 1
    assert len(set(found)) == len(found)
    assert domain.chosen(names[::-1], percent, SEED) == found
    assert domain.chosen(names, 100, SEED)[: len(found)] == found
