"""What a score does to the block: the gradebook, hours, due dates, scoring anew."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import AT, LEARNER, Usage, scored
from nengli_xblock import compat
from xblock.scorable import Score


def test_a_grade_is_published_for_its_learner(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, 2)
    block = bench.block(None)
    block.set_user_module_score(LEARNER, 2 / 3, block.max_score(), "已认定能力点 2 个")
    grade = {"value": pytest.approx(20 / 3), "max_value": 10.0, "user_id": 7}
    assert bench.published == [("grade", grade), ("completion", {"completion": pytest.approx(2 / 3)})]
    seen = bench.block()
    assert (seen.points_given, seen.points_maximum, seen.module_score) == (2, 3, pytest.approx(20 / 3))
    assert bench.block(8).module_score is None


def test_zero_is_a_grade(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, 0)
    block = bench.block(None)
    block.set_user_module_score(LEARNER, 0.0, 10.0, "")
    assert bench.published[0] == ("grade", {"value": 0.0, "max_value": 10.0, "user_id": 7})
    assert bench.block().card()["points"]["given"] == "0"


def test_weight_0_is_shown_and_not_graded(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No division by the weight, no grade of 0 out of 0; the learner sees the points all the same."""
    scored(monkeypatch, 2)
    block = bench.block(None)
    block.weight = 0
    block.set_user_module_score(LEARNER, 2 / 3, block.max_score(), "")
    assert [kind for kind, _ in bench.published] == ["completion"]
    assert block.get_score() == Score(0.0, 0.0)
    block.set_score(Score(0.0, 0.0))
    assert bench.block().points_given == 2


@pytest.mark.parametrize(("weight", "most"), [(-3, 0), (math.nan, 0), (math.inf, 0), (None, 0), (0.5, 0.5)])
def test_no_weight_is_trusted(weight: Any, most: float, bench: Any) -> None:
    """A course that was imported may say anything."""
    block = bench.block()
    block.weight = weight
    assert block.max_score() == most


def test_hours_are_kept_told_and_in_no_gradebook(bench: Any) -> None:
    """The record of events hears of each change once; the credit service when they suffice, and when no longer."""
    said = []

    class Credit:
        def set_credit_requirement_status(self, *given: Any, **named: Any) -> None:
            said.append((given[:3], named["status"]))

        def remove_credit_requirement_status(self, *given: Any) -> None:
            said.append((given[:3], "removed"))

    bench.credit = Credit()
    for given in (6.25, 6.25, 12.5, 15, 6):
        block = bench.block(None)
        block.scope_ids = block.scope_ids._replace(usage_id=Usage(bench.usage))
        block.take(LEARNER, compat.HOURS, compat.Score(given, 12.5, "", AT))
    event = {"hours_needed": 12.5, "user_id": 7, "programme": ""}
    assert bench.published == [
        ("nengli.credit_hours.recorded", {"hours": given, **event}) for given in (6.25, 12.5, 15, 6)
    ]
    assert said == [((7, "course", "nengli"), status) for status in ("satisfied", "removed")]
    assert bench.block().hours_given == 6


def test_who_does_not_listen_costs_no_hours(bench: Any) -> None:
    """A credit service that fails; an LMS that cannot write an event down outside of a request."""

    class Broken:
        def set_credit_requirement_status(self, *_given: Any, **_named: Any) -> None:
            raise RuntimeError

    def silent(*_told: Any) -> None:
        raise TypeError("'NoneType' object is not callable")

    bench.credit = Broken()
    block = bench.block(None)
    block.runtime.publish = silent
    block.scope_ids = block.scope_ids._replace(usage_id=Usage(bench.usage))
    block.take(LEARNER, compat.HOURS, compat.Score(12.5, 12.5, "", AT))
    assert bench.block().hours_given == 12.5


def test_after_the_due_date_the_author_decides(bench: Any) -> None:
    block = bench.block(None)
    block.due, block.accept_grades_past_due = AT, False
    block.take(LEARNER, compat.POINTS, compat.Score(2, 3, "", AT))
    assert bench.published == []
    block.accept_grades_past_due = True
    block.take(LEARNER, compat.POINTS, compat.Score(2, 3, "", AT))
    assert bench.published[0][0] == "grade"


@pytest.mark.parametrize(
    ("due", "grace", "is_over"),
    [
        (None, None, False),
        (timedelta(hours=-1), None, True),
        (timedelta(hours=-1), timedelta(hours=2), False),
        (timedelta(hours=1), None, False),
        ("no date", None, False),
        (timedelta(hours=-1), "no time", True),
    ],
)
def test_the_due_date_counts_with_its_grace(due: Any, grace: Any, is_over: bool, bench: Any) -> None:
    block = bench.block()
    block.due = datetime.now(UTC) + due if isinstance(due, timedelta) else due
    block.graceperiod = grace
    assert block.is_past_due() is is_over


def test_scoring_anew_takes_what_the_tool_said_last(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    block = bench.block()
    assert not block.has_submitted_answer()
    assert block.get_score() is None
    assert block.calculate_score() == Score(0.0, 10.0), "nothing was reported, and there is no consumer to ask"
    block.points_given = 2
    scored(monkeypatch, 3)
    block.rescore(only_if_higher=False)
    assert block.has_submitted_answer()
    assert block.get_score() == Score(10.0, 10.0)
    assert bench.published[-1] == ("grade", {"value": 10.0, "max_value": 10.0, "only_if_higher": False})


def test_a_score_that_came_meanwhile_is_caught_up(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that was added after the score: opening it brings card and gradebook to the truth, once."""
    scored(monkeypatch, 2)
    block = bench.block()
    block.due = None
    block._catch_up(block.account())
    block.save()
    first = list(bench.published)
    assert [kind for kind, _ in first] == ["nengli.credit_hours.recorded", "grade", "completion"]
    again = bench.block()
    again.due = None
    again._catch_up(again.account())
    assert bench.published == first


def test_what_staff_said_instead_is_published(bench: Any) -> None:
    """As the LMS does it: a score is set, then the block is asked to publish it. A block that is not graded publishes
    none, nor one without any score."""
    block = bench.block()
    block.publish_grade()
    assert bench.published == []
    block.set_score(Score(0.4, 1.0))
    block.publish_grade()
    assert bench.published == [("grade", {"value": 4.0, "max_value": 10.0, "only_if_higher": None})]
    block.weight = 0
    block.publish_grade()
    assert len(bench.published) == 1


@pytest.mark.parametrize("has_service", [False, True])
def test_a_score_whose_learner_cannot_be_given_the_block_waits(
    has_service: bool, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An LMS without the service, or one that refuses: nothing is written for somebody else, nothing published, nothing
    raised; it comes when the learner looks."""

    class Refuses:
        def rebind_noauth_module_to_user(self, *_given: Any) -> None:
            raise RuntimeError("can only be called from a module bound to an anonymous user")

    scored(monkeypatch, 2)
    block = bench.block(8)
    block.runtime._services["rebind_user"] = Refuses() if has_service else None
    block.set_user_module_score(LEARNER, 2 / 3, 10.0, "")
    block.take(LEARNER, compat.HOURS, compat.Score(5, 10, "", AT))
    block.save()
    assert (bench.published, bench.block(8).points_given, bench.block(8).hours_given) == ([], None, None)
    own = bench.block()
    own.due = None
    own._catch_up(own.account())
    assert own.points_given == 2
