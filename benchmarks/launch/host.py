"""The host of the benchmark: its key set, launches as Moodle 4.5 writes them, signed for logins that took place."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
ISSUER, CLIENT, DEPLOYMENT, KID = "https://lms.example", "bench", "1", "bench-1"
TOOL = "https://tool.example"
COURSE = "信息技术应用能力提升"
# As nginx tells it: browsers came by https.
HEAD = "Host: tool.example\r\nX-Forwarded-Proto: https\r\nAccept-Language: zh-CN,zh;q=0.9\r\nAccept: text/html\r\n"
AT_ONCE = 4


class Refused(Exception):
    """A server answered a login with something else than a redirect to the host."""


class Host:
    """A platform's key and launches."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, private=True)
        shown = self.key.as_dict(private=False)
        self.jwk = {"kty": "RSA", "kid": KID, "alg": "RS256", "use": "sig", "n": shown["n"], "e": shown["e"]}
        self.asked: Counter[str] = Counter()

    @contextmanager
    def keys(self) -> Iterator[int]:
        """Serves the key set on loopback, under any path, and counts who asks by path; gives the port."""
        body, asked = json.dumps({"keys": [self.jwk]}).encode(), self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked[self.path] += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def token(self, subject: str, nonce: str) -> str:
        """A launch of that person, some 3 kB as Moodle's are."""
        at, services = int(datetime.now(UTC).timestamp()), f"{ISSUER}/mod/lti/services.php"
        scope = "https://purl.imsglobal.org/spec/lti-ags/scope/"
        claims = {
            "nonce": nonce,
            "iat": at,
            "exp": at + 300,
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": subject,
            "given_name": "秀兰",
            "family_name": "王",
            "name": "王秀兰",
            "email": f"{subject.lower()}@example.org",
            CLAIM + "deployment_id": DEPLOYMENT,
            CLAIM + "target_link_uri": f"{TOOL}/lti/launch",
            CLAIM + "lis": {"person_sourcedid": "", "course_section_sourcedid": "ITC-101"},
            CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
            CLAIM + "context": {"id": "1", "label": "ITC-101", "title": COURSE, "type": ["CourseSection"]},
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "resource_link": {"id": "5", "title": "研修任务", "description": ""},
            CLAIM + "ext": {"user_username": subject.lower(), "lms": "moodle-2"},
            CLAIM + "launch_presentation": {
                "locale": "zh_cn",
                "document_target": "iframe",
                "return_url": f"{ISSUER}/mod/lti/return.php?course=2&launch_container=3&instanceid=5&sesskey=SESSKEY",
            },
            CLAIM + "tool_platform": {
                "product_family_code": "moodle",
                "version": "2024100706",
                "guid": "a4654cf73ccc889e4e3693bbb66128a9",
                "name": "M45",
                "description": "Moodle 4.5",
            },
            CLAIM + "custom": {"context_memberships_url": f"{services}/CourseSection/2/bindings/3/memberships"},
            "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": {
                "scope": [scope + "lineitem", scope + "result.readonly", scope + "score"],
                "lineitems": f"{services}/2/lineitems?type_id=3",
                "lineitem": f"{services}/2/lineitems/18/lineitem?type_id=3",
            },
            "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice": {
                "context_memberships_url": f"{services}/CourseSection/2/bindings/3/memberships",
                "service_versions": ["1.0", "2.0"],
            },
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": KID}
        return jws.serialize_compact(head, json.dumps(claims).encode(), self.key, algorithms=["RS256"])

    def launches(self, port: int, subjects: list[str]) -> list[bytes]:
        """A launch for each of these people, ready to send: a login each at the server of that port, then the host's
        answer, signed, with the cookies that the login gave."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = [subjects[start::AT_ONCE] for start in range(AT_ONCE)]
            return [one for part in pool.map(lambda part: self._part(port, part), parts) for one in part]

    def _part(self, port: int, subjects: list[str]) -> list[bytes]:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = dict(one.split(": ") for one in HEAD.strip().split("\r\n"))
        made = []
        for subject in subjects:
            line.request("GET", login_path(), headers=headers)
            answer = line.getresponse()
            said = answer.read()
            if answer.status != 302:
                raise Refused(f"{answer.status} {said[:600].decode(errors='replace')}")
            query = parse_qs(urlsplit(answer.headers["Location"]).query)
            cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or []]
            nonce, state = query.get("nonce", ["none"])[0], query.get("state", ["none"])[0]
            body = urlencode({"id_token": self.token(subject, nonce), "state": state})
            made.append(posted("/lti/launch", body, "; ".join(cookies)))
        line.close()
        return made


def login_path() -> str:
    """A login initiation."""
    told = {
        "iss": ISSUER,
        "client_id": CLIENT,
        "login_hint": "10",
        "lti_message_hint": '{"cmid":5,"launchid":"ltilaunch5_1056837305"}',
        "target_link_uri": f"{TOOL}/lti/launch",
        "lti_deployment_id": DEPLOYMENT,
    }
    return f"/lti/login?{urlencode(told)}"


def logins(count: int) -> list[bytes]:
    """So many login initiations."""
    return [f"GET {login_path()} HTTP/1.1\r\n{HEAD}\r\n".encode()] * count


def posted(path: str, body: str, cookies: str) -> bytes:
    """A form, written out as a browser sends it from the host's page."""
    return (
        f"POST {path} HTTP/1.1\r\n{HEAD}Origin: {ISSUER}\r\nSec-Fetch-Site: cross-site\r\n"
        + (f"Cookie: {cookies}\r\n" if cookies else "")
        + f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
