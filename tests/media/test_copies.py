"""Every byte that an anonymous reviewer receives is searched for the author."""

import contextlib
import re
import tempfile
import zipfile
from pathlib import Path

import pikepdf
import pytest
import python_calamine
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lms_plugin import media
from lms_plugin.errors import Refused
from lms_plugin.media import boxes
from tests.media.unpacking import named_in

FILES = Path(__file__).parent.parent / "files"
NEEDLES = ("王秀兰", "QH20240017", "青禾县第一小学", "WXL", "PhoneMaker", "00AB12CD")


def leaks(data: bytes) -> set[str]:
    return named_in(data, NEEDLES)


def copied(name: str, folder: Path) -> tuple[media.Copy, Path]:
    found = media.inspect(FILES / name, name)
    target = folder / "copy"
    return media.reviewer_copy(FILES / name, target, found.mime, found.extension), target


@pytest.mark.parametrize(
    ("name", "must_leak"),
    [
        ("lesson.doc", True),
        ("lesson_ole.wps", True),
        ("reflection.pdf", True),
        ("photo.jpg", True),
        ("photo.png", True),
        ("photo.heic", True),
        ("lesson.mp4", True),
        ("lesson.mov", True),
        ("lesson_hevc.mp4", True),
        ("lesson.webm", True),
        ("talk.m4a", True),
        ("talk.mp3", True),
        ("talk.wav", True),
        ("lesson_zip.wps", False),
    ],
)
def test_no_byte_names_the_author(name: str, must_leak: bool, tmp_path: Path) -> None:
    original = (FILES / name).read_bytes()
    assert bool(leaks(original) - {"00AB12CD"}) == must_leak
    copy, target = copied(name, tmp_path)
    assert leaks(target.read_bytes()) == set()
    assert (FILES / name).read_bytes() == original
    again = media.inspect(target, f"作业 1.{copy.extension}")
    before = media.inspect(FILES / name, name)
    assert again.ok, again.problem
    assert {k: v for k, v in again.properties.items() if v.strip()} == {}
    assert (again.pages, again.duration_seconds) == (before.pages, before.duration_seconds)
    assert (again.width, again.height) == (before.width, before.height)
    assert again.mime == copy.mime


@pytest.mark.parametrize("name", ["lesson.docx", "slides.pptx", "sheet.xlsx"])
def test_what_is_written_on_the_page_stays_and_all_else_goes(name: str, tmp_path: Path) -> None:
    copy, target = copied(name, tmp_path)
    assert media.document_text(target, copy.mime).split() == media.document_text(FILES / name, copy.mime).split()
    assert len(media.document_blocks(target, copy.mime)) == len(media.document_blocks(FILES / name, copy.mime))
    media.redact_document(target, tmp_path / "bare", copy.mime, ["王秀兰", "QH20240017", "青禾县第一小学"])
    assert leaks((tmp_path / "bare").read_bytes()) == set()  # so only the visible text had held it
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert not names & {"word/people.xml", "docProps/custom.xml", "docProps/thumbnail.jpeg"}
    found = media.inspect(target, f"a.{copy.extension}")
    assert dict(found.properties) == {}


def with_embedded(folder: Path, *names: str) -> Path:
    """A document in which these files lie as objects."""
    made = folder / "with.docx"
    with zipfile.ZipFile(FILES / "plain.docx") as plain, zipfile.ZipFile(made, "w") as archive:
        for entry in plain.infolist():
            archive.writestr(entry, plain.read(entry))
        for number, name in enumerate(names):
            archive.writestr(f"word/embeddings/oleObject{number}{Path(name).suffix}", (FILES / name).read_bytes())
    return made


def test_what_no_copy_can_hold_is_counted(tmp_path: Path) -> None:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert media.left_out(with_embedded(tmp_path, "sheet.xls", "slides.ppt", "sheet.xlsx", "lesson.doc"), kind) == 2
    for name in ("plain.docx", "lesson.docx"):
        assert media.left_out(FILES / name, kind) == 0
    assert media.left_out(FILES / "reflection.pdf", "application/pdf") == 0


def test_embedded_files_are_made_anonymous_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(FILES / "lesson.docx") as archive:
        assert leaks(archive.read("word/embeddings/sheet.xlsx"))
        assert leaks(archive.read("word/embeddings/oleObject1.bin"))
    _copy, target = copied("lesson.docx", tmp_path)
    with zipfile.ZipFile(target) as archive:
        assert leaks(archive.read("word/embeddings/oleObject1.bin")) == set()
        sheet = archive.read("word/embeddings/part1.xlsx")  # not what its author called it
    (tmp_path / "sheet.xlsx").write_bytes(sheet)
    found = media.inspect(tmp_path / "sheet.xlsx", "sheet.xlsx")
    assert found.ok
    assert dict(found.properties) == {}
    assert "王秀兰 辅导" in media.document_text(
        tmp_path / "sheet.xlsx", found.mime
    )  # content is the author's own affair


def test_the_anonymous_docx_points_nowhere_wrong(tmp_path: Path) -> None:
    _copy, target = copied("lesson.docx", tmp_path)
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist())
        types = archive.read("[Content_Types].xml").decode()
        assert "people.xml" not in types
        assert "custom.xml" not in types
        assert b"people.xml" not in archive.read("word/_rels/document.xml.rels")
        assert b"thumbnail" not in archive.read("_rels/.rels")
        document = archive.read("word/document.xml").decode()
        comments = archive.read("word/comments.xml").decode()
    assert "rsid" not in document
    assert 'w:author=""' in document
    assert "这里再想想" in comments
    assert "2026-03-14" not in document + comments
    assert "word/media/image1.jpeg" in names


@pytest.mark.parametrize("name", ["lesson.mp4", "lesson.mov", "lesson_hevc.mp4", "talk.m4a"])
def test_no_byte_of_film_moves(name: str, tmp_path: Path) -> None:
    _copy, target = copied(name, tmp_path)
    before, after = (FILES / name).read_bytes(), target.read_bytes()
    assert len(before) == len(after)
    at = before.index(b"mdat")
    size = int.from_bytes(before[at - 4 : at], "big")
    assert before[at - 4 : at - 4 + size] == after[at - 4 : at - 4 + size]
    assert b"\xa9nam" not in after
    assert b"udta" not in after


def test_a_track_of_places_is_blanked_with_its_samples(tmp_path: Path) -> None:
    """Action cameras keep GPS in a track of its own; the sound track is relabelled to play that part."""
    source = tmp_path / "gps.mov"
    before = (FILES / "lesson.mov").read_bytes().replace(b"mhlrsoun", b"mhlrmeta")
    source.write_bytes(before)
    media.reviewer_copy(source, tmp_path / "copy", "video/quicktime", "mov")
    after = (tmp_path / "copy").read_bytes()
    found = media.inspect(tmp_path / "copy", "a.mov")
    assert (found.ok, found.duration_seconds, found.width) == (True, 3.0, 320)
    assert len(before) == len(after)
    assert b"mp4a" in before
    assert b"mp4a" not in after
    at = before.index(b"mdat") + 4
    end = at + int.from_bytes(before[at - 8 : at - 4], "big") - 8
    same = sum(a == b for a, b in zip(before[at:end], after[at:end], strict=True))
    assert 0.3 < same / (end - at) < 0.95  # the picture is there, the other track's samples are not
    assert after[at:end].count(0) > before[at:end].count(0) + 5000


def test_a_film_of_three_gigabytes_costs_no_more_than_a_small_one(tmp_path: Path) -> None:
    whole = (FILES / "lesson.mp4").read_bytes()
    path = tmp_path / "big.mp4"
    hole = 3 << 30
    with path.open("wb") as file:  # sparse: a box of a length that needs 64 bits, then the real film's boxes
        file.write(whole[: int.from_bytes(whole[:4], "big")])
        file.write(b"\0\0\0\1mdat" + (hole + 16).to_bytes(8, "big"))
        file.seek(hole, 1)
        file.write(whole[int.from_bytes(whole[:4], "big") :])
    found = media.inspect(path, "big.mp4")
    assert (found.ok, found.duration_seconds) == (True, 3.0)
    boxes.anonymise(path)
    assert path.stat().st_blocks * 512 < 1 << 20
    assert dict(media.inspect(path, "big.mp4").properties) == {}


def test_the_pages_look_the_same(tmp_path: Path) -> None:
    _copy, target = copied("reflection.pdf", tmp_path)
    assert media.pdf_page_png(target, 2, 300) == media.pdf_page_png(FILES / "reflection.pdf", 2, 300)


def test_the_pdf_runs_nothing_and_carries_nothing(tmp_path: Path) -> None:
    _copy, target = copied("reflection.pdf", tmp_path)
    with pikepdf.open(target) as document:
        assert "/OpenAction" not in document.Root
        assert "/Metadata" not in document.Root
        assert "/Info" not in document.trailer
        assert len(document.attachments) == 0
        first = bytes(document.trailer.ID[0])
        note = document.pages[0].Annots[0]
        assert "/T" not in note
        assert str(note.Contents) == "再想想"
    _again, other = copied("reflection.pdf", tmp_path)
    with pikepdf.open(other) as document:
        assert bytes(document.trailer.ID[0]) == first
    assert "零点五元" in media.document_text(target, "application/pdf")


def test_a_turned_photo_is_upright_in_the_copy(tmp_path: Path) -> None:
    copy, target = copied("photo.heic", tmp_path)
    assert (copy.mime, copy.extension) == ("image/jpeg", "jpg")
    with Image.open(target) as image:
        assert image.format == "JPEG"
        assert image.size == (240, 320)
        assert not image.getexif()


def test_what_cannot_be_made_anonymous_is_said(tmp_path: Path) -> None:
    assert not media.can_sanitize(media.inspect(FILES / "sheet.xls", "sheet.xls").mime)
    ppt = media.inspect(FILES / "slides.ppt", "slides.ppt")
    assert not media.can_sanitize(ppt.mime)
    assert media.can_sanitize("application/pdf")
    with pytest.raises(Refused, match=r"media\.not_sanitizable"):
        media.reviewer_copy(FILES / "slides.ppt", tmp_path / "copy", ppt.mime, ppt.extension)
    assert "写出小数" in media.document_text(FILES / "slides.ppt", ppt.mime)


@pytest.mark.parametrize("name", ["bomb.docx", "entities.docx"])
def test_a_refused_copy_leaves_nothing(name: str, tmp_path: Path) -> None:
    mime = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    with pytest.raises(Refused):
        media.reviewer_copy(FILES / name, tmp_path / "copy", mime, "docx")
    assert list(tmp_path.iterdir()) == []


def test_redaction_across_runs_tables_footers_and_attributes(tmp_path: Path) -> None:
    mime = media.inspect(FILES / "lesson.docx", "a.docx").mime
    media.redact_document(FILES / "lesson.docx", tmp_path / "copy", mime, ["王秀兰", "青禾县第一小学", "QH20240017"])
    text = media.document_text(tmp_path / "copy", mime)
    assert "执教：＊＊（＊＊）" in text
    assert "工号 ＊＊" in text
    assert leaks((tmp_path / "copy").read_bytes()) == set()
    slides = media.inspect(FILES / "slides.pptx", "a.pptx").mime
    media.redact_document(FILES / "slides.pptx", tmp_path / "slides", slides, ["王秀兰"])
    assert "执教 ＊＊" in media.document_text(tmp_path / "slides", slides)


OFFICE = "application/vnd.openxmlformats-officedocument."
KINDS = {
    "lesson.docx": OFFICE + "wordprocessingml.document",
    "slides.pptx": OFFICE + "presentationml.presentation",
    "sheet.xlsx": OFFICE + "spreadsheetml.sheet",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_number_that_a_program_wrote_is_no_staff_number(name: str, tmp_path: Path) -> None:
    """Whose number is that of a slide, a margin or another cell's text strikes their name without breaking the file."""
    with zipfile.ZipFile(FILES / name) as packed:
        parts = [packed.read(part).decode("utf-8", "replace") for part in packed.namelist() if part.endswith(".xml")]
    numbers = sorted({found for part in parts for found in re.findall(r'="([0-9]{2,8}|[0-9A-F]{6})"', part)})
    assert numbers
    media.redact_document(FILES / name, tmp_path / "bare", KINDS[name], [])
    media.redact_document(FILES / name, tmp_path / "struck", KINDS[name], numbers)
    with zipfile.ZipFile(tmp_path / "bare") as bare, zipfile.ZipFile(tmp_path / "struck") as struck:
        for part in bare.namelist():
            attributes = re.findall(rb'="([^"]*)"', bare.read(part))
            assert re.findall(rb'="([^"]*)"', struck.read(part)) == attributes, part


def test_a_staff_number_is_struck_out_of_a_workbook_however_its_cell_holds_it(tmp_path: Path) -> None:
    book, made = tmp_path / "book.xlsx", tmp_path / "struck.xlsx"
    with xlsxwriter.Workbook(book) as written:
        sheet = written.add_worksheet("11")
        for row in range(12):
            sheet.write_string(row, 0, f"第 {row} 项")
        sheet.write_number(0, 1, 11)
        sheet.write_number(1, 1, 11.5)
        sheet.write_number(2, 1, 1011)
        sheet.write_string(3, 1, "工号 11")
        sheet.write_formula(4, 1, '="11"&"号"', None, "11号")
        sheet.write_formula(5, 1, "=B1+11", None, 22)
    media.redact_document(book, made, KINDS["sheet.xlsx"], ["11"])
    with python_calamine.load_workbook(str(made)) as read:
        assert read.sheet_names == ["＊＊"]
        rows = read.get_sheet_by_index(0).to_python()
    assert [row[0] for row in rows] == [f"第 {row} 项" if row != 11 else "第 ＊＊ 项" for row in range(12)]
    assert [row[1] for row in rows[:6]] == ["＊＊", 11.5, 1011, "工号 ＊＊", "＊＊号", 22]
    text = media.document_text(made, KINDS["sheet.xlsx"])
    assert media.find_personal(text=text, staff_numbers=["11"]) == []


def test_redaction_of_plain_text_and_its_limits(tmp_path: Path) -> None:
    media.redact_document(FILES / "scores.csv", tmp_path / "copy", "text/csv", ["王秀兰"])
    assert (tmp_path / "copy").read_text("utf-8") == "姓名,得分\n＊＊,92\n"
    for name in ("reflection.pdf", "lesson.doc", "photo.jpg"):
        found = media.inspect(FILES / name, name)
        with pytest.raises(Refused, match=r"media\.redact_unsupported"):
            media.redact_document(FILES / name, tmp_path / "x", found.mime, ["王秀兰"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_copies_of_damaged_files_are_made_or_refused(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["lesson.docx", "lesson.doc", "reflection.pdf", "lesson.mov", "lesson.webm", "talk.mp3"])
    )
    found = media.inspect(FILES / name, name)
    content = bytearray((FILES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / "copy"
        source.write_bytes(content)
        made = None
        with contextlib.suppress(Refused):
            made = media.reviewer_copy(source, target, found.mime, found.extension)
        assert target.exists() == (made is not None)
