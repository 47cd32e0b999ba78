"""What waits for a school lead and for the county is counted from what is so: it comes and goes with the act."""

from datetime import timedelta

import pytest
from sqlmodel import col, update

import competencies
from competencies import plans
from lms_plugin.db import pk
from lms_plugin.flow import batches, notices, publicity, waiting, waiting_school
from lms_plugin.people import Person, RoleKind
from tests import people as cast
from tests.factories import World, grant, programme_of
from tests.flow.handed_in import hand_in
from tests.flow.test_chain import ALL, DAY, HOUR, XIWANG, check_all, close, decide, name_panel


def tasks(world: World, who: cast.Cast = cast.LEAD) -> list[tuple[str, int]]:
    found = waiting_school.school_matters(world.session, world.actor(who), world.now)
    return [(one.kind, one.round or one.number) for one in found if one.is_task]


def news(world: World) -> list[str]:
    found = waiting_school.school_matters(world.session, world.actor(cast.LEAD), world.now)
    return [one.kind for one in found if not one.is_task]


def county(world: World, who: cast.Cast = cast.OFFICER) -> dict[str, int]:
    lines = notices.open_notices(world.session, world.actor(who), world.now)
    return {one.kind: one.params["n"] for one in lines if one.kind in {waiting.CHECK, waiting.ANSWER, waiting.REVIEW}}


def test_each_step_of_the_chain_is_told_to_whom_it_waits_for(world: World) -> None:
    world.set_rules(chain={**ALL, "panel": True})
    assert (tasks(world), news(world), county(world)) == ([("panel", 0)], [], {})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    hand_in(world, cast.ZHAO, "A3", world.now - 2 * HOUR)  # another school's is no business of this lead
    assert tasks(world) == [("panel", 1)]
    name_panel(world, cast.WANG, cast.LI)
    assert (tasks(world), news(world)) == ([], ["decide"])
    decide(world, work, who=cast.WANG)
    assert (tasks(world), news(world)) == ([("close", 1)], [])
    batch = close(world)
    assert (tasks(world), news(world), county(world)) == ([], ["check"], {waiting.CHECK: 1})
    assert county(world, cast.AUDITOR) == {}
    check_all(world, batch, overturn=work.uuid)
    assert (tasks(world), news(world), county(world)) == ([("returned", 1)], [], {})
    decide(world, work, who=cast.WANG)
    again = close(world)
    check_all(world, again)
    assert (tasks(world), news(world)) == ([], ["shown"])
    said = publicity.object_to(world.session, world.actor(cast.WANG), again.uuid, work.uuid, "不对", "", world.now)
    assert (news(world), county(world)) == (["answer", "shown"], {waiting.ANSWER: 1})
    officer = world.actor(cast.OFFICER)
    publicity.answer(world.session, officer, said.uuid, is_upheld=False, words="看过了", now=world.now)
    assert again.ends_at is not None
    batches.release_due(world.session, pk(again), again.ends_at)
    assert (tasks(world), news(world), county(world)) == ([], ["released"], {})
    later = again.ends_at + waiting_school.NEWS_FOR + timedelta(seconds=1)
    assert waiting_school.school_matters(world.session, world.actor(cast.LEAD), later) == ()


def test_samplers_of_the_whole_county_are_told_and_others_are_not(world: World) -> None:
    world.set_rules(chain=ALL)
    decide(world, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR))
    batch = close(world)
    told = waiting.county_matters(world.session, world.actor(cast.OTHER_TRAINER))
    assert [(one.kind, one.batch, one.school) for one in told] == [(waiting.CHECK, batch.uuid, XIWANG)]
    for who in (cast.LEAD, cast.CHEN, cast.NEIGHBOUR):
        assert waiting.county_matters(world.session, world.actor(who)) == ()
    grant(world.session, world.person(cast.WANG), RoleKind.OFFICER, world.schools[XIWANG], world.now)
    assert county(world, cast.WANG) == {}  # an officer of a part does not check
    world.programme.archived_at = world.now
    world.session.flush()
    assert county(world) == {}


def plan(world: World, state: plans.PlanState, by: int | None = None) -> plans.SchoolPlan:
    row = plans.SchoolPlan(
        tenant_id=pk(world.tenant), programme_id=pk(world.programme), org_unit_id=pk(world.schools[XIWANG]),
        state=state, submitted_by_id=by, created_at=world.now, changed_at=world.now,
    )  # fmt: skip
    world.session.add(row)
    world.session.flush()
    return row


def test_plans_are_told_to_the_school_or_to_the_county(world: World) -> None:
    assert tasks(world) == []
    call = plans.PlanCall(
        programme_id=pk(world.programme), papers=["校本研修方案"], changed_at=world.now,
        changed_by_id=pk(world.person(cast.OFFICER)),
    )  # fmt: skip
    world.session.add(call)
    world.session.flush()
    assert tasks(world) == [("plan.fill", 0)]
    row = plan(world, plans.PlanState.SUBMITTED, pk(world.person(cast.LEAD)))
    assert (tasks(world), news(world), county(world)) == ([], ["plan.waits"], {waiting.REVIEW: 1})
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.county, world.now)
    assert county(world, cast.LEAD) == {}  # nobody reviews what they handed in
    for state, kind in ((plans.PlanState.RETURNED, "plan.returned"), (plans.PlanState.ACCEPTED, "plan.accepted")):
        row.state = state
        world.session.flush()
        found = waiting_school.school_matters(world.session, world.actor(cast.LEAD), world.now)
        assert [one.kind for one in found] == [kind]
        assert county(world) == {}
    call.is_open, row.state = False, plans.PlanState.DRAFT
    world.session.flush()
    assert tasks(world) == []


def test_the_panel_is_told_how_much_waits_for_it(world: World) -> None:
    world.set_rules(chain={"panel": True})
    mine = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    name_panel(world, cast.WANG, cast.LI)
    assert [waiting_school.to_decide(world.session, world.actor(who)) for who in (cast.WANG, cast.LI)] == [1, 2]
    decide(world, mine, who=cast.LI)
    assert waiting_school.to_decide(world.session, world.actor(cast.LI)) == 1
    assert waiting_school.to_decide(world.session, world.actor(cast.TRAINER)) == 0  # no panel: a desk of their own


def test_a_lead_is_told_whom_to_confirm_of_the_own_school(world: World) -> None:
    for who in (cast.CHEN, cast.ZHAO):
        world.session.exec(update(Person).where(col(Person.id) == pk(world.person(who))).values(confirmed_at=None))
    assert tasks(world) == [("confirm", 1)]


@pytest.mark.parametrize("who", [cast.OFFICER, cast.LEAD])
def test_the_chain_opens_where_something_waits(world: World, who: cast.Cast) -> None:
    """The newest programme comes first only where nothing waits; one that was put away opens nowhere, and one that the
    county still prepares in no school."""
    world.set_rules(chain=ALL)
    newer = programme_of(world.session, world.tenant, world.county, world.framework, "下一轮", world.now + DAY)
    competencies.set_rules(world.session, newer, competencies.Rules.model_validate({"chain": ALL}), None, world.now)

    def places() -> list[tuple[str, bool, bool]]:
        found = waiting_school.chain_places(world.session, world.actor(who), world.now)
        return [(one.title, one.waits, bool(one.unit)) for one in found]

    at_school = who is cast.LEAD
    assert places() == [("下一轮", False, at_school), (world.programme.title, False, at_school)]
    decide(world, hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR))
    if not at_school:
        close(world)
    assert places() == [(world.programme.title, True, at_school), ("下一轮", False, at_school)]
    newer.state = competencies.ProgrammeState.DRAFT
    world.session.flush()
    assert ("下一轮" in [title for title, *_rest in places()]) is not at_school  # who prepares it sees it
    newer.archived_at = world.now
    world.session.flush()
    assert places() == [(world.programme.title, True, at_school)]
