"""What a round holds before works go over to the criteria of today's version: which works, what changed between the
rubrics of their items, and the reviews with their marks. Only `remarking` and `touches` call it, after `require`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import (
    CompetencyPoint,
    Evidence,
    EvidenceRequirement,
    FrameworkVersion,
    Programme,
    Submission,
    SubmissionState,
)
from lms_plugin.db import by_id, pk
from rubrics import EditClass, MarkKey, Review, ReviewState


@dataclass(frozen=True)
class CriterionLine:
    """One criterion that is not as it was. `sort`: "added", "dropped", "reworded", "levels" or "weight"; `field`: names
    it in the form where it was reworded, "" otherwise."""

    sort: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    field: str = ""


@dataclass(frozen=True)
class ItemLine:
    """An item of evidence whose rubric is another one, and the class of that change."""

    title: Mapping[str, str]
    edit_class: EditClass
    criteria: tuple[CriterionLine, ...]


class Work(NamedTuple):
    """A work that waits, its current version and its point, by id."""

    submission: int
    version: int
    point: int
    number: int  # of the standard's version that it was handed in under


class Standing(NamedTuple):
    """What waits in a round. `works`: under review on points of earlier versions that live on in today's; `gone`: how
    many are on points that do not; `decided`: how many were decided under an earlier version; `points` by id, with
    what each is called today."""

    works: list[Work]
    gone: int
    decided: int
    points: Mapping[int, CompetencyPoint]
    became: Mapping[int, str]


def works_of(session: Session, programme: Programme) -> Standing:
    """What waits: three queries."""
    rows: Any = session.connection().execute(
        columns(
            col(Submission.id),
            col(Submission.current_version_id),
            col(Submission.point_id),
            col(FrameworkVersion.number),
            col(Submission.state),
        )
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(FrameworkVersion, col(FrameworkVersion.id) == col(CompetencyPoint.framework_version_id))
        .where(
            col(Submission.programme_id) == pk(programme),
            col(Submission.state).in_([SubmissionState.SUBMITTED, SubmissionState.DECIDED]),
            col(CompetencyPoint.framework_version_id) != programme.framework_version_id,
            col(Submission.current_version_id).is_not(None),
        )
        .order_by(col(Submission.id))
    )
    found = list(rows)
    points = by_id(session, CompetencyPoint, sorted({row[2] for row in found}))
    moves = competencies.succession.moves_of(session, programme) if found else ()
    became = {key: competencies.succession.became(point, moves) for key, point in points.items()}
    under_review = [Work(*row[:4]) for row in found if row[4] is SubmissionState.SUBMITTED]
    works = [work for work in under_review if became[work.point]]
    return Standing(works, len(under_review) - len(works), len(found) - len(under_review), points, became)


class Ways:
    """From each old item to that of the same key in the point it became: what changed between their rubrics."""

    def __init__(self, session: Session, programme: Programme, standing: Standing) -> None:
        self._session = session
        used = {work.point for work in standing.works}
        self.points = {key: point for key, point in standing.points.items() if key in used}
        became = standing.became
        rows = session.exec(
            select(EvidenceRequirement, CompetencyPoint)
            .join(CompetencyPoint, col(CompetencyPoint.id) == col(EvidenceRequirement.point_id))
            .where(
                col(EvidenceRequirement.point_id).in_(list(self.points))
                | (
                    (col(CompetencyPoint.framework_version_id) == programme.framework_version_id)
                    & col(CompetencyPoint.code).in_(set(became.values()))
                )
            )
            .order_by(col(EvidenceRequirement.position), col(EvidenceRequirement.id))
        ).all()
        of_today = {
            (point.code, row.key): row
            for row, point in rows
            if point.framework_version_id == programme.framework_version_id
        }
        self.items: dict[int, list[tuple[EvidenceRequirement, EvidenceRequirement]]] = {}
        for row, point in rows:
            other = of_today.get((became.get(pk(point), ""), row.key)) if pk(point) in self.points else None
            if other is not None and other.is_core == row.is_core and row.rubric_version_id and other.rubric_version_id:
                self.items.setdefault(pk(point), []).append((row, other))
        self._texts: dict[int, tuple[rubrics.CriterionText, ...]] = {}
        self._edits: dict[tuple[int, int], rubrics.RubricEdit] = {}

    def edits(self, step: Sequence[Work]) -> dict[int, list[rubrics.ItemEdit]]:
        """By version, what was handed in and is judged by other criteria in today's version: two queries."""
        judged = _handed_in(self._session, step)
        wanted = [
            (work.version, row, judged[work.version, pk(row)] or row.rubric_version_id or 0, other)
            for work in step
            for row, other in self.items.get(work.point, ())
            if (work.version, pk(row)) in judged
        ]
        self._read({old for _v, _r, old, _o in wanted} | {other.rubric_version_id or 0 for _v, _r, _o, other in wanted})
        found: dict[int, list[rubrics.ItemEdit]] = {}
        for version, row, old, other in wanted:
            new = other.rubric_version_id or 0
            edit = self._edits.setdefault((old, new), rubrics.edit_of(self._texts[old], self._texts[new]))
            if edit.edit_class is not EditClass.NOTHING:
                item = rubrics.ItemEdit(pk(row), row.key, old, new, edit, self._texts[new])
                found.setdefault(version, []).append(item)
        return found

    def _read(self, rubric_ids: set[int]) -> None:
        missing = rubric_ids - self._texts.keys()
        if missing:
            self._texts |= rubrics.criteria_of(self._session, missing)

    def lines_of(self, point_id: int, items: Sequence[rubrics.ItemEdit]) -> tuple[ItemLine, ...]:
        """What the page tells of the items of a point."""
        point = self.points[point_id]
        titles = {row.key: row.title for row, _other in self.items[point_id]}
        return tuple(
            ItemLine(
                titles[item.item_key],
                item.edit.edit_class,
                criterion_lines(
                    self._texts[item.old_rubric], item.criteria, item.edit, f"{point.code}.{item.item_key}"
                ),
            )
            for item in items
        )


def _handed_in(session: Session, step: Sequence[Work]) -> dict[tuple[int, int], int | None]:
    """(version, requirement) of what was handed in → the rubric version it is judged by, None: its requirement's."""
    judged = rubrics.JudgedBy
    rows: Any = session.connection().execute(
        columns(col(Evidence.version_id), col(Evidence.requirement_id), col(judged.rubric_version_id))
        .join(
            judged,
            and_(
                col(judged.submission_version_id) == col(Evidence.version_id),
                col(judged.requirement_id) == col(Evidence.requirement_id),
            ),
            isouter=True,
        )
        .where(
            col(Evidence.submission_id).in_([work.submission for work in step]),
            col(Evidence.version_id).in_([work.version for work in step]),
        )
        .distinct()
    )
    return {(version, requirement): rubric for version, requirement, rubric in rows}


def criterion_lines(
    old: Sequence[rubrics.CriterionText], new: Sequence[rubrics.CriterionText], edit: rubrics.RubricEdit, place: str
) -> tuple[CriterionLine, ...]:
    """What changed, criterion by criterion. `place`: what names the item in forms."""
    before, after = {line.key: line for line in old}, {line.key: line for line in new}
    found = []
    for key, line in before.items():
        if key in edit.dropped:
            found.append(CriterionLine("dropped", asked(line), {}))
            continue
        other = after[edit.becomes[key]]
        if other.choices != line.choices:
            found.append(CriterionLine("levels", asked(line), asked(other), f"{place}.{key}"))
        elif key in edit.reworded:
            found.append(CriterionLine("reworded", asked(line), asked(other), f"{place}.{key}"))
        elif key in edit.reweighed:
            found.append(CriterionLine("weight", asked(line), asked(other)))
    return (*found, *(CriterionLine("added", {}, asked(after[key])) for key in edit.added))


def asked(line: rubrics.CriterionText) -> dict[str, str]:
    """All that a criterion asks, level by level in one text."""
    return {
        language: " / ".join(str(text[language]) for _level, text in sorted(line.texts.items()) if text.get(language))
        for language in ("zh", "en")
        if any(text.get(language) for text in line.texts.values())
    }


def reviews_of(
    session: Session, versions: Sequence[int]
) -> tuple[dict[int, list[tuple[int, ReviewState]]], dict[int, list[rubrics.GivenMark]]]:
    """The reviews of these versions, and their marks."""
    mark = rubrics.CriterionMark
    rows: Any = session.connection().execute(
        columns(
            col(Review.submission_version_id),
            col(Review.id),
            col(Review.state),
            col(mark.id),
            col(mark.requirement_key),
            col(mark.criterion_key),
            col(mark.level),
            col(mark.reason),
        )
        .join(mark, col(mark.review_id) == col(Review.id), isouter=True)
        .where(col(Review.submission_version_id).in_(versions))
        .order_by(col(Review.id), col(mark.id))
    )
    reviews: dict[int, list[tuple[int, ReviewState]]] = {}
    marks: dict[int, list[rubrics.GivenMark]] = {}
    for version, review, state, key, item, criterion, level, reason in rows:
        if review not in marks:
            reviews.setdefault(version, []).append((review, state))
            marks[review] = []
        if key is not None:
            marks[review].append(rubrics.GivenMark(key, review, MarkKey(item, criterion), level, reason))
    return reviews, marks
