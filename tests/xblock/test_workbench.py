"""The block's own tests, in the workbench of XBlock: on our Python beside the consumer of today, and on the newest. And
the workbench itself in a browser."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import stock
from playwright.sync_api import expect, sync_playwright

from tests.lti.conformance.browsers import ARGUMENTS
from tests.ports import free_port
from tests.xblock.installed import SOURCE, installed
from tests.xblock.pictures import picture

pytestmark = pytest.mark.stock
SETTINGS = {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "EXCLUDE_SAMPLE_XBLOCKS": "yes"}
SETTINGS["DJANGO_SETTINGS_MODULE"] = "workbench.settings"
SERVE = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
call_command("runserver", sys.argv[1], use_reloader=False, skip_checks=True)
"""


def environment(folder: Path, database: str) -> dict[str, str]:
    """Of a process in which the workbench finds the block."""
    known = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "PYTHONPATH": str(installed())}
    tables = f'{{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{database}"}}}}'
    return {**known, **SETTINGS, "WORKBENCH_DATABASES": tables}


@contextmanager
def workbench(generation: str, folder: Path) -> Iterator[str]:
    """The workbench as its own server; gives its address."""
    python, port = stock.python_of(generation), free_port()
    (folder / "var").mkdir()  # its log
    env = environment(folder, str(folder / "workbench.db"))
    with (folder / "workbench.log").open("wb") as log:
        served = [str(python), "-c", SERVE, f"127.0.0.1:{port}"]
        process = subprocess.Popen(served, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert process.poll() is None, (folder / "workbench.log").read_text(encoding="utf-8")
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/userlist/", timeout=5).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.browser
def test_an_author_works_in_the_workbench_itself(chromium: str, tmp_path: Path) -> None:
    """xblock-sdk's pages, its scripts, its handlers: the author reads what is missing and saves the form, a learner
    sees the card."""
    if stock.python_of(stock.GENERATIONS[0]) is None:
        pytest.skip(f"{stock.title_of(stock.GENERATIONS[0])} is not installed: python tools/stock.py")
    with workbench(stock.GENERATIONS[0], tmp_path) as root, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("pageerror", lambda error: pytest.fail(f"script: {error}"))
        page.goto(f"{root}/scenario/nengli.0/studio_view/")
        page.get_by_label("Title").fill("School-based training")
        page.get_by_label("Points in the gradebook").fill("20")
        page.get_by_role("link", name="Save").click()
        page.wait_for_function("document.querySelector('.nengli-studio').dataset.saved === '1'")
        page.goto(f"{root}/scenario/nengli.0/author_view/")
        expect(page.get_by_role("alert")).to_contain_text("The LTI consumer is not installed on this site")
        expect(page.locator(".nengli")).to_contain_text("School-based training")
        expect(page.locator(".nengli")).to_contain_text("20")
        picture(page, "workbench", 440)
        page.goto(f"{root}/scenario/nengli.0/")
        expect(page.locator(".nengli")).to_contain_text("Sign in to the course to open this task.")
        browser.close()


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
        env=environment(tmp_path, ":memory:"),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
