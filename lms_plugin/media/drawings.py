"""EMF and WMF drawings: the description of the program and the file, and comments, blanked in place.

After [MS-EMF] (header 2.2.9, comments 2.3.3), [MS-EMFPLUS] (comments 2.3.2.1, objects 2.3.5.1, images 2.2.1.4) and
[MS-WMF] (escapes 2.3.6). What the drawing itself shows stays.
"""

import struct

from lms_plugin.media import pictures

STARTS = (b"\xd7\xcd\xc6\x9a", b"\1\0\x09\0\0\1", b"\1\0\x09\0\0\3", b"\2\0\x09\0\0\1", b"\2\0\x09\0\0\3")
EMF = b" EMF"
_COMMENT, _ESCAPE = 70, 0x0626
_PLUS = b"EMF+"  # the second form of the drawing
_PLUS_HEADER, _PLUS_COMMENT, _PLUS_OBJECT = 0x4001, 0x4003, 0x4008
_PLUS_IMAGE, _CONTINUES = 5, 0x8000
# By these a picture within the drawing gives away that it still keeps words.
_WORDS = (b"Exif\0\0", b"http://ns.adobe.com/", b"Photoshop 3.0\0", b"tEXt", b"iTXt", b"zTXt", b"eXIf")


def blanked(data: bytes) -> bytes:
    """The same drawing, byte for byte as long. b"" for what is no such drawing, and where pictures in it keep words."""
    made = b""
    if data[40:44] == EMF:
        made = _emf(bytearray(data))
    elif data.startswith(STARTS):
        made = _wmf(bytearray(data))
    made = pictures.blanked(made)
    return b"" if any(word in made for word in _WORDS) else made


def _emf(made: bytearray) -> bytes:
    length, place = struct.unpack_from("<II", made, 60)
    _zero(made, place, place + 2 * length)
    made[60:68] = bytes(8)
    at, plus, is_bare, has_both = 0, list[tuple[int, int]](), True, False
    while at + 8 <= len(made):
        kind, size = struct.unpack_from("<II", made, at)
        if size < 8 or at + size > len(made):
            break
        if kind == _COMMENT and made[at + 12 : at + 16] == _PLUS:
            plus.append((at + 12, at + size))
            head, flags = struct.unpack_from("<HH", made, at + 16) if size >= 20 else (0, 0)
            has_both |= head == _PLUS_HEADER and flags & 1 == 1
            is_bare &= _plus(made, at + 16, at + 12 + struct.unpack_from("<I", made, at + 8)[0])
        elif kind == _COMMENT:
            _zero(made, at + 12, at + size)
        at += size
        if kind == 14:  # end of the drawing
            break
    if not is_bare and not has_both:
        return b""
    for start, end in plus if not is_bare else ():
        _zero(made, start, end)  # the first form draws the same
    del made[at:]
    return bytes(made)


def _plus(made: bytearray, at: int, end: int) -> bool:
    """The records of the second form, their comments blanked; whether every picture among them is bare by now."""
    while at + 12 <= end:
        kind, flags, size = struct.unpack_from("<HHI", made, at)
        if size < 12 or at + size > end:
            return False
        if kind == _PLUS_COMMENT:
            _zero(made, at + 12, at + size)
        elif kind == _PLUS_OBJECT and flags >> 8 & 0x7F == _PLUS_IMAGE and not _plus_image(made, at, flags, size):
            return False
        at += size
    return True


def _plus_image(made: bytearray, at: int, flags: int, size: int) -> bool:
    """Frees a bitmap in one piece of its words; whether it is one, of pixels or coded as JPEG or PNG."""
    if flags & _CONTINUES or size < 40:
        return False
    kind, is_coded = struct.unpack_from("<I", made, at + 16)[0], struct.unpack_from("<I", made, at + 36)[0]
    coded = bytes(made[at + 40 : at + size]) if is_coded else b""
    if kind != 1 or (is_coded and not coded.startswith((b"\xff\xd8\xff", b"\x89PNG"))):
        return False
    if coded:
        made[at + 40 : at + size] = pictures.without_metadata(coded).ljust(len(coded), b"\0")
    return True


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
