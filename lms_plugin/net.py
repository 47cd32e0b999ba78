"""The one way out: every HTTP request the product makes to another machine goes through here.

An address comes from a registration or a launch, so it may be anything. Therefore: https only, public addresses only
(and those of private networks that the operator's settings name: a district's Moodle often stands in its intranet),
the name resolved once and the connection pinned to what was checked (a second look-up could answer differently),
no redirect to another host, at most 1 MiB read, no proxy or .netrc of the environment, and a time limit on all of it.
"""

import contextlib
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from lms_plugin import __version__
from lms_plugin.errors import Unavailable

TOTAL_SECONDS = 8.0
CONNECT_SECONDS = 3.0
MAX_BODY = 1024 * 1024
_MAX_REDIRECTS = 3
_LONGEST_WAIT = 86400  # a Retry-After beyond a day is not believed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Answer:
    """What came back. `reason` is the status line's text: Moodle explains itself there and nowhere else."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str

    @property
    def retry_after(self) -> int | None:
        """Seconds the host asks us to wait: told as such, or as a moment (counted from the host's own `Date`)."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value), _LONGEST_WAIT)
        try:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None
        return min(max(int(wait.total_seconds()), 0), _LONGEST_WAIT)

    def json(self) -> Any:
        """The body as JSON whatever its media type says (Moodle's tokens come as text/html).

        Raises Unavailable("net.not_json").
        """
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise Unavailable("net.not_json", words=f"HTTP {self.status}") from error


class _Pinned(HTTPAdapter):
    """Connects to one checked address, while TLS and the Host header go on speaking of the host.

    It also holds the socket, so that `cut` can end an exchange whose bytes come too slowly for any read time-out.
    """

    def __init__(self, address: str, host: str) -> None:
        self.address = address
        self.host = host
        self.was_cut = False
        self._open: list[socket.socket] = []
        super().__init__(max_retries=0)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        """requests' hook for choosing where to connect."""
        where: Any
        how: Any
        where, how = super().build_connection_pool_key_attributes(request, verify, cert)
        where["host"] = self.address
        if where["scheme"] == "https":
            how["server_hostname"] = self.host
            how["assert_hostname"] = self.host
        return where, how

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """requests' hook for making the connection pool: its connections tell us their socket."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        plain, sockets = pool.ConnectionCls, self._open

        def watched(*args: Any, **kwargs: Any) -> Any:
            made = plain(*args, **kwargs)
            connect = made.connect

            def connect_and_tell() -> None:
                connect()
                sockets.append(made.sock)

            made.connect = connect_and_tell
            return made

        pool.ConnectionCls = watched
        return pool

    def cut(self) -> None:
        """Ends the exchange from another thread."""
        self.was_cut = True
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _no_wait(_place: str) -> float:
    return 0.0


class Http:
    """Makes requests. `allow_loopback` admits http and this very machine (demo and tests), never a private network.
    `networks`: private networks that may be asked, by https as all others.
    `own_host`: the tool's own name, which may lead to a private address: the operator's settings say it, no stranger.
    `pace`: how many seconds a request to a place ("https://host:443") waits for its turn (`lti.Pace`)."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        total_seconds: float = TOTAL_SECONDS,
        pace: Callable[[str], float] = _no_wait,
        own_host: str = "",
        networks: Sequence[Network] = (),
    ) -> None:
        self.allow_loopback = allow_loopback
        self.networks = tuple(networks)
        self.own_host = own_host.lower()
        self.total_seconds = total_seconds
        self._pace = pace

    def get_json(self, url: str, accept: str = "application/json", seconds: float = TOTAL_SECONDS) -> Any:
        """The JSON at an address. Raises Unavailable, also for any status but 200."""
        answer = self.request("GET", url, headers={"Accept": accept}, seconds=seconds)
        if answer.status != 200:
            raise Unavailable("net.status", words=f"HTTP {answer.status}", retry_after=answer.retry_after)
        return answer.json()

    def post(self, url: str, body: str, content_type: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Posts a body as it is. Raises Unavailable when no answer came; any status is an answer."""
        return self.request("POST", url, headers={**(headers or {}), "Content-Type": content_type}, body=body)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        largest: int = MAX_BODY,
        seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """One exchange; a GET follows redirects within the same scheme, host and port. `largest` and `seconds` may ask
        for less than what is read and waited for otherwise.

        Raises Unavailable: net.address_refused and net.redirected (permanent), net.unreachable, net.timeout,
        net.too_large.
        """
        scheme, host, port = _place(url)
        time.sleep(self._pace(f"{scheme}://{host}:{port}"))
        deadline = time.monotonic() + min(seconds, self.total_seconds)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._once(method, url, headers or {}, body, deadline, largest)
            location = answer.headers.get("Location", "")
            if method != "GET" or answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            target = urljoin(url, location)
            if _place(target) != _place(url):
                raise Unavailable("net.redirected", permanent=True)
            url = target
        raise Unavailable("net.redirected", permanent=True)

    def certificate(self, url: str, seconds: float = TOTAL_SECONDS) -> datetime:
        """Until when the certificate of an https address is good.

        Raises Unavailable: net.tls_expired, net.tls_name, net.tls_chain (`words`: the library's), else as `request`.
        """
        scheme, host, port = _place(url)
        deadline = time.monotonic() + min(seconds, self.total_seconds)
        address = self._address(scheme, host, port, deadline)
        trust = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
        try:
            with (
                socket.create_connection((address, port), timeout=max(deadline - time.monotonic(), 0.1)) as plain,
                trust.wrap_socket(plain, server_hostname=host) as secured,
            ):
                ends = (secured.getpeercert() or {}).get("notAfter")
        except ssl.SSLCertVerificationError as error:
            code = _TLS_FAULTS.get(error.verify_code, "net.tls_chain")
            raise Unavailable(code, words=error.verify_message) from error
        except TimeoutError as error:
            raise Unavailable("net.timeout") from error
        except OSError as error:
            raise Unavailable("net.unreachable", words="connection") from error
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, deadline: float, largest: int
    ) -> Answer:
        scheme, host, port = _place(url)
        address = self._address(scheme, host, port, deadline)
        name = f"[{host}]" if ":" in host else host
        own = {
            "User-Agent": f"Nengli/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Host": name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}",
        }
        with requests.Session() as session:
            session.trust_env = False
            session.headers.clear()
            adapter = _Pinned(address, host)
            session.mount(f"{scheme}://", adapter)
            left = max(deadline - time.monotonic(), 0.1)
            timer = threading.Timer(left, adapter.cut)
            timer.daemon = True
            timer.start()
            try:
                with session.request(
                    method,
                    url,
                    headers={**own, **headers},
                    data=None if body is None else body.encode(),
                    timeout=(min(CONNECT_SECONDS, left), left),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    text = _read(response, deadline, largest)
                    if adapter.was_cut:
                        raise Unavailable("net.timeout")
                    found = CaseInsensitiveDict(response.headers)
                    return Answer(response.status_code, (response.reason or "")[:500], found, text)
            except (requests.Timeout, TimeoutError) as error:
                raise Unavailable("net.timeout") from error
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                if adapter.was_cut:
                    raise Unavailable("net.timeout") from error
                way = "tls" if isinstance(error, requests.exceptions.SSLError) else "connection"
                raise Unavailable("net.unreachable", words=way) from error
            finally:
                timer.cancel()

    def _address(self, scheme: str, host: str, port: int, deadline: float) -> str:
        """The one address to connect to, after every address of the name has been found harmless."""
        if self.allow_loopback and (host == "localhost" or host.endswith(".localhost")):
            return "127.0.0.1"  # RFC 6761; not every resolver knows it
        addresses = _look_up(host, port, deadline - time.monotonic())
        for address in addresses:
            parsed = ipaddress.ip_address(address)
            loopback = self.allow_loopback and parsed.is_loopback
            is_known = _is_public(parsed) or _is_within(parsed, self.networks) or host == self.own_host
            if not loopback and (scheme != "https" or not is_known):
                raise Unavailable("net.address_refused", permanent=True)
        return addresses[0]


_TLS_FAULTS = {10: "net.tls_expired", 62: "net.tls_name", 64: "net.tls_name"}  # X509_V_ERR_* of OpenSSL
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address, or Unavailable("net.address_refused")."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unavailable("net.address_refused", permanent=True) from error
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or not url.isprintable():
        raise Unavailable("net.address_refused", permanent=True)
    return parts.scheme, host.lower(), port or _DEFAULT_PORTS[parts.scheme]


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """Every address of a name. A resolver knows no time-out of ours, so it works in a thread that is left behind."""
    found: list[str] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(str(entry[4][0]).partition("%")[0] for entry in entries)
        except (OSError, UnicodeError) as error:
            failed.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(max(seconds, 0.1))
    if asking.is_alive():
        raise Unavailable("net.timeout", words="dns")
    if failed or not found:
        raise Unavailable("net.unreachable", words="dns") from (failed[0] if failed else None)
    return found


# Not public whatever the version of Python says: special-purpose blocks of the IANA registries.
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")
)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this is a public unicast address, also inside the IPv6 forms that carry an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    if any(address in block for block in _SPECIAL if block.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


_PRIVATE = tuple(  # RFC 1918 and RFC 4193; not 100.64.0.0/10, where a cloud keeps its metadata
    ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254")))  # of clouds, within fc00::/7


def networks_of(text: str) -> tuple[Network, ...]:
    """Private networks by name: "10.2.0.0/16, fd12:3456::/32". Raises ValueError for anything but parts of the private
    blocks: this machine, link-local addresses and the clouds' metadata can never be named."""
    found = tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())
    for network in found:
        if not any(block.version == network.version and _lies_in(network, block) for block in _PRIVATE):
            raise ValueError(f"{network} is no part of a private network")
    return found


def _lies_in(network: Network, block: Network) -> bool:
    return network.network_address in block and network.prefixlen >= block.prefixlen


def _is_within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Sequence[Network]) -> bool:
    return address not in _METADATA and any(address in network for network in networks)


def is_never_asked(url: str, *, allow_loopback: bool = False, networks: Sequence[Network] = ()) -> bool:
    """Whether the address itself says that no request will ever go there: it names this machine, or is a number outside
    what is public or allowed. Other names are looked up when they are asked."""
    try:
        _scheme, host, _port = _place(url)
    except Unavailable:
        return True
    if host == "localhost" or host.endswith(".localhost"):
        return not allow_loopback
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (_is_public(address) or _is_within(address, networks) or (allow_loopback and address.is_loopback))


def _read(response: requests.Response, deadline: float, largest: int) -> str:
    """The body as text, at most so many bytes and not beyond the deadline."""
    taken = bytearray()
    while piece := response.raw.read1(16 * 1024, decode_content=True):
        taken += piece
        if len(taken) > largest:
            raise Unavailable("net.too_large")
        if time.monotonic() > deadline:
            raise Unavailable("net.timeout")
    return taken.decode("utf-8", "replace")
