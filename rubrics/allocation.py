"""Who reviews what: a fair, seeded plan that keeps every rule and says where it could not be filled.

Works ask for k reviewers, reviewers owe what they receive (one more or less); `balance.py` does the counting.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lms_plugin.errors import Invalid
from rubrics.balance import Balance


class Pool(StrEnum):
    """From where the reviewers of a work come. own_group: the same school or the same school group."""

    OWN_SCHOOL = "own_school"
    OWN_GROUP = "own_group"
    DISTRICT = "district"


class CourseGroups(StrEnum):
    """What the groups of a course count: nothing; whoever shares one with the author comes first; nobody else may."""

    OFF = "off"
    FIRST = "first"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Work:
    """A submitted work. School and group are those of the day of submission; None = not known.

    `course_groups`: the author's groups in their courses; None = their courses have no groups, so that no rule about
    them binds this work.
    """

    id: int
    author_id: int
    school_id: int | None
    group_id: int | None = None
    subject: str = ""
    course_groups: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who may review; an author of several works is one reviewer.

    `owed_now` counts the reviews this person was given in the programme that are *not* in `existing`.
    """

    id: int
    school_id: int | None
    group_id: int | None = None
    subject: str = ""
    owed_now: int = 0
    refused_works: frozenset[int] = frozenset()
    recused_authors: frozenset[int] = frozenset()
    course_groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AllocationRule:
    """A programme's review policy.

    `reviews_per_work` 0 switches peer review off. `duty_slack`: how many reviews one may give beyond those one
    receives (1 by the rule "received ± 1"); None lets people without a work review too, up to `max_reviews`.
    `course_groups` counts within the pool: it lets nobody in whom the pool or the exclusion keeps out, and whoever is
    in the author's group comes before whoever is of the same subject. Raises Invalid naming the field.
    """

    reviews_per_work: int = 2
    max_reviews: int = 6
    pool: Pool = Pool.OWN_SCHOOL
    exclude_own_school: bool = False
    prefer_same_subject: bool = True
    course_groups: CourseGroups = CourseGroups.OFF
    duty_slack: int | None = 1

    def __post_init__(self) -> None:
        wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
        if not 0 <= self.reviews_per_work <= 9:
            wrong["reviews_per_work"] = "allocation.reviews_out_of_range"
        if not 1 <= self.max_reviews <= 100:
            wrong["max_reviews"] = "allocation.max_out_of_range"
        if self.pool not in tuple(Pool):
            wrong["pool"] = "allocation.pool_unknown"
        if self.course_groups not in tuple(CourseGroups):
            wrong["course_groups"] = "allocation.groups_unknown"
        if self.duty_slack is not None and self.duty_slack < 0:
            wrong["duty_slack"] = "allocation.slack_negative"
        if wrong:
            raise Invalid(wrong)
        object.__setattr__(self, "pool", Pool(self.pool))  # a rule read back from JSON is the same rule
        object.__setattr__(self, "course_groups", CourseGroups(self.course_groups))


@dataclass(frozen=True, slots=True, order=True)
class Assignment:
    """This person reviews this work."""

    work_id: int
    reviewer_id: int


class Why(StrEnum):
    """Why a work has fewer reviewers than it should.

    own_school_excluded: colleagues of the author's school could fill it, but the programme excludes them.
    course_group_too_small, no_course_group: others of the pool could fill it, but the programme takes reviewers from
    the author's course group alone, which has too few people, or the author is in none.
    no_reviewer_in_pool: too few people may review it at all. everyone_at_limit: enough may, but all owe enough.
    """

    NO_REVIEWER_IN_POOL = "no_reviewer_in_pool"
    EVERYONE_AT_LIMIT = "everyone_at_limit"
    OWN_SCHOOL_EXCLUDED = "own_school_excluded"
    COURSE_GROUP_TOO_SMALL = "course_group_too_small"
    NO_COURSE_GROUP = "no_course_group"


@dataclass(frozen=True, slots=True, order=True)
class Shortage:
    """`short` reviewers are missing for this work."""

    work_id: int
    short: int
    why: Why


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """What one person gives and receives once the plan is carried out, existing reviews included."""

    reviewer_id: int
    given: int
    received: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`assignments` are the new ones alone, sorted; `shortages` what could not be filled; `loads` one per reviewer."""

    assignments: tuple[Assignment, ...]
    shortages: tuple[Shortage, ...]
    loads: tuple[Load, ...]


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
    never a person twice for one work, never above `max_reviews` or duty. The same input and seed give the same plan,
    whatever the order of the input. Raises ValueError when an id stands for two different works or people.
    """
    plan = _Plan(works, reviewers, rule, seed, existing)
    plan.run({work.id: rule.reviews_per_work for work in works})
    return plan.outcome()


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
    assigned = sum(one.work_id == work.id for one in existing)
    plan = _Plan(works, reviewers, rule, seed, existing)
    is_due = len(point_levels) >= rule.reviews_per_work >= assigned and len({level >= 1 for level in point_levels}) == 2
    plan.run({work.id: rule.reviews_per_work + 1} if is_due else {})
    return plan.outcome()


class _Plan:
    """Works and people numbered in an order drawn from the seed, the rules as bits, and the run itself."""

    def __init__(
        self,
        works: Sequence[Work],
        reviewers: Sequence[Reviewer],
        rule: AllocationRule,
        seed: int,
        existing: Sequence[Assignment],
    ) -> None:
        def drawn(kind: str) -> Callable[[int], bytes]:
            return lambda id_: hashlib.blake2b(f"{seed}:{kind}:{id_}".encode(), digest_size=16).digest()

        self.rule = rule
        work_by_id, people = {work.id: work for work in works}, {person.id: person for person in reviewers}
        if len(work_by_id) != len(set(works)) or len(people) != len(set(reviewers)):
            raise ValueError("one id stands for two different works or people")
        self.works = [work_by_id[id_] for id_ in sorted(work_by_id, key=drawn("work"))]
        self.people = [people[id_] for id_ in sorted(people, key=drawn("reviewer"))]
        self.index = {person.id: i for i, person in enumerate(self.people)}
        self.work_index = {work.id: i for i, work in enumerate(self.works)}
        # Who might review each work were the own school not excluded, or the course group not asked for; `balance.may`
        # is who truly may.
        self.colleagues: list[int] = []
        self.outsiders: list[int] = []

        written = dict.fromkeys(self.index, 0)
        for work in self.works:
            if work.author_id in written:
                written[work.author_id] += 1
        duty = [rule.reviews_per_work * written[person.id] for person in self.people]
        limit = [rule.max_reviews] * len(self.people)
        if rule.duty_slack is not None:
            # Who has no live work is not in the pool and owes nothing.
            limit = [min(rule.max_reviews, owed + rule.duty_slack) if owed else 0 for owed in duty]
        nobody = [0] * len(self.works)
        self.balance = Balance(
            may=[],
            liked=[],
            on=list(nobody),
            count=list(nobody),
            goal=list(nobody),
            load=[person.owed_now for person in self.people],
            duty=duty,
            limit=limit,
        )
        self._keep(existing)
        self._who_may()

    def _keep(self, existing: Sequence[Assignment]) -> None:
        """Count the assignments that stand; they never move."""
        balance = self.balance
        for one in set(existing):
            reviewer, work = self.index.get(one.reviewer_id), self.work_index.get(one.work_id)
            if reviewer is not None:
                balance.load[reviewer] += 1
            if work is not None:
                balance.count[work] += 1
                if reviewer is not None:
                    balance.on[work] |= 1 << reviewer
        balance.goal = list(balance.count)

    def _who_may(self) -> None:
        """Fill who may review each work (pool, refusals, exclusion, course group), and whom it would rather have."""
        everyone = (1 << len(self.people)) - 1
        schools: dict[int, int] = {}
        groups: dict[int, int] = {}
        subjects: dict[str, int] = {}
        refusers: dict[int, int] = {}
        recused: dict[int, int] = {}
        mates: dict[int, int] = {}
        for i, person in enumerate(self.people):
            bit = 1 << i
            if person.school_id is not None:
                schools[person.school_id] = schools.get(person.school_id, 0) | bit
            if person.group_id is not None:
                groups[person.group_id] = groups.get(person.group_id, 0) | bit
            if person.subject:
                subjects[person.subject] = subjects.get(person.subject, 0) | bit
            for work_id in person.refused_works:
                refusers[work_id] = refusers.get(work_id, 0) | bit
            for author_id in person.recused_authors:
                recused[author_id] = recused.get(author_id, 0) | bit
            for group_id in person.course_groups:
                mates[group_id] = mates.get(group_id, 0) | bit

        for work in self.works:
            school = schools.get(work.school_id, 0) if work.school_id is not None else 0
            group = groups.get(work.group_id, 0) if work.group_id is not None else 0
            pool = {Pool.OWN_SCHOOL: school, Pool.OWN_GROUP: school | group, Pool.DISTRICT: everyone}[self.rule.pool]
            barred = refusers.get(work.id, 0) | recused.get(work.author_id, 0)
            author = self.index.get(work.author_id)
            if author is not None:
                barred |= 1 << author
                # An author who moved has colleagues in both schools.
                now_at = self.people[author].school_id
                school |= schools.get(now_at, 0) if now_at is not None else 0
            excluded = school if self.rule.exclude_own_school else 0
            in_group = 0
            for group_id in work.course_groups or ():
                in_group |= mates.get(group_id, 0)
            is_bound = self.rule.course_groups is CourseGroups.ONLY and work.course_groups is not None
            asked_for = in_group if is_bound else everyone
            self.balance.may.append(pool & asked_for & ~barred & ~excluded)
            self.colleagues.append(pool & asked_for & ~barred)
            self.outsiders.append(pool & ~barred & ~excluded)
            self.balance.liked.append(self._liked(in_group, subjects.get(work.subject, 0) if work.subject else 0))

    def _liked(self, in_group: int, of_subject: int) -> tuple[int, ...]:
        """Whom a work would rather have, the best first: of the group and the subject, of the group, of the subject."""
        rule = self.rule
        by_group = rule.course_groups is CourseGroups.FIRST
        if by_group and rule.prefer_same_subject:
            return in_group & of_subject, in_group, in_group | of_subject
        return (in_group,) if by_group else (of_subject,) if rule.prefer_same_subject else ()

    def run(self, goals: dict[int, int]) -> None:
        """Bring works to the number of reviewers that `goals` names by work id; other works stay as they are."""
        for work_id, goal in goals.items():
            work = self.work_index[work_id]
            self.balance.goal[work] = max(goal, self.balance.count[work])
        self.balance.run()

    def _why(self, work: int) -> Why:
        """The first thing that would have to change for the work to be filled."""
        may, on = self.balance.may[work], self.balance.on[work]
        gone = self.balance.count[work] - on.bit_count()
        if (may | on).bit_count() + gone >= self.balance.goal[work]:
            return Why.EVERYONE_AT_LIMIT
        if self.colleagues[work] & ~may & ~on:
            return Why.OWN_SCHOOL_EXCLUDED
        if self.outsiders[work] & ~may & ~on:
            return Why.COURSE_GROUP_TOO_SMALL if self.works[work].course_groups else Why.NO_COURSE_GROUP
        return Why.NO_REVIEWER_IN_POOL

    def outcome(self) -> Outcome:
        """The plan as values, sorted by id."""
        balance = self.balance
        received: dict[int, int] = {}
        short = []
        for w, work in enumerate(self.works):
            received[work.author_id] = received.get(work.author_id, 0) + balance.count[w]
            if balance.count[w] < balance.goal[w]:
                short.append(Shortage(work.id, balance.goal[w] - balance.count[w], self._why(w)))
        pairs = zip(self.people, balance.new, strict=True)
        loads = zip(self.people, balance.load, strict=True)
        return Outcome(
            assignments=tuple(sorted(Assignment(self.works[w].id, person.id) for person, new in pairs for w in new)),
            shortages=tuple(sorted(short)),
            loads=tuple(sorted(Load(person.id, load, received.get(person.id, 0)) for person, load in loads)),
        )
