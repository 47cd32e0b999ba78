"""What it costs to put a county's certificates into one ZIP: `make bench NAME=certificate_bundle`.

A district with so many teachers who hold a certificate is made by a process of its own. Another one is the worker: it
prints them all, run by run, as the product does. Its time is that of all runs; its memory the most that it and the
printing process that it starts held together, looked at ten times a second, in the first and in the last quarter of
the time: the promise is that they do not differ by more than a tenth. SQLite, or PostgreSQL by its URL. Ends with 1
where the promise is short.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import processes  # noqa: E402 - lies beside this file
from opened import actor_of, opened  # noqa: E402

import competencies  # noqa: E402 - found over the path above
from lms_plugin import migrate  # noqa: E402
from lms_plugin.db import engine, new_uuid, pk, session_factory, table, transaction  # noqa: E402
from lms_plugin.flow import bundle_making, certificate_bundles, certificates  # noqa: E402
from lms_plugin.people import OrgMembership, OrgUnit, Person  # noqa: E402
from lms_plugin.storage import Storage  # noqa: E402

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
CERTIFICATES, A_SCHOOL, MOST_SECONDS, MOST_MB, ENTRIES = 1000, 50, 600, 500, 6


def seed(url: str, count: int) -> None:
    """So many teachers with six entries each in the ledger, sealed, and a certificate each; the ZIP is asked for."""
    migrate.upgrade(url)
    factory = session_factory(engine(url))
    with transaction(factory) as session:
        there = opened(session, -(-count // A_SCHOOL), NOW)
        tenant, programme, policy, schools = there.tenant, there.programme, there.policy, there.schools
        people = [
            Person(tenant_id=pk(tenant), name=f"教师{number}", confirmed_at=NOW, created_at=NOW)
            for number in range(count)
        ]
        session.add_all(people)
        session.flush()
        session.add_all(
            OrgMembership(person_id=pk(one), org_unit_id=pk(schools[number // A_SCHOOL]), starts_on=NOW.date())
            for number, one in enumerate(people)
        )
        entry = {"tenant_id": pk(tenant), "programme_id": pk(programme), "policy_id": pk(policy), "entered_at": NOW}
        rows = [
            competencies.CreditEntry(
                **entry,
                person_id=pk(one),
                kind=competencies.CreditKind.PRACTICE,
                credit_hundredths=250,
                reason="award",
            ).model_dump(exclude={"id"})
            for one in people
            for _ in range(ENTRIES)
        ]
        for row in rows:
            row["uuid"] = new_uuid()
        session.execute(table(competencies.CreditEntry).insert(), rows)
        programme_uuid, tenant_id, actor = programme.uuid, pk(tenant), actor_of(there.officer)
        county_uuid = there.county.uuid
    sealed = competencies.MOST_IN_A_SEAL
    while sealed == competencies.MOST_IN_A_SEAL:
        with transaction(factory) as session:
            sealed = competencies.seal(session, tenant_id, NOW)
    with transaction(factory) as session:
        for school in session.exec(select(OrgUnit).where(OrgUnit.tenant_id == tenant_id)).all():
            certificates.issue_to_school(session, actor, programme_uuid, school.uuid, "平教培〔2026〕12 号", NOW)
        certificate_bundles.ask(session, actor, programme_uuid, county_uuid, NOW)


def measure(url: str, folder: Path) -> dict[str, float]:
    """Runs the job until the file is there, and looks into it."""
    factory, storage, kind = session_factory(engine(url)), Storage(folder / "files"), competencies.bundles
    began, runs = time.perf_counter(), 0
    while True:
        bundle_making.make(factory, storage, "https://hours.example", {"bundle_id": 1}, lambda: datetime.now(UTC))
        runs += 1
        with factory() as session:
            bundle = session.get_one(kind.CertificateBundle, 1)
        if bundle.state not in kind.OPEN:
            break
    seconds = time.perf_counter() - began
    with zipfile.ZipFile(storage.path(bundle.storage_key)) as archive:
        papers = sum(name.endswith(".pdf") for name in archive.namelist())
        assert archive.testzip() is None
    return {"papers": papers, "seconds": seconds, "runs": runs, "mb": bundle.size_bytes / 2**20}


def main() -> int:
    """Seeds and measures in processes of their own; 1 where the promise is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificates", type=int, default=CERTIFICATES)
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database to use in place of SQLite")
    parser.add_argument("--step", choices=("seed", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        url = options.postgresql or f"sqlite:///{options.folder}/bench.sqlite3"
        if options.step == "seed":
            seed(url, options.certificates)
        else:
            print(json.dumps(measure(url, options.folder)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--step"]
        subprocess.run([*again, "seed"], check=True)
        found, seen = processes.watched([*again, "measure"])
    quarter = max(1, len(seen) // 4)
    first, last = max(seen[:quarter]), max(seen[-quarter:])
    print(f"{found['papers']} certificates in {found['runs']} runs, {found['mb']:.0f} MB")
    is_flat = last <= first * 1.1
    is_ok = found["papers"] == options.certificates and is_flat
    is_ok = is_ok and found["seconds"] <= MOST_SECONDS and max(seen) <= MOST_MB
    memory = f"{first:.0f} MB in the first quarter, {last:.0f} MB in the last ({MOST_MB} MB)"
    verdict = "ok" if is_ok else "short"
    print(f"bundle of {options.certificates}: {found['seconds']:.0f} s ({MOST_SECONDS} s), {memory} {verdict}")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
