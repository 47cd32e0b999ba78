"""名单: the officer's list of who should take part, five columns and 类别 if known: checked first, then taken in,
idempotent."""

import difflib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session, col, select

from competencies import Category
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import categories, curate, humans, people, roster_ties, sheets, units
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.people import OrgUnit, RoleKind, RosterEntry, Stage, UnitKind, staff_number_as_kept

HEADS = {
    "name": ("姓名", "教师姓名", "Name"),
    "school": ("学校", "学校名称", "单位", "School"),
    "staff_number": ("工号", "教师编号", "教职工号", "Staff number", "Staff no."),
    "stage": ("学段", "Stage"),
    "subject": ("学科", "任教学科", "Subject"),
    "category": ("类别", "人员类别", "Category"),
}
NEEDED = tuple(key for key in HEADS if key != "category")
MANY_NEW = 50  # so many schools that nobody knows, with one teacher each, are no schools
MOST_COMPARED = 20_000  # pairs of names, about a second
LONGEST = {"name": 100, "school": 200, "staff_number": 64, "subject": 64}
STAGES = {
    "幼儿园": Stage.KINDERGARTEN,
    "kindergarten": Stage.KINDERGARTEN,
    "小学": Stage.PRIMARY,
    "primary": Stage.PRIMARY,
    "初中": Stage.JUNIOR,
    "junior": Stage.JUNIOR,
    "lower": Stage.JUNIOR,  # Lower secondary
    "高中": Stage.SENIOR,
    "senior": Stage.SENIOR,
    "upper": Stage.SENIOR,  # Upper secondary
    "中职": Stage.VOCATIONAL,
    "vocational": Stage.VOCATIONAL,
    "特教": Stage.SPECIAL,
    "特殊教育": Stage.SPECIAL,
    "special": Stage.SPECIAL,
}
CATEGORIES = {
    "教师": Category.TEACHER,
    "普通教师": Category.TEACHER,
    "teacher": Category.TEACHER,
    "骨干教师": Category.BACKBONE,
    "骨干": Category.BACKBONE,
    "backbone": Category.BACKBONE,  # Backbone teacher
    "培训者": Category.COACH,
    "培训团队": Category.COACH,
    "coach": Category.COACH,
    "管理团队": Category.MANAGER,
    "管理团队成员": Category.MANAGER,
    "management": Category.MANAGER,  # Management team
    "校长": Category.PRINCIPAL,
    "园长": Category.PRINCIPAL,
    "principal": Category.PRINCIPAL,
}


@dataclass(frozen=True)
class Row:
    """One teacher of the file, every cell read."""

    row: int
    name: str
    school: str
    staff_number: str
    stage: Stage
    subject: str
    category: Category | None  # None: no such column, or nothing in it; what was said before stays


@dataclass(frozen=True)
class Rename:
    """A 工号 that stands on the roster under another name: a corrected slip, or another person.

    `has_come`: somebody holds the row. They keep it unless `is_other`: the person of the new name has come too.
    """

    row: int
    staff_number: str
    before: str
    after: str
    has_come: bool
    is_other: bool


@dataclass(frozen=True)
class NewSchool:
    """A school that the district does not know. `similar`: a known name that looks like it ("" = none)."""

    name: str
    rows: int
    similar: str


@dataclass(frozen=True)
class Check:
    """What the file would do. Nothing has been written. `missing`: on the roster of these schools, not in the file."""

    rows: tuple[Row, ...]
    problems: tuple[sheets.Problem, ...]
    new: int
    changed: int
    same: int
    renames: tuple[Rename, ...]
    new_schools: tuple[NewSchool, ...]
    missing: int
    ignored_columns: tuple[str, ...]

    @property
    def can_commit(self) -> bool:
        """No fault in any row."""
        return not self.problems


@dataclass(frozen=True)
class Imported:
    """What taking in a file did."""

    new: int
    changed: int
    same: int
    schools: int
    matched: int


@dataclass
class _Known:
    """The district as the check needs it."""

    schools: dict[str, list[OrgUnit]] = field(default_factory=lambda: defaultdict(list))
    entries: dict[str, RosterEntry] = field(default_factory=dict)
    beyond: set[str] = field(default_factory=set)


def district_scope(session: Session, actor: Actor) -> Scope:
    """The scope of the roster as a whole: reached by whoever is an officer of any unit of the district."""
    paths = tuple(path for path in people.reach(actor, RoleKind.OFFICER) if path)
    return Scope(actor.tenant_id, unit_paths=paths)


def check(session: Session, actor: Actor, data: bytes) -> Check:
    """Reads a file and says what it would do. Raises Refused `sheet.…` where it cannot be used at all."""
    require(actor, Permission.ROSTER_IMPORT, district_scope(session, actor))
    table = sheets.read(data, HEADS, NEEDED)
    known = _known(session, actor)
    rows, problems = _rows(table)
    new_schools = _new_schools(rows, known)
    problems = [*table.problems, *problems, *_twice(rows, table), *_place_problems(rows, known, table)]
    problems += _wrong_column(new_schools, table)
    new = changed = same = 0
    renames = []
    others = _others(session, actor, rows, known)
    for row in rows:
        entry = known.entries.get(row.staff_number)
        if entry is None:
            new += 1
            continue
        if plain_name(entry.name) != plain_name(row.name):
            has_come, is_other = entry.person_id is not None, row.staff_number in others
            renames.append(Rename(row.row, row.staff_number, entry.name, row.name, has_come, is_other))
        school = _school(known, row.school)
        if _differs(entry, row, school):
            changed += 1
        else:
            same += 1
    here = {pk(unit) for row in rows if (unit := _school(known, row.school)) is not None}
    numbers = {row.staff_number for row in rows}
    missing = [
        entry
        for entry in known.entries.values()
        if entry.removed_at is None and entry.org_unit_id in here and entry.staff_number not in numbers
    ]
    unique = {(item.row, item.column, item.code): item for item in problems}
    return Check(
        rows=tuple(rows),
        problems=tuple(sorted(unique.values(), key=lambda item: (item.row, item.column))),
        new=new,
        changed=changed,
        same=same,
        renames=tuple(renames),
        new_schools=new_schools,
        missing=len(missing),
        ignored_columns=table.ignored,
    )


def commit(
    session: Session,
    actor: Actor,
    data: bytes,
    *,
    new_schools_under: str,
    accept_renames: bool,
    other_people: Collection[str] = (),
    environment: str = "",
    now: datetime,
) -> Imported:
    """Takes a checked file in. The same file again changes nothing; who is not in the file stays as they were.

    `new_schools_under`: uuid of the unit that gets the schools which the district does not know ("" = make none);
    `environment`: what these declare ("" = nobody has said yet).
    `other_people`: staff numbers under another name that now belong to somebody else; every other one is a name put
    right, and whoever holds the row keeps it.
    Raises Conflict `roster.has_problems` where the check finds faults, Invalid for a word that is still missing.
    """
    require(actor, Permission.ROSTER_IMPORT, district_scope(session, actor))
    found = check(session, actor, data)
    if not found.can_commit:
        raise Conflict("roster.has_problems", count=len(found.problems))
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    if found.new_schools and not new_schools_under:
        wrong["new_schools"] = "roster.new_schools_unsaid"
    if found.renames and not accept_renames:
        wrong["renames"] = "roster.renames_unsaid"
    if wrong:
        raise Invalid(wrong)
    given_away = {*other_people, *(one.staff_number for one in found.renames if one.is_other)}
    made = _make_schools(session, actor, found.new_schools, new_schools_under, environment, now)
    known = _known(session, actor)
    new = changed = same = 0
    others_now = False  # somebody is of another category than before
    for row in found.rows:
        school = _school(known, row.school)
        assert school is not None  # the check has found or the lines above have made each of them
        entry = known.entries.get(row.staff_number)
        if entry is None:
            entry = RosterEntry(
                tenant_id=actor.tenant_id,
                name=row.name,
                staff_number=row.staff_number,
                org_unit_id=pk(school),
                stage=row.stage,
                subject=row.subject,
                category=row.category,
                imported_at=now,
            )
            new += 1
        elif _differs(entry, row, school):
            if row.staff_number in given_away and plain_name(entry.name) != plain_name(row.name):
                roster_ties.give_away(session, entry, now)  # matched anew below
            if entry.removed_at is not None:
                others_now = True
                roster_ties.back_on_roster(session, entry, now)
            entry.name, entry.org_unit_id = row.name, pk(school)
            entry.stage, entry.subject = row.stage, row.subject
            if row.category is not None:
                others_now |= row.category is not categories.said_of(entry)
                entry.category = row.category
            entry.imported_at, entry.removed_at = now, None
            changed += 1
        else:
            same += 1
            continue
        session.add(entry)
    session.flush()
    if others_now:
        categories.changed(session, actor.tenant_id, now)
    return Imported(new, changed, same, made, _match(session, actor, [row.staff_number for row in found.rows], now))


def _match(session: Session, actor: Actor, numbers: Sequence[str], now: datetime) -> int:
    """Ties the people who already came, and moves those to whom the roster gives another school."""
    entries = select(RosterEntry).where(RosterEntry.tenant_id == actor.tenant_id)
    known = {row.staff_number: row for row in session.exec(entries)}
    matched = 0
    for person in roster_ties.claimants(session, actor.tenant_id, numbers):
        row = known[person.staff_number]
        was_free = row.person_id is None
        if (was_free or row.imported_at == now) and roster_ties.match_roster(session, person, now) and was_free:
            matched += 1
    return matched


def _others(session: Session, actor: Actor, rows: Sequence[Row], known: _Known) -> set[str]:
    """Staff numbers whose row somebody holds while the person of the file's name has come as well."""
    after = {
        row.staff_number: plain_name(row.name)
        for row in rows
        if (entry := known.entries.get(row.staff_number)) is not None
        and entry.person_id is not None
        and plain_name(entry.name) != plain_name(row.name)
    }
    if not after:
        return set()
    return {
        person.staff_number
        for person in roster_ties.claimants(session, actor.tenant_id, after)
        if plain_name(person.name) == after[person.staff_number]
        and known.entries[person.staff_number].person_id not in humans.rows_of(person)
    }


def _rows(table: sheets.Table) -> tuple[list[Row], list[sheets.Problem]]:
    rows, problems = [], []
    for line in table.lines:
        cells = {key: line.text(key) for key in table.columns}
        cells["staff_number"] = staff_number_as_kept(cells["staff_number"])
        faults = [
            sheets.Problem(line.row, table.columns[key], "sheet.cell_empty", {}) for key in NEEDED if not cells[key]
        ]
        faults += [
            sheets.Problem(line.row, table.columns[key], "form.too_long", {"longest": most})
            for key, most in LONGEST.items()
            if len(cells[key]) > most
        ]
        said = cells["stage"].casefold()
        stage = STAGES.get(said) or STAGES.get(said.split()[0] if said else "")  # "Primary school" is primary
        kind = cells.get("category", "")
        category = CATEGORIES.get(kind.casefold()) or CATEGORIES.get(kind.casefold().split()[0] if kind else "")
        if category is None and kind:
            faults.append(
                sheets.Problem(line.row, table.columns["category"], "roster.category_unknown", {"found": kind[:30]})
            )
        if stage is None and cells["stage"]:
            faults.append(
                sheets.Problem(line.row, table.columns["stage"], "roster.stage_unknown", {"found": cells["stage"][:30]})
            )
        if cells["name"] and not any(character.isalpha() for character in cells["name"]):
            faults.append(sheets.Problem(line.row, table.columns["name"], "roster.no_name", {}))
        problems += faults
        if stage is not None and not faults:
            who = cells["name"], cells["school"], cells["staff_number"]
            rows.append(Row(line.row, *who, stage, cells["subject"], category))
    return rows, problems


def _twice(rows: Sequence[Row], table: sheets.Table) -> list[sheets.Problem]:
    """The same 工号 in two rows: the later one is named, with the row of the first."""
    first: dict[str, int] = {}
    found = []
    for row in rows:
        if row.staff_number in first:
            column = table.columns["staff_number"]
            found.append(sheets.Problem(row.row, column, "roster.twice", {"first": first[row.staff_number]}))
        first.setdefault(row.staff_number, row.row)
    return found


def _place_problems(rows: Sequence[Row], known: _Known, table: sheets.Table) -> list[sheets.Problem]:
    """Schools beyond the officer's reach, and names that two schools share; also rows that would be taken away."""
    column, found = table.columns["school"], []
    for row in rows:
        plain = units.plain(row.school)
        if len(known.schools.get(plain, ())) > 1:
            found.append(sheets.Problem(row.row, column, "roster.school_ambiguous", {"school": row.school}))
        elif plain not in known.schools and plain in known.beyond:
            found.append(sheets.Problem(row.row, column, "roster.school_beyond_reach", {"school": row.school}))
        entry = known.entries.get(row.staff_number)
        if entry is not None and f"#{entry.org_unit_id}" in known.beyond:
            number = table.columns["staff_number"]
            found.append(sheets.Problem(row.row, number, "roster.number_beyond_reach", {"number": row.staff_number}))
    return found


def _known(session: Session, actor: Actor) -> _Known:
    known = _Known()
    for unit in session.exec(
        select(OrgUnit).where(OrgUnit.tenant_id == actor.tenant_id, OrgUnit.kind == UnitKind.SCHOOL)
    ):
        if can(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id, unit_paths=(unit.path,))):
            known.schools[units.plain(unit.name)].append(unit)
        else:
            known.beyond |= {units.plain(unit.name), f"#{pk(unit)}"}
    for entry in session.exec(select(RosterEntry).where(RosterEntry.tenant_id == actor.tenant_id)):
        known.entries[entry.staff_number] = entry
    return known


def _school(known: _Known, name: str) -> OrgUnit | None:
    found = known.schools.get(units.plain(name), [])
    return found[0] if len(found) == 1 else None


def _differs(entry: RosterEntry, row: Row, school: OrgUnit | None) -> bool:
    if row.category not in (None, entry.category):
        return True
    now = (entry.name, entry.org_unit_id, entry.stage, entry.subject, entry.removed_at)
    return now != (row.name, school.id if school is not None else None, row.stage, row.subject, None)


def _new_schools(rows: Sequence[Row], known: _Known) -> tuple[NewSchool, ...]:
    """The schools that nobody knows, each once however it is spelt. Looks for similar names unless that would be long:
    to compare all with all is the work of names × names."""
    found: dict[str, list[str]] = {}
    for row in rows:
        plain = units.plain(row.school)
        if plain not in known.schools and plain not in known.beyond:
            found.setdefault(plain, []).append(row.school)
    there = {plain: schools[0].name for plain, schools in known.schools.items() if schools}
    among = there if len(found) * len(there) <= MOST_COMPARED else {}
    result = []
    for plain, spelt in found.items():
        close = difflib.get_close_matches(plain, among, n=1, cutoff=0.75)
        result.append(NewSchool(spelt[0], len(spelt), there[close[0]] if close else ""))
    return tuple(result)


def _wrong_column(new: Sequence[NewSchool], table: sheets.Table) -> list[sheets.Problem]:
    """One fault where nearly every row names a school of its own: the column holds something else."""
    if len(new) <= MANY_NEW or sum(school.rows for school in new) >= 2 * len(new):
        return []
    return [sheets.Problem(table.lines[0].row, table.columns["school"], "roster.no_schools", {"number": len(new)})]


def _make_schools(
    session: Session, actor: Actor, wanted: Sequence[NewSchool], under: str, environment: str, now: datetime
) -> int:
    if not wanted:
        return 0
    parent = find(session, OrgUnit, actor.tenant_id, under)
    require(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id, unit_paths=(parent.path,)))
    if parent.kind is UnitKind.SCHOOL:
        raise Invalid({"new_schools": "roster.parent_is_school"})
    curate.require_met(session, actor.tenant_id, [parent.path], environment, now)
    for school in wanted:
        units.add_unit(session, actor.tenant_id, UnitKind.SCHOOL, school.name, parent, environment)
    return len(wanted)


def parents(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """(uuid, name) of the units that may get new schools, from the top down."""
    require(actor, Permission.ROSTER_IMPORT, district_scope(session, actor))
    rows = session.exec(
        select(OrgUnit)
        .where(OrgUnit.tenant_id == actor.tenant_id, OrgUnit.kind != UnitKind.SCHOOL)
        .order_by(col(OrgUnit.path))
    ).all()
    return [
        (unit.uuid, unit.name)
        for unit in rows
        if can(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    ]
