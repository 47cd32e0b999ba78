"""Awards and hours become scores in the host's gradebook: queued in the act's transaction, sent after it.

Two columns a course: points (maximum = required number) and hours (maximum = need). A job names course and person and
reads the current truth when it runs, so that running twice, late or out of order always ends with the last truth.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow import categories, column_words, humans, retry
from lms_plugin.flow.links import review_of
from lms_plugin.flow.stuck import ARRIVED, graded, is_lost
from lms_plugin.net import Http
from lms_plugin.people import Course, CourseMember

SCORE_JOB = outbox.SCORE
COLUMNS_JOB = outbox.COLUMNS
LOST_AGAIN = timedelta(days=1)
KINDS = (lti.LineItemKind.POINTS, lti.LineItemKind.HOURS)


@dataclass(frozen=True)
class Post:
    """What a job needs to reach hosts: sessions for its short transactions, HTTP, the key that opens tokens, and the
    address of ours that hosts launch."""

    sessions: "sessionmaker[Session]"
    http: Http
    secret_key: str
    launch_url: str


@dataclass(frozen=True)
class Score:
    """One person's score in one column, in hundredths, the comment beside it (no names: hosts log comments), and when
    the last of the work that counts came in: a host with a last day asks about that, not about when it was judged."""

    given_hundredths: int
    maximum_hundredths: int
    comment: str
    submitted_at: datetime | None = None


def queue_scores(session: Session, programme: competencies.Programme, people: Collection[int], now: datetime) -> int:
    """Asks for these people's scores in every course of the programme where they are `graded`. Gives the number; a
    constant number of queries."""
    today = {row: rows[0] for rows in humans.rows_by_row(session, people).values() for row in rows}
    wanted = {
        f"{one.course_id}:{one.person_id}": {"course_id": one.course_id, "person_id": one.person_id}
        for one in graded(session, programme, today)
    }
    outbox.put_many(session, programme.tenant_id, SCORE_JOB, wanted, now)
    return len(wanted)


def scores_of(
    session: Session, programme: competencies.Programme, person_id: int, locale: str = ""
) -> dict[lti.LineItemKind, Score]:
    """The truth now: points awarded against the required number, hours of both kinds against their needs; of all rows
    of the human being, with comments in that language."""
    rows = humans.rows_by_row(session, [person_id])[person_id]
    rules, _not_for = categories.for_person(session, competencies.rules_of(session, programme), rows)
    held = humans.levels(session, pk(programme), rows)
    passed = sum(level >= competencies.Level.PASS for level in held.values())
    required = rules.choice.required_points
    balance = humans.totals(session, pk(programme), rows)
    practice, online = balance[competencies.CreditKind.PRACTICE], balance[competencies.CreditKind.ONLINE]
    needs = rules.hours.practice_need_hundredths, rules.hours.online_need_hundredths
    counted = min(max(practice, 0), needs[0]) + min(max(online, 0), needs[1])
    found = {
        lti.LineItemKind.POINTS: Score(
            min(passed, required) * 100,
            required * 100,
            column_words.of_points(passed, required, locale),
            competencies.last_submitted_at(session, pk(programme), rows),
        )
    }
    if sum(needs):
        found[lti.LineItemKind.HOURS] = Score(counted, sum(needs), column_words.of_hours(practice, online, locale))
    return found


def maxima(rules: competencies.Rules) -> dict[lti.LineItemKind, int]:
    """The most that each column can hold, in hundredths; 0 = these rules want no such column."""
    return {
        lti.LineItemKind.POINTS: rules.choice.required_points * 100,
        lti.LineItemKind.HOURS: rules.hours.practice_need_hundredths + rules.hours.online_need_hundredths,
    }


def column_name(programme: competencies.Programme, kind: lti.LineItemKind) -> str:
    """The `resourceId` and `tag` of our column: by them it is found again, in whichever course."""
    return f"nengli:{programme.uuid}:{kind.value}"


def queue_columns(session: Session, programme: competencies.Programme, now: datetime) -> None:
    """The rules have other maxima: every column that there is follows, and everybody's score is sent again."""
    courses = session.exec(
        select(Course.id).where(
            Course.programme_id == pk(programme), col(Course.id).in_(select(lti.LineItem.course_id))
        )
    ).all()
    for course_id in courses:
        assert course_id is not None
        _ask_columns(session, programme.tenant_id, course_id, now)


def offer_changed(session: Session, course: Course, now: datetime) -> None:
    """A launch offers another gradebook service than the last one: a column that was refused or lost is tried again."""
    known = session.exec(select(lti.LineItem.id).where(lti.LineItem.course_id == pk(course))).first()
    if known is not None:
        _ask_columns(session, course.tenant_id, pk(course), now)


def _ask_columns(session: Session, tenant_id: int, course_id: int, now: datetime) -> None:
    outbox.put(session, tenant_id, COLUMNS_JOB, str(course_id), {"course_id": course_id}, now)


def _columns(
    session: Session, course: Course, programme: competencies.Programme
) -> dict[lti.LineItemKind, lti.LineItem]:
    return {
        row.kind: row
        for row in session.exec(
            select(lti.LineItem).where(lti.LineItem.course_id == pk(course), lti.LineItem.programme_id == pk(programme))
        )
    }


def _client(post: Post, session: Session, course: Course, now: datetime) -> "lti.ServiceClient":
    deployment = get(session, lti.Deployment, course.deployment_id)
    scopes, platform_id = course.ags_scopes, deployment.platform_id
    return lti.service_client(session, platform_id, scopes, post.secret_key, post.http, now, post.sessions)


def _only_link(session: Session, course: Course) -> str:
    """The host's id of the one place from which this course is launched; "" where there is none or several."""
    links = session.exec(
        select(lti.ResourceLink.resource_link_id)
        .where(lti.ResourceLink.deployment_id == course.deployment_id, lti.ResourceLink.context_id == course.context_id)
        .order_by(col(lti.ResourceLink.id))
        .limit(2)
    ).all()
    return links[0] if len(links) == 1 else ""


def make_columns(post: Post, ids: dict[str, int], now: datetime) -> None:
    """The job that finds or makes a course's two columns. One runs at a time per course (the job's key is the course),
    and it looks before it makes, so a crash between making and noting leaves one column, not two."""
    with transaction(post.sessions) as session:
        course = get(session, Course, ids["course_id"])
        if course.programme_id is None:
            return
        programme = get(session, competencies.Programme, course.programme_id)
        known, client = _columns(session, course, programme), _client(post, session, course, now)
        most = maxima(competencies.rules_of(session, programme))
        labels = {kind: column_words.label(programme.title, kind, course.locale) for kind in KINDS}
        names = {kind: column_name(programme, kind) for kind in KINDS}
        programme_id, own, listing = pk(programme), course.lineitem_url, course.lineitems_url
        link, review = _only_link(session, course), review_of(programme, post.launch_url)
        retry.rest(session, [row for kind, row in known.items() if not most[kind]], now)
    for kind in KINDS:
        row = known.get(kind)
        url = row.url if row is not None else ""
        if not most[kind] or (row is not None and url and row.maximum_hundredths == most[kind]):
            continue
        ours = names[kind]
        if row is not None and url and url != own:  # the rules have changed
            client.resize_line_item(
                url,
                resource_id=ours,
                tag=ours,
                label=labels[kind],
                was_hundredths=row.maximum_hundredths,
                maximum_hundredths=most[kind],
            )
        elif not url:
            column = client.find_or_create_line_item(
                listing,
                resource_id=ours,
                tag=ours,
                label=labels[kind],
                maximum_hundredths=most[kind],
                # One column stands for a place in the course: two would write over each other's grade.
                link=link if kind is lti.LineItemKind.POINTS else "",
                review=review,
            )
            if column is not None:
                url = column.url
            elif kind is lti.LineItemKind.POINTS:
                url = own  # a host that grants only its own column gets the points there
        with transaction(post.sessions) as session:
            _note_column(session, ids["course_id"], programme_id, kind, url, labels[kind], most[kind], now)


def _note_column(
    session: Session,
    course_id: int,
    programme_id: int,
    kind: lti.LineItemKind,
    url: str,
    label: str,
    maximum: int,
    now: datetime,
) -> None:
    """`programme_id`: whose column it is, whatever the course runs by now."""
    course = get(session, Course, course_id)
    row = _columns(session, course, get(session, competencies.Programme, programme_id)).get(kind)
    if row is None:
        row = lti.LineItem(
            tenant_id=course.tenant_id,
            course_id=course_id,
            programme_id=programme_id,
            kind=kind,
            maximum_hundredths=maximum,
            created_at=now,
        )
    elif url and (url, maximum) != (row.url, row.maximum_hundredths):
        _say_all_again(session, row, now)
    row.url, row.label, row.maximum_hundredths = url, label[:255], maximum
    row.offered = lti.Offer.READY if url else lti.Offer.NOT_OFFERED
    session.add(row)


def _say_all_again(session: Session, column: lti.LineItem, now: datetime) -> None:
    """A column that was gone is there again, perhaps empty, or has a new maximum: everybody's score belongs into it."""
    for delivery in session.exec(select(lti.ScoreDelivery).where(lti.ScoreDelivery.line_item_id == pk(column))).all():
        delivery.state = lti.DeliveryState.WAITING
        session.add(delivery)
        ids = {"course_id": column.course_id, "person_id": delivery.person_id}
        outbox.put(session, column.tenant_id, SCORE_JOB, f"{column.course_id}:{delivery.person_id}", ids, now)


@dataclass(frozen=True)
class _Letter:
    """One score about to be sent."""

    delivery_id: int
    url: str
    subject: str
    score: Score
    timestamp: datetime


def send_scores(post: Post, ids: dict[str, int], now: datetime) -> None:
    """The job that sends one person's scores to one course: claim (tx) → HTTP (no tx) → settle (tx).

    Raises Unavailable where it should run again. What the host refuses for good is settled on the delivery's row
    with the host's words; the job itself is then done.
    """
    with transaction(post.sessions) as session:
        letters, client = _prepare(post, session, ids, now)
    if client is None:
        return
    again: Unavailable | None = None
    for letter in letters:
        try:
            answer = client.send_score(
                letter.url,
                subject=letter.subject,
                given_hundredths=letter.score.given_hundredths,
                maximum_hundredths=letter.score.maximum_hundredths,
                timestamp=letter.timestamp,
                comment=letter.score.comment,
                submitted_at=letter.score.submitted_at,
            )
        except Unavailable as error:
            again = _later(again, error)
            with transaction(post.sessions) as session:
                _settle_unsent(session, letter, error, now)
            continue
        with transaction(post.sessions) as session:
            trouble = _settle(session, letter, answer, now)
        again = _later(again, trouble)
    if again is not None:
        raise again


def _later(first: Unavailable | None, second: Unavailable | None) -> Unavailable | None:
    """Which of two troubles decides whether the job runs again: one that may pass before one that will not."""
    if first is None or second is None:
        return first or second
    return second if first.permanent else first


def _prepare(
    post: Post, session: Session, ids: dict[str, int], now: datetime
) -> tuple[list[_Letter], "lti.ServiceClient | None"]:
    """What is to be sent. The timestamp is noted *before* the sending: after a crash the next one is later still."""
    course = get(session, Course, ids["course_id"])
    member = session.exec(
        select(CourseMember).where(
            CourseMember.course_id == ids["course_id"], CourseMember.person_id == ids["person_id"]
        )
    ).one_or_none()
    if course.programme_id is None or member is None:
        return [], None
    programme = get(session, competencies.Programme, course.programme_id)
    columns = _columns(session, course, programme)
    scores = scores_of(session, programme, member.person_id, course.locale)
    if any(kind not in columns or is_lost(columns[kind]) for kind in scores):
        _ask_columns(session, course.tenant_id, pk(course), now)
        session.commit()
        raise Unavailable("ags.columns_pending", retry_after=2)
    retry.rest(session, [column for kind, column in columns.items() if kind not in scores], now, member.person_id)
    letters = []
    for kind, score in scores.items():
        column = columns[kind]
        row = session.exec(
            select(lti.ScoreDelivery).where(
                lti.ScoreDelivery.line_item_id == pk(column), lti.ScoreDelivery.person_id == member.person_id
            )
        ).one_or_none()
        if row is None:
            row = lti.ScoreDelivery(
                tenant_id=course.tenant_id,
                line_item_id=pk(column),
                person_id=member.person_id,
                subject=member.subject,
                given_hundredths=score.given_hundredths,
                maximum_hundredths=score.maximum_hundredths,
                updated_at=now,
            )
        same = (row.given_hundredths, row.maximum_hundredths, row.subject) == (
            score.given_hundredths,
            score.maximum_hundredths,
            member.subject,
        )
        # What somebody changed in the host's gradebook stays until our number is another one or is asked for.
        if same and row.state in ARRIVED and (row.state is _CHANGED_THERE or row.comment == score.comment):
            continue
        row.subject, row.comment, row.updated_at = member.subject, score.comment[:500], now
        row.given_hundredths, row.maximum_hundredths = score.given_hundredths, score.maximum_hundredths
        if column.offered is not lti.Offer.READY:
            row.state, row.trouble, row.host_words = lti.DeliveryState.NOT_OFFERED, "", ""
            session.add(row)
            continue
        timestamp = lti.next_timestamp(row.sent_timestamp_at, now)
        if timestamp > now:
            row.state = lti.DeliveryState.RETRYING  # the new value has not been said yet
            session.add(row)
            session.commit()
            raise Unavailable("ags.same_second", retry_after=1)
        row.sent_timestamp_at, row.attempts, row.state = timestamp, row.attempts + 1, lti.DeliveryState.RETRYING
        session.add(row)
        session.flush()
        letters.append(_Letter(pk(row), column.url, member.subject, score, timestamp))
    return letters, _client(post, session, course, now)


def _settle(session: Session, letter: _Letter, answer: "lti.Delivery", now: datetime) -> Unavailable | None:
    """Notes what became of a score; gives the error that makes the job run again, if it should."""
    row = get(session, lti.ScoreDelivery, letter.delivery_id)
    if row.sent_timestamp_at != letter.timestamp:
        return None  # a later sending is under way or done; its outcome is the one that counts
    row.host_words, row.updated_at = answer.words[:500], now
    session.add(row)
    outcome = answer.outcome
    if outcome is lti.Outcome.DELIVERED:
        row.state, row.trouble, row.host_words, row.attempts = lti.DeliveryState.DELIVERED, "", "", 0
        return None
    if outcome in _SETTLED:
        row.state, row.trouble = _SETTLED[outcome], "ags.refused"
        return None
    if outcome is lti.Outcome.LOCKED:
        row.state, row.trouble = lti.DeliveryState.FAILED, retry.LOCKED
        return None
    if outcome is lti.Outcome.GONE:
        row.trouble = "ags.gone"
        return _column_gone(session, row, letter, now)
    if outcome is lti.Outcome.ALREADY_NEWER:
        # The host holds a time that is not before ours (its own clock, or a trainer's edit): say it again, later.
        row.trouble = "ags.already_newer"
        if row.attempts < outbox.MAX_ATTEMPTS:
            return Unavailable("ags.already_newer", words=answer.words, retry_after=2)
        row.state = lti.DeliveryState.FAILED
        return None
    row.trouble = "ags.transient"
    return Unavailable("ags.transient", words=answer.words, retry_after=answer.retry_after)


_CHANGED_THERE = lti.DeliveryState.OVERRIDDEN
_SETTLED = {  # what the host will say again, however often it is asked
    lti.Outcome.NOT_A_LEARNER: lti.DeliveryState.NOT_A_LEARNER,
    lti.Outcome.OVERRIDDEN: lti.DeliveryState.OVERRIDDEN,
    lti.Outcome.PERMANENT: lti.DeliveryState.FAILED,
    lti.Outcome.TOKEN_REFUSED: lti.DeliveryState.FAILED,
}


def _column_gone(session: Session, row: lti.ScoreDelivery, letter: _Letter, now: datetime) -> Unavailable | None:
    """The host's column is no more: it is looked for and made again, once a day. A host that goes on saying so (it may
    still list a column whose activity was deleted) is believed: the score has failed, in the host's words."""
    column = get(session, lti.LineItem, row.line_item_id)
    if column.url == letter.url:
        if column.lost_at is not None and now - column.lost_at < LOST_AGAIN:
            row.state = lti.DeliveryState.FAILED
            return None
        course = get(session, Course, column.course_id)
        if course.lineitem_url == letter.url:
            course.lineitem_url = ""  # a later launch offers it again, if it is there again
            session.add(course)
        column.lost_at = now
        for one in session.exec(select(lti.LineItem).where(lti.LineItem.course_id == column.course_id)).all():
            one.url = ""  # who deletes one column has mostly deleted both
            session.add(one)
        _ask_columns(session, row.tenant_id, column.course_id, now)
    return Unavailable("ags.gone", words=row.host_words, retry_after=3)


def _settle_unsent(session: Session, letter: _Letter, error: Unavailable, now: datetime) -> None:
    row = get(session, lti.ScoreDelivery, letter.delivery_id)
    if row.sent_timestamp_at != letter.timestamp:
        return  # as in _settle
    row.state = lti.DeliveryState.FAILED if error.permanent else lti.DeliveryState.RETRYING
    row.trouble, row.host_words, row.updated_at = error.code, error.answer[:500], now
    session.add(row)


def give_up(session: Session, ids: dict[str, int], now: datetime) -> None:
    """The job has been tried as often as it may: what is still under way is said to have failed. What stood still
    before was tried once more, in vain, and rests (`retry`)."""
    under_way = (lti.DeliveryState.RETRYING, lti.DeliveryState.WAITING)
    still = (lti.DeliveryState.FAILED, lti.DeliveryState.NOT_A_LEARNER)
    for row in session.exec(
        select(lti.ScoreDelivery)
        .join(lti.LineItem, col(lti.LineItem.id) == lti.ScoreDelivery.line_item_id)
        .where(
            lti.LineItem.course_id == ids["course_id"],
            lti.ScoreDelivery.person_id == ids.get("person_id", 0),
            col(lti.ScoreDelivery.state).in_([*under_way, *still]),
        )
    ).all():
        if row.state in under_way:
            row.state = lti.DeliveryState.FAILED
        row.updated_at = now
        session.add(row)
