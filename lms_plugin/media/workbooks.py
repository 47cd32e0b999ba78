"""Workbooks that people send as lists: the first sheet's cells, read apart from the process that asks for them."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lms_plugin.media import apart
from lms_plugin.media.faults import Broken

Range = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Cells:
    """All rows from A1 on as the program typed them, and the merged ranges (0-based). `code`: why there are none
    ("password", "too_many_rows", "too_many_columns", "too_large"), "" = they are here.
    """

    rows: list[list[Any]]
    merged: list[Range]
    code: str = ""


def first_sheet(data: bytes, most_rows: int, most_columns: int) -> Cells:
    """The first sheet that is not hidden, of an xlsx or xls file. Raises Broken, or Bomb where a limit was reached."""
    try:
        told = json.loads(apart.run("sheet", data, most_rows, most_columns), object_hook=_day)
    except ValueError as error:
        raise Broken from error
    if "code" in told:
        return Cells([], [], told["code"])
    merged = [((top, left), (bottom, right)) for (top, left), (bottom, right) in told["merged"]]
    return Cells(told["rows"], merged)


def _day(told: dict[str, Any]) -> Any:
    if "moment" in told:
        return datetime.fromisoformat(told["moment"])
    return date.fromisoformat(told["day"]) if "day" in told else told
