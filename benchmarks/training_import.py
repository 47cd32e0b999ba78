"""What it costs to take in a sign-in list of 100 000 rows: `make bench NAME=training_import`.

The district and the file (xlsx, or CSV by --csv) are made by a process of their own. Another one checks the file and
takes it in, as the page does, and once more, which must add nobody. Its time is that of the first check and taking in;
its memory the most that it and the parser that it starts held together, looked at ten times a second. SQLite, or
PostgreSQL by its URL. Ends with 1 where the promise is short.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlmodel import col, select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import processes  # noqa: E402 - lies beside this file
from opened import OFFICER, actor_of, opened  # noqa: E402

import competencies  # noqa: E402 - found over the path above
from lms_plugin import migrate  # noqa: E402
from lms_plugin.db import engine, new_uuid, pk, session_factory, table, transaction  # noqa: E402
from lms_plugin.flow import sheets, training_import, trainings  # noqa: E402
from lms_plugin.people import Person, RosterEntry  # noqa: E402

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
ROWS, MOST_SECONDS, MOST_MB = 100_000, 60, 200
SCHOOLS = 50


def seed(url: str, rows: int, file: Path) -> None:
    """A district whose roster has so many teachers (every second one has come), a training of it, and the file."""
    migrate.upgrade(url)
    with transaction(session_factory(engine(url))) as session:
        there = opened(session, SCHOOLS, NOW)
        tenant, officer, schools = there.tenant, there.officer, [pk(one) for one in there.schools]
        came = [
            {
                **Person(tenant_id=pk(tenant), name=f"教师{number}", created_at=NOW).model_dump(exclude={"id"}),
                "uuid": new_uuid(),
            }
            for number in range(0, rows, 2)
        ]
        session.execute(table(Person).insert(), came)
        ids = session.exec(select(Person.id).where(Person.id != pk(officer)).order_by(col(Person.id))).all()
        session.execute(
            table(RosterEntry).insert(),
            [
                {
                    **RosterEntry(
                        tenant_id=pk(tenant),
                        name=f"教师{number}",
                        staff_number=f"PA{number:06}",
                        org_unit_id=schools[number % SCHOOLS],
                        person_id=None if number % 2 else ids[number // 2],
                        imported_at=NOW,
                    ).model_dump(exclude={"id"}),
                    "uuid": new_uuid(),
                }
                for number in range(rows)
            ],
        )
        said = trainings.Plan(
            title="全县集中培训",
            programme=there.programme.uuid,
            unit=there.county.uuid,
            kind=competencies.TrainingKind.OFFLINE,
            expects=competencies.Expects.ROSTER,
            starts_at=NOW,
            ends_at=NOW + timedelta(hours=3),
            place="县电教馆",
        )
        trainings.plan(session, actor_of(officer), said, NOW)
    lines = ([f"PA{number:06}", f"教师{number}", 45 + number % 90] for number in range(rows))
    if file.suffix == ".csv":
        with file.open("w", encoding="utf-8", newline="") as target:
            csv.writer(target).writerows([["工号", "姓名", "分钟"], *lines])
        return
    columns = [sheets.Column("工号"), sheets.Column("姓名"), sheets.Column("分钟", kind="number")]
    with file.open("wb") as target:
        sheets.write(target, [sheets.Page("签到名单", columns, lines)])


def measure(url: str, file: Path) -> dict[str, float]:
    """Checks the file and takes it in, twice."""
    factory, added, seconds = session_factory(engine(url)), [], []
    written: list[float] = []
    for _ in range(2):
        began = time.perf_counter()
        data = file.read_bytes()
        with factory() as session:
            officer = session.exec(select(Person).where(Person.name == OFFICER, Person.tenant_id == 1)).one()
            uuid = session.exec(select(competencies.Training.uuid).where(competencies.Training.tenant_id == 1)).one()
            training_import.check(session, actor_of(officer), uuid, data)
        with factory() as session:
            found = training_import.check(session, actor_of(officer), uuid, data)
        writing = time.perf_counter()
        with transaction(factory) as session:
            added.append(training_import.take_in(session, actor_of(officer), uuid, found, NOW))
        written.append(time.perf_counter() - writing)
        del found
        seconds.append(time.perf_counter() - began)
    return {"added": added[0], "again": added[1], "seconds": seconds[0], "written": written[0]}


def main() -> int:
    """Seeds and measures in processes of their own; 1 where the promise is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--csv", action="store_true", help="a CSV in place of an xlsx")
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database to use in place of SQLite")
    parser.add_argument("--step", choices=("seed", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        url = options.postgresql or f"sqlite:///{options.folder}/bench.sqlite3"
        file = options.folder / ("list.csv" if options.csv else "list.xlsx")
        if options.step == "seed":
            seed(url, options.rows, file)
        else:
            print(json.dumps(measure(url, file)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--step"]
        subprocess.run([*again, "seed"], check=True)
        found, seen = processes.watched([*again, "measure"])
    memory = max(seen)
    print(f"{options.rows} rows: {found['seconds']:.1f} s to check and take in, added {found['added']}")
    print(f"of these {found['written']:.1f} s in the transaction that writes")
    print(f"once more: added {found['again']}")
    is_done = found["added"] == options.rows and found["again"] == 0
    is_ok = is_done and found["seconds"] <= MOST_SECONDS and memory <= MOST_MB
    verdict = "ok" if is_ok else "short"
    figures = f"{found['seconds']:.1f} s ({MOST_SECONDS} s), {memory:.0f} MB ({MOST_MB} MB)"
    print(f"training import of {options.rows} rows: {figures} {verdict}")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
