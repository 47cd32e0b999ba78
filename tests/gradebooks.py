"""Columns in the gradebook of a course and scores in them, as the product notes what its host has."""

from typing import Any

import lti
from lms_plugin.db import pk
from lms_plugin.people import Course, Person
from tests.factories import World


def column(world: World, course: Course | None = None, **values: Any) -> lti.LineItem:
    """A column of the course; one for points that the host has, unless told otherwise."""
    row = lti.LineItem(
        **{
            "tenant_id": pk(world.tenant),
            "course_id": pk(course or world.course),
            "programme_id": pk(world.programme),
            "kind": lti.LineItemKind.POINTS,
            "url": "https://lms.example/1",
            "maximum_hundredths": 300,
            "created_at": world.now,
            **values,
        }
    )
    world.session.add(row)
    world.session.flush()
    return row


def score(
    world: World, item: lti.LineItem, person: Person, state: lti.DeliveryState, trouble: str = "", **values: Any
) -> lti.ScoreDelivery:
    """What became of a person's score in that column: one point, unless told otherwise."""
    row = lti.ScoreDelivery(
        **{
            "tenant_id": pk(world.tenant),
            "line_item_id": pk(item),
            "person_id": pk(person),
            "subject": "s",
            "given_hundredths": 100,
            "maximum_hundredths": item.maximum_hundredths,
            "state": state,
            "trouble": trouble,
            "host_words": "HTTP 400 no" if trouble else "",
            "updated_at": world.now,
            **values,
        }
    )
    world.session.add(row)
    world.session.flush()
    return row
