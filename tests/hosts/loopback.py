"""Servers on this machine, each for as long as a block lasts: one of our own handlers, or a WSGI application."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

LOOK = 0.02  # seconds between two looks whether it shall end; the default, half a second, is longer than most tests


class Handler(BaseHTTPRequestHandler):
    """Answers without a word on the console."""

    def say(
        self, status: int, body: bytes | str, kind: str = "application/json", *, reason: str = "", **more: str
    ) -> None:
        """A whole answer; `more` are headers, with _ for -. Who has hung up meanwhile has heard enough."""
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status, reason or None)
        for name, value in {"Content_Type": kind, **more}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        try:
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            return

    def heard(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, *_args: Any) -> None:
        pass


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _closing(app: Callable[..., Any]) -> Any:
    """The application, whose answers are closed also when the browser has hung up: the server of the tests then reads
    what is left of the request first, and may fail at that."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        parts = app(environ, start_response)
        try:
            yield from parts
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


@contextmanager
def handled(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server with that handler; gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with _running(server):
        yield server.server_port


@contextmanager
def served(app: Callable[..., Any], port: int = 0) -> Iterator[int]:
    """A server of that WSGI application; gives its port."""
    server = make_server("127.0.0.1", port, _closing(app), threaded=True, request_handler=_Quiet)
    with _running(server):
        yield server.server_port


@contextmanager
def _running(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": LOOK}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
