"""Pictures for docs/guide/openedx.md, made by the journeys: NENGLI_SCREENSHOTS=1 puts them into docs/screenshots."""

import os

from playwright.sync_api import Page

from tests.journey.conftest import SCREENSHOTS, keep_picture


def picture(page: Page, name: str) -> None:
    """What the page shows now, if pictures are wanted."""
    if os.environ.get("NENGLI_SCREENSHOTS") == "1":
        page.mouse.move(0, 0)
        keep_picture(page, SCREENSHOTS / f"openedx-{name}.png")
