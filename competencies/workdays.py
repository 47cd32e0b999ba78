"""Working days: what a 公示 is counted in. Days of a district as its people call them."""

from collections.abc import Collection
from datetime import date, timedelta


def is_workday(day: date, days_off: Collection[date], workdays: Collection[date]) -> bool:
    """Monday to Friday without the days off, and the weekend days on which people work (调休)."""
    return day in workdays or (day.weekday() < 5 and day not in days_off)


def last_workday(begun_on: date, number: int, days_off: Collection[date], workdays: Collection[date]) -> date:
    """The last of so many working days, counted from the day after the beginning (Civil Code of the PRC, article 201:
    the day on which a period begins is not counted).

    Raises ValueError where three years have not so many: no district and no programme may write so many days off.
    """
    left = number
    for ahead in range(1, 3 * 366):
        day = begun_on + timedelta(days=ahead)
        left -= is_workday(day, days_off, workdays)
        if not left:
            return day
    raise ValueError("no three years have so few working days")
