"""What lies in a draft or in a version, requirement by requirement, and what still stands in the way."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, and_, col, or_, select

from competencies.models import (
    Award,
    Decision,
    Evidence,
    EvidenceRequirement,
    FileState,
    StoredFile,
    Submission,
    SubmissionState,
)
from competencies.rules import Files
from lms_plugin.db import pk
from lms_plugin.errors import NotFound

MOST_PIECES = 9  # up to nine photos; no item of the pack asks for more files
LENGTH_OVER = "length_over"
"""The tick by which a teacher says: hand it in although it is longer than asked for."""
AS_THE_STANDARD_SAYS = Files()
MACHINE_CHECKS = ("file_opens", "length_ok")


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence with its file, where it is one."""

    evidence: Evidence
    file: StoredFile | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it can be handed in: a checked file, some text, or an address."""
        if self.evidence.kind == "file":
            return self.file is not None and self.file.state is FileState.READY
        return bool(self.evidence.text.strip() or self.evidence.url)

    @property
    def ref(self) -> str:
        """How addresses name it within its requirement: the file's uuid, "text", or the start of the link's hash."""
        if self.file is not None:
            return self.file.uuid
        return "text" if self.evidence.kind == "text" else self.fingerprint[:32]

    @property
    def fingerprint(self) -> str:
        """Tells whether two pieces hold the same: the file's SHA-256, or that of the text or address."""
        if self.file is not None:
            return self.file.sha256
        return hashlib.sha256(f"{self.evidence.kind}:{self.evidence.text}{self.evidence.url}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """One requirement of the point and what lies in it."""

    requirement: EvidenceRequirement
    pieces: tuple[Piece, ...] = ()
    files: Files = AS_THE_STANDARD_SAYS

    @property
    def limits(self) -> dict[str, Any]:
        """What it asks of files, by the standard and by the programme's rules."""
        of = self.requirement
        return self.files.narrowed(of.kind, of.alt_kinds, of.limits)

    @property
    def accept(self) -> tuple[str, ...]:
        """The endings that it takes."""
        return self.files.taken(self.requirement.accept, has_other_ways=self.takes("text") or self.takes("link"))

    @property
    def most_pieces(self) -> int:
        """How many pieces it takes."""
        return min(int(self.limits.get("max_files", MOST_PIECES)), MOST_PIECES)

    def most_mb(self, is_film: bool) -> int:
        """The megabytes that it takes of a recording, or of any other file; 0 = it says nothing."""
        limits = self.limits
        film = limits.get("video") or {}
        return int((film.get("max_mb") if is_film else 0) or limits.get("max_mb") or film.get("max_mb") or 0)

    def takes(self, kind: str) -> bool:
        """Whether the requirement takes this form: text, link, image, document, video …"""
        return kind in {self.requirement.kind, *self.requirement.alt_kinds}

    def piece(self, ref: str) -> Piece:
        """The piece of that name (`Piece.ref`). Raises NotFound."""
        for piece in self.pieces:
            if piece.ref == ref:
                return piece
        raise NotFound

    @property
    def usable(self) -> tuple[Piece, ...]:
        """What can be handed in."""
        return tuple(piece for piece in self.pieces if piece.is_usable)

    @property
    def fingerprints(self) -> frozenset[str]:
        """What the item holds, for comparing versions."""
        return frozenset(piece.fingerprint for piece in self.usable)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands between a draft and handing it in, at one requirement."""

    code: str
    requirement_key: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReturnedWork:
    """Work that came back: which items stand (by key), which failed, and what was handed in then.

    It was returned by a trainer, or its author prepares it again after 不合格 or after its award was taken back. Items
    that neither stand nor failed (nobody marked them, or an award was taken back) may be changed and need not be.
    """

    decision: Decision
    standing: frozenset[str]
    failed: frozenset[str]
    before: Mapping[str, frozenset[str]]

    @property
    def is_again(self) -> bool:
        """Whether the author prepares it again, by their own wish, after a released result."""
        return self.decision.released_at is not None


def items_of(session: Session, submission: Submission, version_id: int | None = None) -> tuple[Item, ...]:
    """The point's requirements in their order with the draft's pieces, or with those of one version: one query."""
    found = items_of_points(session, {submission.point_id: submission}, (version_id,))
    return found[(submission.point_id, version_id)]


def draft_and_version(session: Session, submission: Submission) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The draft's items and those of the current version (without pieces where there is none): one query."""
    versions = (None, submission.current_version_id)
    found = items_of_points(session, {submission.point_id: submission}, versions)
    draft = found[(submission.point_id, None)]
    if submission.current_version_id is None:
        return draft, tuple(Item(item.requirement) for item in draft)
    return draft, found[(submission.point_id, submission.current_version_id)]


@cache  # a large statement that every page of a teacher asks: put together once
def _pieces(with_drafts: bool) -> Any:
    drafts = (col(Evidence.version_id).is_(None),) if with_drafts else ()
    return (
        select(EvidenceRequirement, Evidence, StoredFile)
        .join(
            Evidence,
            and_(
                col(Evidence.requirement_id) == col(EvidenceRequirement.id),
                col(Evidence.submission_id).in_(bindparam("works", expanding=True)),
                or_(col(Evidence.version_id).in_(bindparam("versions", expanding=True)), *drafts),
            ),
            isouter=True,
        )
        .join(StoredFile, col(StoredFile.id) == col(Evidence.stored_file_id), isouter=True)
        .where(col(EvidenceRequirement.point_id).in_(bindparam("points", expanding=True)))
        .order_by(
            col(EvidenceRequirement.point_id),
            col(EvidenceRequirement.position),
            col(Evidence.position),
            col(Evidence.id),
        )
    )


def items_of_points(
    session: Session, works: Mapping[int, Submission | None], version_ids: Collection[int | None] = (None,)
) -> dict[tuple[int, int | None], tuple[Item, ...]]:
    """One person's works by point id (None: no draft yet): (point id, version id or None for the draft) → items.

    One query for any number of points and versions.
    """
    places = {
        "works": [pk(work) for work in works.values() if work is not None],
        "versions": [key for key in version_ids if key is not None],
        "points": list(works),
    }
    rows = session.exec(_pieces(None in version_ids), params=places).all()
    requirements: dict[int, EvidenceRequirement] = {}
    pieces: dict[tuple[int, int | None], list[Piece]] = {}
    for requirement, evidence, file in rows:
        requirements[pk(requirement)] = requirement
        if evidence is not None:
            pieces.setdefault((pk(requirement), evidence.version_id), []).append(Piece(evidence, file))
    return {
        (point, version): tuple(
            Item(requirement, tuple(pieces.get((key, version), ())))
            for key, requirement in requirements.items()
            if requirement.point_id == point
        )
        for point in works
        for version in {None, *version_ids}
    }


def returned_work(
    submission: Submission,
    items: Sequence[Item],
    decision: Decision | None,
    version_items: Sequence[Item],
    award: Award | None = None,
) -> ReturnedWork | None:
    """What a return, or a released result that is no pass, asks for; None when the work did not come back.

    `decision` and `award` of the version that was handed in last. An item stands when its level (or 有效) is at least a
    pass; one that was not handed in and need not be is free.
    """
    if submission.state is not SubmissionState.RETURNED or decision is None:
        return None
    taken_back = award is not None and award.revoked_at is not None
    before = {item.requirement.key: item.fingerprints for item in version_items}
    standing: set[str] = set()
    failed: set[str] = set()
    for item in items:
        key = item.requirement.key
        if not before.get(key):
            if item.requirement.is_required:
                failed.add(key)
        elif not taken_back and (level := decision.item_levels.get(key)) is not None:
            (standing if level else failed).add(key)
    return ReturnedWork(decision, frozenset(standing), frozenset(failed), before)


def overrun_seconds(item: Item, file: StoredFile) -> tuple[int, bool]:
    """By how many seconds a recording is longer than asked for (0 = fits), and whether that is more than a note."""
    limits = dict(item.requirement.limits)
    if file.kind == "video" and isinstance(limits.get("video"), dict):
        limits = limits["video"]
    most = limits.get("max_minutes")
    if file.duration_ms is None or not most:
        return 0, False
    over = file.duration_ms / 1000 - float(most) * 60
    tolerance = float(limits.get("minutes_tolerance", 0.5)) * 60
    return (round(over), over > tolerance) if over >= 1 else (0, False)


def problems(
    submission: Submission,
    items: Sequence[Item],
    criteria: Mapping[str, Collection[str]],
    returned: ReturnedWork | None,
    *,
    needs_self_marks: bool,
    texts_with_findings: Collection[int] = (),
) -> list[Problem]:
    """What stands between this draft and handing it in, in the order of the page; empty = it can be handed in.

    `criteria`: requirement key → keys of its criteria. `texts_with_findings`: ids of typed pieces that name the author
    and were not let pass. A recording that is too long asks for a choice, never more.
    """
    found: list[Problem] = []
    for item in items:
        key = item.requirement.key
        if returned is not None and key in returned.standing:
            continue
        found += _missing(item, returned)
        if not item.usable:
            continue
        ticked = set(submission.ticks.get(key, ()))
        for piece in item.usable:
            file = piece.file
            if (file is not None and file.findings and not file.findings_waived) or pk(
                piece.evidence
            ) in texts_with_findings:
                name = file.filename if file is not None else ""
                found.append(Problem("submit.personal_found", key, {"name": name, "evidence": pk(piece.evidence)}))
            if file is not None:
                over, too_long = overrun_seconds(item, file)
                if too_long and LENGTH_OVER not in ticked:
                    found.append(Problem("submit.length_choice", key, {"seconds": over}))
        for check in item.requirement.checks:
            if check["key"] not in MACHINE_CHECKS and check["key"] not in ticked:
                found.append(Problem("submit.check_unticked", key, {"check": check["key"]}))
        if needs_self_marks:
            marked = submission.self_marks.get(key, {})
            left = [name for name in criteria.get(key, ()) if marked.get(name) is None]
            if left:
                found.append(Problem("submit.self_marks_missing", key, {"left": len(left)}))
    if returned is not None and not returned.failed and _is_same(items, returned):
        found.append(Problem("submit.nothing_changed", items[0].requirement.key))
    return found


def _is_same(items: Sequence[Item], returned: ReturnedWork) -> bool:
    return all(item.fingerprints == returned.before.get(item.requirement.key, frozenset()) for item in items)


def _missing(item: Item, returned: ReturnedWork | None) -> list[Problem]:
    key = item.requirement.key
    if any(piece.file is not None and piece.file.state is FileState.UPLOADING for piece in item.pieces):
        return [Problem("submit.item_uploading", key)]
    if item.requirement.is_required and not item.usable:
        return [Problem("submit.item_missing", key)]
    was_failed = returned is not None and key in returned.failed
    before = returned.before.get(key, frozenset()) if returned is not None else frozenset()
    if was_failed and item.usable and item.fingerprints <= before:
        return [Problem("submit.item_unchanged", key)]
    return []
