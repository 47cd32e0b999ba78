"""类别: what somebody is to projects, as the roster says, and the rules as they hold for them."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, func, literal, or_
from sqlmodel import Session, col, select

import competencies
from competencies import Category, Programme, Rules
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.people import OrgUnit, RosterEntry


def said_of(entry: RosterEntry) -> Category:
    """The category of a row of the roster: 教师 where nobody said."""
    return entry.category or Category.TEACHER


def within(categories: Collection[Category]) -> ColumnElement[bool]:
    """Rows of the roster of one of these categories."""
    # By the column itself, of which PostgreSQL keeps figures; true or false of a row about which nobody said anything.
    said = col(RosterEntry.category)
    if Category.TEACHER in categories:
        return or_(said.in_(categories), said.is_(None))
    return and_(said.is_not(None), said.in_(categories))


def concerned(rules: Rules) -> tuple[ColumnElement[bool], ...]:
    """The condition that a row of the roster is of those whom the programme is for; none where it is for everybody."""
    return (within(rules.concerns),) if rules.concerns else ()


def kept_apart(rules: Rules) -> bool:
    """Whether figures are kept apart by category: rules differ by it, or the programme is for several."""
    return bool(rules.categories) or len(rules.concerns) > 1


def column(rules: Rules) -> ColumnElement[str]:
    """The category of a row of the roster, "" where figures are not kept apart by it."""
    if not kept_apart(rules):
        return literal("")
    return func.coalesce(cast(col(RosterEntry.category), String), Category.TEACHER.value)


def number(rules: Rules, look: Callable[[Rules], int]) -> Any:
    """A number of the rules as it holds for a row of the roster: a plain one where it is the same for all."""
    usual = look(rules)
    others = {own.category: look(rules.for_category(own.category)) for own in rules.categories}
    whens = [(within((category,)), other) for category, other in others.items() if other != usual]
    return case(*whens, else_=usual) if whens else usual


def category_of(session: Session, rows: Collection[int]) -> Category | None:
    """The category of the human being with these rows; None of somebody on no roster. One query."""
    return categories_of(session, {0: tuple(rows)}).get(0)


def categories_of(session: Session, people: Mapping[int, Collection[int]]) -> dict[int, Category]:
    """The categories of human beings, each with all their rows; nobody who is on no roster. One query."""
    listed = {
        entry.person_id: said_of(entry)
        for entry in session.exec(
            select(RosterEntry).where(
                col(RosterEntry.person_id).in_({row for rows in people.values() for row in rows}),
                col(RosterEntry.removed_at).is_(None),
            )
        )
    }
    found = {key: next((listed[row] for row in rows if row in listed), None) for key, rows in people.items()}
    return {key: category for key, category in found.items() if category is not None}


def for_person(session: Session, rules: Rules, rows: Collection[int]) -> tuple[Rules, Category | None]:
    """The rules as they hold for one human being, and their category where the programme is for others. One query, and
    none where all are alike."""
    if not rules.categories and not rules.concerns:
        return rules, None
    category = category_of(session, rows)
    return rules.for_category(category), None if rules.is_for(category) else category


def environment_of(session: Session, rows: Collection[int], school: OrgUnit | None) -> str:
    """The environments (codes, a blank between) that hold for a human being: their own on the roster, else those of
    their school; "" = none declared. One query."""
    own = session.exec(
        select(RosterEntry.environment).where(
            col(RosterEntry.person_id).in_(rows), col(RosterEntry.removed_at).is_(None), RosterEntry.environment != ""
        )
    ).first()
    return own or (school.environment if school is not None else "")


def changed(session: Session, tenant_id: int, now: datetime, rows: Collection[int] | None = None) -> None:
    """Somebody is of another category now: where rules differ by it, a job books what they give more, as after a change
    of rules. `rows`: whose, where that is one human being; then only where they hold a point."""
    award = competencies.Award
    held = select(award.programme_id).where(col(award.person_id).in_(rows or ()), col(award.revoked_at).is_(None))
    for programme, policy in session.exec(
        select(Programme, competencies.ProgrammePolicy)
        .join(competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(Programme.policy_id))
        .where(Programme.tenant_id == tenant_id, col(Programme.archived_at).is_(None))
        .where(*([col(Programme.id).in_(held)] if rows is not None else []))
        .order_by(col(Programme.id))
    ).all():
        if policy.rules.get("categories"):
            ids = {"programme_id": pk(programme)}
            outbox.put(session, tenant_id, outbox.RULES, str(pk(programme)), ids, now)
