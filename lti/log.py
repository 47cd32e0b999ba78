"""The launch log: one row per launch or refusal, with a reference that a person can read out."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from lms_plugin.errors import Refused
from lti.models import LaunchLog, Platform
from lti.text import clean

_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that look alike when read out


class LaunchRefused(Refused):
    """A login or launch that is not what it should be. `params["reference"]` names its row in the launch log."""

    status = 400


@dataclass
class Trail:
    """What is known so far about one login or launch, for its log row."""

    platform: Platform | None = None
    issuer: str = ""
    client_id: str = ""
    checks: dict[str, str] = field(default_factory=dict)

    def ok(self, check: str) -> None:
        """Notes that a check ran and found nothing."""
        self.checks[check] = "ok"

    def refusal(self, check: str, code: str, /, detail: str = "", **params: Any) -> LaunchRefused:
        """Notes the finding of a check and makes the refusal to raise. `detail` is for the log only."""
        self.checks[check] = code
        refused = LaunchRefused(code, **{k: clean(v, 300) if isinstance(v, str) else v for k, v in params.items()})
        refused.add_note(clean(detail, 400))
        return refused


def new_reference() -> str:
    """Eight letters in two groups, about 39 bits: "K7QF-2M9X"."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def write(session: Session, trail: Trail, outcome: str, detail: str, now: datetime) -> LaunchLog:
    """Adds the row of one launch and flushes it."""
    row = LaunchLog(
        reference=new_reference(),
        tenant_id=trail.platform.tenant_id if trail.platform else None,
        platform_id=trail.platform.id if trail.platform else None,
        issuer=clean(trail.issuer, 500),
        client_id=clean(trail.client_id, 255),
        outcome=outcome,
        detail=clean(detail, 500),
        checks=dict(trail.checks),
        at=now,
    )
    session.add(row)
    session.flush()
    return row


def write_refusal(session: Session, trail: Trail, refused: LaunchRefused, now: datetime) -> None:
    """Adds the row of a refusal and puts its reference on the error, for the page."""
    notes = " ".join(getattr(refused, "__notes__", []))
    row = write(session, trail, refused.code, notes, now)
    refused.params["reference"] = row.reference


def by_reference(session: Session, reference: str) -> LaunchLog | None:
    """The row that a person read out, or None."""
    return session.exec(select(LaunchLog).where(col(LaunchLog.reference) == reference)).one_or_none()
