"""消息: what one was told, each with the page of its act; where letters go; and the link in a letter that ends them."""

from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import messages as flow
from lms_plugin.flow import messages_mail
from lms_plugin.flow.message_words import KINDS
from lms_plugin.web import formats, messages
from lms_plugin.web.edge import actor, commit, db, edge, parts, wake_worker
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("inbox", __name__)


def message_words(line: flow.Line) -> str:
    """A message in the page's language."""
    known = KINDS.get(line.kind)
    return known.said(line.params, "en" if formats.is_english() else "zh") if known is not None else ""


@blueprint.get("/messages")
def home() -> str:
    """The unread ones first."""
    number = whole(request.args.get("page"), 1)
    view = flow.inbox(db(), actor(), number)
    return render_template(
        "inbox/home.html",
        view=view,
        words=message_words,
        shown_at=edge().now.isoformat(),
        mail=messages_mail.mine(db(), actor()) if parts().settings.smtp_host else None,
        page=number,
        pages=pages(view.total, flow.A_PAGE),
        address=lambda there: url_for("inbox.home", page=there),
    )


@blueprint.post("/messages/<message>/open")
def open_(message: str) -> BaseResponse:
    """去办: it is read, and here is the page of its act."""
    return redirect(flow.open_message(db(), actor(), message, edge().now), 303)


@blueprint.post("/messages/<message>/read")
def read(message: str) -> BaseResponse:
    """标为已读, or 标为未读."""
    flow.set_read(db(), actor(), message, edge().now, is_read=request.form.get("read") != "0")
    return redirect(url_for("inbox.home"), 303)


@blueprint.post("/messages/read")
def read_all() -> BaseResponse:
    """全部标为已读."""
    try:
        shown_at = datetime.fromisoformat(request.form.get("shown_at", ""))
    except ValueError:
        shown_at = edge().now
    if shown_at.tzinfo is None:
        shown_at = edge().now
    flow.read_all(db(), actor(), shown_at, edge().now)
    return redirect(url_for("inbox.home"), 303)


@blueprint.route("/messages/mail", methods=["GET", "POST"])
def mail() -> BaseResponse | tuple[str, int]:
    """Where letters go."""
    mine, told = messages_mail.mine(db(), actor()), dict[str, str]()
    values = {"address": mine.address if mine.state != "off" else "", "hour": str(mine.hour)}
    if request.method == "POST":
        values = {name: request.form.get(name, "")[:300] for name in values}
        try:
            messages_mail.set_address(
                db(), actor(), values["address"], whole(values["hour"], -1, -1), edge().now, _daytime()
            )
            wake_worker()
            return redirect(url_for("inbox.mail"), 303)
        except Invalid as error:
            db().rollback()
            told = messages.field_errors(error)
        except Refused as refused:
            if not refused.code.startswith("mail."):
                raise
            db().rollback()
            told = {"address": messages.sentence(refused.code, refused.params)}
    return _mail(values, told), 422 if told else 200


def _daytime() -> messages_mail.Daytime:
    settings = parts().settings
    return messages_mail.Daytime(settings.letters_from, settings.letters_until)


def _mail(values: dict[str, str], told: dict[str, str]) -> str:
    mine = messages_mail.mine(db(), actor())
    return render_template(
        "inbox/mail.html",
        mine=mine,
        is_on=bool(parts().settings.smtp_host),
        values=values,
        errors=told,
        hours=[(str(hour), f"{hour}:00") for hour in _daytime().hours],
        trouble=messages.sentence(mine.trouble) if mine.trouble else "",
    )


@blueprint.post("/messages/mail/confirm")
def confirm() -> BaseResponse | tuple[str, int]:
    """The code from the letter. A wrong one counts, so its try is kept although it is refused."""
    secret = parts().settings.secret_key.get_secret_value()
    try:
        messages_mail.confirm(db(), actor(), request.form.get("code", "")[:20], secret, edge().now)
    except Invalid as error:
        commit()
        mine = messages_mail.mine(db(), actor())
        values = {"address": mine.address, "hour": str(mine.hour)}
        return _mail(values, messages.field_errors(error)), 422
    return redirect(url_for("inbox.mail"), 303)


@blueprint.post("/messages/mail/remove")
def remove() -> BaseResponse:
    """不再收信."""
    messages_mail.remove(db(), actor(), edge().now)
    return redirect(url_for("inbox.mail"), 303)


@blueprint.route("/mail/off/<off>", methods=["GET", "POST"])
def off(off: str) -> str:
    """The link in a letter: looking does nothing (programs follow links), its button ends letters; mail programs post
    here by themselves (RFC 8058)."""
    secret = parts().settings.secret_key.get_secret_value()
    act = request.method == "POST"
    return render_template(
        "inbox/off.html", is_over=messages_mail.end_by_link(db(), off, secret, edge().now, act=act), off=off
    )
