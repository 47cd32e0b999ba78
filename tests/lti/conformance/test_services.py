"""Rows T, A, N: tokens, gradebooks and rosters of fake hosts that behave as recorded, through our worker and queue."""

import json
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlmodel import select

import lti
from lms_plugin import db
from lms_plugin.db import pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow.report import queue_columns
from lms_plugin.people import Course, CourseMember
from tests import people as cast
from tests.hosts import fake
from tests.hosts.fake import Host, Moodle, OpenEdx, Said
from tests.lti.conformance.conftest import NOW, Opened
from tests.lti.conformance.office import AGS, Office, enrol, subject

HOSTS = [fake.Moodle, fake.OpenEdx, fake.Canvas, fake.Brightspace]
STATE = lti.DeliveryState


# --- T: tokens ---


@pytest.mark.parametrize("kind", [fake.Canvas, fake.Brightspace, Host])
def test_T01_T02_assertion(at: Opened, kind: type[Host]) -> None:
    """The client assertion: iss and sub are our client id, aud is the registered audience as one string (Canvas-like,
    Brightspace-like) or else the token address, five minutes at most, a fresh jti, a kid of our key set, RS256; a host
    that checks all of it gives a token, and none where another audience is registered."""
    here = at(kind)
    client = here.client()
    assert client.access_token() in here.host.tokens
    head, claims, fault = here.host.read(here.host.requests("POST token")[-1].form()["client_assertion"])
    assert (head["alg"], fault) == ("RS256", "")
    assert claims["aud"] == here.host.audience
    assert claims["exp"] - claims["iat"] <= 300
    here.set_platform(token_audience="https://elsewhere.example/token")
    with pytest.raises(Unavailable, match="token_refused") as caught:
        here.client(fake.NAMES).access_token()
    assert caught.value.permanent


def test_T03_scopes_and_reuse(at: Opened) -> None:
    """Only the scopes of the launch are asked for; one token a scope set until a minute before its end, also for
    another worker."""
    here = at(Host)
    first = here.client().access_token()
    assert set(here.host.requests("POST token")[0].form()["scope"].split()) == set(AGS)
    assert here.client().access_token() == first
    assert here.client(fake.NAMES).access_token() != first
    here.later(3600 - 61)
    assert here.client().access_token() == first
    here.later(2)
    assert here.client().access_token() != first
    assert len(here.host.requests("POST token")) == 3


def test_T04_one_token_request(at: Opened) -> None:
    """A hundred grades at once on a cold cache, four workers, a slow host → one token request."""
    here = at(Moodle)
    people = here.crowd(100)
    here.ask(here.member(cast.CHEN))
    here.drain()  # the columns are there
    with transaction(here.sessions) as session:
        session.delete(session.exec(select(lti.AccessToken)).one())
    before = len(here.host.requests("POST token.php"))

    def slowly(asked: fake.Asked) -> None:
        if asked.wants == "POST token.php":
            threading.Event().wait(0.3)

    here.host.trouble = slowly
    here.ask(*people)
    workers = [here.worker() for _ in range(4)]
    threads = [threading.Thread(target=worker.run_due) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.drain()
    assert len(here.host.requests("POST token.php")) == before + 1
    assert {here.host.grade(here.ours()[0].key, f"sub-{one}") for one in range(100)} == {0.0}


def test_T04_one_token_request_where_it_is_refused(at: Opened) -> None:
    """A hundred grades on a registration that the host does not know any more → one token request a minute, and one at
    once when somebody has seen to it and asks again."""
    here = at(fake.Canvas)
    people = here.crowd(100)
    here.earn(cast.CHEN, "A3")
    here.drain()  # the columns are there
    with transaction(here.sessions) as session:
        session.delete(session.exec(select(lti.AccessToken)).one())
    here.set_platform(token_audience="https://elsewhere.example/token")
    before = len(token_requests(here))
    here.ask(*people)
    here.worker().run_due()
    assert not here.open_jobs()
    assert len(token_requests(here)) == before + 1
    with here.sessions() as session:
        told = session.exec(select(lti.ScoreDelivery).where(lti.ScoreDelivery.state == STATE.FAILED)).all()
    assert len(told) == 200
    assert {row.host_words for row in told} == {"HTTP 400 aud"}
    here.ask(*people[:3])
    here.later(61).worker().run_due()
    assert len(token_requests(here)) == before + 2
    here.set_platform(token_audience=here.host.audience)
    here.earn(cast.CHEN, "A5")
    here.drain()
    assert here.delivery(cast.CHEN).state is STATE.FAILED  # nobody has said that it is mended
    here.ask_again(cast.CHEN)
    here.drain()
    assert len(token_requests(here)) == before + 3
    assert (here.delivery(cast.CHEN).state, here.grade(cast.CHEN)) == (STATE.DELIVERED, pytest.approx(2 / 3))


def test_T04_a_refusal_is_believed_to_its_last_moment(at: Opened) -> None:
    """Whoever comes within the last second of the minute hears it too, and waits for nobody."""
    here = at(fake.Canvas)
    here.set_platform(token_audience="https://elsewhere.example/token")
    for moments_later in (0.0, 59.5):
        with pytest.raises(Unavailable) as told:
            here.later(moments_later).client().access_token()
        assert told.value.code == "ags.token_refused"
    assert told.value.retry_after == 1
    assert len(token_requests(here)) == 1


@pytest.mark.parametrize("kind", [Moodle, OpenEdx, fake.Canvas])
def test_T05_token_refused(at: Opened, kind: type[Host]) -> None:
    """A service refuses the token (401; Open edX: 403): forgotten, asked for once, the call repeated once; refused
    again, the score waits for nobody and is told."""
    here = at(kind)
    here.earn(cast.CHEN, "A3")
    here.drain()
    asked = len(token_requests(here))
    here.host.tokens.clear()  # the host has forgotten them
    here.earn(cast.CHEN, "A5")
    here.drain()
    assert len(token_requests(here)) == asked + 1
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED
    assert here.grade(cast.CHEN) == pytest.approx(2 / 3)
    here.host.granted -= {fake.SCORE}  # and now it refuses every token for scores
    here.host.tokens.clear()
    here.earn(cast.CHEN, "A6")
    here.drain()
    assert len(token_requests(here)) <= asked + 3
    assert here.delivery(cast.CHEN).state is STATE.FAILED


def token_requests(here: Office) -> list[fake.Asked]:
    return [one for one in here.host.asked if one.path == here.host.token_path]


def test_T06_odd_token_answers(at: Opened) -> None:
    """No expires_in → five minutes; "bearer" in lower case → fine; fewer scopes than asked → that service is off, with
    the reason; HTML in place of a token → a clear error."""
    here = at(Host)
    here.host.lasts = None
    first = here.client().access_token()
    assert here.later(239).client().access_token() == first
    assert here.later(2).client().access_token() != first
    here.host.token_kind = "bearer"
    here.later(300)
    here.host.granted = {fake.SCORE}
    client = here.client()
    assert (
        client.find_or_create_line_item(
            here.host.lineitems(), resource_id="r", tag="t", label="l", maximum_hundredths=100
        )
        is None
    )
    assert (client.may(fake.SCORE), client.may(fake.RESULT)) == (True, False)
    assert not here.host.requests("POST lineitems")
    with pytest.raises(Unavailable) as off:
        here.client(fake.SCORE, fake.NAMES).roster(here.host.memberships())
    assert off.value.code == "ags.scope_refused"
    assert off.value.words == "scope not granted: contextmembership.readonly"
    here.host.trouble = lambda _asked: Said(200, "<html>Sign in</html>", "text/html")
    with pytest.raises(Unavailable) as page:
        here.later(600).client().access_token()
    assert page.value.code == "net.not_json"


# --- A: gradebooks ---


@pytest.mark.parametrize("kind", HOSTS)
def test_A01_A04_A15_columns_and_scores(at: Opened, kind: type[Host]) -> None:
    """Two columns are made with label, maximum, resourceId and tag of ours; scores go below them, before the query,
    with everything a score must have; hours against the hours that are needed, in a column of the same maximum, in
    hundredths; every host ends with the right grade."""
    here = at(kind)
    here.bench.world.set_rules(hours={"practice_hundredths": 2550})
    here.bench.world.session.commit()
    here.earn(cast.CHEN, "A3", "A5", "A6")
    here.drain()
    (points,), (hours,) = here.ours("points"), here.ours("hours")
    posted = {one.json()["tag"].rpartition(":")[2]: one.json() for one in here.host.asked if is_creation(one)}
    for name, item in (("points", points), ("hours", hours)):
        body = posted[name]
        assert body["label"]
        assert body["scoreMaximum"] == item.maximum > 0
        assert body["resourceId"] == body["tag"] == f"nengli:{here.bench.world.programme.uuid}:{name}"
        assert "resourceLinkId" not in body
    assert points.maximum == 3
    for one in here.host.requests("POST scores"):
        assert one.path.endswith("/scores")
        assert one.query == ({"type_id": "1"} if kind is Moodle else {})
        body = one.json()
        assert set(body) >= {"userId", "scoreGiven", "scoreMaximum", "activityProgress", "gradingProgress", "timestamp"}
        assert body["userId"] == subject(cast.CHEN)
        assert body["timestamp"].endswith(".000Z")
        assert one.status in (200, 201, 204)
    of_hours = next(one for one in here.scores() if one["scoreMaximum"] != 3)
    assert of_hours["scoreMaximum"] == (hours.maximum if kind is not OpenEdx else pytest.approx(hours.maximum, abs=1))
    assert here.grade(cast.CHEN) == pytest.approx(1)
    held = here.host.grade(hours.key, subject(cast.CHEN))
    assert held == pytest.approx(of_hours["scoreGiven"], abs=1e-5)  # not rescaled, nothing rounded away


def is_creation(asked: fake.Asked) -> bool:
    return asked.method == "POST" and asked.wants in ("POST lineitems", "POST lti-ags")


def test_A02_own_column_of_the_link(at: Opened) -> None:
    """The launch names a column and lets us make none: it is used for the points, none is made."""
    here = at(Moodle)
    own = here.host.add_item(label="activity", maximum=100, link="1")
    url = here.host.item_url(own.key)
    here.set_course(lineitem_url=url, lineitems_url="", ags_scopes=[fake.SCORE, fake.RESULT])
    here.earn(cast.CHEN, "A3")
    here.drain()
    assert here.host.grade(own.key, subject(cast.CHEN)) == pytest.approx(100 / 3, abs=1e-4)
    assert here.ours("points") == here.ours("hours") == []
    assert here.delivery(cast.CHEN, "hours").state is STATE.NOT_OFFERED


def test_A03_reading_and_scores_only(at: Opened) -> None:
    """Moodle's "grade sync only": lineitem.readonly and score → columns are read, scores posted, nothing is
    created."""
    here = at(Moodle)
    here.host.granted -= {fake.LINE_ITEM}
    own = here.host.add_item(label="activity", maximum=100, link="1")
    here.set_course(lineitem_url=here.host.item_url(own.key), ags_scopes=[fake.READ, fake.SCORE, fake.RESULT])
    here.earn(cast.CHEN, "A3")
    here.drain()
    assert here.host.requests("GET lineitems")
    assert not here.host.requests("POST lineitems")
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED


@pytest.mark.parametrize("kind", HOSTS)
def test_A05_timestamps_rise(at: Opened, kind: type[Host]) -> None:
    """Scores of one person in one column are a second apart at least and never of the future, however fast they
    follow."""
    here = at(kind)
    for code in ("A3", "A5", "A6"):
        here.earn(cast.CHEN, code)
        here.drain()
    points = [one for one in here.scores(cast.CHEN) if one["scoreMaximum"] == 3]
    stamps = [datetime.fromisoformat(one["timestamp"]) for one in points]
    assert len(stamps) == 3
    assert all(after - before >= timedelta(seconds=1) for before, after in pairwise(stamps))
    assert stamps[-1] <= here.now
    assert {one.status for one in here.host.requests("POST scores")} <= {200, 201, 204}


@pytest.mark.parametrize("kind", HOSTS)
def test_A05_already_newer(at: Opened, kind: type[Host]) -> None:
    """The host holds a newer score: the same value is settled, a wiped one is sent again later, another one is
    somebody's own: it is told and stays (at Open edX, whose results are scores alone, ours is sent again later)."""
    here = at(kind)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (item,) = here.ours()
    key, ahead = (item.key, subject(cast.CHEN)), here.now + timedelta(seconds=30)
    scale = 3.0 if kind is OpenEdx else None
    here.host.grades[key] = fake.Grade(2.0, ahead, scale=scale)
    here.earn(cast.CHEN, "A5")
    here.drain()
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED  # 2 of 3, as it is there
    here.host.grades[key] = fake.Grade(1.5, here.now + timedelta(seconds=60), scale=scale)
    here.earn(cast.CHEN, "A6")
    sent = len(here.host.requests("POST scores"))
    here.drain()
    row = here.delivery(cast.CHEN)
    if kind is OpenEdx:
        assert (row.state, here.grade(cast.CHEN)) == (STATE.DELIVERED, 1)
        return
    assert (row.state, here.host.grade(*key)) == (STATE.OVERRIDDEN, 1.5)
    assert "0.5" in row.host_words
    here.later(7200).drain()
    assert len(here.host.requests("POST scores")) <= sent + 2  # and the hours, once
    here.host.grades[key] = fake.Grade(None, here.now + timedelta(seconds=5))
    here.ask(here.member(cast.CHEN))  # an import of hours, a launch …: the same points are not pressed upon the host
    here.drain()
    assert (here.delivery(cast.CHEN).state, here.grade(cast.CHEN)) == (STATE.OVERRIDDEN, None)
    here.earn(cast.CHEN, "B1")  # one more than is needed: other words, the same number
    here.drain()
    assert (here.delivery(cast.CHEN).state, here.grade(cast.CHEN)) == (STATE.OVERRIDDEN, None)
    here.ask_again(cast.CHEN)
    here.drain()
    assert (here.delivery(cast.CHEN).state, here.grade(cast.CHEN)) == (STATE.DELIVERED, pytest.approx(1))


def test_A06_nothing_is_wiped(at: Opened) -> None:
    """Everything that is sent is final, also nought points: a grade in Moodle is never wiped."""
    here = at(Moodle)
    here.ask(here.member(cast.CHEN))
    here.drain()
    here.earn(cast.CHEN, "A3")
    here.drain()
    assert [one["scoreGiven"] for one in here.scores() if one["scoreMaximum"] == 3] == [0, 1]
    assert {(one["gradingProgress"], one["activityProgress"]) for one in here.scores()} == {
        ("FullyGraded", "Completed")
    }
    assert here.grade(cast.CHEN) == pytest.approx(1 / 3)


def test_A07_when_the_work_came_in(at: Opened) -> None:
    """The day of the last work goes with the points, so that a late judgement makes nobody late; Canvas is told that
    no new piece of work has come."""
    here = at(fake.Canvas)
    here.earn(cast.CHEN, "A3")
    here.later(86400).drain()
    score = next(one for one in here.scores() if one["scoreMaximum"] == 3)
    handed_in = datetime.fromisoformat(score["submission"]["submittedAt"])
    assert handed_in < NOW < datetime.fromisoformat(score["timestamp"])
    assert score["https://canvas.instructure.com/lti/submission"] == {"new_submission": False}


def test_A08_results(at: Opened) -> None:
    """Results are read by user_id below the column, with their media type, all pages; at Open edX by a path."""
    here = at(fake.Canvas)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (item,) = here.ours()
    assert here.client()._held(here.host.item_url(item.key), subject(cast.CHEN)) == pytest.approx(1 / 3)
    asked = here.host.requests("GET results")[-1]
    assert (asked.query["user_id"], asked.header("Accept")) == (subject(cast.CHEN), fake.RESULTS)
    for one in range(25):  # a host that knows no user_id and gives pages of ten
        here.host.grades[item.key, f"x{one}"] = fake.Grade(0.0, here.now)
    here.host.grades[item.key, "last"] = fake.Grade(2.0, here.now)
    rows = here.host.result_rows
    here.host.result_rows = lambda key, _person: rows(key, None)
    assert here.client()._held(here.host.item_url(item.key), "last") == pytest.approx(2 / 3)


def test_A08_results_of_open_edx(at: Opened) -> None:
    """Results are read by user_id below the column, with their media type, all pages; at Open edX by a path."""
    here = at(OpenEdx)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (item,) = here.ours()
    assert here.client()._held(here.host.item_url(item.key), subject(cast.CHEN)) == pytest.approx(1 / 3)
    assert here.host.asked[-1].path.endswith(f"/results/{subject(cast.CHEN)}")


def test_A09_our_column_among_many(at: Opened) -> None:
    """Our column stands on the third page of a listing whose address has a query and capitals: filters are added to
    it, every page is followed, no second column is made."""
    here = at(fake.Canvas)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (item,) = here.ours()
    for one in range(25):
        here.host.add_item(label=str(one), resource_id=item.resource_id, tag=f"other-{one}")
    here.host.items = {key: here.host.items[key] for key in sorted(here.host.items, reverse=True)}
    address = here.host.lineitems() + "?Course=AbC"
    column = here.client().find_or_create_line_item(
        address, resource_id=item.resource_id, tag=item.tag, label="x", maximum_hundredths=300
    )
    assert column is not None
    assert (column.url, column.is_new) == (here.host.item_url(item.key), False)
    pages = [one.query for one in here.host.requests("GET lineitems")[-3:]]
    assert all((one["Course"], one["resource_id"]) == ("AbC", item.resource_id) for one in pages)
    assert [one.get("start") for one in pages] == [None, "10", "20"]


@pytest.mark.parametrize(
    "answer",
    [
        Said(500),
        Said(503, headers={"Retry-After": "7200"}),
        Said(429, headers={"Retry-After": "60"}),
        fake.THROTTLED,
        None,
    ],
)
def test_A10_kept_until_it_works(at: Opened, answer: Said | None) -> None:
    """500, 503, 429, throttled with a 403, or the connection reset: the score stays queued, Retry-After is obeyed,
    pauses grow, it survives a restart, and the truth of that day arrives."""
    here = at(fake.Canvas)
    here.earn(cast.CHEN, "A3")
    here.drain()
    times: list[datetime] = []
    is_down = [True]

    def trouble(asked: fake.Asked) -> Said | None:
        if asked.wants != "POST scores" or not is_down[0]:
            return None
        times.append(here.now)
        return answer or Said(204)

    here.host.trouble = trouble
    here.host.cut = lambda asked: answer is None and is_down[0] and asked.wants == "POST scores"
    here.earn(cast.CHEN, "A5")
    worker = here.worker()
    for _ in range(4):
        worker.run_due()
        assert here.delivery(cast.CHEN).state is STATE.RETRYING
        assert answer is not None or not here.delivery(cast.CHEN).host_words  # the host has said nothing
        here.bench.clock[0] = max(job.run_at.replace(tzinfo=UTC) for job in here.open_jobs())
    gaps = sorted({after - before for before, after in pairwise(times)} - {timedelta(0)})
    wait = int((answer.headers if answer else {}).get("Retry-After", 0))
    assert gaps[0] >= timedelta(seconds=max(wait, 4))
    assert wait or gaps[-1] > gaps[0]
    here.earn(cast.CHEN, "A6")
    is_down[0] = False
    here.drain(worker=here.worker())  # another worker: the first is gone
    assert (here.delivery(cast.CHEN).state, here.grade(cast.CHEN)) == (STATE.DELIVERED, pytest.approx(1))


def test_A11_a_locked_column(at: Opened) -> None:
    """A column that is locked in Moodle's gradebook: told at once with what to do, not asked every hour; tried every
    few hours, so that the score arrives when it is unlocked. A server's own 500 stays what passes by itself."""
    here = at(Moodle)
    here.earn(cast.CHEN, "A3")
    here.drain()
    points = here.delivery(cast.CHEN)
    for item in here.host.items.values():
        item.is_locked = True
    here.earn(cast.CHEN, "A5")
    here.drain()
    row = here.delivery(cast.CHEN)
    assert (row.state, row.trouble) == (STATE.FAILED, "ags.locked")
    assert row.given_hundredths != points.given_hundredths
    sent = len(here.host.requests("POST scores"))
    worker = here.worker()
    for hours, tries in ((2, 0), (2, 1), (1, 1)):
        here.later(hours * 3600)
        worker.tick()
        here.drain(worker=worker)
        assert here.delivery(cast.CHEN).state is STATE.FAILED
        assert (len(here.host.requests("POST scores")) > sent) == bool(tries)
    for item in here.host.items.values():
        item.is_locked = False
    here.later(3 * 3600)
    worker.tick()
    here.drain(worker=worker)
    assert (here.delivery(cast.CHEN).state, here.delivery(cast.CHEN).trouble) == (STATE.DELIVERED, "")
    here.host.trouble = lambda one: Said(500, "<h1>Error</h1>") if one.wants == "POST scores" else None
    here.earn(cast.CHEN, "A6")
    worker.run_due()
    assert here.delivery(cast.CHEN).state is STATE.RETRYING


@pytest.mark.parametrize("kind", [fake.Canvas, fake.Brightspace, Moodle])
def test_A11_not_a_learner_there(at: Opened, kind: type[Host]) -> None:
    """The host grades nobody of that name (400, 403, 422 in its own words): told at once, with those words, beside
    that person only; no token is asked for anew, and nothing is tried again."""
    here = at(kind)
    here.host.people[subject(cast.CHEN)].is_graded = False
    here.earn(cast.CHEN, "A3")
    here.earn(cast.WANG, "A3")
    here.drain()
    row = here.delivery(cast.CHEN)
    assert row.state is STATE.NOT_A_LEARNER
    assert row.host_words.startswith("HTTP 4")
    assert len(row.host_words) > 12
    assert "userId" not in row.host_words
    assert here.delivery(cast.WANG).state is STATE.DELIVERED
    assert len(here.scores(cast.CHEN)) == 2  # one a column
    assert len(token_requests(here)) == 1


@pytest.mark.parametrize("kind", [fake.Canvas, Moodle])
def test_A11_a_learner_there_at_last(at: Opened, kind: type[Host]) -> None:
    """Somebody whom the host did not grade is enrolled as a student there and launches once, with whatever roles: the
    score arrives, and nobody has pressed a button."""
    here = at(kind)
    here.host.people[subject(cast.CHEN)].is_graded = False
    here.earn(cast.CHEN, "A3")
    here.drain()
    here.host.people[subject(cast.CHEN)].is_graded = True
    here.later(60).worker().tick()
    here.drain()
    assert here.delivery(cast.CHEN).state is STATE.NOT_A_LEARNER  # nobody has come since
    with transaction(here.sessions) as session:
        member = session.exec(select(CourseMember).where(CourseMember.person_id == pk(here.member(cast.CHEN)))).one()
        member.launched_at, member.is_learner, member.is_instructor = here.now, False, True
        session.add(member)
    here.later(60).worker().tick()
    here.drain()
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED
    assert here.grade(cast.CHEN) == pytest.approx(1 / 3)


def test_A11_column_gone(at: Opened) -> None:
    """A column that is gone (404) is looked for and made once; one that stays gone is told."""
    here = at(Moodle)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (first,) = here.ours()
    del here.host.items[first.key]
    here.earn(cast.CHEN, "A5")
    here.drain()
    (second,) = here.ours()
    assert second.key != first.key
    assert here.grade(cast.CHEN) == pytest.approx(2 / 3)
    here.host.trouble = lambda one: Said(404, [], reason="Not Found") if one.wants == "POST scores" else None
    made = len(here.host.requests("POST lineitems"))
    here.earn(cast.CHEN, "A6")
    here.drain()
    assert here.delivery(cast.CHEN).state is STATE.FAILED
    assert len(here.host.requests("POST lineitems")) <= made + 1


def test_A12_a_teacher_changes_the_column(at: Opened) -> None:
    """A trainer there gives our column another maximum: scores fill the same share of it, and changed rules do not put
    ours in its place; a column that nobody touched follows the rules."""
    here = at(Moodle)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (points,) = here.ours()
    points.maximum = 100
    here.earn(cast.CHEN, "A5")
    here.drain()
    assert here.grade(cast.CHEN) == pytest.approx(2 / 3, abs=1e-4)
    world = here.bench.world
    for required in (4, 2):
        rules = world.set_rules(
            choice={"required_points": required}, hours={"practice_need_hundredths": 1000 * required}
        )
        queue_columns(world.session, world.programme, here.now)
        world.session.commit()
        here.later(5).drain()
        need = rules.hours.practice_need_hundredths + rules.hours.online_need_hundredths
        assert (points.maximum, here.ours("hours")[0].maximum) == (100, need / 100)
    assert here.grade(cast.CHEN) == pytest.approx(1)


def test_A13_copied_course(at: Opened) -> None:
    """A course is copied with its columns: launches from the copy use the copy's, the old ones keep what they hold."""
    here = at(Moodle)
    here.earn(cast.CHEN, "A3")
    here.drain()
    (old,) = here.ours()
    copied = here.host.add_item(
        course="3", label=old.label, maximum=old.maximum, resource_id=old.resource_id, tag=old.tag
    )
    with transaction(here.sessions) as session:
        course = db.get(session, Course, pk(here.bench.world.course))
        copy = Course(
            tenant_id=course.tenant_id,
            deployment_id=course.deployment_id,
            context_id="the copy",
            programme_id=course.programme_id,
            lineitems_url=here.host.lineitems("3"),
            ags_scopes=course.ags_scopes,
            seen_at=here.now,
        )
        session.add(copy)
        session.flush()
        enrol(session, pk(copy), here.member(cast.WANG), subject(cast.WANG), here.now)
    before = dict(here.host.grades)
    here.ask(here.member(cast.WANG), course=copy)
    here.drain()
    assert here.host.grade(copied.key, subject(cast.WANG)) == 0
    assert {key: grade for key, grade in here.host.grades.items() if key[0] == old.key} == {
        key: grade for key, grade in before.items() if key[0] == old.key
    }
    assert {item.course for item in here.ours("hours")} == {"2", "3"}


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("how", ["cut", "504"])
def test_A14_answer_lost(at: Opened, kind: type[Host], how: str) -> None:
    """The host stores a score and the answer is lost (connection cut, 504 of a proxy): the grade ends right and shows
    as sent, whatever came in between."""
    here = at(kind)
    here.earn(cast.CHEN, "A3")
    here.drain()
    lost = [2 if how == "cut" else 1]

    def loses(asked: fake.Asked) -> bool:
        if asked.wants == "POST scores" and lost[0]:
            lost[0] -= 1
            return True
        return False

    answer = here.host.answer

    def through_a_proxy(asked: fake.Asked) -> Said:
        said = answer(asked)
        return Said(504, "<html>", "text/html") if loses(asked) else said

    if how == "cut":
        here.host.cut = loses
    else:
        here.host.answer = through_a_proxy
    here.earn(cast.CHEN, "A5")
    here.drain()
    assert lost == [0]
    assert len([one for one in here.scores() if one["scoreMaximum"] == 3]) == (4 if how == "cut" else 2)
    assert here.grade(cast.CHEN) == pytest.approx(2 / 3)
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED


# --- S: what is behind a score ---


@pytest.mark.parametrize("kind", [Host, fake.Canvas, fake.Brightspace, Moodle, OpenEdx])
def test_S03_column_with_a_review(at: Opened, kind: type[Host]) -> None:
    """The columns we make carry a submissionReview (Moodle takes it by PUT only; Open edX knows none and gets none): an
    address of our registration, our own ids in custom; a host that refuses it gets its scores all the same."""
    here = at(kind)
    here.earn(cast.CHEN, "A3")
    here.drain()
    for item in (*here.ours("points"), *here.ours("hours")):
        if kind is OpenEdx:
            assert item.review is None
            continue
        assert item.review["url"] == here.bench.url + "/lti/launch"
        assert item.review["label"]
        assert "Completed" in item.review["reviewableStatus"]
        assert item.review["custom"] == {
            "nengli_programme": here.bench.world.programme.uuid,
            "nengli_view": "record",
        }
        assert item.tag
        assert item.maximum > 0
    posted = [one.json() for one in here.host.asked if is_creation(one)]
    assert ["submissionReview" in one for one in posted] == [kind is not OpenEdx] * 2
    assert len([one for one in here.host.asked if one.method == "PUT"]) == (2 if kind is Moodle else 0)


def test_S03_refused(at: Opened) -> None:
    """The columns we make carry a submissionReview (Moodle takes it by PUT only; Open edX knows none and gets none): an
    address of our registration, our own ids in custom; a host that refuses it gets its scores all the same."""
    here = at(Moodle)
    here.host.trouble = lambda one: Said(503) if one.method == "PUT" else None
    here.earn(cast.CHEN, "A3")
    here.drain()
    assert here.ours()[0].review is None
    assert here.delivery(cast.CHEN).state is STATE.DELIVERED
    assert len(here.ours()) == 1


# --- N: rosters ---


@pytest.mark.parametrize("kind", HOSTS)
def test_N01_N02_N03_N04_membership_call(at: Opened, kind: type[Host]) -> None:
    """GET with the container's media type, a bearer token of the one scope; everybody is there, names as they are
    written by people, whatever the host does to them."""
    here = at(kind)
    here.host.enrol(fake.Person("z", "Zoë & Co <b>", (fake.MEMBERSHIP + "Instructor",)))
    roster = here.client(fake.NAMES).roster(here.host.memberships())
    assert {one.subject for one in roster.members} == set(here.host.people)
    assert next(one.name for one in roster.members if one.subject == "z") == "Zoë & Co <b>"
    asked = here.host.requests("GET memberships")[-1]
    assert asked.header("Accept") == fake.MEMBERS
    assert here.host.tokens[asked.header("Authorization").removeprefix("Bearer ")][0] == {fake.NAMES}


def test_N05_all_pages(at: Opened) -> None:
    """Four relations in one header, relative addresses, capitals: every page once; a loop, a page for the second time
    and pages without end are errors, never a short roster."""
    here = at(fake.Canvas)
    here.crowd(33)
    client = here.client(fake.NAMES)
    assert len(client.roster(here.host.memberships()).members) == 33 + len(cast.TEACHERS)
    assert len(here.host.requests("GET memberships")) == 4
    url, pages = here.host.memberships(), {"": "?P=bC", "bC": "", "loop": "?P=loop", "on": "?P="}

    def trouble(asked: fake.Asked) -> Said | None:
        if asked.wants != "GET memberships":
            return None
        at_page = asked.query.get("P", "")
        row = {"user_id": f"u{at_page}", "status": "Active", "roles": []}
        link = ""
        if pages.get(at_page):
            link = f'<x>; rel=self, <{pages[at_page]}>; title="a, b"; REL="first next"'
        if at_page.isdigit():
            link = f"<?P={int(at_page) + 1}>; rel=next"
        return Said(200, {"members": [row]}, fake.MEMBERS, headers={"Link": link})

    here.host.trouble = trouble
    assert {one.subject for one in client.roster(url).members} == {"u", "ubC"}
    for start in ("loop", "1"):
        with pytest.raises(Unavailable, match=r"ags\.pages"):
            client.roster(url + f"?P={start}")
    here.host.trouble = lambda one: Said(200, {"members": []}, headers={"Link": "<http://127.0.0.1:1/x>; rel=next"})
    with pytest.raises(Unavailable, match=r"ags\.pages"):
        client.roster(url)


def test_N06_differences(at: Opened) -> None:
    """The host names an address of differences: it is given back for the next time and reads as a roster does."""
    here = at(Host)
    url = here.host.memberships()
    changes = url + "?since=7"

    def trouble(asked: fake.Asked) -> Said | None:
        if asked.wants != "GET memberships":
            return None
        row = {"user_id": "9", "status": "Deleted"} if "since" in asked.query else {"user_id": "8"}
        return Said(200, {"members": [row]}, headers={"Link": f'<{changes}>; rel="differences"'})

    here.host.trouble = trouble
    client = here.client(fake.NAMES)
    roster = client.roster(url)
    assert ([one.subject for one in roster.members], roster.differences_url) == (["8"], changes)
    (gone,) = client.roster(roster.differences_url).members
    assert (gone.subject, gone.is_active) == ("9", False)
    assert here.client(fake.NAMES).roster(at_another(here)).differences_url == ""


def at_another(here: Office) -> str:
    """The roster of a host that names none."""
    here.host.trouble = lambda _asked: None
    return here.host.memberships()


@pytest.mark.parametrize("kind", [Moodle, OpenEdx, Host])
def test_N07_role_link_and_limit(at: Opened, kind: type[Host]) -> None:
    """role, rlid and limit are asked for, an rlid that the address has is not doubled; where the host forgets the role
    on its second page, or never knew it, only people of that role come back all the same."""
    here = at(kind)
    here.crowd(7)
    here.host.enrol(*(fake.Person(f"t{one}", "", (fake.MEMBERSHIP + "Instructor",)) for one in range(4)))
    client = here.client(fake.NAMES)
    url = here.host.memberships() + "?rlid=1"
    for role in ("Learner", fake.MEMBERSHIP + "Learner"):
        found = client.roster(url, role=role, resource_link_id="1", limit=5).members
        assert {one.subject for one in found} == {f"sub-{i}" for i in range(7)} | {
            subject(who) for who in cast.TEACHERS
        }
    first = here.host.requests("GET memberships")[0]
    assert first.query == {"rlid": "1", "role": "Learner", "limit": "5"}
    if kind is Moodle:
        assert {one.query["role"] for one in here.host.requests("GET memberships")} == {
            "Learner",
            fake.MEMBERSHIP + "Learner",
        }


def test_N08_N09_status_and_names(at: Opened) -> None:
    """Inactive or Deleted → not active, absent → active; members without a name or an address come as they are."""
    here = at(Host)
    here.host.people = {
        key: fake.Person(key, status=status)
        for key, status in (("a", "Active"), ("i", "Inactive"), ("d", "Deleted"), ("n", None))
    }
    found = {one.subject: one for one in here.client(fake.NAMES).roster(here.host.memberships()).members}
    assert {key for key, one in found.items() if one.is_active} == {"a", "n"}
    assert {one.name for one in found.values()} == {""}


@pytest.mark.parametrize(
    "body", [{}, {"members": None}, {"members": {"x": 1}}, [], "<html>", {"error": "above_response_limit"}]
)
def test_N10_no_members(at: Opened, body: Any) -> None:
    """200 without `members` (or with something else there, or a page): an error, and no roster."""
    here = at(Host)
    here.host.trouble = lambda one: Said(200, body) if one.wants == "GET memberships" else None
    with pytest.raises(Unavailable, match=r"nrps\.no_members|net\.not_json"):
        here.client(fake.NAMES).roster(here.host.memberships())
    here.host.trouble = lambda one: Said(403, json.dumps(body)) if one.wants == "GET memberships" else None
    with pytest.raises(Unavailable, match=r"ags\.refused"):
        here.client(fake.NAMES).roster(here.host.memberships())
