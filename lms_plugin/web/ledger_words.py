"""The ledger in words: kinds of hours, and what an entry rests on."""

from lms_plugin.web.formats import gettext as _


def kind_word(kind: str) -> str:
    """A kind of hours."""
    return str({"practice": _("实践应用"), "online": _("网络研修")}.get(kind, kind))


def basis_words(reason: str, source: str, rule_number: int = 0) -> str:
    """What an entry rests on; `rule_number` 0 = the rule version is said elsewhere."""
    match reason:
        case "import":
            return _("导入：%(source)s", source=source or _("未写来源"))
        case "reversal":
            return _("冲销：%(source)s", source=source or _("未写原因"))
        case "merge":
            return _("合并重复的人，多记的冲抵")
        case "unmerge":
            return _("撤销合并，冲抵记回")
        case "rule":
            return _("规则改为第 %(number)s 版，补记", number=rule_number) if rule_number else _("规则修改后补记")
        case "award":
            return _("能力点认定，规则第 %(number)s 版", number=rule_number) if rule_number else _("能力点认定")
    return f"{reason} {source}".strip()
