"""What people try who mean no good, or whose machine sends nonsense: through the pages, in each role."""

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

import competencies
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden
from lms_plugin.flow import cases, exemptions, online_hours
from lms_plugin.people import Role, RoleKind, Tenant
from lms_plugin.web.edge import OPEN_ENDPOINTS
from tests import people as cast
from tests.factories import Browser, World, course_of, grant, member_row
from tests.flow.handed_in import all_marks, hand_in, judgement, version_of
from tests.fuzzing import times
from tests.rosters import put_on_roster, workbook

HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]
NASTY = [
    "\0",
    "a\0b",
    "9" * 4400,
    "-1",
    "\ud800",
    "\u202efdp",
    "²",
    "٣",
    "x" * 70_000,
    "=cmd|' /C calc'!A0",
    "{0.__class__}",
    "%s %(x)s",
    '"><svg onload=alert(1)>',
    "\r\nSet-Cookie: a=b",
    "../../etc/passwd",
    "\U000e0001",
    "1e309",
]
FIELDS = (
    "point part.reason version keep url file tick mark.a.b m.a.b r.a.b case base number reason text kind unit name "
    "school stage subject programme staff_number from to next locale text_size state title target ticket code iss "
    "language tag login_hint target_link_uri id_token error fingerprint"
)


def body(fields: dict[str, str]) -> str:
    """A form as hostile clients write it: also with halves of surrogate pairs."""
    return "&".join(f"{quote(k)}={quote(v.encode('utf-8', 'surrogatepass'), safe='')}" for k, v in fields.items())


def send(browser: Browser, url: str, fields: dict[str, str], **headers: str) -> Any:
    return browser.client.post(
        url,
        data=body({"csrf_token": browser.csrf, **fields}),
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )


# --- nonsense ---


@pytest.mark.parametrize("who", [cast.CHEN, cast.OFFICER, None], ids=["teacher", "officer", "stranger"])
def test_no_address_breaks_the_tool(tool: Flask, browse: Browse, who: cast.Cast | None) -> None:
    browser = browse(who)
    for rule in tool.url_map.iter_rules():
        for evil in ("%00", "a%00b", "%ff", "%E2%80%AE", "%27", "9" * 32, "%C2%B2", "x" * 300):
            values = {name: "1" if name == "number" else evil for name in rule.arguments}
            path = rule.rule
            for name, value in values.items():
                path = path.replace(f"<int:{name}>", value).replace(f"<path:{name}>", value)
                path = path.replace(f"<{name}>", value)
            for method in sorted((rule.methods or set()) & {"GET", "POST", "DELETE", "PATCH", "HEAD"}):
                answer = browser.client.open(path, method=method, headers={"X-Nengli-Csrf": browser.csrf})
                answer.close()
                assert answer.status_code < 500, (method, path)
                if rule.arguments and rule.endpoint not in OPEN_ENDPOINTS and rule.endpoint != "curate.load_pack":
                    assert answer.status_code >= 300, (method, path)


@given(
    fields=st.dictionaries(
        st.sampled_from(FIELDS.split()),
        st.sampled_from(NASTY) | st.text(max_size=40),
        max_size=6,
    ),
    query=st.dictionaries(
        st.sampled_from(["page", "q", "agreed", "state", "programme", "point", "done", "added", "from", "waiting"]),
        st.sampled_from([one for one in NASTY if len(one) < 5000]) | st.text(max_size=10),
        max_size=2,
    ),
    place=st.integers(0, 10**6),
    autosave=st.booleans(),
)
@settings(max_examples=times(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_breaks_the_tool(
    tool: Flask,
    browse: Browse,
    world: World,
    fields: dict[str, str],
    query: dict[str, str],
    place: int,
    autosave: bool,
) -> None:
    who = (cast.CHEN, cast.OFFICER, cast.TRAINER, cast.AUDITOR)[place % 4]
    browser = browse(who)
    work = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    ids = {"uuid": work.uuid, "submission": work.uuid, "programme": world.programme.uuid, "key": "design"}
    ids |= {"unit": world.county.uuid, "person": world.person(cast.WANG).uuid, "course": world.course.uuid}
    rules = [rule for rule in tool.url_map.iter_rules() if set(rule.arguments) <= set(ids)]
    rule = rules[place % len(rules)]
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", ids[name])
    headers = {"X-Nengli-Autosave": "1", "Accept": "application/json"} if autosave else {}
    address = f"{path}?{body(query)}"
    shown = browser.client.get(address, headers=headers)
    shown.close()
    assert shown.status_code < 500, address
    answer = send(browser, address, fields, **headers)
    assert answer.status_code < 500, (address, fields)
    assert "a=b" not in answer.headers.get("Set-Cookie", "")
    if answer.mimetype == "text/html":
        assert "<svg onload" not in answer.text


def test_a_version_of_thousands_of_digits_is_no_version(browse: Browse, world: World) -> None:
    browser = browse(cast.CHEN)
    browser.post(f"/programmes/{world.programme.uuid}/points", {"point": ["A3"]})
    page = browser.get(f"/programmes/{world.programme.uuid}").text
    uuid = page.split("/submissions/")[1][:32]
    key = (
        "reflection" if f"/submissions/{uuid}/reflection/text" in browser.get(f"/submissions/{uuid}").text else "design"
    )
    assert send(browser, f"/submissions/{uuid}/{key}/text", {"version": "9" * 4400}).status_code < 500


def test_millions_of_fields_are_counted_not_read(browse: Browse) -> None:
    stranger = browse(None).client
    form = "application/x-www-form-urlencoded"
    assert stranger.post("/lti/login", data=b"a=&" * 2000, content_type=form).status_code == 413
    assert stranger.post("/lti/launch", data=b"a" * (2 << 20), content_type=form).status_code == 413
    assert stranger.post("/lti/login", data=b"a=&" * 100, content_type=form).status_code == 400


# --- from elsewhere ---


def test_forms_of_other_sites_do_nothing(browse: Browse) -> None:
    browser = browse(cast.CHEN)
    wrong: list[tuple[dict[str, str], dict[str, str], int]] = [
        ({}, {}, 403),
        ({"csrf_token": "x"}, {}, 403),
        ({"csrf_token": browser.csrf}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({"csrf_token": browser.csrf}, {"Sec-Fetch-Site": "same-site"}, 403),
        ({"csrf_token": browser.csrf, "fingerprint": "0" * 16}, {}, 409),
        ({"csrf_token": browse(cast.WANG).csrf}, {}, 403),
    ]
    for data, headers, status in wrong:
        answer = browser.client.post("/me/locale", data={"locale": "en", **data}, headers=headers)
        assert answer.status_code == status, (data, headers)


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil", "\\\\e", "/\u2028/e", "javascript:1"]
)
def test_nobody_is_sent_away(browse: Browse, target: str) -> None:
    browser = browse(cast.CHEN)
    answer = send(browser, "/me/locale", {"locale": "zh-Hans", "next": target})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert send(browser, "/lti/tickets", {"target": target}).status_code == 422


# --- roles ---


def provisional(world: World, who: cast.Cast) -> None:
    """Only an Instructor launch of another course of the same programme, whose one learner is 周."""
    session, person = world.session, world.person(who)
    course = course_of(session, world.tenant, "course-2", world.now)
    course.programme_id = pk(world.programme)
    session.add(course)
    for one, teaches in ((person, True), (world.person(cast.ZHOU), False)):
        session.add(member_row(pk(course), pk(one), world.now, one.uuid, learner=not teaches))
    session.add(
        Role(
            tenant_id=pk(world.tenant),
            person_id=pk(person),
            kind=RoleKind.TRAINER,
            course_id=pk(course),
            is_provisional=True,
            granted_at=world.now,
        )
    )
    session.flush()


def test_a_provisional_trainer_stays_in_the_own_course(browse: Browse, world: World) -> None:
    mine = hand_in(world, cast.ZHOU, "A3", world.now - 2 * HOUR)
    other = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    provisional(world, cast.CHEN)
    browser, programme = browse(cast.CHEN), world.programme.uuid
    assert browser.get(f"/cases/{mine.uuid}").status_code == 200
    assert other.uuid not in browser.get("/cases").text
    closed = [f"/cases/{other.uuid}", f"/release/{programme}", f"/reviews/allocation/{programme}", "/people", "/roster"]
    closed += ["/curate", "/invitations", f"/progress/{programme}/{world.county.uuid}", f"/hours/{programme}"]
    closed += [f"/record/{programme}/{world.person(cast.WANG).uuid}", "/people/merge"]
    for url in closed:
        assert browser.get(url).status_code == 403, url
    for url in (f"/cases/{other.uuid}", f"/cases/{other.uuid}/accept", closed[1], closed[2], "/people/merge"):
        assert browser.post(url, {"base": "0", "number": "1", "case": mine.uuid}).status_code == 403, url
    assert browser.post(f"/cases/agreed/{programme}", {"case": other.uuid}).status_code == 403


def test_who_only_looks_takes_no_right_from_the_author(browse: Browse, world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    for who in (cast.AUDITOR, cast.OFFICER):
        assert browse(who).get(f"/cases/{work.uuid}").status_code == 200
    world.session.expire_all()
    assert version_of(world, work).opened_at is None
    assert browse(cast.CHEN).post(f"/submissions/{work.uuid}/withdraw").status_code == 303
    world.session.refresh(work)
    assert work.state is competencies.SubmissionState.DRAFT


def test_nobody_credits_or_exempts_themselves(world: World) -> None:
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, world.now)
    own, other = put_on_roster(world, cast.CHEN), put_on_roster(world, cast.WANG)
    own.person_id, other.person_id = pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))
    world.session.flush()
    chen = world.actor(cast.CHEN)
    rows = [("工号", "姓名", "学时", "来源", "日期")]
    rows += [(who.staff_number, who.name, "12", "省平台", date(2026, 10, 1)) for who in (cast.CHEN, cast.WANG)]
    data, programme = workbook(rows), world.programme.uuid
    found = online_hours.check(world.session, chen, programme, data, world.now)
    assert [problem.code for problem in found.problems] == ["hours.own_row"]
    assert [entry.person_id for entry in found.entries] == [other.person_id]
    assert not online_hours.check(world.session, world.actor(cast.OFFICER), programme, data, world.now).problems
    with pytest.raises(Forbidden):
        exemptions.exempt(world.session, chen, own.uuid, programme, "忙", world.now)
    exemptions.exempt(world.session, chen, other.uuid, programme, "产假", world.now)


def test_marks_and_decisions_stay_hidden_until_release(browse: Browse, world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    marks = all_marks(world, work, 2)
    cases.decide(
        world.session, world.actor(cast.TRAINER), work.uuid, judgement(marks, "写得很好不必改"), 0, 1, world.now
    )
    browser = browse(cast.CHEN)
    for url in (f"/submissions/{work.uuid}", f"/record/{world.programme.uuid}", f"/programmes/{world.programme.uuid}"):
        page = browser.get(url).text
        assert "写得很好不必改" not in page
        assert cast.TRAINER.name not in page
    assert browser.get(f"/cases/{work.uuid}").status_code == 403


# --- logs ---


def test_errors_in_the_log_name_nobody(session: Session, world: World) -> None:
    session.add(Tenant(name=world.tenant.name, created_at=world.now))
    with pytest.raises(IntegrityError) as error:
        session.flush()
    assert "hidden due to hide_parameters" in str(error.value)
    session.rollback()


def test_refusals_are_logged_without_what_was_sent(browse: Browse, caplog: pytest.LogCaptureFixture) -> None:
    browser = browse(cast.CHEN)
    secret = "QQQQQ-RRRRR-SSSSS-TTTTT"
    with caplog.at_level(logging.DEBUG):
        browser.get(f"/invitation/{secret}")
        browser.get(f"/lti/tickets/{secret}")
        send(browser, "/me/invitation", {"code": secret})
        send(browser, "/lti/launch", {"id_token": secret, "state": secret})
        send(browser, "/lti/login", {"iss": secret, "login_hint": secret})
    assert "refused" in caplog.text
    for word in (secret, cast.CHEN.name, browser.csrf):
        assert word not in caplog.text
