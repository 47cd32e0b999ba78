"""The columns of a framework as a table: one row for each thing, the kind of thing in the first column."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from competencies.exchange.fields import FOREIGN, NUMBER, WORD_LIST, WORDS, YES_NO, Field

HEADS: dict[str, tuple[str, str]] = {
    "row": ("行", "row"),
    "point": ("能力点", "point"),
    "item": ("材料", "item"),
    "code": ("编号", "code"),
    "name": ("名称", "name"),
    "name_en": ("英文名称", "name in English"),
    "environment": ("环境", "environment"),
    "dimension": ("维度", "dimension"),
    "question": ("给教师的问题", "question"),
    "question_en": ("英文问题", "question in English"),
    "about": ("说明", "about"),
    "about_en": ("英文说明", "about in English"),
    "pass": ("合格", "pass"),
    "pass_en": ("英文合格", "pass in English"),
    "excellent": ("优秀", "excellent"),
    "excellent_en": ("英文优秀", "excellent in English"),
    "order": ("顺序", "order"),
    "kind": ("形式", "kind"),
    "alt_kinds": ("也可以是", "other kinds"),
    "accept": ("文件类型", "file types"),
    "required": ("必交", "required"),
    "core": ("核心", "core"),
    "minutes": ("最长分钟", "most minutes"),
    "megabytes": ("最大MB", "most MB"),
    "proposed": ("建议", "proposed"),
    "source": ("出处", "source"),
    "rest": ("其他", "rest"),
}
"""Key of a column: its name in Chinese and in English; a header holds both ("编号 code") and either is understood."""


class Kind(NamedTuple):
    """A kind of row: its name in both languages and where the cells of its columns stand in the pack."""

    zh: str
    en: str
    fields: dict[str, Field]


def _zh_en(stem: str) -> dict[str, Field]:
    return {"name": Field((f"{stem}zh",), WORDS), "name_en": Field((f"{stem}en",), WORDS)}


_CODE = Field(("code",), WORDS)
_KEY = Field(("key",), WORDS)

KINDS: dict[str, Kind] = {
    "file": Kind("文件", "file", {"code": Field(("schema",), WORDS)}),
    "framework": Kind(
        "标准",
        "framework",
        {
            "code": Field(("id",), WORDS),
            **_zh_en("title_"),
            "about": Field(("notice_zh",), WORDS),
            "about_en": Field(("notice_en",), WORDS),
            "kind": Field(("status",), WORDS),
        },
    ),
    "level": Kind("等次", "level", {"code": _CODE, **_zh_en(""), "order": Field(("rank",), NUMBER)}),
    "environment": Kind("环境", "environment", {"code": _CODE, **_zh_en("")}),
    "dimension": Kind("维度", "dimension", {"code": _CODE, **_zh_en("")}),
    "point": Kind(
        "能力点",
        "point",
        {
            "code": _CODE,
            **_zh_en("name_"),
            "environment": Field(("environment",), WORDS),
            "dimension": Field(("dimension",), WORDS),
            "question": Field(("question_zh",), WORDS),
            "question_en": Field(("question_en",), WORDS),
            "about": Field(("summary_zh",), WORDS),
            "about_en": Field(("summary_en",), WORDS),
            "order": Field(("order",), NUMBER),
        },
    ),
    "evidence": Kind(
        "材料",
        "evidence",
        {
            "code": _KEY,
            **_zh_en("title_"),
            "about": Field(("validity", "zh"), WORDS),
            "about_en": Field(("validity", "en"), WORDS),
            "kind": Field(("kind",), WORDS),
            "alt_kinds": Field(("alt_kinds",), WORD_LIST),
            "accept": Field(("accept",), WORD_LIST),
            "required": Field(("required",), YES_NO),
            "core": Field(("core",), YES_NO),
            "minutes": Field(("limits", "max_minutes"), NUMBER),
            "megabytes": Field(("limits", "max_mb"), NUMBER),
            "proposed": Field(("proposed",), YES_NO),
            "source": Field(("source",), WORDS),
        },
    ),
    "check": Kind("检查", "check", {"code": _KEY, **_zh_en("")}),
    "criterion": Kind(
        "评价标准",
        "criterion",
        {
            "code": _KEY,
            "pass": Field(("levels", "pass", "zh"), WORDS),
            "pass_en": Field(("levels", "pass", "en"), WORDS),
            "excellent": Field(("levels", "excellent", "zh"), WORDS),
            "excellent_en": Field(("levels", "excellent", "en"), WORDS),
            "proposed": Field(("proposed",), YES_NO),
            "source": Field(("source",), WORDS),
        },
    ),
}

TRANSLATED: dict[str, dict[str, str]] = {
    "framework": {"name": "title", "about": "notice"},
    "level": {"name": "name"},
    "environment": {"name": "name"},
    "dimension": {"name": "name"},
    "point": {"name": "name", "question": "question", "about": "summary"},
    "evidence": {"name": "title", "about": "validity"},
    "check": {"name": "name"},
    "criterion": {"pass": "pass", "excellent": "excellent"},
}
"""By kind of row: the columns that further languages have too, and what their text is called in the pack
(`competencies.languages.FIELDS`)."""

TRANSLATABLE = ("name", "question", "about", "pass", "excellent")


def column_of(column: str, tag: str) -> str:
    """The key of a column in a further language."""
    return f"{column}:{tag}"


def heads_with(tags: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The columns of a standard with these further languages: "名称 (ug)" stands after the last text in English."""
    found: dict[str, tuple[str, str]] = {}
    for key, (zh, en) in HEADS.items():
        found[key] = (zh, en)
        if key == "excellent_en":
            for tag in tags:
                for column in TRANSLATABLE:
                    own, english = HEADS[column]
                    found[column_of(column, tag)] = (f"{own} ({tag})", f"{english} ({tag})")
    return found


def kinds_with(tags: Iterable[str]) -> Mapping[str, Kind]:
    """The kinds of rows with their columns in these further languages."""
    listed = tuple(tags)
    return {
        name: kind._replace(
            fields={
                **kind.fields,
                **{
                    column_of(column, tag): Field(("translations", tag, field), FOREIGN)
                    for column, field in TRANSLATED.get(name, {}).items()
                    for tag in listed
                },
            }
        )
        for name, kind in KINDS.items()
    }


CONTINUED = Kind("续", "continued", {})
"""A row whose last cell goes on with the last cell of the row above it, which was too long for one cell."""

REFERENCE_HEADS: dict[str, tuple[str, str]] = {
    "row": HEADS["row"],
    "parent": ("上级", "parent"),
    "code": HEADS["code"],
    "name": HEADS["name"],
    "name_en": HEADS["name_en"],
    "kind": HEADS["kind"],
    "level": ("等次", "level"),
    "order": HEADS["order"],
    "language": ("原文语言", "language"),
    "short": ("简称", "short name"),
    "number": ("文号", "number"),
    "publisher": ("发布单位", "publisher"),
    "year": ("年份", "year"),
    "url": ("网址", "url"),
    "licence": ("许可", "licence"),
    "licence_url": ("许可网址", "licence url"),
    "credit": ("署名", "credit"),
    "about": HEADS["about"],
    "about_en": HEADS["about_en"],
    "source": HEADS["source"],
    "rest": HEADS["rest"],
}
"""The columns of a reference framework. Its column 上级 tells it from a standard."""

REFERENCE_KINDS: dict[str, Kind] = {
    "file": KINDS["file"],
    "framework": Kind(
        "标准",
        "framework",
        {
            "code": Field(("id",), WORDS),
            **_zh_en("title_"),
            "about": Field(("notice_zh",), WORDS),
            "about_en": Field(("notice_en",), WORDS),
            "year": Field(("year",), NUMBER),
            **{
                name: Field((name,), WORDS)
                for name in ("language", "short", "number", "publisher", "url", "licence", "licence_url", "credit")
            },
        },
    ),
    "level": KINDS["level"],
    "item": Kind(
        "条目",
        "item",
        {
            "code": _CODE,
            **_zh_en(""),
            **{name: Field((name,), WORDS) for name in ("parent", "kind", "level", "source")},
        },
    ),
}
