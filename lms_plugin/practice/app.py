"""The practice LMS as a Flask application, and the server that keeps it on this machine."""

from urllib.parse import urlsplit

from flask import Flask, abort, g, request
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from lms_plugin.practice.config import PracticeConfig, is_local
from lms_plugin.practice.host import Host, host
from lms_plugin.practice.launch import Hints
from lms_plugin.practice.pages import pages
from lms_plugin.practice.platform import PracticePlatform
from lms_plugin.practice.service_views import services
from lms_plugin.practice.store import Store

BODY_BYTES = 1024 * 1024


def create_practice(config: PracticeConfig) -> Flask:
    """The practice LMS; its gradebook, keys and used tokens lie in `config.data_dir`/practice.sqlite3."""
    store = Store(config.data_dir / "practice.sqlite3")
    for course in config.courses:
        for link in course.links:
            store.ensure_coupled(course.id, link.id, link.title)
    app = Flask("lms_plugin.practice", static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=store.secret("session_secret"),
        SESSION_COOKIE_NAME="practice_lms",
        # The way back from the tool is a request inside a frame that the tool's site may have started: a Lax cookie
        # would stay at home. `*.localhost` counts as secure, and under lms.localhost the cookie is first-party.
        SESSION_COOKIE_SAMESITE="None",
        SESSION_COOKIE_SECURE=True,
        MAX_CONTENT_LENGTH=BODY_BYTES,
    )
    app.extensions["practice"] = Host(config, store, PracticePlatform(config=config, store=store), Hints(config, store))
    app.register_blueprint(pages)
    app.register_blueprint(services)
    app.before_request(_only_local)
    app.after_request(_headers)
    return app


def _only_local() -> None:
    """A foreign Host header is a page elsewhere that points its name at this machine (DNS rebinding)."""
    if not is_local(urlsplit("//" + request.host).hostname):
        abort(400)


def _headers(response: Response) -> Response:
    """A policy of the host's own: nothing but its style sheet, frames of itself and the tool."""
    tool = host().config.tool_url
    scripts = f"script-src 'nonce-{g.script_nonce}'; " if "script_nonce" in g else ""
    ancestors = "'self'" if "may_be_framed" in g else "'none'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {scripts}frame-src 'self' {tool}; "
        f"form-action 'self' {tool}; base-uri 'none'; frame-ancestors {ancestors}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


class _QuietHandler(WSGIRequestHandler):
    """No line for each request: the addresses of a launch carry its hint, state and nonce."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Errors are still written by `log_error`."""


def serve(config: PracticeConfig, port: int) -> None:
    """Serve on 127.0.0.1:`port`, one thread for each request, until Ctrl-C."""
    server = make_server("127.0.0.1", port, create_practice(config), threaded=True, request_handler=_QuietHandler)
    print(f"Practice LMS: {config.base_url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
