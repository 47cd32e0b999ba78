"""再领一份: who would like to review more claims one work at a time, of those that lack reviewers.

Every rule of the programme about who reviews whom holds for a claim as it does for the allotment; what a person may
claim beyond what was allotted to them is a setting (`claims`). Which work it is, need and chance say (docs/adr/0039).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, get, hold, pk, table
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import conflicts, host_list, leavers
from lms_plugin.flow.blindness import works_read_by
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.review_needs import due_at, pool_key
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, Tenant, UnitKind

_COUNTS = col(rubrics.Review.state).in_(rubrics.LIVE) | col(rubrics.Review.opened_at).is_not(None)
"""What counts towards the most that one may claim: also what somebody saw and stepped back from or declined. Else who
looks for a friend's work would claim and hand back till it comes."""
MOST_READ = 20  # so many works are passed over because the claimant reads them at the desk, before they are told


@dataclass(frozen=True)
class Offer:
    """A programme in which a person may claim. `left`: how many more; `unfinished`: the number of the claimed review
    that is to be finished first, None = none."""

    programme: str
    title: str
    left: int
    unfinished: int | None


def claim(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> rubrics.Review:
    """The neediest work that this person may review becomes theirs to review. Raises NotFound for who takes no part, or
    no more; Refused `review.claims_closed` where the programme lets nobody claim or is over, `review.claim_unfinished`
    while an earlier one waits, `review.claims_used_up`, `review.claim_without_school`, `review.nothing_to_claim`.
    """
    require(actor, Permission.REVIEW_CLAIM, own(actor))
    programme = find(session, competencies.Programme, actor.tenant_id, programme_uuid)
    _require_part(session, actor, programme)
    policy = competencies.rules_of(session, programme).review
    timezone = get(session, Tenant, actor.tenant_id).timezone
    if not policy.claims or not policy.reviews_per_work or competencies.is_closed(programme, timezone, now):
        raise Refused("review.claims_closed")
    hold(session, get(session, Person, actor.person_id))  # one human being claims once at a time
    _require_room(session, actor, programme, policy, now)
    unit_id, pool = _place(session, actor, policy)
    if pool is None:
        raise Refused("review.claim_without_school")
    barred = _barred(session, actor, programme, policy)
    read: set[int] = set()
    while len(read) < MOST_READ:
        who = rubrics.Claimant(
            tenant_id=actor.tenant_id,
            programme_id=pk(programme),
            rows=actor.person_ids,
            pool=pool,
            not_authors=barred,
            not_works=frozenset(read),
            not_unit=unit_id if policy.exclude_own_school else None,
        )
        mark = session.begin_nested() if actor.roles else None  # who has no role reads nothing at the desk
        found = rubrics.claim(session, who, due_at(session, programme, now), now, _among(unit_id, policy))
        if found is None:
            if mark is not None:
                mark.rollback()
            break
        review, late = found
        if mark is None or not _reads(session, actor, review):
            if mark is not None:
                mark.commit()
            if late:
                rubrics.hand_on(session, late, now)
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
        select(programme, competencies.ProgrammePolicy)
        .join(competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(programme.policy_id))
        .where(programme.tenant_id == actor.tenant_id, part, ~gone, lacking)
        .order_by(col(programme.id))
    ).all()
    open_ones = [
        (row, competencies.Rules.model_validate(policy.rules).review)
        for row, policy in rows
        if not competencies.is_closed(row, timezone, now)
    ]
    open_ones = [(row, policy) for row, policy in open_ones if policy.claims and policy.reviews_per_work]
    if not open_ones:
        return ()
    claimed = session.exec(
        select(col(review.programme_id), col(review.state), col(review.blind_number)).where(
            col(review.reviewer_id).in_(actor.person_ids), col(review.is_claimed).is_(True), _COUNTS
        )
    ).all()
    found = []
    for row, policy in open_ones:
        mine = [(state, number) for key, state, number in claimed if key == pk(row)]
        left = policy.claims - len(mine)
        if left > 0:
            waits = next((number for state, number in mine if state in rubrics.UNFINISHED), None)
            found.append(Offer(row.uuid, row.title, left, waits))
    return tuple(found)


def _require_part(session: Session, actor: Actor, programme: competencies.Programme) -> None:
    # What hosts say is not asked: whoever is here has just come from one.
    gone = exists().where(col(Person.id) == actor.person_id, leavers.is_off_roster())
    part = select(Enrolment.id).where(
        Enrolment.programme_id == pk(programme), col(Enrolment.person_id).in_(actor.person_ids), ~gone
    )
    if session.exec(part).first() is None:
        raise NotFound("submit.not_enrolled")


def _require_room(
    session: Session, actor: Actor, programme: competencies.Programme, policy: competencies.ReviewPolicy, now: datetime
) -> None:
    """One at a time and not more than the setting says; nobody who lets others wait gets another one."""
    mine = session.exec(
        select(rubrics.Review)
        .where(
            rubrics.Review.programme_id == pk(programme),
            col(rubrics.Review.reviewer_id).in_(actor.person_ids),
            _COUNTS,
        )
        .order_by(col(rubrics.Review.blind_number))
    ).all()
    lease = timedelta(hours=policy.lease_hours)
    for review in mine:
        if (review.is_claimed and review.state in rubrics.UNFINISHED) or rubrics.is_late(review, lease, now):
            raise Refused("review.claim_unfinished", number=review.blind_number)
    if sum(review.is_claimed for review in mine) >= policy.claims:
        raise Refused("review.claims_used_up", most=policy.claims)


def _place(session: Session, actor: Actor, policy: competencies.ReviewPolicy) -> tuple[int | None, int | None]:
    """The school they belong to now, and the pool whose works they may review (None: no school, so none)."""
    group = aliased(OrgUnit)
    row = session.exec(
        select(OrgUnit.id, group.id)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .join(
            group,
            (col(group.id) == col(OrgUnit.parent_id)) & (col(group.kind) == UnitKind.SCHOOL_GROUP),
            isouter=True,
        )
        .where(col(OrgMembership.person_id).in_(actor.person_ids), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.id).desc())
        .limit(1)
    ).first()
    unit_id, group_id = row if row is not None else (None, None)
    return unit_id, pool_key(policy, unit_id, group_id)


def _barred(
    session: Session, actor: Actor, programme: competencies.Programme, policy: competencies.ReviewPolicy
) -> set[int]:
    """Rows of the people whose works this person does not review: 回避关系, those from whom they stepped back, and,
    where only course groups count, those of other groups."""
    stepped_back = session.exec(
        select(competencies.Submission.person_id)
        .join(rubrics.Review, col(rubrics.Review.submission_id) == col(competencies.Submission.id))
        .where(
            col(rubrics.Review.reviewer_id).in_(actor.person_ids),
            rubrics.Review.programme_id == pk(programme),
            rubrics.Review.state == rubrics.ReviewState.RECUSED,
        )
    ).all()
    people = set(stepped_back) | conflicts.kept_apart_from(session, actor.tenant_id, actor.person_ids)
    if policy.course_groups == "only":
        groups = host_list.groups_of_people(session, pk(programme))
        mine = groups.get(actor.person_id, frozenset())
        people |= {person for person, theirs in groups.items() if not theirs & mine}
    return {row for rows in rows_by_row(session, people).values() for row in rows}


def _among(unit_id: int | None, policy: competencies.ReviewPolicy) -> list[ColumnElement[bool]]:
    """The work still waits for peers; an author who moved has colleagues in both schools."""
    need, work, member = table(rubrics.ReviewNeed), table(competencies.Submission), table(OrgMembership)
    waits = exists().where(
        work.c.id == need.c.submission_id,
        work.c.current_version_id == need.c.submission_version_id,
        work.c.state == competencies.SubmissionState.SUBMITTED,
        work.c.trainer_id.is_(None) | (policy.returned_to == "peers"),
    )
    if not policy.exclude_own_school or unit_id is None:
        return [waits]
    colleague = exists().where(
        member.c.person_id == need.c.author_id, member.c.org_unit_id == unit_id, member.c.ends_on.is_(None)
    )
    return [waits, ~colleague]


def _reads(session: Session, actor: Actor, review: rubrics.Review) -> bool:
    """Whether they read the work at the desk with its author's name."""
    work = get(session, competencies.Submission, review.submission_id)
    return pk(work) in works_read_by(session, [actor.person_id], [work]).get(actor.person_id, ())
