"""The block where nobody else is: what it shows, what it keeps, what it refuses."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from asking import LEARNER, PROGRAMME, Usage, call, page, scored
from django.test import Client, override_settings
from django.utils import translation
from nengli_xblock import compat
from webob import Request
from workbench.runtime_util import reset_global_state
from xblock.core import XBlock


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
    assert "Open the task below" not in text
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
    assert "You look at this page as a learner" in text
    assert "<iframe" not in text
    assert "leave the preview" in call(block, "launch", method="GET").text
    assert call(block, "remember", {"next": "x"}).json == {"next": "去修改 A1"}
    assert call(block, "state").json["points"] is None
    assert bench.published == []
    learner.real_user = learner
    assert "<iframe" in page(block), "nobody is looked at but oneself"
    block.scope_ids = block.scope_ids._replace(usage_id=Usage(bench.usage))
    for role, is_preview in (("student", True), ("staff", False)):  # as any learner; and as oneself
        learner.masquerade_settings = {"course": SimpleNamespace(role=role)}
        assert ("<iframe" not in page(block)) is is_preview
    learner.masquerade_settings = {"another course": SimpleNamespace(role="student")}
    assert "<iframe" in page(block)


@pytest.mark.usefixtures("ready")
def test_a_learner_without_an_id_for_tools_keeps_the_page(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The LMS looks for it in its database: the course page does not ask, and the frame says in words what failed."""

    def fails(*_asked: Any) -> str:
        raise ValueError("External ID type: lti does not exist")

    block = bench.block()
    monkeypatch.setattr(block.runtime._services["user"], "get_external_user_id", fails)
    assert "<iframe" in page(block)
    answer = call(block, "launch", method="GET")
    assert answer.status_code == 503
    assert "Please tell your course team" in answer.text


def test_an_lms_is_known_without_its_variant() -> None:
    """Whoever is taken for an author may call what authors may."""
    for variant, urls, is_studio in (
        ("lms", "urls", False),
        (None, "lms.urls", False),
        ("cms", "cms.urls", True),
        (None, "workbench.urls", True),
    ):
        with override_settings(SERVICE_VARIANT=variant, ROOT_URLCONF=urls):
            assert compat.is_studio() is is_studio


def test_chinese_comes_also_where_the_sites_own_translations_do_not_know_us(bench: Any) -> None:
    """OEP-58: a site has fetched translations, and its service finds no catalogue of ours among them."""
    with translation.override("zh-hans"):
        block = bench.block()
        block.runtime._services["i18n"] = SimpleNamespace(gettext=lambda words: words)
        assert "学时由本工具登记，不进入平台成绩。" in page(block)


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


def test_a_next_step_from_before_the_last_score_is_none(bench: Any) -> None:
    """The tool's page said it before those points came: it may be what they were given for."""
    call(bench.block(), "remember", {"next": "去提交 A1"})
    block = bench.block()
    assert (block.card()["next"], block.card()["is_next_over"]) == ("去提交 A1", False)
    block.take(LEARNER, compat.HOURS, compat.Score(5, 10, "", datetime.now(UTC)))
    assert (bench.block().card()["next"], bench.block().card()["is_next_over"]) == ("", True)
    assert "去提交 A1" not in page(bench.block())
    call(bench.block(), "remember", {"next": "去提交 A1"})
    assert bench.block().card()["next"] == "去提交 A1"


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
