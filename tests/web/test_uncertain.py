"""拿不准的先看: reached from the queue, says why and with how many, and leads to the case."""

from collections.abc import Callable
from datetime import timedelta

import competencies
from lms_plugin.flow import cases
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import all_marks, hand_in, judgement
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
    asked = trainer.get(f"{here}?look=50&why=differ").text
    assert 'value="50"' in asked
    assert "先看最拿不准的 50%（24 份）" in asked
    assert trainer.get(f"{here}?look=anything").status_code == 200
    assert browse(cast.WANG).get(here).status_code == 403


def test_the_queue_is_ordered_by_doubt_or_by_age_and_cases_keep_the_order(world: World, browse: Browse) -> None:
    many_reviewed(world, codes=("A1",))
    world.set_rules(review={"decide_days": 1})
    trainer = browse(cast.TRAINER)
    page = trainer.get("/cases").text
    assert "互评拿不准的在前。" in page
    assert "order=age" in page
    by_age = trainer.get("/cases?order=age").text
    assert "先交的在前。" in by_age
    case = by_age.split('<th role="rowheader"')[1].split('href="')[1].split('"')[0]
    assert "order=age" in case
    assert "order=age" in trainer.get(case.replace("&amp;", "&")).text


def test_what_was_just_decided_and_what_passed_by_itself_is_taken_back_on_the_page(
    world: World, browse: Browse
) -> None:
    one = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    trainer, officer = browse(cast.TRAINER), browse(cast.OFFICER)
    marks = judgement(all_marks(world, one, 1))
    decided = cases.decide(world.session, world.actor(cast.TRAINER), one.uuid, marks, 0, 1, world.now)
    listed = f"/cases/agreed/{world.programme.uuid}"
    page = trainer.get(listed).text
    assert "半小时内您定的" in page
    assert f'action="/cases/{one.uuid}/undo"' in page
    assert officer.post(f"/cases/{one.uuid}/undo", {"base": decided.version}).status_code == 422  # a colleague's
    back = trainer.post(f"/cases/{one.uuid}/undo", {"base": decided.version, "list": world.programme.uuid})
    assert back.status_code == 303
    assert listed in back.headers["Location"]
    assert "半小时内您定的" not in trainer.get(listed).text
    world.session.expire_all()
    assert one.state is competencies.SubmissionState.SUBMITTED
    # As if the rules had passed it.
    again = cases.decide(world.session, world.actor(cast.TRAINER), one.uuid, marks, decided.version, 1, world.now)
    again.by_policy_id = world.programme.policy_id
    world.session.add(again)
    world.session.flush()
    assert "自动通过：合格" in officer.get("/cases?state=by_rule").text
    page = officer.get(f"/cases/{one.uuid}").text
    assert "按项目规则自动通过" in page
    assert "撤销这个结果" in page
    assert browse(cast.WANG).post(f"/cases/{one.uuid}/undo", {"base": again.version}).status_code == 403
    assert officer.post(f"/cases/{one.uuid}/undo", {"base": again.version}).status_code == 303
    assert "撤销这个结果" not in officer.get(f"/cases/{one.uuid}").text
