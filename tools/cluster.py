"""A PostgreSQL of one's own for one test run: in a temporary folder, on a socket in that folder, gone at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN_KEEPS_IT_IN = Path("/usr/lib/postgresql")  # off the PATH, one folder a version
START_SECONDS = 60
SETTINGS = {
    "listen_addresses": "",  # no port at all: nothing can collide with a server that is already there
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "max_locks_per_transaction": "512",  # a test is one transaction with a savepoint for each request that it sends
    "log_min_messages": "warning",
    "max_wal_size": "256MB",
}


class ClusterFailed(Exception):
    """The server did not start; the text is its log."""


def programs() -> Path | None:
    """The folder of the newest `initdb` and `postgres` on this machine, or None."""
    candidates = list(DEBIAN_KEEPS_IT_IN.glob("*/bin"))
    candidates.sort(key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0, reverse=True)
    found = shutil.which("initdb")
    if found:
        candidates.append(Path(found).resolve().parent)
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def unprivileged() -> list[str]:
    """The words to put before a command so that it does not run as root (initdb refuses root); [] when we are not."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={owner()}", "--regid", str(pwd.getpwnam(owner()).pw_gid), "--clear-groups"]


def owner() -> str:
    """The account that owns the cluster when we are root: `postgres`, or `nobody` where that is not there."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


@contextmanager
def cluster() -> Iterator[str]:
    """Starts a server and yields the URL of its database `postgres`; stops and removes it whatever happens.

    Raises ClusterFailed when it does not start, FileNotFoundError when PostgreSQL is not installed.
    """
    folder = programs()
    if folder is None:
        raise FileNotFoundError("initdb")
    home = Path(tempfile.mkdtemp(prefix="nengli-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        if os.geteuid() == 0:
            shutil.chown(home, owner())
        server = start(folder, home)
        yield f"postgresql+psycopg://nengli@/postgres?host={home}"
    finally:
        if server is not None:
            stop(server)
        shutil.rmtree(home, ignore_errors=True)


def start(folder: Path, home: Path) -> "subprocess.Popen[bytes]":
    """Makes the cluster in `home` and waits until it answers. Raises ClusterFailed with the log."""
    data = home / "data"
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    initdb = [*unprivileged(), str(folder / "initdb"), "--pgdata", str(data), "--username=nengli", "--auth=trust"]
    made = subprocess.run(
        [*initdb, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ClusterFailed(made.stderr[-2000:])
    command = [*unprivileged(), str(folder / "postgres"), "-D", str(data), "-k", str(home)]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    log = home / "log"
    with log.open("wb") as out:
        # A session of its own: Ctrl-C reaches us, and we stop the server in order.
        server = subprocess.Popen(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait(folder, home, server, environment)
    except BaseException as reason:
        stop(server)
        if isinstance(reason, ClusterFailed):
            raise ClusterFailed(log.read_text(encoding="utf-8", errors="replace")[-2000:]) from None
        raise
    return server


def wait(folder: Path, home: Path, server: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
    """Returns once the server takes connections. Raises ClusterFailed when it ended or was too slow."""
    deadline = time.monotonic() + START_SECONDS
    ask = [str(folder / "pg_isready"), "--quiet", "--host", str(home)]
    while subprocess.run(ask, env=environment, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise ClusterFailed
        time.sleep(0.1)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """Ends the server: first politely (SIGINT cuts its clients off and checkpoints), then for certain."""
    for step in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(step)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            continue
