"""Compound files (OLE: doc, xls, ppt, wps of the years before 2007), read and patched in place within bounds.

Written after [MS-CFB]; every chain is bounded by the number of sectors, so no file can make the reader loop.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from lms_plugin.media.faults import Bomb, Broken

LIMIT = 256 << 20  # bytes of a file that we look into; evidence documents end far below
_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TOP = 0xFFFFFFFA  # first of the special sector numbers
_FREE = 0xFFFFFFFF
_ENTRIES = 20_000


@dataclass(frozen=True)
class Entry:
    """A stream or storage: `depth` 1 is directly under the root."""

    name: str
    kind: int
    start: int
    size: int
    depth: int


class Compound:
    """An open compound file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        head = file.read(512)
        if len(head) < 512 or not head.startswith(_MAGIC):
            raise Broken
        shift, mini_shift = struct.unpack_from("<HH", head, 30)
        if shift not in {9, 12} or mini_shift != 6:
            raise Broken
        if size > LIMIT:
            raise Bomb
        self._sector: int = 1 << shift
        self._sectors = max(0, (size - 1) // self._sector)
        _fats, directory, _sig, self._cutoff, mini_fat, _minis, difat, _difats = struct.unpack_from("<8I", head, 44)
        self._fat = self._read_fat(head, difat)
        raw = b"".join(self._sector_bytes(s) for s in self._chain(directory))
        self._directory = directory
        self._entries = self._tree(raw)
        root = struct.unpack_from("<I", raw, 116)[0] if len(raw) >= 128 else _FREE
        self._mini_sectors = list(self._chain(root)) if root < _TOP else []
        mini = b"".join(self._sector_bytes(s) for s in self._chain(mini_fat)) if mini_fat < _TOP else b""
        self._mini_fat = struct.unpack(f"<{len(mini) // 4}I", mini[: len(mini) // 4 * 4])

    @classmethod
    @contextmanager
    def open(cls, path: Path, mode: str = "rb") -> Iterator["Compound"]:
        """Opens the file for reading ("rb") or patching ("r+b"). Raises Broken or Bomb."""
        with path.open(mode) as file, cls.reading(cast(BinaryIO, file), path.stat().st_size) as compound:
            yield compound

    @classmethod
    @contextmanager
    def reading(cls, file: BinaryIO, size: int) -> Iterator["Compound"]:
        """The same over an open file of `size` bytes."""
        try:
            yield cls(file, size)
        except (struct.error, IndexError, ValueError) as error:
            raise Broken from error

    def names(self) -> list[str]:
        """Names of the streams directly under the root."""
        return [entry.name for entry in self._entries if entry.kind == 2 and entry.depth == 1]

    def stream_names(self) -> list[str]:
        """Names of the streams at any depth."""
        return [entry.name for entry in self._entries if entry.kind == 2]

    def all_named(self, *names: str) -> list[Entry]:
        """Streams of these names at any depth (embedded objects have their own properties)."""
        return [entry for entry in self._entries if entry.kind == 2 and entry.name in names]

    def read(self, name: str, limit: int = LIMIT) -> bytes:
        """The bytes of a stream under the root, b"" when there is none."""
        entry = next((e for e in self._entries if e.kind == 2 and e.depth == 1 and e.name == name), None)
        return self.read_entry(entry, limit) if entry else b""

    def read_entry(self, entry: Entry, limit: int = LIMIT) -> bytes:
        """The bytes of a stream, at most `limit`."""
        pieces = []
        for offset, length in self._extents(entry):
            self._file.seek(offset)
            pieces.append(self._file.read(length))
            limit -= length
            if limit <= 0:
                break
        return b"".join(pieces)[: limit if limit < 0 else None]

    def overwrite(self, entry: Entry, data: bytes) -> None:
        """Puts `data`, which has the stream's own length, over the stream where it stands."""
        done = 0
        for offset, length in self._extents(entry):
            self._file.seek(offset)
            self._file.write(data[done : done + length])
            done += length

    def wipe_unused(self) -> None:
        """Zeroes free sectors, the slack after streams and all times: leftovers of earlier versions stay readable."""
        for number, link in enumerate(self._fat[: self._sectors]):
            if link == _FREE:
                offset = (number + 1) * self._sector
                self._zero(offset, min(self._sector, self._size - offset))
        for number, link in enumerate(self._mini_fat):
            if link == _FREE and number // (self._sector // 64) < len(self._mini_sectors):
                self._zero(self._mini_offset(number), 64)
        for entry in self._entries:
            if entry.kind == 2 and entry.size < self._cutoff and entry.size % 64:
                offset, length = list(self._extents(entry))[-1]
                self._zero(offset + length, 64 - length)
            elif entry.kind == 2 and entry.size >= self._cutoff and entry.size % self._sector:
                last = [*self._chain(entry.start)][(entry.size - 1) // self._sector]
                offset = (last + 1) * self._sector + entry.size % self._sector
                self._zero(offset, min(self._sector - entry.size % self._sector, self._size - offset))
        for sector in self._chain(self._directory):
            for index in range(self._sector // 128):
                self._zero((sector + 1) * self._sector + index * 128 + 100, 16)

    def _zero(self, offset: int, length: int) -> None:
        if length > 0:
            self._file.seek(offset)
            self._file.write(bytes(length))

    def _extents(self, entry: Entry) -> Iterator[tuple[int, int]]:
        left = entry.size
        if entry.size >= self._cutoff:
            for sector in self._chain(entry.start):
                if left <= 0:
                    return
                yield (sector + 1) * self._sector, min(left, self._sector)
                left -= self._sector
            if left > 0:
                raise Broken
            return
        per_sector = self._sector // 64
        number = entry.start
        while left > 0:
            if number >= len(self._mini_fat) or number // per_sector >= len(self._mini_sectors):
                raise Broken
            yield self._mini_offset(number), min(left, 64)
            left -= 64
            number = self._mini_fat[number]

    def _mini_offset(self, number: int) -> int:
        per_sector = self._sector // 64
        return (self._mini_sectors[number // per_sector] + 1) * self._sector + number % per_sector * 64

    def _sector_bytes(self, number: int) -> bytes:
        self._file.seek((number + 1) * self._sector)
        data = self._file.read(self._sector)
        if not data:
            raise Broken
        return data.ljust(self._sector, b"\0")

    def _chain(self, start: int) -> Iterator[int]:
        seen = 0
        while start < _TOP:
            if start >= len(self._fat) or start >= self._sectors or seen > self._sectors:
                raise Broken
            yield start
            seen += 1
            start = self._fat[start]

    def _read_fat(self, head: bytes, difat: int) -> list[int]:
        numbers = list(struct.unpack_from("<109I", head, 76))
        seen = 0
        while difat < _TOP:
            if seen > self._sectors or difat >= self._sectors:
                raise Broken
            links = struct.unpack(f"<{self._sector // 4}I", self._sector_bytes(difat))
            numbers += links[:-1]
            difat = links[-1]
            seen += 1
        fat: list[int] = []
        for number in numbers:
            if number >= _TOP:
                continue
            if number >= self._sectors or len(fat) > self._sectors + self._sector:
                raise Broken
            fat += struct.unpack(f"<{self._sector // 4}I", self._sector_bytes(number))
        return fat

    def _tree(self, raw: bytes) -> list[Entry]:
        """The entries as a flat list; the red-black tree of siblings is walked with a stack and a set of the seen."""
        count = min(len(raw) // 128, _ENTRIES)
        if count == 0:
            raise Broken
        found: list[Entry] = []
        seen: set[int] = {0}
        stack = [(struct.unpack_from("<I", raw, 76)[0], 1)]
        while stack:
            number, depth = stack.pop()
            if number >= count or number in seen:
                continue
            seen.add(number)
            base = number * 128
            length, kind = struct.unpack_from("<HB", raw, base + 64)
            left, right, child = struct.unpack_from("<3I", raw, base + 68)
            start, size = struct.unpack_from("<IQ", raw, base + 116)
            size &= 0xFFFFFFFF
            if size > self._size:
                raise Broken
            name = raw[base : base + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            found.append(Entry(name, kind, start, size, depth))
            stack += [(left, depth), (right, depth), (child, depth + 1)]
        return found
