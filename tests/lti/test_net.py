"""The one way out refuses what it must, against real sockets on this machine."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lms_plugin.errors import Unavailable
from lms_plugin.net import (
    CONNECT_SECONDS,
    MAX_BODY,
    TOTAL_SECONDS,
    Answer,
    Http,
    _is_public,
    is_never_asked,
    networks_of,
)
from tests.hosts import loopback


class Host(loopback.Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/echo":
            self.say(200, f"{self.headers['Host']}|{self.headers['User-Agent']}".encode())
        elif self.path == "/who":
            self.say(200, (self.headers["Authorization"] or "nobody").encode())
        elif self.path == "/json-as-html":
            self.say(200, b'{"keys": []}', "text/html")
        elif self.path == "/big":
            self.say(200, b"x" * (MAX_BODY + 1))
        elif self.path == "/here":
            self.say(302, b"", Location="/echo")
        elif self.path == "/loop":
            self.say(302, b"", Location="/loop")
        elif self.path == "/away":
            self.say(302, b"", Location="http://127.0.0.1:1/echo")
        elif self.path == "/busy":
            self.say(503, b"busy", Retry_After="7")
        else:
            self.say(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/moved":
            self.say(307, b"", Location="/echo")
        else:
            self.say(200, f"{self.headers['Content-Type']}|".encode() + body)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with loopback.handled(Host) as port:
        yield f"http://lms.localhost:{port}"


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
    assert time.monotonic() - started < TOTAL_SECONDS


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


def test_what_was_in_the_way_is_told_and_is_no_answer_of_the_host(
    base: str, dribbler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = base.replace("http://", "https://")  # no https there; an untrusted certificate ends the same
    for url, code, words in (
        (plain, "net.unreachable", "tls"),
        ("http://127.0.0.1:1/", "net.unreachable", "connection"),
        (dribbler, "net.timeout", ""),
    ):
        with pytest.raises(Unavailable) as caught:
            Http(allow_loopback=True, total_seconds=0.5).request("GET", url)
        assert (caught.value.code, caught.value.words, caught.value.answer) == (code, words, "")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_named: [])
    with pytest.raises(Unavailable) as caught:
        Http().request("GET", "https://nowhere.example/")
    assert (caught.value.words, caught.value.answer) == ("dns", "")
    assert Unavailable("ags.refused", words="HTTP 400 no").answer == "HTTP 400 no"


def test_http_to_this_machine_needs_the_switch(base: str) -> None:
    assert code_of(Http(), base.replace("lms.localhost", "127.0.0.1") + "/echo") == "net.address_refused"


# --- names, addresses, time ---


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The system's resolver answers these, one after the other, for names; gives the names that it was asked."""
    asked: list[str] = []
    plain = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **more: Any) -> object:
        if not host.endswith(".example"):
            return plain(host, port, *rest, **more)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_a_name_is_looked_up_once_and_the_connection_goes_there(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: a second look-up that answers differently is never made."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    port = base.rpartition(":")[2]
    answer = Http(allow_loopback=True).request("GET", f"http://lms.example:{port}/echo")
    assert answer.text.startswith(f"lms.example:{port}|")
    assert asked == ["lms.example"]


def test_each_redirect_is_looked_up_and_checked_again(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    port = base.rpartition(":")[2]
    assert code_of(Http(allow_loopback=True), f"http://lms.example:{port}/here") == "net.address_refused"


@pytest.mark.parametrize("second", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.0.0.8", "192.88.99.1"])
def test_one_harmful_address_of_a_name_is_one_too_many(monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    resolving(monkeypatch, ["93.184.216.34", second])
    assert code_of(Http(), "https://lms.example/keys") == "net.address_refused"


@pytest.mark.parametrize(
    ("answers", "may"),
    [
        (["10.2.3.4"], True),
        (["fd12::5", "93.184.216.34"], True),
        (["10.2.3.4", "10.3.0.1"], False),
        (["10.2.3.4", "127.0.0.1"], False),
        (["::ffff:169.254.169.254"], False),
        (["fd00:ec2::254"], False),
    ],
)
def test_a_private_network_that_the_operator_names(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], may: bool
) -> None:
    http = Http(networks=networks_of("10.2.0.0/16, fd00::/8"))
    resolving(monkeypatch, *[answers] * 3)
    if may:
        assert http._address("https", "lms.example", 443, time.monotonic() + 5) == answers[0]
    else:
        assert code_of(http, "https://lms.example/keys") == "net.address_refused"
    assert code_of(http, "http://lms.example/keys") == "net.address_refused"  # https there as well
    assert code_of(Http(), "https://lms.example/keys") == "net.address_refused" or answers[-1][:2] == "93"


@pytest.mark.parametrize(
    "network",
    ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "0.0.0.0/0", "10.0.0.0/7", "100.64.0.0/10", "8.8.8.0/24"],
)
def test_nothing_but_private_networks_can_be_named(network: str) -> None:
    with pytest.raises(ValueError, match=r"private|host bits"):
        networks_of(f"10.2.0.0/16,{network}")


def test_what_an_address_says_by_itself() -> None:
    own = networks_of("10.2.0.0/16")
    for url in ("https://127.0.0.1/t", "https://localhost/t", "https://a.localhost/t", "https://[::1]/t", "no address"):
        assert is_never_asked(url, networks=own)
    assert not is_never_asked("https://127.0.0.1/t", allow_loopback=True)
    assert not is_never_asked("https://localhost/t", allow_loopback=True)
    assert is_never_asked("https://10.2.0.1/t", allow_loopback=True)
    assert is_never_asked("https://10.3.0.1/t", networks=own)
    for url in ("https://10.2.0.1/t", "https://93.184.216.34/t", "https://lms.example/t"):
        assert not is_never_asked(url, networks=own)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::a00:1",
        "::10.0.0.1",
        "::ffff:0:10.0.0.1",
        "2001:0:a00:1::",
        "fec0::1",
        "3fff::1",
        "5f00::1",
        "ff02::1",
    ],
)
def test_no_form_of_ipv6_leads_inside(address: str) -> None:
    assert code_of(Http(), f"https://[{address}]/") in ("net.address_refused", "net.unreachable")


def test_public_addresses_are_public() -> None:
    for address in ("93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"):
        assert _is_public(ipaddress.ip_address(address))


def test_a_resolver_that_hangs_costs_no_more_than_the_time_given(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_named: go_on.wait(20) and [])
    began = time.monotonic()
    assert code_of(Http(total_seconds=0.3), "https://lms.example/") == "net.timeout"
    assert time.monotonic() - began < 10
    go_on.set()


def test_who_does_not_take_the_connection_is_given_up() -> None:
    """A full queue of connections: the third is never taken."""
    with socket.socket() as listening, socket.socket() as one, socket.socket() as two:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filling in (one, two):
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        began = time.monotonic()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert code_of(Http(allow_loopback=True, total_seconds=0.5), url) == "net.timeout"
        assert time.monotonic() - began < CONNECT_SECONDS


def test_who_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        began = time.monotonic()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert code_of(Http(allow_loopback=True, total_seconds=0.5), url) == "net.timeout"
        assert time.monotonic() - began < TOTAL_SECONDS


def test_no_proxy_and_no_netrc_of_the_environment(base: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ignored on purpose: a proxy would look names up again by itself, and .netrc would send passwords to hosts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert Http(allow_loopback=True).request("GET", base + "/who").text == "nobody"


def test_a_post_is_never_redirected(base: str) -> None:
    """A score must not travel on, nor a token."""
    answer = Http(allow_loopback=True).request("POST", base + "/moved", body="x")
    assert (answer.status, answer.headers["Location"]) == (307, "/echo")
