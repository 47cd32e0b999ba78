"""Rows L: login initiation."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlmodel import Session, select

import lti
from tests.hosts import resign
from tests.lti.conformance.bench import Bench, Jar, Platform

WANTED = {"scope": "openid", "response_type": "id_token", "response_mode": "form_post", "prompt": "none"}


def begun(platform: Platform, answer_url: str) -> dict[str, str]:
    """Checks the redirect to the platform; gives its parameters."""
    assert answer_url.startswith(platform.issuer + "/auth?")
    sent = {key: value[0] for key, value in parse_qs(urlsplit(answer_url).query).items()}
    hints = {key: platform.initiation()[key] for key in ("client_id", "login_hint", "lti_message_hint")}
    assert {**sent, **WANTED, **hints} == sent
    assert sent["redirect_uri"] == platform.bench.url + "/lti/launch"
    assert re.fullmatch(r"[\w-]{40,}", sent["state"])
    assert re.fullmatch(r"[\w-]{40,}", sent["nonce"])
    return sent


def test_L01_L02_get_and_post(platform: Platform) -> None:
    """GET query or POST form → 302 to the registered address, hints byte for byte, fresh state and nonce."""
    address = platform.bench.url + "/lti/login"
    first = Jar().ask("GET", f"{address}?{urlencode(platform.initiation())}")
    second = Jar().ask("POST", address, platform.initiation())
    assert (first.status_code, second.status_code) == (302, 302)
    one, two = (begun(platform, answer.headers["Location"]) for answer in (first, second))
    assert one["state"] != two["state"]
    assert one["nonce"] != two["nonce"]


def test_L03_client_id_left_out(bench: Bench, platform: Platform) -> None:
    """No client_id: works with one registration of the issuer, is named as missing with several."""
    answer = Jar().ask("POST", bench.url + "/lti/login", platform.initiation(client_id=None))
    begun(platform, answer.headers["Location"])
    Platform(bench, platform.issuer, "client-2")
    before = bench.kept()
    answer = Jar().ask("POST", bench.url + "/lti/login", platform.initiation(client_id=None))
    assert platform.is_refusal(answer, before) == "login.client_missing"
    assert "client_id" in answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": None}, "login.issuer_missing"),
        ({"iss": "https://nobody.example.org"}, "login.issuer_unknown"),
        ({"login_hint": None}, "login.hint_missing"),
        ({"client_id": "another"}, "login.client_unknown"),
    ],
)
def test_L04_B44_B45_B46_what_is_missing_or_unknown(
    platform: Platform, changes: dict[str, str | None], code: str
) -> None:
    """iss absent or unknown, login_hint absent → refused; an unknown issuer is named, with where it can register."""
    before = platform.bench.kept()
    answer = Jar().ask("POST", platform.bench.url + "/lti/login", platform.initiation(**changes))
    assert platform.is_refusal(answer, before) == code
    if code == "login.issuer_unknown":
        assert "https://nobody.example.org" in answer.text
        assert "/lti/register" in answer.text  # where it can be registered


def test_L05_B47_a_target_of_another_host(platform: Platform) -> None:
    """target_link_uri elsewhere → refused; it is never used as redirect_uri."""
    before = platform.bench.kept()
    changes = platform.initiation(target_link_uri="https://evil.example.org/lti/launch")
    answer = Jar().ask("POST", platform.bench.url + "/lti/login", changes)
    assert platform.is_refusal(answer, before) == "login.target_foreign"
    assert "Location" not in answer.headers
    deep = platform.login(Jar(), target_link_uri=platform.bench.url + "/points?x=1")
    assert deep["redirect_uri"] == platform.bench.url + "/lti/launch"


def test_L06_an_auth_address_with_a_query(bench: Bench) -> None:
    """The registered address has a query already → ours is appended to it."""
    platform = Platform(bench, "https://query.example.org", auth_url="https://query.example.org/auth?site=a%26b")
    answer = Jar().ask("POST", bench.url + "/lti/login", platform.initiation())
    parts = urlsplit(answer.headers["Location"])
    assert parts.query.startswith("site=a%26b&")
    assert parts.query.count("?") == 0


def test_L08_disabled(platform: Platform) -> None:
    """A disabled registration → a plain page that says so."""
    with Session(platform.bench.engine) as session:
        row = session.exec(select(lti.Platform).where(lti.Platform.id == platform.row.id)).one()
        row.is_disabled = True
        session.add(row)
        session.commit()
    before = platform.bench.kept()
    answer = Jar().ask("POST", platform.bench.url + "/lti/login", platform.initiation())
    assert platform.is_refusal(answer, before) == "login.platform_disabled"


def test_L09_ten_tabs_at_once(platform: Platform) -> None:
    """Ten logins under way in one browser → each has a cookie of its own and goes on; their number is capped."""
    jar = Jar()
    sent = [platform.login(jar) for _ in range(10)]
    for one in reversed(sent):
        token = resign.sign(platform.claims(one["nonce"]))
        assert platform.post(jar, {"id_token": token, "state": one["state"]}).status_code == 303
    jar = Jar()
    for _ in range(40):
        platform.login(jar)
    assert len(jar.cookies) == 20
