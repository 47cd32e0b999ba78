"""A registered platform and a way to launch from it, as a host and a browser would."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlmodel import Session

import lti
from lms_plugin.db import pk
from lms_plugin.people import Tenant
from tests.hosts import resign

TOOL = "https://tool.example.org"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
CLAIMS: dict[str, Any] = {
    "iss": "https://lms.example.org",
    "aud": "client-1",
    "sub": "8",
    CLAIM + "deployment_id": "1",
    CLAIM + "target_link_uri": TOOL + "/lti/launch",
    CLAIM + "message_type": "LtiResourceLinkRequest",
    CLAIM + "version": "1.3.0",
    CLAIM + "roles": [MEMBERSHIP + "Learner"],
    CLAIM + "resource_link": {"id": "link-1", "title": "研修任务"},
    CLAIM + "context": {"id": "course-1", "title": "信息技术研修"},
}


def initiation(
    issuer: str, client_id: str, deployment: str, tool: str, changes: Mapping[str, str | None]
) -> dict[str, str]:
    """What a host sends to `/lti/login` of the tool at that address; None leaves a parameter out."""
    whole = {
        "iss": issuer,
        "client_id": client_id,
        "login_hint": "8",
        "target_link_uri": tool + "/lti/launch",
        "lti_message_hint": '{"cmid":3,"launchid":"a&b=c"}',
        "lti_deployment_id": deployment,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


@dataclass
class Desk:
    """A tenant with one platform whose keys are known."""

    session: Session
    now: datetime
    issuer: str = "https://lms.example.org"
    client_id: str = "client-1"
    deployment: str = "1"
    tool: str = TOOL
    platform: lti.Platform = field(init=False)

    def __post_init__(self) -> None:
        tenant = Tenant(name=f"示范区 {self.client_id} {self.issuer}", created_at=self.now)
        self.session.add(tenant)
        self.session.flush()
        self.platform = lti.add_platform(
            self.session,
            pk(tenant),
            issuer=self.issuer,
            client_id=self.client_id,
            auth_url=self.issuer + "/auth",
            token_url=self.issuer + "/token",
            jwks_url=f"{self.issuer}/jwks/{self.client_id}",
            deployments=[self.deployment],
            now=self.now,
            allow_loopback=True,
        )
        self.session.add(lti.KeySet(url=self.platform.jwks_url, body=resign.jwks(), fetched_at=self.now))
        self.session.flush()

    def initiation(self, **changes: str | None) -> dict[str, str]:
        """What the host sends to `/lti/login`; None leaves a parameter out."""
        return initiation(self.issuer, self.client_id, self.deployment, self.tool, changes)

    def login(self, **changes: str | None) -> tuple[dict[str, str], str]:
        """The parameters that the host's auth address receives, and the browser's secret."""
        begun = lti.begin_login(self.session, self.initiation(**changes), self.tool + "/lti/launch", self.now)
        return {key: value[0] for key, value in parse_qs(urlsplit(begun.url).query).items()}, begun.browser_secret

    def receive(
        self, form: dict[str, str], secret: str | None, now: datetime | None = None, *, may_ask: bool = False
    ) -> "lti.Launch | lti.Replayed":
        """Posts to `/lti/launch`."""
        return lti.receive_launch(
            self.session, form, lti.Proof(secret), now or self.now, public_url=self.tool, may_ask=may_ask
        )

    def launch(self, claims: dict[str, Any] | None = None, **changes: Any) -> "lti.Launch | lti.Replayed":
        """A login and a launch in one browser with these claims; `changes` by claim name, None removes."""
        sent, secret = self.login()
        made = resign.fresh(CLAIMS if claims is None else claims, sent["nonce"], self.now, **changes)
        return self.receive({"id_token": resign.sign(made), "state": sent["state"]}, secret)
