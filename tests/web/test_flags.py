"""请评审员看看 on its pages: from the review to the trainer's list and back, and nothing typed is lost."""

from collections.abc import Callable
from datetime import timedelta

from lms_plugin.flow import review
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import cast_of, hand_in, reviews_of

HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]


def test_from_the_review_to_the_trainer_and_back(world: World, browse: Browse) -> None:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    world.session.commit()
    one = reviews_of(world, works["chen"])[0]
    reviewer = browse(cast_of(world, one.reviewer_id))
    here = f"/reviews/{one.uuid}/flag"
    assert here in reviewer.get(f"/reviews/{one.uuid}").text
    refused = reviewer.post(here, {"kind": "other", "words": ""})
    assert refused.status_code == 422
    assert "选了“其他”，请写是怎么回事" in refused.text
    assert reviewer.post(here, {"kind": "leak", "words": "第 3 页有学生姓名"}).status_code == 303
    said = reviewer.get(here).text
    assert "已经告诉评审员：泄露学生信息" in said
    assert "第 3 页有学生姓名" in said
    for secret in (cast.CHEN.name, cast.CHEN.school, cast.CHEN.staff_number, works["chen"].uuid):
        assert secret not in said
    trainer = browse(cast.TRAINER)
    assert "1 处请您看看" in trainer.get("/cases").text
    listed = trainer.get("/cases/flags").text
    assert "泄露学生信息" in listed
    assert "第 3 页有学生姓名" in listed
    address = listed.split('href="/flags/')[1].split('"')[0]
    assert cast_of(world, one.reviewer_id).name not in trainer.get(f"/flags/{address}").text
    empty = trainer.post(f"/flags/{address}", {"answer": ""})
    assert empty.status_code == 422
    assert trainer.post(f"/flags/{address}", {"answer": "已请作者遮去。"}).status_code == 303
    assert "请您看看" not in trainer.get("/cases").text
    assert "已请作者遮去。" in reviewer.get(here).text
    assert browse(None).get(here).status_code == 401
    assert browse(cast.ZHAO).get(here).status_code == 403
