"""自检: what is wrong, line by line with its cure, and which way in this very browser has."""

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from lms_plugin.access import Permission, Scope, require
from lms_plugin.flow import doctor
from lms_plugin.web.edge import actor, commit, db, edge, parts
from lms_plugin.web.health import is_forwarded

blueprint = Blueprint("doctor", __name__)
PROBE = "__Host-nengli-probe"


@blueprint.get("/doctor")
def home() -> str:
    """What this browser can do is told at once; the rest is asked for by a click."""
    _permitted()
    return _page(None)


@blueprint.post("/doctor")
def examine() -> str:
    """Looks at everything; takes up to half a minute where platforms do not answer."""
    made = parts()
    place = doctor.place_of(made.settings, made.storage, made.clock)
    begun = doctor.begin(db(), actor(), place, edge().now)
    commit()  # nothing may hold a lock while a host answers
    return _page(begun.run())


def _page(lines: list[doctor.Line] | None) -> str:
    settings = parts().settings
    seen = request.host_url.rstrip("/")
    here = doctor.proxy_line(settings.public_url, seen, is_forwarded=is_forwarded(), proxies=settings.proxies)
    if lines is not None and not any(line.step == here.step for line in lines):
        lines = [*lines, here]
    return render_template(
        "doctor/home.html",
        lines=lines,
        wrong=sum(line.is_wrong for line in lines or ()),
        jwks=settings.jwks_url,
        by_bearer=edge().by_bearer,
        is_framed=request.headers.get("Sec-Fetch-Dest", "") in ("iframe", "frame"),
    )


@blueprint.get("/doctor/cookie")
def cookie() -> Response:
    """Sets a cookie as a launch does, and says whether the one from before came back."""
    _permitted()
    response = make_response(jsonify(came=PROBE in request.cookies))
    response.set_cookie(PROBE, "1", max_age=60, path="/", secure=True, httponly=True, samesite="None", partitioned=True)
    return response


def _permitted() -> None:
    me = actor()
    require(me, Permission.PLATFORM_MANAGE, Scope(me.tenant_id))
