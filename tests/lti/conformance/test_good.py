"""Rows G: launches that must succeed."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from lms_plugin.people import CourseMember, Identity, Person
from tests.hosts import resign
from tests.lti.conformance.bench import CLAIM, INSTRUCTOR, LEARNER, MEMBERSHIP, Bench, Jar, Platform

INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
OTHERS = [MEMBERSHIP + "Mentor", INSTITUTION + "Staff", INSTITUTION + "Other"]
UNFILLED = {"number": 5, "nothing": None, "raw": "$ResourceLink.id.history"}
ASSISTANT = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"


def member_of(platform: Platform, subject: str = "8") -> CourseMember:
    """How the tool sees this person of the platform in the course of the latest launch."""
    with Session(platform.bench.engine) as session:
        identity = session.exec(
            select(Identity).where(Identity.issuer == platform.issuer, Identity.subject == subject)
        ).one()
        row = session.exec(
            select(CourseMember).where(CourseMember.person_id == identity.person_id).order_by(CourseMember.id.desc())
        ).first()
        assert row is not None
        session.expunge(row)
        return row


@pytest.mark.parametrize(
    ("row", "says", "roles", "learner", "instructor"),
    [
        ("G01", "Instructor", [INSTRUCTOR], False, True),
        ("G02", "Learner", [LEARNER], True, False),
        (
            "G03",
            "several roles: the context role decides",
            [MEMBERSHIP + "Mentor", INSTITUTION + "Staff", INSTITUTION + "Other", INSTRUCTOR],
            False,
            True,
        ),
        ("G04", "short role names", ["Instructor"], False, True),
        ("G04", "short role names", ["Learner"], True, False),
        ("G05", "a known and an unknown role", ["urn:nobody:knows", LEARNER], True, False),
        ("G06", "only an unknown role: the least rights", ["urn:nobody:knows"], False, False),
        ("G07", "roles []", [], False, False),
        ("G08", "roles ['']", [""], False, False),
        ("G20", "sub-roles, #None", [ASSISTANT], False, True),
        ("G20", "sub-roles, #None", [SYSTEM + "None", INSTITUTION + "None", LEARNER], True, False),
        ("G20", "sub-roles, #None", [SYSTEM + "None"], False, False),
    ],
)
def test_G01_G02_G03_G04_G05_G06_G07_G08_G20_roles(
    platform: Platform, row: str, says: str, roles: list[str], learner: bool, instructor: bool
) -> None:
    platform.good(**{CLAIM + "roles": roles})
    found = member_of(platform)
    assert (found.is_learner, found.is_instructor) == (learner, instructor), f"{row}: {says}"


@pytest.mark.parametrize(
    ("row", "says", "changes"),
    [
        ("G09", "only an address: it is not shown or asked for", {"email": "someone@example.org"}),
        ("G10", "only names: they are filled in", {"name": "王秀兰", "given_name": "秀兰", "family_name": "王"}),
        ("G10", "only a name's parts", {"given_name": "秀兰", "family_name": "王"}),
        ("G11", "nobody is named: a page asks", {}),
        ("G12", "no course, an address", {"email": "someone@example.org", CLAIM + "context": None}),
        ("G13", "only a resource link", {CLAIM + "context": None}),
        ("G14", "aud is a list of one", {"aud": ["client-1"]}),
        ("G15", "aud is a list with the right azp", {"aud": ["somebody-else", "client-1"], "azp": "client-1"}),
        ("G18", "claims nobody knows", {"https://example.org/claim": {"deep": [1, None, {"x": "y"}]}, "unknown": None}),
        (
            "G21",
            "custom values that are numbers, null, unsubstituted",
            {CLAIM + "custom": UNFILLED},
        ),
        (
            "G22",
            "lis, lti1p1, role_scope_mentor, launch_presentation",
            {
                CLAIM + "lis": {"person_sourcedid": ""},
                CLAIM + "lti1p1": {"oauth_consumer_key": "k", "oauth_consumer_key_sign": "s"},
                CLAIM + "role_scope_mentor": ["9"],
                CLAIM + "launch_presentation": {"return_url": "https://lms.example.org/back", "locale": "zh_cn"},
            },
        ),
    ],
)
def test_G09_G10_G11_G12_G13_G14_G15_G18_G21_G22_claims(
    platform: Platform, row: str, says: str, changes: dict[str, Any]
) -> None:
    jar = Jar()
    answer = platform.launch(jar, **changes)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/"), f"{row}: {says}"
    page = jar.ask("GET", platform.bench.url + "/people/introduce")
    assert page.status_code == 200
    assert ("王秀兰" in page.text) == (row == "G10")
    assert "someone@example.org" not in page.text  # nobody needs it here


def test_G16_a_new_key(bench: Bench, platform: Platform) -> None:
    """The platform rotates: the new kid is accepted at first sight, the old one still."""
    platform.good()
    bench.keys.body = {"keys": [*resign.jwks()["keys"], *resign.jwks("rotated", "kid-2")["keys"]]}
    bench.clock[0] += timedelta(minutes=2)
    platform.good({"kid": "kid-2", "name": "rotated"})
    platform.good()


def test_G17_clocks(platform: Platform) -> None:
    """The platform's clock is up to a minute ahead."""
    at = int(platform.bench.now.timestamp())
    for ahead in (5, 60):
        platform.good(iat=at + ahead, exp=at + ahead + 60)


def test_G19_no_client_id_at_login(platform: Platform) -> None:
    """See L03: and the launch that follows works."""
    jar = Jar()
    sent = platform.login(jar, client_id=None)
    token = resign.sign(platform.claims(sent["nonce"]))
    assert platform.post(jar, {"id_token": token, "state": sent["state"]}).status_code == 303


def test_G23_one_subject_two_people(bench: Bench, platform: Platform) -> None:
    """The same sub of another issuer is another person; of another client of the same issuer the same one."""
    platform.good()
    Platform(bench, platform.issuer + ".other").good()
    with Session(bench.engine) as session:
        people = session.exec(
            select(Person.id).join(Identity).where(Identity.issuer.startswith(platform.issuer), Identity.subject == "8")
        ).all()
        assert len(set(people)) == 2
    Platform(bench, platform.issuer, "client-2").good()
    with Session(bench.engine) as session:
        assert len(session.exec(select(Identity).where(Identity.issuer == platform.issuer)).all()) == 1
