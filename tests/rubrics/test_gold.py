"""Examples with agreed marks: within one level is agreement, and where they lie in a plan tells nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rubrics import VALIDITY_KEY, Example, GoldSlot, MarkKey, Slot, beside_agreed, mixed, next_claimed, result_of
from rubrics.reviews import DraftMark

LEVELS = st.integers(0, 2)
KEYS = [MarkKey("plan", "a"), MarkKey("plan", "b"), MarkKey("clip", "c"), MarkKey("note", VALIDITY_KEY)]


@given(st.lists(LEVELS, min_size=4, max_size=4), st.lists(LEVELS, min_size=4, max_size=4))
def test_within_one_level_is_agreement_and_valid_or_not_must_be_the_same(mine: list[int], agreed: list[int]) -> None:
    said = {
        key: (level > 0) * 1 if key.criterion_key == VALIDITY_KEY else level
        for key, level in zip(KEYS, mine, strict=True)
    }
    known = {
        key: (level > 0) * 1 if key.criterion_key == VALIDITY_KEY else level
        for key, level in zip(KEYS, agreed, strict=True)
    }
    besides = beside_agreed({key: DraftMark(level) for key, level in said.items()}, known)
    assert [one.key for one in besides] == KEYS
    for one in besides:
        if one.key.criterion_key == VALIDITY_KEY:
            assert one.is_near == (one.mine == one.agreed)
        else:
            assert one.is_near == (abs(said[one.key] - known[one.key]) < 2)
    graded = KEYS[:3]
    mean = sum(said[key] - known[key] for key in graded) / 3
    result = result_of(besides)
    assert abs(result.above - mean) < 1e-9
    assert (result.criteria, result.near) == (4, sum(one.is_near for one in besides))


def test_what_one_of_the_two_lacks_is_left_out() -> None:
    besides = beside_agreed({KEYS[0]: DraftMark(None), KEYS[1]: DraftMark(2)}, {KEYS[0]: 1, KEYS[1]: 1, KEYS[2]: 0})
    assert [(one.key, one.above) for one in besides] == [(KEYS[1], 1)]
    assert result_of(()).above == 0.0


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), unique=True, max_size=25),
    st.lists(st.frozensets(st.integers(1, 5)), max_size=5),
    st.integers(0, 3),
    st.integers(0, 99),
    st.booleans(),
)
def test_real_places_stay_and_nobody_gets_an_example_twice_or_one_that_is_not_for_them(
    places: list[tuple[int, int]], not_for: list[frozenset[int]], each: int, seed: int, first: bool
) -> None:
    slots = [Slot(work, 100 + work, reviewer) for work, reviewer in places]
    examples = [Example(number, 500 + number, 600 + number, who) for number, who in enumerate(not_for, start=1)]
    had = {1: {1}, 2: {1, 2}}
    plan = mixed(slots, examples, each, had, seed, first=first)
    assert Counter(one for one in plan if isinstance(one, Slot)) == Counter(slots)
    golds = [one for one in plan if isinstance(one, GoldSlot)]
    given_to = Counter((one.slot.reviewer_id, one.item) for one in golds)
    assert not given_to or max(given_to.values()) == 1
    for one in golds:
        reviewer = one.slot.reviewer_id
        assert reviewer in {slot.reviewer_id for slot in slots}
        assert reviewer not in examples[one.item - 1].not_for
        assert one.item not in had.get(reviewer, ())
    for reviewer, number in Counter(one.slot.reviewer_id for one in golds).items():
        assert number <= max(0, each - len(had.get(reviewer, ())))
    for reviewer in {slot.reviewer_id for slot in slots}:
        own = [one for one in plan if (one.slot if isinstance(one, GoldSlot) else one).reviewer_id == reviewer]
        assert [one for one in own if isinstance(one, Slot)] == [one for one in slots if one.reviewer_id == reviewer]
        if first:
            kinds = [isinstance(one, GoldSlot) for one in own]
            assert kinds == sorted(kinds, reverse=True)
    assert mixed(slots, examples, each, had, seed, first=first) == plan


def test_every_place_is_as_likely_as_the_others() -> None:
    slots = [Slot(work, work, 7) for work in range(3)]
    example = Example(1, 50, 60, frozenset())
    found = Counter(
        next(place for place, one in enumerate(mixed(slots, [example], 1, {}, seed)) if isinstance(one, GoldSlot))
        for seed in range(400)
    )
    assert set(found) == {0, 1, 2, 3}
    assert min(found.values()) > 60


def test_among_claims_too_every_place_is_as_likely_as_the_others() -> None:
    """Two examples among the three works that somebody may claim: after each way it can go, as often as the others."""
    examples = [Example(one, 100 + one, 100 + one, frozenset({9})) for one in range(3)]
    ways: Counter[tuple[bool, ...]] = Counter()
    for way in range(3000):
        had: set[int] = set()
        left, went = 3, []
        while left:
            one = next_claimed(examples, 2, had, 1, left, way * 10 + len(went))
            went.append(one is not None)
            if one is None:
                left -= 1
            else:
                assert one.item not in had
                had.add(one.item)
        ways[(*went, *([True] * (2 - len(had))))] += 1  # what would have come after the last work
    assert len(ways) == 10
    assert min(ways.values()) > 200
    assert next_claimed(examples, 2, set(), 9, 1, 0) is None
    assert next_claimed(examples, 1, {2}, 1, 1, 0) is None
