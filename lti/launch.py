"""The second step: the platform's token comes back through the browser. Its login is taken, then come the checks
(lti/checks.py)."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, delete, update
from sqlalchemy import select as columns
from sqlmodel import Session, col

from lms_plugin.db import get, table
from lti import checks, log, tokens
from lti.checks import Kept, Place
from lti.claims import Binding, Launch, way_back
from lti.log import LaunchRefused, Trail
from lti.models import (
    Deployment,
    KeySet,
    LaunchLog,
    LoginState,
    NoticeService,
    Platform,
    PlatformNotice,
    ResourceLink,
)
from lti.platforms import COLUMNS, Registration
from lti.text import clean, same_moment_or_later, sha256
from lti.trails import LAUNCHED
from lti.upsert import insert_unless_there

DOUBLE_CLICK = timedelta(seconds=10)
STATE = re.compile(r"[A-Za-z0-9_-]{20,64}")

# Every launch asks these: put together once, and over columns, since objects cost more than the database does.
_login, _keys, _link = table(LoginState).c, table(KeySet).c, table(ResourceLink).c
_TAKE = (
    update(table(LoginState))
    .where(_login.state == bindparam("given"), _login.consumed_at.is_(None), _login.expires_at > bindparam("now"))
    .values(consumed_at=bindparam("now"))
)
_KEPT = (
    columns(
        *COLUMNS,
        _login.id.label("login"),
        *(_login.nonce, _login.browser_hash, _login.storage_hash, _login.consumed_at, _login.web_session_id),
        *(_keys.body, _keys.fetched_at),
    )
    .join_from(table(LoginState), table(Platform), table(Platform).c.id == _login.platform_id)
    .join(table(KeySet), _keys.url == table(Platform).c.jwks_url, isouter=True)
    .where(_login.state == bindparam("given"))
)
_PLACE = (
    columns(
        table(Deployment).c.id.label("deployment"),
        _link.id.label("link"),
        *(_link.title, _link.custom, _link.seen_at),
        *(table(Deployment).c.notices_url, table(Deployment).c.notice_types),
    )
    .join_from(
        table(Deployment),
        table(ResourceLink),
        and_(
            _link.deployment_id == table(Deployment).c.id,
            _link.context_id == bindparam("context"),
            _link.resource_link_id == bindparam("link"),
        ),
        isouter=True,
    )
    .where(
        table(Deployment).c.platform_id == bindparam("platform"),
        table(Deployment).c.deployment_id == bindparam("given"),
        table(Deployment).c.is_withdrawn.is_(False),
    )
)
_LED_TO = update(table(LoginState)).where(_login.id == bindparam("login")).values(web_session_id=bindparam("led_to"))


@dataclass(frozen=True)
class Replayed:
    """The same browser sent the same launch twice within ten seconds: it may go to the session that is there."""

    web_session_id: int


@dataclass(frozen=True)
class Proof:
    """What a browser shows of having begun the login: the value of the cookie that the login gave for this state (None
    when none came back), or what the host's storage kept for it ("" when it kept nothing)."""

    cookie: str | None = None
    stored: str = ""

    def is_of(self, browser_hash: str, storage_hash: str) -> bool:
        """Whether it is the proof of the login with these hashes: the cookie decides where there is one."""
        if self.cookie is not None:
            return hmac.compare_digest(browser_hash, sha256(self.cookie))
        return bool(self.stored) and hmac.compare_digest(storage_hash, sha256(self.stored))

    @property
    def binding(self) -> Binding:
        """By what it binds the launch to this browser."""
        if self.cookie is not None:
            return "cookie"
        return "storage" if self.stored else "none"


@dataclass(frozen=True)
class _Records:
    """What the checks ask and keep, in the transaction of a launch."""

    session: Session
    now: datetime

    def place(self, platform: Registration, deployment: str, context: str, link: str) -> Place | None:
        """The deployment of that name with the place in it."""
        given = {"platform": platform.id, "given": deployment, "context": context, "link": link}
        found = self.session.connection().execute(_PLACE, given).one_or_none()
        return Place(*found) if found is not None else None

    def remember(self, platform: Registration, place: Place, described: Mapping[str, Any]) -> None:
        """Keeps product, place and offer of notices, where something is new about them."""
        if described["product"] and not platform.product:
            get(self.session, Platform, platform.id).product = described["product"]
            self.session.flush()
        if place.stands(described, self.now):
            return
        if not place.offers(described):
            offer = {name: described[name] for name in ("notices_url", "notice_types")}
            self.session.execute(update(Deployment).where(col(Deployment.id) == place.deployment).values(**offer))
            its = col(NoticeService.deployment_id) == place.deployment
            self.session.execute(update(NoticeService).where(its).values(tried_at=None))  # asked anew, soon
        own, title = checks.own_custom(described), described["resource_link_title"]
        if place.link is None:
            key = {
                "deployment_id": place.deployment,
                "context_id": described["context_id"],
                "resource_link_id": described["resource_link_id"],
            }
            insert_unless_there(self.session, ResourceLink, {**key, "title": title, "custom": own, "seen_at": self.now})
        else:
            row = get(self.session, ResourceLink, place.link)
            row.title, row.custom, row.seen_at = title, own, self.now
            self.session.flush()

    def log(self, trail: Trail) -> str:
        """Its row in the launch log."""
        return log.write(self.session, trail, LAUNCHED, "", self.now)


def receive_launch(
    session: Session,
    form: Mapping[str, str],
    proof: Proof,
    now: datetime,
    *,
    public_url: str,
    may_ask: bool = False,
) -> Launch | Replayed:
    """Checks a posted launch (`id_token` and `state`, or `error`), consuming its state.

    A `proof` that is none of this login is a refusal; no proof at all is for the caller to judge (`Launch.binding`).
    `public_url` is our own address: a launch for another origin's link is refused. Does no HTTP: `may_ask` = the caller
    can, so KeysWanted is raised where the platform's keys should be read first; it then rolls back, calls
    `refresh_keys`, and comes again without. Raises LaunchRefused (`launch.*`) after writing the launch-log row
    (`params`: its `reference`, and the `return_url` of a token whose signature was right); the caller commits also
    then, and shows the page. On success the row says "launched" until `log_launch` says otherwise.
    """
    trail = Trail()
    try:
        kept = _consume(session, form, proof, now, trail)
        if isinstance(kept, Replayed):
            return kept
        return checks.check(
            form,
            kept,
            _Records(session, now),
            trail,
            binding=proof.binding,
            public_url=public_url,
            now=now,
            may_ask=may_ask,
        )
    except LaunchRefused as refused:
        log.write_refusal(session, trail, refused, now)
        refused.params["return_url"] = way_back(trail.claims)
        raise


def refuse_unread(session: Session, code: str, now: datetime) -> LaunchRefused:
    """A request to the launch address that is no launch: its log row is written, the refusal is given to raise."""
    trail = Trail()
    refused = trail.refusal("request", code)
    log.write_refusal(session, trail, refused, now)
    return refused


def log_launch(
    session: Session,
    launch: Launch,
    now: datetime,
    outcome: str = LAUNCHED,
    detail: str = "",
    web_session_id: int | None = None,
) -> None:
    """Says how a verified launch ended: with a session (`web_session_id`, where a double click will go) or refused
    after all (`outcome` = the code). `detail` must hold no name and no token."""
    if (outcome, detail) != (LAUNCHED, ""):  # else its row says so already
        row = log.by_reference(session, launch.reference)
        if row is None:
            row = LaunchLog(reference=launch.reference, outcome=outcome, at=now)
        row.tenant_id, row.platform_id = launch.tenant_id, launch.platform_id
        row.outcome, row.detail = outcome[:64], clean(detail, 500)
        session.add(row)
        session.flush()
    if web_session_id is not None:
        session.connection().execute(_LED_TO, {"login": launch.login_state_id, "led_to": web_session_id})


def sweep(session: Session, now: datetime, keep_log: timedelta) -> int:
    """Deletes logins of more than a day ago, log rows and ids of notices older than `keep_log`; answers how many logins
    went."""
    session.execute(delete(LaunchLog).where(col(LaunchLog.at) < now - keep_log))
    session.execute(delete(PlatformNotice).where(col(PlatformNotice.received_at) < now - keep_log))
    gone = session.execute(delete(LoginState).where(col(LoginState.expires_at) < now - timedelta(days=1)))
    return int(getattr(gone, "rowcount", 0))


def _consume(session: Session, form: Mapping[str, str], proof: Proof, now: datetime, trail: Trail) -> Kept | Replayed:
    """The login that this state belongs to, taken once: of two requests at once exactly one gets it. A launch in
    another browser than the login's is refused here.

    A double click goes to the session that is there; that of a launch which names nobody is checked like the first: it
    opens no session, so there is nothing to be had twice."""
    given = form.get("state", "")
    if not given:
        raise trail.refusal("state", "launch.state_missing")
    if not STATE.fullmatch(given):
        raise trail.refusal("state", "launch.state_unknown")
    sql = session.connection()
    taken = sql.execute(_TAKE, {"given": given, "now": now}).rowcount == 1
    row = sql.execute(_KEPT, {"given": given}).one_or_none()
    if row is None:
        raise trail.refusal("state", "launch.state_unknown")
    platform = Registration(*row[: len(COLUMNS)])
    trail.platform, trail.issuer, trail.client_id = platform, platform.issuer, platform.client_id
    same = proof.is_of(row.browser_hash, row.storage_hash)
    if not taken:
        if row.consumed_at is None:
            raise trail.refusal("state", "launch.state_expired")
        is_double = same and same_moment_or_later(row.consumed_at, now - DOUBLE_CLICK)
        if is_double and row.web_session_id is not None:
            return Replayed(row.web_session_id)
        said = tokens.unchecked(form.get("id_token", "")) if is_double else {}
        if not said or said.get("sub"):
            raise trail.refusal("state", "launch.state_used")
    trail.ok("state")
    if platform.is_disabled:
        raise trail.refusal("platform", "launch.platform_disabled", name=platform.title)
    if proof.binding != "none" and not same:
        raise trail.refusal("browser", "launch.browser_other")
    return Kept(row.login, row.nonce, platform, row.body, row.fetched_at)
