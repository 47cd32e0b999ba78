"""A district whose round has begun and in which nobody has done anything yet."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

import competencies
from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import pk
from lms_plugin.flow import units
from lms_plugin.people import OrgUnit, Person, RoleKind, Tenant, UnitKind

OFFICER = "褚员"


@dataclass(frozen=True)
class Opened:
    """The district's rows."""

    tenant: Tenant
    county: OrgUnit
    schools: list[OrgUnit]
    officer: Person
    programme: competencies.Programme
    policy: competencies.ProgrammePolicy


def opened(session: Session, schools: int, now: datetime) -> Opened:
    """A county with so many schools, its officer, and a programme of framework 2.0 that is open today."""
    tenant = Tenant(name="平安县", created_at=now)
    session.add(tenant)
    session.flush()
    county = units.add_unit(session, pk(tenant), UnitKind.COUNTY, "平安县")
    under = [
        units.add_unit(session, pk(tenant), UnitKind.SCHOOL, f"第{number + 1}小学", county) for number in range(schools)
    ]
    officer = Person(tenant_id=pk(tenant), name=OFFICER, created_at=now)
    session.add(officer)
    session.flush()
    version = competencies.draft_from_pack(session, pk(tenant), competencies.packs.load("framework_2_0"), now)
    today = now.date()
    programme = competencies.Programme(
        tenant_id=pk(tenant),
        framework_version_id=pk(version),
        title="2026年秋季信息技术应用能力提升工程",
        org_unit_id=pk(county),
        state=competencies.ProgrammeState.OPEN,
        opens_on=today,
        submit_by_on=today,
        review_by_on=today,
        closes_on=today,
        created_at=now,
    )
    session.add(programme)
    session.flush()
    policy = competencies.set_rules(session, programme, competencies.Rules(), pk(officer), now)
    return Opened(tenant, county, under, officer, programme, policy)


def actor_of(officer: Person) -> Actor:
    """The officer of the whole district."""
    return Actor(officer.tenant_id, pk(officer), (RoleScope(RoleKind.OFFICER),))
