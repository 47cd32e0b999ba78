"""Works that were handed in: made as the product makes them, in few words."""

from datetime import datetime
from typing import Any

from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import drafts, marking, review
from tests import people as cast
from tests.factories import World

TEXT = "目标明确，重点突出，学生能说出三种办法。"


def hand_in(
    world: World, who: cast.Cast, code: str, at: datetime, text: str = TEXT, leave_out: tuple[str, ...] = ()
) -> competencies.Submission:
    """The person chooses the point (once), types a text for every item, and hands it in."""
    person, point = world.person(who), world.point(code)
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.programme_id == pk(world.programme),
            competencies.Submission.person_id == pk(person),
            competencies.Submission.point_id == pk(point),
        )
    ).one_or_none()
    if work is None:
        world.session.add(
            competencies.Selection(
                programme_id=pk(world.programme), person_id=pk(person), point_id=pk(point), chosen_at=at
            )
        )
        work = competencies.Submission(
            tenant_id=pk(world.tenant),
            programme_id=pk(world.programme),
            person_id=pk(person),
            point_id=pk(point),
            created_at=at,
            changed_at=at,
        )
        world.session.add(work)
        world.session.flush()
    load = drafts.load_work(world.session, world.actor(who), work.uuid)
    items, returned = load.items, load.returned
    for item in items:
        if item.requirement.key in leave_out or (returned is not None and item.requirement.key not in returned.failed):
            continue
        if item.pieces:
            item.pieces[0].evidence.text = text
            world.session.add(item.pieces[0].evidence)
        else:
            world.session.add(
                competencies.Evidence(
                    submission_id=pk(work),
                    requirement_id=pk(item.requirement),
                    kind="text",
                    text=text,
                    changed_at=at,
                )
            )
    world.session.flush()
    items = drafts.load_work(world.session, world.actor(who), work.uuid).items
    school = world.schools[who.school]
    competencies.take_snapshot(world.session, work, items, returned, org_unit_id=pk(school), late=False, now=at)
    return work


def version_of(world: World, work: competencies.Submission) -> competencies.SubmissionVersion:
    """The version that stands."""
    version = world.session.get(competencies.SubmissionVersion, work.current_version_id)
    assert version is not None
    return version


def all_marks(
    world: World, work: competencies.Submission, level: int = 1, changes: dict[str, int] | None = None
) -> dict[rubrics.MarkKey, rubrics.DraftMark]:
    """One level for every criterion (有效 for the others); `changes`: "item.criterion" → another level."""
    sheet = marking.sheet(world.session, work.current_version_id or 0, work.point_id)
    found = {}
    for key, choices in sheet.expected.items():
        wanted = (changes or {}).get(f"{key.item_key}.{key.criterion_key}", level)
        if key.criterion_key == rubrics.VALIDITY_KEY:
            wanted = 1 if wanted else 0
        elif wanted not in choices:
            wanted = min(choices)
        why = {0: "这里还没有做到。", 2: "写得具体，有例子。"}
        found[key] = rubrics.DraftMark(wanted, why.get(wanted, ""))
    return found


def judgement(marks: dict[rubrics.MarkKey, rubrics.DraftMark], reason: str = "") -> competencies.Judgement:
    """Marks as a trainer sends them."""
    found: dict[str, dict[str, tuple[int | None, str]]] = {}
    for key, draft in marks.items():
        found.setdefault(key.item_key, {})[key.criterion_key] = (draft.level, draft.reason)
    return competencies.Judgement(found, reason)


def reviews_of(world: World, work: competencies.Submission) -> list[rubrics.Review]:
    """Its reviews in the order they were allotted."""
    return list(
        world.session.exec(
            select(rubrics.Review).where(rubrics.Review.submission_id == pk(work)).order_by(rubrics.Review.id)
        )
    )


def cast_of(world: World, person_id: int) -> cast.Cast:
    """Who of the cast that is."""
    return next(who for who in cast.TEACHERS if pk(world.person(who)) == person_id)


def finish_review(world: World, one: rubrics.Review, now: datetime, level: int = 1, **changes: Any) -> None:
    """The reviewer opens it, marks everything, and hands it in."""
    actor = world.actor(cast_of(world, one.reviewer_id))
    row = review.open_review(world.session, actor, one.uuid, now)
    work = world.session.get(competencies.Submission, one.submission_id)
    assert work is not None
    review.submit(world.session, actor, one.uuid, all_marks(world, work, level, **changes), row.version, now)
