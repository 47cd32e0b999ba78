"""A mail server on loopback: speaks SMTP as servers do (RFC 5321), also where they refuse, delay, hang up or secure."""

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailHost:
    """`said`: what it answers to a command instead of taking it, by its first word, e.g. {"RCPT": "450 later"};
    "" = it hangs up. `trust`: its certificate, None = it offers no STARTTLS. `users`: name → password."""

    said: dict[str, str] = field(default_factory=dict)
    trust: ssl.SSLContext | None = None
    from_the_start: bool = False
    users: dict[str, str] = field(default_factory=dict)
    letters: list[EmailMessage] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    port: int = 0


class _Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        host: MailHost = self.server.host  # type: ignore[attr-defined]
        is_secure = host.from_the_start
        self._say("220 localhost ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ", 1)[0].upper()
            if word in host.said:
                if not host.said[word]:
                    return
                self._say(host.said[word])
            elif word in {"EHLO", "HELO"}:
                offers = ["localhost", *(["STARTTLS"] if host.trust is not None and not is_secure else [])]
                offers += ["AUTH PLAIN"] if host.users else []
                for offer in offers[:-1]:
                    self._say(f"250-{offer}")
                self._say(f"250 {offers[-1]}")
            elif word == "STARTTLS" and host.trust is not None:
                self._say("220 go on")
                self.connection = host.trust.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]
                is_secure = True
            elif word == "AUTH":
                _none, user, password = base64.b64decode(line.split()[-1]).decode().split("\0")
                self._say("235 welcome" if host.users.get(user) == password else "535 wrong")
            elif word == "DATA":
                self._say("354 go on")
                lines = []
                while (row := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(row[1:] if row.startswith(b"..") else row)
                host.letters.append(message_from_bytes(b"".join(lines), policy=policy.default))  # type: ignore[arg-type]
                host.secured.append(is_secure)
                self._say(host.said.get(".", "250 taken"))
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the secured one, where it took the place of the first

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
        self.wfile.flush()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    host: MailHost

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self.host.from_the_start and self.host.trust is not None:
            connection = self.host.trust.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up in the middle is what some tests want."""


@contextmanager
def mail_host(host: MailHost | None = None) -> Iterator[MailHost]:
    """The server, as long as the block lasts."""
    host = host or MailHost()
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.host, host.port = host, server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
