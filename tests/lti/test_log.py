"""The launch log: which checks a row went through, what it keeps of a token, and who can mend what it names."""

import ast
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import errors_page
import pytest
from sqlmodel import col, select

import lti
from lms_plugin.errors import Refused
from tests.hosts import resign
from tests.lti.desk import CLAIM, CLAIMS, MEMBERSHIP, Desk

PART = Path(lti.__file__).parent


def last(desk: Desk) -> lti.LaunchLog:
    return desk.session.exec(select(lti.LaunchLog).order_by(col(lti.LaunchLog.id).desc()).limit(1)).one()


def results(row: lti.LaunchLog) -> dict[str, str]:
    return {step.check: step.result.value for step in lti.steps(row.outcome, row.checks)}


def refused(desk: Desk, **changes: Any) -> lti.LaunchLog:
    with pytest.raises(Refused):
        desk.launch(**changes)
    return last(desk)


def test_a_launch_that_succeeds_passed_every_check_and_keeps_no_list(desk: Desk) -> None:
    desk.launch()
    assert set(results(last(desk)).values()) == {"passed"}
    assert last(desk).checks == {}


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"exp": 1}, "time"),
        ({"nonce": "another"}, "nonce"),
        ({CLAIM + "message_type": None}, "message"),
        ({CLAIM + "version": "11.3"}, "version"),
        ({CLAIM + "deployment_id": "9"}, "deployment"),
        ({CLAIM + "deployment_id": 9}, "deployment"),
        ({CLAIM + "target_link_uri": None}, "target"),
        ({CLAIM + "target_link_uri": [1]}, "target"),
        ({CLAIM + "roles": None}, "roles"),
        ({CLAIM + "roles": "Learner"}, "roles"),
        ({"sub": None}, "subject"),
        ({CLAIM + "context": "course"}, "claims"),
        ({CLAIM + "resource_link": None}, "link"),
    ],
)
def test_what_came_before_the_refusal_passed_and_what_comes_after_was_not_asked(
    desk: Desk, changes: dict[str, Any], failed: str
) -> None:
    found = list(results(refused(desk, **changes)).items())
    at = [check for check, _result in found].index(failed)
    assert found[at][1] == "failed"
    assert {result for _check, result in found[:at]} == {"passed"}
    assert {result for _check, result in found[at + 1 :]} <= {"not_asked"}


def test_a_browser_without_cookies_is_noted_and_not_refused(desk: Desk) -> None:
    sent, _secret = desk.login()
    token = resign.sign(resign.fresh(CLAIMS, sent["nonce"], desk.now))
    desk.receive({"id_token": token, "state": sent["state"]}, None)
    found = results(last(desk))
    assert found.pop("browser") == "noted"
    assert set(found.values()) == {"passed"}


def test_rows_of_the_first_version_read_alike(desk: Desk) -> None:
    kept = {"state": "ok", "browser": "no cookie", "token": "ok", "key": "launch.key_unknown"}
    found = {step.check: step.result.value for step in lti.steps("launch.key_unknown", kept)}
    assert (found["state"], found["browser"], found["key"]) == ("passed", "noted", "failed")
    assert found["signature"] == "not_asked"


def test_a_login_that_is_refused_has_its_own_checks(desk: Desk) -> None:
    with pytest.raises(Refused):
        desk.login(login_hint=None)
    assert results(last(desk)) == {
        "issuer": "passed",
        "client": "passed",
        "platform": "passed",
        "login_hint": "failed",
        "target": "not_asked",
    }


def test_no_name_no_address_and_no_whole_user_id_is_kept(desk: Desk) -> None:
    desk.launch(
        sub="wang.xiulan.1971",
        name="王秀兰",
        given_name="秀兰",
        email="wang@school.example",
        **{
            CLAIM + "custom": {"phone": "13800000000", "nengli_programme": "x"},
            CLAIM + "lis": {"person_sourcedid": "G-1971"},
            CLAIM + "roles": [MEMBERSHIP + "Learner", "wang@school.example", "urn:lti:role:ims/lis/Learner", "x" * 300],
            CLAIM + "target_link_uri": "https://tool.example.org/lti/launch?who=wang",
        },
    )
    row = last(desk)
    kept = json.dumps(row.model_dump(mode="json"), ensure_ascii=False)
    for secret in ("王秀兰", "秀兰", "wang@", "13800000000", "G-1971", "xiulan", "who="):
        assert secret not in kept
    assert row.claims == {
        "message": "LtiResourceLinkRequest",
        "version": "1.3.0",
        "deployment": "1",
        "context": "course-1",
        "link": "link-1",
        "roles": "membership#Learner ? ? ?",
        "subject": "wang.x…",
    }
    assert row.context_id == "course-1"
    refused_row = refused(desk, **{CLAIM + "target_link_uri": "https://other.example/a?token=secret"})
    assert refused_row.detail == "https://other.example/a"


def test_what_a_token_said_is_kept_only_when_its_signature_was_right(desk: Desk) -> None:
    sent, secret = desk.login()
    token = resign.sign(resign.fresh(CLAIMS, sent["nonce"], desk.now))
    head, _payload, signature = token.split(".")
    other = resign.sign(resign.fresh(CLAIMS, sent["nonce"], desk.now, sub="99")).split(".")[1]
    with pytest.raises(Refused):
        desk.receive({"id_token": f"{head}.{other}.{signature}", "state": sent["state"]}, secret)
    assert (last(desk).outcome, last(desk).claims, last(desk).context_id) == ("launch.signature", {}, "")


def test_every_refusal_has_somebody_who_can_mend_it() -> None:
    codes = {code for code in errors_page.messages() if code.split(".")[0] in ("login", "launch", "register")}
    assert codes - lti.MENDS.keys() == set()
    assert lti.MENDS.keys() <= errors_page.messages().keys()


def test_every_check_stands_in_its_order_and_has_words() -> None:
    words = errors_page.messages()
    for way, order in lti.ORDERS.items():
        for check in order:
            assert f"check.{way}_{check}" in words
    for module, way in (("login.py", "login"), ("launch.py", "launch")):
        noted = set()
        for node in ast.walk(ast.parse((PART / module).read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("ok", "refusal")
            ):
                first = node.args[0]
                noted |= {first.value} if isinstance(first, ast.Constant) else set()
        assert {check for check in noted if check} <= set(lti.ORDERS[way]), module


@pytest.mark.parametrize("typed", ["K7QF-2M9X", "k7qf2m9x", " k7qf 2m9x ", "K7QF—2M9X", "Ｋ"])
def test_a_reference_is_found_however_it_was_typed(typed: str) -> None:
    found = lti.reference_of(typed)
    assert re.fullmatch(r"K7QF-2M9X|", found)


def test_a_district_finds_its_own_rows_and_the_operator_all(desk: Desk) -> None:
    other = Desk(desk.session, desk.now, client_id="client-2")
    desk.launch()
    other.launch(aud="client-2")
    with pytest.raises(Refused) as stranger:
        lti.begin_login(
            desk.session, desk.initiation(iss="https://nobody.example"), desk.tool + "/lti/launch", desk.now
        )
    own, unknown = desk.platform.tenant_id, stranger.value.params["reference"]
    assert [row.tenant_id for row in lti.launch_rows(desk.session, lti.Wanted(own), 0, 9)] == [own]
    assert lti.launch_row(desk.session, own, unknown) is None
    assert lti.launch_row(desk.session, None, unknown) is not None
    assert [row.reference for row in lti.launch_rows(desk.session, lti.Wanted(None, refused=True), 0, 9)] == [unknown]
    assert lti.count_launches(desk.session, lti.Wanted(None)) == 3
    assert lti.count_launches(desk.session, lti.Wanted(own, platform_id=other.platform.id)) == 0
    assert lti.count_launches(desk.session, lti.Wanted(own, context_id="course-1")) == 1
    assert lti.count_launches(desk.session, lti.Wanted(own, context_id="course-2")) == 0


def test_the_log_is_kept_as_long_as_the_setting_says(desk: Desk) -> None:
    desk.launch()
    lti.sweep(desk.session, desk.now + timedelta(days=7), timedelta(days=7))
    assert lti.count_launches(desk.session, lti.Wanted(None)) == 1
    lti.sweep(desk.session, desk.now + timedelta(days=7, seconds=1), timedelta(days=7))
    assert lti.count_launches(desk.session, lti.Wanted(None)) == 0
