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
    """The state of one run. Indexed by work: `may` (bits of people), `liked`, `on`, `count`, `goal`.

    Indexed by person: `load`, `duty`, `limit`, `new`. `liked` are the sets of people that a work would rather have,
    the best first, each within the next one. `on` are the people of a work, `count` their number together with those
    who are no longer in the list; `new` are the works newly given to a person, the only ones that move. `author`, where
    nobody is to have two works of one author: whose work it is, by work; empty where that is no rule.
    """

    may: list[int]
    liked: list[tuple[int, ...]]
    on: list[int]
    count: list[int]
    goal: list[int]
    load: list[int]
    duty: list[int]
    limit: list[int]
    author: Sequence[int] = ()
    new: list[set[int]] = field(default_factory=list)
    # People who are full and whose new works only such people may take: no path that comes there leads out again.
    _closed: int = field(default=0, init=False)
    _met: dict[int, int] = field(default_factory=dict, init=False)  # author -> who has a work of theirs

    def __post_init__(self) -> None:
        self.new = [set() for _ in self.load]
        for work, author in enumerate(self.author):
            self._met[author] = self._met.get(author, 0) | self.on[work]

    def taken(self, work: int) -> int:
        """Who cannot take the work because of what they have: it, or another one of its author."""
        return self._met[self.author[work]] if self.author else self.on[work]

    def run(self) -> None:
        """Fill every work's first place before any second one, then level the loads, then seek who is liked more."""
        tiers = [
            [may & liked[tier] for may, liked in zip(self.may, self.liked, strict=True)]
            for tier in range(max(map(len, self.liked), default=0))
        ]
        for round_ in range(1, max(self.goal, default=0) + 1):
            needy = [w for w in range(len(self.may)) if self.count[w] < min(round_, self.goal[w])]
            for may in (*tiers, self.may):
                self._closed = 0
                needy = [w for w in needy if not self.place(w, may)]
        for may in (*tiers, self.may):  # among those who are liked first: what is even there need not go elsewhere
            while self.level(may):
                pass
        if tiers:
            while self.prefer():
                pass

    def dev(self, person: int) -> int:
        """How many reviews more than their duty the person gives."""
        return self.load[person] - self.duty[person]

    def begin(self, work: int, person: int) -> None:
        """A new review from elsewhere, before the run."""
        self._give(work, person)
        self.count[work] += 1

    def _give(self, work: int, person: int) -> None:
        self.new[person].add(work)
        self.on[work] |= 1 << person
        if self.author:
            self._met[self.author[work]] |= 1 << person
        self.load[person] += 1

    def _take(self, work: int, person: int) -> None:
        self.new[person].remove(work)
        self.on[work] ^= 1 << person
        if self.author:
            self._met[self.author[work]] ^= 1 << person  # nobody was newly given two
        self.load[person] -= 1

    def place(self, work: int, may: Sequence[int]) -> bool:
        """Give the work one more reviewer, moving new assignments of others along a shortest path where needed."""
        first = may[work] & ~self.taken(work) & ~self._closed
        path = self._path(first, may, lambda person: self.load[person] < self.limit[person])
        if path is None:
            return bool(self.author) and self._place_among_kin(work, may)
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
        seen = first | self._closed if start is None else 1 << start
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
                    fresh = may[work] & ~self.taken(work) & ~seen
                    seen |= fresh
                    for taker in _bits(fresh):
                        came[taker] = (person, work)
                        following.append(taker)
            layer = following
        if start is None and not self.author:  # else somebody may come there by giving back another of the author's
            self._closed = seen
        return None

    def _place_among_kin(self, work: int, may: Sequence[int]) -> bool:
        """As `place`, where people may also take a work in exchange for another one of the same author."""
        came: dict[int, tuple[int, int]] = {}  # a work given back -> by whom, and what they take in its place
        layer, reached, seen = [work], {work}, 0
        while layer:
            following = []
            for one in layer:
                free = may[one] & ~self.taken(one) & ~seen
                ends = [person for person in _bits(free) if self.load[person] < self.limit[person]]
                if ends:
                    self._exchange(min(ends, key=self.dev), one, came)
                    self.count[work] += 1
                    return True
                seen |= free
                back = [(person, other) for person in _bits(free) for other in sorted(self.new[person])]
                for person in _bits(may[one] & self.taken(one) & ~self.on[one]):
                    kin = [other for other in sorted(self.new[person]) if self.author[other] == self.author[one]]
                    back += [(person, other) for other in kin]
                for person, other in back:
                    if other not in reached:
                        reached.add(other)
                        came[other] = (person, one)
                        following.append(other)
            layer = following
        return False

    def _exchange(self, person: int, work: int, came: dict[int, tuple[int, int]]) -> None:
        """The person takes the work; who gives it back takes what they gave it back for, and so on to the first."""
        given = [(work, person)]
        while work in came:
            giver, instead = came[work]
            self._take(work, giver)
            given.append((instead, giver))
            work = instead
        for one, taker in given:
            self._give(one, taker)

    def level(self, may: Sequence[int]) -> bool:
        """Hand reviews from people above their duty to people further below it; True when something moved."""
        moved = False
        people = range(len(self.load))
        lowest = min((self.dev(one) for one in people if self.load[one] < self.limit[one]), default=None)
        for person in sorted(people, key=self.dev, reverse=True):
            while self.new[person] and lowest is not None:
                bound = self.dev(person) - 2

                def is_end(other: int, bound: int = bound) -> bool:
                    return self.dev(other) <= bound and self.load[other] < self.limit[other]

                if bound < lowest:
                    return moved  # nor has anybody after this one more
                path = self._path(0, may, is_end, start=person)
                if path is None:
                    break
                self._shift(path)
                moved = True
                lowest = min((self.dev(one) for one in people if self.load[one] < self.limit[one]), default=None)
        return moved

    def liking(self, work: int, person: int) -> int:
        """How much the work would like this person: in how many of its sets they are."""
        return sum(liked >> person & 1 for liked in self.liked[work])

    def prefer(self) -> bool:
        """Exchange or hand over reviews so that works get whom they like more and no load gets less even."""
        improved = False
        for person in range(len(self.load)):
            for work in sorted(self.new[person]):
                if self._better_reviewer(work, person):
                    improved = True
        return improved

    def _better_reviewer(self, work: int, person: int) -> bool:
        now = self.liking(work, person)
        for liked in self.liked[work][: len(self.liked[work]) - now]:
            for other in _bits(self.may[work] & liked & ~self.taken(work)):
                gain = self.liking(work, other) - now
                if self.dev(other) < self.dev(person) and self.load[other] < self.limit[other]:
                    self._take(work, person)
                    self._give(work, other)
                    return True
                for back in sorted(self.new[other]):
                    allowed = self.may[back] & ~self.taken(back)
                    if not allowed >> person & 1:
                        continue
                    if gain + self.liking(back, person) - self.liking(back, other) > 0:
                        self._take(work, person)
                        self._take(back, other)
                        self._give(work, other)
                        self._give(back, person)
                        return True
        return False
