"""A framework that calls its levels otherwise: its words stand wherever a level is shown, in the page's language."""

from datetime import timedelta

from sqlmodel import select

import competencies
from competencies.levels import own_words
from lms_plugin.db import pk
from lms_plugin.flow import cases, curate, curate_views, editing, review, transfers
from lms_plugin.web import programme_words
from tests import people as cast
from tests.factories import programme_of
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of
from tests.rosters import put_on_roster
from tests.web import pages_chain, pages_transfers
from tests.web.test_oversee import sheet

OWN = {
    "excellent": {"zh": "示范", "en": "Exemplary"},
    "pass": {"zh": "达标", "en": "Proficient"},
    "fail": {"zh": "待提高", "en": "Developing"},
}


def test_usual_words_are_not_kept() -> None:
    usual = competencies.packs.load("framework_2_0").as_dict()["framework"]["levels"]
    assert own_words(usual) is None
    named = [{"code": code, **words, "rank": 0} for code, words in OWN.items()]
    assert own_words(named) == OWN
    assert own_words([*usual[1:], {**usual[0], "en": "Great"}]) is not None


def test_a_published_version_gives_its_words_to_its_points(world):
    session, actor = world.session, world.actor(cast.OFFICER)
    draft = editing.begin_next(session, actor, world.framework.uuid, world.now)
    levels = [{**one, **OWN[one["code"]]} for one in draft.content["framework"]["levels"]]
    changed = {**draft.content, "framework": {**draft.content["framework"], "levels": levels}}
    competencies.editing.keep_draft(session, draft, changed)
    curate.publish(session, draft, None, world.now, under_banner=True)
    points = session.exec(
        select(competencies.CompetencyPoint).where(competencies.CompetencyPoint.framework_version_id == pk(draft))
    ).all()
    assert [point.level_words for point in points] == [OWN] * 30
    made = programme_of(session, world.tenant, world.county, draft, "新的一期", world.now)
    words = dict(programme_words.teacher_words(curate_views.programme(session, actor, made.uuid, world.now)))
    assert "示范、达标、待提高" in words["等次的叫法"]
    assert world.point("A3").level_words is None


def test_reviews_cases_and_results_use_the_words_of_the_framework(browse, world):
    for code in ("A3", "A5"):
        world.point(code).level_words = OWN
        world.session.add(world.point(code))
    works = {who.key: hand_in(world, who, "A3", world.now - timedelta(hours=2)) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    earn(world, cast.ZHOU, "A5", level=2)
    world.session.commit()
    one = reviews_of(world, works["chen"])[0]
    reader = browse(cast_of(world, one.reviewer_id))
    page = reader.get(f"/reviews/{one.uuid}").text
    assert "<span>达标</span>" in page
    assert "<span>示范</span>" in page
    assert "<span>未达到</span>" in page
    assert "<span>合格</span>" not in page
    reader.post("/me/locale", {"locale": "en"})
    assert "<span>Proficient</span>" in reader.get(f"/reviews/{one.uuid}").text
    case = browse(cast.TRAINER).get(f"/cases/{works['chen'].uuid}").text
    assert "<span>示范</span>" in case
    assert "<span>优秀</span>" not in case
    zhou = browse(cast.ZHOU)
    home = zhou.get(f"/programmes/{world.programme.uuid}").text
    assert "示范" in home
    assert "示范" in zhou.get(f"/submissions/{works['zhou'].uuid}").text
    record = zhou.get(f"/record/{world.programme.uuid}").text
    assert "示范" in record


def main(page: str) -> str:
    return page.partition("<main")[2].partition("</main>")[0]


def in_own_words(world) -> None:
    """Every point of the district's standard, as if it had been published with these words."""
    points = world.session.exec(
        select(competencies.CompetencyPoint).where(
            competencies.CompetencyPoint.framework_version_id == pk(world.framework)
        )
    )
    for point in points:
        point.level_words = OWN
        world.session.add(point)
    world.session.flush()


def test_the_trainers_desk_and_the_release_use_the_words_of_the_framework(browse, world):
    in_own_words(world)
    works = {who.key: hand_in(world, who, "A3", world.now - timedelta(hours=2)) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    for who, level in ((cast.CHEN, 2), (cast.WANG, 0)):
        for one in reviews_of(world, works[who.key]):
            finish_review(world, one, world.now, level)
    trainer = world.actor(cast.TRAINER)
    marks = judgement(all_marks(world, works["li"], 1))
    cases.decide(world.session, trainer, works["li"].uuid, marks, 0, 1, world.now)
    world.session.commit()
    uuid, desk = world.programme.uuid, browse(cast.TRAINER)
    agreed = main(desk.get(f"/cases?programme={uuid}&state=agreed").text)
    for words in ("一致：示范", "一致：待提高", '<option value="2">示范</option>'):
        assert words in agreed, words
    assert '<option value="1">达标</option>' in desk.get(f"/cases?programme={uuid}&state=late").text
    assert "已定：达标" in desk.get(f"/cases?programme={uuid}&state=decided").text
    listed = main(desk.get(f"/cases/agreed/{uuid}").text)
    assert "示范" in listed
    assert "一致评为待提高" in listed
    release = main(browse(cast.OFFICER).get(f"/release/{uuid}").text)
    assert release.count("达标") == 2  # how many, and the one to look at
    for page in (agreed, listed, release):
        assert "优秀" not in page
        assert "不合格" not in page
    desk.post("/me/locale", {"locale": "en"})
    assert "Agreed: Exemplary" in desk.get(f"/cases?programme={uuid}&state=agreed").text


def test_the_chain_and_the_notice_use_the_words_of_the_framework(browse, world):
    in_own_words(world)
    found = pages_chain.populate(world, world.now)
    drawn = world.session.exec(select(competencies.BatchWork).where(competencies.BatchWork.level == 2)).all()
    for work in drawn:
        work.drawn = "excellent"
        world.session.add(work)
    world.session.commit()
    officer, school = browse(cast.OFFICER), world.schools["希望小学"].uuid
    own = main(officer.get(f"/chain/{found['Q']}/{school}").text)
    batch = main(officer.get(f"/batches/{found['checking']}").text)
    notice = main(browse(cast.WANG).get(f"/publicity/{found['shown']}").text)
    assert "达标" in own
    for words in ("示范必查", "，示范的全部", "达标"):
        assert words in batch, words
    for words in ("示范", "达标", "待提高的只有您自己看得到"):
        assert words in notice, words
    for page in (own, batch, notice):
        assert "优秀" not in page


def test_proofs_sheets_and_leaving_records_use_the_words_of_the_framework(browse, world):
    in_own_words(world)
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    competencies.seal(world.session, pk(world.tenant), world.now)
    world.session.commit()
    mine = browse(cast.CHEN).get("/transfer").text
    leaving = transfers.ask(world.session, world.actor(cast.CHEN), pages_transfers.FAR, "安宁县", world.now).uuid
    world.session.commit()
    auditor, officer = browse(cast.AUDITOR), browse(cast.OFFICER)
    drawn = auditor.post("/audit/draws", {"key": "k", "wanted": "1", "seed": "s"}).headers["Location"]
    proof = main(auditor.get(f"{drawn}/1").text)
    assert "A3 演示文稿设计与制作 · 示范" in proof
    with officer.get(f"/progress/{world.programme.uuid}/{world.county.uuid}/sheet") as answer:
        head, *rows = sheet(answer)["名单"]
    assert rows[[row[0] for row in rows].index("陈晓芳")][head.index("能力点")] == "A3 示范、A5 示范、B1 示范"
    for page in (mine, officer.get(f"/transfers/leaving/{leaving}").text):
        assert main(page).count("<span>示范</span>") == 3
