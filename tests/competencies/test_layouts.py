"""导出表样: what may be said of a sheet's columns, what is refused and where, and that files and forms lose nothing."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from competencies import layouts, provinces
from competencies.layouts import Layout, LayoutColumn
from lms_plugin.errors import Refused

NAMES = {"name": "姓名", "school": "学校", "hours": "学时合计", "result": "结果"}
WORDS = st.text(st.sampled_from("姓名学校 a1.-'“”\"[]（）"), max_size=12).map(lambda text: " ".join(text.split()))
COLUMNS = st.one_of(
    st.builds(LayoutColumn, head=WORDS.filter(bool), field=st.sampled_from(list(NAMES))),
    st.builds(LayoutColumn, head=WORDS.filter(bool), text=WORDS),
)
LAYOUTS = st.builds(
    Layout,
    listing=st.just("people"),
    sheet=st.sampled_from(["", "报送表", "a b"]),
    above=st.lists(WORDS, max_size=layouts.MOST_ABOVE).map(tuple),
    day=st.sampled_from(list(layouts.DAYS)),
    hours=st.sampled_from(layouts.HOURS),
    columns=st.lists(COLUMNS, min_size=1, max_size=8).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(LAYOUTS)
def test_forms_and_files_give_back_what_was_said(layout: Layout) -> None:
    typed = layouts.of_lines(layouts.as_lines(layout.columns, NAMES), {name: code for code, name in NAMES.items()})
    assert tuple(LayoutColumn.model_validate(one) for one in typed) == layout.columns
    assert layouts.of_file(layouts.as_file([layout])) == ([layout], [])
    file = {**provinces.load("sichuan").model_dump(), "exports": json.loads(layouts.as_file([layout]))["exports"]}
    province = provinces.SettingsFile.model_validate(file)
    assert layouts.as_file(province.exports) == layouts.as_file([layout])


def test_a_header_row_of_another_sheet_is_pasted_and_gone_on_from() -> None:
    typed = layouts.of_lines(
        '姓 名\t单位 ＝ 学校\t\t国籍 = “中国”\r\n空列=""\n身份证号', {"姓名": "name", "学校": "school"}
    )
    assert typed == [
        {"head": "姓 名", "field": "name"},
        {"head": "单位", "field": "school"},
        {"head": "国籍", "text": "中国"},
        {"head": "空列", "text": ""},
        {"head": "身份证号", "field": "身份证号"},
    ]
    (fault,) = layouts.faults_of({"listing": "people", "columns": typed})
    assert (fault.row, fault.code, fault.params) == (5, "layout.field_unknown", {"found": "身份证号"})


ONE = {"head": "姓名", "field": "name"}


@pytest.mark.parametrize(
    ("change", "row", "code"),
    [
        ({"listing": "salaries"}, 0, "listing_unknown"),
        ({"columns": []}, 0, "no_columns"),
        ({"columns": None}, 0, "no_columns"),
        ({"columns": [ONE] * 81}, 0, "too_many"),
        ({"columns": [ONE, {"head": "", "field": "name"}]}, 2, "head"),
        ({"columns": [ONE, {"head": "甲\n乙", "field": "name"}]}, 2, "head"),
        ({"columns": [ONE, {"head": "甲=乙", "field": "name"}]}, 2, "head_sign"),
        ({"columns": [{"head": "分", "field": "points_full"}]}, 1, "field_unknown"),  # of another listing
        ({"columns": [{"head": "甲", "field": "name", "text": "乙"}]}, 1, "column_form"),
        ({"columns": ["姓名"]}, 1, "column_form"),
        ({"columns": [{**ONE, "width": 3}]}, 1, "column_form"),
        ({"columns": [{"head": "甲", "text": "长" * 301}]}, 1, "text"),
        ({"sheet": "a/b"}, 0, "sheet_name"),
        ({"sheet": "History"}, 0, "sheet_name"),
        ({"sheet": "长" * 32}, 0, "sheet_name"),
        ({"above": ["甲"] * 6}, 0, "above_many"),
        ({"above": ["\0"]}, 0, "above_line"),
        ({"day": "us"}, 0, "form_unknown"),
        ({"hours": ["two"]}, 0, "form_unknown"),
        ({"colour": "red"}, 0, "strange"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(change: dict[str, Any], row: int, code: str) -> None:
    content = {"listing": "people", "columns": [ONE], **change}
    assert [(fault.row, fault.code) for fault in layouts.faults_of(content)] == [(row, f"layout.{code}")]
    found, faults = layouts.of_file(json.dumps({"exports": [content]}).encode())
    assert not found
    assert [fault.code for fault in faults] == [f"layout.{code}"]
    with pytest.raises(ValidationError):
        Layout.model_validate(content)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b'{"exports": []}', b'{"exports": [1]}', b"[" * 9000])
def test_what_is_no_file_of_layouts_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match=r"layout\.no_file"):
        layouts.of_file(data)


def test_one_listing_stands_in_a_file_once() -> None:
    one = {"listing": "people", "columns": [ONE]}
    found, (fault,) = layouts.of_file(json.dumps({"exports": [one, one]}).encode())
    assert (found, fault.code, fault.listing) == ([], "layout.listing_twice", "people")
