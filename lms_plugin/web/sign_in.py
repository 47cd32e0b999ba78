"""The page behind a scanned code: a phone that knows nobody asks for the teacher's own code, and names nobody."""

from flask import Blueprint, render_template, request

from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import sign_in
from lms_plugin.web import messages
from lms_plugin.web.edge import commit, db, edge
from lms_plugin.web.trainings import LONGEST_CODE, secret

blueprint = Blueprint("sign_in", __name__)


@blueprint.route("/sign-in/<training>/<code>", methods=["GET", "POST"])
def page(training: str, code: str) -> tuple[str, int]:
    """Asks for the personal code, and says the same of every wrong one."""
    now = edge().now
    given = request.form.get("pass", "")[:100]
    found = sign_in.scanned(db(), training, code, now, given)
    if found is None:
        return render_template("trainings/phone.html", stand="over", training=None), 404
    stand, error, status = "ask", "", 200
    if request.method == "POST":
        try:
            typed, address = request.form.get("own_code", "")[:LONGEST_CODE], request.remote_addr or ""
            if sign_in.on_phone(db(), found, typed, address, secret(), now):
                stand = "done"
            else:
                error, status = messages.sentence("sign_in.own_code_wrong", {}), 422
        except Refused as refused:
            if not isinstance(refused, Conflict) and refused.code != "sign_in.too_many":
                raise
            error, status = messages.sentence(refused.code, refused.params), refused.status
        commit()  # a wrong code counts
    page = render_template(
        "trainings/phone.html",
        stand=stand,
        training=found,
        error=error,
        entry_pass=given or sign_in.entry_pass(found, now),
    )
    return page, status
