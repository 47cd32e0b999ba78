"""No page asks the database more than 12 times, and what a first visit writes counts too."""

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
import requests
from sqlalchemy import Engine

from tests.queries import count_queries
from tests.web.pages_world import Pages, served
from tests.web.test_every_page import PAGES, One, at

MOST = 12


@pytest.fixture(scope="module")
def pages(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with served(module_district_url, tmp_path_factory.mktemp("pages")) as found:
        yield found


@pytest.mark.parametrize("one", PAGES, ids=str)
def test_page_asks_at_most_twelve_times(pages: Pages, one: One) -> None:
    who, url = at(one.who)(pages), pages.url + one.path(pages)
    bind = pages.world.session.get_bind()
    assert isinstance(bind, Engine)
    headers = {"Cookie": f"__Host-nengli={pages.cookies[who, 'zh-Hans']}"} if who else {}
    while True:  # `/` only points on: each of the two is a page load of its own
        with count_queries(bind) as asked:
            answer = requests.get(url, headers=headers, timeout=30, allow_redirects=False)
        assert len(asked) <= MOST, "\n".join(asked)
        if who:
            assert asked  # whose session it is, at the least: the count counts
        if not answer.is_redirect:
            break
        url = urljoin(url, answer.headers["Location"])
    assert answer.status_code == one.status
