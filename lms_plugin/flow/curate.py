"""Frameworks and programmes: publish a version, set up a round, say which course runs it."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

import competencies
import rubrics
from competencies import FrameworkVersion
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import pk


def publish_framework(session: Session, actor: Actor, version: FrameworkVersion, now: datetime) -> None:
    """Makes a version immutable. A 参考稿 needs every point confirmed first (Refused `framework.unconfirmed`)."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(tenant_id=version.tenant_id))
    publish(session, version, actor.person_id, now, under_banner=False)


def publish(
    session: Session, version: FrameworkVersion, by_id: int | None, now: datetime, *, under_banner: bool
) -> None:
    """Publishes points, requirements and one rubric a requirement. The operator's way in (demo, `nengli` command)."""
    for requirement, item in competencies.freeze(session, version, by_id, now, under_banner=under_banner):
        rubric = rubrics.publish_rubric(session, version.tenant_id, requirement.title, criteria_of(item), now)
        requirement.rubric_version_id = pk(rubric)
        session.add(requirement)
    session.flush()


def criteria_of(item: dict[str, Any]) -> Any:
    """What the pack says of one item: its criteria, or of an item that is not core its one validity statement."""
    return item["criteria"] if item["core"] else item["validity"]
