"""Every fault found in the wheel of lti1p3platform 0.1.8, one test each, named by it."""

import inspect
import re
import subprocess
import sys
import textwrap
import threading
import time
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from lti1p3platform.exceptions import LtiDeepLinkingResponseException, LtiException, LtiServiceException

import lms_plugin.practice.launch as launch_module
from lms_plugin.practice import PracticeConfig, create_practice
from lms_plugin.practice.launch import AuthRequest, PracticeLaunch, PracticeLogin
from lms_plugin.practice.platform import CLAIM, DL_CLAIM, PracticePlatform, ToolKeys

from .conftest import (
    AGS,
    ALL_SCOPES,
    BASE,
    LINEITEM,
    LINEITEMS,
    LOOPBACK,
    MEMBERS,
    NRPS,
    RESULTS,
    TOOL,
    Caller,
    ToolKeyset,
    auth_request,
    begin,
)


def platform_of(lms: Flask) -> PracticePlatform:
    platform = lms.extensions["practice"].platform
    assert isinstance(platform, PracticePlatform)
    return platform


def id_token_of(text: str) -> str:
    found = re.search(r'name="id_token" value="([^"]+)"', text)
    assert found, text
    return found[1]


@pytest.mark.parametrize(
    "uri", ["https://evil.example/", TOOL + "/lti/launch/", TOOL + "/lti/launch?x=1", TOOL + "/lti/login", ""]
)
def test_redirect_uri_is_compared(browser: FlaskClient, uri: str) -> None:
    answer = browser.get("/auth", query_string=auth_request(begin(browser), redirect_uri=uri))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "id_token" not in answer.text
    assert "<form id=" not in answer.text
    if "evil" in uri:
        assert "evil.example" not in answer.text


def test_error_with_unregistered_redirect_uri_does_not_redirect(browser: FlaskClient) -> None:
    wrong = auth_request(begin(browser), redirect_uri="https://evil.example/", response_type="code", prompt="login")
    answer = browser.get("/auth", query_string=wrong)
    assert answer.status_code == 400
    assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("name", "value"), [("response_type", "code"), ("response_mode", "query"), ("prompt", "login"), ("prompt", None)]
)
def test_response_type_mode_and_prompt_are_checked(browser: FlaskClient, name: str, value: str | None) -> None:
    answer = browser.post("/auth", data=auth_request(begin(browser), **{name: value}))
    assert 'name="error" value="invalid_request"' in answer.text
    assert f'action="{TOOL}/lti/launch"' in answer.text
    assert 'name="id_token"' not in answer.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("scope", "profile"), ("scope", None), ("nonce", None), ("state", None), ("client_id", "other")],
)
def test_scope_nonce_state_and_client_are_checked(browser: FlaskClient, name: str, value: str | None) -> None:
    answer = browser.post("/auth", data=auth_request(begin(browser), **{name: value}))
    assert answer.status_code == 400
    assert "id_token" not in answer.text


def test_preflight_checks_hold_under_python_O(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import pathlib, sys
        from urllib.parse import parse_qs, urlsplit
        from lms_plugin.practice import PracticeConfig, create_practice
        assert False, "asserts are off"
        lms = create_practice(PracticeConfig("http://lms.localhost:1", "http://127.0.0.1:1", "http://tool.localhost:2",
                                             "http://127.0.0.1:2", pathlib.Path(sys.argv[1])))
        browser = lms.test_client()
        browser.post("/signin/wang-xiulan")
        hop = parse_qs(urlsplit(browser.get("/launch/1/101").location).query)
        right = dict(scope="openid", response_type="id_token", response_mode="form_post", prompt="none", nonce="n",
                     state="s", client_id="nengli-practice", redirect_uri="http://tool.localhost:2/lti/launch",
                     login_hint="11", lti_message_hint=hop["lti_message_hint"][0])
        for wrong in ({"client_id": "x"}, {"nonce": ""}, {"redirect_uri": ""}, {"state": ""}):
            print(browser.post("/auth", data={**right, **wrong}).status_code)
        print(browser.post("/auth", data=right).status_code)
        """
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["400", "400", "400", "400", "200"], done.stderr


def test_post_is_not_read_past_its_own_form(browser: FlaskClient) -> None:
    begun = begin(browser)
    answer = browser.post("/auth", data=auth_request(begun, client_id="other"), query_string=auth_request(begun))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": "https://elsewhere.example/token"},
        {"aud": BASE},
        {"iss": None},
        {"iss": "other"},
        {"sub": None},
        {"sub": "other"},
        {"exp": None},
        {"exp": 1_700_000_000},
        {"exp": 4_000_000_000},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"nbf": 4_000_000_000},
    ],
)
def test_client_assertion_claims_are_required(caller: Caller, tool: ToolKeyset, changes: dict[str, Any]) -> None:
    answer = caller.ask(tool.sign(tool.assertion(**changes)))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("audience", [LOOPBACK + "/token", BASE + "/token", [BASE + "/token", "other"]])
def test_client_assertion_audience_has_two_names(caller: Caller, tool: ToolKeyset, audience: Any) -> None:
    assert caller.ask(tool.sign(tool.assertion(aud=audience))).status_code == 200


def test_client_assertion_replay_is_refused(caller: Caller, tool: ToolKeyset, config: PracticeConfig) -> None:
    assertion = tool.sign(tool.assertion())
    assert caller.ask(assertion).status_code == 200
    assert caller.ask(assertion).status_code == 401
    again = Caller(create_practice(config), tool)  # remembered over a restart
    assert again.ask(assertion).status_code == 401


def test_deep_linking_response_is_no_client_assertion(caller: Caller, tool: ToolKeyset) -> None:
    response = tool.assertion(sub=None, aud=BASE, nonce="n", **{CLAIM + "message_type": "LtiDeepLinkingResponse"})
    assert caller.ask(tool.sign(response)).status_code == 401


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("client_assertion_type", "urn:other", "invalid_request"),
        ("client_assertion_type", None, "invalid_request"),
        ("client_assertion", None, "invalid_request"),
        ("scope", None, "invalid_request"),
        ("grant_type", None, "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
    ],
)
def test_assertion_type_and_parameters_are_checked(caller: Caller, name: str, value: str | None, error: str) -> None:
    values = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": caller.tool.sign(caller.tool.assertion()),
        "scope": ALL_SCOPES,
        name: value,
    }
    answer = caller.client.post("/token", data={k: v for k, v in values.items() if v is not None})
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_token_request_must_be_a_form(caller: Caller) -> None:
    assert caller.client.post("/token", json={"grant_type": "client_credentials"}).status_code == 400
    assert caller.client.get("/token").status_code == 405


def test_only_rs256_with_a_known_kid_signs(caller: Caller, tool: ToolKeyset) -> None:
    claims = tool.assertion()
    for forged in (
        jwt.encode(claims, "s" * 32, algorithm="HS256", headers={"kid": "one"}),
        jwt.encode(claims, None, algorithm="none", headers={"kid": "one"}),
        jwt.encode(claims, tool.private["one"], algorithm="RS512", headers={"kid": "one"}),
        jwt.encode(claims, tool.private["one"], algorithm="RS256"),
        jwt.encode(claims, tool.private["one"], algorithm="RS256", headers={"kid": "unknown"}),
        "not.a.jwt",
    ):
        assert caller.ask(forged).status_code == 401


def deep_linking(tool: ToolKeyset, **changes: Any) -> dict[str, str]:
    claims = tool.assertion(
        **{
            "sub": None,
            "aud": BASE,
            "nonce": f"n-{time.monotonic_ns()}",
            CLAIM + "message_type": "LtiDeepLinkingResponse",
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": "1",
            DL_CLAIM + "data": "d-1",
            DL_CLAIM + "content_items": [{"type": "ltiResourceLink", "url": TOOL + "/lti/launch"}],
            **changes,
        },
    )
    return {"JWT": tool.sign(claims), "data": "d-1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"iss": "other"},
        {"nonce": None},
        {CLAIM + "deployment_id": "2"},
        {CLAIM + "message_type": "LtiResourceLinkRequest"},
        {CLAIM + "version": "1.0"},
        {DL_CLAIM + "data": "other"},
        {DL_CLAIM + "data": None},
        {DL_CLAIM + "content_items": "text"},
        {DL_CLAIM + "content_items": [{"url": TOOL + "/x"}]},
        {DL_CLAIM + "content_items": ["text"]},
        {DL_CLAIM + "content_items": [{"type": "ltiResourceLink", "url": "javascript:alert(1)"}]},
        {DL_CLAIM + "content_items": [{"type": "link", "url": TOOL + "/x"}]},
    ],
)
def test_deep_linking_response_is_checked(lms: Flask, tool: ToolKeyset, changes: dict[str, Any]) -> None:
    with pytest.raises(LtiDeepLinkingResponseException):
        platform_of(lms).validate_deeplinking_resp(deep_linking(tool, **changes))


def test_deep_linking_response_counts_once(lms: Flask, tool: ToolKeyset) -> None:
    response = deep_linking(tool)
    assert platform_of(lms).validate_deeplinking_resp(response)[0]["type"] == "ltiResourceLink"
    with pytest.raises(LtiDeepLinkingResponseException):
        platform_of(lms).validate_deeplinking_resp(response)


def test_deep_linking_request_carries_no_resource_link(lms: Flask) -> None:
    host = lms.extensions["practice"]
    with lms.test_request_context("/auth", method="POST", data={"nonce": "n", "state": "s"}) as context:
        launch = PracticeLaunch(
            AuthRequest(context.request), host.platform, hints=host.hints, signed_in=None, script_nonce="x", expires=0
        )
        launch._registration = host.platform.registration
        launch.set_user_data("11", [])
        launch.set_resource_link_claim("101")
        launch.set_dl(BASE + "/dl", accept_types={"ltiResourceLink"})
        claims = jwt.decode(launch.generate_launch_request()["id_token"], options={"verify_signature": False})
    assert claims[CLAIM + "message_type"] == "LtiDeepLinkingRequest"
    assert CLAIM + "resource_link" not in claims


SCOPE_CASES = [
    ("POST", "/ags/1/lineitems", "lineitem.readonly"),
    ("PUT", "{item}", "lineitem.readonly"),
    ("DELETE", "{item}", "lineitem.readonly"),
    ("DELETE", "{item}", "result.readonly"),
    ("DELETE", "{item}", "score"),
    ("POST", "{item}/scores", "result.readonly"),
    ("POST", "{item}/scores", "lineitem"),
    ("GET", "{item}/results", "score"),
    ("GET", "{item}/results", "lineitem"),
    ("GET", "/ags/1/lineitems", "score"),
    ("GET", "{item}", "result.readonly"),
    ("GET", "/nrps/1/memberships", "lineitem"),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPE_CASES)
def test_scopes_open_only_their_own_operation(caller: Caller, method: str, path: str, scope: str) -> None:
    item = caller.create()
    url = path.format(item=urlsplit(item["id"]).path)
    content = "application/vnd.ims.lis.v1.score+json" if url.endswith("scores") else LINEITEM
    answer = caller.call(method, url, body={"label": "x", "scoreMaximum": 1}, content=content, scope=AGS + scope)
    assert answer.status_code == 401
    assert caller.call("GET", item["id"]).status_code == 200


def test_membership_scope_opens_no_gradebook(caller: Caller) -> None:
    assert caller.call("GET", "/ags/1/lineitems", scope=NRPS).status_code == 401


def test_bad_or_expired_bearer_is_401(caller: Caller, lms: Flask, browser: FlaskClient) -> None:
    registration = platform_of(lms).registration
    good = jwt.decode(caller.token(), options={"verify_signature": False})

    def again(**changes: Any) -> str:
        claims = {k: v for k, v in {**good, **changes}.items() if v is not None}
        return "Bearer " + registration.platform_encode_and_sign(claims)

    id_token = id_token_of(browser.post("/auth", data=auth_request(begin(browser))).text)
    wrong = ["", "Bearer", "Bearer x", "Bearer x y", "Basic eDp5", "bearer " + caller.token(), "Bearer " + id_token]
    wrong += [again(exp=1_700_000_000), again(exp=None), again(iss="other"), again(aud="other"), again(sub="other")]
    wrong.append("Bearer " + jwt.encode(good, "s" * 32, algorithm="HS256"))
    for url in ("/ags/1/lineitems", "/nrps/1/memberships"):
        for bearer in wrong:
            answer = caller.call("GET", url, bearer=bearer)
            assert answer.status_code == 401, bearer
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert caller.call("GET", "/ags/1/lineitems", bearer=again()).status_code == 200


def test_later_pages_of_all_lists(caller: Caller) -> None:
    items = [caller.create(label=f"L{n}") for n in range(3)]
    for n in range(3):
        caller.score(items[0], userId=str(11 + n))
    results = items[0]["id"].replace("/lineitem?", "/lineitem/results?")
    for url, accept, pages in (
        ("/ags/1/lineitems?type_id=1&limit=2&tag=nengli:1:hours", LINEITEMS, [2, 1]),
        (results + "&limit=2", RESULTS, [2, 1]),
        ("/nrps/1/memberships?limit=4&role=Learner", MEMBERS, [4, 4]),
    ):
        seen: list[Any] = []
        following: str | None = url
        sizes = []
        while following:
            answer = caller.call("GET", following, accept=accept)
            assert answer.status_code == 200
            rows = answer.json if isinstance(answer.json, list) else answer.json["members"]
            assert "next" not in answer.json  # the wheel leaves it in the body
            sizes.append(len(rows))
            seen += [row.get("id") or row["user_id"] for row in rows]
            link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
            following = link[1] if link else None
        assert sizes == pages
        assert len(set(seen)) == sum(pages)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "１", "9" * 30, ""])
def test_page_that_is_no_number_is_400(caller: Caller, page: str) -> None:
    for url in ("/ags/1/lineitems", "/nrps/1/memberships"):
        assert caller.call("GET", f"{url}?limit=1&page={page}").status_code == 400


def test_rlid_and_unknown_parameters(caller: Caller) -> None:
    assert len(caller.call("GET", "/nrps/1/memberships?rlid=101&odd=1").json["members"]) == 10
    assert caller.call("GET", "/nrps/1/memberships?rlid=201").status_code == 403
    assert caller.call("GET", "/ags/1/lineitems?odd=1").status_code == 200


def test_validate_token_with_an_audience(lms: Flask, caller: Caller) -> None:
    platform = platform_of(lms)
    assert platform.validate_token(caller.token(), audience=LOOPBACK)
    with pytest.raises(LtiServiceException) as refused:
        platform.validate_token(caller.token(), audience="https://elsewhere.example")
    assert refused.value.status_code == 401


def test_no_scope_at_all_opens_nothing(lms: Flask, caller: Caller) -> None:
    assert platform_of(lms).validate_token(caller.token(), []) is False


def test_login_url_with_a_query_keeps_it(lms: Flask) -> None:
    platform = platform_of(lms)
    platform.registration.set_oidc_login_url(TOOL + "/lti/login?site=a%26b&empty=")
    login = PracticeLogin(None, platform)
    login.set_lti_message_hint(hint="h")
    url = login.prepare_preflight_url("11")
    assert url.count("?") == 1
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert (query["site"], query["empty"], query["login_hint"]) == (["a&b"], [""], ["11"])


def test_unknown_scopes_are_refused(caller: Caller) -> None:
    answer = caller.ask(scope="https://example.org/scope openid")
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")
    mixed = caller.ask(scope=f"openid {AGS}score")
    assert mixed.json["scope"] == AGS + "score"


def test_access_token_has_kid_jti_and_audience(caller: Caller, lms: Flask) -> None:
    answer = caller.ask()
    token = answer.json["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["kid"] == platform_of(lms).registration.get_kid()
    assert claims["aud"] == LOOPBACK
    assert claims["jti"] != jwt.decode(caller.ask().json["access_token"], options={"verify_signature": False})["jti"]
    assert answer.json["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_tool_keyset_is_not_kept_for_ever(caller: Caller, tool: ToolKeyset) -> None:
    assert caller.ask().status_code == 200
    before = tool.fetches
    assert caller.ask().status_code == 200
    assert tool.fetches == before  # kept for a while
    tool.add("two")
    assert caller.ask(tool.sign(tool.assertion(), kid="two")).status_code == 200  # a new kid is looked up
    old = tool.private["one"]
    tool.add("one")
    assert caller.ask(tool.sign(tool.assertion(), kid="one")).status_code == 200  # so is a new key under an old kid
    assert caller.ask(tool.sign(tool.assertion(), kid="one", key=old)).status_code == 401


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (404, None),
        (302, None),
        (200, b"no json"),
        (200, b"[]"),
        (200, b'{"keys": 3}'),
        (200, b"x" * 300_000),
    ],
)
def test_tool_keyset_answer_is_checked(caller: Caller, tool: ToolKeyset, status: int, body: bytes | None) -> None:
    tool.status, tool.body = status, body
    assert caller.ask().status_code == 401


@pytest.mark.parametrize("url", ["http://169.254.169.254/keys", "https://keys.example/jwks", "file:///etc/passwd"])
def test_tool_keyset_comes_from_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match="this machine only"):
        ToolKeys(url)


def test_tool_keyset_unreachable_is_refused() -> None:
    with pytest.raises(LtiException, match="cannot be reached"):
        ToolKeys("http://127.0.0.1:9/keys").fetch()


def test_state_is_escaped_and_wheel_templates_are_not_used(browser: FlaskClient) -> None:
    state = '"><script>alert(1)</script>'
    answer = browser.post("/auth", data=auth_request(begin(browser), state=state))
    assert "<script>alert" not in answer.text
    assert unescape(re.findall(r'name="state" value="([^"]*)"', answer.text)[0]) == state
    assert "lti1p3platform.framework" not in sys.modules
    assert "framework" not in inspect.getsource(launch_module)


def test_signing_does_not_parse_the_key_each_time(lms: Flask) -> None:
    registration = platform_of(lms).registration
    began = time.process_time()
    for _ in range(40):
        registration.platform_encode_and_sign({"sub": "x"}, 60)
    assert time.process_time() - began < 2  # the wheel: more than 6 s
    assert registration.get_kid() == registration.get_jwks()[0]["kid"]


def test_one_request_cannot_pick_another_requests_key(lms: Flask, tool: ToolKeyset) -> None:
    platform = platform_of(lms)
    tool.add("two")
    failures: list[Exception] = []

    def work(kid: str) -> None:
        for _ in range(15):
            try:
                platform.tool_validate_and_decode(tool.sign(tool.assertion(), kid=kid))
            except LtiException as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(kid,)) for kid in ("one", "two", "one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert platform._jwt == {}


def test_lifetime_is_exactly_what_is_promised_and_payload_stays(lms: Flask) -> None:
    payload = {"sub": "x"}
    token = platform_of(lms).registration.platform_encode_and_sign(payload, 60)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert payload == {"sub": "x"}


@pytest.mark.parametrize("body", ["[]", "3", "{bad", "", '"text"'])
def test_body_that_is_no_object_is_400(caller: Caller, body: str) -> None:
    item = caller.create()
    assert caller.call("POST", "/ags/1/lineitems", body=body, content=LINEITEM).status_code == 400
    assert caller.call("PUT", item["id"], body=body, content=LINEITEM).status_code == 400


def test_readable_line_items_are_named_in_the_launch(browser: FlaskClient) -> None:
    token = id_token_of(browser.post("/auth", data=auth_request(begin(browser))).text)
    claim = jwt.decode(token, options={"verify_signature": False})[
        "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
    ]
    assert sorted(claim["scope"]) == [
        AGS + name for name in ("lineitem", "lineitem.readonly", "result.readonly", "score")
    ]
