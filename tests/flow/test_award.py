"""发布: awards, hours and scores come from released decisions only, and follow the hours rule exactly."""

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import select

import competencies
from competencies import CreditKind
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, NotFound, Refused
from lms_plugin.flow import award, award_views, cases
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, hand_in, judgement, version_of
from tests.fuzzing import times

HOUR = timedelta(hours=1)


def decided(world: World, who: cast.Cast, code: str, level: int = 1) -> competencies.Submission:
    work = hand_in(world, who, code, world.now - 2 * HOUR)
    marks = judgement(all_marks(world, work, level))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    return work


def hours(world: World, who: cast.Cast) -> int:
    person = pk(world.person(who))
    return competencies.balance(world.session, pk(world.programme), [person])[person][CreditKind.PRACTICE]


def release(world: World, *works: competencies.Submission, who: cast.Cast = cast.OFFICER) -> award.Released:
    uuids = [work.uuid for work in works] or None
    return award.release(world.session, world.actor(who), world.programme, uuids, world.now)


def entries(world: World) -> list[competencies.CreditEntry]:
    return list(
        world.session.exec(
            select(competencies.CreditEntry).where(competencies.CreditEntry.programme_id == pk(world.programme))
        )
    )


def test_nothing_counts_before_release(world: World) -> None:
    decided(world, cast.CHEN, "A3")
    assert entries(world) == []
    assert world.session.exec(select(competencies.Award)).all() == []
    assert world.session.exec(select(outbox.Job)).all() == []


def test_per_set_credits_once_the_set_is_complete(world: World) -> None:
    for code in ("A3", "A5"):
        decided(world, cast.CHEN, code)
    assert release(world).hundredths == 0
    decided(world, cast.CHEN, "A6", 2)
    assert release(world).hundredths == 2500
    assert hours(world, cast.CHEN) == 2500
    (entry,) = entries(world)
    assert entry.award_id is not None
    assert entry.policy_id == world.programme.policy_id
    assert entry.decided_by_id == pk(world.person(cast.TRAINER))
    assert entry.org_unit_id == pk(world.schools["希望小学"])
    assert len(world.session.exec(select(competencies.Award)).all()) == 3


def test_a_fail_is_released_without_award_or_hours(world: World) -> None:
    work = decided(world, cast.CHEN, "A3", 0)
    done = release(world)
    assert (done.decisions, done.hundredths) == (1, 0)
    assert work.state is competencies.SubmissionState.RELEASED
    assert world.session.exec(select(competencies.Award)).all() == []


def test_scores_are_asked_for_once_per_course_and_person(world: World) -> None:
    for code in ("A3", "A5"):
        decided(world, cast.CHEN, code)
    decided(world, cast.WANG, "A3")
    release(world)
    jobs = world.session.exec(select(outbox.Job)).all()
    assert sorted((job.kind, job.ids["person_id"]) for job in jobs) == [
        ("score", pk(world.person(cast.CHEN))),
        ("score", pk(world.person(cast.WANG))),
    ]


def test_releasing_twice_changes_nothing(world: World) -> None:
    for code in ("A3", "A5", "A6"):
        decided(world, cast.CHEN, code)
    release(world)
    assert release(world).decisions == 0
    assert hours(world, cast.CHEN) == 2500


def test_a_released_decision_changes_no_more(world: World) -> None:
    work = decided(world, cast.CHEN, "A3")
    release(world)
    with pytest.raises((Refused, Conflict), match=r"decision\.released"):
        cases.decide(
            world.session, world.actor(cast.TRAINER), work.uuid, judgement(all_marks(world, work, 2)), 1,
            version_of(world, work).number, world.now,
        )  # fmt: skip


def test_who_may_release(world: World) -> None:
    work = decided(world, cast.CHEN, "A3")
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.IT):
        with pytest.raises(Forbidden):
            release(world, who=who)
    with pytest.raises(NotFound):
        release(world, who=cast.NEIGHBOUR)
    other = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    with pytest.raises(Conflict, match="changed_meanwhile"):
        release(world, work, other)  # the second one is not decided
    assert release(world, work).decisions == 1
    assert release(world, work).decisions == 0  # a double click


def test_nobody_releases_the_own_work(world: World) -> None:
    decided(world, cast.CHEN, "A3")
    decided(world, cast.WANG, "A3")
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, world.now)
    assert release(world, who=cast.CHEN).decisions == 1
    page = award_views.release_page(world.session, world.actor(cast.CHEN), world.programme, 1, world.now)
    assert (page.total, page.own) == (0, 1)


def test_the_page_says_what_the_release_then_does(world: World) -> None:
    for code in ("A3", "A5", "A6"):
        decided(world, cast.CHEN, code)
    decided(world, cast.WANG, "A3", 0)
    page = award_views.release_page(world.session, world.actor(cast.OFFICER), world.programme, 1, world.now)
    assert dict(page.by_level) == {1: 3, 0: 1}
    assert page.hours == ((2500, 1),)
    assert (page.people, page.courses, len(page.sample)) == (2, 1, 3)
    done = release(world)
    assert done.credited == {pk(world.person(cast.CHEN)): 2500}


def test_release_after_some_days_goes_by_itself(world: World) -> None:
    decided(world, cast.CHEN, "A3")
    assert award.release_due(world.session, pk(world.programme), world.now + timedelta(days=30)) == 0
    world.set_rules(release={"after_days": 5})
    assert award.release_due(world.session, pk(world.programme), world.now + timedelta(days=4, hours=23)) == 0
    assert award.release_due(world.session, pk(world.programme), world.now + timedelta(days=5)) == 1
    assert award.release_due(world.session, pk(world.programme), world.now + timedelta(days=6)) == 0


def test_a_release_takes_so_many_and_says_how_many_are_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    works = [decided(world, who, "A3") for who in (cast.CHEN, cast.WANG, cast.LI)]
    for number, work in enumerate(works):  # decided one after the other
        version = version_of(world, work)
        decision = world.session.exec(
            select(competencies.Decision).where(competencies.Decision.submission_version_id == pk(version))
        ).one()
        decision.decided_at += number * timedelta(minutes=1)
        world.session.add(decision)
    world.session.flush()
    monkeypatch.setattr(award, "MOST_AT_ONCE", 2)
    page = award_views.release_page(world.session, world.actor(cast.OFFICER), world.programme, 1, world.now)
    assert (page.uuids, page.left, page.people) == ((works[0].uuid, works[1].uuid), 1, 2)
    assert release(world).decisions == 2
    page = award_views.release_page(world.session, world.actor(cast.OFFICER), world.programme, 1, world.now)
    assert (page.uuids, page.left) == ((works[2].uuid,), 0)
    assert release(world).decisions == 1


KINDS = st.sampled_from(["per_set", "per_point_cumulative", "per_level"])


@settings(max_examples=times(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=KINDS, levels=st.lists(st.integers(0, 2), min_size=1, max_size=4), together=st.booleans())
def test_hours_always_equal_what_the_rule_says(world: World, kind: str, levels: list[int], together: bool) -> None:
    with world.session.begin_nested() as savepoint:
        rules = world.set_rules(hours={"kind": kind, "excellent_hundredths": 1000})
        for code, level in zip(("A3", "A5", "A6", "A7"), levels, strict=False):
            decided(world, cast.CHEN, code, level)
            if not together:
                release(world)
        release(world)
        passed = [competencies.Level(level) for level in levels if level]
        assert hours(world, cast.CHEN) == competencies.practice_total(competencies.hours_rule(rules), passed)
        savepoint.rollback()
        world.session.expire_all()
