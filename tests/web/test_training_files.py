"""培训材料: sent by who holds the training, looked into, seen by those in charge, and in an auditor's proof."""

import hashlib
import re
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from sqlmodel import select

import competencies
from lms_plugin.flow import clearing
from tests import people as cast
from tests.certified import sealed
from tests.factories import World
from tests.flow.test_trainings import planned
from tests.queries import count_queries
from tests.rosters import put_on_roster

FILES = Path(__file__).resolve().parent.parent / "files"
File = competencies.training_files.TrainingFile


def given(*names: str) -> list[tuple[BytesIO, str]]:
    """Files as a form sends them; a name says what is in it after a colon ("sheet.jpg:script.jpg")."""
    return [
        (BytesIO((FILES / (name.partition(":")[2] or name)).read_bytes()), name.partition(":")[0]) for name in names
    ]


def rows(world: World) -> list[competencies.training_files.TrainingFile]:
    world.session.expire_all()
    return list(world.session.exec(select(File).where(File.added_by_id > 0).order_by(File.id)))


def test_the_holder_sends_files_and_those_in_charge_see_them(browse, world: World) -> None:
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    world.session.commit()
    lead, url = browse(cast.LEAD), f"/trainings/{made.uuid}"
    assert "现场照片" in lead.get(url).text
    sent = lead.post(f"{url}/files", {"kind": "photo", "file": given("会场.jpg:photo.jpg", "a.jpg:program.mp4")})
    assert sent.status_code == 422
    assert "a.jpg" in sent.text
    assert [row.kind.value for row in rows(world)] == ["photo"]  # the bad one did not cost the good one
    again = lead.post(f"{url}/files", {"kind": "photo", "file": given("会场.jpg:photo.jpg")})
    assert again.location.endswith("#files-photo")
    assert len(rows(world)) == 1
    assert lead.post(f"{url}/files", {"kind": "sheet", "file": given("cut.pdf")}).status_code == 422
    assert lead.post(f"{url}/files", {"kind": "sheet", "file": given("lesson.mp4")}).status_code == 422
    assert lead.post(f"{url}/files", {"kind": "sheet"}).status_code == 422
    assert lead.post(f"{url}/files", {"kind": "films", "file": given("photo.jpg")}).status_code == 404
    assert lead.post(f"{url}/files", {"kind": "plan", "file": given("lesson.docx")}).status_code == 303
    photo = re.findall(r"/evidence/([0-9a-f]{32})/file", lead.get(url).text)[0]
    for who, page, file in (
        (cast.OFFICER, 200, 200),
        (cast.AUDITOR, 200, 200),
        (cast.CHEN, 403, 403),
        (cast.TRAINER, 403, 403),
        (cast.NEIGHBOUR, 404, 404),
    ):
        reader = browse(who)
        assert reader.get(url).status_code == page, who
        for address in (f"/evidence/{photo}", f"/evidence/{photo}/file"):
            answer = reader.get(address)
            assert answer.status_code == file, (who, address)
            answer.close()
    assert browse(cast.CHEN).post(f"{url}/files", {"kind": "photo", "file": given("photo.png")}).status_code == 403
    auditor = browse(cast.AUDITOR)
    assert f"{url}/files" not in auditor.get(url).text
    assert auditor.post(f"{url}/files", {"kind": "photo", "file": given("photo.png")}).status_code == 403


def test_before_the_end_a_file_goes_and_after_it_stays_to_be_seen(browse, world: World, clock) -> None:
    shown = [put_on_roster(world, who).uuid for who in (cast.CHEN, cast.WANG)]
    made = planned(world)
    world.session.commit()
    lead, url = browse(cast.LEAD), f"/trainings/{made.uuid}"
    lead.post(f"{url}/files", {"kind": "photo", "file": given("photo.jpg", "photo.png")})
    first, second = rows(world)
    for _ in range(2):
        assert lead.post(f"{url}/files/{first.uuid}/remove").status_code == 303  # a second click finds it gone
    assert [row.uuid for row in rows(world)] == [second.uuid]
    lead.post(f"{url}/people", {"shown": shown, "here": shown})
    clock[0] += timedelta(hours=2)
    assert "booked=2" in lead.post(f"{url}/close").location
    clock[0] += timedelta(hours=1)
    lead.post(f"{url}/files", {"kind": "sheet", "file": given("签到表.pdf:reflection.pdf")})
    assert lead.post(f"{url}/files/{second.uuid}/remove").status_code == 303
    page = lead.get(url).text
    assert "结束以后才加的" in page
    assert "由 冯校 移除" in page
    clearing.mark_unused(world.session, world.now)
    held = world.session.exec(
        select(competencies.StoredFile.filename).where(competencies.StoredFile.unused_since_at.is_(None))
    ).all()
    assert sorted(held) == ["photo.png", "签到表.pdf"]
    sealed(world)
    world.session.commit()
    auditor = browse(cast.AUDITOR)
    drawn = auditor.post("/audit/draws", {"key": "k", "wanted": "5", "seed": "s"}).location
    with count_queries(world.session.get_bind()) as asked:
        proof = auditor.get(f"{drawn}/1").text
    assert len(asked) <= 12, "\n".join(asked)
    for words in ("名单勾选", "签到表.pdf", "结束以后才加的", "由 冯校 移除"):
        assert words in proof
    assert hashlib.sha256((FILES / "reflection.pdf").read_bytes()).hexdigest() in proof


def test_nothing_is_added_to_a_cancelled_one_and_another_trainings_file_is_not_found(browse, world: World) -> None:
    one, other = planned(world), planned(world, title="另一次")
    world.session.commit()
    lead = browse(cast.LEAD)
    lead.post(f"/trainings/{one.uuid}/files", {"kind": "photo", "file": given("photo.jpg")})
    (row,) = rows(world)
    assert lead.post(f"/trainings/{other.uuid}/files/{row.uuid}/remove").status_code == 404
    assert lead.post(f"/trainings/{one.uuid}/cancel", {"reason": "停电"}).status_code == 303
    assert lead.post(f"/trainings/{one.uuid}/files", {"kind": "photo", "file": given("photo.png")}).status_code == 409
    page = lead.get(f"/trainings/{one.uuid}").text
    assert "photo.jpg" in page
    assert 'name="kind"' not in page
