"""How much stricter or milder each reviewer marks than the others, and what a work's marks say without it.

The model: a mark = the work's worth + the reviewer's leaning + chance. Leanings are shrunken towards 0 (BLUP): who has
marked little is hardly corrected. Variances are estimated from the marks themselves, by moments.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

from rubrics.reliability import Estimate, spread_interval, student

ENOUGH_MARKED = 5
"""Works that somebody must have reviewed together with others before anything is said of their leaning."""

MOST = 0.5
"""No mark is ever corrected by more than this many levels."""

_SWEEPS, _STILL, _LEAST_CHANCE = 60, 1e-4, 1e-6
_BULK = 20_000  # marks from which arrays are quicker than loading what computes with them takes
_NEVER = (0.0, 0.0)

Gold = Mapping[int, tuple[int, float]]
"""Reviewer → how many examples with an agreed mark they marked, and by how many levels they lay above it, summed."""


class Rated(NamedTuple):
    """What one reviewer gave to one work, in levels."""

    work: int
    reviewer: int
    value: float


class Leaning(NamedTuple):
    """`shift`: how many levels above the others (> 0 milder, < 0 stricter), shrunken; `variance`: how unsure."""

    shift: float
    variance: float
    works: int


@dataclass(frozen=True, slots=True)
class Variances:
    """What marks differ by, in levels squared: between works, between reviewers, and by chance."""

    works: float
    reviewers: float
    chance: float


def _by_work(rated: Iterable[Rated]) -> list[list[Rated]]:
    found: dict[int, list[Rated]] = {}
    for one in rated:
        of_work = found.setdefault(one[0], [])
        if not any(one[1] == other[1] for other in of_work):  # a human being speaks once
            of_work.append(one)
    return [of_work for of_work in found.values() if len(of_work) > 1]


class _Sums:
    """Products of a reviewer's differences from the others over pairs of works; the mean is the leanings' variance."""

    def __init__(self, works: Sequence[Sequence[Rated]]) -> None:
        # Of each reviewer's differences from the others: how many, their sum, the sum of their squares.
        apart: dict[int, list[float]] = {}
        # Of two reviewers, for both ways round: the weights of the works that both saw, summed, and their squares.
        shared: dict[tuple[int, int], tuple[float, float]] = {}
        for of_work in works:
            others, total = len(of_work) - 1, sum([one[2] for one in of_work])
            weight, reviewers = 1 / others, sorted([one[1] for one in of_work])
            for _work, reviewer, value in of_work:
                difference, sums = value - (total - value) / others, apart.setdefault(reviewer, [0, 0.0, 0.0])
                sums[0] += 1
                sums[1] += difference
                sums[2] += difference * difference
            for pair in combinations(reviewers, 2):
                met, squares = shared.get(pair, _NEVER)
                shared[pair] = met + weight, squares + weight * weight
        # Two who always meet differ by both their leanings: such pairs of works weigh more.
        together = dict.fromkeys(apart, 0.0)
        for (one, other), (met, squares) in shared.items():
            again = met * met - squares
            together[one] += again
            together[other] += again
        self.products = {
            reviewer: (total * total - squares, n * (n - 1) + together[reviewer])
            for reviewer, (n, total, squares) in apart.items()
        }
        self.counts = {reviewer: int(n) for reviewer, (n, _total, _squares) in apart.items()}

    def variance(self) -> tuple[float, list[float]]:
        """The variance of leanings, and what it is without each reviewer who has marked enough, in turn."""
        product = sum(one for one, _weight in self.products.values())
        weight = sum(one for _product, one in self.products.values())
        whole = product / weight if weight else 0.0
        without = [
            (product - p) / (weight - w) if weight - w > 0 else whole
            for reviewer, (p, w) in sorted(self.products.items())
            if self.counts[reviewer] >= ENOUGH_MARKED
        ]
        return whole, without


def variances(rated: Iterable[Rated]) -> Variances:
    """The three variances, from works with at least two reviewers; all 0 where there are none."""
    return _variances(_by_work(rated))


def _variances(works: Sequence[Sequence[Rated]]) -> Variances:
    if not works:
        return Variances(0.0, 0.0, 0.0)
    values = [[one[2] for one in of_work] for of_work in works]
    means = [sum(marks) / len(marks) for marks in values]
    inside = sum((mark - mean) ** 2 for marks, mean in zip(values, means, strict=True) for mark in marks)
    within = inside / sum(len(of_work) - 1 for of_work in works)
    middle = sum(means) / len(means)
    between = sum((mean - middle) ** 2 for mean in means) / max(1, len(means) - 1)
    by_chance = within * sum(1 / len(of_work) for of_work in works) / len(works)
    reviewers = min(within, max(0.0, _Sums(works).variance()[0]))
    return Variances(max(0.0, between - by_chance), reviewers, within - reviewers)


def spread(rated: Iterable[Rated], least: int) -> Estimate:
    """How far apart reviewers are in strictness: the standard deviation of their leanings, in levels.

    `n` counts reviewers with enough works; fewer than `least` give no figure.
    """
    whole, without = _Sums(_by_work(rated)).variance()
    return spread_interval(whole, without) if len(without) >= least else Estimate(len(without))


def leanings(
    rated: Iterable[Rated], gold: Mapping[int, tuple[int, float]] = MappingProxyType({})
) -> dict[int, Leaning]:
    """Every reviewer's leaning (BLUP), of those who marked works that somebody else marked too. At most MOST levels,
    and none for who has marked fewer than ENOUGH_MARKED, examples with an agreed mark among them.

    What an example is worth is known, so it tells a leaning without detour: b = (Σ(mark − worth) + Σ above) ÷
    (marks + examples + chance / variance of leanings).
    """
    given = rated if isinstance(rated, Sequence) else list(rated)
    if len(given) >= _BULK:
        from rubrics import severity_bulk  # noqa: PLC0415 - numpy is loaded for many marks alone

        ids, counts, shifts, of_reviewers, chance = severity_bulk.settled(given, gold, _SWEEPS, _STILL, _LEAST_CHANCE)
    else:
        ids, counts, shifts, of_reviewers, chance = _settled(given, gold)
    found = {}
    for reviewer, works, shift in zip(ids, counts, shifts, strict=True):
        if of_reviewers <= _LEAST_CHANCE:
            found[reviewer] = Leaning(0.0, 0.0, works)
            continue
        n = works + gold[reviewer][0] if reviewer in gold else works
        if n < ENOUGH_MARKED:
            found[reviewer] = Leaning(0.0, of_reviewers, works)
        else:
            unsure = of_reviewers * chance / (n * of_reviewers + chance)
            found[reviewer] = Leaning(MOST if shift > MOST else -MOST if shift < -MOST else shift, unsure, works)
    return found


def _settled(rated: Iterable[Rated], gold: Gold) -> tuple[list[int], list[int], list[float], float, float]:
    """As `severity_bulk.settled`, in plain Python."""
    works = _by_work(rated)
    spread_by = _variances(works)
    chance, of_works, of_reviewers = max(spread_by.chance, _LEAST_CHANCE), spread_by.works, spread_by.reviewers
    place: dict[int, int] = {}  # of each reviewer in the lists below
    totals: list[float] = []  # of what a reviewer gave
    marked: list[list[int]] = []  # which works a reviewer marked
    sheets = []  # of each work: whose marks, how many, their sum, and how far their mean counts
    for number, of_work in enumerate(works):
        n, total = len(of_work), 0.0
        for _work, reviewer, value in of_work:
            at = place.setdefault(reviewer, len(place))
            if at == len(marked):
                marked.append([])
                totals.append(0.0)
            marked[at].append(number)
            totals[at] += value
            total += value
        sheets.append((tuple([place[one[1]] for one in of_work]), n, total, n * of_works / (n * of_works + chance)))
    ids, counts = list(place), [len(of_reviewer) for of_reviewer in marked]
    if of_reviewers <= _LEAST_CHANCE:
        return ids, counts, [0.0] * len(ids), of_reviewers, chance
    middle = sum(totals) / sum(counts)
    books = []
    for reviewer, of_reviewer, total in zip(ids, marked, totals, strict=True):
        examples, above = gold.get(reviewer, (0, 0.0))
        books.append((tuple(of_reviewer), total + above, len(of_reviewer) + examples + chance / of_reviewers))
    shift = [0.0] * len(place)
    for _ in range(_SWEEPS):
        of = shift.__getitem__
        worth = [
            middle + trust * ((total - sum(map(of, reviewers))) / n - middle) for reviewers, n, total, trust in sheets
        ]
        of = worth.__getitem__
        new = [(total - sum(map(of, of_reviewer))) / by for of_reviewer, total, by in books]
        moved = max(abs(one - before) for one, before in zip(new, shift, strict=True))
        shift = new
        if moved < _STILL:
            break
    return ids, counts, shift, of_reviewers, chance


def beside_others(differences: Sequence[float]) -> Estimate:
    """What one reviewer is told privately: by how many levels they lie above the mean of the others, over works that
    both saw. `n` works; no figure below ENOUGH_MARKED, so that nobody can read a colleague's marks out of it."""
    n = len(differences)
    if n < ENOUGH_MARKED:
        return Estimate(n)
    mean = sum(differences) / n
    error = math.sqrt(sum((one - mean) ** 2 for one in differences) / (n - 1) / n)
    half = student(n - 1) * error
    return Estimate(n, mean, mean - half, mean + half)


def adjusted(of_work: Sequence[Rated], known: Mapping[int, Leaning]) -> float:
    """The mean of a work's marks without the leanings of who gave them."""
    return sum(one.value - (known[one.reviewer].shift if one.reviewer in known else 0.0) for one in of_work) / len(
        of_work
    )
