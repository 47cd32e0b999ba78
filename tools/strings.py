"""Collects the sentences of pages and code into the English catalogue: what is new stands there empty, to be filled.

Chinese is the source language, so a sentence is its own key and there is no Chinese catalogue. Where English goes by a
number, the words for one and for others stand in the sentence: `%(n)s {n:work waits|works wait}` (`web/formats.py`).
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

HOUSE = Path(__file__).resolve().parent.parent
ENGLISH = HOUSE / "lms_plugin" / "translations" / "en" / "LC_MESSAGES" / "messages.po"
METHODS = [("xblock/**", "ignore"), ("**.py", "python"), ("**.html", "jinja2")]  # the block: tools/block_strings.py
KEYWORDS = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "N_": None,
}


def collect() -> Catalog:
    """Every sentence that the product's code and templates mark for translation."""
    found = Catalog(project="nengli", charset="utf-8", fuzzy=False)
    for name, line, message, comments, context in extract_from_dir(
        HOUSE / "lms_plugin", METHODS, keywords=KEYWORDS, comment_tags=("L10N:",)
    ):
        del line  # line numbers would make every edit of a page an edit of the catalogue
        found.add(message, locations=[(f"lms_plugin/{name}", 0)], auto_comments=comments, context=context)
    return found


def english() -> Catalog:
    """The English catalogue as it stands; empty when there is none."""
    if not ENGLISH.exists():
        return Catalog(locale="en", project="nengli", charset="utf-8", fuzzy=False)
    with ENGLISH.open("rb") as file:
        return read_po(file, locale="en", charset="utf-8")


def untranslated() -> list[str]:
    """The sentences without English, in the order of the catalogue."""
    catalogue = english()
    return [
        str(message.id) for message in collect() if message.id and not has_text(catalogue, message.id, message.context)
    ]


def has_text(catalogue: Catalog, key: str | tuple[str, ...], context: str | None) -> bool:
    """Is there English for that sentence, and is it no mere guess (fuzzy)?"""
    found = catalogue.get(key if isinstance(key, str) else key[0], context)
    if found is None or found.fuzzy:
        return False
    texts = (found.string,) if isinstance(found.string, str) else tuple(found.string)
    return all(texts) and bool(texts)


def left_over() -> list[str]:
    """English for sentences that no page says any more."""
    wanted = collect()
    return [str(message.id) for message in english() if message.id and wanted.get(message.id, message.context) is None]


def main() -> int:
    """Rewrites the catalogue: what is new is added empty, what is gone is dropped, nothing is guessed."""
    catalogue = english()
    catalogue.update(collect(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    catalogue.header_comment = "# English for the pages' Chinese sentences. `make strings` adds what is missing."
    # A header that names nobody and does not change from run to run.
    catalogue.project, catalogue.version = "nengli", ""
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "-"
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 11, 1, tzinfo=UTC)
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    with ENGLISH.open("wb") as file:
        write_po(
            file, catalogue, width=0, sort_output=True, omit_header=False, ignore_obsolete=True, include_lineno=False
        )
    missing = untranslated()
    print(f"{len(list(collect()))} sentences, {len(missing)} without English")
    for sentence in missing[:20]:
        print(f"  {sentence[:100]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
