"""Documents as text and as blocks for a page, whatever their format."""

from pathlib import Path

from lms_plugin.errors import Refused
from lms_plugin.media import office, pdf, pictures, plain, word97
from lms_plugin.media.kinds import BY_MIME
from lms_plugin.media.office import BLOCKS, Block

TEXT_LIMIT = 200_000
_OPEN_XML = {"docx", "pptx", "xlsx"}


def document_text(path: Path, mime: str, limit: int = TEXT_LIMIT) -> str:
    """The plain text of a document, slides or sheet, at most `limit` characters; "" for pictures, video and scans.

    Raises Refused "file.broken", "file.encrypted" or "file.too_complex".
    """
    kind = BY_MIME.get(mime, "")
    if kind in _OPEN_XML:
        return office.text(path, kind, limit)
    readers = {
        "pdf": pdf.text,
        "doc": word97.text,
        "txt": plain.text,
        "csv": plain.text,
        "ppt": plain.slides_text,
        "xls": plain.book_text,
    }
    return readers[kind](path, limit) if kind in readers else ""


def document_blocks(path: Path, mime: str) -> list[Block]:
    """What a page shows of a document without download: headings, paragraphs, rows and pictures in their order.

    Old formats give their lines as paragraphs; a PDF gives none (it is shown as images of its pages).
    Raises as `document_text`.
    """
    kind = BY_MIME.get(mime, "")
    if kind in _OPEN_XML:
        return office.blocks(path, kind)
    if kind == "pdf":
        return []
    lines = (line.strip("\n\r ") for line in document_text(path, mime).split("\n"))
    return [
        Block("row", cells=tuple(line.strip("\t").split("\t")))
        if "\t" in line.strip("\t")
        else Block("paragraph", line.strip())
        for line in lines
        if line.strip()
    ][:BLOCKS]


def document_picture(path: Path, mime: str, index: int) -> tuple[bytes, str]:
    """A picture of a document by the number in its block: (bytes, mime), JPEG or PNG without any metadata.

    Raises Refused("media.picture_unreadable") where there is none or no browser could show it.
    """
    kind = BY_MIME.get(mime, "")
    if kind not in _OPEN_XML:
        raise Refused("media.picture_unreadable")
    return pictures.for_page(office.picture(path, kind, index))
