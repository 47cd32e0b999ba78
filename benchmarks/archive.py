"""What it costs to pack a district's archive and to take it in: `make bench NAME=archive`.

The district (works, reviews, hours, a ledger of many entries, files of which one is large) is made by a process of its
own. Another one packs it, a third takes the archive into an empty SQLite database, a fourth packs it again: the hash
must be the same. Memory is the most that packing, or taking in, held, looked at ten times a second: it must not go with
the size. SQLite, or PostgreSQL by its URL. Ends with 1 where the promise is short.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import col, select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import district  # noqa: E402 - lies beside this file
import processes  # noqa: E402

import competencies  # noqa: E402 - found over the path above
from lms_plugin import migrate  # noqa: E402
from lms_plugin.db import engine, new_uuid, pk, session_factory, table, transaction  # noqa: E402
from lms_plugin.flow import archive_export, archive_import  # noqa: E402
from lms_plugin.people import Person, Tenant  # noqa: E402
from lms_plugin.storage import Storage  # noqa: E402

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
TEACHERS, ENTRIES, FILES, LARGE_MB, MOST_MB = 3000, 300_000, 5000, 600, 150
SMALL = 20_000  # bytes of an ordinary file


def seed(url: str, folder: Path, sizes: argparse.Namespace) -> None:
    """The district with its ledger, and the bytes of its files."""
    migrate.upgrade(url)
    district.build(url, sizes.teachers, NOW)
    factory, storage = session_factory(engine(url)), Storage(folder / "old")
    with transaction(factory) as session:
        tenant = session.exec(select(Tenant)).one()
        people = session.exec(select(Person.id).order_by(col(Person.id))).all()
        policy = session.exec(select(competencies.ProgrammePolicy)).first()
        assert policy is not None
        entry = {
            **dict.fromkeys(("award_id", "reverses_id", "decided_by_id", "org_unit_id", "import_key")),
            **{"tenant_id": pk(tenant), "programme_id": policy.programme_id},
            **{"kind": competencies.CreditKind.ONLINE, "credit_hundredths": 100, "reason": "import"},
            **{"policy_id": pk(policy), "source": "省平台 2026 秋", "earned_on": NOW.date(), "entered_at": NOW},
        }
        for start in range(0, sizes.entries, 5000):
            some = [
                {**entry, "uuid": new_uuid(), "person_id": people[number % len(people)]}
                for number in range(start, min(start + 5000, sizes.entries))
            ]
            session.connection().execute(table(competencies.CreditEntry).insert(), some)
        file = {
            **{
                "tenant_id": pk(tenant),
                "person_id": people[0],
                "state": competencies.FileState.READY,
                "kind": "document",
            },
            **{"mime": "application/pdf", "extension": "pdf", "problem": "", "findings": [], "findings_waived": False},
            **{"started_at": NOW, "left_out": 0, "pages": None, "duration_ms": None},
            **{"completed_at": NOW, "unused_since_at": None},
        }
        rows = []
        for number in range(sizes.files):
            size = sizes.large_mb << 20 if number == 0 else SMALL
            key, digest = _write(storage, size)
            rows.append(
                {
                    **file,
                    **{"uuid": new_uuid(), "filename": f"教学设计{number}.pdf", "storage_key": key},
                    **{"size_bytes": size, "received_bytes": size, "sha256": digest},
                }
            )
        session.connection().execute(table(competencies.StoredFile).insert(), rows)
    while True:
        with transaction(factory) as session:
            if not competencies.seal(session, pk(tenant), NOW):
                return


def _write(storage: Storage, size: int) -> tuple[str, str]:
    """A committed file of random bytes, straight to its place: keys and layout are the storage's."""
    key, digest = os.urandom(16).hex(), hashlib.sha256()
    storage.create(key)
    part = storage.path(key)
    with part.open("wb") as target:
        for start in range(0, size, 1 << 20):
            piece = os.urandom(min(1 << 20, size - start))
            target.write(piece)
            digest.update(piece)
    part.rename(part.with_name("bytes"))
    return key, digest.hexdigest()


def pack(url: str, storage: Storage, file: Path) -> dict[str, object]:
    """Packs the district."""
    factory = session_factory(engine(url))
    with factory() as session:
        tenant_id = pk(session.exec(select(Tenant)).one())
    began = time.perf_counter()
    packed = archive_export.export(factory, tenant_id, storage, file)
    done = packed.progress
    return {
        **{"rows": done.rows, "files": done.files - packed.missing, "hash": packed.hash},
        **{"seconds": time.perf_counter() - began, "mb": file.stat().st_size / 2**20},
    }


def arrive(url: str, storage: Storage, file: Path) -> dict[str, object]:
    """Takes the archive in, where the tables stand."""
    began = time.perf_counter()
    taken = archive_import.take_in(session_factory(engine(url)), storage, file)
    return {"hash": taken.hash, "rows": taken.progress.rows, "seconds": time.perf_counter() - began}


def main() -> int:
    """Seeds and measures in processes of their own; 1 where the promise is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teachers", type=int, default=TEACHERS)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="of the ledger, besides those of the works")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--large-mb", type=int, default=LARGE_MB, help="size of the first file")
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database to pack from")
    parser.add_argument("--step", choices=("seed", "pack", "migrate", "arrive", "again"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        old = options.postgresql or f"sqlite:///{options.folder}/old.sqlite3"
        new = f"sqlite:///{options.folder}/new.sqlite3"
        there, here = Storage(options.folder / "old"), Storage(options.folder / "new")
        if options.step == "seed":
            seed(old, options.folder, options)
        elif options.step == "pack":
            print(json.dumps(pack(old, there, options.folder / "a.zip")))
        elif options.step == "migrate":
            migrate.upgrade(new)
        elif options.step == "arrive":
            print(json.dumps(arrive(new, here, options.folder / "a.zip")))
        else:
            print(json.dumps(pack(new, here, options.folder / "b.zip")))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        step = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--step"]
        subprocess.run([*step, "seed"], check=True)
        packed, packing = processes.watched([*step, "pack"])
        subprocess.run([*step, "migrate"], check=True)  # as `nengli migrate` does, before anything can come
        taken, taking = processes.watched([*step, "arrive"])
        again, _memory = processes.watched([*step, "again"])
    is_same = packed["hash"] == taken["hash"] == again["hash"]
    print(
        f"{packed['rows']} records, {packed['files']} files, {packed['mb']:.0f} MB: {packed['seconds']:.0f} s to pack"
    )
    print(
        f"taken in: {taken['seconds']:.0f} s, {max(taking):.0f} MB; the hash is {'the same' if is_same else 'ANOTHER'}"
    )
    is_ok = is_same and max(*packing, *taking) <= MOST_MB
    print(f"archive: packed with {max(packing):.0f} MB ({MOST_MB} MB) {'ok' if is_ok else 'short'}")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
