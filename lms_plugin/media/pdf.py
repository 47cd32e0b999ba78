"""PDF: pages counted, drawn and read; people, programs and attachments taken out.

Every look into one runs in a process of its own with little time (`apart.py`): a PDF may be made to keep readers busy.
"""

import json
from pathlib import Path

from lms_plugin.media import apart

WIDEST = 2_400  # pixels of a drawn page


def details(path: Path) -> tuple[int, dict[str, str]]:
    """The number of pages, and title, author and other names in Info and XMP. Raises Broken, Encrypted or Bomb."""
    pages, found = json.loads(apart.run("details", path))
    return pages, found


def page_count(path: Path) -> int:
    """How many pages. Raises Broken, Encrypted or Bomb."""
    return details(path)[0]


def page_png(path: Path, page: int, width: int) -> bytes:
    """Page `page` (from 1) as a PNG `width` pixels wide (64 to 2400).

    Raises Refused("media.no_such_page"), Broken or Bomb (a page that takes more than 5 s of the processor or 2 GiB).
    """
    return apart.run("page", path, page, max(64, min(width, WIDEST)))


def text(path: Path, limit: int) -> str:
    """The text of all pages in order, at most `limit` characters; "" for scans. Raises Broken or Bomb."""
    return apart.run("words", path, limit).decode("utf-8", "replace")[:limit]


def anonymise(source: Path, target: Path) -> None:
    """Writes a copy without Info, XMP, attachments, programs, signers' names, private data; its /ID is a fixed one.

    Raises Broken, Encrypted or Bomb. Text on the pages stays as it is.
    """
    apart.run("bare", source, target=target)
