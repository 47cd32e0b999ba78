"""How much stricter or milder each reviewer marks than the others, and what a work's marks say without it.

The model: a mark = the work's worth + the reviewer's leaning + chance. Leanings are shrunken towards 0 (BLUP): who has
marked little is hardly corrected. Variances are estimated from the marks themselves, by moments.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rubrics.reliability import Estimate, spread_interval, student

ENOUGH_MARKED = 5
"""Works that somebody must have reviewed together with others before anything is said of their leaning."""

MOST = 0.5
"""No mark is ever corrected by more than this many levels."""

_SWEEPS, _STILL, _LEAST_CHANCE = 60, 1e-4, 1e-6


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
    found: dict[int, dict[int, Rated]] = defaultdict(dict)
    for one in rated:
        found[one.work].setdefault(one.reviewer, one)  # a human being speaks once
    return [list(of_work.values()) for of_work in found.values() if len(of_work) > 1]


class _Sums:
    """Products of a reviewer's differences from the others over pairs of works; the mean is the leanings' variance."""

    def __init__(self, works: Sequence[Sequence[Rated]]) -> None:
        apart: dict[int, list[float]] = defaultdict(list)
        shared: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for of_work in works:
            others, total = len(of_work) - 1, sum(one.value for one in of_work)
            for one in of_work:
                apart[one.reviewer].append(one.value - (total - one.value) / others)
                for other in of_work:
                    if other.reviewer != one.reviewer:
                        shared[one.reviewer][other.reviewer].append(1 / others)
        self.products: dict[int, tuple[float, float]] = {}
        for reviewer, differences in apart.items():
            # Two who always meet differ by both their leanings: such pairs of works weigh more.
            weight = len(differences) * (len(differences) - 1) + sum(
                _pairs(weights) for weights in shared[reviewer].values()
            )
            self.products[reviewer] = (_pairs(differences), weight)
        self.counts = {reviewer: len(differences) for reviewer, differences in apart.items()}

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


def _pairs(values: Sequence[float]) -> float:
    return sum(values) ** 2 - sum(one * one for one in values)


def variances(rated: Iterable[Rated]) -> Variances:
    """The three variances, from works with at least two reviewers; all 0 where there are none."""
    return _variances(_by_work(rated))


def _variances(works: Sequence[Sequence[Rated]]) -> Variances:
    if not works:
        return Variances(0.0, 0.0, 0.0)
    means = [sum(one.value for one in of_work) / len(of_work) for of_work in works]
    inside = sum((one.value - mean) ** 2 for of_work, mean in zip(works, means, strict=True) for one in of_work)
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


def leanings(rated: Iterable[Rated]) -> dict[int, Leaning]:
    """Every reviewer's leaning (BLUP). At most MOST levels, and none for who has marked fewer than ENOUGH_MARKED."""
    works = _by_work(rated)
    spread_by = _variances(works)
    chance, of_works, of_reviewers = max(spread_by.chance, _LEAST_CHANCE), spread_by.works, spread_by.reviewers
    counts: dict[int, int] = defaultdict(int)
    for of_work in works:
        for one in of_work:
            counts[one.reviewer] += 1
    if of_reviewers <= _LEAST_CHANCE:
        return {reviewer: Leaning(0.0, 0.0, n) for reviewer, n in counts.items()}
    middle = sum(one.value for of_work in works for one in of_work) / sum(map(len, works))
    shift = dict.fromkeys(counts, 0.0)
    for _ in range(_SWEEPS):
        rest = dict.fromkeys(counts, 0.0)
        for of_work in works:
            n = len(of_work)
            mean = sum(one.value - shift[one.reviewer] for one in of_work) / n
            worth = middle + n * of_works / (n * of_works + chance) * (mean - middle)
            for one in of_work:
                rest[one.reviewer] += one.value - worth
        new = {reviewer: rest[reviewer] / (n + chance / of_reviewers) for reviewer, n in counts.items()}
        moved = max(abs(new[reviewer] - shift[reviewer]) for reviewer in new)
        shift = new
        if moved < _STILL:
            break
    return {
        reviewer: Leaning(
            max(-MOST, min(MOST, shift[reviewer])), of_reviewers * chance / (n * of_reviewers + chance), n
        )
        if n >= ENOUGH_MARKED
        else Leaning(0.0, of_reviewers, n)
        for reviewer, n in counts.items()
    }


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
