"""我的研修档案: one page that prints on one A4, and the button that sends scores again."""

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import deliveries, passport, submit_views
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.submit import nothing

blueprint = Blueprint("passport", __name__)


@blueprint.get("/record")
def mine() -> BaseResponse | str:
    """The person's own record of the programme they most likely mean."""
    programme = submit_views.current_programme(db(), actor())
    if programme is None:
        return nothing()
    return redirect(url_for("passport.page", programme=programme), 303)


@blueprint.get("/record/<programme>")
def page(programme: str) -> str:
    """One's own record."""
    return render_template("passport/page.html", record=passport.record(db(), actor(), programme, None, edge().now))


@blueprint.get("/record/<programme>/<person>")
def of_person(programme: str, person: str) -> str:
    """Somebody's record, for their school lead, trainer, officer or auditor."""
    return render_template("passport/page.html", record=passport.record(db(), actor(), programme, person, edge().now))


@blueprint.post("/record/<programme>/<person>/send/<course>")
def resend(programme: str, person: str, course: str) -> BaseResponse:
    """再发一次."""
    deliveries.resend(db(), actor(), course, person, edge().now)
    wake_worker()
    return redirect(url_for("passport.of_person", programme=programme, person=person), 303)
