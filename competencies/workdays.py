"""Working days: what a 公示 is counted in. Days of a district as its people call them."""

from collections.abc import Collection
from datetime import date, timedelta


def is_workday(day: date, days_off: Collection[date], workdays: Collection[date]) -> bool:
    """Monday to Friday without the days off, and the weekend days on which people work (调休)."""
    return day in workdays or (day.weekday() < 5 and day not in days_off)


def last_workday(begun_on: date, number: int, days_off: Collection[date], workdays: Collection[date]) -> date:
    """The last of so many working days, counted from the day after the beginning (Civil Code of the PRC, article 201:
    the day on which a period begins is not counted).

    Raises ValueError where a year has not so many: the days off are a slip.
    """
    left = number
    for ahead in range(1, 367):
        day = begun_on + timedelta(days=ahead)
        left -= is_workday(day, days_off, workdays)
        if not left:
            return day
    raise ValueError("no year has so few working days")
