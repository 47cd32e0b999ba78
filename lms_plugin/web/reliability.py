"""互评可靠性: a programme's figures, its schools, the criteria of a point; and a reviewer's own note."""

from flask import Blueprint, render_template, request, url_for

import rubrics
from lms_plugin.flow import reliability
from lms_plugin.web.edge import actor, db
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole

blueprint = Blueprint("reliability", __name__)


def verdict(estimate: rubrics.Estimate) -> tuple[str, str]:
    """(kind, word) of α."""
    return _said(estimate.verdict(rubrics.GOOD), _("一致"), _("不够一致"))


def reliable(estimate: rubrics.Estimate) -> tuple[str, str]:
    """(kind, word) of ICC(1,k)."""
    return _said(estimate.verdict(rubrics.GOOD_TOGETHER), _("可靠"), _("不够可靠"))


def _said(found: str, good: str, poor: str) -> tuple[str, str]:
    words = {
        "good": ("good", good),
        "poor": ("stop", poor),
        "unsure": ("wait", _("还说不准")),
        "same": ("note", _("给的都一样，算不出来")),
        "thin": ("note", _("太少，不算")),
    }
    return words[found]


def percent(value: float) -> str:
    """0.153 as 15 %."""
    return f"{round(100 * value)}%"


def figure(estimate: rubrics.Estimate) -> str:
    """A figure of agreement or of levels with its interval: 0.62（0.48–0.74）; a dash where there is none."""
    if estimate.value is None:
        return "–"
    numbers = {"value": f"{estimate.value:.2f}", "low": f"{estimate.low:.2f}", "high": f"{estimate.high:.2f}"}
    return str(_("%(value)s（%(low)s 到 %(high)s）", **numbers))


def part(estimate: rubrics.Estimate) -> str:
    """A share with its interval: 12 / 80，15%（9% 到 24%）; of too few the numbers alone."""
    if estimate.value is None:
        return f"{estimate.hits} / {estimate.n}"
    numbers = {"value": percent(estimate.value), "low": percent(estimate.low), "high": percent(estimate.high)}
    return str(_("%(hits)s / %(n)s，%(value)s（%(low)s 到 %(high)s）", hits=estimate.hits, n=estimate.n, **numbers))


def _words() -> dict[str, object]:
    return {
        "verdict": verdict,
        "reliable": reliable,
        "figure": figure,
        "part": part,
        "GOOD": rubrics.GOOD,
        "ENOUGH": rubrics.ENOUGH_WORKS,
    }


def _sentence(whole_of: reliability.Figures) -> tuple[str, str]:
    """What the whole page comes to, and what follows from it."""
    sentences = {
        "good": (_("评审人的看法一致，互评的结果可以放心参考"), _("有分歧的仍由评审员裁定。")),
        "poor": (
            _("评审人的看法不够一致，互评的结果只能作参考"),
            _("看看下面哪些能力点、哪些指标分歧大，一起对一次标准。"),
        ),
        "unsure": (_("评审人的看法是不是一致，现在还说不准"), _("误差范围跨过了分界。评得多了，范围会变窄。")),
        "same": (
            _("评审人给的等级都一样，一致程度算不出来"),
            _("没有一份作业的等级不同，看不出评审人分不分得开好坏。"),
        ),
        "thin": (_("现在还说不出评审人一致不一致"), _("至少要有 10 份作业，每份有 2 人评完。")),
    }
    return sentences[whole_of.alpha.verdict(rubrics.GOOD)]


@blueprint.get("/reliability/<programme>")
def programme(programme: str) -> str:
    """The whole programme and its points."""
    view = reliability.programme_page(db(), actor(), programme)
    return render_template("reliability/programme.html", view=view, sentence=_sentence(view.whole), **_words())


@blueprint.get("/reliability/<programme>/schools")
def schools(programme: str) -> str:
    """The programme school by school."""
    view = reliability.schools_page(db(), actor(), programme, whole(request.args.get("page"), 1))
    return render_template(
        "reliability/lines.html",
        view=view,
        sentence=_sentence(view.whole),
        heading=_("各学校"),
        label=_("学校"),
        address=lambda number: url_for("reliability.schools", programme=programme, page=number),
        **_words(),
    )


@blueprint.get("/reliability/<programme>/points/<code>")
def point(programme: str, code: str) -> str:
    """The criteria of one point."""
    view = reliability.point_page(db(), actor(), programme, code)
    return render_template(
        "reliability/lines.html",
        view=view,
        sentence=_sentence(view.whole),
        heading=_("%(code)s 的各条指标", code=code),
        label=_("指标"),
        address=None,
        **_words(),
    )


@blueprint.get("/reviews/own-marks")
def own() -> str:
    """A reviewer's own note: whether they mark above or below the others. Nobody else sees it."""
    return render_template(
        "reliability/own.html",
        lines=[(one.programme, one.above, _leaning(one.above)) for one in reliability.own_leaning(db(), actor())],
        signed=signed,
    )


def signed(value: float) -> str:
    """+0.4, −0.2, 0: levels above (or below) the others."""
    rounded = round(value, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0"


def _leaning(above: rubrics.Estimate) -> tuple[str, str]:
    """(kind, sentence) of how somebody marks."""
    if above.value is None:
        return "note", _("和别人一起评完的作业还不到 %(least)s 份，现在说不出什么。", least=rubrics.ENOUGH_MARKED)
    if above.low <= 0 <= above.high:
        return "good", _("看不出您偏松或偏严。")
    levels = f"{abs(above.value):.1f}"
    if above.value > 0:
        return "note", _("您比同看一份作业的人平均高 %(levels)s 个等级，偏松。", levels=levels)
    return "note", _("您比同看一份作业的人平均低 %(levels)s 个等级，偏严。", levels=levels)
