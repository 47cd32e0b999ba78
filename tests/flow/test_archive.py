"""A district leaves with all it has and arrives as it was: the same hash at every stop, the ledger provable, and
nothing written of an archive that is not what it should be."""

import errno
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, func, select

import competencies
import lti
from lms_plugin import db, migrate, parcel
from lms_plugin.db import Model, pk
from lms_plugin.errors import Refused
from lms_plugin.flow import archive_export, archive_import, archive_tables
from lms_plugin.people import Identity, Invitation, OrgUnit, Person, Tenant, WebSession
from lms_plugin.storage import Storage
from tests.web import pages_world

PLAN = b"%PDF-1.7 a lesson plan" * 999


@dataclass
class Place:
    """An installation: its database and its disk."""

    factory: "sessionmaker[Session]"
    storage: Storage


@pytest.fixture(scope="module")
def left(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, int, Path]]:
    """The district in the middle of its work, two files of it on the disk, and its archive."""
    folder = tmp_path_factory.mktemp("left")
    with pages_world.served(module_database_url, folder) as pages:
        tenant_id = pk(pages.world.tenant)
    bind = db.engine(module_database_url)
    place = Place(db.session_factory(bind), Storage(folder / "bytes"))
    with db.transaction(place.factory) as session:
        sha = hashlib.sha256(PLAN).hexdigest()
        files = session.exec(
            db.owned(competencies.StoredFile, tenant_id).order_by(col(competencies.StoredFile.id))
        ).all()
        author = files[0].person_id
        for number in range(2):  # the same bytes twice: once in the archive
            key = f"{number:032x}"
            place.storage.create(key)
            place.storage.write_part(key, 0, BytesIO(PLAN), len(PLAN))
            place.storage.commit(key)
            file = competencies.StoredFile(
                tenant_id=tenant_id,
                person_id=author,
                state=competencies.FileState.READY,
                filename=f"教学设计{number}.pdf",
                storage_key=key,
                size_bytes=len(PLAN),
                sha256=sha,
                extension="pdf",
                started_at=pages_world.NOW,
            )
            session.add(file)
        competencies.seal(session, tenant_id, pages_world.NOW)
        for point in session.exec(select(competencies.CompetencyPoint)).all():
            point.level_words = {"pass": {"zh": "达标", "en": "Proficient"}}
            session.add(point)
    path = folder / "archive.zip"
    archive_export.export(place.factory, tenant_id, place.storage, path)
    yield place, tenant_id, path
    bind.dispose()


@pytest.fixture
def empty(own_database_url: str, tmp_path: Path) -> Iterator[Place]:
    """A new installation."""
    yield from place_at(own_database_url, tmp_path / "new")


def place_at(url: str, folder: Path) -> Iterator[Place]:
    bind = db.engine(url)
    yield Place(db.session_factory(bind), Storage(folder))
    bind.dispose()


def counts(place: Place) -> dict[str, int]:
    """How many rows every table has."""
    with place.factory() as session:
        tables = Model.metadata.tables.values()
        return {one.name: session.execute(select(func.count()).select_from(one)).scalar_one() for one in tables}


def is_untouched(place: Place) -> bool:
    """Whether nothing was written: no row, no byte."""
    return not any(counts(place).values()) and not [one for one in place.storage.root.rglob("*") if one.name == "bytes"]


def test_every_table_is_in_the_archive_or_left_out_for_a_reason() -> None:
    names = set(Model.metadata.tables)
    assert names == set(archive_tables.KEPT) | set(archive_tables.LEFT_OUT), "flow/archive_tables.py: say which it is"
    assert not set(archive_tables.KEPT) & set(archive_tables.LEFT_OUT)
    for one in archive_tables.tables():
        for column in one.columns:
            for key in column.foreign_keys:
                assert key.column.table.name in archive_tables.KEPT, f"{one.name}.{column.name} leads to what stays"
            said = re.search(r"secret|token(?!_url|_audience)|private|password|csrf|code_hash", column.name)
            assert said is None or (one.name, column.name) in archive_tables.COLUMNS_LEFT_OUT, (one.name, column.name)


def test_what_packs_knows_every_table_by_itself() -> None:
    """A process that has imported nothing else: a table that it did not know would be missing without a word."""
    asks = "from lms_plugin.flow import archive_tables as one; assert len(one.tables()) == len(one.KEPT)"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_district_arrives_as_it_was_and_leaves_again_with_the_same_hash(
    left: tuple[Place, int, Path], empty: Place, tmp_path: Path
) -> None:
    _old, tenant_id, path = left
    hashed, manifest = archive_import.look(path)
    assert manifest["files"]["count"] - manifest["files"]["missing"] == 2
    url = f"sqlite:///{tmp_path / 'between.sqlite3'}"
    migrate.upgrade(url)
    for between in place_at(url, tmp_path / "between"):  # SQLite, whatever the two ends are
        taken = archive_import.take_in(between.factory, between.storage, path, expected=hashed[:12])
        assert (taken.tenant_id, taken.hash, taken.faults) == (tenant_id, hashed, 0)
        again = archive_export.export(between.factory, tenant_id, between.storage, tmp_path / "again.zip")
        assert again.hash == hashed
    archive_import.take_in(empty.factory, empty.storage, tmp_path / "again.zip")
    third = archive_export.export(empty.factory, tenant_id, empty.storage, tmp_path / "third.zip")
    assert third.hash == hashed
    has = counts(empty)
    assert {name: has[name] for name in archive_tables.KEPT} == manifest["rows"]
    assert not any(has[name] for name in archive_tables.LEFT_OUT)
    with empty.factory() as session:
        versions = session.exec(select(competencies.FrameworkVersion)).all()
        assert any(competencies.languages.languages_of(one.content) for one in versions)
        packs = [competencies.load_pack(one.content) for one in versions]
        assert [competencies.content_hash(one) for one in packs] == [one.content_hash for one in versions]
        faults: list[competencies.Fault] = []
        proof = competencies.prove(session, tenant_id, faults.append)
        assert not faults
        assert proof.seals_hold == manifest["ledger"]["seals"] > 0
        assert proof.head == manifest["ledger"]["hash"]
        assert all(row.is_disabled for row in lti.platforms(session, tenant_id))
    assert empty.storage.path(f"{1:032x}").read_bytes() == PLAN


def test_who_arrived_goes_on_working(left: tuple[Place, int, Path], empty: Place) -> None:
    """New rows get new numbers, new entries of the ledger a seal that follows the old ones."""
    _old, tenant_id, path = left
    archive_import.take_in(empty.factory, empty.storage, path)
    with db.transaction(empty.factory) as session:
        highest = session.exec(select(func.max(Person.id))).one()
        made = Person(tenant_id=tenant_id, name="新来的", created_at=pages_world.NOW)
        session.add(made)
        session.flush()
        assert pk(made) > highest
        last = session.exec(select(competencies.CreditEntry).order_by(col(competencies.CreditEntry.id).desc())).first()
        before = competencies.head(session, tenant_id)
        copy = last.model_dump(exclude={"id", "uuid", "reverses_id", "import_key"})
        session.add(competencies.CreditEntry(**copy))
        session.flush()
        assert competencies.seal(session, tenant_id, pages_world.NOW)
        after = competencies.head(session, tenant_id)
        assert after.number > before.number
        faults: list[competencies.Fault] = []
        competencies.prove(session, tenant_id, faults.append)
        assert not faults


def test_an_auditor_proves_the_ledger_with_a_calculator(left: tuple[Place, int, Path]) -> None:
    """As index.html says: by the lines of two members and SHA-256 alone."""
    _old, _tenant_id, path = left
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("data/credit_entry.jsonl").splitlines()
        seals = [json.loads(line) for line in archive.read("data/ledger_seal.jsonl").splitlines()]
    computed = {json.loads(line)["id"]: hashlib.sha256(line).hexdigest() for line in lines}
    said = [one.split(":") for seal in seals for one in seal["entries"].split(",")]
    assert {int(entry): hashed for entry, hashed in said} == computed
    before = ""
    for seal in seals:
        stands = seal.pop("hash")
        assert hashlib.sha256(parcel.line(seal)[:-1]).hexdigest() == stands
        assert seal["previous_hash"] == before
        before = stands


def test_secrets_stay_behind(left: tuple[Place, int, Path]) -> None:
    old, _tenant_id, path = left
    with zipfile.ZipFile(path) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    with old.factory() as session:
        secrets = [
            *session.exec(select(WebSession.token_hash)),
            *session.exec(select(WebSession.csrf)),
            *session.exec(select(Invitation.token_hash)),
            *session.exec(select(competencies.Training.sign_in_secret)),
        ]
        subject = session.exec(select(Identity.subject).order_by(col(Identity.id))).first()
    assert len(secrets) > 5
    assert not [secret for secret in secrets if secret.encode() in whole]
    assert subject.encode() in whole  # by which people are found again


def test_the_pages_open_by_themselves(left: tuple[Place, int, Path], tmp_path: Path) -> None:
    """Every link of every page leads to a member of the archive, or is a teacher's own address."""
    _old, _tenant_id, path = left
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        pages = [name for name in names if name.endswith(".html")]
        assert len(pages) > 10
        for name in pages:
            text = archive.read(name).decode()
            assert "<script" not in text
            for link in re.findall(r'href="([^"]+)"', text):
                if not link.startswith("https://"):
                    target = (Path("/") / Path(name).parent / link).resolve().relative_to("/")
                    assert str(target) in names or "files/" in link, (name, link)
        index = archive.read("index.html").decode()
        assert "平安县" in index
        kinds = ("person", "school", "programme", "training", "ledger")
        whole = {kind: "".join(archive.read(name).decode() for name in pages if f"/{kind}-" in name) for kind in kinds}
        entries = [json.loads(line) for line in archive.read("data/credit_entry.jsonl").splitlines()]
    assert all(f'href="pages/{kind}-' in index for kind in kinds if kind != "person")
    assert entries
    for entry in entries:
        said = f"<tr><td>{entry['id']}</td>"
        assert said in whole["ledger"]
        assert said in whole["person"]
    assert "互评 / Reviews" in whole["person"]
    assert "转入 / moved in：" in whole["ledger"]
    assert "达标 / Proficient" in whole["person"]
    assert "合格 / passed" not in whole["person"].replace("不合格", "")


def test_files_that_are_missing_are_named_and_counted_alike_at_every_stop(
    left: tuple[Place, int, Path], empty: Place, tmp_path: Path
) -> None:
    """Of the same bytes handed in twice one copy is gone: the other is packed, so nothing is missing of either."""
    old, tenant_id, path = left
    with parcel.Opened(path) as whole:
        lost = [
            row
            for row in whole.rows("data/stored_file.jsonl")
            if row["sha256"] and row["state"] in {"ready", "refused"}
        ]
    gone = old.storage.path(f"{0:032x}")
    gone.rename(gone.with_name("aside"))
    try:
        packed = archive_export.export(old.factory, tenant_id, old.storage, tmp_path / "one.zip")
    finally:
        gone.with_name("aside").rename(gone)
    assert packed.hash == archive_import.look(path)[0]
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        page = archive.read("pages/missing.html").decode()
    assert packed.missing == page.count("<code>") == len([row for row in lost if row["sha256"] in page])
    archive_import.take_in(empty.factory, empty.storage, tmp_path / "one.zip")
    again = archive_export.export(empty.factory, tenant_id, empty.storage, tmp_path / "again.zip")
    assert (again.hash, again.missing) == (packed.hash, packed.missing)


class Stop(Exception):
    """Somebody pulls the plug."""


def test_packing_and_taking_in_go_on_where_they_were(
    left: tuple[Place, int, Path], empty: Place, tmp_path: Path
) -> None:
    old, tenant_id, path = left
    hashed, _manifest = archive_import.look(path)
    target = tmp_path / "cut.zip"
    for stage in (lambda p: p.rows > 20 and p.files == 0, lambda p: p.may_pause):

        def cut(progress: archive_export.Progress, is_now: Any = stage) -> None:
            if is_now(progress):
                raise Stop

        with pytest.raises(Stop):
            archive_export.export(old.factory, tenant_id, old.storage, target, cut)
    with parcel.Reading(target) as kept:
        assert list(kept.rows("facts.json"))  # the tables are not read again
    assert archive_export.export(old.factory, tenant_id, old.storage, target).hash == hashed

    def unplug(progress: archive_export.Progress) -> None:
        if progress.rows > 100:
            raise Stop

    with pytest.raises(Stop):
        archive_import.take_in(empty.factory, empty.storage, target, unplug)
    assert not any(counts(empty).values())  # half a district is no district
    inode = empty.storage.path(f"{0:032x}").stat().st_ino
    assert archive_import.take_in(empty.factory, empty.storage, target).hash == hashed
    assert empty.storage.path(f"{0:032x}").stat().st_ino == inode


def test_a_disk_that_is_full_at_the_very_end_spoils_nothing(
    left: tuple[Place, int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of contents was written, the manifest was not: the same call writes both anew."""
    old, tenant_id, path = left
    text = parcel.Packing.text

    def full(packing: parcel.Packing, name: str, words: str) -> None:
        if name == parcel.MANIFEST:
            raise OSError(errno.ENOSPC, "full")
        text(packing, name, words)

    target = tmp_path / "full.zip"
    with monkeypatch.context() as patched:
        patched.setattr(parcel.Packing, "text", full)
        with pytest.raises(OSError, match="full"):
            archive_export.export(old.factory, tenant_id, old.storage, target)
    archive_export.export(old.factory, tenant_id, old.storage, target)
    assert archive_import.look(target)[0] == archive_import.look(path)[0]


def test_what_was_cut_off_of_another_district_is_not_gone_on_with(
    left: tuple[Place, int, Path], tmp_path: Path
) -> None:
    place, tenant_id, _path = left
    with place.factory() as session:
        neighbour = session.exec(select(Tenant).where(Tenant.id != tenant_id).order_by(col(Tenant.id))).first()
    assert neighbour is not None
    target = tmp_path / "cut.zip"

    def cut(progress: archive_export.Progress) -> None:
        if progress.may_pause:
            raise Stop

    with pytest.raises(Stop):
        archive_export.export(place.factory, tenant_id, place.storage, target, cut)
    archive_export.export(place.factory, pk(neighbour), place.storage, target)
    assert archive_import.look(target)[1]["tenant"]["uuid"] == neighbour.uuid


def rewritten(path: Path, target: Path, change: Any) -> Path:
    """An archive whose maker changed it and made all hashes true again. `change(name, rows)` gives the new rows, or
    facts."""
    packing = parcel.Packing(target)
    with parcel.Opened(path) as old:
        for member in old.contents():
            if member.name.startswith("data/"):
                rows = change(member.name.removeprefix("data/").removesuffix(".jsonl"), list(old.rows(member.name)))
                with packing.member(member.name) as made:
                    made.writelines(parcel.line(row) for row in rows)
            elif member.name == "facts.json":
                [facts] = change("facts", list(old.rows(member.name)))
                packing.text(member.name, parcel.line(facts).decode())
            else:
                with old.stream(member.name) as stream, packing.member(member.name) as made:
                    made.write(stream.read())
        manifest = old.manifest
    packing.checkpoint()
    packing.finish({**{name: manifest[name] for name in manifest if name != "contents"}, **facts})
    return target


def _set(table: str, **values: Any) -> Any:
    def change(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**rows[0], **values}, *rows[1:]] if name == table and rows else rows

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("facts", version=2), "parcel.version_unknown"),
        (_set("facts", format="other"), "parcel.other_kind"),
        (_set("facts", schema="0001"), "archive.other_schema"),
        (_set("person", tenant_id=99), "archive.points_out"),
        (_set("role", person_id=1_000_000), "archive.points_out"),
        (_set("person", absorbed_ids=[1_000_000]), "archive.points_out"),
        (_set("programme", policy_id=1_000_000), "archive.points_out"),
        (_set("org_unit", path="/7/"), "archive.row"),
        (_set("person", name=5), "archive.row"),
        (_set("person", name="长" * 101), "archive.row"),
        (_set("person", more="x"), "archive.row"),
        (_set("person", created_at="yesterday"), "archive.row"),
        (_set("role", kind="god"), "archive.row"),
        (_set("stored_file", storage_key="../../etc"), "archive.row"),
        (_set("credit_entry", credit_hundredths=999_900), "archive.ledger_faults"),
        (lambda name, rows: rows[1:] if name == "person" else rows, "archive.row"),
        (lambda name, rows: [*rows, rows[-1]] if name == "identity" else rows, "archive.row"),
    ],
)
def test_an_archive_that_was_made_to_deceive_is_refused_whole(
    left: tuple[Place, int, Path], empty: Place, tmp_path: Path, change: Any, code: str
) -> None:
    _old, _tenant_id, path = left
    wrong = rewritten(without_files(path, tmp_path), tmp_path / "wrong.zip", change)
    with pytest.raises(Refused) as refused:
        archive_import.take_in(empty.factory, empty.storage, wrong)
    assert refused.value.code == code
    assert is_untouched(empty)


def without_files(path: Path, folder: Path) -> Path:
    """The archive of a place whose disk was lost: its files are named as missing."""
    target = folder / "bare.zip"
    packing = parcel.Packing(target)
    with parcel.Opened(path) as old:
        for member in old.contents():
            if not member.name.startswith("files/"):
                with old.stream(member.name) as stream, packing.member(member.name) as made:
                    made.write(stream.read())
        manifest = old.manifest
    packing.checkpoint()
    packing.finish({name: manifest[name] for name in manifest if name != "contents"})
    return target


def test_changed_bytes_and_another_hash_are_refused(
    left: tuple[Place, int, Path], empty: Place, tmp_path: Path
) -> None:
    _old, _tenant_id, path = left
    changed = tmp_path / "changed.zip"
    changed.write_bytes(path.read_bytes().replace(b"a lesson plan", b"A LESSON PLAN"))
    for wrong, expected, code in ((changed, "", "parcel.changed"), (path, "abc", "archive.other_hash")):
        with pytest.raises(Refused) as refused:
            archive_import.take_in(empty.factory, empty.storage, wrong, expected=expected)
        assert refused.value.code == code
    assert is_untouched(empty)


def test_it_arrives_once_and_only_where_its_numbers_are_free(left: tuple[Place, int, Path], empty: Place) -> None:
    old, _tenant_id, path = left
    with pytest.raises(Refused) as refused:
        archive_import.take_in(old.factory, old.storage, path)
    assert refused.value.code == "archive.already_there"
    assert old.storage.path(f"{0:032x}").read_bytes() == PLAN  # whose files they are keeps them
    with db.transaction(empty.factory) as session:
        tenant = Tenant(name="别的县", created_at=pages_world.NOW)
        session.add(tenant)
        session.flush()
        session.add(OrgUnit(tenant_id=pk(tenant), kind="county", name="别的县", path="/1/"))
    before = counts(empty)
    with pytest.raises(Refused) as refused:
        archive_import.take_in(empty.factory, empty.storage, path)
    assert refused.value.code == "archive.numbers_taken"
    assert counts(empty) == before


def test_a_neighbour_does_not_come_along(left: tuple[Place, int, Path]) -> None:
    """The database holds another district too: nothing of it is in the archive."""
    old, tenant_id, path = left
    with old.factory() as session:
        others = session.exec(select(Person.uuid).where(Person.tenant_id != tenant_id)).all()
    with parcel.Opened(path) as opened:
        here = {row["uuid"] for row in opened.rows("data/person.jsonl")}
        assert json.dumps(opened.manifest)
    assert here
    assert not here & set(others)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ({"decided_by_id": 7}, ""),
        ({"decided_by_id": 8}, "archive.points_out"),
        ({}, "archive.row"),
        ([7], "archive.row"),
    ],
)
def test_who_decided_before_an_appeal_is_a_person_of_the_district(before: Any, code: str) -> None:
    table, pointers = Model.metadata.tables["appeal"], archive_tables.Pointers(1)
    row = {column.name: None for column in archive_tables.columns(table)}
    person = {column.name: None for column in archive_tables.columns(Model.metadata.tables["person"])}
    pointers.note(Model.metadata.tables["person"], {**person, "id": 7, "tenant_id": 1})

    def looked_at() -> None:
        pointers.note(table, {**row, "id": 1, "tenant_id": 1, "before": before})
        pointers.must_be_there()

    if not code:
        looked_at()
        return
    with pytest.raises(Refused, match=code.replace(".", r"\.")):
        looked_at()
