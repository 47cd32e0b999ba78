"""The demo's three processes: tool, worker and practice LMS, started together, stopped together."""

import errno
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lms_plugin import migrate
from lms_plugin.config import environment_with
from lms_plugin.db import engine, session_factory, transaction
from lms_plugin.demo import folder
from lms_plugin.demo.district import seed
from lms_plugin.errors import Conflict, Refused, Unavailable
from lms_plugin.net import Http

LMS_ABOVE = 100  # the practice LMS's port stands so far above the tool's
LAST_PORT = 65535 - LMS_ABOVE
_START_SECONDS = 60
_LAST_LINES = 12
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def port_of(text: str) -> int:
    """The tool's port as somebody typed it. Raises Refused("demo.port")."""
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= port <= LAST_PORT:
        raise Refused("demo.port", given=text[:40], last=LAST_PORT, above=LMS_ABOVE)
    return port


def gunicorn(bind: str, workers: int, threads: int) -> list[str]:
    """The command that serves the tool."""
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "lms_plugin.wsgi:app()",
        "--preload",
        "--bind",
        bind,
        "--workers",
        str(workers),
        "--threads",
        str(threads),
        "--worker-class",
        "gthread",
        "--timeout",
        "120",
        "--graceful-timeout",
        "10",
        "--no-control-socket",
    ]


def environment(port: int, data_dir: Path, database_url: str = "") -> dict[str, str]:
    """Settings of the demo's tool and worker; the secret key is made once and kept beside the data."""
    key_file = data_dir / folder.SECRET_KEY
    if not key_file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    return {
        "NENGLI_DATABASE_URL": database_url or f"sqlite:///{(data_dir / folder.DATABASE).resolve()}",
        "NENGLI_DATA_DIR": str(data_dir.resolve()),
        "NENGLI_SECRET_KEY": key_file.read_text(encoding="utf-8").strip(),
        "NENGLI_PUBLIC_URL": f"http://tool.localhost:{port}",
        "NENGLI_ALLOW_LOOPBACK": "1",
        "NENGLI_DEMO": "1",
    }


def prepare(port: int, data_dir: Path, database_url: str = "") -> dict[str, str]:
    """Migrates and seeds; gives the settings as environment variables."""
    settings = environment(port, data_dir, database_url)
    migrate.upgrade(settings["NENGLI_DATABASE_URL"])
    bind = engine(settings["NENGLI_DATABASE_URL"])
    try:
        with transaction(session_factory(bind)) as session:
            seed(
                session,
                f"http://lms.localhost:{port + LMS_ABOVE}",
                f"http://127.0.0.1:{port + LMS_ABOVE}",
                settings["NENGLI_SECRET_KEY"],
                datetime.now(UTC),
            )
    finally:
        bind.dispose()
    return settings


def commands(port: int, data_dir: Path) -> dict[str, list[str]]:
    """The three processes."""
    return {
        "tool": gunicorn(f"127.0.0.1:{port}", 1, 8),
        "worker": [sys.executable, "-m", "lms_plugin.cli", "worker"],
        "practice": [
            sys.executable,
            "-m",
            "lms_plugin.practice",
            "--port",
            str(port + LMS_ABOVE),
            "--tool-url",
            f"http://tool.localhost:{port}",
            "--data-dir",
            str(data_dir / folder.PRACTICE),
        ],
    }


def run(port: int, data_dir: Path, *, reset: bool, say: Callable[[str], object], database_url: str = "") -> int:
    """Starts everything, says where to look, stops everything at Ctrl-C (0) or when one of the three ends (1).

    Raises Refused before anything is touched: a port that is not free, a folder that is not the demo's or is in use.
    """
    for number in (port, port + LMS_ABOVE):
        _must_be_free(number)
    with folder.claimed(data_dir) as mark:
        if reset and folder.clear(data_dir):
            say("· 旧的演示数据已清除 / old demo data removed")
        say("· 准备数据库和演示区县 / preparing database and demo district")
        settings = prepare(port, data_dir, database_url)
        say("· 启动工具、后台任务、练习用课程平台 / starting tool, worker, practice LMS")
        return _Processes(port, data_dir, environment_with(settings), mark.fileno(), say).play()


def _must_be_free(port: int) -> None:
    """Raises Conflict("demo.port_taken") or Refused("demo.port_refused") where nobody could serve at the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what closed a moment ago is free, as for servers
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict("demo.port_taken", port=port) from error
            raise Refused("demo.port_refused", port=port, why=error.strerror) from error


class _Processes:
    """The three while they run. `mark` is the claimed folder's file: whoever of them lives holds the claim."""

    def __init__(
        self, port: int, data_dir: Path, surroundings: dict[str, str], mark: int, say: Callable[[str], object]
    ) -> None:
        self.port, self.data_dir, self.surroundings, self.mark, self.say = port, data_dir, surroundings, mark, say
        self.logs = data_dir / folder.LOGS
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.log_from: dict[str, int] = {}  # where in its log the words of this start begin

    def play(self) -> int:
        """From the start to Ctrl-C (0), or until one of them ends or does not come up (1)."""
        # nohup wants it to outlive its terminal
        terminal = sys.stdin.isatty() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        for number in _STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        try:
            for name, command in commands(self.port, self.data_dir).items():
                self._start(name, command)
            silent = self._silent()
            if not silent:
                self.say("")
                self.say(f"  打开 / open   http://lms.localhost:{self.port + LMS_ABOVE}/")
                self.say(f"  工具 / tool   http://tool.localhost:{self.port}/   日志 / logs  {self.logs}")
                self.say("  停止 / stop   Ctrl-C")
                while not self._ended():
                    if terminal and _has_hung_up():
                        _interrupt()
                    time.sleep(0.3)
            self._explain(silent)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be gone
                self.say("\n· 正在停止 / stopping")
            return 0
        finally:
            self._stop()
        return 1

    def _start(self, name: str, command: list[str]) -> None:
        self.logs.mkdir(exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            self.log_from[name] = log.tell()
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter and modules, a list, no shell
                command,
                env=self.surroundings,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop them in order
                pass_fds=(self.mark,),
            )

    def _ended(self) -> list[str]:
        return [name for name, process in self.running.items() if process.poll() is not None]

    def _silent(self) -> list[str]:
        """Waits until both servers answer; names those that do not after a minute, or as soon as a process ends."""
        until, http = time.monotonic() + _START_SECONDS, Http(allow_loopback=True)
        addresses = {
            "tool": f"http://127.0.0.1:{self.port}/livez",
            "practice": f"http://127.0.0.1:{self.port + LMS_ABOVE}/jwks",
        }
        while addresses and time.monotonic() < until and not self._ended():
            for name, address in list(addresses.items()):
                with suppress(Unavailable):
                    if http.request("GET", address).status == 200:
                        del addresses[name]
            time.sleep(0.15 if addresses else 0)
        return list(addresses) or self._ended()

    def _explain(self, silent: list[str]) -> None:
        """Says who is to blame, with the last words of its log."""
        ended = self._ended()
        what = "停了 / ended" if ended else "没有应答 / does not answer"
        for name in ended or silent:
            path = self.logs / f"{name}.log"
            self.say(f"! {name} {what}，日志 / log {path}")
            with path.open("rb") as log:
                log.seek(self.log_from[name])
                lines = log.read().decode("utf-8", "replace").splitlines()
            for line in lines[-_LAST_LINES:]:
                self.say(f"  | {line}")

    def _stop(self) -> None:
        """Ends the processes that we started, politely, then firmly."""
        _hear_no_more()
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        until = time.monotonic() + 8
        for process in self.running.values():
            try:
                process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # each leads a group of its own: gunicorn's workers go with it
                process.wait()


def _has_hung_up() -> bool:
    """Whether the terminal of our input is gone. Of a line that was cut (`ssh -t server make demo`) the system tells
    make alone, which tells nobody."""
    watch = select.poll()
    watch.register(sys.stdin, 0)
    return any(told & select.POLLHUP for _, told in watch.poll(0))


def _interrupt(_signal: int = 0, _frame: object = None) -> None:
    """Every way of asking us to stop is Ctrl-C."""
    _hear_no_more()
    raise KeyboardInterrupt


def _hear_no_more() -> None:
    """A second Ctrl-C must not cut the stopping short: it would leave processes behind."""
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
