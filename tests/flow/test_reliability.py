"""互评可靠性: what the figures count, who reads them, and what a reviewer is told alone."""

from datetime import timedelta

import pytest

import competencies
from lms_plugin.access import Permission, can
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import cases, reliability, result_view, review
from lms_plugin.flow.reliability import Given, figures
from lms_plugin.flow.scopes import programme_scope
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, finish_review, hand_in, judgement, reviews_of

HOUR = timedelta(hours=1)


def given(works: dict[int, tuple[int, ...]]) -> list[Given]:
    return [Given(work, who, level, float(level)) for work, levels in works.items() for who, level in enumerate(levels)]


def test_shares_count_works_with_two_reviews_and_what_was_decided_of_them() -> None:
    works = {**dict.fromkeys(range(10), (1, 1)), **dict.fromkeys(range(10, 20), (0, 1)), 20: (2,), 21: (1, 2)}
    # Of the agreed ones three were decided the other way, of those that differ two are not decided yet.
    decided = {work: work > 2 for work in range(18)} | {20: False, 21: True}
    found = figures(given(works), decided)
    assert (found.together.hits, found.together.n) == (11, 21)
    assert (found.settled.hits, found.settled.n) == (8, 19)
    assert (found.overturned.hits, found.overturned.n) == (3, 11)
    assert found.alpha.n == found.icc.n == 21
    assert found.spread.n == 2  # two reviewers saw enough, which is too few to say how far apart they are
    assert found.spread.value is None


def test_a_human_being_speaks_once_about_a_work() -> None:
    twice = [Given(work, 1, 1, 1.0) for work in range(12) for _again in range(2)]
    assert figures(twice, {}).together.n == 0


@pytest.fixture
def reviewed(world: World) -> list[competencies.Submission]:
    """Twelve works of two schools, each reviewed by two colleagues; 陈 is milder than the others, one is returned."""
    works = [hand_in(world, who, code, world.now - 2 * HOUR) for code in ("A3", "A5") for who in cast.TEACHERS]
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    mild = world.person(cast.CHEN).id
    for work in works:
        for one in reviews_of(world, work):
            finish_review(world, one, world.now, level=2 if one.reviewer_id == mild else 1)
    first = works[1]
    marks = all_marks(world, first, 1, changes={"slides.rights": 0})
    cases.return_work(
        world.session, world.actor(cast.TRAINER), first.uuid, judgement(marks, "请补出处。"), 0, 1, world.now
    )
    return works


def test_a_programme_its_points_schools_and_criteria(world: World, reviewed: list[competencies.Submission]) -> None:
    officer, uuid = world.actor(cast.OFFICER), world.programme.uuid
    page = reliability.programme_page(world.session, officer, uuid)
    assert page.whole.together.n == len(reviewed) == 12
    assert (page.whole.overturned.hits, page.whole.overturned.n) == (1, 1)
    assert [line.code for line in page.lines] == ["A3", "A5"]
    assert page.objections is None
    schools = reliability.schools_page(world.session, officer, uuid, 1)
    assert {line.name: line.figures.together.n for line in schools.lines} == {"希望小学": 6, "平安小学": 6}
    point = reliability.point_page(world.session, officer, uuid, "A3")
    assert point.whole.together.n == 6
    by_question = [line for line in point.lines if line.figures.overturned.hits]
    assert len(by_question) == 1  # the criterion that the trainer saw otherwise, and no other
    with pytest.raises(NotFound):
        reliability.point_page(world.session, officer, uuid, "B9")


def test_officers_auditors_and_trainers_of_the_programme_read_it_and_nobody_else(world: World) -> None:
    scope = programme_scope(world.session, world.programme)
    readers = (cast.OFFICER, cast.AUDITOR, cast.TRAINER)
    assert all(can(world.actor(who), Permission.RELIABILITY_READ, scope) for who in readers)
    for who in (cast.WANG, cast.LEAD):
        with pytest.raises(Forbidden):
            reliability.schools_page(world.session, world.actor(who), world.programme.uuid, 1)


def test_a_reviewer_alone_is_told_how_far_they_are_from_others_and_only_with_five_works(
    world: World, reviewed: list[competencies.Submission]
) -> None:
    (line,) = reliability.own_leaning(world.session, world.actor(cast.CHEN))
    assert line.programme == world.programme.title
    assert line.above.n == 4
    assert line.above.value is None
    for code in ("A7", "B1"):
        works = [hand_in(world, who, code, world.now - 2 * HOUR) for who in cast.TEACHERS]
        review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
        for work in works:
            for one in reviews_of(world, work):
                finish_review(world, one, world.now, level=2 if one.reviewer_id == world.person(cast.CHEN).id else 1)
    (line,) = reliability.own_leaning(world.session, world.actor(cast.CHEN))
    assert line.above.n >= 5
    assert line.above.value == pytest.approx(1.0)
    assert reliability.own_leaning(world.session, world.actor(cast.TRAINER)) == ()


def test_an_author_reads_counts_levels_and_reasons_once_the_result_is_out(
    world: World, reviewed: list[competencies.Submission]
) -> None:
    returned, waiting = reviewed[1], reviewed[2]
    author = world.actor(cast.WANG)
    page = result_view.result_page(world.session, author, returned.uuid)
    assert (page.level, page.reviews) == (None, 2)
    below = [line for line in page.lines if line.level == 0]
    assert [(sum(line.counts.values()), line.reason) for line in below] == [(2, "这里还没有做到。")]
    with pytest.raises(NotFound):  # nothing was told yet
        result_view.result_page(world.session, world.actor(cast.LI), waiting.uuid)
    for other in (cast.LI, cast.OFFICER):
        with pytest.raises(Forbidden):
            result_view.result_page(world.session, world.actor(other), returned.uuid)
