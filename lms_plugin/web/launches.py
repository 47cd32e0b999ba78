"""进入记录: what became of each launch, found by the reference that stands on the page of a refusal."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import NotFound
from lms_plugin.flow import launches
from lms_plugin.web.edge import actor, db
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("launches", __name__)


@blueprint.get("/launches")
def home() -> BaseResponse | tuple[str, int]:
    """The list, narrowed by refusals, platform or course; a reference that is typed leads to its entry."""
    me, typed = actor(), request.args.get("reference", "").strip()[:40]
    error = ""
    if typed:
        try:
            found = launches.one(db(), me, typed)
            return redirect(url_for("launches.one", reference=found.reference), 303)
        except NotFound:
            error = _(
                "本区县的进入记录里没有这个编号。也可能是别的页面的编号，或者进来时还认不出是哪个区县：请运维在服务器上查。"
            )
    number = whole(request.args.get("page"), 1)
    picked = {name: request.args.get(name, "") for name in ("platform", "course")}
    refused = request.args.get("refused") == "1"
    found_rows = launches.listing(db(), me, number, refused=refused, **picked)
    kept: dict[str, Any] = {
        name: value for name, value in {**picked, "refused": "1" if refused else ""}.items() if value
    }
    return (
        render_template(
            "launches/home.html",
            listing=found_rows,
            page=number,
            pages=pages(found_rows.total, launches.PAGE),
            address=lambda there: url_for("launches.home", page=there, **kept),
            picked=picked,
            refused=refused,
            is_narrowed=bool(kept),
            typed=typed,
            error=error,
            choices=lambda rows: [(row.uuid, row.title) for row in rows],
        ),
        422 if error else 200,
    )


@blueprint.get("/launches/<reference>")
def one(reference: str) -> str:
    """One entry: each check in plain words, and who can mend what stopped it."""
    return render_template(
        "launches/one.html",
        entry=launches.one(db(), actor(), reference),
        mender_word=mender_word,
        claim_word=claim_word,
    )


def mender_word(who: str) -> str:
    """Who can put it right."""
    words = {
        "person": _("打开的人自己：回到课程重新点一次"),
        "trainer": _("课程的教师或评审员：在课程里改这个活动"),
        "platform": _("课程平台的管理员：在平台里改"),
        "it": _("技术管理员：在本工具的“平台”里改"),
    }
    return str(words[who])


def claim_word(name: str) -> str:
    """One thing that the platform said."""
    words = {
        "message": _("打开方式"),
        "version": _("LTI 版本"),
        "deployment": _("部署编号"),
        "context": _("平台里的课程编号"),
        "link": _("平台里的活动编号"),
        "roles": _("角色"),
        "subject": _("用户编号（只留开头）"),
    }
    return str(words.get(name, name))
