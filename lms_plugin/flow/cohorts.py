"""分批: an officer calls the teachers of a programme in by years; the figures count those whose turn has come."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, literal
from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

import competencies
from competencies import Programme, ProgrammeState
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import categories
from lms_plugin.flow.curate import programme_unit_scope
from lms_plugin.people import CohortPlace, Exemption, OrgUnit, RosterEntry, staff_number_as_kept


@dataclass(frozen=True)
class SchoolLine:
    """One school: how many of it each year calls, and who has no year yet."""

    name: str
    years: tuple[int, ...]
    unplaced: int


@dataclass(frozen=True)
class CohortsPage:
    """分批 of a programme: its shares, and who they fell on. `total`: the line of the whole programme."""

    uuid: str
    title: str
    is_draft: bool
    cohorts: tuple[competencies.Cohort, ...]
    total: SchoolLine
    schools: tuple[SchoolLine, ...]


def page(session: Session, actor: Actor, programme_uuid: str) -> CohortsPage:
    """Who is called in which year, by school: four queries."""
    programme, path = _programme(session, actor, programme_uuid)
    rules = competencies.rules_of(session, programme)
    cohorts = rules.cohorts
    years = [one.year for one in cohorts]
    counts: dict[str, Counter[int]] = {}
    names: dict[str, str] = {}
    statement = (
        columns(col(OrgUnit.path), col(OrgUnit.name), col(CohortPlace.year), func.count())
        .select_from(RosterEntry)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .join(CohortPlace, _place_of(programme), isouter=True)
        .where(*_due(programme, path, rules))
        .group_by(col(OrgUnit.path), col(OrgUnit.name), col(CohortPlace.year))
        .order_by(col(OrgUnit.path))
    )
    for school, name, year, people in session.connection().execute(statement):
        names[school] = name
        counts.setdefault(school, Counter())[year if year in years else 0] += people
    whole: Counter[int] = sum(counts.values(), Counter())

    def line(name: str, held: Counter[int]) -> SchoolLine:
        return SchoolLine(name, tuple(held[year] for year in years), held[0])

    return CohortsPage(
        uuid=programme.uuid,
        title=programme.title,
        is_draft=programme.state is ProgrammeState.DRAFT,
        cohorts=cohorts,
        total=line("", whole),
        schools=tuple(line(names[school], held) for school, held in counts.items()),
    )


def _place_of(programme: Programme) -> ColumnElement[bool]:
    return and_(col(CohortPlace.roster_entry_id) == col(RosterEntry.id), col(CohortPlace.programme_id) == pk(programme))


def _due(programme: Programme, path: str, rules: competencies.Rules) -> tuple[ColumnElement[bool], ...]:
    """Rows of the roster below a unit that the programme is for, without those exempt."""
    exempt = select(Exemption.roster_entry_id).where(Exemption.programme_id == pk(programme))
    return (
        col(RosterEntry.tenant_id) == programme.tenant_id,
        col(RosterEntry.removed_at).is_(None),
        col(RosterEntry.id).not_in(exempt),
        col(OrgUnit.path).startswith(path, autoescape=True),
        *categories.concerned(rules),
    )


def place_all(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> int:
    """Gives everybody on the roster a year by the programme's shares; who has one keeps it. While the programme is in
    preparation all are drawn anew but those whom an officer placed. Gives how many were placed.

    The draw is seeded by the programme, so that it can be drawn again. Raises Refused `cohort.none`.
    """
    programme, path = _programme(session, actor, programme_uuid)
    session.refresh(programme, with_for_update=True)
    rules = competencies.rules_of(session, programme)
    cohorts = rules.cohorts
    if not cohorts:
        raise Refused("cohort.none")
    years, anew = {one.year for one in cohorts}, programme.state is ProgrammeState.DRAFT
    places = {
        place.roster_entry_id: place
        for place in session.exec(select(CohortPlace).where(CohortPlace.programme_id == pk(programme)))
    }
    schools: dict[str, list[int]] = {}
    rows: Any = session.connection().execute(
        columns(col(OrgUnit.path), col(RosterEntry.id))
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(*_due(programme, path, rules))
        .order_by(col(OrgUnit.path), col(RosterEntry.id))
    )
    for school, entry in rows:
        schools.setdefault(school, []).append(entry)
    due = {entry for people in schools.values() for entry in people}
    kept = {
        key: place.year
        for key, place in places.items()
        if key in due and place.year in years and (place.is_by_hand or not anew)
    }
    shares = [competencies.Share(one.year, one.percent) for one in cohorts]
    found = competencies.share_out(shares, list(schools.values()), kept, programme.uuid)
    for entry, year in found.items():
        place = places.get(entry) or CohortPlace(
            programme_id=pk(programme), roster_entry_id=entry, year=year, placed_at=now
        )
        place.year, place.is_by_hand, place.placed_by_id, place.placed_at = year, False, actor.person_id, now
        session.add(place)
    if found:
        details = {"people": len(found)}
        competencies.note_event(session, programme, "cohorts", actor.person_id, now, details=details)
    return len(found)


def place_one(
    session: Session, actor: Actor, programme_uuid: str, staff_number: str, year: int, now: datetime
) -> CohortPlace:
    """Puts one teacher of the roster into a year. Raises Invalid naming the field."""
    programme, path = _programme(session, actor, programme_uuid)
    rules = competencies.rules_of(session, programme)
    if year not in {one.year for one in rules.cohorts}:
        raise Invalid({"year": "form.choose"})
    entry = session.exec(
        select(RosterEntry)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(*_due(programme, path, rules), RosterEntry.staff_number == staff_number_as_kept(staff_number))
    ).first()
    if entry is None:
        raise Invalid({"staff_number": "extension.not_on_roster"})
    place = session.exec(
        select(CohortPlace).where(CohortPlace.programme_id == pk(programme), CohortPlace.roster_entry_id == pk(entry))
    ).one_or_none()
    if place is not None and place.year == year and place.is_by_hand:
        return place
    place = place or CohortPlace(programme_id=pk(programme), roster_entry_id=pk(entry), year=year, placed_at=now)
    place.year, place.is_by_hand, place.placed_by_id, place.placed_at = year, True, actor.person_id, now
    session.add(place)
    details = {"entry_id": pk(entry), "year": year}
    competencies.note_event(session, programme, "cohort_place", actor.person_id, now, details=details)
    return place


def not_called(
    programme: Programme, path: str, rules: competencies.Rules, year: int | None
) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """How many below a unit are called in a later year, and how many have no year, for a query of more than that; none
    where the programme calls everybody at once (`year` None)."""
    if year is None:
        return literal(0), literal(0)

    def people(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return (
            columns(func.count())
            .select_from(RosterEntry)
            .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
            .join(CohortPlace, _place_of(programme), isouter=True)
            .where(*_due(programme, path, rules), condition)
            .scalar_subquery()
        )

    return people(col(CohortPlace.year) > year), people(col(CohortPlace.id).is_(None))


def own_turn(session: Session, actor: Actor, programme: Programme, rules: competencies.Rules, year: int) -> int | None:
    """The year in which the actor's turn comes, where that is later than `year`. One query, and none for a programme
    that calls everybody at once."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    if not rules.cohorts:
        return None
    turn = session.exec(
        select(func.min(CohortPlace.year))
        .join(RosterEntry, col(RosterEntry.id) == col(CohortPlace.roster_entry_id))
        .where(
            CohortPlace.programme_id == pk(programme),
            col(RosterEntry.person_id).in_(actor.person_ids),
            col(RosterEntry.removed_at).is_(None),
        )
    ).one()
    return turn if turn is not None and turn > year else None


def _programme(session: Session, actor: Actor, uuid: str) -> tuple[Programme, str]:
    programme = find(session, Programme, actor.tenant_id, uuid)
    scope = programme_unit_scope(session, programme)
    require(actor, Permission.PROGRAMME_EDIT, scope)
    return programme, scope.unit_paths[0]
