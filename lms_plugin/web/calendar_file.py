"""到期日 as a calendar file (iCalendar, RFC 5545): one whole-day event for each, with a reminder the day before.

A download like others, by who is signed in (a tab without a cookie comes by its single-use ticket): no address that
would tell whoever holds it what somebody has to do. Taken again it brings the same events up to date (UID, SEQUENCE).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.flow import due_days
from lms_plugin.web.edge import actor, db, edge, parts
from lms_plugin.web.formats import gettext as _

blueprint = Blueprint("calendar_file", __name__)
MOST_OCTETS = 75  # in a line; longer ones are folded


def words(one: due_days.DueDay) -> str:
    """What is due, in the page's language."""
    match one.what:
        case "review":
            return _("互评：还差 %(n)s 份（%(title)s）", n=one.number, title=one.title)
        case "appeal":
            return _("复核一份材料（%(code)s）", code=one.title)
        case "hand_in":
            return _("提交截止：%(title)s", title=one.title)
    return _("项目结束：%(title)s", title=one.title)


def calendar(lines: Iterable[due_days.DueDay], host: str, name: str, now: datetime) -> bytes:
    """The file. `host`: what makes the events' ids ours."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    found = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Nengli//due days//ZH", "METHOD:PUBLISH"]
    found.append(f"X-WR-CALNAME:{_text(name)}")
    for one in lines:
        said = _text(words(one))
        found += [
            "BEGIN:VEVENT",
            f"UID:{one.key}@{host}",
            f"DTSTAMP:{stamp}",
            f"SEQUENCE:{int(now.timestamp()) // 60}",
            f"DTSTART;VALUE=DATE:{one.on:%Y%m%d}",
            f"DTEND;VALUE=DATE:{one.on + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{said}",
            "TRANSP:TRANSPARENT",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{said}",
            "TRIGGER:-PT15H",  # 9:00 of the day before
            "END:VALARM",
            "END:VEVENT",
        ]
    found.append("END:VCALENDAR")
    return b"".join(_folded(line) for line in found)


def _text(words: str) -> str:
    for mark in ("\\", ";", ","):
        words = words.replace(mark, f"\\{mark}")
    return " ".join(words.split())


def _folded(line: str) -> bytes:
    """The line with its end, folded between characters, never within one."""
    parts_, octets = [""], 0
    for character in line:
        size = len(character.encode())
        if octets + size > MOST_OCTETS:
            parts_.append(" ")
            octets = 1
        parts_[-1] += character
        octets += size
    return "\r\n".join(parts_).encode() + b"\r\n"


@blueprint.get("/due.ics")
def due() -> BaseResponse:
    """What lies ahead of the person."""
    host = parts().settings.public_url.partition("://")[2].partition("/")[0].partition(":")[0]
    lines = due_days.due_days(db(), actor(), edge().now)
    response = Response(calendar(lines, host, _("到期日"), edge().now), mimetype="text/calendar")
    response.headers["Content-Disposition"] = "attachment; filename=due.ics"
    response.headers["Cache-Control"] = "private, no-store"
    return response
