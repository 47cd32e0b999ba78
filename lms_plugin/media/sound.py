"""Sound recordings copied without the tags that phones and players write beside them."""

import io
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

from lms_plugin.media.faults import Broken

_CHUNK = 1 << 20


def strip_id3(source: Path, target: Path) -> None:
    """Copies MP3 or ADTS sound without ID3v2 before it and ID3v1 and APE after it."""
    with source.open("rb") as file, target.open("wb") as out:
        _strip_id3(file, source.stat().st_size, out)


def without_id3(data: bytes) -> bytes:
    """The same of a sound in memory."""
    made = io.BytesIO()
    _strip_id3(io.BytesIO(data), len(data), made)
    return made.getvalue()


def _strip_id3(file: BinaryIO, end: int, out: BinaryIO) -> None:
    start = 0
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            break
        sizes = head[6:10]
        start += 10 + (sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3]) + (10 if head[5] & 0x10 else 0)
    if start >= end:
        raise Broken
    while True:
        tail = _tail(file, start, end)
        if tail == 0:
            break
        end -= tail
    _pour(file, out, start, end)


def _tail(file: BinaryIO, start: int, end: int) -> int:
    if end - start >= 128:
        file.seek(end - 128)
        if file.read(3) == b"TAG":
            return 128
    if end - start >= 32:
        file.seek(end - 32)
        footer = file.read(32)
        if footer.startswith(b"APETAGEX"):
            size, _count, flags = struct.unpack_from("<III", footer, 12)
            size += 32 if flags & 0x80000000 else 0
            return int(size) if 32 <= size <= end - start else 32
    return 0


def strip_riff(source: Path, target: Path) -> None:
    """Copies a WAV file with its sound (fmt, fact, data) alone."""
    with source.open("rb") as file, target.open("wb") as out:
        _strip_riff(file, source.stat().st_size, out)


def without_riff_words(data: bytes) -> bytes:
    """The same of a sound in memory."""
    made = io.BytesIO()
    _strip_riff(io.BytesIO(data), len(data), made)
    return made.getvalue()


def _strip_riff(file: BinaryIO, size: int, out: BinaryIO) -> None:
    if file.read(4) != b"RIFF":
        raise Broken
    out.write(b"RIFF\0\0\0\0WAVE")
    at = 12
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        end = min(at + 8 + length + length % 2, size)
        if name in {b"fmt ", b"fact", b"data"}:
            _pour(file, out, at, end)
        at += 8 + length + length % 2
    total = out.tell()
    if total <= 12:
        raise Broken
    out.seek(4)
    out.write(struct.pack("<I", (total - 8) & 0xFFFFFFFF))


def _pour(file: BinaryIO, out: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end and (piece := file.read(min(_CHUNK, end - start))):
        out.write(piece)
        start += len(piece)


def copy(source: Path, target: Path) -> None:
    """Copies bytes without the file's own times or rights; the kernel does it, 2 GB never pass through memory."""
    shutil.copyfile(source, target)
