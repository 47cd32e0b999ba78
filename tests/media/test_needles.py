"""A needle of its own in each place where a document can carry a name; then every byte of the copy is searched.

Zips and gzips are unpacked and PDF streams decoded before the search, so that nothing hides behind a packing.
"""

import gzip
import io
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pikepdf
import pytest
import python_calamine
import xlsxwriter
from hypothesis import given
from PIL import Image, PngImagePlugin, TiffImagePlugin

from lms_plugin import media
from lms_plugin.errors import Refused
from lms_plugin.media import embedded, faults, pdf_inside, pictures
from tests.media.unpacking import named_in

FILES = Path(__file__).parent.parent / "files"
NEEDLE = "陈晓芳"
LATIN = "CHENXF"
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def leaks(data: bytes) -> bool:
    return bool(named_in(data, (NEEDLE, LATIN)))


def exif() -> Image.Exif:
    found = Image.Exif()
    found[0x013B] = LATIN
    return found


def image(kind: str, **words: object) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(made, kind, **words)
    return made.getvalue()


def jpeg() -> bytes:
    """EXIF, a comment, a profile called after the screen's owner, a comment between two scans, words after the end."""
    name = NEEDLE.encode()
    whole = image("JPEG", exif=exif(), comment=name, icc_profile=bytes(60) + name + bytes(60), progressive=True)
    second = whole.rindex(b"\xff\xda")
    return whole[:second] + b"\xff\xfe" + struct.pack(">H", len(name) + 2) + name + whole[second:] + name


def png() -> bytes:
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", LATIN)
    words.add_text("Comment", LATIN, zip=True)
    words.add_itxt("Title", NEEDLE)
    whole = image("PNG", pnginfo=words, exif=exif())
    own = b"kSOf" + NEEDLE.encode()  # a program's own chunk
    return whole[:33] + struct.pack(">I", len(own) - 4) + own + struct.pack(">I", zlib.crc32(own)) + whole[33:]


def gif() -> bytes:
    other = b"\x21\xff\x0bXMP DataXMP" + bytes([len(LATIN)]) + LATIN.encode() + b"\0"
    return image("GIF", comment=LATIN.encode())[:-1] + other + b";" + NEEDLE.encode()


def webp() -> bytes:
    return image("WEBP", exif=exif(), xmp=NEEDLE.encode(), icc_profile=NEEDLE.encode() * 20)


def jp2() -> bytes:
    whole = image("JPEG2000")
    box = struct.pack(">I4s", 8 + len(NEEDLE.encode()), b"xml ") + NEEDLE.encode()
    at = whole.index(b"\xff\x4f\xff\x51") - 8
    start = at + 8
    siz = start + 4 + struct.unpack_from(">H", whole, start + 4)[0]
    words = NEEDLE.encode()
    comment = b"\xff\x64" + struct.pack(">HH", len(words) + 4, 1) + words
    code = whole[start:siz] + comment + whole[siz:]
    return whole[:at] + box + struct.pack(">I4s", len(code) + 8, b"jp2c") + code


def mp4_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def mp4() -> bytes:
    words = NEEDLE.encode()
    author = mp4_box(b"udta", mp4_box(b"\xa9aut", struct.pack(">HH", len(words), 0x15C7) + words))
    return (FILES / "lesson.mp4").read_bytes() + author + mp4_box(b"uuid", bytes(16) + words) + mp4_box(b"cAMr", words)


def emf() -> bytes:
    name = f"{LATIN}\0{NEEDLE}\0\0".encode("utf-16-le")
    name += bytes(-len(name) % 4)
    words = NEEDLE.encode("utf-16-le")
    words += bytes(-len(words) % 4)
    comment = struct.pack("<III", 70, 12 + len(words), len(words)) + words
    end = struct.pack("<IIIII", 14, 20, 0, 16, 20)
    head = bytearray(108)
    struct.pack_into("<II", head, 0, 1, 108 + len(name))
    struct.pack_into("<4i4i", head, 8, 0, 0, 10, 10, 0, 0, 100, 100)
    head[40:44] = b" EMF"
    whole = len(head) + len(name) + len(comment) + len(end)
    struct.pack_into("<IIIHHIII", head, 44, 0x10000, whole, 3, 1, 0, len(name) // 2, 108, 0)
    return bytes(head) + name + comment + end + NEEDLE.encode()


def emf_plus(*records: bytes, has_both: bool = False) -> bytes:
    """A drawing with a second form, whose records these are."""
    content = b"EMF+" + plus_record(0x4001, bytes(16), int(has_both)) + b"".join(records)
    comment = struct.pack("<III", 70, 12 + len(content), len(content)) + content
    plain = emf()
    end = plain.index(struct.pack("<IIIII", 14, 20, 0, 16, 20))
    return plain[:end] + comment + plain[end:]


def plus_record(kind: int, body: bytes, flags: int = 0) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<HHII", kind, flags, 12 + len(body), len(body)) + body


def plus_image(data: bytes, *, kind: int = 1, continues: bool = False) -> bytes:
    body = struct.pack("<IIiiIII", 0xDBC01002, kind, 40, 30, 0, 0, 1) + data
    return plus_record(0x4008, body, 0x0500 | (0x8000 if continues else 0))


def wmf() -> bytes:
    words = NEEDLE.encode("gb18030")
    words += bytes(len(words) % 2)
    escape = struct.pack("<IHHH", 5 + len(words) // 2, 0x0626, 15, len(words)) + words
    end = struct.pack("<IH", 3, 0)
    size = (18 + len(escape) + len(end)) // 2
    head = struct.pack("<HHHIHIH", 1, 9, 0x300, size, 0, 5 + len(words) // 2, 0)
    return b"\xd7\xcd\xc6\x9a" + bytes(18) + head + escape + end + words


def packed_emf() -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(LATIN, "wb", fileobj=made) as file:
        file.write(emf())
    return made.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def avi() -> bytes:
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56)) + chunk(b"strn", NEEDLE.encode()))
    words = chunk(b"LIST", b"INFO" + chunk(b"IART", NEEDLE.encode()))
    body = b"AVI " + head + words + chunk(b"LIST", b"movi" + chunk(b"00dc", b"pixels")) + chunk(b"IDIT", LATIN.encode())
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wmv() -> bytes:
    words = NEEDLE.encode("utf-16-le")

    def thing(guid: str, body: bytes) -> bytes:
        return bytes.fromhex(guid) + struct.pack("<Q", 24 + len(body)) + body

    described = thing("3326b2758e66cf11a6d900aa0062ce6c", struct.pack("<5H", 0, len(words), 0, 0, 0) + words)
    kept = thing("a1dcab8c47a9cf118ee400c00c205365", bytes(80))
    inner = thing("b503bf5f2ea9cf118ee300c00c205365", bytes(22) + thing("ea" * 16, words))
    body = struct.pack("<IBB", 3, 1, 2) + described + kept + inner
    data = thing("3626b2758e66cf11a6d900aa0062ce6c", b"pixels" + bytes(40))
    return thing("3026b2758e66cf11a6d900aa0062ce6c", body) + data + thing("aa" * 16, words)


def wav() -> bytes:
    whole = (FILES / "talk.wav").read_bytes()
    return whole + chunk(b"LIST", b"INFO" + chunk(b"IART", NEEDLE.encode()))


MEDIA: dict[str, Callable[[], bytes]] = {
    "jpeg": jpeg,
    "png": png,
    "gif": gif,
    "webp": webp,
    "tiff": lambda: image("TIFF", exif=exif()),
    "bmp": lambda: image("BMP") + NEEDLE.encode(),
    "jp2": jp2,
    "emf": emf,
    "wmf": wmf,
    "emz": packed_emf,
    "mp4": mp4,
    "mov": lambda: (FILES / "lesson.mov").read_bytes() + mp4_box(b"udta", NEEDLE.encode()),
    "webm": lambda: (FILES / "lesson.webm").read_bytes().replace("王秀兰".encode(), NEEDLE.encode()),
    "avi": avi,
    "wmv": wmv,
    "mp3": lambda: (FILES / "talk.mp3").read_bytes() + (b"TAG" + NEEDLE.encode()).ljust(128, b"\0"),
    "wav": wav,
}
PICTURES = {"jpeg", "png", "gif", "webp", "tiff", "bmp", "jp2"}


@pytest.mark.parametrize("kind", MEDIA)
def test_what_stands_inside_a_document_is_made_bare(kind: str) -> None:
    planted = MEDIA[kind]()
    assert leaks(planted)
    bare = embedded.bare(planted, f"word/media/image1.{kind}")
    assert bare, "thrown away, not cleaned"
    assert not leaks(bare)
    if kind in PICTURES:
        with Image.open(io.BytesIO(planted)) as before, Image.open(io.BytesIO(bare)) as after:
            assert after.size == before.size
            assert after.convert("RGB").tobytes() == before.convert("RGB").tobytes()
    assert embedded.bare(bare, "again") == bare


@pytest.mark.parametrize("kind", ["mp4", "mov", "webm", "avi", "wmv"])
def test_no_byte_of_the_embedded_film_moves(kind: str) -> None:
    planted = MEDIA[kind]()
    bare = embedded.bare(planted, "a")
    at = planted.find({"avi": b"movi", "wmv": b"pixels", "webm": b"\x1f\x43\xb6\x75"}.get(kind, b"mdat"))
    assert at > 0
    assert bare[at : at + 10] == planted[at : at + 10]


@pytest.mark.parametrize("data", [NEEDLE.encode(), b"RIFF....CDRv" + NEEDLE.encode(), b"\xd0\xcf\x11\xe0" + bytes(600)])
def test_what_cannot_be_checked_is_not_passed_on(data: bytes) -> None:
    assert embedded.bare(data, "word/media/thing.bin") == b""


def with_parts(name: str, target: Path, parts: dict[str, bytes], rels: str, links: list[tuple[str, str]]) -> Path:
    """The fixture with more parts, each tied to a part by a relationship of this kind."""
    more = "".join(
        f'<Relationship Id="rNeedle{number}" Type="{RELS}/{kind}" Target="{to}"/>'
        for number, (kind, to) in enumerate(links)
    )
    with zipfile.ZipFile(FILES / name) as old, zipfile.ZipFile(target, "w") as new:
        seen = False
        for part in old.namelist():
            data = old.read(part)
            if part == rels:
                seen, data = True, data.replace(b"</Relationships>", f"{more}</Relationships>".encode())
            new.writestr(part, data)
        assert seen, rels
        for part, data in parts.items():
            new.writestr(part, data)
    return target


def with_part(name: str, target: Path, kind: str, part: str, text: str) -> Path:
    """The workbook or document with one more part of this kind, tied to its main part."""
    folder, _, inside = part.partition("/")
    main = {"xl": "workbook", "word": "document"}[folder]
    return with_parts(name, target, {part: text.encode()}, f"{folder}/_rels/{main}.xml.rels", [(kind, inside)])


def copy_of(source: Path, folder: Path) -> Path:
    found = media.inspect(source, source.name)
    assert found.ok, found.problem
    target = folder / f"copy.{found.extension}"
    media.reviewer_copy(source, target, found.mime, found.extension)
    assert media.inspect(target, target.name).ok
    return target


@pytest.mark.parametrize("kind", MEDIA)
def test_media_of_every_kind_in_slides(kind: str, tmp_path: Path) -> None:
    """The part is called after its author, as some programs call it."""
    part = f"ppt/media/{NEEDLE}.{kind}"
    source = with_parts(
        "slides.pptx",
        tmp_path / "a.pptx",
        {part: MEDIA[kind]()},
        "ppt/slides/_rels/slide1.xml.rels",
        [("video", f"../media/{NEEDLE}.{kind}")],
    )
    assert leaks(source.read_bytes())
    target = copy_of(source, tmp_path)
    assert not leaks(target.read_bytes())
    with zipfile.ZipFile(target) as archive:
        assert archive.read(f"ppt/media/part1.{kind}")
        assert f'Target="/ppt/media/part1.{kind}"'.encode() in archive.read("ppt/slides/_rels/slide1.xml.rels")


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET_PARTS = {
    "pivotCacheDefinition": f'<pivotCacheDefinition xmlns="{MAIN}" refreshedBy="{NEEDLE}" refreshedDate="44000"/>',
    "connections": f'<connections xmlns="{MAIN}"><connection id="1" name="{NEEDLE}" description="{NEEDLE}" type="1" '
    f'sourceFile="C:\\Users\\{NEEDLE}\\a.xlsx" odcFile="C:\\Users\\{NEEDLE}\\q.odc">'
    f'<dbPr connection="DSN=x;UID={LATIN}" command="{NEEDLE}"/><textPr sourceFile="D:\\{NEEDLE}.csv"/>'
    f'<webPr url="http://{LATIN}/"/><extLst><ext uri="{{x}}"><a>{NEEDLE}</a></ext></extLst></connection></connections>',
    "queryTable": f'<queryTable xmlns="{MAIN}" name="成绩_{NEEDLE}" connectionId="1"/>',
    "externalLink": f'<externalLink xmlns="{MAIN}"><ddeLink ddeService="Excel" ddeTopic="C:\\{NEEDLE}.xls"/>'
    "</externalLink>",
    "customXml": f"<x>{NEEDLE}</x>",
    "person": f'<personList><person displayName="{NEEDLE}" id="{{1}}" userId="{NEEDLE}"/></personList>',
    "threadedComment": f"<ThreadedComments><threadedComment>{NEEDLE}</threadedComment></ThreadedComments>",
    "revisionHeaders": f'<headers xmlns="{MAIN}"><header userName="{NEEDLE}"/></headers>',
    "sheetMetadata": f'<workbook xmlns="{MAIN}"><fileSharing userName="{NEEDLE}"/><customWorkbookViews>'
    f'<customWorkbookView name="{NEEDLE} - 个人视图" guid="{{1}}"/></customWorkbookViews><scenarios><scenario name="a" '
    f'user="{NEEDLE}"/></scenarios><protectedRange name="a" securityDescriptor="{NEEDLE}"/></workbook>',
    "vbaProject": f"Attribute VB_Name = {NEEDLE}",
    "thumbnail": NEEDLE,
}


@pytest.mark.parametrize("kind", SHEET_PARTS)
def test_what_a_workbook_says_of_people_and_places(kind: str, tmp_path: Path) -> None:
    part = f"xl/{kind}1.{'bin' if kind in {'vbaProject', 'thumbnail'} else 'xml'}"
    source = with_part("sheet.xlsx", tmp_path / "a.xlsx", kind, part, SHEET_PARTS[kind])
    assert leaks(source.read_bytes())
    assert not leaks(copy_of(source, tmp_path).read_bytes())


def test_a_staff_number_like_the_place_of_a_cell_breaks_no_workbook(tmp_path: Path) -> None:
    """Programs refuse a file whose cells have no place, or whose list of formulas names a cell that holds none."""
    book, listed, made = tmp_path / "book.xlsx", tmp_path / "listed.xlsx", tmp_path / "struck.xlsx"
    with xlsxwriter.Workbook(book) as written:
        sheet = written.add_worksheet("成绩")
        for row in range(11):
            sheet.write_string(row, 0, f"第 {row + 1} 项")
        sheet.write_string(10, 1, "工号 A11")
        sheet.write_formula(0, 1, '=A11&"A11"', None, "第 11 项A11")
    chain = f'<calcChain xmlns="{MAIN}"><c r="B1" i="1"/></calcChain>'
    with_part(str(book), listed, "calcChain", "xl/calcChain.xml", chain)
    media.redact_document(listed, made, media.inspect(listed, "a.xlsx").mime, ["A11"])
    with python_calamine.load_workbook(str(made)) as read:
        rows = read.get_sheet_by_index(0).to_python()
    assert [row[0] for row in rows] == [f"第 {row + 1} 项" for row in range(11)]
    assert (rows[0][1], rows[10][1]) == ("第 11 项＊＊", "工号 ＊＊")
    with zipfile.ZipFile(made) as packed:
        assert 'r="A11"' in packed.read("xl/worksheets/sheet1.xml").decode()
        assert "xl/calcChain.xml" not in packed.namelist()
        assert b"calcChain" not in packed.read("[Content_Types].xml") + packed.read("xl/_rels/workbook.xml.rels")


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
WHO = f'w:author="{NEEDLE}" w:initials="{LATIN}" w:date="2026-03-14T09:26:53Z"'
DOCUMENT_PARTS = {
    "comments": f'<w:comments xmlns:w="{W}"><w:comment w:id="0" {WHO}/></w:comments>',
    "footnotes": f'<w:footnotes xmlns:w="{W}"><w:p><w:pPr><w:numPr><w:ins w:id="1" {WHO}/></w:numPr>'
    f"<w:pPrChange {WHO}/>"
    f"</w:pPr><w:tc><w:tcPr><w:cellIns {WHO}/><w:tcPrChange {WHO}/></w:tcPr></w:tc><w:moveFromRangeStart {WHO}/>"
    f'<w:permStart w:id="1" w:ed="SCHOOL\\{LATIN}"/></w:p></w:footnotes>',
    "people": f"<people><person author='{NEEDLE}'/></people>",
    "customXml": f"<x>{NEEDLE}</x>",
    "settings": f'<w:settings xmlns:w="{W}"><w:mailMerge><w:query w:val="{NEEDLE}"/></w:mailMerge><w:docVars>'
    f'<w:docVar w:name="a" w:val="{NEEDLE}"/></w:docVars></w:settings>',
    "header": f'<w:hdr xmlns:w="{W}"><w:p><w:r><w:instrText>INCLUDEPICTURE "C:\\\\Users\\\\</w:instrText></w:r><w:r>'
    f'<w:instrText>{NEEDLE}\\\\a.jpg" \\* MERGEFORMAT</w:instrText></w:r></w:p><w:fldSimple w:instr="LINK &quot;'
    f'C:\\{NEEDLE}.xlsx&quot;"/><w:p><w:r><w:instrText>DATE \\@ "yyyy/M/d"</w:instrText></w:r></w:p></w:hdr>',
    "glossaryDocument": f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:s="http://www.inkscape.org/x" '
    f's:export-filename="/home/{LATIN}/a.png"><metadata>{NEEDLE}</metadata></svg>',
    "tags": f'<p:tagLst xmlns:p="p"><p:tag name="USER" val="{NEEDLE}"/></p:tagLst>',
    "aFChunk": NEEDLE,
}


@pytest.mark.parametrize("kind", DOCUMENT_PARTS)
def test_what_a_document_says_of_people_and_places(kind: str, tmp_path: Path) -> None:
    part = f"word/part{kind}.{'html' if kind == 'aFChunk' else 'xml'}"
    source = with_part("plain.docx", tmp_path / "a.docx", kind, part, DOCUMENT_PARTS[kind])
    assert leaks(source.read_bytes())
    target = copy_of(source, tmp_path)
    assert not leaks(target.read_bytes())
    if kind == "header":
        with zipfile.ZipFile(target) as archive:
            assert b'"yyyy/M/d"' in archive.read(part)  # a day's form is no path


FILTERS: dict[str, tuple[list[str], Callable[[bytes], bytes]]] = {
    "plain": (["/DCTDecode"], lambda data: data),
    "line break before": (["/DCTDecode"], lambda data: b"\r\n" + data),
    "flate": (["/FlateDecode", "/DCTDecode"], zlib.compress),
    "hex": (["/ASCIIHexDecode", "/DCTDecode"], lambda data: data.hex().encode() + b">"),
    "hex of flate": (
        ["/ASCIIHexDecode", "/FlateDecode", "/DCTDecode"],
        lambda data: zlib.compress(data).hex().encode() + b">",
    ),
    "lzw": (["/LZWDecode", "/DCTDecode"], lambda data: lzw(data)),
    "jpeg 2000": (["/JPXDecode"], lambda _data: jp2()),
    "jpeg 2000 in flate": (["/FlateDecode", "/JPXDecode"], lambda _data: zlib.compress(jp2())),
}


@pytest.mark.parametrize("as_array", [True, False])
@pytest.mark.parametrize("wrapping", FILTERS)
def test_pictures_of_a_pdf_however_they_are_wrapped(wrapping: str, as_array: bool, tmp_path: Path) -> None:
    filters, wrap = FILTERS[wrapping]
    names = [pikepdf.Name(one) for one in filters]
    with pikepdf.new() as document:
        page = document.add_blank_page(page_size=(100, 100))
        picture = pikepdf.Stream(document, wrap(jpeg()))
        picture["/Type"], picture["/Subtype"] = pikepdf.Name("/XObject"), pikepdf.Name("/Image")
        picture["/Width"], picture["/Height"], picture["/BitsPerComponent"] = 40, 30, 8
        picture["/ColorSpace"] = pikepdf.Name("/DeviceRGB")
        picture["/Filter"] = pikepdf.Array(names) if as_array or len(names) > 1 else names[0]
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=picture))
        page.Contents = pikepdf.Stream(document, b"q 100 0 0 100 0 0 cm /I Do Q")
        document.save(tmp_path / "a.pdf")
    source = tmp_path / "a.pdf"
    target = copy_of(source, tmp_path)
    assert not leaks(target.read_bytes())
    with pikepdf.open(target) as document:
        raw = document.pages[0].Resources.XObject.I.read_raw_bytes()
    with Image.open(io.BytesIO(raw)) as shown:
        assert shown.size == (40, 30)
        assert not shown.getexif()
    assert leaks(source.read_bytes()) or wrapping == "lzw"  # which the search above does not unpack
    if "2000" not in wrapping:
        assert media.pdf_page_png(target, 1, 100) == media.pdf_page_png(source, 1, 100)


SECOND_FORMS: dict[str, Callable[[], bytes]] = {
    "a photo": lambda: emf_plus(plus_image(jpeg())),
    "a png": lambda: emf_plus(plus_image(png())),
    "a remark": lambda: emf_plus(plus_record(0x4003, NEEDLE.encode("utf-16-le"))),
    "a photo in pieces, drawn twice": lambda: emf_plus(plus_image(jpeg(), continues=True), has_both=True),
}


@pytest.mark.parametrize("kind", SECOND_FORMS)
def test_a_drawing_s_second_form_is_made_bare(kind: str) -> None:
    planted = SECOND_FORMS[kind]()
    assert leaks(planted)
    bare = embedded.bare(planted, "image1.emf")
    assert bare, "thrown away, not cleaned"
    assert not leaks(bare)
    assert embedded.bare(bare, "again") == bare


@pytest.mark.parametrize(
    "record",
    [plus_image(jpeg(), continues=True), plus_image(emf(), kind=2), plus_image(image("TIFF", exif=exif())), b"\1" * 20],
)
def test_a_second_form_that_cannot_be_checked_is_not_passed_on(record: bytes) -> None:
    assert embedded.bare(emf_plus(record), "image1.emf") == b""


def lzw(data: bytes) -> bytes:
    """As PDF writes it: Pillow's TIFF codes alike, in one strip."""
    made = io.BytesIO()
    with Image.frombytes("L", (len(data), 1), data) as row:
        row.save(made, "TIFF", compression="tiff_lzw")
    made.seek(0)
    with TiffImagePlugin.TiffImageFile(made) as tiff:
        (at,), (size,) = tiff.tag_v2[273], tiff.tag_v2[279]
    return made.getvalue()[at : at + size]


@pytest.mark.parametrize("data", [b"", b"a", b"ab" * 5000, bytes(range(256)) * 40, bytes(70_000)])
def test_lzw_is_unpacked_as_others_do(data: bytes) -> None:
    packed = lzw(data) if data else b"\x80\x40\x40"
    assert pdf_inside._lzw(packed, 1) == data
    with pikepdf.new() as document:
        stream = pikepdf.Stream(document, packed)
        stream["/Filter"] = pikepdf.Name("/LZWDecode")
        assert stream.read_bytes() == data


@given(data=st.binary(max_size=6000))
def test_lzw_of_anything(data: bytes) -> None:
    if data:
        assert pdf_inside._lzw(lzw(data), 1) == data


@given(data=st.binary(max_size=200), early=st.sampled_from([0, 1]))
def test_lzw_that_is_none_is_broken_or_short(data: bytes, early: int) -> None:
    with suppress(faults.Broken):
        assert len(pdf_inside._lzw(data, early)) < 200 * 4096


@pytest.mark.parametrize("coding", ["/DCT", "/DCTDecode", "[/DCT]"])
def test_pictures_among_the_drawing_instructions(coding: str, tmp_path: Path) -> None:
    drawn = f"q 100 0 0 100 0 0 cm BI /W 40 /H 30 /BPC 8 /CS /RGB /F {coding} ID ".encode()
    with pikepdf.new() as document:
        page = document.add_blank_page(page_size=(100, 100))
        page.Contents = pikepdf.Stream(document, drawn + jpeg().removesuffix(NEEDLE.encode()) + b"\nEI Q")
        document.save(tmp_path / "a.pdf", compress_streams=True)
    target = copy_of(tmp_path / "a.pdf", tmp_path)
    with pikepdf.open(target) as document:
        assert not leaks(document.pages[0].Contents.read_bytes())
    assert media.pdf_page_png(target, 1, 100) == media.pdf_page_png(tmp_path / "a.pdf", 1, 100)


def test_pictures_among_the_instructions_that_are_wrapped_are_refused(tmp_path: Path) -> None:
    drawn = b"q BI /W 40 /H 30 /BPC 8 /CS /RGB /F [/AHx /DCT] ID " + jpeg().hex().encode() + b">\nEI Q"
    with pikepdf.new() as document:
        document.add_blank_page().Contents = pikepdf.Stream(document, drawn)
        document.save(tmp_path / "a.pdf")
    with pytest.raises(Refused, match=r"file\.broken"):
        media.reviewer_copy(tmp_path / "a.pdf", tmp_path / "b.pdf", "application/pdf", "pdf")
    assert not (tmp_path / "b.pdf").exists()


def busy(path: Path) -> Path:
    """A PDF with more in it than five seconds are enough for, in few bytes."""
    with pikepdf.new() as document:
        document.add_blank_page()
        document.Root.Y = pikepdf.Object.parse(b"[" + b"<</A<<>>>>" * 900_000 + b"]")
        document.save(path)
    return path


def test_a_pdf_that_keeps_its_reader_busy_is_given_up(tmp_path: Path) -> None:
    source, before = busy(tmp_path / "a.pdf"), resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(Refused, match=r"file\.too_complex"):
        media.reviewer_copy(source, tmp_path / "b.pdf", "application/pdf", "pdf")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 7
    assert not (tmp_path / "b.pdf").exists()


def test_pictures_in_containers_where_nothing_may_move() -> None:
    """A document of Word's old kind keeps its pictures in one stream, by their places."""
    first, second = jpeg().removesuffix(NEEDLE.encode()), png()
    planted = bytes(68) + first + bytes(9) + second
    blanked = pictures.blanked(planted)
    assert not leaks(blanked)
    assert len(blanked) == len(planted)
    for data, begin in ((first, 68), (second, 77 + len(first))):
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(blanked[begin:])) as after:
            assert after.convert("RGB").tobytes() == before.convert("RGB").tobytes()
