"""From marks to levels: a minimum, never a sum (school-based assessment norm of project 2.0).

Words are not here: a criterion below pass reads 未达到, an item or a point below pass reads 不合格.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from competencies.languages import words


class Level(IntEnum):
    """The three levels of a criterion, an item and a point; a higher number is a better level."""

    FAIL = 0
    PASS = 1
    EXCELLENT = 2


USUAL_WORDS = {"excellent": "优秀", "pass": "合格", "fail": "不合格"}


def own_words(levels: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]] | None:
    """What a framework calls its levels, by code, {"pass": {"zh": …, "en": …}}; None where it calls them as everybody
    does, in words that the pages have in both languages."""
    named = [(str(one["code"]), one) for one in levels]
    if all(
        {key: one[key] for key in ("zh", "en") if one.get(key)} == {"zh": USUAL_WORDS.get(code)} for code, one in named
    ):
        return None
    return {code: words(one) for code, one in named}


class Validity(StrEnum):
    """What an item that is not core is judged to be (有效 / 无效); it is never graded."""

    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One evidence item of a point, as handed in and as judged.

    `level` is for core items, `is_valid` for the others; None means not marked yet. Both are meaningless while
    `is_present` is False.
    """

    key: str
    is_core: bool
    is_required: bool
    is_present: bool
    level: Level | None = None
    is_valid: bool | None = None


def item_level(
    marks: Mapping[str, Level],
    criteria: Collection[str],
    excellent_only: Collection[str] = (),
    weights: Mapping[str, int] = MappingProxyType({}),
) -> Level | None:
    """The level of a core item: a level needs every criterion of that level, so the lowest mark decides.

    `weights` (of a rubric that is not 2.0's): then the mean of the marks, each by its weight, decides instead: 合格
    from a mean of 1 on (all 合格, or what 优秀 makes up for), 优秀 from 1.5 on. A criterion that asks nothing for a
    pass counts as 1 or 2. Computed in whole numbers, so that nobody lands on the wrong side of a border by rounding.

    `criteria` are the keys of the item's criteria; marks under other keys are ignored. `excellent_only` are those of
    them that ask nothing for a pass: a mark below excellent there keeps the item from 优秀 but never from 合格.
    None while a mark is missing, and for an item without criteria.
    """
    if not criteria or any(key not in marks for key in criteria):
        return None
    levels = {key: max(marks[key], Level.PASS) if key in excellent_only else marks[key] for key in criteria}
    if not weights:
        return min(levels.values())
    total, whole = sum(weights[key] * level for key, level in levels.items()), sum(weights[key] for key in levels)
    if 2 * total >= 3 * whole:
        return Level.EXCELLENT
    return Level.PASS if total >= whole else Level.FAIL


def point_level(items: Iterable[ItemResult]) -> Level | None:
    """The level of a point from its items.

    - A required item that is missing, not valid or below pass fails the point; so does an optional core item that was
      handed in and is below pass ("any item under 合格 fails the point").
    - 优秀 only if every core item that was handed in is 优秀. An item that is not core never lifts the level.
    - An optional item that is absent is ignored. An optional item that is not core is ignored altogether: handed in
      but not valid, it counts as if it had not been handed in, since nobody had to.
    - None while a mark that can matter is missing, also when another item already fails: a reviewer or trainer who
      has not seen everything has not judged the point. None too when nothing was there to judge.
    """
    counted: list[Level] = []
    any_core = False
    for item in items:
        if not item.is_present:
            if item.is_required:
                counted.append(Level.FAIL)
            continue
        if item.is_core:
            if item.level is None:
                return None
            any_core = True
            counted.append(item.level)
        elif item.is_required:
            if item.is_valid is None:
                return None
            # A valid item allows any level; an invalid one counts as missing.
            counted.append(Level.EXCELLENT if item.is_valid else Level.FAIL)
    if not counted:
        return None
    lowest = min(counted)
    # Without a graded item nothing showed excellence.
    return lowest if any_core else min(lowest, Level.PASS)
