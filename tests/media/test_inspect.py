"""What a file is, by its content; nothing that anybody sends may raise."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_plugin import media

FILES = Path(__file__).parent.parent / "files"


@pytest.mark.parametrize(
    ("name", "kind", "extension", "pages", "seconds", "size"),
    [
        ("lesson.docx", "document", "docx", 2, None, None),
        ("plain.docx", "document", "docx", None, None, None),
        ("lesson.doc", "document", "doc", None, None, None),
        ("lesson_ole.wps", "document", "doc", None, None, None),
        ("lesson_zip.wps", "document", "docx", None, None, None),
        ("reflection.pdf", "document", "pdf", 3, None, None),
        ("slides.pptx", "slides", "pptx", 2, None, None),
        ("slides.ppt", "slides", "ppt", None, None, None),
        ("sheet.xlsx", "sheet", "xlsx", None, None, None),
        ("sheet.xls", "sheet", "xls", None, None, None),
        ("scores.csv", "sheet", "csv", None, None, None),
        ("photo.jpg", "image", "jpg", None, None, (400, 640)),
        ("photo.png", "image", "png", None, None, (320, 240)),
        ("photo.heic", "image", "heic", None, None, (240, 320)),
        ("lesson.mp4", "video", "mp4", None, 3, (320, 240)),
        ("lesson.mov", "video", "mov", None, 3, (320, 240)),
        ("lesson_hevc.mp4", "video", "mp4", None, 3, (320, 240)),
        ("lesson.webm", "video", "webm", None, 3, (320, 240)),
        ("talk.m4a", "audio", "m4a", None, 3, None),
        ("talk.mp3", "audio", "mp3", None, None, None),
        ("talk.wav", "audio", "wav", None, None, None),
    ],
)
def test_honest_files(
    name: str, kind: str, extension: str, pages: int | None, seconds: float | None, size: tuple[int, int] | None
) -> None:
    found = media.inspect(FILES / name, name)
    assert (found.ok, found.problem) == (True, "")
    assert (found.kind, found.extension, found.pages) == (kind, extension, pages)
    assert found.duration_seconds == (pytest.approx(seconds, abs=0.1) if seconds else None)
    assert (found.width, found.height) == (size or (None, None))
    assert found.size == (FILES / name).stat().st_size


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("empty.docx", "file.empty"),
        ("page.docx", "file.type_refused"),
        ("drawing.svg", "file.type_refused"),
        ("program.mp4", "file.type_refused"),
        ("macros.docx", "file.type_refused"),
        ("bomb.docx", "file.too_complex"),
        ("entities.docx", "file.broken"),
        ("cut.pdf", "file.broken"),
        ("cut.mov", "file.broken"),
        ("both.docx", "file.broken"),
        ("locked.pdf", "file.encrypted"),
    ],
)
def test_files_that_are_not_taken(name: str, problem: str) -> None:
    found = media.inspect(FILES / name, name)
    assert not found.ok
    assert found.problem == problem


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        ("reflection.pdf", "教案.docx", "file.type_mismatch"),
        ("lesson.docx", "课堂.mp4", "file.type_mismatch"),
        ("photo.jpg", "课堂.mp4", "file.type_mismatch"),
        ("talk.m4a", "课堂.mp4", "file.type_mismatch"),
        ("photo.png", "黑板.jpg", ""),
        ("plain.docx", "教案.doc", ""),
        ("lesson.mov", "课堂.mp4", ""),
        ("lesson.mp4", "没有后缀", ""),
        ("lesson.mp4", "上传.tmp", ""),
    ],
)
def test_the_content_decides_and_the_name_must_not_contradict_it(content: str, name: str, problem: str) -> None:
    assert media.inspect(FILES / content, name).problem == problem


def test_names_in_properties() -> None:
    assert media.inspect(FILES / "lesson.docx", "a.docx").author == "王秀兰"
    assert media.inspect(FILES / "lesson.docx", "a.docx").properties["custom:学校"] == "青禾县第一小学"
    assert media.inspect(FILES / "lesson.doc", "a.doc").properties["company"] == "青禾县第一小学"
    assert media.inspect(FILES / "reflection.pdf", "a.pdf").author == "王秀兰"
    assert media.inspect(FILES / "lesson.mp4", "a.mp4").title == "王秀兰的课堂实录"
    assert media.inspect(FILES / "lesson.mov", "a.mov").properties["location"]
    assert media.inspect(FILES / "photo.jpg", "a.jpg").properties["location"] == "GPS"
    assert media.inspect(FILES / "photo.jpg", "a.jpg").author == "王秀兰"
    assert media.inspect(FILES / "photo.heic", "a.heic").author == "王秀兰"
    assert media.inspect(FILES / "lesson_hevc.mp4", "a.mp4").codec == "hvc1"
    assert media.inspect(FILES / "plain.docx", "a.docx").properties == {}


@pytest.mark.parametrize(
    ("name", "accept", "expected"),
    [
        ("lesson.docx", ["docx", "doc", "pdf", "wps"], "docx"),
        ("lesson_ole.wps", ["wps", "pdf"], "wps"),
        ("lesson_zip.wps", ["wps"], "wps"),
        ("slides.ppt", ["pptx", "dps", "pdf"], "dps"),
        ("photo.jpg", ["jpeg", "png"], "jpeg"),
        ("lesson.mov", ["mp4", "mov"], "mov"),
        ("lesson.mp4", ["m4v"], "m4v"),
        ("lesson.mp4", ["docx", "pdf"], None),
        ("page.docx", ["docx"], None),
        ("talk.mp3", ["mp4", "mov"], None),
    ],
)
def test_what_a_requirement_accepts(name: str, accept: list[str], expected: str | None) -> None:
    assert media.accepts(media.inspect(FILES / name, name), accept) == expected


HEADS = [
    b"",
    b"PK\x03\x04",
    b"%PDF-1.7\n",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\x1aE\xdf\xa3",
    b"RIFF\x24\0\0\0WAVEfmt ",
    b"ID3\x04\0\0\0\0\0\x0a",
]


def inspected(data: bytes, name: str) -> media.Inspection:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return media.inspect(Path(file.name), name)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=2000), st.sampled_from(["a.docx", "a.mp4", "a.pdf", "a.txt", "a"]))
def test_random_bytes_never_raise(head: bytes, rest: bytes, name: str) -> None:
    found = inspected(head + rest, name)
    assert found.ok == (found.problem == "")


DAMAGED = [
    "lesson.docx",
    "lesson.doc",
    "reflection.pdf",
    "lesson.mov",
    "lesson.webm",
    "photo.jpg",
    "photo.heic",
    "slides.ppt",
]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_never_raise(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(DAMAGED))
    content = bytearray((FILES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    inspected(bytes(content[: data.draw(st.integers(1, len(content)))]), name)


def test_every_code_has_a_sentence_in_both_languages() -> None:
    package = Path(media.__file__).parent
    texts = json.loads((package.parent / "translations" / "messages" / "media.json").read_text("utf-8"))
    sources = [*package.glob("*.py"), package.parent / "storage.py"]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    for key, sentences in texts.items():
        assert f'"{key}"' in code, f"{key} is raised nowhere"
        assert set(sentences) == {"zh", "en"}
        assert all(sentences.values())
