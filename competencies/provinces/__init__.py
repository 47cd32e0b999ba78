"""Settings files: what public papers of a province say of a programme's rules, each line with its source.

A file holds nothing else: what no source says is at the product's default, and the pages say so.
"""

from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from competencies.layouts import Layout
from competencies.rules import Rules
from lms_plugin.errors import NotFound


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Name(_Part):
    """A name in both languages."""

    zh: str
    en: str


class Fact(_Part):
    """A sentence of a source that no setting says."""

    zh: str
    en: str
    source: str


class Line(Fact):
    """One setting as a source has it. `setting`: its place in the rules, such as "hours.online_need_hundredths"."""

    setting: str
    value: bool | int | str | tuple[str, ...]


class SettingsFile(_Part):
    """One province. `sources`: what the marks of its lines stand for; `exports`: forms of sheets that it asks for."""

    code: str
    name: Name
    sources: dict[str, str]
    lines: tuple[Line, ...]
    facts: tuple[Fact, ...]
    exports: tuple[Layout, ...] = ()

    @model_validator(mode="after")
    def _stands(self) -> "SettingsFile":
        for one in (*self.lines, *self.facts):
            if one.source not in self.sources:
                raise ValueError(f"{self.code}: no source {one.source}")
        rules = self.rules()
        for line in self.lines:
            if value_at(rules, line.setting) != line.value:
                raise ValueError(f"{self.code}: {line.setting} is not {line.value!r}")
        return self

    def rules(self) -> Rules:
        """The rules that a programme begins with, with what the file says in its places."""
        found: dict[str, Any] = {**Rules.begun().model_dump(), "settings": self.code}
        for line in self.lines:
            *parts, last = line.setting.split(".")
            place = found
            for part in parts:
                place = place.setdefault(part, {})
            place[last] = line.value
        return Rules.model_validate(found)


def value_at(rules: Rules, setting: str) -> Any:
    """What stands at a place of the rules. Raises AttributeError where there is none."""
    found: Any = rules
    for part in setting.split("."):
        found = getattr(found, part)
    return found


ORDER: tuple[Literal["hunan", "hebei", "henan", "sichuan"], ...] = ("hunan", "hebei", "henan", "sichuan")


@cache
def load(code: str) -> SettingsFile:
    """A file that comes with the product. Raises NotFound (`settings.not_shipped`) for any other code."""
    if code not in ORDER:
        raise NotFound("settings.not_shipped", name=code)
    return SettingsFile.model_validate_json(resources.files(__name__).joinpath(f"{code}.json").read_bytes())


def every() -> tuple[SettingsFile, ...]:
    """All of them, in the order in which pages offer them."""
    return tuple(load(code) for code in ORDER)
