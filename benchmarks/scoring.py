"""What it costs to tell strict reviewers from mild ones: `make bench NAME=scoring`.

Works with three marks each, of as many reviewers as there are works, whose strictness differs. The floor is the plain
mean of the marks of each work, in the same process. Both are processor time, the best of the rounds. Ends
with 1 where the promise is short.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rubrics.severity import Rated, adjusted, leanings  # noqa: E402 - found over the path above

WORKS, MARKS_EACH, MOST_SECONDS = 100_000, 3, 2.0


def marks(works: int) -> list[list[Rated]]:
    """The marks by work: 0, 1 or 2, as a work's worth, a reviewer's strictness and chance make them."""
    drawn = random.Random(7)
    strictness = [drawn.gauss(0, 0.5) for _ in range(works)]
    found = []
    for work in range(works):
        worth = drawn.gauss(1, 0.6)
        reviewers = drawn.sample(range(works), MARKS_EACH)
        given = [round(worth + strictness[one] + drawn.gauss(0, 0.4)) for one in reviewers]
        found.append(
            [Rated(work, one, float(max(0, min(2, mark)))) for one, mark in zip(reviewers, given, strict=True)]
        )
    return found


def means(by_work: list[list[Rated]]) -> None:
    """The floor: each work's plain mean."""
    _found = [sum(one.value for one in of_work) / len(of_work) for of_work in by_work]


def scores(by_work: list[list[Rated]]) -> None:
    """Everybody's leaning from all marks, and each work's mean without it."""
    known = leanings(one for of_work in by_work for one in of_work)
    _found = [adjusted(of_work, known) for of_work in by_work]


def seconds(of: Callable[[list[list[Rated]]], None], by_work: list[list[Rated]], rounds: int) -> float:
    """The best of the rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        of(by_work)
        best = min(best, time.process_time() - began)
    return best


def main() -> int:
    """0 where the promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", type=int, default=WORKS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    by_work = marks(options.works)
    floor, ours = seconds(means, by_work, options.rounds), seconds(scores, by_work, options.rounds)
    print(f"plain means {floor:.2f} s, without strictness {ours:.2f} s: {ours / max(floor, 1e-9):.0f} ×")
    is_kept = ours <= MOST_SECONDS
    verdict = "ok" if is_kept else "short"
    print(f"scoring of {options.works} × {MARKS_EACH} marks: {ours:.2f} s ({MOST_SECONDS:g} s) {verdict}")
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
