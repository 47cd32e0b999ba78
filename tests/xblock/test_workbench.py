"""The block's own tests, in the workbench of XBlock: on our Python beside the consumer of today, and on the newest."""

import os
import subprocess
from pathlib import Path

import pytest
import stock

from tests.xblock.installed import SOURCE, installed_for

pytestmark = pytest.mark.stock


@pytest.mark.parametrize("generation", [stock.GENERATIONS[0], *stock.environments()[len(stock.GENERATIONS) :]])
def test_its_own_tests_pass(generation: str, tmp_path: Path) -> None:
    """Installed from its wheel, so that what the wheel forgot is missed here."""
    python = stock.python_of(generation)
    if python is None:
        pytest.skip(f"{stock.title_of(generation)} is not installed: python tools/stock.py")
    alone = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(SOURCE / "tests")]
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "--tb=short", "--show-capture=no", "-W", "ignore", *alone, "."],
        cwd=SOURCE / "tests",
        env={
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(installed_for(generation, tmp_path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "workbench.settings",
            "EXCLUDE_SAMPLE_XBLOCKS": "yes",
            "WORKBENCH_DATABASES": '{"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}',
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
