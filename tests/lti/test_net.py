"""The one way out refuses what it must, against real sockets on this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lms_plugin.errors import Unavailable
from lms_plugin.net import MAX_BODY, Answer, Http


class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/echo":
            self._answer(200, f"{self.headers['Host']}|{self.headers['User-Agent']}".encode())
        elif self.path == "/json-as-html":
            self._answer(200, b'{"keys": []}', **{"Content-Type": "text/html"})
        elif self.path == "/big":
            self._answer(200, b"x" * (MAX_BODY + 1))
        elif self.path == "/here":
            self._answer(302, b"", Location="/echo")
        elif self.path == "/loop":
            self._answer(302, b"", Location="/loop")
        elif self.path == "/away":
            self._answer(302, b"", Location="http://127.0.0.1:1/echo")
        elif self.path == "/busy":
            self._answer(503, b"busy", **{"Retry-After": "7"})
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, f"{self.headers['Content-Type']}|".encode() + body)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://lms.localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dribbler() -> Iterator[str]:
    """A host that sends one header byte every 50 ms and never ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stop.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    stop.set()
    thread.join()
    listening.close()


def code_of(http: Http, url: str) -> str:
    with pytest.raises(Unavailable) as caught:
        http.request("GET", url)
    return caught.value.code


def test_localhost_names_reach_this_machine_and_keep_their_host_header(base: str) -> None:
    answer = Http(allow_loopback=True).request("GET", base + "/echo")
    assert answer.status == 200
    host, agent = answer.text.split("|")
    assert host == base.removeprefix("http://")
    assert agent.startswith("Nengli/")


def test_json_is_read_whatever_the_media_type(base: str) -> None:
    http = Http(allow_loopback=True)
    assert http.get_json(base + "/json-as-html") == {"keys": []}
    with pytest.raises(Unavailable) as caught:
        http.get_json(base + "/echo")
    assert caught.value.code == "net.not_json"
    with pytest.raises(Unavailable) as busy:
        http.get_json(base + "/busy")
    assert (busy.value.code, busy.value.retry_after) == ("net.status", 7)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", "", 7),
        ("Sun, 22 Nov 2026 05:00:30 GMT", "Sun, 22 Nov 2026 05:00:00 GMT", 30),
        ("Sun, 22 Nov 2026 05:00:00 GMT", "Sun, 22 Nov 2026 05:00:30 GMT", 0),
        ("Wed, 22 Nov 2056 05:00:00 GMT", "Sun, 22 Nov 2026 05:00:00 GMT", 86400),
        ("Sun, 22 Nov 2026 05:00:30 GMT", "", None),
        ("soon", "Sun, 22 Nov 2026 05:00:00 GMT", None),
        ("", "", None),
    ],
)
def test_how_long_a_host_asks_us_to_wait(value: str, date: str, seconds: int | None) -> None:
    assert Answer(503, "", {"Retry-After": value, "Date": date}, "").retry_after == seconds


def test_a_request_waits_for_its_turn(base: str) -> None:
    asked: list[str] = []

    def pace(place: str) -> float:
        asked.append(place)
        return 0.3

    http, begun = Http(allow_loopback=True, pace=pace), time.monotonic()
    http.request("GET", base + "/echo")
    assert time.monotonic() - begun >= 0.3
    assert asked == [base]


def test_post_sends_body_and_type_as_they_are(base: str) -> None:
    answer = Http(allow_loopback=True).post(base + "/x", '{"a":"é"}', "application/vnd.ims.lis.v1.score+json")
    assert answer.text == 'application/vnd.ims.lis.v1.score+json|{"a":"é"}'


def test_limits(base: str) -> None:
    http = Http(allow_loopback=True)
    assert code_of(http, base + "/big") == "net.too_large"
    assert http.request("GET", base + "/here").status == 200
    assert code_of(http, base + "/away") == "net.redirected"
    assert code_of(http, base + "/loop") == "net.redirected"


def test_a_host_that_dribbles_is_cut_off(dribbler: str) -> None:
    started = time.monotonic()
    assert code_of(Http(allow_loopback=True, total_seconds=0.5), dribbler) == "net.timeout"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:0a00:0001::]/",
        "https://2130706433/",
        "http://93.184.216.34/",
        "ftp://example.org/",
        "https://user@example.org/",
        "file:///etc/passwd",
        "https://",
        "https://[/",
        "https://a:99999/",
        "https://exa\nmple.org/",
    ],
)
def test_addresses_that_are_never_asked(url: str) -> None:
    assert code_of(Http(), url) in ("net.address_refused", "net.unreachable")
    if "127.0.0.1" not in url and "[::1]" not in url and "2130706433" not in url:
        assert code_of(Http(allow_loopback=True), url) in ("net.address_refused", "net.unreachable")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert code_of(Http(allow_loopback=True), f"http://127.0.0.1:{port}/") == "net.unreachable"


def test_http_to_this_machine_needs_the_switch(base: str) -> None:
    assert code_of(Http(), base.replace("lms.localhost", "127.0.0.1") + "/echo") == "net.address_refused"
