"""Documents as a page shows them, pictures and pages as images."""

import contextlib
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lms_plugin import media
from lms_plugin.errors import Refused

FILES = Path(__file__).parent.parent / "files"


def mime(name: str) -> str:
    return media.inspect(FILES / name, name).mime


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lesson.docx", ["第三单元 小数的初步认识", "展台", "工号 QH20240017", "这里再想想"]),
        ("lesson_zip.wps", ["第三单元 小数的初步认识", "15 分钟"]),
        ("lesson.doc", ["第三单元 小数的初步认识", "环节\t时间"]),
        ("lesson_ole.wps", ["四十二人中有二十九人"]),
        ("slides.pptx", ["认识小数", "读出价签"]),
        ("slides.ppt", ["认识小数", "读出价签\n写出小数"]),
        ("sheet.xlsx", ["前测", "学号\t得分\t备注", "02\t61\t王秀兰 辅导"]),
        ("sheet.xls", ["前测", "学号\t得分", "01\t92"]),
        ("reflection.pdf", ["教学反思", "第三页", "零点五元"]),
        ("scores.csv", ["王秀兰,92"]),
    ],
)
def test_text(name: str, words: list[str]) -> None:
    text = media.document_text(FILES / name, mime(name), 100_000)
    for word in words:
        assert word in text
    assert "旧稿" not in text
    assert len(media.document_text(FILES / name, mime(name), 5)) <= 5


def test_a_workbook_at_which_its_reader_gives_up_is_refused(tmp_path: Path) -> None:
    data = bytearray((FILES / "sheet.xls").read_bytes())
    for at in range(44, 80, 4):
        (tmp_path / "book.xls").write_bytes(bytes(data[:at]) + b"\x7f\xff\xff\x7f" + bytes(data[at + 4 :]))
        with contextlib.suppress(Refused):
            media.document_text(tmp_path / "book.xls", mime("sheet.xls"))


def test_text_of_a_film_is_empty() -> None:
    assert media.document_text(FILES / "lesson.mp4", mime("lesson.mp4"), 100) == ""


def test_blocks_of_a_document() -> None:
    blocks = media.document_blocks(FILES / "lesson.docx", mime("lesson.docx"))
    headings = [(b.text, b.level) for b in blocks if b.kind == "heading"]
    assert headings == [("第三单元 小数的初步认识 教学设计", 1), ("一、学情分析", 2), ("二、教学过程", 2)]
    assert [b.cells for b in blocks if b.kind == "row"][1] == ("导入", "5 分钟", "展台")
    assert [b.picture for b in blocks if b.kind == "picture"] == [0]
    data, kind = media.document_picture(FILES / "lesson.docx", mime("lesson.docx"), 0)
    assert kind == "image/jpeg"
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (240, 320)
        assert not image.getexif()


def test_blocks_of_slides_come_in_the_order_of_the_show() -> None:
    blocks = media.document_blocks(FILES / "slides.pptx", mime("slides.pptx"))
    assert [(b.text, b.level) for b in blocks if b.kind == "slide"] == [("认识小数", 1), ("课堂练习", 2)]
    assert [b.kind for b in blocks] == ["slide", "paragraph", "slide", "paragraph", "paragraph", "picture"]
    assert media.document_picture(FILES / "slides.pptx", mime("slides.pptx"), 0)[1] == "image/png"


def test_blocks_of_an_old_document_and_of_a_sheet() -> None:
    blocks = media.document_blocks(FILES / "lesson.doc", mime("lesson.doc"))
    assert blocks[0].text == "第三单元 小数的初步认识 教学设计"
    assert blocks[-1].cells == ("环节", "时间")
    rows = media.document_blocks(FILES / "sheet.xlsx", mime("sheet.xlsx"))
    assert rows[0].text == "前测"
    assert rows[2].cells == ("01", "92", "已会读")
    assert media.document_blocks(FILES / "reflection.pdf", "application/pdf") == []


def document(body: str, folder: Path) -> Path:
    """plain.docx with another body, and its core properties under a name that other programs choose."""
    path = folder / "made.docx"
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>王秀兰</dc:creator></cp:coreProperties>'
    )
    rel = (
        '<Relationship Id="rId7" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/'
        'core-properties" Target="/package/services/abc.psmdcp"/></Relationships>'
    )
    with zipfile.ZipFile(FILES / "plain.docx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name).decode("utf-8", "surrogateescape")
            if name == "word/document.xml":
                data = data[: data.index("<w:body>") + 8] + body + "</w:body></w:document>"
            elif name == "_rels/.rels":
                data = data.replace("</Relationships>", rel)
            new.writestr(name, data.encode("utf-8", "surrogateescape"))
        new.writestr("package/services/abc.psmdcp", core)
    return path


def test_what_a_reader_sees_and_nothing_twice(tmp_path: Path) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    box = "<w:txbxContent><w:p>" + run.format("文本框") + "</w:p></w:txbxContent>"
    inner = "<w:tbl><w:tr><w:tc><w:p>" + run.format("内") + "</w:p></w:tc></w:tr></w:tbl>"
    body = (
        "<w:p>" + run.format("正文") + "<w:moveFrom>" + run.format("移走") + "</w:moveFrom>"
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f'<mc:Choice Requires="wps">{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:p>'
        "<w:sdt><w:sdtContent><w:p>" + run.format("控件里") + "</w:p></w:sdtContent></w:sdt>"
        "<w:tbl><w:tr><w:tc><w:p>" + run.format("外") + f"</w:p>{inner}</w:tc></w:tr></w:tbl>"
    )
    path = document(body, tmp_path)
    blocks = media.document_blocks(path, mime("plain.docx"))
    assert [b.text for b in blocks if b.kind == "paragraph"] == ["正文\n文本框", "控件里"]
    assert [b.cells for b in blocks if b.kind == "row"] == [("外\n内",)]


def test_properties_are_found_wherever_the_package_keeps_them(tmp_path: Path) -> None:
    path = document("<w:p/>", tmp_path)
    found = media.inspect(path, "made.docx")
    assert found.author == "王秀兰"
    media.reviewer_copy(path, tmp_path / "copy", found.mime, found.extension)
    assert dict(media.inspect(tmp_path / "copy", "a.docx").properties) == {}
    with zipfile.ZipFile(tmp_path / "copy") as archive:
        assert "王秀兰".encode() not in archive.read("package/services/abc.psmdcp")


def test_a_picture_that_is_not_there() -> None:
    with pytest.raises(Refused, match=r"media\.picture_unreadable|file\.broken"):
        media.document_picture(FILES / "lesson.docx", mime("lesson.docx"), 7)
    with pytest.raises(Refused, match=r"media\.picture_unreadable"):
        media.document_picture(FILES / "reflection.pdf", "application/pdf", 0)


def test_pages_of_a_pdf() -> None:
    assert media.pdf_page_count(FILES / "reflection.pdf") == 3
    with Image.open(io.BytesIO(media.pdf_page_png(FILES / "reflection.pdf", 2, 400))) as image:
        assert image.format == "PNG"
        assert abs(image.width - 400) <= 1
        assert len(image.getcolors(1 << 20) or []) > 1  # something is written on it
    for page in (0, 4):
        with pytest.raises(Refused, match=r"media\.no_such_page"):
            media.pdf_page_png(FILES / "reflection.pdf", page, 400)
    with pytest.raises(Refused, match=r"file\.broken"):
        media.pdf_page_png(FILES / "lesson.docx", 1, 400)
    with pytest.raises(Refused, match=r"file\.encrypted"):
        media.pdf_page_count(FILES / "locked.pdf")


@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic"])
def test_photos_are_shown_upright_and_bare(name: str) -> None:
    with Image.open(io.BytesIO(media.image_jpeg(FILES / name, 160))) as image:
        assert image.format == "JPEG"
        assert max(image.size) == 160
        assert image.height > image.width
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_photos_become_one_pdf(tmp_path: Path) -> None:
    target = tmp_path / "pages.pdf"
    media.photos_to_pdf([FILES / "photo.jpg", FILES / "photo.heic", FILES / "photo.png"], target)
    found = media.inspect(target, "pages.pdf")
    assert (found.ok, found.pages) == (True, 3)
    assert not {k: v for k, v in found.properties.items() if "王" in v}
    for wanted in ("王秀兰".encode(), b"QH20240017", b"PhoneMaker"):
        assert wanted not in target.read_bytes()
    for paths in ([], [FILES / "photo.jpg"] * 10):
        with pytest.raises(Refused, match=r"media\.photo_count"):
            media.photos_to_pdf(paths, target)
    with pytest.raises(Refused, match=r"file\.broken"):
        media.photos_to_pdf([FILES / "lesson.docx"], target)
