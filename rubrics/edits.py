"""What it means to go from one version of a rubric to another: how grave the change is, which of the marks that were
given still stand, and which have to be given again. Pure: criteria in, an answer out."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from rubrics.authoring import CriterionText, Text

OFFICIAL = ("zh", "en")
"""The languages in which criteria are laid down; what they say in others are translations."""


class EditClass(IntEnum):
    """How grave a change of a rubric is; the gravest thing in it counts (the idea is that of Moodle's rubrics).

    0, 1, 2: every mark stands. 3: every mark that is left stands, what they make together is counted anew by machine.
    4: who gave a level that is no more marks that criterion again. 5: every work is marked on what came in.
    """

    NOTHING = 0
    WORDS = 1  # texts, order, or whether a criterion is a proposal
    LEVEL_ADDED = 2  # a criterion that asked nothing for a pass asks for something now
    COUNTED_ANEW = 3  # a criterion went, or weighs otherwise
    LEVEL_GONE = 4  # a level that somebody may have given is no more
    CRITERION_ADDED = 5


@dataclass(frozen=True, slots=True)
class RubricEdit:
    """From one version to another.

    `becomes`: old criterion key → new one, for criteria that live on; a mark goes along. `added`: new keys that come
    from none. `dropped`: old keys that go; their marks are set aside, readable. `reworded`: old keys whose texts
    differ. `lost`: old key → levels that it no longer has. `reweighed`: old keys that weigh otherwise.
    """

    edit_class: EditClass
    becomes: Mapping[str, str]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    reworded: tuple[str, ...]
    lost: Mapping[str, tuple[int, ...]]
    reweighed: tuple[str, ...]

    def carries(self, key: str, level: int | None) -> bool:
        """Whether a mark of that level on the old criterion `key` still stands in the new version."""
        return key in self.becomes and level not in self.lost.get(key, ())


def edit_of(old: Sequence[CriterionText], new: Sequence[CriterionText]) -> RubricEdit:
    """Compares two versions of the rubric of one evidence item.

    A criterion lives on under its key; one whose key went is found by its texts, where they are the same to the letter
    (Unicode NFC) in exactly that kind of criterion: an import that names criteria anew costs nobody their marks.
    """
    becomes = _mapping(old, new)
    by_key, came_from = {one.key: one for one in new}, set(becomes.values())
    lost: dict[str, tuple[int, ...]] = {}
    reworded, reweighed, gained = [], [], False
    for line in old:
        if line.key not in becomes:
            continue
        other = by_key[becomes[line.key]]
        gone = tuple(level for level in line.choices if level not in other.choices)
        if gone:
            lost[line.key] = gone
        gained = gained or any(level not in line.choices for level in other.choices)
        if _plain(line) != _plain(other):
            reworded.append(line.key)
        if line.weight != other.weight:
            reweighed.append(line.key)
    added = tuple(one.key for one in new if one.key not in came_from)
    dropped = tuple(one.key for one in old if one.key not in becomes)
    grave = (
        (EditClass.CRITERION_ADDED, bool(added)),
        (EditClass.LEVEL_GONE, bool(lost)),
        (EditClass.COUNTED_ANEW, bool(dropped or reweighed)),
        (EditClass.LEVEL_ADDED, gained),
        (EditClass.WORDS, [_whole(one) for one in old] != [_whole(one) for one in new]),
    )
    return RubricEdit(
        edit_class=next((kind for kind, holds in grave if holds), EditClass.NOTHING),
        becomes=becomes,
        added=added,
        dropped=dropped,
        reworded=tuple(reworded),
        lost=lost,
        reweighed=tuple(reweighed),
    )


def _mapping(old: Sequence[CriterionText], new: Sequence[CriterionText]) -> dict[str, str]:
    """Old key → new key, each new one at most once. 有效/无效 and a graded criterion never become each other."""
    by_key = {one.key: one for one in new}
    found = {one.key: one.key for one in old if one.key in by_key and by_key[one.key].is_validity == one.is_validity}
    free = [one for one in new if one.key not in found]
    for line in old:
        if line.key in found:
            continue
        same = next((one for one in free if one.is_validity == line.is_validity and _plain(one) == _plain(line)), None)
        if same is not None:
            found[line.key] = same.key
            free.remove(same)
    return found


def _plain(line: CriterionText) -> dict[int, dict[str, str]]:
    """Its official texts, apart from how a keyboard composed them: a translation changes nothing of what is asked."""
    return {level: _text(text) for level, text in line.texts.items()}


def _text(text: Text) -> dict[str, str]:
    return {language: unicodedata.normalize("NFC", words) for language, words in text.items() if language in OFFICIAL}


def _whole(line: CriterionText) -> tuple[object, ...]:
    """All that a reader sees of it, in its place."""
    return (_plain(line), line.is_validity, line.is_proposed, line.weight)
