"""A framework pack: the points, evidence and criteria of a competency framework as one JSON file.

Loading checks a pack whole and names every fault by its place ("points[A1].evidence[plan].criteria[fit]"). Keys that
this version does not know are kept, so that a pack survives a round trip and its hash covers all of it.
"""

import hashlib
import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from competencies import languages
from competencies.languages import words
from competencies.pack_schema import CountsDef, Pack, PointDef
from lms_plugin.errors import Refused

__all__ = ["SCHEMA", "Pack", "PackProblem", "parse", "load_pack", "load_as", "canonical", "content_hash", "words"]

SCHEMA = "competency-pack/0.2"
MOST_LEVELS = 40
"""Nesting of a pack file; the shipped one has 10."""
MOST_TOLD = 1000
"""Faults of one sort that are told of a file."""
LONGEST_STEP = 60
"""Characters of one key or code in the place of a fault."""


M = TypeVar("M", bound=BaseModel)


class Whole(Protocol):
    """Whatever has one canonical form: a pack, a reference framework."""

    def as_dict(self) -> dict[str, Any]:
        """As it was read, unknown keys included."""


class PackProblem(NamedTuple):
    """One fault: where it is, its code (`pack.…`), and what stood there or was expected, as short text.

    `row` and `column` ("E"): its cell, of a pack that was read from a table.
    """

    where: str
    code: str
    found: str = ""
    row: int = 0
    column: str = ""


def load_pack(data: bytes | str | Mapping[str, Any]) -> Pack:
    """Read and check a pack (JSON text in UTF-8, or already parsed). Raises Refused as `load_as`."""
    return load_as(data, Pack, _problems)


def load_as(data: bytes | str | Mapping[str, Any], model: type[M], rules: Callable[[M], Iterable[PackProblem]]) -> M:
    """Read a file and check it whole: its shape by `model`, then what types cannot say by `rules`.

    Raises Refused: `pack.not_utf8`, `pack.not_json` (line, column), `pack.key_twice` (key), `pack.number_not_finite`
    (found), `pack.too_deep`, and otherwise `pack.invalid` (where, count, problems) with all faults as PackProblem, the
    first one's place in `where`.
    """
    try:
        raw = parse(json.dumps(data) if isinstance(data, Mapping) else data)
    except RecursionError:
        raise Refused("pack.too_deep", most=MOST_LEVELS) from None
    if _depth(raw) > MOST_LEVELS:
        raise Refused("pack.too_deep", most=MOST_LEVELS)
    try:
        found = model.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(raw, one["loc"], one["type"], one.get("input")) for one in error.errors(include_url=False)]
    else:
        problems = [*itertools.islice(_text_problems(raw), MOST_TOLD), *rules(found)]
    if problems:
        unique = tuple(dict.fromkeys(problems))
        raise Refused("pack.invalid", where=unique[0].where, count=len(unique), problems=unique)
    return found


def canonical(pack: Whole) -> bytes:
    """The one byte form of a pack: JSON in UTF-8, keys sorted, no blanks, texts in NFC, whole numbers without point."""
    return json.dumps(
        _normal(pack.as_dict()), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def content_hash(pack: Whole) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits: equal for equal content, however the file was laid out."""
    return hashlib.sha256(canonical(pack)).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {_normal(key): _normal(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [_normal(one) for one in value]
    return value


def parse(data: bytes | str) -> Mapping[str, Any]:
    """A JSON object as it stands in a file. Raises Refused as `load_pack` does for what is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = Counter(unicodedata.normalize("NFC", key) for key, _ in pairs)
        twice = [key for key, number in keys.items() if number > 1]
        if twice:
            raise Refused("pack.key_twice", key=twice[0][:60])
        return dict(pairs)

    def no_constant(name: str) -> float:
        raise Refused("pack.number_not_finite", found=name)

    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        raw = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError:
        raise Refused("pack.not_utf8") from None
    except json.JSONDecodeError as error:
        raise Refused("pack.not_json", line=error.lineno, column=error.colno) from None
    except (RecursionError, ValueError):
        # Nested beyond reason, or a number of thousands of digits.
        raise Refused("pack.not_json", line=1, column=1) from None
    if not isinstance(raw, dict):
        raise Refused("pack.not_json", line=1, column=1)
    return raw


def _depth(raw: Any) -> int:
    depth, layer = 0, [raw]
    while layer:
        depth += 1
        inner = [
            value.values() if isinstance(value, dict) else value for value in layer if isinstance(value, dict | list)
        ]
        layer = [one for values in inner for one in values]
    return depth


def _problem(raw: Any, loc: Sequence[int | str], kind: str, found: Any) -> PackProblem:
    """A pydantic error as a fault with a place in the words of the pack."""
    code = {
        "missing": "pack.missing",
        "literal_error": "pack.not_a_choice",
        "string_pattern_mismatch": "pack.bad_code",
        "too_short": "pack.too_few",
        "too_long": "pack.too_many",
        "string_too_short": "pack.empty",
        "string_too_long": "pack.text_too_long",
        "greater_than": "pack.out_of_range",
        "greater_than_equal": "pack.out_of_range",
        "less_than_equal": "pack.out_of_range",
    }.get(kind, "pack.wrong_type")
    if code in {"pack.too_few", "pack.too_many"} and tuple(loc) == ("framework", "levels"):
        code = "pack.levels_wrong"
    shown = "" if code == "pack.missing" or isinstance(found, list | dict) else str(found)[:60]
    return PackProblem(_place(raw, loc), code, shown)


def _place(raw: Any, loc: Sequence[int | str]) -> str:
    """ "points[A1].evidence[plan].kind": list members by code or key where they have one, else by number from 0."""
    place, here = "", raw
    for step in loc:
        if isinstance(here, Mapping) and step in here:
            here = here[step]
            place += f".{_cut(step)}" if place else _cut(step)
        elif isinstance(step, int) and isinstance(here, list) and step < len(here):
            here = here[step]
            name = (here.get("code") or here.get("key")) if isinstance(here, Mapping) else None
            place += f"[{_cut(name) if isinstance(name, str) and name else step}]"
        elif step == loc[-1] and isinstance(here, Mapping):
            place += f".{_cut(step)}" if place else _cut(step)  # the missing key itself
        # Otherwise the step names a member of a union: no place in the file.
    return place


# What no text of a pack may hold: control characters (NUL …) and marks that turn the direction of writing.
_HOSTILE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _cut(step: int | str) -> str:
    return str(step)[:LONGEST_STEP]


def _text_problems(raw: Any, loc: tuple[int | str, ...] = (), top: Any = None) -> Iterator[PackProblem]:
    top = raw if top is None else top
    if isinstance(raw, str):
        if _HOSTILE.search(raw):
            yield PackProblem(_place(top, loc), "pack.hostile_character")
    elif isinstance(raw, Mapping):
        for key, value in raw.items():
            if not isinstance(key, str) or _HOSTILE.search(key):
                yield PackProblem(_place(top, loc), "pack.hostile_character")
            else:
                yield from _text_problems(value, (*loc, key), top)
    elif isinstance(raw, list):
        for number, value in enumerate(raw):
            yield from _text_problems(value, (*loc, number), top)


def twice(values: Iterable[Hashable]) -> list[str]:
    """Those that stand there more than once, as text."""
    return [str(value) for value, number in Counter(values).items() if number > 1]


NORM_2_0 = "cn-ict-2.0"
"""How ids of frameworks that are project 2.0's own begin: there a level is a minimum, never a sum (competency.md 2.1).
A district that takes them as a framework of its own answers for what it makes of them."""


def _problems(pack: Pack) -> Iterator[PackProblem]:
    """What types cannot say: names that must be unique or known, and rules between fields."""
    framework = pack.framework
    if {(level.code, level.rank) for level in framework.levels} != {("excellent", 2), ("pass", 1), ("fail", 0)}:
        yield PackProblem("framework.levels", "pack.levels_wrong")
    lists: list[tuple[str, list[str]]] = [
        ("framework.environments", [one.code for one in framework.environments]),
        ("framework.dimensions", [one.code for one in framework.dimensions]),
        ("points", [one.code for one in pack.points]),
    ]
    for where, codes in lists:
        for code in twice(codes):
            yield PackProblem(f"{where}[{code}]", "pack.twice", code)
    for order in twice(point.order for point in pack.points):
        yield PackProblem("points", "pack.order_twice", order)
    known = {point.code for point in pack.points}
    for number, suggested in enumerate(framework.selection_defaults.suggested_sets):
        for code in suggested:
            if code not in known:
                yield PackProblem(f"framework.selection_defaults.suggested_sets[{number}]", "pack.unknown_point", code)
    is_weighted = framework.scoring.rule == "weighted"
    if is_weighted and framework.id.startswith(NORM_2_0):
        yield PackProblem("framework.scoring.rule", "pack.weights_not_allowed", framework.id)
    for point in pack.points:
        where = f"points[{point.code}]"
        if point.environment not in {one.code for one in framework.environments}:
            yield PackProblem(f"{where}.environment", "pack.unknown_environment", point.environment)
        if point.dimension not in {one.code for one in framework.dimensions}:
            yield PackProblem(f"{where}.dimension", "pack.unknown_dimension", point.dimension)
        yield from _evidence_problems(where, point)
        yield from _weight_problems(where, point, is_weighted)
    for fault in languages.problems(pack.as_dict()):
        yield PackProblem(*fault)
    if framework.counts is not None:
        yield from _count_problems(pack, framework.counts)


def _evidence_problems(where: str, point: PointDef) -> Iterator[PackProblem]:
    for key in twice(item.key for item in point.evidence):
        yield PackProblem(f"{where}.evidence[{key}]", "pack.twice", key)
    if not any(item.core and item.required for item in point.evidence):
        # Without a graded item that must be there no level of the point could be told.
        yield PackProblem(f"{where}.evidence", "pack.no_core_item")
    for item in point.evidence:
        place = f"{where}.evidence[{item.key}]"
        for key in twice(criterion.key for criterion in item.criteria):
            yield PackProblem(f"{place}.criteria[{key}]", "pack.twice", key)
        if item.core and not item.criteria:
            yield PackProblem(f"{place}.criteria", "pack.core_without_criteria")
        if item.core and item.validity is not None:
            yield PackProblem(f"{place}.validity", "pack.core_with_validity")
        if not item.core and item.criteria:
            yield PackProblem(f"{place}.criteria", "pack.not_core_with_criteria")
        if not item.core and item.validity is None:
            yield PackProblem(f"{place}.validity", "pack.not_core_without_validity")
        if not item.accept and not {item.kind, *item.alt_kinds} & {"text", "link"}:
            yield PackProblem(f"{place}.accept", "pack.nothing_accepted")
        for criterion in item.criteria:
            if criterion.excellent_only != (criterion.levels.pass_ is None):
                yield PackProblem(f"{place}.criteria[{criterion.key}].levels.pass", "pack.excellent_only_wrong")


def _weight_problems(where: str, point: PointDef, is_weighted: bool) -> Iterator[PackProblem]:
    """Weights only where the framework says that they count; then an item has them all or none."""
    for item in point.evidence:
        weights = [criterion.weight for criterion in item.criteria]
        if any(weight is not None for weight in weights):
            place = f"{where}.evidence[{item.key}].criteria"
            if not is_weighted:
                yield PackProblem(place, "pack.weights_not_allowed")
            elif None in weights:
                yield PackProblem(place, "pack.weight_missing")


def _count_problems(pack: Pack, said: CountsDef) -> Iterator[PackProblem]:
    items = [item for point in pack.points for item in point.evidence]
    held = {
        "points": len(pack.points),
        "evidence_items": len(items),
        "graded_items": sum(item.core for item in items),
        "criteria": sum(len(item.criteria) for item in items),
    }
    for name, number in held.items():
        if getattr(said, name) != number:
            yield PackProblem(f"framework.counts.{name}", "pack.count_wrong", str(number))
