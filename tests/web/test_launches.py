"""进入记录: whoever sees to the platforms finds each launch by its reference, and nobody else does."""

import re
from datetime import timedelta

import pytest
from sqlmodel import col, select

import lti
from lms_plugin.db import pk
from lms_plugin.people import Course
from tests import people as cast
from tests.factories import World
from tests.hosts.platform_server import platform_services
from tests.web.launching import row_counts, written


def row(world: World, reference: str, outcome: str = "launched", **more: object) -> lti.LaunchLog:
    """One row of the district's first platform; `more` may say another."""
    platform = lti.platforms(world.session, pk(world.tenant))[0]
    given = {"tenant_id": pk(world.tenant), "platform_id": pk(platform), "issuer": platform.issuer, **more}
    made = lti.LaunchLog(reference=reference, outcome=outcome, at=given.pop("at", world.now), **given)
    world.session.add(made)
    world.session.commit()
    return made


def listed(text: str) -> list[str]:
    return re.findall(r'href="/launches/([A-Z0-9-]+)"', text)


@pytest.mark.parametrize("who", [cast.IT, cast.OFFICER])
def test_it_and_officers_find_an_entry_by_what_a_person_reads_out(browse, world: World, who: cast.Cast) -> None:
    row(
        world,
        "K7QF-2M9X",
        "launch.deployment_unknown",
        detail="9",
        checks={"deployment": "launch.deployment_unknown"},
        claims={"subject": "10…", "roles": "membership#Learner"},
    )
    browser = browse(who)
    answer = browser.get("/launches?reference=k7qf 2m9x")
    assert answer.headers["Location"] == "/launches/K7QF-2M9X"
    page = browser.get("/launches/K7QF-2M9X").text
    assert "部署编号 9 还没有批准" in page
    assert "技术管理员：在本工具的“平台”里改" in page
    assert page.count("没有通过") == 1
    steps = page[page.index("逐项检查") :]
    assert steps.index("LTI 版本是 1.3.0") < steps.index("部署编号已经批准") < steps.index("没有查到这一步")
    assert "10…" in page


@pytest.mark.parametrize("who", [cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR])
def test_nobody_else_does(browse, world: World, who: cast.Cast) -> None:
    row(world, "K7QF-2M9X")
    for path in ("/launches", "/launches/K7QF-2M9X"):
        assert browse(who).get(path).status_code == 403


def test_rows_of_another_district_and_of_none_are_not_found(browse, world: World) -> None:
    other = pk(world.session.get(type(world.tenant), world.person(cast.NEIGHBOUR).tenant_id))
    row(world, "AAAA-AAAA", tenant_id=other)
    row(world, "BBBB-BBBB", "login.issuer_unknown", tenant_id=None, platform_id=None)
    browser = browse(cast.IT)
    assert listed(browser.get("/launches").text) == []
    for reference in ("AAAA-AAAA", "BBBB-BBBB", "CCCC-CCCC"):
        assert browser.get(f"/launches/{reference}").status_code == 404
        answer = browser.get(f"/launches?reference={reference}")
        assert answer.status_code == 422
        assert "请运维在服务器上查" in answer.text


def test_the_newest_first_and_narrowed_by_refusal_platform_and_course(browse, world: World) -> None:
    first = lti.platforms(world.session, pk(world.tenant))[0]
    second = lti.add_platform(
        world.session,
        pk(world.tenant),
        issuer="https://second.example",
        client_id="c-2",
        auth_url="https://second.example/auth",
        token_url="https://second.example/token",
        jwks_url="https://second.example/jwks",
        deployments=["1"],
        now=world.now,
    )
    course = world.session.exec(
        select(Course)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .where(col(lti.Deployment.platform_id) == pk(first))
    ).one()
    course.title = "信息技术研修"
    refusal = {"nonce": "launch.nonce"}
    row(world, "AAAA-AAAA", "launch.nonce", checks=refusal, at=world.now - timedelta(hours=1))
    row(world, "BBBB-BBBB", context_id=course.context_id)
    row(world, "CCCC-CCCC", platform_id=pk(second), context_id=course.context_id, at=world.now - timedelta(hours=2))
    browser = browse(cast.IT)
    whole = browser.get("/launches").text
    assert listed(whole) == ["BBBB-BBBB", "AAAA-AAAA", "CCCC-CCCC"]
    assert "没通过：属于这一次登录，没有重复使用" in whole
    assert listed(browser.get("/launches?refused=1").text) == ["AAAA-AAAA"]
    assert listed(browser.get(f"/launches?platform={second.uuid}").text) == ["CCCC-CCCC"]
    of_course = browser.get(f"/launches?course={course.uuid}").text
    assert listed(of_course) == ["BBBB-BBBB"]
    assert of_course.count("信息技术研修") == 2  # in the filter and in the row
    assert browser.get(f"/launches?platform={'0' * 32}").status_code == 404


def test_pages_keep_the_filter(browse, world: World) -> None:
    for number in range(51):
        row(world, f"P{number:03}", "launch.nonce", checks={"nonce": "launch.nonce"})
    browser = browse(cast.IT)
    page = browser.get("/launches?refused=1").text
    assert len(listed(page)) == 50
    follow = re.search(r'rel="next" href="([^"]+)"', page)
    assert follow is not None
    assert listed(browser.get(follow[1].replace("&amp;", "&")).text) == ["P000"]
    assert "refused=1" in follow[1]


def test_a_refusal_leads_to_its_entry(browse, world: World) -> None:
    stranger = browse(None)
    platform = lti.platforms(world.session, pk(world.tenant))[0]
    page = stranger.get(f"/lti/login?iss={platform.issuer}&client_id={platform.client_id}").text
    found = re.search(r'href="(/launches\?reference=[A-Z0-9-]{9})"', page)
    assert found is not None
    answer = browse(cast.IT).get(found[1])
    assert answer.status_code == 303
    entry = browse(cast.IT).get(answer.headers["Location"]).text
    assert "平台说了是谁在打开" in entry
    assert "login_hint" in entry
    assert "/launches" not in stranger.get("/nowhere").text


def test_a_refusal_of_no_district_leads_to_whom_to_ask(browse, world: World) -> None:
    page = browse(None).get("/lti/launch").text
    found = re.search(r'href="(/launches\?reference=[A-Z0-9-]{9})"', page)
    assert found is not None
    assert "请运维在服务器上查" in browse(cast.IT).get(found[1]).text


def test_a_refused_registration_stands_in_the_log_with_the_step(browse, world: World) -> None:
    with platform_services() as services:
        before = row_counts(world.session)
        query = {"openid_configuration": services.url + "/nothing", "registration_token": "t"}
        page = browse(None).client.post("/lti/register", data={**query, "code": "ABCDE-ABCDE"}).text
        assert written(before, row_counts(world.session)) == {"lti_launch_log": 1}
    made = world.session.exec(select(lti.LaunchLog)).one()
    assert (made.tenant_id, made.outcome) == (None, "invitation.unusable")
    assert made.checks == {"code": "invitation.unusable"}
    assert made.reference in page


def test_an_address_that_no_platform_brought_stands_in_the_log(browse, world: World) -> None:
    answer = browse(None).get("/lti/register?openid_configuration=nonsense")
    made = world.session.exec(select(lti.LaunchLog)).one()
    assert (answer.status_code, made.outcome, made.issuer) == (422, "register.address", "")
    assert made.reference in answer.text
