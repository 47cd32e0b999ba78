"""What the ledger bears: `make bench NAME=ledger`.

A district's ledger of five million entries on PostgreSQL, all of them under seals. Then: what a person's totals and the
whole ledger of a person cost, one after the other in one process; how many entries a second eight writers add while the
sealer seals beside them, first each entry a transaction of its own (a reversal, a correction), then fifty in each (a
release), the server waiting for its disk at every commit; and whether every seal and entry still holds afterwards. Each
figure stands beside the machine's load. Ends with 1 where a promise is broken.
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
from sqlalchemy import text
from sqlmodel import Session, col, func, select

import competencies
from competencies import CreditEntry, CreditKind
from lms_plugin.db import engine, pk, session_factory, transaction
from lms_plugin.flow import sealing
from lms_plugin.people import Tenant

ROOT = Path(__file__).parent.parent
MOST_MS, LEAST_A_SECOND = 5.0, 500
EACH = 20  # entries of one person: what a teacher gathers in some years
WRITERS = 8
IN_A_RELEASE = 50  # entries of one transaction


def arguments() -> argparse.Namespace:
    """The command line."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--entries", type=int, default=5_000_000)
    asked.add_argument("--seconds", type=float, default=20.0, help="how long the writers write")
    asked.add_argument("--people", type=int, default=500, help="whose totals are asked for")
    asked.add_argument(
        "--unsealed", action="store_true", help="seal and prove nothing: an hour less at five million entries"
    )
    asked.add_argument("--database", default="", help="an empty database; without it a server of its own is started")
    return asked.parse_args()


@contextmanager
def database(given: str) -> Iterator[str]:
    """An empty migrated database on PostgreSQL."""
    migrate = runpy.run_path(str(ROOT / "lms_plugin" / "migrate.py"))
    if given:
        migrate["upgrade"](given)
        yield given
        return
    with runpy.run_path(str(ROOT / "tools" / "cluster.py"))["cluster"]() as url:
        migrate["upgrade"](url)
        yield url


def seed(url: str, entries: int, now: datetime, *, is_sealed: bool = True) -> None:
    """A district, its people, and so many entries, noted as unsealed as the trigger would have done where they are to
    be sealed."""
    district.build(url, 24, now)
    bind = engine(url)
    with bind.begin() as connection:
        # Rows as the product leaves them, without the price of a trigger and a look at keys for each.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "INSERT INTO person (uuid, tenant_id, version, name, staff_number, subject, confirmed_how, locale,"
                " reading_language, text_size, theme, absorbed_ids, created_at)"
                " SELECT md5('p' || n), (SELECT min(id) FROM tenant), 1, '教师' || n, 'N' || n, '语文', '', '', '',"
                " 'standard', '', '[]', :now FROM generate_series(1, :people) AS n"
            ),
            {"people": max(1, entries // EACH), "now": now},
        )
        connection.execute(
            text(
                "INSERT INTO credit_entry (uuid, tenant_id, programme_id, person_id, kind, credit_hundredths, reason,"
                " policy_id, source, entered_at)"
                " SELECT md5('e' || n), p.tenant_id, p.id, first.id + n % :people,"
                " CASE WHEN n % 4 = 0 THEN 'online' ELSE 'practice' END, 100 + n % 900, 'award', p.policy_id, '',"
                " :now FROM generate_series(1, :entries) AS n,"
                " (SELECT min(id) AS id FROM person WHERE staff_number LIKE 'N%') AS first,"
                " (SELECT * FROM programme ORDER BY id LIMIT 1) AS p"
            ),
            {"entries": entries, "people": max(1, entries // EACH), "now": now},
        )
        connection.execute(text("TRUNCATE ledger_unsealed"))
        if is_sealed:
            connection.execute(text("INSERT INTO ledger_unsealed SELECT id FROM credit_entry ON CONFLICT DO NOTHING"))
    with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    bind.dispose()


def seal_all(url: str, now: datetime, most: int = sys.maxsize) -> int:
    """Seals what waits, at most so many seals of each district; how many that made."""
    bind, made = engine(url), 0
    sessions = session_factory(bind)
    with sessions() as session:
        tenants = competencies.to_seal(session)
    for tenant in tenants:
        for _turn in range(most):
            with transaction(sessions) as session:
                found = sealing.seal_due(session, tenant, now)
            if not found:
                break
            made += 1
    bind.dispose()
    return made


def someone(session: Session, rng: random.Random, people: int) -> list[int]:
    """So many people of the ledger, at random."""
    lowest, highest = session.exec(select(func.min(CreditEntry.person_id), func.max(CreditEntry.person_id))).one()
    return [rng.randint(lowest, highest) for _ in range(people)]


def timed(ask: Callable[[int], Any], people: list[int]) -> tuple[float, float]:
    """Milliseconds of one question: median and 95th percentile."""
    for person in people[:20]:
        ask(person)
    costs = []
    for person in people:
        began = time.perf_counter()
        ask(person)
        costs.append((time.perf_counter() - began) * 1000)
    return statistics.median(costs), statistics.quantiles(costs, n=20)[-1]


def wait_for_the_disk(url: str) -> None:
    """From here on the server keeps what it commits, as one in use does; a cluster of tests does not."""
    bind = engine(url)
    with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = on"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("CHECKPOINT"))
    bind.dispose()


@dataclass(frozen=True)
class Phase:
    """Some seconds in which all writers write transactions of so many entries, from `ready` until `stop`."""

    at_once: int
    ready: Any
    stop: Event
    written: Any


@dataclass(frozen=True)
class Appended:
    """What came of a phase. `load`: of the machine before it."""

    at_once: int
    entries: int
    seconds: float
    seals: int
    load: float

    @property
    def a_second(self) -> float:
        """Entries a second, of all writers together."""
        return self.entries / self.seconds


def write(url: str, phases: Sequence[Phase], seed_of: int) -> None:
    """One writer: in each phase transaction after transaction until it is stopped."""
    bind = engine(url)
    sessions, rng = session_factory(bind), random.Random(seed_of)
    with sessions() as session:
        programme = session.exec(select(competencies.Programme).order_by(col(competencies.Programme.id))).all()[0]
        people = someone(session, rng, 2000)
    basis, of = competencies.Basis(programme.policy_id or 0), (programme.tenant_id, pk(programme))
    for phase in phases:
        done = 0
        phase.ready.wait(timeout=300)
        while not phase.stop.is_set():
            now = datetime.now(UTC)
            entries = [
                competencies.ledger.entry_of(*of, rng.choice(people), CreditKind.PRACTICE, 100, basis, now)
                for _ in range(phase.at_once)
            ]
            with transaction(sessions) as session:
                competencies.ledger.credit_all(session, entries)
            done += phase.at_once
        phase.written.put(done)
    bind.dispose()


def append(url: str, seconds: float) -> list[Appended]:
    """Eight writers and the sealer: first an entry a transaction, then as many as a release writes."""
    made = multiprocessing.get_context("spawn")
    phases = [Phase(at_once, made.Barrier(WRITERS + 1), made.Event(), made.Queue()) for at_once in (1, IN_A_RELEASE)]
    writers = [made.Process(target=write, args=(url, phases, number)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    found = []
    for phase in phases:
        load = os.getloadavg()[0]
        phase.ready.wait(timeout=300)
        began, seals = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            time.sleep(1)  # the worker seals each minute what came in it; here each second
            seals += seal_all(url, datetime.now(UTC), most=1)
        phase.stop.set()
        took = time.perf_counter() - began
        found.append(Appended(phase.at_once, sum(phase.written.get() for _ in writers), took, seals, load))
    for writer in writers:
        writer.join()
    return found


def proved(url: str) -> tuple[competencies.Proof, int]:
    """Everything computed again: what holds, and how many faults there are."""
    bind, faults = engine(url), 0

    def tell(_fault: competencies.Fault) -> None:
        nonlocal faults
        faults += 1

    with session_factory(bind)() as session:
        tenant = session.exec(select(Tenant).order_by(col(Tenant.id))).all()[0]
        competencies.astray(session, tell)
        found = competencies.prove(session, pk(tenant), tell)
    bind.dispose()
    return found, faults


def say(name: str, figure: str, promise: str, *, is_kept: bool) -> bool:
    """A closing line."""
    print(f"{name}: {figure} ({promise}) {'ok' if is_kept else 'short'}", flush=True)
    return is_kept


def closing(totals: tuple[float, float], rates: Sequence[Appended]) -> list[bool]:
    """The closing lines of what has a clock."""
    figure = f"p50 {totals[0]:.2f} ms, p95 {totals[1]:.2f} ms"
    said = [say("totals of a person", figure, f"p95 at most {MOST_MS:.0f} ms", is_kept=totals[1] <= MOST_MS)]
    for name, one in zip(("append", "append, as a release does"), rates, strict=True):
        figure = f"{one.a_second:.0f}/s at a load of {one.load:.1f}"
        said.append(say(name, figure, f"at least {LEAST_A_SECOND}/s", is_kept=one.a_second >= LEAST_A_SECOND))
    return said


def main() -> int:
    """Runs it; 0 where the promises are kept."""
    options = arguments()
    with database(options.database) as url:
        now, began = datetime.now(UTC), time.perf_counter()
        seed(url, options.entries, now, is_sealed=not options.unsealed)
        print(f"{options.entries} entries in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        seals = seal_all(url, now)
        print(f"{seals} seals in {time.perf_counter() - began:.0f} s", flush=True)
        bind = engine(url)
        with session_factory(bind)() as session:
            programme = session.exec(select(competencies.Programme).order_by(col(competencies.Programme.id))).all()[0]
            key, people = pk(programme), someone(session, random.Random(7), options.people)
            totals = timed(lambda person: competencies.balance(session, key, [person]), people)
            whole = timed(lambda person: competencies.person_ledger(session, key, [person], "Asia/Shanghai"), people)
        bind.dispose()
        print(f"a person's whole ledger with the head: p50 {whole[0]:.2f} ms, p95 {whole[1]:.2f} ms", flush=True)
        if not options.database:
            wait_for_the_disk(url)
        rates = append(url, options.seconds)
        for one in rates:
            print(
                f"{one.entries} entries from {WRITERS} writers, {one.at_once} at once, in {one.seconds:.1f} s,"
                f" {one.seals} seals meanwhile",
                flush=True,
            )
        if options.unsealed:
            return 0 if all(closing(totals, rates)) else 1
        seal_all(url, datetime.now(UTC))
        began = time.perf_counter()
        proof, faults = proved(url)
        print(f"proved in {time.perf_counter() - began:.0f} s", flush=True)
    left = proof.waiting + proof.seals - proof.seals_hold
    kept = [
        *closing(totals, rates),
        say(
            "seals",
            f"{proof.seals_hold} seals and {proof.entries_hold} entries hold, {faults} faults",
            "all",
            is_kept=not faults and not left,
        ),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
