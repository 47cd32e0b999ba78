"""What the JSON columns of an archive may hold: nothing of a row is believed, and of what is in its columns neither.

A page that reads a column later trusts its shape. So the shape is held against what the model says of the column, and
where it says "anything", against `_CLOSER`: what the readers of that column need. Keys that nobody here reads may be
there; what a value means (whether a code exists, whether a day was a workday) is not looked at.
"""

import functools
import math
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import JSON, Column

import competencies
from lms_plugin.db import Model

_Day = Annotated[str, AfterValidator(date.fromisoformat)]
_Kind = Annotated[str, AfterValidator(competencies.CreditKind)]
_Level = Annotated[int, Field(ge=0, le=2)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True)


class _Mark(_Shape):
    level: _Level | None
    reason: str


_Marks = dict[str, dict[str, _Mark]]
_ItemLevels = dict[str, _Level | None]


class _Before(_Shape):
    marks: _Marks
    item_levels: _ItemLevels
    point_level: _Level | None
    decided_by_id: int
    decided_at: str


class _Finding(_Shape):
    what: str
    where: str
    needle: str
    excerpt: str


class _Shortage(_Shape):
    submission: str
    short: int
    why: str


class _Line(_Shape):
    id: str
    row: int = 0
    programme: str
    kind: _Kind
    hundredths: int
    on: _Day
    of_points: bool
    back: bool


class _Point(_Shape):
    point: str
    level: _Level
    back: bool


class _Part(_Shape):
    title: str
    paper: str
    hours: dict[_Kind, int]
    per: int


class _Member(_Shape):
    name: str
    duty: Annotated[str, AfterValidator(competencies.plans.TeamDuty)]


class _Piece(_Shape):
    kind: str = ""
    name: str = ""
    url: str = ""
    sha256: str = ""


class _Item(_Shape):
    requirement: str
    pieces: list[_Piece] = []


class _Manifest(_Shape):
    items: list[_Item]


class _Confirmed(_Shape):
    by: int
    at: str


class _Taken(_Shape):
    blocks: list[str] = []
    points: dict[str, str] = {}
    return_code: str = ""


_CLOSER: dict[str, Any] = {
    "allocation.shortages": list[_Shortage],
    "appeal.before": _Before,
    "appeal_review.marks": _Marks,
    "arrival.taken": _Taken,
    "certificate.hours": dict[_Kind, int],
    "certificate.parts": list[_Part] | None,
    "competency_point.effort": competencies.pack_schema.EffortDef,
    "decision.item_levels": _ItemLevels,
    "decision.marks": _Marks,
    "evidence.parts": dict[str, str],
    "evidence_requirement.checks": list[competencies.pack_schema.Check],
    "evidence_requirement.limits": competencies.pack_schema.Limits,
    "export_layout.content": competencies.layouts.Layout | None,
    "framework_version.confirmed_points": dict[str, _Confirmed],
    "framework_version.content": competencies.Pack,
    "gold_item.agreed": _Marks,
    "holiday_year.days_off": list[_Day],
    "holiday_year.workdays": list[_Day],
    "programme_policy.rules": competencies.Rules,
    "reference_version.content": competencies.Reference,
    "school_plan.team": list[_Member],
    "stored_file.findings": list[_Finding],
    "submission.self_marks": dict[str, dict[str, _Level]],
    "submission.ticks": dict[str, list[str]],
    "submission_version.manifest": _Manifest,
    "submission_version.self_marks": dict[str, dict[str, _Level]],
    "transfer.lines": list[_Line],
    "transfer.points": list[_Point],
}
"""By column, where the model says less than its readers need."""


def read(column: Column[Any], value: Any) -> Any:
    """What a JSON column of an archive holds, as it is. Raises ValueError where no such column holds that."""
    _shape(f"{column.table.name}.{column.name}").validate_python(value)
    if not _may_be_kept(value):
        raise ValueError(column.name)
    return value


def is_json(column: Column[Any]) -> bool:
    """Whether what a column holds is looked at here."""
    return isinstance(column.type, JSON)


def closer(name: str) -> Any:
    """What the readers of a column ("decision.marks") need beyond what its model says; None where that is enough."""
    return _CLOSER.get(name)


def said_by_model(table: str, column: str) -> Any:
    """The type that a column has in its model."""
    models: Iterable[Any] = (one.class_ for one in Model._sa_registry.mappers)
    return next(one for one in models if one.__tablename__ == table).model_fields[column].annotation


@functools.cache
def _shape(name: str) -> TypeAdapter[Any]:
    wanted = closer(name) or said_by_model(*name.split("."))
    has_own_word = isinstance(wanted, type) and issubclass(wanted, BaseModel)
    return TypeAdapter(wanted, config=None if has_own_word else ConfigDict(strict=True))


def _may_be_kept(value: Any) -> bool:
    """No half surrogate pairs and no NUL in texts, no number that JSON does not know: each database keeps it, and
    each page can be sent."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str):
            if "\0" in one or (not one.isascii() and any("\ud800" <= letter <= "\udfff" for letter in one)):
                return False
        elif isinstance(one, float) and not math.isfinite(one):
            return False
    return True
