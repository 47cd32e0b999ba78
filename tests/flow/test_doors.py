"""One account of Open edX by two doors is one person only where an officer says so."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, col, select

import lti
from lms_plugin import db, migrate
from lms_plugin.access import Actor
from lms_plugin.db import get, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import course_people, doors, merge_views, merges, notices, people, person_data
from lms_plugin.people import (
    Course,
    CourseMember,
    Identity,
    IdentityMove,
    ListedMember,
    Notice,
    Person,
    RoleKind,
    Tenant,
)
from lti.doors import BLOCK, KEYS
from tests import people as cast
from tests.factories import World, actor_of, add_person, course_of, grant, world_in
from tests.flow.test_enter import LEARNER, come, launch_of
from tests.flow.test_people import said
from tests.fuzzing import times

EDX = "https://lms.edx.example"
SAME = "9c6f-learner"


def opened(world: World, context_id: str, issuer: str = EDX, door: str = "") -> Course:
    """A course of a registration of its own."""
    course = course_of(world.session, world.tenant, context_id, world.now, issuer)
    course.programme_id = pk(world.programme)
    platform = platform_of(world.session, course)
    platform.door, platform.jwks_url = door, issuer + (KEYS if door else f"/keys/{context_id}")
    world.session.flush()
    return course


def platform_of(session: Session, course: Course) -> lti.Platform:
    return get(session, lti.Platform, get(session, lti.Deployment, course.deployment_id).platform_id)


def enters(world: World, course: Course, subject: str = SAME, **more: Any) -> Person:
    door = platform_of(world.session, course).door
    return come(world, subject, LEARNER, course=course, door=door, **more)


def both(world: World) -> tuple[Person, Person]:
    """Rows of one account: by our block, by the stock component."""
    return enters(world, opened(world, "by-block", door=BLOCK)), enters(world, opened(world, "stock-1"))


def introduced(world: World, person: Person, number: str = "XW900") -> Actor:
    actor = actor_of(world.session, person)
    people.introduce(world.session, actor, said(world, name="许晓静", staff_number=number), world.now)
    return actor


def merge(world: World, gone: Person, kept: Person, at: int = 1) -> None:
    now = world.now + timedelta(minutes=at)
    merges.merge_persons(world.session, world.actor(cast.OFFICER), gone.uuid, kept.uuid, "问过本人", now)


def told(world: World) -> list[tuple[str, str]]:
    lines = notices.open_notices(world.session, world.actor(cast.OFFICER), world.now)
    return [(line.key, line.params["other"]) for line in lines if line.kind == doors.TWO_DOORS]


# --- whose account it is ---


def test_each_door_has_its_own_account_and_the_stock_components_share_one(world: World) -> None:
    """One registration for each component is no account for each."""
    block = opened(world, "by-block", door=BLOCK)
    first, second = opened(world, "stock-1"), opened(world, "stock-2")
    by_block, stock = enters(world, block), enters(world, first)
    assert pk(by_block) != pk(stock)
    for course, person in ((second, stock), (first, stock), (block, by_block)):
        assert pk(enters(world, course)) == pk(person)
    moodle = opened(world, "moodle", "https://moodle.example")
    assert pk(enters(world, moodle)) not in (pk(stock), pk(by_block))
    again = opened(world, "moodle-again", "https://moodle.example")
    assert pk(enters(world, again)) == pk(enters(world, moodle))  # other hosts as ever


COURSES = ("block", "stock-1", "stock-2", "moodle")


@settings(max_examples=times(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(COURSES), st.sampled_from("ab")) | st.tuples(st.integers(0, 5), st.integers(0, 5)),
        min_size=2,
        max_size=9,
    )
)
def test_two_accounts_are_one_person_exactly_where_an_officer_said_so(world: World, acts: list[Any]) -> None:
    with world.session.begin_nested() as savepoint:
        courses = {
            name: opened(world, name, "https://moodle.example" if name == "moodle" else EDX, BLOCK * (name == "block"))
            for name in COURSES
        }
        groups: list[set[tuple[str, str]]] = []
        rows: dict[tuple[str, str], Person] = {}
        for at, (first, second) in enumerate(acts):
            if isinstance(first, str):
                account = (first.partition("-")[0], second)
                rows[account] = enters(world, courses[first], second)
                if not any(account in group for group in groups):
                    groups.append({account})
            elif len(groups) > max(first, second) and first != second:
                gone, kept = (get(world.session, Person, pk(rows[min(groups[one])])) for one in (first, second))
                merge(world, today(world, gone), today(world, kept), at + 1)
                groups[second] |= groups[first]
                del groups[first]
        for account, person in rows.items():
            assert {other for other in rows if pk(today(world, rows[other])) == pk(today(world, person))} == next(
                group for group in groups if account in group
            )
        savepoint.rollback()
    world.session.expire_all()


def today(world: World, person: Person) -> Person:
    kept = get(world.session, Person, pk(person))
    return get(world.session, Person, kept.merged_into_id) if kept.merged_into_id is not None else kept


def test_a_merge_leads_both_doors_to_one_row_and_its_undo_each_to_its_own(world: World) -> None:
    by_block, stock = both(world)
    named = {course.context_id: course for course in world.session.exec(select(Course))}
    block, first = named["by-block"], named["stock-1"]
    merge(world, by_block, stock)
    assert pk(enters(world, block)) == pk(enters(world, first)) == pk(stock)
    merges.undo_merge(world.session, world.actor(cast.OFFICER), by_block.uuid, world.now + timedelta(minutes=2))
    assert (pk(enters(world, block)), pk(enters(world, first))) == (pk(by_block), pk(stock))


def test_a_list_names_those_of_its_own_door(world: World) -> None:
    """Who is listed in a course of the block and never came there is whoever came by the block elsewhere."""
    by_block, stock = both(world)
    for context, door, person in (("listed-block", BLOCK, by_block), ("listed-stock", "", stock)):
        course = opened(world, context, door=door)
        seen = {"first_seen_at": world.now, "last_seen_at": world.now}
        world.session.add(
            ListedMember(
                course_id=pk(course), subject=SAME, is_learner=True, is_instructor=False, is_active=True, **seen
            )
        )
        person.name, person.introduced_at = f"来自{context}", world.now
        world.session.flush()
        page = course_people.page(world.session, world.actor(cast.OFFICER), course.uuid, "all", 1, world.now)
        assert [line.name for line in page.lines] == [person.name]


def test_a_host_that_asks_for_somebodys_data_means_those_of_its_door(world: World) -> None:
    by_block, stock = both(world)
    for door, person in ((BLOCK, by_block), ("", stock)):
        launch = launch_of(world, "officer-there", LEARNER, door=door, for_user=SAME, issuer=EDX)
        assert person_data.wanted(world.session, launch).endswith(person.uuid)
    data = person_data.file_of(world.session, actor_of(world.session, by_block), None, world.now)
    assert [(row["issuer"], row["door"]) for row in data["accounts"]] == [(EDX, BLOCK)]


# --- who is told ---


def test_who_comes_by_the_second_door_is_told_and_officers_with_both_rows(world: World) -> None:
    by_block, stock = both(world)
    assert told(world) == []
    introduced(world, stock)
    assert told(world) == [(stock.uuid, by_block.uuid)]
    introduced(world, by_block, "XW901")  # one account is one matter
    assert told(world) == [(stock.uuid, by_block.uuid)]
    for person, other in ((by_block, stock), (stock, by_block)):
        assert doors.twin_of(world.session, actor_of(world.session, person)) == doors.Twin(other.uuid, is_asked=True)
    view = merge_views.question(world.session, world.actor(cast.OFFICER), by_block.uuid, stock.uuid)
    assert view.shared == EDX
    chen = world.person(cast.CHEN)
    assert merge_views.question(world.session, world.actor(cast.OFFICER), by_block.uuid, chen.uuid).shared == ""
    merge(world, by_block, stock)
    assert told(world) == []
    assert doors.twin_of(world.session, actor_of(world.session, stock)) is None
    assert doors.twin_of(world.session, actor_of(world.session, chen)) is None


def test_asking_again_after_the_officer_put_it_aside(world: World) -> None:
    by_block, stock = both(world)
    actor = introduced(world, stock)
    notices.settle_notice(world.session, world.actor(cast.OFFICER), doors.TWO_DOORS, stock.uuid, world.now)
    assert doors.twin_of(world.session, actor_of(world.session, stock)) == doors.Twin(by_block.uuid, is_asked=False)
    introduced(world, stock)  # saying the same once more is no question
    assert told(world) == []
    for _double_click in range(2):
        doors.ask_merge(world.session, actor, world.now)
    assert told(world) == [(stock.uuid, by_block.uuid)]


def test_who_has_no_twin_has_nothing_to_ask(world: World) -> None:
    """Nor does an account of the same name in another district make one."""
    neighbours = world.session.exec(select(Tenant).where(Tenant.id != pk(world.tenant))).first()
    assert neighbours is not None
    stock = enters(world, opened(world, "stock-1"))
    there = add_person(world.session, neighbours, world.county, cast.Cast("far", "远方", "希望小学", "Y1"), world.now)
    row = world.session.exec(select(Identity).where(Identity.person_id == pk(there))).one()
    row.issuer, row.subject, row.door = EDX, SAME, BLOCK
    world.session.flush()
    for person in (stock, there, world.person(cast.CHEN)):
        with pytest.raises(NotFound):
            doors.ask_merge(world.session, actor_of(world.session, person), world.now)
    assert world.session.exec(select(Notice).where(Notice.kind == doors.TWO_DOORS)).all() == []


def test_it_reaches_officers_above_the_person_and_only_the_districts_merge(world: World) -> None:
    by_block, stock = both(world)
    introduced(world, stock)
    there = said(world).school
    lead = world.person(cast.LEAD)
    for unit in (*world.schools.values(), world.county):
        officer = grant(world.session, lead, RoleKind.OFFICER, unit, world.now)
        lines = notices.open_notices(world.session, actor_of(world.session, lead), world.now)
        found = [line for line in lines if line.kind == doors.TWO_DOORS]
        assert len(found) == (unit.uuid == there or unit is world.county), unit.name
        officer.revoked_at = world.now
        world.session.flush()
    with pytest.raises(Forbidden):
        merges.merge_persons(world.session, world.actor(cast.TRAINER), by_block.uuid, stock.uuid, "我知道", world.now)


# --- from before ---


def test_accounts_from_before_go_to_the_door_by_which_they_came(own_database_url: str, now: datetime) -> None:
    """And down: who has two keeps two. Somebody who came by both was one person, merged and not, and stays one."""
    made = db.engine(own_database_url)
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        world = world_in(session, now)
        block, stock = opened(world, "by-block", door=BLOCK), opened(world, "stock-1")
        split = enters(world, block, "split"), enters(world, stock, "split")
        only = enters(world, block, "only"), enters(world, stock, "stock")
        one = enters(world, stock, "one")
        kept = enters(world, stock, "kept")
        members = [(block, one, "one")]
        merge(world, one, kept)
        for course, person, subject in members:  # as both doors were one account then
            world.session.add(
                CourseMember(
                    course_id=pk(course),
                    person_id=pk(person),
                    subject=subject,
                    is_learner=True,
                    is_instructor=False,
                    launched_at=now,
                )
            )
        session.commit()
        ids = {"split": tuple(map(pk, split)), "only": tuple(map(pk, only)), "one": pk(one), "kept": pk(kept)}
    held = dict.fromkeys([("split", BLOCK), ("only", BLOCK)])
    before = accounts(made)
    assert held.keys() <= before.keys()
    made.dispose()
    migrate.downgrade(own_database_url, "0070")
    migrate.upgrade(own_database_url)
    after = accounts(made)
    assert after == {**before, ("one", BLOCK): ids["kept"]}
    assert migrate.differences(own_database_url) == []
    with Session(made, expire_on_commit=False) as session:
        db.writes(session)
        assert platform_of(session, get(session, Course, pk(block))).door == BLOCK
        moves = session.exec(select(IdentityMove.to_person_id).order_by(col(IdentityMove.id))).all()
        assert moves == [ids["kept"], ids["kept"]]
        gone = get(session, Person, ids["one"])
        officer = actor_of(session, get(session, Person, pk(world.person(cast.OFFICER))))
        merges.undo_merge(session, officer, gone.uuid, now + timedelta(hours=1))
        session.commit()
    found = accounts(made)
    assert found["one", ""] == found["one", BLOCK] == ids["one"]
    made.dispose()


def accounts(bind: Engine) -> dict[tuple[str, str], int]:
    with Session(bind) as session:
        rows = session.exec(select(Identity).where(Identity.issuer == EDX)).all()
        return {(row.subject, row.door): row.person_id for row in rows}
