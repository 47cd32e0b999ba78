"""放假安排: the page on which a district writes the days off of a year."""

from collections.abc import Iterable
from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Invalid
from lms_plugin.flow import holidays
from lms_plugin.web import formats, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("holidays", __name__)
SATURDAY = 5


def span_words(spans: Iterable[tuple[date, date]]) -> list[str]:
    """Rows of days as people say them."""
    return [
        formats.day(first)
        if first == last
        else _("%(first)s 至 %(last)s", first=formats.day(first), last=formats.day(last))
        for first, last in spans
    ]


def as_lines(year: holidays.Year) -> str:
    """A year as it may be typed."""
    off = [f"{first}" if first == last else f"{first} – {last}" for first, last in year.days_off]
    return "\n".join(
        [*(_("%(days)s 放假", days=days) for days in off), *(_("%(days)s 上班", days=day) for day in year.workdays)]
    )


@blueprint.route("/holidays", methods=["GET", "POST"])
def page() -> BaseResponse | tuple[str, int]:
    """The years that are written; a list is checked here first, and saved by a second press."""
    years = holidays.years(db(), actor())
    told: dict[str, str] = {}
    check: holidays.Check | None = None
    typed = whole(request.values.get("year"), 0, least=0)
    values = {"year": request.values.get("year", "").strip()[:4], "list": request.form.get("list", "")}
    if request.method == "POST":
        try:
            check = holidays.check(db(), actor(), typed, values["list"])
            if not check.notice.faults and not check.is_same and _meant(check):
                holidays.set_year(db(), actor(), typed, values["list"], check.digest, edge().now)
                return redirect(url_for("holidays.page", saved=typed), 303)
        except Invalid as invalid:
            db().rollback()
            told = messages.field_errors(invalid)
    elif typed:
        values["list"] = next((as_lines(one) for one in years if one.year == typed), "")
    this = competencies.local_day(edge().now, edge().timezone).year
    faults = (
        []
        if check is None
        else [(one.row, messages.sentence(one.code, dict(one.params))) for one in check.notice.faults]
    )
    shown = render_template(
        "holidays/page.html",
        years=years,
        check=check,
        faults=faults,
        odd=[day for day in check.notice.workdays if day.weekday() < SATURDAY] if check is not None else [],
        errors=told,
        values={**values, "year": values["year"] or str(_next_unwritten(this, [one.year for one in years]))},
        missing=this not in {one.year for one in years} and this,
        saved=whole(request.args.get("saved"), 0, least=0),
        span_words=span_words,
    )
    return shown, 422 if told or faults else 200


def _meant(check: holidays.Check) -> bool:
    """Whether what was shown is to be saved, and not looked at again."""
    return request.form.get("seen") == check.digest and "again" not in request.form


def _next_unwritten(this: int, written: list[int]) -> int:
    return next(year for year in range(this, this + len(written) + 1) if year not in written)
