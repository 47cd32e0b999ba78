"""What the pages of an archive are made of: whole pages without a script, tables, links, words in both languages."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from competencies import CreditEntry
from lms_plugin import parcel

_STYLE = (
    "body{font:16px/1.6 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;"
    "width:100%}td,th{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:"
    "break-word;min-width:4em}code,pre{overflow-wrap:anywhere;white-space:pre-wrap}.text{white-space:pre-wrap}.wide{"
    "overflow-x:auto}"
)
_PAGE = Markup(
    '<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{style}</style>'
    "</head><body>{back}<h1>{title}</h1>\n{body}</body></html>\n"
)
LEVELS = {0: ("fail", "不合格 / not passed"), 1: ("pass", "合格 / passed"), 2: ("excellent", "优秀 / excellent")}
LevelWords = Mapping[str, Mapping[str, str]] | None
KINDS = {
    "practice": "实践应用 / practice",
    "online": "网络研修 / online",
    "offline": "集中培训 / offline",
    "school_based": "校本研修 / school-based",
}
_REASONS = {
    "award": "能力点认定 / award",
    "rule": "规则修改后补记 / rules changed",
    "import": "导入 / imported",
    "training": "培训 / training",
    "reversal": "冲销 / reversed",
    "merge": "合并重复的人 / persons merged",
    "unmerge": "撤销合并 / merge undone",
    "transfer_in": "转入 / moved in",
    "transfer_out": "转出 / moved out",
    "transfer_back": "没有转成，记回 / came back",
}


def basis(entry: CreditEntry | Any) -> str:
    """What an entry of the ledger rests on. `entry`: its columns `reason`, `source`, `reverses_id`."""
    words = [_REASONS.get(entry.reason, entry.reason)]
    if entry.reverses_id is not None:
        words.append(f"第 {entry.reverses_id} 条 / of no. {entry.reverses_id}")
    return "：".join([" ".join(words), *([entry.source] if entry.source else [])])


def hours(hundredths: int) -> str:
    """Hundredths of one 学时 as people write them."""
    return f"{hundredths / 100:.2f}"


def page(title: str, body: Markup, back: str) -> str:
    """A whole page. `back`: where its way back leads, "" for none."""
    way = Markup('<p><a href="{}">← 返回 / Back</a></p>').format(back) if back else ""
    return str(_PAGE.format(title=title, style=_STYLE, back=way, body=body))


def part(title: str, heads: Sequence[str], lines: Sequence[Markup]) -> Markup:
    """A table under its heading; nothing where it has no lines."""
    if not lines:
        return Markup("")
    return Markup("<h2>{}</h2>{}").format(title, table(heads, lines))


def table(heads: Sequence[str], lines: Sequence[Markup]) -> Markup:
    """A table; on a narrow screen it is moved by itself."""
    head = line(*heads, is_head=True)
    return Markup('<div class="wide" tabindex="0"><table>{}</table></div>').format(Markup("\n").join([head, *lines]))


def line(*values: Any, is_head: bool = False) -> Markup:
    """A line of a table."""
    cell = Markup('<th scope="col">{}</th>') if is_head else Markup("<td>{}</td>")
    return Markup("<tr>{}</tr>").format(Markup("").join(cell.format(value) for value in values))


def listed(items: Sequence[Markup]) -> Markup:
    """A list."""
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(one) for one in items))


def link(target: str, words: Any) -> Markup:
    """A link within the archive."""
    return Markup('<a href="{}">{}</a>').format(target, words)


def file_link(sha256: str, extension: str, name: str) -> Markup:
    """A file, from a page in `pages/`."""
    return link(f"../{parcel.file_name(sha256, extension)}", name)


def words_of(texts: dict[str, str]) -> str:
    """The Chinese of a text in several languages, or the first there is."""
    return texts.get("zh") or next(iter(texts.values()), "")


def level(number: int | None, own: LevelWords) -> str:
    """A level in both languages, in the words of its framework where it has words of its own; "" for none."""
    if number is None:
        return ""
    code, usual = LEVELS.get(number, ("", str(number)))
    said = (own or {}).get(code, {})
    return " / ".join(said[language] for language in ("zh", "en") if said.get(language)) or usual
