"""The arithmetic of `severity` over arrays, for the marks of a whole district at once: the same figures to 1e-9.

What is small stays in plain Python (`severity.leanings` chooses): a page should not have to load numpy for a school.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def settled(
    rated: Iterable[tuple[int, int, float]],
    gold: Mapping[int, tuple[int, float]],
    sweeps: int,
    still: float,
    least: float,
) -> tuple[list[int], list[int], list[float], float, float]:
    """Of all reviewers who marked works that somebody else marked too: ids, numbers of such works, shifts as they
    settle (not capped); then the variance of leanings and that of chance (at least `least`). Arguments as in
    `severity`: `sweeps` at most, until nothing moves by `still`."""
    work, reviewer, value, ids = _used(rated)
    if not len(work):
        return [], [], [], 0.0, least
    works, reviewers = int(work[-1]) + 1, len(ids)
    n = np.bincount(work).astype(np.float64)
    totals = np.bincount(work, value).astype(np.float64)
    counts = np.bincount(reviewer, minlength=reviewers)
    of_works, of_reviewers, chance = _variances(work, reviewer, value, n, totals, reviewers)
    chance = max(chance, least)
    known = counts.tolist()
    if of_reviewers <= least:
        return ids, known, [0.0] * reviewers, of_reviewers, chance
    trust = n * of_works / (n * of_works + chance)
    middle = float(value.sum()) / len(value)
    extra = np.array([gold.get(one, (0, 0.0)) for one in ids], dtype=np.float64).reshape(reviewers, 2)
    by = counts + extra[:, 0] + chance / of_reviewers
    given = np.bincount(reviewer, value, reviewers) + extra[:, 1]
    shift = np.zeros(reviewers)
    for _ in range(sweeps):
        worth = middle + trust * ((totals - np.bincount(work, shift[reviewer], works)) / n - middle)
        new = (given - np.bincount(reviewer, worth[work], reviewers)) / by
        moved = float(np.abs(new - shift).max())
        shift = new
        if moved < still:
            break
    return ids, known, shift.tolist(), of_reviewers, chance


def _used(rated: Iterable[tuple[int, int, float]]) -> tuple[Ints, Ints, Floats, list[int]]:
    """The marks of works with at least two reviewers, sorted by work and reviewer, both numbered from 0; and the ids
    of these reviewers. A human being speaks once: the first time."""
    flat = np.fromiter(chain.from_iterable(rated), dtype=np.float64)  # ids of rows are exact up to 2**53
    work, reviewer, value = flat[0::3].astype(np.int64), flat[1::3].astype(np.int64), flat[2::3]
    order = np.lexsort((reviewer, work))  # stable: what came first stays first
    work, reviewer, value = work[order], reviewer[order], value[order]
    if len(work) > 1:
        is_first = np.r_[True, (work[1:] != work[:-1]) | (reviewer[1:] != reviewer[:-1])]
        work, reviewer, value = work[is_first], reviewer[is_first], value[is_first]
    _names, work, times = np.unique(work, return_inverse=True, return_counts=True)
    is_used = times[work] > 1
    work, reviewer, value = work[is_used], reviewer[is_used], value[is_used]
    _names, work = np.unique(work, return_inverse=True)
    names, reviewer = np.unique(reviewer, return_inverse=True)
    return work, reviewer, value, names.tolist()


def _variances(
    work: Ints, reviewer: Ints, value: Floats, n: Floats, totals: Floats, reviewers: int
) -> tuple[float, float, float]:
    """Of works, of reviewers, of chance: as `severity._variances` and `severity._Sums` have them."""
    means = totals / n
    within = float(((value - means[work]) ** 2).sum()) / float((n - 1).sum())
    between = float(((means - means.sum() / len(means)) ** 2).sum()) / max(1, len(means) - 1)
    by_chance = within * float((1 / n).sum()) / len(n)
    others = n[work] - 1
    difference = value - (totals[work] - value) / others
    sums, squares = np.bincount(reviewer, difference, reviewers), np.bincount(reviewer, difference**2, reviewers)
    times = np.bincount(reviewer, minlength=reviewers).astype(np.float64)
    weight = float((times * (times - 1)).sum()) + 2 * _together(work, reviewer, n, reviewers)
    whole = float((sums * sums - squares).sum()) / weight if weight else 0.0
    of_reviewers = min(within, max(0.0, whole))
    return max(0.0, between - by_chance), of_reviewers, within - of_reviewers


def _together(work: Ints, reviewer: Ints, n: Floats, reviewers: int) -> float:
    """Over all pairs of reviewers: the weights of the works that both marked, summed and squared, less the sum of
    their squares. Works are taken by their number of reviewers, so that all pairs of one place are one array."""
    starts = np.r_[0, np.flatnonzero(np.diff(work)) + 1]
    pairs, weights = [], []
    for size in np.unique(n).astype(np.int64).tolist():
        rows = reviewer[starts[n == size][:, None] + np.arange(size)]  # ascending within a work
        for first in range(size):
            for second in range(first + 1, size):
                pairs.append(rows[:, first] * reviewers + rows[:, second])
                weights.append(np.full(len(rows), 1 / (size - 1)))
    pair, weight = np.concatenate(pairs), np.concatenate(weights)
    _names, place = np.unique(pair, return_inverse=True)
    met, squares = np.bincount(place, weight), np.bincount(place, weight**2)
    return float((met * met - squares).sum())
