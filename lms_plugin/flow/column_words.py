"""What stands in a host's gradebook: the names of our columns and the words beside scores, in the course's language.

No names of people: hosts log comments.
"""

from typing import Any

import lti

_WORDS: dict[str, dict[str, str]] = {
    "zh-Hans": {
        "points": "{title} 能力点",
        "hours": "{title} 学时",
        "of_points": "已认定能力点 {passed} 个，需要 {required} 个",
        "of_hours": "实践应用 {practice} 学时，网络研修 {online} 学时",
    },
    "en": {
        "points": "{title}: competency points",
        "hours": "{title}: credit hours",
        "of_points": "Competency points awarded: {passed}, needed: {required}",
        "of_hours": "Practice hours: {practice}, online hours: {online}",
    },
}


def label(title: str, kind: lti.LineItemKind, locale: str) -> str:
    """The name of a programme's column."""
    return _said(locale, kind.value, title=title)


def of_points(passed: int, required: int, locale: str) -> str:
    """The comment beside points."""
    return _said(locale, "of_points", passed=passed, required=required)


def of_hours(practice_hundredths: int, online_hundredths: int, locale: str) -> str:
    """The comment beside hours."""
    practice, online = f"{practice_hundredths / 100:g}", f"{online_hundredths / 100:g}"
    return _said(locale, "of_hours", practice=practice, online=online)


def language_of(kept: str, locale: str, *, is_instructor: bool) -> str:
    """A course's language after a launch in `locale` ("" = it said none of ours): an instructor's launch decides;
    before any of those came, the first one that says something."""
    return locale if locale and (is_instructor or not kept) else kept


def _said(locale: str, key: str, **facts: Any) -> str:
    return _WORDS.get(locale, _WORDS["zh-Hans"])[key].format(**facts)
