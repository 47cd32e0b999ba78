"""工作量证明: what somebody did for others, made out once, printed, checked by anybody, taken back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlmodel import col, select

import competencies
from lms_plugin import media
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import cases, merges, review, training_hours, workloads
from tests import people as cast
from tests.certified import PAPER
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of
from tests.flow.test_trainings import planned

Statement = competencies.workloads.WorkStatement


def worked(world: World) -> cast.Cast:
    """A work is reviewed twice and decided, a training held; gives who reviewed first."""
    work = hand_in(world, cast.LI, "A3", world.now - timedelta(hours=2))
    for who in (cast.WANG, cast.SUN, cast.CHEN):
        hand_in(world, who, "A3", world.now - timedelta(hours=2))
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    both = reviews_of(world, work)
    for one in both:
        finish_review(world, one, world.now, level=1)
    cases.decide(
        world.session, world.actor(cast.TRAINER), work.uuid, judgement(all_marks(world, work)), 0, 1, world.now
    )
    made = planned(world)
    later = made.ends_at + timedelta(minutes=1)
    training_hours.close(world.session, world.actor(cast.OFFICER), made.uuid, later)
    world.session.commit()
    return cast_of(world, both[0].reviewer_id)


def test_everybody_who_did_something_gets_one_and_no_other(browse: Any, tool: Flask, world: World) -> None:
    reviewer = worked(world)
    officer, home = browse(cast.OFFICER), f"/workload/{world.programme.uuid}"
    assert f'href="{home}"' in officer.get(f"/certificates/{world.programme.uuid}").text
    page = officer.get(home).text
    for words in (reviewer.name, "评审作品 1 件", cast.TRAINER.name, "评定作品 1 件", cast.LEAD.name, "主持培训 1 次"):
        assert words in page
    assert officer.post(home, {"paper": ""}).status_code == 422
    assert "made=4" in officer.post(home, {"paper": PAPER}).location
    assert "made=0" in officer.post(home, {"paper": PAPER}).location
    for who in (cast.LEAD, cast.TRAINER, cast.CHEN):
        assert browse(who).get(home).status_code == 403
        assert browse(who).post(home, {"paper": PAPER}).status_code == 403
    person = pk(world.person(reviewer))
    row = world.session.exec(select(Statement).where(Statement.person_id == person)).one()
    assert (row.work, row.minutes, row.name) == ({"reviews": 1}, {"reviews": 15}, reviewer.name)
    own = browse(reviewer)
    assert f"/work-statement/{row.uuid}" in own.get("/workload").text
    told = own.get(f"/work-statement/{row.uuid}").text
    assert "15 分钟，折合 0.33 学时" in told
    assert "作废这份证明" not in told
    stranger = tool.test_client()
    said = stranger.get(f"/v/{row.code}")
    assert "这份工作量证明有效" in said.text
    assert reviewer.name not in said.text
    assert row.uuid not in said.text
    other = cast.SUN if reviewer != cast.SUN else cast.WANG
    assert browse(other).get(f"/work-statement/{row.uuid}").status_code == 403
    assert browse(cast.NEIGHBOUR).get(f"/work-statement/{row.uuid}").status_code == 404
    revoke = f"/work-statement/{row.uuid}/revoke"
    assert own.post(revoke, {"reason": "不要了"}).status_code == 403
    assert officer.post(revoke, {"reason": ""}).status_code == 422
    for _ in range(2):
        assert officer.post(revoke, {"reason": "印错"}).status_code == 303
    assert "已经作废" in stranger.get(f"/v/{row.code}").text
    assert "印错" not in stranger.get(f"/v/{row.code}").text
    assert own.get(f"/work-statement/{row.uuid}/pdf").status_code == 409
    assert "made=0" in officer.post(home, {"paper": PAPER}).location  # by name alone
    again = {"paper": PAPER, "again": world.person(reviewer).uuid}
    assert "made=1" in officer.post(home, again).location


def test_more_work_brings_a_new_one_and_less_shows(world: World) -> None:
    worked(world)
    session, officer, programme = world.session, world.actor(cast.OFFICER), world.programme.uuid
    assert workloads.issue(session, officer, programme, PAPER, world.now) == 4
    lead = pk(world.person(cast.LEAD))
    first = session.exec(select(Statement).where(Statement.person_id == lead)).one()
    made = planned(world)
    training_hours.close(session, officer, made.uuid, made.ends_at + timedelta(minutes=1))
    line = next(one for one in workloads.people(session, officer, programme).lines if pk(one.person) == lead)
    assert (line.state, line.work.minutes) == ("more", {"trainings": 180})
    assert workloads.issue(session, officer, programme, PAPER, world.now) == 1
    seen = workloads.view(session, officer, first.uuid)
    assert seen.standing is competencies.Standing.ENDED
    second = workloads.view(session, officer, seen.followed_by).statement
    assert (second.number, second.work) == (5, {"trainings": 2})
    held = competencies.workloads.standing
    assert held(second, False, {"trainings": 3}) is competencies.Standing.VALID
    assert held(second, False, {"trainings": 1}) is competencies.Standing.CHANGED
    with pytest.raises(Forbidden):
        workloads.view(session, world.actor(cast.LI), second.uuid)
    with pytest.raises(NotFound):
        workloads.people(session, world.actor(cast.NEIGHBOUR), programme)


def test_statements_of_two_rows_that_became_one_are_followed_by_one(world: World) -> None:
    worked(world)
    session, officer, programme = world.session, world.actor(cast.OFFICER), world.programme.uuid
    workloads.issue(session, officer, programme, PAPER, world.now)
    gone, kept = world.person(cast.LEAD), world.person(cast.TRAINER)
    merges.merge_persons(session, officer, gone.uuid, kept.uuid, "同一个人", world.now)
    assert workloads.issue(session, officer, programme, PAPER, world.now) == 1
    theirs = competencies.papers.of_people(
        session,
        competencies.workloads.KIND,
        col(competencies.workloads.WorkStatement.programme_id) == pk(world.programme),
        [pk(gone), pk(kept)],
    )
    assert [one.work for one, end in theirs if end is None] == [{"decisions": 1, "trainings": 1}]


@pytest.mark.paper
def test_the_paper_says_what_the_statement_says(browse: Any, world: World, tmp_path: Any) -> None:
    worked(world)
    workloads.issue(world.session, world.actor(cast.OFFICER), world.programme.uuid, PAPER, world.now)
    world.session.commit()
    row = world.session.exec(select(Statement).where(Statement.person_id == pk(world.person(cast.LEAD)))).one()
    answer = browse(cast.LEAD).get(f"/work-statement/{row.uuid}/pdf")
    assert answer.mimetype == "application/pdf"
    path = tmp_path / "paper.pdf"
    path.write_bytes(answer.data)
    told = re.sub(r"\s", "", media.document_text(path, "application/pdf", 20_000))
    for words in ("工作量证明", "冯校", "G2026", "主持培训", "90分钟", PAPER, "平安县"):
        assert re.sub(r"\s", "", words) in told
    assert competencies.certificates.code_as_printed(row.code) in told
