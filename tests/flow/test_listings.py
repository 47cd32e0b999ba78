"""A sheet arranged by a layout: its headers are the layout's, its values those of the sheet as it comes."""

import io
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

import competencies
from lms_plugin.flow import sheets
from lms_plugin.flow.listings import Listing, arranged
from tests.fuzzing import times

FIELDS = {
    "name": sheets.Column("姓名"),
    "school": sheets.Column("学校"),
    "chosen": sheets.Column("已选点", kind="number"),
    "practice": sheets.Column("实践应用学时", kind="hours"),
    "hours": sheets.Column("学时合计", kind="hours"),
    "county": sheets.Column("县"),
}
USUAL = ("name", "school", "chosen", "practice")
ROWS = [
    ("=1+1", "希望小学", 3, 25_00, 30_50, "平安县"),
    ("陈晓芳", '=HYPERLINK("http://evil.example")', 0, 8_33, 8_33, ""),
    ("王秀兰", "平安小学", 1, None, 0, "平安县"),
]
ALWAYS = ("row", "programme", "unit", "today")
HEADS = st.sampled_from(["姓名", "单位名称", "@甲", "+1", "备注", "a"])


def listing() -> Listing:
    about = {"programme": "2026 年度", "unit": "平安县"}
    return Listing("people", "名单", FIELDS, USUAL, iter(ROWS), about, date(2026, 3, 7))


def written(*pages: sheets.Page) -> dict[str, list[list[Any]]]:
    target = io.BytesIO()
    sheets.write(target, pages)
    target.seek(0)
    assert b"<f>" not in target.getvalue()
    book = CalamineWorkbook.from_filelike(target)
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def layout(columns: list[dict[str, str]], **more: Any) -> competencies.layouts.Layout:
    return competencies.layouts.Layout.model_validate({"listing": "people", "columns": columns, **more})


def values(field: str, hours: str, at: int) -> Any:
    """What the sheet as it comes would hold in this field of this line, as a reader of workbooks gives it."""
    value = ROWS[at][list(FIELDS).index(field)]
    if value is None:
        return ""
    if FIELDS[field].kind != "hours":
        return value if isinstance(value, str) else float(value)
    return f"{value / 100:g}" if hours == "text" else value / 100


@settings(max_examples=times(50), deadline=None)
@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"head": HEADS, "field": st.sampled_from([*FIELDS, *ALWAYS])}),
            st.fixed_dictionaries({"head": HEADS, "text": st.sampled_from(["=cmd|'x'!A1", "2.0", "信息技术"])}),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(competencies.layouts.HOURS),
    st.integers(0, 3),
)
def test_any_known_fields_make_those_headers_with_the_same_values(
    columns: list[dict[str, str]], hours: str, above: int
) -> None:
    said = layout(columns, hours=hours, above=[f"第 {n} 行" for n in range(above)])
    (rows,) = written(arranged(listing(), said)).values()
    assert rows[above] == [one["head"] for one in columns]
    assert [row[0] for row in rows[:above]] == list(said.above)
    always = {"programme": "2026 年度", "unit": "平安县", "today": "2026-03-07"}
    for at, row in enumerate(rows[above + 1 :]):
        for one, cell in zip(columns, row, strict=True):
            field = one.get("field", "")
            if field in FIELDS:
                assert cell == values(field, hours, at), one
            elif field == "row":
                assert cell == at + 1
            else:
                assert cell == (always[field] if field else one["text"])
    assert len(rows) == above + 1 + len(ROWS)


def test_nothing_said_is_the_sheet_as_it_comes() -> None:
    ((name, rows),) = written(arranged(listing(), None)).items()
    assert (name, rows[0]) == ("名单", ["姓名", "学校", "已选点", "实践应用学时"])
    assert rows[1:] == [[values(field, "two", at) for field in USUAL] for at in range(len(ROWS))]


def test_title_sheet_and_days_are_as_the_layout_says() -> None:
    said = layout(
        [{"head": "日期", "field": "today"}],
        sheet="报送表",
        above=["[单位] [项目] 〔2026〕1 号 [别的]", "[日期]"],
        day="words",
    )
    pages = [arranged(listing(), said), arranged(listing(), said, name="不在名单上"), sheets.Page("报送表", (), ())]
    found = written(*pages)
    assert list(found) == ["报送表", "不在名单上", "报送表 2"]  # two sheets of one name would be no workbook
    assert found["报送表"][:4] == [
        ["平安县 2026 年度 〔2026〕1 号 [别的]"],
        ["2026年03月07日"],
        ["日期"],
        ["2026年03月07日"],
    ]
