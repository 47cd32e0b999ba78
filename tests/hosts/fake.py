"""Fake hosts over real HTTP: tokens, gradebook and roster of a course, each with its product's manners.

`Moodle` and `OpenEdx` behave as recorded with Moodle 4.5.6 and the Open edX consumer 9.13.4 (tests/hosts/test_fake.py
replays the recordings); `Host` is AGS 2.0 and NRPS 2.0 as written, `Canvas` and `Brightspace` differ from it in what
their documents say of the token's audience, of pages and of throttling.
"""

import html
import json
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.hosts import loopback

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM, READ, SCORE, RESULT = (_AGS + one for one in ("lineitem", "lineitem.readonly", "score", "result.readonly"))
NAMES = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
GROUPS = "https://purl.imsglobal.org/spec/lti-gs/scope/contextgroup.readonly"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
ITEM, ITEMS, RESULTS = (
    f"application/vnd.ims.lis.v2.{one}+json" for one in ("lineitem", "lineitemcontainer", "resultcontainer")
)
SCORES = "application/vnd.ims.lis.v1.score+json"
MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
GROUP_LIST, GROUP_SETS = (
    f"application/vnd.ims.lti-gs.v1.contextgroup{one}+json" for one in ("container", "setcontainer")
)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Asked:
    """A request as it came, and what was answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: str
    at: float = field(default_factory=time.monotonic)
    status: int = 0

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))

    @property
    def wants(self) -> str:
        """GET scores, POST token …: the method and the last word of the path."""
        return f"{self.method} {self.path.rstrip('/').rpartition('/')[2]}"

    def form(self) -> dict[str, str]:
        return {key: value[0] for key, value in parse_qs(self.body).items()}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """An answer. `body` None = empty; a string goes out as it is."""

    status: int = 200
    body: Any = None
    media: str = "application/json"
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        if self.body is None:
            return ""
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)


@dataclass
class Person:
    """Somebody on the roster. `is_graded`: the gradebook has a row for them."""

    key: str
    name: str = ""
    roles: tuple[str, ...] = (MEMBERSHIP + "Learner",)
    is_graded: bool = True
    status: str | None = "Active"
    more: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass
class Item:
    """A column. `course`: whose gradebook it stands in."""

    key: int
    course: str
    label: str
    maximum: float
    resource_id: str = ""
    tag: str = ""
    link: str = ""
    review: Any = None
    is_locked: bool = False
    is_dying: bool = False  # its activity was deleted, the host has not tidied up yet
    orphan: bool = False


@dataclass
class Grade:
    """One person's grade in one column; `value` in the column's own scale."""

    value: float | None
    at: datetime | None
    comment: str = ""
    scale: float | None = None  # of Open edX's results, which come back as they were sent
    is_overridden: bool = False


class Host:
    """AGS 2.0 and NRPS 2.0 as written. `audience` is what an assertion must be for; every token and request is kept in
    `asked`. `trouble` may answer before the host does its work, `cut` drops the connection after it."""

    product: ClassVar[str] = ""
    prefix: ClassVar[str] = ""
    page: ClassVar[int] = 0  # entries a page where the tool asks for none; 0 = all at once
    token_path: ClassVar[str] = "/token"
    token_kind: ClassVar[str] = "Bearer"
    token_media: ClassVar[str] = "application/json"

    def __init__(self, tool_keys: Callable[[], Mapping[str, Any]], client_id: str = "client-1") -> None:
        self.tool_keys = tool_keys
        self.client_id = client_id
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.url = ""
        self.granted = {LINE_ITEM, READ, SCORE, RESULT, NAMES}
        self.lasts: int | None = 3600
        self.people: dict[str, Person] = {}
        self.items: dict[int, Item] = {}
        self.links: set[str] = {"1"}
        self.grades: dict[tuple[int, str], Grade] = {}
        self.groups: list[dict[str, Any]] = []
        self.sets: list[dict[str, Any]] = []
        self.tokens: dict[str, tuple[set[str], datetime]] = {}
        self.jtis: set[str] = set()
        self.asked: list[Asked] = []
        self.trouble: Callable[[Asked], Said | None] = lambda _asked: None
        self.cut: Callable[[Asked], bool] = lambda _asked: False
        self.lock = threading.RLock()

    # --- for tests ---

    @property
    def audience(self) -> str:
        """For whom a client assertion must be."""
        return self.url + self.token_path

    @property
    def token_url(self) -> str:
        return self.url + self.token_path

    def lineitems(self, course: str = "2") -> str:
        """The `lineitems` of a launch from that course."""
        return f"{self.url}{self.prefix}/{course}/lineitems"

    def memberships(self, course: str = "2") -> str:
        """The `context_memberships_url` of a launch from that course."""
        return f"{self.url}{self.prefix}/{course}/memberships"

    def group_list(self, course: str = "2") -> str:
        """The `context_groups_url` of a launch from that course; its sets stand beside it."""
        return f"{self.url}{self.prefix}/{course}/groups"

    def item_url(self, key: int) -> str:
        return f"{self.lineitems(self.items[key].course)}/{key}"

    def requests(self, wants: str) -> list[Asked]:
        """What came of one kind ("POST scores", "POST token"), in order."""
        return [one for one in self.asked if one.wants == wants]

    def enrol(self, *people: Person) -> None:
        self.people |= {person.key: person for person in people}

    def add_item(self, **values: Any) -> Item:
        with self.lock:
            key = max(self.items, default=1) + 1
            made = Item(key, **{"course": "2", "label": "x", "maximum": 10, **values})
            self.items[key] = made
            return made

    def grade(self, key: int, person: str) -> float | None:
        """What a trainer sees in the gradebook."""
        found = self.grades.get((key, person))
        return found.value if found else None

    # --- one exchange ---

    def answer(self, asked: Asked) -> Said:
        said = self.trouble(asked)
        if said is not None:
            return said
        with self.lock:
            return self.serve(asked)

    def serve(self, asked: Asked) -> Said:
        if asked.path == self.token_path:
            return self.token(asked)
        base = re.escape(self.prefix)
        if found := re.fullmatch(base + r"/([^/]+)/lineitems", asked.path):
            return self.listing(asked, found[1])
        if found := re.fullmatch(base + r"/([^/]+)/lineitems/(\d+)(?:/(scores|results))?", asked.path):
            return self.below(asked, int(found[2]), found[3] or "")
        if found := re.fullmatch(base + r"/([^/]+)/memberships", asked.path):
            return self.roster(asked)
        if found := re.fullmatch(base + r"/([^/]+)/(groups|sets)", asked.path):
            return self.group_rows(asked, found[2])
        return Said(404)

    def below(self, asked: Asked, key: int, word: str) -> Said:
        act = {"scores": self.score, "results": self.results, "": self.item}[word]
        return act(asked, key)

    # --- tokens ---

    def token(self, asked: Asked) -> Said:
        form = asked.form()
        if asked.method != "POST" or not asked.header("Content-Type").startswith("application/x-www-form-urlencoded"):
            return self.no_token("invalid_request")
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != ASSERTION_TYPE:
            return self.no_token("unsupported_grant_type")
        head, claims, fault = self.read(form.get("client_assertion", ""))
        fault = fault or self.fault(head, claims)
        if fault:
            return self.no_token(fault)
        wanted = form.get("scope", "").split()
        scopes = [one for one in wanted if one in self.granted]
        if not scopes:
            return self.no_token("invalid_scope")
        return self.give_token(scopes)

    def give_token(self, scopes: list[str]) -> Said:
        token = secrets.token_hex(16)
        self.tokens[token] = set(scopes), self.clock() + timedelta(seconds=self.lasts or 3600)
        body = {"access_token": token, "token_type": self.token_kind, "scope": " ".join(scopes)}
        return Said(200, body | ({} if self.lasts is None else {"expires_in": self.lasts}), self.token_media)

    def no_token(self, fault: str) -> Said:
        return Said(400, {"error": fault}, self.token_media)

    def read(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Header, claims and fault of an assertion whose signature is ours."""
        try:
            found = jws.extract_compact(assertion.encode())
            head, claims = dict(found.headers()), json.loads(found.payload)
        except (JoseError, ValueError):
            return {}, {}, "invalid_request"
        if "kid" not in head:
            return head, claims, "kid missing"
        keys = [one for one in self.tool_keys()["keys"] if one["kid"] == head["kid"]]
        if not keys or keys[0].get("alg") != "RS256":
            return head, claims, "kid unknown"
        try:
            jws.deserialize_compact(assertion, RSAKey.import_key(keys[0]), algorithms=["RS256"])
        except (JoseError, ValueError):
            return head, claims, "signature"
        return head, claims, ""

    def fault(self, head: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """What is wrong with an assertion (RFC 7523, 3; LTI security framework 4.1.1), "" = nothing."""
        now = self.clock().timestamp()
        if head.get("alg") != "RS256":
            return "alg"
        if not claims.get("iss") == claims.get("sub") == self.client_id:
            return "iss and sub"
        if claims.get("aud") != self.audience:  # also a list, even one that holds it
            return "aud"
        if not isinstance(claims.get("exp"), int) or not now < claims["exp"] <= claims["iat"] + 300:
            return "exp"
        if not isinstance(claims.get("iat"), int) or not now - 300 < claims["iat"] <= now + 1:
            return "iat"
        if not claims.get("jti") or claims["jti"] in self.jtis:
            return "jti"
        self.jtis.add(claims["jti"])
        return ""

    def refuse(self, asked: Asked, *scopes: str) -> Said | None:
        """The answer to a request without a token of one of these scopes."""
        kind, _, token = asked.header("Authorization").partition(" ")
        held, until = self.tokens.get(token, (set(), self.clock()))
        if kind == "Bearer" and until > self.clock() and held & set(scopes):
            return None
        return Said(401, {"error": "invalid_token"}, headers={"WWW-Authenticate": "Bearer"})

    # --- columns ---

    def shape(self, item: Item) -> dict[str, Any]:
        """A column as the host writes it."""
        found = {
            "id": self.item_url(item.key),
            "label": item.label,
            "scoreMaximum": item.maximum,
            "resourceId": item.resource_id,
            "tag": item.tag,
        }
        return found | ({"resourceLinkId": item.link} if item.link else {})

    def of_course(self, asked: Asked, course: str) -> list[Item]:
        query = asked.query
        return [
            item
            for item in self.items.values()
            if item.course == course
            and not item.orphan
            and query.get("resource_id") in (None, item.resource_id)
            and query.get("tag") in (None, item.tag)
            and query.get("resource_link_id") in (None, item.link)
        ]

    def listing(self, asked: Asked, course: str) -> Said:
        if asked.method == "POST":
            return self.create(asked, course)
        if asked.header("Accept") not in ("", "*/*", ITEMS):
            return Said(406)
        refused = self.refuse(asked, LINE_ITEM, READ)
        if refused:
            return refused
        return self.paged(asked, [self.shape(item) for item in self.of_course(asked, course)], ITEMS)

    def paged(self, asked: Asked, rows: list[Any], media: str) -> Said:
        """One page, with several relations in one Link header (RFC 8288)."""
        size, start = int(asked.query.get("limit") or self.page or 0), int(asked.query.get("start") or 0)
        part = rows[start : start + size] if size else rows

        def link(at: int, rel: str) -> str:
            return f'<{self.url}{asked.path}?{urlencode({**asked.query, "limit": size, "start": at})}>; rel="{rel}"'

        links = [link(start, "current"), link(0, "first"), link(max(len(rows) - 1, 0) // (size or 1) * size, "last")]
        if size and start + size < len(rows):
            links.insert(1, link(start + size, "next"))
        return Said(200, part, media, headers={"Link": ",".join(links)} if size else {})

    def create(self, asked: Asked, course: str) -> Said:
        if asked.header("Content-Type") != ITEM:
            return Said(415)
        refused = self.refuse(asked, LINE_ITEM)
        if refused:
            return refused
        body = asked.json()
        if not body.get("label") or not body.get("scoreMaximum", 0) > 0:
            return Said(400, {"error": "label and scoreMaximum"})
        made = self.add_item(course=course, review=body.get("submissionReview"), **self.values(body))
        return Said(201, self.shape(made), ITEM)

    def values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What of a posted column is kept."""
        return {
            "label": body["label"],
            "maximum": body["scoreMaximum"],
            "resource_id": body.get("resourceId", ""),
            "tag": body.get("tag", ""),
            "link": body.get("resourceLinkId", ""),
        }

    def item(self, asked: Asked, key: int) -> Said:
        refused = self.refuse(asked, LINE_ITEM, *([READ] if asked.method == "GET" else []))
        if refused:
            return refused
        found = self.items.get(key)
        if found is None or found.orphan:
            return self.gone(asked, key)
        if asked.method == "DELETE":
            del self.items[key]
            return Said(204)
        if asked.method == "PUT":
            return self.replace(asked, found)
        return Said(200, self.shape(found), ITEM)

    def gone(self, asked: Asked, key: int) -> Said:
        return Said(404)

    def replace(self, asked: Asked, item: Item) -> Said:
        """A PUT: what is left out is blanked, grades keep their share of the maximum."""
        if asked.header("Content-Type").partition(";")[0] != ITEM:
            return Said(415)
        body = asked.json()
        before = item.maximum
        for name, value in (self.values(body) | {"review": body.get("submissionReview")}).items():
            setattr(item, name, value)
        for (key, _person), grade in self.grades.items():
            if key == item.key and grade.value is not None and before:
                grade.value = round(grade.value * item.maximum / before, 5)
        return Said(200, self.shape(item), ITEM)

    # --- scores ---

    def score(self, asked: Asked, key: int) -> Said:
        if asked.header("Content-Type") != SCORES:
            return Said(415)
        refused = self.refuse(asked, SCORE)
        if refused:
            return refused
        item = self.items.get(key)
        if item is None:
            return self.gone(asked, key)
        body = asked.json()
        person = self.people.get(body["userId"])
        if person is None or not person.is_graded:
            return self.no_learner(asked)
        at, held = datetime.fromisoformat(body["timestamp"]), self.grades.get((key, person.key))
        if held and held.at and at <= held.at:
            return Said(409)
        value = body["scoreGiven"] / body["scoreMaximum"] * item.maximum if "scoreGiven" in body else None
        self.grades[key, person.key] = Grade(value, at, body.get("comment", ""))
        return Said(204)

    def no_learner(self, asked: Asked) -> Said:
        """The answer for somebody who is not graded there."""
        return Said(403, {"error": "user is not enrolled"})

    def results(self, asked: Asked, key: int) -> Said:
        if asked.header("Accept") not in ("*/*", RESULTS):
            return Said(406)
        refused = self.refuse(asked, RESULT)
        if refused:
            return refused
        if key not in self.items:
            return self.gone(asked, key)
        return self.paged(asked, self.result_rows(key, asked.query.get("user_id")), RESULTS)

    def result_rows(self, key: int, person: str | None) -> list[dict[str, Any]]:
        """The results of one person, or of all."""
        maximum = self.items[key].maximum
        return [
            {"id": f"{self.item_url(key)}/results/{who}", "userId": who, "scoreOf": self.item_url(key)}
            | ({} if grade.value is None else {"resultScore": grade.value, "resultMaximum": maximum})
            | ({"comment": grade.comment} if grade.comment else {})
            for (column, who), grade in self.grades.items()
            if column == key and person in (None, who)
        ]

    # --- the roster ---

    def member(self, person: Person) -> dict[str, Any]:
        named = {"name": person.name} if person.name else {}
        status = {} if person.status is None else {"status": person.status}
        return {"user_id": person.key, "roles": list(person.roles), **named, **status, **person.more}

    def groups_of(self, person: str) -> list[dict[str, str]]:
        return [{"group_id": one} for one in self.people[person].groups]

    def group_rows(self, asked: Asked, name: str) -> Said:
        """The course's groups, or the sets that they belong to."""
        if asked.header("Accept") != {"groups": GROUP_LIST, "sets": GROUP_SETS}[name]:
            return Said(406)
        refused = self.refuse(asked, GROUPS)
        if refused:
            return refused
        said = self.paged(asked, self.groups if name == "groups" else self.sets, GROUP_LIST)
        said.body = {"id": self.url + asked.path, name: said.body}
        return said

    def roster(self, asked: Asked) -> Said:
        if asked.header("Accept") not in ("*/*", MEMBERS):
            return Said(406)
        refused = self.refuse(asked, NAMES)
        if refused:
            return refused
        role = asked.query.get("role", "")
        rows = [
            self.member(person)
            for person in self.people.values()
            if not role or any(one.rpartition("#")[2] == role.rpartition("#")[2] for one in person.roles)
        ]
        if asked.query.get("groups") == "true":
            rows = [row | {"group_enrollments": self.groups_of(str(row["user_id"]))} for row in rows]
        said = self.paged(asked, rows, MEMBERS)
        said.body = {"id": self.url + asked.path, "context": {"id": "2"}, "members": said.body}
        return said


class Canvas(Host):
    """A Canvas-like host: assertions are for one address of the cloud, not for its own token address; pages of ten with
    all relations in one header; throttling is a 403; a person who is not graded is a 422."""

    product = "canvas"
    page = 10
    prefix = "/api/lti/courses"
    token_path = "/login/oauth2/token"
    audience = "https://canvas.instructure.com/login/oauth2/token"

    def no_learner(self, asked: Asked) -> Said:
        return Said(
            422, {"errors": {"type": "unprocessable_entity", "message": "User not found in course or is not a student"}}
        )


THROTTLED = Said(403, "403 Forbidden (Rate Limit Exceeded)\n", "text/plain", headers={"X-Rate-Limit-Remaining": "0.0"})


class Brightspace(Host):
    """A Brightspace-like host: assertions are for an address that is none of its own, as a string, never a list."""

    product = "desire2learn"
    prefix = "/d2l/api/lti/ags/2.0/deployment/d/orgunit"
    token_path = "/core/connect/token"
    audience = "https://api.brightspace.com/auth/token"

    def no_learner(self, asked: Asked) -> Said:
        return Said(403, {"title": "User in requested score is not enrolled in the org unit"})


class Moodle(Host):
    """Moodle 4.5.6. The gradebook compares whole seconds; a refused score explains itself in the status line, where a
    line break of the body makes a success of it; anything but FullyGraded wipes the grade."""

    product = "moodle"
    prefix = "/mod/lti/services.php"
    token_path = "/mod/lti/token.php"
    token_media = "text/html; charset=utf-8"
    courses: ClassVar[set[str]] = {"2", "3"}

    def lineitems(self, course: str = "2") -> str:
        return f"{super().lineitems(course)}?type_id=1"

    def memberships(self, course: str = "2") -> str:
        return f"{self.url}{self.prefix}/CourseSection/{course}/bindings/1/memberships"

    def item_url(self, key: int) -> str:
        return f"{self.url}{self.prefix}/{self.items[key].course}/lineitems/{key}/lineitem?type_id=1"

    def serve(self, asked: Asked) -> Said:
        if asked.path == self.token_path:
            return self.token(asked)
        path = asked.path.removeprefix(self.prefix)
        if found := re.fullmatch(r"/(?:CourseSection|Group)/([^/]+)/bindings/\d+/memberships", path):
            return self.no_course(asked, found[1]) or self.roster(asked)
        if found := re.fullmatch(r"/([^/]+)/lineitems", path):
            return self.no_course(asked, found[1]) or self.listing(asked, found[1])
        if found := re.fullmatch(r"/([^/]+)/lineitems/(\d+)/lineitem(?:/(scores|results))?", path):
            return self.below(asked, int(found[2]), found[3] or "")
        return Said(404)

    def explained(self, asked: Asked, status: int, reason: str) -> Said:
        """The JSON of an error; the status line says the same without the blank at its end."""
        target = asked.path + (f"?{urlencode(asked.query)}" if asked.query else "")
        request = {
            "method": asked.method,
            "url": target,
            "accept": asked.header("Accept"),
            "contentType": asked.header("Content-Type"),
        }
        body = {"status": status, "reason": reason, "request": request}
        return Said(status, body, "application/json; charset=utf-8", reason.strip())

    def no_course(self, asked: Asked, course: str) -> Said | None:
        return (
            None if course in self.courses else self.explained(asked, 404, f"Not Found: Course {course} doesn't exist")
        )

    def no_handler(self, asked: Asked) -> Said:
        accept = asked.header("Accept").replace("*/*", "")
        path = asked.path.removeprefix(self.prefix)
        return self.explained(asked, 400, f"No handler found for {path} {accept} {asked.header('Content-Type')}")

    def refuse(self, asked: Asked, *scopes: str) -> Said | None:
        return super().refuse(asked, *scopes) and self.explained(asked, 401, "Unauthorized")

    def gone(self, asked: Asked, key: int) -> Said:
        return self.explained(asked, 404, f"Not Found: Grade item {key} doesn't exist")

    def token(self, asked: Asked) -> Said:
        form = asked.form()
        is_form = asked.header("Content-Type").startswith("application/x-www-form-urlencoded")
        if asked.method != "POST" or not is_form or not form.get("scope"):
            return self.no_token("invalid_request")
        return super().token(asked)

    def no_token(self, fault: str) -> Said:
        if fault == "kid unknown":  # no JSON, as recorded
            body: Any = '{\r\n  "error" : ""kid" invalid, unable to lookup correct key"\r\n}'
            return Said(400, body, self.token_media)
        words = {
            "kid missing": "error/Error: kid must be provided in JWT header.",
            "signature": "Signature verification failed",
        }
        return Said(400, {"error": words.get(fault, fault)}, self.token_media)

    def fault(self, head: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Audience, issuer, jti and length are not looked at; its clock has no leeway."""
        now = int(self.clock().timestamp())
        if "sub" not in claims:
            return "invalid_request"
        if claims["sub"] != self.client_id:
            return "invalid_client"
        for name in ("nbf", "iat"):
            if claims.get(name, 0) > now:
                at = datetime.fromtimestamp(claims[name], UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
                return f"Cannot handle token with {name} prior to {at}"
        return "Expired token" if claims.get("exp", now + 1) <= now else ""

    def shape(self, item: Item) -> dict[str, Any]:
        found = super().shape(item)
        if item.link:
            found["ltiLinkId"] = item.link
        if item.review:
            found["submissionReview"] = item.review
        return found

    def listing(self, asked: Asked, course: str) -> Said:
        if asked.method == "POST":
            return self.create(asked, course)
        if asked.header("Accept") not in ("", "*/*", ITEMS):
            return self.no_handler(asked)
        refused = self.refuse(asked, LINE_ITEM, READ)
        if refused:
            return refused
        if asked.header("Accept") == "*/*":
            return self.explained(asked, 400, "No context or unsupported content type")
        rows = [self.shape(item) for item in self.of_course(asked, course)]
        return self.paged(asked, rows, ITEMS + "; charset=utf-8")

    def paged(self, asked: Asked, rows: list[Any], media: str) -> Said:
        """Everything where no limit is asked for; else a Link header that no parser reads: curly quotes and &amp;."""
        size, start = int(asked.query.get("limit") or 0), int(asked.query.get("from") or 0)
        if not size:
            return Said(200, rows, media)

        def link(at: int, rel: str) -> str:
            query = urlencode({**asked.query, "limit": size, "from": at})
            return f"<{self.url}{asked.path}?{query.replace('&', '&amp;')}>; rel=“{rel}”"

        links = [link(0, "first"), link(start, "canonical"), link(max(len(rows) - size, 0), "last")]
        if start + size < len(rows):
            links.insert(2, link(start + size, "next"))
        return Said(200, rows[start : start + size], media, headers={"Link": ", ".join(links)})

    def create(self, asked: Asked, course: str) -> Said:
        if asked.header("Content-Type").partition(";")[0] != ITEM:
            return self.no_handler(asked)
        refused = self.refuse(asked, LINE_ITEM)
        if refused:
            return refused
        body = asked.json()
        if "label" not in body or "scoreMaximum" not in body:
            return self.explained(asked, 400, "No label or Score Maximum")
        link = str(body.get("resourceLinkId", ""))
        if len(body["label"]) > 255 or (link and not link.isdigit()):
            return self.broken()
        if link and link not in self.links:
            return self.explained(asked, 403, "Forbidden")
        made = self.add_item(course=course, **self.values(body))
        if len(made.resource_id) > 512 or len(made.tag) > 255:
            made.orphan = True  # a column that nobody can reach any more
            return self.broken()
        return Said(201, {**body, "id": self.item_url(made.key)}, ITEM + "; charset=utf-8")

    def broken(self) -> Said:
        """Moodle says status 0, which nginx makes a 502."""
        return Said(502, "<html><head><title>502 Bad Gateway</title></head></html>", "text/html", "Bad Gateway")

    def item(self, asked: Asked, key: int) -> Said:
        if asked.method == "POST" or asked.header("Accept") not in ("", "*/*", ITEM):
            return self.no_handler(asked)
        said = super().item(asked, key)
        if said.status == 204:
            said.reason, said.media = "OK", "text/html; charset=utf-8"
        said.media += "; charset=utf-8" if said.media == ITEM else ""
        return said

    def replace(self, asked: Asked, item: Item) -> Said:
        if asked.header("Content-Type").partition(";")[0] != ITEM:
            return self.no_handler(asked)
        body = asked.json()
        before = item.resource_id, item.tag, item.review
        link = item.link
        super().replace(asked, item)
        if "resourceLinkId" not in body and before == (item.resource_id, item.tag, item.review):
            item.link = link  # it is unlinked only where something else of these changes too
        return Said(200, {**body, "id": self.item_url(item.key)}, ITEM)

    def score(self, asked: Asked, key: int) -> Said:
        media = SCORES + "; charset=utf-8"
        if asked.method != "POST":
            return self.explained(asked, 405, "Method Not Allowed")
        if asked.header("Content-Type").partition(";")[0] != SCORES:
            return self.no_handler(asked)
        refused = self.refuse(asked, SCORE)
        if refused:
            return refused
        item = self.items.get(key)
        if item is None or item.orphan:
            return self.gone(asked, key)
        rejected = Said(400, [], media, "Incorrect score received" + asked.body)
        if "\n" in asked.body or "\r" in asked.body:  # PHP refuses such a header, and the status stays what it was
            rejected = Said(200, [], media)
        try:
            body = asked.json()
            person = self.people.get(str(body["userId"]))
            at = datetime.fromisoformat(body["timestamp"]).replace(microsecond=0)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            is_final = body["gradingProgress"] == "FullyGraded" and bool(body["activityProgress"])
            value = None
            if "scoreGiven" in body:
                share = float(body["scoreGiven"]) / (float(body["scoreMaximum"]) or 1.0)
                value = round(min(max(share, 0.0), 1.0) * item.maximum, 5)
        except (KeyError, TypeError, ValueError):
            return rejected
        if person is None or not person.is_graded:
            return rejected
        if item.is_locked or item.is_dying:
            return Said(500, [], media, "Internal Server Error")
        held = self.grades.get((key, person.key))
        if held and held.at and at <= held.at:
            why = f"Refusing score with an earlier timestamp for item {key} and user {person.key}"
            return Said(409, [], media, why)
        if held and held.is_overridden and item.link:
            return Said(200, None, media)  # and the trainer's value stays
        if not is_final and item.link:
            self.grades.pop((key, person.key), None)
        elif not is_final:
            self.grades[key, person.key] = Grade(None, self.clock().replace(microsecond=0))
        else:
            self.grades[key, person.key] = Grade(value, at, body.get("comment", ""))
        return Said(200, None, media)

    def results(self, asked: Asked, key: int) -> Said:
        if asked.header("Accept") not in ("", "*/*", RESULTS):
            return self.no_handler(asked)
        if "limit" in asked.query and "type_id" in asked.query:
            return Said(404, "<html>Call to a member function out() on null</html>", "text/html; charset=utf-8")
        said = super().results(asked, key)
        said.media += "; charset=utf-8" if said.media == RESULTS else ""
        return said

    def result_rows(self, key: int, person: str | None) -> list[dict[str, Any]]:
        found = super().result_rows(key, person)
        for row in found:
            base = self.item_url(key).partition("?")[0]
            row["id"] = f"{base}/results?type_id=1&user_id={row['userId']}"
            held = self.grades[key, row["userId"]]
            if held.value is None:
                del row["scoreOf"]
            elif held.at:
                row["timestamp"] = held.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        return found

    def member(self, person: Person) -> dict[str, Any]:
        """HTML in names, short roles; who may not edit is a Learner here, whatever the launch said."""
        found = {"status": "Active", "roles": [one.rpartition("#")[2] for one in person.roles], "user_id": person.key}
        found["lis_person_sourcedid"] = ""
        if person.name:
            found["name"] = html.escape(person.name, quote=False)
        return found | {key: html.escape(value, quote=False) for key, value in person.more.items()}

    def roster(self, asked: Asked) -> Said:
        if asked.header("Accept") not in ("*/*", MEMBERS):
            return self.no_handler(asked)
        refused = self.refuse(asked, NAMES)
        if refused:
            return refused
        rlid, role = asked.query.get("rlid", ""), asked.query.get("role", "").rpartition("#")[2]
        if rlid and rlid not in self.links:
            return self.explained(asked, 404, f"Not Found: LTI link {rlid} doesn't exist")
        rows = [self.member(person) for person in self.people.values() if person.status == "Active"]
        if role in ("Learner", "Instructor"):  # any other value gives everybody
            rows = [row for row in rows if role in row["roles"]]
        size, start = int(asked.query.get("limit") or 0), int(asked.query.get("from") or 0)
        headers = {}
        if size and start + size < len(rows):
            kept = {"limit": size, "from": start + size} | ({"rlid": rlid} if rlid else {})  # the role is lost
            headers = {"Link": f'<{self.url}{asked.path}?{urlencode(kept)}>; rel="next"'}
        part = rows[start : start + size] if size else rows
        body = {"id": self.url + asked.path, "context": {"id": "2", "label": "ITC-101", "title": "IT"}, "members": part}
        return Said(200, body, MEMBERS + "; charset=utf-8", headers=headers)


class OpenEdx(Host):
    """The Open edX consumer 9.13.4: 403 where others say 401, 400 for a timestamp, whole maxima, nothing in pages, a
    zero that reaches nobody's gradebook, and a result of one person only at an address of its own."""

    product = "openedx"
    prefix = "/api/lti_consumer/v1"
    token_path = "/api/lti_consumer/v1/token/76c32bc8"
    token_kind = "bearer"

    def __init__(self, tool_keys: Callable[[], Mapping[str, Any]], client_id: str = "client-1") -> None:
        super().__init__(tool_keys, client_id)
        self.published: list[tuple[str, float]] = []  # what reached the course's own gradebook: whose, which share

    def lineitems(self, course: str = "2") -> str:
        return f"{self.url}{self.prefix}/lti/{course}/lti-ags"

    def memberships(self, course: str = "2") -> str:
        return f"{self.url}{self.prefix}/lti/{course}/memberships"

    def serve(self, asked: Asked) -> Said:
        path = asked.path.removeprefix(self.prefix)
        if asked.path == self.token_path:
            return self.token(asked)
        if found := re.fullmatch(r"/lti/([^/]+)/lti-ags", path):
            return self.listing(asked, found[1])
        if found := re.fullmatch(r"/lti/([^/]+)/lti-ags/(\d+)/results/([^/.]*)", path):
            return self.refuse(asked, RESULT) or Said(200, self.result_rows(int(found[2]), found[3] or None), RESULTS)
        if found := re.fullmatch(r"/lti/([^/]+)/lti-ags/(\d+)(/scores)?", path):
            return self.below(asked, int(found[2]), "scores" if found[3] else "")
        if re.fullmatch(r"/lti/([^/]+)/memberships", path):
            return self.roster(asked)
        return Said(404, "<!DOCTYPE html>", "text/html; charset=utf-8")

    def token(self, asked: Asked) -> Said:
        form = asked.form()
        if not {"grant_type", "client_assertion_type", "client_assertion", "scope"} <= set(form):
            return self.no_token("invalid_request")
        if form["grant_type"] != "client_credentials":
            return self.no_token("unsupported_grant_type")
        _head, claims, fault = self.read(form["client_assertion"])
        if fault:
            return self.no_token("invalid_grant" if fault == "invalid_request" else "invalid_client")
        now = self.clock().timestamp()
        if claims.get("exp", now + 1) <= now or claims.get("iat", now) > now + 1:
            return self.no_token("unidentified_error")
        return self.give_token([one for one in form["scope"].split() if one in self.granted])

    def refuse(self, asked: Asked, *scopes: str) -> Said | None:
        kind, _, token = asked.header("Authorization").partition(" ")
        held, until = self.tokens.get(token, (set(), self.clock()))
        if kind != "Bearer":
            return Said(403, {"detail": "Missing LTI 1.3 authentication token."}, ITEMS)
        if until <= self.clock():
            return Said(403, {"detail": "Invalid token signature."}, ITEMS)
        if not held & set(scopes):
            return Said(403, {"detail": "You do not have permission to perform this action."}, ITEMS)
        return None

    def shape(self, item: Item) -> dict[str, Any]:
        return {
            "id": self.item_url(item.key),
            "resourceId": item.resource_id,
            "scoreMaximum": int(item.maximum),
            "label": item.label,
            "tag": item.tag,
            "resourceLinkId": item.link or None,
            "startDateTime": None,
            "endDateTime": None,
        }

    def negotiate(self, asked: Asked, *media: str) -> Said | None:
        if asked.header("Accept") in ("", "*/*", *media):
            return None
        return Said(406, {"detail": "Could not satisfy the request Accept header."}, ITEMS)

    def listing(self, asked: Asked, course: str) -> Said:
        wrong = self.negotiate(asked, ITEMS, ITEM)
        if wrong or asked.method == "POST":
            return wrong or self.create(asked, course)
        refused = self.refuse(asked, LINE_ITEM, READ)
        return refused or Said(200, [self.shape(item) for item in self.of_course(asked, course)], ITEMS)

    def create(self, asked: Asked, course: str) -> Said:
        refused = self.refuse(asked, LINE_ITEM)
        if refused:
            return refused
        media = ITEMS if asked.header("Accept") == "*/*" else ITEM
        body = self.checked(asked)
        if isinstance(body, Said):
            return body
        made = self.add_item(course=course, **self.values(body))
        return Said(201, self.shape(made), media)

    def checked(self, asked: Asked) -> Any:
        """The body of a column, or the answer that refuses it."""
        kind = asked.header("Content-Type")
        if kind != ITEM:
            return Said(415, {"detail": f'Unsupported media type "{kind}" in request.'}, ITEMS)
        body = asked.json()
        if not isinstance(body.get("scoreMaximum"), int):
            return Said(400, {"scoreMaximum": ["A valid integer is required."]}, ITEM)
        if not body.get("resourceId"):
            return Said(400, {"resourceId": ["This field is required."]}, ITEM)
        return body

    def item(self, asked: Asked, key: int) -> Said:
        wrong = self.negotiate(asked, ITEM, ITEMS)
        if wrong:
            return wrong
        if asked.method == "DELETE":
            return Said(403, {"detail": "You do not have permission to perform this action."}, ITEMS)
        return super().item(asked, key)

    def replace(self, asked: Asked, item: Item) -> Said:
        body = self.checked(asked)
        return body if isinstance(body, Said) else super().replace(asked, item)

    def score(self, asked: Asked, key: int) -> Said:
        refused = self.refuse(asked, SCORE)
        if refused:
            refused.media = SCORES
            return refused
        if asked.header("Content-Type") not in (SCORES, "application/json"):
            return Said(415, {"detail": "Unsupported media type in request."}, SCORES)
        item, body = self.items.get(key), asked.json()
        if item is None:
            return Said(404, {"detail": "Not found."}, SCORES)
        if "scoreGiven" in body and "scoreMaximum" not in body:
            said = "scoreMaximum is a required field when providing a scoreGiven value."
            return Said(400, {"scoreMaximum": [said]}, SCORES)
        at = datetime.fromisoformat(body["timestamp"])
        at, who = at if at.tzinfo else at.replace(tzinfo=UTC), body["userId"]
        known = body["gradingProgress"] in ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady")
        if who not in self.people or not known:
            return Said(500, "<!DOCTYPE html>", "text/html; charset=utf-8")
        held = self.grades.get((key, who))
        if held and held.at and at <= held.at:
            same = "Score already exists for the provided timestamp"
            older = "Score timestamp can only be updated to a later point in time"
            return Said(400, {"timestamp": [same if at == held.at else older]}, SCORES)
        given, maximum = body.get("scoreGiven"), body.get("scoreMaximum")
        self.grades[key, who] = Grade(given, at, body.get("comment", ""), maximum)
        if given and maximum and body["gradingProgress"] == "FullyGraded" and item.link:
            self.published.append((who, min(given / maximum, 1.0)))
        stamp = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        echo = {name: body.get(name) for name in ("userId", "activityProgress", "gradingProgress", "comment")}
        numbers = {"scoreGiven": _float(given), "scoreMaximum": _float(maximum)}
        return Said(201, {**echo, **numbers, "timestamp": stamp}, SCORES)

    def result_rows(self, key: int, person: str | None) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{self.item_url(key)}/results/{who}",
                "scoreOf": self.item_url(key),
                "userId": who,
                "resultScore": _float(grade.value),
                "resultMaximum": _float(grade.scale),
                "comment": grade.comment,
            }
            for (column, who), grade in self.grades.items()
            if column == key and person in (None, who) and grade.value is not None
        ]

    def roster(self, asked: Asked) -> Said:
        """Neither role nor rlid nor limit is looked at."""
        if asked.header("Accept") not in ("*/*", MEMBERS):
            return Said(406, {"detail": "Could not satisfy the request Accept header."}, MEMBERS)
        refused = self.refuse(asked, NAMES)
        if refused:
            return refused
        rows = [self.member(person) for person in self.people.values()]
        target = self.url + asked.path + (f"?{urlencode(asked.query)}" if asked.query else "")
        return Said(200, {"id": target, "context": {"id": "course-v1:DNU+ICT101+2026"}, "members": rows}, MEMBERS)


def _float(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """The host on a loopback port."""

    class Handler(loopback.Handler):
        protocol_version = "HTTP/1.0"

        def serve(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            asked = Asked(self.command, parts.path, query, self.headers, self.heard().decode())
            with host.lock:
                host.asked.append(asked)
            said = host.answer(asked)
            asked.status = said.status
            if host.cut(asked):
                return  # the connection ends without a word
            content = said.text().encode()
            reason = said.reason.encode().decode("latin-1") or None
            self.send_response(said.status, reason)
            self.send_header("Content-Type", said.media)
            for name, value in said.headers.items():
                self.send_header(name, value.encode().decode("latin-1"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = serve

    with loopback.handled(Handler) as port:
        host.url = f"http://127.0.0.1:{port}"
        yield host
