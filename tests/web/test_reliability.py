"""互评可靠性: the pages say their n and their margin, and are reached from where people look."""

from collections.abc import Callable

from tests import people as cast
from tests.factories import Browser, World
from tests.flow.reviewed import many_reviewed

Browse = Callable[[cast.Cast | None], Browser]


def test_an_officer_walks_from_the_programme_to_a_criterion(world: World, browse: Browse) -> None:
    many_reviewed(world)
    browser, here = browse(cast.OFFICER), f"/reliability/{world.programme.uuid}"
    assert here in browser.get(f"/curate/programmes/{world.programme.uuid}").text
    page = browser.get(here).text
    assert "48 份作业" in page
    assert "6 位评审人" in page
    assert 'aria-label="一致程度：0.' in page
    assert f"{here}/points/B3" in page
    assert not any(who.name in page for who in cast.TEACHERS)
    schools = browser.get(f"{here}/schools").text
    assert "希望小学" in schools
    assert "平安小学" in schools
    assert "太少，不算" in browser.get(f"{here}/points/B3").text  # six works are too few for a figure
    assert browser.get(f"{here}/points/B9").status_code == 404
    assert here in browse(cast.TRAINER).get("/cases").text


def test_a_reviewer_reads_their_own_note_and_nobody_elses(world: World, browse: Browse) -> None:
    many_reviewed(world)
    mild, other = browse(cast.CHEN), browse(cast.WANG)
    assert "/reviews/own-marks" in mild.get("/reviews").text
    assert "偏松" in mild.get("/reviews/own-marks").text
    told = other.get("/reviews/own-marks").text
    assert "偏松。" not in told
    assert cast.CHEN.name not in told
    assert "您还没有评完的作业。" in browse(cast.TRAINER).get("/reviews/own-marks").text
    assert browse(cast.WANG).get(f"/reliability/{world.programme.uuid}").status_code == 403
