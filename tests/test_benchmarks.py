"""The benchmarks run: a smoke test with little data. What it measures here says nothing; that it measures does."""

import http.client
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import create_engine, make_url, text

ROOT = Path(__file__).parent.parent


def measured(name: str, *options: str, seconds: int = 240) -> "subprocess.CompletedProcess[str]":
    """A benchmark's run."""
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_pages_are_measured_counted_and_split() -> None:
    options = ["--teachers", "24", "--large", "48", "--requests", "3", "--rounds", "1"]
    run = measured("pages", *options)
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


def test_the_import_of_a_sign_in_list_is_measured() -> None:
    run = measured("training_import", "--rows", "120")
    assert run.returncode == 0, run.stderr
    assert "added 120" in run.stdout
    assert "once more: added 0" in run.stdout
    assert run.stdout.strip().endswith(" ok")


@pytest.mark.paper
def test_putting_certificates_into_one_file_is_measured() -> None:
    run = measured("certificate_bundle", "--certificates", "3")
    assert run.returncode in {0, 1}, run.stderr  # of three certificates the memory says nothing
    assert "3 certificates in 1 runs" in run.stdout


def test_the_import_of_a_case_package_is_measured() -> None:
    run = measured("case_import", "--items", "80")
    assert run.returncode == 0, run.stderr
    assert "standard: 80 items" in run.stdout
    assert "of others: 80 items" in run.stdout
    assert run.stdout.strip().endswith(" ok")


def test_a_large_training_is_measured() -> None:
    run = measured("training_day", "--people", "60", "--sign-ins", "20", "--seconds", "1")
    assert run.returncode in {0, 1}, run.stderr
    assert ", 60 entries in " in run.stdout


def test_scores_without_strictness_are_measured() -> None:
    run = measured("scoring", "--works", "300", "--rounds", "1")
    assert run.returncode == 0, run.stderr
    assert "plain means" in run.stdout
    assert run.stdout.strip().endswith(" ok")


@pytest.mark.postgresql
def test_the_allotment_of_reviews_is_measured() -> None:
    run = measured(
        "allocation", "--works", "3000", "--large", "9000", "--largest", "18000", "--rounds", "1", "--written", "300"
    )
    assert run.returncode in {0, 1}, run.stderr  # so few say nothing about growth
    lines = run.stdout.strip().splitlines()
    assert "none short, every load 3" in lines[1]
    closing = [line for line in lines if line.startswith("allocation ")]
    assert len(closing) == 6
    assert all(line.endswith((" ok", " short")) for line in closing)
    assert closing[0].endswith(" ok")


@pytest.mark.postgresql
def test_claims_of_reviews_are_measured() -> None:
    run = measured("claims", "--works", "60", "80", "100", "--seconds", "0.2", "--turns", "10")
    assert run.returncode in {0, 1}, run.stderr  # of so few works the figures say nothing
    assert "claims whole act: " in run.stdout


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launch benchmark as a module."""
    folder = ROOT / "benchmarks" / "launch"
    for path in (folder.parent, folder):
        monkeypatch.syspath_prepend(str(path))
    spec = importlib.util.spec_from_file_location("launch_benchmark", folder / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "launch_benchmark", made)
    spec.loader.exec_module(made)
    return made


@pytest.mark.postgresql
def test_prepared_launches_are_taken_and_what_they_cost_is_seen(
    launch: ModuleType, database_url: str, tmp_path: Path
) -> None:
    """Without wrk and the peer, which the benchmark fetches from elsewhere."""
    server = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE benched"))
    url = make_url(database_url).set(database="benched").render_as_string(hide_password=False)
    sender, port = launch.host.Host(), launch.processes.free_port()
    try:
        with sender.keys() as keys:
            launch.seed(url, f"http://127.0.0.1:{keys}/tool", 24)
            environment, log = launch.settings(url, tmp_path), tmp_path / "log"
            with launch.processes.gunicorn(
                "lms_plugin.wsgi:app()", port, environment, log, workers=2, folder=tmp_path
            ) as tree:
                before = tree.cpu_seconds()
                for raw in sender.launches(port, ["PA00001", "PA00002", "PA00001", "PA00001"]):
                    assert sent(port, raw) == 303, log.read_text(encoding="utf-8")
                    assert sent(port, raw) in {303, 400}  # once more: a double click, or used up
                assert sent(port, launch.host.logins(1)[0]) == 302
                assert tree.cpu_seconds() > before
                assert len(tree.pids()) == 1 + 2
                assert 50 < tree.pss_mb(root=False) < tree.pss_mb() < 500
        assert sender.asked["/tool"] == 1
    finally:
        with server.connect() as connection:
            connection.execute(text("DROP DATABASE benched WITH (FORCE)"))
        server.dispose()


def sent(port: int, raw: bytes) -> int:
    """The status that a request written out whole gets."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.connect()
    line.sock.sendall(raw)
    answer = http.client.HTTPResponse(line.sock)
    answer.begin()
    answer.read()
    line.close()
    return answer.status


@pytest.mark.parametrize(("cpu", "kept"), [(1.0, True), (1.4, False)])
def test_every_promise_of_the_launch_has_its_line(
    launch: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path, cpu: float, kept: bool
) -> None:
    def target(name: str, cpu_ms: float) -> object:
        figures = launch.Figures(rate=1000, cpu_ms=cpu_ms, store_ms=0, p50_ms=4, p99_ms=20)
        made = launch.Target(name, 1, launch.processes.Tree(1), None, tmp_path, pss_mb=170, workers_mb=120)
        made.rounds = {"login": [figures], "launch": [figures]}
        return made

    targets = [target("tool", cpu), target("peer", 1.2), target("floor", 0.5)]
    assert launch.verdict(targets, 0) is kept
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("launch: ") and line.endswith((" ok", " short")) for line in lines)
    assert sum(line.endswith(" short") for line in lines) == (0 if kept else 2)


@pytest.mark.postgresql
def test_a_small_ledger_is_filled_asked_appended_to_and_proved(database_url: str) -> None:
    server = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE ledgered"))
    url = make_url(database_url).set(database="ledgered").render_as_string(hide_password=False)
    options = ["--entries", "3000", "--seconds", "1", "--people", "30", "--database", url]
    try:
        run = measured("ledger", *options, seconds=480)
    finally:
        with server.connect() as connection:
            connection.execute(text("DROP DATABASE ledgered WITH (FORCE)"))
        server.dispose()
    assert run.returncode in {0, 1}, run.stderr
    *_told, totals, append, release, seals = run.stdout.strip().splitlines()
    assert totals.startswith("totals of a person: p50 "), run.stdout
    assert append.startswith("append: "), run.stdout
    assert release.startswith("append, as a release does: "), run.stdout
    assert seals.endswith(" 0 faults (all) ok"), run.stdout


def test_the_archive_is_packed_and_taken_in_and_measured() -> None:
    options = ["--teachers", "24", "--entries", "300", "--files", "5", "--large-mb", "2"]
    run = measured("archive", *options)
    assert run.returncode in {0, 1}, run.stderr
    assert "the hash is the same" in run.stdout
    assert "archive: packed with " in run.stdout
    assert run.stdout.strip().endswith((" ok", " short"))
