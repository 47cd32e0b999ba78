"""合并: one human being with one result, whatever lies on which row; what a merge moved goes back when it is undone."""

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import col, select

import competencies
import lti
import rubrics
from competencies import CreditKind
from lms_plugin import outbox
from lms_plugin.access import Permission, Scope, can, own
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Refused
from lms_plugin.flow import (
    case_views,
    cases,
    choose_view,
    enter,
    humans,
    merge_views,
    merges,
    oversee_lists,
    passport,
    point_view,
    queue_views,
    report,
    review_tasks,
    review_views,
    sessions,
    submit,
    submit_views,
)
from lms_plugin.people import CourseMember, Enrolment, Identity, IdentityMove, Notice, Person, RoleKind, WebSession
from tests import people as cast
from tests.factories import World, actor_of, grant
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, finish_review, hand_in, judgement
from tests.flow.test_enter import LEARNER, come
from tests.fuzzing import times
from tests.rosters import put_on_roster

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def merge(world: World, gone: cast.Cast, kept: cast.Cast, at: int = 0) -> None:
    officer = world.actor(cast.OFFICER)
    source, target = world.person(gone), world.person(kept)
    merges.merge_persons(world.session, officer, source.uuid, target.uuid, "同一个人", world.now + at * MINUTE)


def undo(world: World, gone: cast.Cast, at: int = 1) -> None:
    merges.undo_merge(world.session, world.actor(cast.OFFICER), world.person(gone).uuid, world.now + at * MINUTE)


def practice(world: World, *who: cast.Cast) -> int:
    rows = [pk(world.person(one)) for one in who]
    return humans.totals(world.session, pk(world.programme), rows)[CreditKind.PRACTICE]


def entries(world: World) -> list[tuple[str, int, int]]:
    rows = world.session.exec(select(competencies.CreditEntry).order_by(col(competencies.CreditEntry.id))).all()
    return [(row.reason, row.person_id, row.credit_hundredths) for row in rows]


def line(world: World, who: cast.Cast) -> oversee_lists.PersonLine:
    page = oversee_lists.people_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, "due", 1, world.now
    )
    (found,) = (row for row in page.people if row.staff_number == who.staff_number)
    return found


def record(world: World, who: cast.Cast) -> passport.Record:
    return passport.record(world.session, world.actor(who), world.programme.uuid, None, world.now)


def points(world: World, who: cast.Cast) -> int:
    scores = report.scores_of(world.session, world.programme, pk(world.person(who)))
    return next(iter(scores.values())).given_hundredths // 100


# --- one person, one result ---


def test_points_of_two_rows_are_one_set_with_its_hours(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    earn(world, cast.CHEN, "A3")
    earn(world, cast.WANG, "A5", "A6")
    assert practice(world, cast.CHEN, cast.WANG) == 0
    merge(world, cast.WANG, cast.CHEN)
    assert entries(world) == [("merge", pk(world.person(cast.CHEN)), 2500)]
    assert (line(world, cast.CHEN).passed, line(world, cast.CHEN).practice_hundredths) == (3, 2500)
    assert points(world, cast.CHEN) == points(world, cast.WANG) == 3
    undo(world, cast.WANG)
    assert [entry[2] for entry in entries(world)] == [2500, -2500]
    assert (line(world, cast.CHEN).passed, points(world, cast.CHEN), points(world, cast.WANG)) == (1, 1, 2)


def test_a_set_in_each_row_is_paid_once_and_both_are_paid_after_the_undo(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    for who in (cast.CHEN, cast.WANG):
        earn(world, who, "A3", "A5", "A6")
    merge(world, cast.WANG, cast.CHEN)
    assert practice(world, cast.CHEN, cast.WANG) == line(world, cast.CHEN).practice_hundredths == 2500
    assert line(world, cast.CHEN).passed == 3
    undo(world, cast.WANG)
    assert (practice(world, cast.CHEN), practice(world, cast.WANG)) == (2500, 2500)


def test_what_was_earned_since_stays_with_the_row_that_was_kept(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    earn(world, cast.WANG, "A5")
    merge(world, cast.WANG, cast.CHEN)
    earn(world, cast.CHEN, "A6")
    assert practice(world, cast.CHEN, cast.WANG) == 2500
    undo(world, cast.WANG)
    assert (practice(world, cast.CHEN), practice(world, cast.WANG)) == (0, 0)
    assert (points(world, cast.CHEN), points(world, cast.WANG)) == (2, 1)


def test_scores_go_to_both_accounts(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    for job in world.session.exec(select(outbox.Job)).all():
        world.session.delete(job)
    world.session.flush()
    merge(world, cast.CHEN, cast.WANG)
    asked = sorted(job.ids["person_id"] for job in world.session.exec(select(outbox.Job)).all())
    assert asked == sorted(pk(world.person(who)) for who in (cast.CHEN, cast.WANG))


# --- identities, and what a host knows of them ---


def test_an_undo_gives_every_account_back_and_says_so(world: World) -> None:
    chen, wang, li = (world.person(who) for who in (cast.CHEN, cast.WANG, cast.LI))
    merge(world, cast.LI, cast.CHEN)
    merge(world, cast.CHEN, cast.WANG, 1)
    assert (li.merged_into_id, chen.merged_into_id) == (pk(wang), pk(wang))
    with pytest.raises(Conflict, match=r"merge\.merged_again"):
        undo(world, cast.LI, 2)
    entrance = sessions.open_session(world.session, wang, None, HOUR, world.now)
    undo(world, cast.CHEN, 2)
    ended = world.session.get(WebSession, pk(entrance.session_row))
    assert ended is not None
    assert ended.ended_at is not None
    held = dict(world.session.exec(select(Identity.subject, Identity.person_id)).all())
    assert (held["sub-chen"], held["sub-li"], held["sub-wang"]) == (pk(chen), pk(chen), pk(wang))
    assert (wang.absorbed_ids, chen.absorbed_ids, li.merged_into_id) == ([], [pk(li)], pk(chen))
    undo(world, cast.LI, 3)
    assert (chen.absorbed_ids, li.merged_into_id) == ([], None)
    with pytest.raises(Conflict, match=r"merge\.undone"):
        undo(world, cast.LI, 4)
    assert len(world.session.exec(select(IdentityMove)).all()) == 1 + 2 + 2 + 1
    merge(world, cast.LI, cast.CHEN, 5)  # and once more
    undo(world, cast.LI, 6)
    held = dict(world.session.exec(select(Identity.subject, Identity.person_id)).all())
    assert (held["sub-li"], held["sub-chen"]) == (pk(li), pk(chen))


def test_an_account_keeps_its_own_place_in_course_and_gradebook(world: World) -> None:
    """Both accounts of a merged person may stand in one course; after the undo each is where it was."""
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    merge(world, cast.WANG, cast.CHEN)
    assert pk(come(world, "sub-wang", LEARNER)) == pk(chen)
    members = dict(
        world.session.exec(
            select(CourseMember.subject, CourseMember.person_id).where(CourseMember.course_id == pk(world.course))
        ).all()
    )
    assert (members["sub-wang"], members["sub-chen"]) == (pk(wang), pk(chen))
    assert len(world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(chen))).all()) == 1


def test_a_merge_ends_the_notice_that_asked_for_it(world: World) -> None:
    chen = world.person(cast.CHEN)
    enter.raise_notice(world.session, chen.tenant_id, "person.twice_on_roster", chen.uuid, {}, world.now)
    merge(world, cast.WANG, cast.CHEN)
    assert world.session.exec(select(Notice.done_at)).all() == [world.now]


# --- who may ---


def test_nobody_merges_themselves(world: World) -> None:
    officer, chen = world.person(cast.OFFICER), world.person(cast.CHEN)
    for gone, kept in ((officer, chen), (chen, officer)):
        with pytest.raises(Refused, match=r"merge\.own"):
            merges.merge_persons(world.session, world.actor(cast.OFFICER), gone.uuid, kept.uuid, "", world.now)
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.county, world.now)
    merges.merge_persons(world.session, world.actor(cast.LEAD), officer.uuid, chen.uuid, "", world.now)
    assert world.actor(cast.CHEN).has(RoleKind.OFFICER)
    with pytest.raises(Refused, match=r"merge\.own"):
        merges.undo_merge(world.session, world.actor(cast.CHEN), officer.uuid, world.now)
    for who in (cast.TRAINER, cast.AUDITOR, cast.IT, cast.WANG):
        with pytest.raises(Forbidden):
            merges.undo_merge(world.session, world.actor(who), officer.uuid, world.now)


def test_two_rows_of_the_roster_are_no_one_person(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    entry = put_on_roster(world, cast.WANG)
    with pytest.raises(Refused, match=r"merge\.two_on_roster"):
        merge(world, cast.WANG, cast.CHEN)
    entry.removed_at = world.now
    merge(world, cast.WANG, cast.CHEN)


# --- roles, own work, reviews ---


def test_roles_of_both_rows_hold_until_the_undo(world: World) -> None:
    merge(world, cast.TRAINER, cast.CHEN)
    actor = world.actor(cast.CHEN)
    assert actor.has(RoleKind.TRAINER)
    entrance = sessions.open_session(world.session, world.person(cast.CHEN), world.course, HOUR, world.now)
    visitor = sessions.visitor_of(world.session, world.now, token_hash=entrance.session_row.token_hash)
    assert visitor is not None
    assert (visitor.actor.has(RoleKind.TRAINER), visitor.takes_part) == (True, True)
    undo(world, cast.TRAINER)
    assert not world.actor(cast.CHEN).has(RoleKind.TRAINER)
    assert world.actor(cast.TRAINER).has(RoleKind.TRAINER)


def test_the_work_of_either_row_is_own_work_and_never_to_be_decided(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    assert len(queue_views.queue(world.session, world.actor(cast.TRAINER), "", "pending", None, 1, world.now).rows) == 1
    merge(world, cast.CHEN, cast.TRAINER)
    trainer = world.actor(cast.TRAINER)
    assert can(trainer, Permission.EVIDENCE_EDIT, Scope(trainer.tenant_id, owner_id=pk(world.person(cast.CHEN))))
    assert can(trainer, Permission.EVIDENCE_EDIT, own(trainer))
    assert queue_views.queue(world.session, trainer, "", "pending", None, 1, world.now).rows == ()
    with pytest.raises(Forbidden):
        cases.open_case(world.session, trainer, work.uuid, world.now)


def allot(world: World, reviewer: cast.Cast, work: competencies.Submission) -> rubrics.Review:
    slot = rubrics.Slot(pk(work), work.current_version_id or 0, pk(world.person(reviewer)))
    rubrics.allot(world.session, pk(world.tenant), pk(world.programme), [slot], None, world.now + 9 * HOUR, world.now)
    return world.session.exec(
        select(rubrics.Review).where(
            rubrics.Review.submission_id == pk(work), rubrics.Review.reviewer_id == slot.reviewer_id
        )
    ).one()


def test_reviews_owed_go_along_and_those_of_own_work_are_set_aside(world: World) -> None:
    mine, other = hand_in(world, cast.CHEN, "A3", world.now), hand_in(world, cast.LI, "A3", world.now)
    own_review, others = allot(world, cast.WANG, mine), allot(world, cast.WANG, other)
    merge(world, cast.WANG, cast.CHEN)
    tasks = review_tasks.my_reviews(world.session, world.actor(cast.CHEN), world.now)
    assert [task.uuid for task in tasks.open] == [others.uuid]
    assert own_review.state is rubrics.ReviewState.RECUSED
    page = review_views.review_page(world.session, world.actor(cast.CHEN), others.uuid)
    assert page.uuid == others.uuid


def test_of_two_reviews_of_one_human_being_one_stays(world: World) -> None:
    other = hand_in(world, cast.LI, "A3", world.now - 2 * HOUR)
    first, second = allot(world, cast.WANG, other), allot(world, cast.CHEN, other)
    finish_review(world, second, world.now)
    merge(world, cast.WANG, cast.CHEN)
    assert (first.state, second.state) == (rubrics.ReviewState.RECUSED, rubrics.ReviewState.SUBMITTED)


def test_what_turns_out_to_be_the_own_decision_falls(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    trainer = world.actor(cast.TRAINER)
    judged = judgement(all_marks(world, work, 1))
    cases.decide(world.session, trainer, work.uuid, judged, 0, 1, world.now)
    merge(world, cast.CHEN, cast.TRAINER)
    assert work.state is competencies.SubmissionState.SUBMITTED
    assert competencies.decision_of(world.session, [work.current_version_id or 0]) == {}
    events = world.session.exec(select(rubrics.ReviewEvent.kind).order_by(col(rubrics.ReviewEvent.id))).all()
    assert events[-1] == "decision_void"


# --- the page that asks ---


def test_the_page_proposes_who_is_on_the_roster_or_did_more(world: World) -> None:
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    officer = world.actor(cast.OFFICER)
    earn(world, cast.WANG, "A3")
    found = merge_views.question(world.session, officer, chen.uuid, wang.uuid)
    assert (found.proposed, found.points, found.has_own) == (wang.uuid, 1, False)
    put_on_roster(world, cast.CHEN)
    assert merge_views.question(world.session, officer, wang.uuid, chen.uuid).proposed == chen.uuid
    assert merge_views.question(world.session, officer, officer_of(world).uuid, chen.uuid).has_own


def officer_of(world: World) -> Person:
    return world.person(cast.OFFICER)


def test_merges_that_can_be_undone_are_listed(world: World) -> None:
    merge(world, cast.WANG, cast.CHEN)
    (found,) = merge_views.merged_lately(world.session, world.actor(cast.OFFICER))
    assert (found.name, found.kept_name, found.reason, found.is_own) == ("王秀兰", "陈晓芳", "同一个人", False)
    undo(world, cast.WANG)
    assert merge_views.merged_lately(world.session, world.actor(cast.OFFICER)) == ()
    assert actor_of(world.session, world.person(cast.CHEN)).absorbed_ids == ()


# --- the teacher's own pages ---


def test_home_and_record_go_on_with_both_rows(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    waiting = hand_in(world, cast.WANG, "A5", world.now - 2 * HOUR)
    merge(world, cast.CHEN, cast.WANG)
    actor = world.actor(cast.WANG)
    home = submit_views.home(world.session, actor, world.programme.uuid, world.now)
    assert [(one.code, one.level) for one in home.points] == [("A3", 1), ("A5", None)]
    assert point_view.point_page(world.session, actor, waiting.uuid, world.now).code == "A5"
    assert point_view.point_page(world.session, actor, home.points[0].uuid, world.now).level == 1
    assert [(point.code, point.level) for point in record(world, cast.WANG).points] == [("A3", 1), ("A5", None)]
    officer = world.actor(cast.OFFICER)
    by_old_address = passport.record(
        world.session, officer, world.programme.uuid, world.person(cast.CHEN).uuid, world.now
    )
    assert by_old_address.person_uuid == world.person(cast.WANG).uuid


def test_choosing_goes_over_both_rows(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    hand_in(world, cast.WANG, "A5", world.now - 2 * HOUR)
    merge(world, cast.CHEN, cast.WANG)
    actor = world.actor(cast.WANG)
    with pytest.raises(Refused, match=r"choice\.decided"):
        submit.choose_points(world.session, actor, world.programme.uuid, ["A5", "B2"], world.now)
    submit.choose_points(world.session, actor, world.programme.uuid, ["A3", "A5", "B2"], world.now)
    works = world.session.exec(
        select(competencies.CompetencyPoint.code, competencies.Submission.person_id)
        .join(competencies.Submission, col(competencies.Submission.point_id) == competencies.CompetencyPoint.id)
        .order_by(competencies.CompetencyPoint.code)
    ).all()
    chen, wang = pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))
    assert works == [("A3", chen), ("A5", wang), ("B2", wang)]
    submit.choose_points(world.session, actor, world.programme.uuid, ["A3", "B2"], world.now, give_up=["A5"])
    view = choose_view.choosing(world.session, actor, world.programme.uuid, world.now)
    assert set(view.picked) == {"A3", "B2"}


# --- everything agrees, whatever was done ---

CODES = ("A3", "A5", "A6", "B2")
LEVELS = st.lists(st.sampled_from([None, 0, 1, 2]), min_size=4, max_size=4)


def online(world: World, who: cast.Cast, hundredths: int) -> None:
    if hundredths:
        rows = [competencies.OnlineHours(pk(world.person(who)), hundredths, "国培", None)]
        policy = world.programme.policy_id or 0
        competencies.import_online(
            world.session,
            pk(world.tenant),
            pk(world.programme),
            policy,
            rows,
            pk(world.person(cast.OFFICER)),
            world.now,
        )


def do(world: World, who: cast.Cast, levels: list[int | None], hundredths: int) -> None:
    for level in (0, 1, 2):
        codes = [code for code, given_level in zip(CODES, levels, strict=True) if given_level == level]
        if codes:
            earn(world, who, *codes, level=level)
    online(world, who, hundredths)


def agree(world: World, *humans_rows: tuple[cast.Cast, ...]) -> list[tuple[int, int, int, str]]:
    """Figures, sheet, record, ledger and scores say the same of each human being (their rows, that of today first);
    gives points passed, hours of both kinds, and result."""
    session, officer, said = world.session, world.actor(cast.OFFICER), []
    key = pk(world.programme)
    export = oversee_lists.export(session, officer, world.programme.uuid, world.county.uuid, world.now)
    sheet = [*export.people, *export.off_roster]
    pages = [
        line
        for state in ("due", "off_roster")
        for line in oversee_lists.people_page(
            session, officer, world.programme.uuid, world.county.uuid, state, 1, world.now
        ).people
    ]
    rule = competencies.hours_rule(competencies.rules_of(session, world.programme))
    for rows in humans_rows:
        ids = [pk(world.person(one)) for one in rows]
        numbers = {world.person(one).staff_number for one in rows}
        (on_page,) = (line for line in pages if line.staff_number in numbers)
        (on_sheet,) = (line for line in sheet if line.staff_number in numbers)
        told = passport.record(session, officer, world.programme.uuid, world.person(rows[0]).uuid, world.now)
        held = humans.levels(session, key, ids)
        total = humans.totals(session, key, ids)
        expected = (
            sum(level >= competencies.Level.PASS for level in held.values()),
            total[CreditKind.PRACTICE],
            total[CreditKind.ONLINE],
            told.result,
        )
        for line in (on_page, on_sheet):
            assert line.result is not None
            assert (line.passed, line.practice_hundredths, line.online_hundredths, line.result.value) == expected
        assert (told.points_passed, told.practice_hundredths, told.online_hundredths) == expected[:3]
        assert sum(entry.hundredths for entry in told.hours) == expected[1] + expected[2]
        assert {code for code, level in on_sheet.points if level} == {p.code for p in told.points if p.level}
        assert expected[1] == competencies.practice_total(rule, list(held.values())) <= rule.cap
        for one in ids:
            scores = report.scores_of(session, world.programme, one)
            assert scores[lti.LineItemKind.POINTS].given_hundredths == 100 * min(expected[0], rule.required_points)
            hours = min(expected[1], rule.practice_need_hundredths) + min(expected[2], rule.online_need_hundredths)
            assert scores[lti.LineItemKind.HOURS].given_hundredths == hours
        said.append(expected)
    return said


@settings(max_examples=times(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["per_set", "per_point_cumulative", "per_level"]),
    first=LEVELS,
    second=LEVELS,
    since=st.sampled_from([None, 1, 2]),
    hours=st.tuples(*[st.sampled_from([0, 500, 3000])] * 2),
    keeps_roster=st.booleans(),
)
def test_everything_agrees_before_the_merge_after_it_and_after_its_undo(
    world: World,
    kind: str,
    first: list[int | None],
    second: list[int | None],
    since: int | None,
    hours: tuple[int, int],
    keeps_roster: bool,
) -> None:
    with world.session.begin_nested() as savepoint:
        world.set_rules(hours={"kind": kind, "pass_hundredths": 700, "excellent_hundredths": 1000})
        put_on_roster(world, cast.CHEN)
        do(world, cast.CHEN, first, hours[0])
        do(world, cast.WANG, second, hours[1])
        before = agree(world, (cast.CHEN,), (cast.WANG,))
        kept, gone = (cast.CHEN, cast.WANG) if keeps_roster else (cast.WANG, cast.CHEN)
        merge(world, gone, kept)
        ((passed, _practice, online_hours, _result),) = agree(world, (kept, gone))
        assert passed == sum(max(one or 0, two or 0) > 0 for one, two in zip(first, second, strict=True))
        assert online_hours == sum(set(hours))  # the same line of a sheet for both counts once
        jobs = world.session.exec(select(outbox.Job.ids).where(outbox.Job.kind == outbox.SCORE)).all()
        if any(entry[1] or entry[2] for entry in before):
            assert {ids["person_id"] for ids in jobs} >= {pk(world.person(who)) for who in (kept, gone)}
        if since is not None:
            earn(world, kept, "A7", level=since)
            agree(world, (kept, gone))
        undo(world, gone)
        after = agree(world, (cast.CHEN,), (cast.WANG,))
        if since is None:
            assert after == before
        savepoint.rollback()
        world.session.expire_all()


def test_a_roster_row_that_went_along_goes_back(world: World) -> None:
    """Both rows say the same name and number: the row of the roster follows the human being, there and back."""
    entry = put_on_roster(world, cast.CHEN)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    wang.name, wang.staff_number = chen.name, chen.staff_number
    wang.confirmed_at, wang.confirmed_how = None, ""
    world.session.flush()
    merge(world, cast.CHEN, cast.WANG)
    assert (entry.person_id, wang.confirmed_how) == (pk(wang), "roster")
    undo(world, cast.CHEN)
    assert (entry.person_id, chen.confirmed_how) == (pk(chen), "roster")
    assert wang.confirmed_at is None


def test_next_case_and_list_mode_pass_over_own_work(world: World) -> None:
    first, second = (hand_in(world, who, "A3", world.now - 2 * HOUR) for who in (cast.CHEN, cast.WANG))
    third = hand_in(world, cast.LI, "A3", world.now - 2 * HOUR)
    merge(world, cast.WANG, cast.TRAINER)
    trainer = world.actor(cast.TRAINER)
    assert case_views.next_case(world.session, trainer, first.uuid, world.now) == third.uuid
    assert case_views.next_case(world.session, trainer, third.uuid, world.now) == first.uuid
    for work in (second, third):
        version = work.current_version_id or 0
        world.session.add(
            rubrics.ReviewSummary(
                submission_version_id=version,
                submitted=2,
                is_agreed=True,
                differs_on_pass=False,
                agreed_level=1,
                changed_at=world.now,
            )
        )
    world.session.flush()
    listed = queue_views.agreed_list(world.session, trainer, world.programme.uuid, None, 1, world.now)
    assert [row.uuid for row in listed.rows] == [third.uuid]
