"""不评这一份: a reviewer hands one back, with a reason that the officers read and the author does not.

Who knows the author steps back by 申请回避 (`review.recuse`): that asks nobody and is counted nowhere. For every other
reason a programme says how often it may be done (`declines`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import get, hold, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import review
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Person

LONGEST = 200
MOST_SHOWN = 50
KNOWS = "knows"  # 认识作者或有利益关系: 申请回避


@dataclass(frozen=True)
class Declined:
    """One that was handed back. `why`: `rubrics.Decline`, or KNOWS; the work and its author stay unnamed."""

    reviewer: str
    staff_number: str
    why: str
    words: str
    at: datetime


@dataclass(frozen=True)
class Declining:
    """The form. `left`: how many more this person may decline in the programme, stepping back not counted."""

    uuid: str
    number: int
    left: int


def decline(session: Session, actor: Actor, uuid: str, why: str, words: str, now: datetime) -> None:
    """Hands a review back; somebody else is asked. `why` KNOWS is 申请回避.

    Raises Invalid naming the field (`why`, `words`: needed where the reason is another one), Refused
    `review.declines_used_up` where the programme allows no more.
    """
    one = review.load_review(session, actor, uuid)
    if why == KNOWS:
        review.recuse(session, actor, uuid, now)
        return
    words = " ".join(words.split())
    kinds = {kind.value: kind for kind in rubrics.Decline}
    if why not in kinds:
        raise Invalid({"why": "form.choose"})
    if kinds[why] is rubrics.Decline.OTHER and not words:
        raise Invalid({"words": "form.required"})
    if len(words) > LONGEST:
        raise Invalid({"words": ("form.too_long", {"longest": LONGEST})})
    if not words.isprintable():
        raise Invalid({"words": "form.unprintable"})
    rubrics.require_unfinished(one)
    rubrics.hold_needs(session, [one.submission_version_id])  # before the person, as an allotment does
    hold(session, get(session, Person, actor.person_id))  # two windows are counted one after the other
    most = competencies.rules_of(session, get(session, competencies.Programme, one.programme_id)).review.declines
    if _used(session, actor, one.programme_id) >= most:
        raise Refused("review.declines_used_up", most=most)
    rubrics.decline(session, one, kinds[why], words, now)


def declining(session: Session, actor: Actor, uuid: str) -> Declining:
    """For the form. Raises Refused where the review is over: four queries."""
    one = review.load_review(session, actor, uuid)
    rubrics.require_unfinished(one)
    most = competencies.rules_of(session, get(session, competencies.Programme, one.programme_id)).review.declines
    return Declining(one.uuid, one.blind_number, max(0, most - _used(session, actor, one.programme_id)))


def _used(session: Session, actor: Actor, programme_id: int) -> int:
    return session.exec(
        select(func.count()).where(
            rubrics.Review.programme_id == programme_id,
            col(rubrics.Review.reviewer_id).in_(actor.person_ids),
            rubrics.Review.state == rubrics.ReviewState.DECLINED,
        )
    ).one()


def declined(session: Session, actor: Actor, programme: competencies.Programme) -> tuple[tuple[Declined, ...], int]:
    """Who handed what back and why, newest first, and how many there are: one query. Whose work it was is not said."""
    require(actor, Permission.REVIEW_ALLOCATE, programme_scope(session, programme))
    event, one = rubrics.ReviewEvent, rubrics.Review
    rows = session.exec(
        select(event, Person.name, Person.staff_number, func.count().over())
        .join(one, col(one.id) == col(event.review_id))
        .join(Person, col(Person.id) == col(event.person_id))
        .where(
            one.programme_id == pk(programme),
            col(event.kind).in_(("declined", "recused")),
            col(event.detail) != rubrics.OWN,
        )
        .order_by(col(event.id).desc())
        .limit(MOST_SHOWN)
    ).all()
    found = []
    for row, name, number, _total in rows:
        why, _colon, words = row.detail.partition(": ")
        found.append(Declined(name, number, why or KNOWS, words, row.at))
    return tuple(found), rows[0][-1] if rows else 0
