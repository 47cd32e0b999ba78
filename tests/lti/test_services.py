"""Keys, tokens, columns, scores and rosters against a host that answers as the recorded ones do."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlmodel import Session, select

import lti
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.errors import Refused, Unavailable
from lms_plugin.net import Answer, Http
from lti.hosts import TABLE, Canvas, Host, Line, Moodle, OpenEdx, Outcome, host_of
from lti.services import links
from tests.hosts import loopback, resign
from tests.lti.desk import CLAIMS, Desk

SECRET = "a secret of the installation"
AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
SCOPES = [AGS + "lineitem", AGS + "score", AGS + "result.readonly"]


@dataclass
class Fake:
    """What the host will answer, by method and path, and what it was asked."""

    answers: dict[str, list[tuple[int, str, dict[str, str], str]]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    base: str = ""

    def will(self, what: str, status: int, body: Any = "", reason: str = "", **headers: str) -> None:
        """Adds an answer; the last one of a path stays."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers.setdefault(what, []).append((status, reason, headers, text))

    def bodies(self, path: str) -> list[str]:
        """Bodies posted to a path."""
        return [body for method, asked, _, body in self.asked if method == "POST" and asked.partition("?")[0] == path]


@pytest.fixture
def host() -> Iterator[Fake]:
    fake = Fake()

    class Handler(loopback.Handler):
        def handle_one(self) -> None:
            fake.asked.append((self.command, self.path, dict(self.headers), self.heard().decode()))
            listed = fake.answers.get(f"{self.command} {self.path.partition('?')[0]}", [(404, "", {}, "")])
            status, reason, headers, text = listed.pop(0) if len(listed) > 1 else listed[0]
            self.say(status, text, reason=reason, **headers)

        do_GET = do_POST = do_PUT = handle_one

    with loopback.handled(Handler) as port:
        fake.base = f"http://127.0.0.1:{port}"
        yield fake


@pytest.fixture
def client(session: Session, now: datetime, host: Fake) -> lti.ServiceClient:
    desk = Desk(session, now, issuer=host.base)
    host.will("POST /token", 200, {"access_token": "tok-1", "expires_in": 3600}, Content_Type="text/html")
    host.will("POST /token", 200, {"access_token": "tok-2", "expires_in": 3600})
    return lti.service_client(session, pk(desk.platform), SCOPES, SECRET, Http(allow_loopback=True), now)


def test_the_private_key_is_kept_encrypted_and_the_public_one_is_shown(session: Session, now: datetime) -> None:
    row = lti.ensure_tool_key(session, SECRET, now)
    assert lti.ensure_tool_key(session, SECRET, now).kid == row.kid
    assert "PRIVATE" not in row.private_encrypted
    (shown,) = lti.tool_jwks(session, now)["keys"]
    assert set(shown) == {"kty", "n", "e", "alg", "use", "kid"}
    with pytest.raises(Unavailable) as caught:
        from_other(session, now)
    assert caught.value.code == "keys.secret_changed"


def test_a_lost_secret_costs_new_keys_and_no_score(session: Session, now: datetime, client: lti.ServiceClient) -> None:
    """What the refusal advises: `nengli platform rotate-keys --at-once` under the new secret. Tokens that were kept
    under the old one are asked for anew."""
    client.access_token()
    client.keep(session, SECRET)
    with pytest.raises(Unavailable):
        lti.service_client(session, client.client.platform_id, SCOPES, "another secret", client.http, now)
    lti.rotate_key(session, "another secret", now, at_once=True)
    again = lti.service_client(session, client.client.platform_id, SCOPES, "another secret", client.http, now)
    assert again.token == ""
    assert again.access_token() == "tok-2"


def from_other(session: Session, now: datetime) -> None:
    desk = Desk(session, now)
    lti.service_client(session, pk(desk.platform), [], "another secret", Http(), now)


def test_a_token_is_asked_for_with_a_signed_assertion_and_kept(
    session: Session, now: datetime, host: Fake, client: lti.ServiceClient
) -> None:
    assert client.access_token() == "tok-1"
    form = {key: value[0] for key, value in parse_qs(host.bodies("/token")[0]).items()}
    assert form["grant_type"] == "client_credentials"
    assert set(form["scope"].split()) == set(SCOPES)
    assertion = jwt.decode(form["client_assertion"], KeySet.import_key_set(lti.tool_jwks(session, now)), ["RS256"])
    assert assertion.header["kid"] == client.client.kid
    assert assertion.claims["iss"] == assertion.claims["sub"] == "client-1"
    assert assertion.claims["aud"] == host.base + "/token"
    assert assertion.claims["iat"] < now.timestamp() < assertion.claims["exp"] <= assertion.claims["iat"] + 300
    client.keep(session, SECRET)
    kept = session.exec(select(lti.AccessToken)).one()
    assert "tok-1" not in kept.token_encrypted
    again = lti.service_client(session, client.client.platform_id, SCOPES, SECRET, client.http, now)
    assert (again.token, again.access_token()) == ("tok-1", "tok-1")
    assert len(host.bodies("/token")) == 1
    later = lti.service_client(
        session, client.client.platform_id, SCOPES, SECRET, client.http, now + timedelta(hours=1)
    )
    assert later.token == ""


@pytest.mark.parametrize(
    ("status", "body", "code", "permanent"),
    [
        (400, '{"error" : ""kid" invalid, unable to lookup correct key"}', "ags.token_refused", True),
        (503, "", "ags.token_refused", False),
        (200, "<html>", "net.not_json", False),
        (200, "[]", "ags.token_refused", True),
        (200, '{"access_token": "x", "scope": ""}', "ags.scope_refused", True),
    ],
)
def test_a_token_that_is_not_given(
    host: Fake, client: lti.ServiceClient, status: int, body: str, code: str, permanent: bool
) -> None:
    host.answers["POST /token"] = [(status, "", {}, body)]
    with pytest.raises(Unavailable) as caught:
        client.access_token()
    assert (caught.value.code, caught.value.permanent) == (code, permanent)


def column(client: lti.ServiceClient, host: Fake, path: str = "/2/lineitems?type_id=1") -> Any:
    return client.find_or_create_line_item(
        host.base + path, resource_id="nengli:p:hours", tag="hours", label="学时" * 200, maximum_hundredths=2550
    )


def test_a_column_is_found_before_one_is_made(host: Fake, client: lti.ServiceClient) -> None:
    mine = {"id": host.base + "/2/lineitems/7", "scoreMaximum": 25.5, "resourceId": "nengli:p:hours", "tag": "hours"}
    host.will("GET /2/lineitems", 200, [{**mine, "id": "x", "tag": "other"}, mine])
    found = column(client, host)
    assert (found.url, found.maximum, found.is_new) == (mine["id"], 25.5, False)
    method, path, headers, _ = host.asked[-1]
    assert (method, path) == ("GET", "/2/lineitems?type_id=1&resource_id=nengli%3Ap%3Ahours")
    assert headers["Accept"] == "application/vnd.ims.lis.v2.lineitemcontainer+json"
    assert headers["Authorization"] == "Bearer tok-1"


@pytest.mark.parametrize(
    ("product", "link", "sent"), [("openedx", "b@1", "b@1"), ("openedx", "", None), ("", "b@1", None)]
)
def test_a_column_is_linked_where_the_gradebook_shows_no_others(
    host: Fake, client: lti.ServiceClient, product: str, link: str, sent: str | None
) -> None:
    """Open edX keeps the scores of a column without a link, and shows them to nobody."""
    client.product = product
    host.will("GET /2/lineitems", 200, [])
    host.will("POST /2/lineitems", 201, {"id": host.base + "/2/lineitems/9", "scoreMaximum": 3})
    ours = {"resource_id": "r", "tag": "t", "label": "能力点"}
    client.find_or_create_line_item(host.base + "/2/lineitems", **ours, maximum_hundredths=300, link=link)
    assert json.loads(host.bodies("/2/lineitems")[0]).get("resourceLinkId") == sent


def test_a_column_is_made_once(host: Fake, client: lti.ServiceClient) -> None:
    host.will("GET /2/lineitems", 200, [])
    host.will("POST /2/lineitems", 201, {"id": host.base + "/2/lineitems/9?type_id=1", "scoreMaximum": 25.5})
    assert column(client, host).is_new
    (body,) = host.bodies("/2/lineitems")
    sent = json.loads(body)
    assert (sent["scoreMaximum"], len(sent["label"]), "resourceLinkId" in sent) == (25.5, 255, False)
    assert "\n" not in body
    assert host.asked[-1][2]["Content-Type"] == "application/vnd.ims.lis.v2.lineitem+json"
    client.product = "openedx"
    column(client, host)
    assert json.loads(host.bodies("/2/lineitems")[1])["scoreMaximum"] == 26


def test_where_a_host_lets_us_make_no_column_there_is_none(host: Fake, client: lti.ServiceClient) -> None:
    client.client = replace(client.client, scopes=(AGS + "lineitem.readonly", AGS + "score"))
    host.will("GET /2/lineitems", 200, [])
    assert column(client, host) is None
    client.client, client.token = replace(client.client, scopes=(AGS + "score",)), ""
    assert column(client, host) is None
    assert client.find_or_create_line_item("", resource_id="r", tag="t", label="l", maximum_hundredths=100) is None


@pytest.mark.parametrize(("status", "permanent"), [(500, False), (429, False), (404, True), (400, True), (403, True)])
def test_a_gradebook_that_does_not_answer(host: Fake, client: lti.ServiceClient, status: int, permanent: bool) -> None:
    host.will("GET /2/lineitems", status, "{}", Retry_After="30")
    with pytest.raises(Unavailable) as caught:
        column(client, host)
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, 30)
    assert caught.value.code == ("ags.gone" if status == 404 else "ags.refused")


def send(client: lti.ServiceClient, host: Fake, comment: str = "") -> lti.Delivery:
    return client.send_score(
        host.base + "/2/lineitems/7/lineitem?type_id=1",
        subject="8",
        given_hundredths=1250,
        maximum_hundredths=2500,
        timestamp=lti.next_timestamp(None, client.now),
        comment=comment,
    )


SCORES = "POST /2/lineitems/7/lineitem/scores"


def test_a_score_is_one_line_at_the_right_address(host: Fake, client: lti.ServiceClient) -> None:
    client.product = "moodle"
    host.will(SCORES, 200, "")
    assert send(client, host, "实践\n12.5").outcome is lti.Outcome.DELIVERED
    method, path, headers, body = host.asked[-1]
    assert (method, path) == ("POST", "/2/lineitems/7/lineitem/scores?type_id=1")
    assert headers["Content-Type"] == "application/vnd.ims.lis.v1.score+json"
    assert headers["Accept"] == "*/*"
    assert "\n" not in body
    assert body.isascii()
    assert json.loads(body) == {
        "userId": "8",
        "scoreGiven": 12.5,
        "scoreMaximum": 25,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "timestamp": client.now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "comment": "实践\n12.5",
    }


def test_a_refused_token_is_renewed_once(session: Session, host: Fake, client: lti.ServiceClient) -> None:
    client.access_token()
    host.will(SCORES, 401)
    host.will(SCORES, 201, "{}")
    assert send(client, host).outcome is lti.Outcome.DELIVERED
    assert [headers["Authorization"] for _, path, headers, _ in host.asked if "scores" in path] == [
        "Bearer tok-1",
        "Bearer tok-2",
    ]
    client.keep(session, SECRET)
    assert (
        lti.service_client(session, client.client.platform_id, SCOPES, SECRET, client.http, client.now).token == "tok-2"
    )
    host.answers[SCORES] = [(403, "", {}, '{"detail": "no"}')]
    asked = len(host.bodies("/token"))
    assert send(client, host).outcome is lti.Outcome.PERMANENT
    assert len(host.bodies("/token")) == asked + 1


def test_a_score_the_host_has_already_is_delivered(host: Fake, client: lti.ServiceClient) -> None:
    results = "GET /2/lineitems/7/lineitem/results"
    host.will(SCORES, 409)
    host.will(results, 200, [{"userId": "8", "resultScore": 10, "resultMaximum": 20}])
    assert send(client, host).outcome is lti.Outcome.DELIVERED
    host.answers[results] = [(200, "", {}, '[{"userId": "8", "resultScore": 11, "resultMaximum": 20}]')]
    assert send(client, host).outcome is lti.Outcome.OVERRIDDEN
    host.answers[results] = [(200, "", {}, '[{"userId": "8"}]')]
    assert send(client, host).outcome is lti.Outcome.ALREADY_NEWER
    host.answers[results] = [(500, "", {}, "")]
    assert send(client, host).outcome is lti.Outcome.ALREADY_NEWER


@pytest.mark.parametrize(
    ("kind", "status", "reason", "text", "outcome"),
    [
        (Moodle, 200, "OK", "", Outcome.DELIVERED),
        (Moodle, 200, "OK", "[]", Outcome.PERMANENT),
        (Moodle, 400, 'Incorrect score received{"userId":"3"}', "[]", Outcome.NOT_A_LEARNER),
        (Moodle, 409, "Conflict", "[]", Outcome.ALREADY_NEWER),
        (Moodle, 401, "Unauthorized", "[]", Outcome.TOKEN_REFUSED),
        (Moodle, 404, "Not Found", "[]", Outcome.GONE),
        (Moodle, 500, "", "", Outcome.TRANSIENT),
        (OpenEdx, 201, "Created", '{"timestamp": "x"}', Outcome.DELIVERED),
        (OpenEdx, 400, "", '{"d": "Score already exists for the provided timestamp"}', Outcome.ALREADY_NEWER),
        (OpenEdx, 400, "", '{"d": "Submitted score is not at a later point in time"}', Outcome.ALREADY_NEWER),
        (OpenEdx, 403, "", '{"detail": "Invalid token signature."}', Outcome.TOKEN_REFUSED),
        (Host, 204, "", "", Outcome.DELIVERED),
        (Host, 429, "", "", Outcome.TRANSIENT),
        (Host, 400, "", "", Outcome.PERMANENT),
        (Host, 302, "", "", Outcome.PERMANENT),
        (Host, 999, "", "", Outcome.PERMANENT),
        (OpenEdx, 403, "", '{"detail": "You do not have permission"}', Outcome.PERMANENT),
        (Canvas, 400, "", '{"errors": "Provided timestamp of x before last updated timestamp"}', Outcome.ALREADY_NEWER),
        (Canvas, 422, "", "User not found in course or is not a student", Outcome.NOT_A_LEARNER),
        (Canvas, 403, "", "403 Forbidden (Rate Limit Exceeded)", Outcome.TRANSIENT),
        (Host, 403, "", "User in requested score is not enrolled in the org unit", Outcome.NOT_A_LEARNER),
        (Host, 404, "", "User in requested score does not exist", Outcome.NOT_A_LEARNER),
        (Host, 400, "", "User could not be found: x", Outcome.NOT_A_LEARNER),
    ],
)
def test_what_an_answer_means(kind: type[Host], status: int, reason: str, text: str, outcome: Outcome) -> None:
    assert kind().classify(Answer(status, reason, {}, text)) is outcome
    assert "userId" not in kind().words(Answer(status, reason, {}, text))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": "invalid_client"}', "HTTP 400 invalid_client"),
        ('{"timestamp": ["Score already exists"], "n": 1}', "HTTP 400 Score already exists"),
        ("plain", "HTTP 400 plain"),
        ("{", "HTTP 400 {"),
        ("<html>", "HTTP 400"),
        ('{"n": 1}', 'HTTP 400 {"n": 1}'),
    ],
)
def test_the_hosts_words_are_words(body: str, words: str) -> None:
    assert Host().words(Answer(400, "", {}, body)) == words


@pytest.mark.parametrize("line", TABLE, ids=str)
def test_every_line_of_the_table_counts_and_says_whence_it_is(line: Line) -> None:
    """An answer that it describes reaches it: no line before it says otherwise."""
    kind = next((one for one in (Moodle, OpenEdx, Canvas) if one.product == line.product), Host)
    answer = Answer(min(line.statuses), "", {}, line.says or line.body or "[]" * line.has_body)
    assert kind().classify(answer) is line.outcome
    assert len(line.source) > 10


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ('<a>; rel="next"', {"next": "a"}),
        ("<a>; rel=next, <b>;rel=last", {"next": "a", "last": "b"}),
        (
            '<a?x=1,2>; title="; rel=next, <z>"; rel="Current first", <b>; REL=next',
            {"current": "a?x=1,2", "first": "a?x=1,2", "next": "b"},
        ),
        ('<a>; rel="next", <b>; rel="next"', {"next": "a"}),
        ("<a>; rel=“next”", {"“next”": "a"}),  # Moodle's gradebook: nothing that one could follow
        ("a; rel=next", {}),
        ("<a>; rev=next", {}),
    ],
)
def test_link_headers(header: str, found: dict[str, str]) -> None:
    assert links(header) == found


def test_hosts_are_known_by_product_or_address() -> None:
    assert isinstance(host_of("moodle"), Moodle)
    assert isinstance(host_of("", "https://a.example/mod/lti/services.php/2/lineitems"), Moodle)
    assert isinstance(host_of("", "https://a.example/api/lti_consumer/v1/lti/1/lti-ags"), OpenEdx)
    assert isinstance(host_of("canvas"), Canvas)
    assert type(host_of("blackboard")) is Host


def test_a_roster_is_read_whole(host: Fake, client: lti.ServiceClient) -> None:
    client.product = "moodle"
    with pytest.raises(Unavailable, match="scope_refused"):
        client.roster(host.base + "/m")
    names = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
    client.client, client.token = replace(client.client, scopes=(names,)), ""
    rows = [{"user_id": "8", "name": "Zoë &amp; Co", "roles": ["Learner"], "status": "Active"}]
    host.will("GET /m", 200, {"members": rows}, Link=f'<{host.base}/m?p=2>; rel="next"')
    host.will("GET /m", 200, {"members": [{"user_id": "9", "status": "Inactive"}]})
    eight, nine = client.roster(host.base + "/m").members
    assert (eight.name, eight.roles, eight.is_active) == ("Zoë & Co", {"Learner"}, True)
    assert (nine.subject, nine.name, nine.is_active) == ("9", "", False)
    host.answers["GET /m"] = [(200, "", {"Link": f'<{host.base}/m>; rel="next"'}, '{"members": []}')]
    with pytest.raises(Unavailable):
        client.roster(host.base + "/m")
    for body in ({}, {"members": [{"user_id": "8"}, {"x": 1}]}, {"members": [{"user_id": "8"}, 5]}):
        host.answers["GET /m"] = [(200, "", {}, json.dumps(body))]
        with pytest.raises(Unavailable) as caught:  # whoever is passed over would look like nobody
            client.roster(host.base + "/m")
        assert caught.value.code == "nrps.no_members"


# --- the platform's keys ---


def test_keys_are_fetched_on_first_sight_and_at_most_once_a_minute(
    own_database_url: str, now: datetime, host: Fake
) -> None:
    made = db.engine(own_database_url)
    factory = db.session_factory(made)
    with db.transaction(factory) as session:
        desk = Desk(session, now, issuer=host.base)
        session.delete(session.exec(select(lti.KeySet)).one())
    url = f"/jwks/{desk.client_id}"

    def launch(kid: str, key: str, at: datetime) -> str:
        with db.transaction(factory) as session:
            desk.session, desk.now = session, at
            sent, secret = desk.login()
        claims = {**CLAIMS, "iss": host.base}
        token = resign.sign(resign.fresh(claims, sent["nonce"], at), key, kid=kid)
        form = {"id_token": token, "state": sent["state"]}
        with factory() as session:
            desk.session = session
            try:
                desk.receive(form, secret, at, may_ask=True)
            except lti.KeysWanted as wanted:
                session.rollback()
                lti.refresh_keys(factory, Http(allow_loopback=True), wanted.url, at)
            else:
                session.commit()
                return ""
            try:
                desk.receive(form, secret, at)
            except Refused as refused:
                return refused.code
            finally:
                session.commit()
        return ""

    def asked() -> int:
        return sum(path == url for _, path, _, _ in host.asked)

    with factory() as session:
        desk.session = session
        with pytest.raises(Refused):  # nobody's state: nothing is asked for it
            desk.receive({"state": "x" * 43, "id_token": "a.b.c"}, None, may_ask=True)
    host.answers[f"GET {url}"] = [(503, "", {}, "")]
    assert launch("k1", "platform", now) == "launch.keys_unavailable"
    host.answers[f"GET {url}"] = [(200, "", {}, json.dumps(resign.jwks("platform", "k1")))]
    assert launch("k1", "platform", now + timedelta(seconds=59)) == "launch.keys_unavailable"
    assert asked() == 1
    assert launch("k1", "platform", now + timedelta(seconds=60)) == ""
    assert launch("k1", "platform", now + timedelta(minutes=30)) == ""
    assert asked() == 2
    rotated = {"keys": resign.jwks("platform", "k1")["keys"] + resign.jwks("second", "k2")["keys"]}
    host.answers[f"GET {url}"] = [(200, "", {}, json.dumps(rotated))]
    assert launch("k2", "second", now + timedelta(minutes=31)) == ""
    assert launch("k1", "platform", now + timedelta(minutes=31)) == ""
    assert launch("k3", "platform", now + timedelta(minutes=33)) == "launch.key_unknown"
    assert launch("k3", "platform", now + timedelta(minutes=33, seconds=5)) == "launch.key_unknown"
    assert asked() == 4
    host.answers[f"GET {url}"] = [(200, "", {}, "x" * 2_000_000)]
    assert launch("k1", "platform", now + timedelta(hours=20)) == ""
    assert launch("k1", "platform", now + timedelta(hours=25)) == "launch.keys_unavailable"
    made.dispose()


def test_another_maximum_says_nothing_of_what_the_host_holds_as_null(client: lti.ServiceClient, host: Fake) -> None:
    """The Open edX consumer shows null members and refuses a PUT that has them; everything else goes back as it was."""
    held = {"id": host.base + "/li/1", "label": "x", "scoreMaximum": 3, "resourceLinkId": None, "startDateTime": None}
    host.will("GET /li/1", 200, {**held, "gradesReleased": True})
    host.will("PUT /li/1", 200, held)
    client.resize_line_item(held["id"], resource_id="r", tag="t", label="能力点", maximum_hundredths=500)
    (body,) = [json.loads(body) for method, _, _, body in host.asked if method == "PUT"]
    sent = {"label": "能力点", "scoreMaximum": 5, "resourceId": "r", "tag": "t"}
    assert body == {"id": held["id"], "gradesReleased": True, **sent}
