"""An object of a pack told in the fields of another format, and what those fields cannot say as JSON beside them.

A value stands in a field where reading the field gives the very same value again; everything else (null, an empty list,
a key that this version does not know) stays in the rest. So nothing is lost, whatever a pack holds, and a value that
somebody changes in a field wins, because it stands nowhere else.
"""

import copy
import json
import re
from collections.abc import Container, Mapping
from typing import Any, NamedTuple, Protocol

Path = tuple[str, ...]
LONGEST_CELL = 4000
"""Characters of one cell: what a text of a pack may have, and what readers of sheets take (Excel holds 32 767)."""

_MISSING = object()
_BEGINS_FORMULA = ("=", "+", "-", "@")
_BEGINS_ERROR = "#"
_WORD = re.compile(r"[a-z0-9_]+")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_ESCAPED = re.compile("_x[0-9A-Fa-f]{4}_")  # what workbooks write for characters that XML cannot hold


class Form(Protocol):
    """How a value of one kind stands in a field."""

    def write(self, value: Any) -> str | None:
        """The field, or None where it cannot hold this value."""

    def read(self, text: str) -> Any:
        """The value. Raises ValueError where the field holds none."""


class Plain:
    """Any text with at least one character (a field of JSON)."""

    def write(self, value: Any) -> str | None:
        """The text itself."""
        return value if isinstance(value, str) and value else None

    def read(self, text: str) -> Any:
        """The text itself."""
        return text


class Words:
    """A text that a cell keeps as it is: no blanks at its ends, nothing invisible, no beginning of a formula."""

    def write(self, value: Any) -> str | None:
        """The text itself."""
        return value if isinstance(value, str) and is_safe(value) else None

    def read(self, text: str) -> Any:
        """The text itself."""
        return text


class Foreign(Words):
    """A text in a further language: it may hold the signs by which letters are joined or kept apart."""

    def write(self, value: Any) -> str | None:
        """The text itself."""
        return value if isinstance(value, str) and is_safe(value, joins=True) else None


class Number:
    """A whole number or one with a point."""

    def write(self, value: Any) -> str | None:
        """In digits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        text = json.dumps(value)
        return text if _NUMBER.fullmatch(text) else None

    def read(self, text: str) -> Any:
        """Raises ValueError for what is no plain number."""
        if not _NUMBER.fullmatch(text):
            raise ValueError(text)
        return float(text) if "." in text else int(text)


class YesNo:
    """是 or 否."""

    def write(self, value: Any) -> str | None:
        """是 or 否."""
        return {True: "是", False: "否"}[value] if isinstance(value, bool) else None

    def read(self, text: str) -> Any:
        """Raises ValueError for any other word."""
        try:
            return {"是": True, "yes": True, "true": True, "否": False, "no": False, "false": False}[text.casefold()]
        except KeyError:
            raise ValueError(text) from None


class WordList:
    """Short words with blanks between them: "docx pdf"."""

    def write(self, value: Any) -> str | None:
        """Joined; None for an empty list."""
        fits = isinstance(value, list) and value and all(isinstance(one, str) and _WORD.fullmatch(one) for one in value)
        return " ".join(value) if fits else None

    def read(self, text: str) -> Any:
        """Split at blanks and commas."""
        return [one for one in re.split(r"[\s,，、;；]+", text) if one]


PLAIN, WORDS, FOREIGN, NUMBER, YES_NO, WORD_LIST = Plain(), Words(), Foreign(), Number(), YesNo(), WordList()


class Field(NamedTuple):
    """Where in an object a field's value stands, and in what form."""

    path: Path
    form: Form


JOINS = "\u200c\u200d\u180e\u202f"
"""Signs that nobody sees and that words of Uyghur, Kazakh, Persian or Mongolian are written with: joiners, and the
narrow blank and the vowel separator before an ending."""
_WITHOUT_JOINS = str.maketrans("", "", JOINS)


def is_safe(text: str, *, joins: bool = False) -> bool:
    """Whether a cell gives this text back as it is and no program takes it for a formula. `joins`: signs of JOINS may
    stand in it, though not at its ends."""
    if joins and text.strip(JOINS) == text:
        text = text.translate(_WITHOUT_JOINS)
    return (
        0 < len(text) <= LONGEST_CELL
        and text == text.strip()
        and not text.startswith((*_BEGINS_FORMULA, _BEGINS_ERROR))
        and text.replace("\n", "").isprintable()
        and not _ESCAPED.search(text)
    )


def begins_formula(text: str) -> bool:
    """Whether a program that opens the sheet would take the text for a formula."""
    return text.startswith(_BEGINS_FORMULA)


def split(whole: Mapping[str, Any], fields: Mapping[str, Field]) -> tuple[dict[str, str], dict[str, Any]]:
    """(the fields that can be written, the rest of the object)."""
    rest, told = copy.deepcopy(dict(whole)), {}
    for name, field in fields.items():
        found = _get(rest, field.path)
        text = None if found is _MISSING else field.form.write(found)
        if text is not None:
            told[name] = text
            _remove(rest, field.path)
    return told, rest


def put(whole: dict[str, Any], path: Path, value: Any) -> None:
    """Sets a value deep in an object; what stands in the way and is no object gives way."""
    here = whole
    for step in path[:-1]:
        if not isinstance(here.get(step), dict):
            here[step] = {}
        here = here[step]
    here[path[-1]] = value


def as_cell(rest: Mapping[str, Any]) -> str:
    """The rest as one line of JSON that any cell keeps; "" for an empty one."""
    if not rest:
        return ""
    text = json.dumps(rest, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    return _ESCAPED.sub(lambda found: "\\u005f" + found[0][1:], text)


def nearest(places: Container[str], where: str) -> tuple[str, str]:
    """The longest beginning of a fault's place in a pack that is one of these places, and the rest; "" and the whole
    where none is."""
    place = where
    while place and place not in places:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return place, where[len(place) :].lstrip(".")


def _get(whole: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(whole, dict) or step not in whole:
            return _MISSING
        whole = whole[step]
    return whole


def _remove(whole: dict[str, Any], path: Path) -> None:
    """Takes the value out, and objects that are empty because of it."""
    above = [whole]
    for step in path[:-1]:
        above.append(above[-1][step])
    del above[-1][path[-1]]
    for depth in range(len(path) - 1, 0, -1):
        if above[depth]:
            return
        del above[depth - 1][path[depth - 1]]
