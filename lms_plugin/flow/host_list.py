"""What a host lists as a course's people and groups, kept as a hint: it makes nobody a person, and counts nobody.

A reading is kept whole or not at all. Who is listed no more stays with the day since when; who was never listed and
launched all the same stays what they are. Names of ours are not touched: the host's stands beside them, and only as
long as it is of use: while somebody is listed, the list is read, and the course's programme is not over.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    null,
    or_,
    union_all,
    update,
)
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow.report import Post
from lms_plugin.people import Course, CourseMember, HostList, ListedGroup, ListedMember, Person

AGAIN = timedelta(days=1)  # a list is read once a day,
WHOLE_AGAIN = timedelta(days=7)  # with all that it holds once a week, where the host tells what has changed,
RESTING = timedelta(days=60)  # and no more once nobody has come for so long
NAMES_STAY = timedelta(days=30)  # without a reading that lists the person
PAGE = 1000  # people to a page: an answer of more than a megabyte is not read


def ask(session: Session, course: Course, now: datetime) -> None:
    """Asks for the course's list to be read soon; nothing where the host offers none."""
    if course.memberships_url:
        ids = {"course_id": pk(course)}
        outbox.put(session, course.tenant_id, outbox.MEMBERS, str(pk(course)), ids, now)


def ask_due(session: Session, now: datetime) -> int:
    """Asks for every list that was not looked at for a day, of courses that people come from and whose programme is not
    over; gives the number."""
    rows = session.exec(
        select(Course.id, Course.tenant_id)
        .join(HostList, col(HostList.course_id) == col(Course.id), isouter=True)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .where(
            Course.memberships_url != "",
            ~is_over(now),
            col(Course.seen_at) > now - RESTING,
            col(lti.Platform.is_disabled).is_(False),
            or_(col(HostList.tried_at).is_(None), col(HostList.tried_at) < now - AGAIN),
        )
        .order_by(col(Course.id))
    ).all()
    wanted: dict[int, dict[str, dict[str, int]]] = {}
    for course_id, tenant_id in rows:
        assert course_id is not None
        wanted.setdefault(tenant_id, {})[str(course_id)] = {"course_id": course_id}
    for tenant_id, jobs in wanted.items():
        outbox.put_many(session, tenant_id, outbox.MEMBERS, jobs, now)
    return len(rows)


def is_over(now: datetime) -> ColumnElement[bool]:
    """The condition that a course's programme is over, wherever its district lies: at most a day after it ended."""
    its = aliased(competencies.Programme)
    ended = col(its.closes_on) < (now - timedelta(days=1)).date()
    is_its = col(its.id) == col(Course.programme_id)
    return exists().where(is_its, or_(col(its.state) == competencies.ProgrammeState.CLOSED, ended)).correlate(Course)


def forget_names(session: Session, now: datetime) -> int:
    """Deletes the names that hosts' lists gave of whoever is listed no more, of lists that were not read for
    `NAMES_STAY`, and of courses whose programme is over; gives the number. What people of ours are called is theirs."""
    of_courses_over = columns(col(Course.id)).where(is_over(now))
    gone: Any = session.execute(
        update(ListedMember)
        .where(
            col(ListedMember.name) != "",
            or_(
                col(ListedMember.absent_since_at).is_not(None),
                col(ListedMember.last_seen_at) < now - NAMES_STAY,
                col(ListedMember.course_id).in_(of_courses_over),
            ),
        )
        .values(name="")
        .execution_options(synchronize_session=False)
    )
    return int(gone.rowcount)


def read(post: Post, ids: dict[str, int], now: datetime) -> None:
    """The job that reads one course's list, and its groups where the host offers them.

    Raises Unavailable; the list is then as it was, and its page says why.
    """
    with transaction(post.sessions) as session:
        course = get(session, Course, ids["course_id"])
        deployment = get(session, lti.Deployment, course.deployment_id)
        platform = get(session, lti.Platform, deployment.platform_id)
        if not course.memberships_url or platform.is_disabled:
            return
        kept = _list_of(session, pk(course))
        kept.tried_at = now
        is_fresh = kept.whole_at is not None and now - kept.whole_at < WHOLE_AGAIN
        url, groups_url, sets_url = course.memberships_url, course.groups_url, course.group_sets_url
        # Who has moved from one group to another is no change of the list: with groups it is read whole.
        changes = kept.differences_url if is_fresh and not kept.error and not groups_url else ""
        client, group_client = (
            lti.service_client(session, pk(platform), [scope], post.secret_key, post.http, now, post.sessions)
            for scope in (lti.MEMBERS_SCOPE, lti.GROUPS_SCOPE)
        )
    try:
        roster, is_whole = _ask_host(client, url, changes, with_groups=bool(groups_url))
        with transaction(post.sessions) as session:
            keep(session, ids["course_id"], roster, now, is_whole=is_whole)
    except Unavailable as error:
        with transaction(post.sessions) as session:
            kept = _list_of(session, ids["course_id"])
            kept.error, kept.words = error.code, error.answer[:300]
            session.add(kept)
        raise
    if groups_url:
        _read_groups(post, group_client, ids["course_id"], groups_url, sets_url, now)


def _ask_host(client: "lti.ServiceClient", url: str, changes: str, *, with_groups: bool) -> "tuple[lti.Roster, bool]":
    """The host's answer, and whether it is the whole list: what has changed is asked for where the host told where,
    and all of it where it does not know any more."""
    if changes:
        try:
            return client.roster(changes), False
        except Unavailable as error:
            if not error.permanent:
                raise
    return client.roster(url, limit=PAGE, with_groups=with_groups), True


def keep(session: Session, course_id: int, roster: "lti.Roster", now: datetime, *, is_whole: bool) -> None:
    """Keeps a reading. Who is missing from a whole one is listed no more; of one of changes, only who it says has left.

    Raises Unavailable("nrps.emptied") for a whole list that names nobody any more: more likely the host keeps them to
    itself than that all have left, and nothing is changed.
    """
    kept = _list_of(session, course_id)
    known = {row.subject: row for row in session.exec(select(ListedMember).where(ListedMember.course_id == course_id))}
    if is_whole and not roster.members and any(row.absent_since_at is None for row in known.values()):
        raise Unavailable("nrps.emptied", permanent=True)
    with_name = session.exec(select(Course.id).where(Course.id == course_id, is_over(now))).first() is None
    for member in roster.members:
        row = known.get(member.subject)
        if member.status == "Deleted":
            _leaves([row] if row is not None else [], now)
            continue
        if row is None:
            row = _seen_first(course_id, member, now)
        _tell(row, member, with_name=with_name)
        row.absent_since_at = None
        session.add(row)
    if is_whole:
        told = {member.subject for member in roster.members}
        _leaves([row for row in known.values() if row.subject not in told], now)
        kept.whole_at = now
    session.flush()
    session.execute(
        update(ListedMember)
        .where(col(ListedMember.course_id) == course_id, col(ListedMember.absent_since_at).is_(None))
        .values(last_seen_at=now)
    )
    kept.read_at, kept.error, kept.words = now, "", ""
    kept.differences_url = roster.differences_url if len(roster.differences_url) <= 1000 else ""
    session.add(kept)
    session.flush()


def _seen_first(course_id: int, member: "lti.Member", now: datetime) -> ListedMember:
    return ListedMember(
        course_id=course_id,
        subject=member.subject,
        is_learner=member.is_learner,
        is_instructor=member.is_instructor,
        is_active=member.is_active,
        first_seen_at=now,
        last_seen_at=now,
    )


def _tell(row: ListedMember, member: "lti.Member", *, with_name: bool) -> None:
    """What of a host's entry is kept. No address: nobody needs it here."""
    name = member.name or lti.full_name(member.given_name, member.family_name)
    row.name = name[:100] if with_name else ""
    row.roles, row.groups = sorted(member.roles)[:20], sorted(member.groups)
    row.is_learner, row.is_instructor, row.is_active = member.is_learner, member.is_instructor, member.is_active


def _leaves(rows: Iterable[ListedMember], now: datetime) -> None:
    """They are listed no more: the row is kept as history, the name is not."""
    for row in rows:
        row.name = ""
        if row.absent_since_at is None:
            row.absent_since_at = now


def _list_of(session: Session, course_id: int) -> HostList:
    """The course's list, locked until this transaction ends: two readings are kept one after the other."""
    row = session.exec(
        select(HostList)
        .where(HostList.course_id == course_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        row = HostList(course_id=course_id)
        session.add(row)
        session.flush()
    return row


def _read_groups(
    post: Post, client: "lti.ServiceClient", course_id: int, url: str, sets_url: str, now: datetime
) -> None:
    """Reads the course's groups. They are an extra: where a host offers and then refuses them, the list stands."""
    found, code = None, ""
    try:
        found = client.groups(url, sets_url)
    except Unavailable as error:
        code = error.code
    with transaction(post.sessions) as session:
        if found is not None:
            keep_groups(session, course_id, found, now)
        kept = _list_of(session, course_id)
        kept.groups_error = code
        session.add(kept)


def has_left(person: Any, programme_id: int) -> ColumnElement[bool]:
    """The condition that a person (a row, or an alias of it) can come no more, as far as hosts say: every account from
    which they came to the programme, under any row, is suspended or taken off its course's list, and they have not come
    since. They get no new work; all that they have and did stays."""
    since = func.coalesce(col(ListedMember.absent_since_at), col(ListedMember.last_seen_at))
    is_out = and_(
        or_(col(ListedMember.absent_since_at).is_not(None), col(ListedMember.is_active).is_(False)),
        col(CourseMember.launched_at) < since,
    )

    row = aliased(Person)
    today = func.coalesce(col(row.merged_into_id), col(row.id))
    gone = (
        columns(today)
        .join(CourseMember, col(CourseMember.person_id) == col(row.id))
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .outerjoin(
            ListedMember,
            and_(col(ListedMember.course_id) == col(Course.id), col(ListedMember.subject) == col(CourseMember.subject)),
        )
        .where(col(Course.programme_id) == programme_id)
        .group_by(today)
        .having(func.count() == func.sum(case((is_out, 1), else_=0)))
    )
    return func.coalesce(col(person.merged_into_id), col(person.id)).in_(gone)


def groups_of_people(session: Session, programme_id: int) -> dict[int, frozenset[int]]:
    """Person → the groups (ids) that hosts put them in, in the courses of a programme; under the row of today. One
    query. Who is in no group has none; who comes only from courses without groups is not in the answer.

    A course has groups where its latest launch offered them and the last list of groups had some. Of somebody who is
    listed no more it is what was said last.
    """
    is_here = and_(col(Course.programme_id) == programme_id, col(Course.groups_url) != "")
    number, words, keys = cast(null(), Integer), cast(null(), String), cast(null(), JSON)
    its_groups = (
        columns(col(ListedGroup.course_id), col(ListedGroup.id), col(ListedGroup.key), number, keys)
        .join(Course, col(Course.id) == col(ListedGroup.course_id))
        .where(is_here, col(ListedGroup.absent_since_at).is_(None))
    )
    today = func.coalesce(col(Person.merged_into_id), col(Person.id))
    its_people = (
        columns(col(CourseMember.course_id), number, words, today, col(ListedMember.groups))
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .join(Person, col(Person.id) == col(CourseMember.person_id))
        .outerjoin(
            ListedMember,
            and_(col(ListedMember.course_id) == col(Course.id), col(ListedMember.subject) == col(CourseMember.subject)),
        )
        .where(is_here)
    )
    rows: Sequence[Any] = session.execute(union_all(its_groups, its_people)).all()
    groups: dict[int, dict[str, int]] = {}
    for course, group, key, _person, _keys in rows:
        if group is not None:
            groups.setdefault(course, {})[key] = group
    found: dict[int, frozenset[int]] = {}
    for course, group, _key, person, told in rows:
        if group is None and course in groups:
            known = {groups[course][key] for key in told or () if key in groups[course]}
            found[person] = found.get(person, frozenset()) | known
    return found


def keep_groups(session: Session, course_id: int, groups: "list[lti.Group]", now: datetime) -> None:
    """Keeps the groups as they are now; one that is no more stays with the day since when."""
    known = {row.key: row for row in session.exec(select(ListedGroup).where(ListedGroup.course_id == course_id))}
    for group in groups:
        row = known.pop(group.key, None) or ListedGroup(course_id=course_id, key=group.key)
        row.name, row.set_name, row.absent_since_at = group.name, group.set_name, None
        session.add(row)
    for gone in known.values():
        gone.absent_since_at = gone.absent_since_at or now
    session.flush()
