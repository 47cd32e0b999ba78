"""市级抽查、省级抽查: the draws of a programme, and one draw with what was found."""

import secrets

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import upper_checks, upper_views
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _

blueprint = Blueprint("upper", __name__)


def tier_words() -> dict[str, str]:
    """Each tier's check, in words."""
    return {"city": _("市级抽查"), "province": _("省级抽查")}


@blueprint.get("/upper-checks/<programme>")
def home(programme: str) -> str:
    """The draws of a programme."""
    view = upper_views.page(db(), actor(), programme)
    return render_template("upper/home.html", view=view, tier_words=tier_words())


@blueprint.post("/upper-checks/<programme>")
def draw(programme: str) -> BaseResponse:
    """抽签."""
    made = upper_checks.draw(
        db(),
        actor(),
        programme,
        request.form.get("tier", ""),
        request.form.get("unit", ""),
        secrets.token_hex(16),
        edge().now,
    )
    return redirect(url_for("upper.one", check=made.uuid), 303)


@blueprint.get("/upper-check/<check>")
def one(check: str) -> str:
    """One draw."""
    return _one(check)


def _one(uuid: str, errors: dict[str, str] | None = None, about: str = "") -> str:
    return render_template(
        "upper/one.html",
        view=upper_views.check_page(db(), actor(), uuid),
        tier_words=tier_words(),
        errors=errors or {},
        about=about,
        typed=request.form.get("reason", ""),
    )


@blueprint.post("/upper-check/<check>/works/<submission>")
def find(check: str, submission: str) -> BaseResponse | tuple[str, int]:
    """What was found of one drawn work."""
    is_upheld, reason = request.form.get("finding") == "upheld", request.form.get("reason", "")
    try:
        upper_checks.check(db(), actor(), check, submission, is_upheld=is_upheld, reason=reason, now=edge().now)
        return redirect(url_for("upper.one", check=check, _anchor="drawn"), 303)
    except Invalid as invalid:
        db().rollback()
        return _one(check, messages.field_errors(invalid), submission), 422


@blueprint.post("/upper-check/<check>/end")
def end(check: str) -> BaseResponse:
    """Everything drawn was looked at."""
    upper_checks.end(db(), actor(), check, edge().now)
    return redirect(url_for("upper.one", check=check), 303)
