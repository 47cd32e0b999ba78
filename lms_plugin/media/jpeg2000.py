"""JPEG 2000: words in boxes and comments blanked in place. After ISO/IEC 15444-1, annexes A and I."""

import struct

STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_DRAWING = {b"jP  ", b"ftyp", b"rreq", b"jp2h", b"jpch", b"jplh", b"jp2c"}


def blanked(data: bytes) -> bytes:
    """The same picture, byte for byte as long; XML, labels, EXIF and comments are zeroes."""
    made = bytearray(data)
    if data.startswith(b"\xff\x4f"):
        _codestream(made, 0, len(made))
        return bytes(made)
    at = 0
    while at + 8 <= len(made):
        length, kind = struct.unpack_from(">I4s", made, at)
        body = at + 8
        if length == 1:
            length, body = struct.unpack_from(">Q", made, at + 8)[0], at + 16
        end = len(made) if length == 0 else at + length
        if end <= at or end > len(made):
            end = len(made)
        if kind == b"jp2c":
            _codestream(made, body, end)
        elif kind not in _DRAWING:
            made[at + 4 : at + 8] = b"free"
            made[body:end] = bytes(max(0, end - body))
        at = end
    made[at:] = bytes(len(made) - at)
    return bytes(made)


def _codestream(made: bytearray, at: int, end: int) -> None:
    """Comments (COM) of the main header and of each tile-part's header."""
    at += 2
    while at + 4 <= end:
        marker, length = struct.unpack_from(">HH", made, at)
        if marker == 0xFF90:  # a tile-part: its header, then data up to the length that it states
            part = int(struct.unpack_from(">I", made, at + 6)[0])
            following = at + part if part else end
            at += 2 + length
            while at + 4 <= end and (inner := struct.unpack_from(">HH", made, at))[0] != 0xFF93:
                _comment(made, at, *inner)
                at += 2 + max(2, inner[1])
            at = max(at + 2, following)
            continue
        if marker == 0xFFD9:
            return
        _comment(made, at, marker, length)
        at += 2 + max(2, length)


def _comment(made: bytearray, at: int, marker: int, length: int) -> None:
    if marker == 0xFF64 and length > 4:
        made[at + 6 : at + 2 + length] = bytes(len(made[at + 6 : at + 2 + length]))
