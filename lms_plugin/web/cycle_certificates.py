"""周期学时证明: several programmes of a cycle of years on one 学时证明, for a unit or a person.

One that was made out is shown, printed and taken back as any other (`certificates`).
"""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import cycle_certificate_views, cycle_certificates
from lms_plugin.web import ledger_words
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("cycle_certificates", __name__)


@blueprint.get("/cycle-certificates")
def today() -> BaseResponse:
    """The cycle of today; `unit`: its page of that unit."""
    years = cycle_certificate_views.years_of_today(db(), actor(), edge().now)
    if unit := request.args.get("unit"):
        return redirect(url_for("cycle_certificates.unit", years=years.text, unit=unit), 303)
    return redirect(url_for("cycle_certificates.home", years=years.text), 303)


@blueprint.get("/cycle-certificates/<years>")
def home(years: str) -> str:
    """A cycle: its units."""
    view = cycle_certificate_views.cycle_page(db(), actor(), years, edge().now)
    return render_template("cycle_certificates/cycle.html", view=view, years_text=ledger_words.years_text)


@blueprint.route("/cycle-certificates/<years>/<unit>", methods=["GET", "POST"])
def unit(years: str, unit: str) -> BaseResponse | str:
    """The people of a unit; the button that makes theirs out."""
    if request.method == "POST":
        done = cycle_certificates.issue_to_unit(db(), actor(), unit, years, edge().now)
        return redirect(url_for("cycle_certificates.unit", years=years, unit=unit, made=len(done.made)), 303)
    number = whole(request.args.get("page"), 1)
    view = cycle_certificate_views.unit_page(db(), actor(), unit, years, number)
    return render_template(
        "cycle_certificates/unit.html",
        view=view,
        made=whole(request.args.get("made"), 0, least=0) if "made" in request.args else None,
        page=number,
        pages=pages(view.total),
        kind_word=ledger_words.kind_word,
        years_text=ledger_words.years_text,
        address=lambda there: url_for("cycle_certificates.unit", years=years, unit=unit, page=there),
    )


@blueprint.route("/record/whole/<person>/certificate/<years>", methods=["GET", "POST"])
def issue(person: str, years: str) -> BaseResponse | str:
    """One for one person, or one's own: what it will say, what stands in the way, the button."""
    if request.method == "POST":
        made = cycle_certificates.issue_to(db(), actor(), person, years, edge().now)
        return redirect(url_for("certificates.one", certificate=made.uuid), 303)
    view = cycle_certificate_views.asked(db(), actor(), person, years)
    return render_template(
        "cycle_certificates/issue.html", view=view, kind_word=ledger_words.kind_word, years_text=ledger_words.years_text
    )
