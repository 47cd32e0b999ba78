"""The platform's half of LTI security on `lti1p3platform`, with what its 0.1.8 wheel leaves open closed by overrides.

What each override closes is said where it stands; tests/practice/test_wheel_faults.py names them one by one.
"""

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lti1p3platform.constants import LTI_1P3_ACCESS_TOKEN_SCOPES
from lti1p3platform.exceptions import LtiDeepLinkingResponseException, LtiException, LtiServiceException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.registration import Registration

from lms_plugin.practice.config import PracticeConfig, is_local
from lms_plugin.practice.store import Store

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
DL_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/"
TOKEN_SECONDS = 3600
ASSERTION_SECONDS = 3600
KEYSET_SECONDS = 300
KEYSET_BYTES = 256 * 1024


class TokenRefused(Exception):
    """A token request that is not granted: `code` is the OAuth error code (RFC 6749, 5.2)."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


class ToolKeys:
    """The tool's public keys, fetched from one fixed address of this machine and kept for five minutes at most.

    The wheel fetches once, keeps for ever, ignores the HTTP status and follows wherever an address leads.
    """

    def __init__(self, url: str) -> None:
        if not is_local(urlsplit(url).hostname):
            raise ValueError(f"the practice LMS fetches keys from this machine only, not from {url!r}")
        self._url = url
        self._kept: tuple[float, dict[str, dict[str, Any]]] = (0.0, {})

    def fetch(self) -> dict[str, dict[str, Any]]:
        """The RSA keys by kid. Raises LtiException where the tool does not answer with a key set."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment has nothing to do with loopback
            try:
                answer = session.get(self._url, timeout=5, allow_redirects=False, stream=True)
                with answer:
                    if answer.status_code != requests.codes.ok:
                        raise LtiException(f"the tool's key set answered {answer.status_code}")
                    body = answer.raw.read(KEYSET_BYTES + 1, decode_content=True)
            except requests.RequestException as error:
                raise LtiException("the tool's key set cannot be reached") from error
        if len(body) > KEYSET_BYTES:
            raise LtiException("the tool's key set is too long")
        try:
            keys = json.loads(body)["keys"]
            found = {key["kid"]: key for key in keys if key.get("kty") == "RSA" and key.get("kid")}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LtiException("the tool's key set is not a JWK set") from error
        self._kept = (time.monotonic(), found)
        return found

    def find(self, kid: str, *, fresh: bool = False) -> dict[str, Any] | None:
        """The key with this kid, fetched anew where it is unknown, too old, or `fresh` is asked for."""
        fetched, keys = self._kept
        if fresh or kid not in keys or time.monotonic() - fetched > KEYSET_SECONDS:
            keys = self.fetch()
        return keys.get(kid)


class PracticeRegistration(Registration):
    """The one tool that is registered. The private key is loaded once; the wheel parses the PEM for each signature."""

    def __init__(self, config: PracticeConfig, private_pem: str) -> None:
        key = serialization.load_pem_private_key(private_pem.encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the practice LMS signs with RSA")
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._jwk = Registration.get_jwk(public.decode())
        self.set_iss(config.base_url)
        self.set_client_id(config.client_id)
        self.set_deployment_id(config.deployment_id)
        self.set_launch_url(config.tool_launch_url)
        self.set_deeplink_launch_url(config.tool_launch_url)
        self.set_oidc_login_url(config.tool_login_url)
        self.set_tool_key_set_url(config.tool_keyset_url)
        self.set_platform_public_key(public.decode())
        self.set_platform_private_key(key)
        self.public_key = key.public_key()

    def get_jwks(self) -> list[dict[str, Any]]:
        """The public key as a JWK with kid, alg and use."""
        return [self._jwk]

    def get_kid(self) -> str:
        """The kid that every signature names."""
        return str(self._jwk["kid"])

    def platform_encode_and_sign(self, payload: Mapping[str, Any], expiration: int | None = None) -> str:
        """Sign `payload`; with `expiration` (seconds) iat and exp come from one reading of the clock.

        The wheel reads it twice, so exp may be a second more than promised, and changes the caller's payload.
        """
        claims = dict(payload)
        if expiration:
            issued = int(time.time())
            claims.update(iat=issued, exp=issued + expiration)
        return jwt.encode(claims, self.get_platform_private_key(), algorithm="RS256", headers={"kid": self.get_kid()})


class PracticePlatform(LTI1P3PlatformConfAbstract):
    """Keys and tokens of the host. It keeps nothing of a request: the wheel leaves the last JWT's header on the object,
    so that with threads one request's kid could pick another request's key."""

    def init_platform_config(self, config: PracticeConfig, store: Store) -> None:
        """Called by the wheel's constructor with its keyword arguments."""
        self.config = config
        self.store = store
        self.registration = PracticeRegistration(config, store.setting("private_key", new_private_key))
        self._registration = self.registration
        self.tool_keys = ToolKeys(config.tool_keyset_url)

    def get_registration_by_params(self, **_kwargs: Any) -> PracticeRegistration:
        """There is one registration."""
        return self.registration

    @property
    def token_urls(self) -> list[str]:
        """Audiences a client assertion may name: the token address as browsers and as servers write it."""
        return [self.config.loopback_url + "/token", self.config.base_url + "/token"]

    def decode_from_tool(self, token: str, *, audience: list[str], need: list[str]) -> dict[str, Any]:
        """Claims of a JWT that the tool signed. RS256 and kid are a must, every claim in `need` too; no leeway.

        Raises LtiException with the reason. The wheel verifies no audience and needs no claim at all.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise LtiException("not a JWT") from error
        kid = header.get("kid")
        if header.get("alg") != "RS256":
            raise LtiException("only RS256 is accepted")
        if not isinstance(kid, str) or not kid:
            raise LtiException("kid is missing")
        for fresh in (False, True):  # a key that was replaced under the same kid is looked up once more
            key = self.tool_keys.find(kid, fresh=fresh)
            if key is None:
                raise LtiException("no key with this kid in the tool's key set")
            if key.get("alg", "RS256") != "RS256" or key.get("use", "sig") != "sig":
                raise LtiException("the key is not for RS256 signatures")
            try:
                return dict(
                    jwt.decode(
                        token,
                        jwt.PyJWK(key, "RS256"),
                        algorithms=["RS256"],
                        audience=audience,
                        options={"require": need},
                    )
                )
            except jwt.InvalidSignatureError as error:
                if fresh:
                    raise LtiException("wrong signature") from error
            except jwt.PyJWTError as error:
                raise LtiException(str(error)) from error
        raise LtiException("wrong signature")

    def tool_validate_and_decode(self, jwt_token_string: str) -> dict[str, Any]:
        """A client assertion (RFC 7523): for this token address, from and about the client, short-lived, used once."""
        claims = self.decode_from_tool(
            jwt_token_string, audience=self.token_urls, need=["iss", "sub", "aud", "exp", "iat", "jti"]
        )
        if not claims["iss"] == claims["sub"] == self.config.client_id:
            raise LtiException("iss and sub must be the client id")
        if claims["exp"] - time.time() > ASSERTION_SECONDS:
            raise LtiException("exp is more than an hour away")
        if not isinstance(claims["jti"], str) or not 1 <= len(claims["jti"]) <= 255:
            raise LtiException("jti must be 1 to 255 characters")
        if not self.store.once("jti", claims["jti"], int(claims["exp"]) + 1):
            raise LtiException("jti was used before")
        return claims

    def get_access_token(self, token_request_data: Mapping[str, str]) -> dict[str, Any]:
        """Grant the known ones among the scopes asked for. Raises TokenRefused.

        The wheel ignores the assertion type, grants an empty scope, and its token has no kid, jti or audience.
        """
        for name in ("grant_type", "client_assertion_type", "client_assertion", "scope"):
            if not token_request_data.get(name):
                raise TokenRefused("invalid_request", f"{name} is missing")
        if token_request_data["grant_type"] != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "grant_type must be client_credentials")
        if token_request_data["client_assertion_type"] != ASSERTION_TYPE:
            raise TokenRefused("invalid_request", "client_assertion_type must be jwt-bearer")
        try:
            self.tool_validate_and_decode(token_request_data["client_assertion"])
        except LtiException as error:
            raise TokenRefused("invalid_client", str(error), 401) from error
        asked = token_request_data["scope"].split()
        granted = [scope for scope in LTI_1P3_ACCESS_TOKEN_SCOPES if scope in asked]
        if not granted:
            raise TokenRefused("invalid_scope", "none of the scopes is offered")
        token = self.registration.platform_encode_and_sign(
            {
                "iss": self.config.base_url,
                "sub": self.config.client_id,
                "aud": self.config.loopback_url,
                "jti": secrets.token_urlsafe(16),
                "scopes": " ".join(granted),
            },
            TOKEN_SECONDS,
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(granted),
        }

    def validate_token(
        self, token: str, allowed_scopes: Iterable[str] | None = None, audience: str | None = None
    ) -> bool:
        """Whether a bearer token is ours, still good, and holds one of `allowed_scopes` (None: any; empty: never).

        Raises LtiServiceException 401. The wheel lets JWT errors through (HTTP 500) and cannot check an audience.
        """
        try:
            claims = jwt.decode(
                token,
                self.registration.public_key,
                algorithms=["RS256"],
                issuer=self.config.base_url,
                audience=audience or self.config.loopback_url,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "jti", "scopes"]},
            )
        except jwt.PyJWTError as error:
            raise LtiServiceException(f"Invalid access token: {error}", 401) from error
        if claims["sub"] != self.config.client_id:
            raise LtiServiceException("Invalid access token: unknown client", 401)
        return allowed_scopes is None or bool(set(str(claims["scopes"]).split()) & set(allowed_scopes))

    def validate_deeplinking_resp(self, token_request_data: Mapping[str, str]) -> list[dict[str, Any]]:
        """Content items of a deep linking response; `data` in the mapping is what the request carried, if anything.

        Raises LtiDeepLinkingResponseException. The wheel checks no audience, issuer, nonce, deployment or data, fails
        on an item without a type and lets `javascript:` addresses pass.
        """
        try:
            claims = self.decode_from_tool(
                token_request_data.get("JWT", ""),
                audience=[self.config.base_url],
                need=["iss", "aud", "exp", "iat", "nonce"],
            )
        except LtiException as error:
            raise LtiDeepLinkingResponseException(str(error)) from error
        for claim, right in (
            ("iss", self.config.client_id),
            (CLAIM + "message_type", "LtiDeepLinkingResponse"),
            (CLAIM + "version", "1.3.0"),
            (CLAIM + "deployment_id", self.config.deployment_id),
            (DL_CLAIM + "data", token_request_data.get("data")),
        ):
            if claims.get(claim) != right:
                raise LtiDeepLinkingResponseException(f"{claim} is not what was expected")
        items = claims.get(DL_CLAIM + "content_items", [])
        if not isinstance(items, list):
            raise LtiDeepLinkingResponseException("content_items is not a list")
        for item in items:
            if not isinstance(item, dict) or item.get("type") != "ltiResourceLink":
                raise LtiDeepLinkingResponseException("only ltiResourceLink items are accepted")
            if "url" in item and not str(item["url"]).startswith(self.config.tool_url + "/"):
                raise LtiDeepLinkingResponseException("an item's url must be the tool's")
        if not self.store.once("nonce", str(claims["nonce"]), int(claims["exp"]) + 1):
            raise LtiDeepLinkingResponseException("nonce was used before")
        return items


def new_private_key() -> str:
    """A fresh RSA key of 2048 bits as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
