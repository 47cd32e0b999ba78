"""Our block in the published consumer's host, and the tool that knows the host by one registration."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import requests
import stock

import lti
from lms_plugin.db import get, pk, transaction
from lms_plugin.people import Course
from lti import doors
from tests import people as cast
from tests.lti.consumer import Consumer, Visitor, consumer_on_loopback, tool_on_loopback
from tests.xblock.installed import installed


@dataclass
class Site(Consumer):
    """A host whose blocks of ours are one platform at the tool. `log`: what the LMS has written down."""

    log: Path = Path()
    DOOR: ClassVar[str] = doors.BLOCK

    def registration(self, block: str) -> "lti.Registration":
        """What an author's page prints, typed into the tool; the same for every block."""
        if block in STOCK:
            return super().registration(block)
        printed = self.ask("site")
        given = {"site": printed["site"], "client_id": printed["client_id"], "keyset": printed["number"]}
        found = lti.registration_of("openedx", given)
        assert (found.jwks_url, found.token_url) == (printed["keyset_url"], printed["token_url"])
        assert (found.auth_url, found.deployment) == (printed["login_url"], printed["deployment"])
        return found

    def kept(self, block: str, account: str) -> Any:
        """What a block keeps of an account, and what it has published."""
        return self.ask(f"kept/{block}/{account}")

    def events(self, block: str, account: str, kind: str) -> list[dict[str, Any]]:
        """What a block has published of that kind about an account."""
        number = self.ask(f"account/{account}")["id"]
        found = self.kept(block, account)["events"]
        return [one for one in found if one["kind"] == kind and one.get("user_id", number) == number]

    def opens(self, block: str, **fields: Any) -> None:
        """The author has chosen the world's programme, and set these fields."""
        chosen = {"programme": self.tool.world.programme.uuid, "view": "programme", "chosen_title": "信息技术应用能力"}
        self.ask(f"fields/{block}?set={quote(json.dumps({**chosen, **fields}))}")

    def runs(self) -> None:
        """The site's course runs the world's programme."""
        with transaction(self.tool.sessions) as session:
            course = get(session, Course, pk(self.course("first")))
            course.programme_id = pk(self.tool.world.programme)
            session.add(course)


STOCK = ("whole", "other")


class Learner(Visitor):
    """An account in a browser, at our block."""

    def begin(self, page: str, block: str) -> requests.Response:
        """From the frame's address to where the host sends its signed message."""
        if block in STOCK:
            return super().begin(page, block)
        self.consumer.register(block)
        first = self.host.ask("GET", f"{self.consumer.root}/{'begin' if page == 'launch' else page}/{block}")
        assert first.status_code == 302, first.text
        login = self.tool.ask("GET", first.headers["Location"])
        assert login.status_code == 302, login.text
        assert parse_qs(urlsplit(login.headers["Location"]).query)["response_mode"] == ["form_post"]
        return self.host.ask("GET", login.headers["Location"])

    def calls(self, block: str, handler: str, body: Any = None, at: str = "handler") -> requests.Response:
        """A handler of the block, as its page's script calls it."""
        page = self.host.ask("GET", f"{self.consumer.root}/{'editor' if at == 'studio' else 'unit'}/{block}").text
        token = page.partition('"X-CSRFToken": "')[2].partition('"')[0]
        usage = page.partition('data-usage="')[2].partition('"')[0]
        head = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.host.cookies.items())}
        return requests.post(
            f"{self.consumer.root}/{at}/{usage}/{handler}/",
            data=json.dumps(body or {}),
            headers={**head, "X-CSRFToken": token},
            timeout=20,
        )


@contextmanager
def site_of(generation: str, folder: Path, name: str = "localhost") -> Iterator[Site]:
    """Tool and host, both running; 林静 and 梅芳 of the host are 陈晓芳 and 王秀兰 of the district."""
    python = stock.python_of(generation)
    assert python is not None
    with (
        tool_on_loopback(folder) as tool,
        consumer_on_loopback(python, tool.url, folder, installed(), name) as root,
    ):
        made = Site(generation, root, tool, log=folder / "host.log")
        made.is_the_same("lin", cast.CHEN)
        made.is_the_same("mei", cast.WANG)
        yield made
