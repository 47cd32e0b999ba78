"""更正申请: what a teacher asks about their hours, and the officers' answers."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import asks
from lms_plugin.web import formats, ledger_words, messages
from lms_plugin.web.edge import actor, db, edge
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("asks", __name__)


def answer_word(answer: str) -> tuple[str, str]:
    """(kind, word) of where a request stands."""
    words = {
        "booked": ("good", _("已补记")),
        "reversed": ("good", _("已冲销")),
        "explained": ("note", _("已说明，不变")),
    }
    return words.get(answer, ("wait", _("等答复")))


def entry_words(entry: asks.EntryLine | None) -> str:
    """Which line of the ledger is meant."""
    if entry is None:
        return str(_("少记了一条"))
    amount = f"{ledger_words.kind_word(entry.kind)} {formats.hours(entry.hundredths)}"
    return f"{formats.dated(entry.on)} · {amount} · {ledger_words.basis_words(entry.reason, entry.source)}"


@blueprint.route("/record/<programme>/asks", methods=["GET", "POST"])
def mine(programme: str) -> BaseResponse | tuple[str, int]:
    """One's own requests with their answers, and the form for another."""
    values = {"entry": request.args.get("entry", ""), "text": ""}
    errors: dict[str, str] = {}
    if request.method == "POST":
        values = {name: request.form.get(name, "") for name in values}
        try:
            asks.ask(db(), actor(), programme, values["entry"], values["text"], edge().now)
            return redirect(url_for("asks.mine", programme=programme), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
        except Refused as refused:
            if not refused.code.startswith("ask."):
                raise
            db().rollback()
            errors = {"text": messages.sentence(refused.code, refused.params)}
    view = asks.own_requests(db(), actor(), programme)
    page = render_template(
        "asks/own.html",
        view=view,
        values={**values, "text": values["text"][:2000]},
        errors=errors,
        entries=[(one.uuid, entry_words(one)) for one in view.entries],
        answer_word=answer_word,
        entry_words=entry_words,
    )
    return page, 422 if errors else 200


@blueprint.post("/me/answers")
def read() -> BaseResponse:
    """去看答复: to the newest answer; the page of one's own says nothing of it any more."""
    return redirect(url_for("asks.mine", programme=asks.read_answer(db(), actor())), 303)


@blueprint.get("/hours-asked")
def inbox() -> str:
    """The requests within an officer's reach, the open ones first."""
    number = whole(request.args.get("page"), 1)
    view = asks.inbox(db(), actor(), number)
    return render_template(
        "asks/inbox.html",
        view=view,
        page=number,
        pages=pages(view.total, asks.PAGE),
        address=lambda there: url_for("asks.inbox", page=there),
        answer_word=answer_word,
        entry_words=entry_words,
    )


@blueprint.route("/hours-asked/<ask>", methods=["GET", "POST"])
def one(ask: str) -> BaseResponse | tuple[str, int]:
    """One request, and its answer."""
    values, errors = {"answer": "", "reply": ""}, dict[str, str]()
    if request.method == "POST":
        values = {name: request.form.get(name, "") for name in values}
        try:
            asks.answer(db(), actor(), ask, values["answer"], values["reply"], edge().now)
            return redirect(url_for("asks.inbox"), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = asks.request_of(db(), actor(), ask)
    page = render_template(
        "asks/one.html",
        view=view,
        values={**values, "reply": values["reply"][:2000]},
        errors=errors,
        answer_word=answer_word,
        entry_words=entry_words,
    )
    return page, 422 if errors else 200
