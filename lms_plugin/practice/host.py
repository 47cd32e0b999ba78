"""What the views of one practice LMS share."""

import secrets
from dataclasses import dataclass

from flask import current_app, g

from lms_plugin.practice.config import PracticeConfig
from lms_plugin.practice.launch import Hints
from lms_plugin.practice.platform import PracticePlatform
from lms_plugin.practice.store import Store


@dataclass(frozen=True)
class Host:
    """What the views of one application share."""

    config: PracticeConfig
    store: Store
    platform: PracticePlatform
    hints: Hints


def host() -> Host:
    """The host that answers this request."""
    found = current_app.extensions["practice"]
    if not isinstance(found, Host):
        raise TypeError("not a practice LMS")
    return found


def script_nonce() -> str:
    """The one script nonce of this answer."""
    if "script_nonce" not in g:
        g.script_nonce = secrets.token_urlsafe(16)
    return str(g.script_nonce)
