"""Words for what changed between two editions of a standard."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

import competencies
from lms_plugin.web import formats, marks
from lms_plugin.web.formats import gettext as _


def field_word(field: str, own: marks.OwnWords = None) -> str:
    """What a field is called. `own`: what the standard calls its levels."""
    words = {
        "title": _("名称"),
        "notice": _("提示"),
        "status": _("参考稿还是正式稿"),
        "name": _("名称"),
        "question": _("给教师的问题"),
        "summary": _("说明"),
        "environment": _("环境"),
        "dimension": _("维度"),
        "order": _("顺序"),
        "kind": _("形式"),
        "alt_kinds": _("也可以是"),
        "accept": _("文件类型"),
        "required": _("必交"),
        "core": _("核心：按等次评定"),
        "proposed": _("是建议（没有官方出处）"),
        "source": _("出处"),
        "max_minutes": _("最长几分钟"),
        "max_mb": _("最大几 MB"),
        "max_images": _("最多几张图片"),
        "max_files": _("最多几个文件"),
        "minutes_tolerance": _("超过几分钟以内只提醒评审员"),
        "min_students": _("至少几名学生"),
        "students_on_camera": _("需学生出镜"),
        "weight": _("权重"),
        "evidence_order": _("材料的顺序"),
        "criteria_order": _("评价标准的顺序"),
        "checks_order": _("核对的顺序"),
        "environment_order": _("环境的顺序"),
        "dimension_order": _("维度的顺序"),
        "level_order": _("等次的顺序"),
        "languages": _("其他语言"),
        "suggested_sets": _("一节课可以完成的组合"),
        "validity": _("怎样算有效"),
        "pass": marks.point_word(1, own),
        "excellent": marks.point_word(2, own),
    }
    return str(words.get(field, field))


def thing_word(kind: str) -> str:
    """What hangs on a standard or on an item of evidence, by its kind."""
    words = {
        "environment": _("环境"),
        "dimension": _("维度"),
        "level": _("等次的叫法"),
        "criterion": _("评价标准"),
        "check": _("提交前核对"),
        "evidence": _("材料"),
    }
    return str(words.get(kind, kind))


def text_word(text: competencies.languages.Text, own: marks.OwnWords = None) -> str:
    """What a text is that is to be translated. `own`: what the standard calls its levels."""
    if text.field == "name" and text.kind not in {"point"}:
        return thing_word(text.kind)
    return _("材料的名称") if text.kind == "evidence" and text.field == "title" else field_word(text.field, own)


def value_words(value: Any) -> str:
    """A value as people read it; all languages where any may have changed."""
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if value in (None, "", [], {}):
        return _("（空）")
    if isinstance(value, dict):
        official = [str(value[language]) for language in competencies.languages.OFFICIAL if value.get(language)]
        others = [_spoken(tag, value[tag]) for tag in formats.languages_in(value)]
        return Markup(" / ").join([*official, *others]) if others else " / ".join(official)
    if isinstance(value, list):
        return _("、").join(value_words(one) for one in value)
    if isinstance(value, float):
        return f"{value:g}"
    return kind_word(str(value))


def _spoken(tag: str, text: Any) -> Markup:
    """A text of a further language, with its tag before it and its own direction."""
    return Markup('{}: <span lang="{}" dir="auto">{}</span>').format(tag, tag, text)


def kind_word(kind: str) -> str:
    """A form of evidence or a kind of draft in words; anything else as it is."""
    words = {
        "document": _("文档"),
        "text": _("文字"),
        "image": _("图片"),
        "video": _("视频"),
        "audio": _("音频"),
        "link": _("网址"),
        "reference": _("参考稿"),
        "official": _("正式稿"),
    }
    return str(words.get(kind, kind))


def level_words(content: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What a standard calls its levels, by code; English only where the standard has it."""
    return {one["code"]: competencies.frameworks.words(one) for one in content["framework"]["levels"]}
