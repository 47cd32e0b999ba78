"""Our own signing keys, and the encryption of what must not stand readable in the database."""

import base64
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import RSAKey
from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from lms_plugin.errors import Unavailable
from lti.models import ToolKey

SHOWN_BEFORE = timedelta(days=1)  # hosts keep a key set for hours
SHOWN_AFTER = timedelta(days=7)


@lru_cache(maxsize=8)
def _box(secret_key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"nengli lti v1").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def encrypt(text: str, secret_key: str) -> str:
    """The text under a key derived from the installation's secret."""
    return _box(secret_key).encrypt(text.encode()).decode()


def decrypt(text: str, secret_key: str) -> str:
    """The text again. Raises Unavailable("keys.secret_changed") when the secret is not the one it was kept under."""
    try:
        return _box(secret_key).decrypt(text.encode()).decode()
    except InvalidToken as error:
        raise Unavailable("keys.secret_changed", permanent=True) from error


def ensure_tool_key(session: Session, secret_key: str, now: datetime) -> ToolKey:
    """The key we sign with now: the newest that is in use, made if there is none."""
    found = session.exec(
        select(ToolKey)
        .where(_shown(now), col(ToolKey.active_from_at) <= now)
        .order_by(col(ToolKey.active_from_at).desc(), col(ToolKey.id).desc())
        .limit(1)
    ).one_or_none()
    return found or _make(session, secret_key, now, active_from_at=now)


def rotate_key(session: Session, secret_key: str, now: datetime, *, at_once: bool = False) -> ToolKey:
    """Another key to sign with. Hosts keep our key set for a while, so it is shown a day before it signs, and the old
    ones stay a week longer: what was signed with them is still believed. A key that waits already is the answer.

    `at_once`: a key has leaked. The new one signs now, and the old ones are shown no more.
    """
    newest = session.exec(
        select(ToolKey).where(_shown(now)).order_by(col(ToolKey.active_from_at).desc()).limit(1)
    ).one_or_none()
    if newest is not None and newest.active_from_at > now and not at_once:
        return newest
    begins = now if at_once else now + SHOWN_BEFORE
    for row in session.exec(select(ToolKey).where(_shown(now))).all():
        if at_once or row.retired_at is None:  # one that has its end already keeps it, however often keys take turns
            row.retired_at = now if at_once else begins + SHOWN_AFTER
            session.add(row)
    return _make(session, secret_key, now, active_from_at=begins)


def rotate_when_due(session: Session, secret_key: str, now: datetime, every: timedelta) -> ToolKey | None:
    """The timer: another key when the newest is so old (zero = never)."""
    if not every:
        return None
    newest = session.exec(select(ToolKey).order_by(col(ToolKey.created_at).desc()).limit(1)).one_or_none()
    if newest is None or newest.created_at > now - every:
        return None
    return rotate_key(session, secret_key, now)


def _shown(now: datetime) -> ColumnElement[bool]:
    return or_(col(ToolKey.retired_at).is_(None), col(ToolKey.retired_at) > now)


def _make(session: Session, secret_key: str, now: datetime, *, active_from_at: datetime) -> ToolKey:
    """RSA 2048: what every host can read."""
    kid = secrets.token_urlsafe(16)
    key = RSAKey.generate_key(2048, private=True)
    shown = key.as_dict(private=False)
    public = {"kty": "RSA", "n": shown["n"], "e": shown["e"], "alg": "RS256", "use": "sig", "kid": kid}
    made = ToolKey(
        kid=kid,
        private_encrypted=encrypt(key.as_pem(private=True).decode(), secret_key),
        public_jwk=public,
        created_at=now,
        active_from_at=active_from_at,
    )
    session.add(made)
    session.flush()
    return made


def tool_jwks(session: Session, now: datetime) -> dict[str, Any]:
    """The JWKS document that platforms fetch: public halves of all keys that sign, will sign, or signed lately."""
    rows = session.exec(select(ToolKey).where(_shown(now)).order_by(col(ToolKey.id))).all()
    return {"keys": [row.public_jwk for row in rows]}


@lru_cache(maxsize=16)
def _opened(private_encrypted: str, secret_key: str) -> RSAKey:
    return RSAKey.import_key(decrypt(private_encrypted, secret_key))  # parsing a PEM takes 40 ms: once per process


def private_key(row: ToolKey, secret_key: str) -> RSAKey:
    """The key object to sign with. Raises Unavailable("keys.secret_changed")."""
    return _opened(row.private_encrypted, secret_key)
