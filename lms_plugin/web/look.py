"""看一看: the page of a launch that names nobody. Its address is signed, so that a reload and Back need no launch."""

from flask import Blueprint, render_template, url_for
from itsdangerous import BadSignature, URLSafeSerializer

from lms_plugin.errors import NotFound
from lms_plugin.flow import look, sessions
from lms_plugin.web.edge import SignedOut, db, edge, parts

blueprint = Blueprint("look", __name__)


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(parts().settings.secret_key.get_secret_value(), salt="look")


def address_of(deployment_id: int, context_id: str, locale: str) -> str:
    """Where such a launch leads, for as long as a session would last. `deployment_id` is our row's id, `context_id` the
    host's own of the course, `locale` as the host says it; the address holds these and its end, and nothing else."""
    until = edge().now.timestamp() + parts().settings.session_hours * 3600
    said = [deployment_id, context_id, sessions.page_locale(locale), int(until)]
    return url_for("look.page", token=_signer().dumps(said))


@blueprint.get("/look/<token>")
def page(token: str) -> str:
    """What the course asks for. An address that nobody signed, or one of yesterday: back to the course, as for any page
    without a session."""
    try:
        deployment_id, context_id, locale, until = _signer().loads(token)
        if until <= edge().now.timestamp():
            raise SignedOut
        edge().locale = locale
        found = look.look(db(), deployment_id, context_id)
    except (BadSignature, NotFound):
        raise SignedOut from None
    return render_template("look/page.html", view=found)
