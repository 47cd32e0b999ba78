"""Whatever stands in a file: a pack or a refusal that says where, never a fault of ours."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from competencies import exchange
from competencies.pack import load_pack
from lms_plugin.errors import Refused
from tests.competencies import packs_made
from tests.competencies.test_exchange import EXAMPLE

LEAST = load_pack({**packs_made.least(), "points": [packs_made.point("A1", 1), packs_made.point("A2", 2)]})
OWN = json.loads(exchange.case_json(LEAST, "平安县", datetime(2026, 11, 22, tzinfo=UTC), is_draft=True))
OTHERS = {
    **EXAMPLE,
    "CFItems": [
        item
        for item in EXAMPLE["CFItems"]
        if item["CFItemType"] in {"environment", "dimension"}
        or item["humanCodingScheme"].startswith("A1-")
        or item["humanCodingScheme"] == "A1"
    ],
    "CFRubrics": EXAMPLE["CFRubrics"][:1],
}
TABLE = [exchange.heads(), *exchange.rows(LEAST)]
GONE = object()
REST = {"rest": {"code": [1], "evidence": 3, "levels": 4}, "criteria": {"fit": {"levels": 3}}}
NOTES = (
    {"nengli": {}},
    {"nengli": {"rest": [], "criteria": 3}},
    {"nengli": REST},
    {"nengli": {"framework": {"levels": 3, "environments": 1}, "file": {"points": 2}}},
)
VALUES = st.sampled_from([GONE, None, 0, 1.5, True, "", [], {}, [1], {"a": 1}, "x" * 600, "\u202e"]) | st.sampled_from(
    [json.dumps(one) for one in NOTES]
)
CELLS = st.sampled_from(
    [
        None,
        "",
        1,
        1.5,
        True,
        date(2026, 1, 1),
        "x",
        "=1",
        "…",
        "能力点",
        "材料",
        "评价标准",
        "文件",
        "标准",
        "等次",
        "续",
    ]
) | st.sampled_from(["{", "[]", '{"points":3}', '{"evidence":3,"checks":1}', '{"framework":3}', '{"levels":7}'])
PLACE = st.integers(0, 10**6)


def paths(whole: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document."""
    if above:
        yield above
    steps = whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ()
    for step, inner in steps:
        yield from paths(inner, (*above, step))


def is_told(read: Callable[[], object]) -> bool:
    """Whether reading gives a pack, or a refusal that names what is wrong."""
    try:
        read()
    except Refused as refused:
        problems = refused.params.get("problems", ())
        return refused.code != "pack.invalid" or (problems and all(one.code.startswith("pack.") for one in problems))
    return True


@pytest.mark.parametrize("base", [OWN, OTHERS], ids=["own", "others"])
@given(changes=st.lists(st.tuples(PLACE, VALUES), min_size=1, max_size=3))
def test_a_package_with_anything_anywhere(base: dict[str, Any], changes: list[tuple[int, Any]]) -> None:
    package = copy.deepcopy(base)
    for number, value in changes:
        places = list(paths(package))
        if not places:
            continue
        *above, last = places[number % len(places)]
        here: Any = package
        for step in above:
            here = here[step]
        if value is GONE:
            del here[last]
        else:
            here[last] = copy.deepcopy(value)
    assert is_told(lambda: exchange.read_case(package))


@given(st.lists(st.tuples(PLACE, PLACE, CELLS, st.sampled_from(["cell", "cell", "drop", "twice", "cut"])), max_size=4))
def test_a_table_with_anything_anywhere(changes: list[tuple[int, int, Any, str]]) -> None:
    rows: list[list[Any]] = copy.deepcopy(TABLE)
    for down, across, value, act in changes:
        at = down % len(rows)
        if act == "drop" and len(rows) > 1:
            del rows[at]
        elif act == "twice":
            rows.insert(at, list(rows[at]))
        elif act == "cut":
            rows[at] = rows[at][: across % 27]
        elif rows[at]:
            rows[at][across % len(rows[at])] = value
    assert is_told(lambda: exchange.read_table(rows))


def test_an_item_of_ours_without_its_code_is_named() -> None:
    for kind in ("environment", "dimension", "point", "evidence"):
        package = copy.deepcopy(OWN)
        index = next(n for n, item in enumerate(package["CFItems"]) if item["CFItemType"] == kind)
        del package["CFItems"][index]["humanCodingScheme"]
        with pytest.raises(Refused) as refused:
            exchange.read_case(package)
        found = {one.where: one.code for one in refused.value.params["problems"]}
        assert found[f"CFItems[{index}].humanCodingScheme"] == "pack.missing"
