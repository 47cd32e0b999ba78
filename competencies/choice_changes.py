"""A chosen point that a teacher cannot give back any more, taken out of the choice by the school, with the reason."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Field, Session, col, select

from competencies import choice_confirmations as choice_confirmations
from competencies.models import CompetencyPoint, Programme, Selection, Submission, SubmissionState, SubmissionVersion
from competencies.submissions import take_back
from lms_plugin.db import Owned, get, pk

LONGEST_REASON = 500


class ChoiceChange(Owned, table=True):
    """换点记录: whose point it was, who took it out of the choice, when and why. Rows stay."""

    __tablename__ = "choice_change"
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id", index=True)
    changed_by_id: int = Field(foreign_key="person.id")
    reason: str = Field(max_length=LONGEST_REASON)
    changed_at: datetime


def take_out(
    session: Session, submission: Submission, selection: Selection, reason: str, by_id: int, now: datetime
) -> SubmissionVersion | None:
    """The point is chosen no more; what was handed in for it is withdrawn, whoever had opened or decided it, and given
    back. None where nothing lay with anybody."""
    selection.dropped_at = now
    session.add_all(
        [
            selection,
            ChoiceChange(
                tenant_id=submission.tenant_id,
                submission_id=pk(submission),
                changed_by_id=by_id,
                reason=reason,
                changed_at=now,
            ),
        ]
    )
    lies_there = (SubmissionState.SUBMITTED, SubmissionState.LATE, SubmissionState.DECIDED)
    version = None
    if submission.state in lies_there and submission.current_version_id is not None:
        version = get(session, SubmissionVersion, submission.current_version_id)
        take_back(session, submission, version, now)
    session.flush()
    return version


def changes_of(
    session: Session, programme: Programme, person_ids: Collection[int]
) -> list[tuple[ChoiceChange, CompetencyPoint]]:
    """What was taken out of these people's choices, the latest first: one query."""
    rows = session.exec(
        select(ChoiceChange, CompetencyPoint)
        .join(Submission, col(Submission.id) == col(ChoiceChange.submission_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .where(Submission.programme_id == pk(programme), col(Submission.person_id).in_(person_ids))
        .order_by(col(ChoiceChange.id).desc())
    )
    return [(change, point) for change, point in rows]
