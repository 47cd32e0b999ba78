"""课程: the courses that somebody looks after, the check of one of them, and its people beside the host's list."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import course_check, course_people
from lms_plugin.web import messages
from lms_plugin.web.course_lines import lines
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("courses", __name__)


def lack_word(name: str) -> str:
    """A cross of the check in a few words."""
    words = {
        "active": _("平台已停用"),
        "programme": _("没有定项目"),
        "students": _("未见学生打开"),
        "names": _("没有姓名"),
        "grades": _("不收成绩"),
        "stuck": _("有成绩没送到"),
        "members": _("读不到名单"),
        "wrong_side": _("有人不是“学生”"),
    }
    return str(words[name])


def state_word(name: str) -> str:
    """What the people of a course can be narrowed to."""
    words = {
        "all": _("全部"),
        "not_come": _("列为学生，没打开过"),
        "not_chosen": _("打开过，没选点"),
        "wrong_side": _("选了点，但不是学生"),
        "gone": _("停用或不在名单了"),
        "unlisted": _("平台名单上没有"),
    }
    return str(words[name])


@blueprint.get("/courses")
def home() -> str:
    """The courses within reach, the one used last first."""
    number = whole(request.args.get("page"), 1)
    rows, total = course_check.listing(db(), actor(), number)
    return render_template(
        "courses/home.html",
        rows=rows,
        total=total,
        page=number,
        pages=pages(total, course_check.PAGE),
        address=lambda there: url_for("courses.home", page=there),
        lack_word=lack_word,
    )


@blueprint.get("/courses/<course>/check")
def check(course: str) -> str:
    """What the host of one course lets through."""
    facts = course_check.check(db(), actor(), course)
    found = lines(facts, edge().timezone, messages.sentence)
    return render_template("courses/check.html", facts=facts, lines=found, asked=request.args.get("asked") == "1")


@blueprint.get("/courses/<course>/people")
def people(course: str) -> str:
    """Everybody of one course, 50 a page."""
    number, state = whole(request.args.get("page"), 1), request.args.get("state", "all")
    found = course_people.page(db(), actor(), course, state, number, edge().now)
    total = found.counts[found.state]
    return render_template(
        "courses/people.html",
        view=found,
        page=number,
        pages=pages(total, course_people.PAGE),
        total=total,
        state_word=state_word,
        address=lambda there: url_for("courses.people", course=course, state=found.state, page=there),
    )


@blueprint.post("/courses/<course>/list")
def read_list(course: str) -> BaseResponse:
    """ "现在读一次"."""
    course_people.ask(db(), actor(), course, edge().now)
    wake_worker()
    if request.form.get("next") == "people":
        return redirect(url_for("courses.people", course=course), 303)
    return redirect(url_for("courses.check", course=course, asked=1), 303)
