"""The JSON columns of an archive hold what their readers need, or the archive is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column

from lms_plugin.db import Model
from lms_plugin.errors import Refused
from lms_plugin.flow import archive_shapes, archive_tables

NOTES = {
    "framework_event.details": "facts that differ by the kind of the event, which is another column",
    "programme_event.details": "likewise",
    "plan_event.manifest": "what was handed over, kept for the record",
}
"""Columns of which nothing more is looked at than that they hold facts by name, and why."""
MARK = {"level": 2, "reason": ""}


def json_columns() -> list[Column[Any]]:
    """All of them that stand in an archive."""
    return [
        one for each in archive_tables.tables() for one in archive_tables.columns(each) if archive_shapes.is_json(one)
    ]


def column(name: str) -> Column[Any]:
    table, one = name.split(".")
    return Model.metadata.tables[table].columns[one]


def comes_in(name: str, value: Any) -> bool:
    try:
        archive_shapes.read(column(name), value)
    except ValueError:
        return False
    return True


def test_each_column_has_a_shape_that_says_what_is_in_it() -> None:
    for one in json_columns():
        name = f"{one.table.name}.{one.name}"
        said = archive_shapes.closer(name) or str(archive_shapes.said_by_model(one.table.name, one.name))
        assert "Any" not in str(said) or name in NOTES, name
    assert len(json_columns()) > 50


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("person.absorbed_ids", [3, 4], ["3"]),
        ("person.absorbed_ids", [], None),
        ("competency_framework.title", {"zh": "标准"}, {"zh": 1}),
        ("tenant.cycle", None, {"from": "2026"}),
        ("competency_point.level_words", {"pass": {"zh": "达标"}}, {"pass": "达标"}),
        ("decision.marks", {"plan": {"fit": MARK}}, {"plan": {"fit": {**MARK, "level": 3}}}),
        ("decision.marks", {}, {"plan": {"fit": 2}}),
        ("decision.item_levels", {"plan": None, "clip": 1}, {"plan": "1"}),
        ("submission.ticks", {"plan": ["file_opens"]}, {"plan": "file_opens"}),
        ("submission.self_marks", {"plan": {"fit": 1}}, {"plan": {"fit": True}}),
        ("evidence.parts", {"grounded": "有"}, {"grounded": None}),
        ("certificate.hours", {"online": 5000}, {"sleep": 5000}),
        ("holiday_year.days_off", ["2026-10-01"], ["2026-10-32"]),
        ("school_plan.team", [{"name": "冯", "duty": "leader"}], [{"name": "冯", "duty": "king"}]),
        ("export_layout.content", None, {"listing": "no_such", "columns": []}),
        ("programme_policy.rules", {}, {"choice": {"required_points": "three"}}),
        ("programme_policy.rules", {"goal_percent": 80}, []),
        ("submission_version.manifest", {"items": [{"requirement": "plan", "pieces": [{"kind": "text"}]}]}, {}),
        ("stored_file.findings", [], [{"what": "name"}]),
        ("arrival.taken", {"blocks": [], "points": {"a:A1": "A1"}}, {"points": ["A1"]}),
        ("framework_version.confirmed_points", {"A1": {"by": 7, "at": "2026-11-02T01:00:00+00:00"}}, {"A1": 7}),
        ("competency_framework.title", {"zh": "标准\n二"}, {"zh": "标\0准"}),
        ("framework_event.details", {"count": 1.5}, {"count": float("nan")}),
        ("framework_event.details", {"words": ["𠮷"]}, {"words": [["\ud842"]]}),
    ],
)
def test_what_its_readers_need_comes_in_and_nothing_else(name: str, right: Any, wrong: Any) -> None:
    assert archive_shapes.read(column(name), right) is right
    assert not comes_in(name, wrong)


def test_the_refusal_names_the_column() -> None:
    table = Model.metadata.tables["choice_confirmation"]
    row = {one.name: _some_value(one) for one in archive_tables.columns(table)}
    with pytest.raises(Refused) as refused:
        archive_tables.read(table, {**row, "points": {"0": 1}})
    assert (refused.value.code, refused.value.params["table"]) == ("archive.row", "choice_confirmation.points")
    assert archive_tables.read(table, {**row, "points": [1]})["points"] == [1]


def _some_value(one: Column[Any]) -> Any:
    if archive_shapes.is_json(one):
        return []
    return {int: 1, bool: True, str: ""}.get(one.type.python_type, "2026-11-02T01:00:00.000000Z")


LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(st.characters(), max_size=5)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(st.characters(), max_size=3), ANYTHING, max_size=3))
def test_what_comes_in_can_be_kept_by_each_database_and_sent(value: dict[str, Any]) -> None:
    assert comes_in("framework_event.details", value) == _can_be_sent(value)


def _can_be_sent(value: Any) -> bool:
    try:
        said = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return b"\\u0000" not in said
