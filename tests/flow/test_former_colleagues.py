"""Who changed school reviews no former colleagues, and they nothing of theirs, where the own school is left out."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.flow import calibration, conflicts, former_colleagues, review, review_views, roster_ties
from lms_plugin.people import OrgMembership, Person
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in, reviews_of, version_of
from tests.flow.test_appeals import ask, members, result_of, who_is
from tests.flow.test_calibration import example, settled
from tests.flow.test_claims import HOUR, LATE, claim, joins

DAY = timedelta(days=1)
OLD, NEW = "希望小学", "平安小学"


def rules(world: World, *, exclude: bool = True) -> competencies.ReviewPolicy:
    world.set_rules(review={"pool": "district", "exclude_own_school": exclude, "reviews_per_work": 3, "claims": 3})
    return competencies.rules_of(world.session, world.programme).review


def moved(world: World, who: cast.Cast, days: int = 1) -> None:
    """From the old school to the new one, so many days ago; everybody has been where they are for long."""
    for row in world.session.exec(select(OrgMembership)):
        row.starts_on -= 400 * DAY
        world.session.add(row)
    world.session.flush()
    roster_ties.move_to_school(world.session, world.person(who), world.schools[NEW], world.now - days * DAY)


def people(world: World) -> list[int]:
    return [pk(world.person(who)) for who in cast.TEACHERS]


def pairs(world: World, policy: competencies.ReviewPolicy) -> dict[int, set[int]]:
    return former_colleagues.pairs(world.session, world.programme, policy, people(world), world.now)


def test_for_a_year_or_a_whole_round_those_who_shared_a_school_are_colleagues(world: World) -> None:
    policy = rules(world)
    assert pairs(world, policy) == {}
    moved(world, cast.CHEN)
    chen, wang, li, zhao = (pk(world.person(one)) for one in (cast.CHEN, cast.WANG, cast.LI, cast.ZHAO))
    assert pairs(world, policy) == {chen: {wang, li}, wang: {chen}, li: {chen}}
    one = former_colleagues.of_person(world.session, world.programme, policy, [chen], world.now)
    assert one >= {wang, li}
    assert zhao not in one
    assert chen in former_colleagues.of_person(world.session, world.programme, policy, [li], world.now)
    assert chen not in former_colleagues.of_person(world.session, world.programme, policy, [zhao], world.now)
    assert pairs(world, rules(world, exclude=False)) == {}
    later = world.now + timedelta(days=800)
    assert former_colleagues.pairs(world.session, world.programme, policy, people(world), later) != {}  # of this round
    world.programme.opens_on = (later - DAY).date()
    assert former_colleagues.pairs(world.session, world.programme, policy, people(world), later) == {}


def test_who_came_when_the_other_had_gone_shared_nothing(world: World) -> None:
    policy = rules(world)
    moved(world, cast.CHEN, 5)
    wang = world.person(cast.WANG)
    row = world.session.exec(select(OrgMembership).where(OrgMembership.person_id == pk(wang))).one()
    row.starts_on = (world.now - 5 * DAY).date()
    world.session.add(row)
    world.session.flush()
    assert pk(wang) not in pairs(world, policy).get(pk(world.person(cast.CHEN)), set())
    assert pk(wang) not in former_colleagues.of_person(
        world.session, world.programme, policy, [pk(world.person(cast.CHEN))], world.now
    )


def test_an_allotment_gives_no_former_colleagues_to_each_other(world: World) -> None:
    policy = rules(world)
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    moved(world, cast.CHEN)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    apart = pairs(world, policy)
    given = {(one.reviewer_id, work.person_id) for work in works.values() for one in reviews_of(world, work)}
    assert given
    assert not {(reviewer, author) for reviewer, author in given if author in apart.get(reviewer, ())}
    world.now += HOUR  # and neither does what is placed later
    world.programme.allotted_at = world.now - 2 * HOUR
    review.allocate_due(world.session, pk(world.programme), world.now)
    rows = [one.reviewer_id for one in reviews_of(world, works["chen"])]
    assert not apart[pk(world.person(cast.CHEN))] & set(rows)


def test_a_claim_and_an_example_keep_to_it_too(world: World) -> None:
    rules(world)
    hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    late = joins(world)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    moved(world, LATE)
    with pytest.raises(Refused, match="nothing_to_claim"):
        claim(world, late)
    example(world, settled(world, cast.LI))
    policy = competencies.rules_of(world.session, world.programme).review
    (found,) = calibration.examples_for(world.session, world.programme, policy, late.person_ids, world.now)
    assert late.person_id in found.not_for


def test_a_panel_asks_no_former_colleague_even_of_the_whole_district(world: World) -> None:
    for who in (cast.CHEN, cast.WANG):
        assert who.school == OLD
    moved(world, cast.WANG)
    work = result_of(world, review={"pool": "district", "exclude_own_school": True})
    found = members(world, ask(world, work))
    assert found
    assert not {who_is(world, one) for one in found} & {cast.WANG, cast.LI}


# --- said in words, and a setting ---


def from_new_school(world: World, work: competencies.Submission) -> None:
    """It was handed in after the move."""
    version = version_of(world, work)
    version.org_unit_id = pk(world.schools[NEW])
    world.session.add(version)
    world.session.flush()


def whys(world: World) -> dict[str, set[str]]:
    """Who lacks reviewers, and why, as the last allotment says."""
    row = world.session.exec(select(rubrics.Allocation).order_by(col(rubrics.Allocation.id).desc())).first()
    assert row is not None
    names = {work.uuid: work.person_id for work in world.session.exec(select(competencies.Submission))}
    found: dict[str, set[str]] = {}
    for one in row.shortages:
        author = db.get(world.session, Person, names[one["submission"]]).name
        found.setdefault(author, set()).add(one["why"])
    return found


def test_a_work_that_lacks_reviewers_for_this_alone_says_so(world: World) -> None:
    """陈晓芳 went over to the school of the only others: all that could review her knew her."""
    rules(world)
    moved(world, cast.CHEN)
    works = [hand_in(world, who, "A3", world.now - 2 * HOUR) for who in (cast.CHEN, cast.WANG, cast.LI)]
    from_new_school(world, works[0])
    officer = world.actor(cast.OFFICER)
    page = review_views.allocation_page(world.session, officer, world.programme, world.now)
    assert page.preview is not None
    assert "former" in {one.what for one in page.preview.choices}
    review.allocate(world.session, officer, world.programme, 7, world.now)
    assert whys(world)["陈晓芳"] == {"former_colleague"}
    policy = {"pool": "district", "exclude_own_school": True, "exclude_former_colleagues": False, "reviews_per_work": 1}
    world.set_rules(review=policy)
    assert pairs(world, competencies.rules_of(world.session, world.programme).review) == {}
    review.allocate(world.session, officer, world.programme, 8, world.now)
    assert "陈晓芳" not in whys(world)


def test_who_went_over_together_is_kept_out_by_two_rules(world: World) -> None:
    """Colleagues of before and of now: neither rule alone is why."""
    rules(world)
    moved(world, cast.CHEN)
    roster_ties.move_to_school(world.session, world.person(cast.WANG), world.schools[NEW], world.now - DAY)
    for who in (cast.CHEN, cast.WANG):
        from_new_school(world, hand_in(world, who, "A3", world.now - 2 * HOUR))
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    assert whys(world) == {"陈晓芳": {"rules_together"}, "王秀兰": {"rules_together"}}


def test_whom_something_else_keeps_out_is_not_blamed_on_it(world: World) -> None:
    rules(world)
    moved(world, cast.CHEN)
    works = [hand_in(world, who, "A3", world.now - 2 * HOUR) for who in (cast.CHEN, cast.WANG)]
    from_new_school(world, works[0])
    officer = world.actor(cast.OFFICER)
    numbers = (cast.CHEN.staff_number, cast.WANG.staff_number)
    conflicts.keep_apart(world.session, officer, conflicts.Said(*numbers, "family"), world.now)
    review.allocate(world.session, officer, world.programme, 7, world.now)
    assert whys(world)["陈晓芳"] == {"no_reviewer_in_pool"}
