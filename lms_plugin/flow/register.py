"""自动登记: whoever holds an invitation of the whole district's IT or officers lets a platform register itself.

The code says which district; it is used up by the registration that succeeds, and by no other. Whoever held it gets
another of the same role: the way in, to accept it, is only being built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

import lti
from lms_plugin import leaving, platform_events
from lms_plugin.access import RoleScope
from lms_plugin.db import get, pk
from lms_plugin.errors import Refused
from lms_plugin.flow import invitations
from lms_plugin.net import Network
from lms_plugin.people import Invitation, OrgUnit, RoleKind, Tenant
from lms_plugin.platform_events import PlatformAct


@dataclass(frozen=True)
class Done:
    """A registration that succeeded, and the code by which its maker takes the role."""

    district: str
    client_id: str
    deployments: tuple[str, ...]
    is_update: bool
    kind: RoleKind
    code: str
    until: datetime


def tenant_of(session: Session, code: str, now: datetime) -> int:
    """The district for which this code may register. Raises Refused `invitation.unusable`, `register.code_role`,
    `register.read_only` where the district goes on elsewhere."""
    return _invitation(session, code, now).tenant_id


def _invitation(session: Session, code: str, now: datetime) -> Invitation:
    row = invitations.invitation_of(session, code, now)
    unit = get(session, OrgUnit, row.org_unit_id) if row.org_unit_id is not None else None
    reach = RoleScope(row.kind, unit_path=unit.path if unit is not None else "")
    if row.kind not in (RoleKind.IT, RoleKind.OFFICER) or not reach.is_district_wide:
        raise Refused("register.code_role")
    if leaving.is_read_only(get(session, Tenant, row.tenant_id), now):
        raise Refused("register.read_only")
    return row


def known_clients(session: Session, tenant_id: int, issuer: str) -> list[str]:
    """Client ids that the district has registered at this issuer: whether to ask first."""
    return [row.client_id for row in lti.platforms(session, tenant_id) if row.issuer == issuer]


def finish(
    session: Session,
    code: str,
    offer: "lti.RegistrationOffer",
    answer: "lti.Registered",
    now: datetime,
    *,
    is_confirmed: bool,
    secret_key: str,
    allow_loopback: bool,
    networks: Sequence[Network] = (),
) -> Done:
    """Keeps what the platform answered, and uses up the code.

    Raises Refused: `register.confirm` for a registration that is there already and was not confirmed, Conflict
    `platform.taken` for one of another district, Invalid for what cannot be kept.
    """
    row = _invitation(session, code, now)
    held = lti.by_client(session, offer.issuer, answer.client_id)
    is_update = held is not None and held.tenant_id == row.tenant_id
    if is_update and not is_confirmed:
        raise Refused("register.confirm", clients=answer.client_id)
    platform = lti.add_platform(
        session,
        row.tenant_id,
        issuer=offer.issuer,
        client_id=answer.client_id,
        auth_url=offer.auth_url,
        token_url=offer.token_url,
        jwks_url=offer.jwks_url,
        deployments=[answer.deployment] if answer.deployment else [],
        deployments_later=True,
        token_audience=offer.audience,
        product=offer.product or None,
        allow_loopback=allow_loopback,
        networks=networks,
        now=now,
    )
    lti.ensure_tool_key(session, secret_key, now)
    lti.log_registration(session, offer.issuer, now, tenant_id=row.tenant_id, platform=platform)
    act = PlatformAct.RENEWED if is_update else PlatformAct.REGISTERED
    platform_events.note(session, (row.tenant_id, pk(platform)), act, None, now)
    row.used_at = now
    session.add(row)
    unit = get(session, OrgUnit, row.org_unit_id) if row.org_unit_id is not None else None
    following, next_code = invitations.make_invitation(session, row.tenant_id, row.kind, unit, row.created_by_id, now)
    following.expires_at = row.expires_at  # a chain of registrations makes no code live longer
    session.add(following)
    session.flush()
    return Done(
        district=get(session, Tenant, row.tenant_id).name,
        client_id=platform.client_id,
        deployments=tuple(lti.deployment_ids(session, platform)),
        is_update=is_update,
        kind=row.kind,
        code=next_code,
        until=following.expires_at,
    )
