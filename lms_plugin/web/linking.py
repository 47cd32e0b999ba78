"""往课程里放链接: the page that a host opens to ask what to put into its course, and the answer through the browser."""

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response as BaseResponse

import lti
from lms_plugin.errors import Invalid
from lms_plugin.flow import linking
from lms_plugin.web import assets, formats, messages
from lms_plugin.web.edge import actor, db, edge, parts

blueprint = Blueprint("linking", __name__)


@blueprint.get("/links/<link>")
def page(link: str) -> str:
    """What can be put into the course: the whole programme, a point, the record, the reviews."""
    return _page(link, [], "")


def _page(link: str, chosen: list[str], error: str) -> str:
    view = linking.picker(db(), actor(), link, edge().now)
    if not chosen and not error and len(view.offers) == 1:
        chosen = [f"{view.offers[0].uuid}/programme"]  # what most courses want
    return render_template("linking/page.html", view=view, chosen=chosen, error=error)


@blueprint.post("/links/<link>")
def choose(link: str) -> BaseResponse | tuple[str, int] | str:
    """Gives the choice to the host: a page whose only form goes there, sent by itself where scripts run."""
    here, settings = edge(), parts().settings
    chosen = [] if "cancel" in request.form else request.form.getlist("item")
    if not chosen and "cancel" not in request.form:
        return _page(link, chosen, messages.sentence("form.choose")), 422
    try:
        answer = linking.choose(
            db(),
            actor(),
            link,
            chosen,
            here.now,
            launch_url=settings.launch_url,
            icon_url=settings.public_url + assets.asset("icon.svg"),
            secret_key=settings.secret_key.get_secret_value(),
            language="en" if formats.is_english() else "zh",
            words_of_none=(
                formats.gettext("没有放入任何内容。"),
                formats.gettext("还没有可放的培训项目，请区县管理员先建好。"),
            ),
        )
    except Invalid as invalid:
        db().rollback()
        return _page(link, chosen, messages.field_errors(invalid)["item"]), 422
    here.sends_to = lti.origin(answer.return_url)
    return render_template("linking/answer.html", answer=answer)
