"""The rules of certificates: codes, what one says, whether it still holds."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

import competencies
from competencies import Certificate, CreditEntry, CreditKind, Standing

PRACTICE, ONLINE = CreditKind.PRACTICE, CreditKind.ONLINE


def entry(key: int, hundredths: int, kind: CreditKind = PRACTICE, reverses: int | None = None) -> CreditEntry:
    return CreditEntry(id=key, kind=kind, credit_hundredths=hundredths, reverses_id=reverses)


def of(*entries: CreditEntry) -> Certificate:
    said = competencies.certificates.statement(entries)
    return Certificate(
        hours={kind.value: total for kind, total in said.hours},
        entries=list(said.entries),
    )


def test_codes_are_of_an_alphabet_that_nobody_misreads() -> None:
    codes = {competencies.certificates.new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code) == 12 and not set(code) & set("ILOU") for code in codes)


@given(
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=12, max_size=12), st.sampled_from(["-", " ", "—", "　", ""])
)
def test_a_code_is_the_same_however_it_is_typed(code: str, between: str) -> None:
    printed = competencies.certificates.code_as_printed(code)
    assert competencies.certificates.code_as_kept(printed.replace("-", between).lower()) == code
    assert competencies.certificates.code_as_kept(code.replace("0", "o").replace("1", "l")) == code
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    assert competencies.certificates.code_as_kept(f" {wide}\n") == code


@pytest.mark.parametrize(
    "typed", ["", "7KQ4", "U" * 12, "7KQ4M2XD9RTW1", "7KQ4M2XD9RT\0", "'; DROP TABLE--", "中" * 12]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert competencies.certificates.code_as_kept(typed) == ""


@given(st.text(max_size=300))
def test_no_text_breaks_it(typed: str) -> None:
    assert len(competencies.certificates.code_as_kept(typed)) in {0, 12}


def test_it_says_what_the_entries_come_to() -> None:
    said = competencies.certificates.statement([entry(2, 1250, ONLINE), entry(1, 2500), entry(3, -500)])
    assert (said.hours, said.entries) == (((PRACTICE, 2000), (ONLINE, 1250)), (1, 2, 3))
    assert competencies.certificates.statement([entry(1, 100), entry(2, -100, reverses=1)]).is_empty


def test_more_hours_leave_it_as_it_is() -> None:
    first = entry(1, 2500)
    assert (
        competencies.certificates.standing(of(first), False, [first, entry(2, 800), entry(3, 100, ONLINE)])
        is Standing.VALID
    )


def test_a_reversal_of_what_it_counts_shows_even_where_other_hours_make_up_for_it() -> None:
    first = entry(1, 1200, ONLINE)
    later = [first, entry(2, -1200, ONLINE, reverses=1), entry(3, 1200, ONLINE)]
    assert competencies.certificates.standing(of(first), False, later) is Standing.CHANGED


@given(st.lists(st.tuples(st.sampled_from(list(CreditKind)), st.integers(1, 5000)), min_size=1))
def test_every_kind_of_hours_counts(earned: list[tuple[CreditKind, int]]) -> None:
    """What stands says all kinds; whatever kind is taken back altogether shows."""
    entries = [entry(key, hundredths, kind) for key, (kind, hundredths) in enumerate(earned, start=1)]
    said = competencies.certificates.statement(entries)
    assert sum(total for _kind, total in said.hours) == sum(hundredths for _kind, hundredths in earned)
    for kind, total in said.hours:
        later = [*entries, entry(9000, -total, kind)]
        assert competencies.certificates.standing(of(*entries), False, later) is Standing.CHANGED


def test_an_award_taken_back_shows() -> None:
    first = entry(1, 2500)
    assert competencies.certificates.standing(of(first), False, [first, entry(2, -2500)]) is Standing.CHANGED


def test_what_came_later_and_went_again_changes_nothing() -> None:
    first = entry(1, 2500)
    later = [first, entry(2, 800, ONLINE), entry(3, -800, ONLINE, reverses=2)]
    assert competencies.certificates.standing(of(first), False, later) is Standing.VALID


def test_a_reversal_that_it_counts_itself_changes_nothing() -> None:
    entries = [entry(1, 800), entry(2, -800, reverses=1), entry(3, 2500)]
    assert competencies.certificates.standing(of(*entries), False, entries) is Standing.VALID


def test_one_that_has_ended_has_ended() -> None:
    assert competencies.certificates.standing(of(entry(1, 100)), True, [entry(1, 100)]) is Standing.ENDED
