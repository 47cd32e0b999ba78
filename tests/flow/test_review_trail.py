"""评审留痕: nothing that was said or seen of a work is lost to auditors, and nobody can change it afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import cases, review, review_trail
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)


@pytest.fixture
def work(world: World) -> competencies.Submission:
    """陈's work with one review handed in and one stepped back from after it was begun."""
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    first, second = reviews_of(world, works["chen"])
    finish_review(world, first, world.now, 0)
    actor = world.actor(cast_of(world, second.reviewer_id))
    opened = review.open_review(world.session, actor, second.uuid, world.now)
    drafts = all_marks(world, works["chen"], 0)
    review.save(world.session, actor, second.uuid, drafts, opened.version, world.now)
    review.recuse(world.session, actor, second.uuid, world.now + HOUR)
    return works["chen"]


def test_a_review_that_was_stepped_back_from_stays_readable(world: World, work: competencies.Submission) -> None:
    found = review_trail.trail(world.session, world.actor(cast.AUDITOR), work.uuid)
    assert [one.state for one in found.versions[0].reviews] == ["submitted", "recused"]
    names = {cast_of(world, one.reviewer_id).name for one in reviews_of(world, work)}
    assert {one.reviewer for one in found.versions[0].reviews} == names
    for one in found.versions[0].reviews:
        assert {mark.reason for mark in one.marks} == {"这里还没有做到。"}
    assert found.versions[0].hash_holds
    kinds = [one.kind for one in found.events]
    assert kinds == ["recused", "opened", "submitted", "opened"]


def test_withdrawn_versions_and_their_reviews_stay(world: World, work: competencies.Submission) -> None:
    version = version_of(world, work)
    version.withdrawn_at = world.now
    work.state, work.current_version_id = competencies.SubmissionState.DRAFT, None
    world.session.flush()
    found = review_trail.trail(world.session, world.actor(cast.AUDITOR), work.uuid)
    assert [(one.number, one.withdrawn_at) for one in found.versions] == [(1, world.now)]
    assert len(found.versions[0].reviews) == 2


def test_who_opened_and_decided_it_stands_with_the_time(world: World, work: competencies.Submission) -> None:
    later = world.now + 2 * HOUR
    cases.open_case(world.session, world.actor(cast.TRAINER), work.uuid, later)
    told = judgement(all_marks(world, work, 1))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, told, 0, 1, later)
    newest = review_trail.trail(world.session, world.actor(cast.AUDITOR), work.uuid).events[:2]
    assert [(one.person, one.kind, one.at) for one in newest] == [
        (cast.TRAINER.name, "decided", later),
        (cast.TRAINER.name, "viewed", later),
    ]


def test_names_of_reviewers_are_open_to_auditors_alone(world: World, work: competencies.Submission) -> None:
    for who in (cast.CHEN, cast.WANG, cast.TRAINER, cast.OFFICER, cast.LEAD, cast.IT):
        with pytest.raises(Forbidden):
            review_trail.trail(world.session, world.actor(who), work.uuid)
    with pytest.raises(NotFound):
        review_trail.trail(world.session, world.actor(cast.NEIGHBOUR), work.uuid)


def test_an_auditor_who_still_reviews_it_blind_reads_no_trail(world: World) -> None:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    one = reviews_of(world, works["chen"])[0]
    who = cast_of(world, one.reviewer_id)
    grant(world.session, world.person(who), RoleKind.AUDITOR, None, world.now)
    with pytest.raises(NotFound):
        review_trail.trail(world.session, world.actor(who), works["chen"].uuid)
    finish_review(world, one, world.now, 1)
    assert review_trail.trail(world.session, world.actor(who), works["chen"].uuid).author == cast.CHEN.name


def test_the_database_itself_refuses_to_change_what_happened(world: World, work: competencies.Submission) -> None:
    session: Session = world.session
    event = rubrics.ReviewEvent
    of_this = event.submission_version_id == pk(version_of(world, work))
    for change in (update(event).where(of_this).values(kind="nothing"), delete(event).where(of_this)):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(change)
    assert len(review_trail.trail(session, world.actor(cast.AUDITOR), work.uuid).events) == 4
