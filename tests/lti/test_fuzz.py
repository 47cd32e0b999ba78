"""Whatever the claims and forms hold: a launch or a refusal, never another exception."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

import lti
from lms_plugin.errors import Refused
from tests.fuzzing import CLAIM_CHANGES, examples
from tests.hosts import resign
from tests.lti.desk import CLAIMS, Desk

FUZZ = examples(1.5)


@FUZZ
@given(changes=CLAIM_CHANGES)
def test_claims(session: Session, now: datetime, changes: dict[str, Any]) -> None:
    with session.begin_nested() as kept:
        desk = Desk(session, now)
        sent, secret = desk.login()
        token = resign.sign({**resign.fresh(CLAIMS, sent["nonce"], now), **changes})
        with contextlib.suppress(Refused):
            found = desk.receive({"id_token": token, "state": sent["state"]}, secret)
            assert isinstance(found, lti.Launch)
            assert found.subject.isascii()
            assert 0 < len(found.subject) <= 255
        kept.rollback()


@FUZZ
@given(
    form=st.dictionaries(
        st.sampled_from(["state", "id_token", "error", "error_description"]), st.text(st.characters(), max_size=60)
    ),
    secret=st.none() | st.text(st.characters(), max_size=50),
    has_state=st.booleans(),
)
def test_forms(session: Session, now: datetime, form: dict[str, str], secret: str | None, has_state: bool) -> None:
    with session.begin_nested() as kept:
        desk = Desk(session, now)
        sent, right = desk.login()
        brought = right if has_state and secret is None else secret
        with contextlib.suppress(Refused):
            raise AssertionError(desk.receive({**form, **({"state": sent["state"]} if has_state else {})}, brought))
        kept.rollback()


@FUZZ
@given(
    params=st.dictionaries(
        st.sampled_from(["iss", "client_id", "login_hint", "target_link_uri", "lti_message_hint", "lti_deployment_id"]),
        st.text(st.characters(), max_size=40),
    )
)
def test_logins(session: Session, now: datetime, params: dict[str, str]) -> None:
    with session.begin_nested() as kept:
        desk = Desk(session, now)
        for sent in (params, {**desk.initiation(), **params}):
            with contextlib.suppress(Refused):
                lti.begin_login(session, sent, desk.tool + "/lti/launch", now)
        kept.rollback()


MOMENTS = st.integers(0, 2**41).map(lambda n: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=n))


@given(previous=st.none() | MOMENTS, now=MOMENTS, naive=st.booleans())
def test_timestamps_rise_by_whole_seconds(previous: datetime | None, now: datetime, naive: bool) -> None:
    given_previous = previous.replace(tzinfo=None) if previous and naive else previous  # as SQLite reads it back
    found = lti.next_timestamp(given_previous, now)
    assert found.microsecond == 0
    assert found.utcoffset() == timedelta(0)
    assert found >= now.replace(microsecond=0)
    if previous is None or previous.replace(microsecond=0) < now.replace(microsecond=0):
        assert found <= now  # never in the future once a second has gone by
    if previous is not None:
        assert found >= previous.replace(microsecond=0) + timedelta(seconds=1)
