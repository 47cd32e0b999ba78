"""Who reads a work with its author's name never reviews it blind: by reach, whatever role gives it and whenever."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import RoleScope
from lms_plugin.db import among, pk
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.reach import READERS
from lms_plugin.flow.scopes import submission_scopes
from lms_plugin.people import OrgUnit, Person, Role, RoleKind

SAW_THE_AUTHOR = "sees the author"  # why a review ended, in the audit


def works_read_by(
    session: Session, people: Collection[int], submissions: Sequence[competencies.Submission]
) -> dict[int, set[int]]:
    """Person id → ids of those of these works that the roles of that human being open at the desk: two queries.

    `people` are rows of today; what was given to a row that they absorbed is theirs.
    """
    by_panels = select(competencies.Programme.id).where(  # elsewhere a 考核小组 reads nothing
        col(competencies.Programme.id).in_({work.programme_id for work in submissions}),
        col(competencies.Programme.panel_decides).is_(True),
    )
    roles = session.exec(
        select(Role, OrgUnit.path, Person.merged_into_id)
        .join(Person, col(Person.id) == col(Role.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(
            among(Person.id, people) | among(Person.merged_into_id, people),
            col(Role.kind).in_(READERS),
            col(Role.revoked_at).is_(None),
            or_(col(Role.kind) != RoleKind.PANEL, by_panels.exists()),
        )
    ).all()
    scopes = submission_scopes(session, submissions) if roles else {}
    read: dict[int, set[int]] = defaultdict(set)
    for role, path, today in roles:
        reach = RoleScope(role.kind, role.course_id, path or "", role.is_provisional)
        read[today or role.person_id] |= {key for key, scope in scopes.items() if reach.reaches(scope)}
    return read


def end_reviews(
    session: Session, people: Collection[int] | None, now: datetime, programme_id: int | None = None
) -> int:
    """Ends the unfinished blind reviews of works that their reviewers have come to read at the desk; says how many.

    `people`: rows of anybody, None for everybody of the programme. The places are filled at the next allotment.
    """
    wanted: list[ColumnElement[bool]] = [rubrics.MAY_GO_ON]
    if people is not None:
        rows_of_them = rows_by_row(session, people).values()
        wanted.append(col(rubrics.Review.reviewer_id).in_({row for rows in rows_of_them for row in rows}))
    if programme_id is not None:
        wanted.append(col(rubrics.Review.programme_id) == programme_id)
    found = session.exec(
        select(rubrics.Review, competencies.Submission)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .where(*wanted)
        .order_by(col(rubrics.Review.id))
    ).all()
    if not found:
        return 0
    works = {pk(submission): submission for _review, submission in found}
    today = {
        row: rows[0] for row, rows in rows_by_row(session, {review.reviewer_id for review, _work in found}).items()
    }
    read = works_read_by(session, set(today.values()), list(works.values()))
    ended = [review for review, submission in found if pk(submission) in read.get(today[review.reviewer_id], ())]
    rubrics.end_reviews(session, ended, now, SAW_THE_AUTHOR)
    return len(ended)
