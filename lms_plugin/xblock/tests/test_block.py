"""The block where nobody else is: what it shows, what it keeps, what it refuses."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import translation
from nengli_xblock import compat
from webob import Request
from workbench.runtime_util import reset_global_state
from xblock.core import XBlock
from xblock.scorable import Score

PROGRAMME = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
LEARNER = SimpleNamespace(id=7)


def call(block: Any, handler: str, body: Any = None, method: str = "POST") -> Any:
    """A handler as the LMS calls it; what it changed is stored."""
    request = Request.blank("/", method=method)
    request.body = json.dumps({} if body is None else body).encode() if method == "POST" else b""
    answer = block.runtime.handle(block, handler, request)
    block.save()
    return answer


def page(block: Any, view: str = "student_view") -> str:
    return block.runtime.render(block, view).content


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the LTI consumer were installed: what needs it is tried with the real one (tests/xblock)."""
    monkeypatch.setattr(compat, "problem", lambda: "")


# --- what is shown ---


def test_it_is_found_by_its_entry_point() -> None:
    found = XBlock.load_class("nengli")
    assert (found.has_score, found.has_author_view, found.icon_class) == (True, True, "problem")
    assert found.student_view._supports == {"multi_device"}


@pytest.mark.usefixtures("ready")
def test_a_learner_sees_the_card_and_the_frame(bench: Any) -> None:
    """The frame's address is ours, so that the page waits for nobody; the card reads without the frame."""
    block = bench.block()
    block.points_given, block.points_maximum, block.hours_given, block.hours_maximum = 2, 3, 6.25, 12.5
    block.next_step = "<b>补交</b> A1"
    text = page(block)
    assert re.search(r'<iframe[^>]+src="/handler/[^"]+/launch/\?student=7"', text)
    assert "2 / 3" in text
    assert "6.25 / 12.5" in text
    assert "&lt;b&gt;补交&lt;/b&gt; A1" in text, "words of a browser are text"
    assert "Hours are kept by the tool and do not enter the grade of this course." in text
    assert "nengli.example/lti" not in text


@pytest.mark.usefixtures("ready")
def test_chinese_comes_from_the_package(bench: Any) -> None:
    for language in ("zh-cn", "zh-hans"):
        with translation.override(language):
            text = page(bench.block())
            assert "学时由本工具登记，不进入平台成绩。" in text
            assert "下一步" in text
            assert "Next step" not in text


def test_without_the_consumer_the_page_stands_and_the_author_reads_what_to_do(bench: Any) -> None:
    """A learner is told whom to tell, and keeps the card; nothing breaks."""
    block = bench.block()
    block.hours_given, block.hours_maximum = 5, 10
    text = page(block)
    assert "Please tell your course team" in text
    assert "5 / 10" in text
    assert "<iframe" not in text
    assert "pip install &#x27;lti-consumer-xblock&gt;=9.16.1,&lt;12&#x27;" in page(block, "author_view")
    assert page(block, "studio_view").count("pip install") == 1
    answer = call(block, "launch", method="GET")
    assert answer.status_code == 503
    assert "Please tell your course team" in answer.text
    assert call(block, "choose", method="GET").status_code == 503
    assert call(block, "state").json["hours"]["given"] == "5"
    assert call(block, "chosen").json == {"chosen": None}


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "tool_missing"),
        ("http://nengli.example", "tool_invalid"),
        ("nengli.example", "tool_invalid"),
        ("https://", "tool_invalid"),
        ("https://nengli.example/?a=b", "tool_invalid"),
        ("javascript:alert(1)", "tool_invalid"),
        ("https://nengli.example/", ""),
        ("http://localhost:8600", ""),
    ],
)
def test_the_sites_setting_is_looked_at(address: str, code: str, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "consumer_version", lambda: "11.4.4")
    with override_settings(XBLOCK_SETTINGS={"nengli": {"tool_url": address}}):
        assert compat.problem() == code
        if code:
            assert "XBLOCK_SETTINGS" in page(bench.block(), "author_view")


@pytest.mark.parametrize("bucket", [None, {}, {"nengli": None}, {"nengli": {"tool_url": None}}])
def test_a_setting_that_is_not_there(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "consumer_version", lambda: "11.4.4")
    with override_settings(XBLOCK_SETTINGS=bucket):
        assert compat.problem() == "tool_missing"


@pytest.mark.parametrize(
    ("version", "code"), [("9.13.4", "consumer_old"), ("9.16.1", ""), ("11.4.4", ""), ("0", "consumer_old")]
)
def test_a_consumer_that_is_too_old_is_named(version: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "consumer_version", lambda: version)
    assert compat.problem() == code


def test_a_visitor_is_asked_to_sign_in(bench: Any) -> None:
    """Nobody's state is shown, nothing is launched, nothing is kept."""
    block = bench.block(None)
    for view in ("student_view", "public_view"):
        text = page(block, view)
        assert "Sign in to the course" in text
        assert "<iframe" not in text
    assert call(block, "launch", method="GET").status_code == 401
    assert call(block, "state").status_code == 401
    assert call(block, "remember", {"next": "x"}).status_code == 401


@pytest.mark.usefixtures("ready")
def test_the_course_team_is_told_as_whom_it_enters(bench: Any) -> None:
    words = "You are of the course team"
    assert words in page(bench.block(role="staff"))
    assert words in page(bench.block(role="instructor"))
    assert words not in page(bench.block())


@pytest.mark.usefixtures("ready")
def test_a_preview_as_a_learner_opens_nothing(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The course team reads that learner's card; it does not enter the tool as them, and changes nothing of theirs."""
    scored(monkeypatch, 2)
    block = bench.block()
    block.next_step = "去修改 A1"
    staff, learner = SimpleNamespace(id=1), SimpleNamespace(id=7)
    learner.real_user = staff
    block.runtime._services["user"]._django_user = learner
    text = page(block)
    assert "去修改 A1" in text
    assert "You look at this page as another person" in text
    assert "<iframe" not in text
    assert "leave the preview" in call(block, "launch", method="GET").text
    assert call(block, "remember", {"next": "x"}).json == {"next": "去修改 A1"}
    assert call(block, "state").json["points"] is None
    assert bench.published == []
    learner.real_user = learner
    assert "<iframe" in page(block), "nobody is looked at but oneself"


@pytest.mark.usefixtures("ready")
def test_a_due_date_is_said(bench: Any) -> None:
    """The workbench gives every block the present moment as its due date."""
    assert "The due date is over:" in page(bench.block())


def test_a_learners_page_in_the_workbench_itself() -> None:
    """The real page of xblock-sdk, with its real middleware."""
    reset_global_state()
    answer = Client().get("/scenario/nengli.0/")
    assert answer.status_code == 200
    assert "nengli" in answer.content.decode()
    for name in ("card.js", "card.css", "studio.js"):
        assert Client().get(f"/resource/nengli/public/{name}").status_code == 200


# --- what is kept ---


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("去修改 A1", "去修改 A1"),
        ("  two\n lines\t", "two lines"),
        ("x" * 500, "x" * 200),
        ("\x00\u202ea", "a"),
        (None, ""),
        (7, ""),
        (["x"], ""),
    ],
)
def test_the_next_step_is_one_line_of_text(said: Any, kept: str, bench: Any) -> None:
    block = bench.block()
    assert call(block, "remember", {"next": said}).json == {"next": kept}
    assert bench.block().next_step == kept
    assert bench.block(8).next_step == "", "it is one learner's"


@pytest.mark.parametrize("body", [b"", b"[1]", b'"x"', b"{", b"null"])
def test_a_handler_takes_no_nonsense(body: bytes, bench: Any) -> None:
    block = bench.block()
    for handler in ("remember", "state", "submit_studio_edits"):
        request = Request.blank("/", method="POST")
        request.body = body
        assert block.runtime.handle(block, handler, request).status_code < 500


def test_a_browser_says_no_points(bench: Any) -> None:
    """Points and hours in a browser's message are nothing."""
    call(bench.block(), "remember", {"next": "x", "points": 3, "hours_given": 99, "points_given": 3})
    assert (bench.block().points_given, bench.block().hours_given, bench.published) == (None, None, [])


# --- the gradebook ---


def scored(monkeypatch: pytest.MonkeyPatch, given: float, maximum: float = 3) -> compat.Score:
    """The newest score that the consumer holds, for everybody."""
    score = compat.Score(given, maximum, "已认定能力点 2 个", AT)
    monkeypatch.setattr(compat, "newest", lambda *_which: score)
    return score


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
    """The record of events and the credit service hear of them, once for each change."""
    said = []

    class Credit:
        def set_credit_requirement_status(self, *given: Any, **named: Any) -> None:
            said.append((given, named))

    bench.credit = Credit()
    score = compat.Score(6.25, 12.5, "", AT)
    for _again in range(2):
        block = bench.block(None)
        block.scope_ids = block.scope_ids._replace(usage_id=Usage(bench.usage))
        block.take(LEARNER, compat.HOURS, score)
    hours = {"hours": 6.25, "hours_needed": 12.5, "user_id": 7, "programme": ""}
    assert bench.published == [("nengli.credit_hours.recorded", hours)]
    ((number_, course, namespace, _name), named), *rest = said
    assert (number_, course, namespace, named["status"]) == (7, "course", "nengli", "failed")
    assert not rest
    assert bench.block().hours_given == 6.25


class Usage(str):
    """A usage id of the workbench that knows a course, as those of an LMS do."""

    __slots__ = ()
    context_key = "course"


def test_a_credit_service_that_fails_costs_no_hours(bench: Any) -> None:
    class Broken:
        def set_credit_requirement_status(self, *_given: Any, **_named: Any) -> None:
            raise RuntimeError

    bench.credit = Broken()
    block = bench.block(None)
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


# --- Studio ---


def form(**changes: Any) -> dict[str, Any]:
    whole = {"display_name": "任务", "weight": "5", "accept_grades_past_due": False, "chosen_title": "A1 学情分析"}
    return {**whole, "programme": PROGRAMME, "view": "point", "point": "A1", **changes}


def test_the_form_is_saved(bench: Any) -> None:
    assert call(bench.block(), "submit_studio_edits", form()).json == {"result": "success"}
    block = bench.block()
    assert (block.display_name, block.weight, block.accept_grades_past_due) == ("任务", 5.0, False)
    assert block.target() == {"nengli_programme": PROGRAMME, "nengli_view": "point", "nengli_point": "A1"}
    assert "A1 学情分析" in page(block, "studio_view")
    call(bench.block(), "submit_studio_edits", form(programme=""))
    assert bench.block().target() == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"weight": "-1"}, "weight"),
        ({"weight": "nan"}, "weight"),
        ({"weight": "ten"}, "weight"),
        ({"weight": None}, "weight"),
        ({"weight": "1e9"}, "weight"),
        ({"display_name": "x" * 201}, "display_name"),
        ({"programme": "x"}, "choice"),
        ({"programme": PROGRAMME.upper()}, "choice"),
        ({"view": "elsewhere"}, "choice"),
        ({"view": "point", "point": ""}, "choice"),
        ({"view": "record"}, "choice"),
    ],
)
def test_a_form_with_a_mistake_changes_nothing(changes: dict[str, Any], field: str, bench: Any) -> None:
    answer = call(bench.block(), "submit_studio_edits", form(**changes))
    assert answer.status_code == 400
    assert list(answer.json["error"]) == [field]
    assert (bench.block().weight, bench.block().programme) == (10.0, "")


def test_in_the_lms_nobody_edits(bench: Any) -> None:
    """A learner who calls the authors' handlers there."""
    with override_settings(SERVICE_VARIANT="lms"):
        for handler in ("submit_studio_edits", "chosen"):
            assert call(bench.block(), handler, form()).status_code == 403
        assert call(bench.block(), "choose", method="GET").status_code == 403
    assert bench.block().programme == ""


def test_an_exported_course_says_what_was_chosen_and_no_secret(bench: Any) -> None:
    """And the block comes back from it as it was; nothing of any learner goes along."""
    block = bench.block()
    call(block, "submit_studio_edits", form())
    block.next_step, block.hours_given = "x", 5.0
    block.save()
    from lxml import etree  # noqa: PLC0415 - as XBlock writes it

    node = etree.Element("unknown")
    bench.block(8).add_xml_to_node(node)
    assert node.tag == "nengli"
    allowed = {"display_name", "weight", "accept_grades_past_due", "programme", "view", "point", "chosen_title"}
    assert set(node.attrib) - {"xblock-family"} <= allowed
    text = etree.tostring(node, encoding="unicode")
    runtime = bench.block().runtime
    back = runtime.get_block(runtime.parse_xml_string(text))
    assert back.target() == block.target()
    assert (back.weight, back.next_step, back.hours_given) == (5.0, "", None)


def test_search_and_phones_hear_what_authors_wrote_alone(bench: Any) -> None:
    block = bench.block()
    call(block, "submit_studio_edits", form())
    block = bench.block()
    block.next_step = "x"
    found = block.index_dictionary()
    assert found["content"]["display_name"] == "任务"
    assert found["content"]["about"] == "A1 学情分析"
    data = block.student_view_data()
    assert data == {"title": "任务", "about": "A1 学情分析", "weight": 5.0, "web_view": True}
