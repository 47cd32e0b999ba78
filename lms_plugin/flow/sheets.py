"""Spreadsheets: what officers send is read as plain text with its place, what we send cannot run as a formula.

A file is judged by its content, never by its name. Nothing is trusted about its size: a workbook of a few kilobytes can
claim 17 000 million cells, so the claims are counted before any cell is built, and cells are built in a process with
limits of its own (`media.first_sheet`).
"""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any

import competencies
from lms_plugin import media
from lms_plugin.errors import Refused

MOST_BYTES = 10 * 1024 * 1024
MOST_UNPACKED = 150 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 200
HEADER_WITHIN = 10
LONGEST_CELL = 500
LONGEST_TAG = 1 << 16

_PLACE = re.compile(  # the attribute r of <row> and <c>, whatever attributes stand before it
    rb"""<(?:[\w.-]+:)?(?:c|row)(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*?\s+r\s*=\s*["']([^"'<]*)["']"""
)
_TAG = re.compile(rb"""<(?:"[^"]*"|'[^']*'|[^<>"'])*>""")
_CELL = re.compile(rb"([A-Za-z]{1,3})?([0-9]{1,7})")
_UNSEEN = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
_NEWLINE = re.compile(r"[\r\n\t]+")


@dataclass(frozen=True)
class Problem:
    """One fault of a sheet: its row (1 = first of the file), its column letter ("" = the whole row), a code."""

    row: int
    column: str
    code: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One row below the header: the cells by the key of their column, as clean text or as Excel typed them."""

    row: int
    cells: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The cell as one line of text; whole numbers without a decimal point."""
        return as_text(self.cells.get(key, ""))


@dataclass(frozen=True)
class Table:
    """A sheet whose header has been found. `columns`: key → column letter."""

    lines: tuple[Line, ...]
    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    problems: tuple[Problem, ...]


def letter(index: int) -> str:
    """The name of a column, 0 = A."""
    name = ""
    while index >= 0:
        name, index = chr(ord("A") + index % 26) + name, index // 26 - 1
    return name


def as_text(value: Any) -> str:
    """A cell as people read it, on one line, without characters that nobody sees."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, datetime):
        value = value.date() if value.time() == datetime.min.time() else value
    text = _NEWLINE.sub(" ", str(value)).translate(_UNSEEN)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def read(data: bytes, heads: Mapping[str, Sequence[str]], needed: Iterable[str], most_rows: int = MOST_ROWS) -> Table:
    """The first sheet (or a CSV in UTF-8 or GBK) with the columns of `heads` {key: [names a header may have]}.

    The header is looked for in the first ten rows, so that a title line may stand above it. Raises Refused `sheet.…`
    where the file cannot be used at all; faults of single cells come back in `problems`.
    """
    rows, merged = _rows(data, most_rows)
    at, columns = _header(rows, heads)
    missing = [heads[key][0] for key in needed if key not in columns]
    if missing:
        raise Refused("sheet.columns_missing", columns="、".join(missing))
    problems = [
        Problem(top + 1, letter(left), "sheet.merged", {})
        for (top, left), (_bottom, right) in merged
        if _bottom > at and any(left <= index <= right for index in columns.values())
    ]
    lines = []
    for number in range(at + 2, len(rows) + 1):
        row, rows[number - 1] = rows[number - 1], []  # a long list is not held twice
        cells = {key: row[index] if index < len(row) else "" for key, index in columns.items()}
        if not any(as_text(value) for value in cells.values()):
            continue
        problems += _cell_problems(number, cells, columns)
        lines.append(Line(number, cells))
    if not lines:
        raise Refused("sheet.no_rows")
    known = set(columns.values())
    ignored = tuple(as_text(head)[:40] for index, head in enumerate(rows[at]) if index not in known and as_text(head))
    return Table(tuple(lines), {key: letter(index) for key, index in columns.items()}, ignored, tuple(problems))


def grid(data: bytes) -> list[list[Any]]:
    """All rows of the first sheet (or of a CSV in UTF-8 or GBK) from A1 on, each cell as the file has it.

    Raises Refused `sheet.…` where the file cannot be used at all.
    """
    return _rows(data)[0]


def _cell_problems(number: int, cells: Mapping[str, Any], columns: Mapping[str, int]) -> list[Problem]:
    found = []
    for key, value in cells.items():
        text, column = as_text(value), letter(columns[key])
        if isinstance(value, float | int) and not isinstance(value, bool) and abs(value) >= 1e15:
            found.append(Problem(number, column, "sheet.digits_lost", {}))
        elif isinstance(value, str) and text[:1] in {"=", "+", "@"}:
            found.append(Problem(number, column, "sheet.formula", {}))
        elif not text.isprintable():
            found.append(Problem(number, column, "sheet.unprintable", {}))
        elif len(text) > LONGEST_CELL:
            found.append(Problem(number, column, "form.too_long", {"longest": LONGEST_CELL}))
        elif (
            isinstance(value, str) and text.startswith("#") and text.rstrip("!?") in {"#REF", "#N/A", "#VALUE", "#NAME"}
        ):
            found.append(Problem(number, column, "sheet.formula", {}))
    return found


def _header(rows: Sequence[Sequence[Any]], heads: Mapping[str, Sequence[str]]) -> tuple[int, dict[str, int]]:
    names = {_plain(name): key for key, words in heads.items() for name in words}
    best: tuple[int, dict[str, int]] = (0, {})
    for at, row in enumerate(rows[:HEADER_WITHIN]):
        columns: dict[str, int] = {}
        for index, value in enumerate(row):
            key = names.get(_plain(as_text(value)))
            if key is not None:
                if key in columns:
                    raise Refused("sheet.column_twice", column=heads[key][0])
                columns[key] = index
        if len(columns) > len(best[1]):
            best = (at, columns)
    if not best[1]:
        raise Refused("sheet.no_header", columns="、".join(words[0] for words in heads.values()))
    return best


def _plain(name: str) -> str:
    """A header without blanks, marks such as * and （必填）, in lower case."""
    name = re.sub(r"[（(].*?[)）]", "", unicodedata.normalize("NFKC", name))
    return re.sub(r"[\s*:：]", "", name).casefold()


_Range = tuple[tuple[int, int], tuple[int, int]]


def _rows(data: bytes, most_rows: int = MOST_ROWS) -> tuple[list[list[Any]], list[_Range]]:
    """All rows from A1 on, and the merged ranges (0-based)."""
    if not data:
        raise Refused("sheet.empty_file")
    if len(data) > MOST_BYTES:
        raise Refused("sheet.too_large", most=MOST_BYTES // 1024 // 1024)
    if data.startswith(b"PK"):
        _count_claims(data, most_rows)
    elif not data.startswith(b"\xd0\xcf\x11\xe0"):
        return _csv(data, most_rows), []
    try:
        cells = media.first_sheet(data, most_rows + HEADER_WITHIN, MOST_COLUMNS)
    except Refused as error:
        raise Refused("sheet.unreadable") from error
    if cells.code:
        most = {"too_many_rows": most_rows, "too_many_columns": MOST_COLUMNS, "too_large": MOST_BYTES // 1024 // 1024}
        raise Refused(f"sheet.{cells.code}", most=most.get(cells.code, 0))
    return cells.rows, cells.merged


def _count_claims(data: bytes, most_rows: int) -> None:
    """Reads a workbook's XML as a stream and refuses what would not fit: too much of it, or cells too far out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = packed.namelist()
            if "xl/workbook.xml" not in names:
                raise Refused("sheet.not_a_sheet")
            if len(set(names)) != len(names):
                raise Refused("sheet.unreadable")
            if sum(info.file_size for info in packed.infolist()) > MOST_UNPACKED:
                raise Refused("sheet.too_large", most=MOST_BYTES // 1024 // 1024)
            for name in names:
                with packed.open(name) as member:  # any part may serve as a sheet
                    _scan(member, most_rows)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise Refused("sheet.unreadable") from error


def _scan(member: IO[bytes], most_rows: int) -> None:
    """Every place that a row or cell of the sheet names lies within our limits."""
    start = member.peek(4)[:4] if isinstance(member, zipfile.ZipExtFile) else b""
    if start[:2] in {b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"}:
        raise Refused("sheet.unreadable")  # UTF-16: no program that people use writes sheets so
    if not start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and start.strip():
        return  # a picture or the like
    tail, total = b"", 0
    while chunk := member.read(1 << 18):
        total += len(chunk)
        if total > MOST_UNPACKED:
            raise Refused("sheet.too_large", most=MOST_BYTES // 1024 // 1024)
        text = tail + chunk
        for found in _PLACE.finditer(text):
            place = _CELL.fullmatch(found[1])
            if place is None:  # one that only the reader would understand, or none within any sheet
                raise Refused("sheet.unreadable")
            if int(place[2]) > most_rows + HEADER_WITHIN:
                raise Refused("sheet.too_many_rows", most=most_rows)
            if place[1] is not None and _index(place[1].upper()) >= MOST_COLUMNS:
                raise Refused("sheet.too_many_columns", most=MOST_COLUMNS)
        last = text.rfind(b"<")
        tail = text[last:] if last >= 0 else b""
        if len(tail) > LONGEST_TAG:
            if not _TAG.match(tail):
                raise Refused("sheet.unreadable")
            tail = b""  # text after a tag that has been looked at


def _index(name: bytes) -> int:
    number = 0
    for character in name:
        number = number * 26 + character - ord("A") + 1
    return number - 1


def _csv(data: bytes, most_rows: int) -> list[list[Any]]:
    text = ""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if not text or "\0" in text or not any(mark in text[:4000] for mark in ",\t;"):
        raise Refused("sheet.not_a_sheet")
    first = text.splitlines()[0] if text.splitlines() else ""
    delimiter = max(",\t;", key=first.count)
    rows: list[list[Any]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            rows.append([*row[: MOST_COLUMNS + 1]])
            if len(rows) > most_rows + HEADER_WITHIN:
                raise Refused("sheet.too_many_rows", most=most_rows)
    except csv.Error as error:
        raise Refused("sheet.unreadable") from error
    return rows


# --- out ---


@dataclass(frozen=True)
class Column:
    """A column of a sheet we write. `kind`: "text" (whatever stands in it), "number", "hours" (in hundredths of one;
    "hours_short" with as many decimals as it needs) or "tenths" (of one)."""

    head: str
    width: int = 12
    kind: str = "text"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A sheet of a workbook we write: its name (with a number where an earlier sheet has it), its columns, its rows
    (read once, in order), and the lines above the header."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    empty_rows: int = 0  # rows below the last one that keep text format and drop-downs, for a template
    above: Sequence[str] = ()


def write(target: IO[bytes], pages: Sequence[Page]) -> None:
    """Writes a workbook row by row (memory does not grow with rows). Text is always text, never a formula or link."""
    import xlsxwriter  # noqa: PLC0415 - 2 MB that pages do not need

    book = xlsxwriter.Workbook(
        target,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    text, number = book.add_format({"num_format": "@"}), book.add_format({"num_format": "0"})
    hours, tenths = book.add_format({"num_format": "0.00"}), book.add_format({"num_format": "0.0"})
    short, title = book.add_format({"num_format": "General"}), book.add_format({"bold": True})
    taken: set[str] = set()
    for page in pages:
        sheet, top = book.add_worksheet(_unused(page.name, taken)), len(page.above)
        sheet.freeze_panes(top + 1, 0)
        for index, column in enumerate(page.columns):
            sheet.set_column(index, index, column.width, text if column.kind == "text" else None)
        for index, line in enumerate(page.above):
            sheet.write_string(index, 0, _safe(line), title)
        for index, column in enumerate(page.columns):
            sheet.write_string(top, index, _safe(column.head), head)
        last = top
        for last, row in enumerate(page.rows, start=top + 1):
            for index, (column, value) in enumerate(zip(page.columns, row, strict=True)):
                if value is None:
                    continue
                if column.kind == "number":
                    sheet.write_number(last, index, value, number)
                elif column.kind == "hours":
                    sheet.write_number(last, index, value / 100, hours)
                elif column.kind == "hours_short":
                    sheet.write_number(last, index, value / 100, short)
                elif column.kind == "tenths":
                    sheet.write_number(last, index, value / 10, tenths)
                else:
                    sheet.write_string(last, index, _safe(str(value)), text)
        last = max(last, top + page.empty_rows, top + 1)
        for index, column in enumerate(page.columns):
            if column.choices:
                choices = {"validate": "list", "source": list(column.choices)}
                sheet.data_validation(top + 1, index, last, index, choices)
    book.close()


def _unused(name: str, taken: set[str]) -> str:
    """The name within Excel's limit, with a number where an earlier sheet has it; it is taken from now on."""
    found, number = name[:31], 1
    while found.casefold() in taken:
        number += 1
        found = f"{name[:27]} {number}"
    taken.add(found.casefold())
    return found


def _safe(text: str) -> str:
    """Without control characters, which no XML can hold, and within a cell's limit."""
    kept = "\n" + competencies.exchange.JOINS  # words of some languages are written with signs that nobody sees
    return "".join(ch for ch in text if ch.isprintable() or ch in kept)[:32000]


def as_hundredths(value: object, most: int) -> int | None:
    """Hours (学时) of a cell with at most two decimals, above 0 and at most `most`, as hundredths; None for anything
    else."""
    if isinstance(value, bool | datetime | date):
        return None
    text = str(value) if isinstance(value, float) else as_text(value)
    amount = competencies.hundredths(text.removesuffix("学时"))
    return amount if amount is not None and 0 < amount <= most * 100 else None


def as_day(value: Any) -> date | None:
    """The day a cell says (a date of Excel, 2026-11-02, 2026/11/2, 20261102, 2026年11月2日), or None."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    found = re.fullmatch(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?", as_text(value)) or re.fullmatch(
        r"(\d{4})(\d{2})(\d{2})", as_text(value)
    )
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
