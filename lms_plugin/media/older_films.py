"""WMV (ASF) and AVI inside slides: words and times blanked in place, so that no byte of picture or sound moves."""

import struct

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_PADDING = bytes.fromhex("74d40618dfca0945a4ba9aabcb96aae8")
_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# Objects of the header without which nothing plays: streams, codecs, rates, and extended stream properties.
_PLAYS = {
    bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365"),
    bytes.fromhex("ce75f87b8d46d1118d82006097c9a2b2"),
    bytes.fromhex("cba5e61472c632438399a96952065b5a"),
    _PADDING,
    _EXTENSION,
    _PROPERTIES,
}
_TABLES = {b"avih", b"strh", b"strf", b"indx", b"dmlh", b"vprp", b"idx1"}


def asf(data: bytes) -> bytes:
    """A WMV or WMA without title, author, markers and the day on which it was made."""
    made = bytearray(data)
    size = struct.unpack_from("<Q", made, 16)[0]
    _asf_objects(made, 30, min(len(made), size), 0)
    at = size  # data and index objects follow; anything else is no part of what plays
    while at + 24 <= len(made):
        length = struct.unpack_from("<Q", made, at + 16)[0]
        if length < 24 or at + length > len(made):
            break
        if bytes(made[at : at + 16]) not in _BODY:
            made[at : at + 16] = _PADDING
            made[at + 24 : at + length] = bytes(length - 24)
        at += length
    del made[at:]
    return bytes(made)


_BODY = {
    bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"),  # data
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),  # simple index
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"),  # index
}


def _asf_objects(made: bytearray, at: int, end: int, depth: int) -> None:
    while at + 24 <= end:
        kind, length = bytes(made[at : at + 16]), struct.unpack_from("<Q", made, at + 16)[0]
        if length < 24 or at + length > end:
            made[at:end] = bytes(end - at)
            return
        if kind == _PROPERTIES:
            made[at + 24 : at + 40] = bytes(16)  # the file's own number
            made[at + 48 : at + 56] = bytes(8)  # the day
        elif kind == _EXTENSION and depth == 0:
            _asf_objects(made, at + 46, at + length, depth + 1)
        elif kind not in _PLAYS:
            made[at : at + 16] = _PADDING
            made[at + 24 : at + length] = bytes(length - 24)
        at += length


def avi(data: bytes) -> bytes:
    """An AVI whose every chunk that does not play is JUNK of zeroes."""
    made = bytearray(data)
    _avi_chunks(made, 12, len(made), 0)
    return bytes(made)


def _avi_chunks(made: bytearray, at: int, end: int, depth: int) -> None:
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", made, at)
        stop = min(at + 8 + length, end)
        inner = bytes(made[at + 8 : at + 12]) if name in {b"LIST", b"RIFF"} else b""
        if inner in {b"hdrl", b"strl", b"odml", b"AVIX"} and depth < 4:
            _avi_chunks(made, at + 12, stop, depth + 1)
        elif inner != b"movi" and name not in _TABLES:
            made[at : at + 4] = b"JUNK"
            made[at + 8 : stop] = bytes(max(0, stop - at - 8))
        at = stop + length % 2
