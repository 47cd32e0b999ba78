"""A framework as rows of text cells, for CSV and workbooks."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from competencies.exchange.columns import CONTINUED, REFERENCE_HEADS, REFERENCE_KINDS, Kind, heads_with, kinds_with
from competencies.exchange.fields import LONGEST_CELL, as_cell, split
from competencies.pack import Pack
from competencies.reference_schema import Reference


def heads(pack: Pack | Reference | None = None) -> list[str]:
    """The header: each column in both languages, the same in every file of a standard, but for columns of its further
    languages, and of a reference framework."""
    return [f"{zh} {en}" for zh, en in (REFERENCE_HEADS if isinstance(pack, Reference) else heads_of(pack)).values()]


def heads_of(pack: Pack | None) -> dict[str, tuple[str, str]]:
    """The columns of a standard."""
    return heads_with(pack.framework.languages if pack is not None else ())


def rows(pack: Pack | Reference) -> Iterator[list[str]]:
    """One row of text cells for each thing of the pack, in its order. Read back by `read_table` it is the same pack."""
    if isinstance(pack, Reference):
        yield from _reference_rows(pack)
    else:
        yield from _pack_rows(pack)


def _reference_rows(reference: Reference) -> Iterator[list[str]]:
    whole = reference.as_dict()
    framework, items = whole.pop("framework"), whole.pop("items")
    levels = _taken(framework, "levels")
    for kind, members in (("file", [whole]), ("framework", [framework]), ("level", levels), ("item", items)):
        for one in members:
            told, rest = split(one, REFERENCE_KINDS[kind].fields)
            yield from _laid_out(REFERENCE_HEADS, {"row": REFERENCE_KINDS[kind].zh, **told}, rest)


def _pack_rows(pack: Pack) -> Iterator[list[str]]:
    whole = pack.as_dict()
    framework, points = whole.pop("framework"), whole.pop("points")
    table = _Table(heads_of(pack), kinds_with(pack.framework.languages))
    yield from table.row("file", whole)
    parts = {name: _taken(framework, name) for name in ("levels", "environments", "dimensions")}
    yield from table.row("framework", framework)
    for kind, name in (("level", "levels"), ("environment", "environments"), ("dimension", "dimensions")):
        for one in parts[name]:
            yield from table.row(kind, one)
    for point in points:
        evidence = _taken(point, "evidence")
        yield from table.row("point", point)
        for item in evidence:
            checks, criteria = _taken(item, "checks"), _taken(item, "criteria")
            yield from table.row("evidence", item, point["code"])
            for check in checks:
                yield from table.row("check", check, point["code"], item["key"])
            for criterion in criteria:
                yield from table.row("criterion", criterion, point["code"], item["key"])


def _taken(whole: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list that has rows of its own; an empty one has none and stays where it is."""
    return whole.pop(name) if whole.get(name) else []


class _Table(NamedTuple):
    """The columns of a file, and where the cells of each kind of row stand in the pack."""

    heads: Mapping[str, tuple[str, str]]
    kinds: Mapping[str, Kind]

    def row(self, kind: str, whole: Mapping[str, Any], point: str = "", item: str = "") -> Iterator[list[str]]:
        """The row of a thing."""
        told, rest = split(whole, self.kinds[kind].fields)
        yield from _laid_out(self.heads, {"row": self.kinds[kind].zh, "point": point, "item": item, **told}, rest)


def _laid_out(columns: Mapping[str, Any], told: Mapping[str, str], rest: Mapping[str, Any]) -> Iterator[list[str]]:
    """The row, and below it what its last cell cannot hold."""
    text = as_cell(rest)
    first, parts = (text, []) if len(text) <= LONGEST_CELL else ("", _parts(text))
    yield [{**told, "rest": first}.get(name, "") for name in columns]
    for part in parts:
        yield [{"row": CONTINUED.zh, "rest": part}.get(name, "") for name in columns]


def _parts(text: str) -> list[str]:
    """Pieces between … and …, so that no blank at an end is lost."""
    size = LONGEST_CELL - 2
    return [f"…{text[start : start + size]}…" for start in range(0, len(text), size)]
