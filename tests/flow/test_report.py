"""What is sent to gradebooks, and who may ask for it again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

import lti
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound, Refused, Unavailable
from lms_plugin.flow import column_words, deliveries, report
from lms_plugin.people import CourseMember, Person
from tests import people as cast
from tests.factories import World, course_of, member_row
from tests.flow.earned import earn
from tests.gradebooks import column, score


def test_points_are_counted_up_to_what_is_required(world: World) -> None:
    chen = pk(world.person(cast.CHEN))
    nothing = report.scores_of(world.session, world.programme, chen)
    assert nothing[lti.LineItemKind.POINTS].given_hundredths == 0
    earn(world, cast.CHEN, "A3", "A5", "A6", "A1")
    found = report.scores_of(world.session, world.programme, chen)
    points, hours = found[lti.LineItemKind.POINTS], found[lti.LineItemKind.HOURS]
    assert (points.given_hundredths, points.maximum_hundredths) == (300, 300)
    assert 0 < hours.given_hundredths <= hours.maximum_hundredths
    assert not [who.name for who in cast.TEACHERS if who.name in points.comment + hours.comment]


def test_columns_and_comments_speak_the_language_of_the_course(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    chen = pk(world.person(cast.CHEN))
    said = [
        [one.comment for one in report.scores_of(world.session, world.programme, chen, locale).values()]
        for locale in ("en", "zh-Hans", "")
    ]
    assert said[0] == ["Competency points awarded: 1, needed: 3", "Practice hours: 0, online hours: 0"]
    assert said[1] == said[2] == ["已认定能力点 1 个，需要 3 个", "实践应用 0 学时，网络研修 0 学时"]
    kinds = lti.LineItemKind.POINTS, lti.LineItemKind.HOURS
    assert [column_words.label("2026", kind, "en") for kind in kinds] == [
        "2026: competency points",
        "2026: credit hours",
    ]
    assert [column_words.label("2026", kind, "") for kind in kinds] == ["2026 能力点", "2026 学时"]


def test_who_may_ask_again(world: World) -> None:
    chen = world.person(cast.CHEN)
    for who in (cast.WANG, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            deliveries.resend(world.session, world.actor(who), world.course.uuid, chen.uuid, world.now)
    with pytest.raises(NotFound):
        deliveries.resend(world.session, world.actor(cast.NEIGHBOUR), world.course.uuid, chen.uuid, world.now)
    assert not world.session.exec(select(outbox.Job)).all()
    for who in (cast.CHEN, cast.OFFICER, cast.TRAINER, cast.IT):
        deliveries.resend(world.session, world.actor(who), world.course.uuid, chen.uuid, world.now)
    assert len(world.session.exec(select(outbox.Job)).all()) == 1  # asked four times, sent once


def test_nothing_to_send_is_said(world: World) -> None:
    trainer = world.person(cast.TRAINER)
    with pytest.raises(NotFound):  # never came from this course
        deliveries.resend(world.session, world.actor(cast.OFFICER), world.course.uuid, trainer.uuid, world.now)
    world.course.programme_id = None
    world.session.flush()
    with pytest.raises(Refused, match=r"report\.no_programme"):
        deliveries.resend(
            world.session, world.actor(cast.OFFICER), world.course.uuid, world.person(cast.CHEN).uuid, world.now
        )


def test_who_wakes_up_late_does_not_undo_what_another_worker_has_settled(world: World) -> None:
    """A worker stood still for longer than its lease (a machine that was suspended), and another one has taken over."""
    sent_at = world.now.replace(microsecond=0)
    row = score(world, column(world), world.person(cast.CHEN), lti.DeliveryState.DELIVERED, sent_timestamp_at=sent_at)
    truth = report.Score(100, 300, "")
    late = report._Letter(pk(row), "https://lms.example/1", "s", truth, sent_at - timedelta(minutes=6))
    answers = (lti.Delivery(lti.Outcome.PERMANENT, "HTTP 400"), lti.Delivery(lti.Outcome.TRANSIENT, "HTTP 503"))
    for answer in answers:
        assert report._settle(world.session, late, answer, world.now) is None
    report._settle_unsent(world.session, late, Unavailable("net.timeout"), world.now)
    world.session.refresh(row)
    assert (row.state, row.trouble, row.host_words) == (lti.DeliveryState.DELIVERED, "", "")
    own = replace(late, timestamp=sent_at)
    report._settle_unsent(world.session, own, Unavailable("net.timeout"), world.now)
    assert row.state is lti.DeliveryState.RETRYING


def test_giving_up_is_visible(world: World) -> None:
    chen = pk(world.person(cast.CHEN))
    score(world, column(world), world.person(cast.CHEN), lti.DeliveryState.RETRYING, host_words="503")
    report.give_up(world.session, {"course_id": pk(world.course), "person_id": chen}, world.now)
    (view,) = deliveries.deliveries(world.session, [chen], pk(world.programme)).lines
    assert (view.state, view.host_words, view.can_resend) == ("failed", "503", True)


def test_scores_go_to_every_course_where_the_person_is_a_learner(world: World) -> None:
    """From two courses as a learner, from a third as a teacher: that gradebook is told nothing, unless it has a score
    already. Who comes as a teacher alone is asked for: some hosts call a student so."""
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    second, third = (course_of(world.session, world.tenant, name, world.now) for name in ("two", "three"))
    for course in (second, third):
        course.programme_id = pk(world.programme)
        world.session.add(course)
    world.session.add_all(
        [
            member_row(pk(second), pk(chen), world.now),
            member_row(pk(third), pk(chen), world.now, learner=False),
            member_row(pk(third), pk(wang), world.now, learner=False),
        ]
    )
    for member in world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(wang))):
        member.is_learner, member.is_instructor = False, True
    world.session.flush()

    def asked(*people: Person) -> set[tuple[int, int]]:
        for job in world.session.exec(select(outbox.Job)):
            world.session.delete(job)
        world.session.flush()
        report.queue_scores(world.session, world.programme, [pk(one) for one in people], world.now)
        jobs = world.session.exec(select(outbox.Job).where(outbox.Job.kind == report.SCORE_JOB))
        return {(job.ids["course_id"], job.ids["person_id"]) for job in jobs}

    here, there = pk(world.course), pk(third)
    assert asked(chen) == {(here, pk(chen)), (pk(second), pk(chen))}
    assert asked(wang) == {(here, pk(wang)), (there, pk(wang))}
    score(world, column(world, third), chen, lti.DeliveryState.DELIVERED)
    assert asked(chen, wang) == {
        (here, pk(chen)),
        (pk(second), pk(chen)),
        (there, pk(chen)),
        (here, pk(wang)),
        (there, pk(wang)),
    }
