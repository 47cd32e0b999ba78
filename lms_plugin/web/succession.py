"""新旧对照 of two versions of a standard, and 换用新版: a round goes over to the later one."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import moving, succession
from lms_plugin.web import clashes, messages
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("succession", __name__)

GONE = "-"
"""What the form sends for a point that is no more; "" is: not decided."""


@blueprint.route("/curate/frameworks/<version>/succession", methods=["GET", "POST"])
def page(version: str) -> BaseResponse | tuple[str, int]:
    """What became of each point of the version before."""
    view = succession.succession(db(), actor(), version, request.args.get("since", ""))
    if request.method == "GET":
        return _page(view, {point.code: _value(point) for point in view.points}, {})
    typed = {point.code: str(request.form.get(f"p.{point.code}", ""))[:40] for point in view.points}
    decided = {code: "" if to == GONE else to for code, to in typed.items() if to}
    seen = whole(request.form.get("version"), 0, least=0)
    now, since = edge().now, view.since_uuid
    try:
        is_clash = clashes.is_clash(
            "succession.changed",
            lambda: succession.decide(db(), actor(), version, since, decided, seen, now),
        )
    except Invalid as invalid:
        db().rollback()
        return _page(view, typed, messages.field_errors(invalid))
    if is_clash:
        view = succession.succession(db(), actor(), version, view.since_uuid)
        stands = {
            f"p.{point.code}": _("现在存的是：%(value)s", value=_words(point.becomes))
            for point in view.points
            if not point.is_same and _value(point) != typed.get(point.code, "")
        }
        return _page(view, typed, stands, is_clash=True)
    return redirect(url_for("succession.page", version=version, since=view.since_uuid, kept=1), 303)


def _value(point: succession.OldPoint) -> str:
    """As the form sends it."""
    return GONE if point.becomes == "" else point.becomes or ""


def _words(becomes: str | None) -> str:
    if becomes is None:
        return _("还没有决定")
    return becomes or _("新版没有了")


def _page(
    view: succession.Succession, values: dict[str, str], errors: dict[str, str], *, is_clash: bool = False
) -> tuple[str, int]:
    shown = render_template(
        "succession/page.html", view=view, values=values, errors=errors, is_clash=is_clash, gone=GONE
    )
    return shown, 409 if is_clash else 422 if errors else 200


@blueprint.route("/curate/programmes/<programme>/move", methods=["GET", "POST"])
def move(programme: str) -> BaseResponse | tuple[str, int]:
    """What going over to a later version would do, in numbers; the button does it."""
    to = str(request.values.get("to", ""))
    is_clash = False
    if request.method == "POST":
        seen = whole(request.form.get("version"), 0, least=0)
        now = edge().now
        is_clash = clashes.is_clash("programme.changed", lambda: moving.move(db(), actor(), programme, to, seen, now))
        if not is_clash:
            wake_worker()
            return redirect(url_for("curate.programme", programme=programme), 303)
    view = moving.preview(db(), actor(), programme, to, edge().now)
    refusal = ""
    if view.refusal is not None:
        code, params = view.refusal
        why = messages.sentence(str(params["why"]), params["given"]) if "why" in params else ""
        refusal = messages.sentence(code, {**params, "why": why})
    shown = render_template("succession/move.html", view=view, refusal=refusal, is_clash=is_clash)
    return shown, 409 if is_clash else 200
