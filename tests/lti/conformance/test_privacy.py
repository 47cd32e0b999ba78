"""Rows V: a host's administrator asks what is kept of somebody. Only our own roles permit it."""

import html
import json
from typing import Any

import pytest
import requests
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from lms_plugin.db import Model, pk
from lms_plugin.flow import erasing
from lms_plugin.people import Course, Identity, Person, Role, RoleKind
from tests.lti.conformance.bench import CLAIM, Bench, Jar, Platform
from tests.lti.conformance.test_deep_linking import introduce

ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"


def asks(whom: Any, sub: str, message: str = "DataPrivacyLaunchRequest", **more: Any) -> dict[str, Any]:
    """Changed claims of a privacy launch: no place in any course."""
    return {
        CLAIM + "message_type": message,
        CLAIM + "for_user": whom,
        CLAIM + "roles": [ADMINISTRATOR],
        CLAIM + "resource_link": None,
        CLAIM + "context": None,
        "sub": sub,
        **more,
    }


@pytest.fixture
def teacher(platform: Platform) -> str:
    """The subject of somebody who came once and told who they are."""
    jar = Jar()
    platform.launch(jar, sub="v-1", name="林小雨")
    introduce(platform, jar, "v-1")
    return "v-1"


def opened(platform: Platform, jar: Jar, **claims: Any) -> requests.Response:
    """The page on which such a launch ends."""
    answer = platform.launch(jar, **claims)
    assert answer.status_code == 303, answer.text
    while answer.is_redirect:
        answer = jar.ask("GET", platform.bench.url + answer.headers["Location"])
    return answer


def promoted(bench: Bench, platform: Platform, sub: str) -> None:
    """The account's holder is an officer of the district from now on."""
    platform.launch(Jar(), **asks({"user_id": sub}, sub))
    with Session(bench.engine) as session:
        person = session.exec(select(Person).order_by(col(Person.id).desc())).first()
        assert person is not None
        session.add(Role(tenant_id=person.tenant_id, person_id=pk(person), kind=RoleKind.OFFICER, granted_at=bench.now))
        session.commit()


@pytest.mark.parametrize("message", ["DataPrivacyLaunchRequest", "LtiDataPrivacyLaunchRequest"])
@pytest.mark.parametrize("key", ["user_id", "id"])
def test_V01_what_is_kept(platform: Platform, teacher: str, message: str, key: str) -> None:
    """Both spellings of message and person, without any activity or course: an officer of the district sees what is
    kept, who sees it, how long, and takes it away as a file that names nobody else; no course is made of it."""
    bench, jar = platform.bench, Jar()
    promoted(bench, platform, "boss")
    with Session(bench.engine) as session:
        courses = len(session.exec(select(Course.id)).all())
    page = opened(platform, jar, **asks({key: teacher}, "boss", message))
    assert page.status_code == 200
    shown = html.unescape(page.text)
    assert "试用者" in shown
    assert "课程平台的用户编号" in shown
    with Session(bench.engine) as session:
        assert len(session.exec(select(Course.id)).all()) == courses
        person = session.exec(select(Person).where(Person.name == "试用者").order_by(col(Person.id).desc())).first()
        assert person is not None
    file = jar.ask("GET", f"{bench.url}/data/{person.uuid}/file")
    kept = json.loads(file.text)
    assert "attachment" in file.headers["Content-Disposition"]
    assert kept["person"]["name"] == "试用者"
    assert [one["subject"] for one in kept["accounts"]] == [teacher]


def test_V01_nobody_else(platform: Platform, teacher: str) -> None:
    """Whom the host calls an administrator, and a colleague, learn nothing, whether that person came or not; one's own
    is shown to oneself; of somebody who never came an officer is told so."""
    for whom in (teacher, "never-came"):
        answer = opened(platform, Jar(), **asks({"user_id": whom}, "host-admin"))
        assert answer.status_code == 403
        assert "只有区县管理员能看别人的资料" in answer.text
    own = opened(platform, Jar(), **asks({"user_id": teacher}, teacher))
    assert own.status_code == 200
    assert "本工具保存了您的这些资料" in own.text
    promoted(platform.bench, platform, "boss-2")
    assert opened(platform, Jar(), **asks({"user_id": "never-came"}, "boss-2")).status_code == 404
    stranger = Platform(platform.bench, platform.issuer + "/v")  # the same id at another host is somebody else
    promoted(platform.bench, stranger, "boss-3")
    assert opened(stranger, Jar(), **asks({"user_id": teacher}, "boss-3")).status_code == 404


@pytest.mark.parametrize("whom", [None, {}, {"user_id": ""}])
def test_V01_nobody_named(platform: Platform, whom: Any) -> None:
    """A launch that does not say whose data are meant is refused."""
    assert platform.bad(**asks(whom, "8")) == "launch.person_missing"
    assert platform.bad(**asks({"user_id": 5}, "8")) == "launch.claim_malformed"


def test_V01_whom_to_ask(platform: Platform, teacher: str) -> None:
    """Nobody is erased by a launch: the page says what can be taken out by whom, that the ledger stays, whom to ask;
    the launch changes nothing of that person."""
    promoted(platform.bench, platform, "boss-4")
    before = platform.bench.counts()
    page = html.unescape(opened(platform, Jar(), **asks({"user_id": teacher}, "boss-4")).text)
    assert "本工具不能自动删除一个人" in page
    assert "区县管理员" in page
    grown = {name: number - before[name] for name, number in platform.bench.counts().items() if number != before[name]}
    assert set(grown) <= {"lti_launch_log", "lti_login_state", "web_session"}


def test_V02_erased(platform: Platform, teacher: str) -> None:
    """Taken out at the person's word: no table knows their name or the host's id of them, a receipt says when and why;
    the officer's next launch finds nobody under that id, and who comes by it again is somebody new."""
    bench = platform.bench
    promoted(bench, platform, "boss-5")
    name = f"彻底走的人{platform.issuer[11:16]}"
    with Session(bench.engine) as session:
        person = session.exec(select(Person).where(Person.name == "试用者").order_by(col(Person.id).desc())).first()
        assert person is not None
        person.name, gone = name, pk(person)
        session.commit()
        receipt = erasing.erase(session, person, "本人书面要求，褚员同意", bench.now)
        assert receipt.person_id == gone
        session.commit()
        address = f"{bench.url}/data/{person.uuid}"
    with bench.engine.connect() as connection:
        kept = "".join(repr(connection.execute(columns(table)).all()) for table in Model.metadata.sorted_tables)
    assert name not in kept
    jar = Jar()
    assert opened(platform, jar, **asks({"user_id": teacher}, "boss-5")).status_code == 404
    page = html.unescape(jar.ask("GET", address).text)
    assert "个人资料已在" in page
    assert platform.launch(Jar(), sub=teacher).status_code == 303
    with Session(bench.engine) as session:
        identity = select(Identity).where(Identity.issuer == platform.issuer, Identity.subject == teacher)
        assert session.exec(identity).one().person_id != gone


def test_V03_least_data(platform: Platform) -> None:
    """What a host gives beyond a name is kept nowhere (R05: nor asked for); where it gives nothing at all, people tell
    who they are and go on."""
    given = {
        "email": "v03@lms.example.org",
        "picture": "https://lms.example.org/faces/v03.png",
        "phone_number": "13900000003",
        CLAIM + "lis": {"person_sourcedid": "sis-of-v03"},
        CLAIM + "custom": {"user_login": "login-of-v03"},
    }
    platform.good(sub="v3", name="范小立", **given)
    with platform.bench.engine.connect() as connection:
        kept = "".join(repr(connection.execute(columns(table)).all()) for table in Model.metadata.sorted_tables)
    assert "范小立" in kept
    for said in ("v03@lms", "faces/v03", "13900000003", "sis-of-v03", "login-of-v03"):
        assert said not in kept
    jar = Jar()
    platform.launch(jar, sub="v3-unnamed")
    assert introduce(platform, jar, "v3").is_redirect
