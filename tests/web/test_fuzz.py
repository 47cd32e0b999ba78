"""Whatever is sent to the door: an answer below 500; where it is a refusal, nothing is written but the launch log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

import lti
from lms_plugin.db import pk
from lms_plugin.people import Tenant
from tests import people as cast
from tests.factories import World, link_request
from tests.fuzzing import CLAIM_CHANGES, DEEP, JSON, ODD, TEXT, examples
from tests.hosts import resign
from tests.serving import SECRET
from tests.web.launching import CLAIM, INSTRUCTOR, LEARNER, Host, claims_of, row_counts, written

LOG = {"lti_launch_log", "lti_key_set"}  # what became of it, and a key set that was asked for
VALUES = TEXT | ODD


@pytest.fixture
def host(session: Session, now: Any) -> Host:
    """A registered host whose keys are known."""
    tenant = Tenant(name="平安县", created_at=now)
    session.add(tenant)
    session.flush()
    made = Host(session, pk(tenant), now, "http://127.0.0.1:1/jwks")
    session.add(lti.KeySet(url=made.jwks_url, body=resign.jwks(), fetched_at=now, tried_at=now, answered_at=now))
    session.commit()
    return made


@contextmanager
def unharmed(session: Session) -> Iterator[list[Any]]:
    """The answers put into the list are below 500; refusals among them have written nothing but the log."""
    answers: list[Any] = []
    before = row_counts(session)
    yield answers
    for answer in answers:
        assert answer.status_code < 500, answer.text
    if all(answer.status_code >= 400 for answer in answers):
        grown = written(before, row_counts(session))
        assert set(grown) <= LOG, grown


def test_the_count_counts(session: Session, host: Host) -> None:
    with pytest.raises(AssertionError), unharmed(session):
        lti.ensure_tool_key(session, SECRET, host.now)


def sent_to(text: str) -> str:
    """As a browser can send it: lone surrogates do not travel."""
    return text.encode("utf-8", "replace").decode()


@examples(0.5)
@given(changes=CLAIM_CHANGES, picks=st.booleans())
def test_claims(tool: Flask, session: Session, host: Host, changes: dict[str, Any], picks: bool) -> None:
    client = tool.test_client()
    sent = host.login(client)
    claims = claims_of("8", INSTRUCTOR if picks else LEARNER, tool=host.tool)
    if picks:
        claims[CLAIM + "message_type"] = "LtiDeepLinkingRequest"
        settings = {"deep_link_return_url": host.issuer + "/return", "accept_types": ["ltiResourceLink"]}
        claims["https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"] = settings
    whole = {"iss": host.issuer, "aud": host.client_id, **resign.fresh(claims, sent["nonce"], host.now), **changes}
    with unharmed(session) as answers:
        answers.append(client.post("/lti/launch", data={"id_token": resign.sign(whole), "state": sent["state"]}))


@examples(0.3)
@given(
    payload=st.binary(max_size=200)
    | st.integers(100, 20_000).map(lambda depth: b'{"sub":' + b"[" * depth + b"]" * depth + b"}")
    | st.integers(400, 6000).map(lambda digits: b'{"exp": 1' + b"0" * digits + b"}"),
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jku", "x5c", "b64", "zip", "cty"]), JSON),
    raw=st.none() | VALUES,
)
def test_tokens(
    tool: Flask, session: Session, host: Host, payload: bytes, header: dict[str, Any], raw: str | None
) -> None:
    client = tool.test_client()
    sent = host.login(client)
    token = sent_to(raw) if raw is not None else signed(payload, header)
    with unharmed(session) as answers:
        answers.append(client.post("/lti/launch", data={"id_token": token, "state": sent["state"]}))
        assert answers[0].status_code >= 400


def signed(payload: bytes, header: dict[str, Any]) -> str:
    """A token with that payload; the header says what it likes, the signature is right where it can be."""
    head, _claims, signature = resign.sign(payload).split(".")
    if not header:
        return f"{head}.{_claims}.{signature}"
    return f"{resign.encoded({'alg': 'RS256', 'kid': resign.KID, **header})}.{_claims}.{signature}"


@examples(0.5)
@given(
    form=st.dictionaries(
        st.sampled_from(["state", "id_token", "error", "error_description", "proof", "utf8", "a" * 300]), VALUES
    ),
    keeps=st.booleans(),
    cookies=st.dictionaries(st.sampled_from(["__Host-nengli", "__Host-nengli-login-" + "0" * 16]), TEXT),
)
def test_launch_forms(
    tool: Flask, session: Session, host: Host, form: dict[str, str], keeps: bool, cookies: dict[str, str]
) -> None:
    client = tool.test_client()
    sent = host.login(client) if keeps else {}
    header = "; ".join(f"{name}={value}" for name, value in cookies.items() if value.isascii() and value.isalnum())
    known = {"state": sent["state"]} if sent else {}
    data = {name: sent_to(value) for name, value in {**known, **form}.items()}
    with unharmed(session) as answers:
        answers.append(client.post("/lti/launch", data=data, headers={"Cookie": header} if header else {}))
        answers.append(client.get("/lti/launch", query_string=data))


INITIATION = ["iss", "client_id", "login_hint", "target_link_uri", "lti_message_hint", "lti_deployment_id",
              "lti_storage_target"]  # fmt: skip


@examples(0.5)
@given(changes=st.dictionaries(st.sampled_from(INITIATION), VALUES), alone=st.booleans(), posts=st.booleans())
def test_logins(tool: Flask, session: Session, host: Host, changes: dict[str, str], alone: bool, posts: bool) -> None:
    good = {
        "iss": host.issuer,
        "client_id": host.client_id,
        "login_hint": "8",
        "target_link_uri": host.tool + "/lti/launch",
    }
    sent = {name: sent_to(value) for name, value in {**({} if alone else good), **changes}.items()}
    client = tool.test_client()
    with unharmed(session) as answers:
        answers.append(client.post("/lti/login", data=sent) if posts else client.get("/lti/login", query_string=sent))


@examples(0.4)
@given(
    given_=st.dictionaries(
        st.sampled_from(["openid_configuration", "registration_token", "code", "confirm", "x"]),
        VALUES | st.sampled_from(["http://127.0.0.1:1/openid", "https://[::1]/", "ABCDE-ABCDE", "1"]),
    ),
    posts=st.booleans(),
)
def test_registrations(tool: Flask, session: Session, host: Host, given_: dict[str, str], posts: bool) -> None:
    sent = {name: sent_to(value) for name, value in given_.items()}
    client = tool.test_client()
    with unharmed(session) as answers:
        answers.append(
            client.post("/lti/register", data=sent) if posts else client.get("/lti/register", query_string=sent)
        )


@examples(0.3)
@given(
    fields=st.dictionaries(
        st.sampled_from(["item", "cancel", "csrf_token", "fingerprint", "x"]), st.lists(VALUES, max_size=4)
    ),
    link=st.none() | VALUES,
)
def test_deep_linking_answers(browse: Any, world: World, fields: dict[str, list[str]], link: str | None) -> None:
    row = link_request(world, cast.TRAINER)
    browser = browse(cast.TRAINER)
    data = {name: [sent_to(value) for value in values] for name, values in fields.items()}
    data.setdefault("csrf_token", [browser.csrf])
    uuid = row.uuid if link is None else sent_to(link).replace("/", "_").replace("?", "_").replace("#", "_") or "_"
    with unharmed(world.session) as answers:
        answers.append(browser.client.post(f"/links/{uuid}", data=data))


@examples(0.3)
@given(
    fields=st.dictionaries(
        st.sampled_from(["site", "issuer", "client_id", "deployment", "keyset", "auth_url", "token_url", "jwks_url",
                         "audience", "name"]), VALUES),
    product=st.sampled_from(["moodle", "openedx", "canvas", "brightspace", "blackboard", "other"]),
)  # fmt: skip
def test_platforms_by_hand(browse: Any, world: World, fields: dict[str, str], product: str) -> None:
    browser = browse(cast.IT)
    with unharmed(world.session) as answers:
        data = {name: sent_to(value) for name, value in fields.items()}
        answers.append(browser.post(f"/platforms/new/{product}", data))


@examples(0.3)
@given(
    asked=st.dictionaries(st.sampled_from(["reference", "page", "refused", "platform", "course"]), VALUES),
    path=VALUES,
)
def test_the_launch_log(browse: Any, world: World, asked: dict[str, str], path: str) -> None:
    browser = browse(cast.IT)
    with unharmed(world.session) as answers:
        sent = {name: sent_to(value) for name, value in asked.items()}
        answers.append(browser.client.get("/launches", query_string=sent))
        odd = sent_to(path).replace("/", "_").replace("?", "_").replace("#", "_") or "_"
        answers.append(browser.client.get(f"/launches/{odd}"))


@examples(0.2)
@given(deep=DEEP, now_off=st.integers(-(10**6), 10**6))
def test_one_deep_claim_at_a_time(tool: Flask, session: Session, host: Host, deep: Any, now_off: int) -> None:
    """Each known claim in turn holds something deep, and the clock is anywhere."""
    names = [*claims_of("8", LEARNER, tool=host.tool), "iat", "exp", "nonce", "iss", "aud", "azp"]
    client = tool.test_client()
    for name in names[:: max(1, abs(now_off) % 5)]:
        sent = host.login(client)
        claims = claims_of("8", LEARNER, tool=host.tool)
        at = host.now + timedelta(seconds=now_off)
        made = resign.fresh({"iss": host.issuer, "aud": host.client_id, **claims}, sent["nonce"], at)
        with unharmed(session) as answers:
            token = resign.sign({**made, name: deep})
            answers.append(client.post("/lti/launch", data={"id_token": token, "state": sent["state"]}))
    assert session.exec(select(lti.LaunchLog)).first() is not None
