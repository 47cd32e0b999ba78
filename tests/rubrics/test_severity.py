"""What a reviewer's leaning is estimated at, and that taking it off brings works nearer to their worth."""

import math
import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubrics import severity
from rubrics.severity import MOST, Rated, adjusted, beside_others, leanings, spread, variances


def marked(works: int, each: int, leaning_sd: float, chance_sd: float, seed: int) -> tuple[list[Rated], list[float]]:
    """A pool in which everybody reviews as many works as there are reviewers of one (design/review.md 2.4)."""
    chance = random.Random(seed)
    worth = [chance.gauss(2.0, 0.8) for _ in range(works)]
    lean = [chance.gauss(0.0, leaning_sd) for _ in range(works // 4)]
    places = [place % len(lean) for place in range(works * each)]
    chance.shuffle(places)
    rated = [
        Rated(
            work,
            places[work * each + turn],
            worth[work] + lean[places[work * each + turn]] + chance.gauss(0, chance_sd),
        )
        for work in range(works)
        for turn in range(each)
    ]
    return rated, worth


def error(found: dict[int, float], worth: list[float]) -> float:
    return math.sqrt(sum((found[work] - one) ** 2 for work, one in enumerate(worth)) / len(worth))


def scores(rated: list[Rated]) -> tuple[dict[int, float], dict[int, float]]:
    known, by_work = leanings(rated), defaultdict(list)
    for one in rated:
        by_work[one.work].append(one)
    plain = {work: sum(one.value for one in marks) / len(marks) for work, marks in by_work.items()}
    return plain, {work: adjusted(marks, known) for work, marks in by_work.items()}


def test_taking_leanings_off_is_at_least_twelve_per_cent_nearer_to_the_truth_with_three_reviewers() -> None:
    rated, worth = marked(3000, 3, 0.6, 0.7, seed=5)
    plain, without = (error(one, worth) for one in scores(rated))
    assert without <= 0.88 * plain


def test_where_nobody_leans_hardly_anything_is_corrected() -> None:
    rated, worth = marked(1000, 3, 0.0, 0.7, seed=6)
    plain, without = (error(one, worth) for one in scores(rated))
    assert without == pytest.approx(plain, rel=0.02)


def test_variances_and_the_spread_of_reviewers_come_out_as_they_went_in() -> None:
    rated, _worth = marked(4000, 3, 0.4, 0.6, seed=7)
    found = variances(rated)
    assert math.sqrt(found.works) == pytest.approx(0.8, rel=0.1)
    assert math.sqrt(found.reviewers) == pytest.approx(0.4, rel=0.1)
    assert math.sqrt(found.chance) == pytest.approx(0.6, rel=0.1)
    figure = spread(rated, 10)
    assert figure.low <= 0.4 <= figure.high
    assert figure.value == pytest.approx(math.sqrt(found.reviewers))


def test_two_who_always_meet_are_not_counted_twice() -> None:
    chance = random.Random(8)
    rated = []
    for pair in range(60):
        lean = (chance.gauss(0, 0.5), chance.gauss(0, 0.5))
        for turn in range(30):
            worth = chance.gauss(1, 0.5)
            work = pair * 30 + turn
            rated += [Rated(work, 2 * pair + who, worth + lean[who] + chance.gauss(0, 0.3)) for who in (0, 1)]
    assert math.sqrt(variances(rated).reviewers) == pytest.approx(0.5, rel=0.2)


def test_a_mild_reviewer_is_seen_and_corrected_by_half_a_level_at_most() -> None:
    chance = random.Random(9)
    rated = []
    for work in range(120):
        rated += [
            Rated(work, work % 7, 1.0 + chance.gauss(0, 0.2)),
            Rated(work, 7 + work % 5, 1 + chance.gauss(0, 0.2)),
        ]
        if work % 4 == 0:
            rated.append(Rated(work, 99, 2.6))
    known = leanings(rated)
    assert known[99].shift == MOST
    assert all(abs(one.shift) < 0.3 for reviewer, one in known.items() if reviewer != 99)


def test_whoever_has_marked_four_works_is_not_corrected_and_gets_no_note() -> None:
    rated = [one for work in range(4) for one in (Rated(work, 1, 2.0), Rated(work, 2 + work, 0.0))]
    assert leanings(rated)[1].shift == 0.0
    assert beside_others([2.0] * 4).value is None
    assert beside_others([2.0] * 5).value == 2.0
    assert spread(rated, 2).value is None


def test_works_with_one_reviewer_say_nothing() -> None:
    assert leanings([Rated(work, 1, 2.0) for work in range(9)]) == {}
    assert variances([]).reviewers == 0.0
    assert spread([], 1).n == 0


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 2)), max_size=60),
    st.floats(-1, 1, allow_nan=False),
)
def test_leanings_stay_within_bounds_and_do_not_change_when_all_marks_move(
    given_marks: list[tuple[int, int, int]], moved: float
) -> None:
    rated = [Rated(work, who, float(level)) for work, who, level in given_marks]
    known = leanings(rated)
    other = leanings([Rated(one.work, one.reviewer, one.value + moved) for one in rated])
    assert known.keys() == other.keys()
    for reviewer, one in known.items():
        assert abs(one.shift) <= MOST
        assert one.variance >= 0
        assert one.shift == pytest.approx(other[reviewer].shift, abs=0.01)


MARKS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 2)), max_size=80)
EXAMPLES = st.dictionaries(st.integers(0, 6), st.tuples(st.integers(0, 4), st.floats(-4, 4)), max_size=4)


@given(MARKS, EXAMPLES)
def test_over_arrays_the_leanings_are_the_same(
    given_marks: list[tuple[int, int, int]], gold: dict[int, tuple[int, float]]
) -> None:
    rated = [Rated(work, who, float(level)) for work, who, level in given_marks]
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(severity, "_BULK", 0)
        by_arrays = leanings(rated, gold)
    known = leanings(rated, gold)
    assert by_arrays.keys() == known.keys()
    for reviewer, one in known.items():
        assert by_arrays[reviewer].works == one.works
        assert by_arrays[reviewer].shift == pytest.approx(one.shift, abs=1e-9)
        assert by_arrays[reviewer].variance == pytest.approx(one.variance, abs=1e-9)


def test_examples_with_an_agreed_mark_bring_leanings_nearer_to_the_truth() -> None:
    chance = random.Random(11)
    rated, _worth = marked(600, 3, 0.5, 0.7, seed=11)
    known = leanings(rated)
    drawn = random.Random(11)  # the same leanings as in `marked`
    _worth = [drawn.gauss(2.0, 0.8) for _ in range(600)]
    lean = {reviewer: drawn.gauss(0.0, 0.5) for reviewer in range(150)}
    gold = {who: (3, sum(one + chance.gauss(0, 0.7) for _ in range(3))) for who, one in lean.items()}
    with_gold = leanings(rated, gold)

    def far(found: dict[int, severity.Leaning]) -> float:
        return sum((found[who].shift - max(-MOST, min(MOST, lean[who]))) ** 2 for who in lean)

    assert far(with_gold) < 0.9 * far(known)
    assert all(with_gold[who].variance < known[who].variance for who in lean)


def test_examples_count_towards_the_five_marks_from_which_anything_is_corrected() -> None:
    chance = random.Random(12)
    pairs = [(work, who) for work in range(40) for who in (work % 7 + 2, work % 3 + 9)]
    rated = [Rated(work, who, 1 + 0.8 * (who % 2) + chance.gauss(0, 0.2)) for work, who in pairs]
    rated += [Rated(work, 1, 2.2 + chance.gauss(0, 0.2)) for work in range(3)]
    assert leanings(rated)[1].shift == 0.0
    assert leanings(rated, {1: (1, 0.6)})[1].shift == 0.0
    assert leanings(rated, {1: (2, 1.2)})[1].shift > 0.1
