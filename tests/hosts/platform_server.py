"""A platform's service addresses on loopback: keys, tokens, a roster, each in the mood that a test gives it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.hosts import loopback, resign

Answer = tuple[int, str, str]  # status, media type, body


@dataclass
class Services:
    """What the platform answers, and what it was asked."""

    url: str = ""
    keys: Answer = (200, "application/json", "")
    tokens: dict[str, Answer] = field(default_factory=dict)  # by the last part of a scope; "" = all others
    roster: Answer = (200, "application/json", json.dumps({"members": [{"user_id": "8"}]}))
    asked: list[str] = field(default_factory=list)


@contextmanager
def platform_services() -> Iterator[Services]:
    """A platform that grants everything."""
    made = Services(keys=(200, "application/json", json.dumps(resign.jwks())))

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self._give(made.keys if self.path.startswith("/jwks") else made.roster)

        def do_POST(self) -> None:
            form = parse_qs(self.heard().decode())
            scope = form["scope"][0]
            made.asked.append(scope)
            granted = json.dumps({"access_token": "t0ken", "expires_in": 3600, "scope": scope})
            self._give(made.tokens.get(scope.rpartition("/")[2], made.tokens.get("", (200, "text/html", granted))))

        def _give(self, answer: Answer) -> None:
            status, kind, body = answer
            self.say(status, body, kind)

    with loopback.handled(Handler) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
