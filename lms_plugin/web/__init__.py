"""The Flask application: parse, call one flow function, render or redirect. No rules live here."""

import json
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request
from flask_babel import Babel
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from lms_plugin import db as database
from lms_plugin.config import Settings
from lms_plugin.direct import engine_of
from lms_plugin.errors import Conflict, Forbidden, NotFound, Refused, Unavailable
from lms_plugin.net import Http
from lms_plugin.storage import Storage
from lms_plugin.web import browser_rules, drawings, formats, marks, messages, proofs, review, stages, typed, uploads
from lms_plugin.web.assets import asset, load_assets
from lms_plugin.web.at_once import answering_at_once
from lms_plugin.web.catalogue import compile_catalogues
from lms_plugin.web.edge import (
    GETS_THAT_COMMIT,
    LAUNCH_ENDPOINTS,
    OPEN_CHANGES,
    Edge,
    Parts,
    edge,
    frame_ancestors,
    guard,
    load_viewer,
    parts,
    unread_launch,
    utc_now,
)
from lms_plugin.web.turns import in_turns
from lms_plugin.web.viewer import helper, locale_of_request, viewer
from lms_plugin.web.wire import fit_to_be_read
from lti import with_query

log = logging.getLogger("nengli.web")
MB = 1024 * 1024
MOST_FORM_BYTES = 12 * MB
MOST_ENCODED_BYTES = 3 * MOST_FORM_BYTES  # %E9%95%BF: a Chinese character is nine bytes in a form
MOST_STRANGERS_BYTES = MB
MOST_FIELDS = 2000


def _asleep() -> None:
    """With no worker to wake, its own sweep finds the job."""


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    wake: Callable[[], None] = _asleep,
    sessions: Any = None,
) -> Flask:
    """The tool as a WSGI application. `clock`, `wake` (the worker) and `sessions` may be given by who composes it."""
    app = Flask("lms_plugin", static_folder=None)
    app.config.update(
        SECRET_KEY=None,  # nothing is signed by Flask: sessions are rows
        MAX_CONTENT_LENGTH=64 * MB,
        MAX_FORM_MEMORY_SIZE=MOST_FORM_BYTES,
        MAX_FORM_PARTS=MOST_FIELDS,
        BABEL_DEFAULT_LOCALE="zh_Hans",
        BABEL_TRANSLATION_DIRECTORIES=str(Path(__file__).parent.parent / "translations"),
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    equip(app, settings, clock=clock, wake=wake, sessions=sessions)
    compile_catalogues()
    Babel(app, locale_selector=locale_of_request)
    load_assets(app)
    app.before_request(_count_fields)
    for blueprint in stages.BLUEPRINTS:
        app.register_blueprint(blueprint)
    _templates(app)
    app.before_request(load_viewer)
    app.before_request(guard)
    app.after_request(_headers)  # Flask runs these backwards: the commit first, so that its refusal has headers too
    app.after_request(typed.acknowledge)
    app.after_request(_commit)
    app.teardown_request(_close)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StaleDataError, _stale)
    app.register_error_handler(IntegrityError, _stale)
    app.register_error_handler(DataError, _unfit)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(Exception, _broken)
    app.wsgi_app = in_turns(fit_to_be_read(answering_at_once(app.wsgi_app, app)))  # type: ignore[method-assign, assignment]
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    return app


def equip(
    app: Flask,
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    wake: Callable[[], None] = _asleep,
    sessions: Any = None,
) -> None:
    """Gives the application the parts that its pages ask for; what stands before (routes, templates) knows none."""
    if sessions is None:
        sessions = database.session_factory(database.engine(settings.database_url))
    app.extensions["nengli"] = Parts(
        settings=settings,
        sessions=sessions,
        storage=Storage(settings.storage_dir),
        http=Http(allow_loopback=settings.allow_loopback, networks=settings.networks),
        clock=clock,
        wake=wake,
        direct=engine_of(sessions),
    )


def _templates(app: Flask) -> None:
    app.jinja_env.filters.update(
        when=formats.when,
        stamp=formats.stamp,
        until=formats.until,
        day=formats.day,
        dated=formats.dated,
        deadline=formats.deadline,
        hours=formats.hours,
        filesize=formats.filesize,
        told=formats.told,
        reads=formats.reads,
        message=messages.sentence,
    )
    app.jinja_env.globals.update(
        asset=asset,
        point_word=marks.point_word,
        ngettext=formats.ngettext_safe,
        languages_in=formats.languages_in,
        language_name=formats.language_name,
        own_name=formats.own_name,
        reading_now=formats.reading,
        **drawings.DRAWN,
    )

    @app.context_processor
    def shared() -> dict[str, Any]:
        here = edge()
        settings = parts().settings
        english = formats.is_english()
        return {
            "_": formats.translator(),
            "viewer": viewer(),
            "helper": helper(),
            "product_name": settings.product_name_en if english else settings.product_name,
            "locale": "en" if english else "zh-Hans",
            "platform_origin": here.web_session.platform_origin if here.web_session else "",
            "timezone": here.timezone,
            "now": here.now,
            # Not by `url_for`: a request whose Host is no name of a host gets its page of refusal too.
            "switch_url": request.full_path.rstrip("?") if request.method == "GET" else "/",
            "message": messages.sentence,
            "posted_copy": typed.copy_name(),
        }


def _count_fields() -> None:
    """A form is counted before it is taken apart: millions of empty fields in a few megabytes would cost gigabytes."""
    if request.mimetype == "application/x-www-form-urlencoded":
        is_open = request.endpoint in OPEN_CHANGES
        request.max_content_length = MOST_STRANGERS_BYTES if is_open else MOST_ENCODED_BYTES
        if request.get_data(parse_form_data=False).count(b"&") >= MOST_FIELDS:
            raise RequestEntityTooLarge


def _commit(response: Response) -> Response:
    """Non-GET requests commit where they succeeded; a GET that does not commit rolls back when it closes."""
    here: Edge | None = request.environ.get("nengli.edge")
    if here is None or here.opened is None:
        return response
    writes = request.method not in {"GET", "HEAD", "OPTIONS"} or request.endpoint in GETS_THAT_COMMIT
    if writes and response.status_code < 400:
        try:
            here.opened.commit()
        except (StaleDataError, IntegrityError) as error:
            return _stale(error)
        if here.wakes:
            parts().wake()
    return response


def _headers(response: Response) -> Response:
    """A strict CSP; only registered platforms may frame us; nothing of a person's page is cached or referred."""
    rules = browser_rules.of_file(is_secure=request.is_secure)
    if request.endpoint != "static":
        is_shown = not 300 <= response.status_code < 400 and response.mimetype == "text/html"
        ancestors = _ancestors() if is_shown else browser_rules.NOBODY
        here: Edge | None = request.environ.get("nengli.edge")
        forms = f"'self' {here.sends_to}".rstrip() if here is not None else "'self'"
        rules = browser_rules.of_page(ancestors, forms, is_secure=request.is_secure)
    given = {name.lower() for name, _value in response.headers}
    response.headers.extend([rule for rule in rules if rule[0].lower() not in given])
    return response


def _ancestors() -> str:
    try:
        return " ".join(["'self'", *frame_ancestors()])
    except SQLAlchemyError:  # the database is why this page is an error page
        return "'self'"


def _close(_error: BaseException | None) -> None:
    here: Edge | None = request.environ.pop("nengli.edge", None)
    if here is not None and here.opened is not None:
        here.opened.close()


def _page(code: str, params: dict[str, Any], status: int, reference: str = "", **way: str) -> Response:
    """The refusal page: what happened, who can mend it, what to click now, a reference id.

    `way`: link_label and link_url of the way on; back_to_course, where no session knows it.
    """
    here = edge()
    here.db.rollback()
    reference = reference or secrets.token_hex(4).upper()
    log.info("refused %s %s %s endpoint=%s", status, code, reference, request.endpoint)
    if request.headers.get("Accept", "").startswith("application/json") or request.is_json:
        body = {"error": code, "message": messages.sentence(code, params), "reference": reference}
        made = Response(status=status, mimetype="application/json")
        made.set_data(json.dumps(body, ensure_ascii=False))
        return made
    return Response(
        render_template(
            "error.html",
            sentence=messages.sentence(code, params),
            code=code,
            params=params,
            reference=reference,
            copies=typed.texts(),
            **way,
        ),
        status=status,
        mimetype="text/html",
    )


def _refused(error: Refused) -> Response:
    way: dict[str, str] = {}
    if error.code == "tenant.read_only":
        way = {"link_label": formats.gettext("去新的网址"), "link_url": error.params["url"]}
    elif error.code == "proof.needed":
        way = proofs.way_on()
    elif error.code in review.LEADS_ON:
        way = review.way_on(error.code)
    elif returns_to := error.params.get("return_url"):  # of a launch (Core 1.3, 5.4.4)
        told = f"{error.code} {error.params['reference']}"
        way = {"back_to_course": with_query(returns_to, lti_errorlog=told)}
    return _page(error.code, error.params, error.status, error.params.get("reference", ""), **way)


def _stale(error: Exception) -> Response:
    log.warning("conflict at %s: %s", request.endpoint, type(error).__name__)
    return _page("page.changed_meanwhile", {}, Conflict.status)


def _unfit(_error: Exception) -> Response:
    """A value that no column of the database can hold, e.g. a NUL where a code was expected."""
    return _page("page.bad_request", {}, 400)


def _unavailable(error: Unavailable) -> Response:
    """A full disk, a host that does not answer: passes by itself or is a matter for the operator."""
    log.warning("unavailable at %s: %s", request.endpoint, error.code)
    return _page(error.code, {"words": error.words}, 503)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        typed.leave_unread()
        if request.endpoint in LAUNCH_ENDPOINTS:  # what becomes of a launch stands in the launch log, always
            is_notice = request.endpoint == "lti.notices"
            refused = unread_launch("notice.too_large" if is_notice else "launch.token_too_long")
            return _page(refused.code, {}, 413, refused.params["reference"])
        if request.endpoint in uploads.PLAIN_FORMS:
            most = uploads.PLAIN_FORM_MB
            return _page("upload.form_too_large", {"most": most}, 413, **uploads.way_on(request.endpoint or ""))
        return _page("page.too_large", {}, 413)
    if isinstance(error, ClientDisconnected):
        typed.leave_unread()
    if error.code in {404, 405}:
        if edge().actor is None:
            return _page("session.none", {}, 401)  # a stranger learns nothing about which addresses exist
        return _page("page.method" if error.code == 405 else NotFound().code, {}, error.code)
    if error.code == 403:
        return _page(Forbidden().code, {}, 403)
    if error.code is not None and 300 <= error.code < 400:
        return Response(status=error.code, headers=error.get_headers())
    return _page("page.bad_request", {}, error.code or 400)


def _broken(error: Exception) -> Response:
    reference = secrets.token_hex(4).upper()
    log.error("broken %s at %s", reference, request.endpoint, exc_info=error)
    return _page("page.broken", {}, 500, reference)
