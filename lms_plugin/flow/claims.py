"""再领一份: who would like to review more claims one work at a time, of those that lack reviewers.

Every rule of the programme about who reviews whom holds for a claim as it does for the allotment; what a person may
claim beyond what was allotted to them is a setting (`claims`), and whoever got fewer than each owes (`peer_due`) may
claim until they have as many. Which work it is, need and chance say (docs/adr/0039).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, bindparam, exists, false, literal_column, true
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, get, pk, table
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import claim_examples, conflicts, former_colleagues, host_list, leavers, message_words, messages
from lms_plugin.flow.blindness import works_read_by
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.review_needs import due_on, pool_key
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, Tenant, UnitKind

_WAS_EXAMPLE: ColumnElement[bool] = (
    (col(rubrics.Review.state) == rubrics.ReviewState.VOID)
    & col(rubrics.Review.submitted_at).is_not(None)
    & exists().where(col(rubrics.GoldReview.review_id) == col(rubrics.Review.id))
)
"""It turned out to be an example when it was handed in."""
_COUNTS = col(rubrics.Review.state).in_(rubrics.LIVE) | (col(rubrics.Review.opened_at).is_not(None) & ~_WAS_EXAMPLE)
"""What counts towards the most that one may claim: also what somebody saw and stepped back from or declined. Else who
looks for a friend's work would claim and hand back till it comes. An example counts until it is known as one."""
ONE: ColumnElement[int] = literal_column("1")  # a bound number would leave the planner guessing how many are wanted
MOST_READ = 20  # so many works are passed over because the claimant reads them at the desk, before they are told


@dataclass(frozen=True)
class Offer:
    """A programme in which a person may claim. `left`: how many more; `lacking`: how many of them they owe;
    `unfinished`: the number of the claimed review that is to be finished first, None = none."""

    programme: str
    title: str
    left: int
    unfinished: int | None
    lacking: int


def claim(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> rubrics.Review:
    """The neediest work that this person may review becomes theirs to review. Raises NotFound for who takes no part, or
    no more; Refused `review.claims_closed` where the programme lets nobody claim or is over, `review.claim_unfinished`
    while an earlier one waits, `review.claims_used_up`, `review.claim_without_school`,
    `review.claim_busy` while an allotment or others hold what is left, `review.nothing_to_claim`.
    """
    require(actor, Permission.REVIEW_CLAIM, own(actor))
    programme = find(session, competencies.Programme, actor.tenant_id, programme_uuid)
    policy, timezone, quota = _require_part(session, actor, programme)
    if not policy.takes_claims or competencies.is_closed(programme, timezone, now):
        raise Refused("review.claims_closed")
    reviews = _own_reviews(session, actor, programme)
    left = _require_room(reviews, policy, quota, now)
    unit_id, group_id = _place(session, actor)
    pool = pool_key(policy, unit_id, group_id)
    if pool is None:
        raise Refused("review.claim_without_school")
    among = [*still_waiting(unit_id, policy), *_fitting(session, actor, group_id, policy)]
    barred = _barred(session, actor, programme, policy, reviews, now)
    due = due_on(programme, timezone, now)
    example = claim_examples.in_place(session, actor, programme, policy, left, now)
    practice = claim_examples.first(session, actor, programme, policy, now)
    read: set[int] = set()
    while len(read) < MOST_READ:
        who = rubrics.Claimant(
            tenant_id=actor.tenant_id,
            programme_id=pk(programme),
            rows=actor.person_ids,
            pool=pool,
            not_authors=barred,
            not_works=frozenset(read),
            not_unit=unit_id if policy.exclude_own_school or policy.exclude_own_group else None,
        )
        # Who has no role reads nothing at the desk; and an example comes only where a work would have come.
        mark = session.begin_nested() if actor.roles or example or practice else None
        for one in practice:
            rubrics.claim_gold(session, who, one, due, now)
        found = rubrics.claim(session, who, due, now, among)
        if found is None:
            if mark is not None:
                mark.rollback()
            if rubrics.is_busy(session, who, among):
                raise Refused("review.claim_busy")
            break
        review, late = found
        if mark is None or not _reads(session, actor, review):
            if mark is not None and example is not None:
                mark.rollback()
                review, late = rubrics.claim_gold(session, who, example, due, now), []
            elif mark is not None:
                mark.commit()
            if late:
                rubrics.hand_on(session, late, now)
            told = messages.Told(review.reviewer_id, programme.uuid, {"title": programme.title})
            messages.tell(session, programme.tenant_id, message_words.CLAIMED, [told], now)
            return review
        read.add(review.submission_id)
        mark.rollback()
    raise Refused("review.nothing_to_claim")


def offers(session: Session, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """The programmes in which this person may claim a review now, while any work lacks reviewers: two queries."""
    require(actor, Permission.REVIEW_CLAIM, own(actor))
    programme, need, review = competencies.Programme, rubrics.ReviewNeed, rubrics.Review
    timezone = get(session, Tenant, actor.tenant_id).timezone
    lacking = exists().where(col(need.programme_id) == col(programme.id), col(need.need) > 0)
    part = exists().where(
        col(Enrolment.programme_id) == col(programme.id), col(Enrolment.person_id).in_(actor.person_ids)
    )
    gone = exists().where(col(Person.id) == actor.person_id, leavers.is_off_roster())
    rows = session.exec(
        select(programme, competencies.ProgrammePolicy, _quota(actor.person_ids, col(programme.id)))
        .join(competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(programme.policy_id))
        .where(programme.tenant_id == actor.tenant_id, part, ~gone, lacking)
        .order_by(col(programme.id))
    ).all()
    open_ones = [
        (row, competencies.Rules.model_validate(policy.rules).review, quota)
        for row, policy, quota in rows
        if not competencies.is_closed(row, timezone, now)
    ]
    open_ones = [one for one in open_ones if one[1].takes_claims]
    if not open_ones:
        return ()
    asked: Any = columns(
        col(review.programme_id), col(review.state), col(review.is_claimed), col(review.blind_number)
    ).where(
        col(review.reviewer_id).in_(actor.person_ids),
        col(review.programme_id).in_([pk(row) for row, _policy, _most in open_ones]),
        _COUNTS,
    )
    held = session.connection().execute(asked).all()
    found = []
    for row, policy, quota in open_ones:
        mine = [one for one in held if one.programme_id == pk(row)]
        left, owed = _room(mine, policy, quota)
        if left > 0:
            waits = next((one.blind_number for one in mine if one.is_claimed and one.state in rubrics.UNFINISHED), None)
            found.append(Offer(row.uuid, row.title, left, waits, owed))
    return tuple(found)


def _room(mine: Sequence[Any], policy: competencies.ReviewPolicy, quota: int | None) -> tuple[int, int]:
    """How many more somebody with these reviews (those that count) may claim, and how many of them they owe; never
    more than they give in all (`quotas`)."""
    owed = max(0, policy.peer_due - len(mine))
    left = max(policy.claims - sum(one.is_claimed for one in mine), owed)
    if quota is not None:
        left = min(left, quota - sum(one.state in rubrics.LIVE for one in mine))
    return left, max(0, min(owed, left))


def _quota(rows: Any, programme: Any) -> Any:
    """The most that the human being with these rows gives in a programme, in a query of more than that; NULL = as the
    rules say."""
    quota = rubrics.ReviewQuota
    return (
        columns(col(quota.most))
        .where(col(quota.programme_id) == programme, col(quota.person_id).in_(rows))
        .order_by(col(quota.set_at).desc(), col(quota.id).desc())
        .limit(ONE)
        .scalar_subquery()
    )


def _require_part(
    session: Session, actor: Actor, programme: competencies.Programme
) -> tuple[competencies.ReviewPolicy, str, int | None]:
    """The policy of reviews, the district's time zone, and the most that this person gives. Raises NotFound for who
    takes no part."""
    row = (
        session.connection()
        .execute(_part(), {"programme": pk(programme), "me": actor.person_id, "rows": actor.person_ids})
        .one_or_none()
    )
    if row is None:
        raise NotFound("submit.not_enrolled")
    return competencies.Rules.model_validate(row.rules or {}).review, row.timezone, row.quota


@cache  # put together once, as all of them here: that costs more than asking
def _part() -> Select[Any]:
    programme = competencies.Programme
    # What hosts say is not asked: whoever is here has just come from one.
    gone = exists().where(col(Person.id) == bindparam("me"), leavers.is_off_roster())
    part = exists().where(
        col(Enrolment.programme_id) == col(programme.id),
        col(Enrolment.person_id).in_(bindparam("rows", expanding=True)),
    )
    return (
        columns(
            col(competencies.ProgrammePolicy.rules),
            col(Tenant.timezone),
            _quota(bindparam("rows", expanding=True), col(programme.id)).label("quota"),
        )
        .select_from(programme)
        .join(Tenant, col(Tenant.id) == col(programme.tenant_id))
        .join(
            competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(programme.policy_id), isouter=True
        )
        .where(col(programme.id) == bindparam("programme"), part, ~gone)
    )


def _own_reviews(session: Session, actor: Actor, programme: competencies.Programme) -> Sequence[Any]:
    """All that this human being has reviewed or is to review here, with whose work it is. Their row is kept meanwhile:
    one human being claims once at a time."""
    connection = session.connection()
    if connection.execute(_kept(), {"me": actor.person_id}).one_or_none() is None:
        raise NotFound
    return connection.execute(_own(), {"programme": pk(programme), "rows": actor.person_ids}).all()


@cache
def _kept() -> Select[Any]:
    person = table(Person).c
    return columns(person.id).where(person.id == bindparam("me")).with_for_update()


@cache
def _own() -> Select[Any]:
    review, work = table(rubrics.Review), table(competencies.Submission)
    asked = (review.c.state, review.c.is_claimed, review.c.opened_at, review.c.saved_at, review.c.due_at)
    return (
        columns(*asked, review.c.blind_number, work.c.person_id, _WAS_EXAMPLE.label("is_example"))
        .join(work, work.c.id == review.c.submission_id)
        .where(
            review.c.programme_id == bindparam("programme"),
            review.c.reviewer_id.in_(bindparam("rows", expanding=True)),
        )
        .order_by(review.c.blind_number)
    )


def _require_room(reviews: Sequence[Any], policy: competencies.ReviewPolicy, quota: int | None, now: datetime) -> int:
    """One at a time and not more than the setting says; nobody who lets others wait gets another one. How many more
    they may claim."""
    mine = [one for one in reviews if one.state in rubrics.LIVE or (one.opened_at is not None and not one.is_example)]
    lease = timedelta(hours=policy.lease_hours)
    for review in mine:
        if (review.is_claimed and review.state in rubrics.UNFINISHED) or rubrics.is_late(review, lease, now):
            raise Refused("review.claim_unfinished", number=review.blind_number)
    if quota is not None and _room(mine, policy, None)[0] > 0 >= _room(mine, policy, quota)[0]:
        raise Refused("review.quota_reached", most=quota)
    left = _room(mine, policy, quota)[0]
    if left <= 0:
        raise Refused("review.claims_used_up", most=max(policy.claims, policy.peer_due))
    return left


def _place(session: Session, actor: Actor) -> tuple[int | None, int | None]:
    """The school that they belong to now, and its school group."""
    row = session.connection().execute(_school(), {"rows": actor.person_ids}).first()
    return (row[0], row[1]) if row is not None else (None, None)


@cache
def _school() -> Select[Any]:
    group = aliased(OrgUnit)
    found = (
        columns(col(OrgUnit.id), col(group.id))
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .join(
            group,
            (col(group.id) == col(OrgUnit.parent_id)) & (col(group.kind) == UnitKind.SCHOOL_GROUP),
            isouter=True,
        )
        .where(
            col(OrgMembership.person_id).in_(bindparam("rows", expanding=True)), col(OrgMembership.ends_on).is_(None)
        )
        .order_by(col(OrgMembership.id).desc())
        .limit(1)
    )
    return cast("Select[Any]", found)


def _barred(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    policy: competencies.ReviewPolicy,
    reviews: Sequence[Any],
    now: datetime,
) -> set[int]:
    """Rows of the people whose works this person does not review: 回避关系, those from whom they stepped back, former
    colleagues where the own school is left out, by the rule those of whom they have one, and, where only course groups
    count, those of other groups."""
    ends = {rubrics.ReviewState.RECUSED, *(rubrics.LIVE if policy.exclude_past_reviewers else ())}
    stepped_back = {one.person_id for one in reviews if one.state in ends}
    people = stepped_back | conflicts.kept_apart_from(session, actor.tenant_id, actor.person_ids)
    people |= former_colleagues.of_person(session, programme, policy, actor.person_ids, now)
    if policy.course_groups == "only":
        groups = host_list.groups_of_people(session, pk(programme))
        mine = groups.get(actor.person_id, frozenset())
        people |= {person for person, theirs in groups.items() if not theirs & mine}
    return {row for rows in rows_by_row(session, people).values() for row in rows}


def still_waiting(unit_id: int | None, policy: competencies.ReviewPolicy) -> list[ColumnElement[bool]]:
    """The work still waits for peers; an author who moved has colleagues in both schools."""
    need, work, member = table(rubrics.ReviewNeed), table(competencies.Submission), table(OrgMembership)
    # As values, not as EXISTS: PostgreSQL would join the tables whole first, to hand out one row.
    waits = (
        columns(true())
        .where(
            work.c.id == need.c.submission_id,
            work.c.current_version_id == need.c.submission_version_id,
            work.c.state == competencies.SubmissionState.SUBMITTED,
            work.c.trainer_id.is_(None) | (policy.returned_to == "peers"),
        )
        .correlate(need)
        .scalar_subquery()
    )
    if not (policy.exclude_own_school or policy.exclude_own_group) or unit_id is None:
        return [waits]
    colleague = (
        columns(member.c.id)
        .where(member.c.person_id == need.c.author_id, member.c.org_unit_id == unit_id, member.c.ends_on.is_(None))
        .limit(ONE)
        .correlate(need)
        .scalar_subquery()
    )
    return [waits, colleague.is_(None)]


def _fitting(
    session: Session, actor: Actor, group_id: int | None, policy: competencies.ReviewPolicy
) -> list[ColumnElement[bool]]:
    """What the programme asks of subject, stage and school group, as an allotment takes it (`rubrics.AllocationRule`);
    nothing, and no query, where it asks nothing."""
    need, author = table(rubrics.ReviewNeed), table(Person)
    found: list[ColumnElement[bool]] = []
    if policy.exclude_own_group and group_id is not None:
        school, member = table(OrgUnit), table(OrgMembership)
        in_group = exists().where(school.c.id == need.c.org_unit_id, school.c.parent_id == group_id)
        now_in_group = exists().where(
            member.c.person_id == need.c.author_id,
            member.c.ends_on.is_(None),
            school.c.id == member.c.org_unit_id,
            school.c.parent_id == group_id,
        )
        found += [~in_group.correlate(need), ~now_in_group.correlate(need)]
    if policy.subjects == policy.stages == "any":
        return found
    me = get(session, Person, actor.person_id)
    for rule, column, mine in (
        (policy.subjects, author.c.subject, me.subject),
        (policy.stages, author.c.stage, me.stage),
    ):
        same = exists().where(author.c.id == need.c.author_id, column == mine).correlate(need)
        if rule == "same":
            found.append(same if mine else false())
        elif rule == "other" and mine:
            found.append(~same)
    return found


def _reads(session: Session, actor: Actor, review: rubrics.Review) -> bool:
    """Whether they read the work at the desk with its author's name."""
    work = get(session, competencies.Submission, review.submission_id)
    return pk(work) in works_read_by(session, [actor.person_id], [work]).get(actor.person_id, ())
