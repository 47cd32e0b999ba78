"""Services of a platform: tokens, columns, scores, rosters.

Three steps, so that no transaction waits for a host: `service_client` reads what is needed (in a transaction), the
client's methods speak HTTP (outside of one), `ServiceClient.keep` stores what was learned (in a transaction).
"""

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

from lms_plugin.db import get, pk
from lms_plugin.errors import Unavailable
from lms_plugin.net import Answer, Http
from lti import bearer, keys, tokens
from lti.hosts import Host, Outcome, added, below, host_of, number
from lti.models import Platform
from lti.review import SubmissionReview
from lti.rosters import (
    GROUPS,
    GROUPS_TYPE,
    MEMBERS,
    MEMBERS_TYPE,
    SETS_TYPE,
    Group,
    Roster,
    groups_of,
    listed,
    roster_of,
)
from lti.subscriptions import NOTICES, changes, handlers_of
from lti.text import is_identifier, links, origin, rfc3339, utc

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM, LINE_ITEM_READ, SCORE, RESULT = (
    _AGS + name for name in ("lineitem", "lineitem.readonly", "score", "result.readonly")
)
_TYPE = "application/vnd.ims.lis.v2."
_MOST_PAGES = 100


@dataclass(frozen=True)
class Column:
    """A line item as the host describes it."""

    url: str
    maximum: float
    is_new: bool


@dataclass(frozen=True)
class Delivery:
    """What became of one score, with the host's words and the seconds it asks us to wait."""

    outcome: Outcome
    words: str = ""
    retry_after: int | None = None


def next_timestamp(previous: datetime | None, now: datetime) -> datetime:
    """The timestamp of the next score of one person in one column: a whole second, later than the last one sent.

    Hosts compare whole seconds and refuse what is not later (409), and a time in the future locks the column out. So
    after two scores in one second the result is up to a second ahead of `now`: wait until then before sending.
    """
    second = utc(now).replace(microsecond=0)
    if previous is None:
        return second
    return max(second, utc(previous).replace(microsecond=0) + timedelta(seconds=1))


def service_client(
    session: Session,
    platform_id: int,
    scopes: "list[str] | tuple[str, ...]",
    secret_key: str,
    http: Http,
    now: datetime,
    sessions: "sessionmaker[Session] | None" = None,
) -> "ServiceClient":
    """Reads what calls to this platform need. `scopes` are those its launch offered; they are asked for together.

    With `sessions` the client shares its token with all other workers as it goes, in short transactions of its own:
    many clients that start at once ask for one token. Without, `ServiceClient.keep` shares it afterwards.

    Raises Unavailable("keys.secret_changed").
    """
    platform = get(session, Platform, platform_id)
    tool_key = keys.ensure_tool_key(session, secret_key, now)
    wanted = tuple(sorted(set(scopes)))
    client = bearer.Client(
        platform_id=pk(platform),
        client_id=platform.client_id,
        token_url=platform.token_url,
        audience=platform.token_audience or platform.token_url,
        scopes=wanted,
        kid=tool_key.kid,
        key=keys.private_key(tool_key, secret_key),
    )
    found = bearer.kept(session, client, secret_key, now)
    return ServiceClient(
        http=http,
        now=now,
        client=client,
        product=platform.product,
        scopes=found.scopes if found else wanted,
        token=found.value if found else "",
        secret_key=secret_key,
        sessions=sessions,
    )


@dataclass
class ServiceClient:
    """Speaks to one platform. Its methods do HTTP, outside of any transaction; they raise Unavailable with `permanent`
    set where trying again cannot help, and `retry_after` where the host named a time.

    `scopes` are what the host granted, once there is a token: it may be less than what was asked for.
    """

    http: Http
    now: datetime
    client: bearer.Client
    product: str
    scopes: tuple[str, ...]
    token: str
    secret_key: str
    sessions: "sessionmaker[Session] | None"
    fetched: bearer.Token | None = None
    refused: str = ""  # the last token that the host did not take

    def keep(self, session: Session, secret_key: str) -> None:
        """Shares a token that was fetched, or forgets one that the host refused; nothing to do with `sessions`."""
        if self.sessions is not None:
            return
        if self.fetched is not None:
            bearer.keep(session, self.client, self.fetched, secret_key)
        elif self.refused:
            bearer.forget(session, self.client, self.now)

    def access_token(self) -> str:
        """A bearer token: the one at hand, another worker's, or one that is asked for."""
        if not self.token:
            if self.sessions is None:
                token = self.fetched = self._fetch()
            else:
                token = bearer.shared(
                    self.sessions, self.client, self.secret_key, self.now, self.refused, ask=self._fetch
                )
            self.token, self.scopes = token.value, token.scopes
        return self.token

    def _fetch(self) -> bearer.Token:
        return bearer.fetch(self.http, self.client, self.now)

    def may(self, *scopes: str) -> bool:
        """Whether the host grants one of these."""
        if not set(scopes) & set(self.client.scopes):
            return False
        self.access_token()
        return bool(set(scopes) & set(self.scopes))

    def _need(self, scope: str) -> None:
        if not self.may(scope):
            words = f"scope not granted: {scope.rpartition('/')[2]}"
            raise Unavailable("ags.scope_refused", permanent=True, words=words)

    def find_or_create_line_item(
        self,
        lineitems_url: str,
        *,
        resource_id: str,
        tag: str,
        label: str,
        maximum_hundredths: int,
        link: str = "",
        review: SubmissionReview | None = None,
    ) -> Column | None:
        """The column of this resource id and tag in the course's `lineitems`, made if it is not there: linked to that
        place of the course (`link`, a resource link's id) where the host's gradebook shows no others, with the
        `review` behind its scores where the host knows of such a thing.

        None when the host lets us make none (no `lineitems` address or no right to write). The caller keeps the
        address and takes a lock: hosts do not mind two columns of one resource id.
        """
        if not lineitems_url or not self.may(LINE_ITEM, LINE_ITEM_READ):
            return None
        for page in self._pages(added(lineitems_url, resource_id=resource_id), _TYPE + "lineitemcontainer+json"):
            for entry in page if isinstance(page, list) else []:
                if isinstance(entry, dict) and (entry.get("resourceId"), entry.get("tag")) == (resource_id, tag):
                    return _column(entry, is_new=False)
        if not self.may(LINE_ITEM):
            return None
        host, kind = host_of(self.product, lineitems_url), _TYPE + "lineitem+json"
        body: dict[str, Any] = {
            "label": label[:255],
            "scoreMaximum": host.column_maximum(maximum_hundredths),
            "resourceId": resource_id[:512],
            "tag": tag[:255],
        }
        if link and host.shows_linked_columns_only:
            body["resourceLinkId"] = link
        if review is not None and host.knows_reviews:
            body["submissionReview"] = review.as_json()
        answer = self._call("POST", lineitems_url, {"Accept": kind, "Content-Type": kind}, body)
        if answer.status not in (200, 201):
            raise self._failed(answer)
        made = _column(answer.json(), is_new=True)
        if "submissionReview" in body and host.takes_reviews_by_put:
            with contextlib.suppress(Unavailable):  # the column is there; scores do not wait for what is behind them
                self._call("PUT", made.url, {"Accept": kind, "Content-Type": kind}, {**body, "id": made.url})
        return made

    def resize_line_item(
        self,
        lineitem_url: str,
        *,
        resource_id: str,
        tag: str,
        label: str,
        maximum_hundredths: int,
        was_hundredths: int | None = None,
    ) -> bool:
        """Gives our column another maximum. False where the host lets us write no columns, and where somebody there has
        changed the maximum that we gave it (`was_hundredths`): theirs stays, scores fill the same share of it.

        Everything else is sent back as the host has it: a PUT replaces the whole line item, and Moodle blanks what is
        left out (AGS 2.0, 3.1; hosts rescale the grades that are there, so scores are to be sent again). What the host
        says is null is left out: Open edX shows such members and refuses them.
        """
        if not self.may(LINE_ITEM):
            return False
        kind = _TYPE + "lineitem+json"
        answer = self._call("GET", lineitem_url, {"Accept": kind})
        if answer.status != 200:
            raise self._failed(answer)
        held, host = answer.json(), host_of(self.product, lineitem_url)
        if not isinstance(held, dict):
            raise Unavailable("net.not_json", words=f"HTTP {answer.status}")
        maximum = tokens.seconds(held.get("scoreMaximum"))
        if was_hundredths is not None and maximum != host.column_maximum(was_hundredths):
            return False
        body = {
            **{key: value for key, value in held.items() if value is not None},
            "label": label[:255],
            "scoreMaximum": host.column_maximum(maximum_hundredths),
            "resourceId": resource_id[:512],
            "tag": tag[:255],
        }
        answer = self._call("PUT", lineitem_url, {"Accept": kind, "Content-Type": kind}, body)
        if answer.status not in (200, 201, 204):
            raise self._failed(answer)
        return True

    def send_score(
        self,
        lineitem_url: str,
        *,
        subject: str,
        given_hundredths: int,
        maximum_hundredths: int,
        timestamp: datetime,
        comment: str = "",
        submitted_at: datetime | None = None,
    ) -> Delivery:
        """Sends one person's final score. Answers what became of it; raises Unavailable only where no token came or
        no answer. `timestamp` is from `next_timestamp`; `comment` is plain text (hosts echo it into logs: no names);
        `submitted_at` is when the work came in, where that is not when it was graded.

        When the host already holds a score as new, or failed in a way that leaves open what it did, its result is read:
        the same value counts as delivered, another one beside a newer time was put there by somebody else.
        """
        self._need(SCORE)
        host = host_of(self.product, lineitem_url)
        body: dict[str, Any] = {
            "userId": subject,
            "scoreGiven": number(given_hundredths),
            "scoreMaximum": number(maximum_hundredths),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "timestamp": rfc3339(timestamp),
        }
        if comment:
            body["comment"] = comment
        if submitted_at is not None:
            body["submission"] = {"submittedAt": rfc3339(submitted_at)}
        body |= host.score_extras
        headers = {"Accept": "*/*", "Content-Type": "application/vnd.ims.lis.v1.score+json"}
        answer = self._call("POST", below(lineitem_url, "scores"), headers, body)
        outcome = host.classify(answer)
        if outcome is Outcome.TOKEN_REFUSED:  # also with a fresh token: it is no question of the token
            outcome = Outcome.PERMANENT
        words = host.words(answer)
        if outcome is Outcome.ALREADY_NEWER or (outcome is not Outcome.DELIVERED and host.is_doubtful(answer)):
            held = self._held(lineitem_url, subject)
            if held is not None and maximum_hundredths and abs(held - given_hundredths / maximum_hundredths) < 1e-5:
                outcome = Outcome.DELIVERED
            elif held is not None and outcome is Outcome.ALREADY_NEWER and host.results_are_grades:
                outcome, words = Outcome.OVERRIDDEN, f"{words} ({held:.4g})"
        return Delivery(outcome, "" if outcome is Outcome.DELIVERED else words, answer.retry_after)

    def roster(
        self, url: str, *, role: str = "", resource_link_id: str = "", limit: int = 0, with_groups: bool = False
    ) -> Roster:
        """The course's roster, all pages: those of a role, those who may open a resource link, `limit` to a page, with
        the groups that each is in; or, with the address of an earlier answer's differences, what has changed since.

        Raises Unavailable rather than answer a part: no `members`, an entry that names nobody, a page for the second
        time, pages without end.
        """
        self._need(MEMBERS)
        asked = {
            "role": role,
            "rlid": resource_link_id,
            "limit": str(limit or ""),
            "groups": "true" if with_groups else "",
        }
        answers = self._answers(added(url, **asked), MEMBERS_TYPE, follow=True, keep={"role": role})
        return roster_of(answers, url, role, host_of(self.product, url))

    def groups(self, url: str, sets_url: str = "") -> list[Group]:
        """The course's groups, with the names of their sets. Raises Unavailable rather than answer a part."""
        self._need(GROUPS)
        sets = self._answers(sets_url, SETS_TYPE, follow=True) if sets_url else []
        return groups_of(self._answers(url, GROUPS_TYPE, follow=True), sets, host_of(self.product, url))

    def hear_notices(self, url: str, kinds: str, address: str) -> None:
        """Sees to it that the host sends notices of these kinds (a space between) to our address, and no others there;
        says nothing that it knows already. Raises Unavailable."""
        self._need(NOTICES)
        head = {"Accept": "application/json", "Content-Type": "application/json"}
        answer = self._call("GET", url, head)
        if answer.status != 200:
            raise self._failed(answer)
        for kind, target in changes(handlers_of(answer.json()), kinds, address).items():
            answer = self._call("PUT", url, head, {"notice_type": kind, "handler": target})
            if answer.status not in (200, 201, 204):
                raise self._failed(answer)

    def peek_members(self, url: str) -> int:
        """How many people the first page of a roster names: whether it can be read at all. Raises Unavailable."""
        answer = self._call("GET", url, {"Accept": MEMBERS_TYPE})
        if answer.status != 200:
            raise self._failed(answer)
        return len(listed(answer, "members"))

    def _pages(self, url: str, accept: str) -> "list[Any]":
        """The JSON of an address and of its further pages."""
        follow = host_of(self.product, url).follows_links
        return [answer.json() for answer in self._answers(url, accept, follow=follow)]

    def _answers(self, url: str, accept: str, *, follow: bool, keep: "dict[str, str] | None" = None) -> "list[Answer]":
        """The answers of an address and of all that its `Link: rel=next` names, each once, on the same host. `keep`
        are parameters that a next page must have too."""
        found, seen = [], {url}
        while True:
            answer = self._call("GET", url, {"Accept": accept})
            if answer.status != 200:
                raise self._failed(answer)
            found.append(answer)
            target = links(answer.headers.get("Link", "")).get("next") if follow else None
            if target is None:
                return found
            url = added(urljoin(url, target), **(keep or {}))
            if url in seen or len(seen) >= _MOST_PAGES or origin(url) != origin(next(iter(seen))):
                raise Unavailable("ags.pages", permanent=True)
            seen.add(url)

    def _call(self, method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Answer:
        """One call with a token; when the host refuses it, once more with a new one."""
        # One line of ASCII: Moodle puts a refused body into its status line, and a line break there reads as success.
        written = None if body is None else json.dumps(body, separators=(",", ":"))
        had_token = bool(self.token)
        answer = self.http.request(method, url, headers=self._bearing(headers), body=written)
        if had_token and host_of(self.product, url).refuses_token(answer):
            self.refused, self.token, self.fetched = self.token, "", None
            answer = self.http.request(method, url, headers=self._bearing(headers), body=written)
        return answer

    def _bearing(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self.access_token()}"}

    def _failed(self, answer: Answer) -> Unavailable:
        outcome = Host().classify(answer)
        code = "ags.gone" if outcome is Outcome.GONE else "ags.refused"
        again = outcome is Outcome.TRANSIENT
        return Unavailable(code, permanent=not again, words=Host().words(answer), retry_after=answer.retry_after)

    def _held(self, lineitem_url: str, subject: str) -> float | None:
        """The share of the maximum that the host's result for this person says; None without a result, and where it
        cannot be read."""
        try:
            if not self.may(RESULT):
                return None
            address = host_of(self.product, lineitem_url).results_url(lineitem_url, subject)
            pages = self._pages(address, _TYPE + "resultcontainer+json")
        except Unavailable:
            return None
        for entry in [entry for page in pages if isinstance(page, list) for entry in page if isinstance(entry, dict)]:
            score, maximum = tokens.seconds(entry.get("resultScore")), tokens.seconds(entry.get("resultMaximum"))
            if entry.get("userId") == subject and score is not None and maximum:
                return score / maximum
        return None


def _column(entry: Any, *, is_new: bool) -> Column:
    address = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(address, str) or not origin(address) or not is_identifier(address, 1000):
        raise Unavailable("ags.refused", permanent=True, words="id")
    return Column(address, tokens.seconds(entry.get("scoreMaximum")) or 0.0, is_new)
