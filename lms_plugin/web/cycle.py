"""学时周期: the page on which a district says how many years and hours it counts by."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Invalid
from lms_plugin.flow import cycle
from lms_plugin.web import formats, ledger_words, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.forms import whole

blueprint = Blueprint("cycle", __name__)


@blueprint.route("/hours-cycle", methods=["GET", "POST"])
def page() -> BaseResponse | tuple[str, int]:
    """The rule, and the form that changes it."""
    rule = cycle.rule_of(db(), actor())
    values = {
        "years": str(rule.years),
        "first_year": str(rule.first_year),
        "need": formats.hours(rule.need_hundredths),
        "practice_percent": str(rule.practice_percent),
    }
    errors: dict[str, str] = {}
    if request.method == "POST":
        values = {name: request.form.get(name, "").strip()[:20] for name in values}
        try:
            cycle.set_rule(db(), actor(), _typed(values))
            return redirect(url_for("cycle.page", done=1), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    year = competencies.local_day(edge().now, edge().timezone).year
    shown = render_template(
        "curate/cycle.html",
        values=values,
        errors=errors,
        done="done" in request.args,
        need=ledger_words.cycle_need(rule),
        years=ledger_words.years_word(competencies.total_of(rule, year, 0, 0)),
    )
    return shown, 422 if errors else 200


def _typed(values: dict[str, str]) -> competencies.CycleRule:
    """What was typed; what is no number becomes one that is refused."""
    need = competencies.hundredths(values["need"])
    return competencies.CycleRule(
        years=whole(values["years"], 0, least=0),
        first_year=whole(values["first_year"], 0, least=0),
        need_hundredths=-1 if need is None else need,
        practice_percent=whole(values["practice_percent"], -1, least=-1),
    )
