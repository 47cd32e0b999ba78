"""自检: the page for IT, and the probe of the browser that shows it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlmodel import select

import lti
from lms_plugin.db import pk
from lms_plugin.people import WebSession
from tests import people as cast
from tests.factories import World
from tests.hosts.platform_server import platform_services
from tests.serving import SECRET
from tests.web.launching import row_counts, written
from tests.web.pages_world import Pages, served


@pytest.mark.parametrize("who", [cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR])
def test_only_who_sees_to_platforms_sees_it(browse, world: World, who: cast.Cast) -> None:
    browser = browse(who)
    assert browser.get("/doctor").status_code == 403
    assert browser.get("/doctor/cookie").status_code == 403
    assert browser.post("/doctor").status_code == 403


def test_a_click_tries_everything_and_writes_nothing(browse, world: World) -> None:
    with platform_services() as services:
        services.tokens[""] = (400, "text/html", '{"error": "invalid_request"}')
        row = lti.platforms(world.session, pk(world.tenant))[0]
        row.issuer, row.product, row.name = services.url, "moodle", "县研修平台"
        row.token_url, row.jwks_url = services.url + "/token", services.url + "/jwks"
        lti.ensure_tool_key(world.session, SECRET, world.now)
        world.session.commit()
        browser = browse(cast.IT)
        before = row_counts(world.session)
        page = browser.post("/doctor").text
        assert written(before, row_counts(world.session)) == {}
        assert services.asked
    assert "贵 Moodle 连不到本工具的公钥地址 http://localhost/.well-known/jwks.json" in page
    assert "县研修平台 · " in page
    assert "后台任务从来没有运行过" in page
    assert "安装密钥" not in page  # the installation's, not the district's
    assert page.index("要改") < page.index("好</span>")  # what is wrong stands first


def test_why_a_platform_cannot_be_reached_is_said_plainly(browse, world: World) -> None:
    row = lti.platforms(world.session, pk(world.tenant))[0]
    row.issuer, row.jwks_url, row.token_url = "http://127.0.0.1:1", "https://10.0.0.1/jwks", "http://127.0.0.1:1/token"
    world.session.commit()
    page = browse(cast.IT).post("/doctor").text
    assert "连不到平台 http://127.0.0.1:1（连不上它的端口，或连接被切断）" in page
    assert "读不到平台的公钥网址（那是本机或没有放行的内网地址）" in page
    assert "ConnectionError" not in page
    assert "net." not in page


def test_a_proxy_that_is_not_believed_is_seen_by_the_page_itself(browse, world: World) -> None:
    world.session.exec(select(lti.Platform)).one().is_disabled = True
    world.session.commit()
    client = browse(cast.IT)
    client.client.environ_base["HTTP_X_FORWARDED_PROTO"] = "https"
    answer = client.client.post("/doctor", data={"csrf_token": client.csrf}, base_url="https://localhost")
    assert "反向代理" in answer.text
    assert "X-Forwarded-Proto" in answer.text


def test_the_probe_cookie_is_set_as_a_launch_sets_it_and_comes_back(browse, world: World) -> None:
    browser = browse(cast.IT)
    first = browser.client.get("/doctor/cookie", base_url="https://localhost")
    assert first.json == {"came": False}
    said = first.headers["Set-Cookie"]
    for word in ("__Host-nengli-probe=1", "Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"):
        assert word in said
    assert browser.client.get("/doctor/cookie", base_url="https://localhost").json == {"came": True}


# --- in a browser ---


@pytest.fixture(scope="module")
def pages(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with served(module_database_url, tmp_path_factory.mktemp("doctor")) as found:
        yield found


HOST = """<!doctype html><iframe src="{src}" width="700" height="600"></iframe><script>
addEventListener("message", (event) => {{
  if (event.data?.subject !== "lti.capabilities" || !{lends}) return;
  event.source.postMessage({{ subject: "lti.capabilities.response", message_id: event.data.message_id,
    supported_messages: [{{ subject: "lti.put_data" }}, {{ subject: "lti.get_data" }}] }}, event.origin);
}});
</script>"""


def of_host(pages: Pages, origin: str) -> None:
    """The course's platform shows its pages there, and IT came from it."""
    session, course = pages.world.session, pages.world.course
    deployment = session.get(lti.Deployment, course.deployment_id)
    assert deployment is not None
    platform = session.get(lti.Platform, deployment.platform_id)
    assert platform is not None
    platform.auth_url, platform.is_disabled = origin + "/auth", False
    it = pk(pages.world.person(cast.IT))
    for row in session.exec(select(WebSession).where(WebSession.person_id == it)).all():
        row.platform_origin = origin
    session.commit()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("keeps_cookies", "lends", "way"), [(True, False, "cookie"), (False, True, "storage"), (False, False, "bearer")]
)
def test_the_page_names_the_way_that_this_browser_takes(
    pages: Pages, browser: Browser, keeps_cookies: bool, lends: bool, way: str
) -> None:
    """In the frame of a course's page that does or does not lend its storage."""
    html = HOST.format(src=pages.url + "/doctor", lends=str(lends).lower())

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    origin = f"http://localhost:{server.server_port}"
    of_host(pages, origin)
    try:
        with browser.new_context(locale="zh-CN") as context:
            session = {"name": "__Host-nengli", "value": pages.cookies["it", "zh-Hans"], "secure": True}
            context.add_cookies([{**session, "url": pages.url.replace("http:", "https:"), "sameSite": "None"}])
            window = context.new_page()
            if not keeps_cookies:  # the probe's cookie alone is lost: the page itself must still come
                window.route("**/doctor/cookie", lambda route: route.fulfill(json={"came": False}))
            window.goto(origin)
            frame = window.frame_locator("iframe")
            frame.locator(f"[data-way={way}]").wait_for(timeout=10_000)
            assert frame.locator("[data-result=framed]").inner_text().strip() == "在框里"
    finally:
        server.shutdown()
        server.server_close()
