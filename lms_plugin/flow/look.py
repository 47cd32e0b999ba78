"""看一看: what a course asks of those who take part, for a launch that names nobody, where its registration allows it.

Such a launch makes nobody and opens no session: whoever comes so finds this page and nothing else, and writes nothing.
"""

from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, select

import competencies
import lti
from lms_plugin.db import get
from lms_plugin.errors import NotFound
from lms_plugin.flow.linking import Offer, offers
from lms_plugin.people import Course


@dataclass(frozen=True)
class Look:
    """A course as strangers see it. `offer` None: nobody has said yet which programme it runs, or that one is still
    being prepared."""

    course: str
    offer: Offer | None
    required: int = 0
    opens_on: date | None = None
    submit_by_on: date | None = None


def look(session: Session, deployment_id: int, context_id: str) -> Look:
    """The course of a deployment (our row's id) that the host calls so. Five queries. Raises NotFound where the
    registration does not, or no longer, let anybody look."""
    deployment = get(session, lti.Deployment, deployment_id)
    platform = get(session, lti.Platform, deployment.platform_id)
    if not platform.lets_look or platform.is_disabled or deployment.is_withdrawn:
        raise NotFound
    course = session.exec(
        select(Course).where(Course.deployment_id == deployment_id, Course.context_id == context_id)
    ).one_or_none()
    title = course.title if course is not None else ""
    if course is None or course.programme_id is None:
        return Look(title, None)
    programme = get(session, competencies.Programme, course.programme_id)
    if programme.state is competencies.ProgrammeState.DRAFT:
        return Look(title, None)
    (offer,) = offers(session, [programme])
    required = competencies.rules_of(session, programme).choice.required_points
    return Look(title, offer, required, programme.opens_on, programme.submit_by_on)
