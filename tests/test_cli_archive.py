"""`nengli archive`: as the operator types it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from lms_plugin import migrate
from lms_plugin.flow import intakes
from lms_plugin.leaving import IntakeState
from lms_plugin.worker import Worker
from tests.serving import settings_of


def nengli(folder: Path, url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """One command of an installation in that folder."""
    return subprocess.run(
        [sys.executable, "-m", "lms_plugin.cli", "archive", *words],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "NENGLI_DATABASE_URL": url,
            "NENGLI_DATA_DIR": str(folder),
            "NENGLI_SECRET_KEY": "x" * 32,
            "NENGLI_PUBLIC_URL": "https://tool.example",
        },
    )


def test_out_looked_through_and_in_again(own_district_url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "district.zip")
    out = nengli(tmp_path / "old", own_district_url, "export", "--tenant", "平安县", file)
    assert out.returncode == 0, out.stderr
    hashed = re.search(r"[0-9a-f]{64}", out.stdout)
    assert hashed is not None
    looked = nengli(tmp_path / "old", own_district_url, "verify", file)
    assert looked.returncode == 0
    assert hashed[0] in looked.stdout
    empty = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    unready = nengli(tmp_path / "new", empty, "import", "--here", file)
    assert unready.returncode == 1
    assert "nengli db upgrade" in unready.stderr
    migrate.upgrade(empty)
    wrong = nengli(tmp_path / "new", empty, "import", "--here", "--hash", "abc", file)
    assert wrong.returncode == 1
    assert "archive.other_hash" in wrong.stderr
    taken = nengli(tmp_path / "new", empty, "import", "--here", "--hash", hashed[0], file)
    assert taken.returncode == 0, taken.stderr
    assert "平安县" in taken.stdout
    assert "archive.already_there" in nengli(tmp_path / "new", empty, "import", "--here", file).stderr
    assert nengli(tmp_path / "old", own_district_url, "export", "--tenant", "没有县", file).returncode == 1


def test_the_worker_is_asked_and_the_address_printed(own_district_url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "district.zip")
    assert nengli(tmp_path / "old", own_district_url, "export", "--tenant", "平安县", file).returncode == 0
    empty = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    migrate.upgrade(empty)
    asked = nengli(tmp_path / "new", empty, "import", file)
    assert asked.returncode == 0, asked.stderr
    code = re.search(r"https://tool\.example/arriving/(\S+)", asked.stdout)
    assert code is not None
    worker = Worker(settings_of(tmp_path / "new", empty))
    assert worker.run_due() == 1
    with worker.sessions() as session:
        assert intakes.page(session, code[1], worker.clock()).intake.state is IntakeState.DONE
    worker.close()
