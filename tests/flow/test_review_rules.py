"""Who may review whom, as a programme's rules say it: the allotment, claims and appeals keep the same rules."""

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import NullPool, create_engine
from sqlmodel import col, func, select

import competencies
import rubrics
from lms_plugin import db
from lms_plugin.db import pk, transaction
from lms_plugin.errors import Refused
from lms_plugin.flow import appeal_panel, claims, review, review_needs, review_pool, review_preview
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, Stage, UnitKind
from tests import people as cast
from tests.factories import World, add_person, world_in
from tests.flow.handed_in import cast_of, finish_review, hand_in, reviews_of
from tests.flow.test_claims import hand_one_in
from tests.fuzzing import times

HOUR = timedelta(hours=1)
RULES = {
    "exclude_own_group": True,
    "exclude_own_school": True,
    "subjects": "same",
    "stages": "other",
    "exclude_past_reviewers": True,
}
LATE = cast.Cast("late", "郑晚来", "希望小学", "XW090")


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers of two schools, two of them of mathematics; one of each school is of another stage."""
    for who in (cast.WANG, cast.SUN):
        world.person(who).stage = Stage.JUNIOR
        world.session.add(world.person(who))
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def rules(world: World, **more: Any) -> competencies.Rules:
    return world.set_rules(review={"pool": "district", "claims": 9, **more})


def allot(world: World) -> rubrics.Allocation:
    return review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)


def pairs(world: World, works: dict[str, competencies.Submission]) -> set[tuple[cast.Cast, cast.Cast]]:
    """Author and reviewer of every review that counts."""
    by_key = {who.key: who for who in cast.TEACHERS}
    return {
        (by_key[key.partition(" ")[0]], cast_of(world, one.reviewer_id))
        for key, work in works.items()
        for one in reviews_of(world, work)
        if one.state in rubrics.LIVE
    }


def one_group(world: World) -> None:
    """希望小学 and 平安小学 are one school group."""
    group = OrgUnit(tenant_id=pk(world.tenant), parent_id=pk(world.county), kind=UnitKind.SCHOOL_GROUP, name="城关学区")
    world.session.add(group)
    world.session.flush()
    for school in world.schools.values():
        school.parent_id = pk(group)
        world.session.add(school)
    world.session.flush()


def fits(world: World, rule: str, author: cast.Cast, reviewer: cast.Cast) -> bool:
    """One rule in plain words; the school group is that of `one_group`."""
    one, other = world.person(author), world.person(reviewer)
    return {
        "exclude_own_group": False,
        "exclude_own_school": author.school != reviewer.school,
        "subjects": one.subject == other.subject,
        "stages": one.stage != other.stage,
        "exclude_past_reviewers": True,
    }[rule]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("exclude_own_group", "own_group_excluded"),
        ("subjects", "other_subject"),
        ("stages", "everyone_at_limit"),
        ("exclude_past_reviewers", None),
    ],
)
def test_an_allotment_keeps_the_rule_and_tells_the_gap(
    world: World, works: dict[str, competencies.Submission], rule: str, why: str | None
) -> None:
    if rule == "exclude_own_group":
        one_group(world)
    rules(world, **{rule: RULES[rule]})
    made = allot(world)
    found = pairs(world, works)
    assert all(fits(world, rule, author, reviewer) for author, reviewer in found)
    assert {one["why"] for one in made.shortages} == ({why} if why else set())
    assert len(found) + sum(one["short"] for one in made.shortages) == 12
    assert (len(found) == 12) == (why is None)


def test_another_subject_alone_and_the_same_stage_alone(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    rules(world, subjects="other", stages="same", reviews_per_work=1)
    made = allot(world)
    assert {one["why"] for one in made.shortages} <= {
        "other_stage",
        "same_subject",
        "no_reviewer_in_pool",
        "everyone_at_limit",
    }
    found = pairs(world, works)
    assert found
    for author, reviewer in found:
        assert author.subject != reviewer.subject
        assert world.person(author).stage == world.person(reviewer).stage


def test_what_is_chosen_among_rules_is_offered_with_its_number(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one_group(world)
    found = rules(world, exclude_own_group=True, subjects="same")
    plan = review_pool.plan_of(review_pool.pool_of(world.session, world.programme, found, world.now), found)
    preview = review_preview.preview_of(review_pool.pool_of(world.session, world.programme, found, world.now), plan)
    assert preview.short == 12
    assert {one.what for one in preview.choices} == {"mates", "fewer"}
    assert all(one.short < 12 for one in preview.choices)


def test_nobody_reviews_two_works_of_one_author_over_plans_and_claims(world: World) -> None:
    """Three works of each; they come one after the other, and somebody claims in between."""
    rules(world, exclude_past_reviewers=True, max_reviews=9, reviews_per_work=1)
    works: dict[str, competencies.Submission] = {}
    for turn, code in enumerate(("A3", "A5", "B2")):
        for who in cast.TEACHERS[:4]:
            works[f"{who.key} {code}"] = hand_in(world, who, code, world.now - 2 * HOUR)
        world.now += HOUR
        made = allot(world)
        assert made.shortages == []
        found = pairs(world, works)
        assert len(found) == 4 * (turn + 1)  # never the same two again
    for one in [one for work in works.values() for one in reviews_of(world, work)]:
        finish_review(world, one, world.now)
    # Of four people each has had the three others: a fourth work of somebody finds nobody, and says why.
    works["chen A6"] = hand_in(world, cast.CHEN, "A6", world.now - 2 * HOUR)
    assert {one["why"] for one in allot(world).shortages} == {"past_reviewer"}
    with pytest.raises(Refused, match="nothing_to_claim"):
        claims.claim(world.session, world.actor(_enrolled(world, cast.WANG)), world.programme.uuid, world.now)
    assert claims.claim(world.session, _joins(world), world.programme.uuid, world.now).submission_id == pk(
        works["chen A6"]
    )


def test_a_version_that_was_replaced_counts_as_reviewed(world: World) -> None:
    rules(world, exclude_past_reviewers=True, reviews_per_work=1)
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    allot(world)
    (first,) = reviews_of(world, works["chen"])
    finish_review(world, first, world.now)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="改过的教学设计，写得更清楚。")
    allot(world)
    (again,) = [one for one in reviews_of(world, works["chen"]) if one.id != first.id]
    assert again.reviewer_id != first.reviewer_id


def _enrolled(world: World, who: cast.Cast) -> cast.Cast:
    there = select(Enrolment).where(
        Enrolment.person_id == pk(world.person(who)), Enrolment.programme_id == pk(world.programme)
    )
    if world.session.exec(there).first() is None:
        world.session.add(
            Enrolment(programme_id=pk(world.programme), person_id=pk(world.person(who)), started_at=world.now)
        )
        world.session.flush()
    return who


def _claimed(world: World, actor: Any) -> rubrics.Review | None:
    """What they claim; None where there is nothing for them."""
    try:
        return claims.claim(world.session, actor, world.programme.uuid, world.now)
    except Refused as refused:
        if refused.code != "review.nothing_to_claim":
            raise
        return None


def _joins(world: World) -> Any:
    world.persons["late"] = add_person(world.session, world.tenant, world.schools[LATE.school], LATE, world.now)
    return world.actor(_enrolled(world, LATE))


@pytest.mark.parametrize("rule", ["exclude_own_group", "subjects", "stages"])
@pytest.mark.parametrize("subject", ["语文", "音乐", ""])
def test_a_claim_keeps_the_rule(
    world: World, works: dict[str, competencies.Submission], rule: str, subject: str
) -> None:
    """Who claims takes what the allotment could give them, and nothing else."""
    if rule == "exclude_own_group":
        one_group(world)
    rules(world, reviews_per_work=5, max_reviews=6, **{rule: RULES[rule]})
    late = _joins(world)
    world.person(LATE).subject = subject
    world.session.add(world.person(LATE))
    allot(world)
    able = {
        who.key for who in cast.TEACHERS if fits(world, rule, who, LATE) and not (rule == "subjects" and not subject)
    }
    taken = set()
    while (one := _claimed(world, late)) is not None:
        taken.add(next(key for key, work in works.items() if pk(work) == one.submission_id))
        hand_one_in(world, one, late)
    assert taken == able


POLICY = st.fixed_dictionaries(
    {
        "exclude_own_school": st.booleans(),
        "subjects": st.sampled_from(["any", "same", "other"]),
        "stages": st.sampled_from(["any", "same", "other"]),
        "exclude_past_reviewers": st.booleans(),
        "reviews_per_work": st.integers(1, 3),
    }
)


@settings(max_examples=times(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=POLICY, moved=st.sampled_from(cast.TEACHERS), claimants=st.permutations(cast.TEACHERS))
def test_whatever_the_rules_claims_and_the_allotment_keep_them_together(
    world: World, works: dict[str, competencies.Submission], policy: Any, moved: cast.Cast, claimants: Any
) -> None:
    """Two works of each; one of them has moved to the other school since. Nothing breaks a rule, nothing goes twice."""
    point = world.session.begin_nested()
    try:
        rules(world, max_reviews=20, **policy)
        all_works = {**works, **{f"{who.key} A5": hand_in(world, who, "A5", world.now - 2 * HOUR) for who in claimants}}
        other = next(who.school for who in cast.TEACHERS if who.school != moved.school)
        _move(world, moved, other)
        allot(world)
        for who in claimants:
            _claimed(world, world.actor(_enrolled(world, who)))
        by_key = {who.key: who for who in cast.TEACHERS}
        met = []
        for key, work in all_works.items():
            author = by_key[key.partition(" ")[0]]
            live = [one for one in reviews_of(world, work) if one.state in rubrics.LIVE]
            assert len(live) <= policy["reviews_per_work"]
            for one in live:
                reviewer = cast_of(world, one.reviewer_id)
                met.append((author.key, reviewer.key))
                _keeps(world, policy, author, reviewer, moved, other)
        assert not policy["exclude_past_reviewers"] or all(a != b for a, b in pairwise(sorted(met)))
    finally:
        point.rollback()
        world.session.expire_all()


def _move(world: World, who: cast.Cast, school: str) -> None:
    row = world.session.exec(
        select(OrgMembership).where(
            OrgMembership.person_id == pk(world.person(who)), col(OrgMembership.ends_on).is_(None)
        )
    ).one()
    row.ends_on = world.now.date()
    world.session.add(row)
    world.session.add(
        OrgMembership(
            person_id=pk(world.person(who)), org_unit_id=pk(world.schools[school]), starts_on=world.now.date()
        )
    )
    world.session.flush()


def _keeps(world: World, policy: Any, author: cast.Cast, reviewer: cast.Cast, moved: cast.Cast, other: str) -> None:
    one, two = world.person(author), world.person(reviewer)
    assert author != reviewer
    if policy["exclude_own_school"]:
        schools = {author.school, other} if author == moved else {author.school}
        assert (other if reviewer == moved else reviewer.school) not in schools
    for rule, same in (("subjects", one.subject == two.subject), ("stages", one.stage == two.stage)):
        assert policy[rule] == "any" or same == (policy[rule] == "same")


def test_an_appeal_asks_nobody_who_reviewed_another_work_of_the_author(world: World) -> None:
    """By the rule; without it, they may be asked."""
    rules(world, exclude_past_reviewers=True, reviews_per_work=2)
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    allot(world)
    author = pk(world.person(cast.CHEN))
    past = appeal_panel._past_reviewers(world.session, world.programme, author)
    assert past == {one.reviewer_id for one in reviews_of(world, works["chen"])}
    assert len(past) == 2


# --- long lists, and two at once ---


@pytest.mark.parametrize("number", [0, 3, 100_000])
def test_a_column_is_among_ids_however_many(world: World, number: int) -> None:
    chen, wang = pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))
    ids = [chen, *range(10**6, 10**6 + number)]
    both = col(Person.id).in_((chen, wang))
    is_among = db.among(Person.id, ids)
    assert world.session.exec(select(Person.id).where(both, is_among)).all() == [chen]
    assert world.session.exec(select(Person.id).where(both, ~is_among)).all() == [wang]
    assert world.session.exec(select(Person.id).where(both, db.among(Person.id, []))).all() == []


def test_who_is_barred_from_a_hundred_thousand_authors_claims_what_is_left(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    rules(world, reviews_per_work=3, pool="own_school")
    late = _joins(world)
    allot(world)  # each work lacks one
    barred = {pk(world.person(who)) for who in cast.TEACHERS if who is not cast.LI}
    who = rubrics.Claimant(
        pk(world.tenant),
        pk(world.programme),
        late.person_ids,
        pk(world.schools[LATE.school]),
        not_authors=barred | set(range(10**6, 10**6 + 100_000)),
    )
    found = rubrics.claim(world.session, who, None, world.now)
    assert found is not None
    assert found[0].submission_id == pk(works["li"])


@pytest.mark.postgresql
def test_an_allotment_and_a_claim_in_one_moment_give_no_work_one_too_many(own_district_url: str, now: Any) -> None:
    """Somebody is claiming the last place when the allotment begins: it waits, and plans with the claim."""
    made = create_engine(own_district_url, poolclass=NullPool)
    factory = db.session_factory(made)
    with transaction(factory) as session:
        world = world_in(session, now)
        rules(world, reviews_per_work=2, pool="own_school")
        works = {who.key: hand_in(world, who, "A3", now - 2 * HOUR) for who in (cast.CHEN, cast.WANG)}
        allot(world)  # of three of the school two have handed in: each work has one reviewer and lacks one
        late = _joins(world)
        hand_in(world, LATE, "A3", now - 2 * HOUR)  # and now there is a third
        keys, programme, uuid = [pk(one) for one in works.values()], pk(world.programme), world.programme.uuid
        officer = world.actor(cast.OFFICER)
    planned, errors = threading.Event(), list[Exception]()

    def allot_now() -> None:
        try:
            with transaction(factory) as session:
                row = session.get(competencies.Programme, programme)
                assert row is not None
                planned.set()
                review.allocate(session, officer, row, 7, now + HOUR)
        except Exception as error:
            errors.append(error)

    allotting = threading.Thread(target=allot_now)
    with transaction(factory) as session:
        claims.claim(session, late, uuid, now)
        allotting.start()
        planned.wait(5)
        allotting.join(1)  # it waits for the claim
        assert allotting.is_alive()
    allotting.join()
    with factory() as session:
        counts = session.exec(
            select(rubrics.Review.submission_id, func.count())
            .where(col(rubrics.Review.submission_id).in_(keys), col(rubrics.Review.state).in_(rubrics.LIVE))
            .group_by(col(rubrics.Review.submission_id))
        ).all()
    made.dispose()
    assert not errors
    assert dict(counts) == dict.fromkeys(keys, 2)


@pytest.mark.postgresql
def test_while_an_allotment_is_under_way_nobody_reads_that_nothing_is_left(own_district_url: str, now: Any) -> None:
    made = create_engine(own_district_url, poolclass=NullPool)
    factory = db.session_factory(made)
    with transaction(factory) as session:
        world = world_in(session, now)
        rules(world, reviews_per_work=2, pool="own_school")
        for who in (cast.CHEN, cast.WANG):
            hand_in(world, who, "A3", now - 2 * HOUR)
        allot(world)
        late, uuid, programme = _joins(world), world.programme.uuid, pk(world.programme)
    with transaction(factory) as session:
        row = session.get(competencies.Programme, programme)
        assert row is not None
        review_needs.hold(session, row)
        with transaction(factory) as claiming, pytest.raises(Refused, match="claim_busy"):
            claims.claim(claiming, late, uuid, now)
    with transaction(factory) as session:
        assert claims.claim(session, late, uuid, now).is_claimed
    made.dispose()
