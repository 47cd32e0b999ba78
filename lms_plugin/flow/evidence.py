"""Who may read which bytes, and in which form: authors and staff the original, reviewers a copy without names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow.scopes import submission_scopes
from lms_plugin.people import OrgUnit
from lms_plugin.storage import Storage

PAGE_WIDTH = 1200  # pixels of a PDF page's picture: sharp on a laptop, readable on a phone
PICTURE_SIDE = 2000


@dataclass(frozen=True)
class Readable:
    """A file as one viewer may have it. `is_blind`: only the anonymous copy, under the neutral `name`; then `left_out`
    objects inside it are missing."""

    uuid: str
    storage_key: str
    kind: str
    mime: str
    extension: str
    name: str
    pages: int | None
    size_bytes: int
    is_blind: bool
    left_out: int

    @property
    def has_file(self) -> bool:
        """Whether there are bytes to give: of some old formats reviewers get the extracted text only."""
        return not self.is_blind or media.can_sanitize(self.mime)

    def served(self, storage: Storage) -> tuple[Path, str, str]:
        """The bytes to serve with their mime and name; the anonymous copy is made once and kept beside the original.

        Raises NotFound where a reviewer's copy cannot be made safe.
        """
        if not self.is_blind:
            return storage.path(self.storage_key), self.mime, self.name
        if not self.has_file:
            raise NotFound
        name = media.copy_name(self.mime, self.extension)
        copy = storage.derived(self.storage_key, name)
        if not copy.is_file():
            with storage.replacing(self.storage_key, name) as draft:
                media.reviewer_copy(storage.path(self.storage_key), draft, self.mime, self.extension)
            for older in copy.parent.glob("reviewer*"):  # it may still say what this edition leaves out
                if older.name != name:
                    older.unlink(missing_ok=True)
        extension = name.rpartition(".")[2]
        return copy, _media_type(extension, self.mime), self._named(extension)

    def _named(self, extension: str) -> str:
        return f"{self.name.rpartition('.')[0] or self.name}.{extension}"

    def page_png(self, storage: Storage, page: int) -> Path:
        """A PDF page (from 1) as a picture. Raises NotFound beyond the last one."""
        if self.extension != "pdf" or not 1 <= page <= (self.pages or 0):
            raise NotFound
        name = f"page-{page}.png"
        path = storage.derived(self.storage_key, name)
        if not path.is_file():
            content = media.pdf_page_png(storage.path(self.storage_key), page, PAGE_WIDTH)
            with storage.replacing(self.storage_key, name) as draft:
                draft.write_bytes(content)
        return path

    def image_jpeg(self, storage: Storage) -> Path:
        """A photo as an upright JPEG without metadata."""
        if self.kind != "image":
            raise NotFound
        path = storage.derived(self.storage_key, "shown.jpg")
        if not path.is_file():
            content = media.image_jpeg(storage.path(self.storage_key), PICTURE_SIDE)
            with storage.replacing(self.storage_key, "shown.jpg") as draft:
                draft.write_bytes(content)
        return path

    def picture(self, storage: Storage, index: int) -> tuple[bytes, str]:
        """A picture inside a document by its number: bytes and mime. Raises NotFound where it cannot be shown."""
        try:
            return media.document_picture(storage.path(self.storage_key), self.mime, index)
        except Refused as error:
            raise NotFound from error

    def blocks(self, storage: Storage) -> "list[media.Block]":
        """The document as headings, paragraphs, rows and pictures."""
        return media.document_blocks(storage.path(self.storage_key), self.mime)


def _media_type(extension: str, mime: str) -> str:
    """The mime of a reviewer's copy: that of the original unless a photo became a JPEG."""
    return "image/jpeg" if extension == "jpg" else mime


def readable(session: Session, actor: Actor, file_uuid: str) -> Readable:
    """The file as the actor may have it. Raises NotFound for another district's, Forbidden without a right to it.

    Who reviews a version with the file in it is blind, whatever other roles they hold. Staff see what was handed in;
    drafts are their author's alone.
    """
    return _look(session, actor, file_uuid)[0]


def preview(session: Session, actor: Actor, file_uuid: str) -> tuple[Readable, bool]:
    """As `readable`, with whether it is to be kept (`open_file`) that the actor saw it: the first time only."""
    found, versions = _look(session, actor, file_uuid)
    return found, bool({version for version, _review in versions} - _seen(session, actor, file_uuid, versions))


def _seen(session: Session, actor: Actor, file_uuid: str, versions: Sequence[tuple[int, int | None]]) -> set[int]:
    if not versions:
        return set()
    return set(
        session.exec(
            select(rubrics.ReviewEvent.submission_version_id).where(
                rubrics.ReviewEvent.person_id == actor.person_id,
                rubrics.ReviewEvent.kind == "viewed",
                rubrics.ReviewEvent.detail == file_uuid,
                col(rubrics.ReviewEvent.submission_version_id).in_([version for version, _review in versions]),
            )
        )
    )


def _look(session: Session, actor: Actor, file_uuid: str) -> tuple[Readable, list[tuple[int, int | None]]]:
    """The file, and (version id, review id) of each version through which somebody else than the author sees it."""
    file = find(session, competencies.StoredFile, actor.tenant_id, file_uuid)
    if file.state is not competencies.FileState.READY:
        raise NotFound
    rows = [] if actor.is_author(file.person_id) else _handed_in(session, actor, file)
    blind = next((row for row in rows if row[2] is not None), None) or _of_a_panel(session, actor, rows)
    scopes = submission_scopes(session, [submission for submission, _evidence, _review in rows])
    reached = [row for row in rows if can(actor, Permission.EVIDENCE_READ, scopes[pk(row[0])])]
    bare = Scope(tenant_id=file.tenant_id, owner_id=file.person_id)
    scope = scopes[pk(reached[0][0])] if reached else bare
    if not rows and not actor.is_author(file.person_id):
        for permission, held in (
            (Permission.PLAN_READ, _of_a_plan(session, file)),
            (Permission.TRAINING_READ, _of_a_training(session, file)),
        ):
            if held is not None:
                require(actor, permission, held)
                return _as(file, file.filename, False), []
    if blind is not None:
        scope = Scope(tenant_id=file.tenant_id, owner_id=file.person_id, reviewer_id=actor.person_id)
    require(actor, Permission.EVIDENCE_READ, scope)
    if blind is not None:
        _submission, evidence, review = blind
        name = f"材料{_number(session, evidence)}.{file.extension}"
        return _as(file, name, True), [(evidence.version_id or 0, review.id if review is not None else None)]
    if not actor.is_author(file.person_id) and not reached:
        raise NotFound  # a draft is its author's alone
    seen: list[tuple[int, int | None]] = [
        (evidence.version_id, None) for _submission, evidence, _review in reached if evidence.version_id is not None
    ]
    return _as(file, file.filename, False), seen


def _of_a_panel(
    session: Session,
    actor: Actor,
    rows: Sequence[tuple[competencies.Submission, competencies.Evidence, rubrics.Review | None]],
) -> tuple[competencies.Submission, competencies.Evidence, rubrics.Review | None] | None:
    """The version that the actor looks at, or looked at, on the fresh panel of an appeal: as blind as a reviewer."""
    if not rows:
        return None
    rule = rubrics.appeals
    asked = set(
        session.exec(
            select(rule.Appeal.submission_version_id)
            .join(rule.AppealReview, col(rule.AppealReview.appeal_id) == col(rule.Appeal.id))
            .where(
                col(rule.Appeal.submission_version_id).in_([evidence.version_id for _work, evidence, _review in rows]),
                col(rule.AppealReview.reviewer_id).in_(actor.person_ids),
                col(rule.AppealReview.state).in_(rule.COUNTING),
            )
        )
    )
    return next((row for row in rows if row[1].version_id in asked), None)


def _of_a_plan(session: Session, file: competencies.StoredFile) -> Scope | None:
    """The school whose plan holds the file as a paper (also one that was taken out after it had been handed in)."""
    paper, plan = competencies.plans.PlanPaper, competencies.plans.SchoolPlan
    path = session.exec(
        select(OrgUnit.path)
        .join(plan, col(plan.org_unit_id) == col(OrgUnit.id))
        .join(paper, col(paper.plan_id) == col(plan.id))
        .where(plan.tenant_id == file.tenant_id, paper.stored_file_id == pk(file))
        .order_by(col(OrgUnit.id))
    ).first()
    return Scope(tenant_id=file.tenant_id, unit_paths=(path,)) if path is not None else None


def _of_a_training(session: Session, file: competencies.StoredFile) -> Scope | None:
    """The unit whose training the file shows (also one that was taken out after it was closed)."""
    shown, training = competencies.training_files.TrainingFile, competencies.Training
    path = session.exec(
        select(OrgUnit.path)
        .join(training, col(training.org_unit_id) == col(OrgUnit.id))
        .join(shown, col(shown.training_id) == col(training.id))
        .where(training.tenant_id == file.tenant_id, shown.stored_file_id == pk(file))
        .order_by(col(OrgUnit.id))
    ).first()
    return Scope(tenant_id=file.tenant_id, unit_paths=(path,)) if path is not None else None


def _handed_in(
    session: Session, actor: Actor, file: competencies.StoredFile
) -> Sequence[tuple[competencies.Submission, competencies.Evidence, rubrics.Review | None]]:
    """The versions with this file that stand, each with the actor's own review of it that counts or may still: one
    query."""
    may_go_on = (
        (col(rubrics.Review.state) == rubrics.ReviewState.VOID)
        & col(rubrics.Review.handed_on_at).is_not(None)
        & (col(competencies.Submission.state) == competencies.SubmissionState.SUBMITTED)
        & (col(competencies.Submission.current_version_id) == col(competencies.SubmissionVersion.id))
    )
    return session.exec(
        select(competencies.Submission, competencies.Evidence, rubrics.Review)
        .join(competencies.Evidence, col(competencies.Evidence.submission_id) == col(competencies.Submission.id))
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Evidence.version_id),
        )
        .join(
            rubrics.Review,
            (col(rubrics.Review.submission_version_id) == col(competencies.SubmissionVersion.id))
            & col(rubrics.Review.reviewer_id).in_(actor.person_ids)
            & (col(rubrics.Review.state).in_(rubrics.LIVE) | may_go_on),
            isouter=True,
        )
        .where(
            competencies.Submission.tenant_id == actor.tenant_id,
            competencies.Evidence.stored_file_id == pk(file),
            col(competencies.SubmissionVersion.withdrawn_at).is_(None),
        )
        .order_by(col(competencies.Evidence.id))
    ).all()


def open_file(session: Session, actor: Actor, file_uuid: str, now: datetime) -> Readable:
    """As `readable`, and keeps who saw which material of somebody else: once a person, version and file."""
    found, versions = _look(session, actor, file_uuid)
    seen = _seen(session, actor, file_uuid, versions)
    for version_id, review_id in versions:
        if version_id not in seen:
            rubrics.record_event(session, version_id, actor.person_id, "viewed", now, review_id, detail=file_uuid)
    return found


def _number(session: Session, evidence: competencies.Evidence) -> int:
    """Which of the version's files it is, counting from 1 in the order of the page."""
    keys = session.exec(
        select(competencies.Evidence.id)
        .join(
            competencies.EvidenceRequirement,
            col(competencies.EvidenceRequirement.id) == col(competencies.Evidence.requirement_id),
        )
        .where(competencies.Evidence.version_id == evidence.version_id, competencies.Evidence.kind == "file")
        .order_by(
            col(competencies.EvidenceRequirement.position),
            col(competencies.Evidence.position),
            col(competencies.Evidence.id),
        )
    ).all()
    return keys.index(evidence.id) + 1


def _as(file: competencies.StoredFile, name: str, is_blind: bool) -> Readable:
    return Readable(
        uuid=file.uuid,
        storage_key=file.storage_key,
        kind=file.kind,
        mime=file.mime,
        extension=file.extension,
        name=name,
        pages=file.pages,
        size_bytes=file.size_bytes,
        is_blind=is_blind,
        left_out=file.left_out if is_blind else 0,
    )
