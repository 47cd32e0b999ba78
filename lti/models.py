"""What the tool remembers of its platforms: registrations, logins, launches, columns, deliveries, keys.

Foreign keys into other parts (`tenant`, `course`, `programme`, `person`, `web_session`) go by table name only.
"""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Model, Owned, choice


class Platform(Owned, table=True):
    """A registration: one client id at one issuer. A launch finds its tenant by this pair, so it is unique over all.

    `token_audience` empty = the token URL. `product` is the host's product family ("moodle", "openedx" or "").
    """

    __tablename__ = "lti_platform"
    __table_args__ = (UniqueConstraint("issuer", "client_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    issuer: str = Field(max_length=500)
    client_id: str = Field(max_length=255)
    auth_url: str = Field(max_length=1000)
    token_url: str = Field(max_length=1000)
    jwks_url: str = Field(max_length=1000)
    token_audience: str = Field(default="", max_length=1000)
    name: str = Field(default="", max_length=200)
    product: str = Field(default="", max_length=64)
    door: str = Field(default="", max_length=16)  # as the address of its keys says (doors.py)
    is_disabled: bool = Field(default=False)
    wants_notices: bool = Field(default=True)  # whether hosts are asked for platform notices
    lets_look: bool = Field(default=False)  # whether launches that name nobody (no `sub`) may look at a course
    created_at: datetime


class Deployment(Model, table=True):
    """A deployment of a registration, by the host's own string; it belongs to the registration's tenant.

    `notices_url`: where the host can be asked for platform notices, as the latest launch said that offers them ("" =
    none did); `notice_types`: of the kinds that it offers there, those that we understand, sorted, a space between.
    `is_withdrawn`: nobody is launched from there any more, as if it were unknown; what came from there stays.
    """

    __tablename__ = "lti_deployment"
    __table_args__ = (
        UniqueConstraint("platform_id", "deployment_id"),
        ForeignKeyConstraint(["tenant_id", "platform_id"], ["lti_platform.tenant_id", "lti_platform.id"]),
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    platform_id: int = Field(foreign_key="lti_platform.id")
    deployment_id: str = Field(max_length=255)
    notices_url: str = Field(default="", max_length=1000)
    notice_types: str = Field(default="", max_length=255)
    is_withdrawn: bool = Field(default=False)
    created_at: datetime


class NoticeService(Model, table=True):
    """Where asking a deployment's host for platform notices stands.

    `registered`: the kinds for which the host at `url` holds our address, as in `Deployment.notice_types`. `trouble`,
    `words`: why the last try failed, and what the host said. `greeted_at`: its greeting came, so notices get through.
    """

    __tablename__ = "lti_notice_service"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    deployment_id: int = Field(foreign_key="lti_deployment.id", unique=True)
    url: str = Field(default="", max_length=1000)
    registered: str = Field(default="", max_length=255)
    tried_at: datetime | None = None
    trouble: str = Field(default="", max_length=64)
    words: str = Field(default="", max_length=300)
    greeted_at: datetime | None = None
    heard_at: datetime | None = None


class PlatformNotice(Model, table=True):
    """A platform notice that came and was taken: the host's own id of it, so that one sent twice is done once."""

    __tablename__ = "lti_platform_notice"
    __table_args__ = (UniqueConstraint("platform_id", "notice_id"),)
    id: int | None = Field(default=None, primary_key=True)
    platform_id: int = Field(foreign_key="lti_platform.id")
    notice_id: str = Field(max_length=255)
    kind: str = Field(max_length=100)
    received_at: datetime = Field(index=True)


class ContextCopy(Model, table=True):
    """The host told that a course was filled from others. `origins`: their ids there; `copied_at`: as the host says."""

    __tablename__ = "lti_context_copy"
    __table_args__ = (UniqueConstraint("deployment_id", "context_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    deployment_id: int = Field(foreign_key="lti_deployment.id")
    context_id: str = Field(max_length=255)
    origins: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    copied_at: datetime


class LoginState(Model, table=True):
    """One begun login: state and nonce in one row, consumed once.

    `browser_hash` is the SHA-256 of a secret given to the browser as a cookie; `storage_hash` that of another one,
    which the login's page puts into the host's own storage (the frame of the name `storage_target`), "" where the host
    offers none. `web_session_id` is where the launch led, so that a second click in the same browser can go there.
    """

    __tablename__ = "lti_login_state"
    id: int | None = Field(default=None, primary_key=True)
    state: str = Field(unique=True, max_length=64)
    nonce: str = Field(max_length=64)
    platform_id: int = Field(foreign_key="lti_platform.id", index=True)
    browser_hash: str = Field(default="", max_length=64)
    storage_target: str = Field(default="", max_length=255)
    storage_hash: str = Field(default="", max_length=64)
    created_at: datetime
    expires_at: datetime = Field(index=True)
    consumed_at: datetime | None = None
    web_session_id: int | None = Field(default=None, foreign_key="web_session.id")


class LaunchLog(Model, table=True):
    """What became of one login, launch or registration. `reference` is what a person reads out; no names, addresses of
    people or tokens stand here.

    `outcome` is "launched", "registered" or the code of the refusal. `checks` holds findings alone: checks have one
    order (lti/trails.py), so what comes before the one that refused was found right. `claims` is what a verified token
    said that names nobody, the host's user id shortened. `context_id`: the host's course (or the
    activity's own space), by which a course finds rows.
    """

    __tablename__ = "lti_launch_log"
    id: int | None = Field(default=None, primary_key=True)
    reference: str = Field(unique=True, max_length=16)
    tenant_id: int | None = Field(default=None, foreign_key="tenant.id", index=True)
    platform_id: int | None = Field(default=None, foreign_key="lti_platform.id")
    issuer: str = Field(default="", max_length=500)
    client_id: str = Field(default="", max_length=255)
    outcome: str = Field(max_length=64)
    detail: str = Field(default="", max_length=500)
    checks: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    claims: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    context_id: str = Field(default="", max_length=255)
    at: datetime = Field(index=True)


class ResourceLink(Model, table=True):
    """A place in a host's course from which the tool is launched, as the latest launch described it. `context_id`: as
    `Launch.context_id`."""

    __tablename__ = "lti_resource_link"
    __table_args__ = (UniqueConstraint("deployment_id", "context_id", "resource_link_id"),)
    id: int | None = Field(default=None, primary_key=True)
    deployment_id: int = Field(foreign_key="lti_deployment.id")
    context_id: str = Field(default="", max_length=255)
    resource_link_id: str = Field(max_length=255)
    title: str = Field(default="", max_length=500)
    custom: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    seen_at: datetime


class LineItemKind(enum.Enum):
    POINTS = "points"  # how many required points are passed
    HOURS = "hours"  # practice hours


class Offer(enum.Enum):
    READY = "ready"
    NOT_OFFERED = "not_offered"  # the host grants no column of this kind


class LineItem(Model, table=True):
    """Our column in the gradebook of one course for one programme. `url` is the host's address of it.

    `lost_at`: when the host last said that the column is no more; a second loss within a day is not mended by itself.
    """

    __tablename__ = "lti_line_item"
    __table_args__ = (UniqueConstraint("course_id", "programme_id", "kind"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    course_id: int = Field(foreign_key="course.id")
    programme_id: int = Field(foreign_key="programme.id", index=True)
    kind: LineItemKind = Field(sa_type=choice(LineItemKind))
    offered: Offer = Field(default=Offer.READY, sa_type=choice(Offer))
    url: str = Field(default="", max_length=1000)
    label: str = Field(default="", max_length=255)
    maximum_hundredths: int
    lost_at: datetime | None = None
    created_at: datetime


class DeliveryState(enum.Enum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"
    NOT_A_LEARNER = "not_a_learner"  # the host grades learners only, and this person is none there
    NOT_OFFERED = "not_offered"
    OVERRIDDEN = "overridden"  # somebody has changed it in the gradebook: theirs stays until ours is asked for again


class ScoreDelivery(Model, table=True):
    """Where one person's score for one column stands. `sent_timestamp_at` is the last AGS timestamp, a whole second."""

    __tablename__ = "lti_score_delivery"
    __table_args__ = (
        UniqueConstraint("line_item_id", "person_id"),
        Index("ix_lti_score_delivery_state", "tenant_id", "state"),
    )
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id")
    line_item_id: int = Field(foreign_key="lti_line_item.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    subject: str = Field(max_length=255)
    given_hundredths: int
    maximum_hundredths: int
    comment: str = Field(default="", max_length=500)
    sent_timestamp_at: datetime | None = None
    state: DeliveryState = Field(default=DeliveryState.WAITING, sa_type=choice(DeliveryState))
    host_words: str = Field(default="", max_length=500)
    trouble: str = Field(default="", max_length=64)  # code of why it has not arrived; the host may have said nothing
    attempts: int = Field(default=0)
    updated_at: datetime


class ToolKey(Model, table=True):
    """A signing key of ours. The private half is encrypted; the public one is what the JWKS shows, from before the key
    first signs (`active_from_at`) until after another one took over (`retired_at`)."""

    __tablename__ = "lti_tool_key"
    id: int | None = Field(default=None, primary_key=True)
    kid: str = Field(unique=True, max_length=64)
    private_encrypted: str = Field(sa_type=Text)
    public_jwk: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime
    active_from_at: datetime
    retired_at: datetime | None = None


class KeySet(Model, table=True):
    """The last good answer of a platform's JWKS address, when we last tried, and which try last ended (`answered_at` is
    its `tried_at`): one that has not is under way."""

    __tablename__ = "lti_key_set"
    id: int | None = Field(default=None, primary_key=True)
    url: str = Field(unique=True, max_length=1000)
    body: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    fetched_at: datetime | None = None
    tried_at: datetime | None = None
    answered_at: datetime | None = None


class AccessToken(Model, table=True):
    """An OAuth token that a platform gave us, shared by all workers. `scope_key` is the sorted scope set.

    `refusal`: instead of a token, what the platform said the last time, believed until `expires_at`.
    """

    __tablename__ = "lti_access_token"
    __table_args__ = (UniqueConstraint("platform_id", "scope_key"),)
    id: int | None = Field(default=None, primary_key=True)
    platform_id: int = Field(foreign_key="lti_platform.id")
    scope_key: str = Field(max_length=500)
    token_encrypted: str = Field(sa_type=Text)
    expires_at: datetime
    refusal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


class HostTurn(Model, table=True):
    """When a host may be asked the next time, so that all workers together ask no faster than it bears: seconds since
    1970 by the database's own clock. `place` is scheme, host and port."""

    __tablename__ = "lti_host_turn"
    place: str = Field(primary_key=True, max_length=300)
    free_epoch_seconds: float
