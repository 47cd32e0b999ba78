"""组件一览: every component of the pages once. In the demo and on loopback only."""

from flask import Blueprint, render_template

from lms_plugin.errors import NotFound
from lms_plugin.web.edge import parts

blueprint = Blueprint("kit", __name__)


@blueprint.get("/kit")
def page() -> str:
    """The components as a reader sees them; no such page on a real installation."""
    settings = parts().settings
    if not (settings.demo or settings.allow_loopback):
        raise NotFound
    return render_template("kit.html")
