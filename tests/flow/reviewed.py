"""Many works with finished reviews, straight into the database: figures need more than the cast does by hand."""

import random

from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from tests import people as cast
from tests.factories import World

CODES = ("A1", "A2", "A4", "B2", "B3", "B4", "C1", "C2")


def many_reviewed(world: World, seed: int = 1, codes: tuple[str, ...] = CODES) -> list[competencies.SubmissionVersion]:
    """Everybody's work on each of these points, reviewed by three colleagues: mostly 合格, some better, some not; 陈 is
    milder than the others."""
    session, now, chance = world.session, world.now, random.Random(seed)
    found = []
    for code in codes:
        point = world.point(code)
        for who in cast.TEACHERS:
            work = competencies.Submission(
                tenant_id=pk(world.tenant),
                programme_id=pk(world.programme),
                person_id=pk(world.person(who)),
                point_id=pk(point),
                state=competencies.SubmissionState.SUBMITTED,
                created_at=now,
                changed_at=now,
            )
            session.add(work)
            session.flush()
            version = competencies.SubmissionVersion(
                submission_id=pk(work),
                number=1,
                org_unit_id=pk(world.schools[who.school]),
                manifest={},
                content_hash="0" * 64,
                self_marks={},
                submitted_at=now,
                opened_at=now,
            )
            session.add(version)
            session.flush()
            work.current_version_id = pk(version)
            others = [one for one in cast.TEACHERS if one is not who]
            worth = chance.gauss(1.2, 0.5)
            _give(world, version, work, chance.sample(others, 3), worth, chance)
            found.append(version)
    session.flush()
    return found


def _give(
    world: World,
    version: competencies.SubmissionVersion,
    work: competencies.Submission,
    reviewers: list[cast.Cast],
    worth: float,
    chance: random.Random,
) -> None:
    session, now = world.session, world.now
    requirements = session.exec(
        select(competencies.EvidenceRequirement).where(competencies.EvidenceRequirement.point_id == work.point_id)
    ).all()
    texts = rubrics.criteria_of(session, [row.rubric_version_id for row in requirements if row.rubric_version_id])
    for number, reviewer in enumerate(reviewers, start=900):
        mild = 0.8 if reviewer is cast.CHEN else 0.0
        marks = {
            rubrics.MarkKey(row.key, line.key): min(
                max(line.choices) if not line.is_validity else 1,
                max(0, round(worth + mild + chance.gauss(0, 0.35))),
            )
            for row in requirements
            for line in texts.get(row.rubric_version_id or 0, ())
        }
        core = {row.key for row in requirements if row.is_core}
        level = min(mark for key, mark in marks.items() if key.item_key in core)
        review = rubrics.Review(
            tenant_id=pk(world.tenant),
            programme_id=pk(world.programme),
            submission_id=pk(work),
            submission_version_id=pk(version),
            reviewer_id=pk(world.person(reviewer)),
            state=rubrics.ReviewState.SUBMITTED,
            blind_number=number,
            point_level=level,
            allotted_at=now,
            opened_at=now,
            submitted_at=now,
        )
        session.add(review)
        session.flush()
        session.add_all(
            rubrics.CriterionMark(
                review_id=pk(review),
                requirement_key=key.item_key,
                criterion_key=key.criterion_key,
                level=mark,
                reason="" if mark else "这里还没有做到。",
            )
            for key, mark in marks.items()
        )
    session.flush()
    rubrics.summarise(session, pk(version), 2, now)
