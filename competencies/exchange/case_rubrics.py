"""The criteria of a CASE package by the item of evidence that they judge."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from competencies.exchange.case_graph import Graph

_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WORDS = {"合格": "pass", "pass": "pass", "passes": "pass", "优秀": "excellent", "excellent": "excellent"}
_KNOWN = frozenset(
    {"identifier", "uri", "category", "description", "CFItemURI", "position", "rubricId", "lastChangeDateTime"}
    | {"CFRubricCriterionLevels"}
)


class Graded(NamedTuple):
    """One criterion: what it asks for 合格 (None: nothing) and for 优秀; `kept`: keys that we do not know."""

    path: str
    key: str
    position: int
    passes: str | None
    excels: str | None
    kept: dict[str, Any]


def graded_of(package: Mapping[str, Any], graph: Graph) -> dict[str, list[Graded]]:
    """Identifier of an item: its criteria by position. Faults go to the graph."""
    found: dict[str, list[Graded]] = {}
    rubrics = package.get("CFRubrics", [])
    for number, rubric in enumerate(rubrics if isinstance(rubrics, list) else []):
        path = f"CFRubrics[{number}]"
        criteria = rubric.get("CFRubricCriteria") if isinstance(rubric, dict) else None
        if not isinstance(criteria, list) or not criteria:
            graph.fault(path, "pack.rubric_without_levels")
            continue
        for place, criterion in enumerate(criteria):
            _criterion(f"{path}.CFRubricCriteria[{place}]", place, criterion, graph, found)
    for members in found.values():
        members.sort(key=lambda one: one.position)
    return found


def _criterion(path: str, place: int, criterion: Any, graph: Graph, found: dict[str, list[Graded]]) -> None:
    link = criterion.get("CFItemURI") if isinstance(criterion, dict) else None
    item = graph.text(f"{path}.CFItemURI", link, "identifier")
    if item is None:
        return
    if item not in graph.nodes:
        graph.fault(f"{path}.CFItemURI", "pack.unknown_item", item)
        return
    levels = criterion.get("CFRubricCriterionLevels")
    if not isinstance(levels, list) or not levels:
        graph.fault(path, "pack.rubric_without_levels")
        return
    told = _levels(path, levels, graph)
    if told is None:
        return
    members = found.setdefault(item, [])
    words = criterion.get("description")
    is_key = isinstance(words, str) and _KEY.fullmatch(words) is not None
    key = words if is_key else f"criterion_{len(members) + 1}"
    kept = {name: value for name, value in criterion.items() if name not in _KNOWN}
    if words and not is_key:
        kept["description"] = words
    position = criterion.get("position")
    order = position if isinstance(position, int) and not isinstance(position, bool) else place
    members.append(Graded(path, str(key), order, told.get("pass"), told.get("excellent"), kept))


def _levels(path: str, levels: list[Any], graph: Graph) -> dict[str, str] | None:
    """{"pass": text, "excellent": text}: by the words of their quality, else the higher of two by score or position."""
    texts: list[tuple[str, float, str]] = []
    for number, level in enumerate(levels):
        text = graph.text(f"{path}.CFRubricCriterionLevels[{number}]", level, "description")
        if text is None:
            return None
        rank = level.get("score", level.get("position"))
        is_number = isinstance(rank, int | float) and not isinstance(rank, bool)
        texts.append((str(level.get("quality", "")).strip().casefold(), rank if is_number else number, text))
    named = {_WORDS[quality]: text for quality, _rank, text in texts if quality in _WORDS}
    if len(named) == len(texts) and "excellent" in named:
        return named
    if len(texts) != 2 or named:
        graph.fault(f"{path}.CFRubricCriterionLevels", "pack.levels_unclear", " ".join(one[0] for one in texts))
        return None
    low, high = sorted(texts, key=lambda one: one[1])
    return {"pass": low[2], "excellent": high[2]}
