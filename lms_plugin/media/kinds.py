"""The file types that the product knows, and how the type is told from the content alone."""

import codecs
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import filetype

from lms_plugin.media.compound import Compound
from lms_plugin.media.faults import Broken, Encrypted


@dataclass(frozen=True)
class Format:
    """A file type: `family` groups the extensions that people use for one another (docx, doc, wps)."""

    kind: str
    mime: str
    family: str


_OFFICE = "application/vnd.openxmlformats-officedocument."
FORMATS: dict[str, Format] = {
    "docx": Format("document", _OFFICE + "wordprocessingml.document", "word"),
    "doc": Format("document", "application/msword", "word"),
    "pdf": Format("document", "application/pdf", "pdf"),
    "txt": Format("document", "text/plain", "text"),
    "pptx": Format("slides", _OFFICE + "presentationml.presentation", "slides"),
    "ppt": Format("slides", "application/vnd.ms-powerpoint", "slides"),
    "xlsx": Format("sheet", _OFFICE + "spreadsheetml.sheet", "sheet"),
    "xls": Format("sheet", "application/vnd.ms-excel", "sheet"),
    "csv": Format("sheet", "text/csv", "sheet"),
    "jpg": Format("image", "image/jpeg", "image"),
    "png": Format("image", "image/png", "image"),
    "heic": Format("image", "image/heic", "image"),
    "webp": Format("image", "image/webp", "image"),
    "gif": Format("image", "image/gif", "image"),
    "mp4": Format("video", "video/mp4", "video"),
    "m4v": Format("video", "video/x-m4v", "video"),
    "mov": Format("video", "video/quicktime", "video"),
    "3gp": Format("video", "video/3gpp", "video"),
    "webm": Format("video", "video/webm", "video"),
    "mp3": Format("audio", "audio/mpeg", "audio"),
    "m4a": Format("audio", "audio/mp4", "audio"),
    "aac": Format("audio", "audio/aac", "audio"),
    "amr": Format("audio", "audio/amr", "audio"),
    "wav": Format("audio", "audio/wav", "audio"),
    "zip": Format("archive", "application/zip", "archive"),
}
# Names for the same content: WPS writes its own names over Word's, Excel's and PowerPoint's formats.
ALIASES: dict[str, tuple[str, ...]] = {
    "wps": ("doc", "docx"),
    "et": ("xls", "xlsx"),
    "dps": ("ppt", "pptx"),
    "jpeg": ("jpg",),
    "heif": ("heic",),
    "mp4": ("mp4", "m4v", "3gp"),  # by brand hardly told apart; phones mix the names
    "m4v": ("m4v", "mp4"),
    "3gp": ("3gp", "mp4"),
    "mov": ("mov", "mp4", "m4v"),
    "aac": ("aac", "m4a"),
}


def endings() -> list[str]:
    """The endings of files that the product takes, other names for the same content among them."""
    return sorted({*FORMATS, *ALIASES})


BY_MIME: dict[str, str] = {entry.mime: extension for extension, entry in FORMATS.items()}
_FOREIGN_FAMILY = {"wps": "word", "et": "sheet", "dps": "slides", "jpeg": "image", "heif": "image"}
_BY_LIBRARY = {
    "jpg": "jpg",
    "png": "png",
    "webp": "webp",
    "gif": "gif",
    "webm": "webm",
    "mp3": "mp3",
    "aac": "aac",
    "amr": "amr",
    "wav": "wav",
}
_MARKUP = re.compile(rb"<\s*(!doctype|html|head|body|script|svg|\?xml|\?php|iframe)", re.IGNORECASE)
_MAIN = {
    b"wordprocessingml.document.main+xml": "docx",
    b"presentationml.presentation.main+xml": "pptx",
    b"presentationml.slideshow.main+xml": "pptx",
    b"spreadsheetml.sheet.main+xml": "xlsx",
}


def name_extension(filename: str) -> str:
    """The extension of a file name in small letters, "" when there is none."""
    return filename.rpartition(".")[2].lower() if "." in filename else ""


def family_of_name(extension: str) -> str | None:
    """The family that an extension promises, None for one that promises nothing we know."""
    known = FORMATS.get(extension)
    return known.family if known else _FOREIGN_FAMILY.get(extension)


def sniff(path: Path, filename: str) -> str | None:
    """The extension that the content deserves, None for a type we do not know.

    The name decides only between plain text types (txt, csv), whose content does not tell. Raises Broken or Encrypted.
    """
    with path.open("rb") as file:
        head = file.read(8192)
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound_type(path)
    if head.lstrip(b"\xef\xbb\xbf\r\n\t \x00").startswith(b"%PDF-"):
        return "pdf"
    if (brand := _brand(head)) is not None:
        return brand
    guessed = filetype.guess(head)
    if guessed is not None:
        return _BY_LIBRARY.get(guessed.extension)
    if name_extension(filename) in {"txt", "csv"} and _is_text(head):
        return name_extension(filename)
    return None


def _brand(head: bytes) -> str | None:
    """ISO base media (mp4, mov, heic …) by the brand of its first box; QuickTime files may begin without one."""
    if len(head) < 12:
        return None
    size, kind = struct.unpack(">I4s", head[:8])
    if kind == b"ftyp":
        brand = head[8:12]
        if brand in {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "heic"
        others = [head[i : i + 4] for i in range(16, min(size, 256), 4)]
        if brand == b"avif" or b"avif" in others:
            return None
        if brand == b"qt  ":
            return "mov"
        if brand.startswith(b"3g"):
            return "3gp"
        if brand in {b"M4A ", b"M4B "}:
            return "m4a"
        return "m4v" if brand.startswith(b"M4V") else "mp4"
    if kind in {b"moov", b"mdat", b"wide", b"pnot"} and (size == 1 or size >= 8):
        return "mov"
    return None


def _zip_type(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if "[Content_Types].xml" not in archive.namelist():
                return "zip"
            with archive.open("[Content_Types].xml") as types:
                text = types.read(1 << 20)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError, KeyError, zlib.error):
        raise Broken from None
    if b"macroEnabled" in text:
        return None  # documents that carry programs are not taken, whatever they are called
    return next((extension for mark, extension in _MAIN.items() if mark in text), "zip")


def _compound_type(path: Path) -> str | None:
    with Compound.open(path) as compound:
        names = {name.lower() for name in compound.names()}
    if "encryptedpackage" in names:
        raise Encrypted
    if "worddocument" in names:
        return "doc"
    if names & {"workbook", "book"}:
        return "xls"
    return "ppt" if "powerpoint document" in names else None


def _is_text(head: bytes) -> bool:
    if _MARKUP.search(head[:1024]):
        return False
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return not any(b < 9 or 13 < b < 32 for b in head)
