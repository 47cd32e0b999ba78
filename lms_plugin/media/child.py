"""Run as a program of its own: reads one file under limits of time and memory, and writes to its output.

pdfium is C++ that is not safe for threads, and the reader of old workbooks stops its process at some damaged files:
neither may take a web worker with it. Exit codes: 0 done, 3 no such page, other positive ones the file cannot be read;
a signal means that a limit was reached.
"""

import io
import resource
import sys
from collections.abc import Callable

SECONDS = 30
MEMORY = 2 << 30  # bytes of address space; pages of maps with many layers take half of it
TALLEST = 12_000


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


TASKS: dict[str, Callable[[str, int, int], int]] = {"page": page, "words": words, "book": book}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(TASKS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
