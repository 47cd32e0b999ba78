"""Where appeals stand: for their author (by when, and what came of it), for officers (how many, which are late, what a
short panel needs) and for auditors (who was asked, what they opened, said and when)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Award, CompetencyPoint, Programme, Submission
from lms_plugin.access import Actor, Permission, can, require, somewhere
from lms_plugin.db import by_id, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import appeal_panel, marking
from lms_plugin.flow.reach import submissions_within
from lms_plugin.flow.scopes import submission_scope
from lms_plugin.people import OrgUnit, Person, RoleKind
from rubrics import AT_WORK, Appeal, AppealPoint, AppealReview, AppealState, MemberState

A_PAGE = 50
_Version = competencies.SubmissionVersion
FILTERS = ("open", "late", "settled", "withdrawn")
Text = Mapping[str, str]


@dataclass(frozen=True)
class Line:
    """One criterion that is asked about: why, what it was, what it is since, and the panel's words."""

    item: Text
    asks: Text
    is_validity: bool
    reason: str
    before: int
    after: int | None
    answer: str


@dataclass(frozen=True)
class MemberLine:
    """One who was asked, for officers and auditors. `files`: how many files of the work they opened; `said`: level by
    the place of the criterion among the lines, None where nothing is said."""

    name: str
    is_trainer: bool
    state: str
    asked_at: datetime
    opened_at: datetime | None
    submitted_at: datetime | None
    ended_at: datetime | None
    files: int
    said: tuple[int | None, ...]


@dataclass(frozen=True)
class AppealPage:
    """One appeal. For its author `members` is empty: of the panel they read how many have spoken. `short`: how many
    members the panel lacks, for an officer who may do something about it (`appeal_panel.choices`)."""

    uuid: str
    submission: str
    programme: str
    code: str
    name: Text
    level_words: Mapping[str, Text] | None
    author: str
    school: str
    is_own: bool
    state: str
    panel: str
    may_fall: bool
    before_level: int
    after_level: int | None
    is_taken_back: bool  # an officer took the award: it stays so, whatever the panel says
    raised_at: datetime
    due_at: datetime
    settled_at: datetime | None
    withdrawn_at: datetime | None
    is_late: bool
    lines: tuple[Line, ...]
    spoken: int
    wanted: int
    members: tuple[MemberLine, ...]
    short: int


def page(session: Session, actor: Actor, uuid: str, now: datetime) -> AppealPage:
    """The page of one appeal, for its author, officers and auditors. Raises NotFound, and Forbidden for who is on its
    panel: they are to know nothing of it."""
    statement: Any = (
        columns(
            Appeal, Submission, CompetencyPoint, Programme, col(Person.name), col(OrgUnit.name), col(Award.revoked_at)
        )
        .join(Submission, col(Submission.id) == col(Appeal.submission_id))
        .join(
            Award,
            (col(Award.decision_id) == col(Appeal.decision_id)) & col(Award.is_replaced).is_(False),
            isouter=True,
        )
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(Programme, col(Programme.id) == col(Submission.programme_id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(_Version, col(_Version.id) == col(Appeal.submission_version_id))
        .join(OrgUnit, col(OrgUnit.id) == col(_Version.org_unit_id), isouter=True)
        .where(col(Appeal.tenant_id) == actor.tenant_id, col(Appeal.uuid) == uuid)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        raise NotFound
    row, work, point, programme, author, school, revoked_at = found
    is_own, scope = actor.is_author(row.person_id), submission_scope(session, work)
    require(actor, Permission.APPEAL_RAISE if is_own else Permission.APPEAL_READ, scope)
    members = appeal_panel.members_of(session, [pk(row)])[pk(row)]
    if any(actor.is_author(one.reviewer_id) and one.state in AT_WORK for one in members):
        raise Forbidden
    said = [appeal_panel.given_by(one) for one in appeal_panel.spoken(row, members)]
    asked, keys = _lines(session, row, work)
    short = appeal_panel.short_of(row, members)
    may_choose = not is_own and short > 0 and can(actor, Permission.APPEAL_PANEL, scope)
    return AppealPage(
        uuid=row.uuid,
        submission=work.uuid,
        programme=programme.title,
        code=point.code,
        name=point.name,
        level_words=point.level_words,
        author="" if is_own else author,
        school="" if is_own else school or "",
        is_own=is_own,
        state=row.state.value,
        panel=row.panel,
        may_fall=row.may_fall,
        before_level=int(row.before["point_level"] or 0),
        after_level=row.after_level,
        is_taken_back=revoked_at is not None and (row.after_level or 0) >= competencies.Level.PASS,
        raised_at=row.raised_at,
        due_at=row.due_at,
        settled_at=row.settled_at,
        withdrawn_at=row.withdrawn_at,
        is_late=row.state is AppealState.OPEN and row.due_at <= now,
        lines=asked,
        spoken=len(said),
        wanted=rubrics.appeals.wanted(row.panel, said),
        members=() if is_own else _members(session, row, members, keys),
        short=short if may_choose else 0,
    )


def _lines(session: Session, row: Appeal, work: Submission) -> tuple[tuple[Line, ...], list[tuple[str, str]]]:
    points = {
        (one.requirement_key, one.criterion_key): one
        for one in session.exec(
            select(AppealPoint).where(AppealPoint.appeal_id == pk(row)).order_by(col(AppealPoint.id))
        )
    }
    found, keys = [], []
    for item in marking.sheet(session, row.submission_version_id, work.point_id).items:
        for line in item.criteria:
            one = points.get((item.key, line.key))
            if one is not None:
                asks = line.texts[min(line.texts)] if line.texts else {}
                title = item.requirement.title
                found.append(Line(title, asks, line.is_validity, one.reason, one.before, one.after, one.answer))
                keys.append((item.key, line.key))
    return tuple(found), keys


def _members(
    session: Session, row: Appeal, members: list[AppealReview], keys: list[tuple[str, str]]
) -> tuple[MemberLine, ...]:
    names = {key: person.name for key, person in by_id(session, Person, [one.reviewer_id for one in members]).items()}
    event = rubrics.ReviewEvent
    viewed = dict(
        session.exec(
            select(event.person_id, func.count(func.distinct(event.detail)))
            .where(
                event.submission_version_id == row.submission_version_id,
                event.kind == "viewed",
                col(event.detail) != "",
                col(event.person_id).in_(names),
            )
            .group_by(col(event.person_id))
        ).all()
    )
    found = []
    for one in members:
        given = appeal_panel.given_by(one) if one.state is MemberState.SUBMITTED else {}
        found.append(
            MemberLine(
                name=names.get(one.reviewer_id, ""),
                is_trainer=one.is_trainer,
                state=one.state.value,
                asked_at=one.asked_at,
                opened_at=one.opened_at,
                submitted_at=one.submitted_at,
                ended_at=one.ended_at,
                files=viewed.get(one.reviewer_id, 0),
                said=tuple(given[key].level if key in given else None for key in keys),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class InboxLine:
    """One appeal in the list. `short`: members that its panel lacks."""

    uuid: str
    code: str
    name: Text
    author: str
    school: str
    programme: str
    state: str
    raised_at: datetime
    due_at: datetime
    is_late: bool
    before_level: int
    after_level: int | None
    level_words: Mapping[str, Text] | None
    short: int


@dataclass(frozen=True)
class Inbox:
    """Appeals within an officer's or auditor's reach: `counts` by filter and "changed" (settled with another level),
    those of one filter on `lines`, 50 a page, what is due first."""

    counts: Mapping[str, int]
    chosen: str
    lines: tuple[InboxLine, ...]

    @property
    def total(self) -> int:
        """How many the chosen filter has."""
        return self.counts[self.chosen]


def inbox(session: Session, actor: Actor, chosen: str, number: int, now: datetime) -> Inbox:
    """The list of officers and auditors, without what is the actor's own or waits for their own marks: four queries."""
    require(actor, Permission.APPEAL_READ, somewhere(actor))
    open_, late = AppealState.OPEN, col(Appeal.due_at) <= now
    wanted = {
        "open": col(Appeal.state) == open_,
        "late": and_(col(Appeal.state) == open_, late),
        "settled": col(Appeal.state) == AppealState.SETTLED,
        "withdrawn": col(Appeal.state) == AppealState.WITHDRAWN,
    }
    chosen = chosen if chosen in wanted else "open"
    asked_of = select(AppealReview.id).where(
        col(AppealReview.appeal_id) == col(Appeal.id),
        col(AppealReview.reviewer_id).in_(actor.person_ids),
        col(AppealReview.state).in_(AT_WORK),
    )
    within = and_(
        submissions_within(actor, RoleKind.OFFICER, RoleKind.AUDITOR),
        col(Appeal.person_id).not_in(actor.person_ids),
        ~asked_of.exists(),
    )
    counted: Any = columns(
        *(func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in wanted.values())
    ).select_from(Appeal)
    row = session.execute(counted.join(Submission, col(Submission.id) == col(Appeal.submission_id)).where(within))
    counts = dict(zip(wanted, (int(value) for value in row.one()), strict=True))
    statement: Any = (
        columns(Appeal, CompetencyPoint, col(Person.name), col(OrgUnit.name), col(Programme.title))
        .join(Submission, col(Submission.id) == col(Appeal.submission_id))
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(Appeal.submission_version_id),
        )
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(Programme, col(Programme.id) == col(Submission.programme_id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .where(within, wanted[chosen])
        .order_by(
            *([col(Appeal.due_at)] if chosen in ("open", "late") else [col(Appeal.raised_at).desc()]),
            col(Appeal.id),
        )
        .offset((number - 1) * A_PAGE)
        .limit(A_PAGE)
    )
    rows: list[Any] = list(session.execute(statement).all())
    members = appeal_panel.members_of(session, [pk(one[0]) for one in rows])
    return Inbox(
        counts,
        chosen,
        tuple(
            InboxLine(
                uuid=one.uuid,
                code=point.code,
                name=point.name,
                author=name,
                school=school or "",
                programme=title,
                state=one.state.value,
                raised_at=one.raised_at,
                due_at=one.due_at,
                is_late=one.state is open_ and one.due_at <= now,
                before_level=int(one.before["point_level"] or 0),
                after_level=one.after_level,
                level_words=point.level_words,
                short=appeal_panel.short_of(one, members[pk(one)]),
            )
            for one, point, name, school, title in rows
        ),
    )


def waiting(session: Session, actor: Actor, now: datetime) -> tuple[int, int]:
    """How many appeals wait within an officer's reach, and how many of them are late: for the page of the programme's
    officers. One query; (0, 0) for who may not read them."""
    if not can(actor, Permission.APPEAL_READ, somewhere(actor)):
        return 0, 0
    late = func.coalesce(func.sum(case((col(Appeal.due_at) <= now, 1), else_=0)), 0)
    row = session.execute(
        columns(func.count(), late)
        .select_from(Appeal)
        .join(Submission, col(Submission.id) == col(Appeal.submission_id))
        .where(
            or_(col(Appeal.state) == AppealState.OPEN),
            submissions_within(actor, RoleKind.OFFICER, RoleKind.AUDITOR),
            col(Appeal.person_id).not_in(actor.person_ids),
        )
    ).one()
    return int(row[0]), int(row[1])
