"""A host and browsers for tests of the door: keys served on loopback, launches signed with a test key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import func, select
from sqlmodel import Session

import lti
from lms_plugin.db import Model
from tests.hosts import loopback, resign

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER, INSTRUCTOR = MEMBERSHIP + "Learner", MEMBERSHIP + "Instructor"


def claims_of(subject: str, *roles: str, tool: str, course: str = "course-9", **more: Any) -> dict[str, Any]:
    """Claims of a plain launch; `more` by full claim name."""
    return {
        "sub": subject,
        "name": "",
        CLAIM + "deployment_id": "1",
        CLAIM + "target_link_uri": tool + "/lti/launch",
        CLAIM + "message_type": "LtiResourceLinkRequest",
        CLAIM + "version": "1.3.0",
        CLAIM + "roles": list(roles),
        CLAIM + "resource_link": {"id": "link-1", "title": "研修任务"},
        CLAIM + "context": {"id": course, "title": "信息技术研修"},
        **more,
    }


@dataclass
class Host:
    """A platform: one registration, and its key set on loopback."""

    session: Session
    tenant_id: int
    now: datetime
    jwks_url: str
    tool: str = "http://localhost"
    issuer: str = "https://lms.host.example"
    client_id: str = "client-9"
    deployment: str = "1"
    platform: lti.Platform = field(init=False)

    def __post_init__(self) -> None:
        self.platform = lti.add_platform(
            self.session,
            self.tenant_id,
            issuer=self.issuer,
            client_id=self.client_id,
            auth_url=self.issuer + "/auth",
            token_url=self.issuer + "/token",
            jwks_url=self.jwks_url,
            deployments=[self.deployment],
            now=self.now,
            allow_loopback=True,
        )
        self.session.commit()

    def login(self, client: Any, *, keeps_cookies: bool = True) -> dict[str, str]:
        """A login initiation in that browser; gives what the host's auth address receives."""
        query = {
            "iss": self.issuer,
            "client_id": self.client_id,
            "login_hint": "8",
            "target_link_uri": self.tool + "/lti/launch",
        }
        answer = client.get("/lti/login", query_string=query)
        assert answer.status_code == 302, answer.text
        if not keeps_cookies:
            forget(client)
        return {key: value[0] for key, value in parse_qs(urlsplit(answer.location).query).items()}

    def form(self, sent: dict[str, str], claims: dict[str, Any]) -> dict[str, str]:
        """The signed form that answers a login."""
        whole = {"iss": self.issuer, "aud": self.client_id, **claims}
        return {"id_token": resign.sign(resign.fresh(whole, sent["nonce"], self.now)), "state": sent["state"]}

    def launch(self, client: Any, claims: dict[str, Any], *, keeps_cookies: bool = True) -> Any:
        """A whole launch in that browser."""
        sent = self.login(client, keeps_cookies=keeps_cookies)
        return client.post("/lti/launch", data=self.form(sent, claims))


def forget(client: Any) -> None:
    """The browser keeps no cookie of ours (third-party cookies are blocked)."""
    client._cookies.clear()


@contextmanager
def key_server() -> Iterator[tuple[str, list[int]]]:
    """A JWKS address on loopback and, in a list, one entry for each time that it was asked."""
    asked: list[int] = []

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            asked.append(1)
            self.say(200, json.dumps(resign.jwks()))

    with loopback.handled(Handler) as port:
        yield f"http://127.0.0.1:{port}/jwks", asked


def row_counts(session: Session) -> dict[str, int]:
    """How many rows every table has."""
    session.expire_all()
    return {
        table.name: session.execute(select(func.count()).select_from(table)).scalar_one()
        for table in Model.metadata.sorted_tables
    }


def written(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """By how many rows tables grew (or shrank)."""
    return {name: after[name] - count for name, count in before.items() if after[name] != count}
