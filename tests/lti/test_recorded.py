"""Launches as real hosts sent them, signed afresh: each lands, with the right roles, or gets the right refusal."""

from datetime import datetime
from typing import Any

import pytest
from sqlmodel import Session

import lti
from lms_plugin.errors import Refused
from tests.hosts import resign
from tests.lti.desk import CLAIM, MEMBERSHIP, Desk

MOODLE = dict(resign.moodle_launches())


def host_for(session: Session, now: datetime, claims: dict[str, Any]) -> Desk:
    tool = "/".join(claims[CLAIM + "target_link_uri"].split("/")[:3])
    return Desk(session, now, claims["iss"], claims["aud"], claims[CLAIM + "deployment_id"], tool)


@pytest.mark.parametrize("name", MOODLE)
def test_moodle_4_5(session: Session, now: datetime, name: str) -> None:
    form, claims = dict(MOODLE[name]["form"]), MOODLE[name]["claims"]
    whole = claims or MOODLE["resource_student"]["claims"]
    desk = host_for(session, now, whole)
    sent, secret = desk.login()
    if claims:
        nonce = claims["nonce"] if name.startswith("nonce_with_html") else sent["nonce"]
        form["id_token"] = resign.sign(resign.fresh(claims, nonce, now))
    if name not in ("empty_state_student", "state_with_html_student"):
        form["state"] = sent["state"]
    if name in resign.REFUSED:
        with pytest.raises(Refused) as caught:
            desk.receive(form, secret)
        assert caught.value.code == resign.REFUSED[name]
        return
    launch = desk.receive(form, secret)
    assert isinstance(launch, lti.Launch)
    roles = claims[CLAIM + "roles"]
    assert launch.is_learner == (MEMBERSHIP + "Learner" in roles)
    assert launch.is_instructor == (MEMBERSHIP + "Instructor" in roles)
    assert launch.is_administrator == (name == "resource_site_admin")
    assert (launch.product, launch.subject) == ("moodle", claims["sub"])
    assert launch.platform_origin == claims["iss"]
    assert launch.return_url.startswith(claims["iss"])
    assert not [value for value in launch.custom.values() if value.startswith("$")]
    assert bool(launch.name) == ("no_privacy" not in name)
    assert bool(launch.lineitem_url) == ("lineitem" in claims["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"])
    assert launch.locale == ("pt-BR" if name.startswith("locale_pt_br") else "en")


EDX_ROLES = {  # learner, instructor, administrator
    "linh": (True, False, False),
    "beta": (True, False, False),
    "hoa": (False, True, True),
    "quang": (False, True, False),
    "root": (False, True, True),
}
EDX = [
    pytest.param(version, claims, name.removesuffix("_evidence").split("_")[-1], id=f"{version}-{name}")
    for version in ("11_4_4", "9_13_4")
    for name, claims in resign.openedx_launches(version)
    if "deeplink" not in name
]


@pytest.mark.parametrize(("version", "claims", "who"), EDX)
def test_open_edx(session: Session, now: datetime, version: str, claims: dict[str, Any], who: str) -> None:
    desk = host_for(session, now, claims)
    sent, secret = desk.login()
    launch = desk.receive(
        {"id_token": resign.sign(resign.fresh(claims, sent["nonce"], now, 3600)), "state": sent["state"]}, secret
    )
    assert isinstance(launch, lti.Launch)
    assert launch.product == "openedx"
    learner, instructor, administrator = EDX_ROLES[who]
    if (version, who) == ("9_13_4", "root"):  # this version sends a site's staff as students
        learner, instructor = True, False
    assert (launch.is_learner, launch.is_instructor) == (learner, instructor)
    if version == "11_4_4":
        assert launch.is_administrator == administrator


@pytest.mark.parametrize("version", ["11_4_4", "9_13_4"])
def test_open_edx_deep_linking(session: Session, now: datetime, version: str) -> None:
    claims = dict(resign.openedx_launches(version))["launch_deeplink_hoa"]
    desk = host_for(session, now, claims)
    launch = desk.launch(claims)
    assert isinstance(launch, lti.Launch)
    asked = launch.deep_linking
    assert asked is not None
    assert (asked.accept_multiple, asked.accept_lineitem, asked.data) == (True, None, None)
    assert asked.return_url.endswith("/lti-dl/response")
    with pytest.raises(Refused, match=r"launch\.link_staff_only"):
        desk.launch({**claims, CLAIM + "roles": [MEMBERSHIP + "Learner"]})
