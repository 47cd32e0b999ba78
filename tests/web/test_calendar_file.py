"""到期日: a calendar file that any program reads, with what lies ahead of one person and nobody's name."""

import re
from collections.abc import Callable
from datetime import date, timedelta

from flask import Flask

import competencies
from lms_plugin.flow import due_days, review
from lms_plugin.flow.due_days import DueDay
from lms_plugin.web.calendar_file import calendar
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import hand_in

HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]


def lines_of(content: bytes) -> list[str]:
    """As RFC 5545 3.1 reads them: lines end in CRLF, and one that begins with a blank goes on."""
    assert content.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    return content.decode().replace("\r\n ", "").split("\r\n")[:-1]


def values(content: bytes, name: str) -> list[str]:
    return [line.partition(":")[2] for line in lines_of(content) if line.partition(":")[0] == name]


def allotted(world: World) -> None:
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)


def test_what_lies_ahead_is_in_the_file_without_a_name(world: World, browse: Browse) -> None:
    allotted(world)
    answer = browse(cast.CHEN).get("/due.ics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    assert answer.headers["Cache-Control"] == "private, no-store"
    said = values(answer.data, "SUMMARY")
    left = due_days.due_days(world.session, world.actor(cast.CHEN), world.now)
    assert [one.what for one in left] == ["hand_in", "review", "ends"]
    assert any("互评：还差" in one for one in said)
    assert not [who for who in cast.TEACHERS if who.name in answer.data.decode()]
    begins = values(answer.data, "DTSTART;VALUE=DATE")
    assert begins == [f"{one.on:%Y%m%d}" for one in left]
    assert len(set(values(answer.data, "UID"))) == len(left)


def test_a_day_that_ends_at_midnight_is_that_day(world: World) -> None:
    allotted(world)
    found = {one.what: one.on for one in due_days.due_days(world.session, world.actor(cast.CHEN), world.now)}
    programme = world.programme
    assert found == {"hand_in": programme.submit_by_on, "review": programme.review_by_on, "ends": programme.closes_on}


def test_what_is_over_is_not_in_it(world: World) -> None:
    allotted(world)
    over = competencies.end_of_day(world.programme.closes_on, world.tenant.timezone)
    assert due_days.due_days(world.session, world.actor(cast.CHEN), over) == []


def test_a_stranger_gets_no_calendar(browse: Browse) -> None:
    assert browse(None).get("/due.ics").status_code == 401


def test_marks_of_the_format_and_long_words_come_through(world: World, tool: Flask) -> None:
    title = "微能力点；A, B; C\\D " + "信息技术应用能力提升工程" * 8
    with tool.test_request_context("/"):
        made = calendar([DueDay("ends-1", "ends", title, date(2026, 12, 31))], "tool.example", "到期日", world.now)
    (said,) = values(made, "SUMMARY")
    plain = said.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\")
    assert plain.endswith(title.strip())
    assert values(made, "DTEND;VALUE=DATE") == ["20270101"]
    assert values(made, "UID") == ["ends-1@tool.example"]
