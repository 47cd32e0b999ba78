"""The published Open edX LTI consumers that tests play against, each in an environment of its own: `tools/stock.py`.

They stay in the user's cache (some 250 MB each), outside .venv: their licence (AGPL) and their Django are not ours, and
nothing of ours imports them but the Open edX block. `make test` makes them when they are not there, and anew when a pin
or our Python changes. Where this machine has a Python 3.12, one more holds the newest XBlock, which needs that: without
a consumer, for the block in its workbench.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
HOST = HOUSE / "tests" / "hosts" / "stock"
PINS = HOST / "constraints.txt"
GENERATIONS = ("11.4.4", "9.16.1")
# The first two are needed by the consumer and by `fs`, declared by neither; the others are the workbench of XBlock,
# with what it needs of Django, and what tests the block there.
BESIDE = ("cryptography", "setuptools", "openedx-django-pyfs", "xblock-sdk", "pytest")
NEWEST = "xblock-3.12"
NEWEST_PINS = HOST / "newest.txt"
SECONDS = 200
DAY = 86400


def newer_python() -> str:
    """A Python 3.12 of this machine that runs; "" without one. A shim of pyenv may be there and run nothing."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python3.12"), reverse=True)
    for one in [shutil.which("python3.12"), *map(str, kept)]:
        if one and run([one, "-c", "import venv"], 20) == "":
            return one
    return ""


def environments() -> tuple[str, ...]:
    """The environments that this machine can have."""
    return (*GENERATIONS, NEWEST) if newer_python() else GENERATIONS


def pins_of(generation: str) -> Path:
    """The versions of everything in it."""
    return NEWEST_PINS if generation == NEWEST else PINS


def folder_of(generation: str) -> Path:
    """Where the environment of a generation is, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    decides = f"{sys.version} {BESIDE} {pins_of(generation).read_text(encoding='utf-8')}"
    mark = hashlib.sha256(decides.encode()).hexdigest()[:12]
    return cache / "nengli" / "stock" / f"{generation}-{mark}"


def python_of(generation: str) -> Path | None:
    """The Python that runs a host of that generation; None where it is not installed."""
    folder = folder_of(generation)
    return folder / "bin" / "python" if (folder / "installed").exists() else None


def prepare(seconds: int = SECONDS) -> list[str]:
    """Makes the environments that are not there, all at once. Gives a sentence for each that could not be made."""
    wanted = environments()
    with ThreadPoolExecutor(len(wanted)) as pool:
        said = pool.map(lambda generation: install(generation, seconds), wanted)
        return [sentence for sentence in said if sentence]


def install(generation: str, seconds: int) -> str:
    """Makes one environment unless it is there. Two runs at once: the second waits for the first."""
    folder = folder_of(generation)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{generation}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if python_of(generation):
            (folder / "installed").touch()
            return ""
        tidy(folder, generation)
        began = time.monotonic()
        wanted = [*BESIDE[1:], "xblock"] if generation == NEWEST else [f"lti-consumer-xblock=={generation}", *BESIDE]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        pip += ["--disable-pip-version-check", "--retries", "2", "--timeout", "20"]
        pip += ["--constraint", str(pins_of(generation))]
        python = newer_python() if generation == NEWEST else sys.executable
        failure = run([python, "-m", "venv", str(folder)], seconds)
        failure = failure or run([*pip, *wanted], seconds - (time.monotonic() - began))
        if failure:
            shutil.rmtree(folder, ignore_errors=True)
            return f"{title_of(generation)} could not be installed: {failure}"
        (folder / "installed").touch()
        return ""


def title_of(generation: str) -> str:
    """As a list names it."""
    return "the newest XBlock (Python 3.12)" if generation == NEWEST else f"lti-consumer-xblock {generation}"


def tidy(folder: Path, generation: str) -> None:
    """Removes what an interrupted run left behind, and environments of other pins that nobody has used for a day."""
    for other in folder.parent.glob(f"{generation}-*"):
        used = other / "installed"
        if other == folder or not used.exists() or time.time() - used.stat().st_mtime > DAY:
            shutil.rmtree(other)


def run(command: list[str], seconds: float) -> str:
    """Runs a command to its end. Gives "" or, in one line, why it failed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # pip and what pip started
        process.communicate()
        return f"not done within {seconds:.0f} s"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "" if process.returncode == 0 else (lines or ["no word"])[-1][:300]


def main() -> int:
    """Makes what is missing and says where it is; 1 when something could not be made."""
    for sentence in (failures := prepare()):
        print(sentence, file=sys.stderr)
    for generation in environments():
        print(f"{title_of(generation)}: {python_of(generation) or '–'}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
