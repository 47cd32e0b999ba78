"""Writes docs/conformance.md: runs the conformance suite and lists every row with what was tried and how it ended.

.venv/bin/python tools/conformance.py    (--look: says by its exit code whether the page is still true to the tests)
"""

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

HOUSE = Path(__file__).resolve().parent.parent
SUITE = HOUSE / "tests" / "lti" / "conformance"
PAGE = HOUSE / "docs" / "conformance.md"
PARTS = {
    "L": "登录发起 / Login initiation",
    "B": "必须拒绝的启动 / Launches to refuse",
    "G": "必须接受的启动 / Launches to accept",
    "D": "内容选择 / Deep Linking 2.0",
    "T": "访问令牌 / Access tokens",
    "A": "成绩 / Assignment and Grade Services 2.0",
    "N": "名单 / Names and Roles 2.0",
    "C": "小组 / Course Groups 1.0",
    "P": "浏览器存储 / Platform storage and cookies",
    "R": "动态登记 / Dynamic Registration 1.0",
    "S": "查看作业 / Submission review",
    "W": "平台通知 / Platform notices",
    "X": "附件处理：不做 / Asset processing: not this product",
    "V": "数据隐私 / Data privacy",
}
HEAD = """# LTI 一致性 / Conformance

由 `tools/conformance.py` 根据 `tests/lti/conformance/` 的运行结果生成，请勿手工修改。
Written by `tools/conformance.py` from a run of `tests/lti/conformance/`; do not edit by hand.

每一行都通过真实的 HTTP 请求检查一个正在运行的工具；凡是“拒绝”，都要看到 4xx 页面、进入记录里的一行、页面上的编号，
并且没有写入别的任何数据。Every row is tried over HTTP against a running tool; a refusal is a 4xx page with the
reference of its row in the launch log, and nothing else written.

此外，已发布的 Open edX 组件（两代）作为真实平台参加测试。Beside this table the published Open edX consumer, two
generations of it, plays the platform in `tests/lti/test_stock_consumer.py`; see
[tests/hosts/stock](../tests/hosts/stock/README.md).

**没有做的**：附件处理（X）不是这个产品的事：材料在本工具里交，有版本、评审和校验值；交到平台作业里的附件是另一份，
学时不能以它为据，也不做查重和 AI 判定。登记时不声明这些消息，这样的启动按名字拒绝，这样的通知收下但什么也不做。
数据隐私启动本身不删除任何人（V02）：学时要能查证；清除由区县管理员同意、运维执行
（`nengli person erase`），页面写明。测试过的 Moodle 4.5 和 Open edX
不发平台通知，也没有隐私启动；W 行按 Canvas 的文档测试。
**Not offered**: asset processing (X) is not this product: work is handed in here, with versions, reviews and hashes; an
attachment of a host's assignment would be a second one on which no hours can rest, and nothing here judges by
similarity or AI. None of these messages is claimed when the tool registers, such launches are refused by name, such
notices are taken and do nothing. A data privacy launch itself erases nobody (V02): hours must stay provable; with an
officer's consent the operator does it (`nengli person erase`), and the page says so.
Moodle 4.5 and Open edX send neither notices nor privacy launches; rows W are tried as Canvas documents them.

匿名启动（B38，没有 sub）一般拒绝；登记里允许时，只能看课程要做什么，不记任何人。
旧版 LTI 1.1 的账号声明（G22）不影响启动，也不据此合并人员。
Launches without `sub` (B38) are refused; where a registration allows it they show what a course asks for,
and make nobody.
An account named by LTI 1.1 (G22) is let through, and merges nobody.
"""


def rows_of(name: str) -> list[str]:
    """The rows that a test's name says: test_L01_L02_get → L01, L02."""
    return re.findall(r"(?<=_)([A-Z]\d\d)(?=_|$)", name.partition("[")[0])


class Notes:
    """What the run says of each row: the tests' first lines and outcomes."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, bool]] = defaultdict(dict)
        self.tests: dict[str, tuple[list[str], str]] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Reads what each test is about: its docstring, or the words of its own row."""
        for item in items:
            given = item.callspec.params if hasattr(item, "callspec") else {}
            rows = [given["row"]] if "row" in given else rows_of(item.name)
            words = given.get("says") or " ".join((item.function.__doc__ or "").split())
            self.tests[item.nodeid] = (rows, words)
            for row in rows:
                self.said[row].setdefault(words, True)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Notes how one test ended."""
        rows, words = self.tests[report.nodeid]
        for row in rows:
            self.said[row][words] &= report.passed


def table(said: dict[str, dict[str, bool]]) -> str:
    """The page."""
    lines = [HEAD]
    for part, title in PARTS.items():
        rows = sorted(row for row in said if row.startswith(part))
        if not rows:
            continue
        lines += [f"## {title}", "", "| | 试了什么 tried | |", "|---|---|---|"]
        lines += [
            f"| {row} | {' '.join(words).replace('|', chr(92) + '|')} | {'✓' if all(words.values()) else '✗'} |"
            for row in rows
            for words in [said[row]]
        ]
        lines.append("")
    return "\n".join(lines)


def main(only_look: bool) -> int:
    """Runs the suite and writes the page; the suite's exit code. `only_look`: nothing is run or written, and the code
    is 1 where the page says other words than the tests."""
    notes = Notes()
    rows = ["-q", "--no-header", "-p", "no:cacheprovider", str(SUITE), "--ignore", str(SUITE / "test_table.py")]
    if only_look:
        code = pytest.main([*rows, "--collect-only", "-qq"], plugins=[notes])
        return int(code) or int(PAGE.read_text(encoding="utf-8") != table(notes.said))
    code = pytest.main(rows, plugins=[notes])
    PAGE.write_text(table(notes.said), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main("--look" in sys.argv))
