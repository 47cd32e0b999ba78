"""Registrations: adding one, finding one, and whom we let frame us."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from lms_plugin.db import owned, pk, table
from lms_plugin.errors import Conflict, Invalid, NotFound
from lms_plugin.net import Network, is_never_asked
from lti.doors import door_of
from lti.hosts import host_of
from lti.models import Deployment, LaunchLog, Platform
from lti.text import is_identifier, origin
from lti.trails import LAUNCHED

UNKNOWN_DEPLOYMENT = "launch.deployment_unknown"
MOST_OFFERED = 20  # unknown deployments on one page: a platform that makes them up floods nobody


class Registration(NamedTuple):
    """What a login or launch needs of a registration: read as plain columns, since every launch reads it."""

    id: int
    tenant_id: int
    issuer: str
    client_id: str
    auth_url: str
    jwks_url: str
    name: str
    product: str
    door: str
    is_disabled: bool
    lets_look: bool

    @property
    def title(self) -> str:
        """As people know it."""
        return self.name or self.issuer


COLUMNS = tuple(table(Platform).c[name] for name in Registration._fields)


def add_platform(
    session: Session,
    tenant_id: int,
    *,
    issuer: str,
    client_id: str,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    deployments: Sequence[str],
    now: datetime,
    token_audience: str | None = None,
    name: str | None = None,
    product: str | None = None,
    allow_loopback: bool = False,
    networks: Sequence[Network] = (),
    deployments_later: bool = False,
) -> Platform:
    """Registers a platform (or, for the same tenant, client and issuer, updates it) with its deployments.

    Deployments only ever grow here; token audience, name and product stay as they are where they are None. One that is
    disabled stays so.
    `deployments_later`: the platform has not said any yet, so its first launch asks for approval. Raises Invalid with a
    code per field, Conflict("platform.taken") when another tenant holds this issuer and client id.
    """
    wrong = _wrong_addresses(auth_url, token_url, jwks_url, allow_loopback, networks)
    if not is_identifier(issuer, 500) or not origin(issuer):
        wrong["issuer"] = "platform.issuer_invalid"
    if not is_identifier(client_id):
        wrong["client_id"] = "platform.client_id_invalid"
    if not (deployments or deployments_later) or not all(is_identifier(one) for one in deployments):
        wrong["deployment"] = "platform.deployment_invalid"
    if wrong:
        raise Invalid(wrong)
    platform = by_client(session, issuer, client_id)
    if platform is None:
        platform = Platform(
            tenant_id=tenant_id,
            issuer=issuer,
            client_id=client_id,
            auth_url=auth_url,
            token_url=token_url,
            jwks_url=jwks_url,
            created_at=now,
        )
    elif platform.tenant_id != tenant_id:
        raise Conflict("platform.taken", issuer=issuer, client_id=client_id)
    _put_addresses(platform, auth_url, token_url, jwks_url)
    if token_audience is not None:
        platform.token_audience = token_audience[:1000]
    if name is not None:
        platform.name = name[:200]
    if product is not None:
        platform.product = product[:64]
    session.add(platform)
    session.flush()
    add_deployments(session, platform, deployments, now)
    return platform


Wrong = dict[str, str | tuple[str, dict[str, object]]]


def _wrong_addresses(
    auth_url: str, token_url: str, jwks_url: str, allow_loopback: bool, networks: Sequence[Network]
) -> Wrong:
    """Fields whose address cannot be one of a platform. `auth_url` is for browsers, which may stand where we do not."""
    wrong: Wrong = {}
    for field_name, url in (("auth_url", auth_url), ("token_url", token_url), ("jwks_url", jwks_url)):
        if not is_identifier(url, 1000) or not origin(url) or not (url.startswith("https://") or allow_loopback):
            wrong[field_name] = "platform.url_invalid"
        elif field_name != "auth_url" and is_never_asked(url, allow_loopback=allow_loopback, networks=networks):
            wrong[field_name] = "platform.url_private"
    return wrong


def _put_addresses(platform: Platform, auth_url: str, token_url: str, jwks_url: str) -> None:
    """The addresses, and the door that follows from that of the keys."""
    platform.auth_url, platform.token_url, platform.jwks_url = auth_url, token_url, jwks_url
    platform.door = door_of(jwks_url)


def change_platform(
    session: Session,
    platform: Platform,
    *,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    token_audience: str,
    name: str,
    allow_loopback: bool = False,
    networks: Sequence[Network] = (),
) -> None:
    """Other addresses, another name. Issuer and client id are what a registration is, so they stay. Raises Invalid."""
    wrong = _wrong_addresses(auth_url, token_url, jwks_url, allow_loopback, networks)
    if token_audience and not is_identifier(token_audience, 1000):
        wrong["audience"] = "platform.url_invalid"
    if wrong:
        raise Invalid(wrong)
    _put_addresses(platform, auth_url, token_url, jwks_url)
    platform.token_audience, platform.name = token_audience, name[:200]
    session.add(platform)
    session.flush()


def add_deployments(session: Session, platform: Platform, deployments: Sequence[str], now: datetime) -> None:
    """Deployments of a registration besides those it has, withdrawn ones again. Raises Invalid."""
    if not all(is_identifier(one) for one in deployments):
        raise Invalid({"deployment": "platform.deployment_invalid"})
    known = {one.deployment_id: one for one in session.exec(_of(platform))}
    for one in dict.fromkeys(deployments):
        row = known.get(one) or Deployment(
            tenant_id=platform.tenant_id, platform_id=pk(platform), deployment_id=one, created_at=now
        )
        row.is_withdrawn = False
        session.add(row)
    session.flush()


def withdraw_deployment(session: Session, platform: Platform, deployment: str) -> None:
    """Nobody is launched from that deployment any more, as if it had never been approved; what came from it stays.
    Raises NotFound `platform.deployment_unknown`."""
    row = session.exec(_of(platform).where(Deployment.deployment_id == deployment)).one_or_none()
    if row is None:
        raise NotFound("platform.deployment_unknown", deployment=deployment[:255])
    row.is_withdrawn = True
    session.add(row)
    session.flush()


def _of(platform: Platform) -> SelectOfScalar[Deployment]:
    return select(Deployment).where(
        Deployment.tenant_id == platform.tenant_id, col(Deployment.platform_id) == pk(platform)
    )


@dataclass(frozen=True)
class PlatformUse:
    """What is known of a registration in use: its deployments, those that were withdrawn, those that knocked and are
    none of them, its last launch."""

    deployments: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    launched_at: datetime | None = None


def platform_use(session: Session, tenant_id: int, platform_ids: Collection[int]) -> dict[int, PlatformUse]:
    """The same for each of these registrations of a tenant: two queries.

    An unknown deployment stands in the launch log only after the platform's own signature was found right, so it is
    the platform that named it.
    """
    held: dict[int, list[str]] = defaultdict(list)
    withdrawn: dict[int, list[str]] = defaultdict(list)
    for platform_id, deployment, is_withdrawn in session.exec(
        select(Deployment.platform_id, Deployment.deployment_id, Deployment.is_withdrawn)
        .where(col(Deployment.platform_id).in_(platform_ids))
        .order_by(col(Deployment.id))
    ):
        (withdrawn if is_withdrawn else held)[platform_id].append(deployment)
    unknown: dict[int, list[str]] = defaultdict(list)
    launched: dict[int, datetime] = {}
    seen = session.exec(
        select(LaunchLog.platform_id, LaunchLog.outcome, LaunchLog.detail, func.max(LaunchLog.at))
        .where(
            col(LaunchLog.tenant_id) == tenant_id,
            col(LaunchLog.platform_id).in_(platform_ids),
            col(LaunchLog.outcome).in_((LAUNCHED, UNKNOWN_DEPLOYMENT)),
        )
        .group_by(col(LaunchLog.platform_id), col(LaunchLog.outcome), col(LaunchLog.detail))
        .order_by(func.max(LaunchLog.at).desc(), col(LaunchLog.detail))
    ).all()
    for whose, outcome, detail, at in seen:
        if outcome == LAUNCHED:
            launched.setdefault(whose or 0, at)
        elif detail not in (*held[whose or 0], *withdrawn[whose or 0]) and is_identifier(detail):
            unknown[whose or 0].append(detail)
    return {
        one: PlatformUse(tuple(held[one]), tuple(withdrawn[one]), tuple(unknown[one][:MOST_OFFERED]), launched.get(one))
        for one in platform_ids
    }


def switch_platform(session: Session, issuer: str, client_id: str, *, is_disabled: bool) -> Platform:
    """Disables or enables a registration. Raises NotFound `platform.unknown`."""
    platform = by_client(session, issuer, client_id)
    if platform is None:
        raise NotFound("platform.unknown", issuer=issuer, client_id=client_id)
    platform.is_disabled = is_disabled
    session.add(platform)
    session.flush()
    return platform


def platforms(session: Session, tenant_id: int) -> list[Platform]:
    """The tenant's registrations, disabled ones too, by issuer and client id."""
    return list(session.exec(owned(Platform, tenant_id).order_by(col(Platform.issuer), col(Platform.client_id))).all())


def deployment_ids(session: Session, platform: Platform) -> list[str]:
    """The deployments of a registration in the host's own strings, the first registered first; none that was
    withdrawn."""
    held = _of(platform).where(col(Deployment.is_withdrawn).is_(False)).order_by(col(Deployment.id))
    return [one.deployment_id for one in session.exec(held)]


_BY_CLIENT = columns(*COLUMNS).where(
    table(Platform).c.issuer == bindparam("issuer"), table(Platform).c.client_id == bindparam("client_id")
)


def registration(session: Session, issuer: str, client_id: str) -> Registration | None:
    """`by_client` for a login."""
    found = session.connection().execute(_BY_CLIENT, {"issuer": issuer, "client_id": client_id}).one_or_none()
    return Registration(*found) if found is not None else None


def by_client(session: Session, issuer: str, client_id: str) -> Platform | None:
    """The one registration of this pair, in whichever tenant: no other can register it too."""
    return session.exec(
        select(Platform).where(col(Platform.issuer) == issuer, col(Platform.client_id) == client_id)
    ).one_or_none()


def by_issuer(session: Session, issuer: str) -> list[Registration]:
    """Up to two registrations of an issuer: enough to say "none", "this one" or "several"."""
    found = session.connection().execute(columns(*COLUMNS).where(table(Platform).c.issuer == issuer).limit(2))
    return [Registration(*one) for one in found]


def proves_who(platform: Platform) -> bool:
    """Whether a launch of this platform proves who launches. Open edX's does not: its message hint is made of a user's
    number and a place's key, and its authentication endpoint asks for no session (consumers 9.13.4 and 11.4.4): whoever
    knows both launches, for ten minutes, as somebody who has just opened that place."""
    return not host_of(platform.product, platform.auth_url).lets_hints_be_guessed


def has_doors(platform: Platform) -> bool:
    """Whether the host of this platform has several doors (doors.py)."""
    return host_of(platform.product, platform.auth_url).has_doors


def are_some_guessable(session: Session, tenant_id: int) -> bool:
    """Whether people come to a district from a platform whose launches prove nobody (`proves_who`). One query."""
    rows = session.exec(
        select(Platform).where(Platform.tenant_id == tenant_id, col(Platform.is_disabled).is_(False))
    ).all()
    return not all(proves_who(row) for row in rows)


def platform_origins(platform: Platform) -> list[str]:
    """Where an enabled platform shows its pages: these may frame ours."""
    if platform.is_disabled:
        return []
    return sorted({found for found in (origin(platform.issuer), origin(platform.auth_url)) if found})


def frame_ancestors(session: Session, deployment_id: int | None = None) -> list[str]:
    """Origins of all enabled platforms (or of the one that has the deployment of that id), sorted: those that may show
    our pages in a frame."""
    wanted = select(Platform.issuer, Platform.auth_url).where(col(Platform.is_disabled).is_(False))
    if deployment_id is not None:
        wanted = wanted.join(Deployment, col(Deployment.platform_id) == col(Platform.id)).where(
            col(Deployment.id) == deployment_id
        )
    rows = session.exec(wanted.distinct()).all()
    return sorted({found for row in rows for found in (origin(row[0]), origin(row[1])) if found})
