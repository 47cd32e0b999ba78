"""The compiled catalogues of translations: made from the `.po` files where they are missing or old.

`make` compiles them too; an installation without make gets them at its first start.
"""

import logging
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

log = logging.getLogger("nengli.web")
FOLDER = Path(__file__).parent.parent / "translations"


def compile_catalogues(folder: Path = FOLDER) -> list[str]:
    """Writes each `.mo` that is older than its `.po`; gives the languages. A folder that cannot be written is said."""
    done = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        draft = target.with_suffix(".mo.new")
        try:
            with source.open("rb") as read, draft.open("wb") as write:
                write_mo(write, read_po(read, locale=source.parent.parent.name, charset="utf-8"))
            draft.replace(target)
        except OSError as error:
            log.warning("translations of %s are not compiled: %s", source.parent.parent.name, error)
            continue
        done.append(source.parent.parent.name)
    return done
