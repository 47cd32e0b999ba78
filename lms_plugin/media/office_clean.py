"""docx, pptx and xlsx written anew without the people in them: properties, authors, thumbnails, paths, times.

What is removed and where it stands follows ECMA-376 and Microsoft's extensions ([MS-DOCX], [MS-XLSX], [MS-PPTX]).
"""

import io
import itertools
import re
import zipfile
from pathlib import Path
from typing import Any

from lxml import etree

from lms_plugin.media import pictures, word97, zipped
from lms_plugin.media.compound import Compound
from lms_plugin.media.faults import Fault
from lms_plugin.media.personal import MASK, mask, spans
from lms_plugin.media.zipped import local

_TIME = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say
_EMBEDDED = 64 << 20
_DEPTH = 2
_DROPPED = re.compile(
    r"^(docProps/(custom\.xml|thumbnail\..*)|customXml/.*|.*/people\.xml|.*/persons/.*|.*/threadedComments/.*|.*/revisions/.*"
    r"|.*printerSettings\d*\.bin|.*vbaProject.*\.bin|.*vbaData\.xml|.*/activeX/.*|_xmlsignatures/.*"
    r"|.*/changesInfos/.*|.*/revisionInfo\.xml|.*/documenttasks/.*|docMetadata/.*)$",
    re.IGNORECASE,
)
_DROPPED_KINDS = {"custom-properties", "thumbnail", "origin"}  # by relationship of the package, whatever the name
_EMPTIED = {
    "core-properties": b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
    b'core-properties"/>',
    "extended-properties": b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/'
    b'extended-properties"/>',
}
# attributes by local name that name a person or a time; rsids tell which machine typed which run
_BLANK = {"author", "initials", "userName", "displayName", "lastModifiedBy", "userId", "providerId", "lastUser"}
_GONE = re.compile(r"^(rsid\w*|dateUtc|lastEdited|documentId|coauthVersionLast|coauthVersionMax)$")
_GONE_ELEMENTS = {"rsids", "docVars", "absPath", "attachedTemplate", "docId", "revisionPtr", "fileSharing", "mailMerge"}
_AUTHORED = {"ins", "del", "moveFrom", "moveTo", "comment", "rPrChange", "pPrChange", "sectPrChange", "tblPrChange"}
_PATHLIKE = re.compile(r"[\\/]|\.\w{3,4}$")
_TYPES = "[Content_Types].xml"


def rewrite(source: Path, target: Path, needles: list[str] | None = None) -> None:
    """Writes the anonymous copy; `needles`, when given, are replaced by ＊＊ wherever they stand in text.

    Raises Broken, Encrypted or Bomb.
    """
    with zipped.open_zip(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        _copy(archive, copy, needles or [], 0)


def _copy(archive: zipfile.ZipFile, copy: zipfile.ZipFile, needles: list[str], depth: int) -> None:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    package = [(kind, part) for kind, part in zipped.relationships(archive, "").values() if part]
    emptied = {part: _EMPTIED[kind] for kind, part in package if kind in _EMPTIED}
    dropped = {name for name in names if _DROPPED.match(name)} | {part for k, part in package if k in _DROPPED_KINDS}
    reached = {target for name in names if name.endswith(".rels") for target in _targets(archive, name)}
    for name in names:
        if name in dropped:
            continue
        if name not in reached and not name.endswith(".rels") and name != _TYPES:
            dropped.add(name)  # a part that nothing points to is no part of the document, but could be read
    dropped |= {name for name in names if name.endswith(".rels") and _source(name) in dropped}
    for name in sorted(set(names) - dropped, key=lambda n: (n != _TYPES, n)):
        entry = zipfile.ZipInfo(name, _TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        with copy.open(entry, "w") as out:
            out.write(emptied.get(name) or _clean(archive, name, dropped, needles, depth))


def _targets(archive: zipfile.ZipFile, rels: str) -> list[str]:
    return [target for _kind, target in zipped.relationships(archive, _source(rels)).values() if target]


def _source(rels: str) -> str:
    """The name of the part whose relationships these are, "" for the package."""
    folder, _, base = rels.rpartition("_rels/")
    return folder + base.removesuffix(".rels")


def _clean(archive: zipfile.ZipFile, name: str, dropped: set[str], needles: list[str], depth: int) -> bytes:
    lower = name.lower()
    if name == _TYPES:
        return _types(zipped.parse(zipped.part(archive, name)), dropped)
    if lower.endswith(".rels"):
        return _rels(zipped.parse(zipped.part(archive, name)), name, dropped, needles)
    if lower.endswith((".xml", ".vml", ".svg")):
        data = zipped.part(archive, name)
        try:
            root = zipped.parse(data)
        except Fault:
            if lower.endswith(".xml"):
                raise
            return b""  # old drawings are often no XML at all; what cannot be checked is not passed on
        _anonymise(root)
        _unlink(root, {key for key, (_kind, to) in zipped.relationships(archive, name).items() if to in dropped})
        if needles:
            _redact(root, needles)
        return _bytes(root)
    data = zipped.part(archive, name, _EMBEDDED)
    if lower.endswith((".docx", ".xlsx", ".pptx")):
        return _embedded(data, needles, depth)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return _compound(data)
    return pictures.without_metadata(data)


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


def _compound(data: bytes) -> bytes:
    file = io.BytesIO(data)
    try:
        with Compound.reading(file, len(data)) as compound:
            word97.blank_properties(compound)
            compound.wipe_unused()
    except Fault:
        return b""
    return file.getvalue()


def _bytes(root: Any) -> bytes:
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return made


def _types(root: Any, dropped: set[str]) -> bytes:
    for element in list(root):
        if element.get("PartName", "").lstrip("/") in dropped:
            root.remove(element)
    return _bytes(root)


def _rels(root: Any, name: str, dropped: set[str], needles: list[str]) -> bytes:
    source = _source(name)
    for rel in list(root.iter(zipped.REL)):
        target = rel.get("Target", "")
        kind = rel.get("Type", "").rpartition("/")[2]
        if rel.get("TargetMode") == "External":
            if kind != "hyperlink" or not re.match(r"(https?|mailto):", target, re.IGNORECASE):
                rel.set("Target", "about:blank")  # paths name people; far pictures tell who looks
            elif any(True for needle in needles for _ in spans(target, needle)):
                rel.set("Target", "about:blank")
        elif zipped.resolve(source, target) in dropped:
            root.remove(rel)
    return _bytes(root)


def _anonymise(root: Any) -> None:
    for element in list(root.iter()):
        name = local(element)
        if name in _GONE_ELEMENTS and element.getparent() is not None:
            element.getparent().remove(element)
            continue
        for key in list(element.attrib):
            plain = str(key).rpartition("}")[2]
            if plain in _BLANK:
                element.set(key, "")
            elif (
                _GONE.match(plain)
                or (plain == "uid" and "/revision" in str(key))
                or (plain in {"date", "dt"} and (name in _AUTHORED or name in {"cm", "comment"}))
            ):
                del element.attrib[key]
        if name in {"cmAuthor", "author"} and "name" in element.attrib:
            element.set("name", "")
        elif name == "author" and len(element) == 0:
            element.text = ""  # a workbook's list of the authors of comments
        elif name in {"cNvPr", "docPr", "imagedata", "fill"}:
            for key in ("name", "descr", "title", "{urn:schemas-microsoft-com:office:office}title"):
                if _PATHLIKE.search(element.get(key, "")):
                    element.set(key, "")  # pictures keep the path they came from


def _unlink(root: Any, ids: set[str]) -> None:
    """Removes what points to dropped parts: Office calls a file damaged whose pointers lead nowhere."""
    for element in list(root.iter()) if ids else ():
        for key, value in list(element.attrib.items()):
            if "/relationships}" in str(key) and value in ids:
                if local(element) == "control" and element.getparent() is not None:
                    element.getparent().remove(element)
                else:
                    del element.attrib[key]


def _redact(root: Any, needles: list[str]) -> None:
    """Replaces needles first across the runs of each paragraph, then in each single text and attribute that is left."""
    for paragraph in root.iter():
        if local(paragraph) in {"p", "si", "is"}:
            nodes = [t for t in paragraph.iter() if local(t) in {"t", "delText"} and _holder(t) is paragraph]
            for needle in needles:
                _across(nodes, needle)
    for element in root.iter():
        if element.text:
            element.text = mask(element.text, needles)
        if element.tail:
            element.tail = mask(element.tail, needles)
        for key, value in element.attrib.items():
            if "}" not in str(key) or "relationships" not in str(key):
                masked = mask(str(value), needles)
                if masked != value:
                    element.set(key, masked)


def _holder(node: Any) -> Any:
    """The paragraph that a text belongs to: a text box stands inside a paragraph and has its own."""
    parent = node.getparent()
    while parent is not None and local(parent) not in {"p", "si", "is"}:
        parent = parent.getparent()
    return parent


def _across(nodes: list[Any], needle: str) -> None:
    texts = [node.text or "" for node in nodes]
    starts = [0, *itertools.accumulate(len(t) for t in texts)][: len(texts)]
    for start, end in reversed(list(spans("".join(texts), needle))):
        first = True
        for index, begin in enumerate(starts):
            low, high = max(start, begin), min(end, begin + len(texts[index]))
            if low >= high:
                continue
            own = texts[index]
            texts[index] = own[: low - begin] + (MASK if first else "") + own[high - begin :]
            first = False
    for node, changed in zip(nodes, texts, strict=True):
        if (node.text or "") != changed:
            node.text = changed
