"""A framework, or a reference framework, read from rows of cells; every fault names its row and column."""

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

from competencies import reference_schema
from competencies.exchange.columns import (
    CONTINUED,
    HEADS,
    KINDS,
    REFERENCE_HEADS,
    REFERENCE_KINDS,
    TRANSLATABLE,
    Kind,
    column_of,
    kinds_with,
)
from competencies.exchange.fields import FOREIGN, LONGEST_CELL, WORDS, YES_NO, begins_formula, nearest, put
from competencies.languages import is_official, tag_of
from competencies.pack import LONGEST_STEP, SCHEMA, Pack, PackProblem, load_pack
from competencies.reference_schema import Reference, load_reference
from lms_plugin.errors import Refused

HEADER_WITHIN = 10
_NEEDED = ("row", "code")
_HANGS_ON = {"evidence": ("point",), "check": ("point", "item"), "criterion": ("point", "item")}
_LISTS = {
    "level": "levels",
    "environment": "environments",
    "dimension": "dimensions",
    "evidence": "evidence",
    "check": "checks",
    "criterion": "criteria",
}


class Shape(NamedTuple):
    """What a table tells of. `needed`: the columns by which its header is found; `hangs_on`: the columns that name the
    thing to which a row of that kind belongs; `lists`: where it then stands; `top`: the kind that stands in a list of
    the whole, and that list."""

    heads: Mapping[str, tuple[str, str]]
    kinds: Mapping[str, Kind]
    needed: tuple[str, ...]
    hangs_on: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, str]
    top: tuple[str, str]
    schema: str
    load: Callable[[Mapping[str, Any]], Any]


_PACK = Shape(HEADS, KINDS, _NEEDED, _HANGS_ON, _LISTS, ("point", "points"), SCHEMA, load_pack)
_REFERENCE = Shape(
    REFERENCE_HEADS,
    REFERENCE_KINDS,
    ("row", "parent", "code"),
    {},
    {"level": "levels"},
    ("item", "items"),
    reference_schema.SCHEMA,
    load_reference,
)


def read_table(rows: Sequence[Sequence[Any]], formulas: Collection[tuple[int, int]] = ()) -> Pack | Reference:
    """The pack that a table tells, or the reference framework, where its header has the column 上级 (parent).
    `formulas`: cells (row, column, both from 0) that hold a formula.

    Columns that we do not know are kept under their name. Raises Refused `pack.no_header`, and `pack.invalid` with all
    faults as PackProblem, each with its row (1 = first of the file) and column letter.
    """
    try:
        reading = _Reading(rows, frozenset(formulas), _REFERENCE)
    except Refused:
        reading = _Reading(rows, frozenset(formulas), _PACK)
    found: Pack | Reference = reading.whole_of_it()
    return found


def letter(index: int) -> str:
    """The name of a column, 0 = A."""
    name = ""
    while index >= 0:
        name, index = chr(ord("A") + index % 26) + name, index // 26 - 1
    return name


class _Reading:
    """One table on its way to a pack or a reference framework."""

    def __init__(self, rows: Sequence[Sequence[Any]], formulas: frozenset[tuple[int, int]], shape: Shape) -> None:
        self.rows, self.formulas, self.shape = rows, formulas, shape
        self.at, self.columns, self.unknown = _header(rows, shape)
        self.faults: list[PackProblem] = []
        self.languages = self._languages() if shape is _PACK else {}
        if self.languages:
            self.shape = shape._replace(kinds=kinds_with(self.languages))
        self.whole: dict[str, Any] = {}
        self.framework: dict[str, Any] = {}
        self.things: dict[tuple[str, ...], dict[str, Any]] = {}
        self.places: dict[str, tuple[int, str]] = {}  # place in the pack: row number, kind

    def _languages(self) -> dict[str, int]:
        """Columns like "名称 (ug)" become columns of that language; gives each language with the first of them. A
        language that is none, or an official one, is a fault of the header."""
        found: dict[str, int] = {}
        for index, head in list(self.unknown.items()):
            column, typed = _translated(head)
            if not column:
                continue
            del self.unknown[index]
            tag = tag_of(typed)
            code = "pack.language_official" if is_official(tag) else "" if tag else "pack.bad_language"
            if code:
                where = f"{letter(index)}{self.at + 1}"
                self.faults.append(PackProblem(where, code, typed[:60], self.at + 1, letter(index)))
            elif column_of(column, tag) in self.columns:
                raise Refused("pack.column_twice", column=head[:40])
            else:
                self.columns[column_of(column, tag)] = index
                found.setdefault(tag, index)
        return found

    def whole_of_it(self) -> Any:
        self._read()
        listed = self.framework.get("languages", [])
        if self.languages and isinstance(listed, list):
            more = [tag for tag in self.languages if tag not in listed]
            if more:
                self.framework["languages"] = [*listed, *more]
        if self.faults:
            raise Refused("pack.invalid", where=self.faults[0].where, count=len(self.faults), problems=(*self.faults,))
        self.whole.setdefault("schema", self.shape.schema)
        try:
            return self.shape.load(self.whole)
        except Refused as refused:
            if refused.code != "pack.invalid":
                raise
            found = tuple(self._located(one) for one in refused.params["problems"])
            raise Refused("pack.invalid", where=found[0].where, count=len(found), problems=found) from None

    def _read(self) -> None:
        tails = self._tails()
        for number, row in enumerate(self.rows[self.at + 1 :], start=self.at + 2):
            cells = {name: self._cell(number, row, index) for name, index in self.columns.items()}
            if not any(cells.values()):
                continue
            kind = _kind_of(cells["row"], self.shape)
            if kind == "continued":
                continue
            if kind is None:
                self._fault(number, "row", "pack.row_kind", cells["row"])
                continue
            thing = self._thing(number, kind, cells, tails.get(number, cells.get("rest", "")))
            for index, head in self.unknown.items():
                text = self._cell(number, row, index)
                if text:
                    thing.setdefault(head, text)
            self._place(number, kind, cells, thing)

    def _tails(self) -> dict[int, str]:
        """Row number: its last cell put together again from the rows that go on with it."""
        found: dict[int, list[str]] = {}
        above, index = 0, self.columns.get("rest", -1)
        for number, row in enumerate(self.rows[self.at + 1 :], start=self.at + 2):
            word = _text(row[self.columns["row"]]) if len(row) > self.columns["row"] else ""
            if _kind_of(word, self.shape) != "continued":
                above = number if any(map(_text, row)) else above
            elif 0 <= index < len(row):
                found.setdefault(above, []).append(_text(row[index]).removeprefix("…").removesuffix("…"))
        return {number: "".join(parts) for number, parts in found.items()}

    def _cell(self, number: int, row: Sequence[Any], index: int) -> str:
        """The cell as text; a date, a formula or an error value is a fault."""
        value = row[index] if index < len(row) else ""
        text = _text(value)
        where = f"{letter(index)}{number}"
        if isinstance(value, date | datetime | time):
            self.faults.append(PackProblem(where, "pack.cell_date", text, number, letter(index)))
        elif (number - 1, index) in self.formulas or begins_formula(text) or _is_error(text):
            self.faults.append(PackProblem(where, "pack.cell_formula", text[:60], number, letter(index)))
        elif len(text) > LONGEST_CELL:
            self.faults.append(PackProblem(where, "pack.text_too_long", text[:60], number, letter(index)))
        return text

    def _thing(self, number: int, kind: str, cells: Mapping[str, str], rest: str) -> dict[str, Any]:
        thing = _object(rest)
        if thing is None:
            self._fault(number, "rest", "pack.cell_not_json", rest[:60])
            thing = {}
        for name, field in self.shape.kinds[kind].fields.items():
            text = cells.get(name, "")
            if not text:
                continue
            if field.form in (WORDS, FOREIGN) and self._is_number(
                number, name, may_be_whole=name in {"code", "parent"}
            ):
                self._fault(number, name, "pack.cell_number", text)
                continue
            try:
                put(thing, field.path, field.form.read(text))
            except ValueError:
                self._fault(
                    number, name, "pack.cell_yes_no" if field.form is YES_NO else "pack.cell_no_number", text[:60]
                )
        return thing

    def _is_number(self, number: int, name: str, *, may_be_whole: bool) -> bool:
        """Whether a cell that should be text is a number: 1.10 has then become 1.1, and a date a count of days."""
        value = self.rows[number - 1][self.columns[name]]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if (number - 1, self.columns[name]) in self.formulas:
            return False  # told already
        return not (may_be_whole and float(value).is_integer())

    def _place(self, number: int, kind: str, cells: Mapping[str, str], thing: dict[str, Any]) -> None:
        """Puts a row's thing where it belongs in the pack. A second one of the same name is a fault."""
        code = cells.get("code", "")
        owner = tuple(cells.get(name, "") for name in self.shape.hangs_on.get(kind, ()))
        key = (kind, *owner, code)
        if kind in {"file", "framework"}:
            key = (kind,)
        if key in self.things:
            self._fault(number, "code", "pack.twice", code)
            return
        self.things[key] = thing
        if kind == "file":
            self.whole.update(thing)
            self.places[""] = (number, kind)
        elif kind == "framework":
            self.framework.update(thing)
            self.whole["framework"] = self.framework
            self.places["framework"] = (number, kind)
        elif kind == self.shape.top[0]:
            members = self.whole.setdefault(self.shape.top[1], [])
            self.places[f"{self.shape.top[1]}[{code[:LONGEST_STEP] or len(members)}]"] = (number, kind)
            members.append(thing)
        else:
            self._hang(number, kind, owner, code, thing)

    def _hang(self, number: int, kind: str, owner: tuple[str, ...], code: str, thing: dict[str, Any]) -> None:
        if not owner:
            above: dict[str, Any] | None = self.framework
            place = "framework"
        elif kind == "evidence":
            above, place = self.things.get(("point", *owner)), f"points[{owner[0]}]"
        else:
            above, place = self.things.get(("evidence", *owner)), f"points[{owner[0]}].evidence[{owner[1]}]"
        if above is None:
            self._fault(number, self.shape.hangs_on[kind][-1], "pack.row_orphan", " ".join(owner))
            return
        if not isinstance(above.get(self.shape.lists[kind]), list):
            above[self.shape.lists[kind]] = []
        members = above[self.shape.lists[kind]]
        self.places[f"{place}.{self.shape.lists[kind]}[{code[:LONGEST_STEP] or len(members)}]"] = (number, kind)
        members.append(thing)

    def _fault(self, number: int, name: str, code: str, found: str) -> None:
        column = letter(self.columns[name]) if name in self.columns else ""
        self.faults.append(PackProblem(f"{column}{number}", code, found, number, column))

    def _located(self, problem: PackProblem) -> PackProblem:
        """A fault of the pack with the row and column that it came from; of a language, with its first column."""
        tag = re.fullmatch(r"framework\.languages\[(.*)\]", problem.where)
        if tag is not None and tag[1] in self.languages:
            return problem._replace(row=self.at + 1, column=letter(self.languages[tag[1]]))
        place, inner = nearest(self.places, problem.where)
        if place not in self.places:
            return problem
        number, kind = self.places[place]
        named = [
            name
            for name, field in self.shape.kinds[kind].fields.items()
            if inner and (".".join(field.path).startswith(inner) or inner.startswith(".".join(field.path)))
        ]
        column = self.columns.get(named[0] if named else "code", self.columns["code"])
        return problem._replace(row=number, column=letter(column))


def _header(rows: Sequence[Sequence[Any]], shape: Shape) -> tuple[int, dict[str, int], dict[int, str]]:
    """(row of the header from 0, key → column, columns that we do not know → their name)."""
    names = {_plain(name): key for key, (zh, en) in shape.heads.items() for name in (zh, en, f"{zh} {en}")}
    for at, row in enumerate(rows[:HEADER_WITHIN]):
        columns: dict[str, int] = {}
        unknown: dict[int, str] = {}
        for index, value in enumerate(row):
            head = _text(value)
            key = names.get(_plain(head))
            if key is not None:
                if key in columns:
                    raise Refused("pack.column_twice", column=head[:40])
                columns[key] = index
            elif head:
                unknown[index] = head[:100]
        if all(name in columns for name in shape.needed):
            return at, columns, unknown
    raise Refused("pack.no_header", columns="、".join(shape.heads[name][0] for name in shape.needed))


def _translated(head: str) -> tuple[str, str]:
    """(column, language) of a head like "名称 (ug)", "name (ug)" or both in one; "" for any other."""
    parts = re.fullmatch(r"([^()]*)\(([^()]*)\)([^()]*)(?:\(([^()]*)\))?", unicodedata.normalize("NFKC", head))
    if parts is None or (parts[4] is not None and parts[4].strip() != parts[2].strip()):
        return "", ""
    named = _plain(parts[1] + parts[3])
    for column in TRANSLATABLE:
        if named in {_plain(name) for name in (*HEADS[column], "".join(HEADS[column]))}:
            return column, parts[2].strip()
    return "", ""


def _plain(name: str) -> str:
    return re.sub(r"[\s*:：]", "", unicodedata.normalize("NFKC", name)).casefold()


def _text(value: Any) -> str:
    """A cell as text without blanks at its ends; whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value).replace("\r\n", "\n").strip()


def _is_error(text: str) -> bool:
    return text.startswith("#") and text.rstrip("!?") in {"#REF", "#N/A", "#VALUE", "#NAME", "#DIV/0", "#NULL", "#NUM"}


def _kind_of(word: str, shape: Shape) -> str | None:
    word = _plain(word)
    for key, kind in {**shape.kinds, "continued": CONTINUED}.items():
        if word in {kind.zh, kind.en, key}:
            return key
    return None


def _object(text: str) -> dict[str, Any] | None:
    """What `as_cell` wrote; None where the text is no object."""
    try:
        found = json.loads(text, parse_constant=_refuse) if text else {}
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(name: str) -> Any:
    raise ValueError(name)
