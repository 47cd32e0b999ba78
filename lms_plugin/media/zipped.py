"""Zip-based documents opened within bounds, and their XML parsed without entities, DTDs or the network."""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lxml import etree

from lms_plugin.media.faults import Bomb, Broken, Encrypted

ENTRIES = 5_000
UNPACKED = 1 << 30  # bytes of all parts together
RATIO = 200  # unpacked : packed; text reaches 20, an honest empty sheet 100
RATIO_FROM = 16 << 20  # below this an odd ratio costs nothing
XML_PART = 48 << 20
REL = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_RID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RID_STRICT = "{http://purl.oclc.org/ooxml/officeDocument/relationships}"


@contextmanager
def open_zip(path: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive, once its directory has been found modest. Raises Broken, Encrypted or Bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            check(archive)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise Broken from error
    except RuntimeError as error:  # zipfile's word for a part with a password
        raise Encrypted from error


def check(archive: zipfile.ZipFile) -> None:
    """Raises Bomb or Encrypted by what the directory says; `zipfile` never unpacks more than the directory says."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries) or 1
    if len(entries) > ENTRIES or unpacked > UNPACKED or (unpacked > RATIO_FROM and unpacked > RATIO * packed):
        raise Bomb
    if any(entry.flag_bits & 1 for entry in entries):
        raise Encrypted
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise Broken  # two parts of one name: readers would disagree on which is meant


def part(archive: zipfile.ZipFile, name: str, limit: int = XML_PART) -> bytes:
    """The bytes of a part, b"" when there is none. Raises Bomb above `limit`."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        return b""
    if entry.file_size > limit:
        raise Bomb
    return archive.read(entry)


def parse(data: bytes) -> Any:
    """The root element. Raises Broken for what is not well-formed and for every document with a DTD or entities."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Broken
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Broken from error
    if root.getroottree().docinfo.doctype:
        raise Broken
    return root


def xml(archive: zipfile.ZipFile, name: str) -> Any | None:
    """The root element of a part, None when there is no such part."""
    data = part(archive, name)
    return parse(data) if data else None


def relationships(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """Of a part: id → (type's last word, name of the part it points to, "" for addresses outside)."""
    root = xml(archive, rels_name(name))
    if root is None:
        return {}
    return {
        rel.get("Id", ""): (
            rel.get("Type", "").rpartition("/")[2],
            "" if rel.get("TargetMode") == "External" else resolve(name, rel.get("Target", "")),
        )
        for rel in root.iter(REL)
    }


def rels_name(name: str) -> str:
    """The name of the part that holds a part's relationships; "" is the package itself."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, "_rels", f"{base}.rels")


def resolve(source: str, target: str) -> str:
    """The full name of a relationship's target."""
    if target.startswith("/"):
        return posixpath.normpath(target).lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def main_part(archive: zipfile.ZipFile) -> str:
    """The name of the document itself (word/document.xml …). Raises Broken when there is none."""
    for kind, target in relationships(archive, "").values():
        if kind == "officeDocument" and target:
            return target
    raise Broken


def local(element: Any) -> str:
    """The element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


_UNSEEN = {"Fallback", "moveFrom", "del"}


def seen(element: Any, stop: frozenset[str] = frozenset()) -> Iterator[Any]:
    """The element and what a reader sees in it, in order: no deleted or moved text, no second form of a drawing.

    Elements named in `stop` are given, but not entered.
    """
    stack = [element]
    while stack:
        current = stack.pop()
        name = local(current)
        if name in _UNSEEN:
            continue
        yield current
        if name not in stop or current is element:
            stack.extend(reversed(current))


def attribute(element: Any, name: str) -> str:
    """An attribute by its local name, "" when absent: the strict and the usual form differ in namespace alone."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return ""


def relation_id(element: Any, name: str = "id") -> str:
    """An attribute that names a relationship (r:id, r:embed)."""
    return str(element.get(_RID + name) or element.get(_RID_STRICT + name) or "")
