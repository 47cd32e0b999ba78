"""Rows P over HTTP: what the login and the launch say to a browser of a host that offers its storage (and L07)."""

import re
from html import unescape

import pytest
import requests

from tests.hosts import resign
from tests.lti.conformance.bench import SESSION_COOKIE, Bench, Jar, Platform

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def said(page: str) -> dict[str, str]:
    """The `data-` values that the page's script works with."""
    return {name: unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', page)}


def remembered(platform: Platform, jar: Jar, target: str = "_parent", **changes: str) -> dict[str, str]:
    """A login of a host with storage: what its page says, and `state` and `nonce` of the address it goes on to."""
    answer = jar.ask(
        "POST", platform.bench.url + "/lti/login", platform.initiation(lti_storage_target=target, **changes)
    )
    assert answer.status_code == 200, answer.headers
    found = said(answer.text)
    sent = {name: re.findall(rf"[?&]{name}=([\w-]+)", found["go"])[0] for name in ("state", "nonce")}
    return {**found, **sent, "page": answer.text, "csp": answer.headers["Content-Security-Policy"]}


def proved(platform: Platform, form: dict[str, str], proof: str = "", **more: str) -> requests.Response:
    """The launch as our own page posts it on, or, with `more` headers, as another might."""
    head = {**SAME_ORIGIN, **({"X-Nengli-Proof": proof} if proof else {}), **more}
    return requests.post(platform.bench.url + "/lti/proved", form, headers=head, allow_redirects=False, timeout=20)


def test_L07_P01_login_with_a_storage_target(platform: Platform) -> None:
    """lti_storage_target and no cookie of ours → a page that puts a secret into that frame, for the origin of the
    registered auth address alone, and goes on to that address, also without scripts; a browser that keeps our cookies
    is sent on at once."""
    jar = Jar()
    found = remembered(platform, jar, "post_message_forwarding")
    assert (found["target"], found["origin"]) == ("post_message_forwarding", platform.issuer)
    assert found["go"].startswith(platform.issuer + "/auth?scope=openid&")
    assert len(found["remember"]) >= 40
    assert found["remember"] not in found["go"]
    assert found["state"] not in found["key"]
    assert f'<noscript><meta http-equiv="refresh" content="0; url={platform.issuer}/auth?' in found["page"]
    assert any("nengli-login" in name for name in jar.cookies)
    again = jar.ask("POST", platform.bench.url + "/lti/login", platform.initiation(lti_storage_target="_parent"))
    assert again.status_code == 302


def test_P02_the_proof_is_asked_for_and_binds_the_launch(platform: Platform) -> None:
    """A launch without cookie → a page that asks the same frame for the same key; with its proof the launch is as
    strict as by cookie: used once, a wrong one is a refusal, another browser gets nothing by sending it again."""
    jar = Jar(keeps=False)
    found = remembered(platform, jar)
    form = platform.signed(found["nonce"], found["state"])
    platform.launch(Jar())  # its keys are known
    before = platform.bench.kept()
    asks = platform.post(jar, form)
    assert asks.status_code == 200
    again = said(asks.text)
    assert {name: again[name] for name in ("target", "origin", "key")} == {
        name: found[name] for name in ("target", "origin", "key")
    }
    assert platform.bench.kept() == before
    done = proved(platform, form, found["remember"])
    assert done.status_code == 200
    assert set(done.json()) == {"bearer", "home"}
    assert platform.bench.last_log().checks["browser"] == "by storage"
    # The same browser's second click goes to the same place; the captured form serves no other browser.
    assert set(proved(platform, form, found["remember"]).json()) == {"bearer", "home"}
    before = platform.bench.kept()
    assert platform.is_refusal(proved(platform, form), before) == "launch.state_used"
    other = remembered(platform, Jar(keeps=False))
    form = platform.signed(other["nonce"], other["state"])
    before = platform.bench.kept()
    wrong = proved(platform, form, found["remember"])
    assert platform.is_refusal(wrong, before) == "launch.browser_other"
    before = platform.bench.kept()
    late = proved(platform, form, other["remember"])
    assert platform.is_refusal(late, before) == "launch.state_used"


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_P02_a_proof_that_another_page_posts(platform: Platform, site: str) -> None:
    """Whoever began a login knows its proof and could have another's browser post it, in a field or an address: it
    counts in our own page's header alone."""
    found = remembered(platform, Jar(keeps=False))
    proof = found["remember"]
    form = {**platform.signed(found["nonce"], found["state"]), "proof": proof, "X-Nengli-Proof": proof}
    if site:
        assert proved(platform, form, **{"Sec-Fetch-Site": site}).status_code == 403
        assert proved(platform, form, proof, **{"Sec-Fetch-Site": site}).status_code == 403
    else:  # an old browser, which does not say
        assert "data-here" in proved(platform, form, **{"Sec-Fetch-Site": ""}).text


def test_P03_without_storage_or_without_an_answer(platform: Platform) -> None:
    """No storage target (Moodle, Open edX), an unusable one, nothing kept → cookie, else question and window."""
    for target in ("", "\x00", "x" * 300):
        begun = platform.initiation(lti_storage_target=target)
        assert Jar().ask("POST", platform.bench.url + "/lti/login", begun).status_code == 302
    jar = Jar(keeps=False)
    sent = platform.login(jar)
    answer = platform.post(jar, platform.signed(sent["nonce"], sent["state"]))
    assert "data-here" in answer.text
    assert 'action="/lti/window"' in answer.text
    found = remembered(platform, jar)
    answer = proved(platform, platform.signed(found["nonce"], found["state"]))
    assert "data-here" in answer.text
    assert platform.bench.last_log().checks["browser"] == "no cookie"
    jar = Jar()
    found = remembered(platform, jar)
    assert platform.post(jar, platform.signed(found["nonce"], found["state"])).status_code == 303


def test_P04_the_cookies(platform: Platform) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=None, Partitioned, Path=/; the login's lives ten minutes."""
    jar = Jar()
    begun = jar.ask("POST", platform.bench.url + "/lti/login", platform.initiation())
    lines = begun.raw.headers.getlist("Set-Cookie")
    assert len(lines) == 1
    assert "Max-Age=600" in lines[0]
    sent = platform.login(jar)
    answer = platform.post(jar, platform.signed(sent["nonce"], sent["state"]))
    lines += [line for line in answer.raw.headers.getlist("Set-Cookie") if line.startswith(SESSION_COOKIE + "=")]
    assert len(lines) == 2
    for line in lines:
        parts = {part.strip() for part in line.split(";")}
        assert line.startswith("__Host-")
        assert {"Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"} <= parts
        assert "Domain" not in line


def test_P05_no_cookie_is_needed_after_the_launch(platform: Platform) -> None:
    """By the bearer in a header a tab without any cookie gets its pages; a bare reload brings the page that asks again
    with it."""
    found = remembered(platform, Jar(keeps=False))
    bearer = proved(platform, platform.signed(found["nonce"], found["state"]), found["remember"]).json()["bearer"]
    address = platform.bench.url + "/people/introduce"
    assert requests.get(address, headers={"X-Nengli-Session": bearer}, timeout=20).status_code == 200
    bare = requests.get(address, timeout=20)
    assert bare.status_code == 401
    assert "/js/session.js" in bare.text


def test_P06_the_pages_of_the_storage_are_strict(bench: Bench, platform: Platform) -> None:
    """Framed by the registered platform, no inline script, no `*` as target origin."""
    found = remembered(platform, Jar(keeps=False))
    asks = platform.post(Jar(keeps=False), platform.signed(found["nonce"], found["state"]))
    for page, csp in ((found["page"], found["csp"]), (asks.text, asks.headers["Content-Security-Policy"])):
        assert "script-src 'self';" in csp
        assert platform.issuer in csp.partition("frame-ancestors")[2]
        assert not re.search(r"<script(?![^>]* src=)", page)
    assert found["csp"].endswith(f"frame-ancestors 'self' {platform.issuer}")
    for name in re.findall(r'<script[^>]* src="([^"]+)"', asks.text):
        text = requests.get(bench.url + name, timeout=20).text
        assert "postMessage" in text or "platform-storage" not in name
        assert not re.search(r"postMessage\([^)]*[\"']\*[\"']", text)


def test_P02_an_error_of_the_host_asks_nobody(platform: Platform) -> None:
    """A host that answers with an error has no launch to prove: the page says what it said."""
    found = remembered(platform, Jar(keeps=False))
    before = platform.bench.kept()
    answer = platform.post(Jar(keeps=False), {"error": "login_required", "state": found["state"]})
    assert platform.is_refusal(answer, before) == "launch.platform_login_required"


def test_P02_the_host_that_signs_for_another_login(platform: Platform) -> None:
    """State and nonce of different logins stay apart by this way too."""
    one, two = (remembered(platform, Jar(keeps=False)) for _ in range(2))
    form = {"id_token": resign.sign(platform.claims(one["nonce"])), "state": two["state"]}
    before = platform.bench.kept()
    answer = proved(platform, form, two["remember"])
    assert platform.is_refusal(answer, before) == "launch.nonce"
