"""Words struck out of the XML of office files: wherever somebody wrote them, and nowhere where they only look alike.

A staff number such as 1440 may be a page's margin, the number of a slide, or the place of another cell's text: were it
struck out there, no program could open the file. So a word of digits or Latin letters alone, or one like the place of a
cell (A101), is taken out of what people write; any other (a Chinese name, HX001) wherever it stands.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from lms_plugin.media.personal import MASK, mask, spans
from lms_plugin.media.zipped import local

_BLOCKS = {"p", "si", "is"}
_WRITTEN = {"t", "delText", "text", "div", "font", "span", "tspan", "b", "i", "u", "desc", "title"}
_WRITTEN |= {f"{which}{where}" for which in ("odd", "even", "first") for where in ("Header", "Footer")}
_FORMULAS = {"f", "definedName", "formula", "formula1", "formula2"}
# attributes that hold words; "name" only where people give it
_WORDS = {"descr", "title", "alt", "tooltip", "display", "prompt", "promptTitle", "error", "errorTitle", "string"}
_NAMED = {"sheet", "tableColumn", "cacheField", "docPr", "cNvPr"}
_CACHED = {"s", "sharedItems"}
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_HEX = re.compile(r"[0-9a-f]{6}|[0-9a-f]{8}", re.IGNORECASE)
_PLACE = re.compile(r"[a-z]{1,3}[1-9][0-9]{0,6}", re.IGNORECASE)  # of a cell: A101


def strike(root: Any, needles: Sequence[str]) -> None:
    """Puts ＊＊ in place of each needle, first across the runs of each paragraph, then in each single text."""
    for paragraph in root.iter():
        if local(paragraph) in _BLOCKS:
            nodes = [t for t in paragraph.iter() if local(t) in {"t", "delText"} and holder(t) is paragraph]
            for needle in needles:
                cover(nodes, list(spans("".join(node.text or "" for node in nodes), needle)))
    alike = [needle for needle in needles if _looks_alike(needle)]
    safe = [needle for needle in needles if needle not in alike]
    for element in root.iter():
        _strike_everywhere(element, safe)
        if alike:
            _strike_words(element, alike)


def _looks_alike(needle: str) -> bool:
    """Whether a program may write the same of its own accord."""
    plain = "".join(needle.split())
    is_code = _HEX.fullmatch(plain) or _PLACE.fullmatch(plain)
    return plain.isascii() and (plain.isdigit() or plain.isalpha() or is_code is not None)


def _strike_everywhere(element: Any, needles: list[str]) -> None:
    if element.text:
        element.text = mask(element.text, needles)
    if element.tail:
        element.tail = mask(element.tail, needles)
    for key, value in element.attrib.items():
        if "}" not in str(key) or "relationships" not in str(key):
            _set(element, key, mask(str(value), needles))


def _strike_words(element: Any, needles: list[str]) -> None:
    name = local(element)
    if name == "c":
        _strike_number(element, needles)
    elif name in _FORMULAS and element.text:
        element.text = _QUOTED.sub(lambda found: mask(found[0], needles), element.text)
    elif element.text and (name in _WRITTEN or _is_cached_text(element) or not element.text.isascii()):
        element.text = mask(element.text, needles)
    if element.tail and element.tail.strip():
        element.tail = mask(element.tail, needles)
    for key, value in element.attrib.items():
        plain = str(key).rpartition("}")[2]
        is_word = plain in _WORDS or (plain == "name" and name in _NAMED) or (plain == "v" and name in _CACHED)
        if is_word or not str(value).isascii():
            _set(element, key, mask(str(value), needles))


def _strike_number(cell: Any, needles: list[str]) -> None:
    """A cell that holds the number itself becomes one of text; the place of a shared text is nobody's number."""
    kind = cell.get("t", "n")
    if kind not in {"n", "str"}:
        return
    for value in [one for one in cell if local(one) == "v" and one.text]:
        struck = mask(value.text.removesuffix(".0") if kind == "n" else value.text, needles)
        if struck == MASK if kind == "n" else struck != value.text:
            value.text = struck
            cell.set("t", "str")
            for formula in [one for one in cell if local(one) == "f"]:
                cell.remove(formula)


def _is_cached_text(element: Any) -> bool:
    """A chart keeps the words of its cells beside their numbers."""
    point = element.getparent()
    cache = point.getparent() if point is not None else None
    return local(element) == "v" and cache is not None and local(cache) in {"strCache", "lvl"}


def _set(element: Any, key: Any, value: str) -> None:
    if element.get(key) != value:
        element.set(key, value)


def holder(node: Any) -> Any:
    """The paragraph that a text belongs to: a text box stands inside a paragraph and has its own."""
    parent = node.getparent()
    while parent is not None and local(parent) not in _BLOCKS:
        parent = parent.getparent()
    return parent


def cover(nodes: list[Any], places: list[tuple[int, int]]) -> None:
    """Puts ＊＊ over these places of the joined texts of the nodes."""
    texts = [node.text or "" for node in nodes]
    starts = [0, *itertools.accumulate(len(t) for t in texts)][: len(texts)]
    for start, end in reversed(places):
        first = True
        for index, begin in enumerate(starts):
            low, high = max(start, begin), min(end, begin + len(texts[index]))
            if low >= high:
                continue
            own = texts[index]
            texts[index] = own[: low - begin] + (MASK if first else "") + own[high - begin :]
            first = False
    for node, changed in zip(nodes, texts, strict=True):
        if (node.text or "") != changed:
            node.text = changed
