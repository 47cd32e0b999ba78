"""Makes the files beside it: `python tests/files/make.py` (needs ffmpeg and Chromium, which the product does not).

Everything in them is invented: 王秀兰 and 第一小学 exist in no district.
"""

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pikepdf
import pillow_heif
import xlsxwriter
from old_office import compound, doc, ppt, property_set, xls
from PIL import Image, ImageDraw, PngImagePlugin

HERE = Path(__file__).parent
NAME = "王秀兰"
SCHOOL = "青禾县第一小学"
NUMBER = "QH20240017"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
REL = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "application/vnd.openxmlformats-officedocument"
pillow_heif.register_heif_opener()


def picture(size: tuple[int, int] = (320, 240), text: str = "") -> Image.Image:
    image = Image.new("RGB", size, "#e8f1f7")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, size[0] - 20, size[1] - 20), outline="#205080", width=4)
    draw.line((20, 20, size[0] - 20, size[1] - 20), fill="#c04030", width=5)
    draw.text((40, 40), text or "lesson", fill="black")
    return image


def exif() -> Image.Exif:
    data = Image.Exif()
    data[0x013B] = NAME.encode()  # the standard says ASCII, phones write UTF-8
    data[0x010E] = f"photo by {NUMBER}"
    data[0x0112] = 6
    data[0x010F] = "PhoneMaker"
    data.get_ifd(0x8825).update({1: "N", 2: (30.0, 40.0, 0.0), 3: "E", 4: (104.0, 3.0, 0.0)})
    return data


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def packed(name: str, parts: dict[str, str | bytes]) -> None:
    with zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            entry = zipfile.ZipInfo(part, (2026, 3, 14, 9, 26, 53))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def types(**overrides: str) -> str:
    rows = "".join(f'<Override PartName="/{k}" ContentType="{v}"/>' for k, v in overrides.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>'
        f'<Default Extension="jpeg" ContentType="image/jpeg"/>{rows}</Types>'
    )


def rels(*rows: tuple[str, str, str]) -> str:
    inner = "".join(
        f'<Relationship Id="{i}" Type="{k if ":" in k else R + "/" + k}" Target="{t}"'
        + (' TargetMode="External"' if ":" in t else "")
        + "/>"
        for i, k, t in rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{REL}">{inner}</Relationships>'


CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{title}</dc:title><dc:creator>{name}</dc:creator>'
    "<cp:lastModifiedBy>{name}</cp:lastModifiedBy>"
    '<dcterms:created xsi:type="dcterms:W3CDTF">2026-03-14T09:26:53Z</dcterms:created></cp:coreProperties>'
)
APP = (
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    "<Pages>2</Pages><Company>{school}</Company></Properties>"
)
CORE_TYPE = "application/vnd.openxmlformats-package.core-properties+xml"
CORE_REL = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
THUMB_REL = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"


def paragraph(text: str, style: str = "") -> str:
    mark = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    run = f'<w:r w:rsidRPr="00AB12CD"><w:t>{text}</w:t></w:r>'
    return f'<w:p w:rsidR="00AB12CD" w:rsidRDefault="00AB12CD">{mark}{run}</w:p>'


def table(*rows: tuple[str, ...]) -> str:
    inner = "".join("<w:tr>" + "".join(f"<w:tc>{paragraph(c)}</w:tc>" for c in row) + "</w:tr>" for row in rows)
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{inner}</w:tbl>"


PICTURE = (
    '<w:p><w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing">'
    '<wp:extent cx="3048000" cy="2286000"/><wp:docPr id="1" name="{label}" descr="{path}"/><a:graphic xmlns:a="'
    + A
    + '">'
    '<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture">'
    '<pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture">'
    '<pic:nvPicPr><pic:cNvPr id="1" name="{label}"/><pic:cNvPicPr/></pic:nvPicPr>'
    '<pic:blipFill><a:blip xmlns:r="' + R + '" r:embed="rId9"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
    '<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="3048000" cy="2286000"/></a:xfrm>'
    '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline>'
    "</w:drawing></w:r></w:p>"
)
STYLES = (
    f'<w:styles xmlns:w="{W}"><w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/>'
    '<w:rPr><w:b/><w:sz w:val="36"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="2">'
    '<w:name w:val="heading 2"/><w:rPr><w:b/><w:sz w:val="28"/></w:rPr></w:style></w:styles>'
)
LESSON = [
    ("第三单元 小数的初步认识 教学设计", "1"),
    ("一、学情分析", "2"),
    ("学生已经会用元和角说价钱，但不知道小数点两边各表示什么。课前问卷显示，四十二人中有二十九人能读出价签。", ""),
    ("二、教学过程", "2"),
    ("用展台展示学生的价签，请两位同学说说自己的读法；再用平板收集全班的答案，当堂看哪一题错得多。", ""),
]


def docx(name: str, personal: bool) -> None:
    body = "".join(paragraph(text, style) for text, style in LESSON)
    body += table(("环节", "时间", "技术"), ("导入", "5 分钟", "展台"), ("练习", "15 分钟", "平板"))
    body += PICTURE.format(
        label=f"{NAME}的课堂.jpg" if personal else "图片 1",
        path=f"C:\\Users\\{NAME}\\Pictures\\1.jpg" if personal else "板书",
    )
    parts: dict[str, str | bytes] = {}
    overrides = {
        "word/document.xml": f"{OFFICE}.wordprocessingml.document.main+xml",
        "word/styles.xml": f"{OFFICE}.wordprocessingml.styles+xml",
    }
    top = [("rId1", "officeDocument", "word/document.xml")]
    inner = [("rId1", "styles", "styles.xml"), ("rId9", "image", "media/image1.jpeg")]
    image = encoded(picture(), "JPEG", quality=70, **({"exif": exif()} if personal else {}))
    if personal:
        who = f'w:author="{NAME}" w:date="2026-03-14T09:26:53Z"'
        body += (
            f'<w:p w:rsidR="00AB12CD"><w:r><w:t>执教：王</w:t></w:r><w:r><w:t>秀</w:t></w:r><w:ins w:id="5" {who}><w:r>'
            f"<w:t>兰（{SCHOOL}）</w:t></w:r></w:ins>"
            f'<w:del w:id="6" {who}><w:r><w:delText>旧稿</w:delText></w:r></w:del>'
            '<w:commentRangeStart w:id="0"/><w:commentReference w:id="0"/></w:p>'
        )
        parts["word/comments.xml"] = (
            f'<w:comments xmlns:w="{W}"><w:comment w:id="0" {who} w:initials="WXL">'
            f"{paragraph('这里再想想')}</w:comment></w:comments>"
        )
        parts["word/people.xml"] = (
            f'<w15:people xmlns:w15="http://schemas.microsoft.com/office/word/2012/wordml">'
            f'<w15:person w15:author="{NAME}">'
            f'<w15:presenceInfo w15:providerId="AD" w15:userId="{NUMBER}"/></w15:person></w15:people>'
        )
        parts["word/settings.xml"] = (
            f'<w:settings xmlns:w="{W}" xmlns:r="{R}"><w:attachedTemplate r:id="rId1"/>'
            '<w:rsids><w:rsidRoot w:val="00AB12CD"/></w:rsids></w:settings>'
        )
        parts["word/_rels/settings.xml.rels"] = rels(
            ("rId1", "attachedTemplate", f"file:///C:/Users/{NAME}/normal.dotm")
        )
        parts["word/embeddings/sheet.xlsx"] = (HERE / "sheet.xlsx").read_bytes()
        parts["word/embeddings/oleObject1.bin"] = compound(
            {"\x01Ole": b"\1" * 20, "\x05SummaryInformation": property_set(NAME, "旧表")}, NAME
        )
        inner += [("rId6", "package", "embeddings/sheet.xlsx"), ("rId7", "oleObject", "embeddings/oleObject1.bin")]
        parts["word/footer1.xml"] = f'<w:ftr xmlns:w="{W}">{paragraph(f"工号 {NUMBER}")}</w:ftr>'
        parts["docProps/core.xml"] = CORE.format(title="教学设计", name=NAME)
        parts["docProps/app.xml"] = APP.format(school=SCHOOL)
        parts["docProps/thumbnail.jpeg"] = encoded(picture((64, 64), "thumb"), "JPEG")
        parts["docProps/custom.xml"] = (
            '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" '
            'xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"><property '
            f'fmtid="{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}" pid="2" name="学校">'
            f"<vt:lpwstr>{SCHOOL}</vt:lpwstr></property></Properties>"
        )
        top += [
            ("rId2", CORE_REL, "docProps/core.xml"),
            ("rId3", "extended-properties", "docProps/app.xml"),
            ("rId4", THUMB_REL, "docProps/thumbnail.jpeg"),
            ("rId5", "custom-properties", "docProps/custom.xml"),
        ]
        inner += [
            ("rId2", "comments", "comments.xml"),
            ("rId3", "settings", "settings.xml"),
            ("rId4", "footer", "footer1.xml"),
        ]
        inner += [("rId5", "http://schemas.microsoft.com/office/2011/relationships/people", "people.xml")]
        body += '<w:sectPr><w:footerReference xmlns:r="' + R + '" w:type="default" r:id="rId4"/></w:sectPr>'
        overrides |= {
            "word/comments.xml": f"{OFFICE}.wordprocessingml.comments+xml",
            "word/people.xml": f"{OFFICE}.wordprocessingml.people+xml",
            "word/settings.xml": f"{OFFICE}.wordprocessingml.settings+xml",
            "word/footer1.xml": f"{OFFICE}.wordprocessingml.footer+xml",
            "docProps/core.xml": CORE_TYPE,
            "docProps/app.xml": f"{OFFICE}.extended-properties+xml",
            "docProps/custom.xml": f"{OFFICE}.custom-properties+xml",
        }
    packed(
        name,
        {
            "[Content_Types].xml": types(**overrides),
            "_rels/.rels": rels(*top),
            "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
            "word/_rels/document.xml.rels": rels(*inner),
            "word/styles.xml": STYLES,
            "word/media/image1.jpeg": image,
            **parts,
        },
    )


def pptx() -> None:
    def shape(number: int, kind: str, *lines: str) -> str:
        text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
        place = f'<a:xfrm><a:off x="457200" y="{number * 1200000}"/><a:ext cx="8229600" cy="1143000"/></a:xfrm>'
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number + 2}" name="框 {number}"/><p:cNvSpPr/><p:nvPr>'
            f'<p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr>'
            f"<p:txBody><a:bodyPr/>{text}</p:txBody></p:sp>"
        )

    def slide(*inner: str) -> str:
        tree = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>' + "".join(
            inner
        )
        return f'<p:sld xmlns:p="{P}" xmlns:a="{A}" xmlns:r="{R}"><p:cSld><p:spTree>{tree}</p:spTree></p:cSld></p:sld>'

    image = (
        '<p:pic><p:nvPicPr><p:cNvPr id="9" name="图 1"/><p:cNvPicPr/><p:nvPr/></p:nvPicPr><p:blipFill>'
        '<a:blip r:embed="rId2"/><a:stretch><a:fillRect/></a:stretch></p:blipFill><p:spPr>'
        '<a:xfrm><a:off x="0" y="3000000"/>'
        '<a:ext cx="3000000" cy="2000000"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr></p:pic>'
    )
    main = (
        f'<p:presentation xmlns:p="{P}" xmlns:r="{R}"><p:sldIdLst><p:sldId id="256" r:id="rId2"/>'
        '<p:sldId id="257" r:id="rId1"/></p:sldIdLst>'
        '<p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/></p:presentation>'
    )
    packed(
        "slides.pptx",
        {
            "[Content_Types].xml": types(
                **{
                    "ppt/presentation.xml": f"{OFFICE}.presentationml.presentation.main+xml",
                    "ppt/slides/slide1.xml": f"{OFFICE}.presentationml.slide+xml",
                    "ppt/slides/slide2.xml": f"{OFFICE}.presentationml.slide+xml",
                    "ppt/commentAuthors.xml": f"{OFFICE}.presentationml.commentAuthors+xml",
                    "docProps/core.xml": CORE_TYPE,
                }
            ),
            "_rels/.rels": rels(
                ("rId1", "officeDocument", "ppt/presentation.xml"), ("rId2", CORE_REL, "docProps/core.xml")
            ),
            "ppt/presentation.xml": main,
            "ppt/_rels/presentation.xml.rels": rels(
                ("rId1", "slide", "slides/slide1.xml"),
                ("rId2", "slide", "slides/slide2.xml"),
                ("rId3", "commentAuthors", "commentAuthors.xml"),
            ),
            "ppt/commentAuthors.xml": f'<p:cmAuthorLst xmlns:p="{P}"><p:cmAuthor id="0" name="{NAME}" '
            'initials="WXL" lastIdx="1" clrIdx="0"/></p:cmAuthorLst>',
            "ppt/slides/slide1.xml": slide(
                shape(0, "title", "课堂练习"), shape(1, "body", "读出价签", "写出小数"), image
            ),
            "ppt/slides/slide2.xml": slide(
                shape(0, "title", "认识小数"), shape(1, "body", f"执教 {NAME[0]} {NAME[1:]}")
            ),
            "ppt/slides/_rels/slide1.xml.rels": rels(("rId2", "image", "../media/image1.png")),
            "ppt/media/image1.png": encoded(picture((200, 120)), "PNG"),
            "docProps/core.xml": CORE.format(title="认识小数", name=NAME),
        },
    )


def xlsx() -> None:
    with xlsxwriter.Workbook(HERE / "sheet.xlsx") as book:
        book.set_properties({"author": NAME, "title": "前测成绩", "company": SCHOOL})
        sheet = book.add_worksheet("前测")
        for row, cells in enumerate((("学号", "得分", "备注"), ("01", 92, "已会读"), ("02", 61, f"{NAME} 辅导"))):
            sheet.write_row(row, 0, cells)
        sheet.write_comment("B2", "看这里", {"author": NAME})


def pdf() -> None:
    pages = "".join(
        f'<section style="break-after:page"><h1>教学反思 {n}</h1><p>第{n}页：学生把零点五元读成五角。</p></section>'
        for n in "一二三"
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "a.html"
        page.write_text(
            '<meta charset="utf-8"><style>*{font:20px "Noto Sans CJK SC"}'
            f"section:last-child{{break-after:auto!important}}</style>{pages}",
            "utf-8",
        )
        made = Path(folder) / "a.pdf"
        command = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True)
        with pikepdf.open(made) as document:
            document.docinfo["/Author"] = NAME
            document.docinfo["/Title"] = f"教学反思（{SCHOOL}）"
            with document.open_metadata() as meta:
                meta["dc:creator"] = [NAME]
                meta["dc:title"] = "教学反思"
            document.attachments["who.txt"] = pikepdf.AttachedFileSpec(
                document, NUMBER.encode(), filename=f"{NAME}.txt"
            )
            document.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=f"app.alert('{NUMBER}')")
            note = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Text, Rect=[9, 9, 30, 30])
            note.T, note.Contents, note.M = NAME, "再想想", "D:20260314092653"
            document.pages[0].Annots = document.make_indirect([document.make_indirect(note)])
            photo = document.make_stream(encoded(picture((80, 60)), "JPEG", exif=exif()))
            photo.Type, photo.Subtype, photo.Filter = pikepdf.Name.XObject, pikepdf.Name.Image, pikepdf.Name.DCTDecode
            photo.Width, photo.Height, photo.BitsPerComponent, photo.ColorSpace = 80, 60, 8, pikepdf.Name.DeviceRGB
            document.pages[0].add_resource(photo, pikepdf.Name.XObject)
            document.save(HERE / "reflection.pdf")
            document.save(
                HERE / "locked.pdf", encryption=pikepdf.Encryption(owner="secret", user="secret")
            )  # opens with a password alone
    whole = (HERE / "reflection.pdf").read_bytes()
    (HERE / "cut.pdf").write_bytes(whole[: len(whole) * 3 // 5])


def film(name: str, *options: str) -> None:
    picture_source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=12:duration=3"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=22050:duration=3"]
    tags = [
        "-metadata",
        f"title={NAME}的课堂实录",
        "-metadata",
        f"artist={NAME}",
        "-metadata",
        "creation_time=2026-03-14T09:26:53Z",
    ]
    command = ["ffmpeg", "-v", "error", "-y", *picture_source, *sound, *tags, *options, str(HERE / name)]
    subprocess.run(command, check=True)


def films() -> None:
    small = ["-crf", "38", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "24k", "-shortest"]
    film("lesson.mp4", "-c:v", "libx264", *small, "-movflags", "+faststart")
    place = ["-metadata", "location=+30.6700+104.0500/", "-metadata", "location-eng=+30.6700+104.0500/"]
    film(
        "lesson.mov",
        "-c:v",
        "libx264",
        *small,
        *place,
        "-metadata",
        "make=PhoneMaker",
        "-movflags",
        "use_metadata_tags",
    )
    film("lesson_hevc.mp4", "-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=none", *small)
    film("lesson.webm", "-c:v", "libvpx", "-b:v", "60k", "-c:a", "libopus", "-b:a", "16k")
    film("talk.m4a", "-map", "1:a", "-c:a", "aac", "-b:a", "16k")
    film("talk.mp3", "-map", "1:a", "-b:a", "16k")
    film("talk.wav", "-map", "1:a", "-c:a", "pcm_u8", "-ar", "8000")
    whole = (HERE / "lesson.mov").read_bytes()
    (HERE / "cut.mov").write_bytes(whole[: len(whole) // 2])


def images() -> None:
    (HERE / "photo.jpg").write_bytes(encoded(picture((640, 400)), "JPEG", quality=70, exif=exif()))
    words = PngImagePlugin.PngInfo()
    words.add_itxt("Author", NAME)
    (HERE / "photo.png").write_bytes(encoded(picture(), "PNG", pnginfo=words))
    (HERE / "photo.heic").write_bytes(encoded(picture(), "HEIF", quality=50, exif=exif().tobytes()))


def hostile() -> None:
    (HERE / "page.docx").write_text("<!doctype html><html><body><script>alert(1)</script></body></html>", "utf-8")
    (HERE / "drawing.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "utf-8"
    )
    (HERE / "empty.docx").write_bytes(b"")
    (HERE / "program.mp4").write_bytes(
        b"MZ\x90\0\x03\0\0\0" + b"\0" * 52 + b"\x80\0\0\0" + b"\0" * 64 + b"PE\0\0" + bytes(200)
    )
    (HERE / "both.docx").write_bytes((HERE / "reflection.pdf").read_bytes() + (HERE / "plain.docx").read_bytes())
    (HERE / "script.jpg").write_bytes((HERE / "photo.jpg").read_bytes() + b"<script>alert(1)</script>")
    bomb: dict[str, str | bytes] = {
        "[Content_Types].xml": types(**{"word/document.xml": f"{OFFICE}.wordprocessingml.document.main+xml"}),
        "_rels/.rels": rels(("rId1", "officeDocument", "word/document.xml")),
        "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{" " * 30_000_000}</w:body></w:document>',
    }
    packed("bomb.docx", bomb)
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    bomb["word/document.xml"] = f'{laughs}<w:document xmlns:w="{W}"><w:body><w:p>&b;&f;</w:p></w:body></w:document>'
    packed("entities.docx", bomb)
    bomb["[Content_Types].xml"] = types(
        **{"word/document.xml": "application/vnd.ms-word.document.macroEnabled.main+xml"}
    )
    packed("macros.docx", bomb)


if __name__ == "__main__":
    xlsx()
    docx("lesson.docx", personal=True)
    docx("plain.docx", personal=False)
    for name in ("lesson.doc", "lesson_ole.wps"):
        (HERE / name).write_bytes(doc([line for line, _style in LESSON], NAME, SCHOOL))
    (HERE / "lesson_zip.wps").write_bytes((HERE / "plain.docx").read_bytes())
    (HERE / "slides.ppt").write_bytes(ppt(NAME))
    (HERE / "sheet.xls").write_bytes(xls(NAME))
    pptx()
    pdf()
    images()
    films()
    (HERE / "scores.csv").write_bytes(f"姓名,得分\r\n{NAME},92\r\n".encode("gb18030"))
    hostile()
