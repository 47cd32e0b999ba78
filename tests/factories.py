"""A small district in a database: what most tests begin with. Everything is made by the product's own functions."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin.access import Actor
from lms_plugin.db import owned, pk
from lms_plugin.flow import curate, enter, sessions, units
from lms_plugin.people import (
    Course,
    CourseMember,
    Identity,
    LinkRequest,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    Stage,
    Tenant,
    UnitKind,
)
from tests import people as cast

ISSUER = "https://lms.example"
DISTRICT = "平安县"


def actor_of(session: Session, person: Person, course_id: int | None = None) -> Actor:
    """A person with the roles that hold now, as a session of theirs would make them act."""
    held = (
        select(Role, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(col(Role.person_id).in_([pk(person), *person.absorbed_ids]), col(Role.revoked_at).is_(None))
    )
    return sessions.actor_of(person, course_id, session.exec(held).all())


def member_row(
    course_id: int, person_id: int, now: datetime, subject: str = "s", *, learner: bool = True
) -> CourseMember:
    """Somebody who launched from a course, as a learner or else as an instructor."""
    return CourseMember(
        course_id=course_id,
        person_id=person_id,
        subject=subject,
        is_learner=learner,
        is_instructor=not learner,
        launched_at=now,
    )


def link_request(
    world: "World", who: cast.Cast, *, takes_many: bool = False, takes_column: bool = False
) -> LinkRequest:
    """What a deep linking launch of that person from the world's course leaves behind."""
    row = LinkRequest(
        tenant_id=pk(world.tenant),
        deployment_id=world.course.deployment_id,
        course_id=pk(world.course),
        person_id=pk(world.person(who)),
        return_url=f"{ISSUER}/return?course=9",
        takes_many=takes_many,
        takes_column=takes_column,
        created_at=world.now,
    )
    world.session.add(row)
    world.session.flush()
    return row


@dataclass
class World:
    """平安县: two schools, the published 2.0 framework, an open programme that runs in one course, and its people."""

    session: Session
    now: datetime
    tenant: Tenant
    county: OrgUnit
    schools: dict[str, OrgUnit]
    framework: competencies.FrameworkVersion
    programme: competencies.Programme
    course: Course
    persons: dict[str, Person] = field(default_factory=dict)

    def person(self, who: cast.Cast) -> Person:
        """The row of one of the cast."""
        return self.persons[who.key]

    def actor(self, who: cast.Cast) -> Actor:
        """One of the cast, with the roles that hold now."""
        return actor_of(self.session, self.person(who), pk(self.course))

    def point(self, code: str) -> competencies.CompetencyPoint:
        """A competency point of the programme by its code."""
        return self.session.exec(
            select(competencies.CompetencyPoint).where(
                competencies.CompetencyPoint.framework_version_id == pk(self.framework),
                competencies.CompetencyPoint.code == code,
            )
        ).one()

    def set_rules(self, **parts: Any) -> competencies.Rules:
        """A new rule version: the default with some parts replaced, e.g. review={"pool": "district"}."""
        rules = competencies.Rules.model_validate(parts)
        competencies.set_rules(self.session, self.programme, rules, None, self.now)
        return rules

    def sign_in(self, client: Any, who: cast.Cast) -> "Browser":
        """A browser of that person: a session with its cookie in the test client, and the hidden fields of forms."""
        person = self.person(who)
        entrance = sessions.open_session(
            self.session, person, self.course, timedelta(hours=8), self.now, locale="zh-Hans", return_url=f"{ISSUER}/c"
        )
        client.set_cookie("__Host-nengli", entrance.token, domain="localhost", secure=True)
        return Browser(client, entrance.session_row.csrf)


@dataclass
class Browser:
    """A test client that sends the hidden fields of our forms by itself."""

    client: Any
    csrf: str

    def get(self, url: str, **options: Any) -> Any:
        return self.client.get(url, **options)

    def post(self, url: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        return self.client.post(url, data={"csrf_token": self.csrf, **(data or {})}, **options)


def district(session: Session, name: str, now: datetime) -> tuple[Tenant, OrgUnit]:
    """A tenant with its county."""
    tenant = Tenant(name=name, created_at=now)
    session.add(tenant)
    session.flush()
    return tenant, units.add_unit(session, pk(tenant), UnitKind.COUNTY, name)


def course_of(session: Session, tenant: Tenant, context_id: str, now: datetime, issuer: str = ISSUER) -> Course:
    """A course of a platform that belongs to the tenant."""
    platform = lti.Platform(
        tenant_id=pk(tenant),
        issuer=issuer,
        client_id=f"client-{context_id}",
        auth_url=f"{issuer}/auth",
        token_url=f"{issuer}/token",
        jwks_url=f"{issuer}/jwks",
        name=issuer,
        created_at=now,
    )
    session.add(platform)
    session.flush()
    deployment = lti.Deployment(tenant_id=pk(tenant), platform_id=pk(platform), deployment_id="1", created_at=now)
    session.add(deployment)
    session.flush()
    course = Course(
        tenant_id=pk(tenant),
        deployment_id=pk(deployment),
        context_id=context_id,
        title="信息技术应用能力提升",
        lineitems_url=f"{issuer}/lineitems",
        ags_scopes=[
            "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
            "https://purl.imsglobal.org/spec/lti-ags/scope/score",
        ],
        seen_at=now,
    )
    session.add(course)
    session.flush()
    return course


def add_person(
    session: Session, tenant: Tenant, unit: OrgUnit, who: cast.Cast, now: datetime, *, confirmed: bool = True
) -> Person:
    """One of the cast as a row, a member of the unit, named by the test issuer."""
    person = Person(
        tenant_id=pk(tenant),
        name=who.name,
        staff_number=who.staff_number,
        stage=Stage(who.stage),
        subject=who.subject,
        introduced_at=now,
        confirmed_at=now if confirmed else None,
        confirmed_how="roster" if confirmed else "",
        created_at=now,
    )
    session.add(person)
    session.flush()
    session.add(OrgMembership(person_id=pk(person), org_unit_id=pk(unit), starts_on=now.date()))
    session.add(
        Identity(
            tenant_id=pk(tenant),
            issuer=ISSUER,
            subject=f"sub-{who.key}",
            person_id=pk(person),
            first_seen_at=now,
        )
    )
    session.flush()
    return person


def grant(session: Session, person: Person, kind: RoleKind, unit: OrgUnit | None, now: datetime) -> Role:
    """A confirmed role within a unit (None: the whole district)."""
    role = Role(
        tenant_id=person.tenant_id,
        person_id=pk(person),
        kind=kind,
        org_unit_id=pk(unit) if unit is not None else None,
        granted_at=now,
    )
    session.add(role)
    session.flush()
    return role


def programme_of(
    session: Session, tenant: Tenant, county: OrgUnit, version: competencies.FrameworkVersion, title: str, now: datetime
) -> competencies.Programme:
    """An open programme with the default rules, around `now`."""
    today = now.date()
    programme = competencies.Programme(
        tenant_id=pk(tenant),
        framework_version_id=pk(version),
        title=title,
        org_unit_id=pk(county),
        state=competencies.ProgrammeState.OPEN,
        opens_on=today - timedelta(days=7),
        submit_by_on=today + timedelta(days=28),
        review_by_on=today + timedelta(days=35),
        closes_on=today + timedelta(days=42),
        created_at=now,
    )
    session.add(programme)
    session.flush()
    competencies.set_rules(session, programme, competencies.Rules(), None, now)
    return programme


def published_framework(session: Session, tenant: Tenant, now: datetime) -> competencies.FrameworkVersion:
    """The shipped 2.0 pack, published."""
    version = competencies.draft_from_pack(session, pk(tenant), competencies.packs.load("framework_2_0"), now)
    curate.publish(session, version, None, now, under_banner=True)
    return version


def world_in(session: Session, now: datetime) -> World:
    """The district of the tests: read where it stands already (the database is a copy of one in which it was built at
    `now`), built where it does not."""
    tenant = session.exec(select(Tenant).where(Tenant.name == DISTRICT)).one_or_none()
    if tenant is None:
        return build_world(session, now)
    here = pk(tenant)
    units_of = {unit.name: unit for unit in session.exec(owned(OrgUnit, here).order_by(OrgUnit.id))}
    named = session.exec(
        select(Identity.subject, Person).join(Person).where(Identity.issuer == ISSUER).order_by(Person.id)
    )
    return World(
        session,
        now,
        tenant,
        units_of.pop(DISTRICT),
        units_of,
        session.exec(owned(competencies.FrameworkVersion, here)).one(),
        session.exec(owned(competencies.Programme, here)).one(),
        session.exec(owned(Course, here)).one(),
        {subject.removeprefix("sub-"): person for subject, person in named},
    )


def build_world(session: Session, now: datetime) -> World:
    """The district of the tests."""
    tenant, county = district(session, DISTRICT, now)
    schools = {
        name: units.add_unit(session, pk(tenant), UnitKind.SCHOOL, name, county) for name in ("希望小学", "平安小学")
    }
    version = published_framework(session, tenant, now)
    programme = programme_of(session, tenant, county, version, "2026年秋季校本应用考核", now)
    course = course_of(session, tenant, "course-1", now)
    course.programme_id = pk(programme)
    session.add(course)
    world = World(session, now, tenant, county, schools, version, programme, course)
    for who in cast.TEACHERS:
        person = add_person(session, tenant, schools[who.school], who, now)
        world.persons[who.key] = person
        enter.enrol(session, pk(programme), pk(person), now)
        session.add(member_row(pk(course), pk(person), now, f"sub-{who.key}"))
    for who, kind in (
        (cast.TRAINER, RoleKind.TRAINER),
        (cast.OTHER_TRAINER, RoleKind.TRAINER),
        (cast.LEAD, RoleKind.SCHOOL_LEAD),
        (cast.OFFICER, RoleKind.OFFICER),
        (cast.AUDITOR, RoleKind.AUDITOR),
        (cast.IT, RoleKind.IT),
    ):
        unit = schools.get(who.school, county)
        person = add_person(session, tenant, unit, who, now)
        world.persons[who.key] = person
        grant(session, person, kind, unit, now)
    other, other_county = district(session, "邻县", now)
    other_school = units.add_unit(session, pk(other), UnitKind.SCHOOL, "邻县小学", other_county)
    neighbour = add_person(session, other, other_school, cast.NEIGHBOUR, now)
    world.persons[cast.NEIGHBOUR.key] = neighbour
    for kind in RoleKind:  # the mightiest stranger: every role, in another district
        grant(session, neighbour, kind, None, now)
    session.flush()
    return world
