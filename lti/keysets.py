"""Platforms' keys: kept in the database, fetched before the launch's own transaction, at most once a minute."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import RSAKey
from sqlalchemy import or_, update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

from lms_plugin.db import transaction
from lms_plugin.errors import Unavailable
from lms_plugin.net import Http
from lti import tokens
from lti.keywait import FETCH_SECONDS, wait_for
from lti.models import KeySet, LoginState, Platform
from lti.text import same_moment_or_later
from lti.upsert import insert_unless_there

FRESH = timedelta(hours=1)  # after which a launch looks whether a key was withdrawn
STALE = timedelta(hours=24)  # how long known keys stand in while the host's address does not answer
PAUSE = timedelta(minutes=1)  # between two tries at one address, whoever asks


def refresh_keys(factory: "sessionmaker[Session]", http: Http, form: Mapping[str, str], now: datetime) -> None:
    """To be called before `receive_launch`: fetches the platform's keys where this launch needs it.

    Three short steps (read, fetch, keep) of its own, so that no transaction waits for a host. Does nothing for a
    launch whose state we did not issue, and never raises for a host's fault: the launch is then refused by its keys.
    """
    with factory() as session:
        url = _wanted(session, form, now)
    if not url:
        return
    with transaction(factory) as session:
        insert_unless_there(session, KeySet, {"url": url, "body": {}})
        claimed = session.execute(
            update(KeySet)
            .where(col(KeySet.url) == url, or_(col(KeySet.tried_at).is_(None), col(KeySet.tried_at) <= now - PAUSE))
            .values(tried_at=now)
        )
    if getattr(claimed, "rowcount", 0):
        _fetch(factory, http, url, now)
    else:
        wait_for(factory, url, now)


def _fetch(factory: "sessionmaker[Session]", http: Http, url: str, now: datetime) -> None:
    """Asks the host and keeps a good answer; a bad one leaves what was known."""
    kept: dict[str, Any] = {"answered_at": now}
    try:
        body = http.get_json(url, seconds=FETCH_SECONDS)
        if isinstance(body, dict) and isinstance(body.get("keys"), list):
            kept |= {"body": body, "fetched_at": now}
    except Unavailable:
        pass
    finally:
        with transaction(factory) as session:
            session.execute(update(KeySet).where(col(KeySet.url) == url).values(**kept))


def _wanted(session: Session, form: Mapping[str, str], now: datetime) -> str:
    """The JWKS address that this launch needs asked, or "": the state must be live and the token of the right shape."""
    state = form.get("state", "")
    if not state.isascii() or not state.isprintable() or not 0 < len(state) <= 64:
        return ""
    try:
        kid = tokens.header(form.get("id_token", ""))["kid"]
    except tokens.BadToken:
        return ""
    url = session.exec(
        select(Platform.jwks_url)
        .join(LoginState, col(LoginState.platform_id) == col(Platform.id))
        .where(
            col(LoginState.state) == state,
            col(LoginState.consumed_at).is_(None),
            col(LoginState.expires_at) > now,
            col(Platform.is_disabled).is_(False),
        )
    ).one_or_none()
    if url is None:
        return ""
    kept = session.exec(select(KeySet).where(col(KeySet.url) == url)).one_or_none()
    if kept is None or not tokens.keys_of(kept.body, kid):
        return url
    return "" if same_moment_or_later(kept.fetched_at, now - FRESH) else url


def known_keys(session: Session, url: str, kid: str, now: datetime) -> list[RSAKey]:
    """The keys of that kid at a platform's address, if its key set was read within a day.

    Raises BadToken: launch.keys_unavailable, launch.key_unknown.
    """
    kept = session.exec(
        select(KeySet).where(col(KeySet.url) == url).execution_options(populate_existing=True)
    ).one_or_none()
    if kept is None or not same_moment_or_later(kept.fetched_at, now - STALE):
        raise tokens.BadToken("launch.keys_unavailable", url)
    keys = tokens.keys_of(kept.body, kid)
    if not keys:
        raise tokens.BadToken("launch.key_unknown", kid)
    return keys
