"""Word's binary format (doc, and wps as WPS writes it): text, properties, and names blanked in place.

After [MS-DOC] (FIB, piece table, string tables) and [MS-OLEPS] (property sets).
"""

import re
import struct
from pathlib import Path

from lms_plugin.media.compound import Compound
from lms_plugin.media.faults import Encrypted
from lms_plugin.media.pictures import blanked

_SUMMARY = "\x05SummaryInformation"
_DOCUMENT = "\x05DocumentSummaryInformation"
PROPERTY_SETS = {_SUMMARY, _DOCUMENT}
# Attachments, and workbooks and slides as objects: their names cannot be taken out, and the page shows their picture.
_WHOLE_FILES = ("\x01Ole10Native", "Package", "CONTENTS", "Workbook", "Book", "PowerPoint Document", "Current User")
_PAIRS = 154  # where the table of (offset, length) pairs begins in the FIB
_CLX = 33
_NAME_TABLES = (32, 51, 71)  # SttbfAssoc (author, saved by), SttbfRMark (revision authors), SttbSavedBy (with paths)
_COMMENT_AUTHORS = 36  # GrpXstAtnOwners
_TEXT_LIMIT = 64 << 20


def check(path: Path) -> None:
    """Raises Encrypted for a document with a password, Broken for a damaged one."""
    with Compound.open(path) as compound:
        main = compound.read("WordDocument", 1 << 12)
        if len(main) > 12 and struct.unpack_from("<H", main, 10)[0] & 0x0100:
            raise Encrypted


def text(path: Path, limit: int) -> str:
    """The text, at most `limit` characters; cells are parted by tabs, paragraphs by newlines; field codes left out."""
    with Compound.open(path) as compound:
        main = compound.read("WordDocument", _TEXT_LIMIT)
        if len(main) < _PAIRS + 8 * (_CLX + 1):
            return ""
        table = compound.read(_table_name(main), _TEXT_LIMIT)
    offset, length = struct.unpack_from("<II", main, _PAIRS + 8 * _CLX)
    pieces: list[str] = []
    total = 0
    for start, count, narrow in _pieces(table[offset : offset + length]):
        raw = main[start : start + (count if narrow else 2 * count)]
        pieces.append(raw.decode("cp1252" if narrow else "utf-16-le", "replace"))
        total += len(pieces[-1])
        if total > limit * 2:
            break
    joined = re.sub("\x13[^\x13\x14\x15]*\x14", "", "".join(pieces))
    joined = re.sub("\x13[^\x13\x15]*\x15", "", joined)
    joined = joined.translate({13: "\n", 11: "\n", 12: "\n", 7: "\t", 30: "-", 160: " "})
    return "".join(c for c in joined if c in "\n\t" or c >= " ")[:limit]


def _table_name(main: bytes) -> str:
    return "1Table" if struct.unpack_from("<H", main, 10)[0] & 0x0200 else "0Table"


def _pieces(clx: bytes) -> list[tuple[int, int, bool]]:
    """The piece table: where in the main stream each run of text stands, how many characters, one byte each or two."""
    at = 0
    while at + 3 <= len(clx) and clx[at] == 1:
        at += 3 + int(struct.unpack_from("<H", clx, at + 1)[0])
    if at + 5 > len(clx) or clx[at] != 2:
        return []
    plc = clx[at + 5 : at + 5 + struct.unpack_from("<I", clx, at + 1)[0]]
    count = max(0, (len(plc) - 4) // 12)
    ends = struct.unpack_from(f"<{count + 1}I", plc, 0) if count else ()
    found = []
    for index in range(count):
        place = int(struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)[0])
        narrow = bool(place & 0x40000000)
        place &= 0x3FFFFFFF
        found.append((place // 2 if narrow else place, max(0, ends[index + 1] - ends[index]), narrow))
    return found


def properties(path: Path) -> dict[str, str]:
    """Title, author, last author, company and manager as the file's property sets state them."""
    wanted = {
        _SUMMARY: {2: "title", 3: "subject", 4: "author", 5: "keywords", 6: "comments", 8: "last_author"},
        _DOCUMENT: {14: "manager", 15: "company"},
    }
    found: dict[str, str] = {}
    with Compound.open(path) as compound:
        for stream, names in wanted.items():
            found |= _strings(compound.read(stream, 1 << 20), names)
    return found


def _strings(data: bytes, names: dict[int, str]) -> dict[str, str]:
    if len(data) < 56:
        return {}
    base = struct.unpack_from("<I", data, 44)[0]
    _size, count = struct.unpack_from("<II", data, base)
    places = dict(struct.unpack_from("<II", data, base + 8 + 8 * i) for i in range(min(count, 200)))
    page = 1252
    if 1 in places:
        page = struct.unpack_from("<H", data, base + places[1] + 4)[0]
    encoding = {65001: "utf-8", 936: "gb18030", 1200: "utf-16-le", 950: "big5"}.get(page, "cp1252")
    found = {}
    for key, name in names.items():
        if key not in places:
            continue
        at = base + places[key]
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 0x1E:
            value = data[at + 8 : at + 8 + length].decode(encoding, "replace")
        elif kind == 0x1F:
            value = data[at + 8 : at + 8 + 2 * length].decode("utf-16-le", "replace")
        else:
            continue
        if value.split("\0")[0].strip():
            found[name] = value.split("\0")[0].strip()
    return found


def anonymise(path: Path) -> None:
    """Blanks, in the file itself, all property sets, author tables, times and leftovers; lengths stay as they are."""
    with Compound.open(path, "r+b") as compound:
        anonymise_open(compound)


def anonymise_open(compound: Compound) -> None:
    """The same in an open file. Files that stand inside it as objects are blanked whole, pictures lose their EXIF."""
    blank_properties(compound)
    main = compound.read("WordDocument", 1 << 12)
    tables = [entry for entry in compound.all_named(_table_name(main)) if entry.depth == 1]
    if tables and len(main) >= _PAIRS + 8 * (max(_NAME_TABLES) + 1):
        table = bytearray(compound.read_entry(tables[0]))
        for index in _NAME_TABLES:
            _blank_table(table, *struct.unpack_from("<II", main, _PAIRS + 8 * index))
        _blank_owners(table, *struct.unpack_from("<II", main, _PAIRS + 8 * _COMMENT_AUTHORS))
        compound.overwrite(tables[0], bytes(table))
    inner = [entry for entry in compound.all_named("WordDocument", "0Table", "1Table") if entry.depth > 1]
    for entry in [*compound.all_named(*_WHOLE_FILES), *inner]:
        compound.overwrite(entry, bytes(entry.size))
    for entry in compound.all_named("Data"):
        compound.overwrite(entry, blanked(compound.read_entry(entry)))
    compound.wipe_unused()


def blank_properties(compound: Compound) -> None:
    """Puts an empty property set in the place of each one, in embedded objects too."""
    for entry in compound.all_named(_SUMMARY, _DOCUMENT):
        kind = compound.read_entry(entry)[28:44].ljust(16, b"\0")
        empty = struct.pack("<HHI16sI", 0xFFFE, 0, 0x00020006, bytes(16), 1) + kind + struct.pack("<III", 48, 8, 0)
        compound.overwrite(
            entry, empty.ljust(entry.size, b"\0")[: entry.size] if entry.size >= 56 else bytes(entry.size)
        )


def _blank_table(table: bytearray, offset: int, length: int) -> None:
    """A string table (STTB): every character becomes a blank, so that all lengths still hold."""
    end = min(offset + length, len(table))
    if length < 6 or end - offset < 6:
        return
    wide = struct.unpack_from("<H", table, offset)[0] == 0xFFFF
    at = offset + (2 if wide else 0)
    count, extra = struct.unpack_from("<HH", table, at)
    at += 4
    for _ in range(count):
        if at + 2 > end:
            return
        chars = struct.unpack_from("<H", table, at)[0] if wide else table[at]
        at += 2 if wide else 1
        size = min(chars * (2 if wide else 1), max(0, end - at))
        table[at : at + size] = (b" \0" if wide else b" ") * (size // (2 if wide else 1))
        at += size + extra


def _blank_owners(table: bytearray, offset: int, length: int) -> None:
    end = min(offset + length, len(table))
    at = offset
    while length and at + 2 <= end:
        size = min(2 * struct.unpack_from("<H", table, at)[0], (end - at - 2) // 2 * 2)
        table[at + 2 : at + 2 + size] = b" \0" * (size // 2)
        at += 2 + size
