"""Rows S: a gradebook asks to see one person's work. Any student can make Moodle ask, so only our own roles permit."""

from typing import Any

import pytest
import requests
from sqlmodel import Session, col, select

from lms_plugin.flow.links import review_of
from lms_plugin.people import Course
from tests.lti.conformance.bench import CLAIM, INSTRUCTOR, LEARNER, Jar, Platform
from tests.lti.conformance.test_deep_linking import introduce

AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"


def asks(whom: str | None, role: str, sub: str = "8") -> dict[str, object]:
    """Changed claims of a submission review launch."""
    return {
        CLAIM + "message_type": "LtiSubmissionReviewRequest",
        CLAIM + "for_user": {"user_id": whom} if whom is not None else {},
        CLAIM + "roles": [role],
        AGS: {"lineitem": "https://lms.example.org/items/1/lineitem", "scope": []},
        "sub": sub,
    }


@pytest.fixture
def running(platform: Platform) -> Platform:
    """The course of this platform runs the programme, and learner "l-1" came once."""
    return under_way(platform)


def under_way(platform: Platform) -> Platform:
    """The same for a platform in hand."""
    jar = Jar()
    platform.launch(jar, sub="l-1", name="林小雨")
    introduce(platform, jar)
    with Session(platform.bench.engine) as session:
        course = session.exec(select(Course).order_by(col(Course.id).desc())).first()
        assert course is not None
        course.programme_id = platform.bench.world.programme.id
        session.add(course)
        session.commit()
    platform.launch(jar, sub="l-1")  # and takes part from now on
    return platform


def opened(platform: Platform, whom: str, role: str, sub: str, **changes: Any) -> requests.Response:
    """The page on which such a launch ends."""
    jar = Jar()
    answer = platform.launch(jar, **(asks(whom, role, sub) | changes))
    assert answer.status_code == 303, answer.text
    answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
    if answer.headers.get("Location") == "/people/introduce":
        answer = introduce(platform, jar, sub)
        answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
    return jar.ask("GET", platform.bench.url + answer.headers["Location"]) if answer.is_redirect else answer


def test_S01_whose_work(running: Platform) -> None:
    """Staff see that person's record; a learner sees their own."""
    page = opened(running, "l-1", INSTRUCTOR, "t-1")
    assert page.status_code == 200
    assert "试用者" in page.text  # the name that the learner gave on the first page
    assert "/record/" in page.url
    own = opened(running, "l-1", LEARNER, "l-1")
    assert own.status_code == 200
    assert own.url.endswith(f"/record/{running.bench.world.programme.uuid}")


def test_S02_not_for_everybody(running: Platform) -> None:
    """Somebody unknown: a page that says so; a learner asking for another: 403, whether that one came or not; nobody
    named: refused. A launch without line item opens the same page: Moodle does not promise one."""
    unknown = opened(running, "nobody", INSTRUCTOR, "t-1")
    assert unknown.status_code == 404
    assert "还没有从这门课进入过" in unknown.text
    running.launch(Jar(), sub="l-2")
    assert opened(running, "l-1", LEARNER, "l-2").status_code == 403
    assert opened(running, "nobody", LEARNER, "l-2").status_code == 403
    assert running.bad(**asks(None, INSTRUCTOR)) == "launch.for_user_missing"
    page = opened(running, "l-1", INSTRUCTOR, "t-1", **{AGS: None})
    assert (page.status_code, page.url) == (200, opened(running, "l-1", INSTRUCTOR, "t-1").url)


def test_S03_opens_from_the_gradebook(running: Platform) -> None:
    """A launch with the address and the custom values that our columns carry opens that person's record."""
    review = review_of(running.bench.world.programme, running.bench.url + "/lti/launch")
    changed = asks("l-1", INSTRUCTOR, "t-1") | {
        CLAIM + "target_link_uri": review.url,
        CLAIM + "custom": dict(review.custom),
    }
    jar = Jar()
    answer = running.launch(jar, **changed)
    while answer.is_redirect:
        if answer.headers["Location"] == "/people/introduce":
            answer = introduce(running, jar, "t-1")
        else:
            answer = jar.ask("GET", running.bench.url + answer.headers["Location"])
    assert answer.status_code == 200
    assert "试用者" in answer.text
    assert "/record/" in answer.url
