"""The door: login initiation, launch, key set, and the ways in for browsers that keep no cookie in a frame."""

import hashlib
from datetime import timedelta

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.errors import Refused
from lms_plugin.flow import enter
from lms_plugin.flow.enter import Entrance
from lms_plugin.web.edge import COOKIE, commit, db, edge, parts
from lms_plugin.web.viewer import display_name

blueprint = Blueprint("lti", __name__)


def _login_cookie(state: str) -> str:
    """A cookie of its own for each login, so that ten tabs opening at once do not disturb one another."""
    return f"__Host-nengli-login-{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _launch_url() -> str:
    return f"{parts().settings.public_url}/lti/launch"


def set_cookie(response: BaseResponse, name: str, value: str, seconds: int) -> None:
    """A cookie that survives in a host's frame: `__Host-`, Secure, SameSite=None, Partitioned (CHIPS)."""
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )


@blueprint.route("/lti/login", methods=["GET", "POST"])
def login() -> BaseResponse:
    """OIDC third-party login initiation: remembers state and nonce, sends the browser back to its host."""
    here = edge()
    try:
        begun = lti.begin_login(db(), request.values.to_dict(), _launch_url(), here.now)
    except Refused as error:
        raise _logged(error) from error
    response = redirect(begun.url, 302)
    set_cookie(response, _login_cookie(begun.state), begun.browser_secret, 600)
    return response


@blueprint.post("/lti/launch")
def launch() -> BaseResponse | str:
    """The host's signed launch. Refused: the state is used up, a log row stands, nothing else is written."""
    made, form = parts(), request.form.to_dict()
    settings = made.settings
    # Keys are fetched before this request's own transaction begins: nothing may hold a lock while a host answers.
    lti.refresh_keys(made.sessions, made.http, form, made.clock())
    here = edge()
    cookie_name = _login_cookie(form.get("state", ""))
    secret = request.cookies.get(cookie_name)
    try:
        received = lti.receive_launch(db(), form, secret, here.now, public_url=settings.public_url)
    except Refused as error:
        raise _logged(error) from error
    if isinstance(received, lti.Replayed):
        return redirect(url_for("people.home"), 303)
    entrance = enter.enter(db(), received, timedelta(hours=settings.session_hours), here.now)
    lti.log_launch(db(), received, here.now, web_session_id=entrance.session_row.id)
    if received.binding == "cookie":
        response = redirect(url_for("people.home"), 303)
        set_cookie(response, COOKIE, entrance.token, settings.session_hours * 3600)
        set_cookie(response, cookie_name, "", 0)
        return response
    return _without_cookie(entrance)


def _without_cookie(entrance: Entrance) -> str:
    """No cookie came back: names the account and asks, then goes on in this tab by bearer or in a new window.

    The question is what stands between a stranger's link and a session that is not one's own (login CSRF).
    """
    here = edge()
    ticket = enter.issue_ticket(db(), entrance.session_row, "window", "", here.now)
    person = enter.person_of(db(), entrance.session_row)
    return render_template(
        "lti/continue.html",
        account=display_name(person),
        ticket=ticket,
        bearer=entrance.bearer,
        return_url=entrance.session_row.return_url,
    )


@blueprint.post("/lti/window")
def window() -> str:
    """In the new window: names the account and asks to confirm. Nothing is used up yet."""
    token = request.form.get("ticket", "")
    _ticket, row, person = enter.ticket_person(db(), token, "window", edge().now)
    return render_template("lti/window.html", account=display_name(person), ticket=token, return_url=row.return_url)


@blueprint.post("/lti/redeem")
def redeem() -> BaseResponse:
    """Confirmed: the ticket is used up and this window gets a session of its own."""
    here = edge()
    entrance, _target = enter.redeem_ticket(db(), request.form.get("ticket", ""), "window", here.now)
    response = redirect(url_for("people.home"), 303)
    set_cookie(
        response, COOKIE, entrance.token, max(60, int((entrance.session_row.expires_at - here.now).total_seconds()))
    )
    return response


@blueprint.post("/lti/tickets")
def ticket() -> Response:
    """A single-use address (≤ 60 s) for a download or a tab that has no cookie of ours."""
    here = edge()
    assert here.web_session is not None
    target = request.form.get("target", "")
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        raise Refused("ticket.target")
    token = enter.issue_ticket(db(), here.web_session, "download", target, here.now)
    return jsonify(url=url_for("lti.download", token=token))


@blueprint.get("/lti/tickets/<token>")
def download(token: str) -> BaseResponse:
    """Redeems such an address: a session of its own for this tab, then the page that was wanted."""
    here = edge()
    entrance, target = enter.redeem_ticket(db(), token, "download", here.now)
    response = redirect(target, 303)
    set_cookie(response, COOKIE, entrance.token, 600)
    return response


@blueprint.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Our public keys, by which hosts check what we sign."""
    response = jsonify(lti.tool_jwks(db()))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _logged(error: Refused) -> Refused:
    """What the part wrote (used-up state, log row) stays, though the request is refused."""
    commit()
    return error
