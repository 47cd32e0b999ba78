"""The result of a person in a programme, as officer page, sheet and gradebook use it."""

from collections.abc import Sequence
from enum import StrEnum

from competencies.levels import Level
from lms_plugin.errors import Invalid


class Result(StrEnum):
    """合格, 优秀, 未完成, 不合格."""

    PASSED = "passed"
    EXCELLENT = "excellent"
    UNFINISHED = "unfinished"
    FAILED = "failed"


def person_result(
    levels: Sequence[Level],
    required: int,
    excellent_needed: int | None = None,
    hours_ok: bool | None = None,
    is_closed: bool = False,
    *,
    meets_rule: bool,
) -> Result:
    """The result from the released levels of the person's points (one per point, the latest).

    合格: at least `required` points are at least 合格, together they are what the choice rule wants (`meets_rule`, see
    `choosing.meets`) and, where the programme asks for hours, `hours_ok` is True (None: hours are not asked for).
    优秀: besides, at least `excellent_needed` of them are 优秀 (None: all required).
    Otherwise 未完成 while the programme is open and 不合格 after closing. A failed point alone decides nothing while
    the programme is open: it can be redone or replaced. Raises Invalid when the two numbers make no sense.
    """
    if required < 1:
        raise Invalid({"required_points": "choice.required_points_low"})
    needed = required if excellent_needed is None else excellent_needed
    if not 1 <= needed <= required:
        raise Invalid({"excellent_needed": ("result.excellent_needed_out_of_range", {"most": required})})
    passed = sum(level >= Level.PASS for level in levels)
    if passed < required or not meets_rule or hours_ok is False:
        return Result.FAILED if is_closed else Result.UNFINISHED
    excellent = sum(level == Level.EXCELLENT for level in levels)
    return Result.EXCELLENT if excellent >= needed else Result.PASSED
