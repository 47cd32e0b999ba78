"""For monitoring: is the process alive, can it do its work."""

from flask import Blueprint, Response, jsonify
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
    return jsonify(status="ok" if not problems else "not ready", problems=problems), 503 if problems else 200
