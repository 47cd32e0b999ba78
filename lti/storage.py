"""Platform storage: a host that offers it keeps, for a browser without our cookie, what proves that it began the login.

Sources: 1EdTech LTI postMessage Storage 0.1, LTI Client Side postMessages 0.1, LTI OIDC Login with Client Side
postMessages 0.1. The messages themselves are sent by lms_plugin/static/js/platform-storage.js.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from lti import tokens
from lti.deep_linking import SETTINGS
from lti.models import LoginState, Platform
from lti.text import is_identifier, origin, sha256


@dataclass(frozen=True)
class Storage:
    """Where one login's proof is kept: the frame that is asked ("_parent", or the name of one beside ours), the only
    origin that may hear and answer, and the name of the value."""

    target: str
    origin: str
    key: str


def of(auth_url: str, target: str, state: str) -> Storage | None:
    """The storage of a login; None where its host offers none that could be spoken to."""
    where = origin(auth_url)
    if not where or not is_identifier(target):
        return None
    return Storage(target, where, f"nengli-{sha256(state)[:24]}")


def of_launch(session: Session, form: Mapping[str, str], now: datetime) -> Storage | None:
    """Where the proof of the login that this launch answers is kept, if it was put anywhere. Uses nothing up."""
    state = form.get("state", "")
    if "id_token" not in form or not is_identifier(state, 64):
        return None
    found = session.exec(
        select(Platform.auth_url, LoginState.storage_target)
        .join(LoginState, col(LoginState.platform_id) == col(Platform.id))
        .where(col(LoginState.state) == state, col(LoginState.expires_at) > now, col(LoginState.storage_hash) != "")
    ).one_or_none()
    return of(*found, state) if found is not None else None


def unchecked_return(token: str) -> str:
    """The origin to which a deep linking launch wants its answer, as its token says before anybody checked it; "" for
    none. Good for the rules of a page on which nothing is served until the token was checked, and for nothing else."""
    settings = tokens.unchecked(token).get(SETTINGS)
    address = settings.get("deep_link_return_url") if isinstance(settings, dict) else None
    return origin(address) if isinstance(address, str) else ""
