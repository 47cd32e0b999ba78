"""Where a link of ours leads: its target stands in `custom`, by our own ids, so that a copied course, whose ids are all
new, still finds its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

import competencies
import lti
from lms_plugin.db import pk
from lms_plugin.people import Course, LinkRequest, Person

PROGRAMME, VIEW, POINT = "nengli_programme", "nengli_view", "nengli_point"
WRITE_COLUMNS = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
OF = "of/"  # before the host's id of a person whose work a gradebook asks to see (submission review)
ASKED = "link/"  # before the uuid of a question that a deep linking launch asks
TARGETS = ("iframe", "window")  # of the ways in which a host can show a link, those that we say anything of


class View(StrEnum):
    """What a link opens."""

    HOME = "programme"
    POINT = "point"
    RECORD = "record"
    REVIEWS = "reviews"


@dataclass(frozen=True)
class Target:
    """A page that a link can open: a programme's home, one of its points, the own record, the own reviews."""

    programme: str
    view: View
    point: str = ""

    @property
    def key(self) -> str:
        """As a form sends it."""
        return "/".join(part for part in (self.programme, self.view.value, self.point) if part)


def begin(session: Session, launch: "lti.Launch", course: Course, person: Person, now: datetime) -> LinkRequest:
    """Keeps the question that a deep linking launch asks; that an instructor asks, the launch has seen to."""
    asked = launch.deep_linking
    assert asked is not None
    # A host that says nothing about columns (Moodle) gets one with the link only where we cannot make our own.
    cannot_make = SCORE in launch.ags_scopes and WRITE_COLUMNS not in launch.ags_scopes
    row = LinkRequest(
        tenant_id=launch.tenant_id,
        deployment_id=launch.deployment_id,
        course_id=pk(course),
        person_id=pk(person),
        return_url=asked.return_url,
        data=asked.data,
        takes_many=asked.accept_multiple,
        takes_column=cannot_make if asked.accept_lineitem is None else asked.accept_lineitem,
        targets=[one for one in asked.targets if one in TARGETS],
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def wanted(custom: Mapping[str, str]) -> str:
    """What a launched link was made for, as a session keeps it; "" for a link that we did not make."""
    view, point = custom.get(VIEW, ""), custom.get(POINT, "")
    if view not in set(View) or (view == View.POINT) != bool(point):
        return ""
    return Target(custom.get(PROGRAMME, ""), View(view), point).key[:200]


def of_launch(launch: "lti.Launch", asked: str = "") -> str:
    """What the launched link was made for, as the session keeps it. `asked`: the uuid of a deep linking question."""
    if asked:
        return ASKED + asked
    return OF + launch.for_user if launch.for_user else wanted(launch.custom)


def review_of(programme: competencies.Programme, launch_url: str) -> "lti.SubmissionReview":
    """What a click on somebody's score opens: that person's record in this programme (flow/landing.py)."""
    custom = {PROGRAMME: programme.uuid, VIEW: View.RECORD.value}
    return lti.SubmissionReview("研修档案 / Training record", launch_url, custom)


def target_of(key: str) -> Target | None:
    """The target that a form or a session names; None for what is none."""
    programme, _, rest = key.partition("/")
    view, _, point = rest.partition("/")
    if view not in set(View) or (view == View.POINT) != bool(point):
        return None
    return Target(programme, View(view), point)
