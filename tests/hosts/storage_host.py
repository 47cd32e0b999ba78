"""A host's course page in a browser: the tool's frame, and beside it one that keeps values (LTI platform storage).

Its page is opened as `/course?…`: `target` is what its login initiation says of storage ("_parent", "keeper", nothing),
`mood` how the storage answers, `wait` leaves the last step to a button, `sub` and `more` go into the token. All is
on `lms.localhost`, another site than the tool's; `other.localhost` is the same server as a stranger.
"""

import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.hosts import loopback

KEEPER = (Path(__file__).parent / "keeper.js").read_text(encoding="utf-8")
STRANGER = """
window.addEventListener("message", ({ data }) => {
  const answer = { subject: "lti.get_data.response", message_id: data.id, value: "of another origin" };
  parent.frames[data.frame].postMessage(answer, "*");
});
"""


@dataclass
class StorageHost:
    """The host: where it is, whom its launches name, and what came back to it."""

    port: int = 0
    tool: str = ""
    platform: Any = None  # a tests.lti.conformance.bench.Platform, registered once the address is known
    launches: list[dict[str, str]] = field(default_factory=list)  # the forms that it signed
    returned: list[dict[str, str]] = field(default_factory=list)  # what deep linking brought back

    @property
    def url(self) -> str:
        return f"http://lms.localhost:{self.port}"

    def course(self, **query: str) -> str:
        """The address of the course page."""
        return f"{self.url}/course?{urlencode(query)}"

    def login(self, query: dict[str, str]) -> str:
        """Where the tool's frame begins."""
        hint = json.dumps({key: query[key] for key in ("wait", "more", "sub") if key in query})
        told = {"lti_storage_target": query["target"]} if query.get("target") else {}
        begun = self.platform.initiation(lti_message_hint=hint, **told)
        return f"{self.tool}/lti/login?{urlencode(begun)}"

    def page(self, path: str, query: dict[str, str]) -> str:
        """What stands at an address of the host."""
        if path == "/course":
            return self._course(query)
        if path == "/keeper":
            return f"<!doctype html><title>keeper</title><script>{KEEPER}</script>"
        if path == "/stranger":
            return f"<!doctype html><title>stranger</title><script>{STRANGER}</script>"
        if path == "/auth":
            return self._authorised(query)
        return "<!doctype html><title>course</title><h1>课程</h1>"

    def _course(self, query: dict[str, str]) -> str:
        where = f"http://other.localhost:{self.port}" if query.get("keeper") == "other" else ""
        keeper = f"{where}/keeper?mood={query.get('mood', 'well')}"
        login = html.escape(self.login(query))
        return f"""<!doctype html><html lang="zh"><title>课程页面</title><h1>课程页面</h1>
<iframe name="keeper" src="{keeper}" title="keeper"></iframe>
<iframe id="stranger" src="http://other.localhost:{self.port}/stranger" title="stranger"></iframe>
<iframe name="activity" data-src="{login}" title="activity" width="1000" height="600"></iframe>
<script>{KEEPER}</script>
<script>onload = () => {{ const one = document.querySelector("[data-src]"); one.src = one.dataset.src; }};</script>"""

    def _authorised(self, query: dict[str, str]) -> str:
        hint = json.loads(query["lti_message_hint"])
        changes = json.loads(hint.get("more", "{}"))
        form = self.platform.signed(query["nonce"], query["state"], **{"sub": hint.get("sub", "8"), **changes})
        self.launches.append(form)
        fields = "".join(f'<input type="hidden" name="{k}" value="{html.escape(v)}">' for k, v in form.items())
        sends = "" if "wait" in hint else "<script>document.forms[0].submit();</script>"
        return (
            f'<!doctype html><title>auth</title><form method="post" action="{html.escape(query["redirect_uri"])}">'
            f"{fields}<button>进入</button></form>{sends}"
        )


@contextmanager
def storage_host(register: Callable[[str], Any], tool: str) -> Iterator[StorageHost]:
    """The host on loopback. `register` gives the platform of its issuer, which signs the launches."""
    made = StorageHost(tool=tool)

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: value[0] for key, value in parse_qs(parts.query).items()}
            self.say(200, made.page(parts.path, query), "text/html; charset=utf-8")

        def do_POST(self) -> None:
            form = parse_qs(self.heard().decode())
            made.returned.append({key: value[0] for key, value in form.items()})
            self.say(200, made.page("/", {}), "text/html; charset=utf-8")

    with loopback.handled(Handler) as made.port:
        made.platform = register(made.url)
        yield made
