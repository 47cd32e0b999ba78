"""What a round holds before it goes over to another version: points and places of both, who has chosen
what, what is bound. Only `moving` calls it, after `require`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, func, select

import competencies
from competencies import (
    CompetencyPoint,
    Evidence,
    EvidenceRequirement,
    FrameworkVersion,
    Programme,
    ProgrammeEvent,
    Selection,
    Submission,
    SubmissionVersion,
)
from lms_plugin.db import pk
from lms_plugin.people import Person


def points_of(
    session: Session, before: FrameworkVersion, after: FrameworkVersion, image: Mapping[str, str]
) -> tuple[dict[int, str], dict[str, int], dict[int, int]]:
    """Old points (id: code), new points (code: id), and each place for material of the old version → that of the same
    key in the point it became, where that takes whatever the old one took."""
    rows = session.exec(
        select(CompetencyPoint, EvidenceRequirement)
        .join(EvidenceRequirement, col(EvidenceRequirement.point_id) == col(CompetencyPoint.id))
        .where(col(CompetencyPoint.framework_version_id).in_([pk(before), pk(after)]))
        .order_by(col(EvidenceRequirement.id))
    ).all()
    old = {pk(point): point.code for point, _row in rows if point.framework_version_id == pk(before)}
    new = {point.code: pk(point) for point, _row in rows if point.framework_version_id == pk(after)}
    places = {(row.point_id, row.key): row for _point, row in rows}
    found = {}
    for point, row in rows:
        becomes = new.get(image.get(point.code, ""), 0) if pk(point) in old else 0
        place = places.get((becomes, row.key))
        if place is not None and _takes(place) >= _takes(row) and set(place.accept) >= set(row.accept):
            found[pk(row)] = pk(place)
    return old, new, found


def _takes(row: EvidenceRequirement) -> set[str]:
    return {row.kind, *row.alt_kinds}


def choices_of(
    session: Session,
    programme: Programme,
    old: Mapping[int, str],
    image: Mapping[str, str],
    requirements: Mapping[int, int],
    moves: Sequence[ProgrammeEvent],
) -> tuple[dict[int, tuple[Selection, str, Submission | None]], list[competencies.succession.Chosen]]:
    """Who has chosen which point, first choices first; only those of the version that the round leaves come back to be
    changed. Choices of versions that it left before are bound to those."""
    handed_in = (
        select(SubmissionVersion.id).where(SubmissionVersion.submission_id == col(Submission.id)).correlate(Submission)
    )
    rows = session.exec(
        select(
            Selection,
            Submission,
            func.coalesce(Person.merged_into_id, Person.id),
            handed_in.exists(),
        )
        .join(Person, col(Person.id) == col(Selection.person_id))
        .join(
            Submission,
            (col(Submission.programme_id) == col(Selection.programme_id))
            & (col(Submission.person_id) == col(Selection.person_id))
            & (col(Submission.point_id) == col(Selection.point_id)),
            isouter=True,
        )
        .where(Selection.programme_id == pk(programme), col(Selection.dropped_at).is_(None))
        .order_by(col(Selection.chosen_at), col(Selection.id))
        .execution_options(populate_existing=True)
    ).all()
    without_place = _without_place(session, programme, requirements)
    older = _older(session, {row.point_id for row, *_rest in rows} - old.keys(), moves)
    chosen: dict[int, tuple[Selection, str, Submission | None]] = {}
    choices = []
    for row, work, human, is_handed_in in rows:
        code = old.get(row.point_id)
        if code is None:
            choices.append(competencies.succession.Chosen(pk(row), human, older[row.point_id], True))
            continue
        # Begun with what the new version has no place for, it goes on as it was; a point that is no more is given up.
        is_bound = is_handed_in or (work is not None and pk(work) in without_place and bool(image[code]))
        chosen[pk(row)] = (row, code, work)
        choices.append(competencies.succession.Chosen(pk(row), human, code, is_bound))
    return chosen, choices


def _older(session: Session, points: set[int], moves: Sequence[ProgrammeEvent]) -> dict[int, str]:
    """Points of versions that the round left before, and what they are called in today's."""
    if not points:
        return {}
    rows = session.exec(
        select(CompetencyPoint).where(col(CompetencyPoint.id).in_(points)).order_by(col(CompetencyPoint.id))
    )
    return {pk(point): competencies.succession.became(point, moves) for point in rows}


def _without_place(session: Session, programme: Programme, requirements: Mapping[int, int]) -> set[int]:
    """Works with material in the draft for which the new version has no place."""
    rows = session.exec(
        select(Evidence.submission_id, Evidence.requirement_id)
        .join(Submission, col(Submission.id) == col(Evidence.submission_id))
        .where(Submission.programme_id == pk(programme), col(Evidence.version_id).is_(None))
        .distinct()
    ).all()
    return {submission for submission, requirement in rows if requirement not in requirements}


def same_items(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """Items that say the same in both: marks and ticks that a teacher gave there still mean what they meant."""
    items = {one["key"]: one for one in new["evidence"]}
    return frozenset(one["key"] for one in old["evidence"] if items.get(one["key"]) == one)
