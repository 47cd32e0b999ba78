"""Rows B: launches that must be refused, each with a page, a reference, a log row, and nothing else written."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from joserfc.jwk import RSAKey
from sqlmodel import Session, select

import lti
from lms_plugin import db
from lms_plugin.db import get, pk
from lms_plugin.people import Identity
from tests.hosts import resign
from tests.lti.conformance.bench import CLAIM, INSTRUCTOR, SESSION_COOKIE, Bench, Jar, Platform

TWO = ["client-1", "client-2"]
AGAIN = "请回到课程页面，重新点一次进入本活动的链接。"


def b64(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_B01_no_kid(platform: Platform) -> None:
    """No kid in the header."""
    assert platform.bad({"kid": None}) == "launch.kid_missing"


def test_B02_unknown_kid(platform: Platform) -> None:
    """A kid that the key set has not → asked anew once, not each time, then refused."""
    assert platform.bad({"kid": "other"}) == "launch.key_unknown"
    asked = platform.bench.keys.asked
    assert platform.bad({"kid": "another"}) == "launch.key_unknown"
    assert platform.bench.keys.asked == asked


def test_B03_another_key_under_the_right_kid(platform: Platform) -> None:
    """Signed by somebody else."""
    assert platform.bad({"name": "stranger"}) == "launch.signature"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "ES256", ""])
def test_B04_B05_algorithms(platform: Platform, algorithm: str) -> None:
    """alg none, or HS256 with the public key as secret: refused before any key is looked up."""
    jar = Jar()
    sent = platform.login(jar)
    asked = platform.bench.keys.asked
    head = b64(json.dumps({"alg": algorithm, "typ": "JWT", "kid": resign.KID}).encode())
    body = b64(json.dumps(platform.claims(sent["nonce"])).encode())
    mac = b64(hmac.new(resign.signing_key().as_pem(private=False), f"{head}.{body}".encode(), hashlib.sha256).digest())
    form = {"id_token": f"{head}.{body}.{mac}", "state": sent["state"]}
    assert platform.refused(jar, form) == "launch.algorithm"
    assert platform.bench.keys.asked == asked


def test_B06_altered_payload(platform: Platform) -> None:
    """Changed after signing."""
    jar = Jar()
    sent = platform.login(jar)
    head, _, signature = resign.sign(platform.claims(sent["nonce"])).split(".")
    body = b64(json.dumps(platform.claims(sent["nonce"], sub="9")).encode())
    assert platform.refused(jar, {"id_token": f"{head}.{body}.{signature}", "state": sent["state"]}) == (
        "launch.signature"
    )


def test_B07_B08_version(platform: Platform) -> None:
    """Version 11.3 or none: the page says which version came; a form of LTI 1.1 gets a page too."""
    assert platform.bad(**{CLAIM + "version": "11.3"}) == "launch.version"
    assert "11.3" in platform.said
    assert platform.bad(**{CLAIM + "version": None}) == "launch.version"
    jar = Jar()
    before = platform.bench.kept()
    answer = platform.post(jar, {"lti_version": "LTI-1p0", "lti_message_type": "basic-lti-launch-request"})
    assert platform.is_refusal(answer, before) == "launch.state_missing"


def test_B09_a_token_of_something_else(platform: Platform) -> None:
    """A signed token without a single claim of a launch."""
    jar = Jar()
    sent = platform.login(jar)
    form = {"id_token": resign.sign({"name": "badltilaunch"}), "state": sent["state"]}
    assert platform.refused(jar, form) == "launch.issuer"


@pytest.mark.parametrize(
    ("row", "says", "changes", "code"),
    [
        ("B10", "iss missing", {"iss": None}, "launch.issuer"),
        ("B11", "iss is not the registered one", {"iss": "https://unregistered.example.org"}, "launch.issuer"),
        ("B12", "aud missing", {"aud": None}, "launch.audience"),
        ("B13", "aud is another client", {"aud": "another-client"}, "launch.audience"),
        (
            "B14",
            "several audiences, azp another client",
            {"aud": ["client-1", "client-2"], "azp": "client-2"},
            "launch.audience",
        ),
        ("B15", "several audiences, azp absent", {"aud": TWO}, "launch.audience"),
        ("B16", "iat 11111, exp 22222", {"iat": 11111, "exp": 22222}, "launch.expired"),
        ("B17", "exp missing", {"exp": None}, "launch.time_missing"),
        ("B19", "iat missing", {"iat": None}, "launch.time_missing"),
        ("B21", "nonce missing", {"nonce": None}, "launch.nonce"),
        ("B22", "nonce never issued", {"nonce": "never-issued-by-us"}, "launch.nonce"),
        ("B30", "message_type missing", {CLAIM + "message_type": None}, "launch.message_unknown"),
        ("B31", "message_type unknown", {CLAIM + "message_type": "LtiSomethingElse"}, "launch.message_unknown"),
        ("B32", "roles missing", {CLAIM + "roles": None}, "launch.roles_missing"),
        ("B33", "deployment_id missing", {CLAIM + "deployment_id": None}, "launch.deployment_missing"),
        (
            "B34",
            "deployment unknown",
            {CLAIM + "deployment_id": "99"},
            "launch.deployment_unknown",
        ),
        ("B35", "resource_link missing", {CLAIM + "resource_link": None}, "launch.link_missing"),
        ("B36", "resource_link without id", {CLAIM + "resource_link": {"title": "no id"}}, "launch.link_missing"),
        (
            "B37",
            "target_link_uri missing",
            {CLAIM + "target_link_uri": None},
            "launch.target_missing",
        ),
        ("B38", "sub missing (anonymous)", {"sub": None}, "launch.anonymous"),
    ],
)
def test_B10_B11_B12_B13_B14_B15_B16_B17_B19_B21_B22_B30_B31_B32_B33_B34_B35_B36_B37_B38_claims(
    platform: Platform, row: str, says: str, changes: dict[str, Any], code: str
) -> None:
    assert platform.bad(**changes) == code, f"{row}: {says}"


def test_B18_B20_clocks(platform: Platform) -> None:
    """iat two hours ahead, or a day old though exp is valid."""
    at = int(platform.bench.now.timestamp())
    assert platform.bad(iat=at + 7200, exp=at + 9000) == "launch.not_yet_valid"
    assert platform.bad(iat=at - 86400, exp=at + 3600) == "launch.token_old"


def test_B23_a_nonce_of_another_login(platform: Platform) -> None:
    """The nonce is kept with its state."""
    jar = Jar()
    other, sent = platform.login(jar), platform.login(jar)
    form = {"id_token": resign.sign(platform.claims(other["nonce"])), "state": sent["state"]}
    assert platform.refused(jar, form) == "launch.nonce"


def test_B24_B25_B26_sent_twice(platform: Platform) -> None:
    """The same token with a new state, the whole form again: refused with and without cookie; a double click of the
    same browser goes to the session that is there."""
    jar = Jar()
    sent = platform.login(jar)
    form = {"id_token": resign.sign(platform.claims(sent["nonce"])), "state": sent["state"]}
    assert platform.post(jar, form).status_code == 303
    before = platform.bench.counts()["person"]
    again = platform.post(jar, form)
    assert (again.status_code, again.headers["Location"]) == (303, "/")
    assert platform.bench.counts()["person"] == before
    assert platform.refused(Jar(), form) == "launch.state_used"
    assert AGAIN in platform.said
    platform.bench.clock[0] += timedelta(seconds=11)
    assert platform.refused(jar, form) == "launch.state_used"
    platform.bench.clock[0] -= timedelta(seconds=11)
    new = platform.login(jar)
    assert platform.refused(jar, {**form, "state": new["state"]}) == "launch.nonce"


def test_B27_B28_states(platform: Platform) -> None:
    """state absent, or not one of ours."""
    jar = Jar()
    token = resign.sign(platform.claims(platform.login(jar)["nonce"]))
    assert platform.refused(jar, {"id_token": token}) == "launch.state_missing"
    assert platform.refused(jar, {"id_token": token, "state": "x" * 43}) == "launch.state_unknown"


def test_B29_without_proof_of_the_browser(platform: Platform) -> None:
    """The state is right and no cookie came: a question first, and nobody is served before it is answered; a cookie of
    another login is a refusal."""
    jar = Jar(keeps=False)
    sent = platform.login(jar)
    answer = platform.post(jar, {"id_token": resign.sign(platform.claims(sent["nonce"])), "state": sent["state"]})
    assert answer.status_code == 200
    assert SESSION_COOKIE + "=" not in answer.headers.get("Set-Cookie", "")
    assert "/lti/window" in answer.text
    mine, theirs = Jar(), Jar()
    sent = platform.login(theirs)
    platform.login(mine)
    form = {"id_token": resign.sign(platform.claims(sent["nonce"])), "state": sent["state"]}
    assert platform.refused(mine, form) == "launch.browser_other"


def test_B39_critical_extensions(platform: Platform) -> None:
    """`crit` names what nobody knows."""
    jar = Jar()
    sent = platform.login(jar)
    token = resign.sign(platform.claims(sent["nonce"]))
    head = b64(json.dumps({"alg": "RS256", "kid": resign.KID, "crit": ["x"], "x": 1}).encode())
    form = {"id_token": ".".join([head, *token.split(".")[1:]]), "state": sent["state"]}
    assert platform.refused(jar, form) == "launch.header_refused"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "launch.token_missing"),
        ("", "launch.token_missing"),
        ("abc", "launch.token_malformed"),
        ("a.b.c", "launch.token_malformed"),
        ("a" * 1_000_000, "launch.token_too_long"),
    ],
)
def test_B40_B41_no_token(platform: Platform, token: str | None, code: str) -> None:
    """id_token absent, no JWT, a megabyte."""
    jar = Jar()
    sent = platform.login(jar)
    form = {"state": sent["state"]} | ({} if token is None else {"id_token": token})
    assert platform.refused(jar, form) == code


def test_B42_an_error_of_the_platform(platform: Platform) -> None:
    """error=login_required: told, and the state is used up."""
    jar = Jar()
    sent = platform.login(jar)
    form = {"error": "login_required", "state": sent["state"]}
    assert platform.refused(jar, form) == "launch.platform_login_required"
    assert AGAIN in platform.said
    token = resign.sign(platform.claims(sent["nonce"]))
    assert platform.refused(jar, {"id_token": token, "state": sent["state"]}) == "launch.state_used"


@pytest.mark.parametrize(
    "changes",
    [
        {CLAIM + "roles": "Instructor"},
        {CLAIM + "roles": {"0": "Instructor"}},
        {CLAIM + "context": "course-1"},
        {CLAIM + "resource_link": "link-1"},
        {CLAIM + "launch_presentation": "iframe"},
        {CLAIM + "custom": "a=b"},
        {CLAIM + "deployment_id": 1},
        {"sub": 8},
        {"https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": "https://lms.example.org/items"},
    ],
)
def test_B43_claims_of_the_wrong_kind(platform: Platform, changes: dict[str, Any]) -> None:
    """A string where a list or an object belongs, and the other way round: refused, never an error of ours."""
    assert platform.bad(**changes) in {"launch.claim_malformed", "launch.subject_invalid"}


@pytest.mark.parametrize("sub", ["x" * 256, "a\x00b", "学员", "a\u202eb"])
def test_B48_strange_subjects(platform: Platform, sub: str) -> None:
    """A subject of more than 255 characters, with NUL or beyond ASCII (LTI core 5.3.6.1)."""
    assert platform.bad(sub=sub) == "launch.subject_invalid"


def test_B48_strange_names(platform: Platform) -> None:
    """HTML, bidi marks and NUL in a name: shown as text."""
    jar = Jar()
    name = "<script>alert(1)</script>\u202e王\x00秀兰"
    assert platform.launch(jar, name=name, **{CLAIM + "context": {"id": "c<b>", "title": name}}).status_code == 303
    page = jar.ask("GET", platform.bench.url + "/people/introduce").text
    assert "<script>alert" not in page
    assert "王秀兰" in page
    assert "\u202e" not in page


def test_B49_a_token_in_the_address(platform: Platform) -> None:
    """GET: refused, logged, and the login is not used up."""
    jar = Jar()
    sent = platform.login(jar)
    token = resign.sign(platform.claims(sent["nonce"]))
    before = platform.bench.kept()
    answer = jar.ask("GET", f"{platform.bench.url}/lti/launch?state={sent['state']}&id_token={token}")
    assert platform.is_refusal(answer, before) == "launch.not_posted"


@pytest.mark.parametrize("mood", ["redirects", "huge", "html", "hangs"])
def test_B50_a_key_set_that_is_none(bench: Bench, platform: Platform, mood: str) -> None:
    """The key set hangs for a minute, redirects elsewhere, is 10 MB, is HTML: refused within eight seconds by the
    limits that hold in use, and others launch meanwhile."""
    bench.keys.mood = mood
    jar = Jar()
    sent = platform.login(jar)
    form = platform.signed(sent["nonce"], sent["state"])
    before, started = bench.kept(), time.monotonic()
    answer = platform.post(jar, form)
    took = time.monotonic() - started
    assert platform.is_refusal(answer, before) == "launch.keys_unavailable"
    assert took < 8
    bench.keys.mood = "well"
    Platform(bench, platform.issuer + ".other").good()


def test_B50_others_launch_while_one_platform_hangs(bench: Bench, platform: Platform) -> None:
    """The key set hangs, redirects elsewhere, is 10 MB, is HTML: refused soon, and others launch meanwhile."""
    other = Platform(bench, platform.issuer + ".meanwhile")
    other.good()
    bench.keys.mood = "hangs"
    refused: list[requests.Response] = []
    before = bench.keys.asked
    waiting = threading.Thread(target=lambda: refused.append(platform.launch(Jar())))
    with bench.little_patience():
        waiting.start()
        until = time.monotonic() + 5
        while bench.keys.asked == before and time.monotonic() < until:
            time.sleep(0.01)
        assert bench.keys.asked > before
        for _ in range(3):
            assert other.launch(Jar()).status_code == 303
        assert waiting.is_alive(), "they were waited for"
        waiting.join()
    assert refused[0].status_code == 400


@pytest.mark.parametrize("address", ["https://10.1.2.3/jwks", "https://[fd00::1]/jwks", "http://169.254.169.254/jwks"])
def test_B50_a_private_address(bench: Bench, platform: Platform, address: str) -> None:
    """An address inside a network is never asked, however it came into the registration."""
    with Session(bench.engine) as session:
        db.writes(session)
        row = get(session, lti.Platform, pk(platform.row))
        row.jwks_url = address
        session.commit()
    started = time.monotonic()
    assert platform.bad() == "launch.keys_unavailable"
    assert time.monotonic() - started < 5, "it was asked"


REFUSED_LATE: list[tuple[str, dict[str, Any]]] = [
    ("launch.expired", {"iat": 11111, "exp": 22222}),
    ("launch.nonce", {"nonce": "never-issued-by-us"}),
    ("launch.message_unknown", {CLAIM + "message_type": "LtiSomethingElse"}),
    ("launch.deployment_unknown", {CLAIM + "deployment_id": "another"}),
    ("launch.target_foreign", {CLAIM + "target_link_uri": "https://elsewhere.example/lti/launch"}),
    ("launch.roles_missing", {CLAIM + "roles": None}),
    ("launch.anonymous", {"sub": None}),
    ("launch.claim_malformed", {CLAIM + "custom": "a=b"}),
    ("launch.link_missing", {CLAIM + "resource_link": {"title": "no id"}}),
]


def test_B34_a_deployment_that_was_withdrawn(platform: Platform) -> None:
    """A deployment whose approval was taken back is unknown again, also to who came from there before; approved anew,
    the same people come in."""
    first = platform.good()

    def now(change: Callable[[Session, lti.Platform], None]) -> None:
        with db.transaction(db.session_factory(platform.bench.engine)) as session:
            change(session, get(session, lti.Platform, pk(platform.row)))

    now(lambda session, row: lti.withdraw_deployment(session, row, platform.deployment))
    for _time in range(2):
        assert platform.bad() == "launch.deployment_unknown"
    now(lambda session, row: lti.add_deployments(session, row, [platform.deployment], platform.bench.now))
    assert platform.good().context_id == first.context_id
    with Session(platform.bench.engine) as session:
        held = session.exec(select(Identity).where(Identity.issuer == platform.issuer)).all()
        assert [one.subject for one in held] == ["8"]


@pytest.mark.parametrize(("code", "wrong"), REFUSED_LATE)
def test_B_refusals_change_nothing_that_is_known(platform: Platform, code: str, wrong: dict[str, Any]) -> None:
    """Somebody known, from a course that is known, comes with other names, roles and addresses, and is refused: all
    stays as their launches before have left it (`bad` compares every row)."""
    ags = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
    score = ["https://purl.imsglobal.org/spec/lti-ags/scope/score"]
    platform.good(**{ags: {"lineitems": "https://lms.example.org/items", "scope": score}})
    other = {
        "name": "别人",
        CLAIM + "roles": [INSTRUCTOR],
        CLAIM + "context": {"id": "course-1", "title": "改了名的课"},
        CLAIM + "resource_link": {"id": "link-1", "title": "改了名的活动"},
        CLAIM + "custom": {"nengli_view": "record"},
        CLAIM + "tool_platform": {"guid": "g", "product_family_code": "canvas"},
        CLAIM + "launch_presentation": {"locale": "en", "return_url": "https://lms.example.org/elsewhere"},
        ags: {"lineitems": "https://evil.example/items", "lineitem": "https://evil.example/1", "scope": score},
    }
    assert platform.bad(**{**other, **wrong}) == code


def test_B50_a_key_of_another_kind(bench: Bench, platform: Platform) -> None:
    """A key set with keys of other kinds and with nonsense beside the right one works; without it, refused."""
    stranger = RSAKey.generate_key(2048).as_dict(private=False)
    bench.keys.body = {"keys": [{"kty": "EC"}, 5, {"kty": "RSA", "kid": resign.KID, "n": stranger["n"], "e": "AQAB"}]}
    assert platform.bad() == "launch.signature"
