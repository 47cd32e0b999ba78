"""项目: the standards a district works by, and its rounds."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.wrappers import Response as BaseResponse

import competencies
from competencies import ProgrammeState, Rules
from lms_plugin.access import Permission, Scope, can
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import crosswalk, curate, curate_views, framework_changes
from lms_plugin.web import (
    category_form,
    formats,
    framework_words,
    messages,
    programme_form,
    programme_words,
    province_words,
    references,
    rounds,
)
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
    may_leave = can(actor(), Permission.TENANT_LEAVE, Scope(actor().tenant_id))
    view = curate_views.home(db(), actor())
    return render_template("curate/home.html", view=view, state_word=state_word, may_leave=may_leave)


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
    return render_template(
        "curate/framework.html",
        view=view,
        waiting=waiting,
        current=current,
        links=crosswalk.of_point(db(), actor(), version, current.code),
        kind_word=framework_words.kind_word,
        forms=references.forms(),
    )


@blueprint.get("/curate/frameworks/<version>/changes")
def changes(version: str) -> str:
    """What changed since another edition: points, evidence, criteria."""
    view = framework_changes.changes(db(), actor(), version, request.args.get("since", ""))
    sorts = [point.sort for point in view.points]
    return render_template(
        "curate/changes.html",
        view=view,
        counts={sort: sorts.count(sort) for sort in ("added", "dropped", "changed")},
        field_word=lambda field: framework_words.field_word(field, view.levels),
        thing_word=framework_words.thing_word,
        value_words=framework_words.value_words,
    )


@blueprint.post("/curate/frameworks/<version>/confirm")
def confirm(version: str) -> BaseResponse:
    """One point (or those ticked) is vouched for; the next one opens."""
    codes, seen = request.form.getlist("point")[:500], request.form.get("seen", "")
    curate.confirm_points(db(), actor(), version, codes, edge().now, seen)
    return redirect(url_for("curate.framework", version=version), 303)


@blueprint.post("/curate/frameworks/<version>/publish")
def publish(version: str) -> BaseResponse:
    """Makes a confirmed draft the district's standard."""
    curate.publish_version(db(), actor(), version, edge().now, request.form.get("seen", ""))
    return redirect(url_for("curate.home"), 303)


@blueprint.route("/curate/programmes/new", methods=["GET", "POST"])
def new() -> BaseResponse | tuple[str, int]:
    """A new round, with every rule at its default or as another round has it (`like`)."""
    if request.method == "GET":
        today, like = local_day(edge().now), request.args.get("like", "")
        if not like:
            code = request.args.get("settings", "")
            rules = competencies.provinces.load(code).rules() if code else Rules.begun()
            return _form(programme_form.first_values(today, rules), {}, None, rules)
        model = curate_views.programme(db(), actor(), like, edge().now)
        return _form(programme_form.values_like(model, today), {}, None, model.rules, like=model.title)
    values = programme_form.typed_values(request.form)
    try:
        made = curate.create_programme(db(), actor(), programme_form.parse(values), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _form(values, messages.field_errors(invalid), None, None)
    return redirect(url_for("curate.programme", programme=made.uuid), 303)


@blueprint.get("/curate/programmes/<programme>")
def programme(programme: str) -> str:
    """A round: what its rules mean for teachers, its courses, opening and closing."""
    view = curate_views.programme(db(), actor(), programme, edge().now, with_events=True)
    return render_template(
        "curate/programme.html",
        view=view,
        words=programme_words.teacher_words(view),
        kind=category_form.kind_word(view.rules),
        state=("note", _("已归档")) if view.is_archived else state_word(view.state),
        event_word=rounds.event_word,
        basis=province_words.basis(view.rules),
        unlike=messages.sentence(*view.unlike_paper) if view.unlike_paper else "",
    )


@blueprint.route("/curate/programmes/<programme>/edit", methods=["GET", "POST"])
def edit(programme: str) -> BaseResponse | tuple[str, int]:
    """Changes a round; changed rules are a new rule version."""
    view = curate_views.programme(db(), actor(), programme, edge().now)
    if request.method == "GET":
        return _form(programme_form.values_of(view), {}, view, view.rules)
    values = programme_form.typed_values(request.form)
    seen = whole(request.form.get("version"), 0, least=0)
    try:
        form = programme_form.parse(values)
        try:
            curate.edit_programme(db(), actor(), programme, form, seen, edge().now)
        except (Conflict, StaleDataError) as clash:
            if isinstance(clash, Conflict) and clash.code != "programme.changed":
                raise
            return _both(values, form, programme)
    except Invalid as invalid:
        db().rollback()
        return _form(values, messages.field_errors(invalid), view, None, seen)
    wake_worker()
    return redirect(url_for("curate.programme", programme=programme), 303)


def _both(values: dict[str, Any], form: curate.ProgrammeForm, programme: str) -> BaseResponse | tuple[str, int]:
    """Somebody else saved meanwhile: the form comes back as it was typed, and says what stands now where that differs.
    Nothing is to be done where both typed the same."""
    db().rollback()
    view = curate_views.programme(db(), actor(), programme, edge().now)
    stands = programme_form.differing(form, view)
    if not stands:
        return redirect(url_for("curate.programme", programme=programme), 303)
    return _form(values, {}, view, form.rules, stands=stands)


@blueprint.post("/curate/programmes/<programme>/state")
def state(programme: str) -> BaseResponse:
    """Opens or closes a round."""
    try:
        wanted = ProgrammeState(request.form.get("state", ""))
    except ValueError:
        wanted = ProgrammeState.DRAFT
    curate.set_state(db(), actor(), programme, wanted, edge().now)
    return redirect(url_for("curate.programme", programme=programme), 303)


def _form(
    values: dict[str, Any],
    errors: dict[str, str],
    view: curate_views.ProgrammeView | None,
    rules: Rules | None,
    seen: int | None = None,
    stands: Mapping[str, str] | None = None,
    like: str = "",
) -> tuple[str, int]:
    """The form. `rules`: what stands in it, as rules; None where it makes none. `seen`: the version it was made from,
    if not the newest; `stands`: what somebody else has saved; `like`: the title of the round whose
    rules it was filled with."""
    choices = curate_views.form_choices(db(), actor())
    units = [(uuid, "　" * depth + name) for uuid, name, depth in choices.units]
    if stands:
        names = {"unit": dict(units), **{key: dict(words) for key, words in programme_form.choice_words().items()}}
        names["framework_version"] = {one.uuid: _framework_name(one) for one in choices.versions}
        errors = {
            key: _("现在存的是：%(value)s", value=names.get(key, {}).get(value, value).strip() or _("（空）"))
            for key, value in stands.items()
        }
    opened = {part for part, fields in programme_form.PARTS.items() if any(name in errors for name in fields)}
    if view is not None and view.unlike_paper is not None:
        opened.add("choice")
    begun = str(values["settings"]) if view is None else ""
    page = render_template(
        "curate/form.html",
        values=values,
        errors=errors,
        is_clash=bool(stands),
        version=view.version if view is not None and seen is None else seen,
        view=view,
        like=like,
        provinces=province_words.options(),
        basis=province_words.basis(competencies.provinces.load(begun).rules())
        if begun in competencies.provinces.ORDER
        else None,
        versions=choices.versions,
        units=units,
        options=programme_form.choice_words(),
        categories=category_form.category_words(),
        words=programme_words.form_words(rules) if rules is not None else {},
        opened=opened,
    )
    return page, 409 if stands else 422 if errors else 200


def _framework_name(version: curate_views.VersionLine) -> str:
    return f"{formats.told(version.title)} · {_('第 %(number)s 版', number=version.number)}"
