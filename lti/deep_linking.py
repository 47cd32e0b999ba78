"""Deep Linking 2.0: a host asks what to put into a course, and we answer with a signed message through the browser."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from lms_plugin.db import get
from lti import claims as reader
from lti import keys, tokens
from lti.claims import CLAIM, Malformed
from lti.models import Deployment, Platform
from lti.review import SubmissionReview
from lti.text import clean, is_identifier, rfc3339

SETTINGS = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
_DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
RESOURCE_LINK = "ltiResourceLink"
_LIFE = 290  # seconds: hosts refuse more than five minutes, and some allow their clock no leeway
_LONGEST_DATA = 20_000
_HEIGHT = 800  # pixels: a page of ours scrolls in less, and says its own height where it is heard


@dataclass(frozen=True)
class DeepLinking:
    """What a host will take. `data` None: it sent none, so none goes back; `accept_lineitem` None: it does not say."""

    return_url: str
    data: str | None
    accept_types: tuple[str, ...]
    accept_multiple: bool
    accept_lineitem: bool | None
    targets: tuple[str, ...]

    @property
    def takes_links(self) -> bool:
        """Whether a link to this tool is among what it takes: nothing else is offered."""
        return RESOURCE_LINK in self.accept_types


@dataclass(frozen=True)
class Column:
    """A gradebook column to come with a link. `maximum` is whole: Moodle refuses other numbers in a form."""

    label: str
    maximum: int
    resource_id: str
    tag: str
    review: SubmissionReview | None = None


@dataclass(frozen=True)
class ContentItem:
    """A link to this tool. `custom` comes back with every launch of it: flat strings of one line.

    `taken`: from when until when work is handed in behind it; a link itself is open always. `targets`: of the ways in
    which the host can show it (`DeepLinking.targets`).
    """

    title: str
    text: str
    url: str
    custom: Mapping[str, str]
    column: Column | None = None
    taken: tuple[datetime, datetime] | None = None
    icon_url: str = ""
    targets: Collection[str] = ()

    def as_json(self) -> dict[str, Any]:
        """As Deep Linking 2.0 writes it."""
        item: dict[str, Any] = {
            "type": RESOURCE_LINK,
            "title": clean(self.title, 255),
            "text": clean(self.text, 1000),
            "url": self.url,
            "custom": {key: clean(value, 1000) for key, value in self.custom.items()},
        }
        if self.icon_url:
            item["icon"] = item["thumbnail"] = {"url": self.icon_url}
        if "iframe" in self.targets:
            item["iframe"] = {"height": _HEIGHT}
        elif "window" in self.targets:
            item["window"] = {"targetName": "_blank"}
        if self.taken is not None:
            first, last = self.taken
            item["submission"] = {"startDateTime": rfc3339(first), "endDateTime": rfc3339(last)}
        if self.column is not None:
            item["lineItem"] = {
                "label": clean(self.column.label, 255),
                "scoreMaximum": self.column.maximum,
                "resourceId": self.column.resource_id[:512],
                "tag": self.column.tag[:255],
                "gradesReleased": True,  # nothing is sent before it is released
            }
            if self.column.review is not None:
                item["lineItem"]["submissionReview"] = self.column.review.as_json()
        return item


def read(claims: Mapping[str, Any]) -> DeepLinking:
    """The settings of a request. Raises Malformed."""
    found = reader.member(claims, SETTINGS, "deep_linking_settings")
    return_url = reader.url(found, "deep_link_return_url", 2000)
    if not return_url:
        raise Malformed("deep_link_return_url")
    data = found.get("data")
    if data is not None and (not isinstance(data, str) or not is_identifier(data, _LONGEST_DATA)):
        raise Malformed("data")
    return DeepLinking(
        return_url=return_url,
        data=data,
        accept_types=reader.strings(found.get("accept_types") or [], "accept_types"),
        accept_multiple=_flag(found.get("accept_multiple")) or False,
        accept_lineitem=_flag(found.get("accept_lineitem")),
        targets=reader.strings(found.get("accept_presentation_document_targets") or [], "targets"),
    )


def _flag(value: Any) -> bool | None:
    """A boolean, also one written as a string; None for what says nothing."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def answer(
    session: Session,
    deployment_row_id: int,
    items: Sequence[ContentItem],
    *,
    data: str | None,
    secret_key: str,
    now: datetime,
    message: str = "",
    error: tuple[str, str] = ("", ""),
) -> str:
    """The signed answer, for the form field `JWT` of the host's return address. No items = nothing was chosen.

    Deep Linking 2.0, 4.5. `message` is shown to the person by the host; so is the sentence of an `error`, whose code
    goes into its log. Raises Unavailable("keys.secret_changed").
    """
    deployment = get(session, Deployment, deployment_row_id)
    platform = get(session, Platform, deployment.platform_id)
    key = keys.ensure_tool_key(session, secret_key, now)
    at = int(now.timestamp())
    payload: dict[str, Any] = {
        "iss": platform.client_id,
        "aud": platform.issuer,
        "iat": at - 5,  # Moodle allows its clock no leeway
        "exp": at + _LIFE,
        "nonce": secrets.token_urlsafe(24),
        CLAIM + "deployment_id": deployment.deployment_id,
        CLAIM + "message_type": "LtiDeepLinkingResponse",
        CLAIM + "version": "1.3.0",
        _DL + "content_items": [item.as_json() for item in items],
    }
    if data is not None:
        payload[_DL + "data"] = data
    if message:
        payload[_DL + "msg"] = clean(message, 300)
    sentence, code = error
    if sentence:
        payload[_DL + "errormsg"], payload[_DL + "errorlog"] = clean(sentence, 300), clean(code, 300)
    return tokens.sign(payload, keys.private_key(key, secret_key), key.kid)
