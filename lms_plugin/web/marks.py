"""Forms of marks: levels and reasons per criterion, as reviewers and trainers send them."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from markupsafe import escape

import rubrics
from lms_plugin.flow.review_views import CriterionView
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import reads, told

OwnWords = Mapping[str, Mapping[str, str]] | None

LEVEL, REASON = "m.", "r."
FOR_PEERS, FOR_ALL = (0, 2), (0, 1, 2)  # levels that ask for a reason: of reviewers; where every mark is explained


def first_error(items: Iterable[Any], errors: Container[str]) -> str:
    """The id on the page of the first criterion that is not right, as `ui.criterion` writes it; that of the
    reason on the whole where they are all right."""
    for line in (line for item in items for line in item.criteria):
        if line.field in errors:
            return f"c-{LEVEL}{line.field}" + ("" if line.level is None else "-reason")
    return "f-reason" if "reason" in errors else "main"


def drafts_of(form: Mapping[str, str]) -> dict[rubrics.MarkKey, rubrics.DraftMark]:
    """The marks of a form: "m.<item>.<criterion>" is a level, "r.<item>.<criterion>" its reason."""
    found: dict[rubrics.MarkKey, rubrics.DraftMark] = {}
    for name in form:
        if name.startswith((LEVEL, REASON)):
            item, _dot, criterion = name[len(LEVEL) :].partition(".")
            if not item or not criterion or len(item) > 64 or len(criterion) > 64:
                continue
            level = form.get(f"{LEVEL}{item}.{criterion}", "")
            found[rubrics.MarkKey(item, criterion)] = rubrics.DraftMark(
                int(level) if level in {"0", "1", "2"} else None,
                plain(form.get(f"{REASON}{item}.{criterion}", "")),
            )
    return found


def plain(text: str) -> str:
    """A reason as people type it: no control or direction characters that could hide or turn text around."""
    kept = "".join(
        ch for ch in text.replace("\r\n", "\n") if ch in "\n\t" or (ch.isprintable() and ch not in _DIRECTION)
    )
    return kept.strip()


_DIRECTION = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def level_word(level: int | None, is_validity: bool = False, own: OwnWords = None) -> str:
    """未达到, 合格, 优秀 of a criterion; 无效, 有效 of an item that is not core; "" for none.

    `own`: what the framework of the point calls its levels, where it has words of its own; below the lowest of them a
    criterion is 未达到 in any framework.
    """
    if level is None:
        return ""
    if is_validity:
        return str(_("有效") if level else _("无效"))
    if not level:
        return str(_("未达到"))
    return point_word(level, own)


def point_word(level: int | None, own: OwnWords = None) -> str:
    """不合格, 合格, 优秀 of an item or a point, or what its framework calls these (`own`); "" for none and
    for what is no level (an auditor also reads what was changed past the product)."""
    if level is None or level not in {0, 1, 2}:
        return ""
    if isinstance(own, Mapping):
        words = told(own.get(("fail", "pass", "excellent")[level]))
        if words:
            return words
    return str((_("不合格"), _("合格"), _("优秀"))[level])


def square_kind(level: int | None) -> str:
    """How a small square looks: below, pass, top, none."""
    return "none" if level is None else ("below", "pass", "top")[level]


def choices(
    line: CriterionView,
    own: OwnWords = None,
    *,
    with_words: Container[int] = (0,),
    languages: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """The levels of a criterion as `ui.criterion` takes them, lowest first. `with_words`: those that ask for a reason,
    so that its field is seen; below a pass always does. `languages`: further ones that its standard has, for
    who may read it in one of them; None for who decides by the official words."""
    found = []
    for level in line.choices:
        said = line.texts.get(level)
        text = escape(told(said)) if languages is None else reads(said, languages)
        if level == 1 and not text and not line.is_validity:
            text = escape(
                _("达到合格没有要求；只影响能否评优秀。") if not own else _("这一等没有要求；只影响能否评更高一等。")
            )
        found.append(
            {
                "value": str(level),
                "label": level_word(level, line.is_validity, own),
                "text": text,
                "below": level == 0,
                "why": level in with_words,
            }
        )
    return found
