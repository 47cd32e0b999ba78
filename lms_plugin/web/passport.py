"""我的研修档案: one page that prints on one A4, the button that sends scores again, and an officer's 冲销."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Invalid
from lms_plugin.flow import deliveries, passport, retakes, reversal, sign_in, submit_views, whole_record
from lms_plugin.people import RoleKind
from lms_plugin.web import ledger_words, messages
from lms_plugin.web.category_form import category_words
from lms_plugin.web.deliveries import told
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.submit import nothing

blueprint = Blueprint("passport", __name__)

_CYCLE = {
    "years": ledger_words.years_word,
    "words": ledger_words.cycle_words,
    "lack": ledger_words.cycle_lack,
    "need": ledger_words.cycle_need,
}


@blueprint.get("/record")
def mine() -> BaseResponse | str:
    """The person's own record of the programme they most likely mean."""
    programme = submit_views.current_programme(db(), actor())
    if programme is None:
        return nothing()
    return redirect(url_for("passport.page", programme=programme), 303)


@blueprint.get("/record/<programme>")
def page(programme: str) -> str:
    """One's own record."""
    return _page(passport.record(db(), actor(), programme, None, edge().now))


@blueprint.get("/record/<programme>/<person>")
def of_person(programme: str, person: str) -> str:
    """Somebody's record, for their school lead, trainer, officer or auditor."""
    return _page(passport.record(db(), actor(), programme, person, edge().now))


def _page(record: passport.Record) -> str:
    return render_template(
        "passport/page.html",
        record=record,
        told=lambda one: told(one.state, one.trouble, own=record.is_own),
        kind_word=ledger_words.kind_word,
        basis_words=ledger_words.basis_words,
        cycle=_CYCLE,
        may_search=_may_search(),
        category_words=category_words(),
        came_word=came_word,
    )


def came_word(one: sign_in.Came) -> str:
    """Why a training that somebody was at has brought no hours (yet)."""
    if not one.is_closed:
        return str(_("结束后记"))
    return str(_("没有记上，请主持人“补记学时”") if one.minutes else _("0 分钟，不记"))


def _may_search() -> bool:
    """Whether old records (以前的记录) are theirs to search."""
    return actor().has(RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR)


@blueprint.get("/record/whole")
def whole() -> str:
    """Everything of one's own, over all programmes."""
    return _whole(None)


@blueprint.get("/record/whole/<person>")
def whole_of(person: str) -> str:
    """Everything of somebody, for who looks after their school."""
    return _whole(person)


def _whole(person: str | None) -> str:
    view = whole_record.whole(db(), actor(), person, edge().now)
    kinds = [(kind.value, ledger_words.kind_word(kind.value)) for kind in competencies.CreditKind]
    return render_template(
        "passport/whole.html",
        view=view,
        kinds=kinds,
        heads=[_("项目"), *((word, "num") for _kind, word in kinds), (_("合计"), "num")],
        words=_CYCLE,
        years_text=ledger_words.years_text,
        may_search=_may_search(),
    )


@blueprint.route("/record/<programme>/<person>/hours/<credit>/reverse", methods=["GET", "POST"])
@blueprint.route("/record/<programme>/<person>/awards/<award>/reverse", methods=["GET", "POST"])
def reverse(programme: str, person: str, credit: str = "", award: str = "") -> BaseResponse | tuple[str, int]:
    """冲销: what it would do in words, then the reason and the button. A second click finds it done."""
    what: reversal.What = "award" if award else "hours"
    reason, errors = request.form.get("reason", ""), dict[str, str]()
    if request.method == "POST":
        try:
            reversal.reverse(db(), actor(), programme, person, what, award or credit, reason, edge().now)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
        else:
            wake_worker()
            return redirect(url_for("passport.of_person", programme=programme, person=person), 303)
    view = reversal.preview(db(), actor(), programme, person, what, award or credit)
    page = render_template(
        "passport/reverse.html", view=view, reason=reason[:2000], errors=errors, kind_word=ledger_words.kind_word
    )
    return page, 422 if errors else 200


@blueprint.route("/record/<programme>/<person>/retake/<submission>", methods=["GET", "POST"])
def retake(programme: str, person: str, submission: str) -> BaseResponse | tuple[str, int]:
    """再给一次机会: what the rules give, then the reason and the button. A second click changes nothing."""
    reason, errors = request.form.get("reason", ""), dict[str, str]()
    if request.method == "POST":
        try:
            retakes.open_one(db(), actor(), submission, reason, edge().now)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
        else:
            return redirect(url_for("passport.of_person", programme=programme, person=person), 303)
    view = retakes.view(db(), actor(), submission, edge().now)
    page = render_template("passport/retake.html", view=view, reason=reason[:2000], errors=errors)
    return page, 422 if errors else 200


@blueprint.post("/record/<programme>/<person>/send/<course>")
def resend(programme: str, person: str, course: str) -> BaseResponse:
    """再发一次."""
    deliveries.resend(db(), actor(), course, person, edge().now)
    wake_worker()
    return redirect(url_for("passport.of_person", programme=programme, person=person), 303)
