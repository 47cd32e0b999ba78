"""The trainer's desk and the release page as a browser sees them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import review, submit
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, finish_review, hand_in, reviews_of
from tests.web.counting import queries

HOUR = timedelta(hours=1)
Browse = Callable[[cast.Cast | None], Browser]


@pytest.fixture
def work(world: World) -> competencies.Submission:
    found = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    world.session.commit()
    return found


@pytest.fixture
def agreed(world: World) -> dict[str, competencies.Submission]:
    """Everybody's work with two reviews that say 合格 everywhere."""
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    for one in works.values():
        for row in reviews_of(world, one):
            finish_review(world, row, world.now, 1)
    world.session.commit()
    return works


def form(world: World, work: competencies.Submission, level: int = 1, base: int = 0, **more: str) -> dict[str, str]:
    found = {"base": str(base), "number": "1", "act": "decide"}
    for key, draft in all_marks(world, work, level).items():
        found[f"m.{key.item_key}.{key.criterion_key}"] = str(draft.level)
        found[f"r.{key.item_key}.{key.criterion_key}"] = draft.reason
    return {**found, **more}


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return found[1]


def test_the_queue_counts_and_leads_to_the_first_case(
    browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    page = browse(cast.TRAINER).get("/cases")
    assert page.status_code == 200
    assert "6 份材料等您定" in page.text
    assert "已一致 6" in page.text
    assert "陈晓芳" in page.text
    filtered = browse(cast.TRAINER).get("/cases?state=split&agreed=2&programme=&page=zzz")
    assert filtered.status_code == 200
    assert "陈晓芳" not in filtered.text


def test_a_case_is_decided_and_the_next_one_opens(
    world: World, browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    trainer, work = browse(cast.TRAINER), agreed["chen"]
    page = trainer.get(f"/cases/{work.uuid}")
    assert page.status_code == 200
    assert "陈晓芳 · 希望小学" in page.text
    assert 'data-agreed="1"' in page.text
    assert page.text.count(" checked") == len(all_marks(world, work))  # prefilled from what both said
    done = trainer.post(f"/cases/{work.uuid}", form(world, work))
    assert done.status_code == 303
    following = done.location
    assert following.startswith("/cases/")
    assert work.uuid not in following
    assert trainer.get(following).status_code == 200
    assert "发布前还可以改" in trainer.get(f"/cases/{work.uuid}").text


def test_a_second_decision_shows_what_stands_and_keeps_what_was_typed(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    first, second = browse(cast.TRAINER), browse(cast.OTHER_TRAINER)
    second.get(f"/cases/{work.uuid}")
    seen = first.get(f"/cases/{work.uuid}").text
    assert "由 郑评 打开，刚刚" in seen
    assert first.post(f"/cases/{work.uuid}", form(world, work, 2)).status_code == 303
    late = second.post(f"/cases/{work.uuid}", form(world, work, 0, reason="我的意见还在"))
    assert late.status_code == 409
    assert "吴培 已经定了这一份" in late.text
    assert "优秀" in late.text
    assert "我的意见还在" in late.text
    again = form(world, work, 0, base=int(hidden(late.text, "base")))
    assert second.post(f"/cases/{work.uuid}", again).status_code == 303
    world.session.expire_all()
    row = competencies.decision_of(world.session, [work.current_version_id or 0])[work.current_version_id or 0]
    assert (row.point_level, row.decided_by_id) == (0, pk(world.person(cast.OTHER_TRAINER)))


def test_before_the_withdraw_time_is_over_the_page_says_so_and_loses_nothing(
    world: World, browse: Browse, clock: list[datetime]
) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(minutes=10))
    world.session.commit()
    trainer = browse(cast.TRAINER)
    assert "09:20 前作者还可以撤回" in trainer.get(f"/cases/{work.uuid}").text
    for act in ("decide", "return"):
        marks = form(world, work, 0, act=act, reason="写了很久的总评") | {"r.slides.focus": "这一条的理由"}
        early = trainer.post(f"/cases/{work.uuid}", marks)
        assert early.status_code == 422
        for words in ("还可以撤回", "写了很久的总评", "这一条的理由", "您填的都还在下面"):
            assert words in early.text
        assert early.text.count(" checked") == len(all_marks(world, work))
    clock[0] += timedelta(minutes=21)
    assert "前作者还可以撤回" not in trainer.get(f"/cases/{work.uuid}").text
    assert trainer.post(f"/cases/{work.uuid}", marks).status_code == 303


def test_a_newer_version_shows_itself_with_what_was_typed(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    trainer = browse(cast.TRAINER)
    newer = form(world, work, 1, reason="写给上一版的") | {"number": "7"}
    answer = trainer.post(f"/cases/{work.uuid}", newer)
    assert answer.status_code == 409
    assert "请看过现在的材料再定" in answer.text
    assert "写给上一版的" in answer.text
    assert hidden(answer.text, "number") == "1"


def test_a_refusal_without_a_form_still_shows_what_was_typed(
    world: World, browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    trainer, work = browse(cast.TRAINER), agreed["chen"]
    assert trainer.post(f"/cases/{work.uuid}", form(world, work)).status_code == 303
    row = competencies.decision_of(world.session, [work.current_version_id or 0])[work.current_version_id or 0]
    row.released_at = world.now
    world.session.add(row)
    world.session.commit()
    refused = trainer.post(f"/cases/{work.uuid}", form(world, work, 0, reason="晚了一步的总评"))
    assert refused.status_code in {409, 422}
    assert "晚了一步的总评" in refused.text


@pytest.mark.parametrize("length", [4001, 1_000_000])
def test_a_reason_too_long_is_refused_beside_its_field_whole(
    world: World, browse: Browse, work: competencies.Submission, length: int
) -> None:
    trainer, long = browse(cast.TRAINER), "长" * length
    for field in ("reason", "r.slides.focus"):
        answer = trainer.post(f"/cases/{work.uuid}", form(world, work, 0, act="return") | {"reason": "短", field: long})
        assert answer.status_code == 422
        assert f"写得太长：共 {length} 字，最多 4000 字" in answer.text
        assert long in answer.text
    world.session.expire_all()
    assert work.state is competencies.SubmissionState.SUBMITTED
    fits = form(world, work, 0, act="return") | {"reason": "长" * 4000}
    assert trainer.post(f"/cases/{work.uuid}", fits).status_code == 303


def test_returning_without_a_reason_is_refused_beside_the_field(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    trainer = browse(cast.TRAINER)
    refused = trainer.post(f"/cases/{work.uuid}", form(world, work, act="return"))
    assert refused.status_code == 422
    assert "退回要写理由" in refused.text
    reason = "请补上图片出处\u202e\x00"
    refused = trainer.post(f"/cases/{work.uuid}", form(world, work, act="return", reason=reason))
    assert refused.status_code == 422
    assert "还没有指出要改哪一项" in refused.text
    assert "请补上图片出处" in refused.text
    said = form(world, work, 0, act="return", reason=reason)
    assert trainer.post(f"/cases/{work.uuid}", said).status_code == 303
    world.session.expire_all()
    assert work.state is competencies.SubmissionState.RETURNED
    row = competencies.decision_of(world.session, [work.current_version_id or 0])[work.current_version_id or 0]
    assert row.reason == "请补上图片出处"


def test_a_late_work_offers_to_let_it_in(world: World, browse: Browse, work: competencies.Submission) -> None:
    work.state = competencies.SubmissionState.LATE
    world.session.add(work)
    world.session.commit()
    trainer = browse(cast.TRAINER)
    page = trainer.get(f"/cases/{work.uuid}")
    assert "迟交，收不收由您定" in page.text
    assert trainer.post(f"/cases/{work.uuid}", form(world, work)).status_code == 422
    assert trainer.post(f"/cases/{work.uuid}/accept").status_code == 303
    assert trainer.post(f"/cases/{work.uuid}", form(world, work)).status_code == 303


def test_a_late_work_is_not_called_decided_in_the_queue(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    work.state = competencies.SubmissionState.LATE
    world.session.add(work)
    world.session.commit()
    page = browse(cast.TRAINER).get("/cases").text
    assert "1 份迟交的材料，收不收等您定" in page
    assert "都定完了" not in page
    assert f'href="/cases/{work.uuid}?state=late"' in browse(cast.TRAINER).get("/cases?state=late").text
    assert "1 份材料等评审员定" in browse(cast.OFFICER).get("/cases").text


def test_who_only_looks_is_offered_no_decision(
    world: World, browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    """Every way onward that the page offers answers, for each role."""
    address = f"/cases?programme={world.programme.uuid}"
    for who, decides in ((cast.TRAINER, True), (cast.OFFICER, False), (cast.AUDITOR, False)):
        page = browse(who).get(address)
        assert ("份材料等您定" in page.text) is decides
        assert ("6 份材料等评审员定" in page.text) is not decides
        assert ("成批确认" in page.text) is decides
        assert ("退给我的" in page.text) is decides
        for link in set(re.findall(r'href="(/cases[^"]*)"', page.text)):
            assert browse(who).get(link.replace("&amp;", "&")).status_code == 200, link


def test_list_mode_shows_counts_and_three_then_confirms(
    world: World, browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    trainer = browse(cast.TRAINER)
    address = f"/cases/agreed/{world.programme.uuid}"
    page = trainer.get(address)
    assert "确认 6 份互评一致的材料" in page.text
    assert page.text.count('target="_blank"') == 3 + 6  # three to look at first, and the list of all
    done = trainer.post(address, {"case": re.findall(r'name="case" value="([0-9a-f]+)"', page.text)})
    assert done.status_code == 303
    for _refreshed in range(2):
        shown = trainer.get(done.location).text
        assert "已确认 6 份" in shown
        assert "没有动" not in shown
    assert "没有等您定的材料" in trainer.get("/cases").text


def test_a_returned_work_is_found_and_the_return_taken_back(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    trainer = browse(cast.TRAINER)
    back = form(world, work, **{"act": "return", "m.slides.rights": "0", "r.slides.rights": "图片没有出处"})
    assert trainer.post(f"/cases/{work.uuid}", back).status_code == 303
    listed = trainer.get("/cases?state=returned").text
    assert "等参训教师修改" in listed
    assert f'href="/cases/{work.uuid}?state=returned"' in listed
    assert (
        f"/cases?programme={world.programme.uuid}&amp;state=returned"
        in browse(cast.OFFICER).get(f"/release/{world.programme.uuid}").text
    )
    world.session.expire_all()
    assert trainer.post(f"/cases/{work.uuid}", form(world, work, base=1)).status_code == 303
    world.session.expire_all()
    assert work.state is competencies.SubmissionState.DECIDED


def test_nothing_is_returned_once_the_programme_is_over(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    world.programme.state = competencies.ProgrammeState.CLOSED
    world.session.add(world.programme)
    world.session.commit()
    trainer = browse(cast.TRAINER)
    page = trainer.get(f"/cases/{work.uuid}").text
    assert "项目已经结束" in page
    assert 'value="return"' not in page
    back = form(world, work, **{"act": "return", "m.slides.rights": "0", "r.slides.rights": "图片没有出处"})
    refused = trainer.post(f"/cases/{work.uuid}", back)
    assert refused.status_code == 422
    assert "图片没有出处" in refused.text
    world.session.expire_all()
    assert work.state is competencies.SubmissionState.SUBMITTED
    assert trainer.post(f"/cases/{work.uuid}", form(world, work)).status_code == 303


def test_the_desk_is_reached_from_the_menu_by_who_may_read_it(world: World, browse: Browse) -> None:
    for who, opens in (
        (cast.TRAINER, True),
        (cast.OFFICER, True),
        (cast.AUDITOR, True),
        (cast.LEAD, False),
        (cast.IT, False),
    ):
        assert ('<a href="/cases"' in browse(who).get("/help").text) is opens, who
    assert (
        f'href="/release/{world.programme.uuid}"'
        in browse(cast.OFFICER).get(f"/progress/{world.programme.uuid}/{world.county.uuid}").text
    )


def test_phrases_are_added_and_deleted(world: World, browse: Browse, work: competencies.Submission) -> None:
    trainer = browse(cast.TRAINER)
    assert trainer.post("/cases/phrases", {"text": ""}).status_code == 422
    long = trainer.post("/cases/phrases", {"text": "长" * 501})
    assert long.status_code == 422
    assert "最多 500" in long.text
    assert "长" * 501 in long.text  # still in its field
    assert trainer.post("/cases/phrases", {"text": "请补上图片出处"}).status_code == 303
    assert "请补上图片出处" in trainer.get(f"/cases/{work.uuid}").text
    row = world.session.exec(select(rubrics.Phrase)).one()
    assert browse(cast.OTHER_TRAINER).post(f"/cases/phrases/{row.uuid}/delete").status_code == 404
    assert trainer.post(f"/cases/phrases/{row.uuid}/delete").status_code == 303
    assert "请补上图片出处" not in trainer.get("/cases/phrases").text


def test_release_says_what_will_happen_and_does_it(world: World, browse: Browse) -> None:
    trainer, officer = browse(cast.TRAINER), browse(cast.OFFICER)
    for code in ("A3", "A5", "A6"):
        work = hand_in(world, cast.CHEN, code, world.now - 2 * HOUR)
        world.session.commit()
        assert trainer.post(f"/cases/{work.uuid}", form(world, work)).status_code == 303
    address = f"/release/{world.programme.uuid}"
    page = officer.get(address)
    assert "3 份定好的材料等着发布" in page.text
    assert "1 人记 25 学时（实践应用）。" in page.text
    assert "成绩回传到 1 门课。" in page.text
    done = officer.post(address, {"case": re.findall(r'name="case" value="([0-9a-f]+)"', page.text)})
    assert done.status_code == 303
    assert "已发布 3 份，1 人记了学时" in officer.get(done.location).text
    chen = pk(world.person(cast.CHEN))
    totals = competencies.balance(world.session, pk(world.programme), [chen])[chen]
    assert totals[competencies.CreditKind.PRACTICE] == 2500


def test_strangers_others_and_wrong_roles(world: World, browse: Browse, work: competencies.Submission) -> None:
    pages = [f"/cases/{work.uuid}", f"/cases/agreed/{world.programme.uuid}", f"/release/{world.programme.uuid}"]
    for who, status in ((None, 401), (cast.NEIGHBOUR, 404), (cast.WANG, 403), (cast.CHEN, 403), (cast.IT, 403)):
        browser = browse(who)
        for address in pages:
            assert browser.get(address).status_code == status, (who, address)
    acts = [f"/cases/{work.uuid}", f"/cases/{work.uuid}/accept", f"/release/{world.programme.uuid}"]
    for who, status in ((None, 401), (cast.NEIGHBOUR, 404), (cast.WANG, 403), (cast.CHEN, 403), (cast.AUDITOR, 403)):
        browser = browse(who)
        for address in acts:
            assert browser.post(address, form(world, work)).status_code == status, (who, address)
    assert browse(cast.NEIGHBOUR).get(f"/cases?programme={world.programme.uuid}").status_code == 404
    assert "陈晓芳" not in browse(cast.NEIGHBOUR).get("/cases").text
    assert browse(cast.WANG).get("/cases").status_code == 403
    assert browse(cast.AUDITOR).get(f"/cases/{work.uuid}").status_code == 200
    assert 'name="act"' not in browse(cast.AUDITOR).get(f"/cases/{work.uuid}").text
    confirmed = browse(cast.WANG).post(f"/cases/agreed/{world.programme.uuid}", {"case": work.uuid})
    assert confirmed.status_code == 403


def test_the_desk_costs_the_same_however_long_the_queue(
    world: World, browse: Browse, agreed: dict[str, competencies.Submission]
) -> None:
    trainer, officer = browse(cast.TRAINER), browse(cast.OFFICER)
    for key in ("wang", "li"):
        assert trainer.post(f"/cases/{agreed[key].uuid}", form(world, agreed[key])).status_code == 303
    world.set_rules(review={"exclude_own_school": True})  # the next work finds no reviewer
    hand_in(world, cast.CHEN, "A7", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 4, world.now)
    world.session.commit()
    addresses = [
        (trainer, "/cases"),
        (trainer, f"/cases?programme={world.programme.uuid}&state=agreed"),
        (trainer, f"/cases/{agreed['chen'].uuid}"),
        (trainer, f"/cases/agreed/{world.programme.uuid}"),
        (officer, f"/release/{world.programme.uuid}"),
        (officer, f"/reviews/allocation/{world.programme.uuid}"),
    ]
    for browser, address in addresses:
        browser.get(address)  # the first view is written down
    before = [queries(world, lambda b=browser, a=address: b.get(a)) for browser, address in addresses]
    for code in ("A5", "A6"):
        for who in cast.TEACHERS:
            hand_in(world, who, code, world.now - 2 * HOUR)
    world.session.commit()
    after = [queries(world, lambda b=browser, a=address: b.get(a)) for browser, address in addresses]
    assert before == after
    assert max(after) <= 12, after


def test_a_late_work_is_not_let_in_with_a_reason_and_may_still_be(
    world: World, browse: Browse, work: competencies.Submission
) -> None:
    work.state = competencies.SubmissionState.LATE
    world.session.add(work)
    world.session.commit()
    trainer, chen = browse(cast.TRAINER), browse(cast.CHEN)
    address = f"/cases/{work.uuid}"
    unsaid = trainer.post(f"{address}/decline", {"declined": "  "})
    assert unsaid.status_code == 422
    assert "请写一句为什么不接收" in unsaid.text
    assert 'form="accept"' in unsaid.text  # they may still let it in
    assert browse(cast.OFFICER).post(f"{address}/decline", {"declined": "晚了"}).status_code == 403
    assert browse(cast.NEIGHBOUR).post(f"{address}/decline", {"declined": "晚了"}).status_code == 404
    assert trainer.post(f"{address}/decline", {"declined": "晚了两周，没有说明"}).status_code == 303
    assert "晚了两周，没有说明" in trainer.get(address).text
    assert work.uuid not in trainer.get("/cases?state=late").text
    assert work.uuid in trainer.get("/cases?state=declined").text
    assert "晚了两周，没有说明" in chen.get(f"/submissions/{work.uuid}").text
    assert "迟交，没有接收" in chen.get(f"/programmes/{world.programme.uuid}").text
    record = chen.get(f"/record/{world.programme.uuid}").text
    assert "迟交，没有接收" in record
    assert "没有接收的不计学时" in record
    assert trainer.post(f"{address}/accept").status_code == 303
    world.session.expire_all()
    assert work.state is competencies.SubmissionState.SUBMITTED
    assert "晚了两周" not in chen.get(f"/submissions/{work.uuid}").text
    meanwhile = trainer.post(f"{address}/decline", {"declined": "晚了三周"})
    assert meanwhile.status_code == 422
    assert "晚了三周" in meanwhile.text  # to be copied, though it came too late


def late_work(world: World, who: cast.Cast, code: str) -> competencies.Submission:
    """Handed in after the last day, opened by the trainer, and not let in."""
    found = hand_in(world, who, code, world.now - 2 * HOUR)
    found.state = competencies.SubmissionState.LATE
    world.session.add(found)
    world.session.commit()
    return found


def test_who_was_declined_still_sees_what_else_is_to_do(world: World, browse: Browse) -> None:
    work = late_work(world, cast.CHEN, "A3")
    trainer, chen = browse(cast.TRAINER), browse(cast.CHEN)
    trainer.get(f"/cases/{work.uuid}")
    assert trainer.post(f"/cases/{work.uuid}/decline", {"declined": "晚了两周"}).status_code == 303
    home = f"/programmes/{world.programme.uuid}"
    released = browse(cast.OFFICER).get(f"/release/{world.programme.uuid}").text
    assert re.search(r"<dt>还没定</dt><dd><a [^>]*>0</a>", released)
    assert "还要选 2 个能力点" in chen.get(home).text
    for code in ("A5", "B1"):
        hand_in(world, cast.CHEN, code, world.now - 2 * HOUR)
    world.session.commit()
    assert "是迟交的，没有接收" in chen.get(home).text  # nothing else is left
    assert "可以在“我的能力点”里换一个能力点" in chen.get(f"/submissions/{work.uuid}").text
    swapped = chen.post(f"{home}/points", {"point": ["A5", "B1", "A6"]})
    assert swapped.status_code == 303
    assert trainer.get(f"/cases/{work.uuid}").status_code == 404
    assert "A3" not in chen.get(home).text


def test_what_was_declined_and_then_returned_is_no_longer_declined(world: World, browse: Browse) -> None:
    work = late_work(world, cast.CHEN, "A3")
    trainer, chen = browse(cast.TRAINER), browse(cast.CHEN)
    assert trainer.post(f"/cases/{work.uuid}/decline", {"declined": "晚了两周"}).status_code == 303
    back = form(world, work, act="return", reason="请补一份")
    back |= {"m.slides.rights": "0", "r.slides.rights": "没有写出处"}
    assert trainer.post(f"/cases/{work.uuid}", back).status_code == 303
    record = chen.get(f"/record/{world.programme.uuid}").text
    assert "退回修改中" in record
    assert "没有接收" not in record


def test_a_decline_without_a_reason_keeps_what_the_page_was_filled_with(world: World, browse: Browse) -> None:
    work = late_work(world, cast.CHEN, "A3")
    trainer = browse(cast.TRAINER)
    back = form(world, work, act="return", reason="请补一份")
    back |= {"m.slides.rights": "0", "r.slides.rights": "没有写出处"}
    assert trainer.post(f"/cases/{work.uuid}", back).status_code == 303
    world.session.expire_all()
    hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR, "补好了")
    work.state = competencies.SubmissionState.LATE
    world.session.add(work)
    world.session.commit()
    before = trainer.get(f"/cases/{work.uuid}").text.count(" checked")
    assert before
    refused = trainer.post(f"/cases/{work.uuid}/decline", {"declined": ""})
    assert refused.status_code == 422
    assert refused.text.count(" checked") == before


def test_what_is_prepared_again_was_returned_by_nobody(world: World, browse: Browse) -> None:
    earn(world, cast.SUN, "A7", level=0)
    work = world.session.exec(
        select(competencies.Submission).where(competencies.Submission.person_id == pk(world.person(cast.SUN)))
    ).one()
    submit.prepare_again(world.session, world.actor(cast.SUN), work.uuid, world.now)
    world.session.commit()
    page = browse(cast.TRAINER).get("/cases?state=returned").text
    assert "不合格，重新准备中" in page
    assert "等参训教师修改" not in page
    assert "退回</span>" not in page


def test_nobody_lets_in_or_declines_a_version_that_they_have_not_seen(world: World, browse: Browse) -> None:
    work = late_work(world, cast.CHEN, "A3")
    trainer, address = browse(cast.TRAINER), f"/cases/{work.uuid}"
    seen = {"number": hidden(trainer.get(address).text, "number")}
    submit.withdraw(world.session, world.actor(cast.CHEN), work.uuid, world.now - 2 * HOUR)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, "另一份")
    world.session.expire_all()
    work.state = competencies.SubmissionState.LATE
    world.session.add(work)
    world.session.commit()
    stale = trainer.post(f"{address}/decline", {"declined": "第一份没有写完", **seen})
    assert (stale.status_code, "第一份没有写完" in stale.text) == (409, True)
    assert trainer.post(f"{address}/accept", seen).status_code == 409
    assert trainer.post(f"{address}/accept", {"number": hidden(trainer.get(address).text, "number")}).status_code == 303
