"""What an allotment would do, in numbers, before anybody presses the button; nothing is written."""

from collections import Counter
from dataclasses import dataclass, replace
from statistics import median_low

import rubrics
from lms_plugin.flow import former_colleagues
from lms_plugin.flow.review_pool import Plan, Pool

MOST_TRIED = 5_000
"""Works of a pool for which other rules are tried out: each is a plan of its own."""
LARGE_PERCENT = 34  # of the works, from where on one school is named where works are short


@dataclass(frozen=True)
class Choice:
    """Another rule, and how many reviews would be missing under it. `what`: own_school (it may review its own), mates
    (those of its school group may), subjects, stages (any of them), again (who reviewed the author before), own_group,
    district, fewer (one review less for each work), more_each (two more for each person)."""

    what: str
    short: int


@dataclass(frozen=True)
class Preview:
    """What would be done. `least` to `most`: reviews of one person afterwards, with those they have. Percentages are
    of the new reviews. `short`: reviews that nobody is free for, of `short_works` works. `school`: one that has so many
    of the works that it matters, "" = none."""

    reviews: int
    works: int
    people: int
    least: int
    middle: int
    most: int
    other_school_percent: int
    same_subject_percent: int
    short: int
    short_works: int
    school: str
    school_percent: int
    choices: tuple[Choice, ...]


def preview_of(pool: Pool, plan: Plan) -> Preview:
    """The plan in numbers."""
    works, people = {one.id: one for one in pool.works}, {one.id: one for one in pool.reviewers}
    pairs = [(works[slot.submission_id], people[slot.reviewer_id]) for slot in plan.slots]
    given = Counter({load.reviewer_id: load.given for load in plan.planned.loads})
    given.update(one.reviewer_id for one in plan.planned.thirds)
    loads = sorted(given.values()) or [0]
    short = sum(one.short for one in plan.shortages)
    school, percent = _large_school(pool) if short else ("", 0)
    return Preview(
        reviews=len(plan.slots),
        works=plan.filled,
        people=len({slot.reviewer_id for slot in plan.slots}),
        least=loads[0],
        middle=median_low(loads),
        most=loads[-1],
        other_school_percent=_percent(sum(work.school_id != one.school_id for work, one in pairs), len(pairs)),
        same_subject_percent=_percent(sum(work.subject == one.subject != "" for work, one in pairs), len(pairs)),
        short=short,
        short_works=len({one.work_id for one in plan.shortages}),
        school=school,
        school_percent=percent,
        choices=tuple(_choices(plan, short)) if short and len(pool.works) <= MOST_TRIED else (),
    )


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def _large_school(pool: Pool) -> tuple[str, int]:
    schools = Counter(work.school_id for work in pool.works if work.school_id is not None)
    if len(schools) < 2:
        return "", 0
    school, works = schools.most_common(1)[0]
    percent = _percent(works, len(pool.works))
    if percent < LARGE_PERCENT:
        return "", 0
    return pool.school_names.get(school, ""), percent


def _choices(plan: Plan, short: int) -> list[Choice]:
    """Other rules under which less would be missing, tried out one by one."""
    rule = plan.inputs.rule
    pools = list(rubrics.Pool)
    tried: dict[str, rubrics.AllocationRule] = {}
    if rule.exclude_own_school and not rule.exclude_own_group:
        tried["own_school"] = replace(rule, exclude_own_school=False)
    if rule.exclude_own_group:
        tried["mates"] = replace(rule, exclude_own_group=False, exclude_own_school=True)
    if rule.only_same_subject or rule.exclude_same_subject:
        tried["subjects"] = replace(rule, only_same_subject=False, exclude_same_subject=False)
    if rule.only_same_stage or rule.exclude_same_stage:
        tried["stages"] = replace(rule, only_same_stage=False, exclude_same_stage=False)
    if rule.exclude_past_reviewers:
        tried["again"] = replace(rule, exclude_past_reviewers=False)
    for pool in pools[pools.index(rule.pool) + 1 :]:
        tried[pool.value] = replace(rule, pool=pool)
    tried["more_each"] = replace(rule, max_reviews=min(100, rule.max_reviews + 2))
    if rule.reviews_per_work > 1:
        tried["fewer"] = replace(rule, reviews_per_work=rule.reviews_per_work - 1)
    inputs = {what: replace(plan.inputs, rule=other) for what, other in tried.items()}
    if plan.former:
        met = former_colleagues.let_in(plan.inputs.reviewers, plan.former)
        inputs["former"] = replace(plan.inputs, reviewers=met)
    found = []
    for what, other in inputs.items():
        left = rubrics.planned(other, plan.seed).shortages
        missing = sum(one.short for one in left)
        if missing < short:
            found.append(Choice(what, missing))
    return sorted(found, key=lambda one: one.short)
