"""拿不准的先看: the pending works that the reviewers leave in doubt, why, and what looking at them spares."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, render_template, request, url_for

import rubrics
from lms_plugin.flow import uncertain
from lms_plugin.web import marks
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("uncertain", __name__)
LOOKS = (0, 10, 20, 30, 50)


def policies() -> list[tuple[str, str]]:
    """The ways of the programme's rules to make one score of several marks, as the form offers them."""
    return [
        ("severity", _("平均，去掉各人偏松偏严（推荐）")),
        ("mean", _("平均")),
        ("median", _("取中间的那个")),
    ]


def rule(score: str) -> str:
    """The rule in a sentence, as a programme's page says it."""
    return str(
        _("互评拿不准的由评审员先看（怎样看出来：%(way)s）；合格不合格由评审员定。", way=dict(policies())[score])
    )


def reason_word(reason: rubrics.Reason) -> str:
    """Why a work is uncertain, in words."""
    words = {
        rubrics.Reason.BORDER: _("离合格线近"),
        rubrics.Reason.APART: _("一条指标差两级"),
        rubrics.Reason.DIFFER: _("合格不合格说法不同"),
    }
    return words[reason]


def counts_word(counts: Mapping[int, int], own: marks.OwnWords, is_validity: bool = False) -> str:
    """2 人合格，1 人未达到: how many gave each level, the best first."""
    said = (_("%(n)s 人%(level)s", n=n, level=marks.level_word(level, is_validity, own)) for level, n in counts.items())
    return _("，").join(said)


def curve(budgets: Sequence[rubrics.Budget]) -> str:
    """The points of the picture, 0 to 100 each way: how many wrong ones are left (of the most) after looking at so
    many per cent."""
    most = max((one.wrong for one in budgets), default=0.0) or 1.0
    return " ".join(f"{one.percent},{100 - 100 * one.wrong / most:.1f}" for one in budgets)


@blueprint.get("/cases/uncertain/<programme>")
def page(programme: str) -> str:
    """The most doubtful first, or those that are for one reason."""
    asked = request.args.get("why", "")
    why = rubrics.Reason(asked) if asked in list(rubrics.Reason) else None
    look = whole(request.args.get("look"), uncertain.USUAL_LOOK, 0)
    view = uncertain.uncertain_page(db(), actor(), programme, why, whole(request.args.get("page"), 1), edge().now, look)
    return render_template(
        "cases/uncertain.html",
        view=view,
        reasons=list(rubrics.Reason),
        reason_word=reason_word,
        counts_word=counts_word,
        way=dict(policies())[view.policy.value],
        level_word=lambda passes, own: marks.level_word(int(passes), own=own),
        curve=curve(view.budgets),
        looks=LOOKS,
        look_at=lambda percent: url_for(
            "uncertain.page", programme=programme, why=asked or None, look=percent, _anchor="look"
        ),
        address=lambda number: url_for("uncertain.page", programme=programme, why=asked or None, page=number),
    )
