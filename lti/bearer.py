"""Access tokens: asked for with a signed assertion (RFC 7523), kept encrypted, shared by all workers.

One worker asks while the others wait: its claim is the row itself, without a token and with an end in the near future.
"""

import json
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from joserfc.jwk import RSAKey
from sqlalchemy import delete, null, or_, update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

from lms_plugin.db import transaction
from lms_plugin.errors import Unavailable
from lms_plugin.net import Http
from lti import keys, tokens
from lti.hosts import Host
from lti.models import AccessToken
from lti.text import clean, is_identifier, utc
from lti.upsert import insert_unless_there

CLAIM = timedelta(seconds=30)  # longer than any answer may take: then somebody else asks
PATIENCE = 12.0  # seconds that the others wait for the one who asks
SHORTEST = 300.0  # seconds that a token lasts whose host does not say
REFUSED_FOR = 60  # seconds that a refusal is believed: a registration that is wrong there is asked about once a minute
DOWN_FOR = 10  # the same of a host that did not answer
_LONG_AGO = timedelta(days=1)


@dataclass(frozen=True)
class Token:
    """A bearer token, what it is good for (of what was asked), and until when it may be used again."""

    value: str
    scopes: tuple[str, ...]
    until: datetime


@dataclass(frozen=True)
class Client:
    """Who asks, where, for what, and with which key."""

    platform_id: int
    client_id: str
    token_url: str
    audience: str
    scopes: tuple[str, ...]
    kid: str
    key: RSAKey

    @property
    def scope_key(self) -> str:
        """The name of this scope set in the table."""
        return " ".join(one.removeprefix("https://purl.imsglobal.org/spec/") for one in self.scopes)[:500]


def fetch(http: Http, client: Client, now: datetime) -> Token:
    """Asks the platform for a token.

    Raises Unavailable: ags.token_refused, ags.scope_refused (it grants nothing of what was asked), net.*.
    """
    at = int(now.timestamp())
    assertion = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.audience,  # one string: Brightspace refuses a list
        "iat": at - 5,  # Moodle allows its clock no leeway
        "exp": at + 240,
        "jti": secrets.token_urlsafe(24),
    }
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": tokens.sign(assertion, client.key, client.kid),
        "scope": " ".join(client.scopes),
    }
    kind = "application/x-www-form-urlencoded"
    answer = http.post(client.token_url, urlencode(form), kind, {"Accept": "application/json"})
    if answer.status not in (200, 201):
        final = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
        words = Host().words(answer)
        raise Unavailable("ags.token_refused", permanent=final, words=words, retry_after=answer.retry_after)
    found = answer.json()
    value = found.get("access_token") if isinstance(found, dict) else None
    if not isinstance(value, str) or not is_identifier(value, 8000) or not value.isascii():
        raise Unavailable("ags.token_refused", permanent=True, words=Host().words(answer)[:60])
    told = found.get("scope")
    granted = set(told.split()) if isinstance(told, str) else set(client.scopes)
    scopes = tuple(one for one in client.scopes if one in granted)
    if client.scopes and not scopes:
        raise Unavailable("ags.scope_refused", permanent=True, words=clean(str(told), 180))
    lasts = tokens.seconds(found.get("expires_in"))
    return Token(value, scopes, now + timedelta(seconds=min(SHORTEST if lasts is None else lasts, 86400.0) - 60))


def kept(session: Session, client: Client, secret_key: str, now: datetime) -> Token | None:
    """The shared token, if there is one that may still be used."""
    row = _row(session, client)
    return _opened(row, secret_key, now) if row is not None else None


def keep(session: Session, client: Client, token: Token, secret_key: str) -> None:
    """Shares a token."""
    written = json.dumps([token.value, token.scopes])
    _ensure_row(session, client, token.until)
    session.execute(
        update(AccessToken)
        .where(*_is_of(client))
        .values(token_encrypted=keys.encrypt(written, secret_key), expires_at=token.until, refusal=null())
    )


def forget(session: Session, client: Client, now: datetime) -> None:
    """Whoever needs a token next asks for one."""
    nothing = {"token_encrypted": "", "expires_at": now - _LONG_AGO, "refusal": null()}
    session.execute(update(AccessToken).where(*_is_of(client)).values(nothing))


def forget_refusals(session: Session, platform_id: int) -> None:
    """Somebody has seen to the registration: the next one who needs a token asks for it at once."""
    session.execute(
        delete(AccessToken).where(col(AccessToken.platform_id) == platform_id, col(AccessToken.refusal).is_not(None))
    )


def _remember(session: Session, client: Client, error: Unavailable, now: datetime) -> None:
    """Hundreds of scores may wait for this token: what the host said is believed for a while."""
    believed = REFUSED_FOR if error.permanent else max(DOWN_FOR, error.retry_after or 0)
    said = {"code": error.code, "permanent": error.permanent, "words": error.words}
    values = {"token_encrypted": "", "expires_at": now + timedelta(seconds=believed), "refusal": said}
    session.execute(update(AccessToken).where(*_is_of(client)).values(values))


def _refusal(row: AccessToken, now: datetime) -> Unavailable | None:
    """What is still believed of the last refusal."""
    left = math.ceil((utc(row.expires_at) - utc(now)).total_seconds())
    if not row.refusal or left <= 0:
        return None
    return Unavailable(
        row.refusal["code"], permanent=row.refusal["permanent"], words=row.refusal["words"], retry_after=left
    )


def shared(
    sessions: "sessionmaker[Session]",
    client: Client,
    secret_key: str,
    now: datetime,
    refused: str,
    ask: Callable[[], Token],
) -> Token:
    """The token that all workers share, other than the `refused` one; asked for (`ask`) by one of them where there is
    none. Short transactions of its own. Raises Unavailable("ags.token_awaited") when the one who asks takes too long,
    and what `ask` raises or has raised a moment ago: a refusal is remembered (`REFUSED_FOR`, `DOWN_FOR`).
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        with sessions() as session:
            row = _row(session, client)
            token = _opened(row, secret_key, now) if row is not None else None
            if token is not None and token.value != refused:
                return token
            said = _refusal(row, now) if row is not None else None
            if said is not None:
                raise said
            stale = row.token_encrypted if row is not None else ""
            is_free = row is None or bool(stale) or utc(row.expires_at) <= utc(now)
        if is_free and _claim(sessions, client, stale, now):
            break
        if time.monotonic() > give_up:
            raise Unavailable("ags.token_awaited", retry_after=2)
        time.sleep(0.05)
    try:
        token = ask()
    except Unavailable as error:
        with transaction(sessions) as session:
            _remember(session, client, error, now)
        raise
    except BaseException:
        with transaction(sessions) as session:
            forget(session, client, now)
        raise
    with transaction(sessions) as session:
        keep(session, client, token, secret_key)
    return token


def _claim(sessions: "sessionmaker[Session]", client: Client, stale: str, now: datetime) -> bool:
    """Takes the right to ask, by compare-and-set: of a token that is over, or of the refused one as it was read."""
    with transaction(sessions) as session:
        _ensure_row(session, client, now - _LONG_AGO)
        free = col(AccessToken.expires_at) <= now
        if stale:
            free = or_(free, col(AccessToken.token_encrypted) == stale)
        taken = session.execute(
            update(AccessToken)
            .where(*_is_of(client), free)
            .values(token_encrypted="", expires_at=now + CLAIM, refusal=null())
        )
        return bool(getattr(taken, "rowcount", 0))


def _ensure_row(session: Session, client: Client, until: datetime) -> None:
    values = {"platform_id": client.platform_id, "scope_key": client.scope_key}
    insert_unless_there(session, AccessToken, {**values, "token_encrypted": "", "expires_at": until})


def _row(session: Session, client: Client) -> AccessToken | None:
    return session.exec(select(AccessToken).where(*_is_of(client))).one_or_none()


def _is_of(client: Client) -> tuple[Any, Any]:
    return col(AccessToken.platform_id) == client.platform_id, col(AccessToken.scope_key) == client.scope_key


def _opened(row: AccessToken, secret_key: str, now: datetime) -> Token | None:
    """The token in a row; None in a claim, where its time is over, and where it was kept in another form or under
    another secret: whoever needs one asks for it anew."""
    if not row.token_encrypted or utc(row.expires_at) <= utc(now):
        return None
    try:
        value, scopes = json.loads(keys.decrypt(row.token_encrypted, secret_key))
    except (ValueError, Unavailable):
        return None
    return Token(value, tuple(scopes), row.expires_at)
