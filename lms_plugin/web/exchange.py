"""A standard as a file: downloaded in four forms, sent in, checked, and taken in as a draft by a second button."""

import re

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from competencies import PackProblem, ReferenceVersion
from lms_plugin.flow import exchange
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.roster import SHOWN, received, tray

blueprint = Blueprint("exchange", __name__)

FRAMEWORK = "framework"


def place_words(problem: PackProblem) -> str:
    """Where a fault is: its row and column, or its path in a JSON file."""
    if not problem.row:
        return problem.where.encode("utf-8", "replace").decode() or _("整个文件")
    return _("第 %(row)s 行 %(column)s 列", row=problem.row, column=problem.column)


def problem_words(problem: PackProblem) -> str:
    """What is wrong there, in the page's language."""
    return messages.sentence(problem.code, {"where": place_words(problem), "found": problem.found})


@blueprint.get("/curate/frameworks/<version>/file")
def download(version: str) -> BaseResponse:
    """A version as a file; `as` names the form."""
    file = exchange.download(db(), actor(), version, request.args.get("as", "case"))
    answer = make_response(file.data)
    answer.headers["Content-Type"] = file.mime
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", file.filename)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@blueprint.route("/curate/import", methods=["GET", "POST"])
def home() -> BaseResponse | tuple[str, int]:
    """Where the file of a standard is sent; it is checked, nothing is written."""
    error = ""
    exchange.may_import(actor())
    if request.method == "POST":
        token, error = received(FRAMEWORK, lambda data: exchange.check(db(), actor(), data), codes=("sheet.", "pack."))
        if token:
            return redirect(url_for("exchange.checked", token=token), 303)
    return render_template("exchange/home.html", error=error), 422 if error else 200


@blueprint.route("/curate/import/<token>", methods=["GET", "POST"])
def checked(token: str) -> BaseResponse | str:
    """What the file would bring; the second button takes it in as a draft."""
    exchange.may_import(actor())
    kept = tray().open(actor(), FRAMEWORK, token, edge().now)
    if request.method == "POST":
        taken = exchange.commit(db(), actor(), kept.data, edge().now)
        if isinstance(taken, ReferenceVersion):
            return redirect(url_for("references.page", edition=taken.uuid), 303)
        return redirect(url_for("curate.framework", version=taken.uuid), 303)
    found = exchange.check(db(), actor(), kept.data)
    return render_template(
        "exchange/checked.html",
        check=found,
        filename=kept.filename,
        token=token,
        shown=found.problems[:SHOWN],
        place_words=place_words,
        problem_words=problem_words,
    )
