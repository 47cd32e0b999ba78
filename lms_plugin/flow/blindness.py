"""Who reads a work with its author's name never reviews it blind: by reach, whatever role gives it and whenever."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import RoleScope
from lms_plugin.db import pk
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.reach import READERS
from lms_plugin.flow.scopes import submission_scopes
from lms_plugin.people import OrgUnit, Role

SAW_THE_AUTHOR = "sees the author"  # why a review ended, in the audit


def works_read_by(
    session: Session, people: Collection[int], submissions: Sequence[competencies.Submission]
) -> dict[int, set[int]]:
    """Person id → ids of those of these works that the roles of that human being open at the desk: three queries."""
    rows = rows_by_row(session, people)
    roles = session.exec(
        select(Role, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(
            col(Role.person_id).in_({row for all_rows in rows.values() for row in all_rows}),
            col(Role.kind).in_(READERS),
            col(Role.revoked_at).is_(None),
        )
    ).all()
    scopes = submission_scopes(session, submissions) if roles else {}
    reached: dict[int, set[int]] = defaultdict(set)
    for role, path in roles:
        reach = RoleScope(role.kind, role.course_id, path or "", role.is_provisional)
        reached[role.person_id] |= {key for key, scope in scopes.items() if reach.reaches(scope)}
    return {person: set().union(*(reached.get(row, ()) for row in rows[person])) for person in people if person in rows}


def end_reviews(
    session: Session, people: Collection[int] | None, now: datetime, programme_id: int | None = None
) -> int:
    """Ends the unfinished blind reviews of works that their reviewers have come to read at the desk; says how many.

    `people`: None for everybody of the programme. The places are filled at the next allotment.
    """
    wanted: list[ColumnElement[bool]] = [col(rubrics.Review.state).in_(rubrics.UNFINISHED)]
    if people is not None:
        rows_of_them = rows_by_row(session, people).values()
        wanted.append(col(rubrics.Review.reviewer_id).in_({row for all_rows in rows_of_them for row in all_rows}))
    if programme_id is not None:
        wanted.append(col(rubrics.Review.programme_id) == programme_id)
    rows = session.exec(
        select(rubrics.Review, competencies.Submission)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .where(*wanted)
        .order_by(col(rubrics.Review.id))
    ).all()
    if not rows:
        return 0
    works = {pk(submission): submission for _review, submission in rows}
    read = works_read_by(session, {review.reviewer_id for review, _work in rows}, list(works.values()))
    ended = [review for review, submission in rows if pk(submission) in read.get(review.reviewer_id, ())]
    rubrics.end_reviews(session, ended, now, SAW_THE_AUTHOR)
    return len(ended)
