"""The whole story, from the course page to the gradebook: six teachers of two schools, a trainer, an officer."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import Session, select

import competencies
import rubrics
from lms_plugin import demo
from lms_plugin.db import engine, session_factory, transaction
from lms_plugin.people import Person
from tests.journey import acts
from tests.journey.conftest import LAPTOP, PHONE, Stage, frame

pytestmark = pytest.mark.browser

# key at the practice LMS, name, school, stage, subject, staff number
TEACHERS = (
    ("wang-xiulan", "王秀兰", "希望小学", "小学", "语文", "HX001"),
    ("li-jianguo", "李建国", "希望小学", "小学", "数学", "HX002"),
    ("zhao-chunmei", "赵春梅", "希望小学", "小学", "语文", "HX003"),
    ("liu-haiyan", "刘海燕", "平安中学", "初中", "英语", "PZ001"),
    ("sun-lixin", "孙立新", "平安中学", "初中", "数学", "PZ002"),
    ("zhou-meiling", "周美玲", "平安中学", "初中", "语文", "PZ003"),
)
ON_PHONE = "wang-xiulan"
CODES = ("A1", "A6")


@pytest.fixture(scope="module")
def two_points(stage: Stage) -> Stage:
    """The journey's round asks for two points, so that the story fits into a few minutes."""
    with transaction(session_factory(engine(stage.settings["NENGLI_DATABASE_URL"]))) as session:
        for programme in session.exec(select(competencies.Programme)).all():
            rules = competencies.rules_of(session, programme).model_dump()
            rules["choice"]["required_points"] = 2
            competencies.set_rules(
                session, programme, competencies.Rules.model_validate(rules), None, datetime.now(UTC)
            )
    return stage


def of(stage: Stage, sql: type) -> list:
    """Rows of the running product's database."""
    with Session(engine(stage.settings["NENGLI_DATABASE_URL"])) as session:
        return list(session.exec(select(sql)).all())


def where_of(stage: Stage, key: str, course: str = "1"):
    """The activity as that person sees it: the phone's full page, or the frame within the course page."""
    if key == ON_PHONE:
        return stage.person(key, viewport=PHONE, course=course, full=True)
    return frame(stage.person(key, viewport=LAPTOP, course=course))


def test_third_party_cookies_are_blocked(stage: Stage) -> None:
    """The journeys prove nothing where the browser keeps every cookie: a plain SameSite=None one must not come back."""
    page = stage.person("wu-dayong")
    expect(frame(page).get_by_role("heading", level=1)).to_be_visible()
    inner = next(f for f in page.frames if f.url.startswith(stage.tool))
    inner.evaluate("document.cookie = 'plain=1; SameSite=None; Secure; Path=/'")
    inner.evaluate("document.cookie = 'chips=1; SameSite=None; Secure; Path=/; Partitioned'")
    assert inner.evaluate("document.cookie") == "chips=1"


def test_teachers_choose_and_hand_in(two_points: Stage) -> None:
    stage = two_points
    for key, name, school, level, subject, number in TEACHERS:
        where = where_of(stage, key)
        acts.introduce(where, school, level, subject, number, name)
        acts.choose(where, CODES)
        hand_in_a1(where, name)
        hand_in_a6(where, key)
    versions = of(stage, competencies.SubmissionVersion)
    assert len(versions) == len(TEACHERS) * len(CODES)
    assert all(version.content_hash and version.manifest for version in versions)


def hand_in_a1(where, name: str) -> None:
    """学情分析: a plan and a short film."""
    acts.open_point(where, "A1")
    acts.upload(where, "方案", "plain.docx")
    acts.upload(where, "报告", "lesson.mp4")
    finish(where, "A1")


def hand_in_a6(where, key: str) -> None:
    """课堂讲授: a design (docx or a photographed page), a clip (mp4, or mov as phones make it), a reflection."""
    acts.open_point(where, "A6")
    acts.upload(
        where, "教学设计", "lesson.docx" if key == ON_PHONE else "photo.jpg" if key == "sun-lixin" else "plain.docx"
    )
    acts.upload(where, "课堂实录片段", "lesson.mov" if key == ON_PHONE else "lesson.mp4")
    if key == "li-jianguo":
        acts.write(where, "教学反思", "成功之处是学生能自己说出规律；不足是时间偏紧，下次把练习提前。")
        acts.open_point(where, "A6")
    else:
        acts.upload(where, "教学反思", "reflection.pdf")
    finish(where, "A6")


def finish(where, code: str) -> None:
    """Names struck out, own marks given, ticks set, handed in."""
    acts.open_point(where, code)
    struck = acts.strike_own_name(where)
    if struck:
        acts.open_point(where, code)
    acts.mark_oneself(where, 1)
    acts.open_point(where, code)
    acts.tick_everything(where)
    acts.hand_in(where, code)


def test_reviews_are_allotted_and_done(two_points: Stage) -> None:
    stage = two_points
    programme = next(p for p in of(stage, competencies.Programme) if p.title == demo.PROGRAMMES[0])
    allotment = officer_page(stage, f"/reviews/allocation/{programme.uuid}")
    allotment.get_by_role("button", name="现在分配").click()
    expect(allotment.get_by_role("heading", level=1)).to_contain_text("互评都已分配好")
    done = 0
    for key, *_rest in TEACHERS:
        # One teacher finds a colleague's first work below pass: a difference that a trainer has to see.
        done += acts.review_all(where_of(stage, key), {0: 0} if key == "zhao-chunmei" else 1)
    reviews = of(stage, rubrics.Review)
    submitted = [r for r in reviews if r.state is rubrics.ReviewState.SUBMITTED]
    assert done == len(submitted) >= len(TEACHERS) * len(CODES) * 2


def officer_page(stage: Stage, address: str) -> Page:
    """A page of the tool in the officer's frame, at the top level of a tab of its own (as 'open in new window')."""
    return tool_page(stage, "lin-an", address)


def tool_page(stage: Stage, key: str, address: str) -> Page:
    """The tool full-page for that person: launched once from the course without a frame, then that address."""
    page = stage.person(key, full=True)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(stage.tool + address)
    return page


def test_the_trainer_returns_one_and_passes_the_rest(two_points: Stage) -> None:
    stage = two_points
    page = tool_page(stage, "zheng-wenhua", "/cases")
    decided, returned = 0, ""
    while True:
        page.goto(f"{stage.tool}/cases")
        start = page.get_by_role("link", name="打开第一份")
        if start.count() == 0:
            break
        start.click()
        form = page.locator("form#case")
        expect(form).to_be_visible()
        if not returned and "有分歧" in page.locator("main").inner_text():
            acts.mark_form(form, 1)
            criterion = form.locator("fieldset.criterion").first
            criterion.locator("label.lv").first.click()
            criterion.locator("textarea").fill("请写清这一环节学生做了什么。")
            form.locator("textarea[name=reason]").fill("请补充后再交。")
            form.get_by_role("button", name="退回修改").click()
            returned = page.url
        else:
            acts.mark_form(form, 1)
            form.get_by_role("button", name=re.compile("^定下来")).click()
        expect(page.locator("main")).to_be_visible()
        decided += 1
        assert decided < 40
    states = [s.state for s in of(stage, competencies.Submission)]
    assert states.count(competencies.SubmissionState.RETURNED) == 1
    assert states.count(competencies.SubmissionState.DECIDED) == len(TEACHERS) * len(CODES) - 1


def test_the_returned_work_comes_back_better(two_points: Stage) -> None:
    stage = two_points
    submission = next(
        s for s in of(stage, competencies.Submission) if s.state is competencies.SubmissionState.RETURNED
    )
    person = next(p for p in of(stage, Person) if p.id == submission.person_id)
    point = next(p for p in of(stage, competencies.CompetencyPoint) if p.id == submission.point_id)
    key = next(t[0] for t in TEACHERS if t[1] == person.name)
    where = where_of(stage, key)
    expect(where.get_by_role("heading", level=1)).to_contain_text("退回修改")
    acts.open_point(where, point.code)
    place = where.locator("section.slot").first
    place.locator("input[type=file]").set_input_files(acts.FILES / "both.docx")
    expect(place.locator("ul.files li")).to_have_count(2, timeout=30_000)
    finish(where, point.code)
    page = tool_page(stage, "zheng-wenhua", f"/cases/{submission.uuid}")
    expect(page.locator("main")).to_contain_text("第 2 次提交")
    form = page.locator("form#case")
    acts.mark_form(form, 2)
    form.get_by_role("button", name=re.compile("^定下来")).click()
    expect(page.locator("main")).to_be_visible()
    assert all(s.state is competencies.SubmissionState.DECIDED for s in of(stage, competencies.Submission))


def test_results_are_released_and_hours_arrive(two_points: Stage) -> None:
    stage = two_points
    programme = next(p for p in of(stage, competencies.Programme) if p.title == demo.PROGRAMMES[0])
    page = officer_page(stage, f"/release/{programme.uuid}")
    page.get_by_role("button", name=re.compile("^发布这")).click()
    expect(page.locator("main")).to_contain_text("已发布")
    entries = of(stage, competencies.CreditEntry)
    assert sum(e.credit_hundredths for e in entries) == len(TEACHERS) * 2500
    gradebook = stage.person("zheng-wenhua")
    for _second in range(60):
        gradebook.goto(f"{stage.lms}/gradebook/1")
        if gradebook.locator("main, body").first.inner_text().count("25 / 50") >= len(TEACHERS):
            break
        gradebook.wait_for_timeout(500)
    text = gradebook.locator("body").inner_text()
    assert text.count("25 / 50") == len(TEACHERS), text
    assert text.count("2 / 2") == len(TEACHERS), text
