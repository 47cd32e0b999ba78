"""Reading the launch log: a district sees its own rows, the operator all, also those that no district is known for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from lti.models import LaunchLog
from lti.trails import ENDED_WELL

MOST_COUNTED = 5000  # a page with a number beyond that is nobody's way to an entry


@dataclass(frozen=True)
class Wanted:
    """Which rows. `tenant_id` None = of all, with those of no district. `context_id` goes with its platform."""

    tenant_id: int | None
    refused: bool = False
    platform_id: int | None = None
    context_id: str | None = None


def reference_of(typed: str) -> str:
    """A reference as it stands in the log, however it was read out and typed: "k7qf 2m9x" → "K7QF-2M9X"."""
    letters = re.sub(r"[^0-9A-Za-z]", "", typed[:40]).upper()
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == 8 else letters


def _narrowed(rows: SelectOfScalar[LaunchLog], wanted: Wanted) -> SelectOfScalar[LaunchLog]:
    if wanted.tenant_id is not None:
        rows = rows.where(col(LaunchLog.tenant_id) == wanted.tenant_id)
    if wanted.refused:
        rows = rows.where(col(LaunchLog.outcome).not_in(ENDED_WELL))
    if wanted.platform_id is not None:
        rows = rows.where(col(LaunchLog.platform_id) == wanted.platform_id)
    if wanted.context_id is not None:
        rows = rows.where(col(LaunchLog.context_id) == wanted.context_id)
    return rows


def rows(session: Session, wanted: Wanted, offset: int, limit: int) -> Sequence[LaunchLog]:
    """The newest first."""
    newest = _narrowed(select(LaunchLog), wanted).order_by(col(LaunchLog.at).desc(), col(LaunchLog.id).desc())
    return session.exec(newest.offset(offset).limit(limit)).all()


def count(session: Session, wanted: Wanted) -> int:
    """How many, counted to `MOST_COUNTED`."""
    some = _narrowed(select(LaunchLog), wanted).limit(MOST_COUNTED).subquery()
    return session.exec(select(func.count()).select_from(some)).one()


def row(session: Session, tenant_id: int | None, reference: str) -> LaunchLog | None:
    """The row of that reference in that district (None = anywhere)."""
    found = _narrowed(select(LaunchLog), Wanted(tenant_id)).where(col(LaunchLog.reference) == reference)
    return session.exec(found).one_or_none()
