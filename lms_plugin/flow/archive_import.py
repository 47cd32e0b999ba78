"""Taking in a district's archive: looked through to its last byte, then the files, then all rows in one transaction.

So a district is there whole or not at all, whatever happens on the way. What was cut off is begun again with the same
call: files that lie there already, with the right bytes, are not written twice, and who kept how far it had come
(`Come`) does not read again what was read. Ids stay what they are (the seals of the ledger cover them), so the
installation must have no row with one of these numbers: a new one has none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, or_, select, text, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import competencies
from lms_plugin import parcel
from lms_plugin.db import table, transaction
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import archive_export, archive_tables, sealing
from lms_plugin.flow.archive_export import FACTS, FILES, FORMAT, VERSION, WITH_BYTES, Progress, alone
from lms_plugin.people import Tenant
from lms_plugin.storage import Storage

_AT_ONCE = 500
CHECKED = "~"
"""In place of the last member that was looked at: all were, and all records. No member has a higher name."""


@dataclass
class Coming(Progress):
    """How far taking in has come. `step`: "checking", "files" or "records", whose `bytes`, `files` and `rows` these
    are; `checked_to`: the last member that was looked at, or `CHECKED`."""

    step: str = ""
    checked_to: str = ""
    all_rows: int = 0


Watch = Callable[[Coming], None]
"""As of packing: is told often, and may raise to stop."""


@dataclass(frozen=True)
class Come:
    """How far an earlier run came with the very same file."""

    checked_to: str = ""
    files: int = 0


@dataclass(frozen=True)
class Taken:
    """A district that has arrived. `faults`: what was wrong with its ledger before it left, and still is."""

    tenant_id: int
    name: str
    hash: str
    progress: Coming
    faults: int


def look(path: Path, watch: Watch = lambda _: None) -> tuple[str, dict[str, Any]]:
    """Reads an archive through; gives its hash and what its manifest says. Nothing is written.

    Raises Refused `parcel.…`, `archive.other_schema`.
    """
    with parcel.Opened(path) as opened:
        _must_be_ours(opened)
        _verify(opened, watch, Coming(), "")
        return opened.hash, opened.manifest


def glance(session: Session, path: Path, expected: str = "") -> tuple[str, str]:
    """What can be told of an archive at once: its hash and its district's name. The rest is left to `take_in`.

    Raises Refused `parcel.…`, `archive.other_hash`, `archive.other_schema`, `archive.already_there`,
    `archive.numbers_taken`.
    """
    with parcel.Opened(path) as opened:
        _must_have_hash(opened, expected)
        _must_be_ours(opened)
        _district(opened)
        _must_have_room(session, opened.manifest)
        return opened.hash, str(opened.manifest["tenant"]["name"])


def _must_have_hash(opened: parcel.Opened, expected: str) -> None:
    if not opened.hash.startswith(expected.strip().lower()):
        raise Refused("archive.other_hash", hash=opened.hash)


def _must_be_ours(opened: parcel.Opened) -> None:
    from lms_plugin import migrate  # noqa: PLC0415 - brings Alembic, which no page needs

    opened.must_be(FORMAT, (VERSION,))
    here = migrate.heads()[0]
    if opened.manifest.get("schema") != here:
        raise Refused("archive.other_schema", schema=str(opened.manifest.get("schema"))[:40], here=here)


def _verify(opened: parcel.Opened, watch: Watch, progress: Coming, after: str) -> None:
    progress.step, progress.all_bytes = "checking", _number(opened.manifest["contents"].get("bytes"))

    def told(one: parcel.Member) -> None:
        progress.bytes += one.bytes
        if one.name > after:
            progress.checked_to, progress.may_pause = one.name, True
        watch(progress)
        progress.may_pause = False

    opened.verify(told, after)
    facts = next(opened.rows(FACTS), {})
    if any(opened.manifest.get(name) != value for name, value in facts.items()):
        raise Refused("parcel.manifest")


def _district(opened: parcel.Opened) -> int:
    """The id of the district that the archive says it is of. Raises Refused `archive.row` where it does not say one."""
    said = opened.manifest.get("tenant")
    rows = list(islice(opened.rows(archive_tables.member(table(Tenant))), 2))
    names = ("id", "uuid", "name")
    if len(rows) != 1 or said != {name: rows[0].get(name) for name in names}:
        raise Refused("archive.row", table="tenant")
    return archive_tables.key_of(table(Tenant), rows[0].get("id"))


def _must_have_room(session: Session, manifest: dict[str, Any]) -> None:
    """Raises Conflict `archive.already_there`, `archive.numbers_taken`."""
    tenant, mine = manifest["tenant"], table(Tenant).c
    there = select(mine.id).where(or_(mine.uuid == tenant["uuid"], mine.name == tenant["name"]))
    if session.execute(there.limit(1)).first() is not None:
        raise Conflict("archive.already_there", name=str(tenant["name"])[:200])
    highest = manifest.get("highest_ids")
    for one in archive_tables.tables():
        if "id" in one.c and isinstance(highest, dict) and one.name in highest:
            taken = select(one.c.id).where(one.c.id <= _number(highest[one.name])).limit(1)
            if session.execute(taken).first() is not None:
                raise Conflict("archive.numbers_taken", table=one.name)


def _number(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def take_in(
    factory: "sessionmaker[Session]",
    storage: Storage,
    path: Path,
    watch: Watch = lambda _: None,
    *,
    expected: str = "",
    with_faults: bool = False,
    come: Come = Come(),
    ending: Callable[[Session, Taken], object] = lambda _session, _taken: None,
) -> Taken:
    """Takes a district in. `expected`: the manifest's hash (or its beginning) as the old installation said it;
    `with_faults`: also one whose ledger did not hold at the old place; `ending`: what else is written in the
    transaction that ends it.

    Raises Refused `parcel.…`, `archive.…` with nothing written; Unavailable `archive.busy`, `storage.full`.
    """
    with _arriving(storage), parcel.Opened(path) as opened:
        _must_have_hash(opened, expected)
        _must_be_ours(opened)
        return _Import(opened, storage, watch, come).run(factory, ending, with_faults=with_faults)


def take_back(factory: "sessionmaker[Session]", storage: Storage, path: Path) -> None:
    """Takes away the files of an archive that is not to come in after all; those that a district here has stay.

    Raises Refused `parcel.…` where the archive cannot be read any more; Unavailable `archive.busy`.
    """
    with _arriving(storage), parcel.Opened(path) as opened:
        _Import(opened, storage, lambda _: None, Come()).take_back(factory)


def is_busy(storage: Storage) -> bool:
    """Whether some process is taking in an archive at this moment."""
    return archive_export.is_busy(storage.root / "arriving")


@contextmanager
def _arriving(storage: Storage) -> Iterator[None]:
    """One archive at a time arrives at an installation."""
    storage.root.mkdir(parents=True, exist_ok=True)
    with alone(storage.root / "arriving"):
        yield


@dataclass
class _Import:
    opened: parcel.Opened
    storage: Storage
    watch: Watch
    come: Come

    def __post_init__(self) -> None:
        self.progress = Coming(checked_to=self.come.checked_to)
        self.pointers = archive_tables.Pointers(_district(self.opened))
        self.entries = archive_tables.Ids()

    def run(
        self, factory: "sessionmaker[Session]", ending: Callable[[Session, Taken], object], *, with_faults: bool
    ) -> Taken:
        """Files first, rows last; what was written for rows that are then refused goes again."""
        with factory() as session:
            _must_have_room(session, self.opened.manifest)
        if self.come.checked_to != CHECKED:
            self._check(factory)
        try:
            self._files()
            self.progress.step, self.progress.all_rows = "records", sum(self._counts().values())
            self.watch(self.progress)
            with transaction(factory) as session:
                _must_have_room(session, self.opened.manifest)
                faults = self._rows(session, with_faults=with_faults)
                name = self.opened.manifest["tenant"]["name"]
                taken = Taken(self.pointers.tenant_id, name, self.opened.hash, self.progress, faults)
                ending(session, taken)
        except (IntegrityError, DataError) as error:
            self.take_back(factory)
            raise Refused("archive.does_not_fit") from error
        except Refused:
            self.take_back(factory)
            raise
        return taken

    def _check(self, factory: "sessionmaker[Session]") -> None:
        """Every byte and every row is looked at before a byte is written."""
        _verify(self.opened, self.watch, self.progress, self.come.checked_to)
        self._all_rows()
        with factory() as session:
            self._must_have_no_such_files(session)
        self.progress.checked_to, self.progress.may_pause = CHECKED, True
        self.watch(self.progress)
        self.progress.may_pause = False

    def _counts(self) -> dict[str, int]:
        said = self.opened.manifest.get("rows")
        return {name: _number(count) for name, count in said.items()} if isinstance(said, dict) else {}

    def _must_have_no_such_files(self, session: Session) -> None:
        files = table(competencies.StoredFile)
        for some in archive_tables.batches(self.opened.rows(FILES), _AT_ONCE):
            keys = [row["storage_key"] for row in some]
            if session.execute(select(files.c.id).where(files.c.storage_key.in_(keys)).limit(1)).first() is not None:
                raise Conflict("archive.already_there", name=str(self.opened.manifest["tenant"]["name"])[:200])

    def _all_rows(self) -> None:
        counts: dict[str, int] = {}
        highest: dict[str, int] = {}
        for one in archive_tables.tables():
            count = 0
            for row in self.opened.rows(archive_tables.member(one)):
                archive_tables.read(one, row)
                self.pointers.note(one, row)
                highest[one.name] = max(highest.get(one.name, 0), row.get("id", 0))
                count += 1
                if count % 1000 == 0:
                    self.watch(self.progress)
            counts[one.name] = count
        said = self.opened.manifest
        if said.get("rows") != counts or said.get("highest_ids") != {
            one: high for one, high in highest.items() if high
        }:
            raise Refused("archive.row", table="manifest")
        self.pointers.must_be_there()
        for row in self.opened.rows(FILES):
            if not _is_key(row["storage_key"]):
                raise Refused("archive.row", table="stored_file.storage_key")

    # --- bytes ---

    def _files(self) -> None:
        """Files that an earlier run brought here are only looked for: their bytes were held against their hash then."""
        self.progress.step, self.progress.bytes, self.progress.all_bytes = "files", 0, 0
        for _row, name in self._with_bytes():
            self.progress.all_files += 1
            self.progress.all_bytes += self.opened.size(name)
        self.watch(self.progress)
        for number, (row, name) in enumerate(self._with_bytes(), 1):
            is_new = number > self.come.files or not self.storage.committed(row["storage_key"])
            if is_new:
                self._file(row["storage_key"], name, row["sha256"])
            self.progress.files = number
            self.progress.bytes += self.opened.size(name)
            self.progress.may_pause = is_new
            self.watch(self.progress)
            self.progress.may_pause = False

    def _with_bytes(self) -> Iterator[tuple[dict[str, Any], str]]:
        for row in self.opened.rows(FILES):
            name = parcel.file_name(row["sha256"], row["extension"])
            if row["state"] in WITH_BYTES and row["sha256"] and name in self.opened:
                yield row, name

    def _file(self, key: str, name: str, sha256: str) -> None:
        """One file under its key. A part that a cut left there is written anew."""
        if self.storage.committed(key):
            if self.storage.commit(key) == sha256:
                return
            raise Conflict("archive.already_there", name=key)
        self.storage.delete(key)
        self.storage.create(key)
        with self.opened.stream(name) as stream:
            self.storage.write_part(key, 0, stream, self.opened.size(name))
        if self.storage.commit(key) != sha256:
            raise Refused("parcel.changed", name=name)

    def take_back(self, factory: "sessionmaker[Session]") -> None:
        """The rows were refused: their files go again, but none that a district here has."""
        files = table(competencies.StoredFile)
        with factory() as session:
            for row, _name in self._with_bytes():
                if session.execute(select(files.c.id).where(files.c.storage_key == row["storage_key"])).first() is None:
                    self.storage.delete(row["storage_key"])

    # --- rows ---

    def _rows(self, session: Session, *, with_faults: bool) -> int:
        """All rows, in the caller's transaction; gives how many faults its ledger has.

        Raises Refused `archive.ledger_faults` where there are any and nobody said that there may be.
        """
        connection = session.connection()
        for one in archive_tables.tables():
            self._table(connection, one)
        self._seals(session)
        for row in self.opened.rows(FILES):
            if row["state"] == competencies.FileState.UPLOADING.value:
                self.storage.delete(row["storage_key"])
                self.storage.create(row["storage_key"])  # its author sends it from the beginning
        if connection.dialect.name == "postgresql":
            _go_on_counting(connection)
        faults: list[competencies.Fault] = []
        sealing.prove(session, self.pointers.tenant_id, faults.append)
        if faults and not with_faults:
            raise Refused("archive.ledger_faults", count=len(faults))
        return len(faults)

    def _seals(self, session: Session) -> None:
        """The database noted every entry as new; those that a seal of the archive names are sealed."""
        for row in self.opened.rows(archive_tables.member(table(competencies.LedgerSeal))):
            named = [entry for entry, _hash in competencies.seals.named_in(row["entries"]) if entry in self.entries]
            for start in range(0, len(named), _AT_ONCE):
                competencies.seals.is_sealed(session, named[start : start + _AT_ONCE])

    def _table(self, connection: Connection, one: Table) -> None:
        """Rows that point to later ones of the same table get that when all are there."""
        later = [] if one.name == "credit_entry" else archive_tables.points_to_itself(one)
        pointing: list[dict[str, Any]] = []
        made = (archive_tables.read(one, row) for row in self.opened.rows(archive_tables.member(one)))
        for some in archive_tables.batches(made, _AT_ONCE):
            for row in some:
                if any(row[name] is not None for name in later):
                    pointing.append({"its_id": row["id"], **{f"new_{name}": row[name] for name in later}})
                    row.update(dict.fromkeys(later))
            connection.execute(insert(one), some)
            if one is table(competencies.CreditEntry):
                for row in some:
                    self.entries.add(row["id"])
            self.progress.rows += len(some)
            self.watch(self.progress)
        for row in pointing:
            values = {name: row[f"new_{name}"] for name in later}
            connection.execute(update(one).where(one.c.id == row["its_id"]).values(values))


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 32 and set(value) <= set("0123456789abcdef")


def _go_on_counting(connection: Connection) -> None:
    """PostgreSQL draws the next ids after the highest that came in."""
    for one in archive_tables.tables():
        if "id" not in one.c:
            continue
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": one.name}
        ).scalar_one()
        if sequence is not None:
            highest = connection.execute(select(func.coalesce(func.max(one.c.id), 0))).scalar_one()
            if highest:
                connection.execute(
                    text("SELECT setval(CAST(:sequence AS regclass), :highest)"),
                    {"sequence": sequence, "highest": highest},
                )
