"""申请复核 in the programme's form: text to typed settings and back, and said in words."""

from collections.abc import Mapping
from typing import Any

import competencies
from lms_plugin.web.formats import gettext as _

NUMBERS = {"appeal_days": (0, 90), "appeal_answer_days": (1, 90)}
FLAGS = ("appeal_may_fall",)
CHOICES = {"appeal_panel": ("two", "trainer")}
FIELDS = (*NUMBERS, *CHOICES, *FLAGS)


def words_of_choices() -> dict[str, list[tuple[str, str]]]:
    """Who looks at it anew, in words."""
    return {
        "appeal_panel": [
            ("two", _("两位没有评过这份的老师；两人说法不同时再请一位")),
            ("trainer", _("一位没有看过这份的评审员")),
        ]
    }


def values_of(rules: competencies.revisions.Appeals) -> dict[str, Any]:
    """The settings as the form shows them."""
    return {
        "appeal_days": rules.days,
        "appeal_answer_days": rules.answer_days,
        "appeal_panel": rules.panel,
        "appeal_may_fall": rules.may_fall,
    }


def parse(values: Mapping[str, Any], numbers: Mapping[str, int]) -> competencies.revisions.Appeals:
    """Typed values that were looked at already."""
    return competencies.revisions.Appeals(
        days=numbers["appeal_days"],
        answer_days=numbers["appeal_answer_days"],
        panel=values["appeal_panel"],
        may_fall=bool(values["appeal_may_fall"]),
    )


def words(rules: competencies.revisions.Appeals) -> list[str]:
    """The rule in sentences."""
    if not rules.days:
        return [_("结果发布以后不设申请复核。")]
    return [
        _("结果发布后 %(days)s 天内，本人可以对不同意的指标申请复核一次，写明理由。", days=rules.days),
        _("由两位没有评过这份的老师重新评，说法不同时再请一位，看不到原来的等级。")
        if rules.panel == "two"
        else _("由一位没有看过这份的评审员重新评，看不到原来的等级。"),
        _("收到申请后 %(days)s 天内答复。", days=rules.answer_days),
        _("复核后等级可能上调，也可能下调。") if rules.may_fall else _("复核后等级只会不变或上调，不会下调。"),
    ]
