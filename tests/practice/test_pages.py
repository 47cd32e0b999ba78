"""Sign-in, course, gradebook page, launch claims, and what the host refuses at its doors."""

import re
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from lms_plugin.practice import PEOPLE, PracticeConfig, create_practice
from lms_plugin.practice.__main__ import main
from lms_plugin.practice.config import MEMBERSHIP

from .conftest import BASE, LOOPBACK, TOOL, Caller, auth_request, begin

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


def claims_of(lms: Flask, browser: FlaskClient, who: str, query: str = "", course: str = "1") -> dict[str, Any]:
    """Verified claims of a launch."""
    answer = browser.post("/auth", data=auth_request(begin(browser, who, query, course)))
    assert answer.status_code == 200, answer.text
    found = re.search(r'name="id_token" value="([^"]+)"', answer.text)
    assert found
    keys = jwt.PyJWKSet.from_dict(browser.get("/jwks").json)
    key = keys[jwt.get_unverified_header(found[1])["kid"]]
    return dict(jwt.decode(found[1], key, algorithms=["RS256"], audience="nengli-practice", issuer=BASE))


@pytest.mark.parametrize("name", ["base_url", "loopback_url", "tool_url", "tool_loopback_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://lms.example.org",
        "http://192.168.1.4:8700",
        "http://0.0.0.0:8700",
        "http://localhost.example.org",
        "http://user@10.0.0.1",
        "ftp://localhost",
        "localhost",
    ],
)
def test_will_not_start_on_a_public_address(config: PracticeConfig, name: str, url: str) -> None:
    with pytest.raises(ValueError, match=name):
        replace(config, **{name: url})


def test_command_refuses_a_public_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--tool-url", "https://tool.example.org", "--data-dir", str(tmp_path)])
    assert "tool_url" in capsys.readouterr().err


def test_foreign_host_header_is_refused(lms: Flask) -> None:
    assert lms.test_client().get("/", headers={"Host": "lms.example.org"}).status_code == 400


def test_people_are_two_schools_two_trainers_one_administrator() -> None:
    by_role = [person.role for person in PEOPLE]
    assert [by_role.count(role) for role in ("teacher", "trainer", "administrator")] == [8, 2, 1]
    schools = [person.school for person in PEOPLE if person.is_learner]
    assert [schools.count(name) for name in sorted(set(schools))] == [4, 4]
    assert sum(not person.shares_identity for person in PEOPLE) == 2
    assert len({person.sub for person in PEOPLE}) == len({person.key for person in PEOPLE}) == 11


def test_sign_in_with_one_click_and_out(browser: FlaskClient) -> None:
    assert browser.get("/course/1").location == "/"
    for person in PEOPLE:
        answer = browser.post(f"/signin/{person.key}", follow_redirects=True)
        assert person.name in answer.text
        assert answer.request.path == "/course/1"
    browser.post("/signout")
    assert browser.get("/course/1").status_code == 302
    assert browser.post("/signin/nobody").status_code == 404
    assert browser.get("/signin/wang-xiulan").status_code == 405


def test_another_sites_form_cannot_sign_in(browser: FlaskClient) -> None:
    assert browser.post("/signin/wang-xiulan", headers={"Origin": TOOL}).status_code == 403
    assert browser.post("/signin/wang-xiulan", headers={"Origin": "null"}).status_code == 403
    assert browser.post("/signin/wang-xiulan", headers={"Origin": BASE}).status_code == 303


def test_session_cookie_has_its_own_name_and_crosses_the_frame(browser: FlaskClient) -> None:
    cookie = browser.post("/signin/wang-xiulan").headers["Set-Cookie"]
    assert cookie.startswith("practice_lms=")
    assert {"Secure", "HttpOnly", "SameSite=None"} <= set(cookie.split("; "))


def test_course_frames_the_activity(browser: FlaskClient) -> None:
    browser.post("/signin/wang-xiulan")
    page = browser.get("/course/1")
    assert 'src="/launch/1/101?target=iframe"' in page.text
    assert 'href="/launch/1/101?target=window" target="_blank"' in page.text
    assert browser.get("/course/1?full=1").location == "/launch/1/101?target=frame"
    phone = browser.get("/course/1", headers={"User-Agent": "Mozilla/5.0 (Linux; Android 15) Mobile Safari"})
    assert "<iframe" not in phone.text
    assert "打开活动" in phone.text
    assert browser.get("/course/9").status_code == 404


def test_policy_frames_only_itself_and_the_tool(browser: FlaskClient) -> None:
    browser.post("/signin/wang-xiulan")
    policy = browser.get("/course/1").headers["Content-Security-Policy"]
    assert f"frame-src 'self' {TOOL};" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert policy.endswith("frame-ancestors 'none'")
    form = browser.post("/auth", data=auth_request(begin(browser)))
    nonce = re.search(r'script nonce="([^"]+)"', form.text)
    assert nonce
    assert f"script-src 'nonce-{nonce[1]}'" in form.headers["Content-Security-Policy"]
    assert form.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'")
    assert form.headers["Cache-Control"] == "no-store"


def test_login_initiation(browser: FlaskClient) -> None:
    browser.post("/signin/wang-xiulan")
    url = browser.get("/launch/1/101").location
    assert url.startswith(TOOL + "/lti/login?")
    begun = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    hint = begun.pop("lti_message_hint")
    assert begun == {
        "iss": BASE,
        "target_link_uri": TOOL + "/lti/launch",
        "login_hint": "11",
        "client_id": "nengli-practice",
        "lti_deployment_id": "1",
    }
    assert "wang" not in hint
    for wrong in ("/launch/1/201", "/launch/9/101"):
        assert browser.get(wrong).status_code == 404
    assert browser.get("/launch/1/101?target=popup").status_code == 400


def test_learner_launch_has_moodles_shape(lms: Flask, browser: FlaskClient) -> None:
    claims = claims_of(lms, browser, "wang-xiulan")
    assert claims["exp"] - claims["iat"] == 60
    assert (claims["sub"], claims["nonce"], claims["azp"]) == ("11", "n-1", "nengli-practice")
    assert [claims[n] for n in ("name", "family_name", "given_name")] == ["王秀兰", "王", "秀兰"]
    assert claims["email"].endswith("@school.example")
    assert claims[CLAIM + "roles"] == [MEMBERSHIP + "Learner"]
    assert claims[CLAIM + "deployment_id"] == "1"
    assert claims[CLAIM + "target_link_uri"] == TOOL + "/lti/launch"
    assert claims[CLAIM + "context"]["type"] == ["CourseSection"]
    assert claims[CLAIM + "resource_link"]["id"] == "101"
    assert claims[CLAIM + "custom"] == {}
    assert claims[CLAIM + "lis"]["person_sourcedid"] == "HX001"
    assert claims[CLAIM + "tool_platform"]["product_family_code"] == "nengli-practice"
    assert claims[CLAIM + "launch_presentation"] == {
        "locale": "zh_cn",
        "document_target": "iframe",
        "return_url": BASE + "/return/1",
    }
    endpoint = claims["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"]
    assert endpoint["lineitems"] == LOOPBACK + "/ags/1/lineitems?type_id=1"
    assert endpoint["lineitem"].startswith(LOOPBACK + "/ags/1/lineitems/")
    roster = claims["https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"]
    assert roster["context_memberships_url"] == LOOPBACK + "/nrps/1/memberships"


def test_withheld_identity_sends_no_name(lms: Flask, browser: FlaskClient) -> None:
    for key in ("chen-zhiqiang", "wu-dayong"):
        claims = claims_of(lms, browser, key)
        assert not {"name", "given_name", "family_name", "email"} & set(claims)
        assert claims[CLAIM + "lis"]["person_sourcedid"] == ""


def test_roles_of_trainer_and_administrator(lms: Flask, browser: FlaskClient) -> None:
    assert claims_of(lms, browser, "he-jing")[CLAIM + "roles"] == [MEMBERSHIP + "Instructor"]
    roles = claims_of(lms, browser, "lin-an")[CLAIM + "roles"]
    assert MEMBERSHIP + "Instructor" in roles
    assert any(role.endswith("institution/person#Administrator") for role in roles)


def test_target_locale_and_course_travel_with_the_hint(lms: Flask, browser: FlaskClient) -> None:
    claims = claims_of(lms, browser, "wang-xiulan", "?target=frame&locale=en", course="2")
    presentation = claims[CLAIM + "launch_presentation"]
    assert presentation == {"locale": "en", "document_target": "frame", "return_url": BASE + "/course/2"}
    assert claims[CLAIM + "context"]["id"] == "2"
    browser.post("/language/en", data={"course": "1"})
    assert claims_of(lms, browser, "li-jianguo")[CLAIM + "launch_presentation"]["locale"] == "en"
    assert browser.post("/language/de").status_code == 404


def test_two_items_on_the_link_hide_lineitem(lms: Flask, browser: FlaskClient, caller: Caller) -> None:
    caller.create(resourceLinkId="101")
    endpoint = claims_of(lms, browser, "wang-xiulan")["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"]
    assert "lineitem" not in endpoint


def test_hint_opens_once(browser: FlaskClient) -> None:
    wanted = auth_request(begin(browser))
    assert browser.get("/auth", query_string=wanted).status_code == 200
    again = browser.get("/auth", query_string=wanted)
    assert again.status_code == 400
    assert "used before" in again.text


def test_refused_request_does_not_use_up_the_hint(browser: FlaskClient) -> None:
    begun = begin(browser)
    assert "access_denied" in browser.post("/auth", data=auth_request(begun, login_hint="12")).text
    assert browser.post("/auth", data=auth_request(begun)).status_code == 200


@pytest.mark.parametrize("hint", ["", "forged", "WyJ3YW5nIl0.aaaa.bbbb", None])
def test_forged_hint_is_refused(browser: FlaskClient, hint: str | None) -> None:
    answer = browser.post("/auth", data=auth_request(begin(browser), lti_message_hint=hint))
    assert answer.status_code == 400
    assert 'name="id_token"' not in answer.text


def test_login_hint_must_be_who_is_signed_in(browser: FlaskClient) -> None:
    mine = begin(browser)
    browser.post("/signin/li-jianguo")
    answer = browser.post("/auth", data=auth_request(mine))
    assert 'name="error" value="access_denied"' in answer.text
    assert 'name="state" value="s-1"' in answer.text
    browser.post("/signout")
    answer = browser.post("/auth", data=auth_request(mine))
    assert 'name="error" value="login_required"' in answer.text
    assert 'name="id_token"' not in answer.text


def test_way_back_leaves_the_frame_and_escapes_the_tools_words(browser: FlaskClient) -> None:
    page = browser.get("/return/1?lti_errormsg=<script>x</script>")
    assert "&lt;script&gt;" in page.text
    assert 'target="_top"' in page.text
    assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'")


def test_gradebook_shows_what_arrived(browser: FlaskClient, caller: Caller) -> None:
    hours = caller.create()
    points = caller.create(label="能力点", scoreMaximum=3, tag="nengli:1:points", resourceId="nengli:1:points")
    browser.post("/signin/he-jing")
    empty = browser.get("/gradebook/1").text
    assert "学时" in empty
    assert "能力点" in empty
    caller.score(hours, comment="<b>通过</b>")
    caller.score(points, scoreGiven=1, scoreMaximum=3, userId="12")
    page = browser.get("/gradebook/1").text
    assert "10 / 25" in page
    assert "1 / 3" in page
    assert "&lt;b&gt;通过&lt;/b&gt;" in page
    assert "2026-05-01 16:00:00" in page  # Beijing time
    assert page.count('<th scope="row">') == 8
    browser.post("/signin/li-jianguo")
    own = browser.get("/gradebook/1").text
    assert own.count('<th scope="row">') == 1
    assert "10 / 25" not in own
    assert "还没有成绩栏" in browser.get("/gradebook/2").text


def test_second_start_keeps_everything(config: PracticeConfig, caller: Caller, browser: FlaskClient) -> None:
    item = caller.create()
    caller.score(item)
    key = browser.get("/jwks").json
    browser.post("/signin/he-jing")
    again = create_practice(config)
    second = Caller(again, caller.tool)
    second._tokens = caller._tokens  # tokens issued before go on
    assert second.call("GET", item["id"]).status_code == 200
    assert second.score(item).status_code == 409
    assert again.test_client().get("/jwks").json == key
    items = again.test_client().get("/practice/scores.json?course=1").json["line_items"]
    assert len(items) == 2  # the activity's own column was not made twice
    file = config.data_dir / "practice.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM grade").fetchone() == (1,)
    connection.close()
