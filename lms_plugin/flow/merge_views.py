"""What the page of merges shows: two rows side by side before they become one, and the merges that can be undone."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.flow import humans
from lms_plugin.people import (
    Course,
    Identity,
    IdentityMove,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
)

MOST_SHOWN = 20


@dataclass(frozen=True)
class Side:
    """One of two rows that may be the same human being. Hours in hundredths, over all programmes."""

    uuid: str
    name: str
    staff_number: str
    school: str
    subject: str
    is_confirmed: bool
    is_own: bool
    roster_number: str
    accounts: int
    works: int
    owed: int
    points: int
    practice_hundredths: int
    online_hundredths: int
    roles: tuple[tuple[RoleKind, str], ...]

    @property
    def weight(self) -> tuple[bool, bool, int, int, int]:
        """The heavier one is better kept: on the roster, confirmed, more results, more work."""
        hours = self.practice_hundredths + self.online_hundredths
        return (bool(self.roster_number), self.is_confirmed, self.points, hours, self.works + self.owed)


@dataclass(frozen=True)
class Question:
    """合并这两条? `proposed`: the uuid of the row that is better kept. `points`: points passed together."""

    sides: tuple[Side, Side]
    proposed: str
    points: int
    shared: str  # the host whose account both are, by two of its doors; "" where there is none

    @property
    def has_own(self) -> bool:
        """Whether one of them is the actor's: then somebody else has to do it."""
        return any(side.is_own for side in self.sides)

    def other(self, side: Side) -> Side:
        """The one that gives its accounts away where `side` is kept."""
        return self.sides[1] if side is self.sides[0] else self.sides[0]


@dataclass(frozen=True)
class Merged:
    """A merge that can be undone."""

    uuid: str
    name: str
    staff_number: str
    kept_name: str
    kept_number: str
    by: str
    reason: str
    at: datetime
    is_own: bool


def picked(session: Session, actor: Actor, uuid: str) -> tuple[str, str, str]:
    """The first of two rows, picked already: uuid, name, 工号. Raises NotFound."""
    require(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    person = find(session, Person, actor.tenant_id, uuid)
    return person.uuid, person.name, person.staff_number


def question(session: Session, actor: Actor, first_uuid: str, second_uuid: str) -> Question:
    """Both rows with all that is on them: a constant number of queries. Raises NotFound."""
    require(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    pair = [find(session, Person, actor.tenant_id, uuid) for uuid in (first_uuid, second_uuid)]
    rows = [key for person in pair for key in humans.rows_of(person)]
    schools: dict[int, str] = dict(
        session.exec(
            select(OrgMembership.person_id, OrgUnit.name)
            .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
            .where(col(OrgMembership.person_id).in_(rows), col(OrgMembership.ends_on).is_(None))
            .order_by(col(OrgMembership.starts_on), col(OrgMembership.id))
        ).all()
    )
    numbers: dict[int | None, str] = dict(
        session.exec(
            select(RosterEntry.person_id, RosterEntry.staff_number)
            .where(col(RosterEntry.person_id).in_(rows), col(RosterEntry.removed_at).is_(None))
            .order_by(col(RosterEntry.id))
        ).all()
    )
    roles: dict[int, list[tuple[RoleKind, str]]] = defaultdict(list)
    for role, unit, course in session.exec(
        select(Role, OrgUnit.name, Course.title)
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .join(Course, col(Course.id) == col(Role.course_id), isouter=True)
        .where(col(Role.person_id).in_(rows), col(Role.revoked_at).is_(None))
        .order_by(col(Role.id))
    ):
        roles[role.person_id].append((role.kind, unit or course or ""))
    counts = _counts(session, rows)
    held: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for key, programme, point in session.exec(
        select(competencies.Award.person_id, competencies.Award.programme_id, competencies.Award.point_id).where(
            col(competencies.Award.person_id).in_(rows), col(competencies.Award.revoked_at).is_(None)
        )
    ):
        held[key].add((programme, point))
    sides = [_side(actor, person, schools, numbers, roles, counts, held) for person in pair]
    heavier = max(sides, key=lambda side: side.weight)  # of two alike the first one that was picked
    points = len(set[tuple[int, int]]().union(*held.values()))
    return Question((sides[0], sides[1]), heavier.uuid, points, _shared(session, pair))


def _shared(session: Session, pair: Sequence[Person]) -> str:
    """The issuer that names both rows alike, by different doors."""
    one, other = aliased(Identity), aliased(Identity)
    return (
        session.exec(
            select(one.issuer)
            .join(
                other,
                (col(other.tenant_id) == col(one.tenant_id))
                & (col(other.issuer) == col(one.issuer))
                & (col(other.subject) == col(one.subject)),
            )
            .where(one.person_id == pk(pair[0]), other.person_id == pk(pair[1]))
            .limit(1)
        ).first()
        or ""
    )


def _counts(session: Session, rows: Collection[int]) -> dict[tuple[str, int], int]:
    """(what, row of a person) → how many accounts, works, reviews owed, hundredths of each kind of hours: one query."""
    work, review, entry = competencies.Submission, rubrics.Review, competencies.CreditEntry

    def of(what: str, number: Any, owner: Any, *conditions: Any) -> Any:
        return columns(literal(what), col(owner), number).where(col(owner).in_(rows), *conditions).group_by(col(owner))

    total = func.sum(col(entry.credit_hundredths))
    parts = union_all(
        of("accounts", func.count(), Identity.person_id),
        of("works", func.count(), work.person_id),
        of("owed", func.count(), review.reviewer_id, col(review.state).in_(rubrics.UNFINISHED)),
        of("practice", total, entry.person_id, col(entry.kind) == competencies.CreditKind.PRACTICE),
        of("online", total, entry.person_id, col(entry.kind) == competencies.CreditKind.ONLINE),
    )
    found: Sequence[Any] = session.connection().execute(parts).all()
    return {(what, owner): int(number) for what, owner, number in found}


def _side(
    actor: Actor,
    person: Person,
    schools: Mapping[int, str],
    numbers: Mapping[int | None, str],
    roles: Mapping[int, Sequence[tuple[RoleKind, str]]],
    counts: Mapping[tuple[str, int], int],
    held: Mapping[int, Collection[tuple[int, int]]],
) -> Side:
    rows = humans.rows_of(person)

    def number(what: str) -> int:
        return sum(counts.get((what, row), 0) for row in rows)

    return Side(
        uuid=person.uuid,
        name=person.name,
        staff_number=person.staff_number,
        school=next((schools[row] for row in rows if row in schools), ""),
        subject=person.subject,
        is_confirmed=person.confirmed_at is not None,
        is_own=actor.is_author(pk(person)),
        roster_number=next((numbers[row] for row in rows if row in numbers), ""),
        accounts=number("accounts"),
        works=number("works"),
        owed=number("owed"),
        points=len(set[tuple[int, int]]().union(*(held.get(row, ()) for row in rows))),
        practice_hundredths=number("practice"),
        online_hundredths=number("online"),
        roles=tuple(dict.fromkeys(role for row in rows for role in roles.get(row, ()))),
    )


def merged_lately(session: Session, actor: Actor) -> tuple[Merged, ...]:
    """The latest merges that can be undone, the newest first: one query."""
    require(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    source, target, mover = aliased(Person), aliased(Person), aliased(Person)
    statement: Any = (
        columns(IdentityMove, source, target, col(mover.name))
        .join(source, col(source.id) == col(IdentityMove.from_person_id))
        .join(
            target,
            (col(target.id) == col(IdentityMove.to_person_id)) & (col(target.id) == col(source.merged_into_id)),
        )
        .join(mover, col(mover.id) == col(IdentityMove.moved_by_id), isouter=True)
        .where(col(IdentityMove.tenant_id) == actor.tenant_id)
        .order_by(col(IdentityMove.moved_at).desc(), col(IdentityMove.id).desc())
        .limit(MOST_SHOWN * 3)  # a row may have brought several accounts
    )
    found: dict[int, Merged] = {}
    for move, gone, kept, by in session.execute(statement):
        found.setdefault(
            pk(gone),
            Merged(
                uuid=gone.uuid,
                name=gone.name,
                staff_number=gone.staff_number,
                kept_name=kept.name,
                kept_number=kept.staff_number,
                by=by or "",
                reason=move.reason,
                at=move.moved_at,
                is_own=actor.is_author(pk(gone)) or actor.is_author(pk(kept)),
            ),
        )
    return tuple(found.values())[:MOST_SHOWN]
