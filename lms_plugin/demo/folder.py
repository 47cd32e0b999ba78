"""The folder in which the demo keeps its data: whose it is, who uses it now, and what of it the demo made."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lms_plugin.errors import Conflict, Refused

DATABASE, SECRET_KEY, LOGS, PRACTICE = "nengli.sqlite3", "secret.key", "logs", "practice"
MARK = "nengli-demo.txt"
_MARK_SAYS = """此文件夹由 nengli demo 建立，其中是演示数据；nengli demo --reset 会清除它们，别的文件不动。
Made by `nengli demo`, for the demo's data; `nengli demo --reset` removes that, and no other file.
"""
_DATABASES = (DATABASE, "queue.sqlite3")
# Everything that the tool, the worker and the practice LMS write here. What else lies here is somebody else's.
_OURS = (
    *(name + part for name in _DATABASES for part in ("", "-wal", "-shm", "-journal")),
    SECRET_KEY,
    LOGS,
    PRACTICE,
    "evidence",
)


@contextmanager
def claimed(folder: Path) -> Iterator[BinaryIO]:
    """The folder, made and marked as the demo's, and ours alone while the file that this gives is open anywhere: the
    processes that inherit it hold the claim too.

    Raises Refused("demo.folder_foreign") for a folder with contents that no demo made, Conflict("demo.running") while
    another demo uses it, Refused("demo.folder_unusable") where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_ours(folder):
            raise Refused("demo.folder_foreign", folder=folder)
        mark = (folder / MARK).open("ab")
    except OSError as error:
        raise Refused("demo.folder_unusable", folder=folder, why=error.strerror) from error
    with mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("demo.running", folder=folder) from error
        if mark.tell() == 0:
            mark.write(_MARK_SAYS.encode())
            mark.flush()
        yield mark


def _is_ours(folder: Path) -> bool:
    """Empty, or with our mark; a demo from before the mark shows by the three things that only a demo has at once."""
    if (folder / MARK).is_file() or not any(folder.iterdir()):
        return True
    return all((folder / name).is_file() for name in (SECRET_KEY, DATABASE, f"{PRACTICE}/practice.sqlite3"))


def clear(folder: Path) -> bool:
    """Removes the demo's data from a claimed folder and nothing else; whether there was any."""
    found = [path for path in (folder / name for name in _OURS) if path.is_symlink() or path.exists()]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return bool(found)
