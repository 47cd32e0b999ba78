"""每人最多评几份: the page of who gives how many reviews."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import quotas, sheets
from lms_plugin.web import messages, roster
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("quotas", __name__)


@blueprint.route("/reviews/quotas/<programme>", methods=["GET", "POST"])
def home(programme: str) -> BaseResponse | tuple[str, int]:
    """Who takes part with how many each gives; one number, or a list of them, is set here."""
    told: dict[str, str] = {}
    problems: tuple[sheets.Problem, ...] = ()
    if request.method == "POST":
        try:
            if request.form.get("what") == "list":
                number, problems = quotas.take(db(), actor(), programme, _list(), edge().now)
            else:
                who, most = request.form.get("staff_number", ""), request.form.get("most", "")
                quotas.set_one(db(), actor(), programme, who, most, edge().now)
                number = 1
            if not problems:
                return redirect(url_for("quotas.home", programme=programme, saved=number), 303)
        except Invalid as error:
            told = messages.field_errors(error)
        except Refused as refused:
            if not refused.code.startswith("sheet."):
                raise
            told = {"list": messages.sentence(refused.code, refused.params)}
        db().rollback()
    number = whole(request.args.get("page"), 1)
    view = quotas.page(db(), actor(), programme, number)
    return render_template(
        "quotas/page.html",
        view=view,
        errors=told,
        problems=problems,
        shown=problems[: roster.SHOWN],
        problem_words=roster.problem_words,
        typed=request.form,
        saved=whole(request.args.get("saved"), 0, least=0),
        page=number,
        pages=pages(view.total, quotas.SIZE),
        address=url_for("quotas.home", programme=programme),
    ), 422 if told or problems else 200


def _list() -> bytes:
    """What was pasted; else the file."""
    return quotas.as_sheet(request.form.get("list", "")[:200_000]) or roster.sent_file()[1]
