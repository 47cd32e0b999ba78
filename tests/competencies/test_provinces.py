"""The settings files hold what a source says and nothing else; rules from before a setting came are the same rules."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from competencies import Rules, packs, provinces
from competencies.provinces import SettingsFile, value_at
from lms_plugin.errors import NotFound

SAID: dict[str, dict[str, Any]] = {
    "hunan": {},
    "hebei": {"choice.points_in_paper": 30},
    "henan": {"choice.points_in_paper": 29, "goal_percent": 90},
    "sichuan": {
        "choice.points_in_paper": 30,
        "hours.practice_need_hundredths": 30_00,
        "hours.online_need_hundredths": 20_00,
    },
}


def flat(rules: BaseModel, before: str = "") -> dict[str, Any]:
    """Each setting by its place."""
    found: dict[str, Any] = {}
    for name, value in rules:
        found |= flat(value, f"{before}{name}.") if isinstance(value, BaseModel) else {before + name: value}
    return found


@pytest.mark.parametrize("code", provinces.ORDER)
def test_a_file_says_what_its_sources_say_and_the_rest_is_default(code: str) -> None:
    file, default = provinces.load(code), flat(Rules.begun())
    assert {line.setting: line.value for line in file.lines} == SAID[code]
    assert flat(file.rules()) == {**default, **SAID[code], "settings": code}
    for one in (*file.lines, *file.facts):
        assert file.sources[one.source]
        assert one.zh
        assert one.en


def test_only_henan_has_a_point_to_be_named() -> None:
    shipped = len(packs.load("framework_2_0").points)
    differing = [one.code for one in provinces.every() if one.rules().choice.points_in_paper not in (0, shipped)]
    assert differing == ["henan"]


def test_a_file_that_says_what_is_no_setting_is_refused() -> None:
    good = provinces.load("sichuan").model_dump()
    for change in (
        {"setting": "hours.of_sleep"},
        {"setting": "choice.points_in_paper", "value": "thirty"},
        {"source": "S99"},
    ):
        lines = [{**good["lines"][0], **change}]
        with pytest.raises(ValidationError):
            SettingsFile.model_validate({**good, "lines": lines})
    with pytest.raises(NotFound):
        provinces.load("../secrets")


def test_rules_from_before_a_setting_came_are_the_same_rules() -> None:
    stored = Rules().canonical()
    assert not {"not_offered", "points_in_paper"} & set(stored["choice"])
    assert "settings" not in stored
    assert Rules.model_validate(stored) == Rules()
    changed = Rules.model_validate({"choice": {"not_offered": ["A12"]}, "settings": "henan"})
    assert Rules.model_validate(changed.canonical()) == changed
    assert changed.content_hash() != Rules().content_hash()
    assert value_at(changed, "choice.not_offered") == ("A12",)
