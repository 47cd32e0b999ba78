"""成绩回传: where a course's scores stand, in words that say what happened and what to do, and "再发一次"."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.flow import course_deliveries, retry
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("deliveries", __name__)


class Told(NamedTuple):
    """A state in words: the kind of its sign, one word, what happened, and what to do ("" = nothing to say)."""

    kind: str
    word: str
    happened: str
    todo: str


def told(state: str, trouble: str = "", *, own: bool = False) -> Told:
    """Where a score stands, in words; `own`: for the teacher whose score it is."""
    match state:
        case "delivered":
            return Told("good", _("已送到"), "", "")
        case "none":
            return Told("wait", _("还没有成绩"), _("还没有发布过结果。"), _("不用做什么，发布以后会自动送。"))
        case "queued" | "waiting":
            return Told("wait", _("等待发送"), _("成绩正要送出去。"), _("不用做什么，会自动送。"))
        case "retrying":
            return Told("wait", _("会自动再试"), _late_words(trouble), _("不用做什么，会自动再试。"))
        case "not_offered":
            return Told("note", _("平台没有这一栏"), _("平台不让本工具建这一栏成绩。"), _("不用做什么，在这里看就行。"))
        case "stopped":
            happened = _("这门课已换项目，成绩册停在原来的数，以后的变动不再送去。")
            return Told("note", _("不再更新"), happened, "")
        case "overridden":
            happened = _("有人在平台的成绩册里改过分数，已保留那里的。")
            return Told("note", _("平台上已改分"), happened, _("“再发一次”会换成这里的成绩。"))
        case "lost":
            happened = _("平台成绩册里的这一栏被删除了，送到过的成绩也没有了。")
            return Told("stop", _("这一栏没有了"), happened, _("点“再发一次”，会重新建一栏再送。"))
        case "not_a_learner":
            if own:
                todo = _("请让培训老师把您以“学生”身份加入课程，再从课程打开一次，就会再送。")
                return Told("stop", _("成绩册不收"), _("您在平台的课程里不是“学生”，成绩册不收。"), todo)
            todo = _("请在平台的课程里把此人加为“学生”，请本人从课程打开一次，就会再送；也可以点“再发一次”。")
            return Told("stop", _("成绩册不收"), _("此人在平台的课程里不是“学生”，成绩册不收。"), todo)
    happened, todo = _failed_words(trouble)
    if own:
        todo = _("请把这句话告诉培训老师，处理好以后会再送。")
    return Told("stop", _("没送到"), happened, todo)


def _late_words(trouble: str) -> str:
    if trouble == "ags.already_newer":
        return _("平台说它已有同一时刻的成绩。")
    if trouble.startswith("net.") or trouble in ("ags.transient", "ags.token_awaited"):
        return _("平台暂时没有回应。")
    if trouble in ("ags.token_refused", "ags.scope_refused", "ags.gone", "ags.refused", retry.LOCKED):
        return _failed_words(trouble)[0]
    return _("正在平台的成绩册里准备这一栏。")


def _failed_words(trouble: str) -> tuple[str, str]:
    """What happened and what to do where a score stands still."""
    if trouble in retry.REFUSES_US:
        todo = _(
            "请技术管理员在“平台”里打开这个平台，点“测试这个登记”，改好以后点“再发一次”；不点也会每几小时自动再试。"
        )
        return _("平台不认本工具的登记，一个成绩也送不出去。"), todo
    if trouble == retry.NO_RIGHT:
        todo = _("请技术管理员在平台上打开写成绩的权限，有人从课程打开一次，再点“再发一次”。")
        return _("平台没有允许本工具写成绩。"), todo
    if trouble == retry.LOCKED:
        todo = _(
            "请课程教师在平台的成绩册设置里给这一栏解锁，再点“再发一次”；不点也会每几小时自动再试。活动删了的，等平台删完会重新建一栏。"
        )
        return _("平台成绩册里的这一栏锁住了，或者它的活动正在删除，不让改分数。"), todo
    if trouble == "ags.gone":
        todo = _("请在平台上看看这门课的活动还在不在，从课程打开一次，再点“再发一次”。")
        return _("平台成绩册里的这一栏没有了，也没能再建。"), todo
    if trouble.startswith("net.") or trouble in ("ags.transient", "ags.already_newer"):
        return _("平台很久没有收下，已经不再自动试。"), _("请技术管理员看看平台能不能用，再点“再发一次”。")
    if trouble.startswith("ags."):
        todo = _("请把平台的回答发给技术管理员，处理好以后点“再发一次”。")
        return _("平台不收这个成绩。"), todo
    return _("发送时出了意外。"), _("请点“再发一次”；还不行请告诉技术管理员。")


def kind_word(kind: str) -> str:
    """The two columns in the page's language."""
    return str(_("能力点") if kind == lti.LineItemKind.POINTS.value else _("学时"))


def standing_word(standing: str) -> str:
    """A filter of the page."""
    words = {
        "stuck": _("没送到"),
        "changed": _("平台上改过"),
        "waiting": _("在路上"),
        "arrived": _("已送到"),
        "none": _("还没有成绩"),
        "all": _("全部"),
    }
    return str(words[standing])


@blueprint.get("/scores")
def home() -> str:
    """Every course within reach, those with stuck scores first."""
    return render_template("deliveries/home.html", courses=course_deliveries.course_list(db(), actor(), edge().now))


@blueprint.get("/courses/<course>/scores")
def page(course: str) -> str:
    """One course: every person and both columns."""
    wanted, number = request.args.get("standing", ""), whole(request.args.get("page"), 1)
    view = course_deliveries.course_page(db(), actor(), course, wanted, number, edge().now)
    return render_template(
        "deliveries/page.html",
        view=view,
        told=lambda cell: told(cell.state, cell.trouble),
        kind_word=kind_word,
        standing_word=standing_word,
        kinds=list(lti.LineItemKind),
        address=lambda **changes: url_for(
            "deliveries.page", course=view.uuid, **({"standing": view.standing} | changes)
        ),
        listed="\n".join(_listed(view.rows)) if view.standing == "stuck" else "",
    )


def _listed(rows: Iterable[course_deliveries.Line]) -> Iterator[str]:
    """People whose scores are stuck, as lines to paste into a message."""
    for row in rows:
        worst = row.about.worst
        words = told(worst.state, worst.trouble).happened
        said = _("平台的回答：%(words)s", words=worst.host_words) if worst.host_words else ""
        who = _("%(name)s（%(number)s）", name=row.about.name, number=row.about.staff_number or "–")
        yield f"{who} {words}{said}"


@blueprint.post("/courses/<course>/scores/send")
@blueprint.post("/courses/<course>/scores/send/<person>")
def send(course: str, person: str = "") -> BaseResponse:
    """再发一次, for one person or for all who are stuck."""
    course_deliveries.resend_all(db(), actor(), course, edge().now, person)
    wake_worker()
    return redirect(url_for("deliveries.page", course=course, standing=request.form.get("standing") or None), 303)
