"""Platforms' keys: kept in the database, fetched outside the launch's own transaction, at most once a minute."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import RSAKey
from sqlalchemy import or_, update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col

from lms_plugin.db import transaction
from lms_plugin.errors import Unavailable
from lms_plugin.net import Http
from lti import tokens
from lti.keywait import FETCH_SECONDS, wait_for
from lti.models import KeySet
from lti.text import same_moment_or_later
from lti.upsert import insert_unless_there

FRESH = timedelta(hours=1)  # after which a launch looks whether a key was withdrawn
STALE = timedelta(hours=24)  # how long known keys stand in while the host's address does not answer
PAUSE = timedelta(minutes=1)  # between two tries at one address, whoever asks


class KeysWanted(Exception):
    """A launch whose key is not known, or was last seen long ago: `url` is to be asked first. Nothing is used up yet
    once the caller has rolled back."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def refresh_keys(factory: "sessionmaker[Session]", http: Http, url: str, now: datetime) -> None:
    """Asks the address of `KeysWanted` and keeps its answer; never raises for a host's fault.

    Two short transactions of its own (claim, keep) with the request between them, so that nothing waits for a host with
    a lock in hand. Where somebody else is asking at this moment it waits; where somebody asked within a minute it does
    nothing.
    """
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


def is_fresh(body: Mapping[str, Any] | None, fetched_at: datetime | None, kid: str, now: datetime) -> bool:
    """Whether a launch need not ask: the key set was read within an hour and has a key of that kid."""
    return body is not None and same_moment_or_later(fetched_at, now - FRESH) and bool(tokens.keys_of(body, kid))


def usable(
    url: str, body: Mapping[str, Any] | None, fetched_at: datetime | None, kid: str, now: datetime
) -> list[RSAKey]:
    """The keys of that kid in what is kept of a platform's address, if it was read within a day.

    Raises BadToken: launch.keys_unavailable, launch.key_unknown.
    """
    if body is None or not same_moment_or_later(fetched_at, now - STALE):
        raise tokens.BadToken("launch.keys_unavailable", url)
    keys = tokens.keys_of(body, kid)
    if not keys:
        raise tokens.BadToken("launch.key_unknown", kid)
    return keys
