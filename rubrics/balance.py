"""Even loads by augmenting paths: who of m people takes which of n works, in numbers and bits alone.

Works ask for `goal` people, people owe `duty` works and take at most `limit`. Greedy first, then augmenting paths
until no work can be filled further, then cost-reducing paths until no load can be made fairer (Harvey, Ladner, Lovász,
Tamir: optimal semi-matchings). A set of people is the bits of one integer; lower numbers are tried first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


def _bits(mask: int) -> Iterable[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@dataclass
class Balance:
    """The state of one run. Indexed by work: `may`, `same` (bits of people), `on`, `count`, `goal`.

    Indexed by person: `load`, `duty`, `limit`, `new`. `on` are the people of a work, `count` their number together
    with those who are no longer in the list; `new` are the works newly given to a person, the only ones that move.
    """

    may: list[int]
    same: list[int]
    on: list[int]
    count: list[int]
    goal: list[int]
    load: list[int]
    duty: list[int]
    limit: list[int]
    new: list[set[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.new = [set() for _ in self.load]

    def run(self, prefer_same: bool) -> None:
        """Fill every work's first place before any second one, then level the loads, then prefer `same`."""
        preferred = [may & same for may, same in zip(self.may, self.same, strict=True)]
        for round_ in range(1, max(self.goal, default=0) + 1):
            needy = [w for w in range(len(self.may)) if self.count[w] < min(round_, self.goal[w])]
            if prefer_same:
                needy = [w for w in needy if not self.place(w, preferred)]
            for w in needy:
                self.place(w, self.may)
        while self.level():
            pass
        if prefer_same:
            while self.prefer():
                pass

    def dev(self, person: int) -> int:
        """How many reviews more than their duty the person gives."""
        return self.load[person] - self.duty[person]

    def _give(self, work: int, person: int) -> None:
        self.new[person].add(work)
        self.on[work] |= 1 << person
        self.load[person] += 1

    def _take(self, work: int, person: int) -> None:
        self.new[person].remove(work)
        self.on[work] ^= 1 << person
        self.load[person] -= 1

    def place(self, work: int, may: Sequence[int]) -> bool:
        """Give the work one more reviewer, moving new assignments of others along a shortest path where needed."""
        first = may[work] & ~self.on[work]
        path = self._path(first, may, lambda person: self.load[person] < self.limit[person])
        if path is None:
            return False
        # The last on the path takes the work of the one before; the first takes the new one.
        self._shift(path)
        self._give(work, path[0][0])
        self.count[work] += 1
        return True

    def _shift(self, path: Sequence[tuple[int, int]]) -> None:
        """Hand works down the path: each pair after the first is (who takes it, the work of the one before)."""
        for (giver, _), (taker, work) in pairwise(path):
            self._take(work, giver)
            self._give(work, taker)

    def _path(
        self, first: int, may: Sequence[int], is_end: Callable[[int], bool], start: int | None = None
    ) -> list[tuple[int, int]] | None:
        """A shortest chain of hand-overs from one of `first` (or from `start`) to the least loaded fitting end."""
        came: dict[int, tuple[int, int]] = {}
        layer = list(_bits(first)) if start is None else [start]
        seen = first if start is None else 1 << start
        while layer:
            ends = [person for person in layer if person != start and is_end(person)]
            if ends:
                person = min(ends, key=self.dev)  # the first of equals: the order is drawn from the seed
                path = []
                while person in came:
                    before, work = came[person]
                    path.append((person, work))
                    person = before
                path.append((person, -1))
                return path[::-1]
            following = []
            for person in layer:
                for work in sorted(self.new[person]):
                    fresh = may[work] & ~self.on[work] & ~seen
                    seen |= fresh
                    for taker in _bits(fresh):
                        came[taker] = (person, work)
                        following.append(taker)
            layer = following
        return None

    def level(self) -> bool:
        """Hand reviews from people above their duty to people further below it; True when something moved."""
        moved = False
        for person in sorted(range(len(self.load)), key=self.dev, reverse=True):
            while self.new[person]:
                bound = self.dev(person) - 2

                def is_end(other: int, bound: int = bound) -> bool:
                    return self.dev(other) <= bound and self.load[other] < self.limit[other]

                if not any(is_end(other) for other in range(len(self.load))):
                    break
                path = self._path(0, self.may, is_end, start=person)
                if path is None:
                    break
                self._shift(path)
                moved = True
        return moved

    def prefer(self) -> bool:
        """Exchange or hand over reviews so that more are of the same subject and no load gets less even."""
        improved = False
        for person in range(len(self.load)):
            for work in sorted(self.new[person]):
                if not self.same[work] >> person & 1 and self._better_reviewer(work, person):
                    improved = True
        return improved

    def _better_reviewer(self, work: int, person: int) -> bool:
        for other in _bits(self.may[work] & self.same[work] & ~self.on[work]):
            if self.dev(other) < self.dev(person) and self.load[other] < self.limit[other]:
                self._take(work, person)
                self._give(work, other)
                return True
            for back in sorted(self.new[other]):
                allowed = self.may[back] & ~self.on[back]
                gains = self.same[back] >> person & 1 or not self.same[back] >> other & 1
                if gains and allowed >> person & 1:
                    self._take(work, person)
                    self._take(back, other)
                    self._give(work, other)
                    self._give(back, person)
                    return True
        return False
