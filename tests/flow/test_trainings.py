"""A training from its plan to the ledger: who may, who was there, what closing books, and what is put right."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

import competencies
from competencies import Attendance, AttendanceChange, CreditEntry, CreditKind, Expects, Training, TrainingKind
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import attendance, merges, passport, sign_in, training_hours, training_import, trainings
from lms_plugin.people import RosterEntry
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.rosters import add_entry, put_on_roster, workbook

HOUR = timedelta(hours=1)
KEY = "a key of this installation, long enough"


def plan_of(world: World, **other: object) -> trainings.Plan:
    """Ninety minutes at 希望小学, beginning now."""
    said = trainings.Plan(
        title="信息技术校本研修",
        programme=world.programme.uuid,
        unit=world.schools["希望小学"].uuid,
        kind=TrainingKind.SCHOOL_BASED,
        expects=Expects.ROSTER,
        starts_at=world.now,
        ends_at=world.now + 1.5 * HOUR,
        place="阶梯教室",
    )
    return replace(said, **other)


def planned(world: World, who: cast.Cast = cast.LEAD, **other: object) -> Training:
    return trainings.plan(world.session, world.actor(who), plan_of(world, **other), world.now)


def entries(world: World) -> list[CreditEntry]:
    return list(
        world.session.exec(
            select(CreditEntry).where(CreditEntry.tenant_id == pk(world.tenant)).order_by(col(CreditEntry.id))
        )
    )


def signed_by_code(world: World, training: Training, who: cast.Cast) -> None:
    code = competencies.trainings.rotating_code(training.sign_in_secret, world.now)
    assert sign_in.by_code(world.session, world.actor(who), code, world.now) is not None


def test_a_lead_plans_for_their_own_school_alone(world: World) -> None:
    made = planned(world)
    assert made.minutes == 90
    with pytest.raises(Forbidden):
        planned(world, unit=world.schools["平安小学"].uuid)
    with pytest.raises(Forbidden):
        planned(world, cast.CHEN)
    with pytest.raises(NotFound):
        trainings.view(world.session, world.actor(cast.NEIGHBOUR), made.uuid, world.now)
    there = planned(world, cast.OFFICER, unit=world.schools["平安小学"].uuid)
    with pytest.raises(Forbidden):
        trainings.view(world.session, world.actor(cast.LEAD), there.uuid, world.now)
    assert [line.uuid for line in trainings.lines(world.session, world.actor(cast.LEAD), 1)[0]] == [made.uuid]
    assert trainings.lines(world.session, world.actor(cast.OFFICER), 1)[1] == 2
    assert planned(world).uuid == made.uuid  # a second click
    assert planned(world, place="操场").uuid != made.uuid


def test_a_plan_says_what_does_not_fit(world: World) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"title": " "}, "title"),
        ({"programme": "0" * 32}, "programme"),
        ({"ends_at": world.now}, "ends"),
        ({"starts_at": world.now + timedelta(days=400), "ends_at": world.now + timedelta(days=401)}, "day"),
        ({"ends_at": world.now + timedelta(days=2)}, "minutes"),
        ({"minutes": 91}, "minutes"),
    ]
    for other, field in cases:
        with pytest.raises(Invalid) as error:
            planned(world, **other)
        assert field in error.value.fields


def test_it_is_changed_or_cancelled_before_anybody_came(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    trainings.change(session, lead, made.uuid, plan_of(world, title="改期"), made.version, world.now)
    with pytest.raises(Conflict, match=r"page\.changed_meanwhile"):
        trainings.change(session, lead, made.uuid, plan_of(world), made.version - 1, world.now)
    signed_by_code(world, made, cast.CHEN)
    with pytest.raises(Refused, match=r"training\.somebody_is_here"):
        trainings.cancel(session, lead, made.uuid, "停电", world.now)
    other = planned(world)
    with pytest.raises(Invalid):
        trainings.cancel(session, lead, other.uuid, " ", world.now)
    trainings.cancel(session, lead, other.uuid, "停电", world.now)
    trainings.cancel(session, lead, other.uuid, "停电", world.now)  # a second click
    stands = {line.title: line.stand for line in sign_in.mine(session, world.actor(cast.CHEN), world.now)}
    assert stands == {"改期": "here", "信息技术校本研修": "cancelled"}


def test_minutes_become_hours_when_it_is_closed_and_once(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    for who in (cast.CHEN, cast.WANG):
        put_on_roster(world, who)
    absent = put_on_roster(world, cast.LI, came=False)
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    shown = list(session.exec(select(RosterEntry.uuid)))
    ticked = [entry.uuid for entry in session.exec(select(RosterEntry))]
    assert attendance.tick(session, lead, made.uuid, shown, ticked, world.now) == 2  # 陈 stands already
    assert entries(world) == []
    with pytest.raises(Conflict, match=r"training\.not_over_yet"):
        training_hours.close(session, lead, made.uuid, world.now)
    after = world.now + 2 * HOUR
    assert training_hours.close(session, lead, made.uuid, after).people == 2
    assert training_hours.close(session, lead, made.uuid, after).people == 0
    booked = entries(world)
    assert {(row.person_id, row.credit_hundredths, row.kind, row.source) for row in booked} == {
        (pk(world.person(who)), 200, CreditKind.SCHOOL_BASED, "信息技术校本研修") for who in (cast.CHEN, cast.WANG)
    }
    assert {row.org_unit_id for row in booked} == {pk(world.schools["希望小学"])}
    view = trainings.view(session, lead, made.uuid, after)
    assert (view.here, view.waiting, view.unbooked, view.booked_hundredths) == (3, 1, 0, 400)
    absent.person_id = pk(world.person(cast.LI))  # logs in a week later
    session.add(absent)
    session.flush()
    assert trainings.view(session, lead, made.uuid, after).unbooked == 1
    assert training_hours.close(session, lead, made.uuid, after).people == 1
    record = passport.record(session, world.actor(cast.CHEN), world.programme.uuid, None, after)
    assert [(one.title, one.minutes, one.hundredths) for one in record.trainings] == [("信息技术校本研修", 90, 200)]
    assert [line.reason for line in record.hours] == ["training"]
    assert record.online_hundredths == record.practice_hundredths == 0


def test_how_many_minutes_make_an_hour_is_a_setting(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    world.set_rules(trainings={"minutes_per_hour": 60})
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    training_hours.close(world.session, world.actor(cast.LEAD), made.uuid, world.now + 2 * HOUR)
    assert [row.credit_hundredths for row in entries(world)] == [150]


def test_a_correction_is_a_reversal_and_a_new_entry_with_its_reason(world: World) -> None:
    session, lead, after = world.session, world.actor(cast.LEAD), world.now + 2 * HOUR
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    training_hours.close(session, lead, made.uuid, after)
    row = session.exec(select(Attendance)).one()
    with pytest.raises(Invalid) as error:
        attendance.correct(session, lead, made.uuid, row.uuid, 91, True, "", after)
    assert set(error.value.fields) == {"minutes", "reason"}
    attendance.correct(session, lead, made.uuid, row.uuid, 45, True, "提前离开", after)
    attendance.correct(session, lead, made.uuid, row.uuid, 45, True, "提前离开", after)  # a second click
    attendance.correct(session, lead, made.uuid, row.uuid, 45, False, "代签", after)
    attendance.correct(session, lead, made.uuid, row.uuid, None, True, "弄错了人", after)
    assert [one.credit_hundredths for one in entries(world)] == [200, -200, 100, -100, 200]
    assert [one.source for one in entries(world) if one.reason == "reversal"] == ["提前离开", "代签"]
    log = session.exec(select(AttendanceChange).order_by(col(AttendanceChange.id))).all()
    assert [(one.what, one.way, one.minutes) for one in log] == [
        ("signed", "code", None),
        ("minutes", "", 45),
        ("removed", "", 45),
        ("minutes", "", None),
    ]
    assert (
        attendance.tick(session, lead, made.uuid, [put_entry(session)], [], after) == 0
    )  # a closed list takes none out


def put_entry(session: Session) -> str:
    return session.exec(select(RosterEntry.uuid)).one()


def test_nobody_books_or_corrects_their_own_hours(world: World) -> None:
    session, lead, after = world.session, world.actor(cast.LEAD), world.now + 2 * HOUR
    put_on_roster(world, cast.LEAD)
    made = planned(world)
    signed_by_code(world, made, cast.LEAD)
    assert training_hours.close(session, lead, made.uuid, after) == training_hours.Booked(0, 0, own=True)
    row = session.exec(select(Attendance)).one()
    with pytest.raises(Forbidden):
        attendance.correct(session, lead, made.uuid, row.uuid, 90, True, "x", after)
    assert training_hours.close(session, world.actor(cast.OFFICER), made.uuid, after).people == 1


def test_one_human_being_is_booked_once_under_two_rows(world: World) -> None:
    session, officer, after = world.session, world.actor(cast.OFFICER), world.now + 2 * HOUR
    put_on_roster(world, cast.CHEN)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    made = planned(world, cast.OFFICER)
    signed_by_code(world, made, cast.CHEN)
    signed_by_code(world, made, cast.WANG)  # confirmed and of this school, on no roster
    wang.name, wang.staff_number = chen.name, chen.staff_number
    session.flush()
    merges.merge_persons(session, officer, chen.uuid, wang.uuid, "", world.now)
    assert training_hours.close(session, officer, made.uuid, after).people == 1
    assert sum(row.credit_hundredths for row in entries(world)) == 200
    view = trainings.view(session, officer, made.uuid, after)
    assert (view.here, view.unbooked) == (2, 0)  # nothing of theirs is still to be booked
    [line] = sign_in.mine(session, world.actor(cast.CHEN), after)
    assert (line.minutes, line.hundredths) == (90, 200)


def test_two_rows_that_were_both_booked_are_booked_once_when_they_become_one(world: World) -> None:
    session, officer, after = world.session, world.actor(cast.OFFICER), world.now + 2 * HOUR
    put_on_roster(world, cast.CHEN)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    made = planned(world, cast.OFFICER)
    signed_by_code(world, made, cast.CHEN)
    signed_by_code(world, made, cast.WANG)
    row = session.exec(select(Attendance).where(Attendance.person_id == pk(chen))).one()
    attendance.correct(session, officer, made.uuid, row.uuid, 45, True, "提前离开", world.now)
    assert training_hours.close(session, officer, made.uuid, after).people == 2
    merges.merge_persons(session, officer, chen.uuid, wang.uuid, "同一个人", after)
    assert [(one.person_id, one.credit_hundredths) for one in entries(world)][2:] == [(pk(chen), -100)]
    assert training_hours.close(session, officer, made.uuid, after).people == 0
    merges.undo_merge(session, officer, chen.uuid, after)
    assert [(one.person_id, one.credit_hundredths) for one in entries(world)][3:] == [(pk(chen), 100)]


def test_practice_hours_of_a_training_leave_those_of_points_alone(world: World) -> None:
    """Points are counted against what points brought: a training neither takes from it nor is taken back with it."""
    session, after = world.session, world.now + 2 * HOUR
    world.set_rules(hours={"kind": "per_level", "pass_hundredths": 800, "excellent_hundredths": 800})
    put_on_roster(world, cast.CHEN)
    made = planned(world, kind=TrainingKind.PRACTICE)
    signed_by_code(world, made, cast.CHEN)
    training_hours.close(session, world.actor(cast.LEAD), made.uuid, after)
    earn(world, cast.CHEN, "A3")
    assert [row.credit_hundredths for row in entries(world)] == [200, 800]
    row = session.exec(select(Attendance)).one()
    attendance.correct(session, world.actor(cast.LEAD), made.uuid, row.uuid, None, False, "代签", after)
    earn(world, cast.CHEN, "B1")
    assert [row.credit_hundredths for row in entries(world)] == [200, 800, -200, 800]


def test_a_code_signs_in_who_is_to_come_and_ten_wrong_ones_close_the_door(world: World) -> None:
    session, now = world.session, world.now
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    code = competencies.trainings.rotating_code(made.sign_in_secret, now)
    stranger = world.actor(cast.SUN)
    assert world.schools[cast.SUN.school].name != "希望小学"
    assert sign_in.by_code(session, stranger, code, now) is None  # the right code, another school
    assert sign_in.by_code(session, world.actor(cast.CHEN), code, now - 2 * HOUR) is None  # not open yet
    for _ in range(9):
        assert sign_in.by_code(session, stranger, "000000", now) is None
    with pytest.raises(Refused, match=r"sign_in\.too_many"):
        sign_in.by_code(session, stranger, code, now)
    assert sign_in.by_code(session, stranger, "000000", now + timedelta(minutes=11)) is None
    signed_by_code(world, made, cast.CHEN)
    signed_by_code(world, made, cast.CHEN)  # a second click
    row = session.exec(select(Attendance)).one()
    attendance.tick(session, world.actor(cast.LEAD), made.uuid, [put_entry(session)], [], now)
    assert row.removed_at is not None
    with pytest.raises(Conflict, match=r"training\.taken_out"):
        sign_in.by_code(session, world.actor(cast.CHEN), code, now)


def test_who_takes_part_alone_is_expected_where_the_plan_says_so(world: World) -> None:
    session = world.session
    put_on_roster(world, cast.CHEN)
    add_entry(world, world.schools["希望小学"], "XW900", "没参加")
    assert trainings.view(session, world.actor(cast.LEAD), planned(world).uuid, world.now).expected == 2
    made = planned(world, expects=Expects.PROGRAMME)
    assert trainings.view(session, world.actor(cast.LEAD), made.uuid, world.now).expected == 1


def test_somebody_else_is_added_by_number_and_name_within_reach(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    put_on_roster(world, cast.SUN)  # another school
    made = planned(world)
    for number, name in ((cast.SUN.staff_number, cast.SUN.name), ("nobody", "无")):
        with pytest.raises(Invalid) as error:
            attendance.add(session, lead, made.uuid, number, name, world.now)
        assert error.value.fields == {"staff_number": "training.nobody_of_that_number"}
    officer = world.actor(cast.OFFICER)
    assert attendance.add(session, officer, made.uuid, f" {cast.SUN.staff_number}", cast.SUN.name, world.now)
    assert not attendance.add(session, officer, made.uuid, cast.SUN.staff_number, cast.SUN.name, world.now)
    assert [row.name for row in attendance.listed(session, lead, made.uuid, "", "here", 1).rows] == [cast.SUN.name]


def test_whoever_is_on_no_roster_is_found_on_a_page_of_the_list(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    made = planned(world)
    for who in (cast.CHEN, cast.WANG, cast.LI):  # a district that has no roster yet
        signed_by_code(world, made, who)

    def names(query: str = "", chosen: str = "all", number: int = 1) -> tuple[list[str], int]:
        found = attendance.listed(session, lead, made.uuid, query, chosen, number, size=2)
        return [row.name for row in found.beside], found.all_beside

    assert (names(), names(number=2)) == ((["陈晓芳", "王秀兰"], 3), (["李建国"], 3))
    assert names(cast.LI.staff_number) == names("李建") == (["李建国"], 1)
    assert names(chosen="here", number=2) == (["李建国"], 3)
    assert names(chosen="absent") == ([], 0)


def test_a_phone_signs_in_by_the_personal_code(world: World) -> None:
    session, now, chen = world.session, world.now, world.actor(cast.CHEN)
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    first = sign_in.renew(session, chen, KEY, now)
    second = sign_in.renew(session, chen, KEY, now)
    assert sign_in.personal_code(session, chen, KEY) == second != first
    code = competencies.trainings.rotating_code(made.sign_in_secret, now)
    found = sign_in.scanned(session, made.uuid, code, now)
    assert found is not None
    given = sign_in.entry_pass(found, now)
    later = now + timedelta(minutes=5)
    assert sign_in.scanned(session, made.uuid, code, later) is None
    assert sign_in.scanned(session, made.uuid, code, later, given) is not None
    outsider = sign_in.renew(session, world.actor(cast.SUN), KEY, now)
    for wrong in (first, outsider, "", "ABCD2345"):
        assert not sign_in.on_phone(session, found, wrong, "10.0.0.1", KEY, later)
    assert sign_in.on_phone(session, found, second.lower(), "10.0.0.1", KEY, later)
    row = session.exec(select(Attendance)).one()
    assert (row.way, row.person_id) == ("qr", pk(world.person(cast.CHEN)))
    for _ in range(196):
        sign_in.on_phone(session, found, "ABCD2345", "10.0.0.1", KEY, later)
    with pytest.raises(Refused, match=r"sign_in\.too_many"):
        sign_in.on_phone(session, found, second, "10.0.0.1", KEY, later)
    assert sign_in.on_phone(session, found, second, "10.0.0.2", KEY, later)


def test_terms_count_closed_trainings_of_the_school_and_above(world: World) -> None:
    session, officer = world.session, world.actor(cast.OFFICER)
    for who, unit in ((cast.LEAD, world.schools["希望小学"]), (cast.OFFICER, world.county)):
        made = planned(world, who, unit=unit.uuid)
        training_hours.close(session, world.actor(who), made.uuid, world.now + 2 * HOUR)
    planned(world)  # not held yet
    first, after = world.now - 100 * HOUR, world.now + 100 * HOUR
    schools, wanted = trainings.terms(session, officer, first, after)
    assert wanted == 2
    assert {one.name: (one.own, one.above) for one in schools} == {"希望小学": (1, 1), "平安小学": (0, 1)}
    assert [one.name for one in trainings.terms(session, world.actor(cast.LEAD), first, after)[0]] == ["希望小学"]
    assert {one.held for one in trainings.terms(session, officer, after, after + HOUR)[0]} == {0}
    school, lead = world.schools["希望小学"], world.actor(cast.LEAD)
    of_school = [trainings.this_term(session, lead, school, world.now + days * 24 * HOUR) for days in (1, 200)]
    assert [(one.own, one.above) for one in of_school] == [(1, 1), (0, 0)]
    with pytest.raises(Forbidden):
        trainings.this_term(session, lead, world.schools["平安小学"], world.now)


# --- import ---


def taken_in(world: World, training: Training, file: bytes) -> int:
    lead = world.actor(cast.LEAD)
    found = training_import.check(world.session, lead, training.uuid, file)
    return training_import.take_in(world.session, lead, training.uuid, found, world.now)


def test_a_list_is_checked_first_and_taken_in_once(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    for who in (cast.CHEN, cast.WANG):
        put_on_roster(world, who)
    put_on_roster(world, cast.LI, came=False)
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    rows = [
        ["工号", "姓名", "分钟", "备注"],
        ["XW001", "陈晓芳", 90, ""],
        ["xw002", "王秀兰", 45, ""],
        ["XW003", "李建国", "", ""],
    ]
    file = workbook(rows)
    found = training_import.check(session, lead, made.uuid, file)
    assert (len(found.add), found.known, found.problems, found.ignored_columns) == (2, 1, (), ("备注",))
    assert len(session.exec(select(Attendance)).all()) == 1
    assert taken_in(world, made, file) == 2
    assert taken_in(world, made, file) == 0
    there = session.exec(select(Attendance).order_by(col(Attendance.id))).all()
    assert [(row.way, row.minutes) for row in there] == [("code", None), ("import", 45), ("import", None)]
    log = session.exec(select(AttendanceChange).order_by(col(AttendanceChange.id))).all()
    assert [(one.what, one.way, one.minutes) for one in log][1:] == [
        ("signed", "import", 45),
        ("signed", "import", None),
    ]
    assert entries(world) == []  # nothing counts seat time by itself
    assert training_hours.close(session, lead, made.uuid, world.now + 2 * HOUR).hundredths == 300


def test_who_signs_in_since_the_check_stands_once(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    for who in (cast.CHEN, cast.WANG):
        put_on_roster(world, who)
    made = planned(world)
    file = workbook([["工号", "姓名", "分钟"], ["XW001", "陈晓芳", 45], ["XW002", "王秀兰", 45]])
    found = training_import.check(session, lead, made.uuid, file)
    signed_by_code(world, made, cast.CHEN)
    assert training_import.take_in(session, lead, made.uuid, found, world.now) == 1
    there = session.exec(select(Attendance).order_by(col(Attendance.id))).all()
    assert [(row.way, row.minutes) for row in there] == [("code", None), ("import", 45)]
    assert len(session.exec(select(AttendanceChange)).all()) == 2


def test_every_fault_of_a_list_names_its_row_and_column(world: World) -> None:
    session, lead = world.session, world.actor(cast.LEAD)
    for who in (cast.CHEN, cast.WANG, cast.LEAD, cast.SUN):
        put_on_roster(world, who)
    made = planned(world)
    attendance.tick(session, lead, made.uuid, uuids(session), uuids(session, cast.CHEN), world.now)
    csv = "工号,姓名,分钟\n" + "\n".join(
        [
            "XW001,陈晓芳,30",  # stands with other minutes
            "XW002,王秀兰,91",
            "XW002,王秀英,全程",
            ",王秀兰,45",
            "PA002,孙立新,45",  # of another school
            "XW009,冯校,45",
            "XW002,王秀兰,45",
            "XW002,王秀兰,45",
        ]
    )
    found = training_import.check(session, lead, made.uuid, csv.encode("gb18030"))
    assert [(one.row, one.column, one.code) for one in found.problems] == [
        (2, "C", "training.minutes_differ"),
        (3, "C", "training.minutes_unreadable"),
        (4, "B", "hours.name_differs"),
        (4, "C", "training.minutes_unreadable"),
        (5, "A", "sheet.cell_empty"),
        (6, "A", "training.nobody_of_that_number"),
        (7, "A", "hours.own_row"),
        (9, "A", "roster.twice"),
    ]
    with pytest.raises(Conflict, match=r"training\.import_has_problems"):
        taken_in(world, made, csv.encode())
    attendance.tick(session, lead, made.uuid, uuids(session), [], world.now)
    out = training_import.check(session, lead, made.uuid, "工号,姓名\nXW001,陈晓芳".encode())
    assert (len(out.add), out.taken_out) == (0, 1)


def uuids(session: Session, *who: cast.Cast) -> list[str]:
    numbers = {one.staff_number for one in who}
    rows = session.exec(select(RosterEntry))
    return [row.uuid for row in rows if not numbers or row.staff_number in numbers]
