"""A standard as a file: downloaded in four forms, sent in, checked, taken in as a draft."""

import json
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
from sqlmodel import func, select

import competencies
from competencies.exchange import case_graph
from lms_plugin.db import pk
from lms_plugin.flow import framework_files
from tests import people as cast
from tests.competencies import packs_made
from tests.rosters import workbook

EXAMPLE = Path(__file__).parent.parent / "files" / "case" / "case_v1p0_example.json"


def send(browser, data, name="标准.json"):
    return browser.post("/curate/import", {"file": (BytesIO(data), name)}, content_type="multipart/form-data")


def versions(world):
    world.session.expire_all()
    return world.session.exec(
        select(func.count())
        .select_from(competencies.FrameworkVersion)
        .where(competencies.FrameworkVersion.tenant_id == pk(world.tenant))
    ).one()


def test_a_version_is_downloaded_in_four_forms_by_whoever_reads_it(browse, world):
    url = f"/curate/frameworks/{world.framework.uuid}"
    page = browse(cast.AUDITOR).get(url).text
    for form in framework_files.FORMS:
        assert f'href="{url}/file?as={form}"' in page
        answer = browse(cast.AUDITOR).get(f"{url}/file?as={form}")
        assert answer.status_code == 200
        ending = framework_files.FORMS[form][0]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="cn-ict-2.0-30_v1.{ending}"'
        assert competencies.content_hash(framework_files.read(answer.data)) == world.framework.content_hash
    assert json.loads(browse(cast.OFFICER).get(f"{url}/file").data)["CFDocument"]["creator"] == world.tenant.name
    assert browse(cast.OFFICER).get(f"{url}/file?as=pdf").status_code == 404
    for who, status in ((cast.CHEN, 403), (cast.TRAINER, 403), (cast.NEIGHBOUR, 404), (None, 401)):
        assert browse(who).get(f"{url}/file?as=csv").status_code == status


def test_only_a_curator_brings_a_file_in(browse, world):
    data = json.dumps(packs_made.least()).encode()
    token = send(browse(cast.OFFICER), data).headers["Location"].rpartition("/")[2]
    before = versions(world)
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.IT, cast.AUDITOR):
        assert browse(who).get("/curate/import").status_code == 403
        assert send(browse(who), data).status_code == 403
        for answer in (browse(who).get(f"/curate/import/{token}"), browse(who).post(f"/curate/import/{token}")):
            assert answer.status_code in {403, 404}
    for answer in (browse(cast.NEIGHBOUR).get(f"/curate/import/{token}"), browse(None).get("/curate/import")):
        assert answer.status_code in {401, 403, 404}
    assert versions(world) == before
    assert "导入标准文件" not in browse(cast.AUDITOR).get("/curate").text.partition("<main")[2]


def test_a_file_is_checked_then_taken_in_as_a_draft_and_published(browse, world):
    officer, before = browse(cast.OFFICER), versions(world)
    assert "导入标准文件" in officer.get("/curate").text
    assert 'href="/curate" aria-current="page"' in officer.get("/curate/import").text
    sent = send(officer, json.dumps(packs_made.least()).encode())
    assert sent.status_code == 303
    page = officer.get(sent.headers["Location"]).text
    assert "1 个能力点，1 项材料，1 条评价标准" in page
    assert "A1 学情分析" in page
    assert "第 1 版" in page
    assert versions(world) == before
    taken = officer.post(sent.headers["Location"])
    assert taken.status_code == 303
    assert versions(world) == before + 1
    draft = officer.get(taken.headers["Location"]).text
    assert "可以发布" in draft
    assert "多媒体教学环境 · 教学设计" in draft
    assert officer.post(f"{taken.headers['Location']}/publish").status_code == 303
    assert "这一版已经发布" in officer.get(taken.headers["Location"]).text
    again = officer.get(send(officer, json.dumps(packs_made.least(), indent=3).encode()).headers["Location"]).text
    assert "完全一样" in again
    assert "导入为草稿" not in again
    world.session.expire_all()
    points = world.session.exec(select(competencies.CompetencyPoint)).all()
    (point,) = (one for one in points if one.name == {"zh": "学情分析"})
    assert (point.summary, point.effort["video"]) == ({}, 0)
    assert competencies.point_facts(point).dimension == "design"


def test_a_changed_standard_becomes_the_next_version(browse, world):
    officer = browse(cast.OFFICER)
    changed = json.loads(officer.get(f"/curate/frameworks/{world.framework.uuid}/file?as=pack").data)
    changed["points"][0]["name_zh"] = "学情分析（本地）"
    address = send(officer, json.dumps(changed).encode()).headers["Location"]
    assert "会成为第 2 版的草稿" in officer.get(address).text
    assert "是参考稿" in officer.get(address).text
    draft = officer.post(address).headers["Location"]
    assert "学情分析（本地）" in officer.get(draft).text
    assert officer.post(address).headers["Location"] == draft  # a second click makes no second draft


def test_a_package_of_others_shows_what_was_filled_in(browse, world):
    officer = browse(cast.OFFICER)
    address = send(officer, EXAMPLE.read_bytes()).headers["Location"]
    page = officer.get(address).text
    assert "30 个能力点，87 项材料，176 条评价标准" in page
    assert "用了默认值" in page
    assert officer.get(officer.post(address).headers["Location"]).status_code == 200


def test_faults_are_listed_with_their_places_and_nothing_is_written(browse, world):
    officer, before = browse(cast.OFFICER), versions(world)
    rows = framework_files.write(
        competencies.load_pack(packs_made.least()), "csv", "", world.now, is_draft=True
    ).decode("utf-8-sig")
    address = send(officer, rows.replace("能力点,,,A1", "能力点,,,=A1").encode("gbk"), "标准.csv").headers["Location"]
    page = officer.get(address).text
    assert "第 9 行 D 列" in page
    assert "是公式或出错的值" in page
    assert "导入为草稿" not in page
    assert officer.post(address).status_code == 422
    broken = json.loads(EXAMPLE.read_bytes())
    broken["CFRubrics"][2]["CFRubricCriteria"] = []
    address = send(officer, json.dumps(broken).encode()).headers["Location"]
    assert "CFRubrics[2]" in officer.get(address).text
    for half, told in (({"schema": "half a pair: \ud800"}, "half a pair: ?"), ({"a\ud800": 1}, "“a?”")):
        shown = officer.get(send(officer, json.dumps(packs_made.least() | half).encode()).headers["Location"])
        assert (shown.status_code, told in shown.text) == (200, True)
    assert versions(world) == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 字节"),
        (b'{"a":', "JSON"),
        (b"\x89PNG....", "不是表格文件"),
        ("姓名,学校\n甲,乙\n".encode(), "没有找到表头"),
    ],
)
def test_a_file_that_is_no_standard_is_refused_beside_the_field(browse, data, words):
    answer = send(browse(cast.OFFICER), data)
    assert answer.status_code == 422
    assert words in answer.text
    assert browse(cast.OFFICER).post("/curate/import").status_code == 422


def test_what_changed_since_another_version_is_told(browse, world):
    officer = browse(cast.OFFICER)
    url = f"/curate/frameworks/{world.framework.uuid}"
    assert "只有这一版" in officer.get(f"{url}/changes").text
    assert "/changes" not in officer.get(url).text
    changed = json.loads(officer.get(f"{url}/file?as=pack").data)
    changed["points"][0]["name_zh"] = "学情分析（本地）"
    changed["points"][0]["evidence"][0]["required"] = False
    changed["points"][1]["evidence"][0]["criteria"][0]["levels"]["pass"]["zh"] = "本地的要求"
    del changed["points"][29], changed["framework"]["counts"]
    changed["framework"]["selection_defaults"]["suggested_sets"] = []
    draft = officer.post(send(officer, json.dumps(changed).encode()).headers["Location"]).headers["Location"]
    assert f'href="{draft}/changes"' in officer.get(draft).text
    page = officer.get(f"{draft}/changes").text
    assert "从第 1 版到第 2 版：新增 0 个能力点，去掉 1 个，改动 2 个" in page
    for words in ("学情分析（本地）", "本地的要求", "去掉了", ">是<", ">否<"):
        assert words in page, words
    back = browse(cast.AUDITOR).get(f"{url}/changes?since={draft.rpartition('/')[2]}").text
    assert "从第 2 版到第 1 版：新增 1 个能力点，去掉 0 个，改动 2 个" in back
    other = officer.post(send(officer, json.dumps(packs_made.least()).encode()).headers["Location"]).headers["Location"]
    assert officer.get(f"{url}/changes?since={other.rpartition('/')[2]}").status_code == 404
    for who, status in ((cast.CHEN, 403), (cast.NEIGHBOUR, 404), (None, 401)):
        assert browse(who).get(f"{url}/changes").status_code == status


def cycle(package):
    """Two items, each below the other."""
    known = {item["identifier"] for item in package["CFItems"]}
    one = next(
        tie
        for tie in package["CFAssociations"]
        if tie["associationType"] == "isChildOf" and tie["destinationNodeURI"]["identifier"] in known
    )
    turned = {"originNodeURI": one["destinationNodeURI"], "destinationNodeURI": one["originNodeURI"]}
    package["CFAssociations"].append({**one, **turned, "identifier": "turned"})


def no_levels(package):
    package["CFRubrics"][2]["CFRubricCriteria"][0]["CFRubricCriterionLevels"] = []


def rows_of_least():
    pack = competencies.load_pack(packs_made.least())
    return [competencies.exchange.heads(), *competencies.exchange.rows(pack)]


def changed(row, column, value):
    def change(rows):
        rows[row - 1][ord(column) - ord("A")] = value

    return change


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (lambda rows: rows.append(list(rows[8])), "第 12 行 D 列", "出现了两次"),
        (lambda rows: rows.pop(4), "第 3 行 D 列", "三个等次"),
        (changed(9, "E", datetime(2026, 1, 2)), "第 9 行 E 列", "日期"),  # noqa: DTZ001 - as workbooks hold it
        (changed(9, "E", 45231.0), "第 9 行 E 列", "数"),
        (changed(9, "D", 1.1), "第 9 行 D 列", "数"),
    ],
)
def test_a_workbook_that_is_wrong_says_where_and_leaves_all_as_it_was(browse, world, change, place, words):
    officer, before, rows = browse(cast.OFFICER), versions(world), [list(row) for row in rows_of_least()]
    change(rows)
    address = send(officer, workbook(rows), "标准.xlsx").headers["Location"]
    page = officer.get(address).text
    line = page.partition(f">{place}<")[2].partition("</tr>")[0]
    assert words in line, page.partition("<main")[2]
    assert officer.post(address).status_code == 422
    assert versions(world) == before


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [(cycle, "CFAssociations[", "绕成了圈"), (no_levels, "CFRubrics[2].CFRubricCriteria[0]", "没有写等次")],
)
def test_a_package_that_is_wrong_says_where_and_leaves_all_as_it_was(browse, world, change, place, words):
    officer, before, package = browse(cast.OFFICER), versions(world), json.loads(EXAMPLE.read_bytes())
    change(package)
    address = send(officer, json.dumps(package).encode()).headers["Location"]
    page = officer.get(address).text.partition("<main")[2]
    assert place in page
    assert words in page
    assert officer.post(address).status_code == 422
    assert versions(world) == before


def test_more_items_than_a_package_may_have_are_refused_beside_the_field(browse, world, monkeypatch):
    monkeypatch.setattr(case_graph, "MOST_ITEMS", 5000)
    officer, before = browse(cast.OFFICER), versions(world)
    items = [{"identifier": f"i{n}", "fullStatement": "x"} for n in range(5001)]
    with send(officer, json.dumps({"CFDocument": {}, "CFItems": items}).encode()) as answer:
        assert (answer.status_code, "最多 5000 条" in answer.text) == (422, True)
    points = [{"code": f"P{n}"} for n in range(20_000)]
    with send(officer, json.dumps(packs_made.least() | {"points": points}).encode()) as answer:
        page = officer.get(answer.headers["Location"]).text
    assert "内容太多" in page
    assert "有 1 处要先改好" in page
    assert versions(world) == before
