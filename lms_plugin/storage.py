"""Evidence bytes on the local disk: written in parts, committed once with their SHA-256, read in ranges.

A key is 32 random hexadecimal digits and says nothing about what it holds. `root/ab/cd/<key>/` keeps `part` (still
growing) or `bytes` (committed, read-only), the lock, and `derived/` (reviewers' copies, previews; may be made anew).
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from lms_plugin.errors import Conflict, NotFound, Refused, Unavailable

CHUNK = 1 << 20
_KEY = re.compile(r"[0-9a-f]{32}")
_DERIVED = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Readable(Protocol):
    """A stream of bytes: the body of a request or an open file."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        ...


class Store(Protocol):
    """What a driver of evidence bytes offers; `Storage` is the one for a local disk."""

    def create(self, key: str) -> None:
        """Opens an empty file under the key."""
        ...

    def write_part(self, key: str, offset: int, stream: Readable, limit: int) -> int:
        """Appends the stream at `offset`; gives the new size."""
        ...

    def size(self, key: str) -> int:
        """How many bytes have arrived."""
        ...

    def commit(self, key: str) -> str:
        """Closes the file for ever; gives its SHA-256."""
        ...

    def open_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        ...

    def delete(self, key: str) -> None:
        """Removes the file and all that was derived from it."""
        ...


def new_key() -> str:
    """A fresh key: 32 random hexadecimal digits."""
    return secrets.token_hex(16)


class Storage:
    """Evidence bytes under a folder of the local disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, key: str) -> None:
        """Opens an empty file under a fresh key. Raises Conflict("upload.exists") if the key is taken."""
        folder = self._folder(key)
        with _disk():
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / "bytes").exists():
                raise Conflict("upload.exists")
            try:
                with (folder / "part").open("xb"):
                    pass
            except FileExistsError as error:
                raise Conflict("upload.exists") from error

    def write_part(self, key: str, offset: int, stream: Readable, limit: int) -> int:
        """Appends what the stream holds at byte `offset`, which must be the present end; gives the new size.

        `limit` is the declared size of the whole file: nothing is kept beyond it, and a longer stream raises
        Refused("upload.too_long"). A stream that is cut (its `read` raises) keeps what arrived; the error goes on.
        Raises Conflict("upload.offset", offset=size) at a wrong offset, Conflict("upload.busy") while another part
        is being written, Conflict("upload.finished") after commit, Unavailable("storage.full") on a full disk.
        """
        with self._locked(key) as folder:
            part = self._part(folder)
            size = part.stat().st_size
            if offset != size:
                raise Conflict("upload.offset", offset=size)
            with _disk(), part.open("r+b") as file:
                file.seek(offset)
                try:
                    size += _pour(stream, file, limit - offset)
                finally:
                    file.flush()
                    os.fsync(file.fileno())
            return size

    def size(self, key: str) -> int:
        """How many bytes have arrived. Raises NotFound for a key that holds nothing."""
        return self.path(key).stat().st_size

    def commit(self, key: str) -> str:
        """Closes the file for ever and gives its SHA-256 in hexadecimal; a second call gives the same again."""
        with self._locked(key) as folder:
            done = folder / "bytes"
            if not done.exists():
                part = self._part(folder)
                part.chmod(0o440)
                part.rename(done)
                _sync_folder(folder)
            with done.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def committed(self, key: str) -> bool:
        """Whether the file has been closed for ever."""
        return (self._folder(key) / "bytes").exists()

    def open_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of at most 1 MiB.

        The file is opened at once, so a missing key raises NotFound here and not in the middle of an answer.
        """
        if start < 0 or end < start:
            raise Refused("storage.range")
        return _pieces(self.path(key).open("rb"), start, end)

    def path(self, key: str) -> Path:
        """Where the bytes stand, for reading only. Raises NotFound for a key that holds nothing."""
        folder = self._folder(key)
        for name in ("bytes", "part"):
            if (folder / name).is_file():
                return folder / name
        raise NotFound("storage.missing")

    def derived(self, key: str, name: str) -> Path:
        """Where a thing made from the file stands or shall stand (its folder exists): "reviewer-2.docx", "page-1.png".

        Write to a temporary name beside it and rename, so that nobody reads half of it (see `replacing`).
        """
        if not _DERIVED.fullmatch(name) or ".." in name:
            raise Refused("storage.name")
        folder = self.path(key).parent / "derived"
        with _disk():
            folder.mkdir(exist_ok=True)
        return folder / name

    @contextmanager
    def replacing(self, key: str, name: str) -> Iterator[Path]:
        """A temporary path to write to; at the end of the block it takes the place of `derived(key, name)` at once."""
        target = self.derived(key, name)
        draft = target.with_name(f"tmp-{secrets.token_hex(8)}-{name[-40:]}")
        try:
            with _disk():
                yield draft
                draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """Removes the file and all that was derived from it; a key that holds nothing is fine."""
        shutil.rmtree(self._folder(key), ignore_errors=True)

    def probe(self) -> int:
        """Writes a file and takes it away again; gives how many bytes are free. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.root) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return shutil.disk_usage(self.root).free

    def keys(self, first: str) -> Iterator[tuple[str, datetime]]:
        """The keys that begin with this hexadecimal digit and hold something, each with when it last changed."""
        for folder in self.root.glob(f"{first}?/??/*"):
            if _KEY.fullmatch(folder.name):
                with suppress(FileNotFoundError):  # deleted while we look
                    changed = max(one.stat().st_mtime for one in (folder, *folder.iterdir()))
                    yield folder.name, datetime.fromtimestamp(changed, UTC)

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise NotFound("storage.missing")
        return self.root / key[:2] / key[2:4] / key

    def _part(self, folder: Path) -> Path:
        if (folder / "bytes").exists():
            raise Conflict("upload.finished")
        part = folder / "part"
        if not part.is_file():
            raise NotFound("storage.missing")
        return part

    @contextmanager
    def _locked(self, key: str) -> Iterator[Path]:
        """One writer of a key at a time, over all processes of the machine; the second one is told, not queued."""
        folder = self._folder(key)
        if not folder.is_dir():
            raise NotFound("storage.missing")
        with _disk(), (folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict("upload.busy") from error
            yield folder


def _pour(stream: Readable, file: BinaryIO, room: int) -> int:
    written = 0
    while piece := stream.read(min(CHUNK, room - written) if written < room else 1):
        if written >= room:
            raise Refused("upload.too_long")
        piece = piece[: room - written]
        file.write(piece)
        written += len(piece)
    return written


def _pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < end and (piece := file.read(min(CHUNK, end - start))):
            start += len(piece)
            yield piece


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk() -> Iterator[None]:
    """A full disk is a state that passes and a matter for the operator, not a fault of the request."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable("storage.full") from error
        raise
