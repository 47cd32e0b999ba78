"""工作量证明: made out for everybody who did something for others in a round, printed, taken back."""

from collections.abc import Callable
from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin import media
from lms_plugin.errors import Invalid
from lms_plugin.flow import workload_paper, workloads
from lms_plugin.web import messages
from lms_plugin.web.certificates import as_pdf, verify_url
from lms_plugin.web.edge import actor, db, edge, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import ngettext
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("workloads", __name__)


def work_words() -> dict[str, tuple[str, Callable[[int], str]]]:
    """What is certified, and the unit of so many."""

    def works(number: int) -> str:
        return ngettext("件", "件", number)

    def plans(number: int) -> str:
        return ngettext("套", "套", number)

    return {
        "reviews": (_("评审作品"), works),
        "decisions": (_("评定作品"), works),
        "samples": (_("抽查作品"), works),
        "trainings": (_("主持培训"), lambda number: ngettext("次", "次", number)),
        "attendees": (_("培训到场"), lambda _number: _("人次")),
        "plans_led": (_("牵头的学校方案（已通过）"), plans),
        "plans_seen": (_("审阅学校方案"), plans),
    }


@blueprint.route("/workload/<programme>", methods=["GET", "POST"])
def home(programme: str) -> BaseResponse | tuple[str, int]:
    """The people who did something for others, and the button that makes theirs out."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            again = request.form.getlist("again")[:200]
            made = workloads.issue(db(), actor(), programme, request.form.get("paper", ""), edge().now, again)
            return redirect(url_for("workloads.home", programme=programme, made=made), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    number = whole(request.args.get("page"), 1)
    view = workloads.people(db(), actor(), programme, number)
    page = render_template(
        "workload/home.html",
        view=view,
        errors=errors,
        paper=request.form.get("paper", view.paper)[:200],
        made=whole(request.args.get("made"), 0, least=0) if "made" in request.args else None,
        words=work_words(),
        page=number,
        pages=pages(view.total),
        address=lambda there: url_for("workloads.home", programme=programme, page=there),
    )
    return page, 422 if errors else 200


@blueprint.get("/workload")
def mine() -> str:
    """One's own statements."""
    return render_template("workload/mine.html", lines=workloads.mine(db(), actor()))


@blueprint.get("/work-statement/<statement>")
def one(statement: str) -> str:
    """One statement, to be printed by a browser too."""
    return _one(statement, {})


def _one(uuid: str, errors: dict[str, str]) -> str:
    view = workloads.view(db(), actor(), uuid)
    said = view.statement
    address, minutes = verify_url(said.code), sum(said.minutes.values())
    return render_template(
        "workload/one.html",
        view=view,
        said=said,
        code=competencies.certificates.code_as_printed(said.code),
        address=address,
        qr=media.qr_svg(address),
        lacks=media.printer_lacks(),
        words=work_words(),
        days={kind: tuple(map(date.fromisoformat, both)) for kind, both in (said.days or {}).items()},
        minutes=minutes,
        hundredths=competencies.trainings.worth(minutes, said.minutes_per_hour),
        errors=errors,
        reason=request.form.get("reason", "")[:2000],
    )


@blueprint.get("/work-statement/<statement>/pdf")
def pdf(statement: str) -> BaseResponse:
    """The paper itself."""
    view, seal = workloads.printable(db(), actor(), statement)
    said = view.statement
    typed_at = f"{parts().settings.public_url}{url_for('verify.page')}"
    page = workload_paper.page(said, view.number, view.timezone, verify_url(said.code), typed_at, seal)
    db().rollback()  # what is read is read: nobody waits for this connection while the page is made
    return as_pdf(media.on_paper(page), f"{_('工作量证明')}_{said.name}_{view.number}")


@blueprint.post("/work-statement/<statement>/revoke")
def revoke(statement: str) -> BaseResponse | tuple[str, int]:
    """作废, with the reason. A second click finds it done."""
    try:
        workloads.revoke(db(), actor(), statement, request.form.get("reason", ""), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _one(statement, messages.field_errors(invalid)), 422
    return redirect(url_for("workloads.one", statement=statement), 303)
