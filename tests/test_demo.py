"""`nengli demo` as people start it: another port, what stays, what `--reset` takes, and what is said when it fails."""

import html
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner

from lms_plugin.cli import main
from tests.ports import free_port

ABOVE = 100
FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def command(port: int, folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "lms_plugin.cli", "demo", "--port", str(port), "--data-dir", str(folder), *words]


def refused(port: int, folder: Path, *words: str) -> str:
    """What the command says when it does not even begin; nothing is started, so it may run in this process."""
    done = CliRunner().invoke(main, ["demo", "--port", str(port), "--data-dir", str(folder), *words])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1
    assert "准备" not in done.output
    return done.output


def failed(port: int, folder: Path) -> str:
    """What a start says that begins and does not come up."""
    done = subprocess.run(command(port, folder), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert "打开" not in done.stdout
    return done.stdout


@contextmanager
def running(port: int, folder: Path, *words: str) -> Iterator[list[str]]:
    """The demo from the line that says where to look until an impatient Ctrl-C; gives what it said on the way."""
    said: list[str] = []
    with subprocess.Popen(
        command(port, folder, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        alarm = threading.Timer(60, process.terminate)  # a start that hangs fails, and takes nothing with it
        alarm.start()
        try:
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            assert process.poll() is None, said
            assert f"http://lms.localhost:{port + ABOVE}/" in "".join(said)
            yield said
        finally:
            alarm.cancel()
            process.send_signal(signal.SIGINT)
            for line in process.stdout:
                said.append(line)
                if "正在停止" in line:
                    process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
    assert (process.returncode, is_quiet(port)) == (0, True), said


def is_quiet(port: int) -> bool:
    """Nobody listens on either port any more."""
    for number in (port, port + ABOVE):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)) == 0:
                return False
    return True


class Visitor:
    """A browser that signs in at the practice LMS and opens the activity. `*.localhost` is 127.0.0.1 to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[tuple[str, str], str] = {}

    def go(self, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        """Follows redirects; gives the address it ends at, and the page."""
        for _ in range(10):
            parts = urlsplit(url)
            jar = "; ".join(f"{name}={value}" for (host, name), value in self.cookies.items() if host == parts.hostname)
            headers = {"Host": parts.netloc, "Cookie": jar}
            body = None
            if form is not None:
                body, form = urlencode(form), None
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            with closing(HTTPConnection("127.0.0.1", parts.port, timeout=10)) as connection:
                target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
                connection.request("GET" if body is None else "POST", target, body, headers)
                answer = connection.getresponse()
                page = answer.read().decode()
                for cookie in answer.headers.get_all("Set-Cookie") or []:
                    name, _, value = cookie.partition(";")[0].partition("=")
                    self.cookies[parts.hostname or "", name] = value
                location = answer.headers.get("Location")
            if location is None:
                assert answer.status == 200, (url, answer.status, page)
                return url, page
            url = location if "://" in location else f"{parts.scheme}://{parts.netloc}{location}"
        raise AssertionError(f"turns in circles at {url}")

    def enter(self, key: str, course: str = "1") -> tuple[str, str]:
        """Signs in and launches; gives the path of the tool's page, and the page."""
        lms = f"http://lms.localhost:{self.port + ABOVE}"
        _, page = self.go(f"{lms}/signin/{key}", {"course": course})
        launch = re.search(r'src="(/launch/[^"]+)"', page)
        assert launch, page
        _, page = self.go(lms + html.unescape(launch.group(1)))
        fields = {name: html.unescape(value) for name, value in FIELD.findall(page)}
        assert "id_token" in fields, page
        url, page = self.go(f"http://tool.localhost:{self.port}/lti/launch", fields)
        return urlsplit(url).path, page

    def introduce(self, page: str) -> None:
        """Fills in the one page of a first visit."""
        school = re.search(r'value="([0-9a-f]{32})"[^>]*>\s*希望小学', page)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert school, page
        assert token, page
        form = {"csrf_token": token.group(1), "name": "王秀兰", "school": school.group(1)}
        form |= {"stage": "primary", "subject": "语文", "staff_number": "HX001"}
        self.go(f"http://tool.localhost:{self.port}/people/introduce", form)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{folder}/nengli.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


PEOPLE = "SELECT count(*) FROM person"
SERVICES = "SELECT DISTINCT lineitems_url FROM course WHERE lineitems_url != ''"
HOSTS = "SELECT issuer, auth_url, token_url, jwks_url FROM lti_platform"


def test_a_demo_from_first_start_to_reset(tmp_path: Path) -> None:
    folder, port, other = tmp_path / "demo", free_port(ABOVE), free_port(ABOVE)
    with running(port, folder) as said:
        assert "已清除" not in "".join(said)
        visitor = Visitor(port)
        path, page = visitor.enter("wang-xiulan")
        assert path == "/people/introduce"
        visitor.introduce(page)
        path, _page = visitor.enter("lin-an")
        assert path != "/people/introduce"  # the officer is known before they first come
        before = rows(folder, PEOPLE)
        assert rows(folder, SERVICES) == [(f"http://127.0.0.1:{port + ABOVE}/ags/1/lineitems?type_id=1",)]

        # A second terminal, while it runs: the same port, then the same data on another one.
        assert f"端口 {port} 已被占用" in refused(port, folder, "--reset")
        assert "正在运行" in refused(other, folder, "--reset")
        assert "正在运行" in refused(other, folder)
        assert Visitor(port).enter("wang-xiulan")[0] != "/people/introduce"
    key = (folder / "secret.key").read_text()
    (folder / "备课.txt").write_text("不是演示的文件")
    (folder / "photos").mkdir()
    (folder / "photos" / "class.jpg").write_bytes(b"jpg")

    # On another port the data is still there, and so are the people whom the practice LMS sends.
    with running(other, folder):
        lms, near = f"http://lms.localhost:{other + ABOVE}", f"http://127.0.0.1:{other + ABOVE}"
        assert rows(folder, HOSTS) == [(lms, f"{lms}/auth", f"{near}/token", f"{near}/jwks")]
        assert rows(folder, "SELECT DISTINCT issuer FROM identity") == [(lms,)]
        assert rows(folder, SERVICES) == []  # until a launch says where they are now
        for key_of_person in ("wang-xiulan", "lin-an"):
            assert Visitor(other).enter(key_of_person)[0] != "/people/introduce"
        assert rows(folder, PEOPLE) == before
        assert (folder / "secret.key").read_text() == key

    # A process that does not come up is named with its own last words, and the others go down with it.
    (folder / "practice" / "practice.sqlite3").write_bytes(b"no database at all, but long enough to be taken for one")
    words = failed(other, folder)
    assert "! practice 停了" in words
    assert "  | sqlite3.DatabaseError: file is not a database" in words
    assert is_quiet(other)

    with running(port, folder, "--reset") as said:
        assert "已清除" in "".join(said)
        assert rows(folder, PEOPLE) != before
        assert (folder / "secret.key").read_text() != key
        assert Visitor(port).enter("wang-xiulan")[0] == "/people/introduce"
    assert (folder / "备课.txt").read_text() == "不是演示的文件"
    assert (folder / "photos" / "class.jpg").read_bytes() == b"jpg"


def test_a_demo_ends_with_its_terminal(tmp_path: Path) -> None:
    """A line that is cut hangs the terminal up. Who stands between, as make does, hears of it and tells us nothing."""
    port = free_port(ABOVE)
    ours, theirs = os.openpty()
    words = command(port, tmp_path / "demo")
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        alarm = threading.Timer(60, process.terminate)
        alarm.start()
        said = b""
        while b"Ctrl-C" not in said:
            said += os.read(ours, 4096)
        os.close(ours)
        process.wait(timeout=30)
        alarm.cancel()
    assert (process.returncode, is_quiet(port)) == (0, True), said


@pytest.mark.parametrize("words", [(), ("--reset",)])
def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path, words: tuple[str, ...]) -> None:
    theirs = ("thesis.docx", "secret.key", "nengli.sqlite3", "logs/tool.log")
    for name in theirs:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    said = refused(free_port(ABOVE), tmp_path, *words)
    assert "不属于演示" in said
    assert "no demo made" in said
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        theirs
    )


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    port = free_port(ABOVE)
    for taken in (port, port + ABOVE):
        with socket.socket() as somebody:
            somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            somebody.bind(("127.0.0.1", taken))
            somebody.listen()
            assert f"端口 {taken} 已被占用" in refused(port, tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
    (tmp_path / "file").touch()
    assert "不能使用" in refused(port, tmp_path / "file")
