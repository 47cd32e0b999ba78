"""改了什么: a version beside the one that came back, for the trainer with names and for the reviewer without."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import case_views, cases, review, review_views
from lms_plugin.flow.differences import Differences, lines_of
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)
BEFORE = f"目标明确，重点突出。\n{cast.CHEN.name}老师带学生试了两次。\n最后小结。"
AFTER = "目标明确，重点很突出。\n学生试了三次。\n最后小结。\n课后再练一遍。"
LINES = st.lists(st.text("天地人和一二三。，ab ", max_size=30), max_size=8).map("\n".join)


@given(LINES, LINES)
def test_both_texts_can_be_put_together_again(before: str, after: str) -> None:
    lines = lines_of(before, after)
    for text, left_out in ((before, "new"), (after, "gone")):
        kept = ["".join(run.text for run in line if run.kind != left_out) for line in lines]
        assert [line for line in kept if line] == [line for line in text.split("\n") if line.strip()]


@given(LINES)
def test_the_same_text_shows_nothing_new_or_gone(text: str) -> None:
    assert {run.kind for line in lines_of(text, text) for run in line} <= {"same"}


def test_a_change_within_a_long_line_is_found_between_its_ends() -> None:
    before, after = "长" * 5000, "长" * 4999 + "短"
    (line,) = lines_of(before, after)
    assert [(run.kind, run.text) for run in line if run.kind != "same"] == [("gone", "长"), ("new", "短")]


@pytest.mark.parametrize("made_of", ["\n", ""])
def test_a_text_that_repeats_itself_is_shown_whole_instead_of_being_weighed_for_minutes(made_of: str) -> None:
    before, after = (made_of.join(part * 20_000) for part in (["甲", "乙"], ["乙", "甲", "甲"]))
    lines = lines_of(before, after)
    assert all(len(line) == 1 for line in lines)
    assert "".join(run.text for line in lines for run in line if run.kind != "new") == before.replace("\n", "")


@dataclass
class Returned:
    """A work that came back with a reason for one criterion, and was handed in again."""

    world: World
    work: competencies.Submission

    def for_trainer(self) -> Differences:
        page = case_views.case_page(
            self.world.session, self.world.actor(cast.TRAINER), self.work.uuid, self.world.now + 9 * HOUR
        )
        assert page.since is not None
        return page.since


@pytest.fixture
def returned(world: World) -> Returned:
    world.set_rules(review={"returned_to": "peers", "pool": "district"})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR, BEFORE)
    for who in (cast.WANG, cast.LI, cast.ZHAO):
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    marks = all_marks(world, work, 1, {"slides.focus": 0})
    key = rubrics.MarkKey("slides", "focus")
    marks[key] = rubrics.DraftMark(0, f"{cast.CHEN.name}，重点不清楚。")
    told = judgement(marks, f"{cast.CHEN.school}的这份请改一处。")
    cases.return_work(world.session, world.actor(cast.TRAINER), work.uuid, told, 0, 1, world.now)
    hand_in(world, cast.CHEN, "A3", world.now + HOUR, AFTER)
    world.now += 3 * HOUR
    return Returned(world, work)


def test_the_trainer_sees_what_was_asked_for_and_what_changed(returned: Returned) -> None:
    since = returned.for_trainer()
    assert (since.since, since.said) == (1, f"{cast.CHEN.school}的这份请改一处。")
    (item,) = since.items  # what stood was not touched
    assert [one.reason for one in item.asked] == [f"{cast.CHEN.name}，重点不清楚。"]
    (piece,) = item.pieces
    assert (piece.what, piece.change) == ("text", "replaced")
    marked = [[(run.kind, run.text) for run in line] for line in piece.lines]
    assert marked[0] == [("same", "目标明确，重点"), ("new", "很"), ("same", "突出。")]
    assert marked[-1] == [("new", "课后再练一遍。")]
    assert since.untouched > 0


def test_files_are_compared_by_what_is_in_them(returned: Returned) -> None:
    world, work = returned.world, returned.work
    versions = world.session.exec(
        select(competencies.SubmissionVersion).where(competencies.SubmissionVersion.submission_id == pk(work))
    ).all()
    requirement = next(
        one.requirement
        for one in competencies.items_of(world.session, work, work.current_version_id)
        if one.requirement.key == "slides"
    )
    held = {1: ("a" * 64, "b" * 64), 2: ("a" * 64, "c" * 64, "d" * 64)}
    for version in versions:
        for position, sha256 in enumerate(held[version.number], start=2):
            name = f"{version.number}-{sha256[0]}.docx"
            file = competencies.StoredFile(
                tenant_id=pk(world.tenant),
                person_id=work.person_id,
                state=competencies.FileState.READY,
                filename=name,
                storage_key=f"{version.number}{sha256[:40]}",
                size_bytes=1,
                received_bytes=1,
                sha256=sha256,
                kind="document",
                started_at=world.now,
            )
            world.session.add(file)
            world.session.flush()
            world.session.add(
                competencies.Evidence(
                    submission_id=pk(work),
                    version_id=pk(version),
                    requirement_id=pk(requirement),
                    kind="file",
                    position=position,
                    stored_file_id=pk(file),
                    changed_at=world.now,
                )
            )
    world.session.flush()
    (item,) = returned.for_trainer().items
    files = [(one.change, one.before, one.after) for one in item.pieces if one.what == "file"]
    assert files == [("same", "", "2-a.docx"), ("replaced", "1-b.docx", "2-c.docx"), ("new", "", "2-d.docx")]


def test_the_reviewer_sees_the_same_without_a_name(returned: Returned) -> None:
    world, work = returned.world, returned.work
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    current = [one for one in reviews_of(world, work) if one.submission_version_id == pk(version_of(world, work))]
    assert current  # the programme gives what comes back to peers again
    one = current[0]
    page = review_views.review_page(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid)
    assert page.since is not None
    assert [asked.reason for asked in page.since.items[0].asked] == ["＊＊，重点不清楚。"]
    for secret in (cast.CHEN.name, cast.CHEN.school, cast.CHEN.staff_number):
        assert secret not in repr(page.since)


def test_what_comes_back_goes_to_its_trainer_alone_unless_the_rules_say_otherwise(returned: Returned) -> None:
    world, work = returned.world, returned.work
    world.set_rules(review={"pool": "district"})
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    assert reviews_of(world, work) == []


def test_a_first_version_has_nothing_beside_it(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    page = case_views.case_page(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    assert page.since is None
