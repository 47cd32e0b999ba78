"""The benchmarks run: a smoke test with little data. What it measures here says nothing; that it measures does."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_pages_are_measured_counted_and_split() -> None:
    options = ["--teachers", "24", "--large", "48", "--requests", "3", "--rounds", "1"]
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "pages.py"), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode in {0, 1}, run.stderr
    *table, verdict = run.stdout.strip().splitlines()
    assert verdict.startswith("pages: teacher home "), run.stdout + run.stderr
    assert verdict.endswith((" ok", " short"))
    assert "is not there" not in verdict
    rows = [line for line in table if "database" in line]
    assert [line[:16].strip() for line in rows] == [
        "teacher home",
        "point",
        "review",
        "case",
        "officer county",
        "officer people",
    ]
    for line in rows:
        small, large = line[54:66].strip().split("/")
        assert small == large, f"queries grow with rows: {line}"
        assert int(small) <= 12, line
