"""Where hosts differ: one small class per product, and one table that says what a score's answer means.

Sources: the hosts' own behaviour as recorded with Moodle 4.5.6 and the Open edX consumer 9.13.4 and 11.4.4, AGS 2.0.
"""

import enum
import html
import math
from collections.abc import Mapping
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
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    GONE = "gone"  # the column (or the course) exists no more
    TRANSIENT = "transient"
    PERMANENT = "permanent"


BY_STATUS = {
    200: Outcome.DELIVERED,
    201: Outcome.DELIVERED,
    202: Outcome.DELIVERED,
    204: Outcome.DELIVERED,
    401: Outcome.TOKEN_REFUSED,
    403: Outcome.TOKEN_REFUSED,  # Open edX says 403 for a stale token; asked once more, it is a refusal
    404: Outcome.GONE,
    408: Outcome.TRANSIENT,
    409: Outcome.ALREADY_NEWER,
    410: Outcome.GONE,
    425: Outcome.TRANSIENT,
    429: Outcome.TRANSIENT,
}
BY_WORDS = {  # of a 4xx: what stands in the status line or the body
    "already exists for the provided timestamp": Outcome.ALREADY_NEWER,  # Open edX
    "later point in time": Outcome.ALREADY_NEWER,
    "Incorrect score received": Outcome.NOT_A_LEARNER,  # Moodle
    "not found in course or is not a student": Outcome.NOT_A_LEARNER,  # Canvas
    "not currently enrolled": Outcome.NOT_A_LEARNER,  # Brightspace
    "User could not be found": Outcome.NOT_A_LEARNER,  # Blackboard
    "Rate Limit Exceeded": Outcome.TRANSIENT,  # Canvas says it with a 403
}
IN_DOUBT = (500, 502, 504)  # the host, or what stands before it, may have done its work before it failed


class Host:
    """A host of which nothing special is known: AGS 2.0 and NRPS 2.0 as written."""

    follows_links = True
    results_are_grades = True  # a result shows what a trainer there has put in a score's place
    shows_linked_columns_only = False  # of the columns that we make
    score_extras: ClassVar[Mapping[str, Any]] = {}  # what this host wants beside a score

    def classify(self, answer: Answer) -> Outcome:
        """What the answer to a score (or to any other request) means."""
        if answer.status >= 500:
            return Outcome.TRANSIENT
        return _by_words(answer) or BY_STATUS.get(answer.status, Outcome.PERMANENT)

    def refuses_token(self, answer: Answer) -> bool:
        """Whether another token may help."""
        return answer.status in (401, 403) and self.classify(answer) is Outcome.TOKEN_REFUSED

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
            said = body if body and not body.startswith(("<", "[]")) and len(body) < 500 else said
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

    follows_links = False

    def classify(self, answer: Answer) -> Outcome:
        """What the answer to a score means."""
        if answer.status in (200, 201) and answer.text.strip():
            return Outcome.PERMANENT
        return super().classify(answer)

    def is_doubtful(self, answer: Answer) -> bool:
        """Whether only the result tells what became of a score."""
        return answer.status in (200, 201) or super().is_doubtful(answer)

    def member_text(self, value: str) -> str:
        """A name as the roster writes it, unescaped once."""
        return html.unescape(value)


class Canvas(Host):
    """Takes every score for a new piece of work unless it is told otherwise."""

    score_extras: ClassVar[Mapping[str, Any]] = {
        "https://canvas.instructure.com/lti/submission": {"new_submission": False}
    }


class OpenEdx(Host):
    """A column's maximum must be a whole number there; scores carry their own, so nothing is lost by rounding up.
    A result is found by a path, never by `user_id`, and tells scores alone, whatever the gradebook shows; a 403 is
    about the token only where it says so. Its gradebook shows nothing but the column that is linked to the block."""

    results_are_grades = False
    shows_linked_columns_only = True

    def refuses_token(self, answer: Answer) -> bool:
        """Whether another token may help."""
        return answer.status == 401 or (answer.status == 403 and "token" in answer.text)

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


def _by_words(answer: Answer) -> Outcome | None:
    if not 400 <= answer.status < 500:
        return None
    said = answer.reason + " " + answer.text
    return next((found for words, found in BY_WORDS.items() if words in said), None)


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
