"""Run as a program of its own: draws or reads one PDF under limits of time and memory, and writes to its output.

Exit codes: 0 done, 2 the file cannot be read, 3 no such page; a signal means that a limit was reached.
"""

import io
import resource
import sys

SECONDS = 30
MEMORY = 2 << 30  # bytes of address space; pages of maps with many layers take half of it
TALLEST = 12_000


def main(task: str, path: str, first: int, second: int) -> int:
    """`png` draws page `first` `second` pixels wide; `text` writes at most `first` characters as UTF-8."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    import pypdfium2  # noqa: PLC0415 - after the limits

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return 2
    if task == "text":
        return read(document, first)
    if not 1 <= first <= len(document):
        return 3
    page = document[first - 1]
    wide, high = page.get_size()
    if wide <= 0 or high <= 0:
        return 2
    scale = min(second / wide, TALLEST / high)
    made = io.BytesIO()
    page.render(scale=scale).to_pil().convert("RGB").save(made, "PNG")
    sys.stdout.buffer.write(made.getvalue())
    return 0


def read(document: "object", limit: int) -> int:
    """Writes the text of the pages until `limit` characters are out."""
    for page in document:  # type: ignore[attr-defined]
        words = page.get_textpage().get_text_bounded()[:limit]
        sys.stdout.buffer.write(words.replace("\r\n", "\n").encode("utf-8", "replace") + b"\n")
        limit -= len(words)
        page.close()
        if limit <= 0:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
