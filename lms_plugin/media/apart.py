"""Runs the parsers that we do not trust (`child.py`) in a process of their own, with limits of time and memory."""

import subprocess
import sys
from pathlib import Path

from lms_plugin.errors import Refused
from lms_plugin.media.faults import Bomb, Broken, Encrypted

_CHILD = Path(__file__).with_name("child.py")
_SECONDS = 20  # of the clock, for a busy machine; the child's own limit is 5 of the processor
_LONGER = {"sheet": 40, "paper": 40, "papers": 160}  # an officer's list; what goes on paper: there it is 30, or 120
_FAULTS = {4: Encrypted, 5: Bomb}
_LACKS = {6: "paper.no_pango", 7: "paper.no_font"}


def run(task: str, source: Path | bytes, first: int = 0, second: int = 0, target: Path | None = None) -> bytes:
    """What the task writes to its output; it may write to `target`. `source`: the file, or what is in it.

    Raises Broken, Encrypted, Refused("media.no_such_page"), Refused("paper.no_pango" | "paper.no_font") where the
    system has not got what printing needs, or Bomb where a limit was reached.
    """
    path, given = (str(source), b"") if isinstance(source, Path) else ("-", source)
    command = [sys.executable, "-I", "-B", str(_CHILD), task, path, str(first), str(second)]
    command += [str(target)] if target is not None else []
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file, a list, no shell; the path is storage's
            command,
            input=given,
            capture_output=True,
            timeout=_LONGER.get(task, _SECONDS),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Bomb from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 3:
        raise Refused("media.no_such_page")
    if done.returncode in _LACKS:
        raise Refused(_LACKS[done.returncode])
    raise Bomb if done.returncode < 0 else _FAULTS.get(done.returncode, Broken)
