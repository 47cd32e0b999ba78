"""A platform that nobody here wrote: the published Open edX consumer, live, of two generations, against the tool.

`make test` installs it (tools/stock.py); by hand: `python tools/stock.py`, then `pytest -m stock`. What the host does
that is not ours to mend is asserted too: a generation that does otherwise is noticed here first.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
import stock
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from markupsafe import escape
from sqlmodel import Session, select

import lti
from lms_plugin import outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.net import Http
from lms_plugin.people import Course, HostList, ListedMember
from tests import people as cast
from tests.lti.conformance.bench import CLAIM, MEMBERSHIP
from tests.lti.consumer import (
    Consumer,
    Visitor,
    consumer_on_loopback,
    form_in,
    tool_on_loopback,
)

pytestmark = pytest.mark.stock

COLUMN = "application/vnd.ims.lis.v2.lineitem+json"


GENERATIONS = stock.GENERATIONS  # each stays with one worker (tests/conftest.py)


@pytest.fixture(scope="module", params=GENERATIONS)
def consumer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """Tool and consumer, both running; 林静 and 梅芳 of the host are 陈晓芳 and 王秀兰 of the district."""
    python = stock.python_of(request.param)
    if python is None:
        pytest.skip(f"lti-consumer-xblock {request.param} is not installed: python tools/stock.py")
    folder = tmp_path_factory.mktemp("stock")
    with tool_on_loopback(folder) as tool, consumer_on_loopback(python, tool.url, folder) as root:
        made = Consumer(request.param, root, tool)
        made.is_the_same("lin", cast.CHEN)
        made.is_the_same("mei", cast.WANG)
        yield made


# --- registration and launch ---


def test_the_lms_root_and_one_id_give_all_three_addresses(consumer: Consumer) -> None:
    """What Studio prints is what is derived; every block is a client of its own under one issuer."""
    seen = set()
    for block in ("whole", "other", "picked"):
        printed = consumer.ask(f"registration/{block}")
        derived = consumer.registration(block)
        assert (derived.auth_url, derived.token_url) == (printed["oidc_callback"], printed["token_url"])
        assert (derived.jwks_url, derived.deployment) == (printed["keyset_url"], printed["deployment_id"])
        seen.add(printed["client_id"])
    assert len(seen) == 3
    again = Consumer(consumer.generation, consumer.root, consumer.tool).register("whole")
    assert again == consumer.register("whole"), "a second registration of a block is the same platform"


def test_trying_a_registration_out_finds_it_well_or_says_what_is_wrong(consumer: Consumer) -> None:
    """Keys, a token for each right, the roster: all well. A signature that the host cannot check is told at the
    token; a mistyped client id or kid is not, for this host looks at neither there."""
    assert Visitor(consumer, "mei").launch("whole").status_code == 303
    url = consumer.course("whole").memberships_url
    with transaction(consumer.tool.sessions) as session:
        row = get(session, lti.Platform, consumer.register("whole"))
        http, now = Http(allow_loopback=True), datetime.now(UTC)
        right = lti.prepare_trial(session, row, url, consumer.tool.secret, http, now)
        wrong = lti.prepare_trial(session, row, url, consumer.tool.secret, http, now)
    for client in wrong.clients.values():
        client.client = replace(client.client, key=RSAKey.generate_key(2048))
    found = right.run()
    assert [(one.step, one.code) for one in found if one.code] == []
    assert [one.step for one in found] == ["keys", "line_item", "score", "result", "members", "roster"]
    assert found[-1].words == "4"
    assert [(one.step, one.code) for one in wrong.run() if one.code] == [("token", "trial.token_client")]


@pytest.mark.parametrize(
    ("account", "roles", "is_learner", "is_instructor"),
    [
        ("lin", {"Learner"}, True, False),
        ("team", {"Instructor"}, False, True),
        ("admin", {"Administrator", "Instructor"}, False, True),
    ],
)
def test_learners_course_team_and_course_admins_launch(
    consumer: Consumer, account: str, roles: set[str], is_learner: bool, is_instructor: bool
) -> None:
    """Each lands as what the host says; `#None`, which it says of everybody, says nothing."""
    visitor = Visitor(consumer, account)
    sent = form_in(visitor.begin("launch", "whole").text)
    keys = KeySet.import_key_set(consumer.ask(urlsplit(consumer.registration("whole").jwks_url).path[1:]))
    claims = jwt.decode(sent.fields["id_token"], keys, algorithms=["RS256"]).claims
    assert {role.removeprefix(MEMBERSHIP) for role in claims[CLAIM + "roles"] if MEMBERSHIP in role} == roles
    assert any(role.endswith("#None") for role in claims[CLAIM + "roles"])
    answer = visitor.tool.ask("POST", sent.action, sent.fields)
    assert answer.status_code == 303, answer.text
    assert visitor.see(answer).status_code == 200
    member = consumer.member("whole", account)
    assert (member.is_learner, member.is_instructor) == (is_learner, is_instructor)
    with consumer.tool.sessions() as session:
        platform = get(session, lti.Platform, consumer.register("whole"))
        assert platform.product == "openedx", "it names no product family"


def test_a_captured_launch_serves_nobody_else(consumer: Consumer) -> None:
    """The message of a launch that was used is refused in another browser."""
    visitor = Visitor(consumer, "mei")
    sent = form_in(visitor.begin("launch", "whole").text)
    assert visitor.tool.ask("POST", sent.action, sent.fields).status_code == 303
    stranger = Visitor(consumer, "mei")
    assert 400 <= stranger.tool.ask("POST", sent.action, sent.fields).status_code < 500


def test_a_block_without_services_launches(consumer: Consumer) -> None:
    """No gradebook, no roster, no name: all of that is optional."""
    assert Visitor(consumer, "mei").launch("ungraded").status_code == 303
    course = consumer.course("ungraded")
    assert (course.lineitems_url, course.lineitem_url, course.ags_scopes) == ("", "", [])
    assert Visitor(consumer, "mei").launch("bare").status_code == 303
    assert consumer.course("bare").memberships_url == ""


# --- columns and scores ---


def test_points_reach_the_gradebook(consumer: Consumer) -> None:
    """Launched, earned, delivered: the worker takes the block's own column, and the LMS publishes the grade. A host
    that lets the tool make no column offers none for hours: that is said, and nothing waits for it."""
    assert Visitor(consumer, "lin").launch("whole").status_code == 303
    runs_the_programme(consumer, "whole")
    consumer.earned(cast.CHEN, "A1", "A3")
    consumer.work_until(lambda: states(consumer, "whole") == {"points": "delivered", "hours": "not_offered"})
    (own,) = consumer.gradebook("whole")["columns"]
    given, required, comment = own["scores"][consumer.subject("lin")]
    assert own["is_of_the_block"]
    assert (given, required) == (2, 3)
    assert "已认定能力点 2 个" in comment
    assert consumer.published("whole", "lin") == pytest.approx([2 / 3])
    with consumer.tool.sessions() as session:
        assert open_jobs(session) == []


def open_jobs(session: Session) -> list[str]:
    """Jobs that did not end well."""
    rows = session.exec(
        select(outbox.Job).where(outbox.Job.state != outbox.JobState.DONE).order_by(outbox.Job.id)
    ).all()
    return [f"{job.kind} {job.state.value} {job.last_error}" for job in rows]


def runs_the_programme(consumer: Consumer, block: str) -> None:
    """The course, as launched from that block, runs the world's programme."""
    with transaction(consumer.tool.sessions) as session:
        course = get(session, Course, pk(consumer.course(block)))
        course.programme_id = pk(consumer.tool.world.programme)
        session.add(course)


def states(consumer: Consumer, block: str) -> dict[str, str]:
    """Where the deliveries of a course stand, by column."""
    with consumer.tool.sessions() as session:
        rows = session.exec(
            select(lti.LineItem.kind, lti.ScoreDelivery.state)
            .join(lti.ScoreDelivery, lti.ScoreDelivery.line_item_id == lti.LineItem.id)
            .where(lti.LineItem.course_id == pk(consumer.course(block)))
        ).all()
        return {kind.value: state.value for kind, state in rows}


def column(consumer: Consumer, block: str) -> str:
    """The address of the block's own column."""
    if block not in consumer.platforms or not courses_of(consumer, block):
        assert Visitor(consumer, "lin").launch(block).status_code == 303
    return consumer.course(block).lineitem_url


def courses_of(consumer: Consumer, block: str) -> int:
    with consumer.tool.sessions() as session:
        return len(
            session.exec(
                select(lti.ResourceLink)
                .join(lti.Deployment, lti.Deployment.id == lti.ResourceLink.deployment_id)
                .where(lti.Deployment.platform_id == consumer.register(block))
            ).all()
        )


def test_zero_is_a_score(consumer: Consumer) -> None:
    """Nothing earned is said as zero, and the gradebook has it."""
    url, client = column(consumer, "other"), consumer.client("other")
    said = send(client, url, consumer.subject("mei"), 0, 300)
    assert said.outcome is lti.Outcome.DELIVERED
    assert consumer.published("other", "mei") == [0]


def send(client: lti.ServiceClient, url: str, subject: str, given: int, of: int, at: datetime | None = None):
    """One score, now unless said otherwise."""
    at = at or datetime.now(UTC).replace(microsecond=0)
    return client.send_score(url, subject=subject, given_hundredths=given, maximum_hundredths=of, timestamp=at)


def test_stale_timestamps_are_told_as_already_newer(consumer: Consumer) -> None:
    """The host says 400 where the specification says 409. The same value again has arrived: only an answer got lost."""
    url, client, subject = column(consumer, "other"), consumer.client("other"), consumer.subject("lin")
    at = datetime.now(UTC).replace(microsecond=0)
    assert send(client, url, subject, 250, 500, at).outcome is lti.Outcome.DELIVERED
    assert send(client, url, subject, 250, 500, at).outcome is lti.Outcome.DELIVERED
    for when in (at, at - timedelta(minutes=5)):
        said = send(client, url, subject, 100, 500, when)
        assert said.outcome is lti.Outcome.ALREADY_NEWER
        assert said.words.startswith("HTTP 400")
    assert consumer.published("other", "lin") == [0.5]
    assert send(client, url, subject, 100, 500, lti.next_timestamp(at, at)).outcome is lti.Outcome.DELIVERED
    assert consumer.published("other", "lin") == [0.5, 0.2]


def test_maxima_are_whole_numbers_and_nothing_is_lost_by_it(consumer: Consumer) -> None:
    """12.5 hours: the host refuses such a maximum, ours is rounded up, and the score carries its own."""
    column(consumer, "other")
    client, listing = consumer.client("other"), consumer.course("other").lineitems_url
    head = {"Authorization": f"Bearer {client.access_token()}", "Content-Type": COLUMN, "Accept": COLUMN}
    body = json.dumps({"label": "学时", "scoreMaximum": 12.5, "resourceId": "refused", "tag": "refused"})
    assert client.http.request("POST", listing, headers=head, body=body).status == 400
    ours = {"resource_id": "hours", "tag": "hours", "label": "学时"}
    made = client.find_or_create_line_item(listing, **ours, maximum_hundredths=1250)
    assert made is not None
    assert (made.maximum, made.is_new) == (13, True)
    found = client.find_or_create_line_item(listing, **ours, maximum_hundredths=1250)
    assert found == replace(made, is_new=False)
    assert send(client, made.url, consumer.subject("lin"), 625, 1250).outcome is lti.Outcome.DELIVERED
    kept = next(one for one in consumer.gradebook("other")["columns"] if one["tag"] == "hours")
    assert kept["scores"][consumer.subject("lin")][:2] == [6.25, 12.5]
    client.resize_line_item(made.url, **ours, maximum_hundredths=2450)
    assert next(one for one in consumer.gradebook("other")["columns"] if one["tag"] == "hours")["maximum"] == 25


def test_a_column_of_half_a_point_takes_scores(consumer: Consumer) -> None:
    """A block that weighs 0.5 has a column of maximum 0: nobody may divide by it."""
    url = column(consumer, "half")
    assert next(one for one in consumer.gradebook("half")["columns"] if one["is_of_the_block"])["maximum"] == 0
    assert send(consumer.client("half"), url, consumer.subject("lin"), 200, 300).outcome is lti.Outcome.DELIVERED
    assert consumer.published("half", "lin") == pytest.approx([2 / 3])


def test_a_block_that_leaves_columns_to_the_tool(consumer: Consumer) -> None:
    """`programmatic`: no column is offered until the tool makes one. Points are linked to the block, else they would
    never be seen in the gradebook; hours are kept as results beside it."""
    assert Visitor(consumer, "mei").launch("tools-own").status_code == 303
    course, subject = consumer.course("tools-own"), consumer.subject("mei")
    assert course.lineitems_url
    assert course.lineitem_url == ""
    runs_the_programme(consumer, "tools-own")
    consumer.earned(cast.WANG, "A1", "A3")
    consumer.work_until(lambda: states(consumer, "tools-own") == {"points": "delivered", "hours": "delivered"})
    points, hours = consumer.gradebook("tools-own")["columns"]
    assert (points["is_of_the_block"], hours["is_of_the_block"]) == (True, False)
    assert points["scores"][subject][:2] == [2, 3]
    assert subject in hours["scores"]
    assert consumer.published("tools-own", "mei") == pytest.approx([2 / 3])


# --- tokens ---


def test_a_token_serves_one_block_and_a_foreign_one_is_answered_403(consumer: Consumer) -> None:
    """Never 401: the tool asks for a token once more; where that is refused too, it is no question of the token."""
    url, subject = column(consumer, "other"), consumer.subject("mei")
    column(consumer, "whole")
    foreign, own = consumer.client("whole"), consumer.client("other")
    refused = send(foreign, url, subject, 100, 300)
    assert refused.outcome is lti.Outcome.PERMANENT
    assert refused.words.startswith("HTTP 403")
    own.token = foreign.access_token()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    assert send(own, url, subject, 100, 300, later).outcome is lti.Outcome.DELIVERED
    assert own.refused
    with pytest.raises(Unavailable) as caught:
        foreign.find_or_create_line_item(
            consumer.course("other").lineitems_url, resource_id="x", tag="x", label="x", maximum_hundredths=100
        )
    assert caught.value.permanent


def test_one_token_serves_all_workers(consumer: Consumer) -> None:
    """A token that was fetched is kept and used by the next client."""
    column(consumer, "other")
    first = consumer.client("other", "columns", "results")
    token = first.access_token()
    with transaction(consumer.tool.sessions) as session:
        first.keep(session, consumer.tool.secret)
    assert consumer.client("other", "columns", "results").token == token


# --- roster ---


def test_the_roster_names_everybody(consumer: Consumer) -> None:
    """Ids as launches send them, roles of the course, names where the course lets the host share them."""
    column(consumer, "whole")
    url = consumer.course("whole").memberships_url
    found = {one.subject: one for one in consumer.client("whole", "members").roster(url).members}
    assert set(found) == {consumer.subject(account) for account in ("lin", "mei", "team", "admin")}
    lin, team = found[consumer.subject("lin")], found[consumer.subject("team")]
    assert lin.is_active
    assert "静" in lin.name
    assert MEMBERSHIP + "Learner" in lin.roles
    assert MEMBERSHIP + "Instructor" in team.roles


def test_pages_of_the_roster_are_followed(consumer: Consumer) -> None:
    """Where a limit is asked for, the answer is a part with a link to the next one: all of them make the roster."""
    column(consumer, "whole")
    url = consumer.course("whole").memberships_url
    client = consumer.client("whole", "members")
    head = {"Authorization": f"Bearer {client.access_token()}"}
    first = client.http.request("GET", url + "?limit=3", headers=head)
    assert 'rel="next"' in first.headers["Link"]
    assert len(first.json()["members"]) == 3
    assert len(client.roster(url + "?limit=3").members) == 4


def test_the_worker_reads_the_list_and_the_course_shows_it(consumer: Consumer) -> None:
    """The first launch that offers the list has it read: everybody stands on the page of the course's people, with the
    name that the host gives as the text that it is; who came and who did not is told apart, and nobody takes part
    because of it. The button reads it once more."""
    team = Visitor(consumer, "team")
    assert team.see(team.launch("roster")).status_code == 200
    consumer.work_until(lambda: listing(consumer, "roster").read_at is not None)
    first = listing(consumer, "roster")
    assert (first.error, first.whole_at) == ("", first.read_at)
    kept = listed(consumer, "roster")
    assert set(kept) == {consumer.subject(account) for account in ("lin", "mei", "team", "admin")}
    assert {name for name, row in kept.items() if row.is_learner} == {consumer.subject(one) for one in ("lin", "mei")}
    name = kept[consumer.subject("admin")].name
    assert {one for one in NAMES if one in name} == set(NAMES[:2]), "as written: this host escapes nothing"
    assert {row.absent_since_at for row in kept.values()} == {None}

    address = f"{consumer.tool.url}/courses/{consumer.course('roster').uuid}/people"
    page = team.tool.ask("GET", address).text
    assert str(escape(name)) in page, "escaped once"
    assert name not in page
    assert "王秀兰" in team.tool.ask("GET", f"{address}?state=not_come").text
    assert Visitor(consumer, "lin").launch("roster").status_code == 303
    missing = team.tool.ask("GET", f"{address}?state=not_come").text
    assert "王秀兰" in missing
    assert "陈晓芳" not in missing

    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    asked = team.tool.ask("POST", address.replace("/people", "/list"), {"csrf_token": token.group(1), "next": "people"})
    assert asked.status_code == 303
    consumer.work_until(lambda: listing(consumer, "roster").read_at != first.read_at)
    again = listed(consumer, "roster")
    assert {key: row.first_seen_at for key, row in again.items()} == {k: row.first_seen_at for k, row in kept.items()}
    assert all(row.last_seen_at > kept[key].last_seen_at for key, row in again.items())


NAMES = ("O'Brien &amp; 何", "Müller & <i>Co</i>", "Müller &amp; <i>Co</i>", "O'Brien & 何")


def listing(consumer: Consumer, block: str) -> HostList:
    """How the last readings of a course's list went."""
    with consumer.tool.sessions() as session:
        course = pk(consumer.course(block))
        found = session.exec(select(HostList).where(HostList.course_id == course)).one_or_none()
        return found or HostList(course_id=course)


def listed(consumer: Consumer, block: str) -> dict[str, ListedMember]:
    """Whom the host lists in it, by subject."""
    with consumer.tool.sessions() as session:
        rows = select(ListedMember).where(ListedMember.course_id == pk(consumer.course(block)))
        return {row.subject: row for row in session.exec(rows.order_by(ListedMember.id))}


def test_what_is_queued_ends_as_the_hosts_stored_score(consumer: Consumer) -> None:
    """A release, the queue, the worker, the host: its store holds what the record says, at this block and every later
    time, and each later score takes the place of the one before."""
    assert Visitor(consumer, "mei").launch("roster").status_code == 303
    runs_the_programme(consumer, "roster")
    subject, given = consumer.subject("mei"), []
    for code in ("A5", "B4"):
        consumer.earned(cast.WANG, code)
        consumer.work_until(lambda: states(consumer, "roster").get("points") == "delivered" and not waiting(consumer))
        (own,) = [one for one in consumer.gradebook("roster")["columns"] if one["is_of_the_block"]]
        given.append(own["scores"][subject][0])
        assert own["scores"][subject][1] == 3
        assert consumer.published("roster", "mei")[-1] == pytest.approx(given[-1] / 3)
    assert given[1] == min(3, given[0] + 1)


def waiting(consumer: Consumer) -> bool:
    """Whether a score is still to be sent."""
    with consumer.tool.sessions() as session:
        return any(line.startswith(outbox.SCORE) for line in open_jobs(session))


# --- deep linking ---


def picker(consumer: Consumer, account: str) -> tuple[Visitor, str]:
    """Somebody at the tool's picker, come from Studio; with the page."""
    visitor = Visitor(consumer, account)
    page = visitor.see(visitor.launch("picked", "choose"))
    assert page.status_code == 200
    return visitor, page.text


def test_what_is_chosen_in_the_picker_is_what_the_link_opens(consumer: Consumer) -> None:
    """Picker, signed answer, accepted by the host, launched again by a learner: the point that was chosen is open."""
    visitor, page = picker(consumer, "team")
    wanted = next(item for item in re.findall(r'name="item" value="([^"]+)"', page) if item.endswith("/point/B2"))
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    answer = visitor.tool.ask("POST", visitor.address, {"csrf_token": token.group(1), "item": wanted})
    assert answer.status_code == 200, answer.text
    sent = form_in(re.search(r"<form\b(?:(?!</form>).)*name=\"JWT\".*?</form>", answer.text, re.S).group(0))
    assert sent.action.startswith(consumer.root)
    assert set(sent.fields) == {"JWT"}
    taken = visitor.host.ask("POST", sent.action, sent.fields)
    assert taken.status_code == 200, taken.text
    # Kept of the item are these; a column that comes along is written down, and made by nobody.
    (item,) = consumer.gradebook("picked")["chosen"]
    assert set(item) <= {"title", "url", "custom", "lineItem", "submission", "available"}
    assert item["title"] in unescape(answer.text)
    assert item["custom"]["nengli_view"] == "point"
    assert [one["is_of_the_block"] for one in consumer.gradebook("picked")["columns"]] == [True]
    learner = Visitor(consumer, "lin")
    opened = learner.see(learner.launch("picked"))
    assert opened.status_code == 200
    assert learner.address.endswith("/points?pick=B2")


def test_the_host_lets_no_learner_choose(consumer: Consumer) -> None:
    """It refuses before it sends anything; and an answer counts only in the browser of somebody of the course team."""
    assert Visitor(consumer, "mei").begin("choose", "picked").status_code == 403
