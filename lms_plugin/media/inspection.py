"""What a file is and whether it can be used, told from its content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from lms_plugin.media import boxes, ebml, office, pdf, pictures, plain, word97
from lms_plugin.media.faults import Fault
from lms_plugin.media.kinds import ALIASES, FORMATS, family_of_name, name_extension, sniff

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Inspection:
    """What was found. `problem` is a code, "" when the file is fine; `extension` and `mime` are the content's own.

    `pages` counts PDF pages and slides (and what a docx says of itself), `duration_seconds` and pixels are of video
    as shown upright, `codec` is the video's coding (hvc1 and hev1 are HEVC, which not every browser plays);
    `properties` are the names, titles and places written in the file's metadata.
    """

    kind: str = ""
    mime: str = "application/octet-stream"
    extension: str = ""
    problem: str = ""
    size: int = 0
    pages: int | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    codec: str = ""
    properties: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problem

    @property
    def title(self) -> str:
        """The title in the metadata, "" when there is none."""
        return self.properties.get("title", "")

    @property
    def author(self) -> str:
        """The author in the metadata, "" when there is none."""
        return self.properties.get("author", "")


def inspect(path: Path, filename: str) -> Inspection:
    """Looks into a file. Never raises for what the file holds: `problem` is then one of

    file.empty (no bytes), file.type_refused (no type we take: programs, web pages, macros), file.type_mismatch (the
    name promises another kind than the content is), file.broken, file.encrypted, file.too_complex.
    """
    size = path.stat().st_size
    if size == 0:
        return Inspection(problem="file.empty")
    try:
        extension = sniff(path, filename)
    except Fault as fault:
        return Inspection(problem=fault.code, size=size)
    if extension is None:
        return Inspection(problem="file.type_refused", size=size)
    try:
        found = _look(path, extension, size)
    except Fault as fault:
        entry = FORMATS[extension]
        return Inspection(entry.kind, entry.mime, extension, fault.code, size)
    promised = family_of_name(name_extension(filename))
    if promised is not None and promised != FORMATS[found.extension].family:
        return Inspection(found.kind, found.mime, found.extension, "file.type_mismatch", size)
    return found


def _look(path: Path, extension: str, size: int) -> Inspection:
    entry = FORMATS[extension]
    pages = width = height = None
    properties: Mapping[str, str] = {}
    if extension in {"docx", "pptx", "xlsx"}:
        properties, pages = office.properties(path)
    elif extension in {"doc", "xls", "ppt"}:
        if extension == "doc":
            word97.check(path)
        elif extension == "xls":
            plain.check_book(path)
        properties = word97.properties(path)
    elif extension == "pdf":
        pages, properties = pdf.details(path)
    elif entry.kind == "image":
        width, height, properties = pictures.details(path)
    elif extension == "webm" or FORMATS[extension].kind == "video" or extension == "m4a":
        return _film(ebml.read(path) if extension == "webm" else boxes.read(path), extension, size)
    return Inspection(
        entry.kind, entry.mime, extension, "", size, pages, None, width, height, "", MappingProxyType(dict(properties))
    )


def _film(film: boxes.Film, extension: str, size: int) -> Inspection:
    """A film without a picture track is a sound recording, whatever its brand."""
    if film.width is None and extension in {"mp4", "m4v", "3gp", "mov"}:
        extension = "m4a"
    entry = FORMATS[extension]
    properties = MappingProxyType(film.properties)
    return Inspection(
        entry.kind, entry.mime, extension, "", size, None, film.seconds, film.width, film.height, film.codec, properties
    )


def accepts(inspection: Inspection, accept: list[str]) -> str | None:
    """The entry of a requirement's list (docx, wps, jpeg …) that the content satisfies, None when none does."""
    own = inspection.extension
    if own and own in accept:
        return own
    return next((wanted for wanted in accept if own and own in ALIASES.get(wanted, ())), None)
