"""Who knows whom in reviews, where the rules of a programme are not blind on both sides (`ReviewPolicy.blind`).

Files stay without names in every case, and examples (校准样例) have no author. The rule cannot change once reviews were
allotted, so nobody is named who was told that they would not be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from competencies import CompetencyPoint, Programme, ProgrammePolicy, Submission, SubmissionVersion
from lms_plugin.db import pk
from lms_plugin.people import OrgUnit, Person

BLIND = "double"


@dataclass(frozen=True)
class Named:
    """`blind`: as the rules say ("double", "single", "open"). `author`, `school`: "" where a reviewer is not told."""

    blind: str
    author: str = ""
    school: str = ""


@dataclass(frozen=True)
class Facts:
    """What a work is about, which of its versions is reviewed, and what the reviewer is told of its author."""

    point: CompetencyPoint
    number: int
    named: Named


def _blind(stored: Mapping[str, Any] | None) -> str:
    return competencies.Rules.model_validate(stored or {}).review.blind


def facts_of(session: Session, review: rubrics.Review) -> Facts:
    """For the reviewer of this work. One query."""
    example = exists().where(col(rubrics.GoldReview.review_id) == pk(review))
    statement: Any = (
        columns(
            CompetencyPoint,
            col(SubmissionVersion.number),
            col(ProgrammePolicy.rules),
            example,
            col(Person.name),
            col(OrgUnit.name),
        )
        .select_from(CompetencyPoint)
        .join(Submission, col(Submission.point_id) == col(CompetencyPoint.id))
        .join(SubmissionVersion, col(SubmissionVersion.submission_id) == col(Submission.id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(Programme, col(Programme.id) == review.programme_id)
        .join(ProgrammePolicy, col(ProgrammePolicy.id) == col(Programme.policy_id), isouter=True)
        .join(OrgUnit, col(OrgUnit.id) == col(SubmissionVersion.org_unit_id), isouter=True)
        .where(col(SubmissionVersion.id) == review.submission_version_id)
    )
    point, number, rules, is_example, name, school = session.execute(statement).one()
    blind = BLIND if is_example else _blind(rules)
    return Facts(point, number, Named(BLIND) if blind == BLIND else Named(blind, name, school or ""))


def for_author(session: Session, work: Submission, version_id: int) -> tuple[CompetencyPoint, tuple[str, ...] | None]:
    """The point of a work, and who handed a review of that version in; None where the rules keep it. One query."""
    handed_in = and_(
        col(rubrics.Review.submission_version_id) == version_id,
        col(rubrics.Review.state) == rubrics.ReviewState.SUBMITTED,
    )
    statement: Any = (
        columns(CompetencyPoint, col(ProgrammePolicy.rules), col(Person.name))
        .select_from(CompetencyPoint)
        .join(Programme, col(Programme.id) == work.programme_id)
        .join(ProgrammePolicy, col(ProgrammePolicy.id) == col(Programme.policy_id), isouter=True)
        .join(rubrics.Review, handed_in, isouter=True)
        .join(Person, col(Person.id) == col(rubrics.Review.reviewer_id), isouter=True)
        .where(col(CompetencyPoint.id) == work.point_id)
        .order_by(col(rubrics.Review.id))
    )
    rows = session.execute(statement).all()
    names = tuple(name for _point, _rules, name in rows if name is not None)
    return rows[0][0], names if _blind(rows[0][1]) == "open" else None
