"""自动通过: what passes without a trainer and what never does, and how it is taken back."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import SubmissionState
from lms_plugin import db, outbox
from lms_plugin.db import pk, session_factory, transaction
from lms_plugin.errors import Conflict, Forbidden, Refused
from lms_plugin.flow import award, batches, cases, clear_passes, doubts, queue_views
from tests import people as cast
from tests.factories import World, world_in
from tests.flow.handed_in import all_marks, judgement
from tests.flow.reviewed import CODES, many_reviewed

DAY = timedelta(days=1)


def reviewed(world: World, codes: tuple[str, ...] = CODES) -> None:
    """Many reviewed works, with a text for every item."""
    for version in many_reviewed(world, codes=codes):
        work = world.session.get(competencies.Submission, version.submission_id)
        assert work is not None
        for row in world.session.exec(
            select(competencies.EvidenceRequirement).where(competencies.EvidenceRequirement.point_id == work.point_id)
        ).all():
            world.session.add(
                competencies.Evidence(
                    submission_id=pk(work), version_id=pk(version), requirement_id=pk(row), kind="text",
                    text="教案和反思。", changed_at=world.now,
                )
            )  # fmt: skip
    world.session.flush()


def over(world: World, **review: Any) -> datetime:
    """The rule is on, and the round of reviews is over: when."""
    world.set_rules(review={"pass_clear": True, "reviews_per_work": 2, **review})
    policy = world.session.get(competencies.ProgrammePolicy, world.programme.policy_id)
    assert policy is not None
    policy.made_by_id = pk(world.person(cast.OFFICER))
    world.session.add(policy)
    world.session.flush()
    return world.now + 60 * DAY


def pass_all(world: World, now: datetime) -> list[competencies.Submission]:
    """As the job does, in this test's transaction."""
    found = clear_passes.clear_works(world.session, world.programme, now)
    done = [one for one in found if clear_passes.pass_one(world.session, world.programme, one, now)]
    works = [world.session.get(competencies.Submission, one.submission_id) for one in done]
    return [work for work in works if work is not None]


def decision(world: World, work: competencies.Submission) -> competencies.Decision:
    found = competencies.decision_of(world.session, [work.current_version_id or 0])
    return found[work.current_version_id or 0]


def reviews(world: World, work: competencies.Submission) -> list[rubrics.Review]:
    rows = world.session.exec(
        select(rubrics.Review).where(rubrics.Review.submission_version_id == work.current_version_id)
    )
    return list(rows)


def test_off_by_default_nothing_passes(world: World) -> None:
    reviewed(world)
    assert clear_passes.clear_works(world.session, world.programme, world.now + 60 * DAY) == []
    doubts.weigh_due(world.session, pk(world.programme), world.now)
    assert clear_passes.to_ask(world.session) == []


def test_what_all_call_good_passes_at_the_lowest_level_and_the_trail_says_why(world: World) -> None:
    reviewed(world)
    now = over(world)
    passed = pass_all(world, now)
    assert 0 < len(passed) < 48
    for work in passed:
        row, given = decision(world, work), reviews(world, work)
        assert work.state is SubmissionState.DECIDED
        assert (row.by_policy_id, row.decided_by_id) == (world.programme.policy_id, pk(world.person(cast.OFFICER)))
        assert row.point_level == min(one.point_level or 0 for one in given) >= 1
        assert row.released_at is None
        event = world.session.exec(
            select(rubrics.ReviewEvent).where(
                rubrics.ReviewEvent.submission_version_id == work.current_version_id,
                rubrics.ReviewEvent.kind == clear_passes.PASSED,
            )
        ).one()
        assert all(f"{pk(one)}:{one.point_level}" in event.detail for one in given)
        assert event.detail.startswith("rules 2 ")
    assert pass_all(world, now) == []  # twice is once


def test_the_job_is_asked_for_when_the_round_is_over_and_passes_each_work_by_itself(
    own_district_url: str, now: datetime
) -> None:
    engine = db.engine(own_district_url)
    with Session(engine) as session:
        db.writes(session)
        ids, later, expected = _asked(world_in(session, now))
        session.commit()
    factory = session_factory(engine)
    for _ in range(2):
        clear_passes.pass_clear(factory, ids, lambda: later)
    with transaction(factory) as session:
        rows = session.exec(select(competencies.Decision)).all()
    assert expected > 0
    assert len(rows) == expected
    engine.dispose()


def _asked(world: World) -> tuple[dict[str, int], datetime, int]:
    """The job as it is asked for, when, and how many works it is to pass."""
    reviewed(world, codes=("A1", "A2"))
    now = over(world)
    programme = pk(world.programme)
    assert not clear_passes.ask_due(world.session, programme, now)  # not weighed yet
    doubts.weigh_due(world.session, programme, now)
    assert clear_passes.to_ask(world.session) == [programme]
    assert not clear_passes.ask_due(world.session, programme, world.now)  # the round goes on
    assert clear_passes.ask_due(world.session, programme, now)
    assert not clear_passes.ask_due(world.session, programme, now + timedelta(minutes=1))
    job = world.session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.CLEAR)).one()
    return dict(job.ids), now, len(clear_passes.clear_works(world.session, world.programme, now))


def test_a_work_that_changed_since_it_was_found_clear_is_left(world: World) -> None:
    reviewed(world)
    now = over(world)
    one, other = clear_passes.clear_works(world.session, world.programme, now)[:2]
    gone = world.session.get(competencies.SubmissionVersion, one.version_id)
    review = world.session.get(rubrics.Review, other.reviews[0])
    assert gone is not None
    assert review is not None
    gone.withdrawn_at, review.state = now, rubrics.ReviewState.VOID
    world.session.add_all([gone, review])
    world.session.flush()
    assert not clear_passes.pass_one(world.session, world.programme, one, now)
    assert not clear_passes.pass_one(world.session, world.programme, other, now)


def _objection(world: World, work: competencies.Submission) -> None:
    batch = competencies.SchoolBatch(
        tenant_id=pk(world.tenant), programme_id=pk(world.programme), org_unit_id=pk(world.schools["希望小学"]),
        round=1, state=competencies.BatchState.RELEASED, seed="s", percent=0, all_excellent=False,
        closed_at=world.now, closed_by_id=pk(world.person(cast.LEAD)),
    )  # fmt: skip
    world.session.add(batch)
    world.session.flush()
    world.session.add(
        competencies.Objection(
            tenant_id=pk(world.tenant), batch_id=pk(batch), submission_id=pk(work), text="抄的",
            raised_by_id=pk(world.person(cast.LEAD)), raised_at=world.now,
        )
    )  # fmt: skip


def _conflict(world: World, work: competencies.Submission) -> None:
    world.session.add(
        rubrics.ReviewConflict(
            tenant_id=pk(world.tenant), one_id=work.person_id, other_id=reviews(world, work)[0].reviewer_id,
            kind=rubrics.ConflictKind.FAMILY, said_by_id=pk(world.person(cast.OFFICER)), said_at=world.now,
        )
    )  # fmt: skip


def _flag(world: World, work: competencies.Submission) -> None:
    world.session.add(
        rubrics.ReviewFlag(
            tenant_id=pk(world.tenant), submission_id=pk(work), submission_version_id=work.current_version_id or 0,
            by_id=reviews(world, work)[0].reviewer_id, kind=rubrics.FlagKind.COPIED, raised_at=world.now,
        )
    )  # fmt: skip


def _returned(world: World, work: competencies.Submission) -> None:
    work.trainer_id = pk(world.person(cast.TRAINER))


def _late(world: World, work: competencies.Submission) -> None:
    work.state = SubmissionState.LATE


def _one_review_less(world: World, work: competencies.Submission) -> None:
    for one in reviews(world, work)[1:]:
        one.state = rubrics.ReviewState.VOID
        world.session.add(one)


def _fails_for_one(world: World, work: competencies.Submission) -> None:
    reviews(world, work)[0].point_level = 0


def _own_rule(world: World, work: competencies.Submission) -> None:
    policy = world.session.get(competencies.ProgrammePolicy, world.programme.policy_id)
    assert policy is not None
    policy.made_by_id = work.person_id


@pytest.mark.parametrize(
    "stands", [_objection, _flag, _conflict, _returned, _late, _one_review_less, _fails_for_one, _own_rule]
)  # fmt: skip
def test_nothing_passes_where_a_human_being_has_to_look(world: World, stands: Any) -> None:
    reviewed(world)
    now = over(world)
    found = clear_passes.clear_works(world.session, world.programme, now)
    work = world.session.get(competencies.Submission, found[0].submission_id)
    assert work is not None
    stands(world, work)
    world.session.add(work)
    world.session.flush()
    left = {one.submission_id for one in clear_passes.clear_works(world.session, world.programme, now)}
    assert pk(work) not in left
    assert left
    assert not clear_passes.pass_one(world.session, world.programme, found[0], now)


def test_what_had_to_be_handed_in_and_is_not_there_never_passes(world: World) -> None:
    many_reviewed(world)  # marks, and nothing that was handed in
    assert pass_all(world, over(world)) == []


def test_never_fewer_reviews_than_the_programme_asks_for(world: World) -> None:
    reviewed(world)
    assert clear_passes.clear_works(world.session, world.programme, over(world, reviews_per_work=3))
    assert clear_passes.clear_works(world.session, world.programme, over(world, reviews_per_work=4)) == []


def test_where_a_panel_decides_nothing_passes_by_itself(world: World) -> None:
    reviewed(world)
    world.set_rules(review={"pass_clear": True}, chain={"panel": True})
    assert clear_passes.clear_works(world.session, world.programme, world.now + 60 * DAY) == []


def test_a_trainer_or_an_officer_takes_it_back_and_it_does_not_pass_again(world: World) -> None:
    reviewed(world)
    now = over(world)
    first, second, third = pass_all(world, now)[:3]
    session = world.session
    queue = queue_views.queue(session, world.actor(cast.TRAINER), "", "by_rule", None, 1, now)
    assert all(row.is_by_rule for row in queue.rows)
    assert first.uuid in {row.uuid for row in queue.rows}
    with pytest.raises(Forbidden):
        cases.undo(session, world.actor(cast.WANG), first.uuid, 1, now)
    with pytest.raises(Conflict):
        cases.undo(session, world.actor(cast.OFFICER), first.uuid, 9, now)
    cases.undo(session, world.actor(cast.OFFICER), first.uuid, decision(world, first).version, now)
    cases.undo(session, world.actor(cast.TRAINER), second.uuid, decision(world, second).version, now)
    assert {first.state, second.state} == {SubmissionState.SUBMITTED}
    assert pass_all(world, now) == []
    with pytest.raises(Conflict):
        cases.undo(session, world.actor(cast.TRAINER), second.uuid, decision(world, second).version, now)
    # What was taken back is looked at by itself: it is not among those that one act confirms, nor counted for it.
    trainer = world.actor(cast.TRAINER)
    listed = queue_views.agreed_list(session, trainer, world.programme.uuid, None, 1, now)
    assert not {first.uuid, second.uuid} & {row.uuid for row in listed.rows}
    seen = queue_views.queue(session, trainer, world.programme.uuid, "agreed", None, 1, now)
    assert seen.counts["agreed"] - seen.confirmable == sum(row.base > 0 for row in seen.rows) > 0
    # Decided anew by a human being it is theirs alone.
    marks = judgement(all_marks(world, second, 1))
    cases.decide(session, world.actor(cast.TRAINER), second.uuid, marks, decision(world, second).version, 1, now)
    assert decision(world, second).by_policy_id is None
    with pytest.raises(Refused, match=r"decision\.undo_others"):
        cases.undo(session, world.actor(cast.OFFICER), second.uuid, decision(world, second).version, now)
    award.release(session, world.actor(cast.OFFICER), world.programme, [third.uuid], now)
    with pytest.raises(Refused, match=r"decision\.released"):
        cases.undo(session, world.actor(cast.OFFICER), third.uuid, decision(world, third).version, now)


def test_what_a_colleague_decided_while_one_waited_is_not_taken_back(world: World) -> None:
    reviewed(world)
    now = over(world)
    work = pass_all(world, now)[0]
    row = decision(world, work)
    base = row.version
    table: Any = competencies.Decision.__table__  # type: ignore[attr-defined]
    world.session.connection().execute(  # a colleague's decision anew, past what this session has read already
        update(table)
        .where(table.c.id == pk(row))
        .values(version=base + 1, by_policy_id=None, decided_by_id=pk(world.person(cast.OTHER_TRAINER)))
    )
    with pytest.raises(Conflict, match=r"decision\.changed"):
        cases.undo(world.session, world.actor(cast.TRAINER), work.uuid, base, now)
    assert work.state is SubmissionState.DECIDED


def test_on_the_official_chain_it_stands_in_for_the_trainer_alone(world: World) -> None:
    reviewed(world, codes=("A1", "A2", "A4"))
    now = over(world)
    world.set_rules(review={"pass_clear": True}, chain={"check": True, "publicity": True})
    _set_maker(world)
    passed = pass_all(world, now)
    school = world.schools["希望小学"]
    held = competencies.SubmissionVersion
    there = [work for work in passed if _school_of(world, work) == pk(school)]
    assert there
    waiting = world.session.exec(
        select(competencies.Submission)
        .join(held, col(held.id) == col(competencies.Submission.current_version_id))
        .where(col(held.org_unit_id) == pk(school), col(competencies.Submission.state) == SubmissionState.SUBMITTED)
    ).all()
    reasons = {work.uuid: "还没定" for work in waiting}
    batch = batches.close(
        world.session, world.actor(cast.LEAD), world.programme, school.uuid, reasons, "0" * 16, now
    )  # fmt: skip
    assert batch.state is competencies.BatchState.CHECKING  # the county still draws
    drawn = [row for row in competencies.works_of(world.session, batch) if row[0].drawn]
    # Who set the rule has seen none of them, and may check for the county.
    assert not batches.hands_on(world.session, world.actor(cast.OFFICER), school, drawn)
    with pytest.raises(Refused, match=r"decision\.in_batch"):
        cases.undo(
            world.session, world.actor(cast.TRAINER), there[0].uuid, decision(world, there[0]).version, now
        )  # fmt: skip


def _set_maker(world: World) -> None:
    policy = world.session.get(competencies.ProgrammePolicy, world.programme.policy_id)
    assert policy is not None
    policy.made_by_id = pk(world.person(cast.OFFICER))
    world.session.add(policy)
    world.session.flush()


def _school_of(world: World, work: competencies.Submission) -> int | None:
    version = world.session.get(competencies.SubmissionVersion, work.current_version_id)
    return version.org_unit_id if version is not None else None
