"""Sentences for error codes, in both languages: `translations/messages/*.json`, one file a room."""

import json
from functools import cache
from importlib import resources
from typing import Any

from flask_babel import get_locale

from lms_plugin.errors import Invalid


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All codes: {code: {"zh": sentence, "en": sentence}}."""
    found: dict[str, dict[str, str]] = {}
    folder = resources.files("lms_plugin") / "translations" / "messages"
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".json"):
            found.update(json.loads(entry.read_text(encoding="utf-8")))
    return found


def sentence(code: str, params: dict[str, Any] | None = None, language: str | None = None) -> str:
    """The sentence of a code in the page's language; the bare code where none is known (a house-rule test fails).

    Words that are none of a host's but say why it could not be asked ("dns", "net.timeout") are put plainly too.
    """
    if language is None:
        locale = get_locale()
        language = "en" if locale is not None and locale.language == "en" else "zh"
    texts = catalogue().get(code)
    if texts is None:
        return code
    given = dict(params or {})
    why = catalogue().get(f"why.{str(given.get('words', '')).removeprefix('net.')}")
    if why is not None:
        given["words"] = why[language]
    try:
        said = texts[language].format(**given)
        return said.encode("utf-8", "replace").decode()  # a file may name what is no text: half a surrogate pair
    except (KeyError, IndexError, ValueError):
        return texts[language]


def field_errors(error: Invalid) -> dict[str, str]:
    """The sentences beside a form's fields."""
    found = {}
    for name, problem in error.fields.items():
        code, params = (problem, {}) if isinstance(problem, str) else problem
        found[name] = sentence(code, params)
    return found
