"""Signatures over bytes that leave an installation: a compact JWS (RFC 7515, ES256) whose payload is those very bytes
and whose header carries the public key. Whose key that is, the signature cannot say."""

from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from lms_plugin.errors import Refused

ALGORITHM = "ES256"
_PUBLIC = ("kty", "crv", "x", "y")


def new_key() -> tuple[str, dict[str, str]]:
    """A key to sign with: the private half as PEM, the public one as a JWK."""
    key = ECKey.generate_key("P-256", private=True)
    return key.as_pem(private=True).decode(), public_half(key)


def public_half(key: ECKey) -> dict[str, str]:
    """The JWK that may be shown to anybody."""
    shown = key.as_dict(private=False)
    return {name: str(shown[name]) for name in _PUBLIC}


def thumbprint(public: Mapping[str, Any]) -> str:
    """The RFC 7638 thumbprint, by which keys are compared."""
    return str(ECKey.import_key({name: str(public[name]) for name in _PUBLIC}).thumbprint())


def sign(payload: bytes, pem: str) -> str:
    """The JWS."""
    key = ECKey.import_key(pem)
    return jws.serialize_compact({"alg": ALGORITHM, "jwk": public_half(key)}, payload, key, algorithms=[ALGORITHM])


def signed_by(signature: bytes, payload: bytes) -> dict[str, str]:
    """The public key in the header of the signature, with which it fits these bytes. Raises Refused `signing.wrong`."""
    try:
        carried = jws.extract_compact(signature).headers().get("jwk")
        if not isinstance(carried, dict) or carried.get("kty") != "EC" or carried.get("crv") != "P-256":
            raise Refused("signing.wrong")
        public = {name: str(carried[name]) for name in _PUBLIC}
        key = ECKey.import_key({**public})
        found = jws.deserialize_compact(signature, key, algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Refused("signing.wrong") from error
    if found != payload:
        raise Refused("signing.wrong")
    return public
