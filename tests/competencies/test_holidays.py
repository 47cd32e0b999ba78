"""放假安排: notices read as they stand, and a programme's own days beside the district's."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competencies.batches import last_day_of_notice
from competencies.holidays import HolidayYear, joined, read_notice, spans
from competencies.rules import Chain
from competencies.workdays import is_workday

NOTICE = """二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。\
2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
节假日期间，各地区、各部门要妥善安排好值班和安全、保卫等工作。
六、国庆节：9月30日至10月7日放假调休，共8天。９月２０日（周日）、10月10日（周六）上班。"""


def days(first: str, number: int) -> tuple[date, ...]:
    return tuple(date.fromisoformat(first) + timedelta(days=ahead) for ahead in range(number))


def test_a_notice_is_read_as_it_stands() -> None:
    found = read_notice(NOTICE, 2026)
    assert found.faults == ()
    assert found.days_off == (*days("2026-02-15", 9), *days("2026-04-04", 3), *days("2026-09-30", 8))
    assert [f"{day:%m-%d}" for day in found.workdays] == ["02-14", "02-28", "09-20", "10-10"]
    assert [line[:5] for line in found.unused] == ["节假日期间"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01 – 2026-10-07\n2026-10-10 上班",
        "2026-10-01~2026-10-07；2026-10-10 work",
        "放假：2026/10/1至10/7\n上班：10-10",
        "10.1-10.7 off\nwork 2026年10月10日",
        "10月1日到7号休\n10月10日work",
        "国办发明电 7号\n2026年部分节假日安排\n10月1号–7号放假，共7天，10月10日补班",
        "2026-10-01 to 2026-10-07 off 2026-10-10 working day",
    ],
)
def test_lines_are_read_however_they_are_typed(text: str) -> None:
    found = read_notice(text, 2026)
    assert (found.faults, found.days_off, found.workdays) == ((), days("2026-10-01", 7), days("2026-10-10", 1))


def test_a_year_begins_in_the_december_before() -> None:
    found = read_notice("2022年12月31日至2023年1月2日放假调休，共3天。", 2023)
    assert found.days_off == days("2022-12-31", 3)
    assert read_notice("12月31日至1月2日放假", 2022).days_off == days("2022-12-31", 3)


@pytest.mark.parametrize(
    ("text", "row", "code"),
    [
        ("元旦快乐", 0, "holiday.none"),
        ("1月1日放假\n20261001", 2, "holiday.unread"),
        ("2月30日放假", 1, "holiday.unread"),
        ("10月7日至1日放假", 1, "holiday.unread"),
        ("1月1日至12月31日放假", 1, "holiday.unread"),
        ("1月1日放假\n国务院办公厅\n2025年11月4日", 3, "holiday.other_year"),
        ("10月1日放假。10月10日调休", 1, "holiday.which"),
        ("10月1日至7日放假，10月7日上班", 0, "holiday.both"),
        ("1月1日至2月20日放假，3月1日至4月20日放假", 0, "holiday.many"),
        ("1月1日上班", 0, "holiday.none"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, row: int, code: str) -> None:
    assert [(fault.row, fault.code) for fault in read_notice(text, 2026).faults] == [(row, code)]


@settings(max_examples=40)
@given(st.text("0123456789年月日至-./~ 、，。放假上班调休（）\n", max_size=60))
def test_whatever_is_pasted_is_answered(text: str) -> None:
    found = read_notice(text, 2026)
    around = (date(2025, 12, 1), date(2027, 1, 31))
    assert all(around[0] <= day <= around[1] for day in (*found.days_off, *found.workdays))
    assert found.faults or (found.days_off and not set(found.days_off) & set(found.workdays))


some = st.sets(st.dates(date(2026, 9, 25), date(2026, 10, 20)), max_size=12)


@settings(max_examples=40)
@given(some, some, some, some)
def test_a_programmes_own_word_holds_for_its_days_and_the_districts_for_all_others(
    off: set[date], worked: set[date], own_off: set[date], own_worked: set[date]
) -> None:
    worked, own_worked = worked - off, own_worked - own_off
    row = HolidayYear(
        year=2026,
        days_off=[f"{day}" for day in off],
        workdays=[f"{day}" for day in worked],
        tenant_id=1,
        set_by_id=1,
        set_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    chain = joined(Chain(days_off=tuple(own_off), workdays=tuple(own_worked)), {2026: row})
    for day in days("2026-09-20", 40):
        named = day in own_off | own_worked
        said = is_workday(day, own_off, own_worked) if named else is_workday(day, off, worked)
        assert is_workday(day, chain.days_off, chain.workdays) is said
    assert {day for first, last in spans(off) for day in days(f"{first}", (last - first).days + 1)} == off


def test_however_many_days_are_off_a_notice_ends() -> None:
    """The most that a district may write of each year, and the most that a programme may."""
    years = {}
    for year in range(2026, 2032):
        weekdays = [day for day in days(f"{year}-01-01", 200) if day.weekday() < 5][:100]
        years[year] = HolidayYear(year=year, days_off=[f"{day}" for day in weekdays], workdays=[], set_by_id=1)
    own = [day for day in days("2026-01-01", 1000) if day.weekday() < 5 and f"{day}" not in years[day.year].days_off]
    chain = joined(Chain(publicity_days=30, days_off=tuple(own[:300])), years)
    assert last_day_of_notice(chain, date(2026, 1, 1)).year <= 2028
