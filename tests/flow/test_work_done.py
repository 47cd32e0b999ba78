"""What a statement of work counts besides reviews and decisions: samples, who came to trainings, plans of schools."""

from datetime import timedelta

from sqlmodel import select

import competencies
from competencies import Standing
from lms_plugin.db import pk
from lms_plugin.flow import training_hours, work_done, workloads
from tests import people as cast
from tests.certified import PAPER
from tests.factories import World
from tests.flow.test_trainings import planned, signed_by_code
from tests.flow.test_upper_checks import CITY, decided, passed

plans = competencies.plans


def done(world: World, who: cast.Cast) -> work_done.Work:
    return work_done.works(world.session, world.programme, world.tenant.timezone)[pk(world.person(who))]


def a_plan(world: World, *kinds: plans.PlanEventKind) -> plans.SchoolPlan:
    """A school's plan that went through these, handed in by the lead, looked at by the officer, a day apart."""
    made = plans.SchoolPlan(
        tenant_id=pk(world.tenant),
        programme_id=pk(world.programme),
        org_unit_id=pk(world.schools["希望小学"]),
        state=plans.PlanState(kinds[-1].value),
        created_at=world.now,
        changed_at=world.now,
    )
    world.session.add(made)
    world.session.flush()
    for days, kind in enumerate(kinds):
        who = cast.LEAD if kind is plans.PlanEventKind.SUBMITTED else cast.OFFICER
        by, at = pk(world.person(who)), world.now + timedelta(days=days)
        world.session.add(plans.PlanEvent(plan_id=pk(made), kind=kind, person_id=by, at=at))
    world.session.flush()
    return made


def test_who_looked_at_samples_is_counted_with_the_day(world: World) -> None:
    world.set_rules(chain=CITY)
    for code in ("A3", "B1"):
        decided(world, cast.LI, code)
    passed(world)
    officer = done(world, cast.OFFICER)
    today = competencies.local_day(world.now, world.tenant.timezone)
    assert (dict(officer.counts), officer.days) == ({"samples": 2}, {"samples": (today, today)})
    assert done(world, cast.TRAINER).counts == {"decisions": 2}


def test_a_plan_counts_once_for_who_led_it_and_who_looked_at_it(world: World) -> None:
    kinds = plans.PlanEventKind
    plan = a_plan(world, kinds.SUBMITTED, kinds.RETURNED, kinds.SUBMITTED, kinds.ACCEPTED)
    assert done(world, cast.LEAD).counts == {"plans_led": 1}
    seen = done(world, cast.OFFICER)
    first, last = seen.days["plans_seen"]
    assert (seen.counts, (last - first).days) == ({"plans_seen": 1}, 2)
    plan.state = plans.PlanState.RETURNED
    world.session.add(plan)
    assert pk(world.person(cast.LEAD)) not in work_done.works(world.session, world.programme, world.tenant.timezone)


def test_a_statement_says_who_came_and_when_and_changes_with_them(world: World) -> None:
    held = planned(world, starts_at=world.now)
    for who in (cast.CHEN, cast.LI):
        signed_by_code(world, held, who)
    assert pk(world.person(cast.LEAD)) not in work_done.works(world.session, world.programme, world.tenant.timezone)
    training_hours.close(world.session, world.actor(cast.OFFICER), held.uuid, held.ends_at + timedelta(minutes=1))
    assert workloads.issue(world.session, world.actor(cast.OFFICER), world.programme.uuid, PAPER, world.now) == 1
    (mine,) = workloads.mine(world.session, world.actor(cast.LEAD))
    said = workloads.view(world.session, world.actor(cast.LEAD), mine.uuid).statement
    assert said.work == {"trainings": 1, "attendees": 2}
    day = competencies.local_day(held.starts_at, world.tenant.timezone).isoformat()
    assert said.days == {"trainings": [day, day], "attendees": [day, day]}
    there = world.session.exec(select(competencies.Attendance)).first()
    assert there is not None
    there.removed_at = world.now
    world.session.add(there)
    assert workloads.view(world.session, world.actor(cast.LEAD), mine.uuid).standing is Standing.CHANGED
