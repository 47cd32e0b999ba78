"""Scores on their way into a gradebook: outages, races, killed workers. The host is the practice LMS on loopback."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import pk, transaction
from lms_plugin.flow import booking, retry
from lms_plugin.flow.deliveries import deliveries, resend
from lms_plugin.flow.report import offer_changed, queue_columns
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, CourseMember, ListedMember, Ticket, WebSession
from lms_plugin.worker import Worker
from tests import people as cast
from tests.flow.earned import earn
from tests.hosts import loopback
from tests.posting import SUBJECTS, Post, post_office
from tests.serving import SECRET, settings_of


@pytest.fixture
def post(own_database_url: str, tmp_path: Path) -> Iterator[Post]:
    with post_office(own_database_url, tmp_path) as made:
        yield made


def earned(post: Post, who: cast.Cast, *codes: str) -> None:
    earn(post.world, who, *codes)
    post.world.session.commit()


def views(post: Post, who: cast.Cast) -> list[Any]:
    with post.sessions() as session:
        return deliveries(session, [pk(post.world.person(who))], pk(post.world.programme)).lines


def test_the_worker_forgets_names_of_lists(own_database_url: str, post: Post, tmp_path: Path) -> None:
    course = pk(post.world.course)
    flags = {"is_learner": True, "is_instructor": False, "is_active": True}
    seen = {"first_seen_at": post.world.now, "last_seen_at": post.world.now}
    with transaction(post.sessions) as session:
        session.add(ListedMember(course_id=course, subject="n1", name="没来过", **flags, **seen))

    def name() -> str:
        with post.sessions() as session:
            return session.exec(select(ListedMember.name).where(ListedMember.subject == "n1")).one()

    clock = [post.world.now]
    worker = Worker(settings_of(tmp_path, own_database_url), lambda: clock[0])
    for days, kept in ((1, "没来过"), (31, "")):
        clock[0] = post.world.now + timedelta(days=days)
        worker.tick()
        assert name() == kept
    worker.close()


def test_the_worker_asks_a_host_no_faster_than_the_settings_say(own_database_url: str, tmp_path: Path) -> None:
    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            self.say(200, b"{}")

    with loopback.handled(Handler) as port:
        for rate, asked, fastest in ((4, 3, 0.5), (0, 40, 0.0)):
            worker = Worker(settings_of(tmp_path, own_database_url, host_rate=rate))
            begun = time.monotonic()
            for _ in range(asked):
                worker.post.http.request("GET", f"http://127.0.0.1:{port}/")
            took = time.monotonic() - begun
            worker.close()
            assert took > fastest - 0.02
            assert rate or took < 7  # five a second: 7.8


def test_a_release_arrives_in_two_columns(post: Post) -> None:
    earned(post, cast.CHEN, "A3", "A5", "A6")
    assert [view.state for view in views(post, cast.CHEN)] == ["queued"]
    post.drain()
    columns = {item["tag"].rpartition(":")[2]: item for item in post.ours()}
    assert set(columns) == {"points", "hours"}
    assert columns["points"]["score_maximum"] == 3
    for kind, item in columns.items():
        assert item["resource_id"] == item["tag"] == f"nengli:{post.world.programme.uuid}:{kind}"
        assert not item["resource_link_id"]
    assert post.grades(cast.CHEN)["points"] == 3
    assert post.grades(cast.CHEN)["hours"] > 0
    assert {view.kind: view.state for view in views(post, cast.CHEN)} == {"points": "delivered", "hours": "delivered"}
    arrived = post.host()["count"]
    post.ask(cast.CHEN)
    post.drain()
    assert post.host()["count"] == arrived  # the same truth is not said twice


def test_the_practice_courses_list_is_read(post: Post) -> None:
    course = post.world.course
    course.memberships_url = post.url + "/nrps/1/memberships"
    post.world.session.add(course)
    post.world.session.commit()
    worker = post.worker()
    worker.tick()
    worker.run_due()
    with post.sessions() as session:
        rows = {row.subject: row for row in session.exec(select(ListedMember)).all()}
    assert rows.keys() > set(SUBJECTS.values())
    assert {row.is_learner for row in rows.values()} == {True, False}


def test_timestamps_rise_strictly_and_are_whole_seconds(post: Post) -> None:
    for code in ("A3", "A5", "A6"):
        earned(post, cast.CHEN, code)
        post.drain()
    assert post.grades(cast.CHEN)["points"] == 3
    sent: dict[int, list[str]] = {}
    for arrival in post.host()["arrivals"]:
        assert arrival["status"] == 200
        body = arrival["body"] if isinstance(arrival["body"], dict) else json.loads(arrival["body"])
        assert body["timestamp"].endswith(".000Z")
        assert datetime.fromisoformat(body["timestamp"]) <= datetime.now(UTC)
        assert not any(name in str(body) for name in ("陈晓芳", "CHEN"))
        sent.setdefault(arrival["line_item"], []).append(body["timestamp"])
    assert all(stamps == sorted(set(stamps)) for stamps in sent.values())


def test_a_host_that_is_down_gets_everything_later(post: Post) -> None:
    post.outage(down=True)
    earned(post, cast.CHEN, "A3")
    worker = post.worker()
    worker.run_due()
    post.hurry()
    worker.run_due()
    (view,) = views(post, cast.CHEN)
    assert view.state == "retrying"
    assert "outage" in view.host_words
    post.outage(down=False)
    post.drain(worker)
    assert post.grades(cast.CHEN)["points"] == 1
    post.outage(down=True)
    earned(post, cast.CHEN, "A5")
    post.next_second()
    worker.run_due()
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.RETRYING
    assert "outage" in post.deliveries(cast.CHEN)["points"].host_words
    post.outage(down=False)
    post.drain(worker)
    assert post.grades(cast.CHEN)["points"] == 2
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.DELIVERED


def test_two_workers_at_once_make_two_columns(post: Post) -> None:
    post.ask(*cast.TEACHERS)
    workers = [post.worker() for _ in range(3)]
    for _ in range(3):
        threads = [threading.Thread(target=worker.run_due) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        post.hurry()
    post.drain()
    assert sorted(item["tag"].rpartition(":")[2] for item in post.ours()) == ["hours", "points"]
    for who in cast.TEACHERS:
        assert post.deliveries(who)["points"].state is lti.DeliveryState.DELIVERED


def test_an_answer_that_got_lost_does_no_harm(post: Post) -> None:
    earned(post, cast.CHEN, "A3")
    worker = post.worker()
    post.line.lose = "POST /lineitems"
    for _ in range(2):
        worker.run_due()
        post.hurry()
    post.line.lose = "POST /scores"
    for _ in range(2):
        worker.run_due()
        post.hurry()
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.DELIVERED  # its result was read
    assert len([one for one in post.line.asked if one.startswith("POST") and one.endswith("/scores")]) == 2
    post.line.lose = ""
    post.drain(worker)
    assert len(post.ours()) == 2
    assert post.grades(cast.CHEN)["points"] == 1


def killed_at(post: Post, request: str) -> None:
    """A worker of its own process is killed when the host has done its work, before the tool could note it."""
    post.line.hold = request
    settings = {
        "NENGLI_DATABASE_URL": post.settings.database_url,
        "NENGLI_DATA_DIR": str(post.settings.data_dir),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": "http://localhost",
        "NENGLI_ALLOW_LOOPBACK": "1",
    }
    code = "from lms_plugin.config import Settings; from lms_plugin.worker import Worker; Worker(Settings()).run_due()"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **settings})
    try:
        assert post.line.held.wait(30)
    finally:
        process.kill()
        process.wait()
    post.line.hold = ""
    post.line.go_on.set()


def test_killed_after_the_column_was_made(post: Post) -> None:
    post.ask(cast.CHEN)
    killed_at(post, "POST /lineitems")
    assert len(post.ours()) == 1
    assert JobState.RUNNING in {job.state for job in post.open_jobs()}
    post.hurry(dead=True)
    post.drain()
    assert len(post.ours()) == 2


def test_killed_after_the_score_was_stored(post: Post) -> None:
    post.ask(cast.CHEN)
    post.drain()
    earned(post, cast.CHEN, "A3")
    post.next_second()
    killed_at(post, "POST /scores")
    (job,) = post.open_jobs()
    assert job.state is JobState.RUNNING
    assert post.worker().run_due() == 0  # its lease still stands
    post.hurry(dead=True)
    post.drain()
    assert post.grades(cast.CHEN)["points"] == 1
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.DELIVERED


def graded_nowhere(post: Post) -> CourseMember:
    """Chen has a point, and the host knows no student of that name."""
    member = post.world.session.exec(
        select(CourseMember).where(CourseMember.person_id == pk(post.world.person(cast.CHEN)))
    ).one()
    member.subject = "21"  # a trainer there
    post.world.session.commit()
    earned(post, cast.CHEN, "A3")
    post.drain()
    return member


def test_who_is_no_learner_is_told_so(post: Post) -> None:
    member = graded_nowhere(post)
    found = post.deliveries(cast.CHEN)
    assert {row.state for row in found.values()} == {lti.DeliveryState.NOT_A_LEARNER}
    assert "learner" in found["points"].host_words
    assert all(view.can_resend for view in views(post, cast.CHEN))
    member.subject = "11"  # cured: they are a learner now
    post.world.session.commit()
    post.ask(cast.CHEN)
    post.drain()
    assert post.grades(cast.CHEN)["points"] == 1


def test_a_host_that_grants_only_its_own_column(post: Post) -> None:
    coupled = next(item for item in post.host()["line_items"] if not str(item["tag"]).startswith("nengli:"))
    course = post.world.course
    course.lineitems_url = ""
    course.lineitem_url = f"{post.url}/ags/1/lineitems/{coupled['id']}/lineitem?type_id=1"
    course.ags_scopes = ["https://purl.imsglobal.org/spec/lti-ags/scope/score"]
    post.world.session.commit()
    earned(post, cast.CHEN, "A3")
    post.drain()
    assert post.ours() == []
    found = post.deliveries(cast.CHEN)
    assert found["points"].state is lti.DeliveryState.DELIVERED
    assert found["hours"].state is lti.DeliveryState.NOT_OFFERED
    assert [grade["sub"] for grade in post.host()["grades"] if grade["line_item"] == coupled["id"]] == ["11"]
    assert not next(view for view in views(post, cast.CHEN) if view.kind == "hours").can_resend


def test_a_column_that_was_deleted_is_made_again(post: Post) -> None:
    earned(post, cast.CHEN, "A3")
    post.drain()
    with post.sessions() as session:
        columns = session.exec(select(lti.LineItem)).all()
        platform = session.exec(select(lti.Platform)).first()
        assert platform is not None
        client = lti.service_client(
            session, pk(platform), post.world.course.ags_scopes, SECRET, post.worker().post.http, datetime.now(UTC)
        )
    for column in columns:
        answer = client._call("DELETE", column.url, {})
        assert answer.status < 300
    assert post.ours() == []
    earned(post, cast.CHEN, "A5")
    post.drain()
    assert len(post.ours()) == 2
    assert post.grades(cast.CHEN) == {"points": 2, "hours": 0}


def test_a_column_that_stays_gone_is_told_and_not_asked_for_ever(post: Post) -> None:
    """Moodle lists a column whose activity was deleted; Open edX may grant a column whose block is gone."""
    post.line.gone = "POST /scores"
    earned(post, cast.CHEN, "A3")
    earned(post, cast.WANG, "A3")
    post.drain()
    for who in (cast.CHEN, cast.WANG):
        points = post.deliveries(who)["points"]
        assert (points.state, points.host_words) == (lti.DeliveryState.FAILED, "HTTP 404 Not Found")
        assert all(view.can_resend for view in views(post, who))
    assert len([one for one in post.line.asked if one.endswith("/scores")]) <= 10
    assert len(post.ours()) == 2
    post.line.gone = ""  # the course is back
    officer = post.world.actor(cast.OFFICER)
    with transaction(post.sessions) as session:
        chen, course = post.world.person(cast.CHEN).uuid, post.world.course.uuid
        resend(session, officer, course, chen, datetime.now(UTC))
    post.drain()
    assert post.grades(cast.CHEN)["points"] == 1


def test_only_the_own_column_is_there_and_its_activity_is_deleted(post: Post) -> None:
    coupled = next(item for item in post.host()["line_items"] if not str(item["tag"]).startswith("nengli:"))
    course = post.world.course
    course.lineitems_url = ""
    course.lineitem_url = f"{post.url}/ags/1/lineitems/{coupled['id']}/lineitem?type_id=1"
    post.world.session.commit()
    post.line.gone = "POST /scores"
    earned(post, cast.CHEN, "A3")
    post.drain()
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.NOT_OFFERED
    post.line.gone = ""
    with transaction(post.sessions) as session:  # a later launch offers a column again
        row = session.get(Course, pk(course))
        assert row is not None
        row.lineitem_url = f"{post.url}/ags/1/lineitems/{coupled['id']}/lineitem?type_id=1"
        offer_changed(session, row, datetime.now(UTC))
    post.drain()
    assert post.deliveries(cast.CHEN)["points"].state is lti.DeliveryState.DELIVERED


def test_other_rules_resize_the_columns_and_say_all_again(post: Post) -> None:
    earned(post, cast.CHEN, "A3", "A5", "A6")
    post.drain()
    assert post.grades(cast.CHEN)["points"] == 3
    post.world.set_rules(choice={"required_points": 4})
    queue_columns(post.world.session, post.world.programme, datetime.now(UTC))
    post.world.session.commit()
    post.next_second()
    post.drain()
    columns = {item["tag"].rpartition(":")[2]: item for item in post.ours()}
    assert columns["points"]["score_maximum"] == 4
    assert columns["points"]["resource_id"] == columns["points"]["tag"]
    assert post.grades(cast.CHEN)["points"] == 3  # of four
    row = post.deliveries(cast.CHEN)["points"]
    assert (row.state, row.maximum_hundredths) == (lti.DeliveryState.DELIVERED, 400)


NO_HOURS = {"practice_need_hundredths": 0, "online_need_hundredths": 0}


def refused_in_both(post: Post) -> None:
    """The host says so of points and hours."""
    graded_nowhere(post)
    no_learner = lti.DeliveryState.NOT_A_LEARNER
    assert {kind: row.state for kind, row in post.deliveries(cast.CHEN).items()} == {
        "points": no_learner,
        "hours": no_learner,
    }


def test_what_was_refused_in_a_column_that_rules_want_no_more_rests(post: Post) -> None:
    refused_in_both(post)
    post.world.set_rules(hours=NO_HOURS)
    queue_columns(post.world.session, post.world.programme, datetime.now(UTC))
    post.world.session.commit()
    post.drain()
    rows = post.deliveries(cast.CHEN)
    assert rows["points"].state is lti.DeliveryState.NOT_A_LEARNER
    assert (rows["hours"].state, rows["hours"].host_words) == (lti.DeliveryState.NOT_OFFERED, "")


def test_a_refused_score_of_no_column_of_today_is_not_asked_for_for_ever(post: Post) -> None:
    """Nothing would be sent for it, so nothing would ever say that it is done."""
    refused_in_both(post)
    session = post.world.session
    post.world.set_rules(hours=NO_HOURS)
    member = session.exec(select(CourseMember).where(CourseMember.subject == "21")).one()
    member.subject, member.launched_at = SUBJECTS["chen"], datetime.now(UTC) + timedelta(seconds=5)
    session.commit()
    post.next_second()
    post.drain()
    for asked in (1, 0):
        with transaction(post.sessions) as fresh:
            assert retry.ask_again(fresh, datetime.now(UTC) + timedelta(days=1)) == asked
        post.drain()
    rows = post.deliveries(cast.CHEN)
    assert (rows["points"].state, rows["hours"].state) == (
        lti.DeliveryState.DELIVERED,
        lti.DeliveryState.NOT_OFFERED,
    )


def test_what_a_host_lost_is_said_again_when_an_officer_asks(post: Post) -> None:
    earned(post, cast.CHEN, "A3")
    post.drain()
    arrived = post.host()["count"]
    assert not any(view.can_resend for view in views(post, cast.CHEN))
    with post.sessions() as session:
        chen, programme = pk(post.world.person(cast.CHEN)), pk(post.world.programme)
        assert all(view.can_resend for view in deliveries(session, [chen], programme, for_staff=True).lines)
    with transaction(post.sessions) as session:
        officer, course = post.world.actor(cast.OFFICER), post.world.course.uuid
        resend(session, officer, course, post.world.person(cast.CHEN).uuid, datetime.now(UTC))
    post.drain()
    assert post.host()["count"] == arrived + 2


def test_a_token_that_is_over_or_refused_is_asked_for_anew(post: Post) -> None:
    post.ask(cast.CHEN)
    post.drain()
    with transaction(post.sessions) as session:
        token = session.exec(select(lti.AccessToken)).one()
        token.expires_at = datetime.now(UTC) - timedelta(seconds=1)
        session.add(token)
    earned(post, cast.CHEN, "A3")
    post.drain()
    assert post.grades(cast.CHEN)["points"] == 1
    with post.sessions() as session:
        assert session.exec(select(lti.AccessToken)).one().expires_at > datetime.now(UTC)


def set_rules(post: Post, **parts: Any) -> None:
    """As an officer's form: the rules, and what follows from them."""
    session, programme = post.world.session, post.world.programme
    session.expire_all()
    before = competencies.rules_of(session, programme)
    competencies.set_rules(session, programme, competencies.Rules.model_validate(parts), None, datetime.now(UTC))
    booking.rules_changed(session, programme, before, datetime.now(UTC))
    session.commit()


def practice(post: Post, who: cast.Cast) -> list[tuple[str, int]]:
    """The person's entries of practice hours: why, and how much."""
    with post.sessions() as session:
        key = pk(post.world.person(who))
        entries = competencies.person_ledger(session, pk(post.world.programme), [key], "Asia/Shanghai").entries
        return [(entry.reason, entry.credit_hundredths) for entry in entries]


def test_better_rules_are_booked_for_everybody_and_worse_ones_take_nothing(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "AT_ONCE", 1)  # each person in a transaction of its own
    earned(post, cast.CHEN, "A3", "A5")
    earned(post, cast.WANG, "A3", "A5", "A6")
    earned(post, cast.LI, "A3")
    post.drain()
    assert (practice(post, cast.CHEN), practice(post, cast.WANG)) == ([], [("award", 2500)])
    set_rules(post, choice={"required_points": 2})
    post.drain()
    assert practice(post, cast.CHEN) == [("rule", 2500)]
    assert practice(post, cast.WANG) == [("award", 2500)]
    assert practice(post, cast.LI) == []
    assert post.grades(cast.CHEN)["points"] == post.grades(cast.WANG)["points"]
    assert post.grades(cast.CHEN)["hours"] == post.grades(cast.WANG)["hours"] > 0
    set_rules(post, choice={"required_points": 2}, hours={"practice_hundredths": 100})
    post.drain()
    assert (practice(post, cast.CHEN), practice(post, cast.WANG)) == ([("rule", 2500)], [("award", 2500)])


def test_the_job_of_changed_rules_runs_twice_and_after_a_crash(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "AT_ONCE", 1)
    for who in (cast.CHEN, cast.WANG):
        earned(post, who, "A3", "A5")
    post.drain()
    set_rules(post, choice={"required_points": 2})
    ids, worker = {"programme_id": pk(post.world.programme)}, post.worker()
    bring_up, seen = booking.bring_up, list[int]()

    def breaks(*told: Any) -> None:
        bring_up(*told)
        seen.append(1)
        if len(seen) == 2:
            raise RuntimeError("the worker dies within the second person's transaction")

    monkeypatch.setattr(booking, "bring_up", breaks)
    with pytest.raises(RuntimeError):
        booking.apply_rules(worker.sessions, ids, worker.clock)
    booked = [practice(post, who) for who in (cast.CHEN, cast.WANG)]
    assert sorted(booked) == [[], [("rule", 2500)]]
    for _run in range(2):
        booking.apply_rules(worker.sessions, ids, worker.clock)
        assert [practice(post, who) for who in (cast.CHEN, cast.WANG)] == [[("rule", 2500)]] * 2
    post.drain()
    assert post.grades(cast.CHEN)["hours"] > 0


def test_a_broken_job_is_kept_for_another_try(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    with transaction(post.sessions) as session:
        job = outbox.put(session, post.world.course.tenant_id, "unheard-of", "k", {}, datetime.now(UTC))
        key = pk(job)
    assert post.worker().run_job(key) is not None
    with post.sessions() as session:
        row = session.get(Job, key)
        assert row is not None
        assert (row.state, row.last_error) == (JobState.READY, "job.broken")
    assert "broke" in caplog.text


def test_what_is_old_is_forgotten(post: Post) -> None:
    person, now = post.world.person(cast.CHEN), datetime.now(UTC)
    with transaction(post.sessions) as session:
        for days, name in ((1, "young"), (40, "old")):
            session.add(
                WebSession(
                    token_hash=name,
                    bearer_hash=name,
                    csrf="x",
                    tenant_id=person.tenant_id,
                    person_id=pk(person),
                    created_at=now - timedelta(days=days),
                    expires_at=now - timedelta(days=days),
                )
            )
        session.flush()
        for row in session.exec(select(WebSession)).all():
            session.add(
                Ticket(token_hash=row.token_hash, web_session_id=pk(row), purpose="window", expires_at=row.expires_at)
            )
    post.worker().tick()
    with post.sessions() as session:
        assert [row.token_hash for row in session.exec(select(WebSession)).all()] == ["young"]
