"""Whom a round is for, and what is otherwise for whom, in its form: text to typed settings and back, and in words."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import competencies
from competencies import Category, Rules
from lms_plugin.web import formats
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import ngettext

Names = Mapping[str, Mapping[str, str]]
FLAGS = tuple(f"for_{one.value}" for one in Category)
OWN = ("points", "dimensions", "only", "practice", "online", "target")
FIELDS = tuple(f"{name}_{one.value}" for one in Category for name in OWN)
MOST = {"points": 30, "dimensions": 4, "target": 1_000_000}
_PARTS = {  # codes of environments and dimensions of the 2.0 standard, by the names that people type
    "multimedia": ("多媒体教学环境", "多媒体环境", "多媒体", "multimedia teaching environment", "multimedia"),
    "blended": ("混合学习环境", "混合环境", "混合", "blended learning environment", "blended"),
    "smart": ("智慧学习环境", "智慧环境", "智慧", "smart learning environment", "smart"),
    "learner_analysis": ("学情分析", "learner analysis", "learner_analysis"),
    "teaching_design": ("教学设计", "teaching design", "teaching_design"),
    "learning_guidance": ("学法指导", "learning guidance", "learning_guidance"),
    "assessment": ("学业评价", "academic assessment", "assessment"),
}
_NAMES = {name: code for code, names in _PARTS.items() for name in names}


def category_words() -> dict[str, str]:
    """Each 类别 in the page's language."""
    return {
        "teacher": _("教师"),
        "backbone": _("骨干教师"),
        "coach": _("培训者"),
        "manager": _("管理团队"),
        "principal": _("校长"),
    }


def listed(categories: Sequence[Category]) -> str:
    """Categories as a list in a sentence."""
    words = category_words()
    return _("、").join(words[one.value] for one in categories)


def kind_word(rules: Rules) -> str:
    """The kind of a round: whom it is for."""
    return listed(rules.concerns) if rules.concerns else _("全员")


def part_word(code: str) -> str:
    """An environment or a dimension by its name, as far as the product knows it; a code of a point as it is."""
    words = {
        "multimedia": _("多媒体教学环境"),
        "blended": _("混合学习环境"),
        "smart": _("智慧学习环境"),
        "learner_analysis": _("学情分析"),
        "teaching_design": _("教学设计"),
        "learning_guidance": _("学法指导"),
        "assessment": _("学业评价"),
    }
    return words.get(code, code)


def range_words(only: Sequence[str], names: Names | None = None) -> str:
    """What is left to choose from, as people read it. `names`: what the standard calls environments and dimensions."""
    return _("、").join(formats.told((names or {}).get(code)) or part_word(code) for code in only)


def typed_range(text: Any) -> tuple[str, ...]:
    """Codes of points, environments and dimensions from what people type: "混合学习环境、A3，评价" (names or codes).

    What is no name of the 2.0 standard stays as it was typed: a standard of one's own has its own codes and names, and
    `curate.as_spelt` knows them.
    """
    found: list[str] = []
    for listed in re.split("[,、;\n]+", unicodedata.normalize("NFKC", str(text))):
        words = listed.split()
        while words:
            # The longest name that begins here: names of several words are typed too.
            most = next((n for n in range(len(words), 0, -1) if " ".join(words[:n]).casefold() in _NAMES), 0)
            found.append(_NAMES[" ".join(words[:most]).casefold()] if most else _as_code(words[0]))
            del words[: most or 1]
    return tuple(dict.fromkeys(found))


def _as_code(word: str) -> str:
    return word.upper() if re.fullmatch("[a-z][0-9]{1,2}", word) else word


def values_of(rules: Rules) -> dict[str, Any]:
    """The settings as the form shows them."""
    found: dict[str, Any] = {name: name.removeprefix("for_") in rules.concerns for name in FLAGS}
    found |= dict.fromkeys(FIELDS, "")
    for own in rules.categories:
        numbers = {"points": own.required_points, "dimensions": own.min_dimensions, "target": own.target}
        hours = {"practice": own.practice_need_hundredths, "online": own.online_need_hundredths}
        said: dict[str, Any] = {name: number or "" for name, number in numbers.items()}
        said |= {name: "" if amount is None else formats.hours(amount) for name, amount in hours.items()}
        said["only"] = range_words(own.only)
        found |= {f"{name}_{own.category.value}": said[name] for name in OWN}
    return found


def parse(
    values: Mapping[str, Any], required: int, wrong: dict[str, Any]
) -> tuple[tuple[Category, ...], tuple[competencies.rules.CategoryRule, ...]]:
    """(whom it is for, what is otherwise for whom); what does not fit is named in `wrong`. `required`: of everybody."""
    ticked = tuple(one for one in Category if values[f"for_{one.value}"])
    found = []
    for one in Category:
        said = {name: str(values[f"{name}_{one.value}"]).strip() for name in OWN}
        if not any(said.values()):
            continue
        numbers = {name: _number(said[name], most, f"{name}_{one.value}", wrong) for name, most in MOST.items()}
        hours = {name: _amount(said[name], f"{name}_{one.value}", wrong) for name in ("practice", "online")}
        if (numbers["dimensions"] or 1) > (numbers["points"] or required):
            wrong[f"dimensions_{one.value}"] = "programme.dimensions_over_points"
        if wrong:
            continue
        found.append(
            competencies.rules.CategoryRule(
                category=one,
                required_points=numbers["points"],
                min_dimensions=numbers["dimensions"],
                only=typed_range(said["only"]),
                practice_need_hundredths=hours["practice"],
                online_need_hundredths=hours["online"],
                target=numbers["target"],
            )
        )
    return () if len(ticked) == len(Category) else ticked, tuple(found)


def _number(text: str, most: int, name: str, wrong: dict[str, Any]) -> int | None:
    typed = unicodedata.normalize("NFKC", text)
    if not typed:
        return None
    value = int(typed) if re.fullmatch("[0-9]{1,7}", typed) else 0
    if not 1 <= value <= most:
        wrong[name] = ("form.number", {"least": 1, "most": most})
    return value


def _amount(text: str, name: str, wrong: dict[str, Any]) -> int | None:
    if not text:
        return None
    amount = competencies.hundredths(text)
    if amount is None or amount > 100_000:
        wrong[name] = ("form.number", {"least": 0, "most": 1000})
    return amount


def words(rules: Rules, names: Names = MappingProxyType({})) -> list[str]:
    """Whom it is for, and what is otherwise for whom, each in a sentence; nothing where all are alike. `names`: as of
    `range_words`."""
    said = []
    if rules.concerns:
        said.append(_("只面向%(who)s。名单上是别的类别的人不算应参训，也不用选能力点。", who=listed(rules.concerns)))
    called = category_words()
    for own in rules.categories:
        if not rules.is_for(own.category):
            continue
        parts = []
        if own.required_points:
            parts.append(ngettext("选 %(n)s 个能力点", "选 %(n)s 个能力点", own.required_points, n=own.required_points))
        if own.min_dimensions:
            parts.append(_("来自至少 %(n)s 个维度", n=own.min_dimensions))
        if own.only:
            parts.append(_("只能选%(range)s里的", range=range_words(own.only, names)))
        if own.practice_need_hundredths is not None:
            parts.append(_("要修满实践应用 %(n)s 学时", n=formats.hours(own.practice_need_hundredths)))
        if own.online_need_hundredths is not None:
            parts.append(_("要修满网络研修 %(n)s 学时", n=formats.hours(own.online_need_hundredths)))
        if own.target:
            parts.append(_("目标是 %(n)s 人合格", n=own.target))
        between = "; " if formats.is_english() else "；"
        said.append(_("%(who)s：%(what)s。", who=called[own.category.value], what=between.join(parts)))
    return said
