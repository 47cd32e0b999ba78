"""Chromium as people have it, the tool and a host for it: what the browser rows need."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Frame, Page, Playwright
from sqlmodel import Session

from lms_plugin.db import pk
from lms_plugin.people import Identity
from tests import people as cast
from tests.hosts.storage_host import StorageHost, storage_host
from tests.lti.conformance.bench import Bench, Platform

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# All frames in one process: where one hops between sites in quick succession, Playwright sometimes goes on with the
# page that was there before (the browser itself shows the right one).
ARGUMENTS += ["--disable-site-isolation-trials"]
STOCK = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
WAITS = 20_000  # ms; a busy machine


@contextmanager
def stock_chromium(playwright: Playwright, path: str, folder: Path) -> Iterator[BrowserContext]:
    """Chromium with the preferences that Google ships: Debian's own blocks third-party cookies."""
    (folder / "Default").mkdir(parents=True)
    (folder / "Default" / "Preferences").write_text(json.dumps(STOCK), encoding="utf-8")
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=path, args=ARGUMENTS, locale="zh-CN", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(WAITS)
    try:
        yield context
    finally:
        context.close()


@dataclass
class Scene:
    """The tool, a host with storage, and an officer and a teacher who have an account there."""

    bench: Bench
    host: StorageHost

    def open(self, page: Page, **query: str) -> Page:
        """The officer opens the course."""
        page.goto(self.host.course(sub="officer", **query))
        return page


@contextmanager
def scene_of(bench: Bench) -> Iterator[Scene]:
    """The host registered at the tool, its accounts tied to people of the district."""
    with storage_host(lambda url: Platform(bench, url), bench.url) as host:
        with Session(bench.engine) as session:
            for who in (cast.OFFICER, cast.CHEN):
                person = bench.world.person(who)
                session.add(
                    Identity(
                        tenant_id=person.tenant_id,
                        issuer=host.url,
                        subject=who.key,
                        person_id=pk(person),
                        first_seen_at=bench.now,
                    )
                )
            session.commit()
        yield Scene(bench, host)


def activity(page: Page) -> Frame:
    """The tool's frame, to ask and to reload it."""
    found = page.frame(name="activity")
    assert found is not None
    return found
