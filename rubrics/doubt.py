"""How sure the reviewers of a work leave us that it passes: clearly, clearly not, or uncertain for a trainer to see.

Under 2.0 a level is a minimum: the least sure of the graded criteria decides. Nothing here decides a result, and no
score is shown to the author: it only says which works a trainer should look at first.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rubrics.scoring import PASS
from rubrics.severity import Leaning

CUT = PASS - 0.5
"""What lies above it is nearer to 合格 than to 未达到."""

APART = 2
"""Levels between two reviewers of one criterion from which the work is uncertain, whatever the score says."""

UNKNOWN_RANK = 600_000
"""Where works stand that fewer than two have reviewed: after the uncertain ones, before those that are clear."""

_UNCERTAIN = 1_000_000
USUAL_CHANCE, _LEAST_CHANCE, _KNOWN_FROM = 0.25, 0.05, 30
_OF_MEDIAN = math.sqrt(math.pi / 2)  # by how much a median of chance is wider than a mean


class Policy(StrEnum):
    """How the marks of one criterion become one score."""

    MEDIAN = "median"
    MEAN = "mean"
    SEVERITY = "severity"  # the mean without the reviewers' leanings


class Conclusion(StrEnum):
    """What the reviewers of a work come to."""

    PASS = "clear_pass"  # noqa: S105 - no password
    NOT_YET = "clear_not_yet"
    UNCERTAIN = "uncertain"


class Reason(StrEnum):
    """Why a work is uncertain."""

    BORDER = "border"  # the score lies within one standard error of the cut
    APART = "apart"  # two reviewers gave one criterion 未达到 and 优秀
    DIFFER = "differ"  # for one reviewer the work passes, for another not


class CriterionMarks(NamedTuple):
    """The levels that reviewers gave one graded criterion of a work: reviewer → level."""

    key: str
    levels: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Doubt:
    """`chance`: how likely the reviewers' conclusion is wrong, 0 to .5. `key`, `score`, `error`: the criterion that is
    least sure, its score in levels and the standard error of that."""

    outcome: Conclusion
    reasons: tuple[Reason, ...]
    chance: float
    key: str
    score: float
    error: float

    @property
    def passes(self) -> bool:
        """Which way the reviewers lean: whether the work would pass by their scores."""
        return self.score > CUT

    @property
    def rank(self) -> int:
        """The higher, the sooner to be looked at: the chance of a wrong conclusion in millionths (at most half of
        them), and whatever is uncertain for some reason above all that is clear."""
        return round(self.chance * 1_000_000) + (_UNCERTAIN if self.reasons else 0)


def chance_of(works: Iterable[Sequence[CriterionMarks]], leanings: Mapping[int, Leaning]) -> float:
    """The variance of one mark around what reviewers say together, in levels squared, over all criteria; the usual one
    where there are too few marks to tell."""
    inside, freedom = 0.0, 0
    for criteria in works:
        for one in criteria:
            values = _values(one, leanings)
            if len(values) > 1:
                mean = sum(values) / len(values)
                inside += sum((value - mean) ** 2 for value in values)
                freedom += len(values) - 1
    return max(_LEAST_CHANCE, inside / freedom) if freedom >= _KNOWN_FROM else USUAL_CHANCE


def _values(one: CriterionMarks, leanings: Mapping[int, Leaning]) -> list[float]:
    return [level - (leanings[who].shift if who in leanings else 0.0) for who, level in one.levels.items()]


def doubt_of(
    criteria: Sequence[CriterionMarks],
    policy: Policy,
    chance: float,
    leanings: Mapping[int, Leaning],
    *,
    differ: bool = False,
) -> Doubt | None:
    """What these reviewers leave in doubt; None where no criterion has two reviewers.

    `leanings` count where the policy is SEVERITY. `differ`: whether one review passes the work and another does not.
    """
    known = leanings if policy is Policy.SEVERITY else {}
    least: tuple[float, str, float, float] | None = None
    apart = False
    for one in criteria:
        values = _values(one, known)
        if len(values) < 2:
            continue
        levels = one.levels.values()
        apart = apart or max(levels) - min(levels) >= APART
        score = statistics.median(values) if policy is Policy.MEDIAN else sum(values) / len(values)
        unsure = sum(known[who].variance for who in one.levels if who in known) / len(values)
        error = math.sqrt((chance + unsure) / len(values)) * (_OF_MEDIAN if policy is Policy.MEDIAN else 1)
        margin = (score - CUT) / error
        if least is None or margin < least[0]:
            least = (margin, one.key, score, error)
    if least is None:
        return None
    margin, key, score, error = least
    told = ((Reason.BORDER, abs(margin) < 1), (Reason.APART, apart), (Reason.DIFFER, differ))
    reasons = tuple(reason for reason, holds in told if holds)
    clear = Conclusion.PASS if margin > 0 else Conclusion.NOT_YET
    return Doubt(Conclusion.UNCERTAIN if reasons else clear, reasons, _beyond(abs(margin)), key, score, error)


def _beyond(margin: float) -> float:
    """How much of a normal distribution lies further out on one side."""
    return 0.5 * math.erfc(margin / math.sqrt(2))


class Budget(NamedTuple):
    """Looking at `works` works (the most doubtful ones), of all: so many wrong conclusions are expected to be left."""

    percent: int
    works: int
    wrong: float


def budgets(chances: Sequence[float], percents: Sequence[int] = (0, 10, 20, 30, 50)) -> tuple[Budget, ...]:
    """What looking at the most doubtful N % (rounded up to whole works) leaves: expected wrong conclusions among the
    others, which is the sum of their chances. Who looks is taken to be right, so these are the best that one can hope
    for."""
    ordered = sorted(chances, reverse=True)
    found = []
    for percent in percents:
        works = -(-len(ordered) * percent // 100)
        found.append(Budget(percent, works, sum(ordered[works:])))
    return tuple(found)


def grouped(marks: Iterable[tuple[int, str, int, int]]) -> dict[int, list[CriterionMarks]]:
    """(work, criterion, reviewer, level) → by work the marks of each criterion; a human being speaks once."""
    found: dict[int, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for work, key, reviewer, level in marks:
        found[work][key].setdefault(reviewer, level)
    return {work: [CriterionMarks(key, levels) for key, levels in of.items()] for work, of in found.items()}
