"""The sheets of people and figures: what their columns are called, what stands in them, and the routes that send them.

Which columns go out, in which order and under which words, is the district's to say (导出表样, `flow/layouts.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response as BaseResponse

import competencies
import lti
from competencies import Level, Rules
from lms_plugin.flow import course_deliveries, oversee_lists, sheets
from lms_plugin.flow.listings import Listing, arranged
from lms_plugin.flow.oversee_figures import Tally
from lms_plugin.flow.oversee_views import PersonLine
from lms_plugin.people import UnitKind
from lms_plugin.web import category_form, ledger_words, marks
from lms_plugin.web.deliveries import kind_word, told
from lms_plugin.web.downloads import seal_page, workbook
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.oversee import lack_words, local_day, result_word, state_words
from lms_plugin.web.people import stage_word

blueprint = Blueprint("listings", __name__)
PLACES = (UnitKind.PROVINCE, UnitKind.CITY, UnitKind.COUNTY, UnitKind.SCHOOL_GROUP)


def listing_word(code: str) -> str:
    """What a listing is called: the name of its sheet as it comes."""
    return {"people": _("名单"), "units": _("汇总"), "scores": _("成绩回传")}[code]


def place_word(code: str) -> str:
    """Where a listing is exported."""
    words = {
        "people": _("进度页导出的 Excel：每人一行"),
        "units": _("进度页导出的 Excel：每个单位一行"),
        "scores": _("课程成绩页导出的 Excel：每人一行"),
    }
    return words[code]


def always_words() -> dict[str, str]:
    """The fields that every listing has."""
    return {"row": _("序号"), "programme": _("项目名称"), "unit": _("导出的单位"), "today": _("导出日期")}


def fields(code: str) -> dict[str, sheets.Column]:
    """What the rows of a listing hold, in their order: each field with its column as it comes."""
    return {"people": _people_fields, "units": _unit_fields, "scores": _score_fields}[code]()


def field_words(code: str) -> dict[str, str]:
    """Each field that a layout of a listing may name, with what it is called."""
    found = {key: column.head for key, column in fields(code).items()} | always_words()
    if code == "scores":  # two columns of each of these heads: here they need names of their own
        found |= {"points_full": _("能力点的满分"), "points_state": _("能力点的状态")}
        found |= {"hours_full": _("学时的满分"), "hours_state": _("学时的状态")}
    return found


def usual(code: str, rules: Rules | None = None) -> list[str]:
    """The fields of a listing as it comes; 学分 where the rules count so."""
    found = list(fields(code))
    if code != "people":
        return found
    counts_so = rules is not None and rules.hours.per_credit_point_hundredths
    return found[: found.index("credits") + (1 if counts_so else 0)]


def _people_fields() -> dict[str, sheets.Column]:
    return {
        "name": sheets.Column(_("姓名"), 12),
        "school": sheets.Column(_("学校"), 24),
        "staff_number": sheets.Column(_("工号"), 14),
        "stage": sheets.Column(_("学段"), 10),
        "subject": sheets.Column(_("学科"), 10),
        "result": sheets.Column(_("结果"), 10),
        "is_in": sheets.Column(_("已登录"), 8),
        "chosen": sheets.Column(_("已选点"), 8, "number"),
        "submitted": sheets.Column(_("已提交"), 8, "number"),
        "passed": sheets.Column(_("合格（含优秀）"), 8, "number"),
        "excellent": sheets.Column(_("优秀"), 8, "number"),
        "points": sheets.Column(_("能力点"), 24),
        "practice": sheets.Column(_("实践应用学时"), 12, "hours"),
        "online": sheets.Column(_("网络研修学时（导入）"), 12, "hours"),
        "lack": sheets.Column(_("还差什么"), 40),
        "exempt": sheets.Column(_("免训理由"), 24),
        "cycle_years": sheets.Column(_("学时周期"), 12),
        "cycle_hours": sheets.Column(_("周期内学时（全部项目）"), 12, "hours"),
        "cycle_practice": sheets.Column(_("其中实践应用"), 12, "hours"),
        "cycle_lack": sheets.Column(_("周期还差"), 30),
        "category": sheets.Column(_("类别"), 10),
        "credits": sheets.Column(_("学分"), 8, "hours"),
        "hours": sheets.Column(_("学时合计"), 12, "hours"),
        "province": sheets.Column(_("省"), 12),
        "city": sheets.Column(_("市"), 12),
        "county": sheets.Column(_("县（区）"), 12),
        "school_group": sheets.Column(_("学区"), 16),
    }


def _unit_fields() -> dict[str, sheets.Column]:
    named = {key: words for key, (words, _definition) in state_words().items()}
    return {
        "name": sheets.Column(_("单位"), 24),
        "due": sheets.Column(named["due"], 8, "number"),
        "exempt": sheets.Column(named["exempt"], 8, "number"),
        "is_in": sheets.Column(named["logged_in"], 8, "number"),
        "chosen": sheets.Column(named["chosen"], 8, "number"),
        "submitted": sheets.Column(named["submitted"], 8, "number"),
        "passed": sheets.Column(named["passed"], 8, "number"),
        "excellent": sheets.Column(named["excellent"], 8, "number"),
        "login_rate": sheets.Column(_("参训率（百分比）"), 8, "tenths"),
        "pass_rate": sheets.Column(_("合格率（百分比）"), 8, "tenths"),
        "missing": sheets.Column(_("离目标还差（人）"), 10, "number"),
        "practice": sheets.Column(_("实践应用学时合计"), 12, "hours"),
        "online": sheets.Column(_("网络研修学时合计"), 12, "hours"),
    }


def _score_fields() -> dict[str, sheets.Column]:
    named = {kind: kind_word(kind.value) for kind in lti.LineItemKind}
    return {
        "name": sheets.Column(_("姓名"), 12),
        "school": sheets.Column(_("学校"), 24),
        "staff_number": sheets.Column(_("工号"), 14),
        "points": sheets.Column(named[lti.LineItemKind.POINTS], 10, "hours"),
        "points_full": sheets.Column(_("满分"), 8, "hours"),
        "points_state": sheets.Column(_("状态"), 14),
        "hours": sheets.Column(named[lti.LineItemKind.HOURS], 10, "hours"),
        "hours_full": sheets.Column(_("满分"), 8, "hours"),
        "hours_state": sheets.Column(_("状态"), 14),
        "happened": sheets.Column(_("怎么回事"), 40),
        "todo": sheets.Column(_("怎么办"), 50),
        "host_words": sheets.Column(_("平台的回答"), 40),
    }


def listing(code: str, rows: Iterable[tuple[Any, ...]], programme: str, unit: str, rules: Rules | None) -> Listing:
    """A listing of rows that are put together here."""
    about = {"programme": programme, "unit": unit}
    today = local_day(edge().now)
    return Listing(code, listing_word(code), fields(code), usual(code, rules), rows, about, today)


@blueprint.get("/progress/<programme>/<unit>/sheet")
def people_sheet(programme: str, unit: str) -> BaseResponse:
    """The workbook: figures of each unit, then everybody with 工号 and result."""
    found = oversee_lists.export(db(), actor(), programme, unit, edge().now)
    units, people, off_roster = progress_listings(found)
    return workbook(
        f"{_('进度')}_{found.unit.name}_{local_day(edge().now).isoformat()}",
        [
            arranged(units, found.layouts["units"]),
            arranged(people, found.layouts["people"]),
            arranged(off_roster, found.layouts["people"], name=_("不在名单上")),
            seal_page(found.seal),
        ],
    )


def progress_listings(found: oversee_lists.Export) -> tuple[Listing, Listing, Listing]:
    """The sheets of 进度: figures, people, and people who are on no roster."""
    rules = found.frame.rules
    total = sum((tally for _name, tally in found.units), Tally())
    figures = _figure_rows([*found.units, (_("合计"), total)], rules.goal_percent)
    about = (found.frame.title, found.unit.name, rules)
    return (
        listing("units", figures, *about),
        listing("people", _person_rows(found.people, found), *about),
        listing("people", _person_rows(found.off_roster, found), *about),
    )


@blueprint.get("/courses/<course>/scores/sheet")
def scores_sheet(course: str) -> BaseResponse:
    """Everybody of the course as a workbook."""
    found = course_deliveries.sheet_rows(db(), actor(), course, edge().now)
    name = f"{_('成绩回传')}_{found.title}"
    return workbook(name, [arranged(scores_listing(found), found.layout), seal_page(found.seal)])


def scores_listing(found: course_deliveries.ScoresSheet) -> Listing:
    """The sheet of a course's scores."""
    return listing("scores", _score_rows(found.rows), found.programme_title, found.unit, None)


def _figure_rows(units: Iterable[tuple[str, Tally]], goal: int) -> Iterator[tuple[Any, ...]]:
    for name, tally in units:
        yield (
            name,
            tally.due,
            tally.exempt,
            tally.logged_in,
            tally.chosen,
            tally.submitted,
            tally.passed,
            tally.excellent,
            tally.login_tenths,
            tally.pass_tenths,
            tally.missing(goal),
            tally.practice_hundredths,
            tally.online_hundredths,
        )


def _person_rows(lines: Iterable[PersonLine], found: oversee_lists.Export) -> Iterator[tuple[Any, ...]]:
    rules = found.frame.rules
    levels = {level: marks.point_word(level, found.level_words) for level in Level}
    yes, no = _("是"), _("否")
    for line in lines:
        yield (
            line.name,
            line.school,
            line.staff_number,
            stage_word(line.stage) if line.stage is not None else "",
            line.subject,
            result_word(line.result),
            yes if line.logged_in else no,
            line.chosen,
            line.submitted,
            line.passed,
            line.excellent,
            _("、").join(f"{code} {levels[level]}" for code, level in line.points),
            line.practice_hundredths,
            line.online_hundredths,
            lack_words(line, rules),
            line.exempt_reason,
            *_cycle_cells(line.cycle),
            category_form.listed([line.category]) if line.category is not None else "",
            line.credit_points_hundredths if rules.hours.per_credit_point_hundredths else None,
            line.practice_hundredths + line.online_hundredths,
            *_places(line.path, found.above),
        )


def _cycle_cells(one: competencies.CycleTotal | None) -> tuple[Any, ...]:
    if one is None:
        return ("", None, None, "")
    lack = ledger_words.cycle_lack(one) or _("已够")
    return ledger_words.years_word(one), one.total_hundredths, one.practice_hundredths, lack


def _places(path: str, above: Mapping[int, tuple[UnitKind, str]]) -> tuple[str, ...]:
    """The province, city, county and school group that a unit's path leads through; "" where there is none."""
    found = dict(above[int(part)] for part in path.split("/") if part and int(part) in above)
    return tuple(found.get(kind, "") for kind in PLACES)


def _score_rows(rows: Iterable[course_deliveries.Line]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        found: list[Any] = [row.about.name, row.school, row.about.staff_number]
        for kind in lti.LineItemKind:
            cell = row.about.cells.get(kind)
            has_value = cell is not None and cell.maximum_hundredths
            found += [cell.given_hundredths, cell.maximum_hundredths] if cell and has_value else [None, None]
            found.append(told(cell.state, cell.trouble).word if cell else "")
        worst = row.about.worst
        words = told(worst.state, worst.trouble)
        yield (*found, words.happened, words.todo, worst.host_words)
