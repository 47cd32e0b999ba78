"""Programmes (a district's rounds) and their rule versions."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, Column
from sqlmodel import Field, Session, col, func, select

from competencies.models import Programme, ProgrammePolicy, ProgrammeState
from competencies.rules import Rules
from lms_plugin.db import Model, get, pk

EARLIEST, LATEST = date(2000, 1, 1), date(2100, 12, 31)  # days that a programme may have


class ProgrammeEvent(Model, table=True):
    """经过: what became of a round, by whom and why. Rows are only ever added.

    `kind`: opened, closed, dates, make_up, archived, restored, extended, extension_ended, cohorts or cohort_place.
    `details` of dates and make_up: the days as they were and as they are since, {"before": {"submit_by_on": iso, …},
    "after": {…}}; of an extension: `unit_id` or `entry_id` (of the roster), and `until`; of cohorts: how many `people`
    got a year; of cohort_place: `entry_id` and `year`. Ids, no names: those are told as they are on the day of reading.
    """

    __tablename__ = "programme_event"
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    kind: str = Field(max_length=32)
    reason: str = Field(default="", max_length=300)
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    by_id: int | None = Field(default=None, foreign_key="person.id")
    at: datetime


def set_rules(
    session: Session, programme: Programme, rules: Rules, made_by_id: int | None, now: datetime
) -> ProgrammePolicy:
    """Makes a new rule version the programme's current one (the same rules again change nothing)."""
    if programme.policy_id is not None:
        current = get(session, ProgrammePolicy, programme.policy_id)
        if current.content_hash == rules.content_hash():
            return current
    last = session.exec(
        select(func.max(col(ProgrammePolicy.number))).where(ProgrammePolicy.programme_id == pk(programme))
    ).one()
    policy = ProgrammePolicy(
        programme_id=pk(programme),
        number=(last or 0) + 1,
        rules=rules.canonical(),
        content_hash=rules.content_hash(),
        made_at=now,
        made_by_id=made_by_id,
    )
    session.add(policy)
    session.flush()
    programme.policy_id = pk(policy)
    programme.panel_decides, programme.goes_by_batch = rules.chain.panel, rules.chain.goes_by_batch
    programme.passes_clear = rules.review.pass_clear
    programme.school_confirms = rules.choice.school_confirms
    session.add(programme)
    session.flush()
    return policy


def rules_of(session: Session, programme: Programme) -> Rules:
    """The rules that hold now."""
    if programme.policy_id is None:
        return Rules()
    return Rules.model_validate(get(session, ProgrammePolicy, programme.policy_id).rules)


def end_of_day(day: date, timezone: str) -> datetime:
    """The instant a day ends (24:00) in a time zone, as UTC."""
    local = datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(timezone))
    return local.astimezone(ZoneInfo("UTC"))


def local_day(moment: datetime, timezone: str) -> date:
    """The day of an instant as people in that time zone call it: at 01:30 in Shanghai it is still yesterday in UTC."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def start_of_day(day: date, timezone: str) -> datetime:
    """The instant a day begins in a time zone, as UTC."""
    return datetime.combine(day, time(0), tzinfo=ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))


def is_open_for_work(programme: Programme, timezone: str, now: datetime) -> bool:
    """Whether teachers may choose and hand in: state open, from the first day's 00:00 to the last one's 24:00."""
    return programme.state is ProgrammeState.OPEN and start_of_day(programme.opens_on, timezone) <= now < end_of_day(
        programme.submit_by_on, timezone
    )


def is_closed(programme: Programme, timezone: str, now: datetime) -> bool:
    """Whether the programme is over: results read 合格/不合格, no longer 未完成."""
    return programme.state is ProgrammeState.CLOSED or now >= end_of_day(programme.closes_on, timezone)


DAYS = ("opens_on", "submit_by_on", "review_by_on", "closes_on")


def days_of(programme: Programme) -> dict[str, str]:
    """The four days as an event keeps them."""
    return {name: getattr(programme, name).isoformat() for name in DAYS}


def note_event(
    session: Session,
    programme: Programme,
    kind: str,
    by_id: int | None,
    now: datetime,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Adds a line to 经过 (`ProgrammeEvent`)."""
    event = ProgrammeEvent(
        programme_id=pk(programme), kind=kind, reason=reason, details=details or {}, by_id=by_id, at=now
    )
    session.add(event)
    session.flush()
