"""每人最多评几份: the page of who gives how many reviews."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import quotas, sheets
from lms_plugin.web import messages, roster
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("quotas", __name__)

QUOTAS = "quotas:"


@blueprint.route("/reviews/quotas/<programme>", methods=["GET", "POST"])
def home(programme: str) -> BaseResponse | tuple[str, int]:
    """Who takes part with how many each gives; one number, or a list of them, is set here."""
    told: dict[str, str] = {}
    problems: tuple[sheets.Problem, ...] = ()
    if request.method == "POST":
        try:
            if request.form.get("what") == "list":
                filename, data = _list()
                problems = quotas.check(db(), actor(), programme, data).problems
                if not problems:
                    token = roster.tray().keep(actor(), QUOTAS + programme, filename, data, edge().now)
                    return redirect(url_for("quotas.checked", programme=programme, token=token), 303)
            else:
                who, most = request.form.get("staff_number", ""), request.form.get("most", "")
                quotas.set_one(db(), actor(), programme, who, most, edge().now)
                return redirect(url_for("quotas.home", programme=programme, saved=1), 303)
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


@blueprint.route("/reviews/quotas/<programme>/checked/<token>", methods=["GET", "POST"])
def checked(programme: str, token: str) -> BaseResponse | tuple[str, int]:
    """What the list would change, name by name; the second button does it."""
    kept = roster.tray().open(actor(), QUOTAS + programme, token, edge().now)
    faults: tuple[sheets.Problem, ...] = ()
    if request.method == "POST":
        number, faults = quotas.commit(db(), actor(), programme, kept.data, edge().now)
        if not faults:
            return redirect(url_for("quotas.home", programme=programme, saved=number), 303)
    found = quotas.check(db(), actor(), programme, kept.data)
    return render_template(
        "quotas/checked.html",
        check=found,
        filename=kept.filename,
        token=token,
        shown=found.problems[: roster.SHOWN],
        lines=found.changes[: roster.SHOWN],
        problem_words=roster.problem_words,
    ), 422 if faults else 200


def _list() -> tuple[str, bytes]:
    """(name, sheet) of what was pasted, "" for its name; else of the file."""
    pasted = quotas.as_sheet(request.form.get("list", "")[:200_000])
    return ("", pasted) if pasted else roster.sent_file()
