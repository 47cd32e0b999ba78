"""Parcels: ZIP files that carry data from one installation to another, with a manifest of SHA-256 hashes.

`contents.jsonl` names every member with its size and SHA-256, ordered by name; `manifest.json` says what the parcel is
and holds the hash of that list. So the hash of `manifest.json` alone stands for every byte: two parcels of the same
data have the same one, whenever and wherever they were packed. Bytes of files are members named by their own hash
(`files/ab/abcd….pdf`), stored as they are; everything else is compressed.

Packing can be cut off at any moment and goes on from its last checkpoint: the archive's directory of that moment is
kept beside it (`….tail`). What is read is never trusted: nothing is written to a path that a parcel names.
"""

import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lms_plugin.errors import Refused

MANIFEST, CONTENTS = "manifest.json", "contents.jsonl"
SIGNATURE = "manifest.jws"  # of the manifest's bytes, where whoever packed it signs (`signing`)
MOST_MANIFEST = 1 << 20
MOST_LINE = 64 << 20  # a framework of 10 000 items is one line
MOST_PACKED = 200  # times smaller than what it holds is a whole parcel at most: more is no data of ours but a trap
CHUNK = 1 << 20
_ABOUT = frozenset({MANIFEST, CONTENTS, SIGNATURE})  # what the list of contents does not name
_THEN = (1980, 1, 1, 0, 0, 0)  # of every member: the same data make the same parcel
_FILE = re.compile(r"files/([0-9a-f]{2})/(\1[0-9a-f]{62})(\.[a-z0-9]{1,8})?")
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_.-]{0,79}/){0,2}[a-z0-9][a-z0-9_.-]{0,99}")


def line(value: Any) -> bytes:
    """A value as one line of JSON in UTF-8, keys sorted, no blanks: the same value is always the same bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def file_name(sha256: str, extension: str) -> str:
    """The member in which the bytes of that hash stand. An ending that is no plain word is left out."""
    ending = f".{extension.lower()}" if re.fullmatch(r"[A-Za-z0-9]{1,8}", extension) else ""
    return f"files/{sha256[:2]}/{sha256}{ending}"


class Packing:
    """A parcel being packed. The path is complete only after `finish`.

    Begins anew, or goes on from the last checkpoint that stands beside the path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail = path.with_name(path.name + ".tail")
        if self._tail.exists():
            self._return()
            self._zip = zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED)
        else:
            path.unlink(missing_ok=True)
            self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED)
        self._since = 0
        self._is_cut = False

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    @property
    def unkept(self) -> int:
        """Bytes of files that were put in since the last checkpoint."""
        return self._since

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A new member to write to."""
        with self._whole(_made(name, zipfile.ZIP_DEFLATED)) as target:
            yield target

    def text(self, name: str, text: str) -> None:
        """A whole member at once. Where somebody typed the same over and over it is stored as it is: packed, one such
        member could make a trap of the whole parcel."""
        data = text.encode()
        is_even = len(data) > CHUNK and len(data) > MOST_PACKED * len(zlib.compress(data))
        self._zip.writestr(_made(name, zipfile.ZIP_STORED if is_even else zipfile.ZIP_DEFLATED), data)

    def file(self, source: Path, sha256: str, extension: str, between: Callable[[], None] = lambda: None) -> bool:
        """Puts in a file's bytes, once for each hash. False where they are not there or are others by now.

        `between` is called after each piece of a long file.
        """
        name = file_name(sha256, extension)
        if name in self:
            return True
        try:
            with source.open("rb") as stream:
                digest = hashlib.sha256()
                while piece := stream.read(CHUNK):
                    digest.update(piece)
                    between()
                if digest.hexdigest() != sha256:
                    return False
                stream.seek(0)
                with self._whole(_made(name, zipfile.ZIP_STORED)) as target:
                    while piece := stream.read(CHUNK):
                        target.write(piece)
                        self._since += len(piece)
                        between()
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _whole(self, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """A member that is written to its end; one that was broken off must never be kept."""
        self._is_cut = True
        with self._zip.open(info, "w", force_zip64=True) as target:
            yield target
        self._is_cut = False

    def checkpoint(self) -> None:
        """Everything so far is kept: packing that is cut off goes on from here. Where a member was broken off, what
        was kept before stays the last."""
        if self._is_cut:
            return
        self._zip.close()
        at = self._zip.start_dir
        draft = self._tail.with_name(self._tail.name + ".new")
        with self.path.open("rb") as whole, draft.open("wb") as kept:
            os.fsync(whole.fileno())
            kept.write(at.to_bytes(8, "big"))
            whole.seek(at)
            while piece := whole.read(CHUNK):
                kept.write(piece)
            kept.flush()
            os.fsync(kept.fileno())
        draft.rename(self._tail)
        self._zip = zipfile.ZipFile(self.path, "a", zipfile.ZIP_DEFLATED)
        self._since = 0

    def finish(self, facts: Mapping[str, Any], sign: Callable[[bytes], str] | None = None) -> str:
        """Writes the list of contents and the manifest, closes the parcel; gives the manifest's SHA-256.

        `facts`: what the manifest says besides; `sign` makes a signature of its bytes. The path must have had a
        checkpoint.
        """
        names = sorted(self._zip.NameToInfo)
        total, digest = 0, hashlib.sha256()
        with zipfile.ZipFile(self.path) as kept, self.member(CONTENTS) as target:
            for name in names:
                info = kept.getinfo(name)
                found = _FILE.fullmatch(name)
                hashed = found[2] if found else _digest(kept, info)
                one = line({"name": name, "bytes": info.file_size, "sha256": hashed})
                target.write(one)
                digest.update(one)
                total += info.file_size
        listed = {"members": len(names), "bytes": total, "sha256": digest.hexdigest()}
        manifest = json.dumps({**facts, "contents": listed}, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
        self.text(MANIFEST, manifest)
        if sign is not None:
            self.text(SIGNATURE, sign(manifest.encode()))
        self._zip.close()
        with self.path.open("rb") as whole:
            os.fsync(whole.fileno())
        self._tail.unlink(missing_ok=True)
        return hashlib.sha256(manifest.encode()).hexdigest()

    def close(self) -> None:
        """Puts the unfinished parcel down; what came after the last checkpoint is packed again."""
        with suppress(OSError, ValueError):
            self._zip.close()

    def _return(self) -> None:
        with self._tail.open("rb") as kept, self.path.open("r+b") as whole:
            at = int.from_bytes(kept.read(8), "big")
            whole.truncate(at)
            whole.seek(at)
            while piece := kept.read(CHUNK):
                whole.write(piece)


class Reading:
    """A parcel of our own, as of its last checkpoint or finished: read without looking for traps."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The objects of a member of JSON Lines."""
        with self._zip.open(name) as stream:
            for raw in stream:
                yield json.loads(raw)


def give_up(path: Path) -> None:
    """Takes a parcel away, finished or not, with what stands beside it."""
    for one in (path, path.with_name(path.name + ".tail"), path.with_name(path.name + ".tail.new")):
        one.unlink(missing_ok=True)


def _made(name: str, how: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _THEN)
    info.compress_type = how
    info.external_attr = 0o644 << 16
    return info


def _digest(source: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with source.open(info) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Member:
    """What the list of contents says of a member."""

    name: str
    bytes: int
    sha256: str


class Opened:
    """A parcel that came from somewhere. Nothing in it is believed before `verify` has gone through.

    Raises Refused `parcel.not_there`, `parcel.unreadable`, `parcel.manifest`, `parcel.trap` (names that lead elsewhere,
    members twice or over one another, far more bytes than the file has).
    """

    def __init__(self, path: Path) -> None:
        self._zip = _opened(path)
        try:
            self._look(path.stat().st_size)
            text = self._small(MANIFEST)
            self.manifest = _manifest(text)
            self.manifest_bytes = text
        except BaseException:
            self._zip.close()
            raise
        self.hash = hashlib.sha256(text).hexdigest()

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def must_be(self, kind: str, versions: tuple[int, ...]) -> None:
        """Raises Refused `parcel.other_kind`, `parcel.version_unknown` for what we cannot read."""
        if self.manifest.get("format") != kind:
            raise Refused("parcel.other_kind")
        if self.manifest.get("version") not in versions:
            raise Refused("parcel.version_unknown", version=str(self.manifest.get("version"))[:20], known=versions[-1])

    def contents(self) -> Iterator[Member]:
        """The members that the list names. Raises Refused `parcel.changed` where the list is not the manifest's."""
        digest = hashlib.sha256()
        for raw in self._lines(CONTENTS):
            digest.update(raw)
            said = _object(raw)
            name, size, hashed = said.get("name"), said.get("bytes"), said.get("sha256")
            if not (isinstance(name, str) and type(size) is int and isinstance(hashed, str)):
                raise Refused("parcel.changed", name=CONTENTS)
            yield Member(name, size, hashed)
        if digest.hexdigest() != self.manifest["contents"]["sha256"]:
            raise Refused("parcel.changed", name=CONTENTS)

    def verify(self, told: Callable[[Member], None] = lambda _member: None, after: str = "") -> None:
        """Reads every byte: the list is the manifest's, each member is what the list says, and there are no others.
        Members up to the name `after` are not read, for whoever has read them before.

        `told` hears of each member that is right. Raises Refused `parcel.changed` naming the first that is not.
        """
        count, before = 0, ""
        for member in self.contents():
            info = self._zip.NameToInfo.get(member.name)
            found = _FILE.fullmatch(member.name)
            if (
                info is None
                or member.name <= before
                or member.name in _ABOUT
                or info.file_size != member.bytes
                or (found is not None and found[2] != member.sha256)
            ):
                raise Refused("parcel.changed", name=member.name[:200])
            with _reading(member.name):
                if member.name > after and _digest(self._zip, info) != member.sha256:
                    raise Refused("parcel.changed", name=member.name)
            count, before = count + 1, member.name
            told(member)
        if count != len(self._zip.NameToInfo.keys() - _ABOUT):
            raise Refused("parcel.changed", name=CONTENTS)

    @property
    def signature(self) -> bytes | None:
        """What signs the manifest's bytes (`signing.signed_by`); None where nobody signed."""
        return self._small(SIGNATURE) if SIGNATURE in self else None

    @property
    def bytes_inside(self) -> int:
        """How many bytes all members come to: known before any is read."""
        return sum(info.file_size for info in self._zip.infolist())

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The objects of a member of JSON Lines. Raises Refused `parcel.not_json`."""
        if name not in self:
            raise Refused("parcel.changed", name=name)
        for raw in self._lines(name):
            yield _object(raw)

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """A member's bytes."""
        with _reading(name), self._zip.open(name) as stream:
            yield stream

    def size(self, name: str) -> int:
        """How many bytes a member has."""
        return self._zip.getinfo(name).file_size

    def _look(self, size: int) -> None:
        infos = self._zip.infolist()
        for info in infos:
            is_file = info.filename.startswith("files/")
            fits = _FILE.fullmatch(info.filename) if is_file else _NAME.fullmatch(info.filename)
            if not fits or ".." in info.filename or info.flag_bits & 1 or info.header_offset < 0:
                raise Refused("parcel.trap")
            if info.compress_type not in ({zipfile.ZIP_STORED} if is_file else {0, zipfile.ZIP_DEFLATED}):
                raise Refused("parcel.trap")
        packed = sum(info.compress_size for info in infos)
        if len(self._zip.NameToInfo) != len(infos) or packed > size or self.bytes_inside > MOST_PACKED * packed + 1000:
            raise Refused("parcel.trap")

    def _small(self, name: str) -> bytes:
        if name not in self or self.size(name) > MOST_MANIFEST:
            raise Refused("parcel.manifest")
        with _reading(name):
            return self._zip.read(name)

    def _lines(self, name: str) -> Iterator[bytes]:
        if name not in self:
            raise Refused("parcel.changed", name=name)
        with self.stream(name) as stream:
            while raw := stream.readline(MOST_LINE):
                if not raw.endswith(b"\n"):
                    raise Refused("parcel.not_json", name=name)
                yield raw


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Cut or damaged members."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, UnicodeDecodeError) as error:
        raise Refused("parcel.changed", name=name) from error


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Refused("parcel.not_there") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise Refused("parcel.unreadable") from error


def _object(raw: bytes) -> dict[str, Any]:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused("parcel.not_json", name="") from error
    if not isinstance(said, dict):
        raise Refused("parcel.not_json", name="")
    return said


def _manifest(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("parcel.manifest") from error
    listed = said.get("contents") if isinstance(said, dict) else None
    if not isinstance(listed, dict) or not isinstance(listed.get("sha256"), str):
        raise Refused("parcel.manifest")
    return dict(said)
