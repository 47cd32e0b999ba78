"""平台: IT and officers of the whole district see to the registrations of their course platforms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists
from sqlmodel import Session, col, select

import lti
from lms_plugin import platform_events
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.net import Http, Network
from lms_plugin.people import Course
from lms_plugin.platform_events import PlatformAct


@dataclass(frozen=True)
class ActLine:
    """One line of 经过: what was done by whom ("" = by a command on the server, or by the platform itself)."""

    act: PlatformAct
    detail: str
    by: str
    at: datetime


@dataclass(frozen=True)
class PlatformView:
    """One registration. `audience` is empty where it is the token address. `has_doors`: its host is Open edX, where
    `is_of_block` says whether it is that of our block."""

    uuid: str
    name: str
    product: str
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    audience: str
    is_disabled: bool
    wants_notices: bool
    lets_look: bool
    has_doors: bool
    is_of_block: bool
    use: lti.PlatformUse
    events: tuple["ActLine", ...] = ()

    @property
    def title(self) -> str:
        """What pages call it."""
        return self.name or self.issuer


def _view(row: lti.Platform, use: lti.PlatformUse, events: tuple[ActLine, ...] = ()) -> PlatformView:
    return PlatformView(
        row.uuid,
        row.name,
        row.product,
        row.issuer,
        row.client_id,
        row.auth_url,
        row.token_url,
        row.jwks_url,
        row.token_audience,
        row.is_disabled,
        row.wants_notices,
        row.lets_look,
        lti.has_doors(row),
        bool(row.door),
        use,
        events,
    )


def listing(session: Session, actor: Actor) -> list[PlatformView]:
    """All registrations of the district, by issuer: three queries."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    rows = lti.platforms(session, actor.tenant_id)
    used = lti.platform_use(session, actor.tenant_id, [pk(row) for row in rows])
    return [_view(row, used[pk(row)]) for row in rows]


def one(session: Session, actor: Actor, uuid: str) -> PlatformView:
    """One registration, with what knocked at it, and what was done about it."""
    return _whole(session, _platform(session, actor, uuid))


def _whole(session: Session, row: lti.Platform) -> PlatformView:
    use = lti.platform_use(session, row.tenant_id, [pk(row)])[pk(row)]
    events = platform_events.of_platform(session, row.tenant_id, pk(row))
    return _view(row, use, tuple(ActLine(one.act, one.detail, name, one.at) for one, name in events))


def _platform(session: Session, actor: Actor, uuid: str) -> lti.Platform:
    row = find(session, lti.Platform, actor.tenant_id, uuid)
    require(actor, Permission.PLATFORM_MANAGE, Scope(row.tenant_id))
    return row


def register(
    session: Session,
    actor: Actor,
    product: str,
    given: Mapping[str, str],
    now: datetime,
    *,
    secret_key: str,
    allow_loopback: bool,
    networks: Sequence[Network] = (),
) -> str:
    """Registers what was typed on a product's page; gives the registration's uuid.

    Raises Invalid by field (what follows from a site's address stands at `site`), Conflict `platform.taken`.
    """
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    made = lti.registration_of(product, given)
    held = lti.by_client(session, made.issuer, made.client_id)
    if held is not None and held.tenant_id == actor.tenant_id:
        raise Invalid({"client_id": "platform.registered"})
    try:
        row = lti.add_platform(
            session,
            actor.tenant_id,
            issuer=made.issuer,
            client_id=made.client_id,
            auth_url=made.auth_url,
            token_url=made.token_url,
            jwks_url=made.jwks_url,
            deployments=[made.deployment],
            token_audience=made.token_audience,
            product=made.product,
            name=given.get("name", "").strip(),
            allow_loopback=allow_loopback,
            networks=networks,
            now=now,
        )
    except Invalid as error:
        asked = lti.PLATFORM_FIELDS[product]
        where = "site" if "site" in asked else "client_id"
        raise Invalid({name if name in asked else where: code for name, code in error.fields.items()}) from error
    lti.ensure_tool_key(session, secret_key, now)
    _note(session, actor, row, PlatformAct.ADDED, now)
    return row.uuid


def _note(session: Session, actor: Actor, row: lti.Platform, act: PlatformAct, now: datetime, detail: str = "") -> None:
    platform_events.note(session, (row.tenant_id, pk(row)), act, actor.person_id, now, detail)


def change(
    session: Session,
    actor: Actor,
    uuid: str,
    given: Mapping[str, str],
    now: datetime,
    *,
    allow_loopback: bool,
    networks: Sequence[Network] = (),
) -> None:
    """Other addresses or another name. Raises Invalid."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    lti.change_platform(
        session,
        row,
        auth_url=given.get("auth_url", "").strip(),
        token_url=given.get("token_url", "").strip(),
        jwks_url=given.get("jwks_url", "").strip(),
        token_audience=given.get("audience", "").strip(),
        name=given.get("name", "").strip(),
        allow_loopback=allow_loopback,
        networks=networks,
    )
    _note(session, actor, row, PlatformAct.CHANGED, now)


def switch(session: Session, actor: Actor, uuid: str, now: datetime, *, is_disabled: bool) -> None:
    """Launches nobody from there any more, or again; nothing else changes."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    if row.is_disabled != is_disabled:
        _note(session, actor, row, PlatformAct.DISABLED if is_disabled else PlatformAct.ENABLED, now)
    lti.switch_platform(session, row.issuer, row.client_id, is_disabled=is_disabled)


def let_look(session: Session, actor: Actor, uuid: str, now: datetime, *, lets: bool) -> None:
    """Launches that name nobody may look at what a course asks for, or are refused (as they are unless somebody says
    otherwise). Addresses that are out already open nothing any more."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    if row.lets_look != lets:
        _note(session, actor, row, PlatformAct.LOOK_ON if lets else PlatformAct.LOOK_OFF, now)
    row.lets_look = lets
    session.add(row)
    session.flush()


def add_deployment(session: Session, actor: Actor, uuid: str, deployment: str, now: datetime) -> None:
    """A deployment more: typed, or one that knocked and is approved. Raises Invalid."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    if deployment in lti.deployment_ids(session, row):
        return
    lti.add_deployments(session, row, [deployment], now)
    _note(session, actor, row, PlatformAct.APPROVED, now, deployment)


def withdraw_deployment(session: Session, actor: Actor, uuid: str, deployment: str, now: datetime) -> None:
    """Takes an approval back: nobody comes in from that deployment any more, and it may knock again. People, courses
    and scores that came from it stay. Raises NotFound."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    if deployment not in lti.deployment_ids(session, row):
        raise NotFound
    lti.withdraw_deployment(session, row, deployment)
    _note(session, actor, row, PlatformAct.WITHDRAWN, now, deployment)


def trial(
    session: Session, actor: Actor, uuid: str, now: datetime, *, secret_key: str, http: Http
) -> "tuple[PlatformView, lti.Trial]":
    """What trying the registration out needs. The caller ends the transaction before it lets the trial run."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = _platform(session, actor, uuid)
    lti.forget_refusals(session, pk(row))  # who tries it out has seen to it: scores that wait try again too
    return _whole(session, row), trial_of(session, row, now, secret_key=secret_key, http=http)


def trial_of(session: Session, row: lti.Platform, now: datetime, *, secret_key: str, http: Http) -> lti.Trial:
    """The same for the operator's command: nobody is signed in at a console."""
    address = session.exec(
        select(Course.memberships_url)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .where(col(lti.Deployment.platform_id) == pk(row), Course.memberships_url != "")
        .order_by(col(Course.seen_at).desc(), col(Course.id).desc())
    ).first()
    deployments = select(lti.Deployment.id).where(col(lti.Deployment.platform_id) == pk(row))
    has_groups, has_notices = session.exec(
        select(
            exists().where(col(Course.deployment_id).in_(deployments), col(Course.groups_url) != ""),
            exists().where(col(lti.Deployment.platform_id) == pk(row), col(lti.Deployment.notices_url) != ""),
        )
    ).one()
    offered = [name for name, is_there in (("groups", has_groups), ("notices", has_notices)) if is_there]
    return lti.prepare_trial(session, row, address or "", secret_key, http, now, offered)
