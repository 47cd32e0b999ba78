"""Recorded launches made fresh: the host's claims as they were, signed with a test key for a login of ours."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

HERE = Path(__file__).parent
KID = "test-key"
REFUSED = {  # recorded launches of Moodle that no tool may let in, with our words for them
    "empty_state_student": "launch.state_missing",
    "nonce_with_html_student": "launch.nonce",
    "state_with_html_student": "launch.state_unknown",
    "error_access_denied_": "launch.platform_error",
    "error_invalid_request_invalid_prompt": "launch.platform_error",
    "error_invalid_request_invalid_response_mode": "launch.platform_error",
    "error_unauthorized_client_": "launch.platform_error",
}


@cache
def signing_key(name: str = "platform") -> RSAKey:
    """A test key, one per name and run."""
    return RSAKey.generate_key(2048, private=True)


def jwks(name: str = "platform", kid: str = KID) -> dict[str, Any]:
    """The key set that a platform with that key shows, bare as Open edX's (neither `alg` nor `use`)."""
    shown = signing_key(name).as_dict(private=False)
    return {"keys": [{"kty": "RSA", "kid": kid, "n": shown["n"], "e": shown["e"]}]}


def moodle_launches() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and form of each recorded Moodle 4.5 launch; `claims` holds the token's claims where there was a token."""
    for path in sorted((HERE / "moodle_4_5" / "04_launch").glob("*.json")):
        recorded = json.loads(path.read_text(encoding="utf-8"))
        form = dict(recorded["request"]["form"])
        decoded = recorded.get("decoded_jwts", {}).get("request.form.id_token")
        yield path.stem, {"form": form, "claims": decoded and decoded["claims"]}


def openedx_launches(version: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and claims of each launch recorded from that version of the stock consumer."""
    for path in sorted((HERE / "openedx" / version).glob("launch_*.json")):
        recorded = json.loads(path.read_text(encoding="utf-8"))
        if "claims" in recorded:
            yield path.stem, recorded["claims"]


def sign(claims: dict[str, Any] | bytes, name: str = "platform", **header: Any) -> str:
    """A token with these claims; `header` overrides or, with None, removes header members."""
    full = {"alg": "RS256", "typ": "JWT", "kid": KID, **header}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    kept = {key: value for key, value in full.items() if value is not None}
    return jws.serialize_compact(kept, payload, signing_key(name), algorithms=["RS256"])


def encoded(value: Any) -> str:
    """JSON as a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def fresh(claims: dict[str, Any], nonce: str, now: datetime, life: int = 60, /, **changes: Any) -> dict[str, Any]:
    """The claims for this moment and login; `changes` override by claim name, None removes."""
    at = int(now.timestamp())
    made = {**claims, "nonce": nonce, "iat": at, "exp": at + life, **changes}
    return {key: value for key, value in made.items() if value is not None}
