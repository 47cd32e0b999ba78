"""改标准: a curator changes a draft on pages; two at once lose nothing; what is published stays."""

import re
from html import unescape

import pytest
from sqlmodel import func, select

import competencies
from lms_plugin.db import pk
from lms_plugin.flow import curate
from tests import people as cast


def drafts(world):
    world.session.expire_all()
    return world.session.exec(
        select(competencies.FrameworkVersion)
        .where(
            competencies.FrameworkVersion.tenant_id == pk(world.tenant),
            competencies.FrameworkVersion.state == competencies.VersionState.DRAFT,
        )
        .order_by(competencies.FrameworkVersion.id)
    ).all()


def begin(browse, world, **values):
    """A draft begun as the officer; gives the browser and the draft's address."""
    officer = browse(cast.OFFICER)
    answer = officer.post("/curate/begin", {"how": "next", "base": world.framework.uuid, **values})
    assert answer.status_code == 303, answer.text
    return officer, answer.headers["Location"]


def fields(page):
    """A form as a browser would send it: names and values, boxes only where they are ticked."""
    form = re.search(r'<form method="post" [^>]*id="(?:point|item|head)".*?</form>', page, re.DOTALL)[0]
    found = {}

    def put(name, value):
        found.setdefault(name, []).append(unescape(value))

    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag)[1], re.search(r'value="([^"]*)"', tag)
        if 'type="checkbox"' not in tag or " checked" in tag:
            put(name, value[1] if value else "")
    for name, value in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        put(name, value)
    for name, options in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        put(name, re.search(r'value="([^"]*)" selected', options)[1])
    lists = {*"ckedl", "blank"}
    return {name: values if name in lists else values[0] for name, values in found.items()}


def confirmed(world):
    return set(drafts(world)[0].confirmed_points)


@pytest.fixture
def all_confirmed(world):
    """The published version was confirmed point by point, as in a real district."""
    word = {"by": pk(world.person(cast.OFFICER)), "at": world.now.isoformat()}
    world.framework.confirmed_points = {one["code"]: word for one in world.framework.content["points"]}
    world.framework.is_reference = False
    world.session.commit()


def test_nobody_vouches_for_words_that_they_have_not_read(browse, world, all_confirmed):
    """Two curators: one has the point before them while the other changes it."""
    officer, url = begin(browse, world)
    words = fields(officer.get(f"{url}/points/A1").text)
    officer.post(f"{url}/points/A1", {**words, "question_zh": "第一次改的"})
    page = officer.get(f"{url}?point=A1").text
    seen = re.search(r'id="confirm".*?name="seen" value="([0-9a-f]+)"', page)[1]
    words = fields(officer.get(f"{url}/points/A1").text)
    officer.post(f"{url}/points/A1", {**words, "question_zh": "别人又改的"})
    assert officer.post(f"{url}/confirm", {"point": "A1", "seen": seen}).status_code == 409
    assert "A1" not in confirmed(world)
    page = officer.get(f"{url}?point=A1").text
    seen = re.search(r'id="confirm".*?name="seen" value="([0-9a-f]+)"', page)[1]
    assert officer.post(f"{url}/confirm", {"point": "A1", "seen": seen}).status_code == 303
    seen = re.search(r'id="publish".*?name="seen" value="([0-9a-f]+)"', officer.get(url).text)[1]
    assert officer.post(f"{url}/publish", {"seen": "0" * 64}).status_code == 409
    assert officer.post(f"{url}/publish", {"seen": seen}).status_code == 303


def test_three_points_of_thirty_are_changed_compared_and_published(browse, world, all_confirmed):
    before = world.framework.content_hash
    officer, url = begin(browse, world)
    assert officer.post("/curate/begin", {"how": "next", "base": world.framework.uuid}).headers["Location"] == url
    page = officer.get(url).text
    assert "现在和第 1 版完全一样，改了才能发布" in page
    refused = officer.post(f"{url}/publish")
    assert (refused.status_code, "完全一样" in refused.text) == (422, True)

    words = fields(officer.get(f"{url}/points/A1").text)
    answer = officer.post(f"{url}/points/A1", {**words, "question_zh": "学生会什么", "dimension": "assessment"})
    assert answer.headers["Location"].endswith("?point=A1")
    item = fields(officer.get(f"{url}/points/A5/items/clip").text)
    assert officer.post(f"{url}/points/A5/items/clip", {**item, "max_minutes": "15"}).status_code == 303
    whole = re.search(r'/points/A9/drop".*?name="seen" value="([0-9a-f]+)"', officer.get(f"{url}/points/A9").text)[1]
    assert officer.post(f"{url}/points/A9/drop", {"seen": whole}).status_code == 303

    told = officer.get(f"{url}/changes").text
    assert "新增 0 个能力点，去掉 1 个，改动 2 个" in told
    assert "学生会什么" in told
    assert confirmed(world) == {one["code"] for one in world.framework.content["points"]} - {"A1", "A5", "A9"}
    assert "还有 2 个" in officer.get(url).text
    assert officer.post(f"{url}/publish").status_code == 422
    for code in ("A1", "A5"):
        assert officer.post(f"{url}/confirm", {"point": code}).status_code == 303
    assert officer.post(f"{url}/publish").status_code == 303

    world.session.expire_all()
    made = world.session.exec(
        select(competencies.FrameworkVersion).where(
            competencies.FrameworkVersion.framework_id == world.framework.framework_id,
            competencies.FrameworkVersion.number == 2,
        )
    ).one()
    assert made.state is competencies.VersionState.PUBLISHED
    assert made.content_hash == competencies.content_hash(competencies.load_pack(made.content)) != before
    assert (world.framework.content_hash, len(world.framework.content["points"])) == (before, 30)
    rows = world.session.exec(
        select(func.count())
        .select_from(competencies.CompetencyPoint)
        .where(competencies.CompetencyPoint.framework_version_id == pk(made))
    ).one()
    assert rows == 29
    late = officer.post(f"{url}/points/A1", {**words, "name_zh": "太晚了"})
    assert late.status_code == 409
    assert "太晚了" in late.text  # what was typed can be copied from the page that refuses it


def test_a_standard_of_ones_own_begins_from_the_pack_that_ships(browse, world):
    officer = browse(cast.OFFICER)
    for values, words in (
        ({"how": "own", "base": "framework_2_0", "title_zh": "", "code": "一号"}, ("这一栏要填", "代号请用字母")),
        ({"how": "own", "base": "framework_2_0", "title_zh": "本县", "code": "cn-ict-2.0-30"}, ("已经有用这个代号",)),
        ({"how": "next", "base": "framework_2_0"}, ("请另起一份",)),
        ({"how": "next", "base": "0" * 32}, ()),
    ):
        refused = officer.post("/curate/begin", values)
        assert refused.status_code == 422, values
        for word in words:
            assert word in refused.text or word == "这一栏要填", word
    own = {"how": "own", "base": "framework_2_0", "title_zh": "平安县微能力", "title_en": "Ping'an", "code": "pingan-1"}
    url = officer.post("/curate/begin", own).headers["Location"]
    assert officer.post("/curate/begin", own).headers["Location"] == url
    page = officer.get(url).text
    assert "平安县微能力" in page
    assert "还有 30 个" in page
    assert drafts(world)[0].content["framework"]["id"] == "pingan-1"


def test_points_and_items_come_go_and_move(browse, world):
    officer, url = begin(browse, world)
    new = {"code": "A1", "name_zh": "人工智能备课", "question_zh": "想用智能工具备课", "environment": "smart"}
    new |= {"dimension": "teaching_design", "like": "A2"}
    refused = officer.post(f"{url}/new-point", new)
    assert refused.status_code == 422
    assert "已经有这个编号" in refused.text
    assert 'value="人工智能备课"' in refused.text
    for _click in range(2):
        assert officer.post(f"{url}/new-point", {**new, "code": "D1"}).status_code == 303
    assert [one["code"] for one in drafts(world)[0].content["points"]][-2:] == ["C7", "D1"]
    assert officer.post(f"{url}/points/D1/move", {"by": "-1"}).status_code == 303
    assert [one["code"] for one in drafts(world)[0].content["points"]][-2:] == ["D1", "C7"]

    item = fields(officer.get(f"{url}/points/D1/new-item").text)
    item |= {"title_zh": "对话记录", "source": "本地建议", "title_en": "Log"}
    refused = officer.post(f"{url}/points/D1/new-item", item)
    assert refused.status_code == 422
    assert "至少写一条评价标准" in refused.text
    row = item["c"][0]
    item |= {f"c.{row}.pass_zh": "有记录", f"c.{row}.excellent_zh": "有改进", f"c.{row}.excellent_en": "Improved"}
    for _click in range(2):
        assert officer.post(f"{url}/points/D1/new-item", item).status_code == 303
    d1 = competencies.editing.point_of(drafts(world)[0].content, "D1")
    assert [one["title_zh"] for one in d1["evidence"]][3:] == ["对话记录"]
    key = d1["evidence"][-1]["key"]
    assert officer.post(f"{url}/points/D1/items/{key}/move", {"by": "-1"}).status_code == 303
    page = officer.get(f"{url}/points/D1/items/{key}").text
    whole = re.search(r'/drop".*?name="seen" value="([0-9a-f]+)"', page)[1]
    assert officer.post(f"{url}/points/D1/items/{key}/drop", {"seen": "0" * 16}).status_code == 409
    assert officer.post(f"{url}/points/D1/items/{key}/drop", {"seen": whole}).status_code == 303
    assert len(competencies.editing.point_of(drafts(world)[0].content, "D1")["evidence"]) == 3


def test_the_last_graded_item_stays_and_the_page_says_why(browse, world):
    officer, url = begin(browse, world)
    for item in competencies.editing.point_of(drafts(world)[0].content, "A1")["evidence"][:1]:
        page = officer.get(f"{url}/points/A1/items/{item['key']}").text
        whole = re.search(r'/drop".*?name="seen" value="([0-9a-f]+)"', page)[1]
        assert officer.post(f"{url}/points/A1/items/{item['key']}/drop", {"seen": whole}).status_code == 303
    page = officer.get(f"{url}/points/A1/items/report").text
    whole = re.search(r'/drop".*?name="seen" value="([0-9a-f]+)"', page)[1]
    refused = officer.post(f"{url}/points/A1/items/report/drop", {"seen": whole})
    assert refused.status_code == 422
    assert "至少要有一项必交" in refused.text


def test_two_curators_at_once_see_both_and_lose_nothing(browse, world):
    officer, url = begin(browse, world)
    address = f"{url}/points/A1/items/plan"
    mine, theirs = (fields(officer.get(address).text) for _who in range(2))
    row = theirs["c"][-1]  # the empty one
    theirs |= {"title_zh": "他们的题目", f"c.{row}.excellent_zh": "他们加的"}
    assert officer.post(address, theirs).status_code == 303
    point = fields(officer.get(f"{url}/points/A2").text)
    assert (
        officer.post(f"{url}/points/A2", {**point, "name_zh": "另一处"}).status_code == 303
    )  # no clash: another thing

    mine[f"c.{row}.excellent_zh"] = "我加的"  # both began their new row under one key
    clash = officer.post(address, {**mine, "title_zh": "我的题目", "max_mb": "7"})
    assert clash.status_code == 409
    page = unescape(clash.text)
    assert "现在存的是：他们的题目" in page
    assert 'value="我的题目"' in page
    assert "他们加的" in page
    again = fields(clash.text)
    assert officer.post(address, again).status_code == 303
    found = competencies.editing.item_of(competencies.editing.point_of(drafts(world)[0].content, "A1"), "plan")
    assert (found["title_zh"], found["limits"]["max_mb"]) == ("我的题目", 7)
    assert {one["levels"]["excellent"]["zh"] for one in found["criteria"][-2:]} == {"我加的", "他们加的"}
    assert drafts(world)[0].content["points"][1]["name_zh"] == "另一处"
    assert officer.post(address, again).status_code == 303  # the same once more changes nothing


def test_what_was_typed_for_a_thing_that_is_gone_is_shown(browse, world):
    officer, url = begin(browse, world)
    point, item = (fields(officer.get(f"{url}/points/A1{rest}").text) for rest in ("", "/items/plan"))
    renamed = {**point, "code": "A1x"}
    assert officer.post(f"{url}/points/A1", renamed).status_code == 303
    assert officer.post(f"{url}/points/A1", renamed).status_code == 303  # a second click
    for address, values in ((f"{url}/points/A1", point), (f"{url}/points/A1/items/plan", item)):
        answer = officer.post(address, {**values, "source": "甲", "name_zh": "乙", "title_zh": "丙"})
        assert answer.status_code == 409
        assert "别人去掉了它" in answer.text
        assert 'value="丙"' in answer.text or 'value="乙"' in answer.text
    assert officer.get(f"{url}/points/A1").status_code == 404


def test_the_head_of_a_standard_is_changed_and_names_it_once_published(browse, world):
    officer, url = begin(browse, world)
    head = fields(officer.get(f"{url}/head").text)
    refused = officer.post(f"{url}/head", {**head, "title_zh": "", "d.assessment.zh": "", "d.assessment.en": ""})
    assert refused.status_code == 422
    refused = officer.post(f"{url}/head", {**head, "d.assessment.zh": "", "d.assessment.en": ""})
    assert refused.status_code == 422
    assert "这些能力点还在要去掉的里面" in refused.text
    new = {**head, "title_zh": "新的名称", "l.excellent.zh": "优良", f"d.{head['d'][-1]}.zh": "数字素养"}
    assert officer.post(f"{url}/head", new).status_code == 303
    page = officer.get(url).text
    assert "优良" in page
    assert "新的名称" in page
    assert officer.get(f"/curate/frameworks/{world.framework.uuid}").text.count("新的名称") == 0
    assert [one["zh"] for one in drafts(world)[0].content["framework"]["dimensions"]][-1] == "数字素养"
    assert "新的名称" in officer.get("/curate").text


def test_only_curators_of_the_whole_district_change_drafts(browse, world):
    _officer, url = begin(browse, world)
    places = ("/head", "/new-point", "/points/A1", "/points/A1/new-item", "/points/A1/items/plan")
    for place in places:
        assert browse(None).get(url + place).status_code == 401
        for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.IT, cast.AUDITOR):
            assert browse(who).get(url + place).status_code == 403, (who, place)
            assert browse(who).post(url + place).status_code == 403
        assert browse(cast.NEIGHBOUR).get(url + place).status_code == 404
        published = f"/curate/frameworks/{world.framework.uuid}{place}"
        assert browse(cast.OFFICER).get(published).status_code == 409
        assert browse(cast.OFFICER).post(published, {"seen": ""}).status_code == 409
    for who in (cast.AUDITOR, cast.TRAINER):
        assert browse(who).get("/curate/begin").status_code == 403
        assert browse(who).post("/curate/begin", {"how": "next", "base": world.framework.uuid}).status_code == 403
    assert "改 A1" not in browse(cast.AUDITOR).get(url).text


def test_a_draft_is_thrown_away_after_being_asked_and_that_is_noted(browse, world):
    officer, here = begin(browse, world)
    page = officer.get(f"{here}/discard").text
    assert "第 2 版的草稿，30 个能力点" in page
    assert f'href="{here}/discard"' in officer.get(here).text
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)[1]
    assert browse(cast.AUDITOR).post(f"{here}/discard", {"seen": seen}).status_code == 403
    assert officer.post(f"{here}/discard", {"seen": "0" * 64}).status_code == 409
    assert len(drafts(world)) == 1
    for _ in range(2):  # a second click finds it gone
        assert officer.post(f"{here}/discard", {"seen": seen}).status_code == 303
    assert drafts(world) == []
    assert officer.get(here).status_code == 404
    assert "扔掉草稿 cn-ict-2.0-30 第 2 版" in officer.get("/curate/references").text
    published = f"/curate/frameworks/{world.framework.uuid}"
    assert officer.post(f"{published}/discard", {"seen": world.framework.content_hash}).status_code == 409
    assert officer.get(published).status_code == 200


def test_a_standard_that_was_never_more_than_a_draft_goes_whole(browse, world):
    own = {"how": "own", "base": world.framework.uuid, "title_zh": "本地", "code": "local-7"}
    officer = browse(cast.OFFICER)
    officer.post(f"/curate/frameworks/{world.framework.uuid}/crosswalk/propose")
    for _ in range(2):  # its code is free again
        _officer, here = begin(browse, world, **own)
        here = here.partition("?")[0]
        seen = drafts(world)[0].content_hash
        assert officer.post(f"{here}/discard", {"seen": seen}).status_code == 303
    codes = world.session.exec(select(competencies.CompetencyFramework.code)).all()
    assert "local-7" not in codes


def test_english_and_names_of_its_own_reach_teachers(browse, world, all_confirmed):
    officer, url = begin(browse, world)
    words = fields(officer.get(f"{url}/points/A1").text)
    words |= {"name_en": "Know your class", "question_en": "Who are they?"}
    assert officer.post(f"{url}/points/A1", words).status_code == 303
    head = fields(officer.get(f"{url}/head").text)
    refused = officer.post(f"{url}/head", {**head, "l.pass.zh": "达标", "l.excellent.zh": "达标"})
    assert (refused.status_code, refused.text.count("两个等次不能是同一个叫法")) == (422, 2)
    head |= {"d.learner_analysis.zh": "了解学生", "d.learner_analysis.en": "Knowing learners"}
    assert officer.post(f"{url}/head", head).status_code == 303
    changes = officer.get(f"{url}/changes").text
    assert "维度：了解学生" in changes
    assert "学情分析 / " in changes  # what it was called, in both languages
    version = drafts(world)[0]
    curate.publish(world.session, version, None, world.now, under_banner=True)
    world.programme.framework_version_id = pk(version)
    world.set_rules(choice={"required_points": 2, "min_dimensions": 1, "only": ["learner_analysis"]})
    world.session.commit()
    chen, points = browse(cast.CHEN), f"/programmes/{world.programme.uuid}/points"
    assert "只能从这些里选：了解学生" in chen.get(points).text
    chen.post("/me/locale", {"locale": "en"})
    page = chen.get(points).text
    for told in ("Know your class", "Who are they?", "Knowing learners"):
        assert told in page, told
