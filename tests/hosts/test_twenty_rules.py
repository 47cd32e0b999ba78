"""The twenty rules of Moodle 4.5 that concern what we send: each is kept, and each check notices when it is broken.
Rules 17 to 20 are about launches: test_rules_of_launches.py.

A rule is broken on the wire: what the product wants to send (or heard) is changed on its way, and the check must fail.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

import lti
from lms_plugin.errors import Unavailable
from lms_plugin.net import Answer, Http
from tests import people as cast
from tests.hosts import fake
from tests.lti.conformance.bench import running
from tests.lti.conformance.conftest import NOW
from tests.lti.conformance.office import Office, office, subject

Wire = Callable[[str, str, dict[str, str], str | None], tuple[str, str, dict[str, str], str | None]]
CHEN = subject(cast.CHEN)
SCORES, ITEMS = "/scores", "/lineitems"


@pytest.fixture
def here(own_district_url: str, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        bench = stack.enter_context(running(own_district_url, tmp_path, NOW))
        yield stack.enter_context(office(bench, fake.Moodle(dict), tmp_path))


def arrives(here: Office, *codes: str) -> None:
    """Points are released and stand in the gradebook."""
    for code in codes or ("A3",):
        here.earn(cast.CHEN, code)
        here.drain(rounds=12)
    assert here.delivery(cast.CHEN).state is lti.DeliveryState.DELIVERED
    assert here.grade(cast.CHEN) == pytest.approx(len(codes or ("A3",)) / 3)


def refused_is_told(here: Office) -> None:
    """1: a score that Moodle rejects is never taken for one that it stored."""
    here.host.people[CHEN].is_graded = False
    here.earn(cast.CHEN, "A3")
    here.drain(rounds=12)
    assert here.delivery(cast.CHEN).state is lti.DeliveryState.NOT_A_LEARNER  # in its own words: one line was sent


def teachers_are_told(here: Office) -> None:
    """2: who holds no gradebook role gets no score, is told so, and nobody asks again."""
    here.host.people[CHEN].is_graded = False
    here.earn(cast.CHEN, "A3")
    here.drain(rounds=12)
    here.drain(rounds=12)
    assert here.delivery(cast.CHEN).state is lti.DeliveryState.NOT_A_LEARNER
    assert len(here.scores(cast.CHEN)) == 2


def seconds_rise(here: Office) -> None:
    """3: two releases in one second; the later one arrives, and no time is of the future."""
    arrives(here, "A3", "A5")
    assert {one.status for one in here.host.requests("POST scores")} == {200}
    assert all(datetime.fromisoformat(one["timestamp"]) <= here.now for one in here.scores())


def nothing_is_erased(here: Office) -> None:
    """4: also nought points are FullyGraded."""
    here.ask(here.member(cast.CHEN))
    here.drain(rounds=12)
    assert here.grade(cast.CHEN) == 0
    arrives(here, "A3")


def whole_maximum(here: Office) -> None:
    """5: other maxima than whole ones go through `lineitems`, and arrive as they are."""
    here.bench.world.set_rules(hours={"practice_need_hundredths": 1250, "online_need_hundredths": 0})
    here.bench.world.session.commit()
    arrives(here)
    assert here.ours("hours")[0].maximum == 12.5


def short_words(here: Office) -> None:
    """6: at most 255, 512 and 255 characters; a title that is longer is cut, no orphan is left."""
    column = here.client().find_or_create_line_item(
        here.host.lineitems(), resource_id="r" * 40, tag="t", label="能" * 300, maximum_hundredths=300
    )
    assert column is not None
    assert not [item for item in here.host.items.values() if item.orphan]


def looked_for_first(here: Office) -> None:
    """7: a worker died after it made the column: it is found again, not made twice."""
    arrives(here)
    with here.sessions() as session:
        for row in session.exec(select(lti.LineItem)).all():
            row.url = ""
            session.add(row)
        session.commit()
    here.earn(cast.CHEN, "A5")
    here.drain(rounds=12)
    assert (len(here.ours()), len(here.ours("hours"))) == (1, 1)


def put_says_everything(here: Office) -> None:
    """8: changed rules change the maximum and nothing else."""
    arrives(here)
    item = here.ours()[0]
    item.link, item.review = "1", {"url": "https://tool.example/review"}
    before = replace(item)
    client = here.client()
    assert client.resize_line_item(
        here.host.item_url(item.key),
        resource_id=item.resource_id,
        tag=item.tag,
        label=item.label,
        was_hundredths=300,
        maximum_hundredths=400,
    )
    assert item == replace(before, maximum=4)


def no_second_column_of_a_link(here: Office) -> None:
    """9: our columns belong to no link, so that launches go on naming the link's own one."""
    here.host.add_item(label="activity", maximum=100, link="1")
    arrives(here)
    assert len([item for item in here.host.items.values() if item.link == "1"]) == 1


def right_types(here: Office) -> None:
    """10, 11: one media type exactly, wherever Moodle looks."""
    arrives(here)
    here.client(fake.NAMES).roster(here.host.memberships())
    assert {one.status for one in here.host.asked} <= {200, 201}


def odd_tokens(here: Office) -> None:
    """12: a token that comes as text/html is a token; an error that is no JSON is told."""
    arrives(here)
    here.host.tool_keys = lambda: {"keys": []}
    with pytest.raises(Unavailable) as caught:
        here.later(7200).client(fake.NAMES).access_token()
    assert caught.value.code == "ags.token_refused"
    assert '"kid" invalid' in caught.value.words


def good_assertions(here: Office) -> None:
    """13: a kid, keys with alg, and a time that is not in Moodle's future, also where its clock is 3 s behind."""
    here.host.clock = lambda: here.now - timedelta(seconds=3)
    assert here.client(fake.NAMES).access_token()


def capital_bearer(here: Office) -> None:
    """14: `Bearer`."""
    arrives(here)
    assert {one.header("Authorization")[:7] for one in here.host.asked if one.path != here.host.token_path} == {
        "Bearer "
    }
    assert 401 not in {one.status for one in here.host.asked}


def no_pages_of_the_gradebook(here: Office) -> None:
    """15: a gradebook of many columns is read whole, without a limit and without its Link header."""
    arrives(here)
    (item,) = here.ours()
    for one in range(60):
        here.host.add_item(label=str(one), resource_id=item.resource_id, tag=f"t{one}")
    here.host.items = {key: here.host.items[key] for key in sorted(here.host.items, reverse=True)}
    column = here.client().find_or_create_line_item(
        here.host.lineitems(), resource_id=item.resource_id, tag=item.tag, label="x", maximum_hundredths=300
    )
    assert column is not None
    assert not column.is_new


def roster_read_right(here: Office) -> None:
    """16: names unescaped once, short roles, the role asked for again on each page."""
    here.host.people = {}
    here.host.enrol(*(fake.Person(f"t{one}", "", (fake.MEMBERSHIP + "Instructor",)) for one in range(6)))
    here.host.enrol(*(fake.Person(f"s{one}", "Zoë &amp; Co") for one in range(12)))
    client = here.client(fake.NAMES)
    members = client.roster(here.host.memberships(), role="Learner", limit=5).members
    assert {one.subject for one in members} == {f"s{one}" for one in range(12)}
    assert {one.name for one in members} == {"Zoë &amp; Co"}  # somebody calls themselves so
    assert {one.roles for one in members} == {frozenset({"Learner"})}
    assert len(here.host.requests("GET memberships")) == 3


# --- how each is broken ---


def body(change: Callable[[str], str], end: str = SCORES, method: str = "POST") -> Wire:
    def wire(how: str, url: str, headers: dict[str, str], sent: str | None) -> Any:
        hit = how == method and url.partition("?")[0].endswith(end) and sent is not None
        return how, url, headers, change(sent) if hit and sent is not None else sent

    return wire


def column(change: Callable[[str], str]) -> Wire:
    """A column as it is made, and as it is written once more with what is behind its scores."""
    made, again = body(change, ITEMS), body(change, "/lineitem", "PUT")
    return lambda how, url, headers, sent: again(*made(how, url, headers, sent))


def header(name: str, value: Callable[[str], str], end: str = "") -> Wire:
    def wire(how: str, url: str, headers: dict[str, str], sent: str | None) -> Any:
        if name in headers and url.partition("?")[0].endswith(end):
            headers = {**headers, name: value(headers[name])}
        return how, url, headers, sent

    return wire


def address(change: Callable[[str], str], part: str) -> Wire:
    def wire(how: str, url: str, headers: dict[str, str], sent: str | None) -> Any:
        return how, change(url) if part in url and how == "GET" else url, headers, sent

    return wire


def once_more(how: str, url: str, headers: dict[str, str], sent: str | None) -> Any:
    return how, url, headers, sent


@dataclass(frozen=True)
class Rule:
    """A check, and one way to break the rule: on the wire, or in the product (`patch`: where, what)."""

    check: Callable[[Office], None]
    wire: Wire = once_more
    patch: tuple[Any, str, Any] | None = None


def unwise(self: Any, answer: Answer) -> Any:
    return lti.Outcome.DELIVERED if answer.status == 200 else lti.Outcome.PERMANENT


def strict(self: Answer) -> Any:
    if "json" not in self.headers.get("Content-Type", ""):
        raise Unavailable("net.not_json")
    return json.loads(self.text)


def same_second(previous: datetime | None, now: datetime) -> datetime:
    return (previous or now).replace(microsecond=0)


silent = tuple(line for line in lti.hosts.TABLE if line.outcome is not lti.Outcome.NOT_A_LEARNER)

RULES = {
    "1-one-line": Rule(refused_is_told, body(lambda sent: sent.replace(",", ",\n"))),
    "1-empty-is-success": Rule(
        refused_is_told, body(lambda sent: sent.replace(",", ",\n")), (lti.hosts.Moodle, "classify", unwise)
    ),
    "2-learners": Rule(teachers_are_told, patch=(lti.hosts, "TABLE", silent)),
    "3-rising": Rule(seconds_rise, patch=(lti, "next_timestamp", same_second)),
    "4-fully-graded": Rule(nothing_is_erased, body(lambda sent: sent.replace("FullyGraded", "Pending"))),
    "5-maximum": Rule(whole_maximum, column(lambda sent: sent.replace("12.5", "12"))),
    "6-limits": Rule(short_words, body(lambda sent: sent.replace('"t"', '"' + "t" * 256 + '"'), ITEMS)),
    "7-look-first": Rule(looked_for_first, address(lambda url: url.replace("resource_id=", "resource_id=x"), ITEMS)),
    "8-put-replaces": Rule(
        put_says_everything, body(lambda sent: sent.replace("submissionReview", "x"), "/lineitem", "PUT")
    ),
    "9-no-link": Rule(no_second_column_of_a_link, column(lambda sent: sent.replace("{", '{"resourceLinkId":"1",', 1))),
    "10-accept": Rule(right_types, header("Accept", lambda value: value + ", application/json", ITEMS)),
    "10-accept-roster": Rule(right_types, header("Accept", lambda _value: "application/json", "/memberships")),
    "11-content-type": Rule(right_types, header("Content-Type", lambda _value: "application/json", SCORES)),
    "12-html-tokens": Rule(odd_tokens, patch=(Answer, "json", strict)),
    "13-clock": Rule(good_assertions, patch=(lti.tokens, "sign", None)),
    "14-bearer": Rule(capital_bearer, header("Authorization", lambda value: value.replace("Bearer", "bearer"))),
    "15-no-limit": Rule(no_pages_of_the_gradebook, address(lambda url: url + "&limit=10", ITEMS + "?")),
    "16-role": Rule(
        roster_read_right,
        address(lambda url: url.replace("&role=Learner", ""), "from="),
        (lti.rosters, "_short", lambda _role: ""),
    ),
    "16-escape": Rule(roster_read_right, patch=(lti.hosts.Moodle, "member_text", lambda self, value: value)),
}


@pytest.mark.parametrize("name", {rule.check.__name__: name for name, rule in RULES.items()}.values())
def test_rule(here: Office, name: str) -> None:
    RULES[name].check(here)


@pytest.mark.parametrize("name", RULES)
def test_a_broken_rule_is_noticed(here: Office, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rule, plain = RULES[name], Http.request

    def request(self: Http, method: str, url: str, *, headers: Any = None, body: str | None = None) -> Answer:
        method, url, headers, body = rule.wire(method, url, dict(headers or {}), body)
        return plain(self, method, url, headers=headers, body=body)

    monkeypatch.setattr(Http, "request", request)
    if rule.patch:
        where, what, value = rule.patch
        if what == "sign":
            sign = lti.tokens.sign

            def value(claims: dict[str, Any], key: Any, kid: str) -> str:
                return sign({**claims, "iat": claims["iat"] + 5}, key, kid)

        monkeypatch.setattr(where, what, value)
    with pytest.raises((AssertionError, Unavailable, ValueError)):
        rule.check(here)
