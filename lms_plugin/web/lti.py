"""The ways in: login initiation, launch, key set, and the ways in for browsers that keep no cookie in a frame."""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import IntegrityError
from werkzeug.http import dump_cookie
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.db import writes
from lms_plugin.errors import Forbidden, Refused
from lms_plugin.flow import enter, sessions
from lms_plugin.web.edge import (
    BEARER_HEADER,
    COOKIE,
    commit,
    db,
    digest,
    edge,
    is_own_path,
    new_token,
    parts,
    unread_launch,
)
from lms_plugin.web.look import address_of as look_address
from lms_plugin.web.viewer import display_name

blueprint = Blueprint("lti", __name__)

LOGIN_COOKIES = "__Host-nengli-login-"
WINDOW_COOKIE = "__Host-nengli-window"
PROOF_HEADER = "X-Nengli-Proof"
PROVED_COOKIE = "__Host-nengli-proved"  # of who had to show that it is really them, and did (web/proofs.py)
MOST_LOGINS = 20  # begun and not finished in one browser at once


def login_cookie(state: str) -> str:
    """A cookie of its own for each login, so that ten tabs opening at once do not disturb one another."""
    return LOGIN_COOKIES + digest(state)[:16]


def set_cookie(response: BaseResponse, name: str, value: str, seconds: int) -> None:
    """A cookie that survives in a host's frame: `__Host-`, Secure, SameSite=None, Partitioned (CHIPS)."""
    response.headers.add("Set-Cookie", cookie_line(name, value, seconds))


def cookie_line(name: str, value: str, seconds: int) -> str:
    """Such a cookie, as the header says it."""
    return dump_cookie(
        name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )


@blueprint.route("/lti/login", methods=["GET", "POST"])
def login() -> BaseResponse:
    """OIDC third-party login initiation: remembers state and nonce, sends the browser back to its host."""
    here, params, launch_url = edge(), request.values.to_dict(), parts().settings.launch_url
    keeps_cookies = sends_cookies(request.cookies)
    try:
        begun = lti.begin_login(db(), params, launch_url, here.now, keeps_cookies=keeps_cookies)
    except Refused as error:
        raise _logged(error) from error
    response: BaseResponse = redirect(begun.url, 302)
    if begun.storage is not None:
        here.framed_by = list(begun.origins)
        response = make_response(render_template("lti/remember.html", begun=begun, storage=begun.storage))
    for name in surplus_cookies(request.cookies):
        set_cookie(response, name, "", 0)
    lasts = int((begun.expires_at - here.now).total_seconds())
    set_cookie(response, login_cookie(begun.state), begun.browser_secret, lasts)
    return response


def sends_cookies(cookies: Mapping[str, str]) -> bool:
    """Whether this browser has shown here that it keeps cookies of ours."""
    return any(name == COOKIE or name.startswith(LOGIN_COOKIES) for name in cookies)


def surplus_cookies(cookies: Mapping[str, str]) -> list[str]:
    """Cookies of logins beyond the newest ones (browsers send the oldest first): a header of many kilobytes would be
    refused before it reaches us."""
    kept = [name for name in cookies if name.startswith(LOGIN_COOKIES)]
    return kept[: max(0, len(kept) - MOST_LOGINS + 1)]


@blueprint.get("/lti/launch")
def not_posted() -> BaseResponse:
    """Somebody opens the address of launches by hand, or a host sends the token in the address, where it would be
    logged by everything on the way: refused (LTI 1.3 core: `form_post`)."""
    raise unread_launch("launch.not_posted")


@blueprint.post("/lti/launch")
def launch() -> BaseResponse | str:
    """The host's signed launch. Refused: the state is used up, a log row stands, nothing else is written.

    Without the login's cookie, where the login left a proof with the host: a page first that fetches it from there and
    posts the launch on to `proved`. Nothing is used up by that page.
    """
    return _launch(request.form.to_dict())


@blueprint.post("/lti/proved")
def proved() -> BaseResponse | str:
    """A launch whose proof our own page asked the host's storage for; without it where that had none or said nothing.

    It comes in a header, which no other site's page can have a browser send here: whoever began a login knows its
    proof, and could else have another's browser post both (login CSRF).
    """
    return _launch(request.form.to_dict(), request.headers.get(PROOF_HEADER, ""))


@blueprint.post("/lti/notices")
def notices() -> Response:
    """What a host tells by itself: signed notices, many at once. One that is good is done; only where none is, the
    request is refused. Hosts do not ask again, so nothing here waits but for a platform's keys."""
    made, request.max_content_length = parts(), lti.MOST_NOTICE_BYTES
    body = request.get_data(cache=False)
    try:
        return jsonify(_heard(body, may_ask=True)._asdict())
    except lti.KeysWanted as wanted:
        db().rollback()  # nothing may hold a lock while a host answers
        lti.refresh_keys(made.sessions, made.http, wanted.url, made.clock())
        edge().now = made.clock()
        writes(db())
    return jsonify(_heard(body, may_ask=False)._asdict())


def _heard(body: bytes, *, may_ask: bool) -> "lti.Heard":
    try:
        return lti.receive_notices(db(), body, edge().now, may_ask=may_ask)
    except Refused as error:
        raise _logged(error) from error


def _launch(form: dict[str, str], stored: str | None = None) -> BaseResponse | str:
    """`stored`: what the host's storage gave, None when it has not been asked."""
    made, may_ask = parts(), True
    cookie = browser_secret(request.cookies, login_cookie(form.get("state", "")))
    if stored is None and cookie is None:
        storage = lti.storage_of(db(), form, edge().now)
        if storage is not None:
            # This page stays the tab's document, also for the answer to a host that asks for content.
            edge().sends_to = lti.unchecked_return(form["id_token"])
            return render_template("lti/recall.html", storage=storage, form=form, platform_origin=storage.origin)
    proof = lti.Proof(cookie, stored or "")
    for _attempt in range(5):
        try:
            return _enter(form, proof, may_ask)
        except lti.KeysWanted as wanted:
            # Nothing may hold a lock while a host answers: what this request has begun is given up meanwhile.
            db().rollback()
            lti.refresh_keys(made.sessions, made.http, wanted.url, made.clock())
            edge().now, may_ask = made.clock(), False
            writes(db())
        except IntegrityError:
            # Of a class that clicks at once two made the same course, or one person came twice: now it is there.
            db().rollback()
            writes(db())
    return _enter(form, proof, may_ask=False)


def _enter(form: dict[str, str], proof: lti.Proof, may_ask: bool) -> BaseResponse | str:
    here, lifetime = edge(), _lifetime()
    public_url = parts().settings.public_url
    try:
        received = lti.receive_launch(db(), form, proof, here.now, public_url=public_url, may_ask=may_ask)
    except Refused as error:
        raise _logged(error) from error
    if isinstance(received, lti.Replayed):
        entrance = sessions.again(db(), received.web_session_id, lifetime, here.now)
    elif received.names_nobody:
        home = look_address(received.deployment_id, received.context_id, received.locale)
        return jsonify(bearer="", home=home) if received.binding == "storage" else redirect(home, 303)
    else:
        entrance = enter.enter(db(), received, lifetime, here.now)
        # Only a browser that proved itself may double-click its way to the session: the secret of a login that another
        # browser finished without proof is in the hands of whoever began it.
        is_proved = received.binding != "none"
        lti.log_launch(db(), received, here.now, web_session_id=entrance.session_row.id if is_proved else None)
        if not is_proved:  # this page stays the tab's document: its rules are those of all that follow in it
            here.framed_by = lti.frame_ancestors(db(), received.deployment_id)
            here.sends_to = lti.origin(received.deep_linking.return_url) if received.deep_linking else ""
            return _ask_first(entrance)
    wants = entrance.session_row.wants
    if proof.cookie is None:
        return jsonify(bearer=entrance.bearer, home=home_of(wants))  # for the script of recall.html
    return _with_session(wants, entrance.token, form, proof.cookie)


def _with_session(wants: str, token: str, form: dict[str, str], secret: str) -> BaseResponse:
    """On to the first page, with the new session's cookie."""
    if shown := request.cookies.get(PROVED_COOKIE, ""):
        sessions.carry_proof(db(), digest(shown), digest(token), edge().now)
    response = redirect(home_of(wants), 303)
    set_cookie(response, COOKIE, token, parts().settings.session_hours * 3600)
    # Kept for the span of a double click: the second request then proves that it is the same browser.
    set_cookie(response, login_cookie(form.get("state", "")), secret, int(sessions.DOUBLE_CLICK.total_seconds()))
    return response


def _lifetime() -> timedelta:
    return timedelta(hours=parts().settings.session_hours)


def home_of(wants: str) -> str:
    """The first address after a launch: it leads on to the next step, or to what the launched link was made for."""
    return url_for("people.home", launched=1) if wants else url_for("people.home")


def browser_secret(cookies: Mapping[str, str], cookie_name: str) -> str | None:
    """The secret that this browser got at login; None where it keeps no cookies here. A browser that keeps cookies, but
    not this one, did not begin this login (login CSRF): "" then matches nothing, and the launch is refused."""
    secret = cookies.get(cookie_name)
    return "" if secret is None and sends_cookies(cookies) else secret


def _ask_first(entrance: sessions.Entrance) -> str:
    """No cookie came back: names the account and asks, then goes on in this tab by bearer or in a new window.

    The question is what stands between a stranger's link and a session that is not one's own (login CSRF): until it is
    answered (`here`, or `redeem` in the window) the session serves nobody.
    """
    here, row = edge(), entrance.session_row
    person = sessions.person_of(db(), row)
    here.locale = person.locale or row.locale
    return render_template(
        "lti/continue.html",
        is_picking=bool(here.sends_to),
        account=display_name(person),
        ticket=sessions.issue_ticket(db(), row, "window", "", here.now),
        bearer=entrance.bearer,
        home=home_of(row.wants),
        return_url=row.return_url,
        platform_origin=row.platform_origin,
    )


@blueprint.post("/lti/here")
def here() -> tuple[str, int]:
    """ "是我，就在这里继续": the bearer that this tab was given begins to serve it."""
    sessions.say_yes(db(), request.headers.get(BEARER_HEADER, ""), edge().now)
    return "", 204


@blueprint.post("/lti/window")
def window() -> BaseResponse:
    """In the new window: names the account and asks to confirm. Nothing is used up yet."""
    token, moment = request.form.get("ticket", ""), edge()
    try:
        _ticket, row, person = sessions.ticket_person(db(), token, "window", moment.now)
    except Refused:
        if moment.actor is not None:
            return redirect(url_for("people.home"), 303)  # Back, after all was done
        raise
    moment.locale = person.locale or row.locale
    response = make_response(
        render_template("lti/window.html", account=display_name(person), ticket=token, return_url=row.return_url)
    )
    # Strict: another site's form cannot bring it, so only a click on this page redeems.
    value = f"{new_token()}.{digest(token)}"
    response.set_cookie(WINDOW_COOKIE, value, max_age=600, path="/", secure=True, httponly=True, samesite="Strict")
    return response


@blueprint.post("/lti/redeem")
def redeem() -> BaseResponse:
    """Confirmed: the ticket is used up and this window gets a session of its own."""
    moment, token = edge(), request.form.get("ticket", "")
    if moment.actor is not None:
        try:
            sessions.ticket_person(db(), token, "window", moment.now, request.cookies.get(WINDOW_COOKIE, ""))
        except Refused:
            return redirect(url_for("people.home"), 303)  # the second of two such windows, after all was done
    browser = request.cookies.get(WINDOW_COOKIE, "")
    if not hmac.compare_digest(browser.partition(".")[2].encode(), digest(token).encode()):
        raise Refused("session.no_cookie")
    entrance, _target = sessions.redeem_ticket(db(), token, "window", moment.now, browser)
    response = redirect(home_of(entrance.session_row.wants), 303)
    set_cookie(response, COOKIE, entrance.token, _seconds_left(entrance, moment.now))
    return response


@blueprint.post("/lti/tickets")
def ticket() -> Response:
    """A single-use address (≤ 60 s) for a download or a tab that has no cookie of ours."""
    moment = edge()
    assert moment.web_session is not None
    target = request.form.get("target", "")
    if not is_own_path(target):
        raise Refused("ticket.target")
    token = sessions.issue_ticket(db(), moment.web_session, "download", target, moment.now)
    return jsonify(url=url_for("lti.download", token=token))


@blueprint.get("/lti/tickets/<token>")
def download(token: str) -> BaseResponse:
    """Redeems such an address: a session of its own for this tab, then the page that was wanted.

    Only for our own pages' links: a stranger's link must not sign anybody in as the stranger.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Forbidden("session.cross_site")
    moment = edge()
    entrance, target = sessions.redeem_ticket(db(), token, "download", moment.now)
    response = redirect(target, 303)
    if moment.web_session is None or moment.web_session.person_id != entrance.session_row.person_id:
        set_cookie(response, COOKIE, entrance.token, _seconds_left(entrance, moment.now))
    return response


def _seconds_left(entrance: sessions.Entrance, now: datetime) -> int:
    """How long a window's session goes on: as long as the one that it came from."""
    return max(60, int((entrance.session_row.expires_at - now).total_seconds()))


@blueprint.get("/.well-known/jwks.json")
def jwks() -> BaseResponse:
    """Our public keys, by which hosts check what we sign. A new one stands here a day before it signs, so an hour's
    copy is never too old."""
    response = jsonify(lti.tool_jwks(db(), edge().now))
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.add_etag()
    return response.make_conditional(request)


def _logged(error: Refused) -> Refused:
    """What the part wrote (used-up state, log row) stays, though the request is refused."""
    commit()
    return error
