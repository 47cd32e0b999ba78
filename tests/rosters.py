"""Rosters and sheets for tests."""

import io
from collections.abc import Sequence
from typing import Any

import xlsxwriter

from lms_plugin.db import pk
from lms_plugin.people import OrgUnit, Person, RosterEntry, Stage
from tests import people as cast
from tests.factories import World

HEAD = ("姓名", "学校", "工号", "学段", "学科")


def workbook(rows: Sequence[Sequence[Any]], *, merge: str = "", formula: tuple[int, int] | None = None) -> bytes:
    """An xlsx with these rows, each cell as its Python type; optionally a merged range or one formula."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet()
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(rows):
        for index, value in enumerate(row):
            if hasattr(value, "year"):
                sheet.write_datetime(number, index, value, day)
            elif isinstance(value, int | float):
                sheet.write_number(number, index, value)
            elif value:
                sheet.write_string(number, index, value)
    if merge:
        sheet.merge_range(merge, "并")
    if formula is not None:
        sheet.write_formula(*formula, '=HYPERLINK("http://evil.example","x")')
    book.close()
    return target.getvalue()


def roster_rows(people: Sequence[cast.Cast]) -> list[tuple[str, ...]]:
    """The cast as rows of the five-column sheet, below the header."""
    return [HEAD, *((who.name, who.school, who.staff_number, "小学", who.subject) for who in people)]


def put_on_roster(world: World, who: cast.Cast, *, came: bool = True) -> RosterEntry:
    """One of the cast on the roster, tied to their person where they came."""
    return add_entry(world, world.schools[who.school], who.staff_number, who.name, world.person(who) if came else None)


def add_entry(world: World, unit: OrgUnit, number: str, name: str, person: Person | None = None) -> RosterEntry:
    """A row of the roster."""
    entry = RosterEntry(
        tenant_id=pk(world.tenant),
        name=name,
        staff_number=number,
        org_unit_id=pk(unit),
        stage=Stage.PRIMARY,
        subject="语文",
        person_id=pk(person) if person is not None else None,
        imported_at=world.now,
    )
    world.session.add(entry)
    world.session.flush()
    return entry
