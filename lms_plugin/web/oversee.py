"""进度: the officer's page, the school lead's page, the people behind each number, the sheet."""

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import competencies
from competencies import Result, Rules
from lms_plugin.access import Permission, can, somewhere
from lms_plugin.flow import digest, notices, oversee, oversee_lists, trainings, waiting_school
from lms_plugin.flow.oversee_figures import Tally
from lms_plugin.flow.oversee_views import Lack, PersonLine
from lms_plugin.people import RoleKind, Stage
from lms_plugin.web import category_form, formats
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import whole
from lms_plugin.web.people import stage_word
from lms_plugin.web.waiting_words import WaitingLine, waiting_line

blueprint = Blueprint("oversee", __name__)
MOST_NAMES = 200  # names with a link under the list that is copied; all of them stand on pages of 50


def result_word(result: Result | None) -> str:
    """A person's result in the page's language; 免训 where none is asked for."""
    match result:  # a list asks for every line: only the word that is wanted is looked up
        case Result.PASSED:
            return _("合格")
        case Result.EXCELLENT:
            return _("优秀")
        case Result.UNFINISHED:
            return _("未完成")
        case Result.FAILED:
            return _("不合格")
    return _("免训")


def state_words() -> dict[str, tuple[str, str]]:
    """Each number: its name and its definition."""
    return {
        "due": (_("应参训"), _("名单上的教师，不含免训")),
        "logged_in": (_("已登录"), _("从课程进入过本项目")),
        "chosen": (_("已选点"), _("选满了规定个数的能力点")),
        "submitted": (_("已提交"), _("规定个数的能力点都已提交")),
        "passed": (_("合格"), _("规定个数的能力点都认定为合格以上，含优秀")),
        "excellent": (_("优秀"), _("合格，并且优秀的个数达到要求")),
        "unfinished": (_("未完成名单"), _("应参训但还没有合格")),
        "not_logged_in": (_("还没登录"), _("应参训但没有从课程进入过")),
        "not_chosen": (_("还没选满"), _("应参训但没有选满能力点")),
        "not_submitted": (_("还没交齐"), _("应参训但没有交齐规定个数的能力点")),
        "exempt": (_("免训"), _("不用参加本项目，有书面理由")),
        "off_roster": (_("不在名单上"), _("参加了培训，但名单上没有；不计入上面各数")),
    }


def local_day(now: datetime) -> date:
    """Today in the district's time zone."""
    return competencies.local_day(now, edge().timezone)


def tenths(value: int | None) -> str:
    """883 as 88.3; a dash for nobody."""
    return "–" if value is None else f"{value // 10}.{value % 10}"


def lack_words(line: PersonLine, rules: Rules) -> str:
    """What a person still lacks, in words; "" for nothing."""
    if line.is_exempt:
        return ""
    return _lacking(formats.language(), line.lack, line.chosen > 0, line.has_passed, rules.result.needs_hours)


@lru_cache(maxsize=4096)  # a district lacks the same few things
def _lacking(_language: str, lack: Lack, has_chosen: bool, has_passed: bool, needs_hours: bool) -> str:
    found = []
    if not lack.logged_in:
        found.append(_("还没有登录"))
    elif lack.to_choose and not has_chosen:
        found.append(_("还没有选能力点"))
    elif lack.to_choose:
        found.append(_("还要选 %(n)s 个能力点", n=lack.to_choose))
    if lack.logged_in and not has_passed:
        if lack.to_submit:
            found.append(_("%(n)s 个没有提交", n=lack.to_submit))
        if lack.returned:
            found.append(_("%(n)s 个退回待修改", n=lack.returned))
        if lack.failed:
            found.append(_("%(n)s 个不合格", n=lack.failed))
        if lack.waiting:
            found.append(_("%(n)s 个等评定", n=lack.waiting))
        if lack.breaks_rule:
            found.append(_("通过的能力点不符合选点规则"))
    if lack.practice_hundredths and needs_hours:
        found.append(_("差实践应用 %(hours)s 学时", hours=formats.hours(lack.practice_hundredths)))
    if lack.online_hundredths:
        found.append(_("差网络研修 %(hours)s 学时", hours=formats.hours(lack.online_hundredths)))
    return str(_("，").join(found))


@blueprint.get("/progress")
def home() -> BaseResponse | str:
    """The newest programme within reach."""
    place = oversee.home(db(), actor())
    if place is None:
        waiting = notices.open_notices(db(), actor(), edge().now)
        late = digest.stuck_notices(db(), actor())
        return render_template(
            "oversee/none.html",
            may_edit=_may(Permission.PROGRAMME_EDIT),
            notices=waiting,
            stuck=late,
            matters=_school_matters(),
        )
    return redirect(url_for("oversee.unit", programme=place[0], unit=place[1]), 303)


def _school_matters() -> list[WaitingLine]:
    """What waits for a school lead; nothing is asked for anybody else."""
    found = waiting_school.school_matters(db(), actor(), edge().now)
    return [waiting_line(one, many_schools=len(waiting_school.led_by(actor())) > 1) for one in found]


def _may(permission: Permission) -> bool:
    return can(actor(), permission, somewhere(actor()))


@blueprint.get("/progress/<programme>/<unit>")
def unit(programme: str, unit: str) -> str:
    """The figures of a county or a school."""
    page = oversee.unit_page(db(), actor(), programme, unit, edge().now)
    return render_template(
        "oversee/unit.html",
        page=page,
        sentence=_sentence(page.unit.name, page.tally, page.frame.rules.goal_percent),
        states=state_words(),
        tenths=tenths,
        category_list=category_form.listed,
        may_import=actor().has(RoleKind.OFFICER),
        notices=notices.open_notices(db(), actor(), edge().now),
        stuck=digest.stuck_notices(db(), actor()),
        sees_trainings=actor().has(*trainings.READERS),
        matters=_school_matters(),
        sees_scores=_may(Permission.DELIVERIES_READ),
    )


def _sentence(name: str, tally: Tally, goal: int) -> str:
    if tally.due == 0:
        return str(_("%(unit)s 还没有应参训名单", unit=name))
    values = {"unit": name, "due": tally.due, "passed": tally.passed, "rate": tenths(tally.pass_tenths), "goal": goal}
    missing = tally.missing(goal)
    if missing:
        return str(
            _(
                "%(unit)s %(due)s 人应参训，%(passed)s 人合格，合格率 %(rate)s%%，离 %(goal)s%% 还差 %(missing)s 人",
                missing=missing,
                **values,
            )
        )
    return str(_("%(unit)s %(due)s 人应参训，%(passed)s 人合格，合格率 %(rate)s%%，达到了 %(goal)s%% 的目标", **values))


@blueprint.get("/progress/<programme>/<unit>/people")
def people(programme: str, unit: str) -> str:
    """The people behind a number, 50 a page."""
    state = request.args.get("state", "due")
    page = oversee_lists.people_page(
        db(), actor(), programme, unit, state, whole(request.args.get("page"), 1), edge().now
    )
    return render_template(
        "oversee/people.html",
        page=page,
        states=state_words(),
        lack_words=lack_words,
        results=[(result, result_kind(result), result_word(result)) for result in (None, *Result)],
        stages={stage: stage_word(stage) for stage in Stage},
        may_exempt=actor().has(RoleKind.OFFICER),
        address=lambda number: url_for("oversee.people", programme=programme, unit=unit, state=state, page=number),
    )


def result_kind(result: Result | None) -> str:
    """How a result is marked."""
    kinds = {Result.PASSED: "good", Result.EXCELLENT: "good", Result.UNFINISHED: "wait", Result.FAILED: "stop"}
    return kinds[result] if result is not None else "note"


@blueprint.get("/progress/<programme>/<unit>/unfinished")
def unfinished(programme: str, unit: str) -> str:
    """未完成名单 as text to copy into the work group."""
    page = oversee_lists.unfinished(db(), actor(), programme, unit, edge().now)
    known = [line for _school, lines in page.schools for line in lines if line.person_uuid]
    return render_template(
        "oversee/unfinished.html",
        page=page,
        text="\n\n".join(_late_list(page)),
        known=known[:MOST_NAMES],
        more=len(known) > MOST_NAMES,
    )


def _late_list(page: Any) -> Iterator[str]:
    for school, lines in page.schools:
        rows = [
            _("%(name)s（%(number)s）：%(lack)s", name=line.name, number=line.staff_number, lack=words)
            if (words := lack_words(line, page.frame.rules))
            else _("%(name)s（%(number)s）", name=line.name, number=line.staff_number)
            for line in lines
        ]
        yield "\n".join([_("%(school)s（%(n)s 人）", school=school, n=len(lines)), *rows])
