"""What a launch has to be: every check of it in order, each one noted in its trail.

Sources: LTI 1.3 core 5.3, 1EdTech Security Framework 5.1.2 and 5.1.3, RFC 7519, OpenID Connect Core 3.1.3.7.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from lti import claims as reader
from lti import deep_linking, doors, keysets, spaces, tokens, trails
from lti import roles as role_rules
from lti.claims import CLAIM, PRIVACY, Binding, Launch, Malformed
from lti.log import Trail
from lti.platforms import Registration
from lti.text import clean, is_identifier, origin, same_moment_or_later, sha256

LEEWAY = 60
OLDEST = 600  # seconds since `iat`, whatever `exp` says
SEEN_AGAIN = timedelta(hours=1)
_LAUNCH, _PICK, _REVIEW = "LtiResourceLinkRequest", "LtiDeepLinkingRequest", "LtiSubmissionReviewRequest"
_KNOWN_MESSAGES = (  # of specifications that we do not take part in: the page says so by name
    "LtiStartProctoring", "LtiEndAssessment", "LtiEulaRequest", "LtiAssetProcessorSettingsRequest",
    "LtiReportReviewRequest",
)  # fmt: skip


class Kept(NamedTuple):
    """What is kept that a launch is held against: its login, the registration, the platform's keys as last read."""

    state_id: int
    nonce: str
    platform: Registration
    keys: dict[str, Any] | None
    keys_at: datetime | None


class Place(NamedTuple):
    """A deployment, what it is known to offer, and what is kept of the place in it that a launch names (`link` None:
    nothing yet)."""

    deployment: int
    link: int | None
    title: str | None
    custom: dict[str, str] | None
    seen_at: datetime | None
    notices_url: str
    notice_types: str

    def offers(self, described: Mapping[str, Any]) -> bool:
        """Whether it is known to offer the notices that a launch offers; one that offers none may carry less."""
        offered = (described["notices_url"], described["notice_types"])
        return offered in ((self.notices_url, self.notice_types), ("", ""))

    def stands(self, described: Mapping[str, Any], now: datetime) -> bool:
        """Whether it is kept as the launch describes it. A class that clicks at once must not queue for one row, so it
        counts as seen for an hour."""
        return (
            self.link is not None
            and self.offers(described)
            and (self.title, self.custom) == (described["resource_link_title"], own_custom(described))
            and same_moment_or_later(self.seen_at, now - SEEN_AGAIN)
        )


class Records(Protocol):
    """What the checks ask of the database, and have it keep."""

    def place(self, platform: Registration, deployment: str, context: str, link: str) -> Place | None:
        """The deployment of that name, None for an unknown one."""

    def remember(self, platform: Registration, place: Place, described: Mapping[str, Any]) -> None:
        """Keeps the host's product and the launched place."""

    def log(self, trail: Trail) -> str:
        """Keeps that it was launched; gives the reference."""


def own_custom(described: Mapping[str, Any]) -> dict[str, str]:
    """The custom values of a launch that are kept: only ours, others may name a person."""
    return {key: value for key, value in described["custom"].items() if key.startswith("nengli_")}


def check(
    form: Mapping[str, str],
    kept: Kept,
    records: Records,
    trail: Trail,
    *,
    binding: Binding,
    public_url: str,
    now: datetime,
    may_ask: bool = False,
) -> Launch:
    """The launch that a form brings for a login that was found and is its browser's. Raises LaunchRefused, and
    KeysWanted where `may_ask` and the platform's keys should be read first."""
    if binding != "cookie":
        trail.findings["browser"] = trails.BY_STORAGE if binding == "storage" else trails.NO_COOKIE
    trail.ok("browser")
    if form.get("error"):
        words = clean(form.get("error_description", "") or form["error"], 200)
        wants_login = form["error"] in ("login_required", "interaction_required")
        code = "launch.platform_login_required" if wants_login else "launch.platform_error"
        raise trail.refusal("answer", code, form["error"], words=words)
    trail.ok("answer")
    claims = verified(form.get("id_token", ""), kept, now, may_ask, trail)
    check_standard(claims, kept.platform, now, trail)
    _check_nonce(claims, kept, trail)
    try:
        return _read(claims, kept, records, binding, public_url, trail)
    except Malformed as malformed:
        raise trail.refusal("", "launch.claim_malformed", malformed.claim, claim=malformed.claim) from malformed


def verified(token: str, kept: Kept, now: datetime, may_ask: bool, trail: Trail) -> dict[str, Any]:
    """What a token says that the platform's key signed. Raises LaunchRefused, KeysWanted."""
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


def check_standard(
    claims: Mapping[str, Any], platform: Registration, now: datetime, trail: Trail, oldest: int = OLDEST
) -> None:
    """iss, aud, azp, exp, iat, nbf: a token made by this platform, for us, now (at most `oldest` seconds ago)."""
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
    if issued + oldest + LEEWAY < at:
        raise trail.refusal("time", "launch.token_old", f"{at - issued:.0f} s", seconds=int(at - issued))
    if claims.get("nbf") is not None:
        begins = tokens.seconds(claims["nbf"])
        if begins is None or begins - LEEWAY > at:
            raise trail.refusal("time", "launch.not_yet_valid", "nbf", seconds=int((begins or at) - at))
    trail.ok("time")


def _check_nonce(claims: Mapping[str, Any], kept: Kept, trail: Trail) -> None:
    """A token made for this login."""
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(sha256(nonce), sha256(kept.nonce)):
        raise trail.refusal("nonce", "launch.nonce")
    trail.ok("nonce")


def _read(
    claims: Mapping[str, Any],
    kept: Kept,
    records: Records,
    binding: Binding,
    public_url: str,
    trail: Trail,
) -> Launch:
    platform = kept.platform
    message, version = claims.get(CLAIM + "message_type"), claims.get(CLAIM + "version")
    if message not in (_LAUNCH, _PICK, _REVIEW, *PRIVACY):
        known = isinstance(message, str) and message in _KNOWN_MESSAGES
        code = "launch.message_unsupported" if known else "launch.message_unknown"
        shown = message if isinstance(message, str) else ""
        raise trail.refusal("message", code, repr(message)[:100], message=shown)
    trail.ok("message")
    if version != "1.3.0":
        raise trail.refusal("version", "launch.version", repr(version)[:100], version=str(version)[:40])
    trail.ok("version")
    place = _place(claims, platform, records, trail)
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
        if message != _LAUNCH or not platform.lets_look:
            raise trail.refusal("subject", "launch.anonymous")
        subject, trail.findings["subject"] = "", trails.NOBODY
    elif not isinstance(subject, str) or len(subject) > 255 or not subject.isascii() or not subject.isprintable():
        raise trail.refusal("subject", "launch.subject_invalid")
    trail.ok("subject")
    described = reader.read(claims)
    trail.ok("claims")
    picking = _picking(claims, roles, trail) if message == _PICK else None
    reviewed = ""
    if message in (_REVIEW, *PRIVACY):
        whom = reader.member(claims, CLAIM + "for_user", "for_user")
        # Of the privacy draft two ways are live to name the person.
        reviewed = reader.identifier(whom, "user_id") or (reader.identifier(whom, "id") if message in PRIVACY else "")
        if not reviewed:
            raise trail.refusal("link", "launch.for_user_missing" if message == _REVIEW else "launch.person_missing")
    if message == _LAUNCH and not described["resource_link_id"]:
        raise trail.refusal("link", "launch.link_missing")
    if not doors.lets_in(platform.door, described["resource_link_id"]):
        raise trail.refusal("link", "launch.block_other", described["resource_link_id"][:300])
    trail.ok("link")
    if message == _LAUNCH and subject:
        records.remember(platform, place, described)
    ours = {origin(platform.issuer), origin(platform.auth_url)}
    returns_to = origin(described["return_url"])
    return Launch(
        reference=records.log(trail),
        tenant_id=platform.tenant_id,
        platform_id=platform.id,
        deployment_id=place.deployment,
        login_state_id=kept.state_id,
        binding=binding,
        issuer=platform.issuer,
        client_id=platform.client_id,
        platform_name=platform.title,
        platform_origin=returns_to if returns_to in ours else origin(platform.auth_url),
        door=platform.door,
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


def _place(claims: Mapping[str, Any], platform: Registration, records: Records, trail: Trail) -> Place:
    """Where it was launched, in a deployment that we know."""
    given = claims.get(CLAIM + "deployment_id")
    if given is None or given == "":
        raise trail.refusal("deployment", "launch.deployment_missing")
    if not isinstance(given, str) or not is_identifier(given):
        raise Malformed("deployment_id")
    found = records.place(platform, given, *named_place(claims))
    if found is None:
        raise trail.refusal("deployment", "launch.deployment_unknown", given, deployment=given)
    trail.ok("deployment")
    return found


def named_place(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Ids of the course (or space) and link, "" where they are none: whether that is refused shows when all is read."""
    try:
        context = reader.identifier(reader.member(claims, CLAIM + "context", "context"), "id")
        link = reader.identifier(reader.member(claims, CLAIM + "resource_link", "resource_link"), "id")
        return context or spaces.of_link(link), link
    except Malformed:
        return "", ""
