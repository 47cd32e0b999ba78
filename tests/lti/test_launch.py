"""Known bad and known good launches: rows B01 to B49 and G01 to G23 of the conformance list."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

import lti
from lms_plugin.errors import Refused
from tests.hosts import resign
from tests.lti.desk import CLAIM, CLAIMS, MEMBERSHIP, TOOL, Desk
from tests.lti.sessions import open_session

INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"


def launched(found: "lti.Launch | lti.Replayed") -> lti.Launch:
    assert isinstance(found, lti.Launch)
    return found


def code_of(desk: Desk, form: dict[str, str], secret: str | None) -> str:
    """The refusal's code, after seeing that a log row was written and nothing else."""
    before = len(desk.session.exec(select(lti.LaunchLog)).all())
    with pytest.raises(Refused) as caught:
        desk.receive(form, secret)
    rows = desk.session.exec(select(lti.LaunchLog).order_by(col(lti.LaunchLog.id))).all()
    assert len(rows) == before + 1
    assert rows[-1].reference == caught.value.params["reference"]
    assert rows[-1].outcome == caught.value.code
    assert 400 <= caught.value.status < 500
    assert not desk.session.exec(select(lti.ResourceLink)).all()
    return caught.value.code


def bad(desk: Desk, claims: dict[str, Any] | None = None, **changes: Any) -> str:
    """The code that a launch with these changed claims gets."""
    sent, secret = desk.login()
    made = resign.fresh(CLAIMS if claims is None else claims, sent["nonce"], desk.now, **changes)
    return code_of(desk, {"id_token": resign.sign(made), "state": sent["state"]}, secret)


@pytest.mark.parametrize(
    ("given", "family", "name"),
    [("秀兰", "王", "王秀兰"), ("Ada", "Lovelace", "Ada Lovelace"), ("秀兰", None, "秀兰"), (None, None, "")],
)
def test_a_name_may_come_in_parts(desk: Desk, given: str | None, family: str | None, name: str) -> None:
    assert launched(desk.launch(name=None, given_name=given, family_name=family)).name == name


def test_a_good_launch_says_who_came_and_from_where(desk: Desk) -> None:
    launch = launched(desk.launch(name="王秀兰", given_name=""))
    assert (launch.tenant_id, launch.platform_id) == (desk.platform.tenant_id, desk.platform.id)
    assert (launch.subject, launch.name) == ("8", "王秀兰")
    assert (launch.context_id, launch.resource_link_title) == ("course-1", "研修任务")
    assert (launch.is_learner, launch.is_instructor, launch.binding) == (True, False, "cookie")
    row = desk.session.exec(select(lti.LaunchLog)).one()
    assert (row.reference, row.outcome) == (launch.reference, "launched")
    assert (row.checks, row.context_id) == ({}, "course-1")
    assert row.claims["subject"] == "…"
    assert "王秀兰" not in json.dumps(row.model_dump(mode="json"), ensure_ascii=False)
    assert desk.session.exec(select(lti.ResourceLink)).one().title == "研修任务"
    launched(desk.launch())
    assert desk.session.exec(select(lti.ResourceLink)).one().seen_at


def token_of(desk: Desk, **header: Any) -> tuple[str, dict[str, str], str]:
    sent, secret = desk.login()
    token = resign.sign(resign.fresh(CLAIMS, sent["nonce"], desk.now), **header)
    return token, sent, secret


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"kid": None}, "launch.kid_missing"),
        ({"kid": "other"}, "launch.key_unknown"),
        ({"name": "stranger"}, "launch.signature"),
        ({"jwk": resign.jwks("stranger")["keys"][0], "name": "stranger"}, "launch.header_refused"),
        ({"jku": "https://evil.example.org/jwks", "name": "stranger"}, "launch.header_refused"),
        ({"x5u": "https://evil.example.org/x5u", "name": "stranger"}, "launch.header_refused"),
    ],
)
def test_keys_come_from_the_registration_alone(desk: Desk, header: dict[str, Any], code: str) -> None:
    token, sent, secret = token_of(desk, **header)
    assert code_of(desk, {"id_token": token, "state": sent["state"]}, secret) == code


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_the_algorithm_is_ours_to_choose(desk: Desk) -> None:
    for algorithm in ("none", "HS256", "RS512", "", None, ["RS256"]):
        sent, secret = desk.login()
        head = b64(json.dumps({"alg": algorithm, "typ": "JWT", "kid": resign.KID}).encode())
        body = b64(json.dumps(resign.fresh(CLAIMS, sent["nonce"], desk.now)).encode())
        pem = resign.signing_key().as_pem(private=False)
        mac = b64(hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest())
        form = {"id_token": f"{head}.{body}.{mac}", "state": sent["state"]}
        assert code_of(desk, form, secret) == "launch.algorithm"


def test_an_unknown_critical_extension_is_refused(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    head = b64(json.dumps({"alg": "RS256", "kid": resign.KID, "crit": ["x"], "x": 1}).encode())
    form = {"id_token": ".".join([head, *token.split(".")[1:]]), "state": sent["state"]}
    assert code_of(desk, form, secret) == "launch.header_refused"


def test_an_altered_payload_is_refused(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    head, _, signature = token.split(".")
    body = b64(json.dumps(resign.fresh(CLAIMS, sent["nonce"], desk.now, sub="9")).encode())
    assert code_of(desk, {"id_token": f"{head}.{body}.{signature}", "state": sent["state"]}, secret) == (
        "launch.signature"
    )


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "launch.token_missing"),
        ("", "launch.token_missing"),
        ("abc", "launch.token_malformed"),
        ("a.b.c", "launch.token_malformed"),
        ("a" * 1_000_000, "launch.token_too_long"),
        (b64(b"[]") + ".e30.x", "launch.token_malformed"),
        (b64(b"[" * 20000) + ".e30.x", "launch.token_malformed"),
        (b64(b"\xff\xfe") + ".e30.x", "launch.token_malformed"),
    ],
)
def test_what_is_no_token_is_refused(desk: Desk, token: str | None, code: str) -> None:
    sent, secret = desk.login()
    form = {"state": sent["state"]} | ({} if token is None else {"id_token": token})
    assert code_of(desk, form, secret) == code


@pytest.mark.parametrize("payload", [b"[]", b"null", b"x", b'{"iat": NaN}', b"\xff", b"[" * 20000])
def test_a_signed_payload_that_is_no_object_is_refused(desk: Desk, payload: bytes) -> None:
    sent, secret = desk.login()
    form = {"id_token": resign.sign(payload), "state": sent["state"]}
    assert code_of(desk, form, secret) == "launch.token_malformed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": None}, "launch.issuer"),
        ({"iss": "https://other.example.org"}, "launch.issuer"),
        ({"iss": ["https://lms.example.org"]}, "launch.issuer"),
        ({"aud": None}, "launch.audience"),
        ({"aud": "client-2"}, "launch.audience"),
        ({"aud": []}, "launch.audience"),
        ({"aud": {"client-1": 1}}, "launch.audience"),
        ({"aud": ["client-1", "client-2"]}, "launch.audience"),
        ({"aud": ["client-1", 5], "azp": "client-1"}, "launch.audience"),
        ({"aud": ["client-1", "client-2"], "azp": "client-2"}, "launch.audience"),
        ({"azp": "client-2"}, "launch.audience"),
        ({"iat": 11111, "exp": 22222}, "launch.expired"),
        ({"iat": None}, "launch.time_missing"),
        ({"exp": None}, "launch.time_missing"),
        ({"exp": "tomorrow"}, "launch.time_missing"),
        ({"iat": True}, "launch.time_missing"),
        ({"exp": 10**400}, "launch.time_missing"),
        ({"nonce": None}, "launch.nonce"),
        ({"nonce": "never-issued"}, "launch.nonce"),
        ({"nonce": 5}, "launch.nonce"),
        ({CLAIM + "version": "11.3"}, "launch.version"),
        ({CLAIM + "version": None}, "launch.version"),
        ({CLAIM + "version": 1.3}, "launch.version"),
        ({CLAIM + "message_type": None}, "launch.message_unknown"),
        ({CLAIM + "message_type": "Other"}, "launch.message_unknown"),
        ({CLAIM + "message_type": ["LtiResourceLinkRequest"]}, "launch.message_unknown"),
        ({CLAIM + "message_type": "LtiStartProctoring"}, "launch.message_unsupported"),
        ({CLAIM + "message_type": "DataPrivacyLaunchRequest"}, "launch.person_missing"),
        ({CLAIM + "message_type": "LtiEulaRequest"}, "launch.message_unsupported"),
        ({CLAIM + "message_type": "LtiSubmissionReviewRequest"}, "launch.for_user_missing"),
        ({CLAIM + "roles": None}, "launch.roles_missing"),
        ({CLAIM + "roles": "Learner"}, "launch.claim_malformed"),
        ({CLAIM + "roles": [1]}, "launch.claim_malformed"),
        ({CLAIM + "deployment_id": None}, "launch.deployment_missing"),
        ({CLAIM + "deployment_id": ""}, "launch.deployment_missing"),
        ({CLAIM + "deployment_id": "2"}, "launch.deployment_unknown"),
        ({CLAIM + "deployment_id": 1}, "launch.claim_malformed"),
        ({CLAIM + "deployment_id": "1\x00"}, "launch.claim_malformed"),
        ({CLAIM + "resource_link": None}, "launch.link_missing"),
        ({CLAIM + "resource_link": {}}, "launch.link_missing"),
        ({CLAIM + "resource_link": "1"}, "launch.claim_malformed"),
        ({CLAIM + "resource_link": {"id": 5}}, "launch.claim_malformed"),
        ({CLAIM + "resource_link": {"id": "x" * 256}}, "launch.claim_malformed"),
        ({CLAIM + "context": "course"}, "launch.claim_malformed"),
        ({CLAIM + "context": {"id": "c\ud800"}}, "launch.claim_malformed"),
        ({CLAIM + "target_link_uri": None}, "launch.target_missing"),
        ({CLAIM + "target_link_uri": "https://evil.example.org/"}, "launch.target_foreign"),
        ({"sub": None}, "launch.anonymous"),
        ({"sub": ""}, "launch.anonymous"),
        ({"sub": 8}, "launch.subject_invalid"),
        ({"sub": "x" * 256}, "launch.subject_invalid"),
        ({"sub": "8\x00"}, "launch.subject_invalid"),
        ({"sub": "😀"}, "launch.subject_invalid"),
    ],
)
def test_a_claim_that_is_wrong_is_refused_by_name(desk: Desk, changes: dict[str, Any], code: str) -> None:
    assert bad(desk, **changes) == code


def test_a_signed_token_with_nothing_in_it_is_refused(desk: Desk) -> None:
    sent, secret = desk.login()
    form = {"id_token": resign.sign({"name": "badltilaunch"}), "state": sent["state"]}
    assert code_of(desk, form, secret) == "launch.issuer"


@pytest.mark.parametrize(
    ("ahead", "life", "code"),
    [
        (7200, 60, "launch.not_yet_valid"),
        (61, 60, "launch.not_yet_valid"),
        (60, 60, ""),
        (5, 60, ""),
        (-119, 60, ""),
        (-120, 60, "launch.expired"),
        (-660, 3600, ""),
        (-661, 3600, "launch.token_old"),
        (-86400, 90000, "launch.token_old"),
    ],
)
def test_clocks_may_differ_by_a_minute(desk: Desk, ahead: int, life: int, code: str) -> None:
    at = int(desk.now.timestamp()) + ahead
    if code:
        assert bad(desk, iat=at, exp=at + life) == code
    else:
        launched(desk.launch(iat=at, exp=at + life))


def test_not_before_is_obeyed(desk: Desk) -> None:
    assert bad(desk, nbf=int(desk.now.timestamp()) + 61) == "launch.not_yet_valid"
    assert bad(desk, nbf="soon") == "launch.not_yet_valid"
    launched(desk.launch(nbf=int(desk.now.timestamp()) + 60))


# --- state, nonce and browser ---


def test_a_launch_is_accepted_once(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    form = {"id_token": token, "state": sent["state"]}
    launch = launched(desk.receive(form, secret))
    for brought in (secret, None, "another"):
        with pytest.raises(Refused) as caught:
            desk.receive(form, brought)
        assert caught.value.code == "launch.state_used"
    assert launch.reference


def test_a_double_click_goes_to_the_live_session_for_ten_seconds(desk: Desk) -> None:

    token, sent, secret = token_of(desk)
    form = {"id_token": token, "state": sent["state"]}
    launch = launched(desk.receive(form, secret))
    opened = open_session(desk.session, launch, desk.now)
    lti.log_launch(desk.session, launch, desk.now, web_session_id=opened)
    assert desk.receive(form, secret, desk.now + timedelta(seconds=10)) == lti.Replayed(opened)
    for brought, later in ((None, 1), ("another", 1), (secret, 11)):
        with pytest.raises(Refused) as caught:
            desk.receive(form, brought, desk.now + timedelta(seconds=later))
        assert caught.value.code == "launch.state_used"


def test_a_refused_launch_has_used_its_state(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    assert code_of(desk, {"id_token": "", "state": sent["state"]}, secret) == "launch.token_missing"
    assert code_of(desk, {"id_token": token, "state": sent["state"]}, secret) == "launch.state_used"


def test_a_nonce_of_another_login_is_refused(desk: Desk) -> None:
    other, _ = desk.login()
    sent, secret = desk.login()
    form = {"id_token": resign.sign(resign.fresh(CLAIMS, other["nonce"], desk.now)), "state": sent["state"]}
    assert code_of(desk, form, secret) == "launch.nonce"


@pytest.mark.parametrize("state", ["x" * 43, "", "<b>", "\x00" * 43, "\ud800" * 43, "x" * 100000])
def test_a_state_that_is_not_ours_is_refused(desk: Desk, state: str) -> None:
    token, _, secret = token_of(desk)
    expected = "launch.state_unknown" if state else "launch.state_missing"
    assert code_of(desk, {"id_token": token, "state": state}, secret) == expected


def test_a_login_expires(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    with pytest.raises(Refused) as caught:
        desk.receive({"id_token": token, "state": sent["state"]}, secret, desk.now + timedelta(minutes=10))
    assert caught.value.code == "launch.state_expired"


def test_a_cookie_of_another_login_is_refused_and_none_is_said_to_be_none(desk: Desk) -> None:
    token, sent, _ = token_of(desk)
    _, other = desk.login()
    assert code_of(desk, {"id_token": token, "state": sent["state"]}, other) == "launch.browser_other"
    token, sent, _ = token_of(desk)
    assert launched(desk.receive({"id_token": token, "state": sent["state"]}, None)).binding == "none"


def test_a_state_of_one_platform_takes_no_token_of_another(desk: Desk) -> None:
    other = Desk(desk.session, desk.now, client_id="client-2")
    sent, secret = other.login()
    form = {"id_token": resign.sign(resign.fresh(CLAIMS, sent["nonce"], desk.now)), "state": sent["state"]}
    assert code_of(desk, form, secret) == "launch.audience"


def test_an_error_of_the_platform_is_told_in_its_words(desk: Desk) -> None:
    sent, secret = desk.login()
    with pytest.raises(Refused) as caught:
        desk.receive({"error": "access_denied", "error_description": "Not <b>you", "state": sent["state"]}, secret)
    assert (caught.value.code, caught.value.params["words"]) == ("launch.platform_error", "Not <b>you")
    sent, secret = desk.login()
    assert code_of(desk, {"error": "login_required", "state": sent["state"]}, secret) == (
        "launch.platform_login_required"
    )


def test_a_platform_disabled_meanwhile_launches_nobody(desk: Desk) -> None:
    token, sent, secret = token_of(desk)
    desk.platform.is_disabled = True
    desk.session.flush()
    assert code_of(desk, {"id_token": token, "state": sent["state"]}, secret) == "launch.platform_disabled"


def test_old_logins_are_swept(desk: Desk) -> None:
    desk.login()
    assert lti.sweep(desk.session, desk.now + timedelta(hours=24), timedelta(days=90)) == 0
    assert lti.sweep(desk.session, desk.now + timedelta(hours=25), timedelta(days=90)) == 1


# --- roles and descriptions ---


@pytest.mark.parametrize(
    ("roles", "learner", "instructor", "administrator"),
    [
        ([], False, False, False),
        ([""], False, False, False),
        (["Learner"], True, False, False),
        (["Instructor"], False, True, False),
        ([MEMBERSHIP + "Mentor"], False, False, False),
        ([MEMBERSHIP + "Mentor", INSTITUTION + "Instructor"], False, False, False),
        (["urn:unknown"], False, False, False),
        ([MEMBERSHIP + "Learner", "urn:unknown"], True, False, False),
        ([MEMBERSHIP + "Learner", MEMBERSHIP + "Instructor"], True, True, False),
        (["http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"], False, True, False),
        ([INSTITUTION + "Student"], True, False, False),
        ([INSTITUTION + "Instructor", SYSTEM + "Administrator"], False, True, True),
        ([SYSTEM + "None", INSTITUTION + "None", MEMBERSHIP + "Learner"], True, False, False),
        ([MEMBERSHIP + "None", INSTITUTION + "Student"], True, False, False),
        ([MEMBERSHIP + "Learner", INSTITUTION + "Instructor"], True, False, False),
        ([MEMBERSHIP + "Administrator", MEMBERSHIP + "Instructor"], False, True, True),
        ([INSTITUTION + "Staff", INSTITUTION + "Faculty"], False, False, False),
    ],
)
def test_roles(desk: Desk, roles: list[str], learner: bool, instructor: bool, administrator: bool) -> None:
    launch = launched(desk.launch(**{CLAIM + "roles": roles}))
    assert (launch.is_learner, launch.is_instructor, launch.is_administrator) == (learner, instructor, administrator)


@pytest.mark.parametrize("audience", [["client-1"], ["other", "client-1"]])
def test_audiences_may_be_lists(desk: Desk, audience: list[str]) -> None:
    launched(desk.launch(aud=audience, azp="client-1"))


def test_a_launch_without_course_or_names_works(desk: Desk) -> None:
    launch = launched(desk.launch(**{CLAIM + "context": None, "unknown": [1, {"x": None}]}))
    assert (launch.context_id, launch.name, launch.lineitems_url, launch.ags_scopes) == (
        f"link:{launch.resource_link_id}",
        "",
        "",
        (),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("zh_cn", "zh-Hans"), ("zh", "zh-Hans"), ("zh-Hant-TW", "zh-Hant"), ("zh_tw", "zh-Hant"), ("zh-SG", "zh-Hans"),
        ("zh_cn_kids", "zh-Hans"), ("en", "en"), ("EN_us", "en-US"), ("pt_br", "pt-BR"), ("<b>", ""), ("", ""),
    ],
)  # fmt: skip
def test_languages(desk: Desk, given: str, expected: str) -> None:
    assert launched(desk.launch(**{CLAIM + "launch_presentation": {"locale": given}})).locale == expected


def test_what_a_host_writes_is_cleaned(desk: Desk) -> None:
    launch = launched(
        desk.launch(
            name="\u202e王\x00秀兰\ud800\n",
            **{
                CLAIM + "custom": {"a": "$ResourceLink.id.history", "b": 5, "c": None, "d": {"x": 1}, "nengli_e": "f"},
                CLAIM + "launch_presentation": {"return_url": "javascript:alert(1)", "document_target": "iframe"},
                "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": {
                    "lineitems": "https://lms.example.org/items?type_id=1",
                    "lineitem": "",
                    "scope": ["https://purl.imsglobal.org/spec/lti-ags/scope/score"],
                },
            },
        )
    )
    assert launch.name == "王秀兰"
    assert launch.custom == {"b": "5", "nengli_e": "f"}
    assert (launch.return_url, launch.lineitem_url) == ("", "")
    assert launch.lineitems_url == "https://lms.example.org/items?type_id=1"
    assert desk.session.exec(select(lti.ResourceLink)).one().custom == {"nengli_e": "f"}
    assert launch.platform_origin == "https://lms.example.org"
    assert launch.target_link_uri.startswith(TOOL)
