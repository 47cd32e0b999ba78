"""Plain logins and launches are answered before Flask as Flask answers them; all others go on untouched."""

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, col, select
from werkzeug.test import EnvironBuilder, run_wsgi_app

import lti
from lms_plugin import db
from lms_plugin.flow import enter
from lms_plugin.people import WebSession
from lms_plugin.web import at_once
from lms_plugin.web.at_once import answering_at_once
from lms_plugin.web.lti import LOGIN_COOKIES, MOST_LOGINS, login_cookie
from lms_plugin.web.wire import fit_to_be_read
from tests.flow.test_returning import SAID
from tests.fuzzing import ODD, TEXT, examples
from tests.hosts import resign
from tests.lti.desk import TOOL, Desk
from tests.serving import application, settings_of

Answer = tuple[str, list[tuple[str, str]], bytes]
DRAWN = {"id", "state", "nonce", "browser_hash", "storage_hash", "web_session_id"}
OPENED = {"id", "token_hash", "bearer_hash", "csrf"}


class Cut(io.BytesIO):
    """A line that is cut while it is read."""

    def read(self, *_size: Any) -> bytes:
        raise ConnectionResetError

    readinto = readline = read


@dataclass
class Gate:
    """The tool's two ways for one request: before Flask, and Flask alone."""

    app: Flask
    bind: Engine
    desk: Desk
    clock: list[datetime]
    went_on: list[bytes] = field(default_factory=list)  # bodies of what came to Flask

    def ordinarily(self, environ: dict[str, Any]) -> Answer:
        status, headers, parts = self._run(self._flask, environ)
        return status, headers, parts

    def at_once(self, environ: dict[str, Any]) -> Answer:
        def flask(environ: dict[str, Any], start: Any) -> Any:
            if isinstance(environ["wsgi.input"], Cut):
                self.went_on.append(b"")
            else:
                self.went_on.append(environ["wsgi.input"].read())
                environ["wsgi.input"] = io.BytesIO(self.went_on[-1])
            return self._flask(environ, start)

        return self._run(answering_at_once(flask, self.app), environ)

    def _flask(self, environ: dict[str, Any], start: Any) -> Any:
        return Flask.wsgi_app(self.app, environ, start)

    def _run(self, application: Any, environ: dict[str, Any]) -> Answer:
        parts, status, headers = run_wsgi_app(fit_to_be_read(application), environ, buffered=True)
        return status, list(headers), b"".join(parts)

    def login(self, method: str = "GET", cookies: str = "", scheme: str = "https", **changes: Any) -> dict[str, Any]:
        return environ_of(method, "/lti/login", self.desk.initiation(**changes), cookies, scheme)

    def begun(self) -> tuple[str, str, str]:
        """State, nonce and cookie of a login."""
        _status, headers, _body = self.at_once(self.login())
        sent = parse_qs(urlsplit(dict(headers)["Location"]).query)
        return sent["state"][0], sent["nonce"][0], dict(headers)["Set-Cookie"].partition(";")[0]

    def launch(self, cookies: str = "", **changes: Any) -> dict[str, Any]:
        """A launch that answers a login of this browser."""
        state, nonce, cookie = self.begun()
        token = resign.sign(resign.fresh(SAID, nonce, self.clock[0], **changes))
        whole = f"{cookie}; {cookies}" if cookies else cookie
        return environ_of("POST", "/lti/launch", {"id_token": token, "state": state}, whole, "https")

    def rows(self, kind: type[db.Model], drawn: set[str]) -> list[dict[str, Any]]:
        with Session(self.bind) as session:
            return [row.model_dump(exclude=drawn) for row in session.exec(select(kind).order_by(col(kind.id))).all()]


def environ_of(
    method: str, path: str, given: dict[str, str], cookies: str = "", scheme: str = "https", **more: str
) -> dict[str, Any]:
    data = urlencode(given, errors="surrogatepass")
    made = EnvironBuilder(
        path,
        base_url=f"{scheme}://tool.example.org",
        method=method,
        query_string=data if method == "GET" else None,
        headers={"Cookie": cookies} if cookies else None,
    ).get_environ()
    if method == "POST":
        kind = {"CONTENT_TYPE": at_once._FORM, "CONTENT_LENGTH": str(len(data))}
        made.update({**kind, "wsgi.input": io.BytesIO(data.encode())})
    return {**made, **more}


def again(environ: dict[str, Any]) -> dict[str, Any]:
    """The same request once more."""
    body = environ["wsgi.input"].getvalue()
    return {**environ, "wsgi.input": io.BytesIO(body)}


def alike(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    """Status and headers, with what is drawn for each or goes by the second left out."""
    status, headers, _body = answer

    def plain(text: str) -> str:
        text = re.sub(r"(state|nonce)=[\w-]{43}", r"\1=", text)
        text = re.sub(r"(__Host-nengli)=[\w-]{43};", r"\1=;", text)
        text = re.sub(r"(__Host-nengli-login-)[0-9a-f]{16}=[\w-]{43};", r"\1=;", text)
        return re.sub(r"Expires=[^;]+;", "Expires=;", text)

    return status, sorted((name, plain(value)) for name, value in headers if name != "Content-Length")


@pytest.fixture
def gate(own_database_url: str, now: datetime, tmp_path: Path) -> Iterator[Gate]:
    """A registered host, and a teacher who launched from it once."""
    bind, clock = db.engine(own_database_url), [now]
    sessions = db.session_factory(bind)
    with db.transaction(sessions) as session:
        desk = Desk(session, now)
    with db.transaction(sessions) as session:
        desk.session = session
        launch = desk.launch(SAID)
        assert isinstance(launch, lti.Launch)
        enter.enter(session, launch, timedelta(hours=12), now)
    settings = settings_of(tmp_path, own_database_url, public_url=TOOL)
    with application(settings, clock=lambda: clock[0], sessions=sessions) as app:
        yield Gate(app, bind, desk, clock)
    bind.dispose()


COOKIES = {
    "none": "",
    "another's": "theme=dark",
    "a session's": "__Host-nengli=" + "x" * 43,
    "too many": "; ".join(f"{LOGIN_COOKIES}{number:016x}=secret" for number in range(MOST_LOGINS + 5)),
    "a name that only begins like ours": "__Host-nenglish=1",
}


@pytest.mark.postgresql
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES.keys())
def test_a_plain_login_is_answered_as_flask_answers_it(gate: Gate, method: str, scheme: str, cookies: str) -> None:
    environ = gate.login(method, cookies, scheme, lti_message_hint='{"课":"a&b=c d"}')
    ordinary, quick = gate.ordinarily(again(environ)), gate.at_once(environ)
    assert gate.went_on == []
    assert alike(quick) == alike(ordinary)
    assert quick[0] == "302 FOUND"
    *_before, first, second = gate.rows(lti.LoginState, DRAWN)
    assert first == second


@pytest.mark.postgresql
@pytest.mark.parametrize("address", ["https://lms.example.org/auth?a=1#f", "https://lms.example.org/登录?课=一 二"])
def test_a_host_has_any_address(gate: Gate, address: str) -> None:
    with db.transaction(db.session_factory(gate.bind)) as session:
        row = db.get(session, lti.Platform, db.pk(gate.desk.platform))
        row.auth_url = address
        session.add(row)
    environ = gate.login()
    assert alike(gate.at_once(again(environ))) == alike(gate.ordinarily(environ))
    assert gate.went_on == []


@pytest.mark.postgresql
def test_a_plain_launch_is_answered_as_flask_answers_it(gate: Gate) -> None:
    gate.clock[0] += timedelta(minutes=5)
    ordinary = gate.ordinarily(gate.launch())
    quick = gate.at_once(gate.launch())
    assert gate.went_on == []
    assert alike(quick) == alike(ordinary)
    assert quick[0] == "303 SEE OTHER"
    *_before, first, second = gate.rows(WebSession, OPENED)
    assert first == second


@pytest.mark.postgresql
def test_a_link_that_was_made_for_something_leads_there(gate: Gate) -> None:
    wish = {"custom": {"nengli_view": "record"}}
    changes = {f"https://purl.imsglobal.org/spec/lti/claim/{name}": value for name, value in wish.items()}
    gate.ordinarily(gate.launch(**changes))  # the activity is kept with what it was made for
    ordinary, quick = gate.ordinarily(gate.launch(**changes)), gate.at_once(gate.launch(**changes))
    assert gate.went_on == []
    assert alike(quick) == alike(ordinary)
    assert ("Location", "/?launched=1") in quick[1]


@pytest.mark.postgresql
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_login_lacks_is_told_on_the_page_of_flask(gate: Gate, method: str) -> None:
    environ = gate.login(method, login_hint=None)
    ordinary, quick = gate.ordinarily(again(environ)), gate.at_once(environ)
    assert len(gate.went_on) == 1
    assert alike(quick) == alike(ordinary)
    assert quick[0] == "400 BAD REQUEST"
    assert "login.hint_missing" in {row["outcome"] for row in gate.rows(lti.LaunchLog, {"id"})}


def unusual(gate: Gate) -> dict[str, dict[str, Any]]:
    """Requests that are not answered at once, each for a reason of its own."""
    large = gate.login("POST", lti_message_hint="x" * 40_000)
    return {
        "another page": environ_of("GET", "/livez", {}),
        "another method": {**gate.login(), "REQUEST_METHOD": "HEAD"},
        "a launch that is none": {**gate.login(), "PATH_INFO": "/lti/launch"},
        "a form that is too large": large,
        "too many fields": environ_of("POST", "/lti/login", {str(one): "" for one in range(150)}),
        "a form of another kind": {**gate.login("POST"), "CONTENT_TYPE": "multipart/form-data; boundary=x"},
        "a length that is none": {**gate.login("POST"), "CONTENT_LENGTH": "²"},
        "a length of five thousand digits": {**gate.login("POST"), "CONTENT_LENGTH": "9" * 5000},
        "a form whose length nobody said": {**gate.login("POST"), "CONTENT_LENGTH": "", "wsgi.input_terminated": True},
        "a form in pieces": {**gate.login("POST"), "HTTP_TRANSFER_ENCODING": "chunked"},
        "a query with a body": {**gate.login(), "CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b"a=b")},
        "a tool below a path": {**gate.login(), "SCRIPT_NAME": "/tool"},
        "a proof for the host's storage": gate.login("POST", lti_storage_target="_parent"),
        "a browser without cookies": {**gate.launch(), "HTTP_COOKIE": ""},
        "another browser": {**gate.launch(), "HTTP_COOKIE": login_cookie("another") + "=x"},
        "who proved that it is really them": gate.launch("__Host-nengli-proved=" + "p" * 43),
        "a forged launch": environ_of(
            "POST", "/lti/launch", {"id_token": "a.b.c", "state": "s" * 43}, "__Host-nengli=x"
        ),
        "somebody new": gate.launch(sub="nobody yet"),
    }


@pytest.mark.postgresql
def test_what_is_unusual_goes_on_as_it_came(gate: Gate) -> None:
    for why, environ in unusual(gate).items():
        gate.went_on.clear()
        body = environ["wsgi.input"].getvalue()
        before = gate.rows(lti.LoginState, set())
        gate.at_once(environ)
        assert gate.went_on == [body], why
        after = gate.rows(lti.LoginState, set())
        assert len(after) - len(before) <= 1, f"{why}: one login alone"


def test_without_postgresql_all_go_on(gate: Gate) -> None:
    gate.app.extensions["nengli"].direct = None
    assert gate.at_once(gate.login("POST"))[0] == "302 FOUND"
    assert len(gate.went_on) == 1


@pytest.mark.postgresql
def test_who_hangs_up_in_the_middle_of_a_form_is_told_by_flask(gate: Gate) -> None:
    environ = gate.login("POST")
    environ["CONTENT_LENGTH"] = str(int(environ["CONTENT_LENGTH"]) + 10)
    before = gate.rows(lti.LoginState, set())
    assert gate.at_once(environ)[0].startswith("400")
    assert len(gate.went_on) == 1
    assert gate.rows(lti.LoginState, set()) == before


@pytest.mark.postgresql
def test_a_line_that_is_cut_is_told_by_flask(gate: Gate) -> None:
    environ = {**gate.login("POST"), "wsgi.input": Cut()}
    assert gate.at_once(environ)[0].startswith("400")
    assert len(gate.went_on) == 1


@pytest.mark.postgresql
def test_what_breaks_here_is_done_on_the_ordinary_way(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> datetime:
        monkeypatch.setattr(gate.app.extensions["nengli"], "clock", lambda: gate.clock[0])
        raise RuntimeError("no clock")

    monkeypatch.setattr(gate.app.extensions["nengli"], "clock", broken)
    with caplog.at_level(logging.ERROR, "nengli.web"):
        assert gate.at_once(gate.login("POST"))[0] == "302 FOUND"
    assert len(gate.went_on) == 1
    assert "done again on the ordinary way" in caplog.text


@pytest.mark.postgresql
def test_a_launch_is_taken_once(gate: Gate) -> None:
    gate.clock[0] += timedelta(minutes=5)
    environ = gate.launch()
    first, second = gate.at_once(again(environ)), gate.at_once(environ)
    assert [answer[0] for answer in (first, second)] == [
        "303 SEE OTHER"
    ] * 2  # a double click leads to the same session
    assert len(gate.went_on) == 1
    opened = [row for row in gate.rows(lti.LoginState, set()) if row["consumed_at"] is not None]
    assert (
        len({row["web_session_id"] for row in opened if row["state"] in environ["wsgi.input"].getvalue().decode()}) == 1
    )


NAMES = [
    "iss",
    "client_id",
    "login_hint",
    "target_link_uri",
    "lti_message_hint",
    "lti_deployment_id",
    "lti_storage_target",
]
HEADERS = st.sampled_from(sorted(COOKIES.values())) | st.text(
    st.characters(max_codepoint=255, exclude_categories=["Cc"])
)


@pytest.mark.postgresql
@examples(0.5)
@given(
    changes=st.dictionaries(st.sampled_from(NAMES), TEXT | ODD, max_size=3),
    method=st.sampled_from(["GET", "POST"]),
    cookies=HEADERS,
    mangled=st.none() | st.binary(max_size=60),
)
def test_any_login_is_answered_as_flask_answers_it(
    gate: Gate, changes: dict[str, str], method: str, cookies: str, mangled: bytes | None
) -> None:
    """Whatever is in it, also bytes that are no form: the same status and the same headers, and nothing breaks."""
    environ = gate.login(method, cookies, **changes)
    if mangled is not None and method == "POST":
        body = environ["wsgi.input"].getvalue() + b"&" + mangled
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
    elif mangled is not None:
        environ["QUERY_STRING"] += "&" + mangled.decode("latin-1")
    ordinary, quick = gate.ordinarily(again(environ)), gate.at_once(environ)
    assert alike(quick) == alike(ordinary)
    assert not quick[0].startswith("5")
