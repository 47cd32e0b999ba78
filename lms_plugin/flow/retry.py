"""What a host refused and somebody may have mended since is sent once more by itself: nobody has to find the button."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import String, and_, cast, exists, or_, update
from sqlmodel import Session, col, select

import lti
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.flow.stuck import IS_OF_TODAY, REFUSED
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, CourseMember

# The host does not know us, or lets us write nothing: the same for every score there, and mended outside of this tool.
REFUSES_US = ("ags.token_refused", "keys.secret_changed", "net.address_refused", "net.redirected", "net.not_json")
NO_RIGHT = "ags.scope_refused"
LOCKED = "ags.locked"  # somebody in the course locked the column, or its activity is being deleted
AGAIN = timedelta(hours=3)
RESTING = timedelta(days=60)  # and no more where nobody has come from the course for so long


def ask_again(session: Session, now: datetime) -> int:
    """The worker's sweep: asks for the scores of people who have launched since the host said that they are no
    students, and every `AGAIN` for those that waited on the registration or on a locked column; not for what is
    asked for already: its tries would begin anew each time. Gives the number; a constant number of queries for each
    district."""
    delivery, states = lti.ScoreDelivery, lti.DeliveryState
    is_asked = exists().where(
        col(Job.kind) == outbox.SCORE,
        col(Job.key) == cast(col(Course.id), String) + ":" + cast(col(delivery.person_id), String),
        col(Job.state).in_([JobState.READY, JobState.RUNNING]),
    )
    rows = session.exec(
        select(Course.id, Course.tenant_id, delivery.person_id)
        .select_from(delivery)
        .join(lti.LineItem, col(lti.LineItem.id) == col(delivery.line_item_id))
        .join(Course, IS_OF_TODAY)
        .join(
            CourseMember,
            and_(col(CourseMember.course_id) == col(Course.id), col(CourseMember.person_id) == col(delivery.person_id)),
        )
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .where(
            col(lti.Platform.is_disabled).is_(False),
            ~is_asked,
            or_(
                and_(
                    col(delivery.state) == states.NOT_A_LEARNER,
                    col(CourseMember.launched_at) > col(delivery.updated_at),
                ),
                and_(
                    col(delivery.state) == states.FAILED,
                    col(delivery.trouble).in_((*REFUSES_US, NO_RIGHT, LOCKED)),
                    col(delivery.updated_at) <= now - AGAIN,
                    col(Course.seen_at) > now - RESTING,
                ),
            ),
        )
        .distinct()
        .order_by(col(Course.id), col(delivery.person_id))
    ).all()
    wanted: dict[int, dict[str, dict[str, int]]] = defaultdict(dict)
    for course_id, tenant_id, person_id in rows:
        assert course_id is not None
        wanted[tenant_id][f"{course_id}:{person_id}"] = {"course_id": course_id, "person_id": person_id}
    for tenant_id, jobs in wanted.items():
        outbox.put_many(session, tenant_id, outbox.SCORE, jobs, now)
    return len(rows)


def rest(session: Session, idle: Collection[lti.LineItem], now: datetime, person_id: int | None = None) -> None:
    """What a host refused in columns that the rules want no more is nobody's trouble, and is asked for no more;
    `person_id`: only what concerns that row."""
    if not idle:
        return
    statement = update(lti.ScoreDelivery).where(
        col(lti.ScoreDelivery.line_item_id).in_([pk(column) for column in idle]),
        col(lti.ScoreDelivery.state).in_(REFUSED),
    )
    if person_id is not None:
        statement = statement.where(col(lti.ScoreDelivery.person_id) == person_id)
    rested = {"state": lti.DeliveryState.NOT_OFFERED, "trouble": "", "host_words": "", "updated_at": now}
    session.execute(statement.values(rested))
