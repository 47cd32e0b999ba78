"""Plain text in the encodings that Chinese computers write, and text in old binary office files."""

import codecs
import re
import struct
from pathlib import Path

from lms_plugin.media import apart
from lms_plugin.media.compound import Compound
from lms_plugin.media.faults import Encrypted

_SLIDE_LIMIT = 128 << 20
_BOOK_LIMIT = 32 << 20


def decode(data: bytes) -> str:
    """Text from UTF-8, UTF-16 with a mark, or GB18030 (what Windows and Excel write); never fails."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 4 and error.reason == "unexpected end of data":
            return data[: error.start].decode("utf-8-sig")  # read up to a limit, cut inside a character
        return data.decode("gb18030", "replace")


def text(path: Path, limit: int) -> str:
    """The text of a txt or csv file, at most `limit` characters."""
    with path.open("rb") as file:
        return decode(file.read(limit * 4))[:limit]


def slides_text(path: Path, limit: int) -> str:
    """The text of a ppt file (or WPS's dps): its text atoms in order. After [MS-PPT] 2.9.41 and 2.9.42."""
    with Compound.open(path) as compound:
        data = compound.read("PowerPoint Document", _SLIDE_LIMIT)
    found: list[str] = []
    at = size = 0
    while at + 8 <= len(data) and size < limit:
        version, kind, length = struct.unpack_from("<HHI", data, at)
        at += 8
        if version & 0xF == 0xF:
            continue  # a container: its records follow
        body = data[at : at + length]
        at += length
        if kind in {0x0FA0, 0x0FA8}:
            found.append(body.decode("utf-16-le" if kind == 0x0FA0 else "cp1252", "replace"))
            size += len(found[-1])
    joined = re.sub(r"[\r\x0b]", "\n", "\n".join(found))
    return "".join(c for c in joined if c in "\n\t" or c >= " ")[:limit]


def check_book(path: Path) -> None:
    """Raises Encrypted for an xls with a password (record FILEPASS near its start)."""
    with Compound.open(path) as compound:
        data = compound.read("Workbook", 1 << 14) or compound.read("Book", 1 << 14)
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<HH", data, at)
        if kind == 0x002F:
            raise Encrypted
        at += 4 + length


def book_text(path: Path, limit: int) -> str:
    """The text of an xls file (or WPS's et), cells by tabs. Raises Broken or Bomb."""
    if path.stat().st_size > _BOOK_LIMIT:
        return ""
    return apart.run("book", path, limit).decode("utf-8", "replace")[:limit]
