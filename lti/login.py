"""The first step of a launch: the platform knocks (OIDC third-party initiated login), we send the browser back with a
state and a nonce of our own (1EdTech Security Framework 1.0, 5.1.1)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlmodel import Session

from lms_plugin.db import pk
from lti import platforms
from lti.log import LaunchRefused, Trail, write_refusal
from lti.models import LoginState, Platform
from lti.text import clean, is_identifier, origin, sha256

STATE_LIFE = timedelta(minutes=10)
_LONGEST_HINT = 8000


@dataclass(frozen=True)
class LoginRedirect:
    """Where to send the browser, and the secret to give it as a cookie of its own per `state`."""

    url: str
    state: str
    browser_secret: str
    expires_at: datetime


def begin_login(session: Session, params: Mapping[str, str], redirect_uri: str, now: datetime) -> LoginRedirect:
    """Answers a login initiation (GET query or POST form alike) and remembers it for ten minutes.

    `redirect_uri` is our own launch address; `target_link_uri` must have the same origin and is never used as one.
    Raises LaunchRefused (`login.*`) after writing a launch-log row: the caller commits, then shows the page.
    """
    trail = Trail(issuer=params.get("iss", ""), client_id=params.get("client_id", ""))
    try:
        return _begin(session, params, redirect_uri, now, trail)
    except LaunchRefused as refused:
        write_refusal(session, trail, refused, now)
        raise


def _begin(
    session: Session, params: Mapping[str, str], redirect_uri: str, now: datetime, trail: Trail
) -> LoginRedirect:
    platform = _platform(session, trail)
    trail.platform, trail.client_id = platform, platform.client_id
    if platform.is_disabled:
        raise trail.refusal("platform", "login.platform_disabled", name=platform.name or platform.issuer)
    trail.ok("platform")
    login_hint, message_hint = params.get("login_hint", ""), params.get("lti_message_hint", "")
    if not login_hint:
        raise trail.refusal("login_hint", "login.hint_missing")
    if len(login_hint) > _LONGEST_HINT or len(message_hint) > _LONGEST_HINT:
        raise trail.refusal("login_hint", "login.hint_too_long")
    trail.ok("login_hint")
    target = params.get("target_link_uri", "")
    if not is_identifier(target, 2000) or not origin(target) or origin(target) != origin(redirect_uri):
        raise trail.refusal("target", "login.target_foreign", target=target)
    trail.ok("target")
    state, nonce, secret = (secrets.token_urlsafe(32) for _ in range(3))
    row = LoginState(
        state=state,
        nonce=nonce,
        platform_id=pk(platform),
        deployment_hint=clean(params.get("lti_deployment_id", ""), 255),
        target_link_uri=target,
        browser_hash=sha256(secret),
        created_at=now,
        expires_at=now + STATE_LIFE,
    )
    session.add(row)
    session.flush()
    query = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "nonce": nonce,
        "login_hint": login_hint,
    }
    if "lti_message_hint" in params:
        query["lti_message_hint"] = message_hint
    address, _, fragment = platform.auth_url.partition("#")
    glue = "&" if "?" in address else "?"
    url = address + glue + urlencode(query, errors="replace") + (f"#{fragment}" if fragment else "")
    return LoginRedirect(url, state, secret, row.expires_at)


def _platform(session: Session, trail: Trail) -> Platform:
    if not trail.issuer:
        raise trail.refusal("issuer", "login.issuer_missing")
    if not is_identifier(trail.issuer, 500):
        raise trail.refusal("issuer", "login.issuer_unknown", issuer=trail.issuer)
    if trail.client_id:
        found = platforms.by_client(session, trail.issuer, trail.client_id) if is_identifier(trail.client_id) else None
        if found is not None:
            return found
        if platforms.by_issuer(session, trail.issuer):
            raise trail.refusal("client", "login.client_unknown", issuer=trail.issuer, client_id=trail.client_id)
        raise trail.refusal("issuer", "login.issuer_unknown", issuer=trail.issuer)
    several = platforms.by_issuer(session, trail.issuer)
    if not several:
        raise trail.refusal("issuer", "login.issuer_unknown", issuer=trail.issuer)
    if len(several) > 1:
        raise trail.refusal("client", "login.client_missing", issuer=trail.issuer)
    return several[0]
