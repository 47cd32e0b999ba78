"""Whether there will be enough reviewers, before anything is handed in: the plan that today's list and rules would give
if everybody who is to take part handed in all they are asked for."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import categories, host_list
from lms_plugin.flow.review_pool import Plan, Pool, rule_of, said_of
from lms_plugin.flow.review_preview import Preview, preview_of
from lms_plugin.people import Enrolment, Exemption, OrgMembership, OrgUnit, Person, RosterEntry, UnitKind

MOST_WORKS = 12_000
"""A plan of more takes a page too long: then one work of each person is looked at, and a fair share of what they may
be asked; of still more people nothing is foretold."""


@dataclass(frozen=True)
class Forecast:
    """`people` are to hand in `points` works each; `is_share`: too many to plan all of these, so one of each was
    planned. `preview`: the plan in numbers, None where even that is too much; `whys`: of how many works each reason."""

    people: int
    points: int
    is_share: bool
    preview: Preview | None
    whys: dict[str, int]


def forecast(session: Session, programme: competencies.Programme, rules: competencies.Rules) -> Forecast:
    """For everybody due by the roster, and those who take part without standing on it: four queries at most."""
    people = _people(session, programme, rules)
    points = rules.choice.required_points
    is_share = len(people) * points > MOST_WORKS
    each = 1 if is_share else points
    if not people or len(people) * each > MOST_WORKS:
        return Forecast(len(people), points, is_share, None, {})
    rule = rule_of(rules)
    if is_share:
        rule = replace(rule, max_reviews=max(1, rules.review.max_reviews // points))
    pool = _pool(session, programme, rules, people, each, points if is_share else 1)
    inputs = rubrics.Inputs(pool.works, pool.reviewers, (), rule, {})
    planned = rubrics.planned(inputs, 1)
    slots = tuple(rubrics.Slot(one.work_id, one.work_id, one.reviewer_id, False) for one in planned.assignments)
    plan = Plan(slots, planned.shortages, inputs, planned, 1)
    whys = Counter(one.why.value for one in planned.shortages)
    return Forecast(len(people), points, is_share, preview_of(pool, plan), dict(whys))


@dataclass(frozen=True)
class _Due:
    """Somebody who is to take part; `person_id` None = has not come yet."""

    person_id: int | None
    school_id: int | None
    group_id: int | None
    school: str
    subject: str
    stage: str


def _people(session: Session, programme: competencies.Programme, rules: competencies.Rules) -> list[_Due]:
    """Those due by the roster below the programme's unit, then those who take part and stand on no roster."""
    above, today = aliased(OrgUnit), func.coalesce(col(Person.merged_into_id), col(Person.id))
    place = (col(OrgUnit.id), col(above.id), col(OrgUnit.name))
    unit = aliased(OrgUnit)
    path = columns(col(unit.path)).where(col(unit.id) == programme.org_unit_id).scalar_subquery()
    group = and_(col(above.id) == col(OrgUnit.parent_id), col(above.kind) == UnitKind.SCHOOL_GROUP)
    exempt = select(Exemption.roster_entry_id).where(Exemption.programme_id == pk(programme))
    listed: Any = session.execute(
        columns(
            today, col(OrgUnit.id), col(above.id), col(OrgUnit.name), col(RosterEntry.subject), col(RosterEntry.stage)
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
        .order_by(col(RosterEntry.id))
    ).all()
    on_roster = select(RosterEntry.id).where(
        RosterEntry.tenant_id == programme.tenant_id, col(RosterEntry.person_id) == col(Person.id)
    )
    others: Any = session.execute(
        columns(today, *place, col(Person.subject), col(Person.stage))
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
        .order_by(col(Person.id))
    ).all()
    found: list[_Due] = []
    seen: set[int] = set()
    for person, school, above_id, name, subject, stage in [*listed, *others]:
        if person is None or person not in seen:
            word = stage.value if stage is not None else ""
            found.append(_Due(person, school, above_id, name or "", subject, word))
        seen |= {person} if person is not None else set()
    return found


def _pool(
    session: Session,
    programme: competencies.Programme,
    rules: competencies.Rules,
    people: list[_Due],
    each: int,
    share: int,
) -> Pool:
    """Everybody hands in `each` works; a number of their own is shared out like the rest."""
    apart, most = said_of(session, programme)
    grouped = rules.review.course_groups != "off"
    groups = host_list.groups_of_people(session, pk(programme)) if grouped else {}
    number = {one.person_id: n for n, one in enumerate(people) if one.person_id is not None}
    works, reviewers = [], []
    for n, one in enumerate(people):
        mine = groups.get(one.person_id) if one.person_id is not None else None
        works += [
            rubrics.Work(n * each + turn, n, one.school_id, one.group_id, one.subject, mine, one.stage)
            for turn in range(each)
        ]
        quota = most.get(one.person_id) if one.person_id is not None else None
        kept = apart.get(one.person_id, set()) if one.person_id is not None else set()
        reviewers.append(
            rubrics.Reviewer(
                id=n,
                school_id=one.school_id,
                group_id=one.group_id,
                subject=one.subject,
                recused_authors=frozenset(number[other] for other in kept if other in number),
                course_groups=mine or frozenset(),
                stage=one.stage,
                quota=None if quota is None else -(-quota // share),
            )
        )
    names = {one.school_id: one.school for one in people if one.school_id is not None}
    return Pool(tuple(works), tuple(reviewers), (), {}, {}, frozenset(), {}, 0, {}, names)
