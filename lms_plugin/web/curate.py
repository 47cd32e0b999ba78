"""项目: the standards a district works by, and its rounds."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from competencies import ProgrammeState
from lms_plugin.errors import Invalid
from lms_plugin.flow import curate, curate_views
from lms_plugin.web import messages, programme_form
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole
from lms_plugin.web.oversee import local_day

blueprint = Blueprint("curate", __name__)


def state_word(state: str) -> tuple[str, str]:
    """(kind, word) of a round's state."""
    words = {"draft": ("note", _("准备中")), "open": ("good", _("进行中")), "closed": ("stop", _("已关闭"))}
    return words[state]


@blueprint.get("/curate")
def home() -> str:
    """Frameworks and rounds of the district."""
    return render_template("curate/home.html", view=curate_views.home(db(), actor()), state_word=state_word)


@blueprint.post("/curate/packs/<name>")
def load_pack(name: str) -> BaseResponse:
    """Loads a shipped standard as a draft."""
    version = curate.load_pack(db(), actor(), name, edge().now)
    return redirect(url_for("curate.framework", version=version.uuid), 303)


@blueprint.get("/curate/frameworks/<version>")
def framework(version: str) -> str:
    """A standard, line by line with its sources; a draft is confirmed here."""
    view = curate_views.framework(db(), actor(), version)
    waiting = [point for point in view.points if not point.is_confirmed]
    asked = request.args.get("point", "")
    current = next((point for point in view.points if point.code == asked), None)
    if current is None:
        current = waiting[0] if waiting else view.points[0]
    return render_template("curate/framework.html", view=view, waiting=waiting, current=current, kind_word=kind_word)


def kind_word(kind: str) -> str:
    """What sort of thing is handed in."""
    words = {
        "document": _("文档"),
        "text": _("文字"),
        "image": _("图片"),
        "video": _("视频"),
        "audio": _("音频"),
        "link": _("网址"),
    }
    return str(words.get(kind, kind))


@blueprint.post("/curate/frameworks/<version>/confirm")
def confirm(version: str) -> BaseResponse:
    """One point (or those ticked) is vouched for; the next one opens."""
    curate.confirm_points(db(), actor(), version, request.form.getlist("point")[:500], edge().now)
    return redirect(url_for("curate.framework", version=version), 303)


@blueprint.post("/curate/frameworks/<version>/publish")
def publish(version: str) -> BaseResponse:
    """Makes a confirmed draft the district's standard."""
    curate.publish_version(db(), actor(), version, edge().now)
    return redirect(url_for("curate.home"), 303)


@blueprint.route("/curate/programmes/new", methods=["GET", "POST"])
def new() -> BaseResponse | tuple[str, int]:
    """A new round."""
    if request.method == "GET":
        return _form(programme_form.first_values(local_day(edge().now)), {}, None)
    values = programme_form.typed_values(request.form)
    try:
        made = curate.create_programme(db(), actor(), programme_form.parse(values), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _form(values, messages.field_errors(invalid), None)
    return redirect(url_for("curate.programme", programme=made.uuid), 303)


@blueprint.get("/curate/programmes/<programme>")
def programme(programme: str) -> str:
    """A round: what its rules mean for teachers, its courses, opening and closing."""
    view = curate_views.programme(db(), actor(), programme)
    return render_template(
        "curate/programme.html",
        view=view,
        words=programme_form.teacher_words(view),
        state=state_word(view.state),
    )


@blueprint.route("/curate/programmes/<programme>/edit", methods=["GET", "POST"])
def edit(programme: str) -> BaseResponse | tuple[str, int]:
    """Changes a round; changed rules are a new rule version."""
    view = curate_views.programme(db(), actor(), programme)
    if request.method == "GET":
        return _form(programme_form.values_of(view), {}, view)
    values = programme_form.typed_values(request.form)
    seen = whole(request.form.get("version"), 0, least=0)
    try:
        curate.edit_programme(db(), actor(), programme, programme_form.parse(values), seen, edge().now)
    except Invalid as invalid:
        db().rollback()
        return _form(values, messages.field_errors(invalid), view)
    wake_worker()
    return redirect(url_for("curate.programme", programme=programme), 303)


@blueprint.post("/curate/programmes/<programme>/state")
def state(programme: str) -> BaseResponse:
    """Opens or closes a round."""
    try:
        wanted = ProgrammeState(request.form.get("state", ""))
    except ValueError:
        wanted = ProgrammeState.DRAFT
    curate.set_state(db(), actor(), programme, wanted, edge().now)
    return redirect(url_for("curate.programme", programme=programme), 303)


def _form(values: dict[str, Any], errors: dict[str, str], view: curate_views.ProgrammeView | None) -> tuple[str, int]:
    choices = curate_views.form_choices(db(), actor())
    page = render_template(
        "curate/form.html",
        values=values,
        errors=errors,
        view=view,
        versions=choices.versions,
        units=[(uuid, "　" * depth + name) for uuid, name, depth in choices.units],
        options=programme_form.choice_words(),
    )
    return page, 422 if errors else 200
