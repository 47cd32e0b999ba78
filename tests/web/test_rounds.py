"""补训, 归档 and a copy of a round on its page."""

from datetime import date

import competencies
from tests import people as cast
from tests.rosters import put_on_roster
from tests.web.test_curate import form as programme_form


def put_to_end(world):
    world.programme.closes_on = world.programme.review_by_on = world.programme.submit_by_on = date(2026, 11, 1)
    world.session.commit()


def test_a_round_is_opened_again_from_its_page(browse, world):
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}"
    assert officer.get(f"{url}/make-up").status_code == 422
    assert "开补训" not in officer.get(url).text
    put_to_end(world)
    assert "给没合格的开补训" in officer.get(url).text
    assert "开补训" not in browse(cast.AUDITOR).get(url).text
    page = officer.get(f"{url}/make-up").text
    assert "第 1 次补训" in page
    version = str(world.programme.version)
    days = {"submit_by_on": "2026-12-01", "review_by_on": "2026-12-08", "closes_on": "2026-12-15"}
    refused = officer.post(f"{url}/make-up", {**days, "submit_by_on": "2.12.", "reason": "县字9号", "version": version})
    assert refused.status_code == 422
    assert "县字9号" in refused.text
    assert officer.post(f"{url}/make-up", {**days, "reason": "县字9号", "version": version}).status_code == 303
    page = officer.get(url).text
    for words in ("第 1 次补训", "共 1 条", "项目结束 2026年11月1日 → 2026年12月15日", "县字9号"):
        assert words in page, words
    assert officer.post(f"{url}/make-up", {**days, "reason": "县字9号", "version": "1"}).status_code == 303
    assert "第 1 次补训，已合格的不用再做" in browse(cast.CHEN).get(f"/programmes/{world.programme.uuid}").text


def test_a_round_is_put_away_and_taken_out(browse, world):
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}"
    assert officer.post(f"{url}/archive").status_code == 422
    put_to_end(world)
    assert browse(cast.CHEN).post(f"{url}/archive").status_code == 403
    assert officer.post(f"{url}/archive").status_code == 303
    assert "项目已归档，记录照常能看" in officer.get(url).text
    assert "已归档的项目（1 个）" in officer.get("/curate").text
    assert officer.get(f"/progress/{world.programme.uuid}/{world.county.uuid}").status_code == 200
    assert officer.post(f"{url}/archive", {"back": "1"}).status_code == 303
    assert "已归档" not in officer.get("/curate").text


def test_a_new_round_begins_with_the_rules_of_another(browse, world):
    world.set_rules(choice={"required_points": 5, "min_dimensions": 3}, goal_percent=77)
    world.session.commit()
    page = browse(cast.OFFICER).get(f"/curate/programmes/new?like={world.programme.uuid}").text
    assert f"规则已照“{world.programme.title}”填好" in page
    for name, value in (("required_points", "5"), ("min_dimensions", "3"), ("goal_percent", "77"), ("title", "")):
        assert f'id="f-{name}" name="{name}" type="{"text" if name == "title" else "number"}" value="{value}"' in page
    assert 'name="opens_on" type="date" value="2026-11-09"' in page  # next week; the others lie as far apart as there
    assert 'name="closes_on" type="date" value="2026-12-28"' in page
    assert browse(cast.NEIGHBOUR).get(f"/curate/programmes/new?like={world.programme.uuid}").status_code == 404
    assert browse(cast.AUDITOR).get(f"/curate/programmes/new?like={world.programme.uuid}").status_code == 403
    assert competencies.rules_of(world.session, world.programme).goal_percent == 77


def test_a_school_is_given_longer_on_a_page_and_reads_it(browse, world):
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}/extensions"
    assert browse(cast.AUDITOR).get(url).status_code == browse(cast.LEAD).get(url).status_code == 403
    assert "还没有给谁延期" in officer.get(url).text
    typed = {"unit": world.schools["希望小学"].uuid, "until_on": "1.12.", "reason": "防汛停课", "staff_number": ""}
    refused = officer.post(url, typed)
    assert refused.status_code == 422
    assert "防汛停课" in refused.text
    assert officer.post(url, {**typed, "until_on": "2026-12-03"}).status_code == 303
    page = officer.get(url).text
    assert "1 处延期有效" in page
    home = f"/programmes/{world.programme.uuid}"
    assert "您可以交到 12月3日 (周四) 24:00 前（延期：防汛停课）。" in browse(cast.CHEN).get(home).text
    end = f"{url}/{page.partition('/extensions/')[2][:32]}/end"
    assert browse(cast.CHEN).post(end).status_code == 403
    assert officer.post(end).status_code == 303
    assert "已收回" in officer.get(url).text
    assert "延期" not in browse(cast.CHEN).get(home).text
    events = officer.get(f"/curate/programmes/{world.programme.uuid}").text
    assert "给“希望小学”延期到 2026年12月3日" in events


def test_years_are_given_on_pages(browse, world):
    put_on_roster(world, cast.CHEN)
    officer, url = browse(cast.OFFICER), f"/curate/programmes/{world.programme.uuid}"
    world.session.commit()
    assert "这个项目不分年" in officer.get(f"{url}/cohorts").text
    assert officer.post(f"{url}/cohorts").status_code == 422
    for typed, says in (("2026", "请写年份和比例"), ("2026:30 2027:60", "正好 100"), ("2027:50，2026:50", "从早到晚")):
        assert says in officer.post("/curate/programmes/new", programme_form(world, cohorts=typed)).text
    made = officer.post("/curate/programmes/new", programme_form(world, cohorts="2026年：30%、2027 50 2028:20"))
    page = officer.get(made.headers["Location"]).text
    assert "分批参加：2026 年 30%，2027 年 50%，2028 年 20%。" in page
    url = made.headers["Location"]
    assert "1 人还没有定年份" in officer.get(f"{url}/cohorts").text
    assert officer.post(f"{url}/cohorts").status_code == 303
    assert "每个人都定了年份" in officer.get(f"{url}/cohorts").text
    wrong = officer.post(f"{url}/cohorts", {"one": "1", "staff_number": "none", "year": "2027"})
    assert wrong.status_code == 422
    assert 'value="none"' in wrong.text
    moved = {"one": "1", "staff_number": cast.CHEN.staff_number, "year": "2028"}
    assert officer.post(f"{url}/cohorts", moved).status_code == 303
    assert "定在 2028 年" in officer.get(url).text
    assert browse(cast.AUDITOR).get(f"{url}/cohorts").status_code == 403
