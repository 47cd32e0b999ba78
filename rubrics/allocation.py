"""Who reviews what: a fair, seeded plan that keeps every rule and says where it could not be filled.

Works ask for k reviewers, reviewers owe what they receive (one more or less). Parts of a pool that have nothing to do
with each other are planned apart: small ones exactly (`plan.py`), large ones by lot and repair (`draw.py`), and what
the draw leaves open exactly again.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rubrics.plan import Plan, Standing
from rubrics.pool import (
    AllocationRule,
    Assignment,
    CourseGroups,
    Load,
    Outcome,
    Pool,
    Reviewer,
    Shortage,
    Why,
    Work,
)

__all__ = [
    "AllocationRule",
    "Assignment",
    "CourseGroups",
    "Load",
    "Outcome",
    "Pool",
    "Reviewer",
    "Shortage",
    "Why",
    "Work",
    "allocate",
    "room_of",
    "third_reviewer",
    "VERSION",
]

VERSION = 5  # of the plan: raised with every change after which the same pool and seed may give another plan

FEW = 60  # works of a part that is planned exactly from the start
MOST_WISHES = 400  # works of a part in which the last wish for a subject or group is looked after
MOST_EXACT = 4_000  # works of a part in which what the draw left open is sought along all paths

_On = Mapping[int, Sequence[int]]


def allocate(
    works: Sequence[Work],
    reviewers: Sequence[Reviewer],
    rule: AllocationRule,
    seed: int,
    existing: Sequence[Assignment] = (),
) -> Outcome:
    """Plan the reviews that are still missing.

    `works` are all live works of the pool (also those that have their reviewers: they set each person's duty),
    `existing` all live assignments (recused and void ones left out); they are kept, whatever today's rule says, and
    only what is missing is added. As many reviews as possible are placed, every work its first before any its second;
    then loads are as even as the rules allow; then the course group and the same subject are preferred. Never oneself,
    never a person twice for one work, never above the quota, else never above `max_reviews` or duty; by the rule, never
    a person for two works of one author. The same input and seed give the same plan, whatever the order of the input.
    Raises ValueError when an id stands for two different works or people.
    """
    standing, on = _before(works, reviewers, rule, seed, existing)
    reviewers = _who_know(works, reviewers, rule, on)
    known, people = list(set(works)), list(set(reviewers))
    assignments: list[Assignment] = []
    shortages: list[Shortage] = []
    is_proven = True
    for of_works, of_people in _parts(known, people, rule):
        if len(of_works) <= FEW:
            plan = Plan(of_works, of_people, rule, seed, standing, on)
            plan.run(dict.fromkeys(plan.work_index, rule.reviews_per_work))
            assignments += plan.assignments()
            shortages += plan.shortages()
        else:
            large = _in_turns if _is_in_turns(of_works, rule) else _large
            placed, missing, proven = large(of_works, of_people, rule, seed, standing, on)
            assignments += placed
            shortages += missing
            is_proven &= proven
    return _outcome(known, people, standing, on, assignments, shortages, is_proven)


def third_reviewer(
    work: Work,
    works: Sequence[Work],
    reviewers: Sequence[Reviewer],
    rule: AllocationRule,
    seed: int,
    existing: Sequence[Assignment],
    point_levels: Sequence[int],
) -> Outcome:
    """One more reviewer for `work` where its reviews differ on pass; otherwise an empty outcome.

    `point_levels` are the computed point levels of its submitted reviews (1 and more is a pass). Nobody is added
    before all agreed reviews are in, nor a second time (more than `reviews_per_work` already assigned). The other
    arguments are those of `allocate`; no other work is touched. Raises ValueError when `work` is not among `works`.
    """
    if work not in works:
        raise ValueError("the work must be one of the works")
    standing, on = _before(works, reviewers, rule, seed, existing)
    assigned = len(on.get(work.id, ()))
    reviewers = _who_know(works, reviewers, rule, on)
    is_due = len(point_levels) >= rule.reviews_per_work >= assigned and len({level >= 1 for level in point_levels}) == 2
    plan = Plan([work], list(set(reviewers)), rule, seed, standing, on)
    plan.run({work.id: rule.reviews_per_work + 1} if is_due else {})
    return _outcome(works, reviewers, standing, on, plan.assignments(), plan.shortages(), True)


def room_of(
    works: Sequence[Work], reviewers: Sequence[Reviewer], rule: AllocationRule, existing: Sequence[Assignment] = ()
) -> dict[int, int]:
    """How many reviews each person may give beyond those they have, as `allocate` counts it: whom they may review is
    not asked. Raises ValueError as `allocate`."""
    standing, _on = _before(works, reviewers, rule, 0, existing)
    return {person: max(0, most - standing.load[person]) for person, most in standing.limit.items()}


def _before(
    works: Sequence[Work],
    reviewers: Sequence[Reviewer],
    rule: AllocationRule,
    seed: int,
    existing: Sequence[Assignment],
) -> tuple[Standing, _On]:
    """What everybody has, owes and may give, and who is on each work already."""
    if len({work.id for work in works}) != len(set(works)) or len({one.id for one in reviewers}) != len(set(reviewers)):
        raise ValueError("one id stands for two different works or people")
    on: dict[int, list[int]] = defaultdict(list)
    load = {person.id: person.owed_now for person in reviewers}
    for one in set(existing):
        on[one.work_id].append(one.reviewer_id)
        if one.reviewer_id in load:
            load[one.reviewer_id] += 1
    written = Counter(author for _id, author in {(work.id, work.author_id) for work in works})
    duty = {person.id: rule.reviews_per_work * written[person.id] for person in reviewers}
    limit = dict.fromkeys(duty, rule.max_reviews)
    quotas = {person.id: person.quota for person in reviewers if person.quota is not None}
    most = dict(duty)  # that anybody owes, however the lot falls
    if quotas:
        others = {person: owed for person, owed in duty.items() if person not in quotas}
        total, whole = max(0, sum(duty.values()) - sum(quotas.values())), max(1, sum(others.values()))
        # Who has a number of their own may be of another school: nobody may do less because of them, only owe less.
        most = {person: max(owed, -(-owed * total // whole)) for person, owed in others.items()}
        duty = quotas | _shares(others, total, seed)
    if rule.duty_slack is not None:
        # Who has no live work is not in the pool and owes nothing.
        limit = {one: min(rule.max_reviews, owed + rule.duty_slack) if owed else 0 for one, owed in most.items()}
    homes = {one.id: (one.school_id, one.group_id) for one in reviewers}
    return Standing(load, duty, limit | quotas, homes), on


def _who_know(
    works: Sequence[Work], reviewers: Sequence[Reviewer], rule: AllocationRule, on: _On
) -> Sequence[Reviewer]:
    """The same people; where nobody is to review two works of one author, with the authors they have now."""
    if not rule.exclude_past_reviewers:
        return reviewers
    met: dict[int, set[int]] = defaultdict(set)
    for work in works:
        for one in on.get(work.id, ()):
            met[one].add(work.author_id)
    return [replace(one, past_authors=one.past_authors | met[one.id]) if one.id in met else one for one in reviewers]


def _shares(weights: Mapping[int, int], total: int, seed: int) -> dict[int, int]:
    """`total` in whole numbers by weight: the largest remainders get what rounding down leaves over."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    found = {one: weight * total // whole for one, weight in weights.items()}

    def first(one: int) -> tuple[int, bytes]:
        drawn = hashlib.blake2b(f"{seed}:share:{one}".encode(), digest_size=8).digest()
        return -(weights[one] * total % whole), drawn

    for one in sorted(weights, key=first)[: total - sum(found.values())]:
        found[one] += 1
    return found


def _parts(works: list[Work], people: list[Reviewer], rule: AllocationRule) -> list[tuple[list[Work], list[Reviewer]]]:
    if len(works) <= FEW:
        return [(works, people)]
    from rubrics.columns import pools  # noqa: PLC0415 - numpy is loaded for large pools alone

    return [([works[i] for i in mine], [people[i] for i in theirs]) for mine, theirs in pools(works, people, rule)]


def _large(
    works: list[Work], people: list[Reviewer], rule: AllocationRule, seed: int, standing: Standing, on: _On
) -> tuple[list[Assignment], list[Shortage], bool]:
    """A part by lot; exactly where that leaves something open and the part is not too large."""
    from rubrics.columns import Columns  # noqa: PLC0415 - as above

    columns = Columns(works, people, rule, standing, on, rule.reviews_per_work)
    drawn = columns.draw(seed)
    pairs = columns.pairs(drawn)
    is_wished = len(works) <= MOST_WISHES and columns.unfulfilled(drawn) > 0
    if is_wished or ((drawn.open or drawn.uneven) and len(works) <= MOST_EXACT):
        return _exactly(pairs, works, people, rule, seed, standing, on)
    return [Assignment(*pair) for pair in pairs], columns.shortages(drawn), not drawn.open


def _exactly(
    pairs: Sequence[tuple[int, int]],
    works: list[Work],
    people: list[Reviewer],
    rule: AllocationRule,
    seed: int,
    standing: Standing,
    on: _On,
) -> tuple[list[Assignment], list[Shortage], bool]:
    """On from these pairs along all paths."""
    plan = Plan(works, people, rule, seed, standing, on)
    plan.start(pairs)
    plan.run(dict.fromkeys(plan.work_index, rule.reviews_per_work))
    return plan.assignments(), plan.shortages(), True


def _is_in_turns(works: Sequence[Work], rule: AllocationRule) -> bool:
    """Whether what one work gets has to do with what another one gets: nobody reviews two works of one author."""
    return rule.exclude_past_reviewers and len({work.author_id for work in works}) < len(works)


def _in_turns(
    works: list[Work], people: list[Reviewer], rule: AllocationRule, seed: int, standing: Standing, on: _On
) -> tuple[list[Assignment], list[Shortage], bool]:
    """As `_large`, one work of each author at a time, each its first reviewer before any its second: so a draw never
    sees two works of one author, and who has had the one is kept from the others."""
    from rubrics.columns import Columns  # noqa: PLC0415 - as above

    turns: dict[int, list[Work]] = defaultdict(list)
    written = Counter[int]()
    for work in sorted(works, key=lambda one: one.id):
        turns[written[work.author_id]].append(work)
        written[work.author_id] += 1
    authors = {work.id: work.author_id for work in works}
    load, now_on = dict(standing.load), {work.id: list(on.get(work.id, ())) for work in works}
    pairs: list[tuple[int, int]] = []
    before = people
    for goal in range(1, rule.reviews_per_work + 1):
        for turn, some in turns.items():
            now = replace(standing, load=load)
            drawn = Columns(some, people, rule, now, now_on, goal)
            found = drawn.pairs(drawn.draw(seed, f":{goal}:{turn}"))
            pairs += found
            met: dict[int, set[int]] = defaultdict(set)
            for work_id, person in found:
                load[person] += 1
                now_on[work_id].append(person)
                met[person].add(authors[work_id])
            people = [
                replace(one, past_authors=one.past_authors | met[one.id]) if one.id in met else one for one in people
            ]
    left = Columns(works, people, rule, replace(standing, load=load), now_on, rule.reviews_per_work)
    missing = left.shortages()
    if missing and len(works) <= MOST_EXACT:
        return _exactly(pairs, works, before, rule, seed, standing, on)  # who is to meet whom may still change
    return [Assignment(*pair) for pair in pairs], missing, not missing


def _outcome(
    works: Sequence[Work],
    people: Sequence[Reviewer],
    standing: Standing,
    on: _On,
    assignments: list[Assignment],
    shortages: list[Shortage],
    is_proven: bool,
) -> Outcome:
    """The plan as values, sorted by id."""
    given = Counter(one.reviewer_id for one in assignments)
    of_work = Counter(one.work_id for one in assignments)
    received = Counter[int]()
    for work in set(works):
        received[work.author_id] += of_work[work.id] + len(on.get(work.id, ()))
    loads = [Load(one.id, standing.load[one.id] + given[one.id], received[one.id]) for one in set(people)]
    return Outcome(
        assignments=tuple(sorted(assignments, key=lambda one: (one.work_id, one.reviewer_id))),
        shortages=tuple(sorted(shortages)),
        loads=tuple(sorted(loads, key=lambda one: one.reviewer_id)),
        is_proven=is_proven,
    )
