"""What stands inside documents (pictures, films, sounds, drawings), freed of the names that it carries by itself.

An allow-list: each kind has its own cure, and what has none is not passed on. The kind is told from the content.
"""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from lms_plugin.media import boxes, drawings, ebml, jpeg2000, older_films, pictures, sound, word97
from lms_plugin.media.compound import Compound
from lms_plugin.media.faults import Fault

_FONTS = (".odttf", ".fntdata", ".ttf", ".otf", ".ttc")
_UNPACKED = 64 << 20
# Streams of an embedded object that hold a formula or the picture of the object; all else is a whole file of its own.
_HARMLESS = {"Equation Native", "\x01Ole", "\x01CompObj", "\x03ObjInfo", "\x03EPRINT", "\x03PRINT", "\x02OlePres000"}
_WORD = {"WordDocument", "0Table", "1Table", "Data"}


def bare(data: bytes, name: str) -> bytes:
    """The same thing to the eye and ear without metadata; b"" for what cannot be checked.

    `name` tells fonts alone, which are passed on as they are.
    """
    if name.lower().endswith(_FONTS):
        return data
    try:
        return _cure(data)(data)
    except (Fault, struct.error, zlib.error, ValueError, IndexError, EOFError):
        return b""


def _cure(data: bytes) -> Callable[[bytes], bytes]:
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return pictures.without_metadata
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if data.startswith((b"II*\0", b"MM\0*", b"BM")):
        return _drawn_anew
    if data.startswith(b"RIFF") and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data.startswith(jpeg2000.STARTS):
        return jpeg2000.blanked
    if data.startswith(drawings.STARTS) or data[40:44] == drawings.EMF:
        return drawings.blanked
    if data.startswith(b"\x1f\x8b"):
        return _gzipped
    if data.startswith(older_films.ASF):
        return older_films.asf
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return _in_place(ebml.anonymise_open)
    if data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip"}:
        return _heic if data[8:12] in _HEIF and data[4:8] == b"ftyp" else _in_place(boxes.anonymise_open)
    if data.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9", b"\xff\xfa")):
        return sound.without_id3
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return _compound
    return lambda _unknown: b""


_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _in_place(work: Callable[[io.BytesIO, int], None]) -> Callable[[bytes], bytes]:
    def write(data: bytes) -> bytes:
        file = io.BytesIO(data)
        work(file, len(data))
        return file.getvalue()

    return write


def _drawn_anew(data: bytes) -> bytes:
    """TIFF and BMP from their pixels: a TIFF may keep words in any of a hundred tags."""
    with pictures.opened(io.BytesIO(data)) as image:
        made = io.BytesIO()
        kind = "BMP" if image.format == "BMP" else "TIFF"
        wanted = {} if kind == "BMP" else {"compression": "tiff_adobe_deflate"}
        image.load()
        if image.mode not in {"1", "L", "RGB", "RGBA", "CMYK"}:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        fresh = Image.new(image.mode, image.size)
        fresh.paste(image)
        fresh.save(made, kind, **wanted)
        return made.getvalue()


def _heic(data: bytes) -> bytes:
    with pictures.opened(io.BytesIO(data)) as image:
        return pictures.as_jpeg(image)


def _gif(data: bytes) -> bytes:
    """The blocks that draw and the one that repeats; comments, words and other programs' blocks go."""
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    kept = [data[:at]]
    while at < len(data) and data[at] != 0x3B:
        start, kind = at, data[at]
        if kind == 0x21:
            label, at = data[at + 1], at + 2
            is_drawing = label == 0xF9 or (label == 0xFF and data[at + 1 : at + 12] in {b"NETSCAPE2.0", b"ANIMEXTS1.0"})
        elif kind == 0x2C:
            flags, is_drawing = data[at + 9], True
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            break
        while data[at]:
            at += data[at] + 1
        at += 1
        if is_drawing:
            kept.append(data[start:at])
    return b"".join(kept) + b";"


_WEBP = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}


def _webp(data: bytes) -> bytes:
    body = b"".join(_webp_chunks(data, 12))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_chunks(data: bytes, at: int) -> list[bytes]:
    kept = []
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if name == b"VP8X":
            body = bytes([body[0] & 0x12]) + body[1:]  # transparency and movement; no profile, EXIF or XMP
        elif name == b"ANMF":
            body = body[:16] + b"".join(_webp_chunks(body, 16))
        elif name not in _WEBP:
            continue
        kept.append(name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2))
    return kept


_RIFF: dict[bytes, Callable[[bytes], bytes]] = {
    b"WEBP": _webp,
    b"WAVE": sound.without_riff_words,
    b"AVI ": older_films.avi,
}


def _gzipped(data: bytes) -> bytes:
    """A packed drawing (emz, wmz), whose wrapping may say what the file was called."""
    unpacker = zlib.decompressobj(31)
    inner = unpacker.decompress(data, _UNPACKED)
    if not unpacker.eof:
        return b""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # no name, no time
    return packer.compress(drawings.blanked(inner)) + packer.flush()


def _compound(data: bytes) -> bytes:
    """An embedded object: a formula, or a document of Word's old kind; other files inside it cannot be made bare."""
    file = io.BytesIO(data)
    with Compound.reading(file, len(data)) as compound:
        names = set(compound.stream_names())
        if names & _WORD:
            word97.anonymise_open(compound)
            return file.getvalue()
        if names - _HARMLESS - word97.PROPERTY_SETS:
            return b""
        word97.blank_properties(compound)
        for entry in compound.all_named("\x01Ole"):
            head = compound.read_entry(entry)[:4]
            compound.overwrite(entry, head.ljust(entry.size, b"\0")[: entry.size])  # where a linked object came from
        compound.wipe_unused()
    return file.getvalue()
