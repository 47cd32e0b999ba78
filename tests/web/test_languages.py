"""其他语言: a curator writes a draft's texts in further languages; each reader chooses the language of standards."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlmodel import select

import competencies
import rubrics
from competencies import editing
from lms_plugin.db import pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import curate, enter, exchange, review
from lms_plugin.flow import editing as drafts
from lms_plugin.web import framework_words
from tests import people as cast
from tests.flow.handed_in import cast_of, hand_in, reviews_of

UG = "ئۇيغۇرچە ئۆلچەم"
NAME, ASKS = "ئەھۋال تەھلىلى", "ئوقۇغۇچىلارنىڭ ئەھۋالى ئېنىق"


def begun(world):
    """A draft begun as the next version; gives its address."""
    draft = drafts.begin_next(world.session, world.actor(cast.OFFICER), world.framework.uuid, world.now)
    world.session.commit()
    return draft, f"/curate/frameworks/{draft.uuid}"


def fields(page):
    """The form of texts as a browser would send it."""
    form = re.search(r'<form method="post" [^>]*id="texts".*?</form>', page, re.DOTALL)[0]
    found = {"seen": re.search(r'name="seen" value="([^"]*)"', form)[1]}
    for name, value in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[unescape(name)] = unescape(value)
    return found


def of_draft(world, draft):
    world.session.expire_all()
    return world.session.get(competencies.FrameworkVersion, pk(draft))


def published(world):
    """The next version, partly in Uyghur, and a round that uses it."""
    draft, _url = begun(world)
    content = editing.add_language(draft.content, "ug", UG)
    key = content["points"][0]["evidence"][0]["criteria"][0]["key"]
    content = editing.translate(content, "ug", "A1", {"point:name": NAME, f"criterion:plan:{key}:excellent": ASKS})
    editing.keep_draft(world.session, draft, content)
    curate.publish(world.session, draft, pk(world.person(cast.OFFICER)), world.now, under_banner=True)
    world.framework = draft
    world.programme.framework_version_id = pk(draft)
    world.session.commit()
    return draft


def test_a_language_is_added_written_and_taken_out(browse, world):
    draft, url = begun(world)
    before = draft.content_hash
    officer = browse(cast.OFFICER)
    assert f'href="{url}/languages"' in officer.get(url).text
    assert "再加别的语言" in officer.get(f"{url}/languages").text
    for _click in range(2):
        added = officer.post(f"{url}/languages", {"tag": "UG", "title": UG})
        assert (added.status_code, added.headers["Location"]) == (303, f"{url}/languages/ug")
    overview = officer.get(f"{url}/languages/ug").text
    assert "维吾尔语：写了 1 /" in overview
    page = officer.get(f"{url}/languages/ug/points/A1").text
    assert re.search(r'<textarea [^>]*name="point:name" lang="ug" dir="auto"', page)
    sent = officer.post(f"{url}/languages/ug/points/A1", {**fields(page), "point:name": NAME, "then": "next"})
    assert sent.headers["Location"] == f"{url}/languages/ug/points/A2"
    again = fields(officer.get(f"{url}/languages/ug/points/A1").text)
    assert again["point:name"] == NAME
    head = fields(officer.get(f"{url}/languages/ug/head").text)
    assert head["framework:title"] == UG
    assert officer.post(f"{url}/languages/ug/head", {**head, "level:pass:name": "لاياقەتلىك"}).status_code == 303
    seen = re.search(r'/ug/drop".*?name="seen" value="([0-9a-f]+)"', officer.get(f"{url}/languages/ug").text)[1]
    assert officer.post(f"{url}/languages/ug/drop", {"seen": before}).status_code == 409
    for _click in range(2):
        assert officer.post(f"{url}/languages/ug/drop", {"seen": seen}).status_code == 303
    assert of_draft(world, draft).content_hash == before
    assert officer.get(f"{url}/languages/ug").status_code == 404


def test_what_was_confirmed_stays_confirmed_and_forms_of_official_words_keep_translations(browse, world):
    draft, url = begun(world)
    draft.confirmed_points = {"A1": {"by": 1, "at": "2026-11-20"}}
    world.session.commit()
    officer = browse(cast.OFFICER)
    officer.post(f"{url}/languages", {"tag": "ug", "title": UG})
    form = officer.get(f"{url}/points/A1").text  # opened before the translator saves
    seen = re.search(r'id="point".*?name="seen" value="([^"]+)"', form, re.DOTALL)[1]
    page = fields(officer.get(f"{url}/languages/ug/points/A1").text)
    assert officer.post(f"{url}/languages/ug/points/A1", {**page, "point:name": NAME}).status_code == 303
    assert set(of_draft(world, draft).confirmed_points) == {"A1"}
    point = editing.own_words(editing.point_of(draft.content, "A1"))
    typed = {key: value for key, value in point.items() if isinstance(value, str)}
    saved = officer.post(f"{url}/points/A1", {**typed, "seen": seen, "name_zh": "学情分析（新）"})
    assert saved.status_code == 303, saved.text
    now = of_draft(world, draft)
    assert editing.point_of(now.content, "A1")["translations"] == {"ug": {"name": NAME}}
    assert now.confirmed_points == {}
    page = fields(officer.get(f"{url}/languages/ug/points/A1").text)
    assert "学情分析（新）" in officer.get(f"{url}/languages/ug/points/A1").text


def test_two_translators_of_one_point_lose_nothing(browse, world):
    _draft, url = begun(world)
    one, other = browse(cast.OFFICER), browse(cast.OFFICER)
    one.post(f"{url}/languages", {"tag": "ug", "title": UG})
    first = fields(one.get(f"{url}/languages/ug/points/A1").text)
    second = dict(first)
    assert one.post(f"{url}/languages/ug/points/A1", {**first, "point:name": NAME}).status_code == 303
    clash = other.post(f"{url}/languages/ug/points/A1", {**second, "point:question": "سوئال"})
    assert clash.status_code == 409
    assert f"现在存的是：{NAME}" in clash.text
    assert "سوئال" in clash.text
    fresh = {**fields(clash.text), "point:name": NAME}
    assert other.post(f"{url}/languages/ug/points/A1", fresh).status_code == 303
    again = fields(one.get(f"{url}/languages/ug/points/A1").text)
    assert (again["point:name"], again["point:question"]) == (NAME, "سوئال")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tag": "维吾尔语", "title": "x"}, "这不是语言代码"),
        ({"tag": "zh", "title": "x"}, "已经有自己的栏"),
        ({"tag": "ug", "title": "另一个"}, "已经有这种语言了"),
        ({"tag": "bo", "title": ""}, "这一栏要填"),
    ],
)
def test_what_is_no_new_language_is_told_beside_its_field(browse, world, values, words):
    draft, url = begun(world)
    officer = browse(cast.OFFICER)
    officer.post(f"{url}/languages", {"tag": "ug", "title": UG})
    before = of_draft(world, draft).content_hash
    answer = officer.post(f"{url}/languages", values)
    assert (answer.status_code, words in answer.text) == (422, True)
    assert of_draft(world, draft).content_hash == before


def test_a_text_that_does_not_fit_is_told_beside_it(browse, world):
    draft, url = begun(world)
    officer = browse(cast.OFFICER)
    officer.post(f"{url}/languages", {"tag": "ug", "title": UG})
    page = fields(officer.get(f"{url}/languages/ug/points/A1").text)
    for text, words in (("长" * 501, "500"), ("a\u202eb", "看不见的控制字符")):
        answer = officer.post(f"{url}/languages/ug/points/A1", {**page, "point:name": text})
        assert answer.status_code == 422
        assert words in re.search(r'name="point:name".*?</p>', answer.text, re.DOTALL)[0]
    assert "translations" not in editing.point_of(of_draft(world, draft).content, "A1")


def test_teachers_read_a_standard_in_the_language_they_choose(browse, world):
    published(world)
    chen = browse(cast.CHEN)
    points = f"/programmes/{world.programme.uuid}/points"
    page = chen.get(points).text
    assert "用什么语言读标准" in page
    assert NAME not in page
    assert chen.post("/me/reading", {"language": "ug", "next": points}).headers["Location"] == points
    page = chen.get(points).text
    assert f'<span lang="ug" dir="auto">{NAME}</span>' in page
    assert "（还没有译文）" in page
    assert chen.post(points, {"point": ["A1", "A7", "B1"]}).status_code == 303
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id
            == select(competencies.CompetencyPoint.id)
            .where(
                competencies.CompetencyPoint.framework_version_id == pk(world.framework),
                competencies.CompetencyPoint.code == "A1",
            )
            .scalar_subquery(),
        )
    ).one()
    page = chen.get(f"/submissions/{work.uuid}").text
    assert f'<span lang="ug" dir="auto">{ASKS}</span>' in page
    chen.post("/me/reading", {"language": ""})
    assert f'<span lang="ug" dir="auto">{ASKS}</span>' not in chen.get(f"/submissions/{work.uuid}").text
    for wrong in ("zh", "UG", "<script>", "x" * 100):
        assert chen.post("/me/reading", {"language": wrong}).status_code == 404


def test_reviewers_read_criteria_in_their_language_and_who_decides_reads_the_official_words(browse, world):
    published(world)
    works = {who.key: hand_in(world, who, "A1", world.now - timedelta(hours=2)) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    world.session.commit()
    one = reviews_of(world, works["chen"])[0]
    reader = browse(cast_of(world, one.reviewer_id))
    reader.post("/me/reading", {"language": "ug"})
    page = reader.get(f"/reviews/{one.uuid}").text
    assert f'<dd><span lang="ug" dir="auto">{ASKS}</span></dd>' in page
    assert "（还没有译文）" in page
    assert "用什么语言读标准" in page
    trainer = browse(cast.TRAINER)
    trainer.post("/me/reading", {"language": "ug"})
    decided = trainer.get(f"/cases/{works['chen'].uuid}")
    assert (decided.status_code, ASKS in decided.text) == (200, False)


def test_without_further_languages_there_is_nothing_to_choose(browse, world):
    chen = browse(cast.CHEN)
    chen.post("/me/reading", {"language": "ug"})
    page = chen.get(f"/programmes/{world.programme.uuid}/points").text
    assert "用什么语言读标准" not in page
    assert "（还没有译文）" not in page


def test_changes_tell_each_language(browse, world):
    draft = published(world)
    page = browse(cast.OFFICER).get(f"/curate/frameworks/{draft.uuid}/changes").text
    assert f'ug: <span lang="ug" dir="auto">{NAME}</span>' in page
    assert "其他语言" in page


def test_a_translation_asks_no_mark_again(world):
    before = world.framework
    draft = published(world)
    old, new = (editing.item_of(editing.point_of(one.content, "A1"), "plan") for one in (before, draft))
    assert curate.criteria_of(new) != curate.criteria_of(old)
    edit = rubrics.edit_of(*(rubrics.criteria_from(curate.criteria_of(one)) for one in (old, new)))
    assert (edit.edit_class, edit.reworded) == (rubrics.EditClass.NOTHING, ())


def test_a_version_that_left_comes_back_as_itself(browse, world):
    draft = published(world)
    officer = browse(cast.OFFICER)
    data = officer.get(f"/curate/frameworks/{draft.uuid}/file?as=csv").get_data()
    found = exchange.check(world.session, world.actor(cast.OFFICER), data)
    assert (found.problems, found.same_as, found.languages) == ((), draft.uuid, ("ug",))


def test_the_language_of_standards_is_a_persons_own(world):
    actor = world.actor(cast.CHEN)
    enter.choose_reading(world.session, actor, "mn-Mong", world.now)
    assert world.person(cast.CHEN).reading_language == "mn-Mong"
    with pytest.raises(NotFound):
        enter.choose_reading(world.session, actor, "mn-mong", world.now)


def test_a_text_is_escaped_once():
    """The page escapes what it shows: words without a further language are plain text, with one they are marked up."""
    text = {"zh": "学生的<作业>", "en": "students' work & more"}
    plain = framework_words.value_words(text)
    assert (type(plain), plain) == (str, "学生的<作业> / students' work & more")
    marked = framework_words.value_words({**text, "ug": "<b>"})
    assert marked.__html__() == (
        '学生的&lt;作业&gt; / students&#39; work &amp; more / ug: <span lang="ug" dir="auto">&lt;b&gt;</span>'
    )
