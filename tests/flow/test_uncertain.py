"""拿不准的先看: which pending works are listed, in which order, and for whom."""

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import get, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import uncertain
from tests import people as cast
from tests.factories import World
from tests.flow.reviewed import many_reviewed


def page_of(world: World, actor: Actor, why: rubrics.Reason | None = None, page: int = 1) -> uncertain.Page:
    return uncertain.uncertain_page(world.session, actor, world.programme.uuid, why, page, world.now)


def test_the_most_doubtful_come_first_with_their_reasons(world: World) -> None:
    many_reviewed(world)
    found = page_of(world, world.actor(cast.TRAINER))
    assert found.compared == 48
    assert 0 < found.uncertain < 48
    assert found.total == len(found.lines) == found.uncertain
    chances = [line.doubt.chance for line in found.lines]
    assert chances == sorted(chances, reverse=True)
    assert all(line.doubt.reasons and line.asks and sum(line.counts.values()) == 3 for line in found.lines)
    assert [one.percent for one in found.budgets] == list(range(0, 101, 5))
    assert found.budgets[4].wrong < found.budgets[0].wrong
    assert found.budgets[-1].wrong == 0
    assert found.look == found.budgets[2]
    page = uncertain.uncertain_page(
        world.session, world.actor(cast.TRAINER), world.programme.uuid, None, 1, world.now, 999
    )
    assert page.look == found.budgets[-1]
    differing = page_of(world, world.actor(cast.TRAINER), rubrics.Reason.DIFFER)
    assert differing.total == found.counts[rubrics.Reason.DIFFER]
    assert all(rubrics.Reason.DIFFER in line.doubt.reasons for line in differing.lines)
    assert page_of(world, world.actor(cast.TRAINER), page=99).page == 1


def test_what_is_decided_or_still_reviewed_blind_by_who_looks_is_not_listed(world: World) -> None:
    many_reviewed(world)
    trainer = world.actor(cast.TRAINER)
    first, second = page_of(world, trainer).lines[:2]
    works = {
        row.uuid: row
        for row in world.session.exec(
            select(competencies.Submission).where(
                col(competencies.Submission.uuid).in_([first.row.uuid, second.row.uuid])
            )
        )
    }
    works[first.row.uuid].state = competencies.SubmissionState.DECIDED
    blind = works[second.row.uuid]
    version = get(world.session, competencies.SubmissionVersion, blind.current_version_id or 0)
    world.session.add(
        rubrics.Review(
            tenant_id=pk(world.tenant),
            programme_id=pk(world.programme),
            submission_id=pk(blind),
            submission_version_id=pk(version),
            reviewer_id=trainer.person_id,
            blind_number=1,
            allotted_at=world.now,
        )
    )
    world.session.flush()
    left = page_of(world, trainer)
    assert left.compared == 46
    assert {first.row.uuid, second.row.uuid}.isdisjoint(line.row.uuid for line in left.lines)


def test_the_rule_of_the_programme_says_how_marks_become_a_score(world: World) -> None:
    many_reviewed(world)
    for score in ("mean", "median", "severity"):
        world.set_rules(review={"score": score})
        found = page_of(world, world.actor(cast.TRAINER))
        assert found.policy == score
        scores = {line.doubt.score for line in found.lines}
        assert all(score == "severity" or 3 * one == pytest.approx(round(3 * one)) for one in scores)
        if score == "severity":  # 陈 is milder than the others, so her marks no longer come in thirds
            assert any(3 * one != pytest.approx(round(3 * one)) for one in scores)


def test_a_teacher_and_a_programme_of_nobody_are_refused(world: World) -> None:
    with pytest.raises(Forbidden):
        page_of(world, world.actor(cast.WANG))
    with pytest.raises(NotFound):
        uncertain.uncertain_page(world.session, world.actor(cast.TRAINER), "nothing", None, 1, world.now)


def test_without_reviews_nothing_is_compared(world: World) -> None:
    found = page_of(world, world.actor(cast.TRAINER))
    assert (found.compared, found.uncertain, found.lines) == (0, 0, ())
