"""放假安排: a district's office writes the days off of a year once, and every programme's 公示 counts by them.

What was promised stays: a 公示 that is under way ends on the day that its page has said since it began.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

import competencies
from competencies import BatchState, SchoolBatch
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import curators
from lms_plugin.people import Person

domain = competencies.holidays
LONGEST = 20_000


@dataclass(frozen=True)
class Year:
    """What holds of one year: rows of days off, make-up working days, and who wrote it when ("" = no longer known)."""

    year: int
    days_off: tuple[tuple[date, date], ...]
    workdays: tuple[date, ...]
    set_by: str
    set_at: datetime


def years(session: Session, actor: Actor) -> tuple[Year, ...]:
    """The years that the district has written, the newest first. Two queries."""
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
    rows = domain.holding(session, actor.tenant_id)
    people = select(Person.id, Person.name).where(col(Person.id).in_({row.set_by_id for row in rows.values()}))
    names: dict[int | None, str] = dict(session.exec(people).all())
    return tuple(
        Year(
            row.year,
            tuple(domain.spans(map(date.fromisoformat, row.days_off))),
            tuple(map(date.fromisoformat, row.workdays)),
            names.get(row.set_by_id, ""),
            row.set_at,
        )
        for _year, row in sorted(rows.items(), reverse=True)
    )


@dataclass(frozen=True)
class Check:
    """What a pasted list would write of a year. `is_new`: nothing is written of it yet; `is_same`: just this is;
    `running`: 公示 that are under way (they keep their last day); `digest`: of what was shown, for `set_year`."""

    year: int
    notice: competencies.holidays.Notice
    days_off: tuple[tuple[date, date], ...]
    is_new: bool
    is_same: bool
    running: int
    digest: str


def check(session: Session, actor: Actor, year: int, text: str) -> Check:
    """What the list says, and what writing it would change; nothing is written. Raises Invalid `year` and `list` where
    there is nothing to read; faults of lines are in `notice.faults`. Two queries."""
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    if not domain.FIRST_YEAR <= year <= domain.LAST_YEAR:
        wrong["year"] = ("form.number", {"least": domain.FIRST_YEAR, "most": domain.LAST_YEAR})
    if not text.strip():
        wrong["list"] = "holiday.none"
    elif len(text) > LONGEST:
        wrong["list"] = ("form.too_long", {"longest": LONGEST})
    if wrong:
        raise Invalid(wrong)
    notice = domain.read_notice(text, year)
    now_written = domain.holding(session, actor.tenant_id).get(year)
    running = session.exec(
        select(func.count())
        .select_from(SchoolBatch)
        .where(SchoolBatch.tenant_id == actor.tenant_id, SchoolBatch.state == BatchState.SHOWN)
    ).one()
    return Check(
        year=year,
        notice=notice,
        days_off=tuple(domain.spans(notice.days_off)),
        is_new=now_written is None,
        is_same=now_written is not None and _said(notice) == (now_written.days_off, now_written.workdays),
        running=running,
        digest=_digest(year, notice, now_written),
    )


def set_year(
    session: Session, actor: Actor, year: int, text: str, seen: str, now: datetime
) -> competencies.holidays.HolidayYear:
    """Every 公示 that begins from now on counts by these days. `seen`: the digest of the check that somebody looked at.

    Raises what `check` raises, Invalid `list` where a line has a fault, and Conflict where what was shown is not what
    would be written, or somebody wrote the year meanwhile.
    """
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
    curators.in_turn(session, actor.tenant_id)
    found = check(session, actor, year, text)
    if found.notice.faults:
        raise Invalid({"list": "holiday.faults"})
    if found.digest != seen:
        raise Conflict("page.changed_meanwhile")
    days_off, workdays = _said(found.notice)
    row = domain.HolidayYear(
        tenant_id=actor.tenant_id,
        year=year,
        days_off=days_off,
        workdays=workdays,
        set_by_id=actor.person_id,
        set_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _said(notice: competencies.holidays.Notice) -> tuple[list[str], list[str]]:
    """The days as a row holds them."""
    return [day.isoformat() for day in notice.days_off], [day.isoformat() for day in notice.workdays]


def _digest(year: int, notice: competencies.holidays.Notice, before: competencies.holidays.HolidayYear | None) -> str:
    """Of what a check showed and of what was written then."""
    shown = [year, *_said(notice), before.uuid if before is not None else ""]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]
