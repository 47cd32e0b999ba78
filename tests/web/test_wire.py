"""What comes off the wire cut or unencoded is refused or mended before anybody reads it."""

import gc
import io
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import competencies
import lti
from lms_plugin.db import pk
from lms_plugin.web.wire import fit_to_be_read
from tests import people as cast
from tests.factories import Browser, World
from tests.web.test_attacks import Browse
from tests.web.test_submit import TUS, begin, chosen, part

FORM = "application/x-www-form-urlencoded"
GUNICORN = {"wsgi.input_terminated": True}  # it ends a body where the line ends


@pytest.fixture
def chen(browse: Browse) -> Browser:
    return browse(cast.CHEN)


def cut_short(browser: Browser, url: str, body: bytes, kind: str, lost: int) -> Any:
    """A form of which the last bytes never came."""
    return browser.client.post(
        url,
        input_stream=io.BytesIO(body[:-lost]),
        content_type=kind,
        environ_overrides={**GUNICORN, "CONTENT_LENGTH": str(len(body))},
    )


def written(world: World) -> list[dict[str, str]]:
    world.session.expire_all()
    kind = competencies.Evidence
    return [row.parts for row in world.session.exec(select(kind).where(kind.kind == "text")).all()]


def test_half_a_form_replaces_nothing(world: World, chen: Browser) -> None:
    url = f"/submissions/{chosen(world, chen, 'A6')['A6']}/reflection/text"
    assert chen.post(url, {"version": "0", "part.grounded": "整篇反思，一共三段。"}).status_code == 303
    whole = urlencode({"csrf_token": chen.csrf, "version": "1", "part.grounded": "改过的反思，一共四段。"}).encode()
    answer = cut_short(chen, url, whole, FORM, lost=9)
    assert answer.status_code == 400
    assert written(world) == [{"grounded": "整篇反思，一共三段。"}]
    again = chen.client.post(url, data=whole, content_type=FORM, environ_overrides=GUNICORN)
    assert again.status_code == 303
    assert written(world) == [{"grounded": "改过的反思，一共四段。"}]


# werkzeug leaves the temporary file of a form that it could not read to the collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*Spooled:pytest.PytestUnraisableExceptionWarning")
def test_half_a_form_with_a_file_changes_nothing(world: World, chen: Browser) -> None:
    work = chosen(world, chen, "A6")["A6"]
    head = f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{chen.csrf}\r\n'
    file = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + "字" * 500 + "\r\n--x--\r\n"
    url, kind = f"/submissions/{work}/design/files", "multipart/form-data; boundary=x"
    assert cut_short(chen, url, (head + file).encode(), kind, lost=400).status_code == 400
    world.session.expire_all()
    assert not world.session.exec(select(competencies.Evidence)).all()
    gc.collect()


def test_half_a_part_of_an_upload_is_kept_as_far_as_it_came(world: World, chen: Browser) -> None:
    url = begin(chen, f"{chosen(world, chen, 'A6')['A6']}-clip", "x.mp4", 10).headers["Location"]
    came = chen.client.patch(
        url,
        headers={**TUS, "Upload-Offset": "0", "X-Nengli-Csrf": chen.csrf},
        content_type="application/offset+octet-stream",
        input_stream=io.BytesIO(b"12345"),
        environ_overrides={**GUNICORN, "CONTENT_LENGTH": "10"},
    )
    assert came.headers["Upload-Offset"] == "5"
    assert part(chen, url, 5, b"67890").headers["Upload-Offset"] == "10"


@pytest.mark.parametrize("query", ["a=\x80", "\xff", "page=2&\xc3", "next=/\xe4\xbd\xa0", "a=%80\x80%"])
@pytest.mark.parametrize("path", ["/", "/lti/login", "/sign-in", "/help", "/nothing"])
@pytest.mark.parametrize("who", [cast.CHEN, None], ids=["teacher", "stranger"])
def test_bytes_in_a_query_break_no_page(browse: Browse, who: cast.Cast | None, path: str, query: str) -> None:
    answer = browse(who).client.get(path, environ_overrides={"QUERY_STRING": query})
    assert answer.status_code < 500
    assert answer.data


@given(st.binary(max_size=60))
def test_a_query_says_what_it_said(sent: bytes) -> None:
    """Percent-encoded it holds the same bytes; one of ASCII alone stays to the letter."""
    seen: list[str] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        seen.append(environ["QUERY_STRING"])
        return []

    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": sent.decode("latin-1")}
    fit_to_be_read(application)(environ, lambda *_given: lambda _bytes: None)
    assert seen[0].isascii()
    assert unquote_to_bytes(seen[0]) == unquote_to_bytes(sent)
    if sent.isascii():
        assert seen[0].encode() == sent


@pytest.mark.parametrize("host", ["x" * 64 + ".org", "a..b", "x y"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/lti/login"), ("GET", "/lti/login"), ("POST", "/me/locale")])
def test_a_host_that_is_no_name_gets_a_page(world: World, tool: Flask, host: str, method: str, path: str) -> None:
    answer = tool.test_client().open(path, method=method, headers={"Host": host}, data={} if method == "POST" else None)
    assert 400 <= answer.status_code < 500
    assert answer.mimetype == "text/html"


def test_what_a_host_posts_is_no_form_of_ours(world: World, tool: Flask) -> None:
    """A field of that name acknowledges the device's copy of our own forms; a host's address takes nothing from it."""
    platform = lti.platforms(world.session, pk(world.tenant))[0]
    said = {"iss": platform.issuer, "client_id": platform.client_id, "login_hint": "8", "lti_deployment_id": "1"}
    answer = tool.test_client().post(
        "/lti/login", data={**said, "target_link_uri": "http://localhost/lti/launch", "copy": "7"}
    )
    assert answer.status_code == 302
    assert "kept=" not in answer.headers["Location"]
