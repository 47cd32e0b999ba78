"""What the benchmark needs besides the product: the peer's environment, `redis-server` and `wrk`.

All of it stays in the user's cache and is made when it is not there: the environment from PyPI, the programs from
Debian's packages, unpacked without installing them (no root needed, nothing of the system changes).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PINS, SHARED_PINS = HERE / "constraints.txt", ROOT / "constraints.txt"
WANTED = ("pylti1p3", "flask-caching", "redis", "flask", "gunicorn")
PACKAGES = ("redis-server", "wrk")
SECONDS = 240


class NotThere(Exception):
    """Something could not be installed; the text says what and why."""


@dataclass(frozen=True)
class Programs:
    """Where things are. `libraries`: what LD_LIBRARY_PATH has to be for the unpacked programs, "" if installed."""

    python: Path
    redis: Path
    wrk: Path
    libraries: str

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the libraries of unpacked programs."""
        return {**os.environ, "LD_LIBRARY_PATH": self.libraries} if self.libraries else dict(os.environ)


def ready() -> Programs:
    """Everything, made where it is not there. Raises NotThere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nengli" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(f"{sys.version}{PINS.read_text()}{SHARED_PINS.read_text()}".encode()).hexdigest()[:12]
    peer, unpacked = cache / f"pylti1p3-{mark}", cache / "debian"
    installed = {name: shutil.which(name) for name in PACKAGES}
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _made(peer, _environment)
        if not all(installed.values()):
            _made(unpacked, _debian)
    libraries = sorted({str(found.parent) for found in unpacked.rglob("*.so.*")}) if unpacked.exists() else []
    redis, wrk = (Path(installed[name] or unpacked / "usr" / "bin" / name) for name in PACKAGES)
    return Programs(peer / "bin" / "python", redis, wrk, "" if all(installed.values()) else ":".join(libraries))


def _made(folder: Path, make: Callable[[Path], None]) -> None:
    """Makes a folder unless it is whole; what an interrupted run left goes first."""
    if (folder / "installed").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make(folder)
    except NotThere:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / "installed").touch()


def _environment(folder: Path) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    pip += ["--disable-pip-version-check", "--retries", "2", "--timeout", "20"]
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([*pip, "--constraint", str(PINS), "--constraint", str(SHARED_PINS), *WANTED])


def _debian(folder: Path) -> None:
    """The programs' packages and those of theirs that this machine lacks, unpacked."""
    folder.mkdir()
    simulated = subprocess.run(
        ["apt-get", "--simulate", "--no-install-recommends", "install", *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    )
    missing = [line.split()[1] for line in simulated.stdout.splitlines() if line.startswith("Inst ")]
    if simulated.returncode != 0 or not missing:
        raise NotThere(f"{', '.join(PACKAGES)}: {simulated.stderr.strip()[-300:] or 'apt-get update first'}")
    _run(["apt-get", "--quiet=2", "download", *missing], folder)
    for package in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(folder)])
        package.unlink()


def _run(command: list[str], folder: Path = ROOT) -> None:
    """Raises NotThere with the command's last line."""
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotThere(f"{command[0]}: {error}") from error
    if ran.returncode != 0:
        raise NotThere(f"{' '.join(command[:4])} …: {(ran.stdout.strip().splitlines() or ['no word'])[-1][:300]}")
