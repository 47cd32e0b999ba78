"""Platform notices: what a host tells by itself, with nobody at a browser (Platform Notification Service 1.0).

Each notice is a token of its own, held against what a launch's is held against; there is no login, so a notice is told
from its own repetition by the id that the host gave it. What it makes us keep is a row; nothing waits for a host.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import Session, col, select

from lti import checks, log, tokens
from lti import claims as reader
from lti.checks import Kept
from lti.claims import CLAIM, Malformed
from lti.log import LaunchRefused, Trail
from lti.models import ContextCopy, Deployment, KeySet, NoticeService, PlatformNotice
from lti.platforms import Registration, registration
from lti.subscriptions import COPIED, GREETING, KINDS
from lti.text import is_identifier, utc
from lti.trails import NOTICED, OF_NOTICES
from lti.upsert import insert_unless_there

MOST = 500  # notices in one request
LARGEST = 1024 * 1024  # bytes of it
OLDEST = 24 * 3600  # seconds since `iat`: hosts may send late what they signed early, and once is once
MOST_ORIGINS = 20
MOST_COPIES = 2  # of copies of copies: each is a query of a page
_MOST_AUDIENCES = 5


class Heard(NamedTuple):
    """What became of the notices of one request: done now, done before, refused."""

    taken: int
    again: int
    refused: int


@dataclass(frozen=True)
class _Notice:
    """A notice that was found right. `context`, `origins`: of a copied course."""

    platform: Registration
    deployment: int
    key: str
    kind: str
    at: datetime
    trail: Trail
    context: str = ""
    origins: tuple[str, ...] = ()


@dataclass
class _Known:
    """What the database says, asked once for all notices of a request."""

    session: Session
    platforms: dict[tuple[str, str], Registration | None] = field(default_factory=dict)
    keys: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    deployments: dict[tuple[int, str], int | None] = field(default_factory=dict)

    def platform(self, issuer: str, client_id: str) -> Registration | None:
        """The registration of this pair."""
        pair = (issuer, client_id)
        if pair not in self.platforms:
            self.platforms[pair] = registration(self.session, issuer, client_id)
        return self.platforms[pair]

    def keys_at(self, url: str) -> tuple[Any, Any]:
        """A platform's key set as last read, and when; (None, None) where it never was."""
        if url not in self.keys:
            row = self.session.exec(select(KeySet.body, KeySet.fetched_at).where(col(KeySet.url) == url)).one_or_none()
            self.keys[url] = (row[0], row[1]) if row is not None else (None, None)
        return self.keys[url]

    def deployment(self, platform: Registration, given: str) -> int | None:
        """The deployment of that name."""
        pair = (platform.id, given)
        if pair not in self.deployments:
            wanted = select(Deployment.id).where(
                col(Deployment.platform_id) == platform.id,
                col(Deployment.deployment_id) == given,
                col(Deployment.is_withdrawn).is_(False),
            )
            self.deployments[pair] = self.session.exec(wanted).one_or_none()
        return self.deployments[pair]


def receive_notices(session: Session, body: bytes, now: datetime, *, may_ask: bool = False) -> Heard:
    """Takes what a host posted: `{"notices": [{"jwt": …}, …]}`. A bad one among good ones spoils nothing.

    Does no HTTP: with `may_ask` KeysWanted is raised where a platform's keys should be read first; the caller then
    rolls back, calls `refresh_keys`, and comes again without. Raises LaunchRefused where not one notice was good, after
    writing the launch-log row; the caller commits also then.
    """
    known = _Known(session)
    good: list[_Notice] = []
    bad: list[tuple[Trail, LaunchRefused]] = []
    trail = Trail()
    try:
        given = _tokens_in(body, trail)
    except LaunchRefused as refused:
        log.write_refusal(session, trail, refused, now)
        raise
    for token in given:
        trail = Trail(findings={OF_NOTICES: str(len(given))})
        trail.ok("request")
        try:
            good.append(_read(known, token, now, trail, may_ask=may_ask))
        except LaunchRefused as refused:
            bad.append((trail, refused))
    taken = _keep(session, good, now)
    _log(session, good, bad, now)
    if bad and not good:
        raise bad[0][1]
    return Heard(taken, len(good) - taken, len(bad))


def _tokens_in(body: bytes, trail: Trail) -> list[str]:
    try:
        listed = tokens.load_object(body).get("notices")
    except ValueError:
        listed = None
    given = [one.get("jwt") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
    if not isinstance(listed, list) or len(listed) > MOST or not all(isinstance(one, str) for one in given):
        raise trail.refusal("request", "notice.unreadable")
    return [str(one) for one in given]


def _read(known: _Known, token: str, now: datetime, trail: Trail, *, may_ask: bool) -> _Notice:
    """One notice, by all its checks. Raises LaunchRefused, KeysWanted."""
    try:
        tokens.header(token)
    except tokens.BadToken as wrong:
        raise trail.refusal("token", wrong.code, wrong.detail) from wrong
    platform = _platform(known, tokens.unchecked(token), trail)
    keys = Kept(0, "", platform, *known.keys_at(platform.jwks_url))
    claims = checks.verified(token, keys, now, may_ask, trail)
    checks.check_standard(claims, platform, now, trail, OLDEST)
    version = claims.get(CLAIM + "version")
    if version != "1.3.0":
        raise trail.refusal("version", "launch.version", repr(version)[:100], version=str(version)[:40])
    trail.ok("version")
    deployment = _deployment(known, platform, claims, trail)
    try:
        key, kind, at = _named(reader.member(claims, CLAIM + "notice", "notice"))
        context, origins = _copied(claims) if kind == COPIED else ("", ())
    except Malformed as wrong:
        raise trail.refusal("notice", "notice.malformed", wrong.claim, claim=wrong.claim) from wrong
    trail.ok("notice")
    return _Notice(platform, deployment, key, kind, at, trail, context, origins)


def _platform(known: _Known, said: Mapping[str, Any], trail: Trail) -> Registration:
    """The registration that a token names; whether it is its token, the signature says later."""
    issuer, audience, party = said.get("iss"), said.get("aud"), said.get("azp")
    several = audience if isinstance(audience, list) else [audience]
    clients = [one for one in (party, *several[:_MOST_AUDIENCES]) if isinstance(one, str) and one]
    found = None
    if isinstance(issuer, str) and is_identifier(issuer, 500):
        trail.issuer = issuer
        named = (known.platform(issuer, one) for one in clients if is_identifier(one))
        found = next((one for one in named if one is not None), None)
    if found is None:
        raise trail.refusal("platform", "notice.platform_unknown", f"{audience!r}"[:300], issuer=trail.issuer)
    trail.platform, trail.client_id = found, found.client_id
    if found.is_disabled:
        raise trail.refusal("platform", "launch.platform_disabled", name=found.title)
    trail.ok("platform")
    return found


def _deployment(known: _Known, platform: Registration, claims: Mapping[str, Any], trail: Trail) -> int:
    given = claims.get(CLAIM + "deployment_id")
    if not isinstance(given, str) or not is_identifier(given):
        raise trail.refusal("deployment", "launch.deployment_missing")
    found = known.deployment(platform, given)
    if found is None:
        raise trail.refusal("deployment", "launch.deployment_unknown", given, deployment=given)
    trail.ok("deployment")
    return found


def _named(notice: Mapping[str, Any]) -> tuple[str, str, datetime]:
    """Id, kind and moment of a notice (`timestamp`: ISO 8601; without an offset it is UTC). Raises Malformed."""
    key, kind = reader.identifier(notice, "id"), reader.identifier(notice, "type", 100)
    try:
        at = utc(datetime.fromisoformat(reader.identifier(notice, "timestamp", 64)))
    except (ValueError, OverflowError) as error:
        raise Malformed("notice") from error
    if not key or not kind:
        raise Malformed("notice")
    return key, kind, at


def _copied(claims: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The course that was filled, and those that it was filled from; hosts leave these out where they know none."""
    context = reader.identifier(reader.member(claims, CLAIM + "context", "context"), "id")
    listed = claims.get(CLAIM + "origin_contexts")
    origins = [] if listed is None else listed
    if not context or not isinstance(origins, list) or not all(isinstance(one, str) for one in origins):
        raise Malformed("origin_contexts" if context else "context")
    return context, tuple(one for one in origins if is_identifier(one) and one != context)[:MOST_ORIGINS]


def _keep(session: Session, good: list[_Notice], now: datetime) -> int:
    """Does what the notices are for, unless it was done before; gives how many were not. Of a kind that we do not know:
    that it came. All in one order, so that hosts that post the same at once wait for one another."""
    new = []
    for notice in sorted(good, key=lambda one: (one.platform.id, one.key)):
        values = {"notice_id": notice.key, "kind": notice.kind, "received_at": now, "platform_id": notice.platform.id}
        if insert_unless_there(session, PlatformNotice, values):
            new.append(notice)
    greeted = {notice.deployment for notice in new if notice.kind == GREETING}
    for deployment, tenant_id in sorted({(notice.deployment, notice.platform.tenant_id) for notice in new}):
        its = {"tenant_id": tenant_id, "deployment_id": deployment}
        insert_unless_there(session, NoticeService, {**its, "url": "", "registered": "", "trouble": "", "words": ""})
        heard = {"heard_at": now, **({"greeted_at": now} if deployment in greeted else {})}
        row = col(NoticeService.deployment_id) == deployment
        session.execute(update(NoticeService).where(row).values(**heard))
    copies = [notice for notice in new if notice.kind == COPIED and notice.origins]
    for notice in sorted(copies, key=lambda one: (one.deployment, one.context, one.at)):
        _keep_copy(session, notice)
    return len(new)


def _keep_copy(session: Session, notice: _Notice) -> None:
    """The newest word of the host counts, in whichever order its notices come."""
    its = {"tenant_id": notice.platform.tenant_id, "deployment_id": notice.deployment}
    values = {"context_id": notice.context, "origins": list(notice.origins), "copied_at": notice.at}
    if insert_unless_there(session, ContextCopy, {**its, **values}):
        return
    row = session.exec(
        select(ContextCopy).where(
            col(ContextCopy.deployment_id) == notice.deployment, col(ContextCopy.context_id) == notice.context
        )
    ).one()
    if utc(row.copied_at) < notice.at:
        row.origins, row.copied_at = list(notice.origins), notice.at
        session.add(row)
        session.flush()


def _log(session: Session, good: list[_Notice], bad: list[tuple[Trail, LaunchRefused]], now: datetime) -> None:
    """One row for each platform whose notices were good, and one for the first that was refused: a stranger who posts
    hundreds writes no more than one who posts one."""
    for platform in {notice.platform.id: notice.platform for notice in good}.values():
        its = [notice for notice in good if notice.platform.id == platform.id]
        kinds = Counter(notice.kind if notice.kind in KINDS else f"{notice.kind} (?)" for notice in its)
        detail = ", ".join(f"{kind} × {number}" for kind, number in sorted(kinds.items())[:20])
        log.write(session, its[0].trail, NOTICED, detail, now)
    if bad:
        log.write_refusal(session, *bad[0], now)


def origins_of(session: Session, platform_id: int, context_id: str) -> list[str]:
    """The courses of a platform from which one of its courses was filled, also over copies of copies, the nearest
    first; [] where the host told of none. `MOST_COPIES` queries at most."""
    found: list[str] = []
    nearest = [context_id]
    for _ in range(MOST_COPIES):
        if not nearest or len(found) >= MOST_ORIGINS:
            break
        rows = session.exec(
            select(ContextCopy.origins)
            .join(Deployment, col(Deployment.id) == col(ContextCopy.deployment_id))
            .where(col(Deployment.platform_id) == platform_id, col(ContextCopy.context_id).in_(nearest))
            .order_by(col(ContextCopy.copied_at).desc(), col(ContextCopy.id))
        ).all()
        nearest = [one for one in dict.fromkeys(o for row in rows for o in row) if one not in (*found, context_id)]
        found += nearest
    return found[:MOST_ORIGINS]
