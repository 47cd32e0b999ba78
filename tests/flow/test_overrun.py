"""A recording that is a little too long is a note, to the teacher and to who judges it; never a refusal."""

import pytest

import competencies
from lms_plugin.db import new_uuid, pk
from lms_plugin.flow.evidence_views import piece_views
from tests import people as cast
from tests.factories import World


@pytest.mark.parametrize(
    ("milliseconds", "seconds", "is_a_choice"),
    [(600_000, 0, False), (600_900, 0, False), (620_000, 20, False), (630_000, 30, False), (640_000, 40, True)],
)
def test_twenty_seconds_too_long_are_a_note(world: World, milliseconds: int, seconds: int, is_a_choice: bool) -> None:
    point = world.point("A6")
    requirement = next(
        item.requirement
        for item in competencies.items_of_points(world.session, {pk(point): None})[(pk(point), None)]
        if item.requirement.key == "clip"
    )
    file = competencies.StoredFile(
        tenant_id=pk(world.tenant),
        person_id=pk(world.person(cast.CHEN)),
        filename="课堂.mp4",
        storage_key=new_uuid(),
        state=competencies.FileState.READY,
        size_bytes=1,
        kind="video",
        mime="video/mp4",
        extension="mp4",
        duration_ms=milliseconds,
        started_at=world.now,
    )
    evidence = competencies.Evidence(submission_id=0, requirement_id=pk(requirement), kind="file", changed_at=world.now)
    item = competencies.Item(requirement, (competencies.Piece(evidence, file),))
    assert competencies.overrun_seconds(item, file) == (seconds, is_a_choice)
    assert [piece.over_seconds for piece in piece_views(requirement, item.pieces, blind=True)] == [seconds]
