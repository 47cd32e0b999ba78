"""申请复核: its author's form and page, the page of who is on the fresh panel, the list of officers and auditors."""

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import rubrics
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import appeal_panel, appeal_review, appeal_views, appeals
from lms_plugin.web import marks, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("appeals", __name__)
REASON = "why."


@blueprint.route("/submissions/<submission>/appeal", methods=["GET", "POST"])
def ask(submission: str) -> BaseResponse | tuple[str, int]:
    """The form: beside each criterion why it is not right; what is left empty is not asked about."""
    typed, told = {}, dict[str, str]()
    if request.method == "POST":
        typed = {
            name.removeprefix(REASON): marks.plain(value)
            for name, value in request.form.items()
            if name.startswith(REASON)
        }
        try:
            row = appeals.appeal(db(), actor(), submission, typed, edge().now)
            return redirect(url_for("appeals.one", appeal=row.uuid), 303)
        except Invalid as error:
            db().rollback()
            told = messages.field_errors(error)
        except Refused as refused:
            if refused.code != "appeal.once":
                raise
            db().rollback()  # a second click: here is what the first one asked
            there = appeals.standing_of(db(), actor(), submission, edge().now).appeal
            return redirect(url_for("appeals.one", appeal=there), 303)
    view = appeals.form(db(), actor(), submission, edge().now)
    page = render_template(
        "appeals/ask.html",
        view=view,
        typed=typed,
        errors=told,
        first=next((f"f-{REASON}{line.field}" for line in view.lines if line.field in told), "main"),
        point_word=marks.point_word,
        level_word=marks.level_word,
    )
    return page, 422 if told else 200


@blueprint.get("/appeals/<appeal>")
def one(appeal: str) -> str:
    """Where it stands; for officers and auditors also who was asked, and what a short panel needs."""
    return _one(appeal, "")


def _one(appeal: str, error: str, choices: appeal_panel.Choices | None = None) -> str:
    view = appeal_views.page(db(), actor(), appeal, edge().now)
    return render_template(
        "appeals/own.html" if view.is_own else "appeals/one.html",
        view=view,
        error=error,
        choices=choices,
        state=state_word(view.state, view.is_late),
        member_word=member_word,
        point_word=marks.point_word,
        level_word=marks.level_word,
    )


@blueprint.post("/appeals/<appeal>/withdraw")
def withdraw(appeal: str) -> BaseResponse:
    """撤回: the decision stands."""
    appeals.withdraw(db(), actor(), appeal, edge().now)
    return redirect(url_for("appeals.one", appeal=appeal), 303)


@blueprint.post("/appeals/<appeal>/panel")
def panel(appeal: str) -> BaseResponse | tuple[str, int]:
    """An officer's ways out of a shortage, with how many are free by each; with a way chosen, that is done."""
    if "way" not in request.form and "count" in request.form:
        return _one(appeal, "", appeal_panel.choices(db(), actor(), appeal, edge().now)), 200
    try:
        appeal_panel.choose(db(), actor(), appeal, request.form.get("way", ""), edge().now)
    except Invalid as error:
        db().rollback()
        free = appeal_panel.choices(db(), actor(), appeal, edge().now)
        return _one(appeal, messages.field_errors(error)["way"], free), 422
    return redirect(url_for("appeals.one", appeal=appeal), 303)


@blueprint.get("/appeals")
def inbox() -> str:
    """Appeals within an officer's or auditor's reach, with counts."""
    number = whole(request.args.get("page"), 1)
    view = appeal_views.inbox(db(), actor(), request.args.get("of", "open"), number, edge().now)
    return render_template(
        "appeals/inbox.html",
        view=view,
        filters=[(name, filter_word(name), view.counts[name]) for name in appeal_views.FILTERS],
        state_word=state_word,
        point_word=marks.point_word,
        page=number,
        pages=pages(view.total, appeal_views.A_PAGE),
        address=lambda there: url_for("appeals.inbox", of=view.chosen, page=there),
    )


@blueprint.get("/appeals/panel/<member>")
def review(member: str) -> str:
    """One's part in a fresh panel. Seeing it is written down."""
    return _review(member, None, {})


def _review(member: str, drafts: rubrics.Drafts | None, told: dict[str, str]) -> str:
    view = appeal_review.open_page(db(), actor(), member, edge().now, drafts)
    return render_template(
        "appeals/review.html",
        view=view,
        errors=told,
        first_error=marks.first_error(view.items, told),
        choices=lambda line: marks.choices(line, view.level_words, with_words=marks.FOR_ALL),
    )


@blueprint.post("/appeals/panel/<member>/marks")
def save(member: str) -> Response | BaseResponse | tuple[str | Response, int]:
    """Autosave, and "save" without JavaScript."""
    drafts = marks.drafts_of(request.form)
    try:
        row = appeal_review.save(db(), actor(), member, drafts, _version(), edge().now)
    except Invalid as error:
        return _refused(member, drafts, error)
    if _wants_json():
        return jsonify(version=row.version, saved_at=edge().now.isoformat())
    return redirect(url_for("appeals.review", member=member), 303)


@blueprint.post("/appeals/panel/<member>/submit")
def submit(member: str) -> BaseResponse | tuple[str | Response, int]:
    """Hands the marks in; nothing typed is lost where something is missing."""
    drafts = marks.drafts_of(request.form)
    try:
        appeal_review.submit(db(), actor(), member, drafts, _version(), edge().now)
    except Invalid as error:
        return _refused(member, drafts, error)
    return redirect(url_for("appeals.review", member=member), 303)


@blueprint.post("/appeals/panel/<member>/recuse")
def recuse(member: str) -> BaseResponse:
    """我认识作者，申请回避."""
    appeal_review.step_back(db(), actor(), member, edge().now)
    return redirect(url_for("review.mine"), 303)


def _refused(member: str, drafts: rubrics.Drafts, error: Invalid) -> tuple[str | Response, int]:
    db().rollback()
    told = messages.field_errors(error)
    if _wants_json():
        fields = {f"{marks.REASON}{field}": sentence for field, sentence in told.items()}
        return jsonify(error=error.code, message=next(iter(told.values())), fields=fields), error.status
    return _review(member, drafts, told), error.status


def _wants_json() -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _version() -> int:
    return whole(request.form.get("version"), 0)


def state_word(state: str, is_late: bool) -> tuple[str, str]:
    """(kind of mark, word) of where an appeal stands."""
    if is_late:
        return "stop", str(_("过了答复的日子"))
    words = {"open": ("wait", _("复核中")), "settled": ("good", _("已答复")), "withdrawn": ("note", _("已撤回"))}
    kind, word = words[state]
    return kind, str(word)


def filter_word(name: str) -> str:
    """A filter of the list."""
    words = {"open": _("复核中"), "late": _("过期"), "settled": _("已答复"), "withdrawn": _("已撤回")}
    return str(words[name])


def member_word(state: str) -> tuple[str, str]:
    """(kind of mark, word) of what one who was asked has done."""
    words = {
        "asked": ("wait", _("还没打开")),
        "open": ("pen", _("正在评")),
        "submitted": ("good", _("已评")),
        "stepped_back": ("note", _("申请了回避")),
        "ended": ("note", _("不再等")),
    }
    kind, word = words[state]
    return kind, str(word)
