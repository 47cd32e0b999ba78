"""Rules 17 to 20 of Moodle 4.5, which concern launches (1 to 16: test_twenty_rules.py): each is kept, and each check
notices when it is broken."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

import lti
from lms_plugin import access
from tests.hosts import resign
from tests.lti.conformance.bench import CLAIM, LEARNER, Bench, Jar, Platform, running
from tests.lti.conformance.conftest import NOW
from tests.lti.conformance.test_submission_review import opened, under_way

AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
Wire = Callable[[dict[str, str]], dict[str, str]]
URL_SAFE = re.compile(r"[A-Za-z0-9_-]+")  # Moodle strips or refuses anything else in state and nonce


@pytest.fixture(scope="module")
def bench(module_district_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(module_district_url, tmp_path_factory.mktemp("tool"), NOW) as made:
        yield made


class PartitionedJar(Jar):
    """Chromium in Moodle's frame: a cookie that is not Secure, SameSite=None and Partitioned is not kept."""

    def ask(self, method: str, url: str, data: Any = None) -> requests.Response:
        before = dict(self.cookies)
        answer = super().ask(method, url, data)
        for line in answer.raw.headers.getlist("Set-Cookie"):
            name = line.partition("=")[0]
            if not {"Secure", "SameSite=None", "Partitioned"} <= set(line.split("; ")):
                self.cookies.pop(name, None)
                self.cookies |= {name: before[name]} if name in before else {}
        return answer


def permits_by_our_roles(platform: Platform, _wire: Wire) -> None:
    """17: any student can have Moodle send a submission review of another; that permits nothing."""
    under_way(platform)
    platform.launch(Jar(), sub="l-2")
    assert opened(platform, "l-1", LEARNER, "l-2").status_code == 403


def authorises(platform: Platform, wire: Wire) -> None:
    """18: what Moodle's auth.php asks of a request: the registered address byte for byte, form_post, no prompt for a
    person, a state and a nonce of plain letters."""
    sent = wire(platform.login(Jar()))
    assert sent["redirect_uri"] == platform.bench.url + "/lti/launch"
    assert (sent["response_mode"], sent["response_type"], sent["scope"]) == ("form_post", "id_token", "openid")
    assert sent["prompt"] == "none"
    assert URL_SAFE.fullmatch(sent["state"])
    assert URL_SAFE.fullmatch(sent["nonce"])
    assert sent["login_hint"] == platform.initiation()["login_hint"]


def takes_little(platform: Platform, wire: Wire) -> None:
    """19: nobody named, claims of empty strings, ids of digits, and login_hint "0" of who is not signed in there."""
    jar = Jar()
    sent = wire(platform.login(jar, login_hint="0"))
    assert sent["login_hint"] == "0"
    empty = {"name": "", "given_name": "", "family_name": "", "email": "", "locale": ""}
    claims = platform.claims(
        sent["nonce"],
        **empty,
        sub="8",
        **{
            CLAIM + "context": {"id": "2", "label": "", "title": ""},
            CLAIM + "resource_link": {"id": "7", "title": "", "description": ""},
            CLAIM + "lis": {"person_sourcedid": "", "course_section_sourcedid": ""},
            CLAIM + "launch_presentation": {"return_url": "", "locale": ""},
            CLAIM + "custom": {"a": "", "b": None},
            AGS: {"lineitem": "", "lineitems": "", "scope": []},
        },
    )
    answer = platform.post(jar, {"id_token": resign.sign(claims), "state": sent["state"]})
    assert answer.status_code == 303
    assert jar.ask("GET", platform.bench.url + "/people/introduce").status_code == 200


def lives_by_partitioned_cookies(platform: Platform, _wire: Wire) -> None:
    """20: in Moodle's frame only Partitioned cookies are kept, and it lends no storage: in without a question."""
    jar = PartitionedJar()
    answer = platform.launch(jar)
    assert answer.status_code == 303
    assert jar.ask("GET", platform.bench.url + "/people/introduce").status_code == 200


def plainly(sent: dict[str, str]) -> dict[str, str]:
    return sent


def changed(**values: str) -> Wire:
    return lambda sent: {**sent, **values}


def strict(source: Any, key: str, limit: int) -> str:
    """A reader that wants every text filled in."""
    if not source.get(key):
        raise lti.claims.Malformed(key)
    return str(source[key])[:limit]


@dataclass(frozen=True)
class Rule:
    """A check, and one way to break the rule: on the wire, in the product (`patch`), or by what cookies lose."""

    check: Callable[[Platform, Wire], None]
    wire: Wire = plainly
    patch: tuple[Any, str, Any] | None = None
    loses: str = ""


RULES = {
    "17-own-roles": Rule(permits_by_our_roles, patch=(access, "can", lambda *_asked: True)),
    "18-address": Rule(authorises, changed(redirect_uri="http://localhost/lti/launch?course=2")),
    "18-form-post": Rule(authorises, changed(response_mode="query")),
    "18-state": Rule(authorises, changed(state="a<b")),
    "18-nonce": Rule(authorises, changed(nonce='{"n": 1}')),
    "19-empty": Rule(takes_little, patch=(lti.claims, "text", strict)),
    "19-nobody": Rule(takes_little, changed(login_hint="")),
    "20-partitioned": Rule(lives_by_partitioned_cookies, loses="Partitioned"),
}


@pytest.mark.parametrize("name", {rule.check.__name__: name for name, rule in RULES.items()}.values())
def test_rule(bench: Bench, name: str) -> None:
    RULES[name].check(Platform(bench, f"https://well{name[:2]}.example.org"), plainly)


@pytest.mark.parametrize("name", RULES)
def test_a_broken_rule_is_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rule = RULES[name]
    if rule.patch:
        monkeypatch.setattr(*rule.patch)
    bench.strips[:] = [rule.loses] if rule.loses else []
    try:
        with pytest.raises(AssertionError):
            rule.check(Platform(bench, f"https://{name}.example.org"), rule.wire)
    finally:
        bench.strips.clear()
