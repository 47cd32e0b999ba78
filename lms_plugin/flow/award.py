"""发布: a released decision becomes award, hours in the ledger, and scores in the host's gradebook."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, func, select

import competencies
from lms_plugin import leaving, outbox
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import get, give_way, pk, transaction
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import booking, humans, message_words, messages, reach, report, sessions
from lms_plugin.flow.scopes import programme_scope, submission_scopes
from lms_plugin.people import Person, RoleKind, Tenant

MOST_AT_ONCE = 500
"""Works in one release: a button that answers in a moment, and a form that no server cuts off. The rest comes next."""
PART, PARTS_A_RUN = 100, 50
"""Works in one transaction of the job that releases all, and such transactions in one run of it: whoever writes
meanwhile waits for one of them on SQLite."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WAITS = and_(
    col(competencies.Submission.state) == competencies.SubmissionState.DECIDED,
    col(competencies.Decision.outcome) == competencies.Outcome.DECIDED,
    col(competencies.Decision.released_at).is_(None),
)
"""Works whose decision waits for release, over the decision of their current version."""


class Released:
    """What a release did: decisions released, people who got hours, hundredths credited in all."""

    def __init__(self) -> None:
        self.decisions = 0
        self.credited: dict[int, int] = {}

    @property
    def hundredths(self) -> int:
        """All hours credited, in hundredths."""
        return sum(self.credited.values())


def release(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    submission_uuids: Sequence[str] | None,
    now: datetime,
) -> Released:
    """Releases the decided works of these uuids, or (None) all of the programme that the actor reaches: the oldest
    MOST_AT_ONCE of them in one act.

    From here on a decision changes no more. Works that are released already (a double click) are passed over. Raises
    NotFound when one of the uuids is no work of the programme, Conflict when one is not decided any more, Forbidden
    when one is out of reach, Refused `chain.releases_batches` where results go by school batches. Works of the actor's
    own are left to somebody else.
    """
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    if programme.goes_by_batch:
        raise Refused("chain.releases_batches")
    booking.take_turn(session, programme)
    if submission_uuids is None:
        return release_rows(session, programme, decided(session, programme, may_release(actor), most=MOST_AT_ONCE), now)
    wanted = set(submission_uuids)
    named = [uuid for uuid in wanted if uuid.isalnum()]
    chosen = decided(session, programme, col(competencies.Submission.uuid).in_(named))
    _must_be_released(session, programme, wanted - {submission.uuid for submission, _decision in chosen})
    scopes = submission_scopes(session, [submission for submission, _decision in chosen])
    for submission, _decision in chosen:
        require(actor, Permission.AWARD_RELEASE, scopes[pk(submission)])
    chosen = [row for row in chosen if not actor.is_author(row[0].person_id)]
    return release_rows(session, programme, chosen[:MOST_AT_ONCE], now)


def may_release(actor: Actor) -> ColumnElement[bool]:
    """Works that the actor may release, as a condition: within reach (`Permission.AWARD_RELEASE`), and not own ones."""
    return and_(within(actor), ~is_own(actor))


def within(actor: Actor) -> ColumnElement[bool]:
    """The same with the actor's own, which somebody else has to release."""
    return reach.submissions_within(actor, RoleKind.OFFICER, RoleKind.TRAINER, confirmed=True)


def is_own(actor: Actor) -> ColumnElement[bool]:
    """Works of the actor's own, as a condition."""
    return col(competencies.Submission.person_id).in_(actor.person_ids)


# --- all of them, however many ---


@dataclass(frozen=True)
class UnderWay:
    """A release of everything that is under way: of `total` works `left` are still to be released."""

    left: int
    total: int


def release_all(
    session: Session, actor: Actor, programme: competencies.Programme, shown_at: datetime, now: datetime
) -> None:
    """Asks for the release of all works that the actor reaches and that were decided when the page was shown: a job
    does it, part by part. What somebody asked for already is not asked for again; what only this actor may release
    gets a job of its own. Raises as `release`."""
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    if programme.goes_by_batch:
        raise Refused("chain.releases_batches")
    until = min(shown_at, now)
    asked = [_asked(session, job) for job in open_jobs(session, programme)]
    mine = and_(may_release(actor), col(competencies.Decision.decided_at) <= until)
    total = count_decided(session, programme, mine, *(~theirs for theirs in asked))
    if total:
        ids = {"programme_id": pk(programme), "by_id": actor.person_id, "total": total, "until": _as_number(until)}
        key = f"{key_of(programme)}{actor.person_id}"
        job = outbox.put(session, programme.tenant_id, outbox.RELEASE, key, ids, now)
        if job.ids["until"] < ids["until"]:  # asked for before: what was decided meanwhile comes to it
            job.ids = {**ids, "total": total + job.ids["total"]}
            session.add(job)


def open_jobs(session: Session, programme: competencies.Programme) -> Sequence[outbox.Job]:
    """The releases of everything that are under way, one for each who asked. One query."""
    return outbox.open_jobs(session, outbox.RELEASE, key_of(programme))


def _asked(session: Session, job: outbox.Job) -> ColumnElement[bool]:
    """What such a job releases, as a condition: as far as who asked reaches now. Two queries."""
    actor = sessions.as_actor(session, humans.today_of(session, get(session, Person, job.ids["by_id"])))
    return and_(may_release(actor), col(competencies.Decision.decided_at) <= _as_moment(job.ids["until"]))


def stop(session: Session, actor: Actor, programme: competencies.Programme, now: datetime) -> None:
    """No more of it is released, whoever asked; what was, stays. It can be asked for again. Twice is harmless."""
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    for job in open_jobs(session, programme):
        outbox.take_back(session, outbox.RELEASE, job.key, now)


def under_way(session: Session, programme: competencies.Programme) -> UnderWay | None:
    """How far the releases of everything are; None while there is none. Two queries, and two for each who asked."""
    jobs = open_jobs(session, programme)
    if not jobs:
        return None
    left = count_decided(session, programme, or_(*(_asked(session, job) for job in jobs)))
    total = sum(job.ids["total"] for job in jobs)
    return UnderWay(min(left, total), total)


def release_rest(factory: "sessionmaker[Session]", ids: dict[str, int], clock: Callable[[], datetime]) -> None:
    """The job: releases what was asked for in the name of who asked, as far as their roles still reach. Stopped or
    broken off, what is released stays; run twice it releases nothing twice."""
    for _ in range(PARTS_A_RUN):
        with transaction(factory) as session:
            programme = get(session, competencies.Programme, ids["programme_id"])
            booking.take_turn(session, programme)
            now, job = clock(), _still_wanted(session, programme, ids)
            tenant = get(session, Tenant, programme.tenant_id)
            if job is None or programme.goes_by_batch or leaving.is_read_only(tenant, now):
                return
            rows = decided(session, programme, _asked(session, job), most=PART)
            release_rows(session, programme, rows, now)
        if len(rows) < PART:
            return
        give_way(factory)
    with transaction(factory) as session:
        job = _still_wanted(session, programme, ids)
        if job is not None:
            outbox.put(session, programme.tenant_id, outbox.RELEASE, job.key, job.ids, clock())


def _still_wanted(session: Session, programme: competencies.Programme, ids: dict[str, int]) -> outbox.Job | None:
    """The job as it is now: stopped, it is there no more; asked for again, it reaches further."""
    return next((job for job in open_jobs(session, programme) if job.ids["by_id"] == ids["by_id"]), None)


def key_of(programme: competencies.Programme) -> str:
    """With which the keys of all releases of a programme begin."""
    return f"{pk(programme)}:"


def _as_number(moment: datetime) -> int:
    """A moment as a job keeps it: microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _as_moment(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)


def _must_be_released(session: Session, programme: competencies.Programme, uuids: Collection[str]) -> None:
    """Raises NotFound for what is no work of the programme, Conflict for one that waits for its decision again."""
    if not uuids:
        return
    known = session.exec(
        select(competencies.Submission).where(
            competencies.Submission.tenant_id == programme.tenant_id,
            competencies.Submission.programme_id == pk(programme),
            col(competencies.Submission.uuid).in_([uuid for uuid in uuids if uuid.isalnum()]),
        )
    ).all()
    if len(known) != len(uuids):
        raise NotFound
    if any(submission.state is not competencies.SubmissionState.RELEASED for submission in known):
        raise Conflict("page.changed_meanwhile")


def to_release(session: Session) -> list[int]:
    """For the worker's sweep: the programmes of all districts in which decisions wait for release."""
    waiting = select(competencies.Submission.programme_id).where(
        competencies.Submission.state == competencies.SubmissionState.DECIDED
    )
    return sorted(set(session.exec(waiting.distinct())))


def release_due(session: Session, programme_id: int, now: datetime) -> int:
    """For the worker's sweep: releases decisions that have stood for the programme's number of days, MOST_AT_ONCE in
    one sweep: the next one takes what is left. What goes by school batches has a sweep of its own (`batches`)."""
    programme = get(session, competencies.Programme, programme_id)
    if programme.goes_by_batch:
        return 0
    days = competencies.rules_of(session, programme).release.after_days
    if days == 0:
        return 0
    booking.take_turn(session, programme)
    is_due = col(competencies.Decision.decided_at) <= now - timedelta(days=days)
    return release_rows(session, programme, decided(session, programme, is_due, most=MOST_AT_ONCE), now).decisions


def decided(
    session: Session, programme: competencies.Programme, *narrowed: ColumnElement[bool], most: int | None = None
) -> list[tuple[competencies.Submission, competencies.Decision]]:
    """The works of a programme whose decision waits for release, oldest decision first, `most` of those for which
    all of `narrowed` hold: one query."""
    rows = session.exec(
        _decided(select(competencies.Submission, competencies.Decision), programme, narrowed)
        .order_by(col(competencies.Decision.decided_at), col(competencies.Decision.id))
        .limit(most)
    )
    return [(submission, decision) for submission, decision in rows]


def count_decided(session: Session, programme: competencies.Programme, *narrowed: ColumnElement[bool]) -> int:
    """How many they are: one query."""
    counted = _decided(select(func.count()).select_from(competencies.Submission), programme, narrowed)
    return int(session.exec(counted).one())


def _decided(statement: Any, programme: competencies.Programme, narrowed: Sequence[ColumnElement[bool]]) -> Any:
    return statement.join(
        competencies.Decision,
        col(competencies.Decision.submission_version_id) == col(competencies.Submission.current_version_id),
    ).where(
        competencies.Submission.programme_id == pk(programme),
        WAITS,
        *narrowed,
    )


def release_rows(
    session: Session,
    programme: competencies.Programme,
    rows: Sequence[tuple[competencies.Submission, competencies.Decision]],
    now: datetime,
) -> Released:
    """Releases these decided works: awards, hours, scores. What may be released, the caller has looked at."""
    done = Released()
    if not rows:
        return done
    people = {submission.person_id for submission, _decision in rows}
    books = booking.Books(session, programme, people, now=now)
    schools = dict(
        session.exec(
            select(competencies.SubmissionVersion.id, competencies.SubmissionVersion.org_unit_id).where(
                col(competencies.SubmissionVersion.id).in_([submission.current_version_id for submission, _d in rows])
            )
        ).all()
    )
    _tell(session, programme, [submission for submission, _decision in rows], now)
    made: list[tuple[competencies.Award, competencies.Decision]] = []
    for submission, decision in rows:
        decision.released_at = now
        submission.state, submission.changed_at = competencies.SubmissionState.RELEASED, now
        submission.batch_id = None
        session.add(decision)
        session.add(submission)
        done.decisions += 1
        level = competencies.Level(decision.point_level or 0)
        if level < competencies.Level.PASS:
            continue  # 不合格 is a released result, but nothing to hold and no hours
        award = competencies.Award(
            tenant_id=programme.tenant_id,
            programme_id=pk(programme),
            person_id=submission.person_id,
            point_id=submission.point_id,
            decision_id=pk(decision),
            level=int(level),
            org_unit_id=schools.get(submission.current_version_id),
            awarded_at=now,
        )
        made.append((award, decision))
    # Two statements for hundreds of works: all awards, then all entries that name them.
    session.add_all([award for award, _decision in made])
    session.flush()
    entries: list[competencies.CreditEntry] = []
    for award, decision in made:
        person = award.person_id
        books.hold(person, award.point_id, competencies.Level(award.level))
        basis = competencies.Basis(programme.policy_id or 0, pk(award), decision.decided_by_id, award.org_unit_id)
        entered = books.due(person)
        entries += booking.lines(programme, person, entered, basis, now, reason="award", source=books.category(person))
        if entered:
            books.booked(person, entered)
            done.credited[person] = done.credited.get(person, 0) + entered
    books.note(session, programme, now)
    competencies.ledger.credit_all(session, entries)
    report.queue_scores(session, programme, people, now)
    return done


def _tell(
    session: Session, programme: competencies.Programme, works: Sequence[competencies.Submission], now: datetime
) -> None:
    """Their authors are told that there is a result, not which: two statements."""
    point = competencies.CompetencyPoint
    codes = dict(
        session.exec(select(point.id, point.code).where(col(point.id).in_({work.point_id for work in works}))).all()
    )
    told = [messages.Told(work.person_id, work.uuid, {"code": codes[work.point_id]}) for work in works]
    messages.tell(session, programme.tenant_id, message_words.RELEASED, told, now)
