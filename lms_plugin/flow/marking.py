"""What is judged: the items of submitted versions with their pieces and criteria, and what marks make of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import and_, bindparam
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Invalid


@dataclass(frozen=True)
class SheetItem:
    """One evidence item of a point as handed in: its requirement, its pieces in order, and how it is judged."""

    requirement: competencies.EvidenceRequirement
    pieces: tuple[competencies.Piece, ...]
    criteria: tuple[rubrics.CriterionText, ...]
    is_judged_anew: bool = False  # by the criteria of a later version than the work was handed in under

    @property
    def key(self) -> str:
        """The requirement's key."""
        return self.requirement.key

    @property
    def facts(self) -> competencies.ItemSheet:
        """What computing a level needs to know."""
        return competencies.ItemSheet(
            key=self.key,
            is_core=self.requirement.is_core,
            is_required=self.requirement.is_required,
            is_present=bool(self.pieces),
            criteria=tuple(line.key for line in self.criteria if not line.is_validity),
            excellent_only=frozenset(line.key for line in self.criteria if line.is_excellent_only),
            weights={line.key: line.weight for line in self.criteria if line.weight is not None},
        )


@dataclass(frozen=True)
class Sheet:
    """All items of one submitted version, in the order of the point."""

    items: tuple[SheetItem, ...]

    @cached_property
    def facts(self) -> tuple[competencies.ItemSheet, ...]:
        """The items as computing takes them."""
        return tuple(item.facts for item in self.items)

    @property
    def is_judged_anew(self) -> bool:
        """Whether any item is judged by other criteria than those it was handed in under."""
        return any(item.is_judged_anew for item in self.items)

    @cached_property
    def expected(self) -> dict[rubrics.MarkKey, tuple[int | bool, ...]]:
        """Every criterion to be marked with the levels it may get; items that were not handed in are not marked."""
        return {
            rubrics.MarkKey(item.key, line.key): (False, True) if line.is_validity else line.choices
            for item in self.items
            if item.pieces
            for line in item.criteria
        }

    def compute(self, drafts: rubrics.Drafts) -> competencies.Computed:
        """The levels that these marks give."""
        marks: dict[str, dict[str, int | None]] = {}
        for key, draft in drafts.items():
            marks.setdefault(key.item_key, {})[key.criterion_key] = draft.level
        return competencies.compute(self.facts, marks)


def require_readable(reasons: Mapping[str, str]) -> None:
    """Raises Invalid at every reason (by field) that is longer than anybody may write; nothing is ever cut silently."""
    long = {
        field: ("reason.too_long", {"length": len(text), "limit": competencies.LONGEST_REASON})
        for field, text in reasons.items()
        if len(text) > competencies.LONGEST_REASON
    }
    if long:
        raise Invalid({**long})


# From the versions by keys alone: evidence is found through its index (submission, version, requirement).
_HANDED_IN: Any = (
    columns(
        competencies.EvidenceRequirement,
        competencies.Evidence,
        competencies.StoredFile,
        col(competencies.SubmissionVersion.id),
        col(rubrics.JudgedBy.rubric_version_id),
    )
    .select_from(competencies.SubmissionVersion)
    .join(
        competencies.Submission,
        col(competencies.Submission.id) == col(competencies.SubmissionVersion.submission_id),
    )
    .join(
        competencies.EvidenceRequirement,
        col(competencies.EvidenceRequirement.point_id) == col(competencies.Submission.point_id),
    )
    .join(
        competencies.Evidence,
        and_(
            col(competencies.Evidence.submission_id) == col(competencies.Submission.id),
            col(competencies.Evidence.version_id) == col(competencies.SubmissionVersion.id),
            col(competencies.Evidence.requirement_id) == col(competencies.EvidenceRequirement.id),
        ),
        isouter=True,
    )
    .join(
        competencies.StoredFile,
        col(competencies.StoredFile.id) == col(competencies.Evidence.stored_file_id),
        isouter=True,
    )
    .join(
        rubrics.JudgedBy,
        and_(
            col(rubrics.JudgedBy.submission_version_id) == col(competencies.SubmissionVersion.id),
            col(rubrics.JudgedBy.requirement_id) == col(competencies.EvidenceRequirement.id),
        ),
        isouter=True,
    )
    .where(col(competencies.SubmissionVersion.id).in_(bindparam("versions", expanding=True)))
    .order_by(
        col(competencies.EvidenceRequirement.position),
        col(competencies.Evidence.position),
        col(competencies.Evidence.id),
    )
)


def sheets(session: Session, versions: Mapping[int, int]) -> dict[int, Sheet]:
    """The sheets of these versions ({version id: point id}), in two queries for any number of them."""
    if not versions:
        return {}
    requirements: dict[int, competencies.EvidenceRequirement] = {}
    pieces: dict[tuple[int, int], list[competencies.Piece]] = {}
    rubric_of: dict[tuple[int, int], int] = {}
    anew: set[tuple[int, int]] = set()
    for requirement, evidence, file, version, judged_by in session.exec(
        _HANDED_IN, params={"versions": list(versions)}
    ):
        requirements[pk(requirement)] = requirement
        rubric_of[version, pk(requirement)] = judged_by or requirement.rubric_version_id or 0
        if judged_by is not None:
            anew.add((version, pk(requirement)))
        if evidence is not None:
            place = (evidence.version_id or 0, evidence.requirement_id)
            pieces.setdefault(place, []).append(competencies.Piece(evidence, file))
    criteria = rubrics.criteria_of(session, {rubric for rubric in rubric_of.values() if rubric})
    of_point: dict[int, list[competencies.EvidenceRequirement]] = {}
    for row in requirements.values():
        of_point.setdefault(row.point_id, []).append(row)
    return {
        version: Sheet(
            tuple(
                SheetItem(
                    row,
                    tuple(pieces.get((version, pk(row)), ())),
                    criteria.get(rubric_of.get((version, pk(row)), 0), ()),
                    (version, pk(row)) in anew,
                )
                for row in of_point.get(point, ())
            )
        )
        for version, point in versions.items()
    }


def sheet(session: Session, version_id: int, point_id: int) -> Sheet:
    """The sheet of one version."""
    return sheets(session, {version_id: point_id})[version_id]
