"""`make test`: every check in order, each timed, a list of what was left out at the end, and pytest's own words last.

A browser test that failed while the machine was full is run once more by itself, with all tests of its file; whatever
needed that is listed at the end, as something to mend. No other step is given a second go.

`--quick` leaves out PostgreSQL, the browser and the live Open edX consumers on purpose. NENGLI_NOTHING_LEFT_OUT=1 makes
leaving out an error.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cluster
import firefox
import stock
import system

HOUSE = Path(__file__).resolve().parent.parent
BIN = HOUSE / ".venv" / "bin"
SUMMARY = re.compile(r"^=* ?(\d+ [a-z]+, )*(\d+ [a-z]+|no tests ran) in [\d.]+s.*$")  # pytest's last line
FAILURE = re.compile(r"^(?:FAILED|ERROR) ((tests/[\w/]+\.py)\S*)")  # pytest's list of what failed
FILES_AGAIN = 2  # where more files fail, it is not the machine
TESTS_FAILED = 1  # pytest's exit code where all was run
NO_TESTS = 5  # pytest's exit code for "nothing was collected"


@dataclass
class Run:
    """What happened in this run of all checks."""

    steps: list[tuple[str, float, bool]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    summaries: list[tuple[str, str]] = field(default_factory=list)
    shaky: list[str] = field(default_factory=list)

    def step(self, name: str, command: list[str], again: list[str] | None = None, **environment: str) -> bool:
        """Runs one check and shows its output when it fails (tests show theirs as they go). `again` is the command that
        the files of the few tests that failed are given to for a second go."""
        print(f"── {name}", flush=True)
        began = time.monotonic()
        code, lines = self._run(name, command, environment)
        failures = [found for line in lines if (found := FAILURE.match(line))]
        files = sorted({found[2] for found in failures})
        if again and code == TESTS_FAILED and 0 < len(files) <= FILES_AGAIN:
            print(f"── {name}: 再来一次 / a second go", flush=True)
            code, _ = self._run(name, [*again, *files], environment)
            self.shaky += [found[1] for found in failures] if code == 0 else []
        self.steps.append((name, time.monotonic() - began, code == 0))
        return code == 0

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> tuple[int, list[str]]:
        """The command's exit code, and what it said."""
        tests = command[0] == "pytest"
        full = [str(BIN / command[0]), *command[1:]]
        lines = []
        with subprocess.Popen(
            full,
            cwd=HOUSE,
            env={**surroundings(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line.rstrip("\n"))
                    if tests:
                        print(line, end="", flush=True)
                code = process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(timeout=30)
        if code and not tests:
            print("\n".join(lines))
        if code == NO_TESTS and tests:
            print("no test was found: that counts as a failure")
        if tests:
            self.summaries += [(name, line) for line in lines if SUMMARY.match(line)][-1:]
            self.left_out += [f"{name}: {line[2:]}" for line in lines if line.startswith("∅ ")]
        return code, lines

    def close(self, strict: bool) -> int:
        """Prints the closing list. 1 when a check failed, or when something was left out and may not be."""
        print("\n── 结果 / result")
        for name, seconds, passed in self.steps:
            print(f"  {'ok    ' if passed else 'FAILED'} {seconds:7.1f} s  {name}")
        print(f"         {sum(seconds for _, seconds, _ in self.steps):7.1f} s  合计 / in all")
        if self.left_out:
            print("── 未运行的测试及原因 / tests left out, and why")
            for line in self.left_out:
                print(f"  ∅ {line}")
        else:
            print("── 没有遗漏任何测试 / nothing was left out")
        if self.shaky:
            print("── 第二次才通过，需要修 / passed only at the second go: to be mended")
            for line in self.shaky:
                print(f"  ! {line}")
        failed = not all(passed for _, _, passed in self.steps)
        if self.left_out and strict:
            print("NENGLI_NOTHING_LEFT_OUT=1: leaving out is an error")
            failed = True
        print(f"── {'没有通过 / FAILED' if failed else '全部通过 / all passed'}")
        for name, line in self.summaries:
            print(f"{name}:\n{line}")
        return int(failed)


def surroundings() -> dict[str, str]:
    """The environment of a check: ours, without the settings of a Nengli that this person may be running. Bytecode is
    kept: every test process and every server that a test starts would compile the whole house again."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NENGLI_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    ours = {name: value for name, value in os.environ.items() if name.startswith(("NENGLI_TEST_", "NENGLI_NOTHING_"))}
    return {**kept, **ours, "PYTHONUNBUFFERED": "1"}


def main() -> int:
    """Runs the checks that the arguments ask for."""
    quick = "--quick" in sys.argv[1:]
    strict = os.environ.get("NENGLI_NOTHING_LEFT_OUT") == "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is taken down then too
    run = Run()
    run.step("格式 / format", ["ruff", "format", "--check", "--quiet", "."])
    run.step("规范 / lint", ["ruff", "check", "--quiet", "."])
    run.step("类型 / types", ["mypy", "--no-error-summary"])
    run.step("边界 / boundaries", ["lint-imports"])
    pytest = ["pytest", "--quiet", "--no-header", "--tb=short", "--durations=12", "--durations-min=3"]
    cores = min(os.cpu_count() or 2, 4)
    # Tests also wait, so there are more workers than cores: those with browsers wait half of the time. A worker begins
    # with tests that stand together (what a file sets up is set up once) and in the end takes over from slower ones.
    parallel = [*pytest, "--dist", "worksteal", "--numprocesses", str(cores + 1)]
    stories = [*pytest, "--dist", "loadscope", "--no-loadscope-reorder", "--numprocesses"]
    sqlite = "测试 SQLite / tests on SQLite"
    run.step(sqlite, [*parallel, "-m", "not browser and not postgresql and not stock"], NENGLI_TEST_DATABASE_URL="")
    if quick:
        return run.close(strict=False)

    absent = [stock.title_of(one) for one in stock.environments() if stock.python_of(one) is None]
    if absent:
        print(f"── 安装 / installing: {', '.join(absent)}", flush=True)
    run.left_out += stock.prepare()
    consumers = "真实的 Open edX / the published Open edX consumers"
    # Each generation is a host with a story of its own: it stays with one worker.
    marks = ["-m", "stock and not browser", "tests/lti", "tests/xblock"]
    run.step(consumers, [*stories, str(cores), *marks], NENGLI_TEST_DATABASE_URL="")

    reason = ""
    needs = system.missing()
    if needs:
        print(f"── 安装 / installing: {', '.join(need.name for need in needs)}", flush=True)
        reason = system.install(needs)
    run.left_out += firefox.prepare()
    why = f" ({reason})" if reason else ""
    still = {need.name for need in system.missing()}
    for name in sorted(still & {"a Chinese font"}):
        run.left_out.append(f"{name} is missing, pages were drawn without it{why}")
    with ExitStack() as stack:
        url = ""
        try:
            url = stack.enter_context(cluster.cluster())
        except FileNotFoundError:
            run.left_out.append(f"every test on PostgreSQL: it is not installed{why}")
        except cluster.ClusterFailed as failure:
            run.left_out.append(f"every test on PostgreSQL: its server did not start: {failure}")
        if url:
            postgresql = "测试 PostgreSQL / tests on PostgreSQL"
            marks = ["-m", "not browser and not stock", "--only-database"]
            run.step(postgresql, [*parallel, *marks], NENGLI_TEST_DATABASE_URL=url)
        journeys = "浏览器 / browser journeys"
        if absent_browser := system.without_browser():
            run.left_out.append(f"every browser journey: {absent_browser}{why}")
        else:
            if not url:
                run.left_out.append("the browser journeys on PostgreSQL: they ran on SQLite instead")
            extra = {"NENGLI_TEST_DATABASE_URL": url, "NENGLI_TEST_CHROMIUM": str(system.browser())}
            # What stays with one worker: tests/conftest.py.
            marks = ["-m", "browser"]
            run.step(journeys, [*stories, str(cores + 2), *marks], again=[*pytest, *marks], **extra)
    return run.close(strict)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\n已中止 / stopped", file=sys.stderr)
        sys.exit(130)
