"""The demo's district: invented people, two schools, two programmes, and the practice LMS as its host."""

from datetime import date, datetime, timedelta

from sqlmodel import Session, select

import competencies
import lti
from lms_plugin.db import get, pk
from lms_plugin.flow import crosswalk, curate, invitations, units
from lms_plugin.people import Course, Identity, OrgUnit, Person, RoleKind, RosterEntry, Stage, Tenant, UnitKind

TENANT = "平安县（演示）"
CLIENT_ID = "nengli-practice"
PROGRAMMES = ("2026年校本应用考核（演示）", "跨校互评试点（演示）")
SCHOOLS = ("希望小学", "平安中学")

# name, school, staff number, stage, subject: invented, and marked as such on every page of the demo.
ROSTER = (
    ("王秀兰", "希望小学", "HX001", Stage.PRIMARY, "语文"),
    ("李建国", "希望小学", "HX002", Stage.PRIMARY, "数学"),
    ("赵春梅", "希望小学", "HX003", Stage.PRIMARY, "语文"),
    ("陈志强", "希望小学", "HX004", Stage.PRIMARY, "科学"),
    ("刘海燕", "平安中学", "PZ001", Stage.JUNIOR, "英语"),
    ("孙立新", "平安中学", "PZ002", Stage.JUNIOR, "数学"),
    ("周美玲", "平安中学", "PZ003", Stage.JUNIOR, "语文"),
    ("吴大勇", "平安中学", "PZ004", Stage.JUNIOR, "物理"),
    ("郭新月", "希望小学", "HX005", Stage.PRIMARY, "英语"),
    ("何小川", "平安中学", "PZ005", Stage.JUNIOR, "化学"),
)
# subject (LTI sub) of the practice LMS, name, role, unit
STAFF = (
    ("31", "林安", RoleKind.OFFICER, TENANT),
    ("21", "郑文华", RoleKind.TRAINER, TENANT),
    ("22", "何静", RoleKind.TRAINER, TENANT),
)


def seed(session: Session, lms: str, lms_loopback: str, secret_key: str, now: datetime) -> None:
    """Registers the practice LMS and makes the demo district once; a second call only renews the addresses."""
    tenant = session.exec(select(Tenant).where(Tenant.name == TENANT)).one_or_none()
    lti.ensure_tool_key(session, secret_key, now)
    if tenant is not None:
        _renew(session, tenant, lms, lms_loopback)
        return
    tenant = Tenant(name=TENANT, is_demo=True, created_at=now)
    session.add(tenant)
    session.flush()
    tenant_id = pk(tenant)
    county = units.add_unit(session, tenant_id, UnitKind.COUNTY, TENANT)
    schools = {
        name: units.add_unit(session, tenant_id, UnitKind.SCHOOL, name, county, environment)
        for name, environment in zip(SCHOOLS, ("multimedia", "blended"), strict=True)
    }
    version = competencies.draft_from_pack(session, tenant_id, competencies.packs.load("framework_2_0"), now)
    curate.publish(session, version, None, now, under_banner=True)
    crosswalk.put_shipped(session, version, None, now)
    lti.add_platform(
        session,
        tenant_id,
        issuer=lms,
        client_id=CLIENT_ID,
        auth_url=f"{lms}/auth",
        token_url=f"{lms_loopback}/token",
        jwks_url=f"{lms_loopback}/jwks",
        deployments=["1"],
        name="练习用课程平台",
        product="nengli-practice",
        token_audience="",
        allow_loopback=True,
        now=now,
    )
    session.flush()
    platform = lti.platforms(session, tenant_id)[0]
    deployment = session.exec(select(lti.Deployment).where(lti.Deployment.platform_id == pk(platform))).one()
    for position, title in enumerate(PROGRAMMES, start=1):
        programme = _programme(session, tenant_id, county, pk(version), title, now, exclude_own_school=position == 2)
        session.add(
            Course(
                tenant_id=tenant_id,
                deployment_id=pk(deployment),
                context_id=str(position),
                title=title,
                programme_id=pk(programme),
                seen_at=now,
            )
        )
    for name, school, number, stage, subject in ROSTER:
        session.add(
            RosterEntry(
                tenant_id=tenant_id,
                name=name,
                staff_number=number,
                org_unit_id=pk(schools[school]),
                stage=stage,
                subject=subject,
                imported_at=now,
            )
        )
    _staff(session, tenant_id, lms, {TENANT: county, **schools}, now)


def _programme(
    session: Session,
    tenant_id: int,
    county: OrgUnit,
    version_id: int,
    title: str,
    now: datetime,
    *,
    exclude_own_school: bool,
) -> competencies.Programme:
    today: date = competencies.local_day(now, get(session, Tenant, tenant_id).timezone)
    programme = competencies.Programme(
        tenant_id=tenant_id,
        framework_version_id=version_id,
        title=title,
        org_unit_id=pk(county),
        state=competencies.ProgrammeState.OPEN,
        opens_on=today - timedelta(days=1),
        submit_by_on=today + timedelta(days=30),
        review_by_on=today + timedelta(days=45),
        closes_on=today + timedelta(days=60),
        created_at=now,
    )
    session.add(programme)
    session.flush()
    review = competencies.ReviewPolicy(exclude_own_school=exclude_own_school, withdraw_minutes=0)
    rules = competencies.Rules.begun().model_copy(update={"review": review})
    competencies.set_rules(session, programme, rules, None, now)
    return programme


def _staff(session: Session, tenant_id: int, issuer: str, by_name: dict[str, OrgUnit], now: datetime) -> None:
    """The officer and the trainers, known by their identity at the practice LMS before they first come."""
    for subject, name, kind, unit in STAFF:
        person = Person(
            tenant_id=tenant_id, name=name, introduced_at=now, confirmed_at=now, confirmed_how="person", created_at=now
        )
        session.add(person)
        session.flush()
        session.add(
            Identity(tenant_id=tenant_id, issuer=issuer, subject=subject, person_id=pk(person), first_seen_at=now)
        )
        invitations.grant(session, tenant_id, pk(person), kind, pk(by_name[unit]), None, now)


def _renew(session: Session, tenant: Tenant, lms: str, lms_loopback: str) -> None:
    """The demo may be started on another port: the registration and the identities follow."""
    for platform in lti.platforms(session, pk(tenant)):
        if platform.client_id != CLIENT_ID or platform.issuer == lms:
            continue
        for identity in session.exec(
            select(Identity).where(Identity.tenant_id == pk(tenant), Identity.issuer == platform.issuer)
        ).all():
            identity.issuer = lms
            session.add(identity)
        platform.issuer, platform.auth_url = lms, f"{lms}/auth"
        platform.token_url, platform.jwks_url = f"{lms_loopback}/token", f"{lms_loopback}/jwks"
        session.add(platform)
        for course in session.exec(select(Course).where(Course.tenant_id == pk(tenant))).all():
            course.lineitems_url = course.lineitem_url = course.memberships_url = ""
            session.add(course)
        for column in session.exec(select(lti.LineItem).where(lti.LineItem.tenant_id == pk(tenant))).all():
            column.url = ""
            session.add(column)
