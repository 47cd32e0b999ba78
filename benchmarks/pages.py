"""What pages cost: `make bench NAME=pages`.

A district with its round in full swing is served by gunicorn (one worker, eight threads). Each page's processor time is
divided by that of a yardstick (a bare Flask route, 25 ORM rows, one Jinja template) under the same gunicorn settings,
in turns with it. Queries are counted in a second pass, in this process, in a small and in a large district; a third
pass says where the time goes. Ends with 1 where a promise is broken.
"""

import argparse
import runpy
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import district
from looking import Inside, split
from serving import Cost, served
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from lms_plugin.db import Model, engine

ROOT = Path(__file__).parent.parent
SECRET = "of the benchmark alone, thirty-two characters"
MOST_QUERIES = 12
YARDSTICK_TURNS = 3  # the yardstick is cheap: more requests make its ticks count


@dataclass
class Page:
    """A page, whose it is, and what it may cost (times the yardstick; None: shown, not promised)."""

    title: str
    endpoint: str
    values: dict[str, object]
    who: str
    most: float | None
    costs: list[Cost] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    queries: dict[int, list[str]] = field(default_factory=dict)
    where: str = ""

    @property
    def ratio(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.ratios)

    @property
    def is_kept(self) -> bool:
        """Whether cost and queries are within the promise, and queries do not grow."""
        counts = [len(found) for found in self.queries.values()]
        dear = self.most is not None and self.ratio > self.most
        return bool(self.ratios) and not dear and max(counts) <= MOST_QUERIES and len(set(counts)) == 1


def pages_of(here: district.Addresses) -> list[Page]:
    """The pages that are measured."""
    programme, county = {"programme": here.programme}, {"programme": here.programme, "unit": here.county}
    return [
        Page("teacher home", "submit.home", dict(programme), "teacher", 6),
        Page("point", "submit.point", {"submission": here.draft}, "teacher", 6),
        Page("review", "review.page", {"uuid": here.review}, "reviewer", 6),
        Page("case", "cases.page", {"uuid": here.case}, "trainer", None),
        Page("officer county", "oversee.unit", dict(county), "officer", 10),
        Page("officer people", "oversee.people", {**county, "state": "due"}, "officer", 10),
    ]


@contextmanager
def databases(postgresql: bool, folder: Path) -> Iterator[dict[str, str]]:
    """Two empty databases, "small" and "large": SQLite files, or on a PostgreSQL server of this run's own."""
    names = ("small", "large")
    if not postgresql:
        yield {name: f"sqlite:///{folder / name}.sqlite3" for name in names}
        return
    with runpy.run_path(str(ROOT / "tools" / "cluster.py"))["cluster"]() as url:
        bind = create_engine(url, isolation_level="AUTOCOMMIT")
        with bind.connect() as connection:
            for name in names:
                connection.execute(text(f"CREATE DATABASE {name}"))
        bind.dispose()
        yield {name: make_url(url).set(database=name).render_as_string(hide_password=False) for name in names}


def seed(url: str, teachers: int) -> district.Addresses:
    """Makes the tables from the models (the migrations say the same, a test holds them to it) and fills them."""
    bind = engine(url)
    Model.metadata.create_all(bind)
    bind.dispose()
    return district.build(url, teachers, datetime.now(UTC))


def measure(url: str, here: district.Addresses, pages: list[Page], options: argparse.Namespace, folder: Path) -> Cost:
    """Fills in costs and ratios; gives the yardstick's median cost."""
    environment = {
        "NENGLI_DATABASE_URL": url,
        "NENGLI_DATA_DIR": str(folder),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": "http://127.0.0.1",
        "NENGLI_ALLOW_LOOPBACK": "1",
    }
    inside = Inside(url, folder)
    paths = {page.title: inside.address(page.endpoint, page.values) for page in pages}
    inside.close()
    with (
        served("lms_plugin.wsgi:app()", environment, folder / "tool.log") as tool,
        served("yardstick:app()", environment, folder / "yardstick.log") as yardstick,
    ):
        warm = max(3, options.requests // 5)
        yardstick.measure("/", "", warm)
        for page in pages:
            tool.measure(paths[page.title], here.cookies[page.who], warm)
        lengths = []
        for _ in range(options.rounds):
            for page in pages:
                length = yardstick.measure("/", "", YARDSTICK_TURNS * options.requests)
                cost = tool.measure(paths[page.title], here.cookies[page.who], options.requests)
                lengths.append(length)
                page.costs.append(cost)
                page.ratios.append(cost.cpu_ms / max(length.cpu_ms, 0.001))
    return median(lengths)


def median(costs: list[Cost]) -> Cost:
    """Each figure's median."""
    return Cost(statistics.median(c.cpu_ms for c in costs), statistics.median(c.p50_ms for c in costs))


def count(url: str, here: district.Addresses, pages: list[Page], size: int) -> None:
    """Counts the queries of pages that nobody has seen yet (a first visit may write that it was seen)."""
    with tempfile.TemporaryDirectory(prefix="nengli-bench-") as folder:
        inside = Inside(url, Path(folder))
        for page in pages:
            page.queries[size] = inside.queries(inside.address(page.endpoint, page.values), here.cookies[page.who])
        inside.close()


def look(url: str, here: district.Addresses, pages: list[Page], options: argparse.Namespace) -> None:
    """Says where the time goes. `--statements` and `--profile` print all."""
    with tempfile.TemporaryDirectory(prefix="nengli-bench-") as folder:
        inside = Inside(url, Path(folder))
        for page in pages:
            path, cookie = inside.address(page.endpoint, page.values), here.cookies[page.who]
            stats = inside.profile(path, cookie, max(3, options.requests // 2))
            page.where = str(split(stats))
            if page.title in options.statements:
                print(f"\n{page.title}:", *page.queries[options.teachers], sep="\n- ")
            if page.title in options.profile:
                for order in ("tottime", "cumulative"):
                    stats.stream.truncate(0)  # type: ignore[attr-defined]
                    stats.sort_stats(order).print_stats(45)
                    print(stats.stream.getvalue())  # type: ignore[attr-defined]
        inside.close()


def report(pages: list[Page], length: Cost) -> None:
    """The table."""
    print(f"{'page':<16}{'cpu ms':>8}{'× yard':>8}{'rounds':>14}{'p50 ms':>8}{'queries':>12}  where the time goes")
    print(f"{'yardstick':<16}{length.cpu_ms:>8.2f}{'1.0':>8}{'':>14}{length.p50_ms:>8.2f}{'1':>12}")
    for page in pages:
        cost, counts = median(page.costs), "/".join(str(len(found)) for found in page.queries.values())
        spread = f"{min(page.ratios):.1f}–{max(page.ratios):.1f}"
        print(
            f"{page.title:<16}{cost.cpu_ms:>8.2f}{page.ratio:>8.1f}{spread:>14}{cost.p50_ms:>8.2f}{counts:>12}  "
            f"{page.where}"
        )


def verdict(pages: list[Page], missing: list[Page]) -> bool:
    """The closing line; whether the promises are kept."""
    is_kept = not missing and all(page.is_kept for page in pages)
    shown = [f"{page.title} {page.ratio:.1f} ×" for page in pages if page.most is not None]
    shown += [f"{page.title} is not there" for page in missing]
    most = max((len(found) for page in pages for found in page.queries.values()), default=0)
    print(
        f"pages: {', '.join(shown)}, {most} queries "
        f"(promise teacher home, point, review ≤ 6 ×, officer ≤ 10 ×, ≤ {MOST_QUERIES} queries) "
        f"{'ok' if is_kept else 'short'}"
    )
    return is_kept


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="What pages cost, measured against a yardstick.")
    parser.add_argument("--teachers", type=int, default=200, help="of the district that is served")
    parser.add_argument("--large", type=int, default=800, help="teachers where queries are counted once more")
    parser.add_argument("--requests", type=int, default=100, help="a page and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], metavar="PAGE", help="measure this one alone")
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of this run's own")
    parser.add_argument("--profile", action="append", default=[], metavar="PAGE", help="print its dearest functions")
    parser.add_argument("--statements", action="append", default=[], metavar="PAGE", help="print its queries")
    return parser.parse_args()


def main() -> int:
    """Runs it; 0 where the promises are kept."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="nengli-bench-") as name:
        folder = Path(name)
        with databases(options.postgresql, folder) as urls:
            here = seed(urls["small"], options.teachers)
            inside = Inside(urls["small"], folder)
            wanted = [page for page in pages_of(here) if not options.only or page.title in options.only]
            pages = [page for page in wanted if inside.has(page.endpoint)]
            inside.close()
            count(urls["small"], here, pages, options.teachers)
            length = measure(urls["small"], here, pages, options, folder)
            look(urls["small"], here, pages, options)
            there = seed(urls["large"], options.large)
            values = {page.title: page.values for page in pages_of(there)}
            for page in wanted:
                page.values = values[page.title]
            count(urls["large"], there, pages, options.large)
    kind = "PostgreSQL" if options.postgresql else "SQLite"
    print(f"{options.teachers} teachers (queries also with {options.large}), {kind}, gunicorn 1 × gthread 8")
    report(pages, length)
    return 0 if verdict(pages, [page for page in wanted if page not in pages]) else 1


if __name__ == "__main__":
    sys.exit(main())
