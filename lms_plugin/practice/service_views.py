"""What servers call: keys, tokens, gradebook and member list, and two pages for tests (outage, arrivals)."""

import json
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.http import parse_options_header

from lms_plugin.practice.config import PracticeCourse
from lms_plugin.practice.host import host
from lms_plugin.practice.platform import TokenRefused
from lms_plugin.practice.services import (
    LINEITEM,
    LINEITEMS,
    MEMBERS,
    NRPS_SCOPE,
    RESULTS,
    SCORE,
    PracticeGrades,
    PracticeRoster,
    ServiceRequest,
)

services = Blueprint("services", __name__)

READ, WRITE = ("lineitem", "lineitem.readonly"), ("lineitem",)
OPERATIONS = {
    # operation: scopes that open it, the one media type of the answer
    "handle_get_lineitems": (READ, LINEITEMS),
    "handle_create_lineitem": (WRITE, LINEITEM),
    "handle_get_lineitem": (READ, LINEITEM),
    "handle_update_lineitem": (WRITE, LINEITEM),
    "handle_delete_lineitem": (WRITE, None),
    "handle_update_score": (("score",), None),
    "handle_get_results": (("result.readonly",), RESULTS),
}


@services.before_request
def _outage() -> Response | None:
    """While the outage switch is on, token, gradebook and member list answer 503; keys and pages stay."""
    if request.endpoint in ("services.jwks", "services.outage", "services.scores"):
        return None
    if host().store.setting("down", lambda: "0") == "1":
        return _error(503, "The practice LMS plays an outage")
    return None


def _error(status: int, reason: str, *, body: Any = None) -> Response:
    """Moodle's shape: the reason in the status line and, except for scores, in a JSON body."""
    words = " ".join(reason.split())[:200]
    shown = body if body is not None else {"status": status, "reason": words, "request": _request_line()}
    answer = Response(json.dumps(shown, ensure_ascii=False), content_type="application/json; charset=utf-8")
    answer.status = f"{status} {words.encode('ascii', 'replace').decode()}"
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _request_line() -> dict[str, str]:
    return {
        "method": request.method,
        "url": request.full_path,
        "accept": request.headers.get("Accept", ""),
        "contentType": request.content_type or "",
    }


def _accepts(answer: str, *, star: bool) -> bool:
    """Moodle takes exactly one media type or no header at all; `*/*` only where a single thing is asked for."""
    accept = request.headers.get("Accept")
    return accept is None or accept.strip() == answer or (star and accept.strip() == "*/*")


def _sends(content: str) -> bool:
    return parse_options_header(request.content_type)[0] == content


def _bearer_written_right() -> bool:
    return request.headers.get("Authorization", "").startswith("Bearer ")  # Moodle: a small b is 401


def _course(course_id: str) -> PracticeCourse:
    course = host().config.course(course_id)
    if course is None:
        abort(_error(404, "No such course"))
    return course


def _answer(outcome: Any, media: str) -> Response:
    """The wheel's response as HTTP; its `next` belongs in the Link header, not in the body."""
    if outcome.code >= 400:
        return _error(outcome.code, outcome.message)
    body = outcome.result
    following = body.pop("next", None) if isinstance(body, dict) else None
    if isinstance(body, dict) and "content" in body:
        body = body["content"]
    text = "" if body is None else json.dumps(body, ensure_ascii=False)
    answer = Response(text, status=outcome.code, content_type=media + "; charset=utf-8")
    if following:
        answer.headers["Link"] = f'<{following}>; rel="next"'
    return answer


def _grades(course_id: str, operation: str, item: int | None = None) -> Response:
    scopes, media = OPERATIONS[operation]
    if not _bearer_written_right():
        return _error(401, "Missing access token")
    service = PracticeGrades(ServiceRequest(request), host().platform, _course(course_id), scopes=scopes, item=item)
    named = {"line_item_id": item} if item is not None else {}
    return _answer(service.handle_resp(getattr(service, operation), **named), media or LINEITEM)


@services.get("/jwks")
def jwks() -> Response:
    """The host's public keys."""
    return jsonify(host().platform.get_jwks())


@services.post("/token")
def token() -> tuple[Response, int] | Response:
    """Client credentials with a signed assertion (RFC 7523)."""
    if not _sends("application/x-www-form-urlencoded"):
        return jsonify(error="invalid_request", error_description="the body must be form-urlencoded"), 400
    try:
        return jsonify(host().platform.get_access_token(request.form.to_dict()))
    except TokenRefused as refused:
        return jsonify(error=refused.code, error_description=refused.description), refused.status


@services.route("/ags/<course_id>/lineitems", methods=["GET", "POST"])
def lineitems(course_id: str) -> Response:
    """The columns of a course."""
    if request.method == "POST":
        if not _sends(LINEITEM):
            return _error(400, f"No handler found for {request.path} {request.content_type or ''}")
        return _grades(course_id, "handle_create_lineitem")
    if not _accepts(LINEITEMS, star=False):
        return _error(400, f"No handler found for {request.path} {request.headers.get('Accept')}")
    return _grades(course_id, "handle_get_lineitems")


@services.route("/ags/<course_id>/lineitems/<int:item>/lineitem", methods=["GET", "PUT", "DELETE"])
def lineitem(course_id: str, item: int) -> Response:
    """One column."""
    if request.method == "PUT":
        if not _sends(LINEITEM):
            return _error(400, f"No handler found for {request.path} {request.content_type or ''}")
        return _grades(course_id, "handle_update_lineitem", item)
    if request.method == "DELETE":
        return _grades(course_id, "handle_delete_lineitem", item)
    if not _accepts(LINEITEM, star=True):
        return _error(400, f"No handler found for {request.path} {request.headers.get('Accept')}")
    return _grades(course_id, "handle_get_lineitem", item)


@services.post("/ags/<course_id>/lineitems/<int:item>/lineitem/scores")
def score(course_id: str, item: int) -> Response:
    """Take a score: an empty 200, or `[]` with the reason in the status line. Both are noted for the tests' page."""
    if not _sends(SCORE):
        return _error(400, f"No handler found for {request.path} {request.content_type or ''}")
    answer = _grades(course_id, "handle_update_score", item)
    reason = answer.status.partition(" ")[2]
    if answer.status_code != 401:
        body = request.get_data(as_text=True)
        host().store.log_arrival(course_id, item, status=answer.status_code, reason=reason, body=body)
    if answer.status_code >= 400:
        return _error(answer.status_code, reason, body=[])
    return Response("", content_type=SCORE + "; charset=utf-8")


@services.get("/ags/<course_id>/lineitems/<int:item>/lineitem/results")
def results(course_id: str, item: int) -> Response:
    """What a column holds."""
    if not _accepts(RESULTS, star=True):
        return _error(400, f"No handler found for {request.path} {request.headers.get('Accept')}")
    return _grades(course_id, "handle_get_results", item)


@services.get("/nrps/<course_id>/memberships")
def memberships(course_id: str) -> Response:
    """The members of a course."""
    if not _accepts(MEMBERS, star=True):
        return _error(400, "unsupported content type")
    if not _bearer_written_right():
        return _error(401, "Missing access token")
    roster = PracticeRoster(ServiceRequest(request), host().platform, _course(course_id))
    if roster.allowed_scopes != [NRPS_SCOPE]:
        return _error(401, "No scope opens this service")
    return _answer(roster.handle_resp(roster.handle_get_members), MEMBERS)


@services.post("/practice/outage")
def outage() -> tuple[Response, int] | Response:
    """Tests' switch: `{"down": true}` makes the services answer 503 until `{"down": false}`."""
    body = request.get_json(silent=True)  # JSON only: another site's form cannot send it
    if not isinstance(body, dict) or not isinstance(body.get("down"), bool):
        return jsonify(error='send {"down": true} or {"down": false}'), 400
    host().store.set_setting("down", "1" if body["down"] else "0")
    return jsonify(down=body["down"])


@services.get("/practice/scores.json")
def scores() -> Response:
    """Tests' view of a course: columns, grades, and every score that came with a valid token, in order of arrival."""
    course = _course(request.args.get("course", ""))
    arrivals = host().store.arrivals(course.id)
    items = {item.id: item for item in host().store.line_items(course.id)}
    grades = [
        {**vars(grade), "tag": items[grade.line_item].tag, "score_maximum": items[grade.line_item].score_maximum}
        for grade in host().store.grades(course.id)
    ]
    columns = [vars(item) for item in items.values()]
    return jsonify(count=len(arrivals), arrivals=arrivals, grades=grades, line_items=columns)
