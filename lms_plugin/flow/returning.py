"""Somebody launches whom we know, from where they launched before: the launch that a class makes each lesson.

On PostgreSQL it is one query and one statement that writes everything or nothing (ADR 0027). It gives what `enter`
gives, leaves what `enter` leaves, and stands aside where anything is new or refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, and_, bindparam, insert, select, true, update

import lti
from lms_plugin.db import table
from lms_plugin.direct import Direct, Line, directly
from lms_plugin.flow import enter, links, sessions
from lms_plugin.people import CourseMember, Person, Tenant, WebSession

_FIND = Direct(
    enter.with_kept(
        lti.returning.KEPT.join(table(Tenant), table(Tenant).c.id == table(lti.Platform).c.tenant_id),
        table(lti.Platform).c.issuer,
        table(lti.Platform).c.door,
        table(lti.Deployment).c.id,
    )
)
_SESSION = tuple(column for column in table(WebSession).c if column.name != "id")
_person = table(Person).c
# Who was merged between the question and this statement is given away: a merge that is under way is waited for.
_whole = (
    select(_person.id)
    .where(_person.id == bindparam("person"), _person.merged_into_id.is_(None))
    .with_for_update(read=True, key_share=True)
    .cte("whole")
)
_opened = (
    insert(table(WebSession))
    .from_select(
        [column.name for column in _SESSION],
        select(*(bindparam(f"new_{column.name}", type_=column.type) for column in _SESSION)).select_from(
            lti.returning.HELD.join(_whole, true())
        ),
        include_defaults=False,
    )
    .returning(table(WebSession).c.id)
    .cte("opened")
)
_member = table(CourseMember).c
_seen = (
    update(table(CourseMember))
    .where(and_(_member.id == bindparam("member"), _opened.c.id.is_not(None)))
    .values(launched_at=bindparam("now", type_=_member.launched_at.type))
    .cte("seen")
)
_KEEP = Direct(select(_opened.c.id).add_cte(lti.returning.logged_for(_opened), lti.returning.taken_for(_opened), _seen))


class Returned(NamedTuple):
    """The session of somebody who came back: the token for its cookie, and the page that the launch asked for."""

    token: str
    wants: str


def come_back(
    bind: Engine, form: Mapping[str, str], proof: lti.Proof, lifetime: timedelta, now: datetime, public_url: str
) -> Returned | None:
    """Checks a launch and opens its session, where nothing is refused and all that is kept stands as the launch says
    it. None for every other launch: nothing is used up then, and `receive_launch` and `enter` take it from the start.

    `proof`: of the login's cookie. A launch without it has questions to ask.
    """
    names = lti.returning.names_in(form)
    if names is None or proof.binding != "cookie":
        return None
    return directly(bind, lambda line: _come_back(line, names, form, proof, lifetime, now, public_url))


def _come_back(
    line: Line,
    names: "lti.returning.Names",
    form: Mapping[str, str],
    proof: lti.Proof,
    lifetime: timedelta,
    now: datetime,
    public_url: str,
) -> Returned | None:
    row = _FIND.row(line, {**names._asdict(), "now": now})
    if row is None:
        return None
    checked = lti.returning.check(row, form, proof, public_url, now)
    known = enter.Kept(*row[lti.returning.WIDTH :])
    if checked is None or not enter.stands(known, checked[0], now):
        return None
    launch, logged = checked
    told = enter.said_of_session(launch)
    told.update({"wants": links.of_launch(launch), "is_demo": known.is_demo})
    whose = sessions.Whose(launch.tenant_id, known.person, known.course)
    token, _bearer, values = sessions.drawn(whose, lifetime, now, **told)
    written = _KEEP.row(
        line,
        {
            **{f"new_{name}": value for name, value in values.items()},
            **logged,
            "login": launch.login_state_id,
            "person": known.person,
            "member": known.member,
            "now": now,
        },
    )
    return Returned(token, told["wants"]) if written is not None else None
