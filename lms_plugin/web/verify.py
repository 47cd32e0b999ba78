"""核验: the one page on which anybody, signed in or not, asks whether a paper still counts.

Codes cannot be guessed; that the page is asked seldom is for the server's sake. It says the same to a code that nobody
has and to what is no code.
"""

from ipaddress import ip_address

from flask import Blueprint, render_template, request

from lms_plugin.flow import verification, workloads
from lms_plugin.web import ledger_words
from lms_plugin.web.edge import db, edge, parts
from lms_plugin.web.workloads import work_words

blueprint = Blueprint("verify", __name__)

HIDDEN = {"X-Robots-Tag": "noindex, nofollow"}


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
        if not parts().pace.admits(asker(), edge().now):
            return render_template("certificates/verify.html", found=None, state="too_often", typed=""), 429, HIDDEN
        found = verification.look_up(db(), typed)
        status = 200 if found is not None else 404
    state = found.standing.value if found is not None else "unknown" if is_asked else ""
    page = render_template(
        "workload/verify.html" if isinstance(found, workloads.VerifiedWork) else "certificates/verify.html",
        found=found,
        state=state,
        typed=typed[:40],
        kind_word=ledger_words.kind_word,
        years_text=ledger_words.years_text,
        words=work_words(),
    )
    return page, status, HIDDEN
