"""Runs the parsers that we do not trust (`child.py`) in a process of their own, with limits of time and memory."""

import subprocess
import sys
from pathlib import Path

from lms_plugin.errors import Refused
from lms_plugin.media.faults import Bomb, Broken

_CHILD = Path(__file__).with_name("child.py")
_SECONDS = 40  # of the clock; the child's own limit is 30 of the processor


def run(task: str, source: Path | bytes, first: int, second: int = 0) -> bytes:
    """What the task writes. `source`: the file, or what is in it.

    Raises Broken, Refused("media.no_such_page"), or Bomb where a limit was reached.
    """
    path, given = (str(source), b"") if isinstance(source, Path) else ("-", source)
    command = [sys.executable, "-I", "-B", str(_CHILD), task, path, str(first), str(second)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file, a list, no shell; the path is storage's
            command, input=given, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Bomb from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 3:
        raise Refused("media.no_such_page")
    raise Bomb if done.returncode < 0 else Broken
