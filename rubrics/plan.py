"""The exact plan of a pool: works and people as bits under every rule, for `balance.py` to fill."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rubrics.balance import Balance
from rubrics.pool import AllocationRule, Assignment, CourseGroups, Pool, Reviewer, Shortage, Why, Work


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds before a plan, by person: reviews given already, reviews owed, the most they may give, and the school
    and school group they belong to now, of authors in other parts of the pool too."""

    load: Mapping[int, int]
    duty: Mapping[int, int]
    limit: Mapping[int, int]
    homes: Mapping[int, tuple[int | None, int | None]]


class Plan:
    """Works and people numbered in an order drawn from the seed, the rules as bits, and the run itself.

    `on`: who reviews each of these works already, by work; of these some may no longer be among the people.
    """

    def __init__(
        self,
        works: Sequence[Work],
        people: Sequence[Reviewer],
        rule: AllocationRule,
        seed: int,
        standing: Standing,
        on: Mapping[int, Sequence[int]],
    ) -> None:
        def drawn(kind: str) -> Callable[[Work | Reviewer], bytes]:
            return lambda one: hashlib.blake2b(f"{seed}:{kind}:{one.id}".encode(), digest_size=16).digest()

        self.rule = rule
        self.works = sorted(works, key=drawn("work"))
        self.people = sorted(people, key=drawn("reviewer"))
        self.index = {person.id: i for i, person in enumerate(self.people)}
        self.work_index = {work.id: i for i, work in enumerate(self.works)}
        # What keeps people out of each work's pool, and why: masks of those it lets in; `balance.may` are who is left.
        self.bounds: list[tuple[tuple[Why, int], ...]] = []
        self.open: list[int] = []
        self.homes = standing.homes
        here = [self._bits_of(on.get(work.id, ())) for work in self.works]
        count = [len(on.get(work.id, ())) for work in self.works]
        self.balance = Balance(
            may=[],
            liked=[],
            on=here,
            count=count,
            goal=list(count),
            load=[standing.load[person.id] for person in self.people],
            duty=[standing.duty[person.id] for person in self.people],
            limit=[standing.limit[person.id] for person in self.people],
            author=[work.author_id for work in self.works] if rule.exclude_past_reviewers else (),
        )
        self._who_may()

    def _bits_of(self, people: Iterable[int]) -> int:
        found = 0
        for one in people:
            if one in self.index:
                found |= 1 << self.index[one]
        return found

    def _who_may(self) -> None:
        """Fill who may review each work (pool, refusals, exclusion, course group), and whom it would rather have."""
        everyone = (1 << len(self.people)) - 1
        schools: dict[int, int] = {}
        groups: dict[int, int] = {}
        subjects: dict[str, int] = {}
        refusers: dict[int, int] = {}
        recused: dict[int, int] = {}
        mates: dict[int, int] = {}
        stages: dict[str, int] = {}
        past: dict[int, int] = {}
        for i, person in enumerate(self.people):
            bit = 1 << i
            if person.school_id is not None:
                schools[person.school_id] = schools.get(person.school_id, 0) | bit
            if person.group_id is not None:
                groups[person.group_id] = groups.get(person.group_id, 0) | bit
            if person.subject:
                subjects[person.subject] = subjects.get(person.subject, 0) | bit
            if person.stage:
                stages[person.stage] = stages.get(person.stage, 0) | bit
            refused: Iterable[int] = person.refused_works
            if len(person.refused_works) > len(self.works):  # who has gone takes part in nothing: look at these alone
                refused = [work.id for work in self.works if work.id in person.refused_works]
            for work_id in refused:
                refusers[work_id] = refusers.get(work_id, 0) | bit
            for author_id in person.recused_authors:
                recused[author_id] = recused.get(author_id, 0) | bit
            for author_id in person.past_authors:
                past[author_id] = past.get(author_id, 0) | bit
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
            school_now, group_now = self.homes.get(work.author_id, (None, None))
            school |= schools.get(school_now, 0) if school_now is not None else 0
            group |= groups.get(group_now, 0) if group_now is not None else 0
            in_group = 0
            for group_id in work.course_groups or ():
                in_group |= mates.get(group_id, 0)
            of_subject = subjects.get(work.subject, 0) if work.subject else 0
            of_stage = stages.get(work.stage, 0) if work.stage else 0
            bounds = []
            if self.rule.exclude_own_group:
                bounds.append((Why.OWN_GROUP_EXCLUDED, everyone & ~(school | group)))
            elif self.rule.exclude_own_school:
                bounds.append((Why.OWN_SCHOOL_EXCLUDED, everyone & ~school))
            if self.rule.only_same_subject:
                bounds.append((Why.OTHER_SUBJECT, of_subject))
            if self.rule.only_same_stage:
                bounds.append((Why.OTHER_STAGE, of_stage))
            if self.rule.exclude_same_subject:
                bounds.append((Why.SAME_SUBJECT, everyone & ~of_subject))
            if self.rule.exclude_same_stage:
                bounds.append((Why.SAME_STAGE, everyone & ~of_stage))
            if self.rule.course_groups is CourseGroups.ONLY and work.course_groups is not None:
                bounds.append((Why.COURSE_GROUP_TOO_SMALL if work.course_groups else Why.NO_COURSE_GROUP, in_group))
            if self.rule.exclude_past_reviewers:
                bounds.append((Why.PAST_REVIEWER, everyone & ~past.get(work.author_id, 0)))
            self.open.append(pool & ~barred)
            self.bounds.append(tuple(bounds))
            may = self.open[-1]
            for _why, lets_in in bounds:
                may &= lets_in
            self.balance.may.append(may)
            self.balance.liked.append(self._liked(in_group, of_subject))

    def _liked(self, in_group: int, of_subject: int) -> tuple[int, ...]:
        """Whom a work would rather have, the best first: of the group and the subject, of the group, of the subject."""
        rule = self.rule
        by_group = rule.course_groups is CourseGroups.FIRST
        if by_group and rule.prefer_same_subject:
            return in_group & of_subject, in_group, in_group | of_subject
        return (in_group,) if by_group else (of_subject,) if rule.prefer_same_subject else ()

    def start(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Begin with these new reviews, by ids of work and person; they may still move."""
        for work, person in pairs:
            self.balance.begin(self.work_index[work], self.index[person])

    def run(self, goals: Mapping[int, int]) -> None:
        """Bring works to the number of reviewers that `goals` names by work id; other works stay as they are."""
        balance = self.balance
        for work_id, goal in goals.items():
            work = self.work_index[work_id]
            balance.goal[work] = max(goal, balance.count[work])
        balance.run()

    def assignments(self) -> list[Assignment]:
        """The new reviews, in no order."""
        pairs = zip(self.people, self.balance.new, strict=True)
        return [Assignment(self.works[work].id, person.id) for person, new in pairs for work in new]

    def shortages(self) -> list[Shortage]:
        """What could not be filled, in no order."""
        missing = [goal - count for goal, count in zip(self.balance.goal, self.balance.count, strict=True)]
        return [Shortage(self.works[w].id, short, self.why(w)) for w, short in enumerate(missing) if short > 0]

    def why(self, work: int) -> Why:
        """The first thing that would have to change for the work (by its number here) to be filled."""
        on = self.balance.on[work]
        others_of_author = self.balance.taken(work) & ~on
        may = self.balance.may[work] & ~others_of_author
        bounds = [
            (why, lets_in & ~others_of_author if why is Why.PAST_REVIEWER else lets_in)
            for why, lets_in in self.bounds[work]
        ]
        gone = self.balance.count[work] - on.bit_count()
        if (may | on).bit_count() + gone >= self.balance.goal[work]:
            return Why.EVERYONE_AT_LIMIT
        for why, _lets_in in bounds:
            others = self.open[work]
            for reason, lets_in in bounds:
                if reason is not why:
                    others &= lets_in
            if others & ~may & ~on:
                return why
        return Why.RULES_TOGETHER if self.open[work] & ~may & ~on else Why.NO_REVIEWER_IN_POOL
