"""Pages of the practice LMS: sign in, course, gradebook, and both ends of a launch."""

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from lms_plugin.practice.config import LOCALES, PracticeCourse, PracticePerson
from lms_plugin.practice.host import host, script_nonce
from lms_plugin.practice.launch import (
    HINT_SECONDS,
    TARGETS,
    AuthRefused,
    AuthRequest,
    Hint,
    PracticeLaunch,
    PracticeLogin,
    form_post,
)
from lms_plugin.practice.services import plain
from lms_plugin.practice.store import LineItem

pages = Blueprint("pages", __name__)

BEIJING = ZoneInfo("Asia/Shanghai")
ROLES = {
    "teacher": ("参训教师", "teacher"),
    "trainer": ("评审员", "trainer"),
    "administrator": ("平台管理员", "administrator"),
}


def signed_in() -> PracticePerson | None:
    """Who is signed in, by the session cookie."""
    return host().config.person(session.get("person"))


def must_be_signed_in() -> PracticePerson:
    """Who is signed in; everyone else sees the sign-in page."""
    person = signed_in()
    if person is None:
        abort(redirect(url_for("pages.home")))
    return person


def _course(course_id: str) -> PracticeCourse:
    course = host().config.course(course_id)
    if course is None:
        abort(404)
    return course


def _from_here() -> None:
    """Refuse a form that another site's page posts."""
    origin = request.headers.get("Origin")
    allowed = {urlsplit(url).netloc for url in (host().config.base_url, host().config.loopback_url)}
    if origin is not None and urlsplit(origin).netloc not in allowed:
        abort(403)


@pages.context_processor
def _shared() -> dict[str, Any]:
    base = host().config.base_url
    elsewhere = urlsplit("//" + request.host).netloc != urlsplit(base).netloc
    return {"me": signed_in(), "role_words": ROLES, "right_address": base if elsewhere else None}


@pages.get("/")
def home() -> str:
    """Everyone who can be signed in, by school; the courses for who already is."""
    people = host().config.people
    groups: dict[str, list[PracticePerson]] = {}
    for person in people:
        groups.setdefault(person.school, []).append(person)
    return render_template("practice/home.html", groups=groups, courses=host().config.courses)


@pages.post("/signin/<key>")
def sign_in(key: str) -> Response:
    """Sign in as an invented person, no password asked."""
    _from_here()
    person = host().config.person(key)
    if person is None:
        abort(404)
    language = session.get("locale")
    session.clear()
    session["person"] = person.key
    if language:
        session["locale"] = language
    course = request.form.get("course", "")
    to = course if host().config.course(course) else host().config.courses[0].id
    return redirect(url_for("pages.course", course_id=to), 303)


@pages.post("/signout")
def sign_out() -> Response:
    """Forget who is signed in."""
    _from_here()
    session.clear()
    return redirect(url_for("pages.home"), 303)


@pages.post("/language/<locale>")
def language(locale: str) -> Response:
    """The language that launches ask the tool for."""
    _from_here()
    if locale not in LOCALES:
        abort(404)
    session["locale"] = locale
    course = request.form.get("course", "")
    if host().config.course(course):
        return redirect(url_for("pages.course", course_id=course), 303)
    return redirect(url_for("pages.home"), 303)


@pages.get("/course/<course_id>")
def course(course_id: str) -> str | Response:
    """The course with its activity in a frame; `?full=1` opens the activity instead, as Moodle on phones."""
    must_be_signed_in()
    found = _course(course_id)
    link = found.links[0]
    if request.args.get("full"):
        return redirect(url_for("pages.launch", course_id=found.id, link_id=link.id, target="frame"))
    phone = "Mobi" in request.headers.get("User-Agent", "")
    locale = session.get("locale")
    return render_template("practice/course.html", course=found, link=link, phone=phone, locale=locale)


@pages.get("/return/<course_id>")
def back(course_id: str) -> str:
    """Where the tool's "back to course" leads inside the frame: a way out of it, with the tool's message if any."""
    g.may_be_framed = True
    found = _course(course_id)
    message = request.args.get("lti_errormsg") or request.args.get("lti_msg") or ""
    return render_template("practice/return.html", course=found, message=message[:500])


@pages.get("/gradebook/<course_id>")
def gradebook(course_id: str) -> str:
    """What arrived: everybody's rows for trainers and the administrator, the own row for a teacher."""
    me = must_be_signed_in()
    found = _course(course_id)
    grades = {(grade.line_item, grade.sub): grade for grade in host().store.grades(found.id)}
    used = {item_id for item_id, _sub in grades}
    # the activity's own column is shown only once something is in it, as a collapsed column would be
    columns = [item for item in host().store.line_items(found.id) if not item.resource_link_id or item.id in used]
    people = [p for p in host().config.people if p.is_learner and (p == me or not me.is_learner)]
    rows = [(person, [_cell(item, grades.get((item.id, person.sub))) for item in columns]) for person in people]
    return render_template("practice/gradebook.html", course=found, columns=columns, rows=rows, plain=plain)


def _cell(item: LineItem, grade: Any) -> dict[str, str] | None:
    if grade is None:
        return None
    when = datetime.fromtimestamp(grade.stamp, UTC).astimezone(BEIJING)
    return {
        "score": "–" if grade.score is None else f"{plain(grade.score)} / {plain(item.score_maximum)}",
        "comment": grade.comment,
        "when": when.strftime("%Y-%m-%d %H:%M:%S"),
    }


@pages.get("/launch/<course_id>/<link_id>")
def launch(course_id: str, link_id: str) -> Response:
    """Send the browser to the tool's login. `?target=` iframe, frame or window; `?locale=` zh_cn or en."""
    g.may_be_framed = True
    person = must_be_signed_in()
    found = _course(course_id)
    link = found.link(link_id)
    if link is None:
        abort(404)
    target, locale = request.args.get("target", "iframe"), request.args.get("locale")
    if target not in TARGETS:
        abort(400)
    if locale not in LOCALES:
        locale = str(session.get("locale") or person.locale)
    login = PracticeLogin(None, host().platform)
    login.set_lti_message_hint(hint=host().hints.sign(Hint(person, found, link, target, locale)))
    answer = login.initiate_login(person.sub)
    if not isinstance(answer, Response):
        raise TypeError("the login did not answer with a redirect")
    return answer


@pages.route("/auth", methods=["GET", "POST"])
def auth() -> str | tuple[str, int]:
    """The authentication endpoint: an id_token for the registered address, or a refusal.

    A refusal goes to the tool only at its registered redirect_uri; everything else ends on a page here.
    """
    g.may_be_framed = True
    wanted = AuthRequest(request)
    answer = PracticeLaunch(
        wanted,
        host().platform,
        hints=host().hints,
        signed_in=signed_in(),
        script_nonce=script_nonce(),
        expires=int(time.time()) + HINT_SECONDS,
    )
    try:
        return str(answer.lti_launch())
    except AuthRefused as refused:
        if not refused.to_tool:
            return render_template("practice/refused.html", code=refused.code, reason=refused.reason), 400
        values = {
            "error": refused.code,
            "error_description": refused.reason,
            "state": wanted.form_data.get("state", ""),
        }
        names = ("error", "error_description", "state")
        return form_post(host().config.tool_launch_url, values, names, script_nonce())
