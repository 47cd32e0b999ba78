"""Own name, school and staff number found in text, file names and properties, however they are spaced or folded."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

MASK = "\uff0a\uff0a"
_MOST = 20  # findings of one kind in one place; more help nobody
_AROUND = 12


@dataclass(frozen=True)
class Finding:
    """`where` is text, filename or the property's name; `what` is name, staff_number or school."""

    where: str
    what: str
    needle: str
    excerpt: str


def spans(text: str, needle: str) -> Iterator[tuple[int, int]]:
    """Where the needle stands, as (start, end) in `text`.

    Full-width and half-width forms, letter case and spaces inside are one. A needle that begins or ends with a Latin
    letter or digit must stand as a whole word there: number 1024 is not found in 310240 or 1024.5, nor Li Na in
    "reliNAble".
    One-character and empty needles are never found.
    """
    sought = _folded(needle)
    if len(sought) < 2:
        return
    folded = _folded(text)
    if sought in folded:
        yield from _found(text, sought, folded, _places(text))


def _found(text: str, sought: str, folded: str, places: list[int]) -> Iterator[tuple[int, int]]:
    at = folded.find(sought)
    while at >= 0:
        start, end = places[at], places[at + len(sought) - 1] + 1
        if _edge(sought[0], text[max(0, start - 2) : start][::-1]) and _edge(sought[-1], text[end : end + 2]):
            yield start, end
            at = folded.find(sought, at + len(sought))
        else:
            at = folded.find(sought, at + 1)


def _edge(own: str, beyond: str) -> bool:
    """Whether a word ends where the two characters beyond follow, the nearer one first; 92.5 is not the number 92."""
    if not (own.isascii() and own.isalnum()):
        return True
    near, far = (unicodedata.normalize("NFKC", beyond[at : at + 1]) for at in (0, 1))
    if own.isdigit() and near == "." and far.isdigit():
        return False
    return not (near and near.isascii() and near.isalnum())


def _folded(text: str) -> str:
    """The text in one form of letters, without spaces."""
    return "".join(map(_letters, text))


def _places(text: str) -> list[int]:
    """For each character of the folded text the place it came from."""
    return [index for index, letters in enumerate(map(_letters, text)) for _letter in letters]


@lru_cache(maxsize=16384)  # a text repeats its characters; every view of a draft looks through all of it
def _letters(character: str) -> str:
    """One character in one form of letters: none for a space or a mark without width, several for some."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", character).casefold()
        if not letter.isspace() and unicodedata.category(letter) not in {"Cf", "Cc"}
    )


def mask(text: str, needles: list[str]) -> str:
    """The text with each needle replaced by ＊＊."""
    for needle in needles:
        for start, end in reversed(list(spans(text, needle))):
            text = text[:start] + MASK + text[end:]
    return text


def find_personal(
    *,
    text: str = "",
    filename: str = "",
    properties: Mapping[str, str] | None = None,
    names: Collection[str] = (),
    staff_numbers: Collection[str] = (),
    schools: Collection[str] = (),
) -> list[Finding]:
    """What would tell a reviewer who handed this in; at most 20 findings of each word in each place."""
    found: list[Finding] = []
    places = {"text": text, "filename": filename, **{f"property:{k}": v for k, v in (properties or {}).items()}}
    sought = [
        (what, needle)
        for what, words in (("name", names), ("staff_number", staff_numbers), ("school", schools))
        for needle in dict.fromkeys(map(_folded, words))
        if len(needle) > 1
    ]
    for where, content in places.items():
        folded = _folded(content)
        here = [(what, needle) for what, needle in sought if needle in folded]
        at = _places(content) if here else []  # most texts name nobody
        for what, needle in here:
            for number, (start, end) in enumerate(_found(content, needle, folded, at)):
                if number >= _MOST:
                    break
                excerpt = re.sub(r"\s+", " ", content[max(0, start - _AROUND) : end + _AROUND]).strip()
                found.append(Finding(where, what, content[start:end], excerpt))
    return found
