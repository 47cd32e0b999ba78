"""Evidence as bytes, pages and text: the author and staff get the original, reviewers a copy that names nobody."""

from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request, send_file

from lms_plugin.db import writes
from lms_plugin.flow import evidence
from lms_plugin.web.edge import actor, db, edge, parts

blueprint = Blueprint("evidence", __name__)
SHOWN_IN_PLACE = frozenset({"image", "video", "audio"})
BROWSERS_SHOW = frozenset({"jpg", "png", "webp", "gif"})
SEALED = "default-src 'none'; sandbox"  # an uploaded file is nobody's page: no script, no form, no origin


def _bytes(path: Path, mime: str, name: str, inline: bool) -> Response:
    """The file with ranges (a film is jumped in), never kept, never guessed at. Its dates on our disk stay here."""
    response = send_file(
        path, mimetype=mime, as_attachment=not inline, download_name=name, conditional=True, etag=False
    )
    response.headers.pop("Last-Modified", None)
    return sealed(response)


def sealed(response: Response) -> Response:
    """What somebody uploaded: kept by nobody on the way, and never more than bytes to a browser."""
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Security-Policy"] = SEALED
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@blueprint.get("/evidence/<file>/file")
def file(file: str) -> Response:
    """The bytes, by ranges; photos that browsers do not know come as JPEG where an <img> asks."""
    found = evidence.open_file(db(), actor(), file, edge().now)
    storage = parts().storage
    if found.kind == "image" and found.extension not in BROWSERS_SHOW and "download" not in request.args:
        return _bytes(found.image_jpeg(storage), "image/jpeg", f"{found.name.rpartition('.')[0]}.jpg", True)
    path, mime, name = found.served(storage)
    return _bytes(path, mime, name, found.kind in SHOWN_IN_PLACE and "download" not in request.args)


@blueprint.get("/evidence/<file>")
def preview(file: str) -> Response:
    """The material readable on the page, without a download; htmx gets the inside alone. Who saw it is kept."""
    found, is_new = evidence.preview(db(), actor(), file)
    storage = parts().storage
    is_part = "HX-Request" in request.headers
    page = render_template(
        "evidence/_reader.html" if is_part else "evidence/page.html",
        file=found,
        blocks=found.blocks(storage) if found.kind in {"document", "slides", "sheet"} else [],
    )
    _keep_seen(file, is_new=is_new)
    return make_response(page)


def _keep_seen(file: str, *, is_new: bool) -> None:
    """Who saw it, the first time: all that was read is read, one line is written, and the edge commits it."""
    if is_new:
        who = actor()
        db().rollback()
        evidence.open_file(writes(db()), who, file, edge().now)


@blueprint.get("/evidence/<file>/pages/<int:number>.png")
def page(file: str, number: int) -> Response:
    """A page of a PDF as a picture."""
    found, is_new = evidence.preview(db(), actor(), file)
    path = found.page_png(parts().storage, number)
    _keep_seen(file, is_new=is_new)
    return _bytes(path, "image/png", f"{number}.png", True)


@blueprint.get("/evidence/<file>/pictures/<int:number>")
def picture(file: str, number: int) -> Response:
    """A picture inside a document."""
    found, is_new = evidence.preview(db(), actor(), file)
    content, mime = found.picture(parts().storage, number)
    _keep_seen(file, is_new=is_new)
    return sealed(Response(content, mimetype=mime))
