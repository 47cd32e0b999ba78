"""评审留痕: for auditors, everything that was said and seen of a work, also what was withdrawn, void or stepped back
from. Names are open here, so nobody else reads it. Reads only."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow.reach import owes_review
from lms_plugin.flow.scopes import submission_scope
from lms_plugin.people import Person

MOST = 1000
"""Events on one page; a work with more of them says so."""


@dataclass(frozen=True)
class MarkLine:
    """One criterion of a review as it was last saved. `item`, `question`: as the work's own standard says them."""

    item: Mapping[str, str]
    question: Mapping[str, str]
    is_validity: bool
    level: int | None
    reason: str


@dataclass(frozen=True)
class ReviewTrail:
    """One reviewer's part of a version, whatever became of it. `state`: as `rubrics.state_word`."""

    reviewer: str
    state: str
    is_third: bool
    point_level: int | None
    allotted_at: datetime
    opened_at: datetime | None
    submitted_at: datetime | None
    marks: tuple[MarkLine, ...]


@dataclass(frozen=True)
class VersionTrail:
    """One version as it was handed in. `hash_holds`: what was handed in still has its hash
    (None = `manifests.holds` cannot tell)."""

    number: int
    submitted_at: datetime
    withdrawn_at: datetime | None
    hash_holds: bool | None
    reviews: tuple[ReviewTrail, ...]


@dataclass(frozen=True)
class EventLine:
    """What somebody did with a version. `kind`: of `rubrics.ReviewEvent`; `file`: the name of the material that was
    looked at, "" = the page, or a file (`is_file`) whose name was taken out; `detail`: of other events, why a review
    ended."""

    at: datetime
    person: str
    kind: str
    number: int
    file: str
    is_file: bool
    detail: str


@dataclass(frozen=True)
class Trail:
    """The whole trail of a work, events newest first. `is_cut`: there are more events than the page shows."""

    uuid: str
    programme: str
    programme_uuid: str
    author: str
    point_code: str
    point_name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None
    versions: tuple[VersionTrail, ...]
    events: tuple[EventLine, ...]
    is_cut: bool


def trail(session: Session, actor: Actor, uuid: str) -> Trail:
    """Raises NotFound for another district's and for who still reviews it blind (the trail names its author),
    Forbidden for who is no auditor of it. Ten queries at most, however long the trail is."""
    work = find(session, competencies.Submission, actor.tenant_id, uuid)
    require(actor, Permission.TRAIL_READ, submission_scope(session, work))
    submission = competencies.Submission
    if session.exec(select(submission.id).where(submission.id == pk(work), owes_review(actor))).first() is not None:
        raise NotFound
    point, author, programme = session.exec(
        select(competencies.CompetencyPoint, Person, competencies.Programme)
        .join(submission, col(submission.point_id) == col(competencies.CompetencyPoint.id))
        .join(Person, col(Person.id) == col(submission.person_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(submission.programme_id))
        .where(submission.id == pk(work))
    ).one()
    versions = session.exec(
        select(competencies.SubmissionVersion)
        .where(competencies.SubmissionVersion.submission_id == pk(work))
        .order_by(col(competencies.SubmissionVersion.number).desc())
    ).all()
    numbers = {pk(version): version.number for version in versions}
    reviews = _reviews(session, work, list(numbers))
    events = _events(session, numbers, versions)
    return Trail(
        uuid=work.uuid,
        programme=programme.title,
        programme_uuid=programme.uuid,
        author=author.name,
        point_code=point.code,
        point_name=point.name,
        level_words=point.level_words,
        versions=tuple(
            VersionTrail(
                number=version.number,
                submitted_at=version.submitted_at,
                withdrawn_at=version.withdrawn_at,
                hash_holds=competencies.manifests.holds(version.manifest, version.content_hash),
                reviews=tuple(reviews.get(pk(version), ())),
            )
            for version in versions
        ),
        events=tuple(events[:MOST]),
        is_cut=len(events) > MOST,
    )


def _reviews(session: Session, work: competencies.Submission, versions: list[int]) -> dict[int, list[ReviewTrail]]:
    rows = session.exec(
        select(rubrics.Review, Person.name)
        .join(Person, col(Person.id) == col(rubrics.Review.reviewer_id))
        .where(col(rubrics.Review.submission_version_id).in_(versions))
        .order_by(col(rubrics.Review.id))
    ).all()
    if not rows:
        return {}
    marks = rubrics.drafts_of(session, [pk(review) for review, _name in rows])
    requirements = session.exec(
        select(competencies.EvidenceRequirement)
        .where(competencies.EvidenceRequirement.point_id == work.point_id)
        .order_by(col(competencies.EvidenceRequirement.position))
    ).all()
    texts = rubrics.criteria_of(session, [row.rubric_version_id for row in requirements if row.rubric_version_id])
    asked = [
        (rubrics.MarkKey(row.key, line.key), row.title, line)
        for row in requirements
        for line in texts.get(row.rubric_version_id or 0, ())
    ]
    found: dict[int, list[ReviewTrail]] = defaultdict(list)
    for review, name in rows:
        said = marks[pk(review)]
        found[review.submission_version_id].append(
            ReviewTrail(
                reviewer=name,
                state=rubrics.state_word(review),
                is_third=review.is_third,
                point_level=review.point_level,
                allotted_at=review.allotted_at,
                opened_at=review.opened_at,
                submitted_at=review.submitted_at,
                marks=tuple(
                    MarkLine(
                        item=title,
                        question=line.texts[min(line.texts)] if line.texts else {},
                        is_validity=line.is_validity,
                        level=said[key].level,
                        reason=said[key].reason,
                    )
                    for key, title, line in asked
                    if key in said
                ),
            )
        )
    return found


def _events(session: Session, numbers: Mapping[int, int], versions: Any) -> list[EventLine]:
    if not numbers:
        return []
    event = rubrics.ReviewEvent
    statement: Any = (
        columns(event, col(Person.name))
        .join(Person, col(Person.id) == col(event.person_id))
        .where(col(event.submission_version_id).in_(numbers))
        .order_by(col(event.at).desc(), col(event.id).desc())
        .limit(MOST + 1)
    )
    names = {
        str(piece["file"]): str(piece.get("name", ""))
        for version in versions
        for item in version.manifest.get("items", [])
        for piece in item.get("pieces", [])
        if "file" in piece
    }
    return [
        EventLine(
            at=row.at,
            person=name,
            kind=row.kind,
            number=numbers[row.submission_version_id],
            file=names.get(row.detail, row.detail) if row.kind == "viewed" else "",
            is_file=row.kind == "viewed" and bool(row.detail),
            detail="" if row.kind == "viewed" else row.detail,
        )
        for row, name in session.exec(statement)
    ]
