"""改了什么: a version beside the one that came back: what was asked for, what was written anew, which files changed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import competencies
from lms_plugin.flow import marking

MOST_PAIRS, MOST_IN_ALL = 20_000, 300_000
"""How many pairs of equal letters (of a line) or equal lines (of a text) are weighed against each other, and how many
of letters in a whole text; beyond it old stands above new. A text that repeats itself must not keep a page busy."""
ALIKE = 0.4  # below this likeness two lines are two lines, not one that was changed

Kind = Literal["same", "gone", "new"]


@dataclass(frozen=True)
class Run:
    """Some letters of a line: as before, taken out, or put in."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class PieceChange:
    """A piece before and after. `what`: "text", "link" or "file"; `change`: "same", "new", "gone" or "replaced" (files
    are compared by what is in them, never by name). `before`, `after`: the file's name or the address; "" for
    reviewers, who see `number` instead: which file of the version it is now (0 = it is not in it). `lines`: of a
    typed text, each line in runs.
    """

    what: str
    change: str
    before: str = ""
    after: str = ""
    number: int = 0
    lines: tuple[tuple[Run, ...], ...] = ()


@dataclass(frozen=True)
class Asked:
    """What was found below pass the last time: the criterion and the reason that its author read."""

    question: Mapping[str, str]
    reason: str


@dataclass(frozen=True)
class Difference:
    """An item that was asked for or changed."""

    title: Mapping[str, str]
    asked: tuple[Asked, ...]
    pieces: tuple[PieceChange, ...]


@dataclass(frozen=True)
class Differences:
    """A version against the one before it of the number `since`. `said`: what was said of the whole when it came back;
    `untouched`: how many items are as they were and were not asked for."""

    since: int
    said: str
    items: tuple[Difference, ...]
    untouched: int


def differences(
    before: marking.Sheet,
    after: marking.Sheet,
    decision: competencies.Decision,
    since: int,
    mask: Callable[[str], str] | None = None,
) -> Differences:
    """What became of each item. `decision`: of the earlier version; `mask` takes names out of everything that is shown,
    for who reviews blind: then files go without their names, too."""
    shown = mask or (lambda text: text)
    earlier = {item.key: item for item in before.items}
    found, untouched, number = [], 0, 1
    for item in after.items:
        was = earlier.get(item.key)
        marks = decision.marks.get(item.key, {})
        asked = tuple(
            Asked(line.texts[min(line.texts)] if line.texts else {}, shown(mark.get("reason", "")))
            for line in item.criteria
            if (mark := marks.get(line.key)) is not None and mark.get("level") == 0
        )
        pieces = _pieces(was.pieces if was is not None else (), item.pieces, number, shown, is_blind=mask is not None)
        number += sum(piece.file is not None for piece in item.pieces)
        if asked or any(piece.change != "same" for piece in pieces):
            found.append(Difference(item.requirement.title, asked, pieces))
        else:
            untouched += 1
    return Differences(since, shown(decision.reason), tuple(found), untouched)


def _pieces(
    before: Sequence[competencies.Piece],
    after: Sequence[competencies.Piece],
    number: int,
    shown: Callable[[str], str],
    *,
    is_blind: bool,
) -> tuple[PieceChange, ...]:
    found = []
    old, new = _texts(before), _texts(after)
    if old or new:
        change = "same" if old == new else "replaced" if old and new else "new" if new else "gone"
        found.append(PieceChange("text", change, lines=lines_of(shown(old), shown(new)) if change != "same" else ()))
    numbers = {id(piece): at for at, piece in enumerate((p for p in after if p.file is not None), start=number)}
    for what in ("link", "file"):
        was, holds = ([p for p in row if _what(p) == what] for row in (before, after))
        stayed = {piece.fingerprint for piece in was} & {piece.fingerprint for piece in holds}
        gone = [piece for piece in was if piece.fingerprint not in stayed]
        came = [piece for piece in holds if piece.fingerprint not in stayed]
        for piece in holds:
            change, former = "same", ""
            if piece.fingerprint not in stayed:
                at = next(n for n, one in enumerate(came) if one is piece)
                change = "replaced" if at < len(gone) else "new"
                former = _name(gone[at], is_blind) if at < len(gone) else ""
            found.append(PieceChange(what, change, former, _name(piece, is_blind), numbers.get(id(piece), 0)))
        found += [PieceChange(what, "gone", before=_name(piece, is_blind)) for piece in gone[len(came) :]]
    return tuple(found)


def _what(piece: competencies.Piece) -> str:
    return "file" if piece.file is not None else piece.evidence.kind


def _texts(pieces: Sequence[competencies.Piece]) -> str:
    return "\n".join(piece.evidence.text for piece in pieces if _what(piece) == "text")


def _name(piece: competencies.Piece, is_blind: bool) -> str:
    if is_blind:
        return ""
    return piece.file.filename if piece.file is not None else piece.evidence.url


def lines_of(before: str, after: str) -> tuple[tuple[Run, ...], ...]:
    """Two texts as one, line by line, with what was taken out and what was put in. Putting together what is not "new"
    gives the text before, what is not "gone" the text after, without their empty lines."""
    old, new = ([line for line in text.split("\n") if line.strip()] for text in (before, after))
    found: list[tuple[Run, ...]] = []
    left = MOST_IN_ALL
    for act, a, b, c, d in _acts(old, new):
        if act == "equal":
            found += [(Run("same", line),) for line in old[a:b]]
            continue
        pairs = min(b - a, d - c)
        for one, other in zip(old[a : a + pairs], new[c : c + pairs], strict=True):
            left -= min(_cost(one, other), MOST_PAIRS)
            found += _line(one, other) if left > 0 else _apart(one, other)
        found += [(Run("gone", line),) for line in old[a + pairs : b]]
        found += [(Run("new", line),) for line in new[c + pairs : d]]
    return tuple(found)


def _line(before: str, after: str) -> list[tuple[Run, ...]]:
    """A line that was changed: in one line where the two are alike, else the old one and the new one."""
    acts = _acts(before, after)
    same = sum(b - a for act, a, b, _c, _d in acts if act == "equal")
    if 2 * same < ALIKE * (len(before) + len(after)):
        return _apart(before, after)
    runs: list[Run] = []
    for act, a, b, c, d in acts:
        if act == "equal":
            runs.append(Run("same", before[a:b]))
            continue
        if b > a:
            runs.append(Run("gone", before[a:b]))
        if d > c:
            runs.append(Run("new", after[c:d]))
    return [tuple(runs)]


def _apart(before: str, after: str) -> list[tuple[Run, ...]]:
    return [(Run("gone", before),), (Run("new", after),)]


def _acts(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """What makes the new one of the old one, as `SequenceMatcher.get_opcodes` says it. What stands between a common
    beginning and a common end is compared member by member, unless that would cost too much: then it was replaced."""
    head, tail = _ends(old, new)
    a, c = len(old) - tail, len(new) - tail
    if _cost(old, new) > MOST_PAIRS:
        middle = [("replace", 0, a - head, 0, c - head)]
    else:
        middle = list(SequenceMatcher(None, old[head:a], new[head:c], autojunk=False).get_opcodes())
    acts = [(act, i + head, j + head, k + head, n + head) for act, i, j, k, n in middle]
    acts = [("equal", 0, head, 0, head), *acts, ("equal", a, len(old), c, len(new))]
    return [one for one in acts if one[1] < one[2] or one[3] < one[4]]


def _ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many members two rows have in common at their beginning, and then at their end."""
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    return head, next((n for n in range(shorter - head) if old[-1 - n] != new[-1 - n]), shorter - head)


def _cost(old: Sequence[str], new: Sequence[str]) -> int:
    """How many pairs of equal members are to be weighed between the common ends: what comparing costs at the least."""
    head, tail = _ends(old, new)
    there = Counter(old[head : len(old) - tail])
    return sum(times * there[one] for one, times in Counter(new[head : len(new) - tail]).items())


def latest_decided(
    versions: Mapping[int, competencies.SubmissionVersion],
    decisions: Mapping[int, competencies.Decision],
    version: competencies.SubmissionVersion,
) -> competencies.SubmissionVersion | None:
    """The version before this one on which somebody decided: the one that its author was asked to change."""
    before = [row for key, row in versions.items() if key in decisions and row.number < version.number]
    return max(before, key=lambda row: row.number, default=None)
