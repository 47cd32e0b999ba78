"""The first step of a launch: the platform knocks (OIDC third-party initiated login), we send the browser back with a
state and a nonce of our own (1EdTech Security Framework 1.0, 5.1.1)."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine, Integer, bindparam, insert, literal_column, select
from sqlmodel import Session

from lms_plugin.db import table
from lms_plugin.direct import Direct, directly
from lti import platforms
from lti import storage as storages
from lti.log import LaunchRefused, Trail, write_refusal
from lti.models import LoginState, Platform
from lti.platforms import Registration
from lti.storage import Storage
from lti.text import is_identifier, origin, sha256

STATE_LIFE = timedelta(minutes=10)
_LONGEST_HINT = 8000
_login, _platform_c = table(LoginState).c, table(Platform).c
_STATE = (
    insert(table(LoginState))
    .from_select(
        (
            *("platform_id", "state", "nonce", "browser_hash", "storage_target", "storage_hash"),
            *("created_at", "expires_at"),
        ),
        select(
            _platform_c.id,
            bindparam("new_state", type_=_login.state.type),
            bindparam("new_nonce", type_=_login.nonce.type),
            bindparam("browser", type_=_login.browser_hash.type),
            bindparam("storage", type_=_login.storage_target.type),
            bindparam("stored", type_=_login.storage_hash.type),
            bindparam("now", type_=_login.created_at.type),
            bindparam("until", type_=_login.expires_at.type),
        ).where(
            _platform_c.issuer == bindparam("issuer"),
            _platform_c.client_id == bindparam("client"),
            _platform_c.is_disabled.is_(False),
        ),
        include_defaults=False,
    )
    .returning(
        # The new row's column as text: SQLAlchemy would name the new row's table once more in the subquery.
        select(_platform_c.auth_url)
        .where(_platform_c.id == literal_column("lti_login_state.platform_id", Integer))
        .scalar_subquery()
    )
)
_STATE_AT_ONCE = Direct(_STATE)


@dataclass(frozen=True)
class LoginRedirect:
    """Where to send the browser, and the secret to give it as a cookie of its own per `state`.

    `storage` where the host offers to keep a proof for the browser: then `storage_secret` is put there on the way, by a
    page that the host's `origins` may frame.
    """

    url: str
    state: str
    browser_secret: str
    expires_at: datetime
    storage: Storage | None = None
    storage_secret: str = ""
    origins: tuple[str, ...] = ()


def begin_login(
    session: Session, params: Mapping[str, str], redirect_uri: str, now: datetime, *, keeps_cookies: bool = False
) -> LoginRedirect:
    """Answers a login initiation (GET query or POST form alike) and remembers it for ten minutes.

    `redirect_uri` is our own launch address; `target_link_uri` must have the same origin and is never used as one.
    `keeps_cookies`: this browser has shown a cookie of ours, so the host's storage is not needed.
    Raises LaunchRefused (`login.*`) after writing a launch-log row: the caller commits, then shows the page.
    """
    trail = Trail(issuer=params.get("iss", ""), client_id=params.get("client_id", ""))
    if keeps_cookies:
        params = _without_storage(params)
    try:
        return _begin(session, params, redirect_uri, now, trail)
    except LaunchRefused as refused:
        write_refusal(session, trail, refused, now)
        raise


def begin_at_once(
    bind: Engine, params: Mapping[str, str], redirect_uri: str, now: datetime, *, keeps_cookies: bool = False
) -> LoginRedirect | None:
    """`begin_login` as one statement that goes directly to PostgreSQL. None where something is to be refused or looked
    at more closely: `begin_login` then does."""
    issuer, client_id = params.get("iss", ""), params.get("client_id", "")
    if _wrong(params, redirect_uri) is not None or not (is_identifier(client_id) and is_identifier(issuer, 500)):
        return None
    if keeps_cookies:
        params = _without_storage(params)

    def ask(values: dict[str, Any]) -> str | None:
        found = directly(bind, lambda line: _STATE_AT_ONCE.row(line, values))
        return found[0] if found is not None else None

    return _remember(ask, params, redirect_uri, issuer, client_id, now)


def _without_storage(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != "lti_storage_target"}


def _begin(
    session: Session, params: Mapping[str, str], redirect_uri: str, now: datetime, trail: Trail
) -> LoginRedirect:
    def ask(values: dict[str, Any]) -> str | None:
        found: str | None = session.connection().execute(_STATE, values).scalar_one_or_none()
        return found

    wrong = _wrong(params, redirect_uri)
    begun = None
    if wrong is None and trail.client_id and is_identifier(trail.client_id) and is_identifier(trail.issuer, 500):
        begun = _remember(ask, params, redirect_uri, trail.issuer, trail.client_id, now)
    if begun is not None:
        return begun
    # Which check finds what, in the order in which the log tells them; or the one registration that needs no client id.
    platform = _platform(session, trail)
    trail.platform, trail.client_id = platform, platform.client_id
    if not platform.is_disabled and wrong is None:
        begun = _remember(ask, params, redirect_uri, platform.issuer, platform.client_id, now)
    if begun is None and (platform.is_disabled or wrong is None):
        raise trail.refusal("platform", "login.platform_disabled", name=platform.title)
    if wrong is not None:
        check, code, told = wrong
        raise trail.refusal(check, code, **told)
    assert begun is not None
    return begun


def _wrong(params: Mapping[str, str], redirect_uri: str) -> tuple[str, str, dict[str, str]] | None:
    """What is wrong with the parameters beside issuer and client: the check, its code, what to tell."""
    login_hint, message_hint = params.get("login_hint", ""), params.get("lti_message_hint", "")
    if not login_hint:
        return "login_hint", "login.hint_missing", {}
    if len(login_hint) > _LONGEST_HINT or len(message_hint) > _LONGEST_HINT:
        return "login_hint", "login.hint_too_long", {}
    target = params.get("target_link_uri", "")
    if not is_identifier(target, 2000) or not origin(target) or origin(target) != origin(redirect_uri):
        return "target", "login.target_foreign", {"target": target}
    return None


def _remember(
    ask: Callable[[dict[str, Any]], str | None],
    params: Mapping[str, str],
    redirect_uri: str,
    issuer: str,
    client_id: str,
    now: datetime,
) -> LoginRedirect | None:
    """Has the login written for the enabled registration of this pair. None where there is none. `ask` runs _STATE."""
    state, nonce, secret, stored = (secrets.token_urlsafe(32) for _ in range(4))
    target = params.get("lti_storage_target", "")
    offered = is_identifier(target)
    expires_at = now + STATE_LIFE
    auth_url = ask(
        {
            "issuer": issuer,
            "client": client_id,
            "new_state": state,
            "new_nonce": nonce,
            "browser": sha256(secret),
            "storage": target if offered else "",
            "stored": sha256(stored) if offered else "",
            "now": now,
            "until": expires_at,
        }
    )
    if auth_url is None:
        return None
    hints = {"login_hint": params["login_hint"]}
    if "lti_message_hint" in params:
        hints["lti_message_hint"] = params["lti_message_hint"]
    # State and nonce are of letters that an address takes as they are.
    query = f"{_standard(client_id, redirect_uri)}&state={state}&nonce={nonce}&{urlencode(hints, errors='replace')}"
    address, _, fragment = auth_url.partition("#")
    glue = "&" if "?" in address else "?"
    url = address + glue + query + (f"#{fragment}" if fragment else "")
    origins = tuple(sorted({origin(issuer), origin(auth_url)} - {""}))
    return LoginRedirect(url, state, secret, expires_at, storages.of(auth_url, target, state), stored, origins)


@lru_cache(maxsize=256)
def _standard(client_id: str, redirect_uri: str) -> str:
    """What every redirect to a registration's host says."""
    fixed = {"scope": "openid", "response_type": "id_token", "response_mode": "form_post", "prompt": "none"}
    return urlencode({**fixed, "client_id": client_id, "redirect_uri": redirect_uri}, errors="replace")


def _platform(session: Session, trail: Trail) -> Registration:
    if not trail.issuer:
        raise trail.refusal("issuer", "login.issuer_missing")
    if not is_identifier(trail.issuer, 500):
        raise trail.refusal("issuer", "login.issuer_unknown", issuer=trail.issuer)
    if trail.client_id:
        is_one = is_identifier(trail.client_id)
        found = platforms.registration(session, trail.issuer, trail.client_id) if is_one else None
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
