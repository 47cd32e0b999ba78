"""Sheets as a layout (导出表样) says, or as they come."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import competencies
from lms_plugin.flow import sheets

Layout = competencies.layouts.Layout


@dataclass(frozen=True)
class Listing:
    """A sheet before it is arranged. `fields`: what the rows hold, in their order, by code; `usual`: the fields of the
    sheet as it comes; `about`: what the fields that every listing has hold (`competencies.layouts.ANYWHERE`)."""

    code: str
    name: str
    fields: Mapping[str, sheets.Column]
    usual: Sequence[str]
    rows: Iterable[Sequence[Any]]
    about: Mapping[str, str]
    today: date


def arranged(listing: Listing, layout: Layout | None, name: str | None = None) -> sheets.Page:
    """The sheet as the layout says, or as it comes (None). `name`: its name whatever the layout says."""
    keys = list(listing.fields)
    layout = as_it_comes(listing) if layout is None else layout
    day, columns = competencies.layouts.day_as(layout.day, listing.today), list[sheets.Column]()
    always = {**listing.about, "today": day}
    places: list[tuple[int, str] | str | None] = []  # of each column: where its value stands, what it always is, or
    for one in layout.columns:  # None = the number of the line
        own = listing.fields.get(one.field)
        if own is not None:
            columns.append(_formed(replace(own, head=one.head), layout))
            places.append((keys.index(one.field), own.kind))
        elif one.field == "row":
            columns.append(sheets.Column(one.head, 6, "number"))
            places.append(None)
        else:
            columns.append(sheets.Column(one.head, 16))
            places.append(always[one.field] if one.field else one.text)

    def cell(row: Sequence[Any], place: tuple[int, str] | str) -> Any:
        return place if isinstance(place, str) else _value(row[place[0]], place[1], layout)

    def rows() -> Iterator[Sequence[Any]]:
        for number, row in enumerate(listing.rows, start=1):
            yield [number if place is None else cell(row, place) for place in places]

    words = {
        **dict.fromkeys(("项目", "programme"), listing.about.get("programme", "")),
        **dict.fromkeys(("单位", "unit"), listing.about.get("unit", "")),
        **dict.fromkeys(("日期", "day"), day),
    }
    above = tuple(competencies.layouts.with_words(line, words) for line in layout.above)
    return sheets.Page(name or layout.sheet or listing.name, columns, rows(), above=above)


def as_it_comes(listing: Listing) -> Layout:
    """The layout that says what the sheet is anyway."""
    columns = [{"head": listing.fields[key].head, "field": key} for key in listing.usual]
    return Layout.model_validate({"listing": listing.code, "columns": columns})


def _formed(column: sheets.Column, layout: Layout) -> sheets.Column:
    kind = column.kind
    if kind == "hours":
        kind = {"two": "hours", "short": "hours_short", "text": "text"}[layout.hours]
    return replace(column, kind="text" if kind == "day" else kind)


def _value(value: Any, kind: str, layout: Layout) -> Any:
    if value is None:
        return None
    if kind == "hours" and layout.hours == "text":
        return competencies.layouts.hours_as_text(value)
    if kind == "day" and value:
        return competencies.layouts.day_as(layout.day, value)
    return value
