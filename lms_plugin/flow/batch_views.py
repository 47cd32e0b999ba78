"""One school batch: what was drawn and found, the objections, and what the actor may do with it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
from competencies import BatchState, CompetencyPoint, Objection, Submission
from lms_plugin.access import Actor, Permission, can
from lms_plugin.db import by_id, pk
from lms_plugin.flow import batches
from lms_plugin.flow.chain_views import COUNTY
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Person

Text = Mapping[str, str]


@dataclass(frozen=True)
class WorkLine:
    """A work of a batch. `may_check`: the actor may say whether its decision holds; `opens`: may open the case."""

    uuid: str
    author: str
    code: str
    point: Text
    level_words: Mapping[str, Text] | None
    level: int | None
    left_out: str
    drawn: str
    is_upheld: bool | None
    found_reason: str
    found_by: str
    may_check: bool


@dataclass(frozen=True)
class ObjectionLine:
    """An objection. `by`: who says it."""

    uuid: str
    by: str
    author: str
    code: str
    text: str
    raised_at: datetime
    is_upheld: bool | None
    answer: str
    answered_by: str
    may_answer: bool


@dataclass(frozen=True)
class BatchPage:
    """One batch. `drawn`, `left_out`: those of its works; `is_as_drawn`: the draw, worked out again, is the same;
    `is_over`: nothing but its release is to come: `ready` works for it, `held` back by objections without an answer."""

    uuid: str
    programme: str
    title: str
    unit: str
    school: str
    round: int
    state: str
    closed_at: datetime
    closed_by: str
    seed: str
    percent: int
    all_excellent: bool
    is_as_drawn: bool
    levels: Mapping[int, int]
    level_words: Mapping[str, Text] | None  # the framework's own words for its levels
    drawn: tuple[WorkLine, ...]
    left_out: tuple[WorkLine, ...]
    objections: tuple[ObjectionLine, ...]
    shown_at: datetime | None
    ends_on: date | None
    released_at: datetime | None
    may_check: bool
    is_over: bool
    ready: int
    held: int
    may_release: bool
    sees_county: bool

    @property
    def unseen(self) -> int:
        """How many drawn works nobody has looked at."""
        return sum(one.is_upheld is None for one in self.drawn)

    @property
    def overturned(self) -> int:
        """How many did not hold."""
        return sum(one.is_upheld is False for one in self.drawn)


def batch_page(session: Session, actor: Actor, uuid: str, now: datetime) -> BatchPage:
    """One batch with its draw, findings and objections: at most twelve queries with those of the session."""
    batch, programme, unit = batches.batch_of(session, actor, uuid)
    works = competencies.works_of(session, batch)
    looked = [row for row in works if row[0].drawn or row[0].left_out]
    objections = session.exec(
        select(Objection).where(Objection.batch_id == pk(batch)).order_by(col(Objection.id))
    ).all()
    told = _told(session, [row[1] for row in [*looked, *works[:1]]], [one.submission_id for one in objections])
    people = [batch.closed_by_id, *(work.found_by_id or 0 for work, _row in looked)]
    people += [key or 0 for one in objections for key in (one.raised_by_id, one.answered_by_id)]
    names = {key: row.name for key, row in by_id(session, Person, people).items()}
    county = batches.county_scope(session, programme)
    checks = batch.state is BatchState.CHECKING and can(actor, Permission.BATCH_CHECK, county)
    forbidden = batches.hands_on(session, actor, unit, looked) if checks else set()
    levels: dict[int, int] = defaultdict(int)
    for work, _row in works:
        if work.level is not None:
            levels[work.level] += 1
    lines = [
        WorkLine(
            row.uuid,
            *told[pk(row)],
            level=work.level,
            left_out=work.left_out,
            drawn=work.drawn,
            is_upheld=work.is_upheld,
            found_reason=work.found_reason,
            found_by=names.get(work.found_by_id or 0, ""),
            may_check=checks and bool(work.drawn) and pk(row) not in forbidden,
        )
        for work, row in looked
    ]
    is_over = batch.state is BatchState.READY or (
        batch.state is BatchState.SHOWN and batch.ends_at is not None and batch.ends_at <= now
    )
    objected = {one.submission_id for one in objections if one.is_upheld is None}
    waiting = [pk(row) for _work, row in works if row.batch_id == pk(batch) and competencies.is_held(row)]
    ready = sum(key not in objected for key in waiting)
    return BatchPage(
        uuid=batch.uuid,
        programme=programme.uuid,
        title=programme.title,
        unit=unit.uuid,
        school=unit.name,
        round=batch.round,
        state=batch.state.value,
        closed_at=batch.closed_at,
        closed_by=names.get(batch.closed_by_id, ""),
        seed=batch.seed,
        percent=batch.percent,
        all_excellent=batch.all_excellent,
        is_as_drawn=competencies.batches.draw_of(batch, works)
        == {row.uuid: work.drawn for work, row in works if work.drawn},
        levels={level: levels[level] for level in sorted(levels, reverse=True)},
        level_words=told[pk(works[0][1])][3] if works else None,
        drawn=tuple(one for one in lines if one.drawn),
        left_out=tuple(one for one in lines if one.left_out),
        objections=tuple(
            ObjectionLine(
                one.uuid,
                one.said_by or names.get(one.raised_by_id, ""),
                told[one.submission_id][0],
                told[one.submission_id][1],
                one.text,
                one.raised_at,
                one.is_upheld,
                one.answer,
                names.get(one.answered_by_id or 0, ""),
                one.is_upheld is None and can(actor, Permission.OBJECTION_ANSWER, county),
            )
            for one in objections
        ),
        shown_at=batch.shown_at,
        ends_on=batch.ends_on,
        released_at=batch.released_at,
        may_check=checks,
        sees_county=actor.has(*COUNTY),
        is_over=is_over,
        ready=ready,
        held=len(waiting) - ready,
        may_release=is_over and ready > 0 and can(actor, Permission.AWARD_RELEASE, programme_scope(session, programme)),
    )


def _told(
    session: Session, works: list[Submission], also: list[int]
) -> dict[int, tuple[str, str, Text, Mapping[str, Text] | None]]:
    """(author, code, point's name, words of its levels) of these works, by id: one query."""
    statement: Any = (
        columns(
            col(Submission.id),
            col(Person.name),
            col(CompetencyPoint.code),
            col(CompetencyPoint.name),
            col(CompetencyPoint.level_words),
        )
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .where(col(Submission.id).in_([*(pk(work) for work in works), *also]))
    )
    return {key: (name, code, point, words) for key, name, code, point, words in session.exec(statement)}
