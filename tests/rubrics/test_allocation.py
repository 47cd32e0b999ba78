"""The allotment of reviews: the journey's cases by hand, invariants for any pool, and brute force as the judge."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_plugin.errors import Invalid
from rubrics.allocation import (
    AllocationRule,
    Assignment,
    CourseGroups,
    Outcome,
    Pool,
    Reviewer,
    Shortage,
    Why,
    Work,
    allocate,
    third_reviewer,
)

DISTRICT = AllocationRule(pool=Pool.DISTRICT)


def school(
    number: int, teachers: int, *, group: int | None = None, subject: str = "语文", works: int = 1
) -> list[Work]:
    """One school's works: teacher t of school n is n*100+t, their works are numbered after them."""
    authors = range(number * 100, number * 100 + teachers)
    return [Work(author * 10 + w, author, number, group, subject) for author in authors for w in range(works)]


def reviewers_of(works: Sequence[Work]) -> list[Reviewer]:
    """Every author is a reviewer, once."""
    return list({w.author_id: Reviewer(w.author_id, w.school_id, w.group_id, w.subject) for w in works}.values())


def given_by(outcome: Outcome) -> dict[int, int]:
    return {load.reviewer_id: load.given for load in outcome.loads}


def test_six_teachers_of_two_schools_each_give_and_get_two() -> None:
    works = school(1, 3) + school(2, 3)
    outcome = allocate(works, reviewers_of(works), AllocationRule(), seed=7)
    assert outcome.shortages == ()
    assert len(outcome.assignments) == 12
    assert {(load.given, load.received) for load in outcome.loads} == {(2, 2)}
    assert all(one.work_id // 1000 == one.reviewer_id // 100 for one in outcome.assignments)


def test_excluding_the_own_school_in_a_pool_of_the_own_school_shows_every_shortage() -> None:
    works = school(1, 3) + school(2, 3)
    outcome = allocate(works, reviewers_of(works), AllocationRule(exclude_own_school=True), seed=7)
    assert outcome.assignments == ()
    assert outcome.shortages == tuple(sorted(Shortage(work.id, 2, Why.OWN_SCHOOL_EXCLUDED) for work in works))


def test_three_and_two_teachers_with_three_reviews_cannot_be_filled_without_the_own_school() -> None:
    works = school(1, 3) + school(2, 2)
    rule = AllocationRule(reviews_per_work=3, pool=Pool.DISTRICT, exclude_own_school=True)
    outcome = allocate(works, reviewers_of(works), rule, seed=1)
    assert [(one.work_id // 1000, one.short, one.why) for one in outcome.shortages] == [
        (1, 1, Why.OWN_SCHOOL_EXCLUDED)
    ] * 3
    assert len(outcome.assignments) == 12


def test_a_teacher_alone_in_the_school_has_nobody_in_the_pool() -> None:
    works = school(1, 1) + school(2, 3)
    outcome = allocate(works, reviewers_of(works), AllocationRule(), seed=1)
    assert outcome.shortages == (Shortage(1000, 2, Why.NO_REVIEWER_IN_POOL),)
    grouped = [replace(work, group_id=9) for work in works]
    assert allocate(grouped, reviewers_of(grouped), AllocationRule(pool=Pool.OWN_GROUP), seed=1).shortages == ()


def test_people_whose_school_is_unknown_are_not_colleagues_of_each_other() -> None:
    works = [Work(1, 1, None), Work(2, 2, None), Work(3, 3, None)]
    assert len(allocate(works, reviewers_of(works), AllocationRule(pool=Pool.OWN_GROUP), 1).shortages) == 3
    assert allocate(works, reviewers_of(works), DISTRICT, 1).shortages == ()


def test_duty_is_what_one_receives_and_one_more_at_most() -> None:
    works = [*school(1, 1, works=5), Work(2, 200, 1), Work(3, 300, 1)]
    outcome = allocate(works, reviewers_of(works), AllocationRule(max_reviews=20), seed=3)
    # Three people; those with one work each take three, the author of five all that is left to review.
    assert given_by(outcome) == {100: 2, 200: 3, 300: 3}
    assert {one.why for one in outcome.shortages} == {Why.EVERYONE_AT_LIMIT}
    assert sum(one.short for one in outcome.shortages) == 7 * 2 - 8
    # Every work has its first reviewer before any has its second.
    assert {one.work_id for one in outcome.assignments} == {work.id for work in works}


def test_nobody_owes_more_than_the_limit() -> None:
    works = school(1, 4, works=5)
    outcome = allocate(works, reviewers_of(works), AllocationRule(max_reviews=6), seed=3)
    assert set(given_by(outcome).values()) == {6}
    assert sum(one.short for one in outcome.shortages) == 4 * 5 * 2 - 24
    assert {one.why for one in outcome.shortages} == {Why.EVERYONE_AT_LIMIT}


def test_reviews_owed_elsewhere_count_towards_the_limit() -> None:
    works = school(1, 3)
    people = [replace(person, owed_now=3 if person.id == 100 else 0) for person in reviewers_of(works)]
    outcome = allocate(works, people, AllocationRule(), seed=3)
    assert given_by(outcome)[100] == 3
    assert sum(one.short for one in outcome.shortages) == 2


def test_only_people_with_a_live_work_are_in_the_pool_unless_the_rule_opens_it() -> None:
    works = [Work(1, 1, 1)]
    people = [Reviewer(1, 1), Reviewer(2, 1), Reviewer(3, 1)]
    assert allocate(works, people, AllocationRule(), 1).shortages == (Shortage(1, 2, Why.EVERYONE_AT_LIMIT),)
    opened = allocate(works, people, AllocationRule(duty_slack=None), 1)
    assert opened.assignments == (Assignment(1, 2), Assignment(1, 3))


def test_the_same_subject_is_preferred_and_others_help_out() -> None:
    works = school(1, 4, subject="语文") + school(1, 6, subject="数学")[4:] + [Work(9, 9, 1, None, "音乐")]
    subject = {work.author_id: work.subject for work in works} | {work.id: work.subject for work in works}
    outcome = allocate(works, reviewers_of(works), AllocationRule(), seed=5)
    assert outcome.shortages == ()
    assert {load.given - load.received for load in outcome.loads} == {0}
    crossed = [one for one in outcome.assignments if subject[one.work_id] != subject[one.reviewer_id]]
    # Music has nobody else (2 crossed in, 2 crossed out); mathematics has two people, so one review of each crosses.
    assert len(crossed) <= 6
    assert all({subject[one.work_id], subject[one.reviewer_id]} != {"语文"} for one in crossed)


def test_enough_people_of_the_subject_review_each_other_alone() -> None:
    works = [Work(n, n, 1, None, "语文" if n % 2 else "数学") for n in range(1, 41)]
    outcome = allocate(works, reviewers_of(works), AllocationRule(), seed=11)
    assert all(one.work_id % 2 == one.reviewer_id % 2 for one in outcome.assignments)
    assert len(outcome.assignments) == 80


def grouped(
    works: Sequence[Work], groups: dict[int, set[int]], rule: AllocationRule, seed: int = 1
) -> tuple[Outcome, set[Assignment]]:
    """The plan where these people (by id) are in these groups, and what of it crosses them. All courses have groups."""
    of = {person: frozenset(found) for person, found in groups.items()}
    works = [replace(work, course_groups=of.get(work.author_id, frozenset())) for work in works]
    people = [replace(one, course_groups=of.get(one.id, frozenset())) for one in reviewers_of(works)]
    outcome = allocate(works, people, rule, seed)
    author = {work.id: work.author_id for work in works}
    none: frozenset[int] = frozenset()
    return outcome, {
        one for one in outcome.assignments if not of.get(author[one.work_id], none) & of.get(one.reviewer_id, none)
    }


FIRST, ONLY = (replace(DISTRICT, course_groups=one) for one in (CourseGroups.FIRST, CourseGroups.ONLY))


def test_course_groups_count_only_where_the_rule_says_so() -> None:
    works = [*school(1, 8), *school(2, 8)]
    groups = {work.author_id: {work.author_id % 4} for work in works}
    assert grouped(works, groups, DISTRICT)[1]
    for rule in (FIRST, ONLY):
        outcome, crossing = grouped(works, groups, rule)
        assert crossing == set()
        assert outcome.shortages == ()


def test_the_group_comes_before_the_subject_and_the_subject_counts_within_it() -> None:
    works = [Work(n, n, 1, None, "语文" if n % 2 else "数学") for n in range(1, 25)]
    groups = {n: {1 if n <= 12 else 2} for n in range(1, 25)}
    outcome, crossing = grouped(works, groups, FIRST)
    assert crossing == set()
    assert all(one.work_id % 2 == one.reviewer_id % 2 for one in outcome.assignments)
    # A group without a second teacher of the subject: the group all the same.
    outcome, crossing = grouped(works, {n: {n % 6} if n % 6 > 1 else {6} for n in range(1, 25)}, FIRST)
    assert crossing == set()
    assert outcome.shortages == ()


def test_a_group_that_is_too_small_is_helped_out_by_the_pool_or_told() -> None:
    works = school(1, 8)
    groups = {100: {1}, 101: {1}, **{100 + n: {2} for n in range(2, 8)}}
    outcome, crossing = grouped(works, groups, FIRST)
    assert outcome.shortages == ()
    assert {load.given for load in outcome.loads} == {2}  # nobody gives more because of a group
    helped = [one for one in crossing if one.work_id in (1000, 1010)]
    assert len(helped) == 2  # one reviewer of the two works is a mate, one comes from outside
    outcome, crossing = grouped(works, groups, ONLY)
    assert crossing == set()
    assert outcome.shortages == tuple(Shortage(work, 1, Why.COURSE_GROUP_TOO_SMALL) for work in (1000, 1010))


def test_who_is_in_no_group_is_reviewed_by_the_pool_or_told() -> None:
    works = school(1, 5)
    groups: dict[int, set[int]] = {100 + n: {1} for n in range(4)}
    assert grouped(works, groups, FIRST)[0].shortages == ()
    outcome, crossing = grouped(works, groups, ONLY)
    assert outcome.shortages == (Shortage(1040, 2, Why.NO_COURSE_GROUP),)
    assert crossing == set()
    # Where the author's course has no groups, there is nothing that could bind.
    loose = [replace(work, course_groups=None) for work in works]
    assert allocate(loose, reviewers_of(loose), ONLY, 1).shortages == ()


def test_groups_let_nobody_in_whom_the_pool_keeps_out() -> None:
    works = [*school(1, 3), *school(2, 3)]
    one_group = {work.author_id: {1} for work in works}
    outcome, _crossing = grouped(works, one_group, AllocationRule(course_groups=CourseGroups.FIRST))
    assert all(one.work_id // 1000 == one.reviewer_id // 100 for one in outcome.assignments)
    by_school = {work.author_id: {work.school_id or 0} for work in works}
    for rule, why in ((FIRST, None), (ONLY, Why.OWN_SCHOOL_EXCLUDED)):
        outcome, _crossing = grouped(works, by_school, replace(rule, exclude_own_school=True))
        assert all(one.work_id // 1000 != one.reviewer_id // 100 for one in outcome.assignments)
        assert {one.why for one in outcome.shortages} == ({why} if why else set())


def test_who_is_kept_out_by_two_rules_is_told_of_both() -> None:
    """To widen the pool would change nothing, nor would either rule alone."""
    works = [Work(10, 1, 1, None, "语文"), Work(20, 2, 1, None, "数学"), Work(30, 3, 1, None, "英语")]
    rule = replace(DISTRICT, reviews_per_work=1, exclude_own_school=True, only_same_subject=True)
    outcome = allocate(works, reviewers_of(works), rule, 1)
    assert {one.why for one in outcome.shortages} == {Why.RULES_TOGETHER}
    for half in (replace(rule, exclude_own_school=False), replace(rule, only_same_subject=False)):
        assert allocate(works, reviewers_of(works), half, 1).assignments == ()
    assert allocate(works, reviewers_of(works), rule.of_pool_alone(), 1).shortages == ()
    alone = allocate(works[:1], reviewers_of(works[:1]), rule, 1)
    assert {one.why for one in alone.shortages} == {Why.NO_REVIEWER_IN_POOL}


@given(
    st.lists(st.integers(4, 7), min_size=1, max_size=4),
    st.integers(1, 2),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([FIRST, ONLY]),
    st.integers(),
)
@settings(max_examples=60, deadline=None)
def test_groups_that_suffice_stay_among_themselves(
    sizes: list[int], each: int, reviews: int, subjects: bool, rule: AllocationRule, seed: int
) -> None:
    """Whatever else is preferred: where a group has enough people of its own, nobody comes from outside, all are
    reviewed, and all give what they receive."""
    group = [number for number, size in enumerate(sizes) for _ in range(size)]
    works = [
        Work(person * 10 + n, person, None, None, "语文" if person % 3 else "数学")
        for person in range(len(group))
        for n in range(each)
    ]
    rule = replace(rule, reviews_per_work=reviews, max_reviews=50, prefer_same_subject=subjects)
    outcome, crossing = grouped(works, {person: {number} for person, number in enumerate(group)}, rule, seed)
    assert crossing == set()
    assert outcome.shortages == ()
    assert {load.given - load.received for load in outcome.loads} == {0}


def test_refusals_and_recusals_are_kept() -> None:
    works = school(1, 4)
    people = reviewers_of(works)
    people[0] = replace(people[0], refused_works=frozenset({1010}), recused_authors=frozenset({102}))
    for seed in range(20):
        outcome = allocate(works, people, AllocationRule(), seed)
        assert outcome.shortages == ()
        assert not {Assignment(1010, 100), Assignment(1020, 100)} & set(outcome.assignments)


def test_an_author_who_moved_has_colleagues_in_both_schools() -> None:
    works = [Work(1, 1, 1), Work(2, 2, 2), Work(3, 3, 3), Work(4, 4, 4)]
    people = [Reviewer(1, 2), Reviewer(2, 2), Reviewer(3, 3), Reviewer(4, 4)]
    rule = AllocationRule(pool=Pool.DISTRICT, exclude_own_school=True)
    for seed in range(10):
        assert Assignment(1, 2) not in allocate(works, people, rule, seed).assignments


def test_a_top_up_adds_the_least_and_keeps_what_stands() -> None:
    works = school(1, 6)
    first = allocate(works, reviewers_of(works), AllocationRule(), seed=1)
    assert allocate(works, reviewers_of(works), AllocationRule(), 2, first.assignments).assignments == ()
    lost = first.assignments[0]
    people = [
        replace(person, refused_works=frozenset({lost.work_id})) if person.id == lost.reviewer_id else person
        for person in reviewers_of(works)
    ]
    second = allocate(works, people, AllocationRule(), 2, first.assignments[1:])
    assert [one.work_id for one in second.assignments] == [lost.work_id]
    assert second.assignments[0].reviewer_id != lost.reviewer_id


def test_a_reviewer_who_left_still_counts_for_the_work() -> None:
    works = school(1, 3)
    gone = [Assignment(1000, 999), Assignment(1000, 998)]
    outcome = allocate(works, reviewers_of(works), AllocationRule(), 1, gone)
    assert not [one for one in outcome.assignments if one.work_id == 1000]


def test_a_third_reviewer_comes_only_where_two_differ_on_pass() -> None:
    works = school(1, 5)
    people = reviewers_of(works)
    first = allocate(works, people, AllocationRule(), seed=1)

    def third(levels: Sequence[int], existing: Sequence[Assignment] = first.assignments) -> Outcome:
        return third_reviewer(works[0], works, people, AllocationRule(), 4, existing, levels)

    assert third([1, 2]).assignments == ()
    assert third([0, 0]).assignments == ()
    assert third([0]).assignments == ()
    added = third([0, 2]).assignments
    assert [one.work_id for one in added] == [works[0].id]
    assert not set(added) & set(first.assignments)
    assert added[0].reviewer_id != works[0].author_id
    assert third([0, 1], [*first.assignments, *added]).assignments == ()
    with pytest.raises(ValueError, match="one of the works"):
        third_reviewer(Work(5, 5, 5), works, people, AllocationRule(), 4, first.assignments, [0, 1])


def test_a_third_reviewer_who_cannot_be_found_is_a_shortage() -> None:
    works = school(1, 3)
    first = allocate(works, reviewers_of(works), AllocationRule(), seed=1)
    outcome = third_reviewer(works[0], works, reviewers_of(works), AllocationRule(), 1, first.assignments, [0, 1])
    assert outcome.shortages == (Shortage(works[0].id, 1, Why.NO_REVIEWER_IN_POOL),)


def test_no_reviews_no_works_no_people() -> None:
    works = school(1, 3)
    assert allocate(works, reviewers_of(works), AllocationRule(reviews_per_work=0), 1).assignments == ()
    assert allocate([], [], AllocationRule(), 1) == Outcome((), (), ())
    assert len(allocate(works, [], AllocationRule(), 1).shortages) == 3


def test_one_id_for_two_people_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one id"):
        allocate([], [Reviewer(1, 1), Reviewer(1, 2)], AllocationRule(), 1)
    allocate([], [Reviewer(1, 1), Reviewer(1, 1)], AllocationRule(), 1)


@pytest.mark.parametrize(
    "wrong",
    [{"reviews_per_work": 10}, {"max_reviews": 0}, {"pool": "everyone"}, {"duty_slack": -1}, {"course_groups": "all"}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        AllocationRule(**wrong)


@pytest.mark.parametrize("groups", CourseGroups)
@pytest.mark.parametrize("schools", [1, 20])
def test_four_hundred_works_take_less_than_two_seconds(schools: int, groups: CourseGroups) -> None:
    works = [Work(n, n, n % schools, None, f"学科{n % 13}", frozenset({n % 29})) for n in range(400)]
    rule = AllocationRule(pool=Pool.DISTRICT, exclude_own_school=schools > 1, course_groups=groups)
    people = [replace(one, course_groups=frozenset({one.id % 29})) for one in reviewers_of(works)]
    started = time.process_time()
    outcome = allocate(works, people, rule, seed=1)
    assert time.process_time() - started < 2
    assert outcome.shortages == ()
    assert set(given_by(outcome).values()) == {2}


# What holds for any pool.


GROUPS = st.frozensets(st.integers(51, 53), max_size=2)


@st.composite
def pools(draw: st.DrawFn, most: int = 14) -> tuple[list[Work], list[Reviewer], AllocationRule, list[Assignment]]:
    people = [
        Reviewer(
            number,
            draw(st.sampled_from([None, 1, 1, 2, 3])),
            draw(st.sampled_from([None, 8, 9])),
            draw(st.sampled_from(["", "语文", "数学"])),
            draw(st.sampled_from([0, 0, 0, 1])),
            frozenset(draw(st.lists(st.integers(100, 100 + most), max_size=1))),
            frozenset(draw(st.lists(st.integers(1, most), max_size=1))),
            draw(GROUPS),
            draw(st.sampled_from(["", "小学", "初中"])),
            past_authors=frozenset(draw(st.lists(st.integers(1, most), max_size=1))),
        )
        for number in range(1, draw(st.integers(1, most)) + 1)
    ]
    works = []
    for number in range(100, 100 + draw(st.integers(0, most))):
        author = draw(st.sampled_from(people))
        groups = draw(st.sampled_from([author.course_groups, author.course_groups, None]))
        works.append(Work(number, author.id, author.school_id, author.group_id, author.subject, groups, author.stage))
    rule = AllocationRule(
        reviews_per_work=draw(st.integers(1, 3)),
        max_reviews=draw(st.integers(1, 6)),
        pool=draw(st.sampled_from(Pool)),
        exclude_own_school=draw(st.booleans()),
        prefer_same_subject=draw(st.booleans()),
        course_groups=draw(st.sampled_from(CourseGroups)),
        duty_slack=draw(st.sampled_from([None, 0, 1, 1])),
        exclude_own_group=draw(st.sampled_from([False, False, True])),
        only_same_subject=draw(st.sampled_from([False, False, True])),
        only_same_stage=draw(st.sampled_from([False, False, True])),
        exclude_same_subject=draw(st.sampled_from([False, False, True])),
        exclude_same_stage=draw(st.sampled_from([False, False, True])),
        exclude_past_reviewers=draw(st.booleans()),
    )
    existing = [
        Assignment(work.id, person.id)
        for work in works
        for person in draw(st.lists(st.sampled_from(people), max_size=1))
        if person.id != work.author_id
    ]
    return works, people, rule, existing


def may_review(work: Work, person: Reviewer, people: Mapping[int, Reviewer], rule: AllocationRule) -> bool:
    """The rules once more, in plain words, for one pair."""
    own = work.school_id is not None and work.school_id == person.school_id
    author = people.get(work.author_id)
    moved_to = author.school_id if author is not None else None
    group = work.group_id is not None and work.group_id == person.group_id
    in_pool = {Pool.OWN_SCHOOL: own, Pool.OWN_GROUP: own or group, Pool.DISTRICT: True}[rule.pool]
    excluded = rule.exclude_own_school and (own or (moved_to is not None and moved_to == person.school_id))
    refused = work.id in person.refused_works or work.author_id in person.recused_authors
    bound = rule.course_groups is CourseGroups.ONLY and work.course_groups is not None
    outside = bound and not work.course_groups & person.course_groups
    if rule.exclude_own_group:
        now_in = author.group_id if author is not None else None
        colleague = own or (moved_to is not None and moved_to == person.school_id)
        excluded = colleague or group or (now_in is not None and now_in == person.group_id)
    other = rule.only_same_subject and (not work.subject or work.subject != person.subject)
    other |= rule.only_same_stage and (not work.stage or work.stage != person.stage)
    other |= rule.exclude_same_subject and work.subject == person.subject != ""
    other |= rule.exclude_same_stage and work.stage == person.stage != ""
    other |= rule.exclude_past_reviewers and work.author_id in person.past_authors
    return in_pool and not excluded and not refused and not outside and not other and person.id != work.author_id


def meets_nobody_twice(
    new: Iterable[Assignment], works: Mapping[int, Work], rule: AllocationRule, existing: Iterable[Assignment]
) -> bool:
    """Whether, by the rule, nobody is newly given an author whose work they have, or two works of one."""
    if not rule.exclude_past_reviewers:
        return True
    new = list(new)
    had = {(works[one.work_id].author_id, one.reviewer_id) for one in existing}
    met = [(works[one.work_id].author_id, one.reviewer_id) for one in new]
    return len(set(met)) == len(met) and not set(met) & had


def limit_of(person: Reviewer, works: Sequence[Work], rule: AllocationRule) -> int:
    duty = rule.reviews_per_work * sum(work.author_id == person.id for work in works)
    if rule.duty_slack is None:
        return rule.max_reviews
    return min(rule.max_reviews, duty + rule.duty_slack) if duty else 0


@given(pools(), st.integers())
@settings(max_examples=150, deadline=None)
def test_every_rule_is_kept_and_every_missing_review_is_told(
    pool: tuple[list[Work], list[Reviewer], AllocationRule, list[Assignment]], seed: int
) -> None:
    works, people, rule, existing = pool
    outcome = allocate(works, people, rule, seed, existing)
    by_work, by_person = {w.id: w for w in works}, {p.id: p for p in people}

    assert len(set(outcome.assignments)) == len(outcome.assignments)
    assert not set(outcome.assignments) & set(existing)
    for one in outcome.assignments:
        assert may_review(by_work[one.work_id], by_person[one.reviewer_id], by_person, rule)
    assert meets_nobody_twice(outcome.assignments, by_work, rule, existing)

    load = Counter(one.reviewer_id for one in (*outcome.assignments, *existing))
    added = Counter(one.reviewer_id for one in outcome.assignments)
    for person in people:
        total = load[person.id] + person.owed_now
        assert given_by(outcome)[person.id] == total
        assert not added[person.id] or total <= limit_of(person, works, rule)

    count = Counter(one.work_id for one in (*outcome.assignments, *existing))
    short = {one.work_id: one.short for one in outcome.shortages}
    for work in works:
        assert count[work.id] + short.get(work.id, 0) == rule.reviews_per_work or count[work.id] > rule.reviews_per_work
        received = sum(count[w.id] for w in works if w.author_id == work.author_id)
        assert {one.received for one in outcome.loads if one.reviewer_id == work.author_id} == {received}

    assert allocate(works[::-1], people[::-1], rule, seed, existing[::-1]) == outcome
    topped_up = allocate(works, people, rule, seed + 1, [*existing, *outcome.assignments])
    assert topped_up.assignments == ()
    assert {(one.work_id, one.short) for one in topped_up.shortages} == set(short.items())


@given(st.integers(4, 25), st.integers(1, 3), st.integers())
@settings(max_examples=60, deadline=None)
def test_interchangeable_reviewers_have_equal_loads(teachers: int, reviews: int, seed: int) -> None:
    works = school(1, teachers)
    outcome = allocate(works, reviewers_of(works), AllocationRule(reviews_per_work=reviews), seed)
    assert outcome.shortages == ()
    assert set(given_by(outcome).values()) == {reviews}


@given(st.integers(4, 12), st.integers(1, 4), st.integers(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_volunteers_share_evenly(people: int, works: int, seed: int, reviews: int) -> None:
    """The authors do not review here, so that all reviewers are interchangeable."""
    todo = [Work(n, n, 1) for n in range(works)]
    outcome = allocate(
        todo,
        [Reviewer(100 + n, 1) for n in range(people)],
        AllocationRule(reviews_per_work=reviews, duty_slack=None),
        seed,
    )
    loads = given_by(outcome).values()
    assert outcome.shortages == ()
    assert max(loads) - min(loads) <= 1


def plans(
    works: Sequence[Work], people: Sequence[Reviewer], rule: AllocationRule, existing: Sequence[Assignment]
) -> Iterator[tuple[int, int]]:
    """Every plan that keeps the rules: (reviews placed, unevenness of the loads)."""
    options = []
    for work in works:
        on = {one.reviewer_id for one in existing if one.work_id == work.id}
        able = [p.id for p in people if p.id not in on and may_review(work, p, {one.id: one for one in people}, rule)]
        most = max(0, rule.reviews_per_work - len(on))
        options.append([chosen for size in range(most + 1) for chosen in combinations(able, size)])
    start = Counter({person.id: person.owed_now for person in people})
    start.update(one.reviewer_id for one in existing)
    duty = {p.id: rule.reviews_per_work * sum(w.author_id == p.id for w in works) for p in people}
    limit = {p.id: limit_of(p, works, rule) for p in people}
    for plan in product(*options):
        load = Counter(start)
        added = Counter(person for chosen in plan for person in chosen)
        load.update(added)
        pairs = [Assignment(work.id, person) for work, chosen in zip(works, plan, strict=True) for person in chosen]
        if not meets_nobody_twice(pairs, {work.id: work for work in works}, rule, existing):
            continue
        if all(load[person] <= limit[person] for person in added):
            yield sum(added.values()), sum((load[p.id] - duty[p.id]) ** 2 for p in people)


@given(pools(most=4), st.integers())
@settings(max_examples=80, deadline=None)
def test_no_plan_places_more_reviews_or_shares_them_more_evenly(
    pool: tuple[list[Work], list[Reviewer], AllocationRule, list[Assignment]], seed: int
) -> None:
    works, people, rule, existing = pool
    existing = list(dict.fromkeys(existing))
    outcome = allocate(works, people, rule, seed, existing)
    best = max(placed for placed, _ in plans(works, people, rule, existing))
    assert len(outcome.assignments) == best
    if not outcome.shortages:
        duty = {p.id: rule.reviews_per_work * sum(w.author_id == p.id for w in works) for p in people}
        uneven = sum((load.given - duty[load.reviewer_id]) ** 2 for load in outcome.loads)
        assert uneven == min(cost for placed, cost in plans(works, people, rule, existing) if placed == best)
