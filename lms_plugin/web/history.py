"""以前的记录: what old platforms said, brought in from a sheet and found again by name or 工号; one's own."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import history, sheets
from lms_plugin.web.downloads import workbook
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.roster import SHOWN, problem_words, received, tray

blueprint = Blueprint("history", __name__)
HISTORY = "history"


@blueprint.route("/history", methods=["GET", "POST"])
def home() -> BaseResponse | tuple[str, int]:
    """The search, the files that were brought in, and where a new one is sent."""
    error = ""
    if request.method == "POST":
        token, error = received(HISTORY, lambda data: history.check(db(), actor(), data, edge().now))
        if token:
            return redirect(url_for("history.checked", token=token), 303)
    query, number = request.args.get("q", "").strip()[:50], whole(request.args.get("page"), 1)
    view = history.page(db(), actor(), query, number)
    page = render_template(
        "history/home.html",
        view=view,
        query=query,
        page=number,
        pages=pages(view.total),
        error=error,
        added=whole(request.args.get("added"), 0, least=0) if "added" in request.args else None,
        address=lambda there: url_for("history.home", q=query or None, page=there),
    )
    return page, 422 if error else 200


@blueprint.get("/history/template")
def template() -> BaseResponse:
    """An empty sheet with the columns of old records."""
    history.may_import(db(), actor())
    heads = [
        (_("工号"), 14),
        (_("姓名"), 12),
        (_("学校"), 24),
        (_("项目"), 30),
        (_("能力点"), 30),
        (_("结果"), 10),
        (_("学时"), 10),
        (_("日期"), 14),
        (_("来源"), 28),
    ]
    columns = [sheets.Column(name, width) for name, width in heads]
    return workbook(_("以前的记录模板"), [sheets.Page(_("以前的记录"), columns, (), empty_rows=2000)])


@blueprint.route("/history/checked/<token>", methods=["GET", "POST"])
def checked(token: str) -> BaseResponse | str:
    """What the file would add; the second button adds it."""
    kept = tray().open(actor(), HISTORY, token, edge().now)
    if request.method == "POST":
        added = history.commit(db(), actor(), kept.data, kept.filename, edge().now)
        return redirect(url_for("history.home", added=added), 303)
    found = history.check(db(), actor(), kept.data, edge().now)
    return render_template(
        "history/checked.html",
        check=found,
        filename=kept.filename,
        token=token,
        shown=found.problems[:SHOWN],
        problem_words=problem_words,
    )


@blueprint.post("/history/files/<batch>/remove")
def remove(batch: str) -> BaseResponse:
    """The wrong file: its lines are shown no more."""
    history.take_back(db(), actor(), batch, edge().now)
    return redirect(url_for("history.home"), 303)


@blueprint.get("/me/history")
def mine() -> str:
    """What old platforms said of the person who asks."""
    is_known, lines = history.own_records(db(), actor())
    return render_template("history/mine.html", is_known=is_known, lines=lines)
