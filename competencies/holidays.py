"""放假安排: the days off and the make-up working days of a year, as a district wrote them once for all programmes.

They come from the notice of the State Council's office, a year at a time; nothing ships with the product. Rows are only
added, and of a year the newest holds, so that it can be told who wrote what when. A programme's own days
(`Chain.days_off`, `Chain.workdays`) hold for the days that they name, whatever the district wrote of them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, Session, col, select

from competencies.rules import Chain
from lms_plugin.db import Owned

MOST_OFF, MOST_WORKED, LONGEST_SPAN = 100, 60, 60
FIRST_YEAR, LAST_YEAR = 2020, 2100
_AROUND = timedelta(days=31)
"""How far a year's notice reaches into the years beside it: 元旦 begins on 31 December now and then."""


class HolidayYear(Owned, table=True):
    """What somebody of a district's office wrote of one year. `days_off` holds weekends too where the notice names
    them; `workdays` are the weekend days on which people work (调休)."""

    __tablename__ = "holiday_year"
    __table_args__ = (Index("ix_holiday_year_of", "tenant_id", "year"),)
    id: int | None = Field(default=None, primary_key=True)
    year: int
    days_off: list[str] = Field(sa_type=JSON)  # ISO days, in order
    workdays: list[str] = Field(sa_type=JSON)
    set_by_id: int = Field(foreign_key="person.id")
    set_at: datetime


def holding(session: Session, tenant_id: int) -> dict[int, HolidayYear]:
    """Year → what a district wrote of it last, the first year first: one query."""
    rows = session.exec(select(HolidayYear).where(HolidayYear.tenant_id == tenant_id).order_by(col(HolidayYear.id)))
    found = {row.year: row for row in rows}
    return {year: found[year] for year in sorted(found)}


def joined(chain: Chain, years: Mapping[int, HolidayYear]) -> Chain:
    """The stages of a programme with the district's days put in: for a day that the programme names itself, its word
    holds; of two years that name one day, that of the later year."""
    off, worked = set[date](), set[date]()
    for row in years.values():
        theirs, made_up = set(map(date.fromisoformat, row.days_off)), set(map(date.fromisoformat, row.workdays))
        off, worked = (off - made_up) | theirs, (worked - theirs) | made_up
    own_off, own_worked = set(chain.days_off), set(chain.workdays)
    return chain.model_copy(
        update={
            "days_off": tuple(sorted((off - own_worked) | own_off)),
            "workdays": tuple(sorted((worked - own_off) | own_worked)),
        }
    )


# --- reading what somebody pasted ---


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line (from 1; 0 = the whole list)."""

    row: int
    code: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Notice:
    """The days of a pasted list, in order; lines in which no day is named; and faults, with which nothing is kept."""

    days_off: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    unused: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


_DAY = r"(?<!\d)(?:(\d{4})\s*[年./-]\s*)?(\d{1,2})\s*[月./-]\s*(\d{1,2})(?!\d)\s*[日号]?"
_TOKEN = re.compile(
    rf"(?P<first>{_DAY})(?:\s*(?:至|到|to\b|[-~–—―]+)\s*(?:(?P<last>{_DAY})|(?P<same_month>\d{{1,2}})\s*[日号]))?"
    r"|(?P<worked>上班|补班|班|(?<![a-z])work[a-z]*)|(?P<off>放假|休息|休假|休|(?<![a-z])(?:off|holidays?)(?![a-z]))",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(\[〔【][^()\[\]〔〕【】]*[)\]〕】]")
_COUNTS = re.compile(r"\d+\s*(?:天|days?\b)|\d{4}\s*年(?!\s*\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"\d+\s*号")  # of a paper, where no day is near


def read_notice(text: str, year: int) -> Notice:
    """The days that a pasted notice names: its sentences as they stand ("10月1日至7日放假，共7天。10月10日上班。"), or
    lines such as "2026-10-01 – 2026-10-07" and "2026-10-10 上班". Days without a year are of `year`; a day of which
    nobody says what it is, is off."""
    off, worked = set[date](), set[date]()
    unused: list[str] = []
    faults: list[Fault] = []
    for row, line in enumerate(unicodedata.normalize("NFKC", text).splitlines(), start=1):
        named = False
        for sentence in re.split("[。;]", _IN_BRACKETS.sub(" ", line)):
            try:
                for first, last, is_worked in _spans(sentence, year):
                    named = True
                    days = {first + timedelta(days=ahead) for ahead in range((last - first).days + 1)}
                    (worked if is_worked else off).update(days)
            except _Unread as wrong:
                named = True
                faults.append(Fault(row, wrong.code, {"text": line.strip()[:60], "year": year}))
                break
        if line.strip() and not named:
            unused.append(line.strip()[:100])
    if not faults:
        faults = list(_of_all(off, worked))
    return Notice(tuple(sorted(off)), tuple(sorted(worked)), tuple(unused), tuple(faults))


class _Unread(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _of_all(off: set[date], worked: set[date]) -> Iterator[Fault]:
    """What is wrong with the list as a whole."""
    if not off:
        yield Fault(0, "holiday.none", {})
    if both := sorted(off & worked):
        yield Fault(0, "holiday.both", {"day": both[0].isoformat()})
    if len(off) > MOST_OFF or len(worked) > MOST_WORKED:
        yield Fault(0, "holiday.many", {"off": MOST_OFF, "worked": MOST_WORKED})


def _spans(sentence: str, year: int) -> Iterator[tuple[date, date, bool]]:
    """(first, last, whether people work) of what a sentence names. A word ("上班") speaks of the days before it, or of
    those after it where none stand before. Raises _Unread."""
    found = list(_TOKEN.finditer(sentence.replace("调休", "")))
    names_days = any(one["first"] for one in found)
    rest = _COUNTS.sub("", _TOKEN.sub("", sentence))
    if re.search(r"\d", rest if names_days else _NUMBERED.sub("", rest)):
        raise _Unread("holiday.unread")
    if "调休" in sentence and names_days and all(one["first"] for one in found):
        raise _Unread("holiday.which")
    leading: bool | None = None
    waiting: list[tuple[date, date]] = []
    for one in found:
        if one["first"]:
            span = _span(one, year)
            if leading is None:
                waiting.append(span)
            else:
                yield *span, leading
            continue
        is_worked = one["worked"] is not None
        if waiting:
            yield from ((*span, is_worked) for span in waiting)
            waiting = []
        else:
            leading = is_worked
    yield from ((*span, False) for span in waiting)


def _span(one: re.Match[str], year: int) -> tuple[date, date]:
    """The first and the last day that a match names. Raises _Unread."""
    groups = one.groups()
    first_year, first_month, first_day = groups[1:4]
    last_year, last_month, last_day = groups[5:8]
    try:
        first = date(int(first_year or year), int(first_month), int(first_day))
        last = first
        if one["same_month"]:
            last = first.replace(day=int(one["same_month"]))
        elif one["last"]:
            last = date(int(last_year or first.year), int(last_month), int(last_day))
            if last < first and not last_year:
                last = last.replace(year=last.year + 1)
    except ValueError as error:
        raise _Unread("holiday.unread") from error
    if not 0 <= (last - first).days < LONGEST_SPAN:
        raise _Unread("holiday.unread")
    if first < date(year, 1, 1) - _AROUND or last > date(year, 12, 31) + _AROUND:
        raise _Unread("holiday.other_year")
    return first, last


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days in rows: each a first and a last one, all days between which are there."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
