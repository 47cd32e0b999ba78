"""docx, pptx and xlsx written anew without the people in them: properties, authors, thumbnails, paths, times.

What is removed and where it stands follows ECMA-376 and Microsoft's extensions ([MS-DOCX], [MS-XLSX], [MS-PPTX]).
"""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

from lxml import etree

from lms_plugin.media import embedded, striking, zipped
from lms_plugin.media.faults import Fault
from lms_plugin.media.personal import spans
from lms_plugin.media.zipped import local

_TIME = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say
_EMBEDDED = 64 << 20
_DEPTH = 2
_DROPPED = re.compile(
    r"^(docProps/(custom\.xml|thumbnail\..*)|customXml/.*|.*/people\.xml|.*/persons/.*|.*/threadedComments/.*|.*/revisions/.*"
    r"|.*printerSettings\d*\.bin|.*vbaProject.*\.bin|.*vbaData\.xml|.*/activeX/.*|_xmlsignatures/.*"
    r"|.*/changesInfos/.*|.*/revisionInfo\.xml|.*/documenttasks/.*|docMetadata/.*|.*/model/item\.data)$",
    re.IGNORECASE,
)
# by relationship, whatever the part is called
_DROPPED_KINDS = {"custom-properties", "thumbnail", "origin"} | {
    *("customXml", "customXmlProps", "people", "person", "threadedComment", "vbaProject", "wordVbaData"),
    *("printerSettings", "recipientData", "keyMapCustomizations", "attachedToolbars", "powerPivotData", "usernames"),
    "calcChain",  # it lists the cells that hold formulas, and a struck one holds none; programs make it anew
}
_EMPTIED = {
    "core-properties": b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
    b'core-properties"/>',
    "extended-properties": b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/'
    b'extended-properties"/>',
}
# attributes by local name that name a person or a time; rsids tell which machine typed which run
_BLANK = {"author", "initials", "userName", "displayName", "lastModifiedBy", "userId", "providerId", "lastUser"}
_GONE = re.compile(
    r"^(rsid\w*|dateUtc|lastEdited|documentId|coauthVersionLast|coauthVersionMax|refreshedBy|refreshedDate(Iso)?"
    r"|securityDescriptor)$"
)
_GONE_ELEMENTS = {"rsids", "docVars", "absPath", "attachedTemplate", "docId", "revisionPtr", "fileSharing", "mailMerge"}
_GONE_ELEMENTS |= {"metadata", "namedview", "webPublishItems", "smartTagPr"}  # of drawings, and of sheets put online
# names that programs give by themselves after the user or a file: element → (attribute, what stands there instead)
_RENAMED = {
    "customWorkbookView": ("name", "view"),
    "scenario": ("user", ""),
    "permStart": ("ed", ""),
    "tag": ("val", ""),
    "ddeLink": ("ddeTopic", ""),
    "queryTable": ("name", "ExternalData_1"),
}
# what a connection of a workbook keeps: where it led, and as whom, is nobody's affair
_OF_CONNECTION = {
    *("id", "type", "refreshedVersion", "minRefreshableVersion", "background", "saveData", "keepAlive", "interval"),
    *("deleted", "new", "onlyUseConnectionFile", "reconnectionMethod", "savePassword", "commandType", "xml", "html"),
}
_PATHLIKE = re.compile(r"[\\/]|\.\w{3,4}$")
_TYPES = "[Content_Types].xml"


def rewrite(source: Path, target: Path, needles: list[str] | None = None) -> None:
    """Writes the anonymous copy; `needles`, when given, are replaced by ＊＊ wherever they stand in text.

    Raises Broken, Encrypted or Bomb.
    """
    with zipped.open_zip(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        _copy(archive, copy, needles or [], 0)


def left_out(source: Path) -> int:
    """How many objects in a docx, pptx or xlsx cannot be made bare, so that their place in a copy is empty.

    Raises Broken, Encrypted or Bomb.
    """
    with zipped.open_zip(source) as archive:
        inside = [name for name in archive.namelist() if _INSIDE.search(name)]
        return sum(not _clean(archive, name, set(), {}, [], 0) for name in inside if archive.getinfo(name).file_size)


def _copy(archive: zipfile.ZipFile, copy: zipfile.ZipFile, needles: list[str], depth: int) -> None:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    package = [(kind, part) for kind, part in zipped.relationships(archive, "").values() if part]
    emptied = {part: _EMPTIED[kind] for kind, part in package if kind in _EMPTIED}
    pointed = [pair for name in names if name.endswith(".rels") for pair in _pointers(archive, name)]
    dropped = {name for name in names if _DROPPED.match(name)} | {part for k, part in pointed if k in _DROPPED_KINDS}
    reached = {part for _kind, part in pointed}
    for name in names:
        if name in dropped:
            continue
        if name not in reached and not name.endswith(".rels") and name != _TYPES:
            dropped.add(name)  # a part that nothing points to is no part of the document, but could be read
    dropped |= {name for name in names if name.endswith(".rels") and _source(name) in dropped}
    called = _neutral_names(sorted(set(names) - dropped))
    for name in sorted(set(names) - dropped, key=lambda n: (n != _TYPES, n)):
        entry = zipfile.ZipInfo(called.get(name, name), _TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        with copy.open(entry, "w") as out:
            out.write(emptied.get(name) or _clean(archive, name, dropped, called, needles, depth))


def _pointers(archive: zipfile.ZipFile, rels: str) -> list[tuple[str, str]]:
    return [(kind, target) for kind, target in zipped.relationships(archive, _source(rels)).values() if target]


_INSIDE = re.compile(r"/(?:media|embeddings)/[^/]+$")
_MEDIA = re.compile(r"^(.*/(?:media|embeddings)/)([^/]+?)(\.\w{1,8})$")
_USUAL = re.compile(
    r"^(image|media|audio|video|picture|hdphoto|oleObject|Microsoft_[a-z_]{4,40})\d*$", re.IGNORECASE | re.ASCII
)


def _neutral_names(names: list[str]) -> dict[str, str]:
    """Media that are called after the file they came from, and what they are called in the copy."""
    odd = [(name, found) for name in names if (found := _MEDIA.match(name)) and not _USUAL.match(found[2])]
    return {name: f"{found[1]}part{number}{found[3]}" for number, (name, found) in enumerate(odd, start=1)}


def _source(rels: str) -> str:
    """The name of the part whose relationships these are, "" for the package."""
    folder, _, base = rels.rpartition("_rels/")
    return folder + base.removesuffix(".rels")


def _clean(
    archive: zipfile.ZipFile, name: str, dropped: set[str], called: dict[str, str], needles: list[str], depth: int
) -> bytes:
    lower = name.lower()
    if name == _TYPES:
        return _types(zipped.parse(zipped.part(archive, name)), dropped, called)
    if lower.endswith(".rels"):
        return _rels(zipped.parse(zipped.part(archive, name)), name, dropped, called, needles)
    if lower.endswith((".xml", ".vml", ".svg")):
        data = zipped.part(archive, name)
        try:
            root = zipped.parse(data)
        except Fault:
            if lower.endswith(".xml"):
                raise
            return b""  # old drawings are often no XML at all; what cannot be checked is not passed on
        _anonymise(root)
        _forget_paths(root)
        if lower.endswith(".svg"):
            for element in [e for e in root.iter() if local(e) in {"title", "desc"} and e.getparent() is not None]:
                element.getparent().remove(element)
        _unlink(root, {key for key, (_kind, to) in zipped.relationships(archive, name).items() if to in dropped})
        if needles:
            striking.strike(root, needles)
        return _bytes(root)
    data = zipped.part(archive, name, _EMBEDDED)
    if data.startswith(b"PK\x03\x04"):
        return _embedded(data, needles, depth)
    return embedded.bare(data, name)


def _embedded(data: bytes, needles: list[str], depth: int) -> bytes:
    if depth >= _DEPTH:
        return b""
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as inner, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as copy:
            zipped.check(inner)
            _copy(inner, copy, needles, depth + 1)
    except (zipfile.BadZipFile, Fault):
        return b""
    return made.getvalue()


def _bytes(root: Any) -> bytes:
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return made


def _types(root: Any, dropped: set[str], called: dict[str, str]) -> bytes:
    for element in list(root):
        part = element.get("PartName", "").lstrip("/")
        if part in dropped:
            root.remove(element)
        elif part in called:
            element.set("PartName", f"/{called[part]}")
    return _bytes(root)


def _rels(root: Any, name: str, dropped: set[str], called: dict[str, str], needles: list[str]) -> bytes:
    source = _source(name)
    for rel in list(root.iter(zipped.REL)):
        target = rel.get("Target", "")
        kind = rel.get("Type", "").rpartition("/")[2]
        if rel.get("TargetMode") == "External":
            if kind != "hyperlink" or not re.match(r"(https?|mailto):", target, re.IGNORECASE):
                rel.set("Target", "about:blank")  # paths name people; far pictures tell who looks
            elif any(True for needle in needles for _ in spans(target, needle)):
                rel.set("Target", "about:blank")
        elif (part := zipped.resolve(source, target)) in dropped:
            root.remove(rel)
        elif part in called:
            rel.set("Target", f"/{called[part]}")
    return _bytes(root)


def _anonymise(root: Any) -> None:
    for element in list(root.iter()):
        name = local(element)
        if name in _GONE_ELEMENTS and element.getparent() is not None:
            element.getparent().remove(element)
            continue
        is_authored = name == "cm" or any(str(key).rpartition("}")[2] == "author" for key in element.attrib)
        for key in list(element.attrib):
            space, _, plain = str(key).rpartition("}")
            if plain in _BLANK:
                element.set(key, "")
            elif (
                _GONE.match(plain)
                or (plain == "uid" and "/revision" in space)
                or (plain in {"date", "dt"} and is_authored)
                or "inkscape.org" in space
                or "sodipodi" in space
            ):
                del element.attrib[key]
            elif name in _RENAMED and _RENAMED[name][0] == plain:
                element.set(key, _RENAMED[name][1])
        if name in {"cmAuthor", "author"} and "name" in element.attrib:
            element.set("name", "")
        elif name == "author" and len(element) == 0:
            element.text = ""  # a workbook's list of the authors of comments
        elif name == "connection":
            _connection(element)
        elif name in {"cNvPr", "docPr", "imagedata", "fill"}:
            for key in ("name", "descr", "title", "{urn:schemas-microsoft-com:office:office}title"):
                if _PATHLIKE.search(element.get(key, "")):
                    element.set(key, "")  # pictures keep the path they came from


def _connection(connection: Any) -> None:
    """A workbook's way to its data: it stays, since tables point to it, and leads nowhere."""
    for element in list(connection.iter()):
        if local(element) == "extLst" and element.getparent() is not None:
            element.getparent().remove(element)
            continue
        for key in list(element.attrib):
            if str(key) not in _OF_CONNECTION:
                del element.attrib[key]
        if local(element) == "dbPr":
            element.set("connection", "")
        element.text = None
    connection.set("name", f"connection {connection.get('id', '')}")


_INSTRUCTED_PATH = re.compile(
    r'"(?:file:|[A-Za-z]:|[/~\\])[^"]*"|"(?!https?:|mailto:)[^"]*\\[^"]*"|(?<!\w)(?:[A-Za-z]:\\|\\\\)[^\s"]+',
    re.IGNORECASE,
)


def _forget_paths(root: Any) -> None:
    """Fields that fetch a picture or a table say from which folder, out of sight and cut over several runs."""
    for paragraph in root.iter():
        if local(paragraph) == "p":
            nodes = [t for t in paragraph.iter() if local(t) == "instrText" and striking.holder(t) is paragraph]
            places = [found.span() for found in _INSTRUCTED_PATH.finditer("".join(t.text or "" for t in nodes))]
            striking.cover(nodes, places)
        elif local(paragraph) == "fldSimple":
            for key, value in paragraph.attrib.items():
                if str(key).rpartition("}")[2] == "instr":
                    paragraph.set(key, _INSTRUCTED_PATH.sub('""', str(value)))


def _unlink(root: Any, ids: set[str]) -> None:
    """Removes what points to dropped parts: Office calls a file damaged whose pointers lead nowhere."""
    for element in list(root.iter()) if ids else ():
        for key, value in list(element.attrib.items()):
            if "/relationships}" in str(key) and value in ids:
                if local(element) in {"control", "custData"} and element.getparent() is not None:
                    element.getparent().remove(element)
                else:
                    del element.attrib[key]
