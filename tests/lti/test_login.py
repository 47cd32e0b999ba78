"""Login initiation: rows L01 to L08 of the conformance list."""

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select

import lti
from lms_plugin.errors import Conflict, Invalid, Refused
from tests.lti.desk import TOOL, Desk


def refused(desk: Desk, **changes: str | None) -> Refused:
    with pytest.raises(Refused) as caught:
        desk.login(**changes)
    logged = desk.session.exec(select(lti.LaunchLog)).all()
    assert [row.reference for row in logged] == [caught.value.params["reference"]]
    assert logged[0].outcome == caught.value.code
    assert not desk.session.exec(select(lti.LoginState)).all()
    assert 400 <= caught.value.status < 500
    return caught.value


def test_the_browser_is_sent_with_exactly_the_parameters_of_the_standard(desk: Desk) -> None:
    sent, secret = desk.login()
    row = desk.session.exec(select(lti.LoginState)).one()
    assert sent == {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": "client-1",
        "redirect_uri": TOOL + "/lti/launch",
        "state": row.state,
        "nonce": row.nonce,
        "login_hint": "8",
        "lti_message_hint": '{"cmid":3,"launchid":"a&b=c"}',
    }
    assert secret not in (row.browser_hash, row.state, row.nonce)
    assert set(row.state + row.nonce) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_each_login_is_its_own(desk: Desk) -> None:
    states = {desk.login()[0]["state"] for _ in range(10)}
    assert len(states) == 10


def test_a_query_in_the_auth_address_is_kept(desk: Desk) -> None:
    desk.platform.auth_url = "https://lms.example.org/auth?site=3"
    desk.session.flush()
    begun = lti.begin_login(desk.session, desk.initiation(), TOOL + "/lti/launch", desk.now)
    assert parse_qs(urlsplit(begun.url).query)["site"] == ["3"]
    assert begun.url.count("?") == 1


def test_without_a_client_id_one_registration_is_enough_and_two_are_not(desk: Desk) -> None:
    assert desk.login(client_id=None)[0]["client_id"] == "client-1"
    Desk(desk.session, desk.now, client_id="client-2")
    with pytest.raises(Refused) as caught:
        desk.login(client_id=None)
    assert caught.value.code == "login.client_missing"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": None}, "login.issuer_missing"),
        ({"iss": "https://other.example.org"}, "login.issuer_unknown"),
        ({"iss": "x\x00\ud800"}, "login.issuer_unknown"),
        ({"iss": "https://lms.example.org/"}, "login.issuer_unknown"),
        ({"client_id": "another"}, "login.client_unknown"),
        ({"client_id": "\x00"}, "login.client_unknown"),
        ({"login_hint": None}, "login.hint_missing"),
        ({"login_hint": "x" * 10000}, "login.hint_too_long"),
        ({"target_link_uri": None}, "login.target_foreign"),
        ({"target_link_uri": "https://evil.example.org/lti/launch"}, "login.target_foreign"),
        ({"target_link_uri": "http://tool.example.org/lti/launch"}, "login.target_foreign"),
        ({"target_link_uri": "https://tool.example.org@evil.example.org/"}, "login.target_foreign"),
        ({"target_link_uri": "https://[tool/"}, "login.target_foreign"),
    ],
)
def test_what_is_no_login_of_a_known_platform_is_refused(desk: Desk, changes: dict[str, str], code: str) -> None:
    assert refused(desk, **changes).code == code


def test_a_disabled_registration_says_so(desk: Desk) -> None:
    desk.platform.is_disabled = True
    desk.session.flush()
    assert refused(desk).code == "login.platform_disabled"
    assert lti.frame_ancestors(desk.session) == []


def test_hints_of_any_characters_do_not_break_it(desk: Desk) -> None:
    assert desk.login(login_hint="\ud800é\x00")[0]["login_hint"] == "?é\x00"


def test_platforms_belong_to_one_tenant(desk: Desk) -> None:
    given = {"issuer": desk.issuer, "client_id": desk.client_id, "deployments": ["1", "2"], "now": desk.now}
    urls = {name: f"https://lms.example.org/{name}" for name in ("auth_url", "token_url", "jwks_url")}
    again = lti.add_platform(desk.session, desk.platform.tenant_id, **given, **urls)
    assert again.id == desk.platform.id
    held = desk.session.exec(select(lti.Deployment.deployment_id)).all()
    assert sorted(held) == ["1", "2"]
    assert lti.platforms(desk.session, desk.platform.tenant_id) == [again]
    assert lti.frame_ancestors(desk.session) == ["https://lms.example.org"]
    other = Desk(desk.session, desk.now, client_id="client-2")
    with pytest.raises(Conflict):
        lti.add_platform(desk.session, other.platform.tenant_id, **given, **urls)
    with pytest.raises(Invalid) as caught:
        lti.add_platform(desk.session, 1, **{**given, "issuer": "x"}, **{**urls, "auth_url": "http://a.example"})
    assert set(caught.value.fields) == {"issuer", "auth_url"}
