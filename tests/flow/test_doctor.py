"""自检: each fault that it knows is really made, and told by its code; what is well stays quiet."""

import json
import shutil
import ssl
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import text
from sqlmodel import Session

import competencies
import lti
from lms_plugin import net, outbox
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Unavailable
from lms_plugin.flow import doctor
from lms_plugin.net import Http, networks_of
from lms_plugin.storage import Storage
from tests import people as cast
from tests.factories import World
from tests.hosts.platform_server import Services, platform_services
from tests.ledgers import add_entry

SECRET = "q7V-xYb2mZr9KsLw4TnE8dHc_PfG3uJ6aQo1"


def real_now() -> datetime:
    return datetime.now(UTC)


def place_of(tmp_path: Path, url: str = "https://tool.example", **more: Any) -> doctor.Place:
    given = {
        "public_url": url,
        "proxies": 0,
        "secret_key": SECRET,
        "storage": Storage(tmp_path / "evidence"),
        "allow_loopback": True,
        "clock": real_now,
        **more,
    }
    return doctor.Place(**given)


def codes(lines: list[doctor.Line]) -> dict[str, str]:
    """What was found at each step."""
    return {line.step.partition(".step_")[2]: line.code for line in lines}


def test_platforms_of_an_allowed_network_are_examined(tmp_path: Path) -> None:
    networks = networks_of("10.2.0.0/16")
    assert place_of(tmp_path, networks=networks).http().networks == networks


# --- inside ---


def inside(session: Session, place: doctor.Place, now: datetime) -> dict[str, str]:
    return codes(doctor.begin_all(session, place, now).lines)


def test_what_is_well_is_quiet(session: Session, tmp_path: Path) -> None:
    now = real_now()
    outbox.beat(session, now)
    assert set(inside(session, place_of(tmp_path), now).values()) == {""}


def test_the_worker(session: Session, tmp_path: Path) -> None:
    now, place = real_now(), place_of(tmp_path)
    assert inside(session, place, now)["worker"] == "doctor.worker_never"
    outbox.beat(session, now - timedelta(minutes=2))
    assert inside(session, place, now)["worker"] == ""
    outbox.beat(session, now - timedelta(minutes=4))
    assert inside(session, place, now)["worker"] == "doctor.worker_silent"


def test_jobs_that_nobody_does(session: Session, world: World, tmp_path: Path) -> None:
    now, tenant_id = real_now(), pk(world.tenant)
    outbox.put(session, tenant_id, "score", "young", {}, now - timedelta(minutes=20))
    assert inside(session, place_of(tmp_path), now)["jobs"] == ""
    outbox.put(session, tenant_id, "score", "old", {}, now - timedelta(minutes=40))
    assert inside(session, place_of(tmp_path), now)["jobs"] == "doctor.jobs_late"


def test_entries_of_the_ledger_that_nobody_seals(session: Session, world: World, tmp_path: Path) -> None:
    now, place = world.now, place_of(tmp_path)
    add_entry(world)
    assert inside(session, place, now + timedelta(minutes=4))["seals"] == ""
    assert inside(session, place, now + timedelta(minutes=6))["seals"] == "doctor.unsealed"
    competencies.seal(session, pk(world.tenant), now)
    assert inside(session, place, now + timedelta(minutes=6))["seals"] == ""


def test_the_clock_of_the_database(session: Session, tmp_path: Path) -> None:
    for seconds, code in ((10, ""), (-90, "doctor.clock_database"), (90, "doctor.clock_database")):
        found = inside(session, place_of(tmp_path), real_now() + timedelta(seconds=seconds))
        assert found["clock"] == code


def test_a_database_that_lacks_migrations(session: Session, tmp_path: Path) -> None:
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert inside(session, place_of(tmp_path), real_now())["migrations"] == "doctor.not_at_head"


def test_a_folder_that_cannot_be_written(session: Session, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    assert inside(session, place_of(tmp_path), real_now())["storage"] == "doctor.storage_unwritable"


def test_a_disk_that_is_nearly_full(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**12, 10**12 - 10**9, 10**9))
    lines = doctor.begin_all(session, place_of(tmp_path), real_now()).lines
    assert codes(lines)["storage"] == "doctor.storage_low"
    assert not list((tmp_path / "evidence").iterdir())  # what was tried is taken away again


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        (SECRET, ""),
        ("my-Password-1234567890-abcdefghijk", "doctor.secret_weak"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "doctor.secret_weak"),
        ("12345678901234567890123456789012", "doctor.secret_weak"),
    ],
)
def test_a_secret_that_can_be_guessed(session: Session, tmp_path: Path, secret: str, code: str) -> None:
    assert inside(session, place_of(tmp_path, secret_key=secret), real_now())["secret"] == code


def test_a_secret_that_does_not_open_the_keys(session: Session, world: World, tmp_path: Path) -> None:
    """A restored database with another installation's secret: said in its place, and all other lines stand."""
    lti.ensure_tool_key(session, "another secret, of the installation before", real_now())
    begun = doctor.begin_all(session, place_of(tmp_path), real_now())
    assert codes(begun.lines)["secret"] == "keys.secret_changed"
    assert [line.step for line in begun.lines].count("doctor.step_secret") == 1
    assert codes(begun.lines)["database"] == ""
    assert not begun.patients
    on_page = doctor.begin(session, world.actor(cast.IT), place_of(tmp_path), real_now())
    assert codes(on_page.lines)["secret"] == "keys.secret_changed"


@pytest.mark.parametrize(
    ("seen", "is_forwarded", "proxies", "code"),
    [
        ("https://tool.example", True, 1, ""),
        ("https://tool.example:443", False, 0, ""),
        ("http://tool.example", True, 0, "doctor.proxy_unbelieved"),
        ("http://tool.example", False, 0, "doctor.proxy_scheme"),
        ("http://tool.example", False, 1, "doctor.proxy_scheme"),
        ("https://127.0.0.1:8600", True, 1, "doctor.proxy_host"),
        ("https://[", True, 1, "doctor.proxy_host"),
    ],
)
def test_what_the_reverse_proxy_passes_on(seen: str, is_forwarded: bool, proxies: int, code: str) -> None:
    line = doctor.proxy_line("https://tool.example", seen, is_forwarded=is_forwarded, proxies=proxies)
    assert line.code == code


# --- who ---


def test_a_page_asks_for_permission_and_knows_its_own_platforms_alone(
    session: Session, world: World, tmp_path: Path
) -> None:
    found = doctor.begin(session, world.actor(cast.IT), place_of(tmp_path), real_now())
    assert [patient.issuer for patient in found.patients] == ["https://lms.example"]
    assert "secret" not in codes(found.lines)  # the installation's, not the district's
    other: Actor = world.actor(cast.NEIGHBOUR)
    assert [one.issuer for one in doctor.begin(session, other, place_of(tmp_path), real_now()).patients] != [
        "https://lms.example"
    ]
    with pytest.raises(Forbidden):
        doctor.begin(session, world.actor(cast.TRAINER), place_of(tmp_path), real_now())


def test_of_many_platforms_the_last_used_are_tried_one_an_issuer(
    session: Session, world: World, tmp_path: Path, now: datetime
) -> None:
    for number in range(8):
        for client in ("a", "b"):
            row = add(session, world, f"https://lms-{number}.example", client, now)
            if client == "a" and number > 0:
                log = {"outcome": "launched", "at": now + timedelta(minutes=number)}
                known = {"tenant_id": row.tenant_id, "platform_id": pk(row), "reference": f"R{number}"}
                session.add(lti.LaunchLog(**known, **log))
    session.flush()
    found = doctor.begin(session, world.actor(cast.IT), place_of(tmp_path), real_now())
    assert [one.issuer for one in found.patients] == [f"https://lms-{number}.example" for number in range(7, 1, -1)]
    assert found.left_out == 3  # two of these eight, and that of the district


def add(session: Session, world: World, issuer: str, client: str, now: datetime, base: str = "") -> "lti.Platform":
    base = base or issuer
    return lti.add_platform(
        session,
        pk(world.tenant),
        issuer=issuer,
        client_id=client,
        auth_url=base + "/auth",
        token_url=base + "/token",
        jwks_url=base + "/jwks",
        deployments=["1"],
        product="moodle" if client == "moodle" else "",
        allow_loopback=True,
        now=now,
    )


# --- platforms ---


@pytest.fixture
def services() -> Iterator[Services]:
    with platform_services() as made:
        yield made


def tried(session: Session, world: World, services: Services, tmp_path: Path, **more: Any) -> list[doctor.Line]:
    """What is told of the platform at that address."""
    for row in lti.platforms(session, pk(world.tenant)):
        row.is_disabled = True
    add(session, world, services.url, more.pop("client", "c"), real_now(), services.url)
    lti.ensure_tool_key(session, SECRET, real_now())
    session.flush()
    place = place_of(tmp_path, "http://127.0.0.1:1", **more)
    examination = doctor.begin(session, world.actor(cast.IT), place, real_now())
    return [line for line in examination.run() if line.subject]


def test_a_platform_that_is_well(session: Session, world: World, services: Services, tmp_path: Path) -> None:
    found = tried(session, world, services, tmp_path)
    assert {line.code for line in found} == {"", "trial.no_course"}
    assert not any(line.is_wrong for line in found)
    assert {line.subject for line in found} == {services.url}


@pytest.mark.parametrize(("minutes", "said"), [(5, -300), (-5, 300)])
def test_a_platform_whose_clock_is_wrong(
    session: Session, world: World, services: Services, tmp_path: Path, minutes: int, said: int
) -> None:
    def clock() -> datetime:
        return real_now() + timedelta(minutes=minutes)

    [line] = [
        line for line in tried(session, world, services, tmp_path, clock=clock) if line.step == "doctor.step_issuer"
    ]
    assert line.code == "doctor.clock_platform"
    assert abs(int(line.params["seconds"]) - said) <= 2


def test_a_moodle_that_cannot_read_our_keys(session: Session, world: World, services: Services, tmp_path: Path) -> None:
    """What Moodle 4.5 answers then: 400 and nothing more."""
    services.tokens[""] = (400, "text/html", '{"error": "invalid_request"}')
    assert "doctor.moodle_keys" in codes(tried(session, world, services, tmp_path, client="moodle")).values()


def test_another_platform_that_cannot(session: Session, world: World, services: Services, tmp_path: Path) -> None:
    services.tokens[""] = (400, "application/json", '{"error": "invalid_request"}')
    assert "trial.token_keys" in codes(tried(session, world, services, tmp_path)).values()


def test_a_platform_that_is_not_there(session: Session, world: World, tmp_path: Path) -> None:
    gone = Services(url="http://127.0.0.1:1")
    found = codes(tried(session, world, gone, tmp_path))
    assert found["issuer"] == "doctor.issuer_unreachable"
    assert found["keys"] == "trial.keys_unreachable"


# --- the tool's own address ---


class Own:
    """The tool's address as its own server sees it."""

    def __init__(self) -> None:
        self.keys: Any = {"keys": []}
        self.seen: dict[str, Any] = {}
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(own.keys if "jwks" in self.path else own.seen).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def serve(self, context: ssl.SSLContext | None = None) -> str:
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"{'https' if context else 'http'}://tool.localhost:{self.server.server_port}"


@pytest.fixture
def own() -> Iterator[Own]:
    made = Own()
    yield made
    made.server.shutdown()
    made.server.server_close()


def seen_from_here(session: Session, tmp_path: Path, own: Own, url: str) -> dict[str, str]:
    examination = doctor.begin_all(session, place_of(tmp_path, url), real_now())
    examination.lines.clear()
    return codes(examination.run())


def test_our_own_address_shows_our_own_keys(session: Session, tmp_path: Path, own: Own) -> None:
    url = own.serve()
    lti.ensure_tool_key(session, SECRET, real_now())
    own.seen = {"seen": url, "forwarded": False}
    assert seen_from_here(session, tmp_path, own, url)["keys"] == "doctor.keys_other"
    own.keys = lti.tool_jwks(session, real_now())
    found = seen_from_here(session, tmp_path, own, url)
    assert "printer" in found
    assert {**found, "printer": ""} == {"certificate": "doctor.no_https", "keys": "", "proxy": "", "printer": ""}
    own.seen = {"seen": "http://other.example", "forwarded": True}
    assert seen_from_here(session, tmp_path, own, url)["proxy"] == "doctor.proxy_host"
    for nonsense in ([], {"keys": 5}, {"keys": [5, {"kid": 7}, {"kid": []}]}):
        own.keys = nonsense
        assert seen_from_here(session, tmp_path, own, url)["keys"] == "doctor.keys_other"


def test_a_server_that_cannot_see_itself_is_a_note_where_platforms_read_our_keys(
    session: Session, world: World, services: Services, tmp_path: Path
) -> None:
    place = place_of(tmp_path, "http://127.0.0.1:1")
    alone = doctor.begin_all(session, place, real_now()).run()
    assert [line.is_wrong for line in alone if line.code == "doctor.self_unreachable"] == [True]
    tried(session, world, services, tmp_path)
    read = doctor.begin(session, world.actor(cast.IT), place, real_now()).run()
    assert [line.is_wrong for line in read if line.code == "doctor.self_unreachable"] == [False]


# --- certificates ---


class Authority:
    """A certificate authority of the test, trusted for its length."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.key = folder, rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.own = self._certificate(self.name, self.key, 365, "authority", is_authority=True)
        bundle = folder / "bundle.pem"
        bundle.write_bytes(self.own.public_bytes(serialization.Encoding.PEM))
        monkeypatch.setattr(net, "DEFAULT_CA_BUNDLE_PATH", str(bundle))

    def _certificate(self, name: x509.Name, key: Any, days: int, host: str, *, is_authority: bool) -> x509.Certificate:
        now = real_now()
        begun = now - timedelta(days=400)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begun)
            .not_valid_after(now + timedelta(days=days, minutes=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        )
        return built.sign(self.key, hashes.SHA256())

    def context(self, host: str, days: int) -> ssl.SSLContext:
        """A server's, with a certificate of ours."""
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._certificate(name, key, days, host, is_authority=False)
        both = self.folder / "server.pem"
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        both.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, plain) + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context


@pytest.mark.parametrize(
    ("host", "days", "is_trusted", "code"),
    [
        ("tool.localhost", 60, True, ""),
        ("tool.localhost", 5, True, "doctor.tls_soon"),
        ("tool.localhost", -1, True, "net.tls_expired"),
        ("other.example", 60, True, "net.tls_name"),
        ("tool.localhost", 60, False, "net.tls_chain"),
    ],
)
def test_certificates(
    session: Session,
    tmp_path: Path,
    own: Own,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    days: int,
    is_trusted: bool,
    code: str,
) -> None:
    authority = Authority(tmp_path, monkeypatch)
    url = own.serve(authority.context(host, days))
    if not is_trusted:
        (tmp_path / "other").mkdir()
        Authority(tmp_path / "other", monkeypatch)
    assert seen_from_here(session, tmp_path, own, url)["certificate"] == code


def test_the_tools_own_name_may_lead_to_a_private_address_and_no_other() -> None:
    own, soon = Http(own_host="10.0.0.1"), time.monotonic() + 5
    assert own._address("https", "10.0.0.1", 443, soon) == "10.0.0.1"
    for scheme, host in (("http", "10.0.0.1"), ("https", "10.0.0.2")):
        with pytest.raises(Unavailable) as caught:
            own._address(scheme, host, 443, soon)
        assert caught.value.code == "net.address_refused"
