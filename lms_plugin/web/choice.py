"""换能力点 by the school lead: what can be taken out of a teacher's choice, and why it was."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import choice
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge

blueprint = Blueprint("choice", __name__)


@blueprint.route("/choices/<programme>/<person>", methods=["GET", "POST"])
def page(programme: str, person: str) -> BaseResponse | tuple[str, int]:
    """A teacher's choice."""
    errors: dict[str, str] = {}
    work = request.form.get("work", "")
    if request.method == "POST":
        try:
            choice.take_out(db(), actor(), programme, person, work, request.form.get("reason", ""), edge().now)
            return redirect(url_for("choice.page", programme=programme, person=person), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    shown = render_template(
        "choice/page.html",
        view=choice.choice_page(db(), actor(), programme, person, edge().now),
        errors=errors,
        about=work,
        typed=request.form.get("reason", ""),
    )
    return shown, 422 if errors else 200
