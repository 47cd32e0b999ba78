"""An application under gunicorn on loopback, and what a request costs it: processor time, and how long it took."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


class NotServed(Exception):
    """The application did not start, or answered something else than 200."""


@dataclass(frozen=True)
class Cost:
    """Of one request: milliseconds of user and system time of the worker, median milliseconds until the answer."""

    cpu_ms: float
    p50_ms: float


@dataclass(frozen=True)
class Server:
    """A running application: its port and the process of its one worker."""

    port: int
    worker: int
    log: Path

    def measure(self, path: str, cookie: str, requests: int) -> Cost:
        """Asks for a page that many times over one connection. Raises NotServed for any answer but 200."""
        headers = {"Accept": "text/html", "Accept-Language": "zh-CN,zh;q=0.9"}
        if cookie:
            headers["Cookie"] = f"__Host-nengli={cookie}"
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        before, times = self.cpu_seconds(), []
        try:
            for _ in range(requests):
                begun = time.perf_counter()
                line.request("GET", path, headers=headers)
                answer = line.getresponse()
                answer.read()
                times.append(time.perf_counter() - begun)
                if answer.status != 200:
                    raise NotServed(f"{path}: {answer.status}\n{_tail(self.log)}")
        finally:
            line.close()
        return Cost(1000 * (self.cpu_seconds() - before) / requests, 1000 * statistics.median(times))

    def cpu_seconds(self) -> float:
        """User and system time that the worker has used so far (all threads), from /proc."""
        fields = Path(f"/proc/{self.worker}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def served(application: str, environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Runs an application under gunicorn with one worker of eight threads; ends it whatever happens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--worker-class", "gthread", "--threads", "8", "--timeout", "120"),
        *("--no-control-socket", "--pythonpath", str(Path(__file__).parent)),
    ]
    with log.open("wb") as out:
        master = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        yield Server(port, _worker(master, port, log), log)
    finally:
        master.terminate()
        try:
            master.wait(timeout=15)
        except subprocess.TimeoutExpired:
            master.kill()
            master.wait()


def _worker(master: "subprocess.Popen[bytes]", port: int, log: Path) -> int:
    """The worker's process id, once it answers. Raises NotServed with the log."""
    until = time.monotonic() + START_SECONDS
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    while time.monotonic() < until and master.poll() is None:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            line.request("GET", "/livez")
            line.getresponse().read()
            line.close()
            return int(children.read_text(encoding="utf-8").split()[0])
        except (OSError, IndexError):
            time.sleep(0.1)
    raise NotServed(_tail(log))


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]
