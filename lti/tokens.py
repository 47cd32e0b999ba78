"""JSON Web Tokens as strictly as a launch needs them: RS256, a known key, nothing that the token says about itself."""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

LONGEST_TOKEN = 64 * 1024
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SELF_KEYS = ("jwk", "jku", "x5u", "x5c", "crit", "b64")


class BadToken(Exception):
    """A token that is refused before or by its signature; `code` as in the launch's refusals."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def _constant(name: str) -> float:
    raise ValueError(name)


def load_object(data: bytes) -> dict[str, Any]:
    """A JSON object from bytes, without NaN and Infinity. Raises ValueError."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - wrong bytes, as all else here
    return value


def header(token: str) -> dict[str, Any]:
    """The header of a token of the right shape whose algorithm and header members are acceptable.

    Raises BadToken: launch.token_missing, token_too_long, token_malformed, algorithm, header_refused, kid_missing.
    """
    if not token:
        raise BadToken("launch.token_missing")
    if len(token) > LONGEST_TOKEN:
        raise BadToken("launch.token_too_long", str(len(token)))
    if not _SHAPE.fullmatch(token):
        raise BadToken("launch.token_malformed")
    try:
        part = token.partition(".")[0]
        found = load_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BadToken("launch.token_malformed") from error
    if found.get("alg") != "RS256":
        raise BadToken("launch.algorithm", repr(found.get("alg"))[:40])
    refused = [name for name in _SELF_KEYS if name in found]
    if refused:
        raise BadToken("launch.header_refused", ", ".join(refused))
    if not isinstance(found.get("kid"), str) or not found["kid"]:
        raise BadToken("launch.kid_missing")
    return found


def unchecked(token: str) -> dict[str, Any]:
    """What a token claims, whoever made it: nothing that it says may be believed. {} for what is no token."""
    if len(token) > LONGEST_TOKEN or not _SHAPE.fullmatch(token):
        return {}
    part = token.split(".")[1]
    try:
        return load_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}


@lru_cache(maxsize=256)
def _key(n: str, e: str) -> RSAKey | None:
    try:
        key = RSAKey.import_key({"kty": "RSA", "n": n, "e": e})
        bits = int.from_bytes(base64.urlsafe_b64decode(n + "=" * (-len(n) % 4)), "big").bit_length()
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return key if 2048 <= bits <= 8192 else None


def keys_of(key_set: Mapping[str, Any], kid: str) -> list[RSAKey]:
    """The RSA signing keys of that kid. Hosts leave out `alg` and `use` (Open edX), so absence is no fault."""
    listed = key_set.get("keys")
    found = []
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kid") != kid or entry.get("kty") != "RSA":
            continue
        operations = entry.get("key_ops")
        if entry.get("use") not in (None, "sig") or entry.get("alg") not in (None, "RS256"):
            continue
        if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
            continue
        n, e = entry.get("n"), entry.get("e")
        key = _key(n, e) if isinstance(n, str) and isinstance(e, str) and len(n) < 4096 and len(e) < 16 else None
        if key is not None:
            found.append(key)
    return found[:4]


def claims(token: str, keys: list[RSAKey]) -> dict[str, Any]:
    """The claims of a token that one of the keys signed.

    Raises BadToken: launch.signature, launch.token_malformed.
    """
    for key in keys:
        try:
            payload = jws.deserialize_compact(token, key, algorithms=["RS256"]).payload
        except (JoseError, ValueError):
            continue
        try:
            return load_object(payload)
        except ValueError as error:
            raise BadToken("launch.token_malformed") from error
    raise BadToken("launch.signature")


def seconds(value: Any) -> float | None:
    """A NumericDate claim, or None when it is none (a string, a boolean, absurd)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e11 and math.isfinite(value) else None


def sign(payload: dict[str, Any], key: RSAKey, kid: str) -> str:
    """A compact token of ours."""
    head = {"alg": "RS256", "typ": "JWT", "kid": kid}
    return jws.serialize_compact(head, json.dumps(payload).encode(), key, algorithms=["RS256"])
