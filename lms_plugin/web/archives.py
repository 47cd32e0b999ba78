"""整体迁出: everything of a district in one file, and the day from which it goes on elsewhere."""

from datetime import date

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import archive_making, archives
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, commit, db, edge, parts, wake_worker

blueprint = Blueprint("archives", __name__)


@blueprint.get("/archive")
def home() -> str:
    """How far packing is, while it is under way the page asks again by itself; and the forward address."""
    return _page({}, {})


@blueprint.post("/archive")
def ask() -> BaseResponse:
    """Asks for the file. A second click finds it asked for."""
    archives.ask(db(), actor(), edge().now)
    wake_worker()
    return redirect(url_for("archives.home"), 303)


@blueprint.post("/archive/<archive>/cancel")
def cancel(archive: str) -> BaseResponse:
    """Nothing more of it is packed."""
    archives.cancel(db(), actor(), archive, edge().now)
    wake_worker()
    return redirect(url_for("archives.home"), 303)


@blueprint.get("/archive/<archive>/file")
def file(archive: str) -> Response:
    """The file, from the disk as it goes. A frame without a cookie comes by a single-use ticket (`lti.ticket`)."""
    name = archives.fetch(db(), actor(), archive, edge().now)
    commit()  # who had it stays noted, and a slow line holds no connection
    path = archive_making.file_of(parts().settings.archive_dir, archive)
    if not path.is_file():
        raise NotFound
    response = send_file(
        path.resolve(), "application/zip", as_attachment=True, download_name=name, conditional=True, etag=False
    )
    response.headers.pop("Last-Modified", None)
    response.headers["Cache-Control"] = "private, no-store"
    return response


@blueprint.post("/archive/forward")
def forward() -> BaseResponse | tuple[str, int]:
    """The district goes on elsewhere from a day on, or stays after all."""
    if request.form.get("what") == "stay":
        archives.stay(db(), actor())
        return redirect(url_for("archives.home"), 303)
    values = {name: request.form.get(name, "").strip()[:600] for name in ("url", "day")}
    try:
        archives.move_on(db(), actor(), values["url"], _day(values["day"]), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _page(values, messages.field_errors(invalid)), 422
    return redirect(url_for("archives.home"), 303)


def _page(values: dict[str, str], errors: dict[str, str]) -> str:
    view = archives.page(db(), actor(), edge().now)
    if not values:
        values = {"url": view.tenant.forward_url, "day": str(view.tenant.frozen_on or "")}
    return render_template("archives/home.html", view=view, archive=view.archive, values=values, errors=errors)


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None
