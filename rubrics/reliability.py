"""How far reviewers can be relied on, as figures with their n and an interval: agreement, α, ICC(1,k), shares.

Intervals are of 95 %. Those of α and ICC leave out one work after the other (the jackknife, with Student's t): nothing
is drawn at random, so the same reviews always give the same page. Those of shares are Wilson's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ENOUGH = 10
"""Works (or reviewers, where they are counted) below which no figure is given: an interval would say anything."""

GOOD = 0.667
"""The lowest α on which "tentative conclusions are acceptable" (Krippendorff, Content Analysis, 2004, p. 241)."""

GOOD_TOGETHER = 0.7
"""The lowest ICC(1,k) that is usually asked of ratings on which something rests."""

_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure out of `n` things and where it lies in 95 of 100 cases. `value` is None where there is none: too few
    things, or (with `n` ≥ ENOUGH) nothing that could differ, as when every mark is the same."""

    n: int
    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    hits: int = 0  # of a share: how many of the n

    @property
    def is_thin(self) -> bool:
        """Whether there are too few things to say anything."""
        return self.n < ENOUGH

    def verdict(self, good: float) -> str:
        """Against the least that is good: "good" or "poor" where the whole interval says so, else "unsure"; "thin"
        where there are too few things, "same" where nothing could differ."""
        if self.value is None:
            return "thin" if self.is_thin else "same"
        if self.low >= good:
            return "good"
        return "poor" if self.high < good else "unsure"


def share(hits: int, n: int) -> Estimate:
    """`hits` of `n` with Wilson's interval (Wilson 1927), which stays between 0 and 1 and is honest at 0 of n."""
    if n < ENOUGH:
        return Estimate(n, hits=hits)
    at, spread = hits / n, _Z * _Z / n
    middle = (at + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(at * (1 - at) / n + spread / (4 * n))
    return Estimate(n, at, max(0.0, middle - half), min(1.0, middle + half), hits)


Pattern = tuple[int, ...]
"""How many reviewers gave each level to one work, from the lowest level up."""


def alpha(patterns: Mapping[Pattern, int], least: int = ENOUGH) -> Estimate:
    """Krippendorff's α for ordered levels ("Computing Krippendorff's Alpha-Reliability", 2011), over works by pattern.

    Works with a single reviewer say nothing and are left out. 1 = all agree, 0 = as by chance. The lower end is never
    better than with one more work on which reviewers differ as much as they can: a few works without any difference
    are no proof that there is none.
    """
    used = {pattern: works for pattern, works in patterns.items() if works and sum(pattern) > 1}
    n = sum(used.values())
    value = _alpha(used) if n >= least else None
    if value is None:
        return Estimate(n)
    apart: list[tuple[float, int]] = []
    for pattern, works in used.items():
        left = _alpha({**used, pattern: works - 1})
        apart.append((value if left is None else left, works))
    low, high = _jackknife(value, apart, n)
    size = len(next(iter(used)))
    worst = (1, *[0] * (size - 2), 1)
    doubtful = _alpha({**used, worst: used.get(worst, 0) + 1})
    return Estimate(n, value, max(-1.0, min(low, doubtful if doubtful is not None else low)), min(1.0, high))


def _alpha(patterns: Mapping[Pattern, int]) -> float | None:
    size = len(next(iter(patterns)))
    levels = range(size)
    together = [[0.0] * size for _ in levels]  # the matrix of observed coincidences
    for pattern, works in patterns.items():
        raters = sum(pattern)
        for one in levels:
            for other in levels:
                pairs = pattern[one] * (pattern[other] - (one == other))
                together[one][other] += works * pairs / (raters - 1)
    marks = [sum(row) for row in together]
    total = sum(marks)
    observed = expected = 0.0
    for one in levels:
        for other in range(one + 1, size):
            # Ordered levels: the distance is how many marks lie between two levels.
            distance = (sum(marks[one : other + 1]) - (marks[one] + marks[other]) / 2) ** 2
            observed += together[one][other] * distance
            expected += marks[one] * marks[other] * distance
    return 1 - (total - 1) * observed / expected if expected else None


Sums = tuple[int, float, float]
"""Of one work: how many reviewers, the sum of what they gave, and the sum of the squares."""


def icc(works: Sequence[Sums], least: int = ENOUGH) -> Estimate:
    """ICC(1,k) (Shrout & Fleiss 1979): how far the mean of all reviewers of a work would come out again with others.

    Where the numbers of reviewers differ, k is their mean as the one-way analysis of variance takes it.
    """
    used = [one for one in works if one[0] > 1]
    n = len(used)
    if n < max(least, 2):
        return Estimate(n)
    totals = (
        sum(k for k, _s, _q in used),
        sum(s for _k, s, _q in used),
        sum(q for _k, _s, q in used),
        sum(s * s / k for k, s, _q in used),
        sum(k * k for k, _s, _q in used),
    )
    value = _icc(n, *totals)
    if value is None:
        return Estimate(n)
    marks, sums, squares, by_work, sizes = totals
    apart: list[tuple[float, int]] = []
    for k, s, q in used:
        left = _icc(n - 1, marks - k, sums - s, squares - q, by_work - s * s / k, sizes - k * k) if n > 2 else None
        apart.append((value if left is None else left, 1))
    low, high = _jackknife(value, apart, n)
    return Estimate(n, value, max(-1.0, low), min(1.0, high))


def _icc(n: int, marks: float, sums: float, squares: float, by_work: float, sizes: float) -> float | None:
    between = max(0.0, by_work - sums * sums / marks) / (n - 1)
    within = max(0.0, squares - by_work) / (marks - n)
    k = (marks - sizes / marks) / (n - 1)
    if between + within < 1e-12:
        return None
    one = (between - within) / (between + (k - 1) * within)
    together = 1 + (k - 1) * one  # Spearman and Brown: of one reviewer to k of them
    return max(-1.0, k * one / together) if together > 1e-12 else -1.0


def _jackknife(value: float, apart: Sequence[tuple[float, int]], n: int) -> tuple[float, float]:
    """The interval around `value`; `apart`: the figure without one thing, and how many things are alike in that."""
    mean = sum(one * times for one, times in apart) / n
    error = math.sqrt((n - 1) / n * sum(times * (one - mean) ** 2 for one, times in apart))
    half = student(n - 1) * error
    return value - half, value + half


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, to two places from 5 degrees of freedom on."""
    return _Z + 2.3722 / freedom + 2.8225 / freedom**2 + 2.5558 / freedom**3


def spread_interval(variance: float, without: Sequence[float]) -> Estimate:
    """A standard deviation from its variance and from the variances without each of n things in turn."""
    n = len(without)
    if n < 2:
        return Estimate(n)
    low, high = _jackknife(variance, [(one, 1) for one in without], n)
    root: Callable[[float], float] = lambda one: math.sqrt(max(0.0, one))  # noqa: E731 - one line three times
    return Estimate(n, root(variance), root(low), root(high))
