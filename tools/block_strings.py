"""The Chinese of the Open edX block: collects its English sentences into the catalogue, compiles it (`make strings`).

Open edX looks for `translations/<language>/LC_MESSAGES/text.mo` beside the block, under the name that a site uses for
Chinese: both names get the same catalogue. The compiled ones are kept in the repository, since the LMS installs them.
"""

import ast
import io
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HOUSE = Path(__file__).resolve().parent.parent
BLOCK = HOUSE / "lms_plugin" / "xblock" / "nengli_xblock"
FIXED = datetime(2026, 11, 23, tzinfo=UTC)  # a date of today would be a change every day
LANGUAGES = ("zh_CN", "zh_Hans")
IN_TEMPLATE = re.compile(r'{% trans "([^"]+)" %}')


def catalogue_of(language: str, kind: str = "po") -> Path:
    """Where a language's catalogue is."""
    return BLOCK / "translations" / language / "LC_MESSAGES" / f"text.{kind}"


def sentences() -> list[str]:
    """Every sentence of the block, in English, each once."""
    found: dict[str, None] = {}
    for page in sorted(BLOCK.glob("templates/*.html")):
        found.update(dict.fromkeys(IN_TEMPLATE.findall(page.read_text(encoding="utf-8"))))
    for module in sorted(BLOCK.glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            is_marked = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
            if is_marked and isinstance(node.args[0], ast.Constant):
                found[str(node.args[0].value)] = None
    return list(found)


def made(known: Catalog) -> Catalog:
    """The catalogue with these sentences and no others."""
    fresh = Catalog(
        locale="zh_Hans", project="nengli-xblock", header_comment="# The Nengli XBlock in Chinese.", fuzzy=False
    )
    fresh.creation_date = fresh.revision_date = FIXED
    for one in sentences():
        held = known.get(one)
        fresh.add(one, string=held.string if held is not None else "")
    return fresh


def compiled(catalogue: Catalog) -> bytes:
    """As the LMS reads it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def read() -> Catalog:
    """The catalogue as it is kept."""
    path = catalogue_of(LANGUAGES[0])
    if not path.exists():
        return Catalog(locale="zh_Hans")
    with path.open("rb") as kept:
        return read_po(kept, locale="zh_Hans")


def main() -> int:
    """Writes the catalogues; 1 where a sentence has no Chinese yet."""
    fresh = made(read())
    for language in LANGUAGES:
        path = catalogue_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            write_po(out, fresh, width=120, omit_header=False, sort_output=False)
        catalogue_of(language, "mo").write_bytes(compiled(fresh))
    empty = [str(one.id) for one in fresh if one.id and not one.string]
    for one in empty:
        print(f"no Chinese yet: {one}", file=sys.stderr)
    return int(bool(empty))


if __name__ == "__main__":
    sys.exit(main())
