"""培训: the list, the plan, the names, the screen with the code, closing; and a teacher's own trainings."""

from datetime import timedelta
from functools import partial

from flask import Blueprint, Response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin import media
from lms_plugin.access import Permission, can, somewhere
from lms_plugin.db import writes
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import (
    attendance,
    plan_papers,
    sheets,
    sign_in,
    training_files,
    training_hours,
    training_import,
    trainings,
)
from lms_plugin.web import messages, training_form
from lms_plugin.web.downloads import workbook
from lms_plugin.web.edge import actor, commit, db, edge, parts, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole
from lms_plugin.web.roster import SHOWN, problem_words, received, tray
from lms_plugin.web.training_form import kind_words, state_word, way_word

blueprint = Blueprint("trainings", __name__)
TRAINING = "training:"
LONGEST_CODE = 20
SCREEN_PIXELS = 448


def secret() -> str:
    """What personal codes derive from."""
    return parts().settings.secret_key.get_secret_value()


@blueprint.get("/trainings")
def home() -> BaseResponse | str:
    """The trainings within reach; a teacher's own for who holds none."""
    if not can(actor(), Permission.TRAINING_READ, somewhere(actor())) or not actor().has(*trainings.READERS):
        return redirect(url_for("trainings.mine"), 303)
    number = whole(request.args.get("page"), 1)
    lines, total = trainings.lines(db(), actor(), number)
    return render_template(
        "trainings/home.html",
        lines=lines,
        total=total,
        page=number,
        pages=pages(total),
        may_hold=actor().has(*trainings.HOLDERS),
        takes_part=edge().takes_part,
        kinds=kind_words(),
        state_word=lambda line: state_word(line, edge().now),
        address=lambda there: url_for("trainings.home", page=there),
    )


@blueprint.get("/trainings/terms")
def terms() -> str:
    """How many trainings each school within reach has had this term."""
    here = edge()
    first, after = competencies.trainings.term_of(competencies.local_day(here.now, here.timezone))
    schools, wanted = trainings.terms(
        db(),
        actor(),
        competencies.start_of_day(first, here.timezone),
        competencies.start_of_day(after, here.timezone),
    )
    number = whole(request.args.get("page"), 1)
    return render_template(
        "trainings/terms.html",
        schools=schools[(number - 1) * 50 : number * 50],
        total=len(schools),
        short=sum(school.held < wanted for school in schools),
        wanted=wanted,
        first=first,
        last=after - timedelta(days=1),
        page=number,
        pages=pages(len(schools)),
        address=lambda there: url_for("trainings.terms", page=there),
    )


@blueprint.route("/trainings/new", methods=["GET", "POST"])
def new() -> BaseResponse | tuple[str, int]:
    """Plans a training."""
    units, programmes = trainings.choices(db(), actor())
    values, errors = training_form.first_values(units, programmes), dict[str, str]()
    if request.method == "POST":
        values = training_form.typed_values(request.form)
        try:
            said = training_form.parse(values, edge().timezone)
            made = trainings.plan(db(), actor(), said, edge().now)
            return redirect(url_for("trainings.page", training=made.uuid), 303)
        except Invalid as invalid:
            errors = messages.field_errors(invalid)
    return _form(units, programmes, values, errors, None)


@blueprint.route("/trainings/<training>/edit", methods=["GET", "POST"])
def edit(training: str) -> BaseResponse | tuple[str, int]:
    """Says a training otherwise, before it is closed."""
    row, unit, programme = trainings.as_planned(db(), actor(), training)
    units, programmes = trainings.choices(db(), actor())
    if programme.uuid not in dict(programmes):
        programmes.append((programme.uuid, programme.title))
    known, version, errors = row.title, row.version, dict[str, str]()
    values = training_form.values_of(row, unit.uuid, programme.uuid, edge().timezone)
    if request.method == "POST":
        values = training_form.typed_values(request.form)
        version = whole(request.form.get("version"), 0, least=0, most=2**31 - 1)
        try:
            said = training_form.parse(values, edge().timezone)
            trainings.change(db(), actor(), training, said, version, edge().now)
            return redirect(url_for("trainings.page", training=training), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    return _form(units, programmes, values, errors, (training, known, version))


def _form(
    units: list[tuple[str, str]],
    programmes: list[tuple[str, str]],
    values: dict[str, str],
    errors: dict[str, str],
    known: tuple[str, str, int] | None,
) -> tuple[str, int]:
    page = render_template(
        "trainings/form.html",
        units=units,
        programmes=programmes,
        values=values,
        errors=errors,
        known=known,
        kinds=list(kind_words().items()),
    )
    return page, 422 if errors else 200


@blueprint.get("/trainings/<training>")
def page(training: str) -> str:
    """One training: where it stands and what comes next."""
    return shown(training, {}, "")[0]


def shown(uuid: str, errors: dict[str, str], reason: str) -> tuple[str, int]:
    """The page, with what was refused of its forms."""
    view = trainings.view(db(), actor(), uuid, edge().now)
    minutes = view.training.minutes
    page = render_template(
        "trainings/page.html",
        view=view,
        training=view.training,
        state=state_word(view.training, edge().now),
        kind=kind_words()[view.training.kind.value],
        worth=competencies.trainings.worth(minutes, view.minutes_per_hour),
        errors=errors,
        reason=reason,
        booked=whole(request.args.get("booked"), 0, least=0) if "booked" in request.args else None,
        own=request.args.get("own") == "1",
        files=training_files.shown(db(), actor(), view.training),
        file_kinds=training_form.file_words(),
        takes_files=view.may_hold and view.training.state is not competencies.TrainingState.CANCELLED,
        accept=",".join(f".{ending}" for ending in training_files.ACCEPTED),
        most_mb=plan_papers.PAPER_MB,
    )
    return page, 422 if errors else 200


@blueprint.post("/trainings/<training>/cancel")
def cancel(training: str) -> BaseResponse | tuple[str, int]:
    """It is not held, with the reason."""
    reason = request.form.get("reason", "")
    try:
        trainings.cancel(db(), actor(), training, reason, edge().now)
    except Invalid as invalid:
        return shown(training, messages.field_errors(invalid), reason[:2000])
    return redirect(url_for("trainings.page", training=training), 303)


@blueprint.post("/trainings/<training>/close")
def close(training: str) -> BaseResponse:
    """It was held: hours are booked. Once more books who could not be booked before."""
    done = training_hours.close(db(), actor(), training, edge().now)
    wake_worker()
    booked, own = None if done.goes_on else done.people, "1" if done.own else None
    return redirect(url_for("trainings.page", training=training, booked=booked, own=own), 303)


@blueprint.route("/trainings/<training>/people", methods=["GET", "POST"])
def people(training: str) -> BaseResponse | tuple[str, int]:
    """Who was there: names to tick, and somebody from beyond the list."""
    errors: dict[str, str] = {}
    query, chosen = request.values.get("q", "").strip()[:50], request.values.get("show", "all")
    number = whole(request.values.get("page"), 1)
    if request.method == "POST":
        try:
            if request.form.get("act") == "add":
                number_typed, name = request.form.get("staff_number", "")[:64], request.form.get("name", "")[:100]
                done = int(attendance.add(db(), actor(), training, number_typed, name, edge().now))
            else:
                shown, ticked = request.form.getlist("shown")[:200], request.form.getlist("here")
                done = attendance.tick(db(), actor(), training, shown, ticked, edge().now)
            here = url_for(
                "trainings.people", training=training, q=query or None, show=chosen, page=number, changed=done
            )
            return redirect(here, 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    found = attendance.listed(db(), actor(), training, query, chosen, number)
    page = render_template(
        "trainings/people.html",
        view=found,
        training=found.training,
        is_closed=found.training.state is competencies.TrainingState.CLOSED,
        is_planned=found.training.state is competencies.TrainingState.PLANNED,
        query=query,
        chosen=chosen if chosen in attendance.FILTERS else "all",
        page=number,
        pages=pages(max(found.total, found.all_beside)),
        errors=errors,
        typed={key: request.form.get(key, "")[:100] for key in ("staff_number", "name")},
        changed=whole(request.args.get("changed"), 0, least=0) if "changed" in request.args else None,
        way_word=way_word,
        address=lambda there: url_for("trainings.people", training=training, q=query or None, show=chosen, page=there),
    )
    return page, 422 if errors else 200


@blueprint.route("/trainings/<training>/people/<attendance_id>", methods=["GET", "POST"])
def person(training: str, attendance_id: str) -> BaseResponse | tuple[str, int]:
    """One person at a training: minutes, or not there after all, with the reason; and the log."""
    errors, typed = dict[str, str](), dict[str, str]()
    if request.method == "POST":
        typed = {key: request.form.get(key, "")[:2000] for key in ("minutes", "reason")}
        is_here = request.form.get("here") != "0"
        try:
            minutes = training_form.minutes_of(typed["minutes"])
            attendance.correct(db(), actor(), training, attendance_id, minutes, is_here, typed["reason"], edge().now)
            wake_worker()
            return redirect(url_for("trainings.people", training=training, show="here"), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = attendance.one(db(), actor(), training, attendance_id)
    row, whole_length = view.attendance, view.training.minutes
    page = render_template(
        "trainings/person.html",
        view=view,
        training=view.training,
        is_here=row.removed_at is None,
        is_closed=view.training.state is competencies.TrainingState.CLOSED,
        minutes=typed.get("minutes", str(whole_length if row.minutes is None else row.minutes)),
        reason=typed.get("reason", ""),
        errors=errors,
        way_word=way_word,
    )
    return page, 422 if errors else 200


@blueprint.route("/trainings/<training>/import", methods=["GET", "POST"])
def bring_in(training: str) -> BaseResponse | tuple[str, int]:
    """Where a sheet with names and minutes is sent; it is checked first."""
    row, error = training_import.may_import(db(), actor(), training), ""
    if request.method == "POST":
        db().rollback()  # while a long sheet is read, others write
        check = partial(training_import.check, db(), actor(), training)
        token, error = received(TRAINING + training, check)
        if token:
            return redirect(url_for("trainings.checked", training=training, token=token), 303)
    page = render_template("trainings/import.html", training=row, error=error)
    return page, 422 if error else 200


@blueprint.get("/trainings/<training>/import/template")
def template(training: str) -> BaseResponse:
    """An empty sheet with the three columns."""
    row = training_import.may_import(db(), actor(), training)
    columns = [sheets.Column(_("工号"), 16), sheets.Column(_("姓名"), 14), sheets.Column(_("分钟"), 10)]
    return workbook(_("签到名单") + "_" + row.title, [sheets.Page(_("签到名单"), columns, (), empty_rows=2000)])


@blueprint.route("/trainings/<training>/import/<token>", methods=["GET", "POST"])
def checked(training: str, token: str) -> BaseResponse | str:
    """What the file would add to the list; the second button adds it."""
    row = training_import.may_import(db(), actor(), training)
    kept = tray().open(actor(), TRAINING + training, token, edge().now)
    if request.method == "POST":
        db().rollback()  # while a long sheet is read, others write
        found = training_import.check(db(), actor(), training, kept.data)
        db().rollback()
        added = training_import.take_in(writes(db()), actor(), training, found, edge().now)
        return redirect(url_for("trainings.people", training=training, show="here", changed=added), 303)
    found = training_import.check(db(), actor(), training, kept.data)
    return render_template(
        "trainings/checked.html",
        check=found,
        training=row,
        filename=kept.filename,
        token=token,
        shown=found.problems[:SHOWN],
        problem_words=problem_words,
    )


@blueprint.get("/trainings/<training>/screen")
def screen(training: str) -> Response:
    """The big screen: the code of this moment and its QR; the browser asks for the next one when it changes."""
    view = sign_in.screen(db(), actor(), training, edge().now)
    address = parts().settings.public_url + url_for("sign_in.page", training=training, code=view.code)
    qr = Markup(media.qr_svg(address, SCREEN_PIXELS))  # noqa: S704 - drawn by us of our own address
    shown = Response(render_template("trainings/screen.html", view=view, training=view.training, qr=qr))
    if view.takes_sign_ins:
        shown.headers["Refresh"] = str(view.seconds_left)
    return shown


# --- one's own ---


@blueprint.route("/trainings/mine", methods=["GET", "POST"])
def mine() -> BaseResponse | tuple[str, int]:
    """A teacher's own trainings, the field for the code, and their own code for phones."""
    error, status = "", 200
    if request.method == "POST":
        try:
            found = sign_in.by_code(db(), actor(), request.form.get("code", "")[:LONGEST_CODE], edge().now)
            if found is not None:
                return redirect(url_for("trainings.mine", signed=found.uuid), 303)
            error, status = messages.sentence("sign_in.code_wrong", {}), 422
        except Refused as refused:
            if not isinstance(refused, Conflict) and refused.code != "sign_in.too_many":
                raise
            error, status = messages.sentence(refused.code, refused.params), refused.status
        commit()  # a wrong code counts
    lines = sign_in.mine(db(), actor(), edge().now)
    page = render_template(
        "trainings/mine.html",
        lines=lines,
        opens=any(line.stand == "now" for line in lines),
        minutes=sum(line.minutes for line in lines if line.stand == "here"),
        error=error,
        is_signed="signed" in request.args,
        own_code=sign_in.personal_code(db(), actor(), secret()),
        kinds=kind_words(),
        way_word=way_word,
    )
    return page, status


@blueprint.post("/trainings/mine/code")
def renew() -> BaseResponse:
    """Another code of one's own."""
    sign_in.renew(db(), actor(), secret(), edge().now)
    return redirect(url_for("trainings.mine") + "#own-code", 303)
