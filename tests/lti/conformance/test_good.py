"""Rows G: launches that must succeed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

import lti
from lms_plugin.db import get, pk
from lms_plugin.people import Course, CourseMember, Identity, Person, Role
from lti.claims import read as read_claims
from tests.hosts import resign
from tests.lti.conformance.bench import CLAIM, INSTRUCTOR, LEARNER, MEMBERSHIP, Bench, Jar, Platform
from tests.lti.conformance.test_deep_linking import introduce

INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
OTHERS = [MEMBERSHIP + "Mentor", INSTITUTION + "Staff", INSTITUTION + "Other"]
AGS_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/"
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


def test_G01_G02_what_they_see(platform: Platform) -> None:
    """A trainer is asked which programme the course runs; a teacher reads that it has not begun."""
    seen = {}
    for role in (INSTRUCTOR, LEARNER):
        jar = Jar()
        platform.launch(jar, sub=role[-7:], **{CLAIM + "roles": [role]})
        introduce(platform, jar, role[-7:])
        answer = jar.ask("GET", platform.bench.url + "/")
        while answer.is_redirect:
            answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
        assert answer.status_code == 200
        seen[role] = (answer.url.removeprefix(platform.bench.url), answer.text)
    assert re.fullmatch(r"/courses/\w+/programme", seen[INSTRUCTOR][0])
    assert "培训尚未开始" in seen[LEARNER][1]
    assert 'name="programme"' not in seen[LEARNER][1]


@pytest.mark.parametrize(
    ("row", "says", "changes"),
    [
        ("G09", "only an address: it is not shown or asked for", {"email": "someone@example.org"}),
        ("G10", "only names: they are filled in", {"name": "王秀兰", "given_name": "秀兰", "family_name": "王"}),
        ("G10", "only a name's parts", {"given_name": "秀兰", "family_name": "王"}),
        ("G11", "nobody is named: a page asks", {}),
        ("G14", "aud is a list of one", {"aud": ["client-1"]}),
        ("G15", "aud is a list with the right azp", {"aud": ["somebody-else", "client-1"], "azp": "client-1"}),
        ("G18", "claims nobody knows", {"https://example.org/claim": {"deep": [1, None, {"x": "y"}]}, "unknown": None}),
    ],
)
def test_G09_G10_G11_G14_G15_G18_claims(platform: Platform, row: str, says: str, changes: dict[str, Any]) -> None:
    jar = Jar()
    answer = platform.launch(jar, **changes)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/"), f"{row}: {says}"
    page = jar.ask("GET", platform.bench.url + "/people/introduce")
    assert page.status_code == 200
    assert ("王秀兰" in page.text) == (row == "G10")
    assert "someone@example.org" not in page.text  # nobody needs it here


def courses_of(platform: Platform) -> dict[str, Course]:
    """The courses (or spaces) of that platform, by the host's id."""
    with Session(platform.bench.engine) as session:
        rows = session.exec(
            select(Course)
            .join(lti.Deployment, Course.deployment_id == lti.Deployment.id)
            .where(lti.Deployment.platform_id == pk(platform.row))
        ).all()
        session.expunge_all()
        return {row.context_id: row for row in rows}


def outside(link: str, **changes: Any) -> dict[str, Any]:
    """Claims of a launch from an activity that is in no course."""
    grades = {"lineitem": f"https://lms.example.org/{link}/column", "scope": [AGS_SCOPE + "score"]}
    return {
        "email": "someone@example.org",
        CLAIM + "context": None,
        CLAIM + "resource_link": {"id": link, "title": link},
        "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": grades,
        **changes,
    }


def test_G12_activities_outside_courses(platform: Platform) -> None:
    """Each activity whose host names no course is a space of its own, with its own column, people and trainer: who
    teaches at one trains nobody of another, now and when they come back."""
    for _time in range(2):
        platform.good(**outside("link-a", **{"sub": "teaches-a", CLAIM + "roles": [INSTRUCTOR]}))
        platform.good(**outside("link-b", **{"sub": "learns-b"}))
        platform.good(**outside("link-b", **{"sub": "teaches-b", CLAIM + "roles": [INSTRUCTOR]}))
    found = courses_of(platform)
    assert {one: row.lineitem_url for one, row in found.items()} == {
        "link:link-a": "https://lms.example.org/link-a/column",
        "link:link-b": "https://lms.example.org/link-b/column",
    }
    with Session(platform.bench.engine) as session:
        people = {
            name: {
                row.subject for row in session.exec(select(CourseMember).where(CourseMember.course_id == pk(course)))
            }
            for name, course in found.items()
        }
        assert people == {"link:link-a": {"teaches-a"}, "link:link-b": {"learns-b", "teaches-b"}}
        for name, course in found.items():
            trainers = session.exec(
                select(Identity.subject)
                .join(Role, Role.person_id == Identity.person_id)
                .where(Role.course_id == pk(course), Identity.issuer == platform.issuer)
            ).all()
            assert trainers == [f"teaches-{name[-1]}"]


def test_G12_a_very_long_activity(platform: Platform) -> None:
    """An activity's id of 255 characters, the longest there is, is a space too, and the same one the next time."""
    for _time in range(2):
        platform.good(**outside("x" * 255, sub="8"))
    assert [len(name) <= 255 and name.startswith("link:") for name in courses_of(platform)] == [True]


def test_G13_only_a_resource_link(platform: Platform) -> None:
    """No course, no services: the course's check says which of them are missing, and that no course is named."""
    jar = Jar()
    named = {"name": "王秀兰", CLAIM + "roles": [INSTRUCTOR], CLAIM + "context": None}
    platform.launch(jar, **named)
    (course,) = courses_of(platform).values()
    assert (course.lineitems_url, course.lineitem_url, course.memberships_url) == ("", "", "")
    page = jar.ask("GET", f"{platform.bench.url}/courses/{course.uuid}/check")
    assert page.status_code == 200
    for said in ("平台没有说这是哪门课", "平台不收成绩", "平台没有给课程名单"):
        assert said in page.text, said


def test_G21_custom_values(platform: Platform) -> None:
    """Numbers become text; null, and a variable that the host did not put in (`$…`), count as absent."""
    programme = platform.bench.world.programme.uuid
    wanted = {"nengli_programme": programme, "nengli_view": "record"}
    for given, leads in ((wanted, True), ({**wanted, "nengli_view": "$Canvas.view"}, False)):
        answer = platform.launch(Jar(), **{CLAIM + "custom": {**UNFILLED, **given}})
        assert answer.status_code == 303
        assert (answer.headers["Location"] == "/?launched=1") == leads
    launch = read_claims({CLAIM + "custom": UNFILLED})
    assert launch["custom"] == {"number": "5"}


def test_G22_claims_that_are_let_through(platform: Platform) -> None:
    """lis, lti1p1 and role_scope_mentor change nothing: nobody is merged by them. The language and the way back of
    launch_presentation are used, the way back also where the launch is refused after its signature was found right."""
    jar = Jar()
    presented = {CLAIM + "launch_presentation": {"return_url": "https://lms.example.org/back?a=1", "locale": "en_us"}}
    platform.launch(
        jar,
        name="Ada Lovelace",
        **{
            CLAIM + "lis": {"person_sourcedid": "T0001"},
            CLAIM + "lti1p1": {"user_id": "8", "oauth_consumer_key": "k", "oauth_consumer_key_sign": "s"},
            CLAIM + "role_scope_mentor": ["9"],
            **presented,
        },
    )
    page = jar.ask("GET", platform.bench.url + "/people/introduce")
    assert 'lang="en"' in page.text
    assert 'href="https://lms.example.org/back?a=1"' in page.text
    with Session(platform.bench.engine) as session:
        held = session.exec(select(Identity).where(Identity.issuer == platform.issuer)).all()
        assert [one.subject for one in held] == ["8"]
        assert get(session, Person, held[0].person_id).staff_number == ""
    sent = platform.login(jar)
    wrong = {**presented, CLAIM + "deployment_id": "another"}
    refused = platform.post(jar, platform.signed(sent["nonce"], sent["state"], **wrong))
    assert refused.status_code == 400
    reference = platform.bench.last_log().reference
    assert (
        f'href="https://lms.example.org/back?a=1&amp;lti_errorlog=launch.deployment_unknown+{reference}"'
        in refused.text
    )


def test_G22_a_way_back_to_a_place_within_a_page(platform: Platform) -> None:
    """What is added for the host's log comes before the fragment of its address."""
    sent = platform.login(jar := Jar())
    presented = {CLAIM + "launch_presentation": {"return_url": "https://lms.example.org/app#/course/2"}}
    wrong = {**presented, CLAIM + "deployment_id": "another"}
    refused = platform.post(jar, platform.signed(sent["nonce"], sent["state"], **wrong))
    assert re.search(r'href="https://lms\.example\.org/app\?lti_errorlog=[^"#]+#/course/2"', refused.text)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "/back", 7, "https://"])
def test_G22_no_way_back(platform: Platform, address: Any) -> None:
    """What is no address is no way back, and a refusal is still a page."""
    jar = Jar()
    sent = platform.login(jar)
    wrong = {CLAIM + "launch_presentation": {"return_url": address}, CLAIM + "deployment_id": "another"}
    refused = platform.post(jar, platform.signed(sent["nonce"], sent["state"], **wrong))
    assert refused.status_code == 400
    assert "lti_errorlog" not in refused.text


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
