"""Moodle 4.5's dynamic registration on loopback: every answer is one that was recorded (tests/hosts/moodle_4_5)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.hosts import loopback

RECORDED = Path(__file__).resolve().parent / "moodle_4_5"
SITE = "http://localhost:8181"  # of the recordings
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
REQUIRED = (
    "response_types",
    "initiate_login_uri",
    "redirect_uris",
    "client_name",
    "jwks_uri",
    "token_endpoint_auth_method",
    TOOL,
)


def recorded(name: str) -> Any:
    """What Moodle answered in that exchange."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["response"]


JAILED = '{"error": "x", "error_description": "Sign in first"}'
# The page on which an administrator adds a tool: ours in a frame, and an ear for what it says.
ADMIN = """<!doctype html><title>Manage tools</title><iframe src="{src}" width="720" height="600"></iframe>
<script>addEventListener("message", event => document.title = event.data.subject + " " + event.origin)</script>"""


@dataclass
class Moodle:
    """The platform as an officer's browser knows it, and what it was asked. `mood` changes how it behaves."""

    url: str = ""
    tool: str = ""  # our address, for the page that frames us
    client_id: str = "1ogsuyHM8yCrYje"
    token: str = "reg-token"
    mood: str = ""  # "", huge, slow, ponders, redirects, html, no deployment, no scope, jailed (answers 401)
    changes: dict[str, Any] = field(default_factory=dict)  # of the configuration; None leaves a member out
    used: bool = False
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    requests: list[dict[str, Any]] = field(default_factory=list)  # bodies of registrations

    @property
    def configuration_url(self) -> str:
        return f"{self.url}/mod/lti/openid-configuration.php"

    def page(self, tool: str, **changes: str) -> str:
        """What Moodle's iframe opens."""
        query = {"openid_configuration": self.configuration_url, "registration_token": self.token, **changes}
        return f"{tool}/lti/register?{urlencode({key: value for key, value in query.items() if value})}"

    def form(self, code: str, **more: str) -> dict[str, str]:
        """What the page's form sends."""
        return {
            "openid_configuration": self.configuration_url,
            "registration_token": self.token,
            "code": code,
            **more,
        }

    def configuration(self) -> dict[str, Any]:
        whole = json.loads(json.dumps(recorded("01_platform/openid_configuration")["json"]).replace(SITE, self.url))
        return {key: value for key, value in {**whole, **self.changes}.items() if value is not None}

    def register(self, headers: dict[str, str], body: bytes) -> tuple[int, str, str]:
        """The answer to a registration: the recorded one of the first rule that is broken."""
        try:
            given = json.loads(body)
        except ValueError:
            given = None
        broken = self._broken(headers, given)
        if broken:
            answer = recorded(f"02_registration/{broken}")
            return answer["status"], answer["headers"]["Content-Type"], answer["text"]
        self.requests.append(given)
        self.used = not self.token.startswith("update")
        echo = recorded("02_registration/02_request_and_response")["json"]
        granted = echo["scope"].split() if "lineitem" in given["scope"] else []
        answer = {**echo, "client_id": self.client_id, "scope": " ".join(granted)}
        for name in ("jwks_uri", "initiate_login_uri", "redirect_uris", "client_name"):
            answer[name] = given[name]
        if self.mood == "no deployment":
            answer.pop(TOOL)
        return 200, "application/json; charset=utf-8", json.dumps(answer)

    def _broken(self, headers: dict[str, str], given: Any) -> str:
        """The recording of the first rule of Moodle's that this request breaks."""
        bearer = headers.get("Authorization", "")
        if not bearer:
            return "no_auth"
        if bearer != f"Bearer {self.token}":
            return "bad_token"
        if self.used:
            return "token_reused"
        if not isinstance(given, dict):
            return "not_json"
        for name in REQUIRED:
            if name not in given:
                return f"missing_{name.rpartition('/')[2]}"
        if given.get("application_type", "web") != "web":
            return "app_type_native"
        if not isinstance(given["redirect_uris"], list):
            return "redirect_string"
        if given["token_endpoint_auth_method"] != "private_key_jwt":
            return "bad_auth_method"
        if len(given["client_name"]) > 255:
            return "long_name"
        about = given[TOOL]
        if "domain" not in about:
            return "missing_domain"
        if urlsplit(about.get("target_link_uri", f"https://{about['domain']}")).netloc != about["domain"]:
            return "domain_mismatch"
        return ""


@contextmanager
def moodle() -> Iterator[Moodle]:
    """A Moodle that is waiting for a tool."""
    made = Moodle()

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            made.asked.append(("GET", self.path, dict(self.headers)))
            body = json.dumps(made.configuration())
            if made.mood == "redirects":
                return self.say(302, "", Location="http://127.0.0.1:1/openid")
            if made.mood == "slow":
                threading.Event().wait(5)  # the tool's patience in these tests is shorter
            status = 401 if made.mood == "jailed" else 200
            if self.path == "/admin":
                return self.say(200, ADMIN.format(src=escape(made.page(made.tool))), "text/html")
            texts = {"huge": body + " " * 300_000, "html": "<html>sign in</html>", "list": "[1]", "jailed": JAILED}
            return self.say(status, texts.get(made.mood, body))

        def do_POST(self) -> None:
            made.asked.append(("POST", self.path, dict(self.headers)))
            status, kind, text = made.register(dict(self.headers), self.heard())
            if made.mood == "ponders":
                threading.Event().wait(0.3)
            self.say(status, text, kind)

    with loopback.handled(Handler) as port:
        made.url = f"http://moodle.localhost:{port}"
        yield made
