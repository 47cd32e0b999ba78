"""A practice LMS over its test client, and a stand-in tool: a key pair served on loopback."""

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from lms_plugin.practice import PracticeConfig, create_practice
from lms_plugin.practice.platform import new_private_key
from lms_plugin.practice.store import Store
from tests.hosts import loopback

BASE = "http://lms.localhost:8700"
LOOPBACK = "http://127.0.0.1:8700"
TOOL = "http://tool.localhost:8600"
AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
ALL_SCOPES = " ".join([AGS + "lineitem", AGS + "score", AGS + "result.readonly", NRPS])
LINEITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINEITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE = "application/vnd.ims.lis.v1.score+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ToolKeyset:
    """A tool's key set on loopback; tests change what it answers."""

    def __init__(self) -> None:
        self.private: dict[str, rsa.RSAPrivateKey] = {}
        self.status = 200
        self.fetches = 0
        self.body: bytes | None = None
        self.url = ""
        self.add("one")

    def add(self, kid: str) -> None:
        self.private[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self) -> bytes:
        keys = []
        for kid, key in self.private.items():
            jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({**jwk, "kid": kid, "alg": "RS256", "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def sign(self, claims: dict[str, Any], *, kid: str = "one", key: rsa.RSAPrivateKey | None = None) -> str:
        return jwt.encode(claims, key or self.private[kid], algorithm="RS256", headers={"kid": kid})

    def assertion(self, **changes: Any) -> dict[str, Any]:
        """Claims of a right client assertion; a change to None removes the claim."""
        now = int(time.time())
        claims = {
            "iss": "nengli-practice",
            "sub": "nengli-practice",
            "aud": LOOPBACK + "/token",
            "iat": now - 2,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}


@pytest.fixture(scope="session")
def _keyset_server() -> Iterator[ToolKeyset]:
    keyset = ToolKeyset()

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            keyset.fetches += 1
            body = keyset.body if keyset.body is not None else keyset.public()
            self.say(keyset.status, body, **({"Location": "/elsewhere"} if keyset.status == 302 else {}))

    with loopback.handled(Handler) as port:
        keyset.url = f"http://127.0.0.1:{port}"
        yield keyset


@pytest.fixture
def tool(_keyset_server: ToolKeyset) -> ToolKeyset:
    _keyset_server.status, _keyset_server.body = 200, None
    return _keyset_server


@pytest.fixture(scope="session")
def _host_key() -> str:
    return new_private_key()


@pytest.fixture
def config(tmp_path: Path, tool: ToolKeyset, _host_key: str) -> PracticeConfig:
    """A practice LMS that has its key already: to make one takes longer than the test."""
    made = PracticeConfig(BASE, LOOPBACK, TOOL, tool.url, tmp_path / "practice")
    Store(made.data_dir / "practice.sqlite3").setting("private_key", lambda: _host_key)
    return made


@pytest.fixture
def lms(config: PracticeConfig) -> Flask:
    return create_practice(config)


@pytest.fixture
def browser(lms: Flask) -> FlaskClient:
    """A browser at the address browsers use."""
    client = lms.test_client()
    client.environ_base["HTTP_HOST"] = "lms.localhost:8700"
    return client


class Caller:
    """The tool's server: asks for tokens and calls services with them."""

    def __init__(self, lms: Flask, tool: ToolKeyset) -> None:
        self.client = lms.test_client()
        self.tool = tool
        self._tokens: dict[str, str] = {}

    def ask(self, assertion: str | None = None, **form: Any) -> Any:
        values = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.tool.sign(self.tool.assertion()),
            "scope": ALL_SCOPES,
            **form,
        }
        return self.client.post("/token", data={name: value for name, value in values.items() if value is not None})

    def token(self, scope: str = ALL_SCOPES) -> str:
        if scope not in self._tokens:
            self._tokens[scope] = self.ask(scope=scope).json["access_token"]
        return self._tokens[scope]

    def call(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        accept: str | None = None,
        content: str | None = None,
        scope: str = ALL_SCOPES,
        bearer: str | None = None,
    ) -> Any:
        headers = {"Authorization": bearer if bearer is not None else f"Bearer {self.token(scope)}"}
        if accept:
            headers["Accept"] = accept
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        return self.client.open(path, method=method, headers=headers, data=data, content_type=content)

    def create(self, course: str = "1", **changes: Any) -> dict[str, Any]:
        body = {"label": "学时", "scoreMaximum": 25, "resourceId": "nengli:1:hours", "tag": "nengli:1:hours", **changes}
        answer = self.call("POST", f"/ags/{course}/lineitems?type_id=1", body=body, content=LINEITEM)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def score(self, item: dict[str, Any], *, scope: str = ALL_SCOPES, **changes: Any) -> Any:
        body = {
            "userId": "11",
            "timestamp": "2026-05-01T08:00:00Z",
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "scoreGiven": 10,
            "scoreMaximum": 25,
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not None}
        url = item["id"].replace("/lineitem?", "/lineitem/scores?")
        return self.call("POST", url, body=body, content=SCORE, scope=scope)


@pytest.fixture
def caller(lms: Flask, tool: ToolKeyset) -> Caller:
    return Caller(lms, tool)


def begin(browser: FlaskClient, who: str = "wang-xiulan", query: str = "", course: str = "1") -> dict[str, str]:
    """Sign in, open the activity, and return what the tool's login receives."""
    browser.post(f"/signin/{who}")
    answer = browser.get(f"/launch/{course}/{course}01{query}")
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}


def auth_request(begun: dict[str, str], **changes: str | None) -> dict[str, str]:
    """A right authentication request for this beginning; a change to None removes the parameter."""
    values: dict[str, str | None] = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": begun["client_id"],
        "redirect_uri": TOOL + "/lti/launch",
        "login_hint": begun["login_hint"],
        "lti_message_hint": begun["lti_message_hint"],
        "state": "s-1",
        "nonce": "n-1",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}
