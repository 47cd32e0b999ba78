"""EMF and WMF drawings: the description of the program and the file, and comments, blanked in place.

After [MS-EMF] (header 2.2.9, comments 2.3.3) and [MS-WMF] (escapes 2.3.6). What the drawing itself shows stays.
"""

import struct

STARTS = (b"\xd7\xcd\xc6\x9a", b"\1\0\x09\0\0\1", b"\1\0\x09\0\0\3", b"\2\0\x09\0\0\1", b"\2\0\x09\0\0\3")
EMF = b" EMF"
_COMMENT, _ESCAPE = 70, 0x0626
_PLUS = b"EMF+"  # the second form of the drawing


def blanked(data: bytes) -> bytes:
    """The same drawing, byte for byte as long. b"" for what is no such drawing."""
    if data[40:44] == EMF:
        return _emf(bytearray(data))
    if data.startswith(STARTS):
        return _wmf(bytearray(data))
    return b""


def _emf(made: bytearray) -> bytes:
    length, place = struct.unpack_from("<II", made, 60)
    _zero(made, place, place + 2 * length)
    made[60:68] = bytes(8)
    at = 0
    while at + 8 <= len(made):
        kind, size = struct.unpack_from("<II", made, at)
        if size < 8 or at + size > len(made):
            break
        if kind == _COMMENT and made[at + 12 : at + 16] != _PLUS:
            _zero(made, at + 12, at + size)
        at += size
        if kind == 14:  # end of the drawing
            break
    del made[at:]
    return bytes(made)


def _wmf(made: bytearray) -> bytes:
    at = (22 if made[:4] == STARTS[0] else 0) + 18
    while at + 6 <= len(made):
        words, kind = struct.unpack_from("<IH", made, at)
        if words < 3 or at + 2 * words > len(made):
            break
        if kind == _ESCAPE and made[at + 6 : at + 8] == b"\x0f\0":
            _zero(made, at + 10, at + 2 * words)
        at += 2 * words
        if kind == 0:
            break
    del made[at:]
    return bytes(made)


def _zero(made: bytearray, start: int, end: int) -> None:
    made[start:end] = bytes(len(made[start:end]))
