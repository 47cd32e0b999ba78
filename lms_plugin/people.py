"""Who someone is, whatever host they came from: districts, org units, persons, identities, roles, courses, sessions."""

import enum
import unicodedata
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from competencies import Category
from lms_plugin.db import Model, Owned, Versioned, choice, new_uuid


class Tenant(Model, table=True):
    """A district, a wall around its data. `cycle`: 学时周期 as `competencies.CycleRule` writes it, empty = default."""

    __tablename__ = "tenant"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(default_factory=new_uuid, unique=True, max_length=32)
    name: str = Field(max_length=200, unique=True)
    timezone: str = Field(default="Asia/Shanghai", max_length=64)
    is_demo: bool = Field(default=False)
    cycle: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    forward_url: str = Field(default="", max_length=500)  # where the district goes on, from the day below
    frozen_on: date | None = None  # from 0:00 of this day nothing is changed here (leaving.py)
    created_at: datetime


class UnitKind(enum.Enum):
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    SCHOOL_GROUP = "school_group"
    SCHOOL = "school"


class OrgUnit(Owned, table=True):
    """A province, city, county, school group or school. `path` is "/1/4/9/" (own id last): a subtree is a prefix."""

    __tablename__ = "org_unit"
    __table_args__ = (UniqueConstraint("tenant_id", "parent_id", "name"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    parent_id: int | None = Field(default=None, foreign_key="org_unit.id", index=True)
    kind: UnitKind = Field(sa_type=choice(UnitKind))
    name: str = Field(max_length=200)
    path: str = Field(default="", max_length=500, index=True)
    environment: str = Field(default="", max_length=32)  # codes that the school declares, a blank between; "" = none


class Stage(enum.Enum):
    """学段."""

    KINDERGARTEN = "kindergarten"
    PRIMARY = "primary"
    JUNIOR = "junior"
    SENIOR = "senior"
    VOCATIONAL = "vocational"
    SPECIAL = "special"


def staff_number_as_kept(typed: str) -> str:
    """A 工号 as it is kept and compared: ｘｗ 101 is XW101, however it was typed or printed."""
    return "".join(unicodedata.normalize("NFKC", typed).split()).upper()


class Person(Owned, Versioned, table=True):
    """A human being in one district. May have no name at all: then pages say "未填姓名" and a short code.

    `confirmed_at` empty = what the person typed about themselves is not confirmed yet.
    `merged_into_id` set = this row gave its identities to another; it keeps its history and list, and never signs in.
    """

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), Index("ix_person_staff", "tenant_id", "staff_number"))
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(default="", max_length=100)
    staff_number: str = Field(default="", max_length=64)  # 工号, as `staff_number_as_kept` makes it
    stage: Stage | None = Field(default=None, sa_type=choice(Stage))
    subject: str = Field(default="", max_length=64)  # 学科, as the district writes it
    introduced_at: datetime | None = None  # when the first-launch page was filled
    confirmed_at: datetime | None = None
    confirmed_by_id: int | None = Field(default=None, foreign_key="person.id")
    confirmed_how: str = Field(default="", max_length=32)  # "roster" | "person"; unconfirmed "" | "again" | "renamed"
    locale: str = Field(default="", max_length=16)  # "" = as the launch says
    text_size: str = Field(default="standard", max_length=8)  # "standard" | "large" | "larger"
    theme: str = Field(default="", max_length=8)  # "" = light | "dark"
    reading_language: str = Field(default="", max_length=40)  # of standards, a BCP 47 tag; "" = as pages are
    merged_into_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    answered_at: datetime | None = None  # since when an answer to a 更正申请 of theirs waits to be read
    absorbed_ids: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))  # merged into it
    created_at: datetime


class OrgMembership(Model, table=True):
    """Somebody belongs to a school from a day to a day (`ends_on` empty = still)."""

    __tablename__ = "org_membership"
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    org_unit_id: int = Field(foreign_key="org_unit.id", index=True)
    starts_on: date
    ends_on: date | None = None


class Identity(Model, table=True):
    """How a host names a person: (tenant, issuer, door, sub). Many to one Person; a merge only re-points these."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("tenant_id", "issuer", "subject", "door"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id")
    issuer: str = Field(max_length=500)
    door: str = Field(default="", max_length=16)  # by which of the issuer's doors (lti/doors.py)
    subject: str = Field(max_length=255)
    person_id: int = Field(foreign_key="person.id", index=True)
    first_seen_at: datetime


class IdentityMove(Model, table=True):
    """The log of merges: one identity went from one person to another, by whom and why."""

    __tablename__ = "identity_move"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    identity_id: int = Field(foreign_key="identity.id")
    from_person_id: int = Field(foreign_key="person.id")
    to_person_id: int = Field(foreign_key="person.id")
    moved_by_id: int | None = Field(default=None, foreign_key="person.id")
    reason: str = Field(default="", max_length=500)
    moved_at: datetime


class RoleKind(enum.Enum):
    TEACHER = "teacher"  # 参训教师
    TRAINER = "trainer"  # 评审员
    SCHOOL_LEAD = "school_lead"  # 学校管理员
    OFFICER = "officer"  # 区县管理员
    IT = "it"  # 技术管理员: registrations, no evidence
    AUDITOR = "auditor"  # 审计员: reads, changes nothing
    PANEL = "panel"  # 考核小组成员: decides for one school, where the programme says so
    SEAL = "seal"  # 用印人: puts the unit's seal on papers


class Role(Model, table=True):
    """A person may do something within a scope: a course, an org unit (and all below it), or the whole district.

    `is_provisional`: a trainer whom only a launch vouches for, and only in that course.
    """

    __tablename__ = "role"
    __table_args__ = (Index("ix_role_person", "person_id", "kind"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    person_id: int = Field(foreign_key="person.id")
    kind: RoleKind = Field(sa_type=choice(RoleKind))
    course_id: int | None = Field(default=None, foreign_key="course.id")
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    is_provisional: bool = Field(default=False)
    granted_by_id: int | None = Field(default=None, foreign_key="person.id")
    granted_at: datetime
    revoked_at: datetime | None = None


class Invitation(Model, table=True):
    """A one-time link that gives a role. Only the token's SHA-256 is kept."""

    __tablename__ = "invitation"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(default_factory=new_uuid, unique=True, max_length=32)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    token_hash: str = Field(unique=True, max_length=64)
    kind: RoleKind = Field(sa_type=choice(RoleKind))
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    created_by_id: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by_id: int | None = Field(default=None, foreign_key="person.id")


class RosterEntry(Owned, table=True):
    """One row of the officer's list 应参训: a teacher of a school, matched to a Person once that person came."""

    __tablename__ = "roster_entry"
    __table_args__ = (UniqueConstraint("tenant_id", "staff_number"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=100)
    staff_number: str = Field(max_length=64)
    org_unit_id: int = Field(foreign_key="org_unit.id", index=True)
    stage: Stage | None = Field(default=None, sa_type=choice(Stage))
    subject: str = Field(default="", max_length=64)
    category: Category | None = Field(default=None, sa_type=choice(Category))  # empty = nobody said: 教师
    environment: str = Field(default="", max_length=32)  # codes that hold for this person alone; "" = the school's
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    imported_at: datetime
    removed_at: datetime | None = None


class RosterMove(Model, table=True):
    """The log of who holds a row of the roster: from one person to another, empty = nobody.

    The `was_…` say how the one who got it stood before. `undone_at` set = a merge moved it, and its undo gave it back.
    """

    __tablename__ = "roster_move"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    roster_entry_id: int = Field(foreign_key="roster_entry.id", index=True)
    from_person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    to_person_id: int | None = Field(default=None, foreign_key="person.id")
    was_confirmed_at: datetime | None = None
    was_confirmed_by_id: int | None = Field(default=None, foreign_key="person.id")
    was_confirmed_how: str = Field(default="", max_length=32)
    was_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")  # the school they belonged to
    moved_at: datetime
    undone_at: datetime | None = None


class Exemption(Model, table=True):
    """免训: this teacher need not take part in this programme, for a reason on paper."""

    __tablename__ = "exemption"
    __table_args__ = (UniqueConstraint("programme_id", "roster_entry_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    roster_entry_id: int = Field(foreign_key="roster_entry.id")
    reason: str = Field(max_length=500)
    granted_by_id: int = Field(foreign_key="person.id")
    granted_at: datetime


class CohortPlace(Model, table=True):
    """分批: the year in which a row of the roster takes part in a programme. `is_by_hand`: an officer said so."""

    __tablename__ = "cohort_place"
    __table_args__ = (UniqueConstraint("programme_id", "roster_entry_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    roster_entry_id: int = Field(foreign_key="roster_entry.id", index=True)
    year: int
    is_by_hand: bool = Field(default=False)
    placed_by_id: int | None = Field(default=None, foreign_key="person.id")
    placed_at: datetime


class Extension(Owned, table=True):
    """延期: a school (or a group of them), or one teacher of the roster, may hand in later than the others.

    One of `org_unit_id` and `roster_entry_id` is set. `until_on`: the last day, until 24:00. `ended_at`: taken back.
    """

    __tablename__ = "extension"
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    roster_entry_id: int | None = Field(default=None, foreign_key="roster_entry.id")
    until_on: date
    reason: str = Field(max_length=300)
    granted_by_id: int = Field(foreign_key="person.id")
    granted_at: datetime
    ended_by_id: int | None = Field(default=None, foreign_key="person.id")
    ended_at: datetime | None = None


class Course(Owned, table=True):
    """A host's course (LTI context), or the space of an activity outside courses (`lti.is_course`). `programme_id`
    empty = nobody has said yet which programme runs in it. Of service addresses the latest launch decides; empty = the
    host does not offer it."""

    __tablename__ = "course"
    __table_args__ = (UniqueConstraint("deployment_id", "context_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    deployment_id: int = Field(foreign_key="lti_deployment.id")
    context_id: str = Field(max_length=255)
    title: str = Field(default="", max_length=500)
    programme_id: int | None = Field(default=None, foreign_key="programme.id", index=True)
    waiting_since_at: datetime | None = None  # a learner came before the course was configured
    lineitems_url: str = Field(default="", max_length=1000)
    lineitem_url: str = Field(default="", max_length=1000)
    ags_scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    memberships_url: str = Field(default="", max_length=1000)
    groups_url: str = Field(default="", max_length=1000)
    group_sets_url: str = Field(default="", max_length=1000)
    locale: str = Field(default="", max_length=16)  # the language of its gradebook columns, "" = nobody said: 中文
    seen_at: datetime


class CourseMember(Model, table=True):
    """Somebody launched from a course, the *latest* time with these roles; `has_name` None: was not noted then."""

    __tablename__ = "course_member"
    __table_args__ = (UniqueConstraint("course_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    course_id: int = Field(foreign_key="course.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    subject: str = Field(max_length=255)  # the `sub` that the host's gradebook knows
    is_learner: bool
    is_instructor: bool
    has_name: bool | None = None
    launched_at: datetime


class HostList(Model, table=True):
    """How the last readings of a course's list at its host went (NRPS). What it says is a hint and changes nobody.

    `whole_at`: when all of it was read last; `read_at`: that, or what has changed since. `error` is the code of the
    last reading's failure, "" = it went well; `groups_error` the same of the course's groups.
    """

    __tablename__ = "host_list"
    id: int | None = Field(default=None, primary_key=True)
    course_id: int = Field(foreign_key="course.id", unique=True)
    tried_at: datetime | None = None
    read_at: datetime | None = None
    whole_at: datetime | None = None
    error: str = Field(default="", max_length=64)
    words: str = Field(default="", max_length=300)  # the host's own, of the error
    differences_url: str = Field(default="", max_length=1000)
    groups_error: str = Field(default="", max_length=64)


class ListedMember(Model, table=True):
    """Somebody whom a host lists in a course, whether they ever came or not: no person of ours, and no row of the
    roster. Rows stay: who is listed no more has `absent_since_at`. `groups` are the host's keys of its groups."""

    __tablename__ = "listed_member"
    __table_args__ = (UniqueConstraint("course_id", "subject"),)
    id: int | None = Field(default=None, primary_key=True)
    course_id: int = Field(foreign_key="course.id")
    subject: str = Field(max_length=255)
    name: str = Field(default="", max_length=100)  # as the host writes it, "" = it keeps it to itself
    roles: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    is_learner: bool
    is_instructor: bool
    is_active: bool  # False: listed as suspended
    groups: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    first_seen_at: datetime
    last_seen_at: datetime
    absent_since_at: datetime | None = None


class ListedGroup(Model, table=True):
    """A group of a course at its host (Course Groups), with the name of the set it belongs to."""

    __tablename__ = "listed_group"
    __table_args__ = (UniqueConstraint("course_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    course_id: int = Field(foreign_key="course.id")
    key: str = Field(max_length=255)
    name: str = Field(default="", max_length=200)
    set_name: str = Field(default="", max_length=200)
    absent_since_at: datetime | None = None


class Enrolment(Model, table=True):
    """A person takes part in a programme: begins with the first launch as a teacher."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("programme_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    started_at: datetime


class LinkRequest(Owned, table=True):
    """A host's question what to put into a course (Deep Linking 2.0), answered once; `items`: what was chosen, so a
    double click says the same. `data` is the host's own and goes back as it came; `targets`: how it can show links."""

    __tablename__ = "link_request"
    id: int | None = Field(default=None, primary_key=True)
    deployment_id: int = Field(foreign_key="lti_deployment.id")
    course_id: int = Field(foreign_key="course.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    return_url: str = Field(max_length=2000)
    data: str | None = Field(default=None, sa_type=Text)
    takes_many: bool = Field(default=False)
    takes_column: bool = Field(default=False)
    targets: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    items: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime
    answered_at: datetime | None = None


class WebSession(Model, table=True):
    """A person at a browser. The cookie and the per-tab bearer are random; only their SHA-256 is kept.

    `return_url` (never logged) leads back to the course; `platform_origin` may frame us and be told our height.
    """

    __tablename__ = "web_session"
    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(unique=True, max_length=64)
    bearer_hash: str = Field(unique=True, max_length=64)
    csrf: str = Field(max_length=64)
    tenant_id: int = Field(foreign_key="tenant.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    course_id: int | None = Field(default=None, foreign_key="course.id")
    locale: str = Field(default="", max_length=16)
    return_url: str = Field(default="", max_length=2000)
    platform_origin: str = Field(default="", max_length=300)
    document_target: str = Field(default="", max_length=16)
    wants: str = Field(default="", max_length=260)  # the page that its launch asked for (flow/linking.py)
    is_demo: bool = Field(default=False)
    asks_first: bool = Field(default=False)  # no cookie proved the browser: serves nobody until the person clicks
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    proved_at: datetime | None = None  # showed that it is really them (flow/proofs.py)


class Ticket(Model, table=True):
    """A one-time pass that carries a session into a window without our cookie: ≤ 60 s where it stands in a URL.
    `browser_hash` is of the secret of the browser that used it: a double click there is no second use."""

    __tablename__ = "ticket"
    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(unique=True, max_length=64)
    web_session_id: int = Field(foreign_key="web_session.id")
    purpose: str = Field(max_length=32)  # "window" | "download"
    target: str = Field(default="", max_length=1000)
    browser_hash: str = Field(default="", max_length=64)
    expires_at: datetime
    used_at: datetime | None = None


class Notice(Model, table=True):
    """Something an officer or trainer should see on their page: a course without a programme, an import that waits."""

    __tablename__ = "notice"
    __table_args__ = (
        Index(
            "uq_notice_open",
            "tenant_id",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    kind: str = Field(max_length=64)
    key: str = Field(default="", max_length=64)
    params: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    raised_at: datetime
    done_at: datetime | None = None
