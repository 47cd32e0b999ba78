"""Large pools: what the draw must keep whatever the pool, with a maximal flow of another library as the judge."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from rubrics import allocation, classes, columns
from rubrics.allocation import AllocationRule, Assignment, CourseGroups, Outcome, Pool, Reviewer, Why, Work, allocate
from rubrics.draw import Drawn, Ground, Lots, draw, to_give
from rubrics.plan import Plan
from tests.rubrics.test_allocation import given_by, limit_of, may_review, meets_nobody_twice, reviewers_of

ELSEWHERE = AllocationRule(reviews_per_work=3, pool=Pool.DISTRICT, exclude_own_school=True, prefer_same_subject=False)


def works_of(sizes: Sequence[int], subjects: int = 13) -> list[Work]:
    """Schools of these sizes, one work of each teacher."""
    schools = [school for school, size in enumerate(sizes) for _ in range(size)]
    return [Work(n, n, school, None, f"学科{n % subjects}") for n, school in enumerate(schools)]


def most_that_fits(
    works: Sequence[Work], people: Sequence[Reviewer], rule: AllocationRule, existing: Sequence[Assignment]
) -> int:
    """The most new reviews that any plan has, by scipy's maximal flow between works and people."""
    on = {(one.work_id, one.reviewer_id) for one in existing}
    load = Counter(one.reviewer_id for one in set(existing))
    count = Counter(one.work_id for one in set(existing))
    by_id = {person.id: person for person in people}
    source, sink = 0, 1 + len(works) + len(people)
    meetings: dict[tuple[int, int], int] = {}  # nobody reviews two works of one author: of each such pair one place
    author = {work.id: work.author_id for work in works}
    had = {(author[one.work_id], one.reviewer_id) for one in existing}
    rows, ends, sizes = [], [], []
    for w, work in enumerate(works):
        rows.append(source), ends.append(1 + w), sizes.append(max(0, rule.reviews_per_work - count[work.id]))
        for p, person in enumerate(people):
            if (work.id, person.id) not in on and may_review(work, person, by_id, rule):
                end = 1 + len(works) + p
                if rule.exclude_past_reviewers:
                    if (work.author_id, person.id) in had:
                        continue
                    known = len(meetings)
                    place = meetings.setdefault((work.author_id, person.id), sink + 1 + known)
                    if len(meetings) > known:
                        rows.append(place), ends.append(end), sizes.append(1)
                    end = place
                rows.append(1 + w), ends.append(end), sizes.append(1)
    for p, person in enumerate(people):
        room = limit_of(person, works, rule) - load[person.id] - person.owed_now
        rows.append(1 + len(works) + p), ends.append(sink), sizes.append(max(0, room))
    graph = csr_array((np.array(sizes, np.int32), (rows, ends)), shape=(sink + 1 + len(meetings),) * 2)
    return int(maximum_flow(graph, source, sink).flow_value)


def any_pool(seed: int) -> tuple[list[Work], list[Reviewer], AllocationRule, list[Assignment]]:
    """A pool of seventy to a hundred works with schools of all sizes, refusals, movers and reviews that stand."""
    chance = random.Random(seed)
    number = chance.randrange(70, 100)
    weights = [chance.choice([1, 1, 3, 12]) for _ in range(chance.randrange(1, 7))]
    schools = chance.choices([*range(1, len(weights) + 1)], weights, k=number)
    groups = {school: chance.choice([None, 8, 9]) for school in schools}
    people = [
        Reviewer(
            n,
            chance.choice([*[schools[n]] * 9, None]),
            groups[schools[n]],
            chance.choice(["", "语文", "数学", "数学"]),
            chance.choice([0, 0, 0, 1]),
            frozenset(chance.choices(range(1000, 1000 + number), k=chance.choice([0, 0, 2]))),
            frozenset(chance.choices(range(number), k=chance.choice([0, 0, 1]))),
            frozenset(chance.choices([51, 52, 53], k=chance.choice([0, 1, 1, 2]))),
            chance.choice(["", "小学", "初中"]),
            past_authors=frozenset(chance.choices(range(number), k=chance.choice([0, 0, 1]))),
        )
        for n in range(number)
    ]
    works = []
    for n in range(number):
        author = people[chance.randrange(number)] if chance.random() < 0.1 else people[n]
        groups_then = author.course_groups if chance.random() < 0.8 else None
        school, stage = schools[author.id], author.stage
        works.append(Work(1000 + n, author.id, school, author.group_id, author.subject, groups_then, stage))
    rule = AllocationRule(
        reviews_per_work=chance.randrange(1, 5),
        max_reviews=chance.choice([2, 3, 6, 9]),
        pool=chance.choice([*Pool, Pool.DISTRICT]),
        exclude_own_school=chance.random() < 0.5,
        prefer_same_subject=chance.random() < 0.5,
        course_groups=chance.choice([*CourseGroups, CourseGroups.OFF]),
        duty_slack=chance.choice([None, 0, 1, 1]),
        exclude_own_group=chance.random() < 0.15,
        only_same_subject=chance.random() < 0.15,
        only_same_stage=chance.random() < 0.15,
        exclude_same_subject=chance.random() < 0.15,
        exclude_same_stage=chance.random() < 0.15,
        exclude_past_reviewers=chance.random() < 0.4,
    )
    existing = []
    if chance.random() < 0.5:
        for work in works:
            one = chance.choice(people)
            if one.id != work.author_id and chance.random() < 0.6:
                existing.append(Assignment(work.id, one.id))
    return works, people, rule, existing


def keeps_every_rule(
    outcome: Outcome,
    works: Sequence[Work],
    people: Sequence[Reviewer],
    rule: AllocationRule,
    existing: Sequence[Assignment] = (),
) -> None:
    by_work, by_person = {w.id: w for w in works}, {p.id: p for p in people}
    assert len(set(outcome.assignments)) == len(outcome.assignments)
    assert not set(outcome.assignments) & set(existing)
    for one in outcome.assignments:
        assert may_review(by_work[one.work_id], by_person[one.reviewer_id], by_person, rule)
    assert meets_nobody_twice(outcome.assignments, by_work, rule, existing)
    added = Counter(one.reviewer_id for one in outcome.assignments)
    load = added + Counter(one.reviewer_id for one in existing)
    for person in people:
        assert given_by(outcome)[person.id] == load[person.id] + person.owed_now
        assert not added[person.id] or load[person.id] + person.owed_now <= limit_of(person, works, rule)
    count = Counter(one.work_id for one in (*outcome.assignments, *existing))
    short = {one.work_id: one.short for one in outcome.shortages}
    for work in works:
        assert count[work.id] + short.get(work.id, 0) == rule.reviews_per_work


@given(st.integers(0, 10**9), st.integers())
@settings(max_examples=25, deadline=None)
def test_every_rule_is_kept_and_no_plan_places_more(pool_seed: int, seed: int) -> None:
    works, people, rule, existing = any_pool(pool_seed)
    outcome = allocate(works, people, rule, seed, existing)
    keeps_every_rule(outcome, works, people, rule, existing)
    assert outcome.is_proven
    assert len(outcome.assignments) == most_that_fits(works, people, rule, existing)
    assert allocate(works[::-1], people[::-1], rule, seed, existing[::-1]) == outcome


def by_lot(
    works: Sequence[Work], people: Sequence[Reviewer], rule: AllocationRule, existing: Sequence[Assignment], seed: int
) -> Drawn:
    """The draw with its classes alone, without the exact plan that small pools end with."""
    standing, on = allocation._before(works, people, rule, seed, existing)
    return columns.Columns(works, people, rule, standing, on, rule.reviews_per_work).draw(seed)


@given(st.integers(0, 10**9), st.integers())
@settings(max_examples=30, deadline=None)
def test_what_the_draw_calls_whole_is_the_most_and_the_most_even(pool_seed: int, seed: int) -> None:
    """Large pools have no exact plan behind the draw, so what it calls proven must be so by itself."""
    works, people, rule, existing = any_pool(pool_seed)
    # Two works of one author are never in one draw.
    rule = replace(rule, prefer_same_subject=False, course_groups=CourseGroups.OFF, exclude_past_reviewers=False)
    drawn = by_lot(works, people, rule, existing, seed)
    exact = allocate(works, people, rule, seed, existing)
    if drawn.open:
        assert drawn.work.size <= len(exact.assignments)
        return
    assert drawn.work.size == most_that_fits(works, people, rule, existing)
    standing, on = allocation._before(works, people, rule, seed, existing)
    ids = sorted(person.id for person in people)
    given_now = Counter(ids[one] for one in drawn.person.tolist())
    uneven = sum((standing.load[one] + given_now[one] - standing.duty[one]) ** 2 for one in ids)
    assert drawn.uneven or uneven <= sum((load.given - standing.duty[load.reviewer_id]) ** 2 for load in exact.loads)
    whose = sorted(work.id for work in works)
    had = Counter(whose[one] for one in drawn.work.tolist()) + Counter({one: len(on[one]) for one in whose})
    by_exact = Counter(one.work_id for one in (*exact.assignments, *set(existing)))
    for reviews in range(1, rule.reviews_per_work + 1):  # as many works with so many reviewers as there can be
        assert sum(had[one] >= reviews for one in whose) == sum(by_exact[one] >= reviews for one in whose)


@pytest.mark.parametrize("works", [1_000, 5_000])
def test_a_school_of_half_the_district_is_reviewed_by_the_other_half(works: int) -> None:
    half = works // 2
    all_works = works_of([half, *[50] * (half // 50)])
    outcome = allocate(all_works, reviewers_of(all_works), ELSEWHERE, seed=3)
    assert len(outcome.assignments) == 3 * works
    assert {one.given for one in outcome.loads} == {3}
    keeps_every_rule(outcome, all_works, reviewers_of(all_works), ELSEWHERE)


def test_a_school_of_55_percent_is_short_by_what_can_be_proven_and_every_work_has_two() -> None:
    works = works_of([550, *[50] * 9])
    rule = replace(ELSEWHERE, duty_slack=0)
    outcome = allocate(works, reviewers_of(works), rule, seed=3)
    assert (
        len(outcome.assignments) == 2_700
    )  # 450 × 3 for the large school, 550 × 3 at most for the others, of which there are 1 350
    assert outcome.is_proven
    assert {(one.short, one.why) for one in outcome.shortages} == {(1, Why.EVERYONE_AT_LIMIT)}
    assert all(one.work_id < 550 for one in outcome.shortages)
    # One review more than one receives: then the 450 others can take them all.
    more = allocate(works, reviewers_of(works), ELSEWHERE, seed=3)
    assert more.shortages == ()
    assert {one.given for one in more.loads if one.reviewer_id >= 550} == {3, 4}
    assert {one.given for one in more.loads if one.reviewer_id < 550} == {2, 3}


def test_a_pool_of_one_school_that_excludes_the_own_school_is_told_for_every_work() -> None:
    works = works_of([300])
    outcome = allocate(works, reviewers_of(works), ELSEWHERE, seed=1)
    assert outcome.assignments == ()
    assert {(one.short, one.why) for one in outcome.shortages} == {(3, Why.OWN_SCHOOL_EXCLUDED)}
    assert len(outcome.shortages) == 300


def test_more_reviews_than_people_are_told_for_every_work() -> None:
    works = [Work(n, n % 4, 1) for n in range(80)]
    rule = AllocationRule(reviews_per_work=5, max_reviews=100, pool=Pool.OWN_SCHOOL, prefer_same_subject=False)
    outcome = allocate(works, reviewers_of(works), rule, seed=1)
    assert {(one.short, one.why) for one in outcome.shortages} == {(2, Why.NO_REVIEWER_IN_POOL)}
    assert len(outcome.assignments) == 3 * 80


def test_fifteen_per_cent_leave_and_every_work_has_three_again() -> None:
    chance = random.Random(5)
    works = works_of([chance.randrange(20, 201) for _ in range(20)])
    first = allocate(works, reviewers_of(works), ELSEWHERE, seed=1)
    gone = set(chance.sample(range(len(works)), len(works) * 15 // 100))
    left = [one for one in reviewers_of(works) if one.id not in gone]
    stands = [one for one in first.assignments if one.reviewer_id not in gone]
    again = allocate(works, left, ELSEWHERE, 2, stands)
    keeps_every_rule(again, works, left, ELSEWHERE, stands)
    assert again.shortages == ()
    assert len(again.assignments) == len(first.assignments) - len(stands)
    assert {one.given for one in again.loads} == {3, 4}


def test_subjects_stay_among_themselves_where_they_suffice_and_the_seed_draws_the_plan() -> None:
    works = works_of([40] * 30)
    rule = replace(ELSEWHERE, prefer_same_subject=True)
    outcome = allocate(works, reviewers_of(works), rule, seed=9)
    assert all(one.work_id % 13 == one.reviewer_id % 13 for one in outcome.assignments)
    assert {one.given for one in outcome.loads} == {3}
    assert allocate(works, reviewers_of(works), rule, seed=9) == outcome
    assert allocate(works, reviewers_of(works), rule, seed=10) != outcome
    # Reviewers of one school's works come from many schools: nobody reviews a school in return for being reviewed.
    school = {work.id: work.school_id for work in works}
    met = {school[one.reviewer_id] for one in outcome.assignments if school[one.work_id] == 0}
    assert len(met) >= 20


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=12),
    st.integers(0, 60),
)
def test_what_people_give_is_as_even_as_their_limits_let_it_be(people: list[tuple[int, int, int]], total: int) -> None:
    load, duty, limit = (np.array(column, np.int64) for column in zip(*people, strict=True))
    nothing = np.zeros(0, np.int64)
    found = to_give(Ground(nothing, nothing, load, duty, limit), total, Lots(1, "test"))
    room = np.maximum(limit - load, 0)
    assert (found >= 0).all()
    assert (found <= room).all()
    assert found.sum() == min(total, room.sum())
    beyond = load + found - duty
    for giver, taker in ((a, b) for a in range(len(people)) for b in range(len(people))):
        assert not (found[giver] and found[taker] < room[taker] and beyond[giver] - beyond[taker] >= 2)


def test_quotas_are_kept_and_the_others_share_what_is_left_by_largest_remainder() -> None:
    works = works_of([50, 50, 50, 50], subjects=1)
    people = reviewers_of(works)
    people = [replace(one, quota=0 if one.id % 10 == 0 else 1 if one.id % 10 == 1 else None) for one in people]
    people += [Reviewer(1_000, 99, quota=20)]  # a volunteer without a work
    rule = replace(ELSEWHERE, max_reviews=6)
    outcome = allocate(works, people, rule, seed=4)
    assert outcome.shortages == ()
    loads = given_by(outcome)
    assert loads[1_000] == 20
    assert {loads[one.id] for one in people if one.quota == 0} == {0}
    assert {loads[one.id] for one in people if one.quota == 1} == {1}
    others = Counter(loads[one.id] for one in people if one.quota is None)
    assert others == {3: 80, 4: 80}  # 560 reviews of 160 people


def test_classes_that_reach_nobody_leave_the_draw_as_it_is() -> None:
    works = np.array([1, 1], np.int64)
    nobody = np.zeros(0, np.int64)
    ground = Ground(np.array([-1, -1]), works, nobody, nobody, nobody)
    drawn = draw(ground, Lots(1, "test"))
    assert drawn.work.size == 0
    assert classes.fill(ground, drawn, Lots(1, "test")) is drawn


def test_what_somebody_must_not_review_in_other_schools_keeps_them_from_nothing_in_their_own() -> None:
    works = works_of([70, 70])
    rule = AllocationRule(reviews_per_work=2, pool=Pool.OWN_SCHOOL, prefer_same_subject=False, duty_slack=0)
    elsewhere = frozenset(work.id for work in works if work.school_id == 1)
    everything = frozenset(work.id for work in works)
    people = [
        replace(one, refused_works=elsewhere if one.id == 0 else everything if one.id == 1 else frozenset())
        for one in reviewers_of(works)
    ]
    outcome = allocate(works, people, rule, 3)
    given = given_by(outcome)
    assert (given[0], given[1]) == (2, 0)  # who sees all of another school at the desk; who has gone
    assert sum(one.short for one in outcome.shortages) == 2  # duty_slack 0: nobody else gives what one of them did not
    assert {one.why for one in outcome.shortages} == {Why.EVERYONE_AT_LIMIT}


@given(st.integers(0, 10**9), st.integers())
@settings(max_examples=25, deadline=None)
def test_the_draw_and_the_exact_plan_name_the_same_reasons(pool_seed: int, seed: int) -> None:
    """Whichever way a pool is planned, the same gap is told in the same words."""
    works, people, rule, existing = any_pool(pool_seed)
    people = list(allocation._who_know(works, people, rule, allocation._before(works, people, rule, seed, existing)[1]))
    standing, on = allocation._before(works, people, rule, seed, existing)
    by_columns = columns.Columns(works, people, rule, standing, on, rule.reviews_per_work).shortages()
    exact = Plan(works, people, rule, seed, standing, on)
    for work in exact.work_index.values():
        exact.balance.goal[work] = max(rule.reviews_per_work, exact.balance.count[work])
    assert {one.work_id: one.why for one in by_columns} == {one.work_id: one.why for one in exact.shortages()}


@pytest.mark.parametrize("schools", [2, 40])
def test_each_of_three_works_of_an_author_has_other_reviewers(schools: int) -> None:
    authors = [author for size in [80 // schools] * schools for author in range(size)]
    works = [Work(3 * n + turn, n, n % schools, None, f"学科{n % 5}") for n in range(len(authors)) for turn in range(3)]
    rule = replace(ELSEWHERE, reviews_per_work=2, max_reviews=9, exclude_past_reviewers=True)
    outcome = allocate(works, reviewers_of(works), rule, seed=3)
    keeps_every_rule(outcome, works, reviewers_of(works), rule)
    assert outcome.shortages == ()
    assert {one.given for one in outcome.loads} <= {5, 6, 7}


def test_a_rule_of_subjects_lets_nobody_review_the_school_their_author_has_moved_to() -> None:
    """The pool falls into parts by subject; an author who teaches another one by now is in another part."""
    works = [Work(n, n, n % 2, None, "语文" if n < 80 else "数学") for n in range(160)]
    people = [replace(one, subject="语文" if one.id < 80 else "数学") for one in reviewers_of(works)]
    people[7] = replace(people[7], school_id=0, subject="数学")  # from school 1, where the work was handed in
    rule = replace(ELSEWHERE, only_same_subject=True, duty_slack=None, max_reviews=9)
    outcome = allocate(works, people, rule, seed=1)
    short = {one.work_id: one.why for one in outcome.shortages}
    assert short[7] is Why.OWN_SCHOOL_EXCLUDED
    assert not [one for one in outcome.assignments if one.work_id == 7]
