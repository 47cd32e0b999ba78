"""成批下载: a unit's 学时证明 in one ZIP: asked for, watched, cancelled, downloaded."""

from flask import Blueprint, Response, redirect, render_template, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin import media
from lms_plugin.errors import NotFound
from lms_plugin.flow import certificate_bundles
from lms_plugin.web.edge import actor, db, edge, parts, wake_worker

blueprint = Blueprint("bundles", __name__)


@blueprint.get("/certificates/<programme>/<unit>/bundle")
def page(programme: str, unit: str) -> str:
    """How far it is; while it is made the page asks again by itself."""
    view = certificate_bundles.page(db(), actor(), programme, unit)
    lacks = media.printer_lacks() if not view.state else ""
    return render_template("certificates/bundle.html", view=view, bundle=view.bundle, lacks=lacks)


@blueprint.post("/certificates/<programme>/<unit>/bundle")
def ask(programme: str, unit: str) -> BaseResponse:
    """Asks for the file. A second click finds it asked for."""
    certificate_bundles.ask(db(), actor(), programme, unit, edge().now)
    wake_worker()
    return redirect(url_for("bundles.page", programme=programme, unit=unit), 303)


@blueprint.post("/bundles/<bundle>/cancel")
def cancel(bundle: str) -> BaseResponse:
    """No more of it is made."""
    programme, unit = certificate_bundles.cancel(db(), actor(), bundle, edge().now)
    wake_worker()
    return redirect(url_for("bundles.page", programme=programme, unit=unit), 303)


@blueprint.get("/bundles/<bundle>/file")
def file(bundle: str) -> Response:
    """The ZIP, from the disk as it goes. A frame without a cookie comes by a single-use ticket (`lti.ticket`)."""
    key, name = certificate_bundles.ready(db(), actor(), bundle)
    path = parts().storage.path(key)
    db().rollback()  # a slow line holds no connection
    if not path.is_file():
        raise NotFound
    response = send_file(path, "application/zip", as_attachment=True, download_name=name, conditional=True, etag=False)
    response.headers.pop("Last-Modified", None)
    response.headers["Cache-Control"] = "private, no-store"
    return response
