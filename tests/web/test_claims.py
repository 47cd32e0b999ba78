"""The pages of 再领一份 and 不评这一份."""

from collections.abc import Callable
from datetime import timedelta

from sqlmodel import select

import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import review
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import hand_in, reviews_of
from tests.flow.test_claims import LATE, joins

Browse = Callable[[cast.Cast | None], Browser]


def allotted(world: World) -> None:
    """Each work has the two colleagues of the school and lacks a third reviewer."""
    world.set_rules(review={"reviews_per_work": 3, "claims": 2, "pool": "own_school"})
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - timedelta(hours=2))
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    world.session.commit()


def test_one_more_is_a_click_away_and_then_to_be_finished(browse: Browse, world: World) -> None:
    allotted(world)
    joins(world)
    browser = browse(LATE)
    page = browser.get("/reviews").get_data(as_text=True)
    address = f"/reviews/claim/{world.programme.uuid}"
    assert address in page
    assert "您还可以领 2 份" in page
    answer = browser.post(address)
    mine = world.session.exec(select(rubrics.Review).where(rubrics.Review.reviewer_id == pk(world.person(LATE)))).one()
    assert answer.headers["Location"] == f"/reviews/{mine.uuid}"
    page = browser.get("/reviews").get_data(as_text=True)
    assert address not in page
    assert "您领的作业 1 还没评完" in page
    again = browser.post(address)
    assert again.status_code == 422
    assert "请先评完作业 1" in again.get_data(as_text=True)
    assert 'href="/reviews"' in again.get_data(as_text=True)
    works = [row.submission_id for row in world.session.exec(select(rubrics.Review)) if row.is_claimed]
    assert len(works) == 1


def test_handing_one_back_asks_why_and_shows_it_to_the_officer_alone(browse: Browse, world: World) -> None:
    allotted(world)
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    one = next(row for row in reviews_of(world, work) if row.reviewer_id == pk(world.person(cast.WANG)))
    browser = browse(cast.WANG)
    address = f"/reviews/{one.uuid}/decline"
    assert address in browser.get(f"/reviews/{one.uuid}").get_data(as_text=True)
    refused = browser.post(address, {"why": "other", "words": ""})
    assert refused.status_code == 422
    assert 'value="other" checked' in refused.get_data(as_text=True)
    assert browser.post(address, {"why": "other", "words": "这周出差在外地"}).status_code == 303
    assert "您已说明不评这一份" in browser.get(f"/reviews/{one.uuid}").get_data(as_text=True)
    assert browser.get(address).status_code == 422
    late = browser.post(address, {"why": "other", "words": "第二个窗口里写的"})
    assert late.status_code == 422
    assert "第二个窗口里写的" in late.get_data(as_text=True)
    officer = browse(cast.OFFICER)
    assert "这周出差在外地" in officer.get(f"/reviews/declined/{world.programme.uuid}").get_data(as_text=True)
    author = browse(cast.CHEN)
    assert "这周出差在外地" not in author.get(f"/points/{work.uuid}").get_data(as_text=True)
