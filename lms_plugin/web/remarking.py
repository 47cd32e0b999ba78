"""牵涉什么: what a new version of a standard touches; and 按新标准评: works under review go over to it."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import remarking, touches
from lms_plugin.web import clashes, curate
from lms_plugin.web.edge import actor, db, edge, wake_worker
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole
from rubrics import EditClass

blueprint = Blueprint("remarking", __name__)

MOST_AGAIN = 500


def class_words() -> list[tuple[EditClass, str, str]]:
    """The classes of a change, the gravest first: what it is, and what it means for marks that were given."""
    return [
        (EditClass.CRITERION_ADDED, _("加了一条标准"), _("已评的都要补评这一条，别的评分照旧")),
        (EditClass.LEVEL_GONE, _("去掉了一个等次"), _("只有评过这个等次的人要再评这一条")),
        (EditClass.COUNTED_ANEW, _("去掉了一条标准，或改了权重"), _("不用再评，等次由系统重新算；去掉的评分留着可查")),
        (EditClass.LEVEL_ADDED, _("加了一个等次"), _("已有的评分照旧")),
        (EditClass.WORDS, _("只改了文字或顺序"), _("已有的评分照旧；要求其实变了的，可以勾出来再评")),
        (EditClass.NOTHING, _("没有改"), _("什么都不变")),
    ]


def class_word(edit_class: EditClass) -> str:
    """What a class of change is called."""
    return next(word for kind, word, _means in class_words() if kind is edit_class)


def sort_word(sort: str) -> str:
    """What happened to one criterion."""
    words = {
        "added": _("新加的"),
        "dropped": _("去掉的"),
        "reworded": _("改了文字"),
        "levels": _("等次变了"),
        "weight": _("权重变了"),
    }
    return words[sort]


@blueprint.get("/curate/frameworks/<version>/touches")
def page(version: str) -> str:
    """What a version touches, before it is published."""
    view = touches.touches(db(), actor(), version)
    return render_template(
        "remarking/touches.html",
        view=view,
        classes=class_words(),
        class_word=class_word,
        sort_word=sort_word,
        state_word=curate.state_word,
    )


@blueprint.route("/curate/programmes/<programme>/remark", methods=["GET", "POST"])
def remark(programme: str) -> BaseResponse | tuple[str, int]:
    """What judging by today's version would do, in numbers; the button does it."""
    is_clash = False
    ticked = request.form.getlist("again")[:MOST_AGAIN]
    if request.method == "POST":
        seen = whole(request.form.get("version"), 0, least=0)
        now = edge().now
        is_clash = clashes.is_clash(
            "programme.changed", lambda: remarking.remark(db(), actor(), programme, ticked, seen, now)
        )
        if not is_clash:
            wake_worker()
            return redirect(url_for("remarking.remark", programme=programme, done=1), 303)
    view = remarking.preview(db(), actor(), programme, edge().now)
    shown = render_template(
        "remarking/remark.html",
        view=view,
        is_clash=is_clash,
        is_done="done" in request.args,
        ticked=ticked,
        class_word=class_word,
        sort_word=sort_word,
    )
    return shown, 409 if is_clash else 200
