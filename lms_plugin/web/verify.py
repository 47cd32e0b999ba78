"""核验: the one page on which anybody, signed in or not, asks whether a paper still counts.

Codes cannot be guessed; that the page is asked seldom is for the server's sake. It says the same to a code that nobody
has and to what is no code.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from flask import Blueprint, current_app, render_template, request

from lms_plugin.flow import verification
from lms_plugin.web.edge import db, edge

blueprint = Blueprint("verify", __name__)

MOST = 30  # codes from one address in a minute, for each web process: a school is one address
HIDDEN = {"X-Robots-Tag": "noindex, nofollow"}
WINDOW = timedelta(minutes=1)
ADDRESSES = 10_000  # that are remembered; the one that came first is forgotten first


@dataclass
class Pace:
    """How often each address has asked in its minute."""

    seen: "OrderedDict[str, tuple[datetime, int]]" = field(default_factory=OrderedDict)

    def admits(self, address: str, now: datetime) -> bool:
        """Counts a question; False where it is one too many."""
        since, count = self.seen.pop(address, (now, 0))
        if now - since >= WINDOW:
            since, count = now, 0
        self.seen[address] = (since, count + 1)
        while len(self.seen) > ADDRESSES:
            self.seen.popitem(last=False)
        return count < MOST


def asker() -> str:
    """Who asks: the address, of IPv6 the network that one household gets."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:
        return ""
    return str(found) if found.version == 4 else found.exploded[:19]


@blueprint.get("/v")
@blueprint.get("/v/<code>")
def page(code: str = "") -> tuple[str, int, dict[str, str]]:
    """A field for the code; with one, what it stands for."""
    typed = code or request.args.get("code", "")
    found, status, is_asked = None, 200, bool(typed.strip())
    if is_asked:
        pace: Pace = current_app.extensions.setdefault("nengli.verify", Pace())
        if not pace.admits(asker(), edge().now):
            return render_template("certificates/verify.html", found=None, state="too_often", typed=""), 429, HIDDEN
        found = verification.look_up(db(), typed)
        status = 200 if found is not None else 404
    state = found.standing.value if found is not None else "unknown" if is_asked else ""
    return render_template("certificates/verify.html", found=found, state=state, typed=typed[:40]), status, HIDDEN
