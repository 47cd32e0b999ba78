"""A small host for kit.html: it gives the frame what the web layer gives, and answers what the page scripts ask."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from flask import Flask, Response, g, redirect, render_template, request
from flask_babel import Babel
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.web import drawings, typed
from tests.hosts import loopback

ROOT = Path(__file__).resolve().parents[2]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
)
NOW = datetime(2026, 11, 30, 1, 40, tzinfo=UTC)
BEARER = "bearer-of-this-tab"


class Host:
    """What the scripts sent: drafts, uploads, requests; `cuts` = how many of the next parts are lost on the way."""

    def __init__(self) -> None:
        self.url = ""
        self.version = 1
        self.drafts: list[dict[str, str]] = []
        self.answer_with: int = 200
        self.uploads: dict[str, dict[str, Any]] = {}
        self.patches: list[tuple[int, int]] = []
        self.cuts = 0
        self.forms: list[tuple[str, dict[str, str], dict[str, bytes]]] = []
        self.seen: list[tuple[str, str | None]] = []


def context(menu_url: str = "/kit") -> dict[str, Any]:
    """The frame's context for a teacher; `?lang=en`, `?size=larger`, `?theme=dark` change it."""
    english = request.args.get("lang") == "en"
    words = ("My points", "Peer reviews", "Record") if english else ("我的能力点", "互评任务", "研修档案")
    viewer = SimpleNamespace(
        name="王秀兰",
        display_name="Ms Wang" if english else "王老师",
        menu=[(menu_url, words[0], True), ("/kit/two", words[1], False), ("/kit/three", words[2], False)],
        text_size=request.args.get("size", "standard"),
        theme=request.args.get("theme", ""),
        locale="en" if english else "zh-Hans",
        csrf="csrf-1",
        fingerprint="person-1",
        return_url="https://lms.example/course/view.php?id=7",
        is_demo=True,
        is_answered=False,
    )
    return {
        "viewer": viewer,
        "product_name": "Teacher competency points" if english else "教师能力点考核",
        "locale": viewer.locale,
        "reference": "K7Q2-93FD",
        "switch_url": request.path,
        "helper": "学校管理员 李老师",
        "now": NOW,
    }


def app_of(host: Host) -> Flask:
    """The Flask app of this host."""
    app = Flask(
        "kit",
        root_path=str(ROOT),
        template_folder=ROOT / "lms_plugin/templates",
        static_folder=ROOT / "lms_plugin/static",
    )
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.filters.update(
        when=lambda moment, tz=None: f"{moment:%m-%d %H:%M}",
        day=lambda d: f"{d:%m-%d}",
        deadline=lambda d: f"{d:%m-%d} 24:00",
    )
    app.jinja_env.globals.update(asset=lambda path: f"/static/{path}", **drawings.DRAWN)
    Babel(app, default_locale="zh_Hans")

    @app.before_request
    def note() -> None:
        g.bearer = request.headers.get("X-Nengli-Session")
        host.seen.append((f"{request.method} {request.path}", g.bearer))

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CSP
        return response

    @app.get("/kit")
    @app.get("/kit/two")
    def kit() -> str:
        return render_template("kit.html", **context())

    @app.get("/kit/plain")
    @app.get("/kit/three")
    def refusal() -> str:
        return render_template("error.html", sentence="这里还没有内容", who="李老师可以开通", **context())

    @app.get("/lti/launch")
    def launch() -> str:
        told = {
            **context(),
            "viewer": None,
            "is_picking": False,
            "account": "王老师",
            "ticket": "t",
            "bearer": BEARER,
            "home": "/",
        }
        return render_template("lti/continue.html", return_url="https://lms.example/course", **told)

    @app.post("/lti/here")
    def here() -> tuple[str, int]:
        return "", 204

    @app.get("/")
    @app.get("/inside")
    def inside() -> tuple[str, int]:
        if g.bearer != BEARER:
            return render_template("error.html", **{**context(), "viewer": None, "sentence": "需要重新进入"}), 401
        return render_template("kit.html", **context("/inside")), 200

    @app.get("/framed")
    def framed() -> str:
        return render_template("kit.html", platform_origin=host.url, **context())

    @app.get("/frame")
    def frame() -> str:
        return '<!doctype html><script src="/listen.js"></script><iframe src="/framed"></iframe>'

    @app.get("/listen.js")
    def listen() -> Response:
        return Response(
            "window.told = new Promise((done) => {"
            "  onmessage = ({ data }) => { if (data.subject === 'lti.frameResize') done(data); };"
            "});",
            content_type="text/javascript",
        )

    @app.post("/kit/save")
    def save() -> Response:
        if host.answer_with == 409:
            return Response("<h3>两处都改了</h3><p>那边写的是：甲</p>", 409, content_type="text/html")
        if host.answer_with != 200:
            return Response("{}", host.answer_with, content_type="application/json")
        said = {key: value for key, value in request.form.items() if key != "version"}
        if host.drafts and said == {key: value for key, value in host.drafts[-1].items() if key != "version"}:
            # as the product does: what is stored already is no conflict, whatever the version
            body = {"version": host.version, "saved_at": "2026-11-30T09:41:00+08:00"}
            return Response(json.dumps(body), content_type="application/json")
        if request.form["version"] != str(host.version):
            return Response("<h3>两处都改了</h3>", 409, content_type="text/html")
        host.drafts.append(request.form.to_dict())
        host.version += 1
        body = {"version": host.version, "saved_at": "2026-11-30T09:41:00+08:00"}
        return Response(json.dumps(body), content_type="application/json")

    @app.post("/kit/<path:rest>")
    def form(rest: str) -> tuple[str, int] | BaseResponse:
        if host.answer_with != 200:
            return render_template("error.html", sentence="没有收", **context()), host.answer_with
        files = {name: item.read() for name, item in request.files.items()}
        host.forms.append((rest, request.form.to_dict(), files))
        return typed.acknowledge(redirect("/kit/plain", 303))

    @app.get("/kit/slot")
    def slot() -> str:
        return '<section class="slot" id="slot-2"><h3>已收到</h3></section>'

    @app.post("/uploads")
    def create() -> Response:
        number = str(len(host.uploads) + 1)
        host.uploads[number] = {
            "length": int(request.headers["Upload-Length"]),
            "meta": request.headers["Upload-Metadata"],
            "bytes": bytearray(),
            "csrf": request.headers["X-Nengli-Csrf"],
            "person": request.headers["X-Nengli-Fingerprint"],
        }
        return Response(
            "", 201, {"Location": f"http://behind.proxy.example/uploads/{number}", "Tus-Resumable": "1.0.0"}
        )

    @app.route("/uploads/<number>", methods=["HEAD", "PATCH", "DELETE"])
    def part(number: str) -> Response:
        upload = host.uploads.get(number)
        if upload is None:
            return Response("", 404)
        if request.method == "DELETE":
            del host.uploads[number]
            return Response("", 204)
        if request.method == "PATCH":
            offset = int(request.headers["Upload-Offset"])
            body = request.get_data()
            host.patches.append((offset, len(body)))
            if host.cuts > 0:
                host.cuts -= 1
                return Response("", 503)
            if offset != len(upload["bytes"]):
                return Response("", 409)
            upload["bytes"].extend(body)
        return Response("", 204 if request.method == "PATCH" else 200, {"Upload-Offset": str(len(upload["bytes"]))})

    return app


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """The host on a free port of loopback, as long as the block lasts."""
    with loopback.served(app_of(host)) as port:
        host.url = f"http://127.0.0.1:{port}"
        yield host
