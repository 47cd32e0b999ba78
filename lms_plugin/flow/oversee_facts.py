"""What is known of each person of a programme, as subqueries of one row a person: points, hours, taking part."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Subquery, and_, case, func, literal, or_, select, union_all
from sqlmodel import col

from competencies import (
    EDITABLE,
    Award,
    CompetencyPoint,
    CreditEntry,
    CreditKind,
    Level,
    Selection,
    Submission,
    SubmissionState,
    SubmissionVersion,
)
from lms_plugin.people import Enrolment

_was_declined = col(SubmissionVersion.declined_at).is_not(None)  # late and not let in: as if it had not been handed in


def points(programme_id: int, who: CTE, compulsory: Sequence[str]) -> Subquery:
    """One row a person: how many points they chose, handed in, have back, failed, passed, and passed as 优秀; of how
    many dimensions those passed are, and how many of the compulsory ones are among them.

    What was handed in for a point that the person has given back for another one counts no more. A point that was
    passed under two rows of one human being counts once, at the better level.
    """
    parts = union_all(
        select(
            who.c.root_id,
            col(Selection.point_id),
            literal(0).label("handed"),
            literal(0).label("back"),
            literal(0).label("over"),
            literal(-1).label("level"),
        )
        .join(who, who.c.person_id == col(Selection.person_id))
        .where(col(Selection.programme_id) == programme_id, col(Selection.dropped_at).is_(None)),
        select(
            who.c.root_id,
            col(Submission.point_id),
            case((or_(col(Submission.state).in_(EDITABLE), _was_declined), 0), else_=1),
            case((col(Submission.state) == SubmissionState.RETURNED, 1), else_=0),
            case((col(Submission.state) == SubmissionState.RELEASED, 1), else_=0),
            literal(-1),
        )
        .join(who, who.c.person_id == col(Submission.person_id))
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Submission.current_version_id), isouter=True)
        .join(
            Selection,
            and_(
                col(Selection.programme_id) == col(Submission.programme_id),
                col(Selection.person_id) == col(Submission.person_id),
                col(Selection.point_id) == col(Submission.point_id),
                col(Selection.dropped_at).is_not(None),
            ),
            isouter=True,
        )
        .where(
            col(Submission.programme_id) == programme_id,
            col(Submission.state) != SubmissionState.DRAFT,
            col(Selection.id).is_(None),
        ),
        select(who.c.root_id, col(Award.point_id), literal(1), literal(0), literal(1), col(Award.level))
        .join(who, who.c.person_id == col(Award.person_id))
        .where(col(Award.programme_id) == programme_id, col(Award.revoked_at).is_(None)),
    ).subquery("parts")
    point = (
        select(
            parts.c.root_id,
            parts.c.point_id,
            func.max(parts.c.handed).label("handed"),
            func.max(parts.c.back).label("back"),
            func.max(parts.c.over).label("over"),
            func.max(parts.c.level).label("level"),
        )
        .group_by(parts.c.root_id, parts.c.point_id)
        .subquery("points")
    )

    def number(condition: ColumnElement[bool]) -> Any:
        return func.sum(case((condition, 1), else_=0))

    has_passed = point.c.level >= int(Level.PASS)
    return (
        select(
            point.c.root_id,
            func.count().label("chosen"),
            func.sum(point.c.handed).label("handed"),
            func.sum(point.c.back).label("back"),
            number(and_(point.c.over == 1, point.c.level < int(Level.PASS))).label("failed"),
            number(has_passed).label("passed"),
            number(point.c.level == int(Level.EXCELLENT)).label("excellent"),
            func.count(func.distinct(case((has_passed, col(CompetencyPoint.dimension))))).label("dimensions"),
            number(and_(has_passed, col(CompetencyPoint.code).in_(compulsory))).label("compulsory"),
        )
        .join(CompetencyPoint, col(CompetencyPoint.id) == point.c.point_id)
        .group_by(point.c.root_id)
        .subquery("facts")
    )


def hours(programme_id: int, who: CTE) -> Subquery:
    """One row a person: the ledger's totals of both kinds that are asked for, and of all kinds, in hundredths."""

    def total(kind: CreditKind) -> Any:
        return func.sum(case((col(CreditEntry.kind) == kind, col(CreditEntry.credit_hundredths)), else_=0))

    return (
        select(
            who.c.root_id,
            total(CreditKind.PRACTICE).label("practice"),
            total(CreditKind.ONLINE).label("online"),
            func.sum(col(CreditEntry.credit_hundredths)).label("all_kinds"),
        )
        .join(who, who.c.person_id == col(CreditEntry.person_id))
        .where(col(CreditEntry.programme_id) == programme_id)
        .group_by(who.c.root_id)
        .subquery("hours")
    )


def enrolled(programme_id: int, who: CTE) -> Subquery:
    """One row a person who takes part: since when."""
    return (
        select(who.c.root_id, func.min(col(Enrolment.started_at)).label("started_at"))
        .join(who, who.c.person_id == col(Enrolment.person_id))
        .where(col(Enrolment.programme_id) == programme_id)
        .group_by(who.c.root_id)
        .subquery("enrolled")
    )
