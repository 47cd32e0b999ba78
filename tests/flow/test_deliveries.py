"""A course's scores: who stands where, what is stuck, who sees it, who may send again, and the day's digest."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import db, outbox
from lms_plugin.db import pk, transaction
from lms_plugin.errors import Forbidden, NotFound, Refused
from lms_plugin.flow import course_deliveries, digest, report, retry, stuck
from lms_plugin.flow import notices as waiting
from lms_plugin.net import Http
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import CourseMember, Notice, Person, RoleKind
from tests import people as cast
from tests.factories import World, add_person, build_world, course_of, grant, member_row
from tests.gradebooks import column, score
from tests.ledgers import add_entry
from tests.posting import Post, post_office
from tests.queries import count_queries

STATE = lti.DeliveryState


def asked(world: World, person: Person, at: datetime, state: JobState = JobState.READY, error: str = "") -> Job:
    """A job for the person's scores."""
    ids = {"course_id": pk(world.course), "person_id": pk(person)}
    job = outbox.put(world.session, pk(world.tenant), outbox.SCORE, f"{ids['course_id']}:{ids['person_id']}", ids, at)
    job.state, job.last_error = state, error
    world.session.flush()
    return job


def page(world: World, who: cast.Cast, standing: str = "", number: int = 1) -> course_deliveries.CoursePage:
    return course_deliveries.course_page(
        world.session, world.actor(who), world.course.uuid, standing, number, world.now
    )


def stands(world: World) -> dict[str, str]:
    """Every teacher's standing, by name; and what the digest counts must be the same."""
    shown = page(world, cast.OFFICER, "all")
    found = {row.about.name: row.about.standing for row in shown.rows}
    counted = stuck.stuck_people(world.session, pk(world.tenant), world.now).get(pk(world.course), set())
    assert counted == {row.about.row_id for row in shown.rows if row.about.standing == "stuck"}
    alone = stuck.stuck_people(world.session, pk(world.tenant), world.now, world.course).get(pk(world.course), set())
    assert alone == counted
    return found


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (STATE.FAILED, "stuck"),
        (STATE.NOT_A_LEARNER, "stuck"),
        (STATE.OVERRIDDEN, "changed"),
        (STATE.RETRYING, "waiting"),
        (STATE.WAITING, "waiting"),
        (STATE.DELIVERED, "arrived"),
        (STATE.NOT_OFFERED, "none"),
    ],
)
def test_where_a_score_stands(world: World, state: lti.DeliveryState, standing: str) -> None:
    item = column(world)
    score(world, item, world.person(cast.CHEN), state)
    found = stands(world)
    assert found[cast.CHEN.name] == standing
    assert set(found) >= {who.name for who in cast.TEACHERS}  # who has no score yet is there too
    assert found[cast.WANG.name] == "none"


def test_a_column_that_is_gone_takes_what_had_arrived_with_it(world: World) -> None:
    item = column(world, url="", lost_at=world.now)
    score(world, item, world.person(cast.CHEN), STATE.DELIVERED)
    score(world, item, world.person(cast.WANG), STATE.WAITING)
    found = stands(world)
    assert (found[cast.CHEN.name], found[cast.WANG.name]) == ("stuck", "waiting")
    (line,) = page(world, cast.OFFICER).rows
    assert line.about.worst.state == "lost"
    assert line.school == "希望小学"
    assert {one.state for one in page(world, cast.OFFICER).columns} == {"lost", "none"}


def test_what_is_on_its_way_for_too_long_is_stuck(world: World) -> None:
    chen, wang, li, sun = (world.person(who) for who in (cast.CHEN, cast.WANG, cast.LI, cast.SUN))
    job = asked(world, chen, world.now - stuck.STUCK_AFTER + timedelta(minutes=1))
    asked(world, wang, world.now - stuck.STUCK_AFTER, error="net.timeout")
    asked(world, li, world.now, JobState.FAILED, "ags.token_refused HTTP 400")
    asked(world, sun, world.now)
    found = stands(world)
    assert [found[who.name] for who in (cast.CHEN, cast.WANG, cast.LI, cast.SUN)] == [
        "waiting",
        "stuck",
        "stuck",
        "waiting",
    ]
    cells = {row.about.name: row.about.worst for row in page(world, cast.OFFICER, "all").rows}
    assert (cells[cast.LI.name].state, cells[cast.LI.name].trouble) == ("failed", "ags.token_refused")
    assert cells[cast.LI.name].host_words == "HTTP 400"
    assert cells[cast.WANG.name].state == "retrying"
    assert cells[cast.SUN.name].state == "queued"
    job.created_at -= timedelta(minutes=1)
    world.session.flush()
    assert stands(world)[cast.CHEN.name] == "stuck"


def test_why_no_column_could_be_made_is_said(world: World) -> None:
    asked(world, world.person(cast.CHEN), world.now, error="ags.columns_pending")
    ids = {"course_id": pk(world.course)}
    job = outbox.put(world.session, pk(world.tenant), outbox.COLUMNS, str(pk(world.course)), ids, world.now)
    job.state, job.last_error = JobState.FAILED, "ags.scope_refused scope not granted: lineitem"
    world.session.flush()
    (row,) = [one for one in page(world, cast.OFFICER, "all").rows if one.about.name == cast.CHEN.name]
    assert (row.about.worst.trouble, row.about.worst.host_words) == (
        "ags.scope_refused",
        "scope not granted: lineitem",
    )


def test_who_sees_a_course(world: World) -> None:
    for who in (cast.TRAINER, cast.OFFICER, cast.IT):
        assert page(world, who).may_resend
        assert [line.uuid for line in course_deliveries.course_list(world.session, world.actor(who), world.now)]
    assert not page(world, cast.IT).may_open_records
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            page(world, who)
        with pytest.raises(Forbidden):
            course_deliveries.course_list(world.session, world.actor(who), world.now)
        with pytest.raises(Forbidden):
            course_deliveries.resend_all(world.session, world.actor(who), world.course.uuid, world.now)
    with pytest.raises(NotFound):
        page(world, cast.NEIGHBOUR)
    world.course.programme_id = None
    world.session.flush()
    with pytest.raises(Refused, match=r"report\.no_programme"):
        page(world, cast.OFFICER)
    assert course_deliveries.course_list(world.session, world.actor(cast.OFFICER), world.now) == []


def test_lists_end_where_a_role_ends(world: World) -> None:
    """A trainer of one course, an officer and a trainer of a school: the courses that `require` lets them see."""
    other = course_of(world.session, world.tenant, "course-other", world.now)
    other.programme_id = pk(world.programme)
    here, there = world.schools["希望小学"], world.schools["平安小学"]
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, here, world.now)
    grant(world.session, world.person(cast.AUDITOR), RoleKind.TRAINER, there, world.now)
    world.session.add(member_row(pk(other), pk(world.person(cast.AUDITOR)), world.now, "a", learner=False))
    world.session.flush()
    for who in (cast.TRAINER, cast.OTHER_TRAINER, cast.LEAD, cast.AUDITOR, cast.OFFICER, cast.IT):
        listed = {one.uuid for one in course_deliveries.course_list(world.session, world.actor(who), world.now)}
        for course in (world.course, other):
            try:
                course_deliveries.course_page(world.session, world.actor(who), course.uuid, "", 1, world.now)
            except Forbidden:
                assert course.uuid not in listed, (who.key, course.title)
            else:
                assert course.uuid in listed, (who.key, course.title)
    assert {one.uuid for one in course_deliveries.course_list(world.session, world.actor(cast.LEAD), world.now)} == {
        world.course.uuid
    }


def test_send_again_one_or_all_that_are_stuck(world: World) -> None:
    item = column(world, lost_at=world.now)
    for who, state in ((cast.CHEN, STATE.FAILED), (cast.WANG, STATE.NOT_A_LEARNER), (cast.LI, STATE.OVERRIDDEN)):
        score(world, item, world.person(who), state, "ags.refused")
    score(world, item, world.person(cast.SUN), STATE.DELIVERED)
    officer = world.actor(cast.OFFICER)
    assert course_deliveries.resend_all(world.session, officer, world.course.uuid, world.now) == 2
    found = stands(world)
    assert [found[who.name] for who in (cast.CHEN, cast.WANG, cast.LI, cast.SUN)] == [
        "waiting",
        "waiting",
        "changed",
        "arrived",
    ]
    world.session.refresh(item)
    assert item.lost_at is None
    assert len(world.session.exec(select(Job)).all()) == 2
    assert course_deliveries.resend_all(world.session, officer, world.course.uuid, world.now) == 0  # a second click
    li = world.person(cast.LI)
    assert course_deliveries.resend_all(world.session, officer, world.course.uuid, world.now, li.uuid) == 1
    assert stands(world)[cast.LI.name] == "waiting"
    with pytest.raises(NotFound):  # of another district, or never came from this course
        course_deliveries.resend_all(
            world.session, officer, world.course.uuid, world.now, world.person(cast.NEIGHBOUR).uuid
        )


@pytest.mark.parametrize(("url", "kept"), [("https://lms.example/2", True), ("", False)])
def test_all_that_is_stuck_leaves_what_a_trainer_changed(world: World, url: str, kept: bool) -> None:
    """Of one person too: the points are stuck, the hours were changed over there. A column that is lost is made anew,
    and what stood in it with it."""
    chen, officer = world.person(cast.CHEN), world.actor(cast.OFFICER)
    points = score(world, column(world), chen, STATE.FAILED, "ags.refused")
    hours = score(world, column(world, kind=lti.LineItemKind.HOURS, url=url), chen, STATE.OVERRIDDEN)
    assert course_deliveries.resend_all(world.session, officer, world.course.uuid, world.now) == 1
    world.session.refresh(points)
    world.session.refresh(hours)
    assert (points.state, hours.state) == (STATE.WAITING, STATE.OVERRIDDEN if kept else STATE.WAITING)
    course_deliveries.resend_all(world.session, officer, world.course.uuid, world.now, chen.uuid)
    world.session.refresh(hours)
    assert hours.state is STATE.WAITING  # that very person was asked for


def test_pages_of_fifty_at_a_constant_price(world: World, engine: Engine) -> None:
    item = column(world)
    for number in range(60):
        person = Person(tenant_id=pk(world.tenant), name=f"参训 {number:02}", created_at=world.now)
        world.session.add(person)
        world.session.flush()
        world.session.add(member_row(pk(world.course), pk(person), world.now, f"s{number}"))
        score(world, item, person, STATE.FAILED, "ags.refused" if number % 3 else "ags.token_refused")
    world.session.flush()
    with count_queries(engine) as queries:
        first = page(world, cast.OFFICER)
    assert len(queries) <= 10
    assert (first.standing, len(first.rows), first.total, first.pages) == ("stuck", 50, 60, 2)
    assert first.commonest is not None
    assert (first.commonest[0].trouble, first.commonest[1]) == ("ags.refused", 40)
    last = page(world, cast.OFFICER, "stuck", 9)  # a page that is not there is the last one
    assert (last.page, len(last.rows)) == (2, 10)


# --- the day's digest ---


def at(world: World, hour: int, minute: int = 0, day: int = 3) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai"))


def jobs(world: World) -> list[Job]:
    return list(world.session.exec(select(Job).where(Job.kind == outbox.DIGEST).order_by(col(Job.id))).all())


def test_one_digest_a_day_in_the_districts_own_time(world: World) -> None:
    digest.ask_digests(world.session, at(world, 6, 59))
    assert jobs(world) == []
    for minute in (0, 1, 30):
        digest.ask_digests(world.session, at(world, 7, minute))
    mine = [job for job in jobs(world) if job.tenant_id == world.tenant.id]
    assert [job.key for job in mine] == [f"{pk(world.tenant)}:2026-11-03"]
    for job in jobs(world):
        job.state = JobState.DONE
    world.session.flush()
    digest.ask_digests(world.session, at(world, 23, 59))
    digest.ask_digests(world.session, at(world, 7, 0, day=4))
    mine = [job for job in jobs(world) if job.tenant_id == world.tenant.id]
    assert [job.key for job in mine] == [f"{pk(world.tenant)}:2026-11-0{day}" for day in (3, 4)]
    world.tenant.timezone = "America/New_York"
    world.session.flush()
    digest.ask_digests(world.session, at(world, 7, 0, day=5))  # the evening of the 4th there
    assert len([job for job in jobs(world) if job.tenant_id == world.tenant.id]) == 2
    digest.ask_digests(world.session, at(world, 20, 0, day=5))  # seven in the morning of the 5th
    mine = [job.key for job in jobs(world) if job.tenant_id == world.tenant.id]
    assert mine[2:] == [f"{pk(world.tenant)}:2026-11-05"]


@pytest.fixture
def office(own_database_url: str, now: datetime) -> Any:
    """A world in a database of its own, where jobs may commit."""
    engine = db.engine(own_database_url)
    sessions = db.session_factory(engine)
    with sessions() as session:
        db.writes(session)
        world = build_world(session, now)
        session.commit()
        post = report.Post(sessions, Http(), "", "")  # this job speaks to nobody
        yield SimpleNamespace(world=world, sessions=sessions, post=post)
    engine.dispose()


def notices(office: Any) -> list[Notice]:
    with office.sessions() as session:
        return list(session.exec(select(Notice).where(Notice.kind == digest.STUCK).order_by(col(Notice.id))).all())


def test_a_district_that_has_gone_on_elsewhere_gets_no_digest(world: World) -> None:
    world.tenant.frozen_on = at(world, 7, 0).date()
    world.session.add(world.tenant)
    world.session.flush()
    digest.ask_digests(world.session, at(world, 7, 30))
    assert [job for job in jobs(world) if job.tenant_id == world.tenant.id] == []


def test_the_days_head_of_the_ledger_is_in_the_digest_once_a_day(office: Any) -> None:
    world, ids = office.world, {"tenant_id": pk(office.world.tenant)}
    digest.gather(office.post, ids, world.now)

    def heads(who: cast.Cast) -> list[tuple[str, int]]:
        found = waiting.open_notices(world.session, world.actor(who), world.now)
        return [(line.key, int(line.params["number"])) for line in found if line.kind == waiting.HEAD]

    assert heads(cast.OFFICER) == []  # nothing is sealed yet
    for day, number in ((0, 1), (1, 2)):
        add_entry(world)
        competencies.seal(world.session, pk(world.tenant), world.now)
        world.session.commit()
        for _ in range(2):
            digest.gather(office.post, ids, world.now + timedelta(days=day))
        assert heads(cast.OFFICER) == [(f"2026-11-0{2 + day}", number)]
    of_a_part = cast.Cast("part", "片区", "", "P1")
    world.persons["part"] = add_person(world.session, world.tenant, world.county, of_a_part, world.now)
    grant(world.session, world.persons["part"], RoleKind.OFFICER, world.schools["希望小学"], world.now)
    assert heads(of_a_part) == [("2026-11-03", 2)]
    for who in (cast.CHEN, cast.LEAD, cast.NEIGHBOUR):
        assert heads(who) == []
    with pytest.raises(NotFound):
        waiting.settle_notice(world.session, world.actor(cast.OFFICER), waiting.HEAD, "2026-11-03", world.now)


def test_a_digest_says_what_is_stuck_and_nothing_else(office: Any) -> None:
    world, ids = office.world, {"tenant_id": pk(office.world.tenant)}
    digest.gather(office.post, ids, world.now)
    assert notices(office) == []
    item = column(world)
    for who in (cast.CHEN, cast.WANG):
        score(world, item, world.person(who), STATE.FAILED, "ags.refused")
    world.session.commit()
    for _ in range(2):  # a worker that died in between runs it again
        digest.gather(office.post, ids, world.now)
    (notice,) = notices(office)
    assert (notice.key, notice.params["people"], notice.done_at) == (world.course.uuid, 2, None)
    for who, lines in ((cast.TRAINER, 1), (cast.OFFICER, 1), (cast.IT, 1), (cast.CHEN, 0), (cast.LEAD, 0)):
        found = digest.stuck_notices(world.session, world.actor(who))
        assert [line.people for line in found] == [2] * lines, who.key
    assert digest.stuck_notices(world.session, world.actor(cast.NEIGHBOUR)) == []
    officer = world.actor(cast.OFFICER)  # no case of theirs to settle: it goes by itself
    assert waiting.open_notices(world.session, officer, world.now) == []
    with pytest.raises(NotFound):
        waiting.settle_notice(world.session, officer, notice.kind, notice.key, world.now)
    rows = world.session.exec(select(lti.ScoreDelivery).order_by(col(lti.ScoreDelivery.id))).all()
    rows[0].state = STATE.DELIVERED
    world.session.commit()
    with transaction(office.sessions) as session:
        digest.look_again(session, pk(world.course), world.now)
    assert notices(office)[0].params["people"] == 1
    rows[1].state = STATE.DELIVERED
    world.session.commit()
    digest.gather(office.post, ids, world.now + timedelta(days=1))
    (notice,) = notices(office)
    assert notice.done_at is not None
    world.session.expire_all()
    assert digest.stuck_notices(world.session, world.actor(cast.OFFICER)) == []
    rows[1].state = STATE.FAILED
    world.session.commit()
    digest.gather(office.post, ids, world.now + timedelta(days=2))
    assert len(notices(office)) == 2


def test_a_notice_goes_when_the_score_arrives(own_database_url: str, tmp_path: Path) -> None:
    with post_office(own_database_url, tmp_path) as post:
        _a_notice_goes(post)


def _a_notice_goes(post: Post) -> None:
    world = post.world
    member = world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(world.person(cast.CHEN)))).one()
    member.subject = "21"  # a trainer there
    world.session.commit()
    post.ask(cast.CHEN)
    post.drain()
    with transaction(post.sessions) as session:
        outbox.put(session, pk(world.tenant), outbox.DIGEST, "x", {"tenant_id": pk(world.tenant)}, world.now)
    post.drain()
    assert [line.people for line in _read(post.sessions, world)] == [1]
    member.subject = "11"
    world.session.commit()
    post.ask(cast.CHEN)
    post.drain()
    assert _read(post.sessions, world) == []


def _read(sessions: Any, world: World) -> list[digest.StuckLine]:
    with sessions() as session:
        fresh: Session = session
        return digest.stuck_notices(fresh, world.actor(cast.OFFICER))


# --- what is sent once more by itself ---


def again(world: World, at: datetime) -> set[int]:
    """For whom the sweep asks at that time; what it asked for is taken away again."""
    asked_for = retry.ask_again(world.session, at)
    jobs = world.session.exec(select(Job).where(Job.kind == outbox.SCORE)).all()
    assert asked_for == len(jobs)
    for job in jobs:
        assert job.key == f"{pk(world.course)}:{job.ids['person_id']}"
        world.session.delete(job)
    world.session.flush()
    return {job.ids["person_id"] for job in jobs}


def test_who_launches_after_the_host_said_no_student_is_sent_again(world: World) -> None:
    """Also where the launch says what it said before: Moodle names a teacher who is a student too a teacher."""
    chen = world.person(cast.CHEN)
    score(world, column(world), chen, STATE.NOT_A_LEARNER)
    score(world, column(world, kind=lti.LineItemKind.HOURS), chen, STATE.NOT_A_LEARNER)
    member = world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(chen))).one()
    assert again(world, world.now + timedelta(days=9)) == set()
    member.launched_at = world.now + timedelta(seconds=1)
    world.session.add(member)
    assert again(world, world.now) == {pk(chen)}
    platform = world.session.exec(select(lti.Platform)).one()
    platform.is_disabled = True
    world.session.add(platform)
    assert again(world, world.now) == set()


@pytest.mark.parametrize(
    ("trouble", "is_asked"),
    [
        ("ags.token_refused", True),
        ("ags.scope_refused", True),
        ("net.not_json", True),
        ("ags.locked", True),
        ("ags.refused", False),
    ],
)
def test_what_waits_on_the_registration_is_tried_again_every_few_hours(
    world: World, trouble: str, is_asked: bool
) -> None:
    score(world, column(world), world.person(cast.CHEN), STATE.FAILED, trouble)
    score(world, column(world, kind=lti.LineItemKind.HOURS), world.person(cast.WANG), STATE.DELIVERED)
    assert again(world, world.now + retry.AGAIN - timedelta(seconds=1)) == set()
    assert again(world, world.now + retry.AGAIN) == ({pk(world.person(cast.CHEN))} if is_asked else set())
    assert again(world, world.course.seen_at + retry.RESTING) == set()


def test_what_is_asked_for_already_keeps_its_patience(world: World) -> None:
    """Each minute's sweep would start a job's tries anew, and it would never be given up."""
    chen = world.person(cast.CHEN)
    score(world, column(world), chen, STATE.FAILED, "ags.token_refused")
    job = asked(world, chen, world.now + timedelta(hours=4))
    job.attempts = 5
    world.session.add(job)
    assert retry.ask_again(world.session, world.now + retry.AGAIN) == 0
    world.session.refresh(job)
    assert (job.attempts, job.run_at) == (5, world.now + timedelta(hours=4))


@pytest.mark.parametrize("state", [STATE.FAILED, STATE.NOT_A_LEARNER])
def test_what_was_tried_in_vain_rests_before_it_is_tried_again(world: World, state: lti.DeliveryState) -> None:
    """Also where nothing could leave: the keys cannot be opened, the column does not come."""
    chen = world.person(cast.CHEN)
    row = score(world, column(world), chen, state, "ags.token_refused")
    member = world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(chen))).one()
    member.launched_at = world.now + timedelta(seconds=1)
    world.session.add(member)
    later = world.now + retry.AGAIN
    assert again(world, later) == {pk(chen)}
    report.give_up(world.session, {"course_id": pk(world.course), "person_id": pk(chen)}, later)
    assert again(world, later + timedelta(minutes=1)) == set()
    assert (row.state, row.trouble) == (state, "ags.token_refused")


def test_a_course_that_runs_another_programme_is_sent_nothing(world: World) -> None:
    score(world, column(world), world.person(cast.CHEN), STATE.FAILED, "ags.token_refused")
    world.course.programme_id = None
    world.session.add(world.course)
    assert again(world, world.now + retry.AGAIN) == set()
