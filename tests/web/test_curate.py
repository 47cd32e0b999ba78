"""项目: a standard confirmed point by point, a round whose every rule is said in words."""

from datetime import date, timedelta
from html import unescape
from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import select

import competencies
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.flow import curate, review
from lms_plugin.web import programme_form
from tests import people as cast
from tests.factories import district
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.gradebooks import column


def form(world, **changes):
    return {
        "title": "2027年春季校本应用考核",
        "framework_version": world.framework.uuid,
        "unit": world.county.uuid,
        "opens_on": "2027-03-01",
        "submit_by_on": "2027-05-31",
        "review_by_on": "2027-06-15",
        "closes_on": "2027-06-30",
        "required_points": "3",
        "min_dimensions": "2",
        "environment_rule": "up_to",
        "change_until": "opened",
        "compulsory": "A3，A6",
        "not_offered": "",
        "points_in_paper": "",
        "settings": "",
        "cohorts": "",
        "reviews_per_work": "2",
        "third_when_differing": "1",
        "max_reviews": "6",
        "pool": "own_group",
        "exclude_former_colleagues": "1",
        "prefer_same_subject": "1",
        "course_groups": "off",
        "subjects": "any",
        "stages": "any",
        "score": "severity",
        "returned_to": "trainer",
        "calibration": "off",
        "calibration_items": "2",
        "blind": "double",
        "peer_due": "0",
        "duty": "remind",
        "withdraw_minutes": "30",
        "minutes_per_review": "15",
        "decide_days": "0",
        "lease_hours": "72",
        "claims": "2",
        "declines": "3",
        "appeal_days": "0",
        "appeal_answer_days": "15",
        "appeal_panel": "two",
        "most_pieces": "0",
        "most_mb": "0",
        "most_film_mb": "0",
        "self_marks": "1",
        "hours_kind": "per_set",
        "practice": "25",
        "pass": "8",
        "excellent": "8.5",
        "cap": "25",
        "practice_need": "25",
        "online_need": "25",
        "excellent_points": "",
        "after_days": "0",
        "goal_percent": "90",
        "minutes_per_hour": "45",
        "trainings_per_term": "2",
        "check_percent": "10",
        "check_excellent": "1",
        "publicity_days": "5",
        "shown_to": "school",
        "days_off": "",
        "workdays": "",
        **changes,
    }


def programme(world, title="2027年春季校本应用考核"):
    world.session.expire_all()
    return world.session.exec(
        select(competencies.Programme).where(
            competencies.Programme.tenant_id == pk(world.tenant), competencies.Programme.title == title
        )
    ).one_or_none()


def test_an_auditor_reads_the_rules_and_is_offered_no_act(browse, world):
    for url in ("/curate", f"/curate/programmes/{world.programme.uuid}", f"/curate/frameworks/{world.framework.uuid}"):
        page = browse(cast.AUDITOR).get(url).text
        assert "<form" not in page.partition("<main")[2], url
        for act in ("/edit", "/curate/programmes/new", "/hours/", "/release/", "/allocation"):
            assert act not in page, (url, act)


def test_only_officers_curate(browse, world):
    for url in (
        "/curate",
        "/curate/programmes/new",
        f"/curate/programmes/{world.programme.uuid}",
        f"/curate/programmes/{world.programme.uuid}/edit",
        f"/curate/frameworks/{world.framework.uuid}",
    ):
        assert browse(None).get(url).status_code == 401
        for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.IT):
            assert browse(who).get(url).status_code == 403, (who, url)
        reads = not url.endswith(("new", "edit"))
        assert browse(cast.AUDITOR).get(url).status_code == (200 if reads else 403), url
        assert browse(cast.OFFICER).get(url).status_code == 200
        if world.tenant.uuid and url.count("/") > 2 and "new" not in url:
            assert browse(cast.NEIGHBOUR).get(url).status_code == 404
    for rest in ("state", "edit"):
        assert browse(cast.NEIGHBOUR).post(f"/curate/programmes/{world.programme.uuid}/{rest}").status_code == 404
    for rest in ("confirm", "publish"):
        assert browse(cast.NEIGHBOUR).post(f"/curate/frameworks/{world.framework.uuid}/{rest}").status_code == 404


def test_a_round_is_made_changed_opened_and_closed(browse, world):
    officer = browse(cast.OFFICER)
    assert '<option value="decided" selected>' in officer.get("/curate/programmes/new").text
    answer = officer.post("/curate/programmes/new", form(world))
    assert answer.status_code == 303
    page = officer.get(answer.headers["Location"]).text
    assert "教师还不能选点和交材料" in page
    assert "必选：A3、A6。" in page
    assert "5月31日 (周一) 24:00 前" in page
    made = programme(world)
    assert made.state is competencies.ProgrammeState.DRAFT
    rules = competencies.rules_of(world.session, made)
    assert (rules.choice.compulsory, rules.hours.excellent_hundredths) == (("A3", "A6"), 850)
    url = f"/curate/programmes/{made.uuid}"
    same = officer.post(f"{url}/edit", form(world, version=made.version))
    assert same.status_code == 303
    assert programme(world).policy_id == made.policy_id
    changed = officer.post(f"{url}/edit", form(world, version=programme(world).version, goal_percent="95"))
    assert changed.status_code == 303
    assert "规则第 2 版" in officer.get(url).text
    assert "全区县合格率 95%" in officer.get(url).text
    for state in ("open", "closed", "open"):
        assert officer.post(f"{url}/state", {"state": state}).status_code == 303
        assert programme(world).state.value == state
    assert officer.post(f"{url}/state", {"state": "draft"}).status_code == 422
    made = programme(world)
    made.state, made.closes_on = competencies.ProgrammeState.CLOSED, date(2026, 11, 1)
    world.session.commit()
    assert "最后一天已经过了" in officer.post(f"{url}/state", {"state": "open"}).text
    assert officer.get("/curate").status_code == 200


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("off", ""), ("first", "不够再请组外的人"), ("only", "只由同小组的人评")],
)
def test_whether_course_groups_count_is_the_officers_choice(browse, world, chosen, words):
    officer = browse(cast.OFFICER)
    answer = officer.post("/curate/programmes/new", form(world, course_groups=chosen))
    page = officer.get(answer.headers["Location"]).text
    assert competencies.rules_of(world.session, programme(world)).review.course_groups == chosen
    assert ("平台课程分了小组的" in page) == bool(words)
    assert words in page
    kept = officer.get(f"/curate/programmes/{programme(world).uuid}/edit").text
    assert f'<option value="{chosen}" selected' in kept


def test_what_two_officers_typed_at_once_stands_on_one_page(browse, world):
    officer = browse(cast.OFFICER)
    officer.post("/curate/programmes/new", form(world))
    url = f"/curate/programmes/{programme(world).uuid}/edit"
    seen = programme(world).version
    other = form(world, version=seen, goal_percent="95", pool="district", closes_on="2027-07-31")
    assert officer.post(url, {**other, "third_when_differing": ""}).status_code == 303
    mine = form(world, version=seen, goal_percent="80", title="我改的名字")
    wrong = officer.post(url, {**mine, "cap": "很多"})
    assert wrong.status_code == 422
    assert f'name="version" value="{seen}"' in wrong.text  # a form that is sent again still says what it was made from
    clash = officer.post(url, {**mine, "title": mine["title"]})
    assert clash.status_code == 409
    page = unescape(clash.text)
    assert "被别人改过" in page
    for mine_typed in ('value="我改的名字"', 'value="80"', 'value="2027-06-30"'):
        assert mine_typed in page
    now = ("95", "2027-07-31", "全区县", "没有勾", "2027年春季校本应用考核")
    assert [page.count(f"现在存的是：{value}<") for value in now] == [1] * len(now)
    assert page.count("现在存的是") == len(now)
    world.session.expire_all()
    assert programme(world) is not None  # nothing was saved
    newest = programme(world).version
    assert f'name="version" value="{newest}"' in page
    assert officer.post(url, {**mine, "version": newest}).status_code == 303
    assert programme(world, "我改的名字").closes_on == date(2027, 6, 30)
    same = officer.post(url, {**mine, "version": newest})  # both typed the same: nothing is to be done
    assert same.status_code == 303


def test_an_allotment_is_no_change_of_the_form(browse, world):
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}/edit"
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - timedelta(hours=2))
    world.session.commit()
    before = world.programme.version
    assert f'name="version" value="{before}"' in officer.get(url).text
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    world.session.commit()
    values = form(world, version=before, title="秋季", opens_on="2026-10-01", submit_by_on="2026-12-01")
    assert officer.post(url, values).status_code == 303
    assert programme(world, "秋季").allotted_at == world.now


def test_columns_follow_the_rules(browse, world):
    officer = browse(cast.OFFICER)
    officer.post("/curate/programmes/new", form(world))
    made = programme(world)
    world.course.programme_id = pk(made)
    column(world, programme_id=pk(made))
    world.session.commit()
    for changes, jobs in (({"goal_percent": "91"}, 0), ({"required_points": "4"}, 1), ({"required_points": "4"}, 1)):
        values = form(world, version=programme(world).version, **changes)
        assert officer.post(f"/curate/programmes/{made.uuid}/edit", values).status_code == 303
        asked = world.session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.COLUMNS)).all()
        assert len(asked) == jobs


@pytest.mark.parametrize(
    "changes",
    [
        {"cap": "20"},  # hours are not asked for
        {"needs_hours": "1"},
        {"needs_hours": "1", "hours_kind": "per_level", "pass": "1", "excellent": "9"},
    ],
)
def test_rules_by_which_somebody_can_pass_are_taken(browse, world, changes):
    assert browse(cast.OFFICER).post("/curate/programmes/new", form(world, **changes)).status_code == 303


def test_a_change_of_what_counts_asks_for_the_books_once(browse, world):
    officer = browse(cast.OFFICER)
    officer.post("/curate/programmes/new", form(world))
    made = programme(world)
    url = f"/curate/programmes/{made.uuid}/edit"
    assert "已经记的学时不会减少" in officer.get(url).text
    for changes, jobs in (({"goal_percent": "91"}, 0), ({"practice": "24"}, 1), ({"required_points": "2"}, 1)):
        values = form(world, version=programme(world).version, **changes)
        assert officer.post(url, values).status_code == 303
        asked = world.session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.RULES)).all()
        assert [job.ids for job in asked] == [{"programme_id": pk(made)}] * jobs


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"title": " "}, "这一栏要填"),
        ({"title": "2026年秋季校本应用考核"}, "已经有叫这个名字的项目"),
        ({"title": "甲\u202e乙"}, "看不见的字符"),
        ({"opens_on": "soon"}, "2026-11-30"),
        ({"closes_on": "2027-01-01"}, "日期要按先后排"),
        ({"closes_on": "9999-12-31"}, "2000 年到 2100 年"),
        ({"opens_on": "0001-01-01"}, "2000 年到 2100 年"),
        ({"required_points": "0"}, "1 到 30"),
        ({"min_dimensions": "4"}, "不能多于要选的"),
        ({"practice": "1.234"}, "0 到 1000"),
        ({"cap": "nan"}, "0 到 1000"),
        ({"cap": "1e999999"}, "0 到 1000"),
        ({"cap": "1_0"}, "0 到 1000"),
        ({"required_points": "1_0"}, "1 到 30"),
        ({"compulsory": "A5 A6 A7"}, "凑不够要求的维度数"),
        ({"excellent_points": "9"}, "不能多于要选的"),
        ({"excellent": "1"}, "不能少于合格的学时"),
        ({"pool": "own_school", "exclude_own_school": "1"}, "不能再回避本校"),
        ({"pool": "own_group", "exclude_own_group": "1"}, "就要选“全区县”"),
        ({"pool": "moon"}, "请从列表里选一个"),
        ({"course_groups": "all"}, "请从列表里选一个"),
        ({"unit": "0" * 32}, "请从列表里选一个"),
        ({"framework_version": ""}, "请从列表里选一个"),
        ({"compulsory": "A3 Z9"}, "Z9"),
        ({"needs_hours": "1", "cap": "20"}, "最多只能得 20 学时"),
        ({"needs_hours": "1", "practice": "24.5"}, "最多只能得 24.5 学时"),
        ({"needs_hours": "1", "hours_kind": "per_level", "pass": "3", "excellent": "8"}, "最多只能得 24 学时"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(browse, world, changes, says):
    answer = browse(cast.OFFICER).post("/curate/programmes/new", form(world, **changes))
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="2027-05-31"' in answer.text  # what was typed is kept
    assert programme(world) is None


@pytest.mark.parametrize(
    ("environment", "changes", "says"),
    [
        ("multimedia", {"required_points": "14"}, "申报多媒体教学环境的学校，按下面“环境”一栏只有 13 个"),
        ("smart", {"required_points": "20", "environment_rule": "exact", "compulsory": ""}, "智慧学习环境"),
        (
            "smart",
            {"environment_rule": "exact", "compulsory": "", "min_dimensions": "4", "required_points": "4"},
            "3 个维度",
        ),
        ("smart", {"required_points": "14"}, ""),
        ("multimedia", {"required_points": "14", "environment_rule": "free"}, ""),
        ("", {"required_points": "14"}, ""),
    ],
)
def test_in_every_environment_that_is_declared_somebody_can_pass(browse, world, environment, changes, says):
    world.schools["希望小学"].environment = environment
    world.schools["平安小学"].environment = ""
    world.session.commit()
    answer = browse(cast.OFFICER).post("/curate/programmes/new", form(world, **changes))
    assert answer.status_code == (422 if says else 303)
    assert says in answer.text


def test_numbers_in_wide_digits_are_numbers(browse, world):
    values = form(world, cap="３０．5", max_reviews="７")
    assert browse(cast.OFFICER).post("/curate/programmes/new", values).status_code == 303
    rules = competencies.rules_of(world.session, programme(world))
    assert (rules.hours.cap_hundredths, rules.review.max_reviews) == (3050, 7)


def test_the_framework_of_a_round_that_teachers_chose_from_stays(browse, world):
    officer = browse(cast.OFFICER)
    officer.post("/curate/programmes/new", form(world))
    made = programme(world)
    pack = competencies.packs.load("framework_2_0")
    data = pack.as_dict()
    data["framework"]["title_zh"] += "（修订）"
    other = competencies.draft_from_pack(world.session, pk(world.tenant), type(pack).model_validate(data), world.now)
    curate.publish(world.session, other, None, world.now, under_banner=True)
    world.session.add(
        competencies.Selection(
            programme_id=pk(made),
            person_id=pk(world.person(cast.CHEN)),
            point_id=pk(world.point("A3")),
            chosen_at=world.now,
        )
    )
    world.session.commit()
    answer = officer.post(
        f"/curate/programmes/{made.uuid}/edit", form(world, version=made.version, framework_version=other.uuid)
    )
    assert answer.status_code == 422
    assert "不能在这里换标准" in answer.text


def test_a_reference_is_published_only_when_every_point_is_confirmed(browse, world):
    """In 邻县, a real district: the pack comes as a draft, and the curator reads it point by point."""
    neighbour = browse(cast.NEIGHBOUR)
    assert "先要有能力点标准" in neighbour.get("/curate").text
    answer = neighbour.post("/curate/packs/framework_2_0")
    url = answer.headers["Location"].split("?")[0]
    assert neighbour.post("/curate/packs/framework_2_0").headers["Location"] == answer.headers["Location"]
    page = neighbour.get(url).text
    assert "还有 30 个" in page
    assert "建议" in page
    assert neighbour.post(f"{url}/publish").status_code == 422
    points = [point["code"] for point in world.framework.content["points"]]
    assert neighbour.post(f"{url}/confirm", {"point": "Z9"}).status_code == 422
    for code in points:
        assert neighbour.post(f"{url}/confirm", {"point": code}).status_code == 303
    assert "可以发布" in neighbour.get(url).text
    for _click in range(2):
        assert neighbour.post(f"{url}/publish").status_code == 303
    assert "不能再改" in neighbour.get(url).text
    assert neighbour.post(f"{url}/confirm", {"point": "A3"}).status_code == 409
    assert "已发布" in neighbour.get("/curate").text


def test_a_pack_that_is_not_shipped(browse):
    assert browse(cast.OFFICER).post("/curate/packs/none").status_code == 404


def test_an_officer_of_one_county_makes_no_round_for_another_district(browse, world):
    _tenant, county = district(world.session, "远县", world.now)
    world.session.commit()
    answer = browse(cast.OFFICER).post("/curate/programmes/new", form(world, unit=county.uuid))
    assert answer.status_code == 422
    assert programme(world) is None


def test_the_form_is_folded_and_says_what_stands_in_each_part(browse, world):
    """Name, standard, unit and days are asked of everybody; rules are read in words, and opened to be changed."""
    officer = browse(cast.OFFICER)
    page = officer.get("/curate/programmes/new").text
    assert page.count('<details class="more part">') == len(programme_form.PARTS)
    asked, _fold, folded = page.partition('<details class="more part">')
    assert 'name="closes_on"' in asked
    for fields in programme_form.PARTS.values():
        for name in fields:
            assert f'name="{name}"' in folded, name
    assert "选 3 个能力点，来自至少 2 个维度" in page
    refused = officer.post("/curate/programmes/new", form(world, min_dimensions="4"))
    assert refused.status_code == 422
    assert refused.text.count('<details class="more part" open>') == 1
    opened = refused.text.partition('<details class="more part" open>')[2].partition("</details>")[0]
    assert "min_dimensions-error" in opened


def test_each_field_of_the_form_stands_in_one_part(world):
    said = [name for fields in programme_form.PARTS.values() for name in fields]
    everybody = ("title", "framework_version", "unit", "settings", *programme_form.DATES)
    assert sorted([*said, *everybody]) == sorted(programme_form.typed_values({}))


def of_chen(officer, world):
    """Her line of the sheet of the district's progress."""
    answer = officer.get(f"/progress/{world.programme.uuid}/{world.county.uuid}/sheet")
    data = answer.data
    answer.close()
    book = CalamineWorkbook.from_filelike(BytesIO(data))
    for page in ("名单", "不在名单上"):
        head, *lines = book.get_sheet_by_name(page).to_python()
        found = [dict(zip(head, line, strict=True)) for line in lines if line[0] == cast.CHEN.name]
        if found:
            return found[0]
    raise AssertionError


def test_hours_are_told_as_credit_points_where_the_rules_say_how_many_make_one(browse, world):
    earn(world, cast.CHEN, "A3", "A5", "A6")
    world.session.commit()
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}"
    record = f"/record/{world.programme.uuid}"
    assert "学分" not in browse(cast.CHEN).get(record).text
    assert "学分" not in of_chen(officer, world)
    typed = form(
        world,
        title=world.programme.title,
        per_credit_point="10",
        version=programme(world, world.programme.title).version,
    )
    assert officer.post(f"{url}/edit", typed).status_code == 303
    assert "每 10 学时合 1 学分。" in officer.get(url).text
    assert "合 2.5 学分" in browse(cast.CHEN).get(record).text
    assert of_chen(officer, world)["学分"] == 2.5
    wrong = officer.post(f"{url}/edit", {**typed, "excellent_cap_percent": "30"})
    assert "学校结批时才能按它检查" in wrong.text
