"""The environments of the live Open edX consumers: made in the cache, said when not, never part of ours."""

import ast
import os
import re
import sys
import time
from pathlib import Path

import pytest
import stock

HOUSE = Path(__file__).resolve().parent.parent
DAYS = 86400


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_nothing_of_ours_imports_the_consumer() -> None:
    """Its licence is AGPL: it runs in a process of its own, and only files of that process name it in an import. So is
    that of the Open edX block, which is a distribution of its own (tests/xblock)."""
    guilty = []
    for path in sorted(HOUSE.rglob("*.py")):
        name = path.relative_to(HOUSE).as_posix()
        if name.startswith((".", "build/", "dist/", "var/", "tests/hosts/stock/", "lms_plugin/xblock/")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            guilty += [name for one in names if one.partition(".")[0] == "lti_consumer"]
    assert not guilty, f"talk to it over HTTP, from a process without it: {guilty}"
    ours = (HOUSE / "constraints.txt").read_text(encoding="utf-8") + (HOUSE / "setup.cfg").read_text(encoding="utf-8")
    assert "lti-consumer" not in ours


@pytest.mark.parametrize("pins", [stock.PINS, stock.NEWEST_PINS], ids=lambda pins: pins.name)
def test_every_version_is_pinned(pins: Path) -> None:
    lines = [line for line in pins.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+(_[a-z]+)?==[0-9][0-9a-z.]*", line) for line in lines), lines
    assert lines == sorted(lines)
    needed = stock.BESIDE if pins == stock.PINS else (*stock.BESIDE[1:], "xblock")
    assert {f"{name}==" for name in needed} <= {line.partition("==")[0] + "==" for line in lines}


def test_what_could_not_be_made_is_said_in_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = cache / "python"
    broken.write_text("#!/bin/sh\necho trying\necho no way there\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setattr(stock, "environments", lambda: stock.GENERATIONS)
    said = stock.prepare(seconds=20)
    assert said == [f"lti-consumer-xblock {one} could not be installed: no way there" for one in stock.GENERATIONS]
    assert [stock.python_of(one) for one in stock.GENERATIONS] == [None, None]


def test_a_command_that_hangs_is_ended() -> None:
    assert stock.run([sys.executable, "-c", "pass"], 20) == ""
    assert stock.run([sys.executable, "-c", "import time; time.sleep(60)"], 1) == "not done within 1 s"


def test_other_pins_are_another_environment_and_old_ones_go(cache: Path) -> None:
    """An environment that another checkout used today stays; one of last week, and half of one, do not."""
    folder = stock.folder_of("11.4.4")
    assert folder.is_relative_to(cache)
    today, last_week, half = (folder.parent / f"11.4.4-{name}" for name in ("today", "last-week", "half"))
    for one in (today, last_week, half, folder):
        one.mkdir(parents=True)
    for one, days in ((today, 0), (last_week, 7)):
        (one / "installed").touch()
        os.utime(one / "installed", (time.time() - days * DAYS,) * 2)
    stock.tidy(folder, "11.4.4")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["11.4.4-today"]
