"""按新标准评: works that were handed in under an earlier version of their round's standard, and that nobody has
decided, are judged by the version of today. Marks that still stand go along; reviewers get back what is to be marked
again."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Programme, Submission
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import by_id, find, get
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import marking
from lms_plugin.flow.curate import programme_unit_scope
from lms_plugin.flow.remarking_facts import ItemLine, Ways, Work, reviews_of, works_of
from lms_plugin.flow.review_needs import due_at
from lms_plugin.people import OrgUnit, Tenant
from rubrics import EditClass, MarkKey, Review, ReviewState

REMARKED = "remarked"
"""The kind of `ProgrammeEvent` that says that works went over; its details are the numbers of `Totals`."""
A_STEP = 200  # works looked at together


@dataclass
class Totals:
    """Numbers of works and reviews. `kept`: marks that go along; `aside`: marks that stand no more; `again`: reviews
    that were handed in and come back; `open`: reviews under way that get other criteria; `counted`: reviews whose marks
    all stand and that are only counted anew."""

    works: int = 0
    kept: int = 0
    aside: int = 0
    again: int = 0
    open: int = 0
    counted: int = 0


@dataclass
class PointLine:
    """A point of an earlier version with works that wait: what its change costs."""

    code: str
    name: Mapping[str, str]
    number: int  # of the version that its works were handed in under
    items: tuple[ItemLine, ...]
    totals: Totals = field(default_factory=Totals)

    @property
    def edit_class(self) -> EditClass:
        """The gravest of its items'."""
        return max((item.edit_class for item in self.items), default=EditClass.NOTHING)


@dataclass(frozen=True)
class Preview:
    """What judging by today's version would do; nothing is written. `gone`: works on points that it does not have;
    `decided`: works that were decided under an earlier version and stay so."""

    uuid: str
    title: str
    version: int
    number: int
    lines: tuple[PointLine, ...]
    totals: Totals
    gone: int
    decided: int
    is_over: bool


def preview(session: Session, actor: Actor, uuid: str, now: datetime) -> Preview:
    """For the page before."""
    programme = find(session, Programme, actor.tenant_id, uuid)
    unit = get(session, OrgUnit, programme.org_unit_id)
    require(actor, Permission.PROGRAMME_EDIT, Scope(programme.tenant_id, unit_paths=(unit.path,)))
    target = get(session, competencies.FrameworkVersion, programme.framework_version_id)
    standing = works_of(session, programme)
    ways, totals = Ways(session, programme, standing), Totals()
    lines: dict[int, PointLine] = {}
    for step in _steps(session, standing.works, ways, frozenset()):
        for work, items, found in step:
            line = _line(lines, ways, work, items)
            for one in (totals, line.totals):
                _count(one, found)
    return Preview(
        uuid=programme.uuid,
        title=programme.title,
        version=programme.version,
        number=target.number,
        lines=tuple(sorted(lines.values(), key=lambda line: (line.code, line.number))),
        totals=totals,
        gone=standing.gone,
        decided=standing.decided,
        is_over=_is_over(session, programme, now),
    )


def _line(lines: dict[int, PointLine], ways: Ways, work: Work, items: Sequence[rubrics.ItemEdit]) -> PointLine:
    if work.point not in lines:
        point = ways.points[work.point]
        lines[work.point] = PointLine(point.code, point.name, work.number, ways.lines_of(work.point, items))
    return lines[work.point]


def remark(
    session: Session, actor: Actor, uuid: str, again: Collection[str], seen_version: int, now: datetime
) -> Totals:
    """Does it. `again`: reworded criteria that are to be marked anew, as `CriterionLine.field` names them. A second
    click finds nothing left to do.

    Raises Conflict `programme.changed` where the round was changed since the page was read, Refused `remarking.over`.
    """
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    session.refresh(programme, with_for_update={"key_share": True})
    if programme.version != seen_version:
        raise Conflict("programme.changed")
    if _is_over(session, programme, now):
        raise Refused("remarking.over")
    _hold(session, works_of(session, programme).works)
    standing = works_of(session, programme)  # as they stand now that nobody changes them
    ways, totals = Ways(session, programme, standing), Totals()
    due = due_at(session, programme, now)
    enough = competencies.rules_of(session, programme).review.reviews_per_work
    for step in list(_steps(session, standing.works, ways, frozenset(again))):
        for _work, _items, found in step:
            _count(totals, found)
        _write(session, step, due, enough, now)
    if totals.works:
        details = {
            "number": get(session, competencies.FrameworkVersion, programme.framework_version_id).number,
            **vars(totals),
        }
        competencies.note_event(session, programme, REMARKED, actor.person_id, now, details=details)
    return totals


class _Found(NamedTuple):
    """What becomes of one review: its row, its state, its marks, and what is done with them."""

    review: int
    state: ReviewState
    marks: int
    carried: rubrics.Carried
    edit_class: EditClass

    @property
    def comes_back(self) -> bool:
        """Whether it was handed in and has something to be marked again."""
        return self.state is ReviewState.SUBMITTED and bool(self.carried.missing)


_Step = list[tuple[Work, list[rubrics.ItemEdit], list[_Found]]]


def _is_over(session: Session, programme: Programme, now: datetime) -> bool:
    timezone = get(session, Tenant, programme.tenant_id).timezone
    return programme.archived_at is not None or competencies.is_closed(programme, timezone, now)


def _hold(session: Session, works: Sequence[Work]) -> None:
    """Nobody decides these works, and nobody hands in a review of them, until the transaction is over (in the order in
    which those acts take these locks)."""
    for start in range(0, len(works), A_STEP):
        some = works[start : start + A_STEP]
        held: tuple[tuple[Any, list[int]], ...] = (
            (Submission, [work.submission for work in some]),
            (competencies.SubmissionVersion, [work.version for work in some]),
        )
        for kind, keys in held:
            statement = select(kind.id).where(col(kind.id).in_(keys)).order_by(col(kind.id))
            session.exec(statement.with_for_update(key_share=True)).all()


def _steps(session: Session, works: Sequence[Work], ways: Ways, again: Collection[str]) -> Iterator[_Step]:
    """Works whose criteria are others, with what becomes of their reviews: three queries for two hundred works."""
    for start in range(0, len(works), A_STEP):
        some = works[start : start + A_STEP]
        edits = ways.edits(some)
        if not edits:
            continue
        reviews, marks = reviews_of(session, list(edits))
        step: _Step = []
        for work in some:
            items = edits.get(work.version)
            if items is None:
                continue
            code = ways.points[work.point].code
            anew = {
                MarkKey(item.item_key, key)
                for item in items
                for key in item.edit.becomes
                if f"{code}.{item.item_key}.{key}" in again
            }
            grave = max(item.edit.edit_class for item in items)
            step.append(
                (
                    work,
                    items,
                    [
                        _Found(key, state, len(marks[key]), rubrics.carried(marks[key], items, anew), grave)
                        for key, state in reviews.get(work.version, ())
                    ],
                )
            )
        yield step


def _count(totals: Totals, found: Sequence[_Found]) -> None:
    totals.works += 1
    for one in found:
        if one.state not in rubrics.LIVE:
            continue
        aside = len(one.carried.aside)
        totals.aside += aside
        totals.kept += one.marks - aside
        if one.comes_back:
            totals.again += 1
        elif one.state is not ReviewState.SUBMITTED:
            totals.open += 1
        elif one.edit_class >= EditClass.COUNTED_ANEW:
            totals.counted += 1


def _write(session: Session, step: _Step, due: datetime, enough: int, now: datetime) -> None:
    for work, items, _found in step:
        rubrics.judge_by(session, work.version, {item.requirement_id: item.new_rubric for item in items})
    rubrics.carry_over(session, (one.carried for _work, _items, found in step for one in found), now)
    reviews = by_id(session, Review, [one.review for _work, _items, found in step for one in found])
    counted = {work.version: work.point for work, _items, found in step if _stays(found)}
    sheets = marking.sheets(session, counted)
    drafts = rubrics.drafts_of(session, [one.review for _w, _i, found in step for one in _stays(found)])
    for work, _items, found in step:
        for one in found:
            if one.comes_back:
                rubrics.reopen(session, reviews[one.review], due, now)
        for one in _stays(found):
            level = sheets[work.version].compute(drafts[one.review]).point_level
            if level is not None and level != reviews[one.review].point_level:
                rubrics.recount(session, reviews[one.review], level, now)
        if any(one.state is ReviewState.SUBMITTED for one in found):
            rubrics.summarise(session, work.version, enough, now)


def _stays(found: Sequence[_Found]) -> list[_Found]:
    """Reviews that were handed in and whose marks make something else by now, perhaps."""
    return [
        one
        for one in found
        if one.state is ReviewState.SUBMITTED and not one.comes_back and one.edit_class >= EditClass.COUNTED_ANEW
    ]
