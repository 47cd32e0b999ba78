"""Choices carried over to another version: none is lost, none is doubled, what is bound stays."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from competencies.succession import Chosen, carry, image

OLD = ("A1", "A2", "A3", "A4", "A5")
NEW = ("A1", "A2", "B1", "B2")


@st.composite
def rounds(draw: st.DrawFn) -> tuple[dict[str, str], list[Chosen]]:
    """What became of the points, and who has chosen which: a person holds a point once, or under two merged rows."""
    decided = {code: draw(st.sampled_from(["", *NEW])) for code in OLD if code not in NEW}
    pairs = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(OLD)), max_size=14))
    choices = [Chosen(key, human, code, draw(st.booleans())) for key, (human, code) in enumerate(pairs, start=1)]
    return image(decided, OLD, NEW), choices


@given(rounds())
def test_every_choice_has_exactly_one_fate(made: tuple[dict[str, str], list[Chosen]]) -> None:
    images, choices = made
    fate = carry(choices, images)
    fates = Counter([*fate.stays, *fate.moves, *fate.merged, *fate.vanishes])
    assert fates == Counter(one.key for one in choices)
    assert set(fate.stays) == {one.key for one in choices if one.is_bound}
    assert {key: images[one.code] for one in choices if (key := one.key) in fate.moves} == fate.moves


@given(rounds())
def test_nobody_loses_a_point_that_lives_on_and_nobody_gets_one_twice(
    made: tuple[dict[str, str], list[Chosen]],
) -> None:
    images, choices = made
    fate = carry(choices, images)
    by_key = {one.key: one for one in choices}
    moved = [(by_key[key].human, code) for key, code in fate.moves.items()]
    kept = {(by_key[key].human, images[by_key[key].code]) for key in fate.stays}
    assert len(moved) == len(set(moved))
    assert not set(moved) & kept
    for one in choices:
        if images[one.code]:
            assert (one.human, images[one.code]) in {*moved, *kept}
        elif not one.is_bound:
            assert one.key in fate.vanishes


@given(rounds())
def test_a_point_that_keeps_its_code_is_kept_before_others_that_become_it(
    made: tuple[dict[str, str], list[Chosen]],
) -> None:
    images, choices = made
    fate = carry(choices, images)
    bound = {(one.human, images[one.code]) for one in choices if one.is_bound}
    own = {(one.human, one.code) for one in choices if not one.is_bound and images[one.code] == one.code} - bound
    by_key = {one.key: one for one in choices}
    kept = {(by_key[key].human, by_key[key].code) for key in fate.moves}
    assert own <= kept


def test_the_same_code_is_the_same_point_and_what_nobody_decided_is_missing() -> None:
    decided = {"A1": "B1", "A3": "", "A4": "B2", "A5": "C9"}
    assert image(decided, OLD, NEW) == {"A1": "A1", "A2": "A2", "A3": "", "A4": "B2"}
