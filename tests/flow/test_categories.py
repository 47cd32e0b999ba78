"""类别: whom a programme is for decides who is due and may choose; what its people must reach decides who passed."""

import pytest
from sqlmodel import col, select

import competencies
import lti
from competencies import Category
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    booking,
    choose_view,
    cohorts,
    oversee,
    oversee_lists,
    oversee_views,
    passport,
    report,
    reversal,
    roster,
    roster_list,
    submit,
    submit_views,
    units,
)
from lms_plugin.outbox import Job
from lms_plugin.people import RosterEntry
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.test_merges import merge
from tests.flow.test_reversal import award_of, take_back
from tests.queries import count_queries
from tests.rosters import HEAD, add_entry, put_on_roster, workbook

PRINCIPALS = {"category": "principal", "required_points": 1, "practice_need_hundredths": 0, "target": 2}


def on_roster(world: World, who: cast.Cast, category: Category | None) -> RosterEntry:
    entry = put_on_roster(world, who)
    entry.category = category
    world.session.add(entry)
    world.session.flush()
    return entry


def figures(world: World) -> oversee_views.UnitPage:
    actor = world.actor(cast.OFFICER)
    return oversee.unit_page(world.session, actor, world.programme.uuid, world.county.uuid, world.now)


def listed(world: World, state: str) -> set[str]:
    actor = world.actor(cast.OFFICER)
    page = oversee_lists.people_page(world.session, actor, world.programme.uuid, world.county.uuid, state, 1, world.now)
    assert page.total == len(page.people)
    return {line.name for line in page.people}


def choose(world: World, who: cast.Cast, *codes: str) -> None:
    submit.choose_points(world.session, world.actor(who), world.programme.uuid, codes, world.now)


def test_people_of_other_categories_are_not_due(world: World) -> None:
    on_roster(world, cast.CHEN, Category.PRINCIPAL)
    on_roster(world, cast.WANG, None)  # nobody said: 教师
    on_roster(world, cast.LI, Category.BACKBONE)
    on_roster(world, cast.SUN, Category.COACH)
    earn(world, cast.LI, "A3", "A5", "B1")
    world.set_rules(concerns=["principal", "teacher"], cohorts=[{"year": 2026, "percent": 100}])
    cohorts.place_all(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    seen = figures(world)
    assert (seen.tally.due, seen.tally.passed, seen.off_roster.others) == (2, 0, 2)
    assert (seen.off_roster.later, seen.off_roster.unplaced) == (0, 0)
    assert [(category, tally.due) for category, tally, _target in seen.categories] == [
        (Category.TEACHER, 1),
        (Category.PRINCIPAL, 1),
    ]
    assert listed(world, "due") == listed(world, "unfinished") == {cast.CHEN.name, cast.WANG.name}
    assert cast.LI.name not in listed(world, "off_roster")  # no stranger either
    place = (world.session, world.actor(cast.OFFICER), world.programme.uuid)
    with pytest.raises(Invalid):
        cohorts.place_one(*place, cast.LI.staff_number, 2026, world.now)
    world.set_rules(concerns=["principal"])
    assert (figures(world).tally.due, figures(world).off_roster.others) == (
        1,
        3,
    )  # of whom nobody said anything is a teacher


def test_a_category_passes_by_its_own_rules(world: World) -> None:
    on_roster(world, cast.CHEN, Category.PRINCIPAL)
    on_roster(world, cast.WANG, Category.TEACHER)
    earn(world, cast.CHEN, "A3")
    earn(world, cast.WANG, "A3")
    earn(world, cast.ZHAO, "A3")  # on no roster: by the rules for everybody
    world.set_rules(categories=[PRINCIPALS], result={"excellent_points": 2})
    seen = figures(world)
    assert (seen.tally.due, seen.tally.passed, seen.off_roster.others) == (2, 1, 0)
    assert [(one, tally.passed, target) for one, tally, target in seen.categories] == [
        (Category.TEACHER, 0, None),
        (Category.PRINCIPAL, 1, 2),
    ]
    assert (listed(world, "passed"), listed(world, "unfinished")) == ({cast.CHEN.name}, {cast.WANG.name})
    assert cast.ZHAO.name in listed(world, "off_roster")
    sheet = oversee_lists.export(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, world.now
    )
    assert {line.name: (line.category, line.has_passed) for line in sheet.people} == {
        cast.CHEN.name: (Category.PRINCIPAL, True),
        cast.WANG.name: (Category.TEACHER, False),
    }
    assert {line.lack.to_choose for line in sheet.off_roster} == {2, 3}

    def result(who: cast.Cast) -> tuple[str, int]:
        found = passport.record(world.session, world.actor(who), world.programme.uuid, None, world.now)
        return found.result, found.practice_need_hundredths

    assert (result(cast.CHEN), result(cast.WANG)) == (("passed", 0), ("unfinished", 2500))
    scores = report.scores_of(world.session, world.programme, pk(world.person(cast.CHEN)))
    points = scores[lti.LineItemKind.POINTS]
    assert (points.given_hundredths, points.maximum_hundredths) == (100, 100)
    home = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert (home.next.kind, home.round.required) == ("done", 1)


def test_hours_are_booked_by_the_rules_of_the_category_even_when_it_is_said_later(world: World) -> None:
    entry = on_roster(world, cast.CHEN, None)
    world.set_rules(categories=[PRINCIPALS])
    earn(world, cast.CHEN, "A3")
    chen = pk(world.person(cast.CHEN))

    def booked() -> int:
        return sum(one.credit_hundredths for one in world.session.exec(select(competencies.CreditEntry)).all())

    assert booked() == 0
    act = (world.session, world.actor(cast.OFFICER), entry.uuid)
    roster_list.set_about(*act, "principal", "", world.now)
    assert world.session.exec(select(Job).where(Job.kind == outbox.RULES)).one().ids == {
        "programme_id": pk(world.programme)
    }
    booking.bring_up(world.session, world.programme, [chen], world.now)
    assert booked() == 2500
    booking.bring_up(world.session, world.programme, [chen], world.now)
    assert booked() == 2500


def test_what_is_put_right_goes_by_the_category_too(world: World) -> None:
    """A principal has all hours with one point: taking a second one back, or a merge, takes none of them."""
    on_roster(world, cast.CHEN, Category.PRINCIPAL)
    world.set_rules(categories=[PRINCIPALS])
    earn(world, cast.CHEN, "A3", "A5")

    def booked() -> list[int]:
        rows = world.session.exec(select(competencies.CreditEntry).order_by(col(competencies.CreditEntry.id)))
        return [one.credit_hundredths for one in rows]

    assert booked() == [2500]
    second = award_of(world, "A5")
    place = (world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid)
    assert reversal.preview(*place, "award", second.uuid).taken_hundredths == 0
    assert take_back(world, "award", second.uuid)
    merge(world, cast.WANG, cast.CHEN)
    assert booked() == [2500]
    assert take_back(world, "award", award_of(world, "A3").uuid)
    assert booked() == [2500, -2500]


def test_who_is_found_on_the_roster_later_gets_the_hours_of_their_category(world: World) -> None:
    world.set_rules(categories=[PRINCIPALS])
    earn(world, cast.CHEN, "A3")
    officer, jobs = world.actor(cast.OFFICER), select(Job).where(Job.kind == outbox.RULES)
    said = {"new_schools_under": "", "accept_renames": True, "now": world.now}
    rows = [(*HEAD, "类别"), ("王秀兰", "希望小学", "XW002", "小学", "语文", "校长")]
    roster.commit(world.session, officer, workbook(rows), **said)
    assert world.session.exec(jobs).all() == []  # who holds no point has nothing to get
    roster.commit(
        world.session, officer, workbook([*rows, ("陈晓芳", "希望小学", "XW001", "小学", "语文", "校长")]), **said
    )
    assert world.session.exec(jobs).one().ids == {"programme_id": pk(world.programme)}


def test_who_is_of_another_category_is_told_and_chooses_nothing_more(world: World) -> None:
    on_roster(world, cast.CHEN, Category.TEACHER)
    choose(world, cast.CHEN, "A3", "A5")
    world.set_rules(concerns=["principal"])
    home = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert (home.not_for, home.concerns, len(home.points)) == (Category.TEACHER, (Category.PRINCIPAL,), 2)
    with pytest.raises(Refused, match=r"choice\.not_for_category"):
        choose(world, cast.CHEN, "A3", "A5", "B1")
    choose(world, cast.CHEN, "A3")  # giving back is always possible
    choose(world, cast.ZHAO, "A3")  # on no roster: nobody knows, nobody is turned away


def test_a_category_chooses_from_its_own_points(world: World) -> None:
    on_roster(world, cast.CHEN, Category.BACKBONE)
    world.set_rules(categories=[{"category": "backbone", "only": ["A3", "assessment"]}])
    with pytest.raises(Invalid) as refused:
        choose(world, cast.CHEN, "A3", "A5")
    assert refused.value.fields == {"point": ("choice.out_of_range", {"points": "A5"})}
    page = choose_view.choosing(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert {row.code for row in page.rows} >= {"A3", "A11"}
    assert {row.dimension for row in page.rows if row.code != "A3"} == {"assessment"}
    choose(world, cast.WANG, "A5")  # a teacher chooses as everybody


def test_a_person_may_have_other_environments_than_the_school(world: World) -> None:
    world.set_rules(choice={"environment_rule": "exact"})
    units.declare(world.schools["希望小学"], "multimedia")
    entry = on_roster(world, cast.CHEN, None)
    with pytest.raises(Invalid):
        choose(world, cast.CHEN, "B1")
    act = (world.session, world.actor(cast.OFFICER), entry.uuid)
    roster_list.set_about(*act, "teacher", "blended multimedia", world.now)
    assert entry.environment == "multimedia blended"
    choose(world, cast.CHEN, "A3", "B1")
    page = choose_view.choosing(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert (page.declared, page.is_own_environment) == (("multimedia", "blended"), True)
    for category, environment, field in (("chief", "", "category"), ("teacher", "attic", "environment")):
        with pytest.raises(Invalid) as wrong:
            roster_list.set_about(*act, category, environment, world.now)
        assert set(wrong.value.fields) == {field}


def test_who_may_say_what_somebody_is(world: World) -> None:
    entry = on_roster(world, cast.CHEN, None)
    for who, error in ((cast.CHEN, Forbidden), (cast.LEAD, Forbidden), (cast.NEIGHBOUR, NotFound)):
        with pytest.raises(error):
            roster_list.set_about(world.session, world.actor(who), entry.uuid, "principal", "", world.now)
    assert entry.category is None


def test_the_column_of_categories_may_be_there_or_not(world: World) -> None:
    officer, row = world.actor(cast.OFFICER), ("陈晓芳", "希望小学", "XW001", "小学", "语文")

    def commit(*rows: tuple[str, ...]) -> roster.Imported:
        made = {"new_schools_under": "", "accept_renames": True, "now": world.now}
        return roster.commit(world.session, officer, workbook(rows), **made)

    six = (*HEAD, "类别")
    assert commit(six, (*row, "骨干教师"), ("王秀兰", "希望小学", "XW002", "小学", "语文", "")).new == 2
    entry = world.session.exec(select(RosterEntry).where(RosterEntry.staff_number == "XW001")).one()
    assert entry.category is Category.BACKBONE
    assert commit(HEAD, row).same == 1  # the file of before says nothing of categories
    assert commit(six, (*row, "")).same == 1
    assert commit(six, (*row, "Backbone teacher")).same == 1
    assert entry.category is Category.BACKBONE
    assert commit(six, (*row, "校长")).changed == 1
    assert entry.category is Category.PRINCIPAL
    found = roster.check(world.session, officer, workbook([six, (*row, "厨师")]))
    assert [(one.row, one.column, one.code) for one in found.problems] == [(2, "F", "roster.category_unknown")]


def test_alike_rules_cost_a_teacher_no_query(world: World) -> None:
    add_entry(world, world.schools["希望小学"], "N1", "别人")
    on_roster(world, cast.CHEN, None)
    actor = world.actor(cast.CHEN)
    bind = world.session.connection()

    def asked() -> list[str]:
        world.session.expunge_all()
        with count_queries(bind.engine) as found:
            submit_views.home(world.session, actor, world.programme.uuid, world.now)
        return [one for one in found if "roster_entry" in one]

    assert asked() == []
    world.set_rules(concerns=["teacher"], categories=[{"category": "teacher", "required_points": 2}])
    assert len(asked()) == 1
