"""A Canvas-like host that also tells by itself what happens (Platform Notification Service 1.0), as Canvas documents
it: one handler a kind, an empty one takes it away, an address of another domain is refused, a token for each notice.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.hosts import fake, resign

NOTICES = "https://purl.imsglobal.org/spec/lti/scope/noticehandlers"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
SERVICE = CLAIM + "platformnotificationservice"
KINDS = ("LtiHelloWorldNotice", "LtiAssetProcessorSubmissionNotice", "LtiContextCopyNotice")


def notice(
    issuer: str, client_id: str, deployment: str, kind: str, now: datetime, /, key: str = "", **changes: Any
) -> str:
    """A signed notice; `changes` by claim name, None removes. What it copies is said in `changes`."""
    said = {
        "iss": issuer,
        "aud": client_id,
        "azp": client_id,
        CLAIM + "version": "1.3.0",
        CLAIM + "deployment_id": deployment,
        CLAIM + "notice": {
            "id": key or str(uuid.uuid4()),
            "timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "type": kind,
        },
    }
    return resign.sign(resign.fresh(said, "n", now, 3600, **changes))


def copied(to: str, *origins: str) -> dict[str, Any]:
    """The claims of a notice that a course was filled from others."""
    return {CLAIM + "context": {"id": to, "title": "复制的课"}, CLAIM + "origin_contexts": list(origins)}


def batch(*tokens: str) -> str:
    """The body in which a host posts them."""
    return json.dumps({"notices": [{"jwt": token} for token in tokens]})


class Noticing(fake.Canvas):
    """Handlers by kind; `tool_domain` is whose addresses it takes."""

    def __init__(self, tool_keys: Callable[[], Mapping[str, Any]], client_id: str = "client-1") -> None:
        super().__init__(tool_keys, client_id)
        self.granted |= {NOTICES}
        self.handlers = dict.fromkeys(KINDS, "")
        self.tool_domain = ""

    @property
    def handlers_url(self) -> str:
        """Where its handlers are asked for and set."""
        return self.url + "/api/lti/notice-handlers/1"

    def claim(self, **changes: Any) -> dict[str, Any]:
        """What a launch says of it."""
        service = {
            "service_versions": ["1.0"],
            "platform_notification_service_url": self.handlers_url,
            "scope": [NOTICES],
            "notice_types_supported": list(KINDS),
        }
        return {SERVICE: {**service, **changes}}

    def serve(self, asked: fake.Asked) -> fake.Said:
        if asked.path != urlsplit(self.handlers_url).path:
            return super().serve(asked)
        refused = self.refuse(asked, NOTICES)
        if refused:
            return refused
        if asked.method == "GET":
            rows = [{"notice_type": kind, "handler": handler} for kind, handler in self.handlers.items()]
            return fake.Said(200, {"client_id": 7, "deployment_id": "1", "notice_handlers": rows})
        body = asked.json()
        kind, handler = body.get("notice_type"), body.get("handler")
        if kind not in KINDS or (handler and urlsplit(handler).netloc != self.tool_domain):
            return fake.Said(400, {"errors": {"type": "bad_request", "message": "handler must match tool domain"}})
        if handler and self.handlers[kind]:
            return fake.Said(400, {"errors": {"type": "bad_request", "message": "handler already set"}})
        self.handlers[kind] = handler
        return fake.Said(200, body)
