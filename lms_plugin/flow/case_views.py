"""One case on the trainer's desk: the work, what everybody says of it, what stands, and which case comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy import case as when
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, can, own, require
from lms_plugin.db import owned, pk
from lms_plugin.flow import cases, marking, promised, queue_views
from lms_plugin.flow.differences import Differences, differences, latest_decided
from lms_plugin.flow.queue_views import OPEN_FOR
from lms_plugin.flow.reach import DOUBT, FILTERS, OTHERS, filters_of, first_of, joined, place_of, within
from lms_plugin.flow.review_views import ItemView, item_views


@dataclass(frozen=True)
class Square:
    """What one of the parties says of a criterion: "self", "peer" (with its number) or "own"."""

    who: str
    number: int
    level: int | None
    reason: str = ""


@dataclass(frozen=True)
class DecisionView:
    """A decision as it stands, on this version or an earlier one."""

    version_number: int
    outcome: str
    level: int | None
    reason: str
    decided_by: str
    decided_at: datetime
    is_released: bool
    is_by_rule: bool  # it passed by the programme's rules; `decided_by` is who set them


@dataclass(frozen=True)
class Desk:
    """Which part of the queue a trainer works through: a filter of it, the level on which reviewers agree, and whether
    the most doubtful comes first, or the oldest."""

    state: str = "pending"
    agreed: int | None = None
    by_doubt: bool = True


USUAL = Desk()


@dataclass(frozen=True)
class CasePage:
    """A work on the trainer's desk.

    `person`: uuid of the author, for their record.
    `base`: the version of the decision that stands (0 = none), to be sent back with the next one. `agreed`: field →
    level on which all reviewers agree. `can_return`: not once the programme is over. `squares`: field → what everybody
    says. `changes`: item key → "new", "changed", "same" against the version that was returned, and `since`: what became
    of it in detail, None where none came before.
    """

    uuid: str
    programme: str
    person: str
    author: str
    school: str
    point_code: str
    point_name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    state: str
    number: int
    is_late: bool
    declined_at: datetime | None
    declined_reason: str
    submitted_at: datetime
    can_decide: bool
    can_return: bool
    author_may_withdraw_until: datetime | None
    base: int
    reason: str
    items: tuple[ItemView, ...]
    squares: Mapping[str, tuple[Square, ...]]
    agreed: Mapping[str, int]
    changes: Mapping[str, str]
    since: Differences | None
    reviews: int
    peer_levels: tuple[int | None, ...]
    differs: bool
    decision: DecisionView | None
    history: tuple[DecisionView, ...]
    computed_level: int | None
    item_levels: Mapping[str, int | None]
    phrases: tuple[tuple[str, str], ...]
    opened_by: str
    opened_at: datetime | None
    next_uuid: str
    waiting: int
    is_held: bool  # the school has closed its batch
    before: tuple[rubrics.MarkThen, ...]  # marks of its reviewers that stand no more since the criteria changed
    can_undo: bool  # the decision that stands: one's own, or one that the rules made
    sees_record: bool
    sees_trail: bool


def case_page(
    session: Session,
    actor: Actor,
    uuid: str,
    now: datetime,
    typed: Mapping[rubrics.MarkKey, rubrics.DraftMark] | None = None,
    typed_reason: str | None = None,
    case: cases.Case | None = None,
    desk: Desk = USUAL,
) -> CasePage:
    """One case. `typed` stands in for the prefilled marks when a form was refused; `case`: what `open_case` gave."""
    case = case or cases.load_case(session, actor, uuid, Permission.CASE_READ)
    submission, version, scope = case.submission, case.version, case.scope
    before = latest_decided(case.versions, case.decisions, version)
    wanted = {pk(row): submission.point_id for row in (version, before) if row is not None}
    sheets = marking.sheets(session, wanted)
    sheet = sheets[pk(version)]
    reviews, together = cases.agreements(session, [pk(version)])[pk(version)]
    versions, decisions, names = case.versions, case.decisions, case.deciders
    standing = decisions.get(pk(version))
    marks = dict(typed) if typed is not None else _prefill(sheet, version, together, standing, decisions, versions)
    opened = _others(actor, case, now)
    computed = sheet.compute(marks)
    following = _next(session, actor, case, desk, now)
    is_held = case.programme.goes_by_batch and competencies.is_held(submission)
    can_decide = can(actor, Permission.CASE_DECIDE, scope) and (standing is None or standing.released_at is None)
    can_decide = can_decide and not is_held and not actor.is_guessable
    return CasePage(
        uuid=submission.uuid,
        programme=case.programme.uuid,
        person=case.person,
        author=case.author,
        school=case.school,
        point_code=case.point.code,
        point_name=case.point.name,
        level_words=case.point.level_words,
        state=submission.state.value,
        number=version.number,
        is_late=version.is_late,
        declined_at=version.declined_at,
        declined_reason=version.declined_reason,
        submitted_at=version.submitted_at,
        can_decide=can_decide,
        can_return=can_decide and not cases.is_over(session, case, now),
        author_may_withdraw_until=_withdraw_until(case, now),
        base=standing.version if standing is not None else 0,
        reason=typed_reason if typed_reason is not None else (standing.reason if standing is not None else ""),
        items=item_views(sheet, marks, blind=False),
        squares=_squares(sheet, version, reviews, standing),
        agreed={
            f"{key.item_key}.{key.criterion_key}": int(one.agreed)
            for key, one in together.criteria.items()
            if one.agreed is not None
        },
        changes={
            str(item["requirement"]): str(item.get("change", "new"))
            for item in version.manifest.get("items", [])
            if version.number > 1
        },
        since=differences(sheets[pk(before)], sheet, decisions[pk(before)], before.number) if before else None,
        reviews=together.reviewers,
        peer_levels=tuple(level for level, _drafts in reviews),
        differs=together.differ_on_pass,
        decision=_decision_view(standing, version, names) if standing is not None else None,
        history=tuple(
            _decision_view(decisions[key], versions[key], names)
            for key in sorted(decisions, key=lambda key: versions[key].number)
            if key != pk(version)
        ),
        computed_level=computed.point_level,
        item_levels=computed.item_levels,
        phrases=phrases_of(session, actor),
        opened_by=opened[0] if opened is not None else "",
        opened_at=opened[1] if opened is not None else None,
        next_uuid=following[0],
        waiting=following[1],
        is_held=is_held,
        before=tuple(rubrics.marks_before(session, pk(version))) if sheet.is_judged_anew else (),
        can_undo=_can_undo(actor, case, standing, is_held=is_held),
        sees_record=can(actor, Permission.RECORD_READ, scope),
        sees_trail=can(actor, Permission.TRAIL_READ, scope),
    )


def _can_undo(actor: Actor, case: cases.Case, standing: competencies.Decision | None, *, is_held: bool) -> bool:
    return (
        standing is not None
        and standing.released_at is None
        and case.submission.state is competencies.SubmissionState.DECIDED
        and not is_held
        and (standing.by_policy_id is not None or actor.is_author(standing.decided_by_id))
        and can(actor, Permission.CASE_UNDO, case.scope)
    )


def _withdraw_until(case: cases.Case, now: datetime) -> datetime | None:
    """Until when nobody can decide because the author may still withdraw; None once that time is over."""
    ends_at = competencies.withdraw_ends_at(case.version, case.rules)
    return ends_at if now < ends_at else None


def _prefill(
    sheet: marking.Sheet,
    version: competencies.SubmissionVersion,
    together: rubrics.Agreement,
    standing: competencies.Decision | None,
    decisions: Mapping[int, competencies.Decision],
    versions: Mapping[int, competencies.SubmissionVersion],
) -> dict[rubrics.MarkKey, rubrics.DraftMark]:
    """What stands; else what the reviewers agree on, and of a work that came back what passed before and stands."""
    if standing is not None:
        return _marks_of(standing)
    found = {
        key: rubrics.DraftMark(int(one.agreed), "\n".join(one.reasons) if int(one.agreed) == 0 else "")
        for key, one in together.criteria.items()
        if one.agreed is not None and key in sheet.expected
    }
    stands = {item["requirement"] for item in version.manifest.get("items", []) if item.get("stands")}
    before = [key for key in decisions if versions[key].number < version.number]
    if before and stands:
        last = decisions[max(before, key=lambda key: versions[key].number)]
        found |= {key: mark for key, mark in _marks_of(last).items() if key.item_key in stands}
    return found


def _marks_of(decision: competencies.Decision) -> dict[rubrics.MarkKey, rubrics.DraftMark]:
    return {
        rubrics.MarkKey(item, criterion): rubrics.DraftMark(mark.get("level"), mark.get("reason", ""))
        for item, marks in decision.marks.items()
        for criterion, mark in marks.items()
    }


def _squares(
    sheet: marking.Sheet,
    version: competencies.SubmissionVersion,
    reviews: tuple[tuple[int | None, rubrics.Drafts], ...],
    standing: competencies.Decision | None,
) -> dict[str, tuple[Square, ...]]:
    own_marks = _marks_of(standing) if standing is not None else {}
    found = {}
    for key in sheet.expected:
        row = [Square("self", 0, version.self_marks.get(key.item_key, {}).get(key.criterion_key))]
        for number, (_level, drafts) in enumerate(reviews, start=1):
            draft = drafts.get(key, rubrics.DraftMark(None))
            row.append(Square("peer", number, draft.level, draft.reason))
        row.append(Square("own", 0, own_marks.get(key, rubrics.DraftMark(None)).level))
        found[f"{key.item_key}.{key.criterion_key}"] = tuple(row)
    return found


def _decision_view(
    row: competencies.Decision, version: competencies.SubmissionVersion, names: Mapping[int, str]
) -> DecisionView:
    return DecisionView(
        version_number=version.number,
        outcome=row.outcome.value,
        level=row.point_level,
        reason=row.reason,
        decided_by=names.get(row.decided_by_id, ""),
        decided_at=row.decided_at,
        is_released=row.released_at is not None,
        is_by_rule=row.by_policy_id is not None,
    )


def phrases_of(session: Session, actor: Actor) -> tuple[tuple[str, str], ...]:
    """The actor's own 常用评语: (uuid, text)."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    rows = session.exec(
        owned(rubrics.Phrase, actor.tenant_id)
        .where(col(rubrics.Phrase.person_id).in_(actor.person_ids))
        .order_by(col(rubrics.Phrase.id))
    )
    return tuple((row.uuid, row.text) for row in rows)


def _others(actor: Actor, case: cases.Case, now: datetime) -> tuple[str, datetime] | None:
    """Which colleague opened it last within half an hour, and when."""
    return next(
        (
            (name, row.opened_at)
            for row, name in case.openings
            if not actor.is_author(row.person_id) and row.opened_at > now - OPEN_FOR
        ),
        None,
    )


def next_case(session: Session, actor: Actor, uuid: str, now: datetime, desk: Desk = USUAL) -> str:
    """The uuid of the case that opens after this one; "" when none waits."""
    return _next(session, actor, cases.load_case(session, actor, uuid, Permission.CASE_READ), desk, now)[0]


def _next(session: Session, actor: Actor, case: cases.Case, desk: Desk, now: datetime) -> tuple[str, int]:
    """The next case of this part of the queue, in the queue's order (the first one again after the last), and how many
    others are in it.

    What a colleague returned comes last: that colleague looks at it again.
    """
    submission, at = case.submission, col(competencies.SubmissionVersion.submitted_at)
    key, whose = col(competencies.Submission.id), first_of(actor)
    asks_promise = desk.state == "overdue"
    promises = promised.promises_of(session, [case.programme]) if asks_promise else {}
    filters = {**filters_of(actor), **queue_views.overdue_of(promises, now)}
    wanted = and_(
        within(actor, case.programme),
        filters.get(desk.state, FILTERS["pending"]),
        key != pk(submission),
    )
    if desk.agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == desk.agreed)
    place, since = place_of(actor, submission), case.version.submitted_at
    later = or_(at > since, and_(at == since, key > pk(submission)))
    by_doubt = desk.by_doubt and desk.state not in queue_views.IN_ORDER_OF_TIME
    if by_doubt:
        rank = _rank(case)
        later = or_(rank > DOUBT, and_(rank == DOUBT, later))
    follows = or_(whose > place, and_(whose == place, later))
    row = session.exec(
        joined(select(competencies.Submission.uuid, func.count().over()))
        .where(col(competencies.Submission.tenant_id) == actor.tenant_id, wanted)
        .order_by(
            when((whose == OTHERS, 1), else_=0),
            when((follows, 0), else_=1),
            whose,
            *([DOUBT.desc()] if by_doubt else []),
            at,
            key,
        )
        .limit(1)
    ).first()
    return (row[0], int(row[1])) if row is not None else ("", 0)


def _rank(case: cases.Case) -> ColumnElement[int]:
    """How soon this case is to be looked at, as `reach.DOUBT` has it: a part of the query for the next one."""
    kept = select(rubrics.ReviewSummary.doubt_millionths).where(
        rubrics.ReviewSummary.submission_version_id == pk(case.version)
    )
    return func.coalesce(kept.scalar_subquery(), rubrics.UNKNOWN_RANK)
