"""A course gets its programme, and another one later; officers and trainers of a part do it within their reach."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound
from lms_plugin.flow import courses, enter, merges, notices, passport, report, reversal, units
from lms_plugin.people import Course, Enrolment, OrgUnit, Person, Role, RoleKind, UnitKind
from tests import people as cast
from tests.factories import World, actor_of, add_person, course_of, grant, member_row, programme_of
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.gradebooks import column, score
from tests.queries import count_queries

HOUR = timedelta(hours=1)
EAST = cast.Cast("east", "东片员", "平安县", "E001")


def other_programme(world: World, unit: OrgUnit | None = None, title: str = "下一期") -> competencies.Programme:
    return programme_of(world.session, world.tenant, unit or world.county, world.framework, title, world.now)


def unbound(world: World, context: str = "new") -> Course:
    return course_of(world.session, world.tenant, context, world.now, issuer=f"https://{context}.example")


def member(world: World, course: Course, person: Person, *, learner: bool = True) -> None:
    world.session.add(member_row(pk(course), pk(person), world.now, f"s-{person.uuid}", learner=learner))
    world.session.flush()


def test_a_long_chain_of_copies_costs_two_queries(world: World) -> None:
    """A course is copied each term: the page that asks for its programme does not ask for every year."""
    session = world.session
    deployment = session.get(lti.Deployment, world.course.deployment_id)
    for number in range(9):
        session.add(
            lti.ContextCopy(
                tenant_id=pk(world.tenant),
                deployment_id=pk(deployment),
                context_id=f"term-{number + 1}",
                origins=[f"term-{number}"],
                copied_at=world.now,
            )
        )
    session.flush()
    with count_queries(session.connection()) as asked:
        assert lti.origins_of(session, deployment.platform_id, "term-9") == ["term-8", "term-7"]
    assert len(asked) == 2


def officer_of(world: World, unit: OrgUnit, kind: RoleKind = RoleKind.OFFICER, who: cast.Cast = EAST) -> Actor:
    person = world.persons.get(who.key) or add_person(world.session, world.tenant, unit, who, world.now)
    world.persons[who.key] = person
    grant(world.session, person, kind, unit, world.now)
    return actor_of(world.session, person)


def enrolled(world: World, programme: competencies.Programme) -> set[int]:
    return set(world.session.exec(select(Enrolment.person_id).where(Enrolment.programme_id == pk(programme))).all())


# --- another programme ---


def test_an_officer_puts_another_programme_in_its_place(world: World) -> None:
    session, officer, old = world.session, world.actor(cast.OFFICER), world.programme
    hand_in(world, cast.CHEN, "A3", world.now - HOUR)  # has begun
    chosen = competencies.Selection(
        tenant_id=pk(world.tenant),
        programme_id=pk(old),
        person_id=pk(world.person(cast.WANG)),
        point_id=pk(world.point("A5")),
        chosen_at=world.now,
        dropped_at=world.now,  # and given back: something was done all the same
    )
    session.add(chosen)
    second = course_of(session, world.tenant, "course-2", world.now, issuer="https://two.example")
    second.programme_id = pk(old)
    member(world, second, world.person(cast.LI))  # comes to the old one from another course too
    new = other_programme(world)
    view = courses.bind_view(session, officer, world.course.uuid)
    assert (view.running, view.may_rebind) == ((old.uuid, old.title), True)
    assert (view.learners, view.begun) == (6, 2)
    assert view.programmes == ((new.uuid, new.title),)
    courses.bind_course(session, officer, world.course.uuid, new.uuid, world.now, old.uuid)
    assert world.course.programme_id == pk(new)
    everybody = {pk(world.person(who)) for who in cast.TEACHERS}
    assert enrolled(world, new) == everybody
    assert enrolled(world, old) == {pk(world.person(who)) for who in (cast.CHEN, cast.WANG, cast.LI)}
    chen = world.actor(cast.CHEN)
    assert courses.other_programmes(session, chen, new.uuid) == [(old.uuid, old.title)]
    assert courses.other_programmes(session, world.actor(cast.ZHAO), new.uuid) == []


def test_who_began_under_another_row_or_has_hours_stays(world: World) -> None:
    """An account stays in the course under the row it came with; what the person does lies on the row of today."""
    session, officer, old = world.session, world.actor(cast.OFFICER), world.programme
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    merges.merge_persons(session, officer, chen.uuid, wang.uuid, "同一个人", world.now)
    hand_in(world, cast.WANG, "A3", world.now - HOUR)
    basis = competencies.Basis(old.policy_id or 0)
    zhao = pk(world.person(cast.ZHAO))
    online = competencies.CreditKind.ONLINE
    competencies.credit(session, pk(world.tenant), pk(old), zhao, online, 500, basis, world.now, "import", "k")
    new = other_programme(world)
    assert courses.bind_view(session, officer, world.course.uuid).begun == 3
    courses.bind_course(session, officer, world.course.uuid, new.uuid, world.now, old.uuid)
    assert enrolled(world, old) == {pk(chen), pk(wang), zhao}


def test_what_was_earned_already_is_said_to_the_gradebook(world: World) -> None:
    chen, course = world.person(cast.CHEN), unbound(world)
    earn(world, cast.CHEN, "A3")
    member(world, course, chen)
    member(world, course, world.person(cast.WANG))
    courses.bind_course(world.session, world.actor(cast.OFFICER), course.uuid, world.programme.uuid, world.now)
    keys = world.session.exec(select(outbox.Job.key).where(outbox.Job.kind == outbox.SCORE)).all()
    assert f"{pk(course)}:{pk(chen)}" in keys
    assert f"{pk(course)}:{pk(world.person(cast.WANG))}" not in keys


def test_who_may_put_another_in_its_place(world: World) -> None:
    new, session = other_programme(world), world.session
    for who in (cast.TRAINER, cast.LEAD, cast.AUDITOR, cast.CHEN, cast.IT):
        with pytest.raises((Forbidden, Conflict)):
            courses.bind_course(session, world.actor(who), world.course.uuid, new.uuid, world.now, world.programme.uuid)
    assert not courses.bind_view(session, world.actor(cast.TRAINER), world.course.uuid).may_rebind
    with pytest.raises(Conflict, match=r"course\.bound"):
        courses.bind_course(session, world.actor(cast.TRAINER), world.course.uuid, new.uuid, world.now)
    assert world.course.programme_id == pk(world.programme)


def test_what_changed_meanwhile_is_not_overwritten(world: World) -> None:
    officer, (new, third) = (
        world.actor(cast.OFFICER),
        (other_programme(world), other_programme(world, title="再下一期")),
    )
    first = world.programme.uuid
    courses.bind_course(world.session, officer, world.course.uuid, new.uuid, world.now, first)
    courses.bind_course(world.session, officer, world.course.uuid, new.uuid, world.now, first)  # pressed twice
    with pytest.raises(Conflict, match=r"page\.changed_meanwhile"):
        courses.bind_course(world.session, officer, world.course.uuid, third.uuid, world.now, first)
    assert world.course.programme_id == pk(new)


def test_a_programme_that_is_over_is_refused(world: World) -> None:
    new, officer = other_programme(world), world.actor(cast.OFFICER)
    new.state = competencies.ProgrammeState.CLOSED
    world.session.flush()
    for course, instead_of in ((world.course, world.programme.uuid), (unbound(world), "")):
        with pytest.raises(Invalid):
            courses.bind_course(world.session, officer, course.uuid, new.uuid, world.now, instead_of)
    assert len(enrolled(world, world.programme)) == len(cast.TEACHERS)


# --- a part of the district ---


@pytest.fixture
def east(world: World) -> OrgUnit:
    """A group of schools with an officer of its own; 希望小学 lies in it."""
    group = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL_GROUP, "东片", world.county)
    school = world.schools["希望小学"]
    school.parent_id, school.path = pk(group), f"{group.path}{pk(school)}/"
    world.session.add(school)
    world.session.flush()
    return group


def test_an_officer_of_a_part_binds_the_courses_of_their_people(world: World, east: OrgUnit) -> None:
    officer, session = officer_of(world, east), world.session
    west = other_programme(world, world.schools["平安小学"], "西片的")
    own = other_programme(world, east, "东片的")
    theirs, others = unbound(world, "theirs"), unbound(world, "others")
    member(world, theirs, world.person(cast.CHEN))
    member(world, others, world.person(cast.ZHAO))
    offered = {uuid for uuid, _title in courses.bind_view(session, officer, theirs.uuid).programmes}
    assert offered == {own.uuid, world.programme.uuid}  # their own and those above, not the neighbours'
    with pytest.raises(Invalid):
        courses.bind_course(session, officer, theirs.uuid, west.uuid, world.now)
    with pytest.raises(Forbidden):
        courses.bind_course(session, officer, others.uuid, own.uuid, world.now)
    with pytest.raises(Forbidden):
        courses.bind_view(session, officer, others.uuid)
    courses.bind_course(session, officer, theirs.uuid, own.uuid, world.now)
    assert courses.bind_view(session, officer, theirs.uuid).may_rebind


def test_an_officer_of_a_part_changes_no_course_that_others_share(world: World, east: OrgUnit) -> None:
    officer, own = officer_of(world, east), other_programme(world, east, "东片的")
    assert not courses.bind_view(world.session, officer, world.course.uuid).may_rebind  # both schools learn there
    with pytest.raises(Forbidden):
        courses.bind_course(world.session, officer, world.course.uuid, own.uuid, world.now, world.programme.uuid)
    mixed = unbound(world, "mixed")
    mixed.programme_id = pk(world.programme)
    member(world, mixed, world.person(cast.CHEN))
    assert courses.bind_view(world.session, officer, mixed.uuid).may_rebind  # only their own people do there


def test_a_trainer_of_a_part_is_asked_at_a_course_that_they_teach(world: World, east: OrgUnit) -> None:
    trainer = officer_of(world, world.schools["希望小学"], RoleKind.TRAINER, cast.Cast("t", "东培", "平安县", "T9"))
    course = unbound(world)
    assert not courses.may_bind(world.session, trainer, course)
    member(world, course, world.persons["t"], learner=False)
    assert courses.may_bind(world.session, trainer, course)
    courses.bind_course(world.session, trainer, course.uuid, world.programme.uuid, world.now)


# --- notices ---


def told(world: World, actor: Actor) -> list[str]:
    return [line.key for line in notices.open_notices(world.session, actor, world.now)]


def test_notices_reach_whoever_is_above(world: World, east: OrgUnit) -> None:
    session, officer = world.session, officer_of(world, east)
    theirs, others, nobodys = (unbound(world, name) for name in ("theirs", "others", "nobodys"))
    member(world, theirs, world.person(cast.CHEN))
    member(world, others, world.person(cast.ZHAO))
    for course in (theirs, others, nobodys):
        enter.raise_notice(session, pk(world.tenant), "course.waiting", course.uuid, {"course": "x"}, world.now)
    for who in (cast.WANG, cast.SUN):
        person = world.person(who)
        enter.raise_notice(session, pk(world.tenant), "person.twice_on_roster", person.uuid, {"name": "x"}, world.now)
    here = {theirs.uuid, nobodys.uuid, world.person(cast.WANG).uuid}
    assert set(told(world, officer)) == here
    assert len(told(world, world.actor(cast.OFFICER))) == 5
    assert told(world, world.actor(cast.LEAD)) == []
    with pytest.raises(NotFound):
        notices.settle_notice(session, officer, "course.waiting", others.uuid, world.now)
    notices.settle_notice(session, officer, "course.waiting", theirs.uuid, world.now)
    assert theirs.uuid not in told(world, world.actor(cast.OFFICER))


def test_whether_anybody_is_told(world: World, east: OrgUnit) -> None:
    chen, zhao = world.actor(cast.CHEN), world.actor(cast.ZHAO)
    assert notices.officers_above(world.session, chen)
    for held in world.session.exec(
        select(Role).where(Role.kind == RoleKind.OFFICER, col(Role.tenant_id) == pk(world.tenant))
    ).all():
        held.revoked_at = world.now
    world.session.flush()
    assert not notices.officers_above(world.session, chen)
    officer_of(world, east)
    assert notices.officers_above(world.session, chen)
    assert not notices.officers_above(world.session, zhao)


# --- gradebooks of before ---


@pytest.mark.parametrize(
    ("state", "was_sent", "given"),
    [
        (lti.DeliveryState.DELIVERED, True, 100),
        (lti.DeliveryState.OVERRIDDEN, True, 100),
        (lti.DeliveryState.FAILED, True, 0),  # what the gradebook has is not known
        (lti.DeliveryState.RETRYING, False, None),
        (lti.DeliveryState.NOT_A_LEARNER, False, None),
    ],
)
def test_a_gradebook_of_before_is_said_to_have_stopped(
    world: World, state: lti.DeliveryState, was_sent: bool, given: int | None
) -> None:
    earn(world, cast.CHEN, "A3")
    score(world, column(world), world.person(cast.CHEN), state, sent_timestamp_at=world.now if was_sent else None)
    officer, new = world.actor(cast.OFFICER), other_programme(world)
    before = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now).deliveries
    assert (before.courses, "stopped" in {line.state for line in before.lines}) == (1, False)
    courses.bind_course(world.session, officer, world.course.uuid, new.uuid, world.now, world.programme.uuid)
    after = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now).deliveries
    found = [(line.state, line.given_hundredths, line.can_resend) for line in after.lines]
    assert (after.courses, found) == (0, [] if given is None else [("stopped", given, False)])
    award = world.session.exec(select(competencies.Award.uuid)).one()
    person = world.person(cast.CHEN).uuid
    view = reversal.preview(world.session, officer, world.programme.uuid, person, "award", award)
    assert view.gradebooks.stopped == (() if given is None else (world.course.title,))
    assert report.queue_scores(world.session, world.programme, [pk(world.person(cast.CHEN))], world.now) == 0
