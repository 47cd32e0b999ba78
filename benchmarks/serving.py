"""An application under gunicorn on loopback, and what a request costs it: processor time, and how long it took."""

import http.client
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import processes


class NotServed(Exception):
    """The application answered something else than 200."""


@dataclass(frozen=True)
class Cost:
    """Of one request: milliseconds of user and system time of the worker, median milliseconds until the answer."""

    cpu_ms: float
    p50_ms: float


@dataclass(frozen=True)
class Server:
    """A running application: its port and the process of its one worker."""

    port: int
    worker: processes.Tree
    log: Path

    def measure(self, path: str, cookie: str, requests: int) -> Cost:
        """Asks for a page that many times over one connection. Raises NotServed for any answer but 200."""
        headers = {"Accept": "text/html", "Accept-Language": "zh-CN,zh;q=0.9"}
        if cookie:
            headers["Cookie"] = f"__Host-nengli={cookie}"
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        before, times = self.worker.cpu_seconds(), []
        try:
            for _ in range(requests):
                begun = time.perf_counter()
                line.request("GET", path, headers=headers)
                answer = line.getresponse()
                answer.read()
                times.append(time.perf_counter() - begun)
                if answer.status != 200:
                    raise NotServed(f"{path}: {answer.status}\n{processes.tail(self.log)}")
        finally:
            line.close()
        return Cost(1000 * (self.worker.cpu_seconds() - before) / requests, 1000 * statistics.median(times))


@contextmanager
def served(application: str, environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Runs an application under gunicorn with one worker of eight threads; ends it whatever happens. Raises
    NotStarted."""
    port, folder = processes.free_port(), Path(__file__).parent
    with processes.gunicorn(application, port, environment, log, workers=1, folder=folder) as tree:
        worker = Path(f"/proc/{tree.root}/task/{tree.root}/children").read_text(encoding="utf-8").split()[0]
        yield Server(port, processes.Tree(int(worker)), log)
