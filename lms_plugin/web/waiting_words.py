"""What waits for a school lead, in words: one line a matter, with the one page where it is seen to."""

from dataclasses import dataclass
from typing import Any

from flask import url_for

from lms_plugin.flow.waiting_school import SchoolMatter
from lms_plugin.web import formats
from lms_plugin.web.formats import gettext as _


@dataclass(frozen=True)
class WaitingLine:
    """One line. `detail`: of which programme and school; `label`, `url`: where it is seen to; `mark`: kind of mark of
    what others do, "" for a task."""

    words: str
    detail: str
    label: str
    url: str
    mark: str = ""


def waiting_line(one: SchoolMatter, *, many_schools: bool) -> WaitingLine:
    """The line of one matter; `many_schools`: the reader leads more than one, so that each line names its school."""
    detail = " · ".join(filter(None, (one.title, one.school if many_schools else "")))
    words, label, url = _task(one) if one.is_task else _news(one)
    marks = {"answer": "wait", "released": "good", "plan.accepted": "good"}
    return WaitingLine(words, detail, label, url, "" if one.is_task else marks.get(one.kind, "note"))


def _task(one: SchoolMatter) -> tuple[str, str, str]:
    school: dict[str, Any] = {"programme": one.programme, "unit": one.unit}
    match one.kind:
        case "confirm":
            words = _("%(n)s 位老师填了姓名和工号，等您核对", n=one.number)
            return words, _("去核对"), url_for("people.list_people", waiting=1)
        case "choices":
            return (
                _("%(n)s 位老师选的能力点等您确认", n=one.number),
                _("去确认"),
                url_for("choice.confirming", **school),
            )
        case "panel":
            words = _("还没有定考核小组，%(n)s 份材料等着", n=one.number) if one.number else _("还没有定考核小组")
            return words, _("定考核小组"), url_for("chain.name_panel", unit=one.unit)
        case "returned":
            words = _("县里退回了第 %(n)s 批，%(works)s 份要重新认定", n=one.round, works=one.number)
            return words, _("看哪里不对"), url_for("chain.batch", batch=one.batch)
        case "close":
            words = _("%(n)s 份材料都定好了，可以结批", n=one.number)
            return words, _("去结批"), url_for("chain.school", **school)
        case "plan.returned":
            return _("县里退回了整校推进方案"), _("看要改什么"), url_for("plans.one", **school)
    until = _("（%(deadline)s）", deadline=formats.deadline(one.on)) if one.on else ""
    return _("整校推进方案还没有交") + until, _("去填"), url_for("plans.one", **school)


def _news(one: SchoolMatter) -> tuple[str, str, str]:
    school: dict[str, Any] = {"programme": one.programme, "unit": one.unit}
    if one.kind.startswith("plan"):
        done = one.kind == "plan.accepted"
        words = _("整校推进方案已通过") if done else _("整校推进方案已交，等县里审核")
        return words, _("看方案"), url_for("plans.one", **school)
    if one.kind == "decide":
        there = url_for("chain.school", **school)
        if one.by_panel:
            return _("%(n)s 份材料等考核小组认定", n=one.number), _("看是哪几份"), there
        return _("%(n)s 份材料等评审员评定", n=one.number), _("看是哪几份"), there
    if one.kind == "shown" and one.on is not None:
        words = _("第 %(n)s 批公示中，到 %(day)s 24:00", n=one.round, day=formats.day(one.on))
        return words, _("看公示"), url_for("chain.publicity", batch=one.batch)
    words = {
        "answer": _("公示里有 %(n)s 条异议，等县里答复", n=one.number),
        "check": _("第 %(n)s 批县里正在抽查", n=one.round),
        "ready": _("第 %(n)s 批即将认定", n=one.round),
    }.get(one.kind, _("第 %(n)s 批已认定，学时已记", n=one.round))
    return words, _("看这一批"), url_for("chain.batch", batch=one.batch)
