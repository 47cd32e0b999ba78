"""Which cells of a workbook hold formulas: the reader of sheets gives only what they came to when it was last saved."""

import io
import re
import zipfile
from collections.abc import Mapping

from lxml import etree

from lms_plugin.media import zipped
from lms_plugin.media.faults import Broken

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def formula_cells(data: bytes) -> set[tuple[int, int]]:
    """(row, column), both from 0, of the formulas of the first sheet that is not hidden; none of anything but an xlsx.

    Raises Broken, Encrypted or Bomb.
    """
    if not data.startswith(b"PK"):
        return set()
    with zipped.open_zip(io.BytesIO(data)) as archive:
        return _of_sheet(zipped.part(archive, _first_sheet(archive)))


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """The name of its part in the file. Raises Broken where there is none."""
    name = zipped.main_part(archive)
    book, parts = zipped.xml(archive, name), zipped.relationships(archive, name)
    sheets = (
        [one for one in book.iter("{*}sheet") if one.get("state", "visible") == "visible"] if book is not None else []
    )
    if not sheets or zipped.relation_id(sheets[0]) not in parts:
        raise Broken
    return parts[zipped.relation_id(sheets[0])][1]


def _of_sheet(xml: bytes) -> set[tuple[int, int]]:
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise Broken
    try:
        found: set[tuple[int, int]] = etree.fromstring(
            xml, etree.XMLParser(target=_Formulas(), resolve_entities=False, no_network=True)
        )
    except etree.XMLSyntaxError as error:
        raise Broken from error
    return found


class _Formulas:
    """Notes the places of formulas while a sheet is read: as a whole it would fill the memory, so no tree is kept."""

    def __init__(self) -> None:
        self.place: re.Match[str] | None = None
        self.found: set[tuple[int, int]] = set()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if name == "c":
            self.place = _PLACE.fullmatch(attributes.get("r", ""))
        elif name == "f" and self.place is not None:
            self.found.add((int(self.place[2]) - 1, _index(self.place[1])))

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag.rpartition("}")[2] == "c":
            self.place = None

    def close(self) -> set[tuple[int, int]]:
        """What was found."""
        return self.found


def _index(name: str) -> int:
    number = 0
    for character in name:
        number = number * 26 + ord(character) - ord("A") + 1
    return number - 1
