"""进度: every figure within the one before, the same on page, sheet and ledger, and nobody sees beyond their reach."""

from dataclasses import astuple, replace
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import select

import competencies
from competencies import CreditKind, Result
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound
from lms_plugin.flow import award, cases, enter, exemptions, merges, oversee, oversee_lists, units
from lms_plugin.flow.oversee_figures import Tally
from lms_plugin.people import Enrolment, Person, RoleKind, RosterEntry, UnitKind
from tests import people as cast
from tests.factories import World, grant, programme_of
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.fuzzing import times
from tests.rosters import add_entry, put_on_roster

POINTS = ("A3", "A5", "A6")


def page(world: World, who: cast.Cast = cast.OFFICER, unit: str = "") -> oversee.UnitPage:
    target = world.schools[unit] if unit else world.county
    return oversee.unit_page(world.session, world.actor(who), world.programme.uuid, target.uuid, world.now)


def pass_points(world: World, who: cast.Cast, levels: tuple[int, ...]) -> None:
    for code, level in zip(POINTS, levels, strict=False):
        work = hand_in(world, who, code, world.now - timedelta(hours=2))
        marks = judgement(all_marks(world, work, level))
        cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, None, world.now)


def test_who_comes_from_outside_the_programmes_unit_is_counted_visibly(browse, world: World) -> None:
    """A programme of one school; the course is shared with the other one."""
    school = world.schools["希望小学"]
    world.programme.org_unit_id = pk(school)
    world.session.add(world.programme)
    put_on_roster(world, cast.CHEN)
    put_on_roster(world, cast.ZHAO)  # on the roster of the other school, which is none of this programme
    found = page(world, unit="希望小学").off_roster
    assert (found.people, found.outside) == (5, 3)  # 王 李 of the school, 赵 孙 周 of the other one
    address = f"/progress/{world.programme.uuid}/{school.uuid}"
    assert "其中 3 人的学校不在希望小学" in browse(cast.OFFICER).get(address).text
    listed = browse(cast.OFFICER).get(f"{address}/people?state=off_roster").text
    assert all(who.name in listed for who in (cast.WANG, cast.ZHAO, cast.SUN))
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, school, world.now)
    guest = f"/record/{world.programme.uuid}/{world.person(cast.ZHAO).uuid}"
    assert guest in browse(cast.LEAD).get(f"{address}/people?state=off_roster").text
    assert browse(cast.LEAD).get(guest).status_code == 200  # whoever runs the programme reads its records
    other = programme_of(world.session, world.tenant, world.county, world.framework, "全县的", world.now)
    enter.enrol(world.session, pk(other), pk(world.person(cast.ZHAO)), world.now)
    for uuid, status in ((other.uuid, 403), (world.programme.uuid, 200)):
        assert browse(cast.LEAD).get(f"/record/{uuid}/{world.person(cast.ZHAO).uuid}").status_code == status


def test_each_stage_counts_whom_it_says(world: World) -> None:
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    add_entry(world, world.schools["希望小学"], "XW100", "没来过")
    pass_points(world, cast.CHEN, (2, 2, 2))
    pass_points(world, cast.ZHAO, (1, 1, 1))
    for code in POINTS:
        hand_in(world, cast.WANG, code, world.now)
    hand_in(world, cast.LI, "A3", world.now)
    found = page(world)
    assert found.tally == Tally(7, 0, 6, 3, 3, 2, 1, 5000, 0)
    assert found.tally.pass_tenths == 285
    assert found.tally.missing(90) == 5
    assert [(line.name, line.tally.due, line.tally.passed) for line in found.lines] == [
        ("希望小学", 4, 1),
        ("平安小学", 3, 1),
    ]
    assert found.off_roster.people == 0


def test_the_goal_is_said_to_be_reached_only_where_it_is() -> None:
    assert Tally(due=326, passed=288).pass_tenths == 883
    assert Tally(due=326, passed=288).missing(90) == 6
    assert Tally(due=1000, passed=899).pass_tenths == 899
    assert Tally(due=10, passed=9).missing(90) == 0
    assert Tally().pass_tenths is None


def test_who_is_on_no_roster_stands_apart(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    pass_points(world, cast.SUN, (1, 1, 1))
    world.person(cast.ZHOU).confirmed_at = None
    world.session.flush()
    found = page(world)
    assert (found.tally.due, found.tally.passed) == (1, 0)
    assert (found.off_roster.people, found.off_roster.unconfirmed) == (5, 1)
    assert page(world, unit="平安小学").off_roster.people == 3
    rows = oversee_lists.people_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, "off_roster", 1, world.now
    )
    assert {row.name for row in rows.people} == {who.name for who in cast.TEACHERS} - {cast.CHEN.name}


def test_an_exempt_teacher_is_not_due(world: World) -> None:
    entry = put_on_roster(world, cast.CHEN)
    put_on_roster(world, cast.WANG)
    officer = world.actor(cast.OFFICER)
    with pytest.raises(Invalid):
        exemptions.exempt(world.session, officer, entry.uuid, world.programme.uuid, "  ", world.now)
    with pytest.raises(Forbidden):
        exemptions.exempt(world.session, world.actor(cast.LEAD), entry.uuid, world.programme.uuid, "产假", world.now)
    exemptions.exempt(world.session, officer, entry.uuid, world.programme.uuid, "产假 2026-08", world.now)
    exemptions.exempt(world.session, officer, entry.uuid, world.programme.uuid, "产假 2026-09", world.now)
    assert (page(world).tally.due, page(world).tally.exempt, page(world).off_roster.people) == (1, 1, 4)
    rows = oversee_lists.people_page(
        world.session, officer, world.programme.uuid, world.county.uuid, "exempt", 1, world.now
    )
    assert [(row.name, row.exempt_reason, row.result) for row in rows.people] == [("陈晓芳", "产假 2026-09", None)]
    exemptions.end_exemption(world.session, officer, entry.uuid, world.programme.uuid)
    assert page(world).tally.due == 2


def test_somebody_merged_counts_once_with_all_they_did(world: World) -> None:
    entry = put_on_roster(world, cast.CHEN)
    pass_points(world, cast.CHEN, (1, 1))
    again = Person(tenant_id=pk(world.tenant), name="陈晓芳", created_at=world.now)
    world.session.add(again)
    world.session.flush()
    world.session.add(Enrolment(programme_id=pk(world.programme), person_id=pk(again), started_at=world.now))
    merges.merge_persons(
        world.session, world.actor(cast.OFFICER), world.person(cast.CHEN).uuid, again.uuid, "换了平台", world.now
    )
    (row,) = oversee_lists.people_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, "due", 1, world.now
    ).people
    assert (row.entry_uuid, row.passed, row.logged_in) == (entry.uuid, 2, True)
    assert page(world).off_roster.people == 5


def test_a_lead_sees_the_own_school_and_nothing_else(world: World) -> None:
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    assert oversee.home(world.session, world.actor(cast.LEAD)) == (
        world.programme.uuid,
        world.schools["希望小学"].uuid,
    )
    assert page(world, cast.LEAD, "希望小学").tally.due == 3
    for target in (world.county, world.schools["平安小学"]):
        with pytest.raises(Forbidden):
            oversee.unit_page(world.session, world.actor(cast.LEAD), world.programme.uuid, target.uuid, world.now)
    with pytest.raises(Forbidden):
        oversee.home(world.session, world.actor(cast.CHEN))
    with pytest.raises(NotFound):
        oversee.unit_page(
            world.session, world.actor(cast.NEIGHBOUR), world.programme.uuid, world.county.uuid, world.now
        )
    assert page(world, cast.AUDITOR).tally.due == 6


def test_deeper_trees_add_up(world: World) -> None:
    group = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL_GROUP, "城东学区", world.county)
    inner = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "城东小学", group)
    add_entry(world, inner, "CD001", "甲某")
    add_entry(world, group, "CD002", "乙某")
    add_entry(world, world.schools["希望小学"], "XW050", "丙某")
    assert [(line.name, line.tally.due) for line in page(world).lines] == [
        ("城东学区", 2),
        ("希望小学", 1),
        ("平安小学", 0),
    ]
    below = oversee.unit_page(world.session, world.actor(cast.OFFICER), world.programme.uuid, group.uuid, world.now)
    assert [(line.name, line.is_self, line.tally.due) for line in below.lines] == [
        ("城东学区", True, 1),
        ("城东小学", False, 1),
    ]
    assert [step.name for step in below.crumbs] == ["平安县", "城东学区"]


def test_closing_turns_unfinished_into_failed(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    world.programme.state = competencies.ProgrammeState.CLOSED
    (row,) = oversee_lists.people_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, "unfinished", 1, world.now
    ).people
    assert row.result is Result.FAILED


def test_hours_count_where_the_programme_says_so(world: World) -> None:
    world.set_rules(result={"needs_hours": True})
    put_on_roster(world, cast.CHEN)
    pass_points(world, cast.CHEN, (1, 1, 1))
    assert page(world).tally.passed == 0
    competencies.import_online(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        world.programme.policy_id or 0,
        [competencies.OnlineHours(pk(world.person(cast.CHEN)), 2500, "国培", None)],
        pk(world.person(cast.OFFICER)),
        world.now,
    )
    assert page(world).tally == Tally(1, 0, 1, 1, 1, 1, 0, 2500, 2500)


def test_sheet_page_and_ledger_agree(world: World) -> None:
    for who in cast.TEACHERS[:5]:
        put_on_roster(world, who)
    pass_points(world, cast.CHEN, (2, 1, 1))
    pass_points(world, cast.LI, (1, 0, 1))
    found = oversee_lists.export(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, world.now
    )
    rows = {row.staff_number: row for row in found.people}
    tally = page(world).tally
    assert sum((one for _name, one in found.units), Tally()) == tally
    assert sum(row.has_passed for row in rows.values()) == tally.passed == 1
    assert rows["XW001"].points == tuple(
        (code, competencies.Level(level)) for code, level in zip(POINTS, (2, 1, 1), strict=True)
    )
    assert rows["XW003"].lack.failed == 1
    balance = competencies.balance(world.session, pk(world.programme), [pk(p) for p in world.persons.values()])
    for who in cast.TEACHERS[:5]:
        kept = balance[pk(world.person(who))]
        row = rows[who.staff_number]
        assert (row.practice_hundredths, row.online_hundredths) == (kept[CreditKind.PRACTICE], kept[CreditKind.ONLINE])
    assert [row.staff_number for row in found.off_roster] == ["PA003"]


def test_a_look_at_a_layout_is_what_the_sheet_begins_with(world: World) -> None:
    for who in cast.TEACHERS[:5]:
        put_on_roster(world, who)
    pass_points(world, cast.CHEN, (2, 1, 1))
    there = (world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid)
    whole = oversee_lists.export(*there, world.now)
    everybody = list(whole.people)
    look = oversee_lists.beginning(*there, "people", 2, world.now)
    assert [replace(one, person_uuid="") for one in look.people] == everybody[:2]
    assert look.units == ()
    assert oversee_lists.beginning(*there, "units", 2, world.now).units == whole.units


STAGES = st.integers(min_value=0, max_value=6)


@settings(max_examples=times(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stages=st.lists(st.tuples(STAGES, st.booleans(), st.booleans()), min_size=6, max_size=6),
    needs_hours=st.booleans(),
)
def test_figures_are_nested(world: World, stages: list[tuple[int, bool, bool]], needs_hours: bool) -> None:
    """Whatever each teacher did, and whoever is exempt or on no roster: each stage lies within the one before."""
    session = world.session
    with session.begin_nested() as inner:
        world.set_rules(result={"needs_hours": needs_hours})
        officer = pk(world.person(cast.OFFICER))
        for who, (stage, listed, is_exempt) in zip(cast.TEACHERS, stages, strict=True):
            person = pk(world.person(who))
            if stage == 0:
                row = session.exec(select(Enrolment).where(Enrolment.person_id == person)).one()
                session.delete(row)
            for position, code in enumerate(POINTS):
                _bring(world, person, code, stage, position)
            if listed:
                entry = put_on_roster(world, who, came=stage > 0)
                if is_exempt:
                    exemptions.exempt(
                        session, world.actor(cast.OFFICER), entry.uuid, world.programme.uuid, "借调", world.now
                    )
        session.flush()
        found = page(world)
        counts = (found.tally.due, *found.tally.nested)
        assert list(counts) == sorted(counts, reverse=True)
        assert found.tally.due + found.tally.exempt == sum(listed for _stage, listed, _exempt in stages)
        assert astuple(sum((line.tally for line in found.lines), Tally())) == astuple(found.tally)
        for state in ("due", "logged_in", "chosen", "submitted", "passed", "excellent", "unfinished", "exempt"):
            listing = oversee_lists.people_page(
                session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, state, 1, world.now
            )
            assert listing.total == len(listing.people) == getattr(found.tally, state)
        assert officer
        inner.rollback()
    session.expire_all()


def _bring(world: World, person: int, code: str, stage: int, position: int) -> None:
    """Stage 1 in, 2 some chosen, 3 all chosen, 4 handed in, 5 passed, 6 excellent; some points lag one behind."""
    stage -= position == 2 and stage % 2
    if stage < 2:
        return
    session, point = world.session, pk(world.point(code))
    session.add(
        competencies.Selection(programme_id=pk(world.programme), person_id=person, point_id=point, chosen_at=world.now)
    )
    if stage < 4:
        return
    state = competencies.SubmissionState.SUBMITTED if stage == 4 else competencies.SubmissionState.RELEASED
    work = competencies.Submission(
        tenant_id=pk(world.tenant),
        programme_id=pk(world.programme),
        person_id=person,
        point_id=point,
        state=state,
        created_at=world.now,
        changed_at=world.now,
    )
    session.add(work)
    session.flush()
    if stage < 5:
        return
    version = competencies.SubmissionVersion(
        submission_id=pk(work), number=1, manifest={}, content_hash="0" * 64, self_marks={}, submitted_at=world.now
    )
    session.add(version)
    session.flush()
    trainer = pk(world.person(cast.TRAINER))
    decision = competencies.Decision(
        tenant_id=pk(world.tenant),
        submission_id=pk(work),
        submission_version_id=pk(version),
        decided_by_id=trainer,
        outcome=competencies.Outcome.DECIDED,
        marks={},
        item_levels={},
        point_level=stage - 4,
        decided_at=world.now,
    )
    session.add(decision)
    session.flush()
    session.add(
        competencies.Award(
            tenant_id=pk(world.tenant),
            programme_id=pk(world.programme),
            person_id=person,
            point_id=point,
            decision_id=pk(decision),
            level=stage - 4,
            awarded_at=world.now,
        )
    )


def test_the_roster_row_outlives_the_person_page(world: World) -> None:
    entry = put_on_roster(world, cast.CHEN)
    entry.removed_at = world.now
    world.session.add(entry)
    world.session.flush()
    assert page(world).tally.due == 0
    assert page(world).off_roster.people == 6
    assert world.session.exec(select(RosterEntry).where(RosterEntry.tenant_id == pk(world.tenant))).one() is entry


def test_who_is_not_exempt_is_asked_by_the_column_of_the_join(world: World) -> None:
    """PostgreSQL then expects nearly everybody; by any other column one person, and plans minutes for a county."""
    officer = world.actor(cast.OFFICER)
    place = oversee.place_of(world.session, officer, world.programme.uuid, world.county.uuid, world.now)
    for state in ("unfinished", "not_chosen", "passed"):
        statement = str(oversee_lists._listed(place.sources(), place.unit.path, state, frozenset()))
        assert "exemption.roster_entry_id IS NULL" in statement
        assert "exemption.id IS NULL" not in statement
