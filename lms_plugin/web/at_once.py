"""Logins and launches that need no second look are answered before Flask takes them up (PostgreSQL; ADR 0055).

Such a request is one statement and a redirect. Contexts, routing, hooks and response objects would be most of what a
login costs, and a fifth of a launch. What is refused, what wants a page, and what is at all unusual goes on to
`web/lti.py` as it came; what that answers to a plain one is the same.
"""

import logging
import re
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import Engine
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Request

import lti
from lms_plugin.flow import returning, sessions
from lms_plugin.web import browser_rules
from lms_plugin.web.edge import COOKIE, Parts, parts
from lms_plugin.web.lti import (
    PROVED_COOKIE,
    browser_secret,
    cookie_line,
    login_cookie,
    sends_cookies,
    surplus_cookies,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("nengli.web")
LOGIN, LAUNCH = "/lti/login", "/lti/launch"
MOST_BYTES, MOST_FIELDS = 32 * 1024, 100  # of a form; what is larger is counted and refused where all forms are
_HOME, _HOME_OF_WISHES = "/", "/?launched=1"  # `web/lti.py`: home_of
_FORM = "application/x-www-form-urlencoded"
_LENGTH = re.compile(r"[0-9]{1,9}")
_AS_IT_IS = re.compile(r"[A-Za-z0-9\-._~:/?#!$&'()*+,;=%@]+")
Headers = list[tuple[str, str]]


def answering_at_once(application: "WSGIApplication", app: Flask) -> "WSGIApplication":
    """The application, whose plain logins and launches are answered here."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if environ.get("PATH_INFO") not in (LOGIN, LAUNCH) or not _is_readable(environ):
            return application(environ, start_response)
        made = parts(app)
        try:
            found = _answer(environ, made, made.direct) if made.direct is not None else None
        except Exception:  # whatever it is: the ordinary way does it, or has a page that says what is wrong
            log.exception("done again on the ordinary way")
            found = None
        if found is None:
            if environ["REQUEST_METHOD"] == "POST":
                environ["wsgi.input"].seek(0)
            return application(environ, start_response)
        status, headers = found
        is_secure = environ["wsgi.url_scheme"] == "https"
        rules = browser_rules.of_page(browser_rules.NOBODY, "'self'", is_secure=is_secure)
        start_response(
            status, [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "0"), *headers, *rules]
        )
        return [b""]

    return answer


def _is_readable(environ: "WSGIEnvironment") -> bool:
    """Whether it is a query alone, or a small form; the form then lies in memory, to be read again."""
    method, length = environ["REQUEST_METHOD"], environ.get("CONTENT_LENGTH") or ""
    if environ.get("HTTP_TRANSFER_ENCODING") or environ.get("SCRIPT_NAME"):
        return False
    if method == "GET":
        return length in ("", "0")
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if method != "POST" or kind != _FORM or not _LENGTH.fullmatch(length) or int(length) > MOST_BYTES:
        return False
    try:
        body = environ["wsgi.input"].read(int(length))
    except OSError:  # the line was cut: where forms are read it is told so again
        return False
    environ["wsgi.input"] = BytesIO(body)
    return len(body) == int(length) and body.count(b"&") < MOST_FIELDS


def _answer(environ: "WSGIEnvironment", made: Parts, direct: Engine) -> tuple[str, Headers] | None:
    """Status and headers of the redirect; None where it is not a plain one."""
    request = Request(environ, populate_request=False)
    # Without the one name in it, none of these cookies is ours.
    cookies: Mapping[str, str] = request.cookies if COOKIE in environ.get("HTTP_COOKIE", "") else {}
    if environ["PATH_INFO"] == LOGIN:
        return _login(request.values.to_dict(), cookies, made, direct, made.clock())
    if request.method == "POST":
        return _launch(request.form.to_dict(), cookies, made, direct, made.clock())
    return None


def _login(
    params: dict[str, str], cookies: "Mapping[str, str]", made: Parts, direct: Engine, now: datetime
) -> tuple[str, Headers] | None:
    """To the host, with the login's cookie."""
    keeps_cookies = sends_cookies(cookies)
    if params.get("lti_storage_target") and not keeps_cookies:
        return None  # a page puts the login's proof into the host's storage
    launch_url = made.settings.launch_url
    begun = lti.begin_at_once(direct, params, launch_url, now, keeps_cookies=keeps_cookies)
    if begun is None:
        return None
    address = begun.url if _AS_IT_IS.fullmatch(begun.url) else iri_to_uri(begun.url)
    lines = [cookie_line(name, "", 0) for name in surplus_cookies(cookies)]
    lines.append(
        cookie_line(login_cookie(begun.state), begun.browser_secret, int((begun.expires_at - now).total_seconds()))
    )
    return "302 FOUND", _leading(address, lines)


def _launch(
    form: dict[str, str], cookies: "Mapping[str, str]", made: Parts, direct: Engine, now: datetime
) -> tuple[str, Headers] | None:
    """To the first page, with the cookie of the session: somebody who was here before, from a place that is known."""
    name = login_cookie(form.get("state", ""))
    secret = browser_secret(cookies, name)
    if secret is None or cookies.get(PROVED_COOKIE):
        return None
    lasts = timedelta(hours=made.settings.session_hours)
    came = returning.come_back(direct, made.places, form, lti.Proof(secret), lasts, now, made.settings.public_url)
    if came is None:
        return None
    lines = [
        cookie_line(COOKIE, came.token, made.settings.session_hours * 3600),
        cookie_line(name, secret, int(sessions.DOUBLE_CLICK.total_seconds())),
    ]
    return "303 SEE OTHER", _leading(_HOME_OF_WISHES if came.wants else _HOME, lines)


def _leading(address: str, cookies: list[str]) -> Headers:
    return [("Location", address), *(("Set-Cookie", line) for line in cookies)]
