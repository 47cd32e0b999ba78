"""The door: login, launch, cookie or bearer or window, and what a launch may make of a person."""

import html
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, event
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, select

import lti
from lms_plugin.config import Settings
from lms_plugin.db import pk
from lms_plugin.flow import units
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Identity,
    Notice,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    Tenant,
    UnitKind,
    WebSession,
)
from tests.factories import World, district
from tests.hosts import resign
from tests.serving import application
from tests.web.launching import CLAIM, INSTRUCTOR, LEARNER, Host, claims_of, forget, key_server, row_counts, written

COOKIE = "__Host-nengli"
RETURN = "https://lms.host.example/course/view.php?id=9&secret=geheim"


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[str, list[int]]]:
    with key_server() as served:
        yield served


@dataclass
class Place:
    """A district with one school and no programme yet."""

    session: Session
    now: datetime
    tenant: Tenant
    school: OrgUnit


@pytest.fixture
def place(session: Session, now: datetime) -> Place:
    tenant, county = district(session, "平安县", now)
    made = Place(session, now, tenant, units.add_unit(session, pk(tenant), UnitKind.SCHOOL, "希望小学", county))
    session.commit()
    return made


@pytest.fixture
def host(place: Place, keys: tuple[str, list[int]]) -> Host:
    """A registered host of 平安县 whose course nobody has configured."""
    return Host(place.session, pk(place.tenant), place.now, keys[0])


def known_keys(session: Session, host: Host) -> None:
    """The host's keys are known, so that a launch has nothing to fetch."""
    session.add(lti.KeySet(url=host.jwks_url, body=resign.jwks(), fetched_at=host.now, tried_at=host.now))
    session.commit()


def learner(**more: Any) -> dict[str, Any]:
    presentation = {"return_url": RETURN, "locale": "en", "document_target": "iframe"}
    told = {CLAIM + "launch_presentation": presentation, "name": "钱小雨", **more}
    return claims_of("s-1", LEARNER, tool="http://localhost", **told)


def bearer_of(page: str) -> str:
    found = re.search(r'name="nengli-bearer" content="([^"]+)"', page)
    assert found
    return found.group(1)


def ticket_of(page: str) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found
    return found.group(1)


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found.group(1)


def way_back(page: str) -> tuple[str, str]:
    """Where the link back to the course leads, and its words."""
    found = re.search(r'<a class="back" href="([^"]*)" target="_top"[^>]*>(?:<svg.*?</svg>)?([^<]*)</a>', page, re.S)
    assert found, page
    return html.unescape(found.group(1)), found.group(2).strip()


MOST_OF_A_LOGIN, MOST_OF_A_LAUNCH = 1, 8  # statements
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
BACK_WORDS = {"zh": "返回课程", "en": "Back to course"}

# --- by cookie ---


def test_a_launch_ends_signed_in(tool: Flask, host: Host, place: Place, keys: tuple[str, list[int]]) -> None:
    client, asked = tool.test_client(), len(keys[1])
    answer = host.launch(client, learner())
    assert (answer.status_code, answer.location) == (303, "/")
    cookies = [value for value in answer.headers.getlist("Set-Cookie") if value.startswith(COOKIE + "=")]
    assert len(cookies) == 1
    for attribute in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"):
        assert attribute in cookies[0]
    assert "Domain" not in cookies[0]
    assert len(keys[1]) == asked + 1  # the keys were fetched over HTTP
    landing = client.get("/")
    assert (landing.status_code, landing.location) == (303, "/people/introduce")
    page = client.get("/people/introduce")
    assert page.status_code == 200
    assert "钱小雨" in page.text  # the name that the host gave is filled in
    assert '<html lang="en"' in page.text  # the launch's locale
    person = place.session.exec(select(Person).join(Identity).where(Identity.subject == "s-1")).one()
    assert (person.name, person.confirmed_at) == ("钱小雨", None)


@pytest.mark.parametrize("locale", ["zh_CN", "en"])
def test_every_page_has_the_way_back_to_the_course(tool: Flask, host: Host, locale: str) -> None:
    client, presentation = tool.test_client(), {"return_url": RETURN, "locale": locale, "document_target": "iframe"}
    host.launch(client, learner(**{CLAIM + "launch_presentation": presentation}))
    for address in ("/people/introduce", "/nowhere"):
        page = client.get(address).text
        assert f'<html lang="{locale[:2]}' in page
        assert way_back(page) == (RETURN, BACK_WORDS[locale[:2]])


def test_who_comes_back_costs_few_statements(tool: Flask, world: World, keys: tuple[str, list[int]]) -> None:
    """A class clicks at once: a launch that changes nothing of what is kept goes over no object."""
    host, client, statements = (
        Host(world.session, pk(world.tenant), world.now, keys[0]),
        tool.test_client(),
        list[str](),
    )
    host.launch(client, learner())
    course = world.session.exec(select(Course).where(Course.context_id == "course-9")).one()
    course.programme_id = pk(world.programme)
    world.session.commit()
    host.launch(client, learner())  # enrols

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            statements.append(statement)

    connection = world.session.connection()
    event.listen(connection, "before_cursor_execute", note)
    sent = host.login(client)
    assert len(statements) <= MOST_OF_A_LOGIN, statements
    before, form = row_counts(world.session), host.form(sent, learner())
    statements.clear()
    answer = client.post("/lti/launch", data=form)
    event.remove(connection, "before_cursor_execute", note)
    assert answer.status_code == 303
    assert len(statements) <= MOST_OF_A_LAUNCH, statements
    assert written(before, row_counts(world.session)) == {"web_session": 1, "lti_launch_log": 1}
    member = world.session.exec(select(CourseMember).where(CourseMember.course_id == pk(course))).one()
    assert (member.subject, member.launched_at) == ("s-1", world.now)


def test_the_same_person_is_found_again(tool: Flask, host: Host, place: Place) -> None:
    client = tool.test_client()
    host.launch(client, learner())
    before = row_counts(place.session)
    assert host.launch(client, learner(name="另一个名字")).status_code == 303
    grown = written(before, row_counts(place.session))
    assert set(grown) == {"web_session", "lti_login_state", "lti_launch_log"}
    person = place.session.exec(select(Person).join(Identity).where(Identity.subject == "s-1")).one()
    assert person.name == "钱小雨"  # a host's later name does not overwrite what is known


def test_ten_tabs_at_once(tool: Flask, host: Host) -> None:
    client = tool.test_client()
    logins = [host.login(client) for _ in range(10)]
    for sent in reversed(logins):
        assert client.post("/lti/launch", data=host.form(sent, learner())).status_code == 303
    assert client.get("/people/introduce").status_code == 200


def test_a_form_of_the_first_tab_still_counts_after_a_second_launch(tool: Flask, host: Host) -> None:
    client = tool.test_client()
    host.launch(client, learner())
    first_tab = csrf_of(client.get("/people/introduce").text)
    host.launch(client, learner())
    data = {"locale": "en", "next": "/people/introduce", "csrf_token": first_tab}
    assert client.post("/me/locale", data=data).status_code == 303


def test_a_double_click_goes_to_the_live_session(tool: Flask, host: Host, place: Place, clock: list[datetime]) -> None:
    client = tool.test_client()
    sent = host.login(client)
    form = host.form(sent, learner())
    first = client.post("/lti/launch", data=form)
    people = row_counts(place.session)["person"]
    second = client.post("/lti/launch", data=form)
    assert (first.status_code, second.status_code, second.location) == (303, 303, "/")
    assert COOKIE + "=" in str(second.headers.getlist("Set-Cookie"))
    assert row_counts(place.session)["person"] == people
    clock[0] += timedelta(seconds=11)
    assert client.post("/lti/launch", data=form).status_code == 400  # a replay


def test_a_replay_in_another_browser_is_refused(tool: Flask, host: Host, place: Place) -> None:
    mine, other = tool.test_client(), tool.test_client()
    form = host.form(host.login(mine), learner())
    assert mine.post("/lti/launch", data=form).status_code == 303
    before = row_counts(place.session)
    refused = other.post("/lti/launch", data=form)
    assert refused.status_code == 400
    assert written(before, row_counts(place.session)) == {"lti_launch_log": 1}
    assert COOKIE not in str(refused.headers.getlist("Set-Cookie"))


# --- login CSRF ---


def test_somebody_elses_launch_in_my_browser_is_refused(tool: Flask, host: Host, place: Place) -> None:
    """A stranger began a login in their own browser and sends me the answer: my browser keeps cookies, not that one."""
    stranger, mine = tool.test_client(), tool.test_client()
    theirs = host.form(host.login(stranger), learner())
    host.launch(mine, claims_of("s-2", LEARNER, tool="http://localhost", name="我自己"))
    before = row_counts(place.session)
    refused = mine.post("/lti/launch", data=theirs)
    assert refused.status_code == 400
    assert written(before, row_counts(place.session)) == {"lti_launch_log": 1}
    assert "我自己" in mine.get("/people/introduce").text


def test_a_browser_with_only_a_login_under_way_refuses_it_too(tool: Flask, host: Host) -> None:
    stranger, mine = tool.test_client(), tool.test_client()
    theirs = host.form(host.login(stranger), learner())
    host.login(mine)
    assert mine.post("/lti/launch", data=theirs).status_code == 400


def test_who_began_a_login_gets_nothing_of_the_launch_that_another_browser_finished(
    tool: Flask, host: Host, place: Place
) -> None:
    """A stranger begins a login and has my browser (which keeps no cookie of ours here) bring the host's answer."""
    stranger, mine = tool.test_client(), tool.test_client()
    form = host.form(host.login(stranger), learner())
    assert "钱小雨" in mine.post("/lti/launch", data=form).text  # the question, asked of me
    for data in (form, {"state": form["state"]}):
        refused = stranger.post("/lti/launch", data=data)
        assert refused.status_code == 400
        assert COOKIE + "=" not in str(refused.headers.getlist("Set-Cookie"))
    assert stranger.get("/people/introduce").status_code == 401


def test_logins_that_are_never_finished_do_not_fill_the_cookie_jar(tool: Flask, host: Host) -> None:
    client = tool.test_client()
    sent = [host.login(client) for _ in range(30)]
    assert sum("nengli-login" in str(key) for key in client._cookies) == 20
    for one in sent[-20:]:  # the newest twenty tabs all go on
        assert client.post("/lti/launch", data=host.form(one, learner())).status_code == 303


def last_outcome(place: Place, page: str) -> str:
    """What the newest row of the launch log says, whose reference stands on that page."""
    row = place.session.exec(select(lti.LaunchLog).order_by(lti.LaunchLog.id.desc())).first()
    assert row is not None
    assert row.reference in page
    return row.outcome


def test_what_is_no_launch_is_in_the_log_too(tool: Flask, host: Host, place: Place) -> None:
    client = tool.test_client()
    form = host.form(host.login(client), learner())
    refused = client.get("/lti/launch", query_string=form)
    assert (refused.status_code, last_outcome(place, refused.text)) == (400, "launch.not_posted")
    refused = client.post("/lti/launch", data={"id_token": "a" * 3_000_000})
    assert (refused.status_code, last_outcome(place, refused.text)) == (413, "launch.token_too_long")
    assert client.post("/lti/launch", data=form).status_code == 303  # the login is as it was


# --- without cookie: a question first ---


def test_without_cookie_the_page_names_the_account_and_asks(tool: Flask, host: Host, place: Place) -> None:
    client = tool.test_client()
    page = host.launch(client, learner(), keeps_cookies=False)
    assert page.status_code == 200
    assert "钱小雨" in page.text
    assert '<html lang="en"' in page.text
    assert COOKIE + "=" not in str(page.headers.getlist("Set-Cookie"))
    assert "frame-ancestors 'self' https://lms.host.example" in page.headers["Content-Security-Policy"]
    row = place.session.exec(select(WebSession).order_by(WebSession.id.desc())).first()
    assert row is not None
    assert row.asks_first


def test_the_bearer_serves_only_after_the_click(tool: Flask, host: Host) -> None:
    client = tool.test_client()
    bearer = bearer_of(host.launch(client, learner(), keeps_cookies=False).text)
    header = {"X-Nengli-Session": bearer, "HX-Request": "true"}
    assert client.get("/people/introduce", headers=header).status_code == 401
    assert client.post("/lti/here", headers=header).status_code == 204
    assert client.post("/lti/here", headers=header).status_code == 204  # a double click
    page = client.get("/people/introduce", headers=header)
    assert page.status_code == 200
    assert "钱小雨" in page.text
    assert client.get("/people/introduce").status_code == 401  # a bare reload: the page asks again with the header
    changed = client.post(
        "/me/locale", data={"locale": "zh-Hans", "next": "/"}, headers={**header, "X-Nengli-Csrf": csrf_of(page.text)}
    )
    assert changed.status_code == 303
    assert '<html lang="zh-Hans"' in client.get("/people/introduce", headers=header).text
    assert client._cookies == {}


def test_the_answer_may_not_take_for_ever(tool: Flask, host: Host, clock: list[datetime]) -> None:
    client = tool.test_client()
    bearer = bearer_of(host.launch(client, learner(), keeps_cookies=False).text)
    clock[0] += timedelta(minutes=11)
    late = client.post("/lti/here", headers={"X-Nengli-Session": bearer})
    assert late.status_code == 422
    assert "课程" in late.text
    assert client.post("/lti/here").status_code == 422  # nobody's bearer


def test_tabs_with_bearers_of_two_people_do_not_mix(tool: Flask, host: Host) -> None:
    client, pages = tool.test_client(), {}
    for subject, name in (("s-1", "钱小雨"), ("s-2", "孙大山")):
        claims = claims_of(subject, LEARNER, tool="http://localhost", name=name)
        bearer = bearer_of(host.launch(client, claims, keeps_cookies=False).text)
        client.post("/lti/here", headers={"X-Nengli-Session": bearer})
        pages[name] = {"X-Nengli-Session": bearer}
    for name, header in pages.items():
        assert name in client.get("/people/introduce", headers=header).text


def test_a_new_window_asks_and_then_redeems_once(tool: Flask, host: Host, clock: list[datetime]) -> None:
    frame, window, other = tool.test_client(), tool.test_client(), tool.test_client()
    ticket = ticket_of(host.launch(frame, learner(), keeps_cookies=False).text)
    asked = window.post("/lti/window", data={"ticket": ticket})
    assert asked.status_code == 200
    assert "钱小雨" in asked.text
    assert "SameSite=Strict" in str(asked.headers.getlist("Set-Cookie"))
    assert window.get("/").status_code == 401  # nothing is used up before the click
    entered = window.post("/lti/redeem", data={"ticket": ticket})
    assert (entered.status_code, entered.location) == (303, "/")
    assert COOKIE + "=" in str(entered.headers.getlist("Set-Cookie"))
    assert window.get("/people/introduce").status_code == 200
    assert window.post("/lti/redeem", data={"ticket": ticket}).status_code == 303  # a double click, same browser
    back = window.post("/lti/window", data={"ticket": ticket})
    assert (back.status_code, back.location) == (303, "/")  # Back lands where the person belongs
    assert other.post("/lti/window", data={"ticket": ticket}).status_code == 422
    clock[0] += timedelta(seconds=11)
    forget(window)
    assert window.post("/lti/redeem", data={"ticket": ticket}).status_code == 422


def test_a_ticket_cannot_sign_a_stranger_in_from_another_site(tool: Flask, host: Host) -> None:
    """Login CSRF by ticket: the victim's browser never saw the question."""
    frame, victim = tool.test_client(), tool.test_client()
    ticket = ticket_of(host.launch(frame, learner(), keeps_cookies=False).text)
    blind = victim.post("/lti/redeem", data={"ticket": ticket})
    assert blind.status_code == 422
    assert COOKIE not in str(blind.headers.getlist("Set-Cookie"))
    crossing = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/lti/window", "/lti/redeem", "/lti/here"):
        assert victim.post(path, data={"ticket": ticket}, headers=crossing).status_code == 403


def test_a_window_ticket_is_over_after_ten_minutes(tool: Flask, host: Host, clock: list[datetime]) -> None:
    frame, window = tool.test_client(), tool.test_client()
    ticket = ticket_of(host.launch(frame, learner(), keeps_cookies=False).text)
    clock[0] += timedelta(minutes=10)
    assert window.post("/lti/window", data={"ticket": ticket}).status_code == 422


def test_a_download_address_lives_a_minute_and_once(tool: Flask, host: Host, clock: list[datetime]) -> None:
    frame, tab = tool.test_client(), tool.test_client()
    bearer = bearer_of(host.launch(frame, learner(), keeps_cookies=False).text)
    header = {"X-Nengli-Session": bearer}
    frame.post("/lti/here", headers=header)
    header["X-Nengli-Csrf"] = csrf_of(frame.get("/people/introduce", headers=header).text)

    def address(target: str = "/people/introduce") -> Any:
        return frame.post("/lti/tickets", data={"target": target}, headers=header)

    url = address().json["url"]
    assert tab.get(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403  # a stranger's link
    opened = tab.get(url, headers={"Sec-Fetch-Site": "same-origin"})
    assert (opened.status_code, opened.location) == (303, "/people/introduce")
    assert tab.get("/people/introduce").status_code == 200
    assert tool.test_client().get(url).status_code == 422
    late = address().json["url"]
    clock[0] += timedelta(seconds=61)
    assert tool.test_client().get(late).status_code == 422
    for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example", ""):
        assert address(elsewhere).status_code == 422


# --- changing requests prove whose page they come from ---


@pytest.fixture
def signed_in(tool: Flask, host: Host) -> Any:
    client = tool.test_client()
    host.launch(client, learner())
    return client


def test_no_token_and_other_sites_are_refused(signed_in: Any) -> None:
    page = signed_in.get("/people/introduce").text
    data = {"locale": "en", "next": "/"}
    assert signed_in.post("/me/locale", data=data).status_code == 403
    assert signed_in.post("/me/locale", data={**data, "csrf_token": "x"}).status_code == 403
    good = {**data, "csrf_token": csrf_of(page)}
    for site in ("cross-site", "same-site"):
        assert signed_in.post("/me/locale", data=good, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert signed_in.post("/me/locale", data=good, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_a_page_of_another_person_changes_nothing(tool: Flask, host: Host, place: Place, signed_in: Any) -> None:
    page = signed_in.get("/people/introduce").text
    fingerprint = re.search(r'name="fingerprint" value="([^"]+)"', page)
    assert fingerprint
    data = {"locale": "zh-Hans", "csrf_token": csrf_of(page), "fingerprint": fingerprint.group(1)}
    host.launch(signed_in, claims_of("s-2", LEARNER, tool="http://localhost", name="孙大山"))
    refused = signed_in.post("/me/locale", data=data)
    assert refused.status_code == 409
    assert "孙大山" in refused.text  # as whom the browser is signed in now
    by_header = {"X-Nengli-Fingerprint": fingerprint.group(1), "X-Nengli-Csrf": csrf_of(page)}
    assert signed_in.post("/me/locale", data={"locale": "zh-Hans"}, headers=by_header).status_code == 409
    assert not place.session.exec(select(Person).where(Person.locale == "zh-Hans")).all()


def test_another_persons_token_does_not_count(tool: Flask, host: Host, signed_in: Any) -> None:
    other = tool.test_client()
    host.launch(other, claims_of("s-2", LEARNER, tool="http://localhost"))
    token = csrf_of(other.get("/people/introduce").text)
    assert signed_in.post("/me/locale", data={"locale": "en", "csrf_token": token}).status_code == 403


def test_a_dead_session_is_the_strangers_page(tool: Flask, signed_in: Any, clock: list[datetime]) -> None:
    clock[0] += timedelta(hours=9)
    assert signed_in.get("/people/introduce").status_code == 401
    assert signed_in.post("/me/locale", data={}).status_code == 401


# --- what pages and logs tell ---


def test_only_the_persons_own_host_may_frame(tool: Flask, host: Host, place: Place, signed_in: Any) -> None:
    Host(place.session, pk(place.tenant), place.now, host.jwks_url, issuer="https://second.example", client_id="c-2")
    policy = signed_in.get("/people/introduce").headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' https://lms.host.example")
    assert "unsafe" not in policy
    stranger = tool.test_client().get("/").headers["Content-Security-Policy"]
    assert "https://second.example" in stranger  # a refusal must be readable in whichever host it happens


def test_the_way_back_is_shown_and_never_logged(
    tool: Flask, host: Host, signed_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert "geheim" in signed_in.get("/people/introduce").text
    signed_in.get("/nowhere")
    host.launch(signed_in, learner())
    host.launch(signed_in, learner(**{CLAIM + "version": "1.1"}))
    assert "geheim" not in caplog.text
    for row in host.session.exec(select(lti.LaunchLog)).all():
        assert "geheim" not in row.model_dump_json()


# --- what real hosts sent ---

MOODLE = dict(resign.moodle_launches())


@pytest.fixture
def tool_at(place: Place, connection: Connection, settings: Settings) -> Iterator[Callable[[str], Flask]]:
    """The tool at the address for which a launch was recorded."""
    sessions = sessionmaker(
        connection, class_=Session, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    with ExitStack() as stack:

        def at(origin: str) -> Flask:
            there = settings.model_copy(update={"public_url": origin})
            return stack.enter_context(application(there, clock=lambda: place.now, sessions=sessions))

        yield at


@pytest.mark.parametrize("name", MOODLE)
def test_moodle(name: str, place: Place, tool_at: Callable[[str], Flask], keys: tuple[str, list[int]]) -> None:
    form, claims = dict(MOODLE[name]["form"]), MOODLE[name]["claims"]
    whole = claims or MOODLE["resource_student"]["claims"]
    origin = "/".join(whole[CLAIM + "target_link_uri"].split("/")[:3])
    host = Host(
        place.session,
        pk(place.tenant),
        place.now,
        keys[0],
        origin,
        whole["iss"],
        whole["aud"],
        whole[CLAIM + "deployment_id"],
    )
    known_keys(place.session, host)
    client = tool_at(origin).test_client()
    sent = host.login(client)
    if claims:
        nonce = claims["nonce"] if name.startswith("nonce_with_html") else sent["nonce"]
        form["id_token"] = resign.sign(resign.fresh(claims, nonce, place.now))
    if name not in ("empty_state_student", "state_with_html_student"):
        form["state"] = sent["state"]
    before = row_counts(place.session)
    answer = client.post("/lti/launch", data=form)
    grown = written(before, row_counts(place.session))
    log = place.session.exec(select(lti.LaunchLog).order_by(lti.LaunchLog.id.desc())).first()
    assert log is not None
    if name in resign.REFUSED:
        assert (answer.status_code, log.outcome, grown) == (400, resign.REFUSED[name], {"lti_launch_log": 1})
        assert log.reference in answer.text
        assert COOKIE not in str(answer.headers.getlist("Set-Cookie"))
        assert "<script>alert" not in answer.text
        return
    review = name.startswith("submission_review")  # it asks for one person's work: the first page leads on to it
    assert (answer.status_code, answer.location, log.outcome) == (303, "/?launched=1" if review else "/", "launched")
    instructs = INSTRUCTOR in whole[CLAIM + "roles"]
    common = {"person": 1, "identity": 1, "course": 1, "course_member": 1, "web_session": 1}
    common |= {"lti_launch_log": 1} if review else {"lti_launch_log": 1, "lti_resource_link": 1}
    common |= {"job": 1} if whole.get(NRPS) else {}  # the host's list of this course is asked for
    assert grown == {**common, **({"role": 1} if instructs else {"notice": 1})}
    assert client.get("/").location == "/people/introduce"
    page = client.get("/people/introduce").text
    told = whole[CLAIM + "launch_presentation"]
    language = "en" if told["locale"] == "en" else "zh"  # pt_br is none of ours
    assert f'<html lang="{language}' in page
    assert way_back(page) == (told["return_url"], BACK_WORDS[language])
    school = place.school
    data = {
        "csrf_token": csrf_of(page),
        "name": "试用者",
        "school": school.uuid,
        "stage": "primary",
        "subject": "语文",
        "staff_number": "T-1",
    }
    assert client.post("/people/introduce", data=data).status_code == 303
    landing = client.get("/")
    if instructs:
        assert landing.status_code == 303
        assert re.fullmatch(r"/courses/[0-9a-f]{32}/programme", landing.location)
        assert client.get(landing.location).status_code == 200
    else:
        assert landing.status_code == 200
        assert place.session.exec(select(Notice).where(Notice.kind == "course.waiting")).one().done_at is None


OPEN_EDX = [
    pytest.param(version, name, id=f"{version}-{name}")
    for version in ("11_4_4", "9_13_4")
    for name, _claims in resign.openedx_launches(version)
    if "deeplink" not in name
]


@pytest.mark.parametrize(("version", "name"), OPEN_EDX)
def test_no_open_edx_launch_makes_an_officer(
    version: str, name: str, place: Place, tool_at: Callable[[str], Flask], keys: tuple[str, list[int]]
) -> None:
    claims = dict(resign.openedx_launches(version))[name]
    origin = "/".join(claims[CLAIM + "target_link_uri"].split("/")[:3])
    host = Host(
        place.session,
        pk(place.tenant),
        place.now,
        keys[0],
        origin,
        claims["iss"],
        claims["aud"],
        claims[CLAIM + "deployment_id"],
    )
    known_keys(place.session, host)
    client = tool_at(origin).test_client()
    assert host.launch(client, claims).status_code == 303
    identity = place.session.exec(select(Identity).where(Identity.subject == claims["sub"])).one()
    course = place.session.exec(select(Course).where(Course.context_id == claims[CLAIM + "context"]["id"])).one()
    roles = place.session.exec(select(Role).where(Role.person_id == identity.person_id)).all()
    assert all(
        (role.kind, role.is_provisional, role.course_id, role.org_unit_id) == (RoleKind.TRAINER, True, pk(course), None)
        for role in roles
    )
    assert len(roles) <= 1
    for path in ("/people", "/roster", "/invitations", "/people/merge"):
        assert client.get(path).status_code in {403, 404}
    assert not place.session.exec(select(Enrolment).where(Enrolment.person_id == identity.person_id)).all()


def test_a_disabled_host_may_neither_launch_nor_frame(tool: Flask, host: Host, place: Place, signed_in: Any) -> None:
    host.platform.is_disabled = True
    place.session.add(host.platform)
    place.session.commit()
    answer = signed_in.get("/lti/login", query_string={"iss": host.issuer, "login_hint": "1", "client_id": "client-9"})
    assert answer.status_code == 400
    assert host.issuer not in tool.test_client().get("/").headers["Content-Security-Policy"]
