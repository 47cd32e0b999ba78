"""Pictures for docs/guide/openedx.md, made by the journeys: NENGLI_SCREENSHOTS=1 puts them into docs/screenshots."""

import os

from playwright.sync_api import Page

from tests.journey.conftest import SCREENSHOTS, keep_picture


def picture(page: Page, name: str, height: int = 0) -> None:
    """What the page shows from its top on, so many pixels of it if it says little; only if pictures are wanted."""
    if os.environ.get("NENGLI_SCREENSHOTS") != "1":
        return
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({**size, "height": height or size["height"]})
    keep_picture(page, SCREENSHOTS / f"openedx-{name}.png")
    page.set_viewport_size(size)
