"""α and ICC by published worked examples and by other people's packages, what always holds of them, and whether the
intervals keep their word.
"""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubrics.reliability import alpha, icc, share, student

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: four observers, twelve units, five values.
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
# Shrout & Fleiss, "Intraclass correlations" (1979), table 2: six targets, four judges.
JUDGED = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))


def patterns(works: list[list[int]], levels: int) -> dict[tuple[int, ...], int]:
    return dict(Counter(tuple(work.count(level) for level in range(levels)) for work in works))


def sums(works: list[list[float]]) -> list[tuple[int, float, float]]:
    return [(len(work), sum(work), sum(one * one for one in work)) for work in works]


def test_alpha_of_the_published_example_for_ordered_values() -> None:
    units = [[value - 1 for value in unit if value is not None] for unit in zip(*OBSERVERS, strict=True)]
    found = alpha(patterns(units, 5))
    assert found.n == 11  # the last unit has one value alone
    assert found.value == pytest.approx(0.815, abs=0.0005)


def test_icc_of_the_published_example() -> None:
    found = icc(sums([list(map(float, row)) for row in JUDGED]), least=2)
    assert found.n == 6
    assert found.value == pytest.approx(0.44, abs=0.005)  # ICC(1,4); one judge alone has .17


def test_alpha_and_icc_are_what_independent_packages_say() -> None:
    said = json.loads((Path(__file__).parent / "oracles" / "reliability.json").read_text())
    assert len(said["draws"]) == 40
    for one in said["draws"]:
        for which in ("whole", "some"):
            found = alpha(patterns(one[which], one["levels"]), least=2)
            assert found.value == pytest.approx(one[f"alpha_of_{which}"], abs=1e-9)
        together = icc(sums([list(map(float, work)) for work in one["whole"]]))
        assert together.value == pytest.approx(max(-1.0, one["icc_of_whole"]), abs=1e-9)


def test_wilson_of_the_published_example() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    for hits, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = share(hits, n)
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.0001)


def test_students_t_of_the_tables() -> None:
    for freedom, point in ((5, 2.571), (9, 2.262), (30, 2.042), (120, 1.980)):
        assert student(freedom) == pytest.approx(point, abs=0.005)


def test_too_few_works_and_marks_that_are_all_the_same_give_no_figure() -> None:
    assert alpha({(1, 1, 0): 9}).value is None
    assert alpha({}).n == 0
    same = alpha({(0, 2, 0): 50})
    assert (same.n, same.value, same.is_thin) == (50, None, False)
    assert icc([(2, 2.0, 2.0)] * 50).value is None
    assert icc([(1, 1.0, 1.0)] * 50).n == 0
    assert share(3, 9).value is None


def test_a_few_works_without_a_difference_are_no_proof_of_agreement() -> None:
    few, many = alpha({(0, 2, 0): 6, (0, 0, 2): 6}), alpha({(0, 2, 0): 600, (0, 0, 2): 600})
    assert few.value == many.value == 1.0
    assert few.low < 0.9 < many.low


WORKS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=10, max_size=40)


@given(WORKS, st.randoms(use_true_random=False))
def test_figures_lie_in_their_interval_and_no_order_matters(works: list[list[int]], chance: random.Random) -> None:
    first = (alpha(patterns(works, 3)), icc(sums([[float(one) for one in work] for work in works])))
    chance.shuffle(works)
    for work in works:
        chance.shuffle(work)
    again = (alpha(patterns(works, 3)), icc(sums([[float(one) for one in work] for work in works])))
    for one, other in zip(first, again, strict=True):
        assert one.n == other.n
        if one.value is not None and other.value is not None:
            assert -1 <= one.low <= one.value + 1e-9
            assert one.value - 1e-9 <= one.high <= 1
            assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


@given(st.integers(0, 500), st.integers(10, 500))
def test_a_share_lies_in_its_interval(hits: int, n: int) -> None:
    found = share(min(hits, n), n)
    assert found.value is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def simulated(works: int, chance: random.Random) -> list[list[int]]:
    """Three reviewers a work, each with chance of their own, over three levels."""
    found = []
    for _ in range(works):
        worth = chance.gauss(1.0, 0.6)
        found.append([min(2, max(0, round(worth + chance.gauss(0, 0.5)))) for _reviewer in range(3)])
    return found


def test_intervals_hold_the_true_figure_in_at_least_nine_of_ten_draws() -> None:
    chance = random.Random(11)
    large = simulated(20_000, chance)
    true_alpha = alpha(patterns(large, 3)).value
    true_icc = icc(sums([[float(one) for one in work] for work in large])).value
    assert true_alpha is not None
    assert true_icc is not None
    held = Counter[str]()
    for _ in range(200):
        works = simulated(40, chance)
        one, other = alpha(patterns(works, 3)), icc(sums([[float(mark) for mark in work] for work in works]))
        held["alpha"] += one.low <= true_alpha <= one.high
        held["icc"] += other.low <= true_icc <= other.high
    assert held["alpha"] >= 180
    assert held["icc"] >= 180
