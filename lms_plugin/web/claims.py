"""再领一份, and 不评这一份."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.db import find
from lms_plugin.errors import Invalid
from lms_plugin.flow import claims, declines
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _

blueprint = Blueprint("claims", __name__)


@blueprint.post("/reviews/claim/<programme>")
def claim(programme: str) -> BaseResponse:
    """再领一份评审: one more work, to be seen at once."""
    found = claims.claim(db(), actor(), programme, edge().now)
    return redirect(url_for("review.page", uuid=found.uuid), 303)


@blueprint.route("/reviews/<uuid>/decline", methods=["GET", "POST"])
def decline(uuid: str) -> BaseResponse | tuple[str, int]:
    """不评这一份: why, and what becomes of it."""
    why, words = request.form.get("why", ""), request.form.get("words", "")
    told, status = {}, 200
    if request.method == "POST":
        try:
            declines.decline(db(), actor(), uuid, why, words, edge().now)
            return redirect(url_for("review.mine"), 303)
        except Invalid as error:
            db().rollback()
            told, status = messages.field_errors(error), error.status
    view = declines.declining(db(), actor(), uuid)
    return render_template(
        "claims/decline.html", view=view, reasons=reasons(view.left), why=why, words=words, errors=told
    ), status


@blueprint.get("/reviews/declined/<programme>")
def declined(programme: str) -> str:
    """谁说明了不评，为什么: for who allots reviews."""
    row = find(db(), competencies.Programme, actor().tenant_id, programme)
    rows, total = declines.declined(db(), actor(), row)
    words = dict(reasons())
    return render_template("claims/declined.html", programme=row, rows=rows, total=total, reasons=words)


def reasons(left: int | None = None) -> list[tuple[str, str]]:
    """Why somebody does not review a work, in words; where `left` is 0, knowing the author alone."""
    words = [
        (declines.KNOWS, _("认识作者，或有利益关系（申请回避）")),
        ("subject", _("学科不合适，看不懂")),
        ("time", _("没有时间")),
        ("other", _("其他")),
    ]
    return words[:1] if left == 0 else words
