"""What was handed in travels with the record: bytes where they fit, hashes of the rest, and nothing that the signed
package does not name."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import select

import competencies
from competencies import FileState, StoredFile
from lms_plugin import db, parcel
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound, Refused
from lms_plugin.flow import (
    arrivals,
    erasing,
    marking,
    transfer_files,
    transfer_marks,
    transfer_views,
    transfer_works,
    transfers,
)
from lms_plugin.storage import Storage, new_key
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import World, world_in
from tests.flow.earned import earn
from tests.flow.test_transfer_files import leave, members
from tests.moving import SECRET, There, arrival_of, asked, released, there_of
from tests.serving import settings_of

domain = competencies.transfers
SHANGHAI = "Asia/Shanghai"
LESSON = b"%PDF-1.7 a plan of a lesson"
FILM = b"a film, far too large to travel"


def earned_with_files(world: World, storage: Storage) -> There:
    """A point of 陈晓芳 for which she handed in a document and a film beside what she typed."""
    session, chen, point = world.session, pk(world.person(cast.CHEN)), pk(world.point("A3"))
    of_round = {"programme_id": pk(world.programme), "person_id": chen, "point_id": point}
    session.add(competencies.Selection(**of_round, chosen_at=world.now))
    work = competencies.Submission(tenant_id=pk(world.tenant), **of_round, created_at=world.now, changed_at=world.now)
    session.add(work)
    session.flush()
    place = session.exec(
        select(competencies.EvidenceRequirement).where(competencies.EvidenceRequirement.point_id == point)
    ).first()
    assert place is not None
    for name, content in (("教学设计.pdf", LESSON), ("课堂实录.mp4", FILM)):
        key = new_key()
        storage.create(key)
        with (storage.root / "given").open("w+b") as given:
            given.write(content)
            given.seek(0)
            storage.write_part(key, 0, given, len(content))
        stored = StoredFile(
            tenant_id=pk(world.tenant), person_id=chen, state=FileState.READY, filename=name, storage_key=key,
            size_bytes=len(content), sha256=storage.commit(key), started_at=world.now,
        )  # fmt: skip
        session.add(stored)
        session.flush()
        session.add(
            competencies.Evidence(
                submission_id=pk(work), requirement_id=pk(place), kind="file", stored_file_id=pk(stored),
                changed_at=world.now,
            )
        )  # fmt: skip
    session.flush()
    earn(world, cast.CHEN, "A3")
    return there_of(world)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """With room for the document, not for the film."""
    monkeypatch.setattr(transfer_files, "MOST_FILE_BYTES", len(LESSON) + 1)
    found = Storage(tmp_path / "evidence")
    found.root.mkdir()
    return found


def files_of(view: transfer_works.WorksPage) -> dict[str, str]:
    """Files that the page names, with by what they are here."""
    return {one.name: one.file for work in view.works for one in work.pieces if one.kind == "file"}


def packed(there: There, storage: Storage, path: Path) -> Path:
    """The parcel as the teacher has it, on its way to 邻县."""
    way = leave(there)
    world = there.world
    data, found = transfer_views.file_of(world.session, world.actor(cast.CHEN), way.uuid)
    transfer_files.pack(path, data, found, storage)
    return path


def test_files_that_fit_go_along_and_of_the_others_the_hash(world: World, storage: Storage, tmp_path: Path) -> None:
    there = earned_with_files(world, storage)
    path = packed(there, storage, tmp_path / "sent.zip")
    session, now = world.session, world.now
    transfer_files.receive(session, there.teacher, storage, path, now)
    row = arrival_of(there)
    view = transfer_works.page(session, there.officer, row.uuid, now)
    assert (view.files, view.with_files, [work.point for work in view.works]) == (2, 1, ["A3"])
    assert files_of(view)["课堂实录.mp4"] == ""
    assert any(one.text.startswith("目标明确") for one in view.works[0].pieces)
    key, name = transfer_works.file_of(session, there.officer, row.uuid, files_of(view)["教学设计.pdf"])
    assert (storage.path(key).read_bytes(), name) == (LESSON, "教学设计.pdf")
    assert transfer_works.page(session, there.teacher, row.uuid, now).is_own
    for who in (cast.OFFICER, cast.CHEN):
        with pytest.raises(NotFound):
            transfer_works.file_of(session, world.actor(who), row.uuid, files_of(view)["教学设计.pdf"])
    colleague = there.world.actor(cast.NEIGHBOUR)
    colleague = type(colleague)(colleague.tenant_id, colleague.person_id, ())
    with pytest.raises(Forbidden):
        transfer_works.page(session, colleague, row.uuid, now)
    arrivals.refuse(session, there.officer, row.uuid, "不收", "", now)
    assert session.exec(select(domain.TransferFile)).all() == []
    with pytest.raises(NotFound):
        transfer_works.page(session, there.officer, row.uuid, now)


def test_a_file_that_the_package_does_not_name_is_not_kept(world: World, storage: Storage, tmp_path: Path) -> None:
    there = earned_with_files(world, storage)
    packed(there, storage, tmp_path / "sent.zip")
    with parcel.Opened(tmp_path / "sent.zip") as opened, opened.stream(transfer_files.PACKAGE) as stream:
        package = stream.read()
    (tmp_path / "more").write_bytes(b"MZ something else")
    more = tmp_path / "more.zip"
    packing = parcel.Packing(more)
    with packing.member(transfer_files.PACKAGE) as member:
        member.write(package)
    packing.file(tmp_path / "more", hashlib.sha256(b"MZ something else").hexdigest(), "")
    packing.checkpoint()
    packing.finish({"format": transfer_files.FORMAT, "version": transfer_files.VERSION})
    before = len(list(storage.root.glob("??/??/*")))
    transfer_files.receive(world.session, there.teacher, storage, more, world.now)
    assert world.session.exec(select(domain.TransferFile)).all() == []
    assert len(list(storage.root.glob("??/??/*"))) == before


def changed(data: bytes) -> bytes:
    return data.replace(LESSON, LESSON.upper())


HOSTILE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "other bytes": ("parcel.changed", changed),
    "cut short": ("parcel.unreadable", lambda data: data[: len(data) // 2]),
    "no zip": ("parcel.unreadable", lambda _data: b"PK?"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_parcel_that_is_not_what_its_list_says_is_refused(
    world: World, storage: Storage, tmp_path: Path, how: str
) -> None:
    code, make = HOSTILE[how]
    path = packed(earned_with_files(world, storage), storage, tmp_path / "sent.zip")
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(Refused) as refused:
        transfer_files.unwrap(path)
    assert refused.value.code == code


def test_within_one_installation_the_worker_brings_them(
    own_district_url: str, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_files, "MOST_FILE_BYTES", len(LESSON) + 1)
    worker = Worker(settings_of(tmp_path, own_district_url), lambda: now)
    worker.storage.root.mkdir(parents=True, exist_ok=True)
    with worker.sessions() as session:
        there = earned_with_files(world_in(db.writes(session), now), worker.storage)
        released(there)
        session.commit()
        worker.run_due()
        worker.run_due()
        row = arrival_of(there)
        view = transfer_works.page(session, there.officer, row.uuid, now)
        assert (view.with_files, bool(files_of(view)["教学设计.pdf"])) == (1, True)
        kept = {file.storage_key for file in session.exec(select(StoredFile))}
        assert len(kept) == 3
        assert len(list(worker.storage.root.glob("??/??/*"))) == 3  # hers here, both, and the one there
        assert worker.clear_away(now) == 0
    worker.close()


def test_what_is_called_back_brings_nothing(own_district_url: str, tmp_path: Path, now: datetime) -> None:
    worker = Worker(settings_of(tmp_path, own_district_url), lambda: now)
    worker.storage.root.mkdir(parents=True, exist_ok=True)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        there = earned_with_files(world, worker.storage)
        uuid = asked(there)
        transfers.release(session, world.actor(cast.OFFICER), uuid, SECRET, now)
        transfers.withdraw(session, world.actor(cast.OFFICER), uuid, "不走了", now)
        session.commit()
        worker.run_due()
        assert session.exec(select(domain.TransferFile)).all() == []
        assert len(list(worker.storage.root.glob("??/??/*"))) == 2
    worker.close()


def test_of_somebody_who_is_erased_neither_package_nor_files_stay(
    world: World, storage: Storage, tmp_path: Path
) -> None:
    there = earned_with_files(world, storage)
    session, now = world.session, world.now
    transfer_files.receive(session, there.teacher, storage, packed(there, storage, tmp_path / "sent.zip"), now)
    row = arrival_of(there)
    row.state = domain.ArrivalState.ACCEPTED
    session.add(row)
    erasing.erase(session, there.person, "本人书面要求", now)
    assert session.exec(select(domain.TransferFile)).all() == []
    assert arrivals.content_of(session, row) == b""
    assert transfer_views.arriving_page(session, there.officer, row.uuid, "", now).fault == "parcel.unreadable"


# --- how it was judged there ---


def test_marks_come_with_the_names_of_what_they_are_for(world: World, storage: Storage, tmp_path: Path) -> None:
    there = earned_with_files(world, storage)
    session, now = world.session, world.now
    transfer_files.receive(session, there.teacher, storage, packed(there, storage, tmp_path / "sent.zip"), now)
    (work,) = transfer_works.page(session, there.officer, arrival_of(there).uuid, now).works
    judged = work.judged
    assert judged is not None
    point = world.point("A3")
    sheet = marking.sheet(session, version_of_point(world), pk(point))
    assert [(line.item, line.asks) for line in judged.lines] == [
        (item.requirement.title, line.texts[min(line.texts)]) for item in sheet.items for line in item.criteria
    ]
    assert {line.level for line in judged.lines} == {1}
    policy = competencies.rules_of(session, world.programme)
    assert (judged.by, judged.rule_number, judged.rule_sha256) == ("trainer", 1, policy.content_hash())
    assert judged.decided_on == now.date().isoformat()
    text = b"".join(members(arrivals.content_of(session, arrival_of(there))).values()).decode(errors="ignore")
    assert cast.TRAINER.name not in text


def version_of_point(world: World) -> int:
    """The version of 陈晓芳's work on A3."""
    return (
        world.session.exec(
            select(competencies.Submission.current_version_id).where(
                competencies.Submission.point_id == pk(world.point("A3")),
                competencies.Submission.tenant_id == pk(world.tenant),
            )
        ).one()
        or 0
    )


WORK: dict[str, object] = {
    "point": "A3",
    "items": [
        {"key": "plan", "title": {"zh": "教学设计"}, "criteria": [{"key": "c1", "asks": {"zh": "目标明确吗？"}}]}
    ],
    "self_marks": {"plan": {"c1": 2}},
    "reviews": [{"level": 1, "marks": [{"item": "plan", "criterion": "c1", "level": level}]} for level in (1, 2, 1)],
    "decision": {
        "by": "panel",
        "rule": {"number": 2, "sha256": "a" * 64},
        "decided_at": "2026-10-19T18:00:00+00:00",  # in the small hours of the next day there
        "marks": {
            "plan": {"c1": {"level": 1, "reason": "<b>目标</b>"}, "c9": {"level": 0}},
            "film": {"is_valid": {"level": True}},
        },
    },
}


def changed_work(**changes: object) -> dict[str, object]:
    return {**WORK, **changes}


def test_marks_are_counted_and_what_is_not_named_stands_by_its_key() -> None:
    judged = transfer_marks.judged_in(WORK, SHANGHAI)
    assert judged is not None
    first, *others = judged.lines
    assert (first.item, first.asks, first.counts, first.own, first.level) == (
        {"zh": "教学设计"}, {"zh": "目标明确吗？"}, {2: 1, 1: 2}, 2, 1,
    )  # fmt: skip
    assert list(first.counts) == [2, 1]
    assert [(one.key, one.asks, one.level, one.is_validity) for one in others] == [
        ("film · is_valid", {}, 1, True),
        ("plan · c9", {}, 0, False),
    ]
    assert (judged.by, judged.rule_number, judged.decided_on, judged.reviews) == ("panel", 2, "2026-10-20", 3)
    transfer_marks.must_be_readable([{"programme": "x"}, WORK, {**WORK, "somebody_knows": [1]}])


def test_a_package_of_before_says_the_same_without_names() -> None:
    """Made before names travelled: other shapes are passed over, and nothing is refused."""
    old = {key: value for key, value in WORK.items() if key != "items"}
    old["decision"] = {"marks": {"plan": {"c1": {"level": 2}}}, "point_level": 2}
    judged = transfer_marks.judged_in(old, SHANGHAI)
    assert judged is not None
    assert [(one.key, one.level) for one in judged.lines] == [("plan · c1", 2)]
    assert (judged.by, judged.rule_number, judged.decided_on) == ("", 0, "")
    assert [transfer_marks.day_of(said, SHANGHAI) for said in ("0001-01-01T00:00:00+14:00", "yesterday", "")] == [
        "0001-01-01", "yesterday", "",
    ]  # fmt: skip
    strange = {**old, "self_marks": ["none"]}
    transfer_marks.must_be_readable([old, strange])
    assert transfer_marks.judged_in(strange, SHANGHAI) is None


MARKS: dict[str, dict[str, object]] = {
    "items that are no list": {"items": {"plan": "教学设计"}},
    "a title that is none": {"items": [{"key": "plan", "title": "教学设计", "criteria": []}]},
    "more criteria than anybody has": {
        "items": [{"key": "plan", "title": {}, "criteria": [{"key": f"c{n}"} for n in range(201)]}]
    },
    "more items than anybody has": {"items": [{"key": f"i{n}", "title": {}, "criteria": []} for n in range(201)]},
    "a text without end": {"items": [{"key": "plan", "title": {"zh": "长" * 4001}, "criteria": []}]},
    "a level that is none": {"self_marks": {"plan": {"c1": 3}}},
    "a level in words": {"reviews": [{"marks": [{"item": "plan", "criterion": "c1", "level": "优秀"}]}]},
    "decided by a name": {"decision": {"by": "韩老师"}},
    "a rule that is none": {"decision": {"rule": {"number": 1, "sha256": "<script>"}}},
    "no decision": {"decision": None},
}


@pytest.mark.parametrize("how", MARKS)
def test_marks_of_another_shape_are_refused_with_their_place(how: str) -> None:
    with pytest.raises(Refused) as refused:
        transfer_marks.must_be_readable([{"programme": "x"}, changed_work(**MARKS[how])])
    assert (refused.value.code, refused.value.params) == ("transfer.marks_unreadable", {"line": 2})
