"""Asking hosts for platform notices: that a course was copied, and a greeting by which we see that notices get through.

Launches say where a host can be asked (`lti.Deployment.notices_url`); the worker's sweep finds what is not as it should
be. A host that offers no notices is never asked, and nothing depends on them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, and_, case, col, or_, select

import lti
from lms_plugin import outbox, platform_events
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk, transaction
from lms_plugin.errors import Unavailable
from lms_plugin.flow.report import Post
from lms_plugin.people import Course
from lms_plugin.platform_events import PlatformAct

AGAIN = timedelta(days=1)  # after which a host that did not do it is asked once more
MOST_AT_ONCE = 100  # deployments in one sweep


@dataclass(frozen=True)
class NoticeLine:
    """How it stands with the notices of one deployment. `state`: greeted | registered | asking | trouble | off.

    `trouble` is a code, `words` the host's own.
    """

    deployment: str
    state: str
    greeted_at: datetime | None
    heard_at: datetime | None
    trouble: str = ""
    words: str = ""


def address_of(launch_url: str) -> str:
    """Where hosts send their notices: beside the address that they launch."""
    return launch_url.removesuffix("/launch") + "/notices"


def ask_due(session: Session, now: datetime) -> int:
    """Asks for every host to be spoken to that does not send what it should; gives the number."""
    deployment, service, platform = lti.Deployment, lti.NoticeService, lti.Platform
    wanted = case((col(platform.wants_notices), col(deployment.notice_types)), else_="")
    rows = session.exec(
        select(deployment.id, deployment.tenant_id)
        .join(platform, col(platform.id) == col(deployment.platform_id))
        .join(service, col(service.deployment_id) == col(deployment.id), isouter=True)
        .where(
            deployment.notices_url != "",
            col(platform.is_disabled).is_(False),
            or_(
                and_(col(service.id).is_(None), wanted != ""),
                col(service.registered) != wanted,
                and_(wanted != "", col(service.url) != col(deployment.notices_url)),
            ),
            or_(col(service.tried_at).is_(None), col(service.tried_at) < now - AGAIN),
        )
        .order_by(col(deployment.id))
        .limit(MOST_AT_ONCE)
    ).all()
    for deployment_id, tenant_id in rows:
        assert deployment_id is not None
        outbox.put(session, tenant_id, outbox.NOTICES, str(deployment_id), {"deployment_id": deployment_id}, now)
    return len(rows)


def subscribe(post: Post, ids: dict[str, int], now: datetime) -> None:
    """The job: sees to it that one deployment's host sends what is wanted to us, and no more. Raises Unavailable."""
    with transaction(post.sessions) as session:
        deployment = get(session, lti.Deployment, ids["deployment_id"])
        platform = get(session, lti.Platform, deployment.platform_id)
        if not deployment.notices_url or platform.is_disabled:
            return
        url, kinds = deployment.notices_url, deployment.notice_types if platform.wants_notices else ""
        row = _service(session, deployment)
        row.tried_at = now
        session.add(row)
        scopes = [lti.NOTICES_SCOPE]
        client = lti.service_client(session, pk(platform), scopes, post.secret_key, post.http, now, post.sessions)
    trouble: Unavailable | None = None
    try:
        client.hear_notices(url, kinds, address_of(post.launch_url))
    except Unavailable as error:
        trouble = error
    with transaction(post.sessions) as session:
        row = _service(session, get(session, lti.Deployment, ids["deployment_id"]))
        row.trouble, row.words = "", ""
        if trouble is None:
            row.url, row.registered = url, kinds
        else:
            refused = trouble.code == "ags.scope_refused" or "invalid_scope" in trouble.words
            row.trouble = "notice.not_granted" if refused else "notice.not_registered"
            row.words = (trouble.answer or trouble.code)[:300]
        session.add(row)
    if trouble is not None:
        raise trouble


def _service(session: Session, deployment: lti.Deployment) -> lti.NoticeService:
    wanted = select(lti.NoticeService).where(lti.NoticeService.deployment_id == pk(deployment))
    row = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if row is None:
        row = lti.NoticeService(tenant_id=deployment.tenant_id, deployment_id=pk(deployment))
        session.add(row)
        session.flush()
    return row


def lines(session: Session, actor: Actor, platform_uuid: str) -> list[NoticeLine]:
    """The deployments of a registration whose hosts offer notices: one query beside that of the registration."""
    platform = _platform(session, actor, platform_uuid)
    rows = session.exec(
        select(lti.Deployment, lti.NoticeService)
        .join(lti.NoticeService, col(lti.NoticeService.deployment_id) == col(lti.Deployment.id), isouter=True)
        .where(lti.Deployment.platform_id == pk(platform), lti.Deployment.notices_url != "")
        .order_by(col(lti.Deployment.id))
    ).all()
    return [_line(platform, deployment, row) for deployment, row in rows]


def _line(platform: lti.Platform, deployment: lti.Deployment, row: lti.NoticeService | None) -> NoticeLine:
    greeted_at, heard_at = (row.greeted_at, row.heard_at) if row is not None else (None, None)
    if row is not None and row.trouble:
        return NoticeLine(deployment.deployment_id, "trouble", greeted_at, heard_at, row.trouble, row.words)
    if not platform.wants_notices:
        state = "off" if row is None or not row.registered else "asking"
    elif row is None or row.registered != deployment.notice_types:
        state = "asking"
    else:
        state = "greeted" if greeted_at is not None else "registered"
    return NoticeLine(deployment.deployment_id, state, greeted_at, heard_at)


def choose(session: Session, actor: Actor, platform_uuid: str, now: datetime, *, wanted: bool) -> None:
    """接收, 不再接收: hosts are told at once; chosen again, whoever did not do it is asked again."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    platform = _platform(session, actor, platform_uuid)
    if platform.wants_notices != wanted:
        act = PlatformAct.NOTICES_ON if wanted else PlatformAct.NOTICES_OFF
        platform_events.note(session, (platform.tenant_id, pk(platform)), act, actor.person_id, now)
    platform.wants_notices = wanted
    session.add(platform)
    offering = select(lti.Deployment.id).where(
        lti.Deployment.platform_id == pk(platform), lti.Deployment.notices_url != ""
    )
    jobs = {
        str(key): {"deployment_id": int(key or 0)} for key in session.exec(offering.order_by(col(lti.Deployment.id)))
    }
    if jobs and not platform.is_disabled:
        outbox.put_many(session, actor.tenant_id, outbox.NOTICES, jobs, now)


def _platform(session: Session, actor: Actor, uuid: str) -> lti.Platform:
    row = find(session, lti.Platform, actor.tenant_id, uuid)
    require(actor, Permission.PLATFORM_MANAGE, Scope(row.tenant_id))
    return row


def original_of(session: Session, course: Course) -> Course | None:
    """The nearest course that this one was copied from, as its host told, whose programme is known; None = none."""
    deployment = get(session, lti.Deployment, course.deployment_id)
    origins = lti.origins_of(session, deployment.platform_id, course.context_id) if course.context_id else []
    if not origins:
        return None
    rows = session.exec(
        select(Course)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .where(
            Course.tenant_id == course.tenant_id,
            lti.Deployment.platform_id == deployment.platform_id,
            col(Course.context_id).in_(origins),
            col(Course.programme_id).is_not(None),
        )
        .order_by(col(Course.seen_at).desc(), col(Course.id).desc())
    ).all()
    return min(rows, key=lambda row: origins.index(row.context_id), default=None)
