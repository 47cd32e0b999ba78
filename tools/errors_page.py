"""Writes docs/errors.md from the sentences that pages show: what a code means, for whoever reads a log or a ticket."""

import json
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
MESSAGES = HOUSE / "lms_plugin" / "translations" / "messages"
PAGE = HOUSE / "docs" / "errors.md"
HEAD = """# 错误代码 / Error codes

由 `make fix` 根据 `lms_plugin/translations/messages/*.json` 生成，请勿手工修改。
Written by `make fix` from `lms_plugin/translations/messages/*.json`; do not edit by hand.

页面只显示句子；代码出现在日志、启动记录（launch log）和回传任务里。花括号中的词由当时的情况填入。
Pages show the sentence; the code stands in logs, the launch log and delivery jobs. Words in braces are filled in.
"""


def messages(folder: Path = MESSAGES) -> dict[str, dict[str, str]]:
    """All codes with their zh and en sentence. Raises ValueError for a code that two files define."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.json")):
        for code, texts in json.loads(path.read_text(encoding="utf-8")).items():
            if code in found:
                raise ValueError(f"{code} is defined twice, the second time in {path.name}")
            found[code] = texts
    return found


def cell(text: str) -> str:
    """A sentence that cannot break out of its table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def page(found: dict[str, dict[str, str]]) -> str:
    """The whole page: one table for each part, in alphabetical order."""
    lines = [HEAD]
    for part in sorted({code.split(".")[0] for code in found}):
        lines += [f"## {part}", "", "| 代码 code | 中文 | English |", "|---|---|---|"]
        for code, texts in sorted(found.items()):
            if code.split(".")[0] == part:
                lines.append(f"| `{code}` | {cell(texts['zh'])} | {cell(texts['en'])} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Rewrites the page when it differs."""
    text = page(messages())
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(HOUSE)} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
