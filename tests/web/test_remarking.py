"""Pages of what a new version touches: who may see them, and what the form says when the round changed meanwhile."""

from sqlmodel import select

import competencies
import rubrics
from tests import people as cast
from tests.factories import World
from tests.web.test_succession import next_version


def test_only_who_keeps_standards_sees_what_a_version_touches(browse, world: World):
    draft = next_version(world)
    address = f"/curate/frameworks/{draft.uuid}/touches"
    assert browse(cast.OFFICER).get(address).status_code == 200
    assert browse(cast.CHEN).get(address).status_code == 403
    assert browse(cast.OFFICER).get("/curate/frameworks/0123/touches").status_code == 404


def test_a_form_of_a_round_that_was_changed_meanwhile_writes_nothing(browse, world: World):
    officer = browse(cast.OFFICER)
    address = f"/curate/programmes/{world.programme.uuid}/remark"
    assert officer.get(address).status_code == 200
    answer = officer.post(address, {"version": world.programme.version + 7})
    assert answer.status_code == 409
    assert "还没有改按新标准" in answer.text
    assert officer.post(address, {"version": world.programme.version}).status_code == 303
    assert not world.session.exec(select(rubrics.JudgedBy)).all()
    kinds = world.session.exec(select(competencies.ProgrammeEvent.kind)).all()
    assert "remarked" not in kinds
    assert browse(cast.TRAINER).post(address, {"version": 1}).status_code == 403
