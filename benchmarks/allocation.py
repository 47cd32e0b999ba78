"""What it costs to allot the reviews of a district: `make bench NAME=allocation`.

Works of as many teachers, in schools of 20 to 200, three reviewers each, nobody of the author's school; every load has
to be three. The draw (`rubrics/draw.py`) is measured on columns of numbers, beside scipy's Hopcroft–Karp in the same
process: three matchings on twenty random legal reviewers of each work. Then 15 % of the reviewers leave and what they
had is drawn again, and the plan is written to a PostgreSQL of its own as the product writes it. What the whole act in
objects takes (`rubrics.allocate`) is told beside it. Memory is measured in a process of its own. Processor time, the
best of the rounds; rows are timed by the clock. Ends with 1 where a promise is short.
"""

import argparse
import math
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import district as district_rows  # noqa: E402
import numpy as np  # noqa: E402 - found over the path above
from scipy.sparse import csr_array  # noqa: E402
from scipy.sparse.csgraph import maximum_bipartite_matching  # noqa: E402
from sqlalchemy import select, text  # noqa: E402
from sqlmodel import col  # noqa: E402

import rubrics  # noqa: E402
from competencies import Programme, Submission, SubmissionVersion  # noqa: E402
from lms_plugin.db import engine, session_factory  # noqa: E402
from rubrics.draw import Drawn, Ground, Lots, draw  # noqa: E402

EACH = 3
CANDIDATES = 20
PROMISES = {100_000: 0.5, 500_000: 2.0}  # seconds by works
MOST_MIB, MOST_AGAIN, LEAST_ROWS = 600, 1.0, 20_000
GROWTH_SLACK = 1.1  # above n log n: what two measurements of the same thing differ by
LEAVE = 0.15


def district(works: int) -> Ground:
    """Schools of 20 to 200, one work of each teacher."""
    sizes = np.random.default_rng(7).integers(20, 201, works // 20 + 1)
    school = np.repeat(np.arange(sizes.size), sizes)[:works].astype(np.int64)
    nothing = np.zeros(works, np.int64)
    return Ground(
        author=np.arange(works),
        need=nothing + EACH,
        load=nothing,
        duty=nothing + EACH,
        limit=nothing + EACH + 1,
        differ=((school, school),),
    )


def seconds(of: Callable[[], object], rounds: int) -> float:
    """The best of the rounds, in processor time."""
    best = math.inf
    for _ in range(rounds):
        began = time.process_time()
        of()
        best = min(best, time.process_time() - began)
    return best


def checked(ground: Ground, drawn: Drawn, most: int) -> Drawn:
    """The plan, once it is known to be whole and to keep the rules."""
    works = ground.need.size
    load = np.bincount(drawn.person, minlength=works) + ground.load
    if drawn.open or drawn.work.size != ground.need.sum() or load.max() > most:
        raise SystemExit("the plan is not whole")
    if (
        ground.breaks(drawn.work, drawn.person).any()
        or np.unique(drawn.work * works + drawn.person).size != drawn.work.size
    ):
        raise SystemExit("the plan breaks a rule")
    return drawn


def hopcroft_karp(ground: Ground) -> int:
    """How many of the reviews scipy places, in as many matchings as a work has reviewers."""
    works, school = ground.need.size, ground.differ[0][0]
    chance = np.random.default_rng(3)
    person = chance.integers(0, works, works * CANDIDATES)
    work = np.repeat(np.arange(works), CANDIDATES)
    legal = (school[work] != school[person]) & (work != person)
    edges = np.unique(work[legal] * works + person[legal])
    placed = 0
    for _ in range(EACH):
        graph = csr_array((np.ones(edges.size, np.int8), (edges // works, edges % works)), shape=(works, works))
        found = maximum_bipartite_matching(graph, perm_type="column")
        matched = np.flatnonzero(found >= 0)
        placed += matched.size
        edges = np.setdiff1d(edges, matched * works + found[matched], assume_unique=True)
    return placed


def left_by(ground: Ground, drawn: Drawn) -> Ground:
    """The district after 15 % of its reviewers have left: what is missing, and what stands."""
    works = ground.need.size
    gone = np.random.default_rng(5).random(works) < LEAVE
    stands = ~gone[drawn.person]
    work, person = drawn.work[stands], drawn.person[stands]
    return Ground(
        author=ground.author,
        need=EACH - np.bincount(work, minlength=works),
        load=np.bincount(person, minlength=works),
        duty=ground.duty,
        limit=np.where(gone, 0, ground.limit),
        differ=ground.differ,
        apart=np.sort(work * works + person),
    )


def mebibytes(works: int) -> float:
    """The most memory that a process held which drew a district, with all that it had loaded."""
    run = [sys.executable, __file__, "--memory-of", str(works)]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def whole_act(works: int) -> float:
    """The same through the front door of the part: works and people as objects."""
    school = district(works).differ[0][0].tolist()
    all_works = [rubrics.Work(n, n, school[n]) for n in range(works)]
    people = [rubrics.Reviewer(n, school[n]) for n in range(works)]
    rule = rubrics.AllocationRule(EACH, pool=rubrics.Pool.DISTRICT, exclude_own_school=True)
    return seconds(lambda: rubrics.allocate(all_works, people, rule, 1), 1)


def rows_a_second(drawn: Drawn) -> float:
    """The plan written as `rubrics.allot` writes it, in one transaction, with every key and index of the table."""
    now = datetime.now(UTC)
    with runpy.run_path(str(ROOT / "tools" / "cluster.py"))["cluster"]() as url:
        runpy.run_path(str(ROOT / "lms_plugin" / "migrate.py"))["upgrade"](url)
        people = seeded(url, int(drawn.work.max()) + 1, now)
        with session_factory(engine(url))() as session:
            rows = session.execute(
                select(SubmissionVersion.submission_id, col(SubmissionVersion.id))
                .join(Submission, col(Submission.id) == col(SubmissionVersion.submission_id))
                .where(col(Submission.person_id) >= people)
                .order_by(col(Submission.person_id))
            ).all()
            tenant, programme = session.execute(select(Programme.tenant_id, col(Programme.id)).limit(1)).one()
            slots = [
                rubrics.Slot(*rows[work], people + person)
                for work, person in zip(drawn.work.tolist(), drawn.person.tolist(), strict=True)
            ]
            began = time.perf_counter()
            rubrics.allot(session, tenant, programme, slots, None, now, now)
            session.commit()
            took = time.perf_counter() - began
            bind = session.get_bind()
        bind.dispose()  # type: ignore[union-attr]
    return len(slots) / took


def seeded(url: str, works: int, now: datetime) -> int:
    """A district with so many works of as many people; the first of these people."""
    district_rows.build(url, 24, now)
    bind = engine(url)
    with bind.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # the seeding alone goes unchecked
        first = connection.execute(text("SELECT max(id) + 1 FROM person")).scalar_one()
        asked = {"works": works, "now": now, "first": first}
        connection.execute(
            text(
                "INSERT INTO person (uuid, tenant_id, version, name, staff_number, subject, confirmed_how, locale,"
                " reading_language, text_size, theme, absorbed_ids, created_at, id)"
                " SELECT md5('p' || n), (SELECT min(id) FROM tenant), 1, '教师' || n, 'N' || n, '语文', '', '', '',"
                " 'standard', '', '[]', :now, :first + n FROM generate_series(0, :works - 1) AS n"
            ),
            asked,
        )
        connection.execute(
            text(
                "INSERT INTO submission (uuid, tenant_id, version, programme_id, person_id, point_id, state,"
                " self_marks, ticks, created_at, changed_at)"
                " SELECT md5('w' || n), p.tenant_id, 1, p.id, :first + n, (SELECT min(id) FROM competency_point),"
                " 'submitted', '{}', '{}', :now, :now"
                " FROM generate_series(0, :works - 1) AS n, (SELECT * FROM programme ORDER BY id LIMIT 1) AS p"
            ),
            asked,
        )
        connection.execute(
            text(
                "INSERT INTO submission_version (submission_id, number, manifest, content_hash, self_marks,"
                " submitted_at, is_late, declined_reason)"
                " SELECT id, 1, '{}', '', '{}', :now, false, '' FROM submission"
                " WHERE person_id >= :first"
            ),
            asked,
        )
    with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    bind.dispose()
    return int(first)


def told(what: str, figure: str, promise: str, is_kept: bool) -> bool:
    """One closing line."""
    print(f"allocation {what}: {figure} ({promise}) {'ok' if is_kept else 'short'}")
    return is_kept


def main() -> int:
    """0 where every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=500_000)
    parser.add_argument("--largest", type=int, default=2_000_000, help="growth is told from --large to this")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--written", type=int, default=20_000, help="works whose plan is written; 0 = leave it out")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        draw(district(options.memory_of), Lots(1, "draw"))
        held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(held.split()[1]) / 1024)
        return 0
    small, large = district(options.works), district(options.large)
    took = {
        one.need.size: seconds(lambda one=one: draw(one, Lots(1, "draw")), options.rounds) for one in (small, large)
    }
    plan = checked(small, draw(small, Lots(1, "draw")), EACH)
    checked(large, draw(large, Lots(1, "draw")), EACH)
    left = left_by(small, plan)
    again = seconds(lambda: draw(left, Lots(2, "draw")), options.rounds)
    checked(left, draw(left, Lots(2, "draw")), EACH + 1)
    began = time.process_time()
    placed = hopcroft_karp(small)
    theirs = time.process_time() - began
    ours = took[options.works]
    short = options.works * EACH - placed
    print(f"Hopcroft–Karp ×{EACH} on {CANDIDATES} candidates: {theirs:.2f} s, {short} reviews short")
    print(f"the draw: {ours:.3f} s, {theirs / max(ours, 1e-9):.0f} × faster, none short, every load {EACH}")
    print(f"the whole act in objects, {options.works} works: {whole_act(options.works):.2f} s")
    kept = []
    for works, spent in took.items():
        most = PROMISES.get(works, 2.0)
        kept.append(told(f"of {works} works × {EACH}", f"{spent:.2f} s", f"{most:g} s", spent <= most))
    memory = mebibytes(options.large)
    kept.append(told(f"of {options.large} works, memory", f"{memory:.0f} MiB", f"{MOST_MIB} MiB", memory <= MOST_MIB))
    # Told where both districts are larger than the processor's cache: what lies in it is too cheap.
    largest = district(options.largest)
    growth = seconds(lambda: draw(largest, Lots(1, "draw")), options.rounds) / max(took[options.large], 1e-9)
    most = GROWTH_SLACK * options.largest * math.log(options.largest) / (options.large * math.log(options.large))
    print(f"{options.works} to {options.large} works: {took[options.large] / max(ours, 1e-9):.1f} ×")
    name = f"growth from {options.large} to {options.largest} works"
    kept.append(told(name, f"{growth:.2f} ×", f"n log n: {most:.2f} ×", growth <= most))
    kept.append(told(f"again after {LEAVE:.0%} left", f"{again:.2f} s", f"{MOST_AGAIN:g} s", again <= MOST_AGAIN))
    if options.written:
        ground = district(options.written)
        rate = rows_a_second(draw(ground, Lots(1, "draw")))
        kept.append(told("written", f"{rate:.0f} rows/s", f"{LEAST_ROWS} rows/s", rate >= LEAST_ROWS))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
