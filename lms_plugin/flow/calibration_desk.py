"""校准样例, as trainers keep them: picking a settled work, agreeing on marks, and how reviewers did on it.

How somebody did is for who looks after the programme and for themselves; it is no ranking and is shown nowhere else.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import CompetencyPoint, Decision, Programme, Submission, SubmissionState
from lms_plugin.access import Actor, Permission, can, require
from lms_plugin.db import by_id, find, hold, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import calibration, cases, marking
from lms_plugin.flow.reach import READERS, submissions_within
from lms_plugin.flow.review_views import ItemView, item_views
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Person
from rubrics import GoldItem, MarkKey

LONGEST_CONSENT = 300
MOST_ITEMS = 30
A_PAGE = 50
SETTLED = (SubmissionState.DECIDED, SubmissionState.RELEASED)


@dataclass(frozen=True)
class ItemLine:
    """One example: how many handed it in, and the share of criteria within one level (None: nobody yet)."""

    uuid: str
    submission: str
    point_code: str
    point_name: Mapping[str, str]
    consent: str
    made_at: datetime
    by: str
    done: int
    near_percent: int | None


@dataclass(frozen=True)
class ReviewerLine:
    """How one reviewer did, over their examples. `above`: mean difference in levels, > 0 milder."""

    name: str
    examples: int
    near_percent: int
    above: float


@dataclass(frozen=True)
class Candidate:
    """A settled work of which an example may be made."""

    uuid: str
    point_code: str
    point_name: Mapping[str, str]
    level: int | None
    decided_at: datetime


@dataclass(frozen=True)
class Page:
    """The examples of a programme. `mode`: "off", "before" or "mixed"; `each`: how many a reviewer gets; reviewers in
    the order of their names. `is_curator`: the programme's own page is open to the actor."""

    programme: str
    title: str
    is_curator: bool
    mode: str
    each: int
    items: tuple[ItemLine, ...]
    reviewers: tuple[ReviewerLine, ...]
    candidates: tuple[Candidate, ...]


def _programme(session: Session, actor: Actor, uuid: str) -> tuple[Programme, bool]:
    """The programme, and whether its own page is open to the actor."""
    programme = find(session, Programme, actor.tenant_id, uuid)
    scope = programme_scope(session, programme)
    require(actor, Permission.CALIBRATION_KEEP, scope)
    return programme, can(actor, Permission.PROGRAMME_READ, scope)


def page(session: Session, actor: Actor, uuid: str) -> Page:
    """The trainer's page: nine queries at most."""
    programme, is_curator = _programme(session, actor, uuid)
    policy = competencies.rules_of(session, programme).review
    items = session.exec(
        select(GoldItem, Submission.uuid, CompetencyPoint, Person.name)
        .join(Submission, col(Submission.id) == col(GoldItem.submission_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(Person, col(Person.id) == col(GoldItem.made_by_id))
        .where(
            GoldItem.tenant_id == actor.tenant_id,
            GoldItem.programme_id == pk(programme),
            col(GoldItem.ended_at).is_(None),
        )
        .order_by(col(GoldItem.id))
    ).all()
    done = calibration.handed_in(session, programme)
    of_item: dict[int, list[rubrics.GoldResult]] = defaultdict(list)
    of_person: dict[int, list[rubrics.GoldResult]] = defaultdict(list)
    for who, item, result in done:
        of_item[item].append(result)
        of_person[who].append(result)
    names = {key: person.name for key, person in by_id(session, Person, sorted(of_person)).items()}
    used = {row.submission_id for row, *_rest in items}
    return Page(
        programme=programme.uuid,
        title=programme.title,
        is_curator=is_curator,
        mode=policy.calibration,
        each=policy.calibration_items,
        items=tuple(
            ItemLine(
                row.uuid,
                work,
                point.code,
                point.name,
                row.consent,
                row.made_at,
                by,
                len(of_item[pk(row)]),
                _near_percent(of_item[pk(row)]),
            )
            for row, work, point, by in items
        ),
        reviewers=tuple(
            sorted(
                (
                    ReviewerLine(
                        names[who],
                        len(results),
                        _near_percent(results) or 0,
                        sum(one.above for one in results) / len(results),
                    )
                    for who, results in of_person.items()
                ),
                key=lambda line: line.name,
            )
        ),
        candidates=_candidates(session, actor, programme, used),
    )


def _near_percent(results: list[rubrics.GoldResult]) -> int | None:
    criteria = sum(one.criteria for one in results)
    return round(100 * sum(one.near for one in results) / criteria) if criteria else None


def _candidates(session: Session, actor: Actor, programme: Programme, used: set[int]) -> tuple[Candidate, ...]:
    """Works that are settled and open to the actor, of this programme and of others by the same version of the
    standard, newest first."""
    rows = session.exec(
        select(Submission, CompetencyPoint, Decision)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(Decision, col(Decision.submission_version_id) == col(Submission.current_version_id))
        .where(
            Submission.tenant_id == actor.tenant_id,
            CompetencyPoint.framework_version_id == programme.framework_version_id,
            col(Submission.state).in_(SETTLED),
            Decision.outcome == competencies.Outcome.DECIDED,
            col(Submission.id).not_in(used),
            submissions_within(actor, *READERS),
            col(Submission.person_id).not_in(actor.person_ids),
        )
        .order_by(col(Decision.decided_at).desc(), col(Submission.id).desc())
        .limit(A_PAGE)
    ).all()
    return tuple(
        Candidate(work.uuid, point.code, point.name, decision.point_level, decision.decided_at)
        for work, point, decision in rows
    )


@dataclass(frozen=True)
class Form:
    """A settled work as its example would be: what was decided stands in it to begin from."""

    programme: str
    title: str
    is_curator: bool
    submission: str
    point_code: str
    point_name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None
    items: tuple[ItemView, ...]
    consent: str


def form(
    session: Session,
    actor: Actor,
    uuid: str,
    submission: str,
    typed: Mapping[MarkKey, rubrics.DraftMark] | None = None,
    consent: str = "",
) -> Form:
    """The form. Raises NotFound, Forbidden, Refused `calibration.not_settled`."""
    programme, is_curator = _programme(session, actor, uuid)
    case = cases.load_case(session, actor, submission, Permission.CASE_READ)
    decision = _decision(case)
    sheet = marking.sheet(session, pk(case.version), case.submission.point_id)
    marks = typed if typed is not None else _decided(decision)
    return Form(
        programme=programme.uuid,
        title=programme.title,
        is_curator=is_curator,
        submission=case.submission.uuid,
        point_code=case.point.code,
        point_name=case.point.name,
        level_words=case.point.level_words,
        items=item_views(sheet, marks, blind=True),
        consent=consent,
    )


def _decision(case: cases.Case) -> Decision:
    decision = case.decisions.get(pk(case.version))
    if decision is None or case.submission.state not in SETTLED:
        raise Refused("calibration.not_settled")
    return decision


def _decided(decision: Decision) -> dict[MarkKey, rubrics.DraftMark]:
    return {
        MarkKey(item, key): rubrics.DraftMark(mark.get("level"), str(mark.get("reason", "")))
        for item, marks in decision.marks.items()
        for key, mark in marks.items()
    }


def make(
    session: Session,
    actor: Actor,
    uuid: str,
    submission: str,
    marks: rubrics.Drafts,
    consent: str,
    now: datetime,
) -> GoldItem:
    """Makes an example of a settled work. A second click finds it made.

    Raises Refused `calibration.not_settled`, `calibration.too_many`; Invalid at "item.criterion" where a level or the
    reason is missing (every agreed mark says why: it is what reviewers learn from), at "consent" without a word on why
    it may be shown.
    """
    programme, _is_curator = _programme(session, actor, uuid)
    case = cases.load_case(session, actor, submission, Permission.CASE_READ)
    _decision(case)
    hold(session, programme)
    known = session.exec(
        select(GoldItem).where(GoldItem.programme_id == pk(programme), col(GoldItem.ended_at).is_(None))
    ).all()
    same = next((one for one in known if one.submission_version_id == pk(case.version)), None)
    if same is not None:
        return same
    if len(known) >= MOST_ITEMS:
        raise Refused("calibration.too_many", most=MOST_ITEMS)
    marking.require_readable({f"{key.item_key}.{key.criterion_key}": mark.reason for key, mark in marks.items()})
    sheet = marking.sheet(session, pk(case.version), case.submission.point_id)
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    agreed: dict[str, dict[str, dict[str, Any]]] = {}
    for key, choices in sheet.expected.items():
        mark = marks.get(key, rubrics.DraftMark(None))
        field = f"{key.item_key}.{key.criterion_key}"
        if mark.level is None or mark.level not in {int(one) for one in choices}:
            wrong[field] = "review.level_missing"
        elif not mark.reason.strip():
            wrong[field] = "calibration.reason_missing"
        else:
            level = {"level": mark.level, "reason": mark.reason.strip()}
            agreed.setdefault(key.item_key, {})[key.criterion_key] = level
    consent = " ".join(consent.split())
    if not consent:
        wrong["consent"] = "form.required"
    elif len(consent) > LONGEST_CONSENT:
        wrong["consent"] = ("form.too_long", {"longest": LONGEST_CONSENT})
    if wrong:
        raise Invalid(wrong)
    item = GoldItem(
        tenant_id=programme.tenant_id,
        programme_id=pk(programme),
        submission_id=pk(case.submission),
        submission_version_id=pk(case.version),
        agreed=agreed,
        consent=consent,
        made_by_id=actor.person_id,
        made_at=now,
    )
    session.add(item)
    session.flush()
    return item


def end(session: Session, actor: Actor, uuid: str, now: datetime) -> str:
    """Takes an example out: nobody gets it any more, who has it may finish it, results stay. Gives the programme's
    uuid; a second click changes nothing."""
    item = find(session, GoldItem, actor.tenant_id, uuid)
    programme = session.get_one(Programme, item.programme_id)
    require(actor, Permission.CALIBRATION_KEEP, programme_scope(session, programme))
    if item.ended_at is None:
        item.ended_by_id, item.ended_at = actor.person_id, now
        session.add(item)
        session.flush()
    return programme.uuid
