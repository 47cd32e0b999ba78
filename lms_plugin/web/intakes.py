"""收下: how far a district's archive is taken in, for whoever has the address that `nengli archive import` printed."""

from flask import Blueprint, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import intakes
from lms_plugin.web.edge import db, edge, wake_worker

blueprint = Blueprint("intakes", __name__)


@blueprint.get("/arriving/<code>")
def page(code: str) -> BaseResponse:
    """How far it is; while it is under way the page asks again by itself. No host has it in a frame."""
    edge().framed_by = []
    view = intakes.page(db(), code, edge().now)
    answer = make_response(render_template("archives/intake.html", view=view, intake=view.intake, code=code))
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


@blueprint.post("/arriving/<code>/stop")
def stop(code: str) -> BaseResponse:
    """Nothing more of it is taken in."""
    intakes.stop(db(), code, edge().now)
    return _back(code)


@blueprint.post("/arriving/<code>/again")
def go_on(code: str) -> BaseResponse:
    """It is tried again."""
    intakes.go_on(db(), code, edge().now)
    return _back(code)


def _back(code: str) -> BaseResponse:
    wake_worker()
    return redirect(url_for("intakes.page", code=code), 303)
