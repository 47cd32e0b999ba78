"""Somebody launches whom we know, from where people launched before: the launch that a class makes each lesson.

On PostgreSQL it is one statement that writes everything or nothing, at a place that this process remembers (ADR 0054).
It gives what `enter` gives, leaves what `enter` leaves, and stands aside where anything is new or refused.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import Engine, Select, and_, bindparam, exists, func, insert, select, update

import lti
from lms_plugin.db import table
from lms_plugin.direct import Direct, Line, directly, versions
from lms_plugin.flow import enter, known, links, sessions
from lms_plugin.people import Course, CourseMember, Person, Tenant, WebSession

MOST_PLACES = 500
REMEMBERED = timedelta(minutes=10)

_platform = table(lti.Platform).c
_VERSION = versions(*(table(kind) for kind in (*lti.returning.PLACE_KINDS, Tenant, Course)))


def _with_course(statement: "Select[Any]") -> "Select[Any]":
    """Joins district and course to a select that knows platform and deployment."""
    joined = statement.join(table(Tenant), table(Tenant).c.id == _platform.tenant_id)
    return known.in_course(joined, table(lti.Deployment).c.id)


_PLACE = Direct(_with_course(lti.returning.PLACE.add_columns(*known.COURSE, _VERSION.label("version"))))
_SESSION = tuple(column for column in table(WebSession).c if column.name != "id")
_person, _member = table(Person).c, table(CourseMember).c
# Everything by its key first, what it has to be afterwards: a database that knows its tables little might else look
# for a login by its platform, or for a person by not being merged.
_stands = and_(lti.returning.LOGIN_STANDS, bindparam("version") == _VERSION, known.PERSON_STANDS)
_found = (
    known.with_person(
        _with_course(
            lti.returning.LOGIN.add_columns(
                _person.id.label("person"), _member.id.label("member"), _stands.label("stands")
            )
        ),
        _platform.issuer,
        _platform.door,
    )
    .cte("found")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_held = lti.returning.held(select(_found.c.login).where(_found.c.stands).scalar_subquery())
# Who was merged since this statement began is given away: a merge that is under way is waited for.
_whole = (
    select(_person.id)
    .where(
        _person.id == select(_found.c.person).scalar_subquery(),
        func.coalesce(_person.merged_into_id, 0) == 0,
        exists().where(_held.c.id.is_not(None)),
    )
    .with_for_update(read=True, key_share=True)
    .cte("whole")
)
_opened = (
    insert(table(WebSession))
    .from_select(
        [column.name for column in _SESSION],
        select(
            *(
                _whole.c.id if column.name == "person_id" else bindparam(f"new_{column.name}", type_=column.type)
                for column in _SESSION
            )
        ).select_from(_whole),
        include_defaults=False,
    )
    .returning(table(WebSession).c.id)
    .cte("opened")
)
_seen = (
    update(table(CourseMember))
    .where(_member.id == _found.c.member, _opened.c.id.is_not(None))
    .values(launched_at=bindparam("now", type_=_member.launched_at.type))
    .cte("seen")
)
_KEEP = Direct(
    select(_opened.c.id).add_cte(lti.returning.logged_for(_opened), lti.returning.taken_for(_held, _opened), _seen)
)


class Returned(NamedTuple):
    """The session of somebody who came back: the token for its cookie, and the page that the launch asked for."""

    token: str
    wants: str


class There(NamedTuple):
    """A place as its rows stood: `version` says which versions of them."""

    place: "lti.returning.Known"
    course: known.KnownCourse
    version: str
    read_at: datetime


class Places:
    """What a process remembers of the places that people launch from. Nothing of it is believed for its own sake: with
    each launch the database is asked whether the rows are still those that were read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._there: OrderedDict[lti.returning.Names, There] = OrderedDict()

    def of(self, names: "lti.returning.Names", now: datetime) -> There | None:
        """The place of these names, if it was read lately."""
        there = self._there.get(names)
        return there if there is not None and abs(now - there.read_at) <= REMEMBERED else None

    def keep(self, names: "lti.returning.Names", there: There) -> None:
        """Remembers it; the one that was read longest ago is forgotten where there are too many."""
        with self._lock:
            self._there[names] = there
            self._there.move_to_end(names)
            while len(self._there) > MOST_PLACES:
                self._there.popitem(last=False)

    def forget(self, names: "lti.returning.Names") -> None:
        """It is not as it was."""
        with self._lock:
            self._there.pop(names, None)


def come_back(
    bind: Engine,
    places: Places,
    form: Mapping[str, str],
    proof: lti.Proof,
    lifetime: timedelta,
    now: datetime,
    public_url: str,
) -> Returned | None:
    """Checks a launch and opens its session, where nothing is refused and all that is kept stands as the launch says
    it. None for every other launch: nothing is used up then, and `receive_launch` and `enter` take it from the start.

    `proof`: of the login's cookie. A launch without it has questions to ask.
    """
    said = lti.returning.said_in(form)
    if said is None or proof.cookie is None:
        return None
    found = directly(bind, lambda line: _come_back(line, places, said, form, proof, lifetime, now, public_url))
    if found is None:
        places.forget(said.names)
    return found


def _come_back(
    line: Line,
    places: Places,
    said: "lti.returning.Said",
    form: Mapping[str, str],
    proof: lti.Proof,
    lifetime: timedelta,
    now: datetime,
    public_url: str,
) -> Returned | None:
    there = places.of(said.names, now) or _read(line, places, said.names, now)
    checked = lti.returning.check(there.place, said, form, proof, public_url, now) if there is not None else None
    if there is None or checked is None or not known.course_stands(there.course, checked[0], now):
        return None
    launch, logged = checked
    told = enter.said_of_session(launch)
    told.update({"wants": links.of_launch(launch), "is_demo": there.course.is_demo})
    whose = sessions.Whose(launch.tenant_id, 0, there.course.course)  # the statement knows the person
    token, _bearer, values = sessions.drawn(whose, lifetime, now, **told)
    written = _KEEP.row(
        line,
        {
            **{f"new_{name}": value for name, value in values.items()},
            **logged,
            **lti.returning.asked_for(there.place, said, proof.cookie or ""),
            **known.said_of_person(launch),
            "subject": said.subject,
            "version": there.version,
            "now": now,
        },
    )
    return Returned(token, told["wants"]) if written is not None else None


def _read(line: Line, places: Places, names: "lti.returning.Names", now: datetime) -> There | None:
    """The place as it stands, remembered from now on; None for one where nobody was yet."""
    row = _PLACE.row(line, names._asdict())
    if row is None:
        return None
    *course, version = row[lti.returning.WIDTH :]
    there = There(lti.returning.known(row), known.KnownCourse(*course), version, now)
    places.keep(names, there)
    return there
