"""Trying a registration out: the platform's keys, a token for each right, a look at a roster; each with what is wrong.

In three steps like every service call: `prepare` (in a transaction), `Trial.run` (HTTP, in none). Nothing is kept.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from lms_plugin.db import pk
from lms_plugin.errors import Unavailable
from lms_plugin.net import Http
from lti import tokens
from lti.models import Platform
from lti.rosters import GROUPS, MEMBERS
from lti.services import LINE_ITEM, RESULT, SCORE, ServiceClient, service_client
from lti.subscriptions import NOTICES

RIGHTS = {"line_item": LINE_ITEM, "score": SCORE, "result": RESULT, "members": MEMBERS}
WHERE_OFFERED = {"groups": GROUPS, "notices": NOTICES}  # tried only where a launch has said that the host has them


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. `code` "" = well; `is_note` = nothing is wrong, but it could not be tried."""

    step: str  # keys | token | one of RIGHTS or WHERE_OFFERED | roster
    code: str = ""
    words: str = ""
    is_note: bool = False


@dataclass
class Trial:
    """A registration to be tried: one client for each right, since a refused one must not hide the others."""

    http: Http
    jwks_url: str
    memberships_url: str
    clients: dict[str, ServiceClient]

    def run(self) -> list[Finding]:
        """Tries everything, in the order in which it can go wrong. Touches no database."""
        found = [_keys(self.http, self.jwks_url)]
        granted = set()
        for right, client in self.clients.items():
            finding = _token(right, client)
            if finding.step == "token":  # no right of its own is to blame: the others would end the same
                return [*found, finding]
            if not finding.code:
                granted.add(right)
            found.append(finding)
        if "members" not in granted:
            return found
        if not self.memberships_url:
            return [*found, Finding("roster", "trial.no_course", is_note=True)]
        return [*found, _roster(self.clients["members"], self.memberships_url)]


def prepare(
    session: Session,
    platform: Platform,
    memberships_url: str,
    secret_key: str,
    http: Http,
    now: datetime,
    offered: Collection[str] = (),
) -> Trial:
    """Reads what a trial needs. Kept tokens are not used: whether one can be had is the question. `offered`: which of
    WHERE_OFFERED are tried too."""
    clients = {}
    for right, scope in (RIGHTS | {one: WHERE_OFFERED[one] for one in offered}).items():
        clients[right] = service_client(session, pk(platform), [scope], secret_key, http, now)
        clients[right].token = ""
    return Trial(http, platform.jwks_url, memberships_url, clients)


def _keys(http: Http, url: str) -> Finding:
    try:
        body = http.get_json(url)
    except Unavailable as error:
        code = "trial.keys_not_json" if error.code == "net.not_json" else "trial.keys_unreachable"
        return Finding("keys", code, error.words or error.code)
    listed = body.get("keys") if isinstance(body, dict) else None
    kids = [one.get("kid") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if not any(tokens.keys_of(body, kid) for kid in kids if isinstance(kid, str) and kid):
        return Finding("keys", "trial.keys_none")
    return Finding("keys")


def _token(right: str, client: ServiceClient) -> Finding:
    try:
        client.access_token()
    except Unavailable as error:
        words = error.words or error.code
        if error.code == "ags.scope_refused" or "invalid_scope" in words:
            return Finding(right, "trial.right_refused", words)
        if error.code != "ags.token_refused":
            return Finding("token", "trial.token_unreachable", words)
        if "invalid_client" in words or "unauthorized_client" in words:
            return Finding("token", "trial.token_client", words)
        if words.startswith(("HTTP 400", "HTTP 401")):
            return Finding("token", "trial.token_keys", words)
        return Finding("token", "trial.token_refused", words)
    return Finding(right)


def _roster(client: ServiceClient, url: str) -> Finding:
    try:
        count = client.peek_members(url)
    except Unavailable as error:
        return Finding("roster", "trial.roster_refused", error.words or error.code)
    return Finding("roster", words=str(count))
