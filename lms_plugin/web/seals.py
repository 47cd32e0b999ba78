"""用印: the picture of a unit's seal, what waits for it, and the log of its uses; for whoever was given it alone."""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import unit_seals
from lms_plugin.web import messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("seals", __name__)


def paper_words() -> dict[str, str]:
    """Kinds of papers (`paper_kinds.KINDS`)."""
    return {"certificates": _("学时证明"), "cycles": _("周期学时证明"), "statements": _("工作量证明")}


@blueprint.get("/seals")
def home() -> BaseResponse | str:
    """The units whose seals this person has; where it is one, that one."""
    found = unit_seals.units(db(), actor())
    if len(found) == 1:
        return redirect(url_for("seals.one", unit=found[0].uuid), 303)
    return render_template("certificates/seals.html", units=found)


@blueprint.route("/seals/<unit>", methods=["GET", "POST"])
def one(unit: str) -> BaseResponse | tuple[str, int]:
    """A unit's seal; another picture is sent here."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            if request.form.get("what") == "withdraw":
                unit_seals.withdraw(db(), actor(), unit, edge().now)
            else:
                unit_seals.put(db(), actor(), unit, sent(), edge().now)
            return redirect(url_for("seals.one", unit=unit), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    page = render_template(
        "certificates/seal.html",
        view=unit_seals.page(db(), actor(), unit),
        words=paper_words(),
        errors=errors,
        made=whole(request.args.get("made"), 0, least=0) if "made" in request.args else None,
        left=whole(request.args.get("left"), 0, least=0),
    )
    return page, 422 if errors else 200


def sent() -> bytes:
    """The bytes of the form's file. Raises Invalid at "file" for none, and for one that is too large."""
    given = request.files.get("file")
    if given is None or not given.filename:
        raise Invalid({"file": "sheet.none_chosen"})
    data = given.stream.read(unit_seals.MOST_BYTES + 1)
    if len(data) > unit_seals.MOST_BYTES:
        raise Invalid({"file": ("sheet.too_large", {"most": unit_seals.MOST_BYTES // 1024 // 1024})})
    return data


@blueprint.get("/seals/<unit>/picture")
def picture(unit: str) -> Response:
    """The picture itself."""
    return Response(unit_seals.picture(db(), actor(), unit), mimetype="image/png")


@blueprint.post("/seals/<unit>/<lot>")
def stamp(unit: str, lot: str) -> BaseResponse:
    """盖章: on all papers of a kind, of a programme or a cycle, that hold and carry none."""
    try:
        done = unit_seals.stamp(db(), actor(), unit, lot, request.form.get("kind", "certificates"), edge().now)
    except Refused as refused:
        if refused.code != "seal.none":
            raise
        return redirect(url_for("seals.one", unit=unit), 303)
    return redirect(url_for("seals.one", unit=unit, made=done.made, left=done.left), 303)
