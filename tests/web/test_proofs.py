"""确认是本人, in the browser: what is refused leads to the page, the page leads back, the browser is known then."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select

import lti
from competencies import Decision, SignInTry
from lms_plugin.db import get, pk
from lms_plugin.flow import invitations, proofs, sessions
from lms_plugin.people import RoleKind, WebSession
from tests import people as cast
from tests.factories import Browser, World
from tests.flow.handed_in import hand_in
from tests.web.launching import row_counts, written

Browse = Callable[[cast.Cast | None], Browser]
WORD = "春眠不觉晓-2026"


@pytest.fixture
def edx(world: World) -> World:
    deployment = get(world.session, lti.Deployment, world.course.deployment_id)
    platform = get(world.session, lti.Platform, deployment.platform_id)
    platform.product = "openedx"
    world.session.add(platform)
    world.session.commit()
    return world


def code_for(world: World, who: cast.Cast) -> str:
    made = proofs.give_code(world.session, world.actor(cast.OFFICER), world.person(who).uuid, world.now)
    world.session.commit()
    return made


def test_a_trainer_from_open_edx_decides_once_it_is_them(edx: World, browse: Browse) -> None:
    """The desk reads as ever and offers no decision; sent all the same it is refused, with the way on; after the code
    the word is set, and the desk offers the decision."""
    work = hand_in(edx, cast.CHEN, "A3", edx.now - timedelta(hours=2))
    edx.session.commit()
    trainer = browse(cast.TRAINER)
    page = trainer.get(f"/cases/{work.uuid}")
    assert page.status_code == 200
    assert "去确认是我本人" in page.text
    assert 'name="reason"' not in page.text
    refused = trainer.post(f"/cases/{work.uuid}", {"act": "decide"})
    assert refused.status_code == 422
    assert "证明不了登录的就是您本人" in refused.text
    assert 'href="/me/proof"' in refused.text
    assert edx.session.exec(select(Decision)).all() == []
    wrong = trainer.post("/me/proof", {"code": "ABCDE-ABCDE", "next": f"/cases/{work.uuid}"})
    assert wrong.status_code == 422
    assert "这个确认码不对" in wrong.text
    assert len(edx.session.exec(select(SignInTry)).all()) == 1, "it counts though it was refused"
    answer = trainer.post("/me/proof", {"code": code_for(edx, cast.TRAINER), "next": f"/cases/{work.uuid}"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/me/proof?next=/cases/{work.uuid}")
    assert "请定一个签字口令" in trainer.get(answer.headers["Location"]).text
    answer = trainer.post("/me/proof", {"first": WORD, "again": WORD, "next": f"/cases/{work.uuid}"})
    assert answer.headers["Location"] == f"/cases/{work.uuid}"
    page = trainer.get(f"/cases/{work.uuid}").text
    assert "去确认是我本人" not in page
    assert 'name="reason"' in page


def test_the_next_launch_in_this_browser_is_proved(edx: World, browse: Browse) -> None:
    """By a cookie of its own, of the same kind as the session's; no word, code or token is in an address or a page."""
    trainer = browse(cast.TRAINER)
    answer = trainer.post("/me/proof", {"code": code_for(edx, cast.TRAINER)})
    kept = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith("__Host-nengli-proved="))
    for part in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"):
        assert part in kept
    assert "Max-Age=43200" in kept
    token = re.match(r"[^=]+=([^;]+)", kept)
    assert token is not None
    assert token.group(1) not in answer.headers["Location"] + answer.text
    row = edx.session.exec(select(WebSession).where(WebSession.proved_at == edx.now)).one()
    assert row.person_id == pk(edx.person(cast.TRAINER))


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
def test_it_leads_nowhere_else(edx: World, browse: Browse, target: str) -> None:
    trainer = browse(cast.TRAINER)
    shown = re.findall(r'<form[^>]*action="/me/proof".*?</form>', trainer.get(f"/me/proof?next={target}").text, re.S)
    assert shown
    assert "elsewhere" not in "".join(shown)
    answer = trainer.post("/me/proof", {"code": code_for(edx, cast.TRAINER), "next": target})
    assert "elsewhere" not in answer.headers["Location"]


def test_a_page_that_needs_it_leads_there_and_back(edx: World, browse: Browse) -> None:
    """Who hands out power proves themselves too."""
    officer = browse(cast.OFFICER)
    page = officer.get("/invitations")
    assert page.status_code == 422
    assert 'href="/me/proof?next=/invitations"' in page.text
    assert officer.get("/people").status_code == 200, "reading goes on as ever"


def test_an_invitation_proves_and_asks_for_a_word(edx: World, browse: Browse) -> None:
    _row, code = invitations.make_invitation(edx.session, pk(edx.tenant), RoleKind.OFFICER, edx.county, None, edx.now)
    edx.session.commit()
    teacher = browse(cast.CHEN)
    answer = teacher.post("/me/invitation", {"code": code})
    assert answer.headers["Location"] == "/me/proof?next=/me/roles/officer"
    assert "请定一个签字口令" in teacher.get(answer.headers["Location"]).text
    assert teacher.get("/invitations").status_code == 200


def test_an_officer_gives_a_code_that_is_shown_once(edx: World, browse: Browse) -> None:
    """Offered in the list and beside the roles where people come from Open edX; the second look shows none."""
    proved = browse(cast.OFFICER)
    row = edx.session.exec(select(WebSession)).one()
    row.proved_at = edx.now
    edx.session.add(row)
    edx.session.commit()
    address = f"/people/{edx.person(cast.TRAINER).uuid}/code"
    assert address in proved.get(f"/people/{edx.person(cast.TRAINER).uuid}/roles").text
    first = proved.post(address, {})
    code = re.search(r"[A-HJ-NP-Z2-9]{5}-[A-HJ-NP-Z2-9]{5}", first.text)
    assert code is not None
    second = proved.get(address).text
    assert code.group(0) not in second
    assert "已经给过一个" in second
    assert proved.get(f"/people/{edx.person(cast.OFFICER).uuid}/code").status_code == 403


def test_a_teacher_is_asked_for_nothing(edx: World, browse: Browse) -> None:
    """No banner, no refusal: what is one's own is handed in from Open edX as from anywhere."""
    page = browse(cast.CHEN).get("/points")
    assert page.status_code in {200, 303}
    assert "去确认是我本人" not in page.text


def test_a_moodle_district_sees_nothing_of_it(world: World, browse: Browse) -> None:
    officer = browse(cast.OFFICER)
    assert "确认码" not in officer.get("/people").text
    assert "确认码" not in officer.get(f"/people/{world.person(cast.TRAINER).uuid}/roles").text
    before = row_counts(world.session)
    assert officer.get("/me/proof").status_code == 200
    assert written(before, row_counts(world.session)) == {}
    assert timedelta(hours=12) == sessions.PROOF_HOLDS, "the page says so"
