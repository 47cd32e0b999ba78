"""The copy that anonymous reviewers receive, and the copy with an author's own name struck out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lms_plugin.errors import Refused
from lms_plugin.media import boxes, ebml, office_clean, pdf, pictures, sound, word97
from lms_plugin.media.kinds import BY_MIME, FORMATS
from lms_plugin.media.personal import mask
from lms_plugin.media.plain import decode


@dataclass(frozen=True)
class Copy:
    """What was written: a HEIC photo, which browsers do not show, becomes a JPEG."""

    mime: str
    extension: str


def _in_place(work: Callable[[Path], None]) -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        sound.copy(source, target)
        work(target)

    return write


def _picture(extension: str) -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        pictures.anonymise(source, target, extension)

    return write


_MAKERS: dict[str, Callable[[Path, Path], None]] = {
    **dict.fromkeys(("docx", "pptx", "xlsx"), office_clean.rewrite),
    "doc": _in_place(word97.anonymise),
    "pdf": pdf.anonymise,
    **dict.fromkeys(("jpg", "heic", "webp", "gif"), _picture("jpg")),
    "png": _picture("png"),
    **dict.fromkeys(("mp4", "m4v", "mov", "3gp", "m4a"), _in_place(boxes.anonymise)),
    "webm": _in_place(ebml.anonymise),
    **dict.fromkeys(("mp3", "aac"), sound.strip_id3),
    "wav": sound.strip_riff,
    **dict.fromkeys(("amr", "txt", "csv"), sound.copy),  # these formats have no place for a name but their content
}
_BECOMES = {"heic": "jpg", "webp": "jpg", "gif": "jpg"}
EDITION = 2  # of the makers: raised whenever a copy leaves out more, so that copies kept from before are made anew


def can_sanitize(mime: str) -> bool:
    """Whether an anonymous copy can be made; where not (xls, ppt, archives) reviewers get the extracted text only."""
    return BY_MIME.get(mime) in _MAKERS


def copy_name(mime: str, extension: str) -> str:
    """Under which name the anonymous copy of such a file is kept: it tells edition and format of the copy. Raises
    Refused("media.not_sanitizable")."""
    kind = _kind(mime, extension)
    return f"reviewer-{EDITION}.{_BECOMES.get(kind, kind)}"


def _kind(mime: str, extension: str) -> str:
    kind = extension if extension in _MAKERS else BY_MIME.get(mime, "")
    if kind not in _MAKERS or not can_sanitize(mime):
        raise Refused("media.not_sanitizable")
    return kind


def left_out(path: Path, mime: str) -> int:
    """How many objects inside a document its anonymous copy leaves out: old workbooks, slides, packages, of which
    nobody can tell what they say of their author. Raises as `reviewer_copy`."""
    return office_clean.left_out(path) if BY_MIME.get(mime) in {"docx", "pptx", "xlsx"} else 0


def reviewer_copy(source: Path, target: Path, mime: str, extension: str) -> Copy:
    """Writes the anonymous copy of a file to `target` and says what it is. The original is never touched.

    Removed: properties, authors of comments and changes, thumbnails, paths, EXIF, Info/XMP, attachments, programs,
    names, places and times in video. What is written, shown or said in the material itself stays.
    `extension` is the one `inspect` found. Raises Refused("media.not_sanitizable") or what is wrong with the file
    ("file.broken", "file.encrypted", "file.too_complex").
    """
    kind = _kind(mime, extension)
    try:
        _MAKERS[kind](source, target)
    except BaseException:
        target.unlink(missing_ok=True)  # half a copy may still hold what was to go
        raise
    kind = _BECOMES.get(kind, kind)
    return Copy(FORMATS[kind].mime, kind)


def redact_document(source: Path, target: Path, mime: str, needles: list[str]) -> Copy:
    """Writes a copy in which each needle is ＊＊, across runs, in tables, notes and comments; properties go as well.

    For docx, pptx, xlsx, txt and csv. Raises Refused("media.redact_unsupported") for all else: words in a PDF, an old
    doc or a picture cannot be removed reliably.
    """
    kind = BY_MIME.get(mime, "")
    if kind in {"docx", "pptx", "xlsx"}:
        try:
            office_clean.rewrite(source, target, needles)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    elif kind in {"txt", "csv"}:
        target.write_text(mask(decode(source.read_bytes()), needles), encoding="utf-8", newline="")
    else:
        raise Refused("media.redact_unsupported")
    return Copy(FORMATS[kind].mime, kind)
