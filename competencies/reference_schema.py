"""The shape of a reference framework's file, and the rules between its fields.

A reference framework (参照框架) has items in a tree and nothing to hand in: no programme runs on it, points are mapped
to its items. Its original language is one of ours; a text in the other one is a translation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from competencies.pack import PackProblem, load_as, twice
from competencies.pack_schema import Code, Line, Text, _Part

SCHEMA = "reference-framework/0.1"
MOST_ITEMS = 20_000
"""Items of one reference framework: as many rows as a sheet may have."""
MOST_TOLD = 1000
MOST_STEPS = 20

ItemCode = Annotated[str, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://\S{1,490}$")]


class LevelDef(_Part):
    """A level that the framework itself names; nothing here is judged by it."""

    code: Code
    rank: int
    zh: Line | None = None
    en: Line | None = None


class ItemDef(_Part):
    """One item. `parent`: code of the item above it, none of the topmost; `kind`: what the framework calls such items;
    `source`: where its words come from, if not from what the framework's credit names."""

    code: ItemCode
    parent: ItemCode | None = None
    kind: Line = "item"
    zh: Text | None = None
    en: Text | None = None
    level: Code | None = None
    source: Line | None = None


class ReferenceDef(_Part):
    """Everything about a reference framework but its items. `short`: how a line names it; `licence`, `credit`: what
    must be said wherever its words are shown."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")]
    language: Literal["zh", "en"]
    title_zh: Line | None = None
    title_en: Line | None = None
    short: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    number: Line | None = None
    publisher: Line | None = None
    year: Annotated[int, Field(ge=1900, le=2200)] | None = None
    url: Address | None = None
    licence: Line | None = None
    licence_url: Address | None = None
    credit: Text | None = None
    notice_zh: Text | None = None
    notice_en: Text | None = None
    levels: list[LevelDef] = Field(default_factory=list, max_length=40)


class Reference(_Part):
    """A whole reference framework. Immutable: what is changed is another one with another hash."""

    schema_: Literal["reference-framework/0.1"] = Field(alias="schema")
    framework: ReferenceDef
    items: Annotated[list[ItemDef], Field(min_length=1, max_length=MOST_ITEMS)]

    def as_dict(self) -> dict[str, Any]:
        """As it was read, unknown keys included; `load_reference` of it gives the same."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def load_reference(data: bytes | str | Mapping[str, Any]) -> Reference:
    """Read and check a reference framework. Raises Refused as `pack.load_as`."""
    return load_as(data, Reference, _problems)


def _problems(whole: Reference) -> Iterator[PackProblem]:
    framework = whole.framework
    if getattr(framework, f"title_{framework.language}") is None:
        yield PackProblem(f"framework.title_{framework.language}", "pack.missing")
    for code in twice(level.code for level in framework.levels):
        yield PackProblem(f"framework.levels[{code}]", "pack.twice", code)
    for code in twice(item.code for item in whole.items)[:MOST_TOLD]:
        yield PackProblem(f"items[{code}]", "pack.twice", code)
    parents, levels = {item.code: item.parent for item in whole.items}, {level.code for level in framework.levels}
    for item in whole.items:
        where = f"items[{item.code}]"
        if getattr(item, framework.language) is None:
            yield PackProblem(f"{where}.{framework.language}", "pack.missing")
        if item.parent is not None and item.parent not in parents:
            yield PackProblem(f"{where}.parent", "pack.unknown_parent", item.parent)
        if item.level is not None and item.level not in levels:
            yield PackProblem(f"{where}.level", "pack.unknown_level", item.level)
    for code, turn in _cycles(parents):
        yield PackProblem(f"items[{code}].parent", "pack.cycle", turn)


def _cycles(parents: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Items that stand below themselves, one of each turn, with the way back (of a long one its last steps)."""
    done: set[str] = set()
    for start in parents:
        trail: dict[str, None] = {}
        here: str | None = start
        while here is not None and here in parents and here not in done and here not in trail:
            trail[here] = None
            here = parents[here]
        if here is not None and here in trail:
            turn = [*trail][[*trail].index(here) :]
            yield turn[-1], " → ".join([*turn[-MOST_STEPS:], here])
        done.update(trail)


def outline(items: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """The items as one reads them: each with how deep it stands (0 = topmost), those below it after it."""
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    for item in items:
        below.setdefault(item.get("parent"), []).append(item)
    found: list[tuple[int, Mapping[str, Any]]] = []
    waiting = [(0, item) for item in reversed(below.get(None, []))]
    while waiting:
        depth, item = waiting.pop()
        found.append((depth, item))
        waiting += [(depth + 1, child) for child in reversed(below.get(item["code"], []))]
    return found
