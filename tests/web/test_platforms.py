"""平台: registering by hand, approving, disabling, changing, and trying a registration out."""

import re
from collections.abc import Iterator

import pytest
from sqlmodel import col, select

import lti
from lms_plugin.db import get, pk
from lms_plugin.people import Course, Role, RoleKind
from lti.platforms import MOST_OFFERED
from tests import people as cast
from tests.factories import World
from tests.hosts.platform_server import Services, platform_services

MOODLE = {"site": "https://moodle.county.example", "client_id": "abc123", "deployment": "3", "name": "县研修平台"}


@pytest.fixture
def services() -> Iterator[Services]:
    with platform_services() as made:
        yield made


def held(world: World, client_id: str = "abc123") -> lti.Platform:
    world.session.expire_all()
    return world.session.exec(select(lti.Platform).where(lti.Platform.client_id == client_id)).one()


def knock(world: World, row: lti.Platform, deployment: str) -> None:
    """What a launch from an unknown deployment leaves behind."""
    world.session.add(
        lti.LaunchLog(
            reference=f"REF-{deployment[:8]}",
            tenant_id=row.tenant_id,
            platform_id=pk(row),
            outcome="launch.deployment_unknown",
            detail=deployment,
            at=world.now,
        )
    )
    world.session.commit()


def test_a_platform_that_makes_deployments_up_floods_no_page(browse, world: World) -> None:
    row = held(world, "client-course-1")
    for number in range(MOST_OFFERED + 3):
        knock(world, row, f"{number:02}-made-up")
    page = browse(cast.IT).get(f"/platforms/{row.uuid}").text
    assert len(re.findall(r'name="deployment" value="\d\d-made-up"', page)) == MOST_OFFERED


# --- who ---


@pytest.mark.parametrize("who", [cast.IT, cast.OFFICER])
def test_it_and_officers_of_the_whole_district_see_the_registrations(browse, world: World, who: cast.Cast) -> None:
    page = browse(who).get("/platforms")
    assert page.status_code == 200
    assert "client-course-1" in page.text
    assert '<a href="/platforms"' in page.text


@pytest.mark.parametrize("who", [cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR])
def test_nobody_else_does(browse, world: World, who: cast.Cast) -> None:
    uuid = held(world, "client-course-1").uuid
    browser = browse(who)
    assert browser.get("/platforms").status_code == 403
    assert browser.get("/platforms/new/moodle").status_code == 403
    for path, data in (
        (f"/platforms/{uuid}/switch", {"to": "off"}),
        (f"/platforms/{uuid}/deployments", {"deployment": "9"}),
        (f"/platforms/{uuid}/deployments/withdraw", {"deployment": "1"}),
        (f"/platforms/{uuid}/test", {}),
        ("/platforms/new/moodle", MOODLE),
    ):
        assert browser.post(path, data).status_code == 403, path
    assert not held(world, "client-course-1").is_disabled


def test_an_officer_of_a_part_does_not(browse, world: World) -> None:
    role = world.session.exec(
        select(Role).where(Role.person_id == pk(world.person(cast.OFFICER)), Role.kind == RoleKind.OFFICER)
    ).one()
    role.org_unit_id = pk(world.schools["希望小学"])
    world.session.add(role)
    world.session.commit()
    assert browse(cast.OFFICER).get("/platforms").status_code == 403
    assert '<a href="/platforms"' not in browse(cast.OFFICER).get("/help").text


# --- by hand ---


@pytest.mark.parametrize("product", sorted(lti.PLATFORM_FIELDS))
def test_a_products_page_shows_every_value_in_a_field_of_its_own(browse, product: str) -> None:
    page = browse(cast.IT).get(f"/platforms/new/{product}").text
    shown = re.findall(r'<input id="p-\d+" value="([^"]*)" readonly data-select-all>', page)
    assert {
        "http://localhost/lti/launch",
        "http://localhost/lti/login",
        "http://localhost/.well-known/jwks.json",
    } <= set(shown)
    for name in lti.PLATFORM_FIELDS[product]:
        assert f'name="{name}"' in page


@pytest.mark.parametrize(
    ("product", "fields"),
    [
        ("moodle", {"Accept grades from the tool": "总是 / Always", "Share launcher": "总是 / Always"}),
        ("openedx", {"Full name": "True", "Names &amp; Roles": "True", "Assignment and Grades": "Programmatic"}),
        (
            "canvas",
            {
                "Can create and update submission results": "打开 / On",
                "Privacy Level": "公开 / Public",
                "Placements": "Link",
            },
        ),
        ("brightspace", {"Extensions": "Names and Role Provisioning Services"}),
        (
            "blackboard",
            {
                "User Fields to Send": "Name",
                "Allow grade service access": "Yes",
                "Allow Membership Service Access": "Yes",
                "Create Placement → Type": "Deep Linking content tool",
            },
        ),
    ],
)
def test_a_products_page_says_what_lets_names_grades_lists_and_picking_through(
    browse, product: str, fields: dict[str, str]
) -> None:
    page = browse(cast.IT).get(f"/platforms/new/{product}").text
    for label, choose in fields.items():
        line = re.search(rf"<label[^>]*>(?:(?!</label>).)*{re.escape(label)}.*?<input[^>]*>", page, re.DOTALL)
        assert line is not None, label
        value = re.findall(r'value="([^"]*)"', line[0])[-1]
        assert choose in value, (label, value)


@pytest.mark.parametrize(
    ("product", "printed"),
    [
        ("moodle", {"初始化登录网址": "Initiate login URL", "公钥集": "Public keyset", "平台ID": "Platform ID"}),
        (
            "canvas",
            {"目标链接 URI": "Target Link URI", "选择消息类型": "Select Message Type", "部署Id": "Deployment Id"},
        ),
    ],
)
def test_labels_are_those_that_moodle_and_canvas_print(browse, product: str, printed: dict[str, str]) -> None:
    page = browse(cast.IT).get(f"/platforms/new/{product}").text
    for zh, en in printed.items():
        assert f'{zh} / <span lang="en">{en}</span>' in page


def test_what_comes_back_makes_the_registration(browse, world: World) -> None:
    browser = browse(cast.IT)
    answer = browser.post("/platforms/new/moodle", {**MOODLE, "site": "https://moodle.county.example/"})
    row = held(world)
    assert answer.headers["Location"] == f"/platforms/{row.uuid}"
    assert (row.issuer, row.product, row.name) == ("https://moodle.county.example", "moodle", "县研修平台")
    assert row.token_url == "https://moodle.county.example/mod/lti/token.php"
    assert lti.deployment_ids(world.session, row) == ["3"]
    assert row.tenant_id == pk(world.tenant)
    page = browser.get(f"/platforms/{row.uuid}").text
    assert "https://moodle.county.example/mod/lti/certs.php" in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"site": ""}, "site"),
        ({"site": "http://moodle.county.example\x00"}, "site"),
        ({"client_id": "x" * 300}, "client_id"),
        ({"deployment": "\u202e3"}, "deployment"),
    ],
)
def test_a_wrong_value_is_told_beside_its_field_and_nothing_is_lost(browse, world, changes, field) -> None:
    answer = browse(cast.IT).post("/platforms/new/moodle", {**MOODLE, **changes})
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert "县研修平台" in answer.text
    assert not world.session.exec(select(lti.Platform).where(lti.Platform.client_id == "abc123")).all()


def test_the_same_again_is_no_second_registration(browse, world: World) -> None:
    browser = browse(cast.IT)
    browser.post("/platforms/new/moodle", MOODLE)
    again = browser.post("/platforms/new/moodle", {**MOODLE, "name": "另一个"})
    assert again.status_code == 422
    assert "已经登记过" in again.text
    assert held(world).name == "县研修平台"


def test_a_registration_of_another_district_is_refused(browse, world: World) -> None:
    neighbour = pk(world.tenant) + 1
    lti.add_platform(
        world.session,
        neighbour,
        issuer=MOODLE["site"],
        client_id="abc123",
        auth_url="https://a.example",
        token_url="https://a.example",
        jwks_url="https://a.example",
        deployments=["3"],
        now=world.now,
    )
    world.session.commit()
    assert browse(cast.IT).post("/platforms/new/moodle", MOODLE).status_code == 409
    assert held(world).tenant_id == neighbour


# --- afterwards ---


def test_it_is_disabled_enabled_and_changed(browse, world: World) -> None:
    browser, row = browse(cast.IT), held(world, "client-course-1")
    browser.post(f"/platforms/{row.uuid}/switch", {"to": "off"})
    assert held(world, "client-course-1").is_disabled
    assert "已停用" in browser.get("/platforms").text
    browser.post(f"/platforms/{row.uuid}/switch", {"to": "on"})
    given = {
        "name": "新名字",
        "auth_url": "https://lms.example/a",
        "token_url": "https://lms.example/t",
        "jwks_url": "https://lms.example/k",
        "audience": "https://lms.example/audience",
    }
    assert browser.post(f"/platforms/{row.uuid}", given).status_code == 303
    row = held(world, "client-course-1")
    assert not row.is_disabled
    assert (row.name, row.token_url, row.token_audience) == ("新名字", given["token_url"], given["audience"])
    inside = browser.post(f"/platforms/{row.uuid}", {**given, "token_url": "https://10.0.0.1/t"})
    assert inside.status_code == 422
    assert "本机或内网的地址" in inside.text
    wrong = browser.post(f"/platforms/{row.uuid}", {**given, "jwks_url": "file:///etc/passwd", "name": "写了一半"})
    assert wrong.status_code == 422
    assert 'id="f-jwks_url-error"' in wrong.text
    assert "写了一半" in wrong.text
    assert held(world, "client-course-1").jwks_url == given["jwks_url"]


def test_a_deployment_that_knocked_is_approved_by_one_click(browse, world: World) -> None:
    browser, row = browse(cast.OFFICER), held(world, "client-course-1")
    knock(world, row, "42")
    assert "有 1 个部署在等批准" in browser.get("/platforms").text
    page = browser.get(f"/platforms/{row.uuid}").text
    assert '<input type="hidden" name="deployment" value="42">' in page
    browser.post(f"/platforms/{row.uuid}/deployments", {"deployment": "42"})
    browser.post(f"/platforms/{row.uuid}/deployments", {"deployment": "42"})  # a double click
    assert lti.deployment_ids(world.session, held(world, "client-course-1")) == ["1", "42"]
    assert "等批准" not in browser.get("/platforms").text
    assert browser.post(f"/platforms/{row.uuid}/deployments", {"deployment": ""}).status_code == 422


def test_an_approval_that_was_a_mistake_is_taken_back(browse, world: World) -> None:
    browser, row = browse(cast.IT), held(world, "client-course-1")
    knock(world, row, "42")
    browser.post(f"/platforms/{row.uuid}/deployments", {"deployment": "42"})
    assert browser.post(f"/platforms/{row.uuid}/deployments/withdraw", {"deployment": "42"}).status_code == 303
    assert lti.deployment_ids(world.session, held(world, "client-course-1")) == ["1"]
    page = browser.get(f"/platforms/{row.uuid}").text
    assert "等批准" not in page  # who was put out waits for nobody
    assert re.search(r'<span class="fn">42</span><span class="state note">.*?已撤下', page, re.DOTALL)
    again = browser.post(f"/platforms/{row.uuid}/deployments/withdraw", {"deployment": "42"})
    assert again.status_code == 404
    browser.post(f"/platforms/{row.uuid}/deployments", {"deployment": "42"})
    assert lti.deployment_ids(world.session, held(world, "client-course-1")) == ["1", "42"]


def test_who_saw_to_a_platform_stands_on_its_page(browse, world: World) -> None:
    row = held(world, "client-course-1")
    it, officer = browse(cast.IT), browse(cast.OFFICER)
    it.post(f"/platforms/{row.uuid}/switch", {"to": "off"})
    it.post(f"/platforms/{row.uuid}/switch", {"to": "off"})  # a double click is one act
    officer.post(f"/platforms/{row.uuid}/switch", {"to": "on"})
    officer.post(f"/platforms/{row.uuid}/deployments", {"deployment": "7"})
    officer.post(f"/platforms/{row.uuid}/look", {"to": "on"})
    page = it.get(f"/platforms/{row.uuid}").text.partition("<h2>经过</h2>")[2]
    told = re.findall(r"<li><span>(.*?) <span class=\"sub\">.*? · ([^<]+)</span></span></li>", page)
    by_it, by_officer = (world.person(who).name for who in (cast.IT, cast.OFFICER))
    assert told == [
        ("允许没有说明是谁的人先看一看", by_officer),
        ("批准部署 7", by_officer),
        ("启用", by_officer),
        ("停用", by_it),
    ]


def test_hundreds_of_blocks_come_page_by_page_and_who_waits_comes_first(browse, world: World) -> None:
    for number in range(60):
        row = lti.add_platform(
            world.session,
            pk(world.tenant),
            issuer="https://edx.example",
            client_id=f"block-{number:02}",
            auth_url="https://edx.example/a",
            token_url="https://edx.example/t",
            jwks_url="https://edx.example/k",
            deployments=["1"],
            now=world.now,
        )
    knock(world, row, "7")
    first, second = (browse(cast.IT).get(f"/platforms?page={number}").text for number in (1, 2))
    assert first.index("block-59") < first.index("block-00")
    assert "block-58" in second
    assert "block-00" not in second
    assert browse(cast.IT).get("/platforms?page=99").status_code == 200


# --- trying it out ---


def tried(browse, world: World, services: Services, *, course: bool = True) -> dict[str, str]:
    """The test button's page: step → sentence ("" = it works)."""
    row = held(world, "client-course-1")
    row.jwks_url, row.token_url = services.url + "/jwks", services.url + "/token"
    place = world.session.exec(select(Course).where(col(Course.id) == pk(world.course))).one()
    place.memberships_url = services.url + "/members" if course else ""
    world.session.add_all([row, place])
    world.session.commit()
    answer = browse(cast.IT).post(f"/platforms/{row.uuid}/test")
    assert answer.status_code == 200
    found = re.findall(
        r'<li><span class="fn">([^<]+)</span>\s*<span class="state (\w+)">.*?</span>(.*?)</li>',
        answer.text.partition("<h2>部署</h2>")[0],
        re.DOTALL,
    )
    return {step: re.sub(r"<[^>]+>", "", rest).strip() if kind != "good" else "" for step, kind, rest in found}


def test_a_well_registration_is_ticked_line_by_line(browse, world: World, services: Services) -> None:
    found = tried(browse, world, services)
    assert list(found) == [
        "读平台的公钥",
        "建成绩栏的权限",
        "送成绩的权限",
        "读成绩的权限",
        "读名单的权限",
        "读一门课的名单",
    ]
    assert not any(found.values())
    assert world.session.exec(select(lti.AccessToken)).all() == []  # nothing of it is kept


def test_rights_that_few_hosts_have_are_tried_where_they_are_offered(browse, world: World, services: Services) -> None:
    world.course.groups_url = services.url + "/groups"
    deployment = get(world.session, lti.Deployment, world.course.deployment_id)
    deployment.notices_url = services.url + "/notices"
    world.session.add_all([world.course, deployment])
    world.session.commit()
    services.tokens["contextgroup.readonly"] = (400, "", '{"error":"invalid_scope"}')
    found = tried(browse, world, services)
    assert "没有给这项权限" in found["读课程小组的权限"]
    assert found["收平台通知的权限"] == ""


def test_a_token_answered_400_is_told_as_our_keys_that_cannot_be_reached(browse, world, services) -> None:
    services.tokens[""] = (400, "text/html", '{"error" : ""kid" invalid, unable to lookup correct key"}')
    found = tried(browse, world, services)
    assert found["向平台要访问令牌"].startswith("平台连不到本工具的公钥地址 http://localhost/.well-known/jwks.json")
    assert list(found) == ["读平台的公钥", "向平台要访问令牌"]


@pytest.mark.parametrize(
    ("mood", "step", "words"),
    [
        ({"keys": (404, "text/html", "")}, "读平台的公钥", "读不到平台的公钥网址（HTTP 404）"),
        ({"keys": (200, "text/html", "<html>")}, "读平台的公钥", "答的不是公钥"),
        ({"keys": (200, "application/json", '{"keys": [7, {"kty": "EC"}]}')}, "读平台的公钥", "没有能用的公钥"),
        ({"keys": (200, "application/json", "[]")}, "读平台的公钥", "没有能用的公钥"),
        ({"tokens": {"": (400, "", '{"error":"invalid_client"}')}}, "向平台要访问令牌", "不认这个客户端编号"),
        ({"tokens": {"": (500, "", "")}}, "向平台要访问令牌", "不给访问令牌（HTTP 500"),
        ({"tokens": {"": (200, "", "[]")}}, "向平台要访问令牌", "不给访问令牌"),
        (
            {"tokens": {"contextmembership.readonly": (400, "", '{"error":"invalid_scope"}')}},
            "读名单的权限",
            "没有给这项权限",
        ),
        ({"roster": (403, "", "no")}, "读一门课的名单", "读不到课程的名单（HTTP 403"),
        ({"roster": (200, "", "{}")}, "读一门课的名单", "读不到课程的名单"),
    ],
)
def test_what_is_wrong_is_said_with_the_cure(browse, world, services, mood, step, words) -> None:
    for name, value in mood.items():
        setattr(services, name, value)
    found = tried(browse, world, services)
    assert words in found[step]
    assert [name for name, said in found.items() if said] == [step]


def test_an_address_that_does_not_answer_is_no_broken_page(browse, world, services) -> None:
    services.url = "http://127.0.0.1:9"
    found = tried(browse, world, services)
    assert "读不到平台的公钥网址" in found["读平台的公钥"]
    assert "连不到平台的令牌网址" in found["向平台要访问令牌"]


def test_without_a_course_the_roster_is_a_note(browse, world, services) -> None:
    assert "还没有哪门课给过名单地址" in tried(browse, world, services, course=False)["读一门课的名单"]


# --- platform notices ---


def test_how_it_stands_with_the_notices_of_a_platform(browse, world: World) -> None:
    row = held(world, "client-course-1")
    address, it = f"/platforms/{row.uuid}", browse(cast.IT)
    assert "平台通知" not in it.get(address).text  # few hosts offer them: nobody else is bothered
    deployment = world.session.exec(select(lti.Deployment).where(lti.Deployment.platform_id == pk(row))).one()
    deployment.notices_url, deployment.notice_types = "https://lms.example/n", f"{lti.COPIED} {lti.GREETING}"
    world.session.add(deployment)
    world.session.commit()
    assert "正在告诉平台" in it.get(address).text
    service = lti.NoticeService(tenant_id=row.tenant_id, deployment_id=pk(deployment), registered=lti.COPIED)
    service.trouble, service.words = "notice.not_registered", "no such <domain>"
    world.session.add(service)
    world.session.commit()
    page = it.get(address).text
    assert "没有办成" in page
    assert "no such &lt;domain&gt;" in page
    assert it.post(f"{address}/notices", {"to": "off"}).status_code == 303
    assert held(world, "client-course-1").wants_notices is False
    assert "接收平台通知" in it.get(address).text
    assert browse(cast.CHEN).post(f"{address}/notices", {"to": "on"}).status_code == 403
    assert held(world, "client-course-1").wants_notices is False


def test_whether_who_is_named_nowhere_may_look(browse, world: World) -> None:
    row, it = held(world, "client-course-1"), browse(cast.IT)
    address = f"/platforms/{row.uuid}"
    assert not row.lets_look  # unless somebody says so
    assert "改为拦下" not in it.get(address).text
    assert browse(cast.CHEN).post(f"{address}/look", {"to": "on"}).status_code == 403
    assert not held(world, "client-course-1").lets_look
    assert it.post(f"{address}/look", {"to": "on"}).status_code == 303
    assert held(world, "client-course-1").lets_look
    assert "改为拦下" in it.get(address).text
    it.post(f"{address}/look", {"to": "off"})
    assert not held(world, "client-course-1").lets_look
