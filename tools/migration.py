"""Writes a migration: what differs between the models and a database at the newest one. To be read and mended."""

import sys
import tempfile
from pathlib import Path

from lms_plugin import migrate

HOUSE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Needs the sentence that says what the migration does."""
    versions = HOUSE / "migrations" / "versions"
    before = set(versions.glob("*.py"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/now.sqlite3"
        migrate.upgrade(url)
        migrate.make(url, sys.argv[1])
    for path in sorted(set(versions.glob("*.py")) - before):
        print(f"read it and mend it: {path.relative_to(HOUSE)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
