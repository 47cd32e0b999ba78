"""Static files under names that carry their hash, so that browsers may keep them for ever."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, Response, current_app, send_from_directory
from werkzeug.exceptions import NotFound

FOLDER = Path(__file__).parent.parent / "static"


def load_assets(app: Flask) -> None:
    """Hashes every static file once and serves `/static/<hash>/<path>`.

    The hash is of all files together: a page never gets one file of this version and another of the next.
    """
    files = sorted(p for p in FOLDER.rglob("*") if p.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(FOLDER).as_posix().encode())
        whole.update(path.read_bytes())
    app.extensions["nengli_assets"] = whole.hexdigest()[:12]

    @app.get("/static/<stamp>/<path:name>", endpoint="static")
    def static(stamp: str, name: str) -> Response:
        response = send_from_directory(FOLDER, name)
        if stamp != app.extensions["nengli_assets"]:
            response.headers["Cache-Control"] = "no-cache"
        else:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        if name.endswith(".js"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


def asset(name: str) -> str:
    """The address of a static file."""
    _check(name)
    return f"/static/{current_app.extensions['nengli_assets']}/{name}"


@cache
def _check(name: str) -> None:
    """Raises NotFound where there is no such file; every page names a dozen, so what is there is looked up once."""
    if not (FOLDER / name).is_file():
        raise NotFound(name)
