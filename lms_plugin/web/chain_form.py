"""The stages of the official chain in the programme's form: text to typed settings and back, and said in words."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import competencies
from competencies import Chain
from lms_plugin.web.formats import gettext as _

NUMBERS = {"check_percent": (1, 100), "publicity_days": (1, 30)}
OPTIONAL = {"excellent_cap_percent": (1, 100), "city_percent": (1, 100), "province_percent": (1, 100)}
FLAGS = ("panel", "check", "check_excellent", "publicity", "mask_names")
SHOWN_TO = ("school", "district", "public")
DAYS = ("days_off", "workdays")
LONGEST_DAYS = 300
LONGEST_NOTICE = timedelta(days=366)
"""A 公示 that would last longer has a slip in its days off."""
_DAY = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:\s*[~～至]\s*(\d{4}-\d{1,2}-\d{1,2}))?")


def shown_to_words() -> list[tuple[str, str]]:
    """Who may see 公示, in words."""
    return [
        ("school", _("本校的人和区县的管理人员")),
        ("district", _("本区县登录的人")),
        ("public", _("任何人：不登录也能看")),
    ]


def values_of(chain: Chain) -> dict[str, Any]:
    """The stages as the form shows them."""
    found: dict[str, Any] = {name: getattr(chain, name) for name in (*NUMBERS, *FLAGS, "shown_to")}
    found |= {name: getattr(chain, name) or "" for name in OPTIONAL}
    return {**found, **{name: " ".join(_spans(getattr(chain, name))) for name in DAYS}}


def _spans(days: tuple[date, ...]) -> list[str]:
    """Days as people write them: 2026-10-01~2026-10-07 for a row of them."""
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    return [f"{one[0]}~{one[-1]}" if len(one) > 1 else f"{one[0]}" for one in spans]


def parse(values: Mapping[str, Any], numbers: Mapping[str, int], wrong: dict[str, Any]) -> Chain:
    """Typed values; what does not fit is named in `wrong`. `numbers`: of `NUMBERS` and `OPTIONAL`, looked at
    already."""
    if values["shown_to"] not in SHOWN_TO:
        wrong["shown_to"] = "form.choose"
    days = {name: _days(str(values[name]), name, wrong) for name in DAYS}
    if wrong:
        return Chain()
    chain = Chain(
        **{name: bool(values[name]) for name in FLAGS},
        **{name: numbers[name] for name in (*NUMBERS, *OPTIONAL)},
        shown_to=values["shown_to"],
        **days,
    )
    if chain.excellent_cap_percent and not chain.goes_by_batch:
        wrong["excellent_cap_percent"] = "chain.cap_without_batch"
    for name in ("city_percent", "province_percent"):
        if getattr(chain, name) and not chain.goes_by_batch:
            wrong[name] = "chain.upper_without_batch"
    begun = (date(2026, 1, 1), *chain.days_off)
    if any(competencies.batches.last_day_of_notice(chain, day) > day + LONGEST_NOTICE for day in begun):
        wrong["days_off"] = "chain.no_workdays"
    return chain


def _days(text: str, name: str, wrong: dict[str, Any]) -> tuple[date, ...]:
    """2026-10-01~2026-10-07 2027-01-01 → those days, each once, in order."""
    found: set[date] = set()
    rest = _DAY.sub("", text)
    if re.sub(r"[\s,，、;；]", "", rest):
        wrong[name] = "chain.days_unread"
        return ()
    for first, last in _DAY.findall(text):
        try:
            begins = date(*map(int, first.split("-")))
            ends = date(*map(int, (last or first).split("-")))
        except ValueError:
            wrong[name] = "chain.days_unread"
            return ()
        length = (ends - begins).days
        if not 0 <= length < LONGEST_DAYS or not competencies.EARLIEST <= begins <= ends <= competencies.LATEST:
            wrong[name] = "chain.days_unread"
            return ()
        found |= {begins + timedelta(days=ahead) for ahead in range(length + 1)}
    if len(found) > LONGEST_DAYS:
        wrong[name] = ("chain.days_many", {"most": LONGEST_DAYS})
    return tuple(sorted(found))


def words(chain: Chain) -> list[str]:
    """Each stage that is on, in a sentence; nothing where all are off."""
    said = []
    if chain.panel:
        said.append(_("由本校考核小组（2–5 人，学校管理员确定）认定，谁都不认定自己的材料。"))
    if chain.goes_by_batch:
        said.append(_("学校全部定完后结批；没定完的要写明原因，留到下一批。"))
    if chain.goes_by_batch and chain.excellent_cap_percent:
        said.append(
            _(
                "一所学校的优秀最多占合格以上的 %(n)s%%（同一学时周期里各批合在一起算），不足 1 份按 1 份。",
                n=chain.excellent_cap_percent,
            )
        )
    if chain.check:
        said.append(
            _("结批时抽签，县里抽查合格的 %(percent)s%%，至少 1 份", percent=chain.check_percent)
            + (_("；优秀的全部查") if chain.check_excellent else "")
            + _("；异议成立的和上次没通过的一定查。有一份没通过，整批退回学校。")
        )
    if chain.goes_by_batch and chain.city_percent:
        said.append(_("市里从县里通过的里面再抽 %(n)s%%，至少 1 份。", n=chain.city_percent))
    if chain.goes_by_batch and chain.province_percent:
        said.append(_("省里从县里通过的里面再抽 %(n)s%%，至少 1 份。", n=chain.province_percent))
    if chain.goes_by_batch and (chain.city_percent or chain.province_percent):
        said.append(_("市里、省里抽查不耽误公示和认定；没通过的，还没认定的重新认定，已经认定的由区县冲销。"))
    if chain.publicity:
        said.append(
            _(
                "公示 %(days)s 个工作日，看得到的人：%(who)s%(masked)s。",
                days=chain.publicity_days,
                who=dict(shown_to_words())[chain.shown_to],
                masked=_("；姓名中间打星号") if chain.mask_names else "",
            )
        )
        said.append(
            _(
                "公示当天不算，从下一天起数工作日，周末和全区县放假安排里的放假不算；有异议由区县管理员答复，成立的那一份重新认定，其他的照常。"
            )
        )
        if chain.days_off or chain.workdays:
            said.append(
                _(
                    "这个项目自己另写了 %(off)s 天放假、%(on)s 天上班，这几天照这里。",
                    off=len(chain.days_off),
                    on=len(chain.workdays),
                )
            )
    return said


def release_words(chain: Chain) -> str:
    """When results count, where they go by batches."""
    return (
        _("公示结束后自动认定、记学时、回传成绩；在这以前都是“待公示”，平台上没有成绩。")
        if chain.publicity
        else _("县级抽查通过后自动认定、记学时、回传成绩；在这以前平台上没有成绩。")
    )
