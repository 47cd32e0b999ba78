"""牵涉什么: what a new version of a standard would touch, before it is published: by point the gravest change of its
criteria (classes 0 to 5, `rubrics.EditClass`), and how many works, reviews and marks stand on it. Nothing is
written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, distinct, func, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from competencies import CompetencyPoint, FrameworkVersion, Programme, Submission, SubmissionState
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.flow import remarking_facts, succession
from lms_plugin.flow.curate import criteria_of
from rubrics import CriterionMark, EditClass, Review, ReviewState


@dataclass(frozen=True)
class Numbers:
    """Of works that nobody has decided: `works`, reviews of them that are under way (`open`) and handed in (`given`);
    `again`: handed-in reviews with something to mark again, if a round goes over and judges by the new version."""

    works: int = 0
    open: int = 0
    given: int = 0
    again: int = 0


@dataclass(frozen=True)
class PointTouch:
    """A point whose items are judged otherwise. `added`, `dropped`: titles of items that came or went: what is handed
    in is not asked for them."""

    code: str
    name: Mapping[str, str]
    items: tuple[remarking_facts.ItemLine, ...]
    added: tuple[Mapping[str, str], ...]
    dropped: tuple[Mapping[str, str], ...]
    numbers: Numbers

    @property
    def edit_class(self) -> EditClass:
        """The gravest of its items'."""
        return max((item.edit_class for item in self.items), default=EditClass.NOTHING)


@dataclass(frozen=True)
class Touches:
    """A version beside the one it was begun from. `same`: points whose criteria are as they were; `programmes`: rounds
    that use the earlier version, with their state. `since_number` 0: there is no earlier version."""

    uuid: str
    title: dict[str, str]
    number: int
    is_draft: bool
    since_number: int
    programmes: tuple[tuple[str, str, str], ...]
    points: tuple[PointTouch, ...]
    same: int

    def of_class(self, edit_class: EditClass) -> tuple[int, Numbers]:
        """How many points have that class, and their numbers together."""
        found = [point.numbers for point in self.points if point.edit_class is edit_class]
        return len(found), Numbers(
            *(sum(getattr(one, name) for one in found) for name in ("works", "open", "given", "again"))
        )


def touches(session: Session, actor: Actor, uuid: str) -> Touches:
    """For the page before publishing: eight queries. Raises NotFound, Forbidden."""
    new = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(new.tenant_id))
    view = succession.succession(session, actor, uuid)
    old = find(session, FrameworkVersion, actor.tenant_id, view.since_uuid) if view.since_uuid else None
    edits: dict[str, _PointEdit] = {}
    same = 0
    becomes = {point.code: point.becomes for point in view.points}
    if old is not None:
        now_says = {one["code"]: one for one in new.content["points"]}
        for one in sorted(old.content["points"], key=lambda one: one["order"]):
            other = now_says.get(becomes.get(one["code"]) or "")
            if other is None:
                continue
            edit = _point_edit(one, other)
            if edit.items or edit.added or edit.dropped:
                edits[one["code"]] = edit
            else:
                same += 1
    numbers = _numbers(session, old, edits) if old is not None else {}
    return Touches(
        uuid=new.uuid,
        title=view.title,
        number=new.number,
        is_draft=view.is_draft,
        since_number=old.number if old is not None else 0,
        programmes=_programmes(session, old) if old is not None else (),
        points=tuple(
            PointTouch(code, edit.name, edit.lines(code), edit.added, edit.dropped, numbers.get(code, Numbers()))
            for code, edit in edits.items()
        ),
        same=same,
    )


@dataclass(frozen=True)
class _ItemEdit:
    key: str
    title: Mapping[str, str]
    old: list[rubrics.CriterionText]
    new: list[rubrics.CriterionText]
    edit: rubrics.RubricEdit


@dataclass(frozen=True)
class _PointEdit:
    name: Mapping[str, str]
    items: tuple[_ItemEdit, ...]
    added: tuple[Mapping[str, str], ...]
    dropped: tuple[Mapping[str, str], ...]

    @property
    def edit_class(self) -> EditClass:
        return max((item.edit.edit_class for item in self.items), default=EditClass.NOTHING)

    def lines(self, code: str) -> tuple[remarking_facts.ItemLine, ...]:
        return tuple(
            remarking_facts.ItemLine(
                item.title,
                item.edit.edit_class,
                remarking_facts.criterion_lines(item.old, item.new, item.edit, f"{code}.{item.key}"),
            )
            for item in self.items
        )


def _point_edit(old: Mapping[str, Any], new: Mapping[str, Any]) -> _PointEdit:
    """A core item that is none any more (or the other way round) is another item: its marks are of another kind."""
    kinds = {(item["key"], item["core"]): item for item in new["evidence"]}
    before = {(item["key"], item["core"]) for item in old["evidence"]}
    items = []
    for item in old["evidence"]:
        other = kinds.get((item["key"], item["core"]))
        if other is None:
            continue
        mine, theirs = (rubrics.criteria_from(criteria_of(one)) for one in (item, other))
        edit = rubrics.edit_of(mine, theirs)
        if edit.edit_class is not EditClass.NOTHING:
            items.append(_ItemEdit(item["key"], competencies.frameworks.words(other, "title"), mine, theirs, edit))
    title = competencies.frameworks.words
    return _PointEdit(
        name=title(new, "name"),
        items=tuple(items),
        added=tuple(title(one, "title") for key, one in kinds.items() if key not in before),
        dropped=tuple(title(one, "title") for one in old["evidence"] if (one["key"], one["core"]) not in kinds),
    )


def _programmes(session: Session, old: FrameworkVersion) -> tuple[tuple[str, str, str], ...]:
    rows: Any = session.connection().execute(
        columns(col(Programme.uuid), col(Programme.title), col(Programme.state))
        .where(
            col(Programme.tenant_id) == old.tenant_id,
            col(Programme.framework_version_id) == pk(old),
            col(Programme.archived_at).is_(None),
        )
        .order_by(col(Programme.id))
    )
    return tuple((uuid, title, state.value) for uuid, title, state in rows)


def _numbers(session: Session, old: FrameworkVersion, edits: Mapping[str, _PointEdit]) -> dict[str, Numbers]:
    """By point: three queries at most."""
    if not edits:
        return {}
    under_review = (
        col(CompetencyPoint.framework_version_id) == pk(old),
        col(CompetencyPoint.code).in_(list(edits)),
        col(Submission.state) == SubmissionState.SUBMITTED,
    )
    work = columns(col(CompetencyPoint.code)).join(Submission, col(Submission.point_id) == col(CompetencyPoint.id))
    reviewed = work.join(Review, col(Review.submission_version_id) == col(Submission.current_version_id))
    connection = session.connection()
    works = _by_code(
        connection.execute(work.add_columns(func.count()).where(*under_review).group_by(col(CompetencyPoint.code)))
    )
    is_open = col(Review.state).in_(rubrics.UNFINISHED)
    reviews = {
        code: (int(opened), int(given))
        for code, opened, given in connection.execute(
            reviewed.add_columns(
                func.sum(case((is_open, 1), else_=0)),
                func.sum(case((col(Review.state) == ReviewState.SUBMITTED, 1), else_=0)),
            )
            .where(*under_review)
            .group_by(col(CompetencyPoint.code))
        )
    }
    lost = [
        and_(
            col(CompetencyPoint.code) == code,
            col(CriterionMark.requirement_key) == item.key,
            col(CriterionMark.criterion_key) == criterion,
            col(CriterionMark.level).in_(levels),
        )
        for code, edit in edits.items()
        for item in edit.items
        for criterion, levels in item.edit.lost.items()
    ]
    again = (
        _by_code(
            connection.execute(
                reviewed.add_columns(func.count(distinct(col(Review.id))))
                .join(CriterionMark, col(CriterionMark.review_id) == col(Review.id))
                .where(*under_review, col(Review.state) == ReviewState.SUBMITTED, or_(*lost))
                .group_by(col(CompetencyPoint.code))
            )
        )
        if lost
        else {}
    )
    found = {}
    for code, edit in edits.items():
        opened, given = reviews.get(code, (0, 0))
        anew = given if edit.edit_class is EditClass.CRITERION_ADDED else again.get(code, 0)
        found[code] = Numbers(works.get(code, 0), opened, given, anew)
    return found


def _by_code(rows: Any) -> dict[str, int]:
    return {code: int(number) for code, number in rows}
