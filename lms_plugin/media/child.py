"""Run as a program of its own: reads one file under limits of time and memory, and writes to its output.

pdfium is C++ that is not safe for threads, and the reader of workbooks stops its process at some damaged files and
builds every cell between the corners that a sheet claims: neither may take a web worker with it, nor may a file that
keeps its reader busy. What puts our own pages on paper runs here too: it is slow and takes much memory. Exit codes: 0
done, 3 no such page, 4 a password is wanted, 5 too much in it, 6 and 7 the system lacks what printing needs (Pango, a
Chinese font), other positive ones the file cannot be read; a signal means that a limit was reached.
"""

import ctypes
import io
import json
import logging
import resource
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

SECONDS = 5  # of the processor
SHEET_SECONDS = 30  # a district's list of 20 000 rows
PAPER_SECONDS = 30  # a page takes one; hundreds of entries some more
PAPERS_SECONDS = 120  # ten of them
MEMORY = 2 << 30  # bytes of address space; pages of maps with many layers take half of it
SHEET_MEMORY = 1 << 30  # four million cells, each with a text of its own, take half of it
TALLEST = 12_000
MORE = 64 << 20  # bytes that a copy may have beyond twice its original
SHEET_CHARACTERS = 10_000_000  # of all cells: 500 for each of 20 000 rows
LONGEST_CELL = 5000  # characters; texts of a framework have up to 4000


def page(path: str, number: int, width: int) -> int:
    """Draws page `number` (from 1) as a PNG `width` pixels wide."""
    import pypdfium2  # noqa: PLC0415 - only after the limits

    document = pypdfium2.PdfDocument(path)
    if not 1 <= number <= len(document):
        return 3
    drawn = document[number - 1]
    wide, high = drawn.get_size()
    if wide <= 0 or high <= 0:
        return 2
    made = io.BytesIO()
    drawn.render(scale=min(width / wide, TALLEST / high)).to_pil().convert("RGB").save(made, "PNG")
    sys.stdout.buffer.write(made.getvalue())
    return 0


def words(path: str, limit: int, _: int) -> int:
    """Writes the text of a PDF's pages until `limit` characters are out."""
    import pypdfium2  # noqa: PLC0415 - only after the limits

    for sheet in pypdfium2.PdfDocument(path):
        text = sheet.get_textpage().get_text_bounded()[:limit]
        sys.stdout.buffer.write(text.replace("\r\n", "\n").encode("utf-8", "replace") + b"\n")
        limit -= len(text)
        sheet.close()
        if limit <= 0:
            break
    return 0


def book(path: str, limit: int, _: int) -> int:
    """Writes the cells of an old workbook, by tabs, until `limit` characters are out."""
    import python_calamine  # noqa: PLC0415 - only after the limits

    workbook = python_calamine.load_workbook(path)
    for name in workbook.sheet_names:
        sys.stdout.buffer.write(name.encode("utf-8", "replace") + b"\n")
        for row in workbook.get_sheet_by_name(name).iter_rows():
            line = "\t".join(str(cell) for cell in row)
            sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
            limit -= len(line) + 1
            if limit <= 0:
                return 0
    return 0


def sheet(_: str, most_rows: int, most_columns: int) -> int:
    """Writes as JSON the first sheet to be seen of the workbook that comes by standard input: {"rows": from A1 on,
    "merged": 0-based ranges}, or {"code": why it cannot be used}. Days are {"day"} or {"moment"}, in ISO 8601.
    """
    import python_calamine  # noqa: PLC0415 - only after the limits

    found: dict[str, object] = {}
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        seen = [index for index, one in enumerate(workbook.sheets_metadata) if "Visible" in str(one.visible)]
        cells = workbook.get_sheet_by_index(seen[0] if seen else 0)
    except python_calamine.PasswordError:
        found = {"code": "password"}
    else:
        if cells.total_height > most_rows:
            found = {"code": "too_many_rows"}
        elif cells.total_width > most_columns:
            found = {"code": "too_many_columns"}
        else:
            lines, room, left = [], SHEET_CHARACTERS, [""] * (cells.start[1] if cells.start else 0)
            for row in cells.iter_rows():
                lines.append(json.dumps([*left, *map(_told, row)], ensure_ascii=False, separators=(",", ":")))
                room -= len(lines[-1])
                if room < 0:
                    break
            merged = json.dumps((cells.merged_cell_ranges or [])[:most_rows])
            written = f'{{"rows":[{",".join(lines)}],"merged":{merged}}}'
            sys.stdout.buffer.write((written if room >= 0 else '{"code":"too_large"}').encode("utf-8", "replace"))
            return 0
    sys.stdout.write(json.dumps(found))
    return 0


def _told(value: object) -> object:
    """A cell as JSON can say it; a text that nobody will take for a name or number is cut."""
    if isinstance(value, str):
        return value[:LONGEST_CELL]
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    return str(value)


def details(path: str, _: int, __: int) -> int:
    """Writes a PDF's number of pages and what it says of people, as JSON."""
    from lms_plugin.media import pdf_inside  # noqa: PLC0415 - only after the limits

    sys.stdout.write(json.dumps(pdf_inside.details(Path(path))))
    return 0


def bare(path: str, _: int, __: int) -> int:
    """Writes a PDF's copy without people to the path that follows the numbers."""
    from lms_plugin.media import pdf_inside  # noqa: PLC0415 - only after the limits

    pdf_inside.anonymise(Path(path), Path(sys.argv[5]))
    return 0


def paper(_: str, __: int, ___: int) -> int:
    """Writes as PDF the page of HTML that comes by standard input. Nothing that it names is fetched."""
    return _print([sys.stdin.buffer.read().decode()], with_length=False)


def papers(_: str, __: int, ___: int) -> int:
    """As `paper` for a JSON list of pages: each PDF after its length in eight bytes. The fonts are read once."""
    return _print(json.loads(sys.stdin.buffer.read()), with_length=True)


def _print(pages: list[str], *, with_length: bool) -> int:
    if lack := printer("", 0, 0):
        return lack
    import weasyprint  # noqa: PLC0415 - only after the limits
    from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    class Nowhere(URLFetcher):  # type: ignore[misc]
        """Neither the network nor the disk is asked for anything; a picture stands in the page itself."""

        def fetch(self, url: str, headers: object = None) -> object:
            """Refuses all but what the address itself holds."""
            if not url.startswith("data:image/png;base64,"):
                raise ValueError("nothing is fetched")
            return super().fetch(url, headers)

    logging.disable()  # what it thinks of a page is no matter of the web process's log
    fonts = FontConfiguration()  # of one each the next page would take 70 MB more
    for page in pages:
        made = weasyprint.HTML(string=page, url_fetcher=Nowhere()).write_pdf(font_config=fonts)
        sys.stdout.buffer.write(len(made).to_bytes(8, "big") + made if with_length else made)
    return 0


def printer(_: str, __: int, ___: int) -> int:
    """Whether pages can be put on paper here: 0, 6 without Pango, 7 without a Chinese font."""
    try:
        import weasyprint  # noqa: F401, PLC0415
    except (OSError, ImportError):
        return 6
    return 0 if _chinese_fonts() else 7


class _Fonts(ctypes.Structure):
    """What fontconfig lists (FcFontSet)."""

    _fields_ = (("count", ctypes.c_int), ("room", ctypes.c_int), ("fonts", ctypes.c_void_p))


def _chinese_fonts() -> int:
    """How many fonts for Chinese fontconfig knows, the same that Pango asks."""
    known = ctypes.CDLL("libfontconfig.so.1")
    for name in ("FcInitLoadConfigAndFonts", "FcNameParse", "FcObjectSetCreate"):
        getattr(known, name).restype = ctypes.c_void_p
    known.FcFontList.restype = ctypes.POINTER(_Fonts)
    found = known.FcFontList(
        ctypes.c_void_p(known.FcInitLoadConfigAndFonts()),
        ctypes.c_void_p(known.FcNameParse(b":lang=zh-cn")),
        ctypes.c_void_p(known.FcObjectSetCreate()),
    )
    return int(found.contents.count)


FAULTS = {"file.encrypted": 4, "file.too_complex": 5}
TASKS: dict[str, Callable[[str, int, int], int]] = {
    **{"page": page, "words": words, "book": book, "sheet": sheet},
    **{"details": details, "bare": bare, "paper": paper, "papers": papers, "printer": printer},
}

if __name__ == "__main__":
    seconds = {"sheet": SHEET_SECONDS, "paper": PAPER_SECONDS, "papers": PAPERS_SECONDS}.get(sys.argv[1], SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    memory = SHEET_MEMORY if sys.argv[1] == "sheet" else MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    most = 2 * Path(sys.argv[2]).stat().st_size + MORE if len(sys.argv) > 5 else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.append(str(Path(__file__).resolve().parents[2]))  # nothing but ours is taken from there
    try:
        code = TASKS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except MemoryError:
        code = 5
    except Exception as error:
        code = FAULTS.get(getattr(error, "code", ""), 2)
    sys.exit(code)
