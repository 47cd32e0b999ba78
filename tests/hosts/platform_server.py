"""A platform's service addresses on loopback: keys, tokens, a roster, each in the mood that a test gives it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.hosts import resign

Answer = tuple[int, str, str]  # status, media type, body


@dataclass
class Services:
    """What the platform answers, and what it was asked."""

    url: str = ""
    keys: Answer = (200, "application/json", "")
    tokens: dict[str, Answer] = field(default_factory=dict)  # by the last part of a scope; "" = all others
    roster: Answer = (200, "application/json", json.dumps({"members": [{"user_id": "8"}]}))
    asked: list[str] = field(default_factory=list)


@contextmanager
def platform_services() -> Iterator[Services]:
    """A platform that grants everything."""
    made = Services(keys=(200, "application/json", json.dumps(resign.jwks())))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self._say(made.keys if self.path.startswith("/jwks") else made.roster)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            scope = form["scope"][0]
            made.asked.append(scope)
            granted = json.dumps({"access_token": "t0ken", "expires_in": 3600, "scope": scope})
            said = made.tokens.get(scope.rpartition("/")[2], made.tokens.get("", (200, "text/html", granted)))
            self._say(said)

        def _say(self, answer: Answer) -> None:
            body = answer[2].encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", answer[1])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
