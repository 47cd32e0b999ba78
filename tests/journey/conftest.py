"""The whole product as people meet it: practice LMS, tool and worker as processes, Chromium with third-party cookies
blocked (as Debian's build does from the start; `test_cookies_are_blocked` checks that it still does)."""

import io
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, sync_playwright

from lms_plugin import demo
from tests.ports import free_port

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 360, "height": 740}
LAPTOP = {"width": 1280, "height": 800}
SCREENSHOTS = Path(__file__).parent.parent.parent / "docs" / "screenshots"


def keep_picture(page: Page, path: Path) -> None:
    """A picture of what the page shows, small enough for a repository: 128 colours tell everything our pages do."""
    whole = Image.open(io.BytesIO(page.screenshot(scale="css"))).convert("RGB")
    whole.quantize(128).save(path, optimize=True)


@dataclass
class Stage:
    """The running product and a browser."""

    port: int
    folder: Path
    settings: dict[str, str]
    browser: Browser
    application: str = "lms_plugin.wsgi:app()"
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    @property
    def lms(self) -> str:
        return f"http://lms.localhost:{self.port + 100}"

    @property
    def tool(self) -> str:
        return f"http://tool.localhost:{self.port}"

    def start(self, name: str) -> None:
        """Starts one of the three processes."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = demo.commands(self.port, self.folder)[name]
            self.running[name] = subprocess.Popen(
                [self.application if part == "lms_plugin.wsgi:app()" else part for part in command],
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stops one of the three processes that we started."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL if kill else signal.SIGINT)
        process.wait(timeout=15)

    def person(self, key: str, *, viewport: dict[str, int] = LAPTOP, course: str = "1", full: bool = False) -> Page:
        """A browser in which that person of the practice LMS is signed in, with the course's activity open."""
        context = self.contexts.get(key)
        if context is None:
            context = self.browser.new_context(viewport=viewport, locale="zh-CN", accept_downloads=True)
            context.set_default_timeout(15_000)
            self.contexts[key] = context
            page = context.new_page()
            page.goto(f"{self.lms}/")
            page.locator(f"form[action='/signin/{key}'] button").click()
        page = context.pages[0]
        page.goto(f"{self.lms}/course/{course}{'?full=1' if full else ''}")
        return page


def frame(page: Page) -> FrameLocator:
    """The activity within the course page."""
    return page.frame_locator("iframe[name=activity]")


def await_address(url: str, seconds: float = 60) -> None:
    """Waits until a server answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def stage(
    browser: Browser,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    """Everything started on an empty database with the demo district. A module may name its own `APPLICATION`."""
    folder = tmp_path_factory.mktemp("journey")
    port = free_port(100)
    made = Stage(port, folder, demo.prepare(port, folder, module_database_url), browser)
    made.application = getattr(request.module, "APPLICATION", made.application)
    try:
        for name in ("tool", "worker", "practice"):
            made.start(name)
        await_address(f"http://127.0.0.1:{port}/livez")
        await_address(f"http://127.0.0.1:{port + 100}/jwks")
        yield made
    finally:
        for context in made.contexts.values():
            context.close()
        for name in list(made.running):
            made.stop(name)
