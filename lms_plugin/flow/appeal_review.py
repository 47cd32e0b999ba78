"""A member of an appeal's fresh panel at work: the material, the criteria that are asked about, the author's reasons;
no earlier mark, no name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import CompetencyPoint, Submission
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import appeal_panel, appeals, marking
from lms_plugin.flow.review_views import ItemView, item_views
from rubrics import AT_WORK, Appeal, AppealPoint, AppealReview, MemberState

Text = Mapping[str, str]


@dataclass(frozen=True)
class MemberPage:
    """What a member sees. `asked`: the author's reason by criterion ("item.criterion"); `is_open`: it can still be
    worked on."""

    uuid: str
    version: int
    state: str
    code: str
    name: Text
    level_words: Mapping[str, Text] | None
    due_at: datetime
    saved_at: datetime | None
    items: tuple[ItemView, ...]
    asked: Mapping[str, str]
    is_open: bool

    @property
    def left(self) -> int:
        """How many criteria have no level yet."""
        return sum(line.level is None for item in self.items for line in item.criteria)


@dataclass(frozen=True)
class MemberTask:
    """An appeal that somebody is asked to look at."""

    uuid: str
    code: str
    name: Text
    due_at: datetime


def load(session: Session, actor: Actor, uuid: str) -> tuple[AppealReview, Appeal, Submission]:
    """The actor's own part in a panel. Raises NotFound, Forbidden."""
    member = find(session, AppealReview, actor.tenant_id, uuid)
    row = get(session, Appeal, member.appeal_id)
    work = get(session, Submission, row.submission_id)
    require(
        actor,
        Permission.APPEAL_REVIEW,
        Scope(member.tenant_id, owner_id=work.person_id, reviewer_id=member.reviewer_id),
    )
    return member, row, work


def tasks(session: Session, actor: Actor) -> tuple[MemberTask, ...]:
    """The appeals that wait for the actor, the most urgent first: one query."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    rows = session.exec(
        select(AppealReview, CompetencyPoint)
        .join(Appeal, col(Appeal.id) == col(AppealReview.appeal_id))
        .join(Submission, col(Submission.id) == col(Appeal.submission_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .where(col(AppealReview.reviewer_id).in_(actor.person_ids), col(AppealReview.state).in_(AT_WORK))
        .order_by(col(AppealReview.due_at), col(AppealReview.id))
    ).all()
    return tuple(MemberTask(member.uuid, point.code, point.name, member.due_at) for member, point in rows)


def open_page(
    session: Session, actor: Actor, uuid: str, now: datetime, typed: rubrics.Drafts | None = None
) -> MemberPage:
    """The page of a member; the first look is kept for the audit. `typed`: a form that was refused."""
    member, row, work = load(session, actor, uuid)
    if member.state is MemberState.ASKED:
        member.state, member.opened_at = MemberState.OPEN, now
        session.add(member)
        rubrics.record_event(session, row.submission_version_id, actor.person_id, "appeal_opened", now)
        session.flush()
    point = get(session, CompetencyPoint, work.point_id)
    is_open = member.state in AT_WORK
    asked = {(one.requirement_key, one.criterion_key): one.reason for one in _points(session, row)}
    shown: tuple[ItemView, ...] = ()
    if is_open or member.state is MemberState.SUBMITTED:
        sheet = marking.sheet(session, row.submission_version_id, work.point_id)
        shown = tuple(
            _only(item, asked)
            for item in item_views(sheet, typed if typed is not None else _drafts(member), blind=True)
        )
    return MemberPage(
        uuid=member.uuid,
        version=member.version,
        state=member.state.value,
        code=point.code,
        name=point.name,
        level_words=point.level_words,
        due_at=member.due_at,
        saved_at=member.saved_at,
        items=shown,
        asked={f"{item}.{key}": reason for (item, key), reason in asked.items()},
        is_open=is_open,
    )


def save(
    session: Session, actor: Actor, uuid: str, drafts: rubrics.Drafts, version: int, now: datetime
) -> AppealReview:
    """Keeps the marks as they stand. Raises Conflict `appeal.saved_elsewhere` where another page saved since `version`,
    Refused `appeal.member_over` where nobody waits for it any more, Invalid where a reason is too long."""
    member, row, _work = load(session, actor, uuid)
    session.refresh(member, with_for_update=True)
    if member.state not in AT_WORK:
        raise Refused("appeal.member_over")
    if version and version != member.version:
        raise Conflict("appeal.saved_elsewhere")
    marking.require_readable({f"{key.item_key}.{key.criterion_key}": mark.reason for key, mark in drafts.items()})
    expected = _expected(session, row)
    kept: dict[str, dict[str, dict[str, object]]] = {}
    for key, draft in drafts.items():
        if key in expected:
            level = draft.level if draft.level in expected[key] else None
            kept.setdefault(key.item_key, {})[key.criterion_key] = {"level": level, "reason": draft.reason.strip()}
    member.marks, member.saved_at = kept, now
    if member.state is MemberState.ASKED:
        member.state, member.opened_at = MemberState.OPEN, now
    session.add(member)
    session.flush()
    return member


def submit(
    session: Session, actor: Actor, uuid: str, drafts: rubrics.Drafts, version: int, now: datetime
) -> AppealReview:
    """Hands the marks in; the appeal is settled where enough have spoken. Raises as `save`, and Invalid by criterion:
    each needs a level and, whatever it is, the reason, for the author reads it. Twice is once."""
    member, row, _work = load(session, actor, uuid)
    session.refresh(row, with_for_update=True)
    session.refresh(member)
    if member.state is MemberState.SUBMITTED:
        return member
    member = save(session, actor, uuid, drafts, version, now)
    said = appeal_panel.given_by(member)
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    for key in _expected(session, row):
        one = said.get((key.item_key, key.criterion_key))
        if one is None:
            wrong[f"{key.item_key}.{key.criterion_key}"] = "decision.level_missing"
        elif not one.reason:
            wrong[f"{key.item_key}.{key.criterion_key}"] = "appeal.words_missing"
    if wrong:
        raise Invalid(wrong)
    member.state, member.submitted_at = MemberState.SUBMITTED, now
    session.add(member)
    rubrics.record_event(session, row.submission_version_id, actor.person_id, "appeal_marked", now)
    session.flush()
    appeals.go_on(session, row, now)
    return member


def step_back(session: Session, actor: Actor, uuid: str, now: datetime) -> None:
    """申请回避: it costs nothing, and somebody else is asked at once. Raises Refused `appeal.member_over`."""
    member, row, _work = load(session, actor, uuid)
    session.refresh(row, with_for_update=True)
    session.refresh(member)
    if member.state is MemberState.STEPPED_BACK:
        return
    if member.state not in AT_WORK:
        raise Refused("appeal.member_over")
    member.state, member.ended_at = MemberState.STEPPED_BACK, now
    session.add(member)
    rubrics.record_event(session, row.submission_version_id, actor.person_id, "appeal_recused", now)
    session.flush()
    appeal_panel.fill(session, row, now)


def _points(session: Session, row: Appeal) -> list[AppealPoint]:
    return list(session.exec(select(AppealPoint).where(AppealPoint.appeal_id == pk(row)).order_by(col(AppealPoint.id))))


def _expected(session: Session, row: Appeal) -> dict[rubrics.MarkKey, tuple[int | bool, ...]]:
    """The criteria that are asked about, with the levels that each may get."""
    work = get(session, competencies.Submission, row.submission_id)
    asked = {rubrics.MarkKey(one.requirement_key, one.criterion_key) for one in _points(session, row)}
    sheet = marking.sheet(session, row.submission_version_id, work.point_id)
    return {key: levels for key, levels in sheet.expected.items() if key in asked}


def _drafts(member: AppealReview) -> rubrics.Drafts:
    return {
        rubrics.MarkKey(item, key): rubrics.DraftMark(mark.get("level"), mark.get("reason", ""))
        for item, marks in member.marks.items()
        for key, mark in marks.items()
    }


def _only(item: ItemView, asked: Mapping[tuple[str, str], str]) -> ItemView:
    lines = tuple(line for line in item.criteria if tuple(line.field.split(".", 1)) in asked)
    return ItemView(item.key, item.title, item.is_core, item.is_required, item.pieces, lines)
