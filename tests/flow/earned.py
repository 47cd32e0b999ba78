"""Points that were earned: handed in, decided and released as the product does it."""

from datetime import timedelta

from lms_plugin.flow import award, cases
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, hand_in, judgement


def earn(world: World, who: cast.Cast, *codes: str, level: int = 1) -> None:
    """The person's works on these points are decided at that level and released; their scores are queued."""
    uuids = []
    for code in codes:
        work = hand_in(world, who, code, world.now - timedelta(hours=2))
        marks = judgement(all_marks(world, work, level))
        cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
        uuids.append(work.uuid)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, uuids, world.now)
