"""The fakes answer as the hosts did: recorded exchanges with Moodle 4.5.6 and the Open edX consumer 9.13.4, repeated.

`moodle_4_5/services.json` and `openedx/9_13_4/services.json` are excerpts of what was recorded on the wire, in an order
in which each exchange finds the state that it found then.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from joserfc import jws

from tests.hosts import fake, resign

HERE = Path(__file__).resolve().parent
MOODLE = json.loads((HERE / "moodle_4_5" / "services.json").read_text(encoding="utf-8"))
EDX = json.loads((HERE / "openedx" / "9_13_4" / "services.json").read_text(encoding="utf-8"))
CLIENT = "1ogsuyHM8yCrYje"
GRADED = ("8", "9", "10", "11", "12", "13", "14", "15", "16", "17")
INSTRUCTOR, LEARNER = fake.MEMBERSHIP + "Instructor", fake.MEMBERSHIP + "Learner"


def keys() -> dict[str, Any]:
    found = resign.jwks("tool", "scratch-1")
    for key in found["keys"]:
        key["alg"] = "RS256"
    return found


@pytest.fixture
def moodle() -> Iterator[fake.Host]:
    with fake.serving(fake.Moodle(keys, CLIENT)) as host:
        seed(host)
        yield host


def seed(host: fake.Host) -> None:
    """The course as it was: an activity with its column, teachers, students, one who is both."""
    host.add_item(label="DL activity", maximum=20, resource_id="act-1", tag="evidence", link="1")
    host.links = {"1"}
    whole = next(one for one in MOODLE["09_nrps"] if one["name"] == "all")
    for row in whole["answer"]["members"]:
        more = {key: row[key] for key in ("given_name", "family_name", "email", "ext_user_username")}
        person = fake.Person(row["user_id"], row["name"], tuple(fake.MEMBERSHIP + role for role in row["roles"]))
        person.name = person.name.replace("&amp;", "&")
        person.more = {key: value.replace("&amp;", "&") for key, value in more.items()}
        person.is_graded = row["user_id"] in (*GRADED, "20")
        host.enrol(person)


def token(host: fake.Host, *scopes: str) -> str:
    host.give_token(list(scopes))
    return list(host.tokens)[-1]


def long(value: Any) -> Any:
    """`<L repeated 300 times>` written out."""
    if isinstance(value, dict):
        return {key: long(one) for key, one in value.items()}
    found = re.fullmatch(r"<(.) repeated (\d+) times>", value) if isinstance(value, str) else None
    return found[1] * int(found[2]) if found else value


def ask(host: fake.Host, one: dict[str, Any], bearer: str) -> requests.Response:
    """The recorded request once more."""
    headers = {"Accept": one.get("accept"), "Content-Type": one.get("content_type"), "Authorization": bearer}
    body = one.get("body")
    if body is not None and not isinstance(body, str):
        body = json.dumps(long(body), indent=1 if "pretty" in one["name"] else None)
    with requests.Session() as session:
        session.trust_env = False
        request = requests.Request(one["method"], host.url + one["target"], data=body and body.encode())
        prepared = request.prepare()
        for name, value in headers.items():
            prepared.headers.pop(name, None)
            if value:
                prepared.headers[name] = value
        return session.send(prepared, timeout=10)


def same(answer: requests.Response, one: dict[str, Any], host: fake.Host, old: str) -> None:
    assert answer.status_code == one["status"], (answer.status_code, answer.text)
    said = answer.raw.reason.encode("latin-1", "replace").decode("utf-8", "replace") if answer.raw.reason else ""
    if one["status"] != 200 and "reason" in one:
        words = one["reason"].partition("{")[0].partition("[")[0].strip()
        assert said.startswith(words), (said, words)
    assert (answer.headers.get("Content-Type") or "").split(";")[0] == (one.get("media") or "").split(";")[0]
    text = answer.text.replace(host.url, old)
    expected = one.get("answer")
    if expected is None or isinstance(expected, str):
        assert bool(text.strip()) == bool(expected)
        return
    found = json.loads(text)
    assert bare(found) == bare(expected)


def bare(answer: Any) -> Any:
    """An answer without what the fakes do not keep: the request told back, an activity's own dates, staff numbers."""
    if isinstance(answer, list):
        return [bare(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        key: bare(one) if key == "members" else one
        for key, one in answer.items()
        if key not in ("request", "startDateTime", "lis_person_sourcedid", "context")
    }


# --- Moodle ---


@pytest.mark.parametrize("one", MOODLE["06_token"], ids=lambda one: one["name"])
def test_moodle_tokens(moodle: fake.Host, one: dict[str, Any]) -> None:
    form, assertion = dict(one.get("form") or {}), one.get("assertion")
    at = 1795301231
    if assertion:
        head, claims = assertion["header"], assertion["claims"]
        name = "somebody else" if one["name"] == "wrong_key_same_kid" else "tool"
        signed = jws.serialize_compact(
            head, json.dumps(claims).encode(), resign.signing_key(name), algorithms=["RS256"]
        )
        form["client_assertion"] = signed
    moodle.clock = lambda: datetime.fromtimestamp(at, UTC)
    body = form if "json" in one.get("content_type", "") else urlencode(form)
    answer = ask(moodle, {**one, "body": body}, "")
    assert answer.status_code == one["status"]
    assert answer.headers["Content-Type"] == one["media"]
    if isinstance(one["answer"], str):
        assert answer.text == one["answer"]
        with pytest.raises(ValueError, match="Expecting"):
            answer.json()
        return
    found = answer.json()
    found.pop("access_token", None)
    assert found == {key: value for key, value in one["answer"].items() if key != "access_token"}


def test_moodle_columns_scores_and_roster(moodle: fake.Host) -> None:
    """One long course of exchanges, in the order of the file."""
    old, everything = "http://localhost:8181", (fake.LINE_ITEM, fake.SCORE, fake.RESULT, fake.NAMES)
    failures = []
    for part in ("07_ags_lineitems", "08_ags_scores_results", "09_nrps"):
        for one in MOODLE[part]:
            bearer = "Bearer " + token(moodle, *everything)
            if one["name"] in ("score_token_lacks_scope", "li_create_with_readonly_token", "no_scope"):
                bearer = "Bearer " + token(moodle, fake.READ, fake.RESULT)
            if one["name"] in ("score_no_auth", "score_bad_token"):
                bearer = one.get("authorization", "")
            if one["name"] == "score_lower_bearer":
                bearer = bearer.replace("Bearer", "bearer")
            if one["name"] == "edge_locked_manual":
                moodle.items[6].is_locked = True
            answer = ask(moodle, one, bearer)
            try:
                same(answer, one, moodle, old)
                if "link" in one:
                    link = answer.headers["Link"].encode("latin-1").decode().replace(moodle.url, old)
                    for rel in re.findall(r"<[^>]*>; rel=[“\"](?:next|first)[”\"]", one["link"]):
                        assert rel in link, (rel, link)
            except AssertionError as error:
                failures.append((one["name"], str(error)[:300]))
    assert not failures, "\n".join(map(str, failures))


# --- Open edX ---

LINH = "ea35cd95-0a15-51de-8524-deb64e2b663a"
ORDER = (
    "get",
    "list",
    "list_accept_json",
    "list_bad_token",
    "list_no_token",
    "list_filter_resource_link_id_camel",
    "list_filter_tag_none",
    "list_limit",
    "score_fully_graded",
    "score_same_timestamp",
    "score_older_timestamp",
    "score_naive_timestamp",
    "score_z_timestamp",
    "score_zero",
    "score_above_max",
    "score_pending_manual",
    "score_no_max",
    "score_unknown_user",
    "score_bad_progress",
    "score_json_ct",
    "score_future_timestamp",
    "score_after_future",
    "score_unicode_comment",
    "score_submission_field",
    "score_with_result_scope",
    "results_user",
    "create_declarative",
)


def test_open_edx_columns_and_scores() -> None:
    by_name = {one["name"]: one for one in EDX["ags_declarative"]}
    block = "block-v1:DNU+ICT101+2026+type@lti_consumer+block@evidence"
    failures = []
    with fake.serving(fake.OpenEdx(keys, CLIENT)) as host:
        assert isinstance(host, fake.OpenEdx)
        host.items[1] = fake.Item(1, "1", "Evidence", 10, block, "", block)
        host.items[1].tag = by_name["get"]["answer"]["tag"]
        host.enrol(fake.Person(LINH))
        for name in ORDER:
            one = by_name[name]
            bearer = "Bearer " + token(host, fake.LINE_ITEM, fake.SCORE, fake.RESULT)
            if name == "score_with_result_scope":
                bearer = "Bearer " + token(host, fake.RESULT)
            if name in ("list_bad_token", "list_no_token"):
                bearer = "Bearer x" if name == "list_bad_token" else ""
            host.published.clear()
            answer = ask(host, one, bearer)
            try:
                if name == "results_user":
                    (row,) = answer.json()
                    assert set(row) == set(one["answer"][0])
                elif name == "create_declarative":
                    assert answer.status_code == 201
                    assert set(answer.json()) == set(one["answer"])
                else:
                    same(answer, one, host, "http://localhost:8802")
                if "grade_events" in one:
                    wanted = [event["data"]["value"] / event["data"]["max_value"] for event in one["grade_events"]]
                    assert [share for _who, share in host.published] == wanted
            except AssertionError as error:
                failures.append((name, str(error)[:300]))
    assert not failures, "\n".join(map(str, failures))


def test_open_edx_refuses_columns() -> None:
    by_name = {one["name"]: one for one in EDX["ags_programmatic"]}
    with fake.serving(fake.OpenEdx(keys, CLIENT)) as host:
        for name in ("list_empty", "create_float_max", "create_json_ct", "create_none", "delete"):
            answer = ask(host, by_name[name], "Bearer " + token(host, fake.LINE_ITEM))
            assert (name, answer.status_code, answer.json()) == (name, by_name[name]["status"], by_name[name]["answer"])


def test_open_edx_gives_the_whole_roster_whatever_is_asked() -> None:
    with fake.serving(fake.OpenEdx(keys, CLIENT)) as host:
        rows = next(one for one in EDX["nrps"] if one["name"] == "members")["answer"]["members"]
        host.enrol(*(fake.Person(row["user_id"], "", tuple(row["roles"])) for row in rows))
        for one in EDX["nrps"]:
            answer = ask(host, one, "Bearer " + token(host, fake.NAMES))
            assert "Link" not in answer.headers
            assert sorted(row["user_id"] for row in answer.json()["members"]) == sorted(
                row["user_id"] for row in one["answer"]["members"]
            )


def test_open_edx_tokens() -> None:
    now = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    at, answers = int(now.timestamp()), {one["name"]: one for one in EDX["token"]}
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": "x", "iat": at, "exp": at + 60, "jti": "j"}
    form = {"grant_type": "client_credentials", "client_assertion_type": fake.ASSERTION_TYPE, "scope": fake.NAMES}
    changes: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "expired": ({"exp": at - 60}, {}),
        "iat_future": ({"iat": at + 600}, {}),
        "garbage_assertion": ({}, {"client_assertion": "a.b.c"}),
        "missing_scope_param": ({}, {"scope": ""}),
        "no_exp": ({"exp": None}, {}),
        "no_jti": ({"jti": None}, {}),
        "unknown_scope_only": ({}, {"scope": "https://example.org/x"}),
        "wrong_assertion_type": ({}, {"client_assertion_type": "x"}),
        "wrong_aud": ({"aud": "https://elsewhere.example"}, {}),
        "wrong_grant": ({}, {"grant_type": "password"}),
        "wrong_iss_sub": ({"iss": "x", "sub": "x"}, {}),
    }
    with fake.serving(fake.OpenEdx(keys, CLIENT)) as host:
        host.clock = lambda: now
        for name, (changed, fields) in changes.items():
            whole = {key: value for key, value in {**claims, **changed}.items() if value is not None}
            head = {"alg": "RS256", "kid": "scratch-1"}
            signed = jws.serialize_compact(head, json.dumps(whole).encode(), resign.signing_key("tool"), ["RS256"])
            sent = {**form, "client_assertion": signed, **fields}
            answer = requests.post(
                host.token_url, data={key: value for key, value in sent.items() if value}, timeout=10
            )
            found = {key: value for key, value in answer.json().items() if key != "access_token"}
            assert (name, answer.status_code, found) == (name, answers[name]["status"], answers[name]["answer"])
