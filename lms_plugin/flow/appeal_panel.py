"""The fresh panel of an appeal: who may be asked, asking them, and what an officer can do where too few are free.

Fresh is who has seen nothing of how the work was judged: nobody who reviewed, opened, decided or checked any version of
it. Besides that all rules of the programme's reviews hold (pool, school, subject, groups, 回避).
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Programme, Submission
from lms_plugin.access import Actor, Permission, RoleScope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import conflicts, former_colleagues, host_list, message_words, messages
from lms_plugin.flow.blindness import works_read_by
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.review_pool import rule_of
from lms_plugin.flow.scopes import submission_scope
from lms_plugin.people import OrgMembership, OrgUnit, Person, Role, RoleKind, Tenant, UnitKind
from rubrics import AT_WORK, COUNTING, TRAINER, TWO, Appeal, AppealReview, AppealState, Given, MemberState

MEMBER_DAYS = 5  # so long a member has; then somebody else is asked
MOST_LOOKED_AT = 2000  # people of a whole district that one search considers
MOST_COUNTED = 9  # more free people than these are not counted out
WAYS = ("again", "district", "trainer")


@dataclass(frozen=True)
class Choices:
    """What an officer can do about a panel that is short: how many are missing, and how many are free by each way
    (at most `MOST_COUNTED`): as the rules are, from the whole district, trainers."""

    short: int
    by_rules: int
    in_district: int
    trainers: int


def members_of(session: Session, appeals: Collection[int]) -> dict[int, list[AppealReview]]:
    """The members of these panels, those that stepped back or ended too, in the order in which they were asked."""
    found: dict[int, list[AppealReview]] = {key: [] for key in appeals}
    for row in session.exec(
        select(AppealReview).where(col(AppealReview.appeal_id).in_(found)).order_by(col(AppealReview.id))
    ):
        found[row.appeal_id].append(row)
    return found


def given_by(member: AppealReview) -> dict[tuple[str, str], Given]:
    """What one member said, by criterion."""
    return {
        (item, key): Given(int(mark["level"]), mark.get("reason", ""))
        for item, marks in member.marks.items()
        for key, mark in marks.items()
        if mark.get("level") is not None
    }


def counted(appeal: Appeal, members: Sequence[AppealReview]) -> list[AppealReview]:
    """Those whose word counts by the way in which the appeal is settled now, spoken or not."""
    return [one for one in members if one.state in COUNTING and one.is_trainer == (appeal.panel == TRAINER)]


def spoken(appeal: Appeal, members: Sequence[AppealReview]) -> list[AppealReview]:
    """Those of them who have handed in."""
    return [one for one in counted(appeal, members) if one.state is MemberState.SUBMITTED]


def short_of(appeal: Appeal, members: Sequence[AppealReview]) -> int:
    """How many members are missing."""
    if appeal.state is not AppealState.OPEN:
        return 0
    said = [given_by(one) for one in spoken(appeal, members)]
    return max(0, rubrics.appeals.wanted(appeal.panel, said) - len(counted(appeal, members)))


def fill(session: Session, appeal: Appeal, now: datetime) -> list[AppealReview]:
    """Asks whom the panel lacks; fewer, or nobody, where nobody is free. Gives those who were asked now."""
    members = members_of(session, [pk(appeal)])[pk(appeal)]
    short = short_of(appeal, members)
    if not short:
        return []
    chosen = _free(session, appeal, appeal.panel, appeal.pool, short, now)
    timezone = get(session, Tenant, appeal.tenant_id).timezone
    last = competencies.local_day(now, timezone) + timedelta(days=MEMBER_DAYS)
    made = [
        AppealReview(
            tenant_id=appeal.tenant_id,
            appeal_id=pk(appeal),
            reviewer_id=person,
            is_trainer=appeal.panel == TRAINER,
            marks={},
            asked_at=now,
            due_at=competencies.end_of_day(last, timezone),
        )
        for person in chosen
    ]
    session.add_all(made)
    session.flush()
    for one in made:
        rubrics.record_event(session, appeal.submission_version_id, one.reviewer_id, "appeal_asked", now)
    point = get(session, competencies.CompetencyPoint, get(session, Submission, appeal.submission_id).point_id)
    told = [messages.Told(one.reviewer_id, one.uuid, {"code": point.code}) for one in made]
    messages.tell(session, appeal.tenant_id, message_words.APPEAL_ASKED, told, now)
    return made


def end(session: Session, members: Sequence[AppealReview], now: datetime) -> None:
    """Nobody waits for these any more, and no message says so."""
    for one in members:
        one.state, one.ended_at = MemberState.ENDED, now
        session.add(one)
    messages.over(session, message_words.APPEAL_ASKED, [(one.reviewer_id, one.uuid) for one in members], now)


def choices(session: Session, actor: Actor, uuid: str, now: datetime) -> Choices:
    """How many are missing, and how many are free by each way: looked for only when an officer asks."""
    appeal = find(session, Appeal, actor.tenant_id, uuid)
    require(actor, Permission.APPEAL_PANEL, submission_scope(session, get(session, Submission, appeal.submission_id)))
    short = short_of(appeal, members_of(session, [pk(appeal)])[pk(appeal)])
    most = MOST_COUNTED
    return Choices(
        short=short,
        by_rules=len(_free(session, appeal, "two", "", most, now)),
        in_district=len(_free(session, appeal, "two", "district", most, now)),
        trainers=len(_free(session, appeal, TRAINER, "", most, now)),
    )


def choose(session: Session, actor: Actor, uuid: str, way: str, now: datetime) -> list[AppealReview]:
    """An officer's way out of a shortage: look again, look in the whole district, or let a fresh trainer settle it.

    Where the panel lacks nobody (any more) nothing happens: who has spoken, or still may, is not put aside at will.
    Raises Invalid `way`, also for a trainer where none is free; NotFound for what is not open. What members have said
    so far stays in the trail.
    """
    appeal = find(session, Appeal, actor.tenant_id, uuid)
    work = get(session, Submission, appeal.submission_id)
    require(actor, Permission.APPEAL_PANEL, submission_scope(session, work))
    if way not in WAYS:
        raise Invalid({"way": "form.choose"})
    session.refresh(appeal, with_for_update=True)
    if appeal.state is not AppealState.OPEN:
        raise NotFound
    if not short_of(appeal, members_of(session, [pk(appeal)])[pk(appeal)]):
        return []
    if way == "trainer" and not _free(session, appeal, TRAINER, "", 1, now):
        raise Invalid({"way": "appeal.nobody_free"})
    if way == "district":
        appeal.pool, appeal.panel = "district", TWO
    elif way == "trainer":
        appeal.panel = TRAINER
        members = members_of(session, [pk(appeal)])[pk(appeal)]
        end(session, [one for one in members if one.state in AT_WORK and not one.is_trainer], now)
    session.add(appeal)
    session.flush()
    rubrics.record_event(session, appeal.submission_version_id, actor.person_id, "appeal_panel", now, detail=way)
    return fill(session, appeal, now)


def due(session: Session, now: datetime) -> list[int]:
    """For the worker's sweep: open appeals with a member who is late or too few members, be it that nobody is at work
    although those who have spoken did not settle it."""
    counts = and_(
        col(AppealReview.appeal_id) == col(Appeal.id),
        col(AppealReview.is_trainer) == (col(Appeal.panel) == TRAINER),
    )
    live = select(func.count()).where(counts, col(AppealReview.state).in_(COUNTING)).scalar_subquery()
    at_work = select(AppealReview.id).where(counts, col(AppealReview.state).in_(AT_WORK))
    late = at_work.where(col(AppealReview.due_at) <= now)
    few = or_(live < case((col(Appeal.panel) == TRAINER, 1), else_=2), ~at_work.exists())
    rows = session.exec(
        select(Appeal.id).where(col(Appeal.state) == AppealState.OPEN, or_(few, late.exists())).order_by(col(Appeal.id))
    )
    return [key for key in rows if key is not None]


def look_again(session: Session, appeal_id: int, now: datetime) -> list[AppealReview]:
    """For the worker's sweep: who is late is let go, where somebody else is free, and asked no more."""
    appeal = get(session, Appeal, appeal_id)
    session.refresh(appeal, with_for_update=True)
    if appeal.state is not AppealState.OPEN:
        return []
    members = members_of(session, [appeal_id])[appeal_id]
    late = [one for one in counted(appeal, members) if one.state in AT_WORK and one.due_at <= now]
    free = _free(session, appeal, appeal.panel, appeal.pool, len(late), now) if late else []
    end(session, late[: len(free)], now)
    for one in late[: len(free)]:
        rubrics.record_event(session, appeal.submission_version_id, one.reviewer_id, "appeal_late", now)
    session.flush()
    return fill(session, appeal, now)


def seen_by(session: Session, work: Submission) -> set[int]:
    """Rows of today of everybody who has to do with how any version of the work was judged, its author too."""
    versions = select(competencies.SubmissionVersion.id).where(competencies.SubmissionVersion.submission_id == pk(work))
    entry, objection = competencies.BatchWork, competencies.Objection
    parts: tuple[Any, ...] = (
        select(rubrics.Review.reviewer_id).where(rubrics.Review.submission_id == pk(work)),
        select(rubrics.ReviewEvent.person_id).where(col(rubrics.ReviewEvent.submission_version_id).in_(versions)),
        select(rubrics.CaseOpening.person_id).where(rubrics.CaseOpening.submission_id == pk(work)),
        select(competencies.Decision.decided_by_id).where(competencies.Decision.submission_id == pk(work)),
        select(entry.found_by_id).where(entry.submission_id == pk(work), col(entry.found_by_id).is_not(None)),
        select(objection.answered_by_id).where(
            objection.submission_id == pk(work), col(objection.answered_by_id).is_not(None)
        ),
        select(AppealReview.reviewer_id)
        .join(Appeal, col(Appeal.id) == col(AppealReview.appeal_id))
        .where(Appeal.submission_id == pk(work)),
    )
    found = {work.person_id} | {person for part in parts for person in session.exec(part) if person is not None}
    return {rows[0] for rows in rows_by_row(session, found).values()}


def _free(session: Session, appeal: Appeal, panel: str, pool: str, most: int, now: datetime) -> list[int]:
    """Whom to ask, those with least of it first: ids of rows of today, `most` of them."""
    work = get(session, Submission, appeal.submission_id)
    seen = seen_by(session, work)
    author = rows_by_row(session, {work.person_id})[work.person_id][0]
    apart = conflicts.kept_apart(session, work.tenant_id).get(author, set())
    seed = int.from_bytes(hashlib.sha256(f"{appeal.uuid}:{now.isoformat()}".encode()).digest()[:4], "big") >> 1
    if panel == TRAINER:
        return _trainers(session, work, seen | apart, seed)[:most]
    programme = get(session, Programme, appeal.programme_id)
    rules = competencies.rules_of(session, programme)
    if pool == "district":
        rules = rules.model_copy(update={"review": rules.review.model_copy(update={"pool": pool})})
    rows = rows_by_row(session, {work.person_id})[work.person_id]
    former = former_colleagues.of_person(session, programme, rules.review, rows, now)
    apart |= {found[0] for found in rows_by_row(session, former).values()}
    return _reviewers(session, appeal, work, programme, rules, seen | apart, author, seed, most)


def _reviewers(
    session: Session,
    appeal: Appeal,
    work: Submission,
    programme: Programme,
    rules: competencies.Rules,
    not_these: Collection[int],
    author: int,
    seed: int,
    most: int,
) -> list[int]:
    version = get(session, competencies.SubmissionVersion, appeal.submission_version_id)
    places = _places(session, {author})
    school = version.org_unit_id or places.get(author, (None, None))[0]
    group = _group(session, school)
    people = _people(session, programme, rules.review.pool, school, group, seed)
    people = {key: row for key, row in people.items() if key not in not_these}
    reads = works_read_by(session, list(people), [work])
    people = {key: row for key, row in people.items() if pk(work) not in reads.get(key, ())}
    places = _places(session, {author, *people})
    load = _load(session, people)
    groups = host_list.groups_of_people(session, pk(programme)) if rules.review.course_groups != "off" else {}
    rule = replace(rule_of(rules), reviews_per_work=most, max_reviews=100, duty_slack=None)
    past = _past_reviewers(session, programme, author) if rules.review.exclude_past_reviewers else set()
    of_author = get(session, Person, author)
    plan = rubrics.allocate(
        (rubrics.Work(pk(work), author, school, group, of_author.subject, groups.get(author), _stage(of_author)),),
        tuple(
            rubrics.Reviewer(
                id=key,
                school_id=places.get(key, (None, None))[0],
                group_id=places.get(key, (None, None))[1],
                subject=row.subject,
                owed_now=min(load.get(key, 0), 99),
                course_groups=groups.get(key, frozenset()),
                stage=_stage(row),
                past_authors=frozenset({author}) if key in past else frozenset(),
            )
            for key, row in sorted({**people, author: of_author}.items())  # whose school of now counts too
        ),
        rule,
        seed,
        (),
    )
    return [one.reviewer_id for one in plan.assignments]


def _stage(person: Person) -> str:
    return person.stage.value if person.stage is not None else ""


def _past_reviewers(session: Session, programme: Programme, author: int) -> set[int]:
    """Rows of today of those who have reviewed any work of this author in the programme, or are to."""
    rows = session.exec(
        select(rubrics.Review.reviewer_id)
        .join(Submission, col(Submission.id) == col(rubrics.Review.submission_id))
        .where(
            rubrics.Review.programme_id == pk(programme),
            col(rubrics.Review.state).in_(rubrics.LIVE),
            col(Submission.person_id).in_(rows_by_row(session, {author})[author]),
        )
    )
    return {found[0] for found in rows_by_row(session, rows).values()}


def _people(
    session: Session, programme: Programme, pool: str, school: int | None, group: int | None, seed: int
) -> dict[int, Person]:
    """Those who take part in the programme (handed something in, or reviewed), as rows of today, within the pool."""
    work, review = Submission, rubrics.Review
    row = aliased(Person)
    took_part = or_(
        col(row.id).in_(
            select(work.person_id).where(work.programme_id == pk(programme), col(work.current_version_id).is_not(None))
        ),
        col(row.id).in_(
            select(review.reviewer_id).where(
                review.programme_id == pk(programme), review.state == rubrics.ReviewState.SUBMITTED
            )
        ),
    )
    today = select(func.coalesce(col(row.merged_into_id), col(row.id))).where(
        row.tenant_id == programme.tenant_id, took_part
    )
    statement = select(Person).where(
        Person.tenant_id == programme.tenant_id,
        col(Person.id).in_(today),
        ~host_list.has_left(Person, pk(programme)),
    )
    if pool != "district":
        units: Any = col(OrgUnit.id) == school
        if pool == "own_group" and group is not None:
            units = or_(units, col(OrgUnit.parent_id) == group)
        inside = (
            select(OrgMembership.person_id)
            .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
            .where(col(OrgMembership.ends_on).is_(None), units)
        )
        statement = statement.where(col(Person.id).in_(inside))
    shuffled = (col(Person.id) * 7919 + seed % 104729) % 104729  # another part of a great district each time
    found = session.exec(statement.order_by(shuffled, col(Person.id)).limit(MOST_LOOKED_AT))
    return {pk(one): one for one in found}


def _places(session: Session, people: Collection[int]) -> dict[int, tuple[int | None, int | None]]:
    """Person → (school, school group) of now."""
    above = aliased(OrgUnit)
    rows = session.exec(
        select(OrgMembership.person_id, OrgUnit.id, above.id)
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .join(
            above, (col(above.id) == col(OrgUnit.parent_id)) & (col(above.kind) == UnitKind.SCHOOL_GROUP), isouter=True
        )
        .where(col(OrgMembership.person_id).in_(list(people)), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.id))
    )
    return {person: (school, group) for person, school, group in rows}


def _group(session: Session, school: int | None) -> int | None:
    above = aliased(OrgUnit)
    return session.exec(
        select(above.id)
        .join(OrgUnit, (col(OrgUnit.parent_id) == col(above.id)) & (col(above.kind) == UnitKind.SCHOOL_GROUP))
        .where(OrgUnit.id == school)
    ).first()


def _load(session: Session, people: Collection[int]) -> dict[int, int]:
    """How many appeals each of them was asked for already."""
    rows = session.exec(
        select(AppealReview.reviewer_id, func.count())
        .where(col(AppealReview.reviewer_id).in_(list(people)), col(AppealReview.state).in_(COUNTING))
        .group_by(col(AppealReview.reviewer_id))
    )
    return dict(rows.all())


def _trainers(session: Session, work: Submission, not_these: Collection[int], seed: int) -> list[int]:
    scope = submission_scope(session, work)
    rows = session.exec(
        select(Role, OrgUnit.path, Person.merged_into_id)
        .join(Person, col(Person.id) == col(Role.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(
            Role.tenant_id == work.tenant_id,
            Role.kind == RoleKind.TRAINER,
            col(Role.revoked_at).is_(None),
            col(Role.is_provisional).is_(False),
        )
    ).all()
    found = {
        today or role.person_id
        for role, path, today in rows
        if RoleScope(role.kind, role.course_id, path or "", role.is_provisional).reaches(scope)
    } - set(not_these)
    load = _load(session, found)
    return sorted(found, key=lambda person: (load.get(person, 0), hashlib.sha256(f"{seed}:{person}".encode()).digest()))
