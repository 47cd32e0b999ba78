"""Reviewers side by side: agreement, counts, and marks that cannot be submitted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubrics.scoring import Count, Mark, MarkKey, MarkProblem, agreement, differ_on_pass, mark_problems

FIT, CLEAR, VALID = MarkKey("plan", "fit"), MarkKey("plan", "clear"), MarkKey("voice", "valid")
EXPECTED = {FIT: (0, 1, 2), CLEAR: (1, 2), VALID: (False, True)}


def test_where_all_agree_the_level_is_proposed_and_where_they_differ_none_is() -> None:
    one = {FIT: Mark(1), CLEAR: Mark(2), VALID: Mark(True)}
    two = {FIT: Mark(0, "目标不清"), CLEAR: Mark(2), VALID: Mark(True)}
    both = agreement([one, two], [1, 0])
    assert both.proposal == {CLEAR: 2, VALID: True}
    assert both.criteria[FIT].agreed is None
    assert both.criteria[FIT].counts == (Count(1, 1), Count(0, 1))
    assert both.criteria[FIT].reasons == ("目标不清",)
    assert both.differ_on_pass
    assert both.agreed_level is None
    assert not both.is_unanimous


def test_counts_tell_how_many_gave_which_level() -> None:
    three = agreement([{FIT: Mark(level)} for level in (1, 0, 1)])
    assert three.criteria[FIT].counts == (Count(1, 2), Count(0, 1))
    assert three.reviewers == 3


def test_a_criterion_that_one_left_out_is_not_agreed() -> None:
    assert agreement([{FIT: Mark(1), CLEAR: Mark(1)}, {FIT: Mark(1)}]).proposal == {FIT: 1}


def test_valid_and_pass_are_different_answers() -> None:
    mixed = agreement([{VALID: Mark(True)}, {VALID: Mark(1)}])
    assert mixed.criteria[VALID].agreed is None
    assert len(mixed.criteria[VALID].counts) == 2
    not_valid = agreement([{VALID: Mark(False, "空白")}, {VALID: Mark(False, "打不开")}])
    assert not_valid.proposal == {VALID: False}
    assert not_valid.is_unanimous


def test_without_a_review_nothing_is_agreed() -> None:
    none = agreement([])
    assert (none.reviewers, none.is_unanimous, none.differ_on_pass, none.agreed_level) == (0, False, False, None)
    assert agreement([{FIT: Mark(2)}], [2]).agreed_level == 2


@pytest.mark.parametrize(
    ("levels", "differs"),
    [([], False), ([1, 2], False), ([0, 0], False), ([0, 1], True), ([None, 0], False), ([2, 0], True)],
)
def test_reviewers_differ_on_pass_only_across_the_line(levels: list[int | None], differs: bool) -> None:
    assert differ_on_pass(levels) is differs


def test_levels_and_reviews_must_match() -> None:
    with pytest.raises(ValueError, match="one level per review"):
        agreement([{}], [1, 2])


review = st.dictionaries(st.sampled_from([FIT, CLEAR]), st.builds(Mark, st.integers(0, 2), st.text(max_size=3)))


@given(st.lists(review, max_size=5))
def test_counts_add_up_and_a_proposal_is_what_everyone_said(reviews: list[dict[MarkKey, Mark]]) -> None:
    together = agreement(reviews)
    for key, one in together.criteria.items():
        given_ = [marks[key].level for marks in reviews if key in marks]
        assert sum(count.people for count in one.counts) == len(given_)
        if one.agreed is not None:
            assert given_ == [one.agreed] * len(reviews)
    backwards = agreement(reviews[::-1])
    assert backwards.proposal == together.proposal


def test_a_whole_set_of_marks_has_no_problem() -> None:
    assert mark_problems({FIT: Mark(1), CLEAR: Mark(2), VALID: Mark(True)}, EXPECTED) == {}


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (Mark(0), MarkProblem.REASON),
        (Mark(0, "  "), MarkProblem.REASON),
        (Mark(3), MarkProblem.UNKNOWN),
        (Mark(-1, "x"), MarkProblem.UNKNOWN),
        (Mark(True), MarkProblem.UNKNOWN),
    ],
)
def test_a_mark_that_cannot_stand_is_named(mark: Mark, problem: MarkProblem) -> None:
    assert mark_problems({FIT: mark, CLEAR: Mark(1), VALID: Mark(True)}, EXPECTED) == {FIT: problem}


def test_missing_foreign_and_invalid_marks() -> None:
    other = MarkKey("plan", "gone")
    assert mark_problems({CLEAR: Mark(0, "x"), VALID: Mark(False), other: Mark(1)}, EXPECTED) == {
        FIT: MarkProblem.MISSING,
        CLEAR: MarkProblem.UNKNOWN,
        VALID: MarkProblem.REASON,
        other: MarkProblem.FOREIGN,
    }
    stored = {FIT: Mark(2), CLEAR: Mark(1), VALID: Mark(1)}
    assert mark_problems(stored, {**EXPECTED, VALID: (0, 1)}) == {}
    assert mark_problems(stored, {**EXPECTED, VALID: (0, 1)}, without_reason=(1,)) == {FIT: MarkProblem.REASON}
