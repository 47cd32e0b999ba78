"""MP4, MOV, M4V, 3GP: length, size and names read from the boxes; names blanked in place, whatever the file's size.

After ISO/IEC 14496-12 and Apple's QuickTime File Format. Only box headers are read, so 2 GB cost as little as 2 MB.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lms_plugin.media.faults import Bomb, Broken

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"}
# What serves to play; every other box may carry words, a place or a maker's notes.
_PLAYS = _CONTAINERS | {
    *(b"ftyp", b"styp", b"mdat", b"mfra", b"sidx", b"ssix"),
    *(b"mvhd", b"iods", b"ctab", b"mehd", b"trex", b"mfhd", b"tfhd", b"tfdt", b"trun"),
    *(b"tkhd", b"tref", b"load", b"tapt", b"clip", b"matt", b"elst", b"mdhd", b"hdlr", b"elng"),
    *(b"vmhd", b"smhd", b"hmhd", b"nmhd", b"sthd", b"gmhd", b"dinf"),
    *(b"stsd", b"stts", b"ctts", b"cslg", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"stss", b"stsh", b"stps"),
    *(b"sdtp", b"stdp", b"padb", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio"),
}
_TIMED = {b"mvhd", b"tkhd", b"mdhd"}
_BOXES = 200_000  # a fragmented hour has some 10 000
_TABLE = 64 << 20


@dataclass(frozen=True)
class Box:
    """A box: where it starts, how long it is, where its content begins, and the kinds of boxes it stands in."""

    kind: bytes
    start: int
    size: int
    body: int
    parents: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The first byte after the box."""
        return self.start + self.size


@dataclass(frozen=True)
class Film:
    """What the boxes say: seconds, pixels, the code of the picture's coding (avc1, hvc1 …), and written names."""

    seconds: float | None
    width: int | None
    height: int | None
    codec: str
    properties: dict[str, str]


def walk(file: BinaryIO, size: int) -> Iterator[Box]:
    """All boxes in the order of the file, containers before their content. Raises Broken where lengths do not hold."""
    stack: list[tuple[int, int, tuple[bytes, ...]]] = [(0, size, ())]
    count = 0
    while stack:
        at, end, parents = stack.pop()
        if end - at < 8:
            continue  # QuickTime ends some containers with four zero bytes
        count += 1
        if count > _BOXES:
            raise Bomb
        file.seek(at)
        head = file.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        body = at + 8
        if length == 1:
            if len(head) < 16:
                raise Broken
            length = struct.unpack_from(">Q", head, 8)[0]
            body = at + 16
        elif length == 0:
            if parents:
                continue
            length = end - at
        if length < body - at or at + length > end:
            raise Broken
        box = Box(kind, at, length, body, parents)
        yield box
        stack.append((at + length, end, parents))
        if kind in _CONTAINERS and len(parents) < 8:
            stack.append((body, at + length, (*parents, kind)))


def read(path: Path) -> Film:
    """What the file says of itself. Raises Broken for a file without its table of contents (a cut recording)."""
    seconds: float | None = None
    handler, codec = b"", ""
    size_of_track: tuple[int, int] | None = None
    shown: tuple[int, int] | None = None
    properties: dict[str, str] = {}
    found = False
    with path.open("rb") as file:
        for box in walk(file, path.stat().st_size):
            if box.kind == b"moov":
                found = True
            elif box.kind == b"mvhd":
                seconds = _seconds(_body(file, box, 64))
            elif box.kind == b"tkhd":
                size_of_track = _pixels(_body(file, box, 128))
            elif box.kind == b"hdlr" and box.parents[-1:] == (b"mdia",):
                handler = _body(file, box, 32)[8:12]
                if handler == b"vide" and shown is None:
                    shown = size_of_track
            elif box.kind == b"stsd" and handler == b"vide" and not codec:
                codec = _body(file, box, 16)[12:16].decode("ascii", "replace")
            elif box.kind in {b"udta", b"meta"} and b"traf" not in box.parents:
                properties |= {k: v for k, v in _names(_body(file, box, 1 << 20), box.kind).items() if v}
    if not found:
        raise Broken
    width, height = shown or (None, None)
    return Film(seconds, width, height, codec, properties)


def _body(file: BinaryIO, box: Box, limit: int) -> bytes:
    file.seek(box.body)
    return file.read(min(box.end - box.body, limit))


def _seconds(body: bytes) -> float | None:
    if body[:1] == b"\x01" and len(body) >= 32:
        scale, ticks = struct.unpack_from(">IQ", body, 20)
    elif len(body) >= 20:
        scale, ticks = struct.unpack_from(">II", body, 12)
    else:
        return None
    unknown = ticks in {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
    return None if not scale or not ticks or unknown else round(ticks / scale, 3)


def _pixels(body: bytes) -> tuple[int, int] | None:
    """Width and height as shown: the track's matrix may turn the picture by 90 degrees (phones held upright)."""
    base = 52 if body[:1] == b"\x01" else 40
    if len(body) < base + 44:
        return None
    a, b = struct.unpack_from(">ii", body, base)
    width, height = (n >> 16 for n in struct.unpack_from(">II", body, base + 36))
    return (height, width) if a == 0 and b != 0 else (width, height)


_ITEMS = {
    b"\xa9nam": "title",
    b"\xa9ART": "author",
    b"\xa9aut": "author",
    b"auth": "author",
    b"titl": "title",
    b"\xa9cmt": "comment",
    b"desc": "description",
    b"\xa9xyz": "location",
    b"\xa9mak": "device",
    b"\xa9mod": "device_model",
    b"cprt": "copyright",
    b"\xa9cpy": "copyright",
}
_KEYS = {
    "title": "title",
    "artist": "author",
    "author": "author",
    "location.ISO6709": "location",
    "model": "device_model",
}


def _names(data: bytes, kind: bytes) -> dict[str, str]:
    """Titles, authors and places in `udta` or `meta`, in each of the three ways that phones and editors write them."""
    if kind == b"meta" and data[:4] == b"\0\0\0\0":
        data = data[4:]
    found: dict[str, str] = {}
    keys: list[str] = []
    for name, body in _flat(data):
        if name == b"meta":
            found |= _names(body, b"meta")
        elif name == b"keys":
            keys = [raw.decode("utf-8", "replace").rpartition("quicktime.")[2] for _ns, raw in _flat(body[8:])]
        elif name == b"ilst":
            for item, inner in _flat(body):
                value = next((b[8:].decode("utf-8", "replace") for k, b in _flat(inner) if k == b"data"), "")
                number = int.from_bytes(item, "big")
                key = _KEYS.get(keys[number - 1]) if 0 < number <= len(keys) else _ITEMS.get(item)
                if key:
                    found[key] = value.strip("\0 ")[:500]
        elif name == b"loci":
            found["location"] = "GPS"
        elif name in _ITEMS:
            # QuickTime: length, language, text; 3GPP: version and flags, language, text
            found[_ITEMS[name]] = body[4 if name[:1] == b"\xa9" else 6 :].decode("utf-8", "replace").strip("\0 ")[:500]
    return found


def _flat(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield name, data[at + 8 : at + size]
        at += size


def anonymise(path: Path) -> None:
    """Blanks names, places, devices and times in the file itself; no byte of picture or sound moves.

    Boxes that do not serve to play (`udta`, `meta`, `uuid`, a maker's own) and tracks of timed metadata (GPS of action
    cameras, the tape's name and time of day) become zeroed `free` boxes; the creation times of film, tracks and media
    become zero. Raises Broken or Bomb.
    """
    with path.open("r+b") as file:
        anonymise_open(file, path.stat().st_size)


def anonymise_open(file: BinaryIO, size: int) -> None:
    """The same over an open file of `size` bytes, also one in memory."""
    boxes = list(walk(file, size))
    gone: list[Box] = [box for box in boxes if box.kind not in _PLAYS]
    for track in (box for box in boxes if box.kind == b"trak"):
        inner = [box for box in boxes if track.start < box.start < track.end]
        handler = next((b for b in inner if b.kind == b"hdlr" and b.parents[-1:] == (b"mdia",)), None)
        if handler is not None and _body(file, handler, 12)[8:12] in {b"meta", b"camm", b"mdta", b"tmcd"}:
            for offset, length in _samples(file, inner, size):
                _zero(file, offset, length)
            gone.append(track)
    for box in boxes:
        if box.kind in _TIMED:
            long = _body(file, box, 1) == b"\x01"
            _zero(file, box.body + 4, min(16 if long else 8, max(0, box.end - box.body - 4)))
        elif box.kind == b"hdlr":
            _zero(file, box.body + 24, max(0, box.end - box.body - 24))  # a free name; camera apps sign here
        elif box.kind == b"dinf":
            _blank_references(file, box)
    for box in gone:
        if box.kind != b"wide":
            file.seek(box.start + 4)
            file.write(b"free")
        _zero(file, box.body, box.end - box.body)


def _blank_references(file: BinaryIO, box: Box) -> None:
    """Where the samples lie: in this file says an entry of 12 bytes; a longer one is a path on somebody's disk."""
    body = _body(file, box, 1 << 16)
    at = body.find(b"dref") + 12
    while at >= 12 and at + 12 <= len(body):
        length = struct.unpack_from(">I", body, at)[0]
        if length < 12:
            return
        _zero(file, box.body + at + 12, min(length, len(body) - at) - 12)
        at += length


def _zero(file: BinaryIO, offset: int, length: int) -> None:
    file.seek(offset)
    while length > 0:
        file.write(bytes(min(length, 1 << 20)))
        length -= 1 << 20


def _samples(file: BinaryIO, boxes: list[Box], end: int) -> Iterator[tuple[int, int]]:
    """Where a track's samples lie in the file (tables stsc, stsz, stco/co64)."""
    tables = {box.kind: _body(file, box, _TABLE) for box in boxes if box.kind in {b"stsc", b"stsz", b"stco", b"co64"}}
    try:
        wide = b"co64" in tables
        chunks = tables.get(b"co64") or tables[b"stco"]
        count = struct.unpack_from(">I", chunks, 4)[0]
        offsets = struct.unpack_from(f">{count}{'Q' if wide else 'I'}", chunks, 8)
        same, number = struct.unpack_from(">II", tables[b"stsz"], 4)
        sizes = (same,) * min(number, _BOXES) if same else struct.unpack_from(f">{number}I", tables[b"stsz"], 12)
        runs = list(
            struct.iter_unpack(">III", tables[b"stsc"][8 : 8 + 12 * struct.unpack_from(">I", tables[b"stsc"], 4)[0]])
        )
    except (KeyError, struct.error) as error:
        raise Broken from error
    sample = 0
    run = 0
    for chunk, offset in enumerate(offsets, start=1):
        while run + 1 < len(runs) and runs[run + 1][0] <= chunk:
            run += 1
        per_chunk = runs[run][1] if runs else 0
        length = sum(sizes[sample : sample + per_chunk])
        sample += per_chunk
        if offset + length > end:
            raise Broken
        yield offset, length
