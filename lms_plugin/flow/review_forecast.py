"""Whether there will be enough reviewers, while works come in: the plan that today's list and rules would give if
everybody who is to take part handed in all they are asked for, on top of the reviews that there are."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import and_, cast, func, literal, null, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.db import pk, table
from lms_plugin.flow import categories, conflicts, former_colleagues, host_list, leavers, quotas
from lms_plugin.flow.review_pool import Pool, Said, planned_of, rule_of, said_in
from lms_plugin.flow.review_preview import Preview, preview_of
from lms_plugin.people import Enrolment, Exemption, OrgMembership, OrgUnit, Person, RosterEntry, UnitKind

MOST_WORKS = 12_000
"""A plan of more takes a page too long: then one work of each person is looked at, and a fair share of what they may
be asked; of still more people nothing is foretold."""


@dataclass(frozen=True)
class Forecast:
    """`people` are to hand in `points` works each; `is_share`: too many to plan all of these, so one of each was
    planned, as if nothing were handed in. `preview`: the plan in numbers, None where even that is too much; `whys`: of
    how many works each reason.

    `handed_in`: works that have come; `chosen`: points that are chosen and may still come; `open`: works of points that
    nobody has chosen yet. `wanted`: reviews that all of these lack; `room`: how many the people may still give by the
    rules, whoever's they are; both 0 without a plan.
    """

    people: int
    points: int
    is_share: bool
    preview: Preview | None
    whys: dict[str, int]
    handed_in: int = 0
    chosen: int = 0
    open: int = 0
    wanted: int = 0
    room: int = 0


def forecast(
    session: Session,
    programme: competencies.Programme,
    rules: competencies.Rules,
    facts: "Facts",
    begun: Pool,
) -> Forecast:
    """For everybody due by the roster, and those who take part without standing on it; `begun`: the pool of what is
    handed in. No query, two where course groups count and nothing is handed in."""
    people = facts.due
    points = rules.choice.required_points
    coming = _coming(rules, begun, facts)
    is_share = len(begun.works) + sum(one.works for one in coming) > MOST_WORKS
    told = Forecast(
        len(people),
        points,
        is_share,
        None,
        {},
        handed_in=len(begun.submissions),
        chosen=sum(one.chosen for one in coming),
        open=sum(one.open for one in coming),
    )
    if not people or (is_share and len(people) > MOST_WORKS):
        return told
    rule = rule_of(rules)
    if is_share:
        rule = replace(rule, max_reviews=max(1, rules.review.max_reviews // points))
        begun = Pool((), (), (), {}, {}, frozenset(), {}, 0, {}, {}, groups=begun.groups)
        coming = [_ONE] * len(people)
    if begun.groups is None and rules.review.course_groups != "off":
        begun = replace(begun, groups=host_list.groups_of_people(session, pk(programme)))
    pool = _pool(facts, begun, coming, points if is_share else 1)
    differing = begun.differing if rules.review.third_when_differing else {}
    inputs = rubrics.Inputs(pool.works, pool.reviewers, pool.existing, rule, differing)
    planned = rubrics.planned(inputs, 1)
    slots = tuple(rubrics.Slot(one.work_id, one.work_id, one.reviewer_id, third) for one, third in planned.rows())
    plan = planned_of(pool, slots, inputs, planned, 1)
    whys = Counter(one.why.value for one in plan.shortages)
    room = rubrics.room_of(pool.works, pool.reviewers, rule, pool.existing)
    return replace(
        told,
        preview=preview_of(pool, plan),
        whys=dict(whys),
        wanted=len(slots) + sum(one.short for one in planned.shortages),
        room=sum(most for person, most in room.items() if person not in pool.gone),
    )


@dataclass(frozen=True)
class _Coming:
    """What somebody may still hand in: `again`: works that may still be withdrawn, or wait; `chosen`: points that are
    chosen; `open`: that they have yet to choose."""

    again: int = 0
    chosen: int = 0
    open: int = 0

    @property
    def works(self) -> int:
        return self.again + self.chosen + self.open


_ONE = _Coming(open=1)


@dataclass(frozen=True)
class _Due:
    """Somebody who is to take part; `person_id` None = has not come yet."""

    person_id: int | None
    school_id: int | None
    group_id: int | None
    school: str
    subject: str
    stage: str


@dataclass(frozen=True)
class Facts:
    """What a forecast knows besides the pool: who is due, (person, work) of every chosen point, what people have said
    of reviewers, and who are former colleagues."""

    due: list[_Due]
    chosen: list[tuple[int, int | None]]
    said: Said
    former: dict[int, set[int]]


_LISTED, _OTHERS, _CHOSEN, _PAIR, _NUMBER = range(5)


def facts_of(session: Session, programme: competencies.Programme, rules: competencies.Rules, now: datetime) -> Facts:
    """Those due by the roster below the programme's unit, then those who take part and stand on no roster; nobody who
    takes part no more. One query, one more where the own school is left out: the page has asked a
    good deal already."""
    parts = union_all(
        _listed(programme, rules),
        _others(programme),
        _chosen(programme),
        *(
            columns(literal(what), literal(0), one, other, null(), null(), null(), null(), null(), at).select_from(
                found
            )
            for what, found in (
                (_PAIR, conflicts.standing(programme.tenant_id).subquery()),
                (_NUMBER, quotas.said(pk(programme)).subquery()),
            )
            for one, other, at in (found.c,)
        ),
    )
    rows: Any = sorted(session.execute(parts), key=lambda row: (row[0], row[1]))
    found: list[_Due] = []
    seen: set[int] = set()
    for what, _number, person, school, above_id, name, subject, stage, is_gone, _at in rows:
        if what in (_LISTED, _OTHERS) and not is_gone and (person is None or person not in seen):
            word = stage.value if stage is not None else ""
            found.append(_Due(person, school, above_id, name or "", subject, word))
            seen |= {person} if person is not None else set()
    return Facts(
        found,
        [(row[2], row[3]) for row in rows if row[0] == _CHOSEN],
        said_in((row[2], row[3], row[9], row[0] == _PAIR) for row in rows if row[0] in (_PAIR, _NUMBER)),
        former_colleagues.pairs(session, programme, rules.review, None, now),
    )


def _no_time() -> Any:
    return cast(null(), table(rubrics.ReviewConflict).c.said_at.type)


def _today() -> Any:
    return func.coalesce(col(Person.merged_into_id), col(Person.id))


def _listed(programme: competencies.Programme, rules: competencies.Rules) -> Any:
    above, unit = aliased(OrgUnit), aliased(OrgUnit)
    path = columns(col(unit.path)).where(col(unit.id) == programme.org_unit_id).scalar_subquery()
    group = and_(col(above.id) == col(OrgUnit.parent_id), col(above.kind) == UnitKind.SCHOOL_GROUP)
    exempt = select(Exemption.roster_entry_id).where(Exemption.programme_id == pk(programme))
    return (
        columns(
            literal(_LISTED),
            col(RosterEntry.id),
            _today(),
            col(OrgUnit.id),
            col(above.id),
            col(OrgUnit.name),
            col(RosterEntry.subject),
            col(RosterEntry.stage),
            host_list.has_left(Person, pk(programme)),
            _no_time(),
        )
        .select_from(RosterEntry)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .join(above, group, isouter=True)
        .join(Person, col(Person.id) == col(RosterEntry.person_id), isouter=True)
        .where(
            col(RosterEntry.tenant_id) == programme.tenant_id,
            col(RosterEntry.removed_at).is_(None),
            col(RosterEntry.id).not_in(exempt),
            col(OrgUnit.path).startswith(path),  # digits and strokes: nothing that LIKE reads otherwise
            *categories.concerned(rules),
        )
    )


def _others(programme: competencies.Programme) -> Any:
    above = aliased(OrgUnit)
    group = and_(col(above.id) == col(OrgUnit.parent_id), col(above.kind) == UnitKind.SCHOOL_GROUP)
    on_roster = select(RosterEntry.id).where(
        RosterEntry.tenant_id == programme.tenant_id, col(RosterEntry.person_id) == col(Person.id)
    )
    return (
        columns(
            literal(_OTHERS),
            col(Person.id),
            _today(),
            col(OrgUnit.id),
            col(above.id),
            col(OrgUnit.name),
            col(Person.subject),
            col(Person.stage),
            leavers.has_gone(pk(programme)),
            _no_time(),
        )
        .select_from(Enrolment)
        .join(Person, col(Person.id) == col(Enrolment.person_id))
        .join(
            OrgMembership,
            and_(col(OrgMembership.person_id) == col(Person.id), col(OrgMembership.ends_on).is_(None)),
            isouter=True,
        )
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id), isouter=True)
        .join(above, group, isouter=True)
        .where(
            col(Enrolment.programme_id) == pk(programme),
            col(Person.merged_into_id).is_(None),
            ~on_roster.exists(),
        )
    )


def _chosen(programme: competencies.Programme) -> Any:
    selection, work = competencies.Selection, competencies.Submission
    return (
        columns(
            literal(_CHOSEN),
            col(selection.id),
            _today(),
            col(work.id),
            null(),
            null(),
            null(),
            null(),
            null(),
            null(),
        )
        .select_from(selection)
        .join(Person, col(Person.id) == col(selection.person_id))
        .join(
            work,
            and_(
                col(work.programme_id) == col(selection.programme_id),
                col(work.person_id) == col(selection.person_id),
                col(work.point_id) == col(selection.point_id),
            ),
            isouter=True,
        )
        .where(col(selection.programme_id) == pk(programme), col(selection.dropped_at).is_(None))
    )


def _coming(rules: competencies.Rules, begun: Pool, facts: Facts) -> list[_Coming]:
    """Of each person who is due, in the same order."""
    works = {one.id for one in begun.works}
    chosen, there, again = Counter[int](), Counter[int](), Counter[int]()
    for person, key in facts.chosen:
        chosen[person] += 1
        found = begun.submissions.get(key) if key is not None else None
        there[person] += found is not None
        if found is not None and found.state is competencies.SubmissionState.SUBMITTED and key not in works:
            again[person] += found.trainer_id is None or rules.review.returned_to == "peers"
    return [
        _Coming(
            again[one.person_id],
            chosen[one.person_id] - there[one.person_id],
            max(0, rules.choice.required_points - chosen[one.person_id]),
        )
        if one.person_id is not None
        else _Coming(open=rules.choice.required_points)
        for one in facts.due
    ]


def _pool(facts: Facts, begun: Pool, coming: list[_Coming], share: int) -> Pool:
    """What is handed in, and what is coming from everybody; a number of their own is shared out like the rest."""
    (apart, most), former, groups, people = facts.said, facts.former, begun.groups or {}, facts.due
    known = {one.id for one in begun.reviewers}
    # Who has not come yet, and what has not come, stand under numbers that nobody and nothing has.
    unknown = count(1 + max([0, *known, *(one.person_id or 0 for one in people)]))
    number = count(1 + max([0, *begun.submissions]))
    works, reviewers = list(begun.works), []
    for one, of_one in zip(people, coming, strict=True):
        person = one.person_id if one.person_id is not None else next(unknown)
        mine = groups.get(person) if one.person_id is not None else None
        works += [
            rubrics.Work(next(number), person, one.school_id, one.group_id, one.subject, mine, one.stage)
            for _turn in range(of_one.works)
        ]
        if person in known:
            continue
        quota = most.get(person) if one.person_id is not None else None
        reviewers.append(
            rubrics.Reviewer(
                id=person,
                school_id=one.school_id,
                group_id=one.group_id,
                subject=one.subject,
                recused_authors=frozenset((*apart.get(person, ()), *former.get(person, ())))
                if one.person_id is not None
                else frozenset(),
                course_groups=mine or frozenset(),
                stage=one.stage,
                quota=None if quota is None else -(-quota // share),
            )
        )
    everything = frozenset(one.id for one in works)
    reviewers += [
        replace(
            one,
            refused_works=everything if one.id in begun.gone else one.refused_works,
            recused_authors=one.recused_authors | frozenset(former.get(one.id, ())),
        )
        for one in begun.reviewers
    ]
    names = {one.school_id: one.school for one in people if one.school_id is not None}
    others = {one.id: one.recused_authors - begun.former.get(one.id, frozenset()) for one in begun.reviewers}
    return replace(
        begun,
        works=tuple(works),
        reviewers=tuple(reviewers),
        school_names=names | begun.school_names,
        former={
            one.id: frozenset(authors)
            for one in reviewers
            if (authors := former.get(one.id, set()) - apart.get(one.id, set()) - others.get(one.id, frozenset()))
        },
    )
