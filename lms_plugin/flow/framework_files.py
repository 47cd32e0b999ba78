"""A framework as a file and back: CASE 1.0, our own JSON, CSV and xlsx. Values in, values out: no database."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import IO

import competencies
from lms_plugin import media
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import sheets

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMS = {
    "case": ("case.json", "application/json"),
    "pack": ("json", "application/json"),
    "csv": ("csv", "text/csv"),
    "xlsx": ("xlsx", XLSX),
}
"""The forms in which a framework leaves: ending of the file's name, and its MIME type."""

_WIDTHS = {"名称": 30, "给教师的问题": 30, "说明": 40, "合格": 40, "优秀": 40, "出处": 30, "其他": 30}


def read(data: bytes) -> competencies.Pack | competencies.Reference:
    """The pack or the reference framework of a file, whatever its form: told by its content, never by its name.

    Raises Refused: `pack.invalid` with all faults (each with its row and column, or its JSON path), or another
    `pack.…` or `sheet.…` where the file cannot be used at all.
    """
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}:
        return competencies.exchange.read_json(data)
    rows = sheets.grid(data)
    try:
        formulas = media.formula_cells(data)
    except Refused as error:
        raise Refused("sheet.unreadable") from error
    return competencies.exchange.read_table(rows, formulas)


def write(
    pack: competencies.Pack | competencies.Reference,
    form: str,
    creator: str,
    changed_at: datetime,
    *,
    is_draft: bool,
    links: Iterable[competencies.exchange.OutLink] = (),
) -> bytes:
    """The pack in a form of FORMS; `links` of its points go into CASE alone. Raises NotFound for any other form."""
    if form == "case":
        return competencies.exchange.case_json(pack, creator, changed_at, is_draft=is_draft, links=links)
    if form == "pack":
        return competencies.exchange.pack_json(pack)
    if form == "csv":
        return _csv(pack)
    if form == "xlsx":
        target = io.BytesIO()
        _workbook(target, pack)
        return target.getvalue()
    raise NotFound


def _csv(pack: competencies.Pack | competencies.Reference) -> bytes:
    """In UTF-8 with the mark that Excel needs to see it as such."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(competencies.exchange.heads(pack))
    writer.writerows(competencies.exchange.rows(pack))
    return text.getvalue().encode("utf-8-sig")


def _workbook(target: IO[bytes], pack: competencies.Pack | competencies.Reference) -> None:
    heads = competencies.exchange.heads(pack)
    columns = [sheets.Column(head, _WIDTHS.get(head.partition(" ")[0], 12)) for head in heads]
    sheets.write(target, [sheets.Page("标准", columns, competencies.exchange.rows(pack))])
