"""Registrations: adding one, finding one, and whom we let frame us."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from lms_plugin.db import owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound
from lti.models import Deployment, Platform
from lti.text import is_identifier, origin


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
) -> Platform:
    """Registers a platform (or, for the same tenant, client and issuer, updates it) with its deployments.

    Deployments only ever grow here; token audience, name and product stay as they are where they are None. Raises
    Invalid with a code per field, Conflict("platform.taken") when another tenant holds this issuer and client id.
    """
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    if not is_identifier(issuer, 500) or not origin(issuer):
        wrong["issuer"] = "platform.issuer_invalid"
    if not is_identifier(client_id):
        wrong["client_id"] = "platform.client_id_invalid"
    for field_name, url in (("auth_url", auth_url), ("token_url", token_url), ("jwks_url", jwks_url)):
        if not is_identifier(url, 1000) or not origin(url) or not (url.startswith("https://") or allow_loopback):
            wrong[field_name] = "platform.url_invalid"
    if not deployments or not all(is_identifier(one) for one in deployments):
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
    platform.auth_url, platform.token_url, platform.jwks_url = auth_url, token_url, jwks_url
    if token_audience is not None:
        platform.token_audience = token_audience[:1000]
    if name is not None:
        platform.name = name[:200]
    if product is not None:
        platform.product = product[:64]
    platform.is_disabled = False
    session.add(platform)
    session.flush()
    known = deployment_ids(session, platform)
    for one in dict.fromkeys(deployments):
        if one not in known:
            session.add(Deployment(tenant_id=tenant_id, platform_id=pk(platform), deployment_id=one, created_at=now))
    session.flush()
    return platform


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
    """The deployments of a registration in the host's own strings, the first registered first."""
    held = select(Deployment.deployment_id).where(col(Deployment.platform_id) == platform.id)
    return list(session.exec(held.order_by(col(Deployment.id))).all())


def by_client(session: Session, issuer: str, client_id: str) -> Platform | None:
    """The one registration of this pair, in whichever tenant: where a launch finds its district."""
    return session.exec(
        select(Platform).where(col(Platform.issuer) == issuer, col(Platform.client_id) == client_id)
    ).one_or_none()


def by_issuer(session: Session, issuer: str) -> list[Platform]:
    """Up to two registrations of an issuer: enough to say "none", "this one" or "several"."""
    return list(session.exec(select(Platform).where(col(Platform.issuer) == issuer).limit(2)).all())


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
