"""A tab in a host's frame without cookie: what leaves the page goes by a single-use address, wherever it is linked."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import requests
from flask import Flask
from werkzeug.exceptions import HTTPException

from tests.web.pages_world import Pages, served
from tests.web.test_every_page import NO_PAGES, PAGES, at

LINK = re.compile(r"<a\b[^>]*>")


@pytest.fixture(scope="module")
def pages(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with served(module_database_url, tmp_path_factory.mktemp("pages")) as found:
        yield found


def test_what_is_no_page_is_never_swapped_into_one(tool: Flask, pages: Pages) -> None:
    """htmx carries the bearer of such a tab for links; a file that it brought would stand in the page as garbage."""
    addresses, found = tool.url_map.bind("localhost"), 0
    for one in PAGES:
        who = at(one.who)(pages)
        head = {"Cookie": f"__Host-nengli={pages.cookies[who, 'zh-Hans']}"} if who else {}
        text = requests.get(pages.url + one.path(pages), headers=head, timeout=20).text
        for link in LINK.findall(text):
            href = re.search(r'href="(/[^"?#]*)([^"#]*)', link)
            if href is None:
                continue
            try:
                endpoint, _ = addresses.match(href.group(1))
            except HTTPException:
                continue
            if endpoint in NO_PAGES:
                found += 1
                assert 'hx-boost="false"' in link, (one.endpoint, link)
                # What the server gives as a file is saved without a tab, which would stay behind, empty.
                head_of = requests.head(pages.url + unescape(href.group(1) + href.group(2)), headers=head, timeout=20)
                is_file = head_of.headers.get("Content-Disposition", "").startswith("attachment")
                assert (" data-attached" in link) == is_file, (one.endpoint, link)
    assert found > 5
