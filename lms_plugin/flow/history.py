"""以前的记录: an officer brings in what an old platform said (checked first), everybody finds it again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, insert, or_, true, update
from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import get, new_uuid, owned, pk
from lms_plugin.errors import Conflict, NotFound
from lms_plugin.flow import people, sheets
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.people import OrgUnit, Person, RoleKind, Tenant, UnitKind, staff_number_as_kept

domain = competencies.history
HEADS = {
    "staff_number": ("工号", "教师编号", "教职工号", "Staff number", "Staff no."),
    "name": ("姓名", "教师姓名", "Name"),
    "school": ("学校", "学校名称", "单位", "School"),
    "title": ("项目", "项目名称", "培训项目", "Programme"),
    "points": ("能力点", "考核能力点", "Points"),
    "result": ("结果", "成绩", "等次", "Result"),
    "hours": ("学时", "Hours", "Credit hours"),
    "day": ("日期", "完成日期", "Date"),
    "source": ("来源", "平台", "Source"),
}
NEEDED = ("staff_number", "name", "title", "source")
MOST_HOURS = 1000
PAGE = 50
CHUNK = 500
MOST_FILES = 500  # that were brought in and can be taken down: a county sends one for each school


@dataclass(frozen=True)
class OldLine:
    """A line of the file as it would be kept."""

    cells: Mapping[str, str]
    hours_hundredths: int | None
    earned_on: date | None
    org_unit_id: int
    content_hash: str


@dataclass(frozen=True)
class Check:
    """What the file would do. Nothing has been written. `known`: lines that are kept already."""

    new: tuple[OldLine, ...]
    known: int
    problems: tuple[sheets.Problem, ...]
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """A file that was brought in."""

    batch: str
    filename: str
    at: datetime
    lines: int


@dataclass(frozen=True)
class Page:
    """What was found, and the files that were brought in."""

    lines: tuple[domain.OldRecord, ...]
    total: int
    batches: tuple[Batch, ...]
    may_import: bool


def _reach(actor: Actor, *kinds: RoleKind) -> list[str]:
    return people.reach(actor, *kinds)


def _scope(session: Session, actor: Actor, paths: Iterable[str]) -> Scope:
    """What is asked for: all units that these roles open, the district's root where one opens everything."""
    paths = list(paths)
    if "" in paths:
        roots = owned(OrgUnit, actor.tenant_id).where(col(OrgUnit.parent_id).is_(None))
        paths = [unit.path for unit in session.exec(roots)]
    return Scope(actor.tenant_id, unit_paths=tuple(paths))


def _within(paths: list[str]) -> ColumnElement[bool]:
    if "" in paths:
        return true()
    return or_(*(col(OrgUnit.path).startswith(path, autoescape=True) for path in paths))


def may_import(session: Session, actor: Actor) -> None:
    """Raises Forbidden for whoever may not bring records in."""
    require(actor, Permission.ROSTER_IMPORT, _scope(session, actor, _reach(actor, RoleKind.OFFICER)))


def page(session: Session, actor: Actor, query: str, number: int) -> Page:
    """Old records within reach of an officer, a school's lead or an auditor, by name or 工号; four queries at most."""
    paths = _reach(actor, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR)
    require(actor, Permission.PROGRESS_READ, _scope(session, actor, paths))
    rows = (
        owned(domain.OldRecord, actor.tenant_id)
        .join(OrgUnit, col(OrgUnit.id) == col(domain.OldRecord.org_unit_id))
        .where(_within(paths), col(domain.OldRecord.removed_at).is_(None))
    )
    if query:
        rows = rows.where(
            or_(
                col(domain.OldRecord.name).contains(query, autoescape=True),
                col(domain.OldRecord.staff_number) == staff_number_as_kept(query),
                col(domain.OldRecord.school).contains(query, autoescape=True),
            )
        )
    total = session.exec(select(func.count()).select_from(rows.subquery())).one()
    found = session.exec(
        rows.order_by(col(domain.OldRecord.name), col(domain.OldRecord.staff_number), col(domain.OldRecord.id))
        .offset((number - 1) * PAGE)
        .limit(PAGE)
    ).all()
    officer = _reach(actor, RoleKind.OFFICER)
    return Page(tuple(found), total, _batches(session, actor, officer), bool(officer))


def _batches(session: Session, actor: Actor, officer: list[str]) -> tuple[Batch, ...]:
    if not officer:
        return ()
    kept = domain.OldRecord
    rows = session.exec(
        select(kept.batch, kept.filename, kept.imported_at, func.count())
        .join(OrgUnit, col(OrgUnit.id) == col(kept.org_unit_id))
        .where(kept.tenant_id == actor.tenant_id, col(kept.removed_at).is_(None), _within(officer))
        .group_by(col(kept.batch), col(kept.filename), col(kept.imported_at))
        .order_by(col(kept.imported_at).desc(), col(kept.batch))
        .limit(MOST_FILES)
    ).all()
    return tuple(Batch(*row) for row in rows)


def own_records(session: Session, actor: Actor) -> tuple[bool, tuple[domain.OldRecord, ...]]:
    """Whether the school has confirmed the actor, and what old platforms said of them, by 工号 and name together.

    Only of who was confirmed: anybody could type somebody's number. Two queries.
    """
    person = get(session, Person, actor.person_id)
    require(actor, Permission.RECORD_READ, Scope(actor.tenant_id, owner_id=actor.person_id))
    if person.confirmed_at is None or not person.staff_number:
        return False, ()
    rows = session.exec(
        owned(domain.OldRecord, actor.tenant_id)
        .where(
            domain.OldRecord.staff_number == person.staff_number,
            col(domain.OldRecord.removed_at).is_(None),
        )
        .order_by(col(domain.OldRecord.earned_on).desc(), col(domain.OldRecord.id))
    ).all()
    return True, tuple(row for row in rows if plain_name(row.name) == plain_name(person.name))


def check(session: Session, actor: Actor, data: bytes, now: datetime) -> Check:
    """Reads a file and says what it would do. Raises Refused `sheet.…` where it cannot be used at all."""
    may_import(session, actor)
    table = sheets.read(data, HEADS, NEEDED)
    today = competencies.local_day(now, get(session, Tenant, actor.tenant_id).timezone)
    home, schools = _units(session, actor)
    problems: list[sheets.Problem] = list(table.problems)
    found: dict[str, OldLine] = {}
    known = 0
    for line in table.lines:
        faults, made = _read(line, table, today)
        if faults or made is None:
            problems += faults
            continue
        cells, hours, day = made
        same = domain.line_hash([*cells.values(), hours, day])
        known += same in found
        unit = schools.get(plain_name(cells["school"]), home)
        found.setdefault(same, OldLine(cells, hours, day, unit, same))
    kept = _kept(session, actor.tenant_id, list(found))
    new = tuple(line for key, line in found.items() if key not in kept)
    return Check(new, known + len(found) - len(new), tuple(problems), table.ignored)


def _units(session: Session, actor: Actor) -> tuple[int, dict[str, int]]:
    """The unit of the officer, and the schools within reach by their plain name (none of a name that two have)."""
    paths = _reach(actor, RoleKind.OFFICER)
    units = session.exec(
        owned(OrgUnit, actor.tenant_id).where(_within(paths)).order_by(col(OrgUnit.path), col(OrgUnit.id))
    ).all()
    if not units:
        raise NotFound
    names: dict[str, list[int]] = {}
    for unit in units:
        if unit.kind is UnitKind.SCHOOL:
            names.setdefault(plain_name(unit.name), []).append(pk(unit))
    return pk(units[0]), {name: keys[0] for name, keys in names.items() if len(keys) == 1}


def _read(
    line: sheets.Line, table: sheets.Table, today: date
) -> tuple[list[sheets.Problem], tuple[dict[str, str], int | None, date | None] | None]:
    faults = [
        sheets.Problem(line.row, table.columns[key], "sheet.cell_empty", {}) for key in NEEDED if not line.text(key)
    ]
    cells = {key: line.text(key) for key in domain.LONGEST}
    cells["staff_number"] = staff_number_as_kept(cells["staff_number"])
    for key, longest in domain.LONGEST.items():
        if len(cells[key]) > longest:
            faults.append(sheets.Problem(line.row, table.columns[key], "form.too_long", {"longest": longest}))
    hours = day = None
    if line.text("hours"):
        hours = sheets.as_hundredths(line.cells["hours"], MOST_HOURS)
        if hours is None:
            faults.append(
                sheets.Problem(line.row, table.columns["hours"], "hours.amount_unreadable", {"most": MOST_HOURS})
            )
    if line.text("day"):
        day = sheets.as_day(line.cells["day"])
        if day is None or not date(1990, 1, 1) <= day <= today:
            faults.append(sheets.Problem(line.row, table.columns["day"], "history.day_unreadable", {}))
    return faults, None if faults else (cells, hours, day)


def _kept(session: Session, tenant_id: int, hashes: list[str]) -> set[str]:
    kept: set[str] = set()
    for at in range(0, len(hashes), CHUNK):
        some = hashes[at : at + CHUNK]
        kept |= set(
            session.exec(
                select(domain.OldRecord.content_hash).where(
                    domain.OldRecord.tenant_id == tenant_id,
                    col(domain.OldRecord.content_hash).in_(some),
                    col(domain.OldRecord.removed_at).is_(None),
                )
            )
        )
    return kept


def commit(session: Session, actor: Actor, data: bytes, filename: str, now: datetime) -> int:
    """Keeps a checked file's lines; gives how many are new. The same file again adds none; lines that were taken back
    come back.

    Raises Conflict `history.has_problems` where the check finds faults.
    """
    may_import(session, actor)
    found = check(session, actor, data, now)
    if found.problems:
        raise Conflict("history.has_problems", count=len(found.problems))
    batch, table = new_uuid(), domain.OldRecord
    for at in range(0, len(found.new), CHUNK):
        some = found.new[at : at + CHUNK]
        back = update(table).where(
            col(table.tenant_id) == actor.tenant_id, col(table.content_hash).in_([line.content_hash for line in some])
        )
        named = {"batch": batch, "filename": filename[:200], "imported_by_id": actor.person_id, "imported_at": now}
        returned = set(
            session.execute(back.values(removed_at=None, **named).returning(col(table.content_hash))).scalars()
        )
        rows = [
            {
                "uuid": new_uuid(),
                "tenant_id": actor.tenant_id,
                "org_unit_id": line.org_unit_id,
                **line.cells,
                "hours_hundredths": line.hours_hundredths,
                "earned_on": line.earned_on,
                "content_hash": line.content_hash,
                "removed_at": None,
                **named,
            }
            for line in some
            if line.content_hash not in returned
        ]
        if rows:
            session.execute(insert(table), rows)
    session.flush()
    return len(found.new)


def take_back(session: Session, actor: Actor, batch: str, now: datetime) -> int:
    """A file was the wrong one: its lines are shown no more; gives how many. Twice is harmless. Raises NotFound for a
    file of another district, or beyond reach."""
    may_import(session, actor)
    table = domain.OldRecord
    within = _within(_reach(actor, RoleKind.OFFICER))
    rows = session.exec(
        select(table.id)
        .join(OrgUnit, col(OrgUnit.id) == col(table.org_unit_id))
        .where(table.tenant_id == actor.tenant_id, table.batch == batch, within)
    ).all()
    if not rows:
        raise NotFound
    keys = [key for key in rows if key is not None]
    taken = 0
    for at in range(0, len(keys), CHUNK):
        done = session.execute(
            update(table)
            .where(col(table.id).in_(keys[at : at + CHUNK]), col(table.removed_at).is_(None))
            .values(removed_at=now)
            .returning(col(table.id))
        )
        taken += len(done.all())
    return taken
