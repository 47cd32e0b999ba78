"""What passed points are worth in practice hours (实践应用学时), in integer hundredths of a 学时.

25 hours over 3 points cannot be 3 equal shares, so rules speak of running totals, and entries are differences.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from competencies.levels import Level
from lms_plugin.errors import Invalid

MOST_HUNDREDTHS = 100_000_00  # 100 000 学时: beyond any rule, far inside 32-bit integers

_TYPED = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,2}))?")


def hundredths(text: str) -> int | None:
    """学时 as people type them ("2.5", "２．５"; two decimals at most) as hundredths; None for anything else."""
    found = _TYPED.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found is not None else None


def credit_points(hundredths: int, per_hundredths: int) -> int:
    """学分 in hundredths, rounded down, where `per_hundredths` of a 学时 make one; 0 where nobody said how many do (the
    rate differs by province, competency.md 3.4)."""
    return max(0, hundredths) * 100 // per_hundredths if per_hundredths else 0


class HoursKind(StrEnum):
    """How passed points turn into hours."""

    PER_SET = "per_set"
    PER_POINT_CUMULATIVE = "per_point_cumulative"
    PER_LEVEL = "per_level"


@dataclass(frozen=True, slots=True)
class HoursRule:
    """A programme's hours rule. All amounts are hundredths of a 学时.

    `practice_hundredths` is N, `required_points` is k. `pass_hundredths` and `excellent_hundredths` matter for
    `per_level` alone. `cap_hundredths` None means N. `extra_points_count` lets `per_level` pay more points than are
    required (up to the cap); by default only the best k count. The two needs are what the person's totals of
    实践应用 and 网络研修 are each held against. Raises Invalid naming the field.
    """

    kind: HoursKind = HoursKind.PER_SET
    practice_hundredths: int = 25_00
    required_points: int = 3
    pass_hundredths: int = 0
    excellent_hundredths: int = 0
    cap_hundredths: int | None = None
    extra_points_count: bool = False
    practice_need_hundredths: int = 25_00
    online_need_hundredths: int = 25_00

    def __post_init__(self) -> None:
        amounts = {
            "practice_hundredths": self.practice_hundredths,
            "pass_hundredths": self.pass_hundredths,
            "excellent_hundredths": self.excellent_hundredths,
            "cap_hundredths": self.cap,
            "practice_need_hundredths": self.practice_need_hundredths,
            "online_need_hundredths": self.online_need_hundredths,
        }
        wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
        if self.kind not in tuple(HoursKind):
            wrong["kind"] = "hours.kind_unknown"
        for name, amount in amounts.items():
            if not 0 <= amount <= MOST_HUNDREDTHS:
                wrong[name] = ("hours.amount_out_of_range", {"most": MOST_HUNDREDTHS // 100})
        if self.required_points < 1:
            wrong["required_points"] = "hours.required_points_low"
        if self.excellent_hundredths < self.pass_hundredths:
            # Otherwise a better level would take hours away.
            wrong.setdefault("excellent_hundredths", "hours.excellent_below_pass")
        if wrong:
            raise Invalid(wrong)
        object.__setattr__(self, "kind", HoursKind(self.kind))  # a rule read back from JSON is the same rule

    @property
    def cap(self) -> int:
        """The most a person can get under this rule, in hundredths."""
        return self.practice_hundredths if self.cap_hundredths is None else self.cap_hundredths


def practice_total(rule: HoursRule, passed_levels: Sequence[Level]) -> int:
    """Hundredths that the passed points are worth in all; levels below pass count for nothing, order is no matter.

    per_set: N once the required points have all passed. per_point_cumulative: the j-th pass brings the total to
    round(N·j/k), halves up, so that the last makes exactly N. per_level: the amounts of the best k points.
    Never more than the cap.
    """
    levels = sorted((level for level in passed_levels if level >= Level.PASS), reverse=True)
    required = rule.required_points
    if rule.kind == HoursKind.PER_SET:
        total = rule.practice_hundredths if len(levels) >= required else 0
    elif rule.kind == HoursKind.PER_POINT_CUMULATIVE:
        passed = min(len(levels), required)
        total = (2 * rule.practice_hundredths * passed + required) // (2 * required)
    else:
        paid = levels if rule.extra_points_count else levels[:required]
        total = sum(rule.excellent_hundredths if level == Level.EXCELLENT else rule.pass_hundredths for level in paid)
    return min(total, rule.cap)


def entries_due(rule: HoursRule, already_credited_hundredths: int, levels: Sequence[Level]) -> int:
    """Hundredths of the one ledger entry that brings the credited total up to what `levels` are worth.

    Zero: write nothing. Never negative: hours that are booked stay when the rule is lowered afterwards.
    """
    return max(0, practice_total(rule, levels) - already_credited_hundredths)


@dataclass(frozen=True, slots=True)
class RuleSince:
    """From this moment on, until the next one, this rule held (None: one that never brought anybody anything)."""

    since: datetime
    rule: HoursRule | None


@dataclass(frozen=True, slots=True)
class Passed:
    """A point was awarded at that moment."""

    at: datetime
    point_id: int
    level: Level


@dataclass(frozen=True, slots=True)
class Step:
    """So many hundredths came at that moment, by a pass or by a new rule."""

    at: datetime
    hundredths: int


def booked_steps(rules: Sequence[RuleSince], passes: Sequence[Passed], came: Sequence[Step] = ()) -> list[Step]:
    """What stands booked for these passes, had there never been any others, and when it came.

    Told over again from the first pass: each pass and each new rule brought the total up to what the rule of that day
    said, and nothing ever brought it down. So a pass that is taken back takes back exactly what it brought. The first
    rule holds from the beginning; where a rule changes in the very moment of a pass, the better of the two counts.
    `came`: hours that came from elsewhere for points held here; a rule brings only what is more than those.
    """
    total, steps = 0, []
    timeline = sorted(rules, key=lambda one: one.since)
    moments = {one.at for one in passes} | {one.at for one in came} | {one.since for one in timeline}
    for moment in sorted(moments):
        total += sum(one.hundredths for one in came if one.at == moment)
        held: dict[int, Level] = {}
        for one in sorted(passes, key=lambda one: one.at):
            if one.at <= moment:
                held[one.point_id] = max(one.level, held.get(one.point_id, one.level))
        before = [one.rule for one in timeline if one.since < moment][-1:] or [one.rule for one in timeline[:1]]
        reached = [total]
        for rule in [*before, *(one.rule for one in timeline if one.since == moment)]:
            if rule is not None:
                reached.append(practice_total(rule, list(held.values())))
        if max(reached) > total:
            steps.append(Step(moment, max(reached) - total))
            total = max(reached)
    return steps
