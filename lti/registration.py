"""Dynamic Registration 1.0: reading what a platform offers, asking to be registered, reading its answer.

HTTP only; what comes of it is kept by `add_platform`.

Sources: LTI Dynamic Registration 1.0, OpenID Connect Registration 1.0; Moodle 4.5 as recorded.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lms_plugin.errors import Refused, Unavailable
from lms_plugin.net import Answer, Http
from lti.claims import PRIVACY
from lti.hosts import Host
from lti.rosters import GROUPS, MEMBERS
from lti.services import LINE_ITEM, LINE_ITEM_READ, RESULT, SCORE
from lti.subscriptions import NOTICES
from lti.text import clean, is_identifier, origin

PLATFORM = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
LARGEST = 256 * 1024
PATIENCE = 5.0
SCOPES = (LINE_ITEM, RESULT, SCORE, MEMBERS)
CLAIMS = ("iss", "sub", "name", "given_name", "family_name")  # no address: nobody needs it here
MESSAGES = ("LtiResourceLinkRequest", "LtiDeepLinkingRequest")
WHERE_OFFERED = ("LtiSubmissionReviewRequest", *PRIVACY)  # claimed where a platform says that it sends them
_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")


@dataclass(frozen=True)
class Tool:
    """What we say of ourselves: names by language ("" = for everybody), and where we are."""

    url: str
    logo_url: str
    names: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class Offer:
    """A platform's configuration, as far as it concerns us. `audience` empty = its token address; None where it does
    not say what it supports."""

    issuer: str
    auth_url: str
    token_url: str
    jwks_url: str
    registration_url: str
    audience: str
    product: str
    scopes: frozenset[str] | None
    claims: frozenset[str] | None
    messages: Mapping[str, tuple[str, ...]] | None  # type → placements


@dataclass(frozen=True)
class Registered:
    """What a platform answered. `deployment` "" = it did not say; `scopes` None = it did not say."""

    client_id: str
    deployment: str
    scopes: frozenset[str] | None


def is_configuration_address(url: str, http: Http) -> bool:
    """Whether this can be the address of a platform's configuration: https, or this machine where that is allowed."""
    return is_identifier(url, 2000) and bool(origin(url)) and (url.startswith("https://") or http.allow_loopback)


def read_offer(http: Http, url: str, token: str) -> Offer:
    """Fetches a platform's configuration. Raises Refused (`register.*`) with the platform's words."""
    if not is_configuration_address(url, http):
        raise Refused("register.address")
    try:
        answer = http.request("GET", url, headers=_head(token), largest=LARGEST, seconds=PATIENCE)
        if answer.status != 200:
            raise Refused("register.unreachable", words=_words(answer))
        found = answer.json()
    except Unavailable as error:
        raise Refused("register.unreachable", words=error.words or error.code) from error
    if not isinstance(found, dict):
        raise Refused("register.unreadable", words="JSON")
    issuer = _text(found, "issuer", 500)
    if not origin(issuer):
        raise Refused("register.unreadable", words="issuer")
    if origin(issuer) != origin(url):
        raise Refused("register.issuer_elsewhere", issuer=clean(issuer, 200), host=origin(url))
    auth_url, token_url, jwks_url, registration_url = (_address(found, name, http) for name in _ADDRESSES)
    about = found.get(PLATFORM)
    described = about if isinstance(about, dict) else {}
    return Offer(
        issuer=issuer,
        auth_url=auth_url,
        token_url=token_url,
        jwks_url=jwks_url,
        registration_url=registration_url,
        audience=_text(found, "authorization_server", 1000),
        product=clean(_text(described, "product_family_code", 200).lower(), 64),
        scopes=_words_of(found.get("scopes_supported")),
        claims=_words_of(found.get("claims_supported")),
        messages=_messages(described.get("messages_supported")),
    )


def request_of(offer: Offer, tool: Tool) -> dict[str, Any]:
    """What we ask to be registered as: of our messages, scopes and claims those that the platform offers."""
    launch, named = f"{tool.url}/lti/launch", tool.names[""]
    languages = {language: name for language, name in tool.names.items() if language}
    messages = []
    for kind in (*MESSAGES, *WHERE_OFFERED):
        if kind not in (MESSAGES if offer.messages is None else offer.messages):
            continue
        message: dict[str, Any] = {"type": kind, "target_link_uri": launch, "label": named}
        message |= {f"label#{language}": name for language, name in languages.items()}
        placements = offer.messages[kind] if offer.messages is not None else ()
        if placements:
            message["placements"] = list(placements)
        messages.append(message)
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{tool.url}/lti/login",
        "redirect_uris": [launch],
        "client_name": named,
        **{f"client_name#{language}": name for language, name in languages.items()},
        "jwks_uri": f"{tool.url}/.well-known/jwks.json",
        "logo_uri": tool.logo_url,
        "client_uri": tool.url,
        "policy_uri": f"{tool.url}/help",
        "tos_uri": f"{tool.url}/help",
        "token_endpoint_auth_method": "private_key_jwt",
        # Groups and notices are asked for only where they are offered: few hosts know them, some refuse the unknown.
        "scope": " ".join(SCOPES if offer.scopes is None else _scopes(offer.scopes)),
        TOOL: {
            "domain": origin(tool.url).partition("://")[2],
            "description": tool.description,
            "target_link_uri": launch,
            # No custom parameters: what a link needs travels with the link (Deep Linking).
            "claims": [one for one in CLAIMS if offer.claims is None or one in offer.claims],
            "messages": messages,
        },
    }


def _scopes(offered: Collection[str]) -> list[str]:
    """Of the rights that a platform offers those that are of use here. Reading its columns is one where it lets nobody
    make them (Moodle's "grade sync only")."""
    reads = (LINE_ITEM_READ,) if LINE_ITEM not in offered else ()
    return [one for one in (*SCOPES, *reads, GROUPS, NOTICES) if one in offered]


def ask(http: Http, offer: Offer, body: Mapping[str, Any], token: str) -> Registered:
    """Sends the request. Raises Refused: `register.refused` with the platform's own words, `register.unreadable`."""
    written = json.dumps(body, separators=(",", ":"))
    try:
        answer = http.post(offer.registration_url, written, "application/json", _head(token))
        if answer.status not in (200, 201):
            raise Refused("register.refused", words=_words(answer))
        found = answer.json()
    except Unavailable as error:
        raise Refused("register.unreachable", words=error.words or error.code) from error
    client_id = found.get("client_id") if isinstance(found, dict) else None
    if not isinstance(client_id, str) or not is_identifier(client_id):
        raise Refused("register.unreadable", words="client_id")
    about = found.get(TOOL)
    deployment = about.get("deployment_id") if isinstance(about, dict) else None
    if isinstance(deployment, int) and not isinstance(deployment, bool):
        deployment = str(deployment)
    granted = found.get("scope")
    return Registered(
        client_id,
        deployment if isinstance(deployment, str) and is_identifier(deployment) else "",
        frozenset(granted.split()) if isinstance(granted, str) else None,
    )


def _head(token: str) -> dict[str, str]:
    head = {"Accept": "application/json"}
    return {**head, "Authorization": f"Bearer {token}"} if token else head


def _words(answer: Answer) -> str:
    """The platform's own explanation; of a JSON error its sentence."""
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        found = None
    said = found.get("error_description") or found.get("error") if isinstance(found, dict) else None
    return f"HTTP {answer.status} {clean(said, 300)}" if isinstance(said, str) else Host().words(answer)


def _text(found: Mapping[str, Any], name: str, longest: int) -> str:
    value = found.get(name)
    return value if isinstance(value, str) and is_identifier(value, longest) else ""


def _address(found: Mapping[str, Any], name: str, http: Http) -> str:
    url = _text(found, name, 1000)
    if not origin(url) or not (url.startswith("https://") or http.allow_loopback):
        raise Refused("register.unreadable", words=name)
    return url


def _words_of(value: Any) -> frozenset[str] | None:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _messages(value: Any) -> Mapping[str, tuple[str, ...]] | None:
    if not isinstance(value, list):
        return None
    found = {}
    for one in value:
        kind = one.get("type") if isinstance(one, dict) else one  # early platforms list bare names
        if isinstance(kind, str):
            places = one.get("placements") if isinstance(one, dict) else None
            found[kind] = tuple(sorted(_words_of(places) or ()))
    return found
