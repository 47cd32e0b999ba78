"""What a large training asks of the database: `make bench NAME=training_day`.

A district of 10 000 teachers who have come, with a training for all of them. First some hundreds type the code of the
screen within a minute, each in a transaction of their own as a request does, from several threads; then the others are
put on the list, and the training is closed, by the click and the job after it, while somebody signs in at another one
again and again: what they wait is measured. SQLite, or PostgreSQL by its URL. Ends with 1
where the promise is short.
"""

import argparse
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, func, select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import training_import as made_by  # noqa: E402 - lies beside this file

import competencies  # noqa: E402 - found over the path above
from lms_plugin import outbox  # noqa: E402
from lms_plugin.access import Actor  # noqa: E402
from lms_plugin.db import engine, new_uuid, pk, session_factory, table, transaction  # noqa: E402
from lms_plugin.flow import sign_in, training_hours, trainings  # noqa: E402
from lms_plugin.people import OrgUnit, Person, RosterEntry  # noqa: E402

NOW = made_by.NOW
PEOPLE, SIGN_INS, THREADS = 10_000, 600, 8
MOST_SIGN_IN_MS, MOST_CLOSE_SECONDS, MOST_WAIT_SECONDS = 1000, 60, 5
Factory = sessionmaker[Session]


def sign_ins(factory: Factory, people: list[int], code: str, within: float) -> list[float]:
    """Seconds of each, from the moment at which it was due: they are spread over so many seconds."""
    start, apart = time.perf_counter(), within / len(people)

    def one(turn: int) -> float:
        person, began = people[turn], start + turn * apart
        time.sleep(max(0.0, began - time.perf_counter()))
        with transaction(factory) as session:
            assert sign_in.by_code(session, Actor(1, person), code, NOW) is not None
        return time.perf_counter() - began

    with ThreadPoolExecutor(THREADS) as pool:
        return sorted(pool.map(one, range(len(people))))


def put_on_list(factory: Factory, training_id: int) -> None:
    """Everybody who has come and is not there yet."""
    with transaction(factory) as session:
        there = select(competencies.Attendance.person_id).where(competencies.Attendance.training_id == training_id)
        rows = session.exec(
            select(RosterEntry.id, RosterEntry.person_id)
            .where(
                RosterEntry.tenant_id == 1,
                col(RosterEntry.person_id).is_not(None),
                col(RosterEntry.person_id).not_in(there),
            )
            .order_by(col(RosterEntry.id))
        ).all()
        row = {"tenant_id": 1, "training_id": training_id, "way": "list", "signed_at": NOW, "bookings": 0}
        session.execute(
            table(competencies.Attendance).insert(),
            [{**row, "uuid": new_uuid(), "roster_entry_id": entry, "person_id": person} for entry, person in rows],
        )


def closed(
    factory: Factory, training: competencies.Training, other: competencies.Training, people: list[int]
) -> tuple[float, float, float]:
    """Seconds of the click, and until all were booked; and the longest that a sign-in elsewhere took meanwhile."""
    is_over, waits = threading.Event(), [0.0]
    later = NOW + timedelta(hours=4)
    code = competencies.trainings.rotating_code(other.sign_in_secret, later)

    def elsewhere() -> None:
        for person in people:
            if is_over.is_set():
                return
            began = time.perf_counter()
            with transaction(factory) as session:
                assert sign_in.by_code(session, Actor(1, person), code, later) is not None
            waits.append(time.perf_counter() - began)
            time.sleep(0.05)

    beside = threading.Thread(target=elsewhere)
    beside.start()
    began = time.perf_counter()
    with transaction(factory) as session:
        officer = session.exec(select(Person).where(Person.name == "褚员", Person.tenant_id == 1)).one()
        training_hours.close(session, made_by.actor_of(officer), training.uuid, later)
    click = time.perf_counter() - began
    while ids := waiting(factory):
        training_hours.book_rest(factory, ids, lambda: later)
    seconds = time.perf_counter() - began
    is_over.set()
    beside.join()
    return click, seconds, max(waits)


def waiting(factory: Factory) -> dict[str, int]:
    """The job that is to be done, as the worker finds and ends it; {} where there is none."""
    with transaction(factory) as session:
        for job in outbox.open_jobs(session, outbox.TRAINING, ""):
            job.state = outbox.JobState.DONE
            session.add(job)
            return dict(job.ids)
    return {}


def main() -> int:
    """Seeds and measures; 1 where the promise is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--sign-ins", type=int, default=SIGN_INS)
    parser.add_argument("--seconds", type=float, default=60, help="in which they sign in")
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database to use in place of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.postgresql or f"sqlite:///{folder}/bench.sqlite3"
        made_by.seed(url, 2 * options.people, Path(folder) / "list.csv")
        factory = session_factory(engine(url))
        with transaction(factory) as session:
            first = session.exec(select(competencies.Training).where(competencies.Training.tenant_id == 1)).one()
            officer = session.exec(select(Person).where(Person.name == "褚员", Person.tenant_id == 1)).one()
            programme = session.exec(
                select(competencies.Programme.uuid).where(col(competencies.Programme.id) == 1)
            ).one()
            county = session.exec(select(OrgUnit.uuid).where(OrgUnit.tenant_id == 1, OrgUnit.name == "平安县")).one()
            said = trainings.Plan(
                title="第二天",
                programme=programme,
                unit=county,
                kind=competencies.TrainingKind.OFFLINE,
                expects=competencies.Expects.ROSTER,
                starts_at=NOW + timedelta(hours=4),
                ends_at=NOW + timedelta(hours=6),
                place="县电教馆",
            )
            other = trainings.plan(session, made_by.actor_of(officer), said, NOW)
            people = [
                key
                for key in session.exec(
                    select(RosterEntry.person_id)
                    .where(RosterEntry.tenant_id == 1, col(RosterEntry.person_id).is_not(None))
                    .order_by(col(RosterEntry.id))
                )
                if key is not None
            ]
        code = competencies.trainings.rotating_code(first.sign_in_secret, NOW)
        began = time.perf_counter()
        took = sign_ins(factory, people[: options.sign_ins], code, options.seconds)
        whole = time.perf_counter() - began
        put_on_list(factory, pk(first))
        click, seconds, wait = closed(factory, first, other, people)
        with factory() as session:
            entries = session.exec(
                select(func.count())
                .select_from(competencies.CreditEntry)
                .where(competencies.CreditEntry.tenant_id == 1)
            ).one()
    a_minute, late = 60 * len(took) / whole, took[int(len(took) * 0.95)] * 1000
    print(f"{len(took)} sign-ins from {THREADS} threads: {a_minute:.0f} a minute, 95 % within {late:.0f} ms")
    print(
        f"closed by a click of {click:.1f} s, {entries} entries in {seconds:.1f} s, "
        f"the longest wait elsewhere {wait:.1f} s"
    )
    is_ok = entries == options.people and late <= MOST_SIGN_IN_MS
    is_ok = is_ok and seconds <= MOST_CLOSE_SECONDS and max(click, wait) <= MOST_WAIT_SECONDS
    print(f"training day: {'ok' if is_ok else 'short'}")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
