"""WebM: length, size and names read from its elements; names blanked in place. After RFC 8794 and RFC 9559."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lms_plugin.media.boxes import Film
from lms_plugin.media.faults import Bomb, Broken

_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
_TAGS, _ATTACHMENTS, _TITLE, _DATE, _MUXER, _WRITER, _NAME = (
    0x1254C367,
    0x1941A469,
    0x7BA9,
    0x4461,
    0x4D80,
    0x5741,
    0x536E,
)
_DURATION, _SCALE, _WIDE, _HIGH, _CODEC = 0x4489, 0x2AD7B1, 0xB0, 0xBA, 0x86
_FILENAMES = {0x7384, 0x3C83AB, 0x3E83BB}
_CONTAINERS = {_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO}
_GONE = {_TAGS, _ATTACHMENTS, _TITLE, _DATE, _NAME} | _FILENAMES
_MOST = 200_000


def _elements(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int, int]]:
    """(id, start, body, end) of the elements of interest, containers entered, clusters stepped over."""
    stack = [(0, size)]
    count = 0
    while stack:
        at, end = stack.pop()
        if end - at < 2:
            continue
        count += 1
        if count > _MOST:
            raise Bomb
        file.seek(at)
        head = file.read(12)
        width = 9 - head[0].bit_length()
        if width > 4 or width >= len(head) or not head[width]:
            return  # a live recording ends anywhere; what came before still counts
        kind = int.from_bytes(head[:width], "big")
        length_width = 9 - head[width].bit_length()
        raw = int.from_bytes(head[width : width + length_width], "big")
        length = raw & ((1 << (7 * length_width)) - 1)
        body = at + width + length_width
        if length == (1 << (7 * length_width)) - 1:  # unknown length: recorders that write as they go
            if kind not in _CONTAINERS:
                return
            length = end - body
        if body + length > end:
            if kind != 0x1F43B675:
                raise Broken
            return
        yield kind, at, body, body + length
        stack.append((body + length, end))
        if kind in _CONTAINERS:
            stack.append((body, body + length))


def read(path: Path) -> Film:
    """What the file says of itself; recorders in browsers often write no length. Raises Broken."""
    scale, ticks = 1_000_000, 0.0
    wide: int | None = None
    high: int | None = None
    codec, properties = "", {}
    segment = False
    with path.open("rb") as file:
        for kind, _start, body, end in _elements(file, path.stat().st_size):
            segment = segment or kind == _SEGMENT
            if kind in _CONTAINERS or end - body > 4096:
                continue
            file.seek(body)
            data = file.read(end - body)
            if kind == _SCALE:
                scale = int.from_bytes(data, "big")
            elif kind == _DURATION and len(data) in {4, 8}:
                ticks = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
            elif kind == _WIDE:
                wide = int.from_bytes(data[:4], "big")
            elif kind == _HIGH:
                high = int.from_bytes(data[:4], "big")
            elif kind == _CODEC and data.startswith(b"V_"):
                codec = data.decode("ascii", "replace")
            elif kind == _TITLE and data:
                properties["title"] = data.decode("utf-8", "replace")[:500]
    if not segment:
        raise Broken
    seconds = round(ticks * scale / 1e9, 3) if 0 < ticks < 1e12 else None
    return Film(seconds, wide, high, codec, properties)


def anonymise(path: Path) -> None:
    """Turns tags, title, date, attachments and track names into Void elements of the same length, in place."""
    with path.open("r+b") as file:
        anonymise_open(file, path.stat().st_size)


def anonymise_open(file: BinaryIO, size: int) -> None:
    """The same over an open file of `size` bytes, also one in memory."""
    for kind, start, body, end in list(_elements(file, size)):
        if kind in {_MUXER, _WRITER}:
            file.seek(body)
            file.write(b" " * (end - body))  # both must be there, but need not say which app
        elif kind in _GONE:
            file.seek(start)
            total = end - start
            width = next(w for w in range(1, 9) if total - 1 - w < (1 << (7 * w)) - 1)
            length = (1 << (7 * width)) | (total - 1 - width)
            file.write(b"\xec" + length.to_bytes(width, "big"))
            left = total - 1 - width
            while left > 0:
                file.write(bytes(min(left, 1 << 20)))
                left -= 1 << 20
