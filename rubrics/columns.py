"""A large pool in columns of numbers, as the draw takes it, and why what it left open could not be filled."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rubrics import classes
from rubrics.draw import FREE, NONE, Drawn, Ground, Ints, KeyPair, Lots, draw
from rubrics.plan import Standing
from rubrics.pool import AllocationRule, CourseGroups, Pool, Reviewer, Shortage, Why, Work


class Columns:
    """One pool: `works` and `people` sorted by id, so that the order of the input says nothing.

    `on`: who reviews each work already, by work. `goal`: how many each of the works is to have.
    """

    def __init__(
        self,
        works: Sequence[Work],
        people: Sequence[Reviewer],
        rule: AllocationRule,
        standing: Standing,
        on: Mapping[int, Sequence[int]],
        goal: int,
    ) -> None:
        self.works = sorted(works, key=lambda one: one.id)
        self.people = sorted(people, key=lambda one: one.id)
        self.rule = rule
        self.goal = goal
        self._homes = standing.homes
        self._index = {person.id: i for i, person in enumerate(self.people)}
        self._on = on
        self._all_works = frozenset(one.id for one in works)
        self._refusing_all: dict[int, bool] = {}  # by identity: all who have gone share one set
        self._keys()
        size = len(self.people)
        limit = _column(standing.limit[one.id] for one in self.people)
        # Who may take none of these works is not written on slips: else each work would be a pair kept apart.
        limit[[i for i, one in enumerate(self.people) if self._refuses_all(one.refused_works)]] = 0
        differ, must = self._rules(rule)
        self.ground = Ground(
            author=self._author,
            need=_column(max(0, goal - len(on.get(work.id, ()))) for work in self.works),
            load=_column(standing.load[one.id] for one in self.people),
            duty=_column(standing.duty[one.id] for one in self.people),
            limit=limit,
            differ=differ,
            must=must,
            apart=self._apart(size, rule),
            wishes=self._wishes(),
        )

    def _refuses_all(self, refused: frozenset[int]) -> bool:
        """Whether nothing of this part is left; what somebody refused may lie in other parts."""
        if len(refused) < len(self._all_works):
            return False
        known = self._refusing_all.get(id(refused))
        if known is None:
            known = self._refusing_all[id(refused)] = self._all_works <= refused
        return known

    def _keys(self) -> None:
        works, people, codes = self.works, self.people, dict[Hashable, int]()

        def code(value: Hashable) -> int:
            return codes.setdefault(value, len(codes)) if value not in (None, "") else NONE

        self._author = _column(self._index.get(work.author_id, NONE) for work in works)
        # An author who moved has colleagues in both schools.
        homes = [self._homes.get(one.author_id, (None, None)) for one in works]
        self._school = _both((code(one.school_id) for one in works), (code(one.school_id) for one in people))
        self._school_now = _column(code(school) for school, _group in homes), self._school[1]
        codes.clear()
        self._group = _both((code(one.group_id) for one in works), (code(one.group_id) for one in people))
        self._group_now = _column(code(group) for _school, group in homes), self._group[1]
        codes.clear()
        self._subject = _both((code(one.subject) for one in works), (code(one.subject) for one in people))
        codes.clear()
        self._stage = _both((code(one.stage) for one in works), (code(one.stage) for one in people))
        self._mates = self._course_groups() if self.rule.course_groups is not CourseGroups.OFF else ()

    def _course_groups(self) -> tuple[KeyPair, ...]:
        """Every membership of a work's author beside every membership of a reviewer."""
        of_works = [sorted(one.course_groups) if one.course_groups is not None else None for one in self.works]
        of_people = [sorted(one.course_groups) for one in self.people]
        at_works = range(max((len(one) for one in of_works if one is not None), default=0) or 1)
        at_people = range(max(map(len, of_people), default=0) or 1)
        left = [
            _column(FREE if one is None else one[turn] if turn < len(one) else NONE for one in of_works)
            for turn in at_works
        ]
        right = [_column(one[turn] if turn < len(one) else NONE for one in of_people) for turn in at_people]
        return tuple((mine, theirs) for mine in left for theirs in right)

    def _rules(self, rule: AllocationRule) -> tuple[tuple[KeyPair, ...], tuple[tuple[KeyPair, ...], ...]]:
        """What must differ and what must be the same."""
        differ: list[KeyPair] = []
        if rule.exclude_own_school or rule.exclude_own_group:
            differ += [self._school, self._school_now]
        if rule.exclude_own_group:
            differ += [self._group, self._group_now]
        if rule.exclude_same_subject:
            differ.append(self._subject)
        if rule.exclude_same_stage:
            differ.append(self._stage)
        must: list[tuple[KeyPair, ...]] = []
        if rule.pool is not Pool.DISTRICT:
            must.append((self._school, self._group) if rule.pool is Pool.OWN_GROUP else (self._school,))
        if rule.only_same_subject:
            must.append((self._subject,))
        if rule.only_same_stage:
            must.append((self._stage,))
        if rule.course_groups is CourseGroups.ONLY:
            must.append(self._mates)
        return tuple(differ), tuple(must)

    def _wishes(self) -> tuple[KeyPair, ...]:
        """Whom works would rather have, the best first: of the group and the subject, of the group, of the subject."""
        found: list[KeyPair] = []
        if self.rule.course_groups is CourseGroups.FIRST:
            found.append(self._mates[0])
        if self.rule.prefer_same_subject:
            if found:
                found.insert(0, _combined(found[0], self._subject))
            found.append(self._subject)
        return tuple(found)

    def _apart(self, size: int, rule: AllocationRule) -> Ints:
        """Pairs of a work and a person that may not be: they had it, refused it, stepped back from its author, or, by
        the rule, reviewed another work of theirs."""
        at = {work.id: i for i, work in enumerate(self.works)}
        found = [
            i * size + self._index[one]
            for work, i in at.items()
            for one in self._on.get(work, ())
            if one in self._index
        ]
        by_author: dict[int, list[int]] = {}
        is_past = rule.exclude_past_reviewers
        if any(one.recused_authors or (is_past and one.past_authors) for one in self.people):
            for i, work in enumerate(self.works):
                by_author.setdefault(work.author_id, []).append(i)
        for person, one in enumerate(self.people):
            if one.refused_works and not self._refuses_all(one.refused_works):
                refused = one.refused_works
                some = refused if len(refused) < len(at) else at  # whichever is fewer
                found += [at[work] * size + person for work in some if work in at and work in refused]
            for author in one.recused_authors | one.past_authors if is_past else one.recused_authors:
                found += [work * size + person for work in by_author.get(author, ())]
        return np.unique(np.array(found, np.int64))

    def draw(self, seed: int, turn: str = "") -> Drawn:
        """The plan by lot; where it does not come out whole, by classes. Needs at least one work. `turn`: tells draws
        of the same works apart."""
        lots = Lots(seed, f"draw:{self.works[0].id}{turn}")
        drawn = draw(self.ground, lots)
        if drawn.work.size < int(self.ground.need.sum()):
            drawn = classes.fill(self.ground, drawn, lots)
        return drawn

    def unfulfilled(self, drawn: Drawn) -> int:
        """How many reviews are by somebody whom the work did not wish for most."""
        return self.ground.unfulfilled(drawn.work, drawn.person)

    def pairs(self, drawn: Drawn) -> list[tuple[int, int]]:
        """The plan by ids of work and person."""
        works = np.array([one.id for one in self.works], np.int64)[drawn.work].tolist()
        people = np.array([one.id for one in self.people], np.int64)[drawn.person].tolist()
        return list(zip(works, people, strict=True))

    def shortages(self, drawn: Drawn | None = None) -> list[Shortage]:
        """What is still missing (after the draw, if any) and why, as `Plan.why` says it; pairs kept apart count where
        they come from alone."""
        had_now = np.bincount(drawn.work, minlength=len(self.works)) if drawn is not None else 0
        short = self.ground.need - had_now
        missing = np.flatnonzero(short)
        if not missing.size:
            return []
        bounds: list[tuple[Why, AllocationRule]] = []
        rule = self.rule
        if rule.exclude_own_group:
            bounds.append((Why.OWN_GROUP_EXCLUDED, replace(rule, exclude_own_group=False, exclude_own_school=False)))
        elif rule.exclude_own_school:
            bounds.append((Why.OWN_SCHOOL_EXCLUDED, replace(rule, exclude_own_school=False)))
        if rule.only_same_subject:
            bounds.append((Why.OTHER_SUBJECT, replace(rule, only_same_subject=False)))
        if rule.only_same_stage:
            bounds.append((Why.OTHER_STAGE, replace(rule, only_same_stage=False)))
        if rule.exclude_same_subject:
            bounds.append((Why.SAME_SUBJECT, replace(rule, exclude_same_subject=False)))
        if rule.exclude_same_stage:
            bounds.append((Why.SAME_STAGE, replace(rule, exclude_same_stage=False)))
        if rule.course_groups is CourseGroups.ONLY:
            bounds.append((Why.COURSE_GROUP_TOO_SMALL, replace(rule, course_groups=CourseGroups.OFF)))
        if rule.exclude_past_reviewers:
            bounds.append((Why.PAST_REVIEWER, replace(rule, exclude_past_reviewers=False)))
        if len(bounds) > 1:
            bounds.append((Why.RULES_TOGETHER, rule.of_pool_alone()))
        allowed = self._able(self.ground, missing)
        wider = [(why, self._able(self._relaxed(one), missing)) for why, one in bounds]
        found = []
        for turn, at in enumerate(missing.tolist()):
            work, had = self.works[at], len(self._on.get(self.works[at].id, ()))
            why = Why.NO_REVIEWER_IN_POOL
            if int(allowed[turn]) + had >= self.goal:
                why = Why.EVERYONE_AT_LIMIT
            else:
                why = next((one for one, able in wider if able[turn] > allowed[turn]), why)
            if why is Why.COURSE_GROUP_TOO_SMALL and not work.course_groups:
                why = Why.NO_COURSE_GROUP
            found.append(Shortage(work.id, int(short[at]), why))
        return found

    def _relaxed(self, rule: AllocationRule) -> Ground:
        differ, must = self._rules(rule)
        relaxed = replace(self.ground, differ=differ, must=must)
        if rule.exclude_past_reviewers != self.rule.exclude_past_reviewers:
            relaxed = replace(relaxed, apart=self._apart(len(self.people), rule))
        return relaxed

    def _able(self, ground: Ground, works: Ints) -> Ints:
        """How many people may review each of these works: by classes of people, then less what is kept apart."""
        of_work, of_person = classes.of_keys(ground)
        allowed = classes.allowed(ground, of_work, of_person)
        size = len(self.people)
        there = np.array([not self._refuses_all(one.refused_works) for one in self.people], np.bool_)
        found: Ints = (allowed @ np.bincount(of_person[there], minlength=allowed.shape[1]))[of_work[works]]
        kept, person = np.divmod(ground.apart, size)
        author = ground.author
        own = np.flatnonzero(author >= 0)
        kept, person = np.r_[kept, own], np.r_[person, author[own]]
        counts = allowed[of_work[kept], of_person[person]] & there[person]
        # A pair may be apart and the author's own at once; it is one person less all the same.
        key = np.unique((kept * size + person)[counts])
        less = np.bincount(key // size, minlength=len(self.works))
        return found - less[works]


def pools(works: Sequence[Work], people: Sequence[Reviewer], rule: AllocationRule) -> list[tuple[list[int], list[int]]]:
    """The parts that have nothing to do with each other, as positions of works and people; works without people too."""
    if rule.pool is Pool.DISTRICT and not (rule.only_same_subject or rule.only_same_stage):
        return [(list(range(len(works))), list(range(len(people))))]
    above: dict[Hashable, Hashable] = {}

    def top(key: Hashable) -> Hashable:
        while (higher := above.setdefault(key, key)) != key:
            above[key] = above.setdefault(higher, higher)
            key = higher
        return key

    def place(one: Work | Reviewer) -> Hashable:
        more = (one.subject if rule.only_same_subject else "", one.stage if rule.only_same_stage else "")
        if rule.pool is Pool.DISTRICT:
            return more
        school = ("school", one.school_id, more)
        if rule.pool is Pool.OWN_GROUP and one.group_id is not None:
            group = ("group", one.group_id, more)
            if one.school_id is None:
                return top(group)
            above[top(school)] = top(group)
        return top(school)

    keys = [place(one) for one in works], [place(one) for one in people]
    found: dict[Hashable, tuple[list[int], list[int]]] = {}
    for side, of_side in enumerate(keys):
        for at, key in enumerate(of_side):
            found.setdefault(top(key), ([], []))[side].append(at)
    return [part for part in found.values() if part[0]]


def _column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


def _both(left: Iterable[int], right: Iterable[int]) -> KeyPair:
    return _column(left), _column(right)


def _combined(one: KeyPair, other: KeyPair) -> KeyPair:
    """One key for both: NONE where either is."""
    size = max(int(keys.max(initial=0)) for keys in other) + 1

    def of(left: Ints, right: Ints) -> Ints:
        return np.where((left >= 0) & (right >= 0), left * size + right, NONE)

    return of(one[0], other[0]), of(one[1], other[1])
