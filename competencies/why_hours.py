"""Why a point brought hours, or why it did not: told from the same rule by which hours are booked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from competencies.hours import HoursKind, HoursRule, practice_total
from competencies.levels import Level


class Why(StrEnum):
    """What became of a point's hours."""

    COUNTED = "counted"
    WAITING = "waiting"  # nothing released yet
    FAILED = "failed"
    TAKEN_BACK = "taken_back"
    SET_INCOMPLETE = "set_incomplete"  # the whole set counts at once, and is not complete
    BEYOND = "beyond"  # as many as count are there without it
    CAPPED = "capped"  # the most that a person can get is reached
    WORTH_NOTHING = "worth_nothing"  # the rule gives nothing for such a point
    HELD = "held"  # they wait for the person's own reviews
    MOVED = "moved"  # they counted here, and have left for another district since
    UNDONE = "undone"  # they came from elsewhere, and were taken back by themselves: the award stands


@dataclass(frozen=True, slots=True)
class PointState:
    """A chosen point: `level` None while nothing was released; `awarded_at` orders those that passed. `is_booked`: an
    entry of the ledger names its award, so it counted by the rule of its day, whatever the rule of now says."""

    level: Level | None
    awarded_at: datetime | None = None
    is_taken_back: bool = False
    is_booked: bool = False


def why_counted(
    rule: HoursRule,
    points: Sequence[PointState],
    set_booked_at: datetime | None = None,
    left_at: datetime | None = None,
    *,
    is_held: bool = False,
    is_undone: bool = False,
) -> list[Why]:
    """For each point, in the order given. Those that passed first count first, of `per_level` the better ones.

    `set_booked_at`: when hours of points were booked last: a set that was complete by a rule of then stays so.
    `left_at`: when the hours of points left for another district (they are not back); what passed until then went
    along. `is_held`: hours of points wait for the person's own reviews (`held_hours`). `is_undone`: all that points
    brought was taken back entry by entry, and their awards stand.
    """
    found = [_without_hours(point) for point in points]
    passed = [(place, point.level) for place, point in enumerate(points) if found[place] is None and point.level]
    passed.sort(key=lambda one: (points[one[0]].awarded_at is None, points[one[0]].awarded_at, one[0]))
    if rule.kind == HoursKind.PER_LEVEL:
        passed.sort(key=lambda one: -one[1])
    for number, (place, _level) in enumerate(passed):
        found[place] = _of_passed(rule, [level for _place, level in passed], number)
    whys = [
        _as_booked(why or Why.WAITING, point, set_booked_at, left_at, is_held=is_held)
        for why, point in zip(found, points, strict=True)
    ]
    return [Why.UNDONE if is_undone and why is Why.COUNTED else why for why in whys]


def _as_booked(
    why: Why, point: PointState, set_booked_at: datetime | None, left_at: datetime | None, *, is_held: bool
) -> Why:
    """What the ledger says beside the rule of now."""
    if point.level is None or point.level < Level.PASS or point.is_taken_back:
        return why
    is_of_set = why is Why.SET_INCOMPLETE and _by_then(point, set_booked_at)
    if point.is_booked or is_of_set:
        why = Why.COUNTED
    elif is_held and why is Why.COUNTED and not _by_then(point, set_booked_at):
        why = Why.HELD
    return Why.MOVED if why is Why.COUNTED and _by_then(point, left_at) else why


def _by_then(point: PointState, moment: datetime | None) -> bool:
    return moment is not None and point.awarded_at is not None and point.awarded_at <= moment


def _without_hours(point: PointState) -> Why | None:
    if point.is_taken_back:
        return Why.TAKEN_BACK
    if point.level is None:
        return Why.WAITING
    return Why.FAILED if point.level < Level.PASS else None


def _of_passed(rule: HoursRule, levels: Sequence[Level], number: int) -> Why:
    if rule.kind == HoursKind.PER_SET:
        if len(levels) < rule.required_points:
            return Why.SET_INCOMPLETE
        if number >= rule.required_points:
            return Why.BEYOND
        return Why.COUNTED if practice_total(rule, levels) else Why.WORTH_NOTHING
    before, after = practice_total(rule, levels[:number]), practice_total(rule, levels[: number + 1])
    if after > before:
        return Why.COUNTED
    if number >= rule.required_points and not rule.extra_points_count:
        return Why.BEYOND
    return Why.CAPPED if after >= rule.cap > 0 else Why.WORTH_NOTHING
