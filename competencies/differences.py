"""What changed between two editions of a framework, thing by thing, for people to read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Sort = Literal["added", "dropped", "changed"]
_Names = Mapping[tuple[str, str], Mapping[str, str]]

# Fields that a change is told of by name; words stand in {stem}_zh and {stem}_en.
_OF_POINT = ("environment", "dimension", "order")
_OF_ITEM = ("kind", "alt_kinds", "accept", "required", "core", "proposed", "source")
_WORDS_OF_POINT = ("name", "question", "summary")


@dataclass(frozen=True)
class Change:
    """One field that differs. Values are as the pack has them: words {zh, en}, lists, numbers, yes or no, or None."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    """One thing that was added, dropped or changed: a point, an item of evidence, or a criterion.

    `has_more`: something differs beyond `changes` (checks, keys that we do not know). `parts`: what hangs on it.
    """

    code: str
    name: Mapping[str, str]
    sort: Sort
    changes: tuple[Change, ...] = ()
    has_more: bool = False
    parts: tuple["Difference", ...] = ()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Points that differ between two packs (as JSON), those that stayed or came in the new order, then the dropped.

    Things are the same where their code or key is; evidence and criteria of added and dropped points are not listed.
    """
    old_names, new_names = _names(before), _names(after)
    return tuple(
        _parted(before["points"], after["points"], "code", lambda old, new: _point(old, new, old_names, new_names))
    )


def head_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference | None:
    """What changed beside the points (title, notice, …), or None."""
    old, new = before["framework"], after["framework"]
    changes = [*_words_changes(old, new, ("title", "notice")), *_plain_changes(old, new, ("status",))]
    told = {"title_zh", "title_en", "notice_zh", "notice_en", "status"}
    rest = [{key: value for key, value in one.items() if key not in told} for one in (old, new)]
    outer = [
        {key: value for key, value in one.items() if key not in {"framework", "points"}} for one in (before, after)
    ]
    has_more = rest[0] != rest[1] or outer[0] != outer[1]
    if not changes and not has_more:
        return None
    return Difference(str(new["id"]), _words(new, "title_"), "changed", tuple(changes), has_more)


def _parted(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], by: str, compare: Any
) -> Iterator[Difference]:
    """Members of two lists by their code: changed and added in the new order, then dropped."""
    known, now = {one[by]: one for one in old}, {one[by] for one in new}
    for one in new:
        if one[by] not in known:
            yield Difference(one[by], _name_of(one), "added")
        elif known[one[by]] != one:
            yield compare(known[one[by]], one)
    for one in old:
        if one[by] not in now:
            yield Difference(one[by], _name_of(one), "dropped")


def _point(old: Mapping[str, Any], new: Mapping[str, Any], old_names: _Names, new_names: _Names) -> Difference:
    changes = [*_words_changes(old, new, _WORDS_OF_POINT)]
    for change in _plain_changes(old, new, _OF_POINT):
        if change.field != "order":
            change = Change(change.field, old_names[change.field, change.before], new_names[change.field, change.after])
        changes.append(change)
    parts = tuple(_parted(old["evidence"], new["evidence"], "key", _item))
    told = {"code", "evidence", *_OF_POINT, *_both(_WORDS_OF_POINT)}
    return Difference(new["code"], _name_of(new), "changed", tuple(changes), _differ_beyond(old, new, told), parts)


def _item(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    changes = [*_words_changes(old, new, ("title",)), *_plain_changes(old, new, _OF_ITEM)]
    changes += _plain_changes(old["limits"], new["limits"], ("max_minutes", "max_mb", "max_images", "max_files"))
    if old.get("validity") != new.get("validity"):
        changes.append(Change("validity", old.get("validity"), new.get("validity")))
    parts = tuple(_parted(old.get("criteria", []), new.get("criteria", []), "key", _criterion))
    told = {"key", "criteria", "validity", "limits", *_OF_ITEM, *_both(("title",))}
    more = _differ_beyond(old["limits"], new["limits"], {"max_minutes", "max_mb", "max_images", "max_files"})
    return Difference(
        new["key"], _name_of(new), "changed", tuple(changes), more or _differ_beyond(old, new, told), parts
    )


def _criterion(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    changes = _plain_changes(old["levels"], new["levels"], ("pass", "excellent"))
    changes += _plain_changes(old, new, ("proposed", "source"))
    told = {"key", "levels", "proposed", "source"}
    return Difference(new["key"], _name_of(new), "changed", tuple(changes), _differ_beyond(old, new, told))


def _words_changes(old: Mapping[str, Any], new: Mapping[str, Any], stems: Sequence[str]) -> list[Change]:
    pairs = [(stem, _words(old, f"{stem}_"), _words(new, f"{stem}_")) for stem in stems]
    return [Change(stem, first, second) for stem, first, second in pairs if first != second]


def _plain_changes(old: Mapping[str, Any], new: Mapping[str, Any], fields: Sequence[str]) -> list[Change]:
    return [Change(name, old.get(name), new.get(name)) for name in fields if old.get(name) != new.get(name)]


def _differ_beyond(old: Mapping[str, Any], new: Mapping[str, Any], told: set[str]) -> bool:
    return {key: one for key, one in old.items() if key not in told} != {
        key: one for key, one in new.items() if key not in told
    }


def _both(stems: Sequence[str]) -> list[str]:
    return [f"{stem}_{language}" for stem in stems for language in ("zh", "en")]


def _words(data: Mapping[str, Any], prefix: str) -> dict[str, str]:
    return {language: str(data[prefix + language]) for language in ("zh", "en") if data.get(prefix + language)}


def _name_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """Of a point, an item, or a criterion (its words for 优秀, which it always has)."""
    return _words(thing, "name_") or _words(thing, "title_") or _words(thing.get("levels", {}).get("excellent", {}), "")


def _names(pack: Mapping[str, Any]) -> _Names:
    """("environment" or "dimension", code): its name."""
    return {
        (kind, one["code"]): _words(one, "")
        for kind in ("environment", "dimension")
        for one in pack["framework"][f"{kind}s"]
    }
