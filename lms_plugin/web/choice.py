"""确认选点 and 换能力点 by the school lead: who chose what, and what is taken out of a choice, and why."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import choice, choice_confirming
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.forms import whole

blueprint = Blueprint("choice", __name__)
SEEN = "seen."


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


@blueprint.route("/chosen/<programme>/<unit>", methods=["GET", "POST"])
def confirming(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """Who of a school chose what: confirmed all at once or one by one, or sent back with a reason."""
    errors: dict[str, str] = {}
    about = request.form.get("back", "")
    if request.method == "POST":
        seen = {key.removeprefix(SEEN): text for key, text in request.form.items() if key.startswith(SEEN)}
        try:
            if about:
                reason = request.form.get("reason", "")
                codes = seen.get(about, "")
                choice_confirming.send_back(db(), actor(), programme, unit, about, codes, reason, edge().now)
                return redirect(url_for("choice.confirming", programme=programme, unit=unit, back=1), 303)
            done = choice_confirming.confirm(db(), actor(), programme, unit, seen, edge().now)
            return redirect(url_for("choice.confirming", programme=programme, unit=unit, done=done), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    shown = render_template(
        "choice/confirming.html",
        view=choice_confirming.page(db(), actor(), programme, unit),
        errors=errors,
        about=about,
        typed=request.form.get("reason", ""),
        done=whole(request.args.get("done"), 0, 0),
        is_back="back" in request.args,
        seen=SEEN,
    )
    return shown, 422 if errors else 200
