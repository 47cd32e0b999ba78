"""Services of a platform: tokens, columns, scores, rosters.

Three steps, so that no transaction waits for a host: `service_client` reads what is needed (in a transaction), the
client's methods speak HTTP (outside of one), `ServiceClient.keep` stores what was learned (in a transaction).
"""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from joserfc.jwk import RSAKey
from sqlalchemy import delete
from sqlmodel import Session, col, select

from lms_plugin.db import get, pk
from lms_plugin.errors import Unavailable
from lms_plugin.net import Answer, Http
from lti import keys, tokens
from lti.hosts import Host, Outcome, host_of, number
from lti.models import AccessToken, Platform
from lti.text import clean, is_identifier, origin, utc
from lti.upsert import insert_unless_there

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM, LINE_ITEM_READ, SCORE, RESULT = (
    _AGS + name for name in ("lineitem", "lineitem.readonly", "score", "result.readonly")
)
MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
_TYPE = "application/vnd.ims.lis.v2."
_MOST_PAGES = 100
_NEXT = re.compile(r'<([^<>]*)>[^<]*?;\s*rel="?next"?(?=\s*[,;]|\s*$)', re.IGNORECASE)


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


@dataclass(frozen=True)
class Member:
    """A person on a course's roster. `roles` are the host's strings; `is_active` False = left or suspended."""

    subject: str
    name: str
    given_name: str
    family_name: str
    email: str
    roles: frozenset[str]
    is_active: bool


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
) -> "ServiceClient":
    """Reads what calls to this platform need. `scopes` are those its launch offered; they are asked for together.

    Raises Unavailable("keys.secret_changed").
    """
    platform = get(session, Platform, platform_id)
    tool_key = keys.ensure_tool_key(session, secret_key, now)
    wanted = tuple(sorted(set(scopes)))
    kept = session.exec(
        select(AccessToken).where(
            col(AccessToken.platform_id) == platform_id,
            col(AccessToken.scope_key) == _scope_key(wanted),
            col(AccessToken.expires_at) > now,
        )
    ).one_or_none()
    return ServiceClient(
        http=http,
        now=now,
        platform_id=pk(platform),
        client_id=platform.client_id,
        token_url=platform.token_url,
        audience=platform.token_audience or platform.token_url,
        product=platform.product,
        scopes=wanted,
        kid=tool_key.kid,
        key=keys.private_key(tool_key, secret_key),
        token=keys.decrypt(kept.token_encrypted, secret_key) if kept else "",
    )


def _scope_key(scopes: tuple[str, ...]) -> str:
    return " ".join(scope.removeprefix("https://purl.imsglobal.org/spec/") for scope in scopes)[:500]


@dataclass
class ServiceClient:
    """Speaks to one platform. All methods but `keep` do HTTP and touch no database; they raise Unavailable with
    `permanent` set where trying again cannot help, and `retry_after` where the host named a time."""

    http: Http
    now: datetime
    platform_id: int
    client_id: str
    token_url: str
    audience: str
    product: str
    scopes: tuple[str, ...]
    kid: str
    key: RSAKey
    token: str
    fetched_until: datetime | None = None
    was_refused: bool = False

    def keep(self, session: Session, secret_key: str) -> None:
        """Stores a token that was fetched, or forgets one that the host refused."""
        if self.fetched_until is None and not self.was_refused:
            return
        session.execute(
            delete(AccessToken).where(
                col(AccessToken.platform_id) == self.platform_id,
                col(AccessToken.scope_key) == _scope_key(self.scopes),
            )
        )
        if self.token and self.fetched_until is not None:
            values = {
                "platform_id": self.platform_id,
                "scope_key": _scope_key(self.scopes),
                "token_encrypted": keys.encrypt(self.token, secret_key),
                "expires_at": self.fetched_until,
            }
            insert_unless_there(session, AccessToken, values)

    def access_token(self) -> str:
        """A bearer token, fetched with a signed client assertion (RFC 7523) unless one is at hand."""
        if self.token:
            return self.token
        at = int(self.now.timestamp())
        assertion = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": at - 5,  # Moodle allows its clock no leeway
            "exp": at + 240,
            "jti": secrets.token_urlsafe(24),
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": tokens.sign(assertion, self.key, self.kid),
            "scope": " ".join(self.scopes),
        }
        answer = self.http.post(
            self.token_url, urlencode(form), "application/x-www-form-urlencoded", {"Accept": "application/json"}
        )
        if answer.status not in (200, 201):
            final = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
            words = Host().words(answer)
            raise Unavailable("ags.token_refused", permanent=final, words=words, retry_after=answer.retry_after)
        found = answer.json()
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not is_identifier(token, 8000) or not token.isascii():
            raise Unavailable("ags.token_refused", permanent=True, words=Host().words(answer)[:60])
        granted = found.get("scope")
        if isinstance(granted, str) and self.scopes and not set(granted.split()) & set(self.scopes):
            raise Unavailable("ags.scope_refused", permanent=True, words=clean(granted, 180))
        lasts = tokens.seconds(found.get("expires_in"))
        self.token = token
        self.fetched_until = self.now + timedelta(seconds=min(300.0 if lasts is None else lasts, 86400.0) - 60)
        return token

    def find_or_create_line_item(
        self, lineitems_url: str, *, resource_id: str, tag: str, label: str, maximum_hundredths: int
    ) -> Column | None:
        """The column of this resource id and tag in the course's `lineitems`, made if it is not there.

        None when the host lets us make none (no `lineitems` address or no right to write). The caller keeps the
        address and takes a lock: hosts do not mind two columns of one resource id.
        """
        if not lineitems_url or not {LINE_ITEM, LINE_ITEM_READ} & set(self.scopes):
            return None
        for page in self._pages(_with(lineitems_url, resource_id=resource_id), _TYPE + "lineitemcontainer+json"):
            for entry in page if isinstance(page, list) else []:
                if isinstance(entry, dict) and (entry.get("resourceId"), entry.get("tag")) == (resource_id, tag):
                    return _column(entry, is_new=False)
        if LINE_ITEM not in self.scopes:
            return None
        body = {
            "label": label[:255],
            "scoreMaximum": host_of(self.product, lineitems_url).column_maximum(maximum_hundredths),
            "resourceId": resource_id[:512],
            "tag": tag[:255],
        }
        kind = _TYPE + "lineitem+json"
        answer = self._call("POST", lineitems_url, {"Accept": kind, "Content-Type": kind}, body)
        if answer.status not in (200, 201):
            raise self._failed(answer)
        return _column(answer.json(), is_new=True)

    def resize_line_item(
        self, lineitem_url: str, *, resource_id: str, tag: str, label: str, maximum_hundredths: int
    ) -> None:
        """Gives our column another maximum; does nothing where the host lets us write no columns.

        Everything else is sent back as the host has it: a PUT replaces the whole line item, and Moodle blanks what is
        left out (AGS 2.0, 3.1; hosts rescale the grades that are there, so scores are to be sent again). What the host
        says is null is left out: Open edX shows such members and refuses them.
        """
        if LINE_ITEM not in self.scopes:
            return
        kind = _TYPE + "lineitem+json"
        answer = self._call("GET", lineitem_url, {"Accept": kind})
        if answer.status != 200:
            raise self._failed(answer)
        held = answer.json()
        body = {
            **{key: value for key, value in (held if isinstance(held, dict) else {}).items() if value is not None},
            "label": label[:255],
            "scoreMaximum": host_of(self.product, lineitem_url).column_maximum(maximum_hundredths),
            "resourceId": resource_id[:512],
            "tag": tag[:255],
        }
        answer = self._call("PUT", lineitem_url, {"Accept": kind, "Content-Type": kind}, body)
        if answer.status not in (200, 201, 204):
            raise self._failed(answer)

    def send_score(
        self,
        lineitem_url: str,
        *,
        subject: str,
        given_hundredths: int,
        maximum_hundredths: int,
        timestamp: datetime,
        comment: str = "",
    ) -> Delivery:
        """Sends one person's final score. Answers what became of it; raises Unavailable only where no token came or
        no answer. `timestamp` is from `next_timestamp`; `comment` is plain text (hosts echo it into logs: no names).

        When the host already holds a score as new, its result is read: the same value counts as delivered.
        """
        host = host_of(self.product, lineitem_url)
        body: dict[str, Any] = {
            "userId": subject,
            "scoreGiven": number(given_hundredths),
            "scoreMaximum": number(maximum_hundredths),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "timestamp": utc(timestamp).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        if comment:
            body["comment"] = comment
        headers = {"Accept": "*/*", "Content-Type": "application/vnd.ims.lis.v1.score+json"}
        answer = self._call("POST", _below(lineitem_url, "scores"), headers, body)
        outcome = host.classify(answer)
        if outcome is Outcome.TOKEN_REFUSED:  # also with a fresh token: it is no question of the token
            outcome = Outcome.PERMANENT
        if outcome is Outcome.ALREADY_NEWER and self._holds(
            lineitem_url, subject, given_hundredths, maximum_hundredths
        ):
            outcome = Outcome.DELIVERED
        words = "" if outcome is Outcome.DELIVERED else host.words(answer)
        return Delivery(outcome, words, answer.retry_after)

    def memberships(self, url: str) -> list[Member]:
        """Everybody on the course's roster, all pages. Raises Unavailable rather than answer a part of it."""
        host = host_of(self.product, url)
        found: dict[str, Member] = {}
        for page in self._pages(url, "application/vnd.ims.lti-nrps.v2.membershipcontainer+json", follow=True):
            members = page.get("members") if isinstance(page, dict) else None
            if not isinstance(members, list):
                raise Unavailable("nrps.no_members")
            for entry in members:
                member = _member(entry, host)
                if member is not None:
                    found[member.subject] = member
        return list(found.values())

    def peek_members(self, url: str) -> int:
        """How many people the first page of a roster names: whether it can be read at all. Raises Unavailable."""
        answer = self._call("GET", url, {"Accept": "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"})
        if answer.status != 200:
            raise self._failed(answer)
        page = answer.json()
        members = page.get("members") if isinstance(page, dict) else None
        if not isinstance(members, list):
            raise Unavailable("nrps.no_members")
        return len(members)

    def _pages(self, url: str, accept: str, *, follow: bool | None = None) -> "list[Any]":
        """The JSON of an address and of all that its `Link: rel=next` names, each once."""
        follows = host_of(self.product, url).follows_links if follow is None else follow
        found, seen = [], {url}
        while True:
            answer = self._call("GET", url, {"Accept": accept})
            if answer.status != 200:
                raise self._failed(answer)
            found.append(answer.json())
            link = _NEXT.search(answer.headers.get("Link", "")) if follows else None
            if link is None:
                return found
            url = urljoin(url, link.group(1))
            if url in seen or len(seen) >= _MOST_PAGES or origin(url) != origin(next(iter(seen))):
                raise Unavailable("ags.pages", permanent=True)
            seen.add(url)

    def _call(self, method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Answer:
        """One call with a token; when the host refuses it, once more with a new one."""
        # One line of ASCII: Moodle puts a refused body into its status line, and a line break there reads as success.
        written = None if body is None else json.dumps(body, separators=(",", ":"))
        had_token = bool(self.token)
        answer = self.http.request(method, url, headers=self._bearing(headers), body=written)
        if answer.status in (401, 403) and had_token:
            self.token, self.fetched_until, self.was_refused = "", None, True
            answer = self.http.request(method, url, headers=self._bearing(headers), body=written)
        return answer

    def _bearing(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self.access_token()}"}

    def _failed(self, answer: Answer) -> Unavailable:
        outcome = Host().classify(answer)
        code = "ags.gone" if outcome is Outcome.GONE else "ags.refused"
        again = outcome is Outcome.TRANSIENT
        return Unavailable(code, permanent=not again, words=Host().words(answer), retry_after=answer.retry_after)

    def _holds(self, lineitem_url: str, subject: str, given_hundredths: int, maximum_hundredths: int) -> bool:
        """Whether the host's result for this person is this very score already (an answer of ours got lost)."""
        if RESULT not in self.scopes:
            return False
        try:
            accept = _TYPE + "resultcontainer+json"
            pages = self._pages(_with(_below(lineitem_url, "results"), user_id=subject), accept)
        except Unavailable:
            return False
        for entry in [entry for page in pages if isinstance(page, list) for entry in page if isinstance(entry, dict)]:
            score, maximum = tokens.seconds(entry.get("resultScore")), tokens.seconds(entry.get("resultMaximum"))
            if entry.get("userId") == subject and score is not None and maximum and maximum_hundredths:
                return abs(score / maximum - given_hundredths / maximum_hundredths) < 1e-5
        return False


def _below(url: str, name: str) -> str:
    """`url` with a path part added before its query (Moodle's addresses carry `?type_id=`)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def _with(url: str, **query: str) -> str:
    """`url` with query parameters added to those it has."""
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *query.items()]))
    )


def _column(entry: Any, *, is_new: bool) -> Column:
    address = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(address, str) or not origin(address) or not is_identifier(address, 1000):
        raise Unavailable("ags.refused", permanent=True, words="id")
    return Column(address, tokens.seconds(entry.get("scoreMaximum")) or 0.0, is_new)


def _member(entry: Any, host: Host) -> Member | None:
    """A roster entry, or None for one without a usable id."""
    subject = entry.get("user_id") if isinstance(entry, dict) else None
    if not isinstance(subject, str) or not is_identifier(subject):
        return None

    def text(key: str, limit: int = 100) -> str:
        value = entry.get(key)
        return clean(host.member_text(value), limit) if isinstance(value, str) else ""

    given = entry.get("roles")
    return Member(
        subject=subject,
        name=text("name"),
        given_name=text("given_name"),
        family_name=text("family_name"),
        email=text("email", 254),
        roles=frozenset(role for role in (given if isinstance(given, list) else []) if isinstance(role, str)),
        is_active=entry.get("status", "Active") == "Active",
    )
