"""What a login and a launch cost: `make bench NAME=launch`.

The tool on PostgreSQL, the peer (PyLTI1p3's Flask adapter with Redis) and a floor (a bare Flask route with one RS256
check) run under the same gunicorn. wrk sends each launch once, signed beforehand for a login that took place; the three
take turns, round by round. Processor time is that of gunicorn with its workers, from /proc; that of PostgreSQL and of
Redis is shown beside it. Ends with 1 where a promise is short.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import host
import programs
from sqlalchemy.engine import make_url
from sqlmodel import select

import lti
from lms_plugin.db import Model, engine, session_factory, transaction

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(1, str(HERE.parent))
import district  # noqa: E402 - what the benchmarks share lies beside this one's folder
import processes  # noqa: E402 - found over the same path

WORKERS, CONNECTIONS, MOST_SECONDS = 2, 16, 120
SECRET = "of the benchmark alone, thirty-two characters"
KINDS = {"login": 302, "launch": 303}
MOST_CPU, MOST_P99, MOST_PSS_MB, MOST_FETCHES = 1.0, 2.0, 150, 0


class Wrong(Exception):
    """A server answered something else than it should: what was measured counts for nothing."""


@dataclass(frozen=True)
class Figures:
    """One round of one kind at one server; milliseconds a request."""

    rate: float
    cpu_ms: float
    store_ms: float
    p50_ms: float
    p99_ms: float


@dataclass
class Target:
    """A server under measurement; `store` is its database server, if it has one."""

    name: str
    port: int
    tree: processes.Tree
    store: processes.Tree | None
    log: Path
    rounds: dict[str, list[Figures]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    pss_mb: float = 0.0
    workers_mb: float = 0.0

    def median(self, kind: str, of: Callable[[Figures], float]) -> float:
        """A figure's median over the rounds."""
        return statistics.median(of(one) for one in self.rounds[kind])


class Bench:
    """The servers, the host, and the client that sends."""

    def __init__(self, there: programs.Programs, options: argparse.Namespace, folder: Path) -> None:
        self.there, self.options, self.folder = there, options, folder
        self.host = host.Host()
        self.subjects = [f"PA{index:05}" for index in range(options.people)]

    def measure(self, target: Target, kind: str, count: int) -> Figures:
        """Sends so many requests of a kind and counts what they cost. Raises Wrong."""
        if kind == "login":
            requests = host.logins(count)
        else:
            people = [self.subjects[turn % len(self.subjects)] for turn in range(count)]
            requests = self.host.launches(target.port, people)
        before, stored = target.tree.cpu_seconds(), target.store.cpu_seconds() if target.store else 0.0
        said = self._send(target, requests, KINDS[kind])
        cpu = target.tree.cpu_seconds() - before
        store = target.store.cpu_seconds() - stored if target.store else 0.0
        return Figures(
            count / said["seconds"], 1000 * cpu / count, 1000 * store / count, said["p50_ms"], said["p99_ms"]
        )

    def _send(self, target: Target, requests: list[bytes], wanted: int) -> dict[str, float]:
        path = self.folder / "requests"
        path.write_bytes(b"".join(one + b"\0" for one in requests))
        command = [
            str(self.there.wrk),
            "--threads",
            "1",
            "--connections",
            str(CONNECTIONS),
            "--duration",
            f"{MOST_SECONDS}s",
        ]
        command += ["--timeout", "30s", "--script", str(HERE / "send.lua"), f"http://127.0.0.1:{target.port}"]
        ran = subprocess.run(
            [*command, "--", str(path), str(wanted)],
            env=self.there.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = ran.stdout.strip().splitlines()
        if ran.returncode != 0 or not lines or not lines[-1].startswith("{"):
            raise Wrong(f"wrk: {ran.stdout[-500:]} {ran.stderr[-500:]}")
        said: dict[str, float] = json.loads(lines[-1])
        if said["right"] != len(requests) or said["wrong"] or said["broken"]:
            raise Wrong(f"{target.name}: {said} of {len(requests)}\n{processes.tail(target.log)}")
        return said

    def run(self, targets: list[Target]) -> dict[str, float]:
        """Warms up, then rounds in turns; gives how often each one's key set was asked for per 1 000 launches."""
        for target in targets:
            self.measure(target, "launch", 1)  # the host's keys are fetched
            self.measure(target, "login", max(50, self.options.logins // 5))
            self.measure(target, "launch", max(2 * len(self.subjects), self.options.launches // 5))
        before = dict(self.host.asked)
        for turn in range(self.options.rounds):
            for kind in KINDS:
                # Nobody is always the first or always the last.
                for target in targets[turn % len(targets) :] + targets[: turn % len(targets)]:
                    count = self.options.logins if kind == "login" else self.options.launches
                    target.rounds[kind].append(self.measure(target, kind, count))
        for target in targets:
            target.pss_mb, target.workers_mb = target.tree.pss_mb(), target.tree.pss_mb(root=False)
        total = self.options.rounds * self.options.launches
        return {
            target.name: 1000 * (self.host.asked[f"/{target.name}"] - before.get(f"/{target.name}", 0)) / total
            for target in targets
        }


@contextmanager
def serving(bench: Bench) -> Iterator[list[Target]]:
    """The three servers, with PostgreSQL, Redis and the host's key set."""
    cluster = runpy.run_path(str(ROOT / "tools" / "cluster.py"))["cluster"]
    folder, there = bench.folder, bench.there
    ports = [processes.free_port() for _ in range(3)]
    with cluster() as url, bench.host.keys() as keys, processes.redis(there.redis, there.environment) as (port, cache):
        seed(url, f"http://127.0.0.1:{keys}/tool", bench.options.people)
        home = Path(str(make_url(url).query["host"]))
        postmaster = processes.Tree(int((home / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0]))
        ours = settings(url, folder)
        told = {
            "redis": port,
            "issuer": host.ISSUER,
            "client_id": host.CLIENT,
            "deployment": host.DEPLOYMENT,
            "auth_url": f"{host.ISSUER}/auth",
            "token_url": f"{host.ISSUER}/token",
            "jwks_url": f"http://127.0.0.1:{keys}/peer",
            "tool": host.TOOL,
        }
        logs = [folder / f"{name}.log" for name in ("tool", "peer", "floor")]
        peer, floor = {"BENCH_PEER": json.dumps(told)}, {"BENCH_FLOOR_KEY": json.dumps(bench.host.jwk)}
        under = partial(processes.gunicorn, workers=WORKERS, folder=HERE)
        with (
            under("lms_plugin.wsgi:app()", ports[0], ours, logs[0]) as one,
            under("peer:app()", ports[1], peer, logs[1], python=str(there.python)) as two,
            under("floor:app()", ports[2], floor, logs[2]) as three,
        ):
            yield [
                Target("tool", ports[0], one, postmaster, logs[0]),
                Target("peer", ports[1], two, cache, logs[1]),
                Target("floor", ports[2], three, None, logs[2]),
            ]


def settings(url: str, folder: Path) -> dict[str, str]:
    """The environment of the tool."""
    return {
        "NENGLI_DATABASE_URL": url,
        "NENGLI_DATA_DIR": str(folder),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": host.TOOL,
        "NENGLI_ALLOW_LOOPBACK": "1",
        "PYTHONPATH": str(ROOT),
    }


def seed(url: str, jwks_url: str, people: int) -> None:
    """A district in the middle of a round whose teachers launch from its one course."""
    bind = engine(url)
    Model.metadata.create_all(bind)
    district.build(url, people, datetime.now(UTC))
    with transaction(session_factory(bind)) as session:
        platform = session.exec(select(lti.Platform)).one()
        platform.jwks_url = jwks_url
        session.add(platform)
    bind.dispose()


def report(targets: list[Target], options: argparse.Namespace) -> None:
    """The table: medians of the rounds, with the spread of processor time."""
    print(
        f"{options.rounds} rounds of {options.logins} logins and {options.launches} launches, {options.people} people; "
        f"wrk {CONNECTIONS} connections, gunicorn {WORKERS} × gthread {processes.THREADS}, preload; "
        f"load average {os.getloadavg()[0]:.1f} at the end"
    )
    head = (
        f"{'':<8}{'':<8}{'cpu ms':>8}{'rounds':>14}{'store ms':>10}{'rate/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'PSS MB':>8}"
    )
    print(head)
    for kind in KINDS:
        for target in targets:
            all_cpu = [one.cpu_ms for one in target.rounds[kind]]
            print(
                f"{kind:<8}{target.name:<8}{statistics.median(all_cpu):>8.2f}"
                f"{f'{min(all_cpu):.2f}–{max(all_cpu):.2f}':>14}"
                f"{target.median(kind, lambda one: one.store_ms):>10.2f}"
                f"{target.median(kind, lambda one: one.rate):>8.0f}{target.median(kind, lambda one: one.p50_ms):>8.1f}"
                f"{target.median(kind, lambda one: one.p99_ms):>8.1f}{target.pss_mb:>8.0f}"
            )


def ratio(one: Target, other: Target, kind: str, of: Callable[[Figures], float]) -> float:
    """Median over the rounds of one's figure by the other's in the same round: both had the same neighbours."""
    pairs = zip(one.rounds[kind], other.rounds[kind], strict=True)
    return statistics.median(of(mine) / max(of(theirs), 1e-6) for mine, theirs in pairs)


def verdict(targets: list[Target], fetches: float) -> bool:
    """The closing lines, one a promise; whether all are kept."""
    tool, peer, floor = targets
    found = [
        ("CPU of a launch", ratio(tool, peer, "launch", lambda one: one.cpu_ms), MOST_CPU, " × PyLTI1p3"),
        ("CPU of a login", ratio(tool, peer, "login", lambda one: one.cpu_ms), MOST_CPU, " × PyLTI1p3"),
        ("key fetches per 1 000 launches", fetches, MOST_FETCHES, ""),
        (f"PSS of 2 workers ({tool.pss_mb:.0f} MB with their master)", tool.workers_mb, MOST_PSS_MB, " MB"),
        ("p99 of a launch", ratio(tool, floor, "launch", lambda one: one.p99_ms), MOST_P99, " × the floor"),
    ]
    for title, value, most, unit in found:
        shown = f"{value:.0f}" if unit in ("", " MB") else f"{value:.2f}"
        print(f"launch: {title} {shown}{unit} (promise ≤ {most:g}{unit}) {'ok' if value <= most else 'short'}")
    return all(value <= most for _title, value, most, _unit in found)


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="benchmarks/launch", description="What a login and a launch cost.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--logins", type=int, default=2000, help="a round")
    parser.add_argument("--launches", type=int, default=2000, help="a round")
    parser.add_argument("--people", type=int, default=200, help="who launch, in turns")
    return parser.parse_args()


def main() -> int:
    """Runs it; 0 where all promises are kept."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="nengli-bench-") as name:
        bench = Bench(programs.ready(), options, Path(name))
        with serving(bench) as targets:
            fetches = bench.run(targets)
    report(targets, options)
    return 0 if verdict(targets, fetches["tool"]) else 1


if __name__ == "__main__":
    sys.exit(main())
