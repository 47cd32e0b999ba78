"""学时证明 on paper: the page of HTML that `media.on_paper` makes a PDF of.

In Chinese, with English below, whoever prints it: an official paper looks the same for everybody.
"""

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

import competencies
from lms_plugin import media
from lms_plugin.flow.certificate_sheet import HoursLine, Printed

KINDS = {
    "practice": ("实践应用", "Practice"),
    "online": ("网络研修", "Online"),
    "offline": ("集中培训", "Face to face"),
    "school_based": ("校本研修", "School-based"),
}
_TEMPLATES = Path(__file__).parent.parent / "templates"


def page(view: Printed, verify_url: str, verify_page: str, seal: bytes = b"") -> str:
    """The whole page. `verify_url`: what the QR code leads to; `verify_page`: where the code can be typed; `seal`: the
    picture of the seal that was put on it (PNG)."""
    return template("certificates/paper.html").render(
        view=view,
        code=competencies.certificates.code_as_printed(view.code),
        qr=Markup(media.qr_svg(verify_url)),  # noqa: S704 - drawn by us of our own address
        verify_page=verify_page,
        issued_on=competencies.local_day(view.issued_at, view.timezone),
        total_hundredths=sum(hundredths for _kind, hundredths in view.hours),
        seal=base64.b64encode(seal).decode(),
        kinds=KINDS,
        basis=basis,
        span="—".join(dict.fromkeys(str(year) for year in view.years or ())),
    )


def basis(line: HoursLine) -> str:
    """What an entry of the ledger rests on, in the words of the record."""
    match line.reason:
        case "import":
            return f"导入：{line.source or '未写来源'}"
        case "training":
            return f"培训：{line.source}"
        case "reversal":
            return f"冲销：{line.source or '未写原因'}"
        case "transfer_in":
            return f"转入：{line.source}"
        case "transfer_out":
            return f"转出到{line.source}"
        case "transfer_back":
            return f"转到{line.source}的学时记回"
        case "merge":
            return "合并重复的人，多记的冲抵"
        case "unmerge":
            return "撤销合并，冲抵记回"
        case "rule":
            return f"规则改为第 {line.rule_number} 版，补记"
        case "held":
            return f"能力点认定，互评任务完成后补记，规则第 {line.rule_number} 版"
        case "award":
            return f"能力点认定，规则第 {line.rule_number} 版"
    return f"{line.reason} {line.source}".strip()


def hours(hundredths: int) -> str:
    """12.5, 25."""
    return f"{hundredths / 100:g}"


@cache
def template(name: str) -> Template:
    """A page for paper."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["hours"] = hours
    return environment.get_template(name)
