"""Whatever a host answers about tokens, columns, scores, rosters and itself: a result or Unavailable, nothing else."""

import contextlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

import lti
from lms_plugin.db import pk
from lms_plugin.errors import Refused, Unavailable
from lms_plugin.net import Http
from lti import tokens
from tests.fuzzing import JSON, ODD, TEXT, examples
from tests.lti.desk import Desk
from tests.lti.test_services import SCOPES, SECRET, Fake, host

__all__ = ["host"]

NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
STATUS = st.sampled_from([200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["Link", "Location", "Retry-After", "Content-Type", "Content-Encoding", "Date"]),
    st.sampled_from(
        [
            "", "<", "<>; rel=next", '<?p=2>; rel="next"', "<http://127.0.0.1:1/x>; rel=next", "<https://[>; rel=next",
            "-1", "soon", "99999999999999999999", "Sun, 99 Nov 2026 05:00:00 GMT", "gzip", "text/html", "/token",
        ]
    ),
    max_size=3,
)  # fmt: skip
_KEYS = (  # noqa: SIM905 - words read better
    "access_token token_type expires_in scope error error_description id url scoreMaximum resourceId tag label "
    "resultScore resultMaximum userId members user_id status roles name email groups sets set_id group_enrollments"
).split()
THINGS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=6,
)
BODIES = THINGS.map(json.dumps) | st.dictionaries(st.sampled_from(_KEYS), THINGS).map(json.dumps) | TEXT | ODD
ANSWERS = st.tuples(STATUS, HEADERS, BODIES)
PATHS = ("GET /lineitems", "POST /lineitems", "GET /lineitems/1", "PUT /lineitems/1", "POST /lineitems/1/scores",
         "GET /lineitems/1/results", "GET /members", "GET /groups", "GET /jwks")  # fmt: skip
TOKEN = json.dumps({"access_token": "t", "expires_in": 3600})


def put(fake: Fake, path: str, answer: tuple[int, dict[str, str], str]) -> None:
    status, headers, body = answer
    text = body.encode("utf-8", "replace").decode()
    fake.answers[path] = [(status, "", {name.replace("-", "_"): value for name, value in headers.items()}, text)]


def calls(client: "lti.ServiceClient", base: str, now: datetime) -> list[Callable[[], Any]]:
    """Every kind of request that the product makes."""
    item = base + "/lineitems/1"
    column = {"resource_id": "r", "tag": "t", "label": "l", "maximum_hundredths": 300}
    score = {"subject": "8", "given_hundredths": 100, "maximum_hundredths": 300, "timestamp": now}
    return [
        client.access_token,
        lambda: client.find_or_create_line_item(base + "/lineitems", **column),
        lambda: client.resize_line_item(item, was_hundredths=200, **column),
        lambda: client.send_score(item, **score),
        lambda: client.roster(base + "/members", role="Learner", with_groups=True),
        lambda: client.groups(base + "/groups"),
        lambda: client.peek_members(base + "/members"),
    ]


def client_of(session: Session, fake: Fake, now: datetime, product: str) -> "lti.ServiceClient":
    desk = Desk(session, now, issuer=fake.base)
    desk.platform.product = product
    session.flush()
    http = Http(allow_loopback=True)
    return lti.service_client(session, pk(desk.platform), [*SCOPES, NRPS, lti.GROUPS_SCOPE], SECRET, http, now)


@examples(0.2)
@given(
    answers=st.dictionaries(st.sampled_from(PATHS), ANSWERS, min_size=4),
    product=st.sampled_from(["", "moodle", "openedx", "canvas", "desire2learn"]),
)
def test_columns_scores_and_rosters(
    session: Session, now: datetime, host: Fake, answers: dict[str, Any], product: str
) -> None:
    with session.begin_nested() as kept:
        host.answers.clear()
        host.will("POST /token", 200, TOKEN)
        for path, answer in answers.items():
            put(host, path, answer)
        for call in calls(client_of(session, host, now, product), host.base, now):
            with contextlib.suppress(Unavailable):
                call()
        kept.rollback()


@examples(0.3)
@given(answer=ANSWERS)
def test_tokens(session: Session, now: datetime, host: Fake, answer: Any) -> None:
    with session.begin_nested() as kept:
        host.answers.clear()
        put(host, "POST /token", answer)
        client = client_of(session, host, now, "")
        with contextlib.suppress(Unavailable):
            assert client.access_token()
        kept.rollback()


@examples(0.3)
@given(configuration=ANSWERS, answered=ANSWERS)
def test_configurations_and_registrations(host: Fake, configuration: Any, answered: Any) -> None:
    """What a platform says of itself, and what it answers to a registration."""
    host.answers.clear()
    put(host, "GET /openid", configuration)
    put(host, "POST /register", answered)
    http, tool = (
        Http(allow_loopback=True),
        lti.RegistrationTool(
            "https://tool.example", "https://tool.example/i.svg", {"": "T", "zh": "T", "en": "T"}, "d"
        ),
    )
    with contextlib.suppress(Refused):
        lti.read_offer(http, host.base + "/openid", "t")
    whole = {
        "issuer": host.base,
        "authorization_endpoint": host.base + "/auth",
        "token_endpoint": host.base + "/token",
        "jwks_uri": host.base + "/jwks",
        "registration_endpoint": host.base + "/register",
        "https://purl.imsglobal.org/spec/lti-platform-configuration": {
            "product_family_code": "x",
            "messages_supported": [],
        },
    }
    host.answers["GET /openid"] = [(200, "", {}, json.dumps(whole))]
    offer = lti.read_offer(http, host.base + "/openid", "t")
    with contextlib.suppress(Refused):
        found = lti.ask_registration(http, offer, lti.registration_request(offer, tool), "t")
        assert found.client_id


@examples(0.3)
@given(body=BODIES, kid=TEXT)
def test_key_sets(body: str, kid: str) -> None:
    """Key sets of any content name no key or usable ones."""
    try:
        found = json.loads(body)
    except ValueError:
        return
    if isinstance(found, dict):
        tokens.keys_of(found, kid)
        tokens.keys_of({"keys": [found, *found.values()]}, kid)
        tokens.keys_of({"keys": [{"kty": "RSA", "kid": kid, "n": value, "e": value} for value in found.values()]}, kid)
