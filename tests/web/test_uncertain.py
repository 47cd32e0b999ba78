"""拿不准的先看: reached from the queue, says why and with how many, and leads to the case."""

from collections.abc import Callable

from tests import people as cast
from tests.factories import Browser, World
from tests.flow.reviewed import many_reviewed

Browse = Callable[[cast.Cast | None], Browser]


def test_a_trainer_walks_from_the_queue_to_the_most_doubtful_case(world: World, browse: Browse) -> None:
    many_reviewed(world)
    trainer, here = browse(cast.TRAINER), f"/cases/uncertain/{world.programme.uuid}"
    assert here in trainer.get(f"/cases?programme={world.programme.uuid}").text
    page = trainer.get(here).text
    assert "离合格线近" in page
    assert "1 人未达到" in page
    assert "其余的预计错几份" in page
    first = page.split('<th role="rowheader"')[1].split('href="')[1].split('"')[0]
    assert trainer.get(first).status_code == 200
    assert trainer.get(f"{here}?why=differ&page=7").status_code == 200
    assert trainer.get(f"{here}?why=anything").status_code == 200
    assert browse(cast.WANG).get(here).status_code == 403
