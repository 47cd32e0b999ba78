"""The draw: who reviews what in a large pool, by lot and repair, in columns of numbers.

Every reviewer is written on as many slips as reviews they are to give, the slips are shuffled over the places of the
works, and a place that breaks a rule changes slips with another until none does: O(k·n log n). It keeps the same rules
as `balance.py`, which is exact but takes its time. A plan that comes out whole has the most even loads there are;
where it does not, `classes.py` or `balance.py` goes on from it.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
KeyPair = tuple[Ints, Ints]

NONE, FREE = -1, -2  # of a key: not known; not bound by the rule
PASSES = 60
_MOST_SOUGHT = 400
_AT_ONCE = 200_000  # places times tries of one pass: keeps the memory of a pass small
_IN_CACHE = 30_000  # places looked at together: what is reckoned on the way stays near the processor


@dataclass(frozen=True)
class Ground:
    """A pool as columns. Indexed by work: `author` (a person, NONE = not in the pool), `need` (places to fill now).

    Indexed by person: `load` (given already), `duty`, `limit`. A pair of keys holds one column by work and one by
    person. `differ`: keys that must not be the same. `must`: rules of which one pair at least has to be the same; a
    work whose keys are FREE is not bound. `apart`: pairs that are kept apart one by one, as work × people + person,
    sorted. `wishes`: keys that should be the same, the most wished for first.
    """

    author: Ints
    need: Ints
    load: Ints
    duty: Ints
    limit: Ints
    differ: tuple[KeyPair, ...] = ()
    must: tuple[tuple[KeyPair, ...], ...] = ()
    apart: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    wishes: tuple[KeyPair, ...] = ()

    def breaks(self, work: Ints, person: Ints) -> Bools:
        """Whether each of these pairs breaks a rule."""
        found: Bools = self.author[work] == person
        found |= self.breaks_keys(work, person)
        if self.apart.size:
            key = work * len(self.load) + person
            place = np.minimum(np.searchsorted(self.apart, key), self.apart.size - 1)
            found |= self.apart[place] == key
        return found

    def breaks_keys(self, work: Ints, person: Ints) -> Bools:
        """Whether the keys of these pairs forbid them; what is said of single people and works left aside."""
        found = np.zeros(np.broadcast(work, person).shape, np.bool_)
        for of_work, of_person in self.differ:
            key = of_work[work]
            found |= (key == of_person[person]) & (key >= 0)
        for rule in self.must:
            keeps = np.zeros(found.shape, np.bool_)
            for of_work, of_person in rule:
                key = of_work[work]
                keeps |= ((key == of_person[person]) & (key >= 0)) | (key == FREE)
            found |= ~keeps
        return found

    def unfulfilled(self, work: Ints, person: Ints) -> int:
        """How many of these pairs miss what the work wishes for most."""
        if not self.wishes:
            return 0
        of_work, of_person = self.wishes[0]
        key = of_work[work]
        return int(np.count_nonzero((key >= 0) & (key != of_person[person])))


class Lots:
    """Random numbers from the seed and a label alone: the raw stream of PCG64, which numpy keeps as it is."""

    def __init__(self, seed: int, label: str) -> None:
        digest = hashlib.blake2b(f"{seed}:{label}".encode(), digest_size=16).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest, "big"))

    def raw(self, size: int) -> NDArray[np.uint64]:
        """So many numbers of 64 bits."""
        found: NDArray[np.uint64] = self._bits.random_raw(size)
        return found

    def order(self, size: int) -> Ints:
        """The numbers below `size`, shuffled. A random number with the place in its low bits is sorted faster than
        places by random numbers."""
        bits = max(1, int(size).bit_length())
        low = np.uint64((1 << bits) - 1)
        drawn = self.raw(size)
        drawn &= ~low
        drawn |= np.arange(size, dtype=np.uint64)
        drawn.sort()
        drawn &= low
        return drawn.view(np.int64)

    def below(self, sizes: Ints, tries: int) -> Ints:
        """For each size `tries` numbers below it."""
        drawn = self.raw(sizes.size * tries).reshape(sizes.size, tries) >> np.uint64(1)
        found: Ints = drawn.astype(np.int64) % sizes[:, None]
        return found


@dataclass(frozen=True)
class Drawn:
    """Pairs that keep every rule. `open`: places that were left although slips for them were left as well; `uneven`:
    those that went to somebody else than loads that are as even as can be would have it."""

    work: Ints
    person: Ints
    open: int
    uneven: int = 0


def to_give(ground: Ground, total: int, lots: Lots) -> Ints:
    """How many of `total` reviews each person takes, so that what all give beyond their duty is as even as limits let
    it be. Who has one more than others of the same measure is drawn. The sum is less where the limits are reached."""
    room: Ints = np.maximum(ground.limit - ground.load, 0)
    if total >= int(room.sum()):
        return room

    def upto(level: int) -> Ints:
        found: Ints = np.clip(ground.duty + level - ground.load, 0, room)
        return found

    low = int((ground.load - ground.duty).min())  # nobody takes any
    high = int((ground.limit - ground.duty).max())
    while high - low > 1:
        middle = (low + high) // 2
        if int(upto(middle).sum()) <= total:
            low = middle
        else:
            high = middle
    found = upto(low)
    order = lots.order(found.size)
    raisable = order[(upto(low + 1) > found)[order]]
    found[raisable[: total - int(found.sum())]] += 1
    return found


def draw(ground: Ground, lots: Lots) -> Drawn:
    """Fill what the works need. Where the limits leave too few slips, every work has its first before any its second.

    Pairs are given for whatever could be placed without breaking a rule in PASSES passes.
    """
    works, width = len(ground.need), int(ground.need.max(initial=0))
    total = int(ground.need.sum())
    if not total:
        return Drawn(np.empty(0, np.int64), np.empty(0, np.int64), 0)
    slips = to_give(ground, total, lots)
    place = _places(ground.need, width, int(slips.sum()), lots, is_chance=bool(ground.wishes))
    plan = np.full(works * width, NONE, np.int64)
    bad = _deal(ground, plan, place, slips, width, lots)
    return _drawn(plan, bad, width)


def deal_again(ground: Ground, granted: Ints, of_work: Ints, slips: Ints, lots: Lots) -> Drawn:
    """The same with the places and slips that a flow between classes found: `granted` by reviews still missing (row)
    and class of work, `slips` by person. What the repair leaves is sought among all places, one by one."""
    width, chance = granted.shape[0] - 1, lots.order(ground.need.size)
    chance = chance[np.argsort(of_work[chance], kind="stable")]  # by class, shuffled within each
    place = []
    for missing in range(width, 0, -1):
        able = chance[ground.need[chance] >= missing]
        begins = np.searchsorted(of_work[able], np.arange(granted.shape[1]))
        work = able[np.arange(able.size) - begins[of_work[able]] < granted[missing][of_work[able]]]
        place.append(work * width + ground.need[work] - missing)
    places = np.concatenate(place)
    places = places[lots.order(places.size)]
    plan = np.full(ground.need.size * width, NONE, np.int64)
    bad = _deal(ground, plan, places, slips, width, lots)
    bad, uneven = _seek(ground, plan, bad, places, width)
    return _drawn(plan, bad, width, uneven)


def _drawn(plan: Ints, bad: Ints, width: int, uneven: int = 0) -> Drawn:
    plan[bad] = NONE
    filled = np.flatnonzero(plan >= 0)
    return Drawn(filled // width, plan[filled], bad.size, uneven)


def _seek(ground: Ground, plan: Ints, bad: Ints, place: Ints, width: int) -> tuple[Ints, int]:
    """Look through all places for each that breaks a rule, or for anybody who could give one more. Returns the rest,
    and for how many it was anybody."""
    uneven = 0
    load = ground.load + np.bincount(plan[place], minlength=ground.load.size)
    everyone = np.arange(ground.load.size)
    for one in bad[:_MOST_SOUGHT]:
        if not _broken(ground, plan, one[None], width)[0]:
            continue
        right = place[_may_change(ground, plan, one, place, width)]
        if right.size:
            plan[one], plan[right[0]] = plan[right[0]], plan[one]
            continue
        work = one // width
        on = plan[work * width : (work + 1) * width]
        able = everyone[(load < ground.limit) & ~ground.breaks(work, everyone) & ~np.isin(everyone, on)]
        if able.size:
            taker = able[np.argmin((load - ground.duty)[able])]
            load[plan[one]] -= 1
            load[taker] += 1
            plan[one] = taker
            uneven += 1
    return bad[_broken(ground, plan, bad, width)], uneven


def _places(need: Ints, width: int, most: int, lots: Lots, *, is_chance: bool) -> Ints:
    """The places to fill: work × width + which one. Where there are too many, the later ones of a work, by lot, stay
    empty; `need` counts what is missing, so the last places of a work are those of its first reviewers. They are
    shuffled where it matters which comes first: too many of them, or `is_chance`. (Slips are shuffled anyhow.)"""
    found = np.flatnonzero(np.arange(width) < need[:, None])  # row by row: work × width + turn
    if is_chance or most < found.size:
        found = found[lots.order(found.size)]
    if most < found.size:
        # The work that misses most comes first: its first reviewer before another's second.
        missing = (need[found // width] - found % width).astype(np.int64)
        found = found[np.argsort(-missing, kind="stable")[:most]]
    return found


def _deal(ground: Ground, plan: Ints, place: Ints, slips: Ints, width: int, lots: Lots) -> Ints:
    """Lay the shuffled slips on the places, first where keys are the same, wish by wish, then the rest; and repair.
    Returns the places that still break a rule."""
    slip = np.repeat(np.arange(slips.size), slips)
    slip = slip[lots.order(slip.size)]
    open_places = place
    for of_work, of_person in ground.wishes:
        at, one = _alike(of_work[open_places // width], of_person[slip])
        plan[open_places[at]] = slip[one]
        open_places = np.delete(open_places, at)
        slip = np.delete(slip, one)
    plan[open_places] = slip[: open_places.size]
    return _repair(ground, plan, width, lots)


def _alike(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Positions in both columns that hold the same key (NONE never), each used once, in the order they come in."""

    def numbered(keys: Ints) -> tuple[Ints, Ints]:
        order = np.argsort(keys, kind="stable")
        order = order[keys[order] >= 0]
        ranked = keys[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if ranked.size else np.empty(0, np.int64)
        turn = np.arange(ranked.size) - np.repeat(starts, np.diff(np.r_[starts, ranked.size]))
        return ranked * (max(left.size, right.size) + 1) + turn, order

    (left_key, left_at), (right_key, right_at) = numbered(left), numbered(right)
    _same, a, b = np.intersect1d(left_key, right_key, assume_unique=True, return_indices=True)
    return left_at[a], right_at[b]


def _repair(ground: Ground, plan: Ints, width: int, lots: Lots) -> Ints:
    """Change slips until no place breaks a rule, among those of the same wish first. Returns what still does."""
    place = np.flatnonzero(plan != NONE)  # in order
    bad = place[_broken(ground, plan, place, width)]
    for of_work, of_person in ground.wishes:
        if not bad.size:
            return bad
        # A slip that lies where it is wished for is changed for another such slip, so that no wish is lost.
        key = of_work[place // width]
        fits = (key >= 0) & (key == of_person[plan[place]])
        bad = _change(ground, plan, bad, _Partners(place[fits], key[fits]), of_work, width, lots, PASSES // 4)
    return _change(ground, plan, bad, _Partners(place, None), None, width, lots, PASSES)


class _Partners:
    """Places by class, to draw some of one's own class; all are of one class, 0, where no key is given."""

    def __init__(self, place: Ints, key: Ints | None) -> None:
        if key is None:
            self.place, self.keys = place, np.zeros(min(1, place.size), np.int64)
            self.start, self.size = self.keys, self.keys + place.size
            return
        order = np.argsort(key, kind="stable")
        self.place = place[order]
        self.keys, self.start, self.size = np.unique(key[order], return_index=True, return_counts=True)

    def of(self, key: Ints) -> tuple[Bools, Ints, Ints]:
        """Whether each class has places; where they begin and how many they are."""
        if not self.keys.size:
            nothing = np.zeros_like(key)
            return nothing.astype(np.bool_), nothing, nothing
        at = np.minimum(np.searchsorted(self.keys, key), self.keys.size - 1)
        return self.keys[at] == key, self.start[at], self.size[at]


def _change(
    ground: Ground,
    plan: Ints,
    bad: Ints,
    partners: _Partners,
    of_work: Ints | None,
    width: int,
    lots: Lots,
    passes: int,
) -> Ints:
    """One kind of partners: each place that breaks a rule tries some, and takes the first with whom both are right."""
    idle = 0
    for _ in range(passes):
        if not bad.size or idle == 6:
            break
        tried = bad
        key = np.zeros_like(tried) if of_work is None else of_work[tried // width]
        has, start, size = partners.of(key)
        tried, start, size = tried[has], start[has], size[has]
        if not tried.size:
            break
        tries = max(1, min(64, _AT_ONCE // tried.size))
        other = partners.place[start[:, None] + lots.below(size, tries)]
        right = _may_change(ground, plan, tried[:, None], other, width)
        found = right.any(axis=1)
        mine, theirs = tried[found], other[found, right[found].argmax(axis=1)]
        # Two changes in one work could meet: each work takes part in one at a time, the first that asks.
        touched = np.stack((mine // width, theirs // width), axis=1).ravel()
        _works, first = np.unique(touched, return_index=True)
        is_first = np.zeros(touched.size, np.bool_)
        is_first[first] = True
        alone = is_first.reshape(-1, 2).all(axis=1)
        mine, theirs = mine[alone], theirs[alone]
        plan[mine], plan[theirs] = plan[theirs], plan[mine]
        before = bad.size
        bad = bad[_broken(ground, plan, bad, width)]
        idle = 0 if bad.size < before else idle + 1
    return bad


def _broken(ground: Ground, plan: Ints, place: Ints, width: int) -> Bools:
    """Which of the places break a rule, or hold whom an earlier place of the same work holds."""
    if place.size > _IN_CACHE:
        parts = [place[start : start + _IN_CACHE] for start in range(0, place.size, _IN_CACHE)]
        return np.concatenate([_broken(ground, plan, part, width) for part in parts])
    work, person = place // width, plan[place]
    found: Bools = ground.breaks(work, person)
    turn = place % width
    for earlier in range(width - 1):
        found |= (plan[work * width + earlier] == person) & (earlier < turn)
    return found


def _may_change(ground: Ground, plan: Ints, one: Ints, other: Ints, width: int) -> Bools:
    """Whether both places keep every rule once their slips are changed."""
    work, at = one // width, other // width
    person, them = plan[one], plan[other]
    right: Bools = (work != at) & ~ground.breaks(work, them) & ~ground.breaks(at, person)
    for turn in range(width):
        right &= (plan[work * width + turn] != them) & (plan[at * width + turn] != person)
    return right
