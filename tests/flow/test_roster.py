"""名单: taking in a file twice is taking it in once; nobody reaches beyond their county; files wait a day."""

from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import col, select

from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, NotFound
from lms_plugin.flow import merges, people, roster, roster_list, units
from lms_plugin.flow.imports import KEPT_FOR, Tray
from lms_plugin.people import OrgUnit, RoleKind, RosterEntry, UnitKind, staff_number_as_kept
from tests import people as cast
from tests.factories import World, add_person
from tests.fuzzing import times
from tests.rosters import HEAD, put_on_roster, roster_rows, workbook


def officer_of(world: World, unit: OrgUnit) -> Actor:
    """An officer of a part of the district."""
    role = RoleScope(RoleKind.OFFICER, unit_path=unit.path)
    return Actor(pk(world.tenant), pk(world.person(cast.OFFICER)), (role,))


def entries(world: World) -> list[RosterEntry]:
    mine = select(RosterEntry).where(RosterEntry.tenant_id == pk(world.tenant))
    return list(world.session.exec(mine.order_by(col(RosterEntry.id))))


def commit(world: World, data: bytes, actor: Actor | None = None) -> roster.Imported:
    return roster.commit(
        world.session,
        actor or world.actor(cast.OFFICER),
        data,
        new_schools_under=world.county.uuid,
        accept_renames=True,
        now=world.now,
    )


def test_a_correction_moves_the_person_and_keeps_their_past(world: World) -> None:
    commit(world, workbook(roster_rows(cast.TEACHERS)))
    rows = [HEAD, (cast.CHEN.name, "平安小学", cast.CHEN.staff_number, "小学", "英语")]
    found = roster.check(world.session, world.actor(cast.OFFICER), workbook(rows))
    assert (found.new, found.changed, found.same, found.missing) == (0, 1, 0, 3)
    done = commit(world, workbook(rows))
    assert (done.changed, done.matched) == (1, 0)
    school = people.school_of(world.session, pk(world.person(cast.CHEN)), world.now)
    assert school is not None
    assert school.name == "平安小学"
    assert len(entries(world)) == 6


def test_a_number_that_went_to_somebody_who_has_come_goes_with_them(world: World) -> None:
    """The roster follows: the new person holds the row, the former one waits for somebody to say who they are."""
    row, chen, officer = put_on_roster(world, cast.CHEN), world.person(cast.CHEN), world.actor(cast.OFFICER)
    chen.staff_number = ""  # says something else by now
    new = add_person(
        world.session,
        world.tenant,
        world.schools["平安小学"],
        cast.Cast("new", "钱新来", "平安小学", "XW001"),
        world.now,
        confirmed=False,
    )
    data = workbook([HEAD, ("钱新来", "希望小学", "XW001", "小学", "语文")])
    (rename,) = roster.check(world.session, officer, data).renames
    assert (rename.has_come, rename.is_other) == (True, True)
    done = roster.commit(world.session, officer, data, new_schools_under="", accept_renames=True, now=world.now)
    assert (done.matched, row.person_id, new.confirmed_how) == (1, pk(new), "roster")
    assert (chen.confirmed_at, chen.confirmed_how) == (None, "again")


def test_who_was_taken_off_comes_back_with_the_next_file(world: World) -> None:
    entry = put_on_roster(world, cast.CHEN)
    roster_list.set_removed(world.session, world.actor(cast.OFFICER), entry.uuid, True, world.now)
    assert commit(world, workbook(roster_rows([cast.CHEN]))).changed == 1
    assert entry.removed_at is None


def test_a_row_that_comes_back_gives_nobody_a_second_one(world: World) -> None:
    """Two rows of the roster, one taken off so that their people can be merged: it comes back free, both ways."""
    first, second = put_on_roster(world, cast.CHEN), put_on_roster(world, cast.WANG)
    officer = world.actor(cast.OFFICER)
    roster_list.set_removed(world.session, officer, first.uuid, True, world.now)
    chen, wang = world.person(cast.CHEN).uuid, world.person(cast.WANG).uuid
    merges.merge_persons(world.session, officer, chen, wang, "同一个人", world.now)
    roster_list.set_removed(world.session, officer, first.uuid, False, world.now)
    assert first.person_id is None
    assert second.person_id == pk(world.person(cast.WANG))
    first.person_id = pk(world.person(cast.CHEN))
    roster_list.set_removed(world.session, officer, first.uuid, True, world.now)
    commit(world, workbook(roster_rows([cast.CHEN])))
    assert (first.person_id, first.removed_at) == (None, None)


def test_an_officer_of_a_part_reaches_that_part(world: World) -> None:
    group = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL_GROUP, "城东学区", world.county)
    units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "城东小学", group)
    put_on_roster(world, cast.CHEN)
    partly = officer_of(world, group)
    rows = [HEAD, ("甲某", "城东小学", "CD1", "小学", "语文")]
    assert commit(world, workbook(rows), partly).new == 1
    for stolen in (("甲某", "希望小学", "CD2", "小学", "语文"), ("陈晓芳", "城东小学", "XW001", "小学", "语文")):
        found = roster.check(world.session, partly, workbook([HEAD, stolen]))
        assert len(found.problems) == 1
        with pytest.raises(Conflict):
            commit(world, workbook([HEAD, stolen]), partly)
    with pytest.raises(Forbidden):
        roster_list.set_removed(world.session, partly, entries(world)[0].uuid, True, world.now)
    with pytest.raises(Forbidden):  # a new school beside the own part
        roster.commit(
            world.session,
            partly,
            workbook([HEAD, ("乙某", "新建小学", "CD3", "小学", "语文")]),
            new_schools_under=world.county.uuid,
            accept_renames=False,
            now=world.now,
        )
    lines, total, _standing = roster_list.page(world.session, partly, "", 1)
    assert (total, [line.school for line in lines]) == (1, ["城东小学"])


def test_two_schools_of_one_name_are_not_guessed(world: World) -> None:
    group = units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL_GROUP, "城东学区", world.county)
    units.add_unit(world.session, pk(world.tenant), UnitKind.SCHOOL, "希望小学", group)
    found = roster.check(world.session, world.actor(cast.OFFICER), workbook(roster_rows([cast.CHEN])))
    assert [problem.code for problem in found.problems] == ["roster.school_ambiguous"]


def test_others_have_no_roster(world: World) -> None:
    data = workbook(roster_rows(cast.TEACHERS))
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT):
        with pytest.raises(Forbidden):
            roster.check(world.session, world.actor(who), data)
        with pytest.raises(Forbidden):
            commit(world, data, world.actor(who))
        with pytest.raises(Forbidden):
            roster_list.page(world.session, world.actor(who), "", 1)
    assert entries(world) == []


NAMES = st.sampled_from(["甲某", "乙某", "丙 某", "丁某"])
SCHOOLS = st.sampled_from(["希望小学", "平安小学", "新建小学"])
SHEETS = st.lists(
    st.tuples(
        NAMES, SCHOOLS, st.sampled_from(["1", "2", "3", "4", "0x5"]), st.just("小学"), st.sampled_from(["语文", "数学"])
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row[2],
)


@settings(max_examples=times(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=SHEETS, second=SHEETS)
def test_twice_is_once(world: World, first: list[tuple[str, ...]], second: list[tuple[str, ...]]) -> None:
    """Whatever stood there before: after a file its rows stand so, and the same file again finds nothing to do."""
    session = world.session
    with session.begin_nested() as inner:
        before: set[str] = set()
        for rows in (first, second):
            data = workbook([HEAD, *rows])
            found = roster.check(session, world.actor(cast.OFFICER), data)
            assert found.new + found.changed + found.same == len(rows)
            done = commit(world, data)
            assert (done.new, done.changed, done.same) == (found.new, found.changed, found.same)
            again = commit(world, data)
            assert (again.new, again.changed, again.same, again.schools) == (0, 0, len(rows), 0)
            standing = {row.staff_number: row for row in entries(world)}
            assert before <= set(standing)
            for name, _school, number, _stage, subject in rows:
                row = standing[staff_number_as_kept(number)]
                assert (row.name, row.subject) == (name, subject)
            before = set(standing)
        inner.rollback()
    session.expire_all()


def test_a_file_waits_a_day_for_its_owner(tmp_path: Path, world: World) -> None:
    tray, officer = Tray(tmp_path / "imports"), world.actor(cast.OFFICER)
    token = tray.keep(officer, "roster", "../../名单.xlsx", b"bytes", world.now)
    assert tray.open(officer, "roster", token, world.now).data == b"bytes"
    for actor, purpose, name in (
        (world.actor(cast.LEAD), "roster", token),
        (world.actor(cast.NEIGHBOUR), "roster", token),
        (officer, "hours:1", token),
        (officer, "roster", "../" + token),
        (officer, "roster", "0" * 32),
    ):
        with pytest.raises(NotFound):
            tray.open(actor, purpose, name, world.now)
    later = world.now + KEPT_FOR + timedelta(minutes=1)
    with pytest.raises(NotFound):
        tray.open(officer, "roster", token, later)
    tray.keep(officer, "roster", "b.xlsx", b"b", later)
    assert len(list((tmp_path / "imports").iterdir())) == 2


def test_two_spellings_of_a_new_school_are_one(world: World) -> None:
    spelt = ("东风小学（北区）", "东风小学(北区)", "东风 小学（北区）")
    rows = [(f"甲{n}某", name, f"DF{n}", "小学", "语文") for n, name in enumerate(spelt)]
    (found,) = roster.check(world.session, world.actor(cast.OFFICER), workbook([HEAD, *rows])).new_schools
    assert (found.name, found.rows) == ("东风小学（北区）", 3)
    done = commit(world, workbook([HEAD, *rows]))
    assert (done.schools, done.new) == (1, 3)
    assert len({entry.org_unit_id for entry in entries(world)}) == 1


def test_a_column_of_names_in_the_place_of_schools_is_one_fault(world: World) -> None:
    officer = world.actor(cast.OFFICER)
    rows = [(f"甲{n}", f"王{n}", f"N{n}", "小学", "语文") for n in range(1000)]
    found = roster.check(world.session, officer, workbook([HEAD, *rows]))
    assert [(one.row, one.column, one.code) for one in found.problems] == [(2, "B", "roster.no_schools")]
    many = [(f"甲{n}", f"新{n % 60}小学", f"N{n}", "小学", "语文") for n in range(120)]
    assert len(roster.check(world.session, officer, workbook([HEAD, *many])).new_schools) == 60  # a district's first


def test_so_many_names_are_not_compared_with_one_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    officer = world.actor(cast.OFFICER)
    data = workbook([HEAD, ("甲某", "希望小学校", "N1", "小学", "语文")])
    assert roster.check(world.session, officer, data).new_schools[0].similar == "希望小学"
    monkeypatch.setattr(roster, "MOST_COMPARED", 0)
    assert roster.check(world.session, officer, data).new_schools[0].similar == ""
