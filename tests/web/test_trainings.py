"""Trainings through the browser's eyes: the pages of a lead, the code in the tool, and a phone that knows nobody."""

import re
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import select

import competencies
from lms_plugin import db, media
from lms_plugin.flow import sessions, sign_in, training_hours
from tests import people as cast
from tests.conftest import NOW
from tests.factories import World, world_in
from tests.flow.test_trainings import entries, planned
from tests.rosters import put_on_roster
from tests.serving import tool_on_loopback
from tests.web.launching import row_counts, written

FORM = {
    "title": "信息技术校本研修",
    "kind": "offline",
    "expects": "roster",
    "day": "2026-11-02",
    "starts": "9:00",
    "ends": "10：30",
    "place": "阶梯教室",
}


def test_a_lead_plans_ticks_and_closes(browse, world: World, clock) -> None:
    chen = put_on_roster(world, cast.CHEN)
    lead = browse(cast.LEAD)
    refused = lead.post("/trainings/new", {**FORM, "starts": "25:00", "minutes": "x"})
    assert refused.status_code == 422
    assert {"请填时间，例如 14:30。", "请填整数。"} <= set(re.findall(r"</svg>([^<]+)</p>", refused.text))
    said = {**FORM, "unit": world.schools["希望小学"].uuid, "programme": world.programme.uuid}
    made = lead.post("/trainings/new", said)
    url = made.location
    assert "可以签到了：0 人已签到，应到 1 人" in lead.get(url).text
    values = re.findall(r'name="(\w+)" type="\w+" value="([^"]*)"', lead.get(f"{url}/edit").text)
    assert {("starts", "09:00"), ("ends", "10:30"), ("minutes", ""), ("last_day", "")} <= set(values)
    ticked = lead.post(f"{url}/people", {"shown": chen.uuid, "here": chen.uuid})
    assert "changed=1" in ticked.location
    assert lead.post(f"{url}/close").status_code == 409
    clock[0] += timedelta(hours=2)
    assert "booked=1" in lead.post(f"{url}/close").location
    assert "已经结束：1 人参加，共记 2 学时" in lead.get(url).text
    assert "booked=0" in lead.post(f"{url}/close").location
    assert [row.kind for row in entries(world)] == [competencies.CreditKind.OFFLINE]
    progress = f"/progress/{world.programme.uuid}/"
    own_page = lead.get(progress + world.schools["希望小学"].uuid).text
    assert re.search(r"<dt>本学期培训</dt><dd><a [^>]*>1</a>", own_page)
    assert "本学期培训" not in browse(cast.OFFICER).get(progress + world.county.uuid).text
    record = browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text
    assert "培训：信息技术校本研修" in record
    assert "参加的培训（共 90 分钟）" in record
    assert browse(cast.CHEN).get(url).status_code == 403


def test_a_large_training_says_how_far_it_is(browse, world: World, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_hours, "AT_ONCE", 1)
    rows = [put_on_roster(world, who).uuid for who in (cast.CHEN, cast.WANG)]
    lead, url = browse(cast.LEAD), f"/trainings/{planned(world).uuid}"
    world.session.commit()
    lead.post(f"{url}/people", {"shown": rows, "here": rows})
    clock[0] += timedelta(hours=2)
    page = lead.get(lead.post(f"{url}/close").location).text
    for words in ("正在记学时", "<b>1</b> / 2"):
        assert words in page
    assert "补记学时" not in page


def test_a_list_is_sent_checked_and_taken_in(browse, world: World) -> None:
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    world.session.commit()
    lead, url = browse(cast.LEAD), f"/trainings/{made.uuid}/import"
    empty = lead.get(f"{url}/template")
    assert empty.data.startswith(b"PK")
    empty.close()
    wrong = lead.post(url, {"file": (BytesIO("工号,姓名\nXW001,陈晓".encode()), "a.csv")})
    assert "第 2 行 B 列" in lead.get(wrong.location).text
    assert lead.post(wrong.location).status_code == 409
    sent = lead.post(url, {"file": (BytesIO("工号,姓名,分钟\nXW001,陈晓芳,30".encode()), "a.csv")})
    assert "检查好了：要加 1 人" in lead.get(sent.location).text
    done = lead.post(sent.location)
    assert "changed=1" in done.location
    assert "导入" in lead.get(done.location).text
    assert browse(cast.OFFICER).get(sent.location).status_code == 404  # a file waits for who sent it
    assert lead.post(url, {"file": (BytesIO(b"x"), "a.csv")}).status_code == 422


def test_a_stale_form_is_refused_and_a_closed_training_stays(browse, world: World) -> None:
    made = planned(world)
    world.session.commit()
    lead = browse(cast.LEAD)
    said = {**FORM, "unit": world.schools["希望小学"].uuid, "programme": world.programme.uuid}
    url = f"/trainings/{made.uuid}"
    assert lead.post(f"{url}/edit", {**said, "version": made.version}).status_code == 303
    assert lead.post(f"{url}/edit", {**said, "version": "1"}).status_code == 409
    assert lead.post(f"{url}/cancel", {"reason": ""}).status_code == 422
    assert lead.post(f"{url}/cancel", {"reason": "停电"}).status_code == 303
    assert lead.post(f"{url}/edit", {**said, "version": "9"}).status_code == 409
    assert lead.post(f"{url}/close").status_code == 409


def test_a_wrong_code_counts_although_its_page_refuses(browse, world: World) -> None:
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    world.session.commit()
    chen, code = browse(cast.CHEN), competencies.trainings.rotating_code(made.sign_in_secret, world.now)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(10):
        assert chen.post("/trainings/mine", {"code": wrong}).status_code == 422
    answer = chen.post("/trainings/mine", {"code": code})
    assert "输错太多次了" in answer.text
    assert not world.session.exec(select(competencies.Attendance)).all()


def test_the_screen_asks_for_the_next_code_by_itself(browse, world: World) -> None:
    made = planned(world)
    world.session.commit()
    answer = browse(cast.LEAD).get(f"/trainings/{made.uuid}/screen")
    code = competencies.trainings.rotating_code(made.sign_in_secret, world.now)
    assert f"{code[:3]} {code[3:]}" in answer.text
    assert answer.headers["Refresh"] == "30"
    assert "<svg" in answer.text
    assert "style=" not in answer.text
    assert browse(cast.CHEN).get(f"/trainings/{made.uuid}/screen").status_code == 403


def test_a_phone_without_session_says_the_same_to_everybody(tool, browse, world: World, clock) -> None:
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    world.session.commit()
    page = browse(cast.CHEN).post("/trainings/mine/code", follow_redirects=True).text
    first, second = re.findall(r'class="digits">(\w{4})-(\w{4})<', page)[0]
    browse(cast.SUN).post("/trainings/mine/code")  # of another school
    key = tool.extensions["nengli"].settings.secret_key.get_secret_value()
    outsider = sign_in.personal_code(world.session, world.actor(cast.SUN), key)
    code = competencies.trainings.rotating_code(made.sign_in_secret, world.now)
    url, phone = f"/sign-in/{made.uuid}/{code}", tool.test_client()
    asked = phone.get(url)
    assert asked.status_code == 200
    given = re.findall(r'name="pass" value="([^"]+)"', asked.text)[0]
    clock[0] += timedelta(minutes=4)
    before = row_counts(world.session)
    answers = [phone.post(url, data={"pass": given, "own_code": typed}) for typed in ("ABCD2345", outsider, "")]
    assert {answer.status_code for answer in answers} == {422}
    assert len({re.sub(r'value="[^"]*"|data-posted="[^"]*"', "", answer.text) for answer in answers}) == 1
    assert phone.get(url).status_code == phone.post(url, data={"own_code": first + second}).status_code == 404
    assert phone.post(url, data={"pass": f"1-{given}", "own_code": first + second}).status_code == 404
    done = phone.post(url, data={"pass": given, "own_code": f"{first.lower()} {second}"})
    assert "签好了" in done.text
    assert not [name for name in (cast.CHEN.name, "希望小学", "陈") if name in done.text]
    assert phone.post(url, data={"pass": given, "own_code": first + second}).status_code == 200  # a second click
    assert written(before, row_counts(world.session)) == {"attendance": 1, "attendance_change": 1, "sign_in_try": 3}


@pytest.mark.browser
def test_somebody_scans_with_a_phone_and_signs_in(browser: Browser, own_district_url: str, tmp_path: Path) -> None:
    """The lead's screen, a phone without session and without scripts, and the list that then names her."""
    with tool_on_loopback(own_district_url, tmp_path, lambda: NOW) as tool, tool.sessions() as session:
        db.writes(session)
        world = world_in(session, NOW)
        put_on_roster(world, cast.CHEN)
        made = planned(world)
        cookies = {who: signed_in(world, who) for who in (cast.LEAD, cast.CHEN)}
        session.commit()

        def window(who: cast.Cast | None, width: int = 1280) -> Page:
            context = browser.new_context(
                locale="zh-CN", viewport={"width": width, "height": 720}, java_script_enabled=who is not None
            )
            context.set_default_timeout(15_000)
            if who is not None:
                address = tool.url.replace("http:", "https:")
                cookie = {"name": "__Host-nengli", "value": cookies[who], "url": address, "secure": True}
                context.add_cookies([cookie])
            return context.new_page()

        teacher = window(cast.CHEN, 360)
        teacher.goto(f"{tool.url}/trainings/mine")
        teacher.get_by_role("button", name="给我一个签到码").click()
        own_code = teacher.locator(".digits").inner_text()
        screen = window(cast.LEAD)
        screen.goto(f"{tool.url}/trainings/{made.uuid}/screen")
        shown = screen.locator(".digits").inner_text().replace(" ", "")
        scanned = f"{tool.url}/sign-in/{made.uuid}/{shown}"
        drawn = re.findall(r' d="([^"]+)"', media.qr_svg(scanned))
        seen = [path.get_attribute("d") for path in screen.locator(".signin svg path").all()]
        assert seen == drawn  # what the picture says is that address
        phone = window(None, 360)
        phone.goto(scanned)
        phone.get_by_label("我的签到码").fill("ABCD-2345")
        phone.get_by_role("button", name="签到").click()
        expect(phone.locator(".error")).to_contain_text("没有签上")
        phone.get_by_label("我的签到码").fill(own_code.lower())
        phone.get_by_role("button", name="签到").click()
        expect(phone.locator("h1")).to_have_text("签好了")
        assert cast.CHEN.name not in phone.content()
        screen.get_by_role("link", name="没有自己换？点这里").click()
        expect(screen.locator("main")).to_contain_text("1 人已签到")
        screen.goto(f"{tool.url}/trainings/{made.uuid}/people?show=here")
        expect(screen.locator("tbody")).to_contain_text(re.compile(f"{cast.CHEN.name}.*扫码", re.DOTALL))


def signed_in(world: World, who: cast.Cast) -> str:
    """The cookie of a launch of that person."""
    return sessions.open_session(
        world.session, world.person(who), world.course, timedelta(hours=8), NOW, locale="zh-Hans"
    ).token
