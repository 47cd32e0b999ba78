"""Rows W: platform notices of a Canvas-like host: asked for once, each held against what a launch is, done once."""

import re
from typing import Any

import pytest
import requests
from sqlmodel import Session, col, select

import lti
from lms_plugin import db
from lms_plugin.db import get, pk, transaction
from lms_plugin.flow import host_notices
from lms_plugin.people import Course
from tests import people as cast
from tests.hosts import resign
from tests.hosts.noticing import CLAIM, NOTICES, Noticing, batch, copied, notice
from tests.lti.conformance.bench import INSTRUCTOR, Bench, Jar, Platform
from tests.lti.conformance.conftest import Opened
from tests.lti.conformance.office import Office
from tests.lti.conformance.test_deep_linking import introduce

COPIED, GREETING, FOREIGN = "LtiContextCopyNotice", "LtiHelloWorldNotice", "LtiAssetProcessorSubmissionNotice"


class Registered(Platform):
    """The registration to which the office's course belongs; its keys are the bench's."""

    def __post_init__(self) -> None:
        with Session(self.bench.engine) as session:
            course = get(session, Course, pk(self.bench.world.course))
            deployment = get(session, lti.Deployment, course.deployment_id)
            self.row = get(session, lti.Platform, deployment.platform_id)
            self.row.jwks_url = self.bench.keys.url
            self.issuer, self.client_id = self.row.issuer, self.row.client_id
            self.deployment = deployment.deployment_id
            session.add(self.row)
            session.commit()


def asked(here: Office) -> list[str]:
    """What the host's list of handlers was asked for: GET, PUT …"""
    return [one.method for one in here.host.asked if one.path.startswith("/api/lti/notice-handlers")]


def minute(here: Office) -> None:
    """A minute passes: the worker looks what is due, and does it."""
    with transaction(here.sessions) as session:
        host_notices.ask_due(session, here.now)
    here.worker().run_due()
    here.later(60)


def launched(here: Office, **more: Any) -> None:
    """Somebody launches; the host says in it where notices can be had."""
    platform = Registered(here.bench, "")
    platform.good(**{CLAIM + "context": {"id": "course-w"}, **here.host.claim(), **more})


def test_W01_asked_for_once(at: Opened) -> None:
    """A launch says where: the worker puts our address, on our domain, for the kinds that we understand, and asks
    nothing more until something changes; taken back with an empty address when the district wants none."""
    here = at(Noticing)
    here.host.tool_domain = here.bench.url.partition("://")[2]
    minute(here)
    assert asked(here) == []
    launched(here)
    minute(here)
    ours = here.bench.url + "/lti/notices"
    assert here.host.handlers == {COPIED: ours, GREETING: ours, FOREIGN: ""}
    assert asked(here) == ["GET", "PUT", "PUT"]
    token = next(one for one in here.host.requests("POST token") if NOTICES in one.form()["scope"])
    assert token.status == 200
    launched(here)
    launched(here, **{next(iter(here.host.claim())): None})  # another activity may carry less
    for _ in range(3):
        minute(here)
    assert len(asked(here)) == 3
    world = here.bench.world
    with transaction(here.sessions) as session:
        uuid = get(session, lti.Platform, here.platform_id).uuid
        host_notices.choose(session, world.actor(cast.OFFICER), uuid, here.now, wanted=False)
    minute(here)
    assert set(here.host.handlers.values()) == {""}
    with transaction(here.sessions) as session:
        host_notices.choose(session, world.actor(cast.OFFICER), uuid, here.now, wanted=True)
    minute(here)
    assert here.host.handlers[COPIED] == ours


@pytest.mark.parametrize(
    ("granted", "domain", "trouble"),
    [(False, "", "notice.not_granted"), (True, "elsewhere.example", "notice.not_registered")],
)
def test_W01_where_the_host_refuses(at: Opened, granted: bool, domain: str, trouble: str) -> None:
    """The scope was not granted, or the host does not take our address: kept for the page, tried again a day later, and
    launches go on."""
    here = at(Noticing)
    here.host.tool_domain = domain
    if not granted:
        here.host.granted.discard(NOTICES)
    launched(here)
    minute(here)
    minute(here)
    with here.sessions() as session:
        assert session.exec(select(lti.NoticeService.trouble)).one() == trouble
    launched(here)


def post(bench: Bench, body: str, status: int = 200) -> requests.Response:
    """The host posts a batch."""
    head = {"Content-Type": "application/json"}
    answer = requests.post(bench.url + "/lti/notices", data=body.encode(), headers=head, timeout=20)
    assert answer.status_code == status, answer.text
    return answer


def of(platform: Platform, kind: str = COPIED, key: str = "", **changes: Any) -> str:
    """A notice of that platform; without changes, of a copied course."""
    now = platform.bench.now
    said = copied("copy", "course-1") if kind == COPIED else {}
    return notice(platform.issuer, platform.client_id, platform.deployment, kind, now, key, **{**said, **changes})


def refused(platform: Platform, body: str, status: int = 400) -> str:
    """Posts what must be refused: 4xx, the reference of its row in the log, nothing else written. Gives the code."""
    bench, before = platform.bench, platform.bench.counts()
    said = post(bench, body, status).json()
    row = bench.last_log()
    assert (said["error"], said["reference"]) == (row.outcome, row.reference)
    assert re.search("[一-鿿]", said["message"])
    grown = {name: number - before[name] for name, number in bench.counts().items() if number != before[name]}
    grown.pop("lti_key_set", None)
    assert grown == {"lti_launch_log": 1}
    assert {step.result.value for step in lti.steps(row.outcome, row.checks)} >= {"failed"}
    assert lti.way_of(row.outcome, row.checks) == "notice"
    return row.outcome


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://nobody.example"}, "notice.platform_unknown"),
        ({"iss": None}, "notice.platform_unknown"),
        ({"aud": "another", "azp": "another"}, "notice.platform_unknown"),
        ({"aud": None, "azp": None}, "notice.platform_unknown"),
        ({"aud": "another"}, "launch.audience"),
        ({"azp": "another"}, "launch.audience"),
        ({"exp": 22222, "iat": 11111}, "launch.expired"),
        ({"exp": None}, "launch.time_missing"),
        ({"iat": 1}, "launch.token_old"),
        ({CLAIM + "version": "11.3"}, "launch.version"),
        ({CLAIM + "deployment_id": None}, "launch.deployment_missing"),
        ({CLAIM + "deployment_id": "9"}, "launch.deployment_unknown"),
        ({CLAIM + "notice": None}, "notice.malformed"),
        ({CLAIM + "notice": "x"}, "notice.malformed"),
        ({CLAIM + "notice": {"id": "1", "type": COPIED, "timestamp": "today"}}, "notice.malformed"),
        ({CLAIM + "notice": {"id": "", "type": COPIED, "timestamp": "2026-01-01T00:00:00Z"}}, "notice.malformed"),
        ({CLAIM + "context": None}, "notice.malformed"),
        ({CLAIM + "origin_contexts": "course-1"}, "notice.malformed"),
        ({CLAIM + "origin_contexts": [1]}, "notice.malformed"),
    ],
)
def test_W02_held_against_what_a_launch_is(platform: Platform, changes: dict[str, Any], code: str) -> None:
    """Issuer, audience, azp, times, version, deployment, and the notice's own id, kind and moment."""
    assert refused(platform, batch(of(platform, **changes))) == code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"kid": None}, "launch.kid_missing"),
        ({"kid": "unknown"}, "launch.key_unknown"),
        ({"name": "somebody else"}, "launch.signature"),
        ({"jku": "https://keys.example/jwks"}, "launch.header_refused"),
    ],
)
def test_W02_signed_by_the_platform(platform: Platform, how: dict[str, Any], code: str) -> None:
    """The key, its kid and the header, as of a launch; the key set is asked once for an unknown kid, not each time."""
    said = {
        "iss": platform.issuer,
        "aud": platform.client_id,
        CLAIM + "version": "1.3.0",
        CLAIM + "deployment_id": platform.deployment,
        CLAIM + "notice": {"id": "1", "type": GREETING, "timestamp": "2026-11-02T01:00:00Z"},
    }
    token = resign.sign(resign.fresh(said, "n", platform.bench.now), **how)
    for _ in range(3):
        assert refused(platform, batch(token)) == code
    assert platform.bench.keys.asked <= 1


@pytest.mark.parametrize("body", ["", "[]", "{", '{"notices": {}}', '{"notices": ["x"]}', '{"notices": [{"jwt": 1}]}'])
def test_W02_what_is_no_batch(platform: Platform, body: str) -> None:
    """No JSON, no list, no tokens: refused, logged. More than a megabyte is not read."""
    assert refused(platform, body) == "notice.unreadable"
    assert refused(platform, batch("x.y.z")) == "launch.token_malformed"
    assert refused(platform, " " * (lti.MOST_NOTICE_BYTES + 1), 413) == "notice.too_large"


def test_W02_a_disabled_registration(platform: Platform) -> None:
    """A registration that is switched off tells us nothing."""
    with transaction(db.session_factory(platform.bench.engine)) as session:
        lti.switch_platform(session, platform.issuer, platform.client_id, is_disabled=True)
    assert refused(platform, batch(of(platform))) == "launch.platform_disabled"


def test_W03_once_and_the_good_ones(platform: Platform) -> None:
    """The same id again is done once, also in one batch; one bad among good spoils nothing and stands in the log; a
    hundred at once; a kind that nobody knows is taken and logged."""
    bench = platform.bench
    once = of(platform, key="n-1")
    assert post(bench, batch(once, once)).json() == {"taken": 1, "again": 1, "refused": 0}
    before = bench.counts()
    assert post(bench, batch(of(platform, key="n-1"))).json() == {"taken": 0, "again": 1, "refused": 0}
    grown = {name: number - before[name] for name, number in bench.counts().items() if number != before[name]}
    assert grown == {"lti_launch_log": 1}
    another = Platform(bench, platform.issuer + "/2")  # ids are the platform's own
    assert post(bench, batch(of(another, key="n-1"))).json()["taken"] == 1
    many = [of(platform, FOREIGN) for _ in range(99)]
    assert post(bench, batch("x", *many)).json() == {"taken": 99, "again": 0, "refused": 1}
    with Session(bench.engine) as session:
        rows = session.exec(select(lti.LaunchLog).order_by(col(lti.LaunchLog.id).desc()).limit(2)).all()
    assert [row.outcome for row in rows] == ["launch.token_malformed", "noticed"]
    assert f"{FOREIGN} (?) × 99" in rows[1].detail


def bound(platform: Platform, context: str) -> None:
    """A course of that id runs the programme."""
    with Session(platform.bench.engine) as session:
        course = session.exec(
            select(Course).where(Course.context_id == context).order_by(col(Course.id).desc())
        ).first()
        assert course is not None
        course.programme_id = platform.bench.world.programme.id
        session.add(course)
        session.commit()


def chooser(platform: Platform, context: str) -> str:
    """What the first trainer of a course is asked."""
    jar = Jar()
    course = {
        CLAIM + "context": {"id": context, "title": "新学期"},
        CLAIM + "roles": [INSTRUCTOR],
        "sub": f"t-{context}",
    }
    platform.launch(jar, **course)
    answer = introduce(platform, jar, context)
    answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
    return jar.ask("GET", platform.bench.url + answer.headers["Location"]).text if answer.is_redirect else answer.text


def test_W04_a_copied_course(platform: Platform) -> None:
    """The course was copied, and the copy copied again: its first trainer finds the programme of the first one chosen,
    and says yes or no; a copy of another platform's course of the same id finds nothing. In whichever order notices
    come, the newest one counts."""
    bench = platform.bench
    platform.launch(Jar(), **{CLAIM + "context": {"id": "original", "title": "原来的课"}})
    bound(platform, "original")
    twice = of(platform, **copied("copy-2", "copy-1"))
    late = {"id": "late", "type": COPIED, "timestamp": "2020-01-01T00:00:00Z"}
    post(bench, batch(twice, of(platform, **copied("copy-1", "original"))))
    post(bench, batch(of(platform, **copied("copy-1", "gone"), **{CLAIM + "notice": late})))
    uuid = bench.world.programme.uuid
    page = chooser(platform, "copy-2")
    assert "原来的课" in page
    assert re.search(rf'value="{uuid}"[^>]*checked', page)
    assert "原来的课" not in chooser(platform, "not-copied")
    stranger = Platform(bench, platform.issuer + "/s")
    post(bench, batch(of(stranger, **copied("copy-3", "original"))))
    assert "原来的课" not in chooser(stranger, "copy-3")


def test_W05_notices_get_through(at: Opened) -> None:
    """The greeting that a host sends when it is asked shows on the registration's page that notices get through."""
    here = at(Noticing)
    here.host.tool_domain = here.bench.url.partition("://")[2]
    launched(here)
    minute(here)
    world, platform = here.bench.world, Registered(here.bench, "")

    def state() -> list[str]:
        with here.sessions() as session:
            uuid = get(session, lti.Platform, here.platform_id).uuid
            return [line.state for line in host_notices.lines(session, world.actor(cast.OFFICER), uuid)]

    assert state() == ["registered"]
    post(here.bench, batch(of(platform, GREETING)))
    assert state() == ["greeted"]
