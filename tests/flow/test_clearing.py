"""Bytes that nothing needs any more go; whatever a draft, a version or an upload under way holds stays."""

import io
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import delete
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import competencies
from competencies import Evidence, FileState, StoredFile
from lms_plugin import db
from lms_plugin.db import pk, transaction
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import clearing, drafts, submit, uploads
from lms_plugin.storage import Storage, new_key
from lms_plugin.worker import Worker
from tests import people as cast
from tests.factories import World, build_world
from tests.fuzzing import times
from tests.serving import settings_of

DAY = timedelta(days=1)
CODES = ("A5", "A6")
KEY = "design"


class District:
    """A committed district, two chosen points of one teacher, a worker, and a clock that the test turns."""

    def __init__(self, url: str, folder: Path, now: datetime) -> None:
        self.now, self.worker = now, Worker(settings_of(folder, url), clock=lambda: self.now)
        self.sessions: sessionmaker[Session] = self.worker.sessions
        self.storage: Storage = self.worker.storage
        self.session = self.sessions()
        db.writes(self.session)
        self.world: World = build_world(self.session, now)
        self.actor = self.world.actor(cast.CHEN)
        submit.choose_points(self.session, self.actor, self.world.programme.uuid, ["A3", *CODES], now)
        self.session.commit()
        self.works = {
            code: self.session.exec(
                select(competencies.Submission.uuid).where(
                    competencies.Submission.person_id == pk(self.world.person(cast.CHEN)),
                    competencies.Submission.point_id == pk(self.world.point(code)),
                )
            ).one()
            for code in CODES
        }

    def close(self) -> None:
        self.session.close()
        self.worker.close()

    def key_of(self, code: str) -> str:
        work = drafts.load_work(self.session, self.actor, self.works[code])
        return next(item.requirement.key for item in work.items if "docx" in item.requirement.accept)

    def begin(self, code: str, name: str = "a.docx") -> StoredFile:
        """An upload that has begun, with some bytes."""
        with transaction(self.sessions) as session:
            file = uploads.begin(
                session, self.actor, self.storage, self.works[code], self.key_of(code), name, 4, 100, self.now
            )
        self.storage.write_part(file.storage_key, 0, io.BytesIO(b"ab"), 4)
        return file

    def upload(self, code: str, name: str) -> StoredFile:
        """A whole file."""
        file = self.begin(code, name)
        self.storage.write_part(file.storage_key, 2, io.BytesIO(b"cd"), 4)
        found = uploads.Examined(self.storage.commit(file.storage_key), "document", "x", "docx")
        with transaction(self.sessions) as session:
            return uploads.finish(session, self.actor, file.uuid, found, self.now)

    def reuse(self, code: str, file: StoredFile) -> None:
        with transaction(self.sessions) as session:
            drafts.reuse_file(session, self.actor, self.works[code], self.key_of(code), file.uuid, self.now)

    def remove(self, code: str, file: StoredFile) -> None:
        with transaction(self.sessions) as session:
            drafts.remove_piece(session, self.actor, self.works[code], self.key_of(code), file.uuid, self.now)

    def hand_in(self, code: str) -> None:
        """A version as handing in makes it: it holds what the draft holds."""
        with transaction(self.sessions) as session:
            work = drafts.load_work(session, self.actor, self.works[code]).submission
            number = 1 + len(
                session.exec(
                    select(competencies.SubmissionVersion.id).where(
                        competencies.SubmissionVersion.submission_id == pk(work)
                    )
                ).all()
            )
            version = competencies.SubmissionVersion(
                submission_id=pk(work),
                number=number,
                manifest={},
                content_hash="0" * 64,
                self_marks={},
                submitted_at=self.now,
            )
            session.add(version)
            session.flush()
            rows = session.exec(
                select(Evidence).where(Evidence.submission_id == pk(work), col(Evidence.version_id).is_(None))
            ).all()
            for row in rows:
                session.add(Evidence(**row.model_dump(exclude={"id", "version_id"}), version_id=pk(version)))

    def held(self) -> set[str]:
        """Keys of files that a draft or a version holds."""
        with self.sessions() as session:
            return set(
                session.exec(
                    select(StoredFile.storage_key).join(Evidence, col(Evidence.stored_file_id) == col(StoredFile.id))
                )
            )

    def stored(self) -> set[str]:
        return {key for digit in "0123456789abcdef" for key, _changed in self.storage.keys(digit)}

    def rows(self) -> dict[str, FileState]:
        with self.sessions() as session:
            return dict(session.exec(select(StoredFile.storage_key, StoredFile.state)).all())

    def age(self, by: timedelta) -> None:
        """Time passes, for what lies on the disk too."""
        self.now += by
        for path in self.storage.root.rglob("*"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - by.total_seconds()))


@pytest.fixture
def district(own_database_url: str, tmp_path: Path, now: datetime) -> Iterator[District]:
    made = District(own_database_url, tmp_path, now)
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_district(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    made = District(module_database_url, tmp_path_factory.mktemp("clearing"), datetime(2026, 11, 2, 1, tzinfo=UTC))
    yield made
    made.close()


def test_what_was_taken_out_goes_after_its_time_of_grace(district: District) -> None:
    file, kept = district.upload("A6", "a.docx"), district.upload("A5", "b.docx")
    district.worker.clear_away(district.now)
    district.remove("A6", file)
    district.worker.clear_away(district.now)
    district.age(29 * DAY)
    assert district.worker.clear_away(district.now) == 0
    assert district.storage.committed(file.storage_key)
    district.age(2 * DAY)
    assert district.worker.clear_away(district.now) == 1
    assert district.stored() == {kept.storage_key}
    assert district.rows() == {kept.storage_key: FileState.READY}


def test_used_again_its_time_begins_anew(district: District) -> None:
    file = district.upload("A6", "a.docx")
    district.remove("A6", file)
    district.worker.clear_away(district.now)
    district.age(20 * DAY)
    district.reuse("A5", file)  # and out again before the worker looked
    district.remove("A5", file)
    district.worker.clear_away(district.now)
    district.age(20 * DAY)
    assert district.worker.clear_away(district.now) == 0
    assert district.storage.committed(file.storage_key)


def test_what_was_handed_in_stays_for_ever(district: District) -> None:
    file = district.upload("A6", "a.docx")
    copy = district.storage.derived(file.storage_key, "reviewer-2.docx")
    copy.write_bytes(b"copy")
    district.hand_in("A6")
    district.remove("A6", file)
    for _ in range(3):
        district.age(400 * DAY)
        assert district.worker.clear_away(district.now) == 0
    assert copy.read_bytes() == b"copy"


def test_an_upload_that_was_begun_stays_and_one_given_up_goes(district: District) -> None:
    begun, given_up = district.begin("A6"), district.begin("A5")
    with transaction(district.sessions) as session:
        uploads.cancel(session, district.actor, given_up.uuid)  # and the process dies before the bytes are deleted
    district.age(400 * DAY)
    district.worker.clear_away(district.now)
    assert district.stored() == {begun.storage_key}
    assert set(district.rows()) == {begun.storage_key}


def test_bytes_that_belong_to_no_file_go_when_they_are_old(district: District) -> None:
    """An upload whose beginning was rolled back: its folder is there, its row is not."""
    lost = new_key()
    district.storage.create(lost)
    for _ in range(16):  # an hour for each first digit
        district.now += timedelta(hours=1)
        district.worker.clear_away(district.now)
    assert district.stored() == {lost}
    district.age(31 * DAY)
    for _ in range(16):
        district.now += timedelta(hours=1)
        district.worker.clear_away(district.now)
    assert district.stored() == set()


@pytest.mark.parametrize("bytes_are_gone", [False, True])
def test_a_crash_between_row_and_file_is_made_up_for(district: District, bytes_are_gone: bool) -> None:
    file = district.upload("A6", "a.docx")
    district.remove("A6", file)
    district.worker.clear_away(district.now)
    district.age(31 * DAY)
    with transaction(district.sessions) as session:
        assert clearing.let_go(session, district.now, 30 * DAY) == [file.storage_key]
    if bytes_are_gone:
        district.storage.delete(file.storage_key)
    with pytest.raises(NotFound):
        district.reuse("A5", file)
    assert district.worker.clear_away(district.now) == 1
    assert (district.stored(), district.rows()) == (set(), {})


def test_the_same_content_once_more_is_another_file(district: District) -> None:
    old = district.upload("A6", "a.docx")
    district.remove("A6", old)
    district.worker.clear_away(district.now)
    district.age(31 * DAY)
    with transaction(district.sessions) as session:
        clearing.let_go(session, district.now, 30 * DAY)
        new = district.begin("A6") if district.worker.engine.dialect.name == "postgresql" else None
    new = new or district.begin("A6")
    district.worker.clear_away(district.now)
    assert district.stored() == {new.storage_key}


@pytest.mark.parametrize("is_first", [False, True])
def test_who_takes_a_file_at_that_moment_finds_it_held_or_gone(district: District, is_first: bool) -> None:
    file = district.upload("A6", "a.docx")
    district.remove("A6", file)
    district.worker.clear_away(district.now)
    district.age(31 * DAY)
    told: list[str] = []

    def take() -> None:
        try:
            district.reuse("A5", file)
            told.append("taken")
        except NotFound:
            told.append("gone")

    if is_first:
        with transaction(district.sessions) as session:
            work, key = district.works["A5"], district.key_of("A5")
            drafts.reuse_file(session, district.actor, work, key, file.uuid, district.now)
            session.flush()
            other = threading.Thread(target=district.worker.clear_away, args=(district.now,))
            other.start()
            other.join(1)
        other.join(30)
        assert file.storage_key in district.held() & district.stored()
        return
    with transaction(district.sessions) as session:
        clearing.let_go(session, district.now, 30 * DAY)
        other = threading.Thread(target=take)
        other.start()
        other.join(1)
    other.join(30)
    assert told == ["gone"]
    assert district.held() == set()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["upload", "begin", "reuse", "remove", "hand_in", "cancel", "clear", "crash", "wait"]),
        st.sampled_from(CODES),
        st.integers(0, 20),
    ),
    max_size=25,
)


@settings(max_examples=times(25), deadline=None)
@given(steps=STEPS)
def test_nothing_that_is_held_is_ever_lost(module_district: District, steps: list[tuple[str, str, int]]) -> None:
    district, files = module_district, list[StoredFile]()
    with transaction(district.sessions) as session:  # the drafts are empty; what was handed in before stays
        session.execute(delete(Evidence).where(col(Evidence.version_id).is_(None)))
    for number, (step, code, pick) in enumerate(steps):
        file: Any = files[pick % len(files)] if files else None
        try:
            if step in ("upload", "begin"):
                name = f"{number}.docx"
                files.append(district.upload(code, name) if step == "upload" else district.begin(code, name))
            elif step == "hand_in":
                district.hand_in(code)
            elif step == "wait":
                district.age((pick + 1) * 4 * DAY)
            elif step == "clear":
                district.worker.clear_away(district.now)
            elif step == "crash":
                with transaction(district.sessions) as session:
                    clearing.mark_unused(session, district.now)
                    clearing.let_go(session, district.now, 30 * DAY)
            elif file is not None and step == "cancel":
                with transaction(district.sessions) as session:
                    uploads.cancel(session, district.actor, file.uuid)
            elif file is not None:
                (district.reuse if step == "reuse" else district.remove)(code, file)
        except Refused:
            pass
        assert district.held() <= district.stored()
    district.worker.clear_away(district.now)
    district.age(31 * DAY)
    district.worker.clear_away(district.now)
    assert district.held() == set(district.rows()) == district.stored()
