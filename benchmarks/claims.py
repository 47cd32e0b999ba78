"""What it costs to claim a review: `make bench NAME=claims`.

A programme whose works all lack reviewers, in one pool of one district, on a PostgreSQL of the run's own (which does
not wait for its disk). Then: how many claim statements a second eight connections carry out through psycopg, each a
transaction of its own, and how long each takes; what the whole act (`flow.claims.claim`: who may, what they have, whose
works are barred, the statement, the trail, the commit) costs this process beside the yardstick page (`yardstick.py`);
and how much slower one statement is among the most works than among the fewest. Ends with 1 where a promise is broken.
"""

import argparse
import multiprocessing
import os
import random
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import district
import psycopg
import yardstick
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import engine, new_uuid, pk, session_factory, transaction
from lms_plugin.flow import claims
from lms_plugin.people import Person

ROOT = Path(__file__).parent.parent
LEAST_A_SECOND, MOST_MS, MOST_TIMES, MOST_GROWTH = 2000, 20.0, 6.0, 1.5
EACH = 3  # reviewers that every work lacks
CONNECTIONS, WARM = 8, 20
SOMEBODY, SOME_UUID = -7, "0" * 32


def arguments() -> argparse.Namespace:
    """The command line."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument(
        "--works", type=int, nargs=3, default=[10_000, 100_000, 500_000], help="few, the promise's, most"
    )
    asked.add_argument("--seconds", type=float, default=10.0, help="how long the connections claim")
    asked.add_argument("--turns", type=int, default=300, help="whole acts, and statements one after the other")
    return asked.parse_args()


@contextmanager
def database() -> Iterator[str]:
    """An empty migrated database on PostgreSQL."""
    with runpy.run_path(str(ROOT / "tools" / "cluster.py"))["cluster"]() as url:
        runpy.run_path(str(ROOT / "lms_plugin" / "migrate.py"))["upgrade"](url)
        yield url


SEEDING = (
    "INSERT INTO person (uuid, tenant_id, version, name, staff_number, subject, confirmed_how, locale,"
    " reading_language, text_size, theme, absorbed_ids, created_at)"
    " SELECT md5('p' || n), :tenant, 1, '教师' || n, 'N' || n, '', '', '', '',"
    " 'standard', '', '[]', :now FROM generate_series(1, :works) AS n",
    "INSERT INTO org_membership (person_id, org_unit_id, starts_on) SELECT id, (SELECT min(id) FROM org_unit), :now"
    " FROM person WHERE staff_number LIKE 'N%'",
    "INSERT INTO enrolment (programme_id, person_id, started_at) SELECT :programme, id, :now FROM person"
    " WHERE staff_number LIKE 'N%'",
    "INSERT INTO submission (uuid, tenant_id, programme_id, person_id, point_id, state, self_marks, ticks, created_at,"
    " changed_at, version) SELECT md5('s' || id), :tenant, :programme, id, :point, 'submitted', '{}', '{}', :now, :now,"
    " 1 FROM person WHERE staff_number LIKE 'N%'",
    "INSERT INTO submission_version (submission_id, number, manifest, content_hash, self_marks, is_late, submitted_at,"
    " declined_reason) SELECT s.id, 1, '{}', '', '{}', false, :now, '' FROM submission s"
    " JOIN person p ON p.id = s.person_id WHERE p.staff_number LIKE 'N%'",
    "UPDATE submission SET current_version_id = v.id FROM submission_version v, person p"
    " WHERE v.submission_id = submission.id AND p.id = submission.person_id AND p.staff_number LIKE 'N%'",
    "INSERT INTO review_need (programme_id, submission_id, submission_version_id, author_id, pool, wanted, lease_hours,"
    " need, prio) SELECT :programme, s.id, s.current_version_id, s.person_id, 0, :each, 72, :each,"
    " (random() * 2000000000)::integer FROM submission s JOIN person p ON p.id = s.person_id"
    " WHERE p.staff_number LIKE 'N%'",
)


@dataclass(frozen=True)
class Place:
    """Where claims are made: ids of the district and of its people, from the lowest to the highest."""

    url: str
    tenant: int
    programme: int
    programme_uuid: str
    people: tuple[int, int]
    first: int  # so many of them are kept for whole acts: nobody has claimed for them

    def anybody(self, drawn: random.Random, number: int = 0, of: int = 1) -> int:
        """One of the others; of each connection's own ones, as the act lets a person claim once at a time."""
        lowest = self.people[0] + self.first
        return lowest + number + of * drawn.randrange((self.people[1] - lowest + 1 - number + of - 1) // of)


def seed(url: str, works: int, first: int, now: datetime) -> Place:
    """A district whose programme has so many works that lack reviewers, and lets everybody claim."""
    district.build(url, 24, now)
    bind = engine(url)
    with transaction(session_factory(bind)) as session:
        programme = session.exec(select(competencies.Programme).order_by(col(competencies.Programme.id))).all()[0]
        rules = competencies.Rules.model_validate(
            {"review": {"claims": 30, "pool": "district", "reviews_per_work": EACH}}
        )
        competencies.set_rules(session, programme, rules, None, now)
        point = session.exec(
            select(competencies.CompetencyPoint.id).where(
                competencies.CompetencyPoint.framework_version_id == programme.framework_version_id
            )
        ).all()[0]
        ids = {"tenant": programme.tenant_id, "programme": pk(programme), "point": point, "now": now}
    with bind.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in SEEDING:
            asked = {
                name: value for name, value in {**ids, "works": works, "each": EACH}.items() if f":{name}" in statement
            }
            connection.execute(text(statement), asked)
        lowest, highest = connection.execute(
            text("SELECT min(id), max(id) FROM person WHERE staff_number LIKE 'N%'")
        ).one()
    with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    bind.dispose()
    return Place(url, programme.tenant_id, pk(programme), programme.uuid, (lowest, highest), first)


class Statement:
    """The product's own claim statement as psycopg takes it, for anybody."""

    def __init__(self, place: Place, now: datetime) -> None:
        who = rubrics.Claimant(place.tenant, place.programme, (SOMEBODY,), 0)
        among = claims.still_waiting(None, competencies.ReviewPolicy(pool="district"))
        made = rubrics.claiming(who, None, now, among).compile(
            dialect=PGDialect_psycopg(), compile_kwargs={"render_postcompile": True}
        )
        self.words = str(made)
        values = made.construct_params()
        processors = made._bind_processors  # what the dialect would do with each value
        self.values = {
            name: processors[name](value) if name in processors and not callable(value) else value
            for name, value in values.items()
        }
        self.who = [name for name, value in self.values.items() if value == SOMEBODY and type(value) is int]
        self.uuid = next(name for name, value in self.values.items() if isinstance(value, str) and len(value) == 32)

    def of(self, person: int) -> dict[str, Any]:
        """What stands in its places when this person claims."""
        return {**self.values, **dict.fromkeys(self.who, person), self.uuid: new_uuid()}


def connected(url: str) -> "psycopg.Connection[Any]":
    """A connection past SQLAlchemy, each statement a transaction."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def claim_on(place: Place, statement: Statement, seconds: float, start: Event, found: Any, number: int) -> None:
    """One of the connections: claims for people at random until its time is up."""
    drawn, costs, granted = random.Random(number), [], 0
    try:
        with connected(place.url) as connection:
            start.wait()
            ends = time.perf_counter() + seconds
            while (began := time.perf_counter()) < ends:
                who = place.anybody(drawn, number, CONNECTIONS)
                row = connection.execute(statement.words, statement.of(who)).fetchone()
                costs.append((time.perf_counter() - began) * 1000)
                granted += row is not None
    except Exception as error:
        found.put(error)
        return
    found.put((granted, costs))


def together(place: Place, statement: Statement, seconds: float) -> tuple[float, list[float]]:
    """Claims a second over all connections, and what each took, in milliseconds."""
    context = multiprocessing.get_context("fork")
    start, found = context.Event(), context.Queue()
    workers = [
        context.Process(target=claim_on, args=(place, statement, seconds, start, found, number))
        for number in range(CONNECTIONS)
    ]
    for worker in workers:
        worker.start()
    time.sleep(1)  # they connect
    start.set()
    answers = [found.get() for _worker in workers]
    for worker in workers:
        worker.join()
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return sum(granted for granted, _costs in answers) / seconds, [
        cost for _granted, costs in answers for cost in costs
    ]


def alone(place: Place, statement: Statement, turns: int) -> float:
    """The median of one statement after the other on one connection, in milliseconds."""
    drawn, costs = random.Random(1), []
    with connected(place.url) as connection:
        for turn in range(turns + WARM):
            began = time.perf_counter()
            connection.execute(statement.words, statement.of(place.anybody(drawn)))
            costs.append((time.perf_counter() - began) * 1000 if turn >= WARM else 0.0)
    return statistics.median(costs[WARM:])


def processor_ms(act: Callable[[], Any], turns: int) -> float:
    """The median processor time of this process, in milliseconds."""
    costs = []
    for turn in range(turns + WARM):
        began = time.process_time()
        act()
        costs.append((time.process_time() - began) * 1000 if turn >= WARM else 0.0)
    return statistics.median(costs[WARM:])


def whole_act(place: Place, turns: int, now: datetime) -> tuple[float, float]:
    """The act and the yardstick page, in milliseconds of processor time."""
    bind = engine(place.url)
    sessions = session_factory(bind)
    with sessions() as session:
        people = iter(
            session.exec(select(Person.id).where(col(Person.id).between(*place.people)).limit(turns + WARM)).all()
        )

    def act() -> None:
        with transaction(sessions) as session:
            claims.claim(session, Actor(place.tenant, next(people) or 0), place.programme_uuid, now)

    os.environ["NENGLI_DATABASE_URL"] = place.url
    client = yardstick.app().test_client()
    floor = processor_ms(lambda: client.get("/"), turns)
    ours = processor_ms(act, turns)
    bind.dispose()
    return ours, floor


def say(name: str, figure: str, promise: str, *, is_kept: bool) -> bool:
    """One closing line."""
    print(f"claims {name}: {figure} ({promise}) {'ok' if is_kept else 'short'}", flush=True)
    return is_kept


def measured(works: Sequence[int], seconds: float, turns: int, now: datetime) -> list[bool]:
    """Every promise, in one run."""
    few, usual, most = works
    medians, kept = {}, []
    for number in works:
        with database() as url:
            began = time.perf_counter()
            place = seed(url, number, turns + WARM, now)
            print(f"{number} works in {time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
            statement = Statement(place, now)
            medians[number] = alone(place, statement, turns)
            print(f"one statement among {number} works: p50 {medians[number]:.2f} ms", flush=True)
            if number == usual:
                ours, floor = whole_act(place, turns, now)
                rate, costs = together(place, statement, seconds)
                middle, late = statistics.median(costs), statistics.quantiles(costs, n=100)[-1]
                kept += [
                    say(
                        f"of {usual} works",
                        f"{rate:.0f}/s over {CONNECTIONS} connections",
                        f"{LEAST_A_SECOND}/s",
                        is_kept=rate >= LEAST_A_SECOND,
                    ),
                    say(
                        "latency",
                        f"p50 {middle:.1f} ms, p99 {late:.1f} ms",
                        f"p99 {MOST_MS:g} ms",
                        is_kept=late <= MOST_MS,
                    ),
                    say(
                        "whole act",
                        f"{ours:.2f} ms beside {floor:.2f} ms, {ours / floor:.1f} ×",
                        f"{MOST_TIMES:g} ×",
                        is_kept=ours <= MOST_TIMES * floor,
                    ),
                ]
    growth = medians[most] / medians[few]
    figure = f"{growth:.2f} × from {few} to {most} works"
    return [*kept, say("growth", figure, f"{MOST_GROWTH:g} ×", is_kept=growth <= MOST_GROWTH)]


def main() -> int:
    """0 where every promise is kept."""
    options = arguments()
    kept = measured(options.works, options.seconds, options.turns, datetime.now(UTC))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
