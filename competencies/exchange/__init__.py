"""A framework in the forms that others read: CASE 1.0, our own JSON, and a table of rows. The front of the exchange.

Bytes of CSV files and workbooks are the caller's; here a table is rows of cells.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from competencies.exchange.case_graph import MOST_ITEMS, Graph
from competencies.exchange.case_in import read_case
from competencies.exchange.case_out import OutLink, case_package
from competencies.exchange.fields import JOINS
from competencies.exchange.reference_case import read_reference_case, reference_package
from competencies.exchange.table_in import read_table
from competencies.exchange.table_out import heads, rows
from competencies.pack import Pack, load_pack, parse
from competencies.reference_schema import SCHEMA, Reference, load_reference

__all__ = [
    "JOINS",
    "MOST_ITEMS",
    "OutLink",
    "read_json",
    "read_links",
    "read_case",
    "read_table",
    "pack_json",
    "case_json",
    "heads",
    "rows",
]


def read_json(data: bytes) -> Pack | Reference:
    """The pack or the reference framework of a JSON file: a CASE package (1.0 or 1.1) or our own.

    A package of which no item is a point or evidence is a reference framework. Raises Refused `pack.…` with all faults.
    """
    raw = parse(data)
    if "CFDocument" in raw or "CFItems" in raw:
        return read_case(raw) if _has_points(raw) else read_reference_case(raw)
    return load_reference(raw) if str(raw.get("schema", "")).startswith(SCHEMA.partition("/")[0]) else load_pack(raw)


def _has_points(package: Mapping[str, Any]) -> bool:
    """Whether an item is of a type that standards are made of; a package that holds none at all is taken for one."""
    items = package.get("CFItems")
    if not isinstance(items, list) or not items:
        return True
    return any(
        isinstance(one, dict) and str(one.get("CFItemType", "")).strip().casefold() in {"point", "evidence"}
        for one in items
    )


def read_links(data: bytes) -> list[tuple[str, str, str]]:
    """The links that a package of this product carries beside a standard: code of the point, CASE identifier of the
    other end, kind. None in any other file that `read_json` reads."""
    raw = parse(data) if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" else {}
    graph = Graph(raw) if "CFItems" in raw else None
    return [
        (str(graph.nodes[origin].item.get("humanCodingScheme", "")), target, kind)
        for origin, target, kind in (graph.crosswalk if graph is not None else ())
        if graph is not None and origin in graph.nodes
    ]


def pack_json(pack: Pack | Reference) -> bytes:
    """Our own JSON, laid out for people."""
    return (json.dumps(pack.as_dict(), ensure_ascii=False, indent=1) + "\n").encode()


def case_json(
    pack: Pack | Reference, creator: str, changed_at: datetime, *, is_draft: bool, links: Iterable[OutLink] = ()
) -> bytes:
    """The CASE 1.0 package as a file; see `case_package` and `reference_package`."""
    if isinstance(pack, Reference):
        package = reference_package(pack, changed_at)
    else:
        package = case_package(pack, creator, changed_at, is_draft=is_draft, links=links)
    return (json.dumps(package, ensure_ascii=False, indent=1) + "\n").encode()
