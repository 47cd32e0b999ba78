"""Our signing keys take turns without a gap: shown before they sign, kept after."""

from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from joserfc.jwk import RSAKey
from sqlmodel import Session, delete

import lti
from lti import keys
from tests.fuzzing import times

SECRET = "a secret of the installation"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """One RSA key for all rows: making one takes a tenth of a second, and only the kids matter here."""
    made = RSAKey.generate_key(2048, private=True)
    monkeypatch.setattr(keys.RSAKey, "generate_key", lambda *_given, **_named: made)


def shown(session: Session, now: datetime) -> set[str]:
    return {key["kid"] for key in lti.tool_jwks(session, now)["keys"]}


def test_a_new_key_is_shown_a_day_before_it_signs(session: Session, now: datetime) -> None:
    old = lti.ensure_tool_key(session, SECRET, now)
    new = lti.rotate_key(session, SECRET, now)
    assert shown(session, now) == {old.kid, new.kid}
    assert lti.rotate_key(session, SECRET, now).kid == new.kid  # asked again: the one that waits
    assert lti.ensure_tool_key(session, SECRET, now + DAY - timedelta(seconds=1)).kid == old.kid
    assert lti.ensure_tool_key(session, SECRET, now + DAY).kid == new.kid
    assert shown(session, now + 8 * DAY - timedelta(seconds=1)) == {old.kid, new.kid}
    assert shown(session, now + 8 * DAY) == {new.kid}


def test_a_key_goes_a_week_after_its_last_day_however_often_keys_take_turns(session: Session, now: datetime) -> None:
    old = lti.ensure_tool_key(session, SECRET, now)
    for days in range(0, 8, 2):
        lti.rotate_key(session, SECRET, now + days * DAY)
    assert old.kid in shown(session, now + 8 * DAY - timedelta(seconds=1))
    assert old.kid not in shown(session, now + 8 * DAY)


def test_a_leaked_key_goes_at_once(session: Session, now: datetime) -> None:
    old = lti.ensure_tool_key(session, SECRET, now)
    waiting = lti.rotate_key(session, SECRET, now)
    new = lti.rotate_key(session, SECRET, now, at_once=True)
    assert shown(session, now) == {new.kid}
    assert lti.ensure_tool_key(session, SECRET, now).kid == new.kid
    assert new.kid not in {old.kid, waiting.kid}


@settings(max_examples=times(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    every=st.integers(min_value=2, max_value=30),
    steps=st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=30),
)
def test_what_signs_is_always_shown_and_was_shown_for_a_day(
    session: Session, now: datetime, every: int, steps: list[int]
) -> None:
    """However seldom the timer runs (`steps`, in hours): who fetched the key set within a day knows the signing key,
    and who fetches it now knows every key that signed within a week."""
    session.execute(delete(lti.ToolKey))
    first = lti.ensure_tool_key(session, SECRET, now)
    at, seen, signed = now, [(now, shown(session, now))], [(now, first.kid)]
    for hours in steps:
        at += timedelta(hours=hours)
        lti.rotate_when_due(session, SECRET, at, every * DAY)
        key = lti.ensure_tool_key(session, SECRET, at).kid
        current = shown(session, at)
        assert key in current
        for moment, kids in seen:
            if at - DAY < moment:
                assert key in kids
        for moment, kid in signed:
            if at - 7 * DAY < moment:
                assert kid in current
        seen.append((at, current))
        signed.append((at, key))


def test_never_means_never(session: Session, now: datetime) -> None:
    lti.ensure_tool_key(session, SECRET, now)
    assert lti.rotate_when_due(session, SECRET, now + 1000 * DAY, timedelta()) is None
