"""Documents as a page shows them, pictures and pages as images."""

import io
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
