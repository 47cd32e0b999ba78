"""Where every mark needs its reason, its field is seen at every level; who keeps examples finds the way there."""

import re
from collections.abc import Callable

from tests import people as cast
from tests.factories import Browser, World
from tests.flow.test_calibration import example, settled
from tests.web import pages_appeals

Browse = Callable[[cast.Cast | None], Browser]


def every_level_asks(page: str) -> None:
    """pages.css hides the field of a reason unless the level that is chosen asks for one (`data-why`)."""
    levels = re.findall(r'<input type="radio" name="m\.[^>]*>', page)
    assert levels
    assert [one for one in levels if "data-why" not in one] == []
    assert "未达到时必填" not in page


def test_a_fresh_panel_sees_where_to_write_its_reason(world: World, browse: Browse) -> None:
    names = pages_appeals.populate(world, world.now)
    world.session.commit()
    every_level_asks(browse(cast.LI).get(f"/appeals/panel/{names['appeal_part']}").text)


def test_an_example_asks_for_a_reason_at_every_level_and_trainers_find_the_way(world: World, browse: Browse) -> None:
    work, home = settled(world), f"/calibration/{world.programme.uuid}"
    world.session.commit()
    trainer, queue = browse(cast.TRAINER), f"/cases?programme={world.programme.uuid}"
    assert home not in trainer.get(queue).text  # the programme does without
    world.set_rules(review={"calibration": "mixed", "calibration_items": 1})
    world.session.commit()
    assert f'href="{home}"' in trainer.get(queue).text
    desk, form = trainer.get(home).text, trainer.get(f"{home}/new/{work.uuid}").text
    every_level_asks(form)
    for page in (desk, form):
        assert 'href="/curate' not in page  # closed to trainers
        assert f'href="{queue}"' in page
    example(world, work)
    world.session.commit()
    assert f'href="/curate/programmes/{world.programme.uuid}"' in browse(cast.OFFICER).get(home).text
