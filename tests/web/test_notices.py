"""已通知管理员 is true: what waits stands on the officer's page, and goes when it has been seen to."""

from lms_plugin.flow import enter
from tests import people as cast
from tests.factories import World, course_of


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
