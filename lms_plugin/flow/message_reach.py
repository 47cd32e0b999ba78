"""Whom a message is for where an act asks "whoever may": those who decide a work, the officers above a unit."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, func, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.scopes import submission_scope
from lms_plugin.people import OrgUnit, Role, RoleKind

MOST = 50
"""So many people are told at most: an office, not a district."""


def deciders(session: Session, work: competencies.Submission) -> list[int]:
    """Who is to look at a work: whom it comes back to, else the trainers (or the 考核小组) who decide it; never its
    author, nor who reviews it blind. Four queries."""
    scope = submission_scope(session, work)
    panel = and_(col(Role.kind) == RoleKind.PANEL, col(OrgUnit.path) == scope.panel_path)
    trainer = and_(
        col(Role.kind) == RoleKind.TRAINER,
        or_(
            col(Role.course_id).in_(scope.course_ids),
            and_(col(Role.course_id).is_(None), col(Role.org_unit_id).is_(None)),
            _above(scope.unit_paths),
        ),
    )
    found = _holders(session, work.tenant_id, panel if scope.panel_path else trainer)
    blind = session.execute(
        columns(col(rubrics.Review.reviewer_id)).where(
            col(rubrics.Review.submission_id) == pk(work), col(rubrics.Review.state) != rubrics.ReviewState.RECUSED
        )
    ).scalars()
    not_these = {row for rows in rows_by_row(session, {work.person_id, *blind}).values() for row in rows}
    left = [person for person in found if person not in not_these]
    return [work.trainer_id] if work.trainer_id in left and work.trainer_id is not None else left[:MOST]


def officers_above(session: Session, tenant_id: int, paths: Collection[str]) -> list[int]:
    """The officers who look after one of these units, those of the whole district among them. One query."""
    everywhere = and_(col(Role.course_id).is_(None), col(Role.org_unit_id).is_(None))
    return _holders(session, tenant_id, and_(col(Role.kind) == RoleKind.OFFICER, or_(everywhere, _above(paths))))[:MOST]


def _above(paths: Collection[str]) -> ColumnElement[bool]:
    """Units at or above one of these paths."""
    path = col(OrgUnit.path)
    return or_(*(func.substr(one, 1, func.length(path)) == path for one in sorted(paths)), path.in_(list(paths)))


def _holders(session: Session, tenant_id: int, holds: ColumnElement[bool]) -> list[int]:
    rows = session.execute(
        columns(col(Role.person_id))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id))
        .where(col(Role.tenant_id) == tenant_id, col(Role.revoked_at).is_(None), holds)
        .distinct()
        .order_by(col(Role.person_id))
    )
    return list(rows.scalars())
