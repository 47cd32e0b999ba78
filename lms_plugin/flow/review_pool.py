"""Who takes part in the reviews of a programme right now: works, reviewers, and what they already owe."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.db import among, pk
from lms_plugin.flow import conflicts, former_colleagues, host_list, leavers, quotas
from lms_plugin.flow.blindness import works_read_by
from lms_plugin.people import OrgMembership, OrgUnit, Person, UnitKind

USUAL_SLACK = 1  # one gives as many reviews as one receives, or one more
HANDED_IN = (
    competencies.SubmissionState.SUBMITTED,
    competencies.SubmissionState.DECIDED,
    competencies.SubmissionState.RETURNED,
    competencies.SubmissionState.RELEASED,
)


Said = tuple[dict[int, set[int]], dict[int, int]]
"""Who does not review whom, and how many each gives who has a number of their own."""


@dataclass(frozen=True)
class Pool:
    """What an allotment works on. `needy` are the ids of works that lack reviewers and may get some now.

    `late`: reviews by work whose time is up, the longest untouched first: they stand until somebody else is found.
    `waiting`: works whose author may still withdraw. `differing`: works whose submitted reviews differ on pass, with
    the point levels of those reviews. `gone`: people who take part no more; `groups`: course groups of people, None =
    not asked; `former`: person → authors from whom they are kept as former colleagues and for nothing else.
    """

    works: tuple[rubrics.Work, ...]
    reviewers: tuple[rubrics.Reviewer, ...]
    existing: tuple[rubrics.Assignment, ...]
    submissions: dict[int, competencies.Submission]
    versions: dict[int, competencies.SubmissionVersion]
    needy: frozenset[int]
    late: dict[int, tuple[rubrics.Review, ...]]
    waiting: int
    differing: dict[int, tuple[int, ...]]
    school_names: dict[int, str]
    gone: frozenset[int] = frozenset()
    groups: Mapping[int, frozenset[int]] | None = None
    former: Mapping[int, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupFigures:
    """What course groups mean for the works of a pool. `of_groups`: works whose author is in a group, `helped`: those
    of them that somebody from outside reviews, `loose`: the author's course has groups, the author is in none,
    `unbound`: the author's courses have no groups."""

    of_groups: int
    helped: int
    loose: int
    unbound: int


def group_figures(pool: Pool) -> GroupFigures:
    """Counts a pool by course groups. A reviewer who takes part no more counts for neither side."""
    groups = {one.id: one.course_groups for one in pool.reviewers}
    works = {work.id: work.course_groups for work in pool.works if work.course_groups}
    helped = {
        one.work_id
        for one in pool.existing
        if one.work_id in works and one.reviewer_id in groups and not works[one.work_id] & groups[one.reviewer_id]
    }
    unbound = sum(work.course_groups is None for work in pool.works)
    return GroupFigures(len(works), len(helped), len(pool.works) - len(works) - unbound, unbound)


def rule_of(rules: competencies.Rules, slack: int = USUAL_SLACK) -> rubrics.AllocationRule:
    """The review policy as the plan takes it."""
    policy = rules.review
    return rubrics.AllocationRule(
        reviews_per_work=policy.reviews_per_work,
        max_reviews=policy.max_reviews,
        pool=rubrics.Pool(policy.pool),
        exclude_own_school=policy.exclude_own_school,
        prefer_same_subject=policy.prefer_same_subject and policy.subjects == "any",
        course_groups=rubrics.CourseGroups(policy.course_groups),
        duty_slack=slack,
        exclude_own_group=policy.exclude_own_group,
        only_same_subject=policy.subjects == "same",
        only_same_stage=policy.stages == "same",
        exclude_same_subject=policy.subjects == "other",
        exclude_same_stage=policy.stages == "other",
        exclude_past_reviewers=policy.exclude_past_reviewers,
    )


def pool_of(
    session: Session,
    programme: competencies.Programme,
    rules: competencies.Rules,
    now: datetime,
    said: Said | None = None,
    former: dict[int, set[int]] | None = None,
) -> Pool:
    """Reads the pool in six queries, one more where course groups count, where somebody has a number of their
    own, and where the own school is left out; one less where `said` (`said_of`) is known, and `former`
    (`former_colleagues.pairs`).

    A work takes part once its withdraw time is over; a work that came back from a return goes to its trainer, not to
    peers again. A decided work gets no more reviewers, but those it has count in its author's duty. Nobody is to review
    blind what they read at the desk with its author's name. Who can come no more, as hosts say, gets nothing new; who
    is late with a review gets none that somebody else is late with.
    """
    rows: Sequence[Any] = session.execute(
        columns(
            competencies.Submission,
            competencies.SubmissionVersion,
            col(Person.subject),
            col(Person.stage),
            col(Person.merged_into_id),
            leavers.has_gone(pk(programme)),
        )
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
        )
        .join(Person, col(Person.id) == col(competencies.Submission.person_id))
        .where(
            col(competencies.Submission.programme_id) == pk(programme),
            col(competencies.Submission.state).in_(HANDED_IN),
            col(competencies.SubmissionVersion.withdrawn_at).is_(None),
        )
        .order_by(col(competencies.Submission.id))
    ).all()
    if not rows:
        return Pool((), (), (), {}, {}, frozenset(), {}, 0, {}, {})
    reviews: Sequence[Any] = session.execute(
        columns(rubrics.Review, func.coalesce(col(Person.merged_into_id), col(Person.id)))
        .join(Person, col(Person.id) == col(rubrics.Review.reviewer_id))
        .where(col(rubrics.Review.programme_id) == pk(programme))
    ).all()
    submissions = {pk(submission): submission for submission, *_more in rows}
    versions = {pk(submission): version for submission, version, *_more in rows}
    # Two rows that are one human being are one author and one reviewer: nobody gets their own work.
    authors = {pk(submission): into or submission.person_id for submission, *_more, into, _left in rows}
    subjects = {authors[pk(submission)]: subject for submission, _version, subject, *_more in rows}
    stages = {authors[pk(row[0])]: row[3].value for row in rows if row[3] is not None}
    left = {authors[pk(submission)] for submission, *_more, has_left in rows if has_left}
    existing: list[rubrics.Assignment] = []
    given, counts = Counter[int](), Counter[int]()
    refused: dict[int, set[int]] = {}
    recused: dict[int, set[int]] = {}
    past: dict[int, set[int]] = {}
    levels: dict[int, list[int]] = {}
    late: dict[int, list[rubrics.Review]] = {}
    behind: set[int] = set()
    lease = timedelta(hours=rules.review.lease_hours)
    for review, reviewer in reviews:  # the row of today
        work = submissions.get(review.submission_id)
        on_current = work is not None and work.current_version_id == review.submission_version_id
        waits = on_current and work is not None and work.state is competencies.SubmissionState.SUBMITTED
        if waits and rubrics.is_late(review, lease, now):
            # Still theirs to finish, so it counts in what they owe; the work may have another reviewer in their place.
            late.setdefault(review.submission_id, []).append(review)
            given[reviewer] += 1
            behind.add(reviewer)
        elif review.state in rubrics.LIVE and on_current:
            existing.append(rubrics.Assignment(review.submission_id, reviewer))
            counts[review.submission_id] += 1
            if review.state is rubrics.ReviewState.SUBMITTED and review.point_level is not None:
                levels.setdefault(review.submission_id, []).append(review.point_level)
        elif review.state is rubrics.ReviewState.SUBMITTED:
            given[reviewer] += 1  # on a version that was replaced: done all the same
        elif on_current:
            refused.setdefault(reviewer, set()).add(review.submission_id)
            given[reviewer] += review.decline is rubrics.Decline.TIME  # nobody is asked in its place for another one
        if review.state is rubrics.ReviewState.RECUSED and work is not None:
            recused.setdefault(reviewer, set()).add(authors[review.submission_id])
        if rules.review.exclude_past_reviewers and review.state in rubrics.LIVE and work is not None:
            past.setdefault(reviewer, set()).add(authors[review.submission_id])
    over = now - timedelta(minutes=rules.review.withdraw_minutes)
    enough = rules.review.reviews_per_work
    open_to_peers = {
        key
        for key, submission in submissions.items()
        if submission.state is competencies.SubmissionState.SUBMITTED
        and (submission.trainer_id is None or rules.review.returned_to == "peers")
    }
    ripe = {key for key in open_to_peers if versions[key].submitted_at <= over}
    needy = frozenset(key for key in ripe if counts[key] < enough)
    taking_part = needy | {key for key in submissions if counts[key] >= enough > 0}
    # Who gives some without a work of their own takes part too.
    said = said or said_of(session, programme)
    apart, most = said
    volunteers = _volunteers(session, programme, {key for key, number in most.items() if number})
    for person, (subject, stage, has_left) in volunteers.items():
        subjects[person], stages[person] = subject, stage
        left |= {person} if has_left else set()
    schools, units, names = _schools(
        session,
        {authors[key] for key in taking_part} | volunteers.keys(),
        {unit for key in taking_part if (unit := versions[key].org_unit_id) is not None},
    )
    groups = host_list.groups_of_people(session, pk(programme)) if rules.review.course_groups != "off" else {}
    works = tuple(
        rubrics.Work(
            id=key,
            author_id=authors[key],
            school_id=(school := versions[key].org_unit_id or schools.get(authors[key])),
            group_id=units.get(school or 0),
            subject=subjects.get(authors[key], ""),
            course_groups=groups.get(authors[key]),
            stage=stages.get(authors[key], ""),
        )
        for key in sorted(taking_part)
    )
    people = sorted({work.author_id for work in works} | volunteers.keys())
    read = works_read_by(session, people, [submissions[key] for key in sorted(taking_part)])
    if former is None:
        former = former_colleagues.pairs(session, programme, rules.review, people, now)
    here = set(people)  # the same whoever asked: what is shown before is what is done
    everything = frozenset(taking_part)  # one for all who have gone: of a whole district it is large
    reviewers = tuple(
        rubrics.Reviewer(
            id=person,
            school_id=schools.get(person),
            group_id=units.get(schools.get(person, 0)),
            subject=subjects.get(person, ""),
            owed_now=given[person],
            refused_works=everything
            if person in left
            else frozenset(
                refused.get(person, set()) | read.get(person, set()) | (late.keys() if person in behind else set())
            ),
            recused_authors=frozenset(
                recused.get(person, set()) | apart.get(person, set()) | (former.get(person, set()) & here)
            ),
            course_groups=groups.get(person, frozenset()),
            stage=stages.get(person, ""),
            quota=most.get(person),
            past_authors=frozenset(past.get(person, ())),
        )
        for person in people
    )
    return Pool(
        works=works,
        reviewers=reviewers,
        existing=tuple(existing),
        submissions=submissions,
        versions=versions,
        needy=needy,
        late={key: tuple(sorted(found, key=_touched)) for key, found in late.items()},
        waiting=len(open_to_peers - ripe),
        differing={
            key: tuple(found)
            for key, found in levels.items()
            if key in ripe and key in taking_part and rubrics.differ_on_pass(found)
        },
        school_names=names,
        gone=frozenset(left),
        groups=groups,
        former={
            person: found
            for person, authors in former.items()
            if (found := frozenset(authors & here - recused.get(person, set()) - apart.get(person, set())))
        },
    )


def said_of(session: Session, programme: competencies.Programme) -> Said:
    """What people have said of reviewers: who does not review whom, and who gives how many. One query."""
    pair, number = conflicts.standing(programme.tenant_id), quotas.said(pk(programme))
    rows: Sequence[Any] = session.execute(
        union_all(pair.add_columns(literal(True)), number.add_columns(literal(False)))
    ).all()
    return said_in(rows)


def said_in(rows: Iterable[tuple[int, int, datetime, bool]]) -> Said:
    """`said_of`, of these rows: two people, or one and their number; when it was said; whether it is a pair."""
    known = list(rows)
    apart = conflicts.both_ways((one, other) for one, other, _at, is_pair in known if is_pair)
    return apart, quotas.latest((one, most, at) for one, most, at, is_pair in known if not is_pair)


def _volunteers(
    session: Session, programme: competencies.Programme, people: set[int]
) -> dict[int, tuple[str, str, bool]]:
    """Of these rows of today: subject, stage, and whether they take part no more. No query for nobody."""
    if not people:
        return {}
    rows: Any = session.execute(
        columns(col(Person.id), col(Person.subject), col(Person.stage), leavers.has_gone(pk(programme))).where(
            among(Person.id, people)
        )
    )
    return {
        key: (subject, stage.value if stage is not None else "", bool(has_left))
        for key, subject, stage, has_left in rows
    }


def _touched(review: rubrics.Review) -> tuple[datetime, int]:
    return review.saved_at or review.opened_at or review.allotted_at, pk(review)


def handed_on(pool: Pool, slots: Sequence[rubrics.Slot], enough: int) -> list[rubrics.Review]:
    """The late reviews in whose place these come: of each work as many as it has reviewers too many with them, those
    that were untouched the longest. `enough`: reviews a work should have; a third one is asked for on top of them."""
    new = Counter(slot.submission_id for slot in slots)
    thirds = {slot.submission_id for slot in slots if slot.is_third}
    standing = Counter(one.work_id for one in pool.existing)
    found: list[rubrics.Review] = []
    for work, late in pool.late.items():
        most = enough + (work in thirds)
        found += late[: max(0, min(new[work], standing[work] + new[work] + len(late) - most))]
    return found


@dataclass(frozen=True)
class Plan:
    """What an allotment would do now: the reviews to be made, and what nobody is free for; from what, and by which
    seed, so that it can be drawn again. `former` as `Pool`."""

    slots: tuple[rubrics.Slot, ...]
    shortages: tuple[rubrics.Shortage, ...]
    inputs: rubrics.Inputs
    planned: rubrics.Planned
    seed: int
    former: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @property
    def works(self) -> set[int]:
        """The works that want a reviewer, whether somebody is free or not."""
        return {slot.submission_id for slot in self.slots} | {one.work_id for one in self.shortages}

    @property
    def filled(self) -> int:
        """How many works would get a reviewer."""
        return len({slot.submission_id for slot in self.slots})


def plan_of(pool: Pool, rules: competencies.Rules, seed: int | None = None, slack: int = USUAL_SLACK) -> Plan:
    """The reviews that are missing, third ones included: the same pool and seed give the same plan. `slack`: how many
    reviews one may give beyond those one receives.

    Without a seed it is drawn from the pool itself, so that nobody chose it and what is shown before is what is done.
    """
    differing = pool.differing if rules.review.third_when_differing else {}
    inputs = rubrics.Inputs(pool.works, pool.reviewers, pool.existing, rule_of(rules, slack), differing)
    if seed is None:
        seed = int(inputs.content_hash()[:8], 16) >> 1
    planned = rubrics.planned(inputs, seed)
    slots = tuple(slot_of(pool, one, third) for one, third in planned.rows())
    return planned_of(pool, slots, inputs, planned, seed)


def planned_of(
    pool: Pool, slots: tuple[rubrics.Slot, ...], inputs: rubrics.Inputs, planned: rubrics.Planned, seed: int
) -> Plan:
    """The plan, with what keeps a work from being filled in words that an officer can act on."""
    shortages = former_colleagues.named(planned.shortages, pool.works, pool.reviewers, pool.former, inputs.rule)
    return Plan(slots, shortages, inputs, planned, seed, pool.former)


def third_of(
    pool: Pool, key: int, rule: rubrics.AllocationRule, seed: int, existing: Sequence[rubrics.Assignment]
) -> Any:
    """One more reviewer for a work whose reviews differ on pass."""
    work = next(one for one in pool.works if one.id == key)
    return rubrics.third_reviewer(work, pool.works, pool.reviewers, rule, seed, existing, list(pool.differing[key]))


def slot_of(pool: Pool, one: rubrics.Assignment, is_third: bool = False) -> rubrics.Slot:
    """A place in the plan as the review that is to be made, on the version that stands."""
    return rubrics.Slot(one.work_id, pk(pool.versions[one.work_id]), one.reviewer_id, is_third)


def _schools(
    session: Session, people: set[int], units: set[int]
) -> tuple[dict[int, int], dict[int, int], dict[int, str]]:
    """Person id → the school they belong to now, school id → the school group it is in, where it is
    in one, and school id → its name."""
    group = aliased(OrgUnit)
    rows = session.exec(
        select(OrgUnit.id, OrgUnit.name, OrgMembership.person_id, group.id)
        .join(
            OrgMembership,
            (col(OrgMembership.org_unit_id) == col(OrgUnit.id))
            & among(OrgMembership.person_id, people)
            & col(OrgMembership.ends_on).is_(None),
            isouter=True,
        )
        .join(
            group,
            (col(group.id) == col(OrgUnit.parent_id)) & (col(group.kind) == UnitKind.SCHOOL_GROUP),
            isouter=True,
        )
        .where(col(OrgMembership.id).is_not(None) | among(OrgUnit.id, units))
        .order_by(col(OrgMembership.id))
    ).all()
    schools = {person: unit for unit, _name, person, _group in rows if person is not None and unit is not None}
    groups = {unit: group_id for unit, _name, _person, group_id in rows if unit is not None and group_id is not None}
    return schools, groups, {unit: name for unit, name, _person, _group in rows if unit is not None}
