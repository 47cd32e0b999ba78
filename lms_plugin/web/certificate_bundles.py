"""成批下载: a unit's 学时证明, or 工作量证明, in one ZIP: asked for, watched, cancelled, downloaded."""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin import media
from lms_plugin.errors import NotFound
from lms_plugin.flow import certificate_bundles, paper_kinds
from lms_plugin.flow.paper_kinds import PaperKind
from lms_plugin.web.edge import actor, db, edge, parts, wake_worker
from lms_plugin.web.seals import paper_words

blueprint = Blueprint("bundles", __name__)

_ADDRESSES = {
    paper_kinds.CERTIFICATES.name: ("bundles.page", "programme"),
    paper_kinds.STATEMENTS.name: ("bundles.statements", "programme"),
    paper_kinds.CYCLES.name: ("bundles.cycles", "years"),
}


@blueprint.route("/certificates/<programme>/<unit>/bundle", methods=["GET", "POST"])
def page(programme: str, unit: str) -> BaseResponse | str:
    """学时证明: how far it is, while it is made the page asks again by itself; and asking for it."""
    return _page(programme, unit, paper_kinds.CERTIFICATES)


@blueprint.route("/workload/<programme>/<unit>/bundle", methods=["GET", "POST"])
def statements(programme: str, unit: str) -> BaseResponse | str:
    """The same for 工作量证明."""
    return _page(programme, unit, paper_kinds.STATEMENTS)


@blueprint.route("/cycle-certificates/<years>/<unit>/bundle", methods=["GET", "POST"])
def cycles(years: str, unit: str) -> BaseResponse | str:
    """The same for 学时证明 of a cycle."""
    return _page(years, unit, paper_kinds.CYCLES)


def _address(kind: str, lot: str, unit: str) -> str:
    endpoint, key = _ADDRESSES[kind]
    values: dict[str, Any] = {key: lot, "unit": unit}
    return url_for(endpoint, **values)


def _page(lot: str, unit: str, kind: PaperKind) -> BaseResponse | str:
    """A second click finds it asked for."""
    here = _address(kind.name, lot, unit)
    if request.method == "POST":
        certificate_bundles.ask(db(), actor(), lot, unit, edge().now, kind)
        wake_worker()
        return redirect(here, 303)
    view = certificate_bundles.page(db(), actor(), lot, unit, kind)
    lacks = media.printer_lacks() if not view.state else ""
    word = paper_words()[kind.name]
    return render_template("certificates/bundle.html", view=view, bundle=view.bundle, lacks=lacks, here=here, word=word)


@blueprint.post("/bundles/<bundle>/cancel")
def cancel(bundle: str) -> BaseResponse:
    """No more of it is made."""
    kind, lot, unit = certificate_bundles.cancel(db(), actor(), bundle, edge().now)
    wake_worker()
    return redirect(_address(kind, lot, unit), 303)


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
