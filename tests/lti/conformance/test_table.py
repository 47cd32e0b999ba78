"""docs/conformance.md says what this suite does: its rows and words are those of the tests."""

import subprocess
import sys

import conformance


def test_the_table_is_of_this_suite() -> None:
    looked = subprocess.run(
        [sys.executable, str(conformance.HOUSE / "tools" / "conformance.py"), "--look"],
        cwd=conformance.HOUSE,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert looked.returncode == 0, f"run tools/conformance.py\n{looked.stdout[-2000:]}{looked.stderr[-2000:]}"
    assert "✗" not in conformance.PAGE.read_text(encoding="utf-8")
