"""After the end of a round: 补训, 归档, and 经过 in words."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import cohorts, extensions, remarking, rounds
from lms_plugin.web import formats, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import ngettext
from lms_plugin.web.forms import whole
from lms_plugin.web.oversee import local_day

blueprint = Blueprint("rounds", __name__)

DAYS = ("submit_by_on", "review_by_on", "closes_on")


@blueprint.route("/curate/programmes/<programme>/make-up", methods=["GET", "POST"])
def make_up(programme: str) -> BaseResponse | tuple[str, int]:
    """Opens a round that is over again, for those who are not through."""
    if request.method == "GET":
        today = local_day(edge().now)
        days = {
            name: (today + timedelta(days=after)).isoformat() for name, after in zip(DAYS, (28, 35, 42), strict=True)
        }
        return _make_up_form(programme, {**days, "reason": ""}, {})
    typed = {name: str(request.form.get(name, "")).strip()[:500] for name in (*DAYS, "reason")}
    seen = whole(request.form.get("version"), 0, least=0)
    try:
        form = _parsed(typed)
        try:
            rounds.make_up(db(), actor(), programme, form, seen, edge().now)
        except StaleDataError as clash:
            raise Conflict("programme.changed") from clash
    except Invalid as invalid:
        db().rollback()
        return _make_up_form(programme, typed, messages.field_errors(invalid))
    return redirect(url_for("curate.programme", programme=programme), 303)


def _parsed(typed: dict[str, str]) -> rounds.MakeUpForm:
    days: dict[str, date] = {}
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    for name in DAYS:
        try:
            days[name] = date.fromisoformat(typed[name])
        except ValueError:
            wrong[name] = "form.date"
    if wrong:
        raise Invalid(wrong)
    return rounds.MakeUpForm(days["submit_by_on"], days["review_by_on"], days["closes_on"], typed["reason"])


def _make_up_form(programme: str, values: dict[str, str], errors: dict[str, str]) -> tuple[str, int]:
    view = rounds.ended(db(), actor(), programme, edge().now)
    page = render_template("rounds/make_up.html", view=view, values=values, errors=errors)
    return page, 422 if errors else 200


@blueprint.post("/curate/programmes/<programme>/archive")
def archive(programme: str) -> BaseResponse:
    """Puts a round away, or takes it out again."""
    act = rounds.restore if request.form.get("back") == "1" else rounds.archive
    act(db(), actor(), programme, edge().now)
    return redirect(url_for("curate.programme", programme=programme), 303)


@blueprint.route("/curate/programmes/<programme>/extensions", methods=["GET", "POST"])
def extended(programme: str) -> BaseResponse | tuple[str, int]:
    """Who may hand in later than the others, and the form for one more."""
    typed = {"unit": "", "staff_number": "", "until_on": "", "reason": ""}
    errors: dict[str, str] = {}
    if request.method == "POST":
        typed = {name: str(request.form.get(name, "")).strip()[:500] for name in typed}
        try:
            try:
                until = date.fromisoformat(typed["until_on"])
            except ValueError as error:
                raise Invalid({"until_on": "form.date"}) from error
            form = extensions.ExtensionForm(typed["unit"], typed["staff_number"], until, typed["reason"])
            extensions.grant(db(), actor(), programme, form, edge().now)
            return redirect(url_for("rounds.extended", programme=programme), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = extensions.page(db(), actor(), programme, edge().now)
    units = [(uuid, "　" * depth + name) for uuid, name, depth in view.units]
    page = render_template("rounds/extensions.html", view=view, units=units, values=typed, errors=errors)
    return page, 422 if errors else 200


@blueprint.post("/curate/programmes/<programme>/extensions/<extension>/end")
def end_extension(programme: str, extension: str) -> BaseResponse:
    """Takes an extension back."""
    extensions.end(db(), actor(), programme, extension, edge().now)
    return redirect(url_for("rounds.extended", programme=programme), 303)


@blueprint.route("/curate/programmes/<programme>/cohorts", methods=["GET", "POST"])
def called(programme: str) -> BaseResponse | tuple[str, int]:
    """分批: how the shares fell on the schools; a year for everybody who has none, or for one teacher."""
    typed, errors = {"staff_number": "", "year": ""}, dict[str, str]()
    if request.method == "POST":
        typed = {name: str(request.form.get(name, "")).strip()[:100] for name in typed}
        try:
            if request.form.get("one") == "1":
                year = whole(typed["year"], 0, least=0)
                cohorts.place_one(db(), actor(), programme, typed["staff_number"], year, edge().now)
            else:
                cohorts.place_all(db(), actor(), programme, edge().now)
            return redirect(url_for("rounds.called", programme=programme), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = cohorts.page(db(), actor(), programme)
    page = render_template("rounds/cohorts.html", view=view, values=typed, errors=errors)
    return page, 422 if errors else 200


def event_word(line: rounds.EventLine) -> str:
    """One line of 经过 as a sentence."""
    number, until = line.details.get("number", 1), line.details.get("until")
    given = {"who": line.details.get("to", ""), "day": formats.dated(date.fromisoformat(until)) if until else ""}
    if line.kind == competencies.succession.MOVED:
        return _(
            "标准换用：%(title)s · 第 %(number)s 版。%(moves)s 个选点跟着走，%(stays)s 个留在原来那一版，"
            "%(people)s 人要另选",
            title=formats.told(line.details["after_title"]),
            number=line.details["after_number"],
            **{name: line.details[name] for name in ("moves", "stays", "people")},
        )
    if line.kind == remarking.REMARKED:
        return _(
            "已交未定的 %(works)s 份改按第 %(number)s 版评：%(again)s 份评审要补评，%(aside)s 条评分不再算",
            **{name: line.details[name] for name in ("works", "number", "again", "aside")},
        )
    words = {
        "cohorts": ngettext(
            "给 %(n)s 人定了参加的年份",
            "给 %(n)s 人定了参加的年份",
            line.details.get("people", 0),
            n=line.details.get("people", 0),
        ),
        "cohort_place": _("把“%(who)s”定在 %(year)s 年", who=given["who"], year=line.details.get("year", "")),
        "extended": _("给“%(who)s”延期到 %(day)s", **given),
        "extension_ended": _("收回给“%(who)s”的延期（到 %(day)s）", **given),
        "opened": _("开始了这个项目"),
        "closed": _("关闭了这个项目"),
        "archived": _("归档"),
        "restored": _("从归档取回"),
        "dates": _("改了日期：%(days)s", days=_moved(line.details)),
        "make_up": _("开了第 %(n)s 次补训：%(days)s", n=number, days=_moved(line.details)),
    }
    return words.get(line.kind, line.kind)


def _moved(details: dict[str, Any]) -> str:
    """Which days moved, from what to what."""
    names = {
        "opens_on": _("开始"),
        "submit_by_on": _("交材料截止"),
        "review_by_on": _("互评截止"),
        "closes_on": _("项目结束"),
    }
    before, after = details.get("before", {}), details.get("after", {})
    return _("，").join(
        _(
            "%(what)s %(before)s → %(after)s",
            what=word,
            before=formats.dated(date.fromisoformat(before[name])),
            after=formats.dated(date.fromisoformat(after[name])),
        )
        for name, word in names.items()
        if before.get(name) and before.get(name) != after.get(name)
    )
