"""Where hosts differ: one small class per product, and one table that says what the answer to a score means.

"Recorded" is what Moodle 4.5.6 and the Open edX consumers 9.13.4 and 11.4.4 really said (tests/hosts).
"""

import enum
import html
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from lms_plugin.net import Answer
from lti.text import clean


class Outcome(enum.Enum):
    """What became of a score."""

    DELIVERED = "delivered"
    ALREADY_NEWER = "already_newer"  # the host holds a score of this second or a later one
    OVERRIDDEN = "overridden"  # and it is another one than ours: somebody there has changed it
    NOT_A_LEARNER = "not_a_learner"  # the host grades learners only
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a word
    GONE = "gone"  # the column (or the course) exists no more
    LOCKED = "locked"  # the host's gradebook takes no change in that column, until somebody there unlocks it
    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Line:
    """One line of the table: an answer of such a status, with such words in its status line or body (`says`, "" =
    whatever they are), from such a product ("" = of any), means `outcome`. `source`: how we know. `body`: only where
    that is the whole of it."""

    statuses: Collection[int]
    says: str
    outcome: Outcome
    source: str
    product: str = ""
    has_body: bool = False  # only where the body is not empty
    body: str = ""

    def fits(self, product: str, answer: Answer) -> bool:
        """Whether the answer is of this line."""
        return (
            answer.status in self.statuses
            and self.product in ("", product)
            and (not self.has_body or bool(answer.text.strip()))
            and (not self.body or answer.text.strip() == self.body)
            and (not self.says or self.says in f"{answer.reason} {answer.text}")
        )


_FINE, _WRONG, _BROKEN = (200, 201, 202, 204), range(400, 500), range(500, 600)
_MOODLE, _CANVAS, _EDX = "moodle", "canvas", "openedx"
_SAVED = "Moodle 4.5.6 as recorded"
_CANVAS_CODE = "Canvas, lti/ims/scores_controller.rb"
_PEER = "hypothesis/lms, services/lti_grading/_v13.py (what it met there)"

# The first line that fits counts. Words before numbers: a product explains itself where its status says little.
TABLE = (
    Line((200, 201), "", Outcome.PERMANENT, f"{_SAVED}: a refused score can come back as 200 `[]`", _MOODLE, True),
    Line(_FINE, "", Outcome.DELIVERED, "AGS 2.0, 3.4.1: a success code of 2xx"),
    # the host holds a score as new as ours
    Line(_WRONG, "already exists for the provided timestamp", Outcome.ALREADY_NEWER, "Open edX consumer, recorded"),
    Line(_WRONG, "later point in time", Outcome.ALREADY_NEWER, "Open edX consumer, recorded (400)"),
    Line(_WRONG, "before last updated timestamp", Outcome.ALREADY_NEWER, f"{_CANVAS_CODE} (400)"),
    Line((409,), "", Outcome.ALREADY_NEWER, f"AGS 2.0, 3.4.1 (timestamp); {_SAVED}"),
    # the host grades nobody of that name
    Line(_WRONG, "Incorrect score received", Outcome.NOT_A_LEARNER, f"{_SAVED} (400)"),
    Line(_WRONG, "not found in course or is not a student", Outcome.NOT_A_LEARNER, f"{_CANVAS_CODE} (422)"),
    Line(_WRONG, "not enrolled in the org unit", Outcome.NOT_A_LEARNER, f"Brightspace (403): {_PEER}"),
    Line(_WRONG, "User in requested score does not exist", Outcome.NOT_A_LEARNER, f"Brightspace (404): {_PEER}"),
    Line(_WRONG, "not currently enrolled", Outcome.NOT_A_LEARNER, "Brightspace (403)? No public source is known"),
    Line(_WRONG, "User could not be found", Outcome.NOT_A_LEARNER, f"Blackboard (400): {_PEER}"),
    # later
    Line(_WRONG, "Rate Limit Exceeded", Outcome.TRANSIENT, "Canvas, documentation of throttling (403)"),
    Line((408, 425, 429), "", Outcome.TRANSIENT, "RFC 9110, 15.5.9; RFC 8470; RFC 6585, 4"),
    # Not its server's failure, which is a page: its score service itself has said so.
    Line((500,), "", Outcome.LOCKED, f"{_SAVED}: a locked column, or one that is being deleted", _MOODLE, body="[]"),
    Line(_BROKEN, "", Outcome.TRANSIENT, "RFC 9110, 15.6"),
    # another token may help
    Line((401,), "", Outcome.TOKEN_REFUSED, "RFC 6750, 3.1; Moodle for a missing right too"),
    Line((403,), "token", Outcome.TOKEN_REFUSED, "Open edX consumer, recorded: a stale token", _EDX),
    Line((403,), "", Outcome.PERMANENT, "Open edX consumer, recorded: no permission", _EDX),
    Line((403,), "", Outcome.TOKEN_REFUSED, "asked once more with a fresh token, it is a refusal"),
    # no such column, or anything else
    Line((404, 410), "", Outcome.GONE, f"AGS 2.0, 3.3; {_SAVED}"),
    Line(range(1000), "", Outcome.PERMANENT, "a redirect, or a refusal that nothing of the same body will change"),
)
IN_DOUBT = (500, 502, 504)  # the host, or what stands before it, may have done its work before it failed


class Host:
    """A host of which nothing special is known: AGS 2.0 and NRPS 2.0 as written."""

    product: ClassVar[str] = ""  # as the table names it
    follows_links = True
    results_are_grades = True  # a result shows what a trainer there has put in a score's place
    shows_linked_columns_only = False  # of the columns that we make
    lets_hints_be_guessed = False  # a launch then proves nobody's identity
    has_doors = False  # one account there may come by several registrations that are apart (doors.py)
    knows_reviews = True  # takes the `submissionReview` of a column, or passes over it
    takes_reviews_by_put = False  # only when the column that was made is written once more
    score_extras: ClassVar[Mapping[str, Any]] = {}  # what this host wants beside a score

    def classify(self, answer: Answer) -> Outcome:
        """What the answer to a score (or to any other request) means."""
        return next(line.outcome for line in TABLE if line.fits(self.product, answer))

    def refuses_token(self, answer: Answer) -> bool:
        """Whether another token may help."""
        return self.classify(answer) is Outcome.TOKEN_REFUSED

    def is_doubtful(self, answer: Answer) -> bool:
        """Whether only the result tells what became of a score."""
        return answer.status in IN_DOUBT

    def results_url(self, lineitem_url: str, subject: str) -> str:
        """Where one person's result in a column stands."""
        return added(below(lineitem_url, "results"), user_id=subject)

    def words(self, answer: Answer) -> str:
        """The host's own explanation, short; never our request echoed back, which names people."""
        said = answer.reason.partition("{")[0]
        if not said.strip() or said.strip().lower() in ("ok", "bad request", "forbidden", "not found", "unauthorized"):
            body = answer.text.strip()
            said = _in_words(body) if body and not body.startswith(("<", "[]")) and len(body) < 500 else said
        return f"HTTP {answer.status} {clean(said, 180)}".strip()

    def column_maximum(self, hundredths: int) -> int | float:
        """The `scoreMaximum` to create a column with."""
        return number(hundredths)

    def member_text(self, value: str) -> str:
        """A name as the roster writes it."""
        return value


class Moodle(Host):
    """Success is an empty 200: a refused score can come back as 200 with the body `[]`. Rosters are HTML-escaped.
    Its AGS `Link` headers are written with curly quotes; without `limit` it answers everything at once."""

    product = _MOODLE
    follows_links = False
    takes_reviews_by_put = True  # recorded: a POST drops it

    def is_doubtful(self, answer: Answer) -> bool:
        """Whether only the result tells what became of a score."""
        return answer.status in (200, 201) or super().is_doubtful(answer)

    def member_text(self, value: str) -> str:
        """A name as the roster writes it, unescaped once."""
        return html.unescape(value)


class Canvas(Host):
    """Takes every score for a new piece of work unless it is told otherwise."""

    product = _CANVAS
    score_extras: ClassVar[Mapping[str, Any]] = {
        "https://canvas.instructure.com/lti/submission": {"new_submission": False}
    }


class OpenEdx(Host):
    """A column's maximum must be a whole number there; scores carry their own, so nothing is lost by rounding up.
    A result is found by a path, never by `user_id`, and tells scores alone, whatever the gradebook shows; a 403 is
    about the token only where it says so. Its gradebook shows nothing but the column that is linked to the block."""

    product = _EDX
    lets_hints_be_guessed = True
    has_doors = True
    knows_reviews = False
    results_are_grades = False
    shows_linked_columns_only = True

    def results_url(self, lineitem_url: str, subject: str) -> str:
        """Where one person's result in a column stands."""
        return below(lineitem_url, "results/" + quote(subject, safe=""))

    def column_maximum(self, hundredths: int) -> int | float:
        """The `scoreMaximum` to create a column with."""
        return math.ceil(hundredths / 100)


def host_of(product: str, url: str = "") -> Host:
    """The host of that product family; where it is not named, by the shape of a service address."""
    if product.startswith("moodle") or "/mod/lti/" in url:
        return Moodle()
    if product in ("openedx", "edx", "open-edx") or "/api/lti_consumer/" in url:
        return OpenEdx()
    return Canvas() if product == "canvas" else Host()


def _in_words(body: str) -> str:
    """What people can read of a body: the texts of a JSON answer without its braces, anything else as it is."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return " ".join(_texts(found)) or body


def _texts(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, (dict, list)):
        for one in found.values() if isinstance(found, dict) else found:
            yield from _texts(one)


def below(url: str, name: str) -> str:
    """`url` with a path part added before its query (Moodle's addresses carry `?type_id=`)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def added(url: str, **query: str) -> str:
    """`url` with query parameters added to those it has; one that it has already stays as it is."""
    parts = urlsplit(url)
    held = dict(parse_qsl(parts.query, keep_blank_values=True))
    more = urlencode({key: value for key, value in query.items() if value and key not in held})
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, more) if part)))


def number(hundredths: int) -> int | float:
    """Hundredths as the number to write in JSON: 1200 → 12, 1250 → 12.5."""
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100
