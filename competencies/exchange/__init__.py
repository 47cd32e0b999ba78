"""A framework in the forms that others read: CASE 1.0, our own JSON, and a table of rows. The front of the exchange.

Bytes of CSV files and workbooks are the caller's; here a table is rows of cells.
"""

import json
from datetime import datetime

from competencies.exchange.case_graph import MOST_ITEMS
from competencies.exchange.case_in import read_case
from competencies.exchange.case_out import case_package
from competencies.exchange.table_in import read_table
from competencies.exchange.table_out import heads, rows
from competencies.pack import Pack, load_pack, parse

__all__ = ["MOST_ITEMS", "read_json", "read_case", "read_table", "pack_json", "case_json", "heads", "rows"]


def read_json(data: bytes) -> Pack:
    """The pack of a JSON file: a CASE package (1.0 or 1.1) or our own. Raises Refused `pack.…` naming every fault."""
    raw = parse(data)
    return read_case(raw) if "CFDocument" in raw or "CFItems" in raw else load_pack(raw)


def pack_json(pack: Pack) -> bytes:
    """Our own JSON, laid out for people."""
    return (json.dumps(pack.as_dict(), ensure_ascii=False, indent=1) + "\n").encode()


def case_json(pack: Pack, creator: str, changed_at: datetime, *, is_draft: bool) -> bytes:
    """The CASE 1.0 package as a file; see `case_package`."""
    package = case_package(pack, creator, changed_at, is_draft=is_draft)
    return (json.dumps(package, ensure_ascii=False, indent=1) + "\n").encode()
