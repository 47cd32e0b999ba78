"""请评审员看看: who may say it, what it leaves as it is, and how a trainer settles it."""

from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import cases, flags, review
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of

HOUR = timedelta(hours=1)
COPIED = flags.Said("copied", "和去年一份一样。")


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    found = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    return found


def opened(world: World, work: competencies.Submission) -> tuple[rubrics.Review, cast.Cast]:
    """A review of the work that its reviewer has opened."""
    one = reviews_of(world, work)[0]
    who = cast_of(world, one.reviewer_id)
    review.open_review(world.session, world.actor(who), one.uuid, world.now)
    return one, who


def events_of(world: World) -> list[tuple[str, str]]:
    kinds = ("flagged", "flag_settled")
    rows = world.session.exec(select(rubrics.ReviewEvent).order_by(rubrics.ReviewEvent.id)).all()
    return [(row.kind, row.detail) for row in rows if row.kind in kinds]


def test_a_reviewer_flags_a_work_and_everything_else_stays(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one, who = opened(world, works["chen"])
    before = (one.state, one.version, works["chen"].state)
    flags.flag_work(world.session, world.actor(who), one.uuid, COPIED, world.now)
    assert (one.state, one.version, works["chen"].state) == before
    finish_review(world, one, world.now, 1)  # the reviewer goes on as before
    summary = world.session.exec(select(rubrics.ReviewSummary)).one()
    assert (summary.submitted, summary.differs_on_pass) == (1, False)
    assert flags.count_open(world.session, world.actor(cast.TRAINER)) == 1
    (line,), total = flags.for_desk(world.session, world.actor(cast.TRAINER), 1)
    assert (total, line.kind, line.words, line.by_author) == (1, "copied", COPIED.words, False)
    assert who.name not in repr(line)  # which reviewer it was stays between them and the audit
    assert events_of(world) == [("flagged", "copied")]


def test_saying_it_again_changes_the_words_of_the_same_flag(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one, who = opened(world, works["chen"])
    actor = world.actor(who)
    first = flags.flag_work(world.session, actor, one.uuid, COPIED, world.now)
    again = flags.flag_work(world.session, actor, one.uuid, flags.Said("leak", "有学生照片"), world.now + HOUR)
    assert pk(first) == pk(again)
    shown = flags.of_review(world.session, actor, one.uuid).flag
    assert shown is not None
    assert (shown.kind, shown.words) == ("leak", "有学生照片")
    assert (shown.author, shown.submission) == ("", "")  # the reviewer stays blind
    flags.settle(world.session, world.actor(cast.TRAINER), first.uuid, "看过，家长同意。", world.now + 2 * HOUR)
    third = flags.flag_work(world.session, actor, one.uuid, COPIED, world.now + 3 * HOUR)
    assert pk(third) != pk(first)  # what was settled stays as it was


@pytest.mark.parametrize(
    ("said", "field", "code"),
    [
        (flags.Said("", "x"), "kind", "flag.kind_missing"),
        (flags.Said("rude", "x"), "kind", "flag.kind_missing"),  # what authors say of reasons
        (flags.Said("other", " "), "words", "flag.words_missing"),
        (flags.Said("copied", "长" * 501), "words", ("form.too_long", {"longest": 500})),
    ],
)
def test_what_is_missing_is_said(
    world: World, works: dict[str, competencies.Submission], said: flags.Said, field: str, code: object
) -> None:
    one, who = opened(world, works["chen"])
    with pytest.raises(Invalid) as invalid:
        flags.flag_work(world.session, world.actor(who), one.uuid, said, world.now)
    assert invalid.value.fields == {field: code}
    assert flags.count_open(world.session, world.actor(cast.TRAINER)) == 0


def test_a_work_that_nobody_looked_at_is_not_flagged(world: World, works: dict[str, competencies.Submission]) -> None:
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    with pytest.raises(Refused, match=r"flag\.not_opened"):
        flags.flag_work(world.session, actor, one.uuid, COPIED, world.now)


def test_an_author_flags_what_was_said_once_it_can_be_read(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    work, chen = works["chen"], world.actor(cast.CHEN)
    rude = flags.Said("rude", "", "slides.focus")
    with pytest.raises(Refused, match=r"flag\.nothing_said"):
        flags.flag_reason(world.session, chen, work.uuid, rude, world.now)
    told = judgement(all_marks(world, work, 1, {"slides.focus": 0}), "重写。")
    cases.return_work(world.session, world.actor(cast.TRAINER), work.uuid, told, 0, 1, world.now)
    with pytest.raises(Invalid):
        flags.flag_reason(world.session, chen, work.uuid, flags.Said("rude", "", "slides.nothing"), world.now)
    flags.flag_reason(world.session, chen, work.uuid, rude, world.now)
    (line,), _total = flags.for_desk(world.session, world.actor(cast.TRAINER), 1)
    assert (line.kind, line.about, line.by_author) == ("rude", "slides.focus", True)
    assert work.state is competencies.SubmissionState.RETURNED


def test_an_answer_that_names_the_author_is_blotted_out_for_the_reviewer(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one, who = opened(world, works["chen"])
    row = flags.flag_work(world.session, world.actor(who), one.uuid, COPIED, world.now)
    said = f"{cast.CHEN.school}的{cast.CHEN.name}（{cast.CHEN.staff_number}）去年交过。"
    flags.settle(world.session, world.actor(cast.TRAINER), row.uuid, said, world.now)
    shown = flags.of_review(world.session, world.actor(who), one.uuid).flag
    assert shown is not None
    assert "去年交过" in shown.answer
    for secret in (cast.CHEN.name, cast.CHEN.school, cast.CHEN.staff_number):
        assert secret not in shown.answer


def test_a_trainer_settles_it_with_a_word_that_who_asked_reads(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one, who = opened(world, works["chen"])
    row = flags.flag_work(world.session, world.actor(who), one.uuid, COPIED, world.now)
    trainer = world.actor(cast.TRAINER)
    with pytest.raises(Invalid):
        flags.settle(world.session, trainer, row.uuid, "  ", world.now)
    flags.settle(world.session, trainer, row.uuid, "是同一位老师去年的材料。", world.now + HOUR)
    with pytest.raises(Conflict, match=r"flag\.settled"):
        flags.settle(world.session, world.actor(cast.OTHER_TRAINER), row.uuid, "我也看了", world.now + HOUR)
    shown = flags.of_review(world.session, world.actor(who), one.uuid).flag
    assert shown is not None
    assert shown.answer == "是同一位老师去年的材料。"
    assert flags.count_open(world.session, trainer) == 0
    assert events_of(world) == [("flagged", "copied"), ("flag_settled", "copied")]


def test_flags_are_for_those_who_decide_the_work(world: World, works: dict[str, competencies.Submission]) -> None:
    one, who = opened(world, works["chen"])
    row = flags.flag_work(world.session, world.actor(who), one.uuid, COPIED, world.now)
    for other in (cast.CHEN, cast.OFFICER, cast.LEAD, cast.AUDITOR, who):
        assert flags.count_open(world.session, world.actor(other)) == 0
        assert flags.for_desk(world.session, world.actor(other), 1) == ([], 0)
        with pytest.raises(Forbidden):
            flags.settle(world.session, world.actor(other), row.uuid, "x", world.now)
    with pytest.raises(NotFound):
        flags.one(world.session, world.actor(cast.NEIGHBOUR), row.uuid)
    for other in (cast.CHEN, cast.ZHAO, cast.TRAINER):
        with pytest.raises(Forbidden):
            flags.flag_work(world.session, world.actor(other), one.uuid, COPIED, world.now)
    with pytest.raises(Forbidden):
        flags.flag_reason(world.session, world.actor(cast.WANG), works["chen"].uuid, COPIED, world.now)
