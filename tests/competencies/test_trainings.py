"""Codes that change, codes of people, minutes that become hours, terms."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies import trainings

MOMENTS = st.integers(1_577_836_800_000, 3_786_912_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
SECRETS = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(SECRETS, MOMENTS, st.integers(-600, 600))
def test_a_code_holds_for_its_step_and_the_next_one_and_no_longer(secret: str, now: datetime, later: int) -> None:
    code = trainings.rotating_code(secret, now)
    assert len(code) == 6
    assert code.isdigit()
    then = now + timedelta(seconds=later)
    steps = int(then.timestamp()) // 30 - int(now.timestamp()) // 30
    if steps in {0, 1}:
        assert trainings.fits(secret, code, then)
    elif trainings.rotating_code(secret, then) != code != trainings.rotating_code(secret, then - timedelta(seconds=30)):
        assert not trainings.fits(secret, code, then)


@given(SECRETS, MOMENTS)
def test_the_code_that_is_shown_changes_when_the_screen_says(secret: str, now: datetime) -> None:
    left = trainings.seconds_left(now)
    assert 1 <= left <= 30
    whole = now.replace(microsecond=0)
    assert trainings.rotating_code(secret, whole + timedelta(seconds=left - 1)) == trainings.rotating_code(secret, now)
    assert (int(whole.timestamp()) + left) % 30 == 0


@given(SECRETS, MOMENTS, st.text(max_size=12))
def test_nothing_but_six_digits_is_a_code(secret: str, now: datetime, typed: str) -> None:
    shown = {trainings.rotating_code(secret, now - timedelta(seconds=30 * step)) for step in (0, 1)}
    assert trainings.fits(secret, typed, now) == (typed in shown)


@given(SECRETS, SECRETS, MOMENTS, st.integers(-5, 1200))
def test_a_pass_is_good_for_ten_minutes_at_its_own_training(secret: str, other: str, now: datetime, later: int) -> None:
    given_pass = trainings.entry_pass(secret, now)
    then = now + timedelta(seconds=later)
    age = int(then.timestamp()) - int(now.timestamp())
    assert trainings.lets_in(secret, given_pass, then) == (0 <= age <= 600)
    assert other == secret or not trainings.lets_in(other, given_pass, now)


@pytest.mark.parametrize("typed", ["", "-", "x-y", "99999999999999-aa", "１２-aa", "12-é"])
def test_what_is_no_pass_lets_nobody_in(typed: str) -> None:
    assert not trainings.lets_in("ab" * 32, typed, datetime(2026, 11, 2, tzinfo=UTC))


@given(st.text(min_size=1), st.text(max_size=40), st.integers(1, 1000))
def test_a_personal_code_is_found_however_it_is_typed(key: str, person: str, number: int) -> None:
    code = trainings.personal_code(key, person, number)
    assert code != trainings.personal_code(key, person, number + 1)
    for typed in (code, code.lower(), f" {code[:4]}-{code[4:]} "):
        assert trainings.personal_as_typed(typed) == code
    assert trainings.personal_hash(key, code) != trainings.personal_hash(key + "x", code)
    assert code not in trainings.personal_hash(key, code).upper()


@pytest.mark.parametrize("typed", ["", "ABCD", "ABCDEFGHJ", "ABCD234O", "一二三四五六七八", "ABCD234!"])
def test_what_is_no_personal_code_is_none(typed: str) -> None:
    assert trainings.personal_as_typed(typed) == ""


@given(st.integers(0, 6000), st.integers(1, 240))
def test_minutes_are_worth_the_nearest_hundredth(minutes: int, per_hour: int) -> None:
    worth = trainings.worth(minutes, per_hour)
    assert abs(worth * per_hour - 100 * minutes) * 2 <= per_hour
    assert worth <= trainings.worth(minutes + 1, per_hour)
    assert trainings.worth(minutes * per_hour, per_hour) == 100 * minutes


def test_ninety_minutes_are_two_hours_of_study() -> None:
    assert [trainings.worth(minutes, 45) for minutes in (90, 45, 50, 1)] == [200, 100, 111, 2]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_every_day_lies_in_one_term(day: date) -> None:
    first, after = trainings.term_of(day)
    assert first <= day < after
    assert trainings.term_of(after - timedelta(days=1)) == (first, after)
    assert trainings.term_of(after)[0] == after
