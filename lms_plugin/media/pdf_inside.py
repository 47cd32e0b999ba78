"""Inside a PDF: what it says of people, and the copy that says nothing. Runs in the process of `child.py` alone."""

import base64
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pikepdf

from lms_plugin.media import jpeg2000
from lms_plugin.media.faults import Bomb, Broken, Encrypted
from lms_plugin.media.pictures import blanked, without_metadata

PAGES = 2_000
_OBJECTS = 400_000
_XMP = 64 << 10  # bytes as stored; unpacked at most a thousand times as much


@contextmanager
def _opened(path: Path) -> Iterator[pikepdf.Pdf]:
    """The document. Slight damage is mended as every reader does; a file that was cut off is Broken."""
    try:
        try:
            document = pikepdf.open(path, attempt_recovery=False, suppress_warnings=True)
        except pikepdf.PasswordError:
            raise
        except pikepdf.PdfError:
            if not _ends(path):
                raise
            document = pikepdf.open(path, suppress_warnings=True)
        with document:
            if len(document.pages) > PAGES or len(document.objects) > _OBJECTS:
                raise Bomb
            if not document.pages:
                raise Broken
            yield document
    except pikepdf.PasswordError as error:
        raise Encrypted from error
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        raise Broken from error


def _ends(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 4096))
        return b"%%EOF" in file.read()


def details(path: Path) -> tuple[int, dict[str, str]]:
    """The number of pages, and title, author and other names in Info and XMP. Raises Broken, Encrypted or Bomb."""
    found: dict[str, str] = {}
    with _opened(path) as document:
        for key, name in _INFO.items():
            value = str(document.docinfo.get(key, "")).strip() if "/Info" in document.trailer else ""
            if value:
                found[name] = value[:500]
        if "/Metadata" in document.Root:
            found |= {f"xmp:{k}": v for k, v in _xmp(document).items() if v not in found.values()}
        return len(document.pages), found


_INFO = {"/Title": "title", "/Author": "author", "/Subject": "subject", "/Keywords": "keywords", "/Company": "company"}


def _xmp(document: pikepdf.Pdf) -> dict[str, str]:
    stream = document.Root.Metadata
    if not isinstance(stream, pikepdf.Stream) or len(stream.read_raw_bytes()) > _XMP:
        return {}
    try:
        with document.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as meta:
            wanted = ("dc:title", "dc:creator", "dc:description", "pdf:Keywords", "xmp:Author")
            values = {key: meta.get(key) for key in wanted}
    except (ValueError, KeyError, TypeError, SyntaxError):
        return {}
    return {
        key.partition(":")[2]: ("、".join(map(str, value)) if isinstance(value, list | set) else str(value)).strip()[
            :500
        ]
        for key, value in values.items()
        if value
    }


def anonymise(source: Path, target: Path) -> None:
    """Writes a copy without Info, XMP, attachments, programs, signers' names, private data; its /ID is a fixed one.

    Raises Broken, Encrypted or Bomb. Text on the pages stays as it is.
    """
    with _opened(source) as document:
        root = document.Root
        for key in ("/Metadata", "/OpenAction", "/AA", "/PieceInfo", "/Collection", "/AF", "/Perms", "/DSS", "/URI"):
            if key in root:
                del root[key]
        names = root.get("/Names")
        for key in ("/EmbeddedFiles", "/JavaScript"):
            if isinstance(names, pikepdf.Dictionary) and key in names:
                del names[key]
        form = root.get("/AcroForm")
        if isinstance(form, pikepdf.Dictionary) and "/XFA" in form:
            del form["/XFA"]
        for thing in document.objects:
            if isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
                _strip(thing)
        if "/Info" in document.trailer:
            del document.trailer["/Info"]
        document.save(target, static_id=True, encryption=False, object_stream_mode=pikepdf.ObjectStreamMode.generate)


_ACTIONS = {
    "/JavaScript",
    "/Launch",
    "/GoToR",
    "/GoToE",
    "/SubmitForm",
    "/ImportData",
    "/Rendition",
    "/Movie",
    "/Sound",
}
_SIGNER = ("/Name", "/Cert", "/Contents", "/Reason", "/Location", "/ContactInfo", "/M", "/Prop_Build", "/Reference")


def _strip(thing: Any) -> None:
    """One object and the dictionaries that stand directly in it (indirect ones have their own turn)."""
    stack = [(thing, 0)]
    while stack:
        item, depth = stack.pop()
        if item.get("/Type") in ("/Filespec", "/F") or "/EF" in item:
            for key in ("/F", "/UF", "/DOS", "/Mac", "/Unix", "/Desc"):
                if key in item:
                    del item[key]
        for key in ("/Metadata", "/PieceInfo", "/LastModified", "/AA", "/JS", "/EF", "/AF", "/Thumb"):
            if key in item:
                del item[key]
        if item.get("/S") in _ACTIONS:
            item["/S"] = pikepdf.Name("/Named")
            for key in ("/F", "/Win", "/D"):
                if key in item:
                    del item[key]
            item["/N"] = pikepdf.Name("/None")
        if item.get("/Type") == "/Sig" or ("/ByteRange" in item and "/Filter" in item):
            for key in _SIGNER:
                if key in item:
                    del item[key]
        if "/Rect" in item and "/Subtype" in item:
            _annotation(item)
        if isinstance(item, pikepdf.Stream):
            _picture(item)
            _inline(item)
        if depth < 8:
            for key in list(item.keys()):
                stack += [(inner, depth + 1) for inner in _direct(item[key])]


_SHORT = {
    **{"/DCT": "/DCTDecode", "/Fl": "/FlateDecode", "/AHx": "/ASCIIHexDecode", "/A85": "/ASCII85Decode"},
    **{"/LZW": "/LZWDecode", "/RL": "/RunLengthDecode"},
}
_CURES = {"/DCTDecode": without_metadata, "/JPXDecode": jpeg2000.blanked}
_PICTURE = 256 << 20


def _picture(stream: Any) -> None:
    """A JPEG or JPEG 2000 as the camera wrote it, however it is wrapped: its words go, its pixels are not touched."""
    given = stream.get("/Filter")
    names = [str(one) for one in given] if isinstance(given, pikepdf.Array) else [str(given)]
    names = [_SHORT.get(name, name) for name in names]
    if not names or names[-1] not in _CURES:
        return
    given = stream.get("/DecodeParms")
    settings = list(given) if isinstance(given, pikepdf.Array) and len(given) == len(names) else [given] * len(names)
    own, raw = settings[-1], stream.read_raw_bytes()
    coded = _unwrapped(raw, names[:-1], settings)
    if names[-1] == "/DCTDecode" and (start := coded.find(b"\xff\xd8\xff", 0, 64)) > 0:
        coded = coded[start:]  # some writers leave a line break before it
    bare = _CURES[names[-1]](coded)
    if bare != raw:
        parms = own if isinstance(own, pikepdf.Dictionary) else None
        stream.write(bare, filter=pikepdf.Name(names[-1]), decode_parms=parms)


def _unwrapped(data: bytes, filters: list[str], settings: list[Any]) -> bytes:
    """The bytes under the outer filters. Raises Broken for filters that nobody puts around a coded picture."""
    for name, own in zip(filters, settings, strict=False):
        if name == "/FlateDecode":
            unpacker = zlib.decompressobj()
            try:
                data = unpacker.decompress(data, _PICTURE)
            except zlib.error as error:
                raise Broken from error
            if unpacker.unconsumed_tail:
                raise Bomb
        elif name == "/ASCIIHexDecode":
            digits = re.sub(rb"[^0-9A-Fa-f]", b"", data.partition(b">")[0])
            data = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
        elif name == "/ASCII85Decode":
            data = base64.a85decode(data.strip().removeprefix(b"<~").partition(b"~")[0])
        elif name == "/RunLengthDecode":
            data = _runs(data)
        elif name == "/LZWDecode":
            early = own.get("/EarlyChange", 1) if isinstance(own, pikepdf.Dictionary) else 1
            data = _lzw(data, int(early))
        else:
            raise Broken
    return data


def _runs(data: bytes) -> bytes:
    made, at = bytearray(), 0
    while at < len(data) and data[at] != 128:
        if data[at] < 128:
            made += data[at + 1 : at + 2 + data[at]]
            at += 2 + data[at]
        else:
            made += data[at + 1 : at + 2] * (257 - data[at])
            at += 2
    if len(made) > _PICTURE:
        raise Bomb
    return bytes(made)


def _lzw(data: bytes, early: int) -> bytes:
    """LZW as PDF writes it (ISO 32000-1, 7.4.4): codes of 9 to 12 bits, the longer ones begin `early` codes sooner."""
    table: list[bytes] = []
    made, held, bits, width, before, size = list[bytes](), 0, 0, 9, b"", 0
    for byte in data:
        held, bits = (held << 8 | byte) & 0xFFFFFF, bits + 8
        if bits < width:
            continue
        bits -= width
        code = held >> bits & (1 << width) - 1
        if code == 257:
            break
        if code == 256:
            table, width, before = [], 9, b""
            continue
        if code < 256:
            found = bytes([code])
        elif code - 258 < len(table):
            found = table[code - 258]
        elif before and code - 258 == len(table):
            found = before + before[:1]
        else:
            raise Broken
        if before and len(table) < 4096 - 258:
            table.append(before + found[:1])
        before = found
        size += len(found)
        if size > _PICTURE:
            raise Bomb
        made.append(found)
        width = min(12, max(9, (len(table) + 258 + early).bit_length()))
    return b"".join(made)


_DRAWS_NOTHING = (
    *("/Image", "/XML", "/Type1C", "/CIDFontType0C", "/OpenType"),
    *("/ObjStm", "/XRef", "/Metadata", "/EmbeddedFile"),
)
_JPEG_INLINE = re.compile(rb"\bBI\b(?:(?!\bID\b).){0,600}?/(?:DCTDecode|DCT)\b(?:(?!\bID\b).){0,600}?\bID\s", re.DOTALL)


def _inline(stream: Any) -> None:
    """Pictures that stand in the drawing instructions themselves (BI … ID … EI). Of their codings a JPEG alone has a
    place for words: those are blanked, and its length stays. Raises Broken where it is wrapped once more.
    """
    if "/Length1" in stream or stream.get("/Subtype") in _DRAWS_NOTHING or stream.get("/Type") in _DRAWS_NOTHING:
        return
    try:
        data = stream.read_bytes()
    except pikepdf.PdfError:
        return  # what no reader can unpack draws nothing
    places = [found.end() for found in _JPEG_INLINE.finditer(data)]
    if any(not data.startswith(b"\xff\xd8\xff", place) for place in places):
        raise Broken
    bare = blanked(data) if places else data
    if bare != data:
        stream.write(bare)


def _direct(value: Any) -> list[Any]:
    if isinstance(value, pikepdf.Array) and not value.is_indirect:
        return [v for v in value if isinstance(v, pikepdf.Dictionary) and not v.is_indirect]
    return [value] if isinstance(value, pikepdf.Dictionary) and not value.is_indirect else []


def _annotation(item: Any) -> None:
    for key in ("/NM", "/M", "/CreationDate", "/RC"):
        if key in item:
            del item[key]
    if "/FT" not in item and "/Parent" not in item and "/T" in item:
        del item["/T"]  # a mark's author; on a form's field it is the field's name
    if item.get("/Subtype") == "/FileAttachment" and "/FS" in item:
        del item["/FS"]
