"""A round as its teachers see it: its days, longer where they were given longer, and how far it has come."""

from dataclasses import dataclass
from datetime import date, datetime

import competencies
from lms_plugin.flow.extensions import Extended


@dataclass(frozen=True)
class Round:
    """A programme as its teachers see it."""

    uuid: str
    title: str
    opens_on: date
    submit_by_on: date
    review_by_on: date
    closes_on: date
    required: int
    is_due: bool  # the first day has come
    is_begun: bool  # and somebody has opened it
    is_open: bool
    is_late: bool  # the last day for handing in is over
    is_review_over: bool  # and that for reviewing
    again_by_on: date  # the last day for work that came back
    is_again_late: bool
    is_over: bool
    ended_on: date | None  # its last day where that is past; None also where an officer closed it earlier
    extension: Extended | None  # where this person, or their school, has longer than others: then the days say so
    make_up: int  # the number of the make-up round (补训) that it is in, 0 = the first time
    goes_by_batch: bool  # what is decided is held until its school's batch was checked and shown (公示)

    @classmethod
    def of(
        cls,
        programme: competencies.Programme,
        rules: competencies.Rules,
        timezone: str,
        now: datetime,
        extension: Extended | None = None,
    ) -> "Round":
        """The programme as it stands at this moment, for somebody who may have longer than others."""
        until = extension.until_on if extension is not None else None
        first, again = (competencies.last_day(programme, came_back, until) for came_back in (False, True))
        is_due = now >= competencies.start_of_day(programme.opens_on, timezone)
        return cls(
            uuid=programme.uuid,
            title=programme.title,
            opens_on=programme.opens_on,
            submit_by_on=first,
            review_by_on=programme.review_by_on,
            closes_on=programme.closes_on,
            required=rules.choice.required_points,
            is_due=is_due,
            is_begun=is_due and programme.state is not competencies.ProgrammeState.DRAFT,
            is_open=competencies.is_open_for_work(programme, timezone, now),
            is_late=now >= competencies.end_of_day(first, timezone),
            is_review_over=now >= competencies.end_of_day(programme.review_by_on, timezone),
            again_by_on=again,
            is_again_late=now >= competencies.end_of_day(again, timezone),
            is_over=competencies.is_closed(programme, timezone, now),
            ended_on=programme.closes_on if now >= competencies.end_of_day(programme.closes_on, timezone) else None,
            extension=extension,
            make_up=programme.make_up,
            goes_by_batch=programme.goes_by_batch,
        )
