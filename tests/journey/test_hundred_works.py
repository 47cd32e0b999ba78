"""400 works in three evenings: a trainer at the keyboard goes through 100 works that peers have reviewed. Keys are held
to their promise (two for a work on which all agree); the time is told as a property of the test, and held to nothing.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import select

import competencies
import rubrics
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.flow import marking, sessions
from tests import people as cast
from tests.factories import World, world_in
from tests.flow.handed_in import hand_in
from tests.serving import tool_on_loopback

pytestmark = pytest.mark.browser

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
WORKS, SPLIT_EVERY = 100, 10
OPEN = "() => [...document.querySelectorAll('[data-criterion]')].filter(c => !c.querySelector('input:checked')).length"
AT_BUTTON = "() => document.activeElement?.type === 'submit'"


def reviewed(world: World) -> int:
    """WORKS works with two reviews each, of one mind but for a criterion of every tenth work: says how many split."""
    codes = sorted(
        world.session.exec(
            select(competencies.CompetencyPoint.code).where(
                competencies.CompetencyPoint.framework_version_id == pk(world.framework)
            )
        )
    )
    places = [(who, code) for code in codes for who in cast.TEACHERS][:WORKS]
    split = 0
    for number, (who, code) in enumerate(places):
        work = hand_in(world, who, code, NOW - timedelta(hours=3) + timedelta(seconds=number))
        key, splits = work.current_version_id or 0, number % SPLIT_EVERY == SPLIT_EVERY - 1
        split += splits
        expected = marking.sheet(world.session, key, work.point_id).expected
        others = [one for one in cast.TEACHERS if one is not who][:2]
        for nth, reviewer in enumerate(others):
            row = rubrics.Review(
                tenant_id=pk(world.tenant),
                programme_id=pk(world.programme),
                submission_id=pk(work),
                submission_version_id=key,
                reviewer_id=pk(world.person(reviewer)),
                state=rubrics.ReviewState.SUBMITTED,
                blind_number=number + 1,
                point_level=1,
                allotted_at=NOW,
                opened_at=NOW,
                submitted_at=NOW,
            )
            world.session.add(row)
            world.session.flush()
            apart = next(mark for mark in expected if mark.criterion_key != rubrics.VALIDITY_KEY)
            world.session.add_all(
                rubrics.CriterionMark(
                    review_id=pk(row),
                    requirement_key=mark.item_key,
                    criterion_key=mark.criterion_key,
                    level=2 if splits and nth and mark == apart else 1,
                )
                for mark in expected
            )
        rubrics.summarise(world.session, key, 2, NOW)
    world.session.commit()
    return split


def decide(page: Page) -> int:
    """Decides the open work with the keyboard alone; says how many keys it took. The page that comes next opens by
    itself."""
    expect(page.locator("[data-keys] p:not([hidden]) [data-keys-on]")).to_have_count(1)  # keys are heard from now on
    here, pressed = page.url, 0

    def press(key: str) -> None:
        nonlocal pressed
        page.keyboard.press(key)
        pressed += 1

    press("a")  # what all agree on; then it stands at the button, or at the first criterion that is open
    while page.evaluate(OPEN):
        press("2")
        press("a")
    page.wait_for_function(AT_BUTTON)
    press("Enter")
    page.wait_for_url(lambda url: url != here)
    return pressed


def test_a_hundred_works_at_the_keyboard(
    browser: Browser,
    own_district_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with tool_on_loopback(own_district_url, tmp_path, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, NOW)
        split = reviewed(world)
        entrance = sessions.open_session(
            session, world.person(cast.TRAINER), world.course, timedelta(hours=8), NOW, locale="zh-Hans"
        )
        session.commit()
        context = browser.new_context(locale="zh-CN")
        cookie = {"name": "__Host-nengli", "value": entrance.token, "url": tool.url.replace("http:", "https:")}
        context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])
        page = context.new_page()
        page.goto(f"{tool.url}/cases")
        page.get_by_role("link", name="打开第一份").click()
        keys, began = [], time.monotonic()
        for _ in range(WORKS):
            keys.append(decide(page))
        seconds = time.monotonic() - began
        expect(page.get_by_role("heading", level=1)).to_contain_text("没有等您定的材料")
        context.close()
        levels = [row.point_level for row in session.exec(select(competencies.Decision))]
    record_property("keys", sum(keys))
    record_property("seconds_a_work", round(seconds / WORKS, 2))
    print(f"{WORKS} works, {sum(keys)} keys, {seconds / WORKS:.2f} s a work")
    assert len(levels) == WORKS
    assert set(levels) == {1}
    assert sorted(keys) == [2] * (WORKS - split) + [4] * split
