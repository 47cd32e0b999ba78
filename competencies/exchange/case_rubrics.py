"""The criteria of a CASE package by the item of evidence that they judge."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from competencies.exchange.case_graph import Graph

_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WORDS = {"合格": "pass", "pass": "pass", "passes": "pass", "优秀": "excellent", "excellent": "excellent"}
_OF_RUBRIC = frozenset({"identifier", "uri", "title", "description", "lastChangeDateTime", "CFRubricCriteria"})
_OF_LEVEL = frozenset(
    {"identifier", "uri", "quality", "description", "score", "position", "rubricCriterionId", "lastChangeDateTime"}
)
_KNOWN = frozenset(
    {"identifier", "uri", "category", "description", "CFItemURI", "position", "rubricId", "lastChangeDateTime"}
    | {"CFRubricCriterionLevels"}
)


class _Speech(NamedTuple):
    """What a package calls its levels (word, "pass" or "excellent"); keys of a criterion that a pack holds."""

    words: Mapping[str, str]
    known: frozenset[str]


class Rubrics(NamedTuple):
    """Identifier of an item: its criteria by position; and what rubrics say of themselves that no place is for."""

    criteria: dict[str, list["Graded"]]
    kept: list[dict[str, Any]]


class Graded(NamedTuple):
    """One criterion: what it asks for 合格 (None: nothing) and for 优秀; `kept`: keys that we do not know."""

    path: str
    key: str
    position: int
    passes: str | None
    excels: str | None
    kept: dict[str, Any]


def rubrics_of(package: Mapping[str, Any], graph: Graph, called: Mapping[str, str] | None) -> Rubrics:
    """The rubrics of a package. `called`: what one that this product wrote calls its levels (word, "pass" or
    "excellent"), None for a package of others. Faults go to the graph."""
    told = _OF_RUBRIC if called is not None else _OF_RUBRIC - {"title", "description"}
    kept: list[dict[str, Any]] = []
    words = _WORDS | {word.casefold(): code for word, code in (called or {}).items()}
    speech = _Speech(words, _KNOWN if called is not None else _KNOWN - {"category"})
    found: dict[str, list[Graded]] = {}
    rubrics = package.get("CFRubrics", [])
    for number, rubric in enumerate(rubrics if isinstance(rubrics, list) else []):
        path = f"CFRubrics[{number}]"
        criteria = rubric.get("CFRubricCriteria") if isinstance(rubric, dict) else None
        if not isinstance(criteria, list) or not criteria:
            graph.fault(path, "pack.rubric_without_levels")
            continue
        more = {name: value for name, value in rubric.items() if name not in told}
        if more:
            kept.append({"identifier": rubric.get("identifier"), **more})
        for place, criterion in enumerate(criteria):
            _criterion(f"{path}.CFRubricCriteria[{place}]", place, criterion, graph, speech, found)
    for members in found.values():
        members.sort(key=lambda one: one.position)
    return Rubrics(found, kept)


def _criterion(
    path: str, place: int, criterion: Any, graph: Graph, speech: _Speech, found: dict[str, list[Graded]]
) -> None:
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
    told = _levels(path, levels, graph, speech.words)
    if told is None:
        return
    members = found.setdefault(item, [])
    said = criterion.get("description")
    is_key = isinstance(said, str) and _KEY.fullmatch(said) is not None
    key = said if is_key else f"criterion_{len(members) + 1}"
    kept = {name: value for name, value in criterion.items() if name not in speech.known}
    if said and not is_key:
        kept["description"] = said
    more = [_more(one, speech.words) for one in levels]
    if any(more):
        kept["CFRubricCriterionLevels"] = more
    position = criterion.get("position")
    order = position if isinstance(position, int) and not isinstance(position, bool) else place
    members.append(Graded(path, str(key), order, told.get("pass"), told.get("excellent"), kept))


def _more(level: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """What a level says that no place in a pack is for, its name too where that is not one of `words`."""
    more = {name: value for name, value in level.items() if name not in _OF_LEVEL}
    if level.get("quality") and _quality(level) not in words:
        more["quality"] = level["quality"]
    return more


def _quality(level: Mapping[str, Any]) -> str:
    return str(level.get("quality", "")).strip().casefold()


def _levels(path: str, levels: list[Any], graph: Graph, words: Mapping[str, str]) -> dict[str, str] | None:
    """{"pass": text, "excellent": text}: by the words of their quality, else the higher of two by score or position."""
    texts: list[tuple[str, float, str]] = []
    for number, level in enumerate(levels):
        text = graph.text(f"{path}.CFRubricCriterionLevels[{number}]", level, "description")
        if text is None:
            return None
        rank = level.get("score", level.get("position"))
        is_number = isinstance(rank, int | float) and not isinstance(rank, bool)
        texts.append((_quality(level), rank if is_number else number, text))
    named = {words[quality]: text for quality, _rank, text in texts if quality in words}
    if len(named) == len(texts) and "excellent" in named:
        return named
    if len(texts) != 2 or named:
        graph.fault(f"{path}.CFRubricCriterionLevels", "pack.levels_unclear", " ".join(one[0] for one in texts))
        return None
    low, high = sorted(texts, key=lambda one: one[1])
    return {"pass": low[2], "excellent": high[2]}
