"""docx, pptx and xlsx read as what stands in them: headings, paragraphs, rows of tables, pictures, in their order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from lms_plugin.media import zipped
from lms_plugin.media.faults import Broken
from lms_plugin.media.zipped import local

BLOCKS = 20_000
_CELLS = 50
_SHEET_ROWS = 2_000
_PICTURE_LIMIT = 64 << 20


@dataclass(frozen=True)
class Block:
    """A piece of a document to show: `kind` is heading, paragraph, row, picture or slide.

    `level` is a heading's 1-6; `cells` are a row's texts; `picture` is the number for `document_picture`;
    a slide's or sheet's block opens it, with its number in `level` and its title in `text`.
    """

    kind: str
    text: str = ""
    level: int = 0
    cells: tuple[str, ...] = ()
    picture: int | None = None


def blocks(path: Path, extension: str) -> list[Block]:
    """The document's blocks, at most 20 000. Raises Broken, Encrypted or Bomb."""
    with zipped.open_zip(path) as archive:
        found: list[Block] = []
        for block in _READERS[extension](_Document(archive)):
            found.append(block)
            if len(found) >= BLOCKS:
                break
        return found


def text(path: Path, extension: str, limit: int) -> str:
    """The document's text, at most `limit` characters: blocks by lines, cells by tabs; notes and comments as well."""
    lines: list[str] = []
    size = 0
    with zipped.open_zip(path) as archive:
        document = _Document(archive)
        for line in _lines(document, extension):
            lines.append(line)
            size += len(line) + 1
            if size > limit:
                break
    return "\n".join(lines)[:limit]


def picture(path: Path, extension: str, index: int) -> bytes:
    """The bytes of a picture by the number that its block carries. Raises Broken when there is none."""
    with zipped.open_zip(path) as archive:
        document = _Document(archive)
        for _block in _READERS[extension](document):
            if len(document.pictures) > index:
                break
        if not 0 <= index < len(document.pictures):
            raise Broken
        return zipped.part(archive, document.pictures[index], _PICTURE_LIMIT)


def properties(path: Path) -> tuple[dict[str, str], int | None]:
    """Title, author and other names in docProps, and how many pages or slides the file says it has."""
    found: dict[str, str] = {}
    pages: int | None = None
    with zipped.open_zip(path) as archive:
        main = zipped.xml(archive, zipped.main_part(archive))
        for kind, name in zipped.relationships(archive, "").values():
            root = zipped.xml(archive, name) if kind in _PROPERTY_PARTS else None
            for element in root.iter() if root is not None else ():
                value = (element.text or "").strip()
                if key := _PROPERTIES.get(local(element)):
                    if value:
                        found[key] = value[:500]
                elif local(element) == "Pages" and value.isdigit():
                    pages = int(value[:6])
                elif local(element) in {"lpwstr", "lpstr"} and kind == "custom-properties" and value:
                    found[f"custom:{zipped.attribute(element.getparent(), 'name')}"] = value[:500]
        if main is not None and local(main) == "presentation":
            pages = sum(1 for element in main.iter() if local(element) == "sldId")
    return found, pages


_PROPERTY_PARTS = {"core-properties", "extended-properties", "custom-properties"}
_PROPERTIES = {
    "creator": "author",
    "lastModifiedBy": "last_author",
    "title": "title",
    "subject": "subject",
    "description": "comments",
    "keywords": "keywords",
    "Company": "company",
    "Manager": "manager",
}


class _Document:
    def __init__(self, archive: ZipFile) -> None:
        self.archive = archive
        self.main = zipped.main_part(archive)
        self.pictures: list[str] = []

    def pictures_in(self, element: Any, relations: dict[str, tuple[str, str]]) -> Iterator[Block]:
        for inner in zipped.seen(element):
            name = local(inner)
            if name not in {"blip", "imagedata"}:
                continue
            target = relations.get(zipped.relation_id(inner, "embed" if name == "blip" else "id"), ("", ""))[1]
            if target and target in self.archive.NameToInfo:
                self.pictures.append(target)
                yield Block("picture", picture=len(self.pictures) - 1)


def _paragraph(element: Any) -> str:
    """The text of a paragraph and of the text boxes anchored in it; field codes are no text."""
    pieces = []
    for inner in zipped.seen(element):
        name = local(inner)
        if name == "p" and inner is not element:
            pieces.append("\n")
        elif name == "t":
            pieces.append(inner.text or "")
        elif name == "tab":
            pieces.append("\t" if local(inner.getparent()) == "r" else "")
        elif name in {"br", "cr"}:
            pieces.append("\n")
    return "".join(pieces).strip()


def _docx(document: _Document) -> Iterator[Block]:
    archive = document.archive
    root = zipped.xml(archive, document.main)
    body = next((e for e in root if local(e) == "body"), None) if root is not None else None
    if body is None:
        raise Broken
    yield from _flow(body, document, zipped.relationships(archive, document.main), _levels(archive, document.main))


def _flow(
    parent: Any, document: _Document, relations: dict[str, tuple[str, str]], levels: dict[str, int]
) -> Iterator[Block]:
    for element in parent:
        name = local(element)
        if name == "p":
            written = _paragraph(element)
            level = _level(element, levels)
            if written:
                yield Block("heading", written, level) if level else Block("paragraph", written)
            yield from document.pictures_in(element, relations)
        elif name == "tbl":
            for row in (e for e in zipped.seen(element, _WITHIN_TABLE) if local(e) == "tr"):
                cells = [e for e in zipped.seen(row, _WITHIN_ROW) if local(e) == "tc"][:_CELLS]
                yield Block("row", cells=tuple(_cell(cell) for cell in cells))
                yield from document.pictures_in(row, relations)
        elif name in {"sdt", "sdtContent", "ins", "smartTag", "customXml"}:
            yield from _flow(element, document, relations, levels)


def _cell(cell: Any) -> str:
    return "\n".join(filter(None, (_paragraph(p) for p in zipped.seen(cell, _PARAGRAPH) if local(p) == "p")))


_WITHIN_TABLE = frozenset({"tr"})
_WITHIN_ROW = frozenset({"tc"})
_PARAGRAPH = frozenset({"p"})


def _level(paragraph: Any, levels: dict[str, int]) -> int:
    for element in paragraph.iter():
        if local(element) == "outlineLvl":
            value = zipped.attribute(element, "val")
            return min(int(value) + 1, 6) if value.isdigit() and int(value) < 9 else 0
        if local(element) == "pStyle":
            return levels.get(zipped.attribute(element, "val"), 0)
        if local(element) == "r":
            break
    return 0


def _levels(archive: ZipFile, main: str) -> dict[str, int]:
    """Style id → heading level; Chinese Word and WPS name their heading styles 1, 2, 3 or 标题 1."""
    target = next((t for k, t in zipped.relationships(archive, main).values() if k == "styles" and t), "")
    root = zipped.xml(archive, target) if target else None
    found: dict[str, int] = {}
    for style in (e for e in root if local(e) == "style") if root is not None else ():
        for element in style.iter():
            value = zipped.attribute(element, "val")
            if local(element) == "name" and (
                match := re.fullmatch(r"(?:heading|标题)\s*([1-9])", value, re.IGNORECASE)
            ):
                found[zipped.attribute(style, "styleId")] = min(int(match[1]), 6)
            elif local(element) == "name" and value.lower() in {"title", "标题"}:
                found[zipped.attribute(style, "styleId")] = 1
            elif local(element) == "outlineLvl" and value.isdigit() and int(value) < 9:
                found.setdefault(zipped.attribute(style, "styleId"), min(int(value) + 1, 6))
    return found


def _slides(document: _Document) -> Iterator[str]:
    relations = zipped.relationships(document.archive, document.main)
    root = zipped.xml(document.archive, document.main)
    for element in root.iter() if root is not None else ():
        if local(element) == "sldId" and (target := relations.get(zipped.relation_id(element), ("", ""))[1]):
            yield target


def _pptx(document: _Document) -> Iterator[Block]:
    for number, name in enumerate(_slides(document), start=1):
        root = zipped.xml(document.archive, name)
        if root is None:
            continue
        relations = zipped.relationships(document.archive, name)
        title = ""
        shapes: list[Block] = []
        for shape in (e for e in root.iter() if local(e) in {"sp", "pic", "tbl"}):
            if local(shape) == "tbl":
                for row in (e for e in shape if local(e) == "tr"):
                    shapes.append(Block("row", cells=tuple(_cell(c) for c in row if local(c) == "tc")[:_CELLS]))
            elif local(shape) == "pic":
                shapes += document.pictures_in(shape, relations)
            else:
                lines = [line for p in shape.iter() if local(p) == "p" and (line := _paragraph(p))]
                kinds = {zipped.attribute(e, "type") for e in shape.iter() if local(e) == "ph"}
                if kinds & {"title", "ctrTitle"} and not title:
                    title = " ".join(lines)
                else:
                    shapes += [Block("paragraph", line) for line in lines]
        yield Block("slide", title, number)
        yield from shapes


def _xlsx(document: _Document) -> Iterator[Block]:
    archive = document.archive
    relations = zipped.relationships(archive, document.main)
    strings = _shared(archive, next((t for k, t in relations.values() if k == "sharedStrings"), ""))
    root = zipped.xml(archive, document.main)
    sheets = [e for e in root.iter() if local(e) == "sheet"] if root is not None else []
    for number, sheet in enumerate(sheets, start=1):
        yield Block("slide", sheet.get("name", ""), number)
        data = zipped.xml(archive, relations.get(zipped.relation_id(sheet), ("", ""))[1] or "-")
        rows = [e for e in data.iter() if local(e) == "row"] if data is not None else []
        for row in rows[:_SHEET_ROWS]:
            cells = tuple(_value(c, strings) for c in row if local(c) == "c")[:_CELLS]
            if any(cells):
                yield Block("row", cells=cells)


def _shared(archive: ZipFile, name: str) -> list[str]:
    root = zipped.xml(archive, name) if name else None
    if root is None:
        return []
    return ["".join(t.text or "" for t in item.iter() if local(t) == "t") for item in root if local(item) == "si"]


def _value(cell: Any, strings: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(t.text or "" for t in cell.iter() if local(t) == "t")
    value = next((e.text or "" for e in cell if local(e) == "v"), "")
    if cell.get("t") == "s":
        return strings[int(value)] if value.isdigit() and int(value) < len(strings) else ""
    return value


_READERS = {"docx": _docx, "pptx": _pptx, "xlsx": _xlsx}
_BESIDE = re.compile(r"(header|footer|footnotes|endnotes|comments|notesSlide)\w*\.xml$")


def _lines(document: _Document, extension: str) -> Iterator[str]:
    for block in _READERS[extension](document):
        if block.kind == "row":
            yield "\t".join(block.cells)
        elif block.text:
            yield block.text
    for name in document.archive.namelist():  # what the page does not show may still hold a name
        if _BESIDE.search(name) and "/_rels/" not in name:
            root = zipped.xml(document.archive, name)
            for element in root.iter() if root is not None else ():
                if local(element) == "p" and (line := _paragraph(element)):
                    yield line
