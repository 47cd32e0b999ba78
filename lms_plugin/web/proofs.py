"""确认是本人: the page that stands before deciding, publishing and sealing for who comes from Open edX."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import proofs, sessions
from lms_plugin.web import messages
from lms_plugin.web.edge import COOKIE, actor, commit, db, edge, is_own_path
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.lti import PROVED_COOKIE, set_cookie

blueprint = Blueprint("proofs", __name__)


def address_of(path: str) -> str:
    """The page that asks, leading back to that path of ours afterwards."""
    return url_for("proofs.page", next=path if is_own_path(path) else None)


def way_on() -> dict[str, str]:
    """For the page that refuses: where one proves who one is. After a page that was to be seen, it leads back there."""
    is_seen = request.method == "GET"
    return {"link_label": _("去确认是我本人"), "link_url": address_of(request.full_path.rstrip("?") if is_seen else "")}


def known_browser(response: BaseResponse) -> None:
    """From now on the sessions that this browser opens for this person are proved too (`sessions.carry_proof`). A tab
    that goes by bearer has no cookie to know it by."""
    token = request.cookies.get(COOKIE, "")
    if token and not edge().by_bearer:
        set_cookie(response, PROVED_COOKIE, token, int(sessions.PROOF_HOLDS.total_seconds()))


@blueprint.route("/me/proof", methods=["GET", "POST"])
def page() -> BaseResponse | tuple[str, int]:
    """By 签字口令 or 确认码, and where the 签字口令 is set."""
    me, here = actor(), edge()
    row, errors = here.web_session, dict[str, str]()
    assert row is not None
    target = request.values.get("next", "")
    target = target if is_own_path(target) else ""
    if request.method == "POST":
        try:
            if "first" in request.form:
                proofs.choose_word(db(), me, request.form["first"], request.form.get("again", ""), here.now)
                response = redirect(target or url_for("proofs.page", done=1), 303)
            elif "code" in request.form:
                proofs.by_code(db(), me, row, request.form["code"][:60], here.now)
                response = redirect(url_for("proofs.page", next=target or None), 303)
            else:
                proofs.by_word(db(), me, row, request.form.get("word", "")[: proofs.LONGEST + 1], here.now)
                response = redirect(target or url_for("proofs.page"), 303)
            if "first" not in request.form:
                known_browser(response)
        except Invalid as error:
            commit()  # a wrong one counts
            errors = messages.field_errors(error)
        except Refused as error:
            if error.code != "proof.too_many":
                raise
            errors = {"code" if "code" in request.form else "word": messages.sentence(error.code, error.params)}
        else:
            return response
    made = render_template(
        "proofs/page.html",
        view=proofs.page(db(), me, row, here.now),
        errors=errors,
        next=target,
        is_done="done" in request.args and not errors,
    )
    return made, 422 if errors else 200


@blueprint.route("/people/<person>/code", methods=["GET", "POST"])
def code(person: str) -> str:
    """An officer or school lead gives somebody a 确认码; it is shown once."""
    made = proofs.give_code(db(), actor(), person, edge().now) if request.method == "POST" else ""
    view = proofs.code_page(db(), actor(), person, edge().now)
    return render_template("proofs/code.html", view=view, code=made)
