"""A framework that calls its levels otherwise: its words stand wherever a level is shown, in the page's language."""

from datetime import timedelta

from sqlmodel import select

import competencies
from competencies.levels import own_words
from lms_plugin.db import pk
from lms_plugin.flow import curate, editing, review
from tests import people as cast
from tests.flow.earned import earn
from tests.flow.handed_in import cast_of, hand_in, reviews_of

OWN = {
    "excellent": {"zh": "示范", "en": "Exemplary"},
    "pass": {"zh": "达标", "en": "Proficient"},
    "fail": {"zh": "待提高", "en": "Developing"},
}


def test_usual_words_are_not_kept() -> None:
    usual = competencies.packs.load("framework_2_0").as_dict()["framework"]["levels"]
    assert own_words(usual) is None
    named = [{"code": code, **words, "rank": 0} for code, words in OWN.items()]
    assert own_words(named) == OWN
    assert own_words([*usual[1:], {**usual[0], "en": "Great"}]) is not None


def test_a_published_version_gives_its_words_to_its_points(world):
    session, actor = world.session, world.actor(cast.OFFICER)
    draft = editing.begin_next(session, actor, world.framework.uuid, world.now)
    levels = [{**one, **OWN[one["code"]]} for one in draft.content["framework"]["levels"]]
    changed = {**draft.content, "framework": {**draft.content["framework"], "levels": levels}}
    competencies.editing.keep_draft(session, draft, changed)
    curate.publish(session, draft, None, world.now, under_banner=True)
    points = session.exec(
        select(competencies.CompetencyPoint).where(competencies.CompetencyPoint.framework_version_id == pk(draft))
    ).all()
    assert [point.level_words for point in points] == [OWN] * 30
    assert world.point("A3").level_words is None


def test_reviews_cases_and_results_use_the_words_of_the_framework(browse, world):
    for code in ("A3", "A5"):
        world.point(code).level_words = OWN
        world.session.add(world.point(code))
    works = {who.key: hand_in(world, who, "A3", world.now - timedelta(hours=2)) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    earn(world, cast.ZHOU, "A5", level=2)
    world.session.commit()
    one = reviews_of(world, works["chen"])[0]
    reader = browse(cast_of(world, one.reviewer_id))
    page = reader.get(f"/reviews/{one.uuid}").text
    assert "<span>达标</span>" in page
    assert "<span>示范</span>" in page
    assert "<span>未达到</span>" in page
    assert "<span>合格</span>" not in page
    reader.post("/me/locale", {"locale": "en"})
    assert "<span>Proficient</span>" in reader.get(f"/reviews/{one.uuid}").text
    case = browse(cast.TRAINER).get(f"/cases/{works['chen'].uuid}").text
    assert "<span>示范</span>" in case
    assert "<span>优秀</span>" not in case
    zhou = browse(cast.ZHOU)
    home = zhou.get(f"/programmes/{world.programme.uuid}").text
    assert "示范" in home
    assert "示范" in zhou.get(f"/submissions/{works['zhou'].uuid}").text
    record = zhou.get(f"/record/{world.programme.uuid}").text
    assert "示范" in record
