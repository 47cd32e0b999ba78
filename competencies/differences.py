"""What changed between two editions of a framework, thing by thing, for people to read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from competencies.languages import said, words

Sort = Literal["added", "dropped", "changed"]
Kind = Literal["point", "evidence", "criterion", "check", "environment", "dimension", "level", "framework"]
_Names = Mapping[tuple[str, str], Mapping[str, str]]
_Thing = Mapping[str, Any]

# Fields that a change is told of by name; words stand in {stem}_zh and {stem}_en.
_OF_POINT = ("environment", "dimension", "order")
_OF_ITEM = ("kind", "alt_kinds", "accept", "required", "core", "proposed", "source")
_LIMITS = ("max_minutes", "minutes_tolerance", "max_mb", "max_images", "max_files", "min_students")
_WORDS_OF_POINT = ("name", "question", "summary")
_GROUPS: tuple[Kind, ...] = ("environment", "dimension", "level")


@dataclass(frozen=True)
class Change:
    """One field that differs. Values are as the pack has them: words by language, lists, numbers, yes or no, None."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    """One thing that was added, dropped or changed.

    `has_more`: something differs beyond `changes` (keys that we do not know). `parts`: what hangs on it.
    """

    code: str
    name: Mapping[str, str]
    sort: Sort
    changes: tuple[Change, ...] = ()
    has_more: bool = False
    parts: tuple["Difference", ...] = ()
    kind: Kind = "point"

    @property
    def says_nothing(self) -> bool:
        """Whether only what it counts of itself differs."""
        return self.sort == "changed" and not (self.changes or self.has_more or self.parts)


_Compare = Callable[[_Thing, _Thing], Difference]


def differences(before: _Thing, after: _Thing) -> tuple[Difference, ...]:
    """Points that differ between two packs (as JSON), those that stayed or came in the new order, then the dropped.

    Things are the same where their code or key is; evidence and criteria of added and dropped points are not listed.
    """
    old_names, new_names = _names(before), _names(after)
    return tuple(
        _parted(
            before["points"], after["points"], "point", lambda old, new: _point(old, new, old_names, new_names), "code"
        )
    )


def head_changes(before: _Thing, after: _Thing) -> Difference | None:
    """What changed beside the points (title, notice, dimensions, words of the levels, …), or None. Numbers that a pack
    tells of itself follow from its points and are not told."""
    old, new = before["framework"], after["framework"]
    changes = [*_words_changes(old, new, ("title", "notice")), *_plain_changes(old, new, ("status", "languages"))]
    choice = [dict(one.get("selection_defaults", {})) for one in (old, new)]
    sets = [[" ".join(codes) for codes in one.pop("suggested_sets", [])] for one in choice]
    if sets[0] != sets[1]:
        changes.append(Change("suggested_sets", *sets))
    parts: list[Difference] = []
    for kind in _GROUPS:
        mine, theirs = ([_uncounted(one) for one in head[f"{kind}s"]] for head in (old, new))
        parts += _parted(mine, theirs, kind, partial(_worded, by="code", kind=kind), "code")
        changes += _order_change(mine, theirs, "code", f"{kind}_order")
    told = {"title_zh", "title_en", "notice_zh", "notice_en", "status", "selection_defaults", "counts"}
    told |= {"languages", "translations"}
    told |= {f"{kind}s" for kind in _GROUPS}
    outer = [{key: one for key, one in pack.items() if key not in {"framework", "points"}} for pack in (before, after)]
    has_more = choice[0] != choice[1] or outer[0] != outer[1] or _differ_beyond(old, new, told)
    has_more = has_more or ("counts" in old) != ("counts" in new)
    found = Difference(
        str(new["id"]), words(new, "title"), "changed", tuple(changes), has_more, tuple(parts), "framework"
    )
    return None if found.says_nothing else found


def _parted(
    old: Sequence[_Thing],
    new: Sequence[_Thing],
    kind: Kind,
    compare: _Compare,
    by: str = "key",
) -> Iterator[Difference]:
    """Members of two lists by their code: changed and added in the new order, then dropped."""
    known, now = {one[by]: one for one in old}, {one[by] for one in new}
    for one in new:
        if one[by] not in known:
            yield Difference(one[by], _name_of(one), "added", kind=kind)
        elif known[one[by]] != one:
            yield compare(known[one[by]], one)
    for one in old:
        if one[by] not in now:
            yield Difference(one[by], _name_of(one), "dropped", kind=kind)


def _point(old: _Thing, new: _Thing, old_names: _Names, new_names: _Names) -> Difference:
    changes = [*_words_changes(old, new, _WORDS_OF_POINT)]
    for change in _plain_changes(old, new, _OF_POINT):
        if change.field != "order":
            change = Change(change.field, old_names[change.field, change.before], new_names[change.field, change.after])
        changes.append(change)
    effort = [dict(one.get("effort", {})) for one in (old, new)]
    on_camera = [bool(one.pop("students_on_camera", False)) for one in effort]
    if on_camera[0] != on_camera[1]:
        changes.append(Change("students_on_camera", *on_camera))
    changes += _order_change(old["evidence"], new["evidence"], "key", "evidence_order")
    parts = tuple(_parted(old["evidence"], new["evidence"], "evidence", _item))
    told = {"code", "evidence", "effort", "translations", *_OF_POINT, *_both(_WORDS_OF_POINT)}
    # What a point costs follows from its evidence; where that is the same, somebody has typed another number.
    more = _differ_beyond(old, new, told) or (effort[0] != effort[1] and old["evidence"] == new["evidence"])
    more = more or not (changes or parts)
    return Difference(new["code"], _name_of(new), "changed", tuple(changes), more, parts)


def _item(old: _Thing, new: _Thing) -> Difference:
    changes = [*_words_changes(old, new, ("title",)), *_plain_changes(old, new, _OF_ITEM)]
    changes += _plain_changes(old["limits"], new["limits"], _LIMITS)
    changes += _said_changes(old, new, ("validity",))
    parts: list[Difference] = []
    of_check = partial(_worded, by="key", kind="check")
    hangs: tuple[tuple[str, Kind, _Compare], ...] = (
        ("criteria", "criterion", _criterion),
        ("checks", "check", of_check),
    )
    for name, kind, compare in hangs:
        mine, theirs = old.get(name, []), new.get(name, [])
        parts += _parted(mine, theirs, kind, compare)
        changes += _order_change(mine, theirs, "key", f"{name}_order")
    told = {"key", "criteria", "checks", "validity", "limits", "translations", *_OF_ITEM, *_both(("title",))}
    more = _differ_beyond(old["limits"], new["limits"], set(_LIMITS)) or _differ_beyond(old, new, told)
    more = more or not (changes or parts)
    return Difference(new["key"], _name_of(new), "changed", tuple(changes), more, tuple(parts), "evidence")


def _criterion(old: _Thing, new: _Thing) -> Difference:
    changes = _said_changes(old, new, ("pass", "excellent"))
    changes += _plain_changes(old, new, ("weight", "proposed", "source"))
    told = {"key", "levels", "weight", "proposed", "source", "translations"}
    more = _differ_beyond(old, new, told) or not changes
    return Difference(new["key"], _name_of(new), "changed", tuple(changes), more, kind="criterion")


def _worded(old: _Thing, new: _Thing, *, by: str, kind: Kind) -> Difference:
    """Of a thing that is just called something: a check, an environment, a dimension, a level."""
    changes = (Change("name", words(old), words(new)),) if words(old) != words(new) else ()
    more = _differ_beyond(old, new, {by, "zh", "en", "translations"})
    return Difference(new[by], _name_of(new), "changed", changes, more, kind=kind)


def _words_changes(old: _Thing, new: _Thing, stems: Sequence[str]) -> list[Change]:
    pairs = [(stem, words(old, stem), words(new, stem)) for stem in stems]
    return [Change(stem, first, second) for stem, first, second in pairs if first != second]


def _said_changes(old: _Thing, new: _Thing, fields: Sequence[str]) -> list[Change]:
    """Of fields whose words stand apart from the thing's own; None where it says nothing there."""
    pairs = [(field, said(old, field) or None, said(new, field) or None) for field in fields]
    return [Change(field, first, second) for field, first, second in pairs if first != second]


def _plain_changes(old: _Thing, new: _Thing, fields: Sequence[str]) -> list[Change]:
    return [Change(name, old.get(name), new.get(name)) for name in fields if old.get(name) != new.get(name)]


def _order_change(old: Sequence[_Thing], new: Sequence[_Thing], by: str, field: str) -> list[Change]:
    """Where things that stand in both lists stand in another order: all of the list, by name."""
    mine, theirs = [one[by] for one in old], [one[by] for one in new]
    if [one for one in mine if one in theirs] == [one for one in theirs if one in mine]:
        return []
    return [Change(field, [_name_of(one) for one in old], [_name_of(one) for one in new])]


def _differ_beyond(old: _Thing, new: _Thing, told: set[str]) -> bool:
    return {key: one for key, one in old.items() if key not in told} != {
        key: one for key, one in new.items() if key not in told
    }


def _uncounted(one: _Thing) -> _Thing:
    """An environment without the number of its points."""
    return {key: value for key, value in one.items() if key != "count"}


def _both(stems: Sequence[str]) -> list[str]:
    return [f"{stem}_{language}" for stem in stems for language in ("zh", "en")]


def _name_of(thing: _Thing) -> dict[str, str]:
    """Of a point, an item, a criterion (its words for 优秀, which it always has), or of what is called {zh, en}."""
    levels = thing.get("levels")
    graded = words(levels.get("excellent", {})) if isinstance(levels, Mapping) else {}
    return words(thing, "name") or words(thing, "title") or graded or words(thing)


def _names(pack: _Thing) -> _Names:
    """("environment" or "dimension", code): its name."""
    return {
        (kind, one["code"]): words(one)
        for kind in ("environment", "dimension")
        for one in pack["framework"][f"{kind}s"]
    }
