"""申请复核: once, in time, by criterion; a panel that has seen nothing; what comes of it in award, hours and trail."""

from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlmodel import col, select

import competencies
import rubrics
from competencies import Award, CreditKind, Decision
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    appeal_panel,
    appeal_review,
    appeal_views,
    appeals,
    award,
    booking,
    cases,
    conflicts,
    evidence,
    merges,
    messages,
    reliability,
    result_view,
    reversal,
    review,
    submit,
    transfers,
    verification,
)
from lms_plugin.people import Role, RoleKind
from rubrics import Appeal, AppealPoint, AppealReview, AppealState, Given, MemberState
from tests import people as cast
from tests.certified import issue, sealed
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.fuzzing import times
from tests.moving import SECRET, asked, there_of

DAY = timedelta(days=1)
RULES: dict[str, Any] = {"review": {"pool": "district"}, "appeals": {"days": 10, "answer_days": 15}}


def result_of(world: World, level: int = 0, who: cast.Cast = cast.CHEN, code: str = "A3", **rules: Any) -> Any:
    """A released work of that level, in a programme where everybody else has handed something in."""
    world.set_rules(**{**RULES, **rules})
    earn(world, who, code, level=level)
    for one in cast.TEACHERS:
        if one is not who:
            hand_in(world, one, "B2", world.now - timedelta(hours=2))
    return world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(who)),
            competencies.Submission.point_id == pk(world.point(code)),
        )
    ).one()


def decision_of(world: World, work: Any) -> Decision:
    return world.session.exec(select(Decision).where(Decision.submission_version_id == work.current_version_id)).one()


def ask(world: World, work: Any, *fields: str, who: cast.Cast = cast.CHEN) -> Appeal:
    """An appeal against these criteria; all of them where none is named."""
    chosen = fields or [
        line.field for line in appeals.form(world.session, world.actor(who), work.uuid, world.now).lines
    ]
    why = dict.fromkeys(chosen, "第 2 页写了三种办法，请再看。")
    return appeals.appeal(world.session, world.actor(who), work.uuid, why, world.now)


def members(world: World, row: Appeal) -> list[AppealReview]:
    return appeal_panel.members_of(world.session, [pk(row)])[pk(row)]


def who_is(world: World, member: AppealReview) -> cast.Cast:
    everybody = (*cast.TEACHERS, cast.TRAINER, cast.OTHER_TRAINER)
    return next(one for one in everybody if pk(world.person(one)) == member.reviewer_id)


def speak(world: World, member: AppealReview, level: int, **changes: int) -> None:
    """The member opens it and marks everything that is asked at that level."""
    actor = world.actor(who_is(world, member))
    page = appeal_review.open_page(world.session, actor, member.uuid, world.now)
    work = get(world.session, competencies.Submission, get(world.session, Appeal, member.appeal_id).submission_id)
    marks = {
        key: rubrics.DraftMark(mark.level, f"看到了第 {mark.level} 种。")
        for key, mark in all_marks(world, work, level).items()
        if f"{key.item_key}.{key.criterion_key}" in page.asked
    }
    appeal_review.submit(world.session, actor, member.uuid, marks, page.version, world.now)


def settle(world: World, row: Appeal, level: int) -> None:
    for member in members(world, row):
        speak(world, member, level)


def hours(world: World, who: cast.Cast = cast.CHEN) -> int:
    person = pk(world.person(who))
    return competencies.balance(world.session, pk(world.programme), [person])[person][CreditKind.PRACTICE]


def test_a_failed_point_becomes_passed_with_award_hours_and_score(world: World) -> None:
    work = result_of(world, 0, hours={"kind": "per_level"})
    row = ask(world, work)
    assert len(members(world, row)) == 2
    settle(world, row, 1)
    assert (row.state, row.after_level, row.before["point_level"]) == (AppealState.SETTLED, 1, 0)
    assert decision_of(world, work).point_level == 1
    award = world.session.exec(select(Award).where(Award.decision_id == pk(decision_of(world, work)))).one()
    assert (award.level, award.revoked_at) == (1, None)
    assert hours(world) == 800
    assert {one.after for one in points(world, row)} == {1}


def points(world: World, row: Appeal) -> list[AppealPoint]:
    return list(world.session.exec(select(AppealPoint).where(AppealPoint.appeal_id == pk(row))))


def test_a_better_level_replaces_the_award_and_the_earlier_one_stays_in_the_trail(world: World) -> None:
    work = result_of(world, 1, hours={"kind": "per_level", "excellent_hundredths": 1000})
    settle(world, ask(world, work), 2)
    awards = world.session.exec(
        select(Award).where(Award.decision_id == pk(decision_of(world, work))).order_by(col(Award.id))
    ).all()
    assert [(one.level, one.is_replaced) for one in awards] == [(1, True), (2, False)]
    assert awards[0].revoked_at == world.now
    assert hours(world) == 1000
    assert result_view.result_page(world.session, world.actor(cast.CHEN), work.uuid).level == 2


def test_the_record_and_the_certificate_say_that_an_appeal_replaced_the_award(world: World, browse: Any) -> None:
    work = result_of(world, 1, hours={"kind": "per_level", "excellent_hundredths": 1000})
    sealed(world)
    paper = issue(world, cast.CHEN)
    before = verification.look_up(world.session, paper.code)
    assert isinstance(before, verification.Verified)
    assert before.appealed == 0
    settle(world, ask(world, work), 2)
    after = verification.look_up(world.session, paper.code)
    assert isinstance(after, verification.Verified)
    assert (after.appealed, after.standing) == (1, competencies.Standing.VALID)
    record = browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text
    assert "申请复核以后由合格改为优秀" in record
    words = "1 项认定后来经申请复核改了等级：原来的认定已由新的代替，这里的学时仍然算数。"
    assert words in browse(cast.CHEN).get(f"/certificate/{paper.uuid}").text
    assert words in browse(cast.CHEN).get(f"/v/{paper.code}").text


def test_it_goes_down_only_where_that_was_said(world: World) -> None:
    work = result_of(world, 1, hours={"kind": "per_level"})
    row = ask(world, work)
    settle(world, row, 0)
    assert (row.after_level, hours(world)) == (1, 800)
    assert {(one.before, one.after) for one in points(world, row)} == {(1, 1)}

    other = result_of(world, 1, cast.WANG, appeals={"days": 10, "may_fall": True}, hours={"kind": "per_level"})
    down = ask(world, other, who=cast.WANG)
    settle(world, down, 0)
    assert (down.after_level, hours(world, cast.WANG)) == (0, 0)
    award = world.session.exec(select(Award).where(Award.decision_id == pk(decision_of(world, other)))).one()
    assert award.revoked_reason == "看到了第 0 种。"


def test_what_counts_in_another_district_is_not_taken_from_there(world: World) -> None:
    rules = {"appeals": {"days": 10, "may_fall": True}, "hours": {"kind": "per_level"}}
    work = result_of(world, 1, **rules)
    row = ask(world, work)
    transfers.release(world.session, world.actor(cast.OFFICER), asked(there_of(world)), SECRET, world.now)
    before = hours(world)
    settle(world, row, 0)
    assert (row.state, row.after_level) == (AppealState.SETTLED, 1)
    assert hours(world) == before
    award = world.session.exec(select(Award).where(Award.decision_id == pk(decision_of(world, work)))).one()
    assert award.revoked_at is None


def test_only_what_is_asked_about_changes(world: World) -> None:
    work = result_of(world, 0)
    lines = appeals.form(world.session, world.actor(cast.CHEN), work.uuid, world.now).lines
    row = ask(world, work, lines[0].field)
    page = appeal_review.open_page(
        world.session, world.actor(who_is(world, members(world, row)[0])), members(world, row)[0].uuid, world.now
    )
    assert [line.field for item in page.items for line in item.criteria] == [lines[0].field]
    settle(world, row, 1)
    marks = decision_of(world, work).marks
    changed = {f"{item}.{key}" for item, of in marks.items() for key, mark in of.items() if mark["level"] == 1}
    assert lines[0].field in changed
    assert row.after_level == 0  # the other criteria still fail


def test_who_differ_get_a_third_and_the_middle_level_counts(world: World) -> None:
    work = result_of(world, 0)
    row = ask(world, work)
    first, second = members(world, row)
    speak(world, first, 0)
    speak(world, second, 2)
    assert row.state is AppealState.OPEN
    third = members(world, row)[2]
    speak(world, third, 1)
    assert (row.state, row.after_level) == (AppealState.SETTLED, 1)


@given(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=3, max_size=3), st.booleans())
@settings(max_examples=times(60))
def test_an_outcome_never_falls_unannounced_and_is_somebodys_level(before: int, levels: list[int], falls: bool) -> None:
    said = [Given(level, f"w{level}") for level in levels]
    after, words = rubrics.appeals.outcome(before, said, may_fall=falls)
    assert after == (sorted(levels)[1] if falls else max(before, sorted(levels)[1]))
    assert words == f"w{sorted(levels)[1]}"


def test_nobody_who_had_to_do_with_it_is_on_the_panel(world: World) -> None:
    world.set_rules(**RULES)
    session = world.session
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    for one in cast.TEACHERS[1:]:
        hand_in(world, one, "B2", world.now - timedelta(hours=2))
    review.allocate(session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    reviewers = {
        one.reviewer_id for one in session.exec(select(rubrics.Review).where(rubrics.Review.submission_id == pk(work)))
    }
    assert reviewers
    left = [one for one in cast.TEACHERS[1:] if pk(world.person(one)) not in reviewers]
    conflicts.keep_apart(
        session,
        world.actor(cast.OFFICER),
        conflicts.Said(cast.CHEN.staff_number, left[0].staff_number, "family"),
        world.now,
    )
    trainer = world.actor(cast.TRAINER)
    cases.decide(session, trainer, work.uuid, judgement(all_marks(world, work, 0)), 0, 1, world.now)
    award.release(session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    row = ask(world, work)
    asked = {one.reviewer_id for one in members(world, row)}
    assert asked == {pk(world.person(one)) for one in left[1:]}
    assert pk(world.person(cast.TRAINER)) in appeal_panel.seen_by(session, work)


def test_a_pool_of_the_own_school_asks_nobody_else(world: World) -> None:
    work = result_of(world, 0, review={"pool": "own_school"})
    row = ask(world, work)
    schools = {who_is(world, one).school for one in members(world, row)}
    assert schools == {"希望小学"}
    excluded = result_of(world, 0, cast.ZHAO, review={"pool": "district", "exclude_own_school": True})
    other = ask(world, excluded, who=cast.ZHAO)
    assert {who_is(world, one).school for one in members(world, other)} == {"希望小学"}


def test_a_short_panel_gives_choices_with_numbers(world: World) -> None:
    world.set_rules(**{**RULES, "review": {"pool": "own_school"}})
    earn(world, cast.CHEN, "A3", level=0)
    hand_in(world, cast.WANG, "B2", world.now - timedelta(hours=2))  # the only colleague in the pool
    for one in (cast.ZHAO, cast.SUN):
        hand_in(world, one, "B2", world.now - timedelta(hours=2))
    work = world.session.exec(
        select(competencies.Submission).where(competencies.Submission.person_id == pk(world.person(cast.CHEN)))
    ).one()
    row = ask(world, work)
    officer = world.actor(cast.OFFICER)
    assert len(members(world, row)) == 1
    assert appeal_views.page(world.session, officer, row.uuid, world.now).short == 1
    shown = appeal_panel.choices(world.session, officer, row.uuid, world.now)
    assert (shown.short, shown.by_rules, shown.in_district) == (1, 0, 2)
    with pytest.raises(Invalid):
        appeal_panel.choose(world.session, officer, row.uuid, "nothing", world.now)
    with pytest.raises(Forbidden):
        appeal_panel.choose(world.session, world.actor(cast.WANG), row.uuid, "district", world.now)
    appeal_panel.choose(world.session, officer, row.uuid, "district", world.now)
    assert len(members(world, row)) == 2
    assert appeal_views.page(world.session, officer, row.uuid, world.now).short == 0


def test_a_fresh_trainer_settles_alone(world: World) -> None:
    grant(world.session, world.person(cast.OTHER_TRAINER), RoleKind.TRAINER, None, world.now)
    work = result_of(world, 0, appeals={"days": 10, "panel": "trainer"})
    row = ask(world, work)
    (member,) = members(world, row)
    assert who_is(world, member) is cast.OTHER_TRAINER
    trainer = world.actor(cast.OTHER_TRAINER)
    with pytest.raises(NotFound):  # at the desk the case names its author and shows what was decided
        cases.open_case(world.session, trainer, work.uuid, world.now)
    speak(world, member, 1)
    assert row.after_level == 1


def test_it_is_once_and_in_time(world: World) -> None:
    session, chen, work = world.session, world.actor(cast.CHEN), result_of(world, 0)
    late = world.now + 11 * DAY
    assert appeals.standing_of(session, chen, work.uuid, world.now).until_on is not None
    with pytest.raises(Refused) as over:
        appeals.form(session, chen, work.uuid, late)
    assert over.value.code == "appeal.over"
    row = ask(world, work)
    with pytest.raises(Refused) as again:
        ask(world, work)
    assert again.value.code == "appeal.once"
    with pytest.raises(Forbidden):
        appeals.form(session, world.actor(cast.WANG), work.uuid, world.now)
    with pytest.raises(Refused) as under_way:
        submit.prepare_again(session, chen, work.uuid, world.now)
    assert under_way.value.code == "appeal.under_way"
    appeals.withdraw(session, chen, row.uuid, world.now)
    assert {one.state for one in members(world, row)} == {MemberState.ENDED}
    assert submit.prepare_again(session, chen, work.uuid, world.now).state is competencies.SubmissionState.RETURNED


def test_rules_from_before_offer_none(world: World) -> None:
    work = result_of(world, 0, appeals={})
    assert appeals.standing_of(world.session, world.actor(cast.CHEN), work.uuid, world.now) == appeals.Standing()
    with pytest.raises(Refused):
        appeals.form(world.session, world.actor(cast.CHEN), work.uuid, world.now)
    assert competencies.Rules.begun().appeals.days == 10


def test_a_reason_is_needed_and_does_not_say_who_it_is(world: World) -> None:
    session, chen, work = world.session, world.actor(cast.CHEN), result_of(world, 0)
    field = appeals.form(session, chen, work.uuid, world.now).lines[0].field
    for text, code in (("", "appeal.reason_missing"), (f"我是{cast.CHEN.name}", "appeal.reason_tells")):
        with pytest.raises(Invalid) as wrong:
            appeals.appeal(session, chen, work.uuid, {field: text}, world.now)
        problem = next(iter(wrong.value.fields.values()))
        assert (problem if isinstance(problem, str) else problem[0]) == code


def test_a_member_steps_back_and_another_is_asked(world: World) -> None:
    row = ask(world, result_of(world, 0))
    first = members(world, row)[0]
    appeal_review.step_back(world.session, world.actor(who_is(world, first)), first.uuid, world.now)
    assert [one.state for one in members(world, row)].count(MemberState.ASKED) == 2
    with pytest.raises(Refused):
        speak(world, first, 1)


def test_who_is_late_is_replaced_by_the_sweep_where_somebody_is_free(world: World) -> None:
    row = ask(world, result_of(world, 0))
    assert appeal_panel.due(world.session, world.now) == []
    later = world.now + 7 * DAY
    assert appeal_panel.due(world.session, later) == [pk(row)]
    appeal_panel.look_again(world.session, pk(row), later)
    states = [one.state for one in members(world, row)]
    assert (states.count(MemberState.ENDED), states.count(MemberState.ASKED)) == (2, 2)


def test_nothing_half_done_is_taken(world: World) -> None:
    row = ask(world, result_of(world, 0))
    member = members(world, row)[0]
    actor = world.actor(who_is(world, member))
    with pytest.raises(Invalid) as wrong:
        appeal_review.submit(world.session, actor, member.uuid, {}, 0, world.now)
    assert set(wrong.value.fields.values()) == {"decision.level_missing"}
    saved = appeal_review.save(world.session, actor, member.uuid, {}, member.version, world.now)
    with pytest.raises(Conflict):
        appeal_review.save(world.session, actor, member.uuid, {}, saved.version - 1, world.now)


def test_everybody_sees_what_is_theirs(world: World) -> None:
    session, row = world.session, ask(world, work := result_of(world, 0))
    author, officer = world.actor(cast.CHEN), world.actor(cast.OFFICER)
    shown = appeal_views.page(session, author, row.uuid, world.now)
    assert (shown.is_own, shown.members, shown.wanted, shown.short) == (True, (), 2, 0)
    assert appeal_views.inbox(session, officer, "open", 1, world.now).counts["open"] == 1
    assert appeal_views.inbox(session, officer, "late", 1, world.now + 20 * DAY).counts["late"] == 1
    auditor = appeal_views.page(session, world.actor(cast.AUDITOR), row.uuid, world.now)
    assert len(auditor.members) == 2
    for who in (cast.LEAD, cast.IT):
        with pytest.raises(Forbidden):
            appeal_views.page(session, world.actor(who), row.uuid, world.now)
    member = members(world, row)[0]
    with pytest.raises(Forbidden):
        appeal_views.page(session, world.actor(who_is(world, member)), row.uuid, world.now)
    with pytest.raises(Forbidden):
        appeal_review.open_page(session, author, member.uuid, world.now)
    settle(world, row, 1)
    kinds = [
        event.kind
        for event in session.exec(
            select(rubrics.ReviewEvent)
            .where(rubrics.ReviewEvent.submission_version_id == work.current_version_id)
            .order_by(col(rubrics.ReviewEvent.id))
        )
    ]
    assert [one for one in kinds if one.startswith("appeal")] == [
        *("appealed", "appeal_asked", "appeal_asked", "appeal_opened", "appeal_marked"),
        *("appeal_opened", "appeal_marked", "appeal_settled"),
    ]
    assert reliability.programme_page(session, officer, world.programme.uuid).appeals is not None


def test_the_panel_reads_files_blind(world: World) -> None:
    row = ask(world, result_of(world, 0))
    session = world.session
    version = get(session, competencies.SubmissionVersion, row.submission_version_id)
    requirement = session.exec(
        select(competencies.Evidence).where(competencies.Evidence.version_id == pk(version))
    ).all()[0]
    file = competencies.StoredFile(
        tenant_id=row.tenant_id,
        person_id=row.person_id,
        state=competencies.FileState.READY,
        filename="陈晓芳的教案.pdf",
        storage_key="a" * 32,
        size_bytes=9,
        kind="document",
        mime="application/pdf",
        extension="pdf",
        started_at=world.now,
    )
    session.add(file)
    session.flush()
    requirement.kind, requirement.stored_file_id = "file", pk(file)
    session.add(requirement)
    session.flush()
    member = members(world, row)[0]
    seen = evidence.open_file(session, world.actor(who_is(world, member)), file.uuid, world.now)
    assert (seen.is_blind, "陈" in seen.name) == (True, False)
    others = {pk(world.person(one)) for one in cast.TEACHERS} - {one.reviewer_id for one in members(world, row)}
    stranger = next(one for one in cast.TEACHERS if pk(world.person(one)) in others and one is not cast.CHEN)
    with pytest.raises(Forbidden):
        evidence.readable(session, world.actor(stranger), file.uuid)


def test_what_an_officer_takes_back_meanwhile_stays_taken_back(world: World) -> None:
    work = result_of(world, 1, hours={"kind": "per_level", "excellent_hundredths": 1000})
    row = ask(world, work)
    held = world.session.exec(select(Award).where(Award.decision_id == pk(decision_of(world, work)))).one()
    who = (world.programme.uuid, world.person(cast.CHEN).uuid, "award", held.uuid)
    assert reversal.reverse(world.session, world.actor(cast.OFFICER), *who, "材料是别人的", world.now)
    settle(world, row, 2)
    (left,) = world.session.exec(select(Award).where(Award.decision_id == pk(decision_of(world, work)))).all()
    assert (left.revoked_reason, left.is_replaced, hours(world)) == ("材料是别人的", False, 0)
    assert row.state is AppealState.SETTLED
    assert appeal_views.page(world.session, world.actor(cast.CHEN), row.uuid, world.now).is_taken_back


def test_the_sweep_also_finds_who_lacks_a_third_or_a_trainer(world: World) -> None:
    row = ask(world, result_of(world, 0))
    for level, member in enumerate(members(world, row)):
        speak(world, member, level)
    third = members(world, row)[2]
    assert appeal_panel.due(world.session, world.now) == []
    third.state = MemberState.STEPPED_BACK
    world.session.add(third)
    world.session.flush()
    assert appeal_panel.due(world.session, world.now) == [pk(row)]
    row.panel = "trainer"  # two reviewers have spoken, no trainer is there
    world.session.add(row)
    world.session.flush()
    assert appeal_panel.due(world.session, world.now) == [pk(row)]


def test_an_officer_changes_no_panel_that_lacks_nobody_and_ends_none_for_nobody(world: World) -> None:
    row, officer = ask(world, result_of(world, 0)), world.actor(cast.OFFICER)
    assert appeal_panel.choose(world.session, officer, row.uuid, "district", world.now) == []
    assert (row.pool, len(members(world, row))) == ("", 2)
    first, second = members(world, row)
    first.state = MemberState.STEPPED_BACK
    world.session.add(first)
    world.session.flush()
    for role in world.session.exec(select(Role).where(Role.kind == RoleKind.TRAINER)):
        role.revoked_at = world.now
        world.session.add(role)
    with pytest.raises(Invalid) as wrong:
        appeal_panel.choose(world.session, officer, row.uuid, "trainer", world.now)
    assert wrong.value.fields == {"way": "appeal.nobody_free"}
    assert (row.panel, second.state) == ("two", MemberState.ASKED)


def test_handed_in_twice_is_once(world: World) -> None:
    row = ask(world, result_of(world, 0))
    member = members(world, row)[0]
    speak(world, member, 1)
    actor = world.actor(who_is(world, member))
    assert appeal_review.submit(world.session, actor, member.uuid, {}, 1, world.now).state is MemberState.SUBMITTED


def test_a_merge_takes_the_appellant_and_a_second_voice_off_the_panel(world: World) -> None:
    row, officer = ask(world, result_of(world, 0)), world.actor(cast.OFFICER)
    first, second = members(world, row)
    speak(world, first, 1)
    gone, kept = world.person(who_is(world, second)), world.person(who_is(world, first))
    merges.merge_persons(world.session, officer, gone.uuid, kept.uuid, "同一个人", world.now)
    assert (first.state, second.state) == (MemberState.SUBMITTED, MemberState.ENDED)
    assert appeal_panel.due(world.session, world.now) == [pk(row)]
    appeal_panel.look_again(world.session, pk(row), world.now)
    other = members(world, row)[2]
    author = world.person(cast.CHEN)
    merges.merge_persons(world.session, officer, kept.uuid, author.uuid, "同一个人", world.now + DAY)
    assert (first.state, other.state) == (MemberState.ENDED, MemberState.ASKED)


def test_hours_of_a_replaced_award_stay_where_and_by_what_rule_they_came(world: World) -> None:
    before = {"kind": "per_level", "excellent_hundredths": 1000}
    higher, lower = result_of(world, 1, hours=before), result_of(world, 2, cast.WANG, hours=before)
    assert (hours(world), hours(world, cast.WANG)) == (800, 1000)
    world.now += DAY  # since then a point brings less; nobody loses hours by that
    since = {"kind": "per_level", "pass_hundredths": 500, "excellent_hundredths": 600}
    world.set_rules(**{**RULES, "appeals": {"days": 10, "may_fall": True}, "hours": since})
    earned_at = world.now - DAY
    world.now += DAY
    settle(world, ask(world, higher), 2)
    settle(world, ask(world, lower, who=cast.WANG), 1)
    assert (hours(world), hours(world, cast.WANG)) == (800, 800)
    for who in (cast.CHEN, cast.WANG):
        person = world.person(who)
        steps = competencies.ledger.practice_steps(world.session, world.programme, [pk(person)], lambda: None)
        assert [(one.at, one.hundredths) for one in steps] == [(earned_at, 800)]
        basis = competencies.Basis(world.programme.policy_id or 0)
        booking.put_right(
            world.session, world.programme, person, pk(person), basis, world.now, reason="merge", source=""
        )
        assert hours(world, who) == 800
    award = world.session.exec(
        select(Award).where(Award.decision_id == pk(decision_of(world, higher)), ~col(Award.is_replaced))
    ).one()
    without = competencies.practice_booked(
        world.session, world.programme, [pk(world.person(cast.CHEN))], lambda: None, pk(award)
    )
    assert without == 0


def test_who_is_waited_for_no_more_is_told_nothing_more(world: World) -> None:
    work = result_of(world, 0)
    row = ask(world, work)
    asked = [world.actor(who_is(world, one)) for one in members(world, row)]

    def unread(actor: Any) -> int:
        lines = messages.inbox(world.session, actor, 1).lines
        return sum(line.kind == "appeal.asked" and not line.is_read for line in lines)

    assert [unread(one) for one in asked] == [1, 1]
    appeals.withdraw(world.session, world.actor(cast.CHEN), row.uuid, world.now)
    assert [unread(one) for one in asked] == [0, 0]


def test_a_second_click_shows_what_the_first_one_asked(world: World, browse: Any) -> None:
    work = result_of(world, 0)
    (field, *_) = [
        line.field for line in appeals.form(world.session, world.actor(cast.CHEN), work.uuid, world.now).lines
    ]
    clicks = [
        browse(cast.CHEN).post(f"/submissions/{work.uuid}/appeal", {f"why.{field}": "第 2 页写了。"}) for _ in range(2)
    ]
    assert [one.status_code for one in clicks] == [303, 303]
    assert clicks[0].headers["Location"] == clicks[1].headers["Location"]
