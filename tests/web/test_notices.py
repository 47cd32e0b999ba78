"""已通知管理员 is true: what waits stands on the officer's page, and goes when it has been seen to."""

from sqlmodel import delete, select

from lms_plugin.flow import enter
from lms_plugin.people import Enrolment, Role, RoleKind
from tests import people as cast
from tests.factories import World, course_of, grant, programme_of


def test_a_waiting_course_stands_on_the_officers_page_until_it_has_a_programme(browse, world: World) -> None:
    course = course_of(world.session, world.tenant, "course-new", world.now, issuer="https://second.example")
    enter.raise_notice(world.session, course.tenant_id, "course.waiting", course.uuid, {"course": "新课程"}, world.now)
    address = f"/progress/{world.programme.uuid}/{world.county.uuid}"
    officer = browse(cast.OFFICER)
    page = officer.get(address).text
    assert "课程“新课程”还没有选培训项目" in page
    assert f"/courses/{course.uuid}/programme" in page
    officer.post(f"/courses/{course.uuid}/programme", {"programme": world.programme.uuid})
    assert "新课程" not in officer.get(address).text


def test_somebody_claimed_twice_is_said_and_settled_once(browse, world: World) -> None:
    person = world.person(cast.WANG)
    params = {"name": person.name, "staff_number": person.staff_number}
    enter.raise_notice(world.session, person.tenant_id, "person.twice_on_roster", person.uuid, params, world.now)
    address = f"/progress/{world.programme.uuid}/{world.county.uuid}"
    officer, form = browse(cast.OFFICER), {"kind": "person.twice_on_roster", "key": person.uuid}
    assert "两个人都说自己是王秀兰" in officer.get(address).text
    assert "两个人都说自己是" not in browse(cast.AUDITOR).get(address).text
    for who, status in ((cast.CHEN, 403), (cast.AUDITOR, 403), (cast.NEIGHBOUR, 404)):
        assert browse(who).post("/notices/done", form).status_code == status
    assert officer.post("/notices/done", form).status_code == 303
    assert "两个人都说自己是" not in officer.get(address).text
    assert officer.post("/notices/done", form).status_code == 404


def test_it_is_said_only_where_somebody_is_told(browse, world: World) -> None:
    """A trainer at 我的能力点 of a course that runs nothing yet raises no notice, and is told of none."""
    world.course.programme_id = None
    world.session.add(world.course)
    world.session.exec(delete(Enrolment))
    for who in (cast.TRAINER, cast.CHEN):
        for address in ("/points", "/record"):
            page = browse(who).get(address).text
            assert "这门课还没有选培训项目" in page
            assert "已通知管理员" not in page
    world.course.waiting_since_at = world.now
    assert "已通知管理员" in browse(cast.CHEN).get("/points").text
    assert "已通知管理员" in browse(cast.CHEN).get("/").text
    for role in world.session.exec(select(Role).where(Role.kind == RoleKind.OFFICER)):
        role.revoked_at = world.now
    world.session.flush()
    assert "已通知管理员" not in browse(cast.CHEN).get("/points").text
    page = browse(cast.CHEN).get("/").text
    assert "已通知管理员" not in page
    assert "请告诉培训老师" in page


def test_an_officer_of_a_part_is_sent_where_they_may_go(browse, world: World) -> None:
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, world.schools["希望小学"], world.now)
    person = world.person(cast.WANG)
    params = {"name": person.name, "staff_number": person.staff_number}
    enter.raise_notice(world.session, person.tenant_id, "person.twice_on_roster", person.uuid, params, world.now)
    address = f"/progress/{world.programme.uuid}/{world.schools['希望小学'].uuid}"
    page = browse(cast.LEAD).get(address).text
    assert "请全区的管理员合并" in page
    assert 'href="/people?q=XW002"' in page
    assert 'href="/people/merge?q=XW002"' in browse(cast.OFFICER).get(address).text


def test_an_officer_of_a_part_works_within_their_reach(browse, world: World) -> None:
    """Invitations, roles and the list of people end where the role ends."""
    school, other = world.schools["希望小学"], world.schools["平安小学"]
    grant(world.session, world.person(cast.LEAD), RoleKind.OFFICER, school, world.now)
    officer, wang = browse(cast.LEAD), world.person(cast.WANG)
    page = officer.get("/invitations")
    assert page.status_code == 200
    assert school.uuid in page.text
    assert other.uuid not in page.text
    assert world.county.uuid not in page.text
    assert "/invitations" in officer.get("/people").text
    assert "/people/merge" not in officer.get("/people").text
    assert officer.post("/invitations", {"kind": "trainer", "unit": school.uuid}).status_code == 200
    assert officer.post("/invitations", {"kind": "trainer", "unit": other.uuid}).status_code == 422
    address = f"/people/{wang.uuid}/roles"
    assert officer.get(address).status_code == 200
    assert officer.post(address, {"kind": "trainer", "unit": school.uuid}).status_code == 303
    assert officer.post(address, {"kind": "trainer", "unit": world.county.uuid}).status_code == 403
    assert officer.get(f"/people/{world.person(cast.ZHAO).uuid}/roles").status_code == 403
    whole = grant(world.session, wang, RoleKind.AUDITOR, None, world.now)
    assert officer.post(address, {"end": str(whole.id)}).status_code == 403  # reaches further than they do
    assert browse(cast.OFFICER).post(address, {"end": str(whole.id)}).status_code == 303


def test_another_programme_for_a_course(browse, world: World) -> None:
    new = programme_of(world.session, world.tenant, world.county, world.framework, "下一期考核", world.now)
    address, officer = f"/courses/{world.course.uuid}/programme", browse(cast.OFFICER)
    assert address in officer.get(f"/curate/programmes/{world.programme.uuid}").text
    page = officer.get(address).text
    assert "要换一个吗" in page
    assert "6 位参训教师" in page
    assert "要换项目请找区县管理员" in browse(cast.TRAINER).get(address).text
    assert browse(cast.TRAINER).post(address, {"programme": new.uuid}).status_code == 409
    form = {"programme": new.uuid, "instead_of": world.programme.uuid}
    assert browse(cast.TRAINER).post(address, form).status_code == 403
    assert officer.post(address, {"instead_of": world.programme.uuid}).status_code == 422
    done = officer.post(address, form)
    assert done.status_code == 303
    assert "现在做的是“下一期考核”" in officer.get(done.location).text
    assert "要换一个吗" not in officer.get(done.location).text
    assert "做的是“下一期考核”，要换一个吗" in officer.get(address).text
