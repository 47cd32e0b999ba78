"""Row B38 where the registration allows it: whoever is named nowhere may look, and that is all."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

import lti
from lms_plugin.db import pk
from lms_plugin.people import Course
from tests.lti.conformance.bench import CLAIM, SESSION_COOKIE, Bench, Jar, Platform
from tests.lti.conformance.test_deep_linking import settings as picks


def lets(platform: Platform, value: bool) -> None:
    """Somebody has said so on the registration's page (tests/web/test_platforms.py)."""
    with Session(platform.bench.engine) as session:
        session.get_one(lti.Platform, platform.row.id).lets_look = value
        session.commit()


@pytest.fixture
def open_to_all(platform: Platform) -> Platform:
    """A course whose programme is known, on a host that lets anybody look."""
    bench = platform.bench
    platform.good()  # its keys are known
    with Session(bench.engine) as session:
        held = session.exec(select(lti.Deployment).where(lti.Deployment.platform_id == platform.row.id)).one()
        course = Course(
            tenant_id=held.tenant_id,
            deployment_id=pk(held),
            context_id="course-of-all",
            programme_id=pk(bench.world.programme),
            seen_at=bench.now,
        )
        session.add(course)
        session.commit()
    lets(platform, True)
    return platform


ALL = {"sub": None, CLAIM + "context": {"id": "course-of-all", "title": "x"}}


def test_B38_may_look(open_to_all: Platform) -> None:
    """Where the registration says so, a launch without `sub` shows what the course asks for: no person, no session,
    nothing written but its row in the log; a reload and Back need no launch."""
    platform, bench, jar = open_to_all, open_to_all.bench, Jar()
    sent = platform.login(jar)
    before = bench.counts()
    answer = platform.post(jar, platform.signed(sent["nonce"], sent["state"], **ALL))
    assert answer.status_code == 303
    assert SESSION_COOKIE + "=" not in answer.headers.get("Set-Cookie", "")
    after = bench.counts()
    assert {name: after[name] - count for name, count in before.items() if after[name] != count} == {
        "lti_launch_log": 1
    }
    row = bench.last_log()
    assert (row.outcome, row.checks["subject"]) == ("launched", "nobody named")
    address = bench.url + answer.headers["Location"]
    for _again in range(2):
        page = jar.ask("GET", address)
        assert page.status_code == 200
        assert bench.world.programme.title in page.text
        assert "A3" in page.text
        assert "只能看" in page.text
        assert "<form" not in page.text
    assert jar.ask("GET", bench.url + "/").status_code == 401  # nothing else is theirs


def test_B38_double_click(open_to_all: Platform) -> None:
    """The same browser sends it twice: the second answer is the first one. Another browser, or a later click, is told
    that it was used."""
    platform, bench, jar = open_to_all, open_to_all.bench, Jar()
    sent = platform.login(jar)
    form = platform.signed(sent["nonce"], sent["state"], **ALL)
    first, second = platform.post(jar, form), platform.post(jar, form)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    assert platform.post(Jar(), form).status_code >= 400
    assert bench.last_log().outcome == "launch.state_used"
    bench.clock[0] += timedelta(seconds=11)
    assert platform.post(jar, form).status_code >= 400
    assert bench.last_log().outcome == "launch.state_used"


def test_B38_a_name_in_the_second_click(open_to_all: Platform) -> None:
    """What somebody puts in place of the first one is checked as strictly, and one with a name goes nowhere."""
    platform, jar = open_to_all, Jar()
    sent = platform.login(jar)
    platform.post(jar, platform.signed(sent["nonce"], sent["state"], **ALL))
    for changed in ({**ALL, "sub": "4711"}, {**ALL, "nonce": "another"}):
        nonce = str(changed.pop("nonce", sent["nonce"]))
        answer = platform.post(jar, platform.signed(nonce, sent["state"], **changed))
        assert answer.status_code >= 400
        assert SESSION_COOKIE + "=" not in answer.headers.get("Set-Cookie", "")


def test_B38_nothing_begun(open_to_all: Platform) -> None:
    """A course that nobody has begun says so, and stays unmade."""
    jar, before = Jar(), open_to_all.bench.counts()["course"]
    answer = open_to_all.launch(jar, sub=None, **{CLAIM + "context": {"id": "unheard-of", "title": "x"}})
    page = jar.ask("GET", open_to_all.bench.url + answer.headers["Location"])
    assert "培训还没有开始" in page.text
    assert open_to_all.bench.counts()["course"] == before


@pytest.mark.parametrize(
    "changes",
    [
        {
            CLAIM + "message_type": "LtiDeepLinkingRequest",
            "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings": picks(),
        },
        {CLAIM + "message_type": "LtiSubmissionReviewRequest", CLAIM + "for_user": {"user_id": "8"}},
        {CLAIM + "message_type": "DataPrivacyLaunchRequest", CLAIM + "for_user": {"user_id": "8"}},
        {CLAIM + "roles": "Learner"},
    ],
)
def test_B38_nothing_else(open_to_all: Platform, changes: dict[str, Any]) -> None:
    """Choosing what goes into a course, other people's works and data need somebody all the same; and every other check
    is as strict."""
    refused = open_to_all.bad(**{**ALL, **changes})
    assert refused == ("launch.claim_malformed" if CLAIM + "roles" in changes else "launch.anonymous")


def test_B38_until(bench: Bench, open_to_all: Platform) -> None:
    """The address lasts as long as a session, and no longer than the registration lets people look; nobody can make
    one."""
    jar = Jar()
    address = bench.url + open_to_all.launch(jar, **ALL).headers["Location"]
    assert jar.ask("GET", address).status_code == 200
    lets(open_to_all, False)
    assert jar.ask("GET", address).status_code == 401
    assert open_to_all.bad(**ALL) == "launch.anonymous"
    lets(open_to_all, True)
    assert jar.ask("GET", address[:-3] + "xyz").status_code == 401
    bench.clock[0] += timedelta(hours=9)
    assert jar.ask("GET", address).status_code == 401
