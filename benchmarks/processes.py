"""Servers under measurement: started, ended, and what the kernel says that they used (with all their children)."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60
THREADS = 8


class NotStarted(Exception):
    """A server did not start; the text is the end of its log."""


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


@dataclass(frozen=True)
class Tree:
    """A process and all that it started."""

    root: int

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found, waiting = [], [self.root]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            try:
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += [int(one) for one in (task / "children").read_text(encoding="utf-8").split()]
            except FileNotFoundError:
                continue
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all threads so far; what ended children used is in their parents' account."""
        total = 0
        for pid in self.pids():
            try:
                stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(field) for field in stat[11:15])
        return total / TICKS

    def pss_mb(self, *, root: bool = True) -> float:
        """Memory of the tree, or of all but its root: pages that several processes share are divided among them."""
        total = 0
        for pid in self.pids() if root else self.pids()[1:]:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total / 1024


def free_port() -> int:
    """A port of loopback that nobody listens on, below those that the system gives away by itself."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def watched(command: Sequence[str]) -> tuple[dict[str, Any], list[float]]:
    """What a command says in its last line (JSON), and the memory (PSS, MB) of it and what it starts, ten times a
    second. Raises CalledProcessError."""
    seen: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        tree = Tree(running.pid)
        while running.poll() is None:
            with suppress(OSError, StopIteration):  # one of them ended while it was looked at
                seen.append(tree.pss_mb())
            time.sleep(0.1)
        assert running.stdout is not None
        said = running.stdout.read()
    if running.returncode != 0:
        raise subprocess.CalledProcessError(running.returncode, command)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found, seen


@contextmanager
def gunicorn(
    application: str,
    port: int,
    environment: Mapping[str, str],
    log: Path,
    *,
    workers: int,
    folder: Path,
    python: str = sys.executable,
) -> Iterator[Tree]:
    """An application under the gunicorn settings that all of them get. `folder`: where it may be imported from."""
    command = [
        *(python, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--preload"),
        *("--workers", str(workers), "--worker-class", "gthread", "--threads", str(THREADS), "--timeout", "120"),
        *("--no-control-socket", "--pythonpath", str(folder)),
    ]
    with running(
        command, {**os.environ, **environment}, log, lambda: _answers(port, b"GET /livez HTTP/1.0\r\n\r\n")
    ) as at:
        yield at


@contextmanager
def redis(program: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, Tree]]:
    """A Redis of this run's own that keeps nothing on disk; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nengli-redis-") as folder:
        command = [str(program), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no"]
        log = Path(folder) / "log"
        with running(command, environment, log, lambda: _answers(port, b"PING\r\n")) as at:
            yield port, at


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, answers: Callable[[], bool]
) -> Iterator[Tree]:
    """Runs a command until it answers, and ends it whatever happens. Raises NotStarted."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > until:
                raise NotStarted(tail(log))
            time.sleep(0.1)
        yield Tree(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, asked: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(asked)
            return bool(line.recv(1))
    except OSError:
        return False
