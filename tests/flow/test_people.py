"""Who is who: the first-launch page, the roster, confirmation, invitations."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import invitations, merges, people, roster_list, roster_ties, units
from lms_plugin.people import (
    Invitation,
    Notice,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
    Stage,
    UnitKind,
)
from tests import people as cast
from tests.factories import World, actor_of, grant

DAY = timedelta(days=1)


def newcomer(world: World, name: str = "") -> tuple[Person, Actor]:
    """Somebody who launched and has not said who they are."""
    person = Person(tenant_id=pk(world.tenant), name=name, created_at=world.now)
    world.session.add(person)
    world.session.flush()
    return person, actor_of(world.session, person)


def said(world: World, **changes: str) -> people.Introduction:
    values = {
        "name": "钱小雨",
        "school": world.schools["希望小学"].uuid,
        "stage": "primary",
        "subject": "语文",
        "staff_number": "XW100",
        **changes,
    }
    return people.Introduction.model_validate(values)


def on_roster(world: World, name: str, number: str, school: str = "平安小学") -> RosterEntry:
    row = RosterEntry(
        tenant_id=pk(world.tenant),
        name=name,
        staff_number=number,
        org_unit_id=pk(world.schools[school]),
        imported_at=world.now,
    )
    world.session.add(row)
    world.session.flush()
    return row


# --- the first page ---


def test_what_a_person_says_is_unconfirmed(world: World) -> None:
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    assert (person.name, person.stage, person.subject, person.staff_number) == (
        "钱小雨",
        Stage.PRIMARY,
        "语文",
        "XW100",
    )
    assert (person.introduced_at, person.confirmed_at) == (world.now, None)
    assert people.school_of(world.session, pk(person), world.now) == world.schools["希望小学"]


def test_a_foreign_unknown_or_higher_school_is_a_field_error(world: World) -> None:
    person, actor = newcomer(world)
    foreign = world.session.exec(select(OrgUnit).where(OrgUnit.name == "邻县小学")).one()
    for uuid in (foreign.uuid, "0" * 32, "", "x\x00", world.county.uuid):
        with pytest.raises(Invalid) as caught:
            people.introduce(world.session, actor, said(world, school=uuid), world.now)
        assert caught.value.fields == {"school": "person.school_unknown"}
    assert (person.name, person.introduced_at) == ("", None)


def test_a_trainer_may_belong_to_the_county(world: World) -> None:
    person, actor = newcomer(world)
    grant(world.session, person, RoleKind.TRAINER, world.county, world.now)
    actor = actor_of(world.session, person)
    people.introduce(world.session, actor, said(world, school=world.county.uuid), world.now)
    assert people.school_of(world.session, pk(person), world.now) == world.county


@pytest.mark.parametrize(
    ("name", "number", "matches"),
    [
        ("钱小雨", "XW100", True),
        ("钱 小雨", "XW100", True),
        ("钱小宇", "XW100", False),  # never by number alone
        ("钱小雨", "XW101", False),  # never by name alone
        ("钱小雨", "", False),
    ],
)
def test_the_roster_matches_by_number_and_name(world: World, name: str, number: str, matches: bool) -> None:
    row = on_roster(world, "钱小雨", "XW100")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world, name=name, staff_number=number), world.now)
    assert (row.person_id == pk(person)) is matches
    assert (person.confirmed_how, person.confirmed_at) == (("roster", world.now) if matches else ("", None))
    school = "平安小学" if matches else "希望小学"  # the officer's list knows better than a slip of the hand
    assert people.school_of(world.session, pk(person), world.now) == world.schools[school]


def test_dots_within_a_name_make_no_other_person(world: World) -> None:
    row = on_roster(world, "阿依古丽·买买提", "XW100")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world, name="阿依古丽•买买提"), world.now)
    assert row.person_id == pk(person)


def test_a_row_that_somebody_has_is_not_taken_away(world: World) -> None:
    row = on_roster(world, "钱小雨", "XW100")
    first, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    second, other = newcomer(world)
    people.introduce(world.session, other, said(world), world.now)
    assert (row.person_id, second.confirmed_at) == (pk(first), None)
    assert world.session.exec(select(Notice.kind)).all() == ["person.twice_on_roster"]
    merges.merge_persons(world.session, world.actor(cast.OFFICER), first.uuid, second.uuid, "同一人", world.now)
    assert (row.person_id, second.confirmed_how) == (pk(second), "roster")


def test_a_removed_or_foreign_row_matches_nobody(world: World) -> None:
    row = on_roster(world, "钱小雨", "XW100")
    row.removed_at = world.now
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    assert (row.person_id, person.confirmed_at) == (None, None)
    neighbour = world.session.exec(select(Person).where(Person.name == cast.NEIGHBOUR.name)).one()
    assert not roster_ties.match_roster(world.session, neighbour, world.now)


def test_a_change_of_facts_asks_for_confirmation_again(world: World) -> None:
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    people.confirm_person(world.session, world.actor(cast.LEAD), person.uuid, world.now)
    people.introduce(world.session, actor, said(world, subject="数学"), world.now)
    assert person.confirmed_at is not None  # the subject is nothing that a school lead vouched for
    people.introduce(world.session, actor, said(world, name="钱大雨"), world.now)
    assert (person.confirmed_at, person.confirmed_by_id, person.confirmed_how) == (None, None, "renamed")


# --- a person holds one row, a row one person ---


def ties(*rows: RosterEntry) -> list[int | None]:
    return [row.person_id for row in rows]


def test_who_says_to_be_somebody_else_leaves_their_row(world: World) -> None:
    """Chen, matched, retypes Wang's name and 工号; Wang has not come yet."""
    mine, hers = on_roster(world, "钱小雨", "XW100"), on_roster(world, "王大山", "XW200")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    assert ties(mine, hers) == [pk(person), None]
    people.introduce(world.session, actor, said(world, name="王大山", staff_number="XW200"), world.now)
    assert (ties(mine, hers), person.confirmed_at) == ([None, None], None)
    wang, her = newcomer(world)
    people.introduce(world.session, her, said(world, name="王大山", staff_number="XW200"), world.now)
    assert (ties(mine, hers), wang.confirmed_how) == ([None, pk(wang)], "roster")
    people.introduce(world.session, actor, said(world), world.now)  # back again: a human being confirms
    assert (ties(mine, hers), person.confirmed_at) == ([None, pk(wang)], None)
    people.confirm_person(world.session, world.actor(cast.OFFICER), person.uuid, world.now)
    assert ties(mine, hers) == [pk(person), pk(wang)]


def test_who_changes_in_two_steps_gets_no_further(world: World) -> None:
    for number, steps in enumerate(
        (({"name": "王大山"}, {"staff_number": "XW200"}), ({"staff_number": "XW200"}, {"name": "王大山"}))
    ):
        hers = on_roster(world, "王大山", f"XW20{number}")
        on_roster(world, "钱小雨", f"XW10{number}")
        person, actor = newcomer(world)
        facts = {"staff_number": f"XW10{number}"}
        people.introduce(world.session, actor, said(world, **facts), world.now)
        assert person.confirmed_how == "roster"
        for step in steps:
            facts |= {key: value.replace("XW200", f"XW20{number}") for key, value in step.items()}
            people.introduce(world.session, actor, said(world, **facts), world.now)
        assert (hers.person_id, person.confirmed_at) == (None, None)


def test_a_number_put_right_finds_its_row(world: World) -> None:
    row = on_roster(world, "钱小雨", "XW100")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world, staff_number="XW10"), world.now)
    people.confirm_person(world.session, world.actor(cast.LEAD), person.uuid, world.now)
    people.introduce(world.session, actor, said(world), world.now)
    assert (row.person_id, person.confirmed_how) == (pk(person), "roster")


def test_a_name_retyped_under_the_same_number_keeps_the_row(world: World) -> None:
    row = on_roster(world, "钱小雨", "XW100", "希望小学")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    people.introduce(world.session, actor, said(world, name="钱晓雨"), world.now)
    assert (row.person_id, person.confirmed_at) == (pk(person), None)
    (line,) = people.people_page(world.session, world.actor(cast.LEAD), "钱晓雨", False, 1)[0]
    assert (line.state, line.roster_name) == ("waiting", "钱小雨")
    people.introduce(world.session, actor, said(world), world.now)
    assert (row.person_id, person.confirmed_how) == (pk(person), "roster")


@pytest.mark.parametrize("typed", ["XW 100", "xw100", "ｘｗ１００", " Xw\u3000100 "])
def test_a_number_is_one_however_it_is_typed(world: World, typed: str) -> None:
    row = on_roster(world, "钱小雨", "XW100")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world, staff_number=typed), world.now)
    assert (row.person_id, person.staff_number) == (pk(person), "XW100")
    assert names(world, cast.OFFICER, typed.strip()) == {"钱小雨"}


def test_who_is_vouched_for_has_come(world: World) -> None:
    """The lead confirms a teacher whose name the roster spells otherwise: the row of that 工号 is theirs."""
    row, beyond = on_roster(world, "钱小宇", "XW100", "希望小学"), on_roster(world, "钱小宇", "PA100", "平安小学")
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    other, theirs = newcomer(world)
    people.introduce(world.session, theirs, said(world, staff_number="PA100"), world.now)
    assert ties(row, beyond) == [None, None]
    for one in (person, other):
        people.confirm_person(world.session, world.actor(cast.LEAD), one.uuid, world.now)
    assert ties(row, beyond) == [pk(person), None]  # the second row lies beyond the lead's school
    third, late = newcomer(world)
    people.introduce(world.session, late, said(world, name="钱三"), world.now)
    (line,) = people.people_page(world.session, world.actor(cast.LEAD), "钱三", False, 1)[0]
    assert line.is_taken
    people.confirm_person(world.session, world.actor(cast.LEAD), third.uuid, world.now)
    assert ties(row, beyond) == [pk(person), None]


def test_a_row_put_back_finds_who_came_meanwhile(world: World) -> None:
    row, officer = on_roster(world, "钱小雨", "XW100"), world.actor(cast.OFFICER)
    roster_list.set_removed(world.session, officer, row.uuid, True, world.now)
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    assert row.person_id is None
    roster_list.set_removed(world.session, officer, row.uuid, False, world.now)
    assert (row.person_id, person.confirmed_how) == (pk(person), "roster")


# --- membership is dated ---


def memberships(world: World, person: Person) -> list[tuple[str, object, object]]:
    rows = world.session.exec(
        select(OrgMembership, OrgUnit)
        .join(OrgUnit)
        .where(OrgMembership.person_id == pk(person))
        .order_by(OrgMembership.starts_on)
    ).all()
    return [(unit.name, row.starts_on, row.ends_on) for row, unit in rows]


def test_a_move_keeps_the_history(world: World) -> None:
    person, actor = newcomer(world)
    later = world.now + 30 * DAY
    people.introduce(world.session, actor, said(world), world.now)
    people.introduce(world.session, actor, said(world, school=world.schools["平安小学"].uuid), later)
    assert memberships(world, person) == [
        ("希望小学", world.now.date(), later.date()),
        ("平安小学", later.date(), None),
    ]
    for at, school in ((world.now, "希望小学"), (later - DAY, "希望小学"), (later, "平安小学")):
        assert people.school_of(world.session, pk(person), at) == world.schools[school]


def test_a_slip_of_the_same_day_is_no_history(world: World) -> None:
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    people.introduce(world.session, actor, said(world, school=world.schools["平安小学"].uuid), world.now)
    people.introduce(world.session, actor, said(world, school=world.schools["平安小学"].uuid), world.now + DAY)
    assert memberships(world, person) == [("平安小学", world.now.date(), None)]


# --- confirmation ---


def test_who_may_confirm(world: World) -> None:
    person, actor = newcomer(world)
    with pytest.raises(Refused, match=r"person\.not_introduced"):
        people.confirm_person(world.session, world.actor(cast.OFFICER), person.uuid, world.now)
    people.introduce(world.session, actor, said(world, school=world.schools["平安小学"].uuid), world.now)
    for who in (cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT, cast.CHEN):  # the lead is of the other school
        with pytest.raises(Forbidden):
            people.confirm_person(world.session, world.actor(who), person.uuid, world.now)
    with pytest.raises(NotFound):
        people.confirm_person(world.session, world.actor(cast.NEIGHBOUR), person.uuid, world.now)
    assert person.confirmed_at is None
    people.confirm_person(world.session, world.actor(cast.OFFICER), person.uuid, world.now)
    assert (person.confirmed_by_id, person.confirmed_how) == (pk(world.person(cast.OFFICER)), "person")


def test_nobody_confirms_themselves(world: World) -> None:
    for who in (cast.LEAD, cast.OFFICER):
        person = world.person(who)
        person.confirmed_at = None
        with pytest.raises(Forbidden):
            people.confirm_person(world.session, world.actor(who), person.uuid, world.now)


# --- the list ---


def names(world: World, who: cast.Cast, query: str = "", *, waiting: bool = False) -> set[str]:
    rows, total = people.people_page(world.session, world.actor(who), query, waiting, 1)
    assert total == len(rows)
    return {row.name for row in rows}


def test_the_list_ends_where_the_role_ends(world: World) -> None:
    silent, _actor = newcomer(world, "没填信息的人")
    assert silent.name in names(world, cast.OFFICER)  # belongs to no school yet
    assert cast.NEIGHBOUR.name not in names(world, cast.OFFICER)
    assert names(world, cast.LEAD) == {"陈晓芳", "王秀兰", "李建国", "冯校"}
    assert names(world, cast.AUDITOR) == names(world, cast.OFFICER)
    rows, _total = people.people_page(world.session, world.actor(cast.AUDITOR), "", False, 1)
    assert not any(row.can_confirm for row in rows)
    for who in (cast.CHEN, cast.TRAINER, cast.IT):
        with pytest.raises(Forbidden):
            people.people_page(world.session, world.actor(who), "", False, 1)
    assert names(world, cast.NEIGHBOUR) == {cast.NEIGHBOUR.name}


def test_searching(world: World) -> None:
    assert names(world, cast.OFFICER, "秀兰") == {"王秀兰"}
    assert names(world, cast.OFFICER, "PA002") == {"孙立新"}
    for odd in ("%", "_", "'", "\\"):
        assert names(world, cast.OFFICER, odd) == set()
    person, actor = newcomer(world)
    people.introduce(world.session, actor, said(world), world.now)
    assert names(world, cast.OFFICER, waiting=True) == {person.name}


# --- invitations ---


def invited(world: World, kind: RoleKind, unit: OrgUnit, at: datetime | None = None) -> str:
    return invitations.invite(world.session, world.actor(cast.OFFICER), kind, unit, at or world.now)[1]


def test_an_invitation_gives_its_role_once(world: World) -> None:
    code = invited(world, RoleKind.SCHOOL_LEAD, world.schools["平安小学"])
    assert code not in str(world.session.exec(select(Invitation)).one().model_dump())
    zhao, sun = world.actor(cast.ZHAO), world.actor(cast.SUN)
    role = invitations.accept_invitation(world.session, zhao, code.lower().replace("-", " "), world.now)
    assert (role.kind, role.org_unit_id, role.person_id) == (
        RoleKind.SCHOOL_LEAD,
        pk(world.schools["平安小学"]),
        zhao.person_id,
    )
    for who in (zhao, sun):
        with pytest.raises(Refused, match=r"invitation\.unusable"):
            invitations.accept_invitation(world.session, who, code, world.now)
    assert not world.actor(cast.SUN).has(RoleKind.SCHOOL_LEAD)


def test_an_invitation_ends_at_the_wall_and_after_two_weeks(world: World) -> None:
    code = invited(world, RoleKind.OFFICER, world.county)
    for who, at in ((cast.NEIGHBOUR, world.now), (cast.CHEN, world.now + 14 * DAY)):
        with pytest.raises(Refused, match=r"invitation\.unusable"):
            invitations.accept_invitation(world.session, world.actor(who), code, at)
    with pytest.raises(Refused, match=r"invitation\.unusable"):
        invitations.accept_invitation(world.session, world.actor(cast.CHEN), "AAAAA-BBBBB-CCCCC-DDDDD", world.now)
    invitations.accept_invitation(world.session, world.actor(cast.CHEN), code, world.now + 13 * DAY)
    assert world.actor(cast.CHEN).has(RoleKind.OFFICER)


def test_nobody_takes_their_own_invitation(world: World) -> None:
    code, officer = invited(world, RoleKind.TRAINER, world.county), world.actor(cast.OFFICER)
    with pytest.raises(Refused, match=r"role\.self"):
        invitations.accept_invitation(world.session, officer, code, world.now)
    invitations.accept_invitation(world.session, world.actor(cast.CHEN), code, world.now)  # it is still good


def test_what_cannot_be_invited(world: World) -> None:
    with pytest.raises(Refused, match=r"invitation\.teacher"):
        invited(world, RoleKind.TEACHER, world.county)
    with pytest.raises(Invalid):
        invited(world, RoleKind.SCHOOL_LEAD, world.county)
    for who in (cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR, cast.IT):
        with pytest.raises(Forbidden):
            invitations.invite(world.session, world.actor(who), RoleKind.TRAINER, world.county, world.now)
    foreign = world.session.exec(select(OrgUnit).where(OrgUnit.name == "邻县小学")).one()
    assert foreign.uuid not in {
        unit.uuid for unit in invitations.units_within(world.session, world.actor(cast.OFFICER))
    }


@pytest.mark.parametrize("school", ["", "平安小学"])
def test_a_trainer_of_the_district_alone_needs_no_provisional_role(world: World, school: str) -> None:
    """Whoever teaches a course and is invited for one school still reads the works of that course."""
    provisional = Role(
        tenant_id=pk(world.tenant),
        person_id=pk(world.person(cast.CHEN)),
        kind=RoleKind.TRAINER,
        course_id=pk(world.course),
        is_provisional=True,
        granted_at=world.now,
    )
    world.session.add(provisional)
    code = invited(world, RoleKind.TRAINER, world.schools[school] if school else world.county)
    invitations.accept_invitation(world.session, world.actor(cast.CHEN), code, world.now)
    held = [role for role in world.actor(cast.CHEN).roles if role.kind is RoleKind.TRAINER]
    found = sorted((role.is_provisional, role.is_district_wide) for role in held)
    assert found == ([(False, False), (True, False)] if school else [(False, True)])
    assert provisional.revoked_at == (None if school else world.now)


# --- units ---


def test_a_district_has_one_root(world: World) -> None:
    """A role at the root reaches everything, so a school beside it would rule the district."""
    with pytest.raises(Refused, match=r"unit\.second_root"):
        units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "独立小学")
    again = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "希望小学", world.county)
    assert pk(again) == pk(world.schools["希望小学"])
    group = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL_GROUP, "东片", world.county)
    school = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "东片小学", group)
    assert school.path == f"{world.county.path}{pk(group)}/{pk(school)}/"
