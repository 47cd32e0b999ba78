"""学时证明 as people see it: made out on pages, printed, and checked by anybody who holds the paper."""

import io
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pikepdf
import pytest
from flask import Flask
from sqlmodel import select

import competencies
from competencies import Certificate
from lms_plugin import media
from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.flow import certificates
from lms_plugin.media import printing
from lms_plugin.people import RoleKind
from lms_plugin.web.edge import Pace
from tests import people as cast
from tests.certified import PAPER, certificate_for, picture_of_a_seal, sealed
from tests.factories import World, grant
from tests.flow.test_reversal import imported
from tests.ledgers import add_entry

HOSTILE = "</b><img src='file:///etc/passwd'><script>alert(1)</script>"


def committed(world: World, who: cast.Cast = cast.CHEN, hundredths: int = 2500) -> Certificate:
    made = certificate_for(world, who, hundredths)
    world.session.commit()
    return made


def text_of(pdf: bytes, tmp_path: Any) -> str:
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf)
    return media.document_text(path, "application/pdf", 20_000)


def test_an_officer_makes_them_out_for_a_school_and_for_one(browse: Any, world: World) -> None:
    for who in (cast.CHEN, cast.WANG):
        add_entry(world, 800, who)
    sealed(world)
    world.session.commit()
    officer, base = browse(cast.OFFICER), f"/certificates/{world.programme.uuid}"
    assert f'href="{base}"' in officer.get(f"/progress/{world.programme.uuid}/{world.county.uuid}").text
    assert officer.post(base, {"paper": "", "own": "1"}).status_code == 422
    assert officer.post(base, {"paper": PAPER}).status_code == 303
    school = f"{base}/{world.schools[cast.CHEN.school].uuid}"
    assert PAPER in officer.get(school).text
    assert officer.post(school, {"paper": ""}).status_code == 422
    done = officer.post(school, {"paper": PAPER}).headers["Location"]
    assert "made=" in done
    assert "发了" in officer.get(done).text
    assert "made=0" in officer.post(school, {"paper": PAPER}).headers["Location"]
    record = f"/record/{world.programme.uuid}/{world.person(cast.CHEN).uuid}"
    page = officer.get(f"{record}/certificate").text
    assert "不用再发" in page
    found = world.session.exec(select(Certificate).where(Certificate.person_id == pk(world.person(cast.CHEN)))).one()
    assert f"/certificate/{found.uuid}" in officer.get(record).text


def test_a_teacher_opens_and_takes_their_own(browse: Any, world: World) -> None:
    add_entry(world, 2500)
    sealed(world)
    world.session.commit()
    chen, record = browse(cast.CHEN), f"/record/{world.programme.uuid}"
    assert "开具学时证明" not in chen.get(record).text
    assert chen.post(f"{record}/certificate").status_code == 422
    actor = world.actor(cast.OFFICER)
    certificates.set_terms(world.session, actor, world.programme.uuid, PAPER, True, world.now)
    world.session.commit()
    assert "开具学时证明" in chen.get(record).text
    mine = chen.post(f"{record}/certificate").headers["Location"]
    page = chen.get(mine).text
    assert PAPER in page
    assert 'class="segno"' in page
    assert "作废…" not in page
    assert "开具学时证明" not in chen.get(record).text
    assert chen.get(f"{mine}/revoke").status_code == 422
    assert browse(cast.WANG).get(mine).status_code == 403


@pytest.mark.paper
def test_the_pdf_has_its_own_font_and_says_what_the_certificate_says(browse: Any, world: World, tmp_path: Any) -> None:
    made = committed(world)
    answer = browse(cast.CHEN).get(f"/certificate/{made.uuid}/pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    said = answer.headers["Content-Disposition"]
    assert said.startswith("attachment")
    assert quote("学时证明_陈晓芳_2026000001.pdf") in said
    assert said.isascii()
    told = re.sub(r"\s", "", text_of(answer.data, tmp_path))
    for words in ("学时证明", "陈晓芳", "2026000001", "25", PAPER.replace(" ", ""), "平安县", made.seal_hash):
        assert words in told
    assert competencies.certificates.code_as_printed(made.code) in told
    with pikepdf.open(io.BytesIO(answer.data)) as document:
        fonts = [str(one.get("/BaseFont")) for one in document.objects if _is(one, "/FontDescriptor", "/Font")]
        assert fonts
        assert all(re.match(r"/[A-Z]{6}\+", name) for name in fonts)
    assert len(answer.data) < 1_000_000


def _is(found: Any, kind: str, other: str) -> bool:
    return isinstance(found, pikepdf.Dictionary) and found.get("/Type") in {kind, other} and "/BaseFont" in found


@pytest.mark.paper
def test_the_seal_is_on_paper_once_its_keeper_put_it_there(browse: Any, world: World, tmp_path: Any) -> None:
    made = committed(world)
    grant(world.session, world.person(cast.TRAINER), RoleKind.SEAL, world.county, world.now)
    world.session.commit()
    keeper, unit = browse(cast.TRAINER), world.county.uuid
    assert keeper.get("/seals").headers["Location"].endswith(unit)
    assert keeper.post(f"/seals/{unit}", {"file": (io.BytesIO(b"no picture"), "seal.png")}).status_code == 422
    assert keeper.post(f"/seals/{unit}", {"file": (io.BytesIO(picture_of_a_seal()), "seal.png")}).status_code == 303
    assert keeper.get(f"/seals/{unit}/picture").data.startswith(b"\x89PNG")
    assert browse(cast.OFFICER).get(f"/seals/{unit}/picture").status_code == 403
    chen, paper = browse(cast.CHEN), f"/certificate/{made.uuid}"
    assert pictures_in(chen.get(f"{paper}/pdf").data) == 0
    done = keeper.post(f"/seals/{unit}/{world.programme.uuid}").headers["Location"]
    assert "盖了 1 份" in keeper.get(done).text
    assert "陈晓芳" in keeper.get(done).text
    assert "PDF 上有单位印章" in chen.get(paper).text
    assert pictures_in(chen.get(f"{paper}/pdf").data) >= 1


def pictures_in(pdf: bytes) -> int:
    """How many pictures a PDF holds."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return sum(isinstance(one, pikepdf.Stream) and one.get("/Subtype") == "/Image" for one in document.objects)


@pytest.mark.paper
def test_names_on_paper_are_words_and_nothing_is_fetched(browse: Any, world: World, tmp_path: Any) -> None:
    add_entry(world, 2500)
    person = world.person(cast.CHEN)
    person.name = HOSTILE
    world.session.add(person)
    made = committed(world)
    answer = browse(cast.CHEN).get(f"/certificate/{made.uuid}/pdf")
    assert answer.status_code == 200
    assert "file:///etc/passwd" in text_of(answer.data, tmp_path)  # as letters
    picture = tmp_path / "there.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9">SEEN</text></svg>')
    (tmp_path / "there.css").write_text("body::before { content: 'STYLED' }")
    page = f'<link rel="stylesheet" href="file://{tmp_path}/there.css"><img src="{picture.as_uri()}"><p>学时</p>'
    told = text_of(media.on_paper(page), tmp_path)
    assert "学时" in told
    assert "SEEN" not in told
    assert "STYLED" not in told


@pytest.mark.paper
def test_a_system_without_chinese_fonts_says_what_to_install(
    browse: Any, world: World, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "fonts.conf"
    empty.write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(empty))
    monkeypatch.setattr(printing._is_fit, "is_set", lambda: False)
    made = committed(world)
    page = browse(cast.CHEN).get(f"/certificate/{made.uuid}").text
    assert "fonts-noto-cjk" in page
    assert "/pdf" not in page
    assert "浏览器打印" in page
    assert "fonts-noto-cjk" in browse(cast.CHEN).get(f"/certificate/{made.uuid}/pdf").text
    with pytest.raises(Refused, match=r"paper\.no_font"):
        media.on_paper("<p>学时</p>")


def test_anybody_checks_a_paper_and_learns_little(tool: Flask, browse: Any, world: World) -> None:
    made, stranger = committed(world), tool.test_client()
    page = stranger.get(f"/v/{made.code}")
    assert page.status_code == 200
    assert "这份学时证明有效" in page.text
    assert page.headers["X-Robots-Tag"].startswith("noindex")
    for words in ("陈*芳", world.programme.title, "<dd>25<", "2026年11月2日"):
        assert words in page.text
    for secret in ("陈晓芳", cast.CHEN.staff_number, cast.CHEN.school, made.uuid, "2026000001", PAPER):
        assert secret not in page.text
    assert (
        stranger.get(f"/v?code={competencies.certificates.code_as_printed(made.code).lower()}").text.count("有效") >= 1
    )
    english = stranger.get(f"/v/{made.code}", headers={"Accept-Language": "en"}).text
    assert "This certificate is valid" in english
    assert "有效" not in english


def test_an_unknown_a_forged_and_a_malformed_code_get_one_same_answer(tool: Flask, world: World) -> None:
    made, stranger = committed(world), tool.test_client()
    forged = made.code[:-1] + ("0" if made.code[-1] != "0" else "1")
    seen = set()
    for typed in (forged, "0" * 12, "x", "%00", "中文", made.uuid, "a" * 5000, "1' OR 1=1"):
        answer = stranger.get(f"/v/{typed}")
        assert answer.status_code == 404
        seen.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(seen) == 1
    assert "查不到这个核验码" in seen.pop()


def test_a_revoked_one_and_one_whose_hours_were_reversed_say_so(tool: Flask, browse: Any, world: World) -> None:
    stranger, officer = tool.test_client(), browse(cast.OFFICER)
    entry = imported(world)
    made = committed(world)
    reverse = f"/record/{world.programme.uuid}/{world.person(cast.CHEN).uuid}/hours/{entry.uuid}/reverse"
    assert officer.post(reverse, {"reason": "误录"}).status_code == 303
    assert "发出以后有变动" in stranger.get(f"/v/{made.code}").text
    assert officer.get(f"/certificate/{made.uuid}/pdf").status_code == 409
    assert "发新的证明" in officer.get(f"/certificate/{made.uuid}").text
    assert officer.post(f"/certificate/{made.uuid}/revoke", {"reason": ""}).status_code == 422
    assert officer.post(f"/certificate/{made.uuid}/revoke", {"reason": "学时有误"}).status_code == 303
    page = stranger.get(f"/v/{made.code}").text
    assert "已经作废" in page
    assert "学时有误" not in page
    assert "学时有误" in browse(cast.CHEN).get(f"/record/{world.programme.uuid}").text


def test_who_asks_too_often_waits(tool: Flask, world: World) -> None:
    made, stranger = committed(world), tool.test_client()
    answers = [stranger.get(f"/v/{made.code if turn % 2 else 'x'}").status_code for turn in range(Pace().most + 2)]
    assert answers[-2:] == [429, 429]
    assert 429 not in answers[:-2]
    assert stranger.get("/v").status_code == 200  # the empty field asks nothing
    assert "陈" not in stranger.get(f"/v/{made.code}").text
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert stranger.get(f"/v/{made.code}", environ_base=elsewhere).status_code == 200


def test_an_address_is_forgotten_after_its_minute_and_the_memory_stays_small(world: World) -> None:
    pace, now = Pace(), world.now
    assert [pace.admits("a", now) for _ in range(pace.most + 1)][-2:] == [True, False]
    assert pace.admits("a", now + pace.window)
    for number in range(pace.remembered + 50):
        pace.admits(str(number), now + timedelta(minutes=2))
    assert len(pace.seen) == pace.remembered


def test_a_double_click_makes_one(browse: Any, world: World) -> None:
    add_entry(world, 2500)
    sealed(world)
    world.session.commit()
    officer = browse(cast.OFFICER)
    address = f"/record/{world.programme.uuid}/{world.person(cast.CHEN).uuid}/certificate"
    there = {officer.post(address, {"paper": PAPER}).headers["Location"] for _ in range(2)}
    assert len(there) == 1
    assert len(world.session.exec(select(Certificate)).all()) == 1
