"""The works behind an entry of the ledger, for its proof: from what was handed in over the reviews, the decision and
the stages of the official chain to the release. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import (
    Award,
    BatchWork,
    Decision,
    FileState,
    Objection,
    SchoolBatch,
    StoredFile,
    Submission,
    SubmissionVersion,
)
from lms_plugin.db import pk
from lms_plugin.flow.audit_entries import Written
from lms_plugin.flow.audit_moves import came_from
from lms_plugin.flow.scopes import BY_PANEL
from lms_plugin.people import OrgUnit, Person


@dataclass(frozen=True)
class FileProof:
    """One piece of what was handed in. `state`: "kept", "gone" (its bytes are deleted) or "inside" (typed text or a
    link, which the version itself holds)."""

    name: str
    kind: str
    sha256: str
    size_bytes: int
    state: str


@dataclass(frozen=True)
class ReviewProof:
    """One reviewer's part. `level` None: nothing handed in (yet)."""

    name: str
    state: str
    level: int | None
    submitted_at: datetime | None
    is_third: bool


@dataclass(frozen=True)
class ObjectionProof:
    """An objection to the work during 公示. `by`: who said it."""

    by: str
    text: str
    raised_at: datetime
    is_upheld: bool | None
    answer: str
    answered_by: str
    answered_at: datetime | None


@dataclass(frozen=True)
class BatchProof:
    """The work in one round of its school's batch. `left_out`: why it was not in it, "" where it was; `percent` 0: the
    county drew nothing. `drawn`: why the county looked at it, "" where it was not drawn; `is_upheld`: what it found,
    None before. `shown_at` None: nothing was shown in public."""

    uuid: str
    round: int
    state: str
    closed_by: str
    closed_at: datetime
    left_out: str
    percent: int
    seed: str
    drawn: str
    is_upheld: bool | None
    found_by: str
    found_at: datetime | None
    found_reason: str
    shown_at: datetime | None
    ends_on: date | None
    released_at: datetime | None
    objections: tuple[ObjectionProof, ...]


@dataclass(frozen=True)
class WorkProof:
    """A point that the person held when the entry was made, from the material to the release.

    `is_basis`: the award that the entry itself names. `hash_holds`: what was handed in still has its hash, None =
    nobody can tell any more (`manifests.holds`). `by_panel`: whoever decided was in the school's 考核小组 at that
    moment. `batches`: the rounds of the school in which it was.
    """

    submission: str
    code: str
    name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    level: int
    standard: Mapping[str, str]  # by which it was judged: its name, the number of the edition, the hash of that
    standard_number: int
    standard_hash: str
    is_basis: bool
    version_number: int
    submitted_at: datetime
    is_late: bool
    school: str
    content_hash: str
    hash_holds: bool | None
    came: Mapping[str, str]  # from where, of a point that was earned elsewhere; {} = handed in here
    files: tuple[FileProof, ...]
    reviews: tuple[ReviewProof, ...]
    decided_by: str
    by_panel: bool
    by_rule: int  # the number of the rule version that passed it without anybody looking; 0 = a human being did
    decided_at: datetime
    reason: str
    batches: tuple[BatchProof, ...]
    released_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str


_Decider, _Closer, _Finder, _Raiser, _By = (aliased(Person) for _ in range(5))


def works(session: Session, tenant_id: int, entry: Written, rows: Sequence[int]) -> tuple[WorkProof, ...]:
    """The points held when the entry was made, the one that it names first: four queries."""
    point, edition, framework = (
        competencies.CompetencyPoint,
        competencies.FrameworkVersion,
        competencies.CompetencyFramework,
    )
    held = and_(
        col(Award.person_id).in_(rows),
        col(Award.awarded_at) <= entry.entered_at,
        or_(
            col(Award.revoked_at).is_(None),
            col(Award.revoked_at) > entry.entered_at,
            (col(Award.revoked_at) == entry.entered_at) & ~col(Award.is_replaced),  # another stands in its place
        ),
    )
    statement: Any = (
        columns(
            *(Award, Decision, SubmissionVersion, Submission, point, col(_Decider.name), col(OrgUnit.name), BY_PANEL),
            col(competencies.ProgrammePolicy.number),
            *(col(framework.title), col(edition.number), col(edition.content_hash)),
        )
        .join(Decision, col(Decision.id) == col(Award.decision_id))
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Decision.submission_version_id))
        .join(Submission, col(Submission.id) == col(SubmissionVersion.submission_id))
        .join(point, col(point.id) == col(Award.point_id))
        .join(edition, col(edition.id) == col(point.framework_version_id))
        .join(framework, col(framework.id) == col(edition.framework_id))
        .join(_Decider, col(_Decider.id) == col(Decision.decided_by_id), isouter=True)
        .join(
            competencies.ProgrammePolicy,
            col(competencies.ProgrammePolicy.id) == col(Decision.by_policy_id),
            isouter=True,
        )
        .join(OrgUnit, col(OrgUnit.id) == col(SubmissionVersion.org_unit_id), isouter=True)
        .where(
            col(Award.tenant_id) == tenant_id,
            col(Award.programme_id) == entry.programme_id,
            or_(col(Award.id) == entry.award_id, *([held] if entry.entered_at is not None else [])),
        )
        .order_by(col(Award.id))
    )
    found: list[Any] = sorted(session.exec(statement).all(), key=lambda row: row[0].id != entry.award_id)
    versions = [row[2] for row in found]
    reviews = _reviews(session, [pk(version) for version in versions])
    files = _files(session, tenant_id, versions)
    batches = _batches(session, [pk(row[3]) for row in found])
    return tuple(
        WorkProof(
            submission=submission.uuid,
            code=point_row.code,
            name=point_row.name,
            level_words=point_row.level_words,
            level=award.level,
            standard=edition_of[0],
            standard_number=edition_of[1],
            standard_hash=edition_of[2],
            is_basis=award.id == entry.award_id,
            version_number=version.number,
            submitted_at=version.submitted_at,
            is_late=version.is_late,
            school=school or "",
            content_hash=version.content_hash,
            hash_holds=competencies.manifests.holds(version.manifest, version.content_hash),
            came=came_from(version.manifest),
            files=tuple(_pieces(version, files)),
            reviews=tuple(reviews.get(pk(version), ())),
            decided_by=decider or "",
            by_panel=bool(by_panel),
            by_rule=rule or 0,
            decided_at=decision.decided_at,
            reason=decision.reason,
            batches=tuple(batches.get(pk(submission), ())),
            released_at=decision.released_at,
            revoked_at=award.revoked_at,
            revoked_reason=award.revoked_reason,
        )
        for award, decision, version, submission, point_row, decider, school, by_panel, rule, *edition_of in found
    )


def _batches(session: Session, submissions: Sequence[int]) -> dict[int, list[BatchProof]]:
    """Of each work the rounds of its school, the oldest first, with the objections to it: one query."""
    if not submissions:
        return {}
    statement: Any = (
        columns(
            BatchWork, SchoolBatch, col(_Closer.name), col(_Finder.name), Objection, col(_Raiser.name), col(_By.name)
        )
        .join(SchoolBatch, col(SchoolBatch.id) == col(BatchWork.batch_id))
        .join(_Closer, col(_Closer.id) == col(SchoolBatch.closed_by_id), isouter=True)
        .join(_Finder, col(_Finder.id) == col(BatchWork.found_by_id), isouter=True)
        .join(
            Objection,
            and_(
                col(Objection.batch_id) == col(BatchWork.batch_id),
                col(Objection.submission_id) == col(BatchWork.submission_id),
            ),
            isouter=True,
        )
        .join(_Raiser, col(_Raiser.id) == col(Objection.raised_by_id), isouter=True)
        .join(_By, col(_By.id) == col(Objection.answered_by_id), isouter=True)
        .where(col(BatchWork.submission_id).in_(submissions))
        .order_by(col(SchoolBatch.round), col(BatchWork.id), col(Objection.id))
    )
    rows: dict[int, list[Any]] = {}
    for row in session.exec(statement):
        rows.setdefault(row[0].id, []).append(row)
    found: dict[int, list[BatchProof]] = {}
    for same in rows.values():
        work, batch, closer, finder = same[0][:4]
        found.setdefault(work.submission_id, []).append(
            BatchProof(
                uuid=batch.uuid,
                round=batch.round,
                state=batch.state.value,
                closed_by=closer or "",
                closed_at=batch.closed_at,
                left_out=work.left_out,
                percent=batch.percent,
                seed=batch.seed,
                drawn=work.drawn,
                is_upheld=work.is_upheld,
                found_by=finder or "",
                found_at=work.found_at,
                found_reason=work.found_reason,
                shown_at=batch.shown_at,
                ends_on=batch.ends_on,
                released_at=batch.released_at,
                objections=tuple(_objection(*row[4:]) for row in same if row[4] is not None),
            )
        )
    return found


def _objection(row: Objection, raised_by: str | None, answered_by: str | None) -> ObjectionProof:
    return ObjectionProof(
        by=row.said_by or raised_by or "",
        text=row.text,
        raised_at=row.raised_at,
        is_upheld=row.is_upheld,
        answer=row.answer,
        answered_by=answered_by or "",
        answered_at=row.answered_at,
    )


def _reviews(session: Session, versions: Sequence[int]) -> dict[int, list[ReviewProof]]:
    found: dict[int, list[ReviewProof]] = {}
    if versions:
        rows = session.exec(
            select(rubrics.Review, Person.name)
            .join(Person, col(Person.id) == col(rubrics.Review.reviewer_id))
            .where(col(rubrics.Review.submission_version_id).in_(versions))
            .order_by(col(rubrics.Review.id))
        )
        for row, name in rows:
            found.setdefault(row.submission_version_id, []).append(
                ReviewProof(name, rubrics.state_word(row), row.point_level, row.submitted_at, row.is_third)
            )
    return found


def _files(session: Session, tenant_id: int, versions: Sequence[SubmissionVersion]) -> set[str]:
    """The uuids of files of these versions whose bytes are there."""
    wanted = {piece["file"] for version in versions for piece in _listed(version) if "file" in piece}
    if not wanted:
        return set()
    rows = session.exec(
        select(StoredFile.uuid).where(
            StoredFile.tenant_id == tenant_id,
            col(StoredFile.uuid).in_(wanted),
            col(StoredFile.state) == FileState.READY,
        )
    )
    return set(rows)


def _listed(version: SubmissionVersion) -> list[dict[str, Any]]:
    return [piece for item in version.manifest.get("items", []) for piece in item.get("pieces", [])]


def _pieces(version: SubmissionVersion, there: set[str]) -> list[FileProof]:
    return [
        FileProof(
            name=str(piece.get("name", "")),
            kind=str(piece.get("kind", "")),
            sha256=str(piece.get("sha256", "")),
            size_bytes=int(piece.get("size_bytes", 0)),
            state="inside" if "file" not in piece else "kept" if piece["file"] in there else "gone",
        )
        for piece in _listed(version)
    ]
