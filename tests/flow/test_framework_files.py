"""A framework as bytes: four forms out, and every encoding that offices send in."""

import resource
import zipfile
from datetime import UTC, datetime
from io import BytesIO

import pytest
import xlsxwriter

import competencies
from lms_plugin import media
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import framework_files
from lms_plugin.media import zipped
from tests.competencies import packs_made
from tests.rosters import workbook

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHIPPED = competencies.packs.load("framework_2_0")
HASH = competencies.content_hash(SHIPPED)


def written(form: str) -> bytes:
    return framework_files.write(SHIPPED, form, "平安县", NOW, is_draft=False)


@pytest.mark.parametrize("form", list(framework_files.FORMS))
def test_every_form_comes_back_with_the_same_hash(form: str) -> None:
    assert competencies.content_hash(framework_files.read(written(form))) == HASH


def spoken() -> competencies.Pack:
    """The least pack in Uyghur and Mongolian, with the signs that those are written with."""
    pack = competencies.load_pack(packs_made.least()).as_dict()
    told = {"point:name": "ئەھۋال\u200cلار", "criterion:plan:fit:excellent": "=ئېنىق"}
    for tag, title in (("ug", "ئۆلچەم"), ("mn-Mong", "ᠰᠤᠷᠭᠠᠭᠤᠯᠢ\u202fᠶᠢᠨ ᠪᠠᠷᠢᠮᠵᠢᠶ\u180eᠠ")):
        pack = competencies.editing.translate(competencies.editing.add_language(pack, tag, title), tag, "A1", told)
    return competencies.load_pack(pack)


@pytest.mark.parametrize("form", list(framework_files.FORMS))
def test_further_languages_come_back_with_the_same_hash(form: str) -> None:
    data = framework_files.write(spoken(), form, "平安县", NOW, is_draft=False)
    assert competencies.content_hash(framework_files.read(data)) == competencies.content_hash(spoken())


def test_another_form_does_not_exist() -> None:
    with pytest.raises(NotFound):
        written("pdf")


def test_a_csv_that_excel_saved_in_gbk_is_the_same() -> None:
    text = written("csv").decode("utf-8-sig")
    assert competencies.content_hash(framework_files.read(text.encode("gb18030"))) == HASH
    pack = competencies.load_pack(packs_made.least())
    text = framework_files.write(pack, "csv", "", NOW, is_draft=True).decode("utf-8-sig")
    tabs = text.replace(",", "\t")
    for data in (text.encode("gbk"), tabs.encode("gbk")):
        assert competencies.content_hash(framework_files.read(data)) == competencies.content_hash(pack)


def test_json_in_another_encoding_is_named() -> None:
    with pytest.raises(Refused) as refused:
        framework_files.read(written("pack").decode().encode("gbk", "replace"))
    assert refused.value.code == "pack.not_utf8"


def least_rows() -> list[list[str]]:
    pack = competencies.load_pack(packs_made.least())
    return [competencies.exchange.heads(), *competencies.exchange.rows(pack)]


def faults(data: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(Refused) as refused:
        framework_files.read(data)
    return [(one.row, one.column, one.code) for one in refused.value.params["problems"]]


def test_a_formula_of_a_workbook_is_named_whatever_it_came_to() -> None:
    assert faults(workbook(least_rows(), formula=(8, 4))) == [(9, "E", "pack.cell_formula")]


def test_a_date_of_a_workbook_is_named() -> None:
    rows: list[list[object]] = [list(row) for row in least_rows()]
    rows[8][4] = NOW.replace(tzinfo=None)
    assert faults(workbook(rows)) == [(9, "E", "pack.cell_date")]


def test_formulas_of_sheets_that_are_not_read_do_not_count() -> None:
    target = BytesIO()
    book = xlsxwriter.Workbook(target)
    hidden, first, second = (book.add_worksheet() for _ in range(3))
    hidden.hide()
    first.activate()
    first.set_first_sheet()
    for sheet in (hidden, second):
        sheet.write_formula(2, 27, "=1+1")
    first.write_string(0, 0, "x")
    book.close()
    assert media.formula_cells(target.getvalue()) == set()
    assert media.formula_cells(b"a,b") == set()
    with pytest.raises(Refused, match=r"file\.broken"):
        media.formula_cells(target.getvalue()[:200])
    assert media.formula_cells(workbook([["x"]], formula=(2, 27))) == {(2, 27)}


def test_a_sheet_of_nothing_but_elements_stays_small() -> None:
    """Half a megabyte that unpacks to forty: no tree of it is kept."""
    target = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(workbook([["x"]], formula=(2, 27)))) as made,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in made.namelist():
            data = made.read(name)
            if name.endswith("sheet1.xml"):
                data = data.replace(b"</sheetData>", b"<x/>" * 1_000_000 + b"</sheetData>")
            packed.writestr(name, data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert media.formula_cells(target.getvalue()) == {(2, 27)}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_what_the_formulas_cannot_be_read_of_is_no_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is too large for us, though the reader of sheets took it."""
    monkeypatch.setattr(zipped.part, "__defaults__", (10,))
    with pytest.raises(Refused, match=r"sheet\.unreadable"):
        framework_files.read(workbook(least_rows()))
