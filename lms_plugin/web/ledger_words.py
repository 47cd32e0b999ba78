"""The ledger in words: kinds of hours, and what an entry rests on."""

import competencies
from competencies import CycleRule, CycleTotal
from lms_plugin.web.category_form import category_words
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.formats import hours


def kind_word(kind: str) -> str:
    """A kind of hours."""
    words = {
        "practice": _("实践应用"),
        "online": _("网络研修"),
        "offline": _("集中培训"),
        "school_based": _("校本研修"),
    }
    return str(words.get(kind, kind))


def basis_words(reason: str, source: str, rule_number: int = 0) -> str:
    """What an entry rests on; `rule_number` 0 = the rule version is said elsewhere."""
    match reason:
        case "import":
            return _("导入：%(source)s", source=source or _("未写来源"))
        case "training":
            return _("培训：%(title)s", title=source)
        case "reversal":
            return _("冲销：%(source)s", source=source or _("未写原因"))
        case "transfer_in":
            return _("转入：%(source)s", source=source)
        case "transfer_out":
            return _("转出到%(place)s", place=source)
        case "transfer_back":
            return _("转到%(place)s的学时记回", place=source)
        case "merge":
            return _("合并重复的人，多记的冲抵")
        case "unmerge":
            return _("撤销合并，冲抵记回")
        case "rule":
            said = _("规则改为第 %(number)s 版，补记", number=rule_number) if rule_number else _("规则修改后补记")
            return said + _by_category(source)
        case "held":
            after = _("能力点认定，互评评完后补记，规则第 %(number)s 版", number=rule_number)
            return (after if rule_number else _("能力点认定，互评评完后补记")) + _by_category(source)
        case "award":
            said = _("能力点认定，规则第 %(number)s 版", number=rule_number) if rule_number else _("能力点认定")
            return said + _by_category(source)
    return f"{reason} {source}".strip()


def _by_category(source: str) -> str:
    words = category_words()
    return _("（按%(category)s的规则）", category=words[source]) if source in words else ""


def years_word(one: CycleTotal) -> str:
    """2021–2025, or one year alone."""
    return f"{one.first_year}–{one.last_year}" if one.last_year > one.first_year else str(one.first_year)


def years_text(years: competencies.certificates.Years) -> str:
    """The years of a certificate, in the same way."""
    return f"{years.first}–{years.last}" if years.last > years.first else str(years.first)


def cycle_words(one: CycleTotal) -> str:
    """What somebody has in a cycle."""
    total, practice = hours(one.total_hundredths), hours(one.practice_hundredths)
    return _("共 %(total)s 学时，其中实践应用 %(practice)s 学时", total=total, practice=practice)


def cycle_lack(one: CycleTotal) -> str:
    """What somebody still lacks in a cycle; "" for nothing."""
    lack, practice = one.lack_hundredths, one.practice_lack_hundredths
    if not lack and not practice:
        return ""
    if practice >= lack:
        return _("还差实践 %(hours)s 学时", hours=hours(practice))
    if not practice:
        return _("还差 %(hours)s 学时", hours=hours(lack))
    return _("还差 %(hours)s 学时，其中实践至少 %(practice)s 学时", hours=hours(lack), practice=hours(practice))


def cycle_need(rule: CycleRule) -> str:
    """What a cycle asks for."""
    return _(
        "每 %(years)s 年至少 %(need)s 学时，其中实践应用至少 %(percent)s%%",
        years=rule.years,
        need=hours(rule.need_hundredths),
        percent=rule.practice_percent,
    )
