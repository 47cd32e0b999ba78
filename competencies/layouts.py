"""导出表样: which columns a sheet that we send has, in which order, under which words, and what stands above them.

A province has a form of its own for what its clerks pass on; no form of the national system is known (competency.md
3.4). What nobody says is as it comes: `Layout` is only ever kept where somebody said something.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Owned
from lms_plugin.errors import Refused

ANYWHERE = ("row", "programme", "unit", "today")
"""Fields that every listing has: the line's number, the programme, the unit it is of, the day it is made on."""
PLACES = ("province", "city", "county", "school_group")
LISTINGS: dict[str, tuple[str, ...]] = {
    "people": (
        *("name", "school", "staff_number", "stage", "subject", "result", "is_in", "chosen", "submitted", "passed"),
        *("excellent", "points", "practice", "online", "lack", "exempt", "cycle_years", "cycle_hours"),
        *("cycle_practice", "cycle_lack", "category", "credits", "hours", *PLACES, *ANYWHERE),
    ),
    "units": (
        *("name", "due", "exempt", "is_in", "chosen", "submitted", "passed", "excellent", "login_rate", "pass_rate"),
        *("missing", "practice", "online", *ANYWHERE),
    ),
    "scores": (
        *("name", "school", "staff_number", "points", "points_full", "points_state", "hours", "hours_full"),
        *("hours_state", "happened", "todo", "host_words", *ANYWHERE),
    ),
}
"""Each listing by its code, with all fields that a layout of it may name."""

DAYS: dict[str, str] = {"iso": "%Y-%m-%d", "slash": "%Y/%m/%d", "plain": "%Y%m%d", "words": "%Y年%m月%d日"}
"""How a day is written: the code of a form, and the form."""
HOURS = ("two", "short", "text")
"""How hours are written: a number with two decimals, a number with as many as it needs, or that as text."""
MOST_COLUMNS, MOST_ABOVE, LONGEST_HEAD, LONGEST_TEXT, LONGEST_SHEET = 80, 5, 100, 300, 31
_SIGN = re.compile("[=＝]")
_NOT_IN_SHEET = re.compile(r"[\[\]:*?/\\]")
_QUOTES = {'"': '"', "“": "”", "「": "」", "'": "'"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayoutColumn(_Part):
    """One column: the words above it, and either a field of the listing or, where `field` is "", a fixed text."""

    head: str
    field: str = ""
    text: str = ""


class Layout(_Part):
    """The form of one listing. `sheet`: its name, "" = ours; `above`: lines over the header, in which [项目], [单位]
    and [日期] stand for what the sheet is of."""

    listing: str
    sheet: str = ""
    above: tuple[str, ...] = ()
    day: Literal["iso", "slash", "plain", "words"] = "iso"
    hours: Literal["two", "short", "text"] = "two"
    columns: tuple[LayoutColumn, ...]

    @model_validator(mode="after")
    def _stands(self) -> "Layout":
        if found := faults_of(self.model_dump()):
            raise ValueError(f"{self.listing}: {found[0].code} in line {found[0].row}")
        return self


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: `listing` "" = the whole file; `row`: which column of the form, from 1; 0 = none."""

    listing: str
    row: int
    code: str
    params: Mapping[str, Any]


class ExportLayout(Owned, table=True):
    """What a district (`programme_id` empty) or one programme says of a listing. Rows are only added: the newest one
    holds; `content` empty = as it comes (again)."""

    __tablename__ = "export_layout"
    __table_args__ = (Index("ix_export_layout_of", "tenant_id", "listing", "programme_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int | None = Field(default=None, foreign_key="programme.id")
    listing: str = Field(max_length=32)
    content: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    set_by_id: int = Field(foreign_key="person.id")
    set_at: datetime


def said(session: Session, tenant_id: int, programme_id: int | None = None) -> dict[str, dict[bool, ExportLayout]]:
    """The newest word on each listing: {listing: {True: the programme's, False: the district's}}. One query."""
    kind = ExportLayout
    rows = session.exec(
        select(kind)
        .where(
            kind.tenant_id == tenant_id,
            col(kind.programme_id).is_(None) | (col(kind.programme_id) == programme_id),
        )
        .order_by(col(kind.id))
    )
    found: dict[str, dict[bool, ExportLayout]] = {}
    for row in rows:
        found.setdefault(row.listing, {})[row.programme_id is not None] = row
    return found


def faults_of(content: Mapping[str, Any]) -> list[Fault]:
    """Everything that is wrong with the content of a layout, whatever came in; [] = it makes one."""
    listing = str(content.get("listing", ""))[:40]
    known = LISTINGS.get(listing)
    if known is None:
        return [Fault(listing, 0, "layout.listing_unknown", {"found": listing, "known": "、".join(LISTINGS)})]
    found: list[Fault] = []

    def wrong(row: int, code: str, **params: Any) -> None:
        found.append(Fault(listing, row, code, params))

    sheet, above, columns = content.get("sheet", ""), content.get("above", ()), content.get("columns", ())
    if not isinstance(sheet, str) or len(sheet) > LONGEST_SHEET or not _may_name_sheet(sheet):
        wrong(0, "layout.sheet_name", most=LONGEST_SHEET)
    if not isinstance(above, list | tuple) or len(above) > MOST_ABOVE:
        wrong(0, "layout.above_many", most=MOST_ABOVE)
    elif any(not isinstance(line, str) or len(line) > LONGEST_TEXT or not _is_line(line) for line in above):
        wrong(0, "layout.above_line", most=LONGEST_TEXT)
    if content.get("day", "iso") not in DAYS or content.get("hours", "two") not in HOURS:
        wrong(0, "layout.form_unknown", days="、".join(DAYS), hours="、".join(HOURS))
    if not isinstance(columns, list | tuple) or not columns:
        wrong(0, "layout.no_columns")
        return found
    if len(columns) > MOST_COLUMNS:
        wrong(0, "layout.too_many", most=MOST_COLUMNS)
    if strange := sorted(set(map(str, content)) - set(Layout.model_fields)):
        wrong(0, "layout.strange", found="、".join(strange)[:80])
    for row, one in enumerate(columns[:MOST_COLUMNS], start=1):
        if not isinstance(one, dict) or set(one) - {"head", "field", "text"}:
            wrong(row, "layout.column_form")
            continue
        head, field, text = one.get("head", ""), one.get("field", ""), one.get("text", "")
        if not all(isinstance(part, str) for part in (head, field, text)) or (field and text):
            wrong(row, "layout.column_form")
        elif not head or head != " ".join(head.split()) or len(head) > LONGEST_HEAD or not _is_line(head):
            wrong(row, "layout.head", most=LONGEST_HEAD)
        elif _SIGN.search(head):
            wrong(row, "layout.head_sign")
        elif field and field not in known:
            wrong(row, "layout.field_unknown", found=field[:40])
        elif len(text) > LONGEST_TEXT or text != " ".join(text.split()) or not _is_line(text):
            wrong(row, "layout.text", most=LONGEST_TEXT)
    return found


def _is_line(text: str) -> bool:
    """One line, without control characters and such as no sheet can hold."""
    return text.isprintable()


def _may_name_sheet(name: str) -> bool:
    """What Excel takes for the name of a sheet; it keeps "History" for itself."""
    ends = {name[:1], name[-1:]}
    return _is_line(name) and not _NOT_IN_SHEET.search(name) and "'" not in ends and name.casefold() != "history"


def of_lines(lines: str, names: Mapping[str, str]) -> list[dict[str, str]]:
    """The columns that somebody typed: a line each, "表头 = 项", a bare 项 under its own name, or 表头 = "固定文字". A
    row of cells copied from a sheet (tabs between) is a line each. `names`: what a field is called → its code.

    What is no field stays as it was typed: `faults_of` names it with its line.
    """
    known = {_folded(name): code for name, code in names.items()}
    columns = []
    for line in (" ".join(part.split()) for row in lines.splitlines() for part in row.split("\t")):
        if not line:
            continue
        sign = _SIGN.search(line)
        head, what = (line[: sign.start()].strip(), line[sign.end() :].strip()) if sign else (line, "")
        if sign and len(what) >= 2 and _QUOTES.get(what[0]) == what[-1]:
            columns.append({"head": head, "text": what[1:-1]})
        else:
            wanted = what if sign else head
            columns.append({"head": head, "field": known.get(_folded(wanted), wanted or "?")})
    return columns


def as_lines(columns: Sequence[LayoutColumn], names: Mapping[str, str]) -> str:
    """Columns as they are typed (`of_lines` gives the same again). `names`: code of a field → what it is called."""
    found = []
    for one in columns:
        name = names.get(one.field, one.field)
        if not one.field:
            found.append(f'{one.head} = "{one.text}"')
        else:
            found.append(one.head if one.head == name else f"{one.head} = {name}")
    return "\n".join(found)


def _folded(name: str) -> str:
    return "".join(name.split()).casefold()


def as_file(layouts: Sequence[Layout]) -> bytes:
    """Layouts as the part `exports` of a settings file: JSON, UTF-8."""
    parts = [one.model_dump(mode="json", exclude_defaults=True) for one in layouts]
    return json.dumps({"exports": parts}, ensure_ascii=False, indent=1).encode() + b"\n"


def of_file(data: bytes) -> tuple[list[Layout], list[Fault]]:
    """The layouts of a file (`as_file`, or a settings file with such a part), or everything that is wrong with it.
    Raises Refused `layout.no_file` where it is none at all."""
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Refused("layout.no_file") from error
    parts = content.get("exports") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) for one in parts):
        raise Refused("layout.no_file")
    found = [fault for one in parts for fault in faults_of(one)]
    names = [str(one.get("listing", ""))[:40] for one in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    found += [Fault(name, 0, "layout.listing_twice", {}) for name in twice]
    return ([] if found else [Layout.model_validate(one) for one in parts]), found


def day_as(form: str, day: date) -> str:
    """A day in one of the forms of DAYS, the year always with four digits."""
    return DAYS[form].replace("%Y", f"{day.year:04}").replace("%m", f"{day.month:02}").replace("%d", f"{day.day:02}")


def hours_as_text(hundredths: int) -> str:
    """Hours with as many decimals as they need: 25, 12.5, 8.33."""
    whole, rest = divmod(abs(hundredths), 100)
    return ("-" if hundredths < 0 else "") + f"{whole}.{rest:02}".rstrip("0").rstrip(".")


def with_words(text: str, words: Mapping[str, str]) -> str:
    """A line over the header with [项目], [单位], [日期] put in; other brackets stay as they are."""
    return re.sub(r"\[([^\[\]]{1,20})\]", lambda found: words.get(found[1].casefold(), found[0]), text)
