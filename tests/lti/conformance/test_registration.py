"""Rows R: how a platform registers itself, against Moodle's recorded answers, and what it reads of us."""

import html
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect
from sqlmodel import Session, col, select

import lti
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.flow import invitations
from lms_plugin.people import Invitation, OrgUnit, RoleKind, Tenant
from tests.hosts.moodle_registration import SITE, TOOL, Moodle, moodle, recorded
from tests.lti.conformance.bench import Bench, Platform
from tests.serving import SECRET
from tests.web.test_every_page import AXE, readable

AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"


def test_R11_R12_our_keys(bench: Bench) -> None:
    """Our key set: every key that signs or will, use and alg given, nothing private, kept an hour, with an ETag; a new
    key is there a day before it signs and the old one a week after."""
    address = bench.url + "/.well-known/jwks.json"
    with Session(bench.engine) as session:
        old = lti.ensure_tool_key(session, SECRET, bench.now).kid
        new = lti.rotate_key(session, SECRET, bench.now).kid
        session.commit()
    answer = requests.get(address, timeout=10)
    keys = {key["kid"]: key for key in answer.json()["keys"]}
    assert {old, new} <= set(keys)
    for key in keys.values():
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    unchanged = requests.get(address, headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
    assert unchanged.status_code == 304
    bench.clock[0] += timedelta(days=8)
    later = {key["kid"] for key in requests.get(address, timeout=10).json()["keys"]}
    assert new in later
    assert old not in later
    with Session(bench.engine) as session:
        assert lti.ensure_tool_key(session, SECRET, bench.now).kid == new


@pytest.fixture
def host(bench: Bench) -> Iterator[Moodle]:
    """A Moodle in which an officer has just pasted our address. Its client id is new."""
    with moodle() as made, Session(bench.engine) as session:
        made.client_id = (
            f"client-{session.exec(select(lti.Platform.id).order_by(col(lti.Platform.id).desc())).first()}-m"
        )
        yield made


def invited(bench: Bench, kind: RoleKind = RoleKind.IT, unit: str = "平安县") -> str:
    """A code that an operator made."""
    with db.transaction(db.session_factory(bench.engine)) as session:
        place = session.exec(select(OrgUnit).where(OrgUnit.name == unit)).one()
        return invitations.make_invitation(session, place.tenant_id, kind, place, None, bench.now)[1]


def is_good(bench: Bench, code: str) -> bool:
    """Whether the code can still be used."""
    with Session(bench.engine) as session:
        return invitations.invitation_of(session, code, bench.now).used_at is None


def register(bench: Bench, host: Moodle, code: str, **more: str) -> requests.Response:
    """The page's one button."""
    return requests.post(f"{bench.url}/lti/register", data=host.form(code, **more), timeout=20)


def held(bench: Bench, host: Moodle) -> list[lti.Platform]:
    """Registrations of that Moodle."""
    with Session(bench.engine) as session:
        found = list(session.exec(select(lti.Platform).where(lti.Platform.issuer == host.url)).all())
        session.expunge_all()
        return found


def refused(bench: Bench, host: Moodle, code: str, words: str, **more: str) -> str:
    """Registers what must be refused: 4xx, the reason on a page that can be used again, the code good, nothing kept but
    a row of the log."""
    before = bench.counts()
    answer = register(bench, host, code, **more)
    assert 400 <= answer.status_code < 500, answer.status_code
    said = html.unescape(answer.text)
    assert words in said
    assert re.search(r'<code class="ref">[0-9A-Z]{4}-[0-9A-Z]{4}</code>', said)
    assert f'name="code" type="text" value="{code}"' in said
    assert host.configuration_url in said
    grown = {name: number - before[name] for name, number in bench.counts().items() if number != before[name]}
    assert grown == {"lti_launch_log": 1}, grown
    return said


def test_R01_the_page(bench: Bench, host: Moodle) -> None:
    """GET with openid_configuration and registration_token → the tool's name, what it asks for, one button; only that
    platform may frame it; nobody is asked anything yet."""
    answer = requests.get(host.page(bench.url), timeout=10)
    assert answer.status_code == 200
    assert "教师能力点考核" in answer.text
    assert "读课程名单" in answer.text
    assert answer.text.count("<button") == 1
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith(f"frame-ancestors 'self' {host.url}")
    assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"
    assert host.asked == []


@pytest.mark.parametrize(
    "url", ["", "x", "javascript:alert(1)", "https://a@b.example/c", "https://x.example/\x00", "ftp://x.example/"]
)
def test_R01_without_a_platform(bench: Bench, host: Moodle, url: str) -> None:
    """No address of a configuration, or none that can be one → 4xx that says where the address belongs."""
    answer = requests.get(host.page(bench.url, openid_configuration=url), timeout=10)
    assert answer.status_code == 422
    assert "openid_configuration" in answer.text


def test_R02_the_configuration_is_fetched_with_the_token(bench: Bench, host: Moodle) -> None:
    """The bearer token goes along with the configuration's request and with the registration."""
    assert register(bench, host, invited(bench)).status_code == 200
    assert [(method, head.get("Authorization")) for method, _path, head in host.asked] == [
        ("GET", "Bearer reg-token"),
        ("POST", "Bearer reg-token"),
    ]


@pytest.mark.parametrize("mood", ["huge", "slow", "redirects", "html", "list", "jailed"])
def test_R02_bad_configurations(bench: Bench, host: Moodle, mood: str) -> None:
    """More than 256 kB, too slow, a redirect to another host, HTML, no object, 401 → told; nothing is posted."""
    code, host.mood = invited(bench), mood
    with bench.little_patience() if mood == "slow" else nullcontext():
        said = refused(bench, host, code, "平台的答复")
    assert {method for method, _path, _head in host.asked} == {"GET"}
    assert is_good(bench, code)
    assert mood != "jailed" or "HTTP 401 Sign in first" in said


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"])
@pytest.mark.parametrize("value", [None, "", "javascript:alert(1)", 7, "https://x.example/" + "x" * 1000])
def test_R02_addresses_that_are_none(bench: Bench, host: Moodle, name: str, value: Any) -> None:
    """An address of the configuration is missing or none → refused, named."""
    host.changes[name] = value
    refused(bench, host, invited(bench), name)


def test_R02_private_addresses_are_not_asked(bench: Bench, host: Moodle) -> None:
    """A configuration on a private address → refused without a connection."""
    form = host.form(invited(bench)) | {"openid_configuration": "https://192.168.1.1/openid"}
    answer = requests.post(f"{bench.url}/lti/register", data=form, timeout=20)
    assert answer.status_code == 422
    assert "本机或没有放行的内网地址" in answer.text


@pytest.mark.parametrize("issuer", ["https://other.example", "http://moodle.localhost:1", None, 7])
def test_R03_the_issuer_is_the_configurations_host(bench: Bench, host: Moodle, issuer: Any) -> None:
    """issuer of another host or port than the configuration, or none → refused; nothing is posted."""
    host.changes["issuer"] = issuer
    code = invited(bench)
    refused(bench, host, code, "登记没有做")
    assert {method for method, _path, _head in host.asked} == {"GET"}


def test_R04_what_is_posted(bench: Bench, host: Moodle) -> None:
    """The registration has every member that Moodle asks for, our addresses, and the domain of our links."""
    register(bench, host, invited(bench))
    (body,) = host.requests
    for name, value in {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{bench.url}/lti/login",
        "redirect_uris": [f"{bench.url}/lti/launch"],
        "jwks_uri": f"{bench.url}/.well-known/jwks.json",
        "token_endpoint_auth_method": "private_key_jwt",
        "client_name": "教师能力点考核",
        "client_name#en": "Teacher competency points",
    }.items():
        assert body[name] == value, name
    for name in ("logo_uri", "tos_uri", "policy_uri"):
        assert requests.get(body[name], timeout=10).status_code == 200, name
    assert body[TOOL]["domain"] == bench.url.partition("://")[2]
    assert body[TOOL]["target_link_uri"] == f"{bench.url}/lti/launch"


def test_R05_only_what_both_know(bench: Bench, host: Moodle) -> None:
    """Scopes, claims and messages are the intersection of ours and the platform's; labels in both languages."""
    register(bench, host, invited(bench))
    assert host.requests[0]["scope"].split() == [
        AGS + "lineitem",
        AGS + "result.readonly",
        AGS + "score",
        "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
    ]
    about = host.requests[0][TOOL]
    assert about["claims"] == ["iss", "sub", "name", "given_name", "family_name"]
    assert [one["type"] for one in about["messages"]] == ["LtiResourceLinkRequest", "LtiDeepLinkingRequest"]
    assert about["messages"][1]["placements"] == ["ContentArea"]
    assert about["messages"][1]["label#en"] == "Teacher competency points"


def test_R05_a_platform_that_knows_little(bench: Bench, host: Moodle) -> None:
    """Only what the platform lists is asked for, and what it did not grant is shown as not given."""
    host.changes |= {
        "scopes_supported": [AGS + "score", 7, "https://x.example/other"],
        "claims_supported": ["sub"],
        "https://purl.imsglobal.org/spec/lti-platform-configuration": {
            "messages_supported": ["LtiResourceLinkRequest", {"type": 7}, None]
        },
    }
    answer = register(bench, host, invited(bench))
    body = host.requests[0]
    assert body["scope"] == AGS + "score"
    assert body[TOOL]["claims"] == ["sub"]
    assert [one["type"] for one in body[TOOL]["messages"]] == ["LtiResourceLinkRequest"]
    assert "没有给" in answer.text


def test_R06_what_is_kept(bench: Bench, host: Moodle) -> None:
    """client_id, addresses, product and deployment are kept for the code's district; granted scopes are shown; the
    code is used up, and its holder gets another to take the role with."""
    code = invited(bench, RoleKind.OFFICER)
    bench.clock[0] += timedelta(days=1)  # the next code ends when this one would have
    answer = register(bench, host, code)
    assert answer.status_code == 200, answer.text
    (row,) = held(bench, host)
    assert (row.client_id, row.product, row.tenant_id) == (host.client_id, "moodle", pk(bench.world.tenant))
    assert row.auth_url == f"{host.url}/mod/lti/auth.php"
    with Session(bench.engine) as session:
        known = recorded("02_registration/02_request_and_response")["json"][TOOL]["deployment_id"]
        assert lti.deployment_ids(session, row) == [known]
    assert "没有给" not in answer.text
    found = re.search(r"[A-Z0-9]{5}(-[A-Z0-9]{5}){3}", answer.text)
    assert found is not None
    assert found[0] != code
    with Session(bench.engine) as session:
        following = invitations.invitation_of(session, found[0], bench.now)
        assert following.kind is RoleKind.OFFICER
        used = session.exec(select(Invitation).where(col(Invitation.used_at).is_not(None))).all()
        assert max(row.expires_at for row in used) == following.expires_at
    refused(bench, host, code, "邀请")


def test_R06_no_deployment_yet(bench: Bench, host: Moodle, platform: Platform) -> None:
    """An answer without deployment → kept; who comes from one is stopped until it is approved."""
    host.mood = "no deployment"
    answer = register(bench, host, invited(bench))
    assert answer.status_code == 200
    assert "平台没有说部署编号" in answer.text
    with Session(bench.engine) as session:
        assert lti.deployment_ids(session, held(bench, host)[0]) == []


def test_R06_an_unknown_deployment_is_offered(bench: Bench, platform: Platform) -> None:
    """A first launch from a deployment that nobody named → stopped, offered to the registrar; approved, it enters."""
    claim = {"https://purl.imsglobal.org/spec/lti/claim/deployment_id": "second"}
    assert platform.bad(**claim) == "launch.deployment_unknown"
    with db.transaction(db.session_factory(bench.engine)) as session:
        row = session.exec(select(lti.Platform).where(lti.Platform.id == pk(platform.row))).one()
        use = lti.platform_use(session, row.tenant_id, [pk(row)])[pk(row)]
        assert (use.deployments, use.unknown, use.launched_at) == (("1",), ("second",), None)
        lti.add_deployments(session, row, ["second"], bench.now)
    platform.good(**claim)
    with Session(bench.engine) as session:
        use = lti.platform_use(session, platform.row.tenant_id, [pk(platform.row)])[pk(platform.row)]
        assert (use.deployments, use.unknown, use.launched_at) == (("1", "second"), (), bench.now)


def test_R07_the_dialogue_is_closed(bench: Bench, host: Moodle) -> None:
    """The last page tells the platform's own origin, never `*`, to close the dialogue (org.imsglobal.lti.close)."""
    answer = register(bench, host, invited(bench))
    assert f'data-close="{host.url}"' in answer.text
    script = re.search(r'src="(/static/[^"]+/js/close\.js)"', answer.text)
    assert script is not None
    text = requests.get(bench.url + script[1], timeout=10).text
    assert 'postMessage({ subject: "org.imsglobal.lti.close" }, button.dataset.close)' in text
    assert '"*"' not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "a.b.c"}, "HTTP 404"),
        ({"used": True}, "HTTP 401 token_already_used"),
    ],
)
def test_R08_the_platform_says_no(bench: Bench, host: Moodle, change: dict[str, Any], words: str) -> None:
    """4xx from the platform → its own words on a page that can be used again; the code stays good."""
    code = invited(bench)
    for name, value in change.items():
        setattr(host, name, value)
    if "token" in change:
        form, host.token = host.form(code), "another"
        answer = requests.post(f"{bench.url}/lti/register", data=form, timeout=20)
        assert answer.status_code == 422
        assert words in answer.text
    else:
        refused(bench, host, code, words)
    assert is_good(bench, code)
    host.token, host.used = "reg-token", False
    assert register(bench, host, code).status_code == 200


def test_R09_a_code_is_needed(bench: Bench, host: Moodle) -> None:
    """No code, a wrong one, an old one, one of another role → refused; the platform is not asked."""
    trainer = invited(bench, RoleKind.TRAINER)
    part = invited(bench, RoleKind.SCHOOL_LEAD, "希望小学")
    school_it = invited(bench, RoleKind.IT, "希望小学")
    old = invited(bench)
    for code, words in (
        ("", "邀请"),
        ("AAAAA-AAAAA-AAAAA-AAAAA", "邀请"),
        (trainer, "不能登记平台"),
        (part, "不能登记平台"),
        (school_it, "不能登记平台"),
    ):
        refused(bench, host, code, words)
    bench.clock[0] += timedelta(days=15)
    refused(bench, host, old, "邀请")
    assert host.asked == []
    assert held(bench, host) == []


def test_R10_the_same_again(bench: Bench, host: Moodle) -> None:
    """The same issuer and client id → asked first, then updated: one registration, its keys and state as they were."""
    register(bench, host, invited(bench))
    host.used = False
    with db.transaction(db.session_factory(bench.engine)) as session:
        row = lti.switch_platform(session, host.url, host.client_id, is_disabled=True)
        row.name, row.auth_url = "县研修平台", "https://old.example/auth"
        session.add(row)
    keys = requests.get(f"{bench.url}/.well-known/jwks.json", timeout=10).json()
    code, posts = invited(bench), len(host.requests)
    said = refused(bench, host, code, "已经登记过")
    assert 'name="confirm"' in said
    assert len(host.requests) == posts
    answer = register(bench, host, code, confirm="1")
    assert answer.status_code == 200, answer.text
    assert "登记已更新" in answer.text
    (row,) = held(bench, host)
    assert (row.name, row.is_disabled, row.auth_url) == ("县研修平台", True, f"{host.url}/mod/lti/auth.php")
    assert requests.get(f"{bench.url}/.well-known/jwks.json", timeout=10).json() == keys


def test_R10_another_client(bench: Bench, host: Moodle) -> None:
    """A second client id of the same issuer → one registration more, after the same question."""
    register(bench, host, invited(bench))
    host.client_id, host.used = host.client_id + "-2", False
    assert register(bench, host, invited(bench), confirm="1").status_code == 200
    assert sorted(row.client_id for row in held(bench, host)) == [host.client_id[:-2], host.client_id]


def test_R10_another_district_holds_it(bench: Bench, host: Moodle) -> None:
    """The same issuer and client id in another district → refused, and theirs is untouched."""
    with db.transaction(db.session_factory(bench.engine)) as session:
        neighbour = session.exec(select(Tenant).where(Tenant.name == "邻县")).one()
        lti.add_platform(
            session,
            pk(neighbour),
            issuer=host.url,
            client_id=host.client_id,
            auth_url="https://a.example/auth",
            token_url="https://a.example/token",
            jwks_url="https://a.example/jwks",
            deployments=["1"],
            now=bench.now,
        )
    refused(bench, host, invited(bench), "另一个区县")
    (row,) = held(bench, host)
    assert row.auth_url == "https://a.example/auth"


@pytest.mark.browser
def test_R07_in_a_browser(bench: Bench, host: Moodle, browser: Browser) -> None:
    """In the platform's frame: the page shows, registers by its button, and the platform hears that it may close."""
    host.tool, host.mood = bench.url, "ponders"
    with browser.new_context(locale="zh-CN") as context:
        window = context.new_page()
        window.goto(f"{host.url}/admin")
        frame = window.frame_locator("iframe")
        frame.get_by_label("邀请码").fill(invited(bench))
        frame.get_by_role("button", name="登记").dblclick(delay=120)  # Moodle's token is good once
        frame.get_by_role("button", name="记好了，关闭").click()
        expect(window).to_have_title(f"org.imsglobal.lti.close {bench.url}")


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_every_state_of_the_page_is_readable(bench: Bench, host: Moodle, browser: Browser, locale: str) -> None:
    with browser.new_context(locale=locale, viewport={"width": 320, "height": 640}) as context:
        context.add_init_script(AXE)
        window = context.new_page()
        for code, state in ((invited(bench), ".copy"), ("AAAA", ".notice.stop"), (invited(bench), ".notice.wait")):
            host.used = False
            window.goto(host.page(bench.url))
            window.locator("[name=code]").fill(code)
            window.locator("button[form=register]").click()
            expect(window.locator(state).first).to_be_visible()
            assert readable(window) == [], state


def test_the_recordings_are_spoken_by_this_moodle() -> None:
    """The fake stands on the recordings, not on memory."""
    assert recorded("01_platform/openid_configuration")["json"]["issuer"] == SITE
