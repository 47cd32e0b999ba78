"""The whole story, from the course page to the gradebook: six teachers of two schools, a trainer, an officer."""

import os
import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from python_calamine import CalamineWorkbook
from sqlmodel import Session, select

import competencies
import rubrics
from lms_plugin.db import engine, session_factory, transaction
from lms_plugin.demo import district
from lms_plugin.people import OrgUnit, Person
from tests.journey import acts
from tests.journey.conftest import LAPTOP, PHONE, SCREENSHOTS, Stage, frame, keep_picture

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
    bind = engine(stage.settings["NENGLI_DATABASE_URL"])
    with transaction(session_factory(bind)) as session:
        for programme in session.exec(select(competencies.Programme)).all():
            rules = competencies.rules_of(session, programme).model_dump()
            rules["choice"]["required_points"] = 2
            competencies.set_rules(
                session, programme, competencies.Rules.model_validate(rules), None, datetime.now(UTC)
            )
    bind.dispose()
    return stage


def of(stage: Stage, sql: type) -> list:
    """Rows of the running product's database."""
    bind = engine(stage.settings["NENGLI_DATABASE_URL"])
    try:
        with Session(bind) as session:
            return list(session.exec(select(sql)).all())
    finally:
        bind.dispose()


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


def finish(where, code: str, level: int = 1) -> None:
    """Names struck out, own marks given, ticks set, handed in."""
    acts.open_point(where, code)
    struck = acts.strike_own_name(where)
    if struck:
        acts.open_point(where, code)
    acts.mark_oneself(where, level)
    acts.open_point(where, code)
    acts.tick_everything(where)
    acts.hand_in(where, code)


def test_reviews_are_allotted_and_done(two_points: Stage) -> None:
    stage = two_points
    programme = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[0])
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
            page.get_by_role("button", name="退回修改").click()
            returned = page.url
        else:
            acts.mark_form(form, 1)
            page.get_by_role("button", name=re.compile("^定下来")).click()
        expect(page.locator("main")).to_be_visible()
        decided += 1
        assert decided < 40
    states = [s.state for s in of(stage, competencies.Submission)]
    assert states.count(competencies.SubmissionState.RETURNED) == 1
    assert states.count(competencies.SubmissionState.DECIDED) == len(TEACHERS) * len(CODES) - 1


def test_the_returned_work_comes_back_better(two_points: Stage) -> None:
    stage = two_points
    submission = next(s for s in of(stage, competencies.Submission) if s.state is competencies.SubmissionState.RETURNED)
    person = next(p for p in of(stage, Person) if p.id == submission.person_id)
    point = next(p for p in of(stage, competencies.CompetencyPoint) if p.id == submission.point_id)
    key = next(t[0] for t in TEACHERS if t[1] == person.name)
    where = where_of(stage, key)
    expect(where.get_by_role("heading", level=1)).to_contain_text("退回修改")
    acts.open_point(where, point.code)
    acts.upload(where, "方案" if point.code == "A1" else "教学设计", "reflection.pdf", size=2)
    finish(where, point.code, level=2)
    page = tool_page(stage, "zheng-wenhua", f"/cases/{submission.uuid}")
    expect(page.locator("main")).to_contain_text("第 2 次提交")
    form = page.locator("form#case")
    acts.mark_form(form, 2)
    page.get_by_role("button", name=re.compile("^定下来")).click()
    expect(page.locator("main")).to_be_visible()
    assert all(s.state is competencies.SubmissionState.DECIDED for s in of(stage, competencies.Submission))


def test_results_are_released_and_hours_arrive(two_points: Stage) -> None:
    stage = two_points
    programme = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[0])
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


def test_the_officers_page_and_sheet_agree_with_the_ledger(two_points: Stage) -> None:
    stage = two_points
    page = officer_page(stage, "/progress")
    programme = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[0])
    page.goto(page.url.replace(page.url.split("/progress/")[1].split("/")[0], programme.uuid))
    sentence = page.get_by_role("heading", level=1).inner_text()
    assert f"{len(district.ROSTER)} 人应参训" in sentence
    assert f"{len(TEACHERS)} 人合格" in sentence
    with page.expect_download() as waiting:
        page.get_by_role("link", name="导出 Excel").first.click()
    rows = [
        [str(cell) for cell in row]
        for row in CalamineWorkbook.from_path(str(waiting.value.path())).get_sheet_by_index(1).to_python()
    ]
    heads = next(row for row in rows if "工号" in row)
    number, result = heads.index("工号"), next(i for i, head in enumerate(heads) if "结果" in head)
    practice = next(i for i, head in enumerate(heads) if "实践" in head)
    found = {row[number]: (row[result], float(row[practice])) for row in rows[rows.index(heads) + 1 :] if row[number]}
    people = {person.id: person.staff_number for person in of(stage, Person)}
    ledger: dict[str, float] = {}
    for entry in of(stage, competencies.CreditEntry):
        ledger[people[entry.person_id]] = ledger.get(people[entry.person_id], 0) + entry.credit_hundredths / 100
    assert {key: value for key, (_result, value) in found.items() if value} == ledger
    assert [found[teacher[5]][0] for teacher in TEACHERS] == ["合格"] * len(TEACHERS)
    assert {found[key][0] for key in ("HX005", "PZ005")} == {"未完成"}


def test_excluding_the_own_school_shows_the_shortage(two_points: Stage) -> None:
    stage = two_points
    for key in ("li-jianguo", "zhao-chunmei"):
        where = where_of(stage, key, course="2")
        acts.choose(where, CODES)
        acts.open_point(where, "A1")
        acts.upload(where, "方案", "plain.docx")
        acts.upload(where, "报告", "lesson.mp4")
        finish(where, "A1")
    programme = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[1])
    page = officer_page(stage, f"/reviews/allocation/{programme.uuid}")
    page.get_by_role("button", name="现在分配").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("缺评审人")
    expect(page.locator("main")).to_contain_text("本校不评本校")


def test_pictures_for_the_guides(two_points: Stage) -> None:
    """Ten key pages, zh and en, phone and desktop: NENGLI_SCREENSHOTS=1 puts them into docs/screenshots."""
    stage = two_points
    programme = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[0])
    second = next(p for p in of(stage, competencies.Programme) if p.title == district.PROGRAMMES[1])
    person = next(p for p in of(stage, Person) if p.name == TEACHERS[0][1])
    works = [s for s in of(stage, competencies.Submission) if s.person_id == person.id]
    county = next(u for u in of(stage, OrgUnit) if u.parent_id is None)
    review = next(r for r in of(stage, rubrics.Review) if r.reviewer_id == person.id)
    pages = {
        "teacher-home": (ON_PHONE, f"/programmes/{programme.uuid}"),
        "teacher-choose": (ON_PHONE, f"/programmes/{programme.uuid}/points"),
        "teacher-point": (ON_PHONE, f"/submissions/{works[0].uuid}"),
        "teacher-record": (ON_PHONE, f"/record/{programme.uuid}"),
        "review-page": (ON_PHONE, f"/reviews/{review.uuid}"),
        "trainer-queue": ("zheng-wenhua", "/cases"),
        "trainer-case": ("zheng-wenhua", f"/cases/{works[0].uuid}"),
        "officer-progress": ("lin-an", f"/progress/{programme.uuid}/{county.uuid}"),
        "officer-shortage": ("lin-an", f"/reviews/allocation/{second.uuid}"),
        "officer-programme": ("lin-an", f"/curate/programmes/{programme.uuid}"),
    }
    folder = SCREENSHOTS if os.environ.get("NENGLI_SCREENSHOTS") == "1" else stage.folder / "screenshots"
    folder.mkdir(exist_ok=True)
    for locale in ("en", "zh-Hans"):
        for name, (key, address) in pages.items():
            page = tool_page(stage, key, address)
            if page.locator("html").get_attribute("lang") != locale:
                page.locator(f"button[name=locale][value={locale}]").click()
                page.goto(stage.tool + address)
            expect(page.locator("html")).to_have_attribute("lang", locale)
            for device, size in (("phone", PHONE), ("desktop", LAPTOP)):
                page.set_viewport_size(size)
                keep_picture(page, folder / f"{name}-{locale}-{device}.png")
            page.set_viewport_size(PHONE if key == ON_PHONE else LAPTOP)
    assert len(list(folder.glob("*.png"))) >= len(pages) * 4
