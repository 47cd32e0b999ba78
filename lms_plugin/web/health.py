"""For monitoring: is the process alive, can it do its work."""

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import text

from lms_plugin.web.edge import db, parts

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
def live() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Database and evidence folder answer; 503 says which one does not."""
    problems = []
    try:
        db().connection().execute(text("SELECT 1 FROM tenant LIMIT 1"))
    except Exception:  # whatever the driver raises, the answer is the same
        problems.append("database")
    if not parts().settings.data_dir.is_dir():
        problems.append("data_dir")
    state = "ok" if not problems else "not ready"
    # How this tool sees itself addressed: the self-check compares it with NENGLI_PUBLIC_URL (proxy headers).
    seen = {"seen": request.host_url.rstrip("/"), "forwarded": is_forwarded()}
    return jsonify(status=state, problems=problems, **seen), 503 if problems else 200


def is_forwarded() -> bool:
    """Whether a proxy said how it was asked (believed or not)."""
    return "X-Forwarded-Proto" in request.headers
