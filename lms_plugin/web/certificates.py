"""学时证明: made out for a school or a person, printed, taken back. Whether one holds is told at `verify`."""

import io
import re

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin import media
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import certificate_paper, certificate_sheet, certificate_views, certificates
from lms_plugin.web import ledger_words, messages
from lms_plugin.web.edge import actor, db, edge, parts
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("certificates", __name__)


def verify_url(code: str) -> str:
    """What the QR code of a certificate leads to."""
    return f"{parts().settings.public_url}{url_for('verify.page', code=code)}"


@blueprint.route("/certificates/<programme>", methods=["GET", "POST"])
def home(programme: str) -> BaseResponse | tuple[str, int]:
    """A programme: the paper that its certificates rest on, and its schools."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        form = request.form
        try:
            own = form.get("own") == "1"
            certificates.set_terms(db(), actor(), programme, form.get("paper", ""), own, edge().now)
            return redirect(url_for("certificates.home", programme=programme, done=1), 303)
        except Invalid as invalid:
            errors = messages.field_errors(invalid)
    view = certificate_views.programme_page(db(), actor(), programme)
    page = render_template(
        "certificates/programme.html",
        view=view,
        errors=errors,
        paper=request.form.get("paper", view.paper)[:200],
        own=request.form.get("own") == "1" if errors else view.is_self_service,
        is_saved="done" in request.args,
    )
    return page, 422 if errors else 200


@blueprint.route("/certificates/<programme>/<unit>", methods=["GET", "POST"])
def school(programme: str, unit: str) -> BaseResponse | tuple[str, int]:
    """The people of a school; the button that makes theirs out."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            paper = request.form.get("paper", "")
            done = certificates.issue_to_school(db(), actor(), programme, unit, paper, edge().now)
            return redirect(url_for("certificates.school", programme=programme, unit=unit, made=len(done.made)), 303)
        except Invalid as invalid:
            errors = messages.field_errors(invalid)
    number = whole(request.args.get("page"), 1)
    view = certificate_views.school_page(db(), actor(), programme, unit, number)
    page = render_template(
        "certificates/school.html",
        view=view,
        errors=errors,
        paper=request.form.get("paper", view.paper)[:200],
        made=whole(request.args.get("made"), 0, least=0) if "made" in request.args else None,
        page=number,
        pages=pages(view.total),
        kind_word=ledger_words.kind_word,
        address=lambda there: url_for("certificates.school", programme=programme, unit=unit, page=there),
    )
    return page, 422 if errors else 200


@blueprint.route("/record/<programme>/<person>/certificate", methods=["GET", "POST"])
def issue(programme: str, person: str) -> BaseResponse | tuple[str, int]:
    """One for one person: what it will say, the paper, the button."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            made = certificates.issue_to(db(), actor(), programme, person, request.form.get("paper", ""), edge().now)
            return redirect(url_for("certificates.one", certificate=made.uuid), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = certificate_views.asked(db(), actor(), programme, person)
    paper = request.form.get("paper", view.paper)[:200]
    page = render_template(
        "certificates/issue.html", view=view, errors=errors, paper=paper, kind_word=ledger_words.kind_word
    )
    return page, 422 if errors else 200


@blueprint.post("/record/<programme>/certificate")
def take(programme: str) -> BaseResponse:
    """A teacher's own, where the programme lets them."""
    made = certificates.take_own(db(), actor(), programme, edge().now)
    return redirect(url_for("certificates.one", certificate=made.uuid), 303)


@blueprint.get("/certificate/<certificate>")
def one(certificate: str) -> str:
    """One certificate: how it stands, and all that is on paper, to be printed by a browser too."""
    view = certificate_sheet.view(db(), actor(), certificate)
    address = verify_url(view.code)
    return render_template(
        "certificates/one.html",
        view=view,
        code=competencies.certificates.code_as_printed(view.code),
        address=address,
        qr=media.qr_svg(address),
        lacks=media.printer_lacks(),
        kind_word=ledger_words.kind_word,
        basis_words=ledger_words.basis_words,
        years_text=ledger_words.years_text,
    )


@blueprint.get("/certificate/<certificate>/pdf")
def pdf(certificate: str) -> BaseResponse:
    """The paper itself. Where this server cannot make it, the page says what it lacks."""
    view, seal = certificate_sheet.printable(db(), actor(), certificate)
    typed_at = f"{parts().settings.public_url}{url_for('verify.page')}"
    page = certificate_paper.page(view, verify_url(view.code), typed_at, seal)
    db().rollback()  # what is read is read: nobody waits for this connection while the page is made
    return as_pdf(media.on_paper(page), f"{_('学时证明')}_{view.name}_{view.number}")


@blueprint.route("/certificate/<certificate>/revoke", methods=["GET", "POST"])
def revoke(certificate: str) -> BaseResponse | tuple[str, int]:
    """作废: what it does, then the reason and the button. A second click finds it done."""
    errors, reason = dict[str, str](), request.form.get("reason", "")
    if request.method == "POST":
        try:
            certificates.revoke(db(), actor(), certificate, reason, edge().now)
            return redirect(url_for("certificates.one", certificate=certificate), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = certificate_sheet.view(db(), actor(), certificate)
    if not view.may_revoke and view.ended_at is None:
        raise Refused("certificate.not_yours")
    page = render_template("certificates/revoke.html", view=view, reason=reason[:2000], errors=errors)
    return page, 422 if errors else 200


def as_pdf(content: bytes, name: str) -> BaseResponse:
    """A PDF as a download. `name` may hold any character: it travels by RFC 5987, without what paths forbid."""
    safe = re.sub(r'[\\/:*?"<>|\s]+', "_", name)[:80]
    file = io.BytesIO(content)
    return send_file(file, mimetype="application/pdf", as_attachment=True, download_name=f"{safe}.pdf", max_age=None)
