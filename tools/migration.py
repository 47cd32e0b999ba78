"""Writes a migration: the difference between the models and a database at the newest migration. To be read and mended."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

HOUSE = Path(__file__).resolve().parent.parent


def config(url: str) -> Config:
    """Alembic's settings in code: in setup.cfg its `%(here)s` would break the installation (ADR 0004)."""
    made = Config()
    made.set_main_option("script_location", str(HOUSE / "migrations"))
    made.set_main_option("sqlalchemy.url", url)
    made.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    return made


def main() -> int:
    """Needs the sentence that says what the migration does."""
    with tempfile.TemporaryDirectory() as folder:
        settings = config(f"sqlite:///{folder}/now.sqlite3")
        command.upgrade(settings, "head")
        made = command.revision(settings, message=sys.argv[1], autogenerate=True)
    for script in made if isinstance(made, list) else [made]:
        if script is not None:
            print(f"read it and mend it: {Path(script.path).relative_to(HOUSE)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
