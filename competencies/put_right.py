"""What is booked where points were taken back or two rows of a person became one: each cycle of years is brought to
what the awards that stand have brought in it.

An entry of such an act says on which day it counts (`earned_on`), so hours leave the cycle in which they came, however
much later somebody takes them back. Within a cycle the days may differ; sums of cycles never do.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session

from competencies.cycles import CycleRule
from competencies.ledger import practice_steps
from competencies.models import Programme
from competencies.person_ledger import points_practice_by_day
from competencies.programmes import local_day
from competencies.rules import Category
from lms_plugin.db import pk


@dataclass(frozen=True, slots=True)
class Dated:
    """Hundredths that count on that day of the district's calendar; below zero where they are taken back."""

    hundredths: int
    on: date


def differences(rule: CycleRule, due: Iterable[Dated], stands: Iterable[Dated]) -> list[Dated]:
    """What has to be booked so that in each cycle there is what is due in it: one amount for each cycle that differs,
    the oldest first, on the newest day of that cycle on which hours came (or, failing that, were taken back)."""
    sums: dict[int, int] = {}
    days: dict[int, date] = {}
    for sign, lines in ((1, list(due)), (-1, list(stands))):
        for line in sorted(lines, key=lambda one: (one.hundredths > 0, one.on)):
            cycle = rule.cycle_of(line.on.year)[0]
            sums[cycle] = sums.get(cycle, 0) + sign * line.hundredths
            days[cycle] = line.on
    return [Dated(sums[cycle], days[cycle]) for cycle in sorted(sums) if sums[cycle]]


def practice_differences(
    session: Session,
    programme: Programme,
    person_ids: Collection[int],
    rule: CycleRule,
    timezone: str,
    category_of: Callable[[], Category | None],
) -> list[Dated]:
    """`differences` of the practice hours that points brought these rows of one human being in a programme. Four
    queries, and that of `category_of` as in `practice_steps`."""
    steps = practice_steps(session, programme, person_ids, category_of)
    stands = points_practice_by_day(session, pk(programme), person_ids, timezone)
    return differences(
        rule,
        [Dated(step.hundredths, local_day(step.at, timezone)) for step in steps],
        [Dated(hundredths, on) for hundredths, on in stands],
    )
