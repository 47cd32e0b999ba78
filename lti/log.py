"""The launch log: one row per launch or refusal, with a reference that a person can read out."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from lms_plugin.db import table
from lms_plugin.errors import Refused
from lti import spaces
from lti.models import LaunchLog, Platform
from lti.platforms import Registration
from lti.text import clean, is_identifier
from lti.trails import LAUNCH, REGISTERED, after

_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that look alike when read out


class LaunchRefused(Refused):
    """A login or launch that is not what it should be. `params["reference"]` names its row in the launch log."""

    status = 400


@dataclass
class Trail:
    """What is known so far about one login or launch, for its log row. `passed` is the last check that found nothing;
    `claims` are those of a token whose signature was found right."""

    platform: Registration | Platform | None = None
    issuer: str = ""
    client_id: str = ""
    passed: str = ""
    findings: dict[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)

    def ok(self, check: str) -> None:
        """Notes that a check ran and found nothing."""
        self.passed = check

    def refusal(self, check: str, code: str, /, detail: str = "", **params: Any) -> LaunchRefused:
        """Notes the finding of a check ("" = the one that comes next) and makes the refusal to raise. `detail` is for
        the log only."""
        self.findings[check or after(LAUNCH, self.passed)] = code
        refused = LaunchRefused(code, **{k: clean(v, 300) if isinstance(v, str) else v for k, v in params.items()})
        refused.add_note(clean(detail, 400))
        return refused


def new_reference() -> str:
    """Eight letters in two groups, about 39 bits: "K7QF-2M9X"."""
    drawn, letters = secrets.randbelow(len(_LETTERS) ** 8), ""
    for _ in range(8):
        drawn, at = divmod(drawn, len(_LETTERS))
        letters += _LETTERS[at]
    return f"{letters[:4]}-{letters[4:]}"


_ROW = insert(table(LaunchLog)).inline()


def write(
    session: Session, trail: Trail, outcome: str, detail: str, now: datetime, tenant_id: int | None = None
) -> str:
    """Writes the row of one launch (`tenant_id` where no platform tells it); gives its reference."""
    made = row(trail, outcome, detail, now, tenant_id)
    session.connection().execute(_ROW, made)
    return str(made["reference"])


def row(trail: Trail, outcome: str, detail: str, now: datetime, tenant_id: int | None = None) -> dict[str, Any]:
    """That row by its columns, for who writes it."""
    return {
        "reference": new_reference(),
        "tenant_id": trail.platform.tenant_id if trail.platform else tenant_id,
        "platform_id": trail.platform.id if trail.platform else None,
        "issuer": clean(trail.issuer, 500),
        "client_id": clean(trail.client_id, 255),
        "outcome": outcome,
        "detail": clean(detail, 500),
        "checks": trail.findings,
        "claims": redacted(trail.claims) if trail.claims else {},
        "context_id": _context(trail.claims) or spaces.of_link(_identifier(trail.claims, _LINK)),
        "at": now,
    }


_CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
_MESSAGE, _VERSION, _DEPLOYMENT, _ROLES, _CONTEXT, _LINK = (
    _CLAIM + name for name in ("message_type", "version", "deployment_id", "roles", "context", "resource_link")
)


def redacted(claims: Mapping[str, Any]) -> dict[str, str]:
    """What the log keeps of a verified token: which course, activity, deployment and roles it named, and the host's
    user id shortened to at most half and six characters. No name, no address, nothing of `custom`."""
    subject, roles, link = claims.get("sub"), claims.get(_ROLES), claims.get(_LINK)
    said = {
        "message": claims.get(_MESSAGE),
        "version": claims.get(_VERSION),
        "deployment": claims.get(_DEPLOYMENT),
        "context": _context(claims),
        "link": link.get("id") if isinstance(link, dict) else None,
        "roles": " ".join(_word(role) for role in roles[:20]) if isinstance(roles, list) else None,
        "subject": f"{subject[: min(6, len(subject) // 2)]}…" if isinstance(subject, str) and subject else None,
    }
    return {
        name: value if len(value) <= 200 and value.isprintable() else clean(value, 200)
        for name, value in said.items()
        if isinstance(value, str) and value
    }


def _word(role: object) -> str:
    """A role without its vocabulary; whatever is no role of one is not kept."""
    if not isinstance(role, str) or len(role) > 200 or "@" in role:
        return "?"
    return role.rpartition("/")[2] if "#" in role else role if role.isalpha() else "?"


def _context(claims: Mapping[str, Any]) -> str:
    return _identifier(claims, _CONTEXT)


def _identifier(claims: Mapping[str, Any], claim: str) -> str:
    found = claims.get(claim)
    given = found.get("id") if isinstance(found, dict) else None
    return given if isinstance(given, str) and is_identifier(given) else ""


def write_refusal(session: Session, trail: Trail, refused: LaunchRefused, now: datetime) -> None:
    """Adds the row of a refusal and puts its reference on the error, for the page."""
    notes = " ".join(getattr(refused, "__notes__", []))
    refused.params["reference"] = write(session, trail, refused.code, notes, now)


def log_registration(
    session: Session,
    issuer: str,
    now: datetime,
    *,
    check: str = "",
    code: str = "",
    tenant_id: int | None = None,
    platform: Platform | None = None,
) -> str:
    """Adds the row of a registration that succeeded, or that a check refused with a code; gives its reference.
    `tenant_id`: the district whose code was given, once that is known."""
    trail = Trail(platform, issuer, platform.client_id if platform else "", findings={check: code} if code else {})
    return write(session, trail, code or REGISTERED, "", now, tenant_id)


def by_reference(session: Session, reference: str) -> LaunchLog | None:
    """The row that a person read out, or None."""
    return session.exec(select(LaunchLog).where(col(LaunchLog.reference) == reference)).one_or_none()
