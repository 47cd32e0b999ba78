"""Pages of our own on paper: HTML in, PDF out, made in a process of its own (`apart`), one at a time.

WeasyPrint wants Pango and a Chinese font of the system. Where they are missing this says so; pages that a browser can
print need neither.
"""

import json
import threading
from collections.abc import Sequence

from lms_plugin.errors import Refused, Unavailable
from lms_plugin.media import apart

PATIENCE = 20.0  # seconds in the queue of one web process
_turn = threading.BoundedSemaphore(1)  # a quarter of a gigabyte each
_is_fit = threading.Event()  # what the system has it keeps; what it lacks may be installed any time


def on_paper(page: str) -> bytes:
    """The page as PDF, with the characters of its fonts that it uses embedded. Nothing it names is fetched.

    Raises Refused `paper.no_pango`, `paper.no_font`; Unavailable where others print too long.
    """
    if not _turn.acquire(timeout=PATIENCE):
        raise Unavailable("paper.busy")
    try:
        return apart.run("paper", page.encode())
    finally:
        _turn.release()


def on_papers(pages: Sequence[str]) -> list[bytes]:
    """As `on_paper` for some pages at once, for the worker: its jobs wait for nobody. At most ten of a usual length fit
    into the time that they have."""
    told, found, at = apart.run("papers", json.dumps(list(pages)).encode()), list[bytes](), 0
    while at < len(told):
        length = int.from_bytes(told[at : at + 8], "big")
        found.append(told[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def printer_lacks() -> str:
    """What keeps this system from printing: "paper.no_pango", "paper.no_font", or ""."""
    if not _is_fit.is_set():
        try:
            apart.run("printer", b"")
        except Refused as refused:
            return refused.code if refused.code.startswith("paper.") else "paper.no_pango"
        _is_fit.set()
    return ""


def qr_svg(text: str, pixels: int = 148) -> str:
    """A QR code as an SVG element to stand in a page, black on white."""
    import segno  # noqa: PLC0415 - wanted by few pages

    drawn = segno.make(text, error="m", micro=False).svg_inline(omitsize=True, border=4, light="#fff", dark="#000")
    return str(drawn).replace("<svg ", f'<svg width="{pixels}" height="{pixels}" ', 1)
