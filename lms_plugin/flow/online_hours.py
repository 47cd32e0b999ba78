"""网络研修 hours from an officer's sheet (工号 姓名 学时 来源 日期): checked first, then in the ledger as 导入."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import CreditEntry, CreditKind, OnlineHours, Programme
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict
from lms_plugin.flow import humans, people, report, sheets
from lms_plugin.flow.oversee import opening_path
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.people import OrgUnit, Person, RoleKind, RosterEntry, Tenant, staff_number_as_kept

HEADS = {
    "staff_number": ("工号", "教师编号", "教职工号", "Staff number", "Staff no."),
    "name": ("姓名", "教师姓名", "Name"),
    "hours": ("学时", "网络研修学时", "Hours", "Credit hours"),
    "source": ("来源", "Source"),
    "day": ("日期", "完成日期", "Date"),
}
MOST_HOURS = 1000
LONGEST_SOURCE = 300


@dataclass(frozen=True)
class Waiting:
    """A teacher of the roster who has never logged in: the ledger has nobody yet to write the hours to."""

    row: int
    staff_number: str
    name: str


@dataclass(frozen=True)
class HoursCheck:
    """What the file would do. Nothing has been written. `known`: lines that are in the ledger; `taken_back`: lines that
    were, and were reversed: they stay so, or a sheet sent once more would undo what somebody decided."""

    programme_uuid: str
    programme_title: str
    entries: tuple[OnlineHours, ...]
    known: int
    taken_back: int
    waiting: tuple[Waiting, ...]
    problems: tuple[sheets.Problem, ...]
    ignored_columns: tuple[str, ...]

    @property
    def hundredths(self) -> int:
        """What would be added in all."""
        return sum(entry.credit_hundredths for entry in self.entries)


@dataclass(frozen=True)
class HoursPage:
    """The page of a programme's online hours: what has been imported, by source."""

    programme_uuid: str
    programme_title: str
    need_hundredths: int
    sources: tuple[tuple[str, int, int], ...]  # source, people, hundredths


def page(session: Session, actor: Actor, programme_uuid: str) -> HoursPage:
    """What is in the ledger already, source by source."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    scope = _scope(session, actor, programme)
    require(actor, Permission.HOURS_IMPORT, scope)
    entries = session.exec(
        select(CreditEntry)
        .join(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id))
        .where(
            CreditEntry.programme_id == pk(programme),
            CreditEntry.kind == CreditKind.ONLINE,
            col(OrgUnit.path).startswith(scope.unit_paths[0]),
        )
    ).all()
    taken_back = {entry.reverses_id for entry in entries}
    sums: dict[str, tuple[set[int], int]] = {}
    for entry in entries:
        if entry.reason == "import" and entry.id not in taken_back:
            whom, total = sums.get(entry.source, (set(), 0))
            sums[entry.source] = (whom | {entry.person_id}, total + entry.credit_hundredths)
    return HoursPage(
        programme.uuid,
        programme.title,
        competencies.rules_of(session, programme).hours.online_need_hundredths,
        tuple((source, len(whom), total) for source, (whom, total) in sorted(sums.items())),
    )


def _scope(session: Session, actor: Actor, programme: Programme) -> Scope:
    """The highest unit of the programme that the officer's roles open; the programme's own where they open none."""
    path = get(session, OrgUnit, programme.org_unit_id).path
    return Scope(programme.tenant_id, unit_paths=(opening_path(path, people.reach(actor, RoleKind.OFFICER)) or path,))


@dataclass(frozen=True)
class _Teacher:
    name: str
    path: str
    unit_id: int
    person_ids: tuple[int, ...]  # the row the roster knows first, then the others of the same human being


def check(session: Session, actor: Actor, programme_uuid: str, data: bytes, now: datetime) -> HoursCheck:
    """Reads a file and says what it would do. Raises Refused `sheet.…` where it cannot be used at all."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.HOURS_IMPORT, _scope(session, actor, programme))
    table = sheets.read(data, HEADS, ("staff_number", "name", "hours", "source"))
    today = competencies.local_day(now, get(session, Tenant, actor.tenant_id).timezone)
    teachers = _teachers(session, actor.tenant_id)
    there = _there(session, pk(programme))
    entries: list[OnlineHours] = []
    waiting: list[Waiting] = []
    problems: list[sheets.Problem] = list(table.problems)
    seen: dict[tuple[str, int, str, date | None], int] = {}
    known = taken_back = 0
    for line in table.lines:
        faults, amount, day = _cells(line, table, today)
        number = staff_number_as_kept(line.text("staff_number"))
        name, source = line.text("name"), line.text("source")
        teacher = teachers.get(number)
        faults += _who(actor, line, table, teacher, number, name)
        if faults or teacher is None or amount is None:
            problems += faults
            continue
        same = (number, amount, source, day)
        if same in seen:
            problems.append(sheets.Problem(line.row, "", "hours.row_twice", {"first": seen[same]}))
            continue
        seen[same] = line.row
        written = [there[key] for person in teacher.person_ids if (key := (person, amount, source, day)) in there]
        if not teacher.person_ids:
            waiting.append(Waiting(line.row, number, name))
        elif written:
            known += any(written)
            taken_back += not any(written)
        else:
            entries.append(OnlineHours(teacher.person_ids[0], amount, source, day, teacher.unit_id))
    return HoursCheck(
        programme_uuid=programme.uuid,
        programme_title=programme.title,
        entries=tuple(entries),
        known=known,
        taken_back=taken_back,
        waiting=tuple(waiting),
        problems=tuple(problems),
        ignored_columns=table.ignored,
    )


def commit(session: Session, actor: Actor, programme_uuid: str, data: bytes, now: datetime) -> int:
    """Writes a checked file's hours to the ledger and sends scores; gives how many entries were added. The same file
    again adds none.

    Raises Conflict `hours.has_problems` where the check finds faults.
    """
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.HOURS_IMPORT, _scope(session, actor, programme))
    found = check(session, actor, programme_uuid, data, now)
    if found.problems:
        raise Conflict("hours.has_problems", count=len(found.problems))
    policy_id = programme.policy_id
    if policy_id is None:
        policy_id = pk(
            competencies.set_rules(session, programme, competencies.rules_of(session, programme), actor.person_id, now)
        )
    done = competencies.import_online(
        session, actor.tenant_id, pk(programme), policy_id, found.entries, actor.person_id, now
    )
    report.queue_scores(session, programme, {entry.person_id for entry in done.added}, now)
    return len(done.added)


def _cells(line: sheets.Line, table: sheets.Table, today: date) -> tuple[list[sheets.Problem], int | None, date | None]:
    """Faults, hundredths of a 学时, day."""
    faults = [
        sheets.Problem(line.row, table.columns[key], "sheet.cell_empty", {})
        for key in ("staff_number", "name", "hours", "source")
        if not line.text(key)
    ]
    if len(line.text("source")) > LONGEST_SOURCE:
        longest = {"longest": LONGEST_SOURCE}
        faults.append(sheets.Problem(line.row, table.columns["source"], "form.too_long", longest))
    amount = None
    if line.text("hours"):
        amount = sheets.as_hundredths(line.cells["hours"], MOST_HOURS)
        if amount is None:
            faults.append(
                sheets.Problem(line.row, table.columns["hours"], "hours.amount_unreadable", {"most": MOST_HOURS})
            )
    day = None
    if line.text("day"):
        day = sheets.as_day(line.cells["day"])
        if day is None or not date(2000, 1, 1) <= day <= today:
            faults.append(sheets.Problem(line.row, table.columns["day"], "hours.day_unreadable", {}))
    return faults, amount, day


def _who(
    actor: Actor, line: sheets.Line, table: sheets.Table, teacher: _Teacher | None, number: str, name: str
) -> Sequence[sheets.Problem]:
    if not number or not name:
        return []
    column = table.columns["staff_number"]
    if teacher is None:
        return [sheets.Problem(line.row, column, "hours.number_unknown", {"number": number[:64]})]
    if not can(actor, Permission.HOURS_IMPORT, Scope(actor.tenant_id, unit_paths=(teacher.path,))):
        return [sheets.Problem(line.row, column, "roster.number_beyond_reach", {"number": number[:64]})]
    if actor.person_id in teacher.person_ids:
        return [sheets.Problem(line.row, column, "hours.own_row", {})]  # nobody credits themselves
    if plain_name(teacher.name) != plain_name(name):
        known = {"number": number[:64], "name": teacher.name}
        return [sheets.Problem(line.row, table.columns["name"], "hours.name_differs", known)]
    return []


def _teachers(session: Session, tenant_id: int) -> dict[str, _Teacher]:
    """The roster by 工号, each with the person it belongs to (two queries)."""
    merged: dict[int, int] = {
        key: into
        for key, into in session.exec(
            select(Person.id, Person.merged_into_id).where(
                Person.tenant_id == tenant_id, col(Person.merged_into_id).is_not(None)
            )
        ).all()
        if key is not None and into is not None
    }
    rows_of: dict[int, list[int]] = {}
    for key in merged:
        rows_of.setdefault(_root(key, merged), []).append(key)
    found = {}
    for entry, path in session.exec(
        select(RosterEntry, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(RosterEntry.tenant_id == tenant_id, col(RosterEntry.removed_at).is_(None))
    ):
        rows: tuple[int, ...] = ()
        if entry.person_id is not None:
            root = _root(entry.person_id, merged)
            rows = tuple(dict.fromkeys((entry.person_id, root, *rows_of.get(root, ()))))
        found[entry.staff_number] = _Teacher(entry.name, path, entry.org_unit_id, rows)
    return found


def _root(person_id: int, merged: dict[int, int]) -> int:
    while person_id in merged:
        person_id = merged[person_id]
    return person_id


def _there(session: Session, programme_id: int) -> dict[tuple[int, int, str, date | None], bool]:
    """What imports have written to the ledger of a programme already, and whether it still holds."""
    entries = session.exec(
        select(CreditEntry).where(CreditEntry.programme_id == programme_id, CreditEntry.kind == CreditKind.ONLINE)
    ).all()
    taken_back = {entry.reverses_id for entry in entries}
    found: dict[tuple[int, int, str, date | None], bool] = {}
    for entry in entries:
        if entry.reason == "import":  # twice where a merge took it back and its undo booked it again
            same = (entry.person_id, entry.credit_hundredths, entry.source, entry.earned_on)
            found[same] = found.get(same, False) or pk(entry) not in taken_back
    return found


def count_once(session: Session, actor: Actor, person: Person, reason: str, now: datetime) -> None:
    """After rows became one: of the same line of an import (`_there` says what is the same) booked under two of them,
    the first stays and the other is taken back. The caller holds the programmes."""
    kept: set[tuple[object, ...]] = set()
    for entry in _standing(session, humans.rows_of(person)):
        same = (entry.programme_id, entry.credit_hundredths, entry.source, entry.earned_on)
        if same in kept:
            competencies.reverse(session, entry, actor.person_id, reason, now)
        kept.add(same)


def _standing(session: Session, rows: Collection[int]) -> list[CreditEntry]:
    """Imported entries of these rows that nobody took back, oldest first. One query."""
    back = aliased(CreditEntry)
    return list(
        session.exec(
            select(CreditEntry)
            .join(back, col(back.reverses_id) == col(CreditEntry.id), isouter=True)
            .where(col(CreditEntry.person_id).in_(rows), CreditEntry.reason == "import", col(back.id).is_(None))
            .order_by(col(CreditEntry.id))
        )
    )


def count_each(session: Session, actor: Actor, rows: Collection[int], merged_at: datetime, now: datetime) -> None:
    """After one became two again: what `count_once` took back of these rows at that time is booked again."""
    back = aliased(CreditEntry)
    taken = session.exec(
        select(CreditEntry, back.id)
        .join(back, col(back.reverses_id) == col(CreditEntry.id))
        .where(col(CreditEntry.person_id).in_(rows), CreditEntry.reason == "import", col(back.entered_at) == merged_at)
        .order_by(col(CreditEntry.id))
    ).all()
    for entry, reversal_id in taken:
        competencies.credit(
            session,
            entry.tenant_id,
            entry.programme_id,
            entry.person_id,
            entry.kind,
            entry.credit_hundredths,
            competencies.Basis(entry.policy_id, decided_by_id=actor.person_id, org_unit_id=entry.org_unit_id),
            now,
            "import",
            entry.source,
            earned_on=entry.earned_on,
            key=hashlib.sha256(f"{entry.import_key}:{reversal_id}".encode()).hexdigest(),
        )
