"""确认选点: the school lead sees who chose what, confirms it or sends it back with a reason, before the first decision.

A setting of the programme. Teachers prepare and hand in meanwhile; nobody decides on a work before its school has
confirmed the choice. Who belongs to no school needs nobody's word.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Date, String, case, cast, func, literal, null, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import CompetencyPoint, Decision, Programme, Selection, Submission
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import humans
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant

domain = competencies.choice_changes.choice_confirmations


@dataclass(frozen=True)
class Line:
    """Somebody of the school with what they chose. `state`: waiting, confirmed or returned. `seen`: what a button says
    was looked at. `is_own`: one's own, which somebody else sees to; `is_decided`: a work of it has a decision."""

    person: str
    name: str
    staff_number: str
    points: tuple[tuple[str, Mapping[str, str]], ...]
    state: str
    reason: str
    said_by: str
    said_at: datetime | None
    seen: str
    is_own: bool
    is_decided: bool


@dataclass(frozen=True)
class Page:
    """The choices of a school in a programme, those that wait first."""

    programme: str
    title: str
    unit: str
    school: str
    is_asked: bool  # the rules ask for it
    lines: tuple[Line, ...]

    @property
    def waiting(self) -> tuple[Line, ...]:
        """Those that the reader can confirm."""
        return tuple(one for one in self.lines if one.state == "waiting" and not one.is_own)


@dataclass(frozen=True)
class _Choice:
    rows: tuple[int, ...]
    points: tuple[CompetencyPoint, ...]
    newest: "domain.ChoiceConfirmation | None"

    @property
    def ids(self) -> set[int]:
        return {pk(one) for one in self.points}

    @property
    def state(self) -> str:
        return domain.state_of(self.newest, self.ids)

    @property
    def seen(self) -> str:
        return " ".join(one.code for one in self.points)


def _choices(session: Session, programme: Programme, person_ids: Collection[int]) -> dict[int, _Choice]:
    """What these human beings chose and what was said of it, by the row of today: three queries."""
    rows_of = humans.rows_by_row(session, person_ids)
    every = {row: rows for rows in rows_of.values() for row in rows}
    chosen: dict[int, dict[int, CompetencyPoint]] = defaultdict(dict)
    for person, point in session.exec(
        select(Selection.person_id, CompetencyPoint)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Selection.point_id))
        .where(
            Selection.programme_id == pk(programme),
            col(Selection.person_id).in_(every),
            col(Selection.dropped_at).is_(None),
        )
        .order_by(col(CompetencyPoint.position), col(CompetencyPoint.id))
    ):
        chosen[every[person][0]][pk(point)] = point
    newest = {every[one.person_id][0]: one for one in domain.said_of(session, pk(programme), every)}
    return {
        root: _Choice(every[root], tuple(points.values()), newest.get(root))
        for root, points in chosen.items()
        if points
    }


def _members(unit: OrgUnit) -> Any:
    return select(OrgMembership.person_id).where(
        OrgMembership.org_unit_id == pk(unit), col(OrgMembership.ends_on).is_(None)
    )


def page(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str) -> Page:
    """Who of a school chose what: nine queries. Raises Forbidden for who does not look after it."""
    programme, unit = _where(session, actor, programme_uuid, unit_uuid)
    choices = _choices(session, programme, session.exec(_members(unit)).all())
    rows = [row for one in choices.values() for row in one.rows]
    people = by_id(session, Person, [*choices, *(one.newest.said_by_id for one in choices.values() if one.newest)])
    decided = _decided(session, programme, rows)
    lines = [
        Line(
            person=people[root].uuid,
            name=people[root].name,
            staff_number=people[root].staff_number,
            points=tuple((point.code, point.name) for point in one.points),
            state=one.state,
            reason=one.newest.reason if one.newest is not None and one.state == "returned" else "",
            said_by=people[one.newest.said_by_id].name if one.newest is not None else "",
            said_at=one.newest.said_at if one.newest is not None else None,
            seen=one.seen,
            is_own=actor.is_author(root),
            is_decided=bool(decided.intersection(one.rows)),
        )
        for root, one in choices.items()
    ]
    order = ("waiting", "returned", "confirmed")
    lines.sort(key=lambda line: (order.index(line.state), line.name, line.staff_number))
    return Page(programme.uuid, programme.title, unit.uuid, unit.name, programme.school_confirms, tuple(lines))


def _decided(session: Session, programme: Programme, rows: Collection[int]) -> set[int]:
    """Whose works (rows of people) have a decision, released or not. One query."""
    return set(
        session.exec(
            select(Submission.person_id)
            .join(Decision, col(Decision.submission_id) == col(Submission.id))
            .where(Submission.programme_id == pk(programme), col(Submission.person_id).in_(rows))
        )
    )


def _where(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str) -> tuple[Programme, OrgUnit]:
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.CHOICE_CHANGE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    if not unit.path.startswith(get(session, OrgUnit, programme.org_unit_id).path):
        raise NotFound  # a programme of other schools
    return programme, unit


def confirm(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, seen: Mapping[str, str], now: datetime
) -> int:
    """Confirms the choices that the page showed: `seen`, by uuid of the person, as `Line.seen`. Gives how many; one's
    own and what is confirmed already are passed over. Raises Conflict where one is another choice by now, Refused
    `choice.no_confirming`.
    """
    programme, unit = _where(session, actor, programme_uuid, unit_uuid)
    _must_be_asked(session, programme, now)
    found = _named(session, programme, unit, seen)
    done = 0
    for uuid, (root, one) in found.items():
        if actor.is_author(root):
            continue
        if one.seen != seen[uuid]:
            raise Conflict("page.changed_meanwhile")
        if one.state != "confirmed":
            _say(session, actor, programme, root, one, now, is_confirmed=True)
            done += 1
    session.flush()
    return done


def send_back(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    unit_uuid: str,
    person_uuid: str,
    seen: str,
    reason: str,
    now: datetime,
) -> None:
    """Sends a choice back with a reason that its teacher reads; they choose anew. Never one's own.

    Raises Invalid `reason`, Conflict where it is another choice by now, Refused `choice.no_confirming` and, once a work
    of it was decided, `choice.is_decided` (then a point is taken out: `choice.take_out`).
    """
    programme, unit = _where(session, actor, programme_uuid, unit_uuid)
    _must_be_asked(session, programme, now)
    found = _named(session, programme, unit, {person_uuid: seen}).get(person_uuid)
    if found is None:
        raise NotFound
    root, one = found
    scope = Scope(actor.tenant_id, owner_id=root, unit_paths=(unit.path,))
    require(actor, Permission.CHOICE_CHANGE, scope)
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "choice.return_reason"})
    if len(reason) > domain.LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": domain.LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    if one.seen != seen:
        raise Conflict("page.changed_meanwhile")
    if _decided(session, programme, one.rows):
        raise Refused("choice.is_decided")
    if one.state != "returned" or (one.newest is not None and one.newest.reason != reason):
        _say(session, actor, programme, root, one, now, is_confirmed=False, reason=reason)
    session.flush()


def _must_be_asked(session: Session, programme: Programme, now: datetime) -> None:
    if not programme.school_confirms:
        raise Refused("choice.no_confirming")
    competencies.require_open(programme, get(session, Tenant, programme.tenant_id).timezone, now)


def _named(
    session: Session, programme: Programme, unit: OrgUnit, people: Mapping[str, str]
) -> dict[str, tuple[int, _Choice]]:
    """The choices of these people (uuids) who belong to the unit, each with its row of today."""
    rows = session.exec(
        select(Person).where(
            Person.tenant_id == unit.tenant_id, col(Person.uuid).in_(people), col(Person.id).in_(_members(unit))
        )
    ).all()
    choices = _choices(session, programme, [pk(row) for row in rows])
    return {row.uuid: (pk(row), choices[pk(row)]) for row in rows if pk(row) in choices}


def _say(
    session: Session,
    actor: Actor,
    programme: Programme,
    root: int,
    one: _Choice,
    now: datetime,
    *,
    is_confirmed: bool,
    reason: str = "",
) -> None:
    session.add(
        domain.ChoiceConfirmation(
            programme_id=pk(programme),
            person_id=root,
            points=sorted(one.ids),
            is_confirmed=is_confirmed,
            reason=reason,
            said_by_id=actor.person_id,
            said_at=now,
        )
    )


def unconfirmed(session: Session, works: Sequence[Submission]) -> set[int]:
    """Of these works (ids) those that nobody decides yet: the rules ask for the school's word, there was no decision
    before, the author belongs to a school, and it has not confirmed the choice. One query where no programme asks."""
    programmes = by_id(session, Programme, sorted({one.programme_id for one in works}))
    asked = [one for one in works if programmes[one.programme_id].school_confirms]
    if not asked:
        return set()
    before = set(
        session.exec(select(Decision.submission_id).where(col(Decision.submission_id).in_([pk(one) for one in asked])))
    )
    waiting = [one for one in asked if pk(one) not in before]
    rows_of = humans.rows_by_row(session, [one.person_id for one in waiting])
    members = set(
        session.exec(
            select(OrgMembership.person_id).where(
                col(OrgMembership.person_id).in_({row for rows in rows_of.values() for row in rows}),
                col(OrgMembership.ends_on).is_(None),
            )
        )
    )
    found: set[int] = set()
    for key in {one.programme_id for one in waiting}:
        here = [one for one in waiting if one.programme_id == key and members.intersection(rows_of[one.person_id])]
        choices = _choices(session, programmes[key], [one.person_id for one in here])
        for one in here:
            choice = choices.get(rows_of[one.person_id][0])
            if choice is not None and choice.state != "confirmed":
                found.add(pk(one))
    return found


def own_word(session: Session, actor: Actor, programme: Programme, points: Collection[int]) -> tuple[str, str]:
    """How the actor's own choice (ids of points) stands with their school, and the reason where it was sent back; "" in
    front where nobody is asked. One query where somebody is."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    if not programme.school_confirms or not points:
        return "", ""
    said = domain.said_of(session, pk(programme), actor.person_ids)
    newest = said[-1] if said else None
    state = domain.state_of(newest, points)
    return state, newest.reason if newest is not None and state == "returned" else ""


def facts(units: Collection[int], programmes: Any) -> tuple[Any, Any]:
    """What `waiting_in` counts, as two selects of (what, programme_id, unit_id, word, number, uuid, ends_on) for one
    union: "chose", a point (`word`) of a human being (`number`), and "said" or "sent_back", the ids of the points
    (`word`) at that word (`uuid`). Of the members of these units, in these programmes (a select of ids)."""
    member, today, row = aliased(Person), aliased(Person), aliased(Person)
    root, no_day = col(today.id), cast(null(), Date)

    def of_members(what: Any, number: Any, word: Any, uuid: Any) -> Any:
        return (
            columns(what, number, col(OrgMembership.org_unit_id), word, root, uuid, no_day)
            .select_from(OrgMembership)
            .join(member, col(member.id) == col(OrgMembership.person_id))
            .join(today, root == func.coalesce(col(member.merged_into_id), col(member.id)))
            .join(row, or_(col(row.id) == root, col(row.merged_into_id) == root))
            .where(col(OrgMembership.org_unit_id).in_(units), col(OrgMembership.ends_on).is_(None))
        )

    word = domain.ChoiceConfirmation
    chose = (
        of_members(
            literal("chose", String),
            col(Selection.programme_id),
            cast(col(Selection.point_id), String),
            literal("", String),
        )
        .join(Selection, col(Selection.person_id) == col(row.id))
        .where(col(Selection.programme_id).in_(programmes), col(Selection.dropped_at).is_(None))
    )
    said = (
        of_members(
            case((col(word.is_confirmed), "said"), else_="sent_back"),
            col(word.programme_id),
            cast(col(word.points), String),
            cast(col(word.id), String),
        )
        .join(word, col(word.person_id) == col(row.id))
        .where(col(word.programme_id).in_(programmes))
    )
    return chose, said


def waiting_in(rows: Iterable[Any], without: Collection[int]) -> int:
    """How many choices of a school in one programme wait for its word, by the rows of `facts`; `without`: rows of the
    reader, whose own somebody else sees to."""
    points: dict[int, set[int]] = defaultdict(set)
    newest: dict[int, Any] = {}
    for one in rows:
        if one.what == "chose":
            points[one.number].add(int(one.word))
        elif one.number not in newest or int(newest[one.number].uuid) < int(one.uuid):
            newest[one.number] = one
    said = {root: (one.what == "said", json.loads(one.word)) for root, one in newest.items()}
    return sum(
        domain.state_after(said.get(root), chosen) == "waiting"
        for root, chosen in points.items()
        if root not in without
    )


def in_programme(session: Session, programme: Programme, work_ids: Collection[int]) -> set[int]:
    """`unconfirmed` of works of one programme, by their ids. None, and no query, where it does not ask."""
    if not programme.school_confirms:
        return set()
    statement: Any = columns(Submission).where(col(Submission.id).in_(work_ids))
    return unconfirmed(session, list(session.execute(statement).scalars().all()))
