"""请评审员看看: where reviewers and authors say it, the trainer's list, and the page on which one is settled."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import flags
from lms_plugin.web import marks, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("flags", __name__)


def kind_word(kind: str) -> str:
    """Why somebody asks a trainer to look, in words."""
    words = {
        "copied": _("疑似抄袭"),
        "unfit": _("不当内容"),
        "leak": _("泄露学生信息"),
        "unopenable": _("打不开"),
        "rude": _("话说得不合适"),
        "empty": _("没有说到点上"),
        "other": _("其他"),
    }
    return str(words[kind])


@blueprint.get("/cases/flags")
def home() -> str:
    """The trainer's list."""
    page = whole(request.args.get("page"), 1)
    lines, total = flags.for_desk(db(), actor(), page)
    return render_template(
        "flags/list.html",
        lines=lines,
        total=total,
        waiting=flags.count_open(db(), actor()),
        kind_word=kind_word,
        page=page,
        pages=pages(total, flags.SIZE),
        address=url_for("flags.home"),
    )


def _said() -> flags.Said:
    typed = request.form.get
    return flags.Said(typed("kind", ""), marks.plain(typed("words", "")), typed("about", "")[:200])


def _form(view: flags.Own, said: flags.Said | None, errors: dict[str, str], **more: Any) -> tuple[str, int]:
    open_one = view.flag if view.flag is not None and view.flag.settled_at is None else None
    typed = said or (flags.Said(open_one.kind, open_one.words) if open_one is not None else flags.Said("", ""))
    page = render_template(
        "flags/say.html",
        view=view,
        typed=typed,
        errors=errors,
        kinds=[(kind, kind_word(kind)) for kind in view.kinds],
        kind_word=kind_word,
        is_open=open_one is not None,
        **more,
    )
    return page, 422 if errors else 200


@blueprint.route("/reviews/<review>/flag", methods=["GET", "POST"])
def by_reviewer(review: str) -> BaseResponse | tuple[str, int]:
    """A reviewer asks a trainer to look at the work."""
    said, errors = None, {}
    if request.method == "POST":
        said = _said()
        try:
            flags.flag_work(db(), actor(), review, said, edge().now)
            return redirect(url_for("flags.by_reviewer", review=review), 303)
        except Invalid as error:
            db().rollback()
            errors = messages.field_errors(error)
    view = flags.of_review(db(), actor(), review)
    back = url_for("review.page", uuid=review)
    return _form(view, said, errors, back=back, here=url_for("flags.by_reviewer", review=review))


@blueprint.route("/submissions/<submission>/flag", methods=["GET", "POST"])
def by_author(submission: str) -> BaseResponse | tuple[str, int]:
    """An author asks a trainer to look at what was said of their work."""
    said, errors = None, {}
    if request.method == "POST":
        said = _said()
        try:
            flags.flag_reason(db(), actor(), submission, said, edge().now)
            return redirect(url_for("flags.by_author", submission=submission), 303)
        except Invalid as error:
            db().rollback()
            errors = messages.field_errors(error)
    view = flags.of_author(db(), actor(), submission)
    back = url_for("submit.result", submission=submission)
    return _form(view, said, errors, back=back, here=url_for("flags.by_author", submission=submission))


@blueprint.route("/flags/<flag>", methods=["GET", "POST"])
def settle(flag: str) -> BaseResponse | tuple[str, int]:
    """A trainer says what they found."""
    typed, errors = marks.plain(request.form.get("answer", "")), {}
    if request.method == "POST":
        try:
            flags.settle(db(), actor(), flag, typed, edge().now)
            return redirect(url_for("flags.home"), 303)
        except Invalid as error:
            db().rollback()
            errors = messages.field_errors(error)
    view = flags.one(db(), actor(), flag)
    page = render_template("flags/settle.html", view=view, typed=typed, errors=errors, kind_word=kind_word)
    return page, 422 if errors else 200
