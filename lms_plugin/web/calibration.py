"""校准: a reviewer's practice and what it came to; the trainer's page of examples."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import calibration, calibration_desk
from lms_plugin.web import marks, messages, programme_form
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _

blueprint = Blueprint("calibration", __name__)

LONGEST = 1000


def above_words(above: int, *, is_validity: bool) -> str:
    """How one's own mark lies beside the agreed one. Within one level is agreement."""
    if above == 0:
        return _("和参考一致")
    if is_validity:
        return _("和参考不同：请看理由")
    words = {
        1: _("高一级，算一致"),
        -1: _("低一级，算一致"),
        2: _("高两级：请看理由"),
        -2: _("低两级：请看理由"),
    }
    return words[max(-2, min(2, above))]


@blueprint.get("/reviews/training")
def training() -> str:
    """How to review, one's own practice, and what examples came to."""
    found = calibration.mine(db(), actor())
    return render_template(
        "calibration/training.html",
        waiting=[one for one in found if not one.is_done],
        done=[one for one in found if one.is_done],
        is_first="first" in request.args,
    )


@blueprint.get("/reviews/<uuid>/feedback")
def feedback(uuid: str) -> str:
    """One example that was handed in, criterion by criterion."""
    view = calibration.feedback(db(), actor(), uuid)
    return render_template(
        "calibration/feedback.html",
        view=view,
        level_word=lambda level, is_validity: marks.level_word(level, is_validity, view.level_words),
        above_words=above_words,
    )


@blueprint.get("/calibration/<programme>")
def desk(programme: str) -> str:
    """The examples of a round, and how reviewers did."""
    view = calibration_desk.page(db(), actor(), programme)
    modes = dict(programme_form.choice_words()["calibration"])
    return render_template("calibration/desk.html", view=view, mode=modes[view.mode], point_word=marks.point_word)


@blueprint.route("/calibration/<programme>/new/<submission>", methods=["GET", "POST"])
def new(programme: str, submission: str) -> BaseResponse | tuple[str, int]:
    """An example of a settled work."""
    if request.method == "GET":
        return _form(calibration_desk.form(db(), actor(), programme, submission), {}, 200)
    drafts, consent = marks.drafts_of(request.form), str(request.form.get("consent", ""))[:LONGEST]
    try:
        calibration_desk.make(db(), actor(), programme, submission, drafts, consent, edge().now)
    except Invalid as error:
        db().rollback()
        view = calibration_desk.form(db(), actor(), programme, submission, drafts, consent)
        return _form(view, messages.field_errors(error), error.status)
    return redirect(url_for("calibration.desk", programme=programme), 303)


def _form(view: calibration_desk.Form, errors: dict[str, str], status: int) -> tuple[str, int]:
    page = render_template(
        "calibration/form.html",
        view=view,
        errors=errors,
        choices=lambda line: marks.choices(line, view.level_words, with_words=marks.FOR_ALL),
    )
    return page, status


@blueprint.post("/calibration/items/<uuid>/end")
def end(uuid: str) -> BaseResponse:
    """Takes an example out."""
    return redirect(url_for("calibration.desk", programme=calibration_desk.end(db(), actor(), uuid, edge().now)), 303)
