"""Who changes school stays a colleague for a while: where the own school is left out, nobody reviews a work of somebody
with whom they shared a school in this round, or within a year (docs/adr/0048)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, bindparam, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.people import OrgMembership, Person

A_YEAR = timedelta(days=365)


def since(programme: competencies.Programme, now: datetime) -> date:
    """From which day on a school that was shared counts: a year ago, or the first day of the round if that is
    earlier."""
    return min(programme.opens_on, (now - A_YEAR).date())


def pairs(
    session: Session,
    programme: competencies.Programme,
    policy: competencies.ReviewPolicy,
    people: Collection[int] | None,
    now: datetime,
) -> dict[int, set[int]]:
    """Person → former colleagues, of these rows of today (None = of everybody of the district): one query, none where
    the own school is no rule. Colleagues of today are left out: the rule knows them."""
    if not _counts(policy):
        return {}
    member, gone = aliased(OrgMembership), aliased(OrgMembership)
    first = since(programme, now)
    left = columns(col(gone.org_unit_id)).join(Person, col(Person.id) == col(gone.person_id))
    rows: Any = session.connection().execute(
        columns(
            func.coalesce(col(Person.merged_into_id), col(Person.id)),
            col(member.org_unit_id),
            col(member.starts_on),
            col(member.ends_on),
        )
        .join(Person, col(Person.id) == col(member.person_id))
        .where(
            col(Person.tenant_id) == programme.tenant_id,
            col(member.ends_on).is_(None) | (col(member.ends_on) >= first),
            col(member.org_unit_id).in_(
                left.where(col(Person.tenant_id) == programme.tenant_id, col(gone.ends_on) >= first).correlate(None)
            ),
        )
    )
    known = set(people) if people is not None else None
    at: dict[int, list[tuple[int, date, date]]] = defaultdict(list)
    for person, unit, starts_on, ends_on in rows:
        if known is None or person in known:
            at[unit].append((person, starts_on, ends_on or date.max))
    found: dict[int, set[int]] = {}
    for there in at.values():
        for one, came, went in there:
            if went == date.max:
                continue
            for other, other_came, other_went in there:
                if other != one and came < other_went and other_came < went:
                    found.setdefault(one, set()).add(other)
                    found.setdefault(other, set()).add(one)
    return found


def of_person(
    session: Session,
    programme: competencies.Programme,
    policy: competencies.ReviewPolicy,
    rows: Collection[int],
    now: datetime,
) -> set[int]:
    """The former colleagues of the human being with these rows, under whatever row they were there: one query, none
    where the own school is no rule."""
    if not _counts(policy):
        return set()
    asked = {"rows": list(rows), "first": since(programme, now)}
    return set(session.connection().execute(_of_person(), asked).scalars())


@cache
def _of_person() -> Select[Any]:
    me, other = aliased(OrgMembership), aliased(OrgMembership)
    rows: Any = bindparam("rows", expanding=True)
    first: Any = bindparam("first", type_=Date)
    return (
        columns(col(other.person_id))
        .join(me, col(me.org_unit_id) == col(other.org_unit_id))
        .where(
            col(me.person_id).in_(rows),
            col(other.person_id).not_in(rows),
            col(me.ends_on).is_not(None) | col(other.ends_on).is_not(None),
            *(_until(one, first) for one in (me, other)),
            _until(me, col(other.starts_on), strict=True),
            _until(other, col(me.starts_on), strict=True),
        )
    )


def _until(row: Any, day: Any, *, strict: bool = False) -> ColumnElement[bool]:
    """Whether somebody was still there on that day; `strict`: after it."""
    ends_on = col(row.ends_on)
    found: ColumnElement[bool] = ends_on.is_(None) | (ends_on > day if strict else ends_on >= day)
    return found


def _counts(policy: competencies.ReviewPolicy) -> bool:
    return policy.exclude_former_colleagues and (policy.exclude_own_school or policy.exclude_own_group)


def let_in(
    reviewers: Iterable[rubrics.Reviewer], former: Mapping[int, Collection[int]]
) -> tuple[rubrics.Reviewer, ...]:
    """The reviewers as they would be if nobody were kept from their former colleagues. `former`: person → authors from
    whom nothing else keeps them."""
    return tuple(
        replace(one, recused_authors=one.recused_authors.difference(former[one.id])) if one.id in former else one
        for one in reviewers
    )


def named(
    shortages: Sequence[rubrics.Shortage],
    works: Iterable[rubrics.Work],
    reviewers: Sequence[rubrics.Reviewer],
    former: Mapping[int, Collection[int]],
    rule: rubrics.AllocationRule,
) -> tuple[rubrics.Shortage, ...]:
    """What is missing, and why: a work that nobody may review says so of former colleagues where one of them could,
    however much they have to do, or of them and other rules together."""
    bare = {one.work_id for one in shortages if one.why is rubrics.Why.NO_REVIEWER_IN_POOL}
    if not former or not bare:
        return tuple(shortages)
    of_author: dict[int, set[int]] = defaultdict(set)
    for person, authors in former.items():
        for author in authors:
            of_author[author].add(person)
    known = {one.id: one for one in reviewers}
    free = {
        one.id: replace(one, owed_now=0, quota=None)
        for one in let_in((known[key] for key in former if key in known), former)
    }
    wide = replace(rule, duty_slack=None, reviews_per_work=1)
    reasons = ((rubrics.Why.FORMER_COLLEAGUE, wide), (rubrics.Why.RULES_TOGETHER, wide.of_pool_alone()))
    found: dict[int, rubrics.Why] = {}
    for work in works:
        if work.id in bare and work.author_id in of_author:
            some = [free[key] for key in sorted(of_author[work.author_id]) if key in free and key != work.author_id]
            themselves = [known[work.author_id]] if work.author_id in known else []
            for why, one in reasons:
                if rubrics.allocate([work], [*themselves, *some], one, 1).assignments:
                    found[work.id] = why
                    break
    return tuple(replace(one, why=found.get(one.work_id, one.why)) for one in shortages)
