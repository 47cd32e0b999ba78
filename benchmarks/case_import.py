"""What it costs to take in a CASE package of 10 000 items: `make bench NAME=case_import`.

Two packages of that many items: a standard (points with evidence and criteria), and one of others without any, which
becomes a reference framework. Each is checked and then taken in, as the page does; the time is that of both together.
SQLite, or PostgreSQL by its URL. Ends with 1 where the promise is short.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import competencies  # noqa: E402 - found over the path above
from lms_plugin import migrate  # noqa: E402
from lms_plugin.access import Actor, RoleScope  # noqa: E402
from lms_plugin.db import engine, pk, session_factory, transaction  # noqa: E402
from lms_plugin.flow import exchange  # noqa: E402
from lms_plugin.people import Person, RoleKind, Tenant  # noqa: E402

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
ITEMS, MOST_SECONDS = 10_000, 20
POINTS = 500


def standard(items: int) -> bytes:
    """A CASE package of a standard with so many items (environments, dimensions, points, evidence), its evidence and
    criteria as in the one that ships."""
    shipped = competencies.packs.load("framework_2_0").as_dict()
    shipped["framework"].pop("counts", None)
    shipped["framework"]["id"] = "bench"
    shipped["framework"]["selection_defaults"] = {}
    groups = len(shipped["framework"]["environments"]) + len(shipped["framework"]["dimensions"])
    points = max(1, min(POINTS, items // 20))
    left, made = items - groups - points, []
    like, shelf = shipped["points"][0], [one for point in shipped["points"] for one in point["evidence"]]
    for number in range(points):
        many = left // (points - number)
        left -= many
        first = next(one for one in shelf if one["core"] and one["required"])
        others = [shelf[(number + place) % len(shelf)] for place in range(1, many)]
        evidence = [{**one, "key": f"item_{place}"} for place, one in enumerate([first, *others])]
        made.append({**like, "code": f"P{number}", "order": number + 1, "evidence": evidence})
    pack = competencies.load_pack({**shipped, "points": made})
    return competencies.exchange.case_json(pack, "bench", NOW, is_draft=False)


def of_others(items: int) -> bytes:
    """A CASE package as other programs write it: a tree of standards ten wide, without evidence."""
    stamp = NOW.isoformat()

    def link(number: int) -> dict[str, str]:
        made = f"00000000-0000-4000-8000-{number:012}"
        return {"title": f"S{number}", "identifier": made, "uri": f"urn:uuid:{made}"}

    def head(number: int) -> dict[str, Any]:
        return {**{key: link(number)[key] for key in ("identifier", "uri")}, "lastChangeDateTime": stamp}

    package = {
        "CFDocument": {**head(0), "title": "Standards", "creator": "bench", "language": "en"},
        "CFItems": [
            {
                **head(number),
                "humanCodingScheme": f"S{number}",
                "fullStatement": f"Teachers do thing {number}.",
                "CFItemType": "Standard",
            }
            for number in range(1, items + 1)
        ],
        "CFAssociations": [
            {
                **head(items + number),
                "associationType": "isChildOf",
                "originNodeURI": link(number),
                "destinationNodeURI": link(number // 10),
                "sequenceNumber": number,
            }
            for number in range(1, items + 1)
        ],
    }
    return json.dumps(package, ensure_ascii=False).encode()


def measure(url: str, name: str, data: bytes) -> tuple[float, bool]:
    """In a district of that name: (seconds to check and take in, whether it is all there)."""
    factory = session_factory(engine(url))
    with transaction(factory) as session:
        tenant = Tenant(name=name, created_at=NOW)
        session.add(tenant)
        session.flush()
        officer = Person(tenant_id=pk(tenant), name="褚员", created_at=NOW)
        session.add(officer)
        session.flush()
        actor = Actor(pk(tenant), pk(officer), (RoleScope(RoleKind.OFFICER),))
    began = time.perf_counter()
    with transaction(factory) as session:
        found = exchange.check(session, actor, data)
    with transaction(factory) as session:
        taken = exchange.commit(session, actor, data, NOW)
        seconds = time.perf_counter() - began
        is_whole = not found.problems and exchange.check(session, actor, data).same_as == taken.uuid
    return seconds, is_whole


def main() -> int:
    """Measures both; 1 where the promise is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--postgresql", default="", metavar="URL", help="an empty database to use in place of SQLite")
    options = parser.parse_args()
    slowest, is_whole = 0.0, True
    with tempfile.TemporaryDirectory() as folder:
        url = options.postgresql or f"sqlite:///{folder}/bench.sqlite3"
        migrate.upgrade(url)
        for name, data in (("standard", standard(options.items)), ("of others", of_others(options.items))):
            items = len(json.loads(data)["CFItems"])
            seconds, whole = measure(url, name, data)
            print(f"{name}: {items} items, {len(data) / 1e6:.1f} MB, {seconds:.1f} s to check and take in")
            slowest, is_whole = max(slowest, seconds), is_whole and whole and items == options.items
    is_ok = is_whole and slowest <= MOST_SECONDS
    print(f"CASE import of {options.items} items: {slowest:.1f} s ({MOST_SECONDS} s) {'ok' if is_ok else 'short'}")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
