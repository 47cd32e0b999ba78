"""Handing in: the window, snapshots that never change, returns, withdrawing, what counts as in time."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import get, new_uuid, pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import drafts, point_view, submit, submit_views, uploads
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.fuzzing import times

MINUTE = timedelta(minutes=1)
TEXT_KEYS = ("design", "reflection")


@pytest.fixture
def chen(world: World) -> Actor:
    return world.actor(cast.CHEN)


def choose(world: World, actor: Actor, *codes: str, at: datetime | None = None) -> list[competencies.Submission]:
    submit.choose_points(world.session, actor, world.programme.uuid, codes, at or world.now)
    return [
        world.session.exec(
            select(competencies.Submission).where(
                competencies.Submission.person_id == actor.person_id,
                competencies.Submission.point_id == pk(world.point(code)),
            )
        ).one()
        for code in codes
    ]


def film(world: World, actor: Actor, started: datetime, completed: datetime | None, **more: Any) -> str:
    """A film that is there already, as after an upload."""
    row = competencies.StoredFile(
        tenant_id=actor.tenant_id,
        person_id=actor.person_id,
        state=competencies.FileState.READY,
        filename="片段.mp4",
        storage_key=new_uuid(),
        size_bytes=100,
        received_bytes=100,
        sha256=new_uuid() * 2,
        kind="video",
        mime="video/mp4",
        extension="mp4",
        duration_ms=more.pop("duration_ms", 9 * 60 * 1000),
        started_at=started,
        completed_at=completed,
        **more,
    )
    world.session.add(row)
    world.session.flush()
    return row.uuid


def put_beside(world: World, actor: Actor, work: competencies.Submission, file: str, at: datetime) -> None:
    """One more film in its place, as while one takes the place of another."""
    load = drafts.load_work(world.session, actor, work.uuid)
    row = world.session.exec(select(competencies.StoredFile).where(competencies.StoredFile.uuid == file)).one()
    empty = competencies.Item(load.item("clip").requirement, ())
    drafts.attach(world.session, actor, load, empty, at, kind="file", stored_file_id=pk(row))


def fill(world: World, actor: Actor, work: competencies.Submission, at: datetime, file: str | None = None) -> None:
    """Everything that A6 asks for, with own marks."""
    for key in TEXT_KEYS:
        type_text(world, actor, work, key, "写好的内容", at)
    drafts.reuse_file(world.session, actor, work.uuid, "clip", file or film(world, actor, at, at), at)
    mark(world, actor, work, at)


def type_text(world: World, actor: Actor, work: competencies.Submission, key: str, text: str, at: datetime) -> None:
    load = drafts.load_work(world.session, actor, work.uuid)
    item = load.item(key)
    version = next((piece.evidence.version for piece in item.pieces if piece.evidence.kind == "text"), 0)
    lines = drafts.criteria_by_key(world.session, actor, [item], work)[key]
    drafts.save_text(world.session, actor, work.uuid, key, {lines[0].key: text}, version, at)


def mark(world: World, actor: Actor, work: competencies.Submission, at: datetime) -> None:
    items = drafts.load_work(world.session, actor, work.uuid).items
    lines = drafts.criteria_by_key(world.session, actor, items, work)
    marks = {key: {line.key: 1 for line in inner} for key, inner in lines.items()}
    drafts.save_self_marks(world.session, actor, work.uuid, marks, competencies.edition(work.self_marks), at)


def version_of(world: World, work: competencies.Submission) -> competencies.SubmissionVersion:
    assert work.current_version_id is not None
    return get(world.session, competencies.SubmissionVersion, work.current_version_id)


def missing(error: pytest.ExceptionInfo[Invalid]) -> set[str]:
    return set(error.value.fields)


# --- choosing ---


def test_a_choice_can_change_until_the_first_decision(world: World, chen: Actor) -> None:
    a3, a6 = choose(world, chen, "A3", "A6")
    choose(world, chen, "A6", "A5")
    home = submit_views.home(world.session, chen, world.programme.uuid, world.now)
    assert [line.code for line in home.points] == ["A5", "A6"]
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, world.now)
    with pytest.raises(Invalid) as caught:
        submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now)
    assert missing(caught) == {"give_up"}
    assert a6.state is competencies.SubmissionState.SUBMITTED
    submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now, ["A6"])  # takes the work back
    assert a6.state is competencies.SubmissionState.DRAFT
    choose(world, chen, "A5", "A6")
    submit.submit(world.session, chen, a6.uuid, world.now)
    decide(world, a6, {"design": 1, "clip": 0, "reflection": 1})
    with pytest.raises(Refused, match="choice"):
        submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now)
    assert a3.state is competencies.SubmissionState.DRAFT


def test_a_point_that_somebody_opened_is_not_given_back_by_choosing_others(world: World, chen: Actor) -> None:
    a6, _a5 = choose(world, chen, "A6", "A5")
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, world.now)
    version_of(world, a6).opened_at = world.now
    later = world.now + 31 * MINUTE
    for points in (["A5"], [], ["A5", "A3"]):
        with pytest.raises(Refused, match=r"choice\.opened"):
            submit.choose_points(world.session, chen, world.programme.uuid, points, later, ["A6"])
    assert a6.state is competencies.SubmissionState.SUBMITTED
    assert version_of(world, a6).withdrawn_at is None
    choose(world, chen, "A6", "A3", at=later)  # the others are free


@pytest.mark.parametrize(
    ("rule", "codes", "code", "params"),
    [
        ({}, ["A5", "A6", "A7"], "choice.dimensions_missing", {"have": 1, "need": 2, "swap": 1}),
        ({"min_dimensions": 3}, ["A5", "A6"], "choice.dimensions_missing", {"have": 1, "need": 3, "swap": 1}),
        ({"compulsory": ["B2"]}, ["A3", "A5", "A6"], "choice.compulsory_missing", {"points": "B2"}),
        ({"compulsory": ["B2", "B3"]}, ["A5", "A6"], "choice.compulsory_missing", {"points": "B2、B3"}),
    ],
)
def test_a_set_that_breaks_the_rule_or_leads_nowhere_is_refused(
    world: World, chen: Actor, rule: dict[str, Any], codes: list[str], code: str, params: dict[str, Any]
) -> None:
    world.set_rules(choice=rule)
    with pytest.raises(Invalid) as caught:
        choose(world, chen, *codes)
    found = caught.value.fields["point"]
    assert found[0] == code
    assert params.items() <= found[1].items()
    assert submit_views.home(world.session, chen, world.programme.uuid, world.now).points == ()


def test_a_set_that_is_not_whole_is_kept_while_the_rule_can_be_met(world: World, chen: Actor) -> None:
    choose(world, chen, "A5")
    choose(world, chen, "A5", "A6")
    choose(world, chen, "A5", "A6", "A3")


def test_a_rule_that_was_changed_later_does_not_lock_out_who_has_begun(world: World, chen: Actor) -> None:
    works = choose(world, chen, "A5", "A6", "A3")
    for work in works[:2]:
        fill_any(world, chen, work)
        submit.submit(world.session, chen, work.uuid, world.now)
        decide(world, work, {"design": 1}, "decided")
    world.set_rules(choice={"min_dimensions": 3})
    choose(world, chen, "A5", "A6", "A1")


def fill_any(world: World, actor: Actor, work: competencies.Submission) -> None:
    """Something in every place, whatever the point asks for."""
    for item in drafts.load_work(world.session, actor, work.uuid).items:
        world.session.add(
            competencies.Evidence(
                submission_id=pk(work),
                requirement_id=pk(item.requirement),
                kind="text",
                text="写好的内容",
                changed_at=world.now,
            )
        )
        ticks = [check["key"] for check in item.requirement.checks]
        work.ticks = {**work.ticks, item.requirement.key: ticks}
    world.session.flush()
    mark(world, actor, work, world.now)


def test_who_takes_no_part_chooses_nothing(world: World) -> None:
    with pytest.raises(Forbidden):
        submit.choose_points(world.session, world.actor(cast.OFFICER), world.programme.uuid, ["A6"], world.now)
    with pytest.raises(NotFound):
        submit.choose_points(world.session, world.actor(cast.NEIGHBOUR), world.programme.uuid, ["A6"], world.now)


def test_a_point_that_was_dropped_cannot_be_handed_in(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    fill(world, chen, a6, world.now)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now)
    with pytest.raises(Refused, match="point_not_chosen"):
        submit.submit(world.session, chen, a6.uuid, world.now)


# --- what is missing ---


def test_a_long_film_asks_for_a_choice_and_a_slightly_long_one_for_nothing(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    at = world.now
    fill(world, chen, a6, at, film(world, chen, at, at, duration_ms=(10 * 60 + 20) * 1000))
    work = submit.submit(world.session, chen, a6.uuid, at)
    clip = next(item for item in version_of(world, work).manifest["items"] if item["requirement"] == "clip")
    assert clip["pieces"][0]["over_seconds"] == 20
    submit.withdraw(world.session, chen, a6.uuid, at)
    old = drafts.load_work(world.session, chen, a6.uuid).item("clip").pieces[0].ref
    drafts.remove_piece(world.session, chen, a6.uuid, "clip", old, at)
    long = film(world, chen, at, at, duration_ms=12 * 60 * 1000)
    drafts.reuse_file(world.session, chen, a6.uuid, "clip", long, at)
    with pytest.raises(Invalid) as caught:
        submit.submit(world.session, chen, a6.uuid, at)
    assert missing(caught) == {"clip.submit.length_choice"}
    drafts.save_ticks(world.session, chen, a6.uuid, {"clip": ["length_over"]}, competencies.edition(a6.ticks), at)
    assert submit.submit(world.session, chen, a6.uuid, at).state is competencies.SubmissionState.SUBMITTED


def test_checks_of_the_pack_must_be_ticked(world: World, chen: Actor) -> None:
    rows = world.session.exec(select(competencies.EvidenceRequirement)).all()
    requirement = next(row for row in rows if "alias_used" in str(row.checks) and "text" in row.alt_kinds)
    point = get(world.session, competencies.CompetencyPoint, requirement.point_id)
    (work,) = choose(world, chen, point.code)
    type_text(world, chen, work, requirement.key, "某生的作业", world.now)
    problem = ("submit.check_unticked", requirement.key, "alias_used")

    def waiting() -> set[tuple[str, str, str]]:
        page = point_view.point_page(world.session, chen, work.uuid, world.now)
        return {(one.code, one.requirement_key, str(one.params.get("check", ""))) for one in page.problems}

    assert problem in waiting()
    drafts.save_ticks(world.session, chen, work.uuid, {requirement.key: ["alias_used", "no such"]}, "", world.now)
    assert problem not in waiting()
    assert work.ticks == {requirement.key: ["alias_used"]}


def test_marks_of_other_criteria_or_levels_are_dropped(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    given = {"design": {"complete": 2, "nonsense": 1, "fit": 7}, "nothing": {"x": 1}}
    drafts.save_self_marks(world.session, chen, a6.uuid, given, competencies.edition(a6.self_marks), world.now)
    assert a6.self_marks == {"design": {"complete": 2}}


# --- the window ---


def end_of(world: World) -> datetime:
    return competencies.end_of_day(world.programme.submit_by_on, "Asia/Shanghai")


def test_before_the_end_is_in_time_and_after_it_is_late(world: World, chen: Actor) -> None:
    a6, a5 = choose(world, chen, "A6", "A5")
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, end_of(world) - timedelta(seconds=1))
    assert a6.state is competencies.SubmissionState.SUBMITTED
    submit.withdraw(world.session, chen, a6.uuid, end_of(world))
    submit.submit(world.session, chen, a6.uuid, end_of(world))
    assert a6.state is competencies.SubmissionState.LATE
    assert version_of(world, a6).is_late
    assert a5.state is competencies.SubmissionState.DRAFT


@pytest.mark.parametrize(
    ("begun", "completed", "handed_in", "late"),
    [
        (-5, 10, 20, False),  # begun before the end, finished after it
        (-5, 10, 71, True),  # but then left lying
        (-5, -1, 1, True),  # it was there before the end: it could have been handed in
        (1, 10, 20, True),  # begun after the end
    ],
)
def test_an_upload_begun_before_the_end_may_finish(
    world: World, chen: Actor, begun: int, completed: int, handed_in: int, late: bool
) -> None:
    (a6,) = choose(world, chen, "A6")
    end = end_of(world)
    fill(world, chen, a6, world.now, film(world, chen, end + begun * MINUTE, end + completed * MINUTE))
    submit.submit(world.session, chen, a6.uuid, end + handed_in * MINUTE)
    assert (a6.state is competencies.SubmissionState.LATE) is late


def test_striking_out_one_s_name_makes_nobody_late(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    end = end_of(world)
    begun = film(world, chen, end - 5 * MINUTE, end + 10 * MINUTE)
    fill(world, chen, a6, world.now, begun)
    type_text(world, chen, a6, "design", f"我是{cast.CHEN.name}，设计如下。", end - MINUTE)
    struck = film(world, chen, end + 12 * MINUTE, end + 13 * MINUTE)
    put_beside(world, chen, a6, struck, end + 13 * MINUTE)
    uploads.replace_files(world.session, chen, a6.uuid, "clip", [begun], struck, end + 14 * MINUTE)
    uploads.redact_text(world.session, chen, a6.uuid, "design", end + 15 * MINUTE)
    submit.submit(world.session, chen, a6.uuid, end + 20 * MINUTE)
    assert a6.state is competencies.SubmissionState.SUBMITTED


def test_a_file_put_in_after_the_end_is_late_however_old_it_is(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    end = end_of(world)
    fill(world, chen, a6, world.now, film(world, chen, end - 5 * MINUTE, end + 10 * MINUTE))
    old = film(world, chen, end - 60 * MINUTE, end - 50 * MINUTE)
    put_beside(world, chen, a6, old, end + 12 * MINUTE)
    submit.submit(world.session, chen, a6.uuid, end + 20 * MINUTE)
    assert a6.state is competencies.SubmissionState.LATE


def test_nothing_is_taken_before_the_first_day_and_after_the_last(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    fill(world, chen, a6, world.now)
    with pytest.raises(Refused, match="programme_over"):
        submit.submit(world.session, chen, a6.uuid, world.now + timedelta(days=300))
    with pytest.raises(Refused, match="not_open_yet"):
        submit.submit(world.session, chen, a6.uuid, world.now - timedelta(days=300))


# --- withdrawing ---


def test_withdrawing_is_possible_for_the_guaranteed_time_whoever_has_opened_it(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, world.now)
    version_of(world, a6).opened_at = world.now + MINUTE
    with pytest.raises(Refused, match="opened_already"):
        submit.withdraw(world.session, chen, a6.uuid, world.now + 30 * MINUTE)
    submit.withdraw(world.session, chen, a6.uuid, world.now + 29 * MINUTE)
    assert a6.state is competencies.SubmissionState.DRAFT
    assert a6.current_version_id is None


def test_withdrawing_unopened_work_voids_its_reviews(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, world.now)
    slot = rubrics.Slot(pk(a6), a6.current_version_id or 0, pk(world.person(cast.WANG)))
    rubrics.allot(world.session, chen.tenant_id, pk(world.programme), [slot], None, None, world.now)
    review = world.session.exec(select(rubrics.Review).where(rubrics.Review.submission_id == pk(a6))).one()
    submit.withdraw(world.session, chen, a6.uuid, world.now + timedelta(days=3))
    assert review.state is rubrics.ReviewState.VOID


# --- returned work ---


def decide(
    world: World, work: competencies.Submission, levels: dict[str, int], outcome: str = "returned"
) -> competencies.Decision:
    """A trainer's word on the version that stands, as the award stage keeps it."""
    row = competencies.Decision(
        tenant_id=work.tenant_id,
        submission_id=pk(work),
        submission_version_id=work.current_version_id or 0,
        decided_by_id=pk(world.person(cast.TRAINER)),
        outcome=competencies.Outcome(outcome),
        marks={},
        item_levels=levels,
        reason="请补课堂片段",
        decided_at=world.now,
    )
    work.state = competencies.SubmissionState(outcome)
    world.session.add(row)
    world.session.add(work)
    world.session.flush()
    return row


def test_after_a_return_only_failed_items_need_new_material(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    fill(world, chen, a6, world.now)
    submit.submit(world.session, chen, a6.uuid, world.now)
    decide(world, a6, {"design": 2, "clip": 0, "reflection": 1})
    page = point_view.point_page(world.session, chen, a6.uuid, world.now)
    assert {slot.key: (slot.stands, slot.failed) for slot in page.slots} == {
        "design": (True, False),
        "clip": (False, True),
        "reflection": (True, False),
    }
    with pytest.raises(Refused, match="item_stands"):
        type_text(world, chen, a6, "design", "别的", world.now)
    with pytest.raises(Invalid) as caught:
        submit.submit(world.session, chen, a6.uuid, world.now)
    assert missing(caught) == {"clip.submit.item_unchanged"}
    new = film(world, chen, world.now, world.now)
    drafts.reuse_file(world.session, chen, a6.uuid, "clip", new, world.now)
    submit.submit(world.session, chen, a6.uuid, end_of(world) + timedelta(days=1))
    version = version_of(world, a6)
    assert not version.is_late  # returned work has until the last day of reviewing
    assert version.number == 2
    assert {item["requirement"]: (item["change"], item["stands"]) for item in version.manifest["items"]} == {
        "design": ("same", True),
        "clip": ("changed", False),
        "reflection": ("same", True),
    }
    submit.withdraw(world.session, chen, a6.uuid, world.now)
    assert a6.state is competencies.SubmissionState.RETURNED  # as it was before


# --- a snapshot never changes ---


@settings(max_examples=times(12), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    texts=st.lists(st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=40), min_size=1, max_size=4),
    removes=st.booleans(),
    marks=st.integers(0, 2),
)
def test_whatever_happens_later_a_snapshot_stays_as_it_was(
    session: Session, world: World, texts: list[str], removes: bool, marks: int
) -> None:
    chen = world.actor(cast.CHEN)
    (a6,) = choose(world, chen, "A6")
    if a6.state is competencies.SubmissionState.SUBMITTED:
        submit.withdraw(session, chen, a6.uuid, world.now)
    fill_again(world, chen, a6)
    submit.submit(session, chen, a6.uuid, world.now)
    version = version_of(world, a6)
    before = (json.dumps(version.manifest, sort_keys=True), version.content_hash, contents(world, version))
    assert competencies.manifests.holds(version.manifest, version.content_hash)
    submit.withdraw(session, chen, a6.uuid, world.now)
    for text in texts:
        type_text(world, chen, a6, "design", text, world.now)
    drafts.save_self_marks(
        session, chen, a6.uuid, {"design": {"complete": marks}}, competencies.edition(a6.self_marks), world.now
    )
    if removes:
        drafts.remove_piece(session, chen, a6.uuid, "reflection", "text", world.now)
    session.flush()
    session.expire_all()
    after = (json.dumps(version.manifest, sort_keys=True), version.content_hash, contents(world, version))
    assert after == before


def fill_again(world: World, actor: Actor, work: competencies.Submission) -> None:
    """Makes the draft whole, whatever the example before left of it."""
    load = drafts.load_work(world.session, actor, work.uuid)
    for key in TEXT_KEYS:
        type_text(world, actor, work, key, "写好的内容", world.now)
    if not load.item("clip").pieces:
        drafts.reuse_file(world.session, actor, work.uuid, "clip", film(world, actor, world.now, world.now), world.now)
    mark(world, actor, work, world.now)


def contents(world: World, version: competencies.SubmissionVersion) -> list[tuple[str, str, int | None]]:
    rows = world.session.exec(
        select(competencies.Evidence).where(competencies.Evidence.version_id == pk(version))
    ).all()
    return sorted((row.kind, row.text, row.stored_file_id) for row in rows)


# --- somebody else's work ---


def test_nobody_touches_the_work_of_others(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    for who in (cast.WANG, cast.TRAINER, cast.OFFICER, cast.LEAD):
        with pytest.raises(Forbidden):
            submit.submit(world.session, world.actor(who), a6.uuid, world.now)
        with pytest.raises(Forbidden):
            type_text(world, world.actor(who), a6, "design", "x", world.now)
    with pytest.raises(NotFound):
        submit.withdraw(world.session, world.actor(cast.NEIGHBOUR), a6.uuid, world.now)
    file = film(world, chen, world.now, world.now)
    with pytest.raises(NotFound):
        uploads.incoming(world.session, world.actor(cast.WANG), file)
    (other,) = choose(world, world.actor(cast.WANG), "A6")
    with pytest.raises(NotFound):
        drafts.reuse_file(world.session, world.actor(cast.WANG), other.uuid, "clip", file, world.now)


def test_two_tabs_get_both_texts(world: World, chen: Actor) -> None:
    (a6,) = choose(world, chen, "A6")
    drafts.save_text(world.session, chen, a6.uuid, "design", {"complete": "甲"}, 0, world.now)
    with pytest.raises(Conflict) as caught:
        drafts.save_text(world.session, chen, a6.uuid, "design", {"complete": "乙"}, 0, world.now)
    assert caught.value.params == {"version": 1, "mine": {"complete": "乙"}, "theirs": {"complete": "甲"}}
    same = drafts.save_text(world.session, chen, a6.uuid, "design", {"complete": "甲"}, 0, world.now)
    assert same.version == 1


def test_home_follows_the_work_through_its_phases(world: World, chen: Actor) -> None:
    def now_is() -> tuple[str, tuple[str, ...]]:
        home = submit_views.home(world.session, chen, world.programme.uuid, world.now)
        return home.next.kind, tuple(line.phase for line in home.points)

    assert now_is() == ("choose", ())
    world.set_rules(choice={"required_points": 1, "min_dimensions": 1})
    (a6,) = choose(world, chen, "A6")
    assert now_is() == ("hand_in_more", ("draft",))
    fill(world, chen, a6, world.now)
    assert now_is() == ("submit", ("ready",))
    submit.submit(world.session, chen, a6.uuid, world.now)
    assert now_is() == ("wait", ("submitted",))
    decide(world, a6, {"design": 1, "clip": 0, "reflection": 1})
    assert now_is() == ("revise", ("returned",))


def test_of_two_works_on_one_point_the_declined_one_counts_less(world: World) -> None:
    """Two rows of one human being: what was not let in does not hide what waits for a trainer."""
    waits = hand_in(world, cast.CHEN, "A3", world.now - timedelta(days=2))
    late = hand_in(world, cast.WANG, "A3", world.now - timedelta(hours=2))
    late.state = competencies.SubmissionState.LATE
    competencies.decline_late(world.session, late, version_of(world, late), "晚了", world.now)
    declined, waiting = (
        submit_views.ChosenPoint(world.point("A3"), work, version_of(world, work), None, None).weight
        for work in (late, waits)
    )
    assert declined < waiting
