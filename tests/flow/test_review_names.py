"""谁看得到谁: who knows whom in reviews is a rule, and nobody is named who was told otherwise."""

from datetime import timedelta

import pytest

import competencies
import rubrics
from lms_plugin.errors import Invalid
from lms_plugin.flow import award, cases, curate, result_view, review, review_names, review_tasks, review_views
from lms_plugin.flow.curate import ProgrammeForm
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def allot(world: World, blind: str) -> None:
    world.set_rules(review={"blind": blind, "pool": "own_school"})
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)


def release(world: World, work: competencies.Submission) -> None:
    marks = judgement(all_marks(world, work))
    number = version_of(world, work).number
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, number, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, None, world.now)


@pytest.mark.parametrize(
    ("blind", "author", "names"), [("double", "", False), ("single", "陈晓芳", False), ("open", "陈晓芳", True)]
)
def test_each_side_is_told_what_the_rules_say(
    world: World, works: dict[str, competencies.Submission], blind: str, author: str, names: bool
) -> None:
    allot(world, blind)
    mine = reviews_of(world, works["chen"])
    reviewers = [cast_of(world, one.reviewer_id) for one in mine]
    page = review_views.review_page(world.session, world.actor(reviewers[0]), mine[0].uuid)
    assert (page.named.author, page.named.school) == (author, "希望小学" if author else "")
    tasks = review_tasks.my_reviews(world.session, world.actor(reviewers[0]), world.now)
    assert {task.blind for task in tasks.open} == {blind}
    finish_review(world, mine[0], world.now)
    release(world, works["chen"])
    result = result_view.result_page(world.session, world.actor(cast.CHEN), works["chen"].uuid)
    assert result.reviewers == ((reviewers[0].name,) if names else None)  # who did not hand in is not named


def test_the_rule_stays_once_reviews_were_allotted(world: World, works: dict[str, competencies.Submission]) -> None:
    def change(blind: str) -> None:
        old = competencies.rules_of(world.session, world.programme)
        rules = old.model_copy(update={"review": old.review.model_copy(update={"blind": blind})})
        one = world.programme
        form = ProgrammeForm(
            one.title, world.framework.uuid, world.county.uuid,
            one.opens_on, one.submit_by_on, one.review_by_on, one.closes_on, rules,
        )  # fmt: skip
        curate.edit_programme(world.session, world.actor(cast.OFFICER), one.uuid, form, one.version, world.now)

    change("single")
    assert competencies.rules_of(world.session, world.programme).review.blind == "single"
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    for other in ("double", "open"):
        with pytest.raises(Invalid) as caught:
            change(other)
        assert caught.value.fields == {"blind": "programme.blind_fixed"}
    assert competencies.rules_of(world.session, world.programme).review.blind == "single"
    change("single")


def test_an_example_among_works_with_names_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="known by having none"):
        competencies.Rules.model_validate({"review": {"blind": "open", "calibration": "mixed"}})


def test_an_example_for_practice_names_nobody(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world, "open")
    one = reviews_of(world, works["wang"])[0]
    assert review_names.facts_of(world.session, one).named.author == "王秀兰"
    item = rubrics.GoldItem(
        tenant_id=one.tenant_id, programme_id=one.programme_id, submission_id=one.submission_id,
        submission_version_id=one.submission_version_id, agreed={}, consent="本人同意",
        made_by_id=one.reviewer_id, made_at=world.now,
    )  # fmt: skip
    world.session.add(item)
    world.session.flush()
    world.session.add(rubrics.GoldReview(review_id=one.id, gold_item_id=item.id))
    world.session.flush()
    assert review_names.facts_of(world.session, one).named == review_names.Named("double")
