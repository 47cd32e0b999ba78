"""名单 and 网络研修学时: sheets that an officer sends. Checked first; a second button takes them in."""

from collections.abc import Callable
from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import categories, exemptions, import_reversals, online_hours, roster, roster_list, sheets
from lms_plugin.flow.imports import Tray
from lms_plugin.people import Stage
from lms_plugin.web import messages
from lms_plugin.web.category_form import category_words
from lms_plugin.web.downloads import workbook
from lms_plugin.web.edge import actor, db, edge, parts, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.people import stage_word
from lms_plugin.web.schools import choices as environments
from lms_plugin.web.schools import environment_word, ticked

blueprint = Blueprint("roster", __name__)

ROSTER, HOURS = "roster", "hours:"
SHOWN = 200  # problems of one file that a page lists


def tray() -> Tray:
    """Where files wait between check and word."""
    return Tray(parts().settings.data_dir / "imports")


def sent_file() -> tuple[str, bytes]:
    """(name, bytes) of the file of a form. Raises Refused `sheet.none_chosen` or `sheet.too_large`."""
    given = request.files.get("file")
    if given is None or not given.filename:
        raise Refused("sheet.none_chosen")
    data = given.stream.read(sheets.MOST_BYTES + 1)
    if len(data) > sheets.MOST_BYTES:
        raise Refused("sheet.too_large", most=sheets.MOST_BYTES // 1024 // 1024)
    return given.filename, data


def received(
    purpose: str, check: Callable[[bytes], object], *, codes: tuple[str, ...] = ("sheet.",)
) -> tuple[str, str]:
    """(token of the form's file, "") once it was checked, or ("", what is wrong with it as a whole). What is no fault
    of the file (a code that begins otherwise) rises."""
    try:
        filename, data = sent_file()
        check(data)
        return tray().keep(actor(), purpose, filename, data, edge().now), ""
    except Refused as refused:
        if not refused.code.startswith(codes):
            raise
        return "", messages.sentence(refused.code, refused.params)


def problem_words(problem: sheets.Problem) -> str:
    """What is wrong in a cell, in the page's language."""
    return messages.sentence(problem.code, dict(problem.params))


@blueprint.route("/roster", methods=["GET", "POST"])
def home() -> BaseResponse | tuple[str, int]:
    """The list, the search, and where a new sheet is sent."""
    error = ""
    if request.method == "POST":
        token, error = received(ROSTER, lambda data: roster.check(db(), actor(), data))
        if token:
            return redirect(url_for("roster.checked", token=token), 303)
    query, number = request.args.get("q", "").strip()[:50], whole(request.args.get("page"), 1)
    lines, total, standing = roster_list.page(db(), actor(), query, number)
    page = render_template(
        "roster/home.html",
        lines=lines,
        total=total,
        standing=standing,
        query=query,
        page=number,
        pages=pages(total),
        error=error,
        done={key: whole(request.args.get(key), 0, least=0) for key in ("new", "changed", "same", "matched")}
        if "new" in request.args
        else None,
        stage_word=stage_word,
        categories=category_words(),
        address=lambda there: url_for("roster.home", q=query or None, page=there),
    )
    return page, 422 if error else 200


@blueprint.get("/roster/template")
def template() -> BaseResponse:
    """An empty sheet with the columns; 学段 and 类别 drop down."""
    stages = tuple(stage_word(stage) for stage in Stage)
    columns = [
        sheets.Column(_("姓名"), 14),
        sheets.Column(_("学校"), 28),
        sheets.Column(_("工号"), 16),
        sheets.Column(_("学段"), 12, choices=stages),
        sheets.Column(_("学科"), 14),
        sheets.Column(_("类别"), 14, choices=tuple(category_words().values())),
    ]
    roster_list.may_import(db(), actor())
    return workbook(_("应参训名单模板"), [sheets.Page(_("名单"), columns, (), empty_rows=2000)])


@blueprint.route("/roster/checked/<token>", methods=["GET", "POST"])
def checked(token: str) -> BaseResponse | tuple[str, int]:
    """What the file would do; the second button does it."""
    kept = tray().open(actor(), ROSTER, token, edge().now)
    errors: dict[str, str] = {}
    under, environment = request.form.get("under", ""), request.form.get("environment", "")
    if request.method == "POST":
        try:
            done = roster.commit(
                db(),
                actor(),
                kept.data,
                new_schools_under=under if request.form.get("new_schools") == "1" else "",
                accept_renames=request.form.get("renames") == "1",
                other_people=request.form.getlist("other"),
                environment=environment,
                now=edge().now,
            )
            counts = {"new": done.new, "changed": done.changed, "same": done.same, "matched": done.matched}
            return redirect(url_for("roster.home", **counts), 303)  # type: ignore[arg-type]
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    found = roster.check(db(), actor(), kept.data)
    page = render_template(
        "roster/checked.html",
        check=found,
        filename=kept.filename,
        token=token,
        shown=found.problems[:SHOWN],
        problem_words=problem_words,
        parents=roster.parents(db(), actor()),
        under=under,
        environments=[("", _("以后再填")), *environments()],
        environment=environment,
        ticked={key: request.form.get(key) == "1" for key in ("new_schools", "renames")},
        others=request.form.getlist("other"),
        errors=errors,
    )
    return page, 422 if errors else 200


@blueprint.get("/roster/entry/<entry>")
def entry(entry: str) -> str:
    """One teacher of the roster: on or off it, 免训 in each programme."""
    return _entry_page(entry, {}, "", "")


@blueprint.post("/roster/entry/<entry>/about")
def about(entry: str) -> BaseResponse | tuple[str, int]:
    """类别 of one teacher, and environments that hold for them alone."""
    category, environment = request.form.get("category", ""), ticked()
    try:
        roster_list.set_about(db(), actor(), entry, category, environment, edge().now)
    except Invalid as invalid:
        db().rollback()
        return _entry_page(entry, messages.field_errors(invalid), "", "", (category, environment)), 422
    wake_worker()
    return redirect(url_for("roster.entry", entry=entry), 303)


def _entry_page(
    uuid: str, errors: dict[str, str], programme: str, reason: str, said: tuple[str, str] | None = None
) -> str:
    row, unit, programmes = exemptions.exemptions_of(db(), actor(), uuid)
    return render_template(
        "roster/entry.html",
        entry=row,
        school=unit.name,
        programmes=[(one.uuid, one.title, why) for one, why in programmes],
        stage=stage_word(row.stage) if row.stage is not None else "",
        errors=errors,
        typed=(programme, reason),
        categories=list(category_words().items()),
        environments=environments(),
        said=said or (categories.said_of(row).value, row.environment),
        school_environment=environment_word(unit.environment),
    )


@blueprint.post("/roster/entry/<entry>/removed")
def removed(entry: str) -> BaseResponse:
    """Takes one teacher off the roster, or puts them back."""
    roster_list.set_removed(db(), actor(), entry, request.form.get("removed") == "1", edge().now)
    return redirect(url_for("roster.entry", entry=entry), 303)


@blueprint.post("/roster/entry/<entry>/exemption")
def exemption(entry: str) -> BaseResponse | tuple[str, int]:
    """免训 in one programme, with its reason; or no longer."""
    programme, reason = request.form.get("programme", ""), request.form.get("reason", "")
    try:
        if request.form.get("end") == "1":
            exemptions.end_exemption(db(), actor(), entry, programme)
        else:
            exemptions.exempt(db(), actor(), entry, programme, reason, edge().now)
    except Invalid as invalid:
        return _entry_page(entry, messages.field_errors(invalid), programme, reason[:2000]), 422
    return redirect(url_for("roster.entry", entry=entry), 303)


# --- 网络研修学时 ---


@blueprint.route("/hours/<programme>", methods=["GET", "POST"])
def hours(programme: str) -> BaseResponse | tuple[str, int]:
    """What has been imported for a programme, and where a new sheet is sent."""
    error = ""
    if request.method == "POST":
        check = partial(online_hours.check, db(), actor(), programme, now=edge().now)
        token, error = received(HOURS + programme, check)
        if token:
            return redirect(url_for("roster.hours_checked", programme=programme, token=token), 303)
    page = render_template(
        "roster/hours.html",
        view=online_hours.page(db(), actor(), programme),
        sheets=import_reversals.sheets_of(db(), actor(), programme),
        taken=whole(request.args.get("taken"), 0, least=0) if "taken" in request.args else None,
        added=whole(request.args.get("added"), 0, least=0) if "added" in request.args else None,
        error=error,
    )
    return page, 422 if error else 200


@blueprint.route("/hours/<programme>/sheets/<int:sheet>", methods=["GET", "POST"])
def hours_sheet(programme: str, sheet: int) -> BaseResponse | tuple[str, int]:
    """整批冲销: what taking a sheet back would do, then the reason and the button. A second click finds it done."""
    reason, errors = request.form.get("reason", ""), dict[str, str]()
    if request.method == "POST":
        try:
            taken = import_reversals.take_back(db(), actor(), programme, sheet, reason, edge().now)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
        else:
            wake_worker()
            return redirect(url_for("roster.hours", programme=programme, taken=taken), 303)
    view = import_reversals.preview(db(), actor(), programme, sheet)
    page = render_template("roster/hours_sheet.html", view=view, reason=reason[:2000], errors=errors)
    return page, 422 if errors else 200


@blueprint.get("/hours/<programme>/template")
def hours_template(programme: str) -> BaseResponse:
    """An empty sheet with the five columns of online hours."""
    view = online_hours.page(db(), actor(), programme)
    columns = [
        sheets.Column(_("工号"), 16),
        sheets.Column(_("姓名"), 14),
        sheets.Column(_("学时"), 10),
        sheets.Column(_("来源"), 28),
        sheets.Column(_("日期"), 14),
    ]
    name = _("网络研修学时模板") + "_" + view.programme_title
    return workbook(name, [sheets.Page(_("网络研修学时"), columns, (), empty_rows=2000)])


@blueprint.route("/hours/<programme>/checked/<token>", methods=["GET", "POST"])
def hours_checked(programme: str, token: str) -> BaseResponse | str:
    """What the file would add to the ledger; the second button adds it."""
    kept = tray().open(actor(), HOURS + programme, token, edge().now)
    if request.method == "POST":
        added = online_hours.commit(db(), actor(), programme, kept.data, edge().now)
        wake_worker()
        return redirect(url_for("roster.hours", programme=programme, added=added), 303)
    found = online_hours.check(db(), actor(), programme, kept.data, edge().now)
    return render_template(
        "roster/hours_checked.html",
        check=found,
        filename=kept.filename,
        token=token,
        shown=found.problems[:SHOWN],
        problem_words=problem_words,
    )
