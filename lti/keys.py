"""Our own signing keys, and the encryption of what must not stand readable in the database."""

import base64
import secrets
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import RSAKey
from sqlmodel import Session, col, select

from lms_plugin.errors import Unavailable
from lti.models import ToolKey


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
    """The key we sign with: the newest that is not retired, made (RSA 2048) if there is none."""
    found = session.exec(
        select(ToolKey).where(col(ToolKey.retired_at).is_(None)).order_by(col(ToolKey.id).desc()).limit(1)
    ).one_or_none()
    if found is not None:
        return found
    kid = secrets.token_urlsafe(16)
    key = RSAKey.generate_key(2048, private=True)
    shown = key.as_dict(private=False)
    public = {"kty": "RSA", "n": shown["n"], "e": shown["e"], "alg": "RS256", "use": "sig", "kid": kid}
    made = ToolKey(
        kid=kid,
        private_encrypted=encrypt(key.as_pem(private=True).decode(), secret_key),
        public_jwk=public,
        created_at=now,
    )
    session.add(made)
    session.flush()
    return made


def tool_jwks(session: Session) -> dict[str, Any]:
    """The JWKS document that platforms fetch: public halves of all keys that are not retired."""
    rows = session.exec(select(ToolKey).where(col(ToolKey.retired_at).is_(None)).order_by(col(ToolKey.id))).all()
    return {"keys": [row.public_jwk for row in rows]}


@lru_cache(maxsize=16)
def _opened(private_encrypted: str, secret_key: str) -> RSAKey:
    return RSAKey.import_key(decrypt(private_encrypted, secret_key))  # parsing a PEM takes 40 ms: once per process


def private_key(row: ToolKey, secret_key: str) -> RSAKey:
    """The key object to sign with. Raises Unavailable("keys.secret_changed")."""
    return _opened(row.private_encrypted, secret_key)
