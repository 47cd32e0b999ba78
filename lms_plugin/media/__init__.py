"""Files and words as people send them: looked into, read, shown, and freed of what would name a person.

Values in, values out: no database, no web. Everything that parses is bounded in size, number, depth and time.
What is wrong with a file rises as `Refused` with the codes of `translations/messages/media.json`.

A part is loaded when it is first used: the libraries of pictures and documents are large, and most requests (every
launch) need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lms_plugin.media.copies import Copy, can_sanitize, copy_name, left_out, redact_document, reviewer_copy
    from lms_plugin.media.formulas import formula_cells
    from lms_plugin.media.inspection import Inspection, accepts, inspect
    from lms_plugin.media.kinds import endings
    from lms_plugin.media.office import Block
    from lms_plugin.media.pdf import page_count as pdf_page_count
    from lms_plugin.media.pdf import page_png as pdf_page_png
    from lms_plugin.media.personal import Finding, find_personal, mask
    from lms_plugin.media.pictures import jpeg as image_jpeg
    from lms_plugin.media.pictures import stamp_png
    from lms_plugin.media.pictures import to_pdf as photos_to_pdf
    from lms_plugin.media.printing import on_paper, on_papers, printer_lacks, qr_svg
    from lms_plugin.media.reading import document_blocks, document_picture, document_text
    from lms_plugin.media.words import clean_filename, clean_link, clean_text
    from lms_plugin.media.workbooks import Cells, first_sheet

_PARTS = {
    "copies": ("Copy", "can_sanitize", "copy_name", "left_out", "redact_document", "reviewer_copy"),
    "formulas": ("formula_cells",),
    "inspection": ("Inspection", "accepts", "inspect"),
    "kinds": ("endings",),
    "office": ("Block",),
    "pdf": ("pdf_page_count", "pdf_page_png"),
    "personal": ("Finding", "find_personal", "mask"),
    "pictures": ("image_jpeg", "photos_to_pdf", "stamp_png"),
    "printing": ("on_paper", "on_papers", "printer_lacks", "qr_svg"),
    "reading": ("document_blocks", "document_picture", "document_text"),
    "words": ("clean_filename", "clean_link", "clean_text"),
    "workbooks": ("Cells", "first_sheet"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_THERE = {  # named otherwise
    "pdf_page_count": "page_count",
    "pdf_page_png": "page_png",
    "image_jpeg": "jpeg",
    "photos_to_pdf": "to_pdf",
}


def __getattr__(name: str) -> Any:
    """What this front offers, from its part (PEP 562)."""
    if name not in _PART_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PART_OF[name]}"), _THERE.get(name, name))
    globals()[name] = found
    return found


__all__ = [
    "Inspection",
    "inspect",
    "accepts",
    "endings",
    "Block",
    "document_text",
    "document_blocks",
    "document_picture",
    "pdf_page_count",
    "pdf_page_png",
    "image_jpeg",
    "photos_to_pdf",
    "Cells",
    "first_sheet",
    "formula_cells",
    "Copy",
    "can_sanitize",
    "copy_name",
    "reviewer_copy",
    "left_out",
    "redact_document",
    "Finding",
    "find_personal",
    "mask",
    "clean_text",
    "clean_filename",
    "clean_link",
    "on_paper",
    "on_papers",
    "printer_lacks",
    "qr_svg",
    "stamp_png",
]
