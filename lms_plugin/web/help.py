"""帮助: how to start, role by role, and whom to ask. Open to everybody, signed in or not."""

from flask import Blueprint, render_template

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def page() -> str:
    """One page for all."""
    return render_template("help/page.html")
