"""What drives Debian's Firefox in the tests of the browser ladder: puppeteer-core, from npm, by its lock file.

It stays in the user's cache, as the published consumers do (tools/stock.py), and runs on the Node of Playwright. `make
test` installs it when it is not there, and anew when the lock changes.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import playwright
import stock

HOUSE = Path(__file__).resolve().parent.parent
PINS = HOUSE / "tests" / "firefox"
FILES = ("package.json", "package-lock.json")
SECONDS = 120


def browser() -> str | None:
    """The path of a Firefox that can be driven."""
    return os.environ.get("NENGLI_TEST_FIREFOX") or shutil.which("firefox-esr")


def node() -> Path:
    """The Node that Playwright brings."""
    return Path(playwright.__file__).parent / "driver" / "node"


def node_runs() -> bool:
    """Does it start? It needs libatomic.so.1, which small systems lack."""
    try:
        return subprocess.run([node(), "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def folder() -> Path:
    """Where the driver is, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mark = hashlib.sha256(b"".join((PINS / name).read_bytes() for name in FILES)).hexdigest()[:12]
    return cache / "nengli" / "firefox" / mark


def driver() -> Path | None:
    """The folder from which the driver is loaded; None where it is not installed."""
    return folder() if (folder() / "installed").exists() else None


def missing() -> str:
    """Why Firefox cannot be driven on this machine; "" when it can."""
    if browser() is None:
        return "no Firefox on this machine (Debian's firefox-esr, or the path of another in NENGLI_TEST_FIREFOX)"
    if driver() is None:
        return "puppeteer-core is not installed (tools/firefox.py)"
    return "" if node_runs() else "the Node that Playwright brings does not start (libatomic1)"


def prepare(seconds: float = SECONDS) -> list[str]:
    """Installs the driver unless it is there or there is no Firefox to drive; a sentence when that failed.

    Of two runs at once the second waits.
    """
    if browser() is None:
        return []
    place = folder()
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if driver():
            return []
        npm = shutil.which("npm")
        if npm is None:
            return ["puppeteer-core could not be installed: there is no npm on this machine"]
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name in FILES:
            shutil.copy(PINS / name, place)
        # `ci` checks each package against the hash in the lock; nothing of a package runs while it is installed.
        command = [npm, "ci", "--prefix", str(place), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        failure = stock.run(command, seconds)
        if failure:
            shutil.rmtree(place, ignore_errors=True)
            return [f"puppeteer-core could not be installed: {failure}"]
        (place / "installed").touch()
        return []


def main() -> int:
    """Installs it and says where it is; 1 when it could not be installed."""
    for sentence in (failures := prepare()):
        print(sentence, file=sys.stderr)
    print(f"puppeteer-core: {driver() or '–'}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
