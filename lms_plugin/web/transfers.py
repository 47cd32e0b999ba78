"""转出 and 转入: a teacher's own page, the officers' list, one transfer, one arrival; files that travel."""

import tempfile
from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import arrivals, transfer_files, transfer_marks, transfer_views, transfer_works, transfers
from lms_plugin.web import ledger_words, marks, messages, uncertain
from lms_plugin.web.edge import actor, db, edge, parts, wake_worker
from lms_plugin.web.evidence import sealed
from lms_plugin.web.formats import gettext as _
from lms_plugin.web.forms import pages, whole

blueprint = Blueprint("transfers", __name__)


def _secret() -> str:
    return parts().settings.secret_key.get_secret_value()


def state_word(state: str) -> tuple[str, str]:
    """Where a transfer or an arrival stands: the kind of the badge, and the word on it."""
    words = {
        "asked": ("wait", _("等区县管理员放行")),
        "declined": ("stop", _("没有放行")),
        "withdrawn": ("note", _("已撤回")),
        "released": ("wait", _("已放行，还没到")),
        "handed": ("good", _("已交对方接收")),
        "arrived": ("good", _("对方已接收")),
        "returned": ("stop", _("对方没有接收，已退回")),
        "open": ("note", _("等对方转来")),
        "waiting": ("wait", _("到了，等区县管理员看")),
        "accepted": ("good", _("已接收")),
        "refused": ("stop", _("没有接收")),
        "closed": ("note", _("已结束")),
    }
    return words.get(state, ("note", state))


def event_word(what: str) -> str:
    """What was done, as the log says it."""
    words = {
        "asked": _("本人申请转出"),
        "withdrawn": _("撤回"),
        "declined": _("没有放行"),
        "released": _("放行：学时从这里转出"),
        "handed": _("把放行码给了对方"),
        "returned": _("对方没有接收，学时回到这里"),
        "arrived": _("对方全部接收"),
        "arrived_part": _("对方接收了一部分，其余的学时回到这里"),
        "opened": _("本人要了接收码"),
        "closed": _("本人不要接收码了"),
        "received": _("转来的档案到了"),
        "called_back": _("对方撤回了"),
        "accepted": _("全部接收"),
        "part": _("接收了一部分"),
        "refused": _("没有接收"),
    }
    return str(words.get(what, what))


def by_words(judged: transfer_marks.Judged) -> str:
    """Who decided there, and when, in a sentence; nobody is named."""
    who = {"trainer": _("评审员评定"), "panel": _("学校考核小组评定"), "rule": _("互评明显合格，按项目规则通过")}.get(
        judged.by, _("评定")
    )
    return _("%(who)s，%(day)s", who=who, day=judged.decided_on) if judged.decided_on else str(who)


_WORDS = {"state_word": state_word, "event_word": event_word, "kind_word": ledger_words.kind_word}


@blueprint.get("/transfer")
def mine() -> str:
    """One's own: what has left, what has come, and how either begins."""
    return _mine({})[0]


def _mine(errors: dict[str, str]) -> tuple[str, int]:
    view = transfer_views.mine(db(), actor())
    form = request.form
    page = render_template(
        "transfers/mine.html",
        view=view,
        errors=errors,
        code=form.get("code", "")[:40],
        to_name=form.get("to_name", "")[:200],
        most=transfer_files.MOST_BYTES // 1024 // 1024,
        most_files=transfer_files.MOST_FILE_BYTES // 1024 // 1024,
        **_WORDS,
    )
    return page, 422 if errors else 200


@blueprint.post("/transfer/ask")
def ask() -> BaseResponse | tuple[str, int]:
    """申请转出."""
    try:
        transfers.ask(db(), actor(), request.form.get("code", ""), request.form.get("to_name", ""), edge().now)
    except Invalid as invalid:
        db().rollback()
        return _mine(messages.field_errors(invalid))
    return redirect(url_for("transfers.mine"), 303)


@blueprint.post("/transfer/<transfer>/withdraw")
def withdraw(transfer: str) -> BaseResponse:
    """不转了."""
    transfers.take_back_request(db(), actor(), transfer, edge().now)
    return redirect(url_for("transfers.mine"), 303)


@blueprint.post("/transfer/code")
def code() -> BaseResponse:
    """要一个接收码, or give it back."""
    if request.form.get("act") == "close":
        arrivals.close_code(db(), actor(), edge().now)
    else:
        arrivals.open_code(db(), actor(), edge().now)
    return redirect(url_for("transfers.mine"), 303)


@blueprint.post("/transfer/received")
def receive() -> BaseResponse | tuple[str, int]:
    """The file that another installation gave. Whatever is wrong with it is said at the field; nothing is kept."""
    given = request.files.get("file")
    if given is None or not given.filename:
        return _mine({"file": messages.sentence("sheet.none_chosen")})
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sent.zip"
            given.save(path)
            transfer_files.receive(db(), actor(), parts().storage, path, edge().now)
    except Refused as refused:
        if refused.status != Refused.status or not refused.code.startswith(("transfer.", "parcel.", "signing.")):
            raise
        db().rollback()
        return _mine({"file": messages.sentence(refused.code, refused.params)})
    return redirect(url_for("transfers.mine"), 303)


@blueprint.get("/transfers/leaving/<transfer>/file")
def file(transfer: str) -> BaseResponse:
    """The signed package in a parcel with the files that fit, for its person or their officer."""
    data, found = transfer_views.file_of(db(), actor(), transfer)
    db().rollback()  # what is read is read: nobody waits for this connection while files are packed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leaving.zip"
        transfer_files.pack(path, data, found, parts().storage)
        stream = path.open("rb")  # outlives its name
    name = f"{_('转出档案')}-{transfer[:8]}.zip"
    return send_file(stream, mimetype="application/zip", as_attachment=True, download_name=name, max_age=None)


@blueprint.get("/transfers/arriving/<arrival>/works")
def works(arrival: str) -> str:
    """What was handed in elsewhere, with its results and its files; for the officer, and for the teacher."""
    return render_template(
        "transfers/works.html",
        view=transfer_works.page(db(), actor(), arrival, edge().now),
        by_words=by_words,
        level_word=marks.level_word,
        counts_word=uncertain.counts_word,
        **_WORDS,
    )


@blueprint.get("/transfers/arriving/<arrival>/files/<file>")
def came(arrival: str, file: str) -> Response:
    """A file that came along. Nobody here has looked into it: it is only ever saved."""
    key, name = transfer_works.file_of(db(), actor(), arrival, file)
    path = parts().storage.path(key)
    db().rollback()  # a slow line holds no connection
    response = send_file(
        path, transfer_files.BINARY, as_attachment=True, download_name=name, conditional=True, etag=False
    )
    response.headers.pop("Last-Modified", None)
    return sealed(response)


@blueprint.get("/.well-known/transfer-keys.json")
def keys() -> BaseResponse:
    """The public keys by which the districts of this installation sign what leaves them."""
    response = jsonify({"keys": transfer_views.public_keys(db())})
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@blueprint.get("/transfers")
def home() -> str:
    """The officers' lists, each on pages of its own."""
    page_in, page_out = whole(request.args.get("in"), 1), whole(request.args.get("out"), 1)
    return render_template(
        "transfers/home.html",
        view=transfer_views.home(db(), actor(), page_in, page_out),
        page_in=page_in,
        page_out=page_out,
        pages=pages,
        in_address=lambda there: url_for("transfers.home", **{"in": there, "out": page_out}, _anchor="l-in"),
        out_address=lambda there: url_for("transfers.home", **{"in": page_in, "out": there}, _anchor="l-out"),
        **_WORDS,
    )


@blueprint.route("/transfers/leaving/<transfer>", methods=["GET", "POST"])
def leaving(transfer: str) -> BaseResponse | tuple[str, int]:
    """One transfer: let go or not, taken back, handed over, come back."""
    errors: dict[str, str] = {}
    form = request.form
    if request.method == "POST":
        reason, now = form.get("reason", ""), edge().now
        try:
            match form.get("act"):
                case "release":
                    transfers.release(db(), actor(), transfer, _secret(), now)
                case "decline":
                    transfers.decline(db(), actor(), transfer, reason, now)
                case "withdraw":
                    transfers.withdraw(db(), actor(), transfer, reason, now)
                case "hand":
                    transfers.hand_over(db(), actor(), transfer, now)
                case "returned":
                    transfers.refused_there(db(), actor(), transfer, form.get("code", ""), _secret(), now)
                case _:
                    raise NotFound
            wake_worker()
            return redirect(url_for("transfers.leaving", transfer=transfer), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    view = transfer_views.leaving_page(db(), actor(), transfer, _secret())
    page = render_template(
        "transfers/leaving.html",
        view=view,
        errors=errors,
        reason=form.get("reason", "")[:2000],
        code=form.get("code", "")[:40],
        **_WORDS,
    )
    return page, 422 if errors else 200


@blueprint.route("/transfers/arriving/<arrival>", methods=["GET", "POST"])
def arriving(arrival: str) -> BaseResponse | tuple[str, int]:
    """One arrival: who, from where, what; taken in, in part, or refused."""
    errors: dict[str, str] = {}
    form = request.form
    if request.method == "POST":
        try:
            if form.get("act") == "accept":
                arrivals.accept(db(), actor(), arrival, _choice(), edge().now)
            elif form.get("act") == "refuse":
                reason = form.get("reason", "")
                arrivals.refuse(db(), actor(), arrival, reason, form.get("code", ""), edge().now)
            elif form.get("act") == "return_code":
                arrivals.return_code(db(), actor(), arrival, form.get("code", ""), edge().now)
            else:
                raise NotFound
            wake_worker()
            return redirect(url_for("transfers.arriving", arrival=arrival), 303)
        except Invalid as invalid:
            db().rollback()
            errors = messages.field_errors(invalid)
    programme = request.args.get("programme", "") or form.get("programme", "")
    view = transfer_views.arriving_page(db(), actor(), arrival, programme, edge().now)
    chosen = _choice() if errors else None
    page = render_template(
        "transfers/arriving.html",
        view=view,
        errors=errors,
        fault=messages.sentence(view.fault, {}) if view.fault else "",
        blocks=chosen.blocks if chosen else {block.key for block in view.blocks},
        points=dict(chosen.points) if chosen else {one.held.key: one.same for one in view.points},
        reason=form.get("reason", "")[:2000],
        code=form.get("code", "")[:40],
        **_WORDS,
    )
    return page, 422 if errors else 200


def _choice() -> arrivals.Choice:
    form = request.form
    prefix = "point:"
    return arrivals.Choice(
        programme=form.get("programme", ""),
        blocks=frozenset(form.getlist("block")),
        points={key.removeprefix(prefix): form[key] for key in form if key.startswith(prefix) and form[key]},
        reason=form.get("reason", ""),
        code=form.get("code", ""),
    )
