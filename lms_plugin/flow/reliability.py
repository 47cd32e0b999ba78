"""互评可靠性: how far the reviewers of a programme can be relied on, and what one reviewer is told of their own marks.

Counted when somebody looks, from submitted reviews of works that at least two have reviewed; no reviewer is named.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import CompetencyPoint, Decision, Programme, Submission, SubmissionVersion
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import by_id, find, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import appeals
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import OrgUnit, Person
from rubrics import CriterionMark, Estimate, Review, ReviewState

A_PAGE = 50
_LEVELS = (0, 1, 2)
_REVIEWERS = 5  # fewer with enough works, and a spread would point at somebody


class Given(NamedTuple):
    """What one reviewer said of one work: the level (0, 1, 2), and the same as a number that tells more where there is
    one: of a whole point the mean over its graded criteria."""

    work: int
    reviewer: int
    level: int
    value: float


@dataclass(frozen=True)
class Figures:
    """How far reviewers agree over some works. `n` is of each figure.

    `together`: of works with two reviews, those where all say 合格 or all say not. `alpha`, `icc`: of one reviewer, of
    all together. `spread`: strictness among reviewers, in levels. `settled`: of decided works, where reviewers differed
    about 合格 and somebody had to say. `overturned`: of decided works where they did not, how many were decided the
    other way.
    """

    together: Estimate
    alpha: Estimate
    icc: Estimate
    spread: Estimate
    settled: Estimate
    overturned: Estimate


def figures(given: Iterable[Given], decided: Mapping[int, bool]) -> Figures:
    """The figures of these marks; `decided`: work → whether it was decided as 合格 or better."""
    by_work: dict[int, dict[int, Given]] = defaultdict(dict)
    for one in given:
        by_work[one.work].setdefault(one.reviewer, one)  # a human being speaks once
    works = {work: list(of_work.values()) for work, of_work in by_work.items() if len(of_work) > 1}
    patterns = Counter(tuple(sum(one.level == level for one in marks) for level in _LEVELS) for marks in works.values())
    sides = {work: {one.level >= competencies.Level.PASS for one in marks} for work, marks in works.items()}
    known = [work for work in works if work in decided]
    alike = [work for work in known if len(sides[work]) == 1]
    return Figures(
        together=rubrics.share(sum(len(side) == 1 for side in sides.values()), len(works)),
        alpha=rubrics.alpha(patterns),
        icc=rubrics.icc(
            [
                (len(marks), sum(one.value for one in marks), sum(one.value**2 for one in marks))
                for marks in works.values()
            ]
        ),
        spread=rubrics.spread(
            (rubrics.Rated(one.work, one.reviewer, one.value) for marks in works.values() for one in marks), _REVIEWERS
        ),
        settled=rubrics.share(len(known) - len(alike), len(known)),
        overturned=rubrics.share(sum(decided[work] not in sides[work] for work in alike), len(alike)),
    )


@dataclass(frozen=True)
class Line:
    """A part of the programme with its figures. `code`: the point's, to look closer; "" of others."""

    name: str | Mapping[str, str]
    code: str
    figures: Figures
    about: Mapping[str, str] | None = None  # of a criterion: the evidence item


@dataclass(frozen=True)
class Page:
    """互评可靠性 of a programme: all of it, or its points, schools or the criteria of a point as `lines`. `objections`,
    `appeals`: how many answered ones were upheld, or gave another level; None where there are none."""

    programme: str
    title: str
    whole: Figures
    objections: Estimate | None
    lines: tuple[Line, ...]
    appeals: Estimate | None = None
    page: int = 1
    total: int = 0

    @property
    def pages(self) -> int:
        """How many pages of 50 there are, at least one."""
        return max(1, -(-self.total // A_PAGE))


class _Work(NamedTuple):
    """A review with the part of the programme that its work belongs to."""

    given: Given
    point_id: int
    unit_id: int | None


def graded(statement: Select[Any]) -> Select[Any]:
    """From reviews over their graded marks, without those that only say 有效 or not, and to who reviews today."""
    return (
        statement.select_from(Review)
        .join(CriterionMark, col(CriterionMark.review_id) == col(Review.id))
        .join(Person, col(Person.id) == col(Review.reviewer_id))
        .where(
            col(Review.state) == ReviewState.SUBMITTED,
            col(CriterionMark.criterion_key) != rubrics.VALIDITY_KEY,
            col(CriterionMark.level).is_not(None),
        )
    )


TODAY = func.coalesce(col(Person.merged_into_id), col(Person.id))


def reviewed(session: Session, programme: Programme) -> list[_Work]:
    """All submitted reviews of the programme, each with the mean of its graded criteria: one query."""
    keys: tuple[Any, ...] = (
        col(Review.submission_version_id),
        TODAY,
        col(Review.point_level),
        col(Submission.point_id),
        col(SubmissionVersion.org_unit_id),
    )
    rows: Any = session.connection().execute(
        graded(columns(*keys, func.sum(col(CriterionMark.level)), func.count(col(CriterionMark.level))))
        .join(Submission, col(Submission.id) == col(Review.submission_id))
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Review.submission_version_id))
        .where(col(Review.programme_id) == pk(programme), col(Review.point_level).is_not(None))
        .group_by(col(Review.id), *keys)
        .order_by(col(Review.id))
    )
    return [
        _Work(Given(version, reviewer, level, total / marks), point, unit)
        for version, reviewer, level, point, unit, total, marks in rows
    ]


def _decided(session: Session, programme: Programme) -> dict[int, bool]:
    """Version → whether it was decided as 合格 or better; returned is not: one query."""
    rows: Any = session.connection().execute(
        columns(col(Decision.submission_version_id), col(Decision.outcome), col(Decision.point_level))
        .join(Submission, col(Submission.id) == col(Decision.submission_id))
        .where(col(Submission.programme_id) == pk(programme))
    )
    return {version: _passes(outcome, level) for version, outcome, level in rows}


def _passes(outcome: competencies.Outcome, level: int | None) -> bool:
    return outcome is competencies.Outcome.DECIDED and (level or 0) >= competencies.Level.PASS


def _objections(session: Session, programme: Programme) -> Estimate | None:
    """How many answered objections were upheld; None in a programme without 公示."""
    if not programme.goes_by_batch:
        return None
    kind = competencies.batches.Objection
    upheld = session.exec(
        select(kind.is_upheld)
        .join(Submission, col(Submission.id) == col(kind.submission_id))
        .where(col(Submission.programme_id) == pk(programme), col(kind.is_upheld).is_not(None))
    ).all()
    return rubrics.share(sum(one is True for one in upheld), len(upheld))


def _programme(session: Session, actor: Actor, uuid: str) -> Programme:
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.RELIABILITY_READ, programme_scope(session, programme))
    return programme


def programme_page(session: Session, actor: Actor, uuid: str) -> Page:
    """The whole programme, and each of its points."""
    programme = _programme(session, actor, uuid)
    works, decided = reviewed(session, programme), _decided(session, programme)
    by_point: dict[str, list[Given]] = defaultdict(list)
    points = by_id(session, CompetencyPoint, sorted({one.point_id for one in works}))
    names = {point.code: point.name for point in points.values()}
    places = {point.code: (point.position, point.code) for point in points.values()}
    for one in works:
        by_point[points[one.point_id].code].append(one.given)
    return Page(
        programme=programme.uuid,
        title=programme.title,
        whole=figures([one.given for one in works], decided),
        objections=_objections(session, programme),
        appeals=changed if (changed := appeals.share_changed(session, pk(programme))).n else None,
        lines=tuple(
            Line(names[code], code, figures(by_point[code], decided))
            for code in sorted(by_point, key=places.__getitem__)
        ),
    )


def schools_page(session: Session, actor: Actor, uuid: str, page: int) -> Page:
    """The schools whose works were reviewed, those with most works first, 50 a page."""
    programme = _programme(session, actor, uuid)
    works, decided = reviewed(session, programme), _decided(session, programme)
    by_unit: dict[int, list[Given]] = defaultdict(list)
    for one in works:
        if one.unit_id is not None:
            by_unit[one.unit_id].append(one.given)
    ordered = sorted(by_unit, key=lambda unit: (-len(by_unit[unit]), unit))
    page = min(page, max(1, -(-len(ordered) // A_PAGE)))
    shown = ordered[(page - 1) * A_PAGE : page * A_PAGE]
    units = by_id(session, OrgUnit, shown)
    return Page(
        programme=programme.uuid,
        title=programme.title,
        whole=figures([one.given for one in works], decided),
        objections=None,
        lines=tuple(Line(units[key].name, "", figures(by_unit[key], decided)) for key in shown),
        page=page,
        total=len(ordered),
    )


def point_page(session: Session, actor: Actor, uuid: str, code: str) -> Page:
    """The criteria of one point of the programme. Raises NotFound where nobody handed anything in for that point."""
    programme = _programme(session, actor, uuid)
    used = select(Submission.point_id).where(col(Submission.programme_id) == pk(programme))
    points = session.exec(
        select(CompetencyPoint)
        .where(CompetencyPoint.code == code, col(CompetencyPoint.id).in_(used))
        .order_by(col(CompetencyPoint.id).desc())
    ).all()
    if not points:
        raise NotFound
    ids = [pk(point) for point in points]
    given: dict[rubrics.MarkKey, list[Given]] = defaultdict(list)
    of_point: list[Given] = []
    rows: Any = session.connection().execute(
        columns(
            col(Review.submission_version_id),
            TODAY,
            col(Review.point_level),
            col(CriterionMark.requirement_key),
            col(CriterionMark.criterion_key),
            col(CriterionMark.level),
        )
        .select_from(Review)
        .join(CriterionMark, col(CriterionMark.review_id) == col(Review.id))
        .join(Person, col(Person.id) == col(Review.reviewer_id))
        .join(Submission, col(Submission.id) == col(Review.submission_id))
        .where(
            col(Review.programme_id) == pk(programme),
            col(Review.state) == ReviewState.SUBMITTED,
            col(Submission.point_id).in_(ids),
            col(Review.point_level).is_not(None),
            col(CriterionMark.level).is_not(None),
        )
        .order_by(col(Review.id), col(CriterionMark.id))
    )
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for version, reviewer, level, item, criterion, mark in rows:
        given[rubrics.MarkKey(item, criterion)].append(Given(version, reviewer, mark, float(mark)))
        if criterion != rubrics.VALIDITY_KEY:
            sums[version, reviewer, level].append(mark)
    of_point = [Given(*key, sum(marks) / len(marks)) for key, marks in sums.items()]
    whole, decided = _decided_criteria(session, programme, ids)
    asked: dict[rubrics.MarkKey, tuple[Mapping[str, str], Mapping[str, str]]] = {}
    for (_point, key), words in criteria_asked(session, ids).items():
        asked.setdefault(key, words)
    return Page(
        programme=programme.uuid,
        title=programme.title,
        whole=figures(of_point, whole),
        objections=None,
        lines=tuple(
            Line(question, code, figures(given[key], decided.get(key, {})), about)
            for key, (about, question) in asked.items()
            if key in given
        ),
    )


def _decided_criteria(
    session: Session, programme: Programme, points: Sequence[int]
) -> tuple[dict[int, bool], dict[rubrics.MarkKey, dict[int, bool]]]:
    """Of the works on these points: whether they passed, and by criterion whether that was met; by version."""
    rows: Any = session.connection().execute(
        columns(
            col(Decision.submission_version_id), col(Decision.outcome), col(Decision.point_level), col(Decision.marks)
        )
        .join(Submission, col(Submission.id) == col(Decision.submission_id))
        .where(col(Submission.programme_id) == pk(programme), col(Submission.point_id).in_(points))
    )
    whole: dict[int, bool] = {}
    found: dict[rubrics.MarkKey, dict[int, bool]] = defaultdict(dict)
    for version, outcome, level, marks in rows:
        whole[version] = _passes(outcome, level)
        for item, of_item in marks.items():
            for criterion, mark in of_item.items():
                if mark.get("level") is not None:
                    found[rubrics.MarkKey(item, criterion)][version] = int(mark["level"]) >= competencies.Level.PASS
    return whole, found


def criteria_asked(
    session: Session, points: Sequence[int]
) -> dict[tuple[int, rubrics.MarkKey], tuple[Mapping[str, str], Mapping[str, str]]]:
    """By point and criterion, in the order of the sheet: the title of the evidence item, and what is asked. Two
    queries."""
    kind = competencies.EvidenceRequirement
    requirements = session.exec(
        select(kind).where(col(kind.point_id).in_(points)).order_by(col(kind.point_id).desc(), col(kind.position))
    ).all()
    texts = rubrics.criteria_of(session, [row.rubric_version_id for row in requirements if row.rubric_version_id])
    return {
        (row.point_id, rubrics.MarkKey(row.key, line.key)): (
            row.title,
            line.texts[min(line.texts)] if line.texts else {},
        )
        for row in requirements
        for line in texts.get(row.rubric_version_id or 0, ())
    }


class OwnLeaning(NamedTuple):
    """A programme, and by how many levels the person lies above those who reviewed the same works."""

    programme: str
    above: Estimate


def own_leaning(session: Session, actor: Actor) -> tuple[OwnLeaning, ...]:
    """What a reviewer is told of their own marks, by programme, the newest first: for their eyes alone, one query."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    seen = select(Review.submission_version_id).where(
        col(Review.tenant_id) == actor.tenant_id,
        col(Review.reviewer_id).in_(actor.person_ids),
        Review.state == ReviewState.SUBMITTED,
    )
    keys: tuple[Any, ...] = (
        col(Review.programme_id),
        col(Programme.title),
        col(Review.submission_version_id),
        col(Review.reviewer_id),
    )
    rows: Any = session.connection().execute(
        graded(columns(*keys, func.sum(col(CriterionMark.level)), func.count(col(CriterionMark.level))))
        .join(Programme, col(Programme.id) == col(Review.programme_id))
        .where(col(Review.tenant_id) == actor.tenant_id, col(Review.submission_version_id).in_(seen))
        .group_by(col(Review.id), *keys)
        .order_by(col(Review.programme_id).desc(), col(Review.id))
    )
    titles: dict[int, str] = {}
    own_marks: dict[tuple[int, int], float] = {}
    others: dict[tuple[int, int], list[float]] = defaultdict(list)
    for programme, title, version, reviewer, total, marks in rows:
        titles[programme] = title
        if actor.is_author(reviewer):
            own_marks[programme, version] = total / marks
        else:
            others[programme, version].append(total / marks)
    apart: dict[int, list[float]] = {programme: [] for programme in titles}
    for key, value in own_marks.items():
        if others[key]:
            apart[key[0]].append(value - sum(others[key]) / len(others[key]))
    return tuple(
        OwnLeaning(titles[programme], rubrics.beside_others(differences)) for programme, differences in apart.items()
    )
