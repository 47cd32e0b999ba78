"""邻县 with a programme of the same standard, and a teacher of 平安县 who has moved there."""

from dataclasses import dataclass

from sqlmodel import col, select

import competencies
from competencies import CreditKind, Programme
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.flow import arrivals, enter, transfers
from lms_plugin.people import OrgUnit, Person, Tenant, UnitKind
from tests import people as cast
from tests.factories import World, actor_of, add_person, programme_of, published_framework

domain = competencies.transfers
SECRET = "a secret of the tests, thirty-two letters long"


@dataclass
class There:
    """The other county: its programme, and the teacher as the row she has there."""

    world: World
    tenant: Tenant
    programme: Programme
    person: Person

    @property
    def teacher(self) -> Actor:
        """The teacher, there."""
        return actor_of(self.world.session, self.person)

    @property
    def officer(self) -> Actor:
        """The officer there."""
        return self.world.actor(cast.NEIGHBOUR)

    def hours(self) -> dict[CreditKind, int]:
        """What stands there."""
        found = competencies.balance(self.world.session, pk(self.programme), [pk(self.person)])[pk(self.person)]
        return {kind: total for kind, total in found.items() if total}

    def held(self) -> dict[str, int]:
        """Points held there, by code."""
        rows = self.world.session.exec(
            select(competencies.CompetencyPoint.code, competencies.Award.level)
            .join(competencies.Award, col(competencies.Award.point_id) == col(competencies.CompetencyPoint.id))
            .where(competencies.Award.person_id == pk(self.person))
        )
        return dict(rows.all())


def there_of(world: World, who: cast.Cast = cast.CHEN) -> There:
    """The other county, where that teacher has taken up a post."""
    session, now = world.session, world.now
    tenant = session.exec(select(Tenant).where(Tenant.name == "邻县")).one()
    units = session.exec(select(OrgUnit).where(OrgUnit.tenant_id == pk(tenant)).order_by(col(OrgUnit.id))).all()
    county = next(unit for unit in units if unit.kind is UnitKind.COUNTY)
    school = next(unit for unit in units if unit.kind is UnitKind.SCHOOL)
    version = published_framework(session, tenant, now)
    programme = programme_of(session, tenant, county, version, "邻县校本应用考核", now)
    moved = cast.Cast(f"{who.key}_there", who.name, school.name, "LX777", who.subject, who.stage)
    person = add_person(session, tenant, school, moved, now)
    enter.enrol(session, pk(programme), pk(person), now)
    return There(world, tenant, programme, person)


def asked(there: There, who: cast.Cast = cast.CHEN) -> str:
    """A code there, and a request here; gives the transfer's uuid."""
    world = there.world
    code = arrivals.open_code(world.session, there.teacher, world.now).code
    return transfers.ask(world.session, world.actor(who), code, "", world.now).uuid


def released(there: There, who: cast.Cast = cast.CHEN) -> str:
    """Asked, and let go by the officer here; gives the transfer's uuid."""
    uuid = asked(there, who)
    transfers.release(there.world.session, there.world.actor(cast.OFFICER), uuid, SECRET, there.world.now)
    return uuid


def arrival_of(there: There) -> competencies.transfers.Arrival:
    """What is there for the teacher, the newest."""
    newest = select(domain.Arrival).where(domain.Arrival.person_id == pk(there.person))
    row = there.world.session.exec(newest.order_by(col(domain.Arrival.id).desc())).first()
    assert row is not None
    return row


def everything(there: There, **others: object) -> arrivals.Choice:
    """All hours, all points of the same code."""
    package = arrivals.package_of(there.world.session, arrival_of(there), there.world.now)
    chosen: dict[str, object] = {
        "programme": there.programme.uuid,
        "blocks": frozenset(line.block for line in package.lines),
        "points": {held.key: held.code for held in package.points},
        **others,
    }
    return arrivals.Choice(**chosen)  # type: ignore[arg-type]


def accepted(there: There, **others: object) -> None:
    """The officer there takes it in."""
    world = there.world
    arrivals.accept(world.session, there.officer, arrival_of(there).uuid, everything(there, **others), world.now)
