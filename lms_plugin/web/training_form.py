"""The form of a training: text fields to a plan and back, and the words for kinds, states and ways."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from competencies import Expects, Training, TrainingKind, TrainingState
from lms_plugin.errors import Invalid
from lms_plugin.flow.trainings import Plan
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.ledger_words import kind_word

FIELDS = ("title", "programme", "unit", "kind", "expects", "day", "last_day", "starts", "ends", "place", "minutes")
Wrong = dict[str, str | tuple[str, dict[str, Any]]]


def kind_words() -> dict[str, str]:
    """Kinds of trainings, which are the kinds of the hours they bring."""
    return {kind: kind_word(kind) for kind in ("school_based", "offline", "online", "practice")}


def state_word(line: Any, now: datetime) -> tuple[str, str]:
    """How a training stands: (kind of the badge, word)."""
    if line.state is TrainingState.CANCELLED:
        return "stop", _("已取消")
    if line.state is TrainingState.CLOSED:
        return "good", _("已结束，学时已记")
    if now >= line.ends_at:
        return "wait", _("等待结束培训")
    return ("note", _("正在进行")) if now >= line.starts_at else ("pen", _("还没开始"))


def way_word(way: str) -> str:
    """By which way somebody signed in."""
    words = {"code": _("签到码"), "qr": _("扫码"), "list": _("名单勾选"), "import": _("导入")}
    return str(words.get(way, way))


def file_words() -> dict[str, str]:
    """Kinds of files that show that a training was held."""
    return {"photo": _("现场照片"), "sheet": _("签到表"), "plan": _("方案和课件"), "other": _("其他材料")}


def first_values(units: list[tuple[str, str]], programmes: list[tuple[str, str]]) -> dict[str, str]:
    """An empty form; where there is one unit or one round only, it is chosen."""
    values = dict.fromkeys(FIELDS, "")
    values["expects"] = Expects.ROSTER.value
    if len(units) == 1:
        values["unit"] = units[0][0]
    if programmes:
        values["programme"] = programmes[0][0]
    return values


def values_of(training: Training, unit: str, programme: str, timezone: str) -> dict[str, str]:
    """A training as the form shows it; unit and round by uuid."""
    starts = training.starts_at.astimezone(ZoneInfo(timezone))
    ends = training.ends_at.astimezone(ZoneInfo(timezone))
    return {
        "title": training.title,
        "programme": programme,
        "unit": unit,
        "kind": training.kind.value,
        "expects": training.expects.value,
        "day": starts.date().isoformat(),
        "last_day": "" if ends.date() == starts.date() else ends.date().isoformat(),
        "starts": f"{starts:%H:%M}",
        "ends": f"{ends:%H:%M}",
        "place": training.place,
        "minutes": "" if training.minutes == length_of(training) else str(training.minutes),
    }


def length_of(training: Training) -> int:
    """Minutes from beginning to end."""
    return int((training.ends_at - training.starts_at).total_seconds()) // 60


def typed_values(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed, as it is shown again beside an error."""
    return {name: str(form.get(name, "")).strip()[:300] for name in FIELDS}


def parse(values: Mapping[str, str], timezone: str) -> Plan:
    """The plan that the form says. Raises Invalid with a code beside each field that does not fit."""
    wrong: Wrong = {}
    for name in ("programme", "unit"):
        if not values[name]:
            wrong[name] = "form.choose"
    kind = _one_of(TrainingKind, values["kind"], "kind", wrong)
    expects = _one_of(Expects, values["expects"], "expects", wrong)
    day = _day(values["day"], "day", wrong)
    last = _day(values["last_day"], "last_day", wrong) if values["last_day"] else day
    starts, ends = _time(values["starts"], "starts", wrong), _time(values["ends"], "ends", wrong)
    minutes = None
    try:
        minutes = minutes_of(values["minutes"])
    except Invalid as invalid:
        wrong |= invalid.fields
    if wrong or kind is None or expects is None:
        raise Invalid(wrong)
    zone = ZoneInfo(timezone)
    return Plan(
        title=values["title"],
        programme=values["programme"],
        unit=values["unit"],
        kind=kind,
        expects=expects,
        starts_at=datetime.combine(day, starts, tzinfo=zone).astimezone(ZoneInfo("UTC")),
        ends_at=datetime.combine(last, ends, tzinfo=zone).astimezone(ZoneInfo("UTC")),
        place=values["place"],
        minutes=minutes,
    )


def minutes_of(text: str) -> int | None:
    """Minutes as people type them; None for an empty field. Raises Invalid at "minutes" for anything else."""
    typed = unicodedata.normalize("NFKC", text).strip()
    if typed and not re.fullmatch("[0-9]{1,5}", typed):
        raise Invalid({"minutes": "form.whole_number"})
    return int(typed) if typed else None


def _one_of(kind: Any, text: str, name: str, wrong: Wrong) -> Any:
    try:
        return kind(text)
    except ValueError:
        wrong[name] = "form.choose"
        return None


def _day(text: str, name: str, wrong: Wrong) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 2000 <= found.year <= 2100:
        wrong[name] = "form.date"
    return found


def _time(text: str, name: str, wrong: Wrong) -> time:
    found = re.fullmatch(r"([01]?[0-9]|2[0-3])[:：]([0-5][0-9])(?::00)?", unicodedata.normalize("NFKC", text))
    if found is None:
        wrong[name] = "training.time_unreadable"
        return time.min
    return time(int(found[1]), int(found[2]))
