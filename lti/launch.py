"""The second step: the platform's token comes back through the browser. Every check in order, each one noted.

Sources: LTI 1.3 core 5.3, 1EdTech Security Framework 5.1.2 and 5.1.3, RFC 7519, OpenID Connect Core 3.1.3.7.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, delete, update
from sqlalchemy import select as columns
from sqlmodel import Session, col

from lms_plugin.db import get, table
from lti import claims as reader
from lti import deep_linking, keysets, log, tokens, trails
from lti import roles as role_rules
from lti.claims import CLAIM, Binding, Launch, Malformed
from lti.log import LaunchRefused, Trail
from lti.models import Deployment, KeySet, LaunchLog, LoginState, Platform, ResourceLink
from lti.platforms import COLUMNS, Registration
from lti.text import clean, is_identifier, origin, same_moment_or_later, sha256
from lti.trails import LAUNCHED
from lti.upsert import insert_unless_there

LEEWAY = 60
OLDEST = 600  # seconds since `iat`, whatever `exp` says
DOUBLE_CLICK = timedelta(seconds=10)
_STATE = re.compile(r"[A-Za-z0-9_-]{20,64}")
_LAUNCH, _PICK, _REVIEW = "LtiResourceLinkRequest", "LtiDeepLinkingRequest", "LtiSubmissionReviewRequest"
_KNOWN_MESSAGES = (  # of specifications that we do not take part in: the page says so by name
    "LtiStartProctoring", "LtiEndAssessment", "DataPrivacyLaunchRequest", "LtiDataPrivacyLaunchRequest",
    "LtiEulaRequest", "LtiAssetProcessorSettingsRequest", "LtiReportReviewRequest",
)  # fmt: skip

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


class _Kept(NamedTuple):
    """What is kept that a launch is held against: its login, the registration, the platform's keys as last read."""

    state_id: int
    nonce: str
    platform: Registration
    keys: dict[str, Any] | None
    keys_at: datetime | None


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
    `refresh_keys`, and comes again without. Raises LaunchRefused (`launch.*`) after writing the launch-log row; the
    caller commits also then, and shows the page. On success the row says "launched" until `log_launch` says otherwise.
    """
    trail = Trail()
    try:
        kept = _consume(session, form.get("state", ""), proof, now, trail)
        if isinstance(kept, Replayed):
            return kept
        return _launch(session, form, kept, proof.binding, now, public_url, may_ask, trail)
    except LaunchRefused as refused:
        log.write_refusal(session, trail, refused, now)
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
    """Deletes logins of more than a day ago and log rows older than `keep_log`; answers how many logins went."""
    session.execute(delete(LaunchLog).where(col(LaunchLog.at) < now - keep_log))
    gone = session.execute(delete(LoginState).where(col(LoginState.expires_at) < now - timedelta(days=1)))
    return int(getattr(gone, "rowcount", 0))


def _consume(session: Session, given: str, proof: Proof, now: datetime, trail: Trail) -> _Kept | Replayed:
    """The login that this state belongs to, taken once: of two requests at once exactly one gets it. A launch in
    another browser than the login's is refused here."""
    if not given:
        raise trail.refusal("state", "launch.state_missing")
    if not _STATE.fullmatch(given):
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
        if same and same_moment_or_later(row.consumed_at, now - DOUBLE_CLICK) and row.web_session_id is not None:
            return Replayed(row.web_session_id)
        raise trail.refusal("state", "launch.state_used")
    trail.ok("state")
    if platform.is_disabled:
        raise trail.refusal("platform", "launch.platform_disabled", name=platform.title)
    if proof.binding != "none" and not same:
        raise trail.refusal("browser", "launch.browser_other")
    return _Kept(row.login, row.nonce, platform, row.body, row.fetched_at)


def _launch(
    session: Session,
    form: Mapping[str, str],
    kept: _Kept,
    binding: Binding,
    now: datetime,
    public_url: str,
    may_ask: bool,
    trail: Trail,
) -> Launch:
    if binding != "cookie":
        trail.findings["browser"] = trails.BY_STORAGE if binding == "storage" else trails.NO_COOKIE
    trail.ok("browser")
    if form.get("error"):
        words = clean(form.get("error_description", "") or form["error"], 200)
        wants_login = form["error"] in ("login_required", "interaction_required")
        code = "launch.platform_login_required" if wants_login else "launch.platform_error"
        raise trail.refusal("answer", code, form["error"], words=words)
    trail.ok("answer")
    claims = _verified(form.get("id_token", ""), kept, now, may_ask, trail)
    _check_standard(claims, kept, now, trail)
    try:
        return _read(session, claims, kept, binding, public_url, trail, now)
    except Malformed as malformed:
        raise trail.refusal("", "launch.claim_malformed", malformed.claim, claim=malformed.claim) from malformed


def _verified(token: str, kept: _Kept, now: datetime, may_ask: bool, trail: Trail) -> dict[str, Any]:
    try:
        kid = tokens.header(token)["kid"]
        trail.ok("token")
        if may_ask and not keysets.is_fresh(kept.keys, kept.keys_at, kid, now):
            raise keysets.KeysWanted(kept.platform.jwks_url)
        keys = keysets.usable(kept.platform.jwks_url, kept.keys, kept.keys_at, kid, now)
        trail.ok("key")
        found = tokens.claims(token, keys)
    except tokens.BadToken as bad:
        check = {"launch.signature": "signature", "launch.key_unknown": "key", "launch.keys_unavailable": "key"}
        raise trail.refusal(check.get(bad.code, "token"), bad.code, bad.detail) from bad
    trail.ok("signature")
    trail.claims = found
    return found


def _check_standard(claims: Mapping[str, Any], kept: _Kept, now: datetime, trail: Trail) -> None:
    """iss, aud, azp, exp, iat, nbf, nonce: a token made by this platform, for us, now, for this login."""
    platform = kept.platform
    if claims.get("iss") != platform.issuer:
        raise trail.refusal("issuer", "launch.issuer", repr(claims.get("iss"))[:200])
    trail.ok("issuer")
    audience, party = claims.get("aud"), claims.get("azp")
    several = audience if isinstance(audience, list) else [audience]
    if platform.client_id not in several or not all(isinstance(one, str) for one in several):
        raise trail.refusal("audience", "launch.audience", repr(audience)[:200])
    if party != platform.client_id and (party is not None or len(several) > 1):
        raise trail.refusal("audience", "launch.audience", f"azp {party!r}"[:200])
    trail.ok("audience")
    at = now.timestamp()
    issued, expires = tokens.seconds(claims.get("iat")), tokens.seconds(claims.get("exp"))
    if issued is None or expires is None:
        raise trail.refusal("time", "launch.time_missing")
    if expires + LEEWAY <= at:
        raise trail.refusal("time", "launch.expired", f"{at - expires:.0f} s", seconds=int(at - expires))
    if issued - LEEWAY > at:
        raise trail.refusal("time", "launch.not_yet_valid", f"{issued - at:.0f} s", seconds=int(issued - at))
    if issued + OLDEST + LEEWAY < at:
        raise trail.refusal("time", "launch.token_old", f"{at - issued:.0f} s", seconds=int(at - issued))
    if claims.get("nbf") is not None:
        begins = tokens.seconds(claims["nbf"])
        if begins is None or begins - LEEWAY > at:
            raise trail.refusal("time", "launch.not_yet_valid", "nbf", seconds=int((begins or at) - at))
    trail.ok("time")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(sha256(nonce), sha256(kept.nonce)):
        raise trail.refusal("nonce", "launch.nonce")
    trail.ok("nonce")


def _read(
    session: Session,
    claims: Mapping[str, Any],
    kept: _Kept,
    binding: Binding,
    public_url: str,
    trail: Trail,
    now: datetime,
) -> Launch:
    platform = kept.platform
    message, version = claims.get(CLAIM + "message_type"), claims.get(CLAIM + "version")
    if message not in (_LAUNCH, _PICK, _REVIEW):
        known = isinstance(message, str) and message in _KNOWN_MESSAGES
        code = "launch.message_unsupported" if known else "launch.message_unknown"
        shown = message if isinstance(message, str) else ""
        raise trail.refusal("message", code, repr(message)[:100], message=shown)
    trail.ok("message")
    if version != "1.3.0":
        raise trail.refusal("version", "launch.version", repr(version)[:100], version=str(version)[:40])
    trail.ok("version")
    deployment, link = _deployment(session, claims, platform, trail)
    target = reader.identifier(claims, CLAIM + "target_link_uri", 2000)
    if not target and message == _LAUNCH:
        raise trail.refusal("target", "launch.target_missing")
    if target and (not origin(target) or origin(target) != origin(public_url)):
        raise trail.refusal("target", "launch.target_foreign", target.partition("?")[0], target=target)
    trail.ok("target")
    if claims.get(CLAIM + "roles") is None:
        raise trail.refusal("roles", "launch.roles_missing")
    roles = frozenset(reader.strings(claims[CLAIM + "roles"], "roles"))
    trail.ok("roles")
    subject = claims.get("sub")
    if subject is None or subject == "":
        raise trail.refusal("subject", "launch.anonymous")
    if not isinstance(subject, str) or len(subject) > 255 or not subject.isascii() or not subject.isprintable():
        raise trail.refusal("subject", "launch.subject_invalid")
    trail.ok("subject")
    described = reader.read(claims)
    trail.ok("claims")
    picking = _picking(claims, roles, trail) if message == _PICK else None
    reviewed = ""
    if message == _REVIEW:
        reviewed = reader.identifier(reader.member(claims, CLAIM + "for_user", "for_user"), "user_id")
        if not reviewed:
            raise trail.refusal("link", "launch.for_user_missing")
    if message == _LAUNCH and not described["resource_link_id"]:
        raise trail.refusal("link", "launch.link_missing")
    trail.ok("link")
    if message == _LAUNCH:
        _remember(session, platform, deployment, link, described, now)
    ours = {origin(platform.issuer), origin(platform.auth_url)}
    returns_to = origin(described["return_url"])
    return Launch(
        reference=log.write(session, trail, LAUNCHED, "", now),
        tenant_id=platform.tenant_id,
        platform_id=platform.id,
        deployment_id=deployment,
        login_state_id=kept.state_id,
        binding=binding,
        issuer=platform.issuer,
        client_id=platform.client_id,
        platform_name=platform.title,
        platform_origin=returns_to if returns_to in ours else origin(platform.auth_url),
        subject=subject,
        message_type=message,
        roles=roles,
        target_link_uri=target,
        deep_linking=picking,
        for_user=reviewed,
        **described,
    )


def _picking(claims: Mapping[str, Any], roles: frozenset[str], trail: Trail) -> deep_linking.DeepLinking:
    """What a deep linking request asks for: staff choose what goes into a course, and we offer links to this tool."""
    if "Instructor" not in role_rules.context_roles(roles):
        raise trail.refusal("link", "launch.link_staff_only")
    found = deep_linking.read(claims)
    if not found.takes_links:
        raise trail.refusal("link", "launch.link_type", ", ".join(found.accept_types)[:200])
    return found


def _deployment(
    session: Session, claims: Mapping[str, Any], platform: Registration, trail: Trail
) -> tuple[int, Row[*tuple[Any, ...]] | None]:
    """The deployment's row, and what is kept of the place that the launch names in it."""
    given = claims.get(CLAIM + "deployment_id")
    if given is None or given == "":
        raise trail.refusal("deployment", "launch.deployment_missing")
    if not isinstance(given, str) or not is_identifier(given):
        raise Malformed("deployment_id")
    context_id, link_id = _place(claims)
    found = (
        session.connection()
        .execute(_PLACE, {"platform": platform.id, "given": given, "context": context_id, "link": link_id})
        .one_or_none()
    )
    if found is None:
        raise trail.refusal("deployment", "launch.deployment_unknown", given, deployment=given)
    trail.ok("deployment")
    return found.deployment, found if found.link is not None else None


def _place(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Ids of the context and link, "" where they are none: whether that is refused shows when all is read."""
    try:
        context = reader.identifier(reader.member(claims, CLAIM + "context", "context"), "id")
        return context, reader.identifier(reader.member(claims, CLAIM + "resource_link", "resource_link"), "id")
    except Malformed:
        return "", ""


def _remember(
    session: Session,
    platform: Registration,
    deployment: int,
    link: Row[*tuple[Any, ...]] | None,
    described: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keeps the product and the link. A class that clicks at once must not queue for one row, so it is written only
    when it changed or an hour passed; of the custom values only ours are kept, others may name a person."""
    if described["product"] and not platform.product:
        get(session, Platform, platform.id).product = described["product"]
        session.flush()
    own = {key: value for key, value in described["custom"].items() if key.startswith("nengli_")}
    title = described["resource_link_title"]
    if link is None:
        key = {
            "deployment_id": deployment,
            "context_id": described["context_id"],
            "resource_link_id": described["resource_link_id"],
        }
        insert_unless_there(session, ResourceLink, {**key, "title": title, "custom": own, "seen_at": now})
    elif (link.title, link.custom) != (title, own) or not same_moment_or_later(link.seen_at, now - timedelta(hours=1)):
        row = get(session, ResourceLink, link.link)
        row.title, row.custom, row.seen_at = title, own, now
        session.flush()
