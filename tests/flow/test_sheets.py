"""Sheets that people send: judged by content, every fault with its place, nothing that could hurt the server."""

import io
import zipfile
from datetime import date

import hypothesis.strategies as st
import pytest
import strings
from hypothesis import given
from python_calamine import CalamineWorkbook

from lms_plugin import media
from lms_plugin.errors import Refused
from lms_plugin.flow import online_hours, roster, sheets
from tests.rosters import HEAD, workbook

ROW = ("甲某", "希望小学", "XW1", "小学", "语文")


def read(data: bytes) -> sheets.Table:
    return sheets.read(data, roster.HEADS, roster.NEEDED)


def refused(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read(data)
    return caught.value.code


def with_sheet(xml: str, name: str = "xl/worksheets/sheet1.xml") -> bytes:
    """A workbook whose sheet is that XML."""
    source, target = io.BytesIO(workbook([HEAD, ROW])), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, xml if member == name else old.read(member))
    return target.getvalue()


def claims(cells: str) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return with_sheet(f'<?xml version="1.0"?><worksheet xmlns="{space}"><sheetData>{cells}</sheetData></worksheet>')


def test_a_title_line_other_order_and_other_columns_are_fine() -> None:
    table = read(
        workbook(
            [
                ("平安县2026年名单",),
                (),
                ("备注", "工 号*", "姓名（必填）", "学科", "学段", "学校"),
                ("", 1001, "甲", "语文", "小学", "希望小学"),
            ]
        )
    )
    (line,) = table.lines
    assert line.row == 4
    assert [line.text(key) for key in ("staff_number", "name", "school")] == ["1001", "甲", "希望小学"]
    assert table.columns["staff_number"] == "B"
    assert table.ignored == ("备注",)
    assert table.problems == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_read_in_the_encodings_that_occur(encoding: str) -> None:
    text = "\r\n".join(",".join(row) for row in (HEAD, ROW))
    assert read(text.encode(encoding)).lines[0].text("name") == "甲某"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "sheet.empty_file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "sheet.not_a_sheet"),
        (b"%PDF-1.7 \xff\xfe", "sheet.not_a_sheet"),
        ("只是一句话".encode(), "sheet.not_a_sheet"),
        (b"PK\x03\x04nothing", "sheet.unreadable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "sheet.unreadable"),
        (b"x" * (sheets.MOST_BYTES + 1), "sheet.too_large"),
        (workbook([]), "sheet.no_header"),
        (workbook([HEAD]), "sheet.no_rows"),
        (workbook([("姓名", "姓名", "工号", "学段", "学科"), ROW]), "sheet.column_twice"),
        (workbook([HEAD[:3], ROW[:3]]), "sheet.columns_missing"),
        (("姓名,学校,工号,学段,学科\n" + "甲,乙,丙,小学,语文\n" * 30_000).encode(), "sheet.too_many_rows"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_a_zip_of_something_else() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr("word/document.xml", "<w/>")
    assert refused(target.getvalue()) == "sheet.not_a_sheet"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ('<row r="1048576"><c r="A1048576"><v>1</v></c></row>', "sheet.too_many_rows"),
        ('<row r="1"><c r="XFD1"><v>1</v></c></row>', "sheet.too_many_columns"),
        ("<row r='999999'><c><v>1</v></c></row>", "sheet.too_many_rows"),
        ('<row r="1"><c r="&#88;FD1048576"><v>1</v></c></row>', "sheet.unreadable"),
        ('<row r="1"><c r="A1"><v>', "sheet.unreadable"),
        ('<row r="1"><c r="A99999999"><v>1</v></c></row>', "sheet.unreadable"),
        ('<row r="1"><c r="AAAA1"><v>1</v></c></row>', "sheet.unreadable"),
        ('<row r="1"><c r=" A1048576"><v>1</v></c></row>', "sheet.unreadable"),
    ],
)
def test_claims_of_a_million_rows_are_refused_before_any_cell_is_built(cells: str, code: str) -> None:
    assert refused(claims(cells)) == code


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ('<row><c r="A1"><v>1</v></c><c 甲="1" r="E99999999"><v>1</v></c></row>', "sheet.unreadable"),
        ('<row r="20000"><c r="A20000"><v>1</v></c></row>' + "<row><c><v>1</v></c></row>" * 99, "sheet.too_many_rows"),
        (
            "<row>" + f'<c t="inlineStr"><is><t>{"甲" * 3000}</t></is></c>' * 190 + "</row>" + "<row/>" * 5,
            "sheet.no_header",
        ),
        (("<row>" + f'<c t="inlineStr"><is><t>{"甲" * 3000}</t></is></c>' * 190 + "</row>") * 40, "sheet.too_large"),
    ],
)
def test_cells_are_built_apart_within_limits_of_their_own(cells: str, code: str) -> None:
    """What the count of claims does not see: a sheet that takes all memory ends its reader, not us."""
    assert refused(claims(cells)) == code


def test_days_and_numbers_come_from_the_reader_as_they_were_typed() -> None:
    head = (*HEAD, "日期")
    (line,) = read(workbook([(), ("", *head), ("", *ROW[:2], 1001, *ROW[3:], date(2026, 11, 2))])).lines
    assert line.row == 3
    assert line.text("staff_number") == "1001"
    cells = media.first_sheet(workbook([(date(2026, 11, 2), 2.5, True, "甲")]), 10, 10).rows
    assert [sheets.as_day(cells[0][0]), *cells[0][1:]] == [date(2026, 11, 2), 2.5, True, "甲"]


def test_a_bomb_is_refused() -> None:
    assert refused(claims("<row>" + " " * (sheets.MOST_UNPACKED + 10) + "</row>")) == "sheet.too_large"


def test_formulas_merged_cells_and_lost_digits_are_named() -> None:
    rows = [HEAD, ("=cmd|' /C calc'!A0", *ROW[1:]), ("乙\u202e", *ROW[1:]), (*ROW[:2], 1234567890123456789, *ROW[3:])]
    found = {(one.row, one.column, one.code) for one in read(workbook(rows)).problems}
    assert found == {(2, "A", "sheet.formula"), (3, "A", "sheet.unprintable"), (4, "C", "sheet.digits_lost")}
    merged = read(workbook([HEAD, ROW, ROW], merge="B2:B3")).problems
    assert ("B", "sheet.merged") in {(one.column, one.code) for one in merged}
    assert read(workbook([("名单",), HEAD, ROW], merge="A1:E1")).problems == ()


def test_a_formula_is_read_as_its_value_and_never_run() -> None:
    table = read(workbook([HEAD, ROW], formula=(1, 0)))
    assert table.lines[0].text("name") in {"", "0"}


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-11-02", date(2026, 11, 2)),
        ("2026/1/2", date(2026, 1, 2)),
        ("2026年11月2日", date(2026, 11, 2)),
        ("20261102", date(2026, 11, 2)),
        (date(2026, 11, 2), date(2026, 11, 2)),
        ("2026-13-01", None),
        ("昨天", None),
        (45000, None),
    ],
)
def test_days(cell: object, day: date | None) -> None:
    assert sheets.as_day(cell) == day


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_whatever_is_written_comes_back_as_text(cells: list[str]) -> None:
    target = io.BytesIO()
    sheets.write(target, [sheets.Page("名单", [sheets.Column(str(n)) for n in range(len(cells))], [cells])])
    assert b"<f>" not in target.getvalue()
    rows = CalamineWorkbook.from_filelike(io.BytesIO(target.getvalue())).get_sheet_by_index(0).to_python()
    expected = ["".join(ch for ch in cell if ch.isprintable() or ch == "\n") for cell in cells]
    if any(expected):
        assert [str(value).strip() for value in rows[1]] == [text.strip() for text in expected]


@given(st.integers(min_value=0, max_value=20_000))
def test_column_letters(index: int) -> None:
    number = 0
    for character in sheets.letter(index):
        number = number * 26 + ord(character) - ord("A") + 1
    assert number - 1 == index


def test_the_english_template_is_understood_when_it_comes_back() -> None:
    """Headers and stages of a template are translated sentences: whatever English says, the import must know it."""
    english = {message.id: str(message.string) for message in strings.english() if message.id and message.string}
    for words in [*roster.HEADS.values(), *online_hours.HEADS.values()]:
        assert english.get(words[0], words[0]).casefold() in {word.casefold() for word in words}
    for stage in ("幼儿园", "小学", "初中", "高中", "中职", "特教"):
        said = english.get(stage, stage).casefold()
        assert (roster.STAGES.get(said) or roster.STAGES.get(said.split()[0])) is roster.STAGES[stage]
