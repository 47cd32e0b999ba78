"""`make test`: what fails is a failure; a browser test is given a second go, and everybody hears of it."""

import sys
from pathlib import Path

import check
import pytest

PLAIN = ["pytest", "--quiet", "--no-header", "--tb=short", "-p", "no:cacheprovider"]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house with tests of its own."""
    (tmp_path / "tests").mkdir()
    monkeypatch.setattr(check, "HOUSE", tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(check, "BIN", Path(sys.executable).parent)
    return tmp_path


def holds(house: Path, name: str, body: str) -> None:
    (house / "tests" / f"test_{name}.py").write_text(f"from pathlib import Path\n\n\ndef test_{name}():\n    {body}\n")


def failing_at_first(house: Path, name: str) -> None:
    """A file whose test fails the first time and passes after that."""
    holds(house, name, f"been = Path('{name}'); before = been.exists(); been.touch(); assert before")


def test_a_second_go_passes_and_is_told(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing_at_first(house, "shaky")
    holds(house, "sound", "assert True")
    run = check.Run()
    assert run.step("browser", PLAIN, again=PLAIN)
    assert run.close(strict=True) == 0
    said = capsys.readouterr().out
    assert "  ! tests/test_shaky.py::test_shaky" in said
    assert "1 failed, 1 passed" in said


def test_what_fails_twice_has_failed(house: Path) -> None:
    holds(house, "broken", "assert False")
    run = check.Run()
    assert not run.step("browser", PLAIN, again=PLAIN)
    assert run.close(strict=False) == 1
    assert run.shaky == []


def test_no_second_go_where_much_fails_or_none_is_given(house: Path) -> None:
    failing_at_first(house, "one")
    assert not check.Run().step("SQLite", PLAIN)
    for name in ("two", "three", "four"):
        failing_at_first(house, name)
    run = check.Run()
    assert not run.step("browser", PLAIN, again=PLAIN)
    assert run.close(strict=False) == 1


def test_what_was_compiled_once_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in check.surroundings()
