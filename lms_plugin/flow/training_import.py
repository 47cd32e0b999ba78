"""签到名单 from a sheet (工号 姓名 分钟): checked first, then taken in as 导入.

Minutes of it become hours like all others: when somebody closes the training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import insert, literal
from sqlalchemy import select as columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, func, select

from competencies import Attendance, AttendanceChange, Training, TrainingState
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, new_uuid, pk, table
from lms_plugin.errors import Conflict
from lms_plugin.flow import sheets
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.flow.trainings import held, scope_of
from lms_plugin.people import OrgUnit, Person, RosterEntry, staff_number_as_kept

HEADS = {
    "staff_number": ("工号", "教师编号", "教职工号", "Staff number", "Staff no."),
    "name": ("姓名", "教师姓名", "Name"),
    "minutes": ("分钟", "分钟数", "时长", "Minutes"),
}
MOST_ROWS = 100_000
AT_ONCE = 500  # rows that are looked up, or written, together


@dataclass(frozen=True, slots=True)
class New:
    """Somebody whom the file adds. `minutes` None: all of it; `person_id` None: has never logged in."""

    roster_entry_id: int
    person_id: int | None
    minutes: int | None


@dataclass(frozen=True)
class ImportCheck:
    """What the file would do. Nothing has been written. `known`: who stands there already with these minutes;
    `taken_out`: who was taken out of the list, and stays so."""

    training: Training
    add: tuple[New, ...]
    known: int
    taken_out: int
    problems: tuple[sheets.Problem, ...]
    ignored_columns: tuple[str, ...]


def may_import(session: Session, actor: Actor, uuid: str) -> Training:
    """The training, for the page of the import. Raises Conflict for one that was cancelled."""
    training = held(session, actor, uuid)
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    return training


def check(session: Session, actor: Actor, uuid: str, data: bytes) -> ImportCheck:
    """Reads a file and says what it would do. Raises Refused `sheet.…` where it cannot be used at all."""
    training = find(session, Training, actor.tenant_id, uuid)
    require(actor, Permission.TRAINING_HOLD, scope_of(session, training))
    return _checked(session, actor, may_import(session, actor, uuid), data)


def take_in(session: Session, actor: Actor, uuid: str, found: ImportCheck, now: datetime) -> int:
    """Takes in what a check has just found; gives how many it added. Nobody a second time, not even who signed in since
    the check: a long sheet is read before, for while this writes nobody else does on SQLite.

    Raises Conflict `training.import_has_problems` where the check found faults.
    """
    training = may_import(session, actor, uuid)
    session.refresh(training, with_for_update={"key_share": True})  # of two at once the second logs its own alone
    if found.problems:
        raise Conflict("training.import_has_problems", count=len(found.problems))
    there, log = table(Attendance), table(AttendanceChange)
    insert_new: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    last = session.exec(select(func.max(col(Attendance.id)))).one() or 0
    for some in _in_parts(found.add):
        session.execute(
            insert_new(there).on_conflict_do_nothing(),
            [
                {
                    "uuid": new_uuid(),
                    "tenant_id": training.tenant_id,
                    "training_id": pk(training),
                    "roster_entry_id": one.roster_entry_id,
                    "person_id": one.person_id,
                    "way": "import",
                    "minutes": one.minutes,
                    "signed_at": now,
                    "bookings": 0,
                }
                for one in some
            ],
        )
    new = (there.c.training_id == pk(training), there.c.way == "import", there.c.id > last)
    session.execute(
        insert(log).from_select(
            ["attendance_id", "what", "way", "minutes", "reason", "by_id", "at"],
            columns(
                there.c.id,
                literal("signed"),
                literal("import"),
                there.c.minutes,
                literal(""),
                literal(actor.person_id),
                literal(now, log.c.at.type),
            )
            .where(*new)
            .order_by(there.c.id),
        )
    )
    session.expire_all()
    return int(session.execute(columns(func.count()).select_from(there).where(*new)).scalar_one())


T = TypeVar("T")


def _in_parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the roster within reach; `person_id`: today's row of the human being it belongs to."""

    id: int
    name: str
    person_id: int | None


def _checked(session: Session, actor: Actor, training: Training, data: bytes) -> ImportCheck:
    sheet = sheets.read(data, HEADS, ("staff_number", "name"), MOST_ROWS)
    merged = _merged(session, actor.tenant_id)
    by_entry, people = _there(session, training, merged)
    add: list[New] = []
    problems: list[sheets.Problem] = list(sheet.problems)
    seen: dict[str, int] = {}
    known = taken_out = 0
    for line, entry in _with_entries(session, actor, sheet.lines, merged):
        faults, number, minutes = _cells(line, sheet, training, entry)
        if not faults and number in seen:
            faults = [sheets.Problem(line.row, sheet.columns["staff_number"], "roster.twice", {"first": seen[number]})]
        if not faults and entry is not None and entry.person_id in actor.person_ids:
            faults = [sheets.Problem(line.row, sheet.columns["staff_number"], "hours.own_row", {})]
        if faults or entry is None:
            problems += faults
            continue
        seen[number] = line.row
        stands = by_entry.get(entry.id) or (people.get(entry.person_id) if entry.person_id is not None else None)
        if stands is None:
            add.append(New(entry.id, entry.person_id, None if minutes == training.minutes else minutes))
        elif stands[1]:
            taken_out += 1
        elif minutes is None or minutes == stands[0]:
            known += 1
        else:
            column = sheet.columns.get("minutes", "")
            problems.append(sheets.Problem(line.row, column, "training.minutes_differ", {"minutes": stands[0]}))
    return ImportCheck(training, tuple(add), known, taken_out, tuple(problems), sheet.ignored)


def _cells(
    line: sheets.Line, sheet: sheets.Table, training: Training, entry: _Entry | None
) -> tuple[list[sheets.Problem], str, int | None]:
    """Faults, 工号 as it is kept, minutes (None: the file does not say)."""
    number, name = staff_number_as_kept(line.text("staff_number")), line.text("name")
    faults = [
        sheets.Problem(line.row, sheet.columns[key], "sheet.cell_empty", {})
        for key, text in (("staff_number", number), ("name", name))
        if not text
    ]
    if not faults and entry is None:
        column = sheet.columns["staff_number"]
        faults.append(sheets.Problem(line.row, column, "training.nobody_of_that_number", {}))
    elif not faults and entry is not None and plain_name(entry.name) != plain_name(name):
        known = {"number": number[:64], "name": entry.name}
        faults.append(sheets.Problem(line.row, sheet.columns["name"], "hours.name_differs", known))
    minutes = None
    if typed := line.text("minutes"):
        minutes = int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 5 else 0
        if not 1 <= minutes <= training.minutes:
            most = {"most": training.minutes}
            faults.append(sheets.Problem(line.row, sheet.columns["minutes"], "training.minutes_unreadable", most))
    return faults, number, minutes


def _with_entries(
    session: Session, actor: Actor, lines: Sequence[sheets.Line], merged: dict[int, int]
) -> Iterator[tuple[sheets.Line, _Entry | None]]:
    """Each line with the row of the roster whose 工号 it names, None where nobody within reach has it."""
    reach: dict[str, bool] = {}
    for some in _in_parts(lines):
        numbers = [staff_number_as_kept(line.text("staff_number")) for line in some]
        found: dict[str, _Entry] = {}
        entry = table(RosterEntry).c
        rows: Iterable[Any] = session.execute(
            columns(entry.id, entry.staff_number, entry.name, entry.person_id, col(OrgUnit.path))
            .join(OrgUnit, col(OrgUnit.id) == entry.org_unit_id)
            .where(entry.tenant_id == actor.tenant_id, entry.staff_number.in_(set(numbers)), entry.removed_at.is_(None))
        )
        for key, number, name, person, path in rows:
            if path not in reach:
                reach[path] = can(actor, Permission.TRAINING_HOLD, Scope(actor.tenant_id, unit_paths=(path,)))
            if reach[path]:
                found[number] = _Entry(key, name, merged.get(person, person))
        yield from ((line, found.get(number)) for line, number in zip(some, numbers, strict=True))


def _merged(session: Session, tenant_id: int) -> dict[int, int]:
    """Row of a person → today's row of the same human being, where that is another one."""
    rows = session.exec(
        select(Person.id, Person.merged_into_id).where(
            Person.tenant_id == tenant_id, col(Person.merged_into_id).is_not(None)
        )
    )
    return {key: into for key, into in rows if key is not None and into is not None}


_Stands = tuple[int, bool]


def _there(
    session: Session, training: Training, merged: dict[int, int]
) -> tuple[dict[int, _Stands], dict[int, _Stands]]:
    """By row of the roster and by human being: with how many minutes somebody stands, and whether they were taken
    out."""
    by_entry: dict[int, _Stands] = {}
    people: dict[int, _Stands] = {}
    rows: Iterable[Any] = session.exec(
        select(Attendance.roster_entry_id, Attendance.person_id, Attendance.minutes, Attendance.removed_at)
        .where(Attendance.training_id == pk(training))
        .order_by(col(Attendance.removed_at).is_(None), col(Attendance.id))  # who stands wins
    )
    for entry, person, minutes, removed_at in rows:
        stands = (training.minutes if minutes is None else minutes, removed_at is not None)
        if entry is not None:
            by_entry[entry] = stands
        if person is not None:
            people[merged.get(person, person)] = stands
    return by_entry, people
