"""导出表样: the pages on which a district or a programme says how the sheets it gets look."""

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from lms_plugin.errors import Refused
from lms_plugin.flow import course_deliveries, layouts, listings, oversee_lists, sheets
from lms_plugin.web import listings as own
from lms_plugin.web import messages, oversee
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole
from lms_plugin.web.roster import sent_file

blueprint = Blueprint("layouts", __name__)
SHOWN = 3
"""Lines of a preview."""
domain = competencies.layouts


def whose_word(whose: str) -> str:
    """Who said how a listing looks."""
    words = {"programme": _("项目自己的"), "district": _("区县的"), "province": _("省的设置文件")}
    return words.get(whose, _("默认"))


def day_words() -> list[tuple[str, str]]:
    """The forms of a day, by an example."""
    return [(form, _today(form)) for form in domain.DAYS]


def _today(form: str) -> str:
    return domain.day_as(form, oversee.local_day(edge().now))


def hours_words() -> list[tuple[str, str]]:
    """The forms of hours, by examples."""
    words = {
        "two": _("两位小数：25.00、8.33"),
        "short": _("有几位写几位：25、8.33"),
        "text": _("有几位写几位，存成文字：25、8.33"),
    }
    return [(form, words[form]) for form in domain.HOURS]


def fault_words(fault: competencies.layouts.Fault) -> str:
    """A fault, with the line it is in."""
    said = messages.sentence(fault.code, dict(fault.params))
    return _("第 %(row)s 行：%(said)s", row=fault.row, said=said) if fault.row else said


def file_fault_words(fault: competencies.layouts.Fault) -> str:
    """A fault of a file, with the listing and the column it is in."""
    name = own.listing_word(fault.listing) if fault.listing in domain.LISTINGS else fault.listing or "?"
    said = messages.sentence(fault.code, dict(fault.params))
    if not fault.row:
        return _("“%(listing)s”：%(said)s", listing=name, said=said)
    return _("“%(listing)s”第 %(row)s 列：%(said)s", listing=name, row=fault.row, said=said)


@blueprint.get("/exports")
def home() -> str:
    """Every listing with what holds for it."""
    return _home([])


def _home(wrong: Sequence[str]) -> str:
    programme = request.args.get("programme", "")
    return render_template(
        "layouts/home.html",
        page=layouts.page(db(), actor(), programme),
        listing_word=own.listing_word,
        place_word=own.place_word,
        whose_word=whose_word,
        wrong=wrong,
        saved=whole(request.args.get("saved"), 0, least=0),
        cleared="cleared" in request.args,
    )


@blueprint.route("/exports/<listing>", methods=["GET", "POST"])
def edit(listing: str) -> BaseResponse | tuple[str, int]:
    """One listing: its columns as lines, a preview of real rows, and saving what was previewed."""
    programme = request.args.get("programme", "")
    line = layouts.line(db(), actor(), listing, programme)
    names = own.field_words(listing)
    if request.method == "GET":
        held = line.layout or _as_it_comes(listing)
        values = {
            "columns": domain.as_lines(held.columns, names),
            "above": "\n".join(held.above),
            **{name: getattr(held, name) for name in ("sheet", "day", "hours")},
        }
        return _form(line, programme, values)
    values = {name: request.form.get(name, "")[:20_000] for name in ("columns", "above", "sheet", "day", "hours")}
    content = _content(listing, values, names)
    faults = domain.faults_of(content)
    if faults:
        return _form(line, programme, values, faults=faults)
    layout = domain.Layout.model_validate(content)
    seen = _digest(layout)
    if request.form.get("seen") == seen and "again" not in request.form:
        layouts.set_layout(db(), actor(), [layout], edge().now, programme)
        return redirect(url_for("layouts.home", programme=programme or None, saved=1), 303)
    return _form(line, programme, values, preview=_preview(layout, programme), seen=seen)


def _as_it_comes(listing: str) -> competencies.layouts.Layout:
    return listings.as_it_comes(own.listing(listing, (), "", "", None))


def _content(listing: str, values: dict[str, str], names: dict[str, str]) -> dict[str, Any]:
    """What was typed, as the content of a layout that may be wrong."""
    by_name = {code: code for code in names} | {name: code for code, name in names.items()}
    return {
        "listing": listing,
        "sheet": values["sheet"].strip(),
        "above": [" ".join(line.split()) for line in values["above"].splitlines() if line.strip()],
        "day": values["day"],
        "hours": values["hours"],
        "columns": domain.of_lines(values["columns"], by_name),
    }


def _digest(layout: competencies.layouts.Layout) -> str:
    """Names what a preview showed: nothing else is saved by its button."""
    return hashlib.sha256(layout.model_dump_json().encode()).hexdigest()[:16]


def _form(
    line: layouts.Line,
    programme: str,
    values: dict[str, str],
    faults: Sequence[competencies.layouts.Fault] = (),
    preview: sheets.Page | None = None,
    seen: str = "",
) -> tuple[str, int]:
    where: dict[str, list[str]] = {}
    for fault in faults:
        field = {"layout.sheet_name": "sheet", "layout.above_many": "above", "layout.above_line": "above"}
        where.setdefault(field.get(fault.code, "columns"), []).append(fault_words(fault))
    rows = [] if preview is None else list(preview.rows)
    page = render_template(
        "layouts/edit.html",
        line=line,
        title=own.listing_word(line.listing),
        programme=programme,
        values=values,
        errors={name: " ".join(said[:5]) for name, said in where.items()},
        faults=len(faults),
        names=own.field_words(line.listing).values(),
        days=day_words(),
        hours=hours_words(),
        preview=preview,
        columns=[] if preview is None else _shown(preview, rows),
        shown=len(rows),
        seen=seen,
    )
    return page, 422 if faults else 200


def _shown(page: sheets.Page, rows: Sequence[Sequence[Any]]) -> list[tuple[str, str, list[str]]]:
    """Each column of a sheet: its letter, the words above it, and what stands in the lines of the preview."""
    return [
        (sheets.letter(index), column.head, [_cell(row[index], column.kind) for row in rows])
        for index, column in enumerate(page.columns)
    ]


def _cell(value: Any, kind: str) -> str:
    """A cell as Excel shows it."""
    if value is None:
        return ""
    forms = {"hours": lambda: f"{value / 100:.2f}", "hours_short": lambda: domain.hours_as_text(value)}
    return str(forms.get(kind, lambda: f"{value / 10:.1f}" if kind == "tenths" else str(value))())


def _preview(layout: competencies.layouts.Layout, programme: str) -> sheets.Page:
    """The sheet that the layout makes, with its first lines."""
    there = layouts.example(db(), actor(), programme)
    found = own.listing(layout.listing, (), "", "", None)
    if layout.listing == "scores" and there.course:
        found = own.scores_listing(course_deliveries.sheet_rows(db(), actor(), there.course, edge().now))
    elif layout.listing in {"people", "units"} and there.programme:
        export = oversee_lists.beginning(db(), actor(), there.programme, there.unit, layout.listing, SHOWN, edge().now)
        units, people, _off_roster = own.progress_listings(export)
        found = units if layout.listing == "units" else people
    page = listings.arranged(found, layout)
    return sheets.Page(page.name, page.columns, list(page.rows)[:SHOWN], above=page.above)


@blueprint.post("/exports/<listing>/clear")
def clear(listing: str) -> BaseResponse:
    """A listing goes out again as if nobody had said anything here."""
    programme = request.args.get("programme", "")
    layouts.clear(db(), actor(), listing, edge().now, programme)
    return redirect(url_for("layouts.home", programme=programme or None, cleared=1), 303)


@blueprint.route("/exports/file", methods=["GET", "POST"])
def file() -> BaseResponse | tuple[str, int]:
    """The layouts that hold here, as the part `exports` of a settings file; a file of that kind sets them all."""
    programme = request.args.get("programme", "")
    held = layouts.page(db(), actor(), programme)
    if request.method == "GET":
        answer = make_response(domain.as_file([one.layout for one in held.lines if one.layout is not None]))
        answer.headers["Content-Type"] = "application/json"
        answer.headers["Content-Disposition"] = 'attachment; filename="exports.json"'
        return answer
    try:
        found, faults = domain.of_file(sent_file()[1])
    except Refused as refused:
        if not refused.code.startswith(("sheet.", "layout.")):
            raise
        return _home([messages.sentence(refused.code, refused.params)]), 422
    if faults:
        return _home([file_fault_words(one) for one in faults[:50]]), 422
    layouts.set_layout(db(), actor(), found, edge().now, programme)
    return redirect(url_for("layouts.home", programme=programme or None, saved=len(found)), 303)
