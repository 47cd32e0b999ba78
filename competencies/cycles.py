"""Totals of hours over a cycle of years (学时周期), whatever programme they come from.

By the district's rule: so many years, so many 学时, of which so much practice. The default is what the 2.0 plan asks:
at least 50 学时 in 5 years, at least half of them 实践应用. A year is one of the district's calendar.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from competencies.models import CreditKind
from competencies.programmes import end_of_day, start_of_day

MOST_YEARS = 20


@dataclass(frozen=True, slots=True)
class CycleRule:
    """A district's cycle. `first_year`: a year in which one began, or will. `need_hundredths`: of one 学时."""

    years: int = 5
    first_year: int = 2021
    need_hundredths: int = 50_00
    practice_percent: int = 50

    @property
    def practice_need_hundredths(self) -> int:
        """How much practice is needed: the share of the need, rounded up."""
        return -(-self.need_hundredths * self.practice_percent // 100)

    def cycle_of(self, year: int) -> tuple[int, int]:
        """The first and the last year of the cycle in which a year lies, also long before `first_year`."""
        first = year - (year - self.first_year) % self.years
        return first, first + self.years - 1

    def stored(self) -> dict[str, int]:
        """As a district keeps it."""
        return asdict(self)


def cycle_rule(stored: Mapping[str, Any] | None) -> CycleRule:
    """The rule that a district keeps; the default where it never said one."""
    return CycleRule(**stored) if stored else CycleRule()


@dataclass(frozen=True, slots=True)
class Counted:
    """An entry as a cycle counts it: `on` is the day on which the hours were earned, of the district's calendar. What
    takes hours back counts on the day of what it takes back."""

    kind: CreditKind
    hundredths: int
    on: date


@dataclass(frozen=True, slots=True)
class CycleTotal:
    """What somebody has in one cycle, in hundredths, and what they lack."""

    first_year: int
    last_year: int
    total_hundredths: int
    practice_hundredths: int
    lack_hundredths: int
    practice_lack_hundredths: int


def total_of(rule: CycleRule, year: int, total: int, practice: int) -> CycleTotal:
    """These sums held against the rule."""
    return CycleTotal(
        *rule.cycle_of(year),
        total,
        practice,
        max(0, rule.need_hundredths - total),
        max(0, rule.practice_need_hundredths - practice),
    )


def cycle_totals(rule: CycleRule, counted: Iterable[Counted], today: date) -> tuple[CycleTotal, ...]:
    """The cycles in which there is something, and the one of today; the newest first."""
    sums: dict[int, list[int]] = {rule.cycle_of(today.year)[0]: [0, 0]}
    for one in counted:
        found = sums.setdefault(rule.cycle_of(one.on.year)[0], [0, 0])
        found[0] += one.hundredths
        found[1] += one.hundredths if one.kind is CreditKind.PRACTICE else 0
    return tuple(total_of(rule, year, *sums[year]) for year in sorted(sums, reverse=True))


@dataclass(frozen=True, slots=True)
class Span:
    """One cycle as days and as moments (the second one is the first that lies outside)."""

    first_on: date
    last_on: date
    start_at: datetime
    end_at: datetime


def span_of(rule: CycleRule, today: date, timezone: str) -> Span:
    """The cycle of today in that time zone."""
    first, last = rule.cycle_of(today.year)
    first_on, last_on = date(first, 1, 1), date(last, 12, 31)
    return Span(first_on, last_on, start_of_day(first_on, timezone), end_of_day(last_on, timezone))
