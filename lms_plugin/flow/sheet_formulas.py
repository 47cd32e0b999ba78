"""Which cells of a workbook hold formulas: the reader of sheets gives only what they came to when it was last saved."""

import io
import posixpath
import re
import zipfile
from typing import IO

from lxml import etree

from lms_plugin.errors import Refused

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_REFERENCE = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def formulas(data: bytes) -> set[tuple[int, int]]:
    """(row, column), both from 0, of the formulas of the first sheet that is not hidden; none of anything but an xlsx.

    `data` has been through `sheets.grid`, which bounds its size. Raises Refused `sheet.unreadable`.
    """
    if not data.startswith(b"PK"):
        return set()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed, packed.open(_first_sheet(packed)) as sheet:
            return _of_sheet(sheet)
    except (zipfile.BadZipFile, KeyError, etree.XMLSyntaxError, StopIteration) as error:
        raise Refused("sheet.unreadable") from error


def _first_sheet(packed: zipfile.ZipFile) -> str:
    """The name of its part in the file."""
    book = _parse(packed.read("xl/workbook.xml"))
    shown = next(one for one in book.iter("{*}sheet") if one.get("state", "visible") == "visible")
    links = _parse(packed.read("xl/_rels/workbook.xml.rels"))
    target = next(one.get("Target", "") for one in links if one.get("Id") == shown.get(_REFERENCE))
    return posixpath.normpath(posixpath.join("xl", target)) if not target.startswith("/") else target[1:]


def _parse(xml: bytes) -> etree._Element:
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))


def _of_sheet(sheet: IO[bytes]) -> set[tuple[int, int]]:
    found = set()
    for _event, cell in etree.iterparse(sheet, tag="{*}c", resolve_entities=False, no_network=True):
        place = _PLACE.fullmatch(cell.get("r", ""))
        if place is not None and cell.find("{*}f") is not None:
            found.add((int(place[2]) - 1, _index(place[1])))
        cell.clear()
    return found


def _index(name: str) -> int:
    number = 0
    for character in name:
        number = number * 26 + ord(character) - ord("A") + 1
    return number - 1
