"""学校: names and declared environments, school by school and for all at once."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid
from lms_plugin.flow import schools, units
from lms_plugin.web import messages
from lms_plugin.web.category_form import part_word
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("schools", __name__)


def environment_word(codes: str) -> str:
    """Declared environments (codes, a blank between) in the page's language."""
    return _("、").join(part_word(code) for code in codes.split() if code in units.ENVIRONMENTS) or _("没有申报")


def ticked() -> str:
    """The environments that a form ticked, as they are kept."""
    return " ".join(request.form.getlist("environment"))[:100]


def choices() -> list[tuple[str, str]]:
    """The environments as a form offers them."""
    return [(code, environment_word(code)) for code in units.ENVIRONMENTS]


@blueprint.route("/schools", methods=["GET", "POST"])
def home() -> BaseResponse | tuple[str, int]:
    """The schools within reach; one environment for all of them, or for those that have none."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            wanted, also_declared = ticked(), request.form.get("all") == "1"
            changed = schools.declare_all(db(), actor(), wanted, edge().now, also_declared=also_declared)
            return redirect(url_for("schools.home", changed=changed), 303)
        except Invalid as invalid:
            errors = messages.field_errors(invalid)
    query, number = request.args.get("q", "").strip()[:50], whole(request.args.get("page"), 1)
    view = schools.page(db(), actor(), query, number)
    page = render_template(
        "schools/home.html",
        view=view,
        query=query,
        page=number,
        pages=pages(view.total),
        errors=errors,
        typed=ticked(),
        changed=whole(request.args.get("changed"), 0, least=0) if "changed" in request.args else None,
        choices=choices(),
        environment_word=environment_word,
        address=lambda there: url_for("schools.home", q=query or None, page=there),
    )
    return page, 422 if errors else 200


@blueprint.route("/schools/<unit>", methods=["GET", "POST"])
def one(unit: str) -> BaseResponse | tuple[str, int]:
    """One school: its name and its environment."""
    errors: dict[str, str] = {}
    found = schools.school(db(), actor(), unit)
    known = found.name
    name, environment = found.name, found.environment
    if request.method == "POST":
        name, environment = request.form.get("name", "")[:500], ticked()
        try:
            schools.change(db(), actor(), unit, name, environment, edge().now)
            return redirect(url_for("schools.home"), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    page = render_template(
        "schools/one.html",
        uuid=unit,
        known=known,
        name=name,
        environment=environment,
        errors=errors,
        choices=choices(),
    )
    return page, 422 if errors else 200
