"""Rows D: Deep Linking 2.0, with the picker as a browser sees it and the answer as a host checks it."""

import json
import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlmodel import Session, select

import lti
from competencies import Programme
from lms_plugin import db
from lms_plugin.db import get, pk
from lms_plugin.people import Course
from tests.lti.conformance.bench import CLAIM, INSTRUCTOR, LEARNER, Bench, Jar, Platform

DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
SETTINGS = DL + "deep_linking_settings"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"


def settings(**changes: Any) -> dict[str, Any]:
    """What a host sends; None leaves a member out."""
    whole = {
        "deep_link_return_url": "https://lms.example.org/return?course=2&sesskey=x",
        "accept_types": ["ltiResourceLink", "html"],
        "accept_presentation_document_targets": ["iframe"],
        "accept_multiple": False,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def asks(given: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Changed claims of a deep linking launch: no resource link, no target."""
    return {
        CLAIM + "message_type": "LtiDeepLinkingRequest",
        CLAIM + "resource_link": None,
        CLAIM + "target_link_uri": None,
        CLAIM + "roles": [INSTRUCTOR],
        SETTINGS: settings() if given is None else given,
        **changes,
    }


class Picked:
    """A trainer at the picker."""

    def __init__(self, platform: Platform, claims: dict[str, Any]) -> None:
        self.platform, self.jar = platform, Jar()
        answer = platform.launch(self.jar, **claims)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?launched=1")
        answer = self.jar.ask("GET", platform.bench.url + answer.headers["Location"])
        self.address = platform.bench.url + answer.headers["Location"]
        self.page = self.jar.ask("GET", self.address)
        assert self.page.status_code == 200

    def choices(self) -> list[str]:
        """What can be chosen."""
        return re.findall(r'name="item" value="([^"]+)"', self.page.text)

    def send(self, *items: str, **more: str) -> requests.Response:
        """Sends the form."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page.text)
        assert token is not None
        body = [("csrf_token", token.group(1)), *(("item", item) for item in items), *more.items()]
        return self.jar.ask("POST", self.address, body)

    def answer(self, *items: str, **more: str) -> tuple[dict[str, Any], requests.Response]:
        """Sends the form and reads the answer as the host does: signature, kid, claims."""
        page = self.send(*items, **more)
        assert page.status_code == 200, page.text
        found = re.search(
            r'<form method="post" action="([^"]+)"[^>]*>\s*<input type="hidden" name="JWT" value="([^"]+)"', page.text
        )
        assert found is not None
        assert unescape(found.group(1)) == "https://lms.example.org/return?course=2&sesskey=x"
        assert "form-action 'self' https://lms.example.org;" in page.headers["Content-Security-Policy"]
        keys = KeySet.import_key_set(
            requests.get(self.platform.bench.url + "/.well-known/jwks.json", timeout=10).json()
        )
        token = jwt.decode(found.group(2), keys, algorithms=["RS256"])
        assert token.header["kid"] in {key.kid for key in keys.keys}
        return token.claims, page


def test_D01_who_may_choose(platform: Platform) -> None:
    """No target and no resource link: staff see the picker, learners are refused, a request without settings too."""
    assert (
        "放进课程" in Picked(platform, asks()).page.text or "Put into the course" in Picked(platform, asks()).page.text
    )
    assert platform.bad(**asks(**{CLAIM + "roles": [LEARNER]})) == "launch.link_staff_only"
    assert platform.bad(**asks({})) == "launch.claim_malformed"
    assert platform.bad(**asks(settings(deep_link_return_url="javascript:alert(1)"))) == "launch.claim_malformed"


def test_D02_D03_D04_D05_D06_D07_the_answer(platform: Platform) -> None:
    """One form field JWT to the return address; message, version, deployment, times, nonce, kid, issuer and audience
    are right; data comes back byte for byte, and not at all where none came; title and text are those of the page."""
    picked = Picked(platform, asks(settings(data='{"a": "b&c é"}')))
    point = next(key for key in picked.choices() if key.endswith("/point/A3"))
    claims, page = picked.answer(point)
    at = int(platform.bench.now.timestamp())
    assert claims[CLAIM + "message_type"] == "LtiDeepLinkingResponse"
    assert claims[CLAIM + "version"] == "1.3.0"
    assert claims[CLAIM + "deployment_id"] == platform.deployment
    assert (claims["iss"], claims["aud"]) == (platform.client_id, platform.issuer)
    assert at - 60 <= claims["iat"] <= at < claims["exp"] <= at + 300
    assert claims[DL + "data"] == '{"a": "b&c é"}'
    (item,) = claims[DL + "content_items"]
    assert item["type"] == "ltiResourceLink"
    assert item["url"] == platform.bench.url + "/lti/launch"
    assert all(isinstance(value, str) and "\n" not in value for value in item["custom"].values())
    assert item["title"] in unescape(page.text)
    assert item["text"] in unescape(picked.page.text)
    again, _ = Picked(platform, asks()).answer(point)
    assert DL + "data" not in again
    assert again["nonce"] != claims["nonce"]


@pytest.mark.parametrize(
    ("view", "leads_to"),
    [("point/A3", "/points?pick=A3"), ("record", "/record/"), ("reviews", "/reviews"), ("programme", "/programmes/")],
)
def test_D08_the_link_opens_what_was_chosen(platform: Platform, view: str, leads_to: str) -> None:
    """The returned link is launched: what was chosen opens, found by our own id, in a copied course too."""
    picked = Picked(platform, asks())
    key = next(key for key in picked.choices() if key.endswith("/" + view))
    claims, _ = picked.answer(key)
    (item,) = claims[DL + "content_items"]
    for course in ("course-1", "a-copy-of-it"):
        if course != "course-1":
            bind(platform, course)
        jar = Jar()
        changes = {CLAIM + "custom": item["custom"], CLAIM + "context": {"id": course, "title": "x"}}
        launched = platform.launch(jar, sub="learner-" + view, **changes)
        answer = jar.ask("GET", platform.bench.url + launched.headers["Location"])
        if answer.headers["Location"] == "/people/introduce":
            answer = introduce(platform, jar)
            answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
        assert leads_to in answer.headers["Location"]


def another_programme(bench: Bench) -> None:
    """One more in the district."""
    with db.transaction(db.session_factory(bench.engine)) as session:
        row = get(session, Programme, pk(bench.world.programme))
        session.add(Programme(**row.model_dump(exclude={"id", "uuid", "title"}), title=f"另一个项目 {uuid4()}"))


def test_D08_a_copied_course_is_asked_with_the_answer_filled_in(platform: Platform) -> None:
    """Nobody has said yet which programme the copy runs: its trainer is asked, and the link's own is chosen already;
    another district's is not."""
    bench, first = platform.bench, Picked(platform, asks())
    key = next(key for key in first.choices() if key.endswith("/point/A3"))
    (item,) = first.answer(key)[0][DL + "content_items"]
    meant = item["custom"]["nengli_programme"]
    another_programme(bench)
    jar = Jar()
    for context, programme, chosen in (("copy-1", meant, [meant]), ("copy-2", "of-another-district", [])):
        custom = {**item["custom"], "nengli_programme": programme}
        changes = {
            CLAIM + "custom": custom,
            CLAIM + "context": {"id": context, "title": "x"},
            CLAIM + "roles": [INSTRUCTOR],
        }
        launched = platform.launch(jar, sub="trainer-of-copies", **changes)
        answer = jar.ask("GET", bench.url + launched.headers["Location"])
        if answer.headers["Location"] == "/people/introduce":
            introduce(platform, jar, "copies")
            answer = jar.ask("GET", bench.url + launched.headers["Location"])
        page = jar.ask("GET", bench.url + answer.headers["Location"]).text
        assert "另一个项目" in page
        assert re.findall(r'name="programme" value="([^"]+)" checked', page) == chosen


def bind(platform: Platform, context: str) -> None:
    """A copy of the course runs the same programme."""
    with Session(platform.bench.engine) as session:
        first = session.exec(select(Course).where(Course.context_id == "course-1").order_by(Course.id.desc())).first()
        assert first is not None
        session.add(
            Course(
                tenant_id=first.tenant_id,
                deployment_id=first.deployment_id,
                context_id=context,
                programme_id=first.programme_id,
                seen_at=platform.bench.now,
            )
        )
        session.commit()


def introduce(platform: Platform, jar: Jar, number: str = "1") -> requests.Response:
    """Fills the first page."""
    page = jar.ask("GET", platform.bench.url + "/people/introduce").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    school = platform.bench.world.schools["希望小学"].uuid
    data = {"csrf_token": token.group(1), "name": "试用者", "school": school, "stage": "primary", "subject": "语文"}
    answer = jar.ask(
        "POST", platform.bench.url + "/people/introduce", {**data, "staff_number": f"{number}-{platform.issuer[-40:]}"}
    )
    assert answer.status_code == 303, answer.text
    return answer


def test_D09_types_it_takes(platform: Platform) -> None:
    """accept_types without ltiResourceLink: refused with a page that says what to do instead."""
    assert platform.bad(**asks(settings(accept_types=["link", "html"]))) == "launch.link_type"


@pytest.mark.parametrize(
    ("given", "many"), [(None, False), (False, False), ("false", False), (True, True), ("true", True)]
)
def test_D10_one_or_several(platform: Platform, given: Any, many: bool) -> None:
    """accept_multiple false, absent, or "false" as a string: one item; true: many in one answer."""
    picked = Picked(platform, asks(settings(accept_multiple=given)))
    assert ('type="checkbox" name="item"' in picked.page.text) == many
    keys = [key for key in picked.choices() if "/point/" in key][:3]
    if not many:
        refused = picked.send(*keys)
        assert refused.status_code == 422
        assert "checked" in refused.text  # the choice is still there
        keys = keys[:1]
    claims, _ = picked.answer(*keys)
    assert len(claims[DL + "content_items"]) == len(keys)


@pytest.mark.parametrize(
    ("accepts", "scopes", "comes"),
    [
        (True, ["lineitem", "score"], True),
        (False, ["score"], False),
        (None, ["lineitem", "score"], False),
        (None, ["score"], True),
    ],
)
def test_D11_columns(platform: Platform, accepts: bool | None, scopes: list[str], comes: bool) -> None:
    """accept_lineitem true: the programme brings its column (whole maximum, our id and tag), false: none; a host that
    says nothing gets one only where it lets us make none of our own."""
    granted = ["https://purl.imsglobal.org/spec/lti-ags/scope/" + scope for scope in scopes]
    picked = Picked(platform, asks(settings(accept_lineitem=accepts), **{AGS: {"scope": granted}}))
    home = next(key for key in picked.choices() if key.endswith("/programme"))
    claims, _ = picked.answer(home)
    (item,) = claims[DL + "content_items"]
    assert ("lineItem" in item) == comes
    if comes:
        column = item["lineItem"]
        assert column["scoreMaximum"] == 3
        assert column["resourceId"] == column["tag"] == f"nengli:{home.partition('/')[0]}:points"
        assert column["gradesReleased"] is True
    point = next(key for key in picked.choices() if "/point/" in key)
    claims, _ = Picked(platform, asks(settings(accept_lineitem=accepts))).answer(point)
    assert "lineItem" not in claims[DL + "content_items"][0]


@pytest.mark.parametrize(
    ("targets", "shown"),
    [(["iframe", "window"], {"iframe"}), (["window"], {"window"}), (["frame", "embed"], set()), (None, set())],
)
def test_D12_how_and_until_when(platform: Platform, targets: list[str] | None, shown: set[str]) -> None:
    """A link names a way of showing it only where the host lists that way; it has our icon; the programme and a point
    say from when until when work is handed in, each with its offset, the own record does not."""
    round_ = platform.bench.world.programme
    picked = Picked(platform, asks(settings(accept_presentation_document_targets=targets, accept_multiple=True)))
    keys = {key.split("/")[1]: key for key in picked.choices()}
    claims, _ = picked.answer(keys["programme"], keys["point"], keys["record"])
    for item in claims[DL + "content_items"]:
        assert item.keys() & {"iframe", "window"} == shown
        assert requests.get(item["icon"]["url"], timeout=10).headers["Content-Type"].startswith("image/svg")
        assert item["thumbnail"] == item["icon"]
        assert ("submission" in item) == (item["custom"]["nengli_view"] != "record")
        assert "available" not in item  # who is late, or only looks back, still gets in
        if "submission" in item:
            first, last = (
                datetime.fromisoformat(item["submission"][name]).astimezone(ZoneInfo("Asia/Shanghai"))
                for name in ("startDateTime", "endDateTime")
            )
            assert (first.date(), last.date()) == (round_.opens_on, round_.submit_by_on)


def test_D13_nothing_is_chosen(platform: Platform) -> None:
    """Cancelled: an answer without items; nothing ticked: said beside the list."""
    picked = Picked(platform, asks())
    assert picked.send().status_code == 422
    claims, _ = picked.answer(cancel="1")
    assert claims[DL + "content_items"] == []
    assert claims[DL + "msg"] == "没有放入任何内容。"
    assert DL + "errormsg" not in claims


@pytest.mark.parametrize("link", [None, {"id": "block-v1:DNU+ICT101+2026+type@lti_consumer+block@deeplink"}])
def test_D01_a_host_that_names_no_course(platform: Platform, link: dict[str, str] | None) -> None:
    """Open edX says where neither the request comes from nor goes to: every programme can be chosen, each time anew,
    and no choice says what any course runs."""
    another_programme(platform.bench)
    for _time in range(2):
        picked = Picked(platform, asks(**{CLAIM + "context": None, CLAIM + "resource_link": link}))
        assert "平台没有说这是哪门课" in picked.page.text
        keys = [key for key in picked.choices() if key.endswith("/programme")]
        assert len(keys) > 1
        claims, _ = picked.answer(keys[-1])
        assert len(claims[DL + "content_items"]) == 1
    with Session(platform.bench.engine) as session:
        of_platform = (
            select(Course)
            .join(lti.Deployment, Course.deployment_id == lti.Deployment.id)
            .where(lti.Deployment.platform_id == pk(platform.row))
        )
        assert [row.programme_id for row in session.exec(of_platform)] == [None]


def test_D14_twice_and_late(bench: Bench, platform: Platform) -> None:
    """The same form again: the same items; another choice or an hour later: a page that says how to start again."""
    picked = Picked(platform, asks())
    one, two = [key for key in picked.choices() if "/point/" in key][:2]
    first, _ = picked.answer(one)
    again, _ = picked.answer(one)
    assert again[DL + "content_items"] == first[DL + "content_items"]
    other = picked.send(two)
    assert other.status_code == 422
    assert "JWT" not in other.text
    late = Picked(platform, asks())
    bench.clock[0] += timedelta(hours=1, seconds=1)
    assert late.send(one).status_code == 422
    assert "JWT" not in late.send(one).text


def test_D15_a_return_address_with_a_query(platform: Platform) -> None:
    """The query of the return address is kept (seen in every answer of these rows)."""
    claims, page = Picked(platform, asks()).answer(cancel="1")
    assert "course=2&amp;sesskey=x" in page.text
    assert json.dumps(claims).count("sesskey") == 0


def test_D01_nobody_elses(bench: Bench, platform: Platform) -> None:
    """Another person finds no picker under this address."""
    picked = Picked(platform, asks())
    other = Picked(platform, asks(sub="another"))
    assert other.jar.ask("GET", picked.address).status_code in {403, 404}
    assert Jar().ask("GET", picked.address).status_code == 401
