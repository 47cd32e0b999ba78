"""The front of media: all that it offers is there, and nothing is loaded before it is used."""

import subprocess
import sys

from lms_plugin import media

LARGE = (
    *("PIL", "lxml", "pi_heif", "pikepdf", "pypdfium2", "bleach", "alembic", "xlsxwriter", "python_calamine", "numpy"),
    *("weasyprint", "fontTools", "segno"),
)


def test_everything_that_it_offers_is_there() -> None:
    assert all(getattr(media, name) is not None for name in media.__all__)
    assert not hasattr(media, "something_else")


def test_a_web_process_begins_without_what_no_launch_needs() -> None:
    """Each worker's memory: benchmarks/launch."""
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, lms_plugin.wsgi; print([one for one in {LARGE} if one in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
