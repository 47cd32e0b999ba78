"""请评审员看看: a reviewer of a work, or an author of what was said of theirs, asks a trainer to look; the trainer
settles it with a word. By itself it changes no mark and no state: whatever follows is an act of the desk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import drafts, message_reach, message_words, messages, reach
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.review import load_review
from lms_plugin.flow.scopes import submission_scope
from lms_plugin.people import Person

BY_REVIEWERS = (
    rubrics.FlagKind.COPIED,
    rubrics.FlagKind.UNFIT,
    rubrics.FlagKind.LEAK,
    rubrics.FlagKind.UNOPENABLE,
    rubrics.FlagKind.OTHER,
)
BY_AUTHORS = (rubrics.FlagKind.RUDE, rubrics.FlagKind.EMPTY, rubrics.FlagKind.OTHER)
LONGEST = 500
SIZE = 50


@dataclass(frozen=True)
class Said:
    """A flag as typed: the value of a `rubrics.FlagKind`, words, and which reason is meant ("item.criterion", "" = the
    whole)."""

    kind: str
    words: str
    about: str = ""


@dataclass(frozen=True)
class FlagLine:
    """One flag as its page shows it. `by_author`: else by a reviewer, whose name stays out; `answer` "" = open."""

    uuid: str
    submission: str
    point_code: str
    point_name: Mapping[str, str]
    author: str
    kind: str
    about: str
    words: str
    raised_at: datetime
    by_author: bool
    answer: str
    settled_by: str
    settled_at: datetime | None


@dataclass(frozen=True)
class Own:
    """What somebody said of one work themselves, for the page where they say it. `title`: code and name of the point;
    `kinds`: what they may choose from."""

    point_code: str
    point_name: Mapping[str, str]
    number: int  # of the reviewer's own list; 0 for the author
    kinds: tuple[str, ...]
    flag: FlagLine | None


def of_review(session: Session, actor: Actor, review_uuid: str) -> Own:
    """What the reviewer said of this work, newest first, and the trainer's answer with everything blotted out by which
    the author may be known. Raises as `load_review`."""
    review = load_review(session, actor, review_uuid)
    flag = _last(session, col(rubrics.ReviewFlag.review_id) == pk(review))
    work = get(session, competencies.Submission, review.submission_id)
    own_view = _own(session, work, flag, BY_REVIEWERS, review.blind_number, is_blind=True)
    if own_view.flag is None or not own_view.flag.answer:
        return own_view
    rows = rows_by_row(session, {work.person_id})[work.person_id]
    answer = media.mask(own_view.flag.answer, drafts.traits_of(session, rows).needles)
    return replace(own_view, flag=replace(own_view.flag, answer=answer))


def of_author(session: Session, actor: Actor, submission_uuid: str) -> Own:
    """What the author said of the reasons on their work. Raises NotFound for another district's, Forbidden for
    somebody else's."""
    work = _own_work(session, actor, submission_uuid)
    by_author = and_(col(rubrics.ReviewFlag.submission_id) == pk(work), col(rubrics.ReviewFlag.review_id).is_(None))
    return _own(session, work, _last(session, by_author), BY_AUTHORS, 0, is_blind=False)


def _own(
    session: Session,
    work: competencies.Submission,
    flag: rubrics.ReviewFlag | None,
    kinds: tuple[rubrics.FlagKind, ...],
    number: int,
    *,
    is_blind: bool,
) -> Own:
    point = get(session, competencies.CompetencyPoint, work.point_id)
    line = _line(flag, work, point, "", "", is_blind=is_blind) if flag is not None else None
    return Own(point.code, point.name, number, tuple(kind.value for kind in kinds), line)


def _own_work(session: Session, actor: Actor, uuid: str) -> competencies.Submission:
    work = find(session, competencies.Submission, actor.tenant_id, uuid)
    require(actor, Permission.SUBMISSION_SUBMIT, Scope(work.tenant_id, owner_id=work.person_id))
    return work


def _last(session: Session, where: ColumnElement[bool]) -> rubrics.ReviewFlag | None:
    return session.exec(select(rubrics.ReviewFlag).where(where).order_by(col(rubrics.ReviewFlag.id).desc())).first()


def flag_work(session: Session, actor: Actor, review_uuid: str, said: Said, now: datetime) -> rubrics.ReviewFlag:
    """The reviewer asks a trainer to look at the work; the review goes on as before.

    Said once more before it is settled, it is the same flag in new words. Raises Invalid naming the field, Refused
    `flag.not_opened` for a work that the reviewer has not looked at.
    """
    review = load_review(session, actor, review_uuid)
    if review.opened_at is None:
        raise Refused("flag.not_opened")
    work = get(session, competencies.Submission, review.submission_id)
    mine = col(rubrics.ReviewFlag.review_id) == pk(review)
    return _raise(session, actor, work, review.submission_version_id, review, said, BY_REVIEWERS, mine, now)


def flag_reason(session: Session, actor: Actor, submission_uuid: str, said: Said, now: datetime) -> rubrics.ReviewFlag:
    """The author asks a trainer to look at what was said of their work. Raises as `flag_work`; Refused
    `flag.nothing_said` while nobody has said anything that the author can read."""
    work = _own_work(session, actor, submission_uuid)
    decision = session.exec(
        select(competencies.Decision)
        .where(competencies.Decision.submission_id == pk(work))
        .order_by(col(competencies.Decision.id).desc())
    ).first()
    is_told = decision is not None and (
        decision.released_at is not None or decision.outcome is competencies.Outcome.RETURNED
    )
    if decision is None or not is_told:
        raise Refused("flag.nothing_said")
    if said.about and said.about not in {f"{item}.{key}" for item, marks in decision.marks.items() for key in marks}:
        raise Invalid({"about": "form.choose"})
    mine = and_(col(rubrics.ReviewFlag.submission_id) == pk(work), col(rubrics.ReviewFlag.review_id).is_(None))
    return _raise(session, actor, work, decision.submission_version_id, None, said, BY_AUTHORS, mine, now)


def _raise(
    session: Session,
    actor: Actor,
    work: competencies.Submission,
    version_id: int,
    review: rubrics.Review | None,
    said: Said,
    kinds: tuple[rubrics.FlagKind, ...],
    mine: ColumnElement[bool],
    now: datetime,
) -> rubrics.ReviewFlag:
    kind = next((one for one in kinds if one.value == said.kind), None)
    words = said.words.strip()
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if kind is None:
        wrong["kind"] = "flag.kind_missing"
    elif kind is rubrics.FlagKind.OTHER and not words:
        wrong["words"] = "flag.words_missing"
    if len(words) > LONGEST:
        wrong["words"] = ("form.too_long", {"longest": LONGEST})
    if kind is None or wrong:
        raise Invalid(wrong)
    session.refresh(work, with_for_update={"key_share": True})  # of two clicks at once the second finds the first
    last = _last(session, mine)
    row = (
        last
        if last is not None and last.settled_at is None
        else rubrics.ReviewFlag(
            tenant_id=work.tenant_id,
            submission_id=pk(work),
            submission_version_id=version_id,
            review_id=pk(review) if review is not None else None,
            by_id=actor.person_id,
            kind=kind,
            raised_at=now,
        )
    )
    is_news = row.id is None or row.kind is not kind  # the same once more is no other step of the trail
    row.kind, row.words, row.about = kind, words, said.about
    session.add(row)
    session.flush()
    if is_news:
        review_id = pk(review) if review is not None else None
        rubrics.record_event(session, version_id, actor.person_id, "flagged", now, review_id, detail=kind.value)
        code = {"code": get(session, competencies.CompetencyPoint, work.point_id).code}
        told = [messages.Told(person, row.uuid, code) for person in message_reach.deciders(session, work)]
        messages.tell(session, work.tenant_id, message_words.FLAGGED, told, now)
    return row


# --- the desk ---


def _within(actor: Actor) -> ColumnElement[bool]:
    """Flags of works that the actor decides: never of own ones, and none of what the actor still reviews blind."""
    return and_(
        reach.submissions_within(actor, *reach.DECIDERS),
        col(competencies.Submission.person_id).not_in(actor.person_ids),
        ~reach.owes_review(actor),
    )


def count_open(session: Session, actor: Actor) -> int:
    """How many flags wait for this person: one query, none for who decides nothing."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    if not actor.has(*reach.DECIDERS):
        return 0
    statement = (
        select(func.count())
        .select_from(rubrics.ReviewFlag)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.ReviewFlag.submission_id))
        .where(
            rubrics.ReviewFlag.tenant_id == actor.tenant_id,
            col(rubrics.ReviewFlag.settled_at).is_(None),
            _within(actor),
        )
    )
    return int(session.exec(statement).one())


def for_desk(session: Session, actor: Actor, page: int) -> tuple[list[FlagLine], int]:
    """The flags within reach, open ones first and the oldest of them on top, and how many there are: one query."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    is_settled = col(rubrics.ReviewFlag.settled_at).is_not(None)
    statement: Any = _lines(func.count().over()).where(
        col(rubrics.ReviewFlag.tenant_id) == actor.tenant_id, _within(actor)
    )
    rows = session.exec(
        statement.order_by(is_settled, col(rubrics.ReviewFlag.raised_at), col(rubrics.ReviewFlag.id))
        .offset((page - 1) * SIZE)
        .limit(SIZE)
    ).all()
    return [_line(*row[:-1], is_blind=False) for row in rows], int(rows[0][-1]) if rows else 0


def one(session: Session, actor: Actor, uuid: str) -> FlagLine:
    """One flag of a work that the actor decides. Raises NotFound, Forbidden."""
    row = _reached(session, actor, uuid)
    statement: Any = _lines().where(col(rubrics.ReviewFlag.id) == pk(row))
    return _line(*session.exec(statement).one(), is_blind=False)


def settle(session: Session, actor: Actor, uuid: str, answer: str, now: datetime) -> rubrics.ReviewFlag:
    """The trainer has looked: what they found, in words that who asked will read. Raises Invalid `answer`, Conflict
    `flag.settled` where somebody else was faster."""
    row = _reached(session, actor, uuid)
    answer = answer.strip()
    if not answer:
        raise Invalid({"answer": "flag.answer_missing"})
    if len(answer) > LONGEST:
        raise Invalid({"answer": ("form.too_long", {"longest": LONGEST})})
    session.refresh(row, with_for_update=True)
    if row.settled_at is not None:
        raise Conflict("flag.settled")
    row.answer, row.settled_by_id, row.settled_at = answer, actor.person_id, now
    session.add(row)
    rubrics.record_event(
        session, row.submission_version_id, actor.person_id, "flag_settled", now, row.review_id, detail=row.kind.value
    )
    _tell_who_asked(session, row, now)
    session.flush()
    return row


def _tell_who_asked(session: Session, row: rubrics.ReviewFlag, now: datetime) -> None:
    """And nobody else at the desk is told of it any more."""
    messages.over_for_all(session, row.tenant_id, message_words.FLAGGED, row.uuid, now)
    work = get(session, competencies.Submission, row.submission_id)
    code = {"code": get(session, competencies.CompetencyPoint, work.point_id).code}
    review = get(session, rubrics.Review, row.review_id) if row.review_id is not None else None
    kind = message_words.FLAG_OF_REVIEW if review is not None else message_words.FLAG_OF_AUTHOR
    told = messages.Told(row.by_id, review.uuid if review is not None else work.uuid, code)
    messages.tell(session, row.tenant_id, kind, [told], now)


def _reached(session: Session, actor: Actor, uuid: str) -> rubrics.ReviewFlag:
    row = find(session, rubrics.ReviewFlag, actor.tenant_id, uuid)
    work = get(session, competencies.Submission, row.submission_id)
    require(actor, Permission.CASE_DECIDE, submission_scope(session, work))
    owes = select(competencies.Submission.id).where(competencies.Submission.id == pk(work), reach.owes_review(actor))
    if session.exec(owes).first() is not None:
        raise NotFound
    return row


_Author, _Settler = aliased(Person), aliased(Person)


def _lines(*more: Any) -> Any:
    submission, point, flag = competencies.Submission, competencies.CompetencyPoint, rubrics.ReviewFlag
    return (
        columns(flag, submission, point, col(_Author.name), col(_Settler.name), *more)
        .join(submission, col(submission.id) == col(flag.submission_id))
        .join(point, col(point.id) == col(submission.point_id))
        .join(_Author, col(_Author.id) == col(submission.person_id))
        .join(_Settler, col(_Settler.id) == col(flag.settled_by_id), isouter=True)
    )


def _line(
    row: rubrics.ReviewFlag,
    work: competencies.Submission,
    point: competencies.CompetencyPoint,
    author: str | None,
    settled_by: str | None,
    *,
    is_blind: bool,
) -> FlagLine:
    return FlagLine(
        uuid=row.uuid,
        submission="" if is_blind else work.uuid,
        point_code=point.code,
        point_name=point.name,
        author=author or "",
        kind=row.kind.value,
        about=row.about,
        words=row.words,
        raised_at=row.raised_at,
        by_author=row.review_id is None,
        answer=row.answer,
        settled_by=settled_by or "",
        settled_at=row.settled_at,
    )
